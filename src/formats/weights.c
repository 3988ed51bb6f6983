/* The set of named tensors: storage, look-up, building in memory.
 *
 * Why: models, adapters, merges and exports share one way to name and find weights, whatever file
 * they came from. Not here: the files themselves (gguf.c, safetensors.c, shards.c), the translation
 * of names (hf_layout.c), metadata (weights_meta.c). Start at eai_weights_open(). */
#include <efficientai/weights.h>

#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "formats/weights_internal.h"

#include "base/banned.h"

eai_status eai_weights_create(eai_weights **out, const char *label, eai_error *err)
{
    eai_weights *w = NULL;

    *out = NULL;
    w = eai_alloc_zeroed(1, sizeof(*w));
    if (!w)
        goto nomem;
    w->arena = eai_arena_create(0);
    w->label = eai_strdup(label);
    if (!w->arena || !w->label)
        goto nomem;
    *out = w;
    return EAI_OK;
nomem:
    eai_weights_close(w);
    eai_error_set(err, EAI_ERR_NOMEM, "%s: no memory for weights", label);
    return EAI_ERR_NOMEM;
}

void eai_weights_close(eai_weights *w)
{
    if (!w)
        return;
    eai_free(w->tensors);
    eai_free(w->tensor_order);
    eai_free(w->meta);
    eai_free(w->meta_order);
    eai_arena_free(w->arena);
    eai_map_close(w->map);
    for (size_t i = 0; i < w->n_shards; i++)
        eai_weights_close(w->shards[i]);
    eai_free(w->shards);
    eai_free(w->label);
    eai_free(w);
}

/* --- files --- */

static eai_status read_contents(eai_weights *w, const uint8_t *data, size_t n, eai_error *err)
{
    if (n >= 4 && memcmp(data, "GGUF", 4) == 0) {
        EAI_TRY(gguf__parse(w, data, n, err));
        EAI_TRY(hf_layout__apply(w, err));
    } else if (n >= 9 && data[8] == '{') {
        EAI_TRY(safetensors__parse(w, data, n, err));
    } else {
        return eai_error_set(err, EAI_ERR_FORMAT,
                             shards__is_index(data, n)
                                 ? "an index of shards, where tensors are expected (%zu bytes)"
                                 : "neither a GGUF nor a safetensors file (%zu bytes)",
                             n);
    }
    return weights__index(w, err);
}

eai_status eai_weights_parse(eai_weights **out, const void *data, size_t bytes, const char *label,
                             eai_error *err)
{
    eai_weights *w = NULL;
    eai_status st;

    *out = NULL;
    EAI_TRY(eai_weights_create(&w, label, err));
    st = read_contents(w, data, bytes, err);
    if (st != EAI_OK) {
        eai_error_context(err, st, "%s", label);
        eai_weights_close(w);
        return st;
    }
    *out = w;
    return EAI_OK;
}

/* The weights in a mapped file, which they take: it is closed with them, or here on failure. */
static eai_status take_map(eai_weights **out, eai_map *map, const char *path, eai_error *err)
{
    eai_status st = eai_weights_parse(out, eai_map_data(map), eai_map_size(map), path, err);
    if (st != EAI_OK) {
        eai_map_close(map);
        return st;
    }
    (*out)->map = map;
    EAI_LOG(INFO, "weights", "opened '%s': %zu tensors, %zu metadata keys, %zu bytes", path,
            (*out)->n_tensors, (*out)->n_meta, eai_map_size(map));
    return EAI_OK;
}

eai_status weights__open_file(eai_weights **out, const char *path, eai_error *err)
{
    eai_map *map = NULL;

    *out = NULL;
    EAI_TRY(eai_map_open(&map, path, err));
    return take_map(out, map, path, err);
}

eai_status eai_weights_open(eai_weights **out, const char *path, eai_error *err)
{
    eai_map *map = NULL;
    eai_weights *w = NULL;

    *out = NULL;
    EAI_TRY(eai_map_open(&map, path, err));
    if (!shards__is_index(eai_map_data(map), eai_map_size(map)))
        return take_map(out, map, path, err);
    eai_status st = eai_weights_create(&w, path, err);
    if (st == EAI_OK)
        st = shards__open(w, path, eai_map_data(map), eai_map_size(map), err);
    eai_map_close(map);
    if (st == EAI_OK)
        *out = w;
    else
        eai_weights_close(w);
    return st;
}

/* --- storage --- */

