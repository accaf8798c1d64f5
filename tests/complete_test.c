/* complete: bytes and order of CQEs, producer index, overflow. */
#include "tests/rx_complete.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
