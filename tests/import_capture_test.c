/* The importer on the capture that ships with the project and on others made from it; and what
 * operations are found to wait for. */
#include "tests/import_make.h"
#include "tests/remix.h"

#define SHIPPED HCA_SOURCE_DIR "/traces/captures/softroce-perftest.pcap.gz"

/* Sum over all pieces of the payload of one direction: order and cutting do not matter. */
static uint64_t sum_piece(const uint8_t *bytes, uint64_t len)
{
    uint64_t h = len;
    for (uint64_t i = 0; i < len; i++) {
        h = (h ^ bytes[i]) * 0x100000001B3u;
    }
    return h ^ h >> 29;
}

/* From the capture itself, with no help of the importer: payload of each PSN once. The times of
 * soft-RoCE allow it: no PSN of a direction means two packets there. */
static uint64_t sum_of_capture(uint64_t *packets)
{
    static uint64_t seen[1 << 15];
    struct capture *c;
    struct capture_error err;
    struct capture_record r;
    struct pkt_hdr h;
    struct pkt_view v;
    uint64_t sum = 0;
    memset(seen, 0, sizeof seen);
    *packets = 0;
    assert_int_equal(capture_open(SHIPPED, &c, &err), CAPTURE_OK);
    while (capture_next(c, &r) == CAPTURE_OK) {
        if (pkt_parse(r.data, r.caplen, PKT_LINK_ETHERNET, &h, &v) != PKT_OK ||
            pkt_opcode(h.opcode)->payload == PKT_PAYLOAD_NONE) {
            continue;
        }
        const bool response = pkt_opcode(h.opcode)->role == PKT_RESPONSE;
        const uint64_t key = ((uint64_t)h.dgid[15] << 56 | (uint64_t)response << 50 |
                              (uint64_t)h.dqpn << 24 | h.psn) +
                             1;
        uint32_t at = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 49);
        while (seen[at] != 0 && seen[at] != key) {
            at = (at + 1) % (1 << 15);
        }
        if (seen[at] == 0) {
            seen[at] = key;
            sum += sum_piece(r.data + v.payload_offset, v.payload_len);
            ++*packets;
        }
    }
    capture_close(c);
    return sum;
}

static uint64_t sum_of_trace(const struct got *g, uint64_t *packets)
{
    uint64_t sum = 0;
    *packets = 0;
    for (uint32_t i = 0; i < g->ops; i++) {
        const struct got_op *x = &g->op[i];
        const uint64_t len = hct_op_bytes(&x->op);
        if (x->op.kind == HCT_RECV || x->op.kind == HCT_FAA) {
            continue;
        }
        for (uint64_t off = 0; off < len; off += 1024) {
            sum += sum_piece(x->bytes + off, len - off < 1024 ? len - off : 1024);
            ++*packets;
        }
    }
    return sum;
}

static void the_shipped_capture_is_imported_to_the_last_packet(void **state)
{
    (void)state;
    struct got g;
    import_file(SHIPPED, NULL, &g);
    /* What perftest and ibv_rc_pingpong were told to do, traces/captures/README.md; frames by
     * opcode: tshark. */
    assert_int_equal(g.sum.frames, 7476);
    assert_int_equal(g.sum.count[IMPORT_COUNT_not_rdma], 324);
    assert_int_equal(g.sum.count[IMPORT_COUNT_response], 80 + 640 + 80 + 40);
    assert_int_equal(g.sum.count[IMPORT_COUNT_ack] + g.sum.count[IMPORT_COUNT_nak_sequence],
                     1192 + 339);
    assert_int_equal(g.sum.count[IMPORT_COUNT_request] + g.sum.count[IMPORT_COUNT_retransmitted],
                     7152 - 840 - 1531);
    assert_int_equal(g.sum.messages[HCT_WRITE], 40 + 40 + 30 + 30 + 40);
    assert_int_equal(g.sum.messages[HCT_SEND], 40 + 40 + 4 * 200 + 40 + 40 + 40 + 40);
    assert_int_equal(g.sum.messages[HCT_READ], 40 + 40);
    assert_int_equal(g.sum.messages[HCT_FAA], 40);
    assert_int_equal(g.sum.pairs_by_ack, 12);
    assert_int_equal(g.sum.pairs_assumed + g.sum.pairs_one_sided, 0);
    assert_int_equal(g.sum.hosts, 2);
    assert_int_equal(g.sum.qps, 26);
    assert_int_equal(g.sum.payload_bytes, g.sum.message_bytes);
    got_close(&g);
}

