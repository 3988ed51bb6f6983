/* Options: from words, the environment and a config file to the fields of a struct.
 *
 * Why one table: see options.h. How: the four sources are applied in the order of their precedence,
 * each writing over the one before and leaving its name as the origin. Text becomes a value in
 * assign_text(), JSON in assign_json(), and both end in the same store_...() functions, where the
 * limits are. What it does not do: print anything. Start at eai_options_parse(). */
#include "base/options_internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <efficientai/alloc.h>

#include "base/arena.h"
#include "base/json.h"

#include "base/banned.h"

#define CONFIG_MAX ((size_t)1 << 20)

struct eai_option_set {
    eai_arena *arena; /* owns the strings below; lives as long as the set */
    const eai_option *table;
    size_t n_options;
    const char **origin;   /* [n_options] */
    const char **operands; /* [n_operands] */
    int n_operands;
    bool has_log_level; /* one was asked for */
    eai_log_level log_level;
};

/* One parse under way. */
typedef struct parser {
    eai_option_set *set;
    char *args;
    eai_error *err;
} parser;

/* Where a value comes from, for messages and origins. */
typedef struct source {
    const char *label; /* "--rank", "environment EFFICIENTAI_RANK", "config 'x.json': key 'rank'" */
    const char *origin; /* "command line", ... */
    eai_status code;    /* of the error when the value is not allowed */
} source;

static eai_status out_of_memory(const parser *p)
{
    return eai_error_set(p->err, EAI_ERR_NOMEM, "no memory for the options");
}

/* ---- Finding a row --------------------------------------------------------------------------- */

/* Is the name of `n` bytes the option's? Underscores count as dashes. */
static bool same_name(const char *option, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (option[i] == '\0' || option[i] != (name[i] == '_' ? '-' : name[i]))
            return false;
    return option[n] == '\0';
}

static const eai_option *find_option(const eai_option_set *set, const char *name, size_t n)
{
    for (size_t i = 0; i < set->n_options; i++)
        if (same_name(set->table[i].name, name, n))
            return &set->table[i];
    return NULL;
}

static const eai_option *find_key(const eai_option_set *set, char key)
{
    for (size_t i = 0; key && i < set->n_options; i++)
        if (set->table[i].key == key)
            return &set->table[i];
    return NULL;
}

/* The option's name nearest to a misspelt one, or NULL. `general`: --config and its like count too.
 */
static const char *nearest_name(const eai_option_set *set, const char *word, bool general)
{
    static const char *const others[] = {"config", "print-config", "log-level", "verbose", "help"};
    size_t best = options__tolerance(word) + 1;
    const char *nearest = NULL;
    size_t n = set->n_options + (general ? sizeof(others) / sizeof(others[0]) : 0);

    for (size_t i = 0; i < n; i++) {
        const char *name = i < set->n_options ? set->table[i].name : others[i - set->n_options];
        size_t distance = options__distance(word, name);
        if (distance < best) {
            best = distance;
            nearest = name;
        }
    }
    return nearest;
}

/* ---- Storing values -------------------------------------------------------------------------- */

static void store(parser *p, const eai_option *o, const void *value, size_t n, const source *from)
{
    memcpy(p->args + o->offset, value, n);
    p->set->origin[o - p->set->table] = from->origin;
}

static void store_flag(parser *p, const eai_option *o, bool value, const source *from)
{
    store(p, o, &value, sizeof(value), from);
}

/* `shown` is the number as the user wrote it. */
static eai_status out_of_range(const parser *p, const eai_option *o, const char *shown,
                               const source *from)
{
    char range[OPTIONS_RANGE_MAX];

    return eai_error_set(p->err, from->code, "%s: %s is out of range (allowed: %s)", from->label,
                         shown, options__allowed_range(range, o));
}

static eai_status store_int(parser *p, const eai_option *o, int64_t value, const source *from)
{
    if (options__has_range(o) && ((double)value < o->min || (double)value > o->max)) {
        char shown[32];
        snprintf(shown, sizeof(shown), "%" PRId64, value);
        return out_of_range(p, o, shown, from);
    }
    store(p, o, &value, sizeof(value), from);
    return EAI_OK;
}

static eai_status store_float(parser *p, const eai_option *o, double value, const source *from)
{
    if (options__has_range(o) && !(value >= o->min && value <= o->max)) {
        char shown[32];
        snprintf(shown, sizeof(shown), "%.15g", value);
        return out_of_range(p, o, shown, from);
    }
    store(p, o, &value, sizeof(value), from);
    return EAI_OK;
}

