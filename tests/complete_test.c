/* complete: bytes and order of CQEs, producer index, arms, overflow, fences. */
#include "tests/unit.h"

enum { CQS = 4, CQ_PAGES = 4, ENTRIES = 128, BUS_PAGES = 32, HEADS = 16 * PAGE_BYTES };

/* CQ q is context q; page p of its directory is bus page q * CQ_PAGES + p. */
static uint8_t bus[BUS_PAGES * PAGE_BYTES];
static uint32_t stall_percent, bad_cq, slow_cq, pins[CQS], absent;
static uint32_t consumed[CQS]; /* CQEs read, free running */
static uint64_t rng;
static struct wr_req last[4096];
static uint32_t writes;

static uint32_t dice(uint32_t n)
{
    rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(rng >> 33) % n;
}

static bool stalls(void)
{
    return dice(100) < stall_percent;
}

static uint32_t word(uint64_t addr)
{
    uint32_t v;
    memcpy(&v, bus + addr, 4);
    return v;
}

static uint64_t page(uint32_t cq, uint32_t p)
{
    return (uint64_t)(cq * CQ_PAGES + p) * PAGE_BYTES;
}

static const uint8_t *cqe_at(uint32_t cq, uint32_t i)
{
    return bus + page(cq, 1) + i % ENTRIES * 64;
}

static void consume(uint32_t cq, uint32_t n)
{
    consumed[cq] += n;
    const uint32_t head = consumed[cq] % (2 * ENTRIES);
    memcpy(bus + page(cq, 0) + 12, &head, 4);
}

#define ROOM(h, wire_) \
    (fifo_ready(&(h)->wire_.ctl, (h)->y.k.now) && (h)->wire_.ctl.pushed != (h)->y.k.now + 1)

static void contexts(struct hca *h)
{
    struct ctx_get g;
    struct ctx_put p;

    if (!stalls() && ROOM(h, ctx_got_cq) && UNIT_POP(h, ctx_get_cq, &g)) {
        const bool gone = (absent >> g.number & 1) != 0;
        pins[g.number] += !gone;
        PUSH(&h->y.t, &h->ctx_got_cq, ctx_got, g.number == slow_cq ? 200 : 4, .number = g.number,
             .cookie = g.cookie, .cx = (uint16_t)g.number, .kind = g.kind,
             .status = gone ? CTX_ABSENT : CTX_OK);
    }
    if (!stalls() && UNIT_POP(h, ctx_put_cq, &p)) {
        assert_true(pins[p.cx] > 0);
        pins[p.cx]--;
    }
}

static void memory(struct hca *h)
{
    struct ring_get g;
    struct rd_req r;
    struct wr_req m;

    if (!stalls() && ROOM(h, ring_got_cq) && UNIT_POP(h, ring_get_cq, &g)) {
        PUSH(&h->y.t, &h->ring_got_cq, ring_got, 3, .cookie = g.cookie,
             .addr = page((uint32_t)g.pdir, g.page), .status = g.pdir == bad_cq ? DMA_UR : DMA_OK);
    }
    if (!stalls() && ROOM(h, rd_rsp_cq) && UNIT_POP(h, rd_req_cq, &r)) {
        memcpy(store_at(&h->store, r.data), bus + r.addr, r.len);
        PUSH(&h->y.t, &h->rd_rsp_cq, rd_rsp, 20, .cookie = r.cookie);
    }
    if (!stalls() && ROOM(h, cqe_done) && UNIT_POP(h, wr_cqe, &m)) {
        last[writes++ % 4096] = m;
        memcpy(bus + m.addr, store_at(&h->store, m.data), m.len);
        if ((m.flags & WR_NOTIFY) != 0) {
            PUSH(&h->y.t, &h->cqe_done, wr_done, dice(10), .cookie = m.cookie);
        }
    }
}

static void cycles(struct hca *h, uint32_t n)
{
    while (n-- != 0) {
        contexts(h);
        memory(h);
        unit_run(h, 1);
    }
}

static struct hca *fresh_format(uint8_t format)
{
    struct hca_param p = unit_param();
    struct hca *const h = unit_hca(&p, 1ULL << U_complete);

