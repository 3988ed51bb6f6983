/* What macOS answers, as numbers and texts, apart from the asking: macos.c fills this, apple.c
 * makes facts and readings of it. So the part that can go wrong is compiled and tested everywhere,
 * with what a Mac once answered. */
#ifndef EAI_MACHINE_APPLE_H
#define EAI_MACHINE_APPLE_H

#include "machine/machine.h"

/* Facts: sysctl(3) by name. Texts are empty and numbers 0 when it does not know the name. */
typedef struct apple_facts {
    char brand[128];  /* machdep.cpu.brand_string */
    char model[64];   /* hw.model */
    char version[32]; /* kern.osproductversion */
    uint64_t memory;  /* hw.memsize */
    uint64_t page;    /* hw.pagesize */
    uint64_t active_cpus, physical_cpus, packages;
    uint64_t performance_cores, efficiency_cores; /* hw.perflevel0.physicalcpu, perflevel1 */
    uint64_t l1d[2], l2[2], l3;                   /* of perflevel0; of hw. itself */
    uint64_t swap_total;                          /* vm.swapusage */
    uint64_t vmm_present;                         /* kern.hv_vmm_present */
    bool arm64;
} apple_facts;

/* One moment. What was not answered is negative. */
typedef struct apple_state {
    double free_pages, inactive_pages, purgeable_pages, compressor_pages; /* host_statistics64 */
    double swapped_in_pages, swapped_out_pages;
    double page_bytes;
    double memory_bytes;
    double swap_total, swap_used; /* vm.swapusage */
    int pressure_level;           /* kern.memorystatus_vm_pressure_level */
    int thermal_level;            /* com.apple.system.thermalpressurelevel, 0 to 4 */
    double load_average;
    double process_seconds; /* of CPU time */
    double process_memory;
    double gpu_memory;  /* of the IOAccelerator, "In use system memory" */
    double gpu_percent; /* "Device Utilization %" */
    int n_cpus;         /* host_processor_info */
    struct {
        uint32_t user, system, idle, nice; /* ticks; they start again at 0 */
    } cpu[EAI_SAMPLE_CORES];
} apple_state;

/* Nothing was answered. */
extern const apple_state apple__silence;

void apple__detect(eai_hardware *h, const apple_facts *f);
void apple__read(machine_reading *r, const apple_state *s);

/* What is free for new work, 0 when unknown. */
uint64_t apple__memory_available(const apple_state *s);

eai_thermal apple__thermal(int level);

#endif
