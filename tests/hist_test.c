/* hist: exact ends, bounded error in between. */
#include "sim/report/hist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void small_values_are_exact(void **state)
{
    (void)state;
    struct hist h = {0};

    for (uint64_t v = 1; v <= 1000; v++) {
        assert_true(hist_add(&h, v));
    }
    assert_int_equal(hist_percentile(&h, 500000), 500);
    assert_int_equal(hist_percentile(&h, 990000), 990);
    assert_int_equal(hist_percentile(&h, 1000000), 1000);
    assert_int_equal(hist_percentile(&h, 1), 1);
    assert_int_equal(hist_mean(&h), 501);
    hist_free(&h);
}

static void percentiles_are_at_most_a_thousandth_above_the_value(void **state)
{
    (void)state;
    uint64_t x = 12345;

    for (int i = 0; i < 5000; i++) {
        struct hist h = {0};
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        const uint64_t v = x >> (x >> 58);
        assert_true(hist_add(&h, v));
        assert_true(hist_add(&h, UINT64_MAX)); /* so that max does not clamp the answer */
        const uint64_t p = hist_percentile(&h, 500000);
        assert_true(p >= v && p - v <= v / 1000);
        hist_free(&h);
    }
}

static void the_mean_of_huge_values_does_not_overflow(void **state)
{
    (void)state;
    struct hist h = {0};

    for (int i = 0; i < 5; i++) {
        assert_true(hist_add(&h, UINT64_MAX));
    }
    assert_int_equal(hist_mean(&h), UINT64_MAX);
    assert_int_equal(h.min, UINT64_MAX);
    hist_free(&h);
}

static void an_empty_histogram_answers_zero(void **state)
{
    (void)state;
    const struct hist h = {0};

    assert_int_equal(hist_percentile(&h, 500000), 0);
    assert_int_equal(hist_mean(&h), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(percentiles_are_at_most_a_thousandth_above_the_value),
        cmocka_unit_test(the_mean_of_huge_values_does_not_overflow),
        cmocka_unit_test(an_empty_histogram_answers_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
