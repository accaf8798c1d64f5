/* Faults aimed at one packet, and requests that must fail: the outcome is the one of verbs, on both
 * sides. Sources: IBTA vol. 1, 9.7.5 (acknowledgements), 9.9 (error handling), 11.6 (completions).
 */
#include "model/packet/opcode.h"
#include "tests/trace_make.h"

enum { NAK_SEQ = 0x60, NAK_INVALID = 0x61, NAK_ACCESS = 0x62, RNR = 0x20, FOREVER = 1000000 };

static struct played o;
static struct make m;

static uint32_t begin(void (*more)(struct hct_qp *q))
{
    make_open(&m);
    return make_pair(&m, HCT_QP_RC, HCT_FORMAT_DEFAULT, false, more);
}

static void run(enum net_fault what, int port, int opcode, uint64_t nth, uint64_t count)
{
    const struct net_aim aim = {
        .what = what, .port = port, .qpn = -1, .opcode = opcode, .nth = nth, .count = count};

    make_done(&m);
    play_trace(m.path, &(struct play){.aim = &aim, .aims = count != 0}, &o);
    unlink(m.path);
    if (count != 0 && count != FOREVER) {
        assert_int_equal(o.net[port].fault[what], count); /* it hit */
    }
}

static void end(enum net_fault what, int port, int opcode, uint64_t nth, uint64_t count)
{
    run(what, port, opcode, nth, count);
    play_good(&o);
}

static uint64_t put(uint8_t kind, uint32_t q, uint32_t bytes, enum hct_names_wc expect)
{
    struct hct_op op = make_op(&m, kind, q, bytes, bytes != 0);

    op.expect = (uint8_t)expect;
    return make_put(&m, &op);
}

/* A receive that is flushed, posted before all else. */
static void victim(uint32_t q)
{
    struct hct_op recv = hct_op_none();

    recv.id = m.ops;
    recv.kind = HCT_RECV;
    recv.qp = q;
    recv.expect = HCT_WC_WR_FLUSH_ERR;
    (void)make_put(&m, &recv);
}

static void asyncs(unsigned host, unsigned type, uint64_t n)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < PLAY_ASYNCS; i++) {
        all += i == ASYNC_COMM_EST ? 0 : o.async[host][i];
    }
    assert_int_equal(o.async[host][type], n);
    assert_int_equal(all, n); /* and nothing else */
}

/* --- packets lost, doubled, corrupted ----------------------------------------------------------
 */

static void a_lost_middle_packet_brings_one_sequence_nak(void **state)
{
    (void)state;
    (void)begin(NULL);
    (void)put(HCT_WRITE, 0, 9000, HCT_WC_SUCCESS);
    end(NET_LOSE, 0, PKT_OP_RC_WRITE_MIDDLE, 3, 1);
    assert_int_equal(o.nak[NAK_SEQ], 1);
    assert_int_equal(o.stat[0].requester_timeouts, 0);
    assert_true(o.stat[0].requester_retransmitted > 0);
    assert_int_equal(o.stat[1].check_duplicates, 0); /* it went back to the lost one, no further */
}

static void a_lost_last_packet_is_sent_again_after_the_timeout(void **state)
{
    (void)state;
    (void)begin(NULL);
    (void)put(HCT_WRITE, 0, 2000, HCT_WC_SUCCESS);
    end(NET_LOSE, 0, PKT_OP_RC_WRITE_LAST, 1, 1);
    assert_int_equal(o.stat[0].requester_timeouts, 1);
    assert_int_equal(o.nak[NAK_SEQ], 0);
    assert_true(o.f.last_ps > 1048576000ULL); /* 4.096 us * 2^8 */
}

static void a_lost_acknowledgement_makes_duplicates_that_are_not_executed(void **state)
{
    (void)state;
    const uint32_t q = begin(NULL);
    make_recv(&m, q + 1, 500, false);
    (void)put(HCT_SEND, q, 500, HCT_WC_SUCCESS);
    end(NET_LOSE, 1, PKT_OP_RC_ACK, 1, 1);
    assert_int_equal(o.stat[0].requester_timeouts, 1);
    assert_int_equal(o.stat[1].check_duplicates, 1);
    assert_int_equal(o.stat[1].respond_received, 1);
}

