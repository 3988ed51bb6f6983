/* One value into its field: from text (command line, environment, defaults) or from a document.
 * Both end in the same store_...() functions, where the limits are. Start at options__assign_text.
 */
#include "config/options_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

/* ---- Storing values -------------------------------------------------------------------------- */

static void store(options_parser *p, const eai_option *o, const void *value, size_t n,
                  const options_source *from)
{
    memcpy(p->args + o->offset, value, n);
    p->set->origin[o - p->set->table] = from->origin;
}

void options__assign_flag(options_parser *p, const eai_option *o, bool value,
                          const options_source *from)
{
    store(p, o, &value, sizeof(value), from);
}

/* `shown` is the number as the user wrote it. */
static eai_status out_of_range(const options_parser *p, const eai_option *o, const char *shown,
                               const options_source *from)
{
    char range[OPTIONS_RANGE_MAX];

    return eai_error_set(p->err, from->code, "%s: %s is out of range (allowed: %s)", from->label,
                         shown, options__allowed_range(range, o));
}

static eai_status store_int(options_parser *p, const eai_option *o, int64_t value,
                            const options_source *from)
{
    if (options__has_range(o) && ((double)value < o->min || (double)value > o->max)) {
        char shown[32];
        snprintf(shown, sizeof(shown), "%" PRId64, value);
        return out_of_range(p, o, shown, from);
    }
    store(p, o, &value, sizeof(value), from);
    return EAI_OK;
}

static eai_status store_float(options_parser *p, const eai_option *o, double value,
                              const options_source *from)
{
    if (options__has_range(o) && !(value >= o->min && value <= o->max)) {
        char shown[32];
        snprintf(shown, sizeof(shown), "%.15g", value);
        return out_of_range(p, o, shown, from);
    }
    store(p, o, &value, sizeof(value), from);
    return EAI_OK;
}

static eai_status store_string(options_parser *p, const eai_option *o, const char *value,
                               const options_source *from)
{
    const char *copy = eai_arena_strdup(p->set->arena, value);

    if (!copy)
        return options__no_memory(p);
    store(p, o, &copy, sizeof(copy), from);
    return EAI_OK;
}

/* One of the words of `choices`, exactly. */
static eai_status store_choice(options_parser *p, const eai_option *o, const char *value,
                               const options_source *from)
{
    size_t n = strlen(value);
    char listed[256];
    size_t length = 0;

    for (const char *word = o->choices; word && *word;) {
        size_t m = strcspn(word, "|");
        if (m == n && memcmp(word, value, n) == 0)
            return store_string(p, o, value, from);
        word += m + (word[m] == '|');
    }
    for (const char *c = o->choices; c && *c && length + 3 < sizeof(listed); c++) {
        listed[length++] = *c == '|' ? ',' : *c;
        if (*c == '|')
            listed[length++] = ' ';
    }
    listed[length] = '\0';
    return eai_error_set(p->err, from->code, "%s: '%s' is not one of %s", from->label, value,
                         listed);
}

/* ---- Values from text ------------------------------------------------------------------------ */

/* Sign and digits, nothing else: strtoll alone would take blanks and "0x". */
static eai_status assign_int(options_parser *p, const eai_option *o, const char *text,
                             const options_source *from)
{
    size_t digits = strspn(text + (*text == '-'), "0123456789");

    if (digits == 0 || text[(*text == '-') + digits] != '\0')
        return eai_error_set(p->err, from->code, "%s: '%s' is not a whole number", from->label,
                             text);
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE && !options__has_range(o))
        return eai_error_set(p->err, from->code,
                             "%s: %s is out of range (allowed: %" PRId64 " to %" PRId64 ")",
                             from->label, text, INT64_MIN, INT64_MAX);
    if (errno == ERANGE)
        return out_of_range(p, o, text, from);
    return store_int(p, o, value, from);
}

/* A decimal number: strtod alone would take blanks, "0x1p3", "nan" and "infinity". */
static eai_status assign_float(options_parser *p, const eai_option *o, const char *text,
                               const options_source *from)
{
    char *end = NULL;
    bool decimal = strspn(text, "+-.0123456789eE") == strlen(text) && *text;
    double value = decimal ? strtod(text, &end) : 0;

    if (!decimal || *end != '\0')
        return eai_error_set(p->err, from->code, "%s: '%s' is not a number", from->label, text);
    if (!isfinite(value))
        return eai_error_set(p->err, from->code, "%s: %s is too large for a number", from->label,
                             text);
    return store_float(p, o, value, from);
}

