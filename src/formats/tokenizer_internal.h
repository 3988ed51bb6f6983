/* What the tokenizer's files share. A tokenizer is a pipeline, and each stage a table of kinds:
 *
 *     text -> added tokens cut out -> normalizer -> pre-tokenizer -> model -> post-processor -> ids
 *
 * Reading order: tokenizer.c (the tables, made once), tokenizer_encode.c (the pipeline),
 * tokenizer_normalize.c, tokenizer_split.c (the kinds of normalizers and pre-tokenizers, as rows),
 * tokenizer_bpe.c, tokenizer_unigram.c (the models), tokenizer_decode.c (ids -> text), and who
 * fills the tables: tokenizer_gguf.c from a model file, tokenizer_json.c from a tokenizer.json,
 * tokenizer_folder.c from a folder. Small parts: tokenizer_text.c, tokenizer_regex.c,
 * tokenizer_trie.c, tokenizer_unicode.c, tokenizer_charsmap.c. */
#ifndef EAI_FORMATS_TOKENIZER_INTERNAL_H
#define EAI_FORMATS_TOKENIZER_INTERNAL_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <jansson.h>
#include <pcre2.h>

#include <efficientai/tokenizer.h>

#include "base/arena.h"

#define TOKENIZER_MAX_TOKENS      ((size_t)1 << 22)
#define TOKENIZER_MAX_TOKEN_BYTES ((size_t)1 << 20)
#define TOKENIZER_MAX_ENDS        16
#define TOKENIZER_MAX_STEPS       16 /* of a normalizer, a pre-tokenizer, a decoder */
#define TOKENIZER_MAX_PATTERNS    32
#define TOKENIZER_MAX_PATTERN     8192 /* bytes of one pattern, content, mark */
#define TOKENIZER_MAX_AROUND      16   /* ids that the post-processor puts in front, behind */
#define TOKENIZER_MAX_SUFFIX      32
#define TOKENIZER_MAX_FILE        ((size_t)256 << 20) /* bytes of a tokenizer.json */
#define TOKENIZER_SHORT_WORD      48 /* symbols that are merged by scanning an array */
#define TOKENIZER_NO_RANK         UINT32_MAX
#define TOKENIZER_WORD            /* \\w, inside a class: Alphabetic, marks, decimal digits, connectors */ \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}"                            \
    "\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"
#define TOKENIZER_MARK "\xE2\x96\x81" /* U+2581, which stands for a space */

typedef struct tokenizer_work tokenizer_work;
typedef struct tokenizer_step tokenizer_step;

/* --- tokenizer_text.c: text in the making --- */

/* Bytes that grow. origin[i] is the byte of the caller's text that byte i came from. After the
 * first failure (no memory, more than `limit` bytes) additions are ignored. */
typedef struct tokenizer_text {
    char *bytes;
    uint32_t *origin;
    size_t n, capacity, limit;
    eai_status status;
} tokenizer_text;

/* Bytes to read. `origin` NULL: they are those of the caller's text that end in front of `end`. */
typedef struct tokenizer_view {
    const char *bytes;
    const uint32_t *origin;
    size_t n;
    size_t end;    /* the byte of the caller's text that comes behind them */
    bool is_start; /* begins where the caller's text begins, whatever was stripped since */
} tokenizer_view;

/* A piece of a view, in bytes of it. */
typedef struct tokenizer_span {
    size_t start, end;
} tokenizer_span;

/* A view cut into pieces. */
typedef struct tokenizer_words {
    tokenizer_view view;
    tokenizer_span *spans;
    size_t n, capacity;
} tokenizer_words;

/* The caller's byte that byte i < n came from; for i = n the one behind the last. */
size_t tokenizer__origin(const tokenizer_view *v, size_t i);
tokenizer_view tokenizer__part(const tokenizer_view *v, size_t start, size_t end);

void tokenizer__clear(tokenizer_text *t, size_t limit);
/* Appends n bytes that all came from byte `origin`. */
void tokenizer__put(tokenizer_text *t, const char *s, size_t n, size_t origin);
/* Appends [start, end) of a view with its origins. */
void tokenizer__put_part(tokenizer_text *t, const tokenizer_view *v, size_t start, size_t end);
void tokenizer__put_char(tokenizer_text *t, uint32_t c, size_t origin);
/* The text that was made of `from`, in its place. */
tokenizer_view tokenizer__view(const tokenizer_text *t, const tokenizer_view *from);
EAI_CHECKED eai_status tokenizer__text_check(const tokenizer_text *t, eai_error *err);

EAI_CHECKED eai_status tokenizer__push_span(tokenizer_words *w, size_t start, size_t end,
                                            eai_error *err);

