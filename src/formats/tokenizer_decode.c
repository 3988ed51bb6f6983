/* Ids -> text, and the bytes that each token stands for.
 *
 * HF's decoders work on lists of texts. All of them that matter are one of two things: a rewriting
 * of each token by itself (its alphabet, "<0x0A>", U+2581), which is done once, when the tokenizer
 * is made; or spaces taken off the whole text, which is done when a text is decoded. So decoding
 * is a concatenation, and a token's piece can be shown as soon as the token is there.
 *
 * A byte-level vocabulary writes each byte as one printable character (GPT-2's alphabet: a space is
 * "Ġ", U+0120), so that merges can be lines of text. Control and user-defined tokens of such a
 * vocabulary are written plainly: their piece is their text.
 *
 * Start at eai_tokenizer_decode(); the kinds of decoders are the rows in the middle. */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

#define ALL_SPACES INT32_MAX

/* --- GPT-2's alphabet of bytes --- */

#define ALPHABET_SIZE 324 /* code points 33 to 323 are used */

static bool is_its_own_letter(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/* byte_of[code point] = the byte it stands for, or -1. */
static void make_alphabet(int16_t byte_of[ALPHABET_SIZE])
{
    int next = 256;

    for (int c = 0; c < ALPHABET_SIZE; c++)
        byte_of[c] = -1;
    for (int b = 0; b < 256; b++)
        byte_of[is_its_own_letter(b) ? b : next++] = (int16_t)b;
}

/* Writes the bytes of a token's text to `out` (at least n long); a text with any character outside
 * the alphabet stands for itself. Returns the number of bytes. */
static size_t text_to_bytes(char *out, const char *text, size_t n, const int16_t *byte_of)
{
    size_t n_out = 0;

    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        size_t length = utf8__decode(&c, text + i, n - i);

        if (length == 0 || c >= ALPHABET_SIZE || byte_of[c] < 0) {
            memcpy(out, text, n);
            return n;
        }
        out[n_out++] = (char)(unsigned char)byte_of[c];
        i += length;
    }
    return n_out;
}

/* --- pieces --- */

static eai_status no_memory(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a tokenizer");
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of "<0x0A>", or -1. */
static int byte_of_token(const char *s, size_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || hex_digit(s[3]) < 0 ||
        hex_digit(s[4]) < 0)
        return -1;
    return hex_digit(s[3]) << 4 | hex_digit(s[4]);
}

eai_status tokenizer__apply_byte_token(tokenizer_text *out, const tokenizer_view *in,
                                       const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    int byte = byte_of_token(in->bytes, in->n);

    (void)s, (void)w, (void)err;
    if (byte >= 0)
        tokenizer__put(out, &(char){(char)(unsigned char)byte}, 1, 0);
    else
        tokenizer__put_part(out, in, 0, in->n);
    return EAI_OK;
}

static eai_status make_byte_pieces(eai_tokenizer *t, eai_error *err)
{
    int16_t byte_of[ALPHABET_SIZE];

    make_alphabet(byte_of);
    for (size_t id = 0; id < t->n_tokens; id++) {
        tokenizer_token *k = &t->tokens[id];

        if (!k->text || tokenizer__is_plain(k->type))
            continue;
        char *piece = eai_arena_alloc(t->arena, (size_t)k->text_bytes + 1);
        if (!piece)
            return no_memory(err);
        k->piece_bytes = (uint32_t)text_to_bytes(piece, k->text, k->text_bytes, byte_of);
        piece[k->piece_bytes] = '\0';
        k->piece = piece;
        if (k->piece_bytes == 1)
            t->byte_ids[(unsigned char)piece[0]] = (int32_t)id;
    }
    return EAI_OK;
}

static bool is_utf8(const char *s, size_t n)
{
    uint32_t c;

    for (size_t at = 0, length; at < n; at += length) {
        length = utf8__decode(&c, s + at, n - at);
        if (length == 0)
            return false;
    }
    return true;
}

static eai_status make_piece(eai_tokenizer *t, tokenizer_token *k, tokenizer_work *w,
                             eai_error *err)
{
    tokenizer_view v = {k->text, NULL, k->text_bytes, k->text_bytes, true};

    if (!is_utf8(k->text, k->text_bytes)) /* steps are for text */
        return EAI_OK;
    w->n_text = k->text_bytes;
    EAI_TRY(tokenizer__normalize(&v, w, &t->decoder, err));
    if (v.n == k->text_bytes && memcmp(v.bytes, k->text, v.n) == 0)
        return EAI_OK;
    char *piece = eai_arena_alloc(t->arena, v.n + 1);
    if (!piece)
        return no_memory(err);
    memcpy(piece, v.bytes, v.n);
    piece[v.n] = '\0';
    k->piece = piece;
    k->piece_bytes = (uint32_t)v.n;
    return EAI_OK;
}

