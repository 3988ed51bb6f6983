/* What an instruction set brings to everything but products: vec.inc.c, compiled once for each. */
#ifndef EAI_ENGINE_CPU_VEC_H
#define EAI_ENGINE_CPU_VEC_H

struct cpu_vec_table {
    const char *isa;
};

#endif
