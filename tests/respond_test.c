/* respond: answers, their coalescing and order, progress, time. */
#include "tests/rx_respond.h"

static void a_write_lands_and_is_acknowledged_with_psn_and_msn(void **state)
{
    (void)state;
    struct world *const w = fresh();

    struct rxp m = rx(3, 0, PKT_OP_RC_WRITE_ONLY, 100);
    m.mid = 9;
    request(w, m, 0x5a);
    w_cycles(w, 200);
    assert_int_equal(*w_at(w, 0x30000), 0x5a);
    assert_int_equal(*w_at(w, 0x30000 + 99), 0x5a);
    assert_int_equal(*w_at(w, 0x30000 + 100), 0);
    assert_int_equal(sents, 1);
    assert_int_equal(sent[0].m.opcode, PKT_OP_RC_ACK);
    assert_int_equal(sent[0].m.psn, PSN0);
    assert_int_equal(sent[0].m.aeth, 0x1f000001);
    assert_int_equal(sent[0].m.dqpn, 0x1003);
    assert_int_equal(sent[0].m.sqpn, 0x13);
    assert_int_equal(sent[0].m.mid, 9);
    assert_int_equal(cqe_count, 0);
    w_assert_empty(w);
    w_close(w);
}

static void without_ack_request_nothing_is_sent(void **state)
{
    (void)state;
    struct world *const w = fresh();

    struct rxp m = rx(0, 0, PKT_OP_RC_WRITE_ONLY, 1);
    m.flags = 0;
    request(w, m, 1);
    w_cycles(w, 300);
    assert_int_equal(sents, 0);
    request(w, rx(0, 1, PKT_OP_RC_WRITE_ONLY, 1), 1);
    w_cycles(w, 300);
    assert_int_equal(sents, 1);
    assert_int_equal(sent[0].m.aeth & PSN_MASK, 2);
    w_close(w);
}

static void payload_write_and_ack_leave_respond_ns_after_the_translation(void **state)
{
    (void)state;
    struct world *const w = fresh();
    const uint32_t delay = (uint32_t)ns_cycles(&w->h->y.p, w->h->y.p.hca_respond_ns);
    struct place m;

    request(w, rx(0, 0, PKT_OP_RC_WRITE_ONLY, 4), 1);
    unit_run(w->h, 30);
    assert_true(UNIT_POP(w->h, rx_place, &m));
    m.addr = 0x40;
    PASS(&w->h->y.t, &w->h->rx_placed, place, 0, &m);
    unit_run(w->h, 1 + delay);
    w->h->y.t.now = w->h->y.k.now;
    assert_false(VALID(&w->h->y.t, &w->h->rx_write));
    assert_false(VALID(&w->h->y.t, &w->h->ack_job));
    unit_run(w->h, 1);
    w->h->y.t.now = w->h->y.k.now;
    assert_true(VALID(&w->h->y.t, &w->h->rx_write));
    assert_true(VALID(&w->h->y.t, &w->h->ack_job));
    w_close(w);
}

static void acks_are_coalesced_by_count(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_ack_coalesce_packets = 4;
    p.hca_ack_delay_ns = 100000;
    struct world *const w = fresh_with(&p);

    for (uint32_t i = 0; i < 10; i++) {
        request(w, rx(0, (int32_t)i, PKT_OP_RC_WRITE_ONLY, 4), 1);
        w_cycles(w, 40);
    }
    assert_int_equal(sents, 2);
    assert_int_equal(sent[0].m.psn, PSN0 + 3);
    assert_int_equal(sent[1].m.psn, PSN0 + 7);
    w_close(w);
}