static void a_doubled_send_is_received_once(void **state)
{
    (void)state;
    const uint32_t q = begin(NULL);
    make_recv(&m, q + 1, 500, false);
    (void)put(HCT_SEND, q, 500, HCT_WC_SUCCESS);
    end(NET_DUPLICATE, 0, PKT_OP_RC_SEND_ONLY, 1, 1);
    assert_int_equal(o.stat[1].check_duplicates, 1);
    assert_int_equal(o.stat[1].respond_received, 1);
}

static void an_atomic_whose_answer_is_lost_is_replayed_not_executed(void **state)
{
    (void)state;
    (void)begin(NULL);
    (void)put(HCT_FAA, 0, 8, HCT_WC_SUCCESS);
    end(NET_LOSE, 1, PKT_OP_RC_ATOMIC_ACK, 1, 1);
    assert_int_equal(o.stat[1].respond_atomics, 1);
    assert_int_equal(o.stat[1].respond_replays, 1);
    const uint64_t memory = o.memory_hash[0] ^ o.memory_hash[1];
    (void)begin(NULL);
    (void)put(HCT_FAA, 0, 8, HCT_WC_SUCCESS);
    end(NET_LOSE, -1, -1, 1, 0);
    assert_int_equal(o.memory_hash[0] ^ o.memory_hash[1], memory);
}

static void a_lost_read_response_is_asked_for_again_from_there(void **state)
{
    (void)state;
    (void)begin(NULL);
    (void)put(HCT_READ, 0, 6000, HCT_WC_SUCCESS);
    end(NET_LOSE, 1, PKT_OP_RC_READ_RESPONSE_MIDDLE, 2, 1);
    assert_true(o.stat[0].requester_gaps > 0);
    assert_int_equal(o.stat[0].requester_timeouts, 0);
    assert_int_equal(o.stat[1].respond_replays, 1);
    /* 6 packets; lost was the third: the other four come again */
    assert_int_equal(o.stat[1].respond_read_packets, 6 + 4);
}

static void a_lost_read_request_is_noticed_by_what_follows_it(void **state)
{
    (void)state;
    (void)begin(NULL);
    (void)put(HCT_READ, 0, 600, HCT_WC_SUCCESS);
    (void)put(HCT_WRITE, 0, 600, HCT_WC_SUCCESS);
    end(NET_LOSE, 0, PKT_OP_RC_READ_REQUEST, 1, 1);
    assert_int_equal(o.nak[NAK_SEQ], 1);
    assert_int_equal(o.stat[0].requester_timeouts, 0);
}

static void a_corrupt_packet_counts_as_lost(void **state)
{
    (void)state;
    (void)begin(NULL);
    (void)put(HCT_WRITE, 0, 4000, HCT_WC_SUCCESS);
    end(NET_CORRUPT, 0, PKT_OP_RC_WRITE_MIDDLE, 1, 1);
    assert_int_equal(o.stat[1].check_executed, 4);
    assert_true(o.stat[1].packet_parse_drop_crc + o.stat[1].packet_parse_drop_header +
                    o.stat[1].packet_parse_drop_foreign + o.stat[1].packet_parse_drop_address +
                    o.stat[1].packet_parse_drop_opcode + o.stat[1].packet_parse_drop_qpn ==
                1);
    assert_int_equal(o.nak[NAK_SEQ], 1);
}

static void a_packet_that_was_overtaken_is_executed_in_order(void **state)
{
    (void)state;
    (void)begin(NULL);
    (void)put(HCT_WRITE, 0, 8000, HCT_WC_SUCCESS);
    end(NET_REORDER, 0, PKT_OP_RC_WRITE_MIDDLE, 2, 1);
    assert_int_equal(o.stat[1].check_executed, 8);
}

/* --- tries used up ------------------------------------------------------------------------------
 */

