#include "engine/gemm_emulated.h"

#include <stdlib.h>

#include "engine/cpu/gemm.h"
#include "engine/cpu/int8.h"

extern const cpu_gemm_table cpu_gemm_emulated_avx512;
extern const cpu_gemm_table cpu_gemm_emulated_avx512bf16;
extern const cpu_gemm_table cpu_gemm_emulated_amx;
extern const cpu_gemm_table cpu_gemm_emulated_neon;
extern const cpu_gemm_table cpu_gemm_emulated_neonbf16;
extern const cpu_int8_table cpu_int8_emulated_avx512vnni;
extern const cpu_int8_table cpu_int8_emulated_neon;
extern const cpu_int8_table cpu_int8_emulated_neoni8mm;
extern const cpu_gemm_table cpu_gemm8_emulated_avx512vnni;
extern const cpu_gemm_table cpu_gemm8_emulated_neon;
extern const cpu_gemm_table cpu_gemm8_emulated_neoni8mm;

/* Emulated inside an emulator they would take an hour, and they are the same everywhere. */
static bool is_present(void)
{
    return getenv("EFFICIENTAI_TEST_NATIVE") == NULL;
}

const cpu_isa *gemm_emulated_isas(size_t *n)
{
    static const cpu_isa isas[] = {
        {"emulated avx512", &cpu_gemm_emulated_avx512, NULL, &cpu_int8_emulated_avx512vnni,
         &cpu_gemm8_emulated_avx512vnni, NULL, NULL, is_present},
        {"emulated avx512bf16", &cpu_gemm_emulated_avx512, &cpu_gemm_emulated_avx512bf16, NULL,
         NULL, NULL, NULL, is_present},
        {"emulated amx", &cpu_gemm_emulated_avx512, &cpu_gemm_emulated_amx, NULL, NULL, NULL, NULL,
         is_present},
        {"emulated neon", &cpu_gemm_emulated_neon, NULL, &cpu_int8_emulated_neon,
         &cpu_gemm8_emulated_neon, NULL, NULL, is_present},
        {"emulated neonbf16", &cpu_gemm_emulated_neon, &cpu_gemm_emulated_neonbf16,
         &cpu_int8_emulated_neoni8mm, &cpu_gemm8_emulated_neoni8mm, NULL, NULL, is_present},
    };
    *n = sizeof(isas) / sizeof(isas[0]);
    return isas;
}
