/* What is written from an options table: the help, and values as a document. Start at
 * eai_options_help(). */
#include "config/options_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/strbuf.h"
#include "config/document_internal.h"
#include "config/wrap.h"

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

/* ---- Help ------------------------------------------------------------------------------------ */

static const eai_option general_options[] = {
    {"config", 0, EAI_OPT_PATH, 0, NULL, "FILE",
     "read options from a YAML, TOML or JSON file; may be repeated", .group = "General"},
    {"config-profile", 0, EAI_OPT_STRING, 0, NULL, "NAME", "use this one of the file's profiles",
     .group = "General"},
    {"set", 0, EAI_OPT_STRING, 0, NULL, "KEY=VALUE",
     "set an option by its name in files, such as adapter.rank=8; may be repeated",
     .group = "General"},
    {"print-config", 0, EAI_OPT_FLAG, 0, NULL, "[=FORMAT]",
     "print the effective options as json, yaml or toml and stop", .group = "General"},
    {"origin", 0, EAI_OPT_FLAG, 0, NULL, NULL,
     "with --print-config: also where each value comes from", .group = "General"},
    {"log-level", 0, EAI_OPT_ENUM, 0, "warn", "LEVEL", "how much to log on standard error",
     .choices = "error|warn|info|debug|trace", .group = "General"},
    {"verbose", 'v', EAI_OPT_FLAG, 0, NULL, NULL, "log what is done, as --log-level info does",
     .group = "General"},
    {"quiet", 'q', EAI_OPT_FLAG, 0, NULL, NULL, "no progress, no notes on standard error",
     .group = "General"},
    {"color", 0, EAI_OPT_ENUM, 0, "auto", "WHEN",
     "colours; auto: on a terminal, unless NO_COLOR is set", .choices = "auto|always|never",
     .group = "General"},
    {"help", 'h', EAI_OPT_FLAG, 0, NULL, NULL, "show this help", .group = "General"},
};
#define N_GENERAL (sizeof(general_options) / sizeof(general_options[0]))

const eai_option *eai_options_general(size_t i)
{
    return i < N_GENERAL ? &general_options[i] : NULL;
}

const char *options__group(const eai_option *o)
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
        eai_strbuf_printf(b, "%s%s", o->value_name[0] == '[' ? "" : " ", o->value_name);
    else if (o->type != EAI_OPT_FLAG)
        eai_strbuf_text(b, " VALUE");
}

/* "[256 tokens]"; of 0 and 1 the unit says little. */
static bool has_unit(const eai_option *o)
{
    return o->unit && strcmp(o->default_value, "0") != 0 && strcmp(o->default_value, "1") != 0;
}

void options__describe(eai_strbuf *b, const eai_option *o)
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
        eai_strbuf_printf(b, " [%s%s%s]", o->default_value, has_unit(o) ? " " : "",
                          has_unit(o) ? o->unit : "");
    else if (o->type == EAI_OPT_FLAG && is_true(o->default_value))
        eai_strbuf_text(b, " [on]");
}

/* One row of the help. `left` and `right` are scratch. */
static void add_row(eai_strbuf *b, const eai_option *o, size_t indent, size_t width,
                    eai_strbuf *left, eai_strbuf *right)
{
    eai_strbuf_clear(left);
    eai_strbuf_clear(right);
    add_left(left, o);
    options__describe(right, o);
    size_t wide = wrap__columns(eai_strbuf_get(left), left->length);
    eai_strbuf_text(b, eai_strbuf_get(left));
    if (wide + 2 > indent) {
        eai_strbuf_char(b, '\n');
        wide = 0;
    }
    eai_strbuf_repeat(b, ' ', indent - wide);
    wrap__line(b, eai_strbuf_get(right), indent, width);
}

const eai_option *options__row(const eai_option *table, size_t n, size_t i)
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
static size_t find_indent(const eai_option *table, size_t n, size_t width, eai_strbuf *left)
{
    size_t most = width / 2 < MAX_LEFT ? width / 2 : MAX_LEFT;
    size_t indent = 0;
    const eai_option *o;

    for (size_t i = 0; (o = options__row(table, n, i)) != NULL; i++) {
        eai_strbuf_clear(left);
        add_left(left, o);
        if (left->status != EAI_OK)
            return 0;
        size_t wide = wrap__columns(eai_strbuf_get(left), left->length) + 2;
        if (wide > indent && wide <= most)
            indent = wide;
    }
    return indent ? indent : most;
}

