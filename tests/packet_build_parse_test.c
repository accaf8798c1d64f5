/* Properties of pkt_build and pkt_parse over all opcodes and wires. Frames are parsed at the end of
 * a page in front of a forbidden one, so that a read behind them ends the test in every build. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "model/packet/headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { PAGE = 4096, FRAME_ROOM = 2 * PAGE };

static uint8_t *fence; /* first forbidden byte */
static uint64_t random_state = 0x9E3779B97F4A7C15u;

static int set_up(void **state)
{
    (void)state;
    uint8_t *area =
        mmap(NULL, FRAME_ROOM + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || mprotect(area + FRAME_ROOM, PAGE, PROT_NONE) != 0) {
        return -1;
    }
    fence = area + FRAME_ROOM;
    return 0;
}

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void random_bytes(void *p, size_t n)
{
    for (uint8_t *b = p; n > 0; b++, n--) {
        *b = (uint8_t)(random_u64() >> 24);
    }
}

static enum pkt_link link_of(uint32_t wire)
{
    return wire == PKT_IB_LOCAL || wire == PKT_IB_GLOBAL ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET;
}

static uint32_t wire_bytes_of_headers(uint32_t wire, uint32_t tags, uint32_t ext)
{
    static const uint32_t net[PKT_WIRES] = {14 + 28, 14 + 48, 14 + 40, 8, 8 + 40};
    return net[wire] + 4 * tags + 12 + ext;
}

/* Random values in the extended headers of op; all else 0. */
static void random_extended(struct pkt_hdr *h, const struct pkt_opcode *op)
{
    const bool va = op->ext & (PKT_RETH | PKT_ATOMICETH);
    h->va = va ? random_u64() : 0;
    h->rkey = va ? (uint32_t)random_u64() : 0;
    h->dma_len = op->ext & PKT_RETH ? (uint32_t)random_u64() : 0;
    h->atomic_swap_add = op->ext & PKT_ATOMICETH ? random_u64() : 0;
    h->atomic_compare = op->ext & PKT_ATOMICETH ? random_u64() : 0;
    h->atomic_orig = op->ext & PKT_ATOMICACKETH ? random_u64() : 0;
    h->imm = op->ext & PKT_IMM ? (uint32_t)random_u64() : 0;
    h->inv_rkey = op->ext & PKT_IETH ? (uint32_t)random_u64() : 0;
    h->qkey = op->ext & PKT_DETH ? (uint32_t)random_u64() : 0;
    h->sqpn = op->ext & PKT_DETH ? random_u64() & 0xFFFFFF : 0;
    h->xrc_srqn = op->ext & PKT_XRCETH ? random_u64() & 0xFFFFFF : 0;
    h->msn = op->ext & PKT_AETH ? random_u64() & 0xFFFFFF : 0;
    h->syndrome = op->ext & PKT_AETH ? (uint8_t)random_u64() : 0;
}

/* Random values in the link and network headers of the wire; all else 0. */
static void random_net(struct pkt_hdr *h)
{
    const bool v4 = h->wire == PKT_ROCE2_V4;
    if (link_of(h->wire) == PKT_LINK_INFINIBAND) {
        h->vl = random_u64() & 15;
        h->sl = random_u64() & 15;
        random_bytes(&h->dlid, sizeof h->dlid);
        random_bytes(&h->slid, sizeof h->slid);
    } else {
        random_bytes(h->dmac, sizeof h->dmac);
        random_bytes(h->smac, sizeof h->smac);
        h->vlan_tags = (uint8_t)(random_u64() % 3);
        h->vlan_tci = h->vlan_tags > 0 ? (uint16_t)random_u64() : 0;
        h->svlan_tci = h->vlan_tags > 1 ? (uint16_t)random_u64() : 0;
    }
    if (h->wire != PKT_IB_LOCAL) {
        h->dscp = random_u64() & 63;
        h->ecn = random_u64() & 3;
        h->ttl = (uint8_t)random_u64();
        h->flow_label = v4 ? 0 : random_u64() & 0xFFFFF;
        random_bytes(h->sgid + (v4 ? 12 : 0), v4 ? 4 : 16);
        random_bytes(h->dgid + (v4 ? 12 : 0), v4 ? 4 : 16);
        memset(h->sgid + 10, v4 ? 0xFF : h->sgid[10], 2);
        memset(h->dgid + 10, v4 ? 0xFF : h->dgid[10], 2);
    }
    h->ip_id = v4 ? (uint16_t)random_u64() : 0;
    h->ip_df = v4 ? random_u64() & 1 : 0;
    h->udp_sport = h->wire <= PKT_ROCE2_V6 ? (uint16_t)random_u64() : 0;
    h->udp6_zero_csum = h->wire == PKT_ROCE2_V6 ? random_u64() & 1 : 0;
}

