#include "engine/gemm_emulated.h"

#include "engine/cpu/gemm.h"

extern const cpu_gemm_table cpu_gemm_emulated_avx512;
extern const cpu_gemm_table cpu_gemm_emulated_avx512bf16;
extern const cpu_gemm_table cpu_gemm_emulated_amx;
extern const cpu_gemm_table cpu_gemm_emulated_neon;
extern const cpu_gemm_table cpu_gemm_emulated_neonbf16;

static bool is_present(void)
{
    return true;
}

const cpu_isa *gemm_emulated_isas(size_t *n)
{
    static const cpu_isa isas[] = {
        {"emulated avx512", &cpu_gemm_emulated_avx512, NULL, NULL, NULL, is_present},
        {"emulated avx512bf16", &cpu_gemm_emulated_avx512, &cpu_gemm_emulated_avx512bf16, NULL,
         NULL, is_present},
        {"emulated amx", &cpu_gemm_emulated_avx512, &cpu_gemm_emulated_amx, NULL, NULL, is_present},
        {"emulated neonbf16", &cpu_gemm_emulated_neon, &cpu_gemm_emulated_neonbf16, NULL, NULL,
         is_present},
    };
    *n = sizeof(isas) / sizeof(isas[0]);
    return isas;
}
