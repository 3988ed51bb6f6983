/* Instructions and cycles of a program that is about to be started, as far as the system lets us.
 */
#ifndef EAI_BENCH_COUNTERS_H
#define EAI_BENCH_COUNTERS_H

#include <efficientai/bench_results.h>

typedef struct bench_counters {
    int fds[2]; /* -1: not available */
} bench_counters;

/* Counts from the exec of the next program that the calling thread starts. */
void counters__open(bench_counters *c);
/* After that program has ended: what is known goes into the sample. */
void counters__close(eai_sample *out, bench_counters *c);

#endif
