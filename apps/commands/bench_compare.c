/* `efficientai bench compare`: two files of results, and a gate for regressions. */
#include "bench.h"

#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/terminal.h>

#include "json_output.h"

#include "base/banned.h"

#define ARG(f) offsetof(bench_compare_args, f)
const eai_option bench_compare_options[] = {
    {.name = "fail-above",
     .type = EAI_OPT_STRING,
     .offset = ARG(fail_above),
     .value_name = "PERCENT",
     .help = "exit status 1 when a case is slower by more than this"},
    {.name = "fail-above-memory",
     .type = EAI_OPT_STRING,
     .offset = ARG(fail_above_memory),
     .value_name = "PERCENT",
     .help = "exit status 1 when the peak memory of a case is larger by more than this"},
    {.name = "alpha",
     .type = EAI_OPT_FLOAT,
     .offset = ARG(alpha),
     .default_value = "0.05",
     .value_name = "P",
     .help = "how often equal programs may be called different",
     .min = 1e-6,
     .max = 0.5},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = ARG(json),
     .help = "one JSON object on one line instead of the tables"},
    {0},
};

/* What is compared, and its words. */
typedef struct aspect {
    eai_metric metric;
    const char *title, *option;
    const char *less, *more;
    double gate; /* a share; NaN: no gate */
    eai_bench_comparison *comparison;
} aspect;

typedef struct job {
    const bench_compare_args *args;
    const eai_command_context *ctx;
    eai_bench_results *before, *after;
    aspect aspects[2];
} job;

static const char *verdict_text(const aspect *a, eai_verdict v)
{
    return v == EAI_VERDICT_LESS ? a->less : v == EAI_VERDICT_MORE ? a->more : eai_verdict_name(v);
}

/* "5%", "5 %" or "5" as 0.05; NULL is no gate. */
static eai_status parse_gate(aspect *a, const char *text, eai_error *err)
{
    char *end;
    a->gate = (double)NAN;
    if (!text)
        return EAI_OK;
    double percent = strtod(text, &end);
    end += strspn(end, " ");
    if (end == text || (*end && strcmp(end, "%") != 0) || !(percent >= 0 && percent <= 1e6))
        return eai_error_set(err, EAI_ERR_USAGE,
                             "--%s '%s' is no share from 0 to 1000000 percent, as 5%%", a->option,
                             text);
    a->gate = percent / 100;
    return EAI_OK;
}

