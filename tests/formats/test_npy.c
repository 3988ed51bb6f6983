/* .npy files. What is guarded: numpy's own bytes both ways (they are small, so they stand here),
 * versions 1 to 3, headers that lie or are cut, failing allocations. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/npy.h>

/* What numpy.save writes for numpy.arange(6, dtype='<f4').reshape(2, 3): 118 bytes of header text.
 */
static const char dictionary[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

static size_t build(uint8_t *file, int major, const char *text, const void *data, size_t n_data)
{
    size_t fixed = major == 1 ? 10 : 12;
    size_t n = strlen(text);

    memcpy(file, "\x93NUMPY", 6);
    file[6] = (uint8_t)major;
    file[7] = 0;
    file[8] = (uint8_t)n;
    file[9] = (uint8_t)(n >> 8);
    file[10] = file[11] = 0;
    memcpy(file + fixed, text, n);
    if (n_data)
        memcpy(file + fixed + n, data, n_data);
    return fixed + n + n_data;
}

static void test_numpy_s_bytes(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    const float x[6] = {0, 1, 2, 3, 4, 5};
    uint8_t expected[256];
    char text[128];
    char *folder = eai_test_make_folder();
    char path[512];
    char *got = NULL;
    size_t n_got = 0;
    eai_npy *a = NULL;

    snprintf(text, sizeof(text), "%-117s\n", dictionary);
    size_t n = build(expected, 1, text, x, sizeof(x));
    assert_int_equal(n, 128 + 24);
    snprintf(path, sizeof(path), "%s/x.npy", folder);
    assert_ok(eai_npy_write(path, EAI_F32, &EAI_SHAPE2(2, 3), x, &err), &err);
    assert_ok(eai_fs_read_file(&got, &n_got, path, 4096, &err), &err);
    assert_int_equal(n_got, n);
    assert_memory_equal(got, expected, n);
    assert_ok(eai_npy_read(&a, path, &err), &err);
    assert_int_equal(a->dtype, EAI_F32);
    assert_true(eai_shape_equal(&a->shape, &EAI_SHAPE2(2, 3)));
    assert_memory_equal(a->data, x, sizeof(x));
    eai_npy_free(a);
    eai_free(got);
    eai_test_remove_folder(folder);
}

static void test_types_and_shapes_go_round(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    const eai_dtype dtypes[] = {EAI_F32, EAI_F64, EAI_F16, EAI_I32, EAI_I64, EAI_U8};
    const eai_shape shapes[] = {EAI_SHAPE0,       EAI_SHAPE1(1),          EAI_SHAPE1(7),
                                EAI_SHAPE2(0, 3), EAI_SHAPE4(2, 1, 3, 2), {5, {1, 2, 1, 2, 1}}};
    char *folder = eai_test_make_folder();
    char path[512];
    uint8_t data[128];
    eai_npy *a = NULL;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(3 * i);
    snprintf(path, sizeof(path), "%s/x.npy", folder);
    for (size_t d = 0; d < 6; d++) {
        for (size_t s = 0; s < 6; s++) {
            size_t bytes = 0;
            assert_true(eai_tensor_bytes(&bytes, dtypes[d], &shapes[s]));
            assert_ok(eai_npy_write(path, dtypes[d], &shapes[s], data, &err), &err);
            assert_ok(eai_npy_read(&a, path, &err), &err);
            assert_int_equal(a->dtype, dtypes[d]);
            assert_true(eai_shape_equal(&a->shape, &shapes[s]));
            assert_int_equal(a->bytes, bytes);
            if (bytes)
                assert_memory_equal(a->data, data, bytes);
            eai_npy_free(a);
        }
    }
    assert_fails(eai_npy_write(path, EAI_BF16, &EAI_SHAPE1(1), data, &err), EAI_ERR_UNSUPPORTED,
                 &err, "no type for bf16");
    assert_fails(eai_npy_write("/nonexistent/x.npy", EAI_U8, &EAI_SHAPE1(1), data, &err),
                 EAI_ERR_IO, &err, "/nonexistent/x.npy");
    assert_fails(eai_npy_read(&a, "/nonexistent/x.npy", &err), EAI_ERR_IO, &err, "x.npy");
    assert_null(a);
    eai_test_remove_folder(folder);
}

static void test_other_writers(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    uint8_t file[256];
    eai_npy *a = NULL;
    const char *texts[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }",
        "{'shape': (2,), 'descr': '|u1', 'fortran_order': False}",
        "{\"descr\":\"|u1\",\"fortran_order\":False,\"shape\":(2)}\n",
        "{ 'descr' : '|u1' , 'fortran_order' : False , 'shape' : ( 1 , 2 , ) , }  \n",
    };

    for (int major = 1; major <= 3; major++) {
        for (size_t i = 0; i < 4; i++) {
            size_t n = build(file, major, texts[i], "\7\11", 2);
            assert_ok(eai_npy_parse(&a, file, n, "t", &err), &err);
            assert_int_equal(a->bytes, 2);
            assert_memory_equal(a->data, "\7\11", 2);
            eai_npy_free(a);
        }
    }
}