static eai_status store_string(parser *p, const eai_option *o, const char *value,
                               const source *from)
{
    const char *copy = eai_arena_strdup(p->set->arena, value);

    if (!copy)
        return out_of_memory(p);
    store(p, o, &copy, sizeof(copy), from);
    return EAI_OK;
}

/* One of the words of `choices`, exactly. */
static eai_status store_choice(parser *p, const eai_option *o, const char *value,
                               const source *from)
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
static eai_status assign_int(parser *p, const eai_option *o, const char *text, const source *from)
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
static eai_status assign_float(parser *p, const eai_option *o, const char *text, const source *from)
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

static eai_status assign_flag(parser *p, const eai_option *o, const char *text, const source *from)
{
    static const char *const words[2][4] = {{"0", "false", "no", "off"},
                                            {"1", "true", "yes", "on"}};

    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 4; i++)
            if (strcasecmp(text, words[value][i]) == 0) {
                store_flag(p, o, value == 1, from);
                return EAI_OK;
            }
    return eai_error_set(p->err, from->code, "%s: '%s' is neither true nor false", from->label,
                         text);
}

static eai_status assign_text(parser *p, const eai_option *o, const char *text, const source *from)
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

/* Defaults go the way of all values, so a default that is not allowed cannot hide. */
static eai_status apply_defaults(parser *p)
{
    static const size_t bytes[] = {
        [EAI_OPT_FLAG] = sizeof(bool),    [EAI_OPT_INT] = sizeof(int64_t),
        [EAI_OPT_FLOAT] = sizeof(double), [EAI_OPT_STRING] = sizeof(char *),
        [EAI_OPT_PATH] = sizeof(char *),  [EAI_OPT_ENUM] = sizeof(char *)};

    for (size_t i = 0; i < p->set->n_options; i++) {
        const eai_option *o = &p->set->table[i];
        source from = {o->name, "default", EAI_ERR_INTERNAL};
        memset(p->args + o->offset, 0, bytes[o->type]);
        p->set->origin[i] = from.origin;
        if (!o->default_value)
            continue;
        eai_status st = assign_text(p, o, o->default_value, &from);
        if (st != EAI_OK)
            return eai_error_context(p->err, st, "default of an option");
    }
    return EAI_OK;
}

/* ---- Values from a config file --------------------------------------------------------------- */

/* A JSON value as its text, for messages; a long one is only hinted at. */
static void show_json(char *buf, size_t n, const json_t *value)
{
    size_t length = json_dumpb(value, buf, n - 1, JSON_ENCODE_ANY | JSON_COMPACT);

    if (length > n - 1) {
        snprintf(buf, n, "%s",
                 json_is_object(value)  ? "{...}"
                 : json_is_array(value) ? "[...]"
                                        : "...");
        return;
    }
    buf[length] = '\0';
}

static eai_status wrong_json_type(parser *p, const json_t *value, const char *wanted,
                                  const source *from)
{
    char shown[80];

    show_json(shown, sizeof(shown), value);
    return eai_error_set(p->err, from->code, "%s: %s is not %s", from->label, shown, wanted);
}

static eai_status assign_json(parser *p, const eai_option *o, const json_t *value,
                              const source *from)
{
    if (json_is_null(value))
        return EAI_OK;
    switch (o->type) {
    case EAI_OPT_FLAG:
        if (!json_is_boolean(value))
            return wrong_json_type(p, value, "true or false", from);
        store_flag(p, o, json_is_true(value), from);
        return EAI_OK;
    case EAI_OPT_INT:
        if (!json_is_integer(value))
            return wrong_json_type(p, value, "a whole number", from);
        return store_int(p, o, json_integer_value(value), from);
    case EAI_OPT_FLOAT:
        if (!json_is_number(value))
            return wrong_json_type(p, value, "a number", from);
        return store_float(p, o, json_number_value(value), from);
    default:
        if (!json_is_string(value))
            return wrong_json_type(p, value, "a text in quotes", from);
        return assign_text(p, o, json_string_value(value), from);
    }
}

/* Applies each key of the object. Two spellings of one option would leave it to chance which
 * counts: refused. */
