/* Folders that MLX packed: what they stand for, layers with entries of their own, and what is
 * refused. That mlx-lm's own folders are read: tests/projects/mlx_backend.py. */
#include "support/eai_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/mlx_quant.h>

#include "support/stored.h"
#include "support/tiny_llama.h"

#define CONFIG                                                                                     \
    "{\"model_type\":\"llama\",\"num_hidden_layers\":2,\"hidden_size\":32,\"vocab_size\":96,"      \
    "\"intermediate_size\":64,\"num_attention_heads\":4,\"num_key_value_heads\":2,"                \
    "\"tie_word_embeddings\":true"

static void write_config(const char *dir, const char *quantization)
{
    FILE *f = fopen(eai_test_path(dir, "config.json"), "wb");
    assert_non_null(f);
    assert_true(fprintf(f, CONFIG "%s%s}", quantization ? ",\"quantization\":" : "",
                        quantization ? quantization : "") > 0);
    assert_int_equal(fclose(f), 0);
}

static void add(eai_weights *w, const char *stem, const char *last, eai_dtype dtype, int64_t rows,
                int64_t cols, const void *data)
{
    eai_error err = EAI_ERROR_INIT;
    char name[256];
    snprintf(name, sizeof(name), "%s%s", stem, last);
    assert_ok(eai_weights_add(w, name, dtype, &EAI_SHAPE2(rows, cols), data, &err), &err);
}

/* One matrix of the tiny model: its parts to `packed`, what they stand for to `plain`. `skipped`: a
 * tensor that is left out. */
static void pack(eai_weights *packed, eai_weights *plain, const eai_weight_tensor *t,
                 eai_dtype dtype, const char *skipped)
{
    stored_matrix m;
    float x[TINY_VOCAB * TINY_FFN];
    char stem[256];
    int64_t rows = t->shape.dim[0];
    int64_t cols = t->shape.dim[1];
    snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(t->name) - strlen(".weight")), t->name);
    stored_make(&m, dtype, t->data, rows, cols);
    stored_read(x, &m);
    add(plain, t->name, "", EAI_F32, rows, cols, x);
    const eai_planes *p = stored_planes(&m);
    const void *parts[] = {m.data, p->scales, p->biases};
    static const char *const last[] = {".weight", ".scales", ".biases"};
    for (int i = 0; i < 3; i++) {
        char name[300];
        snprintf(name, sizeof(name), "%s%s", stem, last[i]);
        if (parts[i] && (!skipped || strcmp(name, skipped) != 0))
            add(packed, stem, last[i], i == 0 ? EAI_U32 : p->type, rows,
                i == 0 ? cols / 32 * eai_dtype_get(dtype)->bytes / 4 : cols / p->group, parts[i]);
    }
    stored_free(&m);
}

/* A folder of the tiny model in one type, and (unless NULL) the same model with floats. */
static void write_folder(const char *dir, eai_dtype dtype, const char *skipped, eai_weights **plain)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *from = tiny_llama_weights(EAI_F32, true);
    eai_weights *packed = NULL;
    eai_weights *floats = NULL;
    assert_ok(eai_weights_create(&packed, "packed", &err), &err);
    assert_ok(eai_weights_create(&floats, "plain", &err), &err);
    for (size_t i = 0; i < eai_weights_count(from); i++) {
        const eai_weight_tensor *t = eai_weights_at(from, i);
        if (t->shape.n_dims == 2) {
            pack(packed, floats, t, dtype, skipped);
            continue;
        }
        assert_ok(eai_weights_add(packed, t->name, t->dtype, &t->shape, t->data, &err), &err);
        assert_ok(eai_weights_add(floats, t->name, t->dtype, &t->shape, t->data, &err), &err);
    }
    assert_ok(eai_weights_save(packed, eai_test_path(dir, "model.safetensors"), NULL, &err), &err);
    eai_weights_close(from);
    eai_weights_close(packed);
    if (plain)
        *plain = floats;
    else
        eai_weights_close(floats);
}

