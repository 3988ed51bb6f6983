/* GGUF, the model file of llama.cpp: the writer (version 3, little-endian).
 *
 * Why: what was tuned, merged or quantized here is to run there. The format is described in gguf.c.
 * Tensors and metadata keep their order, numbers in metadata the type that they had in a file or
 * that their setter chose, so a file that is opened and saved has the same content, and the same
 * bytes where its writer left the same padding. Where the metadata names an architecture of
 * hf_layout.c, tensors get GGUF's names, row order and norms back. Not here: which metadata a model
 * needs. Start at eai_weights_save_gguf(). */
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/strbuf.h"
#include "formats/gguf.h"

#include "base/banned.h"

#define VERSION    3
#define MAX_HEADER ((size_t)1 << 30)
#define MAX_NAME   63 /* bytes of a tensor's name: llama.cpp reads no longer ones */

/* A tensor as the file has it. */
typedef struct entry {
    const eai_weight_tensor *t;
    hf_layout__change change;
    uint32_t number;
    uint64_t offset;
} entry;

typedef struct writer {
    const eai_weights *w;
    const eai_weights_save_opts *opts;
    eai_arena *arena; /* names and entries; lives until the file is written */
    entry *entries;
    uint64_t alignment;
    eai_strbuf header;
    eai_error *err;
} writer;

static uint64_t align_up(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) / alignment * alignment;
}

/* --- what is written --- */

static eai_status make_entry(entry *e, writer *p, const eai_weight_tensor *t)
{
    *e = (entry){.t = t};
    if (!gguf__find_number(&e->number, t->dtype))
        return eai_error_set(p->err, EAI_ERR_UNSUPPORTED, "GGUF has no storage type for %s",
                             eai_dtype_get(t->dtype)->name);
    if (t->shape.n_dims > GGUF__MAX_DIMS)
        return eai_error_set(p->err, EAI_ERR_UNSUPPORTED, "%d dimensions (0 to %d are allowed)",
                             t->shape.n_dims, GGUF__MAX_DIMS);
    if (!t->data && t->bytes > 0 && !(p->opts && p->opts->fill))
        return eai_error_set(p->err, EAI_ERR_ARGUMENT, "no data");
    EAI_TRY(hf_layout__restore(&e->change, p->arena, p->w, t, p->err));
    if (strlen(e->change.name) > MAX_NAME)
        return eai_error_set(p->err, EAI_ERR_UNSUPPORTED,
                             "a name of %zu bytes (GGUF's readers allow %d)",
                             strlen(e->change.name), MAX_NAME);
    if (e->change.name != t->name && eai_weights_find(p->w, e->change.name))
        return eai_error_set(p->err, EAI_ERR_ARGUMENT, "GGUF calls it '%s', as another one",
                             e->change.name);
    return EAI_OK;
}

static eai_status make_entries(writer *p)
{
    uint64_t offset = 0;

    p->entries = eai_arena_array(p->arena, p->w->n_tensors, sizeof(*p->entries));
    if (!p->entries)
        return eai_error_set(p->err, EAI_ERR_NOMEM, "no memory for %zu tensors", p->w->n_tensors);
    for (size_t i = 0; i < p->w->n_tensors; i++) {
        const eai_weight_tensor *t = &p->w->tensors[i];
        eai_status st = make_entry(&p->entries[i], p, t);
        if (st != EAI_OK)
            return eai_error_context(p->err, st, "tensor '%.200s'", t->name);
        p->entries[i].offset = offset;
        offset += align_up(t->bytes, p->alignment);
    }
    return EAI_OK;
}

/* --- the header --- */

/* The machine is little-endian (convert.h insists on it), so bytes are written as they lie. */
static void put_u32(eai_strbuf *b, uint32_t v)
{
    eai_strbuf_bytes(b, &v, sizeof(v));
}

static void put_u64(eai_strbuf *b, uint64_t v)
{
    eai_strbuf_bytes(b, &v, sizeof(v));
}

