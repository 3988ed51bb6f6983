/* What may come next on a command line: `efficientai complete WORD...`, called by the scripts that
 * `efficientai completion SHELL` prints.
 *
 * Why the program answers and not the scripts: the options tables are here, plugins too, and three
 * shells would need three copies. It prints candidates for the last word, one a line:
 *
 *     --rank                   with --descriptions in front of the words: a tab and what it is
 *     <files>  <folders>       the shell may offer these too; nothing else begins with '<'
 *
 * A candidate replaces the whole word, "--dtype=f32". `--line LINE` in place of the words is a line
 * up to the cursor, cut into words as bash does. Nothing goes wrong aloud: whoever presses a key
 * wants no message between what he writes. Start at complete_words. */
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/document.h>
#include <efficientai/hub.h>
#include <efficientai/log.h>

#include "catalog.h"

#include "base/banned.h"

#define CONFIG_MAX ((size_t)1 << 20)
#define KEY_MAX    128

/* What is asked. */
typedef struct request {
    catalog *catalog;
    const eai_project *project; /* the command's, or NULL */
    const eai_command *command; /* NULL: the words in front of one */
    const eai_option *table;    /* of the command; may be NULL */
    int n;                      /* words behind the command's name ... */
    char **words;               /* ... the last one is being written */
    const char *word;           /* that, or what of it is behind `prefix` */
    const char *prefix;         /* stands before each candidate: "", "--dtype=" */
    bool describe;
    FILE *out;
} request;

/* ---- Candidates ------------------------------------------------------------------------------ */

/* Names come from files too: one that a shell would take for several words, or that would move the
 * cursor, is nobody's. */
static bool is_printable(const char *word)
{
    for (const unsigned char *c = (const unsigned char *)word; *c; c++)
        if (*c <= ' ' || *c == 0x7f)
            return false;
    return *word != '\0' && *word != '<';
}

static void offer(const request *r, const char *word, const char *text)
{
    if (strncmp(word, r->word, strlen(r->word)) != 0 || !is_printable(word))
        return;
    fprintf(r->out, "%s%s", r->prefix, word);
    if (r->describe && text && *text)
        fprintf(r->out, "\t%s", text);
    fputc('\n', r->out);
}

/* A candidate in memory that is ours, freed here; NULL: nothing. */
static void offer_owned(const request *r, char *word, const char *text)
{
    if (word)
        offer(r, word, text);
    eai_free(word);
}

static void offer_files(const request *r)
{
    fputs("<files>\n", r->out);
}

static void offer_folders(const request *r)
{
    fputs("<folders>\n", r->out);
}

