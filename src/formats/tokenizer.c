/* The tokenizer's tables: filled step by step by whoever reads a file, then read by everyone. Also
 * everything that is a look-up in them: token texts, special ids.
 *
 * A token is kept in two forms: `text` as the vocabulary has it ("Ä the", "âthe", "<0x0A>"),
 * and `piece` as the bytes that it stands for (" the", a line feed); tokenizer_decode.c makes the
 * second from the first.
 *
 * Cutting and merging is not here: see tokenizer_encode.c. Start at eai_tokenizer_create(), which
 * fills the tables from arrays. */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"

#include "base/banned.h"

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

int32_t tokenizer__lookup_model(const eai_tokenizer *t, const char *s, size_t n)
{
    int32_t id = tokenizer__lookup(t, &t->by_text, s, n);

    return id >= 0 && !(t->tokens[id].flags & TOKENIZER_NOT_IN_MODEL) ? id : -1;
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

        if (!k->text)
            continue;
        if (by_piece && k->type == EAI_TOKEN_NORMAL)
            *find_slot(t, index, k->piece, k->piece_bytes) = (uint32_t)id + 1;
        else if (!by_piece)
            *find_slot(t, index, k->text, k->text_bytes) = (uint32_t)id + 1;
    }
    return true;
}

/* --- filling the tables --- */

static eai_status no_memory(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a tokenizer");
}

bool tokenizer__is_plain(int type)
{
    return type == EAI_TOKEN_CONTROL || type == EAI_TOKEN_USER_DEFINED || type == EAI_TOKEN_UNKNOWN;
}

static void *pcre_alloc(size_t bytes, void *ud)
{
    bool *no_memory_flag = ud;
    void *p = eai_alloc(bytes);

    if (!p)
        *no_memory_flag = true;
    return p;
}

static void pcre_free(void *p, void *ud)
{
    (void)ud;
    eai_free(p);
}

eai_status tokenizer__new(eai_tokenizer **out, eai_error *err)
{
    eai_tokenizer *t = eai_alloc_zeroed(1, sizeof(*t));

    *out = NULL;
    if (t)
        t->arena = eai_arena_create(0);
    if (t && t->arena)
        t->pcre_context = pcre2_general_context_create(pcre_alloc, pcre_free, &t->pcre_no_memory);
    if (!t || !t->arena || !t->pcre_context) {
        eai_tokenizer_free(t);
        return no_memory(err);
    }
    t->normalizer.name = "normalizer";
    t->pre.name = "pre-tokenizer";
    t->decoder.name = "decoder";
    t->model = &tokenizer__bpe;
    t->bos = t->eos = t->pad = t->unk = t->model_unk = -1;
    *out = t;
    return EAI_OK;
}

eai_status tokenizer__reserve_tokens(eai_tokenizer *t, size_t n, eai_error *err)
{
    if (n == 0 || n > TOKENIZER_MAX_TOKENS)
        return eai_error_set(err, EAI_ERR_FORMAT, "the vocabulary has %zu tokens, not 1 to %zu", n,
                             TOKENIZER_MAX_TOKENS);
    t->tokens = eai_alloc_zeroed(n, sizeof(*t->tokens));
    if (!t->tokens)
        return no_memory(err);
    t->n_tokens = n;
    for (size_t id = 0; id < n; id++)
        t->tokens[id].type = EAI_TOKEN_UNUSED;
    return EAI_OK;
}

