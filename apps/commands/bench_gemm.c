/* `efficientai bench gemm`. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

#define ARG(f) offsetof(bench_gemm_args, f)
const eai_option bench_gemm_options[] = {
    {.name = "shapes",
     .type = EAI_OPT_STRING,
     .offset = ARG(shapes),
     .default_value = "1024x576x1536,1024x1536x576,2048x2048x2048,1x576x1536",
     .value_name = "MxKxN,...",
     .help = "products to time"},
    {.name = "weights",
     .type = EAI_OPT_STRING,
     .offset = ARG(weights),
     .default_value = "f32,bf16,q8_0,q4_1",
     .value_name = "TYPE,...",
     .help = "storage types of the weights"},
    {.name = "layout",
     .type = EAI_OPT_ENUM,
     .offset = ARG(layout),
     .default_value = "nk",
     .value_name = "LAYOUT",
     .choices = "nk|kn|both",
     .help = "how the weights lie: nk for a linear layer, kn for its gradient"},
    {.name = "isas",
     .type = EAI_OPT_STRING,
     .offset = ARG(isas),
     .value_name = "NAME,...",
     .help = "several instruction sets by turns, or 'all'",
     .group = "Machine"},
    BENCH_OPTIONS(bench_gemm_args, "7"),
    {0},
};

#define MAX_BACKENDS 16
#define MAX_TYPES    24

/* What is crossed: shapes, types, layouts, backends. */
typedef struct plan {
    const bench_gemm_args *args;
    eai_backend *backends[MAX_BACKENDS];
    double peaks[MAX_BACKENDS];
    size_t n_backends;
    eai_dtype types[MAX_TYPES];
    size_t n_types;
    json_t *report;
    eai_bench_results *results;
} plan;

static eai_status add_backend(plan *p, const char *isa, eai_error *err)
{
    if (p->n_backends == MAX_BACKENDS)
        return eai_error_set(err, EAI_ERR_USAGE, "--isas: at most %d", MAX_BACKENDS);
    EAI_TRY(bench_open_backend(&p->backends[p->n_backends], &p->args->bench, isa, err));
    p->peaks[p->n_backends] = eai_backend_measure_peak(p->backends[p->n_backends]);
    p->n_backends++;
    return EAI_OK;
}

static eai_status open_backends(plan *p, eai_error *err)
{
    const char *at = p->args->isas;
    char word[32];
    const char *isa;
    if (!at)
        return add_backend(p, NULL, err);
    if (p->args->bench.isa)
        return eai_error_set(err, EAI_ERR_USAGE, "--isa and --isas: only one of them");
    if (strcmp(at, "all") == 0) {
        for (size_t i = 0; (isa = eai_backend_isa_at(i)); i++)
            EAI_TRY(add_backend(p, isa, err));
        return EAI_OK;
    }
    while (bench_next_word(word, sizeof(word), &at))
        EAI_TRY(add_backend(p, word, err));
    return p->n_backends > 0 ? EAI_OK : eai_error_set(err, EAI_ERR_USAGE, "--isas is empty");
}

static eai_status parse_types(plan *p, eai_error *err)
{
    const char *at = p->args->weights;
    char word[32];
    while (bench_next_word(word, sizeof(word), &at)) {
        eai_dtype t;
        if (!eai_dtype_from_name(&t, word) || eai_dtype_get(t)->kind == EAI_DTYPE_INTEGER ||
            t == EAI_F64)
            return eai_error_set(err, EAI_ERR_USAGE,
                                 "--weights: '%s' is no storage type of weights", word);
        if (p->n_types == MAX_TYPES)
            return eai_error_set(err, EAI_ERR_USAGE, "--weights: at most %d", MAX_TYPES);
        p->types[p->n_types++] = t;
    }
    return EAI_OK;
}

static bool parse_shape(eai_bench_product *out, const char *word)
{
    int64_t sizes[3];
    for (int i = 0; i < 3; i++) {
        char *end;
        errno = 0;
        sizes[i] = strtoll(word, &end, 10);
        if (errno != 0 || end == word || *end != (i < 2 ? 'x' : '\0'))
            return false;
        word = end + 1;
    }
    *out = (eai_bench_product){.m = sizes[0], .k = sizes[1], .n = sizes[2]};
    return true;
}

