/* `efficientai man [--output DIR] [COMMAND...]`: manual pages, for man or for a package.
 *
 * The pages are made in src/cli/manual.c; here commands are found by what the user writes, and
 * pages are written. Plugins are only opened for a command that is not known without them, so that
 * the pages of a build do not depend on what else is installed. Start at run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/manual.h>

#include "catalog.h"

#include "base/banned.h"

typedef struct man_args {
    const char *output;
} man_args;

static const eai_option options[] = {
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = offsetof(man_args, output),
     .value_name = "DIR",
     .help = "write files such as efficientai-models-get.1 into this folder"},
    {0},
};

/* One page: of a command, or (NULL) of the program. */
typedef struct page {
    const eai_project *project;
    const eai_command *command;
    char separator;
} page;

/* Where pages go. */
typedef struct writer {
    eai_manual_style style;
    const char *folder; /* NULL: to `out` */
    FILE *out;
    size_t n;
} writer;

/* "2024-05-01" of SOURCE_DATE_EPOCH into buf, or "": a page of now would differ from build to
 * build.
 */
static eai_status find_date(char *buf, size_t n, eai_error *err)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end = NULL;
    struct tm day;

    *buf = '\0';
    if (!text || !*text)
        return EAI_OK;
    errno = 0;
    long long seconds = strtoll(text, &end, 10);
    time_t when = (time_t)seconds;
    if (*end || errno || seconds < 0 || seconds > 253402300799 || !gmtime_r(&when, &day))
        return eai_error_set(err, EAI_ERR_USAGE,
                             "environment SOURCE_DATE_EPOCH: '%s' is no time; wanted are seconds "
                             "since 1970",
                             text);
    strftime(buf, n, "%Y-%m-%d", &day);
    return EAI_OK;
}

/* ---- Pages ----------------------------------------------------------------------------------- */

static char *make_program_page(const eai_manual_style *style)
{
    const catalog *c = catalog_get();
    size_t n = eai_registry_count(c->projects);
    const eai_project **projects = eai_alloc_zeroed(n + 1, sizeof(void *));

    if (!projects)
        return NULL;
    for (size_t i = 0; i < n; i++)
        projects[i] = eai_registry_at(c->projects, i);
    const eai_manual_contents contents = {
        .summary = "adapt, judge and run language models on your own machine",
        .description =
            "What the first word names is run: a command, a group of commands such as models, or a "
            "project, whose commands are written project:command or project command.\n\n"
            "'efficientai COMMAND --help' shows a command's options. A program efficientai-NAME on "
            "PATH is the command NAME, and plugins add projects.",
        .options = program_options,
        .commands = core_commands,
        .groups = core_groups,
        .projects = projects,
    };
    char *text = eai_manual_of_program(style, &contents);
    eai_free((void *)projects);
    return text;
}

static eai_status write_page(writer *w, const page *p, eai_error *err)
{
    eai_status st = EAI_OK;
    char *name = eai_manual_name(&w->style, p->project, p->command);
    char *text = p->command ? eai_manual_of_command(&w->style, p->project, p->separator, p->command)
                            : make_program_page(&w->style);
    char *file = name && w->folder ? eai_asprintf("%s/%s.1", w->folder, name) : NULL;

    if (!name || !text || (w->folder && !file))
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a page");
    else if (file)
        st = eai_fs_write_atomic(file, text, strlen(text), err);
    else
        fputs(text, w->out);
    w->n++;
    eai_free(file);
    eai_free(text);
    eai_free(name);
    return st;
}

static eai_status write_project(writer *w, const eai_project *project, char separator,
                                eai_error *err)
{
    for (const eai_command *k = project->commands; k->name; k++)
        EAI_TRY(write_page(w, &(page){project, k, separator}, err));
    return EAI_OK;
}

