/* requester: failures in order, local operations, weights, limits of messages. */
#include "tests/tx_peer.h"

static struct peer *fresh(uint32_t qps)
{
    const struct hca_param p = peer_param();

    return peer_open(&p, qps, 1);
}

static void a_nak_fails_its_message_in_its_turn_and_flushes_the_rest(void **state)
{
    (void)state;
    const struct {
        uint32_t syndrome;
        uint8_t status;
    } rows[] = {
        {0x61, WC_REM_INV_REQ}, {0x62, WC_REM_ACCESS}, {0x63, WC_REM_OP}, {0x64, WC_REM_OP}};

    for (unsigned i = 0; i < 4; i++) {
        for (uint32_t bad = 0; bad < 20; bad += 7) {
            struct peer *const e = fresh(2);
            e->nak_code = rows[i].syndrome;
            e->nak_index = bad;
            peer_post_n(e, 1, WR_WRITE, 2500, 10);
            peer_post_n(e, 0, WR_WRITE, 2500, 10);
            peer_post_n(e, 0, WR_SEND, 100, 10);
            peer_expect_failure(e, bad, rows[i].status);
            assert_true(peer_until(e, 0, 20, 20000));
            assert_int_equal(e->cqes, 20 + e->qp[1].completed);
            assert_true(peer_until(e, 1, 10, 20000)); /* the other QP goes on */
            assert_int_equal(e->errors_told, 1);
            e->nak_code = 0;
            peer_post_n(e, 0, WR_WRITE, 64, 5); /* posted to a QP in error: flushed too */
            peer_expect(e, 0, 20, WC_WR_FLUSH);
            const uint64_t packets = e->packets;
            assert_true(peer_until(e, 0, 25, 20000));
            assert_int_equal(e->packets, packets);
            assert_int_equal(e->errors_told, 1);
            peer_settle(e);
            peer_close(e);
        }
    }
}

static void an_unreadable_payload_fails_behind_all_that_went_before(void **state)
{
    (void)state;
    for (uint32_t packet = 0; packet < 3; packet++) {
        struct peer *const e = fresh(1);
        e->fail_qp = 0;
        e->delay = 300; /* WQEs 0 and 1 are acknowledged long after the failure */
        peer_post_n(e, 0, WR_WRITE, 64, 2);
        peer_post_n(e, 0, WR_WRITE, 3000, 1);
        peer_post_n(e, 0, WR_WRITE, 64, 4);
        e->fail_psn = (PEER_PSN0 + 2 + packet) & PSN_MASK;
        peer_expect_failure(e, 2, WC_LOC_PROT);
        assert_true(peer_until(e, 0, 7, 60000));
        assert_int_equal(e->cqes, 7);
        peer_settle(e);
        peer_close(e);
    }
}

static void a_response_that_cannot_be_placed_fails_its_read(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    peer_post_n(e, 0, WR_WRITE, 64, 2);
    peer_post_n(e, 0, WR_READ, 5000, 1);
    peer_post_n(e, 0, WR_WRITE, 64, 2);
    e->place_status = WC_LOC_PROT;
    peer_expect_failure(e, 2, WC_LOC_PROT);
    assert_true(peer_until(e, 0, 5, 20000));
    peer_settle(e);
    peer_close(e);
}

static void a_bad_wqe_completes_with_its_status_in_order(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);
    struct wqe w = peer_wr(WR_LSO, 64);

    e->delay = 200;
    peer_post_n(e, 0, WR_WRITE, 64, 3);
    w.wr_id = 4;
    assert_true(peer_post(e, 0, &w));
    e->qp[0].planned--;
    peer_post_n(e, 0, WR_WRITE, 64, 3);
    peer_expect_failure(e, 3, WC_LOC_QP_OP);
    assert_true(peer_until(e, 0, 7, 20000));
    assert_int_equal(e->packets, 3);
    peer_close(e);
}

static void a_ring_that_cannot_be_read_is_fatal(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    peer_post_n(e, 0, WR_WRITE, 64, 3);
    assert_true(peer_until(e, 0, 3, 5000));
    rig_st32(rig_mem(e->b, e->qp[0].q.base, 4), 0x55555555);
    peer_ring(e, 0);
    peer_run(e, 2000);
    peer_ring(e, 0);
    peer_run(e, 2000);
    assert_int_equal(e->fatals, 1);
    assert_int_equal(e->errors_told, 1);
    peer_settle(e);
    peer_close(e);
}

