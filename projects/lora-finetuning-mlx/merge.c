/* merge: a model of its own with the adapter worked in. */
#include <string.h>

#include <jansson.h>

#include "commands.h"

#define ARG(f) offsetof(merge_args, f)
const eai_option merge_options[] = {
    SESSION_MODEL_OPTION(merge_args),
    SESSION_ADAPTER_OPTION(merge_args),
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = ARG(output),
     .value_name = "DIR",
     .help = "folder for model.safetensors and config.json",
     .required = true},
    {.name = "save-dtype",
     .type = EAI_OPT_ENUM,
     .offset = ARG(save_dtype),
     .default_value = "bf16",
     .value_name = "TYPE",
     .choices = "f32|bf16|f16",
     .help = "type of the written tensors"},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object as the last line"},
    SESSION_MACHINE_OPTIONS(merge_args),
    {0},
};

eai_status cmd_merge(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const merge_args *a = args;
    session s = {0};
    eai_dtype dtype = EAI_BF16;

    if (!a->session.adapter)
        return eai_error_set(err, EAI_ERR_USAGE, "--adapter DIR is needed");
    EAI_TRY(session_open(&s, &a->session, err));
    eai_status st = EAI_OK;
    if (!eai_dtype_from_name(&dtype, a->save_dtype))
        st =
            eai_error_set(err, EAI_ERR_USAGE, "--save-dtype '%s': f32, bf16 or f16", a->save_dtype);
    if (st == EAI_OK)
        st = eai_adapter_merge(s.adapter, s.model, a->output, dtype, err);
    if (st == EAI_OK && a->json) {
        st = session_print_json(ctx,
                                json_pack("{s:s, s:s, s:I}", "output", a->output, "dtype",
                                          a->save_dtype, "parameters",
                                          (json_int_t)eai_model_parameters(s.model)),
                                err);
    } else if (st == EAI_OK) {
        fprintf(ctx->out, "merged model in %s (%s)\n", a->output, a->save_dtype);
    }
    session_close(&s);
    return st;
}
