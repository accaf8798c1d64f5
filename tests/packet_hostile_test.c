/* Every way in which a frame can be wrong has its own result; no content makes the parser read
 * outside the frame or give offsets outside it. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "model/packet/headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { PAGE = 4096, PAYLOAD = 12 };

/* Offsets of headers in an untagged frame. */
enum { ETH_TYPE = 12, IP = 14, UDP4 = IP + 20, BTH4 = UDP4 + 8, UDP6 = IP + 40, GRH_IB = 8 };

static uint8_t *fence; /* first forbidden byte */

static int set_up(void **state)
{
    (void)state;
    uint8_t *area =
        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || mprotect(area + PAGE, PAGE, PROT_NONE) != 0) {
        return -1;
    }
    fence = area + PAGE;
    return 0;
}

static enum pkt_link link_of(uint32_t wire)
{
    return wire >= PKT_IB_LOCAL ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET;
}

/* A frame without tags on the wire, SEND only of 12 bytes, in front of the fence. */
static uint8_t *good_frame(uint32_t wire, uint32_t tags, uint32_t *bytes)
{
    uint8_t buf[PKT_HEADROOM + PAYLOAD + PKT_TAILROOM] = {0};
    const struct pkt_hdr h = {.wire = (uint8_t)wire,
                              .vlan_tags = (uint8_t)tags,
                              .opcode = PKT_OP_RC_SEND_ONLY,
                              .pkey = 0xFFFF,
                              .dqpn = 7,
                              .ttl = 64,
                              .ip_df = 1};
    const struct pkt_frame f = pkt_build(&h, buf, PAYLOAD);
    *bytes = f.len;
    return memcpy(fence - f.len, buf + f.offset, f.len);
}

