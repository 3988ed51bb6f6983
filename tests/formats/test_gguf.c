/* The GGUF reader. What is guarded: values of every metadata type; shapes, storage types and
 * Hugging Face's names and row order; lying headers; files cut anywhere; flipped bits; allocations
 * that fail; and the real default model against the `gguf` package (tests/data/gguf_values.json).
 */
#include "support/eai_test.h"
#include "support/gguf_build.h"

#include <stdlib.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/weights.h>

/* Parses and fails; the message must contain `text`. The bytes lie in memory of exactly their size,
 * so that the address sanitizer sees a read beyond them. Frees `b`. */
static void refuse(gguf_build *b, eai_status code, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    uint8_t *exact = malloc(b->n);

    assert_non_null(exact);
    memcpy(exact, b->data, b->n);
    assert_fails(eai_weights_parse(&w, exact, b->n, "t.gguf", &err), code, &err, text);
    assert_null(w);
    assert_int_equal(strncmp(err.message, "t.gguf: ", 8), 0);
    free(exact);
    gguf_build_free(b);
}

static eai_weights *parse_sample(gguf_build *b)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;

    gguf_build_sample(b);
    assert_ok(eai_weights_parse(&w, b->data, b->n, "sample", &err), &err);
    return w;
}

static void test_metadata(void **state)
{
    (void)state;
    gguf_build b = {0};
    eai_weights *w = parse_sample(&b);
    const struct {
        const char *key;
        int64_t value;
    } ints[] = {
        {"a.u8", 255}, {"a.i8", -1},  {"a.u16", 65534},     {"a.i16", -2},
        {"a.i32", -7}, {"a.i64", -9}, {"a.u64", 1LL << 40}, {"llama.attention.head_count", 2}};
    int64_t i = 0;
    double f = 0;
    bool flag = false;
    size_t n = 0;
    eai_meta_strings strings;

    assert_int_equal(eai_weights_meta_count(w), 18);
    assert_string_equal(eai_weights_meta_key(w, 3), "a.u8");
    assert_string_equal(eai_weights_get_string(w, "general.architecture"), "llama");
    for (size_t k = 0; k < sizeof(ints) / sizeof(ints[0]); k++) {
        assert_true(eai_weights_get_int(&i, w, ints[k].key));
        assert_int_equal(i, ints[k].value);
    }
    assert_true(eai_weights_get_float(&f, w, "a.f32") && f == 1.5);
    assert_true(eai_weights_get_float(&f, w, "a.f64") && f == 0.1);
    assert_true(eai_weights_get_float(&f, w, "a.u8") && f == 255);
    assert_true(eai_weights_get_bool(&flag, w, "a.bool") && flag);

    const int64_t *v = eai_weights_get_ints(&n, w, "a.ints");
    assert_true(v && n == 3 && v[0] == 3 && v[1] == -1 && v[2] == 4);
    v = eai_weights_get_ints(&n, w, "a.bools");
    assert_true(v && n == 2 && v[0] == 1 && v[1] == 0);
    const double *x = eai_weights_get_floats(&n, w, "a.floats");
    assert_true(x && n == 2 && x[0] == 0.5 && x[1] == -2);
    assert_true(eai_weights_get_strings(&strings, w, "a.strings") && strings.n == 3);
    assert_true(strings.bytes[0] == 3 && memcmp(strings.text[0], "one", 3) == 0);
    assert_int_equal(strings.bytes[1], 0);
    assert_true(strings.bytes[2] == 4 && memcmp(strings.text[2], "tw\xc3\xb6", 4) == 0);
    assert_true(eai_weights_get_strings(&strings, w, "a.none") && strings.n == 0);

    /* absent, or of another type */
    assert_null(eai_weights_get_string(w, "a.u8"));
    assert_null(eai_weights_get_string(w, "absent"));
    assert_false(eai_weights_get_int(&i, w, "a.f32"));
    assert_false(eai_weights_get_float(&f, w, "a.bool"));
    assert_false(eai_weights_get_bool(&flag, w, "a.u8"));
    assert_false(eai_weights_get_strings(&strings, w, "a.ints"));
    assert_null(eai_weights_get_ints(&n, w, "a.floats"));
    assert_null(eai_weights_get_floats(&n, w, "a.ints"));
    assert_int_equal(n, 0);
    assert_int_equal(eai_weights_meta_type(w, "absent"), EAI_META_NONE);
    assert_int_equal(eai_weights_meta_type(w, "a.strings"), EAI_META_STRINGS);
    eai_weights_close(w);
    gguf_build_free(&b);
}

