/* Writing config.json beside a model's weights, so that transformers, and config_json.c, read the
 * same model from it. What the family's defaults say is written too: a reader of the file need not
 * know them. Start at model__save_config. */
#include "models/models.h"

#include <inttypes.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/json.h"
#include "base/strbuf.h"

#include "base/banned.h"

static void write_int(eai_strbuf *b, const char *key, int64_t value)
{
    eai_strbuf_printf(b, "  \"%s\": %" PRId64 ",\n", key, value);
}

static void write_real(eai_strbuf *b, const char *key, double value)
{
    eai_strbuf_printf(b, "  \"%s\": ", key);
    eai_strbuf_json_number(b, value);
    eai_strbuf_text(b, ",\n");
}

static void write_bool(eai_strbuf *b, const char *key, bool value)
{
    eai_strbuf_printf(b, "  \"%s\": %s,\n", key, value ? "true" : "false");
}

/* The special ids, where the base file states them: a program that generates wants to know. What it
 * does not state is null, since some families' defaults lie outside of small vocabularies. */
static void write_special_ids(eai_strbuf *b, const eai_weights *w, const json_t *base)
{
    static const char *const ids[][2] = {
        {"bos_token_id", "tokenizer.ggml.bos_token_id"},
        {"eos_token_id", "tokenizer.ggml.eos_token_id"},
        {"pad_token_id", "tokenizer.ggml.padding_token_id"},
    };
    for (int i = 0; i < 3; i++) {
        const json_t *v = json_object_get(base, ids[i][0]);
        int64_t id;
        if (eai_weights_get_int(&id, w, ids[i][1])) {
            write_int(b, ids[i][0], id);
        } else if (json_is_array(v)) { /* several ends */
            eai_strbuf_printf(b, "  \"%s\": [", ids[i][0]);
            for (size_t k = 0; k < json_array_size(v); k++)
                eai_strbuf_printf(b, "%s%" JSON_INTEGER_FORMAT, k ? ", " : "",
                                  json_integer_value(json_array_get(v, k)));
            eai_strbuf_text(b, "],\n");
        } else if (json_is_integer(v)) {
            write_int(b, ids[i][0], json_integer_value(v));
        } else {
            eai_strbuf_printf(b, "  \"%s\": null,\n", ids[i][0]);
        }
    }
}

/* The config.json that the model came with; *out stays NULL where there is none. */
static eai_status load_base(json_t **out, const eai_weights *w, eai_error *err)
{
    eai_status st = EAI_OK;
    char *path = model__config_path(w);

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (!eai_weights_get_string(w, "general.architecture") && eai_fs_exists(path))
        st = eai_json_load(out, path, MODEL_CONFIG_BYTES_MAX, err);
    eai_free(path);
    return st;
}

static void write_rope(eai_strbuf *b, const eai_model_config *c)
{
    const eai_rope_scaling *s = &c->rope_scaling;
    write_real(b, "rope_theta", c->rope_theta);
    if (c->rope_theta_local > 0)
        write_real(b, "rope_local_base_freq", c->rope_theta_local);
    if (s->type == EAI_ROPE_PLAIN)
        return;
    eai_strbuf_printf(b, "  \"rope_scaling\": {\n  \"rope_type\": \"%s\",\n",
                      model__rope_name(s->type));
    if (s->type == EAI_ROPE_LLAMA3) {
        write_real(b, "low_freq_factor", s->low_freq_factor);
        write_real(b, "high_freq_factor", s->high_freq_factor);
    }
    if (s->type == EAI_ROPE_YARN) {
        write_real(b, "beta_fast", s->beta_fast);
        write_real(b, "beta_slow", s->beta_slow);
        write_real(b, "attention_factor", s->attention_factor);
        write_bool(b, "truncate", !s->untruncated);
    }
    if (s->type == EAI_ROPE_LLAMA3 || s->type == EAI_ROPE_YARN)
        write_int(b, "original_max_position_embeddings", (int64_t)s->original_context);
    eai_strbuf_text(b, "  \"factor\": ");
    eai_strbuf_json_number(b, s->factor);
    eai_strbuf_text(b, "\n  },\n");
}

static void write_layers(eai_strbuf *b, const eai_model *m)
{
    const eai_model_config *c = &m->config;
    bool mistral = m->family == &model__mistral;

    if (c->window > 0)
        write_int(b, "sliding_window", c->window);
    else
        eai_strbuf_text(b, "  \"sliding_window\": null,\n");
    if (m->family == &model__smollm3) {
        eai_strbuf_text(b, "  \"no_rope_layers\": [");
        for (int64_t i = 0; i < c->n_layers; i++)
            eai_strbuf_printf(b, "%s%d", i ? ", " : "", !eai_layer_set_has(&c->unrotated, i));
        eai_strbuf_text(b, "],\n");
    }
    if (c->window == 0 || mistral)
        return;
    write_bool(b, "use_sliding_window", true);
    eai_strbuf_text(b, "  \"layer_types\": [");
    for (int64_t i = 0; i < c->n_layers; i++)
        eai_strbuf_printf(b, "%s\"%s_attention\"", i ? ", " : "",
                          eai_layer_set_has(&c->local, i) ? "sliding" : "full");
    eai_strbuf_text(b, "],\n");
}

