/* What may come next on a command line: `efficientai complete WORD...`, called by the scripts that
 * `efficientai completion SHELL` prints.
 *
 * Why the program answers and not the scripts: the options tables are here, plugins too, and three
 * shells would need three copies. It prints candidates for the last word, one a line, and nothing
 * where a file is expected (the shell then offers files). Start at complete_words. */
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/hub.h>

#include "catalog.h"

#include "base/banned.h"

static void offer(FILE *out, const char *prefix, const char *word)
{
    if (strncmp(word, prefix, strlen(prefix)) == 0)
        fprintf(out, "%s\n", word);
}

/* First word: commands, groups, projects; "project:command" once a colon is there. */
static void offer_names(catalog *c, const char *word, FILE *out)
{
    size_t n;
    catalog_open_plugins(c);
    char **names = catalog_list_names(c, &n);
    bool colon = strchr(word, ':') != NULL;
    for (size_t i = 0; i < n; i++) {
        if (colon == (strchr(names[i], ':') != NULL))
            offer(out, word, names[i]);
    }
    catalog_free_names(names, n);
}

/* In a command's table, or among the options of every command. */
static const eai_option *find_option(const eai_option *table, const char *name)
{
    const eai_option *g;
    for (const eai_option *o = table; o && o->name; o++) {
        if (strcmp(o->name, name) == 0)
            return o;
    }
    for (size_t i = 0; (g = eai_options_general(i)) != NULL; i++) {
        if (strcmp(g->name, name) == 0)
            return g;
    }
    return NULL;
}

/* The models of the table, then the repositories that are in the cache; without any, how the name
 * of one begins. */
static void offer_models(const char *word, FILE *out)
{
    eai_hub_cache *cache = NULL;
    for (size_t i = 0; i < eai_hub_count(); i++)
        offer(out, word, eai_hub_at(i)->name);
    size_t n = eai_hub_cache_open(&cache, NULL) == EAI_OK ? eai_hub_cache_count(cache) : 0;
    for (size_t i = 0; i < n; i++)
        offer(out, word, eai_hub_cache_at(cache, i)->name);
    if (n == 0)
        offer(out, word, "hf:");
    eai_hub_cache_close(cache);
}

/* The words of "a|b|c" that begin with `word`. */
static void offer_choices(const char *choices, const char *word, FILE *out)
{
    while (choices && *choices) {
        size_t length = strcspn(choices, "|");
        if (length >= strlen(word) && strncmp(choices, word, strlen(word)) == 0)
            fprintf(out, "%.*s\n", (int)length, choices);
        choices += length + (choices[length] == '|');
    }
}

/* "--name", and "-n" where only the dash is there. */
static void offer_option(const eai_option *o, const char *word, FILE *out)
{
    char *text = eai_asprintf("--%s", o->name);
    if (text)
        offer(out, word, text);
    eai_free(text);
    if (o->key && strcmp(word, "-") == 0)
        fprintf(out, "-%c\n", o->key);
}

static void offer_options(const eai_option *table, const char *word, FILE *out)
{
    const eai_option *g;
    for (const eai_option *o = table; o && o->name; o++)
        offer_option(o, word, out);
    for (size_t i = 0; (g = eai_options_general(i)) != NULL; i++) {
        if (find_option(table, g->name) == g) /* no option of the command's own has the name */
            offer_option(g, word, out);
    }
}

/* The words behind a command's name; the last one is being written. */
static void offer_arguments(const eai_command *command, const eai_project *project, int n,
                            char **words, FILE *out)
{
    const char *word = words[n - 1];
    const char *before = n > 1 ? words[n - 2] : "";
    const eai_option *option =
        strncmp(before, "--", 2) == 0 ? find_option(command->options, before + 2) : NULL;
    if (option && option->type == EAI_OPT_FLAG)
        option = NULL; /* no value follows */
    bool is_model = option ? strcmp(option->name, "model") == 0
                           : word[0] != '-' && project == &group_models && command->usage;
    if (is_model)
        offer_models(word, out);
    else if (option && option->type == EAI_OPT_ENUM)
        offer_choices(option->choices, word, out);
    else if (!option && word[0] == '-')
        offer_options(command->options, word, out);
    else if (!option && command == &command_completion)
        offer_choices(command->usage, word, out);
    /* Otherwise it is a value of some other kind, or a file. */
}

/* A project's or group's name, opening the plugins when it is not known without them. */
static const eai_project *find_project(catalog *c, const char *word, size_t length)
{
    char *name = eai_strndup(word, length);
    const eai_project *project = name ? catalog_find_project(c, name) : NULL;
    if (name && !project) {
        catalog_open_plugins(c);
        project = catalog_find_project(c, name);
    }
    eai_free(name);
    return project;
}

void complete_words(catalog *c, int n, char **words, FILE *out)
{
    if (n <= 1) {
        offer_names(c, n == 1 ? words[0] : "", out);
        return;
    }
    const eai_command *command = catalog_find_command(words[0]);
    if (command) {
        offer_arguments(command, NULL, n - 1, words + 1, out);
        return;
    }
    size_t length = strcspn(words[0], ":");
    const eai_project *project = find_project(c, words[0], length);
    if (!project)
        return;
    int skip = words[0][length] == ':' ? 1 : 2; /* the words that name the command */
    if (skip == 2 && n == 2) {
        for (const eai_command *k = project->commands; k->name; k++)
            offer(out, words[1], k->name);
        return;
    }
    command = eai_project_find_command(project, skip == 1 ? words[0] + length + 1 : words[1]);
    if (command)
        offer_arguments(command, project, n - skip, words + skip, out);
}
