/* A tokenizer from a GGUF file's metadata: tokenizer.ggml.* and tokenizer.chat_template.
 *
 * tokenizer.ggml.model says what it is, one row each in the table at the end:
 *   gpt2   byte-level BPE with merges; tokenizer.ggml.pre names the pre-tokenizer
 *   llama  SentencePiece's BPE: no merges, but a score a token; the pair whose token has the best
 *          score is merged first. Missing characters become the tokens of their bytes.
 *   t5     SentencePiece's Unigram, with its normalization table
 * Others ("bert", "rwkv") are refused by name. Keys that the file lacks have llama.cpp's defaults.
 * Weights that come without these keys, from a folder in Hugging Face's layout, have their
 * tokenizer beside them: see tokenizer_folder.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

#include "formats/tokenizer_internal.h"

#include "base/banned.h"

#define KEY(name)       "tokenizer.ggml." name
#define MAX_PIECE_BYTES 1024 /* of SentencePiece's; it makes none of more than 512 characters */

typedef struct gguf_model {
    const char *name;
    eai_status (*read)(eai_tokenizer *t, const eai_weights *w, eai_error *err);
    bool add_bos, add_eos; /* where the file does not say */
    int32_t bos, eos, unk; /* likewise */
} gguf_model;

static eai_status no_memory(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a tokenizer");
}

/* A special id: absent is the default, and what no vocabulary can have is kept for the check. */
static int32_t get_id(const eai_weights *w, const char *key, int32_t otherwise)
{
    int64_t id = -1;

    if (!eai_weights_get_int(&id, w, key))
        return otherwise;
    return id < 0 || id > INT32_MAX ? INT32_MAX : (int32_t)id;
}

static bool get_bool(const eai_weights *w, const char *key, bool otherwise)
{
    bool value = otherwise;

    return eai_weights_get_bool(&value, w, key) ? value : otherwise;
}

static eai_status wrong_count(const char *key, size_t n, size_t n_tokens, eai_error *err)
{
    return eai_error_set(err, EAI_ERR_FORMAT, "%s has %zu entries for %zu tokens", key, n,
                         n_tokens);
}

/* --- the vocabulary --- */

static eai_status read_tokens(eai_tokenizer *t, const eai_weights *w, eai_error *err)
{
    eai_meta_strings tokens;
    size_t n_types = 0;
    size_t n_scores = 0;
    const int64_t *types = eai_weights_get_ints(&n_types, w, KEY("token_type"));
    const double *scores = eai_weights_get_floats(&n_scores, w, KEY("scores"));

    if (!eai_weights_get_strings(&tokens, w, KEY("tokens")))
        return eai_error_set(err, EAI_ERR_FORMAT, "no list of texts under '%s'", KEY("tokens"));
    if (types && n_types != tokens.n)
        return wrong_count(KEY("token_type"), n_types, tokens.n, err);
    if (scores && n_scores != tokens.n)
        return wrong_count(KEY("scores"), n_scores, tokens.n, err);
    EAI_TRY(tokenizer__reserve_tokens(t, tokens.n, err));
    for (size_t i = 0; i < tokens.n; i++) {
        int64_t type = types ? types[i] : EAI_TOKEN_NORMAL;

        if (scores && isnan(scores[i]))
            return eai_error_set(err, EAI_ERR_FORMAT, "%s[%zu] is not a number", KEY("scores"), i);
        EAI_TRY(tokenizer__set_token(t, i, tokens.text[i], tokens.bytes[i],
                                     type < 0 || type > 99 ? 99 : (int32_t)type,
                                     scores ? scores[i] : 0, err));
        t->byte_fallback = t->byte_fallback || type == EAI_TOKEN_BYTE;
    }
    return tokenizer__index_tokens(t, err);
}

static eai_status read_gpt2(eai_tokenizer *t, const eai_weights *w, eai_error *err)
{
    eai_meta_strings merges;

    EAI_TRY(tokenizer__use_pre(t, eai_weights_get_string(w, KEY("pre")), err));
    EAI_TRY(read_tokens(t, w, err));
    if (!eai_weights_get_strings(&merges, w, KEY("merges")))
        return eai_error_set(err, EAI_ERR_FORMAT, "no list of texts under '%s'", KEY("merges"));
    EAI_TRY(tokenizer__reserve_merges(t, merges.n, err));
    for (size_t i = 0; i < merges.n; i++)
        EAI_TRY(tokenizer__set_merge_line(t, i, merges.text[i], merges.bytes[i], err));
    return EAI_OK;
}

