/* MLX's packings: the bytes of mx.quantize and the values of mx.dequantize
 * (tests/data/mlx_quant.json, by tools/oracles/mlx_quant_values.py), and what is refused. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include <efficientai/convert.h>
#include <efficientai/mlx_quant.h>

enum { COLUMNS = 128, MAX_ROWS = 8 };

static json_t *fixture;
static float x[MAX_ROWS * COLUMNS];
static int64_t n_rows;

static uint32_t parse_word(const char *hex)
{
    char digits[9];
    memcpy(digits, hex, 8);
    digits[8] = '\0';
    return (uint32_t)strtoul(digits, NULL, 16);
}

static int load(void **state)
{
    (void)state;
    fixture = json_load_file(EAI_TEST_DATA "/mlx_quant.json", 0, NULL);
    assert_non_null(fixture);
    const char *hex = json_string_value(json_object_get(fixture, "x"));
    n_rows = (int64_t)strlen(hex) / 8 / COLUMNS;
    assert_true(n_rows > 0 && n_rows <= MAX_ROWS);
    for (int64_t i = 0; i < n_rows * COLUMNS; i++)
        x[i] = eai_f32_from_bits(parse_word(hex + 8 * i));
    return 0;
}

static int unload(void **state)
{
    (void)state;
    json_decref(fixture);
    return 0;
}

static const char *text(const json_t *c, const char *key)
{
    return json_string_value(json_object_get(c, key));
}

static int whole(const json_t *c, const char *key)
{
    return (int)json_integer_value(json_object_get(c, key));
}

/* x as a matrix of that type holds it. */
static float rounded(float v, eai_dtype type)
{
    if (type == EAI_F16)
        return eai_f16_to_f32(eai_f16_from_f32(fminf(fmaxf(v, -60000), 60000)));
    return type == EAI_BF16 ? eai_bf16_to_f32(eai_bf16_from_f32(v)) : v;
}

static void assert_bytes(const char *hex, const uint8_t *bytes, size_t n, const char *what,
                         const eai_mlx_packing *p, int64_t row)
{
    for (size_t i = 0; i < n; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        if (bytes[i] != (uint8_t)strtoul(digits, NULL, 16))
            fail_msg(
                "%s %d bits, groups of %d, %s, row %lld: byte %zu of the %s is %02x, MLX has %s",
                eai_mlx_mode_name(p->mode), p->bits, p->group, eai_dtype_get(p->type)->name,
                (long long)row, i, what, bytes[i], digits);
    }
}

static void check_row(const json_t *c, const eai_mlx_packing *p, int64_t row)
{
    eai_error err = EAI_ERROR_INIT;
    float values[COLUMNS];
    uint32_t codes[COLUMNS];
    uint8_t scales[COLUMNS * 4];
    uint8_t biases[COLUMNS * 4];
    size_t n_words = (size_t)(COLUMNS * p->bits / 32);
    size_t n_bytes = (size_t)(COLUMNS / p->group * eai_dtype_get(p->type)->bytes);

    for (int j = 0; j < COLUMNS; j++)
        values[j] = rounded(x[row * COLUMNS + j], p->type);
    assert_ok(eai_mlx_quantize_row(codes, scales, biases, p, values, COLUMNS, &err), &err);
    for (size_t i = 0; i < n_words; i++) {
        uint32_t expected = parse_word(text(c, "codes") + 8 * ((size_t)row * n_words + i));
        if (codes[i] != expected)
            fail_msg("%s %d bits, groups of %d, %s, row %lld: word %zu is %08x, MLX has %08x",
                     eai_mlx_mode_name(p->mode), p->bits, p->group, eai_dtype_get(p->type)->name,
                     (long long)row, i, codes[i], expected);
    }
    assert_bytes(text(c, "scales") + 2 * (size_t)row * n_bytes, scales, n_bytes, "scales", p, row);
    if (p->mode == EAI_MLX_MODE_AFFINE)
        assert_bytes(text(c, "biases") + 2 * (size_t)row * n_bytes, biases, n_bytes, "biases", p,
                     row);
    if (!text(c, "floats"))
        return;
    eai_mlx_dequantize_row(values, codes, scales, biases, p, COLUMNS);
    for (int j = 0; j < COLUMNS; j++) {
        float expected =
            eai_f32_from_bits(parse_word(text(c, "floats") + 8 * (size_t)(row * COLUMNS + j)));
        float tolerance = 1e-6f * fabsf(expected); /* MLX may fuse the multiply-add */
        if (!(fabsf(values[j] - expected) <= tolerance + 1e-6f * fabsf(x[row * COLUMNS])))
            fail_msg("%s, row %lld: element %d is %.9g, MLX has %.9g", eai_mlx_mode_name(p->mode),
                     (long long)row, j, (double)values[j], (double)expected);
    }
}

