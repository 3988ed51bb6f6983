/* Conversions of rows and scalars. What is guarded: rounding (ties to even, overflow, subnormals,
 * NaN), the block formats' bytes against ggml's (tests/data/quants.json), refusal of what they
 * cannot hold. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include <efficientai/convert.h>

static void test_f16_survives_a_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = eai_f16_to_f32((uint16_t)h);
        bool nan = (h & 0x7c00) == 0x7c00 && (h & 0x3ff) != 0;
        assert_int_equal(isnan(x) != 0, nan);
        assert_int_equal(eai_f16_from_f32(x), nan ? (h | 0x200) : h);
    }
}

/* Every pair of neighbouring halves: their midpoint goes to the even one, a float next to it to the
 * nearer one. Covers subnormals, normals and the step to infinity. */
static void test_f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double low = (double)eai_f16_to_f32((uint16_t)h);
        double high = h + 1 == 0x7c00 ? 65536.0 : (double)eai_f16_to_f32((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2); /* exact */
        assert_int_equal(eai_f16_from_f32(middle), h & 1 ? h + 1 : h);
        assert_int_equal(eai_f16_from_f32(nextafterf(middle, 0.0f)), h);
        assert_int_equal(eai_f16_from_f32(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(eai_f16_from_f32(-middle), (h & 1 ? h + 1 : h) | 0x8000);
    }
    assert_int_equal(eai_f16_from_f32(INFINITY), 0x7c00);
    assert_int_equal(eai_f16_from_f32(-3e38f), 0xfc00);
}

static void test_bf16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = eai_bf16_to_f32((uint16_t)h);
        bool nan = (h & 0x7f80) == 0x7f80 && (h & 0x7f) != 0;
        assert_int_equal(isnan(x) != 0, nan);
        assert_int_equal(eai_bf16_from_f32(x), nan ? (h | 0x40) : h);
    }
    for (uint32_t h = 0; h < 0x7f80; h++) {
        float middle = eai_f32_from_bits(h << 16 | 0x8000);
        assert_int_equal(eai_bf16_from_f32(middle), h & 1 ? h + 1 : h);
        assert_int_equal(eai_bf16_from_f32(eai_f32_from_bits(h << 16 | 0x7fff)), h);
        assert_int_equal(eai_bf16_from_f32(eai_f32_from_bits(h << 16 | 0x8001)), h + 1);
    }
    /* a NaN whose payload sits in the low bits only must not become infinity, nor carry into the
     * sign */
    assert_true(isnan(eai_bf16_to_f32(eai_bf16_from_f32(eai_f32_from_bits(0x7f800001)))));
    assert_true(isnan(eai_bf16_to_f32(eai_bf16_from_f32(eai_f32_from_bits(0x7fffffff)))));
}

/* The floats whose bits are listed as 8 hexadecimal digits each. Freed with free. */
static float *read_floats(const json_t *list, size_t *n)
{
    *n = json_array_size(list);
    float *out = malloc(*n * sizeof(float));
    assert_non_null(out);
    for (size_t i = 0; i < *n; i++)
        out[i] = eai_f32_from_bits(
            (uint32_t)strtoul(json_string_value(json_array_get(list, i)), NULL, 16));
    return out;
}

static void check_block_format(const json_t *root, eai_dtype t)
{
    const json_t *expected = json_object_get(root, eai_dtype_get(t)->name);
    const char *hex = json_string_value(json_object_get(expected, "bytes"));
    size_t n = 0;
    size_t n_values = 0;
    float *x = read_floats(json_object_get(root, "x"), &n);
    float *values = read_floats(json_object_get(expected, "values"), &n_values);
    size_t bytes = eai_row_bytes(t, (int64_t)n);
    uint8_t *packed = malloc(bytes);
    float *unpacked = malloc(n * sizeof(float));
    eai_error err = EAI_ERROR_INIT;

    assert_true(packed && unpacked && hex);
    assert_int_equal(n, n_values);
    assert_int_equal(strlen(hex), 2 * bytes);
    assert_ok(eai_quantize_row(packed, t, x, (int64_t)n, &err), &err);
    for (size_t i = 0; i < bytes; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        if (packed[i] != strtoul(two, NULL, 16))
            fail_msg("%s: byte %zu is %02x, the oracle has %s", eai_dtype_get(t)->name, i,
                     packed[i], two);
    }
    eai_dequantize_row(unpacked, t, packed, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        if (eai_f32_bits(unpacked[i]) != eai_f32_bits(values[i]))
            fail_msg("%s: element %zu is %.9g, the oracle has %.9g", eai_dtype_get(t)->name, i,
                     (double)unpacked[i], (double)values[i]);
    }
    free(x);
    free(values);
    free(packed);
    free(unpacked);
}

