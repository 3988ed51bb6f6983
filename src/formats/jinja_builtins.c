/* Filters, tests, methods and functions: tables of rows {name, C function, parameters}.
 * Those that work on text are in jinja_text.c, the tests in jinja_tests.c.
 *
 * To add one: write a function that gets `self` (what stands before '|', 'is' or '.') and its
 * arguments in the order of the row's parameters, and add the row. A row's parameters bind
 * positional and named arguments alike (see jinja_builtin in jinja_internal.h), so no function
 * counts arguments itself.
 *
 * Text is Unicode: lengths, positions and white space are those of characters. Only the case of
 * ASCII letters can be changed; for other letters that have a case, upper() and its like fail and
 * say so.
 *
 * Start at the tables at the end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/jinja_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

bool jinja__is_given(const jinja_value *v)
{
    return v->kind != JINJA_ABSENT && v->kind != JINJA_NONE;
}

bool jinja__need_string(jinja_run *r, const jinja_value *v, const char *who)
{
    if (v->kind == JINJA_STRING)
        return true;
    return jinja__fail(r, EAI_ERR_FORMAT, "%s needs a string, not %s", who, jinja__kind_name(v));
}

/* An integer argument with a default. */
bool jinja__read_int(jinja_run *r, int64_t *out, const jinja_value *v, int64_t standard,
                     const char *who)
{
    *out = standard;
    if (!jinja__is_given(v))
        return true;
    if (v->kind != JINJA_INT && v->kind != JINJA_BOOL)
        return jinja__fail(r, EAI_ERR_FORMAT, "%s needs an integer, not %s", who,
                           jinja__kind_name(v));
    *out = v->kind == JINJA_INT ? v->u.i : v->u.b;
    return true;
}

/* --- joining --- */

/* An attribute path of map, join, selectattr: "a.b.0". */
static bool follow_path(jinja_run *r, jinja_value *out, const jinja_value *v,
                        const jinja_value *path)
{
    jinja_value at = *v;

    if (path->kind == JINJA_INT)
        return jinja__item(r, out, v, path);
    if (!jinja__need_string(r, path, "an attribute"))
        return false;
    for (size_t start = 0; start <= path->n;) {
        const char *dot = memchr(path->u.s + start, '.', path->n - start);
        size_t end = dot ? (size_t)(dot - path->u.s) : path->n;
        jinja_value key = jinja__string(path->u.s + start, end - start);
        int64_t index = 0;
        bool digits = key.n > 0 && key.n < 10;

        for (size_t i = 0; i < key.n; i++) {
            digits = digits && key.u.s[i] >= '0' && key.u.s[i] <= '9';
            index = digits ? index * 10 + (key.u.s[i] - '0') : 0;
        }
        if (digits)
            key = jinja__int(index);
        if (!jinja__item(r, &at, &at, &key))
            return false;
        start = end + 1;
    }
    *out = at;
    return true;
}

bool jinja__join(jinja_run *r, jinja_value *out, const jinja_list *items,
                 const jinja_value *separator, const jinja_value *attribute)
{
    eai_strbuf b;
    bool ok = true;

    eai_strbuf_init(&b, r->limits->memory_bytes);
    for (size_t i = 0; ok && i < items->n; i++) {
        jinja_value item = items->items[i];

        ok = jinja__charge(r, 1) &&
             (!jinja__is_given(attribute) || follow_path(r, &item, &item, attribute)) &&
             jinja__to_string(r, &item, &item);
        if (ok && i && separator->kind == JINJA_STRING)
            eai_strbuf_bytes(&b, separator->u.s, separator->n);
        if (ok)
            eai_strbuf_bytes(&b, item.u.s, item.n);
    }
    if (ok)
        return jinja__take_buffer(r, out, &b);
    eai_strbuf_deinit(&b);
    return false;
}

static bool filter_join(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    jinja_list *items = NULL;
    jinja_value separator = JINJA_STRING_OF("");

    if (jinja__is_given(&args[0]) && !jinja__to_string(r, &separator, &args[0]))
        return false;
    return jinja__to_list(r, &items, self) && jinja__join(r, out, items, &separator, &args[1]);
}

