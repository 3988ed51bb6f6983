/* Options from the environment and from the words of the command line. The words are walked twice:
 * first for --config and its like, whose files count less than the environment, then for the
 * options. Start at options__apply_words. */
#include "config/options_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

extern char **environ;

/* ---- The environment ------------------------------------------------------------------------- */

static void to_variable(char *name)
{
    for (; *name; name++)
        *name = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
}

/* One variable, PREFIX_RANK or PREFIX_ADAPTER__RANK. */
static eai_status apply_variable(options_parser *p, const eai_option *o, const char *section)
{
    char *label = eai_arena_printf(p->set->arena, "environment %s_%s%s%s", p->scope->env_prefix,
                                   section, *section ? "__" : "", o->name);
    if (!label)
        return options__no_memory(p);
    char *name = label + strlen("environment ");
    to_variable(name + strlen(p->scope->env_prefix));
    const char *text = getenv(name);
    if (!text || *text == '\0')
        return EAI_OK;
    options_source from = {label, label, EAI_ERR_USAGE};
    return options__assign_text(p, o, text, &from);
}

/* Does the project know the option, in this command or another one? */
static bool is_known(const options_parser *p, const char *section, const char *name)
{
    if (options__find(p->set->table, section, name, strlen(name)))
        return true;
    for (const eai_options_command *c = p->scope->commands; c && c->name; c++)
        if (options__find(c->options, section, name, strlen(name)))
            return true;
    return false;
}

/* PREFIX_SECTION__NAME of a section that the command has, with a name that nobody knows: misspelt.
 * Other variables may belong to anybody. */
static eai_status check_variable(options_parser *p, const char *variable)
{
    size_t prefix = strlen(p->scope->env_prefix);

    if (strncmp(variable, p->scope->env_prefix, prefix) != 0 || variable[prefix] != '_')
        return EAI_OK;
    char *name = eai_arena_strndup(p->set->arena, variable, strcspn(variable, "="));
    if (!name)
        return options__no_memory(p);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    char *section = name + prefix + 1;
    char *key = strstr(section, "__");
    if (!key || !options__has_section(p->set->table, section, (size_t)(key - section)))
        return EAI_OK;
    *key = '\0';
    key += 2;
    for (char *c = section; *c; c++)
        *c = *c == '_' ? '-' : *c;
    if (is_known(p, section, key))
        return EAI_OK;
    options_nearest near = options__nearest(key);
    for (size_t i = 0; i < p->set->n_options; i++)
        options__offer(&near, p->set->table[i].name);
    return eai_error_set(
        p->err, EAI_ERR_USAGE, "environment %.*s: section '%s' has no option '%s'%s%s%s",
        (int)strcspn(variable, "="), variable, section, key, near.name ? "; did you mean '" : "",
        near.name ? near.name : "", near.name ? "'?" : "");
}

eai_status options__apply_environment(options_parser *p)
{
    char buf[OPTIONS_SECTION_MAX];

    if (!p->scope->env_prefix)
        return EAI_OK;
    for (char **variable = environ; variable && *variable; variable++)
        EAI_TRY(check_variable(p, *variable));
    for (size_t i = 0; i < p->set->n_options; i++) {
        const eai_option *o = &p->set->table[i];
        const char *section = options__section(buf, o);
        EAI_TRY(apply_variable(p, o, ""));
        if (*section)
            EAI_TRY(apply_variable(p, o, section));
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
    WORD_PROFILE,
    WORD_SET,
    WORD_LOG_LEVEL,
    WORD_VERBOSE,
    WORD_COLOR,
    WORD_QUIET,
    WORD_PRINT,
    WORD_ORIGIN,
    WORD_PASSED,
    WORD_UNKNOWN
} word_kind;

typedef struct word {
    word_kind kind;
    const eai_option *option;
    bool negated;      /* --no-name */
    const char *value; /* behind "=", or NULL */
} word;

/* The general words: with a value, without one, or with one that is only behind "=". */
static const struct {
    const char *name;
    word_kind kind;
    bool takes_value; /* may have "=..." */
} general_words[] = {
    {"config", WORD_CONFIG, true},    {"config-profile", WORD_PROFILE, true},
    {"set", WORD_SET, true},          {"log-level", WORD_LOG_LEVEL, true},
    {"verbose", WORD_VERBOSE, false}, {"print-config", WORD_PRINT, true},
    {"color", WORD_COLOR, true},      {"quiet", WORD_QUIET, false},
    {"origin", WORD_ORIGIN, false},   {"help", WORD_PASSED, false},
};
#define N_GENERAL_WORDS (sizeof(general_words) / sizeof(general_words[0]))

static word classify_long(const eai_option_set *set, const char *name)
{
    size_t n = strcspn(name, "=");
    word w = {WORD_OPTION, NULL, false, name[n] == '=' ? name + n + 1 : NULL};

    w.option = options__find(set->table, NULL, name, n);
    if (w.option)
        return w;
    if (n > 3 && memcmp(name, "no-", 3) == 0) {
        w.option = options__find(set->table, NULL, name + 3, n - 3);
        if (w.option && w.option->type == EAI_OPT_FLAG) {
            w.negated = true;
            return w;
        }
    }
    w.option = NULL;
    w.kind = WORD_UNKNOWN;
    for (size_t i = 0; i < N_GENERAL_WORDS; i++)
        if (options__same_name(general_words[i].name, name, n) &&
            (!w.value || general_words[i].takes_value))
            w.kind = general_words[i].kind;
    return w;
}

static const eai_option *find_key(const eai_option_set *set, char key)
{
    for (size_t i = 0; key && i < set->n_options; i++)
        if (set->table[i].key == key)
            return &set->table[i];
    return NULL;
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
    } else if (strcmp(text, "-q") == 0) {
        w.kind = WORD_QUIET;
    } else if (strcmp(text, "-h") == 0) {
        w.kind = WORD_PASSED;
    } else if (!isdigit((unsigned char)text[1]) && text[1] != '.') {
        w.kind = WORD_UNKNOWN;
    }
    return w;
}

