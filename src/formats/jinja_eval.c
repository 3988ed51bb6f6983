/* Nodes -> text. Expressions give a value, statements write to r->out; both stop at the first
 * failure, which r->err keeps.
 *
 * Scopes are as in Jinja2: a template, each turn of a loop and each macro call have one; if has
 * none. So a variable set inside a loop is gone after the turn, and a namespace() is what carries
 * values out. All values of a run live in its arena until the end; limits->memory_bytes bounds
 * that.
 *
 * Start at jinja__render(), then execute() and evaluate(). */
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/jinja_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

/* --- failing and counting --- */

bool jinja__fail(jinja_run *r, eai_status code, const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (r->status != EAI_OK)
        return false;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->status = eai_error_set(r->err, code, "line %d: %s", r->line, text);
    return false;
}

bool jinja__charge(jinja_run *r, size_t steps)
{
    if (steps <= r->limits->steps - r->steps) {
        r->steps += steps;
        return true;
    }
    return jinja__fail(r, EAI_ERR_LIMIT, "the template takes more than %zu steps",
                       r->limits->steps);
}

void *jinja__alloc(jinja_run *r, size_t n, size_t size)
{
    size_t bytes = 0;

    if (!eai_size_mul(&bytes, n, size) || bytes > r->limits->memory_bytes ||
        eai_arena_used(r->arena) > r->limits->memory_bytes - bytes) {
        (void)jinja__fail(r, EAI_ERR_LIMIT, "the template needs more than %zu bytes",
                          r->limits->memory_bytes);
        return NULL;
    }
    void *p = eai_arena_alloc(r->arena, bytes);
    if (!p)
        (void)jinja__fail(r, EAI_ERR_NOMEM, "no memory to run a template");
    return p;
}

static bool enter(jinja_run *r)
{
    if (++r->depth <= JINJA_MAX_DEPTH)
        return true;
    return jinja__fail(r, EAI_ERR_LIMIT, "the template calls or nests deeper than %d",
                       JINJA_MAX_DEPTH);
}

bool jinja__fail_undefined(jinja_run *r, const jinja_value *v)
{
    return jinja__fail(r, EAI_ERR_FORMAT, "'%.*s' is undefined", (int)(v->n < 64 ? v->n : 64),
                       v->u.s);
}

static bool evaluate(jinja_run *r, jinja_value *out, const jinja_node *n);
static bool execute(jinja_run *r, const jinja_node *first);

/* --- variables --- */

static jinja_variable *find_in_scope(const jinja_scope *s, const jinja_value *name)
{
    for (jinja_variable *v = s->first; v; v = v->next)
        if (v->n == name->n && memcmp(v->name, name->u.s, v->n) == 0)
            return v;
    return NULL;
}

static bool read_variable(jinja_run *r, jinja_value *out, const jinja_value *name)
{
    for (const jinja_scope *s = r->scope; s; s = s->parent) {
        const jinja_variable *v = find_in_scope(s, name);

        if (!jinja__charge(r, 1))
            return false;
        if (v) {
            *out = v->value;
            return true;
        }
    }
    const jinja_builtin *f = jinja__find_function(name);
    *out = f ? (jinja_value){.kind = JINJA_FUNCTION, .u.function = f}
             : jinja__undefined(name->u.s, name->n);
    return true;
}

static bool assign(jinja_run *r, const jinja_value *name, jinja_value value)
{
    jinja_variable *v = find_in_scope(r->scope, name);

    if (!v) {
        v = jinja__alloc(r, 1, sizeof(*v));
        if (!v)
            return false;
        *v = (jinja_variable){name->u.s, name->n, value, r->scope->first};
        r->scope->first = v;
    }
    v->value = value;
    return true;
}

static jinja_scope *new_scope(jinja_run *r, jinja_scope *parent)
{
    jinja_scope *s = jinja__alloc(r, 1, sizeof(*s));

    if (s)
        *s = (jinja_scope){parent, NULL};
    return s;
}

static bool assign_attribute(jinja_run *r, const jinja_node *target, jinja_value value)
{
    jinja_value owner = {.kind = JINJA_ABSENT};

    if (!evaluate(r, &owner, target->a))
        return false;
    if (owner.kind != JINJA_NAMESPACE)
        return jinja__fail(r, EAI_ERR_FORMAT,
                           "only attributes of a namespace can be set, not of %s",
                           jinja__kind_name(&owner));
    return jinja__put(r, owner.u.dict, target->value, value);
}