static void ipv4_checksum_again(uint8_t *ip)
{
    uint32_t sum = 0;
    ip[10] = ip[11] = 0;
    for (uint32_t i = 0; i < 20; i += 2) {
        sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
    }
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = ~((sum & 0xFFFF) + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
}

static void each_fault_has_its_own_result(void **state)
{
    (void)state;
    enum { SUM = 1 }; /* IPv4 header checksum made right again */
    static const struct {
        const char *what;
        uint8_t wire, value;
        uint16_t at;
        int fix;
        enum pkt_result want;
    } faults[] = {
        {"Ethernet type ARP", PKT_ROCE2_V4, 0x06, ETH_TYPE + 1, 0, PKT_NOT_RDMA},
        {"IPv4 type, IPv6 version", PKT_ROCE2_V4, 0x65, IP, SUM, PKT_BAD_IP_VERSION},
        {"IPv4 header of 16 bytes", PKT_ROCE2_V4, 0x44, IP, SUM, PKT_BAD_IP_HEADER},
        {"IPv4 is TCP", PKT_ROCE2_V4, 6, IP + 9, SUM, PKT_NOT_RDMA},
        {"IPv4 checksum", PKT_ROCE2_V4, 63, IP + 8, 0, PKT_BAD_IP_CHECKSUM},
        {"IPv4 first fragment", PKT_ROCE2_V4, 0x20, IP + 6, SUM, PKT_IP_FRAGMENT},
        {"IPv4 later fragment", PKT_ROCE2_V4, 1, IP + 7, SUM, PKT_NOT_RDMA},
        {"IPv4 total length + 1", PKT_ROCE2_V4, 57, IP + 3, SUM, PKT_BAD_LENGTH},
        {"IPv4 total length 19", PKT_ROCE2_V4, 19, IP + 3, SUM, PKT_BAD_LENGTH},
        {"IPv4 total length 28", PKT_ROCE2_V4, 28, IP + 3, SUM, PKT_BAD_LENGTH},
        {"UDP port 4790", PKT_ROCE2_V4, 0xB6, UDP4 + 3, 0, PKT_NOT_RDMA},
        {"UDP length - 4", PKT_ROCE2_V4, 32, UDP4 + 5, 0, PKT_BAD_LENGTH},
        {"transport version 1", PKT_ROCE2_V4, 1, BTH4 + 1, 0, PKT_BAD_TVER},
        {"reserved opcode", PKT_ROCE2_V4, 0x15, BTH4, 0, PKT_UNKNOWN_OPCODE},
        {"RD opcode", PKT_ROCE2_V4, 0x44, BTH4, 0, PKT_UNKNOWN_OPCODE},
        {"vendor opcode", PKT_ROCE2_V4, 0xE4, BTH4, 0, PKT_UNKNOWN_OPCODE},
        {"RETH longer than the packet", PKT_ROCE2_V4, 0x0A, BTH4, 0, PKT_BAD_LENGTH},
        {"pad 3 of 12 bytes", PKT_ROCE2_V4, 0x30, BTH4 + 1, 0, PKT_OK},
        {"IPv6 type, IPv4 version", PKT_ROCE2_V6, 0x45, IP, 0, PKT_BAD_IP_VERSION},
        {"IPv6 hop-by-hop options", PKT_ROCE2_V6, 0, IP + 6, 0, PKT_NOT_RDMA},
        {"IPv6 payload length", PKT_ROCE2_V6, 32, IP + 5, 0, PKT_BAD_LENGTH},
        {"IPv6 UDP port", PKT_ROCE2_V6, 0, UDP6 + 2, 0, PKT_NOT_RDMA},
        {"GRH version 4", PKT_ROCE1, 0x40, IP, 0, PKT_BAD_IP_VERSION},
        {"GRH next header", PKT_ROCE1, 17, IP + 6, 0, PKT_BAD_GRH},
        {"GRH length too small", PKT_ROCE1, 12, IP + 5, 0, PKT_BAD_LENGTH},
        {"GRH length too large", PKT_ROCE1, 200, IP + 5, 0, PKT_TRUNCATED},
        {"GRH length not 4n", PKT_ROCE1, 27, IP + 5, 0, PKT_BAD_PAD},
        {"LRH version 1", PKT_IB_LOCAL, 1, 0, 0, PKT_BAD_LRH},
        {"LRH raw packet", PKT_IB_LOCAL, 0, 1, 0, PKT_NOT_RDMA},
        {"LRH IPv6 raw packet", PKT_IB_LOCAL, 1, 1, 0, PKT_NOT_RDMA},
        {"LRH length 0, GRH follows", PKT_IB_GLOBAL, 0, 5, 0, PKT_BAD_LENGTH},
        {"LRH length 5 words", PKT_IB_LOCAL, 5, 5, 0, PKT_BAD_LENGTH},
        {"LRH length too large", PKT_IB_LOCAL, 200, 5, 0, PKT_TRUNCATED},
        {"GRH behind LRH: version", PKT_IB_GLOBAL, 0x40, GRH_IB, 0, PKT_BAD_IP_VERSION},
        {"GRH behind LRH: next header", PKT_IB_GLOBAL, 0, GRH_IB + 6, 0, PKT_BAD_GRH},
        {"GRH and LRH disagree", PKT_IB_GLOBAL, 24, GRH_IB + 5, 0, PKT_BAD_LENGTH},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct pkt_hdr h;
        struct pkt_view v;
        uint32_t bytes;
        uint8_t *frame = good_frame(faults[i].wire, 0, &bytes);
        assert_int_equal(pkt_parse(frame, bytes, link_of(faults[i].wire), &h, &v), PKT_OK);
        assert_int_not_equal(frame[faults[i].at], faults[i].value);
        frame[faults[i].at] = faults[i].value;
        if (faults[i].fix == SUM) {
            ipv4_checksum_again(frame + IP);
        }
        const enum pkt_result r = pkt_parse(frame, bytes, link_of(faults[i].wire), &h, &v);
        if (r != faults[i].want) {
            fail_msg("%s: \"%s\", want \"%s\"", faults[i].what, pkt_result_text(r),
                     pkt_result_text(faults[i].want));
        }
    }
}

static void reserved_bits_of_the_lrh_are_ignored(void **state)
{
    (void)state;
    uint32_t bytes;
    struct pkt_hdr h;
    struct pkt_view v;
    uint8_t *frame = good_frame(PKT_IB_LOCAL, 0, &bytes);
    frame[1] |= 0x0C;
    frame[4] |= 0xF8;
    assert_int_equal(pkt_parse(frame, bytes, PKT_LINK_INFINIBAND, &h, &v), PKT_OK);
    assert_int_equal(h.pktlen, (bytes - 2) / 4);
    assert_int_equal(h.sl, 0);
}

static void pad_longer_than_the_payload_is_refused(void **state)
{
    (void)state;
    uint8_t buf[PKT_HEADROOM + PKT_TAILROOM] = {0};
    const struct pkt_hdr h = {.wire = PKT_ROCE1, .opcode = PKT_OP_RC_SEND_ONLY};
    const struct pkt_frame f = pkt_build(&h, buf, 0);
    struct pkt_hdr out;
    struct pkt_view v;
    buf[PKT_HEADROOM - 11] = 0x10;
    assert_int_equal(pkt_parse(buf + f.offset, f.len, PKT_LINK_ETHERNET, &out, &v), PKT_BAD_PAD);
}

static void ipv4_options_are_refused_only_on_rdma(void **state)
{
    (void)state;
    uint8_t frame[128] = {[12] = 0x08, [IP] = 0x46, [IP + 9] = 17, [IP + 24 + 2] = 0x12};
    struct pkt_hdr h;
    struct pkt_view v;
    frame[IP + 24 + 3] = 0xB7;
    assert_int_equal(pkt_parse(frame, 100, PKT_LINK_ETHERNET, &h, &v), PKT_BAD_IP_HEADER);
    frame[IP + 24 + 3] = 53;
    assert_int_equal(pkt_parse(frame, 100, PKT_LINK_ETHERNET, &h, &v), PKT_NOT_RDMA);
}

static void a_third_vlan_tag_is_not_followed(void **state)
{
    (void)state;
    uint32_t bytes;
    struct pkt_hdr h;
    struct pkt_view v;
    uint8_t *frame = good_frame(PKT_ROCE2_V4, 2, &bytes);
    assert_int_equal(pkt_parse(frame, bytes, PKT_LINK_ETHERNET, &h, &v), PKT_OK);
    assert_int_equal(h.vlan_tags, 2);
    memmove(frame - 4, frame, 12);
    memcpy(frame - 4 + 12, "\x81\x00\x00\x05", 4);
    assert_int_equal(pkt_parse(frame - 4, bytes + 4, PKT_LINK_ETHERNET, &h, &v), PKT_NOT_RDMA);
}

static void every_result_has_a_text(void **state)
{
    (void)state;
    for (int r = 0; r < PKT_RESULTS; r++) {
        assert_true(strlen(pkt_result_text((enum pkt_result)r)) > 3);
    }
    assert_string_equal(pkt_result_text((enum pkt_result)999), "unknown result");
}

/* What an accepted frame promises about its view. */
static void check_view(const uint8_t *frame, size_t cap, size_t wire, const struct pkt_hdr *h,
                       const struct pkt_view *v)
{
    assert_true(v->end_offset <= wire && v->payload_offset <= cap);
    assert_true(v->net_offset < v->bth_offset && v->bth_offset + 12 <= v->payload_offset);
    assert_int_equal(v->payload_offset + v->payload_len + h->pad, v->icrc_offset);
    assert_true(v->payload_captured <= v->payload_len);
    assert_true(v->payload_offset + v->payload_captured <= cap);
    assert_true(!v->icrc_captured || v->icrc_offset + 4 <= cap);
    assert_true(!v->vcrc_captured || v->vcrc_offset + 2 <= cap);
    assert_non_null(pkt_opcode(h->opcode));
    (void)pkt_icrc_ok(frame, v);
    (void)pkt_vcrc_ok(frame, v);
}

static void no_mutated_frame_leads_outside_itself(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    uint32_t accepted = 0;
    for (uint32_t round = 0; round < 300000; round++) {
        const uint32_t wire = round % PKT_WIRES;
        struct pkt_hdr h;
        struct pkt_view v;
        uint32_t bytes;
        uint8_t *frame = good_frame(wire, round / 7 % 3 * (wire < PKT_IB_LOCAL), &bytes);
        for (uint32_t n = round % 4; n > 0; n--) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            frame[(x >> 8) % bytes] = (uint8_t)x;
        }
        const uint32_t cap = bytes - (uint32_t)(x >> 40) % (round % 3 == 0 ? bytes + 1 : 1);
        memmove(fence - cap, frame, cap);
        const size_t on_wire = round % 2 ? bytes : cap;
        const enum pkt_result r =
            pkt_parse_captured(fence - cap, cap, on_wire, link_of(wire), &h, &v);
        if (r == PKT_OK || r == PKT_CNP) {
            accepted++;
            check_view(fence - cap, cap, on_wire, &h, &v);
        }
    }
    assert_in_range(accepted, 50000, 290000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_own_result),
        cmocka_unit_test(reserved_bits_of_the_lrh_are_ignored),
        cmocka_unit_test(pad_longer_than_the_payload_is_refused),
        cmocka_unit_test(ipv4_options_are_refused_only_on_rdma),
        cmocka_unit_test(a_third_vlan_tag_is_not_followed),
        cmocka_unit_test(every_result_has_a_text),
        cmocka_unit_test(no_mutated_frame_leads_outside_itself),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