static const eai_weight_tensor *expect(const eai_weights *w, const char *name, eai_dtype dtype,
                                       eai_shape shape, size_t bytes)
{
    const eai_weight_tensor *t = eai_weights_find(w, name);
    if (!t)
        fail_msg("no tensor '%s'", name);
    assert_string_equal(t->name, name);
    assert_int_equal(t->dtype, dtype);
    assert_true(eai_shape_equal(&t->shape, &shape));
    assert_int_equal(t->bytes, bytes);
    return t;
}

/* Row r of the tensor is row `from` of the data that begins at `data`. */
static void expect_row(const eai_weight_tensor *t, int64_t r, const uint8_t *data, size_t from)
{
    size_t n = t->bytes / (size_t)t->shape.dim[0];
    assert_memory_equal((const uint8_t *)t->data + (size_t)r * n, data + from * n, n);
}

static void test_names_and_row_order_are_hugging_face_s(void **state)
{
    (void)state;
    gguf_build b = {0};
    eai_weights *w = parse_sample(&b);
    const uint8_t *data = b.data + b.n - 516;
    const eai_weight_tensor *t;

    assert_int_equal(eai_weights_count(w), 6);
    assert_string_equal(eai_weights_path(w), "sample");
    assert_string_equal(eai_weights_at(w, 2)->name, "model.embed_tokens.weight");
    t = expect(w, "model.embed_tokens.weight", EAI_Q8_0, EAI_SHAPE2(3, 32), 102);
    assert_ptr_equal(t->data, data + 320);
    t = expect(w, "model.layers.0.input_layernorm.weight", EAI_F32, EAI_SHAPE1(2), 8);
    t = expect(w, "a.scalar", EAI_F32, EAI_SHAPE0, 4);
    assert_true(*(const float *)t->data == 42.0f);
    assert_null(eai_weights_find(w, "blk.0.attn_q.weight"));

    /* 2 heads of 4 rows; within a head GGUF has r0 r2 r1 r3 (pairs interleaved) */
    static const size_t from[8] = {0, 2, 1, 3, 4, 6, 5, 7};
    t = expect(w, "model.layers.0.self_attn.q_proj.weight", EAI_Q4_1, EAI_SHAPE2(8, 32), 160);
    for (int r = 0; r < 8; r++)
        expect_row(t, r, data, from[r]);
    t = expect(w, "model.layers.0.self_attn.k_proj.weight", EAI_Q8_0, EAI_SHAPE2(4, 32), 136);
    for (int r = 0; r < 4; r++)
        expect_row(t, r, data + 160, from[r]);
    t = expect(w, "model.layers.0.self_attn.q_proj.bias", EAI_F32, EAI_SHAPE1(8), 32);
    for (int r = 0; r < 8; r++)
        assert_true(((const float *)t->data)[r] == (float)from[r]);
    eai_weights_close(w);
    gguf_build_free(&b);
}

