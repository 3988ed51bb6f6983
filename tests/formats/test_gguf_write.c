/* The GGUF writer. What is guarded: our reader gets back every storage type and kind of metadata; a
 * file of another program comes out with the same bytes; names and row order of the architecture
 * "llama" go both ways; what GGUF cannot hold is refused; a failure leaves the old file;
 * allocations and disks that fail.
 *
 * tools/oracles/gguf_written.py checks with the `gguf` package the file that test_every_type leaves
 * at $EFFICIENTAI_TEST_GGUF_OUT. */
#include "support/eai_test.h"
#include "support/gguf_build.h"
#include "support/tiny_llama.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/fs.h>

static eai_weights *create(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    assert_ok(eai_weights_create(&w, "memory", &err), &err);
    return w;
}

static void test_another_program_s_bytes(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    gguf_build b = {0};
    char *folder = eai_test_make_folder();
    char *written = NULL;
    size_t n = 0;
    char path[512];

    snprintf(path, sizeof(path), "%s/out.gguf", folder);
    gguf_build_sample(&b);
    assert_ok(eai_weights_parse(&w, b.data, b.n, "sample", &err), &err);
    assert_non_null(eai_weights_find(w, "model.layers.0.self_attn.q_proj.weight"));
    assert_ok(eai_weights_save_gguf(w, path, NULL, &err), &err);
    eai_weights_close(w);
    gguf_build_pad(&b, 32); /* we pad the last tensor too, and with zeros */
    memset(b.data + b.n - 544 + 296, 0, 320 - 296);
    memset(b.data + b.n - 544 + 422, 0, 448 - 422);
    assert_ok(eai_fs_read_file(&written, &n, path, 1 << 20, &err), &err);
    assert_int_equal(n, b.n);
    assert_memory_equal(written, b.data, n);
    eai_free(written);
    gguf_build_free(&b);
    eai_test_remove_folder(folder);
}

/* --- every type --- */

static const eai_dtype types[] = {EAI_F32,    EAI_F64,   EAI_F16,  EAI_BF16, EAI_I32,  EAI_I64,
                                  EAI_Q8_0,   EAI_Q4_0,  EAI_Q4_1, EAI_Q5_0, EAI_Q5_1, EAI_Q2_K,
                                  EAI_IQ4_NL, EAI_MXFP4, EAI_Q3_K, EAI_Q4_K, EAI_Q5_K, EAI_Q6_K};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

enum { ROWS = 3, WIDTH = 512, COUNT = ROWS * WIDTH };

/* Tensor `type` of every_type: numbers of the closed formula, 1000 times as large for integers. */
static void fill_values(void *out, size_t type)
{
    static float x[COUNT];
    eai_error err = EAI_ERROR_INIT;
    hash_fill_uniform(x, HASH_STREAM_GGUF, type, COUNT, 1.0);
    for (int i = 0; i < COUNT; i++) {
        if (types[type] == EAI_I32)
            ((int32_t *)out)[i] = (int32_t)(x[i] * 1000);
        else if (types[type] == EAI_I64)
            ((int64_t *)out)[i] = (int64_t)(x[i] * 1000);
    }
    if (eai_dtype_get(types[type])->kind != EAI_DTYPE_INTEGER)
        assert_ok(eai_quantize_row(out, types[type], x, COUNT, &err), &err);
}

static void set_metadata(eai_weights *w)
{
    eai_error err = EAI_ERROR_INIT;
    const char *const text[] = {"one", "", "tw\xc3\xb6"};
    const size_t bytes[] = {3, 0, 4};

    assert_ok(eai_weights_set_string(w, "general.architecture", "test", &err), &err);
    assert_ok(eai_weights_set_int(w, "general.alignment", 64, &err), &err);
    assert_ok(eai_weights_set_int(w, "a.count", 4000000000, &err), &err);
    assert_ok(eai_weights_set_int(w, "a.negative", -5, &err), &err);
    assert_ok(eai_weights_set_int(w, "a.large", -(1LL << 40), &err), &err);
    assert_ok(eai_weights_set_float(w, "a.float", 0.5, &err), &err);
    assert_ok(eai_weights_set_float(w, "a.double", 1e300, &err), &err);
    assert_ok(eai_weights_set_bool(w, "a.bool", true, &err), &err);
    assert_ok(eai_weights_set_ints(w, "a.ints", (int64_t[]){3, -1, 4}, 3, &err), &err);
    assert_ok(eai_weights_set_ints(w, "a.longs", (int64_t[]){1LL << 40}, 1, &err), &err);
    assert_ok(eai_weights_set_ints(w, "a.nothing", NULL, 0, &err), &err);
    assert_ok(eai_weights_set_floats(w, "a.floats", (double[]){0.5, -2}, 2, &err), &err);
    assert_ok(eai_weights_set_floats(w, "a.doubles", (double[]){1e300}, 1, &err), &err);
    assert_ok(eai_weights_set_strings(w, "a.strings", &(eai_meta_strings){3, text, bytes}, &err),
              &err);
    /* another type under the same key */
    assert_ok(eai_weights_set_int(w, "a.changed", 1, &err), &err);
    assert_ok(eai_weights_set_string(w, "a.changed", "text", &err), &err);
}

