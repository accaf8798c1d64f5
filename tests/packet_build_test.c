/* packet_build: frames of every opcode and wire, timing, stalls, refusals. */
#include "tests/port.h"

static struct hca *fresh(struct hca_param *p, bool v4)
{
    p->hca_fn_max = 2;
    struct hca *const h = unit_hca(p, 1ULL << U_packet_build);

    for (unsigned fn = 0; fn < 2; fn++) {
        const struct gid_set g = port_gid(1, fn, v4);
        UNIT_PUSH(h, gid_build, gid_set, .gid_hi = g.gid_hi, .gid_lo = g.gid_lo, .mac = g.mac,
                  .fn = g.fn, .kind = g.kind);
    }
    unit_run(h, 4);
    return h;
}

static const struct {
    const char *name;
    uint64_t wire, grh;
    bool v4;
    uint8_t as; /* enum pkt_wire of RC packets */
} wires[] = {
    {"RoCE v2, IPv4", HCA_PORT_WIRE_ROCE2, 0, true, PKT_ROCE2_V4},
    {"RoCE v2, IPv6", HCA_PORT_WIRE_ROCE2, 0, false, PKT_ROCE2_V6},
    {"RoCE v1", HCA_PORT_WIRE_ROCE1, 0, true, PKT_ROCE1},
    {"InfiniBand", HCA_PORT_WIRE_IB, 0, false, PKT_IB_LOCAL},
    {"InfiniBand with GRH", HCA_PORT_WIRE_IB, 1, false, PKT_IB_GLOBAL},
};

static void give(struct hca *h, const struct frame *f)
{
    pool_give(f->pool == POOL_ACK ? &h->store.ack_pool : &h->store.tx_pool, &h->y.k, f->slot);
}

static void check_fields(const struct pkt *m, const struct pkt_hdr *h, const struct pkt_opcode *op)
{
    assert_int_equal(h->opcode, m->opcode);
    assert_int_equal(h->dqpn, m->dqpn);
    assert_int_equal(h->psn, m->psn);
    assert_int_equal(h->pkey, m->pkey);
    if ((op->ext & PKT_RETH) != 0) {
        assert_int_equal(h->va, m->raddr);
        assert_int_equal(h->rkey, m->rkey);
        assert_int_equal(h->dma_len, m->dlen);
    }
    if ((op->ext & PKT_ATOMICETH) != 0) {
        assert_int_equal(h->atomic_swap_add, m->op1);
        assert_int_equal(h->atomic_compare, m->op2);
    }
    if ((op->ext & PKT_ATOMICACKETH) != 0) {
        assert_int_equal(h->atomic_orig, m->op1);
    }
    if ((op->ext & PKT_AETH) != 0) {
        assert_int_equal((uint32_t)h->syndrome << 24 | h->msn, m->aeth);
    }
    if ((op->ext & PKT_IMM) != 0) { /* the byte that lies first in the WQE goes first */
        assert_int_equal(h->imm, 0x01020304);
    }
    if ((op->ext & PKT_IETH) != 0) {
        assert_int_equal(h->inv_rkey, m->rkey);
    }
    if ((op->ext & PKT_DETH) != 0) {
        assert_int_equal(h->qkey, m->qkey);
        assert_int_equal(h->sqpn, m->sqpn);
    }
}

