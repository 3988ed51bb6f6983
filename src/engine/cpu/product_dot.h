/* Products of few rows (decoding), whose rows of B lie along K: dot products; product.c asks for
 * them. */
#ifndef EAI_ENGINE_CPU_PRODUCT_DOT_H
#define EAI_ENGINE_CPU_PRODUCT_DOT_H

#include "engine/cpu/product.h"

#define CPU_DOTS 3 /* products at a time: q, k and v */

/* It is such a product; of a pair's and a chain's products it is asked one by one. */
bool cpu__dots_takes(const cpu_product *p);
/* Can q be computed together with p? Both are such products. */
bool cpu__dots_joins(const cpu_product *p, const cpu_product *q);
size_t cpu__dots_workspace(const cpu_backend *be, const cpu_product *p);
/* n of them that all join the first: one job of the threads. None writes what another reads. */
void cpu__dots(cpu_backend *be, const cpu_product *p, int n, void *workspace);

#endif