static void the_trace_holds_the_payload_of_the_shipped_capture(void **state)
{
    (void)state;
    struct got g;
    uint64_t in_capture, in_trace;
    import_file(SHIPPED, NULL, &g);
    const uint64_t want = sum_of_capture(&in_capture);
    const uint64_t have = sum_of_trace(&g, &in_trace);
    assert_int_equal(in_trace, in_capture);
    assert_true(have == want);
    for (uint64_t n = 0; n < 40; n++) { /* perftest adds 1 each time, starting from 0 */
        const struct got_op *x = posted(&g, "10.0.0.2", 0x1B, (uint32_t)n);
        uint64_t orig;
        memcpy(&orig, x->bytes, 8);
        uint64_t before = orig;
        if (n > 0) {
            memcpy(&before, posted(&g, "10.0.0.2", 0x1B, (uint32_t)n - 1)->bytes, 8);
            assert_true(orig == before + x->op.swap_add);
        }
    }
    got_close(&g);
}

static const struct hct_dep *dep_of(const struct hct_op *op, uint8_t type)
{
    for (uint32_t i = 0; i < op->dep_count; i++) {
        if (op->dep[i].type == type) {
            return &op->dep[i];
        }
    }
    return NULL;
}

static void the_ping_pongs_of_the_shipped_capture_are_found(void **state)
{
    (void)state;
    static const struct {
        uint32_t qpn, n;
        uint8_t type;
    } row[] = {{0x11, 40, HCT_DEP_VISIBLE},
               {0x12, 30, HCT_DEP_VISIBLE},
               {0x13, 40, HCT_DEP_RECV},
               {0x1C, 40, HCT_DEP_RECV},
               {0x1D, 40, HCT_DEP_RECV}};
    struct got g;
    import_file(SHIPPED, NULL, &g);
    for (size_t r = 0; r < sizeof row / sizeof row[0]; r++) {
        for (int host = 1; host <= 2; host++) {
            const char *own = host == 1 ? "10.0.0.1" : "10.0.0.2";
            const char *other = host == 1 ? "10.0.0.2" : "10.0.0.1";
            const bool leads =
                posted(&g, own, row[r].qpn, 0)->op.id < posted(&g, other, row[r].qpn, 0)->op.id;
            for (uint32_t i = leads; i < row[r].n; i++) {
                const struct hct_dep *d = dep_of(&posted(&g, own, row[r].qpn, i)->op, row[r].type);
                assert_non_null(d);
                assert_int_equal(d->op, posted(&g, other, row[r].qpn, i - leads)->op.id);
            }
        }
    }
    /* READs one after the other, and four at once */
    assert_int_equal(dep_of(&posted(&g, "10.0.0.2", 0x14, 9)->op, HCT_DEP_WINDOW)->window_ops, 1);
    assert_int_equal(dep_of(&posted(&g, "10.0.0.2", 0x1A, 9)->op, HCT_DEP_WINDOW)->window_ops, 4);
    /* the second test begins when the first has ended */
    const struct hct_dep *d = dep_of(&posted(&g, "10.0.0.2", 0x14, 0)->op, HCT_DEP_LOCAL);
    assert_non_null(d);
    assert_int_equal(g.res->qp[g.op[d->op].op.qp].captured_qpn, 0x13);
    assert_non_null(strstr(g.report, "waits for arrival i-1 (39 of 39 exactly then)"));
    got_close(&g);
}

static void without_sequence_connections_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct got g;
    const struct import_options opt = {.no_sequence = true};
    import_file(SHIPPED, &opt, &g);
    for (uint32_t i = 0; i < g.ops; i++) {
        assert_null(dep_of(&g.op[i].op, HCT_DEP_LOCAL));
    }
    got_close(&g);
}

/* ---- captures made from it ---- */

