/* Tables from CSV and JSON lines, kept as columns of texts.
 *
 * Why texts: which columns are numbers is known when one is asked for, and a message can then say
 * what stands in the cell. What it does not do: no dates, no types, no JSON beyond a line an
 * object. Start at eai_plot_table_parse. */
#include <efficientai/plot_table.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/options.h>

#include "base/arena.h"
#include "base/strbuf.h"

#include "base/banned.h"

#define MAX_FILE    ((size_t)1 << 30)
#define MAX_LINE    ((size_t)16 << 20)
#define MAX_COLUMNS 1024
#define MAX_CELLS   ((size_t)64 << 20)
#define MAX_DEPTH   8
#define MAX_LISTED  300 /* bytes of names in a message */

typedef struct table_column {
    const char *name;
    const char **cells; /* [capacity of the table] */
} table_column;

struct eai_plot_table {
    char *label;
    eai_arena *arena; /* names and cells; lives until the table is freed */
    table_column *columns;
    size_t n_columns;
    size_t column_capacity;
    size_t *lines; /* [capacity] where each row begins */
    size_t n_rows;
    size_t capacity; /* rows */
    size_t next;     /* the column that a key is looked for first */
};

static eai_status no_memory(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a table");
}

static eai_status check_cells(size_t n_columns, size_t n_rows, eai_error *err)
{
    if (n_columns > MAX_COLUMNS)
        return eai_error_set(err, EAI_ERR_LIMIT, "more than %d columns", MAX_COLUMNS);
    if (n_columns > 0 && n_rows > MAX_CELLS / n_columns)
        return eai_error_set(err, EAI_ERR_LIMIT, "%zu columns of %zu rows: at most %zu cells",
                             n_columns, n_rows, MAX_CELLS);
    return EAI_OK;
}

/* A new column without values. */
static eai_status add_column(eai_plot_table *t, const char *name, size_t n, eai_error *err)
{
    EAI_TRY(check_cells(t->n_columns + 1, t->capacity, err));
    if (t->n_columns == t->column_capacity) {
        size_t capacity = t->column_capacity ? 2 * t->column_capacity : 16;
        table_column *grown = eai_realloc_array(t->columns, capacity, sizeof(*grown));
        if (!grown)
            return no_memory(err);
        t->columns = grown;
        t->column_capacity = capacity;
    }
    table_column *c = &t->columns[t->n_columns];
    c->name = eai_arena_strndup(t->arena, name, n);
    c->cells = c->name ? eai_alloc_zeroed(t->capacity, sizeof(*c->cells)) : NULL;
    if (!c->cells)
        return no_memory(err);
    t->n_columns++;
    return EAI_OK;
}

static eai_status grow_rows(eai_plot_table *t, eai_error *err)
{
    size_t capacity = t->capacity ? 2 * t->capacity : 64;
    EAI_TRY(check_cells(t->n_columns, capacity, err));
    size_t *lines = eai_realloc_array(t->lines, capacity, sizeof(*lines));
    if (!lines)
        return no_memory(err);
    t->lines = lines;
    for (size_t i = 0; i < t->n_columns; i++) {
        const char **cells =
            eai_realloc_array((void *)t->columns[i].cells, capacity, sizeof(*cells));
        if (!cells)
            return no_memory(err);
        t->columns[i].cells = cells;
        memset((void *)(cells + t->n_rows), 0, (capacity - t->n_rows) * sizeof(*cells));
    }
    t->capacity = capacity;
    return EAI_OK;
}

/* Begins a row that has no values yet. */
static eai_status add_row(eai_plot_table *t, size_t line, eai_error *err)
{
    if (t->n_rows == t->capacity)
        EAI_TRY(grow_rows(t, err));
    t->lines[t->n_rows++] = line;
    t->next = 0;
    return EAI_OK;
}

/* Sets a cell of the last row. */
static eai_status set_cell(eai_plot_table *t, size_t at, const char *text, size_t n, eai_error *err)
{
    const char *cell = eai_arena_strndup(t->arena, text, n);
    if (!cell)
        return no_memory(err);
    t->columns[at].cells[t->n_rows - 1] = cell;
    return EAI_OK;
}

/* ---- CSV ------------------------------------------------------------------------------------- */

typedef struct csv {
    const char *at, *end;
    size_t line;
    char separator;
    eai_strbuf field;
} csv;

