/* `efficientai tokenize`: lines of standard input to token ids, a list a line. For scripts that
 * compare tokenizers, and for looking at what a model really sees. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/hub.h>
#include <efficientai/tokenizer.h>

#include "catalog.h"

#include "base/banned.h"

typedef struct tokenize_args {
    const char *model;
    bool json;
    bool plain;
} tokenize_args;

static const eai_option tokenize_options[] = {
    {.name = "model",
     .key = 'm',
     .type = EAI_OPT_PATH,
     .offset = offsetof(tokenize_args, model),
     .default_value = "smollm2-135m-instruct",
     .value_name = "NAME|FILE|DIR",
     .help = "a known model, a model file, a tokenizer.json, or a folder with one"},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(tokenize_args, json),
     .help = "print [1,2,3] instead of 1 2 3"},
    {.name = "plain",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(tokenize_args, plain),
     .help = "special tokens written in the text are ordinary text, and none are added"},
    {0},
};

static void print_ids(FILE *out, const int32_t *ids, size_t n, bool json)
{
    if (json)
        fputc('[', out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s%d", i == 0 ? "" : json ? "," : " ", (int)ids[i]);
    fputs(json ? "]\n" : "\n", out);
}

/* Each line without its line feed; a carriage return before it is part of the line. */
static eai_status tokenize_lines(const eai_tokenizer *t, const tokenize_args *a, FILE *in,
                                 FILE *out, eai_error *err)
{
    unsigned flags =
        a->plain ? EAI_TOKENIZE_PLAIN : EAI_TOKENIZE_ADD_SPECIAL | EAI_TOKENIZE_PARSE_SPECIAL;
    eai_status st = EAI_OK;
    char *line = NULL;
    size_t capacity = 0;
    size_t number = 0;
    ssize_t length;
    while (st == EAI_OK && (length = getline(&line, &capacity, in)) >= 0) {
        int32_t *ids = NULL;
        size_t n_ids = 0;
        number++;
        if (length > 0 && line[length - 1] == '\n')
            length--;
        st = eai_tokenizer_encode(&ids, &n_ids, t, line, (size_t)length, flags, err);
        if (st == EAI_OK)
            print_ids(out, ids, n_ids, a->json);
        else
            eai_error_context(err, st, "line %zu", number);
        eai_free(ids);
    }
    if (st == EAI_OK && ferror(in))
        st = eai_error_set_errno(err, "cannot read standard input");
    free(line); /* getline's own memory */
    return st;
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const tokenize_args *a = args;
    char *path = NULL;
    eai_tokenizer *t = NULL;
    eai_status st = eai_hub_resolve(&path, a->model, err);
    if (st == EAI_OK)
        st = eai_tokenizer_load(&t, path, err);
    if (st == EAI_OK)
        st = tokenize_lines(t, a, stdin, ctx->out, err);
    eai_tokenizer_free(t);
    eai_free(path);
    return st;
}

const eai_command command_tokenize = {
    .name = "tokenize",
    .summary = "turn lines of standard input into token ids",
    .options = tokenize_options,
    .args_bytes = sizeof(tokenize_args),
    .run = run,
};
