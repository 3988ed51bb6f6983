/* The kernels of the CPU backend, one an operation; kernels.c has their rows. `cpu__OP` runs the
 * step, `cpu__OP_workspace` gives the bytes it needs, `cpu__OP_refuses` says why a step cannot run.
 */
#ifndef EAI_ENGINE_CPU_KERNELS_H
#define EAI_ENGINE_CPU_KERNELS_H

#include "engine/cpu/cpu.h"

/* matmul.c */
void cpu__matmul(cpu_backend *b, const eai_step *s, void *workspace);
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

#endif
