/* wqe_fetch, receive queues and SRQs: consumed once and in order, heads written, prefetch, limit.
 */
#include "tests/tx_wqe.h"

enum { ENTRIES = 32, QPS = 4, SRQ = 2, SRQ_CX = 1 };

struct two {
    struct rig *b;
    struct qpc *c[QPS]; /* QP i has context entry i */
    struct rig_qp q[QPS];
    struct srqc *srq;
    int pins;
    uint32_t asyncs;
};

static struct two fresh(enum qp_format format, bool srq, uint64_t seed)
{
    struct hca_param p = unit_param();
    struct two o = {0};

    p.hca_qp_max = 64;
    p.hca_srq_max = 8;
    p.hca_mr_max = 16;
    o.b = rig_open(&p, 1ULL << U_wqe_fetch, seed);
    o.b->contiguous = format == FORMAT_NATIVE;
    for (uint32_t i = 0; i < QPS; i++) {
        o.c[i] = &o.b->h->ctx.qp[i];
        rig_qp_init(&o.q[i], o.c[i], i, QPT_RC, format, 16, ENTRIES, 2);
        o.c[i]->s.has_srq = srq;
        o.c[i]->s.srqn = SRQ;
    }
    o.srq = &o.b->h->ctx.srq[SRQ_CX]; /* uses the receive ring of QP 0 */
    o.srq->s.ring = o.c[0]->s.rq;
    o.srq->s.state_page_pdir = o.q[0].base;
    o.srq->s.max_sge = 2;
    o.srq->s.handle = SRQ;
    o.srq->s.format = (uint8_t)format;
    return o;
}

/* One cycle; context answers, asynchronous events are counted. */
static void cycle(struct two *o)
{
    const struct tick *const t = rig_now(o->b);
    struct hca *const h = o->b->h;

    if (VALID(t, &h->ctx_get_wqe) && READY(t, &h->ctx_got_wqe) && !rig_stalls(o->b)) {
        const struct ctx_get *const m = POP(t, &h->ctx_get_wqe);
        const uint32_t cx = m->kind == CTX_SRQ ? SRQ_CX : m->number;
        PUSH(t, &h->ctx_got_wqe, ctx_got, 4, .number = m->number, .cookie = m->cookie,
             .cx = (uint16_t)cx, .kind = m->kind, .status = CTX_OK);
        o->pins++;
    }
    if (VALID(t, &h->ctx_put_wqe) && !rig_stalls(o->b)) {
        (void)POP(t, &h->ctx_put_wqe);
        o->pins--;
    }
    if (VALID(t, &h->srq_async)) {
        const struct async *const m = POP(t, &h->srq_async);
        assert_int_equal(m->type, ASYNC_SRQ_LIMIT);
        assert_int_equal(m->info, SRQ);
        o->asyncs++;
    }
    rig_cycle(o->b);
}

static void cycles(struct two *o, uint32_t n)
{
    while (n-- != 0) {
        cycle(o);
    }
}

static void ask(struct two *o, uint32_t qp, enum rq_op op)
{
    UNIT_PUSH(o->b->h, rq_get, rq_get, .qn = qp, .cx = (uint16_t)qp, .cookie = (uint16_t)(qp + 7),
              .op = (uint8_t)op);
}

/* Runs until rq_wqe answers, at most n cycles; the record is given back. */
static unsigned answer(struct two *o, uint32_t n, struct rq_wqe *m, struct wqe *w)
{
    *m = (struct rq_wqe){.status = 99, .rec = NO_SLOT};
    while (n-- != 0 && !RIG_POP(o->b, rq_wqe, m)) {
        cycle(o);
    }
    if (m->rec != NO_SLOT) {
        *w = o->b->h->store.rwqe[m->rec];
        pool_give(&o->b->h->store.rwqe_pool, &o->b->h->y.k, m->rec);
    }
    return m->status;
}

static unsigned next(struct two *o, uint32_t qp, struct wqe *w)
{
    struct rq_wqe m = {0};

    ask(o, qp, RQ_NEXT);
    const unsigned status = answer(o, 3000, &m, w);
    assert_int_equal(m.qn, qp);
    assert_int_equal(m.cookie, qp + 7);
    return status;
}

static void bell(struct two *o, uint32_t number, bool srq)
{
    UNIT_PUSH(o->b->h, rq_ready, qp_ready, .qn = number, .kind = srq ? DB_SRQ_RECV : DB_RECV);
}

