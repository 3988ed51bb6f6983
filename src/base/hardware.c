/* Hardware detection: CPUID and /proc, /sys on Linux, sysctl on macOS. Start at eai_hardware_get.
 */
#if defined(__linux__)
#define _GNU_SOURCE  /* sched_getaffinity; in this file alone, for it changes strerror_r elsewhere \
                      */
#endif
#include <efficientai/hardware.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#endif
#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif
#if defined(__APPLE__)
#include <mach/mach.h>
#include <notify.h>
#include <sys/sysctl.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/cgroup.h"

#include "base/banned.h"

static eai_hardware hardware;
static pthread_once_t hardware_once = PTHREAD_ONCE_INIT;

/* ---- Instruction sets
 * ----------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* Which register files the system saves: bit 1 SSE, 2 AVX, 5-7 AVX-512, 17-18 AMX. */
static uint64_t read_xcr0(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (uint64_t)high << 32;
}

static bool bit(uint32_t word, int n)
{
    return (word >> n) & 1;
}

static void detect_features(eai_hardware *h)
{
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, 27)) /* OSXSAVE */
        return;
    uint64_t saved = read_xcr0();
    bool avx = (saved & 0x6) == 0x6;
    bool avx512 = avx && (saved & 0xE0) == 0xE0;
    bool amx = (saved & 0x60000) == 0x60000;
    h->has.fma = avx && bit(c, 12);
    h->has.f16c = avx && bit(c, 29);
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    h->has.avx2 = avx && bit(b, 5);
    h->has.avx512f = avx512 && bit(b, 16);
    h->has.avx512dq = avx512 && bit(b, 17);
    h->has.avx512bw = avx512 && bit(b, 30);
    h->has.avx512vl = avx512 && bit(b, 31);
    h->has.avx512vnni = avx512 && bit(c, 11);
    h->has.avx512fp16 = avx512 && bit(d, 23);
    h->has.amx_bf16 = amx && bit(d, 22);
    h->has.amx_tile = amx && bit(d, 24);
    h->has.amx_int8 = amx && bit(d, 25);
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        h->has.avxvnni = avx && bit(a, 4);
        h->has.avx512bf16 = avx512 && bit(a, 5);
    }
}

static void detect_name(eai_hardware *h)
{
    uint32_t words[12];
    for (uint32_t i = 0; i < 3; i++) {
        if (!__get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
                         &words[4 * i + 3]))
            return;
    }
    char text[49];
    memcpy(text, words, 48);
    text[48] = '\0';
    const char *start = text;
    while (*start == ' ')
        start++;
    snprintf(h->cpu, sizeof(h->cpu), "%s", start);
}
#elif defined(__aarch64__)
static void detect_features(eai_hardware *h)
{
    h->has.neon = true;
#if defined(__linux__)
    unsigned long one = getauxval(AT_HWCAP);
    unsigned long two = getauxval(AT_HWCAP2);
    h->has.neon_dotprod = (one >> 20) & 1;
    h->has.sve = (one >> 22) & 1;
    h->has.neon_i8mm = (two >> 13) & 1;
    h->has.neon_bf16 = (two >> 14) & 1;
#elif defined(__APPLE__)
    int yes = 0;
    size_t n = sizeof(yes);
    if (sysctlbyname("hw.optional.arm.FEAT_DotProd", &yes, &n, NULL, 0) == 0)
        h->has.neon_dotprod = yes;
    n = sizeof(yes);
    if (sysctlbyname("hw.optional.arm.FEAT_I8MM", &yes, &n, NULL, 0) == 0)
        h->has.neon_i8mm = yes;
    n = sizeof(yes);
    if (sysctlbyname("hw.optional.arm.FEAT_BF16", &yes, &n, NULL, 0) == 0)
        h->has.neon_bf16 = yes;
#endif
}

static void detect_name(eai_hardware *h)
{
    (void)h;
}
#else
static void detect_features(eai_hardware *h)
{
    (void)h;
}

static void detect_name(eai_hardware *h)
{
    (void)h;
}
#endif

