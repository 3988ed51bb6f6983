/* Facts about a machine with Linux: /proc, /sys and /etc below a root. On other systems than Linux
 * and macOS too, where most of it is not there. Start at machine__detect_system.
 *
 * With a root that is not "" everything comes from there, the processor's name and the CPUs in use
 * too: what another machine said is replayed. */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "machine/machine.h"

#if !defined(__APPLE__)

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <efficientai/alloc.h>

#include "machine/cgroup.h"
#include "machine/files.h"

#include "base/banned.h"

#define CPUS_MAX    4096
#define NODES_MAX   1024
#define SOCKETS_MAX 64

/* ---- Memory ---------------------------------------------------------------------------------- */

/* A line "Name:   123 kB" in bytes; 0 when absent. */
static uint64_t kilobytes(FILE *f, const char *name)
{
    int64_t n;
    return machine__find_number(&n, f, name) && n > 0 ? (uint64_t)n << 10 : 0;
}

static uint64_t read_kilobytes(const char *root, const char *path, const char *name)
{
    FILE *f = machine__open(root, "%s", path);
    uint64_t bytes = kilobytes(f, name);
    if (f)
        fclose(f);
    return bytes;
}

static void detect_memory(eai_hardware *h, const char *root)
{
    int64_t pages;
    char text[64];
    FILE *f = machine__open(root, "/proc/meminfo");
    h->memory_bytes = kilobytes(f, "MemTotal");
    h->swap_bytes = kilobytes(f, "SwapTotal");
    h->hugepage_bytes = kilobytes(f, "Hugepagesize");
    if (machine__find_number(&pages, f, "HugePages_Total") && pages > 0)
        h->hugepages = (uint64_t)pages;
    if (f)
        fclose(f);
    if (machine__read_text(text, sizeof(text), root,
                           "/sys/kernel/mm/transparent_hugepage/enabled")) {
        const char *start = strchr(text, '['); /* "always [madvise] never" */
        if (start)
            snprintf(h->transparent_hugepages, sizeof(h->transparent_hugepages), "%.*s",
                     (int)strcspn(start + 1, "]"), start + 1);
    }
}

uint64_t machine__memory_available(const char *root)
{
    cgroup_limits limits;
    cgroup__read(&limits, root);
    uint64_t free_now = read_kilobytes(root, "/proc/meminfo", "MemAvailable");
    return limits.memory_left < free_now ? limits.memory_left : free_now;
}

uint64_t eai_hardware_rss(void)
{
    return read_kilobytes("", "/proc/self/status", "VmRSS");
}

uint64_t eai_hardware_rss_anonymous(void)
{
    return read_kilobytes("", "/proc/self/status", "RssAnon");
}

