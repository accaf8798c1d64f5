/* wqe_fetch, send queues: what is read, what is handed on, what is refused. */
#include "tests/tx_fetch.h"

static void every_posted_wqe_is_handed_on_in_order_with_its_fields(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        const uint32_t sge = seed % 2 == 0 ? 16 : 1;
        struct one o = fresh(QPT_RC, FORMAT_PVRDMA, sge, seed);
        struct wqe posted[ENTRIES];
        unsigned status;

        o.b->stall = seed > 3 ? 40 : 0;
        o.b->jitter = 60;
        for (uint32_t n = 0; n < 600;) {
            while (o.q.tail - n < rig_random(o.b, ENTRIES)) {
                posted[o.q.tail % ENTRIES] = random_rc(o.b, sge);
                rig_post(o.b, &o.q, o.c, &posted[o.q.tail % ENTRIES]);
            }
            grant(&o, true);
            const struct wqe *const w = work(&o, 3000, &status);
            if (o.q.tail == n) {
                assert_int_equal(status, WORK_NONE);
                continue;
            }
            assert_int_equal(status, WORK_OK);
            assert_same_wqe(w, &posted[n % ENTRIES], false);
            assert_int_equal(w->units, 1);
            o.c->tx.head = ++n; /* what requester does */
        }
        rig_close(o.b);
    }
}

static void a_ring_without_a_new_doorbell_is_not_read_again(void **state)
{
    (void)state;
    struct one o = fresh(QPT_RC, FORMAT_PVRDMA, 1, 1);
    unsigned status;
    const struct wqe w = random_rc(o.b, 1);

    grant(&o, false);
    (void)work(&o, 200, &status);
    assert_int_equal(status, WORK_NONE);
    assert_int_equal(o.b->reads, 0);
    rig_post(o.b, &o.q, o.c, &w);
    grant(&o, true);
    (void)work(&o, 300, &status);
    assert_int_equal(status, WORK_OK);
    assert_int_equal(o.b->reads, 2);   /* producer index, WQE */
    assert_int_equal(o.b->pages, 2);   /* state page, ring page */
    for (uint32_t i = 0; i < 5; i++) { /* a long message: the same WQE again */
        grant(&o, false);
        (void)work(&o, 300, &status);
        assert_int_equal(status, WORK_OK);
    }
    o.c->tx.head = 1;
    grant(&o, false);
    (void)work(&o, 300, &status);
    assert_int_equal(status, WORK_NONE);
    assert_int_equal(o.b->reads, 2);
    rig_close(o.b);
}

static void runs_are_read_ahead_and_end_at_page_and_producer_index(void **state)
{
    (void)state;
    struct one o = fresh(QPT_RC, FORMAT_PVRDMA, 1, 1);
    unsigned status;

    for (uint32_t i = 0; i < 45; i++) { /* 128 bytes each: 4 per run, 32 per page */
        const struct wqe w = random_rc(o.b, 1);
        rig_post(o.b, &o.q, o.c, &w);
    }
    grant(&o, true);
    (void)work(&o, 300, &status);
    rig_cycles(o.b, 100);
    assert_int_equal(o.b->reads, 3); /* index, the run, the run behind it */
    for (uint32_t n = 1; n < 45; n++) {
        o.c->tx.head = n;
        grant(&o, false);
        (void)work(&o, 300, &status);
        assert_int_equal(status, WORK_OK);
    }
    assert_int_equal(o.b->reads, 1 + 12); /* 8 runs in the first page, 4 in the second */
    assert_int_equal(o.b->h->y.s.wqe_fetch_runs, 12);
    rig_close(o.b);
}