static void a_delayed_ack_leaves_exactly_at_its_deadline(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_ack_coalesce_packets = 8;
    p.hca_ack_delay_ns = 500;
    struct world *const w = fresh_with(&p);

    for (uint32_t q = 0; q < 4; q++) {
        request(w, rx(q, 0, PKT_OP_RC_WRITE_ONLY, 4), 1);
        w_cycles(w, 10);
    }
    w_cycles(w, 50);
    for (uint32_t q = 0; q < 4; q++) {
        const uint64_t due = w->h->u_respond.qp[q].deadline;
        assert_true(due > w->h->y.k.now);
        while (w->h->y.k.now < due - 1) {
            w_cycles(w, 1);
        }
        assert_int_equal(w->h->u_respond.qp[q].answer, 0);
        w_cycles(w, 1);
        assert_int_not_equal(w->h->u_respond.qp[q].answer, 0); /* fetches the context to send it */
        w_cycles(w, 1);
    }
    w_cycles(w, 60);
    assert_int_equal(sents, 4);
    w_assert_empty(w);
    w_close(w);
}

static void a_read_is_answered_in_mtu_packets_with_the_bytes_of_memory(void **state)
{
    (void)state;
    struct world *const w = fresh();
    const uint8_t opcodes[] = {PKT_OP_RC_READ_RESPONSE_FIRST, PKT_OP_RC_READ_RESPONSE_MIDDLE,
                               PKT_OP_RC_READ_RESPONSE_LAST};

    for (uint32_t i = 0; i < 3; i++) {
        *w_at(w, 0x20000 + i * 1024) = (uint8_t)(i + 1);
    }
    read_request(w, 2, 0, 2048 + 1);
    read_request(w, 2, 3, 0);
    read_request(w, 2, 4, 1024);
    w_cycles(w, 400);
    assert_int_equal(sents, 5);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(sent[i].m.opcode, opcodes[i]);
        assert_int_equal(sent[i].m.psn, PSN0 + i);
        assert_int_equal(sent[i].m.plen, i < 2 ? 1024 : 1);
        assert_int_equal(sent[i].first, i + 1);
        assert_int_equal(sent[i].m.aeth, i == 1 ? 0 : 0x1f000001);
    }
    assert_int_equal(sent[3].m.opcode, PKT_OP_RC_READ_RESPONSE_ONLY);
    assert_int_equal(sent[3].m.plen, 0);
    assert_int_equal(sent[4].m.opcode, PKT_OP_RC_READ_RESPONSE_ONLY);
    assert_int_equal(sent[4].m.psn, PSN0 + 4);
    w_assert_empty(w);
    w_close(w);
}

static void a_stuck_transmit_path_holds_up_no_request(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->hold_acks = w->hold_jobs = true;
    for (uint32_t i = 0; i < 100; i++) {
        for (uint32_t q = 0; q < 4; q++) {
            request(w, rx(q, (int32_t)i, PKT_OP_RC_WRITE_ONLY, 8), (uint8_t)i);
        }
    }
    read_request(w, 5, 0, 60000);
    w_cycles(w, 300);
    assert_int_equal(w->h->y.s.respond_executed, 401);
    assert_int_equal(*w_at(w, 0x30000), 99);
    for (uint32_t q = 0; q < W_QPS; q++) {
        assert_int_equal(w->pins[q], 0); /* nor does it keep contexts from being changed */
    }
    w->hold_acks = w->hold_jobs = false;
    w_cycles(w, 4000);
    for (uint32_t q = 0; q < 4; q++) {
        uint32_t last = 0;
        for (uint32_t i = 0; i < sents; i++) {
            last = sent[i].m.qn == q ? sent[i].m.psn : last;
        }
        assert_int_equal(last, PSN0 + 99);
    }
    w_assert_empty(w);
    w_close(w);
}

