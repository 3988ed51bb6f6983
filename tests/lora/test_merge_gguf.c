/* A model and its adapter merged into one GGUF file: the logits of the two side by side, every
 * type, the metadata taken over, and what is refused. */
#include "support/eai_test.h"

#include <efficientai/adapter.h>

#include "support/tiny_llama.h"

#define N_IDS 12

typedef struct bench {
    char *dir;
    char path[512];    /* of the merged file */
    tiny_llama tiny;   /* in memory, without metadata of GGUF */
    eai_weights *base; /* the same from a GGUF file ... */
    eai_model *model;  /* ... */
    eai_adapter *adapter;
} bench;

static void set_metadata(eai_weights *w)
{
    static const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"llama.block_count", TINY_LAYERS},
        {"llama.embedding_length", TINY_MODEL},
        {"llama.feed_forward_length", TINY_FFN},
        {"llama.attention.head_count", TINY_HEADS},
        {"llama.attention.head_count_kv", TINY_KV_HEADS},
        {"llama.context_length", TINY_CONTEXT},
        {"general.file_type", 1000},
    };
    eai_error err = EAI_ERROR_INIT;
    static const char *const tokens[] = {"a", "", "\xc3\xa9"};
    const eai_meta_strings strings = {3, tokens, (size_t[]){1, 0, 2}};
    assert_ok(eai_weights_set_string(w, "general.architecture", "llama", &err), &err);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_ok(eai_weights_set_int(w, numbers[i].key, numbers[i].value, &err), &err);
    assert_ok(eai_weights_set_float(w, "llama.attention.layer_norm_rms_epsilon", 1e-5, &err), &err);
    assert_ok(eai_weights_set_bool(w, "test.bool", true, &err), &err);
    assert_ok(eai_weights_set_ints(w, "test.ints", (int64_t[]){-1, 7}, 2, &err), &err);
    assert_ok(eai_weights_set_floats(w, "test.floats", (double[]){0.5}, 1, &err), &err);
    assert_ok(eai_weights_set_strings(w, "test.strings", &strings, &err), &err);
}

static void open_bench(bench *b, eai_dtype dtype, bool tied)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    const eai_parameter *p;
    char base[512];

    memset(b, 0, sizeof(*b));
    b->dir = eai_test_make_folder();
    snprintf(base, sizeof(base), "%s/base.gguf", b->dir);
    snprintf(b->path, sizeof(b->path), "%s/merged.gguf", b->dir);
    tiny_llama_open(&b->tiny, dtype, tied);
    set_metadata(b->tiny.weights);
    assert_ok(eai_weights_save_gguf(b->tiny.weights, base, NULL, &err), &err);
    assert_ok(eai_weights_open(&b->base, base, &err), &err);
    assert_ok(eai_model_load(&b->model, b->base, &err), &err);
    opts.rank = 4;
    assert_ok(eai_adapter_create(&b->adapter, b->model, &opts, &err), &err);
    size_t n = eai_adapter_parameters(&p, b->adapter);
    for (size_t i = 1; i < n; i += 2) /* B, which is zero */
        hash_fill_uniform(p[i].data, HASH_STREAM_LORA_B, i, (size_t)eai_shape_elements(&p[i].shape),
                          0.3);
}

static void close_bench(bench *b)
{
    eai_adapter_free(b->adapter);
    eai_model_free(b->model);
    eai_weights_close(b->base);
    tiny_llama_close(&b->tiny);
    eai_test_remove_folder(b->dir);
}

static void check_metadata(const eai_weights *w, int64_t file_type)
{
    int64_t i;
    bool flag = false;
    size_t n;
    eai_meta_strings strings;
    assert_true(eai_weights_get_int(&i, w, "general.file_type") && i == file_type);
    assert_true(eai_weights_get_bool(&flag, w, "test.bool") && flag);
    const int64_t *ints = eai_weights_get_ints(&n, w, "test.ints");
    assert_true(ints && n == 2 && ints[0] == -1 && ints[1] == 7);
    const double *floats = eai_weights_get_floats(&n, w, "test.floats");
    assert_true(floats && n == 1 && floats[0] == 0.5);
    assert_true(eai_weights_get_strings(&strings, w, "test.strings") && strings.n == 3);
    assert_int_equal(strings.bytes[1], 0);
    assert_memory_equal(strings.text[2], "\xc3\xa9", 2);
}

