/* The importer at its limits, on unusual connections, and on what operations wait for. */
#include "tests/import_make.h"

static struct conn pair(uint8_t host_a, uint8_t host_b, uint32_t a, uint32_t b, uint32_t psn)
{
    return (struct conn){.host = {host_a, host_b},
                         .qpn = {a, b},
                         .psn = {psn, psn},
                         .sport = (uint16_t)(0xC000 | (a ^ b))};
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

#define A "10.0.0.1"
#define B "10.0.0.2"

/* ---- connections ---- */

static void both_ends_at_one_address_are_told_apart(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 1, 5, 6, 1000);
    c.psn[1] = 70000;
    const struct message m[] = {writes(3000, 1), sends(100, 2)};
    talk_open(&k, PKT_ROCE2_V4);
    for (int i = 0; i < 6; i++) {
        put_message(&k, &c, i & 1, &m[i & 1]);
    }
    import_talk(&k, NULL, &g);
    assert_int_equal(g.sum.hosts, 1);
    assert_int_equal(g.sum.qps, 2);
    for (uint32_t i = 0; i < 3; i++) {
        check_message(&g, posted(&g, A, 5, i), &m[0], 3000);
        check_message(&g, posted(&g, A, 6, i), &m[1], 100);
    }
    got_close(&g);
}

static void a_qp_connected_to_itself_is_its_own_peer(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 1, 5, 5, 1000);
    const struct message m = sends(2000, 1);
    talk_open(&k, PKT_ROCE2_V4);
    for (int i = 0; i < 5; i++) {
        put_message(&k, &c, 0, &m);
    }
    import_talk(&k, NULL, &g);
    assert_int_equal(g.sum.qps, 1);
    assert_int_equal(g.res->qp[0].peer, 0);
    assert_int_equal(posted_count(&g, A, 5), 5);
    got_close(&g);
}

/* 24 connections that send the same PSNs at the same time, answered in another order. */
static void connections_in_lockstep_are_paired_by_their_ports(void **state)
{
    (void)state;
    enum { N = 24 };
    struct talk k;
    struct got g;
    struct conn c[N];
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t i = 0; i < N; i++) {
        c[i] = pair(1, 2, 0x100 + i, 0x800 - 3 * i, 0);
        c[i].sport = (uint16_t)(0xC100 + i);
    }
    for (uint32_t r = 0; r < 5; r++) {
        for (uint32_t i = 0; i < N; i++) {
            const struct message m = writes(64, i);
            put_request(&k, &c[i], 0, &m, r, 0);
        }
        for (uint32_t i = N; i-- > 0;) {
            put_ack(&k, &c[i], 1, r, 0x1F);
        }
    }
    import_talk(&k, NULL, &g);
    for (uint32_t i = 0; i < N; i++) {
        const struct got_op *x = posted(&g, A, 0x100 + i, 4);
        assert_non_null(x);
        const struct hct_qp *q = &g.res->qp[x->op.qp];
        assert_int_equal(g.res->qp[q->peer].captured_qpn, 0x800 - 3 * i);
        assert_false(q->recorded & HCT_QREC_PEER); /* not proved by a PSN of its own */
    }
    got_close(&g);
}

/* ---- what operations wait for ---- */

static const struct hct_dep *dep_of(const struct got_op *x, uint8_t type)
{
    for (uint32_t i = 0; x != NULL && i < x->op.dep_count; i++) {
        if (x->op.dep[i].type == type) {
            return &x->op.dep[i];
        }
    }
    return NULL;
}

/* Eight requests in flight, each answered by one or by three messages. */
static void answers_wait_for_their_requests(void **state)
{
    (void)state;
    for (uint32_t each = 1; each <= 3; each += 2) {
        struct talk k;
        struct got g;
        struct conn c = pair(1, 2, 5, 6, 1000);
        const struct message ask = sends(64, 1), reply = writes(256, 2);
        uint32_t asked = 0, answered = 0;
        const uint32_t ends = each == 1 ? 57 : 60; /* some may be left open at the end */
        talk_open(&k, PKT_ROCE2_V4);
        while (answered < ends) {
            for (; asked < 60 && asked < answered + 8; asked++) {
                put_message(&k, &c, 0, &ask);
            }
            for (uint32_t i = 0; i < each; i++) { /* sent before the first is acknowledged */
                put_request(&k, &c, 1, &reply, c.psn[1] + i, 0);
            }
            c.psn[1] += each;
            c.msn[0] += each;
            put_ack(&k, &c, 0, c.psn[1] - 1, 0x1F);
            answered++;
        }
        import_talk(&k, NULL, &g);
        assert_int_equal(posted_count(&g, B, 6), ends * each);
        for (uint32_t i = 0; i < ends; i++) {
            const struct hct_dep *d = dep_of(posted(&g, B, 6, i * each), HCT_DEP_RECV);
            assert_non_null(d);
            assert_true(d->op >= posted(&g, A, 5, i)->op.id);
            /* not for the newest of the eight: they would be answered one at a time */
            assert_true(i < 4 || i + 8 > 60 || d->op < posted(&g, A, 5, i + 7)->op.id);
        }
        for (uint32_t i = 8; each == 1 && i < 60; i++) { /* requests wait for answers */
            const struct hct_dep *d = dep_of(posted(&g, A, 5, i), HCT_DEP_VISIBLE);
            assert_non_null(d);
            assert_int_equal(d->op, posted(&g, B, 6, i - 8)->op.id);
        }
        got_close(&g);
    }
}

