/* Asking macOS, by its public interfaces only: sysctl(3), host_statistics64, host_processor_info,
 * task_info, notify(3), and the registry of IOKit for the memory that the GPU has in use. What an
 * answer means is in apple.c. The one file that only a Mac compiles; start at ask_state. */
#include "machine/machine.h"

#if defined(__APPLE__)

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>
#include <notify.h>

#include "machine/apple.h"

#include "base/banned.h"

/* ---- sysctl ---------------------------------------------------------------------------------- */

/* Names hold 32 or 64 bits; little-endian machines fill the low part either way. */
static uint64_t ask_number(const char *name)
{
    uint64_t value = 0;
    size_t n = sizeof(value);
    return sysctlbyname(name, &value, &n, NULL, 0) == 0 ? value : 0;
}

static void ask_text(char *out, size_t n, const char *name)
{
    size_t length = n - 1;
    memset(out, 0, n);
    if (sysctlbyname(name, out, &length, NULL, 0) != 0)
        out[0] = '\0';
}

static bool ask_swap(struct xsw_usage *swap)
{
    size_t n = sizeof(*swap);
    return sysctlbyname("vm.swapusage", swap, &n, NULL, 0) == 0;
}

/* ---- Facts ----------------------------------------------------------------------------------- */

void machine__detect_system(eai_hardware *h, const char *root)
{
    struct xsw_usage swap;
    apple_facts f = {
        .memory = ask_number("hw.memsize"),
        .page = ask_number("hw.pagesize"),
        .active_cpus = ask_number("hw.activecpu"),
        .physical_cpus = ask_number("hw.physicalcpu"),
        .packages = ask_number("hw.packages"),
        .performance_cores = ask_number("hw.perflevel0.physicalcpu"),
        .efficiency_cores = ask_number("hw.perflevel1.physicalcpu"),
        .l1d = {ask_number("hw.perflevel0.l1dcachesize"), ask_number("hw.l1dcachesize")},
        .l2 = {ask_number("hw.perflevel0.l2cachesize"), ask_number("hw.l2cachesize")},
        .l3 = ask_number("hw.l3cachesize"),
        .vmm_present = ask_number("kern.hv_vmm_present"),
#if defined(__aarch64__)
        .arm64 = true,
#endif
    };
    (void)root;
    ask_text(f.brand, sizeof(f.brand), "machdep.cpu.brand_string");
    ask_text(f.model, sizeof(f.model), "hw.model");
    ask_text(f.version, sizeof(f.version), "kern.osproductversion");
    if (ask_swap(&swap))
        f.swap_total = swap.xsu_total;
    apple__detect(h, &f);
}

/* ---- One moment ------------------------------------------------------------------------------ */

static void ask_memory(apple_state *s)
{
    vm_statistics64_data_t vm;
    struct xsw_usage swap;
    mach_msg_type_number_t n = HOST_VM_INFO64_COUNT;
    mach_port_t host = mach_host_self();
    if (host_statistics64(host, HOST_VM_INFO64, (host_info64_t)&vm, &n) == KERN_SUCCESS) {
        s->free_pages = vm.free_count;
        s->inactive_pages = vm.inactive_count;
        s->purgeable_pages = vm.purgeable_count;
        s->compressor_pages = vm.compressor_page_count;
        s->swapped_in_pages = (double)vm.swapins;
        s->swapped_out_pages = (double)vm.swapouts;
    }
    mach_port_deallocate(mach_task_self(), host);
    s->page_bytes = (double)sysconf(_SC_PAGESIZE);
    uint64_t memory = ask_number("hw.memsize");
    if (memory > 0)
        s->memory_bytes = (double)memory;
    if (ask_swap(&swap)) {
        s->swap_total = (double)swap.xsu_total;
        s->swap_used = (double)swap.xsu_used;
    }
    uint64_t level = ask_number("kern.memorystatus_vm_pressure_level");
    if (level > 0)
        s->pressure_level = (int)level;
}

