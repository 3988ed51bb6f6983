/* What is written from an options table: the help, the effective values as JSON, and the name that
 * somebody may have meant. Start at eai_options_help(). */
#include "base/options_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/strbuf.h"

#include "base/banned.h"

#define TEXT_MAX  ((size_t)1 << 20)
#define MIN_WIDTH 40
#define MAX_LEFT  30 /* the column at which help texts start, at most */

/* ---- Ranges ---------------------------------------------------------------------------------- */

bool options__has_range(const eai_option *o)
{
    return (o->type == EAI_OPT_INT || o->type == EAI_OPT_FLOAT) && o->max > o->min;
}

const char *options__allowed_range(char buf[OPTIONS_RANGE_MAX], const eai_option *o)
{
    if (isinf(o->max))
        snprintf(buf, OPTIONS_RANGE_MAX, "at least %.15g", o->min);
    else if (isinf(o->min))
        snprintf(buf, OPTIONS_RANGE_MAX, "at most %.15g", o->max);
    else
        snprintf(buf, OPTIONS_RANGE_MAX, "%.15g to %.15g", o->min, o->max);
    return buf;
}

/* ---- Spelling -------------------------------------------------------------------------------- */

/* The optimal string alignment distance: the usual table of prefixes against prefixes, of which
 * three rows are enough, with the extra step that two swapped neighbours cost one. */
