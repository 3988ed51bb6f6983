/* Facts about the machine and the process that go with results. Start at
 * eai_bench_results_describe. */
#include <efficientai/bench_results.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cairo.h>
#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif
#ifdef __APPLE__
#include <crt_externs.h>
#endif

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/hardware.h>

#include "base/banned.h"

/* Collects facts until one fails. */
typedef struct teller {
    eai_bench_results *results;
    eai_facts kind;
    eai_status status;
    eai_error *err;
} teller;

static void tell(teller *t, const char *name, const char *value)
{
    if (t->status == EAI_OK && value && *value)
        t->status = eai_bench_results_set_fact(t->results, t->kind, name, value, t->err);
}

/* 0 is not known, or no limit. */
static void tell_count(teller *t, const char *name, uint64_t n)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    tell(t, name, n ? text : NULL);
}

static void tell_features(teller *t, const eai_hardware *h)
{
    char text[512] = "";
    size_t n = 0;
#define ADD_FEATURE(name)                                                                          \
    if (h->has.name && n < sizeof(text))                                                           \
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", #name);
    EAI_CPU_FEATURES(ADD_FEATURE)
#undef ADD_FEATURE
    tell(t, "features", text);
}

/* The first line of a small file of the system. */
static void tell_file(teller *t, const char *name, const char *path)
{
    char line[128];
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    if (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        tell(t, name, line);
    }
    fclose(f);
}

/* ---- The machine ----------------------------------------------------------------------------- */

/* How Linux drives the frequency. Elsewhere, and in most virtual machines, nothing says. */
static void tell_frequency(teller *t)
{
    static const struct {
        const char *name, *path;
    } files[] = {
        {"governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"},
        {"frequency_driver", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"},
        {"most_khz", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq"},
        {"boost", "/sys/devices/system/cpu/cpufreq/boost"},
        {"no_turbo", "/sys/devices/system/cpu/intel_pstate/no_turbo"},
        {"smt", "/sys/devices/system/cpu/smt/active"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        tell_file(t, files[i].name, files[i].path);
}

/* Variables that are told. Those that decide how many threads compute, or with what, belong to the
 * machine; a name may stand for all that begin with it. */
static const struct variable {
    const char *name;
    eai_facts kind;
    bool all_that_begin;
} variables[] = {
    {"EFFICIENTAI_CPU_ISA", EAI_FACTS_MACHINE, false},
    {"EFFICIENTAI_THREADS", EAI_FACTS_MACHINE, false},
    {"EFFICIENTAI_DTYPE", EAI_FACTS_MACHINE, false},
    {"EFFICIENTAI_BACKEND", EAI_FACTS_MACHINE, false},
    {"EFFICIENTAI_", EAI_FACTS_ENVIRONMENT, true},
    {"OMP_", EAI_FACTS_MACHINE, true},
    {"KMP_", EAI_FACTS_MACHINE, true},
    {"GOMP_", EAI_FACTS_MACHINE, true},
    {"MKL_", EAI_FACTS_MACHINE, true},
    {"OPENBLAS_NUM_THREADS", EAI_FACTS_MACHINE, false},
    {"VECLIB_MAXIMUM_THREADS", EAI_FACTS_MACHINE, false},
    {"CUDA_VISIBLE_DEVICES", EAI_FACTS_MACHINE, false},
    {"MALLOC_", EAI_FACTS_MACHINE, true},
    {"GLIBC_TUNABLES", EAI_FACTS_MACHINE, false},
    {"LD_PRELOAD", EAI_FACTS_MACHINE, false},
    {"LANG", EAI_FACTS_ENVIRONMENT, false},
    {"LC_ALL", EAI_FACTS_ENVIRONMENT, false},
};

static bool speaks_of_secret(const char *name)
{
    static const char *const words[] = {"TOKEN", "KEY",  "SECRET", "PASS",
                                        "AUTH",  "CRED", "COOKIE", "PROXY"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(name, words[i]))
            return true;
    }
    return false;
}

/* The first row that the name falls under decides. */
static const struct variable *find_variable(const char *name)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const struct variable *v = &variables[i];
        if (v->all_that_begin ? strncmp(name, v->name, strlen(v->name)) == 0
                              : strcmp(name, v->name) == 0)
            return v;
    }
    return NULL;
}

static void tell_variables(teller *t, const char *const *environment)
{
    for (size_t i = 0; environment && environment[i]; i++) {
        char name[80];
        char label[96];
        size_t n = strcspn(environment[i], "=");
        if (n >= sizeof(name) || environment[i][n] != '=')
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)n, environment[i]);
        const struct variable *v = find_variable(name);
        if (!v || v->kind != t->kind || speaks_of_secret(name))
            continue;
        snprintf(label, sizeof(label), "$%s", name);
        tell(t, label, environment[i] + n + 1);
    }
}

