/* Products of quantized weights in 8-bit integers (int8.h), few rows in 16; product.c asks for
 * them. */
#ifndef EAI_ENGINE_CPU_PRODUCT_INT8_H
#define EAI_ENGINE_CPU_PRODUCT_INT8_H

#include "engine/cpu/product.h"

/* The backend computes such a product in integers. */
bool cpu__int8_takes(const cpu_backend *be, const cpu_product *p);
/* As cpu__product_workspace and cpu__product, for such a product. */
size_t cpu__int8_workspace(const cpu_backend *be, const cpu_product *p);
void cpu__int8_product(cpu_backend *be, const cpu_product *p, void *workspace);

#endif
