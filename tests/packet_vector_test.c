/* Known packets, byte for byte: V own vectors confirmed by a second code and by scapy, R frames of
 * the Linux kernel's soft-RoCE, S the well-known InfiniBand sample, N own InfiniBand vector. */
#include "model/packet/crc.h"
#include "model/packet/headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MAC1                \
    {                       \
        0x02, 0, 0, 0, 0, 1 \
    }
#define MAC2                \
    {                       \
        0x02, 0, 0, 0, 0, 2 \
    }
#define V4(last)                                                                \
    {                                                                           \
        [10] = 0xFF, [11] = 0xFF, [12] = 192, [13] = 0, [14] = 2, [15] = (last) \
    }
#define V6(last)                              \
    {                                         \
        0x20, 0x01, 0x0D, 0xB8, [15] = (last) \
    }
#define ETH   .smac = MAC1, .dmac = MAC2
#define V4_12 ETH, .wire = PKT_ROCE2_V4, .sgid = V4(1), .dgid = V4(2), .ip_df = 1, .ttl = 64
#define V4_21 ETH, .wire = PKT_ROCE2_V4, .sgid = V4(2), .dgid = V4(1), .ip_df = 1, .ttl = 64
#define V6_12 \
    ETH, .wire = PKT_ROCE2_V6, .sgid = V6(1), .dgid = V6(2), .udp6_zero_csum = 1, .ttl = 64
#define ETH_HEX "020000000002020000000001"
#define WRITE8  .va = 0x7F0012345000, .rkey = 0x1234, .dma_len = 8

/* Frame with ICRC (and VCRC), the fields it was made from, and its payload. */
static const struct vector {
    const char *name, *frame, *payload;
    struct pkt_hdr h;
} vectors[] = {
    {"V1 v4 SEND only",
     ETH_HEX "0800"
             "45000034000040004011b6b5c0000201c0000202c00112b7002000000430ffff00000012"
             "8000010068656c6c6f000000355830ea",
     "68656c6c6f",
     {V4_12, .udp_sport = 0xC001, .opcode = PKT_OP_RC_SEND_ONLY, .pkey = 0xFFFF, .dqpn = 0x12,
      .ackreq = 1, .psn = 0x100}},
    {"V2 v4 WRITE only, ECT, IP id",
     ETH_HEX "0800"
             "45020044123440004011a46fc0000201c0000202d3a712b7003000000a00ffff00000011"
             "80abcdef00007f001234500000001234000000080001020304050607"
             "1413d3a6",
     "0001020304050607",
     {V4_12, .ecn = 2, .ip_id = 0x1234, .udp_sport = 0xD3A7, .opcode = PKT_OP_RC_WRITE_ONLY,
      .pkey = 0xFFFF, .dqpn = 0x11, .ackreq = 1, .psn = 0xABCDEF, WRITE8}},
    {"V3 v4 ACK",
     ETH_HEX "0800"
             "45000030000040004011b6b9c0000202c0000201c00112b7001c00001100ffff00000011"
             "000001001f000001194b2560",
     "",
     {V4_21, .udp_sport = 0xC001, .opcode = PKT_OP_RC_ACK, .pkey = 0xFFFF, .dqpn = 0x11,
      .psn = 0x100, .syndrome = 0x1F, .msn = 1}},
    {"V4 v4 CNP",
     ETH_HEX "0800"
             "45c0003c000040004011b5edc0000202c0000201c00112b7002800008100ffff40000011"
             "0000000000000000000000000000000000000000f3d4ebc3",
     "00000000000000000000000000000000",
     {V4_21, .dscp = 48, .udp_sport = 0xC001, .opcode = PKT_OP_CNP, .pkey = 0xFFFF, .dqpn = 0x11,
      .becn = 1}},
    {"V5 v6 SEND only, traffic class, flow label",
     ETH_HEX "86dd"
             "602123450020114020010db800000000000000000000000120010db80000000000000000"
             "00000002c00112b7002000000430ffff000000128000010068656c6c6f000000"
             "e1380929",
     "68656c6c6f",
     {V6_12, .ecn = 2, .flow_label = 0x12345, .udp_sport = 0xC001, .opcode = PKT_OP_RC_SEND_ONLY,
      .pkey = 0xFFFF, .dqpn = 0x12, .ackreq = 1, .psn = 0x100}},
    {"V6 v6 UD SEND only to QP1",
     ETH_HEX "86dd"
             "600000000030114020010db800000000000000000000000120010db80000000000000000"
             "00000002c00112b7003000006400ffff00000001000000008001000000000001"
             "000102030405060708090a0b0c0d0e0ff6195648",
     "000102030405060708090a0b0c0d0e0f",
     {V6_12, .udp_sport = 0xC001, .opcode = PKT_OP_UD_SEND_ONLY, .pkey = 0xFFFF, .dqpn = 1,
      .qkey = 0x80010000, .sqpn = 1}},
    {"R1 v4 WRITE only of soft-RoCE",
     ETH_HEX "0800"
             "4502004494bb4000401121e8c0000201c0000202c23112b7003000000a00ffff00000021"
             "80abcde000007f001234500000001234000000080001020304050607"
             "9245acb9",
     "0001020304050607",
     {V4_12, .ecn = 2, .ip_id = 0x94BB, .udp_sport = 0xC231, .opcode = PKT_OP_RC_WRITE_ONLY,
      .pkey = 0xFFFF, .dqpn = 0x21, .ackreq = 1, .psn = 0xABCDE0, WRITE8}},
    {"R2 v6 WRITE only of soft-RoCE",
     ETH_HEX "86dd"
             "602000000030114020010db800000000000000000000000120010db80000000000000000"
             "00000002c26412b7003000000a00ffff0000002280abcde000007f0012345000"
             "00001234000000080001020304050607"
             "7d44c227",
     "0001020304050607",
     {V6_12, .ecn = 2, .udp_sport = 0xC264, .opcode = PKT_OP_RC_WRITE_ONLY, .pkey = 0xFFFF,
      .dqpn = 0x22, .ackreq = 1, .psn = 0xABCDE0, WRITE8}},
    {"R3 v4 NAK sequence error of soft-RoCE",
     ETH_HEX "0800"
             "4502003094c94000401121eec0000201c0000202c23112b7001c00001100ffff00000021"
             "00000503600000035121e834",
     "",
     {V4_12, .ecn = 2, .ip_id = 0x94C9, .udp_sport = 0xC231, .opcode = PKT_OP_RC_ACK,
      .pkey = 0xFFFF, .dqpn = 0x21, .psn = 0x503, .syndrome = 0x60, .msn = 3}},
    {"S1 InfiniBand local WRITE only",
     "7012375c000e17d20a2024870087b1b3000dec2a01710a1c015d400238f27a050000000ebb884d85fd5cfba4"
     "728bc0690ed400009625b75a45fa",
     "bb884d85fd5cfba4728bc0690ed4",
     {.wire = PKT_IB_LOCAL,
      .vl = 7,
      .sl = 1,
      .dlid = 0x375C,
      .slid = 0x17D2,
      .opcode = PKT_OP_RC_WRITE_ONLY,
      .pkey = 0x2487,
      .dqpn = 0x87B1B3,
      .psn = 0x0DEC2A,
      .va = 0x01710A1C015D4002,
      .rkey = 0x38F27A05,
      .dma_len = 14}},
    {"N2 InfiniBand local SEND only",
     "00020002000800010430ffff000000128000010068656c6c6f0000007a1efff6d1f0",
     "68656c6c6f",
     {.wire = PKT_IB_LOCAL,
      .dlid = 2,
      .slid = 1,
      .opcode = PKT_OP_RC_SEND_ONLY,
      .pkey = 0xFFFF,
      .dqpn = 0x12,
      .ackreq = 1,
      .psn = 0x100}},
};

