/* Results: their file, what is refused of it, comparisons with known differences, reports. */
#include <efficientai/bench_results.h>

#include <math.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/rng.h>

#include "support/eai_test.h"

/* n skewed times of about `base`, as those of programs are. */
static void add_case(eai_bench_results *r, const char *name, double base, double spread, size_t n,
                     uint64_t seed)
{
    double x[200];
    eai_rng rng;
    eai_error err = EAI_ERROR_INIT;
    eai_rng_init(&rng, seed, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = base * (1 + spread * -log(1 - eai_rng_uniform_double(&rng)));
    assert_ok(eai_bench_results_add(r, name, x, n, &err), &err);
}

static eai_bench_results *make(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r;
    assert_ok(eai_bench_results_create(&r, "test", &err), &err);
    return r;
}

/* ---- The file -------------------------------------------------------------------------------- */

static void assert_same_series(const eai_series *a, const eai_series *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->command, b->command);
    assert_true(a->n == b->n && a->warm_up == b->warm_up && a->batch == b->batch);
    assert_int_equal(a->stop, b->stop);
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++) {
        assert_int_equal(a->values[m] == NULL, b->values[m] == NULL);
        for (size_t i = 0; a->values[m] && i < a->n; i++)
            assert_true(a->values[m][i] == b->values[m][i]); /* to the last bit */
    }
}

static void test_round_trip(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *back;
    char hash[EAI_FINGERPRINT_SIZE];
    char again[EAI_FINGERPRINT_SIZE];
    char *text;
    eai_bench_results *r = make();
    (void)state;
    add_case(r, "quote \" and \xC3\xA9", 1.0 / 3, 0.1, 25, 1);
    add_case(r, "b", 1e-7, 0.1, 1, 2);
    assert_ok(eai_bench_results_set_fact(r, EAI_FACTS_MACHINE, "cpu", "one", &err), &err);
    assert_ok(eai_bench_results_set_fact(r, EAI_FACTS_MACHINE, "cpu", "two\n", &err), &err);
    assert_ok(eai_bench_results_set_fact(r, EAI_FACTS_ENVIRONMENT, "seed", "1", &err), &err);
    assert_ok(eai_bench_results_to_json(&text, r, &err), &err);
    assert_ok(eai_bench_results_parse(&back, text, strlen(text), "x.json", &err), &err);
    eai_free(text);
    assert_int_equal(eai_bench_results_count(back), 2);
    for (size_t i = 0; i < 2; i++)
        assert_same_series(eai_bench_results_at(r, i), eai_bench_results_at(back, i));
    assert_string_equal(eai_bench_results_bench(back), "test");
    assert_string_equal(eai_bench_results_path(back), "x.json");
    assert_string_equal(eai_bench_results_fact(back, EAI_FACTS_MACHINE, "cpu"), "two?");
    assert_string_equal(eai_bench_results_fact(back, EAI_FACTS_ENVIRONMENT, "seed"), "1");
    assert_null(eai_bench_results_fact(back, EAI_FACTS_MACHINE, "seed"));
    assert_ok(eai_bench_results_fingerprint(hash, r, &err), &err);
    assert_ok(eai_bench_results_fingerprint(again, back, &err), &err);
    assert_string_equal(hash, again);
    assert_int_equal(strlen(hash), 12);
    eai_bench_results_free(r);
    eai_bench_results_free(back);
}

#define HEAD "{\"format\":\"efficientai-bench\",\"schema\":1,\"bench\":\"x\",\"cases\":"

