/* The file of results, docs/benchmarks.md: written by hand in one go, read through jansson with
 * every value checked. Start at eai_bench_results_parse. */
#include "bench/results.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/json.h"

#include "base/banned.h"

#define FORMAT      "efficientai-bench"
#define MAX_VALUE   1e18 /* of a sample: seconds, bytes, counts */
#define MAX_WRITTEN ((size_t)64 << 20)

/* ---- Writing --------------------------------------------------------------------------------- */

static void write_facts(eai_strbuf *b, const eai_bench_results *r, eai_facts kind)
{
    eai_strbuf_char(b, '{');
    for (size_t i = 0; i < eai_bench_results_fact_count(r, kind); i++) {
        eai_fact f = eai_bench_results_fact_at(r, kind, i);
        if (i)
            eai_strbuf_char(b, ',');
        eai_strbuf_json_string(b, f.name);
        eai_strbuf_char(b, ':');
        eai_strbuf_json_string(b, f.value);
    }
    eai_strbuf_char(b, '}');
}

static void write_samples(eai_strbuf *b, const eai_series *s)
{
    const char *between = "";
    eai_strbuf_text(b, ",\"samples\":{");
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++) {
        if (!s->values[m])
            continue;
        eai_strbuf_printf(b, "%s\"%s\":[", between, eai_metric_name((eai_metric)m));
        between = ",";
        for (size_t i = 0; i < s->n; i++) {
            if (i)
                eai_strbuf_char(b, ',');
            eai_strbuf_json_number(b, s->values[m][i]);
        }
        eai_strbuf_char(b, ']');
    }
    eai_strbuf_char(b, '}');
}

/* For readers that have no statistics; ours makes its own from the samples. */
static void write_summary(eai_strbuf *b, const eai_summary *s)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"median", s->median}, {"low", s->interval.low}, {"high", s->interval.high},
                   {"level", s->level},   {"mad", s->mad},          {"mean", s->mean},
                   {"stddev", s->stddev}, {"least", s->least},      {"most", s->most}};
    eai_strbuf_text(b, ",\"summary\":{");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        eai_strbuf_printf(b, "\"%s\":", numbers[i].name);
        eai_strbuf_json_number(b, numbers[i].value);
        eai_strbuf_char(b, ',');
    }
    eai_strbuf_printf(b, "\"outliers_mild\":%zu,\"outliers_severe\":%zu}", s->outliers.n_mild,
                      s->outliers.n_severe);
}

static eai_status write_case(eai_strbuf *b, const eai_series *s, eai_error *err)
{
    eai_summary summary;
    EAI_TRY(eai_series_summarize(&summary, s, EAI_METRIC_SECONDS, err));
    eai_strbuf_text(b, "{\"name\":");
    eai_strbuf_json_string(b, s->name);
    eai_strbuf_text(b, ",\"command\":");
    eai_strbuf_json_string(b, s->command);
    eai_strbuf_printf(b, ",\"warm_up\":%zu,\"batch\":%zu,\"stop\":\"%s\"", s->warm_up, s->batch,
                      eai_stop_name(s->stop));
    write_samples(b, s);
    write_summary(b, &summary);
    eai_strbuf_char(b, '}');
    return EAI_OK;
}