static int append_text(const char *text, size_t n, void *b)
{
    eai_strbuf_bytes(b, text, n);
    return 0;
}

/* As mlx-lm writes it, and once more under the name that transformers looks for. */
static void write_packing(eai_strbuf *b, const json_t *value)
{
    static const char *const keys[] = {"quantization", "quantization_config"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        eai_strbuf_printf(b, "  \"%s\": ", keys[i]);
        if (!value || json_dump_callback(value, append_text, b, JSON_PRESERVE_ORDER) != 0)
            b->status = EAI_ERR_NOMEM;
        eai_strbuf_text(b, ",\n");
    }
}

/* What the base file says of its matrices; a head that it did not have is packed as the embedding
 * was. */
static json_t *base_packing(const json_t *base, bool untied)
{
    json_t *all = json_deep_copy(json_object_get(base, "quantization"));
    json_t *embedding = json_object_get(all, "model.embed_tokens");
    if (untied && embedding)
        json_object_set(all, "lm_head", embedding);
    return all;
}

static void write_packings(eai_strbuf *b, const json_t *base, const model__written *how,
                           bool untied)
{
    const eai_mlx_packing *p = how->packing;
    if (!p && !how->packed_as_before)
        return;
    json_t *value = p ? json_pack("{s:i, s:i, s:s}", "group_size", p->group, "bits", p->bits,
                                  "mode", eai_mlx_mode_name(p->mode))
                      : base_packing(base, untied);
    write_packing(b, value);
    json_decref(value);
}

static void write_config(eai_strbuf *b, const eai_model *m, const json_t *base,
                         const model__written *how)
{
    const eai_model_config *c = &m->config;
    eai_dtype dtype = how->dtype;
    const char *type = dtype == EAI_BF16 ? "bfloat16" : dtype == EAI_F16 ? "float16" : "float32";
    bool gelu = m->has & MODEL_GELU;

    eai_strbuf_printf(b, "{\n  \"architectures\": [\"%s\"],\n", m->family->hf_class);
    eai_strbuf_printf(b, "  \"model_type\": \"%s\",\n", m->family->hf_type);
    eai_strbuf_text(b, gelu ? "  \"hidden_activation\": \"gelu_pytorch_tanh\",\n"
                            : "  \"hidden_act\": \"silu\",\n");
    write_bool(b, "attention_bias", c->bias_o);
    write_bool(b, "mlp_bias", c->bias_mlp);
    write_special_ids(b, m->weights, base);
    write_int(b, "num_hidden_layers", c->n_layers);
    write_int(b, "hidden_size", c->d_model);
    write_int(b, "intermediate_size", c->d_ffn);
    write_int(b, "num_attention_heads", c->n_heads);
    write_int(b, "num_key_value_heads", c->n_kv_heads);
    write_int(b, "head_dim", c->d_head);
    write_int(b, "vocab_size", c->vocab);
    write_int(b, "max_position_embeddings", c->context);
    write_rope(b, c);
    write_layers(b, m);
    if (c->attention_scale > 0)
        write_real(b, "query_pre_attn_scalar", 1 / (c->attention_scale * c->attention_scale));
    write_real(b, "rms_norm_eps", c->rms_eps);
    write_packings(b, base, how, c->tied && !how->tied);
    write_bool(b, "tie_word_embeddings", how->tied);
    eai_strbuf_printf(b, "  \"torch_dtype\": \"%s\"\n}\n", type);
}

/* What transformers' class of the family has no setting for. */
static eai_status check_writable(const eai_model *m, eai_error *err)
{
    const eai_model_config *c = &m->config;
    const char *path = eai_weights_path(m->weights);
    bool qwen2 = m->family == &model__qwen2;

    if (c->rope_scaling.type == EAI_ROPE_TABLE)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: config.json cannot state the frequencies of tensor "
                             "'rope_freqs.weight', which are not Llama 3's",
                             path);
    if (c->bias_qkv != (qwen2 || c->bias_o))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: config.json cannot state biases on some of q, k, v and o alone "
                             "for '%s'",
                             path, m->family->name);
    if (c->window > 0 && m->family == &model__llama)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: config.json cannot state a sliding window for '%s'", path,
                             m->family->name);
    return EAI_OK;
}

eai_status model__save_config(const eai_model *m, const char *folder, const model__written *how,
                              eai_error *err)
{
    eai_status st;
    eai_strbuf b = EAI_STRBUF_INIT(1 << 20);
    json_t *base = NULL;

    EAI_TRY(check_writable(m, err));
    EAI_TRY(load_base(&base, m->weights, err));
    char *path = eai_path_join(folder, "config.json");
    write_config(&b, m, base, how);
    json_decref(base);
    st = eai_strbuf_check(&b, "config.json", err);
    if (st == EAI_OK && !path)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, b.data, b.length, err);
    eai_free(path);
    eai_strbuf_deinit(&b);
    return st;
}
