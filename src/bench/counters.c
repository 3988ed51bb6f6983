/* Hardware counters through perf_event_open (Linux; its manual page describes it). They are opened
 * on ourselves, switched off and inherited: the copy that a new program gets is switched on by its
 * exec. Reading ours then gives the sum over all that was inherited. */
#include "bench/counters.h"

#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/perf_event.h>
#include <sys/syscall.h>
#endif

#include "base/io.h"

#include "base/banned.h"

#ifdef __linux__
static int open_counter(uint64_t event)
{
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.type = PERF_TYPE_HARDWARE;
    attr.size = sizeof(attr);
    attr.config = event;
    attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    attr.disabled = 1;
    attr.inherit = 1;
    attr.enable_on_exec = 1;
    attr.exclude_kernel = 1; /* what an ordinary user may count */
    attr.exclude_hv = 1;
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void counters__open(bench_counters *c)
{
    c->fds[0] = open_counter(PERF_COUNT_HW_INSTRUCTIONS);
    c->fds[1] = open_counter(PERF_COUNT_HW_CPU_CYCLES);
}
#else
void counters__open(bench_counters *c)
{
    c->fds[0] = c->fds[1] = -1;
}
#endif

/* A counter that had to share its register with others ran for a part of the time: no number. */
void counters__close(eai_sample *out, bench_counters *c)
{
    const eai_metric metrics[2] = {EAI_METRIC_INSTRUCTIONS, EAI_METRIC_CYCLES};
    for (int i = 0; i < 2; i++) {
        uint64_t words[3]; /* count, nanoseconds wanted, nanoseconds counted */
        if (c->fds[i] < 0)
            continue;
        if (io__read(c->fds[i], words, sizeof(words)) == (ssize_t)sizeof(words) && words[0] > 0 &&
            words[1] == words[2])
            out->values[metrics[i]] = (double)words[0];
        io__close(c->fds[i]);
        c->fds[i] = -1;
    }
}