static void test_broken_files(void **state)
{
    const struct {
        const char *text, *message;
        eai_status status;
    } rows[] = {
        {"", "x.json:1:0: no valid JSON", EAI_ERR_FORMAT},
        {"[1]", "\"format\" is not", EAI_ERR_FORMAT},
        {"{\"format\":\"other\"}", "\"format\" is not", EAI_ERR_FORMAT},
        {"{\"format\":\"efficientai-bench\"}", "schema 0; this program reads schema 1",
         EAI_ERR_UNSUPPORTED},
        {"{\"format\":\"efficientai-bench\",\"schema\":2}", "schema 2", EAI_ERR_UNSUPPORTED},
        {"{\"format\":\"efficientai-bench\",\"schema\":1}", "cases is not a list", EAI_ERR_FORMAT},
        {"{\"format\":\"efficientai-bench\",\"schema\":1,\"cases\":[]}", "bench is not a text",
         EAI_ERR_FORMAT},
        {HEAD "[1]}", "name is not a text", EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"a\"}]}", "'a': samples.seconds is not a list of 1 to", EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"a\",\"samples\":{\"seconds\":[]}}]}", "is not a list of 1 to",
         EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"a\",\"samples\":{\"seconds\":[1,\"2\"]}}]}",
         "samples.seconds: value 1 is not a number", EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"a\",\"samples\":{\"seconds\":[1,-2]}}]}", "value 1 is not a number",
         EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"a\",\"samples\":{\"seconds\":[1e19]}}]}", "value 0 is not a number",
         EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"a\",\"samples\":{\"seconds\":[1],\"peak_bytes\":[1,2]}}]}",
         "samples.peak_bytes is not a list of 1", EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"\",\"samples\":{\"seconds\":[1]}}]}", "name of 0 bytes",
         EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"a\",\"samples\":{\"seconds\":[1]}},"
              "{\"name\":\"a\",\"samples\":{\"seconds\":[1]}}]}",
         "two cases are called 'a'", EAI_ERR_FORMAT},
        {HEAD "[{\"name\":\"a\",\"batch\":-1,\"samples\":{\"seconds\":[1]}}]}",
         "batch is not a whole number", EAI_ERR_FORMAT},
        {HEAD "[],\"environment\":3}", "environment is not an object", EAI_ERR_FORMAT},
        {HEAD "[],\"fingerprint\":{\"facts\":{\"a\":1}}}", "fingerprint.facts is not an object",
         EAI_ERR_FORMAT},
        {HEAD "[]", "no valid JSON", EAI_ERR_FORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_bench_results *r;
        eai_status st =
            eai_bench_results_parse(&r, rows[i].text, strlen(rows[i].text), "x.json", &err);
        assert_fails(st, rows[i].status, &err, rows[i].message);
        assert_fails(st, rows[i].status, &err, "x.json");
        assert_null(r);
    }
}

/* Keys and stops of later versions are passed over. */
static void test_more_than_we_know(void **state)
{
    static const char text[] =
        HEAD "[{\"name\":\"a\",\"new\":[1],\"stop\":\"later\",\"samples\":{\"seconds\":[1,2],"
             "\"joules\":[\"?\"]}}],\"rows\":[]}";
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r;
    (void)state;
    assert_ok(eai_bench_results_parse(&r, text, strlen(text), "x.json", &err), &err);
    assert_int_equal(eai_bench_results_at(r, 0)->n, 2);
    assert_int_equal(eai_bench_results_at(r, 0)->stop, EAI_STOP_RUNS);
    eai_bench_results_free(r);
}

static void test_what_is_no_time(void **state)
{
    const double seconds[] = {1, -1};
    const double nan_seconds[] = {(double)NAN};
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *r = make();
    (void)state;
    assert_fails(eai_bench_results_add(r, "a", seconds, 2, &err), EAI_ERR_NUMERIC, &err, "-1");
    assert_fails(eai_bench_results_add(r, "a", nan_seconds, 1, &err), EAI_ERR_NUMERIC, &err, "nan");
    assert_fails(eai_bench_results_add(r, "a", seconds, 0, &err), EAI_ERR_ARGUMENT, &err,
                 "no samples");
    assert_int_equal(eai_bench_results_count(r), 0);
    assert_ok(eai_bench_results_add(r, "a", seconds, 1, &err), &err);
    eai_bench_results_free(r);
}

/* ---- Facts ----------------------------------------------------------------------------------- */

static void note(void *ud, const char *name, const char *before, const char *after)
{
    char *text = ud;
    size_t n = strlen(text);
    snprintf(text + n, 256 - n, "%s %s>%s;", name, before, after);
}

static void test_facts(void **state)
{
    static const char *const environment[] = {"OMP_NUM_THREADS=3",
                                              "EFFICIENTAI_CACHE=/c",
                                              "EFFICIENTAI_HUB_TOKEN=hf_secret",
                                              "MKL_API_KEY=secret",
                                              "OTHER=1",
                                              "=odd",
                                              "",
                                              NULL};
    const eai_fingerprint_opts opts = {.version = "1", .environment = environment, .seed = 7};
    eai_error err = EAI_ERROR_INIT;
    char *text;
    char told[256] = "";
    eai_bench_results *r = make();
    eai_bench_results *other = make();
    (void)state;
    assert_ok(eai_bench_results_describe(r, &opts, &err), &err);
    assert_ok(eai_bench_results_describe_end(r, &err), &err);
    assert_ok(eai_bench_results_describe(other, &opts, &err), &err);
    assert_string_equal(eai_bench_results_fact(r, EAI_FACTS_MACHINE, "$OMP_NUM_THREADS"), "3");
    assert_string_equal(eai_bench_results_fact(r, EAI_FACTS_ENVIRONMENT, "$EFFICIENTAI_CACHE"),
                        "/c");
    assert_non_null(eai_bench_results_fact(r, EAI_FACTS_MACHINE, "cores"));
    assert_non_null(eai_bench_results_fact(r, EAI_FACTS_MACHINE, "system"));
    assert_non_null(eai_bench_results_fact(r, EAI_FACTS_ENVIRONMENT, "command_line"));
    assert_string_equal(eai_bench_results_fact(r, EAI_FACTS_ENVIRONMENT, "seed"), "7");
    assert_ok(eai_bench_results_to_json(&text, r, &err), &err);
    assert_null(strstr(text, "secret"));
    eai_free(text);
    assert_int_equal(eai_bench_facts_differ(r, other, note, told), 0);
    assert_ok(eai_bench_results_set_fact(r, EAI_FACTS_MACHINE, "cores", "1000", &err), &err);
    assert_ok(eai_bench_results_set_fact(other, EAI_FACTS_MACHINE, "cores", "7", &err), &err);
    assert_ok(eai_bench_results_set_fact(other, EAI_FACTS_MACHINE, "new", "x", &err), &err);
    assert_int_equal(eai_bench_facts_differ(r, other, note, told), 2);
    assert_string_equal(told, "cores 1000>7;new >x;");
    eai_bench_results_free(r);
    eai_bench_results_free(other);
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static eai_verdict compare(double base_after, double spread, size_t n, uint64_t seed, bool *gate)
{
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *a = make();
    eai_bench_results *b = make();
    eai_bench_comparison *c;
    add_case(a, "x", 0.1, spread, n, seed);
    add_case(b, "x", base_after, spread, n, seed + 100000);
    assert_ok(eai_bench_compare(&c, a, b, EAI_METRIC_SECONDS, 0.05, &err), &err);
    const eai_bench_difference *d = eai_bench_comparison_at(c, 0);
    eai_verdict v = d->verdict;
    assert_true(d->interval.low <= d->ratio && d->ratio <= d->interval.high);
    *gate = eai_bench_difference_exceeds(d, 0.04);
    eai_bench_comparison_free(c);
    eai_bench_results_free(a);
    eai_bench_results_free(b);
    return v;
}

/* Of 200 pairs from one distribution some 5 % are called different, none fails the gate; 5 % more
 * with little noise is always seen. */
static void test_rates(void **state)
{
    int wolves = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        bool gate;
        eai_verdict v = compare(0.1, 0.02, 20, seed, &gate);
        wolves += v != EAI_VERDICT_SAME;
        assert_false(gate);
        assert_int_equal(compare(0.105, 0.005, 20, seed, &gate), EAI_VERDICT_MORE);
        assert_true(gate);
        assert_int_equal(compare(0.095, 0.005, 20, seed, &gate), EAI_VERDICT_LESS);
        assert_false(gate);
    }
    assert_in_range(wolves, 3, 19);
}

static void test_few_runs_decide_nothing(void **state)
{
    bool gate;
    (void)state;
    assert_int_equal(compare(0.2, 0.01, 3, 1, &gate), EAI_VERDICT_TOO_FEW);
    assert_false(gate);
    assert_int_equal(compare(0.2, 0.01, 4, 1, &gate), EAI_VERDICT_MORE);
    assert_true(gate);
}

static void test_gate(void **state)
{
    eai_bench_difference d = {.verdict = EAI_VERDICT_MORE, .ratio = 1.2, .interval = {1.03, 1.3}};
    (void)state;
    assert_false(eai_bench_difference_exceeds(&d, 0.04)); /* it may be 3 % only */
    d.interval.low = 1.05;
    assert_true(eai_bench_difference_exceeds(&d, 0.04));
    d.verdict = EAI_VERDICT_SAME;
    assert_false(eai_bench_difference_exceeds(&d, 0.04));
}

/* With 20 cases of one distribution each, the correction keeps the family at 5 %. */
static void test_many_cases(void **state)
{
    int families = 0;
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        eai_bench_results *a = make();
        eai_bench_results *b = make();
        eai_bench_comparison *c;
        bool any = false;
        for (uint64_t i = 0; i < 20; i++) {
            char name[16];
            snprintf(name, sizeof(name), "%d", (int)i);
            add_case(a, name, 1, 0.1, 12, seed * 64 + i);
            add_case(b, name, 1, 0.1, 12, seed * 64 + i + 32);
        }
        assert_ok(eai_bench_compare(&c, a, b, EAI_METRIC_SECONDS, 0.05, &err), &err);
        for (size_t i = 0; i < 20; i++)
            any |= eai_bench_comparison_at(c, i)->verdict != EAI_VERDICT_SAME;
        families += any;
        eai_bench_comparison_free(c);
        eai_bench_results_free(a);
        eai_bench_results_free(b);
    }
    assert_in_range(families, 0, 12); /* without it 64 */
}

