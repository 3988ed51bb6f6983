/* One reading of Linux's counters and gauges: CPU time, memory, pressure, heat, energy.
 *
 * Each source is a function that sets what it finds and leaves the rest absent; the table at the
 * end is the order. What it does not do: differences (meter.c) and disks, which no file tells.
 * Values of sensors are taken when they can be true: broken ones say 0, -1 or 65535. Start at
 * machine__read_linux. */
#include "machine/machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/cgroup.h"
#include "machine/files.h"

#include "base/banned.h"

#define LINE_BYTES 1024
#define PATH_BYTES 1024
#define CPUS_MAX   1024
#define ENTRIES    64 /* of a folder of sensors; further ones are not looked at */
#define SENSORS    64 /* of one chip */

#define CPU_FOLDER "/sys/devices/system/cpu"

static void set(machine_reading *r, eai_metric m, bool there, double value)
{
    if (there)
        r->value[m] = value;
}

/* ---- CPU time -------------------------------------------------------------------------------- */

/* "cpu3 user nice system idle iowait irq softirq steal ...": what waits for a disk is idle. Guests'
 * time is within user's. */
static bool parse_ticks(machine_ticks *out, const char *text)
{
    uint64_t n[8] = {0};
    int count = 0;
    for (char *end; count < 8; text = end) {
        n[count] = strtoull(text, &end, 10);
        if (end == text)
            break;
        count++;
    }
    *out = (machine_ticks){n[0] + n[1] + n[2] + n[5] + n[6] + n[7], n[3] + n[4]};
    return count >= 4;
}

static void read_ticks(machine_reading *r, const char *root)
{
    char line[LINE_BYTES];
    FILE *f = machine__open(root, "/proc/stat");
    while (f && fgets(line, sizeof(line), f) && strncmp(line, "cpu", 3) == 0) {
        char *end = line + 3;
        if (*end == ' ') {
            if (parse_ticks(&r->cpu, end))
                r->tick_mask = UINT64_MAX;
            continue;
        }
        long cpu = strtol(line + 3, &end, 10);
        if (cpu < 0 || cpu >= EAI_SAMPLE_CORES || !parse_ticks(&r->core[cpu], end))
            continue;
        if ((size_t)cpu >= r->n_cores) /* those between are switched off: no ticks, no load */
            r->n_cores = (size_t)cpu + 1;
    }
    if (f)
        fclose(f);
}

/* utime and stime are the 12th and 13th word behind the name, which may hold anything. Their sum in
 * ticks; -1: the line is no such line. */
static double parse_process_ticks(const char *line)
{
    const char *at = strrchr(line, ')');
    double sum = 0;

    for (int word = 1; at && word <= 13; word++) {
        at = strchr(at + 1, ' ');
        if (!at || word < 12)
            continue;
        char *end;
        unsigned long long ticks = strtoull(at + 1, &end, 10);
        if (end == at + 1)
            return -1;
        sum += (double)ticks;
    }
    return at ? sum : -1;
}

static void read_process(machine_reading *r, const char *root)
{
    char line[LINE_BYTES];
    int64_t kilobytes;
    if (machine__read_text(line, sizeof(line), root, "/proc/self/stat")) {
        long a_second = sysconf(_SC_CLK_TCK);
        double ticks = parse_process_ticks(line);
        set(r, EAI_METRIC_PROCESS_LOAD, a_second > 0 && ticks >= 0, ticks / (double)a_second);
    }
    FILE *f = machine__open(root, "/proc/self/status");
    if (machine__find_number(&kilobytes, f, "VmRSS"))
        r->value[EAI_METRIC_PROCESS_MEMORY] = (double)kilobytes * 1024;
    if (f)
        fclose(f);
    if (machine__read_text(line, sizeof(line), root, "/proc/loadavg")) {
        char *end;
        double load = strtod(line, &end);
        set(r, EAI_METRIC_LOAD_AVERAGE, end != line && isfinite(load) && load >= 0, load);
    }
}

