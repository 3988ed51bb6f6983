/* Products in 8-bit integers for one instruction set (int8.h). Compiled once for each
 * (layer.cmake); nothing here but static functions and one table.
 *
 * The order of reading: codes.inc.c (storage formats), sums.inc.c (what the processor does), then
 * the steps of a product: quantize.inc.c, dot_int8.inc.c, tile_int8.inc.c. What surrounds them is
 * product_int8.c. */
#include "engine/cpu/int8.h"

#include <float.h>
#include <math.h>

#include "engine/cpu/cpu.h"
#include "engine/cpu/isa.h"

#include "engine/cpu/unpack.inc.c"

#include "engine/cpu/transpose.inc.c"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#if EAI_ISA_WIDTH == 16 || defined(EAI_ISA_NEON)
#define MR 6 /* rows of a tile: of 32 registers 12 hold integer sums, 12 those in f32 */
#else
#define MR 4 /* of 16 registers 4 and 4 */
#endif

#include "engine/cpu/codes.inc.c"

#include "engine/cpu/sums.inc.c"

#include "engine/cpu/quantize.inc.c"

#include "engine/cpu/dot_int8.inc.c"

#include "engine/cpu/tile_int8.inc.c"

extern const cpu_int8_table CPU_PASTE(cpu_int8_, EAI_ISA_NAME);
const cpu_int8_table CPU_PASTE(cpu_int8_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
    .mr = MR,
    .nr = NR,
    .quantize = quantize,
    .dot = dot,
    .pack = pack,
    .tile = tile,
};