static uint32_t from_hex(const char *hex, uint8_t *out)
{
    uint32_t n = 0;
    for (unsigned byte; *hex != '\0' && sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        out[n++] = (uint8_t)byte;
    }
    return n;
}

static enum pkt_link link_of(const struct pkt_hdr *h)
{
    return h->wire == PKT_IB_LOCAL || h->wire == PKT_IB_GLOBAL ? PKT_LINK_INFINIBAND
                                                               : PKT_LINK_ETHERNET;
}

static void build_gives_every_known_packet_byte_for_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *t = &vectors[i];
        uint8_t want[256];
        uint8_t buf[PKT_HEADROOM + 64 + PKT_TAILROOM];
        const uint32_t bytes = from_hex(t->frame, want);
        memset(buf, 0xA5, sizeof buf);
        const uint32_t payload = from_hex(t->payload, buf + PKT_HEADROOM);
        const struct pkt_frame f = pkt_build(&t->h, buf, payload);
        if (f.len != bytes || memcmp(buf + f.offset, want, bytes) != 0) {
            fail_msg("%s: built %u bytes differ from the known %u", t->name, f.len, bytes);
        }
    }
}

static void parse_gives_the_fields_of_every_known_packet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *t = &vectors[i];
        uint8_t frame[256];
        uint8_t payload[64];
        struct pkt_hdr h;
        struct pkt_view v;
        struct pkt_hdr want = t->h;
        const uint32_t bytes = from_hex(t->frame, frame);
        const uint32_t payload_len = from_hex(t->payload, payload);
        assert_int_equal(pkt_parse(frame, bytes, link_of(&t->h), &h, &v),
                         t->h.opcode == PKT_OP_CNP ? PKT_CNP : PKT_OK);
        want.pad = -payload_len & 3;
        if (link_of(&want) == PKT_LINK_INFINIBAND) {
            want.lnh = 2;
            want.pktlen = (uint16_t)((bytes - 2) / 4);
            assert_true(pkt_vcrc_ok(frame, &v));
        }
        if (memcmp(&h, &want, sizeof want) != 0 || v.payload_len != payload_len ||
            memcmp(frame + v.payload_offset, payload, payload_len) != 0) {
            fail_msg("%s: fields or payload differ", t->name);
        }
        assert_int_equal(v.end_offset, bytes);
        assert_true(pkt_icrc_ok(frame, &v));
    }
}

