/* The command `efficientai`: finds what the first words name, and runs it.
 *
 * A word is looked up as: a command of the program (apps/commands/), a group or project ("models",
 * "lora-finetuning-mlx"), the same among plugins, a program efficientai-WORD on PATH.
 * "project:command" and "project command" are the same. What it does not do: parse a command's
 * options (src/cli/command.c) or know any project. Start at dispatch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>
#include <efficientai/log_search.h>
#include <efficientai/sampler.h>
#include <efficientai/terminal.h>

#include "catalog.h"
#include "places.h"

#include "base/banned.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, NOT_FOUND = -1 };

static int fail(int code, const char *message)
{
    fprintf(stderr, "error: %s\n", message);
    return code;
}

/* ---- Help ------------------------------------------------------------------------------------ */

#define NAME_COLUMNS 22

/* A name and what it is, wrapped at the width of the output. */
static void print_row(const char *name, const char *summary, FILE *out)
{
    int n = fprintf(out, "  %-*s ", NAME_COLUMNS, name);

    eai_text_print(out, summary, n, eai_terminal_width(out));
}

/* A group with the names of its commands: "bench   how fast: gemm, train, generate, ops". */
static void print_group(const eai_project *p, FILE *out)
{
    char *text = eai_asprintf("%s:", p->summary);

    for (const eai_command *k = p->commands; text && k->name; k++) {
        char *longer = eai_asprintf("%s %s%s", text, k->name, k[1].name ? "," : "");
        eai_free(text);
        text = longer;
    }
    print_row(p->name, text ? text : p->summary, out);
    eai_free(text);
}

/* What there is, in the order in which somebody new needs it; a page, not a book. */
static void print_help(catalog *c, FILE *out)
{
    catalog_open_plugins(c);
    fputs("usage: efficientai COMMAND [options]\n\n"
          "Adapt, shrink, judge and serve models on your own machine.\n\n"
          "Begin with:\n",
          out);
    print_row("doctor", "is everything there?", out);
    print_row("models get", "fetch the default model", out);
    print_row("PROJECT --help", "the commands of a project", out);
    fputs("\nProjects (PROJECT:COMMAND or PROJECT COMMAND):\n", out);
    for (size_t i = 0; i < eai_registry_count(c->projects); i++) {
        const eai_project *p = eai_registry_at(c->projects, i);
        print_row(p->name, p->summary, out);
    }
    fputs("\nCommands:\n", out);
    for (size_t i = 0; core_groups[i]; i++)
        print_group(core_groups[i], out);
    for (size_t i = 0; core_commands[i]; i++)
        print_row(core_commands[i]->name, core_commands[i]->summary, out);
    fputs("\n"
          "'efficientai COMMAND --help' shows a command's options, '--version' the version.\n"
          "Before the command: --plugin-path DIR, --color WHEN, --log-level LEVEL, -v,\n"
          "--log-file FILE ('auto': where 'efficientai logs search' looks).\n"
          "Programs efficientai-NAME on PATH and plugins in $EFFICIENTAI_PLUGIN_PATH add\n"
          "commands.\n",
          out);
}

/* ---- Programs on PATH ------------------------------------------------------------------------ */

/* Becomes efficientai-WORD when PATH has such a program; returns when it has none. */
static void try_external(char **argv)
{
    char *name = strchr(argv[0], '/') ? NULL : eai_asprintf("efficientai-%s", argv[0]);
    char *file = name ? places_program(name) : NULL;

    if (file) {
        fflush(stdout);
        execv(file, argv);
        EAI_LOG(WARN, "command", "cannot run '%s': %s", file, strerror(errno));
    }
    eai_free(file);
    eai_free(name);
}

/* ---- Finding what to run --------------------------------------------------------------------- */

static int refuse(const catalog *c, const char *word)
{
    eai_error err = EAI_ERROR_INIT;
    size_t n;
    char **names = catalog_list_names(c, &n);
    const char *near = names ? eai_did_you_mean(word, (const char *const *)names, n) : NULL;
    if (near)
        eai_error_set(&err, EAI_ERR_USAGE, "unknown command '%s'; did you mean '%s'?", word, near);
    else
        eai_error_set(&err, EAI_ERR_USAGE, "unknown command '%s'; 'efficientai --help' lists them",
                      word);
    catalog_free_names(names, n);
    return fail(EXIT_USAGE, err.message);
}

/* Runs "project:command" or "project command"; NOT_FOUND when there is no such project. */
static int run_project(const catalog *c, int argc, char **argv)
{
    int code = NOT_FOUND;
    size_t length = strcspn(argv[0], ":");
    bool colon = argv[0][length] == ':';
    char *name = eai_strndup(argv[0], length);
    const eai_project *project = name ? catalog_find_project(c, name) : NULL;
    char *program = eai_asprintf("efficientai %s", name ? name : "");

    if (project && program && colon && argv[0][length + 1]) {
        char *whole = argv[0];
        argv[0] += length + 1;
        code = eai_project_run(project, program, ':', argc, argv);
        argv[0] = whole;
    } else if (project && program) {
        code = eai_project_run(project, program, colon ? ':' : ' ', argc - 1, argv + 1);
    }
    eai_free(program);
    eai_free(name);
    return code;
}