static void a_run_that_begins_between_runs_ends_at_the_page_too(void **state)
{
    (void)state;
    struct one o = fresh(QPT_RC, FORMAT_PVRDMA, 1, 1);
    unsigned status;

    for (uint32_t n = 0; n < 200; n++) { /* 3 at a time: no multiple of 4 falls on the page */
        for (uint32_t i = 0; i < 3 && n % 3 == 0; i++) {
            const struct wqe w = random_rc(o.b, 1);
            rig_post(o.b, &o.q, o.c, &w);
        }
        if (n == 90) { /* many more: whole runs from an odd index on */
            for (uint32_t i = 0; i < 40; i++) {
                const struct wqe w = random_rc(o.b, 1);
                rig_post(o.b, &o.q, o.c, &w);
            }
        }
        grant(&o, true);
        (void)work(&o, 1000, &status);
        assert_int_equal(status, WORK_OK); /* the rig refuses reads that cross a page */
        o.c->tx.head = n + 1;
    }
    rig_close(o.b);
}

static void a_wqe_at_hand_takes_the_configured_time(void **state)
{
    (void)state;
    struct one o = fresh(QPT_RC, FORMAT_PVRDMA, 1, 1);
    struct work m = {0};
    unsigned status;
    const struct wqe w = random_rc(o.b, 1);

    rig_post(o.b, &o.q, o.c, &w);
    grant(&o, true);
    (void)work(&o, 300, &status);
    grant(&o, false); /* seen in the next cycle, handed on 20 + 1 later */
    rig_cycles(o.b, 21);
    assert_false(RIG_POP(o.b, work, &m));
    rig_cycles(o.b, 1);
    assert_true(RIG_POP(o.b, work, &m));
    rig_close(o.b);
}

static void a_producer_index_out_of_range_is_a_fault_and_harms_nothing(void **state)
{
    (void)state;
    const struct {
        uint32_t value, head, good;
    } rows[] = {
        {0, 0, 1},          {1, 0, 1},   {64, 0, 1},  {65, 0, 0},   {127, 0, 0},  {128, 0, 0},
        {0xffffffff, 0, 0}, {63, 64, 0}, {0, 100, 1}, {36, 100, 1}, {37, 100, 0}, {99, 100, 0},
    };

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct one o = fresh(QPT_RC, FORMAT_PVRDMA, 1, 1);
        unsigned status;

        o.c->tx.head = o.c->tx.tail = rows[i].head;
        rig_st32(rig_mem(o.b, o.q.base, 4), rows[i].value);
        grant(&o, true);
        (void)work(&o, 300, &status);
        assert_int_equal(status == WORK_FAULT, !rows[i].good);
        rig_close(o.b);
    }
}

static void a_ring_that_cannot_be_read_is_a_fault(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct one o = fresh(QPT_RC, FORMAT_PVRDMA, 1, 1);
        unsigned status;

        if (i == 0) {
            o.c->s.state_page_pdir = RIG_HOST; /* no page of the directory there */
        } else if (i == 1) {
            o.b->faults = 1; /* the index cannot be read */
        } else if (i == 2) {
            o.b->faults = o.q.base + PAGE_BYTES; /* the WQEs cannot */
        } else if (i == 3) {
            o.c->s.sq.page0 = 60000;
        } else if (i == 4) {
            o.c->s.sq.entries = 48;
        } else {
            o.c->s.sq.stride = 0;
        }
        rig_st32(rig_mem(o.b, o.q.base, 4), 3);
        for (unsigned again = 0; again < 2; again++) {
            grant(&o, true);
            (void)work(&o, 500, &status);
            assert_int_equal(status, WORK_FAULT);
        }
        assert_int_equal(o.b->h->u_wqe_fetch.s.tasks, 0);
        rig_close(o.b);
    }
}

static void assert_sane(const struct one *o, const struct wqe *w)
{
    uint64_t len = 0;

    assert_true(w->nsge <= o->c->s.max_send_sge && w->nsge <= SGE_MAX);
    for (uint32_t i = 0; i < w->nsge; i++) {
        len += w->sge[i].len;
    }
    assert_true(w->opcode == WR_FAST_REG || (w->flags & WRF_INLINE) != 0 || len == w->len);
    assert_true(w->opcode == WR_FAST_REG || w->len <= 1u << 31);
    assert_true(w->units >= 1);
}