static eai_status make_decoded_pieces(eai_tokenizer *t, eai_error *err)
{
    tokenizer_work w;
    eai_status st = tokenizer__work_init(&w, t, 0, err);

    for (size_t id = 0; st == EAI_OK && id < t->n_tokens; id++) {
        tokenizer_token *k = &t->tokens[id];
        int byte = k->text && t->byte_fallback ? byte_of_token(k->text, k->text_bytes) : -1;

        if (byte >= 0 && !(k->flags & TOKENIZER_NOT_IN_MODEL)) {
            t->byte_ids[byte] = (int32_t)id;
            if (k->type == EAI_TOKEN_NORMAL)
                k->type = EAI_TOKEN_BYTE;
        }
        if (k->text)
            st = make_piece(t, k, &w, err);
    }
    tokenizer__work_deinit(&w);
    return st;
}

eai_status tokenizer__make_pieces(eai_tokenizer *t, eai_error *err)
{
    for (size_t b = 0; b < 256; b++)
        t->byte_ids[b] = -1;
    for (size_t id = 0; id < t->n_tokens; id++) {
        t->tokens[id].piece = t->tokens[id].text;
        t->tokens[id].piece_bytes = t->tokens[id].text_bytes;
    }
    return t->byte_level ? make_byte_pieces(t, err) : make_decoded_pieces(t, err);
}

/* --- the kinds of decoders in a tokenizer.json --- */

static eai_status parse_byte_level(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)o;
    if (!t->byte_level)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "type is 'ByteLevel', but the pre-tokenizer is not");
    return EAI_OK;
}

static eai_status parse_byte_fallback(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    tokenizer_step *s = NULL;

    (void)o;
    EAI_TRY(tokenizer__add_step(&s, &t->decoder, err));
    s->normalize = tokenizer__apply_byte_token;
    return EAI_OK;
}

static eai_status parse_replace(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    tokenizer_step *s = NULL;
    const char *content = NULL;
    size_t n = 0;

    EAI_TRY(tokenizer__add_step(&s, &t->decoder, err));
    EAI_TRY(tokenizer__field_pattern(&s->pattern, t, o, err));
    EAI_TRY(tokenizer__need_text(&content, &n, o, "content", err));
    s->normalize = tokenizer__apply_replace;
    return tokenizer__set_text(s, t, content, n, err);
}

/* All tokens joined, which they always are here. */
static eai_status parse_fuse(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)t, (void)o, (void)err;
    return EAI_OK;
}

static eai_status parse_strip(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    const char *content = NULL;
    size_t n = 0;
    int64_t start = 0;
    int64_t stop = 0;

    EAI_TRY(tokenizer__need_text(&content, &n, o, "content", err));
    EAI_TRY(tokenizer__field_int(&start, o, "start", 0, 1000, err));
    EAI_TRY(tokenizer__field_int(&stop, o, "stop", 0, 1000, err));
    if (n != 1 || content[0] != ' ')
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "content is '%.64s', not a space", content);
    t->strip_start = (int)start;
    t->strip_end = (int)stop;
    return EAI_OK;
}

static eai_status parse_metaspace(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    static const char *const schemes[] = {"always", "first", "never"};
    const char *mark = TOKENIZER_MARK;
    size_t n = strlen(mark);
    int scheme = 0;
    bool add_prefix = true;

    EAI_TRY(tokenizer__field_text(&mark, &n, o, "replacement", err));
    EAI_TRY(tokenizer__field_bool(&add_prefix, o, "add_prefix_space", err));
    EAI_TRY(tokenizer__field_name(&scheme, o, "prepend_scheme", schemes, 3, err));
    if (add_prefix && scheme != 2)
        t->strip_start = ALL_SPACES;
    return tokenizer__add_replace(t, &t->decoder, mark, " ", err);
}

static eai_status apply_space_in_front(tokenizer_text *out, const tokenizer_view *in,
                                       const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    (void)s, (void)w, (void)err;
    tokenizer__put(out, " ", 1, 0);
    tokenizer__put_part(out, in, 0, in->n);
    return EAI_OK;
}