static void read_frequencies(machine_reading *r, const char *root)
{
    int cpus[CPUS_MAX];
    double sum = 0;
    double most = 0;
    int count = 0;
    size_t n = machine__list_numbers(cpus, CPUS_MAX, root, CPU_FOLDER, "cpu");
    for (size_t i = 0; i < n; i++) {
        int64_t khz;
        if (!machine__read_number(&khz, root, CPU_FOLDER "/cpu%d/cpufreq/scaling_cur_freq",
                                  cpus[i]) ||
            khz <= 0)
            continue;
        sum += (double)khz / 1000;
        most = fmax(most, (double)khz / 1000);
        count++;
    }
    set(r, EAI_METRIC_FREQUENCY, count > 0, sum / count);
    set(r, EAI_METRIC_FREQUENCY_MAX, count > 0, most);
}

/* Each core counts for itself; a package's count is at each of its CPUs, so the largest is taken.
 */
static void read_throttles(machine_reading *r, const char *root)
{
    int cpus[CPUS_MAX];
    double sum = 0;
    double package = 0;
    bool there = false;
    size_t n = machine__list_numbers(cpus, CPUS_MAX, root, CPU_FOLDER, "cpu");
    for (size_t i = 0; i < n; i++) {
        int64_t times;
        if (machine__read_number(
                &times, root, CPU_FOLDER "/cpu%d/thermal_throttle/core_throttle_count", cpus[i])) {
            sum += (double)times;
            there = true;
        }
        if (machine__read_number(&times, root,
                                 CPU_FOLDER "/cpu%d/thermal_throttle/package_throttle_count",
                                 cpus[i])) {
            package = fmax(package, (double)times);
            there = true;
        }
    }
    set(r, EAI_METRIC_THROTTLES, there, sum + package);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void read_memory(machine_reading *r, const char *root)
{
    static const struct {
        eai_metric metric;
        const char *key;
    } rows[] = {{EAI_METRIC_MEMORY_TOTAL, "MemTotal"},
                {EAI_METRIC_MEMORY_AVAILABLE, "MemAvailable"},
                {EAI_METRIC_SWAP_TOTAL, "SwapTotal"}};
    int64_t n;
    FILE *f = machine__open(root, "/proc/meminfo");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (machine__find_number(&n, f, rows[i].key))
            r->value[rows[i].metric] = (double)n * 1024;
    }
    if (machine__find_number(&n, f, "SwapFree")) /* absent where there is no total */
        r->value[EAI_METRIC_SWAP_USED] = r->value[EAI_METRIC_SWAP_TOTAL] - (double)n * 1024;
    if (f)
        fclose(f);
    double page = (double)sysconf(_SC_PAGESIZE);
    f = machine__open(root, "/proc/vmstat");
    if (machine__find_number(&n, f, "pswpin"))
        r->value[EAI_METRIC_SWAP_IN] = (double)n * page;
    if (machine__find_number(&n, f, "pswpout"))
        r->value[EAI_METRIC_SWAP_OUT] = (double)n * page;
    if (f)
        fclose(f);
}

/* "some avg10=1.25 avg60=0.40 avg300=0.09 total=12345" and a line "full ...". */
static void read_pressure(machine_reading *r, FILE *f, eai_metric some, eai_metric full)
{
    char line[LINE_BYTES];
    while (f && fgets(line, sizeof(line), f)) {
        char *end;
        bool is_full = strncmp(line, "full avg10=", 11) == 0;
        if (!is_full && strncmp(line, "some avg10=", 11) != 0)
            continue;
        double percent = strtod(line + 11, &end);
        if (end != line + 11 && (!is_full || full < EAI_METRIC_COUNT))
            set(r, is_full ? full : some, isfinite(percent), percent);
    }
    if (f)
        fclose(f);
}

static const struct {
    const char *name;
    eai_metric some, full; /* EAI_METRIC_COUNT: of no use */
    eai_metric group_some, group_full;
} pressures[] = {
    {"cpu", EAI_METRIC_CPU_SOME, EAI_METRIC_COUNT, EAI_METRIC_GROUP_CPU_SOME, EAI_METRIC_COUNT},
    {"memory", EAI_METRIC_MEMORY_SOME, EAI_METRIC_MEMORY_FULL, EAI_METRIC_GROUP_MEMORY_SOME,
     EAI_METRIC_GROUP_MEMORY_FULL},
    {"io", EAI_METRIC_IO_SOME, EAI_METRIC_IO_FULL, EAI_METRIC_GROUP_IO_SOME,
     EAI_METRIC_GROUP_IO_FULL},
};
#define N_PRESSURES (sizeof(pressures) / sizeof(pressures[0]))

