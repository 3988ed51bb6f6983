/* safetensors, Hugging Face's tensor file: reading and writing.
 *
 * The file:
 *     u64 n (little-endian)
 *     n bytes of JSON, starting with '{' and padded with spaces so that the data is 8-byte aligned:
 *         {"__metadata__": {"format": "pt"},
 *          "wte": {"dtype": "F32", "shape": [49152, 576], "data_offsets": [0, 113246208]}, ...}
 *     the data: offsets count from here; the tensors fill it without gaps
 *
 * Refused, as by the reference: headers above 100 MB, duplicate names, gaps, overlaps, bytes behind
 * the last tensor. Files of several shards are opened one by one; their index is not read here.
 *
 * Writing gives the same bytes for the same content, and the reference's own bytes where there is
 * at most one metadata entry (it keeps these in no order): tensors by decreasing dtype, in the
 * order of its list, then by name. Start at safetensors__parse() and eai_weights_save(). */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/reader.h"
#include "base/strbuf.h"
#include "formats/weights_internal.h"

#include "base/banned.h"

#define MAX_HEADER   ((size_t)100000000)
#define METADATA_KEY "__metadata__"
#define DTYPE_NAMES  "F64, F32, F16, BF16, I64, I32, U32 and U8"

/* --- reading --- */

static eai_status find_dtype(eai_dtype *out, const char *name, eai_error *err)
{
    for (int i = 0; i < EAI_DTYPE_COUNT; i++) {
        const char *known = eai_dtype_get((eai_dtype)i)->safetensors;
        if (known && strcmp(known, name) == 0) {
            *out = (eai_dtype)i;
            return EAI_OK;
        }
    }
    return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                         "dtype '%s' is not supported (" DTYPE_NAMES " are)", name);
}

/* A JSON array of non-negative integers, at most `most` of them. */
static eai_status read_integers(int64_t *out, size_t *n, const json_t *list, size_t most,
                                const char *field, eai_error *err)
{
    if (!json_is_array(list))
        return eai_error_set(err, EAI_ERR_FORMAT, "'%s' is missing or no list", field);
    *n = json_array_size(list);
    if (*n > most)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "'%s' has %zu entries (at most %zu)", field,
                             *n, most);
    for (size_t i = 0; i < *n; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0)
            return eai_error_set(err, EAI_ERR_FORMAT, "'%s' entry %zu is no non-negative integer",
                                 field, i);
        out[i] = json_integer_value(item);
    }
    return EAI_OK;
}

static eai_status read_entry(eai_weight_tensor *t, weights__span *s, const json_t *entry,
                             eai_error *err)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    int64_t offsets[2] = {0, 0};
    size_t n = 0;

    if (!dtype)
        return eai_error_set(err, EAI_ERR_FORMAT, "'dtype' is missing or no text");
    EAI_TRY(find_dtype(&t->dtype, dtype, err));
    EAI_TRY(read_integers(t->shape.dim, &n, json_object_get(entry, "shape"), EAI_MAX_DIMS, "shape",
                          err));
    t->shape.n_dims = (int)n;
    EAI_TRY(
        read_integers(offsets, &n, json_object_get(entry, "data_offsets"), 2, "data_offsets", err));
    EAI_TRY(weights__size(&t->bytes, t->dtype, &t->shape, err));
    if (n != 2 || offsets[1] < offsets[0] || (uint64_t)(offsets[1] - offsets[0]) != t->bytes)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "data_offsets %lld to %lld are not the %zu bytes of its shape",
                             (long long)offsets[0], (long long)offsets[1], t->bytes);
    s->begin = (uint64_t)offsets[0];
    s->end = (uint64_t)offsets[1];
    return EAI_OK;
}

static eai_status read_metadata(eai_weights *w, json_t *map, eai_error *err)
{
    const char *key = NULL;
    json_t *value = NULL;

    if (json_is_null(map)) /* what MLX writes for none */
        return EAI_OK;
    if (!json_is_object(map))
        return eai_error_set(err, EAI_ERR_FORMAT, "'" METADATA_KEY "' is no object");
    json_object_foreach(map, key, value)
    {
        weights__meta m = {.type = EAI_META_STRING};
        if (!json_is_string(value))
            return eai_error_set(err, EAI_ERR_FORMAT, "metadata '%s' is no text", key);
        m.key = eai_arena_strdup(w->arena, key);
        m.as.s = eai_arena_strdup(w->arena, json_string_value(value));
        if (!m.key || !m.as.s)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for metadata '%s'", key);
        EAI_TRY(weights__append_meta(w, &m, err));
    }
    return EAI_OK;
}

