/* Rows of the layers of networks, vectorised. Included by vec.inc.c only; the formulas are
 * explained in engine/reference/network.c. Where a loop is written in plain C, the compiler
 * vectorises it (-O3). */
#ifndef EAI_ENGINE_CPU_VEC_ROWS_H
#define EAI_ENGINE_CPU_VEC_ROWS_H

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/cpu/vec.h"
#include "engine/cpu/vec_math.h"

/* Runs `body` with i and count for each vector of n elements; the last one may be a part. */
#define ROW_LOOP(i, count, n)                                                                      \
    for (int64_t i = 0, count; count = (n)-i < V ? (n)-i : V, i < (n); i += V)

CPU_INLINE vf load_some(const float *p, int64_t count)
{
    return count == V ? vf_load(p) : vf_load_part(p, count);
}

CPU_INLINE void store_some(float *p, vf v, int64_t count)
{
    if (count == V)
        vf_store(p, v);
    else
        vf_store_part(p, v, count);
}

/* Lanes of a last part that count. */
CPU_INLINE vi first_lanes(int64_t count)
{
    vi lane;
    for (int i = 0; i < V; i++)
        lane[i] = i;
    return lane < (int32_t)count;
}

#define SUM_BLOCK 1024

static double sum_row(const float *x, int64_t n)
{
    double total = 0;
    for (int64_t at = 0; at < n; at += SUM_BLOCK) {
        int64_t length = n - at < SUM_BLOCK ? n - at : SUM_BLOCK;
        const float *p = x + at;
        vf sums[4] = {{0}};
        int64_t i = 0;
        for (; i + 4 * V <= length; i += 4 * V)
            for (int k = 0; k < 4; k++)
                sums[k] += vf_load(p + i + k * V);
        for (; i < length; i += V)
            sums[0] += load_some(p + i, length - i < V ? length - i : V);
        total += (double)vf_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    return total;
}

/* sum of a[i] * b[i], and of a[i] * b[i] * c[i] */
static float dot_row(const float *a, const float *b, int64_t n)
{
    double total = 0;
    for (int64_t at = 0; at < n; at += SUM_BLOCK) {
        int64_t length = n - at < SUM_BLOCK ? n - at : SUM_BLOCK;
        vf sums[2] = {{0}};
        int64_t i = at;
        for (; i + 2 * V <= at + length; i += 2 * V) {
            sums[0] += vf_load(a + i) * vf_load(b + i);
            sums[1] += vf_load(a + i + V) * vf_load(b + i + V);
        }
        for (; i < at + length; i += V) {
            int64_t count = at + length - i < V ? at + length - i : V;
            sums[0] += load_some(a + i, count) * load_some(b + i, count);
        }
        total += (double)vf_sum(sums[0] + sums[1]);
    }
    return (float)total;
}

static float largest_row(const float *x, int64_t n)
{
    vf largest = vf_set(-INFINITY);
    ROW_LOOP(i, count, n)
    {
        vf v = load_some(x + i, count);
        largest = vf_max(count == V ? v : vf_select(first_lanes(count), v, largest), largest);
    }
    return vf_largest(largest);
}

/* out[i] = e^(x[i] - shift) where out is not NULL; returns their sum. */
CPU_INLINE float exp_row(float *out, const float *x, float shift, int64_t n)
{
    vf sums = {0};
    ROW_LOOP(i, count, n)
    {
        vf e = vf_exp(load_some(x + i, count) - shift);
        if (count < V)
            e = vf_select(first_lanes(count), e, (vf){0});
        sums += e;
        if (out)
            store_some(out + i, e, count);
    }
    return vf_sum(sums);
}

static void softmax_row(float *out, const float *x, int64_t n)
{
    float largest = largest_row(x, n);
    if (largest == -INFINITY) { /* fully masked: zeros instead of 0 / 0 */
        memset(out, 0, (size_t)n * sizeof(float));
        return;
    }
    float factor = 1.0f / exp_row(out, x, largest, n);
    ROW_LOOP(i, count, n)
    {
        store_some(out + i, load_some(out + i, count) * factor, count);
    }
}

static void log_softmax_row(float *out, const float *x, int64_t n)
{
    float largest = largest_row(x, n);
    /* fully masked: stays -inf; the shift must not make it NaN */
    float total = largest == -INFINITY ? 1.0f : exp_row(NULL, x, largest, n);
    float shift = largest == -INFINITY ? 0.0f : largest;
    float log_total = logf(total);
    ROW_LOOP(i, count, n)
    {
        store_some(out + i, load_some(x + i, count) - shift - log_total, count);
    }
}

/* To the nearest, of numbers and NaN alike: what is not a number shows in the sum. */
CPU_INLINE void store_halves(uint16_t *out, vf x, int64_t count)
{
    typedef uint16_t halves __attribute__((vector_size(2 * V)));
    vu bits = (vu)x;
    halves r = __builtin_convertvector((bits + 0x7fff + (bits >> 16 & 1)) >> 16, halves);
    memcpy(out, &r, (size_t)count * sizeof(uint16_t));
}

static float softmax_halves_row(uint16_t *out, float *largest, const float *x, int64_t n)
{
    vf sums[2] = {{0}};
    int64_t i = 0;
    *largest = largest_row(x, n);
    float shift = *largest == -INFINITY ? 0.0f : *largest;
    for (; i + 2 * V <= n; i += 2 * V) {
        vf low = vf_exp(vf_load(x + i) - shift);
        vf high = vf_exp(vf_load(x + i + V) - shift);
        sums[0] += low;
        sums[1] += high;
        store_halves(out + i, low, V);
        store_halves(out + i + V, high, V);
    }
    for (; i < n; i += V) {
        int64_t count = n - i < V ? n - i : V;
        vf e = vf_exp(load_some(x + i, count) - shift);
        sums[0] += vf_select(first_lanes(count), e, (vf){0});
        store_halves(out + i, e, count);
    }
    return vf_sum(sums[0] + sums[1]);
}

static float softmax_part_row(float *out, float *largest, const float *x, int64_t n)
{
    *largest = largest_row(x, n);
    return exp_row(out, x, *largest == -INFINITY ? 0.0f : *largest, n);
}

static void scale_halves_row(float *out, const uint16_t *x, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = eai_f32_from_bits((uint32_t)x[i] << 16) * factor;
}

static void rms_norm_row(float *out, const float *x, const float *w, int64_t n, float eps)
{
    float r = 1.0f / sqrtf(dot_row(x, x, n) / (float)n + eps);
    ROW_LOOP(i, count, n)
    {
        store_some(out + i, load_some(x + i, count) * r * load_some(w + i, count), count);
    }
}

static void rms_norm_grad_row(float *dx, const float *x, const float *w, const float *dy, int64_t n,
                              float eps)
{
    vf gx = {0};
    ROW_LOOP(i, count, n)
    {
        gx += load_some(x + i, count) * load_some(w + i, count) * load_some(dy + i, count);
    }
    float r = 1.0f / sqrtf(dot_row(x, x, n) / (float)n + eps);
    float along = r * r * r * vf_sum(gx) / (float)n;
    ROW_LOOP(i, count, n)
    {
        vf g = load_some(dy + i, count) * load_some(w + i, count);
        store_some(dx + i, g * r - load_some(x + i, count) * along, count);
    }
}

static void swiglu_row(float *out, const float *gate, const float *up, int64_t n)
{
    ROW_LOOP(i, count, n)
    {
        vf g = load_some(gate + i, count);
        store_some(out + i, g * vf_sigmoid(g) * load_some(up + i, count), count);
    }
}

static void swiglu_grad_row(float *dgate, float *dup, const float *gate, const float *up,
                            const float *dy, int64_t n)
{
    ROW_LOOP(i, count, n)
    {
        vf g = load_some(gate + i, count);
        vf d = load_some(dy + i, count);
        vf u = load_some(up + i, count);
        vf p = vf_sigmoid(g);
        if (dup)
            store_some(dup + i, d * g * p, count);
        if (dgate)
            store_some(dgate + i, d * u * p * (g * (1.0f - p) + 1.0f), count);
    }
}

/* The angle is made and reduced to [-pi/4, pi/4] in double: at position 100,000 a float would have
 * lost two digits. The rest is Cephes' sinf and cosf. */
static void rope_angles(float *restrict cosines, float *restrict sines,
                        const double *restrict frequencies, double position, int64_t n)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    for (int64_t i = 0; i < n; i++) {
        double angle = position * frequencies[i];
        double turns = (angle * 0.63661977236758134308 + magic) - magic; /* quarters of a circle */
        float r = (float)(angle - turns * 1.57079632679489661923);
        int32_t quarter = (int32_t)turns;
        float z = r * r;
        float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
        float c =
            ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z *
                z -
            0.5f * z + 1.0f;
        float sine = quarter & 1 ? c : s;
        float cosine = quarter & 1 ? s : c;
        sines[i] = quarter & 2 ? -sine : sine;
        cosines[i] = (quarter + 1) & 2 ? -cosine : cosine;
    }
}