/* The converter's own formula, step by step, on heads of 8: reshape(heads, 2, 4).swapaxes(1, 2). */
static void test_row_order_against_the_converter_s_formula(void **state)
{
    (void)state;
    enum { HEADS = 3, D = 8, ROWS = HEADS * D };
    float hf[ROWS];
    float gguf[ROWS];
    gguf_build b = {0};
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;

    for (int i = 0; i < ROWS; i++)
        hf[i] = (float)i;
    for (int h = 0; h < HEADS; h++)
        for (int half = 0; half < 2; half++)
            for (int i = 0; i < D / 2; i++) /* in[h][half][i] goes to out[h][i][half] */
                gguf[(h * (D / 2) + i) * 2 + half] = hf[(h * 2 + half) * (D / 2) + i];
    gguf_build_header(&b, 2, 1, 2);
    gguf_build_meta_string(&b, "general.architecture", "llama");
    gguf_build_meta_u32(&b, "llama.attention.head_count", HEADS);
    gguf_build_tensor(&b, "blk.11.attn_k.weight", 2, (uint64_t[]){1, ROWS}, 0, 0);
    gguf_build_pad(&b, 32);
    gguf_build_bytes(&b, gguf, sizeof(gguf));
    assert_ok(eai_weights_parse(&w, b.data, b.n, "t", &err), &err);
    const eai_weight_tensor *t = expect(w, "model.layers.11.self_attn.k_proj.weight", EAI_F32,
                                        EAI_SHAPE2(ROWS, 1), sizeof(hf));
    assert_memory_equal(t->data, hf, sizeof(hf));
    eai_weights_close(w);
    gguf_build_free(&b);
}

static void test_other_architectures_stay_as_they_are(void **state)
{
    (void)state;
    gguf_build b = {0};
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    const char *names[] = {"blk.0.attn_q.weight", "blk.00.attn_v.weight", "blk.x.attn_v.weight"};

    for (int llama = 0; llama < 2; llama++) {
        gguf_build_header(&b, 3, 3, 2);
        gguf_build_meta_string(&b, "general.architecture", llama ? "llama" : "other");
        gguf_build_meta_u32(&b, "llama.attention.head_count", 1);
        for (uint64_t i = 0; i < 3; i++)
            gguf_build_tensor(&b, names[i], 2, (uint64_t[]){1, 4}, 0, 32 * i);
        gguf_build_pad(&b, 32);
        for (int i = 0; i < 20; i++)
            gguf_build_bytes(&b, &(float){(float)i}, 4);
        assert_ok(eai_weights_parse(&w, b.data, b.n, "t", &err), &err);
        assert_int_equal(eai_weights_find(w, names[0]) == NULL, llama);
        assert_non_null(eai_weights_find(w, names[1])); /* no number that GGUF would write */
        assert_non_null(eai_weights_find(w, names[2]));
        const float *q = eai_weights_at(w, 0)->data;
        assert_true(q[1] == (llama ? 2.0f : 1.0f));
        eai_weights_close(w);
        gguf_build_free(&b);
    }
}

static void test_headers_that_lie(void **state)
{
    (void)state;
    gguf_build b = {0};

    gguf_build_header(&b, 1, 0, 0);
    refuse(&b, EAI_ERR_UNSUPPORTED, "version 1");
    gguf_build_header(&b, 0x03000000, 0, 0);
    refuse(&b, EAI_ERR_UNSUPPORTED, "big-endian GGUF file (only little-endian");
    gguf_build_header(&b, 3, UINT64_MAX, 0);
    refuse(&b, EAI_ERR_LIMIT, "18446744073709551615 tensors");
    gguf_build_header(&b, 3, 0, 65537);
    refuse(&b, EAI_ERR_LIMIT, "65537 metadata keys");
    gguf_build_header(&b, 3, 1, 0);
    refuse(&b, EAI_ERR_FORMAT, "tensor 0: cut short");
    gguf_build_bytes(&b, "GGUF", 4);
    refuse(&b, EAI_ERR_FORMAT, "cut short at byte 4");
    gguf_build_bytes(&b, "GGML\3\0\0\0", 8);
    refuse(&b, EAI_ERR_FORMAT, "neither a GGUF nor a safetensors");
}