static void a_long_read_delays_neither_acks_nor_reads_of_other_qps(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->hold_jobs = true;
    read_request(w, 0, 0, 0x8000); /* 32 packets */
    w_cycles(w, 60);
    request(w, rx(1, 0, PKT_OP_RC_WRITE_ONLY, 8), 1);
    read_request(w, 2, 0, 2048);
    w_cycles(w, 100);
    w->hold_jobs = false;
    w_cycles(w, 1000);
    uint32_t ack = 0, other = 0, end = 0;
    for (uint32_t i = 0; i < sents; i++) {
        ack = sent[i].m.qn == 1 ? i : ack;
        other = sent[i].m.qn == 2 ? i : other;
        end = sent[i].m.qn == 0 ? i : end;
    }
    assert_int_equal(sents, 32 + 1 + 2);
    assert_true(ack < end && other < end);
    w_assert_empty(w);
    w_close(w);
}

static void two_long_reads_take_turns_of_a_quantum(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_arbiter_quantum_bytes = 2048;
    struct world *const w = fresh_with(&p);
    uint32_t run = 0, longest = 0;

    w->hold_jobs = true;
    read_request(w, 0, 0, 0x8000);
    read_request(w, 1, 0, 0x8000);
    w_cycles(w, 100);
    w->hold_jobs = false;
    w_cycles(w, 5000);
    assert_int_equal(sents, 64);
    for (uint32_t i = 12; i < 50; i++) { /* both are under way */
        run = sent[i].m.qn == sent[i - 1].m.qn ? run + 1 : 1;
        longest = run > longest ? run : longest;
    }
    assert_true(longest <= 4);
    w_close(w);
}

static void atomic(struct world *w, int32_t psn, uint8_t opcode, uint64_t op1, uint64_t op2)
{
    struct rxp m = rx(0, psn, opcode, 0);

    m.op1 = op1;
    m.op2 = op2;
    request(w, m, 0);
}

static void an_atomic_returns_the_old_value_and_a_duplicate_the_same(void **state)
{
    (void)state;
    struct world *const w = fresh();
    uint64_t v = 40;

    memcpy(w_at(w, 0), &v, 8);
    atomic(w, 0, PKT_OP_RC_FETCH_ADD, 2, 0);
    atomic(w, 1, PKT_OP_RC_COMPARE_SWAP, 7, 42);
    atomic(w, 2, PKT_OP_RC_COMPARE_SWAP, 8, 42);
    w_cycles(w, 600);
    atomic(w, 0, PKT_OP_RC_FETCH_ADD, 2, 0);
    atomic(w, 2, PKT_OP_RC_COMPARE_SWAP, 8, 42);
    w_cycles(w, 600);
    const uint64_t want[] = {40, 42, 7, 40, 7};
    assert_int_equal(sents, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(sent[i].m.opcode, PKT_OP_RC_ATOMIC_ACK);
        assert_int_equal(sent[i].m.op1, want[i]);
        assert_int_equal(sent[i].m.psn, PSN0 + (i < 3 ? i : 2 * (i - 3)));
    }
    memcpy(&v, w_at(w, 0), 8);
    assert_int_equal(v, 7);
    w_assert_empty(w);
    w_close(w);
}

/* Cycles from first request to last answer of eight atomics on different addresses. */
static uint64_t atomics_take(uint32_t slots, uint64_t step)
{
    struct hca_param p = unit_param();
    p.hca_atomic_slots = slots;
    struct world *const w = fresh_with(&p);

    w->read_delay = 1;
    for (uint32_t q = 0; q < 8; q++) {
        w->mr[2 * q].bus = 0;
        struct rxp m = rx(q, 0, PKT_OP_RC_FETCH_ADD, 0);
        m.raddr += q * step;
        request(w, m, 0);
    }
    const uint64_t from = w->h->y.k.now;
    w_cycles(w, 2000);
    assert_int_equal(sents, 8);
    const uint64_t took = sent[7].cycle - from;
    w_close(w);
    return took;
}

static void atomics_run_side_by_side_unless_they_share_a_slot(void **state)
{
    (void)state;
    const uint64_t apart = atomics_take(4096, 8), one_slot = atomics_take(1, 8);

    assert_true(apart < 120);
    assert_true(one_slot > 8 * 30);                 /* each waits for the write of the one before */
    assert_true(atomics_take(4096, 0) > 8 * 30);    /* one address */
    assert_true(atomics_take(4096, 4096) > 8 * 30); /* equal low 12 bits: C-K6 */
}

