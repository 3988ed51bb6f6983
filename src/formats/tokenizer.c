/* The tokenizer's tables: made once, read by everyone. Also everything that is a look-up in them:
 * decoding, token texts, special ids.
 *
 * A byte-level vocabulary writes each byte as one printable character (GPT-2's alphabet: a space is
 * "Ġ", U+0120), so that merges can be lines of text. Tokens are kept in both forms: `text` as the
 * vocabulary has it, `piece` as the bytes that it stands for. Control and user-defined tokens are
 * written plainly: their piece is their text.
 *
 * Cutting and merging is not here: see tokenizer_encode.c. Start at eai_tokenizer_create(). */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

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

/* --- the index of texts --- */

static size_t hash_text(const char *s, size_t n)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001B3);
    h ^= h >> 32;
    return (size_t)(h * UINT64_C(0x9E3779B97F4A7C15) >> 20);
}

static bool is_token(const eai_tokenizer *t, const tokenizer_index *index, size_t id, const char *s,
                     size_t n)
{
    const tokenizer_token *token = &t->tokens[id];

    if (index->by_piece)
        return token->piece_bytes == n && memcmp(token->piece, s, n) == 0;
    return token->text_bytes == n && memcmp(token->text, s, n) == 0;
}

static uint32_t *find_slot(const eai_tokenizer *t, const tokenizer_index *index, const char *s,
                           size_t n)
{
    size_t i = hash_text(s, n) & index->mask;

    while (index->slots[i] && !is_token(t, index, index->slots[i] - 1, s, n))
        i = (i + 1) & index->mask;
    return &index->slots[i];
}

int32_t tokenizer__lookup(const eai_tokenizer *t, const tokenizer_index *index, const char *s,
                          size_t n)
{
    return (int32_t)*find_slot(t, index, s, n) - 1;
}

static size_t table_size(size_t n)
{
    size_t size = 16;

    while (size < 2 * n)
        size *= 2;
    return size;
}

/* Of tokens with the same text the last one is found, as in HF. Only normal tokens count as pieces.
 */
static bool make_index(eai_tokenizer *t, tokenizer_index *index, bool by_piece)
{
    size_t size = table_size(t->n_tokens);

    index->slots = eai_alloc_zeroed(size, sizeof(*index->slots));
    index->mask = size - 1;
    index->by_piece = by_piece;
    if (!index->slots)
        return false;
    for (size_t id = 0; id < t->n_tokens; id++) {
        const tokenizer_token *k = &t->tokens[id];

        if (by_piece && k->type == EAI_TOKEN_NORMAL)
            *find_slot(t, index, k->piece, k->piece_bytes) = (uint32_t)id + 1;
        else if (!by_piece)
            *find_slot(t, index, k->text, k->text_bytes) = (uint32_t)id + 1;
    }
    return true;
}

/* --- creation --- */

static eai_status no_memory(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a tokenizer");
}

static bool is_plain(int32_t type)
{
    return type == EAI_TOKEN_CONTROL || type == EAI_TOKEN_USER_DEFINED || type == EAI_TOKEN_UNKNOWN;
}

static eai_status copy_token(eai_tokenizer *t, size_t id, const eai_tokenizer_opts *o,
                             const int16_t *byte_of, eai_error *err)
{
    const char *text = o->tokens[id];
    size_t n = o->token_bytes ? o->token_bytes[id] : strlen(text);
    int32_t type = o->token_types ? o->token_types[id] : EAI_TOKEN_NORMAL;
    tokenizer_token *k = &t->tokens[id];

    if (n > (1u << 20))
        return eai_error_set(err, EAI_ERR_LIMIT, "token %zu has %zu bytes, more than 1048576", id,
                             n);
    if (type < EAI_TOKEN_NORMAL || type > EAI_TOKEN_BYTE)
        return eai_error_set(err, EAI_ERR_FORMAT, "token %zu has type %d, not 1 to 6", id,
                             (int)type);
    char *copy = eai_arena_alloc(t->arena, n + 1);
    char *piece = copy;
    size_t n_piece = n;
    if (copy) {
        memcpy(copy, text, n); /* no strndup: a text may hold a NUL */
        copy[n] = '\0';
    }
    if (copy && !is_plain(type)) {
        piece = eai_arena_alloc(t->arena, n + 1);
        if (piece) {
            n_piece = text_to_bytes(piece, text, n, byte_of);
            piece[n_piece] = '\0';
        }
    }
    if (!copy || !piece)
        return no_memory(err);
    *k = (tokenizer_token){copy, piece, (uint32_t)n, (uint32_t)n_piece, type};
    if (n_piece == 1 && !is_plain(type))
        t->byte_ids[(unsigned char)piece[0]] = (int32_t)id;
    return EAI_OK;
}

