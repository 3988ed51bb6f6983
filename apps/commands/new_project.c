/* `efficientai new-project NAME`: a copy of projects/template under another name.
 *
 * Within the toolkit's source tree it becomes projects/NAME, which the next build finds; elsewhere
 * a folder NAME that builds by itself against the toolkit. The word "template" becomes the name,
 * wherever it stands alone. Everything is written into a folder beside the target first, which then
 * takes its name. Start at run. */
#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log.h>

#include "catalog.h"
#include "places.h"

#include "base/banned.h"

#define WORD     "template"
#define MAX_FILE ((size_t)1 << 20)
#define MAX_NAME 64

typedef struct new_project_args {
    const char *output;
} new_project_args;

static const eai_option new_project_options[] = {
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = offsetof(new_project_args, output),
     .value_name = "DIR",
     .help = "the new folder; else projects/NAME in the toolkit's source tree, NAME elsewhere"},
    {0},
};

/* ---- The name ----------------------------------------------------------------------------------
 */

static eai_status check_name(const char *name, eai_error *err)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (name[n] != '\0' || n == 0 || n > MAX_NAME || strchr("-0123456789", name[0]) ||
        name[n - 1] == '-')
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "'%s' is no name of a project: a letter, then at most %d lower-case "
                             "letters, digits and dashes",
                             name, MAX_NAME);
    catalog_open_plugins(catalog_get());
    if (strcmp(name, WORD) == 0 || catalog_find_project(catalog_get(), name) ||
        catalog_find_command(name))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "there is a '%s' already", name);
    return EAI_OK;
}

/* ---- Copying -----------------------------------------------------------------------------------
 */

typedef struct copier {
    const char *name;
    eai_error *err;
} copier;

static bool is_word_part(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* TEMPLATE, in a guard: the name in capitals, with underscores. */
static void print_guard(FILE *out, const char *name)
{
    for (; *name; name++)
        fputc(*name == '-' ? '_' : *name >= 'a' && *name <= 'z' ? *name - 32 : *name, out);
}

static void print_renamed(FILE *out, const char *text, const char *name)
{
    const size_t n = strlen(WORD);

    for (const char *c = text; *c;) {
        bool starts = c == text || !is_word_part(c[-1]);
        if (starts && strncmp(c, WORD, n) == 0 && !is_word_part(c[n])) {
            fputs(name, out);
            c += n;
        } else if (starts && strncmp(c, "TEMPLATE_", n + 1) == 0) {
            print_guard(out, name);
            c += n;
        } else {
            fputc(*c++, out);
        }
    }
}

/* A file's text under the new name. The caller frees it with free(). */
static eai_status rename_text(char **out, size_t *n, const char *text, const copier *k)
{
    FILE *f = open_memstream(out, n);

    if (f)
        print_renamed(f, text, k->name);
    if (!f || fclose(f) != 0)
        return eai_error_set(k->err, EAI_ERR_NOMEM, "no memory for a file of the template");
    return EAI_OK;
}

static eai_status copy_file(const copier *k, const char *from, const char *to, mode_t mode)
{
    char *text = NULL;
    char *renamed = NULL;
    size_t n = 0;

    EAI_TRY(eai_fs_read_file(&text, &n, from, MAX_FILE, k->err));
    eai_status st = rename_text(&renamed, &n, text, k);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(to, renamed, n, k->err);
    if (st == EAI_OK && chmod(to, mode & 0777) != 0)
        st = eai_error_set_errno(k->err, "cannot set the mode of '%s'", to);
    free(renamed); /* the stream's own memory */
    eai_free(text);
    return st;
}

static eai_status copy_folder(const copier *k, const char *from, const char *to);

static eai_status copy_entry(const copier *k, const char *from, const char *to)
{
    struct stat info;

    if (lstat(from, &info) != 0)
        return eai_error_set_errno(k->err, "cannot read '%s'", from);
    if (S_ISDIR(info.st_mode))
        return copy_folder(k, from, to);
    if (S_ISREG(info.st_mode))
        return copy_file(k, from, to, info.st_mode);
    return EAI_OK; /* a template has files and folders */
}

static eai_status copy_folder(const copier *k, const char *from, const char *to)
{
    DIR *dir = opendir(from);
    eai_status st =
        dir ? eai_fs_mkdir_p(to, k->err) : eai_error_set_errno(k->err, "cannot read '%s'", from);

    for (struct dirent *e; st == EAI_OK && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, "build", 5) == 0)
            continue;
        char *source = eai_path_join(from, e->d_name);
        char *target = eai_path_join(to, e->d_name);
        st = source && target ? copy_entry(k, source, target)
                              : eai_error_set(k->err, EAI_ERR_NOMEM, "no memory for a path");
        eai_free(source);
        eai_free(target);
    }
    if (dir)
        closedir(dir);
    return st;
}

/* ---- The command -------------------------------------------------------------------------------
 */

/* The folder to make. New memory; NULL: none. */
static char *choose_folder(const char *output, const char *name, bool *in_tree)
{
    char *source = places_source();
    char *projects = source ? eai_path_join(source, "projects") : NULL;

    *in_tree = !output && projects;
    char *folder = output     ? eai_strdup(output)
                   : *in_tree ? eai_path_join(projects, name)
                              : eai_strdup(name);
    eai_free(projects);
    eai_free(source);
    return folder;
}

static eai_status create(const char *template, const char *folder, const char *name, eai_error *err)
{
    const copier k = {name, err};
    char *draft = eai_asprintf("%s.tmp-%ld", folder, (long)getpid());

    if (!draft)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st = copy_folder(&k, template, draft);
    if (st == EAI_OK && rename(draft, folder) != 0)
        st = eai_error_set_errno(err, "cannot make '%s'", folder);
    if (st != EAI_OK) { /* nothing half-made stays; the first error is the one to tell */
        eai_error second = EAI_ERROR_INIT;
        if (eai_fs_remove_tree(draft, &second) != EAI_OK)
            EAI_LOG(WARN, "new-project", "%s", second.message);
    }
    eai_free(draft);
    return st;
}

static void say_next(const eai_command_context *ctx, const char *folder, const char *name,
                     bool in_tree)
{
    fprintf(ctx->out, "%s\n", folder);
    if (in_tree) {
        fprintf(ctx->progress, "next: make build && build/bin/efficientai test %s\n", name);
        return;
    }
    fprintf(ctx->progress,
            "next: cd %s && cmake -B build && cmake --build build && ctest --test-dir build\n"
            "then: efficientai --plugin-path %s/build/plugins %s:greet\n",
            folder, folder, name);
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const new_project_args *a = args;
    const char *const *operands;
    bool in_tree = false;

    if (eai_options_operands(ctx->set, &operands) != 1)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes one NAME", ctx->program);
    EAI_TRY(check_name(operands[0], err));
    char *template = places_template();
    char *folder = choose_folder(a->output, operands[0], &in_tree);
    eai_status st = EAI_OK;
    if (!template)
        st = eai_error_set(
            err, EAI_ERR_NOT_FOUND,
            "the template is not installed (share/efficientai/template), and this is no "
            "source tree");
    else if (!folder)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    else if (eai_fs_exists(folder))
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "'%s' is there already", folder);
    else
        st = create(template, folder, operands[0], err);
    if (st == EAI_OK)
        say_next(ctx, folder, operands[0], in_tree);
    eai_free(template);
    eai_free(folder);
    return st;
}

const eai_command command_new_project = {
    .name = "new-project",
    .summary = "begin a project that builds and passes its tests",
    .options = new_project_options,
    .args_bytes = sizeof(new_project_args),
    .run = run,
    .usage = "NAME",
};
