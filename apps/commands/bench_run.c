/* `efficientai bench run`: other programs, by include/efficientai/measure.h. Start at bench_run. */
#include "bench.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hardware.h>
#include <efficientai/measure.h>
#include <efficientai/progress.h>
#include <efficientai/terminal.h>

#include "base/banned.h"

#define ARG(f) offsetof(bench_run_args, f)
const eai_option bench_run_options[] = {
    {.name = "precision",
     .key = 'p',
     .type = EAI_OPT_FLOAT,
     .offset = ARG(precision),
     .default_value = "1",
     .value_name = "PERCENT",
     .help = "run until the median is known to +- this share; 0: as often as allowed",
     .min = 0,
     .max = 100},
    {.name = "min-runs",
     .type = EAI_OPT_INT,
     .offset = ARG(least_runs),
     .default_value = "10",
     .value_name = "N",
     .help = "at least so many runs",
     .min = 1,
     .max = 1000000},
    {.name = "max-runs",
     .type = EAI_OPT_INT,
     .offset = ARG(most_runs),
     .default_value = "1000",
     .value_name = "N",
     .help = "at most so many runs",
     .min = 1,
     .max = 1000000},
    {.name = "max-seconds",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(seconds),
     .default_value = "20",
     .value_name = "S",
     .help = "no further runs of a command after this time, once the least are made; 0: no limit",
     .min = 0,
     .max = 1e6},
    {.name = "runs",
     .key = 'r',
     .type = EAI_OPT_INT,
     .offset = ARG(runs),
     .default_value = "0",
     .value_name = "N",
     .help = "exactly so many runs; 0: as the options above say",
     .min = 0,
     .max = 1000000},
    {.name = "warmup",
     .key = 'w',
     .type = EAI_OPT_INT,
     .offset = ARG(warm_up),
     .default_value = "1",
     .value_name = "N",
     .help = "runs before them that do not count",
     .min = 0,
     .max = 100000},
    {.name = "one-by-one",
     .type = EAI_OPT_FLAG,
     .offset = ARG(one_by_one),
     .help = "a command after the other, no turns"},
    {.name = "name",
     .key = 'n',
     .type = EAI_OPT_STRING,
     .offset = ARG(names),
     .value_name = "NAME,...",
     .help = "names for the commands, in their order"},
    {.name = "shell",
     .type = EAI_OPT_FLAG,
     .offset = ARG(shell),
     .help = "let sh -c run the commands; its own time is in theirs",
     .group = "Programs"},
    {.name = "setup",
     .type = EAI_OPT_STRING,
     .offset = ARG(setup),
     .value_name = "COMMAND",
     .help = "for sh -c, once before everything",
     .group = "Programs"},
    {.name = "prepare",
     .type = EAI_OPT_STRING,
     .offset = ARG(prepare),
     .value_name = "COMMAND",
     .help = "for sh -c, before each run; not timed",
     .group = "Programs"},
    {.name = "conclude",
     .type = EAI_OPT_STRING,
     .offset = ARG(conclude),
     .value_name = "COMMAND",
     .help = "for sh -c, after each run; not timed",
     .group = "Programs"},
    {.name = "cleanup",
     .type = EAI_OPT_STRING,
     .offset = ARG(cleanup),
     .value_name = "COMMAND",
     .help = "for sh -c, once after everything",
     .group = "Programs"},
    {.name = "timeout",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(timeout),
     .default_value = "0",
     .value_name = "S",
     .help = "end a run that takes longer, and fail; 0: wait",
     .min = 0,
     .max = 1e6,
     .group = "Programs"},
    {.name = "ignore-failure",
     .type = EAI_OPT_FLAG,
     .offset = ARG(ignore_failure),
     .help = "measure runs with an exit status other than 0 too",
     .group = "Programs"},
    {.name = "program-output",
     .type = EAI_OPT_PATH,
     .offset = ARG(program_output),
     .value_name = "FILE",
     .help = "where the programs' output goes, -: here; default: nowhere",
     .group = "Programs"},
    {.name = "output",
     .key = 'o',
     .type = EAI_OPT_PATH,
     .offset = ARG(output),
     .value_name = "FILE",
     .help = "also write the results: .json, .csv, .md or .html",
     .group = "Results"},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object on one line instead of the table",
     .group = "Results"},
    {.name = "seed",
     .type = EAI_OPT_INT,
     .offset = ARG(seed),
     .default_value = "1",
     .value_name = "N",
     .help = "of the bootstrap that decides when to stop",
     .min = 0,
     .max = 4294967295.0,
     .group = "Results"},
    {0},
};

