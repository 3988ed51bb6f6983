/* What every command of this project opens: a backend, a model, its tokenizer, maybe an adapter. */
#ifndef LORA_SESSION_H
#define LORA_SESSION_H

#include <signal.h>

#include <efficientai/adapter.h>
#include <efficientai/model.h>
#include <efficientai/plan.h>
#include <efficientai/profile.h>
#include <efficientai/project.h>
#include <efficientai/tokenizer.h>
#include <efficientai/trainer.h>
#include <efficientai/weights.h>

/* Options that all commands share; embed as the first member of the arguments. */
typedef struct session_args {
    const char *model;
    const char *adapter;
    const char *backend; /* NULL, of commands that compute nothing: none is opened */
    const char *dtype;
    const char *profile;
    int64_t threads;
    bool check;
} session_args;

#define SESSION_OPTION(owner, field) offsetof(owner, session) + offsetof(session_args, field)
#define SESSION_MODEL_OPTION(owner)                                                                \
    {.name = "model",                                                                              \
     .key = 'm',                                                                                   \
     .type = EAI_OPT_STRING,                                                                       \
     .offset = SESSION_OPTION(owner, model),                                                       \
     .default_value = "smollm2-135m-instruct",                                                     \
     .value_name = "NAME|PATH",                                                                    \
     .help = "a known model (efficientai models list), a file, or a folder"},                      \
    {                                                                                              \
        .name = "check", .type = EAI_OPT_FLAG, .offset = SESSION_OPTION(owner, check),             \
        .help =                                                                                    \
            "read all weights first: refuse values that are no finite numbers, and files that "    \
            "differ from what was fetched"                                                         \
    }
#define SESSION_ADAPTER_OPTION(owner)                                                              \
    {                                                                                              \
        .name = "adapter", .key = 'a', .type = EAI_OPT_PATH,                                       \
        .offset = SESSION_OPTION(owner, adapter), .value_name = "DIR",                             \
        .help = "folder of an adapter in the PEFT layout"                                          \
    }
/* Of commands that end with session_end. */
#define SESSION_PROFILE_OPTION(owner)                                                              \
    {                                                                                              \
        .name = "profile", .type = EAI_OPT_PATH, .offset = SESSION_OPTION(owner, profile),         \
        .value_name = "FILE",                                                                      \
        .help = "time every operation: a table at the end, a Chrome trace in FILE",                \
        .group = "Machine"                                                                         \
    }
#define SESSION_MACHINE_OPTIONS(owner)                                                             \
    {.name = "backend",                                                                            \
     .type = EAI_OPT_ENUM,                                                                         \
     .offset = SESSION_OPTION(owner, backend),                                                     \
     .default_value = "auto",                                                                      \
     .value_name = "NAME",                                                                         \
     .choices = "auto|cpu|mlx",                                                                    \
     .help = "what computes; auto: mlx on Apple Silicon where its plugin is, else cpu",            \
     .group = "Machine"},                                                                          \
        {.name = "threads",                                                                        \
         .key = 't',                                                                               \
         .type = EAI_OPT_INT,                                                                      \
         .offset = SESSION_OPTION(owner, threads),                                                 \
         .default_value = "0",                                                                     \
         .value_name = "N",                                                                        \
         .help = "threads, 0: one a core",                                                         \
         .min = 0,                                                                                 \
         .max = 1024,                                                                              \
         .group = "Machine"},                                                                      \
    {                                                                                              \
        .name = "dtype", .type = EAI_OPT_ENUM, .offset = SESSION_OPTION(owner, dtype),             \
        .default_value = "auto", .value_name = "TYPE", .choices = "auto|f32|bf16|int8",            \
        .help = "precision of products; auto: bf16 where the processor has it; int8: 8 bits, "     \
                "both ways, where a factor is a weight of the model",                              \
        .group = "Machine"                                                                         \
    }

/* Everything is NULL until opened; session_close frees it in the right order. */
typedef struct session {
    char *path; /* of the model's file */
    eai_backend *backend;
    eai_weights *weights;
    eai_model *model;
    eai_tokenizer *tokenizer;
    eai_adapter *adapter;
    eai_profile *profile; /* NULL: not asked for */
} session;

eai_status session_open(session *s, const session_args *args, eai_error *err);
/* The same without the tokenizer, for commands that read no text. */
eai_status session_open_model(session *s, const session_args *args, eai_error *err);
void session_close(session *s);
/* After the work, whose status is st, done or interrupted: prints the profile and writes its trace
 * where these were asked for. Returns the status of the whole. */
eai_status session_end(session *s, const session_args *args, const eai_command_context *ctx,
                       eai_status st, eai_error *err);

/* Ctrl-C: the first one sets the flag (the command finishes its step, saves and ends), the second
 * one ends the program at once. */
void session_catch_interrupt(void);
extern volatile sig_atomic_t session_interrupted;

/* Rows of FOLDER/NAME. `missing_ok`: *out is NULL when there is no such file. */
eai_status session_read_rows(eai_rows **out, const char *folder, const char *name, bool missing_ok,
                             eai_error *err);

/* Prints a JSON object on one line, as the last line of the output, and releases it. */
struct json_t;
eai_status session_print_json(const eai_command_context *ctx, struct json_t *object,
                              eai_error *err);

#endif
