/* Tables of instruction sets that the machine need not have: the same sources, with the few
 * instructions that no vector extension expresses replaced by plain C (gemm_emulated.c,
 * CMakeLists.txt). $EFFICIENTAI_TEST_NATIVE leaves them out. */
#ifndef GEMM_EMULATED_H
#define GEMM_EMULATED_H

#include "engine/cpu/cpu.h"

const cpu_isa *gemm_emulated_isas(size_t *n);

#endif
