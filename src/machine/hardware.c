/* Facts about the machine, found once, and what is asked of it now and then. What a system is asked
 * for them is in linux.c and macos.c. Start at eai_hardware_get. */
#include <efficientai/hardware.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "machine/cgroup.h"
#include "machine/files.h"
#include "machine/machine.h"

#include "base/banned.h"

static eai_hardware hardware;
static pthread_once_t hardware_once = PTHREAD_ONCE_INIT;

/* What uname(2) and sysconf(3) know, where the system has not said it better. */
static void detect_common(eai_hardware *h)
{
    struct utsname name;
    if (uname(&name) == 0) {
        snprintf(h->system, sizeof(h->system), "%.40s %.40s %.40s", name.sysname,
                 h->kernel[0] ? h->kernel : name.release, name.machine);
        if (!h->kernel[0])
            snprintf(h->kernel, sizeof(h->kernel), "%.60s", name.release);
        if (!h->cpu[0]) /* Linux on arm64 knows no name */
            snprintf(h->cpu, sizeof(h->cpu), "%.40s", name.machine);
    }
    long page = sysconf(_SC_PAGESIZE);
    if (!h->page_bytes && page > 0)
        h->page_bytes = (uint64_t)page;
}

static void detect(void)
{
    eai_hardware *h = &hardware;
    machine__detect_processor(h);
    machine__detect_system(h, machine__root());
    detect_common(h);
    long online = h->machine_cores > 0 ? h->machine_cores : sysconf(_SC_NPROCESSORS_ONLN);
    int affinity = h->cores > 0 ? h->cores : online > 0 ? (int)online : 1;
    h->machine_cores = online > affinity ? (int)online : affinity;
    h->cores = cgroup__cores(h->cpu_quota, affinity);
}

const eai_hardware *eai_hardware_get(void)
{
    pthread_once(&hardware_once, detect);
    return &hardware;
}

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
    return machine__memory_available(machine__root());
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
    return list ? faked_thermal(list, readings++) : machine__thermal();
}