static bool assign_target(jinja_run *r, const jinja_node *target, jinja_value value)
{
    jinja_list *items = NULL;
    size_t i = 0;

    if (target->kind == JINJA_N_NAME)
        return assign(r, &target->value, value);
    if (target->kind == JINJA_N_ATTRIBUTE)
        return assign_attribute(r, target, value);
    if (!jinja__to_list(r, &items, &value))
        return false;
    for (const jinja_node *t = target->list; t; t = t->next, i++)
        if (i < items->n && !assign(r, &t->value, items->items[i]))
            return false;
    if (i != items->n)
        return jinja__fail(r, EAI_ERR_FORMAT, "%zu values for %zu variables", items->n, i);
    return true;
}

/* --- attributes, items, slices --- */

static bool loop_attribute(jinja_run *r, jinja_value *out, const jinja_loop *loop,
                           const jinja_value *name)
{
    size_t n = loop->items->n;
    size_t at = loop->at;
    const struct {
        const char *name;
        jinja_value value;
    } rows[] = {
        {"index", jinja__int((int64_t)at + 1)},
        {"index0", jinja__int((int64_t)at)},
        {"revindex", jinja__int((int64_t)(n - at))},
        {"revindex0", jinja__int((int64_t)(n - at) - 1)},
        {"first", jinja__bool(at == 0)},
        {"last", jinja__bool(at + 1 == n)},
        {"length", jinja__int((int64_t)n)},
        {"depth", jinja__int(1)},
        {"depth0", jinja__int(0)},
        {"previtem", at > 0 ? loop->items->items[at - 1] : jinja__undefined("loop.previtem", 13)},
        {"nextitem",
         at + 1 < n ? loop->items->items[at + 1] : jinja__undefined("loop.nextitem", 13)},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (jinja__same_text(name, rows[i].name)) {
            *out = rows[i].value;
            return true;
        }
    }
    return jinja__fail(r, EAI_ERR_UNSUPPORTED, "loop.%.*s is not supported",
                       (int)(name->n < 64 ? name->n : 64), name->u.s);
}

static bool bind_method(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_builtin *f)
{
    jinja_method *m = jinja__alloc(r, 1, sizeof(*m));

    if (!m)
        return false;
    *m = (jinja_method){*self, f};
    *out = (jinja_value){.kind = JINJA_METHOD, .u.method = m};
    return true;
}

bool jinja__attribute(jinja_run *r, jinja_value *out, const jinja_value *v, const jinja_value *name)
{
    jinja_value *found = NULL;
    const jinja_builtin *f = jinja__find_method(v, name);

    if (v->kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, v);
    if (f)
        return bind_method(r, out, v, f);
    if (v->kind == JINJA_LOOP)
        return loop_attribute(r, out, v->u.loop, name);
    if ((v->kind == JINJA_DICT || v->kind == JINJA_NAMESPACE) &&
        !jinja__get(r, &found, v->u.dict, name))
        return false;
    *out = found ? *found : jinja__undefined(name->u.s, name->n);
    return true;
}

static bool list_item(jinja_value *out, const jinja_list *list, int64_t i)
{
    int64_t n = (int64_t)list->n;

    i = i < 0 ? i + n : i;
    *out = i >= 0 && i < n ? list->items[i] : jinja__undefined("item of a list", 14);
    return true;
}

bool jinja__item(jinja_run *r, jinja_value *out, const jinja_value *v, const jinja_value *key)
{
    jinja_value *found = NULL;
    jinja_list *characters = NULL;

    if (v->kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, v);
    if (v->kind == JINJA_LIST && jinja__is_integer(key))
        return list_item(out, v->u.list, jinja__integer_of(key));
    if (v->kind == JINJA_STRING && jinja__is_integer(key))
        return jinja__to_list(r, &characters, v) &&
               list_item(out, characters, jinja__integer_of(key));
    if (v->kind == JINJA_DICT && !jinja__get(r, &found, v->u.dict, key))
        return false;
    if (found) {
        *out = *found;
        return true;
    }
    if (key->kind == JINJA_STRING)
        return jinja__attribute(r, out, v, key);
    *out = jinja__undefined("item", 4);
    return true;
}

