/* Values: making, comparing, printing. Python is the model: str() and repr(), ==, <, `in`, truth,
 * and json.dumps() as `transformers` calls it.
 *
 * Numbers are 64-bit integers and doubles; an integer compares with a double as a double. repr() of
 * a string leaves every character outside ASCII as it is (Python escapes those that are not
 * printable). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/jinja_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

static bool enter(jinja_run *r)
{
    if (++r->depth <= JINJA_MAX_DEPTH)
        return true;
    return jinja__fail(r, EAI_ERR_LIMIT, "values are nested deeper than %d", JINJA_MAX_DEPTH);
}

const char *jinja__kind_name(const jinja_value *v)
{
    static const char *const names[] = {
        [JINJA_ABSENT] = "nothing",      [JINJA_UNDEFINED] = "an undefined value",
        [JINJA_NONE] = "none",           [JINJA_BOOL] = "a boolean",
        [JINJA_INT] = "an integer",      [JINJA_FLOAT] = "a number",
        [JINJA_STRING] = "a string",     [JINJA_LIST] = "a list",
        [JINJA_DICT] = "a dict",         [JINJA_NAMESPACE] = "a namespace",
        [JINJA_LOOP] = "a loop",         [JINJA_MACRO] = "a macro",
        [JINJA_FUNCTION] = "a function", [JINJA_METHOD] = "a method",
    };

    return names[v->kind];
}

bool jinja__truth(const jinja_value *v)
{
    switch (v->kind) {
    case JINJA_ABSENT:
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return false;
    case JINJA_BOOL:
        return v->u.b;
    case JINJA_INT:
        return v->u.i != 0;
    case JINJA_FLOAT:
        return v->u.f != 0;
    case JINJA_STRING:
        return v->n > 0;
    case JINJA_LIST:
        return v->u.list->n > 0;
    case JINJA_DICT:
        return v->u.dict->n > 0;
    default:
        return true;
    }
}

bool jinja__same_text(const jinja_value *v, const char *text)
{
    return v->kind == JINJA_STRING && v->n == strlen(text) && memcmp(v->u.s, text, v->n) == 0;
}

/* --- making --- */

bool jinja__new_list(jinja_run *r, jinja_value *out, size_t capacity, bool is_tuple)
{
    jinja_list *list = jinja__alloc(r, 1, sizeof(*list));

    if (!list)
        return false;
    *list = (jinja_list){NULL, 0, capacity, is_tuple};
    if (capacity && !(list->items = jinja__alloc(r, capacity, sizeof(*list->items))))
        return false;
    *out = (jinja_value){.kind = JINJA_LIST, .u.list = list};
    return true;
}

bool jinja__append(jinja_run *r, jinja_list *list, jinja_value item)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        jinja_value *grown = jinja__alloc(r, capacity, sizeof(*grown));

        if (!grown)
            return false;
        if (list->n)
            memcpy(grown, list->items, list->n * sizeof(*grown));
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->n++] = item;
    return true;
}

bool jinja__new_dict(jinja_run *r, jinja_value *out, jinja_kind kind)
{
    jinja_dict *dict = jinja__alloc(r, 1, sizeof(*dict));

    if (!dict)
        return false;
    *dict = (jinja_dict){NULL, 0, 0};
    *out = (jinja_value){.kind = kind, .u.dict = dict};
    return true;
}

bool jinja__get(jinja_run *r, jinja_value **found, const jinja_dict *dict, const jinja_value *key)
{
    *found = NULL;
    for (size_t i = 0; i < dict->n && !*found; i++) {
        bool equal = false;

        if (!jinja__charge(r, 1) || !jinja__equal(r, &equal, &dict->entries[i].key, key))
            return false;
        if (equal)
            *found = &dict->entries[i].value;
    }
    return true;
}

