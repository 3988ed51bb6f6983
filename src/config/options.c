/* Options: from words, the environment and configuration files to the fields of a struct.
 *
 * Why one table: see options.h. How: the sources are applied in the order of their precedence, each
 * writing over the one before and leaving its name as the origin; every value passes
 * options_assign.c, where the limits are. options_internal.h says which file has what. What it does
 * not do: print anything. Start at eai_options_parse(). */
#include "config/options_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

eai_status options__no_memory(const options_parser *p)
{
    return eai_error_set(p->err, EAI_ERR_NOMEM, "no memory for the options");
}

/* ---- Rows ------------------------------------------------------------------------------------ */

bool options__same_name(const char *option, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (option[i] == '\0' || option[i] != (name[i] == '_' ? '-' : name[i]))
            return false;
    return option[n] == '\0';
}

const char *options__section(char buf[OPTIONS_SECTION_MAX], const eai_option *o)
{
    size_t n = 0;

    if (o->section || !o->group)
        return o->section ? o->section : "";
    for (const char *c = o->group; *c && n + 1 < OPTIONS_SECTION_MAX; c++)
        buf[n++] = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c == ' ' ? '-' : *c;
    buf[n] = '\0';
    return buf;
}

char *eai_options_key(char *buf, size_t n, const eai_option *o)
{
    char section[OPTIONS_SECTION_MAX];
    const char *name = options__section(section, o);

    snprintf(buf, n, "%s%s%s", name, *name ? "." : "", o->name);
    return buf;
}

const eai_option *options__find(const eai_option *table, const char *section, const char *name,
                                size_t n)
{
    char buf[OPTIONS_SECTION_MAX];

    for (const eai_option *o = table; o && o->type != EAI_OPT_END; o++)
        if (options__same_name(o->name, name, n) &&
            (!section || options__same_name(options__section(buf, o), section, strlen(section))))
            return o;
    return NULL;
}

bool options__has_section(const eai_option *table, const char *name, size_t n)
{
    char buf[OPTIONS_SECTION_MAX];

    for (const eai_option *o = table; n > 0 && o && o->type != EAI_OPT_END; o++)
        if (options__same_name(options__section(buf, o), name, n))
            return true;
    return false;
}

size_t options__args_bytes(const eai_option *table)
{
    size_t most = 1;

    for (const eai_option *o = table; o->type != EAI_OPT_END; o++)
        if (o->offset + sizeof(int64_t) > most)
            most = o->offset + sizeof(int64_t);
    return most;
}

/* ---- Defaults and what must be there --------------------------------------------------------- */

/* Defaults go the way of all values, so a default that is not allowed cannot hide. */
eai_status options__apply_defaults(options_parser *p)
{
    static const size_t bytes[] = {
        [EAI_OPT_FLAG] = sizeof(bool),    [EAI_OPT_INT] = sizeof(int64_t),
        [EAI_OPT_FLOAT] = sizeof(double), [EAI_OPT_STRING] = sizeof(char *),
        [EAI_OPT_PATH] = sizeof(char *),  [EAI_OPT_ENUM] = sizeof(char *)};

    for (size_t i = 0; i < p->set->n_options; i++) {
        const eai_option *o = &p->set->table[i];
        options_source from = {o->name, "default", EAI_ERR_INTERNAL};
        memset(p->args + o->offset, 0, bytes[o->type]);
        p->set->origin[i] = from.origin;
        if (!o->default_value)
            continue;
        eai_status st = options__assign_text(p, o, o->default_value, &from);
        if (st != EAI_OK)
            return eai_error_context(p->err, st, "default of an option");
    }
    return EAI_OK;
}

static eai_status check_required(const options_parser *p)
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

eai_status options__create_set(eai_option_set **out, const eai_option *table, int argc,
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

/* A variable that stands for a general word: PREFIX_NAME; NULL when it is not set, or empty. */
static const char *general_variable(const options_parser *p, const char *name)
{
    char variable[128];

    if (!p->scope->env_prefix)
        return NULL;
    snprintf(variable, sizeof(variable), "%s_%s", p->scope->env_prefix, name);
    const char *text = getenv(variable);
    return text && *text ? text : NULL;
}

/* What --config and --config-profile say, or the environment in their place. */
eai_status options__read_general(options_parser *p, int argc, char **argv)
{
    options_general *g = &p->general;

    g->configs = eai_arena_zeroed(p->set->arena, (size_t)argc + 1, sizeof(*g->configs));
    if (!g->configs)
        return options__no_memory(p);
    EAI_TRY(options__scan_words(p, argc, argv));
    const char *file = general_variable(p, "CONFIG");
    if (g->n_configs == 0 && file)
        g->configs[g->n_configs++] = file;
    if (!g->profile)
        g->profile = general_variable(p, "CONFIG_PROFILE");
    return EAI_OK;
}

eai_status eai_options_parse(eai_option_set **out, void *args, const eai_option *table,
                             const eai_options_scope *scope, int argc, char **argv, eai_error *err)
{
    static const eai_options_scope nowhere = {0};
    options_parser p = {.args = args, .scope = scope ? scope : &nowhere, .err = err};

    *out = NULL;
    eai_status st = options__create_set(&p.set, table, argc, err);
    if (st == EAI_OK)
        st = options__apply_defaults(&p);
    if (st == EAI_OK)
        st = options__read_general(&p, argc, argv);
    if (st == EAI_OK)
        st = options__apply_files(&p);
    if (st == EAI_OK)
        st = options__apply_environment(&p);
    if (st == EAI_OK)
        st = options__apply_words(&p, argc, argv);
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

int eai_options_literal_operands(const eai_option_set *set)
{
    return set->n_literal;
}

const char *eai_options_origin(const eai_option_set *set, const char *name)
{
    const eai_option *o = options__find(set->table, NULL, name, strlen(name));

    return o ? set->origin[o - set->table] : NULL;
}

bool eai_options_log_level(const eai_option_set *set, eai_log_level *out)
{
    if (set->has_log_level)
        *out = set->log_level;
    return set->has_log_level;
}

bool eai_options_wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

const char *eai_options_color(int argc, char **argv)
{
    const char *when = NULL;

    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--color=", 8) == 0)
            when = argv[i] + 8;
        else if (strcmp(argv[i], "--color") == 0 && i + 1 < argc)
            when = argv[i + 1];
    }
    return when;
}

bool eai_options_quiet(const eai_option_set *set)
{
    return set->quiet;
}

bool eai_options_print(char **out, const eai_option_set *set, const void *args)
{
    eai_document_format format = set->has_print_format ? set->print_format
                                 : set->print_origin   ? EAI_DOCUMENT_YAML
                                                       : EAI_DOCUMENT_JSON;

    if (set->print)
        *out = eai_options_to_text(set->table, args, set->print_origin ? set : NULL, format);
    return set->print;
}