/* --- filters --- */

static bool filter_default(jinja_run *r, jinja_value *out, const jinja_value *self,
                           const jinja_value *args)
{
    bool use = self->kind == JINJA_UNDEFINED || (jinja__truth(&args[1]) && !jinja__truth(self));

    (void)r;
    *out = *self;
    if (use)
        *out = args[0].kind == JINJA_ABSENT ? JINJA_STRING_OF("") : args[0];
    return true;
}

static bool filter_length(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    jinja_list *items = NULL;

    (void)args;
    if (self->kind == JINJA_STRING) {
        *out = jinja__int((int64_t)jinja__count_characters(self));
        return jinja__charge(r, self->n / 16);
    }
    if (!jinja__to_list(r, &items, self))
        return false;
    *out = jinja__int((int64_t)items->n);
    return true;
}

static bool filter_first(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    jinja_list *items = NULL;

    (void)args;
    if (!jinja__to_list(r, &items, self))
        return false;
    *out = items->n ? items->items[0] : jinja__undefined("first item of nothing", 21);
    return true;
}

static bool filter_last(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    jinja_list *items = NULL;

    (void)args;
    if (!jinja__to_list(r, &items, self))
        return false;
    *out = items->n ? items->items[items->n - 1] : jinja__undefined("last item of nothing", 20);
    return true;
}

static bool filter_list(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    jinja_list *items = NULL;

    (void)args;
    if (!jinja__to_list(r, &items, self) || !jinja__charge(r, items->n) ||
        !jinja__new_list(r, out, items->n, false))
        return false;
    for (size_t i = 0; i < items->n; i++)
        out->u.list->items[i] = items->items[i];
    out->u.list->n = items->n;
    return true;
}

static bool filter_reverse(jinja_run *r, jinja_value *out, const jinja_value *self,
                           const jinja_value *args)
{
    jinja_list *items = NULL;
    const jinja_value separator = JINJA_STRING_OF("");
    const jinja_value none = jinja__none();

    (void)args;
    if (!jinja__to_list(r, &items, self) || !jinja__charge(r, items->n) ||
        !jinja__new_list(r, out, items->n, false))
        return false;
    for (size_t i = 0; i < items->n; i++)
        out->u.list->items[items->n - 1 - i] = items->items[i];
    out->u.list->n = items->n;
    return self->kind != JINJA_STRING || jinja__join(r, out, out->u.list, &separator, &none);
}

/* What an item is sorted by: itself or an attribute of it, in lower case unless case counts. */
static bool sort_key(jinja_run *r, jinja_value *out, const jinja_value *item,
                     const jinja_value *attribute, bool case_sensitive)
{
    *out = *item;
    if (jinja__is_given(attribute) && !follow_path(r, out, item, attribute))
        return false;
    return case_sensitive || out->kind != JINJA_STRING || jinja__lower(r, out, out);
}

/* Stable, by insertion from the right: lists of a template are short, and steps bound the rest. */
static bool sort_by_keys(jinja_run *r, jinja_list *list, jinja_value *keys, bool reverse)
{
    for (size_t i = 1; i < list->n; i++) {
        jinja_value item = list->items[i];
        jinja_value key = keys[i];
        size_t at = i;

        for (; at > 0; at--) {
            int order = 0;

            if (!jinja__charge(r, 1) || !jinja__compare(r, &order, &keys[at - 1], &key))
                return false;
            if (reverse ? order >= 0 : order <= 0)
                break;
            list->items[at] = list->items[at - 1];
            keys[at] = keys[at - 1];
        }
        list->items[at] = item;
        keys[at] = key;
    }
    return true;
}