static int ask_thermal(void)
{
    uint64_t level = 0;
    int token = 0;
    if (notify_register_check("com.apple.system.thermalpressurelevel", &token) != NOTIFY_STATUS_OK)
        return -1;
    bool read = notify_get_state(token, &level) == NOTIFY_STATUS_OK;
    notify_cancel(token);
    return read && level <= INT32_MAX ? (int)level : -1;
}

static void ask_cpus(apple_state *s)
{
    processor_cpu_load_info_t load;
    mach_msg_type_number_t n_info;
    natural_t n;
    mach_port_t host = mach_host_self();
    if (host_processor_info(host, PROCESSOR_CPU_LOAD_INFO, &n, (processor_info_array_t *)&load,
                            &n_info) == KERN_SUCCESS) {
        s->n_cpus = n < EAI_SAMPLE_CORES ? (int)n : EAI_SAMPLE_CORES;
        for (int i = 0; i < s->n_cpus; i++) {
            s->cpu[i].user = load[i].cpu_ticks[CPU_STATE_USER];
            s->cpu[i].system = load[i].cpu_ticks[CPU_STATE_SYSTEM];
            s->cpu[i].idle = load[i].cpu_ticks[CPU_STATE_IDLE];
            s->cpu[i].nice = load[i].cpu_ticks[CPU_STATE_NICE];
        }
        vm_deallocate(mach_task_self(), (vm_address_t)load, n_info * sizeof(integer_t));
    }
    mach_port_deallocate(mach_task_self(), host);
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static void ask_process(apple_state *s)
{
    struct rusage usage;
    double load;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        s->process_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    if (getloadavg(&load, 1) == 1)
        s->load_average = load;
    uint64_t rss = eai_hardware_rss();
    if (rss > 0)
        s->process_memory = (double)rss;
}

/* A number of a dictionary, or -1. */
static double number_of(CFDictionaryRef dictionary, CFStringRef key)
{
    double value = -1;
    CFTypeRef number = CFDictionaryGetValue(dictionary, key);
    if (!number || CFGetTypeID(number) != CFNumberGetTypeID() ||
        !CFNumberGetValue((CFNumberRef)number, kCFNumberDoubleType, &value))
        return -1;
    return value;
}

/* The statistics of the first accelerator that publishes some. */
static void ask_gpu(apple_state *s)
{
    io_iterator_t each = IO_OBJECT_NULL;
    io_registry_entry_t entry;
    /* the default port is 0 under each of its names */
    if (IOServiceGetMatchingServices(MACH_PORT_NULL, IOServiceMatching("IOAccelerator"), &each) !=
        KERN_SUCCESS)
        return;
    while (s->gpu_memory < 0 && (entry = IOIteratorNext(each)) != IO_OBJECT_NULL) {
        CFTypeRef statistics = IORegistryEntryCreateCFProperty(
            entry, CFSTR("PerformanceStatistics"), kCFAllocatorDefault, 0);
        if (statistics && CFGetTypeID(statistics) == CFDictionaryGetTypeID()) {
            s->gpu_memory = number_of((CFDictionaryRef)statistics, CFSTR("In use system memory"));
            s->gpu_percent = number_of((CFDictionaryRef)statistics, CFSTR("Device Utilization %"));
        }
        if (statistics)
            CFRelease(statistics);
        IOObjectRelease(entry);
    }
    IOObjectRelease(each);
}

static void ask_state(apple_state *s)
{
    *s = apple__silence;
    ask_memory(s);
    ask_cpus(s);
    ask_process(s);
    ask_gpu(s);
    s->thermal_level = ask_thermal();
}

static void read_system(machine_reading *out, const machine_reader *self)
{
    apple_state s;
    (void)self;
    ask_state(&s);
    apple__read(out, &s);
}

machine_reader machine__system_reader(void)
{
    return (machine_reader){.read = read_system};
}

uint64_t machine__memory_available(const char *root)
{
    apple_state s = apple__silence;
    (void)root;
    ask_memory(&s);
    return apple__memory_available(&s);
}

eai_thermal machine__thermal(void)
{
    return apple__thermal(ask_thermal());
}

/* ---- This process ---------------------------------------------------------------------------- */

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

#endif
