/* How fast products run: each instruction set of the machine, each kind of storage, the shapes of a
 * training step and of decoding.
 *
 *     bench_products [--json] [--threads N] [--repeat N]
 *
 * The variants of a shape take turns, so that what else the machine does falls on all of them, and
 * the median of the turns is printed: GFLOP/s, and the ratio to the same shape with f32 weights on
 * the weakest instruction set. Lines "int8" are of products in 8 bits (--dtype int8). Not a test:
 * nothing is compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/convert.h>
#include <efficientai/rng.h>
#include <efficientai/threads.h>

#include "engine/cpu/product.h"

#define MAX_VARIANTS 64
#define MAX_REPEAT   101

typedef struct shape {
    const char *what;
    int64_t m, n, k;
    bool along_k;
} shape;

/* SmolLM2-135M, 4 x 256 tokens. */
static const shape shapes[] = {
    {"gate, forward", 1024, 1536, 576, true}, {"gate, gradient", 1024, 576, 1536, false},
    {"down, forward", 1024, 576, 1536, true}, {"vocabulary, forward", 128, 49152, 576, true},
    {"lora a, forward", 1024, 8, 576, true},  {"lora b, forward", 1024, 1536, 8, true},
    {"decoding, gate", 1, 1536, 576, true},   {"decoding, vocabulary", 1, 49152, 576, true},
};

static const eai_dtype types[] = {EAI_F32, EAI_BF16, EAI_Q8_0, EAI_Q4_1};

typedef struct variant {
    const cpu_isa *isa;
    eai_dtype dtype;
    bool int8; /* a product in 8 bits */
    uint8_t *weights;
    double seconds[MAX_REPEAT];
} variant;

static void die(const char *what)
{
    fprintf(stderr, "bench_products: %s\n", what);
    exit(1);
}

static float *make_floats(int64_t n)
{
    eai_rng rng;
    float *x = eai_alloc_array((size_t)n, sizeof(float));
    if (!x)
        die("out of memory");
    eai_rng_init(&rng, 1, 0);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(eai_rng_uniform(&rng) * 2 - 1);
    return x;
}

static uint8_t *make_weights(const shape *s, eai_dtype dtype)
{
    eai_error err = EAI_ERROR_INIT;
    int64_t rows = s->along_k ? s->n : s->k;
    int64_t cols = s->along_k ? s->k : s->n;
    size_t row_bytes = eai_row_bytes(dtype, cols);
    uint8_t *weights = eai_alloc_aligned(64, row_bytes * (size_t)rows);
    float *x = make_floats(cols);
    if (!weights)
        die("out of memory");
    for (int64_t r = 0; r < rows; r++)
        if (eai_quantize_row(weights + row_bytes * (size_t)r, dtype, x, cols, &err) != EAI_OK)
            die(err.message);
    eai_free(x);
    return weights;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double time_product(eai_pool *pool, int threads, const shape *s, const variant *v,
                           const float *a, float *c)
{
    cpu_backend be = {.pool = pool,
                      .gemm = v->isa->gemm,
                      .gemm_bf16 = v->isa->gemm_bf16,
                      .int8 = v->int8 ? v->isa->int8 : NULL};
    cpu_product p = {
        .m = s->m,
        .n = s->n,
        .k = s->k,
        .a = cpu__gemm_a(a, s->m, s->k, false),
        .b = cpu__gemm_b(v->weights, v->dtype, s->along_k ? s->k : s->n, s->along_k),
        .c = c,
        .ldc = s->n,
        .alpha = 1,
    };
    be.base.n_threads = threads;
    void *workspace = eai_alloc_aligned(64, cpu__product_workspace(&be, &p) + 64);
    double per_run = 2.0 * (double)s->m * (double)s->n * (double)s->k;
    int runs = per_run < 2e8 ? (int)(2e8 / per_run) + 1 : 1;
    if (!workspace)
        die("out of memory");
    cpu__product(&be, &p, workspace); /* touches the memory */
    double start = eai_clock_seconds();
    for (int i = 0; i < runs; i++)
        cpu__product(&be, &p, workspace);
    double seconds = (eai_clock_seconds() - start) / runs;
    eai_free(workspace);
    return seconds;
}

/* Rows of the table that differ only in what is not measured are one. */
static bool is_new(const cpu_isa *isas, size_t i, bool int8)
{
    if (!isas[i].present())
        return false;
    if (int8)
        return i == 0 || isas[i].int8 != isas[i - 1].int8;
    return i == 0 || isas[i].gemm != isas[i - 1].gemm || isas[i].gemm_bf16 != isas[i - 1].gemm_bf16;
}

static size_t make_variants(variant *list, const shape *s)
{
    size_t n_isas;
    size_t n = 0;
    const cpu_isa *isas = cpu__isas(&n_isas);
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
        bool adapter = s->n < CPU_BLOCK || s->k < CPU_BLOCK;
        if (adapter && types[t] != EAI_F32)
            continue;
        bool quantized = eai_dtype_get(types[t])->kind == EAI_DTYPE_QUANTIZED && s->along_k;
        for (size_t i = 0; i < (quantized ? 2 : 1) * n_isas && n < MAX_VARIANTS; i++) {
            bool int8 = i >= n_isas;
            const cpu_isa *isa = &isas[i % n_isas];
            if (is_new(isas, i % n_isas, int8))
                list[n++] = (variant){isa, types[t], int8, make_weights(s, types[t]), {0}};
        }
    }
    return n;
}

