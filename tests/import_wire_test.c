/* The importer on every kind of frame: wires, tags, tunnels, mirrored copies, cut frames, wrong
 * ICRCs, and what is no workload. */
#include "model/packet/bytes.h"
#include "tests/import_make.h"

static struct conn rc(void)
{
    return (struct conn){.host = {1, 2}, .qpn = {0x11, 0x22}, .psn = {100, 9000}, .sport = 0xC123};
}

static const struct message mix[] = {
    {.kind = HCT_SEND, .len = 3000, .seed = 1},
    {.kind = HCT_WRITE, .len = 2048, .rkey = 9, .va = 0x2000, .seed = 2},
    {.kind = HCT_READ, .len = 1500, .rkey = 9, .va = 0x9000, .seed = 3},
    {.kind = HCT_FAA, .rkey = 9, .va = 0x8000, .swap_add = 3, .orig = 12},
    {.kind = HCT_SEND_IMM, .len = 10, .imm = 5, .seed = 4},
};
enum { MIX = sizeof mix / sizeof mix[0] };

static void put_mix(struct talk *k)
{
    struct conn c = rc();
    for (uint32_t i = 0; i < MIX; i++) {
        put_message(k, &c, 0, &mix[i]);
    }
}

static const char *host_of(uint8_t wire)
{
    switch (wire) {
    case PKT_ROCE2_V4: return "10.0.0.1";
    case PKT_IB_LOCAL:
    case PKT_IB_GLOBAL: return "lid 1";
    default: return "fd00:0:0:0:0:0:0:1";
    }
}

static void check_mix(struct got *g, uint8_t wire, bool payload)
{
    assert_int_equal(posted_count(g, host_of(wire), 0x11), MIX);
    for (uint32_t i = 0; i < MIX; i++) {
        const bool atomic = mix[i].kind == HCT_FAA;
        check_message(g, posted(g, host_of(wire), 0x11, i), &mix[i],
                      atomic    ? 8
                      : payload ? mix[i].len
                                : 0);
    }
    assert_int_equal(g->sum.pairs_by_ack, 1);
    got_close(g);
}

static void all_wires_and_tags_give_the_same_operations(void **state)
{
    (void)state;
    for (uint8_t wire = 0; wire < PKT_WIRES; wire++) {
        for (uint8_t tags = 0; tags < (wire >= PKT_IB_LOCAL ? 1 : 3); tags++) {
            struct talk k;
            struct got g;
            talk_open(&k, wire);
            k.vlan_tags = tags;
            put_mix(&k);
            import_talk(&k, NULL, &g);
            assert_int_equal(g.sum.icrc_checked, g.sum.frames);
            check_mix(&g, wire, true);
        }
    }
}

static void mirrored_frames_count_once_whatever_was_rewritten(void **state)
{
    (void)state;
    for (uint8_t wire = 0; wire < PKT_WIRES; wire++) {
        struct talk k;
        struct got g;
        talk_open(&k, wire);
        k.vlan_tags = wire < PKT_IB_LOCAL;
        k.ip_id = wire == PKT_ROCE2_V4;
        k.twice = true;
        put_mix(&k);
        import_talk(&k, NULL, &g);
        assert_int_equal(g.sum.count[IMPORT_COUNT_mirrored], g.sum.frames / 2);
        assert_int_equal(g.sum.count[IMPORT_COUNT_retransmitted], 0);
        check_mix(&g, wire, true);
    }
}

static void equal_frames_far_apart_are_retransmissions(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc();
    talk_open(&k, PKT_ROCE1);
    put_request(&k, &c, 0, &mix[4], 100, 0);
    k.t_ns += 4000000; /* an ACK timeout later, byte for byte the same */
    put_request(&k, &c, 0, &mix[4], 100, 0);
    put_ack(&k, &c, 1, 100, 0x1F);
    import_talk(&k, NULL, &g);
    assert_int_equal(g.sum.count[IMPORT_COUNT_mirrored], 0);
    assert_int_equal(g.sum.count[IMPORT_COUNT_retransmitted], 1);
    assert_int_equal(posted_count(&g, host_of(PKT_ROCE1), 0x11), 1);
    got_close(&g);
}

