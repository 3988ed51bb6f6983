/* NumPy's .npy files.
 *
 * The file:
 *     "\x93NUMPY"  u8 major  u8 minor
 *     u16 n (major 1) or u32 n (2 and 3), little-endian
 *     n bytes: a Python dictionary, padded with spaces and ended by a newline so that what follows
 * is 64-byte aligned:
 *         {'descr': '<f4', 'fortran_order': False, 'shape': (3, 49152), }
 *     the elements
 *
 * The dictionary is read by a parser for exactly that: three keys in any order, no expressions. Not
 * here: structured types, big-endian files, Fortran order, .npz. Start at eai_npy_parse(). */
#include <efficientai/npy.h>

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/reader.h"
#include "base/strbuf.h"

#include "base/banned.h"

#define MAGIC      "\x93NUMPY"
#define MAX_HEADER ((uint64_t)65536)
#define ALIGNMENT  64

static const struct {
    const char *descr;
    eai_dtype dtype;
} types[] = {{"<f4", EAI_F32}, {"<f8", EAI_F64}, {"<f2", EAI_F16},
             {"<i4", EAI_I32}, {"<i8", EAI_I64}, {"|u1", EAI_U8}};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

/* --- the dictionary --- */

typedef struct scanner {
    const char *at;
    const char *end;
} scanner;

static void skip_space(scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n'))
        s->at++;
}

/* Passes the character c if it comes next (after spaces). */
static bool take_char(scanner *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* Passes the word if it comes next. */
static bool take_word(scanner *s, const char *word)
{
    size_t n = strlen(word);

    skip_space(s);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

/* 'text' or "text", without escapes, into out[16]. */
static bool take_quoted(char out[16], scanner *s)
{
    size_t n = 0;

    skip_space(s);
    if (s->at == s->end || (*s->at != '\'' && *s->at != '"'))
        return false;
    char quote = *s->at++;
    while (s->at < s->end && *s->at != quote && n < 15)
        out[n++] = *s->at++;
    out[n] = '\0';
    return take_char(s, quote);
}

static bool take_number(int64_t *out, scanner *s)
{
    skip_space(s);
    const char *start = s->at;
    for (*out = 0; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        if (__builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, *s->at - '0', out))
            return false;
    }
    return s->at > start;
}

/* (), (3,), (3, 4), (3, 4,) */
static bool take_shape(eai_shape *shape, scanner *s)
{
    shape->n_dims = 0;
    if (!take_char(s, '('))
        return false;
    while (!take_char(s, ')')) {
        if (shape->n_dims == EAI_MAX_DIMS || !take_number(&shape->dim[shape->n_dims], s))
            return false;
        shape->n_dims++;
        if (!take_char(s, ',') && s->at < s->end && *s->at != ')')
            return false;
    }
    return true;
}

static eai_status take_dtype(eai_dtype *out, scanner *s, eai_error *err)
{
    char descr[16];

    if (!take_quoted(descr, s))
        return eai_error_set(err, EAI_ERR_FORMAT, "header: 'descr' is no short text");
    for (size_t i = 0; i < N_TYPES; i++) {
        if (strcmp(types[i].descr, descr) == 0) {
            *out = types[i].dtype;
            return EAI_OK;
        }
    }
    return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                         "type '%s' is not supported (<f4, <f8, <f2, <i4, <i8 and |u1 are)", descr);
}

/* The value of one key; *seen gets the key's bit. */
static eai_status take_entry(eai_npy *a, unsigned *seen, scanner *s, eai_error *err)
{
    char key[16];

    if (!take_quoted(key, s) || !take_char(s, ':'))
        return eai_error_set(err, EAI_ERR_FORMAT, "header: a key and ':' are expected");
    if (strcmp(key, "descr") == 0) {
        *seen |= 1;
        return take_dtype(&a->dtype, s, err);
    }
    if (strcmp(key, "fortran_order") == 0) {
        *seen |= 2;
        if (take_word(s, "False"))
            return EAI_OK;
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "'fortran_order' is not False: only C order is supported");
    }
    if (strcmp(key, "shape") == 0) {
        *seen |= 4;
        if (take_shape(&a->shape, s))
            return EAI_OK;
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "header: 'shape' is no list of at most %d whole numbers",
                             EAI_MAX_DIMS);
    }
    return eai_error_set(err, EAI_ERR_FORMAT,
                         "header: key '%s' (descr, fortran_order and shape are allowed)", key);
}

static eai_status read_dictionary(eai_npy *a, const uint8_t *text, size_t n, eai_error *err)
{
    scanner s = {(const char *)text, (const char *)text + n};
    unsigned seen = 0;

    if (!take_char(&s, '{'))
        return eai_error_set(err, EAI_ERR_FORMAT, "header: no dictionary");
    while (!take_char(&s, '}')) {
        EAI_TRY(take_entry(a, &seen, &s, err));
        if (!take_char(&s, ',') && (s.at == s.end || *s.at != '}'))
            return eai_error_set(err, EAI_ERR_FORMAT, "header: ',' or '}' is expected");
    }
    skip_space(&s);
    if (s.at != s.end)
        return eai_error_set(err, EAI_ERR_FORMAT, "header: text behind the dictionary");
    if (seen != 7)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "header: descr, fortran_order or shape is missing");
    return EAI_OK;
}

/* --- reading --- */

