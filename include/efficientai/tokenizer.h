/* Tokenizer: text to ids and back. Byte-pair encoding over bytes (GPT-2, SmolLM2, Llama 3, Qwen 2)
 * or characters with byte tokens (Llama 2, Mistral, Gemma), and Unigram (T5), from a model file's
 * metadata (GGUF) or a folder in Hugging Face's layout (tokenizer.json).
 *
 * Use:
 *     eai_tokenizer *t = NULL;
 *     int32_t *ids = NULL;
 *     size_t n = 0;
 *     EAI_TRY(eai_tokenizer_load(&t, "path/to/model", &err));
 *     EAI_TRY(eai_tokenizer_encode(&ids, &n, t, text, strlen(text), EAI_TOKENIZE_PARSE_SPECIAL,
 * &err));
 *     ...
 *     eai_free(ids);
 *     eai_tokenizer_free(t);
 *
 * Encoding equals HF `tokenizers` for a tokenizer.json and, for GGUF's SentencePiece kinds,
 * `sentencepiece`: added tokens are cut out first (leftmost, longest), the rest is normalized, cut
 * into words by the pre-tokenizer, and each word is made into tokens by the model. Bytes that are
 * no valid UTF-8 are words of their own, a run a word, and mapped byte by byte, so that a
 * byte-level tokenizer without a normalizer loses nothing. A byte that has no token in the
 * vocabulary is the unknown token or, without one, left out, as HF and llama.cpp do (SmolLM2 has no
 * token for 21 bytes, most of which never occur in valid UTF-8).
 *
 * Known differences from HF: with EAI_TOKENIZE_PLAIN, a user-defined token inside the text of a
 * special one is still found; decoding gives a token's bytes as they are, where HF writes U+FFFD
 * for what is no UTF-8, and the text of an added token as it is, where HF reads it as bytes if it
 * can.
 *
 * Limits: 4,194,304 tokens of 1 MiB, a tokenizer.json of 256 MiB, 32 patterns of 8 KiB, 16 steps a
 * stage, texts below 2 GiB, normalized text of 32 times the text.
 *
 * Thread-safety: a tokenizer does not change after its creation; all functions that take a const
 * one may be called from any thread. */
#ifndef EAI_TOKENIZER_H
#define EAI_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_tokenizer eai_tokenizer;
struct eai_weights;

/* What a token is; the numbers are those of tokenizer.ggml.token_type. */
typedef enum eai_token_type {
    EAI_TOKEN_NORMAL = 1,
    EAI_TOKEN_UNKNOWN = 2,
    EAI_TOKEN_CONTROL = 3, /* <|im_start|>: cut out of text only with EAI_TOKENIZE_PARSE_SPECIAL */
    EAI_TOKEN_USER_DEFINED = 4, /* always cut out of text */
    EAI_TOKEN_UNUSED = 5,
    EAI_TOKEN_BYTE = 6
} eai_token_type;

/* A tokenizer's parts as arrays. Everything is copied. */
typedef struct eai_tokenizer_opts {
    const char *const *tokens;  /* text of each token in the vocabulary's alphabet ("Ġthe") */
    const size_t *token_bytes;  /* their lengths; NULL: the texts end with NUL */
    const int32_t *token_types; /* eai_token_type each; NULL: all normal */
    size_t n_tokens;            /* 1 to 4194304 */
    const char *const *merges;  /* "Ġ t": two tokens and a space between, best first */
    const size_t *merge_bytes;  /* their lengths; NULL: the texts end with NUL */
    size_t n_merges;
    const char *pre;            /* pre-tokenizer: see eai_tokenizer_pre_names(); NULL: "default" */
    int32_t bos, eos, pad, unk; /* special ids, -1 for none */
    bool add_bos, add_eos;      /* what EAI_TOKENIZE_ADD_SPECIAL adds */
    const char *chat_template;  /* Jinja source or NULL */
    size_t chat_template_bytes; /* its length; 0: it ends with NUL */
} eai_tokenizer_opts;

#define EAI_TOKENIZER_OPTS_INIT                                                                    \
    {                                                                                              \
        .bos = -1, .eos = -1, .pad = -1, .unk = -1                                                 \
    }

/* A tokenizer from arrays. EAI_ERR_FORMAT names the first token or merge that is wrong,
 * EAI_ERR_UNSUPPORTED an unknown pre-tokenizer and those that exist. */
EAI_API EAI_CHECKED eai_status eai_tokenizer_create(eai_tokenizer **out,
                                                    const eai_tokenizer_opts *opts, eai_error *err);

/* A tokenizer from a model file's metadata (tokenizer.ggml.*, tokenizer.chat_template), or, where
 * it has none, from the folder that the weights came from, as eai_tokenizer_load() does. Nothing of
 * the file is kept. */
EAI_API EAI_CHECKED eai_status eai_tokenizer_from_weights(eai_tokenizer **out,
                                                          const struct eai_weights *w,
                                                          eai_error *err);

/* A tokenizer from a path: a folder with a tokenizer.json (special tokens and chat template from
 * tokenizer_config.json, special_tokens_map.json, chat_template.jinja, generation_config.json and
 * config.json there, as far as they exist), a tokenizer.json by itself (no special ids then but
 * those it adds by itself), a model file, or the index of one in several files. EAI_ERR_UNSUPPORTED
 * names the file, the field, its value and what is supported; EAI_ERR_FORMAT what is wrong;
 * EAI_ERR_NOT_FOUND what is missing. */
EAI_API EAI_CHECKED eai_status eai_tokenizer_load(eai_tokenizer **out, const char *path,
                                                  eai_error *err);