static void test_block_formats_equal_ggml(void **state)
{
    (void)state;
    json_error_t why;
    json_t *root = json_load_file(EAI_TEST_DATA "/quants.json", 0, &why);
    if (!root)
        fail_msg("quants.json: %s", why.text);
    check_block_format(root, EAI_Q8_0);
    check_block_format(root, EAI_Q4_0);
    check_block_format(root, EAI_Q4_1);
    check_block_format(root, EAI_Q5_0);
    check_block_format(root, EAI_Q5_1);
    check_block_format(root, EAI_MXFP4);
    json_decref(root);
}

/* The bytes that a hexadecimal text stands for. Freed with free. */
static uint8_t *read_bytes(const char *hex, size_t *n)
{
    assert_non_null(hex);
    *n = strlen(hex) / 2;
    uint8_t *out = malloc(*n + 1);
    assert_non_null(out);
    for (size_t i = 0; i < *n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return out;
}

/* Floats whose bits are written one after the other, 8 hexadecimal digits each. */
static float *read_packed_floats(const json_t *text, size_t *n)
{
    const char *hex = json_string_value(text);
    assert_non_null(hex);
    *n = strlen(hex) / 8;
    float *out = malloc(*n * sizeof(float) + 1);
    assert_non_null(out);
    for (size_t i = 0; i < *n; i++) {
        char digits[9] = {0};
        memcpy(digits, hex + 8 * i, 8);
        out[i] = eai_f32_from_bits((uint32_t)strtoul(digits, NULL, 16));
    }
    return out;
}

static json_t *load_kquants(void)
{
    json_error_t why;
    json_t *root = json_load_file(EAI_TEST_DATA "/kquants.json", 0, &why);
    if (!root)
        fail_msg("kquants.json: %s", why.text);
    return root;
}

/* Any bytes, scales that are infinite, NaN or subnormal among them. */
static void test_unpacked_values_equal_ggml(void **state)
{
    (void)state;
    json_t *root = load_kquants();
    const char *name = NULL;
    json_t *entry = NULL;
    int types = 0;

    json_object_foreach(json_object_get(root, "unpack"), name, entry)
    {
        eai_dtype t = EAI_F32;
        size_t n_bytes = 0;
        size_t n = 0;
        assert_true(eai_dtype_from_name(&t, name));
        uint8_t *bytes = read_bytes(json_string_value(json_object_get(entry, "bytes")), &n_bytes);
        float *expected = read_packed_floats(json_object_get(entry, "values"), &n);
        float *actual = malloc(n * sizeof(float));
        assert_non_null(actual);
        assert_int_equal(eai_row_bytes(t, (int64_t)n), n_bytes);
        assert_true(n_bytes > 0);
        eai_dequantize_row(actual, t, bytes, (int64_t)n);
        for (size_t i = 0; i < n; i++) {
            bool same = isnan(expected[i]) ? isnan(actual[i])
                                           : eai_f32_bits(actual[i]) == eai_f32_bits(expected[i]);
            if (!same)
                fail_msg("%s: element %zu is %.9g, the oracle has %.9g", name, i, (double)actual[i],
                         (double)expected[i]);
        }
        types++;
        free(bytes);
        free(expected);
        free(actual);
    }
    assert_int_equal(types, 10);
    json_decref(root);
}

/* Root mean squares of the error in 256 elements, plain and weighted as the oracle does. */
static void measure_errors(double *plain, double *weighted, const float *x, const float *y)
{
    double squares = 0;
    double sum = 0;
    double weights = 0;
    double weighted_sum = 0;
    for (int i = 0; i < 256; i++)
        squares += (double)x[i] * (double)x[i];
    for (int i = 0; i < 256; i++) {
        double e = (double)x[i] - (double)y[i];
        double w = sqrt(squares / 256) + fabs((double)x[i]);
        sum += e * e;
        weighted_sum += w * e * e;
        weights += w;
    }
    *plain = sqrt(sum / 256);
    *weighted = sqrt(weighted_sum / weights);
}

/* The formats whose scales are searched lose no more than ggml's: of the error that the search
 * minimizes and of the plain one no block more than 1 %, and less on the whole. */
static void test_searched_scales_are_as_good_as_ggml_s(void **state)
{
    (void)state;
    json_t *root = load_kquants();
    const json_t *pack = json_object_get(root, "pack");
    const eai_dtype types[] = {EAI_IQ4_NL, EAI_Q2_K, EAI_Q3_K, EAI_Q4_K, EAI_Q5_K, EAI_Q6_K};
    size_t n = 0;
    float *x = read_packed_floats(json_object_get(pack, "x"), &n);
    float *y = malloc(n * sizeof(float));
    uint8_t *row = malloc(n * sizeof(float));
    eai_error err = EAI_ERROR_INIT;

    assert_true(y && row && n >= 2048);
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
        const char *name = eai_dtype_get(types[t])->name;
        const json_t *ggml = json_object_get(pack, name);
        double ratios = 0;
        assert_ok(eai_quantize_row(row, types[t], x, (int64_t)n, &err), &err);
        eai_dequantize_row(y, types[t], row, (int64_t)n);
        for (size_t b = 0; b < n / 256; b++) {
            double plain = 0;
            double weighted = 0;
            measure_errors(&plain, &weighted, x + 256 * b, y + 256 * b);
            plain /= json_number_value(json_array_get(json_object_get(ggml, "rms"), b));
            weighted /= json_number_value(json_array_get(json_object_get(ggml, "weighted"), b));
            ratios += plain;
            if (!(plain <= 1.01) || !(weighted <= 1.01))
                fail_msg("%s block %zu: %.3f times ggml's error, weighted %.3f times", name, b,
                         plain, weighted);
        }
        assert_true(ratios / (double)(n / 256) <= 0.99);
    }
    free(x);
    free(y);
    free(row);
    json_decref(root);
}