eai_status eai_bench_results_to_json(char **out, const eai_bench_results *r, eai_error *err)
{
    char hash[EAI_FINGERPRINT_SIZE];
    eai_strbuf b = EAI_STRBUF_INIT(MAX_WRITTEN);

    *out = NULL;
    eai_status st = eai_bench_results_fingerprint(hash, r, err);
    eai_strbuf_printf(&b, "{\"format\":\"%s\",\"schema\":%d,\"bench\":", FORMAT, EAI_BENCH_SCHEMA);
    eai_strbuf_json_string(&b, eai_bench_results_bench(r));
    eai_strbuf_printf(&b, ",\"fingerprint\":{\"hash\":\"%s\",\"facts\":", hash);
    write_facts(&b, r, EAI_FACTS_MACHINE);
    eai_strbuf_text(&b, "},\"environment\":");
    write_facts(&b, r, EAI_FACTS_ENVIRONMENT);
    eai_strbuf_text(&b, ",\"cases\":[");
    for (size_t i = 0; i < eai_bench_results_count(r) && st == EAI_OK; i++) {
        if (i)
            eai_strbuf_char(&b, ',');
        st = write_case(&b, eai_bench_results_at(r, i), err);
    }
    eai_strbuf_text(&b, "]}");
    if (st == EAI_OK)
        st = eai_strbuf_check(&b, "the results", err);
    if (st == EAI_OK)
        *out = eai_strbuf_take(&b, NULL);
    eai_strbuf_deinit(&b);
    return st;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* "FILE: what: ..." for whatever a file says wrongly. */
static eai_status refuse(const char *label, const char *what, const char *wanted, eai_error *err)
{
    return eai_error_set(err, EAI_ERR_FORMAT, "%s: %s is not %s", label, what, wanted);
}

/* A text at `key`, NULL when it is absent and need not be there. */
static eai_status read_text(const char **out, const json_t *object, const char *key, bool required,
                            const char *label, eai_error *err)
{
    const json_t *v = json_object_get(object, key);
    *out = NULL;
    if (!v && !required)
        return EAI_OK;
    if (!json_is_string(v) || json_string_length(v) > EAI_BENCH_MAX_TEXT)
        return refuse(label, key, "a text of at most 4096 bytes", err);
    *out = json_string_value(v);
    return EAI_OK;
}

static eai_status read_count(size_t *out, const json_t *object, const char *key, size_t missing,
                             const char *label, eai_error *err)
{
    const json_t *v = json_object_get(object, key);
    *out = missing;
    if (!v)
        return EAI_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1000000000)
        return refuse(label, key, "a whole number from 0 to 1000000000", err);
    *out = (size_t)json_integer_value(v);
    return EAI_OK;
}

static eai_status read_facts(eai_bench_results *r, eai_facts kind, json_t *object, const char *what,
                             const char *label, eai_error *err)
{
    const char *name;
    json_t *v;
    if (!object)
        return EAI_OK;
    if (!json_is_object(object))
        return refuse(label, what, "an object of texts", err);
    json_object_foreach(object, name, v)
    {
        if (!json_is_string(v) || json_string_length(v) > EAI_BENCH_MAX_TEXT ||
            strlen(name) > EAI_BENCH_MAX_TEXT)
            return refuse(label, what, "an object of texts of at most 4096 bytes", err);
        eai_status st = eai_bench_results_set_fact(r, kind, name, json_string_value(v), err);
        if (st != EAI_OK)
            return eai_error_context(err, st, "%s: %s", label, what);
    }
    return EAI_OK;
}

/* The samples' arrays; those of unknown names are passed over. */
typedef struct columns {
    const json_t *lists[EAI_METRIC_COUNT];
    size_t n;
} columns;

static eai_status read_columns(columns *c, const json_t *object, const char *name,
                               const char *label, eai_error *err)
{
    const json_t *samples = json_object_get(object, "samples");
    *c = (columns){0};
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++)
        c->lists[m] = json_object_get(samples, eai_metric_name((eai_metric)m));
    c->n = json_array_size(c->lists[EAI_METRIC_SECONDS]);
    if (c->n == 0 || c->n > EAI_BENCH_MAX_SAMPLES)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: case '%.200s': samples.seconds is not a list of 1 to %d numbers",
                             label, name, EAI_BENCH_MAX_SAMPLES);
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++) {
        if (c->lists[m] && json_array_size(c->lists[m]) != c->n)
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "%s: case '%.200s': samples.%s is not a list of %zu numbers, as "
                                 "samples.seconds is",
                                 label, name, eai_metric_name((eai_metric)m), c->n);
    }
    return EAI_OK;
}

static eai_status read_samples(bench_series *s, const columns *c, const char *label, eai_error *err)
{
    for (size_t i = 0; i < c->n; i++) {
        eai_sample sample = eai_sample_unknown();
        for (size_t m = 0; m < EAI_METRIC_COUNT; m++) {
            const json_t *v = c->lists[m] ? json_array_get(c->lists[m], i) : NULL;
            if (!c->lists[m])
                continue;
            sample.values[m] = json_number_value(v);
            if (!json_is_number(v) || !(sample.values[m] >= 0 && sample.values[m] <= MAX_VALUE))
                return eai_error_set(err, EAI_ERR_FORMAT,
                                     "%s: case '%.200s': samples.%s: value %zu is not a number "
                                     "from 0 to 1e18",
                                     label, s->view.name, eai_metric_name((eai_metric)m), i);
        }
        EAI_TRY(bench__series_append(s, &sample, err));
    }
    return EAI_OK;
}