/* One bound of a slice; *given false when it is left out or none. */
static bool slice_bound(jinja_run *r, int64_t *out, bool *given, const jinja_node *n)
{
    jinja_value v = jinja__none();

    if (n && !evaluate(r, &v, n))
        return false;
    *given = v.kind != JINJA_NONE;
    if (!*given)
        return true;
    if (!jinja__is_integer(&v))
        return jinja__fail(r, EAI_ERR_FORMAT, "a slice needs integers, not %s",
                           jinja__kind_name(&v));
    *out = jinja__integer_of(&v);
    return true;
}

static int64_t clamp(int64_t i, int64_t n, int64_t low, int64_t high)
{
    i = i < 0 ? (i < -n ? -n - 1 : i) + n : i;
    return i < low ? low : i > high ? high : i;
}

static bool slice(jinja_run *r, jinja_value *out, const jinja_value *v, const jinja_node *bounds)
{
    int64_t start = 0;
    int64_t stop = 0;
    int64_t step = 1;
    bool given[3];
    jinja_list *items = NULL;
    jinja_value result = {.kind = JINJA_ABSENT};

    if (v->kind != JINJA_LIST && v->kind != JINJA_STRING)
        return v->kind == JINJA_UNDEFINED
                   ? jinja__fail_undefined(r, v)
                   : jinja__fail(r, EAI_ERR_FORMAT, "%s cannot be sliced", jinja__kind_name(v));
    if (!slice_bound(r, &start, &given[0], bounds->a) ||
        !slice_bound(r, &stop, &given[1], bounds->b) ||
        !slice_bound(r, &step, &given[2], bounds->c) || !jinja__to_list(r, &items, v))
        return false;
    if (step == 0 || step == INT64_MIN)
        return jinja__fail(r, EAI_ERR_FORMAT, "the step of a slice is 0");
    int64_t n = (int64_t)items->n;
    int64_t low = step < 0 ? -1 : 0;
    int64_t high = step < 0 ? n - 1 : n;
    start = given[0] ? clamp(start, n, low, high) : step < 0 ? high : low;
    stop = given[1] ? clamp(stop, n, low, high) : step < 0 ? low : high;
    if (!jinja__new_list(r, &result, 0, v->kind == JINJA_LIST && v->u.list->is_tuple))
        return false;
    size_t bytes = 0;
    for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
        if (!jinja__append(r, result.u.list, items->items[i]))
            return false;
        bytes += items->items[i].n;
        if (step > 0 ? step >= stop - i : step <= stop - i)
            break;
        i += step;
    }
    *out = result;
    if (v->kind == JINJA_LIST)
        return true;
    char *text = jinja__alloc(r, bytes + 1, 1);
    if (!text)
        return false;
    *out = jinja__string(text, bytes);
    for (size_t i = 0; i < result.u.list->n; i++) {
        memcpy(text, result.u.list->items[i].u.s, result.u.list->items[i].n);
        text += result.u.list->items[i].n;
    }
    return true;
}

static bool evaluate_index(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value v = {.kind = JINJA_ABSENT};
    jinja_value key = {.kind = JINJA_ABSENT};

    if (!evaluate(r, &v, n->a))
        return false;
    if (n->b->kind == JINJA_N_SLICE)
        return slice(r, out, &v, n->b);
    return evaluate(r, &key, n->b) && jinja__item(r, out, &v, &key);
}

/* --- operators --- */

static bool evaluate_binary(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value a = {.kind = JINJA_ABSENT};
    jinja_value b = {.kind = JINJA_ABSENT};

    if (!evaluate(r, &a, n->a) || !evaluate(r, &b, n->b))
        return false;
    r->line = n->line;
    return jinja__operate(r, out, n->op, &a, &b);
}

static bool evaluate_comparison(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value left = {.kind = JINJA_ABSENT};
    bool holds = true;

    if (!evaluate(r, &left, n->a))
        return false;
    for (const jinja_node *operand = n->list; operand && holds; operand = operand->next) {
        jinja_value right = {.kind = JINJA_ABSENT};

        if (!evaluate(r, &right, operand->a) || !jinja__hold(r, &holds, operand->op, &left, &right))
            return false;
        left = right;
    }
    *out = jinja__bool(holds);
    return true;
}

