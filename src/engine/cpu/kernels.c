/* One row an operation: its kernel, its scratch, what it refuses. */
#include "engine/cpu/kernels.h"

const cpu_kernel_row cpu_kernels[EAI_OP_COUNT] = {
    [EAI_OP_INPUT] = {0}, /* leaves and aliases are no steps */
};
