/* Tokens -> nodes: a recursive descent with one function a precedence level, in Jinja2's order:
 *
 *     a if b else c | or | and | not | == != < <= > >= in, not in | + - | ~ | * / // % | ** | - + |
 * postfix
 *
 * Nodes live in the template's arena. Depth is bounded here, so that everything that walks the tree
 * later is bounded too. Start at jinja__parse(). */
#include <string.h>

#include "formats/jinja_internal.h"

#include "base/banned.h"

typedef struct parser {
    eai_arena *arena;
    const jinja_token *at;
    size_t depth;
    size_t loops; /* for loops around this place */
    eai_status status;
    eai_error *err;
} parser;

/* The functions below return NULL after fail(), which keeps the first message. */
static jinja_node *fail(parser *p, eai_status code, const char *what, const jinja_token *t)
{
    if (p->status != EAI_OK)
        return NULL;
    if (t && t->s && (t->kind == JINJA_T_NAME || t->kind == JINJA_T_OPERATOR))
        p->status = eai_error_set(p->err, code, "line %d: %s '%.*s'", p->at->line, what,
                                  (int)(t->n < 64 ? t->n : 64), t->s);
    else
        p->status = eai_error_set(p->err, code, "line %d: %s", p->at->line, what);
    return NULL;
}

static jinja_node *syntax(parser *p, const char *what)
{
    return fail(p, EAI_ERR_FORMAT, what, NULL);
}

static jinja_node *new_node(parser *p, jinja_node_kind kind)
{
    jinja_node *n = eai_arena_zeroed(p->arena, 1, sizeof(*n));

    if (!n)
        return fail(p, EAI_ERR_NOMEM, "no memory for a template", NULL);
    n->kind = kind;
    n->line = p->at->line;
    return n;
}

static jinja_node *new_pair(parser *p, jinja_node_kind kind, jinja_node *a, jinja_node *b)
{
    jinja_node *n = a && b ? new_node(p, kind) : NULL;

    if (n) {
        n->a = a;
        n->b = b;
        n->line = a->line;
    }
    return n;
}

static bool is_text(const jinja_token *t, jinja_token_kind kind, const char *text)
{
    return t->kind == kind && t->n == strlen(text) && memcmp(t->s, text, t->n) == 0;
}

static bool is_op(const parser *p, const char *op)
{
    return is_text(p->at, JINJA_T_OPERATOR, op);
}

static bool is_word(const parser *p, const char *word)
{
    return is_text(p->at, JINJA_T_NAME, word);
}

static bool accept_op(parser *p, const char *op)
{
    if (!is_op(p, op))
        return false;
    p->at++;
    return true;
}

static bool accept_word(parser *p, const char *word)
{
    if (!is_word(p, word))
        return false;
    p->at++;
    return true;
}

/* False after a message when the next token is not `op`. */
static bool expect_op(parser *p, const char *op)
{
    static const char *const messages[][2] = {{"]", "expected ']'"}, {")", "expected ')'"},
                                              {"}", "expected '}'"}, {":", "expected ':'"},
                                              {"=", "expected '='"}, {"(", "expected '('"}};

    if (accept_op(p, op))
        return true;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        if (strcmp(messages[i][0], op) == 0)
            (void)syntax(p, messages[i][1]);
    return false;
}

static bool enter(parser *p)
{
    if (++p->depth <= JINJA_MAX_DEPTH)
        return true;
    (void)fail(p, EAI_ERR_LIMIT, "the template is nested too deep", NULL);
    return false;
}

static jinja_node *parse_expression(parser *p);
static jinja_node *parse_unary(parser *p, bool with_filters);

/* --- primaries --- */

static jinja_node *literal(parser *p, jinja_value v)
{
    jinja_node *n = new_node(p, JINJA_N_LITERAL);

    if (n)
        n->value = v;
    return n;
}

/* 'a' "b": neighbours are one string. */
static jinja_node *parse_strings(parser *p)
{
    const jinja_token *first = p->at;
    size_t n = 0;

    for (const jinja_token *t = first; t->kind == JINJA_T_STRING; t++)
        n += t->n;
    char *text = eai_arena_alloc(p->arena, n + 1);
    if (!text)
        return fail(p, EAI_ERR_NOMEM, "no memory for a template", NULL);
    n = 0;
    for (; p->at->kind == JINJA_T_STRING; p->at++) {
        memcpy(text + n, p->at->s, p->at->n);
        n += p->at->n;
    }
    return literal(p, jinja__string(text, n));
}