/* One request open at a time, one or two answers to each. */
static void answers_of_changing_number_wait_for_the_last_arrival(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 2, 5, 6, 1000);
    const struct message ask = sends(64, 1), reply = sends(256, 2);
    uint32_t answers = 0;
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t i = 0; i < 40; i++) {
        put_message(&k, &c, 0, &ask);
        for (uint32_t n = 0; n < (i % 3 == 0 ? 2u : 1u); n++) {
            put_request(&k, &c, 1, &reply, c.psn[1]++, 0);
        }
        put_ack(&k, &c, 0, c.psn[1] - 1, 0x1F);
    }
    import_talk(&k, NULL, &g);
    for (uint32_t i = 0; i < 40; i++) {
        const struct hct_dep *d = dep_of(posted(&g, B, 6, answers), HCT_DEP_RECV);
        assert_non_null(d);
        assert_int_equal(d->op, posted(&g, A, 5, i)->op.id);
        answers += i % 3 == 0 ? 2u : 1u;
        if (i + 1 < 40) { /* and the next request for the last answer */
            d = dep_of(posted(&g, A, 5, i + 1), HCT_DEP_RECV);
            assert_non_null(d);
            assert_int_equal(d->op, posted(&g, B, 6, answers - 1)->op.id);
        }
    }
    got_close(&g);
}

/* Four requests open, one or two answers to each: the last arrival is not what an answer needs. */
static void pipelined_answers_of_changing_number_wait_for_no_message(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 2, 5, 6, 1000);
    const struct message ask = sends(64, 1), reply = sends(256, 2);
    uint32_t asked = 0;
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t i = 0; i < 40; i++) {
        for (; asked < 40 && asked < i + 4; asked++) {
            put_message(&k, &c, 0, &ask);
        }
        for (uint32_t n = 0; n < (i % 3 == 0 ? 2u : 1u); n++) {
            put_request(&k, &c, 1, &reply, c.psn[1]++, 0);
        }
        put_ack(&k, &c, 0, c.psn[1] - 1, 0x1F);
    }
    import_talk(&k, NULL, &g);
    for (uint32_t i = 0; i < posted_count(&g, B, 6); i++) {
        assert_null(dep_of(posted(&g, B, 6, i), HCT_DEP_RECV));
    }
    got_close(&g);
}

/* Writes both ways at once, seven and five in flight: no ping-pong, though messages cross. */
static void crossing_streams_are_windows_and_no_ping_pong(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 2, 5, 6, 1000);
    const struct message m = writes(1000, 1);
    uint32_t sent[2] = {0, 0}, acked[2] = {0, 0};
    uint64_t lcg = 5;
    talk_open(&k, PKT_ROCE2_V4);
    while (acked[0] < 100 || acked[1] < 100) {
        lcg = lcg * 6364136223846793005u + 1442695040888963407u;
        const int side = lcg >> 40 & 1;
        const uint32_t window = side ? 5 : 7;
        if (sent[side] < 100 && sent[side] < acked[side] + window && lcg >> 41 & 1) {
            put_request(&k, &c, side, &m, 1000 + sent[side]++, 0);
        } else if (acked[side] < sent[side]) {
            c.msn[!side]++;
            put_ack(&k, &c, !side, 1000 + acked[side]++, 0x1F);
        }
    }
    import_talk(&k, NULL, &g);
    for (int side = 0; side < 2; side++) {
        const uint32_t w = side ? 5 : 7;
        const char *host = side ? B : A;
        for (uint32_t i = 0; i < 100; i++) {
            const struct got_op *x = posted(&g, host, c.qpn[side], i);
            const struct hct_dep *d = dep_of(x, HCT_DEP_WINDOW);
            assert_int_equal(d != NULL, i >= w);
            if (d != NULL) {
                assert_int_equal(d->window_ops, w);
                assert_int_equal(d->op, posted(&g, host, c.qpn[side], i - w)->op.id);
            }
            assert_null(dep_of(x, HCT_DEP_VISIBLE));
            for (uint32_t n = 1; n < w && n <= i; n++) { /* source bytes in flight lie apart */
                const struct hct_sge *s = &x->op.sge[0];
                const struct hct_sge *t = &posted(&g, host, c.qpn[side], i - n)->op.sge[0];
                assert_true(s->off_bytes + s->len_bytes <= t->off_bytes ||
                            t->off_bytes + t->len_bytes <= s->off_bytes);
            }
        }
    }
    got_close(&g);
}

