/* packet_parse: what is handed on, and every reason to drop. */
#include "tests/port.h"

enum { ADDRESS = 1 };

static struct hca *fresh(struct hca_param *p, bool v4)
{
    struct hca *const h = unit_hca(p, 1ULL << U_packet_parse);

    for (unsigned fn = 0; fn < p->hca_fn_max; fn++) {
        const struct gid_set g = port_gid(ADDRESS, fn, v4);
        UNIT_PUSH(h, gid_parse, gid_set, .gid_hi = g.gid_hi, .gid_lo = g.gid_lo, .mac = g.mac,
                  .fn = g.fn, .kind = g.kind);
    }
    unit_run(h, 4);
    return h;
}

static const uint8_t wires[] = {PKT_ROCE2_V4, PKT_ROCE2_V6, PKT_ROCE1, PKT_IB_LOCAL, PKT_IB_GLOBAL};

static bool is_v4(uint8_t wire)
{
    return wire == PKT_ROCE2_V4 || wire == PKT_ROCE1;
}

static struct hca_param param_of(uint8_t wire)
{
    struct hca_param p = unit_param();

    p.port_wire = wire <= PKT_ROCE2_V6 ? HCA_PORT_WIRE_ROCE2
                  : wire == PKT_ROCE1  ? HCA_PORT_WIRE_ROCE1
                                       : HCA_PORT_WIRE_IB;
    return p;
}

/* A good packet for function fn of adapter ADDRESS. */
static struct pkt_hdr good(uint8_t wire, unsigned fn, uint8_t opcode)
{
    const struct gid_set g = port_gid(ADDRESS, fn, is_v4(wire));
    struct pkt_hdr h = {.wire = wire,
                        .opcode = opcode,
                        .va = 0x123456789abcdef0ULL,
                        .rkey = 0x55667788,
                        .dma_len = 100,
                        .imm = 0x01020304,
                        .inv_rkey = 0x99aa,
                        .qkey = 0x1111,
                        .sqpn = 0x77,
                        .msn = 5,
                        .syndrome = 0x1f,
                        .atomic_swap_add = 1,
                        .atomic_compare = 2,
                        .atomic_orig = 3,
                        .dqpn = fn * QP_ROUND + 9,
                        .psn = 0xfffffe,
                        .pkey = 0xffff,
                        .ecn = 2,
                        .ttl = 64,
                        .ip_df = 1,
                        .udp_sport = 0xc123,
                        .dlid = ADDRESS,
                        .slid = 2,
                        .ackreq = 1};

    be64_put(h.dgid, g.gid_hi);
    be64_put(h.dgid + 8, g.gid_lo);
    memcpy(h.sgid, h.dgid, 16);
    be16_put(h.dmac, (uint32_t)(g.mac >> 32));
    be32_put(h.dmac + 2, (uint32_t)g.mac);
    return h;
}

struct built {
    uint8_t buf[PKT_HEADROOM + 4096 + PKT_TAILROOM];
    uint8_t *frame;
    uint32_t len;
};

static void build(struct built *b, const struct pkt_hdr *h, uint32_t plen)
{
    for (uint32_t i = 0; i < plen; i++) {
        b->buf[PKT_HEADROOM + i] = (uint8_t)(i * 7);
    }
    const struct pkt_frame f = pkt_build(h, b->buf, plen);
    assert_true(f.len != 0);
    b->frame = b->buf + f.offset;
    b->len = f.len;
}

/* Puts a frame into an rx slot and onto rx_frame; captured bytes of it exist. */
static void put(struct hca *h, const uint8_t *bytes, uint32_t len, uint32_t captured)
{
    const uint16_t slot = pool_take(&h->store.rx_pool, &h->y.k);
    const uint32_t off = h->store.rx + slot * h->store.slot_bytes;

    memcpy(store_at(&h->store, off), bytes, captured);
    UNIT_PUSH(h, rx_frame, frame, .len = len, .captured = (uint16_t)captured, .off = off,
              .slot = slot, .mid = 4);
}

static bool comes_through(struct hca *h, const uint8_t *bytes, uint32_t len, struct rxp *r)
{
    put(h, bytes, len, len);
    unit_run(h, 100);
    return UNIT_POP(h, rx_look, r);
}

static void give(struct hca *h, const struct rxp *r)
{
    pool_give(&h->store.rx_pool, &h->y.k, r->slot);
}

