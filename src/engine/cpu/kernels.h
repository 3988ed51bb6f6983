/* The kernels of the CPU backend, one an operation; kernels.c has their rows. `cpu__OP` runs the
 * step, `cpu__OP_workspace` gives the bytes it needs, `cpu__OP_refuses` says why a step cannot run.
 */
#ifndef EAI_ENGINE_CPU_KERNELS_H
#define EAI_ENGINE_CPU_KERNELS_H

#include "engine/cpu/cpu.h"

/* matmul.c */
void cpu__matmul(cpu_backend *b, const eai_step *s, void *workspace);
/* Of steps s[0] .. s[n - 1] the first ones together where that is quicker; how many, or 0. */
size_t cpu__matmuls(cpu_backend *b, const eai_step *s, size_t n, void *workspace);
size_t cpu__matmul_workspace(const cpu_backend *b, const eai_step *s);
const char *cpu__matmul_refuses(const cpu_backend *b, const eai_step *s);

/* gather.c */
void cpu__gather_rows(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__gather_rows_refuses(const cpu_backend *b, const eai_step *s);
void cpu__scatter_rows(cpu_backend *b, const eai_step *s, void *workspace);

/* linear_ce.c */
void cpu__linear_ce(cpu_backend *b, const eai_step *s, void *workspace);
size_t cpu__linear_ce_workspace(const cpu_backend *b, const eai_step *s);
const char *cpu__linear_ce_refuses(const cpu_backend *b, const eai_step *s);

/* elementwise.c */
void cpu__elementwise(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__elementwise_refuses(const cpu_backend *b, const eai_step *s);
void cpu__fused(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__convert(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__convert_refuses(const cpu_backend *b, const eai_step *s);

/* shape.c */
const char *cpu__shape_refuses(const cpu_backend *b, const eai_step *s);
void cpu__reshape(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__permute(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__broadcast_to(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__fill(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__interval_mask(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__window_start(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__interval_mask_refuses(const cpu_backend *b, const eai_step *s);
void cpu__sum(cpu_backend *b, const eai_step *s, void *workspace);
size_t cpu__sum_workspace(const cpu_backend *b, const eai_step *s);

/* rows.c */
const char *cpu__rows_refuses(const cpu_backend *b, const eai_step *s);
const char *cpu__norm_refuses(const cpu_backend *b, const eai_step *s);
size_t cpu__norm_workspace(const cpu_backend *b, const eai_step *s);
const char *cpu__swiglu_refuses(const cpu_backend *b, const eai_step *s);
void cpu__softmax(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__log_softmax(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__rms_norm(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__rms_norm_grad(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__swiglu(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__swiglu_grad(cpu_backend *b, const eai_step *s, void *workspace);
void cpu__dropout(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__dropout_refuses(const cpu_backend *b, const eai_step *s);

/* rope.c */
void cpu__rope(cpu_backend *b, const eai_step *s, void *workspace);
size_t cpu__rope_workspace(const cpu_backend *b, const eai_step *s);
const char *cpu__rope_refuses(const cpu_backend *b, const eai_step *s);

/* attention.c */
void cpu__attention(cpu_backend *b, const eai_step *s, void *workspace);
size_t cpu__attention_workspace(const cpu_backend *b, const eai_step *s);
const char *cpu__attention_refuses(const cpu_backend *b, const eai_step *s);
void cpu__attention_grad(cpu_backend *b, const eai_step *s, void *workspace);
size_t cpu__attention_grad_workspace(const cpu_backend *b, const eai_step *s);
const char *cpu__attention_grad_refuses(const cpu_backend *b, const eai_step *s);

/* update.c */
void cpu__assign(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__assign_refuses(const cpu_backend *b, const eai_step *s);
void cpu__accumulate(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__accumulate_refuses(const cpu_backend *b, const eai_step *s);
void cpu__write_rows(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__write_rows_refuses(const cpu_backend *b, const eai_step *s);
void cpu__adamw(cpu_backend *b, const eai_step *s, void *workspace);
const char *cpu__adamw_refuses(const cpu_backend *b, const eai_step *s);

#endif