static void bench_shape(const shape *s, eai_pool *pool, int threads, int repeat, bool json)
{
    static variant list[MAX_VARIANTS];
    float *a = make_floats(s->m * s->k);
    float *c = make_floats(s->m * s->n);
    size_t n = make_variants(list, s);
    double first = 0;
    for (int r = 0; r < repeat; r++)
        for (size_t i = 0; i < n; i++)
            list[i].seconds[r] = time_product(pool, threads, s, &list[i], a, c);
    if (!json)
        printf("%s: [%d, %d] x [%d, %d]\n", s->what, (int)s->m, (int)s->k, (int)s->k, (int)s->n);
    for (size_t i = 0; i < n; i++) {
        variant *v = &list[i];
        qsort(v->seconds, (size_t)repeat, sizeof(double), compare_doubles);
        double median = v->seconds[repeat / 2];
        double gflops = 2e-9 * (double)s->m * (double)s->n * (double)s->k / median;
        const char *dtype = eai_dtype_get(v->dtype)->name;
        first = i == 0 ? gflops : first;
        if (json)
            printf("{\"m\": %d, \"n\": %d, \"k\": %d, \"along_k\": %s, \"dtype\": \"%s\", \"isa\": "
                   "\"%s\", \"int8\": %s, \"threads\": %d, \"gflops\": %.2f}\n",
                   (int)s->m, (int)s->n, (int)s->k, s->along_k ? "true" : "false", dtype,
                   v->isa->name, v->int8 ? "true" : "false", threads, gflops);
        else
            printf("  %-6s %-12s %-5s %8.1f GFLOP/s  %5.2fx\n", dtype, v->isa->name,
                   v->int8 ? "int8" : "", gflops, gflops / first);
        eai_free(v->weights);
    }
    eai_free(a);
    eai_free(c);
}

static int read_number(const char *text, int least, int most)
{
    char *end;
    long x = text ? strtol(text, &end, 10) : 0;
    if (!text || *end || x < least || x > most)
        die("usage: bench_products [--json] [--threads N] [--repeat N]");
    return (int)x;
}

int main(int argc, char **argv)
{
    eai_error err = EAI_ERROR_INIT;
    eai_pool *pool;
    bool json = false;
    int threads = 2;
    int repeat = 7;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--threads") == 0)
            threads = read_number(argv[++i], 1, EAI_POOL_MAX);
        else if (strcmp(argv[i], "--repeat") == 0)
            repeat = read_number(argv[++i], 1, MAX_REPEAT);
        else
            read_number(NULL, 0, 0);
    }
    if (eai_pool_create(&pool, threads, &err) != EAI_OK)
        die(err.message);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        bench_shape(&shapes[i], pool, threads, repeat, json);
    eai_pool_free(pool);
    return 0;
}