bool jinja__put(jinja_run *r, jinja_dict *dict, jinja_value key, jinja_value value)
{
    jinja_value *old = NULL;

    if (key.kind == JINJA_UNDEFINED || key.kind >= JINJA_LIST)
        return jinja__fail(r, EAI_ERR_FORMAT, "%s cannot be a key", jinja__kind_name(&key));
    if (!jinja__get(r, &old, dict, &key))
        return false;
    if (old) {
        *old = value;
        return true;
    }
    if (dict->n == dict->capacity) {
        size_t capacity = dict->capacity ? 2 * dict->capacity : 8;
        jinja_entry *grown = jinja__alloc(r, capacity, sizeof(*grown));

        if (!grown)
            return false;
        if (dict->n)
            memcpy(grown, dict->entries, dict->n * sizeof(*grown));
        dict->entries = grown;
        dict->capacity = capacity;
    }
    dict->entries[dict->n++] = (jinja_entry){key, value};
    return true;
}

static bool list_from_json(jinja_run *r, jinja_value *out, const json_t *json, size_t depth)
{
    size_t n = json_array_size(json);

    if (!jinja__new_list(r, out, n, false))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!jinja__from_json(r, &out->u.list->items[i], json_array_get(json, i), depth))
            return false;
    out->u.list->n = n;
    return true;
}

static bool dict_from_json(jinja_run *r, jinja_value *out, const json_t *json, size_t depth)
{
    size_t n = json_object_size(json);
    jinja_dict *dict;

    if (!jinja__new_dict(r, out, JINJA_DICT))
        return false;
    dict = out->u.dict;
    if (n && !(dict->entries = jinja__alloc(r, n, sizeof(*dict->entries))))
        return false;
    dict->capacity = n;
    /* The iterator's calls take no const, but do not change the object. */
    for (void *i = json_object_iter((json_t *)(uintptr_t)json); i;
         i = json_object_iter_next((json_t *)(uintptr_t)json, i)) {
        jinja_entry *e = &dict->entries[dict->n];
        const char *key = json_object_iter_key(i);

        e->key = jinja__string(key, strlen(key));
        if (!jinja__from_json(r, &e->value, json_object_iter_value(i), depth))
            return false;
        dict->n++;
    }
    return true;
}

bool jinja__from_json(jinja_run *r, jinja_value *out, const json_t *json, size_t depth)
{
    if (depth > JINJA_MAX_DEPTH)
        return jinja__fail(r, EAI_ERR_LIMIT, "data are nested deeper than %d", JINJA_MAX_DEPTH);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return dict_from_json(r, out, json, depth + 1);
    case JSON_ARRAY:
        return list_from_json(r, out, json, depth + 1);
    case JSON_STRING:
        *out = jinja__string(json_string_value(json), json_string_length(json));
        return true;
    case JSON_INTEGER:
        *out = jinja__int(json_integer_value(json));
        return true;
    case JSON_REAL:
        *out = jinja__float(json_real_value(json));
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = jinja__bool(json_is_true(json));
        return true;
    default:
        *out = jinja__none();
        return true;
    }
}

/* --- comparing --- */

static bool equal_lists(jinja_run *r, bool *out, const jinja_list *a, const jinja_list *b)
{
    *out = a->n == b->n && a->is_tuple == b->is_tuple;
    for (size_t i = 0; *out && i < a->n; i++)
        if (!jinja__equal(r, out, &a->items[i], &b->items[i]))
            return false;
    return true;
}

static bool equal_dicts(jinja_run *r, bool *out, const jinja_dict *a, const jinja_dict *b)
{
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        jinja_value *other = NULL;

        if (!jinja__get(r, &other, b, &a->entries[i].key))
            return false;
        *out = other != NULL;
        if (other && !jinja__equal(r, out, &a->entries[i].value, other))
            return false;
    }
    return true;
}

bool jinja__equal(jinja_run *r, bool *out, const jinja_value *a, const jinja_value *b)
{
    *out = false;
    if (!jinja__charge(r, 1))
        return false;
    if (jinja__is_number(a) && jinja__is_number(b)) {
        if (a->kind == JINJA_FLOAT || b->kind == JINJA_FLOAT)
            *out = jinja__number_of(a) == jinja__number_of(b);
        else
            *out = jinja__integer_of(a) == jinja__integer_of(b);
        return true;
    }
    if (a->kind != b->kind)
        return true;
    switch (a->kind) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        *out = true;
        return true;
    case JINJA_STRING:
        *out = a->n == b->n && memcmp(a->u.s, b->u.s, a->n) == 0;
        return jinja__charge(r, *out ? a->n / 64 : 0);
    case JINJA_LIST:
    case JINJA_DICT: {
        if (!enter(r))
            return false;
        bool ok = a->kind == JINJA_LIST ? equal_lists(r, out, a->u.list, b->u.list)
                                        : equal_dicts(r, out, a->u.dict, b->u.dict);
        r->depth--;
        return ok;
    }
    default:
        *out = a->u.s == b->u.s; /* the same object */
        return true;
    }
}