static void check_metadata(const eai_weights *w)
{
    const struct {
        const char *key;
        int64_t value;
    } ints[] = {{"a.count", 4000000000}, {"a.negative", -5}, {"a.large", -(1LL << 40)}};
    int64_t i = 0;
    double f = 0;
    bool flag = false;
    size_t n = 0;
    eai_meta_strings strings;

    assert_int_equal(eai_weights_meta_count(w), 15);
    assert_string_equal(eai_weights_meta_key(w, 1), "general.alignment");
    for (size_t k = 0; k < 3; k++) {
        assert_true(eai_weights_get_int(&i, w, ints[k].key));
        assert_int_equal(i, ints[k].value);
    }
    assert_true(eai_weights_get_float(&f, w, "a.float") && f == 0.5);
    assert_true(eai_weights_get_float(&f, w, "a.double") && f == 1e300);
    assert_true(eai_weights_get_bool(&flag, w, "a.bool") && flag);
    const int64_t *v = eai_weights_get_ints(&n, w, "a.ints");
    assert_true(v && n == 3 && v[0] == 3 && v[1] == -1 && v[2] == 4);
    v = eai_weights_get_ints(&n, w, "a.longs");
    assert_true(v && n == 1 && v[0] == 1LL << 40);
    assert_true(eai_weights_get_ints(&n, w, "a.nothing") && n == 0);
    const double *x = eai_weights_get_floats(&n, w, "a.floats");
    assert_true(x && n == 2 && x[0] == 0.5 && x[1] == -2);
    x = eai_weights_get_floats(&n, w, "a.doubles");
    assert_true(x && n == 1 && x[0] == 1e300);
    assert_true(eai_weights_get_strings(&strings, w, "a.strings") && strings.n == 3);
    assert_true(strings.bytes[0] == 3 && memcmp(strings.text[0], "one", 3) == 0);
    assert_int_equal(strings.bytes[1], 0);
    assert_true(strings.bytes[2] == 4 && memcmp(strings.text[2], "tw\xc3\xb6", 4) == 0);
    assert_string_equal(eai_weights_get_string(w, "a.changed"), "text");
}

static void test_every_type(void **state)
{
    (void)state;
    static uint8_t values[N_TYPES][COUNT * 8];
    const char *keep = getenv("EFFICIENTAI_TEST_GGUF_OUT");
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = create();
    char *folder = eai_test_make_folder();
    char path[512];

    snprintf(path, sizeof(path), "%s/out.gguf", folder);
    set_metadata(w);
    for (size_t t = 0; t < N_TYPES; t++) {
        fill_values(values[t], t);
        assert_ok(eai_weights_add_borrowed(w, eai_dtype_get(types[t])->name, types[t],
                                           &EAI_SHAPE2(ROWS, WIDTH), values[t], &err),
                  &err);
    }
    assert_ok(eai_weights_add(w, "scalar", EAI_F32, &EAI_SHAPE0, &(float){7}, &err), &err);
    assert_ok(eai_weights_add_borrowed(w, "none", EAI_F32, &EAI_SHAPE2(5, 0), NULL, &err), &err);
    assert_ok(eai_weights_add(w, "deep", EAI_F16, &EAI_SHAPE4(1, 1, 2, 1), "abcd", &err), &err);
    assert_ok(eai_weights_save_gguf(w, path, NULL, &err), &err);
    if (keep)
        assert_ok(eai_weights_save_gguf(w, keep, NULL, &err), &err);
    eai_weights_close(w);

    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_int_equal(eai_weights_count(w), N_TYPES + 3);
    check_metadata(w);
    for (size_t t = 0; t < N_TYPES; t++) {
        const eai_weight_tensor *x = eai_weights_at(w, t);
        assert_string_equal(x->name, eai_dtype_get(types[t])->name);
        assert_int_equal(x->dtype, types[t]);
        assert_true(eai_shape_equal(&x->shape, &EAI_SHAPE2(ROWS, WIDTH)));
        assert_int_equal(x->bytes, eai_row_bytes(types[t], COUNT));
        assert_memory_equal(x->data, values[t], x->bytes);
        assert_int_equal((uintptr_t)x->data % 64, 0);
    }
    assert_true(*(const float *)eai_weights_find(w, "scalar")->data == 7);
    assert_int_equal(eai_weights_find(w, "none")->bytes, 0);
    assert_true(eai_shape_equal(&eai_weights_find(w, "deep")->shape, &EAI_SHAPE4(1, 1, 2, 1)));
    eai_weights_close(w);
    eai_test_remove_folder(folder);
}

