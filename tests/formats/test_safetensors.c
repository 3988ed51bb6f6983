/* safetensors files and sets built in memory. What is guarded: the reference's bytes, both ways
 * (tests/data/reference.safetensors); headers that lie; files cut anywhere; flipped bits; tensors
 * made while writing; refused writes that leave the old file; allocations that fail. */
#include "support/eai_test.h"
#include "support/gguf_build.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/weights.h>

#define REFERENCE EAI_TEST_DATA "/reference.safetensors"

/* A file from a header's text and n bytes of data, in memory of exactly its size. */
static uint8_t *make_file(size_t *n, const char *header, size_t n_data)
{
    uint64_t length = strlen(header);
    uint8_t *file = calloc(1, 8 + length + n_data);

    assert_non_null(file);
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    *n = 8 + length + n_data;
    return file;
}

static void refuse(const char *header, size_t n_data, eai_status code, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    size_t n = 0;
    uint8_t *file = make_file(&n, header, n_data);

    assert_fails(eai_weights_parse(&w, file, n, "t.st", &err), code, &err, text);
    assert_null(w);
    assert_int_equal(strncmp(err.message, "t.st: ", 6), 0);
    free(file);
}

/* MLX writes null where there is no metadata. */
static void null_metadata_is_none(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    size_t n = 0;
    uint8_t *file = make_file(
        &n,
        "{\"__metadata__\":null,\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        4);
    assert_ok(eai_weights_parse(&w, file, n, "t.st", &err), &err);
    assert_int_equal(eai_weights_count(w), 1);
    assert_int_equal(eai_weights_meta_count(w), 0);
    eai_weights_close(w);
    free(file);
}

/* The set that tools/oracles/safetensors_file.py writes, in another order. */
static eai_weights *build_reference(void)
{
    static const float b_f32[6] = {0, 0.25f, 0.5f, 0.75f, 1, 1.25f};
    static const float a_f32[2] = {-1.5f, 2};
    static const double z_f64[1] = {0.1};
    static const uint16_t c_f16[3] = {0x3c00, 0xb800, 0x7bff};
    static const int64_t m_i64[2] = {-1, 1LL << 40};
    static const int32_t n_i32[2] = {7, -7};
    static const uint8_t u_u8[3] = {0, 128, 255};
    static const float three = 3;
    const struct {
        const char *name;
        eai_dtype dtype;
        eai_shape shape;
        const void *data;
    } rows[] = {
        {"b.f32", EAI_F32, EAI_SHAPE2(2, 3), b_f32},
        {"u.u8", EAI_U8, EAI_SHAPE1(3), u_u8},
        {"quote\"\n\xc3\xa9", EAI_U8, EAI_SHAPE1(1), "\x09"},
        {"a.f32", EAI_F32, EAI_SHAPE1(2), a_f32},
        {"z.f64", EAI_F64, EAI_SHAPE1(1), z_f64},
        {"empty", EAI_F32, EAI_SHAPE2(0, 4), NULL},
        {"c.f16", EAI_F16, EAI_SHAPE1(3), c_f16},
        {"m.i64", EAI_I64, EAI_SHAPE2(1, 2), m_i64},
        {"n.i32", EAI_I32, EAI_SHAPE1(2), n_i32},
        {"scalar", EAI_F32, EAI_SHAPE0, &three},
    };
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;

    assert_ok(eai_weights_create(&w, "memory", &err), &err);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_ok(
            eai_weights_add(w, rows[i].name, rows[i].dtype, &rows[i].shape, rows[i].data, &err),
            &err);
    assert_ok(eai_weights_set_string(w, "format", "pt", &err), &err);
    assert_ok(eai_weights_set_string(w, "format", "np", &err), &err); /* replaces */
    return w;
}

static void assert_same_file(const char *path, const char *expected)
{
    char *a = NULL;
    char *b = NULL;
    size_t n_a = 0;
    size_t n_b = 0;
    eai_error err = EAI_ERROR_INIT;

    assert_ok(eai_fs_read_file(&a, &n_a, path, 1 << 20, &err), &err);
    assert_ok(eai_fs_read_file(&b, &n_b, expected, 1 << 20, &err), &err);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
    eai_free(a);
    eai_free(b);
}

static void test_the_reference_s_file_is_read(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    eai_weights *built = build_reference();

    assert_ok(eai_weights_open(&w, REFERENCE, &err), &err);
    assert_int_equal(eai_weights_count(w), eai_weights_count(built));
    for (size_t i = 0; i < eai_weights_count(built); i++) {
        const eai_weight_tensor *want = eai_weights_at(built, i);
        const eai_weight_tensor *got = eai_weights_find(w, want->name);
        if (!got)
            fail_msg("no tensor '%s'", want->name);
        assert_int_equal(got->dtype, want->dtype);
        assert_true(eai_shape_equal(&got->shape, &want->shape));
        assert_int_equal(got->bytes, want->bytes);
        if (got->bytes)
            assert_memory_equal(got->data, want->data, got->bytes);
    }
    assert_int_equal(eai_weights_meta_count(w), 1);
    assert_string_equal(eai_weights_get_string(w, "format"), "np");
    assert_null(eai_weights_get_string(w, "absent"));
    eai_weights_close(w);
    eai_weights_close(built);
}

static void test_we_write_the_reference_s_bytes(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = build_reference();
    char *folder = eai_test_make_folder();
    char path[512];

    snprintf(path, sizeof(path), "%s/out.safetensors", folder);
    assert_ok(eai_weights_save(w, path, NULL, &err), &err);
    assert_same_file(path, REFERENCE);
    eai_weights_close(w);
    /* and once more from the file: what is read is written as it was */
    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_ok(eai_weights_save(w, path, NULL, &err), &err); /* over the mapped file itself */
    assert_same_file(path, REFERENCE);
    eai_weights_close(w);
    eai_test_remove_folder(folder);
}

/* Element k of tensor "made" is k, of "wide" 1000 + k. */
static eai_status fill(void *out, const eai_weight_tensor *t, int64_t first, int64_t n_rows,
                       void *ud, eai_error *err)
{
    int64_t *rows_seen = ud;
    int64_t row = t->shape.n_dims ? t->shape.dim[t->shape.n_dims - 1] : 1;
    float *x = out;

    if (strcmp(t->name, "broken") == 0)
        return eai_error_set(err, EAI_ERR_NUMERIC, "broken on purpose");
    assert_null(t->data);
    for (int64_t k = 0; k < n_rows * row; k++)
        x[k] = (float)(first * row + k) + (strcmp(t->name, "wide") == 0 ? 1000.0f : 0);
    *rows_seen += n_rows;
    return EAI_OK;
}

static void test_tensors_made_while_writing(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    char *folder = eai_test_make_folder();
    char path[512];
    int64_t rows_seen = 0;
    const eai_weights_save_opts opts = {fill, &rows_seen};
    const float here = 5;

    snprintf(path, sizeof(path), "%s/out.safetensors", folder);
    assert_ok(eai_weights_create(&w, "memory", &err), &err);
    /* 3000 rows of 1000 floats need three buffers; a row of 1.2 million is larger than one */
    assert_ok(eai_weights_add_borrowed(w, "made", EAI_F32, &EAI_SHAPE3(30, 100, 1000), NULL, &err),
              &err);
    assert_ok(eai_weights_add_borrowed(w, "wide", EAI_F32, &EAI_SHAPE2(2, 1200000), NULL, &err),
              &err);
    assert_ok(eai_weights_add_borrowed(w, "one", EAI_F32, &EAI_SHAPE0, NULL, &err), &err);
    assert_ok(eai_weights_add_borrowed(w, "none", EAI_F32, &EAI_SHAPE2(5, 0), NULL, &err), &err);
    assert_ok(eai_weights_add_borrowed(w, "here", EAI_F32, &EAI_SHAPE1(1), &here, &err), &err);
    assert_fails(eai_weights_save(w, path, NULL, &err), EAI_ERR_ARGUMENT, &err,
                 "tensor 'made' has no data");
    assert_false(eai_fs_exists(path));
    assert_ok(eai_weights_save(w, path, &opts, &err), &err);
    assert_int_equal(rows_seen, 3000 + 2 + 1);
    eai_weights_close(w);

    assert_ok(eai_weights_open(&w, path, &err), &err);
    const float *made = eai_weights_find(w, "made")->data;
    for (int k = 0; k < 3000000; k++)
        assert_true(made[k] == (float)k);
    const float *wide = eai_weights_find(w, "wide")->data;
    assert_true(wide[0] == 1000.0f && wide[2399999] == 2400999.0f);
    assert_true(*(const float *)eai_weights_find(w, "here")->data == 5.0f);
    eai_weights_close(w);

    /* a failure in the middle leaves the file of before, and nothing beside it */
    assert_ok(eai_weights_create(&w, "memory", &err), &err);
    assert_ok(eai_weights_add_borrowed(w, "a", EAI_F32, &EAI_SHAPE1(9), NULL, &err), &err);
    assert_ok(eai_weights_add_borrowed(w, "broken", EAI_F32, &EAI_SHAPE1(9), NULL, &err), &err);
    assert_fails(eai_weights_save(w, path, &opts, &err), EAI_ERR_NUMERIC, &err, "on purpose");
    eai_weights_close(w);
    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_non_null(eai_weights_find(w, "made"));
    eai_weights_close(w);
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(folder), 0); /* empty */
    free(folder);
}

