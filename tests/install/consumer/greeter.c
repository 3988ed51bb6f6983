/* A project outside the toolkit's tree: `efficientai greeter:greet --name NAME`. */
#include <efficientai/project.h>

typedef struct greet_args {
    const char *name;
} greet_args;

static const eai_option greet_options[] = {
    {.name = "name",
     .key = 'n',
     .type = EAI_OPT_STRING,
     .offset = offsetof(greet_args, name),
     .default_value = "stranger",
     .value_name = "NAME",
     .help = "whom to greet"},
    {0},
};

static eai_status run_greet(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const greet_args *a = args;

    (void)err;
    fprintf(ctx->out, "good day, %s\n", a->name);
    return EAI_OK;
}

static const eai_command commands[] = {
    {.name = "greet",
     .summary = "say good day",
     .options = greet_options,
     .args_bytes = sizeof(greet_args),
     .run = run_greet},
    {0},
};

EAI_DEFINE_PROJECT(.name = "greeter", .version = "1.0", .summary = "a project out of tree",
                   .commands = commands);
