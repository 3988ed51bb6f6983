/* GGUF, the model file of llama.cpp: the reader (versions 2 and 3, little-endian). The writer is
 * gguf_write.c.
 *
 * The file, every number little-endian, nothing aligned before the tensor data:
 *
 *     "GGUF"  u32 version  u64 n_tensors  u64 n_metadata
 *     n_metadata x   string key, u32 type, value
 *     n_tensors x    string name, u32 n_dims, u64 ne[n_dims], u32 type, u64 offset
 *     zeros up to a multiple of the alignment
 *     tensor data: each tensor at its offset from here
 *
 *     string   u64 length, bytes (no NUL)
 *     value    by type: 0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool (one byte), 8 string,
 *              9 array (u32 element type, u64 count, elements), 10 u64, 11 i64, 12 f64
 *     ne       numbers of elements, innermost dimension first: a [49152, 576] matrix has ne 576,
 * 49152 type     storage of the tensor, see `storages` below offset   a multiple of the alignment,
 * which is metadata "general.alignment" or else 32
 *
 * Why a reader of our own: the file is untrusted, and the tensors are to stay where they are,
 * mapped. Every count is checked against the bytes that are left before anything is allocated for
 * it, so a lying header costs at most a few times its own size. Refused: duplicate names,
 * overlapping or misaligned tensors, arrays of arrays, version 1 and big-endian files, storage
 * types that the toolkit does not know. Not here: the meaning of metadata and names (hf_layout.c,
 * models). Start at gguf__parse(). */
#include <string.h>

#include <efficientai/alloc.h>

#include "base/reader.h"
#include "formats/gguf.h"

#include "base/banned.h"

/* The least number of bytes that a value takes, and what it becomes (alone, in an array). */
static const struct {
    size_t bytes;
    eai_meta_type scalar;
    eai_meta_type array;
} values[GGUF__COUNT] = {
    [GGUF__U8] = {1, EAI_META_INT, EAI_META_INTS},
    [GGUF__I8] = {1, EAI_META_INT, EAI_META_INTS},
    [GGUF__U16] = {2, EAI_META_INT, EAI_META_INTS},
    [GGUF__I16] = {2, EAI_META_INT, EAI_META_INTS},
    [GGUF__U32] = {4, EAI_META_INT, EAI_META_INTS},
    [GGUF__I32] = {4, EAI_META_INT, EAI_META_INTS},
    [GGUF__F32] = {4, EAI_META_FLOAT, EAI_META_FLOATS},
    [GGUF__BOOL] = {1, EAI_META_BOOL, EAI_META_INTS},
    [GGUF__STRING] = {8, EAI_META_STRING, EAI_META_STRINGS},
    [GGUF__ARRAY] = {12, EAI_META_NONE, EAI_META_NONE},
    [GGUF__U64] = {8, EAI_META_INT, EAI_META_INTS},
    [GGUF__I64] = {8, EAI_META_INT, EAI_META_INTS},
    [GGUF__F64] = {8, EAI_META_FLOAT, EAI_META_FLOATS},
};

/* GGUF's storage types. Those without a type of ours are listed so that the error can name them. */
typedef struct storage {
    const char *name;
    uint32_t number;
    int dtype; /* eai_dtype or -1 */
} storage;

static const storage storages[] = {
    {"F32", 0, EAI_F32},        {"F16", 1, EAI_F16},      {"Q4_0", 2, EAI_Q4_0},
    {"Q4_1", 3, EAI_Q4_1},      {"Q5_0", 6, EAI_Q5_0},    {"Q5_1", 7, EAI_Q5_1},
    {"Q8_0", 8, EAI_Q8_0},      {"Q8_1", 9, -1},          {"Q2_K", 10, EAI_Q2_K},
    {"Q3_K", 11, EAI_Q3_K},     {"Q4_K", 12, EAI_Q4_K},   {"Q5_K", 13, EAI_Q5_K},
    {"Q6_K", 14, EAI_Q6_K},     {"Q8_K", 15, -1},         {"IQ2_XXS", 16, -1},
    {"IQ2_XS", 17, -1},         {"IQ3_XXS", 18, -1},      {"IQ1_S", 19, -1},
    {"IQ4_NL", 20, EAI_IQ4_NL}, {"IQ3_S", 21, -1},        {"IQ2_S", 22, -1},
    {"IQ4_XS", 23, -1},         {"I8", 24, -1},           {"I16", 25, -1},
    {"I32", 26, EAI_I32},       {"I64", 27, EAI_I64},     {"F64", 28, EAI_F64},
    {"IQ1_M", 29, -1},          {"BF16", 30, EAI_BF16},   {"TQ1_0", 34, -1},
    {"TQ2_0", 35, -1},          {"MXFP4", 39, EAI_MXFP4},
};