/* ---- Ctrl-C ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t is_stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    is_stopped = 1;
}

static bool should_stop(void *ud)
{
    (void)ud;
    return is_stopped;
}

static void watch_signals(void)
{
    struct sigaction a = {.sa_handler = stop};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* One command to measure. */
typedef struct subject {
    eai_program program;
    char **words; /* owned */
    char *text;   /* owned: the command in one line */
    char *name;   /* owned */
    const bench_run_args *args;
} subject;

typedef struct job {
    const bench_run_args *args;
    subject *subjects;
    eai_measure_case *cases;
    size_t n;
    eai_bench_results *results;
    eai_progress *progress;
} job;

static eai_status no_memory(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the commands");
}

/* sh -c COMMAND; nothing is timed. `stop_it` may end it; NULL: nothing does. */
static eai_status run_shell(const char *command, const char *option, const bench_run_args *args,
                            bool (*stop_it)(void *ud), eai_error *err)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    eai_sample unused;
    eai_program p = {
        .argv = argv,
        .output = args->program_output && strcmp(args->program_output, "-") == 0 ? "-" : NULL,
        .is_cancelled = stop_it};
    if (!command)
        return EAI_OK;
    eai_status st = eai_program_measure(&unused, &p, err);
    return st == EAI_OK ? st : eai_error_context(err, st, "--%s '%s'", option, command);
}

static eai_status prepare(void *ud, eai_error *err)
{
    const subject *s = ud;
    return run_shell(s->args->prepare, "prepare", s->args, should_stop, err);
}

static eai_status conclude(void *ud, eai_error *err)
{
    const subject *s = ud;
    return run_shell(s->args->conclude, "conclude", s->args, should_stop, err);
}

static eai_status measure(eai_sample *out, void *ud, eai_error *err)
{
    subject *s = ud;
    eai_status st = eai_program_measure(out, &s->program, err);
    if (st == EAI_ERR_ARGUMENT)
        return eai_error_context(
            err, st, "%s (--ignore-failure goes on, --program-output - shows why)", s->name);
    return st;
}

/* Words behind "--" as one line that a shell would read as the same words, but for a ' in them. */
static char *join_words(const char *const *words, size_t n)
{
    static const char plain_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-+=./,:@%";
    char *line = eai_strdup("");
    for (size_t i = 0; i < n && line; i++) {
        bool plain = *words[i] && words[i][strspn(words[i], plain_letters)] == '\0';
        char *longer = eai_asprintf("%s%s%s%s%s", line, i ? " " : "", plain ? "" : "'", words[i],
                                    plain ? "" : "'");
        eai_free(line);
        line = longer;
    }
    return line;
}

/* The n words are one command. */
static eai_status take_literal(subject *s, const char *const *words, size_t n, eai_error *err)
{
    s->words = eai_alloc_zeroed(n + 1, sizeof(*s->words));
    s->text = join_words(words, n);
    if (!s->words || !s->text)
        return no_memory(err);
    memcpy((void *)s->words, (const void *)words, n * sizeof(*words));
    return EAI_OK;
}

static eai_status take_command(subject *s, const char *text, eai_error *err)
{
    const char *const shell[] = {"sh", "-c", text};
    if (s->args->shell) {
        EAI_TRY(take_literal(s, shell, 3, err));
        eai_free(s->text);
        s->text = NULL;
    } else {
        EAI_TRY(eai_program_split(&s->words, text, err));
    }
    s->text = eai_strdup(text);
    return s->text ? EAI_OK : no_memory(err);
}

