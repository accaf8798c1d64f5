/* requester: timers, NAKs, RNR, go-back-N, windows, stale and invented acknowledgements. */
#include "tests/tx_peer.h"

static struct peer *fresh(uint32_t qps)
{
    const struct hca_param p = peer_param();

    return peer_open(&p, qps, 1);
}

/* 4.096 us * 2^3 at 1 GHz, counted from the cycle in which the packet was cut. */
enum { TIMEOUT = 4096 * 8 };

static void a_lost_packet_is_sent_again_when_the_timer_expires_and_not_before(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    e->deaf = true;
    peer_post_n(e, 0, WR_WRITE, 64, 1);
    peer_run(e, 500);
    assert_int_equal(e->packets, 1);
    const uint64_t sent = e->last_sent;
    peer_run(e, (uint32_t)(sent + TIMEOUT - e->b->h->y.k.now - 5));
    assert_int_equal(e->b->h->y.s.requester_timeouts, 0);
    peer_run(e, 5);
    assert_int_equal(e->b->h->y.s.requester_timeouts, 1);
    peer_run(e, 200);
    assert_int_equal(e->packets, 2);
    assert_int_equal(e->repeats, 1);
    e->deaf = false;
    assert_true(peer_until(e, 0, 1, TIMEOUT + 500));
    assert_int_equal(e->packets, 3);
    peer_close(e);
}

static void a_timeout_is_stretched_by_its_percentage_and_code_zero_never_fires(void **state)
{
    (void)state;
    struct hca_param p = peer_param();

    assert_int_equal(req_ack_cycles(&p, 0), 0);
    assert_int_equal(req_ack_cycles(&p, 1), 8192);
    assert_int_equal(req_ack_cycles(&p, 14), 67108864);
    assert_int_equal(req_ack_cycles(&p, 31), 4096ULL << 31);
    p.hca_ack_timeout_percent = 400;
    p.core_clock_khz = 4000000;
    assert_int_equal(req_ack_cycles(&p, 31), (4096ULL << 31) * 16);
    p.core_clock_khz = 1000000;
    assert_int_equal(req_rnr_cycles(&p, 0), 655360000);
    assert_int_equal(req_rnr_cycles(&p, 1), 10000);
    assert_int_equal(req_rnr_cycles(&p, 12), 640000);
    assert_int_equal(req_rnr_cycles(&p, 25), 61440000);
    assert_int_equal(req_rnr_cycles(&p, 31), 491520000);
    struct peer *const e = fresh(1);
    peer_image(e, 0)->s.timeout = 0;
    e->deaf = true;
    peer_post_n(e, 0, WR_WRITE, 64, 1);
    peer_run(e, 3 * TIMEOUT);
    assert_int_equal(e->packets, 1);
    peer_close(e);
}

static void tries_run_out_after_retry_count_repetitions(void **state)
{
    (void)state;
    for (uint8_t count = 0; count <= 3; count++) {
        struct peer *const e = fresh(1);
        peer_image(e, 0)->s.retry_cnt = count;
        e->deaf = true;
        peer_post_n(e, 0, WR_WRITE, 64, 3);
        peer_expect(e, 0, 0, WC_WR_FLUSH);
        peer_op(e, 0, 0)->status = WC_RETRY_EXC;
        assert_true(peer_until(e, 0, 3, (count + 2U) * (TIMEOUT + 500)));
        assert_int_equal(e->packets, 3 * (count + 1));
        assert_int_equal(e->errors_told, 1);
        peer_close(e);
    }
}

static void progress_gives_all_tries_back(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    peer_image(e, 0)->s.retry_cnt = 1;
    for (uint32_t i = 0; i < 6; i++) {
        peer_post_n(e, 0, WR_WRITE, 64, 1);
        e->drop = 1000;
        peer_run(e, 500);
        e->drop = 0;
        assert_true(peer_until(e, 0, i + 1, TIMEOUT + 500));
    }
    assert_int_equal(e->b->h->y.s.requester_timeouts, 6);
    peer_close(e);
}

static void a_sequence_nak_repeats_from_its_psn_on_at_once(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    peer_post_n(e, 0, WR_WRITE, 10 * 1024, 1);
    while (e->packets != 3) {
        peer_cycle(e);
    }
    e->drop = 1000; /* the fourth packet is lost */
    while (e->packets != 4) {
        peer_cycle(e);
    }
    e->drop = 0;
    assert_true(peer_until(e, 0, 1, 2000));
    assert_int_equal(e->b->h->y.s.requester_timeouts, 0);
    assert_int_equal(e->b->h->y.s.requester_naks, 1);
    assert_int_equal(e->packets - e->repeats, 10);
    assert_in_range(e->repeats, 1, 7);
    peer_close(e);
}

