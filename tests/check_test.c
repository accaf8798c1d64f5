/* check: verdicts of the transport rules, receive WQEs. */
#include "tests/rx_check.h"

/* --- RC ------------------------------------------------------------------------------------------
 */

/* One row per packet of a fresh QP, in sequence: opcode, PSN - first PSN, payload, RETH length. */
struct row {
    uint8_t opcode;
    int32_t psn;
    uint32_t plen, dlen;
    uint8_t verdict;
};

static void play(const struct row *rows, uint32_t n)
{
    struct world *const w = fresh();

    for (uint32_t i = 0; i < 8; i++) {
        w_post(w, 0, i, 0x200, 0x7000000, 8192);
    }
    for (uint32_t i = 0; i < n; i++) {
        send(w, (struct rxp){.psn = (uint32_t)(PSN0 + rows[i].psn) & PSN_MASK,
                             .opcode = rows[i].opcode,
                             .plen = rows[i].plen,
                             .dlen = rows[i].dlen,
                             .raddr = 0x10000,
                             .rkey = 0x100});
        assert_int_equal(take(w).verdict, rows[i].verdict);
    }
    w_close(w);
}
#define PLAY(...)                                    \
    do {                                             \
        const struct row rows_[] = {__VA_ARGS__};    \
        play(rows_, sizeof rows_ / sizeof rows_[0]); \
    } while (0)

static void a_message_in_sequence_is_executed_across_the_psn_wrap(void **state)
{
    (void)state;
    PLAY({0x00, 0, MTU, 0, V_EXECUTE}, {0x01, 1, MTU, 0, V_EXECUTE}, {0x02, 2, 1, 0, V_EXECUTE},
         {0x06, 3, MTU, MTU * 16, V_EXECUTE}, {0x07, 4, MTU, 0, V_EXECUTE},
         {0x07, 5, MTU, 0, V_EXECUTE}, {0x07, 6, MTU, 0, V_EXECUTE}, {0x07, 7, MTU, 0, V_EXECUTE},
         {0x07, 8, MTU, 0, V_EXECUTE}, {0x07, 9, MTU, 0, V_EXECUTE}, {0x07, 10, MTU, 0, V_EXECUTE},
         {0x07, 11, MTU, 0, V_EXECUTE}, {0x07, 12, MTU, 0, V_EXECUTE},
         {0x07, 13, MTU, 0, V_EXECUTE}, {0x07, 14, MTU, 0, V_EXECUTE},
         {0x07, 15, MTU, 0, V_EXECUTE}, {0x07, 16, MTU, 0, V_EXECUTE},
         {0x07, 17, MTU, 0, V_EXECUTE}, {0x08, 18, MTU, 0, V_EXECUTE},
         {0x0c, 19, 0, 5 * MTU + 1, V_EXECUTE}, /* a READ takes the PSNs of its response */
         {0x04, 25, 0, 0, V_EXECUTE}, {0x0a, 26, 0, 0, V_EXECUTE});
}

static void a_packet_out_of_its_place_in_the_message_is_an_invalid_request(void **state)
{
    (void)state;
    const uint8_t alone[] = {0x01, 0x02, 0x03, 0x07, 0x08, 0x09, 0x16};
    const uint8_t in_send[] = {0x00, 0x04, 0x06, 0x07, 0x08, 0x0a, 0x0c, 0x13, 0x14};
    const uint8_t in_write[] = {0x00, 0x01, 0x02, 0x04, 0x06, 0x0a, 0x0c, 0x16};

    for (size_t i = 0; i < sizeof alone; i++) {
        PLAY({alone[i], 0, MTU, 0, V_NAK_INVALID}, {0x04, 1, 0, 0, V_DROP});
    }
    for (size_t i = 0; i < sizeof in_send; i++) {
        PLAY({0x00, 0, MTU, 0, V_EXECUTE}, {in_send[i], 1, MTU, MTU, V_NAK_INVALID});
    }
    for (size_t i = 0; i < sizeof in_write; i++) {
        PLAY({0x06, 0, MTU, 2 * MTU, V_EXECUTE}, {in_write[i], 1, MTU, MTU, V_NAK_INVALID});
    }
}