static void duplicates_are_acknowledged_again_and_not_executed(void **state)
{
    (void)state;
    struct world *const w = fresh();

    for (uint32_t i = 0; i < 3; i++) {
        request(w, rx(0, (int32_t)i, PKT_OP_RC_WRITE_ONLY, 8), (uint8_t)(i + 1));
    }
    w_cycles(w, 200);
    request(w, rx(0, 0, PKT_OP_RC_WRITE_ONLY, 8), 0x99);
    w_cycles(w, 200);
    assert_int_equal(*w_at(w, 0), 3);
    assert_int_equal(sents, 4);
    assert_int_equal(sent[3].m.psn, PSN0 + 2);
    assert_int_equal(sent[3].m.aeth, 0x1f000003);
    request(w, rx(1, -1, PKT_OP_RC_WRITE_ONLY, 8), 0x99); /* before the first */
    w_cycles(w, 200);
    assert_int_equal(sent[4].m.psn, PSN0 - 1);
    assert_int_equal(sent[4].m.aeth, 0x1f000000);
    w_close(w);
}

static void a_read_is_repeated_in_part_while_its_resource_is_kept(void **state)
{
    (void)state;
    struct world *const w = fresh();

    for (uint32_t i = 0; i < 5; i++) { /* room for 4: the first one is gone */
        read_request(w, 0, (int32_t)(4 * i), 4096);
        w_cycles(w, 400);
    }
    assert_int_equal(sents, 20);
    read_request(w, 0, 0, 4096);
    struct rxp m = rx(0, 6, PKT_OP_RC_READ_REQUEST, 0);
    m.dlen = 2048;
    m.raddr += 2048;
    request(w, m, 0);
    m.psn++; /* beyond the end of the resource */
    request(w, m, 0);
    m.psn--;
    m.raddr = 0xf000; /* in front of it */
    request(w, m, 0);
    w_cycles(w, 600);
    assert_int_equal(sents, 22);
    assert_int_equal(sent[20].m.opcode, PKT_OP_RC_READ_RESPONSE_FIRST);
    assert_int_equal(sent[20].m.psn, PSN0 + 6);
    assert_int_equal(sent[21].m.opcode, PKT_OP_RC_READ_RESPONSE_LAST);
    assert_int_equal(w->h->y.s.respond_replay_misses, 3);
    w_assert_empty(w);
    w_close(w);
}

static void rnr_and_sequence_naks_carry_timer_and_expected_psn(void **state)
{
    (void)state;
    struct world *const w = fresh();

    request(w, rx(0, 0, PKT_OP_RC_SEND_ONLY, 1), 0);
    request(w, rx(1, 5, PKT_OP_RC_WRITE_ONLY, 0), 0);
    w_cycles(w, 200);
    assert_int_equal(frame_of(0)->aeth >> 24, 0x20 | 12);
    assert_int_equal(frame_of(0)->psn, PSN0);
    assert_int_equal(frame_of(1)->aeth >> 24, 0x60);
    assert_int_equal(frame_of(1)->psn, PSN0);
    w_assert_empty(w);
    w_close(w);
}

