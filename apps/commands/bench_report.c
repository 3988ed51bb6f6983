/* `efficientai bench report`: files of results in a form to be read. */
#include "bench.h"

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/banned.h"

#define MAX_FILES 64

#define ARG(f) offsetof(bench_report_args, f)
const eai_option bench_report_options[] = {
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = ARG(output),
     .value_name = "FILE",
     .help = ".html, .md, .csv or .json; default: standard output"},
    {.name = "format",
     .type = EAI_OPT_ENUM,
     .offset = ARG(format),
     .value_name = "NAME",
     .choices = "html|md|csv|json",
     .help = "default: what the end of FILE says, else md"},
    {0},
};

static eai_status find_format(eai_report_format *out, const bench_report_args *a, eai_error *err)
{
    char name[16];
    if (!a->format && a->output)
        return eai_report_format_of(out, a->output, err);
    snprintf(name, sizeof(name), ".%s", a->format ? a->format : "md");
    return eai_report_format_of(out, name, err);
}

eai_status bench_report_command(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const bench_report_args *a = args;
    eai_bench_results *loaded[MAX_FILES] = {NULL};
    const eai_bench_results *results[MAX_FILES];
    const char *const *files;
    eai_report_format format;
    char *text = NULL;
    int n = eai_options_operands(ctx->set, &files);

    if (n < 1 || n > MAX_FILES)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes 1 to %d files, not %d", ctx->program,
                             MAX_FILES, n);
    eai_status st = find_format(&format, a, err);
    for (int i = 0; i < n && st == EAI_OK; i++) {
        st = eai_bench_results_load(&loaded[i], files[i], err);
        results[i] = loaded[i];
    }
    if (st == EAI_OK)
        st = eai_bench_report(&text, results, (size_t)n, format, err);
    if (st == EAI_OK && a->output)
        st = eai_fs_write_atomic(a->output, text, strlen(text), err);
    else if (st == EAI_OK)
        fputs(text, ctx->out);
    eai_free(text);
    for (int i = 0; i < n; i++)
        eai_bench_results_free(loaded[i]);
    return st;
}
