/* Secrets in text that is about to be written down: each becomes "***".
 *
 * Known are
 *     values behind names     password=..., api_key: ..., "client_secret": "...", --hf-token=...,
 *                             Authorization: Bearer ...
 *     tokens by their shape   hf_..., sk-..., ghp_..., github_pat_..., AKIA..., eyJ....  and others
 *     passwords in addresses  https://user:...@host
 *     keys in PEM             -----BEGIN ... PRIVATE KEY----- ...
 *     texts that were named   eai_log_mask(), for what has no shape
 *
 * What it does not do: guess. A word of prose is never taken for a secret ("the token is not
 * sent", "token: 42"), so a secret in the middle of a sentence, of no known shape and named by
 * nobody, stays. Time: linear in the text. Start at mask__text. */
#ifndef EAI_BASE_MASK_H
#define EAI_BASE_MASK_H

#include <stdbool.h>
#include <stddef.h>

#define MASK_SECRET_MAX 512 /* bytes of a named secret */
#define MASK_SECRETS    32
#define MASK_HIDDEN     "***"

/* The named secrets. Guarded by whoever owns it. */
typedef struct mask_secrets {
    size_t n;
    struct {
        size_t length;
        char text[MASK_SECRET_MAX];
    } each[MASK_SECRETS];
    bool starts[256]; /* is there one that begins with this byte? */
} mask_secrets;

/* Remembers a secret; false when it is too short, too long, or one too many. */
bool mask__add(mask_secrets *s, const char *secret);

/* Writes `text`, which ends with a NUL, to out with its secrets masked, as far as it fits into
 * `size` > 8 bytes and begins within the first n_text; "..." stands for the rest. A secret that
 * begins there is masked as a whole. So a text that was itself cut short is given with an n_text
 * that is MASK_SECRET_MAX less than what there is of it. `s` may be NULL. */
void mask__text(char *out, size_t size, const char *text, size_t n_text, const mask_secrets *s);

/* Is a value of this name a secret whatever it looks like ("password", "HF-Token")? */
bool mask__is_secret_name(const char *name);

#endif
