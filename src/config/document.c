/* The tree of a document, whatever format it was read from.
 *
 * Members of all tables are found through one hash table (parent and key), so that a file with many
 * keys costs no more to check for doubled ones than to read. The hash is FNV-1a with a seed that an
 * author of a file cannot know is not needed here: at most 100,000 values, and a chain of all of
 * them is walked in a second. What it does not do: know a format (json.c, yaml.c, toml.c), or what
 * keys mean (options_config.c). Start at eai_document_parse. */
#include "config/document_internal.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/strbuf.h"

#include "base/banned.h"

/* ---- Errors ---------------------------------------------------------------------------------- */

eai_status document__fail(eai_document *d, document_place at, const char *fmt, ...)
{
    char message[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    return eai_error_set(d->err, EAI_ERR_FORMAT, "%s:%d:%d: %s", d->label, at.line, at.column,
                         message);
}

eai_status document__no_memory(eai_document *d)
{
    return eai_error_set(d->err, EAI_ERR_NOMEM, "%s: no memory for the document", d->label);
}

/* ---- The index of members -------------------------------------------------------------------- */

static size_t hash(const eai_value *table, document_key key)
{
    uint64_t h = 14695981039346656037u ^ (uintptr_t)table;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.text[i]) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static bool has_key(const eai_value *v, const char *key, size_t n)
{
    return v->key_length == n && memcmp(v->key, key, n) == 0;
}

/* The slot of the member, or the empty one where it belongs. The index is never full. */
static size_t find_slot(const eai_document *d, const eai_value *table, document_key key)
{
    size_t slot = hash(table, key) & (d->index_size - 1);

    while (d->index[slot] &&
           (d->parents[slot] != table || !has_key(d->index[slot], key.text, key.n)))
        slot = (slot + 1) & (d->index_size - 1);
    return slot;
}

eai_value *document__find(const eai_document *d, const eai_value *table, document_key key)
{
    return d->index_size ? d->index[find_slot(d, table, key)] : NULL;
}

/* Twice the size; the old arrays stay in the arena, half as much as the new ones. */
static eai_status grow_index(eai_document *d)
{
    eai_document old = *d;

    d->index_size = old.index_size ? 2 * old.index_size : 64;
    d->index = eai_arena_zeroed(d->arena, d->index_size, sizeof(eai_value *));
    d->parents = eai_arena_zeroed(d->arena, d->index_size, sizeof(eai_value *));
    if (!d->index || !d->parents) {
        d->index_size = 0;
        return document__no_memory(d);
    }
    for (size_t i = 0; i < old.index_size; i++) {
        if (!old.index[i])
            continue;
        document_key key = {old.index[i]->key, old.index[i]->key_length};
        size_t slot = find_slot(d, old.parents[i], key);
        d->index[slot] = old.index[i];
        d->parents[slot] = old.parents[i];
    }
    return EAI_OK;
}

/* ---- Building -------------------------------------------------------------------------------- */

void document__append(eai_value *parent, eai_value *v)
{
    if (parent->last)
        parent->last->next = v;
    else
        parent->first = v;
    parent->last = v;
    parent->n++;
}

eai_status document__add(eai_value **out, eai_document *d, eai_value *parent,
                         const document_key *key, document_place at)
{
    *out = NULL;
    if (++d->n_values > DOCUMENT_MAX_VALUES)
        return eai_error_set(d->err, EAI_ERR_LIMIT, "%s:%d: more than %d values", d->label, at.line,
                             DOCUMENT_MAX_VALUES);
    if (key && 2 * (d->n_indexed + 1) > d->index_size)
        EAI_TRY(grow_index(d));
    size_t slot = key ? find_slot(d, parent, *key) : 0;
    if (key && d->index[slot])
        return document__fail(d, at, "the key '%s' is there twice (first in line %d)", key->text,
                              d->index[slot]->line);
    eai_value *v = eai_arena_zeroed(d->arena, 1, sizeof(*v));
    if (!v)
        return document__no_memory(d);
    v->line = at.line;
    v->column = at.column;
    if (key) {
        v->key = key->text;
        v->key_length = key->n;
        d->index[slot] = v;
        d->parents[slot] = parent;
        d->n_indexed++;
    }
    document__append(parent, v);
    *out = v;
    return EAI_OK;
}

eai_status document__set_text(eai_document *d, eai_value *v, const char *text, size_t n)
{
    char *copy = eai_arena_alloc(d->arena, n + 1);

    if (!copy)
        return document__no_memory(d);
    if (n > 0)
        memcpy(copy, text, n);
    copy[n] = '\0';
    v->kind = EAI_VALUE_TEXT;
    v->text = copy;
    v->length = n;
    return EAI_OK;
}

void document__set_real(eai_value *v, double real)
{
    v->kind = EAI_VALUE_FLOAT;
    v->real = real;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 0x20) - 'a' + 10;
}

eai_status document__set_int(eai_document *d, eai_value *v, const char *digits, size_t n, int base,
                             bool negative)
{
    uint64_t most = negative ? (uint64_t)1 << 63 : INT64_MAX;
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t digit = (uint64_t)digit_of(digits[i]);
        if (sum > (most - digit) / (uint64_t)base)
            return document__fail(d, (document_place){v->line, v->column},
                                  "%s is too large for a whole number of 64 bits", v->text);
        sum = sum * (uint64_t)base + digit;
    }
    v->kind = EAI_VALUE_INT;
    v->integer = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    v->real = (double)v->integer;
    return EAI_OK;
}