static int dispatch(catalog *c, int argc, char **argv)
{
    const eai_command *command = catalog_find_command(argv[0]);
    if (command) {
        char *program = eai_asprintf("efficientai %s", command->name);
        if (!program)
            return fail(EXIT_FAILED, "no memory for a name");
        int code = eai_command_run(program, NULL, command, argc - 1, argv + 1);
        eai_free(program);
        return code;
    }
    int code = run_project(c, argc, argv);
    if (code != NOT_FOUND)
        return code;
    catalog_open_plugins(c);
    code = run_project(c, argc, argv);
    if (code != NOT_FOUND)
        return code;
    try_external(argv);
    return refuse(c, argv[0]);
}

/* Takes "--name VALUE" or "--name=VALUE" off the front: *value, and how many words; 0: none. */
static int take_option(const char **value, const char *name, int argc, char **argv)
{
    size_t n = strlen(name);
    if (argc > 0 && strncmp(argv[0], name, n) == 0 && argv[0][n] == '=') {
        *value = argv[0] + n + 1;
        return 1;
    }
    if (argc > 1 && strcmp(argv[0], name) == 0) {
        *value = argv[1];
        return 2;
    }
    return 0;
}

/* --log-file FILE: as $EFFICIENTAI_LOG_FILE, which programs that this one starts see too. */
static eai_status log_to_file(const char *path, eai_error *err)
{
    eai_log_level level = eai_log_get_level();
    setenv("EFFICIENTAI_LOG_FILE", path, 1);
    eai_status st = eai_log_start(err);
    eai_log_set_level(level); /* of words before this one */
    return st;
}

/* One option in front of the command: how many words it has, 0 when there is none. */
static eai_status take_leading(int *n, catalog *c, int argc, char **argv, eai_error *err)
{
    const char *value;
    eai_log_level level = EAI_LOG_INFO;

    *n = take_option(&c->plugin_path, "--plugin-path", argc, argv);
    if (*n > 0)
        return EAI_OK;
    *n = take_option(&value, "--log-file", argc, argv);
    if (*n > 0)
        return log_to_file(value, err);
    *n = take_option(&value, "--color", argc, argv);
    if (*n > 0 && !eai_terminal_set_color(value))
        return eai_error_set(err, EAI_ERR_USAGE, "--color: '%s' is not one of auto, always, never",
                             value);
    if (*n > 0)
        return EAI_OK;
    *n = take_option(&value, "--log-level", argc, argv);
    if (*n > 0)
        EAI_TRY(eai_log_parse_level(&level, value, "--log-level", err));
    else if (argc > 0 && (strcmp(argv[0], "-v") == 0 || strcmp(argv[0], "--verbose") == 0))
        *n = 1;
    if (*n > 0)
        eai_log_set_level(level);
    return EAI_OK;
}

/* The options in front of the command; *taken words. */
static eai_status take_options(int *taken, catalog *c, int argc, char **argv, eai_error *err)
{
    int n = 1;

    for (*taken = 0; n > 0; *taken += n)
        EAI_TRY(take_leading(&n, c, argc - *taken, argv + *taken, err));
    return EAI_OK;
}

/* $EFFICIENTAI_LOG_HARDWARE=10s: how the machine is doing, a line of the log every ten seconds.
 * *out is NULL when nobody wants that. */
static eai_status start_tracking(eai_sampler **out, eai_error *err)
{
    static const char name[] = "EFFICIENTAI_LOG_HARDWARE";
    const char *text = getenv(name);
    eai_sampler_opts opts = {.log = true};
    *out = NULL;
    if (!text || !*text)
        return EAI_OK;
    EAI_TRY(
        eai_log_parse_duration(&opts.period, text, "environment EFFICIENTAI_LOG_HARDWARE", err));
    eai_status st = eai_sampler_start(out, &opts, err);
    return st == EAI_OK ? EAI_OK : eai_error_context(err, st, "environment %s", name);
}

static int run_command(catalog *c, int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    eai_sampler *tracking;
    if (start_tracking(&tracking, &err) != EAI_OK)
        return fail(EXIT_USAGE, err.message);
    int code = dispatch(c, argc, argv);
    eai_sampler_free(tracking);
    return code;
}

static int run(catalog *c, int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    int taken;
    if (eai_log_start(&err) != EAI_OK || take_options(&taken, c, argc, argv, &err) != EAI_OK)
        return fail(EXIT_USAGE, err.message);
    argc -= taken;
    argv += taken;
    if (argc == 0) {
        print_help(c, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0) {
        print_help(c, stdout);
    } else if (strcmp(argv[0], "--version") == 0) {
        printf("efficientai %s\n", EAI_VERSION);
    } else if (strcmp(argv[0], "complete") == 0) {
        complete_words(c, argc - 1, argv + 1, stdout);
    } else if (argv[0][0] == '-') {
        eai_error_set(&err, EAI_ERR_USAGE,
                      "unknown option '%s'; 'efficientai --help' lists what there is", argv[0]);
        return fail(EXIT_USAGE, err.message);
    } else {
        return run_command(c, argc, argv);
    }
    return 0;
}

int main(int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    catalog *c = catalog_get();
    if (catalog_init(c, &err) != EAI_OK)
        return fail(EXIT_FAILED, err.message);
    int code = run(c, argc - 1, argv + 1);
    if (fflush(stdout) != 0 && code == 0)
        code = fail(EXIT_FAILED, "cannot write standard output");
    catalog_deinit(c);
    return code;
}
