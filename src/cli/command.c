/* Runs one command of one project: parse, help, run, one line on failure, exit code.
 *
 * Why here: the command `efficientai`, a project's own program and a plugin must behave alike. What
 * it does not do: find the project (registry.c, apps/efficientai.c) or catch Ctrl-C - a command
 * that can stop cleanly installs its own handler and returns EAI_ERR_CANCELLED. Start at
 * eai_command_run. */
#include <efficientai/project.h>

#include <errno.h>
#include <inttypes.h>
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

static void print_line(const char *what, const char *text)
{
    fflush(stdout);
    if (eai_terminal_has_color(stderr))
        fprintf(stderr, "\033[1;31m%s:\033[0m %s\n", what, text);
    else
        fprintf(stderr, "%s: %s\n", what, text);
}

/* The one line that a user sees. */
static int report(eai_status st, const eai_error *err)
{
    if (st != EAI_OK)
        print_line(st == EAI_ERR_CANCELLED ? "stopped" : "error",
                   err->message[0] ? err->message : eai_status_name(st));
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
    fprintf(out, "usage: %s%s%s%s\n\n", program, command->options ? " [options]" : "",
            command->usage ? " " : "", command->usage ? command->usage : "");
    eai_text_print(out, command->summary, 0, width);
    if (options)
        fprintf(out, "\n%s", options);
    if (command->help) {
        fputc('\n', out);
        eai_text_print(out, command->help, 0, width);
    }
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
static eai_status print_config(char *text, eai_error *err)
{
    if (!text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the configuration");
    fputs(text, stdout);
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

eai_options_command *eai_project_tables(const eai_project *project)
{
    size_t n = 0;

    while (project->commands[n].name)
        n++;
    eai_options_command *tables = eai_alloc_zeroed(n + 1, sizeof(*tables));
    for (size_t i = 0; tables && i < n; i++)
        tables[i] = (eai_options_command){project->commands[i].name, project->commands[i].options};
    return tables;
}

/* Where the command's options stand. */
typedef struct place {
    eai_options_scope scope;
    eai_options_command *commands; /* of the project; owned */
} place;

/* The tables of the project's commands, or of this one alone. */
static eai_status init_place(place *p, const eai_project *project, const eai_command *command,
                             eai_error *err)
{
    p->commands = project ? eai_project_tables(project) : eai_alloc_zeroed(2, sizeof(*p->commands));
    if (!p->commands)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the options");
    if (!project)
        p->commands[0] = (eai_options_command){command->name, command->options};
    p->scope = (eai_options_scope){ENVIRONMENT_PREFIX, project ? project->name : NULL,
                                   command->name, p->commands};
    return EAI_OK;
}

static void print_fault(void *ud, const char *message)
{
    (void)ud;
    print_line("error", message);
}

/* Of a command that checks: prints every fault of its configuration files. */
static eai_status check_config(const eai_command *command, const eai_option *table,
                               const place *where, int argc, char **argv, eai_error *err)
{
    size_t n = 0;

    if (!command->checks_config)
        return EAI_OK;
    EAI_TRY(eai_options_check_files(&n, table, &where->scope, argc, argv, print_fault, NULL, err));
    return n == 0 ? EAI_OK
                  : eai_error_set(err, EAI_ERR_ARGUMENT, "%zu fault%s in the configuration", n,
                                  n == 1 ? "" : "s");
}

/* --quiet: progress goes where nobody reads. */
static eai_status be_quiet(eai_command_context *ctx, eai_error *err)
{
    FILE *nowhere = fopen("/dev/null", "w");

    if (!nowhere)
        return eai_error_set_errno(err, "cannot open '/dev/null'");
    ctx->progress = nowhere;
    ctx->progress_is_terminal = false;
    ctx->quiet = true;
    return EAI_OK;
}

/* Parses into a new arguments struct and runs. */
static eai_status parse_and_run(const char *program, const eai_project *project,
                                const eai_command *command, int argc, char **argv, eai_error *err)
{
    static const eai_option no_options[] = {{0}};
    const eai_option *table = command->options ? command->options : no_options;
    eai_option_set *set = NULL;
    place where = {.commands = NULL};
    eai_log_level level;
    char *printed = NULL;
    eai_command_context ctx = {
        .program = program,
        .out = stdout,
        .progress = stderr,
        .progress_is_terminal = eai_terminal_is_live(stderr),
        .width = eai_terminal_width(stdout),
    };
    void *args = eai_alloc_zeroed(1, command->args_bytes + 1);

    eai_status st = args ? init_place(&where, project, command, err)
                         : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the arguments");
    if (st == EAI_OK)
        st = check_config(command, table, &where, argc, argv, err);
    if (st == EAI_OK)
        st = eai_options_parse(&set, args, table, &where.scope, argc, argv, err);
    if (st != EAI_OK)
        goto done;
    if (eai_options_log_level(set, &level))
        eai_log_set_level(level);
    if (eai_options_print(&printed, set, args)) {
        st = print_config(printed, err);
        goto done;
    }
    st = check_operands(program, command, set, err);
    if (st == EAI_OK && eai_options_quiet(set))
        st = be_quiet(&ctx, err);
    if (st != EAI_OK)
        goto done;
    ctx.set = set;
    EAI_LOG(INFO, "command", "%s, version %s", program, EAI_VERSION);
    log_origins(command, set);
    st = command->run(&ctx, args, err);
    if (st == EAI_OK)
        st = flush_output(ctx.out, err);
done:
    if (ctx.quiet)
        fclose(ctx.progress);
    eai_option_set_free(set);
    eai_free(where.commands);
    eai_free(args);
    return st;
}

int eai_command_run(const char *program, const eai_project *project, const eai_command *command,
                    int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    const char *color = eai_options_color(argc, argv);
    if (color)
        (void)eai_terminal_set_color(color); /* a wrong word is refused below */
    signal(SIGXFSZ, SIG_IGN); /* a file beyond `ulimit -f` is then a failed write, not a death */
    lost_file__watch();
    eai_status st = eai_options_wants_help(argc, argv)
                        ? print_command_help(program, command, stdout, &err)
                        : parse_and_run(program, project, command, argc, argv, &err);
    if (eai_log_lost() > 0)
        fprintf(stderr, "warning: %" PRIu64 " lines of the log could not be written to its file\n",
                eai_log_lost());
    return report(st, &err);
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
    int width = eai_terminal_width(out);
    fprintf(out, "usage: %s%cCOMMAND [options]\n\n", program, separator);
    eai_text_print(out, project->summary, 0, width);
    fputs("\nCommands:\n", out);
    for (const eai_command *c = project->commands; c->name; c++) {
        fprintf(out, "  %-*s  ", widest, c->name);
        eai_text_print(out, c->summary, widest + 4, width);
    }
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
    char *full = eai_asprintf("%s%c%s", program, separator, command->name);
    if (!full)
        return report(eai_error_set(&err, EAI_ERR_NOMEM, "no memory for a name"), &err);
    int code = eai_command_run(full, project, command, argc - 1, argv + 1);
    eai_free(full);
    return code;
}

int eai_project_main(const eai_project *project, int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    eai_status st = eai_log_start(&err);
    if (st != EAI_OK)
        return report(st, &err);
    return eai_project_run(project, project->name, ' ', argc - 1, argv + 1);
}