bool gguf__find_number(uint32_t *out, eai_dtype t)
{
    for (size_t i = 0; i < sizeof(storages) / sizeof(storages[0]); i++) {
        if (storages[i].dtype == (int)t) {
            *out = storages[i].number;
            return true;
        }
    }
    return false;
}

typedef struct parser {
    eai_reader r;
    eai_weights *w;
    eai_error *err;
} parser;

static eai_status cut_short(parser *p)
{
    return eai_error_set(p->err, EAI_ERR_FORMAT, "cut short at byte %zu", eai_reader_offset(&p->r));
}

static eai_status no_memory(parser *p, uint64_t n)
{
    return eai_error_set(p->err, EAI_ERR_NOMEM, "no memory for %llu values", (unsigned long long)n);
}

/* A string as it lies in the file: *n bytes without a NUL at the end. */
static eai_status take_string(const char **out, size_t *n, parser *p)
{
    uint64_t length = eai_reader_u64(&p->r);
    const uint8_t *bytes = eai_reader_bytes(&p->r, length);

    if (!bytes)
        return cut_short(p);
    *out = (const char *)bytes;
    *n = (size_t)length;
    return EAI_OK;
}

/* A string in the arena, ended by a NUL; one with a NUL inside is refused. */
static eai_status copy_string(const char **out, parser *p, const char *text, size_t n)
{
    if (memchr(text, '\0', n))
        return eai_error_set(p->err, EAI_ERR_FORMAT, "a text holds a NUL byte");
    *out = eai_arena_strndup(p->w->arena, text, n);
    return *out ? EAI_OK : no_memory(p, n);
}

/* The name of a tensor or a key: 1 to WEIGHTS__MAX_NAME bytes. */
static eai_status take_name(const char **out, parser *p)
{
    const char *text = "";
    size_t n = 0;

    EAI_TRY(take_string(&text, &n, p));
    if (n < 1 || n > WEIGHTS__MAX_NAME)
        return eai_error_set(p->err, EAI_ERR_FORMAT, "a name of %zu bytes (1 to %d are allowed)", n,
                             WEIGHTS__MAX_NAME);
    return copy_string(out, p, text, n);
}

/* --- metadata --- */

static eai_status take_integer(int64_t *out, parser *p, gguf__type type)
{
    uint64_t big = 0;

    switch (type) {
    case GGUF__U8:
    case GGUF__BOOL:
        *out = eai_reader_u8(&p->r);
        break;
    case GGUF__I8:
        *out = (int)eai_reader_i8(&p->r);
        break;
    case GGUF__U16:
        *out = eai_reader_u16(&p->r);
        break;
    case GGUF__I16:
        *out = eai_reader_i16(&p->r);
        break;
    case GGUF__U32:
        *out = eai_reader_u32(&p->r);
        break;
    case GGUF__I32:
        *out = eai_reader_i32(&p->r);
        break;
    case GGUF__I64:
        *out = eai_reader_i64(&p->r);
        break;
    default:
        big = eai_reader_u64(&p->r);
        *out = (int64_t)big;
        break;
    }
    if (p->r.failed)
        return cut_short(p);
    if (big > INT64_MAX)
        return eai_error_set(p->err, EAI_ERR_FORMAT, "%llu is above the largest integer allowed",
                             (unsigned long long)big);
    if (type == GGUF__BOOL && *out > 1)
        return eai_error_set(p->err, EAI_ERR_FORMAT, "a boolean is %lld (0 and 1 are allowed)",
                             (long long)*out);
    return EAI_OK;
}

