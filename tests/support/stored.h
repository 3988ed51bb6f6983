/* Matrices in any storage type, for tests of what reads them. */
#ifndef EAI_TEST_STORED_H
#define EAI_TEST_STORED_H

#include <stdint.h>

#include <efficientai/dtype.h>

typedef struct stored_matrix {
    eai_dtype dtype;
    int64_t rows, cols;
    uint8_t *data;
    size_t bytes;
    eai_planes planes; /* of PLANAR types, with the largest groups that fit */
} stored_matrix;

/* Rounds x [rows, cols] to the type. The matrix is freed by stored_free. */
void stored_make(stored_matrix *out, eai_dtype dtype, const float *x, int64_t rows, int64_t cols);
void stored_free(stored_matrix *m);
/* NULL where the type has none. */
const eai_planes *stored_planes(const stored_matrix *m);
/* All that it stands for, [rows, cols]. */
void stored_read(float *out, const stored_matrix *m);

#endif