static void test_cases_that_one_side_lacks(void **state)
{
    const double zeros[] = {0, 0, 0, 0, 0};
    eai_error err = EAI_ERROR_INIT;
    eai_bench_results *a = make();
    eai_bench_results *b = make();
    eai_bench_comparison *c;
    (void)state;
    add_case(a, "old", 1, 0.1, 5, 1);
    add_case(a, "both", 1, 0.1, 5, 2);
    add_case(b, "both", 1, 0.1, 5, 3);
    add_case(b, "new", 1, 0.1, 5, 4);
    assert_ok(eai_bench_results_add(a, "zero", zeros, 5, &err), &err);
    assert_ok(eai_bench_results_add(b, "zero", zeros, 5, &err), &err);
    assert_ok(eai_bench_compare(&c, a, b, EAI_METRIC_SECONDS, 0.05, &err), &err);
    assert_int_equal(eai_bench_comparison_count(c), 4);
    assert_string_equal(eai_bench_comparison_at(c, 0)->name, "old");
    assert_int_equal(eai_bench_comparison_at(c, 0)->verdict, EAI_VERDICT_UNKNOWN);
    assert_int_equal(eai_bench_comparison_at(c, 1)->verdict, EAI_VERDICT_SAME);
    assert_int_equal(eai_bench_comparison_at(c, 2)->verdict, EAI_VERDICT_SAME); /* no quotient */
    assert_true(eai_bench_comparison_at(c, 2)->ratio == 0);
    assert_string_equal(eai_bench_comparison_at(c, 3)->name, "new");
    eai_bench_comparison_free(c);
    assert_ok(eai_bench_compare(&c, a, b, EAI_METRIC_PEAK_BYTES, 0.05, &err), &err);
    assert_int_equal(eai_bench_comparison_at(c, 1)->verdict, EAI_VERDICT_UNKNOWN);
    eai_bench_comparison_free(c);
    assert_fails(eai_bench_compare(&c, a, b, EAI_METRIC_SECONDS, 1, &err), EAI_ERR_ARGUMENT, &err,
                 "alpha 1");
    eai_bench_results_free(a);
    eai_bench_results_free(b);
}

