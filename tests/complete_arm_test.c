/* complete: arms, events behind their CQEs, fences of the control path. */
#include "tests/rx_complete.h"

static void an_arm_fires_once_and_not_before_the_cqe_is_in_memory(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct hca *const h = fresh();
        struct cq_event e;
        uint32_t events = 0;

        rng = seed;
        stall_percent = 50;
        arm(h, 1, DB_CQ_ARM);
        cycles(h, 60);
        SEND_CQE(h, rsp_cqe, .cqn = 1, .wr_id = 5);
        SEND_CQE(h, rsp_cqe, .cqn = 1, .wr_id = 6);
        for (uint32_t i = 0; i < 300; i++) {
            cycles(h, 1);
            if (UNIT_POP(h, cq_event, &e)) {
                events++;
                assert_int_equal(e.cqn, 1);
                assert_int_equal(e.vector, 2);
                assert_true(word(page(1, 0) + 8) >= 1);
                assert_int_equal(cqe_at(1, 0)[0], 5);
            }
        }
        assert_int_equal(events, 1);
        assert_int_equal(word(page(1, 0) + 8), 2);
        hca_close(h);
    }
}

static void a_solicited_arm_passes_over_others_but_not_over_errors(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct cq_event e;

    arm(h, 0, DB_CQ_ARM_SOLICITED);
    cycles(h, 40);
    SEND_CQE(h, rsp_cqe, .cqn = 0);
    cycles(h, 100);
    assert_true(!UNIT_POP(h, cq_event, &e));
    SEND_CQE(h, rsp_cqe, .cqn = 0, .flags = CQE_SOLICITED);
    cycles(h, 100);
    assert_true(UNIT_POP(h, cq_event, &e));
    consume(0, 2);
    arm(h, 0, DB_CQ_ARM_SOLICITED);
    cycles(h, 100);
    SEND_CQE(h, req_cqe, .cqn = 0, .status = WC_WR_FLUSH);
    cycles(h, 100);
    assert_true(UNIT_POP(h, cq_event, &e));
    hca_close(h);
}

/* Software armed and polled before the CQE was visible, and the adapter takes the arm afterwards.
 */
static void an_arm_that_arrives_behind_an_unconsumed_cqe_fires_at_once(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct cq_event e;

    SEND_CQE(h, rsp_cqe, .cqn = 0);
    cycles(h, 60);
    arm(h, 0, DB_CQ_ARM);
    cycles(h, 100);
    assert_true(UNIT_POP(h, cq_event, &e));
    assert_int_equal(h->y.s.complete_late_arms, 1);
    consume(0, 1);
    arm(h, 0, DB_CQ_ARM);
    cycles(h, 100);
    assert_true(!UNIT_POP(h, cq_event, &e));
    SEND_CQE(h, rsp_cqe, .cqn = 0);
    cycles(h, 100);
    assert_true(UNIT_POP(h, cq_event, &e));
    hca_close(h);
}

static void a_fence_is_answered_when_all_that_lay_before_it_is_written(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct hca *const h = fresh();
        struct cq_event e;
        bool told = false;

        rng = seed;
        stall_percent = 60;
        slow_cq = 0;
        for (uint32_t i = 0; i < 12; i++) {
            SEND_CQE(h, req_cqe, .cqn = i % 2);
            SEND_CQE(h, rsp_cqe, .cqn = i % 2);
        }
        h->y.t.now = h->y.k.now;
        PUSH(&h->y.t, &h->cmd_cq, cq_event, 0, .cqn = NO_NUMBER);
        for (uint32_t i = 0; i < 3000 && !told; i++) {
            cycles(h, 1);
            SEND_CQE(h, req_cqe, .cqn = 3); /* younger ones do not hold it up for ever */
            consume(3, word(page(3, 0) + 8) - consumed[3] % (2 * ENTRIES));
            told = UNIT_POP(h, cmd_cq_done, &e);
        }
        assert_true(told);
        assert_int_equal(e.cqn, NO_NUMBER);
        assert_int_equal(word(page(0, 0) + 8), 12);
        assert_int_equal(word(page(1, 0) + 8), 12);
        hca_close(h);
    }
}

static void a_destroyed_cq_raises_no_event_behind_its_fence(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct cq_event e;

    while (READY(&h->y.t, &h->cq_event)) { /* nobody takes events: they queue up inside */
        h->y.t.now = h->y.k.now;
        PUSH(&h->y.t, &h->cq_event, cq_event, 0, .cqn = 3);
        unit_run(h, 1);
        h->y.t.now = h->y.k.now;
    }
    arm(h, 2, DB_CQ_ARM);
    cycles(h, 30);
    SEND_CQE(h, rsp_cqe, .cqn = 2);
    cycles(h, 100);
    UNIT_PUSH(h, cmd_cq, cq_event, .cqn = 2);
    cycles(h, 100);
    assert_true(UNIT_POP(h, cmd_cq_done, &e));
    assert_int_equal(e.cqn, 2);
    while (UNIT_POP(h, cq_event, &e)) {
        assert_int_equal(e.cqn, 3);
        cycles(h, 3);
    }
    hca_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arm_fires_once_and_not_before_the_cqe_is_in_memory),
        cmocka_unit_test(a_solicited_arm_passes_over_others_but_not_over_errors),
        cmocka_unit_test(an_arm_that_arrives_behind_an_unconsumed_cqe_fires_at_once),
        cmocka_unit_test(a_fence_is_answered_when_all_that_lay_before_it_is_written),
        cmocka_unit_test(a_destroyed_cq_raises_no_event_behind_its_fence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