/* The reader stands at the data afterwards. */
static eai_status read_header(eai_npy *a, eai_reader *r, eai_error *err)
{
    const uint8_t *magic = eai_reader_bytes(r, 6);
    unsigned major = eai_reader_u8(r);

    eai_reader_skip(r, 1);
    if (!magic || memcmp(magic, MAGIC, 6) != 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "not a .npy file");
    if (!r->failed && (major < 1 || major > 3))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "version %u (1 to 3 are supported)", major);
    uint64_t length = major == 1 ? eai_reader_u16(r) : eai_reader_u32(r);
    if (length > MAX_HEADER)
        return eai_error_set(err, EAI_ERR_LIMIT, "a header of %llu bytes (at most %llu)",
                             (unsigned long long)length, (unsigned long long)MAX_HEADER);
    const uint8_t *text = eai_reader_bytes(r, length);
    if (!text)
        return eai_error_set(err, EAI_ERR_FORMAT, "cut short in the header");
    return read_dictionary(a, text, (size_t)length, err);
}

static eai_status check_size(eai_npy *a, const eai_reader *r, eai_error *err)
{
    char text[128];
    int64_t elements = 1;

    for (int i = 0; i < a->shape.n_dims; i++) {
        int64_t d = a->shape.dim[i] ? a->shape.dim[i] : 1;
        if (__builtin_mul_overflow(elements, d, &elements))
            return eai_error_set(err, EAI_ERR_FORMAT, "shape %s is too large",
                                 eai_shape_print(text, sizeof(text), &a->shape));
    }
    if (!eai_tensor_bytes(&a->bytes, a->dtype, &a->shape) || a->bytes != eai_reader_left(r))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%zu bytes of data are not what shape %s of %s takes",
                             eai_reader_left(r), eai_shape_print(text, sizeof(text), &a->shape),
                             eai_dtype_get(a->dtype)->name);
    return EAI_OK;
}

static eai_status parse(eai_npy *a, const void *bytes, size_t n, eai_error *err)
{
    eai_reader r;

    eai_reader_init(&r, bytes, n);
    EAI_TRY(read_header(a, &r, err));
    EAI_TRY(check_size(a, &r, err));
    a->data = eai_alloc_aligned(ALIGNMENT, a->bytes);
    if (!a->data)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu bytes", a->bytes);
    if (a->bytes)
        memcpy(a->data, r.at, a->bytes);
    return EAI_OK;
}

eai_status eai_npy_parse(eai_npy **out, const void *bytes, size_t n, const char *label,
                         eai_error *err)
{
    eai_npy *a = NULL;
    eai_status st = EAI_OK;

    *out = NULL;
    a = eai_alloc_zeroed(1, sizeof(*a));
    if (!a)
        return eai_error_set(err, EAI_ERR_NOMEM, "%s: no memory", label);
    st = parse(a, bytes, n, err);
    if (st != EAI_OK) {
        eai_npy_free(a);
        return eai_error_context(err, st, "%s", label);
    }
    *out = a;
    return EAI_OK;
}

eai_status eai_npy_read(eai_npy **out, const char *path, eai_error *err)
{
    eai_map *map = NULL;
    eai_status st = EAI_OK;

    *out = NULL;
    EAI_TRY(eai_map_open(&map, path, err));
    st = eai_npy_parse(out, eai_map_data(map), eai_map_size(map), path, err);
    eai_map_close(map);
    return st;
}

void eai_npy_free(eai_npy *a)
{
    if (!a)
        return;
    eai_free(a->data);
    eai_free(a);
}

/* --- writing --- */

static const char *descr_of(eai_dtype t)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        if (types[i].dtype == t)
            return types[i].descr;
    }
    return NULL;
}

/* Magic, length and dictionary, as numpy.save prints them. */
static void print_header(eai_strbuf *b, const char *descr, const eai_shape *shape)
{
    eai_strbuf_bytes(b, MAGIC "\1\0??", 10); /* the length comes when it is known */
    eai_strbuf_printf(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < shape->n_dims; i++)
        eai_strbuf_printf(b, i ? ", %lld" : "%lld", (long long)shape->dim[i]);
    eai_strbuf_text(b, shape->n_dims == 1 ? ",), }" : "), }");
    eai_strbuf_repeat(b, ' ', (ALIGNMENT - (b->length + 1) % ALIGNMENT) % ALIGNMENT);
    eai_strbuf_char(b, '\n');
    if (b->status == EAI_OK) {
        b->data[8] = (char)((b->length - 10) & 0xff);
        b->data[9] = (char)((b->length - 10) >> 8);
    }
}

eai_status eai_npy_write(const char *path, eai_dtype dtype, const eai_shape *shape,
                         const void *data, eai_error *err)
{
    eai_strbuf header = EAI_STRBUF_INIT(4096);
    eai_file_writer *f = NULL;
    size_t bytes = 0;
    eai_status st = EAI_OK;

    if (!descr_of(dtype))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "cannot write '%s': .npy has no type for %s",
                             path, eai_dtype_get(dtype)->name);
    if (!eai_tensor_bytes(&bytes, dtype, shape))
        return eai_error_set(err, EAI_ERR_SHAPE, "cannot write '%s': a shape that is too large",
                             path);
    print_header(&header, descr_of(dtype), shape);
    st = eai_strbuf_check(&header, "a .npy header", err);
    if (st == EAI_OK)
        st = eai_file_writer_open(&f, path, err);
    if (st == EAI_OK)
        st = eai_file_writer_write(f, header.data, header.length, err);
    if (st == EAI_OK)
        st = eai_file_writer_write(f, data, bytes, err);
    st = eai_file_writer_finish(f, st, err);
    eai_strbuf_deinit(&header);
    return st;
}