static void a_read_goes_on_where_its_responses_stopped(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    peer_post_n(e, 0, WR_READ, 20 * 1024 + 100, 2);
    while (e->qp[0].op[0].placed < 5 * 1024) {
        peer_cycle(e);
    }
    e->back_head = e->back_tail; /* what is under way of its responses is lost */
    assert_true(peer_until(e, 0, 2, 3 * TIMEOUT));
    assert_true(e->repeats >= 1); /* addresses and lengths are checked by the peer */
    peer_close(e);
}

static void an_ack_behind_a_missing_read_response_asks_for_it_again_once(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    peer_image(e, 0)->s.retry_cnt = 1; /* the responses behind the gap cost one try in all */
    peer_post_n(e, 0, WR_READ, 1024, 1);
    while (e->back_tail == 0) {
        peer_cycle(e);
    }
    e->back_head = e->back_tail; /* the response is lost */
    peer_post_n(e, 0, WR_WRITE, 64, 30);
    assert_true(peer_until(e, 0, 31, 4000));
    assert_int_equal(e->b->h->y.s.requester_timeouts, 0);
    assert_true(e->b->h->y.s.requester_gaps > 1); /* more than one ACK showed it */
    assert_in_range(e->repeats, 2, 31);           /* the READ and what was sent behind it */
    peer_close(e);
}

/* WRITEs of three pieces are being sent again when an ACK comes after all; the wire has room for
 * two and two pieces of the third. */
static void a_message_may_retire_between_two_pieces_of_its_repetition(void **state)
{
    (void)state;
    for (uint32_t acked = 1; acked <= 4; acked++) {
        struct peer *const e = fresh(1);
        struct wqe w = peer_wr(WR_WRITE, 0);

        w.nsge = 3;
        w.len = 600;
        for (uint32_t i = 0; i < 3; i++) {
            w.sge[i] = (struct sge){0x1000 * i, 200, i};
        }
        for (uint32_t i = 0; i < 4; i++) {
            w.wr_id = i + 1;
            assert_true(peer_post(e, 0, &w));
        }
        e->back_drop = 1000;
        peer_ring(e, 0);
        while (e->b->h->y.s.requester_retransmitted == 0) {
            e->hold = e->b->h->y.s.requester_timeouts != 0; /* 8 pieces get out */
            peer_cycle(e);
        }
        e->back_drop = 0;
        peer_ack(e, 0, PEER_PSN0 + acked - 1, 0x1f);
        peer_run(e, 200);
        assert_int_equal(e->qp[0].completed, acked);
        e->hold = 0;
        assert_true(peer_until(e, 0, 4, 5000));
        peer_post_n(e, 0, WR_WRITE, 3000, 3);
        assert_true(peer_until(e, 0, 7, 5000));
        assert_int_equal(e->b->h->y.s.requester_timeouts, 1);
        peer_settle(e);
        peer_close(e);
    }
}

static void an_rnr_nak_waits_its_time_while_earlier_messages_complete(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    e->rnr = 1000;
    e->rnr_code = 2; /* 20 us */
    peer_post_n(e, 0, WR_WRITE, 64, 2);
    peer_post_n(e, 0, WR_SEND, 64, 1);
    peer_post_n(e, 0, WR_WRITE, 64, 1);
    assert_true(peer_until(e, 0, 2, 1000));
    while (!e->b->h->u_requester.qp[0].rnr_wait) {
        peer_cycle(e);
    }
    const uint64_t since = e->b->h->y.k.now, packets = e->packets;
    e->rnr = 0;
    while (e->packets == packets) {
        peer_cycle(e);
    }
    assert_in_range(e->last_sent - since, 20000, 20100);
    assert_true(peer_until(e, 0, 4, 1000));
    peer_close(e);
}

static void rnr_tries_run_out_unless_they_are_endless(void **state)
{
    (void)state;
    for (uint8_t count = 0; count <= 7; count += 7) {
        struct peer *const e = fresh(1);
        peer_image(e, 0)->s.rnr_retry = count;
        e->rnr = 1000;
        e->rnr_code = 1;
        peer_post_n(e, 0, WR_SEND, 64, 2);
        if (count == 7) {
            assert_false(rig_bool(peer_until(e, 0, 1, 200000)));
            assert_true(e->b->h->y.s.requester_rnr > 15);
        } else {
            peer_expect(e, 0, 0, WC_WR_FLUSH);
            peer_op(e, 0, 0)->status = WC_RNR_EXC;
            assert_true(peer_until(e, 0, 2, 30000));
            assert_int_equal(e->b->h->y.s.requester_rnr, 1);
        }
        peer_close(e);
    }
}