static void each_receive_waits_for_the_one_whose_buffer_it_takes(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 2, 5, 6, 1000);
    const struct message m = sends(500, 1);
    talk_open(&k, PKT_ROCE2_V4);
    for (int i = 0; i < 200; i++) {
        put_message(&k, &c, 0, &m);
    }
    import_talk(&k, NULL, &g);
    uint32_t recvs = 0, depth = 0;
    for (uint32_t i = 0; i < g.ops; i++) {
        const struct hct_op *op = &g.op[i].op;
        if (op->kind != HCT_RECV) {
            continue;
        }
        depth = g.res->qp[op->qp].rq_depth_entries;
        assert_int_equal(op->t_ps, 0);
        assert_int_equal(op->dep_count, recvs >= depth);
        if (recvs >= depth) { /* same bytes of the same region */
            const struct hct_op *old = &g.op[op->dep[0].op].op;
            assert_int_equal(op->dep[0].window_ops, depth);
            assert_int_equal(old->kind, HCT_RECV);
            assert_memory_equal(&old->sge[0], &op->sge[0], sizeof op->sge[0]);
        }
        recvs++;
    }
    assert_int_equal(recvs, 200);
    assert_true(depth < 200);
    got_close(&g);
}

/* ---- limits ---- */

static void large_messages_get_a_window_that_their_buffers_allow(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 2, 5, 6, 1000);
    const struct message m = {.kind = HCT_READ, .len = 64 << 20, .rkey = 1, .va = 0x1000};
    talk_open(&k, PKT_ROCE2_V4);
    for (int i = 0; i < 6; i++) { /* nothing tells how many were in flight */
        put_request(&k, &c, 0, &m, c.psn[0], 0);
        c.psn[0] += packets_of(&m, 1024);
    }
    import_talk(&k, NULL, &g);
    for (uint32_t i = 0; i < 6; i++) { /* 256 MiB are four of them */
        const struct hct_dep *d = dep_of(posted(&g, A, HCT_NONE, i), HCT_DEP_WINDOW);
        assert_int_equal(d != NULL, i >= 4);
        assert_true(d == NULL || d->window_ops == 4);
    }
    assert_non_null(strstr(g.report, "window 4 (as buffers allow"));
    got_close(&g);
}

/* A SEND that lasts while another connection moves `mib` MiB. */
static void long_talk(struct talk *k, uint32_t mib)
{
    struct conn c = pair(1, 2, 5, 6, 1000), d = pair(1, 2, 7, 8, 5000);
    const struct message slow = sends(8192, 1);
    k->mtu = 4096;
    put_request(k, &c, 0, &slow, 1000, 0);
    for (uint32_t i = 0; i < mib; i++) {
        const struct message m = writes(1 << 20, 100 + i);
        put_message(k, &d, 0, &m);
    }
    put_request(k, &c, 0, &slow, 1000, 1);
    put_ack(k, &c, 1, 1001, 0x1F);
}

static void payload_beyond_the_memory_goes_through_a_file(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    talk_open(&k, PKT_ROCE2_V4);
    long_talk(&k, 72); /* 64 MiB stay in memory */
    import_talk(&k, NULL, &g);
    const struct message slow = sends(8192, 1);
    check_message(&g, posted(&g, A, 5, 0), &slow, 8192);
    for (uint32_t i = 0; i < 72; i++) {
        const struct message m = writes(1 << 20, 100 + i);
        check_message(&g, posted(&g, A, 7, i), &m, 1 << 20);
    }
    got_close(&g);
}

static void over_the_payload_limit_the_oldest_message_is_left_out(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    const struct import_options opt = {.spool_bytes_max = 1 << 20};
    talk_open(&k, PKT_ROCE2_V4);
    long_talk(&k, 4);
    import_talk(&k, &opt, &g);
    assert_int_equal(posted_count(&g, A, 5), 0);
    assert_int_equal(g.sum.count[IMPORT_COUNT_no_room], 2);
    for (uint32_t i = 0; i < 4; i++) {
        const struct message m = writes(1 << 20, 100 + i);
        check_message(&g, posted(&g, A, 7, i), &m, 1 << 20);
    }
    got_close(&g);
}

