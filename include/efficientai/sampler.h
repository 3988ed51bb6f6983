/* How the machine is doing: load, memory, pressure, heat, energy, now and over a run.
 *
 * Use:
 *     eai_sampler *s = NULL;
 *     EAI_TRY(eai_sampler_start(&s, &(eai_sampler_opts){.period = 1}, err));
 *     ... work ...
 *     eai_sampler_stop(s);                                   // from here on only reading
 *     char *text = eai_sampler_summary_json(s);              // for a report
 *     eai_sampler_free(s);
 *
 *     eai_meter *m = NULL;                                   // or by hand, without a thread
 *     EAI_TRY(eai_meter_create(&m, NULL, err));
 *     eai_meter_read(&sample, m);
 *     if (!isnan(sample.value[EAI_METRIC_POWER])) ...
 *
 * A value that cannot be read is NAN, never 0 and never guessed: a container sees no temperatures,
 * energy counters of Linux are for root alone unless the machine's owner says otherwise, a Mac has
 * no pressure stalls. Sources: Documentation/accounting/psi, ABI/testing/sysfs-class-powercap,
 * hwmon/sysfs-interface, admin-guide/cgroup-v2 of the kernel; sysctl(3), host_statistics64,
 * notify(3), IOKit on macOS.
 *
 * Cost: some 0.2 to 1 ms of one core a sample. Thread-safety: a meter belongs to one thread at a
 * time; a sampler may be asked from any thread while it runs. */
#ifndef EAI_SAMPLER_H
#define EAI_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eai_metric_kind {
    EAI_METRIC_LEVEL, /* as it is now */
    EAI_METRIC_RATE,  /* of a counter, a second, since the sample before; the first has none */
    EAI_METRIC_SUM    /* of a counter, since the first sample */
} eai_metric_kind;

/* clang-format off */
/*                ENUM                 name                     kind   unit      what it is                     */
#define EAI_METRICS(X)                                                                                           \
    X(CPU_LOAD,            "cpu_load",              LEVEL, "1",     "of all CPUs, 0 to 1, since the sample before") \
    X(PROCESS_LOAD,        "process_cores",         RATE,  "cores", "that this process keeps busy")               \
    X(LOAD_AVERAGE,        "load_average",          LEVEL, "1",     "tasks that run or wait, over a minute")      \
    X(FREQUENCY,           "cpu_mhz",               LEVEL, "MHz",   "mean of the CPUs")                           \
    X(FREQUENCY_MAX,       "cpu_mhz_max",           LEVEL, "MHz",   "of the fastest CPU now")                     \
    X(MEMORY_TOTAL,        "memory_total",          LEVEL, "bytes", "of the machine")                             \
    X(MEMORY_AVAILABLE,    "memory_available",      LEVEL, "bytes", "for new work, without swapping")             \
    X(MEMORY_COMPRESSED,   "memory_compressed",     LEVEL, "bytes", "that compressed memory takes (macOS)")       \
    X(MEMORY_LEVEL,        "memory_pressure_level", LEVEL, "1",     "1 normal, 2 warning, 4 critical (macOS)")    \
    X(PROCESS_MEMORY,      "process_memory",        LEVEL, "bytes", "resident memory of this process")            \
    X(SWAP_TOTAL,          "swap_total",            LEVEL, "bytes", "of the machine")                             \
    X(SWAP_USED,           "swap_used",             LEVEL, "bytes", "of it")                                      \
    X(SWAP_IN,             "swap_in",               RATE,  "bytes/s", "read back")                                \
    X(SWAP_OUT,            "swap_out",              RATE,  "bytes/s", "written out")                              \
    X(CPU_SOME,            "pressure_cpu_some",     LEVEL, "%",     "of 10 s in which a task waited for a CPU")   \
    X(MEMORY_SOME,         "pressure_memory_some",  LEVEL, "%",     "of 10 s in which a task waited for memory")  \
    X(MEMORY_FULL,         "pressure_memory_full",  LEVEL, "%",     "of 10 s in which all tasks did")             \
    X(IO_SOME,             "pressure_io_some",      LEVEL, "%",     "the same for disks")                         \
    X(IO_FULL,             "pressure_io_full",      LEVEL, "%",     "likewise")                                   \
    X(GROUP_CPU_SOME,      "group_pressure_cpu_some",    LEVEL, "%", "of the control group, as above")            \
    X(GROUP_MEMORY_SOME,   "group_pressure_memory_some", LEVEL, "%", "likewise")                                  \
    X(GROUP_MEMORY_FULL,   "group_pressure_memory_full", LEVEL, "%", "likewise")                                  \
    X(GROUP_IO_SOME,       "group_pressure_io_some",     LEVEL, "%", "likewise")                                  \
    X(GROUP_IO_FULL,       "group_pressure_io_full",     LEVEL, "%", "likewise")                                  \
    X(GROUP_MEMORY,        "group_memory",          LEVEL, "bytes", "of the control group, caches of files too")  \
    X(GROUP_MEMORY_LIMIT,  "group_memory_limit",    LEVEL, "bytes", "of the control group")                       \
    X(GROUP_THROTTLED,     "group_throttled",       SUM,   "s",     "that the CPU quota stopped the group")       \
    X(TEMPERATURE,         "cpu_temperature",       LEVEL, "C",     "of the processor's hottest sensor")          \
    X(THERMAL_STATE,       "thermal_state",         LEVEL, "1",     "eai_thermal as a number (macOS)")            \
    X(THROTTLES,           "cpu_throttles",         SUM,   "1",     "times that heat slowed a core or package")   \
    X(ENERGY,              "cpu_energy",            SUM,   "J",     "of the processor's packages")                \
    X(POWER,               "cpu_power",             RATE,  "W",     "likewise")                                   \
    X(MEMORY_ENERGY,       "memory_energy",         SUM,   "J",     "of memory, where it is counted apart")       \
    X(BATTERY,             "battery",               LEVEL, "%",     "that is left")                               \
    X(BATTERY_POWER,       "battery_power",         LEVEL, "W",     "drawn from the battery")                     \
    X(DISK_FREE,           "disk_free",             LEVEL, "bytes", "for this user, where the path given lies")   \
    X(DISK_TOTAL,          "disk_total",            LEVEL, "bytes", "of that file system")                        \
    X(GPU_LOAD,            "gpu_load",              LEVEL, "1",     "0 to 1")                                     \
    X(GPU_MEMORY,          "gpu_memory",            LEVEL, "bytes", "in use")                                     \
    X(GPU_MEMORY_TOTAL,    "gpu_memory_total",      LEVEL, "bytes", "of the GPU's own memory")                    \
    X(GPU_POWER,           "gpu_power",             LEVEL, "W",     "of the GPU")