    memset(bus, 0, sizeof bus);
    memset(pins, 0, sizeof pins);
    memset(consumed, 0, sizeof consumed);
    stall_percent = 0;
    bad_cq = slow_cq = 99;
    absent = 0;
    writes = 0;
    rng = 1;
    if (h->ctx.cq == NULL) {
        h->ctx.cq = arena_take(&h->y.arena, CQS * sizeof *h->ctx.cq);
    }
    for (uint32_t q = 0; q < CQS; q++) {
        struct cqc *const c = &h->ctx.cq[q];
        memset(c, 0, sizeof *c);
        c->s.ring = (struct ring){.pdir = q, .entries = ENTRIES, .stride = 64, .page0 = 1};
        c->s.state_page_pdir = q;
        if (format == FORMAT_NATIVE) {
            c->s.ring.pdir = page(q, 1);
            c->s.state_page_pdir = page(q, 0) + 12;
        }
        c->s.cqn = q;
        c->s.handle = q;
        c->s.vector = 2;
        c->s.format = format;
    }
    return h;
}

static struct hca *fresh(void)
{
    return fresh_format(FORMAT_PVRDMA);
}

#define SEND_CQE(h, wire_, ...)                            \
    do {                                                   \
        while (!ROOM(h, wire_)) {                          \
            cycles(h, 1);                                  \
        }                                                  \
        (h)->y.t.now = (h)->y.k.now;                       \
        PUSH(&(h)->y.t, &(h)->wire_, cqe, 0, __VA_ARGS__); \
    } while (0)

static void arm(struct hca *h, uint32_t cq, uint8_t kind)
{
    UNIT_PUSH(h, cq_arm, cq_arm, .cqn = cq, .kind = kind);
}

static bool none_pinned(void)
{
    return pins[0] + pins[1] + pins[2] + pins[3] == 0;
}

static void a_cqe_has_the_bytes_of_the_abi_and_comes_between_ring_head_and_tail(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    const uint8_t imm[4] = {1, 2, 3, 4};
    uint32_t imm_word;

    memcpy(&imm_word, imm, 4);
    SEND_CQE(h, req_cqe, .wr_id = 0x1122334455667788, .head_addr = HEADS, .cqn = 2,
             .handle = 0x1234, .byte_len = 4096, .imm = imm_word, .src_qp = 0xabcdef, .head = 77,
             .flags = CQE_IMM | CQE_GRH | CQE_NET | CQE_SOLICITED | CQE_RECV, .opcode = WC_RECV,
             .status = WC_OK, .net = 1, .vendor_err = 9);
    cycles(h, 100);
    assert_int_equal(writes, 3);
    assert_int_equal(last[0].addr, HEADS);
    assert_int_equal(last[0].cls, CLS_HEAD);
    assert_int_equal(last[1].addr, page(2, 1));
    assert_int_equal(last[1].len, 64);
    assert_int_equal(last[2].addr, page(2, 0) + 8);
    assert_int_equal(word(HEADS), 77);
    assert_int_equal(word(page(2, 0) + 8), 1);
    const uint8_t *const c = cqe_at(2, 0);
    const uint32_t at[][2] = {{0, 0x55667788},  {4, 0x11223344}, {8, 0x1234}, {12, 0},
                              {16, WC_RECV},    {20, WC_OK},     {24, 4096},  {32, 0xabcdef},
                              {36, 1 | 2 | 64}, {40, 9},         {44, 0},     {52, 0},
                              {60, 0}};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        uint32_t v;
        memcpy(&v, c + at[i][0], 4);
        assert_int_equal(v, at[i][1]);
    }
    assert_memory_equal(c + 28, imm, 4);
    assert_int_equal(c[50], 1);
    assert_int_equal(c[57], 1);
    assert_true(none_pinned());
    hca_close(h);
}

static void a_native_cqe_is_one_write_and_its_owner_bit_turns_each_round(void **state)
{
    (void)state;
    struct hca *const h = fresh_format(FORMAT_NATIVE);

    for (uint32_t i = 0; i < 3 * ENTRIES; i++) {
        SEND_CQE(h, rsp_cqe, .wr_id = i, .cqn = 1);
        cycles(h, i % ENTRIES == 0 ? 80 : 30);
        assert_int_equal(writes, i + 1);
        assert_int_equal(cqe_at(1, i)[63] & 1, (i / ENTRIES + 1) % 2);
        memcpy(bus + page(1, 0) + 12, &(uint32_t){i + 1}, 4);
    }
    assert_int_equal(h->y.s.complete_errors, 0);
    hca_close(h);
}