static void wrong_lengths_are_invalid_requests(void **state)
{
    (void)state;
    PLAY({0x00, 0, MTU - 1, 0, V_NAK_INVALID});
    PLAY({0x00, 0, MTU, 0, V_EXECUTE}, {0x01, 1, 5, 0, V_NAK_INVALID});
    PLAY({0x00, 0, MTU, 0, V_EXECUTE}, {0x02, 1, 0, 0, V_NAK_INVALID});
    PLAY({0x04, 0, MTU + 1, 0, V_NAK_INVALID});
    PLAY({0x0a, 0, 8, 9, V_NAK_INVALID}); /* RETH says more than there is */
    PLAY({0x0a, 0, 8, 7, V_NAK_INVALID});
    PLAY({0x06, 0, MTU, MTU, V_NAK_INVALID}); /* a first packet that would be the last */
    PLAY({0x06, 0, MTU, 0x80000001, V_NAK_INVALID});
    PLAY({0x06, 0, MTU, 0xffffffff, V_NAK_INVALID});
    PLAY({0x06, 0, MTU, 0x80000000, V_EXECUTE});
    PLAY({0x06, 0, MTU, 2 * MTU, V_EXECUTE}, {0x07, 1, MTU, 0, V_NAK_INVALID});
    PLAY({0x06, 0, MTU, 3 * MTU, V_EXECUTE}, {0x08, 1, MTU, 0, V_NAK_INVALID});
    PLAY({0x0c, 0, 0, 0x80000001, V_NAK_INVALID});
    PLAY({0x0c, 0, 4, 16, V_NAK_INVALID});
}

static void an_operation_that_is_not_enabled_or_misaligned_is_an_invalid_request(void **state)
{
    (void)state;
    const struct {
        uint32_t access;
        uint8_t opcode;
        uint64_t va;
        uint8_t verdict;
    } rows[] = {
        {ACC_REMOTE_READ, 0x0a, 0, V_NAK_INVALID},   {ACC_REMOTE_WRITE, 0x0a, 0, V_EXECUTE},
        {ACC_REMOTE_WRITE, 0x0c, 0, V_NAK_INVALID},  {ACC_REMOTE_READ, 0x0c, 0, V_EXECUTE},
        {ACC_REMOTE_READ, 0x13, 0, V_NAK_INVALID},   {ACC_REMOTE_ATOMIC, 0x13, 8, V_EXECUTE},
        {ACC_REMOTE_ATOMIC, 0x14, 4, V_NAK_INVALID},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *const w = fresh();
        w->h->ctx.qp[0].s.access = rows[i].access;
        send(w, (struct rxp){.psn = PSN0, .opcode = rows[i].opcode, .raddr = rows[i].va});
        assert_int_equal(take(w).verdict, rows[i].verdict);
        w_close(w);
    }
}

static void a_gap_is_refused_once_until_the_expected_packet_comes(void **state)
{
    (void)state;
    PLAY({0x04, 0, 0, 0, V_EXECUTE}, {0x04, 2, 0, 0, V_NAK_SEQ}, {0x04, 3, 0, 0, V_DROP},
         {0x04, 0x7fffff, 0, 0, V_DROP}, {0x04, 1, 0, 0, V_EXECUTE}, {0x04, 3, 0, 0, V_NAK_SEQ});
    struct world *const w = fresh();
    send(w, (struct rxp){.psn = (PSN0 + 5) & PSN_MASK, .opcode = 0x0a});
    assert_int_equal(take(w).psn, PSN0); /* names what it wants */
    w_close(w);
}

static void a_packet_below_the_expected_psn_is_a_duplicate(void **state)
{
    (void)state;
    PLAY({0x04, 0, 0, 0, V_EXECUTE}, {0x04, 0, 0, 0, V_DUPLICATE}, {0x07, -1, 3, 0, V_DUPLICATE},
         {0x0c, -0x700000, 0, 9, V_DUPLICATE}, {0x04, 1, 0, 0, V_EXECUTE});
}