static void every_opcode_becomes_a_frame_that_the_decoder_reads_back_on_every_wire(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof wires / sizeof wires[0]; w++) {
        struct hca_param p = unit_param();
        p.port_wire = wires[w].wire;
        p.port_ib_grh = wires[w].grh;
        struct hca *const h = fresh(&p, wires[w].v4);
        unsigned built = 0;
        for (unsigned code = 0; code < 256; code++) {
            const struct pkt_opcode *const op = pkt_opcode((uint8_t)code);
            if (op == NULL || op->service == PKT_XRC || op->kind == PKT_NOTIFY) {
                continue;
            }
            const uint32_t plen = op->payload == PKT_PAYLOAD_NONE ? 0 : 1 + code * 3;
            struct pkt m = port_pkt(2, 0, wires[w].v4, (uint8_t)code, plen);
            m.slot = port_payload(h, plen, (uint8_t)code);
            PORT_PUSH(h, rd_done, &m);
            unit_run(h, 40);
            struct frame f;
            struct pkt_hdr hdr;
            struct pkt_view v;
            assert_true(UNIT_POP(h, tx_frame, &f));
            const uint8_t *const b = store_at(&h->store, f.off);
            const bool ib = wires[w].wire == HCA_PORT_WIRE_IB;
            assert_int_equal(
                pkt_parse(b, f.len, ib ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET, &hdr, &v),
                PKT_OK);
            assert_true(pkt_icrc_ok(b, &v));
            assert_true(!ib || pkt_vcrc_ok(b, &v));
            const bool grh_for_ud = ib && op->service == PKT_UD;
            assert_int_equal(hdr.wire, grh_for_ud ? (uint8_t)PKT_IB_GLOBAL : wires[w].as);
            assert_int_equal(v.payload_len, plen);
            assert_true(port_payload_is(h, f.off + v.payload_offset, plen, (uint8_t)code));
            uint32_t icrc;
            memcpy(&icrc, b + v.icrc_offset, sizeof icrc);
            assert_int_equal(icrc, f.crc);
            assert_int_equal(f.captured, f.len);
            assert_int_equal(f.loop, 0);
            check_fields(&m, &hdr, op);
            give(h, &f);
            built++;
        }
        assert_true(built >= 37);
        assert_int_equal(h->y.s.packet_build_packets, built);
        hca_close(h);
    }
}

static void headers_follow_the_address_vector_and_the_port(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_vlan_id = 77;
    p.port_vlan_priority = 3;
    struct hca *const h = fresh(&p, true);
    for (uint32_t i = 0; i < 3; i++) {
        struct pkt m = port_pkt(2, 0, true, PKT_OP_RC_ACK, 0);
        m.tclass = 0xb9; /* DSCP 46; its ECN bits are the port's business */
        m.hop_limit = i == 0 ? 0 : 7;
        m.source = SRC_RESPONDER;
        m.fn = i == 2; /* IPv4 identification counts per function */
        PORT_PUSH(h, ack_job, &m);
        unit_run(h, 30);
        struct frame f;
        struct pkt_hdr hdr;
        struct pkt_view v;
        assert_true(UNIT_POP(h, tx_frame, &f));
        assert_int_equal(f.pool, POOL_ACK);
        assert_int_equal(pkt_parse(store_at(&h->store, f.off), f.len, PKT_LINK_ETHERNET, &hdr, &v),
                         PKT_OK);
        assert_int_equal(hdr.dscp, 46);
        assert_int_equal(hdr.ecn, 2);
        assert_int_equal(f.ecn, 2);
        assert_int_equal(hdr.ttl, i == 0 ? 64 : 7);
        assert_int_equal(hdr.ip_id, i == 1);
        assert_int_equal(hdr.ip_df, 1);
        assert_int_equal(hdr.vlan_tags, 1);
        assert_int_equal(hdr.vlan_tci, 3 << 13 | 77);
        assert_int_equal(hdr.udp_sport, pkt_udp_sport(0, m.sqpn, m.dqpn));
        assert_int_equal(be64_get(hdr.sgid + 8), port_gid(1, i == 2, true).gid_lo);
        give(h, &f);
    }
    hca_close(h);
}

static void the_lane_is_the_service_level_modulo_the_lanes(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_wire = HCA_PORT_WIRE_IB;
    p.port_vl_count = 4;
    struct hca *const h = fresh(&p, false);
    struct pkt m = port_pkt(2, 0, false, PKT_OP_RC_SEND_ONLY, 0);
    m.sl = 7;
    m.slot = port_payload(h, 0, 0);
    PORT_PUSH(h, rd_done, &m);
    unit_run(h, 30);
    struct frame f;
    assert_true(UNIT_POP(h, tx_frame, &f));
    assert_int_equal(f.vl, 3);
    assert_int_equal(store_at(&h->store, f.off)[0] >> 4, 3);
    assert_int_equal(store_at(&h->store, f.off)[1] >> 4, 7);
    hca_close(h);
}

/* Pushed in cycle c, taken in c + 1, on tx_frame from c + 2 + latency on. */
static void a_frame_appears_after_the_latency_and_not_a_cycle_before(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_packet_build_ns = 20;
    struct hca *const h = fresh(&p, true);
    struct pkt m = port_pkt(2, 0, true, PKT_OP_RC_SEND_ONLY, 64);
    struct frame f;
    m.slot = port_payload(h, 64, 0);
    PORT_PUSH(h, rd_done, &m);
    unit_run(h, 21);
    assert_true(!UNIT_POP(h, tx_frame, &f));
    unit_run(h, 1);
    assert_true(UNIT_POP(h, tx_frame, &f));
    hca_close(h);
}

