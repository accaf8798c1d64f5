/* arbiter: one grant per QP, nothing lost, fair turns, processing units. */
#include "tests/unit.h"

enum { NOBODY = -1 };

static struct hca *fresh(uint64_t units, uint64_t wqe_ns)
{
    struct hca_param p = unit_param();

    p.hca_qp_max = 256;
    p.hca_fn_max = 2;
    p.hca_pu_count = units;
    p.hca_pu_wqe_ns = wqe_ns;
    return unit_hca(&p, 1ULL << U_arbiter);
}

static void ring(struct hca *h, uint32_t qn, uint16_t tail)
{
    UNIT_PUSH(h, qp_ready, qp_ready, .qn = qn, .tail = tail, .native = 1, .kind = DB_SEND,
              .t_db = h->y.k.now);
}

static void end(struct hca *h, uint32_t qn, enum qp_done_kind kind, bool part)
{
    UNIT_PUSH(h, qp_done, qp_done, .qn = qn, .kind = (uint8_t)kind, .part = part);
}

/* QP of the grant that is visible now, NOBODY: none. */
static int granted(struct hca *h, struct grant *out)
{
    struct grant g = {0};

    if (!UNIT_POP(h, grant, &g)) {
        return NOBODY;
    }
    if (out != NULL) {
        *out = g;
    }
    return (int)g.qn;
}

static void a_doorbell_becomes_a_grant_after_one_cycle_in_the_unit(void **state)
{
    (void)state;
    struct hca *const h = fresh(8, 0);

    ring(h, 7, 1);
    unit_run(h, 1); /* the arbiter sees the doorbell */
    assert_int_equal(granted(h, NULL), NOBODY);
    unit_run(h, 1);
    assert_int_equal(granted(h, NULL), 7);
    hca_close(h);
}

static void a_qp_is_granted_once_until_its_grant_ends(void **state)
{
    (void)state;
    struct hca *const h = fresh(8, 0);
    struct grant g = {0};

    ring(h, 7, 1);
    ring(h, 7, 2);
    ring(h, 7, 3);
    unit_run(h, 20);
    assert_int_equal(granted(h, &g), 7);
    assert_int_equal(granted(h, NULL), NOBODY);
    end(h, 7, QP_DONE_IDLE, false);
    unit_run(h, 3);
    assert_int_equal(granted(h, &g), 7); /* the doorbells that came meanwhile */
    assert_int_equal(g.tail, 3);
    assert_int_equal(g.rung, 1);
    end(h, 7, QP_DONE_IDLE, false);
    unit_run(h, 10);
    assert_int_equal(granted(h, NULL), NOBODY);
    hca_close(h);
}

static void a_kick_is_not_lost_before_with_or_after_the_end_of_the_grant(void **state)
{
    (void)state;
    for (int when = -2; when <= 2; when++) {
        struct hca *const h = fresh(8, 0);
        struct grant g;

        ring(h, 9, 1);
        unit_run(h, 3);
        assert_int_equal(granted(h, NULL), 9);
        if (when <= 0) {
            UNIT_PUSH(h, qp_kick, qp_done, .qn = 9, .kind = QP_DONE_KICK);
            unit_run(h, (uint64_t)-when);
        }
        end(h, 9, QP_DONE_PARKED, false);
        if (when > 0) {
            unit_run(h, (uint64_t)when);
            UNIT_PUSH(h, qp_kick, qp_done, .qn = 9, .kind = QP_DONE_KICK);
        }
        unit_run(h, 4);
        assert_int_equal(granted(h, &g), 9);
        assert_int_equal(g.rung, 0); /* no doorbell: the producer index is as it was */
        end(h, 9, QP_DONE_IDLE, false);
        unit_run(h, 4);
        assert_int_equal(granted(h, NULL), NOBODY);
        hca_close(h);
    }
}

static void ready_qps_take_turns(void **state)
{
    (void)state;
    struct hca *const h = fresh(8, 0);
    uint32_t turns[40] = {0};

    for (uint32_t q = 0; q < 40; q++) {
        ring(h, q % 2 * QP_ROUND + q / 2, 1);
    }
    for (uint32_t n = 0; n < 4000; n++) {
        const int qn = granted(h, NULL);
        if (qn != NOBODY) {
            turns[(uint32_t)qn % QP_ROUND * 2 + (uint32_t)qn / QP_ROUND]++;
            end(h, (uint32_t)qn, QP_DONE_AGAIN, false);
        }
        unit_run(h, 1);
    }
    for (uint32_t q = 0; q < 40; q++) { /* units have 4 or 6 of them: that makes no difference */
        assert_in_range(turns[q] + 2, turns[0], turns[0] + 4);
        assert_true(turns[q] > 50);
    }
    hca_close(h);
}

