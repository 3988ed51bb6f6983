/* merge: a model of its own with the adapter worked in, and its tokenizer: a Hugging Face folder,
 * plain or packed for mlx-lm, or a GGUF file for llama.cpp. */
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/tokenizer_files.h>

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
     .help = "folder for model.safetensors, config.json and the tokenizer's files, or model.gguf",
     .required = true},
    {.name = "format",
     .type = EAI_OPT_ENUM,
     .offset = ARG(format),
     .default_value = "safetensors",
     .value_name = "FORMAT",
     .choices = "safetensors|gguf|mlx",
     .help = "gguf: one file, of a model that is one; mlx: safetensors with packed matrices, for "
             "mlx-lm"},
    {.name = "save-dtype",
     .type = EAI_OPT_ENUM,
     .offset = ARG(save_dtype),
     .default_value = "bf16",
     .value_name = "TYPE",
     .choices = "f32|bf16|f16|q8_0|q5_1|q5_0|q4_1|q4_0|same",
     .help = "type of the written matrices; quantized, or the same as before: gguf only"},
    {.name = "q-mode",
     .type = EAI_OPT_ENUM,
     .offset = ARG(q_mode),
     .default_value = "same",
     .value_name = "MODE",
     .choices = "same|affine|mxfp4|mxfp8|nvfp4",
     .help = "how matrices are packed; same: each as the model's is, affine where none is",
     .group = "Format mlx",
     .section = "mlx"},
    {.name = "q-bits",
     .type = EAI_OPT_INT,
     .offset = ARG(q_bits),
     .default_value = "0",
     .value_name = "N",
     .help = "bits of a number, 0: 4 (mxfp8: 8); affine has 2, 3, 4, 5, 6 and 8",
     .min = 0,
     .max = 8,
     .group = "Format mlx",
     .section = "mlx"},
    {.name = "q-group-size",
     .type = EAI_OPT_INT,
     .offset = ARG(q_group_size),
     .default_value = "0",
     .value_name = "N",
     .help = "numbers that share a scale, 0: 64 (mxfp4, mxfp8: 32, nvfp4: 16); affine has 32, 64 "
             "and 128",
     .min = 0,
     .max = 128,
     .group = "Format mlx",
     .section = "mlx"},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object as the last line"},
    {0},
};

/* A GGUF file's tokenizer is converted and must be loaded for it; files of a folder are copied. */
static eai_status write_tokenizer(bool *written, session *s, const char *folder, eai_error *err)
{
    if (eai_weights_get_string(s->weights, "tokenizer.ggml.model"))
        EAI_TRY(eai_tokenizer_from_weights(&s->tokenizer, s->weights, err));
    return eai_tokenizer_write_files(written, s->tokenizer, s->weights, folder, err);
}

static eai_dtype dtype_of(const char *name)
{
    eai_dtype dtype = EAI_DTYPE_COUNT; /* "same" */
    return eai_dtype_from_name(&dtype, name) ? dtype : EAI_DTYPE_COUNT;
}

static eai_status merge_mlx(const session *s, const merge_args *a, eai_dtype dtype, eai_error *err)
{
    eai_mlx_packing p = {EAI_MLX_MODE_AFFINE, (int)a->q_bits, (int)a->q_group_size, dtype};
    bool same = strcmp(a->q_mode, "same") == 0 && eai_model_is_packed(s->model);
    if (same && (a->q_bits > 0 || a->q_group_size > 0))
        return eai_error_set(err, EAI_ERR_USAGE,
                             "--q-bits and --q-group-size need a --q-mode: this model is packed "
                             "already, and its matrices stay as they are");
    if (!eai_mlx_mode_from_name(&p.mode, a->q_mode) && strcmp(a->q_mode, "same") != 0)
        return eai_error_set(err, EAI_ERR_USAGE, "--q-mode %s: same, affine, mxfp4, mxfp8 or nvfp4",
                             a->q_mode);
    return eai_adapter_merge_mlx(s->adapter, s->model, a->output, dtype, same ? NULL : &p, err);
}

/* *written: with a tokenizer. */
static eai_status merge_folder(bool *written, session *s, const merge_args *a, eai_error *err)
{
    eai_dtype dtype = dtype_of(a->save_dtype);
    if (dtype != EAI_F32 && dtype != EAI_BF16 && dtype != EAI_F16)
        return eai_error_set(
            err, EAI_ERR_USAGE,
            "--save-dtype %s needs --format gguf; safetensors takes f32, bf16, f16", a->save_dtype);
    if (strcmp(a->format, "mlx") == 0)
        EAI_TRY(merge_mlx(s, a, dtype, err));
    else
        EAI_TRY(eai_adapter_merge(s->adapter, s->model, a->output, dtype, err));
    return write_tokenizer(written, s, a->output, err);
}

static eai_status merge_gguf(bool *written, const session *s, const merge_args *a, eai_error *err)
{
    EAI_TRY(eai_fs_mkdir_p(a->output, err));
    char *path = eai_path_join(a->output, "model.gguf");
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st =
        eai_adapter_merge_gguf(s->adapter, s->model, path, dtype_of(a->save_dtype), err);
    eai_free(path);
    *written = eai_weights_get_string(s->weights, "tokenizer.ggml.model") != NULL;
    return st;
}

static eai_status print_result(const eai_command_context *ctx, const merge_args *a,
                               const session *s, bool tokenizer, eai_error *err)
{
    if (a->json) {
        return session_print_json(ctx,
                                  json_pack("{s:s, s:s, s:I, s:b}", "output", a->output, "dtype",
                                            a->save_dtype, "parameters",
                                            (json_int_t)eai_model_parameters(s->model), "tokenizer",
                                            (int)tokenizer),
                                  err);
    }
    fprintf(ctx->out, "merged model in %s (%s)\n", a->output, a->save_dtype);
    if (!tokenizer)
        fprintf(ctx->progress, "without a tokenizer: that of %s could not be taken over\n",
                a->session.model);
    return EAI_OK;
}

eai_status cmd_merge(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const merge_args *a = args;
    session s = {0};
    bool tokenizer = false;

    if (!a->session.adapter)
        return eai_error_set(err, EAI_ERR_USAGE, "--adapter DIR is needed");
    EAI_TRY(session_open_model(&s, &a->session, err));
    eai_status st = strcmp(a->format, "gguf") == 0 ? merge_gguf(&tokenizer, &s, a, err)
                                                   : merge_folder(&tokenizer, &s, a, err);
    if (st == EAI_OK)
        st = print_result(ctx, a, &s, tokenizer, err);
    session_close(&s);
    return st;
}