static void headers_alone_give_sizes_without_payload(void **state)
{
    (void)state;
    for (uint8_t wire = 0; wire < PKT_WIRES; wire++) {
        struct talk k;
        struct got g;
        talk_open(&k, wire);
        k.snap = 14 + 40 + 8 + 12 + 28; /* the longest headers of these */
        k.snap = wire == PKT_ROCE2_V4 ? 82 : wire >= PKT_IB_LOCAL ? 88 : k.snap;
        const uint32_t longest = wire == PKT_IB_LOCAL ? 8 + 12 + 28 : k.snap;
        k.snap = longest;
        put_mix(&k);
        import_talk(&k, NULL, &g);
        assert_true(g.sum.header_only > 0);
        assert_int_equal(posted_count(&g, host_of(wire), 0x11), MIX);
        for (uint32_t i = 0; i < MIX; i++) {
            const struct got_op *x = posted(&g, host_of(wire), 0x11, i);
            assert_int_equal(hct_op_bytes(&x->op), mix[i].kind == HCT_FAA ? 8 : mix[i].len);
            assert_true(x->op.recorded & HCT_REC_LEN);
        }
        got_close(&g);
    }
}

static void no_payload_keeps_atomics_only(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    const struct import_options opt = {.no_payload = true};
    talk_open(&k, PKT_ROCE2_V4);
    put_mix(&k);
    import_talk(&k, &opt, &g);
    check_mix(&g, PKT_ROCE2_V4, false);
}

static void a_wrong_icrc_is_as_good_as_loss_unless_kept(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        struct talk k;
        struct got g;
        struct conn c = rc();
        const struct import_options opt = {.keep_bad_icrc = keep};
        talk_open(&k, PKT_ROCE2_V4);
        put_message(&k, &c, 0, &mix[4]);
        k.corrupt = true;
        put_request(&k, &c, 0, &mix[0], 101, 0);
        k.corrupt = false;
        put_request(&k, &c, 0, &mix[0], 101, 1);
        put_request(&k, &c, 0, &mix[0], 101, 2);
        if (!keep) {
            put_request(&k, &c, 0, &mix[0], 101, 0);
        }
        put_ack(&k, &c, 1, 103, 0x1F);
        import_talk(&k, &opt, &g);
        assert_int_equal(g.sum.count[IMPORT_COUNT_icrc], !keep);
        check_message(&g, posted(&g, "10.0.0.1", 0x11, 1), &mix[0], 3000);
        got_close(&g);
    }
}

/* ---- tunnels ---- */

/* Outer Ethernet, IPv4 and, with a port, UDP; returns the bytes written. */
static uint32_t outer(uint8_t *to, uint8_t protocol, uint16_t port, uint32_t inner)
{
    memset(to, 0, 64);
    be16_put(to + 12, 0x0800);
    to[14] = 0x45;
    be16_put(to + 16, (port != 0 ? 28 : 20) + inner);
    to[22] = 64;
    to[23] = protocol;
    to[26] = to[30] = 172;
    to[33] = 9;
    if (port == 0) {
        return 34;
    }
    be16_put(to + 36, port);
    be16_put(to + 38, 8 + inner);
    return 42;
}

static uint32_t put_inner(uint8_t *to, uint32_t at, const uint8_t *frame, uint32_t len)
{
    memcpy(to + at, frame, len);
    return at + len;
}

static uint32_t vxlan(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    const uint32_t at = outer(to, 17, 4789, len + 8);
    memset(to + at, 0, 8);
    to[at] = 8;
    return put_inner(to, at + 8, frame, len);
}

static uint32_t geneve(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    const uint32_t at = outer(to, 17, 6081, len + 16);
    memset(to + at, 0, 16);
    to[at] = 2; /* two words of options */
    be16_put(to + at + 2, 0x6558);
    return put_inner(to, at + 16, frame, len);
}

static uint32_t gre(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    const uint32_t at = outer(to, 47, 0, len + 8);
    be16_put(to + at, 0x2000); /* with a key */
    be16_put(to + at + 2, 0x6558);
    be32_put(to + at + 4, 77);
    return put_inner(to, at + 8, frame, len);
}

static uint32_t gre_ip(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    const uint32_t at = outer(to, 47, 0, len - 14 + 4);
    be16_put(to + at, 0);
    be16_put(to + at + 2, 0x0800);
    return put_inner(to, at + 4, frame + 14, len - 14);
}

static uint32_t erspan2(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    const uint32_t at = outer(to, 47, 0, len + 16);
    memset(to + at, 0, 16);
    be16_put(to + at, 0x1000);
    be16_put(to + at + 2, 0x88BE);
    to[at + 8] = 0x10;
    return put_inner(to, at + 16, frame, len);
}

static uint32_t erspan3(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    const uint32_t at = outer(to, 47, 0, len + 28);
    memset(to + at, 0, 28);
    be16_put(to + at, 0x1000);
    be16_put(to + at + 2, 0x22EB);
    to[at + 8] = 0x20;
    to[at + 19] = 1; /* platform subheader follows */
    return put_inner(to, at + 28, frame, len);
}

static uint32_t mpls(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    memset(to, 0, 14);
    be16_put(to + 12, 0x8847);
    be32_put(to + 14, 0x00010040);
    be32_put(to + 18, 0x00020140); /* bottom of stack */
    return put_inner(to, 22, frame + 14, len - 14);
}