static struct sge sge_of(uint32_t i)
{
    return (struct sge){0x1000 + i, 100 + i, i};
}

static uint32_t cons_head(struct two *o, uint32_t qp)
{
    uint32_t v;

    memcpy(&v, rig_mem(o->b, o->q[qp].base + 12, 4), sizeof v);
    return v;
}

static void receive_wqes_come_once_in_order_and_free_their_slots(void **state)
{
    (void)state;
    for (unsigned native = 0; native < 2; native++) {
        struct two o = fresh(native ? FORMAT_NATIVE : FORMAT_PVRDMA, false, native + 1);
        struct wqe w;

        o.b->stall = 30;
        o.b->jitter = 40;
        for (uint32_t n = 0; n < 300;) {
            const uint32_t posted = o.q[1].rq_tail;
            if (posted - n < ENTRIES && rig_random(o.b, 3) != 0) {
                rig_post_recv(o.b, &o.q[1], &o.c[1]->s.rq, native, posted, sge_of(posted));
                bell(&o, 1, false);
            }
            if (rig_random(o.b, 2) == 0) {
                cycles(&o, 6); /* the doorbell has been seen */
                const unsigned status = next(&o, 1, &w);
                assert_int_equal(status, o.q[1].rq_tail == n ? WORK_NONE : WORK_OK);
                if (status == WORK_OK) {
                    const struct sge want = sge_of(n);
                    assert_int_equal(w.wr_id, n);
                    assert_int_equal(w.nsge, 1);
                    assert_int_equal(w.len, want.len);
                    assert_memory_equal(&w.sge[0], &want, sizeof want);
                    n++;
                    cycles(&o, 20);
                    assert_true(native || cons_head(&o, 1) == n % (2 * ENTRIES));
                }
            }
        }
        assert_int_equal(o.pins, 0);
        assert_int_equal(o.b->head_writes, native ? 0 : 300);
        rig_close(o.b);
    }
}

static void an_empty_queue_without_doorbell_is_not_read(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, false, 1);
    struct wqe w;

    assert_int_equal(next(&o, 1, &w), WORK_NONE); /* the first question reads the index once */
    const uint64_t reads = o.b->reads;
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(next(&o, 1, &w), WORK_NONE);
    }
    assert_int_equal(o.b->reads, reads);
    rig_post_recv(o.b, &o.q[1], &o.c[1]->s.rq, false, 5, sge_of(0));
    bell(&o, 1, false);
    assert_int_equal(next(&o, 1, &w), WORK_OK);
    assert_int_equal(w.wr_id, 5);
    rig_close(o.b);
}

static void a_doorbell_fetches_ahead_so_that_the_packet_finds_its_wqe(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, false, 1);
    struct rq_wqe m = {0};
    struct wqe w;

    o.b->latency = 400;
    rig_post_recv(o.b, &o.q[1], &o.c[1]->s.rq, false, 5, sge_of(0));
    bell(&o, 1, false);
    cycles(&o, 1000);
    ask(&o, 1, RQ_NEXT);
    assert_int_equal(answer(&o, 4, &m, &w), WORK_OK);
    assert_int_equal(o.pins, 0);
    rig_close(o.b);
}

static void the_last_wqe_comes_again_after_its_slot_was_used_for_another(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, true, 1);
    struct rq_wqe m = {0};
    struct wqe w;

    for (uint32_t i = 0; i < 8; i++) {
        rig_post_recv(o.b, &o.q[0], &o.srq->s.ring, false, 50 + i, sge_of(i));
    }
    bell(&o, SRQ, true);
    for (uint32_t qp = 0; qp < QPS; qp++) {
        assert_int_equal(next(&o, qp, &w), WORK_OK);
        assert_int_equal(w.wr_id, 50 + qp);
    }
    memset(rig_mem(o.b, o.q[0].base + o.srq->s.ring.page0 * PAGE_BYTES, 8 * 64), 0xee, 8 * 64);
    for (uint32_t qp = QPS; qp-- != 0;) {
        const struct sge want = sge_of(qp);
        ask(&o, qp, RQ_AGAIN);
        assert_int_equal(answer(&o, 10, &m, &w), WORK_OK);
        assert_int_equal(w.wr_id, 50 + qp);
        assert_int_equal(w.len, want.len);
        assert_memory_equal(&w.sge[0], &want, sizeof want);
    }
    rig_close(o.b);
}

