/* context: hits, misses, pins, exclusive holders, write-back, packets in order. */
#include "tests/tx_rig.h"

#include "model/packet/opcode.h"

static struct hca_param small(uint64_t entries, uint64_t ways)
{
    struct hca_param p = unit_param();

    p.hca_qp_max = 512;
    p.hca_cq_max = 64;
    p.hca_srq_max = 16;
    p.hca_mr_max = 16;
    p.hca_fn_max = 2;
    p.hca_qp_cache_entries = entries;
    p.hca_qp_cache_ways = ways;
    p.hca_context_hit_ns = 4;
    return p;
}

static struct rig *fresh(const struct hca_param *p)
{
    struct rig *const b = rig_open(p, 1ULL << U_context, 1);

    for (uint32_t qn = 0; qn < 256; qn++) { /* 256 QPs exist in memory */
        struct qpc *const c = (struct qpc *)rig_ctx(b, CTX_QP, qn);
        c->s.type = QPT_RC;
        c->s.qn = qn;
    }
    return b;
}

static void get(struct rig *b, unsigned kind, uint32_t number, enum ctx_op op)
{
    UNIT_PUSH(b->h, ctx_get_cmd, ctx_get, .number = number, .kind = (uint8_t)kind,
              .op = (uint8_t)op, .cookie = (uint16_t)number);
}

static void put(struct rig *b, unsigned kind, uint32_t cx, enum ctx_put_op op)
{
    UNIT_PUSH(b->h, ctx_put_cmd, ctx_put, .cx = (uint16_t)cx, .kind = (uint8_t)kind,
              .op = (uint8_t)op);
}

/* Runs until command is answered, at most n cycles; cx, or NO_CX and *status. */
static uint32_t got(struct rig *b, uint32_t n, unsigned *status)
{
    struct ctx_got m = {.cx = NO_CX, .status = 99};

    while (n-- != 0 && !RIG_POP(b, ctx_got_cmd, &m)) {
        rig_cycle(b);
    }
    if (status != NULL) {
        *status = m.status;
    }
    return m.cx;
}

static uint32_t load(struct rig *b, uint32_t qn)
{
    get(b, CTX_QP, qn, CTX_GET);
    const uint32_t cx = got(b, 1000, NULL);
    assert_int_not_equal(cx, NO_CX);
    assert_int_equal(b->h->ctx.qp[cx].s.qn, qn);
    return cx;
}

static void a_hit_takes_the_configured_time_and_a_miss_one_read(void **state)
{
    (void)state;
    const struct hca_param p = small(64, 8);
    struct rig *const b = fresh(&p);

    put(b, CTX_QP, load(b, 7), CTX_PUT);
    assert_int_equal(b->ctx_reads, 1);
    get(b, CTX_QP, 7, CTX_GET); /* pushed now, seen in the next cycle, answered 1 + 4 later */
    struct ctx_got m = {0};
    unit_run(b->h, 5);
    assert_false(RIG_POP(b, ctx_got_cmd, &m));
    unit_run(b->h, 1);
    assert_true(RIG_POP(b, ctx_got_cmd, &m));
    assert_int_equal(b->ctx_reads, 1);
    rig_close(b);
}

static void a_card_with_memory_of_its_own_reads_nothing_over_pcie(void **state)
{
    (void)state;
    struct hca_param p = small(8, 4);
    p.hca_context_store = HCA_HCA_CONTEXT_STORE_ONBOARD;
    p.hca_onboard_read_ns = 100;
    struct rig *const b = rig_open(&p, 1ULL << U_context, 1);

    for (uint32_t qn = 0; qn < 40; qn++) { /* five times the cache */
        get(b, CTX_QP, qn, CTX_CREATE);
        const uint32_t cx = got(b, 300, NULL);
        b->h->ctx.qp[cx].s.type = QPT_RC;
        b->h->ctx.qp[cx].s.qn = qn;
        put(b, CTX_QP, cx, CTX_PUT);
        rig_cycles(b, 3);
    }
    get(b, CTX_QP, 3, CTX_GET);
    assert_int_equal(got(b, 105, NULL), NO_CX); /* 1 to be seen, 100 to read, 1 + 4 to answer */
    assert_int_not_equal(got(b, 2, NULL), NO_CX);
    for (uint32_t qn = 20; qn < 40; qn++) {
        put(b, CTX_QP, load(b, qn), CTX_PUT);
    }
    assert_int_equal(b->reads + b->ctx_writes, 0);
    rig_close(b);
}

