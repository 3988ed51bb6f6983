/* Configurations from files: a GGUF's metadata, and a config.json beside a safetensors file. What
 * is guarded: every key's meaning and default, and refusal of what this code would compute wrongly.
 */
#include "support/eai_test.h"

#include <math.h>

#include "models/models.h"
#include "support/gguf_build.h"
#include "support/tiny_llama.h"

/* ---- GGUF
 * ---------------------------------------------------------------------------------------- */

/* A GGUF of an embedding alone: its configuration can be read, no model made of it. */
typedef struct gguf_case {
    const char *arch;
    const char *skip; /* metadata left out */
    const char *key;  /* metadata added or put in place, an integer */
    uint32_t value;
    const char *scaling; /* llama.rope.scaling.type */
} gguf_case;

static const struct {
    const char *key;
    uint32_t value;
} base_keys[] = {
    {"llama.block_count", 2},          {"llama.embedding_length", 32},
    {"llama.feed_forward_length", 64}, {"llama.context_length", 128},
    {"llama.attention.head_count", 4},
};
#define N_BASE_KEYS (sizeof(base_keys) / sizeof(base_keys[0]))
#define EPS_KEY     "llama.attention.layer_norm_rms_epsilon"

static void put_float(gguf_build *b, const char *key, float value)
{
    gguf_build_meta(b, key, GGUF_F32);
    gguf_build_bytes(b, &value, sizeof(value));
}

static void build_gguf(gguf_build *b, const gguf_case *c)
{
    static const float table[8 * 32];
    bool replaces = false;
    uint64_t n = 1 + N_BASE_KEYS + 1;
    for (size_t i = 0; i < N_BASE_KEYS; i++)
        replaces = replaces || (c->key && strcmp(c->key, base_keys[i].key) == 0);
    n += c->key && !replaces ? 1 : 0;
    n += c->scaling ? 1 : 0;
    n -= c->skip ? 1 : 0;
    gguf_build_header(b, 3, 1, n);
    gguf_build_meta_string(b, "general.architecture", c->arch ? c->arch : "llama");
    for (size_t i = 0; i < N_BASE_KEYS; i++) {
        bool here = c->key && strcmp(c->key, base_keys[i].key) == 0;
        if (!c->skip || strcmp(c->skip, base_keys[i].key) != 0)
            gguf_build_meta_u32(b, base_keys[i].key, here ? c->value : base_keys[i].value);
    }
    if (!c->skip || strcmp(c->skip, EPS_KEY) != 0)
        put_float(b, EPS_KEY, 0.25f);
    if (c->key && !replaces)
        gguf_build_meta_u32(b, c->key, c->value);
    if (c->scaling)
        gguf_build_meta_string(b, "llama.rope.scaling.type", c->scaling);
    gguf_build_tensor(b, "token_embd.weight", 2, (uint64_t[]){32, 8}, 0, 0);
    gguf_build_pad(b, 32);
    gguf_build_bytes(b, table, sizeof(table));
}

/* Reads the configuration of such a file. */
static eai_status read_gguf(eai_model_config *out, const gguf_case *c, eai_error *err)
{
    eai_error open_err = EAI_ERROR_INIT;
    gguf_build b = {0};
    eai_weights *w = NULL;
    build_gguf(&b, c);
    assert_ok(eai_weights_parse(&w, b.data, b.n, "x.gguf", &open_err), &open_err);
    eai_status st = model__read_config(out, w, err);
    eai_weights_close(w);
    gguf_build_free(&b);
    return st;
}