static void the_first_write_comes_complete_ns_after_the_context(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    SEND_CQE(h, req_cqe, .cqn = 0);
    cycles(h, 60);
    h->y.t.now = h->y.k.now;
    PUSH(&h->y.t, &h->req_cqe, cqe, 0, .cqn = 0);
    unit_run(h, 1); /* taken, context asked */
    struct ctx_get g;
    unit_run(h, 1);
    assert_true(UNIT_POP(h, ctx_get_cq, &g));
    pins[0]++;
    PUSH(&h->y.t, &h->ctx_got_cq, ctx_got, 0, .cookie = g.cookie, .kind = CTX_CQ);
    const uint32_t wait = 1 + (uint32_t)ns_cycles(&h->y.p, h->y.p.hca_complete_ns);
    unit_run(h, wait);
    h->y.t.now = h->y.k.now;
    assert_false(VALID(&h->y.t, &h->wr_cqe));
    unit_run(h, 1);
    h->y.t.now = h->y.k.now;
    assert_true(VALID(&h->y.t, &h->wr_cqe));
    hca_close(h);
}

static void an_unsignalled_completion_moves_the_head_behind_older_ones_of_its_cq(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    slow_cq = 3;
    SEND_CQE(h, req_cqe, .cqn = 3, .head_addr = HEADS, .head = 1);
    SEND_CQE(h, req_cqe, .cqn = 3, .head_addr = HEADS, .head = 2, .flags = CQE_SILENT);
    SEND_CQE(h, req_cqe, .cqn = 1, .head_addr = HEADS + 8, .head = 9, .flags = CQE_SILENT);
    cycles(h, 60);
    assert_int_equal(writes, 1); /* another CQ does not wait */
    assert_int_equal(word(HEADS + 8), 9);
    cycles(h, 300);
    assert_int_equal(word(HEADS), 2);
    assert_int_equal(writes, 5);
    assert_int_equal(word(page(3, 0) + 8), 1);
    assert_int_equal(h->y.s.complete_silent, 2);
    hca_close(h);
}

/* What a driver sees: everything between its head and the tail. */
static void poll_all(uint32_t seen[CQS])
{
    for (uint32_t q = 0; q < CQS; q++) {
        while (consumed[q] % (2 * ENTRIES) != word(page(q, 0) + 8)) {
            uint64_t id;
            memcpy(&id, cqe_at(q, consumed[q]), 8);
            assert_int_equal(id, (uint64_t)q << 32 | seen[q]);
            seen[q]++;
            consume(q, 1);
        }
    }
}

static void every_cq_gets_its_cqes_in_order_under_random_stalls(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct hca *const h = fresh();
        uint32_t sent[CQS] = {0}, seen[CQS] = {0};

        rng = seed;
        stall_percent = (uint32_t)seed * 12;
        slow_cq = (uint32_t)seed % CQS;
        for (uint32_t i = 0; i < 1500; i++) {
            const uint32_t q = dice(CQS);
            const uint64_t id = (uint64_t)q << 32 | sent[q]++;
            if (dice(2) != 0) {
                SEND_CQE(h, req_cqe, .wr_id = id, .cqn = q, .head_addr = HEADS + q * 4,
                         .head = sent[q]);
            } else {
                SEND_CQE(h, rsp_cqe, .wr_id = id, .cqn = q);
            }
            cycles(h, q == slow_cq ? 100 : dice(8)); /* two wires: one after the other per CQ */
            while (h->req_cqe.ctl.head != h->req_cqe.ctl.tail ||
                   h->rsp_cqe.ctl.head != h->rsp_cqe.ctl.tail) {
                cycles(h, 1);
            }
            if (dice(4) == 0) {
                poll_all(seen);
            }
        }
        cycles(h, 4000);
        poll_all(seen);
        for (uint32_t q = 0; q < CQS; q++) {
            assert_int_equal(seen[q], sent[q]);
        }
        assert_true(none_pinned());
        assert_int_equal(kern_next(&h->y.k), HCA_NEVER);
        hca_close(h);
    }
}