uint64_t eai_hardware_peak_rss(void)
{
    struct rusage usage;
    uint64_t bytes = read_kilobytes("", "/proc/self/status", "VmHWM");
    if (bytes == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
        bytes = (uint64_t)usage.ru_maxrss << 10;
    return bytes;
}

/* ---- The processor --------------------------------------------------------------------------- */

/* "512K", "32768K", "32M" */
static uint64_t parse_size(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    return *end == 'K' ? n << 10 : *end == 'M' ? n << 20 : n;
}

static void detect_caches(eai_hardware *h, const char *root)
{
    static const char base[] = "/sys/devices/system/cpu/cpu0/cache/index";
    for (int i = 0; i < 8; i++) {
        int64_t level;
        char type[32];
        char size[32];
        if (!machine__read_number(&level, root, "%s%d/level", base, i))
            return;
        if (!machine__read_text(type, sizeof(type), root, "%s%d/type", base, i) ||
            !machine__read_text(size, sizeof(size), root, "%s%d/size", base, i) ||
            strcmp(type, "Instruction") == 0)
            continue;
        uint64_t *slots[] = {&h->l1d_bytes, &h->l2_bytes, &h->l3_bytes};
        if (level >= 1 && level <= 3)
            *slots[level - 1] = parse_size(size);
    }
}

/* Counts an id that was not there before. */
static void add_socket(int64_t ids[SOCKETS_MAX], int *n, int64_t id)
{
    for (int i = 0; i < *n; i++) {
        if (ids[i] == id)
            return;
    }
    if (*n < SOCKETS_MAX)
        ids[(*n)++] = id;
}

/* A CPU is a core when it is the first of those that share one. */
static void detect_topology(eai_hardware *h, const char *root)
{
    int64_t sockets[SOCKETS_MAX] = {0};
    static const char folder[] = "/sys/devices/system/cpu";
    int *cpus = eai_alloc_array(CPUS_MAX, sizeof(*cpus));
    size_t n = cpus ? machine__list_numbers(cpus, CPUS_MAX, root, folder, "cpu") : 0;
    for (size_t i = 0; i < n; i++) {
        char siblings[64];
        int64_t id;
        if (machine__read_text(siblings, sizeof(siblings), root,
                               "%s/cpu%d/topology/thread_siblings_list", folder, cpus[i]))
            h->physical_cores += strtol(siblings, NULL, 10) == cpus[i];
        if (machine__read_number(&id, root, "%s/cpu%d/topology/physical_package_id", folder,
                                 cpus[i]) &&
            id >= 0)
            add_socket(sockets, &h->sockets, id);
        if (machine__read_number(&id, root, "%s/cpu%d/cpufreq/cpuinfo_max_freq", folder, cpus[i]) &&
            (double)id / 1000 > h->max_mhz)
            h->max_mhz = (double)id / 1000;
    }
    eai_free(cpus);
}

static void detect_nodes(eai_hardware *h, const char *root)
{
    int nodes[NODES_MAX];
    h->numa_nodes =
        (int)machine__list_numbers(nodes, NODES_MAX, root, "/sys/devices/system/node", "node");
}

/* The value behind the first "key : value" of /proc/cpuinfo. */
static bool read_cpuinfo(char *out, size_t n, const char *root, const char *key)
{
    char line[1024];
    bool found = false;
    size_t length = strlen(key);
    FILE *f = machine__open(root, "/proc/cpuinfo");
    while (f && !found && fgets(line, sizeof(line), f)) {
        const char *colon = strchr(line, ':');
        found = strncmp(line, key, length) == 0 && colon &&
                strspn(line + length, " \t") == (size_t)(colon - line) - length;
        if (found)
            snprintf(out, n, "%.*s", (int)strcspn(colon + 1 + strspn(colon + 1, " "), "\n"),
                     colon + 1 + strspn(colon + 1, " "));
    }
    if (f)
        fclose(f);
    return found;
}

/* CPUs in the affinity mask; 0 when unknown. glibc's cpu_set_t ends at 1,024. */
static int count_affinity(void)
{
#if defined(__linux__)
    cpu_set_t sets[16];
    memset(sets, 0, sizeof(sets));
    return sched_getaffinity(0, sizeof(sets), sets) == 0 ? CPU_COUNT_S(sizeof(sets), sets) : 0;
#else
    return 0;
#endif
}

static void detect_cores(eai_hardware *h, const char *root)
{
    char text[256];
    h->cores = count_affinity();
    if (*root && machine__read_text(text, sizeof(text), root, "/sys/devices/system/cpu/online")) {
        h->machine_cores = machine__count_list(text);
        h->cores = h->machine_cores;
    }
    if (*root || !h->cpu[0]) {
        h->cpu[0] = '\0';
        read_cpuinfo(h->cpu, sizeof(h->cpu), root, "model name");
    }
}

/* ---- The system ------------------------------------------------------------------------------ */

/* PRETTY_NAME="Debian GNU/Linux 12 (bookworm)" */
static void detect_distribution(eai_hardware *h, const char *root)
{
    static const char key[] = "PRETTY_NAME=";
    char line[256];
    FILE *f = machine__open(root, "/etc/os-release");
    while (f && !h->distribution[0] && fgets(line, sizeof(line), f)) {
        const char *value = line + sizeof(key) - 1;
        if (strncmp(line, key, sizeof(key) - 1) != 0)
            continue;
        value += *value == '"' || *value == '\'';
        snprintf(h->distribution, sizeof(h->distribution), "%.*s", (int)strcspn(value, "\"'\n"),
                 value);
    }
    if (f)
        fclose(f);
}

/* What the maker of a virtual machine writes where that of a machine would write its name. */
static const struct {
    const char *vendor;
    const char *name;
} hypervisors[] = {
    {"QEMU", "kvm"},
    {"KVM", "kvm"},
    {"VMware", "vmware"},
    {"innotek", "virtualbox"},
    {"Oracle Corporation", "virtualbox"},
    {"Xen", "xen"},
    {"Amazon EC2", "amazon"},
    {"Google", "google"},
    {"Parallels", "parallels"},
    {"Apple Virtualization", "apple"},
};

static bool has_file(const char *root, const char *path)
{
    FILE *f = machine__open(root, "%s", path);
    if (f)
        fclose(f);
    return f != NULL;
}

/* The word "hypervisor" among the flags of the processor. */
static bool has_hypervisor_flag(const char *root)
{
    char flags[1024];
    return read_cpuinfo(flags, sizeof(flags), root, "flags") && strstr(flags, " hypervisor");
}

static void detect_virtualization(eai_hardware *h, const char *root)
{
    char text[64];
    char *out = h->virtualization;
    size_t n = sizeof(h->virtualization);
    if (has_file(root, "/.dockerenv"))
        snprintf(out, n, "docker");
    else if (has_file(root, "/run/.containerenv"))
        snprintf(out, n, "podman");
    else if (machine__read_text(text, sizeof(text), root, "/run/systemd/container"))
        snprintf(out, n, "%.30s", text);
    if (*out)
        return;
    if (machine__read_text(text, sizeof(text), root, "/sys/class/dmi/id/sys_vendor")) {
        for (size_t i = 0; i < sizeof(hypervisors) / sizeof(hypervisors[0]); i++) {
            if (strncasecmp(text, hypervisors[i].vendor, strlen(hypervisors[i].vendor)) == 0)
                snprintf(out, n, "%s", hypervisors[i].name);
        }
    }
    if (!*out && has_hypervisor_flag(root))
        snprintf(out, n, "a hypervisor");
}

static void detect_model(eai_hardware *h, const char *root)
{
    if (!machine__read_text(h->model, sizeof(h->model), root, "/proc/device-tree/model"))
        machine__read_text(h->model, sizeof(h->model), root, "/sys/class/dmi/id/product_name");
}

void machine__detect_system(eai_hardware *h, const char *root)
{
    cgroup_limits limits;
    cgroup__read(&limits, root);
    h->cpu_quota = limits.cpus;
    detect_memory(h, root);
    if (limits.memory_bytes < h->memory_bytes)
        h->memory_limit_bytes = limits.memory_bytes;
    detect_cores(h, root);
    detect_caches(h, root);
    detect_topology(h, root);
    detect_nodes(h, root);
    machine__read_text(h->kernel, sizeof(h->kernel), root, "/proc/sys/kernel/osrelease");
    detect_distribution(h, root);
    detect_virtualization(h, root);
    detect_model(h, root);
}

machine_reader machine__system_reader(void)
{
    return machine__recorded_reader("");
}

/* Linux does not say. */
eai_thermal machine__thermal(void)
{
    return EAI_THERMAL_UNKNOWN;
}

#endif
