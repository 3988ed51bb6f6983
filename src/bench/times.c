/* Summaries of times. */
#include <efficientai/bench.h>

#include <stdlib.h>

#include "base/banned.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

eai_bench_times eai_bench_summarize(double *seconds, size_t n)
{
    if (n == 0)
        return (eai_bench_times){0};
    qsort(seconds, n, sizeof(*seconds), compare);
    double median = n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
    return (eai_bench_times){median, seconds[0], seconds[n - 1], n};
}