/* The words of "a|b|c". */
static void offer_choices(const request *r, const char *choices)
{
    while (choices && *choices) {
        size_t length = strcspn(choices, "|");
        offer_owned(r, eai_strndup(choices, length), NULL);
        choices += length + (choices[length] == '|');
    }
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void offer_commands_of(const request *r, const eai_project *project, bool with_project)
{
    for (const eai_command *k = project->commands; k->name; k++)
        offer_owned(
            r, with_project ? eai_asprintf("%s:%s", project->name, k->name) : eai_strdup(k->name),
            k->summary);
}

static void offer_projects(const request *r)
{
    catalog_open_plugins(r->catalog);
    for (size_t i = 0; i < eai_registry_count(r->catalog->projects); i++) {
        const eai_project *p = eai_registry_at(r->catalog->projects, i);
        offer(r, p->name, p->summary);
    }
}

static void offer_project_commands(const request *r)
{
    catalog_open_plugins(r->catalog);
    for (size_t i = 0; i < eai_registry_count(r->catalog->projects); i++)
        offer_commands_of(r, eai_registry_at(r->catalog->projects, i), true);
}

/* Commands, groups, projects; "project:command" once a colon is there. */
static void offer_names(const request *r)
{
    if (strchr(r->word, ':')) {
        for (size_t i = 0; core_groups[i]; i++)
            offer_commands_of(r, core_groups[i], true);
        offer_project_commands(r);
        return;
    }
    for (size_t i = 0; core_commands[i]; i++)
        offer(r, core_commands[i]->name, core_commands[i]->summary);
    for (size_t i = 0; core_groups[i]; i++)
        offer(r, core_groups[i]->name, core_groups[i]->summary);
    offer_projects(r);
}

/* The operands of `man`: as the words that run a command. */
static void offer_command_words(const request *r)
{
    const char *before = r->n > 1 ? r->words[r->n - 2] : "";
    const eai_project *project = catalog_find_word(before, strlen(before));
    if (project)
        offer_commands_of(r, project, false);
    else
        offer_names(r);
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* The models of the table, then the repositories that are in the cache; without any, how the name
 * of one begins. */
static void offer_models(const request *r)
{
    eai_hub_cache *cache = NULL;
    for (size_t i = 0; i < eai_hub_count(); i++)
        offer(r, eai_hub_at(i)->name, eai_hub_at(i)->summary);
    size_t n = eai_hub_cache_open(&cache, NULL) == EAI_OK ? eai_hub_cache_count(cache) : 0;
    for (size_t i = 0; i < n; i++)
        offer(r, eai_hub_cache_at(cache, i)->name, "in the cache");
    if (n == 0)
        offer(r, "hf:", "a repository of Hugging Face's hub");
    eai_hub_cache_close(cache);
}

static void offer_model_or_file(const request *r)
{
    offer_models(r);
    offer_files(r);
}

/* The profiles of one configuration file; "~/" is what no shell has replaced yet. */
static void offer_profiles_of(const request *r, const char *file)
{
    eai_document *d = NULL;
    const char *home = getenv("HOME");
    char *path = strncmp(file, "~/", 2) == 0 && home ? eai_asprintf("%s%s", home, file + 1)
                                                     : eai_strdup(file);
    if (path && eai_document_load(&d, path, CONFIG_MAX, NULL) == EAI_OK) {
        const eai_value *profiles = eai_value_find(eai_document_root(d), "profiles");
        for (const eai_value *v = profiles ? profiles->first : NULL; v; v = v->next)
            if (v->key && strlen(v->key) == v->key_length)
                offer(r, v->key, NULL);
    }
    eai_document_free(d);
    eai_free(path);
}

static void offer_profiles(const request *r)
{
    const char *file = getenv("EFFICIENTAI_CONFIG");
    bool named = false;
    for (int i = 0; i + 1 < r->n; i++) {
        bool joined = strncmp(r->words[i], "--config=", 9) == 0;
        bool apart = strcmp(r->words[i], "--config") == 0 && i + 2 < r->n;
        if (joined || apart)
            offer_profiles_of(r, joined ? r->words[i] + 9 : r->words[i + 1]);
        named = named || joined || apart;
    }
    if (!named && file && *file)
        offer_profiles_of(r, file);
}

static void offer_formats(const request *r)
{
    static const char *const endings[] = {
#define FORMAT_ENDING(format, ending) ending,
        EAI_DOCUMENT_FORMATS(FORMAT_ENDING)
#undef FORMAT_ENDING
    };
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        offer(r, endings[i] + 1, NULL);
}

static void offer_value(const request *r, const eai_option *o);

/* KEY= of every option, and behind that what the option takes. */
static void offer_keys(const request *r)
{
    char key[KEY_MAX];
    size_t n = strcspn(r->word, "=");
    for (const eai_option *o = r->table; o && o->name; o++) {
        eai_options_key(key, sizeof(key), o);
        if (r->word[n] != '=') {
            offer_owned(r, eai_asprintf("%s=", key), o->help);
            continue;
        }
        bool same = strlen(key) == n && strncmp(key, r->word, n) == 0;
        bool short_name = strlen(o->name) == n && strncmp(o->name, r->word, n) == 0;
        if (!same && !short_name)
            continue;
        char *prefix = eai_asprintf("%s%.*s=", r->prefix, (int)n, r->word);
        request inner = *r;
        inner.word = r->word + n + 1;
        inner.prefix = prefix;
        if (prefix && o->type == EAI_OPT_FLAG)
            offer_choices(&inner, "true|false");
        else if (prefix)
            offer_value(&inner, o);
        eai_free(prefix);
    }
}

/* Options whose values are known by their names. */
static const struct {
    const char *option;
    void (*offer)(const request *r);
} named_values[] = {
    {"model", offer_model_or_file},  {"config-profile", offer_profiles}, {"set", offer_keys},
    {"print-config", offer_formats}, {"project", offer_projects},
};

/* What a word in the place of a value may be, by how the help calls it. The first that is in the
 * text counts. */
static const struct {
    const char *text;
    void (*offer)(const request *r);
} called_values[] = {
    {"hf:", offer_models},
    {"PROJECT:COMMAND", offer_project_commands},
    {"COMMAND", offer_command_words},
    {"PROJECT", offer_projects},
    {"FILE", offer_files},
    {"PATH", offer_files},
    {"DIR", offer_folders},
};

static bool offer_called(const request *r, const char *text)
{
    for (size_t i = 0; text && i < sizeof(called_values) / sizeof(called_values[0]); i++) {
        if (strstr(text, called_values[i].text)) {
            called_values[i].offer(r);
            return true;
        }
    }
    return false;
}

static void offer_value(const request *r, const eai_option *o)
{
    for (size_t i = 0; i < sizeof(named_values) / sizeof(named_values[0]); i++) {
        if (strcmp(named_values[i].option, o->name) == 0) {
            named_values[i].offer(r);
            return;
        }
    }
    if (o->type == EAI_OPT_ENUM)
        offer_choices(r, o->choices);
    else if (!offer_called(r, o->value_name) && o->type == EAI_OPT_PATH)
        offer_files(r);
}

/* Words of a command that are no options. */
static void offer_operand(const request *r)
{
    const char *usage = r->command->usage;
    if (usage && strspn(usage, "abcdefghijklmnopqrstuvwxyz0123456789-|") == strlen(usage))
        offer_choices(r, usage);
    else
        offer_called(r, usage);
}

/* ---- Options --------------------------------------------------------------------------------- */

/* Row i of the command's own, then those of every command that it does not define; in front of a
 * command the program's. NULL behind the last. */
static const eai_option *option_at(const request *r, size_t i)
{
    const eai_option *table = r->command ? r->table : program_options;
    size_t n = 0;
    while (table && table[n].name)
        n++;
    if (i < n)
        return &table[i];
    return r->command ? eai_options_general(i - n) : NULL;
}

static const eai_option *find_option(const request *r, const char *name, size_t n)
{
    const eai_option *o;
    for (size_t i = 0; (o = option_at(r, i)) != NULL; i++)
        if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* The option that the word is and whose value is the next word; NULL: none follows. */
static const eai_option *find_waiting(const request *r, const char *word)
{
    const eai_option *o = NULL;
    if (strncmp(word, "--", 2) == 0)
        o = find_option(r, word + 2, strlen(word + 2));
    else if (word[0] == '-' && word[1] && !word[2])
        for (size_t i = 0; (o = option_at(r, i)) != NULL && o->key != word[1];)
            i++;
    return o && o->type != EAI_OPT_FLAG ? o : NULL;
}

/* The words of every command have no "--no-" form. */
static bool is_general(const eai_option *o)
{
    const eai_option *g;
    for (size_t i = 0; (g = eai_options_general(i)) != NULL; i++)
        if (g == o)
            return true;
    return false;
}

/* "--name", "--no-name" where that is the form with a meaning, or is being written, and "-n" where
 * only the dash is there. */
static void offer_option(const request *r, const eai_option *o)
{
    bool flag = o->type == EAI_OPT_FLAG;
    bool on = flag && o->default_value && strcmp(o->default_value, "true") == 0;
    bool negated = flag && strncmp(r->word, "--no-", 5) == 0 && r->command && !is_general(o);
    if (on || negated)
        offer_owned(r, eai_asprintf("--no-%s", o->name), o->help);
    if (!on)
        offer_owned(r, eai_asprintf("--%s", o->name), o->help);
    if (o->key && strcmp(r->word, "-") == 0)
        offer_owned(r, eai_asprintf("-%c", o->key), o->help);
}

static void offer_options(const request *r)
{
    const eai_option *o;
    for (size_t i = 0; (o = option_at(r, i)) != NULL; i++)
        if (find_option(r, o->name, strlen(o->name)) == o) /* no earlier one has the name */
            offer_option(r, o);
}

/* "--name=VALUE" */
static void offer_joined(const request *r, size_t n)
{
    const eai_option *o = find_option(r, r->word + 2, n - 2);
    char *prefix = o ? eai_strndup(r->word, n + 1) : NULL;
    request inner = *r;
    inner.word = r->word + n + 1;
    inner.prefix = prefix;
    if (prefix)
        offer_value(&inner, o);
    eai_free(prefix);
}

static bool options_have_ended(const request *r)
{
    for (int i = 0; i + 1 < r->n; i++)
        if (strcmp(r->words[i], "--") == 0)
            return true;
    return false;
}

/* The words behind a command's name, or in front of one. */
static void offer_next(const request *r)
{
    size_t n = strcspn(r->word, "=");
    bool ended = options_have_ended(r);
    const eai_option *waiting = r->n > 1 && !ended ? find_waiting(r, r->words[r->n - 2]) : NULL;
    if (waiting)
        offer_value(r, waiting);
    else if (!ended && r->word[n] == '=' && strncmp(r->word, "--", 2) == 0)
        offer_joined(r, n);
    else if (!ended && r->word[0] == '-')
        offer_options(r);
    else if (r->command)
        offer_operand(r);
    else
        offer_names(r);
}

/* ---- The line -------------------------------------------------------------------------------- */

/* The words in front of the command: program_options, with their values. Returns how many; all but
 * the last word at most. */
static int skip_options(request *r)
{
    int i = 0;
    while (i + 1 < r->n && r->words[i][0] == '-') {
        const eai_option *o = find_waiting(r, r->words[i]);
        const char *joined =
            strncmp(r->words[i], "--plugin-path=", 14) == 0 ? r->words[i] + 14 : NULL;
        if (o && i + 2 >= r->n)
            break; /* its value is being written */
        if (o && strcmp(o->name, "plugin-path") == 0)
            r->catalog->plugin_path = r->words[i + 1];
        if (joined)
            r->catalog->plugin_path = joined;
        i += o ? 2 : 1;
    }
    return i;
}

static void skip_words(request *r, int n)
{
    r->words += n;
    r->n -= n;
}

/* Answers for words of which the last one is being written. */
static void answer(request *r)
{
    skip_words(r, skip_options(r));
    r->word = r->words[r->n - 1];
    if (r->n == 1 || r->words[0][0] == '-') {
        offer_next(r);
        return;
    }
    r->command = catalog_find_command(r->words[0]);
    if (r->command) {
        skip_words(r, 1);
    } else {
        size_t length = strcspn(r->words[0], ":");
        bool colon = r->words[0][length] == ':';
        r->project = catalog_find_word(r->words[0], length);
        if (r->project && !colon && r->n == 2)
            offer_commands_of(r, r->project, false);
        if (!r->project || (!colon && r->n == 2))
            return;
        const char *name = colon ? r->words[0] + length + 1 : r->words[1];
        r->command = eai_project_find_command(r->project, name);
        skip_words(r, colon ? 1 : 2);
    }
    if (!r->command)
        return;
    r->table = r->command->options;
    offer_next(r);
}

/* Cuts a line as bash does, quotes and backslashes taken off; the last word is empty behind a
 * blank. *n words, whose texts lie in one block at words[0]; free with free_words(). NULL: no
 * memory. */
static char **split_line(const char *line, int *n)
{
    size_t length = strlen(line);
    char **words = eai_alloc_array(length / 2 + 2, sizeof(*words));
    char *text = eai_alloc(length + 2);
    char quote = '\0';
    if (!words || !text) {
        eai_free(text);
        eai_free((void *)words);
        return NULL;
    }
    *n = 1;
    words[0] = text;
    line += strspn(line, " \t");
    for (; *line; line++) {
        if (!quote && strchr(" \t\n", *line)) {
            line += strspn(line, " \t\n") - 1;
            *text++ = '\0';
            words[(*n)++] = text;
        } else if (*line == '\\' && quote != '\'' && line[1]) {
            *text++ = *++line;
        } else if (!quote && (*line == '"' || *line == '\'')) {
            quote = *line;
        } else if (*line == quote) {
            quote = '\0';
        } else {
            *text++ = *line;
        }
    }
    *text = '\0';
    return words;
}

static void free_words(char **words)
{
    if (words)
        eai_free(words[0]);
    eai_free((void *)words);
}

void complete_words(catalog *c, int n, char **words, FILE *out)
{
    char empty[] = "";
    char *nothing[] = {empty};
    char **cut = NULL;
    request r = {.catalog = c, .prefix = "", .out = out, .n = n, .words = words};
    eai_log_set_level(EAI_LOG_ERROR);
    if (r.n > 0 && strcmp(r.words[0], "--descriptions") == 0) {
        r.describe = true;
        skip_words(&r, 1);
    }
    if (r.n == 2 && strcmp(r.words[0], "--line") == 0) {
        cut = split_line(r.words[1], &r.n);
        r.words = cut;
        if (!cut)
            return;
        skip_words(&r, 1); /* the program's name */
    }
    if (r.n == 0) {
        r.n = 1;
        r.words = nothing;
    }
    answer(&r);
    free_words(cut);
}
