/* A Jinja2 interpreter for chat templates: text with {{ expressions }} and {% statements %} in,
 * text out.
 *
 *     jinja_template *t = NULL;
 *     EAI_TRY(jinja__template_parse(&t, source, n, err));
 *     EAI_TRY(jinja__render(&text, &n_text, t, variables, NULL, err));    // variables: a JSON
 * object
 *
 * It does what `transformers` does with a chat template: the sandbox, trim_blocks and lstrip_blocks
 * on, its own tojson, raise_exception(), loop controls, and {% generation %} blocks (rendered, the
 * mark itself has no effect).
 *
 * Supported: text, comments, raw, `-` and `+` at the tags; for (with if, else, unpacking, break,
 * continue, all of `loop` but changed()), if/elif/else, set (names, tuples, namespace attributes,
 * blocks), macro; every operator but string formatting; literals; slices; the filters, tests,
 * methods and functions in the tables of jinja_builtins.c, jinja_text.c and jinja_tests.c. Not
 * supported, and an error that names the line: other statements (include, import, extends, block,
 * call, filter, with, do, recursive loops), other filters, tests and methods, integers beyond 64
 * bits, changing the case of letters that are not ASCII.
 *
 * Everything is bounded (jinja_limits): a template comes from a model file that somebody else
 * wrote.
 *
 * Files, in reading order: jinja_internal.h (values, nodes), jinja_lex.c (characters -> tokens),
 * jinja_parse.c (tokens -> nodes), jinja_eval.c (nodes -> text), jinja_value.c (comparing,
 * printing), jinja_builtins.c (filters, tests, methods, functions). */
#ifndef EAI_FORMATS_JINJA_H
#define EAI_FORMATS_JINJA_H

#include <jansson.h>

#include <efficientai/error.h>

typedef struct jinja_template jinja_template;

typedef struct jinja_limits {
    size_t steps;        /* nodes evaluated, characters and list items looked at */
    size_t memory_bytes; /* values made on the way */
    size_t output_bytes;
} jinja_limits;

#define JINJA_LIMITS_INIT                                                                          \
    {                                                                                              \
        .steps = (size_t)1 << 28, .memory_bytes = (size_t)1 << 28, .output_bytes = (size_t)1 << 26 \
    }
#define JINJA_MAX_SOURCE ((size_t)1 << 20)
#define JINJA_MAX_DEPTH  200 /* of nested expressions, blocks, calls and data */

/* The parsed template; freed by the caller. Does not change afterwards. A mistake in the template
 * is EAI_ERR_FORMAT, "line 3: ...". */
EAI_CHECKED eai_status jinja__template_parse(jinja_template **out, const char *source, size_t n,
                                             eai_error *err);
void jinja__template_free(jinja_template *t);

/* The text for `variables`, an object; the caller's, NUL-terminated, freed with eai_free().
 * `limits` NULL: the default ones. raise_exception() in the template is EAI_ERR_ARGUMENT with its
 * text. */
EAI_CHECKED eai_status jinja__render(char **text, size_t *n, const jinja_template *t,
                                     const json_t *variables, const jinja_limits *limits,
                                     eai_error *err);

#endif
