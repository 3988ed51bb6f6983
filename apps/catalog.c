/* The tables of the command's own commands, and where projects come from.
 *
 * To add a command of the program itself: a file in apps/commands/, a line in catalog.h, a row
 * here. Anything that belongs to a project goes into projects/NAME instead. Start at core_commands.
 */
#include "catalog.h"

#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log.h>

#include "places.h"

#include "base/banned.h"

const eai_command *const core_commands[] = {
    &command_info,   &command_doctor,     &command_projects, &command_new_project,
    &command_test,   &command_plot,       &command_monitor,  &command_tokenize,
    &command_logits, &command_completion, &command_man,      NULL,
};

const eai_project *const core_groups[] = {
    &group_models, &group_bench, &group_config, &group_files, &group_logs, NULL,
};

const eai_option program_options[] = {
    {"plugin-path", 0, EAI_OPT_PATH, 0, NULL, "DIR", "look for plugins in this folder too"},
    {"log-level", 0, EAI_OPT_ENUM, 0, "warn", "LEVEL", "how much to log on standard error",
     .choices = "error|warn|info|debug|trace"},
    {"verbose", 'v', EAI_OPT_FLAG, 0, NULL, NULL, "log what is done, as --log-level info does"},
    {"log-file", 0, EAI_OPT_PATH, 0, NULL, "FILE",
     "append all records to this file; auto: where 'efficientai logs' looks"},
    {"color", 0, EAI_OPT_ENUM, 0, "auto", "WHEN",
     "colours; auto: on a terminal, unless NO_COLOR is set", .choices = "auto|always|never"},
    {"help", 'h', EAI_OPT_FLAG, 0, NULL, NULL, "list the commands"},
    {"version", 0, EAI_OPT_FLAG, 0, NULL, NULL, "print the version"},
    {0},
};

/* Written by CMake from the list of projects: build/apps/builtin.c. */
extern const eai_project *const eai_builtin_projects[];
extern const size_t eai_n_builtin_projects;

eai_status catalog_init(catalog *c, eai_error *err)
{
    *c = (catalog){0};
    return eai_registry_create(&c->projects, eai_builtin_projects, eai_n_builtin_projects, err);
}

void catalog_deinit(catalog *c)
{
    eai_registry_free(c->projects);
    *c = (catalog){0};
}

catalog *catalog_get(void)
{
    static catalog the_one;

    return &the_one;
}

const eai_command *catalog_find_command(const char *name)
{
    for (size_t i = 0; core_commands[i]; i++) {
        if (strcmp(core_commands[i]->name, name) == 0)
            return core_commands[i];
    }
    return NULL;
}

const eai_project *catalog_find_project(const catalog *c, const char *name)
{
    for (size_t i = 0; core_groups[i]; i++) {
        if (strcmp(core_groups[i]->name, name) == 0)
            return core_groups[i];
    }
    return eai_registry_find(c->projects, name);
}

/* ---- Plugins --------------------------------------------------------------------------------- */

/* PREFIX/lib/efficientai/plugins for PREFIX/bin/efficientai, when that folder is there. New memory.
 */
static char *installed_plugins(void)
{
    char *prefix = places_prefix();
    char *folder = prefix ? eai_path_join(prefix, "lib/efficientai/plugins") : NULL;

    eai_free(prefix);
    if (folder && !eai_fs_is_folder(folder)) {
        eai_free(folder);
        folder = NULL;
    }
    return folder;
}

static void log_refused(void *ud, const char *message)
{
    (void)ud;
    EAI_LOG(WARN, "plugins", "%s", message);
}

void catalog_open_plugins(catalog *c)
{
    if (c->plugins_open)
        return;
    c->plugins_open = true;
    char *installed = installed_plugins();
    eai_registry_add_plugins(c->projects, c->plugin_path, log_refused, NULL);
    eai_registry_add_plugins(c->projects, getenv("EFFICIENTAI_PLUGIN_PATH"), log_refused, NULL);
    eai_registry_add_plugins(c->projects, installed, log_refused, NULL);
    eai_free(installed);
}

const eai_project *catalog_find_word(const char *word, size_t length)
{
    catalog *c = catalog_get();
    char *name = eai_strndup(word, length);
    const eai_project *project = name ? catalog_find_project(c, name) : NULL;

    if (name && !project) {
        catalog_open_plugins(c);
        project = catalog_find_project(c, name);
    }
    eai_free(name);
    return project;
}

eai_status catalog_open_project(const eai_project **out, const char *name, eai_error *err)
{
    catalog *c = catalog_get();
    const char *near = NULL;

    *out = catalog_find_word(name, strlen(name));
    if (*out)
        return EAI_OK;
    for (size_t i = 0; !near && i < eai_registry_count(c->projects); i++)
        near = eai_did_you_mean(name, &eai_registry_at(c->projects, i)->name, 1);
    return eai_error_set(err, EAI_ERR_NOT_FOUND, "no project '%s'%s%s%s", name,
                         near ? "; did you mean '" : "; 'efficientai projects' lists them",
                         near ? near : "", near ? "'?" : "");
}

/* ---- Names ----------------------------------------------------------------------------------- */

void catalog_free_names(char **names, size_t n)
{
    for (size_t i = 0; names && i < n; i++)
        eai_free(names[i]);
    eai_free((void *)names);
}

static size_t count_project_names(const eai_project *p)
{
    size_t n = 1;
    for (const eai_command *k = p->commands; k->name; k++)
        n++;
    return n;
}

/* The project's name, then "name:command" each; returns how many. */
static size_t add_project_names(char **names, const eai_project *p)
{
    size_t n = 0;
    names[n++] = eai_strdup(p->name);
    for (const eai_command *k = p->commands; k->name; k++)
        names[n++] = eai_asprintf("%s:%s", p->name, k->name);
    return n;
}

char **catalog_list_names(const catalog *c, size_t *n)
{
    size_t capacity = 1;
    size_t n_projects = eai_registry_count(c->projects);
    for (size_t i = 0; core_commands[i]; i++)
        capacity++;
    for (size_t i = 0; core_groups[i]; i++)
        capacity += count_project_names(core_groups[i]);
    for (size_t i = 0; i < n_projects; i++)
        capacity += count_project_names(eai_registry_at(c->projects, i));

    *n = 0;
    char **names = eai_alloc_zeroed(capacity, sizeof(*names));
    if (!names)
        return NULL;
    for (size_t i = 0; core_commands[i]; i++)
        names[(*n)++] = eai_strdup(core_commands[i]->name);
    for (size_t i = 0; core_groups[i]; i++)
        *n += add_project_names(names + *n, core_groups[i]);
    for (size_t i = 0; i < n_projects; i++)
        *n += add_project_names(names + *n, eai_registry_at(c->projects, i));
    for (size_t i = 0; i < *n; i++) {
        if (!names[i]) {
            catalog_free_names(names, *n);
            *n = 0;
            return NULL;
        }
    }
    return names;
}