static void tell_machine(teller *t)
{
    const eai_hardware *h = eai_hardware_get();
    char text[32];
    tell(t, "cpu", h->cpu);
    tell_count(t, "cores", (uint64_t)h->cores);
    tell_count(t, "machine_cores", (uint64_t)h->machine_cores);
    tell_count(t, "performance_cores", (uint64_t)h->performance_cores);
    snprintf(text, sizeof(text), "%g", h->cpu_quota);
    tell(t, "cpu_quota", h->cpu_quota > 0 ? text : NULL);
    tell_features(t, h);
    tell_count(t, "l1d_bytes", h->l1d_bytes);
    tell_count(t, "l2_bytes", h->l2_bytes);
    tell_count(t, "l3_bytes", h->l3_bytes);
    tell_count(t, "memory_bytes", h->memory_bytes);
    tell_count(t, "memory_limit_bytes", h->memory_limit_bytes);
    tell(t, "system", h->system);
    tell_frequency(t);
}

/* ---- The process ----------------------------------------------------------------------------- */

static void tell_load(teller *t, const char *name)
{
    double load[3];
    char text[80];
    if (getloadavg(load, 3) != 3)
        return;
    snprintf(text, sizeof(text), "%.2f %.2f %.2f", load[0], load[1], load[2]);
    tell(t, name, text);
}

static void tell_now(teller *t, const char *name)
{
    char text[EAI_CLOCK_ISO_SIZE];
    tell(t, name, eai_clock_iso(text, sizeof(text)));
}

static void tell_libraries(teller *t)
{
    char text[512];
    char pcre[64] = "";
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) < (int)sizeof(pcre))
        pcre2_config(PCRE2_CONFIG_VERSION, pcre);
    pcre[strcspn(pcre, " ")] = '\0';
    snprintf(text, sizeof(text), "jansson %s, pcre2 %s, utf8proc %s, openssl %s, curl %s, cairo %s",
             jansson_version_str(), pcre, utf8proc_version(),
             OpenSSL_version(OPENSSL_VERSION_STRING), curl->version, cairo_version_string());
    tell(t, "libraries", text);
#ifdef __GLIBC__
    tell(t, "libc", gnu_get_libc_version());
#endif
}

/* The words of our own command line, with blanks between them. */
static void tell_command_line(teller *t)
{
    char line[EAI_BENCH_MAX_TEXT];
    size_t n = 0;
#ifdef __APPLE__
    char **argv = *_NSGetArgv();
    for (int i = 0; i < *_NSGetArgc() && n < sizeof(line); i++)
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i ? " " : "", argv[i]);
#else
    FILE *f = fopen("/proc/self/cmdline", "r");
    n = f ? fread(line, 1, sizeof(line) - 1, f) : 0;
    if (f)
        fclose(f);
    line[n] = '\0';
    for (size_t i = 0; i + 1 < n; i++)
        line[i] = line[i] ? line[i] : ' ';
#endif
    tell(t, "command_line", n > 0 ? line : NULL);
}

static void tell_process(teller *t, const eai_fingerprint_opts *o)
{
    char seed[32];
    eai_thermal thermal = eai_hardware_thermal();
    tell_now(t, "started");
    tell(t, "version", o->version);
    tell(t, "commit", o->commit);
    tell(t, "compiler", o->compiler);
    tell(t, "build_type", o->build_type);
    tell_libraries(t);
    tell_command_line(t);
    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)o->seed);
    tell(t, "seed", seed);
    tell_file(t, "khz_at_start", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq");
    tell(t, "thermal_at_start", thermal == EAI_THERMAL_UNKNOWN ? NULL : eai_thermal_name(thermal));
    tell_load(t, "load_at_start");
}

eai_status eai_bench_results_describe(eai_bench_results *r, const eai_fingerprint_opts *opts,
                                      eai_error *err)
{
    teller t = {r, EAI_FACTS_MACHINE, EAI_OK, err};
    tell_machine(&t);
    tell_variables(&t, opts->environment);
    t.kind = EAI_FACTS_ENVIRONMENT;
    tell_process(&t, opts);
    tell_variables(&t, opts->environment);
    return t.status;
}

eai_status eai_bench_results_describe_end(eai_bench_results *r, eai_error *err)
{
    teller t = {r, EAI_FACTS_ENVIRONMENT, EAI_OK, err};
    eai_thermal thermal = eai_hardware_thermal();
    tell_now(&t, "finished");
    tell_file(&t, "khz_at_end", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq");
    tell(&t, "thermal_at_end", thermal == EAI_THERMAL_UNKNOWN ? NULL : eai_thermal_name(thermal));
    tell_load(&t, "load_at_end");
    return t.status;
}