static void two_tries(struct hct_qp *q)
{
    q->retry_cnt = 2;
    q->rnr_retry = 2;
}

static void without_any_answer_the_tries_run_out_and_the_rest_is_flushed(void **state)
{
    (void)state;
    const uint32_t q = begin(two_tries);
    victim(q); /* the receive queue of a QP in error is flushed too */
    (void)put(HCT_WRITE, q, 100, HCT_WC_RETRY_EXC_ERR);
    (void)put(HCT_SEND, q, 100, HCT_WC_WR_FLUSH_ERR);
    (void)put(HCT_READ, q, 100, HCT_WC_WR_FLUSH_ERR);
    end(NET_LOSE, 0, PKT_OP_RC_WRITE_ONLY, 1, FOREVER);
    assert_int_equal(o.nak[NAK_SEQ], 1); /* what followed it was ahead */
    assert_int_equal(o.stat[0].requester_timeouts, 2);
    assert_int_equal(o.count[EV_requester_error], 1);
    asyncs(0, ASYNC_QP_FATAL, 0);
    asyncs(1, ASYNC_QP_FATAL, 0); /* the peer never heard of it */
}

static void without_a_receive_the_rnr_tries_run_out(void **state)
{
    (void)state;
    const uint32_t q = begin(two_tries);
    (void)put(HCT_SEND, q, 100, HCT_WC_RNR_RETRY_EXC_ERR);
    (void)put(HCT_WRITE, q, 100, HCT_WC_WR_FLUSH_ERR);
    end(NET_LOSE, -1, -1, 1, 0);
    assert_int_equal(o.nak[RNR + 1], 3); /* timer code 1 of the QP */
    assert_int_equal(o.stat[1].respond_errors, 0);
    asyncs(1, ASYNC_QP_FATAL, 0);
}

static void a_receive_that_comes_late_ends_the_rnr_wait(void **state)
{
    (void)state;
    const uint32_t q = begin(NULL);
    const uint64_t send = put(HCT_SEND, q, 100, HCT_WC_SUCCESS);
    struct hct_op other = make_op(&m, HCT_WRITE, q + 1, 100, 1), recv = hct_op_none();
    const uint64_t first = make_put(&m, &other);
    recv.id = m.ops;
    recv.kind = HCT_RECV;
    recv.qp = q + 1;
    recv.sge_count = 1;
    recv.sge[0] = (struct hct_sge){.mr = 2 * MR_RECV + 1, .len_bytes = 100};
    recv.dep_count = 1;
    recv.dep[0] = (struct hct_dep){.type = HCT_DEP_LOCAL, .op = first, .think_ps = 50000000};
    (void)make_put(&m, &recv);
    end(NET_LOSE, -1, -1, 1, 0);
    assert_true(o.nak[RNR + 1] >= 2);
    assert_int_equal(o.status[send], WC_OK);
}

/* --- requests that the peer refuses ------------------------------------------------------------
 */

static void refused(uint8_t kind, void (*spoil)(struct hct_op *op), void (*more)(struct hct_qp *q),
                    enum hct_names_wc status, unsigned syndrome, unsigned async)
{
    const uint32_t q = begin(more);

    victim(q + 1);
    victim(q);
    (void)put(HCT_WRITE, q, 300, HCT_WC_SUCCESS);
    struct hct_op op = make_op(&m, kind, q, kind == HCT_CAS ? 8 : 300, 1);
    spoil(&op);
    op.expect = (uint8_t)status;
    op.payload = HCT_PAYLOAD_ABSENT;
    (void)make_put(&m, &op);
    (void)put(HCT_WRITE, q, 300, HCT_WC_WR_FLUSH_ERR);
    end(NET_LOSE, -1, -1, 1, 0);
    assert_int_equal(o.nak[syndrome], 1);
    assert_int_equal(o.stat[1].respond_errors, 1);
    asyncs(0, async, 0);
    asyncs(1, async, 1);
}

static void outside(struct hct_op *op)
{
    op->remote_off_bytes = MAKE_SPACE;
}

