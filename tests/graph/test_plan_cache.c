/* The cache of plans: what is at hand is not built again, the least recently used goes, the plans
 * of a cache share memory, and a build that fails changes nothing. The graph is x -> 2 x of n
 * numbers. */
#include "support/eai_test.h"

#include <efficientai/alloc.h>
#include <efficientai/plan_cache.h>

typedef struct double_ports {
    eai_operand x, y;
} double_ports;

typedef struct bench {
    eai_backend *backend;
    eai_plan_cache *cache;
    int n_builds;
    int64_t refused; /* this size fails to build */
} bench;

static eai_status build_double(eai_plan **out, void *ports, const eai_plan_key *key,
                               const eai_plan *lender, void *ud, eai_error *err)
{
    bench *b = ud;
    double_ports *p = ports;
    eai_graph *g = NULL;

    *out = NULL;
    b->n_builds++;
    if (key->n[0] == b->refused)
        return eai_error_set(err, EAI_ERR_LIMIT, "size %d is refused", (int)key->n[0]);
    assert_null(p->x.data); /* zeroed, whoever had the place before */
    EAI_TRY(eai_graph_create(&g, err));
    eai_tensor *x = eai_input(g, "x", EAI_F32, EAI_SHAPE1(key->n[0]));
    eai_graph_output(g, "y", eai_scale(g, x, 2));
    eai_status st = eai_plan_create_sharing(out, g, b->backend, lender, err);
    eai_graph_free(g);
    if (st == EAI_OK)
        st = eai_plan_find(&p->x, *out, "x", err);
    if (st == EAI_OK)
        st = eai_plan_find(&p->y, *out, "y", err);
    return st;
}

static eai_status open_cache(bench *b, size_t capacity, eai_error *err)
{
    const eai_plan_cache_opts opts = {capacity, sizeof(double_ports), build_double, b};
    return eai_plan_cache_create(&b->cache, &opts, err);
}

static void open_bench(bench *b, size_t capacity)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend_opts one = EAI_BACKEND_OPTS_INIT;
    memset(b, 0, sizeof(*b));
    one.n_threads = 1;
    assert_ok(eai_backend_open(&b->backend, "cpu", &one, &err), &err);
    assert_ok(open_cache(b, capacity, &err), &err);
}

static void close_bench(bench *b)
{
    eai_plan_cache_free(b->cache);
    eai_backend_close(b->backend);
}

/* Gets the plan of size n and checks that it doubles. */
static const double_ports *use(bench *b, int64_t n)
{
    eai_error err = EAI_ERROR_INIT;
    const eai_plan_entry *e;
    assert_ok(eai_plan_cache_get(&e, b->cache, (eai_plan_key){{n}}, &err), &err);
    assert_int_equal(e->key.n[0], n);
    const double_ports *p = e->ports;
    for (int64_t i = 0; i < n; i++)
        ((float *)p->x.data)[i] = (float)(i - 3);
    assert_ok(eai_plan_run(e->plan, &err), &err);
    for (int64_t i = 0; i < n; i++)
        assert_true(((const float *)p->y.data)[i] == (float)(2 * (i - 3)));
    return p;
}

static void assert_stats(const bench *b, uint64_t hits, uint64_t misses, uint64_t evictions,
                         size_t plans)
{
    eai_plan_cache_stats s;
    eai_plan_cache_get_stats(&s, b->cache);
    assert_int_equal(s.hits, hits);
    assert_int_equal(s.misses, misses);
    assert_int_equal(s.evictions, evictions);
    assert_int_equal(s.plans, plans);
    assert_int_equal(b->n_builds, misses);
}

static void what_is_at_hand_is_not_built_again(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, 4);
    for (int round = 0; round < 3; round++) {
        for (int64_t n = 5; n < 9; n++)
            use(&b, n);
    }
    assert_stats(&b, 8, 4, 0, 4);
    close_bench(&b);
}