eai_status tokenizer__set_token(eai_tokenizer *t, size_t id, const char *text, size_t n,
                                int32_t type, double score, eai_error *err)
{
    tokenizer_token *k = &t->tokens[id];

    if (n > TOKENIZER_MAX_TOKEN_BYTES)
        return eai_error_set(err, EAI_ERR_LIMIT, "token %zu has %zu bytes, more than %zu", id, n,
                             TOKENIZER_MAX_TOKEN_BYTES);
    if (type < EAI_TOKEN_NORMAL || type > EAI_TOKEN_BYTE)
        return eai_error_set(err, EAI_ERR_FORMAT, "token %zu has type %d, not 1 to 6", id,
                             (int)type);
    if (k->text)
        return eai_error_set(err, EAI_ERR_FORMAT, "id %zu is '%.64s' and '%.*s'", id, k->text,
                             (int)(n < 64 ? n : 64), text);
    char *copy = eai_arena_alloc(t->arena, n + 1);
    if (!copy)
        return no_memory(err);
    memcpy(copy, text, n); /* no strndup: a text may hold a NUL */
    copy[n] = '\0';
    *k = (tokenizer_token){
        .text = copy, .text_bytes = (uint32_t)n, .score = score, .type = (uint8_t)type};
    return EAI_OK;
}

eai_status tokenizer__index_tokens(eai_tokenizer *t, eai_error *err)
{
    return make_index(t, &t->by_text, false) ? EAI_OK : no_memory(err);
}

eai_status tokenizer__reserve_merges(eai_tokenizer *t, size_t n, eai_error *err)
{
    size_t size = table_size(n);

    if (n > 4 * TOKENIZER_MAX_TOKENS)
        return eai_error_set(err, EAI_ERR_FORMAT, "%zu merges, more than %zu", n,
                             4 * TOKENIZER_MAX_TOKENS);
    t->merges = eai_alloc_array(size, sizeof(*t->merges));
    if (!t->merges)
        return no_memory(err);
    t->merge_mask = size - 1;
    for (size_t i = 0; i < size; i++)
        t->merges[i] = (tokenizer_merge){-1, -1, -1, TOKENIZER_NO_RANK};
    return EAI_OK;
}

/* A pair that occurs twice has its last rank, as in HF. */
eai_status tokenizer__set_merge(eai_tokenizer *t, size_t rank, const char *left, size_t n_left,
                                const char *right, size_t n_right, eai_error *err)
{
    char small[256];
    size_t n = n_left + n_right;
    char *joined = n <= sizeof(small) ? small : eai_alloc(n);
    eai_status st = EAI_OK;

    if (!joined)
        return no_memory(err);
    memcpy(joined, left, n_left);
    memcpy(joined + n_left, right, n_right);
    int32_t a = tokenizer__lookup(t, &t->by_text, left, n_left);
    int32_t b = tokenizer__lookup(t, &t->by_text, right, n_right);
    int32_t id = tokenizer__lookup(t, &t->by_text, joined, n);
    const char *missing = a < 0 ? left : b < 0 ? right : joined;
    size_t n_missing = a < 0 ? n_left : b < 0 ? n_right : n;
    if (a < 0 || b < 0 || id < 0)
        st = eai_error_set(err, EAI_ERR_FORMAT, "merge %zu '%.*s %.*s': no token '%.*s'", rank,
                           (int)(n_left < 64 ? n_left : 64), left,
                           (int)(n_right < 64 ? n_right : 64), right,
                           (int)(n_missing < 64 ? n_missing : 64), missing);
    if (joined != small)
        eai_free(joined);
    if (st != EAI_OK)
        return st;
    *tokenizer__find_merge(t, a, b) = (tokenizer_merge){a, b, id, (uint32_t)rank};
    return EAI_OK;
}

eai_status tokenizer__set_merge_line(eai_tokenizer *t, size_t rank, const char *s, size_t n,
                                     eai_error *err)
{
    const char *space = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;

    if (!space || space + 1 == s + n)
        return eai_error_set(err, EAI_ERR_FORMAT, "merge %zu is '%.*s', not two tokens", rank,
                             (int)(n < 64 ? n : 64), s);
    size_t n_left = (size_t)(space - s);
    return tokenizer__set_merge(t, rank, s, n_left, space + 1, n - n_left - 1, err);
}

