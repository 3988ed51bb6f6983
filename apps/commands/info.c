/* `efficientai info`: what this machine offers, and what the toolkit makes of it. The first thing
 * to ask for in a report about a problem. */
#include <stddef.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hardware.h>
#include <efficientai/plan.h>
#include <efficientai/terminal.h>

#include "catalog.h"
#include "json_output.h"

#include "base/banned.h"

typedef struct info_args {
    bool json;
} info_args;

static const eai_option info_options[] = {
    JSON_OPTION(info_args),
    {0},
};

/* What is found out beside the hardware. Texts are owned; "" when unknown. */
typedef struct facts {
    char backend[256]; /* "cpu avx2, 2 threads, f32", or why there is none */
    char mlx[256];     /* the same of MLX */
    const char *best;  /* the backend that `auto` takes; static, as the precision */
    const char *precision;
    int threads;
    bool has_mlx;
    char *cache;
} facts;

/* Opens a backend for what it says of itself. `best`: it is the one that `auto` takes. */
static bool describe_backend(char *buf, size_t n, const char *name, bool best, facts *f)
{
    eai_backend *b = NULL;
    eai_error why = EAI_ERROR_INIT;

    bool there = eai_backend_open(&b, name, NULL, &why) == EAI_OK;
    snprintf(buf, n, "%s%s", there ? "" : "none: ", there ? eai_backend_describe(b) : why.message);
    if (there && best) {
        f->best = name;
        f->precision = eai_precision_name(eai_backend_precision(b));
        f->threads = eai_backend_threads(b);
    }
    eai_backend_close(b);
    return there;
}

static eai_status find_facts(facts *f, eai_error *err)
{
    describe_backend(f->backend, sizeof(f->backend), "cpu", true, f);
    f->has_mlx =
        describe_backend(f->mlx, sizeof(f->mlx), "mlx", eai_hardware_get()->apple_silicon, f);
    return eai_fs_cache_dir(&f->cache, err);
}

/* The largest model whose weights leave half of the free memory for everything else, in millions of
 * parameters at `bits` each. */
static double fitting_millions(double bits)
{
    return (double)eai_hardware_memory_available() / 2 * 8 / bits / 1e6;
}

/* Do products in 8 bits pay here? */
static bool has_int8(const eai_hardware *h)
{
    return h->has.avx512vnni || h->has.avxvnni || h->has.amx_int8 || h->has.neon_dotprod ||
           h->has.neon_i8mm;
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

/* What the system does not say is left out. */
static void add_text(json_t *root, const char *key, const char *text)
{
    if (*text)
        json_object_set_new(root, key, json_string(text));
}

static void add_number(json_t *root, const char *key, double value)
{
    bool whole = value == (double)(json_int_t)value;

    if (value > 0)
        json_object_set_new(root, key, whole ? json_integer((json_int_t)value) : json_real(value));
}

static json_t *optimal(const facts *f, const eai_hardware *h)
{
    return json_pack("{s:s, s:s, s:i, s:b, s:f, s:f}", "backend", f->best, "dtype", f->precision,
                     "threads", f->threads, "int8", has_int8(h), "largest_bf16_millions",
                     fitting_millions(16), "largest_4bit_millions", fitting_millions(4.5));
}

static eai_status print_json(const facts *f, const eai_hardware *h, FILE *out, eai_error *err)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:f, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:s,"
        " s:s, s:s, s:o}",
        "version", EAI_VERSION, "system", h->system, "cpu", h->cpu, "cores", h->cores,
        "machine_cores", h->machine_cores, "cpu_quota", h->cpu_quota, "performance_cores",
        h->performance_cores, "l1d_bytes", (json_int_t)h->l1d_bytes, "l2_bytes",
        (json_int_t)h->l2_bytes, "l3_bytes", (json_int_t)h->l3_bytes, "memory_bytes",
        (json_int_t)h->memory_bytes, "memory_limit_bytes", (json_int_t)h->memory_limit_bytes,
        "memory_available_bytes", (json_int_t)eai_hardware_memory_available(), "apple_silicon",
        h->apple_silicon, "features", feature_names(h), "backend", f->backend, "mlx", f->mlx,
        "cache", f->cache, "optimal", optimal(f, h));
    if (root) {
        add_text(root, "kernel", h->kernel);
        add_text(root, "distribution", h->distribution);
        add_text(root, "virtualization", h->virtualization);
        add_text(root, "model", h->model);
        add_text(root, "transparent_hugepages", h->transparent_hugepages);
        add_number(root, "physical_cores", h->physical_cores);
        add_number(root, "efficiency_cores", h->efficiency_cores);
        add_number(root, "sockets", h->sockets);
        add_number(root, "numa_nodes", h->numa_nodes);
        add_number(root, "max_mhz", h->max_mhz);
        add_number(root, "page_bytes", (double)h->page_bytes);
        add_number(root, "hugepage_bytes", (double)h->hugepage_bytes);
        add_number(root, "hugepages", (double)h->hugepages);
        add_number(root, "swap_bytes", (double)h->swap_bytes);
        if (eai_hardware_thermal() != EAI_THERMAL_UNKNOWN)
            add_text(root, "thermal", eai_thermal_name(eai_hardware_thermal()));
    }
    return json_output(root, out, err);
}

