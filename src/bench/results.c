/* Results in memory: series of samples and facts. Start at eai_bench_results_add. */
#include "bench/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/text.h"

#include "base/banned.h"

#define MAX_FACTS 256

typedef struct own_fact {
    char *name, *value;
} own_fact;

typedef struct fact_list {
    own_fact *facts;
    size_t n;
} fact_list;

struct eai_bench_results {
    char *bench, *path;
    bench_series **series;
    size_t n, capacity;
    fact_list lists[2];
};

const char *eai_metric_name(eai_metric m)
{
    static const char *const names[] = {
#define METRIC_NAME(id, name, text) [id] = name,
        EAI_METRIC_TABLE(METRIC_NAME)
#undef METRIC_NAME
    };
    return (size_t)m < EAI_METRIC_COUNT ? names[m] : "?";
}

const char *eai_metric_text(eai_metric m)
{
    static const char *const texts[] = {
#define METRIC_TEXT(id, name, text) [id] = text,
        EAI_METRIC_TABLE(METRIC_TEXT)
#undef METRIC_TEXT
    };
    return (size_t)m < EAI_METRIC_COUNT ? texts[m] : "?";
}

const char *eai_stop_name(eai_stop s)
{
    static const char *const names[] = {
#define STOP_NAME(id, name) [id] = name,
        EAI_STOP_TABLE(STOP_NAME)
#undef STOP_NAME
    };
    return (size_t)s < EAI_STOP_COUNT ? names[s] : "?";
}

eai_sample eai_sample_unknown(void)
{
    eai_sample s;
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++)
        s.values[m] = (double)NAN;
    return s;
}

/* ---- Results --------------------------------------------------------------------------------- */

eai_status eai_bench_results_create(eai_bench_results **out, const char *bench, eai_error *err)
{
    eai_bench_results *r = eai_alloc_zeroed(1, sizeof(*r));
    *out = NULL;
    if (r) {
        r->bench = eai_strndup(bench, EAI_BENCH_MAX_TEXT);
        r->path = eai_strdup("");
    }
    if (!r || !r->bench || !r->path) {
        eai_bench_results_free(r);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for results");
    }
    text__clean(r->bench);
    *out = r;
    return EAI_OK;
}

static void free_series(bench_series *s)
{
    if (!s)
        return;
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++)
        eai_free(s->values[m]);
    eai_free(s->name);
    eai_free(s->command);
    eai_free(s);
}

void eai_bench_results_free(eai_bench_results *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        free_series(r->series[i]);
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < r->lists[kind].n; i++) {
            eai_free(r->lists[kind].facts[i].name);
            eai_free(r->lists[kind].facts[i].value);
        }
        eai_free(r->lists[kind].facts);
    }
    eai_free((void *)r->series);
    eai_free(r->bench);
    eai_free(r->path);
    eai_free(r);
}

const char *eai_bench_results_bench(const eai_bench_results *r)
{
    return r->bench;
}

const char *eai_bench_results_path(const eai_bench_results *r)
{
    return r->path;
}

eai_status bench__results_set_path(eai_bench_results *r, const char *path, eai_error *err)
{
    char *copy = eai_strdup(path);
    if (!copy)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    text__clean(copy);
    eai_free(r->path);
    r->path = copy;
    return EAI_OK;
}

size_t eai_bench_results_count(const eai_bench_results *r)
{
    return r->n;
}

const eai_series *eai_bench_results_at(const eai_bench_results *r, size_t i)
{
    return &r->series[i]->view;
}

const eai_series *eai_bench_results_find(const eai_bench_results *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->series[i]->view.name, name) == 0)
            return &r->series[i]->view;
    }
    return NULL;
}

/* ---- Series ---------------------------------------------------------------------------------- */

static eai_status no_memory_for_case(const char *name, eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the case '%.100s'", name);
}

static eai_status grow_list(eai_bench_results *r, const char *name, eai_error *err)
{
    size_t capacity = r->capacity ? 2 * r->capacity : 8;
    bench_series **grown;
    if (r->n == EAI_BENCH_MAX_CASES)
        return eai_error_set(err, EAI_ERR_LIMIT, "more than %d cases", EAI_BENCH_MAX_CASES);
    if (r->n < r->capacity)
        return EAI_OK;
    grown = eai_realloc_array((void *)r->series, capacity, sizeof(bench_series *));
    if (!grown)
        return no_memory_for_case(name, err);
    r->series = grown;
    r->capacity = capacity;
    return EAI_OK;
}