bool jinja__compare(jinja_run *r, int *out, const jinja_value *a, const jinja_value *b)
{
    if (jinja__is_number(a) && jinja__is_number(b)) {
        if (a->kind == JINJA_FLOAT || b->kind == JINJA_FLOAT)
            *out = (jinja__number_of(a) > jinja__number_of(b)) -
                   (jinja__number_of(a) < jinja__number_of(b));
        else
            *out = (jinja__integer_of(a) > jinja__integer_of(b)) -
                   (jinja__integer_of(a) < jinja__integer_of(b));
        return true;
    }
    if (a->kind == JINJA_STRING && b->kind == JINJA_STRING) {
        int order =
            memcmp(a->u.s, b->u.s, a->n < b->n ? a->n : b->n); /* UTF-8 sorts as code points */

        *out = order ? order : (a->n > b->n) - (a->n < b->n);
        return jinja__charge(r, 1 + a->n / 64);
    }
    return jinja__fail(r, EAI_ERR_FORMAT, "%s and %s have no order", jinja__kind_name(a),
                       jinja__kind_name(b));
}

static const char *find_bytes(const char *s, size_t n, const char *what, size_t n_what)
{
    if (n_what == 0)
        return s;
    for (const char *p = s; n_what <= n - (size_t)(p - s); p++) {
        p = memchr(p, what[0], n - (size_t)(p - s) - n_what + 1);
        if (!p)
            return NULL;
        if (memcmp(p, what, n_what) == 0)
            return p;
    }
    return NULL;
}

bool jinja__contains(jinja_run *r, bool *out, const jinja_value *container, const jinja_value *item)
{
    jinja_value *found = NULL;

    *out = false;
    switch (container->kind) {
    case JINJA_UNDEFINED:
        return true;
    case JINJA_STRING:
        if (item->kind != JINJA_STRING)
            break;
        *out = find_bytes(container->u.s, container->n, item->u.s, item->n) != NULL;
        return jinja__charge(r, container->n);
    case JINJA_LIST:
        for (size_t i = 0; i < container->u.list->n && !*out; i++)
            if (!jinja__equal(r, out, &container->u.list->items[i], item))
                return false;
        return true;
    case JINJA_DICT:
        if (!jinja__get(r, &found, container->u.dict, item))
            return false;
        *out = found != NULL;
        return true;
    default:
        break;
    }
    return jinja__fail(r, EAI_ERR_FORMAT, "'in' does not work for %s in %s", jinja__kind_name(item),
                       jinja__kind_name(container));
}

/* --- iterating --- */

size_t jinja__count_characters(const jinja_value *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += ((unsigned char)s->u.s[i] & 0xC0) != 0x80;
    return n;
}

static bool characters_of(jinja_run *r, jinja_value *out, const jinja_value *s)
{
    if (!jinja__new_list(r, out, jinja__count_characters(s), false))
        return false;
    for (size_t at = 0; at < s->n;) {
        uint32_t c = 0;
        size_t length = utf8__decode(&c, s->u.s + at, s->n - at);

        length = length ? length : 1;
        if (!jinja__append(r, out->u.list, jinja__string(s->u.s + at, length)))
            return false;
        at += length;
    }
    return true;
}

bool jinja__to_list(jinja_run *r, jinja_list **out, const jinja_value *v)
{
    jinja_value list;

    switch (v->kind) {
    case JINJA_LIST:
        *out = v->u.list;
        return true;
    case JINJA_UNDEFINED:
        if (!jinja__new_list(r, &list, 0, false))
            return false;
        break;
    case JINJA_STRING:
        if (!characters_of(r, &list, v))
            return false;
        break;
    case JINJA_DICT:
        if (!jinja__new_list(r, &list, v->u.dict->n, false))
            return false;
        for (size_t i = 0; i < v->u.dict->n; i++)
            list.u.list->items[list.u.list->n++] = v->u.dict->entries[i].key;
        break;
    default:
        return jinja__fail(r, EAI_ERR_FORMAT, "%s cannot be iterated over", jinja__kind_name(v));
    }
    *out = list.u.list;
    return jinja__charge(r, list.u.list->n);
}

