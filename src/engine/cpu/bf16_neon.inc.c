/* What products in bf16 need of a 64-bit ARM processor (FEAT_BF16), each instruction beside its
 * meaning in plain C, which is what tests run elsewhere (EAI_ISA_EMULATED). Included by gemm.inc.c.
 *
 * BFMMLA rather than BFDOT: 16 multiplications an instruction instead of 8, and each loaded
 * register is used for two rows as well as for two columns. It wants its operands in "blocks", two
 * rows (of A) or two columns (of B) by four steps, and gives 2 x 2 sums. The four steps of one row
 * or column, 64 bits, are a "quad". The instruction takes denormal numbers as zero and rounds its
 * sums to odd; the plain C does neither. */

#if EAI_ISA_WIDTH != 4
#error "blocks of bf16 are vectors of 128 bits"
#endif

typedef uint16_t vblock __attribute__((vector_size(16))); /* 8 bf16 */
typedef uint64_t vquads __attribute__((vector_size(16)));

#ifdef EAI_ISA_EMULATED

/* Rounds to nearest, ties to even; a NaN stays one. */
CPU_INLINE vquads round_quads(vf first, vf second)
{
    vblock r = {0};
    for (int i = 0; i < 4; i++) {
        r[i] = eai_bf16_from_f32(first[i]);
        r[i + 4] = eai_bf16_from_f32(second[i]);
    }
    return (vquads)r;
}

/* sums[2 * i + j] += row i of a times column j of b. */
CPU_INLINE vf multiply_blocks(vf sums, vquads a, vquads b)
{
    vblock x = (vblock)a;
    vblock y = (vblock)b;
    for (int at = 0; at < 4; at++) {
        for (int k = 0; k < 4; k++)
            sums[at] += eai_bf16_to_f32(x[at / 2 * 4 + k]) * eai_bf16_to_f32(y[at % 2 * 4 + k]);
    }
    return sums;
}

#else
#include <arm_neon.h>

CPU_INLINE vquads round_quads(vf first, vf second)
{
    bfloat16x8_t low = vcvtq_low_bf16_f32((float32x4_t)first);
    return (vquads)vcvtq_high_bf16_f32(low, (float32x4_t)second);
}

CPU_INLINE vf multiply_blocks(vf sums, vquads a, vquads b)
{
    return (vf)vbfmmlaq_f32((float32x4_t)sums, (bfloat16x8_t)a, (bfloat16x8_t)b);
}

#endif