static void same_messages(const struct got *a, const struct got *b, const struct remix_options *o)
{
    for (uint32_t q = 0; q < a->res->qps; q++) {
        const struct hct_qp *x = &a->res->qp[q];
        const char *host = a->res->host[x->pd].name;
        const uint32_t qpn =
            remix_qpn(o, (uint8_t)(strcmp(host, "10.0.0.1") == 0 ? 1 : 2), x->captured_qpn);
        const uint32_t n = posted_count(a, host, x->captured_qpn);
        assert_int_equal(posted_count(b, host, qpn), n);
        for (uint32_t i = 0; i < n; i++) {
            const struct got_op *m = posted(a, host, x->captured_qpn, i);
            const struct got_op *w = posted(b, host, qpn, i);
            assert_int_equal(m->op.kind, w->op.kind);
            assert_int_equal(hct_op_bytes(&m->op), hct_op_bytes(&w->op));
            assert_int_equal(m->held, w->held);
            assert_memory_equal(m->bytes, w->bytes, hct_op_bytes(&m->op));
        }
        if (n > 0 && x->peer != HCT_NONE) { /* still paired with the right one */
            const struct hct_qp *y = &b->res->qp[posted(b, host, qpn, 0)->op.qp];
            const char *other = strcmp(host, "10.0.0.1") == 0 ? "10.0.0.2" : "10.0.0.1";
            assert_int_equal(
                b->res->qp[y->peer].captured_qpn,
                remix_qpn(o, (uint8_t)(other[7] - '0'), a->res->qp[x->peer].captured_qpn));
        }
    }
}

/* A capture of this test process; the caller unlinks it. */
static const char *pcap_path(void)
{
    static char path[512];

    (void)snprintf(path, sizeof path, HCA_TMP_DIR "/hcasim-remix-%ld.pcap", (long)getpid());
    return path;
}

static void moving_and_renumbering_connections_changes_no_message(void **state)
{
    (void)state;
    struct got a, b;
    const char *const path = pcap_path();
    import_file(SHIPPED, NULL, &a);
    for (uint32_t seed = 1; seed <= 3; seed++) {
        const struct remix_options o = {.seed = seed, .shift_ns_max = 20000000000};
        assert_int_equal(remix(SHIPPED, path, &o), 7476);
        import_file(path, NULL, &b);
        assert_int_equal(b.sum.count[IMPORT_COUNT_icrc], 0);
        assert_int_equal(b.sum.pairs_by_ack, 12);
        assert_int_equal(b.sum.messages_left_out, 0);
        same_messages(&a, &b, &o);
        got_close(&b);
    }
    got_close(&a);
    (void)unlink(path);
}

static void cutting_both_ends_costs_only_what_was_cut(void **state)
{
    (void)state;
    const char *const path = pcap_path();
    for (uint32_t cut = 1; cut < 3200; cut += 517) {
        struct got g;
        const struct remix_options o = {
            .seed = cut, .shift_ns_max = 30000000000, .cut_first = cut, .cut_last = cut + 5};
        const uint32_t frames = remix(SHIPPED, path, &o);
        assert_int_equal(frames, 7476 - 2 * cut - 5);
        import_file(path, NULL, &g);
        const uint64_t *c = g.sum.count;
        const uint64_t left = c[IMPORT_COUNT_cut_start] + c[IMPORT_COUNT_cut_end] +
                              c[IMPORT_COUNT_cut_middle] + c[IMPORT_COUNT_orphan_response];
        uint64_t left_out = 0;
        for (int i = 0; i < IMPORT_COUNTS; i++) {
            left_out += import_count_rows[i].group == IMPORT_LEFT_OUT ? c[i] : 0;
        }
        /* a few packets per connection that was alive at an end, nothing for another reason */
        assert_int_equal(left_out, left + c[IMPORT_COUNT_not_rdma]);
        assert_true(left < 12 * 66);
        got_close(&g);
    }
    (void)unlink(path);
}

static void a_header_only_copy_gives_the_same_sizes(void **state)
{
    (void)state;
    struct got a, b;
    const char *const path = pcap_path();
    const struct remix_options o = {.keep_numbers = true, .snap = 82};
    import_file(SHIPPED, NULL, &a);
    assert_int_equal(remix(SHIPPED, path, &o), 7476);
    import_file(path, NULL, &b);
    assert_int_equal(a.ops, b.ops);
    for (uint32_t i = 0; i < a.ops; i++) {
        assert_int_equal(a.op[i].op.kind, b.op[i].op.kind);
        assert_int_equal(hct_op_bytes(&a.op[i].op), hct_op_bytes(&b.op[i].op));
    }
    assert_true(b.sum.header_only > 3000);
    got_close(&a);
    got_close(&b);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_capture_is_imported_to_the_last_packet),
        cmocka_unit_test(the_trace_holds_the_payload_of_the_shipped_capture),
        cmocka_unit_test(the_ping_pongs_of_the_shipped_capture_are_found),
        cmocka_unit_test(without_sequence_connections_do_not_wait_for_each_other),
        cmocka_unit_test(moving_and_renumbering_connections_changes_no_message),
        cmocka_unit_test(cutting_both_ends_costs_only_what_was_cut),
        cmocka_unit_test(a_header_only_copy_gives_the_same_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
