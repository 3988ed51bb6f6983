/* Fuzz target: the file of --config (as JSON; fuzz_document has the other formats), over a table
 * with an option of every kind, with sections, profiles and another command's options. It comes
 * through a pipe, as that of a shell's <(...) does. Values that are accepted are within the table's
 * limits. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/options.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SIZE 8192 /* any pipe takes as much without a reader */

typedef struct fuzz_args {
    bool flag;
    int64_t count;
    double rate;
    const char *text, *kind, *path;
} fuzz_args;

#define ARG(f) offsetof(fuzz_args, f)
static const eai_option table[] = {
    {.name = "flag", .type = EAI_OPT_FLAG, .offset = ARG(flag), .help = "a flag"},
    {.name = "count",
     .type = EAI_OPT_INT,
     .offset = ARG(count),
     .default_value = "8",
     .min = 1,
     .max = 256,
     .help = "a count"},
    {.name = "learning-rate",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(rate),
     .default_value = "0.5",
     .min = 0,
     .max = 1,
     .group = "Training",
     .help = "a rate"},
    {.name = "text", .type = EAI_OPT_STRING, .offset = ARG(text), .help = "any text"},
    {.name = "kind",
     .type = EAI_OPT_ENUM,
     .offset = ARG(kind),
     .default_value = "one",
     .choices = "one|two",
     .help = "a word"},
    {.name = "path", .type = EAI_OPT_PATH, .offset = ARG(path), .help = "a file"},
    {0}};

static const eai_option other[] = {
    {.name = "count", .type = EAI_OPT_INT, .help = "a count"},
    {.name = "size", .type = EAI_OPT_INT, .group = "Training", .help = "a size"},
    {0}};
static const eai_options_command commands[] = {{"train", table}, {"eval", other}, {NULL, NULL}};
static const eai_options_scope scope = {.project = "p", .command = "train", .commands = commands};

/* What was parsed is within the limits, and written out it is a config file again. */
static void check_accepted(const fuzz_args *a)
{
    if (a->count < 1 || a->count > 256 || !(a->rate >= 0 && a->rate <= 1) ||
        (strcmp(a->kind, "one") != 0 && strcmp(a->kind, "two") != 0))
        abort();
    for (int format = EAI_DOCUMENT_JSON; format <= EAI_DOCUMENT_TOML; format++) {
        char *text = eai_options_to_text(table, a, NULL, (eai_document_format)format);
        if (!text || strlen(text) < 20)
            abort();
        eai_free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    fuzz_args args;
    char word[32] = "--config";
    char path[32];
    char *words[] = {word, path, NULL};
    int ends[2];

    if (size > MAX_SIZE)
        return -1;
    if (pipe(ends) != 0 || write(ends[1], data, size) != (ssize_t)size || close(ends[1]) != 0)
        abort();
    snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
    eai_status st = eai_options_parse(&set, &args, table, &scope, 2, words, &err);
    if (st == EAI_OK)
        check_accepted(&args);
    else if (set || err.code != st || strncmp(err.message, "config", 6) != 0)
        abort();
    eai_option_set_free(set);
    close(ends[0]);
    return 0;
}
