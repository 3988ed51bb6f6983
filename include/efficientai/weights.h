/* Weights: named tensors in their storage format, with metadata, from a file or built in memory.
 *
 * Use:
 *     eai_weights *w = NULL;
 *     EAI_TRY(eai_weights_open(&w, "model.gguf", &err));      // or model.safetensors
 *     const eai_weight_tensor *t = eai_weights_find(w, "model.embed_tokens.weight");
 *     eai_dequantize_row(row, t->dtype, t->data, 576);        // its first row
 *     eai_weights_close(w);
 *
 * A file is mapped read-only: opening a model of any size reads its header alone, and tensors point
 * into the mapping, quantized ones as they are. What cannot be trusted (all of it) is checked when
 * the file is opened, so whoever holds an eai_weights may rely on: names are unique, every tensor's
 * `bytes` is what its dtype and shape say, and lies inside the file.
 *
 * One naming, one row order: everything above this header sees Hugging Face's names and row order
 * ("model.layers.0.self_attn.q_proj.weight", half-rotated RoPE), whatever the file has. A GGUF file
 * of an architecture that src/formats/hf_layout.c lists is translated when it is opened; names that
 * the translation does not know, and files of other architectures, stay as they are.
 *
 * Limits: 65,536 tensors, 65,536 metadata keys, names of 1,024 bytes, 5 dimensions, a safetensors
 * header of 100 MB, 1,000 files an index.
 *
 * Thread-safety: functions that take a const eai_weights may be called from any thread. */
#ifndef EAI_WEIGHTS_H
#define EAI_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/dtype.h>
#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_weights eai_weights;

typedef struct eai_weight_tensor {
    const char *name;
    eai_dtype dtype;
    eai_shape shape;  /* row-major, outermost first */
    const void *data; /* contiguous, aligned for its elements */
    size_t bytes;
    const eai_planes *planes; /* of PLANAR types, which only models make (of MLX's); else NULL */
} eai_weight_tensor;

/* --- from files --- */

/* Opens a GGUF (version 2 or 3) or safetensors file, or the index of several safetensors files
 * (model.safetensors.index.json, the files beside it), told apart by their first bytes. The caller
 * closes *out; messages begin with the path. A file that shrinks while it is open ends the program
 * (SIGBUS), as with every mapped file: replace files, do not rewrite them. */
EAI_API EAI_CHECKED eai_status eai_weights_open(eai_weights **out, const char *path,
                                                eai_error *err);

/* The same from `bytes` of memory, which must outlive *out. `label` stands for the path in
 * messages.
 */
EAI_API EAI_CHECKED eai_status eai_weights_parse(eai_weights **out, const void *data, size_t bytes,
                                                 const char *label, eai_error *err);

/* Frees everything that came from `w`; NULL is fine. */
EAI_API void eai_weights_close(eai_weights *w);

/* --- in memory --- */

/* An empty set to add to. `label` stands for the path in messages. */
EAI_API EAI_CHECKED eai_status eai_weights_create(eai_weights **out, const char *label,
                                                  eai_error *err);

/* Adds a tensor: eai_weights_add copies its bytes, eai_weights_add_borrowed keeps the pointer,
 * which must outlive `w`. The name is copied. EAI_ERR_ARGUMENT for a name that exists already.
 * Pointers from eai_weights_at and eai_weights_find are invalid afterwards. */
EAI_API EAI_CHECKED eai_status eai_weights_add(eai_weights *w, const char *name, eai_dtype dtype,
                                               const eai_shape *shape, const void *data,
                                               eai_error *err);
EAI_API EAI_CHECKED eai_status eai_weights_add_borrowed(eai_weights *w, const char *name,
                                                        eai_dtype dtype, const eai_shape *shape,
                                                        const void *data, eai_error *err);

/* --- tensors --- */

EAI_API const char *eai_weights_path(const eai_weights *w); /* or the label; borrowed */
EAI_API size_t eai_weights_count(const eai_weights *w);
/* Bytes of the mapped files, several with an index; 0 in memory. */
EAI_API uint64_t eai_weights_file_bytes(const eai_weights *w);
/* Tensor i in the file's order, 0 <= i < count; borrowed. */
EAI_API const eai_weight_tensor *eai_weights_at(const eai_weights *w, size_t i);
/* The tensor of that name or NULL; borrowed. O(log count). */
EAI_API const eai_weight_tensor *eai_weights_find(const eai_weights *w, const char *name);

/* --- metadata: GGUF's key-value pairs, or safetensors' __metadata__ (all strings) ---
 * Each getter returns NULL or false when the key is absent or has another type. Pointers are
 * borrowed. */

typedef enum eai_meta_type {
    EAI_META_NONE, /* no such key */
    EAI_META_BOOL,
    EAI_META_INT, /* any integer type; an unsigned 64-bit value above INT64_MAX is refused on open
                   */
    EAI_META_FLOAT,
    EAI_META_STRING,
    EAI_META_INTS, /* arrays; booleans are 0 and 1 */
    EAI_META_FLOATS,
    EAI_META_STRINGS
} eai_meta_type;

