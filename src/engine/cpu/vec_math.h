/* Vector helpers and the functions exp, log, sigmoid and tanh of whole vectors. Included by
 * vec.inc.c only.
 *
 * The polynomials are those of Cephes (S. L. Moshier, single precision: expf.c, logf.c, tanhf.c),
 * at most about 2 units in the last place from the true value over all floats; tests/ops measures
 * it. They have no branches: special values come out of selects. Infinity, NaN and subnormal
 * numbers are handled as C's functions do, because a masked score is -inf and a loss that is NaN
 * must stay NaN. */
#ifndef EAI_ENGINE_CPU_VEC_MATH_H
#define EAI_ENGINE_CPU_VEC_MATH_H

#include <math.h>

#include "engine/cpu/isa.h"

/* The first n < V floats, zeros behind them. */
CPU_INLINE vf vf_load_part(const float *p, int64_t n)
{
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
}

CPU_INLINE void vf_store_part(float *p, vf v, int64_t n)
{
    memcpy(p, &v, (size_t)n * sizeof(float));
}

CPU_INLINE vf vf_select(vi mask, vf a, vf b)
{
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* The larger; NaN when either is. */
CPU_INLINE vf vf_max(vf a, vf b)
{
    return vf_select((a > b) | (a != a), a, b);
}

CPU_INLINE vf vf_min(vf a, vf b)
{
    return vf_select((a < b) | (a != a), a, b);
}

CPU_INLINE vf vf_abs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

/* Lanes of a shuffle that does the same in each four. */
#define LANES_4(at, a, b, c, d) (a) + (at), (b) + (at), (c) + (at), (d) + (at)
#if V >= 8
#define LANES_8(a, b, c, d) , LANES_4(4, a, b, c, d)
#else
#define LANES_8(a, b, c, d)
#endif
#if V >= 16
#define LANES_16(a, b, c, d) , LANES_4(8, a, b, c, d), LANES_4(12, a, b, c, d)
#else
#define LANES_16(a, b, c, d)
#endif

CPU_INLINE float vf_sum(vf v)
{
#if V >= 16
    v += EXCHANGE_8(v);
#endif
#if V >= 8
    v += EXCHANGE_4(v);
#endif
    v += EXCHANGE_2(v);
    v += EXCHANGE_1(v);
    return v[0];
}

/* The sums of four vectors: in each four lanes, lane i becomes a part of that of v[i]. */
CPU_INLINE void vf_sum_four(float out[4], const vf v[4])
{
#define EACH_4(x, y, a, b, c, d)                                                                   \
    __builtin_shufflevector(x, y, LANES_4(0, a, b, c, d) LANES_8(a, b, c, d) LANES_16(a, b, c, d))
    vf x = EACH_4(v[0], v[1], 0, 1, V, V + 1) + EACH_4(v[0], v[1], 2, 3, V + 2, V + 3);
    vf y = EACH_4(v[2], v[3], 0, 1, V, V + 1) + EACH_4(v[2], v[3], 2, 3, V + 2, V + 3);
    vf z = EACH_4(x, y, 0, 2, V, V + 2) + EACH_4(x, y, 1, 3, V + 1, V + 3);
#undef EACH_4
#if V >= 16
    z += EXCHANGE_8(z);
#endif
#if V >= 8
    z += EXCHANGE_4(z);
#endif
    memcpy(out, &z, 4 * sizeof(float));
}

CPU_INLINE float vf_largest(vf v)
{
#if V >= 16
    v = vf_max(v, EXCHANGE_8(v));
#endif
#if V >= 8
    v = vf_max(v, EXCHANGE_4(v));
#endif
    v = vf_max(v, EXCHANGE_2(v));
    v = vf_max(v, EXCHANGE_1(v));
    return v[0];
}

/* 2^n for -126 <= n <= 127 */
CPU_INLINE vf power_of_two(vi n)
{
    return (vf)((n + 127) << 23);
}

/* e^x. x = n log 2 + r with |r| <= log(2)/2; e^r from a polynomial of degree 7, times 2^n in two
 * steps so that results below 2^-126 are rounded once, into the subnormals, and those above FLT_MAX
 * become inf. */
CPU_INLINE vf vf_exp(vf x)
{
    const vf magic = vf_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    vf limited = vf_select(x > 89.0f, vf_set(89.0f), x);
    limited = vf_select(limited < -104.0f, vf_set(-104.0f), limited);
    vf shifted = limited * 1.44269504088896341f + magic;
    vf n = shifted - magic;
    vi exponent = (vi)shifted - (vi)magic;
    vf r = limited - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;

    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    vf y = p * (r * r) + r + 1.0f;
    vi half = exponent >> 1;
    return y * power_of_two(half) * power_of_two(exponent - half);
}

/* log x. x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m from a polynomial in m - 1. */
CPU_INLINE vf vf_log(vf x)
{
    const vf infinity = vf_set(INFINITY);
    vi tiny = x < 1.17549435e-38f; /* subnormal: scale by 2^23 first (and 0, and negative) */
    vf scaled = vf_select(tiny, x * 8388608.0f, x);
    vi bits = (vi)scaled;
    vf m = (vf)((bits & 0x007fffff) | 0x3f000000); /* [0.5, 1) */
    vi exponent = ((bits >> 23) & 0xff) - 126 - (tiny & 23);
    vi low = m < 0.707106781186547524f;
    exponent += low; /* -1 where low */
    m = m + (vf)(low & (vi)m) - 1.0f;
    vf e = __builtin_convertvector(exponent, vf);

    vf z = m * m;
    vf p = m * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    vf y = p * m * z;
    y = y + e * -2.12194440e-4f;
    y = y - z * 0.5f;
    y = m + y;
    y = y + e * 0.693359375f;

    y = vf_select(x == infinity, infinity, y);
    y = vf_select(x == 0.0f, -infinity, y);
    return vf_select((x < 0.0f) | (x != x), vf_set(NAN), y);
}

/* 1 / (1 + e^-x), from e^-|x| so that neither end loses its digits. */
CPU_INLINE vf vf_sigmoid(vf x)
{
    vf e = vf_exp(-vf_abs(x));
    return vf_select(x < 0.0f, e, vf_set(1.0f)) / (1.0f + e);
}

/* tanh x: a polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel. */
CPU_INLINE vf vf_tanh(vf x)
{
    vf a = vf_abs(x);
    vf z = x * x;
    vf p = z * -5.70498872745e-3f + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    vf near = p * z * x + x;
    vf far = 1.0f - 2.0f / (vf_exp(a + a) + 1.0f);
    far = (vf)((vi)far | ((vi)x & INT32_MIN));
    return vf_select(a < 0.625f, near, far);
}

#endif