static eai_status take_float(double *out, parser *p, gguf__type type)
{
    *out = type == GGUF__F32 ? (double)eai_reader_f32(&p->r) : eai_reader_f64(&p->r);
    return p->r.failed ? cut_short(p) : EAI_OK;
}

static eai_status take_strings(eai_meta_strings *out, parser *p, size_t n)
{
    const char **text = eai_arena_array(p->w->arena, n, sizeof(*text));
    size_t *bytes = eai_arena_array(p->w->arena, n, sizeof(*bytes));

    if (!text || !bytes)
        return no_memory(p, n);
    for (size_t i = 0; i < n; i++)
        EAI_TRY(take_string(&text[i], &bytes[i], p));
    *out = (eai_meta_strings){n, text, bytes};
    return EAI_OK;
}

static eai_status take_array(weights__meta *m, parser *p)
{
    uint32_t type = eai_reader_u32(&p->r);
    uint64_t count = eai_reader_u64(&p->r);

    if (p->r.failed)
        return cut_short(p);
    if (type >= GGUF__COUNT)
        return eai_error_set(p->err, EAI_ERR_FORMAT, "unknown element type %u", type);
    if (type == GGUF__ARRAY)
        return eai_error_set(p->err, EAI_ERR_UNSUPPORTED, "arrays of arrays are not supported");
    if (count > eai_reader_left(&p->r) / values[type].bytes)
        return eai_error_set(p->err, EAI_ERR_FORMAT,
                             "%llu elements do not fit into the %zu bytes that are left",
                             (unsigned long long)count, eai_reader_left(&p->r));
    size_t n = (size_t)count;
    m->type = values[type].array;
    m->stored = (int)type;
    if (m->type == EAI_META_STRINGS)
        return take_strings(&m->as.strings, p, n);
    if (m->type == EAI_META_FLOATS) {
        double *v = eai_arena_array(p->w->arena, n, sizeof(*v));
        if (!v)
            return no_memory(p, count);
        for (size_t i = 0; i < n; i++)
            EAI_TRY(take_float(&v[i], p, (gguf__type)type));
        m->as.floats.v = v;
        m->as.floats.n = n;
        return EAI_OK;
    }
    int64_t *v = eai_arena_array(p->w->arena, n, sizeof(*v));
    if (!v)
        return no_memory(p, count);
    for (size_t i = 0; i < n; i++)
        EAI_TRY(take_integer(&v[i], p, (gguf__type)type));
    m->as.ints.v = v;
    m->as.ints.n = n;
    return EAI_OK;
}

static eai_status take_value(weights__meta *m, parser *p)
{
    uint32_t type = eai_reader_u32(&p->r);
    const char *text = "";
    size_t n = 0;
    int64_t number = 0;

    if (p->r.failed)
        return cut_short(p);
    if (type >= GGUF__COUNT)
        return eai_error_set(p->err, EAI_ERR_FORMAT, "unknown value type %u (0 to %d are allowed)",
                             type, GGUF__COUNT - 1);
    if (type == GGUF__ARRAY)
        return take_array(m, p);
    m->type = values[type].scalar;
    m->stored = (int)type;
    switch (m->type) {
    case EAI_META_STRING:
        EAI_TRY(take_string(&text, &n, p));
        return copy_string(&m->as.s, p, text, n);
    case EAI_META_FLOAT:
        return take_float(&m->as.f, p, (gguf__type)type);
    case EAI_META_BOOL:
        EAI_TRY(take_integer(&number, p, GGUF__BOOL));
        m->as.b = number != 0;
        return EAI_OK;
    default:
        return take_integer(&m->as.i, p, (gguf__type)type);
    }
}