static jinja_node *parse_name(parser *p)
{
    const jinja_token *t = p->at++;

    if (is_text(t, JINJA_T_NAME, "true") || is_text(t, JINJA_T_NAME, "True"))
        return literal(p, jinja__bool(true));
    if (is_text(t, JINJA_T_NAME, "false") || is_text(t, JINJA_T_NAME, "False"))
        return literal(p, jinja__bool(false));
    if (is_text(t, JINJA_T_NAME, "none") || is_text(t, JINJA_T_NAME, "None"))
        return literal(p, jinja__none());
    jinja_node *n = new_node(p, JINJA_N_NAME);
    if (n) {
        n->value = jinja__string(t->s, t->n);
        n->line = t->line;
    }
    return n;
}

/* The items up to `close`, which is consumed. */
static jinja_node *parse_items(parser *p, jinja_node_kind kind, const char *close)
{
    jinja_node *n = new_node(p, kind);
    jinja_node **tail = n ? &n->list : NULL;

    while (n && !accept_op(p, close)) {
        if (n->list && !accept_op(p, ","))
            return expect_op(p, close) ? n : NULL;
        if (n->list && accept_op(p, close))
            break;
        *tail = parse_expression(p);
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    }
    return n;
}

static jinja_node *parse_dict(parser *p)
{
    jinja_node *n = new_node(p, JINJA_N_DICT);
    jinja_node **tail = n ? &n->list : NULL;

    while (n && !accept_op(p, "}")) {
        if (n->list && !accept_op(p, ","))
            return expect_op(p, "}") ? n : NULL;
        if (n->list && accept_op(p, "}"))
            break;
        jinja_node *key = parse_expression(p);
        if (!key || !expect_op(p, ":"))
            return NULL;
        *tail = new_pair(p, JINJA_N_PAIR, key, parse_expression(p));
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    }
    return n;
}

/* ( ) behind the opening bracket: an expression in brackets or a tuple. */
static jinja_node *parse_brackets(parser *p)
{
    if (accept_op(p, ")"))
        return new_node(p, JINJA_N_TUPLE);
    jinja_node *first = parse_expression(p);
    if (!first || !is_op(p, ","))
        return first && expect_op(p, ")") ? first : NULL;
    jinja_node *tuple = new_node(p, JINJA_N_TUPLE);
    if (!tuple)
        return NULL;
    tuple->list = first;
    for (jinja_node **tail = &first->next; accept_op(p, ",") && !is_op(p, ")");
         tail = &(*tail)->next) {
        *tail = parse_expression(p);
        if (!*tail)
            return NULL;
    }
    return expect_op(p, ")") ? tuple : NULL;
}

static jinja_node *parse_primary(parser *p)
{
    switch (p->at->kind) {
    case JINJA_T_NAME:
        return parse_name(p);
    case JINJA_T_STRING:
        return parse_strings(p);
    case JINJA_T_INT:
        return literal(p, jinja__int(p->at++->i));
    case JINJA_T_FLOAT:
        return literal(p, jinja__float(p->at++->f));
    case JINJA_T_OPERATOR:
        if (accept_op(p, "("))
            return parse_brackets(p);
        if (accept_op(p, "["))
            return parse_items(p, JINJA_N_LIST, "]");
        if (accept_op(p, "{"))
            return parse_dict(p);
        return fail(p, EAI_ERR_FORMAT, "unexpected", p->at);
    default:
        return syntax(p, "an expression ends too early");
    }
}

/* --- postfix: attributes, items, calls, filters, tests --- */

static jinja_node *parse_attribute(parser *p, jinja_node *a)
{
    const jinja_token *t = p->at++;
    bool is_index = t->kind == JINJA_T_INT;

    if (t->kind != JINJA_T_NAME && !is_index) {
        p->at--;
        return syntax(p, "expected a name after '.'");
    }
    jinja_node *n = new_node(p, is_index ? JINJA_N_INDEX : JINJA_N_ATTRIBUTE);
    if (!n)
        return NULL;
    n->a = a;
    if (is_index)
        n->b = literal(p, jinja__int(t->i));
    else
        n->value = jinja__string(t->s, t->n);
    return is_index && !n->b ? NULL : n;
}