eai_status weights__size(size_t *bytes, eai_dtype dtype, const eai_shape *shape, eai_error *err)
{
    char text[128];
    int64_t elements = 1; /* with zeros taken as ones: eai_shape_elements() must not overflow */

    for (int i = 0; i < shape->n_dims; i++) {
        if (shape->dim[i] < 0 ||
            (shape->dim[i] > 0 && __builtin_mul_overflow(elements, shape->dim[i], &elements)))
            return eai_error_set(err, EAI_ERR_FORMAT, "shape %s is negative or too large",
                                 eai_shape_print(text, sizeof(text), shape));
    }
    if (!eai_tensor_bytes(bytes, dtype, shape) || *bytes > (size_t)INT64_MAX)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "shape %s does not fit %s: rows must be a multiple of %d",
                             eai_shape_print(text, sizeof(text), shape), eai_dtype_get(dtype)->name,
                             eai_dtype_get(dtype)->block);
    return EAI_OK;
}

/* Doubles the array at *items until one more fits. */
static eai_status grow(void **items, size_t *capacity, size_t n, size_t limit, size_t size,
                       const char *what, eai_error *err)
{
    if (n >= limit) {
        eai_error_set(err, EAI_ERR_LIMIT, "more than %zu %s", limit, what);
        return EAI_ERR_LIMIT;
    }
    if (*items && n < *capacity)
        return EAI_OK;
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown = eai_realloc_array(*items, wanted, size);
    if (!grown) {
        eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu %s", wanted, what);
        return EAI_ERR_NOMEM;
    }
    *items = grown;
    *capacity = wanted;
    return EAI_OK;
}

eai_status weights__append_tensor(eai_weights *w, const eai_weight_tensor *t, eai_error *err)
{
    void *items = w->tensors;
    EAI_TRY(grow(&items, &w->tensor_capacity, w->n_tensors, WEIGHTS__MAX_TENSORS, sizeof(*t),
                 "tensors", err));
    w->tensors = items;
    w->tensors[w->n_tensors++] = *t;
    return EAI_OK;
}

eai_status weights__align_tensor(eai_weights *w, eai_weight_tensor *t, eai_error *err)
{
    const eai_dtype_spec *spec = eai_dtype_get(t->dtype);
    size_t alignment = spec->block > 1 ? sizeof(uint16_t) : (size_t)spec->bytes;

    if ((uintptr_t)t->data % alignment == 0 || t->bytes == 0)
        return EAI_OK;
    void *copy = eai_arena_alloc_aligned(w->arena, 64, t->bytes);
    if (!copy)
        return eai_error_set(err, EAI_ERR_NOMEM, "tensor '%s': no memory for %zu bytes", t->name,
                             t->bytes);
    memcpy(copy, t->data, t->bytes);
    t->data = copy;
    return EAI_OK;
}