static void test_what_cannot_be_written(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    static const uint8_t block[34];

    assert_ok(eai_weights_create(&w, "memory", &err), &err);
    assert_fails(eai_weights_save(w, "/nonexistent/x.safetensors", NULL, &err), EAI_ERR_IO, &err,
                 "/nonexistent/x.safetensors");
    assert_ok(eai_weights_add(w, "q", EAI_Q8_0, &EAI_SHAPE1(32), block, &err), &err);
    assert_fails(eai_weights_save(w, "never.safetensors", NULL, &err), EAI_ERR_UNSUPPORTED, &err,
                 "tensor 'q': safetensors has no type for q8_0");
    eai_weights_close(w);
    assert_ok(eai_weights_create(&w, "memory", &err), &err);
    assert_ok(eai_weights_add(w, "__metadata__", EAI_U8, &EAI_SHAPE1(1), block, &err), &err);
    assert_fails(eai_weights_save(w, "never.safetensors", NULL, &err), EAI_ERR_ARGUMENT, &err,
                 "cannot be named");
    eai_weights_close(w);
}

/* A GGUF file's metadata has types that safetensors lacks: its texts alone are written. */
static void test_a_gguf_file_is_saved(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    gguf_build b = {0};
    char *folder = eai_test_make_folder();
    char path[512];

    snprintf(path, sizeof(path), "%s/out.safetensors", folder);
    gguf_build_header(&b, 3, 1, 4);
    gguf_build_meta_u32(&b, "a.number", 7);
    gguf_build_meta_string(&b, "z.text", "last");
    gguf_build_meta_string(&b, "b.text", "line\nbreak");
    gguf_build_meta_array(&b, "c.none", GGUF_STRING, 0);
    gguf_build_tensor(&b, "x", 2, (uint64_t[]){2, 1}, 0, 0);
    gguf_build_pad(&b, 32);
    gguf_build_bytes(&b, (float[]){1, 2}, 8);
    assert_ok(eai_weights_parse(&w, b.data, b.n, "t.gguf", &err), &err);
    assert_ok(eai_weights_save(w, path, NULL, &err), &err);
    eai_weights_close(w);
    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_int_equal(eai_weights_meta_count(w), 2);
    assert_string_equal(eai_weights_meta_key(w, 0), "b.text");
    assert_string_equal(eai_weights_get_string(w, "b.text"), "line\nbreak");
    assert_string_equal(eai_weights_get_string(w, "z.text"), "last");
    assert_true(eai_shape_equal(&eai_weights_find(w, "x")->shape, &EAI_SHAPE2(1, 2)));
    eai_weights_close(w);
    gguf_build_free(&b);
    eai_test_remove_folder(folder);
}

