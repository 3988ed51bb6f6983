/* Reading a model's configuration: from a GGUF's metadata, or from the config.json beside a
 * safetensors file; and writing the latter.
 *
 * Files of both kinds state the same dozen numbers under different names. What is stated must be
 * sane, because shapes are computed from it; what a file asks for and this code does not do
 * (another activation, scaled rotary frequencies, biases) is refused rather than ignored. Start at
 * model__read_config. */
#include "models/models.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/json.h"
#include "base/strbuf.h"

#include "base/banned.h"

#define CONFIG_BYTES_MAX ((size_t)1 << 24)

/* ---- Sanity
 * -------------------------------------------------------------------------------------- */

static eai_status check_count(const char *where, const char *name, int64_t value, int64_t max,
                              eai_error *err)
{
    if (value >= 1 && value <= max)
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_FORMAT, "%s: %s is %" PRId64 ", not in 1 to %" PRId64, where,
                         name, value, max);
}

eai_status model__check_config(const eai_model_config *c, const char *where, eai_error *err)
{
    const struct {
        const char *name;
        int64_t value, max;
    } counts[] = {
        {"number of layers", c->n_layers, 4096},
        {"model width", c->d_model, 1 << 20},
        {"number of heads", c->n_heads, 1 << 14},
        {"number of key/value heads", c->n_kv_heads, 1 << 14},
        {"head width", c->d_head, 1 << 14},
        {"feed-forward width", c->d_ffn, 1 << 22},
        {"vocabulary", c->vocab, 1 << 24},
        {"context", c->context, 1 << 30},
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        EAI_TRY(check_count(where, counts[i].name, counts[i].value, counts[i].max, err));
    if (c->n_heads % c->n_kv_heads != 0)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: %" PRId64 " heads are no multiple of %" PRId64 " key/value heads",
                             where, c->n_heads, c->n_kv_heads);
    if (c->d_head % 2 != 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: head width %" PRId64 " is odd", where,
                             c->d_head);
    if (!(c->rope_theta > 0) || !isfinite(c->rope_theta))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: rotary base %g is not above 0", where,
                             c->rope_theta);
    if (!(c->rms_eps >= 0 && c->rms_eps < 1))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: norm epsilon %g is not in 0 to 1", where,
                             c->rms_eps);
    return EAI_OK;
}

/* ---- GGUF metadata
 * ------------------------------------------------------------------------------- */

/* Where a GGUF's numbers come from: keys are "<architecture>.<name>". */
typedef struct gguf_source {
    const eai_weights *w;
    const char *arch;
} gguf_source;

static const char *make_key(char *buf, size_t n, const gguf_source *s, const char *name)
{
    snprintf(buf, n, "%s.%s", s->arch, name);
    return buf;
}

/* *out stays as it is where the key is absent and not required. */
static eai_status read_int(int64_t *out, const gguf_source *s, const char *name, bool required,
                           eai_error *err)
{
    char key[128];
    make_key(key, sizeof(key), s, name);
    if (eai_weights_get_int(out, s->w, key))
        return EAI_OK;
    if (eai_weights_meta_type(s->w, key) != EAI_META_NONE)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s: metadata '%s' is not one integer",
                             eai_weights_path(s->w), key);
    if (required)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: metadata '%s' is missing",
                             eai_weights_path(s->w), key);
    return EAI_OK;
}

static eai_status read_float(double *out, const gguf_source *s, const char *name, bool required,
                             eai_error *err)
{
    char key[128];
    make_key(key, sizeof(key), s, name);
    if (eai_weights_get_float(out, s->w, key))
        return EAI_OK;
    if (required || eai_weights_meta_type(s->w, key) != EAI_META_NONE)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: metadata '%s' is missing or not a number",
                             eai_weights_path(s->w), key);
    return EAI_OK;
}

static eai_status read_gguf(eai_model_config *c, const eai_weights *w, const char *arch,
                            eai_error *err)
{
    const gguf_source s = {w, arch};
    const char *path = eai_weights_path(w);
    char key[128];

    EAI_TRY(read_int(&c->n_layers, &s, "block_count", true, err));
    EAI_TRY(read_int(&c->d_model, &s, "embedding_length", true, err));
    EAI_TRY(read_int(&c->d_ffn, &s, "feed_forward_length", true, err));
    EAI_TRY(read_int(&c->context, &s, "context_length", true, err));
    EAI_TRY(read_int(&c->n_heads, &s, "attention.head_count", true, err));
    EAI_TRY(check_count(path, "number of heads", c->n_heads, 1 << 14, err));
    c->n_kv_heads = c->n_heads;
    EAI_TRY(read_int(&c->n_kv_heads, &s, "attention.head_count_kv", false, err));
    c->d_head = c->d_model / c->n_heads;
    EAI_TRY(read_int(&c->d_head, &s, "attention.key_length", false, err));
    EAI_TRY(read_float(&c->rms_eps, &s, "attention.layer_norm_rms_epsilon", true, err));
    c->rope_theta = 10000.0;
    EAI_TRY(read_float(&c->rope_theta, &s, "rope.freq_base", false, err));

    int64_t value = c->d_head;
    EAI_TRY(read_int(&value, &s, "attention.value_length", false, err));
    if (value != c->d_head)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: values of width %" PRId64 " with keys of width %" PRId64, path,
                             value, c->d_head);
    int64_t rotated = c->d_head;
    EAI_TRY(read_int(&rotated, &s, "rope.dimension_count", false, err));
    if (rotated != c->d_head)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: rotation of %" PRId64 " of a head's %" PRId64 " dimensions", path,
                             rotated, c->d_head);
    const char *scaling =
        eai_weights_get_string(w, make_key(key, sizeof(key), &s, "rope.scaling.type"));
    if (scaling && strcmp(scaling, "none") != 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: metadata '%s' is '%s'; only 'none' is supported", path, key,
                             scaling);

    const eai_weight_tensor *t = eai_weights_find(w, "model.embed_tokens.weight");
    if (!t || t->shape.n_dims != 2)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: tensor 'model.embed_tokens.weight' (in the file "
                             "'token_embd.weight') is missing or no matrix",
                             path);
    c->vocab = t->shape.dim[0];
    c->tied = !eai_weights_find(w, "lm_head.weight");
    return EAI_OK;
}