static void packets_start_64_bytes_per_cycle_apart(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 64, 65, 1024, 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct hca_param p = unit_param();
        struct hca *const h = fresh(&p, true);
        for (unsigned n = 0; n < 4; n++) {
            struct pkt m = port_pkt(2, 0, true, PKT_OP_RC_SEND_ONLY, sizes[i]);
            m.slot = port_payload(h, sizes[i], 0);
            PORT_PUSH(h, rd_done, &m);
        }
        uint64_t at[4];
        for (unsigned n = 0; n < 4; n++) {
            struct frame f;
            while (!UNIT_POP(h, tx_frame, &f)) {
                unit_run(h, 1);
            }
            at[n] = f.at;
            give(h, &f);
        }
        const uint64_t apart = sizes[i] <= 64 ? 1 : (sizes[i] + 63) / 64;
        for (unsigned n = 1; n < 4; n++) {
            assert_int_equal(at[n] - at[n - 1], apart);
        }
        hca_close(h);
    }
}

static void data_and_acks_take_turns(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p, true);
    for (unsigned n = 0; n < 4; n++) {
        struct pkt m = port_pkt(2, 0, true, PKT_OP_RC_SEND_ONLY, 0);
        m.slot = port_payload(h, 0, 0);
        h->y.t.now = h->y.k.now;
        PASS(&h->y.t, &h->rd_done, pkt, 3 - n, &m); /* all visible at once */
        m = port_pkt(2, 0, true, PKT_OP_RC_ACK, 0);
        m.source = SRC_RESPONDER;
        PASS(&h->y.t, &h->ack_job, pkt, 3 - n, &m);
        unit_run(h, 1);
    }
    unit_run(h, 40);
    struct frame f;
    uint8_t last = 2;
    for (unsigned n = 0; n < 8; n++) {
        assert_true(UNIT_POP(h, tx_frame, &f));
        assert_int_not_equal(f.pool, last);
        last = f.pool;
    }
    hca_close(h);
}

static void a_failed_packet_makes_no_frame_gives_its_slot_back_and_is_reported(void **state)
{
    (void)state;
    static const struct {
        uint8_t status, source, sgid_index, opcode, says;
        uint32_t plen;
        bool v4;
    } rows[] = {
        {WC_LOC_PROT, SRC_REQUESTER, 0, PKT_OP_RC_SEND_ONLY, WC_LOC_PROT, 8, true},
        {WC_REM_OP, SRC_RESPONDER, 0, PKT_OP_RC_READ_RESPONSE_ONLY, WC_REM_OP, 8, true},
        {WC_OK, SRC_REQUESTER, 1, PKT_OP_RC_SEND_ONLY, WC_LOC_QP_OP, 8, true},    /* no such GID  */
        {WC_OK, SRC_REQUESTER, 0, PKT_OP_RC_SEND_ONLY, WC_LOC_QP_OP, 8, false},   /* v4 to v6     */
        {WC_OK, SRC_REQUESTER, 0, 0x15, WC_LOC_QP_OP, 0, true},                   /* no opcode    */
        {WC_OK, SRC_REQUESTER, 0, PKT_OP_RC_READ_REQUEST, WC_LOC_QP_OP, 8, true}, /* no payload */
        {WC_OK, SRC_REQUESTER, 0, PKT_OP_RC_SEND_ONLY, WC_LOC_LEN, 4097, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = unit_param();
        struct hca *const h = fresh(&p, true);
        struct pkt m = port_pkt(2, 0, rows[i].v4, rows[i].opcode, rows[i].plen), e;
        struct frame f;
        m.status = rows[i].status;
        m.source = rows[i].source;
        m.sgid_index = rows[i].sgid_index;
        m.slot = port_payload(h, 0, 0);
        PORT_PUSH(h, rd_done, &m);
        unit_run(h, 40);
        assert_true(!UNIT_POP(h, tx_frame, &f));
        assert_true(rows[i].source == SRC_REQUESTER ? UNIT_POP(h, tx_error, &e)
                                                    : UNIT_POP(h, rsp_error, &e));
        assert_int_equal(e.status, rows[i].says);
        assert_int_equal(e.slot, NO_SLOT);
        assert_int_equal(h->store.tx_pool.free, h->store.tx_pool.n);
        assert_int_equal(h->y.s.packet_build_refused, 1);
        hca_close(h);
    }
}

static void a_fence_only_answers_and_a_notified_packet_does_both(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p, true);
    struct pkt m = port_pkt(2, 0, true, PKT_OP_UC_SEND_ONLY, 4), e;
    struct frame f;
    m.flags |= TXF_NOTIFY;
    m.slot = port_payload(h, 4, 0);
    PORT_PUSH(h, rd_done, &m);
    m.slot = NO_SLOT;
    m.flags = TXF_FENCE;
    m.source = SRC_RESPONDER;
    PORT_PUSH(h, rd_done, &m);
    unit_run(h, 60);
    assert_true(UNIT_POP(h, tx_frame, &f));
    assert_true(UNIT_POP(h, tx_sent, &e));
    assert_true(UNIT_POP(h, rsp_sent, &e));
    unit_run(h, 1);
    assert_true(!UNIT_POP(h, tx_frame, &f));
    hca_close(h);
}

