/* YAML 1.2 as a document, from the events of libyaml.
 *
 * libyaml knows YAML 1.1's grammar; what plain words mean is decided here, by the core schema of
 * YAML 1.2 (yaml.org/spec/1.2.2, chapter 10.3): no "yes", "on" or 1_000, no dates, 0o17 is octal,
 * and 2e-4 is a number. An alias repeats the value that its anchor names, as a copy that counts, so
 * that a file cannot grow without bound. "<<" puts the keys of a table, or of a list of tables,
 * into the one it stands in, behind those that are there already (yaml.org/type/merge). Start at
 * yaml__read. */
#include "config/document_internal.h"

#include <math.h>
#include <string.h>

#include <yaml.h>

#include "base/banned.h"

/* Looked up one by one, so that many of them would take long. */
enum { MAX_ANCHORS = 1000 };

typedef struct anchor {
    const char *name;
    const eai_value *value;
    bool open; /* the value is not complete yet: an alias to it would contain itself */
    struct anchor *next;
} anchor;

typedef struct reader {
    eai_document *d;
    yaml_parser_t parser;
    anchor *anchors; /* the last one first: it hides others of the name */
    int n_anchors;
} reader;

static document_place place_of(yaml_mark_t mark)
{
    return (document_place){(int)mark.line + 1, (int)mark.column + 1};
}

/* The next event is the caller's (yaml_event_delete). */
static eai_status next_event(reader *r, yaml_event_t *event)
{
    const yaml_parser_t *p = &r->parser;

    memset(event, 0, sizeof(*event));
    if (yaml_parser_parse(&r->parser, event))
        return EAI_OK;
    if (p->error == YAML_MEMORY_ERROR)
        return document__no_memory(r->d);
    document_place at = place_of(p->problem_mark);
    return document__fail(r->d, at, "no valid YAML: %s%s%s", p->context ? p->context : "",
                          p->context ? ", " : "", p->problem ? p->problem : "not readable");
}

/* ---- Scalars --------------------------------------------------------------------------------- */

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words) != 0)
        words++;
    return *words != NULL;
}

/* [-+]? ( . [0-9]+ | [0-9]+ ( . [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *s)
{
    s += *s == '-' || *s == '+';
    size_t before = strspn(s, "0123456789");
    s += before;
    if (*s == '.') {
        size_t behind = strspn(s + 1, "0123456789");
        if (before + behind == 0)
            return false;
        s += 1 + behind;
    } else if (before == 0) {
        return false;
    }
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '-' || s[1] == '+');
        size_t digits = strspn(s, "0123456789");
        if (digits == 0)
            return false;
        s += digits;
    }
    return *s == '\0';
}

static bool is_infinity(const char *s)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", NULL};

    return is_one_of(s + (*s == '-' || *s == '+'), words);
}

/* 0x1F, 0o17: digits of a base behind a prefix; the count of digits, or 0. */
static size_t prefixed(const char *s, const char *prefix, const char *digits)
{
    size_t n = strncmp(s, prefix, 2) == 0 ? strspn(s + 2, digits) : 0;

    return n > 0 && s[2 + n] == '\0' ? n : 0;
}

/* A word without quotes, which stands in v->text. */
static eai_status resolve_plain(eai_document *d, eai_value *v)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    const char *s = v->text;
    bool has_sign = *s == '-' || *s == '+';
    size_t n;

    v->plain = true;
    if (is_one_of(s, nulls)) {
        v->kind = EAI_VALUE_NULL;
    } else if (is_one_of(s, trues) || is_one_of(s, falses)) {
        v->kind = EAI_VALUE_BOOL;
        v->boolean = is_one_of(s, trues);
    } else if (is_infinity(s) || is_one_of(s, nans)) {
        document__set_real(v, is_infinity(s) ? (*s == '-' ? -(double)INFINITY : (double)INFINITY)
                                             : (double)NAN);
    } else if ((n = prefixed(s, "0x", "0123456789abcdefABCDEF")) > 0) {
        return document__set_int(d, v, s + 2, n, 16, false);
    } else if ((n = prefixed(s, "0o", "01234567")) > 0) {
        return document__set_int(d, v, s + 2, n, 8, false);
    } else if (s[has_sign] && strspn(s + has_sign, "0123456789") == strlen(s + has_sign)) {
        return document__set_int(d, v, s + has_sign, strlen(s + has_sign), 10, *s == '-');
    } else if (is_float(s)) {
        return document__set_float(d, v, s, strlen(s));
    }
    return EAI_OK;
}