static eai_status copy_tokens(eai_tokenizer *t, const eai_tokenizer_opts *o, eai_error *err)
{
    int16_t byte_of[ALPHABET_SIZE];

    if (o->n_tokens == 0 || o->n_tokens > TOKENIZER_MAX_TOKENS)
        return eai_error_set(err, EAI_ERR_FORMAT, "the vocabulary has %zu tokens, not 1 to %zu",
                             o->n_tokens, TOKENIZER_MAX_TOKENS);
    t->tokens = eai_alloc_zeroed(o->n_tokens, sizeof(*t->tokens));
    if (!t->tokens)
        return no_memory(err);
    t->n_tokens = o->n_tokens;
    for (size_t b = 0; b < 256; b++)
        t->byte_ids[b] = -1;
    make_alphabet(byte_of);
    for (size_t id = 0; id < o->n_tokens; id++)
        EAI_TRY(copy_token(t, id, o, byte_of, err));
    return EAI_OK;
}

/* The three tokens of merge i: left, right and what they become. `joined` has room for the line. */
static eai_status resolve_merge(int32_t ids[3], const eai_tokenizer *t, size_t i, const char *s,
                                size_t n, char *joined, eai_error *err)
{
    const char *space = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
    int shown = (int)(n < 64 ? n : 64);

    if (!space || space + 1 == s + n)
        return eai_error_set(err, EAI_ERR_FORMAT, "merge %zu is '%.*s', not two tokens", i, shown,
                             s);
    const size_t n_left = (size_t)(space - s);
    const size_t n_right = n - n_left - 1;
    memcpy(joined, s, n_left);
    memcpy(joined + n_left, space + 1, n_right);
    const char *const part[3] = {s, space + 1, joined};
    const size_t n_part[3] = {n_left, n_right, n - 1};
    for (int k = 0; k < 3; k++) {
        ids[k] = tokenizer__lookup(t, &t->by_text, part[k], n_part[k]);
        if (ids[k] < 0)
            return eai_error_set(err, EAI_ERR_FORMAT, "merge %zu '%.*s': no token '%.*s'", i, shown,
                                 s, (int)(n_part[k] < 64 ? n_part[k] : 64), part[k]);
    }
    return EAI_OK;
}

static size_t merge_length(const eai_tokenizer_opts *o, size_t i)
{
    return o->merge_bytes ? o->merge_bytes[i] : strlen(o->merges[i]);
}

/* A pair that occurs twice has its last rank, as in HF. */
static eai_status make_merges(eai_tokenizer *t, const eai_tokenizer_opts *o, eai_error *err)
{
    eai_status st = EAI_OK;
    char *joined = NULL;
    size_t longest = 0;
    size_t size = table_size(o->n_merges);

    for (size_t i = 0; i < o->n_merges; i++)
        longest = merge_length(o, i) > longest ? merge_length(o, i) : longest;
    t->merges = eai_alloc_array(size, sizeof(*t->merges));
    joined = eai_alloc(longest);
    if (!t->merges || !joined) {
        st = no_memory(err);
        goto done;
    }
    t->merge_mask = size - 1;
    for (size_t i = 0; i < size; i++)
        t->merges[i] = (tokenizer_merge){-1, -1, -1, TOKENIZER_NO_RANK};
    for (size_t i = 0; i < o->n_merges; i++) {
        int32_t ids[3] = {-1, -1, -1};

        st = resolve_merge(ids, t, i, o->merges[i], merge_length(o, i), joined, err);
        if (st != EAI_OK)
            goto done;
        size_t slot = (size_t)(tokenizer__find_merge(t, ids[0], ids[1]) - t->merges);
        t->merges[slot] = (tokenizer_merge){ids[0], ids[1], ids[2], (uint32_t)i};
    }
done:
    eai_free(joined);
    return st;
}