eai_status bench__series_begin(bench_series **out, eai_bench_results *r, const char *name,
                               const char *command, eai_error *err)
{
    *out = NULL;
    if (!*name || strlen(name) > EAI_BENCH_MAX_TEXT)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a case's name of %zu bytes: 1 to %d",
                             strlen(name), EAI_BENCH_MAX_TEXT);
    if (eai_bench_results_find(r, name))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "two cases are called '%.200s'", name);
    EAI_TRY(grow_list(r, name, err));
    bench_series *s = eai_alloc_zeroed(1, sizeof(*s));
    if (s) {
        s->name = eai_strdup(name);
        s->command = eai_strndup(command ? command : "", EAI_BENCH_MAX_TEXT);
    }
    if (!s || !s->name || !s->command) {
        free_series(s);
        return no_memory_for_case(name, err);
    }
    text__clean(s->name);
    text__clean(s->command);
    s->view.name = s->name;
    s->view.command = s->command;
    s->view.batch = 1;
    r->series[r->n++] = s;
    *out = s;
    return EAI_OK;
}

/* A metric that no run has told so far takes no memory. */
static eai_status reserve(bench_series *s, eai_error *err)
{
    size_t capacity = s->capacity ? 2 * s->capacity : 16;
    if (s->view.n == EAI_BENCH_MAX_SAMPLES)
        return eai_error_set(err, EAI_ERR_LIMIT, "the case '%.200s' has more than %d samples",
                             s->view.name, EAI_BENCH_MAX_SAMPLES);
    if (s->view.n < s->capacity)
        return EAI_OK;
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++) {
        double *grown = NULL;
        if (s->unknown[m])
            continue;
        grown = eai_realloc_array(s->values[m], capacity, sizeof(double));
        if (!grown)
            return no_memory_for_case(s->view.name, err);
        s->values[m] = grown;
    }
    s->capacity = capacity;
    return EAI_OK;
}

eai_status bench__series_append(bench_series *s, const eai_sample *sample, eai_error *err)
{
    EAI_TRY(reserve(s, err));
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++) {
        double v = sample->values[m];
        if (isnan(v) && !s->unknown[m]) {
            s->unknown[m] = true;
            eai_free(s->values[m]);
            s->values[m] = NULL;
        }
        if (!s->unknown[m])
            s->values[m][s->view.n] = v;
        s->view.values[m] = s->values[m];
    }
    s->view.n++;
    return EAI_OK;
}

void bench__series_drop_last(eai_bench_results *r)
{
    free_series(r->series[--r->n]);
}

void bench__series_drop_empty(eai_bench_results *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->series[i]->view.n > 0)
            r->series[kept++] = r->series[i];
        else
            free_series(r->series[i]);
    }
    r->n = kept;
}

eai_status eai_bench_results_add(eai_bench_results *r, const char *name, const double *seconds,
                                 size_t n, eai_error *err)
{
    bench_series *s;
    eai_status st = EAI_OK;
    EAI_TRY(bench__series_begin(&s, r, name, NULL, err));
    s->view.stop = EAI_STOP_RUNS;
    for (size_t i = 0; i < n && st == EAI_OK; i++) {
        eai_sample sample = eai_sample_unknown();
        sample.values[EAI_METRIC_SECONDS] = seconds[i];
        st = isfinite(seconds[i]) && seconds[i] >= 0
                 ? bench__series_append(s, &sample, err)
                 : eai_error_set(err, EAI_ERR_NUMERIC, "the case '%.200s': %g is no time", name,
                                 seconds[i]);
    }
    if (st == EAI_OK && n == 0)
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "the case '%.200s' has no samples", name);
    if (st != EAI_OK)
        bench__series_drop_last(r);
    return st;
}

eai_status eai_series_summarize(eai_summary *out, const eai_series *s, eai_metric m, eai_error *err)
{
    *out = (eai_summary){0};
    if (!s->values[m])
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%s of the case '%.200s' is not known",
                             eai_metric_text(m), s->name);
    return eai_stats_summarize(out, s->values[m], s->n, 0.95, 1, err);
}

eai_status bench__series_median(double *median, double *most, const eai_series *s, eai_metric m,
                                eai_error *err)
{
    double *sorted = eai_alloc_array(s->n, sizeof(*sorted));
    if (!sorted)
        return no_memory_for_case(s->name, err);
    memcpy(sorted, s->values[m], s->n * sizeof(*sorted));
    eai_stats_sort(sorted, s->n);
    *median = eai_stats_median(sorted, s->n);
    *most = sorted[s->n - 1];
    eai_free(sorted);
    return EAI_OK;
}

