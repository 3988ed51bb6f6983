/* What the system counts for this process. */
#ifndef EAI_BENCH_USAGE_H
#define EAI_BENCH_USAGE_H

#include <sys/resource.h>

#include <efficientai/bench_results.h>

typedef struct usage_mark {
    struct rusage counts;
    bool has_counts, has_peak;
} usage_mark;

/* `memory`: also sets the peak of the resident memory back, which takes some microseconds. */
void usage__begin(usage_mark *m, bool memory);
/* Fills in what was used since, over `batch`. */
void usage__end(eai_sample *out, const usage_mark *m, size_t batch);

/* *out = what lies between two readings; memory and time by the clock are left alone. */
void usage__difference(eai_sample *out, const struct rusage *before, const struct rusage *after,
                       size_t batch);

/* ru_maxrss in bytes; its unit depends on the system. */
double usage__peak_bytes(const struct rusage *u);

/* The most resident memory that a program started now inherits from us in the system's books. */
double usage__inherited_peak(void);

#endif