static eai_status take_metadata(parser *p, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        weights__meta m = {0};
        eai_status st = take_name(&m.key, p);
        if (st != EAI_OK)
            return eai_error_context(p->err, st, "metadata key %llu", (unsigned long long)i);
        st = take_value(&m, p);
        if (st != EAI_OK)
            return eai_error_context(p->err, st, "metadata '%s'", m.key);
        EAI_TRY(weights__append_meta(p->w, &m, p->err));
    }
    return weights__index_meta(p->w, p->err);
}

eai_status gguf__read_alignment(uint64_t *out, const eai_weights *w, eai_error *err)
{
    int64_t alignment = GGUF__ALIGNMENT;
    eai_meta_type type = eai_weights_meta_type(w, "general.alignment");

    if (type != EAI_META_NONE && type != EAI_META_INT)
        return eai_error_set(err, EAI_ERR_FORMAT, "metadata 'general.alignment' is no integer");
    (void)eai_weights_get_int(&alignment, w, "general.alignment");
    if (alignment < 8 || alignment > GGUF__MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
        return eai_error_set(
            err, EAI_ERR_FORMAT,
            "metadata 'general.alignment' is %lld (powers of two from 8 to %d are allowed)",
            (long long)alignment, GGUF__MAX_ALIGNMENT);
    *out = (uint64_t)alignment;
    return EAI_OK;
}

/* --- tensors --- */

#define STORAGES_KNOWN                                                                             \
    "F32, F16, BF16, F64, I32, I64, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, IQ4_NL and MXFP4"

static eai_status find_storage(eai_dtype *out, parser *p, uint32_t number)
{
    for (size_t i = 0; i < sizeof(storages) / sizeof(storages[0]); i++) {
        if (storages[i].number != number)
            continue;
        if (storages[i].dtype < 0)
            return eai_error_set(p->err, EAI_ERR_UNSUPPORTED,
                                 "storage type %s is not supported (" STORAGES_KNOWN " are)",
                                 storages[i].name);
        *out = (eai_dtype)storages[i].dtype;
        return EAI_OK;
    }
    return eai_error_set(p->err, EAI_ERR_UNSUPPORTED,
                         "unknown storage type %u (" STORAGES_KNOWN " are known)", number);
}

/* What follows a tensor's name in the header. The shape is turned around: ours is outermost first.
 */
static eai_status take_tensor(eai_weight_tensor *t, weights__span *s, parser *p)
{
    uint32_t n_dims = eai_reader_u32(&p->r);

    if (p->r.failed)
        return cut_short(p);
    if (n_dims > GGUF__MAX_DIMS)
        return eai_error_set(p->err, EAI_ERR_FORMAT, "%u dimensions (0 to %d are allowed)", n_dims,
                             GGUF__MAX_DIMS);
    t->shape.n_dims = (int)n_dims;
    for (uint32_t i = 0; i < n_dims; i++) {
        uint64_t ne = eai_reader_u64(&p->r);
        if (ne > INT64_MAX)
            return eai_error_set(p->err, EAI_ERR_FORMAT, "a dimension of %llu",
                                 (unsigned long long)ne);
        t->shape.dim[n_dims - 1 - i] = (int64_t)ne;
    }
    uint32_t number = eai_reader_u32(&p->r);
    s->begin = eai_reader_u64(&p->r);
    if (p->r.failed)
        return cut_short(p);
    EAI_TRY(find_storage(&t->dtype, p, number));
    EAI_TRY(weights__size(&t->bytes, t->dtype, &t->shape, p->err));
    if (__builtin_add_overflow(s->begin, (uint64_t)t->bytes, &s->end))
        return eai_error_set(p->err, EAI_ERR_FORMAT, "offset %llu is too large",
                             (unsigned long long)s->begin);
    return EAI_OK;
}

static eai_status take_tensors(weights__span *spans, parser *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        eai_weight_tensor t = {0};
        eai_status st = take_name(&t.name, p);
        if (st != EAI_OK)
            return eai_error_context(p->err, st, "tensor %zu", i);
        spans[i].at = i;
        st = take_tensor(&t, &spans[i], p);
        if (st != EAI_OK)
            return eai_error_context(p->err, st, "tensor '%s'", t.name);
        EAI_TRY(weights__append_tensor(p->w, &t, p->err));
    }
    return EAI_OK;
}

