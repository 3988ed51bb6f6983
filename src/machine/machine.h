/* What the files of this layer share: one interface, behind which each system has its file.
 *
 *     hardware.c    facts, found once: what is the same everywhere
 *     features.c    instruction sets and the processor's name, by the processor itself
 *     linux.c       facts of Linux, from /proc and /sys below a root
 *     reading.c     one reading of Linux's counters and gauges, likewise
 *     apple.c       facts and a reading from what macOS answers (apple.h); compiled everywhere
 *     macos.c       asking macOS; the one file that only a Mac compiles
 *     meter.c       two readings become a sample
 *     sampler.c     samples on a thread of their own, and what they come to */
#ifndef EAI_MACHINE_MACHINE_H
#define EAI_MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/hardware.h>
#include <efficientai/sampler.h>

/* ---- Facts ----------------------------------------------------------------------------------- */

/* Instruction sets and, where the processor says it, its name. */
void machine__detect_processor(eai_hardware *h);

/* Everything that the system knows. h->cores: CPUs in the affinity mask, h->machine_cores: those
 * that are switched on; 0 when unknown. `root` as in files.h. */
void machine__detect_system(eai_hardware *h, const char *root);

uint64_t machine__memory_available(const char *root);
eai_thermal machine__thermal(void);

/* ---- A reading ------------------------------------------------------------------------------- */

#define MACHINE_DOMAINS 16

/* Time that a CPU was busy and idle, in ticks of any length. Counters that are `mask` wide. */
typedef struct machine_ticks {
    uint64_t busy;
    uint64_t idle;
} machine_ticks;

/* A counter of energy: it starts again at 0 behind `range` (0: never). */
typedef struct machine_energy {
    bool is_memory; /* beside the packages, not within */
    uint64_t microjoules;
    uint64_t range;
} machine_energy;

/* What is said at one moment. Of a metric that is a rate or a sum since the start, value[] is the
 * counter (sampler.h says which are); NAN is absent. */
typedef struct machine_reading {
    double value[EAI_METRIC_COUNT];
    uint64_t tick_mask; /* 0: no ticks */
    machine_ticks cpu;
    size_t n_cores;
    machine_ticks core[EAI_SAMPLE_CORES];
    size_t n_domains;
    machine_energy domain[MACHINE_DOMAINS];
    size_t n_temperatures;
    eai_temperature temperature[EAI_SAMPLE_TEMPERATURES];
} machine_reading;

/* Where readings come from; tests have others. */
typedef struct machine_reader {
    void (*read)(machine_reading *out, const struct machine_reader *self);
    double (*clock)(const struct machine_reader *self); /* seconds; NULL: eai_clock_seconds() */
    const char *root;
    const void *ud;
} machine_reader;

/* All absent. */
void machine__clear(machine_reading *r);

/* What Linux says below `root`; compiled everywhere, for records of machines are replayed there. */
void machine__read_linux(machine_reading *r, const char *root);

machine_reader machine__recorded_reader(const char *root);

/* Of this machine. */
machine_reader machine__system_reader(void);

/* ---- A meter of any reader ------------------------------------------------------------------- */

EAI_CHECKED eai_status machine__meter_create(eai_meter **out, const machine_reader *reader,
                                             const char *path, eai_error *err);

#endif