size_t options__distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    size_t n = strlen(a);
    size_t m = strlen(b);

    if (n > LONGEST || m > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        const size_t *before = rows[(i + 1) % 3]; /* row i - 2 */
        const size_t *above = rows[(i - 1) % 3];
        size_t *row = rows[i % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

size_t options__tolerance(const char *word)
{
    size_t third = strlen(word) / 3;

    return third > 1 ? third : 1;
}

const char *eai_did_you_mean(const char *word, const char *const *candidates, size_t n)
{
    size_t best = options__tolerance(word) + 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t distance = options__distance(word, candidates[i]);
        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* ---- Help ------------------------------------------------------------------------------------ */

static const eai_option general_options[] = {
    {"config", 0, EAI_OPT_PATH, 0, NULL, "FILE", "read options from a JSON file",
     .group = "General"},
    {"print-config", 0, EAI_OPT_FLAG, 0, NULL, NULL, "print the effective options as JSON and stop",
     .group = "General"},
    {"log-level", 0, EAI_OPT_ENUM, 0, "warn", "LEVEL", "how much to log on standard error",
     .choices = "error|warn|info|debug|trace", .group = "General"},
    {"verbose", 'v', EAI_OPT_FLAG, 0, NULL, NULL, "log what is done, as --log-level info does",
     .group = "General"},
    {"help", 'h', EAI_OPT_FLAG, 0, NULL, NULL, "show this help", .group = "General"},
};
#define N_GENERAL (sizeof(general_options) / sizeof(general_options[0]))

const eai_option *eai_options_general(size_t i)
{
    return i < N_GENERAL ? &general_options[i] : NULL;
}

static const char *group_of(const eai_option *o)
{
    return o->group ? o->group : "Options";
}

static bool is_true(const char *text)
{
    return text && strcmp(text, "true") == 0;
}

/* "  -r, --rank N". A flag that is on by default is shown with the form that switches it off. */
static void add_left(eai_strbuf *b, const eai_option *o)
{
    bool on = o->type == EAI_OPT_FLAG && is_true(o->default_value);

    if (o->key)
        eai_strbuf_printf(b, "  -%c, ", o->key);
    else
        eai_strbuf_text(b, "      ");
    eai_strbuf_printf(b, "--%s%s", on ? "[no-]" : "", o->name);
    if (o->value_name)
        eai_strbuf_printf(b, " %s", o->value_name);
    else if (o->type != EAI_OPT_FLAG)
        eai_strbuf_text(b, " VALUE");
}

/* "rank of the adapters, 1 to 256 [8]": the help, then what the table knows. */
static void add_right(eai_strbuf *b, const eai_option *o)
{
    char range[OPTIONS_RANGE_MAX];

    eai_strbuf_text(b, o->help ? o->help : "");
    if (o->type == EAI_OPT_ENUM && o->choices) {
        eai_strbuf_text(b, ": ");
        for (const char *p = o->choices; *p; p++)
            eai_strbuf_text(b, *p == '|' ? ", " : (char[2]){*p, '\0'});
    }
    if (options__has_range(o))
        eai_strbuf_printf(b, ", %s", options__allowed_range(range, o));
    if (o->required)
        eai_strbuf_text(b, " (required)");
    else if (o->default_value && o->default_value[0] && o->type != EAI_OPT_FLAG)
        eai_strbuf_printf(b, " [%s]", o->default_value);
    else if (o->type == EAI_OPT_FLAG && is_true(o->default_value))
        eai_strbuf_text(b, " [on]");
}

/* Columns of a text: its characters, not its bytes. */
static size_t columns(const char *s, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

/* Words of `text` in lines of at most width - indent columns, all but the first line indented. */
static void add_wrapped(eai_strbuf *b, const char *text, size_t indent, size_t width)
{
    size_t column = indent;

    while (*text) {
        size_t n = strcspn(text, " ");
        size_t wide = columns(text, n);
        if (column > indent && column + 1 + wide > width) {
            eai_strbuf_char(b, '\n');
            eai_strbuf_repeat(b, ' ', indent);
            column = indent;
        }
        if (column > indent) {
            eai_strbuf_char(b, ' ');
            column++;
        }
        eai_strbuf_bytes(b, text, n);
        column += wide;
        text += n + strspn(text + n, " ");
    }
    eai_strbuf_char(b, '\n');
}

/* One row of the help. `left` and `right` are scratch. */
static void add_row(eai_strbuf *b, const eai_option *o, size_t indent, size_t width,
                    eai_strbuf *left, eai_strbuf *right)
{
    eai_strbuf_clear(left);
    eai_strbuf_clear(right);
    add_left(left, o);
    add_right(right, o);
    size_t wide = columns(eai_strbuf_get(left), left->length);
    eai_strbuf_text(b, eai_strbuf_get(left));
    if (wide + 2 > indent) {
        eai_strbuf_char(b, '\n');
        wide = 0;
    }
    eai_strbuf_repeat(b, ' ', indent - wide);
    add_wrapped(b, eai_strbuf_get(right), indent, width);
}

/* The rows of the help: those of the table, then the general ones that the table does not define.
 * Returns NULL behind the last. */
static const eai_option *row_at(const eai_option *table, size_t n, size_t i)
{
    if (i < n)
        return &table[i];
    for (size_t g = 0, seen = n; g < N_GENERAL; g++) {
        bool own = false;
        for (size_t j = 0; j < n; j++)
            own = own || strcmp(table[j].name, general_options[g].name) == 0;
        if (!own && seen++ == i)
            return &general_options[g];
    }
    return NULL;
}

/* The column of the help texts: behind the widest left part that is not too wide; 0: no memory. */
static size_t find_indent(const eai_option *table, size_t n, eai_strbuf *left)
{
    size_t indent = 0;
    const eai_option *o;

    for (size_t i = 0; (o = row_at(table, n, i)) != NULL; i++) {
        eai_strbuf_clear(left);
        add_left(left, o);
        if (left->status != EAI_OK)
            return 0;
        size_t wide = columns(eai_strbuf_get(left), left->length) + 2;
        if (wide > indent && wide <= MAX_LEFT)
            indent = wide;
    }
    return indent ? indent : MAX_LEFT;
}

/* True when an earlier row has the same group, whose rows are then already out. */
static bool group_was_seen(const eai_option *table, size_t n, size_t i)
{
    const char *group = group_of(row_at(table, n, i));

    for (size_t j = 0; j < i; j++)
        if (strcmp(group_of(row_at(table, n, j)), group) == 0)
            return true;
    return false;
}

char *eai_options_help(const eai_option *table, int width)
{
    eai_strbuf text = EAI_STRBUF_INIT(TEXT_MAX);
    eai_strbuf left = EAI_STRBUF_INIT(TEXT_MAX);
    eai_strbuf right = EAI_STRBUF_INIT(TEXT_MAX);
    const eai_option *o;
    size_t n = 0;
    size_t wide = width <= 0 ? 80 : width < MIN_WIDTH ? MIN_WIDTH : (size_t)width;

    while (table[n].type != EAI_OPT_END)
        n++;
    size_t indent = find_indent(table, n, &left);
    bool ok = indent > 0;
    for (size_t i = 0; ok && (o = row_at(table, n, i)) != NULL; i++) {
        if (group_was_seen(table, n, i))
            continue;
        eai_strbuf_printf(&text, "%s%s:\n", i ? "\n" : "", group_of(o));
        const eai_option *member;
        for (size_t j = i; ok && (member = row_at(table, n, j)) != NULL; j++) {
            if (strcmp(group_of(member), group_of(o)) != 0)
                continue;
            add_row(&text, member, indent, wide, &left, &right); /* clears left and right first */
            ok = left.status == EAI_OK && right.status == EAI_OK;
        }
    }
    char *help = ok ? eai_strbuf_take(&text, NULL) : NULL;
    eai_strbuf_deinit(&text);
    eai_strbuf_deinit(&left);
    eai_strbuf_deinit(&right);
    return help;
}

/* ---- Values as JSON -------------------------------------------------------------------------- */

static void add_value(eai_strbuf *b, const eai_option *o, const void *args)
{
    const void *field = (const char *)args + o->offset;
    bool flag;
    int64_t integer;
    double real;
    const char *text;

    switch (o->type) {
    case EAI_OPT_FLAG:
        memcpy(&flag, field, sizeof(flag));
        eai_strbuf_text(b, flag ? "true" : "false");
        break;
    case EAI_OPT_INT:
        memcpy(&integer, field, sizeof(integer));
        eai_strbuf_printf(b, "%" PRId64, integer);
        break;
    case EAI_OPT_FLOAT:
        memcpy(&real, field, sizeof(real));
        eai_strbuf_json_number(b, real);
        break;
    case EAI_OPT_STRING:
    case EAI_OPT_PATH:
    case EAI_OPT_ENUM:
        memcpy(&text, field, sizeof(text));
        eai_strbuf_json_string(b, text);
        break;
    case EAI_OPT_END:
        break;
    }
}

char *eai_options_to_json(const eai_option *table, const void *args)
{
    eai_strbuf b = EAI_STRBUF_INIT(16 * TEXT_MAX);

    eai_strbuf_char(&b, '{');
    for (const eai_option *o = table; o->type != EAI_OPT_END; o++) {
        eai_strbuf_text(&b, o == table ? "\n  " : ",\n  ");
        eai_strbuf_json_string(&b, o->name);
        eai_strbuf_text(&b, ": ");
        add_value(&b, o, args);
    }
    eai_strbuf_text(&b, "\n}");
    char *json = eai_strbuf_take(&b, NULL);
    eai_strbuf_deinit(&b);
    return json;
}