/* All entries of the header; spans[i] belongs to tensor i. */
static eai_status read_entries(eai_weights *w, weights__span *spans, json_t *header, eai_error *err)
{
    const char *name = NULL;
    json_t *entry = NULL;

    json_object_foreach(header, name, entry)
    {
        eai_weight_tensor t = {0};
        if (strcmp(name, METADATA_KEY) == 0) {
            EAI_TRY(read_metadata(w, entry, err));
            continue;
        }
        size_t length = strlen(name);
        if (length < 1 || length > WEIGHTS__MAX_NAME)
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "a tensor's name has %zu bytes (1 to %d are allowed)", length,
                                 WEIGHTS__MAX_NAME);
        spans[w->n_tensors].at = w->n_tensors;
        eai_status st = read_entry(&t, &spans[w->n_tensors], entry, err);
        if (st != EAI_OK)
            return eai_error_context(err, st, "tensor '%s'", name);
        t.name = eai_arena_strdup(w->arena, name);
        if (!t.name)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
        EAI_TRY(weights__append_tensor(w, &t, err));
    }
    return weights__index_meta(w, err);
}

/* The tensors must fill `size` bytes without gap or overlap. Sets their pointers. */
static eai_status place_tensors(eai_weights *w, weights__span *spans, const uint8_t *data,
                                size_t size, eai_error *err)
{
    uint64_t taken = 0;

    weights__sort_spans(spans, w->n_tensors);
    for (size_t i = 0; i < w->n_tensors; i++) {
        eai_weight_tensor *t = &w->tensors[spans[i].at];
        if (spans[i].begin != taken)
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "tensor '%s': data begins at %llu, but the data before it ends at "
                                 "%llu (gaps and overlaps are not allowed)",
                                 t->name, (unsigned long long)spans[i].begin,
                                 (unsigned long long)taken);
        if (spans[i].end > size)
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "tensor '%s': data ends at %llu, beyond the file's %zu bytes of "
                                 "data",
                                 t->name, (unsigned long long)spans[i].end, size);
        taken = spans[i].end;
        t->data = data + spans[i].begin;
        EAI_TRY(weights__align_tensor(w, t, err));
    }
    if (taken != size)
        return eai_error_set(err, EAI_ERR_FORMAT, "%llu bytes follow the last tensor",
                             (unsigned long long)(size - taken));
    return EAI_OK;
}

eai_status safetensors__parse(eai_weights *w, const uint8_t *data, size_t n, eai_error *err)
{
    eai_reader r;
    json_error_t why;
    json_t *header = NULL;
    weights__span *spans = NULL;
    eai_status st = EAI_OK;

    eai_reader_init(&r, data, n);
    uint64_t length = eai_reader_u64(&r);
    if (length > MAX_HEADER)
        return eai_error_set(err, EAI_ERR_LIMIT, "a header of %llu bytes (at most %zu are allowed)",
                             (unsigned long long)length, MAX_HEADER);
    const uint8_t *text = eai_reader_bytes(&r, length);
    if (!text)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "cut short: a header of %llu bytes in a file of %zu",
                             (unsigned long long)length, n);
    /* an object: the caller saw its '{' */
    header = json_loadb((const char *)text, (size_t)length, JSON_REJECT_DUPLICATES, &why);
    if (!header) {
        st = json_error_code(&why) == json_error_out_of_memory
                 ? eai_error_set(err, EAI_ERR_NOMEM, "header: no memory")
                 : eai_error_set(err, EAI_ERR_FORMAT, "header: %s (byte %d)", why.text,
                                 why.position);
        goto done;
    }
    spans = eai_alloc_array(json_object_size(header), sizeof(*spans));
    if (!spans) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu tensors",
                           json_object_size(header));
        goto done;
    }
    st = read_entries(w, spans, header, err);
    if (st == EAI_OK)
        st = place_tensors(w, spans, r.at, eai_reader_left(&r), err);
done:
    eai_free(spans);
    json_decref(header);
    return st;
}

/* --- writing --- */

/* The place of a dtype in the reference's list, which orders tensors (later ones come first); 0:
 * the format has no name for it. */
static int rank_of(eai_dtype t)
{
    static const int ranks[EAI_DTYPE_COUNT] = {
        [EAI_U8] = 1,  [EAI_F16] = 2, [EAI_BF16] = 3, [EAI_I32] = 4,
        [EAI_U32] = 5, [EAI_F32] = 6, [EAI_F64] = 7,  [EAI_I64] = 8};
    return ranks[t];
}

static int compare_for_file(const void *a, const void *b)
{
    const eai_weight_tensor *x = *(const eai_weight_tensor *const *)a;
    const eai_weight_tensor *y = *(const eai_weight_tensor *const *)b;
    int order = rank_of(y->dtype) - rank_of(x->dtype);
    return order ? order : strcmp(x->name, y->name);
}

