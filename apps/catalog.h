/* Everything that `efficientai` can run: its own commands, groups of them ("models"), and projects.
 *
 * Own commands and built-in projects are always there; plugins are opened by catalog_open_plugins,
 * which is only called when a word is not known without them, or when everything is to be listed.
 */
#ifndef EAI_APPS_CATALOG_H
#define EAI_APPS_CATALOG_H

#include <efficientai/project.h>

/* The commands in apps/commands/, each defined in the file of its name. */
extern const eai_command command_completion;
extern const eai_command command_doctor;
extern const eai_command command_info;
extern const eai_command command_logits;
extern const eai_command command_man;
extern const eai_command command_monitor;
extern const eai_command command_new_project;
extern const eai_command command_plot;
extern const eai_command command_projects;
extern const eai_command command_test;
extern const eai_command command_tokenize;
extern const eai_project group_bench;
extern const eai_project group_config;
extern const eai_project group_files;
extern const eai_project group_logs;
extern const eai_project group_models;

/* The rows of the tables in catalog.c; both end with NULL. */
extern const eai_command *const core_commands[];
extern const eai_project *const core_groups[];

/* The options in front of a command, which efficientai.c reads itself. */
extern const eai_option program_options[];

typedef struct catalog {
    eai_registry *projects;
    const char *plugin_path; /* --plugin-path or NULL; borrowed */
    bool plugins_open;
} catalog;

EAI_CHECKED eai_status catalog_init(catalog *c, eai_error *err);
void catalog_deinit(catalog *c);

/* The program's catalog, for commands that are about projects; main() opens and closes it. */
catalog *catalog_get(void);

/* The group or project whose name the first `length` bytes of a word are; plugins are opened when
 * it is not known without them. NULL: none. */
const eai_project *catalog_find_word(const char *word, size_t length);

/* The group or project of a name, plugins included; an unknown one is EAI_ERR_NOT_FOUND with a "did
 * you mean". */
EAI_CHECKED eai_status catalog_open_project(const eai_project **out, const char *name,
                                            eai_error *err);

/* Opens the plugins of --plugin-path, $EFFICIENTAI_PLUGIN_PATH and PREFIX/lib/efficientai/plugins,
 * once. Complaints go to standard error. */
void catalog_open_plugins(catalog *c);

const eai_command *catalog_find_command(const char *name);
/* A group or a project; NULL when there is none among those known so far. */
const eai_project *catalog_find_project(const catalog *c, const char *name);

/* All names that may stand first on the command line, "project:command" included: a new array of
 * new texts, freed with catalog_free_names. NULL when memory is out. */
char **catalog_list_names(const catalog *c, size_t *n);
void catalog_free_names(char **names, size_t n);

/* Prints what may come next to `words` (all but the program's name; the last one is being written),
 * a candidate a line; nothing where a file is expected. */
void complete_words(catalog *c, int n, char **words, FILE *out);

#endif