static void test_metadata_that_lies(void **state)
{
    (void)state;
    gguf_build b = {0};

    gguf_build_header(&b, 3, 0, 1);
    gguf_build_u64(&b, UINT64_MAX);
    refuse(&b, EAI_ERR_FORMAT, "metadata key 0: cut short");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta_u32(&b, "", 1);
    refuse(&b, EAI_ERR_FORMAT, "a name of 0 bytes");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta(&b, "k", 13);
    refuse(&b, EAI_ERR_FORMAT, "metadata 'k': unknown value type 13 (0 to 12 are allowed)");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta_array(&b, "k", GGUF_ARRAY, 1);
    refuse(&b, EAI_ERR_UNSUPPORTED, "arrays of arrays");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta_array(&b, "k", 99, 1);
    refuse(&b, EAI_ERR_FORMAT, "unknown element type 99");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta_array(&b, "k", GGUF_U8, (uint64_t)1 << 60);
    refuse(&b, EAI_ERR_FORMAT, "1152921504606846976 elements do not fit");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta_array(&b, "k", GGUF_STRING, 2);
    gguf_build_text(&b, "12345678");
    refuse(&b, EAI_ERR_FORMAT, "cut short");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta(&b, "k", GGUF_BOOL);
    gguf_build_bytes(&b, "\2", 1);
    refuse(&b, EAI_ERR_FORMAT, "a boolean is 2");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta(&b, "k", GGUF_U64);
    gguf_build_u64(&b, UINT64_MAX);
    refuse(&b, EAI_ERR_FORMAT, "above the largest integer");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta(&b, "k", GGUF_STRING);
    gguf_build_u64(&b, 3);
    gguf_build_bytes(&b, "a\0b", 3);
    refuse(&b, EAI_ERR_FORMAT, "NUL");
    gguf_build_header(&b, 3, 0, 3);
    gguf_build_meta_u32(&b, "k", 1);
    gguf_build_meta_u32(&b, "other", 1);
    gguf_build_meta_u32(&b, "k", 2);
    refuse(&b, EAI_ERR_FORMAT, "metadata key 'k' appears twice");
    static const uint32_t bad_alignments[] = {0, 4, 33, 1 << 20};
    for (size_t i = 0; i < 4; i++) {
        gguf_build_header(&b, 3, 0, 1);
        gguf_build_meta_u32(&b, "general.alignment", bad_alignments[i]);
        refuse(&b, EAI_ERR_FORMAT, "powers of two");
    }
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta_string(&b, "general.alignment", "32");
    refuse(&b, EAI_ERR_FORMAT, "no integer");
}

/* A file with one tensor as told and 64 bytes of data, then refused. */
static void refuse_tensor(uint32_t n_dims, const uint64_t *ne, uint32_t type, uint64_t offset,
                          eai_status code, const char *text)
{
    gguf_build b = {0};
    static const uint8_t zeros[64];

    gguf_build_header(&b, 3, 1, 0);
    gguf_build_tensor(&b, "x", n_dims, ne, type, offset);
    gguf_build_pad(&b, 32);
    gguf_build_bytes(&b, zeros, sizeof(zeros));
    refuse(&b, code, text);
}