static void qps_share_an_srq_and_its_limit_is_reported_once_each_time_it_is_armed(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, true, 7);
    uint32_t consumed = 0, open = 0, expected = 0;
    bool asked[QPS] = {false};

    o.b->stall = 20;
    o.b->jitter = 50;
    o.srq->limit_set = 4;
    for (uint32_t n = 0; n < 30000 && consumed < 600; n++) {
        const uint32_t qp = rig_random(o.b, QPS);
        if (n % 40 == 0 && o.q[0].rq_tail - consumed - open < ENTRIES && rig_random(o.b, 6) != 0) {
            rig_post_recv(o.b, &o.q[0], &o.srq->s.ring, false, o.q[0].rq_tail, sge_of(0));
            bell(&o, SRQ, true);
        }
        if (!asked[qp] && open < o.q[0].rq_tail - consumed) {
            asked[qp] = true;
            open++;
            ask(&o, qp, RQ_NEXT);
        }
        struct rq_wqe m;
        if (RIG_POP(o.b, rq_wqe, &m)) {
            asked[m.qn] = false;
            open--;
            if (m.status == WORK_OK) {
                assert_int_equal(o.b->h->store.rwqe[m.rec].wr_id, consumed);
                pool_give(&o.b->h->store.rwqe_pool, &o.b->h->y.k, m.rec);
                consumed++;
            }
        }
        if (o.asyncs > expected && o.pins == 0) { /* command has it to itself and arms it again */
            expected = o.asyncs;
            o.srq->limit_sn++;
        }
        cycle(&o);
    }
    assert_int_equal(consumed, 600);
    assert_true(o.asyncs > 5);
    const uint32_t before = o.asyncs;
    o.srq->limit_set = 0;
    cycles(&o, 500);
    assert_true(o.asyncs <= before + 1);
    rig_close(o.b);
}

static void an_armed_limit_fires_at_the_wqe_that_goes_below_it(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, true, 1);
    struct wqe w;

    for (uint32_t i = 0; i < 10; i++) {
        rig_post_recv(o.b, &o.q[0], &o.srq->s.ring, false, i, sge_of(i));
    }
    bell(&o, SRQ, true);
    o.srq->limit_set = 5;
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(next(&o, 1, &w), WORK_OK);
        cycles(&o, 5);
        assert_int_equal(o.asyncs, i >= 5); /* 4 are left behind the sixth */
    }
    rig_close(o.b);
}

static void a_flush_takes_every_wqe_and_later_doorbells_are_reported(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, false, 1);
    struct rq_wqe m = {0};
    struct qp_event more = {0};

    for (uint32_t i = 0; i < 5; i++) {
        rig_post_recv(o.b, &o.q[2], &o.c[2]->s.rq, false, i, sge_of(i));
    }
    rig_mem(o.b, o.q[2].base + o.c[2]->s.rq.page0 * PAGE_BYTES + 3 * 64 + 8, 4)[0] =
        99; /* num_sge */
    o.c[2]->s.state = QPS_ERR;
    bell(&o, 2, false);
    cycles(&o, 5); /* seen before the first question */
    for (uint32_t i = 0; i < 6; i++) {
        UNIT_PUSH(o.b->h, rsp_flush, rq_get, .qn = 2, .cx = 2, .op = RQ_FLUSH);
        for (uint32_t n = 0; n < 500 && !RIG_POP(o.b, rsp_flushed, &m); n++) {
            cycle(&o);
        }
        assert_int_equal(m.status, i < 5 ? WORK_OK : WORK_NONE);
        if (m.status == WORK_OK) { /* a bad WQE has a wr_id too */
            assert_int_equal(o.b->h->store.rwqe[m.rec].wr_id, i);
            pool_give(&o.b->h->store.rwqe_pool, &o.b->h->y.k, m.rec);
        }
    }
    bell(&o, 2, false);
    cycles(&o, 5);
    assert_true(RIG_POP(o.b, rq_more, &more));
    assert_int_equal(more.qn, 2);
    bell(&o, 1, false);
    cycles(&o, 5);
    assert_false(RIG_POP(o.b, rq_more, &more));
    rig_close(o.b);
}

static void wqes_of_an_srq_are_not_flushed_with_a_qp(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, true, 1);
    struct rq_wqe m = {0};

    rig_post_recv(o.b, &o.q[0], &o.srq->s.ring, false, 1, sge_of(0));
    UNIT_PUSH(o.b->h, rsp_flush, rq_get, .qn = 2, .cx = 2, .op = RQ_FLUSH);
    cycles(&o, 10);
    assert_true(RIG_POP(o.b, rsp_flushed, &m));
    assert_int_equal(m.status, WORK_NONE);
    assert_int_equal(m.rec, NO_SLOT);
    rig_close(o.b);
}