static void random_bytes_are_refused_or_make_a_sane_wqe(void **state)
{
    (void)state;
    static const enum qp_type types[] = {QPT_RC, QPT_UC, QPT_UD, QPT_GSI};
    uint32_t good = 0, refused = 0;

    for (uint64_t seed = 1; seed <= 16; seed++) {
        struct one o =
            fresh(types[seed % 4], seed % 2 == 0 ? FORMAT_NATIVE : FORMAT_PVRDMA, 16, seed);
        unsigned status;

        for (uint32_t n = 0; n < 300; n++) {
            uint8_t *const ring = rig_mem(o.b, o.q.base + PAGE_BYTES, 8 * PAGE_BYTES);
            for (uint32_t i = 0; i < 8 * PAGE_BYTES; i++) {
                ring[i] = (uint8_t)(rig_random(o.b, 3) == 0 ? rig_random(o.b, 256) : 0);
            }
            for (uint32_t i = 0; i < 8 * PAGE_BYTES; i += 64) { /* often nearly right */
                ring[i] = (uint8_t)rig_random(o.b, 14);
                ring[i + 3] = (uint8_t)rig_random(o.b, 10);
                rig_st32(ring + i + 4, QN | (rig_random(o.b, 256) << 16));
                rig_st32(ring + i + 16, rig_random(o.b, 14));
                rig_st32(ring + i + 8, rig_random(o.b, 20));
            }
            const uint32_t ahead = o.q.tail - o.c->tx.head; /* the index never goes back */
            o.q.tail += ahead > 8 ? 0 : 1 + rig_random(o.b, 8);
            rig_st32(rig_mem(o.b, o.q.base, 4), o.q.tail & (2 * ENTRIES - 1));
            grant(&o, true);
            const struct wqe *const w = work(&o, 1000, &status);
            assert_non_null(w);
            assert_sane(&o, w);
            assert_true(status == WORK_OK ? w->bad == 0 : w->bad != 0);
            good += status == WORK_OK;
            refused += status == WORK_BAD;
            assert_true(w->units <= o.q.tail - o.c->tx.head);
            o.c->tx.head += w->units;
        }
        rig_close(o.b);
    }
    assert_true(good > 200 && refused > 200);
}

static void limits_of_the_qp_are_enforced_with_their_own_status(void **state)
{
    (void)state;
    const struct {
        enum qp_type type;
        uint8_t opcode, nsge, user;
        uint32_t len;
        uint8_t bad;
    } rows[] = {
        {QPT_RC, WR_WRITE, 2, 0, 1u << 30, WC_OK}, /* 2^31 in all */
        {QPT_RC, WR_WRITE, 3, 0, 1u << 30, WC_LOC_LEN},
        {QPT_RC, WR_WRITE, 5, 0, 8, WC_LOC_QP_OP},
        {QPT_RC, WR_CAS, 1, 0, 8, WC_OK},
        {QPT_RC, WR_CAS, 1, 0, 4, WC_LOC_LEN},
        {QPT_RC, WR_LSO, 1, 0, 8, WC_LOC_QP_OP},
        {QPT_RC, 12, 1, 0, 8, WC_LOC_QP_OP},
        {QPT_RC, 200, 1, 0, 8, WC_LOC_QP_OP},
        {QPT_UC, WR_READ, 1, 0, 8, WC_LOC_QP_OP},
        {QPT_UC, WR_WRITE, 1, 0, 8, WC_OK},
        {QPT_UD, WR_WRITE, 1, 0, 8, WC_LOC_QP_OP},
        {QPT_UD, WR_SEND, 1, 0, 4096, WC_OK},
        {QPT_UD, WR_SEND, 1, 0, 4097, WC_LOC_LEN},
        {QPT_RC, WR_SEND_INV, 1, 0, 8, WC_OK},
        {QPT_RC, WR_SEND_INV, 1, 1, 8, WC_LOC_QP_OP},
        {QPT_RC, WR_LOCAL_INV, 0, 1, 0, WC_LOC_QP_OP},
        {QPT_RC, WR_FAA, 1, 1, 8, WC_OK},
    };

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct one o = fresh(rows[i].type, FORMAT_PVRDMA, 4, 1);
        struct wqe w = {.wr_id = 99, .opcode = rows[i].opcode, .nsge = rows[i].nsge};
        unsigned status;

        o.c->s.user = rows[i].user;
        o.c->s.sq.stride = 256;
        for (uint32_t k = 0; k < w.nsge; k++) {
            w.sge[k].len = rows[i].len;
        }
        rig_post(o.b, &o.q, o.c, &w);
        grant(&o, true);
        const struct wqe *const got = work(&o, 300, &status);
        assert_int_equal(got->wr_id, 99);
        assert_int_equal(got->bad, rows[i].bad);
        assert_int_equal(status, rows[i].bad == WC_OK ? WORK_OK : WORK_BAD);
        rig_close(o.b);
    }
}