/* Numbers that are multiples of one step come back within a quarter of it, equal ones as they were.
 */
static void test_searched_scales_find_steps(void **state)
{
    (void)state;
    const eai_dtype types[] = {EAI_IQ4_NL, EAI_Q2_K, EAI_Q3_K, EAI_Q4_K, EAI_Q5_K, EAI_Q6_K};
    static const int levels[] = {0, 3, 7, 15, 31, 63}; /* above the lowest */
    static float x[256];
    static float y[256];
    uint8_t row[256];
    eai_error err = EAI_ERROR_INIT;

    for (size_t t = 1; t < 6; t++) {
        bool centred = types[t] == EAI_Q3_K || types[t] == EAI_Q6_K;
        for (int i = 0; i < 256; i++)
            x[i] = (float)(i * 7 % (levels[t] + 1) - (centred ? (levels[t] + 1) / 2 : 0)) * 0.125f;
        assert_ok(eai_quantize_row(row, types[t], x, 256, &err), &err);
        eai_dequantize_row(y, types[t], row, 256);
        for (int i = 0; i < 256; i++) {
            if (fabsf(x[i] - y[i]) > 0.25f * 0.125f)
                fail_msg("%s: element %d is %g, expected %g", eai_dtype_get(types[t])->name, i,
                         (double)y[i], (double)x[i]);
        }
    }
    for (size_t t = 0; t < 6; t++) {
        const float values[] = {0, -3, 0.5f};
        for (size_t v = 0; v < 3; v++) {
            for (int i = 0; i < 256; i++)
                x[i] = values[v];
            assert_ok(eai_quantize_row(row, types[t], x, 256, &err), &err);
            eai_dequantize_row(y, types[t], row, 256);
            for (int i = 0; i < 256; i++)
                assert_true(fabsf(y[i] - x[i]) <= 0.001f * fabsf(x[i]));
        }
    }
}

