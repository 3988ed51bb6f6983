/* TOML 1.0 (toml.io/en/v1.0.0): tables, dotted keys, arrays of tables.
 *
 * Why our own: neither Debian nor Homebrew has a TOML library for C. This file has the structure,
 * toml_values.c texts, numbers and dates. The text is known to be UTF-8 when it comes here.
 *
 * What makes TOML more than keys and values is which tables may be opened again. A table remembers
 * how it came about:
 *
 *     NAMED     by its header [a.b]; another header of that name is an error
 *     IMPLIED   as a part of a longer header; one header of its own may follow
 *     DOTTED    by dotted keys (b.c = 1); only dotted keys of the same section may add to it
 *     CLOSED    an inline table or a list of values: nothing may add to it
 *     ELEMENT   one of an array of tables, [[a]]
 *
 * Start at toml__read. */
#include "config/toml.h"

#include <string.h>

#include "base/banned.h"

typedef enum table_state { IMPLIED, NAMED, DOTTED, CLOSED, ELEMENT } table_state;

/* What is remembered of a table while the file is read: the value with its state behind it. */
typedef struct table_note {
    const eai_value *table;
    table_state state;
    int section; /* of DOTTED: the number of the header under which it came about */
    struct table_note *next;
} table_note;

enum { N_NOTE_LISTS = 1024 };

typedef struct reader {
    toml_text in;
    int section; /* the header or inline table that dotted keys are read under */
    int n_sections;
    int depth;                       /* levels of the table that the last header opened */
    table_note *notes[N_NOTE_LISTS]; /* by the table's address */
} reader;

static table_note **note_list(reader *r, const eai_value *table)
{
    return &r->notes[((uintptr_t)table >> 4) % N_NOTE_LISTS];
}

static table_note *note_of(reader *r, const eai_value *table)
{
    table_note *note = *note_list(r, table);

    while (note && note->table != table)
        note = note->next;
    return note;
}

/* The root has no note. */
static table_state state_of(reader *r, const eai_value *table)
{
    const table_note *note = note_of(r, table);

    return note ? note->state : IMPLIED;
}

