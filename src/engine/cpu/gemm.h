/* What an instruction set brings to products: gemm.inc.c, compiled once for each. */
#ifndef EAI_ENGINE_CPU_GEMM_H
#define EAI_ENGINE_CPU_GEMM_H

struct cpu_gemm_table {
    const char *isa;
};

#endif