/* Pointers to the tensors in the file's order, in new memory. */
static eai_status order_tensors(const eai_weight_tensor ***out, const eai_weights *w, bool has_fill,
                                eai_error *err)
{
    const eai_weight_tensor **order =
        eai_alloc_array(w->n_tensors, sizeof(const eai_weight_tensor *));

    *out = order;
    if (!order)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu names", w->n_tensors);
    for (size_t i = 0; i < w->n_tensors; i++) {
        const eai_weight_tensor *t = &w->tensors[i];
        order[i] = t;
        if (rank_of(t->dtype) == 0)
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "tensor '%s': safetensors has no type for %s (" DTYPE_NAMES
                                 " are possible)",
                                 t->name, eai_dtype_get(t->dtype)->name);
        if (strcmp(t->name, METADATA_KEY) == 0)
            return eai_error_set(err, EAI_ERR_ARGUMENT, "a tensor cannot be named '%s'", t->name);
        if (!has_fill && !t->data && t->bytes > 0)
            return eai_error_set(err, EAI_ERR_ARGUMENT, "tensor '%s' has no data", t->name);
    }
    if (w->n_tensors > 1)
        qsort(order, w->n_tensors, sizeof(const eai_weight_tensor *), compare_for_file);
    return EAI_OK;
}

static void print_metadata(eai_strbuf *b, const eai_weights *w)
{
    const char *between = "\"" METADATA_KEY "\":{";

    for (size_t i = 0; i < w->n_meta; i++) { /* by key */
        const weights__meta *m = &w->meta[w->meta_order[i].at];
        if (m->type != EAI_META_STRING)
            continue;
        eai_strbuf_text(b, between);
        eai_strbuf_json_string(b, m->key);
        eai_strbuf_char(b, ':');
        eai_strbuf_json_string(b, m->as.s);
        between = ",";
    }
    if (*between == ',')
        eai_strbuf_char(b, '}');
}

static void print_header(eai_strbuf *b, const eai_weights *w, const eai_weight_tensor **order)
{
    unsigned long long offset = 0;

    eai_strbuf_char(b, '{');
    print_metadata(b, w);
    for (size_t i = 0; i < w->n_tensors; i++) {
        const eai_weight_tensor *t = order[i];
        if (b->length > 1)
            eai_strbuf_char(b, ',');
        eai_strbuf_json_string(b, t->name);
        eai_strbuf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[",
                          eai_dtype_get(t->dtype)->safetensors);
        for (int d = 0; d < t->shape.n_dims; d++)
            eai_strbuf_printf(b, d ? ",%lld" : "%lld", (long long)t->shape.dim[d]);
        eai_strbuf_printf(b, "],\"data_offsets\":[%llu,%llu]}", offset, offset + t->bytes);
        offset += t->bytes;
    }
    eai_strbuf_char(b, '}');
    eai_strbuf_repeat(b, ' ', (8 - b->length % 8) % 8);
}

static eai_status write_file(const char *path, const eai_strbuf *header, size_t n,
                             const eai_weight_tensor **order, const eai_weights_save_opts *opts,
                             eai_error *err)
{
    eai_file_writer *f = NULL;
    uint8_t length[8];
    uint64_t bytes = sizeof(length) + header->length;
    eai_status st = eai_file_writer_open(&f, path, err);

    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)header->length >> (8 * i));
    for (size_t i = 0; i < n; i++)
        bytes += order[i]->bytes;
    if (st == EAI_OK)
        st = eai_file_writer_expect(f, bytes, err);
    if (st == EAI_OK)
        st = eai_file_writer_write(f, length, sizeof(length), err);
    if (st == EAI_OK)
        st = eai_file_writer_write(f, header->data, header->length, err);
    for (size_t i = 0; i < n && st == EAI_OK; i++)
        st = weights__write_tensor(f, order[i], opts, err);
    return eai_file_writer_finish(f, st, err);
}

eai_status eai_weights_save(const eai_weights *w, const char *path,
                            const eai_weights_save_opts *opts, eai_error *err)
{
    const eai_weight_tensor **order = NULL;
    eai_strbuf header = EAI_STRBUF_INIT(MAX_HEADER);
    eai_status st = order_tensors(&order, w, opts && opts->fill, err);

    if (st == EAI_OK) {
        print_header(&header, w, order);
        st = eai_strbuf_check(&header, "the header", err);
    }
    if (st != EAI_OK)
        eai_error_context(err, st, "cannot write '%s'", path);
    else
        st = write_file(path, &header, w->n_tensors, order, opts, err);
    if (st == EAI_OK)
        EAI_LOG(INFO, "weights", "wrote '%s': %zu tensors", path, w->n_tensors);
    eai_strbuf_deinit(&header);
    eai_free(order);
    return st;
}
