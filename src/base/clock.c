/* The clocks of POSIX. */
#include <efficientai/clock.h>

#include <time.h>

#include "base/banned.h"

double eai_clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

char *eai_clock_iso(char *buf, size_t n)
{
    time_t now = time(NULL);
    struct tm utc;
    if (n == 0)
        return buf;
    if (!gmtime_r(&now, &utc) || strftime(buf, n, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        buf[0] = '\0'; /* too small a buffer holds anything after strftime() */
    return buf;
}
