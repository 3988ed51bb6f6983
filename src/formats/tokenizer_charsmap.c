/* Precompiled: SentencePiece's normalization tables.
 *
 * Format (sentencepiece, src/normalizer.cc): u32 little-endian, the bytes of a trie; the trie, a
 * double array of u32 units as darts-clone makes them; then texts, each ended by NUL. The trie's
 * keys are what is replaced, its values the offsets of the replacements.
 *
 * A unit, darts-clone: bit 31 marks a value (bits 0 to 30); else bits 0 to 7 are the byte that
 * leads here, bit 8 says that a key ends here, bit 9 that the offset (bits 10 to 30) counts in
 * 256s. The child of node p for byte c is p ^ offset ^ c. Every place is checked against the
 * table's end.
 *
 * Two ways to use it. SentencePiece replaces the longest key that starts at each place. HF cuts
 * text into grapheme clusters; one shorter than 6 bytes with a key at its start is replaced as a
 * whole by what the *shortest* such key says, otherwise each character is looked up by itself. They
 * differ on few texts; each file is read as its own program does. Start at apply(). */
#include <string.h>

#include "base/reader.h"
#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

#define MAX_GRAPHEME    6    /* bytes; longer clusters are looked up by their characters */
#define MAX_KEY         256  /* bytes; a trie that leads in a circle has longer ones */
#define MAX_REPLACEMENT 4096 /* bytes */

static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

/* Whether s[at] is no inner byte of a character. */
static bool is_boundary(const char *s, size_t n, size_t at)
{
    return at >= n || ((unsigned char)s[at] & 0xC0) != 0x80;
}

/* The replacement of the first key that is a prefix of s, or (longest) the longest one. False: no
 * key is. *n_key is the key's length. Keys and replacements that are parts of characters do not
 * count: patterns rely on valid UTF-8. */
static bool look_up(const char **text, size_t *n_text, size_t *n_key, const tokenizer_charsmap *m,
                    const char *s, size_t n, bool longest)
{
    size_t node = offset_of(m->units[0]);

    *text = NULL;
    for (size_t i = 0; i < n && i < MAX_KEY; i++) {
        node ^= (unsigned char)s[i];
        if (s[i] == '\0' || node >= m->n_units)
            break;
        uint32_t unit = m->units[node];
        if ((unit & (0x80000000u | 0xFF)) != (unsigned char)s[i])
            break;
        node ^= offset_of(unit);
        if (!(unit & 0x100) || node >= m->n_units)
            continue;
        uint32_t at = m->units[node] & 0x7FFFFFFF;
        if (at >= m->n_texts || !is_boundary(m->texts, m->n_texts, at) || !is_boundary(s, n, i + 1))
            continue;
        *text = m->texts + at;
        *n_key = i + 1;
        if (!longest)
            break;
    }
    if (*text)
        *n_text = strlen(*text); /* the last one ends with NUL: checked when the table was read */
    return *text != NULL;
}

static size_t char_length(const tokenizer_view *v, size_t at)
{
    uint32_t c;

    return utf8__next(&c, v->bytes + at, v->n - at);
}

/* Each character of [at, end) by itself. */
static void put_characters(tokenizer_text *out, const tokenizer_view *in,
                           const tokenizer_charsmap *m, size_t at, size_t end)
{
    for (size_t length; at < end; at += length) {
        const char *text;
        size_t n_text;
        size_t n_key;

        length = char_length(in, at);
        if (look_up(&text, &n_text, &n_key, m, in->bytes + at, length, false))
            tokenizer__put(out, text, n_text, tokenizer__origin(in, at));
        else
            tokenizer__put_part(out, in, at, at + length);
    }
}

static eai_status apply_by_grapheme(tokenizer_text *out, const tokenizer_view *in,
                                    const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    (void)w, (void)err;
    for (size_t at = 0, end; at < in->n; at = end) {
        const char *text;
        size_t n_text;
        size_t n_key;

        end = tokenizer__grapheme_end(in->bytes, in->n, at);
        if (end - at < MAX_GRAPHEME &&
            look_up(&text, &n_text, &n_key, &s->charsmap, in->bytes + at, end - at, false))
            tokenizer__put(out, text, n_text, tokenizer__origin(in, at));
        else
            put_characters(out, in, &s->charsmap, at, end);
    }
    return EAI_OK;
}

static eai_status apply_longest(tokenizer_text *out, const tokenizer_view *in,
                                const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    (void)w, (void)err;
    for (size_t at = 0, length; at < in->n; at += length) {
        const char *text;
        size_t n_text;

        if (look_up(&text, &n_text, &length, &s->charsmap, in->bytes + at, in->n - at, true)) {
            tokenizer__put(out, text, n_text, tokenizer__origin(in, at));
            continue;
        }
        length = char_length(in, at);
        tokenizer__put_part(out, in, at, at + length);
    }
    return EAI_OK;
}

static eai_status check_texts(const char *texts, size_t n, eai_error *err)
{
    size_t length = 0;

    for (size_t i = 0, step; i < n; i += step) {
        uint32_t c;
        step = utf8__decode(&c, texts + i, n - i);
        if (step == 0)
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "precompiled_charsmap: byte %zu of its texts is not UTF-8", i);
        length = c ? length + step : 0;
        if (length > MAX_REPLACEMENT)
            return eai_error_set(err, EAI_ERR_LIMIT,
                                 "precompiled_charsmap: a replacement has more than %d bytes",
                                 MAX_REPLACEMENT);
    }
    if (length > 0)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "precompiled_charsmap: its last text does not end with NUL");
    return EAI_OK;
}

eai_status tokenizer__add_charsmap(eai_tokenizer *t, const void *blob, size_t n, bool by_grapheme,
                                   eai_error *err)
{
    tokenizer_step *s = NULL;
    eai_reader r;

    if (n == 0)
        return EAI_OK; /* nothing is replaced */
    eai_reader_init(&r, blob, n);
    uint32_t n_trie = eai_reader_u32(&r);
    if (r.failed || n_trie % 4 != 0 || n_trie < 4 || n_trie >= eai_reader_left(&r))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "precompiled_charsmap has %zu bytes and says that %u of them, a "
                             "multiple of 4, are its trie",
                             n, n_trie);
    EAI_TRY(tokenizer__add_step(&s, &t->normalizer, err));
    uint32_t *units = eai_arena_array(t->arena, n_trie / 4, sizeof(*units));
    char *texts = eai_arena_alloc(t->arena, eai_reader_left(&r));
    if (!units || !texts)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a table of %zu bytes", n);
    for (size_t i = 0; i < n_trie / 4; i++)
        units[i] = eai_reader_u32(&r);
    size_t n_texts = eai_reader_left(&r);
    memcpy(texts, eai_reader_bytes(&r, n_texts), n_texts);
    EAI_TRY(check_texts(texts, n_texts, err));
    s->charsmap = (tokenizer_charsmap){units, n_trie / 4, texts, n_texts};
    s->normalize = by_grapheme ? apply_by_grapheme : apply_longest;
    return EAI_OK;
}