static void test_tensors_that_lie(void **state)
{
    (void)state;
    const uint64_t huge = (uint64_t)1 << 62;

    refuse_tensor(5, (uint64_t[]){1, 1, 1, 1, 1}, 0, 0, EAI_ERR_FORMAT, "5 dimensions");
    refuse_tensor(1, (uint64_t[]){17}, 0, 0, EAI_ERR_FORMAT, "beyond the end (64 bytes of data)");
    refuse_tensor(1, (uint64_t[]){16}, 0, 32, EAI_ERR_FORMAT, "beyond the end");
    refuse_tensor(1, (uint64_t[]){1}, 0, 4, EAI_ERR_FORMAT, "offset 4 is not a multiple of 32");
    refuse_tensor(1, (uint64_t[]){1}, 0, UINT64_MAX - 31, EAI_ERR_FORMAT, "beyond the end");
    refuse_tensor(1, (uint64_t[]){64}, 0, UINT64_MAX - 31, EAI_ERR_FORMAT, "too large");
    refuse_tensor(1, (uint64_t[]){UINT64_MAX}, 0, 0, EAI_ERR_FORMAT, "a dimension of");
    refuse_tensor(3, (uint64_t[]){huge, huge, 0}, 0, 0, EAI_ERR_FORMAT, "too large");
    refuse_tensor(2, (uint64_t[]){huge, 1}, 0, 0, EAI_ERR_FORMAT, "does not fit");
    refuse_tensor(1, (uint64_t[]){31}, 8, 0, EAI_ERR_FORMAT, "rows must be a multiple of 32");
    static const uint32_t k_quants[] = {10, 11, 12, 13, 14};
    for (size_t i = 0; i < 5; i++)
        refuse_tensor(1, (uint64_t[]){576}, k_quants[i], 0, EAI_ERR_FORMAT,
                      "K: rows must be a multiple of 256");
    refuse_tensor(1, (uint64_t[]){256}, 16, 0, EAI_ERR_UNSUPPORTED,
                  "tensor 'x': storage type IQ2_XXS is not supported");
    refuse_tensor(1, (uint64_t[]){1}, 77, 0, EAI_ERR_UNSUPPORTED,
                  "unknown storage type 77 (F32, F16");
}

static void build_two(gguf_build *b, const char *second, uint64_t offset)
{
    static const uint8_t zeros[128];

    gguf_build_header(b, 3, 2, 0);
    gguf_build_tensor(b, "x", 1, (uint64_t[]){16}, 0, 0);
    gguf_build_tensor(b, second, 1, (uint64_t[]){16}, 0, offset);
    gguf_build_pad(b, 32);
    gguf_build_bytes(b, zeros, sizeof(zeros));
}

static void test_tensors_that_collide(void **state)
{
    (void)state;
    gguf_build b = {0};
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;

    build_two(&b, "y", 32);
    refuse(&b, EAI_ERR_FORMAT, "lies inside another tensor");
    build_two(&b, "y", 0);
    refuse(&b, EAI_ERR_FORMAT, "lies inside another tensor");
    build_two(&b, "x", 64);
    refuse(&b, EAI_ERR_FORMAT, "tensor 'x' appears twice");
    build_two(&b, "y", 64);
    assert_ok(eai_weights_parse(&w, b.data, b.n, "t", &err), &err);
    eai_weights_close(w);
    gguf_build_free(&b);
    /* a name that only the translation makes equal to another */
    gguf_build_header(&b, 3, 2, 2);
    gguf_build_meta_string(&b, "general.architecture", "llama");
    gguf_build_meta_u32(&b, "llama.attention.head_count", 1);
    gguf_build_tensor(&b, "output.weight", 1, (uint64_t[]){1}, 0, 0);
    gguf_build_tensor(&b, "lm_head.weight", 1, (uint64_t[]){1}, 0, 32);
    gguf_build_pad(&b, 32);
    for (int i = 0; i < 9; i++)
        gguf_build_u32(&b, 0);
    refuse(&b, EAI_ERR_FORMAT, "tensor 'lm_head.weight' appears twice");
}

static void refuse_heads(uint32_t heads, uint64_t rows, eai_status code, const char *text)
{
    gguf_build b = {0};

    gguf_build_header(&b, 3, 1, 2);
    gguf_build_meta_string(&b, "general.architecture", "llama");
    gguf_build_meta_u32(&b, "llama.attention.head_count", heads);
    gguf_build_tensor(&b, "blk.0.attn_q.weight", 2, (uint64_t[]){1, rows}, 0, 0);
    gguf_build_pad(&b, 32);
    for (uint64_t i = 0; i < rows; i++)
        gguf_build_u32(&b, 0);
    refuse(&b, code, text);
}

