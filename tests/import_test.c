/* The importer on connections whose messages are known: loss on the wire and in the capture, cuts,
 * one direction only, QP numbers used again, refusals, invalidation. */
#include "tests/import_make.h"

static struct conn rc(uint32_t a, uint32_t b, uint32_t psn)
{
    return (struct conn){.host = {1, 2},
                         .qpn = {a, b},
                         .psn = {psn, psn + 0x5000},
                         .sport = (uint16_t)(0xC000 + (a * b & 0xFFF))};
}

static struct message writes(uint32_t len, uint64_t seed)
{
    return (struct message){
        .kind = HCT_WRITE, .len = len, .rkey = 0x1234, .va = 0x7F0000001000, .seed = seed};
}

static struct message sends(uint32_t len, uint64_t seed)
{
    return (struct message){.kind = HCT_SEND, .len = len, .seed = seed};
}

static struct message reads(uint32_t len, uint64_t seed)
{
    return (struct message){
        .kind = HCT_READ, .len = len, .rkey = 0x5678, .va = 0x560000000010, .seed = seed};
}

#define A "10.0.0.1"
#define B "10.0.0.2"

static void every_kind_comes_back_with_its_fields_and_bytes(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(0x11, 0x22, 0xFFFFFE); /* PSNs wrap */
    const struct message m[] = {
        sends(0, 1),
        sends(1, 2),
        {.kind = HCT_SEND_IMM, .len = 3000, .imm = 0xA1B2C3D4, .seed = 3},
        writes(1024, 4),
        writes(5000, 5),
        {.kind = HCT_WRITE_IMM, .len = 1025, .imm = 77, .rkey = 9, .va = 0x1000, .seed = 6},
        reads(2500, 7),
        {.kind = HCT_CAS,
         .rkey = 9,
         .va = 0x1008,
         .compare = 5,
         .swap_add = 6,
         .orig = 0x1122334455},
        {.kind = HCT_FAA, .rkey = 9, .va = 0x1010, .swap_add = 1, .orig = UINT64_MAX},
    };
    const uint32_t n = sizeof m / sizeof m[0];
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t i = 0; i < n; i++) {
        put_message(&k, &c, 0, &m[i]);
    }
    import_talk(&k, NULL, &g);
    for (uint32_t i = 0; i < n; i++) {
        const struct got_op *x = posted(&g, A, 0x11, i);
        const bool atomic = m[i].kind == HCT_CAS || m[i].kind == HCT_FAA;
        check_message(&g, x, &m[i], atomic ? 8 : m[i].len);
        assert_true(x->op.recorded & HCT_REC_EXPECT);
    }
    assert_int_equal(posted(&g, A, 0x11, 7)->op.compare, 5);
    assert_int_equal(g.res->qps, 2);
    assert_int_equal(g.sum.pairs_by_ack, 1);
    const struct hct_qp *q = &g.res->qp[posted(&g, A, 0x11, 0)->op.qp];
    assert_int_equal(q->mtu_bytes, 1024);
    assert_int_equal(q->sq_psn, 0xFFFFFE);
    assert_int_equal(g.res->qp[q->peer].captured_qpn, 0x22);
    got_close(&g);
}

/* Messages of three packets; packet 1 of message 1 and message 2 as a whole are lost. `before`: the
 * loss happens before the tap. `selective`: only what is missing comes again. */
static void lossy_talk(struct talk *k, struct conn *c, struct message m[4], bool before,
                       bool selective)
{
    static const int lost[] = {4, 6, 7, 8};
    int next = 0;
    for (int p = 0; p < 12; p++) {
        const bool is_lost = next < 4 && lost[next] == p;
        next += is_lost;
        k->lose = is_lost && before;
        put_request(k, c, 0, &m[p / 3], c->psn[0] + (uint32_t)p / 3 * 3, (uint32_t)p % 3);
    }
    k->lose = false;
    put_ack(k, c, 1, c->psn[0] + 4, 0x60);
    for (int p = 4, i = 0; p < 12; p++) {
        const bool is_lost = i < 4 && lost[i] == p;
        i += is_lost;
        if (!selective || is_lost) {
            put_request(k, c, 0, &m[p / 3], c->psn[0] + (uint32_t)p / 3 * 3, (uint32_t)p % 3);
        }
    }
    c->msn[1] = 4;
    put_ack(k, c, 1, c->psn[0] + 11, 0x1F);
    c->psn[0] += 12;
}

