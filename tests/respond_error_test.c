/* respond: refusals, flush of a receive queue, events, reset. */
#include "tests/rx_respond.h"

static void post(struct world *w, uint32_t q, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        w_post(w, q, w->rq[q].tail, 0x200 + q, 0x7000000 + q * 0x10000ULL + i * 512, 512);
    }
}

/* CQEs from number `from` on flush the WQEs from wr_id on, to the end. */
static void assert_flushed(uint32_t from, uint64_t wr_id, uint32_t end)
{
    assert_int_equal(cqe_count, end);
    for (uint32_t i = from; i < end; i++) {
        assert_int_equal(cqes[i].status, WC_WR_FLUSH);
        assert_int_equal(cqes[i].wr_id, wr_id + i - from);
    }
}

static void a_write_with_a_bad_key_is_refused_once_and_the_qp_flushed(void **state)
{
    (void)state;
    struct world *const w = fresh();
    struct rxp m = rx(0, 1, PKT_OP_RC_WRITE_ONLY, 64);

    post(w, 0, 5);
    request(w, rx(0, 0, PKT_OP_RC_WRITE_ONLY, 64), 1);
    m.rkey = 0x999;
    request(w, m, 2);
    request(w, rx(0, 2, PKT_OP_RC_WRITE_ONLY, 64), 3);
    request(w, rx(0, 3, PKT_OP_RC_SEND_ONLY, 64), 3);
    w_cycles(w, 800);
    assert_int_equal(*w_at(w, 0), 1);
    assert_int_equal(sents, 2);
    assert_int_equal(sent[1].m.aeth, 0x62000001);
    assert_int_equal(sent[1].m.psn, PSN0 + 1);
    assert_int_equal(w->errors, 1);
    assert_int_equal(w->asyncs[ASYNC_QP_ACCESS_ERR], 1);
    assert_flushed(0, 0, 5);
    request(w, rx(0, 2, PKT_OP_RC_WRITE_ONLY, 64), 3); /* retransmission: no answer any more */
    w_cycles(w, 300);
    assert_int_equal(sents, 2);
    w_assert_empty(w);
    w_close(w);
}

static void a_write_beyond_its_region_changes_no_byte(void **state)
{
    (void)state;
    struct world *const w = fresh();
    struct rxp m = rx(0, 0, PKT_OP_RC_WRITE_ONLY, 1000);

    m.raddr = 0x10000 + 0xf000 - 500; /* second page is outside */
    w->mr[0].len = 0xf000;
    request(w, m, 7);
    m = rx(1, 0, PKT_OP_RC_WRITE_FIRST, 1024);
    m.dlen = 0x10001;
    request(w, m, 7);
    w_cycles(w, 300);
    for (uint32_t i = 0; i < 0x20000; i++) {
        assert_int_equal(*w_at(w, i), 0);
    }
    assert_int_equal(frame_of(0)->aeth >> 24, 0x62);
    assert_int_equal(frame_of(1)->aeth >> 24, 0x62);
    w_assert_empty(w);
    w_close(w);
}

static void a_read_or_atomic_without_the_right_is_refused(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->mr[0].access = ACC_LOCAL_WRITE | ACC_REMOTE_WRITE;
    w->mr[2].access = ACC_LOCAL_WRITE | ACC_REMOTE_WRITE;
    read_request(w, 0, 0, 100);
    request(w, rx(1, 0, PKT_OP_RC_FETCH_ADD, 0), 0);
    w_cycles(w, 300);
    assert_int_equal(frame_of(0)->aeth >> 24, 0x62);
    assert_int_equal(frame_of(1)->aeth >> 24, 0x62);
    assert_int_equal(w->asyncs[ASYNC_QP_ACCESS_ERR], 2);
    w_assert_empty(w);
    w_close(w);
}

static void a_read_whose_region_goes_away_is_refused_at_the_packet_that_failed(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->hold_jobs = true;
    read_request(w, 0, 0, 0x8000);
    w_cycles(w, 100);
    w->mr[0].access = 0;
    w->hold_jobs = false;
    w_cycles(w, 800);
    assert_int_equal(sents, 1);
    assert_int_equal(sent[0].m.aeth >> 24, 0x62);
    assert_int_equal(sent[0].m.psn, PSN0);
    assert_int_equal(w->errors, 1);
    w_assert_empty(w);
    w_close(w);
}