static eai_status write_all(writer *w, eai_error *err)
{
    const catalog *c = catalog_get();

    EAI_TRY(write_page(w, &(page){NULL, NULL, ' '}, err));
    for (size_t i = 0; core_commands[i]; i++)
        EAI_TRY(write_page(w, &(page){NULL, core_commands[i], ' '}, err));
    for (size_t i = 0; core_groups[i]; i++)
        EAI_TRY(write_project(w, core_groups[i], ' ', err));
    for (size_t i = 0; i < eai_registry_count(c->projects); i++)
        EAI_TRY(write_project(w, eai_registry_at(c->projects, i), ':', err));
    return EAI_OK;
}

/* ---- What the words name --------------------------------------------------------------------- */

static bool is_group(const eai_project *project)
{
    for (size_t i = 0; core_groups[i]; i++)
        if (core_groups[i] == project)
            return true;
    return false;
}

static eai_status refuse(const char *word, eai_error *err)
{
    size_t n;
    char **names = catalog_list_names(catalog_get(), &n);
    const char *near = names ? eai_did_you_mean(word, (const char *const *)names, n) : NULL;
    eai_error_set(err, EAI_ERR_USAGE, "unknown command '%s'%s%s%s", word,
                  near ? "; did you mean '" : "; 'efficientai --help' lists them", near ? near : "",
                  near ? "'?" : "");
    catalog_free_names(names, n);
    return EAI_ERR_USAGE;
}

/* The page that words[0] names, or words[0] and words[1]; *taken of them. */
static eai_status find_page(page *out, int *taken, int n, const char *const *words, eai_error *err)
{
    size_t length = strcspn(words[0], ":");
    bool colon = words[0][length] == ':';
    const eai_command *command = catalog_find_command(words[0]);

    *taken = 1;
    *out = (page){NULL, command, ' '};
    if (command || strcmp(words[0], "efficientai") == 0)
        return EAI_OK;
    out->project = catalog_find_word(words[0], length);
    if (!out->project)
        return refuse(words[0], err);
    if (!colon && n < 2)
        return eai_error_set(err, EAI_ERR_USAGE, "%s: a command of it is wanted, such as '%s %s'",
                             words[0], words[0], out->project->commands[0].name);
    const char *which = colon ? words[0] + length + 1 : words[1];
    *taken = colon ? 1 : 2;
    out->separator = is_group(out->project) ? ' ' : ':';
    out->command = eai_project_find_command(out->project, which);
    if (!out->command)
        return eai_error_set(err, EAI_ERR_USAGE, "%s: unknown command '%s'", out->project->name,
                             which);
    return EAI_OK;
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const man_args *a = args;
    char date[32];
    const char *const *words;
    int n = eai_options_operands(ctx->set, &words);
    writer w = {.style = {"efficientai", EAI_VERSION, date}, .folder = a->output, .out = ctx->out};
    int taken;

    EAI_TRY(find_date(date, sizeof(date), err));
    if (a->output)
        EAI_TRY(eai_fs_mkdir_p(a->output, err));
    if (n == 0 && a->output)
        EAI_TRY(write_all(&w, err));
    else if (n == 0)
        EAI_TRY(write_page(&w, &(page){NULL, NULL, ' '}, err));
    for (int i = 0; i < n; i += taken) {
        page p;
        EAI_TRY(find_page(&p, &taken, n - i, words + i, err));
        EAI_TRY(write_page(&w, &p, err));
    }
    if (a->output)
        fprintf(ctx->out, "%zu page%s in %s\n", w.n, w.n == 1 ? "" : "s", a->output);
    return EAI_OK;
}

const eai_command command_man = {
    .name = "man",
    .summary = "manual pages of the program and its commands",
    .options = options,
    .args_bytes = sizeof(man_args),
    .run = run,
    .usage = "[COMMAND...]",
    .help =
        "Without --output the page goes to standard output, where man reads it:\n\n"
        "    efficientai man lora-finetuning-mlx:train | man -l -\n\n"
        "Without a command it is the program's own page, with --output all pages. Their date is "
        "that of SOURCE_DATE_EPOCH, and there is none where that is not set.",
};