static struct pkt_hdr random_header(uint32_t wire, uint32_t opcode)
{
    struct pkt_hdr h = {.wire = (uint8_t)wire, .opcode = (uint8_t)opcode};
    random_net(&h);
    random_extended(&h, pkt_opcode(h.opcode));
    h.se = random_u64() & 1;
    h.migreq = random_u64() & 1;
    h.fecn = random_u64() & 1;
    h.becn = random_u64() & 1;
    h.ackreq = random_u64() & 1;
    h.pkey = (uint16_t)random_u64();
    h.dqpn = random_u64() & 0xFFFFFF;
    h.psn = random_u64() & 0xFFFFFF;
    return h;
}

/* Builds a frame with random payload and puts it right in front of the fence. */
static const uint8_t *built(const struct pkt_hdr *h, uint32_t payload_len, uint32_t *bytes)
{
    static uint8_t buf[PKT_HEADROOM + PKT_PAYLOAD_MAX + PKT_TAILROOM];
    random_bytes(buf, sizeof buf);
    const struct pkt_frame f = pkt_build(h, buf, payload_len);
    assert_int_not_equal(f.len, 0);
    *bytes = f.len;
    return memcpy(fence - f.len, buf + f.offset, f.len);
}

/* The UDP checksum over IPv6 by its definition, word by word; a right one sums to FFFF. */
static uint32_t udp6_sum(const uint8_t *ip)
{
    const uint32_t bytes = (uint32_t)(ip[4] << 8 | ip[5]);
    uint32_t sum = bytes + 17;
    for (uint32_t i = 8; i < 40 + bytes; i += 2) {
        sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return sum;
}

static void round_trip_one(uint32_t wire, uint32_t opcode, uint32_t payload_len)
{
    const struct pkt_opcode *op = pkt_opcode((uint8_t)opcode);
    struct pkt_hdr want = random_header(wire, opcode);
    struct pkt_hdr h;
    struct pkt_view v;
    uint32_t bytes;
    const uint8_t *frame = built(&want, payload_len, &bytes);
    const uint32_t headers = wire_bytes_of_headers(wire, want.vlan_tags, op->ext_bytes);
    const uint32_t ib = link_of(wire) == PKT_LINK_INFINIBAND;
    want.pad = -payload_len & 3;
    assert_int_equal(pkt_header_bytes(&want), headers);
    assert_int_equal(bytes, headers + payload_len + want.pad + 4 + 2 * ib);
    assert_int_equal(pkt_parse(frame, bytes, link_of(wire), &h, &v),
                     opcode == PKT_OP_CNP ? PKT_CNP : PKT_OK);
    if (ib) {
        want.lnh = wire == PKT_IB_LOCAL ? 2 : 3;
        want.pktlen = (uint16_t)((bytes - 2) / 4);
        assert_true(pkt_vcrc_ok(frame, &v));
    }
    if (wire == PKT_ROCE2_V6 && !want.udp6_zero_csum) {
        assert_int_equal(udp6_sum(frame + v.net_offset), 0xFFFF);
    }
    assert_memory_equal(&h, &want, sizeof h);
    assert_int_equal(v.payload_offset, headers);
    assert_int_equal(v.payload_len, payload_len);
    assert_int_equal(v.payload_captured, payload_len);
    assert_int_equal(v.end_offset, bytes);
    assert_true(pkt_icrc_ok(frame, &v));
}

static void every_opcode_survives_every_wire_at_every_payload_length(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {1,    2,    3,    4,    5,    7,    8,   15,  16,
                                       17,   63,   64,   65,   255,  256,  257, 512, 1000,
                                       1024, 1500, 2048, 4093, 4094, 4095, 4096};
    uint32_t opcodes = 0;
    for (uint32_t opcode = 0; opcode < 256; opcode++) {
        const struct pkt_opcode *op = pkt_opcode((uint8_t)opcode);
        opcodes += op != NULL;
        for (uint32_t wire = 0; op != NULL && wire < PKT_WIRES; wire++) {
            round_trip_one(wire, opcode, op->kind == PKT_NOTIFY ? PKT_CNP_PAYLOAD : 0);
            for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
                if (op->payload != PKT_PAYLOAD_NONE && op->kind != PKT_NOTIFY) {
                    round_trip_one(wire, opcode, lengths[i]);
                }
            }
        }
    }
    assert_int_equal(opcodes, 23 + 12 + 2 + 23 + 1);
}