static void test_gguf_metadata(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_model_config c;
    assert_ok(read_gguf(&c, &(gguf_case){0}, &err), &err);
    assert_string_equal(c.family, "llama");
    assert_int_equal(c.n_layers, 2);
    assert_int_equal(c.d_model, 32);
    assert_int_equal(c.n_heads, 4);
    assert_int_equal(c.n_kv_heads, 4); /* without head_count_kv: as many as heads */
    assert_int_equal(c.d_head, 8);
    assert_int_equal(c.d_ffn, 64);
    assert_int_equal(c.context, 128);
    assert_int_equal(c.vocab, 8);
    assert_true(c.rms_eps == 0.25);
    assert_true(c.rope_theta == 10000.0);
    assert_true(c.tied);
    assert_ok(read_gguf(&c, &(gguf_case){.key = "llama.attention.head_count_kv", .value = 2}, &err),
              &err);
    assert_int_equal(c.n_kv_heads, 2);
    assert_ok(read_gguf(&c, &(gguf_case){.scaling = "none"}, &err), &err);
    assert_int_equal(c.rope_scaling.type, EAI_ROPE_PLAIN);
    assert_ok(
        read_gguf(&c,
                  &(gguf_case){.scaling = "linear", .key = "llama.rope.scaling.factor", .value = 4},
                  &err),
        &err);
    assert_int_equal(c.rope_scaling.type, EAI_ROPE_LINEAR);
    assert_true(c.rope_scaling.factor == 4);
    assert_ok(
        read_gguf(&c, &(gguf_case){.key = "llama.attention.sliding_window", .value = 32}, &err),
        &err);
    assert_int_equal(c.window, 32);
    assert_true(eai_layer_set_has(&c.local, 0) && eai_layer_set_has(&c.local, 1));
    assert_false(eai_layer_set_has(&c.local, 2));
}

static void test_bad_gguf_metadata_is_refused(void **state)
{
    (void)state;
    static const struct {
        gguf_case file;
        eai_status code;
        const char *text;
    } cases[] = {
        {{.arch = "mamba"},
         EAI_ERR_UNSUPPORTED,
         "x.gguf: architecture 'mamba' is not supported; supported: llama"},
        {{.skip = "llama.block_count"},
         EAI_ERR_FORMAT,
         "x.gguf: metadata 'llama.block_count' is missing"},
        {{.skip = EPS_KEY}, EAI_ERR_FORMAT, "'" EPS_KEY "' is missing"},
        {{.key = "llama.block_count", .value = 0}, EAI_ERR_FORMAT, "number of layers is 0"},
        {{.key = "llama.block_count", .value = 1u << 31}, EAI_ERR_FORMAT, "not in 1 to 4096"},
        {{.key = "llama.attention.head_count", .value = 64}, EAI_ERR_FORMAT, "head width is 0"},
        {{.key = "llama.attention.head_count_kv", .value = 3}, EAI_ERR_FORMAT, "no multiple of 3"},
        {{.key = "llama.rope.dimension_count", .value = 4},
         EAI_ERR_UNSUPPORTED,
         "rotation of 4 of a head's 8 dimensions"},
        {{.key = "llama.attention.value_length", .value = 16},
         EAI_ERR_UNSUPPORTED,
         "values of width 16"},
        {{.key = "llama.attention.key_length", .value = 7}, EAI_ERR_FORMAT, "head width 7 is odd"},
        {{.scaling = "longrope"},
         EAI_ERR_UNSUPPORTED,
         "x.gguf: metadata 'llama.rope.scaling.type' is 'longrope'; supported: none, linear, yarn"},
        {{.scaling = "yarn"}, EAI_ERR_FORMAT, "'llama.rope.scaling.factor' is missing"},
        {{.scaling = "linear", .key = "llama.rope.scaling.factor", .value = 0},
         EAI_ERR_FORMAT,
         "x.gguf: rotary scaling 'linear': 'factor' is 0, not in 1 to 1000000"},
        {{.key = "llama.expert_count", .value = 8},
         EAI_ERR_UNSUPPORTED,
         "x.gguf: a mixture of 8 experts is not supported"},
        {{.key = "llama.attention.sliding_window", .value = 1u << 31},
         EAI_ERR_FORMAT,
         "a sliding window of 2147483648 tokens, not in 1 to"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_model_config c;
        assert_fails(read_gguf(&c, &cases[i].file, &err), cases[i].code, &err, cases[i].text);
    }
}

/* ---- config.json
 * --------------------------------------------------------------------------------- */

#define REQUIRED                                                                                   \
    "\"num_hidden_layers\":2,\"hidden_size\":32,\"intermediate_size\":64,\"vocab_size\":96,"       \
    "\"num_attention_heads\":4,\"num_key_value_heads\":2"

#define LLAMA "{\"model_type\":\"llama\"," REQUIRED

/* Writes the tiny model and `config` (NULL: none) into `dir` and loads it. */
static eai_status load_folder(eai_model_config *out, const char *dir, const char *config,
                              eai_error *err)
{
    char path[4096];
    eai_error ok = EAI_ERROR_INIT;
    eai_weights *w = tiny_llama_weights(EAI_BF16, true);
    eai_model *m = NULL;
    snprintf(path, sizeof(path), "%s/config.json", dir);
    remove(path);
    if (config) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_true(fputs(config, f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    snprintf(path, sizeof(path), "%s/model.safetensors", dir);
    assert_ok(eai_weights_save(w, path, NULL, &ok), &ok);
    eai_weights_close(w);
    assert_ok(eai_weights_open(&w, path, &ok), &ok);
    eai_status st = eai_model_load(&m, w, err);
    if (st == EAI_OK)
        *out = *eai_model_get_config(m);
    eai_model_free(m);
    eai_weights_close(w);
    return st;
}

static void test_config_json(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        double theta;
    } cases[] = {
        {"{\"model_type\":\"llama\"," REQUIRED ",\"tie_word_embeddings\":true,\"rope_theta\":5e5}",
         5e5},
        {"{\"model_type\":\"llama\"," REQUIRED
         ",\"tie_word_embeddings\":true,\"head_dim\":8,\"rope_scaling\":null}",
         1e4},
        {"{\"model_type\":\"llama\"," REQUIRED
         ",\"tie_word_embeddings\":true,\"hidden_act\":\"silu\","
         "\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":250000}}",
         2.5e5},
    };
    char *dir = eai_test_make_folder();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_model_config c;
        assert_ok(load_folder(&c, dir, cases[i].config, &err), &err);
        assert_int_equal(c.n_kv_heads, 2);
        assert_int_equal(c.d_head, 8);
        assert_int_equal(c.context, 2048);
        assert_true(c.rms_eps == 1e-6);
        assert_true(c.rope_theta == cases[i].theta);
        assert_true(c.tied);
    }
    eai_test_remove_folder(dir);
}

