/* Compiled once an instruction set (layer.cmake); only static functions and one table. */
#include "engine/cpu/gemm.h"
#include "engine/cpu/cpu.h"
#include "engine/cpu/isa.h"

extern const cpu_gemm_table CPU_PASTE(cpu_gemm_, EAI_ISA_NAME);
const cpu_gemm_table CPU_PASTE(cpu_gemm_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
};