static void a_context_never_created_is_absent_and_holds_no_pin(void **state)
{
    (void)state;
    const struct hca_param p = small(8, 8);
    struct rig *const b = fresh(&p);
    unsigned status;
    const uint32_t strangers[] = {300, 400, 511, 512, 2 * QP_ROUND, 0xffffff};

    for (unsigned i = 0; i < 6; i++) {
        get(b, CTX_QP, strangers[i], i % 2 == 0 ? CTX_GET : CTX_GET_EXCL);
        assert_int_equal(got(b, 300, &status), NO_CX);
        assert_int_equal(status, CTX_ABSENT);
    }
    for (uint32_t qn = 0; qn < 8; qn++) { /* all eight entries can still be pinned */
        (void)load(b, qn);
    }
    UNIT_PUSH(b->h, grant, grant, .qn = 301, .tail = 9);
    struct qp_go g = {0};
    for (uint32_t n = 0; n < 200 && !RIG_POP(b, qp_go, &g); n++) {
        rig_cycle(b);
    }
    assert_int_equal(g.qn, 0); /* every way is pinned: a grant has to wait */
    put(b, CTX_QP, 0, CTX_PUT);
    for (uint32_t n = 0; n < 200 && !RIG_POP(b, qp_go, &g); n++) {
        rig_cycle(b);
    }
    assert_int_equal(g.qn, 301);
    assert_int_equal(g.cx, NO_SLOT);
    rig_close(b);
}

static void what_was_changed_comes_back_after_eviction(void **state)
{
    (void)state;
    const struct hca_param p = small(8, 2);
    struct rig *const b = fresh(&p);
    uint32_t value[256] = {0};

    b->jitter = 100;
    b->stall = 30;
    for (uint32_t n = 0; n < 3000; n++) {
        const uint32_t qn = rig_random(b, 64);
        const uint32_t cx = load(b, qn);
        assert_int_equal(b->h->ctx.qp[cx].tx.head, value[qn]);
        b->h->ctx.qp[cx].tx.head = value[qn] = n + 1;
        put(b, CTX_QP, cx, CTX_PUT);
    }
    assert_true(b->ctx_writes > 1000);
    rig_close(b);
}

static void a_dropped_context_is_absent_even_after_it_left_the_cache(void **state)
{
    (void)state;
    const struct hca_param p = small(8, 2);
    struct rig *const b = fresh(&p);
    unsigned status;

    get(b, CTX_QP, 5, CTX_GET_EXCL);
    put(b, CTX_QP, got(b, 300, NULL), CTX_PUT_DROP);
    for (uint32_t qn = 64; qn < 128; qn++) {
        put(b, CTX_QP, load(b, qn), CTX_PUT);
    }
    assert_int_equal(((struct qpc *)rig_ctx(b, CTX_QP, 5))->s.type, 0);
    get(b, CTX_QP, 5, CTX_GET);
    assert_int_equal(got(b, 300, &status), NO_CX);
    assert_int_equal(status, CTX_ABSENT);
    rig_close(b);
}

static void an_exclusive_holder_waits_for_the_others_and_keeps_them_out(void **state)
{
    (void)state;
    const struct hca_param p = small(64, 8);
    struct rig *const b = fresh(&p);
    struct ctx_got m = {0};
    struct qp_go g = {0};

    const uint32_t cx = load(b, 3);
    get(b, CTX_QP, 3, CTX_GET_EXCL);
    assert_int_equal(got(b, 50, NULL), NO_CX);
    UNIT_PUSH(b->h, ctx_get_rsp, ctx_get, .number = 3, .kind = CTX_QP, .op = CTX_GET);
    UNIT_PUSH(b->h, grant, grant, .qn = 3);
    rig_cycles(b, 50);
    assert_false(RIG_POP(b, ctx_got_rsp, &m)); /* behind the one that waits */
    put(b, CTX_QP, cx, CTX_PUT);
    assert_int_equal(got(b, 20, NULL), cx);
    rig_cycles(b, 50);
    assert_false(RIG_POP(b, ctx_got_rsp, &m));
    assert_false(RIG_POP(b, qp_go, &g));
    UNIT_PUSH(b->h, grant, grant, .qn = 4); /* others pass */
    rig_cycles(b, 80);
    assert_true(RIG_POP(b, qp_go, &g));
    assert_int_equal(g.qn, 4);
    put(b, CTX_QP, cx, CTX_PUT);
    rig_cycles(b, 10);
    assert_true(RIG_POP(b, ctx_got_rsp, &m));
    assert_true(RIG_POP(b, qp_go, &g));
    assert_int_equal(g.qn, 3);
    rig_close(b);
}