/* ---- config.json
 * --------------------------------------------------------------------------------- */

static eai_status get_json_int(int64_t *out, const json_t *root, const char *key, bool required,
                               const char *path, eai_error *err)
{
    const json_t *v = json_object_get(root, key);
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return EAI_OK;
    }
    if (required || (v && !json_is_null(v)))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: '%s' is %s", path, key,
                             v ? "not an integer" : "missing");
    return EAI_OK;
}

static eai_status get_json_float(double *out, const json_t *root, const char *key, const char *path,
                                 eai_error *err)
{
    const json_t *v = json_object_get(root, key);
    if (json_is_number(v))
        *out = json_number_value(v);
    else if (v && !json_is_null(v))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: '%s' is not a number", path, key);
    return EAI_OK;
}

/* transformers before 5 has rope_theta and rope_scaling, from 5 on both are in rope_parameters. */
static eai_status get_json_rope(double *theta, const json_t *root, const char *path, eai_error *err)
{
    static const char *const keys[] = {"rope_scaling", "rope_parameters"};
    *theta = 10000.0;
    EAI_TRY(get_json_float(theta, root, "rope_theta", path, err));
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(root, keys[i]);
        if (!v || json_is_null(v))
            continue;
        const char *type = json_string_value(json_object_get(v, "rope_type"));
        if (!type)
            type = json_string_value(json_object_get(v, "type"));
        if (!json_is_object(v) || (type && strcmp(type, "default") != 0))
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "%s: '%s' of type '%s'; only 'default' is supported", path,
                                 keys[i], type ? type : "?");
        EAI_TRY(get_json_float(theta, v, "rope_theta", path, err));
    }
    return EAI_OK;
}

/* Settings of the file that would change the computation. */
static eai_status check_json(const json_t *root, const char *path, eai_error *err)
{
    static const char *const biases[] = {"attention_bias", "mlp_bias"};
    const char *act = json_string_value(json_object_get(root, "hidden_act"));
    if (act && strcmp(act, "silu") != 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: 'hidden_act' is '%s'; only 'silu' is supported", path, act);
    for (int i = 0; i < 2; i++) {
        if (json_is_true(json_object_get(root, biases[i])))
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "%s: '%s' is true; only false is supported", path, biases[i]);
    }
    return EAI_OK;
}

static eai_status read_json(eai_model_config *c, const json_t *root, const char *path,
                            eai_error *err)
{
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (!type)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: 'model_type' is missing or no text", path);
    const model__family *family = model__find_family(type);
    if (!family)
        return model__unknown_family(path, type, err);
    c->family = family->name;

    EAI_TRY(check_json(root, path, err));
    EAI_TRY(get_json_int(&c->n_layers, root, "num_hidden_layers", true, path, err));
    EAI_TRY(get_json_int(&c->d_model, root, "hidden_size", true, path, err));
    EAI_TRY(get_json_int(&c->d_ffn, root, "intermediate_size", true, path, err));
    EAI_TRY(get_json_int(&c->vocab, root, "vocab_size", true, path, err));
    EAI_TRY(get_json_int(&c->n_heads, root, "num_attention_heads", true, path, err));
    EAI_TRY(check_count(path, "'num_attention_heads'", c->n_heads, 1 << 14, err));
    c->n_kv_heads = c->n_heads;
    EAI_TRY(get_json_int(&c->n_kv_heads, root, "num_key_value_heads", false, path, err));
    c->d_head = c->d_model / c->n_heads;
    EAI_TRY(get_json_int(&c->d_head, root, "head_dim", false, path, err));
    c->context = 2048;
    EAI_TRY(get_json_int(&c->context, root, "max_position_embeddings", false, path, err));
    c->rms_eps = 1e-6;
    EAI_TRY(get_json_float(&c->rms_eps, root, "rms_norm_eps", path, err));
    EAI_TRY(get_json_rope(&c->rope_theta, root, path, err));
    c->tied = json_is_true(json_object_get(root, "tie_word_embeddings"));
    return EAI_OK;
}

