/* Runs one command of one project: parse, help, run, one line on failure, exit code.
 *
 * Why here: the command `efficientai`, a project's own program and a plugin must behave alike. What
 * it does not do: find the project (registry.c, apps/efficientai.c) or catch Ctrl-C - a command
 * that can stop cleanly installs its own handler and returns EAI_ERR_CANCELLED. Start at
 * eai_command_run_as. */
#include <efficientai/project.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/terminal.h>

#include "cli/lost_file.h"

#include "base/banned.h"

#define ENVIRONMENT_PREFIX "EFFICIENTAI"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CANCELLED = 130 };

static int exit_code(eai_status st)
{
    switch (st) {
    case EAI_OK:
        return EXIT_OK;
    case EAI_ERR_USAGE:
        return EXIT_USAGE;
    case EAI_ERR_CANCELLED:
        return EXIT_CANCELLED;
    default:
        return EXIT_FAILED;
    }
}

/* The one line that a user sees. */
static int report(eai_status st, const eai_error *err)
{
    if (st != EAI_OK) {
        const char *what = st == EAI_ERR_CANCELLED ? "stopped" : "error";
        const char *text = err->message[0] ? err->message : eai_status_name(st);
        fflush(stdout);
        if (eai_terminal_has_color(stderr))
            fprintf(stderr, "\033[1;31m%s:\033[0m %s\n", what, text);
        else
            fprintf(stderr, "%s: %s\n", what, text);
    }
    return exit_code(st);
}

/* Output that could not be written (a full disk behind a pipe) is a failure like any other. */
static eai_status flush_output(FILE *out, eai_error *err)
{
    errno = 0;
    if (fflush(out) != 0 || ferror(out))
        return eai_error_set_errno(err, "cannot write standard output");
    return EAI_OK;
}

static eai_status print_command_help(const char *program, const eai_command *command, FILE *out,
                                     eai_error *err)
{
    int width = eai_terminal_width(out);
    char *options = command->options ? eai_options_help(command->options, width) : NULL;
    if (command->options && !options)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the help");
    fprintf(out, "usage: %s%s%s%s\n\n%s\n", program, command->options ? " [options]" : "",
            command->usage ? " " : "", command->usage ? command->usage : "", command->summary);
    if (options)
        fprintf(out, "\n%s", options);
    if (command->help)
        fprintf(out, "\n%s\n", command->help);
    eai_free(options);
    return flush_output(out, err);
}

static eai_status check_operands(const char *program, const eai_command *command,
                                 const eai_option_set *set, eai_error *err)
{
    const char *const *operands;
    if (!command->usage && eai_options_operands(set, &operands) > 0)
        return eai_error_set(err, EAI_ERR_USAGE, "unexpected '%s' after '%s'", operands[0],
                             program);
    return EAI_OK;
}

/* --print-config: the values in effect, as a file that --config reads. */
static eai_status print_config(const eai_command *command, const void *args, eai_error *err)
{
    char *text = command->options ? eai_options_to_json(command->options, args) : NULL;
    if (command->options && !text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the configuration");
    printf("%s\n", text ? text : "{}");
    eai_free(text);
    return flush_output(stdout, err);
}

/* Where options that are not at their default come from: a forgotten variable is found here. */
static void log_origins(const eai_command *command, const eai_option_set *set)
{
    for (const eai_option *o = command->options; o && o->name; o++) {
        const char *origin = eai_options_origin(set, o->name);
        if (strcmp(origin, "default") != 0)
            EAI_LOG(DEBUG, "command", "--%s: from %s", o->name, origin);
    }
}

/* Parses into a new arguments struct and runs. */
static eai_status parse_and_run(const char *program, const eai_command *command, int argc,
                                char **argv, eai_error *err)
{
    static const eai_option no_options[] = {{0}};
    eai_status st = EAI_OK;
    eai_option_set *set = NULL;
    eai_log_level level;
    eai_command_context ctx = {
        .program = program,
        .out = stdout,
        .progress = stderr,
        .progress_is_terminal = eai_terminal_is_live(stderr),
        .width = eai_terminal_width(stdout),
    };
    void *args = eai_alloc_zeroed(1, command->args_bytes + 1);

    if (!args) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the arguments");
        goto done;
    }
    st = eai_options_parse(&set, args, command->options ? command->options : no_options,
                           ENVIRONMENT_PREFIX, argc, argv, err);
    if (st != EAI_OK)
        goto done;
    if (eai_options_log_level(set, &level))
        eai_log_set_level(level);
    if (eai_options_wants_print_config(argc, argv)) {
        st = print_config(command, args, err);
        goto done;
    }
    st = check_operands(program, command, set, err);
    if (st != EAI_OK)
        goto done;
    ctx.set = set;
    EAI_LOG(INFO, "command", "%s, version %s", program, EAI_VERSION);
    log_origins(command, set);
    st = command->run(&ctx, args, err);
    if (st == EAI_OK)
        st = flush_output(ctx.out, err);
done:
    eai_option_set_free(set);
    eai_free(args);
    return st;
}

