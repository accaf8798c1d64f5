/* requester: flushing, reset, draining, datagrams. */
#include "tests/tx_peer.h"

static struct peer *fresh(uint32_t qps)
{
    const struct hca_param p = peer_param();

    return peer_open(&p, qps, 1);
}

static void flushing_by_command_completes_everything_once(void **state)
{
    (void)state;
    for (uint32_t when = 0; when < 800; when += 40) {
        struct peer *const e = fresh(2);
        e->loose = true;
        e->delay = 150;
        peer_post_n(e, 0, WR_WRITE, 3000, 10);
        peer_post_n(e, 0, WR_READ, 3000, 4);
        peer_post_n(e, 1, WR_WRITE, 3000, 10);
        peer_run(e, when);
        peer_state(e, 0, QPS_ERR, KICK_FLUSH);
        assert_true(peer_until(e, 0, 14, 20000));
        assert_true(peer_until(e, 1, 10, 20000));
        assert_int_equal(e->last_status[1], WC_OK);
        assert_int_equal(e->errors_told, 0); /* command tells respond itself */
        peer_settle(e);
        peer_close(e);
    }
}

static void an_error_of_the_responder_flushes_the_send_queue(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    e->loose = true;
    e->deaf = true;
    peer_post_n(e, 0, WR_WRITE, 3000, 10);
    peer_run(e, 300);
    UNIT_PUSH(e->b->h, err_req, qp_event, .qn = 0, .kind = KICK_ERROR);
    assert_true(peer_until(e, 0, 10, 20000));
    assert_int_equal(e->last_status[0], WC_WR_FLUSH);
    assert_int_equal(e->errors_told, 0);
    peer_settle(e);
    peer_close(e);
}

static void a_reset_is_reported_when_nothing_of_the_qp_is_left(void **state)
{
    (void)state;
    for (uint32_t when = 0; when < 900; when += 45) {
        struct peer *const e = fresh(2);
        e->delay = 100;
        e->hold_places = true;
        peer_post_n(e, 0, WR_READ, 3000, 3);
        peer_post_n(e, 0, WR_WRITE, 3000, 10);
        peer_post_n(e, 1, WR_WRITE, 300, 10);
        peer_run(e, when);
        peer_state(e, 0, QPS_RESET, KICK_RESET);
        peer_run(e, 3000);
        if (e->places != 0) { /* data on its way to memory is waited for */
            assert_int_equal(e->flushed, 0);
        }
        e->hold_places = false;
        peer_run(e, 500);
        assert_int_equal(e->flushed, 1);
        const uint64_t cqes = e->cqes, packets = e->packets;
        assert_true(peer_until(e, 1, 10, 20000));
        const uint64_t others = e->cqes;
        peer_run(e, 100000); /* no timer, no completion, no packet of it */
        assert_int_equal(e->cqes, others);
        assert_true(others >= cqes && e->packets >= packets);
        assert_int_equal(e->b->h->u_requester.qp[0].in_flight, 0);
        peer_settle(e);
        peer_close(e);
    }
}

static void a_qp_can_be_used_again_after_reset(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);
    struct ctx_got m = {.cx = NO_CX};

    for (uint32_t round = 0; round < 5; round++) {
        e->deaf = round % 2 == 0;
        peer_post_n(e, 0, WR_WRITE, 3000, 7);
        peer_run(e, 200 * round);
        peer_state(e, 0, QPS_RESET, KICK_RESET);
        peer_run(e, 2000);
        assert_int_equal(e->flushed, round + 1);
        /* command initialises the context again, the driver its ring */
        UNIT_PUSH(e->b->h, ctx_get_cmd, ctx_get, .number = 0, .kind = CTX_QP, .op = CTX_GET_EXCL);
        while (!RIG_POP(e->b, ctx_got_cmd, &m)) {
            peer_cycle(e);
        }
        struct peer_qp *const q = &e->qp[0];
        e->b->h->ctx.qp[m.cx] = q->c;
        q->q.tail = q->posted = q->completed = q->reads = 0;
        q->next = q->planned = q->epsn = PEER_PSN0;
        q->nak_sent = false;
        e->net_head = e->net_tail;
        e->back_head = e->back_tail;
        memset(rig_mem(e->b, q->q.base, 16), 0, 16);
        UNIT_PUSH(e->b->h, ctx_put_cmd, ctx_put, .cx = m.cx, .kind = CTX_QP, .op = CTX_PUT);
        e->deaf = false;
        peer_post_n(e, 0, WR_WRITE, 3000, 5);
        assert_true(peer_until(e, 0, 5, 20000));
    }
    peer_settle(e);
    peer_close(e);
}

