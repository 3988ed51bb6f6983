/* Shared by the files options*.c, and by nobody else. options.c parses; options_assign.c turns
 * texts and values of documents into fields; options_files.c reads configuration files;
 * options_words.c reads the environment and the command line; options_text.c writes help and
 * values, options_manual.c manual pages; spelling.c finds what somebody may have meant. */
#ifndef EAI_CONFIG_OPTIONS_INTERNAL_H
#define EAI_CONFIG_OPTIONS_INTERNAL_H

#include <efficientai/document.h>
#include <efficientai/options.h>

#include "base/arena.h"
#include "base/strbuf.h"

struct eai_option_set {
    eai_arena *arena; /* owns the strings below; lives as long as the set */
    const eai_option *table;
    size_t n_options;
    const char **origin;   /* [n_options] */
    const char **operands; /* [n_operands] */
    int n_operands;
    int n_literal;      /* of them, behind "--" */
    bool has_log_level; /* one was asked for */
    eai_log_level log_level;
    bool quiet;
    bool print; /* --print-config */
    bool print_origin;
    bool has_print_format;
    eai_document_format print_format;
};

/* What the general words say, found in a first walk over the words. */
typedef struct options_general {
    const char **configs; /* [n_configs], borrowed */
    size_t n_configs;
    const char *profile; /* NULL: none is asked for */
} options_general;

/* One parse under way. */
typedef struct options_parser {
    eai_option_set *set;
    char *args; /* the struct that is filled */
    const eai_options_scope *scope;
    options_general general;
    int n_inherited; /* profiles applied because others inherit them */
    eai_error *err;
    /* of a check: takes each fault with its line, and the walk goes on; NULL: the first one ends it
     */
    eai_status (*fault)(struct options_parser *p, int line);
    void *ud;
} options_parser;

/* Where a value comes from, for messages and origins. */
typedef struct options_source {
    const char *label; /* "--rank", "environment EFFICIENTAI_RANK", "config x.yaml:3: key 'rank'" */
    const char *origin; /* "command line", ... */
    eai_status code;    /* of the error when the value is not allowed */
} options_source;

eai_status options__no_memory(const options_parser *p);

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Is the name of `n` bytes the option's? Underscores count as dashes. */
bool options__same_name(const char *option, const char *name, size_t n);
/* The row of that name, in one section or (NULL) in any. */
const eai_option *options__find(const eai_option *table, const char *section, const char *name,
                                size_t n);
/* "training": the option's section, "" when it has none. In buf, which is returned, or in the row.
 */
#define OPTIONS_SECTION_MAX 64
const char *options__section(char buf[OPTIONS_SECTION_MAX], const eai_option *o);
/* Has the table a section of this name? */
bool options__has_section(const eai_option *table, const char *name, size_t n);

/* Enough for the words of options__allowed_range(). */
#define OPTIONS_RANGE_MAX 96
/* Does the row limit its number? */
bool options__has_range(const eai_option *o);
/* "1 to 256", "at least 1" or "at most 8" into buf; returns buf. */
const char *options__allowed_range(char buf[OPTIONS_RANGE_MAX], const eai_option *o);

/* ---- Values ---------------------------------------------------------------------------------- */

eai_status options__assign_text(options_parser *p, const eai_option *o, const char *text,
                                const options_source *from);
eai_status options__assign_value(options_parser *p, const eai_option *o, const eai_value *value,
                                 const options_source *from);
/* A flag without a value. */
void options__assign_flag(options_parser *p, const eai_option *o, bool value,
                          const options_source *from);

/* ---- Rows of the help and of manual pages ---------------------------------------------------- */

/* Row i: those of the table, of n rows, then the general ones that it does not define. NULL behind
 * the last. */
const eai_option *options__row(const eai_option *table, size_t n, size_t i);
/* The heading that the row stands under. */
const char *options__group(const eai_option *o);
/* True when a row before row i has its group, whose rows are then already out. */
bool options__group_was_seen(const eai_option *table, size_t n, size_t i);
/* "rank of the adapters, 1 to 256 [8]": the help, then what the table knows. */
void options__describe(eai_strbuf *b, const eai_option *o);

/* ---- Sources --------------------------------------------------------------------------------- */

/* Fills p->general from the words, or from the environment in their place. */
eai_status options__read_general(options_parser *p, int argc, char **argv);
/* The files of --config, or the one of the environment. */
eai_status options__apply_files(options_parser *p);
eai_status options__apply_environment(options_parser *p);
/* Fills p->general, whose arrays have room for argc entries, and checks the words. */
eai_status options__scan_words(options_parser *p, int argc, char **argv);
eai_status options__apply_words(options_parser *p, int argc, char **argv);

/* A new set for the table; its operands have room for argc. */
eai_status options__create_set(eai_option_set **out, const eai_option *table, int argc,
                               eai_error *err);
/* The bytes that the table's fields reach to. */
size_t options__args_bytes(const eai_option *table);
/* Sets every field from the table's defaults. */
eai_status options__apply_defaults(options_parser *p);

/* ---- Spelling -------------------------------------------------------------------------------- */

/* Damerau-Levenshtein distance (adjacent swaps count one); SIZE_MAX for words above 64 bytes. */
size_t options__distance(const char *a, const char *b);
/* The largest distance at which `word` still counts as misspelt. */
size_t options__tolerance(const char *word);

/* A search for the name nearest to a word, over names offered one by one. */
typedef struct options_nearest {
    const char *word;
    size_t best; /* distance of `name`, or one more than is tolerated */
    const char *name;
} options_nearest;
options_nearest options__nearest(const char *word);
/* True when this is the nearest so far. */
bool options__offer(options_nearest *n, const char *name);

#endif