static bool evaluate_sign(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value v = {.kind = JINJA_ABSENT};

    return evaluate(r, &v, n->a) && jinja__sign(r, out, &v, n->kind == JINJA_N_NEGATE);
}

static bool evaluate_logic(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    if (!evaluate(r, out, n->a))
        return false;
    if (n->kind == JINJA_N_NOT) {
        *out = jinja__bool(!jinja__truth(out));
        return true;
    }
    if (jinja__truth(out) == (n->kind == JINJA_N_OR))
        return true; /* the first operand decides */
    return evaluate(r, out, n->b);
}

static bool evaluate_condition(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value condition = {.kind = JINJA_ABSENT};

    if (!evaluate(r, &condition, n->b))
        return false;
    if (jinja__truth(&condition))
        return evaluate(r, out, n->a);
    if (n->c)
        return evaluate(r, out, n->c);
    *out = jinja__undefined("an if without else", 18);
    return true;
}

/* --- containers --- */

static bool evaluate_list(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value list = {.kind = JINJA_ABSENT};

    if (!jinja__new_list(r, &list, 0, n->kind == JINJA_N_TUPLE))
        return false;
    for (const jinja_node *item = n->list; item; item = item->next) {
        jinja_value v = {.kind = JINJA_ABSENT};

        if (!evaluate(r, &v, item) || !jinja__append(r, list.u.list, v))
            return false;
    }
    *out = list;
    return true;
}

static bool evaluate_dict(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value dict = {.kind = JINJA_ABSENT};

    if (!jinja__new_dict(r, &dict, JINJA_DICT))
        return false;
    for (const jinja_node *pair = n->list; pair; pair = pair->next) {
        jinja_value key = {.kind = JINJA_ABSENT};
        jinja_value value = {.kind = JINJA_ABSENT};

        if (!evaluate(r, &key, pair->a) || !evaluate(r, &value, pair->b) ||
            !jinja__put(r, dict.u.dict, key, value))
            return false;
    }
    *out = dict;
    return true;
}

/* --- calls --- */

static bool evaluate_arguments(jinja_run *r, jinja_arguments *out, const jinja_node *first)
{
    jinja_value positional = {.kind = JINJA_ABSENT};
    jinja_value keywords = {.kind = JINJA_ABSENT};

    if (!jinja__new_list(r, &positional, 0, true) || !jinja__new_dict(r, &keywords, JINJA_DICT))
        return false;
    for (const jinja_node *n = first; n; n = n->next) {
        jinja_value v = {.kind = JINJA_ABSENT};
        bool is_keyword = n->kind == JINJA_N_KEYWORD;

        if (!evaluate(r, &v, is_keyword ? n->a : n))
            return false;
        if (is_keyword ? !jinja__put(r, keywords.u.dict, n->value, v)
                       : !jinja__append(r, positional.u.list, v))
            return false;
    }
    *out = (jinja_arguments){positional.u.list, keywords.u.dict};
    return true;
}

static bool bind_parameters(jinja_run *r, const jinja_node *macro, const jinja_arguments *a)
{
    size_t i = 0;
    size_t n_used = 0;

    for (const jinja_node *p = macro->other; p; p = p->next, i++) {
        jinja_value *given = NULL;
        jinja_value value = jinja__undefined(p->value.u.s, p->value.n);

        if (!jinja__get(r, &given, a->keywords, &p->value))
            return false;
        n_used += given != NULL;
        if (i < a->positional->n)
            value = a->positional->items[i];
        else if (given)
            value = *given;
        else if (p->a && !evaluate(r, &value, p->a))
            return false;
        if (!assign(r, &p->value, value))
            return false;
    }
    if (a->positional->n > i || n_used != a->keywords->n)
        return jinja__fail(r, EAI_ERR_FORMAT, "macro '%.*s' does not take these arguments",
                           (int)(macro->value.n < 64 ? macro->value.n : 64), macro->value.u.s);
    return true;
}

/* Runs a body with its output going into a string. */
static bool capture(jinja_run *r, jinja_value *out, const jinja_node *body)
{
    eai_strbuf b;
    eai_strbuf *outer = r->out;

    eai_strbuf_init(&b, r->limits->output_bytes);
    r->out = &b;
    bool ok = execute(r, body);
    r->out = outer;
    if (ok)
        return jinja__take_buffer(r, out, &b);
    eai_strbuf_deinit(&b);
    return false;
}