/* Bits from the start of the network header (LRH on InfiniBand) that the ICRC leaves out. */
static bool masked(uint32_t wire, uint32_t byte, uint32_t bit)
{
    static const uint32_t bth[PKT_WIRES] = {28, 48, 40, 8, 48};
    if (byte == bth[wire] + 4) {
        return true;
    }
    switch (wire) {
    case PKT_ROCE2_V4:
        return byte == 1 || byte == 8 || byte == 10 || byte == 11 || byte == 26 || byte == 27;
    case PKT_IB_LOCAL: return byte == 0 && bit >= 4;
    case PKT_IB_GLOBAL:
        if (byte < 8) {
            return true;
        }
        byte -= 8;
        break;
    case PKT_ROCE2_V6:
        if (byte == 46 || byte == 47) {
            return true;
        }
        break;
    default: break;
    }
    return (byte == 0 && bit < 4) || (byte >= 1 && byte <= 3) || byte == 7;
}

static void icrc_covers_exactly_the_bits_that_may_not_change(void **state)
{
    (void)state;
    for (uint32_t wire = 0; wire < PKT_WIRES; wire++) {
        const struct pkt_hdr want = random_header(wire, PKT_OP_RC_WRITE_ONLY_IMM);
        struct pkt_hdr h;
        struct pkt_view v;
        uint32_t bytes;
        uint8_t *frame = (uint8_t *)built(&want, 61, &bytes);
        assert_int_equal(pkt_parse(frame, bytes, link_of(wire), &h, &v), PKT_OK);
        for (uint32_t i = v.net_offset * 8; i < (v.icrc_offset + 4) * 8; i++) {
            frame[i / 8] ^= (uint8_t)(1u << i % 8);
            if (pkt_icrc_ok(frame, &v) != masked(wire, i / 8 - v.net_offset, i % 8)) {
                fail_msg("wire %u, byte %u, bit %u: ICRC covers the wrong bits", wire,
                         i / 8 - v.net_offset, i % 8);
            }
            frame[i / 8] ^= (uint8_t)(1u << i % 8);
        }
    }
}

static void vcrc_covers_every_bit_of_an_infiniband_frame(void **state)
{
    (void)state;
    for (uint32_t wire = PKT_IB_LOCAL; wire <= PKT_IB_GLOBAL; wire++) {
        const struct pkt_hdr want = random_header(wire, PKT_OP_RC_SEND_ONLY);
        struct pkt_hdr h;
        struct pkt_view v;
        uint32_t bytes;
        uint8_t *frame = (uint8_t *)built(&want, 61, &bytes);
        assert_int_equal(pkt_parse(frame, bytes, PKT_LINK_INFINIBAND, &h, &v), PKT_OK);
        for (uint32_t i = 0; i < bytes * 8; i++) {
            frame[i / 8] ^= (uint8_t)(1u << i % 8);
            assert_false(pkt_vcrc_ok(frame, &v));
            frame[i / 8] ^= (uint8_t)(1u << i % 8);
        }
        assert_true(pkt_vcrc_ok(frame, &v));
    }
}

static void every_shorter_frame_is_refused_as_truncated(void **state)
{
    (void)state;
    for (uint32_t wire = 0; wire < PKT_WIRES; wire++) {
        for (uint32_t opcode = 0; opcode < 256; opcode++) {
            const struct pkt_opcode *op = pkt_opcode((uint8_t)opcode);
            if (op == NULL || op->kind == PKT_NOTIFY) {
                continue;
            }
            const struct pkt_hdr want = random_header(wire, opcode);
            struct pkt_hdr h;
            struct pkt_view v;
            uint32_t bytes;
            const uint8_t *frame = built(&want, op->payload == PKT_PAYLOAD_NONE ? 0 : 9, &bytes);
            uint8_t whole[512];
            memcpy(whole, frame, bytes);
            for (uint32_t n = 0; n < bytes; n++) {
                memcpy(fence - n, whole, n);
                assert_int_equal(pkt_parse(fence - n, n, link_of(wire), &h, &v), PKT_TRUNCATED);
            }
        }
    }
}