static void no_more_packets_are_open_than_the_window_allows(void **state)
{
    (void)state;
    static const uint32_t windows[] = {1, 2, 7, 128};

    for (unsigned i = 0; i < 4; i++) {
        struct hca_param p = peer_param();
        p.hca_window_packets = windows[i];
        struct peer *const e = peer_open(&p, 1, 1);
        uint32_t most = 0;

        e->delay = 100 + 10 * windows[i];
        peer_post_n(e, 0, WR_WRITE, 150 * 1024, 1);
        peer_post_n(e, 0, WR_WRITE, 100, 3);
        for (uint32_t n = 0; n < 400000 && e->qp[0].completed < 4; n++) {
            peer_cycle(e);
            const struct req_qp *const r = &e->b->h->u_requester.qp[0];
            most = r->next - r->una > most ? r->next - r->una : most;
        }
        assert_int_equal(e->qp[0].completed, 4);
        assert_int_equal(most, windows[i]);
        assert_int_equal(e->repeats, 0);
        peer_close(e);
    }
}

static void reads_and_atomics_under_way_are_bounded(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);
    uint32_t most = 0;

    peer_image(e, 0)->s.max_rd_atomic = 3;
    e->delay = 300;
    peer_post_n(e, 0, WR_READ, 100, 6);
    peer_post_n(e, 0, WR_FAA, 8, 6);
    for (uint32_t n = 0; n < 20000 && e->qp[0].completed < 12; n++) {
        peer_cycle(e);
        const uint32_t reads = e->b->h->u_requester.qp[0].reads;
        most = reads > most ? reads : most;
    }
    assert_int_equal(e->qp[0].completed, 12);
    assert_int_equal(most, 3);
    peer_close(e);
}

static void a_fenced_wqe_waits_for_the_reads_before_it(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);
    struct wqe w = peer_wr(WR_WRITE, 64);

    e->delay = 500;
    peer_post_n(e, 0, WR_READ, 64, 2);
    peer_post_n(e, 0, WR_WRITE, 64, 1);
    w.flags |= WRF_FENCE;
    w.wr_id = 4;
    assert_true(peer_post(e, 0, &w));
    peer_ring(e, 0);
    peer_run(e, 400);
    assert_int_equal(e->packets, 3); /* the WRITE without fence went */
    const uint64_t before = e->b->h->y.k.now;
    while (e->packets != 4) {
        assert_int_not_equal(e->b->h->u_requester.qp[0].reads, 0);
        peer_cycle(e);
        if (e->b->h->u_requester.qp[0].reads == 0) {
            peer_run(e, 60);
            assert_int_equal(e->packets, 4);
        }
    }
    assert_true(e->b->h->y.k.now > before + 400);
    assert_true(peer_until(e, 0, 4, 3000));
    peer_close(e);
}

/* Acknowledgements that no responder would send, between those of a real one. */
static void invented_responses_never_complete_what_was_not_sent(void **state)
{
    (void)state;
    static const uint8_t ops[] = {PKT_OP_RC_ACK,
                                  PKT_OP_RC_ACK,
                                  PKT_OP_RC_ATOMIC_ACK,
                                  PKT_OP_RC_READ_RESPONSE_FIRST,
                                  PKT_OP_RC_READ_RESPONSE_MIDDLE,
                                  PKT_OP_RC_READ_RESPONSE_LAST,
                                  PKT_OP_RC_READ_RESPONSE_ONLY};
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const struct hca_param p = peer_param();
        struct peer *const e = peer_open(&p, 4, seed);

        for (uint32_t n = 0; n < 4000; n++) {
            const uint32_t qp = rig_random(e->b, 4),
                           at = e->qp[qp].next + rig_random(e->b, 1u << 23);
            if (n % 50 == 0 && e->qp[qp].posted < 60) {
                peer_post_n(e, qp, (uint8_t)rig_random(e->b, 7), 8, 1);
            }
            if (rig_random(e->b, 4) == 0) { /* PSNs from next on, and far behind una */
                const bool old = rig_random(e->b, 2) == 0;
                const uint32_t psn = old ? PEER_PSN0 - 1 - rig_random(e->b, 1u << 22) : at;
                peer_answer(e, qp,
                            (struct rxp){.opcode = ops[rig_random(e->b, 7)],
                                         .psn = psn,
                                         .aeth = rig_random(e->b, 1u << 30) << 2,
                                         .plen = rig_random(e->b, 4097)});
            }
            peer_cycle(e);
        }
        for (uint32_t qp = 0; qp < 4; qp++) {
            assert_true(peer_until(e, qp, e->qp[qp].posted, 100000));
        }
        assert_int_equal(e->errors_told, 0);
        assert_true(e->b->h->y.s.requester_ignored > 500);
        assert_int_equal(e->b->h->store.rx_pool.free, e->b->h->store.rx_pool.n);
        peer_close(e);
    }
}

