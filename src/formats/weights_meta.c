/* Metadata of an eai_weights: getters, one look-up and one check of the type each, and setters,
 * which copy into the set's arena. Here too: with which of its types GGUF stores a number. */
#include <efficientai/weights.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "formats/gguf.h"

#include "base/banned.h"

/* The entry of that key and type, or NULL. */
static const weights__meta *find(const eai_weights *w, const char *key, eai_meta_type type)
{
    const weights__meta *m = weights__find_meta(w, key);
    return m && m->type == type ? m : NULL;
}

size_t eai_weights_meta_count(const eai_weights *w)
{
    return w->n_meta;
}

const char *eai_weights_meta_key(const eai_weights *w, size_t i)
{
    return w->meta[i].key;
}

eai_meta_type eai_weights_meta_type(const eai_weights *w, const char *key)
{
    const weights__meta *m = weights__find_meta(w, key);
    return m ? m->type : EAI_META_NONE;
}

const char *eai_weights_get_string(const eai_weights *w, const char *key)
{
    const weights__meta *m = find(w, key, EAI_META_STRING);
    return m ? m->as.s : NULL;
}

bool eai_weights_get_int(int64_t *out, const eai_weights *w, const char *key)
{
    const weights__meta *m = find(w, key, EAI_META_INT);
    if (m)
        *out = m->as.i;
    return m != NULL;
}

bool eai_weights_get_float(double *out, const eai_weights *w, const char *key)
{
    const weights__meta *m = weights__find_meta(w, key);
    if (m && m->type == EAI_META_FLOAT)
        *out = m->as.f;
    else if (m && m->type == EAI_META_INT)
        *out = (double)m->as.i;
    else
        return false;
    return true;
}

bool eai_weights_get_bool(bool *out, const eai_weights *w, const char *key)
{
    const weights__meta *m = find(w, key, EAI_META_BOOL);
    if (m)
        *out = m->as.b;
    return m != NULL;
}

bool eai_weights_get_strings(eai_meta_strings *out, const eai_weights *w, const char *key)
{
    const weights__meta *m = find(w, key, EAI_META_STRINGS);
    if (m)
        *out = m->as.strings;
    return m != NULL;
}

const int64_t *eai_weights_get_ints(size_t *n, const eai_weights *w, const char *key)
{
    const weights__meta *m = find(w, key, EAI_META_INTS);
    *n = m ? m->as.ints.n : 0;
    return m ? m->as.ints.v : NULL;
}

const double *eai_weights_get_floats(size_t *n, const eai_weights *w, const char *key)
{
    const weights__meta *m = find(w, key, EAI_META_FLOATS);
    *n = m ? m->as.floats.n : 0;
    return m ? m->as.floats.v : NULL;
}

/* --- setting --- */

/* The narrowest of the types that llama.cpp looks for: counts are u32, elements of arrays i32. */
static int choose_integer(int64_t low, int64_t high, bool array)
{
    if (low >= 0 && high <= UINT32_MAX && !array)
        return GGUF__U32;
    return low >= INT32_MIN && high <= INT32_MAX ? GGUF__I32 : GGUF__I64;
}

static bool fits_f32(double v)
{
    return !isfinite(v) || fabs(v) <= (double)FLT_MAX;
}

/* Copies the key and sets the entry; `copied` is false when there was no memory for its value. */
static eai_status set(eai_weights *w, const char *key, weights__meta m, bool copied, eai_error *err)
{
    size_t length = strlen(key);
    eai_status st = EAI_OK;

    m.key = eai_arena_strdup(w->arena, key);
    if (length < 1 || length > WEIGHTS__MAX_NAME)
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "a key of %zu bytes (1 to %d are allowed)",
                           length, WEIGHTS__MAX_NAME);
    else if (!m.key || !copied)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for metadata");
    else
        st = weights__set_meta(w, &m, err);
    return st == EAI_OK ? st : eai_error_context(err, st, "%s: metadata '%.200s'", w->label, key);
}

eai_status eai_weights_set_string(eai_weights *w, const char *key, const char *value,
                                  eai_error *err)
{
    weights__meta m = {.type = EAI_META_STRING};
    m.as.s = eai_arena_strdup(w->arena, value);
    return set(w, key, m, m.as.s != NULL, err);
}

