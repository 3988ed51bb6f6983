/* Results of measurements: every sample of every case, where they were taken, their file, and what
 * two of them say about each other.
 *
 * Use:
 *     eai_bench_results *before = NULL, *after = NULL;
 *     eai_bench_comparison *c = NULL;
 *     EAI_TRY(eai_bench_results_load(&before, "before.json", err));
 *     EAI_TRY(eai_bench_results_load(&after, "after.json", err));
 *     EAI_TRY(eai_bench_compare(&c, before, after, EAI_METRIC_SECONDS, 0.05, err));
 *     for (size_t i = 0; i < eai_bench_comparison_count(c); i++) {
 *         const eai_bench_difference *d = eai_bench_comparison_at(c, i);
 *         printf("%s: %s, %g times as long\n", d->name, eai_verdict_name(d->verdict), d->ratio);
 *     }
 *
 * A file keeps raw samples, not summaries, so that any later comparison can test. Its layout, with
 * the version that every reader checks, is described in docs/benchmarks.md. Files are not trusted:
 * at most EAI_BENCH_MAX_FILE bytes, and a value that is no time, size or count is refused.
 *
 * Thread-safety: functions on distinct objects. */
#ifndef EAI_BENCH_RESULTS_H
#define EAI_BENCH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>
#include <efficientai/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EAI_BENCH_SCHEMA      1
#define EAI_BENCH_MAX_FILE    ((size_t)16 << 20)
#define EAI_BENCH_MAX_CASES   4000
#define EAI_BENCH_MAX_SAMPLES 1000000 /* of a case */
#define EAI_BENCH_MAX_TEXT    4096    /* bytes of a name, a command, a fact */

/* clang-format off */
/* What a run is measured by. A run that is a batch of several has the mean of one.
 *    name                              in files                 what it is                            */
#define EAI_METRIC_TABLE(X)                                                                            \
    X(EAI_METRIC_SECONDS,               "seconds",               "wall time")                          \
    X(EAI_METRIC_USER_SECONDS,          "user_seconds",          "processor time outside the system")  \
    X(EAI_METRIC_SYSTEM_SECONDS,        "system_seconds",        "processor time in the system")       \
    X(EAI_METRIC_PEAK_BYTES,            "peak_bytes",            "most resident memory")               \
    X(EAI_METRIC_MINOR_FAULTS,          "minor_faults",          "page faults without reading a file")  \
    X(EAI_METRIC_MAJOR_FAULTS,          "major_faults",          "page faults that read a file")       \
    X(EAI_METRIC_VOLUNTARY_SWITCHES,    "voluntary_switches",    "waits that gave the processor away") \
    X(EAI_METRIC_INVOLUNTARY_SWITCHES,  "involuntary_switches",  "times that it was taken away")       \
    X(EAI_METRIC_INSTRUCTIONS,          "instructions",          "instructions outside the system")    \
    X(EAI_METRIC_CYCLES,                "cycles",                "processor cycles outside the system")
/* clang-format on */
typedef enum eai_metric {
#define EAI_METRIC_ENUM(id, name, text) id,
    EAI_METRIC_TABLE(EAI_METRIC_ENUM)
#undef EAI_METRIC_ENUM
        EAI_METRIC_COUNT
} eai_metric;
EAI_API const char *eai_metric_name(eai_metric m); /* "seconds"; static */
EAI_API const char *eai_metric_text(eai_metric m); /* "wall time"; static */

/* One run; NaN: not known. */
typedef struct eai_sample {
    double values[EAI_METRIC_COUNT];
} eai_sample;
EAI_API eai_sample eai_sample_unknown(void);

/* clang-format off */
/* Why no further runs were made.
 *    name                   in files      */
#define EAI_STOP_TABLE(X)                  \
    X(EAI_STOP_PRECISION,    "precision")  /* the interval of the median is as narrow as wanted */ \
    X(EAI_STOP_RUNS,         "runs")       /* as many as allowed or asked for */                   \
    X(EAI_STOP_SECONDS,      "seconds")    /* the time was up */                                   \
    X(EAI_STOP_CANCELLED,    "cancelled")  /* Ctrl-C */
/* clang-format on */
typedef enum eai_stop {
#define EAI_STOP_ENUM(id, name) id,
    EAI_STOP_TABLE(EAI_STOP_ENUM)
#undef EAI_STOP_ENUM
        EAI_STOP_COUNT
} eai_stop;
EAI_API const char *eai_stop_name(eai_stop s); /* static */

/* A case's samples in the order of its runs. Borrowed from the results. */
typedef struct eai_series {
    const char *name;
    const char *command; /* what was run; "" when it is part of a program */
    size_t n;
    const double *values[EAI_METRIC_COUNT]; /* [n]; NULL: not known of some run */
    size_t warm_up;                         /* runs before them that do not count */
    size_t batch;                           /* executions that a sample is the mean of */
    eai_stop stop;
} eai_series;

