/* `efficientai projects [NAME]`: what projects there are, where they come from, and one of them in
 * detail. Built-in ones first, then plugins; in a source tree also folders of projects/ that were
 * not built. */
#include <dirent.h>
#include <stddef.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/terminal.h>

#include "catalog.h"
#include "json_output.h"
#include "places.h"

#include "base/banned.h"

typedef struct projects_args {
    bool json;
} projects_args;

static const eai_option projects_options[] = {
    JSON_OPTION(projects_args),
    {0},
};

/* One row of the list. */
typedef struct row {
    const char *name;
    const char *version;
    const char *from; /* "built in", a plugin's file, "not built" */
    const char *summary;
    size_t n_commands;
} row;

typedef eai_status (*take_row)(void *ud, const row *r, eai_error *err);

/* ---- Folders that were not built ---------------------------------------------------------------
 */

/* projects/NAME with a CMakeLists.txt, that no known project is made from. */
static bool is_unbuilt(const eai_registry *known, const char *folder, const char *name)
{
    if (name[0] == '.' || strcmp(name, "template") == 0 || eai_registry_find(known, name))
        return false;
    char *file = eai_asprintf("%s/%s/CMakeLists.txt", folder, name);
    bool found = file && eai_fs_exists(file);
    eai_free(file);
    return found;
}

static eai_status walk_unbuilt(const eai_registry *known, take_row take, void *ud, eai_error *err)
{
    char *source = places_source();
    char *folder = source ? eai_path_join(source, "projects") : NULL;
    DIR *dir = folder ? opendir(folder) : NULL;
    eai_status st = EAI_OK;

    for (struct dirent *e; st == EAI_OK && dir && (e = readdir(dir)) != NULL;) {
        row r = {e->d_name, "", "not built", "make build builds it", 0};
        if (is_unbuilt(known, folder, e->d_name))
            st = take(ud, &r, err);
    }
    if (dir)
        closedir(dir);
    eai_free(folder);
    eai_free(source);
    return st;
}

/* ---- The list ----------------------------------------------------------------------------------
 */

static eai_status walk_projects(take_row take, void *ud, eai_error *err)
{
    catalog *c = catalog_get();

    catalog_open_plugins(c);
    for (size_t i = 0; i < eai_registry_count(c->projects); i++) {
        const eai_project *p = eai_registry_at(c->projects, i);
        const char *path = eai_registry_path(c->projects, i);
        row r = {p->name, p->version, path ? path : "built in", p->summary, 0};
        while (p->commands[r.n_commands].name)
            r.n_commands++;
        EAI_TRY(take(ud, &r, err));
    }
    return walk_unbuilt(c->projects, take, ud, err);
}

static eai_status add_to_table(void *ud, const row *r, eai_error *err)
{
    char count[24] = "";

    (void)err;
    if (r->n_commands > 0)
        snprintf(count, sizeof(count), "%zu", r->n_commands);
    eai_table_row(ud, (const char *[]){r->name, r->version, count, r->from, r->summary});
    return EAI_OK;
}

static eai_status add_to_json(void *ud, const row *r, eai_error *err)
{
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:s, s:s}", "name", r->name, "version", r->version, "commands",
                  (json_int_t)r->n_commands, "from", r->from, "summary", r->summary);

    if (!object || json_array_append_new(ud, object) != 0)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list");
    return EAI_OK;
}

/* Prints {"KEY": value} and releases the value. */
static eai_status print_json(const char *key, json_t *value, FILE *out, eai_error *err)
{
    return json_output(value ? json_pack("{s:o}", key, value) : NULL, out, err);
}

static eai_status list_projects(const projects_args *a, const eai_command_context *ctx,
                                eai_error *err)
{
    if (a->json) {
        json_t *list = json_array();
        eai_status st = walk_projects(add_to_json, list, err);
        if (st == EAI_OK)
            return print_json("projects", list, ctx->out, err);
        json_decref(list);
        return st;
    }
    eai_table *t = eai_table_create(5, "project|version|commands>|from|");
    eai_status st = walk_projects(add_to_table, t, err);
    if (st == EAI_OK)
        st = eai_table_print(t, ctx->out, err);
    eai_table_free(t);
    if (st == EAI_OK)
        fputs("\n'efficientai projects NAME' shows one, 'efficientai new-project NAME'\n"
              "begins another.\n",
              ctx->out);
    return st;
}

/* ---- One project -------------------------------------------------------------------------------
 */

static const char *origin_of(const eai_project *p)
{
    const eai_registry *r = catalog_get()->projects;
    const char *path = NULL;

    for (size_t i = 0; i < eai_registry_count(r); i++)
        if (eai_registry_at(r, i) == p)
            path = eai_registry_path(r, i);
    return path ? path : "built in";
}

static json_t *command_to_json(const eai_command *k)
{
    json_t *options = json_array();

    for (const eai_option *o = k->options; o && o->name; o++)
        json_array_append_new(options, json_string(o->name));
    return json_pack("{s:s, s:s, s:o}", "name", k->name, "summary", k->summary, "options", options);
}

static eai_status describe_as_json(const eai_project *p, FILE *out, eai_error *err)
{
    json_t *list = json_array();

    for (const eai_command *k = p->commands; k->name; k++)
        json_array_append_new(list, command_to_json(k));
    return print_json("project",
                      json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", p->name, "version", p->version,
                                "from", origin_of(p), "summary", p->summary, "commands", list),
                      out, err);
}

static eai_status describe(const eai_project *p, FILE *out, eai_error *err)
{
    eai_table *t = eai_table_create(2, "command|");

    for (const eai_command *k = p->commands; k->name; k++) {
        char *name = eai_asprintf("%s:%s", p->name, k->name);
        eai_table_row(t, (const char *[]){name ? name : k->name, k->summary});
        eai_free(name);
    }
    fprintf(out, "%s %s, %s\n%s\n\n", p->name, p->version, origin_of(p), p->summary);
    eai_status st = eai_table_print(t, out, err);
    eai_table_free(t);
    return st;
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const projects_args *a = args;
    const char *const *operands;
    const eai_project *p = NULL;
    int n = eai_options_operands(ctx->set, &operands);

    if (n > 1)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes one name, not %d", ctx->program, n);
    if (n == 0)
        return list_projects(a, ctx, err);
    EAI_TRY(catalog_open_project(&p, operands[0], err));
    return a->json ? describe_as_json(p, ctx->out, err) : describe(p, ctx->out, err);
}

const eai_command command_projects = {
    .name = "projects",
    .summary = "the projects, built in and plugins, or one of them",
    .options = projects_options,
    .args_bytes = sizeof(projects_args),
    .run = run,
    .usage = "[NAME]",
    .help = "Projects come from this program, from $EFFICIENTAI_PLUGIN_PATH and --plugin-path, and "
            "from "
            "lib/efficientai/plugins of the installation.",
};