/* S2 is S1 with a GRH whose next header is 0 and whose length counts the VCRC: its CRCs are known,
 * but no conforming receiver takes it. */
static void crcs_of_the_sample_with_grh_are_right_and_its_header_is_refused(void **state)
{
    (void)state;
    uint8_t frame[128];
    const uint32_t bytes = from_hex(
        "7013375c001817d2"
        "60000000003200100000000000000125000000000000002600000000000001170000000000000096"
        "0a2024870087b1b3000dec2a01710a1c015d400238f27a050000000ebb884d85fd5cfba4728bc0690ed40000"
        "1493ec467c44",
        frame);
    const struct pkt_view where = {.net_offset = 0,
                                   .bth_offset = 48,
                                   .icrc_offset = bytes - 6,
                                   .vcrc_offset = bytes - 2,
                                   .wire = PKT_IB_GLOBAL,
                                   .icrc_captured = 1,
                                   .vcrc_captured = 1};
    struct pkt_hdr h;
    struct pkt_view v;
    assert_int_equal(bytes, 98);
    assert_true(pkt_icrc_ok(frame, &where));
    assert_true(pkt_vcrc_ok(frame, &where));
    assert_int_equal(pkt_parse(frame, bytes, PKT_LINK_INFINIBAND, &h, &v), PKT_BAD_GRH);
}

static void build_cnp_gives_the_known_cnp_whatever_the_flags(void **state)
{
    (void)state;
    const struct vector *t = &vectors[3];
    uint8_t want[128];
    uint8_t buf[PKT_HEADROOM + PKT_CNP_PAYLOAD + PKT_TAILROOM];
    struct pkt_hdr h = t->h;
    h.opcode = PKT_OP_RC_SEND_ONLY;
    h.becn = 0;
    h.fecn = h.se = h.ackreq = h.migreq = 1;
    h.psn = 0x123456;
    memset(buf, 0xA5, sizeof buf);
    const struct pkt_frame f = pkt_build_cnp(&h, buf);
    assert_int_equal(f.len, from_hex(t->frame, want));
    assert_memory_equal(buf + f.offset, want, f.len);
}

static void pfc_frame_is_built_and_recognised(void **state)
{
    (void)state;
    uint8_t want[PKT_PFC_BYTES] = {0};
    uint8_t got[PKT_PFC_BYTES];
    struct pkt_hdr h;
    struct pkt_view v;
    const struct pkt_hdr pause = {.smac = MAC1, .pfc_enable = 8, .pfc_quanta = {[3] = 0xFFFF}};
    from_hex("0180c2000001020000000001880801010008000000000000ffff", want);
    pkt_build_pfc(&pause, got);
    assert_memory_equal(got, want, PKT_PFC_BYTES);
    assert_int_equal(pkt_parse(got, PKT_PFC_BYTES, PKT_LINK_ETHERNET, &h, &v), PKT_PFC);
    assert_memory_equal(h.pfc_quanta, pause.pfc_quanta, sizeof h.pfc_quanta);
    assert_int_equal(h.pfc_enable, 8);
    assert_int_equal(pkt_parse(got, 33, PKT_LINK_ETHERNET, &h, &v), PKT_TRUNCATED);
    got[15] = 2; /* MAC control, but not PFC */
    assert_int_equal(pkt_parse(got, PKT_PFC_BYTES, PKT_LINK_ETHERNET, &h, &v), PKT_NOT_RDMA);
}

static void source_port_follows_flow_label_or_queue_pairs(void **state)
{
    (void)state;
    assert_int_equal(pkt_udp_sport(0, 0x11, 0x21), 0xC231);         /* seen from soft-RoCE */
    assert_int_equal(pkt_udp_sport(0, 0x12, 0x22), 0xC264);         /* seen from soft-RoCE */
    assert_int_equal(pkt_udp_sport(0x12345, 1, 2), 0xE341);         /* 2345 ^ 4, top bits 11 */
    assert_int_equal(pkt_udp_sport(0, 0xFFFFFF, 0xFFFFFF), 0xFF21); /* label FFF1E */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(build_gives_every_known_packet_byte_for_byte),
        cmocka_unit_test(parse_gives_the_fields_of_every_known_packet),
        cmocka_unit_test(crcs_of_the_sample_with_grh_are_right_and_its_header_is_refused),
        cmocka_unit_test(build_cnp_gives_the_known_cnp_whatever_the_flags),
        cmocka_unit_test(pfc_frame_is_built_and_recognised),
        cmocka_unit_test(source_port_follows_flow_label_or_queue_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
