/* The runner: repeats what is to be measured until its median is known well enough.
 *
 * Use:
 *     eai_measure_case cases[] = {{.name = "old", .run = old_way, .ud = &data},
 *                                 {.name = "new", .run = new_way, .ud = &data}};
 *     eai_measure_opts opts = EAI_MEASURE_OPTS_INIT;
 *     EAI_TRY(eai_bench_results_create(&r, "parse", err));
 *     EAI_TRY(eai_measure(r, cases, 2, &opts, err));       // by turns
 *     EAI_TRY(eai_series_summarize(&s, eai_bench_results_at(r, 0), EAI_METRIC_SECONDS, err));
 *
 *     const char *const argv[] = {"sort", "big.txt", NULL};        // another program
 *     eai_program p = {.argv = argv};
 *     eai_measure_case sort = {.name = "sort", .measure = eai_program_measure, .ud = &p};
 *
 * A case is run `warm_up` times, then until half of the bootstrap interval of its median is at most
 * `precision` of the median, but at least `least_runs` times, at most `most_runs` times and, once
 * the least are made, no longer than `most_seconds`. Cases take turns, so that what else the
 * machine does falls on all of them, and all go on until each is known well enough. An interval
 * that is looked at again and again is narrow too early now and then: it is looked at when the runs
 * have grown by a tenth.
 *
 * Thread-safety: one measurement of a process at a time. */
#ifndef EAI_MEASURE_H
#define EAI_MEASURE_H

#include <efficientai/bench_results.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One of `run`, which is timed, and `measure`, which fills in a sample by itself (what it does not
 * know stays as it is). `prepare` and `conclude` are called before and after each run, warm-ups
 * too, outside of what is timed. Any failure ends the measurement. */
typedef struct eai_measure_case {
    const char *name;
    const char *command; /* for the report; NULL: none */
    eai_status (*prepare)(void *ud, eai_error *err);
    eai_status (*run)(void *ud, eai_error *err);
    eai_status (*measure)(eai_sample *out, void *ud, eai_error *err);
    eai_status (*conclude)(void *ud, eai_error *err);
    void *ud;
} eai_measure_case;

typedef struct eai_measure_opts {
    size_t warm_up;
    size_t least_runs, most_runs;
    double precision;    /* 0: as many runs as the bounds allow */
    double most_seconds; /* of a case's counted runs; 0: no such bound */
    double turn_seconds; /* a `run` that is shorter is made several times a sample; 0: never */
    bool one_by_one;     /* a case after the other, no turns */
    bool memory;         /* the peak of this process during each `run`, where it can be reset */
    uint64_t seed;       /* of the bootstrap */
    double (*clock)(void *ud);      /* seconds; NULL: eai_clock_seconds */
    bool (*is_cancelled)(void *ud); /* asked before each run; NULL: never */
    /* After each sample: half of the interval over the median, NaN before the first look. */
    void (*tell)(void *ud, const eai_series *s, double precision);
    void *ud;
} eai_measure_opts;
/* 1 % of the median within 10 to 1,000 runs and 20 seconds: hyperfine makes 10 runs at least,
 * nvbench goes on to a share of noise, criterion and pyperf to a time. */
#define EAI_MEASURE_OPTS_INIT                                                                      \
    {                                                                                              \
        1, 10, 1000, 0.01, 20, 0, false, false, 1, NULL, NULL, NULL, NULL                          \
    }

/* Adds the cases to r. EAI_ERR_CANCELLED: what was measured by then is in r, cases without a run
 * are not. After any other failure r holds nothing to rely on. */
EAI_API EAI_CHECKED eai_status eai_measure(eai_bench_results *r, const eai_measure_case *cases,
                                           size_t n, const eai_measure_opts *opts, eai_error *err);

/* Another program. Its time is from before it is started to its end; memory, faults and switches
 * are the system's count for it and the programs that it waited for. The memory that the system
 * names is never below what this process had when it started the other: a peak that is not above
 * that is not known. Instructions and cycles are counted where the system lets us. */
typedef struct eai_program {
    const char *const *argv; /* ends with NULL; argv[0] is looked up on PATH */
    const char *output;      /* a file for what it prints; NULL: thrown away; "-": as ours */
    double timeout;          /* seconds until it is ended, which is a failure; 0: none */
    bool ignore_failure;     /* an exit status other than 0 is counted in n_failed, no failure */
    bool (*is_cancelled)(void *ud); /* asked while it runs, from another thread; true ends it;
                                       NULL: never */
    void *ud;
    size_t n_failed;
} eai_program;
/* Runs it once, with an empty standard input. `program` is an eai_program. EAI_ERR_CANCELLED when
 * is_cancelled said so. Sets the peak of our own memory back (VmHWM), so that what the system books
 * to the program is as little ours as can be. */
EAI_API EAI_CHECKED eai_status eai_program_measure(eai_sample *out, void *program, eai_error *err);

/* The words of a command line as a shell would split it at blanks, with '...', "..." and \ but
 * nothing else. *argv ends with NULL; one block of memory for eai_free. EAI_ERR_USAGE: no word, or
 * a quote that is not closed. */
EAI_API EAI_CHECKED eai_status eai_program_split(char ***argv, const char *text, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