static void bytes_are_mlxs(void **state)
{
    (void)state;
    size_t i;
    json_t *c;
    size_t n = 0;
    json_array_foreach(json_object_get(fixture, "cases"), i, c)
    {
        eai_error err = EAI_ERROR_INIT;
        eai_mlx_packing p = {EAI_MLX_MODE_AFFINE, whole(c, "bits"), whole(c, "group"), EAI_F32};
        assert_true(eai_mlx_mode_from_name(&p.mode, text(c, "mode")));
        assert_true(eai_dtype_from_name(&p.type, text(c, "type")));
        assert_ok(eai_mlx_packing_check(&p, COLUMNS, &err), &err);
        for (int64_t row = 0; row < n_rows; row++)
            check_row(c, &p, row);
        n++;
    }
    assert_int_equal(n, 18 + 6 + 3);
}

static void defaults_are_mlxs(void **state)
{
    (void)state;
    static const struct {
        eai_mlx_mode mode;
        eai_dtype type;
        int bits, group;
    } cases[] = {{EAI_MLX_MODE_AFFINE, EAI_BF16, 4, 64},
                 {EAI_MLX_MODE_MXFP4, EAI_U8, 4, 32},
                 {EAI_MLX_MODE_MXFP8, EAI_U8, 8, 32},
                 {EAI_MLX_MODE_NVFP4, EAI_U8, 4, 16}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_mlx_packing p = {cases[i].mode, 0, 0, cases[i].type};
        assert_ok(eai_mlx_packing_check(&p, 128, &err), &err);
        assert_int_equal(p.bits, cases[i].bits);
        assert_int_equal(p.group, cases[i].group);
    }
}

/* Every code of 8 bits that is a number, and every one of 4, comes back as it was. */
static void small_floats_come_back(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    float values[32];
    float again[32];
    uint32_t codes[8];
    uint32_t back[8];
    uint8_t scales[2] = {127, 127};
    eai_mlx_packing p = {EAI_MLX_MODE_MXFP8, 8, 32, EAI_U8};
    for (uint32_t first = 0; first < 256; first += 31) { /* and 448, so that the scale stays 1 */
        for (uint32_t j = 0; j < 32; j++) {
            uint32_t q = j == 31 ? 126 : (first + j) & 255;
            ((uint8_t *)codes)[j] = (uint8_t)((q & 127) == 127 ? 1 : q);
        }
        eai_mlx_dequantize_row(values, codes, scales, NULL, &p, 32);
        assert_ok(eai_mlx_quantize_row(back, scales, NULL, &p, values, 32, &err), &err);
        assert_int_equal(scales[0], 127);
        assert_memory_equal(codes, back, sizeof(codes));
        eai_mlx_dequantize_row(again, back, scales, NULL, &p, 32);
        assert_memory_equal(values, again, sizeof(values));
    }
}

static void bad_ones_are_refused(void **state)
{
    (void)state;
    static const struct {
        eai_mlx_packing p;
        int64_t n;
        eai_status code;
        const char *text;
    } cases[] = {
        {{EAI_MLX_MODE_AFFINE, 7, 64, EAI_F32}, 128, EAI_ERR_UNSUPPORTED, "affine with 7 bits"},
        {{EAI_MLX_MODE_AFFINE, 1, 64, EAI_F32}, 128, EAI_ERR_UNSUPPORTED, "affine with 1 bits"},
        {{EAI_MLX_MODE_AFFINE, 4, 16, EAI_F32}, 128, EAI_ERR_UNSUPPORTED, "groups of 16"},
        {{EAI_MLX_MODE_AFFINE, 4, 64, EAI_U8}, 128, EAI_ERR_UNSUPPORTED, "scales of type u8"},
        {{EAI_MLX_MODE_MXFP4, 4, 64, EAI_U8},
         128,
         EAI_ERR_UNSUPPORTED,
         "mxfp4 with 4 bits and groups"},
        {{EAI_MLX_MODE_NVFP4, 8, 16, EAI_U8}, 128, EAI_ERR_UNSUPPORTED, "nvfp4 with 8 bits"},
        {{EAI_MLX_MODE_NVFP4, 4, 16, EAI_F32}, 128, EAI_ERR_UNSUPPORTED, "they are u8"},
        {{EAI_MLX_MODE_AFFINE, 4, 64, EAI_F32}, 96, EAI_ERR_SHAPE, "rows of 96 elements"},
        {{EAI_MLX_MODE_NVFP4, 4, 16, EAI_U8}, 48, EAI_ERR_SHAPE, "rows of 48 elements"},
    };
    eai_error err = EAI_ERROR_INIT;
    eai_mlx_mode mode;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_mlx_packing p = cases[i].p;
        assert_fails(eai_mlx_packing_check(&p, cases[i].n, &err), cases[i].code, &err,
                     cases[i].text);
    }
    assert_false(eai_mlx_mode_from_name(&mode, "int4"));

    float values[64] = {0};
    uint32_t codes[8];
    float scales[1];
    float biases[1];
    eai_mlx_packing p = {EAI_MLX_MODE_AFFINE, 4, 64, EAI_F32};
    values[3] = NAN;
    assert_fails(eai_mlx_quantize_row(codes, scales, biases, &p, values, 64, &err), EAI_ERR_NUMERIC,
                 &err, "element 3 is nan, which affine cannot hold");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_mlxs),
        cmocka_unit_test(defaults_are_mlxs),
        cmocka_unit_test(small_floats_come_back),
        cmocka_unit_test(bad_ones_are_refused),
    };
    return cmocka_run_group_tests_name("graph.mlx_quant", tests, load, unload);
}