static void put_text(eai_strbuf *b, const char *text, size_t n)
{
    put_u64(b, n);
    eai_strbuf_bytes(b, text, n);
}

/* An integer in one of GGUF's types; two's complement lets its low bytes stand for it. */
static void put_integer(eai_strbuf *b, int64_t v, int type)
{
    static const uint8_t bytes[GGUF__COUNT] = {
        [GGUF__U8] = 1,  [GGUF__I8] = 1,   [GGUF__U16] = 2, [GGUF__I16] = 2, [GGUF__U32] = 4,
        [GGUF__I32] = 4, [GGUF__BOOL] = 1, [GGUF__U64] = 8, [GGUF__I64] = 8};
    eai_strbuf_bytes(b, &v, bytes[type]);
}

static void put_float(eai_strbuf *b, double v, int type)
{
    float f = (float)v;
    if (type == GGUF__F64)
        eai_strbuf_bytes(b, &v, sizeof(v));
    else
        eai_strbuf_bytes(b, &f, sizeof(f));
}

static void put_array(eai_strbuf *b, const weights__meta *m)
{
    put_u32(b, GGUF__ARRAY);
    if (m->type == EAI_META_STRINGS) {
        put_u32(b, GGUF__STRING);
        put_u64(b, m->as.strings.n);
        for (size_t i = 0; i < m->as.strings.n; i++)
            put_text(b, m->as.strings.text[i], m->as.strings.bytes[i]);
        return;
    }
    put_u32(b, (uint32_t)m->stored);
    if (m->type == EAI_META_INTS) {
        put_u64(b, m->as.ints.n);
        for (size_t i = 0; i < m->as.ints.n; i++)
            put_integer(b, m->as.ints.v[i], m->stored);
    } else {
        put_u64(b, m->as.floats.n);
        for (size_t i = 0; i < m->as.floats.n; i++)
            put_float(b, m->as.floats.v[i], m->stored);
    }
}

static void put_meta(eai_strbuf *b, const weights__meta *m)
{
    put_text(b, m->key, strlen(m->key));
    switch (m->type) {
    case EAI_META_BOOL:
        put_u32(b, GGUF__BOOL);
        put_integer(b, m->as.b, GGUF__BOOL);
        break;
    case EAI_META_INT:
        put_u32(b, (uint32_t)m->stored);
        put_integer(b, m->as.i, m->stored);
        break;
    case EAI_META_FLOAT:
        put_u32(b, (uint32_t)m->stored);
        put_float(b, m->as.f, m->stored);
        break;
    case EAI_META_STRING:
        put_u32(b, GGUF__STRING);
        put_text(b, m->as.s, strlen(m->as.s));
        break;
    default:
        put_array(b, m);
        break;
    }
}

static void put_entry(eai_strbuf *b, const entry *e)
{
    const eai_shape *s = &e->t->shape;

    put_text(b, e->change.name, strlen(e->change.name));
    put_u32(b, (uint32_t)s->n_dims);
    for (int d = s->n_dims; d-- > 0;) /* innermost first */
        put_u64(b, (uint64_t)s->dim[d]);
    put_u32(b, e->number);
    put_u64(b, e->offset);
}

static eai_status make_header(writer *p)
{
    eai_strbuf *b = &p->header;

    eai_strbuf_text(b, "GGUF");
    put_u32(b, VERSION);
    put_u64(b, p->w->n_tensors);
    put_u64(b, p->w->n_meta);
    for (size_t i = 0; i < p->w->n_meta; i++)
        put_meta(b, &p->w->meta[i]);
    for (size_t i = 0; i < p->w->n_tensors; i++)
        put_entry(b, &p->entries[i]);
    eai_strbuf_repeat(b, '\0', (size_t)(align_up(b->length, p->alignment) - b->length));
    return eai_strbuf_check(b, "the header", p->err);
}

/* --- the data --- */

static int64_t count_rows(const eai_weight_tensor *t)
{
    return t->shape.n_dims > 0 ? t->shape.dim[0] : 1;
}