/* --- printing --- */

bool jinja__take_buffer(jinja_run *r, jinja_value *out, eai_strbuf *b)
{
    char *copy = NULL;
    size_t n = b->length;
    eai_status st = b->status;

    if (st == EAI_ERR_NOMEM)
        (void)jinja__fail(r, st, "no memory for a text of more than %zu bytes", n);
    else if (st != EAI_OK)
        (void)jinja__fail(r, st, "a text is longer than %zu bytes", b->maximum);
    else if ((copy = jinja__alloc(r, n + 1, 1)) != NULL)
        memcpy(copy, eai_strbuf_get(b), n + 1);
    eai_strbuf_deinit(b);
    if (!copy)
        return false;
    *out = jinja__string(copy, n);
    return jinja__charge(r, n / 64);
}

/* repr(): the shortest digits that read back the same, as 12.5, 1e+16 or 1e-05. */
static void print_float(eai_strbuf *b, double f, bool json)
{
    char text[40];
    char digits[20] = "";
    size_t n = 0;
    int precision = 0;

    if (isnan(f) || isinf(f)) {
        const char *name = isnan(f) ? (json ? "NaN" : "nan") : (json ? "Infinity" : "inf");

        eai_strbuf_printf(b, "%s%s", !isnan(f) && f < 0 ? "-" : "", name);
        return;
    }
    do
        snprintf(text, sizeof(text), "%.*e", precision, f);
    while (strtod(text, NULL) != f && ++precision < 17);
    const char *mark = strchr(text, 'e');
    int exponent = (int)strtol(mark + 1, NULL, 10);
    for (const char *p = text; p < mark; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    if (text[0] == '-')
        eai_strbuf_char(b, '-');
    if (exponent < -4 || exponent >= 16) {
        eai_strbuf_char(b, digits[0]);
        if (n > 1)
            eai_strbuf_char(b, '.');
        eai_strbuf_bytes(b, digits + 1, n - 1);
        eai_strbuf_printf(b, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    for (int i = exponent < 0 ? exponent : 0; i < (int)n || i <= exponent + 1; i++) {
        if (i == exponent + 1)
            eai_strbuf_char(b, '.');
        eai_strbuf_char(b, i < 0 || i >= (int)n ? '0' : digits[i]);
    }
}

/* Control characters and white space but the blank. (Python escapes all that is not printable,
 * which would need tables: unassigned and private characters and marks without a shape stay as they
 * are here.) */
static bool is_escaped(uint32_t c)
{
    return c < 32 || (c >= 127 && c < 160) || c == 0xAD || (c != 32 && utf8__is_space(c));
}

static void print_repr_string(eai_strbuf *b, const jinja_value *v)
{
    bool has_single = memchr(v->u.s, '\'', v->n) != NULL;
    bool has_double = memchr(v->u.s, '"', v->n) != NULL;
    char quote = has_single && !has_double ? '"' : '\'';

    eai_strbuf_char(b, quote);
    for (size_t at = 0, length; at < v->n; at += length) {
        uint32_t c = 0xFFFD;
        const char *p = v->u.s + at;

        length = utf8__decode(&c, p, v->n - at);
        if (length == 0)
            length = 1; /* not UTF-8: as it is */
        else if (c == (unsigned char)quote || c == '\\')
            eai_strbuf_char(b, '\\');
        if (c == '\n' || c == '\r' || c == '\t')
            eai_strbuf_printf(b, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (is_escaped(c))
            eai_strbuf_printf(b, "\\%c%0*x", c < 0x100 ? 'x' : 'u', c < 0x100 ? 2 : 4, (unsigned)c);
        else
            eai_strbuf_bytes(b, p, length);
    }
    eai_strbuf_char(b, quote);
}

static bool print(jinja_run *r, eai_strbuf *b, const jinja_value *v, bool repr);

static bool print_list(jinja_run *r, eai_strbuf *b, const jinja_list *list)
{
    eai_strbuf_char(b, list->is_tuple ? '(' : '[');
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            eai_strbuf_text(b, ", ");
        if (!print(r, b, &list->items[i], true))
            return false;
    }
    eai_strbuf_text(b, !list->is_tuple ? "]" : list->n == 1 ? ",)" : ")");
    return true;
}

static bool print_dict(jinja_run *r, eai_strbuf *b, const jinja_dict *dict)
{
    eai_strbuf_char(b, '{');
    for (size_t i = 0; i < dict->n; i++) {
        if (i)
            eai_strbuf_text(b, ", ");
        if (!print(r, b, &dict->entries[i].key, true))
            return false;
        eai_strbuf_text(b, ": ");
        if (!print(r, b, &dict->entries[i].value, true))
            return false;
    }
    eai_strbuf_char(b, '}');
    return true;
}

static bool print_container(jinja_run *r, eai_strbuf *b, const jinja_value *v)
{
    if (!enter(r))
        return false;
    bool ok = v->kind == JINJA_LIST ? print_list(r, b, v->u.list) : print_dict(r, b, v->u.dict);
    r->depth--;
    return ok;
}

static bool print(jinja_run *r, eai_strbuf *b, const jinja_value *v, bool repr)
{
    if (!jinja__charge(r, 1))
        return false;
    switch (v->kind) {
    case JINJA_UNDEFINED:
        eai_strbuf_text(b, repr ? "Undefined" : "");
        return true;
    case JINJA_NONE:
        eai_strbuf_text(b, "None");
        return true;
    case JINJA_BOOL:
        eai_strbuf_text(b, v->u.b ? "True" : "False");
        return true;
    case JINJA_INT:
        eai_strbuf_printf(b, "%lld", (long long)v->u.i);
        return true;
    case JINJA_FLOAT:
        print_float(b, v->u.f, false);
        return true;
    case JINJA_STRING:
        if (repr)
            print_repr_string(b, v);
        else
            eai_strbuf_bytes(b, v->u.s, v->n);
        return true;
    case JINJA_LIST:
    case JINJA_DICT:
        return print_container(r, b, v);
    default:
        return jinja__fail(r, EAI_ERR_UNSUPPORTED, "%s cannot be printed", jinja__kind_name(v));
    }
}

bool jinja__to_string(jinja_run *r, jinja_value *out, const jinja_value *v)
{
    eai_strbuf b;

    if (v->kind == JINJA_STRING) {
        *out = *v;
        return true;
    }
    eai_strbuf_init(&b, r->limits->memory_bytes);
    if (!print(r, &b, v, false)) {
        eai_strbuf_deinit(&b);
        return false;
    }
    return jinja__take_buffer(r, out, &b);
}

/* --- JSON --- */

static void print_json_string(eai_strbuf *b, const jinja_value *v, bool ascii)
{
    static const char escapes[] = "\b\t\n\f\r\"\\";
    static const char letters[] = "btnfr\"\\";

    eai_strbuf_char(b, '"');
    for (size_t at = 0; at < v->n;) {
        uint32_t c = 0;
        size_t length = utf8__decode(&c, v->u.s + at, v->n - at);
        const char *escape = length == 1 && c ? strchr(escapes, (int)c) : NULL;

        if (escape)
            eai_strbuf_printf(b, "\\%c", letters[escape - escapes]);
        else if (ascii && length > 3)
            eai_strbuf_printf(b, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((c - 0x10000) >> 10)),
                              (unsigned)(0xDC00 + ((c - 0x10000) & 0x3FF)));
        else if (length > 0 && (c < 32 || (ascii && c > 126)))
            eai_strbuf_printf(b, "\\u%04x", (unsigned)c);
        else
            eai_strbuf_bytes(b, v->u.s + at, length ? length : 1);
        at += length ? length : 1;
    }
    eai_strbuf_char(b, '"');
}

typedef struct json_printer {
    jinja_run *r;
    eai_strbuf *b;
    const jinja_json_style *style;
    size_t level;
} json_printer;

static bool print_json(json_printer *p, const jinja_value *v);

static void json_newline(json_printer *p)
{
    if (p->style->pretty) {
        eai_strbuf_char(p->b, '\n');
        eai_strbuf_repeat(p->b, ' ', p->level * p->style->indent);
    }
}

static void json_separator(json_printer *p, const jinja_value *given, const char *standard)
{
    if (given->kind == JINJA_STRING)
        eai_strbuf_bytes(p->b, given->u.s, given->n);
    else
        eai_strbuf_text(p->b, standard);
}

static bool print_json_list(json_printer *p, const jinja_list *list)
{
    eai_strbuf_char(p->b, '[');
    p->level++;
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            json_separator(p, &p->style->item_separator, p->style->pretty ? "," : ", ");
        json_newline(p);
        if (!print_json(p, &list->items[i]))
            return false;
    }
    p->level--;
    if (list->n)
        json_newline(p);
    eai_strbuf_char(p->b, ']');
    return true;
}

static bool print_json_key(json_printer *p, const jinja_value *key)
{
    if (key->kind == JINJA_STRING) {
        print_json_string(p->b, key, p->style->ascii);
        return true;
    }
    eai_strbuf_char(p->b, '"');
    if (!print_json(p, key))
        return false;
    eai_strbuf_char(p->b, '"');
    return true;
}

/* A copy of the entries, sorted or not: by insertion, because the objects are small. */
static bool sort_entries(jinja_run *r, jinja_entry **out, const jinja_dict *dict, bool sort)
{
    jinja_entry *order = jinja__alloc(r, dict->n + 1, sizeof(*order));

    if (!order)
        return false;
    for (size_t i = 0; i < dict->n; i++) {
        size_t at = i;

        for (int c = 0; sort && at > 0; at--) {
            if (!jinja__charge(r, 1) ||
                !jinja__compare(r, &c, &order[at - 1].key, &dict->entries[i].key))
                return false;
            if (c <= 0)
                break;
            order[at] = order[at - 1];
        }
        order[at] = dict->entries[i];
    }
    *out = order;
    return true;
}

static bool print_json_dict(json_printer *p, const jinja_dict *dict)
{
    jinja_entry *order = NULL;

    if (!sort_entries(p->r, &order, dict, p->style->sort_keys))
        return false;
    eai_strbuf_char(p->b, '{');
    p->level++;
    for (size_t i = 0; i < dict->n; i++) {
        if (i)
            json_separator(p, &p->style->item_separator, p->style->pretty ? "," : ", ");
        json_newline(p);
        if (!print_json_key(p, &order[i].key))
            return false;
        json_separator(p, &p->style->key_separator, ": ");
        if (!print_json(p, &order[i].value))
            return false;
    }
    p->level--;
    if (dict->n)
        json_newline(p);
    eai_strbuf_char(p->b, '}');
    return true;
}

static bool print_json(json_printer *p, const jinja_value *v)
{
    if (!jinja__charge(p->r, 1))
        return false;
    switch (v->kind) {
    case JINJA_NONE:
        eai_strbuf_text(p->b, "null");
        return true;
    case JINJA_BOOL:
        eai_strbuf_text(p->b, v->u.b ? "true" : "false");
        return true;
    case JINJA_FLOAT:
        print_float(p->b, v->u.f, true);
        return true;
    case JINJA_INT:
        return print(p->r, p->b, v, false);
    case JINJA_STRING:
        print_json_string(p->b, v, p->style->ascii);
        return true;
    case JINJA_LIST:
    case JINJA_DICT: {
        if (!enter(p->r))
            return false;
        bool ok =
            v->kind == JINJA_LIST ? print_json_list(p, v->u.list) : print_json_dict(p, v->u.dict);
        p->r->depth--;
        return ok;
    }
    default:
        return jinja__fail(p->r, EAI_ERR_FORMAT, "tojson: %s has no JSON form",
                           jinja__kind_name(v));
    }
}

bool jinja__to_json(jinja_run *r, jinja_value *out, const jinja_value *v,
                    const jinja_json_style *style)
{
    eai_strbuf b;
    json_printer p = {.r = r, .b = &b, .style = style};

    eai_strbuf_init(&b, r->limits->memory_bytes);
    if (!print_json(&p, v)) {
        eai_strbuf_deinit(&b);
        return false;
    }
    return jinja__take_buffer(r, out, &b);
}