static uint32_t mpls_wire(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    memset(to, 0, 22);
    be16_put(to + 12, 0x8848);
    be32_put(to + 14, 0x00020140); /* then a control word */
    return put_inner(to, 22, frame, len);
}

static uint32_t ip_in_ip(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    return put_inner(to, outer(to, 4, 0, len - 14), frame + 14, len - 14);
}

static uint32_t vlan3(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    memcpy(to, frame, 12);
    for (uint32_t i = 0; i < 3; i++) {
        be32_put(to + 12 + 4 * i, 0x81000001 + i);
    }
    return put_inner(to, 24, frame + 12, len - 12);
}

static uint32_t vxlan_in_gre(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    static uint8_t middle[8192];
    return gre(to, middle, vxlan(middle, frame, len));
}

static uint32_t esp(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    return put_inner(to, outer(to, 50, 0, len), frame, len);
}

static uint32_t macsec(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    memset(to, 0, 14);
    be16_put(to + 12, 0x88E5);
    return put_inner(to, 14, frame, len);
}

static uint32_t gtp(uint8_t *to, const uint8_t *frame, uint32_t len)
{
    return put_inner(to, outer(to, 17, 2152, len), frame, len);
}

static void known_tunnels_are_taken_off(void **state)
{
    (void)state;
    static const struct {
        uint32_t (*wrap)(uint8_t *, const uint8_t *, uint32_t);
        const char *name;
    } row[] = {{vxlan, "VXLAN"},      {geneve, "GENEVE"},          {gre, "GRE"},
               {gre_ip, "GRE"},       {erspan2, "ERSPAN type II"}, {erspan3, "ERSPAN type III"},
               {mpls, "MPLS"},        {mpls_wire, "MPLS"},         {ip_in_ip, "IP in IP"},
               {vlan3, "VLAN stack"}, {vxlan_in_gre, "VXLAN"}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct talk k;
        struct got g;
        talk_open(&k, PKT_ROCE2_V4);
        k.wrap = row[i].wrap;
        put_mix(&k);
        import_talk(&k, NULL, &g);
        assert_int_equal(g.sum.stripped, g.sum.frames);
        assert_non_null(strstr(g.report, row[i].name));
        check_mix(&g, PKT_ROCE2_V4, true);
    }
}

static void other_tunnels_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        uint32_t (*wrap)(uint8_t *, const uint8_t *, uint32_t);
        const char *name;
    } row[] = {{esp, "refused: IPsec ESP"}, {macsec, "refused: MACsec"}, {gtp, "refused: GTP-U"}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct talk k;
        struct got g;
        talk_open(&k, PKT_ROCE2_V4);
        put_mix(&k);
        const uint64_t plain = k.frames;
        k.wrap = row[i].wrap;
        put_mix(&k);
        import_talk(&k, NULL, &g);
        assert_int_equal(g.sum.count[IMPORT_COUNT_tunnel], g.sum.frames - plain);
        assert_non_null(strstr(g.report, row[i].name));
        check_mix(&g, PKT_ROCE2_V4, true);
    }
}

/* ---- what is no workload ---- */

static void frames_that_carry_no_message_are_counted_by_reason(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc();
    uint8_t bytes[256] = {0}, raw[64] = {0};
    talk_open(&k, PKT_ROCE2_V4);
    put_mix(&k);
    struct pkt_hdr h = head(&k, &c, 0, PKT_OP_CNP, 0);
    talk_packet(&k, &h, NULL, 0);
    h = head(&k, &c, 0, PKT_OP_UD_SEND_ONLY, 1);
    h.dqpn = h.sqpn = 1;
    h.qkey = 0x80010000;
    talk_packet(&k, &h, bytes, 256); /* a MAD */
    h.dqpn = 0xFFFFFF;
    h.sqpn = 0x40;
    talk_packet(&k, &h, bytes, 8); /* multicast */
    h = head(&k, &c, 0, PKT_OP_XRC_SEND_ONLY, 1);
    talk_packet(&k, &h, bytes, 8);
    h = head(&k, &c, 0, PKT_OP_RC_SEND_ONLY, 5000000);
    h.dqpn = 0x22;
    talk_packet(&k, &h, bytes, 8); /* not where the connection is */
    struct pkt_hdr pfc = {.pfc_enable = 8};
    pkt_build_pfc(&pfc, raw);
    talk_write(&k, raw, PKT_PFC_BYTES);
    be16_put(raw + 12, 0x0806); /* ARP */
    talk_write(&k, raw, 60);
    be16_put(raw + 12, 0x0800);
    talk_write(&k, raw, 20);
    import_talk(&k, NULL, &g);
    static const uint8_t once[] = {
        IMPORT_COUNT_cnp, IMPORT_COUNT_pfc,      IMPORT_COUNT_management, IMPORT_COUNT_multicast,
        IMPORT_COUNT_xrc, IMPORT_COUNT_psn_jump, IMPORT_COUNT_not_rdma,   IMPORT_COUNT_truncated};
    for (size_t i = 0; i < sizeof once; i++) {
        assert_int_equal(g.sum.count[once[i]], 1);
    }
    check_mix(&g, PKT_ROCE2_V4, true);
}