static void read_pressures(machine_reading *r, const char *root)
{
    for (size_t i = 0; i < N_PRESSURES; i++)
        read_pressure(r, machine__open(root, "/proc/pressure/%s", pressures[i].name),
                      pressures[i].some, pressures[i].full);
}

/* The control group of this process, in version 2. */
static void read_group(machine_reading *r, const char *root)
{
    char folder[PATH_BYTES];
    int64_t n;
    if (!cgroup__folder(folder, sizeof(folder), root))
        return;
    for (size_t i = 0; i < N_PRESSURES; i++)
        read_pressure(r, machine__open("", "%s/%s.pressure", folder, pressures[i].name),
                      pressures[i].group_some, pressures[i].group_full);
    machine__read_scaled(&r->value[EAI_METRIC_GROUP_MEMORY], 1, "", "%s/memory.current", folder);
    machine__read_scaled(&r->value[EAI_METRIC_GROUP_MEMORY_LIMIT], 1, "", "%s/memory.max", folder);
    FILE *f = machine__open("", "%s/cpu.stat", folder);
    if (machine__find_number(&n, f, "throttled_usec"))
        r->value[EAI_METRIC_GROUP_THROTTLED] = (double)n / 1e6;
    if (f)
        fclose(f);
}

/* ---- Heat ------------------------------------------------------------------------------------ */

/* Sensors of processors, by what their drivers and zones are called. */
static bool is_of_cpu(const char *chip)
{
    static const char *const names[] = {"coretemp",    "k10temp",     "zenpower",
                                        "cpu_thermal", "cpu-thermal", "x86_pkg_temp",
                                        "soc_thermal", "soc-thermal"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(chip, names[i]) == 0)
            return true;
    }
    return false;
}

static void add_temperature(machine_reading *r, const char *chip, const char *label, int64_t milli)
{
    double celsius = (double)milli / 1000;
    if (celsius <= -50 || celsius >= 150 || milli == 0)
        return;
    if (is_of_cpu(chip) && !(celsius <= r->value[EAI_METRIC_TEMPERATURE]))
        r->value[EAI_METRIC_TEMPERATURE] = celsius;
    if (r->n_temperatures == EAI_SAMPLE_TEMPERATURES)
        return;
    eai_temperature *t = &r->temperature[r->n_temperatures++];
    snprintf(t->label, sizeof(t->label), "%.20s%s%.24s", chip, *label ? " " : "", label);
    t->celsius = celsius;
}

static void read_chip(machine_reading *r, const char *root, int chip)
{
    static const char base[] = "/sys/class/hwmon/hwmon";
    char name[32];
    int64_t n;
    if (!machine__read_text(name, sizeof(name), root, "%s%d/name", base, chip))
        return;
    for (int i = 1; i <= SENSORS; i++) {
        char label[48];
        if (!machine__read_number(&n, root, "%s%d/temp%d_input", base, chip, i))
            continue;
        machine__read_text(label, sizeof(label), root, "%s%d/temp%d_label", base, chip, i);
        add_temperature(r, name, label, n);
    }
    bool gpu = strcmp(name, "amdgpu") == 0 || strcmp(name, "i915") == 0 || strcmp(name, "xe") == 0;
    double *power = &r->value[EAI_METRIC_GPU_POWER];
    if (gpu && !machine__read_scaled(power, 1e-6, root, "%s%d/power1_average", base, chip))
        machine__read_scaled(power, 1e-6, root, "%s%d/power1_input", base, chip);
}

static void read_sensors(machine_reading *r, const char *root)
{
    int numbers[ENTRIES];
    int64_t n;
    size_t count = machine__list_numbers(numbers, ENTRIES, root, "/sys/class/hwmon", "hwmon");
    for (size_t i = 0; i < count; i++)
        read_chip(r, root, numbers[i]);
    count = machine__list_numbers(numbers, ENTRIES, root, "/sys/class/thermal", "thermal_zone");
    for (size_t i = 0; i < count; i++) {
        char type[32];
        if (machine__read_text(type, sizeof(type), root, "/sys/class/thermal/thermal_zone%d/type",
                               numbers[i]) &&
            machine__read_number(&n, root, "/sys/class/thermal/thermal_zone%d/temp", numbers[i]))
            add_temperature(r, type, "zone", n);
    }
}

/* ---- Energy ---------------------------------------------------------------------------------- */

