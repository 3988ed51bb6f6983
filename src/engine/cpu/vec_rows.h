/* Rows of the layers of networks, vectorised. Included by vec.inc.c only; the formulas are
 * explained in engine/reference/network.c. Where a loop is written in plain C, the compiler
 * vectorises it (-O3). */
#ifndef EAI_ENGINE_CPU_VEC_ROWS_H
#define EAI_ENGINE_CPU_VEC_ROWS_H

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

/* Words of PHILOX_BLOCKS counters at once: loops over `b` become vectors. */
#define PHILOX_BLOCKS 16

static void philox_blocks(uint32_t c[4][PHILOX_BLOCKS], const uint32_t key[2])
{
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    for (int round = 0; round < 10; round++) {
        for (int b = 0; b < PHILOX_BLOCKS; b++) {
            uint64_t low = (uint64_t)0xd2511f53u * c[0][b];
            uint64_t high = (uint64_t)0xcd9e8d57u * c[2][b];
            c[0][b] = (uint32_t)(high >> 32) ^ c[1][b] ^ k0;
            c[1][b] = (uint32_t)high;
            c[2][b] = (uint32_t)(low >> 32) ^ c[3][b] ^ k1;
            c[3][b] = (uint32_t)low;
        }
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
}

static void drop_row(float *out, const float *x, int64_t first, int64_t n, const cpu_dropout *d)
{
    for (int64_t at = 0; at < n; at += 4 * PHILOX_BLOCKS) {
        uint32_t words[4][PHILOX_BLOCKS];
        uint64_t block = (uint64_t)(first + at) / 4;
        for (unsigned b = 0; b < PHILOX_BLOCKS; b++) {
            words[0][b] = (uint32_t)(block + b);
            words[1][b] = (uint32_t)((block + b) >> 32);
            words[2][b] = (uint32_t)d->stream;
            words[3][b] = (uint32_t)(d->stream >> 32);
        }
        philox_blocks(words, d->key);
        float factors[4 * PHILOX_BLOCKS];
        for (int b = 0; b < PHILOX_BLOCKS; b++)
            for (int k = 0; k < 4; k++)
                factors[4 * b + k] = words[k][b] >= d->threshold ? d->scale : 0.0f;
        int64_t length = n - at < 4 * PHILOX_BLOCKS ? n - at : 4 * PHILOX_BLOCKS;
        for (int64_t i = 0; i < length; i++) /* a select: a dropped infinity gives 0, not NaN */
            out[at + i] = factors[i] != 0.0f ? x[at + i] * factors[i] : 0.0f;
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
