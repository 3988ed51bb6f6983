/* `efficientai bench gemm | train | generate | ops | run | compare | report`: how fast this machine
 * is, and what the commands that measure our own work share. Start at the table of commands, at the
 * end. */
#include "bench.h"

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/hardware.h>
#include <efficientai/hub.h>
#include <efficientai/terminal.h>

#include "catalog.h"
#include "json_output.h"

#include "base/banned.h"

eai_status bench_open_backend(eai_backend **out, const bench_args *args, const char *isa,
                              eai_error *err)
{
    eai_backend_opts opts = EAI_BACKEND_OPTS_INIT;
    opts.n_threads = (int)args->threads;
    opts.isa = isa ? isa : args->isa;
    *out = NULL;
    if (!eai_precision_from_name(&opts.precision, args->dtype))
        return eai_error_set(err, EAI_ERR_USAGE, "--dtype %s: auto, f32, bf16 or int8",
                             args->dtype);
    return eai_backend_open(out, args->backend, &opts, err);
}

bool bench_next_word(char *word, size_t size, const char **at)
{
    size_t n = strcspn(*at, ",");
    if (**at == '\0')
        return false;
    snprintf(word, size, "%.*s", (int)n, *at);
    *at += n + ((*at)[n] == ',');
    return true;
}

/* ---- Reports
 * ------------------------------------------------------------------------------------- */

json_t *bench_report(const char *name, const eai_backend *b, double peak)
{
    json_t *report = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "bench", name, "version", EAI_VERSION, "cpu",
        eai_hardware_get()->cpu, "backend", eai_backend_describe(b), "isa", eai_backend_isa(b),
        "dtype", eai_precision_name(eai_backend_precision(b)), "threads", eai_backend_threads(b));
    if (peak > 0)
        json_object_set_new(report, "peak_gflops", json_real(peak / 1e9));
    json_object_set_new(report, "rows", json_array());
    return report;
}

void bench_add_row(json_t *report, json_t *row)
{
    json_array_append_new(json_object_get(report, "rows"), row);
}

#define MAX_COLUMNS 16

/* "title=key:FORMAT" */
typedef struct column {
    char title[32], key[32];
    char format;
} column;

static size_t parse_columns(column *columns, const char *text)
{
    size_t n = 0;
    while (*text && n < MAX_COLUMNS) {
        column *c = &columns[n++];
        size_t title = strcspn(text, "=");
        size_t key = strcspn(text + title + 1, ":");
        snprintf(c->title, sizeof(c->title), "%.*s", (int)title, text);
        snprintf(c->key, sizeof(c->key), "%.*s", (int)key, text + title + 1);
        text += title + 1 + key + 1;
        c->format = *text++;
        text += *text == '|';
    }
    return n;
}

static void print_cell(char *cell, size_t size, const json_t *row, const column *c)
{
    const json_t *value = json_object_get(row, c->key);
    cell[0] = '\0';
    if (c->format == 's')
        snprintf(cell, size, "%s", value ? json_string_value(value) : "");
    else if (json_is_number(value))
        snprintf(cell, size, "%.*f", c->format - '0', json_number_value(value));
    else
        snprintf(cell, size, "-");
}

static eai_status print_table(const json_t *report, const char *text, FILE *out, eai_error *err)
{
    column columns[MAX_COLUMNS];
    char titles[MAX_COLUMNS * 34] = "";
    size_t used = 0;
    size_t n = parse_columns(columns, text);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(titles + used, sizeof(titles) - used, "%s%s%s", i ? "|" : "",
                                 columns[i].title, columns[i].format == 's' ? "" : ">");
    eai_table *table = eai_table_create(n, titles);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(report, "rows"), i, row)
    {
        char text_of[MAX_COLUMNS][128];
        const char *cells[MAX_COLUMNS];
        for (size_t j = 0; j < n; j++) {
            print_cell(text_of[j], sizeof(text_of[j]), row, &columns[j]);
            cells[j] = text_of[j];
        }
        eai_table_row(table, cells);
    }
    eai_status st = eai_table_print(table, out, err);
    eai_table_free(table);
    return st;
}

static void print_head(const json_t *report, FILE *out)
{
    double peak = json_number_value(json_object_get(report, "peak_gflops"));
    double read = json_number_value(json_object_get(report, "read_gb_per_s"));
    fprintf(out, "%s", json_string_value(json_object_get(report, "backend")));
    if (peak > 0)
        fprintf(out, "; the instruction alone: %.1f GFLOP/s", peak);
    if (read > 0)
        fprintf(out, "; memory is read at %.1f GB/s", read);
    fprintf(out, "\n\n");
}

/* Adds what the results' file has and the report has not. */
static eai_status merge_results(json_t *report, eai_bench_results *results, eai_error *err)
{
    char *text = NULL;
    EAI_TRY(eai_bench_results_describe_end(results, err));
    EAI_TRY(eai_bench_results_to_json(&text, results, err));
    json_t *more = json_loads(text, 0, NULL);
    bool merged = more && json_object_update_missing(report, more) == 0;
    json_decref(more);
    eai_free(text);
    return merged ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
}

static eai_status print_report(json_t *report, eai_bench_results *results, const bench_args *args,
                               const char *columns, FILE *out, eai_error *err)
{
    if (!args->json) {
        print_head(report, out);
        return print_table(report, columns, out, err);
    }
    EAI_TRY(merge_results(report, results, err));
    return json_output(json_incref(report), out, err);
}

eai_status bench_end(eai_status st, json_t *report, eai_bench_results *results,
                     const bench_args *args, const char *columns, const eai_command_context *ctx,
                     eai_error *err)
{
    if (st == EAI_OK && !report)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
    if (st == EAI_OK)
        st = print_report(report, results, args, columns, ctx->out, err);
    json_decref(report);
    eai_bench_results_free(results);
    return st;
}