/* --- llama --- */

/* Row r of a tensor is r and r + 0.5. */
static eai_status fill_rows(void *out, const eai_weight_tensor *t, int64_t first, int64_t n,
                            void *ud, eai_error *err)
{
    (void)ud;
    if (strcmp(t->name, "broken") == 0)
        return eai_error_set(err, EAI_ERR_NUMERIC, "on purpose");
    for (int64_t r = 0; r < n; r++) {
        ((float *)out)[2 * r] = (float)(first + r);
        ((float *)out)[2 * r + 1] = (float)(first + r) + 0.5f;
    }
    return EAI_OK;
}

static const char *const llama_names[] = {
    "model.embed_tokens.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.12.self_attn.k_proj.weight",
    "model.layers.12.mlp.down_proj.weight",
    "model.layers.00.mlp.down_proj.weight",
    "model.layers.12.mlp.other.weight",
    "lm_head.weight",
    "model.layers.1.self_attn.q_proj.lora",
};
static const char *const llama_files[] = {
    "token_embd.weight",
    "blk.0.attn_q.weight",
    "blk.12.attn_k.weight",
    "blk.12.ffn_down.weight",
    "model.layers.00.mlp.down_proj.weight",
    "model.layers.12.mlp.other.weight",
    "output.weight",
    "model.layers.1.self_attn.q_proj.lora",
};
#define N_LLAMA (sizeof(llama_names) / sizeof(llama_names[0]))

static eai_weights *create_llama(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = create();
    assert_ok(eai_weights_set_string(w, "general.architecture", "llama", &err), &err);
    assert_ok(eai_weights_set_int(w, "llama.attention.head_count", 2, &err), &err);
    assert_ok(eai_weights_set_int(w, "llama.attention.head_count_kv", 1, &err), &err);
    return w;
}

/* What the file holds is seen by opening it as one of another architecture. */
static eai_weights *open_untranslated(const char *path)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    char *bytes = NULL;
    size_t n = 0;
    assert_ok(eai_fs_read_file(&bytes, &n, path, 1 << 20, &err), &err);
    char *name = NULL;
    for (size_t i = 0; i + 5 <= n && !name; i++)
        name = memcmp(bytes + i, "llama", 5) == 0 ? bytes + i : NULL;
    assert_non_null(name);
    memcpy(name, "other", 5);
    assert_ok(eai_fs_write_atomic(path, bytes, n, &err), &err);
    eai_free(bytes);
    assert_ok(eai_weights_open(&w, path, &err), &err);
    return w;
}