static void loss_on_the_wire_leaves_no_trace_in_the_operations(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct talk k;
        struct got g;
        struct conn c = rc(5, 6, 100);
        struct message m[] = {writes(3000, 1), sends(2900, 2), writes(2500, 3), sends(2049, 4)};
        talk_open(&k, PKT_ROCE2_V4);
        lossy_talk(&k, &c, m, how & 1, how & 2);
        import_talk(&k, NULL, &g);
        assert_int_equal(posted_count(&g, A, 5), 4);
        for (uint32_t i = 0; i < 4; i++) {
            check_message(&g, posted(&g, A, 5, i), &m[i], m[i].len);
        }
        const bool all_again = (how & 2) == 0;
        const uint64_t again = (all_again ? 8u : 4u) - (how & 1 ? 4u : 0u);
        assert_int_equal(g.sum.count[IMPORT_COUNT_retransmitted], again);
        assert_int_equal(g.sum.count[IMPORT_COUNT_nak_sequence], 1);
        assert_int_equal(g.sum.count[IMPORT_COUNT_request], 12);
        got_close(&g);
    }
}

static void packets_the_capture_lost_leave_holes_or_drop_a_send(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7);
    const struct message m[] = {writes(4096, 1), sends(4096, 2), sends(3000, 3), writes(3000, 4),
                                writes(8, 5)};
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t i = 0; i < 5; i++) {
        const uint32_t packets = packets_of(&m[i], 1024);
        for (uint32_t p = 0; p < packets; p++) {
            /* lost: second packet of 0 and 1; last of the SEND 2; last of the WRITE 3 */
            k.lose = (i < 2 && p == 1) || ((i == 2 || i == 3) && p == 2);
            put_request(&k, &c, 0, &m[i], c.psn[0], p);
        }
        k.lose = false;
        c.psn[0] += packets;
        c.msn[1]++;
        put_ack(&k, &c, 1, c.psn[0] - 1, 0x1F);
    }
    import_talk(&k, NULL, &g);
    assert_int_equal(posted_count(&g, A, 5), 4);
    check_message(&g, posted(&g, A, 5, 0), &m[0], 3072);
    check_message(&g, posted(&g, A, 5, 1), &m[1], 3072);
    assert_true(posted(&g, A, 5, 0)->op.recorded & HCT_REC_LEN);
    assert_false(posted(&g, A, 5, 1)->op.recorded & HCT_REC_LEN);
    check_message(&g, posted(&g, A, 5, 2), &m[3], 2048);
    assert_false(posted(&g, A, 5, 2)->op.recorded & HCT_REC_KIND);
    check_message(&g, posted(&g, A, 5, 3), &m[4], 8);
    assert_int_equal(g.sum.count[IMPORT_COUNT_cut_middle], 2);
    assert_int_equal(g.sum.messages_left_out, 1);
    got_close(&g);
}