static bool call_macro(jinja_run *r, jinja_value *out, const jinja_macro *m,
                       const jinja_arguments *a)
{
    jinja_scope *caller = r->scope;
    jinja_scope *scope = new_scope(r, m->scope);

    if (!scope || !enter(r))
        return false;
    r->scope = scope;
    bool ok = bind_parameters(r, m->node, a) && capture(r, out, m->node->list);
    r->scope = caller;
    r->depth--;
    return ok;
}

static bool evaluate_callee(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value self = {.kind = JINJA_ABSENT};

    if (n->kind != JINJA_N_ATTRIBUTE)
        return evaluate(r, out, n);
    if (!evaluate(r, &self, n->a) || !jinja__attribute(r, out, &self, &n->value))
        return false;
    if (out->kind != JINJA_UNDEFINED)
        return true;
    return jinja__fail(r, EAI_ERR_UNSUPPORTED, "method '%.*s' of %s is not supported",
                       (int)(n->value.n < 64 ? n->value.n : 64), n->value.u.s,
                       jinja__kind_name(&self));
}

static bool evaluate_call(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value callee = {.kind = JINJA_ABSENT};
    jinja_arguments arguments;

    if (!evaluate_callee(r, &callee, n->a))
        return false;
    if (callee.kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, &callee);
    if (!evaluate_arguments(r, &arguments, n->list))
        return false;
    r->line = n->line;
    switch (callee.kind) {
    case JINJA_FUNCTION:
        return jinja__call_builtin(r, out, callee.u.function, NULL, &arguments);
    case JINJA_METHOD:
        return jinja__call_builtin(r, out, callee.u.method->function, &callee.u.method->self,
                                   &arguments);
    case JINJA_MACRO:
        return call_macro(r, out, callee.u.macro, &arguments);
    default:
        return jinja__fail(r, EAI_ERR_FORMAT, "%s cannot be called", jinja__kind_name(&callee));
    }
}

static bool evaluate_filter(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    bool is_test = n->kind == JINJA_N_TEST;
    const jinja_builtin *f = is_test ? jinja__find_test(&n->value) : jinja__find_filter(&n->value);
    jinja_value self = r->captured;
    jinja_arguments arguments;

    if (n->a && !evaluate(r, &self, n->a))
        return false;
    r->line = n->line;
    if (!f)
        return jinja__fail(r, EAI_ERR_UNSUPPORTED, "%s '%.*s' is not supported",
                           is_test ? "test" : "filter", (int)(n->value.n < 64 ? n->value.n : 64),
                           n->value.u.s);
    if (!evaluate_arguments(r, &arguments, n->list))
        return false;
    return jinja__call_builtin(r, out, f, &self, &arguments);
}

/* --- expressions --- */

static bool evaluate_kind(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    jinja_value v = {.kind = JINJA_ABSENT};

    switch (n->kind) {
    case JINJA_N_LITERAL:
        *out = n->value;
        return true;
    case JINJA_N_NAME:
        return read_variable(r, out, &n->value);
    case JINJA_N_LIST:
    case JINJA_N_TUPLE:
        return evaluate_list(r, out, n);
    case JINJA_N_DICT:
        return evaluate_dict(r, out, n);
    case JINJA_N_ATTRIBUTE:
        return evaluate(r, &v, n->a) && jinja__attribute(r, out, &v, &n->value);
    case JINJA_N_INDEX:
        return evaluate_index(r, out, n);
    case JINJA_N_CALL:
        return evaluate_call(r, out, n);
    case JINJA_N_FILTER:
    case JINJA_N_TEST:
        return evaluate_filter(r, out, n);
    case JINJA_N_NOT:
    case JINJA_N_AND:
    case JINJA_N_OR:
        return evaluate_logic(r, out, n);
    case JINJA_N_NEGATE:
    case JINJA_N_PLUS:
        return evaluate_sign(r, out, n);
    case JINJA_N_BINARY:
        return evaluate_binary(r, out, n);
    case JINJA_N_COMPARE:
        return evaluate_comparison(r, out, n);
    case JINJA_N_CONDITION:
        return evaluate_condition(r, out, n);
    default:
        return jinja__fail(r, EAI_ERR_INTERNAL, "node %d is no expression", (int)n->kind);
    }
}

