/* stamps: intervals of an operation are disjoint and add up, in whatever order stamps come. */
#include "sim/report/stamps.h"

#include "model/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t sum(const struct stage_times *t)
{
    uint64_t s = 0;

    for (unsigned i = 0; i < STAMP_STAGES; i++) {
        s += t->ps[i];
    }
    return s;
}

static void stages_add_up_whatever_the_order_of_stamps(void **state)
{
    (void)state;
    struct stamps *const s = stamps_open();
    struct stage_times t;

    assert_true(stamps_add(s, 7, STAGE_built, 900));
    assert_true(stamps_add(s, 7, STAGE_doorbell, 300));
    assert_true(stamps_add(s, 7, STAGE_fetched, 500));
    stamps_take(s, 7, 100, 1500, STAGE_cqe_visible, &t);
    assert_int_equal(t.ps[STAGE_doorbell], 200);
    assert_int_equal(t.ps[STAGE_fetched], 200);
    assert_int_equal(t.ps[STAGE_built], 400);
    assert_int_equal(t.ps[STAGE_cqe_visible], 600);
    assert_int_equal(sum(&t), 1400);
    stamps_close(s);
}

static void a_second_attempt_is_charged_to_the_stages_that_end_it(void **state)
{
    (void)state;
    struct stamps *const s = stamps_open();
    struct stage_times t;

    assert_true(stamps_add(s, 1, STAGE_wire_out, 100));
    assert_true(stamps_add(s, 1, STAGE_retransmit, 5000));
    assert_true(stamps_add(s, 1, STAGE_wire_out, 5100));
    stamps_take(s, 1, 0, 6000, STAGE_cqe_visible, &t);
    assert_int_equal(t.ps[STAGE_retransmit], 4900);
    assert_int_equal(t.ps[STAGE_wire_out], 200);
    assert_int_equal(sum(&t), 6000);
    stamps_close(s);
}

static void stamps_outside_the_operation_and_of_first_packets_are_not_charged(void **state)
{
    (void)state;
    struct stamps *const s = stamps_open();
    struct stage_times t;

    assert_true(stamps_add(s, 2, STAGE_doorbell, 50));
    assert_true(stamps_add(s, 2, STAGE_first_out, 400));
    assert_true(stamps_add(s, 2, STAGE_cqe_sent, 9000));
    stamps_take(s, 2, 100, 1000, STAGE_retired, &t);
    assert_int_equal(t.ps[STAGE_retired], 900);
    assert_int_equal(t.last[STAGE_first_out], 400);
    assert_int_equal(sum(&t), 900);
    stamps_close(s);
}

static void an_operation_without_stamps_is_one_interval(void **state)
{
    (void)state;
    struct stamps *const s = stamps_open();
    struct stage_times t;

    stamps_take(s, 99, 10, 30, STAGE_cqe_visible, &t);
    assert_int_equal(t.ps[STAGE_cqe_visible], 20);
    stamps_close(s);
}

/* Enough operations that the table grows, taken in another order than they came. */
static void many_operations_do_not_disturb_each_other(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct stamps *const s = stamps_open();
    struct stage_times t;

    for (uint64_t i = 0; i < N; i++) {
        assert_true(stamps_add(s, i * 1024, STAGE_fetched, 100 + i));
    }
    for (uint64_t k = 0; k < N; k++) {
        const uint64_t i = k * 7919 % N;
        stamps_take(s, i * 1024, 100, 200 + N, STAGE_cqe_visible, &t);
        assert_int_equal(t.ps[STAGE_fetched], i);
        assert_int_equal(sum(&t), 100 + N);
    }
    stamps_close(s);
}

static void dropped_operations_are_forgotten(void **state)
{
    (void)state;
    struct stamps *const s = stamps_open();

    for (uint64_t i = 0; i < 5000; i++) {
        assert_true(stamps_add(s, i, STAGE_fetched, 1 + i));
    }
    stamps_drop(s, 4000);
    assert_int_equal(stamps_last(s, 3999, STAGE_fetched), 0);
    assert_int_equal(stamps_last(s, 4000, STAGE_fetched), 4001);
    assert_int_equal(stamps_last(s, 4999, STAGE_fetched), 5000);
    stamps_close(s);
}

static void more_stamps_than_fit_are_counted_not_lost_from_the_sum(void **state)
{
    (void)state;
    struct stamps *const s = stamps_open();
    struct stage_times t;

    for (uint64_t i = 0; i < 200; i++) {
        assert_true(stamps_add(s, 5, STAGE_segmented, 10 + i));
    }
    stamps_take(s, 5, 0, 1000, STAGE_cqe_visible, &t);
    assert_true(t.lost > 0);
    assert_int_equal(sum(&t), 1000);
    stamps_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_add_up_whatever_the_order_of_stamps),
        cmocka_unit_test(a_second_attempt_is_charged_to_the_stages_that_end_it),
        cmocka_unit_test(stamps_outside_the_operation_and_of_first_packets_are_not_charged),
        cmocka_unit_test(an_operation_without_stamps_is_one_interval),
        cmocka_unit_test(many_operations_do_not_disturb_each_other),
        cmocka_unit_test(dropped_operations_are_forgotten),
        cmocka_unit_test(more_stamps_than_fit_are_counted_not_lost_from_the_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
