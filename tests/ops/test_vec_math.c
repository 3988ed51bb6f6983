/* The vectorised functions of every instruction set that the machine has, and of the emulated one,
 * against the C library in double: over all magnitudes of floats, special values, in every lane and
 * tail, in place. Guarded: a polynomial or a constant copied wrongly, NaN or infinity lost in a
 * select, subnormals, the last part of a row, sums that lose digits. */
#include <math.h>

#include <efficientai/convert.h>

#include "engine/cpu/cpu.h"
#include "engine/cpu/vec.h"
#include "support/eai_test.h"

extern const cpu_vec_table cpu_vec_emulated;

/* Calls fn for each table that can run here. */
static void for_each_table(void (*fn)(const cpu_vec_table *v))
{
    size_t n;
    const cpu_isa *isas = cpu__isas(&n);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && isas[i].vec == isas[i - 1].vec)
            continue;
        if (!isas[i].present()) {
            print_message("SKIPPED %s: this machine lacks it\n", isas[i].name);
            continue;
        }
        fn(isas[i].vec);
    }
    fn(&cpu_vec_emulated);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static const struct {
    const char *name;
    eai_op op;
    double (*f)(double);
    double units;    /* in the last place */
    double smallest; /* below it, in the last place of this: e^x is subnormal while x e^x is not */
} functions[] = {
    {"exp", EAI_OP_EXP, exp, 1.5, 0x1p-126},
    {"log", EAI_OP_LOG, log, 1.5, 0x1p-126},
    {"sigmoid", EAI_OP_SIGMOID, sigmoid, 2.5, 0x1p-126},
    {"tanh", EAI_OP_TANH, tanh, 2, 0x1p-126},
    {"silu", EAI_OP_SILU, silu, 3.5, 0x1p-118},
};

/* Distance in units of the last place of the true value, or of the smallest one. */
static double units_between(float actual, double expected, double smallest)
{
    double unit = ldexp(1, ilogb(fmax(fabs(expected), smallest)) - 23);
    return fabs((double)actual - expected) / unit;
}

#define BATCH 4096

static void measure(const cpu_vec_table *v, size_t which)
{
    float x[BATCH];
    float y[BATCH];
    double worst = 0;
    float at = 0;
    uint32_t bits = 0;

    for (int batch = 0; batch < 256; batch++) {
        for (int i = 0; i < BATCH;
             i++, bits += 4093) /* all signs and exponents; 1 million in all */
            x[i] = eai_f32_from_bits(bits);
        v->map[functions[which].op](y, x, 1, NULL, 0, BATCH, NULL);
        for (int i = 0; i < BATCH; i++) {
            double expected = functions[which].f((double)x[i]);
            float rounded = (float)expected;
            if (isnan(expected) || isinf(rounded) || isinf(y[i])) {
                bool same = isnan(expected) ? isnan(y[i]) : y[i] == rounded;
                /* at the edge of overflow either neighbour is right */
                if (!same && !(fabs(expected) > 3.40282e38 && fabsf(y[i]) > 3.40282e38f))
                    fail_msg("%s %s(%.9g) = %.9g, expected %.9g", v->isa, functions[which].name,
                             (double)x[i], (double)y[i], expected);
                continue;
            }
            double units = units_between(y[i], expected, functions[which].smallest);
            if (!(units <= worst)) {
                worst = units;
                at = x[i];
            }
        }
    }
    print_message("%-10s %-8s at most %.2f units in the last place, at %.9g\n", v->isa,
                  functions[which].name, worst, (double)at);
    assert_true(worst <= functions[which].units);
}

static void measure_all(const cpu_vec_table *v)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        measure(v, i);
}

static void functions_are_accurate_over_all_magnitudes(void **state)
{
    (void)state;
    for_each_table(measure_all);
}

/* ---- known answers ---- */

static void expect(const cpu_vec_table *v, eai_op op, float x, float expected)
{
    float in[17];
    float out[17];
    for (int n = 1; n <= 17; n++) { /* every length of a tail */
        for (int i = 0; i < 17; i++)
            in[i] = x;
        memset(out, 0x55, sizeof(out));
        v->map[op](out, in, 1, NULL, 0, n, NULL);
        for (int i = 0; i < n; i++) {
            if (isnan(expected) ? !isnan(out[i])
                                : out[i] != expected || signbit(out[i]) != signbit(expected))
                fail_msg("%s %s(%.9g) = %.9g, expected %.9g", v->isa, eai_op_get(op)->name,
                         (double)x, (double)out[i], (double)expected);
        }
        for (int i = n; i < 17; i++) /* nothing is written behind the end */
            assert_int_equal(eai_f32_bits(out[i]), 0x55555555);
    }
}