/* Rows of 64 have groups of 64 (support/stored.h): entries of their own. */
static const char *quantization_of(eai_dtype dtype)
{
    static char text[512];
    eai_mlx_packing p = eai_mlx_packing_of(dtype, &(eai_planes){.type = EAI_U8});
    if (p.mode != EAI_MLX_MODE_AFFINE)
        snprintf(text, sizeof(text), "{\"group_size\":%d,\"bits\":%d,\"mode\":\"%s\"}",
                 p.mode == EAI_MLX_MODE_NVFP4 ? 16 : 32, p.bits, eai_mlx_mode_name(p.mode));
    else
        snprintf(text, sizeof(text),
                 "{\"group_size\":32,\"bits\":%d,"
                 "\"model.layers.0.mlp.down_proj\":{\"bits\":%d},"
                 "\"model.layers.1.mlp.down_proj\":{\"group_size\":64,\"bits\":%d,"
                 "\"mode\":\"affine\"},\"model.layers.1.mlp.up_proj\":true,\"lm_head\":false}",
                 p.bits, p.bits, p.bits);
    return text;
}

static eai_status load(eai_model **m, eai_weights **w, const char *dir, eai_error *err)
{
    eai_error ok = EAI_ERROR_INIT;
    *m = NULL;
    assert_ok(eai_weights_open(w, eai_test_path(dir, "model.safetensors"), &ok), &ok);
    return eai_model_load(m, *w, err);
}

static void check_type(eai_dtype dtype)
{
    enum { N = 20 };
    static float expected[N * TINY_VOCAB];
    static float actual[N * TINY_VOCAB];
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w;
    eai_weights *plain;
    eai_model *m;
    eai_model *floats = NULL;
    const eai_model_linear *l;
    char *dir = eai_test_make_folder();
    write_folder(dir, dtype, NULL, &plain);
    write_config(dir, quantization_of(dtype));
    assert_ok(load(&m, &w, dir, &err), &err);
    assert_true(eai_model_is_packed(m));
    (void)eai_model_linears(&l, m);
    assert_int_equal(l[6].dtype, dtype);
    assert_ok(eai_model_check_values(m, &err), &err);
    eai_model_config c = *eai_model_get_config(m);
    assert_ok(eai_model_create(&floats, plain, &c, &err), &err);
    assert_false(eai_model_is_packed(floats));
    assert_int_equal(eai_model_parameters(m), eai_model_parameters(floats));
    for (size_t n = 1; n <= N; n += N - 1) {
        tiny_generate_logits(expected, floats, NULL, n);
        tiny_generate_logits(actual, m, NULL, n);
        for (size_t i = 0; i < n * TINY_VOCAB; i++)
            assert_true(fabsf(actual[i] - expected[i]) <= 1e-4f);
    }
    eai_model_free(m);
    eai_model_free(floats);
    eai_weights_close(w);
    eai_weights_close(plain);
    eai_test_remove_folder(dir);
}

static void packed_models_are_read(void **state)
{
    (void)state;
    for (int t = 0; t < EAI_DTYPE_COUNT; t++) {
        if (eai_dtype_get((eai_dtype)t)->kind == EAI_DTYPE_PLANAR)
            check_type((eai_dtype)t);
    }
}