/* A tokenizer from the n bytes of a tokenizer.json; `label` stands for the path in messages. */
EAI_API EAI_CHECKED eai_status eai_tokenizer_parse_json(eai_tokenizer **out, const char *text,
                                                        size_t n, const char *label,
                                                        eai_error *err);

EAI_API void eai_tokenizer_free(eai_tokenizer *t);

/* Names of the pre-tokenizers of byte-level BPE, ended by NULL. Static. */
EAI_API const char *const *eai_tokenizer_pre_names(void);

/* --- encoding --- */

enum {
    EAI_TOKENIZE_PLAIN = 0,
    EAI_TOKENIZE_ADD_START = 1, /* put in front (bos) what the tokenizer's file says */
    EAI_TOKENIZE_PARSE_SPECIAL =
        2,                     /* "<|im_end|>" in the text is that one token, not its letters */
    EAI_TOKENIZE_CONTINUE = 4, /* the text goes on from an earlier one: no space of the tokenizer's
                                  is put in front of it, and none of its own is taken off there */
    EAI_TOKENIZE_ADD_END = 8,  /* put behind (eos) what the tokenizer's file says; not for a text
                                  that goes on, as the prompt of an answer does */
    EAI_TOKENIZE_ADD_SPECIAL = EAI_TOKENIZE_ADD_START | EAI_TOKENIZE_ADD_END
};

/* The ids of `n` bytes of text. *ids is the caller's, freed with eai_free(); never NULL on success.
 * `flags` is a sum of EAI_TOKENIZE_*. Cost: n log n in the worst case (one word), n for usual text.
 */
EAI_API EAI_CHECKED eai_status eai_tokenizer_encode(int32_t **ids, size_t *n_ids,
                                                    const eai_tokenizer *t, const char *text,
                                                    size_t n, unsigned flags, eai_error *err);

/* As above; (*starts)[i] is the byte of the text at which token i starts (bos: 0, eos: n). Freed
 * with eai_free() too. */
EAI_API EAI_CHECKED eai_status eai_tokenizer_encode_offsets(int32_t **ids, size_t **starts,
                                                            size_t *n_ids, const eai_tokenizer *t,
                                                            const char *text, size_t n,
                                                            unsigned flags, eai_error *err);

/* --- decoding --- */

enum { EAI_DETOKENIZE_PLAIN = 0, EAI_DETOKENIZE_SKIP_SPECIAL = 1 /* leave control tokens out */ };

/* The text of ids, NUL-terminated (NULs inside are possible: *n has the length). It need not be
 * valid UTF-8, because a token may hold a part of a character. *text is the caller's, freed with
 * eai_free(). An id outside the vocabulary is EAI_ERR_ARGUMENT. */
EAI_API EAI_CHECKED eai_status eai_tokenizer_decode(char **text, size_t *n, const eai_tokenizer *t,
                                                    const int32_t *ids, size_t n_ids,
                                                    unsigned flags, eai_error *err);

/* The raw bytes of one token, for streaming: decode(a, b) is first_piece(a) followed by piece(b).
 * first_piece() lacks the space that encoding put in front of a text (SentencePiece's kinds; else
 * the two are the same). Borrowed from `t`, NUL-terminated, *n may be NULL; NULL for an id outside
 * the vocabulary. */
EAI_API const char *eai_tokenizer_piece(const eai_tokenizer *t, int32_t id, size_t *n);
EAI_API const char *eai_tokenizer_first_piece(const eai_tokenizer *t, int32_t id, size_t *n);

/* How many of the `n` bytes can be shown now: n, less an unfinished UTF-8 character at the end (at
 * most 3 bytes), which more bytes may complete. */
EAI_API size_t eai_utf8_complete(const char *text, size_t n);

/* The same text with U+FFFD for each byte that is no UTF-8, as JSON and terminals want it. New
 * memory (eai_free), NUL-terminated, *n_out bytes; NULL when there is none. */
EAI_API char *eai_utf8_repair(size_t *n_out, const char *text, size_t n);

/* --- the vocabulary --- */

EAI_API size_t eai_tokenizer_vocab_size(const eai_tokenizer *t);
/* The id of a token by its text in the vocabulary's alphabet ("<|im_end|>", "Ġthe"); -1: none. */
EAI_API int32_t eai_tokenizer_find(const eai_tokenizer *t, const char *token, size_t n);
/* The reverse. Borrowed, NUL-terminated; NULL for an id outside the vocabulary. */
EAI_API const char *eai_tokenizer_token(const eai_tokenizer *t, int32_t id, size_t *n);
/* EAI_TOKEN_UNUSED for an id outside the vocabulary. */
EAI_API eai_token_type eai_tokenizer_type(const eai_tokenizer *t, int32_t id);
EAI_API int32_t eai_tokenizer_bos(const eai_tokenizer *t); /* -1: none; likewise below */
EAI_API int32_t eai_tokenizer_eos(const eai_tokenizer *t);
EAI_API int32_t eai_tokenizer_pad(const eai_tokenizer *t);
EAI_API int32_t eai_tokenizer_unk(const eai_tokenizer *t);
/* True for the ids after which an answer is over: eos, those of generation_config.json, <|im_end|>,
 * <|eot_id|>, <|eom_id|>, <|end_of_text|>, <|endoftext|>, <end_of_turn>, <|end|> (as far as the
 * vocabulary has them as control tokens). */
EAI_API bool eai_tokenizer_is_end(const eai_tokenizer *t, int32_t id);
/* The model's chat template (Jinja), or NULL. Borrowed. */
EAI_API const char *eai_tokenizer_chat_template(const eai_tokenizer *t, size_t *n);

#ifdef __cplusplus
}
#endif
#endif
