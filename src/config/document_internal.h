/* What the readers of the three formats share: building the tree. Start at document__add. */
#ifndef EAI_CONFIG_DOCUMENT_INTERNAL_H
#define EAI_CONFIG_DOCUMENT_INTERNAL_H

#include <efficientai/document.h>

#include "base/arena.h"

#define DOCUMENT_MAX_DEPTH  64
#define DOCUMENT_MAX_VALUES 100000

/* A document under construction, and when done. */
struct eai_document {
    eai_arena *arena; /* owns everything that hangs on root */
    const char *label;
    eai_value root;
    size_t n_values;
    eai_value **index;         /* hash table of the members of all tables, open addressing */
    const eai_value **parents; /* of them */
    size_t index_size;         /* a power of two, or 0 */
    size_t n_indexed;
    eai_error *err; /* of the reader at work */
};

/* A place in a file, from 1. */
typedef struct document_place {
    int line, column;
} document_place;

/* Reads n bytes of valid UTF-8 without NUL into d->root. */
eai_status json__read(eai_document *d, const char *text, size_t n);
eai_status yaml__read(eai_document *d, const char *text, size_t n);
eai_status toml__read(eai_document *d, const char *text, size_t n);

/* "FILE:LINE:COLUMN: ..." as EAI_ERR_FORMAT. */
eai_status document__fail(eai_document *d, document_place at, const char *fmt, ...)
    EAI_PRINTF(3, 4);
eai_status document__no_memory(eai_document *d);

/* A key of n bytes, which live in the arena, with a NUL behind them. */
typedef struct document_key {
    const char *text;
    size_t n;
} document_key;

/* A new last child of `parent` in *out, with kind NULL. `key` is NULL in an array; one that is
 * there already is an error. */
eai_status document__add(eai_value **out, eai_document *d, eai_value *parent,
                         const document_key *key, document_place at);
/* Makes `v` the last child. */
void document__append(eai_value *parent, eai_value *v);
/* The member of a table by the index. */
eai_value *document__find(const eai_document *d, const eai_value *table, document_key key);

/* Turns `v` into a number or says what is wrong with it: `digits` are n characters of base 10, 16,
 * 8 or 2 without prefix, `text` is how it was written (in the arena). */
eai_status document__set_int(eai_document *d, eai_value *v, const char *digits, size_t n, int base,
                             bool negative);
/* `number` is a decimal of n characters as strtod takes it. */
eai_status document__set_float(eai_document *d, eai_value *v, const char *number, size_t n);
void document__set_real(eai_value *v, double real);
/* Copies. */
eai_status document__set_text(eai_document *d, eai_value *v, const char *text, size_t n);

#endif
