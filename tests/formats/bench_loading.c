/* What it costs to distrust a file: the share that checking has in loading a model.
 *
 *     bench_loading [--repeat N] MODEL...
 * MODEL is a GGUF or safetensors file, or an index. Loading is what a command does before its work:
 * threads, weights, model, tokenizer (without one where there is none). The checks are done again
 * on what was loaded, by the functions that do them while loading where they are such: each text
 * within the file and names without a NUL, sizes of all shapes without an overflow, data in order
 * and within the file, no name twice, the configuration's limits, each tensor there with the
 * model's shape. Whole steps count where a check is part of one: sorting and finding names, which
 * loading needs anyway, so the share is above the true one. Medians of N rounds, in which all take
 * turns. Exit status 1 when the share is above 1 %. Not a test of `make test`: clocks decide. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/fs.h>
#include <efficientai/plan.h>
#include <efficientai/tokenizer.h>

#include "formats/weights_internal.h"
#include "models/models.h"

#define MAX_REPEAT 1001
#define MOST       0.01

typedef enum part { LOADING, TEXTS, TABLE, NAMES, MODEL, N_PARTS } part;

static const char *const part_names[N_PARTS] = {"loading", "texts within the file",
                                                "sizes and places", "names sorted, none twice",
                                                "model: limits, shapes"};

static void die(const char *what)
{
    fprintf(stderr, "bench_loading: %s\n", what);
    exit(2);
}

static void need(eai_status st, const eai_error *err)
{
    if (st != EAI_OK)
        die(err->message);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- Loading --------------------------------------------------------------------------------- */

typedef struct loaded {
    eai_backend *backend;
    eai_weights *weights;
    eai_model *model;
    eai_tokenizer *tokenizer;
} loaded;

static void load(loaded *l, const char *path)
{
    eai_error err = EAI_ERROR_INIT;
    memset(l, 0, sizeof(*l));
    need(eai_backend_open(&l->backend, "cpu", NULL, &err), &err);
    need(eai_weights_open(&l->weights, path, &err), &err);
    need(eai_model_load(&l->model, l->weights, &err), &err);
    eai_status st = eai_tokenizer_from_weights(&l->tokenizer, l->weights, &err);
    if (st != EAI_ERR_NOT_FOUND)
        need(st, &err);
}

static void unload(loaded *l)
{
    eai_tokenizer_free(l->tokenizer);
    eai_model_free(l->model);
    eai_weights_close(l->weights);
    eai_backend_close(l->backend);
}

/* ---- The checks ------------------------------------------------------------------------------ */

/* Returns what is wrong, so that no check is optimized away. */
static size_t check_texts(const eai_weights *w)
{
    size_t wrong = 0;
    const char *data = w->map ? eai_map_data(w->map) : NULL;
    size_t size = w->map ? eai_map_size(w->map) : 0;
    for (size_t i = 0; i < w->n_tensors; i++)
        wrong += strlen(w->tensors[i].name) > WEIGHTS__MAX_NAME;
    for (size_t i = 0; i < w->n_meta; i++) {
        const weights__meta *m = &w->meta[i];
        wrong += strlen(m->key) > WEIGHTS__MAX_NAME;
        for (size_t k = 0; m->type == EAI_META_STRINGS && k < m->as.strings.n; k++)
            wrong += m->as.strings.bytes[k] > size - (size_t)(m->as.strings.text[k] - data);
    }
    return wrong;
}

static size_t check_table(const eai_weights *w, weights__span *spans)
{
    eai_error err = EAI_ERROR_INIT;
    size_t wrong = 0;
    uint64_t taken = 0;
    const uint8_t *data = w->map ? eai_map_data(w->map) : NULL;
    size_t size = w->map ? eai_map_size(w->map) : 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        size_t bytes = 0;
        const eai_weight_tensor *t = &w->tensors[i];
        wrong += weights__size(&bytes, t->dtype, &t->shape, &err) != EAI_OK;
        /* rows put into another order are not in the file: beyond its end here */
        uint64_t begin = (uint64_t)((uintptr_t)t->data - (uintptr_t)data);
        spans[i] = (weights__span){begin, begin + bytes, i};
    }
    weights__sort_spans(spans, w->n_tensors);
    for (size_t i = 0; i < w->n_tensors && spans[i].begin < size; i++) {
        wrong += spans[i].end > size || spans[i].begin < taken;
        taken = spans[i].end;
    }
    return wrong;
}