static void captured_headers_give_the_payload_length_of_the_wire(void **state)
{
    (void)state;
    for (uint32_t wire = 0; wire < PKT_WIRES; wire++) {
        const struct pkt_hdr want = random_header(wire, PKT_OP_RC_WRITE_ONLY);
        struct pkt_hdr h;
        struct pkt_view v;
        uint32_t bytes;
        uint8_t whole[1024];
        const uint8_t *frame = built(&want, 501, &bytes);
        memcpy(whole, frame, bytes);
        const uint32_t headers = pkt_header_bytes(&want);
        const uint32_t icrc_end = headers + 501 + 3 + 4;
        for (uint32_t n = 0; n <= bytes; n++) {
            memcpy(fence - n, whole, n);
            const enum pkt_result r =
                pkt_parse_captured(fence - n, n, bytes, link_of(wire), &h, &v);
            assert_int_equal(r, n < headers ? PKT_TRUNCATED : PKT_OK);
            if (r == PKT_OK) {
                assert_int_equal(v.payload_len, 501);
                assert_int_equal(v.payload_captured, n - headers < 501 ? n - headers : 501);
                assert_int_equal(v.icrc_captured, n >= icrc_end);
                assert_int_equal(pkt_icrc_ok(fence - n, &v), n >= icrc_end);
                assert_int_equal(pkt_vcrc_ok(fence - n, &v), n == icrc_end + 2);
            }
        }
    }
}

static void padding_behind_the_packet_changes_nothing(void **state)
{
    (void)state;
    for (uint32_t wire = 0; wire < PKT_WIRES; wire++) {
        const struct pkt_hdr want = random_header(wire, PKT_OP_RC_ACK);
        struct pkt_hdr h[2];
        struct pkt_view v[2];
        uint32_t bytes;
        const uint8_t *frame = built(&want, 0, &bytes);
        memmove(fence - bytes - 40, frame, bytes);
        frame = fence - bytes - 40;
        assert_int_equal(pkt_parse(frame, bytes, link_of(wire), &h[0], &v[0]), PKT_OK);
        assert_int_equal(pkt_parse(frame, bytes + 40, link_of(wire), &h[1], &v[1]), PKT_OK);
        assert_memory_equal(&h[0], &h[1], sizeof h[0]);
        assert_memory_equal(&v[0], &v[1], sizeof v[0]);
        assert_true(pkt_icrc_ok(frame, &v[1]));
    }
}

static void infiniband_capture_without_vcrc_is_parsed_and_has_no_good_vcrc(void **state)
{
    (void)state;
    const struct pkt_hdr want = random_header(PKT_IB_GLOBAL, PKT_OP_RC_SEND_ONLY);
    struct pkt_hdr h;
    struct pkt_view v;
    uint32_t bytes;
    const uint8_t *frame = built(&want, 40, &bytes);
    assert_int_equal(pkt_parse_captured(frame, bytes - 2, bytes - 2, PKT_LINK_INFINIBAND, &h, &v),
                     PKT_OK);
    assert_int_equal(v.vcrc_offset, 0);
    assert_true(pkt_icrc_ok(frame, &v));
    assert_false(pkt_vcrc_ok(frame, &v));
}

static void headers_without_payload_are_those_of_the_whole_frame(void **state)
{
    (void)state;
    for (uint32_t wire = 0; wire < PKT_WIRES; wire++) {
        uint8_t whole[PKT_HEADROOM + 1000 + PKT_TAILROOM];
        uint8_t head[PKT_HEADROOM];
        struct pkt_hdr h = random_header(wire, PKT_OP_RC_WRITE_FIRST);
        h.udp6_zero_csum = 1;
        random_bytes(whole, sizeof whole);
        const struct pkt_frame f = pkt_build(&h, whole, 1000);
        const struct pkt_frame g = pkt_build_headers(&h, head, 1000);
        assert_int_equal(f.offset, g.offset);
        assert_int_equal(f.len, g.len);
        assert_memory_equal(whole + f.offset, head + g.offset, PKT_HEADROOM - f.offset);
    }
}

