/* Rows of random numbers in any storage type. */
#ifndef EAI_BENCH_RANDOM_DATA_H
#define EAI_BENCH_RANDOM_DATA_H

#include <efficientai/dtype.h>
#include <efficientai/error.h>

/* A matrix of numbers in [-bound, bound): new memory, aligned to 64 bytes, freed with eai_free. Its
 * rows repeat after some dozens. A length of rows that the type does not have is
 * EAI_ERR_UNSUPPORTED. */
EAI_CHECKED eai_status bench__random_matrix(void **out, eai_dtype dtype, int64_t rows, int64_t cols,
                                            float bound, eai_error *err);

#endif