static eai_status set_state(reader *r, const eai_value *table, table_state state)
{
    table_note *note = note_of(r, table);

    if (!note) {
        note = eai_arena_zeroed(r->in.d->arena, 1, sizeof(*note));
        if (!note)
            return document__no_memory(r->in.d);
        table_note **list = note_list(r, table);
        note->table = table;
        note->next = *list;
        *list = note;
    }
    note->state = state;
    note->section = r->section;
    return EAI_OK;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

enum { MAX_KEY_PARTS = DOCUMENT_MAX_DEPTH };

typedef struct key_path {
    document_key parts[MAX_KEY_PARTS];
    document_place at[MAX_KEY_PARTS];
    size_t n;
} key_path;

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static eai_status read_key_part(document_key *out, reader *r)
{
    toml_text *in = &r->in;
    eai_value quoted = {0};
    size_t n = 0;

    if (in->p < in->end && (*in->p == '"' || *in->p == '\'')) {
        EAI_TRY(toml__read_quoted(in, &quoted, false));
        *out = (document_key){quoted.text, quoted.length};
        return EAI_OK;
    }
    while (in->p + n < in->end && is_bare(in->p[n]))
        n++;
    if (n == 0)
        return toml__unexpected(in, "a key");
    *out = (document_key){eai_arena_strndup(in->d->arena, in->p, n), n};
    toml__skip(in, n);
    return out->text ? EAI_OK : document__no_memory(in->d);
}

/* a . "b c" . d */
static eai_status read_key(key_path *key, reader *r)
{
    toml_text *in = &r->in;

    *key = (key_path){0};
    for (;;) {
        toml__skip_blanks(in);
        if (key->n == MAX_KEY_PARTS)
            return document__fail(in->d, in->at, "a key of more than %d parts", MAX_KEY_PARTS);
        key->at[key->n] = in->at;
        EAI_TRY(read_key_part(&key->parts[key->n], r));
        key->n++;
        toml__skip_blanks(in);
        if (!toml__take(in, '.'))
            return EAI_OK;
    }
}

/* ---- Dotted keys ----------------------------------------------------------------------------- */

static eai_status add_table(eai_value **out, reader *r, eai_value *parent, const key_path *key,
                            size_t part, table_state state)
{
    EAI_TRY(document__add(out, r->in.d, parent, &key->parts[part], key->at[part]));
    (*out)->kind = EAI_VALUE_TABLE;
    return set_state(r, *out, state);
}

/* The table below `table` in which the last part of a dotted key belongs. */
static eai_status walk_dotted(eai_value **out, reader *r, eai_value *table, const key_path *key)
{
    for (size_t i = 0; i + 1 < key->n; i++) {
        eai_value *child = document__find(r->in.d, table, key->parts[i]);
        const table_note *note = child ? note_of(r, child) : NULL;
        if (!child) {
            EAI_TRY(add_table(&child, r, table, key, i, DOTTED));
        } else if (child->kind != EAI_VALUE_TABLE || !note ||
                   (note->state != IMPLIED &&
                    !(note->state == DOTTED && note->section == r->section))) {
            return document__fail(r->in.d, key->at[i],
                                  "'%s' cannot be added to here: it is there since line %d",
                                  key->parts[i].text, child->line);
        } else {
            EAI_TRY(set_state(r, child, DOTTED));
        }
        table = child;
    }
    *out = table;
    return EAI_OK;
}

static eai_status read_value(reader *r, eai_value *v, int depth);

/* key = value */
static eai_status read_pair(reader *r, eai_value *table, int depth)
{
    key_path key = {0};
    eai_value *v = NULL;

    EAI_TRY(read_key(&key, r));
    if (!toml__take(&r->in, '='))
        return toml__unexpected(&r->in, "'=' behind the key");
    toml__skip_blanks(&r->in);
    EAI_TRY(walk_dotted(&table, r, table, &key));
    size_t last = key.n - 1;
    EAI_TRY(document__add(&v, r->in.d, table, &key.parts[last], key.at[last]));
    return read_value(r, v, depth + (int)last);
}

/* ---- Values that hold others ----------------------------------------------------------------- */

/* Blanks, line ends and comments, which may stand anywhere in an array. */
static eai_status skip_lines(toml_text *in)
{
    for (;;) {
        toml__skip_blanks(in);
        if (in->p < in->end && *in->p == '#')
            EAI_TRY(toml__skip_comment(in));
        if (!toml__take_line_end(in))
            return EAI_OK;
    }
}

static eai_status read_array(reader *r, eai_value *array, int depth)
{
    toml_text *in = &r->in;

    array->kind = EAI_VALUE_ARRAY;
    EAI_TRY(set_state(r, array, CLOSED));
    toml__skip(in, 1);
    for (;;) {
        eai_value *v = NULL;
        EAI_TRY(skip_lines(in));
        if (toml__take(in, ']'))
            return EAI_OK;
        EAI_TRY(document__add(&v, in->d, array, NULL, in->at));
        EAI_TRY(read_value(r, v, depth + 1));
        EAI_TRY(skip_lines(in));
        if (toml__take(in, ']'))
            return EAI_OK;
        if (!toml__take(in, ','))
            return toml__unexpected(in, "',' or ']' in the list");
    }
}

/* A closed table's own dotted tables are closed with it. */
static eai_status close_tables(reader *r, eai_value *table)
{
    for (eai_value *v = table->first; v; v = v->next)
        if (v->kind == EAI_VALUE_TABLE)
            EAI_TRY(close_tables(r, v));
    return set_state(r, table, CLOSED);
}

static eai_status read_inline_table(reader *r, eai_value *table, int depth)
{
    toml_text *in = &r->in;
    int outer = r->section;

    table->kind = EAI_VALUE_TABLE;
    r->section = ++r->n_sections;
    toml__skip(in, 1);
    toml__skip_blanks(in);
    bool more = !toml__take(in, '}');
    while (more) {
        EAI_TRY(read_pair(r, table, depth + 1));
        toml__skip_blanks(in);
        more = !toml__take(in, '}');
        if (more && !toml__take(in, ','))
            return toml__unexpected(in, "',' or '}' in the table");
    }
    r->section = outer;
    return close_tables(r, table);
}

static eai_status read_value(reader *r, eai_value *v, int depth)
{
    toml_text *in = &r->in;

    if (depth > DOCUMENT_MAX_DEPTH)
        return document__fail(in->d, in->at, "more than %d levels", DOCUMENT_MAX_DEPTH);
    if (in->p < in->end && *in->p == '[')
        return read_array(r, v, depth);
    if (in->p < in->end && *in->p == '{')
        return read_inline_table(r, v, depth);
    return toml__read_scalar(in, v);
}

/* ---- Headers --------------------------------------------------------------------------------- */

/* One step of a header, into a table that is there; of an array of tables into its last one. */
static eai_status enter(eai_value **out, reader *r, eai_value *child, const key_path *key, size_t i)
{
    bool elements = child->kind == EAI_VALUE_ARRAY && state_of(r, child) == ELEMENT;

    if (elements) {
        child = child->last;
        r->depth++;
    }
    if (child->kind != EAI_VALUE_TABLE || state_of(r, child) == CLOSED)
        return document__fail(r->in.d, key->at[i],
                              "'%s' is no table that can be added to: it is there since line %d",
                              key->parts[i].text, child->line);
    *out = child;
    return EAI_OK;
}

static eai_status walk_header(eai_value **out, reader *r, const key_path *key)
{
    eai_value *table = &r->in.d->root;

    r->depth = (int)key->n;
    for (size_t i = 0; i + 1 < key->n; i++) {
        eai_value *child = document__find(r->in.d, table, key->parts[i]);
        if (child)
            EAI_TRY(enter(&child, r, child, key, i));
        else
            EAI_TRY(add_table(&child, r, table, key, i, IMPLIED));
        table = child;
    }
    *out = table;
    return EAI_OK;
}

/* [a.b] */
static eai_status open_table(eai_value **out, reader *r, eai_value *parent, const key_path *key)
{
    size_t last = key->n - 1;
    eai_value *table = document__find(r->in.d, parent, key->parts[last]);

    if (!table)
        return add_table(out, r, parent, key, last, NAMED);
    if (table->kind != EAI_VALUE_TABLE || state_of(r, table) != IMPLIED)
        return document__fail(r->in.d, key->at[last],
                              "the table '%s' is there twice (first in line %d)",
                              key->parts[last].text, table->line);
    *out = table;
    return set_state(r, table, NAMED);
}

/* [[a.b]] */
static eai_status open_element(eai_value **out, reader *r, eai_value *parent, const key_path *key)
{
    eai_document *d = r->in.d;
    size_t last = key->n - 1;
    eai_value *array = document__find(d, parent, key->parts[last]);

    if (!array) {
        EAI_TRY(document__add(&array, d, parent, &key->parts[last], key->at[last]));
        array->kind = EAI_VALUE_ARRAY;
        EAI_TRY(set_state(r, array, ELEMENT));
    } else if (array->kind != EAI_VALUE_ARRAY || state_of(r, array) != ELEMENT) {
        return document__fail(d, key->at[last],
                              "'%s' is no array of tables: it is there since line %d",
                              key->parts[last].text, array->line);
    }
    EAI_TRY(document__add(out, d, array, NULL, key->at[last]));
    (*out)->kind = EAI_VALUE_TABLE;
    return set_state(r, *out, NAMED);
}

static eai_status read_header(eai_value **table, reader *r)
{
    toml_text *in = &r->in;
    key_path key;
    eai_value *parent = NULL;

    toml__skip(in, 1);
    bool element = toml__take(in, '[');
    EAI_TRY(read_key(&key, r));
    if (!toml__take(in, ']') || (element && !toml__take(in, ']')))
        return toml__unexpected(in, element ? "']]' behind the name" : "']' behind the name");
    r->section = ++r->n_sections;
    EAI_TRY(walk_header(&parent, r, &key));
    r->depth += element;
    if (r->depth > DOCUMENT_MAX_DEPTH)
        return document__fail(in->d, in->at, "more than %d levels", DOCUMENT_MAX_DEPTH);
    return element ? open_element(table, r, parent, &key) : open_table(table, r, parent, &key);
}

static eai_status read_line(eai_value **table, reader *r)
{
    toml_text *in = &r->in;

    toml__skip_blanks(in);
    if (in->p < in->end && *in->p == '[')
        EAI_TRY(read_header(table, r));
    else if (in->p < in->end && *in->p != '#' && *in->p != '\n' && *in->p != '\r')
        EAI_TRY(read_pair(r, *table, r->depth + 1));
    toml__skip_blanks(in);
    if (in->p < in->end && *in->p == '#')
        EAI_TRY(toml__skip_comment(in));
    if (in->p < in->end && !toml__take_line_end(in))
        return toml__unexpected(in, "the end of the line");
    return EAI_OK;
}

eai_status toml__read(eai_document *d, const char *text, size_t n)
{
    reader *r = eai_arena_zeroed(d->arena, 1, sizeof(*r));
    eai_value *table = &d->root;

    if (!r)
        return document__no_memory(d);
    r->in = (toml_text){d, text, text + n, {1, 1}};
    d->root.kind = EAI_VALUE_TABLE;
    while (r->in.p < r->in.end)
        EAI_TRY(read_line(&table, r));
    return EAI_OK;
}
