/* A meter: readings one after another, of which the differences become samples.
 *
 * Counters are compared with the reading before (rates) or added up since the first (sums), each on
 * its own: one that is absent for a while starts anew, and a counter that goes back, because a core
 * was switched off or a driver loaded again, adds nothing. Energy is added up counter by counter,
 * for each starts again at 0 at its own time. What it does not do: notice that a counter of energy
 * has gone round twice between two samples (a package at 200 W takes some 20 minutes for once).
 * Start at eai_meter_read. */
#include <efficientai/sampler.h>

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>

#include "base/strbuf.h"
#include "machine/files.h"
#include "machine/machine.h"

#include "base/banned.h"

#define JSON_MAX ((size_t)64 << 10)

struct eai_meter {
    machine_reader reader;
    char *path; /* NULL: no disk */
    bool started;
    double first_clock;
    double last_clock;
    double sum[EAI_METRIC_COUNT]; /* of counters, since the first reading */
    machine_reading now;
    machine_reading before;
};

/* ---- The table ------------------------------------------------------------------------------- */

const eai_metric_info *eai_metric_get(eai_metric m)
{
    static const eai_metric_info infos[] = {
#define METRIC_INFO(id, name, kind, unit, what) {name, EAI_METRIC_##kind, unit, what},
        EAI_METRICS(METRIC_INFO)
#undef METRIC_INFO
    };
    return &infos[m];
}

void machine__clear(machine_reading *r)
{
    memset(r, 0, sizeof(*r));
    for (int m = 0; m < EAI_METRIC_COUNT; m++)
        r->value[m] = (double)NAN;
}

/* ---- Differences ----------------------------------------------------------------------------- */

/* The share of the time between two readings that was busy; NAN when none has passed. */
static double load_between(const machine_ticks *before, const machine_ticks *now, uint64_t mask)
{
    uint64_t busy = (now->busy - before->busy) & mask;
    uint64_t idle = (now->idle - before->idle) & mask;
    /* one that went back: a difference that no time between two readings can be */
    if (busy > mask / 2 || idle > mask / 2)
        return (double)NAN;
    return busy + idle > 0 ? (double)busy / (double)(busy + idle) : (double)NAN;
}

static void take_loads(eai_sample *out, const eai_meter *m)
{
    const machine_reading *now = &m->now;
    const machine_reading *before = &m->before;
    if (now->tick_mask == 0 || before->tick_mask == 0)
        return;
    out->value[EAI_METRIC_CPU_LOAD] = load_between(&before->cpu, &now->cpu, now->tick_mask);
    out->n_cores = now->n_cores < before->n_cores ? now->n_cores : before->n_cores;
    for (size_t i = 0; i < out->n_cores; i++)
        out->core_load[i] = (float)load_between(&before->core[i], &now->core[i], now->tick_mask);
}

/* Microjoules since the reading before, of packages or of memory; NAN when there is no counter. */
static double energy_between(const machine_reading *before, const machine_reading *now, bool memory)
{
    double sum = (double)NAN;
    if (before->n_domains != now->n_domains)
        return (double)NAN;
    for (size_t i = 0; i < now->n_domains; i++) {
        const machine_energy *a = &before->domain[i];
        const machine_energy *b = &now->domain[i];
        if (a->is_memory != memory || b->is_memory != memory)
            continue;
        double used = (double)b->microjoules - (double)a->microjoules;
        if (used < 0)
            used = b->range > a->microjoules ? used + (double)b->range : 0;
        sum = isnan(sum) ? used : sum + used;
    }
    return sum;
}

/* Adds to a sum since the start, which begins with the first reading that has the counter. */
static void add_to_sum(eai_meter *m, eai_metric metric, bool there, double more)
{
    if (there && isnan(m->sum[metric]))
        m->sum[metric] = 0;
    if (there && more > 0)
        m->sum[metric] += more;
}

static bool has_energy(const machine_reading *r, bool memory)
{
    for (size_t i = 0; i < r->n_domains; i++) {
        if (r->domain[i].is_memory == memory)
            return true;
    }
    return false;
}