static void fields_too_wide_are_cut_to_their_width(void **state)
{
    (void)state;
    for (uint32_t wire = 0; wire < PKT_WIRES; wire++) {
        struct pkt_hdr want;
        struct pkt_hdr h;
        struct pkt_view v;
        uint32_t bytes;
        memset(&want, 0xFF, sizeof want);
        want.wire = (uint8_t)wire;
        want.vlan_tags = 0;
        want.tver = 0x10;
        want.opcode = PKT_OP_UD_SEND_ONLY;
        const uint8_t *frame = built(&want, 8, &bytes);
        assert_int_equal(pkt_parse(frame, bytes, link_of(wire), &h, &v), PKT_OK);
        assert_int_equal(v.payload_len, 8);
        assert_int_equal(h.pad, 0);
        assert_int_equal(h.dqpn, 0xFFFFFF);
        assert_int_equal(h.psn, 0xFFFFFF);
        assert_int_equal(h.sqpn, 0xFFFFFF);
        assert_int_equal(h.dscp, wire == PKT_IB_LOCAL ? 0 : 63);
        assert_int_equal(h.flow_label, wire == PKT_ROCE2_V4 || wire == PKT_IB_LOCAL ? 0 : 0xFFFFF);
        assert_true(pkt_icrc_ok(frame, &v));
    }
}

/* Over IPv6 a checksum of 0 means "none", so a sum that comes out as 0 is sent as FFFF. */
static void udp_checksum_over_ipv6_is_never_zero(void **state)
{
    (void)state;
    uint32_t ones = 0;
    struct pkt_hdr h = random_header(PKT_ROCE2_V6, PKT_OP_RC_ACK);
    h.udp6_zero_csum = 0;
    h.vlan_tags = 0;
    for (uint32_t i = 0; i < 400000; i++) {
        uint8_t buf[PKT_HEADROOM + PKT_TAILROOM];
        h.psn = i;
        const uint8_t *udp = buf + pkt_build(&h, buf, 0).offset + 14 + 40;
        assert_true((udp[6] | udp[7]) != 0);
        ones += (udp[6] & udp[7]) == 0xFF;
    }
    assert_true(ones > 0);
}

static void what_cannot_be_built_is_refused_and_nothing_written(void **state)
{
    (void)state;
    static const struct {
        struct pkt_hdr h;
        uint32_t payload_len;
    } bad[] = {
        {{.opcode = 0x15}, 0},                   /* reserved opcode   */
        {{.opcode = 0x40}, 0},                   /* RD                */
        {{.wire = PKT_WIRES}, 0},                /* no such wire      */
        {{.vlan_tags = 3}, 0},                   /* too many tags     */
        {{.opcode = PKT_OP_RC_ACK}, 1},          /* carries none      */
        {{.opcode = PKT_OP_RC_READ_REQUEST}, 4}, /* carries none      */
        {{.opcode = PKT_OP_CNP}, 15},            /* must be 16        */
        {{.opcode = 0}, PKT_PAYLOAD_MAX + 1},    /* beyond the MTU    */
        {{.opcode = 0}, UINT32_MAX},
    };
    uint8_t buf[PKT_HEADROOM + 64];
    uint8_t before[sizeof buf];
    memset(buf, 0x5A, sizeof buf);
    memcpy(before, buf, sizeof buf);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(pkt_build(&bad[i].h, buf, bad[i].payload_len).len, 0);
        assert_int_equal(pkt_build_headers(&bad[i].h, buf, bad[i].payload_len).len, 0);
        assert_memory_equal(buf, before, sizeof buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_opcode_survives_every_wire_at_every_payload_length),
        cmocka_unit_test(icrc_covers_exactly_the_bits_that_may_not_change),
        cmocka_unit_test(vcrc_covers_every_bit_of_an_infiniband_frame),
        cmocka_unit_test(every_shorter_frame_is_refused_as_truncated),
        cmocka_unit_test(captured_headers_give_the_payload_length_of_the_wire),
        cmocka_unit_test(padding_behind_the_packet_changes_nothing),
        cmocka_unit_test(infiniband_capture_without_vcrc_is_parsed_and_has_no_good_vcrc),
        cmocka_unit_test(headers_without_payload_are_those_of_the_whole_frame),
        cmocka_unit_test(fields_too_wide_are_cut_to_their_width),
        cmocka_unit_test(udp_checksum_over_ipv6_is_never_zero),
        cmocka_unit_test(what_cannot_be_built_is_refused_and_nothing_written),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