/* The separator that the first line has first, outside quotes. */
static char find_separator(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end && *at != '\n'; at++) {
        quoted = quoted != (*at == '"');
        if (!quoted && (*at == ',' || *at == '\t' || *at == ';'))
            return *at;
    }
    return ',';
}

/* The inside of a quoted field; `at` is behind its first quote. */
static eai_status read_quoted(csv *c, eai_error *err)
{
    size_t first = c->line;
    for (; c->at < c->end; c->at++) {
        if (*c->at == '"') {
            c->at++;
            if (c->at == c->end || *c->at != '"')
                return EAI_OK;
        }
        c->line += *c->at == '\n';
        eai_strbuf_char(&c->field, *c->at);
    }
    return eai_error_set(err, EAI_ERR_FORMAT, "a quote that opens in line %zu is never closed",
                         first);
}

/* Reads a field into c->field and goes to what ends it; *last when that is the line's end, which is
 * passed over. */
static eai_status read_field(csv *c, bool *last, eai_error *err)
{
    eai_strbuf_clear(&c->field);
    if (c->at < c->end && *c->at == '"') {
        c->at++;
        EAI_TRY(read_quoted(c, err));
        if (c->at < c->end && !strchr("\r\n", *c->at) && *c->at != c->separator)
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "text behind a closing quote (\"\" is a quote within quotes)");
    } else {
        const char *from = c->at;
        while (c->at < c->end && *c->at != '\n' && *c->at != c->separator)
            c->at++;
        const char *to = c->at;
        while (to > from && (to[-1] == ' ' || to[-1] == '\r'))
            to--;
        while (from < to && *from == ' ')
            from++;
        eai_strbuf_bytes(&c->field, from, (size_t)(to - from));
    }
    if (c->at < c->end && *c->at == '\r')
        c->at++;
    *last = c->at == c->end || *c->at == '\n';
    c->at += c->at < c->end;
    if (memchr(eai_strbuf_get(&c->field), '\0', c->field.length))
        return eai_error_set(err, EAI_ERR_FORMAT, "a NUL byte");
    return eai_strbuf_check(&c->field, "a field", err);
}

/* An empty name is allowed once: the column of row numbers that some programs write. */
static eai_status read_names(eai_plot_table *t, csv *c, eai_error *err)
{
    bool last = false;
    while (!last) {
        EAI_TRY(read_field(c, &last, err));
        const char *name = eai_strbuf_get(&c->field);
        for (size_t i = 0; i < t->n_columns; i++) {
            if (strcmp(t->columns[i].name, name) == 0)
                return eai_error_set(err, EAI_ERR_FORMAT, "two columns are named '%s'", name);
        }
        EAI_TRY(add_column(t, name, c->field.length, err));
    }
    return EAI_OK;
}

/* One line of fields; blank lines are passed over. */
static eai_status read_record(eai_plot_table *t, csv *c, eai_error *err)
{
    size_t n = 0;
    bool last = false;
    size_t line = c->line;
    if (*c->at == '\n' || (*c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n')) {
        c->at += 1 + (*c->at == '\r');
        return EAI_OK;
    }
    EAI_TRY(add_row(t, line, err));
    while (!last) {
        EAI_TRY(read_field(c, &last, err));
        if (n < t->n_columns && c->field.length > 0)
            EAI_TRY(set_cell(t, n, eai_strbuf_get(&c->field), c->field.length, err));
        n++;
    }
    if (n != t->n_columns)
        return eai_error_set(err, EAI_ERR_FORMAT, "%zu field%s, but line 1 names %zu", n,
                             n == 1 ? "" : "s", t->n_columns);
    return EAI_OK;
}

static eai_status read_csv(eai_plot_table *t, const char *text, size_t n, eai_error *err)
{
    csv c = {.at = text, .end = text + n, .line = 1};
    eai_strbuf_init(&c.field, MAX_LINE);
    c.separator = find_separator(c.at, c.end);
    eai_status st = read_names(t, &c, err);
    size_t line = c.line;
    while (st == EAI_OK && c.at < c.end) {
        line = ++c.line;
        st = read_record(t, &c, err);
    }
    eai_strbuf_deinit(&c.field);
    return st == EAI_OK ? st : eai_error_context(err, st, "%s:%zu", t->label, line);
}

/* ---- JSON lines ------------------------------------------------------------------------------ */

/* The column of a key; rows have mostly the same keys in the same order. A new key is a new column.
 */
static eai_status find_key(size_t *at, eai_plot_table *t, const char *key, eai_error *err)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        *at = (t->next + i) % t->n_columns;
        if (strcmp(t->columns[*at].name, key) == 0) {
            t->next = *at + 1;
            return EAI_OK;
        }
    }
    *at = t->n_columns;
    t->next = *at + 1;
    return add_column(t, key, strlen(key), err);
}