/* ---- Text --------------------------------------------------------------------------------------
 */

/* "8 cores", or "2 of 64 cores, CPU quota 1.50" when this process may not use them all. */
static void print_cores(const eai_hardware *h, FILE *out)
{
    if (h->cores == h->machine_cores)
        fprintf(out, "%d cores", h->cores);
    else
        fprintf(out, "%d of %d cores", h->cores, h->machine_cores);
    if (h->physical_cores > 0 && h->physical_cores != h->machine_cores)
        fprintf(out, ", %d of them physical", h->physical_cores);
    if (h->performance_cores > 0)
        fprintf(out, ", %d for performance and %d for efficiency", h->performance_cores,
                h->efficiency_cores);
    if (h->sockets > 1 || h->numa_nodes > 1)
        fprintf(out, ", %d sockets, %d memory nodes", h->sockets, h->numa_nodes);
    if (h->cpu_quota > 0 && h->cpu_quota < h->machine_cores)
        fprintf(out, ", CPU quota %.2f", h->cpu_quota);
    if (h->max_mhz > 0)
        fprintf(out, ", up to %.0f MHz", h->max_mhz);
}

static void print_memory(const eai_hardware *h, FILE *out)
{
    char a[32];
    fprintf(out, "%s, ", eai_format_bytes(a, sizeof(a), h->memory_bytes));
    if (h->memory_limit_bytes)
        fprintf(out, "%s of it allowed, ", eai_format_bytes(a, sizeof(a), h->memory_limit_bytes));
    fprintf(out, "%s of it free for new work",
            eai_format_bytes(a, sizeof(a), eai_hardware_memory_available()));
    if (h->swap_bytes > 0)
        fprintf(out, ", swap %s", eai_format_bytes(a, sizeof(a), h->swap_bytes));
    if (h->transparent_hugepages[0])
        fprintf(out, ", huge pages %s", h->transparent_hugepages);
}

static void print_system(const eai_hardware *h, FILE *out)
{
    fprintf(out, "system    %s", h->system);
    if (h->distribution[0])
        fprintf(out, ", %s", h->distribution);
    if (h->virtualization[0])
        fprintf(out, ", in %s", h->virtualization);
    if (h->model[0])
        fprintf(out, ", %s", h->model);
    fputc('\n', out);
}

/* What the defaults come to here, and what else is worth trying. */
static void print_optimal(const facts *f, const eai_hardware *h, FILE *out)
{
    if (f->threads == 0) /* no backend opens: its line above says why */
        return;
    fprintf(out, "optimal   --backend %s --dtype %s --threads %d (what `auto` and 0 take)\n",
            f->best, f->precision, f->threads);
    if (has_int8(h) && strcmp(f->best, "cpu") == 0)
        fputs("          --dtype int8 is quicker still, at some loss of precision\n", out);
    fprintf(out, "          models of up to %.1f billion parameters in 16 bits, %.1f in 4 bits\n",
            fitting_millions(16) / 1e3, fitting_millions(4.5) / 1e3);
}

static void print_text(const facts *f, const eai_hardware *h, FILE *out)
{
    char a[32];
    char b[32];
    char c[32];
    fprintf(out, "version   efficientai %s\n", EAI_VERSION);
    print_system(h, out);
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
    fprintf(out, "\nbackends  %s\n", f->backend);
    fprintf(out, "          %s\n",
            f->has_mlx ? f->mlx : "mlx: not here ('efficientai doctor' says why)");
    print_optimal(f, h, out);
    fprintf(out, "cache     %s\n", f->cache);
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const info_args *a = args;
    const eai_hardware *h = eai_hardware_get();
    facts f = {.best = "none", .precision = "none"};
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
    .help =
        "What the system does not say is left out. 'efficientai monitor' shows what changes: load, "
        "memory, heat.",
};