/* sort(reverse=false, case_sensitive=false, attribute=none) */
static bool filter_sort(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    if (!filter_list(r, out, self, NULL))
        return false;
    jinja_list *list = out->u.list;
    jinja_value *keys = jinja__alloc(r, list->n, sizeof(*keys));
    if (!keys)
        return false;
    for (size_t i = 0; i < list->n; i++)
        if (!sort_key(r, &keys[i], &list->items[i], &args[2], jinja__truth(&args[1])))
            return false;
    return sort_by_keys(r, list, keys, jinja__truth(&args[0]));
}

static bool pairs_of(jinja_run *r, jinja_value *out, const jinja_dict *d)
{
    if (!jinja__charge(r, d->n) || !jinja__new_list(r, out, d->n, false))
        return false;
    for (size_t i = 0; i < d->n; i++) {
        jinja_value pair;

        if (!jinja__new_list(r, &pair, 2, true) ||
            !jinja__append(r, pair.u.list, d->entries[i].key) ||
            !jinja__append(r, pair.u.list, d->entries[i].value) ||
            !jinja__append(r, out->u.list, pair))
            return false;
    }
    return true;
}

static bool filter_items(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    (void)args;
    if (self->kind == JINJA_UNDEFINED)
        return jinja__new_list(r, out, 0, false);
    if (self->kind != JINJA_DICT)
        return jinja__fail(r, EAI_ERR_FORMAT, "items needs a dict, not %s", jinja__kind_name(self));
    return pairs_of(r, out, self->u.dict);
}

static bool filter_string(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    (void)args;
    return jinja__to_string(r, out, self);
}

/* The trimmed text of a string of at most 63 bytes without '_'; false when it is no candidate. */
static bool number_text(char out[64], const jinja_value *s)
{
    size_t start = 0;
    size_t end = s->n;

    while (start < end && utf8__is_python_space((unsigned char)s->u.s[start]))
        start++;
    while (end > start && utf8__is_python_space((unsigned char)s->u.s[end - 1]))
        end--;
    if (end == start || end - start > 63)
        return false;
    for (size_t i = start; i < end; i++) {
        if (!strchr("0123456789+-.eE", s->u.s[i]) || s->u.s[i] == '\0')
            return false;
        out[i - start] = s->u.s[i];
    }
    out[end - start] = '\0';
    return true;
}

static bool read_number(double *out, const char *text)
{
    char *rest = NULL;

    *out = strtod(text, &rest);
    return rest != text && *rest == '\0';
}

/* int(): of a number its whole part, of a string the number in it, else the default. */
static bool filter_int(jinja_run *r, jinja_value *out, const jinja_value *self,
                       const jinja_value *args)
{
    char text[64];
    double f = 0;

    if (self->kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, self);
    if (args[1].kind != JINJA_ABSENT && !(args[1].kind == JINJA_INT && args[1].u.i == 10))
        return jinja__fail(r, EAI_ERR_UNSUPPORTED, "int with a base other than 10");
    *out = args[0].kind == JINJA_ABSENT ? jinja__int(0) : args[0];
    if (self->kind == JINJA_INT || self->kind == JINJA_BOOL) {
        *out = jinja__int(self->kind == JINJA_INT ? self->u.i : self->u.b);
        return true;
    }
    if (self->kind == JINJA_STRING) {
        if (!number_text(text, self) || !read_number(&f, text))
            return true;
        if (!strpbrk(text, ".eE")) {
            char *rest = NULL;
            long long i = strtoll(text, &rest, 10);

            if (*rest == '\0' && i > INT64_MIN && i < INT64_MAX) {
                *out = jinja__int(i);
                return true;
            }
        }
    } else if (self->kind == JINJA_FLOAT) {
        f = self->u.f;
    } else {
        return true;
    }
    if (isnan(f) || isinf(f))
        return true;
    if (fabs(f) >= 9.2e18)
        return jinja__fail(r, EAI_ERR_UNSUPPORTED, "an integer does not fit into 64 bits");
    *out = jinja__int((int64_t)f);
    return true;
}

