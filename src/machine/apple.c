/* Facts and readings of a Mac, from what it answered. Start at apple__read. */
#include "machine/apple.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

const apple_state apple__silence = {.free_pages = -1,
                                    .inactive_pages = -1,
                                    .purgeable_pages = -1,
                                    .compressor_pages = -1,
                                    .swapped_in_pages = -1,
                                    .swapped_out_pages = -1,
                                    .page_bytes = -1,
                                    .memory_bytes = -1,
                                    .swap_total = -1,
                                    .swap_used = -1,
                                    .pressure_level = -1,
                                    .thermal_level = -1,
                                    .load_average = -1,
                                    .process_seconds = -1,
                                    .process_memory = -1,
                                    .gpu_memory = -1,
                                    .gpu_percent = -1};

void apple__detect(eai_hardware *h, const apple_facts *f)
{
    snprintf(h->cpu, sizeof(h->cpu), "%s", f->brand);
    snprintf(h->model, sizeof(h->model), "%s", f->model);
    if (f->version[0])
        snprintf(h->distribution, sizeof(h->distribution), "macOS %s", f->version);
    if (f->vmm_present)
        snprintf(h->virtualization, sizeof(h->virtualization), "a hypervisor");
    h->memory_bytes = f->memory;
    h->page_bytes = f->page;
    h->swap_bytes = f->swap_total;
    h->cores = (int)f->active_cpus;
    h->physical_cores = (int)f->physical_cpus;
    h->sockets = (int)f->packages;
    h->numa_nodes = 1;
    h->performance_cores = (int)f->performance_cores;
    h->efficiency_cores = (int)f->efficiency_cores;
    bool levels = f->l1d[0] && f->l2[0]; /* else one kind of cores; Apple silicon: the slow ones */
    h->l1d_bytes = f->l1d[levels ? 0 : 1];
    h->l2_bytes = f->l2[levels ? 0 : 1];
    h->l3_bytes = f->l3;
    h->apple_silicon = f->arm64;
}

uint64_t apple__memory_available(const apple_state *s)
{
    if (s->free_pages < 0 || s->page_bytes < 0)
        return 0;
    return (uint64_t)((s->free_pages + s->inactive_pages + s->purgeable_pages) * s->page_bytes);
}

/* What the system publishes: 0 nominal, 1 moderate, 2 heavy, 3 trapping, 4 sleeping. */
eai_thermal apple__thermal(int level)
{
    static const eai_thermal levels[] = {EAI_THERMAL_NOMINAL, EAI_THERMAL_FAIR, EAI_THERMAL_SERIOUS,
                                         EAI_THERMAL_CRITICAL, EAI_THERMAL_CRITICAL};
    bool known = level >= 0 && (size_t)level < sizeof(levels) / sizeof(levels[0]);
    return known ? levels[level] : EAI_THERMAL_UNKNOWN;
}

static void read_ticks(machine_reading *r, const apple_state *s)
{
    for (int i = 0; i < s->n_cpus && i < EAI_SAMPLE_CORES; i++) {
        uint64_t busy = (uint64_t)s->cpu[i].user + s->cpu[i].system + s->cpu[i].nice;
        r->core[i] = (machine_ticks){busy, s->cpu[i].idle};
        r->cpu.busy += busy;
        r->cpu.idle += s->cpu[i].idle;
        r->n_cores = (size_t)i + 1;
    }
    /* a sum of counters modulo 2^32 is right modulo 2^32 */
    r->tick_mask = s->n_cpus > 0 ? UINT32_MAX : 0;
}

void apple__read(machine_reading *r, const apple_state *s)
{
    const struct {
        eai_metric metric;
        double value;
        double scale;
    } rows[] = {
        {EAI_METRIC_MEMORY_TOTAL, s->memory_bytes, 1},
        {EAI_METRIC_MEMORY_AVAILABLE, s->free_pages < 0 ? -1 : (double)apple__memory_available(s),
         1},
        {EAI_METRIC_MEMORY_COMPRESSED, s->compressor_pages, s->page_bytes},
        {EAI_METRIC_MEMORY_LEVEL, s->pressure_level, 1},
        {EAI_METRIC_SWAP_TOTAL, s->swap_total, 1},
        {EAI_METRIC_SWAP_USED, s->swap_used, 1},
        {EAI_METRIC_SWAP_IN, s->swapped_in_pages, s->page_bytes},
        {EAI_METRIC_SWAP_OUT, s->swapped_out_pages, s->page_bytes},
        {EAI_METRIC_LOAD_AVERAGE, s->load_average, 1},
        {EAI_METRIC_PROCESS_LOAD, s->process_seconds, 1},
        {EAI_METRIC_PROCESS_MEMORY, s->process_memory, 1},
        {EAI_METRIC_GPU_MEMORY, s->gpu_memory, 1},
        {EAI_METRIC_GPU_LOAD, s->gpu_percent, 0.01},
    };
    machine__clear(r);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value >= 0 && rows[i].scale > 0)
            r->value[rows[i].metric] = rows[i].value * rows[i].scale;
    }
    if (apple__thermal(s->thermal_level) != EAI_THERMAL_UNKNOWN)
        r->value[EAI_METRIC_THERMAL_STATE] = apple__thermal(s->thermal_level);
    read_ticks(r, s);
}
