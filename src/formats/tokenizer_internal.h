/* What the tokenizer's files share: its tables, the pre-tokenizers' rows and the merging.
 *
 * Reading order: tokenizer.c (tables, made once), tokenizer_pre.c (the patterns),
 * tokenizer_encode.c (text -> segments -> words), tokenizer_bpe.c (word -> ids), tokenizer_gguf.c
 * (from a model file). */
#ifndef EAI_FORMATS_TOKENIZER_INTERNAL_H
#define EAI_FORMATS_TOKENIZER_INTERNAL_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <efficientai/tokenizer.h>

#include "base/arena.h"

#define TOKENIZER_MAX_TOKENS ((size_t)1 << 22)
#define TOKENIZER_MAX_ENDS   8
#define TOKENIZER_SHORT_WORD 48 /* symbols that are merged by scanning an array */
#define TOKENIZER_NO_RANK    UINT32_MAX

/* One way to cut text into words. `pattern` finds the words from left to right; what it leaves out
 * between two words is a word too. */
typedef struct tokenizer_pre {
    const char *name;
    const char *pattern;
    bool ignore_merges; /* a word that is a token is that token, whatever the merges say */
} tokenizer_pre;

typedef struct tokenizer_token {
    const char *text;  /* in the vocabulary's alphabet */
    const char *piece; /* raw bytes */
    uint32_t text_bytes;
    uint32_t piece_bytes;
    int32_t type;
} tokenizer_token;

/* Open addressing, linear probing; id -1: empty. */
typedef struct tokenizer_merge {
    int32_t left;
    int32_t right;
    int32_t id; /* what the pair becomes */
    uint32_t rank;
} tokenizer_merge;

/* Open addressing over token texts (or pieces); slot 0: empty, else id + 1. */
typedef struct tokenizer_index {
    uint32_t *slots;
    size_t mask;
    bool by_piece;
} tokenizer_index;

struct eai_tokenizer {
    eai_arena *arena; /* texts and pieces; lives as long as the tokenizer */
    tokenizer_token *tokens;
    size_t n_tokens;
    tokenizer_index by_text;
    tokenizer_index by_piece; /* slots NULL unless the pre-tokenizer ignores merges */
    tokenizer_merge *merges;
    size_t merge_mask;
    int32_t byte_ids[256]; /* the token of a single byte, -1: none */
    int32_t *added;        /* tokens that are cut out of text, sorted by their bytes */
    size_t n_added;
    bool starts_added[256]; /* some added token starts with this byte */

    const tokenizer_pre *pre;
    pcre2_general_context *pcre_context;
    pcre2_code *pattern;
    bool pcre_no_memory; /* an allocation of PCRE2 failed during creation */
    bool jit;

    int32_t bos, eos, pad, unk;
    bool add_bos, add_eos;
    int32_t ends[TOKENIZER_MAX_ENDS];
    size_t n_ends;
    char *chat_template; /* NULL: none */
    size_t chat_template_bytes;
};

/* --- tokenizer_pre.c --- */

/* Sets t->pre and compiles its pattern. */
EAI_CHECKED eai_status tokenizer__compile_pre(eai_tokenizer *t, const char *name, eai_error *err);

/* --- tokenizer.c --- */

/* The id of the text (piece), or -1. */
int32_t tokenizer__lookup(const eai_tokenizer *t, const tokenizer_index *index, const char *s,
                          size_t n);

/* --- tokenizer_bpe.c --- */

/* The result of encoding so far, and the memory that merging needs. */
typedef struct tokenizer_output {
    int32_t *ids;
    size_t *starts; /* NULL: not wanted */
    size_t n, capacity;
    void *symbols; /* scratch for long words */
    void *heap;
    size_t symbols_capacity;
    size_t heap_capacity;
} tokenizer_output;

EAI_CHECKED eai_status tokenizer__push(tokenizer_output *o, int32_t id, size_t start,
                                       bool want_starts, eai_error *err);

/* Merges the `n` > 0 bytes of one word and appends the ids; `start` is the word's place in the
 * text. */
EAI_CHECKED eai_status tokenizer__merge_word(tokenizer_output *o, const eai_tokenizer *t,
                                             const char *word, size_t n, size_t start,
                                             bool want_starts, eai_error *err);

/* The row of a pair; an empty row (id -1) when it does not merge. Never NULL. */
const tokenizer_merge *tokenizer__find_merge(const eai_tokenizer *t, int32_t left, int32_t right);

#endif
