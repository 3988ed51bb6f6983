/* Options from configuration files: JSON, YAML or TOML, with sections and profiles.
 *
 * A file is applied from its most general part to its most particular one; what comes later wins:
 *
 *     rank: 8                   an option of the command, by its name
 *     adapter: {alpha: 32}      or within its section
 *     train: {rank: 16}         for one command of the project
 *     profiles:
 *       base: {training: {epochs: 1}}
 *       dev: {inherits: base, rank: 4}     what --config-profile dev adds, `base` first
 *
 * A key is known when the command or another one of the project has it, so that one file serves
 * them all; any other key is an error. Start at options__apply_files; eai_options_check_file walks
 * the same way and goes on behind a fault. */
#include "config/options_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

#define CONFIG_MAX          ((size_t)1 << 20)
#define MAX_INHERITED       1000 /* each time that one is applied counts */
#define PROFILES            "profiles"
#define DEFAULT_PROFILE     "default-profile"
#define INHERITS            "inherits"
#define MAX_REPORTED_FAULTS 1000

/* One file, or one profile of it, being applied. */
typedef struct layer {
    options_parser *p;
    const char *file;
    const char *profile; /* NULL: the file itself */
    bool *seen;          /* [n_options]: set by this layer */
    bool root;           /* the outermost table, not the project's or a command's section */
    bool in_command;     /* within the command's own section */
} layer;

static const eai_options_command no_commands[] = {{NULL, NULL}};

/* The project's commands; ends with a row without a name. */
static const eai_options_command *commands_of(const options_parser *p)
{
    return p->scope->commands ? p->scope->commands : no_commands;
}