static bool evaluate(jinja_run *r, jinja_value *out, const jinja_node *n)
{
    r->line = n->line;
    if (!jinja__charge(r, 1) || !enter(r))
        return false;
    bool ok = evaluate_kind(r, out, n);
    r->depth--;
    return ok;
}

/* --- statements --- */

static bool write_out(jinja_run *r, const jinja_value *text)
{
    eai_strbuf_bytes(r->out, text->u.s, text->n);
    if (r->out->status == EAI_ERR_NOMEM)
        return jinja__fail(r, EAI_ERR_NOMEM, "no memory for a text of more than %zu bytes",
                           r->out->length);
    if (r->out->status != EAI_OK)
        return jinja__fail(r, r->out->status, "the text is longer than %zu bytes",
                           r->limits->output_bytes);
    return jinja__charge(r, 1 + text->n / 64);
}

static bool execute_output(jinja_run *r, const jinja_node *n)
{
    jinja_value v = {.kind = JINJA_ABSENT};

    return evaluate(r, &v, n->a) && jinja__to_string(r, &v, &v) && write_out(r, &v);
}

static bool execute_if(jinja_run *r, const jinja_node *n)
{
    for (const jinja_node *branch = n->list; branch; branch = branch->next) {
        jinja_value condition = jinja__bool(true);

        if (branch->a && !evaluate(r, &condition, branch->a))
            return false;
        if (jinja__truth(&condition))
            return execute(r, branch->list);
    }
    return true;
}

/* The items for which the loop's condition holds. */
static bool filter_items(jinja_run *r, jinja_list **items, const jinja_node *n)
{
    jinja_scope *outer = r->scope;
    jinja_value kept = {.kind = JINJA_ABSENT};

    if (!jinja__new_list(r, &kept, 0, false))
        return false;
    for (size_t i = 0; i < (*items)->n; i++) {
        jinja_value holds = {.kind = JINJA_ABSENT};

        r->scope = new_scope(r, outer);
        if (!r->scope || !assign_target(r, n->a, (*items)->items[i]) ||
            !evaluate(r, &holds, n->c) ||
            (jinja__truth(&holds) && !jinja__append(r, kept.u.list, (*items)->items[i])))
            return false;
    }
    r->scope = outer;
    *items = kept.u.list;
    return true;
}

static bool execute_for(jinja_run *r, const jinja_node *n)
{
    static const jinja_value loop_name = {.kind = JINJA_STRING, .n = 4, .u.s = "loop"};
    jinja_scope *outer = r->scope;
    jinja_value iterable = {.kind = JINJA_ABSENT};
    jinja_list *items = NULL;

    if (!evaluate(r, &iterable, n->b) || !jinja__to_list(r, &items, &iterable))
        return false;
    if (n->c && !filter_items(r, &items, n))
        return false;
    jinja_loop *loop = jinja__alloc(r, 1, sizeof(*loop));
    if (!loop)
        return false;
    *loop = (jinja_loop){items, 0};
    for (size_t i = 0; i < items->n && r->jump != JINJA_JUMP_BREAK; i++) {
        loop->at = i;
        r->jump = JINJA_JUMP_NONE;
        r->scope = new_scope(r, outer);
        if (!r->scope ||
            !assign(r, &loop_name, (jinja_value){.kind = JINJA_LOOP, .u.loop = loop}) ||
            !assign_target(r, n->a, items->items[i]) || !execute(r, n->list))
            return false;
    }
    r->jump = JINJA_JUMP_NONE;
    r->scope = outer;
    if (items->n > 0)
        return true;
    r->scope = new_scope(r, outer);
    bool ok = r->scope && execute(r, n->other);
    r->scope = outer;
    return ok;
}

static bool execute_set(jinja_run *r, const jinja_node *n)
{
    jinja_value v = {.kind = JINJA_ABSENT};

    if (n->kind == JINJA_N_SET) {
        if (!evaluate(r, &v, n->b))
            return false;
    } else {
        if (!capture(r, &v, n->list))
            return false;
        r->captured = v;
        if (n->other && !evaluate(r, &v, n->other))
            return false;
    }
    r->line = n->line;
    return assign_target(r, n->a, v);
}

