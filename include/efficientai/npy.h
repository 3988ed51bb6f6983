/* NumPy's .npy files: one array, read and written.
 *
 * Use:
 *     EAI_TRY(eai_npy_write("logits.npy", EAI_F32, &EAI_SHAPE2(3, 49152), logits, &err));
 *     eai_npy *a = NULL;
 *     EAI_TRY(eai_npy_read(&a, "logits.npy", &err));
 *     const float *x = a->data;
 *     eai_npy_free(a);
 *
 * Types f32, f64, i32, i64, u8, little-endian, C order (the last index runs fastest), 0 to 5
 * dimensions. Files are versions 1.0 to 3.0 of the format; 1.0 is written. */
#ifndef EAI_NPY_H
#define EAI_NPY_H

#include <stddef.h>

#include <efficientai/dtype.h>
#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_npy {
    eai_dtype dtype;
    eai_shape shape;
    void *data; /* owned; aligned for its type */
    size_t bytes;
} eai_npy;

/* Reads a whole file. *out is the caller's, freed with eai_npy_free(). */
EAI_API EAI_CHECKED eai_status eai_npy_read(eai_npy **out, const char *path, eai_error *err);
/* The same from memory; `label` stands for the path in messages. Everything is copied. */
EAI_API EAI_CHECKED eai_status eai_npy_parse(eai_npy **out, const void *bytes, size_t n,
                                             const char *label, eai_error *err);
EAI_API void eai_npy_free(eai_npy *a);

/* Writes an array; the file appears whole or not at all. */
EAI_API EAI_CHECKED eai_status eai_npy_write(const char *path, eai_dtype dtype,
                                             const eai_shape *shape, const void *data,
                                             eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