static int compare_spans(const void *a, const void *b)
{
    const weights__span *x = a;
    const weights__span *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

void weights__sort_spans(weights__span *spans, size_t n)
{
    if (n > 1)
        qsort(spans, n, sizeof(*spans), compare_spans);
}

eai_status weights__append_meta(eai_weights *w, const weights__meta *m, eai_error *err)
{
    void *items = w->meta;
    EAI_TRY(grow(&items, &w->meta_capacity, w->n_meta, WEIGHTS__MAX_META, sizeof(*m),
                 "metadata keys", err));
    w->meta = items;
    w->meta[w->n_meta++] = *m;
    return EAI_OK;
}

/* --- order of names --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const weights__name *)a)->name, ((const weights__name *)b)->name);
}

static eai_status sort_names(weights__name *order, size_t n, const char *what, eai_error *err)
{
    if (n > 1)
        qsort(order, n, sizeof(*order), compare_names);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(order[i - 1].name, order[i].name) == 0)
            return eai_error_set(err, EAI_ERR_FORMAT, "%s '%s' appears twice", what, order[i].name);
    }
    return EAI_OK;
}

/* The place of `name`, or where it belongs; *found says which. */
static size_t search_names(const weights__name *order, size_t n, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = n;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(order[middle].name, name);
        if (c == 0) {
            *found = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

eai_status weights__index(eai_weights *w, eai_error *err)
{
    weights__name *order = eai_alloc_array(w->n_tensors, sizeof(*order));
    if (!order)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu names", w->n_tensors);
    for (size_t i = 0; i < w->n_tensors; i++)
        order[i] = (weights__name){w->tensors[i].name, i};
    eai_free(w->tensor_order);
    w->tensor_order = order;
    return sort_names(order, w->n_tensors, "tensor", err);
}

eai_status weights__index_meta(eai_weights *w, eai_error *err)
{
    weights__name *order = eai_alloc_array(w->n_meta, sizeof(*order));
    if (!order)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu keys", w->n_meta);
    for (size_t i = 0; i < w->n_meta; i++)
        order[i] = (weights__name){w->meta[i].key, i};
    eai_free(w->meta_order);
    w->meta_order = order;
    return sort_names(order, w->n_meta, "metadata key", err);
}

const weights__meta *weights__find_meta(const eai_weights *w, const char *key)
{
    bool found = false;
    size_t i = search_names(w->meta_order, w->n_meta, key, &found);
    return found ? &w->meta[w->meta_order[i].at] : NULL;
}

/* --- building in memory --- */

/* Makes room for one more name and puts it at its place; n is the number before. The name must be
 * absent. */
static eai_status insert_name(weights__name **order, size_t n, const char *name, eai_error *err)
{
    bool found = false;
    weights__name *grown = eai_realloc_array(*order, n + 1, sizeof(*grown));
    if (!grown)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu names", n + 1);
    *order = grown;
    size_t at = search_names(grown, n, name, &found);
    memmove(grown + at + 1, grown + at, (n - at) * sizeof(*grown));
    grown[at] = (weights__name){name, n};
    return EAI_OK;
}

static eai_status add(eai_weights *w, eai_weight_tensor t, bool copy, eai_error *err)
{
    size_t length = strlen(t.name);

    if (length == 0 || length > WEIGHTS__MAX_NAME)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a name of %zu bytes (1 to %d are allowed)",
                             length, WEIGHTS__MAX_NAME);
    if (eai_weights_find(w, t.name))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "exists already");
    EAI_TRY(weights__size(&t.bytes, t.dtype, &t.shape, err));
    t.name = eai_arena_strdup(w->arena, t.name);
    if (copy) {
        void *data = eai_arena_alloc_aligned(w->arena, 64, t.bytes);
        if (data && t.bytes)
            memcpy(data, t.data, t.bytes);
        t.data = data;
    }
    if (!t.name || (copy && !t.data))
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu bytes", t.bytes);
    EAI_TRY(weights__append_tensor(w, &t, err));
    eai_status st = insert_name(&w->tensor_order, w->n_tensors - 1, t.name, err);
    if (st != EAI_OK)
        w->n_tensors--;
    return st;
}

eai_status eai_weights_add(eai_weights *w, const char *name, eai_dtype dtype,
                           const eai_shape *shape, const void *data, eai_error *err)
{
    eai_weight_tensor t = {.name = name, .dtype = dtype, .shape = *shape, .data = data};
    eai_status st = add(w, t, true, err);
    return st == EAI_OK ? st : eai_error_context(err, st, "%s: tensor '%.200s'", w->label, name);
}

eai_status eai_weights_add_borrowed(eai_weights *w, const char *name, eai_dtype dtype,
                                    const eai_shape *shape, const void *data, eai_error *err)
{
    eai_weight_tensor t = {.name = name, .dtype = dtype, .shape = *shape, .data = data};
    eai_status st = add(w, t, false, err);
    return st == EAI_OK ? st : eai_error_context(err, st, "%s: tensor '%.200s'", w->label, name);
}

eai_status weights__set_meta(eai_weights *w, const weights__meta *m, eai_error *err)
{
    bool found = false;
    size_t at = search_names(w->meta_order, w->n_meta, m->key, &found);

    if (found) {
        weights__meta *old = &w->meta[w->meta_order[at].at];
        const char *key = old->key;
        *old = *m;
        old->key = key;
        return EAI_OK;
    }
    EAI_TRY(weights__append_meta(w, m, err));
    eai_status st = insert_name(&w->meta_order, w->n_meta - 1, m->key, err);
    if (st != EAI_OK)
        w->n_meta--;
    return st;
}

/* --- looking --- */

const char *eai_weights_path(const eai_weights *w)
{
    return w->label;
}

size_t eai_weights_count(const eai_weights *w)
{
    return w->n_tensors;
}

uint64_t eai_weights_file_bytes(const eai_weights *w)
{
    uint64_t bytes = w->map ? eai_map_size(w->map) : 0;
    for (size_t i = 0; i < w->n_shards; i++)
        bytes += eai_map_size(w->shards[i]->map);
    return bytes;
}

const eai_weight_tensor *eai_weights_at(const eai_weights *w, size_t i)
{
    return &w->tensors[i];
}

const eai_weight_tensor *eai_weights_find(const eai_weights *w, const char *name)
{
    bool found = false;
    size_t i = search_names(w->tensor_order, w->n_tensors, name, &found);
    return found ? &w->tensors[w->tensor_order[i].at] : NULL;
}