/* --- tokenizer_regex.c: patterns --- */

typedef struct tokenizer_pattern {
    pcre2_code *code;
    bool jit;
} tokenizer_pattern;

/* A search for all matches in n bytes of valid UTF-8. */
typedef struct tokenizer_finder {
    const tokenizer_pattern *pattern;
    const char *text;
    size_t n;
    size_t at;       /* where the next search starts */
    size_t last_end; /* of the last match; SIZE_MAX: none yet */
} tokenizer_finder;

/* Compiles a pattern in Oniguruma's dialect, as HF's files have it, or `literal` text. It belongs
 * to the tokenizer. */
EAI_CHECKED eai_status tokenizer__compile(const tokenizer_pattern **out, eai_tokenizer *t,
                                          const char *source, size_t n, bool literal,
                                          eai_error *err);

/* The next match, which may be empty; *from = SIZE_MAX: none. */
EAI_CHECKED eai_status tokenizer__find(size_t *from, size_t *to, tokenizer_finder *f,
                                       tokenizer_work *w, eai_error *err);

/* --- tokenizer_trie.c: many texts, searched at once --- */

typedef struct tokenizer_trie_node {
    uint32_t
        child;  /* the first of n children, which lie side by side in the order of their bytes */
    int32_t id; /* of the text that ends here, -1: none */
    uint16_t n_children;
    uint8_t byte;
} tokenizer_trie_node;

typedef struct tokenizer_trie {
    tokenizer_trie_node *nodes; /* [0] is the root; NULL: an empty trie */
    bool starts[256];           /* some text starts with this byte */
} tokenizer_trie;

typedef struct tokenizer_trie_entry {
    const char *text;
    uint32_t n;
    int32_t id;
} tokenizer_trie_entry;

/* Sorts the entries; of two with the same text the one with the larger id counts. Empty texts are
 * left out. */
EAI_CHECKED eai_status tokenizer__trie_make(tokenizer_trie *trie, tokenizer_trie_entry *entries,
                                            size_t n, eai_error *err);
/* The child of `node` for a byte, 0: none. */
uint32_t tokenizer__trie_step(const tokenizer_trie *trie, uint32_t node, unsigned char byte);

/* --- stages --- */

typedef eai_status (*tokenizer_normalize_fn)(tokenizer_text *out, const tokenizer_view *in,
                                             const tokenizer_step *s, tokenizer_work *w,
                                             eai_error *err);
typedef eai_status (*tokenizer_split_fn)(tokenizer_words *out, const tokenizer_words *in,
                                         const tokenizer_step *s, tokenizer_work *w,
                                         eai_error *err);

typedef enum tokenizer_behaviour { /* what becomes of a match; HF's names */
                                   TOKENIZER_ISOLATED,
                                   TOKENIZER_REMOVED,
                                   TOKENIZER_MERGED_WITH_PREVIOUS,
                                   TOKENIZER_MERGED_WITH_NEXT,
                                   TOKENIZER_CONTIGUOUS
} tokenizer_behaviour;

typedef struct tokenizer_charsmap { /* see tokenizer_charsmap.c */
    const uint32_t *units;
    size_t n_units;
    const char *texts;
    size_t n_texts;
} tokenizer_charsmap;

/* One step of a normalizer or decoder (`normalize`) or of a pre-tokenizer (`split`). */
struct tokenizer_step {
    tokenizer_normalize_fn normalize;
    tokenizer_split_fn split;
    const tokenizer_pattern *pattern;
    const char *text; /* content or mark, in the arena */
    size_t n_text;
    tokenizer_charsmap charsmap;
    int option;      /* behaviour, form or scheme: see the kind */
    bool flag, also; /* likewise */
};

typedef struct tokenizer_stage {
    const char *name; /* for messages */
    tokenizer_step steps[TOKENIZER_MAX_STEPS];
    size_t n;
} tokenizer_stage;

/* A model: how one word becomes ids. */
typedef struct tokenizer_model {
    const char *name;
    /* Makes what encode needs, after the vocabulary is complete. */
    eai_status (*prepare)(eai_tokenizer *t, eai_error *err);
    eai_status (*encode)(tokenizer_work *w, const tokenizer_view *word, eai_error *err);
} tokenizer_model;

extern const tokenizer_model tokenizer__bpe;
extern const tokenizer_model tokenizer__unigram;

/* --- the tables --- */

