/* Smaller runs and cooler ones. */
#include "limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <efficientai/clock.h>

#define MOST_BATCHES 4096 /* an update, as the option allows */

/* The largest proper divisor, so that an update has as many rows as before. */
static int64_t next_smaller(int64_t n)
{
    for (int64_t d = 2; d * d <= n; d++) {
        if (n % d == 0)
            return n / d;
    }
    return 1;
}

/* *value becomes `smaller`, and batches as many more. */
static bool trade(int64_t *value, int64_t smaller, train_args *a, const char *name, char *what,
                  size_t n)
{
    int64_t times = *value / smaller;
    if (a->accumulation > MOST_BATCHES / times)
        return false;
    snprintf(what, n, "%s %" PRId64 " -> %" PRId64 ", --accumulation %" PRId64 " -> %" PRId64, name,
             *value, smaller, a->accumulation, a->accumulation * times);
    *value = smaller;
    a->accumulation *= times;
    return true;
}

bool limits_shrink(train_args *a, char *what, size_t n)
{
    if (a->batch_size > 1 &&
        trade(&a->batch_size, next_smaller(a->batch_size), a, "--batch-size", what, n))
        return true;
    if (!a->checkpoint_activations) {
        a->checkpoint_activations = true;
        snprintf(what, n, "--checkpoint-activations");
        return true;
    }
    return a->seq_len >= 2 * LIMITS_SHORTEST &&
           trade(&a->seq_len, a->seq_len / 2, a, "--seq-len", what, n);
}

/* ---- heat ---- */

static void read_state(limits_heat *h, eai_progress *p)
{
    eai_thermal before = h->now;
    h->now = eai_hardware_thermal();
    h->worst = h->now > h->worst ? h->now : h->worst;
    if (h->now != before && (before != EAI_THERMAL_UNKNOWN || h->now > EAI_THERMAL_NOMINAL))
        eai_progress_note(p, "thermal state: %s%s", eai_thermal_name(h->now),
                          h->now == EAI_THERMAL_CRITICAL ? ", waiting until it is lower" : "");
}

void limits_cool(limits_heat *h, eai_progress *p)
{
    const struct timespec second = {.tv_sec = 1};
    double begin = eai_clock_seconds();
    read_state(h, p);
    if (h->now != EAI_THERMAL_CRITICAL)
        return;
    while (h->now == EAI_THERMAL_CRITICAL && !session_interrupted) {
        nanosleep(&second, NULL);
        read_state(h, p);
    }
    h->paused += eai_clock_seconds() - begin;
}