static void check_names(eai_weights *w)
{
    eai_error err = EAI_ERROR_INIT;
    need(weights__index(w, &err), &err);
    need(weights__index_meta(w, &err), &err);
}

static size_t check_model(const eai_model *m, const eai_weights *w)
{
    eai_error err = EAI_ERROR_INIT;
    size_t wrong = model__check_config(eai_model_get_config(m), "model", &err) != EAI_OK;
    for (size_t i = 0; i < model__tensor_count(m); i++) {
        const eai_weight_tensor *t = model__tensor(m, i);
        const eai_weight_tensor *found = eai_weights_find(w, t->name);
        wrong += !found || !eai_shape_equal(&found->shape, &t->shape);
    }
    return wrong;
}

/* ---- Timing ---------------------------------------------------------------------------------- */

static size_t run_round(double *seconds, const char *path)
{
    loaded l;
    double at[N_PARTS + 1];
    at[LOADING] = eai_clock_seconds();
    load(&l, path);
    at[TEXTS] = eai_clock_seconds();
    weights__span *spans = eai_alloc_array(l.weights->n_tensors, sizeof(*spans));
    if (!spans)
        die("out of memory");
    size_t wrong = check_texts(l.weights);
    at[TABLE] = eai_clock_seconds();
    wrong += l.weights->map ? check_table(l.weights, spans) : 0;
    at[NAMES] = eai_clock_seconds();
    check_names(l.weights);
    at[MODEL] = eai_clock_seconds();
    wrong += check_model(l.model, l.weights);
    at[N_PARTS] = eai_clock_seconds();
    for (int p = 0; p < N_PARTS; p++)
        seconds[p] = at[p + 1] - at[p];
    eai_free(spans);
    unload(&l);
    return wrong;
}

/* The share of the checks. */
static double measure(const char *path, int repeat)
{
    static double seconds[N_PARTS][MAX_REPEAT];
    double medians[N_PARTS];
    double checks = 0;
    size_t wrong = 0;
    for (int i = 0; i < repeat; i++) {
        double round[N_PARTS];
        wrong += run_round(round, path);
        for (int p = 0; p < N_PARTS; p++)
            seconds[p][i] = round[p];
    }
    printf("%s%s\n", path, wrong ? ": CHECKS FAIL THE SECOND TIME" : "");
    for (int p = 0; p < N_PARTS; p++) {
        qsort(seconds[p], (size_t)repeat, sizeof(double), compare_doubles);
        medians[p] = seconds[p][repeat / 2];
        if (p != LOADING)
            checks += medians[p];
        printf("  %-26s %9.1f us\n", part_names[p], 1e6 * medians[p]);
    }
    printf("  %-26s %9.1f us, %.2f %% of loading\n", "all checks", 1e6 * checks,
           100 * checks / medians[LOADING]);
    return wrong ? 1 : checks / medians[LOADING];
}

int main(int argc, char **argv)
{
    int repeat = 101;
    int first = 1;
    double most = 0;
    if (argc > 2 && strcmp(argv[1], "--repeat") == 0) {
        repeat = (int)strtol(argv[2], NULL, 10);
        first = 3;
    }
    if (first >= argc || repeat < 1 || repeat > MAX_REPEAT) {
        fprintf(stderr, "usage: bench_loading [--repeat N] MODEL...\n");
        return 2;
    }
    for (int i = first; i < argc; i++) {
        double share = measure(argv[i], repeat);
        most = share > most ? share : most;
    }
    return most > MOST;
}