static void all_numbers_of_the_key_count(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b;
    const eai_plan_entry *e;
    open_bench(&b, 8);
    for (int i = 0; i < EAI_PLAN_KEY_SIZE; i++) {
        eai_plan_key key = {{7}};
        key.n[i] += 1;
        assert_ok(eai_plan_cache_get(&e, b.cache, key, &err), &err);
        assert_ok(eai_plan_cache_get(&e, b.cache, key, &err), &err);
    }
    assert_stats(&b, EAI_PLAN_KEY_SIZE, EAI_PLAN_KEY_SIZE, 0, EAI_PLAN_KEY_SIZE);
    close_bench(&b);
}

static void the_least_recently_used_goes(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, 2);
    use(&b, 1);
    use(&b, 2);
    use(&b, 1); /* 2 is now the older one */
    use(&b, 3);
    assert_stats(&b, 1, 3, 1, 2);
    use(&b, 1);
    use(&b, 3);
    assert_stats(&b, 3, 3, 1, 2);
    use(&b, 2);
    assert_stats(&b, 3, 4, 2, 2);
    eai_plan_cache_clear(b.cache);
    assert_stats(&b, 3, 4, 2, 0);
    use(&b, 2);
    assert_stats(&b, 3, 5, 2, 1);
    close_bench(&b);
}

static void a_failed_build_changes_nothing(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b;
    const eai_plan_entry *e;
    open_bench(&b, 2);
    use(&b, 10);
    const double_ports *older = use(&b, 20);
    b.refused = 30;
    for (int i = 0; i < 3; i++)
        assert_fails(eai_plan_cache_get(&e, b.cache, (eai_plan_key){{30}}, &err), EAI_ERR_LIMIT,
                     &err, "size 30 is refused");
    assert_null(e);
    assert_stats(&b, 0, 5, 0, 2);
    assert_ptr_equal(use(&b, 20), older);
    use(&b, 10);
    assert_stats(&b, 2, 5, 0, 2);
    close_bench(&b);
}

/* The largest first: the others take no memory of their own, and it stays when its plan goes. */
static void plans_lie_in_the_largest_ones_memory(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, 2);
    const char *begin = use(&b, 4096)->x.data;
    for (int64_t n = 1; n < 4096; n *= 2) {
        const double_ports *p = use(&b, n);
        assert_ptr_equal(p->x.data, begin);
        assert_true((const char *)p->y.data < begin + 2 * 4096 * sizeof(float));
    }
    const double_ports *larger = use(&b, 8192); /* does not fit: memory of its own */
    assert_ptr_not_equal(larger->x.data, begin);
    assert_ptr_equal(use(&b, 16)->x.data, larger->x.data);
    close_bench(&b);
}

static void odd_capacities_are_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b = {0};
    assert_fails(open_cache(&b, 0, &err), EAI_ERR_ARGUMENT, &err, "0 plans: allowed is 1 to 4096");
    assert_fails(open_cache(&b, 5000, &err), EAI_ERR_ARGUMENT, &err, "5000 plans");
    assert_null(b.cache);
}

/* With every allocation failing once: what was at hand before a failure still is. */
static eai_status fill_cache(void *ud, eai_error *err)
{
    bench *b = ud;
    const eai_plan_entry *e;
    b->n_builds = 0;
    eai_status st = open_cache(b, 2, err);
    for (int64_t n = 1; st == EAI_OK && n <= 4; n++) {
        st = eai_plan_cache_get(&e, b->cache, (eai_plan_key){{n * 100}}, err);
        if (st != EAI_OK && n > 1) {
            int built = b->n_builds;
            eai_error second = EAI_ERROR_INIT;
            assert_ok(eai_plan_cache_get(&e, b->cache, (eai_plan_key){{(n - 1) * 100}}, &second),
                      &second);
            assert_ok(eai_plan_run(e->plan, &second), &second);
            assert_int_equal(b->n_builds, built);
        }
    }
    eai_plan_cache_free(b->cache);
    b->cache = NULL;
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, 1);
    eai_plan_cache_free(b.cache);
    eai_test_torture(fill_cache, &b);
    eai_backend_close(b.backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_at_hand_is_not_built_again),
        cmocka_unit_test(all_numbers_of_the_key_count),
        cmocka_unit_test(the_least_recently_used_goes),
        cmocka_unit_test(a_failed_build_changes_nothing),
        cmocka_unit_test(plans_lie_in_the_largest_ones_memory),
        cmocka_unit_test(odd_capacities_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