/* The same with PSNs that are open: the QP may fail, but each WQE completes once and in order. */
static void forged_responses_for_open_psns_harm_only_their_qp(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        const struct hca_param p = peer_param();
        struct peer *const e = peer_open(&p, 2, seed);

        e->loose = true;
        peer_post_n(e, 1, WR_WRITE, 3000, 8);
        peer_post_n(e, 0, WR_WRITE, 3000, 4);
        peer_post_n(e, 0, WR_SEND, 3000, 4);
        peer_run(e, 100 + rig_random(e->b, 100));
        struct req_qp *const r = &e->b->h->u_requester.qp[0];
        for (uint32_t n = 0; n < 5; n++) {
            const uint32_t any = rig_random(e->b, 256), syndrome = any >> 5 == 1 ? 0x21 : any;
            peer_answer(e, 0,
                        (struct rxp){.opcode = rig_random(e->b, 2) == 0
                                                   ? PKT_OP_RC_ACK
                                                   : PKT_OP_RC_READ_RESPONSE_ONLY,
                                     .psn = r->una + rig_random(e->b, r->next - r->una + 1),
                                     .aeth = syndrome << 24,
                                     .plen = rig_random(e->b, 1025)});
            peer_run(e, rig_random(e->b, 60));
        }
        assert_true(peer_until(e, 0, 8, 700000));
        assert_true(peer_until(e, 1, 8, 300000));
        assert_int_equal(e->last_status[1], WC_OK);
        peer_close(e);
    }
}

static void a_timer_fires_at_its_own_deadline_among_ten_thousand(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_qp_max = 10000;
    struct rig *const b = rig_open(&p, 1ULL << U_requester, 3);
    struct requester *const u = &b->h->u_requester;
    uint64_t now = 1, fired = 0, changed = 0;
    static uint64_t want[10000];

    for (uint32_t i = 0; i < 10000; i++) {
        want[i] = 1 + rig_random(b, 1000000);
        req_timer_set(u, &u->qp[i], want[i]);
    }
    while (req_timer_next(u) != HCA_NEVER) {
        assert_true(req_timer_next(u) >= now || changed != 0);
        now = req_timer_next(u) > now ? req_timer_next(u) : now;
        struct req_qp *const r = req_timer_take(u, now);
        if (r != NULL) {
            assert_int_equal(want[r - u->qp], now);
            want[r - u->qp] = 0;
            fired++;
        }
        if (changed < 20000) { /* earlier, later, off */
            const uint32_t i = rig_random(b, 10000);
            want[i] = rig_random(b, 8) == 0 ? 0 : now + 1 + rig_random(b, 1000000);
            req_timer_set(u, &u->qp[i], want[i]);
            changed++;
        }
    }
    for (uint32_t i = 0; i < 10000; i++) {
        assert_int_equal(want[i], 0);
    }
    assert_true(fired > 10000);
    rig_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_packet_is_sent_again_when_the_timer_expires_and_not_before),
        cmocka_unit_test(a_timeout_is_stretched_by_its_percentage_and_code_zero_never_fires),
        cmocka_unit_test(tries_run_out_after_retry_count_repetitions),
        cmocka_unit_test(progress_gives_all_tries_back),
        cmocka_unit_test(a_sequence_nak_repeats_from_its_psn_on_at_once),
        cmocka_unit_test(a_read_goes_on_where_its_responses_stopped),
        cmocka_unit_test(an_ack_behind_a_missing_read_response_asks_for_it_again_once),
        cmocka_unit_test(a_message_may_retire_between_two_pieces_of_its_repetition),
        cmocka_unit_test(an_rnr_nak_waits_its_time_while_earlier_messages_complete),
        cmocka_unit_test(rnr_tries_run_out_unless_they_are_endless),
        cmocka_unit_test(no_more_packets_are_open_than_the_window_allows),
        cmocka_unit_test(reads_and_atomics_under_way_are_bounded),
        cmocka_unit_test(a_fenced_wqe_waits_for_the_reads_before_it),
        cmocka_unit_test(invented_responses_never_complete_what_was_not_sent),
        cmocka_unit_test(forged_responses_for_open_psns_harm_only_their_qp),
        cmocka_unit_test(a_timer_fires_at_its_own_deadline_among_ten_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