static void a_cut_capture_loses_only_messages_without_start_or_size(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7), d = rc(8, 9, 7000), e = rc(10, 11, 9000);
    const struct message m[] = {sends(3000, 1), sends(700, 2), writes(3000, 3), sends(3000, 4),
                                reads(4096, 5)};
    talk_open(&k, PKT_ROCE2_V4);
    put_request(&k, &c, 0, &m[0], 7, 1); /* begins with the middle */
    put_request(&k, &c, 0, &m[0], 7, 2);
    put_ack(&k, &c, 1, 9, 0x1F);
    put_response(&k, &e, 1, &m[4], 9000, 2, 0); /* READ asked before the capture */
    put_response(&k, &e, 1, &m[4], 9000, 3, 0);
    c.psn[0] = 10;
    e.psn[0] = 9004;
    put_message(&k, &c, 0, &m[1]);
    put_message(&k, &e, 0, &m[4]);
    put_request(&k, &c, 0, &m[2], 11, 0); /* ends in the middle: a WRITE, a SEND, a READ */
    put_request(&k, &d, 0, &m[3], 7000, 0);
    put_request(&k, &e, 0, &m[4], 9008, 0);
    put_response(&k, &e, 1, &m[4], 9008, 0, 0);
    import_talk(&k, NULL, &g);
    assert_int_equal(posted_count(&g, A, 5), 2);
    check_message(&g, posted(&g, A, 5, 0), &m[1], 700);
    check_message(&g, posted(&g, A, 5, 1), &m[2], 1024);
    check_message(&g, posted(&g, A, 10, 0), &m[4], 4096);
    check_message(&g, posted(&g, A, 10, 1), &m[4], 1024);
    assert_int_equal(posted_count(&g, A, 10), 2);
    assert_false(posted(&g, A, 10, 1)->op.recorded & HCT_REC_EXPECT);
    assert_int_equal(g.sum.count[IMPORT_COUNT_cut_start], 2);
    assert_int_equal(g.sum.count[IMPORT_COUNT_orphan_response], 2);
    assert_int_equal(g.sum.count[IMPORT_COUNT_cut_end], 1);
    assert_int_equal(g.sum.messages_cut, 1);
    got_close(&g);
}

static void requests_alone_tell_all_but_read_data(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7);
    const struct message m[] = {writes(3000, 1), sends(900, 2), reads(5000, 3), writes(64, 4)};
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t packets = packets_of(&m[i], 1024);
        for (uint32_t p = 0; p < (m[i].kind == HCT_READ ? 1 : packets); p++) {
            put_request(&k, &c, 0, &m[i], c.psn[0], p);
        }
        c.psn[0] += packets;
    }
    import_talk(&k, NULL, &g);
    assert_int_equal(g.res->qps, 2);
    assert_int_equal(g.sum.pairs_one_sided, 1);
    for (uint32_t i = 0; i < 4; i++) { /* the number of the requester's QP is not known */
        const struct got_op *x = posted(&g, A, HCT_NONE, i);
        check_message(&g, x, &m[i], m[i].kind == HCT_READ ? 0 : m[i].len);
        assert_int_equal(x->op.payload,
                         m[i].kind == HCT_READ ? HCT_PAYLOAD_ABSENT : HCT_PAYLOAD_RECORDED);
    }
    got_close(&g);
}

static void responses_alone_tell_reads(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7);
    const struct message m[] = {reads(5000, 1), reads(64, 2)};
    talk_open(&k, PKT_ROCE2_V4);
    for (int i = 0; i < 2; i++) {
        const uint32_t packets = packets_of(&m[i], 1024);
        for (uint32_t p = 0; p < packets; p++) {
            put_response(&k, &c, 1, &m[i], c.psn[0], p, 0);
        }
        c.psn[0] += packets;
    }
    put_ack(&k, &c, 1, c.psn[0], 0x1F);
    import_talk(&k, NULL, &g);
    for (uint32_t i = 0; i < 2; i++) {
        const struct got_op *x = posted(&g, A, 5, i);
        assert_int_equal(hct_op_bytes(&x->op), m[i].len);
        assert_int_equal(x->held, m[i].len);
        assert_false(x->op.recorded & HCT_REC_REMOTE);
    }
    assert_int_equal(g.sum.count[IMPORT_COUNT_ack], 1);
    got_close(&g);
}