enum { /* of tokenizer_token.flags */
       TOKENIZER_LSTRIP = 1,
       TOKENIZER_RSTRIP = 2,
       TOKENIZER_SINGLE_WORD = 4,
       TOKENIZER_NORMALIZED = 8,   /* looked for in normalized text */
       TOKENIZER_NOT_IN_MODEL = 16 /* an added token that the model's vocabulary lacks */
};

typedef struct tokenizer_token {
    const char *text;  /* in the vocabulary's alphabet; NULL: no such id */
    const char *piece; /* raw bytes */
    uint32_t text_bytes;
    uint32_t piece_bytes;
    double score;
    uint8_t type;
    uint8_t flags;
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
    tokenizer_index by_piece; /* slots NULL unless byte_level and ignore_merges */

    tokenizer_stage normalizer;
    tokenizer_stage pre;
    tokenizer_stage decoder;         /* each token's text to its piece; not for byte_level */
    tokenizer_trie added;            /* tokens that are cut out of text */
    tokenizer_trie added_normalized; /* and those that are cut out of normalized text */

    const tokenizer_model *model;
    bool byte_level;       /* words are bytes, texts are in GPT-2's alphabet */
    bool byte_fallback;    /* what has no token becomes the tokens "<0x00>" to "<0xFF>" */
    bool ignore_merges;    /* a word that is a token is that token, whatever the merges say */
    bool fuse_unk;         /* a run of unknown characters is one unk */
    bool single_precision; /* Unigram: scores are added as floats, as SentencePiece does */
    bool is_sentencepiece; /* Unigram: control, byte and unused tokens are no pieces */
    int32_t model_unk;     /* for what has no token, -1: left out */
    char suffix[TOKENIZER_MAX_SUFFIX]; /* BPE: behind a word's last character ("</w>") */
    size_t n_suffix;
    tokenizer_merge *merges;
    size_t merge_mask;
    int32_t byte_ids[256]; /* the token of a single byte, -1: none */
    tokenizer_trie pieces; /* Unigram */
    double unk_score;

    tokenizer_pattern patterns[TOKENIZER_MAX_PATTERNS];
    size_t n_patterns;
    pcre2_general_context *pcre_context;
    bool pcre_no_memory; /* an allocation of PCRE2 failed during creation */

    int32_t prefix[TOKENIZER_MAX_AROUND]; /* the post-processor */
    int32_t suffix_ids[TOKENIZER_MAX_AROUND];
    size_t n_prefix, n_suffix_ids;

    int strip_start, strip_end; /* the decoder: spaces taken off the whole text */

    int32_t bos, eos, pad, unk;
    int32_t ends[TOKENIZER_MAX_ENDS];
    size_t n_ends;
    char *chat_template; /* NULL: none */
    size_t chat_template_bytes;
};

/* --- tokenizer.c: filling the tables --- */

/* An empty tokenizer, then its tokens, then the index of texts, then the merges, then the rest,
 * then finish: only then may it be used. */
EAI_CHECKED eai_status tokenizer__new(eai_tokenizer **out, eai_error *err);
EAI_CHECKED eai_status tokenizer__reserve_tokens(eai_tokenizer *t, size_t n, eai_error *err);
EAI_CHECKED eai_status tokenizer__set_token(eai_tokenizer *t, size_t id, const char *text, size_t n,
                                            int32_t type, double score, eai_error *err);
EAI_CHECKED eai_status tokenizer__index_tokens(eai_tokenizer *t, eai_error *err);
EAI_CHECKED eai_status tokenizer__reserve_merges(eai_tokenizer *t, size_t n, eai_error *err);
EAI_CHECKED eai_status tokenizer__set_merge(eai_tokenizer *t, size_t rank, const char *left,
                                            size_t n_left, const char *right, size_t n_right,
                                            eai_error *err);
/* The same from a line "left right". */
EAI_CHECKED eai_status tokenizer__set_merge_line(eai_tokenizer *t, size_t rank, const char *s,
                                                 size_t n, eai_error *err);
EAI_CHECKED eai_status tokenizer__set_special(int32_t *out, const eai_tokenizer *t,
                                              const char *name, int32_t id, eai_error *err);
/* An id after which an answer is over. */
void tokenizer__add_end(eai_tokenizer *t, int32_t id);
EAI_CHECKED eai_status tokenizer__set_chat_template(eai_tokenizer *t, const char *source, size_t n,
                                                    eai_error *err);
EAI_CHECKED eai_status tokenizer__finish(eai_tokenizer *t, eai_error *err);

/* A new step at the end of a stage. */
EAI_CHECKED eai_status tokenizer__add_step(tokenizer_step **out, tokenizer_stage *stage,
                                           eai_error *err);