static void every_opcode_is_handed_on_with_its_fields_on_every_wire(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof wires; w++) {
        struct hca_param p = param_of(wires[w]);
        struct hca *const h = fresh(&p, is_v4(wires[w]));
        for (unsigned code = 0; code < 256; code++) {
            const struct pkt_opcode *const op = pkt_opcode((uint8_t)code);
            if (op == NULL || op->service == PKT_XRC || op->kind == PKT_NOTIFY) {
                continue;
            }
            const struct pkt_hdr hdr = good(wires[w], 0, (uint8_t)code);
            const uint32_t plen = op->payload == PKT_PAYLOAD_NONE ? 0 : 101;
            struct built b;
            struct rxp r;
            build(&b, &hdr, plen);
            assert_true(comes_through(h, b.frame, b.len, &r));
            assert_int_equal(r.opcode, code);
            assert_int_equal(r.qn, 9);
            assert_int_equal(r.psn, 0xfffffe);
            assert_int_equal(r.plen, plen);
            assert_int_equal(r.mid, 4);
            assert_true(port_payload_is(h, r.data, plen, 0));
            assert_true((r.flags & RXP_ACKREQ) != 0);
            assert_int_equal((r.flags & RXP_GRH) != 0, wires[w] != PKT_IB_LOCAL);
            assert_int_equal(r.net, wires[w] == PKT_ROCE2_V4   ? 1
                                    : wires[w] == PKT_ROCE2_V6 ? 2
                                                               : 0);
            const uint8_t e = op->ext;
            assert_int_equal(r.raddr, (e & (PKT_RETH | PKT_ATOMICETH)) != 0 ? hdr.va : 0);
            assert_int_equal(r.rkey, (e & PKT_IETH) != 0                     ? hdr.inv_rkey
                                     : (e & (PKT_RETH | PKT_ATOMICETH)) != 0 ? hdr.rkey
                                                                             : 0);
            assert_int_equal(r.op1, (e & PKT_ATOMICACKETH) != 0 ? 3 : (e & PKT_ATOMICETH) != 0);
            assert_int_equal(r.op2, (e & PKT_ATOMICETH) != 0 ? 2 : 0);
            assert_int_equal(r.imm, (e & PKT_IMM) != 0 ? 0x04030201 : 0);
            assert_int_equal(r.aeth, (e & PKT_AETH) != 0 ? 0x1f000005 : 0);
            assert_int_equal(r.sqpn, (e & PKT_DETH) != 0 ? 0x77 : 0);
            assert_int_equal(r.qkey, (e & PKT_DETH) != 0 ? 0x1111 : 0);
            give(h, &r);
        }
        hca_close(h);
    }
}

static void a_packet_appears_after_the_latency_and_not_a_cycle_before(void **state)
{
    (void)state;
    struct hca_param p = param_of(PKT_ROCE2_V4);
    p.hca_packet_parse_ns = 20;
    struct hca *const h = fresh(&p, true);
    const struct pkt_hdr hdr = good(PKT_ROCE2_V4, 0, PKT_OP_RC_ACK);
    struct built b;
    struct rxp r;
    build(&b, &hdr, 0);
    put(h, b.frame, b.len, b.len);
    unit_run(h, 21);
    assert_true(!UNIT_POP(h, rx_look, &r));
    unit_run(h, 1);
    assert_true(UNIT_POP(h, rx_look, &r));
    hca_close(h);
}

static void packets_start_64_bytes_per_cycle_apart(void **state)
{
    (void)state;
    for (uint32_t plen = 0; plen <= 4096; plen += 1024) {
        struct hca_param p = param_of(PKT_ROCE2_V4);
        struct hca *const h = fresh(&p, true);
        const struct pkt_hdr hdr = good(PKT_ROCE2_V4, 0, PKT_OP_RC_SEND_ONLY);
        struct built b;
        struct rxp r[3];
        build(&b, &hdr, plen);
        for (unsigned i = 0; i < 3; i++) {
            put(h, b.frame, b.len, b.len);
        }
        for (unsigned i = 0; i < 3; i++) {
            while (!UNIT_POP(h, rx_look, &r[i])) {
                unit_run(h, 1);
            }
        }
        assert_int_equal(r[2].at - r[1].at, (b.len + 63) / 64);
        hca_close(h);
    }
}

