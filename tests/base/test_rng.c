/* Philox against the known answers of its authors' library (Random123, kat_vectors), and the
 * statistics of what is built on it. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include <efficientai/rng.h>

static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const uint32_t rows[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        eai_philox(out, rows[i], rows[i] + 4);
        assert_memory_equal(out, rows[i] + 6, sizeof(out));
    }
}

static void numbers_are_spread_as_they_should(void **state)
{
    (void)state;
    eai_rng rng;
    double sum = 0;
    double square = 0;
    double normal = 0;
    double normal_square = 0;
    int below[7] = {0};
    const int n = 200000;
    eai_rng_init(&rng, 42, 7);
    for (int i = 0; i < n; i++) {
        double u = (double)eai_rng_uniform(&rng);
        double z = eai_rng_normal(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
        normal += z;
        normal_square += z * z;
        below[eai_rng_below(&rng, 7)]++;
    }
    assert_true(fabs(sum / n - 0.5) < 0.003);
    assert_true(fabs(square / n - 1.0 / 3) < 0.003);
    assert_true(fabs(normal / n) < 0.01);
    assert_true(fabs(normal_square / n - 1) < 0.015);
    for (int i = 0; i < 7; i++)
        assert_true(abs(below[i] - n / 7) < n / 70);
}

static void streams_differ_and_states_can_be_copied(void **state)
{
    (void)state;
    eai_rng a;
    eai_rng b;
    eai_rng_init(&a, 1, 0);
    eai_rng_init(&b, 1, 1);
    assert_true(eai_rng_u64(&a) != eai_rng_u64(&b));
    eai_rng_u32(&a);
    b = a;
    for (int i = 0; i < 10; i++)
        assert_true(eai_rng_u32(&a) == eai_rng_u32(&b));
}

static void shuffling_keeps_every_item(void **state)
{
    (void)state;
    eai_rng rng;
    uint16_t items[500];
    int seen[500] = {0};
    int moved = 0;
    eai_rng_init(&rng, 3, 0);
    for (uint16_t i = 0; i < 500; i++)
        items[i] = i;
    eai_rng_shuffle(&rng, items, 500, sizeof(*items));
    for (int i = 0; i < 500; i++) {
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (int i = 0; i < 500; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > 450);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(numbers_are_spread_as_they_should),
        cmocka_unit_test(streams_differ_and_states_can_be_copied),
        cmocka_unit_test(shuffling_keeps_every_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
