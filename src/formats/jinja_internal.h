/* What the template interpreter's files share: tokens, nodes, values, the state of a run. */
#ifndef EAI_FORMATS_JINJA_INTERNAL_H
#define EAI_FORMATS_JINJA_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "formats/jinja.h"

/* --- values --- */

typedef enum jinja_kind {
    JINJA_ABSENT,    /* an argument that was not given; never the value of an expression */
    JINJA_UNDEFINED, /* s: the name that was looked for */
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST, /* also tuples and ranges */
    JINJA_DICT,
    JINJA_NAMESPACE, /* a dict whose entries may be set */
    JINJA_LOOP,
    JINJA_MACRO,
    JINJA_FUNCTION,
    JINJA_METHOD
} jinja_kind;

typedef struct jinja_value {
    jinja_kind kind;
    size_t n; /* bytes of s */
    union {
        bool b;
        int64_t i;
        double f;
        const char *s; /* UTF-8, not NUL-terminated */
        struct jinja_list *list;
        struct jinja_dict *dict;
        const struct jinja_loop *loop;
        const struct jinja_macro *macro;
        const struct jinja_builtin *function;
        const struct jinja_method *method;
    } u;
} jinja_value;

typedef struct jinja_list {
    jinja_value *items;
    size_t n;
    size_t capacity;
    bool is_tuple;
} jinja_list;

typedef struct jinja_entry {
    jinja_value key;
    jinja_value value;
} jinja_entry;

/* In the order of insertion, searched from the front: the objects of a chat are small. */
typedef struct jinja_dict {
    jinja_entry *entries;
    size_t n;
    size_t capacity;
} jinja_dict;

typedef struct jinja_loop {
    const jinja_list *items;
    size_t at;
} jinja_loop;

typedef struct jinja_macro {
    const struct jinja_node *node;
    struct jinja_scope *scope; /* where it was defined */
} jinja_macro;

typedef struct jinja_method {
    jinja_value self;
    const struct jinja_builtin *function;
} jinja_method;

#define JINJA_STRING_OF(text)                                                                      \
    ((jinja_value){.kind = JINJA_STRING, .n = sizeof(text) - 1, .u.s = (text)})

static inline jinja_value jinja__none(void)
{
    return (jinja_value){.kind = JINJA_NONE};
}
static inline jinja_value jinja__bool(bool b)
{
    return (jinja_value){.kind = JINJA_BOOL, .u.b = b};
}
static inline jinja_value jinja__int(int64_t i)
{
    return (jinja_value){.kind = JINJA_INT, .u.i = i};
}
static inline jinja_value jinja__float(double f)
{
    return (jinja_value){.kind = JINJA_FLOAT, .u.f = f};
}
static inline jinja_value jinja__string(const char *s, size_t n)
{
    return (jinja_value){.kind = JINJA_STRING, .n = n, .u.s = s};
}
static inline jinja_value jinja__undefined(const char *s, size_t n)
{
    return (jinja_value){.kind = JINJA_UNDEFINED, .n = n, .u.s = s};
}

/* Booleans are integers, as in Python. */
static inline bool jinja__is_integer(const jinja_value *v)
{
    return v->kind == JINJA_INT || v->kind == JINJA_BOOL;
}
static inline int64_t jinja__integer_of(const jinja_value *v)
{
    return v->kind == JINJA_BOOL ? v->u.b : v->u.i;
}
static inline bool jinja__is_number(const jinja_value *v)
{
    return jinja__is_integer(v) || v->kind == JINJA_FLOAT;
}
static inline double jinja__number_of(const jinja_value *v)
{
    return v->kind == JINJA_FLOAT ? v->u.f : (double)jinja__integer_of(v);
}

/* --- tokens --- */

typedef enum jinja_token_kind {
    JINJA_T_TEXT,
    JINJA_T_VARIABLE_BEGIN,
    JINJA_T_VARIABLE_END,
    JINJA_T_BLOCK_BEGIN,
    JINJA_T_BLOCK_END,
    JINJA_T_NAME,
    JINJA_T_STRING,
    JINJA_T_INT,
    JINJA_T_FLOAT,
    JINJA_T_OPERATOR,
    JINJA_T_END
} jinja_token_kind;

typedef struct jinja_token {
    jinja_token_kind kind;
    int line;
    const char *s; /* text, name, string without quotes and escapes, operator */
    size_t n;
    int64_t i;
    double f;
} jinja_token;

typedef struct jinja_tokens {
    jinja_token *at;
    size_t n;
    size_t capacity;
} jinja_tokens;

/* Tokens of a template, ended by JINJA_T_END; they live in `a`. Tokens point into the source's copy
 * in `a`. */
EAI_CHECKED eai_status jinja__lex(jinja_tokens *out, eai_arena *a, const char *source, size_t n,
                                  eai_error *err);

/* --- nodes --- */

