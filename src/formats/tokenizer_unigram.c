/* Unigram: one word -> the most probable sequence of pieces.
 *
 * Every piece has a score, the logarithm of its probability. A word's best sequence is found from
 * left to right (Viterbi): best[i] is the best sequence of pieces that ends at byte i, and each
 * piece that starts at i carries it on to its own end. All pieces that start at a place come from
 * one walk down a trie, so the cost is the word's length times the longest piece. A character that
 * is no piece is unknown, at the price of the worst piece and 10 more; unknown neighbours become
 * one token, or the tokens of their bytes.
 *
 * Scores are added as doubles, as HF does, or as floats, as SentencePiece does (single_precision):
 * where two ways are nearly as good, the rounding decides.
 *
 * Source: Kudo, "Subword Regularization" (2018), section 3.2. Start at encode(). */
#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

#define UNK_PENALTY 10.0

/* The best way to the byte behind it. */
typedef struct path {
    double score;
    int32_t id;     /* its last piece; -1: no way leads here */
    uint32_t start; /* of that piece */
} path;

/* --- what encoding needs --- */

static bool is_piece(const eai_tokenizer *t, const tokenizer_token *k)
{
    if (!k->text || (k->flags & TOKENIZER_NOT_IN_MODEL))
        return false;
    return !t->is_sentencepiece || k->type == EAI_TOKEN_NORMAL || k->type == EAI_TOKEN_USER_DEFINED;
}

static eai_status prepare(eai_tokenizer *t, eai_error *err)
{
    tokenizer_trie_entry *entries = eai_alloc_array(t->n_tokens, sizeof(*entries));
    double least = (double)INFINITY;
    size_t n = 0;

    if (!entries)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu pieces", t->n_tokens);
    for (size_t id = 0; id < t->n_tokens; id++) {
        const tokenizer_token *k = &t->tokens[id];

        if (!is_piece(t, k))
            continue;
        entries[n++] = (tokenizer_trie_entry){k->text, k->text_bytes, (int32_t)id};
        if (k->score < least && (!t->is_sentencepiece || k->type == EAI_TOKEN_NORMAL))
            least = k->score;
    }
    t->unk_score = least - UNK_PENALTY;
    eai_status st = tokenizer__trie_make(&t->pieces, entries, n, err);
    eai_free(entries);
    return st;
}

/* --- the best path --- */

static void carry_on(path *best, const eai_tokenizer *t, size_t start, size_t end, int32_t id,
                     double score)
{
    double sum = best[start].score + score;

    if (t->single_precision)
        sum = (double)((float)best[start].score + (float)score);
    if (best[end].id == -1 || sum > best[end].score)
        best[end] = (path){sum, id, (uint32_t)start};
}

/* Unknown: `unk_id` stands for it even where the model has none, and is dealt with on the way back.
 */
static void find_paths(path *best, const eai_tokenizer *t, const tokenizer_view *word)
{
    const int32_t unk_id = t->model_unk >= 0 ? t->model_unk : INT32_MAX;

    for (size_t i = 0; i <= word->n; i++)
        best[i] = (path){0, -1, 0};
    for (size_t at = 0, length; at < word->n; at += length) {
        uint32_t c;
        bool is_known = false;
        uint32_t node = 0;

        length = utf8__next(&c, word->bytes + at, word->n - at);
        for (size_t end = at; t->pieces.nodes && end < word->n;) {
            node = tokenizer__trie_step(&t->pieces, node, (unsigned char)word->bytes[end++]);
            if (node == 0)
                break;
            int32_t id = t->pieces.nodes[node].id;
            if (id >= 0) {
                carry_on(best, t, at, end, id, t->tokens[id].score);
                is_known = is_known || end == at + length;
            }
        }
        if (!is_known)
            carry_on(best, t, at, at + length, unk_id, t->unk_score);
    }
}

/* Turns the links around: afterwards best[i].start is where the piece that starts at i ends. */
static void turn_around(path *best, size_t n)
{
    size_t next_end = n;
    int32_t next_id = -1;

    for (size_t end = n; end > 0;) {
        size_t start = best[end].start;
        int32_t id = best[end].id;

        best[end].start = (uint32_t)next_end;
        best[end].id = next_id;
        next_end = end;
        next_id = id;
        end = start;
    }
    best[0].start = (uint32_t)next_end;
    best[0].id = next_id;
}

/* --- ids --- */

/* A run of unknown characters: a piece after all (two that are unknown apart), its bytes, or unk.
 */
static eai_status push_unknown(tokenizer_work *w, const tokenizer_view *word, size_t start,
                               size_t end, eai_error *err)
{
    const eai_tokenizer *t = w->t;
    bool has_bytes = t->byte_fallback;
    int32_t id = tokenizer__lookup_model(t, word->bytes + start, end - start);

    if (id < 0) {
        for (size_t i = start; i < end && has_bytes; i++)
            has_bytes = t->byte_ids[(unsigned char)word->bytes[i]] >= 0;
        for (size_t i = start; i < end && has_bytes; i++)
            EAI_TRY(tokenizer__push(&w->out, t->byte_ids[(unsigned char)word->bytes[i]],
                                    tokenizer__origin(word, i), err));
        if (has_bytes)
            return EAI_OK;
        id = t->model_unk;
    }
    if (id < 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "no token for '%.*s', and the model has no unknown token",
                             (int)(end - start < 32 ? end - start : 32), word->bytes + start);
    return tokenizer__push(&w->out, id, tokenizer__origin(word, start), err);
}

static eai_status encode(tokenizer_work *w, const tokenizer_view *word, eai_error *err)
{
    const eai_tokenizer *t = w->t;

    EAI_TRY(tokenizer__reserve(&w->symbols, &w->symbols_capacity, word->n + 1, sizeof(path), err));
    path *best = w->symbols;
    find_paths(best, t, word);
    turn_around(best, word->n);
    for (size_t at = 0; at < word->n;) {
        int32_t id = best[at].id;
        size_t end = best[at].start;

        if (id != t->model_unk && id != INT32_MAX) {
            EAI_TRY(tokenizer__push(&w->out, id, tokenizer__origin(word, at), err));
        } else {
            while (end < word->n && best[end].id == id)
                end = best[end].start;
            EAI_TRY(push_unknown(w, word, at, end, err));
        }
        at = end;
    }
    return EAI_OK;
}

const tokenizer_model tokenizer__unigram = {"Unigram", prepare, encode};