/* What a tag demands of a scalar. */
static eai_status apply_tag(reader *r, eai_value *v, const char *tag, document_place at)
{
    static const struct {
        const char *tag;
        eai_value_kind kind;
    } known[] = {{YAML_NULL_TAG, EAI_VALUE_NULL},
                 {YAML_BOOL_TAG, EAI_VALUE_BOOL},
                 {YAML_INT_TAG, EAI_VALUE_INT},
                 {YAML_FLOAT_TAG, EAI_VALUE_FLOAT}};

    if (strcmp(tag, YAML_STR_TAG) == 0 || strcmp(tag, "!") == 0)
        return EAI_OK;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(tag, known[i].tag) != 0)
            continue;
        EAI_TRY(resolve_plain(r->d, v));
        if (known[i].kind == EAI_VALUE_FLOAT && v->kind == EAI_VALUE_INT)
            document__set_real(v, v->real);
        if (v->kind != known[i].kind)
            return document__fail(r->d, at, "'%.60s' is not %s, as its tag says", v->text,
                                  eai_value_kind_name(known[i].kind));
        return EAI_OK;
    }
    return document__fail(r->d, at, "the tag '%.60s' is not known", tag);
}

static eai_status read_scalar(reader *r, eai_value *v, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;

    EAI_TRY(document__set_text(r->d, v, text, event->data.scalar.length));
    if (tag)
        return apply_tag(r, v, tag, place_of(event->start_mark));
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return resolve_plain(r->d, v);
    return EAI_OK;
}

/* ---- Anchors, aliases, merged keys ----------------------------------------------------------- */

static eai_status add_anchor(anchor **out, reader *r, const yaml_char_t *name, const eai_value *v)
{
    *out = NULL;
    if (!name)
        return EAI_OK;
    if (++r->n_anchors > MAX_ANCHORS)
        return eai_error_set(r->d->err, EAI_ERR_LIMIT, "%s:%d: more than %d anchors", r->d->label,
                             v->line, MAX_ANCHORS);
    anchor *a = eai_arena_zeroed(r->d->arena, 1, sizeof(*a));
    if (a)
        a->name = eai_arena_strdup(r->d->arena, (const char *)name);
    if (!a || !a->name)
        return document__no_memory(r->d);
    a->value = v;
    a->open = true;
    a->next = r->anchors;
    r->anchors = a;
    *out = a;
    return EAI_OK;
}

/* A new child of `parent` with the key and the place of another. */
static eai_status add_like(eai_value **out, reader *r, eai_value *parent, const eai_value *other)
{
    document_key key = {other->key, other->key_length};

    return document__add(out, r->d, parent, key.text ? &key : NULL,
                         (document_place){other->line, other->column});
}

/* Copies the value, and below it, with the lines of the original. */
static eai_status copy_value(reader *r, eai_value *to, const eai_value *from, int depth)
{
    if (depth > DOCUMENT_MAX_DEPTH)
        return document__fail(r->d, (document_place){to->line, to->column}, "more than %d levels",
                              DOCUMENT_MAX_DEPTH);
    to->kind = from->kind;
    to->text = from->text;
    to->length = from->length;
    to->plain = from->plain;
    to->boolean = from->boolean;
    to->integer = from->integer;
    to->real = from->real;
    for (const eai_value *child = from->first; child; child = child->next) {
        eai_value *copy = NULL;
        EAI_TRY(add_like(&copy, r, to, child));
        EAI_TRY(copy_value(r, copy, child, depth + 1));
    }
    return EAI_OK;
}

