/* Results from inside: how series grow. */
#ifndef EAI_BENCH_RESULTS_INTERNAL_H
#define EAI_BENCH_RESULTS_INTERNAL_H

#include <efficientai/bench_results.h>

#include "base/strbuf.h"

/* A series under construction. view.values[m] is values[m] as long as each run told it. */
typedef struct bench_series {
    eai_series view;
    char *name, *command;
    double *values[EAI_METRIC_COUNT];
    bool unknown[EAI_METRIC_COUNT];
    size_t capacity;
} bench_series;

/* Adds an empty case; *out lives as long as the results. */
EAI_CHECKED eai_status bench__series_begin(bench_series **out, eai_bench_results *r,
                                           const char *name, const char *command, eai_error *err);
EAI_CHECKED eai_status bench__series_append(bench_series *s, const eai_sample *sample,
                                            eai_error *err);
/* Takes the last case away again. */
void bench__series_drop_last(eai_bench_results *r);
/* Takes away cases without a sample. */
void bench__series_drop_empty(eai_bench_results *r);

/* Median and largest of a metric that is known, without the interval, which takes far longer. */
EAI_CHECKED eai_status bench__series_median(double *median, double *most, const eai_series *s,
                                            eai_metric m, eai_error *err);

EAI_CHECKED eai_status bench__results_set_path(eai_bench_results *r, const char *path,
                                               eai_error *err);

/* A page of everything, appended to b. */
EAI_CHECKED eai_status bench__write_html(eai_strbuf *b, const eai_bench_results *const *results,
                                         size_t n, eai_error *err);

#endif