/* Bytes first, then length: texts with a common beginning are neighbours. */
static int compare_added(const eai_tokenizer *t, int32_t a, int32_t b)
{
    const tokenizer_token *x = &t->tokens[a];
    const tokenizer_token *y = &t->tokens[b];
    size_t n = x->text_bytes < y->text_bytes ? x->text_bytes : y->text_bytes;
    int order = memcmp(x->text, y->text, n);

    if (order)
        return order;
    if (x->text_bytes != y->text_bytes)
        return x->text_bytes < y->text_bytes ? -1 : 1;
    return (a > b) - (a < b);
}

/* Heap sort: no recursion, no context pointer, n log n. */
static void sort_added(eai_tokenizer *t)
{
    int32_t *a = t->added;

    for (size_t end = t->n_added, start = end / 2; end > 1;) {
        if (start > 0) {
            start--;
        } else {
            int32_t top = a[0];

            a[0] = a[--end];
            a[end] = top;
        }
        size_t i = start;
        for (size_t child; (child = 2 * i + 1) < end; i = child) {
            if (child + 1 < end && compare_added(t, a[child], a[child + 1]) < 0)
                child++;
            if (compare_added(t, a[i], a[child]) >= 0)
                break;
            int32_t swap = a[i];
            a[i] = a[child];
            a[child] = swap;
        }
    }
}

static eai_status collect_added(eai_tokenizer *t, eai_error *err)
{
    size_t n = 0;

    for (size_t id = 0; id < t->n_tokens; id++)
        n += is_plain(t->tokens[id].type);
    t->added = eai_alloc_array(n, sizeof(*t->added));
    if (!t->added)
        return no_memory(err);
    for (size_t id = 0; id < t->n_tokens; id++) {
        const tokenizer_token *k = &t->tokens[id];

        if (is_plain(k->type) && k->text_bytes > 0) {
            t->added[t->n_added++] = (int32_t)id;
            t->starts_added[(unsigned char)k->text[0]] = true;
        }
    }
    sort_added(t);
    return EAI_OK;
}

static eai_status check_special(int32_t *out, const eai_tokenizer *t, const char *name, int32_t id,
                                eai_error *err)
{
    if (id < -1 || (id >= 0 && (size_t)id >= t->n_tokens))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "the %s token is %d, but the vocabulary has %zu tokens", name, (int)id,
                             t->n_tokens);
    *out = id;
    return EAI_OK;
}

static void collect_ends(eai_tokenizer *t)
{
    static const char *const names[] = {"<|im_end|>", "<|eot_id|>", "<|end_of_text|>",
                                        "<|endoftext|>"};

    if (t->eos >= 0)
        t->ends[t->n_ends++] = t->eos;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int32_t id = eai_tokenizer_find(t, names[i], strlen(names[i]));

        if (id >= 0 && t->tokens[id].type == EAI_TOKEN_CONTROL && id != t->eos)
            t->ends[t->n_ends++] = id;
    }
}

static eai_status fill(eai_tokenizer *t, const eai_tokenizer_opts *o, eai_error *err)
{
    if (o->n_merges > TOKENIZER_MAX_TOKENS)
        return eai_error_set(err, EAI_ERR_FORMAT, "%zu merges, more than %zu", o->n_merges,
                             TOKENIZER_MAX_TOKENS);
    EAI_TRY(tokenizer__compile_pre(t, o->pre, err));
    EAI_TRY(copy_tokens(t, o, err));
    if (!make_index(t, &t->by_text, false) ||
        (t->pre->ignore_merges && !make_index(t, &t->by_piece, true)))
        return no_memory(err);
    EAI_TRY(make_merges(t, o, err));
    EAI_TRY(collect_added(t, err));
    EAI_TRY(check_special(&t->bos, t, "bos", o->bos, err));
    EAI_TRY(check_special(&t->eos, t, "eos", o->eos, err));
    EAI_TRY(check_special(&t->pad, t, "pad", o->pad, err));
    EAI_TRY(check_special(&t->unk, t, "unk", o->unk, err));
    t->add_bos = o->add_bos;
    t->add_eos = o->add_eos;
    collect_ends(t);
    if (o->chat_template) {
        size_t n = o->chat_template_bytes ? o->chat_template_bytes : strlen(o->chat_template);

        t->chat_template = eai_arena_alloc(t->arena, n + 1);
        if (!t->chat_template)
            return no_memory(err);
        memcpy(t->chat_template, o->chat_template, n);
        t->chat_template[n] = '\0';
        t->chat_template_bytes = n;
    }
    return EAI_OK;
}