static void an_atomic_on_memory_that_cannot_be_read_is_an_operational_error(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->mr[0].bus = W_BUS - 4096;
    request(w, rx(0, 0, PKT_OP_RC_FETCH_ADD, 0), 0);
    w_cycles(w, 400);
    assert_int_equal(sents, 1);
    assert_int_equal(sent[0].m.aeth >> 24, 0x63);
    assert_int_equal(w->asyncs[ASYNC_QP_FATAL], 1);
    w_assert_empty(w);
    w_close(w);
}

static void more_reads_than_allowed_are_an_invalid_request(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->hold_jobs = true; /* none is answered */
    for (int32_t i = 0; i < 5; i++) {
        read_request(w, 0, 16 * i, 16384);
    }
    w_cycles(w, 300);
    w->hold_jobs = false;
    w_cycles(w, 3000);
    assert_int_equal(sents, 65); /* four responses, then the refusal */
    assert_int_equal(sent[64].m.aeth >> 24, 0x61);
    assert_int_equal(w->asyncs[ASYNC_QP_REQ_ERR], 1);
    w_assert_empty(w);
    w_close(w);
}

static void errors_of_a_receive_wqe_are_told_by_its_completion(void **state)
{
    (void)state;
    struct world *const w = fresh();

    post(w, 0, 3); /* too long */
    request(w, rx(0, 0, PKT_OP_RC_SEND_ONLY, 513), 1);
    w_post(w, 1, 0, 0x999, 0x7010000, 512); /* no such key */
    w_post(w, 1, 1, 0x201, 0x7010000, 512);
    request(w, rx(1, 0, PKT_OP_RC_SEND_ONLY, 16), 1);
    post(w, 2, 2); /* not a valid WQE */
    w->rq[2].wqe[0].bad = WC_LOC_QP_OP;
    request(w, rx(2, 0, PKT_OP_RC_SEND_ONLY, 16), 1);
    post(w, 3, 2); /* key that cannot be invalidated */
    w->bad_invalidate = 0x77;
    struct rxp m = rx(3, 0, PKT_OP_RC_SEND_ONLY_INV, 16);
    m.rkey = 0x77;
    request(w, m, 1);
    w_cycles(w, 1000);
    const uint8_t status[] = {WC_LOC_LEN, WC_LOC_PROT, WC_LOC_QP_OP, WC_REM_INV_REQ};
    const uint32_t nak[] = {0x61, 0x63, 0x63, 0x61};
    uint32_t first[4] = {0};
    for (uint32_t i = 0; i < cqe_count; i++) {
        const uint32_t q = cqes[i].qn;
        assert_int_equal(cqes[i].wr_id, first[q]);
        assert_int_equal(cqes[i].status, first[q] == 0 ? status[q] : WC_WR_FLUSH);
        first[q]++;
    }
    for (uint32_t q = 0; q < 4; q++) {
        assert_int_equal(first[q], q == 0 ? 3 : 2);
        assert_int_equal(frame_of(q)->aeth >> 24, nak[q]);
    }
    for (uint32_t i = 0; i < 19; i++) { /* the completion says it: no event */
        assert_int_equal(w->asyncs[i], 0);
    }
    w_assert_empty(w);
    w_close(w);
}

static void a_spoilt_uc_write_is_dropped_to_its_end_and_the_next_one_executed(void **state)
{
    (void)state;
    struct world *const w = fresh();
    struct rxp m = rx(0, 0, PKT_OP_UC_WRITE_FIRST, 1024);

    w_qp(w, 0, QPT_UC)->s.rq_psn = PSN0;
    m.dlen = 1025;
    m.rkey = 0x999;
    request(w, m, 1);
    request(w, rx(0, 1, PKT_OP_UC_WRITE_LAST, 1), 1);
    m = rx(0, 2, PKT_OP_UC_WRITE_FIRST, 1024);
    m.dlen = 1025;
    request(w, m, 5);
    request(w, rx(0, 3, PKT_OP_UC_WRITE_LAST, 1), 6);
    w_cycles(w, 300);
    assert_int_equal(*w_at(w, 1023), 5);
    assert_int_equal(*w_at(w, 1024), 6);
    assert_int_equal(sents, 0);
    assert_int_equal(w->errors, 0);
    w_assert_empty(w);
    w_close(w);
}