static void a_missing_receive_wqe_is_not_ready_and_consumes_nothing(void **state)
{
    (void)state;
    struct world *const w = fresh();

    for (uint32_t i = 0; i < 2; i++) {
        send(w, (struct rxp){.psn = PSN0, .opcode = 0x04, .plen = 8});
        assert_int_equal(take(w).verdict, V_RNR);
    }
    send(w, (struct rxp){.psn = (PSN0 + 1) & PSN_MASK, .opcode = 0x04});
    assert_int_equal(take(w).verdict, V_DROP); /* no sequence NAK on top of it */
    w_post(w, 0, 1, 0x200, 0x7000000, 8);
    send(w, (struct rxp){.psn = PSN0, .opcode = 0x04, .plen = 8});
    const struct exec e = take(w);
    assert_int_equal(e.verdict, V_EXECUTE);
    assert_int_equal(e.msn, 1);
    assert_int_equal(e.flags & (EXF_NEW | EXF_FIRST | EXF_LAST), EXF_NEW | EXF_FIRST | EXF_LAST);
    w_close(w);
}

static void a_send_takes_one_wqe_and_names_it_again_for_each_packet(void **state)
{
    (void)state;
    struct world *const w = fresh();

    for (uint32_t i = 0; i < 3; i++) {
        w_post(w, 0, i, 0x200, 0x7000000, 4096);
    }
    for (uint32_t i = 0; i < 3; i++) {
        send(w, (struct rxp){
                    .psn = (PSN0 + i) & PSN_MASK, .opcode = (uint8_t)i, .plen = i < 2 ? MTU : 100});
        const struct exec e = take(w);
        assert_int_equal(e.flags & EXF_NEW, i == 0 ? EXF_NEW : 0);
        assert_int_equal(e.byte_len, i < 2 ? (i + 1) * MTU : 2 * MTU + 100);
    }
    assert_int_equal(w->rq[0].head, 1);
    w_close(w);
}

static void a_payload_longer_than_the_wqe_is_refused_with_the_wqe(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w_post(w, 0, 1, 0x200, 0x7000000, MTU + 10);
    send(w, (struct rxp){.psn = PSN0, .opcode = 0x00, .plen = MTU});
    assert_int_equal(take(w).verdict, V_EXECUTE);
    send(w, (struct rxp){.psn = PSN0 + 1, .opcode = 0x02, .plen = 11});
    const struct exec e = take(w);
    assert_int_equal(e.verdict, V_NAK_INVALID);
    assert_int_not_equal(e.rec, NO_SLOT);
    w_close(w);
}

static void a_bad_wqe_is_an_operational_error(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w_post(w, 0, 1, 0x200, 0x7000000, 100);
    w->rq[0].wqe[0].bad = WC_LOC_QP_OP;
    send(w, (struct rxp){.psn = PSN0, .opcode = 0x04});
    assert_int_equal(take(w).verdict, V_NAK_OP);
    send(w, (struct rxp){.psn = PSN0, .opcode = 0x04});
    assert_int_equal(take(w).verdict, V_DROP);
    w_close(w);
}

static void only_rtr_to_sqe_receive_and_the_first_packet_in_rtr_is_reported(void **state)
{
    (void)state;

    for (uint8_t s = QPS_RESET; s <= QPS_ERR; s++) {
        struct world *const w = fresh();
        w->h->ctx.qp[0].s.state = s;
        for (uint32_t i = 0; i < 2; i++) {
            send(w, (struct rxp){.psn = (PSN0 + i) & PSN_MASK, .opcode = 0x0a, .rkey = 0x100});
            const struct exec e = take(w);
            assert_int_equal(e.verdict,
                             s == QPS_RESET || s == QPS_INIT || s == QPS_ERR ? V_DROP : V_EXECUTE);
            assert_int_equal((e.flags & EXF_EST) != 0, s == QPS_RTR && i == 0);
        }
        w_close(w);
    }
}

static void other_services_responses_and_unknown_opcodes_are_dropped(void **state)
{
    (void)state;
    const uint8_t opcodes[] = {0x0d, 0x10, 0x11, 0x12, 0x15, 0x1c, 0x24, 0x64, 0x81, 0xa4, 0xff};

    for (size_t i = 0; i < sizeof opcodes; i++) {
        PLAY({opcodes[i], 0, 0, 0, V_DROP}, {0x04, 0, 0, 0, V_EXECUTE});
    }
}