static eai_status add_row(const plan *p, const eai_bench_product *shape, size_t backend,
                          const eai_bench_case *c, eai_error *err)
{
    char name[160];
    eai_bench_times t = eai_bench_case_times(c);
    double gflops = eai_bench_case_flops(c) / t.median / 1e9;
    char text[80];
    snprintf(text, sizeof(text), "%lldx%lldx%lld", (long long)shape->m, (long long)shape->k,
             (long long)shape->n);
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f}", "shape", text, "weights",
                  eai_dtype_get(shape->dtype)->name, "layout", shape->gradient ? "kn" : "nk", "isa",
                  eai_backend_isa(p->backends[backend]), "gflops", gflops, "median_ms",
                  1e3 * t.median, "least_ms", 1e3 * t.least);
    if (p->peaks[backend] > 0) {
        json_object_set_new(row, "peak_gflops", json_real(p->peaks[backend] / 1e9));
        json_object_set_new(row, "share_of_peak", json_real(1e9 * gflops / p->peaks[backend]));
    }
    bench_add_row(p->report, row);
    snprintf(name, sizeof(name), "%s %s %s %s", text, eai_dtype_get(shape->dtype)->name,
             shape->gradient ? "kn" : "nk", eai_backend_isa(p->backends[backend]));
    return bench_add_samples(p->results, name, eai_bench_case_seconds(c), t.n, err);
}

/* All types, layouts and backends of a shape take turns. */
static eai_status time_shape(const plan *p, eai_bench_product shape, eai_error *err)
{
    const char *layout = p->args->layout;
    size_t most = 2 * p->n_types * p->n_backends;
    eai_bench_case **cases = eai_alloc_zeroed(most + 1, sizeof(eai_bench_case *));
    eai_bench_product *products = eai_alloc_array(most + 1, sizeof(*products));
    size_t n = 0;
    eai_status st = cases && products
                        ? EAI_OK
                        : eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu products", most);
    for (size_t i = 0; i < most && st == EAI_OK; i++) {
        shape.gradient = i / p->n_backends % 2;
        shape.dtype = p->types[i / p->n_backends / 2];
        if (strcmp(layout, shape.gradient ? "nk" : "kn") == 0)
            continue;
        products[n] = shape;
        st = eai_bench_case_product(&cases[n++], p->backends[i % p->n_backends], &shape, err);
    }
    if (st == EAI_OK)
        st = eai_bench_run_cases(cases, n, (size_t)p->args->bench.repeat, err);
    for (size_t i = 0; i < n; i++) {
        if (st == EAI_OK)
            st = add_row(p, &products[i], i % p->n_backends, cases[i], err);
        eai_bench_case_free(cases[i]);
    }
    eai_free(products);
    eai_free(cases);
    return st;
}

static eai_status time_shapes(const plan *p, eai_error *err)
{
    const char *at = p->args->shapes;
    char word[80];
    while (bench_next_word(word, sizeof(word), &at)) {
        eai_bench_product shape;
        if (!parse_shape(&shape, word))
            return eai_error_set(err, EAI_ERR_USAGE, "--shapes: '%s' is not MxKxN", word);
        EAI_TRY(time_shape(p, shape, err));
    }
    return EAI_OK;
}

eai_status bench_gemm(const eai_command_context *ctx, const void *args, eai_error *err)
{
    plan p = {.args = args};
    eai_status st = parse_types(&p, err);
    if (st == EAI_OK)
        st = open_backends(&p, err);
    if (st == EAI_OK) {
        p.report = bench_report("gemm", p.backends[0], 0);
        st = bench_results(&p.results, "gemm", 0, err);
    }
    if (st == EAI_OK)
        st = time_shapes(&p, err);
    st = bench_end(st, p.report, p.results, &p.args->bench,
                   "product=shape:s|weights=weights:s|layout=layout:s|isa=isa:s|"
                   "GFLOP/s=gflops:1|peak=peak_gflops:1|of peak=share_of_peak:2|ms=median_ms:4|"
                   "least ms=least_ms:4",
                   ctx, err);
    for (size_t i = 0; i < p.n_backends; i++)
        eai_backend_close(p.backends[i]);
    return st;
}
