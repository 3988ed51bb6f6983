/* Text in the making: bytes that remember where they came from.
 *
 * Why: a caller wants to know at which byte of the text a token starts, and normalizers lengthen,
 * shorten and reorder. So each byte carries the number of the caller's byte that it came from; a
 * text that no step has changed needs none of that and is read where it lies. Not here: what the
 * steps do. Start at tokenizer__put(). */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

size_t tokenizer__origin(const tokenizer_view *v, size_t i)
{
    if (!v->origin)
        return v->end - v->n + i;
    return i < v->n ? v->origin[i] : v->end;
}

tokenizer_view tokenizer__part(const tokenizer_view *v, size_t start, size_t end)
{
    return (tokenizer_view){v->bytes + start, v->origin ? v->origin + start : NULL, end - start,
                            tokenizer__origin(v, end), v->is_start && start == 0};
}

void tokenizer__clear(tokenizer_text *t, size_t limit)
{
    t->n = 0;
    t->limit = limit;
    t->status = EAI_OK;
}

/* Room for n more bytes. */
static bool grow(tokenizer_text *t, size_t n)
{
    if (t->status != EAI_OK)
        return false;
    if (n > t->limit - t->n) {
        t->status = EAI_ERR_LIMIT;
        return false;
    }
    if (t->n + n <= t->capacity)
        return true;
    size_t capacity = t->capacity * 2 > t->n + n ? t->capacity * 2 : t->n + n + 64;
    char *bytes = eai_realloc_array(t->bytes, capacity, 1);
    if (bytes)
        t->bytes = bytes;
    uint32_t *origin = bytes ? eai_realloc_array(t->origin, capacity, sizeof(*origin)) : NULL;
    if (!origin) {
        t->status = EAI_ERR_NOMEM;
        return false;
    }
    t->origin = origin;
    t->capacity = capacity;
    return true;
}

void tokenizer__put(tokenizer_text *t, const char *s, size_t n, size_t origin)
{
    if (n == 0 || !grow(t, n))
        return;
    memcpy(t->bytes + t->n, s, n);
    for (size_t i = 0; i < n; i++)
        t->origin[t->n + i] = (uint32_t)origin;
    t->n += n;
}

void tokenizer__put_part(tokenizer_text *t, const tokenizer_view *v, size_t start, size_t end)
{
    size_t n = end - start;

    if (n == 0 || !grow(t, n))
        return;
    memcpy(t->bytes + t->n, v->bytes + start, n);
    if (v->origin)
        memcpy(t->origin + t->n, v->origin + start, n * sizeof(*t->origin));
    else
        for (size_t i = 0; i < n; i++)
            t->origin[t->n + i] = (uint32_t)tokenizer__origin(v, start + i);
    t->n += n;
}

void tokenizer__put_char(tokenizer_text *t, uint32_t c, size_t origin)
{
    char s[4];

    tokenizer__put(t, s, utf8__encode(s, c), origin);
}

tokenizer_view tokenizer__view(const tokenizer_text *t, const tokenizer_view *from)
{
    return (tokenizer_view){t->n ? t->bytes : "", t->origin, t->n, from->end, from->is_start};
}

eai_status tokenizer__text_check(const tokenizer_text *t, eai_error *err)
{
    if (t->status == EAI_ERR_LIMIT)
        return eai_error_set(err, EAI_ERR_LIMIT, "normalized text has more than %zu bytes",
                             t->limit);
    if (t->status != EAI_OK)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a normalized text");
    return EAI_OK;
}

eai_status tokenizer__push_span(tokenizer_words *w, size_t start, size_t end, eai_error *err)
{
    if (start == end)
        return EAI_OK;
    if (w->n == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 64;
        tokenizer_span *spans = eai_realloc_array(w->spans, capacity, sizeof(*spans));

        if (!spans)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu words", capacity);
        w->spans = spans;
        w->capacity = capacity;
    }
    w->spans[w->n++] = (tokenizer_span){start, end};
    return EAI_OK;
}

/* --- one call's memory --- */

eai_status tokenizer__work_init(tokenizer_work *w, const eai_tokenizer *t, size_t n_text,
                                eai_error *err)
{
    *w = (tokenizer_work){.t = t, .n_text = n_text};
    w->match = pcre2_match_data_create(1, t->pcre_context);
    w->match_limits = w->match ? pcre2_match_context_create(t->pcre_context) : NULL;
    if (!w->match_limits)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to tokenize");
    /* Going back over a run of white space takes as many steps as it is long. */
    pcre2_set_match_limit(w->match_limits, (uint32_t)(1000000 + 2 * (n_text & 0x3FFFFFFF)));
    return EAI_OK;
}

bool tokenizer__goes_on(const tokenizer_work *w, const tokenizer_view *v)
{
    return w->continues && v->is_start;
}

void tokenizer__work_deinit(tokenizer_work *w)
{
    for (int i = 0; i < 2; i++) {
        eai_free(w->text[i].bytes);
        eai_free(w->text[i].origin);
        eai_free(w->words[i].spans);
    }
    eai_free(w->symbols);
    eai_free(w->heap);
    eai_free(w->points);
    pcre2_match_data_free(w->match);
    pcre2_match_context_free(w->match_limits);
}

tokenizer_text *tokenizer__other_text(tokenizer_work *w, const tokenizer_view *v)
{
    /* By the origins: an empty view has no bytes of its own. */
    tokenizer_text *t = &w->text[0];

    if (v->origin && t->origin && v->origin >= t->origin && v->origin < t->origin + t->capacity)
        t = &w->text[1];
    /* No normalizer that means well makes 32 times the text. */
    tokenizer__clear(t, 32 * w->n_text + 65536);
    return t;
}

eai_status tokenizer__reserve(void *memory, size_t *capacity, size_t n, size_t size, eai_error *err)
{
    void **at = memory;

    if (*capacity >= n)
        return EAI_OK;
    size_t wanted = *capacity * 2 > n ? *capacity * 2 : n;
    eai_free(*at);
    *capacity = 0;
    *at = eai_alloc_array(wanted, size);
    if (!*at)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a word of %zu symbols", n);
    *capacity = wanted;
    return EAI_OK;
}