/* Each output is filled and left; nothing is lost, nothing is taken while it is full. */
static void a_full_output_stalls_and_loses_nothing(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 3; which++) {
        struct hca_param p = unit_param();
        struct hca *const h = fresh(&p, true);
        unsigned in = 0, out = 0;
        struct frame f;
        struct pkt e;
        for (unsigned cycle = 0; cycle < 400; cycle++) {
            h->y.t.now = h->y.k.now;
            if (READY(&h->y.t, &h->rd_done) && h->store.tx_pool.free > 0) {
                struct pkt m = port_pkt(2, 0, true, PKT_OP_RC_SEND_ONLY, 0);
                m.psn = in++;
                m.status = which == 1 ? (uint8_t)WC_LOC_PROT : (uint8_t)WC_OK;
                m.flags |= which == 2 ? TXF_FENCE : 0;
                m.slot = which == 2 ? (uint16_t)NO_SLOT : port_payload(h, 0, 0);
                PASS(&h->y.t, &h->rd_done, pkt, 0, &m);
            }
            unit_run(h, 1);
        }
        const unsigned depth = which == 0   ? h->tx_frame.ctl.depth
                               : which == 1 ? h->tx_error.ctl.depth
                                            : h->tx_sent.ctl.depth;
        assert_int_equal(in, depth + h->rd_done.ctl.depth);
        while (out < in) {
            bool got;
            if (which == 0) {
                got = UNIT_POP(h, tx_frame, &f);
                if (got) {
                    struct pkt_hdr hdr;
                    struct pkt_view v;
                    assert_int_equal(
                        pkt_parse(store_at(&h->store, f.off), f.len, PKT_LINK_ETHERNET, &hdr, &v),
                        PKT_OK);
                    e.psn = hdr.psn;
                    give(h, &f);
                }
            } else {
                got = which == 1 ? UNIT_POP(h, tx_error, &e) : UNIT_POP(h, tx_sent, &e);
            }
            if (got) {
                assert_int_equal(e.psn, out);
                out++;
            }
            unit_run(h, 1);
        }
        hca_close(h);
    }
}

static void acks_wait_for_their_slots_and_data_passes_them(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p, true);
    struct frame f[ACK_SLOTS], more;
    for (unsigned n = 0; n < ACK_SLOTS; n++) {
        struct pkt m = port_pkt(2, 0, true, PKT_OP_RC_ACK, 0);
        m.source = SRC_RESPONDER;
        PORT_PUSH(h, ack_job, &m);
        unit_run(h, 30);
        assert_true(UNIT_POP(h, tx_frame, &f[n]));
    }
    struct pkt m = port_pkt(2, 0, true, PKT_OP_RC_ACK, 0);
    m.source = SRC_RESPONDER;
    PORT_PUSH(h, ack_job, &m);
    m = port_pkt(2, 0, true, PKT_OP_RC_SEND_ONLY, 0);
    m.slot = port_payload(h, 0, 0);
    PORT_PUSH(h, rd_done, &m);
    unit_run(h, 40);
    assert_true(UNIT_POP(h, tx_frame, &more));
    assert_int_equal(more.pool, POOL_TX);
    unit_run(h, 1);
    assert_true(!UNIT_POP(h, tx_frame, &more));
    give(h, &f[3]);
    unit_run(h, 40);
    assert_true(UNIT_POP(h, tx_frame, &more));
    assert_int_equal(more.pool, POOL_ACK);
    hca_close(h);
}

