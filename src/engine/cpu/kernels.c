/* One row an operation: its kernel, its scratch, what it refuses. */
#include "engine/cpu/kernels.h"

const cpu_kernel_row cpu_kernels[EAI_OP_COUNT] = {
    [EAI_OP_INPUT] = {0}, /* leaves and aliases are no steps */

    [EAI_OP_ADD] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_SUB] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_MUL] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_DIV] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_MAXIMUM] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_MINIMUM] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_GREATER] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_AFFINE] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_POWER] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_EXP] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_LOG] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_SIGMOID] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_TANH] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_SILU] = {cpu__elementwise, NULL, cpu__elementwise_refuses},
    [EAI_OP_FUSED] = {cpu__fused, NULL, cpu__elementwise_refuses},
    [EAI_OP_CONVERT] = {cpu__convert, NULL, cpu__convert_refuses},

    [EAI_OP_FILL] = {cpu__fill, NULL, NULL},
    [EAI_OP_RESHAPE] = {cpu__reshape, NULL, cpu__shape_refuses},
    [EAI_OP_PERMUTE] = {cpu__permute, NULL, cpu__shape_refuses},
    [EAI_OP_BROADCAST_TO] = {cpu__broadcast_to, NULL, cpu__shape_refuses},
    [EAI_OP_SUM] = {cpu__sum, cpu__sum_workspace, cpu__shape_refuses},
    [EAI_OP_WINDOW_START] = {cpu__window_start, NULL, NULL},
    [EAI_OP_INTERVAL_MASK] = {cpu__interval_mask, NULL, cpu__interval_mask_refuses},

    [EAI_OP_SOFTMAX] = {cpu__softmax, NULL, cpu__rows_refuses},
    [EAI_OP_LOG_SOFTMAX] = {cpu__log_softmax, NULL, cpu__rows_refuses},
    [EAI_OP_RMS_NORM] = {cpu__rms_norm, cpu__norm_workspace, cpu__norm_refuses, 1},
    [EAI_OP_RMS_NORM_GRAD] = {cpu__rms_norm_grad, cpu__norm_workspace, cpu__norm_refuses, 1},
    [EAI_OP_SWIGLU] = {cpu__swiglu, NULL, cpu__swiglu_refuses, 3},
    [EAI_OP_SWIGLU_GRAD] = {cpu__swiglu_grad, NULL, cpu__swiglu_refuses, 3},
    [EAI_OP_ROPE] = {cpu__rope, cpu__rope_workspace, cpu__rope_refuses},
    [EAI_OP_DROPOUT] = {cpu__dropout, NULL, cpu__dropout_refuses},
    [EAI_OP_ATTENTION] = {cpu__attention, cpu__attention_workspace, cpu__attention_refuses},
    [EAI_OP_ATTENTION_GRAD] = {cpu__attention_grad, cpu__attention_grad_workspace,
                               cpu__attention_grad_refuses},

    [EAI_OP_ASSIGN] = {cpu__assign, NULL, cpu__assign_refuses},
    [EAI_OP_ACCUMULATE] = {cpu__accumulate, NULL, cpu__accumulate_refuses},
    [EAI_OP_WRITE_ROWS] = {cpu__write_rows, NULL, cpu__write_rows_refuses},
    [EAI_OP_ADAMW] = {cpu__adamw, NULL, cpu__adamw_refuses},

    [EAI_OP_MATMUL] = {cpu__matmul, cpu__matmul_workspace, cpu__matmul_refuses},
    [EAI_OP_GATHER_ROWS] = {cpu__gather_rows, NULL, cpu__gather_rows_refuses},
    [EAI_OP_SCATTER_ROWS] = {cpu__scatter_rows, NULL, NULL},
    [EAI_OP_LINEAR_CE] = {cpu__linear_ce, cpu__linear_ce_workspace, cpu__linear_ce_refuses},
};
