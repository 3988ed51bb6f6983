/* A project: what a user sees under `efficientai NAME:COMMAND`. The same sources are linked into
 * the command, built as a program of their own, and as a plugin that is opened at run time.
 *
 * Use (projects/NAME/project.c):
 *     static const eai_command commands[] = {
 *         {"train", "fine-tune adapters on JSON lines", train_options, sizeof(train_args),
 * cmd_train}, {0}}; EAI_DEFINE_PROJECT(.name = "lora-finetuning-mlx", .version = "0.1.0", .summary
 * = "LoRA fine-tuning of small language models", .commands = commands);
 *
 * Exit codes: 0 ok, 1 failed, 2 wrong use, 130 stopped by Ctrl-C: the caller of `run` makes them
 * from the status, and prints the message as the one line "error: ...". */
#ifndef EAI_PROJECT_H
#define EAI_PROJECT_H

#include <stdint.h>
#include <stdio.h>

#include <efficientai/options.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EAI_PROJECT_ABI 2

/* What the program hands to a command. */
typedef struct eai_command_context {
    const char *program;       /* "efficientai lora-finetuning-mlx:train", for messages */
    const eai_option_set *set; /* operands and origins */
    FILE *out;                 /* results; standard output */
    FILE *progress; /* progress and notes; standard error, nowhere with --quiet; never NULL */
    bool progress_is_terminal; /* live redraw allowed */
    bool quiet;                /* --quiet: progress goes nowhere */
    int width;                 /* columns of the terminal, 80 when unknown */
} eai_command_context;

typedef struct eai_command {
    const char *name;
    const char *summary;
    const eai_option *options; /* may be NULL */
    size_t args_bytes;         /* size of the struct that the options fill */
    /* args points to a filled struct of args_bytes. */
    eai_status (*run)(const eai_command_context *ctx, const void *args, eai_error *err);
    const char *usage;  /* operands, "FILE..." or NULL (then operands are refused) */
    const char *help;   /* further paragraphs for --help, or NULL */
    bool checks_config; /* every fault of its --config files is printed, not the first one alone */
} eai_command;

typedef struct eai_project {
    uint32_t abi;  /* EAI_PROJECT_ABI of the build */
    uint32_t size; /* sizeof(eai_project) of the build */
    const char *name;
    const char *version;
    const char *summary;
    const eai_command *commands; /* ends with a zero row */
} eai_project;

#ifndef EAI_PROJECT_SYMBOL
#define EAI_PROJECT_SYMBOL eai_project_descriptor
#endif
#define EAI_DEFINE_PROJECT(...)                                                                    \
    EAI_API extern const eai_project EAI_PROJECT_SYMBOL;                                           \
    EAI_API const eai_project EAI_PROJECT_SYMBOL = {                                               \
        .abi = EAI_PROJECT_ABI, .size = sizeof(eai_project), __VA_ARGS__}

/* Parses the words with the command's table, runs it, prints "error: ..." on failure, returns the
 * exit code. `program` is what the user typed, "efficientai models get"; `project` is the
 * command's, or NULL: other commands of the project may have options in the same configuration
 * file. argv[0] is the first word after the command's name. With --help it prints the help instead.
 */
EAI_API int eai_command_run(const char *program, const eai_project *project,
                            const eai_command *command, int argc, char **argv);

/* The project's command of that name, or NULL. */
EAI_API const eai_command *eai_project_find_command(const eai_project *project, const char *name);

/* The options of all its commands, for eai_options_scope: a new array (eai_free) that ends with a
 * zero row; NULL: no memory. */
EAI_API eai_options_command *eai_project_tables(const eai_project *project);

/* Runs the command named by argv[0]; `program` and `separator` stand before its name in messages
 * ("efficientai lora-finetuning-mlx", ':'). Without a word it lists the commands and returns 2;
 * "--help" lists them and returns 0; an unknown name gives a "did you mean" and 2. */
EAI_API int eai_project_run(const eai_project *project, const char *program, char separator,
                            int argc, char **argv);

/* main() of a program that is one project: argv[1] names the command. */
EAI_API int eai_project_main(const eai_project *project, int argc, char **argv);

/* The built-in projects (given by the program that links them) and plugins found. */
typedef struct eai_registry eai_registry;
EAI_API EAI_CHECKED eai_status eai_registry_create(eai_registry **out,
                                                   const eai_project *const *builtin,
                                                   size_t n_builtin, eai_error *err);
/* Opens every *.so / *.dylib of the folders in the colon-separated list; a foreign or broken file,
 * another ABI or a duplicate name is reported through `warn` and skipped. `folders` may be NULL. */
EAI_API void eai_registry_add_plugins(eai_registry *r, const char *folders,
                                      void (*warn)(void *ud, const char *message), void *ud);
EAI_API size_t eai_registry_count(const eai_registry *r);
EAI_API const eai_project *eai_registry_at(const eai_registry *r, size_t i);
/* The file of a plugin; NULL: built in. Borrowed. */
EAI_API const char *eai_registry_path(const eai_registry *r, size_t i);
EAI_API const eai_project *eai_registry_find(const eai_registry *r, const char *name);
EAI_API void eai_registry_free(eai_registry *r);

#ifdef __cplusplus
}
#endif
#endif