static void a_full_cq_looks_at_the_consumer_before_it_breaks(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct async a;

    for (uint32_t i = 0; i < ENTRIES; i++) {
        SEND_CQE(h, req_cqe, .wr_id = i, .cqn = 0);
        cycles(h, 20);
    }
    consume(0, 1);
    SEND_CQE(h, req_cqe, .wr_id = 1000, .cqn = 0);
    cycles(h, 100);
    assert_int_equal(h->y.s.complete_cqes, ENTRIES + 1);
    assert_int_equal(word(page(0, 0) + 8), ENTRIES + 1);
    SEND_CQE(h, req_cqe, .wr_id = 1001, .cqn = 0, .head_addr = HEADS, .head = 3);
    SEND_CQE(h, req_cqe, .wr_id = 1002, .cqn = 0);
    cycles(h, 200);
    assert_true(UNIT_POP(h, cq_async, &a));
    assert_int_equal(a.type, ASYNC_CQ_ERR);
    assert_true(!UNIT_POP(h, cq_async, &a));
    assert_int_equal(h->y.s.complete_lost, 2);
    assert_int_equal(word(HEADS), 3); /* the send ring goes on */
    assert_int_equal(word(page(0, 0) + 8), ENTRIES + 1);
    assert_true(none_pinned());
    hca_close(h);
}

static void a_consumer_index_out_of_range_breaks_the_cq(void **state)
{
    (void)state;
    const uint32_t bad[] = {0xffffffff, 2 * ENTRIES, 3};

    for (size_t i = 0; i < 3; i++) {
        struct hca *const h = fresh();
        for (uint32_t n = 0; n <= ENTRIES; n++) {
            SEND_CQE(h, req_cqe, .wr_id = n, .cqn = 0);
            cycles(h, 20);
            memcpy(bus + page(0, 0) + 12, &bad[i], 4);
        }
        cycles(h, 100);
        /* 3 is in range: 125 CQEs are left, so there is room */
        assert_int_equal(h->y.s.complete_errors, i == 2 ? 0 : 1);
        hca_close(h);
    }
}

static void an_unreadable_page_directory_breaks_the_cq_once(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    bad_cq = 1;
    SEND_CQE(h, req_cqe, .cqn = 1);
    SEND_CQE(h, rsp_cqe, .cqn = 1);
    SEND_CQE(h, rsp_cqe, .cqn = 2);
    arm(h, 1, DB_CQ_ARM);
    cycles(h, 200);
    assert_int_equal(h->y.s.complete_errors, 1);
    assert_int_equal(h->y.s.complete_lost, 2);
    assert_int_equal(word(page(2, 0) + 8), 1);
    assert_true(none_pinned());
    assert_int_equal(kern_next(&h->y.k), HCA_NEVER);
    hca_close(h);
}

static void what_comes_for_a_cq_that_is_gone_is_lost_and_pins_nothing(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    absent = 1U << 2;
    SEND_CQE(h, req_cqe, .cqn = 2);
    arm(h, 2, DB_CQ_ARM);
    cycles(h, 100);
    assert_int_equal(writes, 0);
    assert_int_equal(h->y.s.complete_lost, 1);
    assert_true(none_pinned());
    hca_close(h);
}

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
        cmocka_unit_test(a_cqe_has_the_bytes_of_the_abi_and_comes_between_ring_head_and_tail),
        cmocka_unit_test(a_native_cqe_is_one_write_and_its_owner_bit_turns_each_round),
        cmocka_unit_test(the_first_write_comes_complete_ns_after_the_context),
        cmocka_unit_test(an_unsignalled_completion_moves_the_head_behind_older_ones_of_its_cq),
        cmocka_unit_test(every_cq_gets_its_cqes_in_order_under_random_stalls),
        cmocka_unit_test(a_full_cq_looks_at_the_consumer_before_it_breaks),
        cmocka_unit_test(a_consumer_index_out_of_range_breaks_the_cq),
        cmocka_unit_test(an_unreadable_page_directory_breaks_the_cq_once),
        cmocka_unit_test(what_comes_for_a_cq_that_is_gone_is_lost_and_pins_nothing),
        cmocka_unit_test(an_arm_fires_once_and_not_before_the_cqe_is_in_memory),
        cmocka_unit_test(a_solicited_arm_passes_over_others_but_not_over_errors),
        cmocka_unit_test(an_arm_that_arrives_behind_an_unconsumed_cqe_fires_at_once),
        cmocka_unit_test(a_fence_is_answered_when_all_that_lay_before_it_is_written),
        cmocka_unit_test(a_destroyed_cq_raises_no_event_behind_its_fence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