static bool is_name(const char *name, const eai_value *v)
{
    return name && options__same_name(name, v->key, v->key_length);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

/* Hands on a fault that was found in a line: a parse ends with it, a check goes on. */
static eai_status pass_on(const layer *l, eai_status st, int line)
{
    if (st == EAI_ERR_ARGUMENT && l->p->fault)
        return l->p->fault(l->p, line);
    return st;
}

/* "config x.yaml:3: key 'rank'" in the arena; NULL without memory. */
static const char *label_of(const layer *l, const eai_value *v, const char *section)
{
    return eai_arena_printf(l->p->set->arena, "config %s:%d: key '%s%s%s'", l->file, v->line,
                            section ? section : "", section ? "." : "", v->key);
}

/* ---- Unknown keys ---------------------------------------------------------------------------- */

static void offer_table(options_nearest *near, const eai_option **row, const eai_option *table)
{
    for (const eai_option *o = table; o && o->type != EAI_OPT_END; o++)
        if (options__offer(near, o->name))
            *row = o;
}

static void offer_sections(options_nearest *near, char names[2][OPTIONS_SECTION_MAX],
                           const eai_option *table)
{
    for (const eai_option *o = table; o && o->type != EAI_OPT_END; o++) {
        const char *section = options__section(names[0], o);
        if (*section && options__offer(near, section)) {
            memcpy(names[1], section, strlen(section) + 1);
            near->name = names[1];
        }
    }
}

/* "; did you mean 'training.rank'?" for a key, or "". The name is written as it would have to stand
 * here. */
static void suggest(char *buf, size_t n, const layer *l, const eai_value *v, const char *section)
{
    char names[2][OPTIONS_SECTION_MAX];
    options_nearest near = options__nearest(v->key);
    const eai_option *row = NULL;

    offer_table(&near, &row, l->p->set->table);
    for (const eai_options_command *c = commands_of(l->p); c->name; c++)
        offer_table(&near, &row, c->options);
    const char *own = row ? options__section(names[0], row) : "";
    bool elsewhere = row && section && strcmp(own, section) != 0;
    if (row) {
        snprintf(buf, n, "; did you mean '%s%s%s'?", elsewhere ? own : "",
                 elsewhere && *own ? "." : "", row->name);
        return;
    }
    if (!section && v->kind == EAI_VALUE_TABLE) {
        offer_sections(&near, names, l->p->set->table);
        for (const eai_options_command *c = commands_of(l->p); c->name; c++) {
            offer_sections(&near, names, c->options);
            if (!l->in_command)
                options__offer(&near, c->name);
        }
        if (l->root)
            options__offer(&near, PROFILES);
    }
    snprintf(buf, n, "%s%s%s", near.name ? "; did you mean '" : "", near.name ? near.name : "",
             near.name ? "'?" : "");
}

static eai_status unknown_key(layer *l, const eai_value *v, const char *section)
{
    char meant[2 * OPTIONS_SECTION_MAX + 80];

    suggest(meant, sizeof(meant), l, v, section);
    return pass_on(l,
                   eai_error_set(l->p->err, EAI_ERR_ARGUMENT,
                                 "config %s:%d: unknown key '%s%s%s'%s", l->file, v->line,
                                 section ? section : "", section ? "." : "", v->key, meant),
                   v->line);
}

/* ---- Keys ------------------------------------------------------------------------------------ */

/* Has another command of the project this option? */
static bool is_sibling(const options_parser *p, const char *section, const eai_value *v)
{
    for (const eai_options_command *c = commands_of(p); c->name; c++)
        if (options__find(c->options, section, v->key, v->key_length))
            return true;
    return false;
}

static eai_status apply_option(layer *l, const eai_option *o, const eai_value *v,
                               const char *section)
{
    options_parser *p = l->p;
    options_source from = {label_of(l, v, section), NULL, EAI_ERR_ARGUMENT};

    from.origin = eai_arena_printf(p->set->arena, "config %s:%d%s%s%s", l->file, v->line,
                                   l->profile ? " (profile " : "", l->profile ? l->profile : "",
                                   l->profile ? ")" : "");
    if (!from.label || !from.origin)
        return options__no_memory(p);
    bool *seen = &l->seen[o - p->set->table];
    if (*seen)
        return pass_on(l, eai_error_set(p->err, EAI_ERR_ARGUMENT, "%s is there twice", from.label),
                       v->line);
    *seen = true;
    return pass_on(l, options__assign_value(p, o, v, &from), v->line);
}

/* A key of an option, at the top (section NULL) or in its section. */
static eai_status apply_key(layer *l, const eai_value *v, const char *section)
{
    const eai_option *o = options__find(l->p->set->table, section, v->key, v->key_length);

    if (o)
        return apply_option(l, o, v, section);
    return is_sibling(l->p, section, v) ? EAI_OK : unknown_key(l, v, section);
}

static eai_status apply_section(layer *l, const eai_value *table)
{
    for (const eai_value *v = table->first; v; v = v->next)
        EAI_TRY(apply_key(l, v, table->key));
    return EAI_OK;
}

/* May it be a section? One without anything in it is null in YAML. */
static bool is_block(const eai_value *v)
{
    return v->kind == EAI_VALUE_TABLE || v->kind == EAI_VALUE_NULL;
}

static bool is_section(const options_parser *p, const eai_value *v)
{
    if (options__has_section(p->set->table, v->key, v->key_length))
        return true;
    for (const eai_options_command *c = commands_of(p); c->name; c++)
        if (options__has_section(c->options, v->key, v->key_length))
            return true;
    return false;
}

static bool is_command(const options_parser *p, const eai_value *v)
{
    for (const eai_options_command *c = commands_of(p); c->name; c++)
        if (is_name(c->name, v))
            return true;
    return false;
}

static eai_status apply_members(layer *l, const eai_value *table);

/* What counts for one command alone: its section, whose keys are those of the top again. */
static eai_status apply_command(layer *l, const eai_value *table)
{
    layer inner = *l;

    inner.root = false;
    inner.in_command = true;
    inner.seen = eai_arena_zeroed(l->p->set->arena, l->p->set->n_options, sizeof(*inner.seen));
    if (!inner.seen)
        return options__no_memory(l->p);
    return apply_members(&inner, table);
}

/* A member that is no command's section. */
static eai_status apply_member(layer *l, const eai_value *v)
{
    layer inner = *l;

    inner.root = false;
    if (is_block(v) && is_section(l->p, v))
        return apply_section(l, v);
    if (l->root && is_block(v) && is_name(l->p->scope->project, v))
        return apply_members(&inner, v);
    if (l->root && l->profile && is_name(INHERITS, v))
        return EAI_OK; /* done before */
    if (l->root && !l->profile && (is_name(PROFILES, v) || is_name(DEFAULT_PROFILE, v)))
        return EAI_OK; /* done behind */
    return apply_key(l, v, NULL);
}

/* All members but sections of commands, then the command's own. */
static eai_status apply_members(layer *l, const eai_value *table)
{
    bool commands = !l->in_command;

    for (const eai_value *v = table->first; v; v = v->next)
        if (!(commands && is_block(v) && is_command(l->p, v)))
            EAI_TRY(apply_member(l, v));
    for (const eai_value *v = table->first; v; v = v->next)
        if (commands && v->kind == EAI_VALUE_TABLE && is_name(l->p->scope->command, v))
            EAI_TRY(apply_command(l, v));
    return EAI_OK;
}

/* The file's own options, or those of a profile: a table, or nothing. */
static eai_status apply_layer(options_parser *p, const char *file, const char *profile,
                              const eai_value *table)
{
    layer l = {.p = p, .file = file, .profile = profile, .root = true};

    l.seen = eai_arena_zeroed(p->set->arena, p->set->n_options, sizeof(*l.seen));
    if (!l.seen)
        return options__no_memory(p);
    if (table->kind == EAI_VALUE_NULL)
        return EAI_OK;
    if (table->kind == EAI_VALUE_TABLE)
        return apply_members(&l, table);
    return pass_on(&l,
                   eai_error_set(p->err, EAI_ERR_ARGUMENT,
                                 "config %s:%d: %s%s%s is no table of options", file, table->line,
                                 profile ? "profile '" : "the file", profile ? profile : "",
                                 profile ? "'" : ""),
                   table->line);
}

/* ---- Profiles -------------------------------------------------------------------------------- */

static eai_status unknown_profile(options_parser *p, const char *file, int line,
                                  const eai_value *profiles, const char *name)
{
    options_nearest near = options__nearest(name);
    char place[32] = "";

    for (const eai_value *v = profiles ? profiles->first : NULL; v; v = v->next)
        options__offer(&near, v->key);
    if (line > 0)
        snprintf(place, sizeof(place), ":%d", line);
    return eai_error_set(p->err, EAI_ERR_ARGUMENT, "config %s%s: no profile '%s'%s%s%s", file,
                         place, name, near.name ? "; did you mean '" : "",
                         near.name ? near.name : "", near.name ? "'?" : "");
}

/* The names that lead to a profile, the outermost last. */
typedef struct chain {
    const char *name;
    const struct chain *outer;
} chain;

static eai_status apply_profile(options_parser *p, const char *file, const eai_value *profiles,
                                const eai_value *profile, const chain *outer);

/* One of `inherits`: applies the profile it names. */
static eai_status inherit(options_parser *p, const char *file, const eai_value *profiles,
                          const eai_value *name, const chain *c)
{
    const layer l = {.p = p, .file = file, .profile = c->name};
    const eai_value *profile =
        name->kind == EAI_VALUE_TEXT ? eai_value_find(profiles, name->text) : NULL;

    if (name->kind != EAI_VALUE_TEXT) {
        eai_error_set(p->err, EAI_ERR_ARGUMENT,
                      "config %s:%d: profile '%s' inherits %s; it takes a name or a list of names",
                      file, name->line, c->name, eai_value_kind_name(name->kind));
        return pass_on(&l, EAI_ERR_ARGUMENT, name->line);
    }
    if (!profile)
        return pass_on(&l, unknown_profile(p, file, name->line, profiles, name->text), name->line);
    for (const chain *at = c; at; at = at->outer) {
        if (strcmp(at->name, name->text) != 0)
            continue;
        eai_error_set(p->err, EAI_ERR_ARGUMENT,
                      "config %s:%d: profile '%s' inherits itself, through '%s'", file, name->line,
                      at->name, c->name);
        return pass_on(&l, EAI_ERR_ARGUMENT, name->line);
    }
    if (++p->n_inherited > MAX_INHERITED)
        return eai_error_set(p->err, EAI_ERR_LIMIT,
                             "config %s:%d: more than %d profiles are inherited", file, name->line,
                             MAX_INHERITED);
    return apply_profile(p, file, profiles, profile, c);
}

static eai_status apply_profile(options_parser *p, const char *file, const eai_value *profiles,
                                const eai_value *profile, const chain *outer)
{
    const chain c = {profile->key, outer};
    const eai_value *inherits = eai_value_find(profile, INHERITS);
    char *name = eai_arena_strdup(p->set->arena, profile->key);

    if (!name)
        return options__no_memory(p);
    if (inherits && inherits->kind == EAI_VALUE_ARRAY)
        for (const eai_value *v = inherits->first; v; v = v->next)
            EAI_TRY(inherit(p, file, profiles, v, &c));
    else if (inherits)
        EAI_TRY(inherit(p, file, profiles, inherits, &c));
    return apply_layer(p, file, name, profile);
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* The table `profiles` of a file, NULL when it has none; anything else there is a fault. */
static eai_status find_profiles(const eai_value **out, options_parser *p, const eai_document *d)
{
    const layer l = {.p = p, .file = eai_document_label(d)};
    const eai_value *v = eai_value_find(eai_document_root(d), PROFILES);

    *out = v && v->kind == EAI_VALUE_TABLE ? v : NULL;
    if (v && v->kind != EAI_VALUE_TABLE && v->kind != EAI_VALUE_NULL)
        return pass_on(&l,
                       eai_error_set(p->err, EAI_ERR_ARGUMENT,
                                     "config %s:%d: '" PROFILES "' is %s, not a table of profiles",
                                     eai_document_label(d), v->line, eai_value_kind_name(v->kind)),
                       v->line);
    return EAI_OK;
}

/* The profile that counts in a file: the one asked for, or else its default. */
static eai_status apply_chosen(bool *found, options_parser *p, const eai_document *d)
{
    const char *file = eai_document_label(d);
    const eai_value *fallback = eai_value_find(eai_document_root(d), DEFAULT_PROFILE);
    const char *name = p->general.profile;
    const eai_value *profiles = NULL;
    int line = 0;

    EAI_TRY(find_profiles(&profiles, p, d));
    if (!name && fallback && fallback->kind != EAI_VALUE_NULL) {
        line = fallback->line;
        if (fallback->kind != EAI_VALUE_TEXT)
            return eai_error_set(p->err, EAI_ERR_ARGUMENT,
                                 "config %s:%d: '" DEFAULT_PROFILE "' is %s, not a name", file,
                                 line, eai_value_kind_name(fallback->kind));
        name = fallback->text;
    }
    const eai_value *profile = name ? eai_value_find(profiles, name) : NULL;
    if (profile) {
        *found = true;
        return apply_profile(p, file, profiles, profile, NULL);
    }
    return line > 0 ? unknown_profile(p, file, line, profiles, name) : EAI_OK;
}

static eai_status load(eai_document **out, options_parser *p, const char *path)
{
    eai_status st = eai_document_load(out, path, CONFIG_MAX, p->err);

    return st == EAI_OK ? st : eai_error_context(p->err, st, "config");
}

eai_status options__apply_files(options_parser *p)
{
    bool found = false;
    eai_status st = EAI_OK;

    for (size_t i = 0; i < p->general.n_configs && st == EAI_OK; i++) {
        eai_document *d = NULL;
        const char *file = eai_arena_strdup(p->set->arena, p->general.configs[i]);
        st = file ? load(&d, p, file) : options__no_memory(p);
        if (st == EAI_OK)
            st = apply_layer(p, file, NULL, eai_document_root(d));
        if (st == EAI_OK)
            st = apply_chosen(&found, p, d);
        if (st == EAI_OK && !found && p->general.profile && i + 1 == p->general.n_configs)
            st = unknown_profile(p, file, 0, eai_value_find(eai_document_root(d), PROFILES),
                                 p->general.profile);
        eai_document_free(d);
    }
    if (st == EAI_OK && p->general.profile && p->general.n_configs == 0)
        st = eai_error_set(p->err, EAI_ERR_USAGE,
                           "--config-profile %s: there is no --config FILE to take it from",
                           p->general.profile);
    return st;
}

/* ---- Checking a file ------------------------------------------------------------------------- */

typedef struct fault {
    int line;
    char *message; /* in the checker's arena */
} fault;

/* Faults found so far: a file is walked once for each command and profile, and most faults come up
 * each time. */
typedef struct checker {
    eai_arena *arena;
    fault *faults; /* [MAX_REPORTED_FAULTS] */
    size_t n;
} checker;

static eai_status take_fault(options_parser *p, int line)
{
    checker *c = p->ud;

    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->faults[i].message, p->err->message) == 0)
            return EAI_OK;
    if (c->n == MAX_REPORTED_FAULTS)
        return eai_error_set(p->err, EAI_ERR_LIMIT, "more than %d faults", MAX_REPORTED_FAULTS);
    char *message = eai_arena_strdup(c->arena, p->err->message);
    if (!message)
        return options__no_memory(p);
    c->faults[c->n++] = (fault){line, message};
    return EAI_OK;
}