static bool filter_float(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    char text[64];
    double f = 0;

    if (self->kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, self);
    *out = args[0].kind == JINJA_ABSENT ? jinja__float(0) : args[0];
    if (self->kind == JINJA_FLOAT)
        *out = *self;
    else if (self->kind == JINJA_INT || self->kind == JINJA_BOOL)
        *out = jinja__float(self->kind == JINJA_INT ? (double)self->u.i : (double)self->u.b);
    else if (self->kind == JINJA_STRING && number_text(text, self) && read_number(&f, text))
        *out = jinja__float(f);
    return true;
}

static bool filter_abs(jinja_run *r, jinja_value *out, const jinja_value *self,
                       const jinja_value *args)
{
    (void)args;
    if (self->kind == JINJA_FLOAT)
        *out = jinja__float(fabs(self->u.f));
    else if (self->kind == JINJA_BOOL)
        *out = jinja__int(self->u.b);
    else if (self->kind == JINJA_INT && self->u.i != INT64_MIN)
        *out = jinja__int(self->u.i < 0 ? -self->u.i : self->u.i);
    else
        return jinja__fail(r, EAI_ERR_FORMAT, "abs needs a number, not %s", jinja__kind_name(self));
    return true;
}

static bool filter_tojson(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    jinja_json_style style = {.pretty = jinja__is_given(&args[1]),
                              .ascii = args[0].kind != JINJA_ABSENT && jinja__truth(&args[0]),
                              .sort_keys = jinja__truth(&args[3])};
    int64_t indent = 0;

    if (!jinja__read_int(r, &indent, &args[1], 0, "tojson"))
        return false;
    if (indent > 64)
        return jinja__fail(r, EAI_ERR_LIMIT, "tojson: an indent of more than 64");
    style.indent = indent > 0 ? (size_t)indent : 0;
    if (jinja__is_given(&args[2])) {
        const jinja_value *s = &args[2];

        if (s->kind != JINJA_LIST || s->u.list->n != 2 ||
            s->u.list->items[0].kind != JINJA_STRING || s->u.list->items[1].kind != JINJA_STRING)
            return jinja__fail(r, EAI_ERR_FORMAT, "tojson: separators are two strings");
        style.item_separator = s->u.list->items[0];
        style.key_separator = s->u.list->items[1];
    }
    return jinja__to_json(r, out, self, &style);
}

static bool filter_safe(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    return filter_string(r, out, self, args);
}

/* unique(case_sensitive=false): the first of each. */
static bool filter_unique(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    jinja_list *items = NULL;
    jinja_value keys;
    const jinja_value none = jinja__none();

    if (!jinja__to_list(r, &items, self) || !jinja__new_list(r, out, 0, false) ||
        !jinja__new_list(r, &keys, 0, false))
        return false;
    for (size_t i = 0; i < items->n; i++) {
        jinja_value key;
        bool seen = false;

        if (!sort_key(r, &key, &items->items[i], &none, jinja__truth(&args[0])) ||
            !jinja__contains(r, &seen, &keys, &key))
            return false;
        if (!seen && (!jinja__append(r, keys.u.list, key) ||
                      !jinja__append(r, out->u.list, items->items[i])))
            return false;
    }
    return true;
}

/* --- filters that apply others --- */

static const jinja_dict no_keywords = {NULL, 0, 0};

/* map(name, ...) or map(attribute=path, default=...) */
static bool filter_map(jinja_run *r, jinja_value *out, const jinja_value *self,
                       const jinja_value *args)
{
    const jinja_builtin *f = NULL;
    jinja_list *items = NULL;
    jinja_arguments further = {args[1].u.list, &no_keywords};

    if (!jinja__is_given(&args[2])) {
        f = jinja__find_filter(&args[0]);
        if (!f)
            return jinja__fail(r, EAI_ERR_UNSUPPORTED,
                               "map needs the name of a filter, or attribute=");
    }
    if (!jinja__to_list(r, &items, self) || !jinja__new_list(r, out, items->n, false))
        return false;
    for (size_t i = 0; i < items->n; i++) {
        jinja_value v;

        if (f ? !jinja__call_builtin(r, &v, f, &items->items[i], &further)
              : !follow_path(r, &v, &items->items[i], &args[2]))
            return false;
        if (!f && v.kind == JINJA_UNDEFINED && args[3].kind != JINJA_ABSENT)
            v = args[3];
        if (!jinja__append(r, out->u.list, v))
            return false;
    }
    return true;
}