/* "config.json" in the folder of `path`; NULL without memory. */
static char *config_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return eai_strdup("config.json");
    return eai_asprintf("%.*sconfig.json", (int)(slash - path + 1), path);
}

static eai_status read_json_beside(eai_model_config *c, const eai_weights *w, eai_error *err)
{
    eai_status st;
    json_t *root = NULL;
    char *path = config_path(eai_weights_path(w));

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (!eai_fs_exists(path)) {
        st = eai_error_set(err, EAI_ERR_NOT_FOUND,
                           "%s: no metadata 'general.architecture', and no '%s' beside it",
                           eai_weights_path(w), path);
        goto done;
    }
    st = eai_json_load(&root, path, CONFIG_BYTES_MAX, err);
    if (st == EAI_OK)
        st = read_json(c, root, path, err);
done:
    json_decref(root);
    eai_free(path);
    return st;
}

eai_status model__read_config(eai_model_config *out, const eai_weights *w, eai_error *err)
{
    const char *path = eai_weights_path(w);
    const char *arch = eai_weights_get_string(w, "general.architecture");

    *out = (eai_model_config){0};
    if (!arch) {
        EAI_TRY(read_json_beside(out, w, err));
        return model__check_config(out, path, err);
    }
    const model__family *family = model__find_family(arch);
    if (!family)
        return model__unknown_family(path, arch, err);
    out->family = family->name;
    EAI_TRY(read_gguf(out, w, arch, err));
    return model__check_config(out, path, err);
}

/* ---- Writing
 * ------------------------------------------------------------------------------------- */

/* The special ids, where the base file states them: a program that generates wants to know. */
static void write_special_ids(eai_strbuf *b, const eai_weights *w)
{
    static const char *const ids[][2] = {
        {"bos_token_id", "tokenizer.ggml.bos_token_id"},
        {"eos_token_id", "tokenizer.ggml.eos_token_id"},
        {"pad_token_id", "tokenizer.ggml.padding_token_id"},
    };
    for (int i = 0; i < 3; i++) {
        int64_t id;
        if (eai_weights_get_int(&id, w, ids[i][1]))
            eai_strbuf_printf(b, "  \"%s\": %" PRId64 ",\n", ids[i][0], id);
    }
}

static void write_config(eai_strbuf *b, const eai_model *m, eai_dtype dtype)
{
    const eai_model_config *c = &m->config;
    const char *type = dtype == EAI_BF16 ? "bfloat16" : dtype == EAI_F16 ? "float16" : "float32";

    eai_strbuf_printf(b, "{\n  \"architectures\": [\"%s\"],\n", m->family->hf_class);
    eai_strbuf_printf(b, "  \"model_type\": \"%s\",\n", c->family);
    eai_strbuf_printf(b, "  \"hidden_act\": \"silu\",\n  \"attention_bias\": false,\n");
    eai_strbuf_printf(b, "  \"mlp_bias\": false,\n");
    write_special_ids(b, m->weights);
    eai_strbuf_printf(b, "  \"num_hidden_layers\": %" PRId64 ",\n", c->n_layers);
    eai_strbuf_printf(b, "  \"hidden_size\": %" PRId64 ",\n", c->d_model);
    eai_strbuf_printf(b, "  \"intermediate_size\": %" PRId64 ",\n", c->d_ffn);
    eai_strbuf_printf(b, "  \"num_attention_heads\": %" PRId64 ",\n", c->n_heads);
    eai_strbuf_printf(b, "  \"num_key_value_heads\": %" PRId64 ",\n", c->n_kv_heads);
    eai_strbuf_printf(b, "  \"head_dim\": %" PRId64 ",\n", c->d_head);
    eai_strbuf_printf(b, "  \"vocab_size\": %" PRId64 ",\n", c->vocab);
    eai_strbuf_printf(b, "  \"max_position_embeddings\": %" PRId64 ",\n", c->context);
    eai_strbuf_text(b, "  \"rope_theta\": ");
    eai_strbuf_json_number(b, c->rope_theta);
    eai_strbuf_text(b, ",\n  \"rms_norm_eps\": ");
    eai_strbuf_json_number(b, c->rms_eps);
    eai_strbuf_printf(b, ",\n  \"tie_word_embeddings\": %s,\n", c->tied ? "true" : "false");
    eai_strbuf_printf(b, "  \"torch_dtype\": \"%s\"\n}\n", type);
}

eai_status model__save_config(const eai_model *m, const char *folder, eai_dtype dtype,
                              eai_error *err)
{
    eai_status st;
    eai_strbuf b = EAI_STRBUF_INIT(1 << 16);
    char *path = eai_path_join(folder, "config.json");

    write_config(&b, m, dtype);
    st = eai_strbuf_check(&b, "config.json", err);
    if (st == EAI_OK && !path)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, b.data, b.length, err);
    eai_free(path);
    eai_strbuf_deinit(&b);
    return st;
}