static int compare_lines(const void *a, const void *b)
{
    const fault *x = a;
    const fault *y = b;

    return (x->line > y->line) - (x->line < y->line);
}

/* The file and each of its profiles, as the command's options would be read from it. */
static eai_status check_document(options_parser *p, const eai_document *d)
{
    const char *file = eai_document_label(d);
    const eai_value *profiles = NULL;
    bool found;

    EAI_TRY(options__apply_defaults(p));
    EAI_TRY(apply_layer(p, file, NULL, eai_document_root(d)));
    EAI_TRY(find_profiles(&profiles, p, d));
    for (const eai_value *v = profiles ? profiles->first : NULL; v; v = v->next)
        EAI_TRY(apply_profile(p, file, profiles, v, NULL));
    eai_status st = apply_chosen(&found, p, d);
    const eai_value *fallback = eai_value_find(eai_document_root(d), DEFAULT_PROFILE);
    return st == EAI_ERR_ARGUMENT ? p->fault(p, fallback ? fallback->line : 1) : st;
}

static eai_status check_command(checker *c, const eai_options_command *command,
                                const eai_options_scope *scope, const eai_document *d,
                                eai_error *err)
{
    static const eai_option no_options[] = {{0}};
    const eai_option *table = command->options ? command->options : no_options;
    eai_options_scope own = *scope;
    options_parser p = {.scope = &own, .err = err, .fault = take_fault, .ud = c};

    own.command = command->name;
    eai_status st = options__create_set(&p.set, table, 0, err);
    p.args = eai_alloc_zeroed(1, options__args_bytes(table));
    if (st == EAI_OK)
        st = p.args ? check_document(&p, d) : options__no_memory(&p);
    eai_free(p.args);
    eai_option_set_free(p.set);
    return st;
}

