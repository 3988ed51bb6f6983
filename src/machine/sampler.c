/* A meter on a thread of its own: a sample each period, the last of them kept in a ring.
 *
 * The thread sleeps on a condition until the next point of a grid that the first sample starts, so
 * that a slow reading does not move the later ones; points that have passed meanwhile are left out.
 * What it does not do: wake up anything else, or allocate once it runs. Start at run_sampler. */
#include <efficientai/sampler.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/banned.h"

#define PERIOD_MIN   0.01
#define PERIOD_MAX   86400.0
#define KEPT_DEFAULT 120
#define KEPT_MAX     100000

struct eai_sampler {
    eai_sampler_opts opts;
    eai_meter *meter; /* of the thread while it runs */
    pthread_t thread;
    bool running;   /* the thread is to be joined */
    eai_sample now; /* of the thread */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool quit;
    eai_sample *ring;
    uint64_t n_taken;
    eai_sample_summary sum;
};

/* The values that say most, as far as they are there. */
static void log_sample(const eai_sample *s)
{
    static const eai_metric wanted[] = {
        EAI_METRIC_CPU_LOAD,
        EAI_METRIC_PROCESS_LOAD,
        EAI_METRIC_FREQUENCY,
        EAI_METRIC_PROCESS_MEMORY,
        EAI_METRIC_MEMORY_AVAILABLE,
        EAI_METRIC_SWAP_USED,
        EAI_METRIC_MEMORY_SOME,
        EAI_METRIC_IO_SOME,
        EAI_METRIC_TEMPERATURE,
        EAI_METRIC_THERMAL_STATE,
        EAI_METRIC_POWER,
        EAI_METRIC_ENERGY,
        EAI_METRIC_GPU_LOAD,
        EAI_METRIC_GPU_MEMORY,
        EAI_METRIC_GROUP_MEMORY,
    };
    eai_log_field fields[sizeof(wanted) / sizeof(wanted[0])];
    size_t n = 0;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        double value = s->value[wanted[i]];
        if (!isnan(value))
            fields[n++] = eai_log_real(eai_metric_get(wanted[i])->name, round(value * 1000) / 1000);
    }
    if (eai_log_takes(EAI_LOG_INFO))
        eai_log_write(EAI_LOG_INFO, "hardware", EAI_LOG_SOURCE, fields, n, "%.1f s", s->elapsed);
}

static void take_sample(eai_sampler *s)
{
    eai_meter_read(&s->now, s->meter);
    pthread_mutex_lock(&s->lock);
    s->ring[s->n_taken++ % s->opts.n_kept] = s->now;
    eai_sample_summary_add(&s->sum, &s->now);
    pthread_mutex_unlock(&s->lock);
    if (s->opts.log)
        log_sample(&s->now);
    if (s->opts.take)
        s->opts.take(s->opts.ud, &s->now);
}

/* CLOCK_REALTIME, for macOS has no conditions of another clock: when somebody sets it, one period
 * is shorter or longer. */
static double wall_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits for the point after now of the grid; false when the sampler is to end. */
static bool wait_for_next(eai_sampler *s, double start)
{
    double now = wall_seconds();
    double steps = floor(fmax(now - start, 0) / s->opts.period) + 1;
    double due = fmin(start + steps * s->opts.period, now + s->opts.period);
    const struct timespec until = {(time_t)floor(due), (long)((due - floor(due)) * 1e9)};
    int code = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->quit && code == 0)
        code = pthread_cond_timedwait(&s->wake, &s->lock, &until);
    bool go_on = !s->quit;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static void *run_sampler(void *arg)
{
    eai_sampler *s = arg;
    double start = wall_seconds();
    take_sample(s);
    while (wait_for_next(s, start))
        take_sample(s);
    take_sample(s); /* the end of the work is part of it */
    return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(eai_sampler *s)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&s->thread, NULL, run_sampler, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return code;
}

static eai_status check_opts(eai_sampler_opts *o, eai_error *err)
{
    if (o->period == 0)
        o->period = 1;
    if (o->n_kept == 0)
        o->n_kept = KEPT_DEFAULT;
    if (!(o->period >= PERIOD_MIN && o->period <= PERIOD_MAX))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "a sampler's period of %g s is not within %g to %g", o->period,
                             PERIOD_MIN, PERIOD_MAX);
    if (o->n_kept > KEPT_MAX)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a sampler keeps at most %d samples, not %zu",
                             KEPT_MAX, o->n_kept);
    return EAI_OK;
}

eai_status eai_sampler_start(eai_sampler **out, const eai_sampler_opts *opts, eai_error *err)
{
    *out = NULL;
    eai_sampler_opts checked = *opts;
    EAI_TRY(check_opts(&checked, err));
    eai_sampler *s = eai_alloc_zeroed(1, sizeof(*s));
    if (!s)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a sampler");
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    s->opts = checked;
    eai_status st = eai_meter_create(&s->meter, opts->path, err);
    s->ring = eai_alloc_array(checked.n_kept, sizeof(*s->ring));
    if (st == EAI_OK && !s->ring)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu samples", checked.n_kept);
    if (st == EAI_OK) {
        errno = start_thread(s);
        s->running = errno == 0;
        if (!s->running)
            st = eai_error_set_errno(err, "cannot start a sampler's thread");
    }
    if (st == EAI_OK)
        *out = s;
    else
        eai_sampler_free(s);
    return st;
}

void eai_sampler_stop(eai_sampler *s)
{
    if (!s->running)
        return;
    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    s->running = false;
}

size_t eai_sampler_read(eai_sample *out, size_t n, eai_sampler *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t kept = s->n_taken < s->opts.n_kept ? s->n_taken : s->opts.n_kept;
    uint64_t wanted = n < kept ? n : kept;
    for (uint64_t i = 0; i < wanted; i++)
        out[i] = s->ring[(s->n_taken - wanted + i) % s->opts.n_kept];
    pthread_mutex_unlock(&s->lock);
    return (size_t)wanted;
}

void eai_sampler_get_summary(eai_sample_summary *out, eai_sampler *s)
{
    pthread_mutex_lock(&s->lock);
    *out = s->sum;
    pthread_mutex_unlock(&s->lock);
}

char *eai_sampler_summary_json(eai_sampler *s)
{
    eai_sample_summary sum;
    eai_sampler_get_summary(&sum, s);
    return eai_sample_summary_to_json(&sum);
}

void eai_sampler_free(eai_sampler *s)
{
    if (!s)
        return;
    eai_sampler_stop(s);
    eai_meter_free(s->meter);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    eai_free(s->ring);
    eai_free(s);
}