static void rope_head(float *out, const float *x, const float *cosines, const float *sines,
                      int64_t half)
{
    ROW_LOOP(i, count, half)
    {
        vf a = load_some(x + i, count);
        vf b = load_some(x + half + i, count);
        vf c = load_some(cosines + i, count);
        vf s = load_some(sines + i, count);
        store_some(out + i, a * c - b * s, count);
        store_some(out + half + i, b * c + a * s, count);
    }
}

/* ---- dropout: Philox4x32-10 (see efficientai/rng.h), one block of four words a lane of 64 bits
 * ---- */

typedef uint64_t vw __attribute__((vector_size(4 * V)));

#define PHILOX_LANES  (V / 2)
#define PHILOX_GROUPS 2 /* at once: one waits for its multiplication while the other works */
#define PHILOX_BLOCKS (PHILOX_LANES * PHILOX_GROUPS)

/* The low halves of the lanes times m. Compilers make three multiplications of a 64-bit product, so
 * the instruction that does it in one is named. */
CPU_INLINE vw multiply_low(vw a, uint32_t m)
{
#if defined(__AVX512F__) && EAI_ISA_WIDTH == 16
    return (vw)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(m));
#elif defined(__AVX2__) && EAI_ISA_WIDTH == 8
    return (vw)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(m));
