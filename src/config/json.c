/* JSON as a document. jansson reads and judges the text; it does not say where its values stand, so
 * a second walk over the text, which is known to be valid by then, finds the lines: values come in
 * the same order in both. Start at json__read. */
#include "config/document_internal.h"

#include <string.h>

#include "base/json.h"

#include "base/banned.h"

typedef struct walker {
    eai_document *d;
    const char *p; /* valid JSON, whose end is never passed */
    document_place at;
} walker;

static void step(walker *w)
{
    if (*w->p == '\n') {
        w->at.line++;
        w->at.column = 1;
    } else if (((unsigned char)*w->p & 0xc0) != 0x80) {
        w->at.column++;
    }
    w->p++;
}

/* Blanks, and the ',' and ':' between values. */
static void skip_between(walker *w)
{
    while (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r' || *w->p == ',' ||
           *w->p == ':')
        step(w);
}

static void skip_string(walker *w)
{
    step(w);
    while (*w->p != '"') {
        if (*w->p == '\\')
            step(w);
        step(w);
    }
    step(w);
}

/* Over a number or a word, which end with something that is no part of one. */
static const char *skip_word(walker *w)
{
    const char *start = w->p;

    while (*w->p && !strchr(" \t\r\n,]}", *w->p))
        step(w);
    return start;
}

static eai_status copy(walker *w, eai_value *v, json_t *json, int depth);

/* The children of an array or object, in the order of the text. */
static eai_status copy_children(walker *w, eai_value *v, json_t *json, int depth)
{
    void *at = json_is_object(json) ? json_object_iter(json) : NULL;
    size_t n = json_is_object(json) ? json_object_size(json) : json_array_size(json);

    v->kind = json_is_object(json) ? EAI_VALUE_TABLE : EAI_VALUE_ARRAY;
    step(w);
    for (size_t i = 0; i < n; i++) {
        eai_value *child = NULL;
        document_key key = {NULL, 0};
        skip_between(w);
        document_place place = w->at;
        if (at) {
            key.text = eai_arena_strdup(w->d->arena, json_object_iter_key(at));
            if (!key.text)
                return document__no_memory(w->d);
            key.n = strlen(key.text);
            skip_string(w);
            skip_between(w);
        }
        EAI_TRY(document__add(&child, w->d, v, at ? &key : NULL, place));
        EAI_TRY(
            copy(w, child, at ? json_object_iter_value(at) : json_array_get(json, i), depth + 1));
        if (at)
            at = json_object_iter_next(json, at);
    }
    skip_between(w);
    step(w);
    return EAI_OK;
}

static eai_status copy_number(walker *w, eai_value *v, const json_t *json)
{
    const char *start = skip_word(w);

    v->text = eai_arena_strndup(w->d->arena, start, (size_t)(w->p - start));
    if (!v->text)
        return document__no_memory(w->d);
    v->length = strlen(v->text);
    v->kind = json_is_integer(json) ? EAI_VALUE_INT : EAI_VALUE_FLOAT;
    v->integer = json_integer_value(json);
    v->real = json_number_value(json);
    return EAI_OK;
}

static eai_status copy(walker *w, eai_value *v, json_t *json, int depth)
{
    if (depth > DOCUMENT_MAX_DEPTH)
        return document__fail(w->d, w->at, "more than %d levels", DOCUMENT_MAX_DEPTH);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return copy_children(w, v, json, depth);
    case JSON_STRING:
        skip_string(w);
        return document__set_text(w->d, v, json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
    case JSON_REAL:
        return copy_number(w, v, json);
    case JSON_TRUE:
    case JSON_FALSE:
        v->kind = EAI_VALUE_BOOL;
        v->boolean = json_is_true(json);
        break;
    case JSON_NULL:
        break;
    }
    skip_word(w);
    return EAI_OK;
}

eai_status json__read(eai_document *d, const char *text, size_t n)
{
    walker w = {d, NULL, {1, 1}};
    json_t *json = NULL;

    w.p = eai_arena_strndup(d->arena, text, n);
    if (!w.p)
        return document__no_memory(d);
    EAI_TRY(eai_json_parse(&json, text, n, d->label, d->err));
    skip_between(&w);
    d->root.line = w.at.line;
    d->root.column = w.at.column;
    eai_status st = copy(&w, &d->root, json, 0);
    json_decref(json);
    return st;
}