static void refuse(const char *text, size_t n_data, eai_status code, const char *message)
{
    static const uint8_t zeros[64];
    eai_error err = EAI_ERROR_INIT;
    uint8_t *file = malloc(512);
    eai_npy *a = NULL;

    assert_non_null(file);
    size_t n = build(file, 1, text, zeros, n_data);
    file = realloc(file, n);
    assert_non_null(file);
    assert_fails(eai_npy_parse(&a, file, n, "t.npy", &err), code, &err, message);
    assert_int_equal(strncmp(err.message, "t.npy: ", 7), 0);
    assert_null(a);
    free(file);
}

#define HEADER(descr, order, shape)                                                                \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape "}"

static void test_headers_that_lie(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_npy *a = NULL;
    uint8_t file[256];

    refuse(HEADER("'>f4'", "False", "(1,)"), 4, EAI_ERR_UNSUPPORTED, "type '>f4'");
    refuse(HEADER("[('a', '<f4')]", "False", "(1,)"), 4, EAI_ERR_FORMAT, "'descr'");
    refuse(HEADER("'<f45678901234567'", "False", "(1,)"), 4, EAI_ERR_FORMAT, "'descr'");
    refuse(HEADER("'<f4'", "True", "(1,)"), 4, EAI_ERR_UNSUPPORTED, "fortran_order");
    refuse(HEADER("'<f4'", "False", "(1"), 4, EAI_ERR_FORMAT, "'shape'");
    refuse(HEADER("'<f4'", "False", "(-1,)"), 4, EAI_ERR_FORMAT, "'shape'");
    refuse(HEADER("'<f4'", "False", "(1 2)"), 4, EAI_ERR_FORMAT, "'shape'");
    refuse(HEADER("'<f4'", "False", "(1,1,1,1,1,1)"), 4, EAI_ERR_FORMAT, "at most 5");
    refuse(HEADER("'<f4'", "False", "(99999999999999999999,)"), 4, EAI_ERR_FORMAT, "'shape'");
    refuse(HEADER("'|u1'", "False", "(4611686018427387904, 4, 0)"), 0, EAI_ERR_FORMAT, "too large");
    refuse(HEADER("'<f4'", "False", "(2,)"), 4, EAI_ERR_FORMAT,
           "4 bytes of data are not what shape [2]");
    refuse(HEADER("'<f4'", "False", "(1,)"), 8, EAI_ERR_FORMAT, "8 bytes of data");
    refuse("{'descr': '<f4', 'shape': (1,)}", 4, EAI_ERR_FORMAT, "is missing");
    refuse("{'evil': 1}", 4, EAI_ERR_FORMAT, "key 'evil'");
    refuse("{'descr' '<f4'}", 4, EAI_ERR_FORMAT, "':'");
    refuse("{'descr': '<f4' 'shape': (1,)}", 4, EAI_ERR_FORMAT, "','");
    refuse("[]", 4, EAI_ERR_FORMAT, "no dictionary");
    refuse("", 0, EAI_ERR_FORMAT, "no dictionary");
    refuse(HEADER("'<f4'", "False", "(1,)") " x", 4, EAI_ERR_FORMAT, "behind the dictionary");

    size_t n = build(file, 4, dictionary, file, 24);
    assert_fails(eai_npy_parse(&a, file, n, "t", &err), EAI_ERR_UNSUPPORTED, &err, "version 4");
    n = build(file, 2, dictionary, file, 24);
    file[11] = 0xff;
    assert_fails(eai_npy_parse(&a, file, n, "t", &err), EAI_ERR_LIMIT, &err, "a header of");
    assert_fails(eai_npy_parse(&a, "PK\3\4PK", 6, "t", &err), EAI_ERR_FORMAT, &err, "not a .npy");
}

static eai_status parse_all(void *ud, eai_error *err)
{
    uint8_t file[256];
    eai_npy *a = NULL;
    size_t n = build(file, 1, dictionary, "aaaabbbbccccddddeeeeffff", 24);

    (void)ud;
    eai_status st = eai_npy_parse(&a, file, n, "t", err);
    eai_npy_free(a);
    return st;
}

static void test_cut_at_every_byte_and_failing_allocations(void **state)
{
    (void)state;
    uint8_t file[256];
    size_t n = build(file, 1, dictionary, "aaaabbbbccccddddeeeeffff", 24);

    for (size_t i = 0; i < n; i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_npy *a = NULL;
        uint8_t *exact = malloc(i + 1);
        assert_non_null(exact);
        memcpy(exact, file, i);
        assert_int_not_equal(eai_npy_parse(&a, exact, i, "t", &err), EAI_OK);
        free(exact);
    }
    eai_test_torture(parse_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numpy_s_bytes),
        cmocka_unit_test(test_types_and_shapes_go_round),
        cmocka_unit_test(test_other_writers),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_cut_at_every_byte_and_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