static void take_energy(eai_sample *out, eai_meter *m, double seconds)
{
    double packages = energy_between(&m->before, &m->now, false) / 1e6;
    double memory = energy_between(&m->before, &m->now, true) / 1e6;
    add_to_sum(m, EAI_METRIC_ENERGY, has_energy(&m->now, false), packages);
    add_to_sum(m, EAI_METRIC_MEMORY_ENERGY, has_energy(&m->now, true), memory);
    if (seconds > 0)
        out->value[EAI_METRIC_POWER] = packages / seconds;
}

static void take_values(eai_sample *out, eai_meter *m, double seconds)
{
    for (int i = 0; i < EAI_METRIC_COUNT; i++) {
        double now = m->now.value[i];
        double more = now - m->before.value[i]; /* NAN where one is absent */
        switch (eai_metric_get((eai_metric)i)->kind) {
        case EAI_METRIC_LEVEL:
            out->value[i] = now;
            break;
        case EAI_METRIC_RATE:
            if (seconds > 0 && !isnan(more))
                out->value[i] = more > 0 ? more / seconds : 0;
            break;
        case EAI_METRIC_SUM:
            add_to_sum(m, (eai_metric)i, !isnan(now), more);
            break;
        }
    }
}

static void take_sums(eai_sample *out, const eai_meter *m)
{
    for (int i = 0; i < EAI_METRIC_COUNT; i++) {
        if (eai_metric_get((eai_metric)i)->kind == EAI_METRIC_SUM)
            out->value[i] = m->sum[i];
    }
}

/* ---- The meter ------------------------------------------------------------------------------- */

eai_status machine__meter_create(eai_meter **out, const machine_reader *reader, const char *path,
                                 eai_error *err)
{
    struct statvfs disk;
    *out = NULL;
    if (path && statvfs(path, &disk) != 0)
        return eai_error_set_errno(err, "cannot tell the free space at '%s'", path);
    eai_meter *m = eai_alloc_zeroed(1, sizeof(*m));
    if (!m)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to measure the machine");
    m->reader = *reader;
    m->path = path ? eai_strdup(path) : NULL;
    if (path && !m->path) {
        eai_free(m);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to measure the machine");
    }
    machine__clear(&m->before);
    for (int i = 0; i < EAI_METRIC_COUNT; i++)
        m->sum[i] = (double)NAN;
    *out = m;
    return EAI_OK;
}

eai_status eai_meter_create(eai_meter **out, const char *path, eai_error *err)
{
    const char *root = machine__root();
    const machine_reader reader = *root ? machine__recorded_reader(root) : machine__system_reader();
    return machine__meter_create(out, &reader, path, err);
}

void eai_meter_free(eai_meter *m)
{
    if (!m)
        return;
    eai_free(m->path);
    eai_free(m);
}

static void take_disk(eai_sample *out, const char *path)
{
    struct statvfs disk;
    if (!path || statvfs(path, &disk) != 0)
        return;
    out->value[EAI_METRIC_DISK_FREE] = (double)disk.f_bavail * (double)disk.f_frsize;
    out->value[EAI_METRIC_DISK_TOTAL] = (double)disk.f_blocks * (double)disk.f_frsize;
}

void eai_meter_read(eai_sample *out, eai_meter *m)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    m->reader.read(&m->now, &m->reader);
    double clock = m->reader.clock ? m->reader.clock(&m->reader) : eai_clock_seconds();
    if (!m->started) {
        m->first_clock = clock;
        m->last_clock = clock;
        m->started = true;
    }
    double seconds = clock - m->last_clock;

    memset(out, 0, sizeof(*out));
    for (int i = 0; i < EAI_METRIC_COUNT; i++)
        out->value[i] = (double)NAN;
    out->time = (double)wall.tv_sec + 1e-9 * (double)wall.tv_nsec;
    out->elapsed = clock - m->first_clock;
    take_values(out, m, seconds);
    take_loads(out, m);
    take_energy(out, m, seconds);
    take_sums(out, m);
    take_disk(out, m->path);
    out->n_temperatures = m->now.n_temperatures;
    memcpy(out->temperature, m->now.temperature, sizeof(out->temperature));
    m->before = m->now;
    m->last_clock = clock;
}

/* ---- As JSON --------------------------------------------------------------------------------- */

/* Three digits behind the point are more than any sensor has; bytes are whole. */
static void put_number(eai_strbuf *b, double value)
{
    eai_strbuf_json_number(b, fabs(value) < 1e12 ? round(value * 1000) / 1000 : value);
}

