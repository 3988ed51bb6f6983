/* greet: the smallest command that has all parts. Put your own in its place.
 *
 * From the table come --help, the command line, configuration files, EFFICIENTAI_TIMES, --set,
 * completion and the manual page. When the function runs, every value has been checked against it.
 * Results go to ctx->out, notes and progress to ctx->progress; an error is returned, never printed.
 */
#include "commands.h"

#include <inttypes.h>
#include <stddef.h>

const eai_option greet_options[] = {
    {.name = "greeting",
     .key = 'g',
     .type = EAI_OPT_ENUM,
     .offset = offsetof(greet_args, greeting),
     .default_value = "hello",
     .value_name = "WORD",
     .choices = "hello|welcome",
     .help = "how to begin"},
    {.name = "times",
     .key = 'n',
     .type = EAI_OPT_INT,
     .offset = offsetof(greet_args, times),
     .default_value = "1",
     .value_name = "N",
     .help = "how often",
     .min = 1,
     .max = 100},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(greet_args, json),
     .help = "one JSON object on one line"},
    {0},
};

eai_status cmd_greet(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const greet_args *a = args;
    const char *const *operands;
    int n = eai_options_operands(ctx->set, &operands);

    if (n > 1)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes one name, not %d", ctx->program, n);
    if (a->json)
        fprintf(ctx->out, "{\"times\":%" PRId64 "}\n", a->times);
    for (int64_t i = 0; !a->json && i < a->times; i++)
        fprintf(ctx->out, "%s, %s\n", a->greeting, n == 1 ? operands[0] : "world");
    return EAI_OK;
}
