/* What machine this is: cores, caches, instruction sets, memory. A value that cannot be read is 0,
 * empty or false, never a guess. Thread-safe. */
#ifndef EAI_HARDWARE_H
#define EAI_HARDWARE_H

#include <stdbool.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
#define EAI_CPU_FEATURES(X)                                                               \
    X(avx2) X(fma) X(f16c) X(avx512f) X(avx512bw) X(avx512vl) X(avx512dq) X(avx512vnni)   \
    X(avx512bf16) X(avx512fp16) X(avxvnni) X(amx_tile) X(amx_int8) X(amx_bf16)            \
    X(neon) X(neon_bf16) X(neon_i8mm) X(neon_dotprod) X(sve)
/* clang-format on */

typedef struct eai_hardware {
    char cpu[128];    /* as the processor or the system names it */
    char system[128]; /* "Linux 6.1.0 x86_64" */
    int cores; /* worth a thread each: in the affinity mask, and no more than the CPU quota is worth
                */
    int machine_cores;     /* that are switched on */
    double cpu_quota;      /* CPUs that the control group may keep busy; 0: no limit */
    int performance_cores; /* of an Apple chip, else 0 */
    uint64_t l1d_bytes, l2_bytes, l3_bytes;
    uint64_t memory_bytes;       /* of the machine */
    uint64_t memory_limit_bytes; /* of the control group when it is lower than that, else 0 */
    bool apple_silicon;
    /* Usable: the processor has it and the system saves its registers. */
    struct {
#define EAI_CPU_FEATURE_FIELD(name) bool name;
        EAI_CPU_FEATURES(EAI_CPU_FEATURE_FIELD)
#undef EAI_CPU_FEATURE_FIELD
    } has;
    int physical_cores;   /* machine_cores without those that share one's units */
    int efficiency_cores; /* of an Apple chip, else 0 */
    int sockets;
    int numa_nodes;
    double max_mhz; /* that the processor may run at */
    uint64_t page_bytes;
    uint64_t hugepage_bytes;        /* of the usual huge page */
    uint64_t hugepages;             /* that are set aside */
    char transparent_hugepages[16]; /* "always", "madvise", "never" */
    uint64_t swap_bytes;
    char kernel[64];         /* "6.1.0-18-amd64" */
    char distribution[96];   /* "Debian GNU/Linux 12 (bookworm)", "macOS 14.5" */
    char virtualization[32]; /* "kvm", "docker"; empty: none that is known of */
    char model[64];          /* of the machine: "Raspberry Pi 4 Model B Rev 1.4", "Mac14,2" */
} eai_hardware;

/* Found out once; static. */
EAI_API const eai_hardware *eai_hardware_get(void);

/* AMX needs the system's permission for the process; true when it is there (asked once). */
EAI_API bool eai_hardware_request_amx(void);

/* How hot the system says it is, by the names of macOS: from SERIOUS on it slows the processor
 * down. Read anew in each call; UNKNOWN where the system does not say (Linux). */
typedef enum eai_thermal {
    EAI_THERMAL_UNKNOWN,
    EAI_THERMAL_NOMINAL,
    EAI_THERMAL_FAIR,
    EAI_THERMAL_SERIOUS,
    EAI_THERMAL_CRITICAL
} eai_thermal;
EAI_API eai_thermal eai_hardware_thermal(void);
EAI_API const char *eai_thermal_name(eai_thermal t); /* "nominal"; static */

/* Bytes; 0 when unknown. */
EAI_API uint64_t eai_hardware_memory_available(void); /* for new work, without swapping, within the
                                                         limit of the control group */
EAI_API uint64_t eai_hardware_rss(void);              /* resident memory of this process */
EAI_API uint64_t eai_hardware_rss_anonymous(void);    /* the part of it that no file backs */
EAI_API uint64_t eai_hardware_peak_rss(void);

#ifdef __cplusplus
}
#endif
#endif
