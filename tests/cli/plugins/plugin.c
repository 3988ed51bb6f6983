/* Plugins for test_registry.c; CMake compiles this file once a kind, with PLUGIN_ABI, PLUGIN_NAME
 * and, for the one without a descriptor, PLUGIN_EMPTY. */
#include <efficientai/project.h>

#ifdef PLUGIN_EMPTY
EAI_API int nothing_of_ours(void);
int nothing_of_ours(void)
{
    return 0;
}
#else
static eai_status run_hello(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)args;
    (void)err;
    fprintf(ctx->out, "hello from %s\n", PLUGIN_NAME);
    return EAI_OK;
}

static const eai_command commands[] = {
    {.name = "hello", .summary = "say hello", .run = run_hello},
    {0},
};

EAI_API extern const eai_project eai_project_descriptor;
EAI_API const eai_project eai_project_descriptor = {
    .abi = PLUGIN_ABI,
    .size = sizeof(eai_project),
    .name = PLUGIN_NAME,
    .version = "9.9",
    .summary = "a plugin for tests",
    .commands = commands,
};
#endif