static void missing_read_responses_are_filled_when_asked_again(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7);
    const struct message m = reads(5000, 1), next = writes(8, 2);
    talk_open(&k, PKT_ROCE2_V4);
    put_request(&k, &c, 0, &m, 7, 0);
    for (uint32_t p = 0; p < 5; p++) {
        k.lose = p == 1 || p == 2; /* lost before the tap */
        put_response(&k, &c, 1, &m, 7, p, 0);
    }
    k.lose = false;
    put_request(&k, &c, 0, &m, 7, 1);
    for (uint32_t p = 1; p < 5; p++) {
        put_response(&k, &c, 1, &m, 7, p, 1);
    }
    c.psn[0] = 12;
    put_message(&k, &c, 0, &next);
    import_talk(&k, NULL, &g);
    check_message(&g, posted(&g, A, 5, 0), &m, 5000);
    check_message(&g, posted(&g, A, 5, 1), &next, 8);
    assert_int_equal(g.sum.count[IMPORT_COUNT_response], 5);
    assert_int_equal(g.sum.count[IMPORT_COUNT_response_again], 2);
    assert_int_equal(g.sum.count[IMPORT_COUNT_retransmitted], 1);
    got_close(&g);
}

static void qp_numbers_used_again_are_new_connections(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    talk_open(&k, PKT_ROCE2_V4);
    static const uint32_t start[] = {0x100, 0x900000, 0x123456, 0x20};
    for (uint32_t life = 0; life < 4; life++) {
        struct conn c = rc(5, 6, start[life]);
        for (uint32_t i = 0; i < 20; i++) {
            const struct message m = writes(64 + life, 1 + i);
            put_message(&k, &c, 0, &m);
        }
        k.t_ns += 50000000;
    }
    import_talk(&k, NULL, &g);
    assert_int_equal(g.res->qps, 8);
    assert_int_equal(g.sum.pairs_by_ack, 4);
    assert_int_equal(g.sum.reused, 6); /* three times in both directions */
    for (uint32_t i = 0, n = 0; i < g.ops; i++) {
        const struct hct_op *op = &g.op[i].op;
        assert_int_equal(hct_op_bytes(op), 64 + n / 20);
        assert_int_equal(g.res->qp[op->qp].sq_psn, start[n / 20]);
        n++;
    }
    got_close(&g);
}

static void a_short_life_ends_with_that_of_the_other_direction(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t life = 0; life < 3; life++) { /* acknowledgements alone would not tell */
        struct conn c = rc(5, 6, 0x100 + life * 0x100000);
        for (uint32_t i = 0; i < 4; i++) {
            const struct message m = writes(64, 1 + i);
            put_message(&k, &c, 0, &m);
        }
        k.t_ns += 50000000;
    }
    import_talk(&k, NULL, &g);
    assert_int_equal(g.res->qps, 6);
    assert_int_equal(g.sum.pairs_by_ack, 3);
    got_close(&g);
}

static void a_refused_message_and_what_follows_is_left_out(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7);
    const struct message m[] = {writes(64, 1), writes(3000, 2), sends(64, 3)};
    talk_open(&k, PKT_ROCE2_V4);
    put_message(&k, &c, 0, &m[0]);
    for (uint32_t p = 0; p < 3; p++) {
        put_request(&k, &c, 0, &m[1], 8, p);
    }
    put_request(&k, &c, 0, &m[2], 11, 0);
    put_ack(&k, &c, 1, 8, 0x62); /* remote access error */
    put_request(&k, &c, 0, &m[2], 12, 0);
    import_talk(&k, NULL, &g);
    assert_int_equal(posted_count(&g, A, 5), 1);
    assert_int_equal(g.sum.count[IMPORT_COUNT_refused], 5);
    assert_int_equal(g.sum.count[IMPORT_COUNT_nak_error], 1);
    got_close(&g);
}

static void rnr_naks_delay_but_do_not_change_messages(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7);
    const struct message m = sends(2000, 1);
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t try = 0; try < 3; try++) {
        put_request(&k, &c, 0, &m, 7, 0);
        put_request(&k, &c, 0, &m, 7, 1);
        put_ack(&k, &c, 1, try < 2 ? 7 : 8, try < 2 ? 0x2C : 0x1F);
    }
    import_talk(&k, NULL, &g);
    assert_int_equal(posted_count(&g, A, 5), 1);
    check_message(&g, posted(&g, A, 5, 0), &m, 2000);
    assert_int_equal(g.sum.count[IMPORT_COUNT_nak_rnr], 2);
    assert_int_equal(g.sum.count[IMPORT_COUNT_retransmitted], 4);
    got_close(&g);
}