static void one_read_serves_all_that_wait_for_the_same_context(void **state)
{
    (void)state;
    const struct hca_param p = small(64, 8);
    struct rig *const b = fresh(&p);
    struct ctx_got m = {0};
    struct qp_go g = {0};

    UNIT_PUSH(b->h, grant, grant, .qn = 11);
    UNIT_PUSH(b->h, ctx_get_rsp, ctx_get, .number = 11, .kind = CTX_QP);
    UNIT_PUSH(b->h, ctx_get_wqe, ctx_get, .number = 11, .kind = CTX_QP);
    rig_cycles(b, 80);
    assert_int_equal(b->ctx_reads, 1);
    assert_true(RIG_POP(b, qp_go, &g));
    assert_true(RIG_POP(b, ctx_got_rsp, &m));
    assert_true(RIG_POP(b, ctx_got_wqe, &m));
    rig_close(b);
}

static void packets_of_a_qp_stay_in_order_and_pass_those_that_wait_for_another(void **state)
{
    (void)state;
    const struct hca_param p = small(16, 2);
    struct rig *const b = fresh(&p);
    uint32_t next[64] = {0}, seen[64] = {0}, sent = 0, taken = 0, drops = 0;

    b->jitter = 150;
    b->stall = 20;
    for (uint32_t n = 0; n < 40000 && (sent < 3000 || taken + drops < sent); n++) {
        const struct tick *const t = rig_now(b);
        if (sent < 3000 && READY(t, &b->h->rx_look) && pool_ready(&b->h->store.rx_pool, t->now)) {
            const uint32_t qn = rig_random(b, 64);
            const bool alien = rig_random(b, 50) == 0;
            PUSH(t, &b->h->rx_look, rxp, 0, .qn = alien ? 300 : qn, .psn = alien ? 0 : next[qn]++,
                 .opcode = rig_random(b, 2) == 0 ? PKT_OP_RC_ACK : PKT_OP_RC_SEND_ONLY,
                 .slot = pool_take(&b->h->store.rx_pool, t->k));
            sent++;
            drops += alien;
        }
        const bool acks = rig_random(b, 2) == 0;
        struct wire_rxp *const out = acks ? &b->h->rx_ack : &b->h->rx_check;
        struct wire_ctx_put *const back = acks ? &b->h->ctx_put_ack : &b->h->ctx_put_rsp;
        if (VALID(t, out) && READY(t, back)) {
            const struct rxp *const m = POP(t, out);
            assert_int_equal(b->h->ctx.qp[m->cx].s.qn, m->qn);
            assert_int_equal(m->opcode == PKT_OP_RC_ACK, acks);
            seen[m->qn]++;
            taken++;
            pool_give(&b->h->store.rx_pool, t->k, m->slot);
            PUSH(t, back, ctx_put, 0, .cx = m->cx, .kind = CTX_QP, .op = CTX_PUT);
        }
        rig_cycle(b);
    }
    assert_int_equal(taken + drops, 3000);
    assert_int_equal(b->h->y.s.context_dropped, drops);
    rig_close(b);
}

/* The wires to check and requester are in order each; a QP's packets of one direction must be too.
 */
static void packets_of_one_direction_never_overtake_each_other(void **state)
{
    (void)state;
    const struct hca_param p = small(4, 1);
    struct rig *const b = fresh(&p);
    uint32_t next[8] = {0}, seen[8] = {0}, taken = 0;

    b->jitter = 200;
    for (uint32_t n = 0; n < 20000 && taken < 2000; n++) {
        const struct tick *const t = rig_now(b);
        if (READY(t, &b->h->rx_look)) {
            const uint32_t qn = rig_random(b, 8);
            PUSH(t, &b->h->rx_look, rxp, 0, .qn = qn, .psn = next[qn]++, .opcode = PKT_OP_RC_ACK);
        }
        if (VALID(t, &b->h->rx_ack) && READY(t, &b->h->ctx_put_ack) && rig_random(b, 4) != 0) {
            const struct rxp *const m = POP(t, &b->h->rx_ack);
            assert_int_equal(m->psn, seen[m->qn]++);
            taken++;
            PUSH(t, &b->h->ctx_put_ack, ctx_put, 0, .cx = m->cx, .kind = CTX_QP, .op = CTX_PUT);
        }
        rig_cycle(b);
    }
    assert_int_equal(taken, 2000);
    rig_close(b);
}

