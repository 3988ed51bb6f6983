/* Writing a tokenizer as the files of a Hugging Face model folder.
 *
 * Use:
 *     bool written;
 *     EAI_TRY(eai_tokenizer_write_files(&written, tokenizer, weights, "merged", err));
 *
 * A base in such a folder has its tokenizer's files copied as they are. One from a GGUF file is
 * converted: tokenizer.json, tokenizer_config.json (special tokens and the chat template),
 * special_tokens_map.json and generation_config.json (ids after which an answer is over).
 *
 * Thread-safety: as for any functions on different files. */
#ifndef EAI_TOKENIZER_FILES_H
#define EAI_TOKENIZER_FILES_H

#include <stdbool.h>

#include <efficientai/error.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the tokenizer of `w` into `folder`, each file whole or not at all. `t` is the same one,
 * loaded; it may be NULL where `w` is no GGUF file. *written is false where there is nothing to
 * write (no files beside `w`), or no way (a GGUF tokenizer of another kind than byte-level BPE):
 * whoever calls should say so. */
EAI_API EAI_CHECKED eai_status eai_tokenizer_write_files(bool *written, const eai_tokenizer *t,
                                                         const eai_weights *w, const char *folder,
                                                         eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
