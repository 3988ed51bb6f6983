/* Parsing of a line: JSON through jansson, then the members that every line has, then the rest.
 *
 * A line is what a program of ours wrote, or anything at all: another program's file, half a line,
 * an attack on the terminal of whoever reads it. So members are checked for their type, times for
 * their form, and control characters never leave. Start at log_line__parse. */
#include "cli/log_line.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#include "base/banned.h"

#define DEPTH_MAX 16 /* of objects in objects; ours have one */

/* ---- Times ----------------------------------------------------------------------------------- */

/* n digits; *text moves behind them. */
static bool take_digits(int *out, const char **text, int n)
{
    *out = 0;
    for (int i = 0; i < n; i++) {
        if (**text < '0' || **text > '9')
            return false;
        *out = *out * 10 + *(*text)++ - '0';
    }
    return true;
}

static bool take_char(const char **text, char c)
{
    bool there = **text == c;
    *text += there;
    return there;
}

/* ".123", of which nine digits count. */
static bool take_fraction(double *seconds, const char **text)
{
    double unit = 0.1;
    int digit;
    if (!take_char(text, '.'))
        return true;
    const char *start = *text;
    while (*text - start < 9 && take_digits(&digit, text, 1)) {
        *seconds += digit * unit;
        unit /= 10;
    }
    return *text > start;
}

/* "Z", "+02:00", "-0130" or nothing, in seconds to take off. */
static bool take_zone(double *seconds, const char **text)
{
    int hours;
    int minutes;
    bool west = **text == '-';
    *seconds = 0;
    if (take_char(text, 'Z') || !**text)
        return true;
    if (!take_char(text, '+') && !take_char(text, '-'))
        return false;
    if (!take_digits(&hours, text, 2))
        return false;
    take_char(text, ':');
    if (!take_digits(&minutes, text, 2) || hours > 14 || minutes > 59)
        return false;
    *seconds = (west ? -1 : 1) * (hours * 3600.0 + minutes * 60.0);
    return true;
}

bool log_time__parse_iso(double *out, const char *text)
{
    struct tm t = {0};
    double fraction = 0;
    double zone = 0;
    if (!take_digits(&t.tm_year, &text, 4) || !take_char(&text, '-') ||
        !take_digits(&t.tm_mon, &text, 2) || !take_char(&text, '-') ||
        !take_digits(&t.tm_mday, &text, 2))
        return false;
    if (*text) {
        if ((!take_char(&text, 'T') && !take_char(&text, ' ')) ||
            !take_digits(&t.tm_hour, &text, 2) || !take_char(&text, ':') ||
            !take_digits(&t.tm_min, &text, 2))
            return false;
        if (take_char(&text, ':') &&
            (!take_digits(&t.tm_sec, &text, 2) || !take_fraction(&fraction, &text)))
            return false;
        if (!take_zone(&zone, &text) || *text)
            return false;
    }
    const struct tm wanted = t;
    if (t.tm_year < 1970 || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    time_t seconds = timegm(&t);
    if (t.tm_mday != wanted.tm_mday && wanted.tm_sec < 60) /* no such day in that month */
        return false;
    if (wanted.tm_mon < 1 || wanted.tm_mon > 12 || wanted.tm_mday < 1 || wanted.tm_mday > 31)
        return false;
    *out = (double)seconds + fraction - zone;
    return true;
}

/* ---- Members --------------------------------------------------------------------------------- */

/* A member that is a text, cleaned in place; NULL for none. */
static const char *get_text(const json_t *root, const char *name)
{
    const char *text = json_string_value(json_object_get(root, name));
    char *changeable;
    if (!text)
        return NULL;
    memcpy(&changeable, &text, sizeof(text)); /* jansson's, and its owner is `root` */
    text__clean(changeable);
    return text;
}

static bool is_known(const char *key)
{
#define KNOWN_NAME(name) name,
    static const char *const names[] = {EAI_LOG_RESERVED(KNOWN_NAME)};
#undef KNOWN_NAME
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(key, names[i]) == 0)
            return true;
    }
    return false;
}

/* False for a member that is no field. */
static bool take_field(eai_log_field *out, const json_t *root, const char *key, const json_t *value)
{
    *out = (eai_log_field){.key = key};
    switch (json_typeof(value)) {
    case JSON_INTEGER:
        out->kind = EAI_LOG_INTEGER;
        out->integer = json_integer_value(value);
        return true;
    case JSON_REAL:
        out->kind = EAI_LOG_REAL;
        out->real = json_real_value(value);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        out->kind = EAI_LOG_BOOLEAN;
        out->integer = json_is_true(value);
        return true;
    case JSON_STRING:
        out->kind = EAI_LOG_STRING;
        out->text = get_text(root, key);
        return true;
    case JSON_NULL:
        out->kind = EAI_LOG_STRING;
        return true;
    default:
        return false;
    }
}

static bool is_harmless(const char *key)
{
    for (const unsigned char *p = (const unsigned char *)key; *p; p++) {
        if (*p < 0x20 || *p >= 0x7f)
            return false;
    }
    return *key != '\0';
}

static void take_fields(log_line *out)
{
    const char *key;
    json_t *value;
    json_object_foreach(out->root, key, value)
    {
        size_t n = out->line.n_fields;
        if (n < EAI_LOG_FIELDS_MAX && !is_known(key) && is_harmless(key) &&
            take_field(&out->fields[n], out->root, key, value))
            out->line.n_fields++;
    }
    out->line.fields = out->fields;
}

/* Deeper nesting than DEPTH_MAX is refused before jansson walks into it. */
static bool is_shallow(const char *text, size_t n)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < n && depth <= DEPTH_MAX; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!quoted && (text[i] == '}' || text[i] == ']'))
            depth--;
    }
    return depth <= DEPTH_MAX;
}

bool log_line__parse(log_line *out, char *text, size_t n)
{
    eai_log_line *line = &out->line;
    *out = (log_line){0};
    if (n == 0 || *text != '{' || strlen(text) != n || !is_shallow(text, n))
        return false;
    out->root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    text__clean(text);
    line->text = text;
    line->time = get_text(out->root, "time");
    line->module = get_text(out->root, "module");
    line->message = get_text(out->root, "message");
    line->run = get_text(out->root, "run");
    const char *level = get_text(out->root, "level");
    if (!line->run)
        line->run = "";
    if (line->time && line->module && line->message && level &&
        log_time__parse_iso(&line->seconds, line->time) &&
        eai_log_parse_level(&line->level, level, "level", NULL) == EAI_OK) {
        take_fields(out);
        return true;
    }
    log_line__deinit(out);
    return false;
}

void log_line__deinit(log_line *l)
{
    json_decref(l->root);
    *l = (log_line){0};
}