static void odd_address(struct hct_op *op)
{
    op->remote_off_bytes += 4;
}

static void as_it_is(struct hct_op *op)
{
    (void)op;
}

static void serves_no_reads(struct hct_qp *q)
{
    q->rd_atomic_dest_max = 0;
}

static void a_remote_range_outside_its_region_is_an_access_error(void **state)
{
    (void)state;
    refused(HCT_WRITE, outside, NULL, HCT_WC_REM_ACCESS_ERR, NAK_ACCESS, ASYNC_QP_ACCESS_ERR);
    refused(HCT_READ, outside, NULL, HCT_WC_REM_ACCESS_ERR, NAK_ACCESS, ASYNC_QP_ACCESS_ERR);
    refused(HCT_CAS, outside, NULL, HCT_WC_REM_ACCESS_ERR, NAK_ACCESS, ASYNC_QP_ACCESS_ERR);
}

static void what_the_peer_does_not_do_is_an_invalid_request(void **state)
{
    (void)state;
    refused(HCT_CAS, odd_address, NULL, HCT_WC_REM_INV_REQ_ERR, NAK_INVALID, ASYNC_QP_REQ_ERR);
    refused(HCT_READ, as_it_is, serves_no_reads, HCT_WC_REM_INV_REQ_ERR, NAK_INVALID,
            ASYNC_QP_REQ_ERR);
}

static void a_send_longer_than_its_receive_fails_on_both_sides(void **state)
{
    (void)state;
    const uint32_t q = begin(NULL);
    struct hct_op recv = hct_op_none();

    recv.kind = HCT_RECV;
    recv.qp = q + 1;
    recv.expect = HCT_WC_LOC_LEN_ERR;
    recv.sge_count = 1;
    recv.sge[0] = (struct hct_sge){.mr = 2 * MR_RECV + 1, .len_bytes = 100};
    (void)make_put(&m, &recv);
    victim(q + 1);
    (void)put(HCT_SEND, q, 101, HCT_WC_REM_INV_REQ_ERR);
    (void)put(HCT_SEND, q, 10, HCT_WC_WR_FLUSH_ERR);
    end(NET_LOSE, -1, -1, 1, 0);
    assert_int_equal(o.nak[NAK_INVALID], 1);
}

static void a_receive_outside_its_region_fails_on_both_sides(void **state)
{
    (void)state;
    const uint32_t q = begin(NULL);
    struct hct_op recv = hct_op_none();

    recv.kind = HCT_RECV;
    recv.qp = q + 1;
    recv.expect = HCT_WC_LOC_PROT_ERR;
    recv.sge_count = 1;
    recv.sge[0] =
        (struct hct_sge){.mr = 2 * MR_RECV + 1, .len_bytes = 100, .off_bytes = MAKE_SPACE - 50};
    (void)make_put(&m, &recv);
    (void)put(HCT_SEND, q, 100, HCT_WC_REM_OP_ERR);
    end(NET_LOSE, -1, -1, 1, 0);
    assert_int_equal(o.nak[0x63], 1); /* remote operational error */
}

/* --- errors of the own side --------------------------------------------------------------------
 */

static void a_local_range_outside_its_region_is_a_protection_error(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t q = begin(NULL);
        (void)put(HCT_WRITE, q, 300, HCT_WC_SUCCESS);
        struct hct_op op = make_op(&m, i == 0 ? HCT_WRITE : HCT_READ, q, 300, 1);
        op.sge[0].off_bytes = MAKE_SPACE - 4;
        op.expect = HCT_WC_LOC_PROT_ERR;
        op.payload = HCT_PAYLOAD_ABSENT;
        (void)make_put(&m, &op);
        (void)put(HCT_WRITE, q, 300, HCT_WC_WR_FLUSH_ERR);
        end(NET_LOSE, -1, -1, 1, 0);
        assert_int_equal(o.stat[1].check_executed, i == 0 ? 1 : 3); /* nothing behind the gap */
        assert_int_equal(o.nak[NAK_INVALID] + o.nak[NAK_ACCESS], 0);
        asyncs(1, ASYNC_QP_FATAL, 0); /* the peer is not touched */
    }
}