/* ---- Facts ----------------------------------------------------------------------------------- */

static own_fact *find_fact(const fact_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->facts[i].name, name) == 0)
            return &l->facts[i];
    }
    return NULL;
}

static eai_status no_memory_for_fact(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a fact about the machine");
}

static eai_status append_fact(fact_list *l, const char *name, char *value, eai_error *err)
{
    if (l->n == MAX_FACTS)
        return eai_error_set(err, EAI_ERR_LIMIT, "more than %d facts", MAX_FACTS);
    char *own = eai_strndup(name, EAI_BENCH_MAX_TEXT);
    own_fact *grown = own ? eai_realloc_array(l->facts, l->n + 1, sizeof(*grown)) : NULL;
    if (!grown) {
        eai_free(own);
        return no_memory_for_fact(err);
    }
    text__clean(own);
    l->facts = grown;
    l->facts[l->n++] = (own_fact){own, value};
    return EAI_OK;
}

eai_status eai_bench_results_set_fact(eai_bench_results *r, eai_facts kind, const char *name,
                                      const char *value, eai_error *err)
{
    fact_list *l = &r->lists[kind];
    own_fact *old = find_fact(l, name);
    eai_status st = EAI_OK;
    char *own = eai_strndup(value, EAI_BENCH_MAX_TEXT);
    if (!own)
        return no_memory_for_fact(err);
    text__clean(own);
    if (old) {
        eai_free(old->value);
        old->value = own;
        return EAI_OK;
    }
    st = append_fact(l, name, own, err);
    if (st != EAI_OK)
        eai_free(own);
    return st;
}

size_t eai_bench_results_fact_count(const eai_bench_results *r, eai_facts kind)
{
    return r->lists[kind].n;
}

eai_fact eai_bench_results_fact_at(const eai_bench_results *r, eai_facts kind, size_t i)
{
    return (eai_fact){r->lists[kind].facts[i].name, r->lists[kind].facts[i].value};
}

const char *eai_bench_results_fact(const eai_bench_results *r, eai_facts kind, const char *name)
{
    const own_fact *f = find_fact(&r->lists[kind], name);
    return f ? f->value : NULL;
}

static int compare_facts(const void *a, const void *b)
{
    const own_fact *x = a;
    const own_fact *y = b;
    return strcmp(x->name, y->name);
}

eai_status eai_bench_results_fingerprint(char hash[EAI_FINGERPRINT_SIZE],
                                         const eai_bench_results *r, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    const fact_list *l = &r->lists[EAI_FACTS_MACHINE];
    own_fact sorted[MAX_FACTS];
    eai_strbuf b = EAI_STRBUF_INIT((size_t)MAX_FACTS * 2 * (EAI_BENCH_MAX_TEXT + 8));

    hash[0] = '\0';
    for (size_t i = 0; i < l->n; i++)
        sorted[i] = l->facts[i];
    qsort(sorted, l->n, sizeof(sorted[0]), compare_facts); /* variables come in any order */
    for (size_t i = 0; i < l->n; i++)
        eai_strbuf_printf(&b, "%s=%s\n", sorted[i].name, sorted[i].value);
    eai_status st = eai_strbuf_check(&b, "a fingerprint", err);
    if (st == EAI_OK)
        st = eai_sha256_memory(hex, eai_strbuf_get(&b), b.length, err);
    if (st == EAI_OK)
        snprintf(hash, EAI_FINGERPRINT_SIZE, "%.*s", EAI_FINGERPRINT_SIZE - 1, hex);
    eai_strbuf_deinit(&b);
    return st;
}

size_t eai_bench_facts_differ(const eai_bench_results *before, const eai_bench_results *after,
                              void (*tell)(void *ud, const char *name, const char *before,
                                           const char *after),
                              void *ud)
{
    size_t n = 0;
    const fact_list *a = &before->lists[EAI_FACTS_MACHINE];
    const fact_list *b = &after->lists[EAI_FACTS_MACHINE];
    for (size_t i = 0; i < a->n; i++) {
        const own_fact *other = find_fact(b, a->facts[i].name);
        if (other && strcmp(other->value, a->facts[i].value) == 0)
            continue;
        tell(ud, a->facts[i].name, a->facts[i].value, other ? other->value : "");
        n++;
    }
    for (size_t i = 0; i < b->n; i++) {
        if (find_fact(a, b->facts[i].name))
            continue;
        tell(ud, b->facts[i].name, "", b->facts[i].value);
        n++;
    }
    return n;
}