static eai_status read_alias(reader *r, eai_value *v, const yaml_event_t *event, int depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    const anchor *a = r->anchors;
    document_place at = place_of(event->start_mark);

    while (a && strcmp(a->name, name) != 0)
        a = a->next;
    if (!a)
        return document__fail(r->d, at, "the alias *%.60s has no anchor", name);
    if (a->open)
        return document__fail(r->d, at, "the alias *%.60s stands within what it repeats", name);
    return copy_value(r, v, a->value, depth);
}

/* Members of `from` that `table` has not. */
static eai_status merge_table(reader *r, eai_value *table, const eai_value *from, int depth)
{
    if (from->kind != EAI_VALUE_TABLE)
        return document__fail(r->d, (document_place){from->line, from->column},
                              "'<<' takes a table or a list of tables, not %s",
                              eai_value_kind_name(from->kind));
    for (const eai_value *child = from->first; child; child = child->next) {
        eai_value *copy = NULL;
        if (document__find(r->d, table, (document_key){child->key, child->key_length}))
            continue;
        EAI_TRY(add_like(&copy, r, table, child));
        EAI_TRY(copy_value(r, copy, child, depth + 1));
    }
    return EAI_OK;
}

/* What '<<' names; once the table's own keys are all there. */
static eai_status merge(reader *r, eai_value *table, const eai_value *from, int depth)
{
    if (from->kind != EAI_VALUE_ARRAY)
        return merge_table(r, table, from, depth);
    for (const eai_value *v = from->first; v; v = v->next)
        EAI_TRY(merge_table(r, table, v, depth));
    return EAI_OK;
}

/* ---- Tables and lists ------------------------------------------------------------------------ */

static eai_status read_node(reader *r, eai_value *v, yaml_event_t *event, int depth);

static eai_status read_list(reader *r, eai_value *v, int depth)
{
    yaml_event_t event;
    eai_status st;

    v->kind = EAI_VALUE_ARRAY;
    for (;;) {
        eai_value *child = NULL;
        EAI_TRY(next_event(r, &event));
        if (event.type == YAML_SEQUENCE_END_EVENT)
            break;
        st = document__add(&child, r->d, v, NULL, place_of(event.start_mark));
        if (st == EAI_OK)
            st = read_node(r, child, &event, depth + 1);
        yaml_event_delete(&event);
        EAI_TRY(st);
    }
    yaml_event_delete(&event);
    return EAI_OK;
}

/* The key of a pair, in the arena. */
static eai_status read_table_key(document_key *out, reader *r, const yaml_event_t *event)
{
    document_place at = place_of(event->start_mark);

    if (event->type != YAML_SCALAR_EVENT)
        return document__fail(r->d, at, "a key must be a text");
    if (event->data.scalar.anchor)
        return document__fail(r->d, at, "an anchor on a key");
    out->n = event->data.scalar.length;
    out->text = eai_arena_memdup(r->d->arena, event->data.scalar.value, out->n + 1);
    return out->text ? EAI_OK : document__no_memory(r->d);
}

static bool is_merge_key(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           strcmp((const char *)event->data.scalar.value, "<<") == 0;
}

/* A pair whose key is `event`. What "<<" stands before is read into *merged, apart from the table.
 */
static eai_status read_pair(reader *r, eai_value *table, eai_value *merged,
                            const yaml_event_t *event, int depth)
{
    document_place at = place_of(event->start_mark);
    document_key key;
    eai_value *v = merged;
    yaml_event_t value;

    if (is_merge_key(event) && merged->line > 0)
        return document__fail(r->d, at, "the key '<<' is there twice (first in line %d)",
                              merged->line);
    if (is_merge_key(event)) {
        v->line = at.line;
        v->column = at.column;
    } else {
        EAI_TRY(read_table_key(&key, r, event));
        EAI_TRY(document__add(&v, r->d, table, &key, at));
    }
    EAI_TRY(next_event(r, &value));
    eai_status st = read_node(r, v, &value, depth + 1);
    yaml_event_delete(&value);
    return st;
}