eai_status eai_tokenizer_create(eai_tokenizer **out, const eai_tokenizer_opts *opts, eai_error *err)
{
    eai_status st = EAI_OK;
    eai_tokenizer *t = NULL;

    *out = NULL;
    t = eai_alloc_zeroed(1, sizeof(*t));
    if (t)
        t->arena = eai_arena_create(0);
    if (!t || !t->arena) {
        st = no_memory(err);
        goto done;
    }
    st = fill(t, opts, err);
    if (st != EAI_OK)
        goto done;
    *out = t;
    t = NULL;
done:
    eai_tokenizer_free(t);
    return st;
}

void eai_tokenizer_free(eai_tokenizer *t)
{
    if (!t)
        return;
    pcre2_code_free(t->pattern);
    pcre2_general_context_free(t->pcre_context);
    eai_free(t->tokens);
    eai_free(t->by_text.slots);
    eai_free(t->by_piece.slots);
    eai_free(t->merges);
    eai_free(t->added);
    eai_arena_free(t->arena);
    eai_free(t);
}

/* --- look-ups --- */

static const tokenizer_token *token_at(const eai_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->n_tokens ? &t->tokens[id] : NULL;
}

const char *eai_tokenizer_piece(const eai_tokenizer *t, int32_t id, size_t *n)
{
    const tokenizer_token *k = token_at(t, id);

    if (n)
        *n = k ? k->piece_bytes : 0;
    return k ? k->piece : NULL;
}

const char *eai_tokenizer_token(const eai_tokenizer *t, int32_t id, size_t *n)
{
    const tokenizer_token *k = token_at(t, id);

    if (n)
        *n = k ? k->text_bytes : 0;
    return k ? k->text : NULL;
}

eai_token_type eai_tokenizer_type(const eai_tokenizer *t, int32_t id)
{
    const tokenizer_token *k = token_at(t, id);

    return k ? (eai_token_type)k->type : EAI_TOKEN_UNUSED;
}

int32_t eai_tokenizer_find(const eai_tokenizer *t, const char *token, size_t n)
{
    return tokenizer__lookup(t, &t->by_text, token, n);
}

size_t eai_tokenizer_vocab_size(const eai_tokenizer *t)
{
    return t->n_tokens;
}

int32_t eai_tokenizer_bos(const eai_tokenizer *t)
{
    return t->bos;
}

int32_t eai_tokenizer_eos(const eai_tokenizer *t)
{
    return t->eos;
}

int32_t eai_tokenizer_pad(const eai_tokenizer *t)
{
    return t->pad;
}

int32_t eai_tokenizer_unk(const eai_tokenizer *t)
{
    return t->unk;
}

bool eai_tokenizer_is_end(const eai_tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id)
            return true;
    return false;
}

const char *eai_tokenizer_chat_template(const eai_tokenizer *t, size_t *n)
{
    if (n)
        *n = t->chat_template_bytes;
    return t->chat_template;
}

/* --- decoding --- */

eai_status eai_tokenizer_decode(char **text, size_t *n, const eai_tokenizer *t, const int32_t *ids,
                                size_t n_ids, unsigned flags, eai_error *err)
{
    size_t bytes = 0;
    bool skip = flags & EAI_DETOKENIZE_SKIP_SPECIAL;

    *text = NULL;
    if (n)
        *n = 0;
    for (size_t i = 0; i < n_ids; i++) {
        const tokenizer_token *k = token_at(t, ids[i]);

        if (!k)
            return eai_error_set(err, EAI_ERR_ARGUMENT, "id %d at place %zu is not in 0 to %zu",
                                 (int)ids[i], i, t->n_tokens - 1);
        if (!(skip && k->type == EAI_TOKEN_CONTROL))
            bytes += k->piece_bytes; /* at most n_ids * 2^20: no overflow on 64 bits */
    }
    char *out = eai_alloc(bytes + 1);
    if (!out)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a text of %zu bytes", bytes);
    char *end = out;
    for (size_t i = 0; i < n_ids; i++) {
        const tokenizer_token *k = &t->tokens[ids[i]];

        if (!(skip && k->type == EAI_TOKEN_CONTROL)) {
            memcpy(end, k->piece, k->piece_bytes);
            end += k->piece_bytes;
        }
    }
    *end = '\0';
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