/* The four of select, reject, selectattr, rejectattr. `name` is the test's, ABSENT for truth. */
static bool select_items(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *path, const jinja_value *name,
                         const jinja_value *further, bool wanted)
{
    const jinja_builtin *f = jinja__is_given(name) ? jinja__find_test(name) : NULL;
    jinja_list *items = NULL;
    jinja_arguments arguments = {further->u.list, &no_keywords};

    if (jinja__is_given(name) && !f)
        return jinja__fail(r, EAI_ERR_UNSUPPORTED, "test '%.*s' is not supported",
                           (int)(name->n < 64 ? name->n : 64),
                           name->kind == JINJA_STRING ? name->u.s : "");
    if (!jinja__to_list(r, &items, self) || !jinja__new_list(r, out, 0, false))
        return false;
    for (size_t i = 0; i < items->n; i++) {
        jinja_value v = items->items[i];

        if ((path && !follow_path(r, &v, &v, path)) ||
            (f && !jinja__call_builtin(r, &v, f, &v, &arguments)))
            return false;
        if (jinja__truth(&v) == wanted && !jinja__append(r, out->u.list, items->items[i]))
            return false;
    }
    return true;
}

static bool filter_select(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    return select_items(r, out, self, NULL, &args[0], &args[1], true);
}

static bool filter_reject(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    return select_items(r, out, self, NULL, &args[0], &args[1], false);
}

static bool filter_selectattr(jinja_run *r, jinja_value *out, const jinja_value *self,
                              const jinja_value *args)
{
    return select_items(r, out, self, &args[0], &args[1], &args[2], true);
}

static bool filter_rejectattr(jinja_run *r, jinja_value *out, const jinja_value *self,
                              const jinja_value *args)
{
    return select_items(r, out, self, &args[0], &args[1], &args[2], false);
}

/* --- methods of dicts and loops --- */

static bool method_items(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    (void)args;
    return pairs_of(r, out, self->u.dict);
}

static bool method_keys(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    (void)args;
    return filter_list(r, out, self, NULL);
}

static bool method_values(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    const jinja_dict *d = self->u.dict;

    (void)args;
    if (!jinja__charge(r, d->n) || !jinja__new_list(r, out, d->n, false))
        return false;
    for (size_t i = 0; i < d->n; i++)
        out->u.list->items[i] = d->entries[i].value;
    out->u.list->n = d->n;
    return true;
}

static bool method_get(jinja_run *r, jinja_value *out, const jinja_value *self,
                       const jinja_value *args)
{
    jinja_value *found = NULL;

    if (!jinja__get(r, &found, self->u.dict, &args[0]))
        return false;
    *out = found ? *found : args[1].kind == JINJA_ABSENT ? jinja__none() : args[1];
    return true;
}

static bool method_cycle(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    const jinja_list *items = args[0].u.list;

    if (items->n == 0)
        return jinja__fail(r, EAI_ERR_FORMAT, "loop.cycle() has nothing to cycle through");
    *out = items->items[self->u.loop->at % items->n];
    return true;
}

/* --- functions --- */

static bool function_namespace(jinja_run *r, jinja_value *out, const jinja_value *self,
                               const jinja_value *args)
{
    (void)self;
    if (!jinja__new_dict(r, out, JINJA_NAMESPACE))
        return false;
    for (int k = 0; k < 2; k++) { /* a dict's entries, then the named arguments */
        const jinja_value *from = &args[k];

        if (from->kind == JINJA_ABSENT)
            continue;
        if (from->kind != JINJA_DICT)
            return jinja__fail(r, EAI_ERR_FORMAT, "namespace() needs a dict, not %s",
                               jinja__kind_name(from));
        for (size_t i = 0; i < from->u.dict->n; i++)
            if (!jinja__put(r, out->u.dict, from->u.dict->entries[i].key,
                            from->u.dict->entries[i].value))
                return false;
    }
    return true;
}

