/* What products in bf16 need of the processor, each beside its meaning in plain C: rounding, the
 * dot product of pairs, the tiles of AMX. Included by gemm.inc.c.
 *
 * A "unit" is 32 bits: two bf16 of the same row or column, step k in the low half and k + 1 in the
 * high one. The plain C is what tests run where the machine lacks the instructions
 * (EAI_ISA_EMULATED), so it stays as simple as the manual's pseudo-code. The instructions take
 * denormal numbers as zero; the plain C does not. */

typedef uint16_t vbf __attribute__((vector_size(4 * V))); /* 2 V bf16 */

#ifdef EAI_ISA_EMULATED

/* Rounds to nearest, ties to even; a NaN stays one. */
CPU_INLINE uint16_t round_one(float x)
{
    return eai_bf16_from_f32(x);
}

/* Elements 2 i and 2 i + 1 of a row of 2 V floats in unit i. */
CPU_INLINE vu round_row(vf low, vf high)
{
    vbf r;
    for (int i = 0; i < V; i++) {
        r[i] = round_one(low[i]);
        r[i + V] = round_one(high[i]);
    }
    return (vu)r;
}

/* acc[i] += a[i][0] b[i][0] + a[i][1] b[i][1]. */
CPU_INLINE vf dot_units(vf acc, vu a, vu b)
{
    vf odd = (vf)(a & 0xffff0000u);
    vf even = (vf)(a << 16);
    return acc + odd * (vf)(b & 0xffff0000u) + even * (vf)(b << 16);
}

#else
#include <immintrin.h>

CPU_INLINE vu round_row(vf low, vf high)
{
    return (vu)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}

CPU_INLINE vf dot_units(vf acc, vu a, vu b)
{
    return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b);
}

#endif

/* The same with one unit in place of a: that at `a`. */
CPU_INLINE vf dot_pairs(vf acc, const uint32_t *a, vu b)
{
    return dot_units(acc, *a - (vu){0}, b);
}

/* Unit i holds even[i] and odd[i]: two steps of V columns. */
CPU_INLINE vu round_steps(vf even, vf odd)
{
    vbf r = (vbf)round_row(even, odd);
    return (vu)__builtin_shufflevector(r, r, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                       31);
}