int eai_command_run_as(const char *program, const eai_command *command, int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    signal(SIGXFSZ, SIG_IGN); /* a file beyond `ulimit -f` is then a failed write, not a death */
    lost_file__watch();
    eai_status st = eai_options_wants_help(argc, argv)
                        ? print_command_help(program, command, stdout, &err)
                        : parse_and_run(program, command, argc, argv, &err);
    return report(st, &err);
}

/* "program" + separator + "name" and run; one allocation, so that no length is too long. */
static int run_named(const char *program, char separator, const eai_command *command, int argc,
                     char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    char *full = eai_asprintf("%s%c%s", program, separator, command->name);
    if (!full)
        return report(eai_error_set(&err, EAI_ERR_NOMEM, "no memory for a name"), &err);
    int code = eai_command_run_as(full, command, argc, argv);
    eai_free(full);
    return code;
}

int eai_command_run(const eai_project *project, const eai_command *command, int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    char *program = project ? eai_asprintf("efficientai %s", project->name) : NULL;
    if (!project)
        return run_named("efficientai", ' ', command, argc, argv);
    if (!program)
        return report(eai_error_set(&err, EAI_ERR_NOMEM, "no memory for a name"), &err);
    int code = run_named(program, ':', command, argc, argv);
    eai_free(program);
    return code;
}

/* ---- Projects -------------------------------------------------------------------------------- */

const eai_command *eai_project_find_command(const eai_project *project, const char *name)
{
    for (const eai_command *c = project->commands; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static void print_project_help(const eai_project *project, const char *program, char separator,
                               FILE *out)
{
    int widest = 0;
    for (const eai_command *c = project->commands; c->name; c++) {
        int n = (int)strlen(c->name);
        widest = n > widest ? n : widest;
    }
    fprintf(out, "usage: %s%cCOMMAND [options]\n\n%s\n\nCommands:\n", program, separator,
            project->summary);
    for (const eai_command *c = project->commands; c->name; c++)
        fprintf(out, "  %-*s  %s\n", widest, c->name, c->summary);
    fprintf(out, "\n'%s%cCOMMAND --help' shows a command's options.\n", program, separator);
}

static int refuse_unknown_command(const eai_project *project, const char *program, const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    const char *near = NULL;
    size_t n = 0;
    while (project->commands[n].name)
        n++;
    const char **names = eai_alloc_array(n, sizeof(*names));
    if (names) {
        for (size_t i = 0; i < n; i++)
            names[i] = project->commands[i].name;
        near = eai_did_you_mean(name, names, n);
        eai_free((void *)names);
    }
    if (near)
        eai_error_set(&err, EAI_ERR_USAGE, "%s: unknown command '%s'; did you mean '%s'?", program,
                      name, near);
    else
        eai_error_set(&err, EAI_ERR_USAGE, "%s: unknown command '%s'; '%s --help' lists them",
                      program, name, program);
    return report(EAI_ERR_USAGE, &err);
}

int eai_project_run(const eai_project *project, const char *program, char separator, int argc,
                    char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    if (argc == 0) {
        print_project_help(project, program, separator, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0) {
        print_project_help(project, program, separator, stdout);
        return report(flush_output(stdout, &err), &err);
    }
    if (strcmp(argv[0], "--version") == 0) {
        printf("%s %s\n", project->name, project->version);
        return report(flush_output(stdout, &err), &err);
    }
    const eai_command *command = eai_project_find_command(project, argv[0]);
    if (!command)
        return refuse_unknown_command(project, program, argv[0]);
    return run_named(program, separator, command, argc - 1, argv + 1);
}

int eai_project_main(const eai_project *project, int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    eai_status st = eai_log_start(&err);
    if (st != EAI_OK)
        return report(st, &err);
    return eai_project_run(project, project->name, ' ', argc - 1, argv + 1);
}
