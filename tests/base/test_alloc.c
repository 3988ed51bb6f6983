/* The allocator: overflow, alignment, failure injection (by call and by environment). */
#include "support/eai_test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <efficientai/alloc.h>

static void test_overflow_is_refused(void **state)
{
    size_t out = 7;
    (void)state;

    assert_null(eai_alloc_array(SIZE_MAX / 2, 3));
    assert_null(eai_alloc_zeroed(SIZE_MAX / 2, 3));
    char *p = eai_alloc(8);
    assert_non_null(p);
    assert_null(eai_realloc_array(p, SIZE_MAX, 2));
    eai_free(p);
    assert_null(eai_alloc_aligned(64, SIZE_MAX - 10));
    assert_false(eai_size_mul(&out, SIZE_MAX, 2));
    assert_false(eai_size_add(&out, SIZE_MAX, 1));
    assert_int_equal(out, 7);
    assert_true(eai_size_mul(&out, 6, 7));
    assert_int_equal(out, 42);
    assert_true(eai_size_add(&out, SIZE_MAX - 1, 1));
    assert_true(out == SIZE_MAX);
}

static void test_zero_bytes_give_a_pointer(void **state)
{
    (void)state;
    void *p[5] = {eai_alloc(0), eai_alloc_zeroed(0, 8), eai_alloc_array(8, 0),
                  eai_alloc_aligned(64, 0), eai_realloc_array(NULL, 0, 4)};
    for (int i = 0; i < 5; i++) {
        assert_non_null(p[i]);
        eai_free(p[i]);
    }
    eai_free(NULL);
}

static void test_zeroed_and_realloc_keep_their_words(void **state)
{
    (void)state;
    unsigned char *p = eai_alloc_zeroed(100, 3);
    assert_non_null(p);
    for (int i = 0; i < 300; i++)
        assert_int_equal(p[i], 0);
    p[299] = 9;
    p = eai_realloc_array(p, 1000, 100);
    assert_non_null(p);
    assert_int_equal(p[299], 9);
    eai_free(p);
}

static void test_alignment(void **state)
{
    (void)state;
    for (size_t alignment = sizeof(void *); alignment <= 4096; alignment *= 2) {
        char *p = eai_alloc_aligned(alignment, 100);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignment, 0);
        memset(p, 1, 100);
        eai_free(p);
    }
    size_t large = ((size_t)4 << 20) + 123;
    char *p = eai_alloc_aligned(64, large);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % ((size_t)2 << 20), 0);
    memset(p, 1, large);
    eai_free(p);
}

static void test_strings(void **state)
{
    (void)state;
    char *a = eai_strdup("hello");
    char *b = eai_strndup("hello", 3);
    char *c = eai_strndup("hi", 99);
    char *d = eai_asprintf("%s-%05d", "x", 42);
    assert_string_equal(a, "hello");
    assert_string_equal(b, "hel");
    assert_string_equal(c, "hi");
    assert_string_equal(d, "x-00042");
    eai_free(a);
    eai_free(b);
    eai_free(c);
    eai_free(d);
}

/* Each of the nine functions, one allocation each, in this order. */
static void *call(int which, void *p)
{
    switch (which) {
    case 1:
        return eai_alloc(1);
    case 2:
        return eai_alloc_zeroed(1, 1);
    case 3:
        return eai_alloc_array(1, 1);
    case 4:
        return eai_alloc_aligned(64, 1);
    case 5:
        return eai_strdup("x");
    case 6:
        return eai_strndup("x", 1);
    case 7:
        return eai_asprintf("x");
    default:
        return eai_realloc_array(p, 2, 1);
    }
}

static void test_the_nth_allocation_fails_once(void **state)
{
    (void)state;
    for (int doomed = 1; doomed <= 8; doomed++) {
        eai_alloc_fail_at((uint64_t)doomed);
        char *held = NULL;
        for (int i = 1; i <= 8; i++) {
            char *p = call(i, i == 8 ? held : NULL);
            if (i == doomed)
                assert_null(p);
            else
                assert_non_null(p);
            if (i < 7 || (i == 7 && doomed == 8)) {
                if (i == 7)
                    held = p;
                else
                    eai_free(p);
            } else if (i == 8 && !p) {
                assert_string_equal(held, "x"); /* a failed realloc leaves the old block */
                eai_free(held);
            } else {
                eai_free(p);
            }
        }
        assert_int_equal(eai_alloc_count(), 8);
    }
    eai_alloc_fail_at(0);
    assert_int_equal(eai_alloc_count(), 0);
}

/* The environment is read once a process, so a child says what it saw. */
static int run_child(const char *self, const char *value)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("EAI_ALLOC_FAIL_AT", value, 1);
        execl(self, self, "child", (char *)NULL);
        _exit(99);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const char *self_path;

static void test_environment(void **state)
{
    (void)state;
    assert_int_equal(run_child(self_path, "2"), 2);
    assert_int_equal(run_child(self_path, "0"), 0);
    assert_int_equal(run_child(self_path, "-1"), 0);
    assert_int_equal(run_child(self_path, "2x"), 0);
    assert_int_equal(run_child(self_path, "99999999999999999999999"), 0);
}

static int child(void)
{
    for (int i = 1; i <= 5; i++) {
        void *p = eai_alloc(1);
        if (!p)
            return i;
        eai_free(p);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overflow_is_refused),
        cmocka_unit_test(test_zero_bytes_give_a_pointer),
        cmocka_unit_test(test_zeroed_and_realloc_keep_their_words),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_the_nth_allocation_fails_once),
        cmocka_unit_test(test_environment),
    };
    if (argc > 1)
        return child();
    self_path = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
