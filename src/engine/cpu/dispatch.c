/* Which instruction set the kernels use: one row a set, chosen when a backend is opened.
 *
 * $EFFICIENTAI_CPU_ISA or the backend's option names one; a name that is unknown or that the
 * machine lacks is an error, never a silent second choice: a test of AVX-512 would then pass
 * anywhere. */
#include "engine/cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/hardware.h>

#include "engine/cpu/gemm.h"
#include "engine/cpu/int8.h"
#include "engine/cpu/vec.h"

#include "base/banned.h"

#define DECLARE(isa)                                                                               \
    extern const cpu_gemm_table cpu_gemm_##isa;                                                    \
    extern const cpu_int8_table cpu_int8_##isa;                                                    \
    extern const cpu_gemm_table cpu_gemm8_##isa;                                                   \
    extern const cpu_vec_table cpu_vec_##isa

DECLARE(scalar);

static bool has_always(void)
{
    return true;
}

#ifdef EAI_CPU_X86
DECLARE(avx2);
extern const cpu_gemm_table cpu_gemm_avx512;
extern const cpu_vec_table cpu_vec_avx512;
extern const cpu_int8_table cpu_int8_avx512vnni;
extern const cpu_gemm_table cpu_gemm8_avx512vnni;
extern const cpu_gemm_table cpu_gemm_avx512bf16;
extern const cpu_vec_table cpu_vec_avx512bf16;
extern const cpu_gemm_table cpu_gemm_amx;

static bool has_avx2(void)
{
    const eai_hardware *hw = eai_hardware_get();
    return hw->has.avx2 && hw->has.fma && hw->has.f16c;
}

static bool has_avx512(void)
{
    const eai_hardware *hw = eai_hardware_get();
    return has_avx2() && hw->has.avx512f && hw->has.avx512bw && hw->has.avx512vl &&
           hw->has.avx512dq;
}

static bool has_avx512vnni(void)
{
    return has_avx512() && eai_hardware_get()->has.avx512vnni;
}

/* Each processor that has it has VNNI too. */
static bool has_avx512bf16(void)
{
    return has_avx512vnni() && eai_hardware_get()->has.avx512bf16;
}

static bool has_amx(void)
{
    return has_avx512bf16() && eai_hardware_get()->has.amx_bf16 && eai_hardware_request_amx();
}

#endif

#ifdef EAI_CPU_ARM64
extern const cpu_gemm_table cpu_gemm_neon;
extern const cpu_gemm_table cpu_gemm_neonbf16;
extern const cpu_int8_table cpu_int8_neon;
extern const cpu_gemm_table cpu_gemm8_neon;
extern const cpu_int8_table cpu_int8_neondot;
extern const cpu_gemm_table cpu_gemm8_neondot;
extern const cpu_int8_table cpu_int8_neoni8mm;
extern const cpu_gemm_table cpu_gemm8_neoni8mm;

static bool has_neondot(void)
{
    return eai_hardware_get()->has.neon_dotprod;
}

static bool has_neoni8mm(void)
{
    return has_neondot() && eai_hardware_get()->has.neon_i8mm;
}

/* Each processor that has it has I8MM too. */
static bool has_neonbf16(void)
{
    return has_neoni8mm() && eai_hardware_get()->has.neon_bf16;
}
#endif

/* clang-format off */
static const cpu_isa isas[] = {
    /* name, products in f32, in bf16, of few rows in integers, of many in 8 bits, all else, all else in bf16, is it there? */
    {"scalar",     &cpu_gemm_scalar, NULL,                 &cpu_int8_scalar,     &cpu_gemm8_scalar,     &cpu_vec_scalar, NULL,                has_always},
#ifdef EAI_CPU_X86
    {"avx2",       &cpu_gemm_avx2,   NULL,                 &cpu_int8_avx2,       &cpu_gemm8_avx2,       &cpu_vec_avx2,   NULL,                has_avx2},
    {"avx512",     &cpu_gemm_avx512, NULL,                 &cpu_int8_avx2,       &cpu_gemm8_avx2,       &cpu_vec_avx512, NULL,                has_avx512},
    {"avx512vnni", &cpu_gemm_avx512, NULL,                 &cpu_int8_avx512vnni, &cpu_gemm8_avx512vnni, &cpu_vec_avx512, NULL,                has_avx512vnni},
    {"avx512bf16", &cpu_gemm_avx512, &cpu_gemm_avx512bf16, &cpu_int8_avx512vnni, &cpu_gemm8_avx512vnni, &cpu_vec_avx512, &cpu_vec_avx512bf16, has_avx512bf16},
    {"amx",        &cpu_gemm_avx512, &cpu_gemm_amx,        &cpu_int8_avx512vnni, NULL,                  &cpu_vec_avx512, &cpu_vec_avx512bf16, has_amx},
#endif
#ifdef EAI_CPU_ARM64
    {"neon",       &cpu_gemm_neon,   NULL,                 &cpu_int8_neon,       &cpu_gemm8_neon,       &cpu_vec_scalar, NULL,                has_always},
    {"neondot",    &cpu_gemm_neon,   NULL,                 &cpu_int8_neondot,    &cpu_gemm8_neondot,    &cpu_vec_scalar, NULL,                has_neondot},
    {"neoni8mm",   &cpu_gemm_neon,   NULL,                 &cpu_int8_neoni8mm,   &cpu_gemm8_neoni8mm,   &cpu_vec_scalar, NULL,                has_neoni8mm},
    {"neonbf16",   &cpu_gemm_neon,   &cpu_gemm_neonbf16,   &cpu_int8_neoni8mm,   &cpu_gemm8_neoni8mm,   &cpu_vec_scalar, NULL,                has_neonbf16},
#endif
};
/* clang-format on */
#define N_ISAS (sizeof(isas) / sizeof(isas[0]))

const cpu_isa *cpu__isas(size_t *n)
{
    *n = N_ISAS;
    return isas;
}

const char *eai_backend_isa_at(size_t i)
{
    for (size_t row = 0; row < N_ISAS; row++) {
        if (isas[row].present() && i-- == 0)
            return isas[row].name;
    }
    return NULL;
}

static void list_present(char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < N_ISAS; i++) {
        if (isas[i].present() && used < size)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", isas[i].name);
    }
}

eai_status cpu__find_isa(const cpu_isa **out, const char *name, eai_error *err)
{
    char present[128] = "";

    *out = NULL;
    if (!name)
        name = getenv("EFFICIENTAI_CPU_ISA");
    for (size_t i = N_ISAS; i-- > 0;) {
        bool wanted = !name || !*name || strcmp(isas[i].name, name) == 0;
        if (wanted && isas[i].present()) {
            *out = &isas[i];
            return EAI_OK;
        }
    }
    list_present(present, sizeof(present));
    for (size_t i = 0; i < N_ISAS; i++) {
        if (strcmp(isas[i].name, name) == 0)
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "instruction set '%s': this machine lacks it; it has %s", name,
                                 present);
    }
    return eai_error_set(err, EAI_ERR_ARGUMENT, "unknown instruction set '%s'; this machine has %s",
                         name, present);
}
