/* `efficientai info`: what this machine offers, and what the toolkit makes of it. The first thing
 * to ask for in a report about a problem. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hardware.h>
#include <efficientai/plan.h>
#include <efficientai/terminal.h>

#include "catalog.h"

#include "base/banned.h"

typedef struct info_args {
    bool json;
} info_args;

static const eai_option info_options[] = {
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(info_args, json),
     .help = "one JSON object on one line"},
    {0},
};

/* What is found out beside the hardware. Texts are owned; "" when unknown. */
typedef struct facts {
    char backend[256]; /* "cpu avx2, 2 threads, f32", or why there is none */
    char *cache;
} facts;

static eai_status find_facts(facts *f, eai_error *err)
{
    eai_backend *b = NULL;
    eai_error why = EAI_ERROR_INIT;
    if (eai_backend_open(&b, "cpu", NULL, &why) == EAI_OK)
        snprintf(f->backend, sizeof(f->backend), "%s", eai_backend_describe(b));
    else
        snprintf(f->backend, sizeof(f->backend), "none: %s", why.message);
    eai_backend_close(b);
    return eai_fs_cache_dir(&f->cache, err);
}

static json_t *feature_names(const eai_hardware *h)
{
    json_t *list = json_array();
#define ADD_FEATURE(name)                                                                          \
    if (h->has.name)                                                                               \
        json_array_append_new(list, json_string(#name));
    EAI_CPU_FEATURES(ADD_FEATURE)
#undef ADD_FEATURE
    return list;
}

static eai_status print_json(const facts *f, const eai_hardware *h, FILE *out, eai_error *err)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:f, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:s,"
        " s:s}",
        "version", EAI_VERSION, "system", h->system, "cpu", h->cpu, "cores", h->cores,
        "machine_cores", h->machine_cores, "cpu_quota", h->cpu_quota, "performance_cores",
        h->performance_cores, "l1d_bytes", (json_int_t)h->l1d_bytes, "l2_bytes",
        (json_int_t)h->l2_bytes, "l3_bytes", (json_int_t)h->l3_bytes, "memory_bytes",
        (json_int_t)h->memory_bytes, "memory_limit_bytes", (json_int_t)h->memory_limit_bytes,
        "memory_available_bytes", (json_int_t)eai_hardware_memory_available(), "apple_silicon",
        h->apple_silicon, "features", feature_names(h), "backend", f->backend, "cache", f->cache);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text)
        fprintf(out, "%s\n", text);
    json_decref(root);
    free(text); /* jansson's own memory */
    return text ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
}

/* "8 cores", or "2 of 64 cores, CPU quota 1.50" when this process may not use them all. */
static void print_cores(const eai_hardware *h, FILE *out)
{
    if (h->cores == h->machine_cores)
        fprintf(out, "%d cores", h->cores);
    else
        fprintf(out, "%d of %d cores", h->cores, h->machine_cores);
    if (h->cpu_quota > 0 && h->cpu_quota < h->machine_cores)
        fprintf(out, ", CPU quota %.2f", h->cpu_quota);
}

static void print_memory(const eai_hardware *h, FILE *out)
{
    char a[32];
    fprintf(out, "%s, ", eai_format_bytes(a, sizeof(a), h->memory_bytes));
    if (h->memory_limit_bytes)
        fprintf(out, "%s of it allowed, ", eai_format_bytes(a, sizeof(a), h->memory_limit_bytes));
    fprintf(out, "%s of it free for new work",
            eai_format_bytes(a, sizeof(a), eai_hardware_memory_available()));
}

static void print_text(const facts *f, const eai_hardware *h, FILE *out)
{
    char a[32];
    char b[32];
    char c[32];
    fprintf(out, "version   efficientai %s\n", EAI_VERSION);
    fprintf(out, "system    %s\n", h->system);
    fprintf(out, "cpu       %s, ", h->cpu);
    print_cores(h, out);
    fprintf(out, "%s\nfeatures ", h->apple_silicon ? ", Apple silicon" : "");
#define PRINT_FEATURE(name)                                                                        \
    if (h->has.name)                                                                               \
        fprintf(out, " %s", #name);
    EAI_CPU_FEATURES(PRINT_FEATURE)
#undef PRINT_FEATURE
    fprintf(out, "\ncaches    L1d %s, L2 %s, L3 %s\n", eai_format_bytes(a, sizeof(a), h->l1d_bytes),
            eai_format_bytes(b, sizeof(b), h->l2_bytes),
            eai_format_bytes(c, sizeof(c), h->l3_bytes));
    fputs("memory    ", out);
    print_memory(h, out);
    fprintf(out, "\nbackend   %s\n", f->backend);
    fprintf(out, "cache     %s\n", f->cache);
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const info_args *a = args;
    const eai_hardware *h = eai_hardware_get();
    facts f = {{0}, NULL};
    eai_status st = find_facts(&f, err);
    if (st == EAI_OK && a->json)
        st = print_json(&f, h, ctx->out, err);
    else if (st == EAI_OK)
        print_text(&f, h, ctx->out);
    eai_free(f.cache);
    return st;
}

const eai_command command_info = {
    .name = "info",
    .summary = "what this machine offers: processor, memory, backend",
    .options = info_options,
    .args_bytes = sizeof(info_args),
    .run = run,
};