static void test_heads_that_lie(void **state)
{
    (void)state;
    gguf_build b = {0};

    refuse_heads(0, 8, EAI_ERR_FORMAT, "'llama.attention.head_count' is 0");
    refuse_heads(UINT32_MAX, 8, EAI_ERR_FORMAT, "is 4294967295");
    refuse_heads(3, 8, EAI_ERR_FORMAT, "tensor 'blk.0.attn_q.weight': 8 rows");
    refuse_heads(8, 8, EAI_ERR_FORMAT, "8 rows are not an even number");
    refuse_heads(1, 0, EAI_ERR_FORMAT, "0 rows");
    gguf_build_header(&b, 3, 0, 1);
    gguf_build_meta_string(&b, "general.architecture", "llama");
    refuse(&b, EAI_ERR_FORMAT, "'llama.attention.head_count' is 0");
    gguf_build_header(&b, 3, 0, 2);
    gguf_build_meta_string(&b, "general.architecture", "llama");
    gguf_build_meta_array(&b, "llama.attention.head_count", GGUF_I32, 1);
    gguf_build_u32(&b, 4);
    refuse(&b, EAI_ERR_UNSUPPORTED, "not one integer");
}

/* Any status is fine as long as nothing is read out of bounds or leaked; what opens must be whole.
 */
static eai_status try(const uint8_t *bytes, size_t n)
{
    eai_weights *w = NULL;
    eai_error err = EAI_ERROR_INIT;
    eai_status st = eai_weights_parse(&w, bytes, n, "t", &err);

    if (st == EAI_OK) {
        unsigned sum = 0;
        for (size_t i = 0; i < eai_weights_count(w); i++) {
            const eai_weight_tensor *t = eai_weights_at(w, i);
            for (size_t k = 0; k < t->bytes; k++)
                sum += ((const uint8_t *)t->data)[k];
        }
        assert_true(sum < UINT32_MAX);
    } else {
        assert_true(err.message[0] != '\0');
    }
    eai_weights_close(w);
    return st;
}

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    gguf_build b = {0};

    gguf_build_sample(&b);
    assert_int_equal(try(b.data, b.n), EAI_OK);
    for (size_t n = 0; n < b.n; n++) {
        uint8_t *exact = malloc(n + 1); /* + 1: malloc(0) may be NULL */
        assert_non_null(exact);
        memcpy(exact, b.data, n);
        assert_int_not_equal(try(exact, n), EAI_OK);
        free(exact);
    }
    gguf_build_free(&b);
}

static void test_flipped_bits(void **state)
{
    (void)state;
    gguf_build b = {0};
    size_t accepted = 0;

    gguf_build_sample(&b);
    for (size_t i = 0; i < b.n - 516; i++) {
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (uint8_t)(1 << bit);
            accepted += try(b.data, b.n) == EAI_OK;
            b.data[i] ^= (uint8_t)(1 << bit);
        }
    }
    assert_true(accepted > 0); /* a changed name or value is still a file */
    gguf_build_free(&b);
}

static eai_status open_file(void *ud, eai_error *err)
{
    eai_weights *w = NULL;
    eai_status st = eai_weights_open(&w, ud, err);
    eai_weights_close(w);
    return st;
}

static void test_files_and_failing_allocations(void **state)
{
    (void)state;
    gguf_build b = {0};
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    char *folder = eai_test_make_folder();
    char path[512];

    snprintf(path, sizeof(path), "%s/sample.gguf", folder);
    assert_fails(eai_weights_open(&w, path, &err), EAI_ERR_IO, &err, path);
    gguf_build_sample(&b);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.n, f), b.n);
    fclose(f);
    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_int_equal(eai_weights_count(w), 6);
    assert_string_equal(eai_weights_path(w), path);
    eai_weights_close(w);
    eai_test_torture(open_file, path);
    f = fopen(path, "wb");
    assert_non_null(f);
    fclose(f);
    assert_fails(eai_weights_open(&w, path, &err), EAI_ERR_FORMAT, &err, "(0 bytes)");
    eai_test_remove_folder(folder);
    gguf_build_free(&b);
}