static eai_status assign_flag(options_parser *p, const eai_option *o, const char *text,
                              const options_source *from)
{
    static const char *const words[2][4] = {{"0", "false", "no", "off"},
                                            {"1", "true", "yes", "on"}};

    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 4; i++)
            if (strcasecmp(text, words[value][i]) == 0) {
                options__assign_flag(p, o, value == 1, from);
                return EAI_OK;
            }
    return eai_error_set(p->err, from->code, "%s: '%s' is neither true nor false", from->label,
                         text);
}

eai_status options__assign_text(options_parser *p, const eai_option *o, const char *text,
                                const options_source *from)
{
    switch (o->type) {
    case EAI_OPT_FLAG:
        return assign_flag(p, o, text, from);
    case EAI_OPT_INT:
        return assign_int(p, o, text, from);
    case EAI_OPT_FLOAT:
        return assign_float(p, o, text, from);
    case EAI_OPT_ENUM:
        return store_choice(p, o, text, from);
    case EAI_OPT_STRING:
        return store_string(p, o, text, from);
    case EAI_OPT_PATH:
        if (*text == '\0')
            return eai_error_set(p->err, from->code, "%s: the path is empty", from->label);
        return store_string(p, o, text, from);
    case EAI_OPT_END:
        break;
    }
    return eai_error_set(p->err, EAI_ERR_INTERNAL, "%s: unknown type of option", from->label);
}

/* ---- Values from a document ------------------------------------------------------------------ */

/* A value as its text, for messages; a long one is only hinted at. */
static void show_value(char *buf, size_t n, const eai_value *v)
{
    if (v->kind == EAI_VALUE_BOOL)
        snprintf(buf, n, "%s", v->boolean ? "true" : "false");
    else if (v->kind == EAI_VALUE_TEXT && !v->plain)
        snprintf(buf, n, v->length > 60 ? "\"%.60s...\"" : "\"%s\"", v->text);
    else if (v->text)
        snprintf(buf, n, v->length > 60 ? "%.60s..." : "%s", v->text);
    else
        snprintf(buf, n, "%s", eai_value_kind_name(v->kind));
}

static eai_status wrong_kind(options_parser *p, const eai_value *value, const char *wanted,
                             const options_source *from)
{
    char shown[80];

    show_value(shown, sizeof(shown), value);
    return eai_error_set(p->err, from->code, "%s: %s is not %s", from->label, shown, wanted);
}

/* A text. What a YAML file writes without quotes may look like a number to its reader and be a text
 * to its author (a name such as 135m is one already, 135 is not): the message tells how to write
 * it. */
static eai_status assign_document_text(options_parser *p, const eai_option *o,
                                       const eai_value *value, const options_source *from)
{
    if (value->kind != EAI_VALUE_TEXT)
        return wrong_kind(p, value, "a text in quotes", from);
    if (strlen(value->text) != value->length)
        return eai_error_set(p->err, from->code, "%s: the text has a NUL in it", from->label);
    return options__assign_text(p, o, value->text, from);
}

eai_status options__assign_value(options_parser *p, const eai_option *o, const eai_value *value,
                                 const options_source *from)
{
    if (value->kind == EAI_VALUE_NULL)
        return EAI_OK;
    switch (o->type) {
    case EAI_OPT_FLAG:
        if (value->kind == EAI_VALUE_TEXT && value->plain) /* yes, no, on, off */
            return assign_flag(p, o, value->text, from);
        if (value->kind != EAI_VALUE_BOOL)
            return wrong_kind(p, value, "true or false", from);
        options__assign_flag(p, o, value->boolean, from);
        return EAI_OK;
    case EAI_OPT_INT:
        if (value->kind != EAI_VALUE_INT)
            return wrong_kind(p, value, "a whole number", from);
        return store_int(p, o, value->integer, from);
    case EAI_OPT_FLOAT:
        if (value->kind != EAI_VALUE_INT && value->kind != EAI_VALUE_FLOAT)
            return wrong_kind(p, value, "a number", from);
        if (!isfinite(value->real))
            return wrong_kind(p, value, "a finite number", from);
        return store_float(p, o, value->real, from);
    default:
        return assign_document_text(p, o, value, from);
    }
}