static void test_llama_gets_its_names_and_rows_back(void **state)
{
    (void)state;
    static const int q[8] = {0, 2, 1, 3, 4, 6, 5, 7}; /* 2 heads of 4 rows */
    static const int k[8] = {0, 4, 1, 5, 2, 6, 3, 7}; /* 1 of 8 */
    const eai_weights_save_opts opts = {fill_rows, NULL};
    char *folder = eai_test_make_folder();
    char path[512];
    float rows[16];

    snprintf(path, sizeof(path), "%s/out.gguf", folder);
    for (int made = 0; made < 2; made++) { /* data at hand, or made while writing */
        eai_error err = EAI_ERROR_INIT;
        eai_weights *w = create_llama();
        assert_ok(fill_rows(rows, &(eai_weight_tensor){.name = ""}, 0, 8, NULL, &err), &err);
        for (size_t i = 0; i < N_LLAMA; i++)
            assert_ok(eai_weights_add_borrowed(w, llama_names[i], EAI_F32, &EAI_SHAPE2(8, 2),
                                               made ? NULL : rows, &err),
                      &err);
        assert_ok(eai_weights_save_gguf(w, path, made ? &opts : NULL, &err), &err);
        eai_weights_close(w);

        assert_ok(eai_weights_open(&w, path, &err), &err);
        for (size_t i = 0; i < N_LLAMA; i++) {
            assert_string_equal(eai_weights_at(w, i)->name, llama_names[i]);
            assert_memory_equal(eai_weights_at(w, i)->data, rows, sizeof(rows));
        }
        eai_weights_close(w);
        w = open_untranslated(path);
        for (size_t i = 0; i < N_LLAMA; i++) {
            const float *x = eai_weights_at(w, i)->data;
            assert_string_equal(eai_weights_at(w, i)->name, llama_files[i]);
            for (int r = 0; r < 8; r++)
                assert_true(x[2 * r] == (float)(i == 1 ? q[r] : i == 2 ? k[r] : r));
        }
        eai_weights_close(w);
    }
    eai_test_remove_folder(folder);
}

/* A file may claim any number of rows without a width; neither way may count them. */
static void test_rows_of_no_width(void **state)
{
    (void)state;
    static const char q[] = "model.layers.0.self_attn.q_proj.weight";
    const eai_shape many = EAI_SHAPE2((int64_t)1 << 60, 0);
    eai_error err = EAI_ERROR_INIT;
    char *folder = eai_test_make_folder();
    char path[512];
    snprintf(path, sizeof(path), "%s/out.gguf", folder);
    eai_weights *w = create();
    assert_ok(eai_weights_set_string(w, "general.architecture", "gemma3", &err), &err);
    assert_ok(eai_weights_add(w, "model.norm.weight", EAI_F32, &EAI_SHAPE1(0), "", &err), &err);
    assert_ok(eai_weights_save_gguf(w, path, NULL, &err), &err);
    eai_weights_close(w);
    w = create_llama();
    assert_ok(eai_weights_add(w, q, EAI_F32, &many, "", &err), &err);
    assert_ok(eai_weights_save_gguf(w, path, NULL, &err), &err);
    eai_weights_close(w);
    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_true(eai_shape_equal(&eai_weights_find(w, q)->shape, &many));
    eai_weights_close(w);
    eai_test_remove_folder(folder);
}

/* --- refusals and failures --- */

static void refuse(eai_weights *w, const char *name, eai_dtype dtype, eai_shape shape,
                   eai_status code, const char *text)
{
    static const uint8_t zeros[64];
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_weights_add_borrowed(w, name, dtype, &shape, zeros, &err), &err);
    assert_fails(eai_weights_save_gguf(w, "never.gguf", NULL, &err), code, &err, text);
    assert_int_equal(strncmp(err.message, "cannot write 'never.gguf': ", 27), 0);
    assert_false(eai_fs_exists("never.gguf"));
    eai_weights_close(w);
}

static void test_what_cannot_be_written(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = create();
    const char *name64 = "0123456789012345678901234567890123456789012345678901234567890123";

    refuse(w, "x", EAI_U8, EAI_SHAPE1(3), EAI_ERR_UNSUPPORTED,
           "tensor 'x': GGUF has no storage type for u8");
    refuse(create(), "x", EAI_F32, ((eai_shape){5, {1, 1, 1, 1, 1}}), EAI_ERR_UNSUPPORTED,
           "5 dimensions");
    refuse(create(), name64, EAI_F32, EAI_SHAPE1(1), EAI_ERR_UNSUPPORTED, "a name of 64 bytes");
    w = create_llama();
    assert_ok(eai_weights_add(w, "output.weight", EAI_F32, &EAI_SHAPE1(1), "abcd", &err), &err);
    refuse(w, "lm_head.weight", EAI_F32, EAI_SHAPE1(1), EAI_ERR_ARGUMENT,
           "tensor 'lm_head.weight': GGUF calls it 'output.weight', as another one");
    refuse(create_llama(), "model.layers.0.self_attn.q_proj.weight", EAI_F32, EAI_SHAPE2(6, 1),
           EAI_ERR_FORMAT, "6 rows are not an even number for each of 2 heads");
    w = create();
    assert_ok(eai_weights_set_int(w, "general.alignment", 48, &err), &err);
    refuse(w, "x", EAI_F32, EAI_SHAPE1(1), EAI_ERR_FORMAT, "powers of two");
    w = create();
    assert_ok(eai_weights_add_borrowed(w, "x", EAI_F32, &EAI_SHAPE1(1), NULL, &err), &err);
    assert_fails(eai_weights_save_gguf(w, "never.gguf", NULL, &err), EAI_ERR_ARGUMENT, &err,
                 "tensor 'x': no data");
    assert_fails(eai_weights_set_int(w, "", 1, &err), EAI_ERR_ARGUMENT, &err, "a key of 0 bytes");
    eai_weights_close(w);
}