bool eai_hardware_request_amx(void)
{
#if defined(__linux__) && defined(__x86_64__)
    const long request_permission = 0x1023; /* ARCH_REQ_XCOMP_PERM */
    const long tile_data = 18;              /* XFEATURE_XTILEDATA */
    return eai_hardware_get()->has.amx_tile &&
           syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

/* ---- Linux
 * ---------------------------------------------------------------------------------------- */

#if defined(__linux__)
/* The first line of a small file, without its end; false when there is none. */
static bool read_line(char *out, size_t n, const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    bool ok = fgets(out, (int)n, f) != NULL;
    fclose(f);
    if (ok)
        out[strcspn(out, "\n")] = '\0';
    return ok;
}

/* "512K", "32768K", "32M" */
static uint64_t parse_size(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    return *end == 'K' ? n << 10 : *end == 'M' ? n << 20 : n;
}

static void detect_caches(eai_hardware *h)
{
    for (int i = 0; i < 8; i++) {
        char path[128];
        char level[16];
        char type[32];
        char size[32];
        const char *base = "/sys/devices/system/cpu/cpu0/cache/index";
        snprintf(path, sizeof(path), "%s%d/level", base, i);
        if (!read_line(level, sizeof(level), path))
            return;
        snprintf(path, sizeof(path), "%s%d/type", base, i);
        bool has_type = read_line(type, sizeof(type), path);
        snprintf(path, sizeof(path), "%s%d/size", base, i);
        if (!has_type || !read_line(size, sizeof(size), path) || strcmp(type, "Instruction") == 0)
            continue;
        uint64_t *slots[] = {&h->l1d_bytes, &h->l2_bytes, &h->l3_bytes};
        if (level[0] >= '1' && level[0] <= '3')
            *slots[level[0] - '1'] = parse_size(size);
    }
}

/* A line "Name:   123 kB" of /proc/meminfo or /proc/self/status, in bytes; 0 when absent. */
static uint64_t read_kilobytes(const char *path, const char *name)
{
    char line[256];
    uint64_t bytes = 0;
    size_t n = strlen(name);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    while (bytes == 0 && fgets(line, sizeof(line), f)) {
        if (strncmp(line, name, n) == 0 && line[n] == ':')
            bytes = strtoull(line + n + 1, NULL, 10) << 10;
    }
    fclose(f);
    return bytes;
}

/* CPUs in the affinity mask; 0 when unknown. glibc's cpu_set_t ends at 1,024. */
static int count_affinity(void)
{
    cpu_set_t sets[16];
    memset(sets, 0, sizeof(sets));
    return sched_getaffinity(0, sizeof(sets), sets) == 0 ? CPU_COUNT_S(sizeof(sets), sets) : 0;
}

static void detect_system(eai_hardware *h)
{
    cgroup_limits limits;
    cgroup__read(&limits, "");
    h->memory_bytes = read_kilobytes("/proc/meminfo", "MemTotal");
    if (limits.memory_bytes < h->memory_bytes)
        h->memory_limit_bytes = limits.memory_bytes;
    h->cores = count_affinity();
    h->cpu_quota = limits.cpus;
    detect_caches(h);
}

static uint64_t memory_available_now(void)
{
    cgroup_limits limits;
    cgroup__read(&limits, "");
    uint64_t free_now = read_kilobytes("/proc/meminfo", "MemAvailable");
    return limits.memory_left < free_now ? limits.memory_left : free_now;
}

uint64_t eai_hardware_rss(void)
{
    return read_kilobytes("/proc/self/status", "VmRSS");
}

uint64_t eai_hardware_rss_anonymous(void)
{
    return read_kilobytes("/proc/self/status", "RssAnon");
}

uint64_t eai_hardware_peak_rss(void)
{
    return read_kilobytes("/proc/self/status", "VmHWM");
}

/* ---- macOS
 * ---------------------------------------------------------------------------------------- */

#elif defined(__APPLE__)
static uint64_t read_number(const char *name)
{
    uint64_t value = 0;
    size_t n = sizeof(value);
    return sysctlbyname(name, &value, &n, NULL, 0) == 0 ? value : 0;
}

static void detect_system(eai_hardware *h)
{
    size_t n = sizeof(h->cpu);
    if (sysctlbyname("machdep.cpu.brand_string", h->cpu, &n, NULL, 0) != 0)
        h->cpu[0] = '\0';
    h->memory_bytes = read_number("hw.memsize");
    h->cores = (int)read_number("hw.activecpu");
    h->performance_cores = (int)read_number("hw.perflevel0.physicalcpu");
    h->l1d_bytes = read_number("hw.perflevel0.l1dcachesize");
    h->l2_bytes = read_number("hw.perflevel0.l2cachesize");
    h->l3_bytes = read_number("hw.l3cachesize");
    if (!h->l1d_bytes || !h->l2_bytes) { /* one kind of cores; Apple silicon: the slow ones */
        h->l1d_bytes = read_number("hw.l1dcachesize");
        h->l2_bytes = read_number("hw.l2cachesize");
    }
#if defined(__aarch64__)
    h->apple_silicon = true;
#endif
}

static uint64_t memory_available_now(void)
{
    vm_statistics64_data_t vm;
    mach_msg_type_number_t n = HOST_VM_INFO64_COUNT;
    if (host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&vm, &n) != KERN_SUCCESS)
        return 0;
    uint64_t pages = (uint64_t)vm.free_count + vm.inactive_count + vm.purgeable_count;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What the system publishes: 0 nominal, 1 moderate, 2 heavy, 3 trapping, 4 sleeping. */
static eai_thermal thermal_now(void)
{
    static const eai_thermal levels[] = {EAI_THERMAL_NOMINAL, EAI_THERMAL_FAIR, EAI_THERMAL_SERIOUS,
                                         EAI_THERMAL_CRITICAL, EAI_THERMAL_CRITICAL};
    uint64_t level = 0;
    int token = 0;
    if (notify_register_check("com.apple.system.thermalpressurelevel", &token) != NOTIFY_STATUS_OK)
        return EAI_THERMAL_UNKNOWN;
    bool read = notify_get_state(token, &level) == NOTIFY_STATUS_OK;
    notify_cancel(token);
    return read && level < sizeof(levels) / sizeof(levels[0]) ? levels[level] : EAI_THERMAL_UNKNOWN;
}

uint64_t eai_hardware_rss(void)
{
    struct mach_task_basic_info info;
    mach_msg_type_number_t n = MACH_TASK_BASIC_INFO_COUNT;
    if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &n) != KERN_SUCCESS)
        return 0;
    return info.resident_size;
}