eai_status eai_weights_set_bool(eai_weights *w, const char *key, bool value, eai_error *err)
{
    return set(w, key, (weights__meta){.type = EAI_META_BOOL, .as.b = value}, true, err);
}

eai_status eai_weights_set_int(eai_weights *w, const char *key, int64_t value, eai_error *err)
{
    weights__meta m = {.type = EAI_META_INT, .stored = choose_integer(value, value, false)};
    m.as.i = value;
    return set(w, key, m, true, err);
}

eai_status eai_weights_set_float(eai_weights *w, const char *key, double value, eai_error *err)
{
    weights__meta m = {.type = EAI_META_FLOAT, .stored = fits_f32(value) ? GGUF__F32 : GGUF__F64};
    m.as.f = value;
    return set(w, key, m, true, err);
}

eai_status eai_weights_set_ints(eai_weights *w, const char *key, const int64_t *values, size_t n,
                                eai_error *err)
{
    weights__meta m = {.type = EAI_META_INTS};
    int64_t *copy = eai_arena_array(w->arena, n, sizeof(*copy));
    int64_t low = 0;
    int64_t high = 0;

    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = values[i];
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    m.stored = choose_integer(low, high, true);
    m.as.ints.v = copy;
    m.as.ints.n = n;
    return set(w, key, m, copy != NULL, err);
}

eai_status eai_weights_set_floats(eai_weights *w, const char *key, const double *values, size_t n,
                                  eai_error *err)
{
    weights__meta m = {.type = EAI_META_FLOATS, .stored = GGUF__F32};
    double *copy = eai_arena_array(w->arena, n, sizeof(*copy));

    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = values[i];
        if (!fits_f32(values[i]))
            m.stored = GGUF__F64;
    }
    m.as.floats.v = copy;
    m.as.floats.n = n;
    return set(w, key, m, copy != NULL, err);
}

eai_status eai_weights_set_strings(eai_weights *w, const char *key, const eai_meta_strings *values,
                                   eai_error *err)
{
    weights__meta m = {.type = EAI_META_STRINGS};
    const char **text = eai_arena_array(w->arena, values->n, sizeof(*text));
    size_t *bytes = eai_arena_array(w->arena, values->n, sizeof(*bytes));
    bool copied = text && bytes;

    for (size_t i = 0; copied && i < values->n; i++) {
        char *copy = eai_arena_alloc(w->arena, values->bytes[i] + 1);
        if (copy && values->bytes[i])
            memcpy(copy, values->text[i], values->bytes[i]);
        text[i] = copy;
        bytes[i] = values->bytes[i];
        copied = copy != NULL;
    }
    m.as.strings = (eai_meta_strings){values->n, text, bytes};
    return set(w, key, m, copied, err);
}

static eai_status copy_entry(eai_weights *w, const weights__meta *m, eai_error *err)
{
    switch (m->type) {
    case EAI_META_BOOL:
        return eai_weights_set_bool(w, m->key, m->as.b, err);
    case EAI_META_INT:
        return eai_weights_set_int(w, m->key, m->as.i, err);
    case EAI_META_FLOAT:
        return eai_weights_set_float(w, m->key, m->as.f, err);
    case EAI_META_STRING:
        return eai_weights_set_string(w, m->key, m->as.s, err);
    case EAI_META_INTS:
        return eai_weights_set_ints(w, m->key, m->as.ints.v, m->as.ints.n, err);
    case EAI_META_FLOATS:
        return eai_weights_set_floats(w, m->key, m->as.floats.v, m->as.floats.n, err);
    case EAI_META_STRINGS:
        return eai_weights_set_strings(w, m->key, &m->as.strings, err);
    case EAI_META_NONE:
        break;
    }
    return EAI_OK;
}

eai_status eai_weights_copy_meta(eai_weights *w, const eai_weights *from, eai_error *err)
{
    for (size_t i = 0; i < from->n_meta; i++) {
        weights__meta copy;
        EAI_TRY(copy_entry(w, &from->meta[i], err));
        copy = *weights__find_meta(w, from->meta[i].key);
        copy.stored = from->meta[i].stored;
        EAI_TRY(weights__set_meta(w, &copy, err));
    }
    return EAI_OK;
}