/* Copies a text that a step keeps. */
EAI_CHECKED eai_status tokenizer__set_text(tokenizer_step *s, eai_tokenizer *t, const char *text,
                                           size_t n, eai_error *err);

/* The id of the text (piece), or -1. */
int32_t tokenizer__lookup(const eai_tokenizer *t, const tokenizer_index *index, const char *s,
                          size_t n);
/* The id of a text of the model's own vocabulary, or -1. */
int32_t tokenizer__lookup_model(const eai_tokenizer *t, const char *s, size_t n);

bool tokenizer__is_plain(int type); /* control, unknown, user-defined: texts are no alphabet */

/* --- tokenizer_pre.c --- */

/* A row: patterns in HF's dialect, each of which isolates its matches, then ByteLevel. */
#define TOKENIZER_PRE_PATTERNS 6
typedef struct tokenizer_pre {
    const char *name;
    bool ignore_merges;
    const char *patterns[TOKENIZER_PRE_PATTERNS];
} tokenizer_pre;

/* The row of that name, NULL: "default"; NULL when there is none. */
const tokenizer_pre *tokenizer__find_pre(const char *name);
/* The steps of the pre-tokenizer of that name (tokenizer.ggml.pre). */
EAI_CHECKED eai_status tokenizer__use_pre(eai_tokenizer *t, const char *name, eai_error *err);

/* --- tokenizer_normalize.c, tokenizer_unicode.c, tokenizer_charsmap.c --- */

EAI_CHECKED eai_status tokenizer__normalize(tokenizer_view *v, tokenizer_work *w,
                                            const tokenizer_stage *stage, eai_error *err);
EAI_CHECKED eai_status tokenizer__add_prepend(eai_tokenizer *t, const char *text, eai_error *err);
/* `from` becomes `to` everywhere. */
EAI_CHECKED eai_status tokenizer__add_replace(eai_tokenizer *t, tokenizer_stage *stage,
                                              const char *from, const char *to, eai_error *err);
/* SentencePiece's treatment of spaces. */
EAI_CHECKED eai_status tokenizer__add_spaces(eai_tokenizer *t, bool add_prefix, bool remove_extra,
                                             eai_error *err);
EAI_CHECKED eai_status tokenizer__add_charsmap(eai_tokenizer *t, const void *blob, size_t n,
                                               bool by_grapheme, eai_error *err);

typedef enum tokenizer_form {
    TOKENIZER_NFC,
    TOKENIZER_NFD,
    TOKENIZER_NFKC,
    TOKENIZER_NFKD
} tokenizer_form;

eai_status tokenizer__apply_form(tokenizer_text *out, const tokenizer_view *in,
                                 const tokenizer_step *s, tokenizer_work *w, eai_error *err);
eai_status tokenizer__apply_replace(tokenizer_text *out, const tokenizer_view *in,
                                    const tokenizer_step *s, tokenizer_work *w, eai_error *err);
bool tokenizer__is_word(uint32_t c);
bool tokenizer__is_mark(uint32_t c);
uint32_t tokenizer__lower(uint32_t c);
/* The end of the extended grapheme cluster that starts at s[at]. */
size_t tokenizer__grapheme_end(const char *s, size_t n, size_t at);

/* --- tokenizer_split.c --- */

EAI_CHECKED eai_status tokenizer__pre_tokenize(const tokenizer_words **out, tokenizer_work *w,
                                               const tokenizer_view *v, eai_error *err);
EAI_CHECKED eai_status tokenizer__add_split(eai_tokenizer *t, const char *pattern,
                                            tokenizer_behaviour behaviour, bool invert,
                                            eai_error *err);

/* --- tokenizer_bpe.c --- */

/* The result of encoding so far, and the memory that merging needs. */
typedef struct tokenizer_output {
    int32_t *ids;
    size_t *starts; /* NULL: not wanted */
    size_t n, capacity;
    bool want_starts;
} tokenizer_output;

EAI_CHECKED eai_status tokenizer__push(tokenizer_output *o, int32_t id, size_t start,
                                       eai_error *err);

/* The row of a pair; an empty row (id -1) when it does not merge. Never NULL. */
tokenizer_merge *tokenizer__find_merge(const eai_tokenizer *t, int32_t left, int32_t right);

/* --- one call's memory --- */

struct tokenizer_work {
    const eai_tokenizer *t;
    size_t n_text;  /* of the caller's text */
    bool continues; /* it goes on from an earlier one */
    tokenizer_text text[2];
    tokenizer_words words[2];
    pcre2_match_data *match;
    pcre2_match_context *match_limits;
    tokenizer_output out;
    void *symbols; /* BPE: for long words; Unigram: best paths */
    void *heap;
    size_t symbols_capacity;
    size_t heap_capacity;
    void *points; /* uint32_t: of one run of characters that normalization has to see together */
    size_t points_capacity;
};

