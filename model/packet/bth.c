/* Base transport header and the extended headers behind it. */
#include "model/packet/bytes.h"
#include "model/packet/wire_format.h"

enum { CNP_OPCODE = PKT_OP_CNP };

static void ext_put(uint8_t *p, const struct pkt_hdr *h, uint32_t ext)
{
    if (ext & PKT_DETH) {
        be32_put(p, h->qkey);
        be32_put(p + 4, h->sqpn & 0xFFFFFF);
        p += 8;
    }
    if (ext & PKT_XRCETH) {
        be32_put(p, h->xrc_srqn & 0xFFFFFF);
        p += 4;
    }
    if (ext & (PKT_RETH | PKT_ATOMICETH)) {
        be64_put(p, h->va);
        be32_put(p + 8, h->rkey);
        p += 12;
    }
    if (ext & PKT_RETH) {
        be32_put(p, h->dma_len);
        p += 4;
    }
    if (ext & PKT_ATOMICETH) {
        be64_put(p, h->atomic_swap_add);
        be64_put(p + 8, h->atomic_compare);
    }
    if (ext & PKT_AETH) {
        be32_put(p, (uint32_t)h->syndrome << 24 | (h->msn & 0xFFFFFF));
        p += 4;
    }
    if (ext & PKT_ATOMICACKETH) {
        be64_put(p, h->atomic_orig);
    }
    if (ext & (PKT_IMM | PKT_IETH)) {
        be32_put(p, ext & PKT_IMM ? h->imm : h->inv_rkey);
    }
}

void bth_put(uint8_t *p, const struct pkt_hdr *h, const struct pkt_opcode *op, uint32_t pad)
{
    p[0] = h->opcode;
    p[1] = (uint8_t)((h->se & 1u) << 7 | (h->migreq & 1u) << 6 | pad << 4 | (h->tver & 15u));
    be16_put(p + 2, h->pkey);
    be32_put(p + 4, (h->fecn & 1u) << 31 | (h->becn & 1u) << 30 | (h->dqpn & 0xFFFFFF));
    be32_put(p + 8, (h->ackreq & 1u) << 31 | (h->psn & 0xFFFFFF));
    ext_put(p + BTH_BYTES, h, op->ext);
}

static void ext_get(const uint8_t *p, struct pkt_hdr *h, uint32_t ext)
{
    if (ext & PKT_DETH) {
        h->qkey = be32_get(p);
        h->sqpn = be32_get(p + 4) & 0xFFFFFF;
        p += 8;
    }
    if (ext & PKT_XRCETH) {
        h->xrc_srqn = be32_get(p) & 0xFFFFFF;
        p += 4;
    }
    if (ext & (PKT_RETH | PKT_ATOMICETH)) {
        h->va = be64_get(p);
        h->rkey = be32_get(p + 8);
        p += 12;
    }
    if (ext & PKT_RETH) {
        h->dma_len = be32_get(p);
        p += 4;
    }
    if (ext & PKT_ATOMICETH) {
        h->atomic_swap_add = be64_get(p);
        h->atomic_compare = be64_get(p + 8);
    }
    if (ext & PKT_AETH) {
        h->syndrome = p[0];
        h->msn = be32_get(p) & 0xFFFFFF;
        p += 4;
    }
    if (ext & PKT_ATOMICACKETH) {
        h->atomic_orig = be64_get(p);
    }
    if (ext & PKT_IMM) {
        h->imm = be32_get(p);
    }
    if (ext & PKT_IETH) {
        h->inv_rkey = be32_get(p);
    }
}

static void bth_fields_get(const uint8_t *p, struct pkt_hdr *h)
{
    const uint8_t flags = p[1];
    h->opcode = p[0];
    h->se = flags >> 7;
    h->migreq = flags >> 6 & 1;
    h->pad = flags >> 4 & 3;
    h->tver = flags & 15;
    h->pkey = be16_get(p + 2);
    h->fecn = p[4] >> 7;
    h->becn = p[4] >> 6 & 1;
    h->dqpn = be32_get(p + 4) & 0xFFFFFF;
    h->ackreq = p[8] >> 7;
    h->psn = be32_get(p + 8) & 0xFFFFFF;
}

/* c->end is the end of the ICRC; what lies between the headers and the ICRC is payload and pad. */
enum pkt_result bth_get(struct cursor *c, struct pkt_hdr *h, struct pkt_view *v)
{
    if (!cursor_has(c, BTH_BYTES)) {
        return PKT_TRUNCATED;
    }
    const uint8_t *p = c->frame + c->at;
    bth_fields_get(p, h);
    if (h->tver != 0) {
        return PKT_BAD_TVER;
    }
    const struct pkt_opcode *op = pkt_opcode(h->opcode);
    if (op == NULL) {
        return PKT_UNKNOWN_OPCODE;
    }
    const size_t payload = c->at + BTH_BYTES + op->ext_bytes;
    if (c->end < payload + ICRC_BYTES) {
        return PKT_BAD_LENGTH;
    }
    const size_t padded = c->end - ICRC_BYTES - payload;
    if (padded % 4 != 0 || h->pad > padded) {
        return PKT_BAD_PAD;
    }
    if (payload > c->cap) {
        return PKT_TRUNCATED;
    }
    ext_get(p + BTH_BYTES, h, op->ext);
    v->bth_offset = (uint32_t)c->at;
    v->payload_offset = (uint32_t)payload;
    v->payload_len = (uint32_t)(padded - h->pad);
    c->at = payload;
    return h->opcode == CNP_OPCODE ? PKT_CNP : PKT_OK;
}