static void an_invalidated_key_serves_nobody(void **state)
{
    (void)state;
    const uint32_t q = begin(NULL);
    struct hct_op reg = make_op(&m, HCT_FAST_REG, q, 0, 0);

    reg.key_mr = 2 * MR_FAST;
    reg.key_access = HCT_ACCESS_LOCAL_WRITE | HCT_ACCESS_REMOTE_WRITE;
    (void)make_chain(&m, &reg);
    struct hct_op inv = make_op(&m, HCT_LOCAL_INV, q, 0, 0);
    inv.key_mr = 2 * MR_FAST;
    (void)make_chain(&m, &inv);
    struct hct_op use = make_op(&m, HCT_WRITE, q + 1, 100, 1);
    use.remote_mr = 2 * MR_FAST;
    use.remote_off_bytes = 0;
    use.expect = HCT_WC_REM_ACCESS_ERR;
    use.payload = HCT_PAYLOAD_ABSENT;
    (void)make_chain(&m, &use);
    end(NET_LOSE, -1, -1, 1, 0);
    assert_int_equal(o.nak[NAK_ACCESS], 1);
}

/* --- UC -----------------------------------------------------------------------------------------
 */

static void a_message_lost_on_uc_stays_lost_and_the_next_one_arrives(void **state)
{
    (void)state;
    make_open(&m);
    const uint32_t q = make_pair(&m, HCT_QP_UC, HCT_FORMAT_DEFAULT, false, NULL);
    make_recv(&m, q + 1, 3000, false);
    for (unsigned i = 0; i < 2; i++) {
        struct hct_op op = make_op(&m, HCT_SEND, q, 3000, 1);
        op.payload = HCT_PAYLOAD_ABSENT;
        (void)make_put(&m, &op);
    }
    run(NET_LOSE, 0, (PKT_UC << 5) + PKT_OP_RC_SEND_MIDDLE, 1, 1);
    assert_int_equal(o.f.failed, 0);
    assert_int_equal(o.f.ops, 3); /* the sender does not know; one receive */
    assert_int_equal(o.stat[1].respond_received, 1);
    assert_int_equal(o.count[EV_nak], 0);
    assert_int_equal(o.stat[0].requester_retransmitted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_middle_packet_brings_one_sequence_nak),
        cmocka_unit_test(a_lost_last_packet_is_sent_again_after_the_timeout),
        cmocka_unit_test(a_lost_acknowledgement_makes_duplicates_that_are_not_executed),
        cmocka_unit_test(a_doubled_send_is_received_once),
        cmocka_unit_test(an_atomic_whose_answer_is_lost_is_replayed_not_executed),
        cmocka_unit_test(a_lost_read_response_is_asked_for_again_from_there),
        cmocka_unit_test(a_lost_read_request_is_noticed_by_what_follows_it),
        cmocka_unit_test(a_corrupt_packet_counts_as_lost),
        cmocka_unit_test(a_packet_that_was_overtaken_is_executed_in_order),
        cmocka_unit_test(without_any_answer_the_tries_run_out_and_the_rest_is_flushed),
        cmocka_unit_test(without_a_receive_the_rnr_tries_run_out),
        cmocka_unit_test(a_receive_that_comes_late_ends_the_rnr_wait),
        cmocka_unit_test(a_remote_range_outside_its_region_is_an_access_error),
        cmocka_unit_test(what_the_peer_does_not_do_is_an_invalid_request),
        cmocka_unit_test(a_send_longer_than_its_receive_fails_on_both_sides),
        cmocka_unit_test(a_receive_outside_its_region_fails_on_both_sides),
        cmocka_unit_test(a_local_range_outside_its_region_is_a_protection_error),
        cmocka_unit_test(an_invalidated_key_serves_nobody),
        cmocka_unit_test(a_message_lost_on_uc_stays_lost_and_the_next_one_arrives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