static eai_status load(job *j, eai_error *err)
{
    const char *const *files;
    int n = eai_options_operands(j->ctx->set, &files);
    if (n != 2)
        return eai_error_set(err, EAI_ERR_USAGE,
                             "%s takes two files, BEFORE.json and AFTER.json, "
                             "not %d",
                             j->ctx->program, n);
    EAI_TRY(eai_bench_results_load(&j->before, files[0], err));
    EAI_TRY(eai_bench_results_load(&j->after, files[1], err));
    for (size_t i = 0; i < 2; i++)
        EAI_TRY(eai_bench_compare(&j->aspects[i].comparison, j->before, j->after,
                                  j->aspects[i].metric, j->args->alpha, err));
    return EAI_OK;
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void format_value(char *buf, size_t n, const aspect *a, const eai_series *s, double value)
{
    if (!s || !s->values[a->metric])
        snprintf(buf, n, "-");
    else if (a->metric == EAI_METRIC_SECONDS)
        eai_bench_format_seconds(buf, n, value);
    else
        eai_format_bytes(buf, n, (uint64_t)value);
}

static void add_row(eai_table *t, const aspect *a, const eai_bench_difference *d)
{
    char before[32];
    char after[32];
    char ratio[32] = "-";
    char interval[64] = "-";
    char p[32] = "-";
    format_value(before, sizeof(before), a, d->before, d->median_before);
    format_value(after, sizeof(after), a, d->after, d->median_after);
    if (d->ratio > 0) {
        snprintf(ratio, sizeof(ratio), "%.3f", d->ratio);
        snprintf(interval, sizeof(interval), "%.3f to %.3f", d->interval.low, d->interval.high);
    }
    if (d->verdict != EAI_VERDICT_UNKNOWN)
        snprintf(p, sizeof(p), d->p < 0.0001 ? "%.0e" : "%.4f", d->p);
    const char *cells[] = {d->name, before, after, ratio, interval, p, verdict_text(a, d->verdict)};
    eai_table_row(t, cells);
}

/* False when no case was measured by it on both sides. */
static bool is_known(const aspect *a)
{
    for (size_t i = 0; i < eai_bench_comparison_count(a->comparison); i++) {
        if (eai_bench_comparison_at(a->comparison, i)->verdict != EAI_VERDICT_UNKNOWN)
            return true;
    }
    return false;
}

static eai_status print_aspect(const job *j, const aspect *a, eai_error *err)
{
    FILE *out = j->ctx->out;
    char titles[128];
    snprintf(titles, sizeof(titles), "%s|before>|after>|ratio>|%g %%|p>|verdict", a->title,
             100 * (1 - j->args->alpha));
    eai_table *t = eai_table_create(7, titles);
    for (size_t i = 0; i < eai_bench_comparison_count(a->comparison); i++)
        add_row(t, a, eai_bench_comparison_at(a->comparison, i));
    eai_status st = eai_table_print(t, out, err);
    eai_table_free(t);
    return st;
}

static void print_fact(void *ud, const char *name, const char *before, const char *after)
{
    FILE *out = ud;
    fprintf(out, "note: the machines differ: %s: '%s' before, '%s' after\n", name, before, after);
}

/* A gate that nothing could have failed has not been passed. */
static void print_undecided(const aspect *a, FILE *out)
{
    for (size_t i = 0; i < eai_bench_comparison_count(a->comparison) && !isnan(a->gate); i++) {
        const eai_bench_difference *d = eai_bench_comparison_at(a->comparison, i);
        if (d->verdict == EAI_VERDICT_TOO_FEW)
            fprintf(out, "note: --%s decides nothing about %s: %zu and %zu runs are too few\n",
                    a->option, d->name, d->before->n, d->after->n);
    }
}

static eai_status print_text(const job *j, eai_error *err)
{
    EAI_TRY(print_aspect(j, &j->aspects[0], err));
    if (is_known(&j->aspects[1])) {
        fputs("\n", j->ctx->out);
        EAI_TRY(print_aspect(j, &j->aspects[1], err));
    }
    for (size_t i = 0; i < 2; i++)
        print_undecided(&j->aspects[i], j->ctx->out);
    eai_bench_facts_differ(j->before, j->after, print_fact, j->ctx->out);
    return EAI_OK;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *difference_to_json(const aspect *a, const eai_bench_difference *d)
{
    json_t *row = json_pack("{s:s, s:s, s:s}", "name", d->name, "metric",
                            eai_metric_name(a->metric), "verdict", verdict_text(a, d->verdict));
    if (d->verdict == EAI_VERDICT_UNKNOWN)
        return row;
    json_object_update_new(row, json_pack("{s:f, s:f, s:f, s:f}", "before", d->median_before,
                                          "after", d->median_after, "p", d->p, "delta", d->delta));
    if (d->ratio > 0 && isfinite(d->interval.high))
        json_object_update_new(row, json_pack("{s:f, s:f, s:f}", "ratio", d->ratio, "low",
                                              d->interval.low, "high", d->interval.high));
    json_object_set_new(row, "exceeds",
                        json_boolean(!isnan(a->gate) && eai_bench_difference_exceeds(d, a->gate)));
    return row;
}

static void add_fact(void *ud, const char *name, const char *before, const char *after)
{
    json_object_set_new(ud, name, json_pack("[s, s]", before, after));
}

static eai_status print_json(const job *j, eai_error *err)
{
    json_t *root =
        json_pack("{s:f, s:[], s:{}}", "alpha", j->args->alpha, "differences", "machine_differs");
    for (size_t k = 0; k < 2; k++) {
        const aspect *a = &j->aspects[k];
        for (size_t i = 0; i < eai_bench_comparison_count(a->comparison); i++)
            json_array_append_new(json_object_get(root, "differences"),
                                  difference_to_json(a, eai_bench_comparison_at(a->comparison, i)));
    }
    eai_bench_facts_differ(j->before, j->after, add_fact, json_object_get(root, "machine_differs"));
    return json_output(root, j->ctx->out, err);
}

/* ---- The gate -------------------------------------------------------------------------------- */

static eai_status check_gate(const aspect *a, eai_error *err)
{
    char names[512] = "";
    size_t n = 0;
    size_t all = eai_bench_comparison_count(a->comparison);
    for (size_t i = 0; i < all; i++) {
        const eai_bench_difference *d = eai_bench_comparison_at(a->comparison, i);
        size_t used = strlen(names);
        if (d->before && d->before->values[a->metric] && d->verdict == EAI_VERDICT_UNKNOWN)
            return eai_error_set(err, EAI_ERR_NOT_FOUND,
                                 "--%s: '%.200s' has no %s in the second file", a->option, d->name,
                                 eai_metric_text(a->metric));
        if (!eai_bench_difference_exceeds(d, a->gate))
            continue;
        snprintf(names + used, sizeof(names) - used, "%s%.120s", n++ ? ", " : "", d->name);
    }
    if (n == 0)
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_LIMIT, "%zu of %zu cases %s by more than %g %%: %s", n, all,
                         a->more, 100 * a->gate, names);
}

eai_status bench_compare(const eai_command_context *ctx, const void *args, eai_error *err)
{
    job j = {.args = args,
             .ctx = ctx,
             .aspects = {{.metric = EAI_METRIC_SECONDS,
                          .title = "wall time",
                          .option = "fail-above",
                          .less = "faster",
                          .more = "slower"},
                         {.metric = EAI_METRIC_PEAK_BYTES,
                          .title = "peak memory",
                          .option = "fail-above-memory",
                          .less = "smaller",
                          .more = "larger"}}};
    EAI_TRY(parse_gate(&j.aspects[0], j.args->fail_above, err));
    EAI_TRY(parse_gate(&j.aspects[1], j.args->fail_above_memory, err));
    eai_status st = load(&j, err);
    if (st == EAI_OK)
        st = j.args->json ? print_json(&j, err) : print_text(&j, err);
    for (size_t i = 0; i < 2 && st == EAI_OK; i++) {
        if (!isnan(j.aspects[i].gate))
            st = check_gate(&j.aspects[i], err);
    }
    for (size_t i = 0; i < 2; i++)
        eai_bench_comparison_free(j.aspects[i].comparison);
    eai_bench_results_free(j.before);
    eai_bench_results_free(j.after);
    return st;
}