typedef struct eai_bench_results eai_bench_results;

/* Empty results of `bench` ("run", "gemm"). */
EAI_API EAI_CHECKED eai_status eai_bench_results_create(eai_bench_results **out, const char *bench,
                                                        eai_error *err);
EAI_API void eai_bench_results_free(eai_bench_results *r);
/* Adds a case that was timed elsewhere: n seconds. Names of cases differ. */
EAI_API EAI_CHECKED eai_status eai_bench_results_add(eai_bench_results *r, const char *name,
                                                     const double *seconds, size_t n,
                                                     eai_error *err);

EAI_API const char *eai_bench_results_bench(const eai_bench_results *r);
/* The file that they were read from, as given; "" when they were measured. */
EAI_API const char *eai_bench_results_path(const eai_bench_results *r);
EAI_API size_t eai_bench_results_count(const eai_bench_results *r);
/* Borrowed, until a case is added. */
EAI_API const eai_series *eai_bench_results_at(const eai_bench_results *r, size_t i);
EAI_API const eai_series *eai_bench_results_find(const eai_bench_results *r, const char *name);

/* Summary of one metric of a case, at 95 % and a fixed seed: the same samples give the same
 * interval. The metric must be known. */
EAI_API EAI_CHECKED eai_status eai_series_summarize(eai_summary *out, const eai_series *s,
                                                    eai_metric m, eai_error *err);

/* clang-format off */
/* What a table shows of a case, as texts. */
#define EAI_BENCH_COLUMN_TABLE(X)                                                                     \
    X(EAI_BENCH_MEDIAN,     "median")       /* of the wall time */                                    \
    X(EAI_BENCH_PRECISION,  "+-")           /* half of its 95 % interval over it */                   \
    X(EAI_BENCH_LEAST,      "least")                                                                  \
    X(EAI_BENCH_MOST,       "most")                                                                   \
    X(EAI_BENCH_USER,       "user")         /* medians; "-" where not known */                        \
    X(EAI_BENCH_SYSTEM,     "system")                                                                 \
    X(EAI_BENCH_MEMORY,     "peak memory")  /* the most of all runs */                                \
    X(EAI_BENCH_RUNS,       "runs")                                                                   \
    X(EAI_BENCH_OUTLIERS,   "outliers")     /* mild and severe ones, by Tukey's fences */
/* clang-format on */
typedef enum eai_bench_column {
#define EAI_BENCH_COLUMN_ENUM(id, title) id,
    EAI_BENCH_COLUMN_TABLE(EAI_BENCH_COLUMN_ENUM)
#undef EAI_BENCH_COLUMN_ENUM
        EAI_BENCH_COLUMN_COUNT
} eai_bench_column;
typedef struct eai_bench_cells {
    char texts[EAI_BENCH_COLUMN_COUNT][32];
} eai_bench_cells;
EAI_API EAI_CHECKED eai_status eai_bench_fill_cells(eai_bench_cells *out, const eai_series *s,
                                                    eai_error *err);
EAI_API const char *eai_bench_column_title(eai_bench_column c); /* static */

/* "12.34 ms": four digits in the unit that fits, into buf; returns buf. */
EAI_API char *eai_bench_format_seconds(char *buf, size_t n, double seconds);

/* ---- Where they were taken ------------------------------------------------------------------- */

typedef enum eai_facts {
    EAI_FACTS_MACHINE,    /* what must be the same for times to be comparable: hashed */
    EAI_FACTS_ENVIRONMENT /* what one wants to know later: versions, load, time, command line */
} eai_facts;
typedef struct eai_fact {
    const char *name, *value;
} eai_fact;
EAI_API EAI_CHECKED eai_status eai_bench_results_set_fact(eai_bench_results *r, eai_facts kind,
                                                          const char *name, const char *value,
                                                          eai_error *err);
EAI_API size_t eai_bench_results_fact_count(const eai_bench_results *r, eai_facts kind);
EAI_API eai_fact eai_bench_results_fact_at(const eai_bench_results *r, eai_facts kind, size_t i);
EAI_API const char *eai_bench_results_fact(const eai_bench_results *r, eai_facts kind,
                                           const char *name); /* NULL: absent */
/* The first 12 digits of the SHA-256 of the machine's facts. */
#define EAI_FINGERPRINT_SIZE 13
EAI_API EAI_CHECKED eai_status eai_bench_results_fingerprint(char hash[EAI_FINGERPRINT_SIZE],
                                                             const eai_bench_results *r,
                                                             eai_error *err);

/* What the program that measures says of itself; NULL: not known. Borrowed for the call. */
typedef struct eai_fingerprint_opts {
    const char *version, *commit, *compiler, *build_type;
    const char *const *environment; /* "NAME=value", ends with NULL */
    uint64_t seed;
} eai_fingerprint_opts;
/* Fills in the facts of this machine and process, and the load at the start; the second call, when
 * all is measured, adds the load at the end. What cannot be read is left out. Of the environment
 * only variables from a fixed list are taken, and none whose name speaks of a secret. */