eai_status tokenizer__add_joiner(eai_tokenizer *t, eai_error *err)
{
    tokenizer_step *s = NULL;

    EAI_TRY(tokenizer__add_step(&s, &t->decoder, err));
    s->normalize = apply_space_in_front;
    t->strip_start = 1;
    return EAI_OK;
}

const tokenizer_kind tokenizer__decoder_kinds[] = {
    {"ByteLevel", parse_byte_level},
    {"ByteFallback", parse_byte_fallback},
    {"Replace", parse_replace},
    {"Fuse", parse_fuse},
    {"Strip", parse_strip},
    {"Metaspace", parse_metaspace},
    {NULL, NULL},
};

/* --- decoding --- */

/* The spaces to take off a text's start: `strip_start` of them, those of the first token when it is
 * all of them. */
static size_t leading_spaces(const eai_tokenizer *t, const char *text, size_t n)
{
    size_t most = t->strip_start == ALL_SPACES ? n : (size_t)t->strip_start;
    size_t found = 0;

    while (found < most && found < n && text[found] == ' ')
        found++;
    return found;
}

const char *eai_tokenizer_first_piece(const eai_tokenizer *t, int32_t id, size_t *n)
{
    size_t bytes = 0;
    const char *piece = eai_tokenizer_piece(t, id, &bytes);
    size_t skipped = piece ? leading_spaces(t, piece, bytes) : 0;

    if (n)
        *n = bytes - skipped;
    return piece ? piece + skipped : NULL;
}

static bool is_shown(const eai_tokenizer *t, int32_t id, unsigned flags)
{
    return !(flags & EAI_DETOKENIZE_SKIP_SPECIAL) || t->tokens[id].type != EAI_TOKEN_CONTROL;
}

/* Takes off what encoding put around the text; returns what is left. */
static size_t strip(const eai_tokenizer *t, char *text, size_t n, size_t n_first)
{
    size_t skipped =
        leading_spaces(t, text, t->strip_start == ALL_SPACES && n_first < n ? n_first : n);

    n -= skipped;
    memmove(text, text + skipped, n);
    for (int i = 0; i < t->strip_end && n > 0 && text[n - 1] == ' '; i++)
        n--;
    return n;
}

eai_status eai_tokenizer_decode(char **text, size_t *n, const eai_tokenizer *t, const int32_t *ids,
                                size_t n_ids, unsigned flags, eai_error *err)
{
    size_t bytes = 0;
    size_t n_first = SIZE_MAX; /* bytes of the first token that is shown */

    *text = NULL;
    if (n)
        *n = 0;
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= t->n_tokens)
            return eai_error_set(err, EAI_ERR_ARGUMENT, "id %d at place %zu is not in 0 to %zu",
                                 (int)ids[i], i, t->n_tokens - 1);
        if (is_shown(t, ids[i], flags))
            bytes += t->tokens[ids[i]].piece_bytes; /* at most n_ids * 2^20: fits in 64 bits */
    }
    char *out = eai_alloc(bytes + 1);
    if (!out)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a text of %zu bytes", bytes);
    char *end = out;
    for (size_t i = 0; i < n_ids; i++) {
        const tokenizer_token *k = &t->tokens[ids[i]];

        if (!is_shown(t, ids[i], flags))
            continue;
        memcpy(end, k->piece, k->piece_bytes);
        end += k->piece_bytes;
        if (n_first == SIZE_MAX)
            n_first = k->piece_bytes;
    }
    bytes = strip(t, out, bytes, n_first);
    out[bytes] = '\0';
    *text = out;
    if (n)
        *n = bytes;
    return EAI_OK;
}

size_t eai_utf8_complete(const char *text, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)text[n - back];

        if ((c & 0xC0) == 0x80)
            continue; /* the middle of a character: its start is further left */
        size_t length = c >= 0xF0 && c <= 0xF4  ? 4
                        : c >= 0xE0 && c < 0xF0 ? 3
                        : c >= 0xC2 && c < 0xE0 ? 2
                                                : 1;
        return length > back ? n - back : n;
    }
    return n;
}

char *eai_utf8_repair(size_t *n_out, const char *text, size_t n)
{
    size_t at = 0;
    char *out = n < SIZE_MAX / 3 ? eai_alloc(3 * n + 1) : NULL; /* U+FFFD has 3 bytes */

    *n_out = 0;
    if (!out)
        return NULL;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t length = utf8__next(&c, text + i, n - i);
        at += utf8__encode(out + at, c);
        i += length;
    }
    out[at] = '\0';
    *n_out = at;
    return out;
}
