/* The machine and the clocks: what is said must hold together, and memory must be counted. */
#include "support/eai_test.h"

#include <time.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/hardware.h>

static void facts_hold_together(void **state)
{
    (void)state;
    const eai_hardware *h = eai_hardware_get();
    assert_ptr_equal(h, eai_hardware_get());
    assert_true(h->cores >= 1);
    assert_true(h->cores <= h->machine_cores);
    assert_true(h->cpu_quota == 0 || h->cores < h->cpu_quota + 1);
    assert_true(h->memory_limit_bytes <= h->memory_bytes);
    if (h->memory_limit_bytes)
        assert_true(eai_hardware_memory_available() <= h->memory_limit_bytes);
    if (h->memory_bytes)
        assert_true(eai_hardware_memory_available() <= h->memory_bytes);
    if (h->l1d_bytes && h->l2_bytes)
        assert_true(h->l1d_bytes <= h->l2_bytes);
    if (h->has.avx512bw || h->has.avx512bf16 || h->has.avx512vnni)
        assert_true(h->has.avx512f);
    if (h->has.avx512f)
        assert_true(h->has.avx2);
    if (h->has.amx_bf16 || h->has.amx_int8)
        assert_true(h->has.amx_tile);
    if (!h->has.amx_tile)
        assert_false(eai_hardware_request_amx());
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    assert_int_equal(h->has.avx2, __builtin_cpu_supports("avx2") != 0);
    assert_int_equal(h->has.fma, __builtin_cpu_supports("fma") != 0);
    assert_int_equal(h->has.avx512f, __builtin_cpu_supports("avx512f") != 0);
    assert_false(h->has.neon);
#endif
}

static void memory_in_use_is_counted(void **state)
{
    const size_t bytes = (size_t)64 << 20;
    (void)state;

    uint64_t before = eai_hardware_rss();
    if (before == 0)
        skip();
    char *block = eai_alloc_aligned(64, bytes);
    assert_non_null(block);
    memset(block, 1, bytes);
    uint64_t during = eai_hardware_rss();
    assert_true(block[bytes - 1] == 1);
    eai_free(block);
    assert_true(during > before + bytes / 2);
    assert_true(eai_hardware_peak_rss() >= before + bytes / 2);
}

static void clocks_go_forward(void **state)
{
    char text[EAI_CLOCK_ISO_SIZE];
    (void)state;

    double start = eai_clock_seconds();
    usleep(2000);
    double passed = eai_clock_seconds() - start;
    assert_true(passed >= 0.002 && passed < 60);
    eai_clock_iso(text, sizeof(text));
    assert_int_equal(strlen(text), 20);
    int year = 0;
    char z = 0;
    int rest[5];
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%c", &year, &rest[0], &rest[1], &rest[2],
                            &rest[3], &rest[4], &z),
                     7);
    assert_true(year >= 2024 && z == 'Z');
    assert_string_equal(eai_clock_iso(text, 5), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_hold_together),
        cmocka_unit_test(memory_in_use_is_counted),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