static void a_qp_put_to_error_by_command_or_requester_flushes_in_order(void **state)
{
    (void)state;
    struct world *const w = fresh();

    for (uint32_t q = 0; q < 2; q++) {
        post(w, q, 40);
        request(w, rx(q, 0, PKT_OP_RC_SEND_FIRST, 0), 1); /* wrong length: 0 is not the MTU */
    }
    w_cycles(w, 3000);
    assert_int_equal(cqe_count, 80);
    sents = cqe_count = 0;
    post(w, 2, 40);
    w->h->ctx.qp[2].s.mtu_bytes = 256;
    request(w, rx(2, 0, PKT_OP_RC_SEND_FIRST, 256), 1); /* WQE 0 is in use */
    w_cycles(w, 100);
    UNIT_PUSH(w->h, err_rsp, qp_event, .qn = 2, .kind = KICK_ERROR);
    w_cycles(w, 3000);
    assert_flushed(0, 0, 40);
    cqe_count = 0;
    post(w, 3, 20);
    w->h->ctx.qp[3].s.state = QPS_ERR;
    UNIT_PUSH(w->h, cmd_rsp_kick, qp_event, .qn = 3, .kind = KICK_FLUSH);
    w_cycles(w, 2000);
    assert_flushed(0, 0, 20);
    cqe_count = 0;
    post(w, 3, 2); /* posted later: its doorbell comes as rq_more */
    UNIT_PUSH(w->h, rq_more, qp_event, .qn = 3, .kind = KICK_FLUSH);
    w_cycles(w, 500);
    assert_flushed(0, 20, 2);
    assert_int_equal(w->errors, 2);
    w_assert_empty(w);
    w_close(w);
}

static void a_doorbell_of_a_healthy_qp_flushes_nothing(void **state)
{
    (void)state;
    struct world *const w = fresh();

    post(w, 0, 2);
    UNIT_PUSH(w->h, rq_more, qp_event, .qn = 0, .kind = KICK_FLUSH);
    w_cycles(w, 300);
    assert_int_equal(cqe_count, 0);
    w_assert_empty(w);
    w_close(w);
}

static void a_qp_with_a_shared_queue_flushes_nothing_and_reports_its_last_wqe_once(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->h->ctx.qp[0].s.has_srq = 1;
    post(w, 0, 4);
    for (uint32_t i = 0; i < 2; i++) {
        UNIT_PUSH(w->h, err_rsp, qp_event, .qn = 0, .kind = KICK_ERROR);
        w_cycles(w, 300);
    }
    assert_int_equal(cqe_count, 0);
    assert_int_equal(w->asyncs[ASYNC_QP_LAST_WQE], 1);
    w_close(w);
}

static void communication_established_is_reported_once(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->h->ctx.qp[0].s.state = QPS_RTR;
    for (int32_t i = 0; i < 3; i++) {
        request(w, rx(0, i, PKT_OP_RC_WRITE_ONLY, 8), 1);
    }
    w_cycles(w, 300);
    assert_int_equal(w->asyncs[ASYNC_COMM_EST], 1);
    w_close(w);
}

static void a_kick(struct world *w, uint32_t q, uint8_t kind)
{
    while (w->pins[q] != 0) {
        w_cycles(w, 1);
    }
    w->h->ctx.qp[q].s.state = QPS_RESET;
    UNIT_PUSH(w->h, cmd_rsp_kick, qp_event, .qn = q, .kind = kind);
}

/* What is under way when the reset comes. */
static void busy(struct world *w, uint64_t seed)
{
    struct rxp m = rx(0, 1, PKT_OP_RC_READ_REQUEST, 0);

    w->rng = seed;
    w->stall_percent = 30;
    w->write_delay = seed % 4 == 0 ? 5 : 900;
    w->read_delay = seed % 4 == 1 ? 5 : 700;
    request(w, rx(0, 0, PKT_OP_RC_WRITE_ONLY, 100), 9);
    if (seed % 3 != 0) {
        m.dlen = 9000;
        request(w, m, 0);
    }
    if (seed % 5 != 0) {
        request(w, rx(0, seed % 3 != 0 ? 10 : 1, PKT_OP_RC_FETCH_ADD, 0), 0);
    }
    w_cycles(w, 40 + (uint32_t)seed * 10);
}