eai_status document__set_float(eai_document *d, eai_value *v, const char *number, size_t n)
{
    char *copy = eai_arena_strndup(d->arena, number, n);

    if (!copy)
        return document__no_memory(d);
    double real = strtod(copy, NULL);
    if (!isfinite(real))
        return document__fail(d, (document_place){v->line, v->column},
                              "%s is too large for a number", v->text);
    document__set_real(v, real);
    return EAI_OK;
}

/* ---- Texts ----------------------------------------------------------------------------------- */

/* Behind n bytes: lines and characters, from 1. */
static document_place place_of(const char *text, size_t n)
{
    document_place at = {1, 1};

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            at.line++;
            at.column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

/* UTF-8 without NUL, before any reader sees it. */
static eai_status check_text(eai_document *d, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t length = text[i] ? eai_utf8_length(text + i, n - i) : 0;
        if (length == 0)
            return document__fail(d, place_of(text, i), "the byte 0x%02x is not UTF-8 text",
                                  (unsigned char)text[i]);
        i += length;
    }
    return EAI_OK;
}

/* ---- The public face ------------------------------------------------------------------------- */

eai_status eai_document_parse(eai_document **out, const char *text, size_t n,
                              eai_document_format format, const char *label, eai_error *err)
{
    static eai_status (*const readers[])(eai_document *, const char *,
                                         size_t) = {[EAI_DOCUMENT_JSON] = json__read,
                                                    [EAI_DOCUMENT_YAML] = yaml__read,
                                                    [EAI_DOCUMENT_TOML] = toml__read};
    eai_document *d = eai_alloc_zeroed(1, sizeof(*d));

    *out = NULL;
    if (d) {
        d->err = err;
        d->arena = eai_arena_create(0);
        d->label = eai_arena_strdup(d->arena, label);
        d->root.line = d->root.column = 1;
    }
    eai_status st =
        d && d->label ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory to read '%s'", label);
    if (st == EAI_OK && n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
        text += 3;
        n -= 3;
    }
    if (st == EAI_OK)
        st = check_text(d, text, n);
    if (st == EAI_OK)
        st = readers[format](d, text, n);
    if (st != EAI_OK) {
        eai_document_free(d);
        return st;
    }
    d->err = NULL;
    *out = d;
    return EAI_OK;
}

static bool format_of(eai_document_format *out, const char *path)
{
    static const char *const endings[] = {
#define ENDING(name, ending) [EAI_DOCUMENT_##name] = ending,
        EAI_DOCUMENT_FORMATS(ENDING)
#undef ENDING
    };
    const char *dot = strrchr(path, '.');

    if (dot && strcasecmp(dot, ".yml") == 0)
        dot = ".yaml";
    for (size_t i = 0; dot && i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            *out = (eai_document_format)i;
            return true;
        }
    }
    return false;
}

/* Of a file without one of the endings (a pipe, say) only JSON's object shows what it is. */
static bool is_object(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '{';
}

eai_status eai_document_load(eai_document **out, const char *path, size_t limit, eai_error *err)
{
    eai_document_format format = EAI_DOCUMENT_JSON;
    char *text = NULL;
    size_t n = 0;

    *out = NULL;
    bool known = format_of(&format, path);
    EAI_TRY(eai_fs_read_file(&text, &n, path, limit, err));
    eai_status st = known || is_object(text)
                        ? eai_document_parse(out, text, n, format, path, err)
                        : eai_error_set(err, EAI_ERR_ARGUMENT,
                                        "'%s' ends neither with .yaml, .toml nor .json", path);
    eai_free(text);
    return st;
}

void eai_document_free(eai_document *d)
{
    if (!d)
        return;
    eai_arena_free(d->arena);
    eai_free(d);
}

const eai_value *eai_document_root(const eai_document *d)
{
    return &d->root;
}

const char *eai_document_label(const eai_document *d)
{
    return d->label;
}

/* The member whose key has n bytes. */
static const eai_value *find_member(const eai_value *table, const char *key, size_t n)
{
    const eai_value *v = table && table->kind == EAI_VALUE_TABLE ? table->first : NULL;

    while (v && !has_key(v, key, n))
        v = v->next;
    return v;
}

const eai_value *eai_value_find(const eai_value *table, const char *key)
{
    return find_member(table, key, strlen(key));
}

static const eai_value *find_place(const eai_value *array, const char *digits, size_t n)
{
    size_t place = 0;

    for (size_t i = 0; i < n; i++) {
        if (digits[i] < '0' || digits[i] > '9' || place > array->n)
            return NULL;
        place = 10 * place + (size_t)(digits[i] - '0');
    }
    const eai_value *v = array->first;
    while (v && place-- > 0)
        v = v->next;
    return v;
}

const eai_value *eai_value_path(const eai_value *v, const char *path)
{
    while (v && *path) {
        size_t n = strcspn(path, ".");
        v = v->kind == EAI_VALUE_ARRAY ? find_place(v, path, n) : find_member(v, path, n);
        path += n + (path[n] == '.');
    }
    return v;
}

const char *eai_value_kind_name(eai_value_kind kind)
{
    static const char *const names[] = {
#define SHOWN(name, shown) [EAI_VALUE_##name] = shown,
        EAI_VALUE_KINDS(SHOWN)
#undef SHOWN
    };
    return names[kind];
}
