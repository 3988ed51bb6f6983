/* `efficientai test [PROJECT]`: the tests of the build that this program belongs to, by ctest,
 * which this program becomes. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hardware.h>

#include "catalog.h"
#include "places.h"

#include "base/banned.h"

typedef struct test_args {
    const char *build, *label, *junit;
    int64_t jobs;
    bool all;
} test_args;

#define ARG(f) offsetof(test_args, f)
static const eai_option test_options[] = {
    {.name = "all",
     .key = 'a',
     .type = EAI_OPT_FLAG,
     .offset = ARG(all),
     .help = "every test, not those of one project"},
    {.name = "label",
     .key = 'l',
     .type = EAI_OPT_STRING,
     .offset = ARG(label),
     .value_name = "REGEX",
     .help = "only tests with such a label, such as unit, cli or ops"},
    {.name = "jobs",
     .key = 'j',
     .type = EAI_OPT_INT,
     .offset = ARG(jobs),
     .default_value = "0",
     .value_name = "N",
     .help = "at once, 0: one a core",
     .min = 0,
     .max = 1024},
    {.name = "build",
     .type = EAI_OPT_PATH,
     .offset = ARG(build),
     .value_name = "DIR",
     .help = "another build folder"},
    {.name = "junit",
     .type = EAI_OPT_PATH,
     .offset = ARG(junit),
     .value_name = "FILE",
     .help = "also write the results as JUnit's XML"},
    {0},
};

enum { MAX_WORDS = 24 };

typedef struct words {
    const char *word[MAX_WORDS];
    int n;
} words;

static void add(words *w, const char *word)
{
    if (w->n + 1 < MAX_WORDS)
        w->word[w->n++] = word;
}

/* Becomes ctest; returns only when that fails. */
static eai_status become(const words *w, eai_error *err)
{
    char *argv[MAX_WORDS] = {NULL};

    fflush(NULL);
    for (int i = 0; i < w->n; i++)
        memcpy(&argv[i], &w->word[i], sizeof(argv[i])); /* exec does not write to them */
    execvp(argv[0], argv);
    return eai_error_set_errno(err, "cannot run '%s' (of CMake)", argv[0]);
}

/* ctest would take a relative path from the build folder. New memory. */
static char *absolute(const char *path)
{
    char here[4096];

    return path[0] == '/' || !getcwd(here, sizeof(here)) ? eai_strdup(path)
                                                         : eai_path_join(here, path);
}

static eai_status start(const test_args *a, const char *build, const char *project,
                        const eai_command_context *ctx, eai_error *err)
{
    char jobs[24];
    char *junit = a->junit ? absolute(a->junit) : NULL;
    char *label = project ? eai_asprintf("^%s$", project) : NULL;
    words w = {{"ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error"}, 5};

    if ((project && !label) || (a->junit && !junit))
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the words");
    snprintf(jobs, sizeof(jobs), "%d", a->jobs ? (int)a->jobs : eai_hardware_get()->cores);
    add(&w, "--parallel");
    add(&w, jobs);
    if (ctx->quiet)
        add(&w, "--quiet");
    if (label) {
        add(&w, "--label-regex");
        add(&w, label);
    }
    if (a->label) {
        add(&w, "--label-regex");
        add(&w, a->label);
    }
    if (junit) {
        add(&w, "--output-junit");
        add(&w, junit);
    }
    eai_status st = become(&w, err);
    eai_free(label);
    eai_free(junit);
    return st;
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const test_args *a = args;
    const char *const *operands;
    const eai_project *p = NULL;
    int n = eai_options_operands(ctx->set, &operands);

    if (n > 1 || (n == 1) == a->all)
        return eai_error_set(err, EAI_ERR_USAGE,
                             "%s takes the name of one project, or --all; 'efficientai projects' "
                             "lists them",
                             ctx->program);
    if (n == 1)
        EAI_TRY(catalog_open_project(&p, operands[0], err));
    char *build = a->build ? eai_strdup(a->build) : places_build();
    eai_status st =
        build ? start(a, build, p ? p->name : NULL, ctx, err)
              : eai_error_set(
                    err, EAI_ERR_NOT_FOUND,
                    "this program is installed, not in a build folder; --build DIR names one");
    eai_free(build);
    return st;
}

const eai_command command_test = {
    .name = "test",
    .summary = "run the tests of a project, or all",
    .options = test_options,
    .args_bytes = sizeof(test_args),
    .run = run,
    .usage = "PROJECT | --all",
    .help =
        "Runs ctest in the build folder; exit status 0 when all have passed. `make test` builds "
        "first and fetches the default model for the tests that need it.",
};
