/* export: an adapter in the layout of another tool, without the model. */
#include <jansson.h>

#include "commands.h"

#define ARG(f) offsetof(export_args, f)
const eai_option export_options[] = {
    SESSION_MODEL_OPTION(export_args),
    SESSION_ADAPTER_OPTION(export_args),
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = ARG(output),
     .value_name = "DIR",
     .help = "folder for the adapter's two files",
     .required = true},
    {.name = "format",
     .type = EAI_OPT_ENUM,
     .offset = ARG(format),
     .default_value = "mlx",
     .value_name = "FORMAT",
     .choices = "mlx|peft",
     .help = "mlx: adapters.safetensors, for mlx-lm; peft: adapter_model.safetensors"},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object as the last line"},
    {0},
};

eai_status cmd_export(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const export_args *a = args;
    session s = {0};
    eai_adapter_format format = EAI_ADAPTER_PEFT;

    if (!a->session.adapter)
        return eai_error_set(err, EAI_ERR_USAGE, "--adapter DIR is needed");
    if (!eai_adapter_format_from_name(&format, a->format))
        return eai_error_set(err, EAI_ERR_USAGE, "--format %s: mlx or peft", a->format);
    EAI_TRY(session_open_model(&s, &a->session, err));
    eai_status st = eai_adapter_save_as(s.adapter, a->output, a->session.model, format, err);
    if (st == EAI_OK && a->json)
        st = session_print_json(
            ctx, json_pack("{s:s, s:s}", "output", a->output, "format", a->format), err);
    else if (st == EAI_OK)
        fprintf(ctx->out, "adapter in %s (%s)\n", a->output, a->format);
    session_close(&s);
    return st;
}
