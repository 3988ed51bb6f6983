/* Merged models packed for mlx-lm: which tensors there are, that they unpack to the merged
 * matrices, the config, and what is refused. That mlx-lm reads them, byte for byte its own:
 * tools/oracles/mlx_lm_reads.py. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include <efficientai/adapter.h>
#include <efficientai/convert.h>

#include "support/tiny_llama.h"

static eai_adapter *make_adapter(const eai_model *m)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter *a = NULL;
    const eai_parameter *p;
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    assert_ok(eai_adapter_create(&a, m, &opts, &err), &err);
    size_t n = eai_adapter_parameters(&p, a);
    for (size_t i = 1; i < n; i += 2)
        hash_fill_uniform(p[i].data, HASH_STREAM_LORA_B, i, (size_t)eai_shape_elements(&p[i].shape),
                          0.1);
    return a;
}

static eai_weights *open_folder(const char *dir)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    assert_ok(eai_weights_open(&w, eai_test_path(dir, "model.safetensors"), &err), &err);
    return w;
}

/* The largest difference of a packed matrix from the plain one, in units of the plain one's
 * largest. */
static double distance(const eai_weights *plain, const eai_weights *packed, const char *name,
                       const eai_mlx_packing *p)
{
    char key[128];
    snprintf(key, sizeof(key), "%s.weight", name);
    const eai_weight_tensor *x = eai_weights_find(plain, key);
    const eai_weight_tensor *codes = eai_weights_find(packed, key);
    snprintf(key, sizeof(key), "%s.scales", name);
    const eai_weight_tensor *scales = eai_weights_find(packed, key);
    snprintf(key, sizeof(key), "%s.biases", name);
    const eai_weight_tensor *biases = eai_weights_find(packed, key);
    assert_true(x && codes && scales && (biases != NULL) == (p->mode == EAI_MLX_MODE_AFFINE));
    int64_t rows = x->shape.dim[0];
    int64_t n = x->shape.dim[1];
    assert_int_equal(codes->dtype, EAI_U32);
    assert_int_equal(scales->dtype, p->type);
    assert_true(eai_shape_equal(&codes->shape, &EAI_SHAPE2(rows, n * p->bits / 32)));
    assert_true(eai_shape_equal(&scales->shape, &EAI_SHAPE2(rows, n / p->group)));
    double worst = 0;
    double largest = 0;
    float *row = malloc((size_t)n * sizeof(float));
    assert_non_null(row);
    for (int64_t r = 0; r < rows; r++) {
        size_t at = (size_t)r * eai_row_bytes(p->type, n / p->group);
        eai_mlx_dequantize_row(row, (const uint32_t *)codes->data + r * codes->shape.dim[1],
                               (const char *)scales->data + at,
                               biases ? (const void *)((const char *)biases->data + at) : NULL, p,
                               n);
        for (int64_t j = 0; j < n; j++) {
            double v = (double)eai_bf16_to_f32(((const uint16_t *)x->data)[r * n + j]);
            worst = eai_test_worse(worst, fabs((double)row[j] - v));
            largest = fmax(largest, fabs(v));
        }
    }
    free(row);
    return worst / largest;
}