static void a_full_output_stalls_and_loses_nothing(void **state)
{
    (void)state;
    struct hca_param p = param_of(PKT_ROCE2_V4);
    struct hca *const h = fresh(&p, true);
    struct rxp r;
    uint32_t in = 0, out = 0;
    for (uint32_t cycle = 0; cycle < 2500; cycle++) {
        h->y.t.now = h->y.k.now;
        if (READY(&h->y.t, &h->rx_frame)) {
            struct pkt_hdr hdr = good(PKT_ROCE2_V4, 0, PKT_OP_RC_ACK);
            struct built b;
            hdr.psn = in++;
            build(&b, &hdr, 0);
            put(h, b.frame, b.len, b.len);
        }
        unit_run(h, 1);
    }
    assert_int_equal(in, h->rx_frame.ctl.depth + h->rx_look.ctl.depth);
    while (out < in) {
        if (UNIT_POP(h, rx_look, &r)) {
            assert_int_equal(r.psn, out);
            out++;
            give(h, &r);
        }
        unit_run(h, 1);
    }
    hca_close(h);
}

/* --- drops ---------------------------------------------------------------------------------------
 */

enum change {
    NOTHING,
    FLIP_PAYLOAD,
    DGID,
    DMAC,
    DLID,
    PKEY,
    PKEY_LIMITED,
    QPN,
    FUNCTION,
    TVER,
    OPCODE,
    TYPE,
    CUT,
    IP_SUM,
    VCRC,
    MTU
};

static void each_reason_drops_counts_and_gives_the_slot_back(void **state)
{
    (void)state;
    static const struct {
        enum change change;
        uint8_t wire;
        size_t counter;
    } rows[] = {
#define COUNTER(name) offsetof(struct hca_stat, packet_parse_##name)
        {NOTHING, PKT_ROCE2_V4, COUNTER(packets)},
        {PKEY_LIMITED, PKT_ROCE2_V4, COUNTER(packets)},
        {FLIP_PAYLOAD, PKT_ROCE2_V4, COUNTER(drop_crc)},
        {FLIP_PAYLOAD, PKT_IB_LOCAL, COUNTER(drop_crc)},
        {VCRC, PKT_IB_LOCAL, COUNTER(drop_crc)},
        {DGID, PKT_ROCE2_V4, COUNTER(drop_address)},
        {DGID, PKT_ROCE1, COUNTER(drop_address)},
        {DGID, PKT_IB_GLOBAL, COUNTER(drop_address)},
        {DMAC, PKT_ROCE2_V6, COUNTER(drop_address)},
        {DLID, PKT_IB_LOCAL, COUNTER(drop_address)},
        {FUNCTION, PKT_ROCE2_V4, COUNTER(drop_address)},
        {PKEY, PKT_ROCE2_V4, COUNTER(drop_pkey)},
        {QPN, PKT_ROCE2_V4, COUNTER(drop_qpn)},
        {TVER, PKT_ROCE2_V4, COUNTER(drop_opcode)},
        {OPCODE, PKT_ROCE1, COUNTER(drop_opcode)},
        {TYPE, PKT_ROCE2_V4, COUNTER(drop_foreign)},
        {CUT, PKT_ROCE2_V4, COUNTER(drop_header)},
        {CUT, PKT_IB_GLOBAL, COUNTER(drop_header)},
        {IP_SUM, PKT_ROCE2_V4, COUNTER(drop_header)},
        {MTU, PKT_ROCE2_V4, COUNTER(drop_header)},
#undef COUNTER
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = param_of(rows[i].wire);
        p.hca_fn_max = 2;
        p.port_mtu_bytes = 1024;
        struct hca *const h = fresh(&p, is_v4(rows[i].wire));
        struct pkt_hdr hdr = good(rows[i].wire, 1, PKT_OP_RC_SEND_ONLY);
        const enum change c = rows[i].change;
        struct built b;
        struct rxp r;
        hdr.dgid[15] ^= c == DGID ? 4 : 0;
        hdr.dmac[5] ^= c == DMAC ? 4 : 0;
        hdr.dlid ^= c == DLID ? 4 : 0;
        hdr.pkey = c == PKEY ? 0xfffe : c == PKEY_LIMITED ? 0x7fff : hdr.pkey;
        hdr.dqpn = c == QPN ? QP_ROUND + (uint32_t)p.hca_qp_max : c == FUNCTION ? 9 : hdr.dqpn;
        hdr.tver = c == TVER;
        build(&b, &hdr, c == MTU ? 1028 : 64);
        const uint32_t bth = b.len - 64 - 4 - 12;
        if (c == FLIP_PAYLOAD || c == VCRC) {
            b.frame[b.len - (c == VCRC ? 1 : 20)] ^= 0x10;
        } else if (c == OPCODE) {
            b.frame[bth] = 0x15;
        } else if (c == TYPE) {
            b.frame[13] = 6;
        } else if (c == IP_SUM) {
            b.frame[24] ^= 1;
        }
        assert_int_equal(comes_through(h, b.frame, c == CUT ? b.len - 3 : b.len, &r),
                         c == NOTHING || c == PKEY_LIMITED);
        const uint64_t *const counter =
            (const uint64_t *)(const void *)((const char *)&h->y.s + rows[i].counter);
        assert_int_equal(*counter, 1);
        if (c != NOTHING && c != PKEY_LIMITED) {
            assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
        }
        hca_close(h);
    }
}