/* One entry of the fixture: 'row' of tensor 'name', in Hugging Face's order, has these values. */
static void check_values(const eai_weights *w, const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    const json_t *values = json_object_get(entry, "values");
    const eai_weight_tensor *t = eai_weights_find(w, name);
    int64_t row = json_integer_value(json_object_get(entry, "row"));
    static float x[1536];

    if (!t)
        fail_msg("no tensor '%s'", name);
    assert_string_equal(eai_dtype_get(t->dtype)->name,
                        json_string_value(json_object_get(entry, "dtype")));
    int64_t n = t->shape.dim[t->shape.n_dims - 1];
    assert_true(n <= 1536);
    eai_dequantize_row(x, t->dtype,
                       (const uint8_t *)t->data + (size_t)row * eai_row_bytes(t->dtype, n), n);
    for (size_t i = 0; i < json_array_size(values); i++) {
        double expected = json_number_value(json_array_get(values, i));
        if ((double)x[i] != expected)
            fail_msg("%s row %lld element %zu: %.9g, the oracle has %.9g", name, (long long)row, i,
                     (double)x[i], expected);
    }
}

static void test_the_real_model(void **state)
{
    (void)state;
    const char *path = eai_test_model_path();
    SKIP_WITHOUT_MODEL(path);
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    eai_meta_strings tokens;
    json_error_t why;
    size_t counts[EAI_DTYPE_COUNT] = {0};
    size_t i;
    json_t *entry;

    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_int_equal(eai_weights_count(w), 272);
    for (i = 0; i < 272; i++)
        counts[eai_weights_at(w, i)->dtype]++;
    assert_int_equal(counts[EAI_Q4_1], 210);
    assert_int_equal(counts[EAI_F32], 61);
    assert_int_equal(counts[EAI_Q8_0], 1);
    expect(w, "model.embed_tokens.weight", EAI_Q8_0, EAI_SHAPE2(49152, 576), 30081024);
    expect(w, "model.layers.29.mlp.down_proj.weight", EAI_Q4_1, EAI_SHAPE2(576, 1536), 552960);
    expect(w, "model.layers.7.self_attn.k_proj.weight", EAI_Q4_1, EAI_SHAPE2(192, 576), 69120);
    assert_non_null(eai_weights_find(w, "model.norm.weight"));
    assert_true(eai_weights_get_strings(&tokens, w, "tokenizer.ggml.tokens"));
    assert_int_equal(tokens.n, 49152);
    assert_true(tokens.bytes[1] == 12 && memcmp(tokens.text[1], "<|im_start|>", 12) == 0);
    assert_non_null(eai_weights_get_string(w, "tokenizer.chat_template"));

    json_t *root = json_load_file(EAI_TEST_DATA "/gguf_values.json", 0, &why);
    if (!root)
        fail_msg("gguf_values.json: %s", why.text);
    assert_true(json_array_size(json_object_get(root, "rows")) >= 10);
    json_array_foreach(json_object_get(root, "rows"), i, entry)
    {
        check_values(w, entry);
    }
    json_decref(root);
    eai_weights_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_names_and_row_order_are_hugging_face_s),
        cmocka_unit_test(test_row_order_against_the_converter_s_formula),
        cmocka_unit_test(test_other_architectures_stay_as_they_are),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_metadata_that_lies),
        cmocka_unit_test(test_tensors_that_lie),
        cmocka_unit_test(test_tensors_that_collide),
        cmocka_unit_test(test_heads_that_lie),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_files_and_failing_allocations),
        cmocka_unit_test(test_the_real_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
