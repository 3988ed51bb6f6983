/* Products in 8-bit integers for one instruction set. Compiled once for each (layer.cmake); nothing
 * here but static functions and two tables.
 *
 * The order of reading: sums.inc.c (what the processor does), then
 *     few rows (int8.h)    codes.inc.c (storage formats), quantize.inc.c, dot_int8.inc.c
 *     many rows (gemm.h)   unpack_rows.inc.c, pack_int8.inc.c, finish_row.inc.c, tile_int8.inc.c
 * What surrounds them is product_dot.c, and product.c for many rows. */
#include "engine/cpu/int8.h"

#include <float.h>
#include <math.h>

#include "engine/cpu/cpu.h"
#include "engine/cpu/isa.h"

#include "engine/cpu/unpack.inc.c"

#include "engine/cpu/unpack_rows.inc.c"

#include "engine/cpu/transpose.inc.c"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#include "engine/cpu/codes.inc.c"

#include "engine/cpu/sums.inc.c"

#include "engine/cpu/quantize.inc.c"

#include "engine/cpu/dot_int8.inc.c"

#include "engine/cpu/pack_int8.inc.c"

#include "engine/cpu/finish_row.inc.c"

#include "engine/cpu/tile_int8.inc.c"

extern const cpu_int8_table CPU_PASTE(cpu_int8_, EAI_ISA_NAME);
const cpu_int8_table CPU_PASTE(cpu_int8_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
    .quantize = quantize,
    .dot = dot,
};

extern const cpu_gemm_table CPU_PASTE(cpu_gemm8_, EAI_ISA_NAME);
const cpu_gemm_table CPU_PASTE(cpu_gemm8_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
    .mr = MR,
    .nr = NR,
    .mr_half = MR,
    .nr_half = NV_HALF * VC,
    .levels = TILE_MOST,
    .k_align = KB,
    .a_bytes = PANEL_A,
    .b_bytes = COLUMN_B,
    .mc = 192 / MR * MR,
    .nc = 192,
    .kc = 1536,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
    .spin = spin,
};
