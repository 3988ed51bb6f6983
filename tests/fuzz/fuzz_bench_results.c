/* Fuzz target: a file of results of `efficientai bench`. One that is accepted can be compared with
 * itself, in which nothing differs, reported in every format, and read again from what is written.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/bench_results.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SAMPLES 2000 /* more of them only take time */

static void check_series(const eai_series *s)
{
    if (s->n < 1 || s->n > EAI_BENCH_MAX_SAMPLES || !s->values[EAI_METRIC_SECONDS] || !*s->name)
        abort();
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++) {
        for (size_t i = 0; s->values[m] && i < s->n; i++) {
            if (!(s->values[m][i] >= 0 && s->values[m][i] <= 1e18))
                abort();
        }
    }
}

static void compare_with_itself(const eai_bench_results *r)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_comparison *c;
    if (eai_bench_compare(&c, r, r, EAI_METRIC_SECONDS, 0.05, &err) != EAI_OK)
        abort();
    if (eai_bench_comparison_count(c) != eai_bench_results_count(r))
        abort();
    for (size_t i = 0; i < eai_bench_comparison_count(c); i++) {
        const eai_bench_difference *d = eai_bench_comparison_at(c, i);
        if (d->verdict == EAI_VERDICT_MORE || d->verdict == EAI_VERDICT_LESS ||
            eai_bench_difference_exceeds(d, 0))
            abort();
    }
    eai_bench_comparison_free(c);
}

static void write_again(const eai_bench_results *r)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *back;
    for (int f = EAI_REPORT_JSON; f <= EAI_REPORT_HTML; f++) {
        char *text;
        if (eai_bench_report(&text, &r, 1, (eai_report_format)f, &err) != EAI_OK || !text)
            abort();
        if (f == EAI_REPORT_JSON) {
            if (eai_bench_results_parse(&back, text, strlen(text), "again", &err) != EAI_OK &&
                !strstr(err.message, "two cases")) /* their names differed in control characters */
                abort();
            eai_bench_results_free(back);
        }
        eai_free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r;
    size_t n = 0;

    eai_status st = eai_bench_results_parse(&r, (const char *)data, size, "results", &err);
    if (st != EAI_OK) {
        if (r || err.code != st || !strstr(err.message, "results"))
            abort();
        return 0;
    }
    for (size_t i = 0; i < eai_bench_results_count(r); i++) {
        check_series(eai_bench_results_at(r, i));
        n += eai_bench_results_at(r, i)->n;
    }
    if (n <= MAX_SAMPLES) {
        compare_with_itself(r);
        write_again(r);
    }
    eai_bench_results_free(r);
    return 0;
}
