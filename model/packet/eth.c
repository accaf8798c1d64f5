/* Ethernet, VLAN tags, PFC. */
#include "model/packet/bytes.h"
#include "model/packet/wire_format.h"

enum {
    TYPE_IPV4 = 0x0800,
    TYPE_VLAN = 0x8100,
    TYPE_IPV6 = 0x86DD,
    TYPE_MAC_CONTROL = 0x8808,
    TYPE_SVLAN = 0x88A8,
    TYPE_ROCE1 = 0x8915,
    MAC_CONTROL_PFC = 0x0101
};

static const uint8_t pfc_dmac[6] = {0x01, 0x80, 0xC2, 0x00, 0x00, 0x01};

void eth_put(uint8_t *p, const struct pkt_hdr *h)
{
    static const uint16_t type[] = {
        [PKT_ROCE2_V4] = TYPE_IPV4, [PKT_ROCE2_V6] = TYPE_IPV6, [PKT_ROCE1] = TYPE_ROCE1};
    memcpy(p, h->dmac, 6);
    memcpy(p + 6, h->smac, 6);
    p += 12;
    if (h->vlan_tags == 2) {
        be16_put(p, TYPE_SVLAN);
        be16_put(p + 2, h->svlan_tci);
        p += VLAN_BYTES;
    }
    if (h->vlan_tags != 0) {
        be16_put(p, TYPE_VLAN);
        be16_put(p + 2, h->vlan_tci);
        p += VLAN_BYTES;
    }
    be16_put(p, type[h->wire]);
}

/* MAC control frame behind the Ethernet header: opcode, enable vector, eight pause times. */
static enum pkt_result pfc_get(const struct cursor *c, struct pkt_hdr *h)
{
    if (!cursor_has(c, 2) || be16_get(c->frame + c->at) != MAC_CONTROL_PFC ||
        memcmp(h->dmac, pfc_dmac, sizeof pfc_dmac) != 0 || h->vlan_tags != 0) {
        return PKT_NOT_RDMA;
    }
    if (!cursor_has(c, 20)) {
        return PKT_TRUNCATED;
    }
    const uint8_t *p = c->frame + c->at;
    h->pfc_enable = p[3];
    for (size_t i = 0; i < 8; i++) {
        h->pfc_quanta[i] = be16_get(p + 4 + 2 * i);
    }
    return PKT_PFC;
}

void pkt_build_pfc(const struct pkt_hdr *h, uint8_t *buf)
{
    memset(buf, 0, PKT_PFC_BYTES);
    memcpy(buf, pfc_dmac, sizeof pfc_dmac);
    memcpy(buf + 6, h->smac, 6);
    be16_put(buf + 12, TYPE_MAC_CONTROL);
    be16_put(buf + 14, MAC_CONTROL_PFC);
    buf[17] = h->pfc_enable;
    for (size_t i = 0; i < 8; i++) {
        be16_put(buf + 18 + 2 * i, h->pfc_quanta[i]);
    }
}

/* Skips up to two tags; *type becomes the type behind them. False when the frame ends before. */
static bool vlan_get(struct cursor *c, struct pkt_hdr *h, uint16_t *type)
{
    while ((*type == TYPE_VLAN || *type == TYPE_SVLAN) && h->vlan_tags < 2) {
        if (!cursor_has(c, VLAN_BYTES)) {
            return false;
        }
        const uint8_t *p = c->frame + c->at;
        h->svlan_tci = h->vlan_tci;
        h->vlan_tci = be16_get(p);
        h->vlan_tags++;
        *type = be16_get(p + 2);
        c->at += VLAN_BYTES;
    }
    return true;
}

enum pkt_result eth_get(struct cursor *c, struct pkt_hdr *h, struct pkt_view *v)
{
    if (!cursor_has(c, ETH_BYTES)) {
        return PKT_TRUNCATED;
    }
    memcpy(h->dmac, c->frame, 6);
    memcpy(h->smac, c->frame + 6, 6);
    uint16_t type = be16_get(c->frame + 12);
    c->at = ETH_BYTES;
    if (!vlan_get(c, h, &type)) {
        return PKT_TRUNCATED;
    }
    v->net_offset = (uint32_t)c->at;
    switch (type) {
    case TYPE_IPV4: h->wire = PKT_ROCE2_V4; return ipv4_udp_get(c, h);
    case TYPE_IPV6: h->wire = PKT_ROCE2_V6; return ipv6_udp_get(c, h);
    case TYPE_ROCE1: h->wire = PKT_ROCE1; return grh_get(c, h);
    case TYPE_MAC_CONTROL: return pfc_get(c, h);
    default: return PKT_NOT_RDMA;
    }
}
