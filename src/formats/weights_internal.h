/* What the readers and writers of weights share: the inside of an eai_weights.
 *
 * A reader (gguf.c, safetensors.c) appends tensors and metadata in the file's order; then
 * weights__index() sorts their names, which finds duplicates and makes look-ups fast. Start at
 * struct eai_weights. */
#ifndef EAI_FORMATS_WEIGHTS_INTERNAL_H
#define EAI_FORMATS_WEIGHTS_INTERNAL_H

#include <efficientai/fs.h>
#include <efficientai/weights.h>

#include "base/arena.h"

#define WEIGHTS__MAX_TENSORS 65536
#define WEIGHTS__MAX_META    65536
#define WEIGHTS__MAX_NAME    1024

typedef struct weights__meta {
    const char *key;
    eai_meta_type type;
    int stored; /* of numbers: GGUF's type (gguf.h), of an array that of its elements */
    union {
        bool b;
        int64_t i;
        double f;
        const char *s;
        struct {
            const int64_t *v;
            size_t n;
        } ints;
        struct {
            const double *v;
            size_t n;
        } floats;
        eai_meta_strings strings;
    } as;
} weights__meta;

/* Names in order, for binary search. */
typedef struct weights__name {
    const char *name;
    size_t at; /* in tensors or meta */
} weights__name;

struct eai_weights {
    char *label;
    eai_arena *arena;     /* names, metadata, copied tensors; lives until the set is closed */
    eai_map *map;         /* NULL when in memory, and for several files */
    eai_weights **shards; /* the files that an index names; tensors point into them */
    size_t n_shards;
    eai_weight_tensor *tensors;
    weights__name *tensor_order;
    size_t n_tensors;
    size_t tensor_capacity;
    weights__meta *meta;
    weights__name *meta_order;
    size_t n_meta;
    size_t meta_capacity;
};

/* Appends at the end, unsorted; names and data are kept as pointers. EAI_ERR_LIMIT when full. */
eai_status weights__append_tensor(eai_weights *w, const eai_weight_tensor *t, eai_error *err);
eai_status weights__append_meta(eai_weights *w, const weights__meta *m, eai_error *err);

/* Makes sure that t->data is aligned for its elements: what the file does not align is copied. */
eai_status weights__align_tensor(eai_weights *w, eai_weight_tensor *t, eai_error *err);

/* Sorts the names of everything appended; EAI_ERR_FORMAT for a name that appears twice. Look-ups of
 * tensors and metadata work from here on. */
eai_status weights__index(eai_weights *w, eai_error *err);
eai_status weights__index_meta(eai_weights *w, eai_error *err);

/* Where a tensor's data lies, from the start of the file's data; `at` is its number. */
typedef struct weights__span {
    uint64_t begin;
    uint64_t end;
    size_t at;
} weights__span;

/* Sorts by begin, then by end. */
void weights__sort_spans(weights__span *spans, size_t n);

/* Adds an entry or replaces the one of that key. All that *m points to lies in w's arena. */
eai_status weights__set_meta(eai_weights *w, const weights__meta *m, eai_error *err);

/* The metadata of that key or NULL. */
const weights__meta *weights__find_meta(const eai_weights *w, const char *key);

/* The bytes of a tensor of that type and shape. EAI_ERR_FORMAT with the reason when dimensions are
 * negative, rows are no whole blocks, or the size or the number of elements overflows. */
eai_status weights__size(size_t *bytes, eai_dtype dtype, const eai_shape *shape, eai_error *err);

/* gguf.c and safetensors.c: append what n bytes hold and index the metadata. Messages lack the
 * path. */
eai_status gguf__parse(eai_weights *w, const uint8_t *data, size_t n, eai_error *err);
eai_status safetensors__parse(eai_weights *w, const uint8_t *data, size_t n, eai_error *err);

/* The bytes of a tensor, in one go or made by opts->fill some rows at a time (weights_write.c). */
eai_status weights__write_tensor(eai_file_writer *f, const eai_weight_tensor *t,
                                 const eai_weights_save_opts *opts, eai_error *err);

/* weights.c: opens a file of tensors; an index is refused. */
eai_status weights__open_file(eai_weights **out, const char *path, eai_error *err);

/* shards.c: n bytes of an index rather than of tensors? Opens the files that it names, beside
 * `path`, and appends their tensors. */
bool shards__is_index(const uint8_t *data, size_t n);
eai_status shards__open(eai_weights *w, const char *path, const char *text, size_t n,
                        eai_error *err);
/* hf_layout.c: names and row order of Hugging Face, by the architecture that the metadata names.
 * Before weights__index, after weights__index_meta. */
eai_status hf_layout__apply(eai_weights *w, eai_error *err);

/* The way back, for writing: what a GGUF file holds in place of a tensor. */
typedef struct hf_layout__change {
    const char *name;
    int64_t heads; /* rows are interleaved within so many; 0: they stay */
    bool plus_one; /* 1 is added to each element, which are f32 */
} hf_layout__change;

/* out->name is in `arena`, or t->name itself. */
eai_status hf_layout__restore(hf_layout__change *out, eai_arena *arena, const eai_weights *w,
                              const eai_weight_tensor *t, eai_error *err);

/* The row of Hugging Face's order that is row `row` of GGUF's, of `rows` for `heads` heads. */
int64_t hf_layout__find_row(int64_t row, int64_t rows, int64_t heads);

#endif