static void test_sets_in_memory(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    char name[32];
    char long_name[1100];
    float x = 0;

    assert_ok(eai_weights_create(&w, "mem", &err), &err);
    assert_string_equal(eai_weights_path(w), "mem");
    assert_null(eai_weights_find(w, "anything"));
    for (int i = 0; i < 500; i++) { /* neither rising nor falling */
        snprintf(name, sizeof(name), "t%d", i * 7919 % 500);
        x = (float)i;
        assert_ok(eai_weights_add(w, name, EAI_F32, &EAI_SHAPE1(1), &x, &err), &err);
    }
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "t%d", i * 7919 % 500);
        assert_string_equal(eai_weights_at(w, (size_t)i)->name, name);
        assert_true(*(const float *)eai_weights_find(w, name)->data == (float)i);
    }
    assert_fails(eai_weights_add(w, "t7", EAI_F32, &EAI_SHAPE1(1), &x, &err), EAI_ERR_ARGUMENT,
                 &err, "mem: tensor 't7': exists already");
    assert_fails(eai_weights_add(w, "", EAI_F32, &EAI_SHAPE1(1), &x, &err), EAI_ERR_ARGUMENT, &err,
                 "0 bytes");
    memset(long_name, 'n', sizeof(long_name));
    long_name[1025] = '\0';
    assert_fails(eai_weights_add(w, long_name, EAI_F32, &EAI_SHAPE1(1), &x, &err), EAI_ERR_ARGUMENT,
                 &err, "1025 bytes");
    assert_fails(eai_weights_add(w, "bad", EAI_Q4_0, &EAI_SHAPE1(33), &x, &err), EAI_ERR_FORMAT,
                 &err, "multiple of 32");
    assert_fails(eai_weights_add(w, "bad", EAI_F32, &EAI_SHAPE1(-1), &x, &err), EAI_ERR_FORMAT,
                 &err, "negative");
    assert_int_equal(eai_weights_count(w), 500);
    assert_null(eai_weights_find(w, "bad"));
    assert_ok(eai_weights_set_string(w, "b", "2", &err), &err);
    assert_ok(eai_weights_set_string(w, "a", "1", &err), &err);
    assert_ok(eai_weights_set_string(w, "b", "3", &err), &err);
    assert_int_equal(eai_weights_meta_count(w), 2);
    assert_string_equal(eai_weights_meta_key(w, 0), "b");
    assert_string_equal(eai_weights_get_string(w, "b"), "3");
    assert_string_equal(eai_weights_get_string(w, "a"), "1");
    eai_weights_close(w);
    eai_weights_close(NULL);
}