/* One part of a slice, or NULL in *out when it is left out. */
static bool parse_slice_part(parser *p, jinja_node **out)
{
    *out = NULL;
    if (is_op(p, ":") || is_op(p, "]"))
        return true;
    *out = parse_expression(p);
    return *out != NULL;
}

static jinja_node *parse_index(parser *p, jinja_node *a)
{
    jinja_node *start = NULL;

    if (!parse_slice_part(p, &start))
        return NULL;
    if (!is_op(p, ":")) {
        if (!start)
            return syntax(p, "an index is missing");
        return expect_op(p, "]") ? new_pair(p, JINJA_N_INDEX, a, start) : NULL;
    }
    jinja_node *slice = new_node(p, JINJA_N_SLICE);
    if (!slice)
        return NULL;
    slice->a = start;
    if (accept_op(p, ":") && !parse_slice_part(p, &slice->b))
        return NULL;
    if (accept_op(p, ":") && !parse_slice_part(p, &slice->c))
        return NULL;
    return expect_op(p, "]") ? new_pair(p, JINJA_N_INDEX, a, slice) : NULL;
}

/* Arguments up to ")", which is consumed; false after a message. */
static bool parse_arguments(parser *p, jinja_node **list)
{
    jinja_node **tail = list;
    bool has_keywords = false;

    while (!accept_op(p, ")")) {
        if (*list && !accept_op(p, ","))
            return expect_op(p, ")");
        if (*list && accept_op(p, ")"))
            break;
        if (is_op(p, "*") || is_op(p, "**")) {
            (void)fail(p, EAI_ERR_UNSUPPORTED, "not supported in arguments:", p->at);
            return false;
        }
        if (p->at->kind == JINJA_T_NAME && is_text(p->at + 1, JINJA_T_OPERATOR, "=")) {
            jinja_node *keyword = new_node(p, JINJA_N_KEYWORD);

            if (!keyword)
                return false;
            keyword->value = jinja__string(p->at->s, p->at->n);
            p->at += 2;
            keyword->a = parse_expression(p);
            *tail = keyword->a ? keyword : NULL;
            has_keywords = true;
        } else if (has_keywords) {
            (void)syntax(p, "an argument without a name follows one with a name");
            return false;
        } else {
            *tail = parse_expression(p);
        }
        if (!*tail)
            return false;
        tail = &(*tail)->next;
    }
    return true;
}

static jinja_node *parse_call(parser *p, jinja_node *a)
{
    jinja_node *n = new_node(p, JINJA_N_CALL);

    if (!n || !parse_arguments(p, &n->list))
        return NULL;
    n->a = a;
    return n;
}