/* ---- Models
 * ------------------------------------------------------------------------------------- */

#define RANDOM "random:"

/* "SIZE" or "SIZE:TYPE". */
static eai_status open_random(bench_model *m, const char *text, eai_error *err)
{
    char size[16];
    const char *colon = strchr(text, ':');
    eai_dtype dtype = EAI_BF16;
    if (colon && !eai_dtype_from_name(&dtype, colon + 1))
        return eai_error_set(err, EAI_ERR_USAGE, "random:%s: no type is called '%s'", text,
                             colon + 1);
    snprintf(size, sizeof(size), "%.*s", (int)strcspn(text, ":"), text);
    return eai_bench_random_model(&m->model, &m->weights, size, dtype, err);
}

static eai_status open_file(bench_model *m, const char *name, eai_error *err)
{
    char *path = NULL;
    EAI_TRY(eai_hub_resolve(&path, name, err));
    eai_status st = eai_weights_open(&m->weights, path, err);
    if (st == EAI_OK)
        st = eai_model_load(&m->model, m->weights, err);
    eai_free(path);
    return st;
}

static void close_model(bench_model *m)
{
    eai_model_free(m->model);
    eai_weights_close(m->weights);
    *m = (bench_model){0};
}

static eai_status open_model(bench_model *out, const char *name, eai_error *err)
{
    double start = eai_clock_seconds();
    bool random = strncmp(name, RANDOM, strlen(RANDOM)) == 0;
    *out = (bench_model){.name = name};
    eai_status st =
        random ? open_random(out, name + strlen(RANDOM), err) : open_file(out, name, err);
    out->open_seconds = eai_clock_seconds() - start;
    if (st != EAI_OK)
        close_model(out);
    return st;
}

static eai_status open_models(bench_session *s, const eai_command_context *ctx, eai_error *err)
{
    const char *const *operands;
    const char *defaults[] = {eai_hub_at(0)->name};
    int n_operands = eai_options_operands(ctx->set, &operands);
    if (n_operands == 0) {
        operands = defaults;
        n_operands = 1;
    }
    s->models = eai_alloc_zeroed((size_t)n_operands, sizeof(*s->models));
    if (!s->models)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %d models", n_operands);
    for (int i = 0; i < n_operands; i++) {
        EAI_TRY(open_model(&s->models[i], operands[i], err));
        s->n++;
    }
    return EAI_OK;
}

eai_status bench_session_open(bench_session *s, const char *name, const bench_args *args,
                              const eai_command_context *ctx, eai_error *err)
{
    *s = (bench_session){0};
    EAI_TRY(bench_open_backend(&s->backend, args, NULL, err));
    EAI_TRY(open_models(s, ctx, err));
    s->report = bench_report(name, s->backend, eai_backend_measure_peak(s->backend));
    return bench_results(&s->results, name, 0, err);
}

eai_status bench_session_end(bench_session *s, eai_status st, const bench_args *args,
                             const char *columns, const eai_command_context *ctx, eai_error *err)
{
    st = bench_end(st, s->report, s->results, args, columns, ctx, err);
    for (size_t i = 0; i < s->n; i++)
        close_model(&s->models[i]);
    eai_free(s->models);
    eai_backend_close(s->backend);
    return st;
}

/* ---- The commands
 * -------------------------------------------------------------------------------- */

static const eai_command commands[] = {
    {"gemm", "products, each storage type and instruction set", bench_gemm_options,
     sizeof(bench_gemm_args), bench_gemm, NULL,
     "GFLOP/s are of medians. A shape MxKxN is x [M, K] times weights [N, K] (nk, a linear layer) "
     "or [K, N]\n(kn, its gradient). What is compared takes turns."},
    {"train", "steps of LoRA training, on random tokens", bench_train_options,
     sizeof(bench_train_args), bench_train, BENCH_MODEL_USAGE, BENCH_MODEL_HELP},
    {"generate", "prompts and the tokens after them", bench_generate_options,
     sizeof(bench_generate_args), bench_generate, BENCH_MODEL_USAGE, BENCH_MODEL_HELP},
    {"ops", "where the time of a training step and of generation goes", bench_ops_options,
     sizeof(bench_ops_args), bench_ops, BENCH_MODEL_USAGE, BENCH_MODEL_HELP},
    {"run", "other programs, until their times are known well enough", bench_run_options,
     sizeof(bench_run_args), bench_run, "COMMAND... | -- PROGRAM [WORD...]",
     "Each COMMAND is one word, as 'sort big.txt'; behind -- all words are one command. Without "
     "--shell no shell\nis started: blanks and quotes split a COMMAND, nothing else is special. "
     "Several take turns, and all go on\nuntil each is known well enough. Exit status 130 after "
     "Ctrl-C, with what was measured by then."},
    {"compare", "two files of results: what became slower or larger", bench_compare_options,
     sizeof(bench_compare_args), bench_compare, "BEFORE.json AFTER.json",
     "A case differs when the Mann-Whitney test, corrected for the number of cases, says so. A "
     "gate "
     "fails, with exit\nstatus 1, when a case differs and the whole interval of its ratio lies "
     "above "
     "it, or when a case is missing."},
    {"report", "files of results as a page, a table or rows", bench_report_options,
     sizeof(bench_report_args), bench_report_command, "FILE.json...", NULL},
    {0},
};

const eai_project group_bench = {
    .abi = EAI_PROJECT_ABI,
    .size = sizeof(eai_project),
    .name = "bench",
    .version = EAI_VERSION,
    .summary = "how fast this machine is",
    .commands = commands,
};
