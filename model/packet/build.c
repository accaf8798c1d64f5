/* Header to frame. */
#include "model/packet/crc.h"
#include "model/packet/wire_format.h"

#include <string.h>

/* Lengths of a frame to be built, bytes. */
struct layout {
    const struct pkt_opcode *op;
    uint32_t link; /* Ethernet and tags, or LRH */
    uint32_t net;  /* IP and UDP, or GRH */
    uint32_t bth;  /* BTH and extended headers */
    uint32_t pad;
    uint32_t transport; /* BTH to ICRC */
};

static bool is_ib(const struct pkt_hdr *h)
{
    return h->wire == PKT_IB_LOCAL || h->wire == PKT_IB_GLOBAL;
}

/* False where the header cannot be built. */
static bool layout_of(const struct pkt_hdr *h, struct layout *l)
{
    static const uint8_t net[PKT_WIRES] = {[PKT_ROCE2_V4] = IPV4_BYTES + UDP_BYTES,
                                           [PKT_ROCE2_V6] = IPV6_BYTES + UDP_BYTES,
                                           [PKT_ROCE1] = GRH_BYTES,
                                           [PKT_IB_LOCAL] = 0,
                                           [PKT_IB_GLOBAL] = GRH_BYTES};
    l->op = pkt_opcode(h->opcode);
    if (l->op == NULL || h->wire >= PKT_WIRES || h->vlan_tags > 2) {
        return false;
    }
    l->link = is_ib(h) ? (uint32_t)LRH_BYTES : ETH_BYTES + VLAN_BYTES * (uint32_t)h->vlan_tags;
    l->net = net[h->wire];
    l->bth = BTH_BYTES + (uint32_t)l->op->ext_bytes;
    return true;
}

static bool payload_fits(const struct pkt_opcode *op, uint32_t payload_len)
{
    if (op->kind == PKT_NOTIFY) {
        return payload_len == PKT_CNP_PAYLOAD;
    }
    return payload_len <= (op->payload == PKT_PAYLOAD_NONE ? 0 : PKT_PAYLOAD_MAX);
}

uint32_t pkt_header_bytes(const struct pkt_hdr *h)
{
    struct layout l;
    return layout_of(h, &l) ? l.link + l.net + l.bth : 0;
}

/* Writes all headers so that they end at buf + PKT_HEADROOM. */
static struct pkt_frame headers_put(const struct pkt_hdr *h, struct layout *l, uint8_t *buf,
                                    uint32_t payload_len)
{
    if (!layout_of(h, l) || !payload_fits(l->op, payload_len)) {
        return (struct pkt_frame){0, 0};
    }
    l->pad = -payload_len & 3;
    l->transport = l->bth + payload_len + l->pad + ICRC_BYTES;
    const uint32_t offset = PKT_HEADROOM - l->bth - l->net - l->link;
    uint8_t *frame = buf + offset;
    uint8_t *net = frame + l->link;
    bth_put(net + l->net, h, l->op, l->pad);
    switch ((enum pkt_wire)h->wire) {
    case PKT_ROCE2_V4:
    case PKT_ROCE2_V6: ip_udp_put(net, h, UDP_BYTES + l->transport); break;
    case PKT_ROCE1:
    case PKT_IB_GLOBAL: grh_put(net, h, l->transport); break;
    case PKT_IB_LOCAL:
    case PKT_WIRES: break;
    }
    if (is_ib(h)) {
        lrh_put(frame, h, (l->link + l->net + l->transport) / 4);
    } else {
        eth_put(frame, h);
    }
    return (struct pkt_frame){offset,
                              l->link + l->net + l->transport + (is_ib(h) ? VCRC_BYTES : 0)};
}

struct pkt_frame pkt_build_headers(const struct pkt_hdr *h, uint8_t *buf, uint32_t payload_len)
{
    struct layout l;
    return headers_put(h, &l, buf, payload_len);
}

struct pkt_frame pkt_build(const struct pkt_hdr *h, uint8_t *buf, uint32_t payload_len)
{
    struct layout l;
    const struct pkt_frame f = headers_put(h, &l, buf, payload_len);
    if (f.len == 0) {
        return f;
    }
    uint8_t *icrc = buf + PKT_HEADROOM + payload_len + l.pad;
    memset(icrc - l.pad, 0, l.pad);
    uint8_t *frame = buf + f.offset;
    const struct pkt_view v = {.net_offset = is_ib(h) ? 0 : l.link,
                               .bth_offset = l.link + l.net,
                               .icrc_offset = (uint32_t)(icrc - frame),
                               .wire = h->wire,
                               .icrc_captured = 1};
    const uint32_t crc = pkt_icrc(frame, &v);
    memcpy(icrc, &crc, ICRC_BYTES);
    if (is_ib(h)) {
        const uint16_t vcrc = crc16_update(0, frame, v.icrc_offset + ICRC_BYTES);
        memcpy(icrc + ICRC_BYTES, &vcrc, VCRC_BYTES);
    } else if (h->wire == PKT_ROCE2_V6 && !h->udp6_zero_csum) {
        udp6_checksum_put(frame + l.link, UDP_BYTES + l.transport);
    }
    return f;
}

struct pkt_frame pkt_build_cnp(const struct pkt_hdr *h, uint8_t *buf)
{
    struct pkt_hdr cnp = *h;
    cnp.opcode = PKT_OP_CNP;
    cnp.becn = 1;
    cnp.fecn = cnp.se = cnp.ackreq = cnp.migreq = 0;
    cnp.psn = 0;
    memset(buf + PKT_HEADROOM, 0, PKT_CNP_PAYLOAD);
    return pkt_build(&cnp, buf, PKT_CNP_PAYLOAD);
}