static void check_special_values(const cpu_vec_table *v)
{
    const float inf = INFINITY;
    expect(v, EAI_OP_EXP, 0, 1);
    expect(v, EAI_OP_EXP, -inf, 0);
    expect(v, EAI_OP_EXP, inf, inf);
    expect(v, EAI_OP_EXP, NAN, NAN);
    expect(v, EAI_OP_EXP, 1000, inf);
    expect(v, EAI_OP_EXP, -1000, 0);
    expect(v, EAI_OP_LOG, 1, 0);
    expect(v, EAI_OP_LOG, 0, -inf);
    expect(v, EAI_OP_LOG, -0.0f, -inf);
    expect(v, EAI_OP_LOG, inf, inf);
    expect(v, EAI_OP_LOG, -1, NAN);
    expect(v, EAI_OP_LOG, -inf, NAN);
    expect(v, EAI_OP_LOG, NAN, NAN);
    expect(v, EAI_OP_SIGMOID, 0, 0.5f);
    expect(v, EAI_OP_SIGMOID, inf, 1);
    expect(v, EAI_OP_SIGMOID, -inf, 0);
    expect(v, EAI_OP_SIGMOID, NAN, NAN);
    expect(v, EAI_OP_TANH, 0, 0);
    expect(v, EAI_OP_TANH, inf, 1);
    expect(v, EAI_OP_TANH, -inf, -1);
    expect(v, EAI_OP_TANH, 100, 1);
    expect(v, EAI_OP_TANH, NAN, NAN);
    expect(v, EAI_OP_SILU, 0, 0);
    expect(v, EAI_OP_SILU, inf, inf);
    expect(v, EAI_OP_SILU, NAN, NAN);
}

static void special_values_stay_special(void **state)
{
    (void)state;
    for_each_table(check_special_values);
}

static void check_nan_in_pairs(const cpu_vec_table *v)
{
    const eai_op ops[] = {EAI_OP_MAXIMUM, EAI_OP_MINIMUM, EAI_OP_ADD, EAI_OP_MUL, EAI_OP_DIV};
    float numbers[19];
    float nans[19];
    float out[19];
    for (int i = 0; i < 19; i++) {
        numbers[i] = (float)i - 9;
        nans[i] = NAN;
    }
    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
        v->map[ops[k]](out, numbers, 1, nans, 1, 19, NULL);
        for (int i = 0; i < 19; i++)
            assert_true(isnan(out[i]));
        v->map[ops[k]](out, nans, 0, numbers, 1, 19, NULL);
        for (int i = 0; i < 19; i++)
            assert_true(isnan(out[i]));
    }
    v->map[EAI_OP_GREATER](out, nans, 1, numbers, 1, 19, NULL);
    for (int i = 0; i < 19; i++)
        assert_true(out[i] == 0);
}

static void nan_is_not_hidden_by_maximum(void **state)
{
    (void)state;
    for_each_table(check_nan_in_pairs);
}

/* ---- rows ---- */

static void check_rows(const cpu_vec_table *v)
{
    float x[70];
    float y[70];
    for (int n = 1; n <= 70; n++) {
        for (int i = 0; i < n; i++)
            x[i] = i == n / 2 ? NAN : 1.0f;
        v->softmax(y, x, n);
        for (int i = 0; i < n; i++)
            assert_true(isnan(y[i]));
        for (int i = 0; i < n; i++)
            x[i] = NAN; /* nothing but NaN is not the same as nothing but -inf */
        v->softmax(y, x, n);
        assert_true(isnan(y[n - 1]));
        for (int i = 0; i < n; i++)
            x[i] = -INFINITY;
        v->softmax(y, x, n);
        for (int i = 0; i < n; i++)
            assert_true(y[i] == 0);
        v->log_softmax(y, x, n);
        for (int i = 0; i < n; i++)
            assert_true(y[i] == -INFINITY);
        x[n - 1] = 1e30f; /* one of them takes everything */
        v->softmax(y, x, n);
        assert_true(y[n - 1] == 1 && (n == 1 || y[0] == 0));
    }
}

static void rows_that_are_masked_or_broken(void **state)
{
    (void)state;
    for_each_table(check_rows);
}