static void a_reset_qp_is_reported_empty_only_when_no_read_is_under_way(void **state)
{
    (void)state;
    struct one o = fresh(QPT_RC, FORMAT_PVRDMA, 1, 1);
    unsigned status;

    for (uint32_t i = 0; i < 40; i++) {
        const struct wqe w = random_rc(o.b, 1);
        rig_post(o.b, &o.q, o.c, &w);
    }
    grant(&o, true);
    (void)work(&o, 300, &status);
    assert_int_equal(status, WORK_OK); /* the next run is being read */
    o.b->latency = 500;
    o.c->tx.head = 4;
    grant(&o, false);
    (void)work(&o, 300, &status);
    o.c->s.state = QPS_RESET;
    grant(&o, false);
    (void)work(&o, 300, &status);
    assert_int_equal(status, 99);
    (void)work(&o, 400, &status);
    assert_int_equal(status, WORK_NONE);
    const uint64_t reads = o.b->reads;
    rig_cycles(o.b, 600);
    assert_int_equal(o.b->reads, reads);

    rig_qp_init(&o.q, o.c, QN, QPT_RC, FORMAT_PVRDMA, ENTRIES, ENTRIES, 1);
    o.b->latency = 30;
    const struct wqe w = random_rc(o.b, 1);
    rig_post(o.b, &o.q, o.c, &w); /* the ring starts again: nothing old may be taken for it */
    grant(&o, true);
    assert_same_wqe(work(&o, 300, &status), &w, false);
    rig_close(o.b);
}

static void states_that_do_not_send_and_absent_qps_find_no_work(void **state)
{
    (void)state;
    for (unsigned s = QPS_INIT; s <= QPS_ERR; s++) {
        struct one o = fresh(QPT_RC, FORMAT_PVRDMA, 1, 1);
        unsigned status;
        const struct wqe w = random_rc(o.b, 1);

        rig_post(o.b, &o.q, o.c, &w);
        o.c->s.state = (uint8_t)s;
        grant(&o, true);
        (void)work(&o, 300, &status);
        assert_int_equal(status, s == QPS_INIT || s == QPS_RTR ? WORK_NONE : WORK_OK);
        UNIT_PUSH(o.b->h, qp_go, qp_go, .qn = 50, .cx = NO_SLOT, .rung = 1);
        (void)work(&o, 300, &status);
        assert_int_equal(status, WORK_NONE);
        rig_close(o.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_posted_wqe_is_handed_on_in_order_with_its_fields),
        cmocka_unit_test(a_ring_without_a_new_doorbell_is_not_read_again),
        cmocka_unit_test(runs_are_read_ahead_and_end_at_page_and_producer_index),
        cmocka_unit_test(a_run_that_begins_between_runs_ends_at_the_page_too),
        cmocka_unit_test(a_wqe_at_hand_takes_the_configured_time),
        cmocka_unit_test(a_producer_index_out_of_range_is_a_fault_and_harms_nothing),
        cmocka_unit_test(a_ring_that_cannot_be_read_is_a_fault),
        cmocka_unit_test(random_bytes_are_refused_or_make_a_sane_wqe),
        cmocka_unit_test(limits_of_the_qp_are_enforced_with_their_own_status),
        cmocka_unit_test(a_reset_qp_is_reported_empty_only_when_no_read_is_under_way),
        cmocka_unit_test(states_that_do_not_send_and_absent_qps_find_no_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