EAI_API EAI_CHECKED eai_status eai_bench_results_describe(eai_bench_results *r,
                                                          const eai_fingerprint_opts *opts,
                                                          eai_error *err);
EAI_API EAI_CHECKED eai_status eai_bench_results_describe_end(eai_bench_results *r, eai_error *err);

/* ---- Files
 * ----------------------------------------------------------------------------------- */

/* Everything as one JSON object on one line; new memory (eai_free). */
EAI_API EAI_CHECKED eai_status eai_bench_results_to_json(char **out, const eai_bench_results *r,
                                                         eai_error *err);
/* Keys that are not known are passed over, so reports with more in them can be read too. */
EAI_API EAI_CHECKED eai_status eai_bench_results_load(eai_bench_results **out, const char *path,
                                                      eai_error *err);
EAI_API EAI_CHECKED eai_status eai_bench_results_parse(eai_bench_results **out, const char *text,
                                                       size_t n, const char *label, eai_error *err);

/* A report of one or more results. json: of one only; csv: a row a run; markdown: a table; html:
 * one page with a plot of every sample, that needs nothing else. New memory (eai_free). */
typedef enum eai_report_format {
    EAI_REPORT_JSON,
    EAI_REPORT_CSV,
    EAI_REPORT_MARKDOWN,
    EAI_REPORT_HTML
} eai_report_format;
/* By the end of a file's name: .json, .csv, .md, .html; EAI_ERR_USAGE for any other. */
EAI_API EAI_CHECKED eai_status eai_report_format_of(eai_report_format *out, const char *path,
                                                    eai_error *err);
EAI_API EAI_CHECKED eai_status eai_bench_report(char **out, const eai_bench_results *const *results,
                                                size_t n, eai_report_format format, eai_error *err);

/* ---- Comparing ------------------------------------------------------------------------------- */

/* clang-format off */
#define EAI_VERDICT_TABLE(X)                                                                          \
    X(EAI_VERDICT_SAME,     "no difference")   /* none that these samples show */                     \
    X(EAI_VERDICT_LESS,     "less")            /* faster, smaller */                                  \
    X(EAI_VERDICT_MORE,     "more")            /* slower, larger */                                   \
    X(EAI_VERDICT_TOO_FEW,  "too few runs")    /* no difference could be significant */               \
    X(EAI_VERDICT_UNKNOWN,  "not measured")    /* the metric or the case is missing on one side */
/* clang-format on */
typedef enum eai_verdict {
#define EAI_VERDICT_ENUM(id, name) id,
    EAI_VERDICT_TABLE(EAI_VERDICT_ENUM)
#undef EAI_VERDICT_ENUM
        EAI_VERDICT_COUNT
} eai_verdict;
EAI_API const char *eai_verdict_name(eai_verdict v); /* static */

/* One case of both results, or of one: then the other series is NULL and the verdict UNKNOWN. */
typedef struct eai_bench_difference {
    const char *name;
    const eai_series *before, *after;
    double median_before, median_after;
    double ratio;          /* after / before, Hodges and Lehmann's estimate; 0: values of 0 */
    eai_interval interval; /* of the ratio, at 1 - alpha */
    double p;              /* Mann and Whitney's, corrected for the number of cases (Holm) */
    double delta;          /* Cliff's: 1 when each sample after is above each before */
    eai_verdict verdict;
} eai_bench_difference;

/* A case differs when its corrected p is below alpha. Borrows both results. */
typedef struct eai_bench_comparison eai_bench_comparison;
EAI_API EAI_CHECKED eai_status eai_bench_compare(eai_bench_comparison **out,
                                                 const eai_bench_results *before,
                                                 const eai_bench_results *after, eai_metric metric,
                                                 double alpha, eai_error *err);
EAI_API void eai_bench_comparison_free(eai_bench_comparison *c);
EAI_API size_t eai_bench_comparison_count(const eai_bench_comparison *c);
EAI_API const eai_bench_difference *eai_bench_comparison_at(const eai_bench_comparison *c,
                                                            size_t i);
/* Is it a regression by more than `share` (0.05: 5 %)? Only if it is significant and all of the
 * interval lies above 1 + share: noise never fails a gate, it takes runs to show a small one. */
EAI_API bool eai_bench_difference_exceeds(const eai_bench_difference *d, double share);

/* Machine facts that differ: calls `tell` for each, with "" for a value that one side lacks;
 * returns how many. */
EAI_API size_t eai_bench_facts_differ(
    const eai_bench_results *before, const eai_bench_results *after,
    void (*tell)(void *ud, const char *name, const char *before, const char *after), void *ud);

#ifdef __cplusplus
}
#endif
#endif