static eai_status take_value(eai_plot_table *t, const char *key, const json_t *value,
                             eai_error *err)
{
    char number[40];
    const char *text = number;
    size_t at;
    if (json_is_null(value))
        return EAI_OK;
    EAI_TRY(find_key(&at, t, key, err));
    if (json_is_string(value))
        text = json_string_value(value);
    else if (json_is_array(value))
        text = "a list";
    else if (json_is_boolean(value))
        text = json_is_true(value) ? "1" : "0";
    else if (json_is_integer(value))
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        snprintf(number, sizeof(number), "%.17g", json_real_value(value));
    return *text ? set_cell(t, at, text, strlen(text), err) : EAI_OK;
}

/* The object's values, those of objects within under "outer.inner". */
// NOLINTNEXTLINE(misc-no-recursion): at most MAX_DEPTH deep
static eai_status take_object(eai_plot_table *t, const char *prefix, json_t *object, int depth,
                              eai_error *err)
{
    const char *key;
    json_t *value;
    if (depth > MAX_DEPTH)
        return eai_error_set(err, EAI_ERR_LIMIT, "objects within objects: at most %d deep",
                             MAX_DEPTH);
    json_object_foreach(object, key, value)
    {
        char *name = *prefix ? eai_asprintf("%s.%s", prefix, key) : eai_strdup(key);
        if (!name)
            return no_memory(err);
        eai_status st = json_is_object(value) ? take_object(t, name, value, depth + 1, err)
                                              : take_value(t, name, value, err);
        eai_free(name);
        if (st != EAI_OK)
            return st;
    }
    return EAI_OK;
}

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!strchr(" \t\r", text[i]) || text[i] == '\0')
            return false;
    }
    return true;
}

static eai_status read_object(eai_plot_table *t, const char *text, size_t n, size_t line,
                              eai_error *err)
{
    json_error_t why;
    if (n > MAX_LINE)
        return eai_error_set(err, EAI_ERR_LIMIT, "%zu bytes (at most %zu are allowed)", n,
                             MAX_LINE);
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    if (!object && json_error_code(&why) == json_error_out_of_memory)
        return no_memory(err);
    if (!object)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s, at byte %d", why.text, why.position);
    eai_status st = EAI_OK;
    if (!json_is_object(object))
        st = eai_error_set(err, EAI_ERR_FORMAT, "no object (JSON lines have one a line)");
    if (st == EAI_OK)
        st = add_row(t, line, err);
    if (st == EAI_OK)
        st = take_object(t, "", object, 1, err);
    json_decref(object);
    return st;
}

static eai_status read_json_lines(eai_plot_table *t, const char *text, size_t n, eai_error *err)
{
    const char *end = text + n;
    size_t line = 0;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = newline ? (size_t)(newline - text) : (size_t)(end - text);
        line++;
        if (!is_blank(text, length)) {
            eai_status st = read_object(t, text, length, line, err);
            if (st != EAI_OK)
                return eai_error_context(err, st, "%s:%zu", t->label, line);
        }
        text += newline ? length + 1 : length;
    }
    return EAI_OK;
}

/* ---- The table ------------------------------------------------------------------------------- */

eai_status eai_plot_table_parse(eai_plot_table **out, const char *text, size_t n, const char *label,
                                eai_error *err)
{
    eai_status st = EAI_OK;
    eai_plot_table *t = eai_alloc_zeroed(1, sizeof(*t));

    *out = NULL;
    if (t) {
        t->arena = eai_arena_create(0);
        t->label = eai_strdup(label);
    }
    if (!t || !t->arena || !t->label) {
        st = no_memory(err);
        goto done;
    }
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark, as Excel writes */
        text += 3;
        n -= 3;
    }
    size_t blank = 0;
    while (blank < n && strchr(" \t\r\n", text[blank]) && text[blank])
        blank++;
    st = blank < n && text[blank] == '{' ? read_json_lines(t, text, n, err)
                                         : read_csv(t, text, n, err);
    if (st == EAI_OK && (t->n_rows == 0 || t->n_columns == 0))
        st = eai_error_set(err, EAI_ERR_FORMAT,
                           "%s: no rows (CSV with a line of names, or JSON lines, is allowed)",
                           label);
    if (st != EAI_OK)
        goto done;
    *out = t;
    t = NULL;
