/* Compiled once an instruction set (layer.cmake); only static functions and one table. */
#include "engine/cpu/vec.h"
#include "engine/cpu/cpu.h"
#include "engine/cpu/isa.h"

extern const cpu_vec_table CPU_PASTE(cpu_vec_, EAI_ISA_NAME);
const cpu_vec_table CPU_PASTE(cpu_vec_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
};