static eai_status read_table(reader *r, eai_value *v, int depth)
{
    yaml_event_t event;
    eai_value *merged = eai_arena_zeroed(r->d->arena, 1, sizeof(*merged));

    if (!merged)
        return document__no_memory(r->d);
    v->kind = EAI_VALUE_TABLE;
    for (;;) {
        EAI_TRY(next_event(r, &event));
        if (event.type == YAML_MAPPING_END_EVENT)
            break;
        eai_status st = read_pair(r, v, merged, &event, depth);
        yaml_event_delete(&event);
        EAI_TRY(st);
    }
    yaml_event_delete(&event);
    return merged->line > 0 ? merge(r, v, merged, depth) : EAI_OK;
}

/* `tag` of a table or list must be the core one. */
static eai_status check_tag(reader *r, const yaml_char_t *tag, const char *core, document_place at)
{
    if (!tag || strcmp((const char *)tag, core) == 0 || strcmp((const char *)tag, "!") == 0)
        return EAI_OK;
    return document__fail(r->d, at, "the tag '%.60s' is not known", (const char *)tag);
}

/* The value that begins with the event. */
static eai_status read_node(reader *r, eai_value *v, yaml_event_t *event, int depth)
{
    document_place at = place_of(event->start_mark);
    anchor *a = NULL;
    eai_status st = EAI_OK;

    if (depth > DOCUMENT_MAX_DEPTH)
        return document__fail(r->d, at, "more than %d levels", DOCUMENT_MAX_DEPTH);
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return read_alias(r, v, event, depth);
    case YAML_SCALAR_EVENT:
        EAI_TRY(add_anchor(&a, r, event->data.scalar.anchor, v));
        st = read_scalar(r, v, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        EAI_TRY(check_tag(r, event->data.sequence_start.tag, YAML_SEQ_TAG, at));
        EAI_TRY(add_anchor(&a, r, event->data.sequence_start.anchor, v));
        st = read_list(r, v, depth);
        break;
    case YAML_MAPPING_START_EVENT:
        EAI_TRY(check_tag(r, event->data.mapping_start.tag, YAML_MAP_TAG, at));
        EAI_TRY(add_anchor(&a, r, event->data.mapping_start.anchor, v));
        st = read_table(r, v, depth);
        break;
    default:
        return document__fail(r->d, at, "no value where one should be");
    }
    if (a)
        a->open = false;
    return st;
}

/* Stream start, one document, stream end. A file of nothing but comments is null. */
static eai_status read_stream(reader *r)
{
    bool seen = false;
    bool ended = false;

    while (!ended) {
        yaml_event_t event;
        eai_status st = next_event(r, &event);
        if (st == EAI_OK && event.type == YAML_DOCUMENT_START_EVENT && seen)
            st = document__fail(r->d, place_of(event.start_mark),
                                "a second document; one file holds one");
        else if (st == EAI_OK && event.type == YAML_STREAM_END_EVENT)
            ended = true;
        else if (st == EAI_OK && event.type != YAML_STREAM_START_EVENT &&
                 event.type != YAML_DOCUMENT_START_EVENT && event.type != YAML_DOCUMENT_END_EVENT) {
            document_place at = place_of(event.start_mark);
            seen = true;
            r->d->root.line = at.line;
            r->d->root.column = at.column;
            st = read_node(r, &r->d->root, &event, 0);
        }
        yaml_event_delete(&event);
        EAI_TRY(st);
    }
    return EAI_OK;
}

eai_status yaml__read(eai_document *d, const char *text, size_t n)
{
    reader r = {.d = d};

    if (!yaml_parser_initialize(&r.parser))
        return document__no_memory(d);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    eai_status st = read_stream(&r);
    yaml_parser_delete(&r.parser);
    return st;
}