static bool function_dict(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    if (!function_namespace(r, out, self, args))
        return false;
    out->kind = JINJA_DICT;
    return true;
}

#define MAX_RANGE 100000 /* Jinja2's sandbox has the same */

static bool function_range(jinja_run *r, jinja_value *out, const jinja_value *self,
                           const jinja_value *args)
{
    int64_t start = 0;
    int64_t stop = 0;
    int64_t step = 1;

    (void)self;
    if (!jinja__read_int(r, &start, &args[0], 0, "range") ||
        !jinja__read_int(r, &stop, &args[1], 0, "range") ||
        !jinja__read_int(r, &step, &args[2], 1, "range"))
        return false;
    if (!jinja__is_given(&args[0]))
        return jinja__fail(r, EAI_ERR_FORMAT, "range() needs an integer");
    if (!jinja__is_given(&args[1])) {
        stop = start;
        start = 0;
    }
    if (step == 0)
        return jinja__fail(r, EAI_ERR_FORMAT, "the step of range() is 0");
    if (!jinja__new_list(r, out, 0, false))
        return false;
    for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
        if (out->u.list->n == MAX_RANGE)
            return jinja__fail(r, EAI_ERR_LIMIT, "range() of more than %d items", MAX_RANGE);
        if (!jinja__charge(r, 1) || !jinja__append(r, out->u.list, jinja__int(i)))
            return false;
        if (__builtin_add_overflow(i, step, &i))
            break;
    }
    return true;
}

static bool function_raise_exception(jinja_run *r, jinja_value *out, const jinja_value *self,
                                     const jinja_value *args)
{
    jinja_value text = JINJA_STRING_OF("(no message)");

    (void)self;
    *out = jinja__none();
    if (args[0].kind != JINJA_ABSENT && !jinja__to_string(r, &text, &args[0]))
        return false;
    return jinja__fail(r, EAI_ERR_ARGUMENT, "the template refuses: %.*s",
                       (int)(text.n < 400 ? text.n : 400), text.u.s);
}

/* --- the tables --- */

/* clang-format off */
/*   name           function            parameters; a '!' before a name: it must be given */
static const jinja_builtin filters[] = {
    {"abs",         filter_abs,         ""},
    {"count",       filter_length,      ""},
    {"d",           filter_default,     "default_value boolean"},
    {"default",     filter_default,     "default_value boolean"},
    {"first",       filter_first,       ""},
    {"float",       filter_float,       "default"},
    {"int",         filter_int,         "default base"},
    {"items",       filter_items,       ""},
    {"join",        filter_join,        "d attribute"},
    {"last",        filter_last,        ""},
    {"length",      filter_length,      ""},
    {"list",        filter_list,        ""},
    {"map",         filter_map,         "name * attribute default"},
    {"reject",      filter_reject,      "name *"},
    {"rejectattr",  filter_rejectattr,  "!attribute name *"},
    {"reverse",     filter_reverse,     ""},
    {"safe",        filter_safe,        ""},
    {"select",      filter_select,      "name *"},
    {"selectattr",  filter_selectattr,  "!attribute name *"},
    {"sort",        filter_sort,        "reverse case_sensitive attribute"},
    {"string",      filter_string,      ""},
    {"tojson",      filter_tojson,      "ensure_ascii indent separators sort_keys"},
    {"unique",      filter_unique,      "case_sensitive"},
};

static const jinja_builtin functions[] = {
    {"dict",            function_dict,            "dict **"},
    {"namespace",       function_namespace,       "dict **"},
    {"raise_exception", function_raise_exception, "message"},
    {"range",           function_range,           "start stop step"},
};

static const jinja_builtin dict_methods[] = {
    {"get",         method_get,         "!key default"},
    {"items",       method_items,       ""},
    {"keys",        method_keys,        ""},
    {"values",      method_values,      ""},
};

static const jinja_builtin loop_methods[] = {
    {"cycle",       method_cycle,       "*"},
};
/* clang-format on */