static void hostile_indices_and_wqes_are_refused_and_the_queue_goes_on(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, false, 1);
    struct wqe w;

    for (uint32_t i = 0; i < 6; i++) {
        rig_post_recv(o.b, &o.q[1], &o.c[1]->s.rq, false, 70 + i, sge_of(i));
    }
    uint8_t *const ring = rig_mem(o.b, o.q[1].base + o.c[1]->s.rq.page0 * PAGE_BYTES, 6 * 64);
    rig_st32(ring + 1 * 64 + 8, 3); /* more SGEs than the QP has */
    rig_st32(ring + 2 * 64 + 8, 0xffffffff);
    rig_st32(ring + 3 * 64 + 8, 2); /* more than 2^31 bytes */
    rig_st32(ring + 3 * 64 + 24, 0x80000000);
    rig_st32(ring + 3 * 64 + 40, 1);
    bell(&o, 1, false);
    static const unsigned want[6] = {WORK_OK, WORK_BAD, WORK_BAD, WORK_BAD, WORK_OK, WORK_OK};
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(next(&o, 1, &w), want[i]);
        assert_int_equal(w.wr_id, 70 + i);
    }
    for (uint32_t v = 6 + ENTRIES + 1; v < 2 * ENTRIES + 6; v++) { /* all that is too far ahead */
        rig_st32(rig_mem(o.b, o.q[1].base + 8, 4), v % (2 * ENTRIES));
        bell(&o, 1, false);
        cycles(&o, 5);
        assert_int_equal(next(&o, 1, &w), WORK_FAULT);
    }
    rig_st32(rig_mem(o.b, o.q[1].base + 8, 4), 0x10000006);
    bell(&o, 1, false);
    cycles(&o, 5);
    assert_int_equal(next(&o, 1, &w), WORK_FAULT);
    o.b->faults = 1;
    bell(&o, 1, false);
    cycles(&o, 5);
    assert_int_equal(next(&o, 1, &w), WORK_FAULT);
    rig_close(o.b);
}

static void receives_go_on_while_the_transmit_side_stands_still(void **state)
{
    (void)state;
    struct two o = fresh(FORMAT_PVRDMA, false, 1);
    struct wqe w;

    for (uint32_t i = 0; i < QPS; i++) {
        const struct wqe s = rig_random_wqe(o.b, WR_SEND, 1);
        rig_post(o.b, &o.q[i], o.c[i], &s);
        rig_post_recv(o.b, &o.q[i], &o.c[i]->s.rq, false, i, sge_of(i));
        bell(&o, i, false);
    }
    for (uint32_t n = 0; n < 400; n++) { /* nobody takes work; grants until they stall too */
        const struct tick *const t = rig_now(o.b);
        if (READY(t, &o.b->h->qp_go)) {
            PUSH(t, &o.b->h->qp_go, qp_go, 0, .qn = n % QPS, .cx = (uint16_t)(n % QPS), .rung = 1);
        }
        cycle(&o);
    }
    assert_int_equal(fifo_level(&o.b->h->work.ctl), o.b->h->work.ctl.depth);
    assert_int_equal(fifo_level(&o.b->h->qp_go.ctl), o.b->h->qp_go.ctl.depth);
    for (uint32_t i = 0; i < QPS; i++) {
        assert_int_equal(next(&o, i, &w), WORK_OK);
        assert_int_equal(w.wr_id, i);
    }
    rig_close(o.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receive_wqes_come_once_in_order_and_free_their_slots),
        cmocka_unit_test(an_empty_queue_without_doorbell_is_not_read),
        cmocka_unit_test(a_doorbell_fetches_ahead_so_that_the_packet_finds_its_wqe),
        cmocka_unit_test(the_last_wqe_comes_again_after_its_slot_was_used_for_another),
        cmocka_unit_test(qps_share_an_srq_and_its_limit_is_reported_once_each_time_it_is_armed),
        cmocka_unit_test(an_armed_limit_fires_at_the_wqe_that_goes_below_it),
        cmocka_unit_test(a_flush_takes_every_wqe_and_later_doorbells_are_reported),
        cmocka_unit_test(wqes_of_an_srq_are_not_flushed_with_a_qp),
        cmocka_unit_test(hostile_indices_and_wqes_are_refused_and_the_queue_goes_on),
        cmocka_unit_test(receives_go_on_while_the_transmit_side_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