static void read_domain(machine_reading *r, const char *root, const char *folder)
{
    char name[32];
    int64_t energy;
    int64_t range = 0;
    bool package;
    if (r->n_domains == MACHINE_DOMAINS ||
        !machine__read_text(name, sizeof(name), root, "%s/name", folder))
        return;
    package = strncmp(name, "package", 7) == 0;
    if ((!package && strcmp(name, "dram") != 0) ||
        !machine__read_number(&energy, root, "%s/energy_uj", folder) || energy < 0)
        return;
    machine__read_number(&range, root, "%s/max_energy_range_uj", folder);
    r->domain[r->n_domains++] = (machine_energy){!package, (uint64_t)energy, (uint64_t)range};
}

/* RAPL: intel-rapl:N is a package (AMD's too) or the whole platform, intel-rapl:N:M a part of it,
 * memory among them. intel-rapl-mmio has the same packages again. */
static void read_energy(machine_reading *r, const char *root)
{
    static const char base[] = "/sys/class/powercap";
    int packages[ENTRIES];
    int parts[ENTRIES];
    char folder[128];
    char prefix[64];
    size_t n = machine__list_numbers(packages, ENTRIES, root, base, "intel-rapl:");
    for (size_t i = 0; i < n; i++) {
        snprintf(folder, sizeof(folder), "%s/intel-rapl:%d", base, packages[i]);
        read_domain(r, root, folder);
        snprintf(prefix, sizeof(prefix), "intel-rapl:%d:", packages[i]);
        size_t m = machine__list_numbers(parts, ENTRIES, root, base, prefix);
        for (size_t k = 0; k < m; k++) {
            snprintf(folder, sizeof(folder), "%s/%s%d", base, prefix, parts[k]);
            read_domain(r, root, folder);
        }
    }
}

/* The first battery; its power while it is drawn from. */
static void read_battery(machine_reading *r, const char *root)
{
    static const char base[] = "/sys/class/power_supply";
    int numbers[ENTRIES];
    char status[32];
    double watts = (double)NAN;
    double amperes = (double)NAN;
    double volts = (double)NAN;
    if (machine__list_numbers(numbers, ENTRIES, root, base, "BAT") == 0)
        return;
    int i = numbers[0];
    machine__read_scaled(&r->value[EAI_METRIC_BATTERY], 1, root, "%s/BAT%d/capacity", base, i);
    if (!machine__read_text(status, sizeof(status), root, "%s/BAT%d/status", base, i) ||
        strcmp(status, "Discharging") != 0)
        return;
    machine__read_scaled(&amperes, 1e-6, root, "%s/BAT%d/current_now", base, i);
    machine__read_scaled(&volts, 1e-6, root, "%s/BAT%d/voltage_now", base, i);
    if (!machine__read_scaled(&watts, 1e-6, root, "%s/BAT%d/power_now", base, i))
        watts = amperes * volts; /* absent where one is */
    r->value[EAI_METRIC_BATTERY_POWER] = fabs(watts);
}

/* The first card that says anything. */
static void read_gpu(machine_reading *r, const char *root)
{
    static const char base[] = "/sys/class/drm";
    static const struct {
        const char *name;
        eai_metric metric;
        double scale;
    } files[] = {{"gpu_busy_percent", EAI_METRIC_GPU_LOAD, 0.01},
                 {"mem_info_vram_used", EAI_METRIC_GPU_MEMORY, 1},
                 {"mem_info_vram_total", EAI_METRIC_GPU_MEMORY_TOTAL, 1}};
    int numbers[ENTRIES];
    size_t count = machine__list_numbers(numbers, ENTRIES, root, base, "card");
    bool there = false;
    for (size_t i = 0; i < count && !there; i++) {
        for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++)
            there |= machine__read_scaled(&r->value[files[k].metric], files[k].scale, root,
                                          "%s/card%d/device/%s", base, numbers[i], files[k].name);
    }
}

void machine__read_linux(machine_reading *r, const char *root)
{
    static void (*const sources[])(machine_reading * r, const char *root) = {
        read_ticks, read_process, read_frequencies, read_throttles, read_memory, read_pressures,
        read_group, read_sensors, read_energy,      read_battery,   read_gpu};
    machine__clear(r);
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        sources[i](r, root);
}

static void read_below(machine_reading *out, const machine_reader *self)
{
    machine__read_linux(out, self->root);
}

machine_reader machine__recorded_reader(const char *root)
{
    return (machine_reader){.read = read_below, .root = root};
}