static void test_a_failure_leaves_the_old_file(void **state)
{
    (void)state;
    const eai_weights_save_opts opts = {fill_rows, NULL};
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = create();
    char *folder = eai_test_make_folder();
    char path[512];
    float x = 5;

    snprintf(path, sizeof(path), "%s/out.gguf", folder);
    assert_ok(eai_weights_add(w, "old", EAI_F32, &EAI_SHAPE1(1), &x, &err), &err);
    assert_ok(eai_weights_save_gguf(w, path, NULL, &err), &err);
    assert_fails(eai_weights_save_gguf(w, "/nonexistent/x.gguf", NULL, &err), EAI_ERR_IO, &err,
                 "/nonexistent/x.gguf");
    if (eai_fs_exists("/dev/full"))
        assert_fails(eai_weights_save_gguf(w, "/dev/full", NULL, &err), EAI_ERR_IO, &err,
                     "/dev/full");
    assert_ok(eai_weights_add_borrowed(w, "broken", EAI_F32, &EAI_SHAPE2(9, 2), NULL, &err), &err);
    assert_fails(eai_weights_save_gguf(w, path, &opts, &err), EAI_ERR_NUMERIC, &err, "on purpose");
    eai_weights_close(w);
    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_int_equal(eai_weights_count(w), 1);
    eai_weights_close(w);
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(folder), 0); /* nothing beside it */
    free(folder);
}

typedef struct torture_job {
    gguf_build *b;
    const char *path;
} torture_job;

static eai_status parse_set_and_save(void *ud, eai_error *err)
{
    const torture_job *j = ud;
    const char *const text[] = {"a"};
    const size_t bytes[] = {1};
    eai_weights *w = NULL;
    eai_status st = eai_weights_parse(&w, j->b->data, j->b->n, "sample", err);

    if (st == EAI_OK)
        st = eai_weights_set_int(w, "new.int", 1, err);
    if (st == EAI_OK)
        st = eai_weights_set_ints(w, "new.ints", (int64_t[]){1}, 1, err);
    if (st == EAI_OK)
        st = eai_weights_set_floats(w, "new.floats", (double[]){1}, 1, err);
    if (st == EAI_OK)
        st = eai_weights_set_strings(w, "new.strings", &(eai_meta_strings){1, text, bytes}, err);
    if (st == EAI_OK)
        st = eai_weights_save_gguf(w, j->path, NULL, err);
    eai_weights_close(w);
    return st;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    gguf_build b = {0};
    char *folder = eai_test_make_folder();
    char path[512];
    torture_job j = {&b, path};

    snprintf(path, sizeof(path), "%s/out.gguf", folder);
    gguf_build_sample(&b);
    eai_test_torture(parse_set_and_save, &j);
    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_int_equal(eai_weights_meta_count(w), 22);
    eai_weights_close(w);
    gguf_build_free(&b);
    eai_test_remove_folder(folder);
}

static void check_whole(void *ud)
{
    const torture_job *j = ud;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    assert_ok(eai_weights_open(&w, j->path, &err), &err);
    assert_int_equal(eai_weights_meta_count(w), 22);
    eai_weights_close(w);
}

static void test_faults_of_the_disk(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    gguf_build b = {0};
    char *folder = eai_test_make_folder();
    char path[512];
    torture_job j = {&b, path};

    snprintf(path, sizeof(path), "%s/out.gguf", folder);
    gguf_build_sample(&b);
    assert_ok(parse_set_and_save(&j, &err), &err);
    eai_test_io_torture(parse_set_and_save, check_whole, &j, folder);
    gguf_build_free(&b);
    eai_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_program_s_bytes),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_llama_gets_its_names_and_rows_back),
        cmocka_unit_test(test_rows_of_no_width),
        cmocka_unit_test(test_what_cannot_be_written),
        cmocka_unit_test(test_a_failure_leaves_the_old_file),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_faults_of_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