static void invalidated_regions_are_registered_before_each_use(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7);
    const struct message w = {
        .kind = HCT_WRITE, .len = 4096, .rkey = 0x700, .va = 0x10000, .seed = 1};
    const struct message inv = {.kind = HCT_SEND_INV, .len = 16, .imm = 0x700, .seed = 2};
    talk_open(&k, PKT_ROCE2_V4);
    for (int i = 0; i < 3; i++) {
        put_message(&k, &c, 0, &w);
        put_message(&k, &c, 0, &inv);
    }
    import_talk(&k, NULL, &g);
    uint32_t registered = 0;
    bool valid = false;
    uint64_t reg = 0;
    for (uint32_t i = 0; i < g.ops; i++) {
        const struct hct_op *op = &g.op[i].op;
        if (op->kind == HCT_FAST_REG) {
            assert_false(valid);
            assert_int_equal(g.res->qp[op->qp].captured_qpn, 6);
            valid = true;
            reg = op->id;
            registered++;
        } else if (op->kind == HCT_WRITE) {
            bool waits = false;
            for (uint32_t d = 0; d < op->dep_count; d++) {
                waits |= op->dep[d].op == reg && op->dep[d].type == HCT_DEP_LOCAL;
            }
            assert_true(valid && waits);
            assert_true(g.res->mr[op->remote_mr].flags & HCT_MR_FAST);
        } else if (op->kind == HCT_SEND_INV) {
            assert_true(valid);
            assert_int_equal(op->key_mr, posted(&g, A, 5, 0)->op.remote_mr);
            valid = false;
        }
    }
    assert_int_equal(registered, 3);
    got_close(&g);
}

static void uc_messages_with_a_gap_are_dropped_as_the_receiver_does(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc(5, 6, 7);
    c.service = PKT_UC;
    const struct message m[] = {sends(3000, 1), writes(3000, 2), sends(2000, 3)};
    talk_open(&k, PKT_ROCE2_V4);
    put_message(&k, &c, 0, &m[0]);
    put_request(&k, &c, 0, &m[1], 10, 0);
    put_request(&k, &c, 0, &m[1], 10, 2);
    c.psn[0] = 13;
    put_message(&k, &c, 0, &m[2]);
    put_message(&k, &c, 1, &m[0]);
    import_talk(&k, NULL, &g);
    assert_int_equal(g.res->qp[0].type, HCT_QP_UC);
    assert_int_equal(g.sum.pairs_assumed, 1);
    assert_int_equal(posted_count(&g, A, 5), 2);
    check_message(&g, posted(&g, A, 5, 1), &m[2], 2000);
    check_message(&g, posted(&g, B, 6, 0), &m[0], 3000);
    assert_int_equal(g.sum.count[IMPORT_COUNT_cut_middle], 2);
    got_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_with_its_fields_and_bytes),
        cmocka_unit_test(loss_on_the_wire_leaves_no_trace_in_the_operations),
        cmocka_unit_test(packets_the_capture_lost_leave_holes_or_drop_a_send),
        cmocka_unit_test(a_cut_capture_loses_only_messages_without_start_or_size),
        cmocka_unit_test(requests_alone_tell_all_but_read_data),
        cmocka_unit_test(responses_alone_tell_reads),
        cmocka_unit_test(missing_read_responses_are_filled_when_asked_again),
        cmocka_unit_test(qp_numbers_used_again_are_new_connections),
        cmocka_unit_test(a_short_life_ends_with_that_of_the_other_direction),
        cmocka_unit_test(a_refused_message_and_what_follows_is_left_out),
        cmocka_unit_test(rnr_naks_delay_but_do_not_change_messages),
        cmocka_unit_test(invalidated_regions_are_registered_before_each_use),
        cmocka_unit_test(uc_messages_with_a_gap_are_dropped_as_the_receiver_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