/* A frame with one flipped bit is dropped, or it differs in nothing that a QP could see. */
static void no_flipped_bit_reaches_a_qp_unnoticed(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof wires; w++) {
        struct hca_param p = param_of(wires[w]);
        struct hca *const h = fresh(&p, is_v4(wires[w]));
        const struct pkt_hdr hdr = good(wires[w], 0, PKT_OP_RC_WRITE_ONLY_IMM);
        struct built b;
        struct rxp a, r;
        build(&b, &hdr, 33);
        assert_true(comes_through(h, b.frame, b.len, &a));
        give(h, &a);
        uint32_t through = 0;
        for (uint32_t bit = 0; bit < b.len * 8; bit++) {
            b.frame[bit / 8] ^= (uint8_t)(1U << bit % 8);
            if (comes_through(h, b.frame, b.len, &r)) {
                through++;
                assert_true(r.qn == a.qn && r.psn == a.psn && r.raddr == a.raddr &&
                            r.rkey == a.rkey && r.dlen == a.dlen && r.imm == a.imm &&
                            r.plen == a.plen && r.opcode == a.opcode);
                assert_true(port_payload_is(h, r.data, 33, 0));
                give(h, &r);
            }
            b.frame[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        /* Unprotected: source MAC, and of IPv6 and GRH what the ICRC masks; with a VCRC nothing. */
        const bool ib = wires[w] >= PKT_IB_LOCAL;
        assert_in_range(through, ib ? 0 : 48, ib ? 0 : 48 + 60);
        hca_close(h);
    }
}

static void payload_off_headers_are_protected_by_their_seal(void **state)
{
    (void)state;
    struct hca_param p = param_of(PKT_ROCE2_V4);
    p.sim_payload = 0;
    struct hca *const h = fresh(&p, true);
    const struct pkt_hdr hdr = good(PKT_ROCE2_V4, 0, PKT_OP_RC_SEND_ONLY);
    uint8_t buf[PKT_HEADROOM + 16];
    const struct pkt_frame f = pkt_build_headers(&hdr, buf, 1000);
    uint8_t *const frame = buf + f.offset;
    const uint32_t head = PKT_HEADROOM - f.offset;
    const struct pkt_view v = {.net_offset = 14, .payload_offset = head, .wire = PKT_ROCE2_V4};
    const uint32_t seal = frame_seal(frame, &v);
    struct rxp r;
    memcpy(frame + head, &seal, sizeof seal);
    put(h, frame, f.len, head + SEAL_BYTES);
    unit_run(h, 100);
    assert_true(UNIT_POP(h, rx_look, &r));
    assert_int_equal(r.plen, 1000);
    give(h, &r);
    for (uint32_t bit = (head - 12) * 8; bit < (head + 4) * 8; bit++) { /* BTH and seal */
        frame[bit / 8] ^= (uint8_t)(1U << bit % 8);
        put(h, frame, f.len, head + SEAL_BYTES);
        unit_run(h, 60);
        const bool masked = bit / 8 == head - 8; /* FECN, BECN: switches may change them */
        assert_int_equal(UNIT_POP(h, rx_look, &r), masked);
        if (masked) {
            give(h, &r);
        }
        frame[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    put(h, frame, f.len, head); /* no seal */
    unit_run(h, 60);
    assert_true(!UNIT_POP(h, rx_look, &r));
    hca_close(h);
}

/* --- numbers, marks ------------------------------------------------------------------------------
 */

static void the_gid_selects_the_function_when_each_has_its_own_numbers(void **state)
{
    (void)state;
    struct hca_param p = param_of(PKT_ROCE2_V4);
    p.hca_fn_max = 3;
    p.hca_namespaces = 1;
    struct hca *const h = fresh(&p, true);
    struct built b;
    struct rxp r;
    for (unsigned fn = 0; fn < 3; fn++) {
        struct pkt_hdr hdr = good(PKT_ROCE2_V4, fn, PKT_OP_RC_ACK);
        hdr.dqpn = 9;
        build(&b, &hdr, 0);
        assert_true(comes_through(h, b.frame, b.len, &r));
        assert_int_equal(r.qn, fn * QP_ROUND + 9);
        assert_int_equal(r.fn, fn);
        give(h, &r);
    }
    hca_close(h);
}

static void qpn_1_is_the_management_qp_of_the_function_that_owns_the_gid(void **state)
{
    (void)state;
    struct hca_param p = param_of(PKT_ROCE2_V4);
    p.hca_fn_max = 3;
    struct hca *const h = fresh(&p, true);
    struct built b;
    struct rxp r;
    struct pkt_hdr hdr = good(PKT_ROCE2_V4, 2, PKT_OP_UD_SEND_ONLY);
    hdr.dqpn = 1;
    build(&b, &hdr, 256);
    assert_true(comes_through(h, b.frame, b.len, &r));
    assert_int_equal(r.qn, 2 * QP_ROUND + 1);
    assert_int_equal(r.dqpn, 1);
    hca_close(h);
}

static void marks_are_flags_and_a_cnp_is_counted_only(void **state)
{
    (void)state;
    struct hca_param p = param_of(PKT_ROCE2_V4);
    struct hca *const h = fresh(&p, true);
    struct pkt_hdr hdr = good(PKT_ROCE2_V4, 0, PKT_OP_RC_SEND_ONLY);
    struct built b;
    struct rxp r;
    hdr.ecn = 3;
    hdr.becn = 1;
    build(&b, &hdr, 4);
    assert_true(comes_through(h, b.frame, b.len, &r));
    assert_int_equal(r.flags & (RXP_ECN | RXP_BECN), RXP_ECN | RXP_BECN);
    give(h, &r);
    const struct pkt_frame f = pkt_build_cnp(&hdr, b.buf);
    assert_true(!comes_through(h, b.buf + f.offset, f.len, &r));
    assert_int_equal(h->y.s.packet_parse_cnps, 1);
    assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
    hca_close(h);
}

static void a_removed_address_and_entries_beyond_the_table_do_not_match(void **state)
{
    (void)state;
    struct hca_param p = param_of(PKT_ROCE2_V4);
    struct hca *const h = fresh(&p, true);
    const struct pkt_hdr hdr = good(PKT_ROCE2_V4, 0, PKT_OP_RC_ACK);
    const struct gid_set g = port_gid(ADDRESS, 0, true);
    struct built b;
    struct rxp r;
    build(&b, &hdr, 0);
    for (unsigned i = 0; i < 200; i++) { /* fills chains, then empties them */
        UNIT_PUSH(h, gid_parse, gid_set, .index = (uint16_t)i, .gid_lo = i, .kind = 2, .mac = i);
    }
    unit_run(h, 10);
    assert_true(!comes_through(h, b.frame, b.len, &r));
    for (unsigned i = 0; i < 300; i++) {
        UNIT_PUSH(h, gid_parse, gid_set, .index = (uint16_t)i);
    }
    UNIT_PUSH(h, gid_parse, gid_set, .index = 5, .gid_hi = g.gid_hi, .gid_lo = g.gid_lo,
              .mac = g.mac, .kind = 2, .fn = 7);
    unit_run(h, 10);
    assert_true(!comes_through(h, b.frame, b.len, &r));
    UNIT_PUSH(h, gid_parse, gid_set, .index = 5, .gid_hi = g.gid_hi, .gid_lo = g.gid_lo,
              .mac = g.mac, .kind = 2);
    unit_run(h, 10);
    assert_true(comes_through(h, b.frame, b.len, &r));
    hca_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_opcode_is_handed_on_with_its_fields_on_every_wire),
        cmocka_unit_test(a_packet_appears_after_the_latency_and_not_a_cycle_before),
        cmocka_unit_test(packets_start_64_bytes_per_cycle_apart),
        cmocka_unit_test(a_full_output_stalls_and_loses_nothing),
        cmocka_unit_test(each_reason_drops_counts_and_gives_the_slot_back),
        cmocka_unit_test(no_flipped_bit_reaches_a_qp_unnoticed),
        cmocka_unit_test(payload_off_headers_are_protected_by_their_seal),
        cmocka_unit_test(the_gid_selects_the_function_when_each_has_its_own_numbers),
        cmocka_unit_test(qpn_1_is_the_management_qp_of_the_function_that_owns_the_gid),
        cmocka_unit_test(marks_are_flags_and_a_cnp_is_counted_only),
        cmocka_unit_test(a_removed_address_and_entries_beyond_the_table_do_not_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