eai_status eai_options_check_file(size_t *n_faults, const char *path,
                                  const eai_options_scope *scope,
                                  void (*report)(void *ud, const char *message), void *ud,
                                  eai_error *err)
{
    options_parser p = {.err = err};
    eai_document *d = NULL;
    checker c = {eai_arena_create(0), NULL, 0};

    *n_faults = 0;
    c.faults = eai_arena_zeroed(c.arena, MAX_REPORTED_FAULTS, sizeof(*c.faults));
    eai_status st = c.faults ? load(&d, &p, path)
                             : eai_error_set(err, EAI_ERR_NOMEM, "no memory to check '%s'", path);
    for (const eai_options_command *k = scope->commands; st == EAI_OK && k && k->name; k++)
        st = check_command(&c, k, scope, d, err);
    if (c.n > 0)
        qsort(c.faults, c.n, sizeof(*c.faults), compare_lines);
    for (size_t i = 0; st == EAI_OK && i < c.n; i++)
        report(ud, c.faults[i].message);
    *n_faults = c.n;
    eai_document_free(d);
    eai_arena_free(c.arena);
    return st;
}

eai_status eai_options_check_files(size_t *n_faults, const eai_option *table,
                                   const eai_options_scope *scope, int argc, char **argv,
                                   void (*report)(void *ud, const char *message), void *ud,
                                   eai_error *err)
{
    options_parser p = {.scope = scope, .err = err};

    *n_faults = 0;
    eai_status st = options__create_set(&p.set, table, argc, err);
    if (st == EAI_OK)
        st = options__read_general(&p, argc, argv);
    for (size_t i = 0; st == EAI_OK && i < p.general.n_configs; i++) {
        size_t n = 0;
        st = eai_options_check_file(&n, p.general.configs[i], scope, report, ud, err);
        *n_faults += n;
    }
    eai_option_set_free(p.set);
    return st;
}