done:
    eai_plot_table_free(t);
    return st;
}

eai_status eai_plot_table_read(eai_plot_table **out, const char *path, eai_error *err)
{
    char *text = NULL;
    size_t n;

    *out = NULL;
    EAI_TRY(eai_fs_read_file(&text, &n, path, MAX_FILE, err));
    eai_status st = eai_plot_table_parse(out, text, n, path, err);
    eai_free(text);
    return st;
}

void eai_plot_table_free(eai_plot_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_columns; i++)
        eai_free((void *)t->columns[i].cells);
    eai_free(t->columns);
    eai_free(t->lines);
    eai_arena_free(t->arena);
    eai_free(t->label);
    eai_free(t);
}

size_t eai_plot_table_rows(const eai_plot_table *t)
{
    return t->n_rows;
}

size_t eai_plot_table_columns(const eai_plot_table *t)
{
    return t->n_columns;
}

const char *eai_plot_table_name(const eai_plot_table *t, size_t column)
{
    return t->columns[column].name;
}

const char *const *eai_plot_table_texts(const eai_plot_table *t, size_t column)
{
    return t->columns[column].cells;
}

/* "step, loss, lr", as many names as fit. */
static void list_names(char *buf, size_t size, const eai_plot_table *t)
{
    size_t used = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < t->n_columns && used + 8 < size; i++) {
        int n = snprintf(buf + used, size - used, "%s%s", i ? ", " : "", t->columns[i].name);
        used = (size_t)n < size - used ? used + (size_t)n : size - 1;
    }
    if (used == size - 1)
        memcpy(buf + size - 4, "...", 4);
}

eai_status eai_plot_table_find(size_t *column, const eai_plot_table *t, const char *name,
                               eai_error *err)
{
    char names[MAX_LISTED];
    for (*column = 0; *column < t->n_columns; ++*column) {
        if (strcmp(t->columns[*column].name, name) == 0)
            return EAI_OK;
    }
    const char **all = eai_alloc_array(t->n_columns, sizeof(*all));
    if (!all)
        return no_memory(err);
    for (size_t i = 0; i < t->n_columns; i++)
        all[i] = t->columns[i].name;
    const char *near = eai_did_you_mean(name, all, t->n_columns);
    eai_free((void *)all);
    if (near)
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "%s: no column '%s'; did you mean '%s'?",
                             t->label, name, near);
    list_names(names, sizeof(names), t);
    return eai_error_set(err, EAI_ERR_NOT_FOUND, "%s: no column '%s'; there are %s", t->label, name,
                         names);
}

/* A cell as a number; one that is too large is an infinity, and a gap where it is drawn. */
static bool read_number(double *out, const char *text)
{
    char *end;
    if (!text) {
        *out = (double)NAN;
        return true;
    }
    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

bool eai_plot_table_is_numeric(const eai_plot_table *t, size_t column)
{
    bool any = false;
    double number;
    for (size_t i = 0; i < t->n_rows; i++) {
        const char *text = t->columns[column].cells[i];
        if (!read_number(&number, text))
            return false;
        any = any || text;
    }
    return any;
}

eai_status eai_plot_table_numbers(double **out, const eai_plot_table *t, const char *name,
                                  eai_error *err)
{
    size_t at;
    *out = NULL;
    EAI_TRY(eai_plot_table_find(&at, t, name, err));
    double *numbers = eai_alloc_array(t->n_rows, sizeof(*numbers));
    if (!numbers)
        return no_memory(err);
    for (size_t i = 0; i < t->n_rows; i++) {
        const char *text = t->columns[at].cells[i];
        if (read_number(&numbers[i], text))
            continue;
        eai_free(numbers);
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s:%zu: column '%s' is '%.60s' (a number, or nothing, is allowed)",
                             t->label, t->lines[i], name, text);
    }
    *out = numbers;
    return EAI_OK;
}