/* --- UC, UD --------------------------------------------------------------------------------------
 */

static void uc_gives_up_a_message_with_a_gap_and_uses_its_wqe_again(void **state)
{
    (void)state;
    struct world *const w = fresh_type(QPT_UC);

    w_post(w, 0, 1, 0x200, 0x7000000, 8192);
    send(w, (struct rxp){.psn = PSN0, .opcode = 0x20, .plen = MTU});
    assert_int_equal(take(w).flags & EXF_NEW, EXF_NEW);
    send(w, (struct rxp){.psn = PSN0 + 2, .opcode = 0x21, .plen = MTU});
    assert_int_equal(take(w).verdict, V_DROP);
    send(w, (struct rxp){.psn = PSN0 + 3, .opcode = 0x22, .plen = 5});
    assert_int_equal(take(w).verdict, V_DROP);
    send(w, (struct rxp){.psn = PSN0 + 9, .opcode = 0x24, .plen = 5});
    const struct exec e = take(w);
    assert_int_equal(e.verdict, V_EXECUTE);
    assert_int_equal(e.flags & EXF_NEW, 0);
    assert_int_equal(w->rq[0].head, 1);
    send(w, (struct rxp){.psn = PSN0 + 10, .opcode = 0x24, .plen = 5});
    assert_int_equal(take(w).verdict, V_DROP); /* no WQE: dropped, not refused */
    w_close(w);
}

static void a_datagram_needs_the_qkey_and_room_behind_the_grh_area(void **state)
{
    (void)state;
    struct world *const w = fresh_type(QPT_UD);

    w_post(w, 0, 1, 0x200, 0x7000000, 40 + 100);
    send(w, (struct rxp){.opcode = 0x64, .plen = 100, .qkey = 0x1112, .net = 1});
    assert_int_equal(take(w).verdict, V_DROP);
    assert_int_equal(w->rq[0].head, 0);
    send(w, (struct rxp){.opcode = 0x64, .plen = 101, .qkey = 0x1111, .net = 1});
    struct exec e = take(w);
    assert_int_equal(e.verdict, V_DROP);
    assert_int_equal(e.flags & EXF_NEW, EXF_NEW);
    send(w, (struct rxp){.opcode = 0x64, .plen = 100, .qkey = 0x1111, .sqpn = 0x77, .net = 1});
    e = take(w);
    assert_int_equal(e.verdict, V_EXECUTE);
    assert_int_equal(e.flags & (EXF_NEW | EXF_AREA), EXF_AREA);
    assert_int_equal(e.byte_len, 140);
    assert_int_equal(e.sqpn, 0x77);
    assert_int_equal(w->rq[0].head, 1);
    w_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_in_sequence_is_executed_across_the_psn_wrap),
        cmocka_unit_test(a_packet_out_of_its_place_in_the_message_is_an_invalid_request),
        cmocka_unit_test(wrong_lengths_are_invalid_requests),
        cmocka_unit_test(an_operation_that_is_not_enabled_or_misaligned_is_an_invalid_request),
        cmocka_unit_test(a_gap_is_refused_once_until_the_expected_packet_comes),
        cmocka_unit_test(a_packet_below_the_expected_psn_is_a_duplicate),
        cmocka_unit_test(a_missing_receive_wqe_is_not_ready_and_consumes_nothing),
        cmocka_unit_test(a_send_takes_one_wqe_and_names_it_again_for_each_packet),
        cmocka_unit_test(a_payload_longer_than_the_wqe_is_refused_with_the_wqe),
        cmocka_unit_test(a_bad_wqe_is_an_operational_error),
        cmocka_unit_test(only_rtr_to_sqe_receive_and_the_first_packet_in_rtr_is_reported),
        cmocka_unit_test(other_services_responses_and_unknown_opcodes_are_dropped),
        cmocka_unit_test(uc_gives_up_a_message_with_a_gap_and_uses_its_wqe_again),
        cmocka_unit_test(a_datagram_needs_the_qkey_and_room_behind_the_grh_area),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