static void a_unit_starts_one_wqe_per_interval_and_goes_on_inside_a_message_at_once(void **state)
{
    (void)state;
    struct hca *const h = fresh(4, 50);
    struct grant g = {0};

    ring(h, 0, 1); /* QPs 0, 4, 8 share a unit; QP 1 has another */
    ring(h, 4, 1);
    ring(h, 1, 1);
    unit_run(h, 2);
    assert_int_equal(granted(h, &g), 0);
    assert_int_equal(granted(h, NULL), 1);
    const uint64_t next = g.t_grant + 50; /* a grant of this cycle is visible one later */
    unit_run(h, next - h->y.k.now);
    assert_int_equal(granted(h, NULL), NOBODY);
    unit_run(h, 1);
    assert_int_equal(granted(h, &g), 4);
    assert_int_equal(g.t_grant, next);
    end(h, 4, QP_DONE_AGAIN, true);
    ring(h, 8, 1);
    unit_run(h, next + 50 - h->y.k.now);
    assert_int_equal(granted(h, NULL), NOBODY);
    unit_run(h, 1);
    assert_int_equal(granted(h, &g), 4);
    assert_int_equal(g.t_grant, next + 50);
    unit_run(h, 1);
    assert_int_equal(granted(h, &g), 8);
    assert_int_equal(g.t_grant, next + 51); /* the continuation before it cost no start */
    hca_close(h);
}

static void a_full_grant_wire_holds_nothing_back_but_grants(void **state)
{
    (void)state;
    struct hca *const h = fresh(8, 0);
    uint64_t seen = 0;

    for (uint32_t q = 0; q < 64; q++) {
        ring(h, q, 1);
    }
    unit_run(h, 80);
    assert_int_equal(fifo_level(&h->qp_ready.ctl), 0); /* taken although grants cannot leave */
    assert_int_equal(fifo_level(&h->grant.ctl), h->grant.ctl.depth);
    for (uint32_t n = 0; n < 64; n++) {
        const int qn = granted(h, NULL);
        assert_in_range(qn, 0, 63);
        assert_false(seen >> qn & 1);
        seen |= 1ULL << qn;
        unit_run(h, 2);
    }
    assert_true(seen == ~0ULL);
    hca_close(h);
}

static void a_reset_forgets_the_tail_and_a_stranger_is_ignored(void **state)
{
    (void)state;
    struct hca *const h = fresh(8, 0);
    struct grant g = {0};

    ring(h, 3, 77);
    unit_run(h, 3);
    assert_int_equal(granted(h, &g), 3);
    assert_int_equal(g.tail, 77);
    end(h, 3, QP_DONE_FORGET, false);
    UNIT_PUSH(h, qp_kick, qp_done, .qn = 3, .kind = QP_DONE_KICK);
    ring(h, 2 * QP_ROUND + 5, 1); /* function 2 of 2 */
    ring(h, 256, 1);              /* handle 256 of 256 */
    unit_run(h, 5);
    assert_int_equal(granted(h, &g), 3);
    assert_int_equal(g.tail, 0);
    assert_int_equal(g.native, 0);
    assert_int_equal(granted(h, NULL), NOBODY);
    hca_close(h);
}

/* Random doorbells, kicks, ends and stalls: whoever asked is granted after it asked. */
static void under_random_stalls_every_wish_is_followed_by_a_grant(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct hca *const h = fresh(seed % 3 + 1, seed * 3);
        uint64_t x = seed * 0x9e3779b97f4a7c15ULL;
        bool wish[16] = {false}, held[16] = {false};

        for (uint32_t n = 0; n < 6000 || fifo_level(&h->qp_ready.ctl) != 0; n++) {
            x = x * 6364136223846793005ULL + 1442695040888963407ULL;
            const uint32_t q = x >> 33 & 15, what = x >> 40 & 7;
            if (n < 6000 && what == 0 && fifo_ready(&h->qp_ready.ctl, h->y.k.now)) {
                ring(h, q, (uint16_t)n);
                wish[q] = true;
            } else if (n < 6000 && what == 1) {
                UNIT_PUSH(h, qp_kick, qp_done, .qn = q, .kind = QP_DONE_KICK);
                wish[q] = true;
            } else if (what == 2 && held[q]) {
                held[q] = false;
                end(h, q, (x >> 50 & 3) == 0 ? QP_DONE_AGAIN : QP_DONE_IDLE, (x >> 52 & 1) != 0);
            } else if (what >= 5) {
                const int got = granted(h, NULL);
                if (got != NOBODY) {
                    assert_false(held[got]);
                    held[got] = true;
                    wish[got] = false;
                }
            }
            unit_run(h, 1);
        }
        for (uint32_t n = 0; n < 2000; n++) {
            const int got = granted(h, NULL);
            if (got != NOBODY) {
                held[got] = true;
                wish[got] = false;
            }
            if (held[n % 16]) {
                held[n % 16] = false;
                end(h, n % 16, QP_DONE_IDLE, false);
            }
            unit_run(h, 1);
        }
        for (uint32_t q = 0; q < 16; q++) {
            assert_false(wish[q]);
        }
        hca_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_doorbell_becomes_a_grant_after_one_cycle_in_the_unit),
        cmocka_unit_test(a_qp_is_granted_once_until_its_grant_ends),
        cmocka_unit_test(a_kick_is_not_lost_before_with_or_after_the_end_of_the_grant),
        cmocka_unit_test(ready_qps_take_turns),
        cmocka_unit_test(a_unit_starts_one_wqe_per_interval_and_goes_on_inside_a_message_at_once),
        cmocka_unit_test(a_full_grant_wire_holds_nothing_back_but_grants),
        cmocka_unit_test(a_reset_forgets_the_tail_and_a_stranger_is_ignored),
        cmocka_unit_test(under_random_stalls_every_wish_is_followed_by_a_grant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
