/* The arena: alignment, growth, large objects, overflow, reset, failing memory. */
#include "support/eai_test.h"

#include "base/arena.h"

#include <efficientai/alloc.h>

static void test_objects_do_not_overlap(void **state)
{
    enum { N = 500 };
    unsigned char *p[N];
    size_t size[N];
    (void)state;

    eai_arena *a = eai_arena_create(1024);
    assert_non_null(a);
    size_t sum = 0;
    for (size_t i = 0; i < N; i++) {
        size[i] = (i * 37) % 700 + 1; /* some are larger than half a chunk */
        size_t alignment = (size_t)1 << (i % 8);
        p[i] = eai_arena_alloc_aligned(a, alignment, size[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % alignment, 0);
        memset(p[i], (int)(i & 255), size[i]);
        sum += size[i];
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < size[i]; j++)
            assert_int_equal(p[i][j], i & 255);
    assert_int_equal(eai_arena_used(a), sum);
    assert_true(eai_arena_reserved(a) >= sum);
    eai_arena_free(a);
}

static void test_a_large_object_does_not_waste_the_chunk(void **state)
{
    (void)state;
    eai_arena *a = eai_arena_create(4096);
    char *before = eai_arena_alloc(a, 16);
    char *large = eai_arena_alloc(a, 100000);
    char *after = eai_arena_alloc(a, 16);
    assert_non_null(before);
    assert_non_null(large);
    assert_non_null(after);
    memset(large, 1, 100000);
    assert_true(eai_arena_reserved(a) <= 100000 + 4096);
    eai_arena_free(a);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    eai_arena *a = eai_arena_create(0);
    assert_null(eai_arena_alloc(a, SIZE_MAX));
    assert_null(eai_arena_alloc(a, SIZE_MAX - 16));
    assert_null(eai_arena_alloc_aligned(a, 4096, SIZE_MAX - 64));
    assert_null(eai_arena_array(a, SIZE_MAX / 2, 3));
    assert_null(eai_arena_zeroed(a, SIZE_MAX / 2, 3));
    assert_null(eai_arena_alloc_aligned(a, 0, 8));
    assert_null(eai_arena_alloc_aligned(a, 24, 8));
    assert_null(eai_arena_alloc_aligned(a, 8192, 8));
    assert_null(eai_arena_alloc(NULL, 8));
    assert_null(eai_arena_strdup(a, NULL));
    assert_null(eai_arena_strndup(a, NULL, 3));
    assert_null(eai_arena_strdup(NULL, "x"));
    assert_int_equal(eai_arena_used(NULL), 0);
    assert_int_equal(eai_arena_reserved(NULL), 0);
    eai_arena_reset(NULL);
    eai_arena_reset(a);
    eai_arena_free(a);
    eai_arena_free(NULL);
}

static void test_text_and_copies(void **state)
{
    const int numbers[3] = {1, 2, 3};
    (void)state;

    eai_arena *a = eai_arena_create(64);
    const char *one = eai_arena_printf(a, "layers.%d.%s", 3, "mlp");
    const char *two = eai_arena_strndup(a, "abcdef", 3);
    const char *three = eai_arena_strdup(a, "");
    const int *four = eai_arena_memdup(a, numbers, sizeof(numbers));
    const char *five = eai_arena_zeroed(a, 0, 8);
    assert_string_equal(one, "layers.3.mlp");
    assert_string_equal(two, "abc");
    assert_string_equal(three, "");
    assert_memory_equal(four, numbers, sizeof(numbers));
    assert_non_null(five);
    eai_arena_free(a);
}

static void test_reset_starts_afresh(void **state)
{
    (void)state;
    eai_arena *a = eai_arena_create(256);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            char *p = eai_arena_zeroed(a, 100, 1);
            assert_non_null(p);
            assert_int_equal(p[99], 0);
            memset(p, 7, 100);
        }
        eai_arena_reset(a);
        assert_int_equal(eai_arena_used(a), 0);
        assert_true(eai_arena_reserved(a) <= 256);
    }
    eai_arena_free(a);
}

static eai_status use_arena(void *ud, eai_error *err)
{
    eai_status st = EAI_OK;
    (void)ud;

    eai_arena *a = eai_arena_create(128);
    bool ok = a != NULL;
    for (int i = 0; ok && i < 20; i++)
        ok = eai_arena_printf(a, "%*d", i * 10, i) != NULL;
    if (!ok)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory");
    eai_arena_free(a);
    return st;
}

static void test_torture(void **state)
{
    (void)state;
    eai_test_torture(use_arena, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_do_not_overlap),
        cmocka_unit_test(test_a_large_object_does_not_waste_the_chunk),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_text_and_copies),
        cmocka_unit_test(test_reset_starts_afresh),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