/* ---- Reports --------------------------------------------------------------------------------- */

static void test_reports(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_report_format f;
    char *text;
    eai_bench_results *r = make();
    const eai_bench_results *both[] = {r, r};
    (void)state;
    add_case(r, "a|b <i>&\"'", 0.012, 0.1, 20, 1);
    assert_ok(eai_bench_report(&text, both, 1, EAI_REPORT_MARKDOWN, &err), &err);
    assert_non_null(strstr(text, "| a\\|b \\<i\\>\\&\"' | "));
    assert_non_null(strstr(text, " ms | "));
    eai_free(text);
    assert_ok(eai_bench_report(&text, both, 1, EAI_REPORT_CSV, &err), &err);
    assert_non_null(strstr(text, "\r\n\"\",\"a|b <i>&\"\"'\",20,0.01"));
    eai_free(text);
    assert_ok(eai_bench_report(&text, both, 2, EAI_REPORT_HTML, &err), &err);
    assert_null(strstr(text, "<i>"));
    assert_non_null(strstr(text, "a|b &lt;i&gt;&amp;&quot;&#39;"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    eai_free(text);
    assert_ok(eai_bench_report(&text, both, 1, EAI_REPORT_JSON, &err), &err);
    eai_free(text);
    assert_fails(eai_bench_report(&text, both, 2, EAI_REPORT_JSON, &err), EAI_ERR_USAGE, &err,
                 "not of 2");
    assert_ok(eai_report_format_of(&f, "a.b/c.html", &err), &err);
    assert_int_equal(f, EAI_REPORT_HTML);
    assert_fails(eai_report_format_of(&f, "a.txt", &err), EAI_ERR_USAGE, &err, "'a.txt' does not");
    eai_bench_results_free(r);
}

static void test_units(void **state)
{
    const struct {
        double seconds;
        const char *text;
    } rows[] = {{0, "0 s"},
                {1.5e-9, "1.500 ns"},
                {0.99999e-6, "1.000 us"},
                {12.345e-3, "12.35 ms"},
                {0.1234, "123.4 ms"},
                {1, "1.000 s"},
                {99.999, "100.0 s"},
                {1234, "1234 s"}};
    char text[32];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(eai_bench_format_seconds(text, sizeof(text), rows[i].seconds),
                            rows[i].text);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static char *folder;

static eai_status all_of_it(void *ud, eai_error *err)
{
    const double x[] = {1, 2, 3, 4, 5};
    const eai_fingerprint_opts opts = {.version = "1"};
    eai_bench_results *r = NULL;
    eai_bench_results *back = NULL;
    eai_bench_comparison *c = NULL;
    char *texts[3] = {NULL, NULL, NULL};
    const eai_bench_results *one[1];
    (void)ud;
    eai_status st = eai_bench_results_create(&r, "x", err);
    one[0] = r;
    if (st == EAI_OK)
        st = eai_bench_results_describe(r, &opts, err);
    if (st == EAI_OK)
        st = eai_bench_results_add(r, "a", x, 5, err);
    for (int i = 0; i < 3 && st == EAI_OK; i++)
        st = eai_bench_report(&texts[i], one, 1,
                              i == 0   ? EAI_REPORT_JSON
                              : i == 1 ? EAI_REPORT_HTML
                                       : EAI_REPORT_MARKDOWN,
                              err);
    if (st == EAI_OK)
        st = eai_bench_results_parse(&back, texts[0], strlen(texts[0]), "x", err);
    if (st == EAI_OK)
        st = eai_bench_compare(&c, r, back, EAI_METRIC_SECONDS, 0.05, err);
    eai_bench_comparison_free(c);
    for (int i = 0; i < 3; i++)
        eai_free(texts[i]);
    eai_bench_results_free(r);
    eai_bench_results_free(back);
    return st;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    eai_test_torture(all_of_it, NULL);
}

static eai_status load(void *ud, eai_error *err)
{
    eai_bench_results *r;
    eai_status st = eai_bench_results_load(&r, ud, err);
    eai_bench_results_free(r);
    return st;
}

static void test_disk(void **state)
{
    static const char text[] = HEAD "[{\"name\":\"a\",\"samples\":{\"seconds\":[1]}}]}";
    char path[128];
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    folder = eai_test_make_folder();
    snprintf(path, sizeof(path), "%s/r.json", folder);
    assert_ok(eai_fs_write_atomic(path, text, strlen(text), &err), &err);
    eai_test_io_torture(load, NULL, path, folder);
    eai_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_more_than_we_know),
        cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_few_runs_decide_nothing),
        cmocka_unit_test(test_many_cases),
        cmocka_unit_test(test_cases_that_one_side_lacks),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