static void reset_is_answered_when_writes_and_responses_have_left(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *const w = fresh();
        busy(w, seed);
        a_kick(w, 0, seed % 2 == 0 ? KICK_RESET : KICK_DESTROY);
        for (uint32_t i = 0; w->drained == 0; i++) {
            assert_true(i < 20000);
            w_cycles(w, 1);
        }
        assert_int_equal(w->wr_head, w->wr_tail); /* no payload on its way */
        assert_int_equal(w->tx_head, w->tx_tail);
        const uint64_t frames = w->frames;
        const uint32_t writes = w->wr_tail;
        w_cycles(w, 3000);
        assert_int_equal(w->frames, frames);
        assert_int_equal(w->wr_tail, writes);
        w_qp(w, 0, QPT_RC)->s.rq_psn = PSN0 + 7; /* and works again */
        request(w, rx(0, 7, PKT_OP_RC_WRITE_ONLY, 4), 3);
        w_cycles(w, 3000);
        assert_int_equal(sent[sents - 1].m.psn, PSN0 + 7);
        assert_int_equal(sent[sents - 1].m.aeth, 0x1f000001);
        w_assert_empty(w);
        w_close(w);
    }
}

static void an_error_of_a_former_life_does_not_flush_the_qp_made_anew(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->hold_flush = true; /* QP 1 is being flushed, QP 0 is next */
    UNIT_PUSH(w->h, err_rsp, qp_event, .qn = 1, .kind = KICK_ERROR);
    UNIT_PUSH(w->h, err_rsp, qp_event, .qn = 0, .kind = KICK_ERROR);
    w_cycles(w, 100);
    a_kick(w, 0, KICK_RESET);
    w_cycles(w, 200);
    assert_int_equal(w->drained, 1);
    w_qp(w, 0, QPT_RC)->s.rq_psn = PSN0;
    post(w, 0, 2);
    w->hold_flush = false;
    w_cycles(w, 300);
    assert_int_equal(cqe_count, 0);
    request(w, rx(0, 0, PKT_OP_RC_SEND_ONLY, 4), 3);
    w_cycles(w, 300);
    assert_int_equal(cqe_count, 1);
    assert_int_equal(cqes[0].status, WC_OK);
    w_assert_empty(w);
    w_close(w);
}

static void reset_does_not_wait_for_other_qps(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->mr[0].len = 0x80000000;
    read_request(w, 1, 0, 0xf000);
    read_request(w, 2, 0, 0xf000);
    a_kick(w, 0, KICK_RESET);
    w_cycles(w, 60);
    assert_int_equal(w->drained, 1);
    w_cycles(w, 2000);
    assert_int_equal(sents, 120);
    w_assert_empty(w);
    w_close(w);
}

static void a_turn_for_a_qp_that_left_the_states_that_answer_sends_nothing(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->hold_acks = w->hold_jobs = true;
    for (int32_t i = 0; i < 20; i++) {
        request(w, rx(0, i, PKT_OP_RC_WRITE_ONLY, 4), 1);
    }
    w_cycles(w, 200);
    const uint32_t queued = fifo_level(&w->h->ack_job.ctl);
    w->h->ctx.qp[0].s.state = QPS_ERR;
    w->hold_acks = w->hold_jobs = false;
    w_cycles(w, 400);
    assert_true(sents <= queued + 1); /* what had its header fields already */
    w_assert_empty(w);
    w_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_with_a_bad_key_is_refused_once_and_the_qp_flushed),
        cmocka_unit_test(a_write_beyond_its_region_changes_no_byte),
        cmocka_unit_test(a_read_or_atomic_without_the_right_is_refused),
        cmocka_unit_test(a_read_whose_region_goes_away_is_refused_at_the_packet_that_failed),
        cmocka_unit_test(an_atomic_on_memory_that_cannot_be_read_is_an_operational_error),
        cmocka_unit_test(more_reads_than_allowed_are_an_invalid_request),
        cmocka_unit_test(errors_of_a_receive_wqe_are_told_by_its_completion),
        cmocka_unit_test(a_spoilt_uc_write_is_dropped_to_its_end_and_the_next_one_executed),
        cmocka_unit_test(a_qp_put_to_error_by_command_or_requester_flushes_in_order),
        cmocka_unit_test(a_doorbell_of_a_healthy_qp_flushes_nothing),
        cmocka_unit_test(a_qp_with_a_shared_queue_flushes_nothing_and_reports_its_last_wqe_once),
        cmocka_unit_test(communication_established_is_reported_once),
        cmocka_unit_test(reset_is_answered_when_writes_and_responses_have_left),
        cmocka_unit_test(an_error_of_a_former_life_does_not_flush_the_qp_made_anew),
        cmocka_unit_test(reset_does_not_wait_for_other_qps),
        cmocka_unit_test(a_turn_for_a_qp_that_left_the_states_that_answer_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