bool options__group_was_seen(const eai_option *table, size_t n, size_t i)
{
    const char *group = options__group(options__row(table, n, i));

    for (size_t j = 0; j < i; j++)
        if (strcmp(options__group(options__row(table, n, j)), group) == 0)
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
    size_t indent = find_indent(table, n, wide, &left);
    bool ok = indent > 0;
    for (size_t i = 0; ok && (o = options__row(table, n, i)) != NULL; i++) {
        if (options__group_was_seen(table, n, i))
            continue;
        eai_strbuf_printf(&text, "%s%s:\n", i ? "\n" : "", options__group(o));
        const eai_option *member;
        for (size_t j = i; ok && (member = options__row(table, n, j)) != NULL; j++) {
            if (strcmp(options__group(member), options__group(o)) != 0)
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

/* ---- Values as a document -------------------------------------------------------------------- */

/* The field's value as one of a document. */
static void take_field(eai_value *v, const eai_option *o, const void *args)
{
    const void *field = (const char *)args + o->offset;
    const char *text = NULL;

    switch (o->type) {
    case EAI_OPT_FLAG:
        v->kind = EAI_VALUE_BOOL;
        memcpy(&v->boolean, field, sizeof(v->boolean));
        break;
    case EAI_OPT_INT:
        v->kind = EAI_VALUE_INT;
        memcpy(&v->integer, field, sizeof(v->integer));
        break;
    case EAI_OPT_FLOAT:
        v->kind = EAI_VALUE_FLOAT;
        memcpy(&v->real, field, sizeof(v->real));
        break;
    default:
        memcpy(&text, field, sizeof(text));
        v->kind = text ? EAI_VALUE_TEXT : EAI_VALUE_NULL;
        v->text = text;
        v->length = text ? strlen(text) : 0;
    }
}

/* A new last child. */
static eai_value *add_child(eai_arena *a, eai_value *parent, const char *key)
{
    eai_value *v = eai_arena_zeroed(a, 1, sizeof(*v));
    char *copy = eai_arena_strdup(a, key);

    if (!v || !copy)
        return NULL;
    v->key = copy;
    v->key_length = strlen(copy);
    document__append(parent, v);
    return v;
}

/* The table below root that stands for a section; root itself for "". */
static eai_value *section_table(eai_arena *a, eai_value *root, const char *section)
{
    if (*section == '\0')
        return root;
    for (eai_value *v = root->first; v; v = v->next)
        if (strcmp(v->key, section) == 0)
            return v;
    eai_value *table = add_child(a, root, section);
    if (table)
        table->kind = EAI_VALUE_TABLE;
    return table;
}

/* What the help says of an option, in one line of the arena. */
static const char *describe(eai_arena *a, const eai_option *o)
{
    eai_strbuf b = EAI_STRBUF_INIT(TEXT_MAX);

    options__describe(&b, o);
    const char *text = b.status == EAI_OK ? eai_arena_strdup(a, eai_strbuf_get(&b)) : NULL;
    eai_strbuf_deinit(&b);
    return text;
}

/* One option into its section's table. In JSON the comment becomes a member. */
static bool add_option(eai_arena *a, eai_value *root, const eai_option *o, const void *args,
                       const eai_option_set *set, bool describe_rows, eai_document_format format)
{
    char buf[OPTIONS_SECTION_MAX];
    eai_value *table = section_table(a, root, options__section(buf, o));
    eai_value *v = table ? add_child(a, table, o->name) : NULL;
    const char *comment = set ? eai_options_origin(set, o->name) : NULL;

    if (!v)
        return false;
    if (describe_rows)
        comment = describe(a, o);
    if (describe_rows && !comment)
        return false;
    if (comment && format == EAI_DOCUMENT_JSON) {
        v->kind = EAI_VALUE_TABLE;
        eai_value *value = add_child(a, v, "value");
        eai_value *origin = value ? add_child(a, v, set ? "origin" : "help") : NULL;
        if (!origin)
            return false;
        origin->kind = EAI_VALUE_TEXT;
        origin->text = comment;
        origin->length = strlen(comment);
        v = value;
    } else {
        v->comment = comment;
    }
    take_field(v, o, args);
    return true;
}

static char *to_text(const eai_option *table, const void *args, const eai_option_set *set,
                     bool describe_rows, eai_document_format format)
{
    eai_arena *a = eai_arena_create(0);
    eai_value root = {.kind = EAI_VALUE_TABLE};
    bool ok = a != NULL;

    for (const eai_option *o = table; ok && o->type != EAI_OPT_END; o++)
        ok = add_option(a, &root, o, args, set, describe_rows, format);
    char *text = ok ? eai_value_to_text(&root, format) : NULL;
    eai_arena_free(a);
    return text;
}

char *eai_options_to_text(const eai_option *table, const void *args, const eai_option_set *set,
                          eai_document_format format)
{
    eai_error err = EAI_ERROR_INIT;
    options_parser p = {.args = NULL, .err = &err};
    char *text = NULL;

    if (args)
        return to_text(table, args, set, false, format);
    eai_status st = options__create_set(&p.set, table, 0, &err);
    p.args = eai_alloc_zeroed(1, options__args_bytes(table));
    if (st == EAI_OK && p.args && options__apply_defaults(&p) == EAI_OK)
        text = to_text(table, p.args, NULL, true, format);
    eai_free(p.args);
    eai_option_set_free(p.set);
    return text;
}
