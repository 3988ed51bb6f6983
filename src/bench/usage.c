/* What the system counts: processor time, faults, switches, memory. Start at usage__begin. */
#include "bench/usage.h"

#include <fcntl.h>

#include <efficientai/hardware.h>

#include "base/io.h"

#include "base/banned.h"

double usage__peak_bytes(const struct rusage *u)
{
#ifdef __APPLE__
    return (double)u->ru_maxrss;
#else
    return 1024.0 * (double)u->ru_maxrss;
#endif
}

static double seconds_of(const struct timeval *t)
{
    return (double)t->tv_sec + 1e-6 * (double)t->tv_usec;
}

void usage__difference(eai_sample *out, const struct rusage *before, const struct rusage *after,
                       size_t batch)
{
    const struct {
        eai_metric metric;
        double value;
    } rows[] = {
        {EAI_METRIC_USER_SECONDS, seconds_of(&after->ru_utime) - seconds_of(&before->ru_utime)},
        {EAI_METRIC_SYSTEM_SECONDS, seconds_of(&after->ru_stime) - seconds_of(&before->ru_stime)},
        {EAI_METRIC_MINOR_FAULTS, (double)(after->ru_minflt - before->ru_minflt)},
        {EAI_METRIC_MAJOR_FAULTS, (double)(after->ru_majflt - before->ru_majflt)},
        {EAI_METRIC_VOLUNTARY_SWITCHES, (double)(after->ru_nvcsw - before->ru_nvcsw)},
        {EAI_METRIC_INVOLUNTARY_SWITCHES, (double)(after->ru_nivcsw - before->ru_nivcsw)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double v = rows[i].value / (double)batch;
        out->values[rows[i].metric] = v > 0 ? v : 0; /* rounding of times may go back a little */
    }
}

/* Linux: "5" makes VmHWM what is resident now (proc(5), since 4.0). */
static bool reset_peak(void)
{
#ifdef __linux__
    int fd = io__open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool done = io__write(fd, "5", 1) == 1;
    io__close(fd);
    return done;
#else
    return false;
#endif
}

void usage__begin(usage_mark *m, bool memory)
{
    m->has_peak = memory && reset_peak();
    m->has_counts = getrusage(RUSAGE_SELF, &m->counts) == 0;
}

void usage__end(eai_sample *out, const usage_mark *m, size_t batch)
{
    struct rusage after;
    uint64_t peak = m->has_peak ? eai_hardware_peak_rss() : 0;
    if (m->has_counts && getrusage(RUSAGE_SELF, &after) == 0)
        usage__difference(out, &m->counts, &after, batch);
    if (peak > 0)
        out->values[EAI_METRIC_PEAK_BYTES] = (double)peak;
}

/* Linux books the peak of the memory that exec replaces to the new program. posix_spawn() lends it
 * ours. */
double usage__inherited_peak(void)
{
#ifdef __linux__
    reset_peak();
    return (double)eai_hardware_peak_rss();
#else
    return 0;
#endif
}