typedef enum jinja_node_kind {
    /* expressions: what a, b, c, list hold */
    JINJA_N_LITERAL,   /* value */
    JINJA_N_NAME,      /* value: the name */
    JINJA_N_LIST,      /* list: items */
    JINJA_N_TUPLE,     /* list: items */
    JINJA_N_DICT,      /* list: pairs */
    JINJA_N_PAIR,      /* a: key, b: value */
    JINJA_N_ATTRIBUTE, /* a.value */
    JINJA_N_INDEX,     /* a[b] */
    JINJA_N_SLICE,     /* a:b:c, each may be NULL; only as b of an INDEX */
    JINJA_N_CALL,      /* a(list) */
    JINJA_N_KEYWORD,   /* value=a, in an argument list */
    JINJA_N_FILTER,    /* a|value(list) */
    JINJA_N_TEST,      /* a is value(list) */
    JINJA_N_NOT,       /* not a */
    JINJA_N_NEGATE,    /* -a */
    JINJA_N_PLUS,      /* +a */
    JINJA_N_AND,       /* a and b */
    JINJA_N_OR,        /* a or b */
    JINJA_N_BINARY,    /* a op b */
    JINJA_N_COMPARE,   /* a, then list of OPERANDs */
    JINJA_N_OPERAND,   /* op a */
    JINJA_N_CONDITION, /* a if b else c; c may be NULL */
    /* statements */
    JINJA_N_TEXT,   /* value */
    JINJA_N_OUTPUT, /* a */
    JINJA_N_IF,     /* list: branches */
    JINJA_N_BRANCH, /* a: condition or NULL, list: body */
    JINJA_N_FOR,    /* a: target, b: iterable, c: condition or NULL, list: body, other: else body */
    JINJA_N_SET,    /* a: target, b: value */
    JINJA_N_SET_BLOCK, /* a: target, list: body, other: filters (a chain of FILTER nodes) or NULL */
    JINJA_N_MACRO,     /* value: name, other: parameters (NAME, default in a), list: body */
    JINJA_N_BREAK,
    JINJA_N_CONTINUE
} jinja_node_kind;

typedef enum jinja_op {
    JINJA_OP_NONE,
    JINJA_OP_ADD,
    JINJA_OP_SUB,
    JINJA_OP_MUL,
    JINJA_OP_DIV,
    JINJA_OP_FLOOR_DIV,
    JINJA_OP_MOD,
    JINJA_OP_POW,
    JINJA_OP_CONCAT,
    JINJA_OP_EQ,
    JINJA_OP_NE,
    JINJA_OP_LT,
    JINJA_OP_LE,
    JINJA_OP_GT,
    JINJA_OP_GE,
    JINJA_OP_IN,
    JINJA_OP_NOT_IN
} jinja_op;

typedef struct jinja_node {
    jinja_node_kind kind;
    jinja_op op;
    int line;
    jinja_value value;
    struct jinja_node *a, *b, *c;
    struct jinja_node *list;  /* first of a chain */
    struct jinja_node *other; /* first of another chain */
    struct jinja_node *next;  /* in the chain that this node is in */
} jinja_node;

struct jinja_template {
    eai_arena *arena; /* source, tokens, nodes; lives as long as the template */
    jinja_node *body;
};

EAI_CHECKED eai_status jinja__parse(jinja_node **body, eai_arena *a, const jinja_tokens *tokens,
                                    eai_error *err);

/* --- the state of a run --- */

typedef struct jinja_variable {
    const char *name;
    size_t n;
    jinja_value value;
    struct jinja_variable *next;
} jinja_variable;

typedef struct jinja_scope {
    struct jinja_scope *parent;
    jinja_variable *first;
} jinja_scope;

typedef enum jinja_jump { JINJA_JUMP_NONE, JINJA_JUMP_BREAK, JINJA_JUMP_CONTINUE } jinja_jump;

typedef struct jinja_run {
    eai_arena *arena; /* values; lives until the run ends */
    jinja_scope *scope;
    eai_strbuf *out;
    const jinja_limits *limits;
    size_t steps;
    size_t depth;
    jinja_jump jump;      /* a break or continue on its way to its loop */
    jinja_value captured; /* the text of a set block, which its filters start from */
    int line;             /* of the node being evaluated, for messages */
    eai_status status;
    eai_error *err;
} jinja_run;

/* All functions below that return bool return false after jinja__fail(). */

/* Sets the error, with the line in front; returns false. */
bool jinja__fail(jinja_run *r, eai_status code, const char *fmt, ...) EAI_PRINTF(3, 4);
/* "'x' is undefined" */
bool jinja__fail_undefined(jinja_run *r, const jinja_value *v);
/* Counts work; false above the limit. */
bool jinja__charge(jinja_run *r, size_t steps);
/* n * size bytes of the run's arena; NULL after jinja__fail(). */
void *jinja__alloc(jinja_run *r, size_t n, size_t size);