static jinja_node *parse_postfix(parser *p, jinja_node *n)
{
    for (size_t length = 0; n; length++) {
        if (length > JINJA_MAX_DEPTH)
            return fail(p, EAI_ERR_LIMIT, "an expression is too long", NULL);
        if (accept_op(p, "."))
            n = parse_attribute(p, n);
        else if (accept_op(p, "["))
            n = parse_index(p, n);
        else if (accept_op(p, "("))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

/* The name of a filter or test: names joined by dots. */
static bool parse_builtin_name(parser *p, jinja_node *n, const char *what)
{
    if (p->at->kind != JINJA_T_NAME) {
        (void)syntax(p, what);
        return false;
    }
    n->value = jinja__string(p->at->s, p->at->n);
    p->at++;
    return true;
}

/* Behind '|'. */
static jinja_node *parse_filter(parser *p, jinja_node *a)
{
    jinja_node *n = new_node(p, JINJA_N_FILTER);

    if (!n || !parse_builtin_name(p, n, "expected the name of a filter after '|'"))
        return NULL;
    n->a = a;
    if (accept_op(p, "(") && !parse_arguments(p, &n->list))
        return NULL;
    return n;
}

/* May the next token start a test's argument that has no brackets? */
static bool starts_argument(const parser *p)
{
    switch (p->at->kind) {
    case JINJA_T_STRING:
    case JINJA_T_INT:
    case JINJA_T_FLOAT:
        return true;
    case JINJA_T_NAME:
        return !is_word(p, "else") && !is_word(p, "or") && !is_word(p, "and") &&
               !is_word(p, "is") && !is_word(p, "if") && !is_word(p, "in") && !is_word(p, "not");
    case JINJA_T_OPERATOR:
        return is_op(p, "[") || is_op(p, "{");
    default:
        return false;
    }
}

/* Behind 'is'. */
static jinja_node *parse_test(parser *p, jinja_node *a)
{
    bool negated = accept_word(p, "not");
    jinja_node *n = new_node(p, JINJA_N_TEST);

    if (!n || !parse_builtin_name(p, n, "expected the name of a test after 'is'"))
        return NULL;
    n->a = a;
    if (accept_op(p, "(")) {
        if (!parse_arguments(p, &n->list))
            return NULL;
    } else if (starts_argument(p)) {
        n->list = parse_postfix(p, parse_primary(p));
        if (!n->list)
            return NULL;
    }
    jinja_node *result = negated ? new_node(p, JINJA_N_NOT) : n;
    if (negated && result)
        result->a = n;
    return result;
}

static jinja_node *parse_filters_and_tests(parser *p, jinja_node *n)
{
    for (size_t length = 0; n; length++) {
        if (length > JINJA_MAX_DEPTH)
            return fail(p, EAI_ERR_LIMIT, "an expression is too long", NULL);
        if (accept_op(p, "|"))
            n = parse_filter(p, n);
        else if (accept_word(p, "is"))
            n = parse_test(p, n);
        else if (accept_op(p, "("))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

/* --- operators --- */

static jinja_node *parse_unary(parser *p, bool with_filters)
{
    jinja_node *n = NULL;
    bool minus = is_op(p, "-");

    if (!enter(p))
        return NULL;
    if (minus || is_op(p, "+")) {
        n = new_node(p, minus ? JINJA_N_NEGATE : JINJA_N_PLUS);
        p->at++;
        if (n) {
            n->a = parse_unary(p, false);
            n = n->a ? n : NULL;
        }
    } else {
        n = parse_primary(p);
    }
    n = parse_postfix(p, n);
    if (with_filters)
        n = parse_filters_and_tests(p, n);
    p->depth--;
    return n;
}

typedef struct level {
    const char *text[4];
    jinja_op op[4];
} level;

/* From loose to tight. */
static const level levels[] = {
    {{"+", "-"}, {JINJA_OP_ADD, JINJA_OP_SUB}},
    {{"~"}, {JINJA_OP_CONCAT}},
    {{"*", "//", "/", "%"}, {JINJA_OP_MUL, JINJA_OP_FLOOR_DIV, JINJA_OP_DIV, JINJA_OP_MOD}},
    {{"**"}, {JINJA_OP_POW}},
};
#define N_LEVELS (sizeof(levels) / sizeof(levels[0]))

static jinja_op accept_level(parser *p, const level *l)
{
    for (size_t i = 0; i < 4 && l->text[i]; i++)
        if (accept_op(p, l->text[i]))
            return l->op[i];
    return JINJA_OP_NONE;
}

/* Left to right; the nesting of a long chain counts as depth, because the tree leans to the left.
 */
static jinja_node *parse_binary(parser *p, size_t at)
{
    jinja_op op;
    size_t length = 0;

    if (at == N_LEVELS)
        return parse_unary(p, true);
    jinja_node *n = parse_binary(p, at + 1);
    while (n && (op = accept_level(p, &levels[at])) != JINJA_OP_NONE) {
        if (++length > JINJA_MAX_DEPTH)
            return fail(p, EAI_ERR_LIMIT, "an expression is too long", NULL);
        n = new_pair(p, JINJA_N_BINARY, n, parse_binary(p, at + 1));
        if (n)
            n->op = op;
    }
    return n;
}

static jinja_op accept_comparison(parser *p)
{
    static const struct {
        const char *text;
        jinja_op op;
    } rows[] = {{"==", JINJA_OP_EQ}, {"!=", JINJA_OP_NE}, {"<", JINJA_OP_LT},
                {"<=", JINJA_OP_LE}, {">", JINJA_OP_GT},  {">=", JINJA_OP_GE}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (accept_op(p, rows[i].text))
            return rows[i].op;
    if (accept_word(p, "in"))
        return JINJA_OP_IN;
    if (is_word(p, "not") && is_text(p->at + 1, JINJA_T_NAME, "in")) {
        p->at += 2;
        return JINJA_OP_NOT_IN;
    }
    return JINJA_OP_NONE;
}

/* a < b < c is one node with two operands. */
static jinja_node *parse_comparison(parser *p)
{
    jinja_node *first = parse_binary(p, 0);
    jinja_op op = first ? accept_comparison(p) : JINJA_OP_NONE;

    if (!first || op == JINJA_OP_NONE)
        return first;
    jinja_node *n = new_node(p, JINJA_N_COMPARE);
    if (!n)
        return NULL;
    n->a = first;
    for (jinja_node **tail = &n->list; op != JINJA_OP_NONE; op = accept_comparison(p)) {
        jinja_node *operand = new_node(p, JINJA_N_OPERAND);

        if (!operand)
            return NULL;
        operand->op = op;
        operand->a = parse_binary(p, 0);
        if (!operand->a)
            return NULL;
        *tail = operand;
        tail = &operand->next;
    }
    return n;
}

static jinja_node *parse_not(parser *p)
{
    if (!is_word(p, "not"))
        return parse_comparison(p);
    jinja_node *n = new_node(p, JINJA_N_NOT);
    p->at++;
    if (!n || !enter(p))
        return NULL;
    n->a = parse_not(p);
    p->depth--;
    return n->a ? n : NULL;
}

static jinja_node *parse_and(parser *p)
{
    jinja_node *n = parse_not(p);

    for (size_t length = 0; n && accept_word(p, "and"); length++) {
        if (length > JINJA_MAX_DEPTH)
            return fail(p, EAI_ERR_LIMIT, "an expression is too long", NULL);
        n = new_pair(p, JINJA_N_AND, n, parse_not(p));
    }
    return n;
}

static jinja_node *parse_or(parser *p)
{
    jinja_node *n = parse_and(p);

    for (size_t length = 0; n && accept_word(p, "or"); length++) {
        if (length > JINJA_MAX_DEPTH)
            return fail(p, EAI_ERR_LIMIT, "an expression is too long", NULL);
        n = new_pair(p, JINJA_N_OR, n, parse_and(p));
    }
    return n;
}

static jinja_node *parse_expression(parser *p)
{
    if (!enter(p))
        return NULL;
    jinja_node *n = parse_or(p);
    for (size_t length = 0; n && accept_word(p, "if"); length++) {
        jinja_node *condition = parse_or(p);
        jinja_node *otherwise = condition && accept_word(p, "else") ? parse_expression(p) : NULL;
        jinja_node *whole = new_pair(p, JINJA_N_CONDITION, n, condition);

        if (length > JINJA_MAX_DEPTH)
            return fail(p, EAI_ERR_LIMIT, "an expression is too long", NULL);
        if (p->status != EAI_OK || !whole)
            return NULL;
        whole->c = otherwise;
        n = whole;
    }
    p->depth--;
    return n;
}

/* An expression, or several with commas between: a tuple without brackets. */
static jinja_node *parse_tuple(parser *p)
{
    jinja_node *first = parse_expression(p);

    if (!first || !is_op(p, ","))
        return first;
    jinja_node *tuple = new_node(p, JINJA_N_TUPLE);
    if (!tuple)
        return NULL;
    tuple->list = first;
    for (jinja_node **tail = &first->next; accept_op(p, ","); tail = &(*tail)->next) {
        if (p->at->kind == JINJA_T_BLOCK_END || p->at->kind == JINJA_T_VARIABLE_END)
            break;
        *tail = parse_expression(p);
        if (!*tail)
            return NULL;
    }
    return tuple;
}

/* --- statements --- */

static jinja_node *parse_body(parser *p, const char *const *ends, bool *ok);

static bool end_block(parser *p)
{
    if (p->at->kind == JINJA_T_BLOCK_END) {
        p->at++;
        return true;
    }
    (void)fail(p, EAI_ERR_FORMAT, "unexpected before '%}':", p->at);
    return false;
}

/* A body, and the {% word %} that ends it, with its '%}'. */
static bool parse_body_until(parser *p, jinja_node **body, const char *word)
{
    const char *const ends[] = {word, NULL};
    bool ok = false;

    *body = parse_body(p, ends, &ok);
    if (!ok)
        return false;
    p->at++;
    return end_block(p);
}

/* a, (a, b) or a.b: what set and for assign to. */
static jinja_node *parse_target(parser *p, bool with_attribute)
{
    jinja_node *first = NULL;
    jinja_node **tail = &first;
    bool brackets = accept_op(p, "(");
    bool is_tuple = brackets;

    do {
        if (p->at->kind != JINJA_T_NAME)
            return syntax(p, "expected the name of a variable");
        *tail = parse_name(p);
        if (!*tail)
            return NULL;
        if ((*tail)->kind != JINJA_N_NAME)
            return syntax(p, "a constant cannot be assigned to");
        if (with_attribute && first == *tail && accept_op(p, "."))
            return parse_attribute(p, first);
        tail = &(*tail)->next;
        is_tuple |= is_op(p, ",");
    } while (accept_op(p, ",") && p->at->kind == JINJA_T_NAME && !is_word(p, "in"));
    if (brackets && !expect_op(p, ")"))
        return NULL;
    if (!is_tuple)
        return first;
    jinja_node *n = new_node(p, JINJA_N_TUPLE);
    if (n)
        n->list = first;
    return n;
}

static jinja_node *parse_if(parser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    jinja_node *n = new_node(p, JINJA_N_IF);
    bool ok = true;
    bool has_condition = true;

    if (!n)
        return NULL;
    for (jinja_node **tail = &n->list;; tail = &(*tail)->next) {
        jinja_node *branch = new_node(p, JINJA_N_BRANCH);

        if (!branch)
            return NULL;
        *tail = branch;
        branch->a = has_condition ? parse_tuple(p) : NULL;
        if ((has_condition && !branch->a) || !end_block(p))
            return NULL;
        branch->list = parse_body(p, ends, &ok);
        if (!ok)
            return NULL;
        bool was_else = !has_condition;
        has_condition = is_word(p, "elif");
        if (accept_word(p, "endif"))
            return end_block(p) ? n : NULL;
        if (was_else)
            return syntax(p, "expected 'endif' after the 'else' part");
        p->at++;
    }
}

static jinja_node *parse_for(parser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    jinja_node *n = new_node(p, JINJA_N_FOR);
    bool ok = false;

    if (!n || !(n->a = parse_target(p, false)))
        return NULL;
    if (!accept_word(p, "in"))
        return syntax(p, "expected 'in' after the variable of 'for'");
    n->b = parse_or(p);
    if (!n->b)
        return NULL;
    if (accept_word(p, "if") && !(n->c = parse_expression(p)))
        return NULL;
    if (is_word(p, "recursive"))
        return fail(p, EAI_ERR_UNSUPPORTED, "not supported:", p->at);
    if (!end_block(p))
        return NULL;
    p->loops++;
    n->list = parse_body(p, ends, &ok);
    p->loops--;
    if (!ok)
        return NULL;
    if (accept_word(p, "endfor"))
        return end_block(p) ? n : NULL;
    p->at++;
    return end_block(p) && parse_body_until(p, &n->other, "endfor") ? n : NULL;
}

static jinja_node *parse_set(parser *p)
{
    jinja_node *target = parse_target(p, true);

    if (!target)
        return NULL;
    if (accept_op(p, "="))
        return new_pair(p, JINJA_N_SET, target, parse_tuple(p));
    jinja_node *n = new_node(p, JINJA_N_SET_BLOCK);
    if (!n)
        return NULL;
    n->a = target;
    while (accept_op(p, "|"))
        if (!(n->other = parse_filter(p, n->other)))
            return NULL;
    return end_block(p) && parse_body_until(p, &n->list, "endset") ? n : NULL;
}

static jinja_node *parse_macro(parser *p)
{
    jinja_node *n = new_node(p, JINJA_N_MACRO);
    jinja_node **tail = n ? &n->other : NULL;

    if (!n || p->at->kind != JINJA_T_NAME)
        return syntax(p, "expected a name after 'macro'");
    n->value = jinja__string(p->at->s, p->at->n);
    p->at++;
    if (!expect_op(p, "("))
        return NULL;
    while (!accept_op(p, ")")) {
        if (n->other && !accept_op(p, ","))
            return syntax(p, "expected ',' or ')'");
        if (p->at->kind != JINJA_T_NAME)
            return syntax(p, "expected the name of a parameter");
        jinja_node *parameter = parse_name(p);
        if (!parameter)
            return NULL;
        if (parameter->kind != JINJA_N_NAME)
            return syntax(p, "a constant cannot be a parameter");
        if (accept_op(p, "=") && !(parameter->a = parse_expression(p)))
            return NULL;
        *tail = parameter;
        tail = &parameter->next;
    }
    size_t loops = p->loops;
    p->loops = 0; /* break inside a macro does not end the caller's loop */
    bool ok = end_block(p) && parse_body_until(p, &n->list, "endmacro");
    p->loops = loops;
    return ok ? n : NULL;
}

/* {% generation %} marks what a trainer learns for transformers; here only its content counts. */
static jinja_node *parse_generation(parser *p)
{
    jinja_node *n = new_node(p, JINJA_N_IF);
    jinja_node *branch = n ? new_node(p, JINJA_N_BRANCH) : NULL;

    if (!branch)
        return NULL;
    n->list = branch;
    return end_block(p) && parse_body_until(p, &branch->list, "endgeneration") ? n : NULL;
}

static jinja_node *parse_jump(parser *p, jinja_node_kind kind)
{
    if (p->loops == 0)
        return syntax(p, "'break' or 'continue' outside of a loop");
    return new_node(p, kind);
}

/* Behind '{%'. *n may be NULL on success for statements without effect. */
static jinja_node *parse_statement(parser *p)
{
    jinja_node *n = NULL;

    if (p->at->kind != JINJA_T_NAME)
        return syntax(p, "expected a statement after '{%'");
    if (accept_word(p, "if"))
        return parse_if(p);
    if (accept_word(p, "for"))
        return parse_for(p);
    if (accept_word(p, "macro"))
        return parse_macro(p);
    if (accept_word(p, "generation"))
        return parse_generation(p);
    if (accept_word(p, "set")) {
        n = parse_set(p);
        return n && (n->kind == JINJA_N_SET_BLOCK || end_block(p)) ? n : NULL;
    }
    if (accept_word(p, "break"))
        n = parse_jump(p, JINJA_N_BREAK);
    else if (accept_word(p, "continue"))
        n = parse_jump(p, JINJA_N_CONTINUE);
    else
        return fail(p, EAI_ERR_UNSUPPORTED, "statement not supported here:", p->at);
    return n && end_block(p) ? n : NULL;
}

static jinja_node *parse_output(parser *p)
{
    jinja_node *n = new_node(p, JINJA_N_OUTPUT);

    if (!n || !(n->a = parse_tuple(p)))
        return NULL;
    if (p->at->kind != JINJA_T_VARIABLE_END)
        return fail(p, EAI_ERR_FORMAT, "unexpected before '}}':", p->at);
    p->at++;
    return n;
}

static bool is_end_word(const parser *p, const char *const *ends)
{
    for (size_t i = 0; ends[i]; i++)
        if (is_text(p->at + 1, JINJA_T_NAME, ends[i]))
            return true;
    return false;
}

/* Statements up to one of the words, whose token is then the current one; with `ends` empty up to
 * the end of the template. An empty body is NULL with *ok true. */
static jinja_node *parse_body(parser *p, const char *const *ends, bool *ok)
{
    jinja_node *first = NULL;
    jinja_node **tail = &first;

    *ok = false;
    if (!enter(p))
        return NULL;
    for (;;) {
        if (p->at->kind == JINJA_T_END) {
            if (ends[0])
                return fail(p, EAI_ERR_FORMAT, "the template ends inside a block",
                            &(jinja_token){.kind = JINJA_T_END});
            break;
        }
        if (p->at->kind == JINJA_T_BLOCK_BEGIN && is_end_word(p, ends)) {
            p->at++;
            break;
        }
        const jinja_token *t = p->at++;
        if (t->kind == JINJA_T_TEXT) {
            *tail = new_node(p, JINJA_N_TEXT);
            if (*tail)
                (*tail)->value = jinja__string(t->s, t->n);
        } else if (t->kind == JINJA_T_VARIABLE_BEGIN) {
            *tail = parse_output(p);
        } else {
            *tail = parse_statement(p);
        }
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    }
    p->depth--;
    *ok = true;
    return first;
}

eai_status jinja__parse(jinja_node **body, eai_arena *a, const jinja_tokens *tokens, eai_error *err)
{
    static const char *const ends[] = {NULL};
    parser p = {.arena = a, .at = tokens->at, .status = EAI_OK, .err = err};
    bool ok = false;

    *body = parse_body(&p, ends, &ok);
    return p.status;
}
