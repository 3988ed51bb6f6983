/* Manual pages, made of the tables that the commands are made of.
 *
 * Use:
 *     eai_manual_style style = {.program = "efficientai", .version = EAI_VERSION};
 *     char *page = eai_manual_of_command(&style, project, command);
 *     char *name = eai_manual_name(&style, project, command); // "efficientai-models-get"
 *     ... write NAME.1 ...
 *     eai_free(page);
 *     eai_free(name);
 *
 * A page is roff with the macros of man(7), which man-db, groff and mandoc read. It is the same
 * bytes for the same tables and the same date. Everything returned is new memory (eai_free), NULL
 * when memory ran out.
 *
 * Thread-safety: all functions may be called from any thread. */
#ifndef EAI_MANUAL_H
#define EAI_MANUAL_H

#include <efficientai/project.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What all pages of a program have in common. */
typedef struct eai_manual_style {
    const char *program; /* "efficientai" */
    const char *version;
    const char *date; /* "2024-05-01", or NULL: none */
} eai_manual_style;

/* What a program's own page lists. Each list ends with NULL. */
typedef struct eai_manual_contents {
    const char *summary;       /* one line, lower case, no full stop */
    const char *description;   /* paragraphs */
    const eai_option *options; /* those in front of a command */
    const eai_command *const *commands;
    const eai_project *const *groups;   /* "models get" */
    const eai_project *const *projects; /* "lora-finetuning-mlx:train" */
} eai_manual_contents;

/* "efficientai-models-get", as git names its pages; `project` is the command's group or project, or
 * NULL. Without a command: "efficientai". */
EAI_API char *eai_manual_name(const eai_manual_style *style, const eai_project *project,
                              const eai_command *command);

/* The page of one command; `separator` (' ' or ':') stands between the project's name and its. */
EAI_API char *eai_manual_of_command(const eai_manual_style *style, const eai_project *project,
                                    char separator, const eai_command *command);

/* The program's own page: what it runs, its environment variables (environment.h) and its files. */
EAI_API char *eai_manual_of_program(const eai_manual_style *style,
                                    const eai_manual_contents *contents);

#ifdef __cplusplus
}
#endif
#endif
