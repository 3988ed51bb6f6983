/* Chat templates: a conversation as the one text that a model was trained on.
 *
 * Use:
 *     eai_chat_template *tpl = NULL;
 *     const eai_chat_message m[] = {{"user", "What is the capital of France?"}};
 *     EAI_TRY(eai_chat_template_for(&tpl, tokenizer, 0, &err));
 *     EAI_TRY(eai_chat_render(&text, &n, tpl, m, 1, true, &err));   // ends with
 * "<|im_start|>assistant\n"
 *
 * Templates are Jinja2 as `transformers` runs it (sandboxed, trim_blocks, lstrip_blocks); the
 * subset is described in src/formats/jinja.h. Anything outside it is an error with the line number,
 * never a wrong text. Running time, depth, memory and output are bounded.
 *
 * A message's content is put in as it is: when the text is then tokenized with special tokens
 * parsed,
 * "<|im_end|>" inside a message ends it. transformers does the same; a server that must not allow
 * it has to look for such texts itself.
 *
 * Thread-safety: a template does not change after its creation; all functions that take a const one
 * may be called from any thread. */
#ifndef EAI_CHAT_H
#define EAI_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>
#include <efficientai/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_chat_template eai_chat_template;

/* One turn. Borrowed texts, NUL-terminated, valid UTF-8. */
typedef struct eai_chat_message {
    const char *role; /* "system", "user", "assistant", "tool" */
    const char *content;
} eai_chat_message;

/* Parses `n` bytes of Jinja source. `bos_token` and `eos_token` are the values of these variables
 * inside it; NULL: undefined there. Everything is copied. */
EAI_API EAI_CHECKED eai_status eai_chat_template_create(eai_chat_template **out, const char *source,
                                                        size_t n, const char *bos_token,
                                                        const char *eos_token, eai_error *err);

enum {
    EAI_CHAT_FALLBACK_CHATML =
        1 /* a tokenizer without a template gets ChatML instead of an error */
};

/* The template of a tokenizer. EAI_ERR_NOT_FOUND when it has none and no fallback is allowed. */
EAI_API EAI_CHECKED eai_status eai_chat_template_for(eai_chat_template **out,
                                                     const eai_tokenizer *t, unsigned flags,
                                                     eai_error *err);

EAI_API void eai_chat_template_free(eai_chat_template *tpl);

/* The text of a conversation. With `add_generation_prompt` it ends where the assistant's answer
 * starts. *text is the caller's, NUL-terminated, freed with eai_free(); n_text may be NULL. */
EAI_API EAI_CHECKED eai_status eai_chat_render(char **text, size_t *n_text,
                                               const eai_chat_template *tpl,
                                               const eai_chat_message *messages, size_t n_messages,
                                               bool add_generation_prompt, eai_error *err);

/* A tokenized conversation. */
typedef struct eai_chat_tokens {
    int32_t *ids;  /* [n] */
    uint8_t *mask; /* [n] 1: part of an assistant's answer, which a trainer learns; 0: given */
    size_t n;
} eai_chat_tokens;

#define EAI_CHAT_TOKENS_INIT                                                                       \
    {                                                                                              \
        NULL, NULL, 0                                                                              \
    }

/* Ids of a whole conversation (equal to encoding eai_chat_render's text with special tokens parsed)
 * and a mask of the answers. An answer is what messages[:i + 1] adds to messages[:i] with its
 * generation prompt: the content and the closing token, which the model has to learn so that it
 * stops. What the template puts behind the closing token (ChatML's "\n") is not learned: TRL's
 * templates mark the same span, while mlx-lm also learns that newline. The closing token is the
 * last one of the span for which eai_tokenizer_is_end() is true; without one the whole span counts.
 * A token that reaches from the prompt into the answer counts as prompt. EAI_ERR_UNSUPPORTED when
 * the template's text for the first messages is not the beginning of its text for all of them (some
 * templates drop or rewrite earlier turns): a mask would then be wrong. On failure *out is empty.
 * Free with eai_chat_tokens_free(). */
EAI_API EAI_CHECKED eai_status eai_chat_tokenize(eai_chat_tokens *out, const eai_chat_template *tpl,
                                                 const eai_tokenizer *t,
                                                 const eai_chat_message *messages,
                                                 size_t n_messages, eai_error *err);

EAI_API void eai_chat_tokens_free(eai_chat_tokens *tokens);

#ifdef __cplusplus
}
#endif
#endif
