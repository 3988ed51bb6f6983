/* Summaries of times. */
#include <efficientai/bench.h>

#include <efficientai/stats.h>

#include "base/banned.h"

eai_bench_times eai_bench_summarize(double *seconds, size_t n)
{
    if (n == 0)
        return (eai_bench_times){0};
    eai_stats_sort(seconds, n);
    return (eai_bench_times){eai_stats_median(seconds, n), seconds[0], seconds[n - 1], n};
}
