/* Unicode: normalization forms and properties, by utf8proc's tables.
 *
 * A form is made of one run of characters at a time: a run ends before the next character that
 * begins with a starter and can join nothing in front of it. So text of any length needs the memory
 * of its longest run, and every byte of the result knows the run it came from. Most runs are one
 * character, and most characters are ASCII and copied as they are.
 *
 * Decomposition and composition are utf8proc's. The canonical order is made here, because utf8proc
 * sorts by exchanging neighbours: a line of 100,000 combining marks would take 10^10 exchanges.
 * Here it is a counting sort by the 255 combining classes.
 *
 * Start at tokenizer__apply_form(). */
#include <string.h>

#include <utf8proc.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

#define MAX_DECOMPOSED 32 /* no character becomes more than 18 */

/* --- properties --- */

bool tokenizer__is_mark(uint32_t c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);

    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
           category == UTF8PROC_CATEGORY_ME;
}

uint32_t tokenizer__lower(uint32_t c)
{
    return c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c)
                    : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

/* \w of Rust's regex: Alphabetic, marks, decimal digits, connectors, joiners. */
bool tokenizer__is_word(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default: /* the joiners, and letters in circles and squares */
        return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) ||
               (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
               (c >= 0x1F170 && c <= 0x1F189);
    }
}

size_t tokenizer__grapheme_end(const char *s, size_t n, size_t at)
{
    utf8proc_int32_t state = 0;
    uint32_t c = 0;
    uint32_t next = 0;

    at += utf8__next(&c, s + at, n - at);
    for (size_t length; at < n; at += length) {
        length = utf8__next(&next, s + at, n - at);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next, &state))
            break;
        c = next;
    }
    return at;
}

/* --- one run --- */

static bool is_compatible(int form)
{
    return form == TOKENIZER_NFKC || form == TOKENIZER_NFKD;
}

static bool is_composed(int form)
{
    return form == TOKENIZER_NFC || form == TOKENIZER_NFKC;
}

/* The characters that `c` decomposes into, at most MAX_DECOMPOSED. */
static size_t decompose(utf8proc_int32_t out[MAX_DECOMPOSED], uint32_t c, int form)
{
    int last_class = UTF8PROC_BOUNDCLASS_START;
    utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (is_compatible(form) ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, out, MAX_DECOMPOSED, options, &last_class);

    if (n < 1 || n > MAX_DECOMPOSED) {
        out[0] = (utf8proc_int32_t)c;
        return 1;
    }
    return (size_t)n;
}

static unsigned combining_class(utf8proc_int32_t c)
{
    return (unsigned)utf8proc_get_property(c)->combining_class & 0xFF;
}

/* May a run start with what begins with `c`? Not with marks, nor with the vowels and final
 * consonants of Hangul, which join what is in front of them. */
static bool starts_run(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    return combining_class(c) == 0 && category != UTF8PROC_CATEGORY_MN &&
           category != UTF8PROC_CATEGORY_MC && !(c >= 0x1160 && c <= 0x11FF);
}

/* Sorts marks [0, n) by their class, equal ones in their order; `spare` has room for n. */
static void sort_marks(utf8proc_int32_t *marks, size_t n, utf8proc_int32_t *spare)
{
    size_t at[257] = {0};

    for (size_t i = 0; i < n; i++)
        at[combining_class(marks[i]) + 1]++;
    for (size_t k = 1; k < 257; k++)
        at[k] += at[k - 1];
    for (size_t i = 0; i < n; i++)
        spare[at[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, spare, n * sizeof(*marks));
}

static void order_marks(utf8proc_int32_t *c, size_t n, utf8proc_int32_t *spare)
{
    for (size_t i = 0; i < n;) {
        size_t start = i;
        bool is_sorted = true;

        for (; i < n && combining_class(c[i]) != 0; i++)
            is_sorted =
                is_sorted && (i == start || combining_class(c[i - 1]) <= combining_class(c[i]));
        if (!is_sorted)
            sort_marks(c + start, i - start, spare);
        if (i == start)
            i++;
    }
}

/* The run's characters, decomposed, in work->points; returns where the run ends. */
static eai_status collect_run(size_t *end, size_t *n, const tokenizer_view *in, size_t start,
                              int form, tokenizer_work *w, eai_error *err)
{
    *n = 0;
    for (size_t at = start, length; at < in->n; at += length) {
        utf8proc_int32_t parts[MAX_DECOMPOSED];
        uint32_t c;

        length = utf8__next(&c, in->bytes + at, in->n - at);
        size_t n_parts = decompose(parts, c, form);
        if (at > start && starts_run(parts[0])) {
            *end = at;
            return EAI_OK;
        }
        if (*n + n_parts > w->points_capacity / 2) { /* the other half is spare */
            size_t capacity = 2 * w->points_capacity + 4 * MAX_DECOMPOSED;
            void *points = eai_realloc_array(w->points, capacity, sizeof(utf8proc_int32_t));

            if (!points)
                return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu characters", capacity);
            w->points = points;
            w->points_capacity = capacity;
        }
        memcpy((utf8proc_int32_t *)w->points + *n, parts, n_parts * sizeof(*parts));
        *n += n_parts;
    }
    *end = in->n;
    return EAI_OK;
}

/* --- the step --- */

eai_status tokenizer__apply_form(tokenizer_text *out, const tokenizer_view *in,
                                 const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    for (size_t at = 0; at < in->n;) {
        size_t end = at + 1;
        size_t n = 0;

        /* ASCII in front of ASCII is what it is in every form. */
        if ((unsigned char)in->bytes[at] < 0x80 &&
            (end == in->n || (unsigned char)in->bytes[end] < 0x80)) {
            tokenizer__put_part(out, in, at, end);
            at = end;
            continue;
        }
        EAI_TRY(collect_run(&end, &n, in, at, s->option, w, err));
        utf8proc_int32_t *c = w->points;
        order_marks(c, n, c + w->points_capacity / 2);
        if (is_composed(s->option))
            n = (size_t)utf8proc_normalize_utf32(c, (utf8proc_ssize_t)n,
                                                 UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        for (size_t i = 0; i < n; i++)
            tokenizer__put_char(out, (uint32_t)c[i], tokenizer__origin(in, at));
        at = end;
    }
    return EAI_OK;
}
