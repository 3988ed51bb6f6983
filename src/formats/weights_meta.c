/* Getters of an eai_weights' metadata: one look-up, one check of the type each. */
#include <efficientai/weights.h>

#include "formats/weights_internal.h"

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
