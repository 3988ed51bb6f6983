/* Documents: what a JSON, YAML or TOML file states, as one tree whose values know their lines.
 *
 * Use:
 *     eai_document *d = NULL;
 *     EAI_TRY(eai_document_load(&d, "train.yaml", 1 << 20, err));    // the ending says which
 *     const eai_value *rank = eai_value_path(eai_document_root(d), "lora.rank");
 *     if (rank && rank->kind == EAI_VALUE_INT)
 *         printf("%" PRId64 ", from line %d\n", rank->integer, rank->line);
 *     for (const eai_value *v = eai_document_root(d)->first; v; v = v->next)
 *         puts(v->key);
 *     eai_document_free(d);
 *
 * What is read: JSON (RFC 8259), TOML 1.0, and of YAML 1.2 one document with its core schema: 2e-4
 * is a number, "yes" and "on" are texts, 0o17 is octal. Anchors and aliases are there, "<<" merges
 * a table's keys; tags other than the core ones are refused. In every format a key that is there
 * twice is an error, integers beyond 64 bits and floats beyond a double are too, and all is valid
 * UTF-8. Infinity and NaN are read where the format has them (EAI_VALUE_FLOAT): whoever wants a
 * finite number must ask.
 *
 * Hostile files: at most `limit` bytes, 64 levels, 100,000 values (an alias counts as what it
 * repeats). Errors are EAI_ERR_FORMAT, "FILE:LINE:COLUMN: what", EAI_ERR_LIMIT for those bounds,
 * EAI_ERR_NOMEM.
 *
 * Thread-safety: a document does not change once it is read. */
#ifndef EAI_DOCUMENT_H
#define EAI_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*            kind      what it holds                          shown in messages as                  */
#define EAI_VALUE_KINDS(X)                                                                            \
    X(NULL,     "null")                                                                               \
    X(BOOL,     "true or false")   /* boolean */                                                      \
    X(INT,      "a whole number")  /* integer */                                                      \
    X(FLOAT,    "a number")        /* real */                                                         \
    X(TEXT,     "a text")          /* text, length */                                                 \
    X(TIME,     "a date or time")  /* text, as in the file; TOML only */                              \
    X(ARRAY,    "a list")          /* first, n */                                                     \
    X(TABLE,    "a table")         /* first, n; each with a key */
/* clang-format on */

typedef enum eai_value_kind {
#define EAI_VALUE_ENUM(name, shown) EAI_VALUE_##name,
    EAI_VALUE_KINDS(EAI_VALUE_ENUM)
#undef EAI_VALUE_ENUM
} eai_value_kind;

/* Read only; all of it belongs to the document. */
typedef struct eai_value eai_value;
struct eai_value {
    eai_value_kind kind;
    int line, column;  /* of the value, from 1; of its key, in a table */
    const char *key;   /* in a table; NULL in an array and at the root */
    size_t key_length; /* in bytes: in TOML a key may hold a NUL */
    const char *text;  /* TEXT and TIME; of numbers, how they were written */
    size_t length;     /* of text, in bytes */
    bool plain;        /* TEXT that stood in a YAML file without quotes */
    bool boolean;      /* BOOL */
    int64_t integer;   /* INT */
    double real;       /* FLOAT, and the same number of an INT */
    eai_value *first;  /* ARRAY and TABLE, in the order of the file */
    eai_value *last;
    eai_value *next; /* behind this one in its array or table */
    size_t n;        /* children */
    const char
        *comment; /* written behind the value where the format has comments; NULL when read */
};

/* clang-format off */
/*            format  ending    */
#define EAI_DOCUMENT_FORMATS(X) \
    X(JSON,   ".json")          \
    X(YAML,   ".yaml")          \
    X(TOML,   ".toml")
/* clang-format on */

typedef enum eai_document_format {
#define EAI_DOCUMENT_ENUM(name, ending) EAI_DOCUMENT_##name,
    EAI_DOCUMENT_FORMATS(EAI_DOCUMENT_ENUM)
#undef EAI_DOCUMENT_ENUM
} eai_document_format;

typedef struct eai_document eai_document;

/* Reads a file of at most `limit` bytes; ".yml" is YAML too. A file with another ending is JSON
 * when it begins with '{', else EAI_ERR_ARGUMENT with a message that names the three. */
EAI_API EAI_CHECKED eai_status eai_document_load(eai_document **out, const char *path, size_t limit,
                                                 eai_error *err);
/* Reads n bytes; `label` stands for the file in messages and is copied. */
EAI_API EAI_CHECKED eai_status eai_document_parse(eai_document **out, const char *text, size_t n,
                                                  eai_document_format format, const char *label,
                                                  eai_error *err);
EAI_API void eai_document_free(eai_document *d);

/* The root (of a TOML file always a table; an empty YAML file is null), and the file's name.
 * Borrowed.
 */
EAI_API const eai_value *eai_document_root(const eai_document *d);
EAI_API const char *eai_document_label(const eai_document *d);

/* The member of a table; NULL when there is none or `table` is NULL or no table. */
EAI_API const eai_value *eai_value_find(const eai_value *table, const char *key);
/* The same along "a.b.c"; a number is a place in an array. Keys with dots cannot be named. */
EAI_API const eai_value *eai_value_path(const eai_value *v, const char *path);
/* "a whole number" */
EAI_API const char *eai_value_kind_name(eai_value_kind kind);

/* A value as text of a format, new memory (eai_free), ending with a line end; NULL when memory ran
 * out. In TOML the root must be a table (else NULL), and nulls, which TOML lacks, are left out.
 * What is written reads back as the same tree. */
EAI_API char *eai_value_to_text(const eai_value *v, eai_document_format format);

#ifdef __cplusplus
}
#endif
#endif
