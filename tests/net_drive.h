/* net_drive.h: a network without adapters and frames for it. */
#pragma once
#include "sim/link/net.h"
#include "tests/port.h"

enum { FRAME = 1024 + 82 - 24, CABLE = 15000, SWITCH = 300000, MACS = 8 };

static const uint8_t mac_of[MACS][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3},
                                        {2, 0, 0, 0, 0, 4}, {2, 0, 0, 0, 0, 5}, {2, 0, 0, 0, 0, 6},
                                        {2, 0, 0, 0, 0, 7}, {2, 0, 0, 0, 0, 8}};

static inline struct net *fresh(const struct hca_param *p, uint32_t ports)
{
    const char *why;
    struct net *const n = net_open(p, ports, &why);

    assert_non_null(n);
    for (uint32_t i = 0; i < ports; i++) {
        net_address(n, i, mac_of[i], (uint16_t)(i + 1));
    }
    return n;
}

/* A RoCE v2 frame (IPv4) or InfiniBand packet from port src to port dst with plen bytes; its PSN is
 * `number`. Returns its length. */
static inline uint32_t make(uint8_t *buf, const struct hca_param *p, uint32_t src, uint32_t dst,
                            uint32_t number, uint32_t plen, uint8_t **frame)
{
    struct pkt_hdr h = {.wire = p->port_wire == HCA_PORT_WIRE_IB ? PKT_IB_LOCAL : PKT_ROCE2_V4,
                        .opcode = PKT_OP_RC_SEND_ONLY,
                        .dqpn = 100 + dst,
                        .psn = number,
                        .pkey = 0xffff,
                        .ecn = 2,
                        .ttl = 64,
                        .ip_df = 1,
                        .udp_sport = 0xc000,
                        .dlid = (uint16_t)(dst + 1),
                        .slid = (uint16_t)(src + 1)};

    memcpy(h.dmac, mac_of[dst], 6);
    memcpy(h.smac, mac_of[src], 6);
    h.sgid[10] = h.sgid[11] = h.dgid[10] = h.dgid[11] = 0xff;
    h.sgid[15] = (uint8_t)src;
    h.dgid[15] = (uint8_t)dst;
    memset(buf + PKT_HEADROOM, (int)(number & 0xff), plen);
    const struct pkt_frame f = pkt_build(&h, buf, plen);
    *frame = buf + f.offset;
    return f.len;
}

static inline void send_len(struct net *n, const struct hca_param *p, uint32_t src, uint32_t dst,
                            uint64_t at, uint32_t number, uint32_t plen)
{
    static uint8_t buf[PKT_HEADROOM + 4096 + PKT_TAILROOM];
    const struct net_side side = {.mid = number, .source = 1};
    uint8_t *frame;
    const uint32_t len = make(buf, p, src, dst, number, plen, &frame);

    assert_true(net_send(n, src, at, frame, len, len, false, &side));
}

static inline void send(struct net *n, const struct hca_param *p, uint32_t src, uint32_t dst,
                        uint64_t at, uint32_t number)
{
    send_len(n, p, src, dst, at, number, 1024);
}

static inline uint32_t psn_of(const struct hca_param *p, const struct net_arrival *a)
{
    struct pkt_hdr h;
    struct pkt_view v;
    const bool ib = p->port_wire == HCA_PORT_WIRE_IB;
    const enum pkt_result r =
        pkt_parse(a->bytes, a->len, ib ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET, &h, &v);

    return r == PKT_OK && pkt_icrc_ok(a->bytes, &v) ? h.psn : UINT32_MAX;
}

static inline uint64_t ser_ps(uint32_t len)
{
    return line_bytes(false, len) * 80ULL; /* 100 Gb/s */
}
