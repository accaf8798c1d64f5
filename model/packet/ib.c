/* Link header and global route header of InfiniBand; RoCE v1 uses the latter. */
#include "model/packet/bytes.h"
#include "model/packet/wire_format.h"

enum { NEXT_BTH = 0x1B, LNH_LOCAL = 2, LNH_GLOBAL = 3, TRANSPORT_MIN = BTH_BYTES + ICRC_BYTES };

void grh_put(uint8_t *p, const struct pkt_hdr *h, uint32_t bytes)
{
    const uint32_t tclass = (uint32_t)(h->dscp & 63) << 2 | (h->ecn & 3);
    be32_put(p, 6u << 28 | tclass << 20 | (h->flow_label & 0xFFFFF));
    be16_put(p + 4, bytes);
    p[6] = NEXT_BTH;
    p[7] = h->ttl;
    memcpy(p + 8, h->sgid, 16);
    memcpy(p + 24, h->dgid, 16);
}

enum pkt_result grh_get(struct cursor *c, struct pkt_hdr *h)
{
    const uint8_t *p = c->frame + c->at;
    if (!cursor_has(c, GRH_BYTES)) {
        return PKT_TRUNCATED;
    }
    const uint32_t word = be32_get(p);
    if (word >> 28 != 6) {
        return PKT_BAD_IP_VERSION;
    }
    if (p[6] != NEXT_BTH) {
        return PKT_BAD_GRH;
    }
    const uint32_t bytes = be16_get(p + 4);
    c->at += GRH_BYTES;
    /* On InfiniBand the LRH has already told the end: both must agree. */
    if (c->end != 0 && c->end != c->at + bytes) {
        return PKT_BAD_LENGTH;
    }
    if (!cursor_set_end(c, c->at, bytes)) {
        return PKT_TRUNCATED;
    }
    h->dscp = word >> 22 & 63;
    h->ecn = word >> 20 & 3;
    h->flow_label = word & 0xFFFFF;
    h->ttl = p[7];
    memcpy(h->sgid, p + 8, 16);
    memcpy(h->dgid, p + 24, 16);
    return PKT_OK;
}

void lrh_put(uint8_t *p, const struct pkt_hdr *h, uint32_t words)
{
    p[0] = (uint8_t)(h->vl << 4);
    p[1] = (uint8_t)(h->sl << 4 | (h->wire == PKT_IB_GLOBAL ? LNH_GLOBAL : LNH_LOCAL));
    be16_put(p + 2, h->dlid);
    be16_put(p + 4, words & 0x7FF);
    be16_put(p + 6, h->slid);
}

enum pkt_result lrh_get(struct cursor *c, struct pkt_hdr *h)
{
    const uint8_t *p = c->frame + c->at;
    if (!cursor_has(c, LRH_BYTES)) {
        return PKT_TRUNCATED;
    }
    h->lnh = p[1] & 3;
    if ((p[0] & 15) != 0) {
        return PKT_BAD_LRH;
    }
    if (h->lnh < LNH_LOCAL) {
        return PKT_NOT_RDMA;
    }
    h->vl = p[0] >> 4;
    h->sl = p[1] >> 4;
    h->dlid = be16_get(p + 2);
    h->pktlen = be16_get(p + 4) & 0x7FF;
    h->slid = be16_get(p + 6);
    if (h->pktlen * 4 < LRH_BYTES + TRANSPORT_MIN) {
        return PKT_BAD_LENGTH;
    }
    if (!cursor_set_end(c, 0, (size_t)h->pktlen * 4)) {
        return PKT_TRUNCATED;
    }
    c->at += LRH_BYTES;
    h->wire = h->lnh == LNH_GLOBAL ? PKT_IB_GLOBAL : PKT_IB_LOCAL;
    return h->lnh == LNH_GLOBAL ? grh_get(c, h) : PKT_OK;
}