static void packed_is_near_plain(void **state)
{
    (void)state;
    static const struct {
        eai_mlx_packing p;
        double within;
    } cases[] = {
        /* a step of 2 / (2^bits - 1), for the scale makes one extreme exact; the last gap of the
         * small floats, of a scale that is rounded up */
        {{EAI_MLX_MODE_AFFINE, 8, 32, EAI_BF16}, 0.02},
        {{EAI_MLX_MODE_AFFINE, 4, 32, EAI_BF16}, 0.14},
        {{EAI_MLX_MODE_AFFINE, 2, 32, EAI_BF16}, 0.67},
        {{EAI_MLX_MODE_MXFP4, 4, 32, EAI_U8}, 0.26},
        {{EAI_MLX_MODE_MXFP8, 8, 32, EAI_U8}, 0.07},
        {{EAI_MLX_MODE_NVFP4, 4, 16, EAI_U8}, 0.2},
    };
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model);
    assert_ok(eai_adapter_merge(a, tiny.model, dir, EAI_BF16, &err), &err);
    eai_weights *plain = open_folder(dir);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const eai_mlx_packing *p = &cases[i].p;
        char *folder = eai_test_make_folder();
        assert_ok(eai_adapter_merge_mlx(a, tiny.model, folder, EAI_BF16, p, &err), &err);
        eai_weights *packed = open_folder(folder);
        size_t parts = p->mode == EAI_MLX_MODE_AFFINE ? 3 : 2;
        assert_int_equal(eai_weights_count(packed), eai_weights_count(plain) + (parts - 1) * 15);
        static const char *const names[] = {"model.embed_tokens", "model.layers.1.mlp.down_proj"};
        for (int k = 0; k < 2; k++) {
            double off = distance(plain, packed, names[k], p);
            if (!(off < cases[i].within))
                fail_msg("%s, %d bits, %s: %g of the largest apart", eai_mlx_mode_name(p->mode),
                         p->bits, names[k], off);
        }
        const eai_weight_tensor *norm = eai_weights_find(packed, "model.norm.weight");
        assert_true(norm && norm->dtype == EAI_BF16);
        json_t *root = json_load_file(eai_test_path(folder, "config.json"), 0, NULL);
        const json_t *how = json_object_get(root, "quantization");
        assert_int_equal(json_integer_value(json_object_get(how, "bits")), p->bits);
        assert_int_equal(json_integer_value(json_object_get(how, "group_size")), p->group);
        assert_string_equal(json_string_value(json_object_get(how, "mode")),
                            eai_mlx_mode_name(p->mode));
        assert_true(json_equal(how, json_object_get(root, "quantization_config")));
        json_decref(root);
        eai_weights_close(packed);
        eai_test_remove_folder(folder);
    }
    eai_weights_close(plain);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* Rows of 32 and 64 are no groups of 64 and 128: such matrices stay plain. */
