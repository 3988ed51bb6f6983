/* The environment variables that users may set: one table, which manual pages and reports about the
 * machine print.
 *
 * Use:
 *     const eai_variable *v;
 *     for (size_t i = 0; (v = eai_variable_at(i)) != NULL; i++)
 *         printf("%-28s %s\n", v->name, v->help);
 *
 * Options have variables too, EFFICIENTAI_RANK or EFFICIENTAI_ADAPTER__RANK (options.h); they
 * follow from the commands' tables and are not repeated here. Variables that only tests set are not
 * here either (docs/testing.md). To add one: a row in src/config/environment.def. */
#ifndef EAI_ENVIRONMENT_H
#define EAI_ENVIRONMENT_H

#include <stddef.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_variable {
    const char *name;  /* "EFFICIENTAI_CACHE" */
    const char *value; /* what it takes, as in the help of an option: "DIR", "json|text" */
    const char *group; /* heading: "Files", "Log" */
    const char *help;  /* a line, lower case, no full stop */
} eai_variable;

/* The variables, those of a group behind each other; NULL behind the last. Static. */
EAI_API const eai_variable *eai_variable_at(size_t i);

#ifdef __cplusplus
}
#endif
#endif