#define F32(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_headers_that_lie(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;

    refuse("{", 0, EAI_ERR_FORMAT, "header:");
    refuse("{} x", 0, EAI_ERR_FORMAT, "header:");
    refuse("{\"x\":1}", 0, EAI_ERR_FORMAT, "tensor 'x': 'dtype' is missing");
    refuse("{\"x\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
           EAI_ERR_UNSUPPORTED, "tensor 'x': dtype 'BOOL' is not supported");
    refuse("{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, EAI_ERR_FORMAT,
           "'shape' is missing");
    refuse("{\"x\":" F32("[1]", "[0]") "}", 4, EAI_ERR_FORMAT, "data_offsets");
    refuse("{\"x\":" F32("[1]", "[0,4,4]") "}", 4, EAI_ERR_UNSUPPORTED, "3 entries");
    refuse("{\"x\":" F32("[1]", "[4,0]") "}", 4, EAI_ERR_FORMAT, "4 to 0 are not the 4 bytes");
    refuse("{\"x\":" F32("[1]", "[0,8]") "}", 8, EAI_ERR_FORMAT, "0 to 8 are not the 4 bytes");
    refuse("{\"x\":" F32("[1.5]", "[0,4]") "}", 4, EAI_ERR_FORMAT, "'shape' entry 0");
    refuse("{\"x\":" F32("[-1]", "[0,4]") "}", 4, EAI_ERR_FORMAT, "'shape' entry 0");
    refuse("{\"x\":" F32("[1,1,1,1,1,1]", "[0,4]") "}", 4, EAI_ERR_UNSUPPORTED, "6 entries");
    refuse("{\"x\":" F32("[4611686018427387904,2,2]", "[0,4]") "}", 4, EAI_ERR_FORMAT, "too large");
    refuse("{\"x\":" F32("[4611686018427387904]", "[0,4]") "}", 4, EAI_ERR_FORMAT, "does not fit");
    refuse("{\"x\":" F32("[2]", "[0,8]") "}", 4, EAI_ERR_FORMAT, "beyond the file's 4 bytes");
    refuse("{\"x\":" F32("[1]", "[0,4]") "}", 5, EAI_ERR_FORMAT, "1 bytes follow");
    refuse("{\"x\":" F32("[1]", "[4,8]") "}", 8, EAI_ERR_FORMAT, "gaps and overlaps");
    refuse("{\"x\":" F32("[2]", "[0,8]") ",\"y\":" F32("[1]", "[4,8]") "}", 8, EAI_ERR_FORMAT,
           "tensor 'y': data begins at 4");
    refuse("{\"x\":" F32("[1]", "[0,4]") ",\"x\":" F32("[1]", "[4,8]") "}", 8, EAI_ERR_FORMAT,
           "duplicate");
    refuse("{\"\":" F32("[1]", "[0,4]") "}", 4, EAI_ERR_FORMAT, "0 bytes");
    refuse("{\"__metadata__\":[]}", 0, EAI_ERR_FORMAT, "no object");
    refuse("{\"__metadata__\":{\"a\":1}}", 0, EAI_ERR_FORMAT, "metadata 'a' is no text");

    /* lengths */
    uint8_t file[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
    assert_fails(eai_weights_parse(&w, file, 10, "t", &err), EAI_ERR_LIMIT, &err,
                 "at most 100000000");
    memcpy(file, "\3\0\0\0\0\0\0\0", 8);
    assert_fails(eai_weights_parse(&w, file, 10, "t", &err), EAI_ERR_FORMAT, &err, "cut short");
    memcpy(file, "\2\0\0\0\0\0\0\0", 8);
    assert_ok(eai_weights_parse(&w, file, 10, "t", &err), &err);
    assert_int_equal(eai_weights_count(w), 0);
    eai_weights_close(w);
}