static void rows_without_groups_stay_plain(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_mlx_packing p = {EAI_MLX_MODE_AFFINE, 0, 0, EAI_F32};
    assert_ok(eai_adapter_merge_mlx(NULL, tiny.model, dir, EAI_F32, &p, &err), &err);
    eai_weights *w = open_folder(dir);
    assert_null(eai_weights_find(w, "model.layers.0.self_attn.q_proj.scales"));
    assert_int_equal(eai_weights_find(w, "model.layers.0.self_attn.q_proj.weight")->dtype, EAI_F32);
    assert_non_null(eai_weights_find(w, "model.layers.0.mlp.down_proj.scales"));
    assert_int_equal(eai_weights_find(w, "model.layers.0.mlp.down_proj.scales")->dtype, EAI_F32);
    eai_weights_close(w);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

static eai_model *load_folder(eai_weights **w, const char *dir)
{
    eai_error err = EAI_ERROR_INIT;
    eai_model *m = NULL;
    *w = open_folder(dir);
    assert_ok(eai_model_load(&m, *w, &err), &err);
    return m;
}

static bool same_bytes(const eai_weights *a, const eai_weights *b, const char *name)
{
    const eai_weight_tensor *x = eai_weights_find(a, name);
    const eai_weight_tensor *y = eai_weights_find(b, name);
    assert_true(x && y && x->dtype == y->dtype && eai_shape_equal(&x->shape, &y->shape));
    return memcmp(x->data, y->data, x->bytes) == 0;
}

static json_t *packing_in(const char *dir)
{
    json_t *root = json_load_file(eai_test_path(dir, "config.json"), 0, NULL);
    json_t *how = json_incref(json_object_get(root, "quantization"));
    assert_non_null(how);
    json_decref(root);
    return how;
}

/* A packed model merged without another packing: what has no change stays, the rest is packed as it
 * was, config.json says the same. */
static void packed_models_stay_packed(void **state)
{
    (void)state;
    static const eai_mlx_packing packings[] = {{EAI_MLX_MODE_AFFINE, 4, 32, EAI_BF16},
                                               {EAI_MLX_MODE_NVFP4, 4, 16, EAI_U8}};
    for (size_t i = 0; i < 2; i++) {
        eai_error err = EAI_ERROR_INIT;
        tiny_llama tiny;
        eai_weights *w;
        eai_weights *again;
        char *dir = eai_test_make_folder();
        char *out = eai_test_make_folder();
        tiny_llama_open(&tiny, EAI_F32, true);
        assert_ok(eai_adapter_merge_mlx(NULL, tiny.model, dir, EAI_BF16, &packings[i], &err), &err);
        eai_model *m = load_folder(&w, dir);
        eai_adapter *a = make_adapter(m);

        assert_ok(eai_adapter_merge_mlx(NULL, m, out, EAI_BF16, NULL, &err), &err);
        again = open_folder(out);
        assert_int_equal(eai_weights_count(w), eai_weights_count(again));
        for (size_t k = 0; k < eai_weights_count(w); k++)
            assert_true(same_bytes(w, again, eai_weights_at(w, k)->name));
        eai_weights_close(again);

        assert_ok(eai_adapter_merge_mlx(a, m, out, EAI_BF16, NULL, &err), &err);
        again = open_folder(out);
        assert_true(same_bytes(w, again, "model.embed_tokens.weight"));
        assert_false(same_bytes(w, again, "model.layers.0.self_attn.q_proj.weight"));
        json_t *before = packing_in(dir);
        json_t *after = packing_in(out);
        assert_true(json_equal(before, after));
        json_decref(before);
        json_decref(after);

        /* the merged one is the packed one of the merged plain one */
        char *floats = eai_test_make_folder();
        assert_ok(eai_adapter_merge(a, m, floats, EAI_BF16, &err), &err);
        eai_weights *plain = open_folder(floats);
        double off = distance(plain, again, "model.layers.1.mlp.down_proj", &packings[i]);
        assert_true(off > 0 && off < 0.26);
        eai_weights_close(plain);
        eai_weights_close(again);
        eai_adapter_free(a);
        eai_model_free(m);
        eai_weights_close(w);
        tiny_llama_close(&tiny);
        eai_test_remove_folder(dir);
        eai_test_remove_folder(out);
        eai_test_remove_folder(floats);
    }
}

static void bad_ones_are_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_mlx_packing p = {EAI_MLX_MODE_AFFINE, 7, 32, EAI_F32};
    assert_fails(eai_adapter_merge_mlx(NULL, tiny.model, dir, EAI_F32, &p, &err),
                 EAI_ERR_UNSUPPORTED, &err, "affine with 7 bits and groups of 32");
    p.bits = 4;
    assert_fails(eai_adapter_merge_mlx(NULL, tiny.model, dir, EAI_Q4_0, &p, &err), EAI_ERR_ARGUMENT,
                 &err, "type q4_0: a merged model is f32, bf16 or f16");
    assert_fails(eai_adapter_merge_mlx(NULL, tiny.model, dir, EAI_F32, NULL, &err),
                 EAI_ERR_ARGUMENT, &err, "has no packed matrices");
    assert_true(access(eai_test_path(dir, "model.safetensors"), F_OK) != 0);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

typedef struct file_job {
    const eai_model *model;
    const eai_adapter *adapter;
    const char *dir;
} file_job;

static eai_status merge_once(void *ud, eai_error *err)
{
    const file_job *job = ud;
    eai_mlx_packing p = {EAI_MLX_MODE_NVFP4, 0, 0, EAI_U8};
    return eai_adapter_merge_mlx(job->adapter, job->model, job->dir, EAI_BF16, &p, err);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model);
    file_job job = {tiny.model, a, dir};
    eai_test_torture(merge_once, &job);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_is_near_plain),
        cmocka_unit_test(rows_without_groups_stay_plain),
        cmocka_unit_test(packed_models_stay_packed),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("lora.merge_mlx", tests, NULL, NULL);
}
