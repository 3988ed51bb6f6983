/* Products for one instruction set: packing, the tile, the dot product. Compiled once for each
 * (layer.cmake); nothing here but static functions and one table.
 *
 * The order of reading: unpack.inc.c (storage formats), unpack_rows.inc.c, transpose.inc.c,
 * finish_row.inc.c, then one of four kinds:
 *     f32           pack_f32.inc.c, tile_vector.inc.c, dot.inc.c
 *     bf16 pairs    bf16.inc.c, pack_bf16.inc.c, panel_bf16.inc.c, tile_vector.inc.c
 *     bf16 tiles    bf16.inc.c, pack_bf16.inc.c, tile_amx.inc.c
 *     bf16 blocks   bf16_neon.inc.c, pack_neon.inc.c, tile_neon.inc.c
 * and for all but the last thin.inc.c.
 * What surrounds the tiles is product.c. */
#include "engine/cpu/gemm.h"
#include "engine/cpu/cpu.h"
#include "engine/cpu/isa.h"

#include "engine/cpu/unpack.inc.c"

#include "engine/cpu/transpose.inc.c"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#include "engine/cpu/unpack_rows.inc.c"

#define CHUNK 128 /* steps of K that are unpacked at a time, on the stack */

#define NR (2 * V)

#include "engine/cpu/finish_row.inc.c"

/* ---- The kinds of tiles
 * ---------------------------------------------------------------------------------- */

#if defined(EAI_ISA_AMX)

#define PANEL   MR
#define K_ALIGN 32
#define ELEMENT 2
#include "engine/cpu/bf16.inc.c"
#include "engine/cpu/pack_bf16.inc.c"
#include "engine/cpu/tile_amx.inc.c"
#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = MR, .nr_half = V, .mc = 8 * MR, .nc = 192, .kc = 640,           \
    .begin = begin, .end = end

#elif defined(EAI_ISA_BF16)

#define MR      12
#define MR_HALF MR
#define PANEL   V
#define K_ALIGN 2
#define ELEMENT 2
#define STEPS   2
typedef uint32_t number;
#include "engine/cpu/bf16.inc.c"
CPU_INLINE vf multiply_add(vf acc, const number *a, vf b)
{
    return dot_pairs(acc, a, (vu)b);
}
#include "engine/cpu/pack_bf16.inc.c"
#include "engine/cpu/panel_bf16.inc.c"
#include "engine/cpu/tile_vector.inc.c"
#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = MR_HALF, .nr_half = V, .mc = 16 * MR, .nc = 192, .kc = 640

#elif defined(EAI_ISA_BFMMLA)

#define MR      12
#define PANEL   MR
#define K_ALIGN 4
#define ELEMENT 2
#include "engine/cpu/bf16_neon.inc.c"
#include "engine/cpu/pack_neon.inc.c"
#include "engine/cpu/tile_neon.inc.c"
#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = MR, .nr_half = V, .mc = 16 * MR, .nc = 192, .kc = 640

#else

#if EAI_ISA_WIDTH == 16 || defined(EAI_ISA_NEON)
#define MR 12 /* of 32 registers: 24 sums, 2 of B, 1 of A */
#define NC 192
#else
#define MR 6 /* of 16 registers: 12 sums, 2 of B, 1 of A */
#define NC 96
#endif
#define MR_HALF 12 /* with more rows in place, their addresses no longer fit in registers */
#define PANEL   ((MR + T - 1) / T * T) /* a step of K in a packed panel */
#define K_ALIGN 1
#define ELEMENT 4
#define STEPS   1
typedef float number;
CPU_INLINE vf multiply_add(vf acc, const number *a, vf b)
{
    return acc + vf_set(*a) * b;
}
#include "engine/cpu/dot.inc.c"
#include "engine/cpu/pack_f32.inc.c"
#include "engine/cpu/tile_vector.inc.c"
#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = MR_HALF, .nr_half = V, .direct = true, .mc = 16 * MR, .nc = NC, \
    .kc = 320, .dot = dot

#endif

#ifndef EAI_ISA_BFMMLA
#include "engine/cpu/thin.inc.c"
#define THIN_ROW                                                                                   \
    .thin_columns = THIN_COLUMNS, .thin_steps = THIN_STEPS, .pack_thin = pack_thin, .thin = thin
#else
#define THIN_ROW .thin = NULL
#endif

/* What differs between the kinds are rows along N, which fill all strips at a time, and one strip
 * of rows along K. */
static void pack_b(void *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0, int64_t k)
{
    int64_t column = (k + K_ALIGN - 1) / K_ALIGN * K_ALIGN * ELEMENT; /* bytes */
    if (!b->along_k) {
        pack_along_n(strips, b, n0, n, k0, k);
        return;
    }
    for (int64_t j = 0; j < n; j += NR) {
        void *strip = (uint8_t *)strips + j * column;
        pack_strip_along_k(strip, b, n - j <= V ? V : NR, n0 + j, (int)MIN(NR, n - j), k0, k);
    }
}

extern const cpu_gemm_table CPU_PASTE(cpu_gemm_, EAI_ISA_NAME);
const cpu_gemm_table CPU_PASTE(cpu_gemm_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
    .k_align = K_ALIGN,
    .a_bytes = K_ALIGN * ELEMENT * PANEL,
    .b_bytes = K_ALIGN * ELEMENT,
    .panel = PANEL,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
    .spin = spin,
    .unpack =
        {
#define ROW(id, name, kind) [EAI_##id] = unpack_##name,
            CPU_FORMATS(ROW)
#undef ROW
        },
    THIN_ROW,
    GEMM_ROW,
};