/* Rows in GGUF's order, or 1 more than the tensor. */
static eai_status write_data(eai_file_writer *f, const entry *e, const uint8_t *data,
                             eai_error *err)
{
    if (e->t->bytes == 0)
        return EAI_OK;
    int64_t rows = count_rows(e->t);
    size_t row_bytes = e->t->bytes / (size_t)rows;

    for (int64_t r = 0; e->change.heads > 0 && r < rows; r++)
        EAI_TRY(eai_file_writer_write(
            f, data + (size_t)hf_layout__find_row(r, rows, e->change.heads) * row_bytes, row_bytes,
            err));
    for (size_t i = 0; e->change.plus_one && i < e->t->bytes; i += sizeof(float)) {
        float x;
        memcpy(&x, data + i, sizeof(x));
        x += 1.0f;
        EAI_TRY(eai_file_writer_write(f, &x, sizeof(x), err));
    }
    return EAI_OK;
}

/* A tensor that the file holds otherwise; one that the caller makes is made first, all of it. */
static eai_status write_changed(eai_file_writer *f, const writer *p, const entry *e)
{
    const eai_weight_tensor *t = e->t;
    const uint8_t *data = t->data;
    uint8_t *made = NULL;
    eai_status st = EAI_OK;

    if (!data) {
        made = eai_alloc_aligned(64, t->bytes);
        st = made ? p->opts->fill(made, t, 0, count_rows(t), p->opts->fill_ud, p->err)
                  : eai_error_set(p->err, EAI_ERR_NOMEM, "no memory for %zu bytes", t->bytes);
        data = made;
    }
    if (st == EAI_OK)
        st = write_data(f, e, data, p->err);
    eai_free(made);
    return st;
}

static eai_status write_zeros(eai_file_writer *f, uint64_t n, eai_error *err)
{
    static const uint8_t zeros[GGUF__MAX_ALIGNMENT];
    return eai_file_writer_write(f, zeros, (size_t)n, err);
}

static eai_status write_file(const char *path, const writer *p)
{
    eai_file_writer *f = NULL;
    uint64_t all = p->header.length;
    eai_status st = eai_file_writer_open(&f, path, p->err);

    for (size_t i = 0; i < p->w->n_tensors; i++)
        all += align_up(p->entries[i].t->bytes, p->alignment);
    if (st == EAI_OK)
        st = eai_file_writer_expect(f, all, p->err);
    if (st == EAI_OK)
        st = eai_file_writer_write(f, p->header.data, p->header.length, p->err);
    for (size_t i = 0; i < p->w->n_tensors && st == EAI_OK; i++) {
        const entry *e = &p->entries[i];
        uint64_t bytes = e->t->bytes;
        if ((e->change.heads > 0 || e->change.plus_one) && bytes > 0)
            st = write_changed(f, p, e);
        else
            st = weights__write_tensor(f, e->t, p->opts, p->err);
        if (st == EAI_OK)
            st = write_zeros(f, align_up(bytes, p->alignment) - bytes, p->err);
    }
    return eai_file_writer_finish(f, st, p->err);
}

eai_status eai_weights_save_gguf(const eai_weights *w, const char *path,
                                 const eai_weights_save_opts *opts, eai_error *err)
{
    writer p = {.w = w, .opts = opts, .err = err, .header = EAI_STRBUF_INIT(MAX_HEADER)};
    eai_status st = EAI_OK;

    p.arena = eai_arena_create(0);
    if (!p.arena)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for names");
    if (st == EAI_OK)
        st = gguf__read_alignment(&p.alignment, w, err);
    if (st == EAI_OK)
        st = make_entries(&p);
    if (st == EAI_OK)
        st = make_header(&p);
    if (st != EAI_OK)
        eai_error_context(err, st, "cannot write '%s'", path);
    else
        st = write_file(path, &p);
    if (st == EAI_OK)
        EAI_LOG(INFO, "weights", "wrote '%s': %zu tensors", path, w->n_tensors);
    eai_strbuf_deinit(&p.header);
    eai_arena_free(p.arena);
    return st;
}