static void packets_to_own_addresses_loop_until_the_address_is_removed(void **state)
{
    (void)state;
    for (int ib = 0; ib < 2; ib++) {
        struct hca_param p = unit_param();
        p.port_wire = ib ? HCA_PORT_WIRE_IB : HCA_PORT_WIRE_ROCE2;
        struct hca *const h = fresh(&p, true);
        for (int own = 1; own >= 0; own--) {
            struct pkt m = port_pkt(1, 1, true, PKT_OP_RC_SEND_ONLY, 0);
            struct frame f;
            m.slot = port_payload(h, 0, 0);
            PORT_PUSH(h, rd_done, &m);
            unit_run(h, 40);
            assert_true(UNIT_POP(h, tx_frame, &f));
            assert_int_equal(f.loop, own);
            give(h, &f);
            UNIT_PUSH(h, gid_build, gid_set, .fn = 1, .kind = 0);
            if (ib) { /* both functions share the LID */
                UNIT_PUSH(h, gid_build, gid_set, .fn = 0, .index = 1, .kind = 2, .gid_lo = 9,
                          .mac = 5);
                UNIT_PUSH(h, gid_build, gid_set, .fn = 0, .kind = 2, .mac = 5);
            }
            unit_run(h, 5);
        }
        hca_close(h);
    }
}

static void payload_off_keeps_the_length_and_seals_the_headers(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof wires / sizeof wires[0]; w++) {
        struct hca_param p = unit_param();
        p.port_wire = wires[w].wire;
        p.port_ib_grh = wires[w].grh;
        uint32_t len[2];
        for (int payload = 0; payload < 2; payload++) {
            p.sim_payload = (uint64_t)payload;
            struct hca *const h = fresh(&p, wires[w].v4);
            struct pkt m = port_pkt(2, 0, wires[w].v4, PKT_OP_RC_WRITE_ONLY, 1003);
            struct frame f;
            struct pkt_hdr hdr;
            struct pkt_view v;
            m.slot = port_payload(h, 0, 0);
            PORT_PUSH(h, rd_done, &m);
            unit_run(h, 60);
            assert_true(UNIT_POP(h, tx_frame, &f));
            len[payload] = f.len;
            const uint8_t *const b = store_at(&h->store, f.off);
            assert_int_equal(pkt_parse_captured(b, f.captured, f.len,
                                                p.port_wire == HCA_PORT_WIRE_IB
                                                    ? PKT_LINK_INFINIBAND
                                                    : PKT_LINK_ETHERNET,
                                                &hdr, &v),
                             PKT_OK);
            if (!payload) {
                assert_int_equal(f.captured, v.payload_offset + SEAL_BYTES);
                assert_int_equal(frame_seal(b, &v), f.crc);
                assert_memory_equal(b + v.payload_offset, &f.crc, SEAL_BYTES);
            }
            hca_close(h);
        }
        assert_int_equal(len[0], len[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_opcode_becomes_a_frame_that_the_decoder_reads_back_on_every_wire),
        cmocka_unit_test(headers_follow_the_address_vector_and_the_port),
        cmocka_unit_test(the_lane_is_the_service_level_modulo_the_lanes),
        cmocka_unit_test(a_frame_appears_after_the_latency_and_not_a_cycle_before),
        cmocka_unit_test(packets_start_64_bytes_per_cycle_apart),
        cmocka_unit_test(data_and_acks_take_turns),
        cmocka_unit_test(a_failed_packet_makes_no_frame_gives_its_slot_back_and_is_reported),
        cmocka_unit_test(a_fence_only_answers_and_a_notified_packet_does_both),
        cmocka_unit_test(a_full_output_stalls_and_loses_nothing),
        cmocka_unit_test(acks_wait_for_their_slots_and_data_passes_them),
        cmocka_unit_test(packets_to_own_addresses_loop_until_the_address_is_removed),
        cmocka_unit_test(payload_off_keeps_the_length_and_seals_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