eai_status tokenizer__set_special(int32_t *out, const eai_tokenizer *t, const char *name,
                                  int32_t id, eai_error *err)
{
    if (id < -1 || (id >= 0 && (size_t)id >= t->n_tokens))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "the %s token is %d, but the vocabulary has %zu tokens", name, (int)id,
                             t->n_tokens);
    *out = id;
    return EAI_OK;
}

void tokenizer__add_end(eai_tokenizer *t, int32_t id)
{
    if (id >= 0 && (size_t)id < t->n_tokens && !eai_tokenizer_is_end(t, id) &&
        t->n_ends < TOKENIZER_MAX_ENDS)
        t->ends[t->n_ends++] = id;
}

eai_status tokenizer__set_chat_template(eai_tokenizer *t, const char *source, size_t n,
                                        eai_error *err)
{
    t->chat_template = eai_arena_alloc(t->arena, n + 1);
    if (!t->chat_template)
        return no_memory(err);
    memcpy(t->chat_template, source, n);
    t->chat_template[n] = '\0';
    t->chat_template_bytes = n;
    return EAI_OK;
}

eai_status tokenizer__add_step(tokenizer_step **out, tokenizer_stage *stage, eai_error *err)
{
    *out = NULL;
    if (stage->n == TOKENIZER_MAX_STEPS)
        return eai_error_set(err, EAI_ERR_LIMIT, "the %s has more than %d steps", stage->name,
                             TOKENIZER_MAX_STEPS);
    *out = &stage->steps[stage->n++];
    return EAI_OK;
}

eai_status tokenizer__set_text(tokenizer_step *s, eai_tokenizer *t, const char *text, size_t n,
                               eai_error *err)
{
    if (n > TOKENIZER_MAX_PATTERN)
        return eai_error_set(err, EAI_ERR_LIMIT, "a text has %zu bytes, more than %d", n,
                             TOKENIZER_MAX_PATTERN);
    s->text = eai_arena_memdup(t->arena, text, n);
    s->n_text = n;
    return s->text ? EAI_OK : no_memory(err);
}

/* --- finishing --- */

static eai_status index_added(eai_tokenizer *t, tokenizer_trie *trie, bool normalized,
                              tokenizer_trie_entry *entries, tokenizer_work *w, eai_error *err)
{
    size_t n = 0;

    for (size_t id = 0; id < t->n_tokens; id++) {
        const tokenizer_token *k = &t->tokens[id];
        tokenizer_view v = {k->text, NULL, k->text_bytes, k->text_bytes, true};

        if (!tokenizer__is_plain(k->type) || !(k->flags & TOKENIZER_NORMALIZED) == normalized)
            continue;
        if (normalized) {
            w->n_text = k->text_bytes;
            EAI_TRY(tokenizer__normalize(&v, w, &t->normalizer, err));
            v.bytes = eai_arena_memdup(t->arena, v.bytes, v.n);
            if (!v.bytes)
                return no_memory(err);
        }
        entries[n++] = (tokenizer_trie_entry){v.bytes, (uint32_t)v.n, (int32_t)id};
    }
    return tokenizer__trie_make(trie, entries, n, err);
}

static eai_status index_all_added(eai_tokenizer *t, eai_error *err)
{
    tokenizer_work w = {0};
    tokenizer_trie_entry *entries = eai_alloc_array(t->n_tokens, sizeof(*entries));
    eai_status st = entries ? EAI_OK : no_memory(err);

    if (st == EAI_OK)
        st = tokenizer__work_init(&w, t, 0, err);
    if (st == EAI_OK)
        st = index_added(t, &t->added, false, entries, &w, err);
    if (st == EAI_OK)
        st = index_added(t, &t->added_normalized, true, entries, &w, err);
    tokenizer__work_deinit(&w);
    eai_free(entries);
    return st;
}

static void collect_ends(eai_tokenizer *t)
{
    static const char *const names[] = {"<|im_end|>",    "<|eot_id|>",    "<|end_of_text|>",
                                        "<|endoftext|>", "<end_of_turn>", "<|eom_id|>",
                                        "<|end|>"};

    tokenizer__add_end(t, t->eos);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int32_t id = eai_tokenizer_find(t, names[i], strlen(names[i]));

        if (id >= 0 && t->tokens[id].type == EAI_TOKEN_CONTROL)
            tokenizer__add_end(t, id);
    }
}

