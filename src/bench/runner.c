/* The runner: warm-ups, samples by turns, and when to stop. What a sample is made of beside its
 * time is usage.c's and program.c's. Start at eai_measure. */
#include <efficientai/measure.h>

#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>

#include "bench/results.h"
#include "bench/usage.h"

#include "base/banned.h"

#define MAX_BATCH 1000000

/* A case while it is measured. */
typedef struct runner {
    const eai_measure_case *what;
    bench_series *series;
    double spent;     /* seconds of counted runs */
    size_t next_look; /* samples at which the interval is made again */
    double precision; /* at the last look; NaN before */
    bool out_of_turns;
} runner;

typedef struct session {
    const eai_measure_opts *opts;
    runner *runners;
    size_t n;
} session;

static double now(const eai_measure_opts *o)
{
    return o->clock ? o->clock(o->ud) : eai_clock_seconds();
}

static bool is_cancelled(const eai_measure_opts *o)
{
    return o->is_cancelled && o->is_cancelled(o->ud);
}

/* ---- A sample -------------------------------------------------------------------------------- */

static eai_status time_runs(eai_sample *out, const runner *r, const eai_measure_opts *o,
                            eai_error *err)
{
    usage_mark before;
    eai_status st = EAI_OK;
    size_t batch = r->series->view.batch;
    usage__begin(&before, o->memory);
    double start = now(o);
    for (size_t i = 0; i < batch && st == EAI_OK; i++)
        st = r->what->run(r->what->ud, err);
    double seconds = now(o) - start;
    usage__end(out, &before, batch);
    out->values[EAI_METRIC_SECONDS] = (seconds > 0 ? seconds : 0) / (double)batch;
    return st;
}

static eai_status run_once(eai_sample *out, const runner *r, const eai_measure_opts *o,
                           eai_error *err)
{
    const eai_measure_case *c = r->what;
    if (is_cancelled(o))
        return EAI_ERR_CANCELLED;
    if (c->prepare)
        EAI_TRY(c->prepare(c->ud, err));
    EAI_TRY(c->measure ? c->measure(out, c->ud, err) : time_runs(out, r, o, err));
    return c->conclude ? c->conclude(c->ud, err) : EAI_OK;
}

static eai_status take_sample(eai_sample *out, const runner *r, const eai_measure_opts *o,
                              eai_error *err)
{
    const char *name = r->what->name;
    *out = eai_sample_unknown();
    eai_status st = run_once(out, r, o, err);
    if (st == EAI_ERR_CANCELLED) /* whatever noticed it first */
        return eai_error_set(err, st, "interrupted while '%.200s' was measured", name);
    EAI_TRY(st);
    if (!(out->values[EAI_METRIC_SECONDS] >= 0))
        return eai_error_set(err, EAI_ERR_NUMERIC, "'%.200s' told no time of a run", name);
    return EAI_OK;
}

/* The last warm-up says how many runs a sample takes. */
static eai_status warm_up(runner *r, const eai_measure_opts *o, eai_error *err)
{
    eai_sample s;
    size_t n = o->warm_up;
    bool batches = o->turn_seconds > 0 && r->what->run;
    if (batches && n == 0)
        n = 1; /* not a warm-up that was asked for, but it must be known */
    for (size_t i = 0; i < n; i++)
        EAI_TRY(take_sample(&s, r, o, err));
    r->series->view.warm_up = n;
    if (!batches)
        return EAI_OK;
    double seconds = s.values[EAI_METRIC_SECONDS];
    double batch = seconds > 0 ? o->turn_seconds / seconds : MAX_BATCH;
    r->series->view.batch = batch < 1 ? 1 : batch > MAX_BATCH ? MAX_BATCH : (size_t)batch;
    return EAI_OK;
}

/* ---- When to stop ---------------------------------------------------------------------------- */

/* Half of the interval of the median over the median. */
static eai_status look(runner *r, const eai_measure_opts *o, eai_error *err)
{
    const eai_series *v = &r->series->view;
    eai_interval i;
    double *sorted = eai_alloc_array(v->n, sizeof(*sorted));
    if (!sorted)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu samples", v->n);
    memcpy(sorted, v->values[EAI_METRIC_SECONDS], v->n * sizeof(*sorted));
    eai_stats_sort(sorted, v->n);
    double median = eai_stats_median(sorted, v->n);
    eai_status st =
        eai_stats_bootstrap_median(&i, sorted, v->n, 0.95, EAI_BOOTSTRAP_RESAMPLES, o->seed, err);
    if (st == EAI_OK)
        r->precision = median > 0 ? (i.high - i.low) / 2 / median : i.high > i.low ? HUGE_VAL : 0;
    r->next_look = v->n + 1 + v->n / 10;
    eai_free(sorted);
    return st;
}