/* Against float64, for parts of one lane up to a thousand. */
static void check_softmax_part(const cpu_vec_table *v)
{
    static const int sizes[] = {1, 2, 15, 16, 17, 70, 96, 1023};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        float x[1024];
        float e[1024] = {0};
        uint16_t half[1024] = {0};
        float largest;
        int n = sizes[s];
        double total = 0;
        for (int i = 0; i < n; i++)
            x[i] = (float)(20 * sin(i + 1)) + 300;
        float sum = v->softmax_part(e, &largest, x, n);
        for (int i = 0; i < n; i++) {
            double expected = exp((double)x[i] - (double)largest);
            assert_true(x[i] <= largest && fabs((double)e[i] - expected) < 1e-6);
            total += expected;
        }
        assert_true(fabs((double)sum / total - 1) < 1e-5 && e[n] == 0);
        assert_true(v->softmax_part(NULL, &largest, x, n) == sum);
        assert_true(fabsf(v->softmax_halves(half, &largest, x, n) / sum - 1) < 1e-5f);
        for (int i = 0; i < n; i++)
            assert_int_equal(half[i], eai_bf16_from_f32(e[i]));
        assert_int_equal(half[n], 0);
        x[n - 1] = NAN;
        assert_true(isnan(v->softmax_part(e, &largest, x, n)) && isnan(largest));
        assert_true(isnan(v->softmax_halves(half, &largest, x, n)) && isnan(largest));
        for (int i = 0; i < n; i++)
            x[i] = -INFINITY;
        assert_true(v->softmax_part(e, &largest, x, n) == 0 && largest == -INFINITY && e[0] == 0);
        assert_true(v->softmax_halves(half, &largest, x, n) == 0 && half[0] == 0);
    }
}

static void parts_of_a_softmax_are_those_of_float64(void **state)
{
    (void)state;
    for_each_table(check_softmax_part);
}

static void check_scale_halves(const cpu_vec_table *v)
{
    uint16_t x[70];
    for (int n = 1; n < 70; n++) {
        float y[70] = {0};
        for (int i = 0; i < n; i++)
            x[i] = eai_bf16_from_f32((float)(i - 30) / 8);
        v->scale_halves(y, x, 0.5f, n);
        for (int i = 0; i < n; i++)
            assert_true(y[i] == (float)(i - 30) / 16);
        assert_true(y[n] == 0);
    }
}

static void halves_are_scaled(void **state)
{
    (void)state;
    for_each_table(check_scale_halves);
}

/* A float sum of a million times 0.1 is 1 % off; ours is not. */
static void check_sum(const cpu_vec_table *v)
{
    static float x[1000003];
    for (int i = 0; i < 1000003; i++)
        x[i] = 0.1f;
    assert_true(fabs(v->sum(x, 1000003) / (1000003 * (double)0.1f) - 1) < 1e-6);
    for (int n = 0; n <= 70; n++)
        assert_true(fabs(v->sum(x, n) - n * (double)0.1f) < 1e-5);
}

static void long_sums_keep_their_digits(void **state)
{
    (void)state;
    for_each_table(check_sum);
}

/* Angles at positions where a float product has lost digits. */
static void check_rope(const cpu_vec_table *v)
{
    double frequencies[33];
    float c[33];
    float s[33];
    const double positions[] = {0, 1, -1, 17, 4095, 131071, 1048575, -999999};
    for (int i = 0; i < 33; i++)
        frequencies[i] = pow(10000, -2.0 * i / 66);
    for (size_t k = 0; k < sizeof(positions) / sizeof(positions[0]); k++) {
        v->rope_angles(c, s, frequencies, positions[k], 33);
        for (int i = 0; i < 33; i++) {
            assert_true(fabs((double)c[i] - cos(positions[k] * frequencies[i])) < 2e-7);
            assert_true(fabs((double)s[i] - sin(positions[k] * frequencies[i])) < 2e-7);
        }
    }
}

static void rotations_far_out_are_exact(void **state)
{
    (void)state;
    for_each_table(check_rope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_accurate_over_all_magnitudes),
        cmocka_unit_test(special_values_stay_special),
        cmocka_unit_test(nan_is_not_hidden_by_maximum),
        cmocka_unit_test(rows_that_are_masked_or_broken),
        cmocka_unit_test(parts_of_a_softmax_are_those_of_float64),
        cmocka_unit_test(halves_are_scaled),
        cmocka_unit_test(long_sums_keep_their_digits),
        cmocka_unit_test(rotations_far_out_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