eai_status tokenizer__finish(eai_tokenizer *t, eai_error *err)
{
    EAI_TRY(tokenizer__make_pieces(t, err));
    if (t->byte_level && t->ignore_merges && !make_index(t, &t->by_piece, true))
        return no_memory(err);
    if (!t->merges)
        EAI_TRY(tokenizer__reserve_merges(t, 0, err));
    EAI_TRY(t->model->prepare(t, err));
    EAI_TRY(index_all_added(t, err));
    collect_ends(t);
    for (size_t id = 0; id < t->n_tokens; id++)
        if (!t->tokens[id].text)
            t->tokens[id].text = t->tokens[id].piece = "";
    return EAI_OK;
}

/* --- from arrays --- */

static eai_status fill_vocabulary(eai_tokenizer *t, const eai_tokenizer_opts *o, eai_error *err)
{
    EAI_TRY(tokenizer__reserve_tokens(t, o->n_tokens, err));
    for (size_t i = 0; i < o->n_tokens; i++)
        EAI_TRY(tokenizer__set_token(
            t, i, o->tokens[i], o->token_bytes ? o->token_bytes[i] : strlen(o->tokens[i]),
            o->token_types ? o->token_types[i] : EAI_TOKEN_NORMAL, 0, err));
    EAI_TRY(tokenizer__index_tokens(t, err));
    EAI_TRY(tokenizer__reserve_merges(t, o->n_merges, err));
    for (size_t i = 0; i < o->n_merges; i++)
        EAI_TRY(tokenizer__set_merge_line(
            t, i, o->merges[i], o->merge_bytes ? o->merge_bytes[i] : strlen(o->merges[i]), err));
    return EAI_OK;
}

static eai_status fill(eai_tokenizer *t, const eai_tokenizer_opts *o, eai_error *err)
{
    EAI_TRY(tokenizer__use_pre(t, o->pre, err));
    EAI_TRY(fill_vocabulary(t, o, err));
    EAI_TRY(tokenizer__set_special(&t->bos, t, "bos", o->bos, err));
    EAI_TRY(tokenizer__set_special(&t->eos, t, "eos", o->eos, err));
    EAI_TRY(tokenizer__set_special(&t->pad, t, "pad", o->pad, err));
    EAI_TRY(tokenizer__set_special(&t->unk, t, "unk", o->unk, err));
    if (o->add_bos && t->bos >= 0)
        t->prefix[t->n_prefix++] = t->bos;
    if (o->add_eos && t->eos >= 0)
        t->suffix_ids[t->n_suffix_ids++] = t->eos;
    if (o->chat_template)
        EAI_TRY(tokenizer__set_chat_template(
            t, o->chat_template,
            o->chat_template_bytes ? o->chat_template_bytes : strlen(o->chat_template), err));
    return tokenizer__finish(t, err);
}

eai_status eai_tokenizer_create(eai_tokenizer **out, const eai_tokenizer_opts *opts, eai_error *err)
{
    eai_tokenizer *t = NULL;

    *out = NULL;
    EAI_TRY(tokenizer__new(&t, err));
    eai_status st = fill(t, opts, err);
    if (st == EAI_OK)
        *out = t;
    else
        eai_tokenizer_free(t);
    return st;
}

void eai_tokenizer_free(eai_tokenizer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_patterns; i++)
        pcre2_code_free(t->patterns[i].code);
    pcre2_general_context_free(t->pcre_context);
    eai_free(t->tokens);
    eai_free(t->by_text.slots);
    eai_free(t->by_piece.slots);
    eai_free(t->merges);
    eai_free(t->added.nodes);
    eai_free(t->added_normalized.nodes);
    eai_free(t->pieces.nodes);
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