/* --- merges from scores --- */

typedef struct ranked {
    double score;
    int32_t id;
    uint32_t rank;
} ranked;

static int compare_scores(const void *a, const void *b)
{
    const ranked *x = a;
    const ranked *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool is_mergeable(const eai_tokenizer *t, int32_t id)
{
    return id >= 0 &&
           (t->tokens[id].type == EAI_TOKEN_NORMAL || t->tokens[id].type == EAI_TOKEN_USER_DEFINED);
}

/* Adds the merges whose result is a token: every way to cut it into two tokens. Without `add` they
 * are only counted. */
static eai_status merges_of(size_t *n, eai_tokenizer *t, const ranked *r, bool add, eai_error *err)
{
    const tokenizer_token *k = &t->tokens[r->id];

    for (size_t cut = 1; cut < k->text_bytes; cut++) {
        const char *right = k->text + cut;
        size_t n_right = k->text_bytes - cut;

        if (((unsigned char)*right & 0xC0) == 0x80 ||
            !is_mergeable(t, tokenizer__lookup(t, &t->by_text, k->text, cut)) ||
            !is_mergeable(t, tokenizer__lookup(t, &t->by_text, right, n_right)))
            continue;
        ++*n;
        if (add)
            EAI_TRY(tokenizer__set_merge(t, r->rank, k->text, cut, right, n_right, err));
    }
    return EAI_OK;
}

/* SentencePiece merges the pair whose token has the best score, the leftmost of equals: merges
 * whose ranks are the places of the scores, equal ones for equal scores. */
static eai_status add_merges(eai_tokenizer *t, ranked *list, size_t n, eai_error *err)
{
    size_t n_merges = 0;

    qsort(list, n, sizeof(*list), compare_scores);
    for (size_t i = 0; i < n; i++) {
        list[i].rank = (uint32_t)i;
        if (i > 0 && list[i].score == list[i - 1].score)
            list[i].rank = list[i - 1].rank;
        EAI_TRY(merges_of(&n_merges, t, &list[i], false, err));
    }
    EAI_TRY(tokenizer__reserve_merges(t, n_merges, err));
    for (size_t i = 0; i < n; i++)
        EAI_TRY(merges_of(&n_merges, t, &list[i], true, err));
    return EAI_OK;
}

static eai_status merges_from_scores(eai_tokenizer *t, eai_error *err)
{
    size_t n = 0;
    ranked *list = eai_alloc_array(t->n_tokens, sizeof(*list));
    eai_status st = list ? EAI_OK : no_memory(err);

    for (size_t id = 0; st == EAI_OK && id < t->n_tokens; id++) {
        if (!is_mergeable(t, (int32_t)id))
            continue;
        if (t->tokens[id].text_bytes > MAX_PIECE_BYTES)
            st = eai_error_set(err, EAI_ERR_LIMIT, "token %zu has %u bytes, more than %d", id,
                               (unsigned)t->tokens[id].text_bytes, MAX_PIECE_BYTES);
        list[n++] = (ranked){t->tokens[id].score, (int32_t)id, 0};
    }
    if (st == EAI_OK)
        st = add_merges(t, list, n, err);
    eai_free(list);
    return st;
}

/* --- SentencePiece --- */

/* What both kinds have: spaces as U+2581, byte tokens, one space in front that decoding takes off.
 */
static eai_status use_sentencepiece(eai_tokenizer *t, const eai_weights *w, bool remove_extra,
                                    eai_error *err)
{
    bool add_prefix = get_bool(w, KEY("add_space_prefix"), true);
    tokenizer_step *s = NULL;

    EAI_TRY(tokenizer__add_spaces(t, add_prefix, remove_extra, err));
    EAI_TRY(tokenizer__add_replace(t, &t->decoder, TOKENIZER_MARK, " ", err));
    if (t->byte_fallback) {
        EAI_TRY(tokenizer__add_step(&s, &t->decoder, err));
        s->normalize = tokenizer__apply_byte_token;
    }
    t->strip_start = add_prefix;
    t->fuse_unk = true;
    return EAI_OK;
}

static eai_status read_llama(eai_tokenizer *t, const eai_weights *w, eai_error *err)
{
    EAI_TRY(read_tokens(t, w, err));
    EAI_TRY(use_sentencepiece(t, w, false, err));
    return merges_from_scores(t, err);
}

static eai_status read_charsmap(eai_tokenizer *t, const eai_weights *w, eai_error *err)
{
    size_t n = 0;
    const int64_t *bytes = eai_weights_get_ints(&n, w, KEY("precompiled_charsmap"));

    if (!bytes)
        return EAI_OK;
    unsigned char *blob = eai_alloc(n + 1);
    if (!blob)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        blob[i] = (unsigned char)bytes[i];
    eai_status st = tokenizer__add_charsmap(t, blob, n, false, err);
    eai_free(blob);
    return st;
}

static eai_status read_t5(eai_tokenizer *t, const eai_weights *w, eai_error *err)
{
    EAI_TRY(read_tokens(t, w, err));
    EAI_TRY(read_charsmap(t, w, err));
    EAI_TRY(use_sentencepiece(t, w, get_bool(w, KEY("remove_extra_whitespaces"), false), err));
    t->model = &tokenizer__unigram;
    t->single_precision = true;
    t->is_sentencepiece = true;
    return EAI_OK;
}

static const gguf_model models[] = {
    /* name    read         bos    eos     bos eos unk */
    {"gpt2", read_gpt2, false, false, -1, -1, -1},
    {"llama", read_llama, true, false, 1, 2, 0},
    {"t5", read_t5, false, true, -1, 1, 2},
};

/* --- the whole --- */

static eai_status read_special(eai_tokenizer *t, const gguf_model *m, const eai_weights *w,
                               eai_error *err)
{
    const char *pre = eai_weights_get_string(w, KEY("pre"));
    bool add_bos = m->add_bos || (pre && strcmp(pre, "llama-bpe") == 0);

    EAI_TRY(tokenizer__set_special(&t->bos, t, "bos", get_id(w, KEY("bos_token_id"), m->bos), err));
    EAI_TRY(tokenizer__set_special(&t->eos, t, "eos", get_id(w, KEY("eos_token_id"), m->eos), err));
    EAI_TRY(tokenizer__set_special(&t->pad, t, "pad", get_id(w, KEY("padding_token_id"), -1), err));
    EAI_TRY(
        tokenizer__set_special(&t->unk, t, "unk", get_id(w, KEY("unknown_token_id"), m->unk), err));
    if (!t->byte_level)
        t->model_unk = t->unk;
    if (t->bos >= 0 && get_bool(w, KEY("add_bos_token"), add_bos))
        t->prefix[t->n_prefix++] = t->bos;
    if (t->eos >= 0 && get_bool(w, KEY("add_eos_token"), m->add_eos))
        t->suffix_ids[t->n_suffix_ids++] = t->eos;
    return EAI_OK;
}

static eai_status read_all(eai_tokenizer *t, const eai_weights *w, eai_error *err)
{
    const char *name = eai_weights_get_string(w, KEY("model"));
    const char *template = eai_weights_get_string(w, "tokenizer.chat_template");
    const gguf_model *m = NULL;

    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
        if (strcmp(models[i].name, name) == 0)
            m = &models[i];
    if (!m)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s is '%.64s', not 'gpt2' (byte-level BPE), 'llama' (SentencePiece "
                             "BPE) or 't5' (Unigram)",
                             KEY("model"), name);
    EAI_TRY(m->read(t, w, err));
    EAI_TRY(read_special(t, m, w, err));
    if (template)
        EAI_TRY(tokenizer__set_chat_template(t, template, strlen(template), err));
    return tokenizer__finish(t, err);
}

eai_status eai_tokenizer_from_weights(eai_tokenizer **out, const eai_weights *w, eai_error *err)
{
    eai_tokenizer *t = NULL;

    *out = NULL;
    if (!eai_weights_get_string(w, KEY("model")))
        return tokenizer__from_folder_beside(out, eai_weights_path(w), err);
    eai_status st = tokenizer__new(&t, err);
    if (st == EAI_OK)
        st = read_all(t, w, err);
    if (st == EAI_OK) {
        *out = t;
        return EAI_OK;
    }
    eai_tokenizer_free(t);
    return eai_error_context(err, st, "%s: tokenizer", eai_weights_path(w));
}