static void a_wqe_changed_behind_our_back_harms_only_its_own_qp(void **state)
{
    (void)state;
    struct hca_param p = peer_param();
    p.hca_wqe_window_entries = 8; /* few buffers: WQEs are read again */
    struct peer *const e = peer_open(&p, 40, 1);

    e->loose = true;
    e->deaf = true;
    peer_post_n(e, 0, WR_WRITE, 64, 5);
    peer_run(e, 500);
    for (uint32_t qp = 1; qp < 40; qp++) { /* push them out of the buffers */
        peer_post_n(e, qp, WR_READ, 64, 8);
    }
    peer_run(e, 3000);
    rig_st32(rig_mem(e->b, e->qp[0].q.base + PAGE_BYTES + 88, 4), 5000); /* another length */
    rig_st32(rig_mem(e->b, e->qp[0].q.base + PAGE_BYTES + 16, 4), WR_READ);
    e->deaf = false;
    for (uint32_t qp = 0; qp < 40; qp++) {
        assert_true(peer_until(e, qp, e->qp[qp].posted, 400000));
    }
    assert_int_equal(e->first_bad[0], WC_LOC_QP_OP);
    assert_int_equal(e->last_status[0], WC_WR_FLUSH);
    for (uint32_t qp = 1; qp < 40; qp++) {
        assert_int_equal(e->last_status[qp], WC_OK);
    }
    peer_settle(e);
    peer_close(e);
}

static void local_operations_keep_their_place_in_the_order(void **state)
{
    (void)state;
    struct peer *const e = fresh(1);

    e->delay = 300;
    peer_post_n(e, 0, WR_FAST_REG, 0, 1);
    peer_post_n(e, 0, WR_WRITE, 64, 3);
    peer_post_n(e, 0, WR_LOCAL_INV, 0, 1);
    peer_post_n(e, 0, WR_WRITE, 64, 1);
    peer_run(e, 400);
    assert_int_equal(e->packets, 3); /* the invalidation waits for the acknowledgements */
    assert_true(peer_until(e, 0, 6, 5000));
    e->mpt_status = MPT_BAD_KEY;
    peer_post_n(e, 0, WR_WRITE, 64, 1);
    peer_post_n(e, 0, WR_LOCAL_INV, 0, 1);
    peer_post_n(e, 0, WR_WRITE, 64, 2);
    peer_expect(e, 0, 7, WC_WR_FLUSH);
    peer_op(e, 0, 7)->status = WC_LOC_QP_OP;
    assert_true(peer_until(e, 0, 10, 10000));
    assert_int_equal(e->packets, 5);
    peer_settle(e);
    peer_close(e);
}

static void a_weight_is_a_share_of_the_packets(void **state)
{
    (void)state;
    const struct hca_param p = peer_param();
    struct peer *const e = peer_open(&p, 3, 1);

    for (uint32_t i = 0; i < 3; i++) {
        peer_image(e, i)->s.weight = (uint8_t)(i + 1);
        peer_post_n(e, i, WR_WRITE, 1u << 20, 2);
    }
    e->b->stall = 60; /* the transmit pipe is the bottleneck */
    while (e->qp[2].bytes < 900000) {
        peer_cycle(e);
    }
    assert_in_range(e->qp[0].bytes, 280000, 320000);
    assert_in_range(e->qp[1].bytes, 580000, 620000);
    peer_close(e);
}

static void more_messages_than_records_wait_for_their_turn(void **state)
{
    (void)state;
    struct hca_param p = peer_param();
    p.hca_window_messages = 64;
    p.hca_window_reads = 16;
    struct peer *const e = peer_open(&p, 60, 1);

    e->delay = 500;
    for (uint32_t i = 0; i < 60; i++) {
        peer_post_n(e, i, i % 2 == 0 ? WR_READ : WR_WRITE, 100, 20);
    }
    for (uint32_t i = 0; i < 60; i++) {
        assert_true(peer_until(e, i, 20, 400000));
    }
    assert_int_equal(e->repeats, 0);
    assert_int_equal(e->b->h->u_requester.s.fresh_msg, 64);
    peer_settle(e);
    peer_close(e);
}

static void the_longest_messages_keep_their_psns_apart(void **state)
{
    (void)state;
    const struct hca_param p = peer_param();
    struct peer *const e = peer_open(&p, 1, 1);
    struct wqe w = peer_wr(WR_READ, 1u << 30);

    e->mtu = 256;
    peer_image(e, 0)->s.mtu_bytes = 256;
    e->deaf = true;
    w.nsge = 2; /* 2^31 bytes: 2^23 packets of 256 */
    w.len = 1u << 31;
    w.sge[1] = (struct sge){5, 1u << 30, 9};
    assert_true(peer_post(e, 0, &w));
    peer_ring(e, 0);
    peer_run(e, 1000);
    assert_int_equal(e->packets, 1);
    struct req_qp *const r = &e->b->h->u_requester.qp[0];
    assert_int_equal(r->next - r->una, 1u << 23);
    for (uint32_t i = 0; i < 40; i++) { /* responses, then one that was never asked for */
        peer_answer(e, 0,
                    (struct rxp){.psn = PEER_PSN0 + i,
                                 .plen = 256,
                                 .opcode = i == 0 ? PKT_OP_RC_READ_RESPONSE_FIRST
                                                  : PKT_OP_RC_READ_RESPONSE_MIDDLE});
    }
    peer_ack(e, 0, PEER_PSN0 - 1, 0x1f);
    peer_ack(e, 0, PEER_PSN0 + (1 << 23) + 1, 0x1f);
    peer_run(e, 2000);
    assert_int_equal(r->una, PEER_PSN0 + 40);
    assert_int_equal(peer_op(e, 0, 0)->placed, 40 * 256);
    peer_close(e);
}