static void a_receive_completion_tells_what_the_packet_said(void **state)
{
    (void)state;
    struct world *const w = fresh();
    const uint32_t all = CQE_RECV | CQE_GRH | CQE_NET;

    for (uint32_t i = 0; i < 4; i++) {
        w_post(w, 0, 10 + i, 0x200, 0x7000000 + i * 256, 256);
    }
    struct rxp m = rx(0, 0, PKT_OP_RC_SEND_ONLY_IMM, 9);
    m.imm = 0x04030201;
    m.flags = RXP_SE;
    request(w, m, 1);
    m = rx(0, 1, PKT_OP_RC_SEND_ONLY_INV, 0);
    m.rkey = 0xbeef;
    request(w, m, 1);
    request(w, rx(0, 2, PKT_OP_RC_WRITE_ONLY_IMM, 77), 1);
    w_cycles(w, 400);
    assert_int_equal(cqe_count, 3);
    assert_int_equal(cqes[0].flags, CQE_RECV | CQE_IMM | CQE_SOLICITED);
    assert_int_equal(cqes[0].imm, 0x04030201);
    assert_int_equal(cqes[0].byte_len, 9);
    assert_int_equal(cqes[0].src_qp, 0x1000);
    assert_int_equal(cqes[1].flags, CQE_RECV | CQE_INVALIDATE);
    assert_int_equal(cqes[1].imm, 0xbeef);
    assert_int_equal(w->invalidated, 0xbeef);
    assert_int_equal(cqes[2].opcode, WC_RECV_IMM);
    assert_int_equal(cqes[2].byte_len, 77);
    w_qp(w, 1, QPT_UD);
    w_post(w, 1, 1, 0x201, 0x7010000, 256);
    m = rx(1, 0, PKT_OP_UD_SEND_ONLY, 8);
    m.qkey = 0x1111;
    m.sqpn = 0x55;
    m.net = 1;
    request(w, m, 3);
    w_cycles(w, 400);
    assert_int_equal(cqes[3].flags, all);
    assert_int_equal(cqes[3].byte_len, 48);
    assert_int_equal(cqes[3].src_qp, 0x55);
    assert_int_equal(cqes[3].net, 1);
    assert_int_equal(*w_at(w, 0x90000 + 40), 3);
    w_assert_empty(w);
    w_close(w);
}

/* Ticks of both units per packet, payload page aligned, one packet at a time. */
static uint64_t activations(uint32_t len)
{
    struct world *const w = fresh();
    enum { PACKETS = 50 };

    w->h->y.mode = 0;
    w->h->ctx.qp[0].s.mtu_bytes = 4096;
    for (uint32_t i = 0; i < PACKETS; i++) {
        request(w, rx(0, (int32_t)i, PKT_OP_RC_WRITE_ONLY, len), 1);
        w_cycles(w, 100);
    }
    assert_int_equal(w->h->y.s.respond_executed, PACKETS);
    const uint64_t n = w->h->y.k.activations / PACKETS;
    w_close(w);
    return n;
}

static void a_write_costs_three_activations_whatever_its_size(void **state)
{
    (void)state;
    assert_int_equal(activations(64), 3);
    assert_int_equal(activations(4096), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_lands_and_is_acknowledged_with_psn_and_msn),
        cmocka_unit_test(without_ack_request_nothing_is_sent),
        cmocka_unit_test(payload_write_and_ack_leave_respond_ns_after_the_translation),
        cmocka_unit_test(acks_are_coalesced_by_count),
        cmocka_unit_test(a_delayed_ack_leaves_exactly_at_its_deadline),
        cmocka_unit_test(a_read_is_answered_in_mtu_packets_with_the_bytes_of_memory),
        cmocka_unit_test(a_stuck_transmit_path_holds_up_no_request),
        cmocka_unit_test(a_long_read_delays_neither_acks_nor_reads_of_other_qps),
        cmocka_unit_test(two_long_reads_take_turns_of_a_quantum),
        cmocka_unit_test(an_atomic_returns_the_old_value_and_a_duplicate_the_same),
        cmocka_unit_test(atomics_run_side_by_side_unless_they_share_a_slot),
        cmocka_unit_test(duplicates_are_acknowledged_again_and_not_executed),
        cmocka_unit_test(a_read_is_repeated_in_part_while_its_resource_is_kept),
        cmocka_unit_test(rnr_and_sequence_naks_carry_timer_and_expected_psn),
        cmocka_unit_test(a_receive_completion_tells_what_the_packet_said),
        cmocka_unit_test(a_write_costs_three_activations_whatever_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