static bool is_precise(const runner *r, const eai_measure_opts *o)
{
    return o->precision > 0 && r->precision <= o->precision; /* false for NaN */
}

static eai_status count_sample(runner *r, const eai_measure_opts *o, const eai_sample *s,
                               eai_error *err)
{
    eai_series *v = &r->series->view;
    EAI_TRY(bench__series_append(r->series, s, err));
    r->spent += s->values[EAI_METRIC_SECONDS] * (double)v->batch;
    if (v->n >= o->most_runs) {
        r->out_of_turns = true;
        v->stop = EAI_STOP_RUNS;
    } else if (o->most_seconds > 0 && r->spent >= o->most_seconds && v->n >= o->least_runs) {
        r->out_of_turns = true;
        v->stop = EAI_STOP_SECONDS;
    }
    if (o->precision > 0 && v->n >= o->least_runs && (v->n >= r->next_look || r->out_of_turns))
        EAI_TRY(look(r, o, err));
    if (is_precise(r, o))
        v->stop = EAI_STOP_PRECISION;
    else if (!r->out_of_turns)
        v->stop = EAI_STOP_CANCELLED; /* if nothing comes after it */
    if (o->tell)
        o->tell(o->ud, v, r->precision);
    return EAI_OK;
}

static bool are_done(const session *s, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        if (!s->runners[i].out_of_turns && !is_precise(&s->runners[i], s->opts))
            return false;
    }
    return true;
}

/* Turns of n runners from `first` on, until none of them needs one. Those that are precise already
 * go on beside those that are not: their runs stay comparable, in pairs even. */
static eai_status take_turns(const session *s, size_t first, size_t n, eai_error *err)
{
    while (!are_done(s, first, n)) {
        for (size_t i = first; i < first + n; i++) {
            runner *r = &s->runners[i];
            eai_sample sample;
            if (r->out_of_turns)
                continue;
            EAI_TRY(take_sample(&sample, r, s->opts, err));
            EAI_TRY(count_sample(r, s->opts, &sample, err));
        }
    }
    return EAI_OK;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static eai_status check(const eai_measure_case *cases, size_t n, const eai_measure_opts *o,
                        eai_error *err)
{
    if (o->least_runs < 1 || o->least_runs > o->most_runs || o->most_runs > EAI_BENCH_MAX_SAMPLES)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "%zu to %zu runs: at least 1, at most %d, the least not above the "
                             "most",
                             o->least_runs, o->most_runs, EAI_BENCH_MAX_SAMPLES);
    if (!(o->precision >= 0 && o->most_seconds >= 0 && o->turn_seconds >= 0))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "precision %g, seconds %g and %g: numbers from 0 on", o->precision,
                             o->most_seconds, o->turn_seconds);
    for (size_t i = 0; i < n; i++) {
        if (!cases[i].run == !cases[i].measure)
            return eai_error_set(err, EAI_ERR_ARGUMENT, "case '%.200s': one of run and measure",
                                 cases[i].name);
    }
    return EAI_OK;
}

static eai_status run_session(const session *s, eai_error *err)
{
    if (s->opts->one_by_one) {
        for (size_t i = 0; i < s->n; i++) {
            EAI_TRY(warm_up(&s->runners[i], s->opts, err));
            EAI_TRY(take_turns(s, i, 1, err));
        }
        return EAI_OK;
    }
    for (size_t i = 0; i < s->n; i++)
        EAI_TRY(warm_up(&s->runners[i], s->opts, err));
    return take_turns(s, 0, s->n, err);
}

eai_status eai_measure(eai_bench_results *r, const eai_measure_case *cases, size_t n,
                       const eai_measure_opts *opts, eai_error *err)
{
    session s = {opts, NULL, n};
    eai_status st = EAI_OK;

    EAI_TRY(check(cases, n, opts, err));
    s.runners = eai_alloc_zeroed(n + 1, sizeof(*s.runners));
    if (!s.runners)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu cases", n);
    for (size_t i = 0; i < n && st == EAI_OK; i++) {
        s.runners[i].what = &cases[i];
        s.runners[i].precision = (double)NAN;
        st = bench__series_begin(&s.runners[i].series, r, cases[i].name, cases[i].command, err);
    }
    if (st == EAI_OK)
        st = run_session(&s, err);
    eai_free(s.runners);
    bench__series_drop_empty(r);
    return st;
}