/* A name of its own: from --name, else the command; the second of a name gets a number. */
static eai_status take_name(job *j, size_t i, const char **names, eai_error *err)
{
    char word[128] = "";
    bool given = *names && bench_next_word(word, sizeof(word), names);
    subject *s = &j->subjects[i];
    int number = 1;
    s->name = eai_strdup(given && *word ? word : s->text);
    for (size_t k = 0; k < i && s->name; k++) {
        if (strcmp(j->subjects[k].name, s->name) != 0)
            continue;
        eai_free(s->name);
        s->name = eai_asprintf("%s #%d", given && *word ? word : s->text, ++number);
        k = (size_t)-1; /* from the start again */
    }
    return s->name ? EAI_OK : no_memory(err);
}

static eai_status take_subjects(job *j, const eai_command_context *ctx, eai_error *err)
{
    const char *const *operands;
    const char *names = j->args->names;
    size_t n = (size_t)eai_options_operands(ctx->set, &operands);
    size_t n_literal = (size_t)eai_options_literal_operands(ctx->set);
    size_t n_commands = n - n_literal;
    if (n == 0)
        return eai_error_set(err, EAI_ERR_USAGE, "no command to run; '%s --help' shows how",
                             ctx->program);
    j->subjects = eai_alloc_zeroed(n_commands + 1, sizeof(*j->subjects));
    j->cases = eai_alloc_zeroed(n_commands + 1, sizeof(*j->cases));
    if (!j->subjects || !j->cases)
        return no_memory(err);
    while (j->n < n_commands + (n_literal > 0)) {
        subject *s = &j->subjects[j->n];
        s->args = j->args;
        if (j->n < n_commands)
            EAI_TRY(take_command(s, operands[j->n++], err));
        else
            EAI_TRY(take_literal(&j->subjects[j->n++], operands + n_commands, n_literal, err));
        EAI_TRY(take_name(j, j->n - 1, &names, err));
        s->program = (eai_program){.argv = (const char *const *)s->words,
                                   .output = j->args->program_output,
                                   .timeout = j->args->timeout,
                                   .ignore_failure = j->args->ignore_failure,
                                   .is_cancelled = should_stop};
        j->cases[j->n - 1] = (eai_measure_case){.name = s->name,
                                                .command = s->text,
                                                .prepare = prepare,
                                                .measure = measure,
                                                .conclude = conclude,
                                                .ud = s};
    }
    return EAI_OK;
}

static void free_job(job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        eai_free((void *)j->subjects[i].words);
        eai_free(j->subjects[i].text);
        eai_free(j->subjects[i].name);
    }
    eai_free(j->subjects);
    eai_free(j->cases);
    eai_bench_results_free(j->results);
}

/* ---- Measuring ------------------------------------------------------------------------------- */

static void tell(void *ud, const eai_series *s, double precision)
{
    job *j = ud;
    if (isnan(precision))
        eai_progress_update(j->progress, s->n, "%.40s", s->name);
    else
        eai_progress_update(j->progress, s->n, "%.40s  +- %.1f %%", s->name, 100 * precision);
}

static eai_status run_measurement(job *j, const eai_command_context *ctx, eai_error *err)
{
    const bench_run_args *a = j->args;
    eai_measure_opts opts = EAI_MEASURE_OPTS_INIT;
    opts.warm_up = (size_t)a->warm_up;
    opts.least_runs = (size_t)(a->runs ? a->runs : a->least_runs);
    opts.most_runs = (size_t)(a->runs ? a->runs : a->most_runs);
    opts.precision = a->runs ? 0 : a->precision / 100;
    opts.most_seconds = a->runs ? 0 : a->seconds;
    opts.one_by_one = a->one_by_one;
    opts.seed = (uint64_t)a->seed;
    opts.is_cancelled = should_stop;
    opts.tell = tell;
    opts.ud = j;
    if (opts.least_runs > opts.most_runs)
        return eai_error_set(err, EAI_ERR_USAGE, "--min-runs %zu is above --max-runs %zu",
                             opts.least_runs, opts.most_runs);
    EAI_TRY(run_shell(a->setup, "setup", a, should_stop, err));
    if (ctx->progress_is_terminal)
        j->progress = eai_progress_create(ctx->progress, true, "bench", "run", 0);
    eai_status st = eai_measure(j->results, j->cases, j->n, &opts, err);
    eai_progress_abandon(j->progress);
    j->progress = NULL;
    /* what --setup made is taken away whatever happened */
    eai_status end = run_shell(a->cleanup, "cleanup", a, NULL, st == EAI_OK ? err : NULL);
    return st == EAI_OK ? end : st;
}

