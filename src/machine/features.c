/* What the processor says of itself: CPUID on x86, the kernel's list of capabilities on ARM.
 *
 * A set counts when the processor has it and the system saves its registers; the first alone is not
 * enough. Start at machine__detect_processor. */
#include "machine/machine.h"

#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif
#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#include <stdio.h>
#endif

#include "base/banned.h"

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

void machine__detect_processor(eai_hardware *h)
{
    detect_features(h);
    detect_name(h);
}

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