/* `tolerance` of the largest logit; EAI_DTYPE_COUNT keeps the types. */
static void check_merge(eai_dtype base, bool tied, eai_dtype dtype, int64_t file_type,
                        double tolerance)
{
    static float side_by_side[N_IDS * TINY_VOCAB];
    static float merged[N_IDS * TINY_VOCAB];
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    eai_model *m = NULL;
    bench b;

    open_bench(&b, base, tied);
    tiny_generate_logits(side_by_side, b.model, b.adapter, N_IDS);
    assert_ok(eai_adapter_merge_gguf(b.adapter, b.model, b.path, dtype, &err), &err);
    assert_ok(eai_weights_open(&w, b.path, &err), &err);
    check_metadata(w, file_type);
    assert_int_equal(eai_weights_count(w), eai_weights_count(b.base));
    for (size_t i = 0; i < eai_weights_count(w); i++) {
        const eai_weight_tensor *t = eai_weights_at(w, i);
        eai_dtype own = eai_weights_find(b.base, t->name)->dtype;
        bool kept = dtype == EAI_DTYPE_COUNT || t->shape.n_dims < 2;
        assert_int_equal(t->dtype, kept ? own : dtype);
    }
    assert_ok(eai_model_load(&m, w, &err), &err);
    tiny_generate_logits(merged, m, NULL, N_IDS);
    double largest = 0;
    for (int i = 0; i < N_IDS * TINY_VOCAB; i++)
        largest = eai_test_worse(largest, fabs((double)side_by_side[i]));
    assert_close(merged, side_by_side, N_IDS * TINY_VOCAB, 0, tolerance * largest);
    eai_model_free(m);
    eai_weights_close(w);
    close_bench(&b);
}

static void merged_gives_the_same_logits(void **state)
{
    (void)state;
    check_merge(EAI_F32, true, EAI_F32, 0, 1e-5);
    check_merge(EAI_Q4_1, false, EAI_F32, 0, 1e-5);
    check_merge(EAI_Q8_0, true, EAI_F16, 1, 1e-2);
    check_merge(EAI_F32, false, EAI_BF16, 32, 5e-2);
    check_merge(EAI_F32, true, EAI_Q8_0, 7, 5e-2);
    check_merge(EAI_Q8_0, true, EAI_DTYPE_COUNT, 1000, 5e-2);
}

/* What the adapter does not touch keeps its blocks: they are not rounded anew. */
static void untouched_blocks_stay(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    bench b;

    open_bench(&b, EAI_Q4_0, true);
    assert_ok(eai_adapter_merge_gguf(b.adapter, b.model, b.path, EAI_DTYPE_COUNT, &err), &err);
    assert_ok(eai_weights_open(&w, b.path, &err), &err);
    const eai_weight_tensor *was = eai_weights_find(b.base, "model.embed_tokens.weight");
    const eai_weight_tensor *is = eai_weights_find(w, "model.embed_tokens.weight");
    assert_memory_equal(is->data, was->data, was->bytes);
    was = eai_weights_find(b.base, "model.layers.0.mlp.up_proj.weight");
    is = eai_weights_find(w, "model.layers.0.mlp.up_proj.weight");
    assert_memory_not_equal(is->data, was->data, was->bytes);
    eai_weights_close(w);
    close_bench(&b);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b;
    open_bench(&b, EAI_F32, true);
    assert_fails(eai_adapter_merge_gguf(b.adapter, b.model, b.path, EAI_Q4_K, &err),
                 EAI_ERR_ARGUMENT, &err, "type q4_K: a GGUF file is written in f32");
    tiny_llama plain;
    tiny_llama_open(&plain, EAI_F32, true);
    assert_fails(eai_adapter_merge_gguf(NULL, plain.model, b.path, EAI_F32, &err),
                 EAI_ERR_UNSUPPORTED, &err, "'tiny' is no GGUF file");
    tiny_llama_close(&plain);
    assert_fails(eai_adapter_merge_gguf(b.adapter, b.tiny.model, b.path, EAI_F32, &err),
                 EAI_ERR_ARGUMENT, &err, "another model");
    FILE *f = fopen(b.path, "rb");
    assert_null(f);
    close_bench(&b);
}

static eai_status merge_once(void *ud, eai_error *err)
{
    const bench *b = ud;
    return eai_adapter_merge_gguf(b->adapter, b->model, b->path, EAI_Q8_0, err);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, EAI_F32, true);
    eai_test_torture(merge_once, &b);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_gives_the_same_logits),
        cmocka_unit_test(untouched_blocks_stay),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