/* Text i is bytes[i] long and NOT NUL-terminated: it lies in the mapped file. */
typedef struct eai_meta_strings {
    size_t n;
    const char *const *text;
    const size_t *bytes;
} eai_meta_strings;

EAI_API size_t eai_weights_meta_count(const eai_weights *w);
/* The i-th key in the file's order, 0 <= i < meta_count. */
EAI_API const char *eai_weights_meta_key(const eai_weights *w, size_t i);
EAI_API eai_meta_type eai_weights_meta_type(const eai_weights *w, const char *key);

EAI_API const char *eai_weights_get_string(const eai_weights *w,
                                           const char *key); /* NUL-terminated */
EAI_API bool eai_weights_get_int(int64_t *out, const eai_weights *w, const char *key);
EAI_API bool eai_weights_get_float(double *out, const eai_weights *w,
                                   const char *key); /* or an int */
EAI_API bool eai_weights_get_bool(bool *out, const eai_weights *w, const char *key);
EAI_API bool eai_weights_get_strings(eai_meta_strings *out, const eai_weights *w, const char *key);
/* NULL when absent; else *n elements (never NULL then, also for n = 0). */
EAI_API const int64_t *eai_weights_get_ints(size_t *n, const eai_weights *w, const char *key);
EAI_API const double *eai_weights_get_floats(size_t *n, const eai_weights *w, const char *key);

/* Each sets an entry, replacing one of that key (of any type). Key and value are copied. GGUF files
 * store numbers as llama.cpp looks for them: integers as u32, else i32, else i64 (elements of
 * arrays i32, else i64), floats as f32 (f64 beyond its range). Entries that came from a file keep
 * their type there. */
EAI_API EAI_CHECKED eai_status eai_weights_set_string(eai_weights *w, const char *key,
                                                      const char *value, eai_error *err);
EAI_API EAI_CHECKED eai_status eai_weights_set_int(eai_weights *w, const char *key, int64_t value,
                                                   eai_error *err);
EAI_API EAI_CHECKED eai_status eai_weights_set_float(eai_weights *w, const char *key, double value,
                                                     eai_error *err);
EAI_API EAI_CHECKED eai_status eai_weights_set_bool(eai_weights *w, const char *key, bool value,
                                                    eai_error *err);
EAI_API EAI_CHECKED eai_status eai_weights_set_strings(eai_weights *w, const char *key,
                                                       const eai_meta_strings *values,
                                                       eai_error *err);
EAI_API EAI_CHECKED eai_status eai_weights_set_ints(eai_weights *w, const char *key,
                                                    const int64_t *values, size_t n,
                                                    eai_error *err);
EAI_API EAI_CHECKED eai_status eai_weights_set_floats(eai_weights *w, const char *key,
                                                      const double *values, size_t n,
                                                      eai_error *err);
/* Sets all entries of `from`, each with the type that it has in its file. */
EAI_API EAI_CHECKED eai_status eai_weights_copy_meta(eai_weights *w, const eai_weights *from,
                                                     eai_error *err);

/* --- writing --- */

/* Makes `n_rows` rows of tensor `t` from row `first` on, in its storage format, at `out`. A row is
 * the last dimension; a scalar is one row. Called in order, each row once. */
typedef eai_status (*eai_weights_fill)(void *out, const eai_weight_tensor *t, int64_t first,
                                       int64_t n_rows, void *ud, eai_error *err);

typedef struct eai_weights_save_opts {
    eai_weights_fill fill; /* for tensors whose data is NULL */
    void *fill_ud;
} eai_weights_save_opts;

/* Writes tensors and all metadata as a GGUF file of version 3, in their order, aligned to metadata
 * "general.alignment" (32 without it). It appears whole or not at all. Where "general.architecture"
 * is one of hf_layout.c, tensors get back the names, row order and norms of GGUF. Refused
 * with EAI_ERR_UNSUPPORTED: u8 tensors, 5 dimensions, names in the file of more than 63 bytes.
 * `opts` as below; rows of a tensor whose order changes are made all at once. */
EAI_API EAI_CHECKED eai_status eai_weights_save_gguf(const eai_weights *w, const char *path,
                                                     const eai_weights_save_opts *opts,
                                                     eai_error *err);

/* Writes tensors and string metadata as a safetensors file, byte for byte the same for the same
 * content (tensors by decreasing alignment, then by name, as the reference does; keys sorted). The
 * file appears whole or not at all. Quantized types have no name in safetensors:
 * EAI_ERR_UNSUPPORTED. A tensor added with data NULL (eai_weights_add_borrowed) is made by
 * `opts->fill` while writing, a few rows at a time, so that a merged model never lies in memory as
 * a whole. `opts` may be NULL. */
EAI_API EAI_CHECKED eai_status eai_weights_save(const eai_weights *w, const char *path,
                                                const eai_weights_save_opts *opts, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