EAI_CHECKED eai_status tokenizer__work_init(tokenizer_work *w, const eai_tokenizer *t,
                                            size_t n_text, eai_error *err);
void tokenizer__work_deinit(tokenizer_work *w); /* all but `out` */
/* Does the view begin in the middle of a text, so that its start is no place for a space? */
bool tokenizer__goes_on(const tokenizer_work *w, const tokenizer_view *v);
/* The text buffer that `v` does not lie in, emptied. */
tokenizer_text *tokenizer__other_text(tokenizer_work *w, const tokenizer_view *v);
/* Makes *memory at least n * size bytes; contents are lost. */
EAI_CHECKED eai_status tokenizer__reserve(void *memory, size_t *capacity, size_t n, size_t size,
                                          eai_error *err);

/* --- tokenizer_decode.c --- */

/* Makes every token's piece. */
EAI_CHECKED eai_status tokenizer__make_pieces(eai_tokenizer *t, eai_error *err);
/* No decoder: tokens are words, with a space between. */
EAI_CHECKED eai_status tokenizer__add_joiner(eai_tokenizer *t, eai_error *err);
eai_status tokenizer__apply_byte_token(tokenizer_text *out, const tokenizer_view *in,
                                       const tokenizer_step *s, tokenizer_work *w, eai_error *err);

/* --- tokenizer_json.c: the rows of a stage, and reading their fields --- */

typedef struct tokenizer_kind {
    const char *type; /* in the file */
    /* Adds the steps. A message names the field, the value and what is allowed. */
    eai_status (*parse)(eai_tokenizer *t, const json_t *o, eai_error *err);
} tokenizer_kind;

extern const tokenizer_kind tokenizer__normalizer_kinds[];
extern const tokenizer_kind tokenizer__pre_kinds[];
extern const tokenizer_kind tokenizer__decoder_kinds[];
extern const tokenizer_kind tokenizer__post_kinds[];

/* The kind that o.type names parses `o`; a "Sequence" is its members under `list`. */
EAI_CHECKED eai_status tokenizer__parse_stage(eai_tokenizer *t, const json_t *o,
                                              const tokenizer_kind *kinds, const char *list,
                                              int depth, eai_error *err);
/* A field of that type; absent or null: *out stays as it is. */
EAI_CHECKED eai_status tokenizer__field_bool(bool *out, const json_t *o, const char *key,
                                             eai_error *err);
EAI_CHECKED eai_status tokenizer__field_int(int64_t *out, const json_t *o, const char *key,
                                            int64_t low, int64_t high, eai_error *err);
EAI_CHECKED eai_status tokenizer__field_text(const char **out, size_t *n, const json_t *o,
                                             const char *key, eai_error *err);
/* The same, but it has to be there. */
EAI_CHECKED eai_status tokenizer__need_text(const char **out, size_t *n, const json_t *o,
                                            const char *key, eai_error *err);
/* The place of the field's value among n names; absent: *out stays. */
EAI_CHECKED eai_status tokenizer__field_name(int *out, const json_t *o, const char *key,
                                             const char *const *names, size_t n, eai_error *err);
/* o.pattern: {"String": ...} or {"Regex": ...}. */
EAI_CHECKED eai_status tokenizer__field_pattern(const tokenizer_pattern **out, eai_tokenizer *t,
                                                const json_t *o, eai_error *err);

/* A tokenizer.json that is not finished yet, so that a folder's other files can add to it. */
EAI_CHECKED eai_status tokenizer__read_json(eai_tokenizer **out, const json_t *root,
                                            eai_error *err);

/* --- tokenizer_folder.c --- */

/* A folder's small files; NULL: absent. */
typedef struct tokenizer_folder {
    const char *path;
    json_t *tokenizer;
    json_t *config;
    json_t *special_map;
    json_t *generation;
    json_t *model_config;
} tokenizer_folder;

/* Special tokens, what is put around texts, and the chat template, as the small files beside `t`'s
 * tokenizer.json say; finishes it. */
EAI_CHECKED eai_status tokenizer__use_folder(eai_tokenizer *t, const tokenizer_folder *f,
                                             eai_error *err);
EAI_CHECKED eai_status tokenizer__from_folder(eai_tokenizer **out, const char *folder,
                                              eai_error *err);
/* From the folder that the file `path`, or a model of that name, lies in. */
EAI_CHECKED eai_status tokenizer__from_folder_beside(eai_tokenizer **out, const char *path,
                                                     eai_error *err);

#endif