static void put_cores(eai_strbuf *b, const eai_sample *s)
{
    if (s->n_cores == 0)
        return;
    eai_strbuf_text(b, ",\"core_load\":[");
    for (size_t i = 0; i < s->n_cores; i++) {
        eai_strbuf_text(b, i ? "," : "");
        put_number(b, (double)s->core_load[i]);
    }
    eai_strbuf_char(b, ']');
}

static void put_temperatures(eai_strbuf *b, const eai_sample *s)
{
    if (s->n_temperatures == 0)
        return;
    eai_strbuf_text(b, ",\"temperatures\":[");
    for (size_t i = 0; i < s->n_temperatures; i++) {
        eai_strbuf_text(b, i ? ",{\"label\":" : "{\"label\":");
        eai_strbuf_json_string(b, s->temperature[i].label);
        eai_strbuf_text(b, ",\"celsius\":");
        put_number(b, s->temperature[i].celsius);
        eai_strbuf_char(b, '}');
    }
    eai_strbuf_char(b, ']');
}

char *eai_sample_to_json(const eai_sample *s)
{
    eai_strbuf b = EAI_STRBUF_INIT(JSON_MAX);
    eai_strbuf_text(&b, "{\"time\":");
    put_number(&b, s->time);
    eai_strbuf_text(&b, ",\"elapsed\":");
    put_number(&b, s->elapsed);
    for (int i = 0; i < EAI_METRIC_COUNT; i++) {
        if (isnan(s->value[i]))
            continue;
        eai_strbuf_printf(&b, ",\"%s\":", eai_metric_get((eai_metric)i)->name);
        put_number(&b, s->value[i]);
    }
    put_cores(&b, s);
    put_temperatures(&b, s);
    eai_strbuf_char(&b, '}');
    char *text = eai_strbuf_take(&b, NULL);
    eai_strbuf_deinit(&b);
    return text;
}

/* ---- Summaries ------------------------------------------------------------------------------- */

void eai_sample_summary_add(eai_sample_summary *sum, const eai_sample *s)
{
    sum->n_samples++;
    sum->seconds = s->elapsed;
    for (int i = 0; i < EAI_METRIC_COUNT; i++) {
        double v = s->value[i];
        if (isnan(v))
            continue;
        bool first = sum->metric[i].n++ == 0;
        sum->metric[i].min = first || v < sum->metric[i].min ? v : sum->metric[i].min;
        sum->metric[i].max = first || v > sum->metric[i].max ? v : sum->metric[i].max;
        sum->metric[i].mean =
            first ? v : sum->metric[i].mean + (v - sum->metric[i].mean) / (double)sum->metric[i].n;
        sum->metric[i].last = v;
    }
}

/* Only its end says something. */
static bool is_constant(eai_metric m)
{
    return eai_metric_get(m)->kind == EAI_METRIC_SUM || m == EAI_METRIC_MEMORY_TOTAL ||
           m == EAI_METRIC_SWAP_TOTAL || m == EAI_METRIC_GROUP_MEMORY_LIMIT ||
           m == EAI_METRIC_DISK_TOTAL || m == EAI_METRIC_GPU_MEMORY_TOTAL;
}

char *eai_sample_summary_to_json(const eai_sample_summary *sum)
{
    eai_strbuf b = EAI_STRBUF_INIT(JSON_MAX);
    eai_strbuf_printf(&b, "{\"samples\":%llu,\"seconds\":", (unsigned long long)sum->n_samples);
    put_number(&b, sum->seconds);
    for (int i = 0; i < EAI_METRIC_COUNT; i++) {
        if (sum->metric[i].n == 0)
            continue;
        eai_strbuf_printf(&b, ",\"%s\":", eai_metric_get((eai_metric)i)->name);
        if (is_constant((eai_metric)i)) {
            put_number(&b, sum->metric[i].last);
            continue;
        }
        eai_strbuf_text(&b, "{\"mean\":");
        put_number(&b, sum->metric[i].mean);
        eai_strbuf_text(&b, ",\"min\":");
        put_number(&b, sum->metric[i].min);
        eai_strbuf_text(&b, ",\"max\":");
        put_number(&b, sum->metric[i].max);
        eai_strbuf_char(&b, '}');
    }
    eai_strbuf_char(&b, '}');
    char *text = eai_strbuf_take(&b, NULL);
    eai_strbuf_deinit(&b);
    return text;
}