/* ---- What is printed ------------------------------------------------------------------------- */

static eai_status print_table(const job *j, FILE *out, eai_error *err)
{
    char titles[256] = "command";
    size_t n = eai_bench_results_count(j->results);
    for (size_t c = 0; c < EAI_BENCH_COLUMN_COUNT; c++) {
        size_t used = strlen(titles);
        snprintf(titles + used, sizeof(titles) - used, "|%s>",
                 eai_bench_column_title((eai_bench_column)c));
    }
    eai_table *t = eai_table_create(EAI_BENCH_COLUMN_COUNT + 1, titles);
    eai_status st = EAI_OK;
    for (size_t i = 0; i < n && st == EAI_OK; i++) {
        eai_bench_cells cells;
        const char *row[EAI_BENCH_COLUMN_COUNT + 1];
        const eai_series *s = eai_bench_results_at(j->results, i);
        st = eai_bench_fill_cells(&cells, s, err);
        row[0] = s->name;
        for (size_t c = 0; c < EAI_BENCH_COLUMN_COUNT; c++)
            row[c + 1] = cells.texts[c];
        eai_table_row(t, row);
    }
    if (st == EAI_OK)
        st = eai_table_print(t, out, err);
    eai_table_free(t);
    return st;
}

/* The case with the least median; there is one at least. */
static eai_status find_best(const eai_series **out, const job *j, eai_error *err)
{
    double least = HUGE_VAL;
    *out = eai_bench_results_at(j->results, 0);
    for (size_t i = 0; i < eai_bench_results_count(j->results); i++) {
        eai_summary t;
        const eai_series *s = eai_bench_results_at(j->results, i);
        EAI_TRY(eai_series_summarize(&t, s, EAI_METRIC_SECONDS, err));
        if (t.median < least)
            *out = s;
        least = fmin(least, t.median);
    }
    return EAI_OK;
}

/* Each of the others against the fastest. */
static eai_status print_relation(const job *j, FILE *out, eai_error *err)
{
    const eai_series *best;
    size_t n = eai_bench_results_count(j->results);
    EAI_TRY(find_best(&best, j, err));
    fputs(n > 1 ? "\n" : "", out);
    for (size_t i = 0; i < n; i++) {
        eai_shift ratio;
        const eai_series *s = eai_bench_results_at(j->results, i);
        if (s == best)
            continue;
        EAI_TRY(eai_stats_ratio(&ratio, best->values[EAI_METRIC_SECONDS], best->n,
                                s->values[EAI_METRIC_SECONDS], s->n, 0.95, err));
        fprintf(out, "%s: %.3f times as long as %s (95 %%: %.3f to %.3f)\n", s->name,
                ratio.estimate, best->name, ratio.interval.low, ratio.interval.high);
    }
    return EAI_OK;
}