static eai_status apply_json(parser *p, json_t *root, const char *path)
{
    const char *origin = eai_arena_printf(p->set->arena, "config %s", path);
    bool *seen = eai_arena_zeroed(p->set->arena, p->set->n_options, sizeof(*seen));
    void *at;

    if (!origin || !seen)
        return out_of_memory(p);
    eai_status st = EAI_OK;
    for (at = json_object_iter(root); at && st == EAI_OK; at = json_object_iter_next(root, at)) {
        const char *key = json_object_iter_key(at);
        const eai_option *o = find_option(p->set, key, strlen(key));
        const char *near = o ? NULL : nearest_name(p->set, key, false);
        if (!o) {
            st = eai_error_set(p->err, EAI_ERR_ARGUMENT, "config '%s': unknown key '%s'%s%s%s",
                               path, key, near ? "; did you mean '" : "", near ? near : "",
                               near ? "'?" : "");
            break;
        }
        const char *label = eai_arena_printf(p->set->arena, "config '%s': key '%s'", path, key);
        if (!label) {
            st = out_of_memory(p);
            break;
        }
        if (seen[o - p->set->table]) {
            st = eai_error_set(p->err, EAI_ERR_ARGUMENT, "%s is there twice", label);
            break;
        }
        seen[o - p->set->table] = true;
        source from = {label, origin, EAI_ERR_ARGUMENT};
        st = assign_json(p, o, json_object_iter_value(at), &from);
    }
    return st;
}

static eai_status apply_config(parser *p, const char *path)
{
    json_t *root = NULL;

    eai_status st = eai_json_load(&root, path, CONFIG_MAX, p->err);
    if (st != EAI_OK)
        return eai_error_context(p->err, st, "config");
    if (json_is_object(root))
        st = apply_json(p, root, path);
    else
        st = eai_error_set(p->err, EAI_ERR_FORMAT, "config '%s': not an object of options", path);
    json_decref(root);
    return st;
}

/* ---- Values from the environment ------------------------------------------------------------- */

static eai_status apply_environment(parser *p, const char *prefix)
{
    for (size_t i = 0; i < p->set->n_options; i++) {
        const eai_option *o = &p->set->table[i];
        char *label = eai_arena_printf(p->set->arena, "environment %s_%s", prefix, o->name);
        if (!label)
            return out_of_memory(p);
        char *name = label + strlen("environment ");
        for (char *c = name + strlen(prefix); *c; c++)
            *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        const char *text = getenv(name);
        if (!text || *text == '\0')
            continue;
        source from = {label, label, EAI_ERR_USAGE};
        EAI_TRY(assign_text(p, o, text, &from));
    }
    return EAI_OK;
}

/* ---- Values from the command line ------------------------------------------------------------ */

/* What one word of the command line is. */
typedef enum word_kind {
    WORD_OPERAND,
    WORD_END,
    WORD_OPTION,
    WORD_CONFIG,
    WORD_LOG_LEVEL,
    WORD_VERBOSE,
    WORD_PASSED,
    WORD_UNKNOWN
} word_kind;

typedef struct word {
    word_kind kind;
    const eai_option *option;
    bool negated;      /* --no-name */
    const char *value; /* behind "=", or NULL */
} word;

static bool is_word(const char *name, size_t n, const char *wanted)
{
    return n == strlen(wanted) && memcmp(name, wanted, n) == 0;
}

static word classify_long(const eai_option_set *set, const char *name)
{
    size_t n = strcspn(name, "=");
    word w = {WORD_OPTION, NULL, false, name[n] == '=' ? name + n + 1 : NULL};

    w.option = find_option(set, name, n);
    if (w.option)
        return w;
    if (n > 3 && memcmp(name, "no-", 3) == 0) {
        w.option = find_option(set, name + 3, n - 3);
        if (w.option && w.option->type == EAI_OPT_FLAG) {
            w.negated = true;
            return w;
        }
    }
    w.option = NULL;
    if (is_word(name, n, "config"))
        w.kind = WORD_CONFIG;
    else if (is_word(name, n, "log-level"))
        w.kind = WORD_LOG_LEVEL;
    else if (!w.value && is_word(name, n, "verbose"))
        w.kind = WORD_VERBOSE;
    else if (!w.value && (is_word(name, n, "help") || is_word(name, n, "print-config")))
        w.kind = WORD_PASSED;
    else
        w.kind = WORD_UNKNOWN;
    return w;
}