static void a_drained_queue_sends_nothing_new_and_says_so(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    peer_image(e, 0)->s.sqd_notify = 1;
    peer_post_n(e, 0, WR_WRITE, 64, 2);
    assert_true(peer_until(e, 0, 2, 5000));
    e->delay = 400;
    peer_post_n(e, 0, WR_WRITE, 20000, 3);
    peer_run(e, 100); /* the first of them is being cut */
    peer_state(e, 0, QPS_SQD, KICK_STATE);
    assert_int_equal(e->drained, 0);
    peer_run(e, 5000);
    assert_int_equal(e->drained, 1);
    const uint32_t done = e->qp[0].completed;
    assert_in_range(done, 2, 4);
    peer_run(e, 5000);
    assert_int_equal(e->qp[0].completed, done);
    assert_int_equal(e->drained, 1);
    peer_state(e, 0, QPS_RTS, KICK_STATE);
    assert_true(peer_until(e, 0, 5, 5000));
    peer_close(e);
}

static void unreliable_messages_complete_when_they_have_been_sent(void **state)
{
    (void)state;
    static const enum qp_type types[] = {QPT_UC, QPT_UD};

    for (unsigned i = 0; i < 2; i++) {
        const struct hca_param p = peer_param();
        struct peer *const e = peer_open_type(&p, 1, 1, types[i]);
        e->deaf = true;
        e->loose = true;
        for (uint32_t n = 0; n < 40; n++) {
            peer_post_n(e, 0, WR_SEND, n * (types[i] == QPT_UC ? 500 : 100), 1);
        }
        assert_true(peer_until(e, 0, 40, 20000));
        assert_int_equal(e->last_status[0], WC_OK);
        assert_int_equal(e->repeats, 0);
        peer_run(e, 200000); /* no timer */
        assert_int_equal(e->repeats, 0);
        peer_settle(e);
        peer_close(e);
    }
}

static void a_datagram_takes_address_and_key_from_its_wqe(void **state)
{
    (void)state;
    const struct hca_param p = peer_param();
    struct peer *const e = peer_open_type(&p, 1, 1, QPT_UD);
    struct wqe w = rig_random_wqe(e->b, WR_SEND_IMM, 1);

    w.sge[0].len = w.len = 200;
    w.qkey |= 1u << 31; /* the QP's own key stands in */
    peer_image(e, 0)->s.qkey = 4711;
    e->hold = 1;
    assert_true(peer_post(e, 0, &w));
    peer_ring(e, 0);
    peer_run(e, 1000);
    const struct pkt *const h = PEEK(&e->b->h->tx_job);
    assert_int_equal(h->opcode, PKT_OP_UD_SEND_ONLY_IMM);
    assert_int_equal(h->dqpn, w.remote_qpn);
    assert_int_equal(h->qkey, 4711);
    assert_int_equal(h->dgid_hi >> 56, w.av.dgid[0]);
    assert_int_equal(h->dgid_lo & 0xff, w.av.dgid[15]);
    assert_int_equal(h->dmac >> 40, w.av.dmac[0]);
    assert_int_equal(h->flow_label, w.av.flow_label);
    assert_int_equal(h->sgid_index, w.av.sgid_index);
    assert_int_equal(h->dlid, w.av.dlid);
    assert_int_equal(h->imm, w.imm);
    peer_close(e);
}

static void a_failed_datagram_stops_the_send_queue_until_it_is_put_back_to_rts(void **state)
{
    (void)state;
    const struct hca_param p = peer_param();
    struct peer *const e = peer_open_type(&p, 1, 1, QPT_UD);

    e->deaf = true;
    e->fail_qp = 0;
    e->fail_psn = PEER_PSN0 + 1;
    peer_post_n(e, 0, WR_SEND, 100, 4);
    peer_expect(e, 0, 2, WC_WR_FLUSH);
    peer_op(e, 0, 1)->status = WC_LOC_PROT;
    assert_true(peer_until(e, 0, 4, 10000));
    peer_post_n(e, 0, WR_SEND, 100, 3);
    peer_expect(e, 0, 4, WC_WR_FLUSH);
    assert_true(peer_until(e, 0, 7, 10000));
    assert_int_equal(e->errors_told, 0); /* the receive side of the QP lives on */
    struct req_qp *const r = &e->b->h->u_requester.qp[0];
    assert_int_equal(r->error, ACK_SQE);
    e->fail_psn = 1 << 24;
    peer_state(e, 0, QPS_RTS, KICK_STATE);
    peer_run(e, 200);
    assert_int_equal(r->error, ACK_OK);
    e->qp[0].next = e->qp[0].planned = r->next;
    peer_post_n(e, 0, WR_SEND, 100, 3);
    assert_true(peer_until(e, 0, 10, 10000));
    peer_settle(e);
    peer_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flushing_by_command_completes_everything_once),
        cmocka_unit_test(an_error_of_the_responder_flushes_the_send_queue),
        cmocka_unit_test(a_reset_is_reported_when_nothing_of_the_qp_is_left),
        cmocka_unit_test(a_qp_can_be_used_again_after_reset),
        cmocka_unit_test(a_drained_queue_sends_nothing_new_and_says_so),
        cmocka_unit_test(unreliable_messages_complete_when_they_have_been_sent),
        cmocka_unit_test(a_datagram_takes_address_and_key_from_its_wqe),
        cmocka_unit_test(a_failed_datagram_stops_the_send_queue_until_it_is_put_back_to_rts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