static void test_plain_types(void **state)
{
    (void)state;
    const double f64[3] = {1.5, -1e300, 0.1};
    const int32_t i32[3] = {-5, 16777217, 7};
    const int64_t i64[3] = {-5, 1LL << 40, 7};
    const uint8_t u8[3] = {0, 128, 255};
    const float x[4] = {1.0f, -2.5f, 1e-8f, 65520.0f};
    uint8_t buffer[33];
    float y[4];
    eai_error err = EAI_ERROR_INIT;

    eai_dequantize_row(y, EAI_F64, f64, 3);
    assert_true(y[0] == 1.5f && y[1] == -INFINITY && y[2] == 0.1f);
    eai_dequantize_row(y, EAI_I32, i32, 3);
    assert_true(y[0] == -5 && y[1] == 16777216.0f && y[2] == 7);
    eai_dequantize_row(y, EAI_I64, i64, 3);
    assert_true(y[0] == -5 && y[1] == 0x1p40f && y[2] == 7);
    eai_dequantize_row(y, EAI_U8, u8, 3);
    assert_true(y[0] == 0 && y[1] == 128 && y[2] == 255);

    /* an odd address on purpose: rows of a mapped file need no alignment */
    const eai_dtype floats[] = {EAI_F32, EAI_F64, EAI_F16, EAI_BF16};
    for (size_t i = 0; i < 4; i++) {
        assert_ok(eai_quantize_row(buffer + 1, floats[i], x, 4, &err), &err);
        eai_dequantize_row(y, floats[i], buffer + 1, 4);
        assert_true(y[0] == 1.0f && y[1] == -2.5f);
        assert_true(floats[i] == EAI_F16 ? y[2] == 0 : fabsf(y[2] - 1e-8f) < 1e-10f);
        assert_true(floats[i] == EAI_F16 ? isinf(y[3]) : fabsf(y[3] - 65520.0f) < 100);
    }
    eai_dequantize_row(NULL, EAI_F32, NULL, 0);
    assert_ok(eai_quantize_row(NULL, EAI_F32, NULL, 0, &err), &err);
}

static void test_refusals(void **state)
{
    (void)state;
    const eai_dtype blocks[] = {EAI_Q8_0, EAI_Q4_0, EAI_Q4_1, EAI_Q5_0, EAI_Q5_1, EAI_IQ4_NL,
                                EAI_Q2_K, EAI_Q3_K, EAI_Q4_K, EAI_Q5_K, EAI_Q6_K, EAI_MXFP4};
    const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f, -1e30f};
    uint8_t row[2 * 256];
    eai_error err = EAI_ERROR_INIT;

    for (size_t b = 0; b < sizeof(blocks) / sizeof(blocks[0]); b++) {
        int64_t n = 2 * eai_dtype_get(blocks[b])->block;
        for (size_t v = 0; v < 5; v++) {
            float x[512] = {0};
            x[n - 19] = bad[v];
            if (blocks[b] == EAI_MXFP4 && isfinite(bad[v])) { /* its exponent reaches any float */
                assert_ok(eai_quantize_row(row, blocks[b], x, n, &err), &err);
                eai_dequantize_row(x, blocks[b], row, n);
                assert_true(fabsf(x[n - 19] / bad[v] - 1) < 0.26f);
                continue;
            }
            char element[32];
            snprintf(element, sizeof(element), "element %d", (int)n - 19);
            assert_fails(eai_quantize_row(row, blocks[b], x, n, &err), EAI_ERR_NUMERIC, &err,
                         element);
        }
        /* so small that 1/d overflows: not an error, all zero (mxfp4: its smallest step) */
        float tiny[256] = {0};
        tiny[3] = 1e-44f;
        assert_ok(eai_quantize_row(row, blocks[b], tiny, n / 2, &err), &err);
        eai_dequantize_row(tiny, blocks[b], row, n / 2);
        assert_true(tiny[3] == 0 && tiny[0] == 0);
    }
    float one = 1;
    assert_fails(eai_quantize_row(row, EAI_I32, &one, 1, &err), EAI_ERR_UNSUPPORTED, &err, "i32");
    assert_int_equal(eai_quantize_row(row, EAI_U8, &one, 1, NULL), EAI_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f16_survives_a_round_trip),
        cmocka_unit_test(test_f16_rounds_to_nearest_even),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_block_formats_equal_ggml),
        cmocka_unit_test(test_unpacked_values_equal_ggml),
        cmocka_unit_test(test_searched_scales_are_as_good_as_ggml_s),
        cmocka_unit_test(test_searched_scales_find_steps),
        cmocka_unit_test(test_plain_types),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