/* Checks every span against the data's size, the alignment and its neighbour, and sets the tensors'
 * pointers. */
static eai_status place_tensors(parser *p, weights__span *spans, size_t count, uint64_t alignment)
{
    eai_reader_align(&p->r, alignment);
    if (p->r.failed) /* without data the padding may be missing */
        eai_reader_init(&p->r, NULL, 0);
    const uint8_t *data = p->r.at;
    size_t size = eai_reader_left(&p->r);
    uint64_t taken = 0;

    weights__sort_spans(spans, count);
    for (size_t i = 0; i < count; i++) {
        eai_weight_tensor *t = &p->w->tensors[spans[i].at];
        unsigned long long begin = spans[i].begin;
        if (begin % alignment != 0)
            return eai_error_set(p->err, EAI_ERR_FORMAT,
                                 "tensor '%s': offset %llu is not a multiple of %llu", t->name,
                                 begin, (unsigned long long)alignment);
        if (spans[i].end > size)
            return eai_error_set(
                p->err, EAI_ERR_FORMAT,
                "tensor '%s': %zu bytes at offset %llu reach beyond the end (%zu bytes of data)",
                t->name, t->bytes, begin, size);
        if (t->bytes > 0 && begin < taken)
            return eai_error_set(p->err, EAI_ERR_FORMAT,
                                 "tensor '%s': offset %llu lies inside another tensor", t->name,
                                 begin);
        if (t->bytes > 0)
            taken = spans[i].end;
        t->data = data + begin;
        EAI_TRY(weights__align_tensor(p->w, t, p->err));
    }
    return EAI_OK;
}

static eai_status take_header(uint64_t *n_tensors, uint64_t *n_meta, parser *p)
{
    eai_reader_skip(&p->r, 4); /* the magic, seen by the caller */
    uint32_t version = eai_reader_u32(&p->r);

    *n_tensors = eai_reader_u64(&p->r);
    *n_meta = eai_reader_u64(&p->r);
    if (p->r.failed)
        return cut_short(p);
    if ((version & 0xffffu) == 0)
        return eai_error_set(p->err, EAI_ERR_UNSUPPORTED,
                             "a big-endian GGUF file (only little-endian ones are supported)");
    if (version != 2 && version != 3)
        return eai_error_set(p->err, EAI_ERR_UNSUPPORTED, "GGUF version %u (2 and 3 are supported)",
                             version);
    if (*n_tensors > WEIGHTS__MAX_TENSORS)
        return eai_error_set(p->err, EAI_ERR_LIMIT, "%llu tensors (at most %d are allowed)",
                             (unsigned long long)*n_tensors, WEIGHTS__MAX_TENSORS);
    if (*n_meta > WEIGHTS__MAX_META)
        return eai_error_set(p->err, EAI_ERR_LIMIT, "%llu metadata keys (at most %d are allowed)",
                             (unsigned long long)*n_meta, WEIGHTS__MAX_META);
    return EAI_OK;
}

eai_status gguf__parse(eai_weights *w, const uint8_t *data, size_t n, eai_error *err)
{
    parser p = {.w = w, .err = err};
    uint64_t n_tensors = 0;
    uint64_t n_meta = 0;
    uint64_t alignment = GGUF__ALIGNMENT;
    weights__span *spans = NULL;
    eai_status st = EAI_OK;

    eai_reader_init(&p.r, data, n);
    EAI_TRY(take_header(&n_tensors, &n_meta, &p));
    EAI_TRY(take_metadata(&p, n_meta));
    EAI_TRY(gguf__read_alignment(&alignment, w, err));
    spans = eai_alloc_array((size_t)n_tensors, sizeof(*spans));
    if (!spans)
        return no_memory(&p, n_tensors);
    st = take_tensors(spans, &p, (size_t)n_tensors);
    if (st == EAI_OK)
        st = place_tensors(&p, spans, (size_t)n_tensors, alignment);
    eai_free(spans);
    return st;
}