static const jinja_builtin *find(const jinja_builtin *table, size_t n, const jinja_value *name)
{
    for (size_t i = 0; i < n; i++)
        if (jinja__same_text(name, table[i].name))
            return &table[i];
    return NULL;
}

const jinja_builtin *jinja__find_filter(const jinja_value *name)
{
    const jinja_builtin *f = find(filters, COUNT(filters), name);

    return f ? f : find(jinja__text_filters, jinja__n_text_filters, name);
}

const jinja_builtin *jinja__find_test(const jinja_value *name)
{
    return find(jinja__tests, jinja__n_tests, name);
}

const jinja_builtin *jinja__find_function(const jinja_value *name)
{
    return find(functions, COUNT(functions), name);
}

const jinja_builtin *jinja__find_method(const jinja_value *self, const jinja_value *name)
{
    switch (self->kind) {
    case JINJA_STRING:
        return find(jinja__string_methods, jinja__n_string_methods, name);
    case JINJA_DICT:
        return find(dict_methods, COUNT(dict_methods), name);
    case JINJA_LOOP:
        return find(loop_methods, COUNT(loop_methods), name);
    default:
        return NULL;
    }
}

/* --- binding arguments --- */

static bool fail_arguments(jinja_run *r, const jinja_builtin *f)
{
    return jinja__fail(r, EAI_ERR_FORMAT, "%s() takes other arguments (its parameters: %s)",
                       f->name, f->params[0] ? f->params : "none");
}

/* Fills one slot; *n_named counts the named arguments that were used. */
static bool bind_slot(jinja_run *r, jinja_value *slot, const char *word, size_t n_word,
                      const jinja_arguments *a, size_t *next, size_t *n_named, bool names_only)
{
    bool required = word[0] == '!';
    jinja_value name = jinja__string(word + required, n_word - required);
    jinja_value *named = NULL;

    if (!jinja__get(r, &named, a->keywords, &name))
        return false;
    *slot = (jinja_value){.kind = JINJA_ABSENT};
    if (!names_only && *next < a->positional->n) {
        *slot = a->positional->items[(*next)++];
    } else if (named) {
        *slot = *named;
        (*n_named)++;
    }
    return true;
}

/* "*": the positional arguments that are left. */
static bool bind_rest(jinja_run *r, jinja_value *slot, const jinja_arguments *a, size_t *next)
{
    if (!jinja__new_list(r, slot, 0, true))
        return false;
    while (*next < a->positional->n)
        if (!jinja__append(r, slot->u.list, a->positional->items[(*next)++]))
            return false;
    return true;
}

bool jinja__call_builtin(jinja_run *r, jinja_value *out, const jinja_builtin *f,
                         const jinja_value *self, const jinja_arguments *arguments)
{
    jinja_value slots[JINJA_MAX_SLOTS] = {{.kind = JINJA_ABSENT}};
    jinja_dict keywords = *arguments->keywords;
    size_t n_slots = 0;
    size_t next = 0;
    size_t n_named = 0;
    bool names_only = false;

    if (!jinja__charge(r, 1))
        return false;
    for (const char *word = f->params; *word; n_slots++) {
        size_t n = strcspn(word, " ");
        jinja_value *slot = &slots[n_slots];

        if (n == 2 && word[0] == '*') {
            *slot = (jinja_value){.kind = JINJA_DICT, .u.dict = &keywords};
            n_named = keywords.n;
        } else if (word[0] == '*') {
            names_only = true;
            if (!bind_rest(r, slot, arguments, &next))
                return false;
        } else if (!bind_slot(r, slot, word, n, arguments, &next, &n_named, names_only)) {
            return false;
        } else if (word[0] == '!' && slot->kind == JINJA_ABSENT) {
            return fail_arguments(r, f);
        }
        word += n + (word[n] == ' ');
    }
    if (next < arguments->positional->n || n_named < arguments->keywords->n)
        return fail_arguments(r, f);
    return f->run(r, out, self, slots);
}