static word classify(const eai_option_set *set, const char *text)
{
    word w = {WORD_OPERAND, NULL, false, NULL};

    if (text[0] != '-' || text[1] == '\0')
        return w;
    if (text[1] == '-') {
        if (text[2] != '\0')
            return classify_long(set, text + 2);
        w.kind = WORD_END;
        return w;
    }
    w.option = text[2] == '\0' || text[2] == '=' ? find_key(set, text[1]) : NULL;
    if (w.option) {
        w.kind = WORD_OPTION;
        w.value = text[2] == '=' ? text + 3 : NULL;
    } else if (strcmp(text, "-v") == 0) {
        w.kind = WORD_VERBOSE;
    } else if (strcmp(text, "-h") == 0) {
        w.kind = WORD_PASSED;
    } else if (!isdigit((unsigned char)text[1]) && text[1] != '.') {
        w.kind = WORD_UNKNOWN;
    }
    return w;
}

static eai_status unknown_word(const parser *p, const char *text)
{
    const char *name = text + strspn(text, "-");
    const char *prefix = "";
    char shown[128];

    snprintf(shown, sizeof(shown), "%.*s", (int)strcspn(name, "="), name);
    const char *near = nearest_name(p->set, shown, true);
    if (!near && strncmp(shown, "no-", 3) == 0) {
        near = nearest_name(p->set, shown + 3, false);
        prefix = "no-";
        for (size_t i = 0; near && i < p->set->n_options; i++)
            if (p->set->table[i].name == near && p->set->table[i].type != EAI_OPT_FLAG)
                prefix = "";
    }
    if (!near)
        return eai_error_set(p->err, EAI_ERR_USAGE, "unknown option %.*s%s (--help lists them all)",
                             (int)(name - text), text, shown);
    return eai_error_set(p->err, EAI_ERR_USAGE, "unknown option %.*s%s; did you mean --%s%s?",
                         (int)(name - text), text, shown, prefix, near);
}

/* The value of the option at argv[*i], from behind its "=" or from the next word (*i is then
 * moved). A next word that is itself an option of the table, or begins with "--", is no value:
 * somebody forgot one. */
static eai_status take_value(const char **out, const parser *p, const word *w, const char *name,
                             const char *value_name, int *i, int argc, char **argv)
{
    *out = w->value;
    if (w->value)
        return EAI_OK;
    if (*i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0) {
        word next = classify(p->set, argv[*i + 1]);
        if (next.kind != WORD_OPTION) {
            *out = argv[++*i];
            return EAI_OK;
        }
    }
    return eai_error_set(p->err, EAI_ERR_USAGE, "--%s needs a value: --%s=%s", name, name,
                         value_name ? value_name : "VALUE");
}

static eai_status apply_option(parser *p, const word *w, int *i, int argc, char **argv)
{
    const eai_option *o = w->option;
    const char *text = w->value;
    const char *label = eai_arena_printf(p->set->arena, "--%s", o->name);

    if (!label)
        return out_of_memory(p);
    source from = {label, "command line", EAI_ERR_USAGE};
    if (o->type == EAI_OPT_FLAG && !w->value) {
        store_flag(p, o, !w->negated, &from);
        return EAI_OK;
    }
    if (w->negated)
        return eai_error_set(p->err, EAI_ERR_USAGE, "--no-%s takes no value", o->name);
    EAI_TRY(take_value(&text, p, w, o->name, o->value_name, i, argc, argv));
    return assign_text(p, o, text, &from);
}

static eai_status apply_log_level(parser *p, const word *w, int *i, int argc, char **argv)
{
    const char *text;

    EAI_TRY(take_value(&text, p, w, "log-level", "LEVEL", i, argc, argv));
    EAI_TRY(eai_log_parse_level(&p->set->log_level, text, "--log-level", p->err));
    p->set->has_log_level = true;
    return EAI_OK;
}

static void apply_verbose(parser *p)
{
    p->set->log_level = EAI_LOG_INFO;
    p->set->has_log_level = true;
}

static eai_status add_operand(parser *p, const char *text)
{
    const char *copy = eai_arena_strdup(p->set->arena, text);

    if (!copy)
        return out_of_memory(p);
    p->set->operands[p->set->n_operands++] = copy;
    return EAI_OK;
}

/* Goes over the words. With `config` only --config is looked at, and its value given back (NULL:
 * none); without, everything else is applied. */