/* Data that the header leaves unaligned comes out aligned for its type. */
static void test_unaligned_data(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    size_t n = 0;

    for (int spaces = 0; spaces < 8; spaces++) {
        char header[128];
        snprintf(header, sizeof(header), "{\"x\":" F32("[2]", "[0,8]") "%.*s}", spaces, "        ");
        uint8_t *file = make_file(&n, header, 8);
        memcpy(file + n - 8, (float[]){1, 2}, 8);
        assert_ok(eai_weights_parse(&w, file, n, "t", &err), &err);
        const float *x = eai_weights_find(w, "x")->data;
        assert_int_equal((uintptr_t)x % sizeof(float), 0);
        assert_true(x[0] == 1 && x[1] == 2);
        eai_weights_close(w);
        free(file);
    }
}

static eai_status parse_copy(const char *file, size_t n)
{
    eai_weights *w = NULL;
    eai_error err = EAI_ERROR_INIT;
    char *exact = malloc(n + 1);

    assert_non_null(exact);
    memcpy(exact, file, n);
    eai_status st = eai_weights_parse(&w, exact, n, "t", &err);
    assert_true(st == EAI_OK || err.message[0]);
    eai_weights_close(w);
    free(exact);
    return st;
}

static void test_cut_at_every_byte_and_flipped_bits(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *file = NULL;
    size_t n = 0;

    assert_ok(eai_fs_read_file(&file, &n, REFERENCE, 1 << 20, &err), &err);
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal(parse_copy(file, i), EAI_OK);
    for (size_t i = 0; i < n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            file[i] = (char)(file[i] ^ (1 << bit));
            (void)parse_copy(file, n);
            file[i] = (char)(file[i] ^ (1 << bit));
        }
    }
    assert_int_equal(parse_copy(file, n), EAI_OK);
    eai_free(file);
}

static eai_status open_and_save(void *ud, eai_error *err)
{
    eai_weights *w = NULL;
    eai_weights *copy = NULL;
    eai_status st = eai_weights_open(&w, REFERENCE, err);

    if (st == EAI_OK)
        st = eai_weights_create(&copy, "copy", err);
    for (size_t i = 0; st == EAI_OK && i < eai_weights_count(w); i++) {
        const eai_weight_tensor *t = eai_weights_at(w, i);
        st = eai_weights_add(copy, t->name, t->dtype, &t->shape, t->data, err);
        if (st != EAI_OK)
            assert_int_equal(eai_weights_count(copy), i);
    }
    if (st == EAI_OK)
        st = eai_weights_set_string(copy, "format", "np", err);
    if (st == EAI_OK)
        st = eai_weights_save(copy, ud, NULL, err);
    eai_weights_close(copy);
    eai_weights_close(w);
    return st;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    char *folder = eai_test_make_folder();
    char path[512];

    snprintf(path, sizeof(path), "%s/out.safetensors", folder);
    eai_test_torture(open_and_save, path);
    assert_same_file(path, REFERENCE);
    eai_test_remove_folder(folder);
}

/* A file that was written is opened again, and written anew. */
static eai_status open_own_and_save(void *ud, eai_error *err)
{
    eai_weights *w = NULL;
    eai_status st = eai_weights_open(&w, ud, err);
    if (st == EAI_OK)
        st = eai_weights_save(w, ud, NULL, err);
    eai_weights_close(w);
    return st;
}

static void check_same_as_reference(void *ud)
{
    assert_same_file(ud, REFERENCE);
}

static void test_faults_of_the_disk(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *folder = eai_test_make_folder();
    char path[512];

    snprintf(path, sizeof(path), "%s/out.safetensors", folder);
    assert_ok(open_and_save(path, &err), &err);
    eai_test_io_torture(open_own_and_save, check_same_as_reference, path, folder);
    eai_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_metadata_is_none),
        cmocka_unit_test(test_the_reference_s_file_is_read),
        cmocka_unit_test(test_we_write_the_reference_s_bytes),
        cmocka_unit_test(test_tensors_made_while_writing),
        cmocka_unit_test(test_what_cannot_be_written),
        cmocka_unit_test(test_a_gguf_file_is_saved),
        cmocka_unit_test(test_sets_in_memory),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_unaligned_data),
        cmocka_unit_test(test_cut_at_every_byte_and_flipped_bits),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_faults_of_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