/* What makes a result less than it looks, a line each. */
static eai_status print_notes_of(const job *j, const eai_series *s, FILE *out, eai_error *err)
{
    const double coarse = 5e-3;
    eai_summary t;
    EAI_TRY(eai_series_summarize(&t, s, EAI_METRIC_SECONDS, err));
    double first = s->values[EAI_METRIC_SECONDS][0];
    size_t n_outliers = t.outliers.n_mild + t.outliers.n_severe;
    double half = t.median > 0 ? 50 * (t.interval.high - t.interval.low) / t.median : 0;
    if (s->stop != EAI_STOP_PRECISION && j->args->runs == 0 && j->args->precision > 0)
        fprintf(out, "note: %s: known to +- %.1f %% only, %g %% was wanted; stopped by: %s\n",
                s->name, half, j->args->precision, eai_stop_name(s->stop));
    if (t.median < coarse)
        fprintf(out,
                "note: %s takes less than 5 ms: starting a program is a good part of that, and the "
                "clock is coarse\n",
                s->name);
    if (first > t.outliers.outer.high && first == t.most && first > 1.2 * t.median && s->n > 2)
        fprintf(out, "note: %s: the first run was the slowest by far; --warmup or --prepare?\n",
                s->name);
    else if (n_outliers * 10 > s->n || (t.outliers.n_severe > 0 && s->n < 30))
        fprintf(out,
                "note: %s: %zu of %zu runs are outliers, %zu severe: is the machine busy with "
                "something else?\n",
                s->name, n_outliers, s->n, t.outliers.n_severe);
    return EAI_OK;
}

static eai_status print_notes(const job *j, FILE *out, eai_error *err)
{
    const char *load = eai_bench_results_fact(j->results, EAI_FACTS_ENVIRONMENT, "load_at_start");
    double busy = load ? strtod(load, NULL) : 0;
    for (size_t i = 0; i < eai_bench_results_count(j->results); i++)
        EAI_TRY(print_notes_of(j, eai_bench_results_at(j->results, i), out, err));
    for (size_t i = 0; i < j->n; i++) {
        const subject *s = &j->subjects[i];
        if (s->program.n_failed > 0)
            fprintf(out, "note: %s: %zu runs failed (warm-ups counted)\n", s->name,
                    s->program.n_failed);
    }
    if (busy > eai_hardware_get()->cores / 2.0)
        fprintf(out, "note: the load average was %s on %d cores when this began\n", load,
                eai_hardware_get()->cores);
    return EAI_OK;
}

static eai_status write_report(const job *j, const char *path, eai_error *err)
{
    eai_report_format format;
    char *text = NULL;
    const eai_bench_results *results[] = {j->results};
    EAI_TRY(eai_report_format_of(&format, path, err));
    EAI_TRY(eai_bench_report(&text, results, 1, format, err));
    eai_status st = eai_fs_write_atomic(path, text, strlen(text), err);
    eai_free(text);
    return st;
}

static eai_status print_results(const job *j, FILE *out, eai_error *err)
{
    char *text = NULL;
    if (!j->args->json) {
        EAI_TRY(print_table(j, out, err));
        EAI_TRY(print_relation(j, out, err));
        return print_notes(j, out, err);
    }
    EAI_TRY(eai_bench_results_to_json(&text, j->results, err));
    fprintf(out, "%s\n", text);
    eai_free(text);
    return EAI_OK;
}

static eai_status finish(const job *j, FILE *out, eai_error *err)
{
    if (eai_bench_results_count(j->results) == 0)
        return EAI_OK;
    EAI_TRY(eai_bench_results_describe_end(j->results, err));
    EAI_TRY(print_results(j, out, err));
    return j->args->output ? write_report(j, j->args->output, err) : EAI_OK;
}

eai_status bench_run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    job j = {.args = args};
    eai_report_format format;

    if (j.args->output)
        EAI_TRY(eai_report_format_of(&format, j.args->output, err)); /* before hours of runs */
    watch_signals();
    eai_status st = take_subjects(&j, ctx, err);
    if (st == EAI_OK)
        st = bench_results(&j.results, "run", (uint64_t)j.args->seed, err);
    if (st == EAI_OK)
        st = run_measurement(&j, ctx, err);
    if (st == EAI_OK || (st == EAI_ERR_CANCELLED && j.results)) {
        eai_error other = EAI_ERROR_INIT;
        eai_status end = finish(&j, ctx->out, &other);
        if (st == EAI_OK && end != EAI_OK)
            st = eai_error_set(err, end, "%s", other.message);
    }
    free_job(&j);
    return st;
}