static bool execute_macro(jinja_run *r, const jinja_node *n)
{
    jinja_macro *m = jinja__alloc(r, 1, sizeof(*m));

    if (!m)
        return false;
    *m = (jinja_macro){n, r->scope};
    return assign(r, &n->value, (jinja_value){.kind = JINJA_MACRO, .u.macro = m});
}

static bool execute_one(jinja_run *r, const jinja_node *n)
{
    switch (n->kind) {
    case JINJA_N_TEXT:
        return write_out(r, &n->value);
    case JINJA_N_OUTPUT:
        return execute_output(r, n);
    case JINJA_N_IF:
        return execute_if(r, n);
    case JINJA_N_FOR:
        return execute_for(r, n);
    case JINJA_N_SET:
    case JINJA_N_SET_BLOCK:
        return execute_set(r, n);
    case JINJA_N_MACRO:
        return execute_macro(r, n);
    case JINJA_N_BREAK:
        r->jump = JINJA_JUMP_BREAK;
        return true;
    case JINJA_N_CONTINUE:
        r->jump = JINJA_JUMP_CONTINUE;
        return true;
    default:
        return jinja__fail(r, EAI_ERR_INTERNAL, "node %d is no statement", (int)n->kind);
    }
}

/* A chain of statements, up to a jump. */
static bool execute(jinja_run *r, const jinja_node *first)
{
    if (!enter(r))
        return false;
    for (const jinja_node *n = first; n && r->jump == JINJA_JUMP_NONE; n = n->next) {
        r->line = n->line;
        if (!jinja__charge(r, 1) || !execute_one(r, n))
            return false;
    }
    r->depth--;
    return true;
}

/* --- a run --- */

static bool define_variables(jinja_run *r, const json_t *variables)
{
    jinja_value all = {.kind = JINJA_ABSENT};

    if (!jinja__from_json(r, &all, variables, 0))
        return false;
    if (all.kind != JINJA_DICT)
        return jinja__fail(r, EAI_ERR_ARGUMENT, "the variables of a template are not an object");
    for (size_t i = 0; i < all.u.dict->n; i++)
        if (!assign(r, &all.u.dict->entries[i].key, all.u.dict->entries[i].value))
            return false;
    return true;
}

eai_status jinja__render(char **text, size_t *n, const jinja_template *t, const json_t *variables,
                         const jinja_limits *limits, eai_error *err)
{
    static const jinja_limits default_limits = JINJA_LIMITS_INIT;
    jinja_run r = {.limits = limits ? limits : &default_limits, .line = 1, .err = err};
    eai_strbuf out;

    *text = NULL;
    if (n)
        *n = 0;
    eai_strbuf_init(&out, r.limits->output_bytes);
    r.out = &out;
    r.arena = eai_arena_create(0);
    if (!r.arena) {
        r.status = eai_error_set(err, EAI_ERR_NOMEM, "no memory to run a template");
        goto done;
    }
    r.scope = new_scope(&r, NULL);
    if (!r.scope || !define_variables(&r, variables) || !execute(&r, t->body))
        goto done;
    eai_strbuf_text(&out, ""); /* an empty text is a text */
    *text = eai_strbuf_take(&out, n);
    if (!*text)
        (void)jinja__fail(&r, EAI_ERR_NOMEM, "no memory for a text");
done:
    eai_strbuf_deinit(&out);
    eai_arena_free(r.arena);
    return r.status;
}

eai_status jinja__template_parse(jinja_template **out, const char *source, size_t n, eai_error *err)
{
    eai_status st = EAI_OK;
    jinja_template *t = eai_alloc_zeroed(1, sizeof(*t));
    jinja_tokens tokens = {NULL, 0, 0};

    *out = NULL;
    if (t)
        t->arena = eai_arena_create(0);
    if (!t || !t->arena) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a template");
        goto done;
    }
    st = jinja__lex(&tokens, t->arena, source, n, err);
    if (st == EAI_OK)
        st = jinja__parse(&t->body, t->arena, &tokens, err);
    if (st != EAI_OK)
        goto done;
    *out = t;
    t = NULL;
done:
    jinja__template_free(t);
    return st;
}

void jinja__template_free(jinja_template *t)
{
    if (!t)
        return;
    eai_arena_free(t->arena);
    eai_free(t);
}
