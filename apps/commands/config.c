/* `efficientai config check | profiles | template | convert`: configuration files of the projects,
 * see include/efficientai/options.h for what they say. */
#include <stddef.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/document.h>
#include <efficientai/fs.h>
#include <efficientai/terminal.h>

#include "catalog.h"
#include "json_output.h"

#include "base/banned.h"

#define MAX_BYTES ((size_t)1 << 20)

/* The n operands that a command takes; *out is borrowed. */
static eai_status take_operands(const char *const **out, const eai_command_context *ctx, int n,
                                const char *wanted, eai_error *err)
{
    int given = eai_options_operands(ctx->set, out);

    if (given != n)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes %s, not %d word%s", ctx->program, wanted,
                             given, given == 1 ? "" : "s");
    return EAI_OK;
}

/* ---- check -------------------------------------------------------------------------------------
 */

typedef struct check_args {
    const char *project;
    bool json;
} check_args;

static const eai_option check_options[] = {
    {.name = "project",
     .key = 'p',
     .type = EAI_OPT_STRING,
     .offset = offsetof(check_args, project),
     .default_value = "lora-finetuning-mlx",
     .value_name = "NAME",
     .help = "whose options the file is about"},
    JSON_OPTION(check_args),
    {0},
};

static void print_fault(void *ud, const char *message)
{
    fprintf(ud, "%s\n", message);
}

static void add_fault(void *ud, const char *message)
{
    json_array_append_new(ud, json_string(message));
}

/* What was found, as text or as JSON. */
static eai_status report(const char *path, size_t n_faults, json_t *faults,
                         const eai_command_context *ctx, eai_error *err)
{
    if (faults)
        EAI_TRY(
            json_output(json_pack("{s:s, s:O}", "file", path, "faults", faults), ctx->out, err));
    else if (n_faults == 0)
        fprintf(ctx->out, "%s: no fault\n", path);
    if (n_faults == 0)
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_ARGUMENT, "%zu fault%s in '%s'", n_faults,
                         n_faults == 1 ? "" : "s", path);
}

static eai_status check_file(const char *path, const eai_project *project, json_t *faults,
                             const eai_command_context *ctx, eai_error *err)
{
    size_t n_faults = 0;
    eai_options_command *commands = eai_project_tables(project);

    if (!commands)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the options");
    eai_options_scope scope = {.project = project->name, .commands = commands};
    eai_status st =
        eai_options_check_file(&n_faults, path, &scope, faults ? add_fault : print_fault,
                               faults ? (void *)faults : (void *)ctx->out, err);
    eai_free(commands);
    return st == EAI_OK ? report(path, n_faults, faults, ctx, err) : st;
}

static eai_status cmd_check(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const check_args *a = args;
    const char *const *operands;
    const eai_project *project = NULL;

    EAI_TRY(take_operands(&operands, ctx, 1, "one FILE", err));
    EAI_TRY(catalog_open_project(&project, a->project, err));
    json_t *faults = a->json ? json_array() : NULL;
    if (a->json && !faults)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
    eai_status st = check_file(operands[0], project, faults, ctx, err);
    json_decref(faults);
    return st;
}

/* ---- profiles ----------------------------------------------------------------------------------
 */

typedef struct profiles_args {
    bool json;
} profiles_args;

static const eai_option profiles_options[] = {JSON_OPTION(profiles_args), {0}};

/* "base, more": a name or a list of names. New memory. */
static char *names_of(const eai_value *inherits)
{
    const eai_value *v = inherits && inherits->kind == EAI_VALUE_ARRAY ? inherits->first : inherits;
    char *text = eai_strdup("");

    for (; v && text; v = inherits == v ? NULL : v->next) {
        char *longer = eai_asprintf("%s%s%s", text, *text ? ", " : "",
                                    v->kind == EAI_VALUE_TEXT ? v->text : "?");
        eai_free(text);
        text = longer;
    }
    return text;
}

static eai_status print_profiles(const eai_value *profiles, const char *chosen, FILE *out,
                                 eai_error *err)
{
    eai_table *t = eai_table_create(3, "profile|inherits|");

    for (const eai_value *v = profiles ? profiles->first : NULL; v; v = v->next) {
        char *inherits = names_of(eai_value_find(v, "inherits"));
        bool counts = chosen && strcmp(v->key, chosen) == 0;
        eai_table_row(t,
                      (const char *[]){v->key, inherits ? inherits : "", counts ? "default" : ""});
        eai_free(inherits);
    }
    eai_status st = eai_table_print(t, out, err);
    eai_table_free(t);
    return st;
}

static json_t *profiles_to_json(const eai_value *profiles, const char *chosen)
{
    json_t *list = json_array();

    for (const eai_value *v = profiles ? profiles->first : NULL; v; v = v->next) {
        char *inherits = names_of(eai_value_find(v, "inherits"));
        json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "name", v->key, "inherits",
                                              inherits ? inherits : "", "line", v->line));
        eai_free(inherits);
    }
    return json_pack("{s:o, s:s?}", "profiles", list, "default", chosen);
}

