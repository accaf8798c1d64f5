/* doorbell: what crosses, when, and what is dropped. */
#include "tests/unit.h"

static struct hca *fresh(void)
{
    struct hca_param p = unit_param();

    p.hca_qp_max = 256;
    return unit_hca(&p, 1ULL << U_doorbell);
}

/* One row per cycle: what is written, whether the sink takes, the QP it must see. */
#define NONE 0xffffffffU
static const struct {
    uint32_t write, take, seen;
} rows[] = {
    {7, 1, NONE},   /* a registered wire shows a write one cycle later */
    {256, 1, NONE}, /* 7 crosses now, the sink sees it next cycle      */
    {8, 0, 7},      /* 256 is dropped while the sink stalls on 7       */
    {NONE, 1, 7},   {NONE, 1, 8}, {NONE, 1, NONE},
};

static void a_doorbell_takes_two_registered_hops_and_an_unknown_qp_none(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        h->y.t.now = h->y.k.now;
        const bool valid = VALID(&h->y.t, &h->qp_ready);
        assert_int_equal(valid ? PEEK(&h->qp_ready)->qn : NONE, rows[i].seen);
        if (valid && rows[i].take) {
            (void)POP(&h->y.t, &h->qp_ready);
        }
        if (rows[i].write != NONE) {
            PUSH(&h->y.t, &h->db_write, db_write, 0, .number = rows[i].write);
        }
        unit_run(h, 1);
    }
    assert_int_equal(h->y.s.doorbell_dropped, 1);
    assert_int_equal(h->y.s.doorbell_rung, 2);
    hca_close(h);
}

static void each_kind_leaves_by_its_own_wire_with_the_number_of_its_function(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct qp_ready q;
    struct cq_arm c;

    UNIT_PUSH(h, db_write, db_write, .number = 3, .fn = 2, .kind = DB_SEND);
    UNIT_PUSH(h, db_write, db_write, .number = 4, .fn = 2, .kind = DB_RECV);
    UNIT_PUSH(h, db_write, db_write, .number = 5, .fn = 0, .kind = DB_SRQ_RECV);
    UNIT_PUSH(h, db_write, db_write, .number = 6, .fn = 1, .kind = DB_CQ_ARM_SOLICITED);
    unit_run(h, 6);
    assert_true(UNIT_POP(h, qp_ready, &q));
    assert_int_equal(q.qn, 2 * QP_ROUND + 3);
    assert_true(UNIT_POP(h, rq_ready, &q));
    assert_int_equal(q.qn, 2 * QP_ROUND + 4);
    assert_true(UNIT_POP(h, rq_ready, &q));
    assert_int_equal(q.kind, DB_SRQ_RECV);
    assert_true(UNIT_POP(h, cq_arm, &c));
    assert_int_equal(c.cqn, QP_ROUND + 6);
    assert_int_equal(c.kind, DB_CQ_ARM_SOLICITED);
    hca_close(h);
}

static void a_full_output_holds_every_kind_and_loses_none(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct qp_ready q;
    uint32_t got = 0;

    for (uint32_t i = 0; i < 14; i++) { /* 8 + 8 slots */
        UNIT_PUSH(h, db_write, db_write, .number = i, .kind = DB_SEND);
    }
    unit_run(h, 50);
    assert_int_equal(fifo_level(&h->qp_ready.ctl), 8);
    while (UNIT_POP(h, qp_ready, &q)) {
        assert_int_equal(q.qn, got++);
        unit_run(h, 2);
    }
    assert_int_equal(got, 14);
    hca_close(h);
}

static void a_poll_doorbell_and_numbers_beyond_each_maximum_are_dropped(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    UNIT_PUSH(h, db_write, db_write, .number = 1, .kind = DB_CQ_POLL);
    UNIT_PUSH(h, db_write, db_write, .number = (uint32_t)h->y.p.hca_srq_max, .kind = DB_SRQ_RECV);
    UNIT_PUSH(h, db_write, db_write, .number = (uint32_t)h->y.p.hca_cq_max, .kind = DB_CQ_ARM);
    unit_run(h, 5);
    assert_int_equal(h->y.s.doorbell_dropped, 3);
    hca_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_doorbell_takes_two_registered_hops_and_an_unknown_qp_none),
        cmocka_unit_test(each_kind_leaves_by_its_own_wire_with_the_number_of_its_function),
        cmocka_unit_test(a_full_output_holds_every_kind_and_loses_none),
        cmocka_unit_test(a_poll_doorbell_and_numbers_beyond_each_maximum_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