/* The option's name nearest to a misspelt one, or NULL. `general`: --config and its like count too.
 */
static const char *nearest_name(const eai_option_set *set, const char *misspelt, bool general)
{
    options_nearest near = options__nearest(misspelt);

    for (size_t i = 0; i < set->n_options; i++)
        options__offer(&near, set->table[i].name);
    for (size_t i = 0; general && i < N_GENERAL_WORDS; i++)
        options__offer(&near, general_words[i].name);
    return near.name;
}

static eai_status unknown_word(const options_parser *p, const char *text)
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
static eai_status take_value(const char **out, const options_parser *p, const word *w,
                             const char *name, const char *value_name, int *i, int argc,
                             char **argv)
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

static eai_status apply_option(options_parser *p, const word *w, int *i, int argc, char **argv)
{
    const eai_option *o = w->option;
    const char *text = w->value;
    const char *label = eai_arena_printf(p->set->arena, "--%s", o->name);

    if (!label)
        return options__no_memory(p);
    options_source from = {label, "command line", EAI_ERR_USAGE};
    if (o->type == EAI_OPT_FLAG && !w->value) {
        options__assign_flag(p, o, !w->negated, &from);
        return EAI_OK;
    }
    if (w->negated)
        return eai_error_set(p->err, EAI_ERR_USAGE, "--no-%s takes no value", o->name);
    EAI_TRY(take_value(&text, p, w, o->name, o->value_name, i, argc, argv));
    return options__assign_text(p, o, text, &from);
}

static eai_status apply_log_level(options_parser *p, const word *w, int *i, int argc, char **argv)
{
    const char *text;

    EAI_TRY(take_value(&text, p, w, "log-level", "LEVEL", i, argc, argv));
    EAI_TRY(eai_log_parse_level(&p->set->log_level, text, "--log-level", p->err));
    p->set->has_log_level = true;
    return EAI_OK;
}

static void apply_verbose(options_parser *p)
{
    p->set->log_level = EAI_LOG_INFO;
    p->set->has_log_level = true;
}

static eai_status add_operand(options_parser *p, const char *text)
{
    const char *copy = eai_arena_strdup(p->set->arena, text);

    if (!copy)
        return options__no_memory(p);
    p->set->operands[p->set->n_operands++] = copy;
    return EAI_OK;
}

/* ---- --set KEY=VALUE ------------------------------------------------------------------------- */

static eai_status unknown_set_key(const options_parser *p, const char *key)
{
    const char *dot = strrchr(key, '.');
    options_nearest near = options__nearest(dot ? dot + 1 : key);
    char section[OPTIONS_SECTION_MAX];
    const eai_option *row = NULL;

    for (size_t i = 0; i < p->set->n_options; i++)
        if (options__offer(&near, p->set->table[i].name))
            row = &p->set->table[i];
    if (!row)
        return eai_error_set(p->err, EAI_ERR_USAGE,
                             "--set: unknown key '%s' (--print-config lists them all)", key);
    const char *name = options__section(section, row);
    return eai_error_set(p->err, EAI_ERR_USAGE, "--set: unknown key '%s'; did you mean '%s%s%s'?",
                         key, name, *name ? "." : "", row->name);
}

/* "rank" or "adapter.rank", with the command's name before it if somebody likes. */
static const eai_option *find_path(const options_parser *p, const char *key)
{
    const char *command = p->scope->command;
    size_t n = strcspn(key, ".");
    char section[OPTIONS_SECTION_MAX];

    if (command && key[n] == '.' && options__same_name(command, key, n)) {
        key += n + 1;
        n = strcspn(key, ".");
    }
    if (key[n] == '\0')
        return options__find(p->set->table, NULL, key, n);
    if (n >= sizeof(section))
        return NULL;
    memcpy(section, key, n);
    section[n] = '\0';
    return options__find(p->set->table, section, key + n + 1, strlen(key + n + 1));
}