static void a_read_of_all_psns_waits_until_nothing_else_is_open(void **state)
{
    (void)state;
    const struct hca_param p = peer_param();
    struct peer *const e = peer_open(&p, 1, 1);
    struct wqe w = peer_wr(WR_READ, 1U << 30);

    e->mtu = 256;
    peer_image(e, 0)->s.mtu_bytes = 256;
    e->deaf = true;
    peer_post_n(e, 0, WR_WRITE, 8, 1);
    w.nsge = 2;
    w.len = 1U << 31;
    w.sge[1] = (struct sge){5, 1U << 30, 9};
    assert_true(peer_post(e, 0, &w));
    peer_ring(e, 0);
    peer_run(e, 1000);
    assert_int_equal(e->packets, 1);
    peer_ack(e, 0, PEER_PSN0, 0x1f);
    peer_run(e, 500);
    assert_int_equal(e->packets, 2);
    peer_close(e);
}

static void a_long_write_crosses_the_psn_wrap(void **state)
{
    (void)state;
    const struct hca_param p = peer_param();
    struct peer *const e = peer_open(&p, 1, 1);

    e->drop = 2;
    peer_post_n(e, 0, WR_WRITE, 8u << 20, 2); /* 16,384 packets from PSN 0xfffff0 on */
    assert_true(peer_until(e, 0, 2, 4000000));
    assert_true(e->qp[0].epsn > 1u << 24);
    peer_close(e);
}

static void inline_data_and_its_record_leave_with_the_packet(void **state)
{
    (void)state;
    const struct hca_param p = peer_param();
    struct peer *const e = peer_open(&p, 1, 1);
    struct qpc *const c = peer_image(e, 0);
    uint8_t data[256];
    struct wqe w = {.wr_id = 8, .opcode = WR_WRITE, .flags = WRF_SIGNALED | WRF_INLINE, .len = 200};

    rig_qp_init(&e->qp[0].q, c, 0, QPT_RC, FORMAT_NATIVE, PEER_RING, 16, 4);
    for (uint32_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    (void)rig_post_native(e->b, &e->qp[0].q, c, &w, data);
    e->hold = 1;
    UNIT_PUSH(e->b->h, qp_ready, qp_ready, .qn = 0, .native = 1, .tail = (uint16_t)e->qp[0].q.tail);
    peer_run(e, 1000);
    const struct pkt *const h = PEEK(&e->b->h->tx_job);
    assert_int_equal(h->flags & TXF_INLINE, TXF_INLINE);
    assert_int_equal(h->plen, 200);
    assert_int_equal(h->len, 200);
    assert_int_equal(h->addr, 0);          /* relative to its record, whose number nobody can see */
    assert_int_not_equal(h->rec, NO_SLOT); /* its bytes stay until dma_read gives it back */
    const uint32_t raw = e->b->h->store.wqe_raw + h->rec * WQE_RAW_MAX;
    assert_memory_equal(store_at(&e->b->h->store, raw), data, 200);
    assert_int_equal(e->b->h->store.wqe_pool.free, e->b->h->store.wqe_pool.n - 1);
    peer_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nak_fails_its_message_in_its_turn_and_flushes_the_rest),
        cmocka_unit_test(an_unreadable_payload_fails_behind_all_that_went_before),
        cmocka_unit_test(a_response_that_cannot_be_placed_fails_its_read),
        cmocka_unit_test(a_bad_wqe_completes_with_its_status_in_order),
        cmocka_unit_test(a_ring_that_cannot_be_read_is_fatal),
        cmocka_unit_test(a_wqe_changed_behind_our_back_harms_only_its_own_qp),
        cmocka_unit_test(local_operations_keep_their_place_in_the_order),
        cmocka_unit_test(a_weight_is_a_share_of_the_packets),
        cmocka_unit_test(more_messages_than_records_wait_for_their_turn),
        cmocka_unit_test(the_longest_messages_keep_their_psns_apart),
        cmocka_unit_test(a_read_of_all_psns_waits_until_nothing_else_is_open),
        cmocka_unit_test(a_long_write_crosses_the_psn_wrap),
        cmocka_unit_test(inline_data_and_its_record_leave_with_the_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