static void datagrams_are_paired_by_their_source_qp(void **state)
{
    (void)state;
    struct talk k;
    struct got g;
    struct conn c = rc();
    uint8_t bytes[512];
    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t i = 0; i < 20; i++) { /* a ping-pong */
        const int from = i & 1;
        struct pkt_hdr h = head(&k, &c, from, PKT_OP_UD_SEND_ONLY_IMM, i);
        h.sqpn = c.qpn[from];
        h.qkey = i == 18 ? 0x999 : 0x11111111;
        h.imm = i;
        hct_pattern(i, 0, bytes, 512);
        talk_packet(&k, &h, bytes, 512);
    }
    import_talk(&k, NULL, &g);
    assert_int_equal(g.sum.count[IMPORT_COUNT_qkey], 1);
    assert_int_equal(posted_count(&g, "10.0.0.1", 0x11), 9);
    assert_int_equal(posted_count(&g, "10.0.0.2", 0x22), 10);
    for (uint32_t i = 0; i < 18; i++) {
        const struct got_op *x = posted(&g, i & 1 ? "10.0.0.2" : "10.0.0.1", c.qpn[i & 1], i / 2);
        const struct message m = {.kind = HCT_SEND_IMM, .len = 512, .imm = i, .seed = i};
        check_message(&g, x, &m, 512);
        assert_int_equal(g.res->qp[x->op.ud_qp].captured_qpn, c.qpn[!(i & 1)]);
        assert_int_equal(g.res->qp[x->op.ud_qp].qkey, 0x11111111);
        assert_int_equal(x->op.dep_count, i == 0 ? 0 : 1);
        if (i > 0) { /* waits for the datagram that came before */
            assert_int_equal(x->op.dep[0].type, HCT_DEP_RECV);
            assert_int_equal(g.op[x->op.dep[0].op].op.imm, i - 1);
        }
    }
    got_close(&g);
}

static void what_cannot_be_imported_leaves_no_file_and_says_why(void **state)
{
    (void)state;
    struct talk k;
    struct hct_error err;
    uint8_t raw[60] = {0};
    const char *out = HCA_TMP_DIR "/hcasim-import-none.hct";
    talk_open(&k, PKT_ROCE2_V4);
    talk_write(&k, raw, 60);
    talk_close(&k);
    assert_int_equal(hct_import(k.path, out, NULL, NULL, NULL, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "not RDMA"));
    assert_int_equal(hct_import("/dev/null", out, NULL, NULL, NULL, &err), HCT_USAGE);
    assert_int_equal(hct_import("/nowhere/x", out, NULL, NULL, NULL, &err), HCT_SYS);
    assert_int_equal(hct_import(HCA_SOURCE_DIR "/LICENSE", out, NULL, NULL, NULL, &err), HCT_BAD);
    assert_int_equal(access(out, F_OK), -1);
    (void)unlink(k.path);
    talk_open(&k, PKT_ROCE2_V4);
    put_mix(&k);
    talk_close(&k);
    assert_int_equal(hct_import(k.path, "/nowhere/x.hct", NULL, NULL, NULL, &err), HCT_SYS);
    assert_non_null(strstr(err.text, "/nowhere/x.hct"));
    struct import_summary sum; /* a check without output */
    assert_int_equal(hct_import(k.path, NULL, NULL, &sum, NULL, &err), HCT_OK);
    assert_int_equal(sum.messages[HCT_SEND], 1);
    (void)unlink(k.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_wires_and_tags_give_the_same_operations),
        cmocka_unit_test(mirrored_frames_count_once_whatever_was_rewritten),
        cmocka_unit_test(equal_frames_far_apart_are_retransmissions),
        cmocka_unit_test(headers_alone_give_sizes_without_payload),
        cmocka_unit_test(no_payload_keeps_atomics_only),
        cmocka_unit_test(a_wrong_icrc_is_as_good_as_loss_unless_kept),
        cmocka_unit_test(known_tunnels_are_taken_off),
        cmocka_unit_test(other_tunnels_are_refused_by_name),
        cmocka_unit_test(frames_that_carry_no_message_are_counted_by_reason),
        cmocka_unit_test(datagrams_are_paired_by_their_source_qp),
        cmocka_unit_test(what_cannot_be_imported_leaves_no_file_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