static eai_status read_case(eai_bench_results *r, const json_t *object, const char *label,
                            eai_error *err)
{
    const char *name;
    const char *command;
    const char *stop;
    bench_series *s;
    columns c;
    EAI_TRY(read_text(&name, object, "name", true, label, err));
    EAI_TRY(read_text(&command, object, "command", false, label, err));
    EAI_TRY(read_text(&stop, object, "stop", false, label, err));
    EAI_TRY(read_columns(&c, object, name, label, err));
    eai_status st = bench__series_begin(&s, r, name, command, err);
    if (st != EAI_OK)
        return st == EAI_ERR_NOMEM ? st : eai_error_context(err, EAI_ERR_FORMAT, "%s", label);
    s->view.stop = EAI_STOP_RUNS;
    for (size_t i = 0; stop && i < EAI_STOP_COUNT; i++) {
        if (strcmp(stop, eai_stop_name((eai_stop)i)) == 0)
            s->view.stop = (eai_stop)i;
    }
    EAI_TRY(read_count(&s->view.warm_up, object, "warm_up", 0, label, err));
    EAI_TRY(read_count(&s->view.batch, object, "batch", 1, label, err));
    return read_samples(s, &c, label, err);
}

static eai_status check_format(const json_t *root, const char *label, eai_error *err)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    const json_t *schema = json_object_get(root, "schema");
    if (!format || strcmp(format, FORMAT) != 0)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: no results of `efficientai bench`: \"format\" is not \"%s\"",
                             label, FORMAT);
    if (!json_is_integer(schema) || json_integer_value(schema) != EAI_BENCH_SCHEMA)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: results of schema %lld; this program reads schema %d", label,
                             (long long)json_integer_value(schema), EAI_BENCH_SCHEMA);
    if (!json_is_array(json_object_get(root, "cases")))
        return refuse(label, "cases", "a list", err);
    return EAI_OK;
}

static eai_status read_results(eai_bench_results **out, json_t *root, const char *label,
                               eai_error *err)
{
    const char *bench;
    size_t i;
    json_t *c;
    EAI_TRY(check_format(root, label, err));
    EAI_TRY(read_text(&bench, root, "bench", true, label, err));
    EAI_TRY(eai_bench_results_create(out, bench, err));
    EAI_TRY(bench__results_set_path(*out, label, err));
    json_t *fingerprint = json_object_get(root, "fingerprint");
    EAI_TRY(read_facts(*out, EAI_FACTS_MACHINE, json_object_get(fingerprint, "facts"),
                       "fingerprint.facts", label, err));
    EAI_TRY(read_facts(*out, EAI_FACTS_ENVIRONMENT, json_object_get(root, "environment"),
                       "environment", label, err));
    json_array_foreach(json_object_get(root, "cases"), i, c)
    {
        EAI_TRY(read_case(*out, c, label, err));
    }
    return EAI_OK;
}

static eai_status take_results(eai_bench_results **out, json_t *root, const char *label,
                               eai_error *err)
{
    eai_status st = read_results(out, root, label, err);
    json_decref(root);
    if (st != EAI_OK) {
        eai_bench_results_free(*out);
        *out = NULL;
    }
    return st;
}

eai_status eai_bench_results_parse(eai_bench_results **out, const char *text, size_t n,
                                   const char *label, eai_error *err)
{
    json_t *root;
    *out = NULL;
    if (n > EAI_BENCH_MAX_FILE)
        return eai_error_set(err, EAI_ERR_LIMIT, "%s: %zu bytes; at most %zu are read", label, n,
                             EAI_BENCH_MAX_FILE);
    EAI_TRY(eai_json_parse(&root, text, n, label, err));
    return take_results(out, root, label, err);
}

eai_status eai_bench_results_load(eai_bench_results **out, const char *path, eai_error *err)
{
    json_t *root;
    *out = NULL;
    EAI_TRY(eai_json_load(&root, path, EAI_BENCH_MAX_FILE, err));
    return take_results(out, root, path, err);
}