static eai_status walk_words(parser *p, const char **config, int argc, char **argv)
{
    bool ended = false;

    for (int i = 0; i < argc; i++) {
        word w = {WORD_OPERAND, NULL, false, NULL};
        const char *value = NULL;
        eai_status st = EAI_OK;
        if (!ended)
            w = classify(p->set, argv[i]);
        switch (w.kind) {
        case WORD_OPERAND:
            st = config ? EAI_OK : add_operand(p, argv[i]);
            break;
        case WORD_END:
            ended = true;
            break;
        case WORD_PASSED:
            break;
        case WORD_LOG_LEVEL:
            st = apply_log_level(p, &w, &i, argc, argv);
            break;
        case WORD_VERBOSE:
            apply_verbose(p);
            break;
        case WORD_CONFIG:
            st = take_value(&value, p, &w, "config", "FILE", &i, argc, argv);
            if (st == EAI_OK && config)
                *config = value;
            break;
        case WORD_OPTION: /* in the first pass too its value must be stepped over */
            if (!config)
                st = apply_option(p, &w, &i, argc, argv);
            else if (w.option->type != EAI_OPT_FLAG)
                st =
                    take_value(&value, p, &w, w.option->name, w.option->value_name, &i, argc, argv);
            break;
        case WORD_UNKNOWN:
            st = unknown_word(p, argv[i]);
            break;
        }
        if (st != EAI_OK)
            return st;
    }
    return EAI_OK;
}

static eai_status check_required(const parser *p)
{
    for (size_t i = 0; i < p->set->n_options; i++) {
        const eai_option *o = &p->set->table[i];
        if (o->required && strcmp(p->set->origin[i], "default") == 0)
            return eai_error_set(p->err, EAI_ERR_USAGE, "missing --%s%s%s (%s)", o->name,
                                 o->value_name ? " " : "", o->value_name ? o->value_name : "",
                                 o->help ? o->help : "required");
    }
    return EAI_OK;
}

/* ---- The public face ------------------------------------------------------------------------- */

static eai_status create_set(eai_option_set **out, const eai_option *table, int argc,
                             eai_error *err)
{
    eai_option_set *set = eai_alloc_zeroed(1, sizeof(*set));

    *out = set;
    if (set) {
        set->table = table;
        while (table[set->n_options].type != EAI_OPT_END)
            set->n_options++;
        set->arena = eai_arena_create(4096);
        set->origin = eai_arena_zeroed(set->arena, set->n_options, sizeof(*set->origin));
        set->operands = eai_arena_zeroed(set->arena, (size_t)argc, sizeof(*set->operands));
    }
    if (!set || !set->origin || !set->operands)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the options");
    return EAI_OK;
}

eai_status eai_options_parse(eai_option_set **out, void *args, const eai_option *table,
                             const char *env_prefix, int argc, char **argv, eai_error *err)
{
    parser p = {NULL, args, err};
    const char *config = NULL;

    *out = NULL;
    eai_status st = create_set(&p.set, table, argc, err);
    if (st == EAI_OK)
        st = apply_defaults(&p);
    if (st == EAI_OK)
        st = walk_words(&p, &config, argc, argv);
    if (st == EAI_OK && config)
        st = apply_config(&p, config);
    if (st == EAI_OK && env_prefix)
        st = apply_environment(&p, env_prefix);
    if (st == EAI_OK)
        st = walk_words(&p, NULL, argc, argv);
    if (st == EAI_OK)
        st = check_required(&p);
    if (st != EAI_OK) {
        eai_option_set_free(p.set);
        return st;
    }
    *out = p.set;
    return EAI_OK;
}

void eai_option_set_free(eai_option_set *set)
{
    if (!set)
        return;
    eai_arena_free(set->arena);
    eai_free(set);
}

int eai_options_operands(const eai_option_set *set, const char *const **out)
{
    *out = set->operands;
    return set->n_operands;
}

const char *eai_options_origin(const eai_option_set *set, const char *name)
{
    const eai_option *o = find_option(set, name, strlen(name));

    return o ? set->origin[o - set->table] : NULL;
}

bool eai_options_log_level(const eai_option_set *set, eai_log_level *out)
{
    if (set->has_log_level)
        *out = set->log_level;
    return set->has_log_level;
}

static bool has_word(int argc, char **argv, const char *wanted)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], wanted) == 0)
            return true;
    return false;
}

bool eai_options_wants_help(int argc, char **argv)
{
    return has_word(argc, argv, "--help") || has_word(argc, argv, "-h");
}

bool eai_options_wants_print_config(int argc, char **argv)
{
    return has_word(argc, argv, "--print-config");
}