uint64_t eai_hardware_rss_anonymous(void)
{
    task_vm_info_data_t info;
    mach_msg_type_number_t n = TASK_VM_INFO_COUNT;
    if (task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&info, &n) != KERN_SUCCESS)
        return 0;
    uint64_t rss = eai_hardware_rss();
    return info.internal < rss ? info.internal : rss; /* it may count what was compressed too */
}

uint64_t eai_hardware_peak_rss(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss : 0; /* bytes here */
}
#else
static void detect_system(eai_hardware *h)
{
    (void)h;
}

static uint64_t memory_available_now(void)
{
    return 0;
}

uint64_t eai_hardware_rss(void)
{
    return 0;
}

uint64_t eai_hardware_rss_anonymous(void)
{
    return 0;
}

uint64_t eai_hardware_peak_rss(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss << 10 : 0;
}
#endif

#ifndef __APPLE__
static eai_thermal thermal_now(void)
{
    return EAI_THERMAL_UNKNOWN;
}
#endif

/* ---- All of it
 * ------------------------------------------------------------------------------------ */

uint64_t eai_hardware_memory_available(void)
{
    const char *text =
        getenv("EAI_MEMORY_AVAILABLE"); /* tests: a machine with so many bytes free */
    char *end = NULL;
    if (text && text[0] >= '0' && text[0] <= '9') {
        uint64_t bytes = strtoull(text, &end, 10);
        if (*end == '\0')
            return bytes;
    }
    return memory_available_now();
}

static void detect(void)
{
    eai_hardware *h = &hardware;
    struct utsname name;
    detect_features(h);
    detect_name(h);
    detect_system(h);
    if (uname(&name) == 0) {
        snprintf(h->system, sizeof(h->system), "%.40s %.40s %.40s", name.sysname, name.release,
                 name.machine);
        if (!h->cpu[0]) /* Linux on arm64 knows no name */
            snprintf(h->cpu, sizeof(h->cpu), "%.40s", name.machine);
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int affinity = h->cores > 0 ? h->cores : online > 0 ? (int)online : 1;
    h->machine_cores = online > affinity ? (int)online : affinity;
    h->cores = cgroup__cores(h->cpu_quota, affinity);
}

const eai_hardware *eai_hardware_get(void)
{
    pthread_once(&hardware_once, detect);
    return &hardware;
}

static const char *const thermal_names[] = {"unknown", "nominal", "fair", "serious", "critical"};

const char *eai_thermal_name(eai_thermal t)
{
    return thermal_names[t];
}

/* Reading number i of a list "fair,critical,nominal"; the last one stays. */
static eai_thermal faked_thermal(const char *list, int i)
{
    const char *comma;
    while (i-- > 0 && (comma = strchr(list, ',')))
        list = comma + 1;
    for (int t = EAI_THERMAL_CRITICAL; t > 0; t--) {
        if (strncmp(list, thermal_names[t], strlen(thermal_names[t])) == 0)
            return (eai_thermal)t;
    }
    return EAI_THERMAL_UNKNOWN;
}

eai_thermal eai_hardware_thermal(void)
{
    static _Atomic int readings;
    const char *list = getenv("EAI_THERMAL"); /* tests: what the readings say, one after another */
    return list ? faked_thermal(list, readings++) : thermal_now();
}