static void test_bad_config_json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        eai_status code;
        const char *text;
    } cases[] = {
        {NULL, EAI_ERR_NOT_FOUND, "config.json' beside it"},
        {"{\"model_type\":", EAI_ERR_FORMAT, "config.json"},
        {"[1]", EAI_ERR_FORMAT, "'model_type' is missing"},
        {"{\"model_type\":\"bert\"}", EAI_ERR_UNSUPPORTED, "architecture 'bert' is not supported"},
        {"{\"model_type\":\"llama\"}", EAI_ERR_FORMAT, "'num_hidden_layers' is missing"},
        {"{\"model_type\":\"llama\",\"num_hidden_layers\":\"2\"}", EAI_ERR_FORMAT,
         "'num_hidden_layers' is not an integer"},
        {"{\"model_type\":\"llama\"," REQUIRED ",\"hidden_act\":\"gelu\"}", EAI_ERR_UNSUPPORTED,
         "'hidden_act' is 'gelu'"},
        {LLAMA ",\"mlp_bias\":true}", EAI_ERR_FORMAT,
         "tensor 'model.layers.0.mlp.gate_proj.bias' is missing"},
        {LLAMA ",\"mlp_bias\":1}", EAI_ERR_FORMAT, "'mlp_bias' is neither true nor false"},
        {LLAMA ",\"rope_scaling\":{\"type\":\"longrope\",\"factor\":2}}", EAI_ERR_UNSUPPORTED,
         "config.json: 'rope_scaling' of type 'longrope'; supported: default, linear, dynamic"},
        {LLAMA ",\"rope_scaling\":\"linear\"}", EAI_ERR_UNSUPPORTED, "'rope_scaling' of type '?'"},
        {LLAMA ",\"rope_scaling\":{\"type\":\"linear\"}}", EAI_ERR_FORMAT,
         "rotary scaling 'linear': 'factor' is 0, not in 1 to"},
        {LLAMA ",\"rope_parameters\":{\"rope_type\":\"llama3\",\"factor\":8,"
               "\"low_freq_factor\":4,\"high_freq_factor\":1}}",
         EAI_ERR_FORMAT, "'low_freq_factor' 4 is not above 0 and below 'high_freq_factor' 1"},
        {LLAMA ",\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":8,\"beta_slow\":64}}",
         EAI_ERR_FORMAT, "rotary scaling 'yarn': 'beta_slow' 64, 'beta_fast' 32"},
        {LLAMA ",\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":8,"
               "\"original_max_position_embeddings\":0}}",
         EAI_ERR_FORMAT, "'original_max_position_embeddings' is 0, not in 1 to"},
        {LLAMA ",\"partial_rotary_factor\":0.5}", EAI_ERR_UNSUPPORTED,
         "'partial_rotary_factor' is 0.5; only 1 is supported"},
        {LLAMA ",\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4}}",
         EAI_ERR_UNSUPPORTED,
         "config.json: 'quantization_config' of method 'gptq': quantized checkpoints are not "
         "supported; take the float weights, or a GGUF file"},
        {"{\"model_type\":\"qwen2\"," REQUIRED ",\"layer_types\":[\"full_attention\"]}",
         EAI_ERR_FORMAT, "'layer_types' has not one entry for each of 2 layers"},
        {"{\"model_type\":\"qwen3\"," REQUIRED
         ",\"layer_types\":[\"full_attention\",\"linear_attention\"]}",
         EAI_ERR_UNSUPPORTED,
         "'layer_types' entry 1 is 'linear_attention'; supported: full_attention, sliding"},
        {"{\"model_type\":\"qwen2\"," REQUIRED
         ",\"layer_types\":[\"full_attention\",\"sliding_attention\"]}",
         EAI_ERR_FORMAT, "a sliding window of 0 tokens"},
        {"{\"model_type\":\"qwen2\"," REQUIRED "}", EAI_ERR_FORMAT,
         "tensor 'model.layers.0.self_attn.q_proj.bias' is missing"},
        {"{\"model_type\":\"smollm3\"," REQUIRED ",\"no_rope_layers\":[1]}", EAI_ERR_FORMAT,
         "'no_rope_layers' has no number for each of 2 layers"},
        {"{\"model_type\":\"smollm3\"," REQUIRED ",\"no_rope_layers\":[1,2]}", EAI_ERR_FORMAT,
         "'no_rope_layers' entry 1 is neither 0 nor 1"},
        {"{\"model_type\":\"smollm3\"," REQUIRED ",\"no_rope_layer_interval\":0}", EAI_ERR_FORMAT,
         "'no_rope_layer_interval' is 0, not in 1 to"},
        {"{\"model_type\":\"gemma3_text\"," REQUIRED ",\"final_logit_softcapping\":30.0}",
         EAI_ERR_UNSUPPORTED, "'final_logit_softcapping' is set, which is not supported"},
        {"{\"model_type\":\"gemma3_text\"," REQUIRED ",\"query_pre_attn_scalar\":0}",
         EAI_ERR_FORMAT, "'query_pre_attn_scalar' 0 is not above 0"},
        {"{\"model_type\":\"gemma3_text\"," REQUIRED
         ",\"rope_parameters\":{\"full_attention\":{},\"sliding_attention\":"
         "{\"rope_type\":\"linear\",\"factor\":2}}}",
         EAI_ERR_UNSUPPORTED, "'rope_parameters' of sliding layers is of type 'linear'; only"},
        {"{\"model_type\":\"gemma3\"," REQUIRED "}", EAI_ERR_UNSUPPORTED,
         "architecture 'gemma3' is not supported; supported: llama, mistral, qwen2, qwen3, "
         "smollm3, gemma3_text"},
        {"{\"model_type\":\"llama\"," REQUIRED ",\"rms_norm_eps\":\"x\"}", EAI_ERR_FORMAT,
         "'rms_norm_eps' is not a number"},
        {"{\"model_type\":\"llama\"," REQUIRED ",\"rms_norm_eps\":-1}", EAI_ERR_FORMAT,
         "norm epsilon -1"},
        {"{\"model_type\":\"llama\"," REQUIRED "}", EAI_ERR_FORMAT,
         "tensor 'lm_head.weight' is missing"}, /* not tied unless it says so */
    };
    char *dir = eai_test_make_folder();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_model_config c;
        assert_fails(load_folder(&c, dir, cases[i].config, &err), cases[i].code, &err,
                     cases[i].text);
    }
    eai_test_remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_metadata),
        cmocka_unit_test(test_bad_gguf_metadata_is_refused),
        cmocka_unit_test(test_config_json),
        cmocka_unit_test(test_bad_config_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