static void acknowledgements_get_through_when_grants_pin_every_way(void **state)
{
    (void)state;
    const struct hca_param p = small(4, 4);
    struct rig *const b = fresh(&p);
    struct qp_go g = {0};
    struct rxp m = {0};

    for (uint32_t qn = 0; qn < 4; qn++) {
        UNIT_PUSH(b->h, grant, grant, .qn = qn);
        rig_cycles(b, 60);
        assert_true(RIG_POP(b, qp_go, &g));
    }
    for (uint32_t qn = 10; qn < 10 + CTX_RESERVE; qn++) {
        UNIT_PUSH(b->h, rx_look, rxp, .qn = qn, .opcode = PKT_OP_RC_ACK);
        rig_cycles(b, 60);
        assert_true(RIG_POP(b, rx_ack, &m));
        assert_int_equal(b->h->ctx.qp[m.cx].s.qn, qn);
    }
    rig_close(b);
}

static void a_context_that_cannot_be_read_counts_as_absent(void **state)
{
    (void)state;
    const struct hca_param p = small(8, 2);
    struct rig *const b = fresh(&p);
    unsigned status;

    get(b, CTX_QP, 9, CTX_GET);
    unit_run(b->h, 3);
    struct rd_req r = {0};
    assert_true(RIG_POP(b, rd_req_ctx, &r));
    assert_int_equal(r.fn, FN_ADAPTER);
    assert_int_equal(r.len, QPC_BYTES);
    UNIT_PUSH(b->h, rd_rsp_ctx, rd_rsp, .cookie = r.cookie, .status = DMA_UR);
    assert_int_equal(got(b, 50, &status), NO_CX);
    assert_int_equal(status, CTX_ABSENT);
    rig_close(b);
}

static void cq_and_srq_contexts_have_caches_of_their_own(void **state)
{
    (void)state;
    const struct hca_param p = small(8, 2);
    struct rig *const b = fresh(&p);

    get(b, CTX_CQ, 5, CTX_CREATE);
    const uint32_t cq = got(b, 50, NULL);
    get(b, CTX_SRQ, 5, CTX_CREATE);
    const uint32_t srq = got(b, 50, NULL);
    assert_int_not_equal(cq, NO_CX);
    assert_int_not_equal(srq, NO_CX);
    b->h->ctx.cq[cq].s.ring.entries = 64;
    b->h->ctx.srq[srq].s.ring.entries = 16;
    put(b, CTX_CQ, cq, CTX_PUT);
    put(b, CTX_SRQ, srq, CTX_PUT);
    UNIT_PUSH(b->h, ctx_get_cq, ctx_get, .number = 5, .kind = CTX_CQ);
    UNIT_PUSH(b->h, ctx_get_wqe, ctx_get, .number = 5, .kind = CTX_SRQ);
    rig_cycles(b, 12);
    struct ctx_got m = {0};
    assert_true(RIG_POP(b, ctx_got_cq, &m));
    assert_int_equal(m.cx, cq);
    assert_true(RIG_POP(b, ctx_got_wqe, &m));
    assert_int_equal(m.cx, srq);
    assert_int_equal(b->ctx_reads, 0);
    rig_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hit_takes_the_configured_time_and_a_miss_one_read),
        cmocka_unit_test(a_card_with_memory_of_its_own_reads_nothing_over_pcie),
        cmocka_unit_test(a_context_never_created_is_absent_and_holds_no_pin),
        cmocka_unit_test(what_was_changed_comes_back_after_eviction),
        cmocka_unit_test(a_dropped_context_is_absent_even_after_it_left_the_cache),
        cmocka_unit_test(an_exclusive_holder_waits_for_the_others_and_keeps_them_out),
        cmocka_unit_test(one_read_serves_all_that_wait_for_the_same_context),
        cmocka_unit_test(packets_of_a_qp_stay_in_order_and_pass_those_that_wait_for_another),
        cmocka_unit_test(packets_of_one_direction_never_overtake_each_other),
        cmocka_unit_test(acknowledgements_get_through_when_grants_pin_every_way),
        cmocka_unit_test(a_context_that_cannot_be_read_counts_as_absent),
        cmocka_unit_test(cq_and_srq_contexts_have_caches_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