#elif defined(__SSE2__) && EAI_ISA_WIDTH == 4
    return (vw)_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(m));
#else
    return (a & 0xffffffffu) * m;
#endif
}

/* words[k][b] = word k of block first + b. Only the low halves of the lanes mean something until
 * the end. */
static void philox_blocks(uint64_t pairs[2 * PHILOX_BLOCKS], uint64_t first, const cpu_dropout *d)
{
    vw c[PHILOX_GROUPS][4];
    uint32_t k0 = d->key[0];
    uint32_t k1 = d->key[1];

    for (int g = 0; g < PHILOX_GROUPS; g++) {
        vw counter;
        for (int i = 0; i < PHILOX_LANES; i++)
            counter[i] = first + (uint64_t)(g * PHILOX_LANES + i);
        c[g][0] = counter;
        c[g][1] = counter >> 32;
        c[g][2] = (vw){0} + d->stream;
        c[g][3] = c[g][2] >> 32;
    }
    for (int round = 0; round < 10; round++) {
#pragma GCC unroll 2
        for (int g = 0; g < PHILOX_GROUPS; g++) {
            vw a = multiply_low(c[g][0], 0xd2511f53u);
            vw b = multiply_low(c[g][2], 0xcd9e8d57u);
            c[g][0] = (b >> 32) ^ c[g][1] ^ k0;
            c[g][1] = b;
            c[g][2] = (a >> 32) ^ c[g][3] ^ k1;
            c[g][3] = a;
        }
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    for (int g = 0; g < PHILOX_GROUPS; g++) {
        vw words01 = (c[g][0] & 0xffffffffu) | (c[g][1] << 32);
        vw words23 = (c[g][2] & 0xffffffffu) | (c[g][3] << 32);
        for (int i = 0; i < PHILOX_LANES; i++) {
            pairs[2 * (g * PHILOX_LANES + i)] = words01[i];
            pairs[2 * (g * PHILOX_LANES + i) + 1] = words23[i];
        }
    }
}

static void drop_row(float *out, const float *x, int64_t first, int64_t n, const cpu_dropout *d)
{
    for (int64_t at = 0; at < n; at += 4 * PHILOX_BLOCKS) {
        uint64_t pairs[2 * PHILOX_BLOCKS]; /* of words */
        const char *words = (const char *)pairs;
        int64_t length = n - at < 4 * PHILOX_BLOCKS ? n - at : 4 * PHILOX_BLOCKS;
        philox_blocks(pairs, (uint64_t)(first + at) / 4, d);
        ROW_LOOP(i, count, length)
        {
            vu word = (vu)vf_load(words + 4 * i);
            vf kept = load_some(x + at + i, count) * d->scale;
            store_some(out + at + i, vf_select((vi)(word >= d->threshold), kept, (vf){0}), count);
        }
    }
}

static void adamw_row(float *restrict p, float *restrict m, float *restrict v,
                      const float *restrict grad, int64_t n, const cpu_adamw *a)
{
    for (int64_t i = 0; i < n; i++) {
        float g = grad[i] * a->grad_scale;
        m[i] = a->beta1 * m[i] + a->new1 * g;
        v[i] = a->beta2 * v[i] + a->new2 * g * g;
        p[i] = p[i] * a->keep - a->step * m[i] / (sqrtf(v[i] * a->inverse_bias2) + a->eps);
    }
}

#endif