static void bad_configurations_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *quantization;
        eai_status code;
        const char *text;
    } cases[] = {
        {NULL, EAI_ERR_FORMAT, "is packed (u32), but '"},
        {"{\"bits\":4,\"group_size\":32,\"model.embed_tokens\":false}", EAI_ERR_FORMAT,
         "config.json' has no 'quantization' of it"},
        {"4", EAI_ERR_FORMAT, "config.json: 'quantization' is no object"},
        {"{\"bits\":4,\"group_size\":32,\"model.embed_tokens\":8}", EAI_ERR_FORMAT,
         "'model.embed_tokens' is neither an object, true nor false"},
        {"{\"bits\":7,\"group_size\":32}", EAI_ERR_UNSUPPORTED,
         "config.json: 'quantization': affine with 7 bits and groups of 32; there are"},
        {"{\"bits\":-9223372036854775808}", EAI_ERR_UNSUPPORTED, "-9223372036854775808 bits"},
        {"{\"bits\":\"4\"}", EAI_ERR_FORMAT, "'bits' is not an integer"},
        {"{\"mode\":\"mxfp4\",\"bits\":8}", EAI_ERR_UNSUPPORTED, "mxfp4 with 8 bits"},
        {"{\"mode\":\"int4\"}", EAI_ERR_UNSUPPORTED,
         "'mode' is 'int4'; supported: affine, mxfp4, mxfp8, nvfp4"},
        {"{\"mode\":4}", EAI_ERR_UNSUPPORTED, "'mode' is 'no text'"},
        {"{\"mode\":\"nvfp4\",\"global_scale\":true}", EAI_ERR_UNSUPPORTED, "'global_scale'"},
        {"{\"bits\":8,\"group_size\":32}", EAI_ERR_SHAPE,
         "tensor 'model.embed_tokens.weight': u32 [96,4], where affine of 8 bits in groups of 32 "
         "asks for u32 [96,8]"},
        {"{\"bits\":4,\"group_size\":64}", EAI_ERR_SHAPE,
         "tensor 'model.embed_tokens.weight': affine: rows of 32 elements are no whole number of "
         "groups of 64"},
        {"{\"bits\":4,\"group_size\":32}", EAI_ERR_SHAPE,
         "tensor 'model.layers.0.mlp.down_proj.scales': "},
        {"{\"mode\":\"mxfp4\"}", EAI_ERR_SHAPE,
         "[96,1], where mxfp4 of 4 bits in groups of 32 asks for u8 [96,1]"},
    };
    char *dir = eai_test_make_folder();
    write_folder(dir, EAI_MLX_Q4, NULL, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_weights *w;
        eai_model *m;
        write_config(dir, cases[i].quantization);
        assert_fails(load(&m, &w, dir, &err), cases[i].code, &err, cases[i].text);
        eai_weights_close(w);
    }
    eai_test_remove_folder(dir);
}

static void missing_parts_are_refused(void **state)
{
    (void)state;
    static const char *const skipped[] = {"model.layers.1.self_attn.o_proj.scales",
                                          "model.layers.1.self_attn.o_proj.biases"};
    for (int i = 0; i < 2; i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_weights *w;
        eai_model *m;
        char text[256];
        char *dir = eai_test_make_folder();
        write_folder(dir, EAI_MLX_Q4, skipped[i], NULL);
        write_config(dir, quantization_of(EAI_MLX_Q4));
        snprintf(text, sizeof(text), "tensor '%s' is missing, but '", skipped[i]);
        assert_fails(load(&m, &w, dir, &err), EAI_ERR_FORMAT, &err, text);
        eai_weights_close(w);
        eai_test_remove_folder(dir);
    }
}

static eai_status load_once(void *ud, eai_error *err)
{
    eai_weights *w = NULL;
    eai_model *m = NULL;
    eai_status st = eai_weights_open(&w, eai_test_path(ud, "model.safetensors"), err);
    if (st == EAI_OK)
        st = eai_model_load(&m, w, err);
    eai_model_free(m);
    eai_weights_close(w);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char *dir = eai_test_make_folder();
    write_folder(dir, EAI_MLX_NVFP4, NULL, NULL);
    write_config(dir, quantization_of(EAI_MLX_NVFP4));
    eai_test_torture(load_once, dir);
    eai_test_remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_models_are_read),
        cmocka_unit_test(bad_configurations_are_refused),
        cmocka_unit_test(missing_parts_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("models.packed", tests, NULL, NULL);
}