static void a_missing_packet_is_waited_for_over_512_others(void **state)
{
    (void)state;
    for (uint32_t behind = 400; behind <= 600; behind += 200) {
        struct talk k;
        struct got g;
        struct conn c = pair(1, 2, 5, 6, 1000);
        const struct message m = writes(8, 1);
        const bool in_time = behind < IMPORT_HELD_PER_HALF_MAX;
        talk_open(&k, PKT_ROCE2_V4);
        put_request(&k, &c, 0, &m, 1000, 0);
        for (uint32_t i = 0; i < 1500; i++) { /* 1001 comes late; nobody acknowledges */
            put_request(&k, &c, 0, &m, 1002 + i, 0);
            if (i == behind) {
                put_request(&k, &c, 0, &m, 1001, 0);
            }
        }
        import_talk(&k, NULL, &g);
        assert_int_equal(posted_count(&g, A, HCT_NONE), in_time ? 1502 : 1501);
        assert_int_equal(g.sum.count[IMPORT_COUNT_retransmitted], !in_time);
        got_close(&g);
    }
}

static void too_many_queue_pairs_end_the_import_with_the_limit(void **state)
{
    (void)state;
    struct talk k;
    struct conn c = pair(1, 2, 5, 6, 0);
    struct hct_error err;
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t i = 0; i <= IMPORT_UD_QPS_MAX; i++) {
        struct pkt_hdr h = head(&k, &c, 0, PKT_OP_UD_SEND_ONLY, i);
        h.sqpn = 2;
        h.dqpn = 2 + i;
        talk_packet(&k, &h, NULL, 0);
    }
    talk_close(&k);
    assert_int_equal(hct_import(k.path, NULL, NULL, NULL, NULL, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "65536 UD QPs"));
    (void)unlink(k.path);
}

static void a_file_that_ends_inside_a_frame_is_imported_up_to_there(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 2, 5, 6, 1000);
    const struct message m = writes(500, 1);
    talk_open(&k, PKT_ROCE2_V4);
    for (int i = 0; i < 5; i++) {
        put_message(&k, &c, 0, &m);
    }
    talk_close(&k);
    FILE *f = fopen(k.path, "rb");
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    const long size = ftell(f);
    (void)fclose(f);
    assert_int_equal(truncate(k.path, size - 20), 0); /* inside the last ACK */
    import_file(k.path, NULL, &g);
    assert_true(g.sum.truncated);
    assert_non_null(strstr(g.report, "ends inside a record"));
    assert_int_equal(g.sum.frames, 9);
    assert_int_equal(posted_count(&g, A, 5), 5);
    assert_false(posted(&g, A, 5, 4)->op.recorded & HCT_REC_EXPECT);
    got_close(&g);
    assert_int_equal(truncate(k.path, 10), 0);
    struct hct_error err;
    assert_int_equal(hct_import(k.path, NULL, NULL, NULL, NULL, &err), HCT_BAD);
    (void)unlink(k.path);
}

static void impossible_addresses_and_lengths_are_left_out(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = pair(1, 2, 5, 6, 1000);
    const struct message good = writes(64, 1);
    struct message high = good, longer = {.kind = HCT_READ, .len = (1u << 31) + 1, .rkey = 1};
    high.va = UINT64_MAX - 60;
    talk_open(&k, PKT_ROCE2_V4);
    put_message(&k, &c, 0, &good);
    put_message(&k, &c, 0, &high);
    put_request(&k, &c, 0, &longer, c.psn[0], 0);
    c.psn[0] += packets_of(&longer, 1024);
    put_message(&k, &c, 0, &good);
    import_talk(&k, NULL, &g);
    assert_int_equal(posted_count(&g, A, 5), 2);
    assert_int_equal(g.sum.count[IMPORT_COUNT_bad_address], 2);
    got_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_at_one_address_are_told_apart),
        cmocka_unit_test(a_qp_connected_to_itself_is_its_own_peer),
        cmocka_unit_test(connections_in_lockstep_are_paired_by_their_ports),
        cmocka_unit_test(answers_wait_for_their_requests),
        cmocka_unit_test(answers_of_changing_number_wait_for_the_last_arrival),
        cmocka_unit_test(pipelined_answers_of_changing_number_wait_for_no_message),
        cmocka_unit_test(crossing_streams_are_windows_and_no_ping_pong),
        cmocka_unit_test(each_receive_waits_for_the_one_whose_buffer_it_takes),
        cmocka_unit_test(large_messages_get_a_window_that_their_buffers_allow),
        cmocka_unit_test(payload_beyond_the_memory_goes_through_a_file),
        cmocka_unit_test(over_the_payload_limit_the_oldest_message_is_left_out),
        cmocka_unit_test(a_missing_packet_is_waited_for_over_512_others),
        cmocka_unit_test(too_many_queue_pairs_end_the_import_with_the_limit),
        cmocka_unit_test(a_file_that_ends_inside_a_frame_is_imported_up_to_there),
        cmocka_unit_test(impossible_addresses_and_lengths_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