/* jinja_value.c */
const char *jinja__kind_name(const jinja_value *v);
bool jinja__truth(const jinja_value *v);
bool jinja__same_text(const jinja_value *v, const char *text);
bool jinja__new_list(jinja_run *r, jinja_value *out, size_t capacity, bool is_tuple);
bool jinja__append(jinja_run *r, jinja_list *list, jinja_value item);
bool jinja__new_dict(jinja_run *r, jinja_value *out, jinja_kind kind);
bool jinja__put(jinja_run *r, jinja_dict *dict, jinja_value key, jinja_value value);
/* *found: the entry's value or NULL. */
bool jinja__get(jinja_run *r, jinja_value **found, const jinja_dict *dict, const jinja_value *key);
bool jinja__equal(jinja_run *r, bool *out, const jinja_value *a, const jinja_value *b);
/* < 0, 0, > 0; fails for kinds that have no order. */
bool jinja__compare(jinja_run *r, int *out, const jinja_value *a, const jinja_value *b);
bool jinja__contains(jinja_run *r, bool *out, const jinja_value *container,
                     const jinja_value *item);
/* What {{ v }} prints; a string stays as it is. */
bool jinja__to_string(jinja_run *r, jinja_value *out, const jinja_value *v);
/* The items of anything that can be iterated over, as a list (its own list for a list). */
bool jinja__to_list(jinja_run *r, jinja_list **out, const jinja_value *v);
bool jinja__from_json(jinja_run *r, jinja_value *out, const json_t *json, size_t depth);
typedef struct jinja_json_style {
    bool pretty;
    size_t indent;
    bool sort_keys;
    bool ascii;
    jinja_value item_separator; /* ABSENT: the default */
    jinja_value key_separator;
} jinja_json_style;
bool jinja__to_json(jinja_run *r, jinja_value *out, const jinja_value *v,
                    const jinja_json_style *style);
/* The text of a finished buffer, moved to the arena. The buffer is deinitialised either way. */
bool jinja__take_buffer(jinja_run *r, jinja_value *out, eai_strbuf *b);
/* Characters of a string. */
size_t jinja__count_characters(const jinja_value *s);

/* jinja_operators.c */
bool jinja__operate(jinja_run *r, jinja_value *out, jinja_op op, const jinja_value *a,
                    const jinja_value *b);
/* *out: does the comparison hold? */
bool jinja__hold(jinja_run *r, bool *out, jinja_op op, const jinja_value *a, const jinja_value *b);
bool jinja__sign(jinja_run *r, jinja_value *out, const jinja_value *v, bool negate);

/* jinja_builtins.c */

#define JINJA_MAX_SLOTS 6

/* A filter, test, method or function: `params` are the names of its arguments, by which they may
 * also be given; "*" takes the further positional ones as a list, and names behind it have to be
 * given by name;
 * "**" takes all keyword arguments as a dict. args[i] belongs to the i-th word of params. */
typedef struct jinja_builtin {
    const char *name;
    bool (*run)(jinja_run *r, jinja_value *out, const jinja_value *self, const jinja_value *args);
    const char *params;
} jinja_builtin;

/* Evaluated arguments of a call. */
typedef struct jinja_arguments {
    const jinja_list *positional;
    const jinja_dict *keywords;
} jinja_arguments;

const jinja_builtin *jinja__find_filter(const jinja_value *name);
const jinja_builtin *jinja__find_test(const jinja_value *name);
const jinja_builtin *jinja__find_function(const jinja_value *name);
/* The method of a value, or NULL. */
const jinja_builtin *jinja__find_method(const jinja_value *self, const jinja_value *name);
bool jinja__call_builtin(jinja_run *r, jinja_value *out, const jinja_builtin *f,
                         const jinja_value *self, const jinja_arguments *arguments);

/* For the functions of the tables: neither absent nor none; a string or failure; an integer or a
 * default. */
bool jinja__is_given(const jinja_value *v);
bool jinja__need_string(jinja_run *r, const jinja_value *v, const char *who);
bool jinja__read_int(jinja_run *r, int64_t *out, const jinja_value *v, int64_t standard,
                     const char *who);

/* The items as one text; `attribute` (or ABSENT) is what is taken of each. */
bool jinja__join(jinja_run *r, jinja_value *out, const jinja_list *items,
                 const jinja_value *separator, const jinja_value *attribute);

/* jinja_text.c, jinja_tests.c */
bool jinja__lower(jinja_run *r, jinja_value *out, const jinja_value *s);
extern const jinja_builtin jinja__tests[];
extern const size_t jinja__n_tests;
extern const jinja_builtin jinja__text_filters[];
extern const size_t jinja__n_text_filters;
extern const jinja_builtin jinja__string_methods[];
extern const size_t jinja__n_string_methods;

/* jinja_eval.c: v.name and v[key] as the language sees them. */
bool jinja__attribute(jinja_run *r, jinja_value *out, const jinja_value *v,
                      const jinja_value *name);
bool jinja__item(jinja_run *r, jinja_value *out, const jinja_value *v, const jinja_value *key);

#endif
