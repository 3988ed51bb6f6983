/* A tokenizer from a GGUF file's metadata: tokenizer.ggml.* and tokenizer.chat_template.
 *
 * Only vocabularies of tokenizer.ggml.model "gpt2" (byte-level BPE) are read; "llama"
 * (SentencePiece), "bert" and others are refused by name. Keys that the file lacks have llama.cpp's
 * defaults. */
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

#include "base/banned.h"

#define KEY(name) "tokenizer.ggml." name

/* A special id: absent is -1, and so is anything that no vocabulary can have; create() checks the
 * rest. */
static int32_t get_id(const eai_weights *w, const char *key)
{
    int64_t id = -1;

    if (!eai_weights_get_int(&id, w, key))
        return -1;
    return id < 0 || id > INT32_MAX ? INT32_MAX : (int32_t)id;
}

static eai_status read_types(int32_t **out, const eai_weights *w, size_t n_tokens, eai_error *err)
{
    size_t n = 0;
    const int64_t *types = eai_weights_get_ints(&n, w, KEY("token_type"));

    *out = NULL;
    if (!types)
        return EAI_OK;
    if (n != n_tokens)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s has %zu entries for %zu tokens",
                             KEY("token_type"), n, n_tokens);
    int32_t *copy = eai_alloc_array(n, sizeof(*copy));
    if (!copy)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu token types", n);
    for (size_t i = 0; i < n; i++)
        copy[i] =
            types[i] < 0 || types[i] > 99 ? 99 : (int32_t)types[i]; /* 99: refused by create() */
    *out = copy;
    return EAI_OK;
}

static eai_status read_lists(eai_tokenizer_opts *o, const eai_weights *w, eai_error *err)
{
    eai_meta_strings tokens;
    eai_meta_strings merges;
    const char *model = eai_weights_get_string(w, KEY("model"));

    if (!model)
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "the file has no tokenizer (no key '%s')",
                             KEY("model"));
    if (strcmp(model, "gpt2") != 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "tokenizer '%.64s' is not supported, only 'gpt2' (byte-level BPE)",
                             model);
    if (!eai_weights_get_strings(&tokens, w, KEY("tokens")))
        return eai_error_set(err, EAI_ERR_FORMAT, "no list of texts under '%s'", KEY("tokens"));
    if (!eai_weights_get_strings(&merges, w, KEY("merges")))
        return eai_error_set(err, EAI_ERR_FORMAT, "no list of texts under '%s'", KEY("merges"));
    o->tokens = tokens.text;
    o->token_bytes = tokens.bytes;
    o->n_tokens = tokens.n;
    o->merges = merges.text;
    o->merge_bytes = merges.bytes;
    o->n_merges = merges.n;
    return EAI_OK;
}

static eai_status read_opts(eai_tokenizer_opts *o, int32_t **types, const eai_weights *w,
                            eai_error *err)
{
    EAI_TRY(read_lists(o, w, err));
    EAI_TRY(read_types(types, w, o->n_tokens, err));
    o->token_types = *types;
    o->pre = eai_weights_get_string(w, KEY("pre"));
    o->bos = get_id(w, KEY("bos_token_id"));
    o->eos = get_id(w, KEY("eos_token_id"));
    o->pad = get_id(w, KEY("padding_token_id"));
    o->unk = get_id(w, KEY("unknown_token_id"));
    if (!eai_weights_get_bool(&o->add_bos, w, KEY("add_bos_token")))
        o->add_bos = o->pre && strcmp(o->pre, "llama-bpe") == 0;
    if (!eai_weights_get_bool(&o->add_eos, w, KEY("add_eos_token")))
        o->add_eos = false;
    o->chat_template = eai_weights_get_string(w, "tokenizer.chat_template");
    return EAI_OK;
}

eai_status eai_tokenizer_from_weights(eai_tokenizer **out, const eai_weights *w, eai_error *err)
{
    eai_tokenizer_opts opts = EAI_TOKENIZER_OPTS_INIT;
    int32_t *types = NULL;
    eai_status st = EAI_OK;

    *out = NULL;
    st = read_opts(&opts, &types, w, err);
    if (st == EAI_OK)
        st = eai_tokenizer_create(out, &opts, err);
    eai_free(types);
    if (st != EAI_OK)
        st = eai_error_context(err, st, "%s: tokenizer", eai_weights_path(w));
    return st;
}