static eai_status apply_set(options_parser *p, const char *text)
{
    size_t n = strcspn(text, "=");
    char *label = eai_arena_printf(p->set->arena, "--set %.*s", (int)n, text);

    if (!label)
        return options__no_memory(p);
    if (text[n] != '=' || n == 0)
        return eai_error_set(p->err, EAI_ERR_USAGE,
                             "--set %s: wanted is KEY=VALUE, such as --set rank=8", text);
    const eai_option *o = find_path(p, label + strlen("--set "));
    if (!o)
        return unknown_set_key(p, label + strlen("--set "));
    options_source from = {label, "--set", EAI_ERR_USAGE};
    return options__assign_text(p, o, text + n + 1, &from);
}

/* ---- Over the words -------------------------------------------------------------------------- */

/* The name of a general word that takes a value, and what stands for that in messages. */
static const char *name_of(word_kind kind, const char **value_name)
{
    *value_name = kind == WORD_SET       ? "KEY=VALUE"
                  : kind == WORD_PROFILE ? "NAME"
                  : kind == WORD_COLOR   ? "WHEN"
                                         : "FILE";
    for (size_t i = 0; i < N_GENERAL_WORDS; i++)
        if (general_words[i].kind == kind)
            return general_words[i].name;
    return "";
}

static eai_status apply_print(options_parser *p, const char *format)
{
    static const char *const names[] = {"json", "yaml", "toml"};

    p->set->print = true;
    for (int i = 0; format && i < 3; i++) {
        if (strcmp(format, names[i]) == 0) {
            p->set->print_format = (eai_document_format)i;
            p->set->has_print_format = true;
            return EAI_OK;
        }
    }
    if (format)
        return eai_error_set(p->err, EAI_ERR_USAGE,
                             "--print-config: '%s' is not one of json, yaml, toml", format);
    return EAI_OK;
}

/* What it means is eai_options_color's, which is asked before anything can fail. */
static eai_status check_color(const options_parser *p, const char *when)
{
    static const char *const words[] = {"auto", "always", "never"};

    for (size_t i = 0; i < 3; i++)
        if (strcmp(when, words[i]) == 0)
            return EAI_OK;
    return eai_error_set(p->err, EAI_ERR_USAGE, "--color: '%s' is not one of auto, always, never",
                         when);
}

/* A general word. Its value is taken in both walks, and acted upon in the one that it belongs to.
 */
static eai_status apply_general(options_parser *p, const word *w, bool first, int *i, int argc,
                                char **argv)
{
    const char *value = NULL;
    const char *value_name;
    const char *name = name_of(w->kind, &value_name);

    switch (w->kind) {
    case WORD_CONFIG:
    case WORD_PROFILE:
    case WORD_SET:
        EAI_TRY(take_value(&value, p, w, name, value_name, i, argc, argv));
        if (w->kind == WORD_SET)
            return first ? EAI_OK : apply_set(p, value);
        if (first && w->kind == WORD_CONFIG)
            p->general.configs[p->general.n_configs++] = value;
        else if (first)
            p->general.profile = value;
        return EAI_OK;
    case WORD_LOG_LEVEL:
        return apply_log_level(p, w, i, argc, argv);
    case WORD_VERBOSE:
        apply_verbose(p);
        return EAI_OK;
    case WORD_QUIET:
        p->set->quiet = true;
        return EAI_OK;
    case WORD_COLOR:
        EAI_TRY(take_value(&value, p, w, name, value_name, i, argc, argv));
        return check_color(p, value);
    case WORD_PRINT:
        return apply_print(p, w->value);
    case WORD_ORIGIN:
        p->set->print_origin = true;
        return EAI_OK;
    default:
        return EAI_OK;
    }
}

/* Goes over the words: a first time for what the general words say, a second time for the options.
 */
static eai_status walk_words(options_parser *p, bool first, int argc, char **argv)
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
            st = first ? EAI_OK : add_operand(p, argv[i]);
            p->set->n_literal += !first && ended;
            break;
        case WORD_END:
            ended = true;
            break;
        case WORD_OPTION: /* in the first walk too its value must be stepped over */
            if (!first)
                st = apply_option(p, &w, &i, argc, argv);
            else if (w.option->type != EAI_OPT_FLAG)
                st =
                    take_value(&value, p, &w, w.option->name, w.option->value_name, &i, argc, argv);
            break;
        case WORD_UNKNOWN:
            st = unknown_word(p, argv[i]);
            break;
        default:
            st = apply_general(p, &w, first, &i, argc, argv);
        }
        if (st != EAI_OK)
            return st;
    }
    return EAI_OK;
}

eai_status options__scan_words(options_parser *p, int argc, char **argv)
{
    return walk_words(p, true, argc, argv);
}

eai_status options__apply_words(options_parser *p, int argc, char **argv)
{
    return walk_words(p, false, argc, argv);
}