/* clang-format on */

typedef enum eai_metric {
#define EAI_METRIC_ENUM(id, name, kind, unit, what) EAI_METRIC_##id,
    EAI_METRICS(EAI_METRIC_ENUM)
#undef EAI_METRIC_ENUM
        EAI_METRIC_COUNT
} eai_metric;

/* A row of the table above; static. */
typedef struct eai_metric_info {
    const char *name;
    eai_metric_kind kind;
    const char *unit;
    const char *what;
} eai_metric_info;
EAI_API const eai_metric_info *eai_metric_get(eai_metric m);

#define EAI_SAMPLE_CORES        128 /* CPUs that are told apart; further ones only count in sums */
#define EAI_SAMPLE_TEMPERATURES 24

typedef struct eai_temperature {
    char label[48]; /* "coretemp Package id 0", "thermal_zone x86_pkg_temp" */
    double celsius;
} eai_temperature;

typedef struct eai_sample {
    double time;                    /* seconds since 1970 */
    double elapsed;                 /* seconds since the first sample */
    double value[EAI_METRIC_COUNT]; /* NAN: cannot be read */
    size_t n_cores;
    float core_load[EAI_SAMPLE_CORES]; /* 0 to 1, NAN for a CPU that is off; none in the first */
    size_t n_temperatures;
    eai_temperature temperature[EAI_SAMPLE_TEMPERATURES];
} eai_sample;

/* One JSON object, without the values that are absent and without an end of line. New memory
 * (eai_free), NULL when there is none. */
EAI_API char *eai_sample_to_json(const eai_sample *sample);

/* ---- By hand --------------------------------------------------------------------------------- */

typedef struct eai_meter eai_meter;

/* `path`: where the free space of the disk is wanted, or NULL. */
EAI_API EAI_CHECKED eai_status eai_meter_create(eai_meter **out, const char *path, eai_error *err);
EAI_API void eai_meter_read(eai_sample *out, eai_meter *m);
EAI_API void eai_meter_free(eai_meter *m); /* NULL is fine */

/* ---- A summary ------------------------------------------------------------------------------- */

/* What samples came to. */
typedef struct eai_sample_summary {
    uint64_t n_samples;
    double seconds; /* from the first to the last */
    struct {
        uint64_t n; /* samples that have it; 0: min, max, mean and last mean nothing */
        double min, max, mean, last;
    } metric[EAI_METRIC_COUNT];
} eai_sample_summary;

EAI_API void eai_sample_summary_add(eai_sample_summary *sum, const eai_sample *sample);

/* {"samples":9,"seconds":8.0,"cpu_load":{"mean":..,"min":..,"max":..},"cpu_energy":12.5,...}: of a
 * sum only its end, of totals and limits only the last. New memory; NULL when there is none. */
EAI_API char *eai_sample_summary_to_json(const eai_sample_summary *sum);

/* ---- On a thread ----------------------------------------------------------------------------- */

typedef struct eai_sampler eai_sampler;

/* Zero is the default. */
typedef struct eai_sampler_opts {
    double period;    /* seconds between two samples, 0.01 to 86400; 1 */
    size_t n_kept;    /* the last so many samples can be read; 120, at most 100000 */
    const char *path; /* as for a meter */
    void (*take)(void *ud, const eai_sample *sample); /* each sample, on the sampler's thread; may
                                                         be NULL. It must not stop the sampler. */
    void *ud;
    bool log; /* each sample is also a line of the log: level info, module "hardware" */
} eai_sampler_opts;

/* The first sample is taken at once. EAI_ERR_ARGUMENT for a period or number out of range. */
EAI_API EAI_CHECKED eai_status eai_sampler_start(eai_sampler **out, const eai_sampler_opts *opts,
                                                 eai_error *err);

/* Takes a last sample and ends the thread; doing it twice is fine. */
EAI_API void eai_sampler_stop(eai_sampler *s);

/* The last n samples that are kept, oldest first; returns how many. */
EAI_API size_t eai_sampler_read(eai_sample *out, size_t n, eai_sampler *s);
EAI_API void eai_sampler_get_summary(eai_sample_summary *out, eai_sampler *s);
EAI_API char *eai_sampler_summary_json(eai_sampler *s); /* new memory, NULL when there is none */
EAI_API void eai_sampler_free(eai_sampler *s);          /* stops it; NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