static eai_status cmd_profiles(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const profiles_args *a = args;
    const char *const *operands;
    eai_document *d = NULL;

    EAI_TRY(take_operands(&operands, ctx, 1, "one FILE", err));
    EAI_TRY(eai_document_load(&d, operands[0], MAX_BYTES, err));
    const eai_value *profiles = eai_value_find(eai_document_root(d), "profiles");
    const eai_value *chosen = eai_value_find(eai_document_root(d), "default-profile");
    const char *name = chosen && chosen->kind == EAI_VALUE_TEXT ? chosen->text : NULL;
    eai_status st = a->json ? json_output(profiles_to_json(profiles, name), ctx->out, err)
                            : print_profiles(profiles, name, ctx->out, err);
    eai_document_free(d);
    return st;
}

/* ---- template ----------------------------------------------------------------------------------
 */

typedef struct format_args {
    const char *format;
    const char *output;
} format_args;

#define FORMAT_OPTION                                                                              \
    {                                                                                              \
        .name = "format", .key = 'f', .type = EAI_OPT_ENUM,                                        \
        .offset = offsetof(format_args, format), .default_value = "yaml", .value_name = "FORMAT",  \
        .choices = "json|yaml|toml", .help = "of what is printed"                                  \
    }

static const eai_option template_options[] = {FORMAT_OPTION, {0}};

static eai_document_format format_of(const char *name)
{
    return *name == 'j' ? EAI_DOCUMENT_JSON : *name == 'y' ? EAI_DOCUMENT_YAML : EAI_DOCUMENT_TOML;
}

static eai_status print_template(const eai_project *project, const char *command,
                                 const char *format, const eai_command_context *ctx, eai_error *err)
{
    const eai_command *k = eai_project_find_command(project, command);

    if (!k || !k->options)
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "%s has no command '%s' with options",
                             project->name, command);
    char *text = eai_options_to_text(k->options, NULL, NULL, format_of(format));
    if (!text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a template");
    fputs(text, ctx->out);
    eai_free(text);
    return EAI_OK;
}

/* "project:command" */
static eai_status cmd_template(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const format_args *a = args;
    const char *const *operands;
    const eai_project *project = NULL;

    EAI_TRY(take_operands(&operands, ctx, 1, "one PROJECT:COMMAND", err));
    size_t n = strcspn(operands[0], ":");
    if (operands[0][n] == '\0')
        return eai_error_set(err, EAI_ERR_USAGE,
                             "'%s': wanted is PROJECT:COMMAND, such as lora-finetuning-mlx:train",
                             operands[0]);
    char *name = eai_strndup(operands[0], n);
    eai_status st = name ? catalog_open_project(&project, name, err)
                         : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    if (st == EAI_OK)
        st = print_template(project, operands[0] + n + 1, a->format, ctx, err);
    eai_free(name);
    return st;
}

/* ---- convert -----------------------------------------------------------------------------------
 */

static const eai_option convert_options[] = {
    FORMAT_OPTION,
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = offsetof(format_args, output),
     .value_name = "FILE",
     .help = "write this file instead of standard output"},
    {0},
};

static eai_status cmd_convert(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const format_args *a = args;
    const char *const *operands;
    eai_document *d = NULL;

    EAI_TRY(take_operands(&operands, ctx, 1, "one FILE", err));
    EAI_TRY(eai_document_load(&d, operands[0], MAX_BYTES, err));
    const eai_value *root = eai_document_root(d);
    eai_status st = EAI_OK;
    char *text = NULL;
    if (strcmp(a->format, "toml") == 0 && root->kind != EAI_VALUE_TABLE)
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "'%s' holds %s; a TOML file is a table",
                           operands[0], eai_value_kind_name(root->kind));
    if (st == EAI_OK) {
        text = eai_value_to_text(root, format_of(a->format));
        if (!text)
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for '%s'", operands[0]);
        else if (a->output)
            st = eai_fs_write_atomic(a->output, text, strlen(text), err);
        else
            fputs(text, ctx->out);
    }
    eai_free(text);
    eai_document_free(d);
    return st;
}

/* ---- The group ---------------------------------------------------------------------------------
 */

static const eai_command commands[] = {
    {"check", "name every fault of a configuration file", check_options, sizeof(check_args),
     cmd_check, "FILE",
     "Each of the file's profiles is checked, with the options of every command of the project."},
    {"profiles", "the profiles of a configuration file", profiles_options, sizeof(profiles_args),
     cmd_profiles, "FILE", NULL},
    {"template", "a configuration file with every option of a command, its default and its meaning",
     template_options, sizeof(format_args), cmd_template, "PROJECT:COMMAND", NULL},
    {"convert", "rewrite a file as JSON, YAML or TOML", convert_options, sizeof(format_args),
     cmd_convert, "FILE", "Comments are not kept; TOML has no null, so nulls are left out."},
    {0},
};

const eai_project group_config = {
    .abi = EAI_PROJECT_ABI,
    .size = sizeof(eai_project),
    .name = "config",
    .version = EAI_VERSION,
    .summary = "configuration files",
    .commands = commands,
};
