#include "model/packet_parse.h"

#include "model/packet/bytes.h"
#include "model/packet/framing.h"

enum {
    BYTES_PER_CYCLE = 64,
    PKEY_DEFAULT = 0x7FFF, /* full or limited member: bit 15 */
    QPN_GSI = 1,
    CE = 3
};

/* rxp.net as in the CQE: type of network header, pvrdma ABI section 10 */
enum { NET_GRH, NET_IPV4, NET_IPV6 };

void packet_parse_open(struct packet_parse *u, struct opening *o)
{
    gid_open(&u->gids, o);
    u->latency = ns_cycles(o->p, o->p->hca_packet_parse_ns);
}

static enum parse_drop_reason reason_of(enum pkt_result r)
{
    switch (r) {
    case PKT_OK: return PARSE_OK;
    case PKT_CNP: return PARSE_CNP;
    case PKT_NOT_RDMA:
    case PKT_PFC: return PARSE_FOREIGN;
    case PKT_BAD_TVER:
    case PKT_UNKNOWN_OPCODE: return PARSE_OPCODE;
    default: return PARSE_HEADER;
    }
}

static bool crc_ok(const uint8_t *frame, const struct frame *f, const struct pkt_view *v, bool ib)
{
    if (f->captured < f->len) { /* payload off */
        uint32_t seal;
        if (f->captured != v->payload_offset + SEAL_BYTES) {
            return false;
        }
        memcpy(&seal, frame + v->payload_offset, sizeof seal);
        return seal == frame_seal(frame, v);
    }
    return pkt_icrc_ok(frame, v) && (!ib || pkt_vcrc_ok(frame, v));
}

static bool has_gid(const struct pkt_hdr *h)
{
    return h->wire != PKT_IB_LOCAL;
}

/* Function that a packet is for; fn_max: none. Equal numbers in all functions: the GID tells,
 * without GRH it is function 0. One number space: the QPN tells, and the GID must be its own. */
static uint32_t function_of(const struct packet_parse *u, const struct tick *t,
                            const struct pkt_hdr *h)
{
    const uint32_t none = (uint32_t)t->p->hca_fn_max;
    const bool by_gid = t->p->hca_namespaces || h->dqpn == QPN_GSI;
    const uint32_t by_qpn = by_gid ? 0 : h->dqpn / QP_ROUND;

    if (t->p->port_wire == HCA_PORT_WIRE_IB && !gid_own_lid(&u->gids, h->dlid)) {
        return none;
    }
    if (!has_gid(h)) {
        return by_qpn;
    }
    const struct gid_entry *const e =
        gid_find(&u->gids, be64_get(h->dgid), be64_get(h->dgid + 8), by_qpn);
    if (e == NULL || (!by_gid && e->fn != by_qpn)) {
        return none;
    }
    const uint64_t mac = (uint64_t)be16_get(h->dmac) << 32 | be32_get(h->dmac + 2);
    return t->p->port_wire == HCA_PORT_WIRE_IB || e->mac == mac ? e->fn : none;
}

static enum parse_drop_reason look(const struct packet_parse *u, const struct tick *t,
                                   const struct frame *f, struct pkt_hdr *h, struct pkt_view *v,
                                   uint32_t *qn)
{
    const bool ib = t->p->port_wire == HCA_PORT_WIRE_IB;
    const uint8_t *const frame = store_at(t->store, f->off);
    const enum pkt_result r = pkt_parse_captured(
        frame, f->captured, f->len, ib ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET, h, v);

    if (r != PKT_OK && r != PKT_CNP) {
        return reason_of(r);
    }
    if (v->payload_len > t->p->port_mtu_bytes || (ib && v->vcrc_offset == 0)) {
        return PARSE_HEADER;
    }
    if (!crc_ok(frame, f, v, ib)) {
        return PARSE_CRC;
    }
    const uint32_t fn = function_of(u, t, h);
    if (fn >= t->p->hca_fn_max) {
        return PARSE_ADDRESS;
    }
    if ((h->pkey & PKEY_DEFAULT) != PKEY_DEFAULT) {
        return PARSE_PKEY;
    }
    const uint32_t handle = t->p->hca_namespaces ? h->dqpn : h->dqpn % QP_ROUND;
    if (handle >= t->p->hca_qp_max) {
        return PARSE_QPN;
    }
    *qn = fn * QP_ROUND + handle;
    return reason_of(r);
}

static void count_drop(const struct tick *t, enum parse_drop_reason why)
{
    switch (why) {
    case PARSE_FOREIGN: t->s->packet_parse_drop_foreign++; break;
    case PARSE_HEADER: t->s->packet_parse_drop_header++; break;
    case PARSE_OPCODE: t->s->packet_parse_drop_opcode++; break;
    case PARSE_CRC: t->s->packet_parse_drop_crc++; break;
    case PARSE_ADDRESS: t->s->packet_parse_drop_address++; break;
    case PARSE_PKEY: t->s->packet_parse_drop_pkey++; break;
    case PARSE_QPN: t->s->packet_parse_drop_qpn++; break;
    case PARSE_CNP: t->s->packet_parse_cnps++; break;
    case PARSE_OK: break;
    }
}

static uint16_t flags_of(const struct pkt_hdr *h)
{
    const bool marked = h->fecn || (has_gid(h) && h->ecn == CE);

    return (uint16_t)((h->ackreq ? RXP_ACKREQ : 0) | (h->se ? RXP_SE : 0) | (marked ? RXP_ECN : 0) |
                      (has_gid(h) ? RXP_GRH : 0) | (h->becn ? RXP_BECN : 0));
}

static void hand_on(struct packet_parse *u, const struct tick *t, const struct frame *f,
                    const struct pkt_hdr *h, const struct pkt_view *v, uint32_t qn)
{
    const uint8_t ext = pkt_opcode(h->opcode)->ext;
    const uint8_t net = h->wire == PKT_ROCE2_V4   ? NET_IPV4
                        : h->wire == PKT_ROCE2_V6 ? NET_IPV6
                                                  : NET_GRH;
    const uint16_t flags = flags_of(h);

    PUSH(t, u->rx_look, rxp, u->latency, .raddr = h->va,
         .op1 = (ext & PKT_ATOMICACKETH) != 0 ? h->atomic_orig : h->atomic_swap_add,
         .op2 = h->atomic_compare, .qn = qn, .dqpn = h->dqpn, .sqpn = h->sqpn, .psn = h->psn,
         .rkey = (ext & PKT_IETH) != 0 ? h->inv_rkey : h->rkey, .dlen = h->dma_len,
         .imm = __builtin_bswap32(h->imm), .aeth = (uint32_t)h->syndrome << 24 | h->msn,
         .qkey = h->qkey, .plen = v->payload_len, .flags = flags, .fn = (uint8_t)(qn / QP_ROUND),
         .opcode = h->opcode, .net = net, .mid = f->mid, .data = f->off + v->payload_offset,
         .hdr = f->off, .slot = f->slot);
    t->s->packet_parse_packets++;
    t->s->packet_parse_bytes += v->payload_len;
    t->s->packet_parse_marked += (flags & RXP_ECN) != 0;
    if (f->source == SRC_REQUESTER) {
        STAMP(t, packet_parse, parsed, f->mid, t->now + u->latency);
    } else {
        STAMP(t, packet_parse, rsp_parsed, f->mid, t->now + u->latency);
    }
}

struct act packet_parse_tick(struct packet_parse *u, const struct tick *t)
{
    if (VALID(t, u->gid_parse)) {
        gid_put(&u->gids, POP(t, u->gid_parse));
        return AGAIN(t);
    }
    if (!VALID(t, u->rx_frame) || !READY(t, u->rx_look)) {
        return IDLE;
    }
    if (t->now < u->s.free_at) {
        return WAKE_AT(u->s.free_at);
    }
    const struct frame *const f = POP(t, u->rx_frame);
    struct pkt_hdr h;
    struct pkt_view v;
    uint32_t qn = NO_NUMBER;
    const enum parse_drop_reason why = look(u, t, f, &h, &v, &qn);

    if (why == PARSE_OK) {
        hand_on(u, t, f, &h, &v, qn);
    } else {
        count_drop(t, why);
        TRACE(t, packet_parse, parse_drop, .dqpn = h.dqpn, .psn = h.psn, .opcode = h.opcode,
              .reason = (uint8_t)why);
        pool_give(&t->store->rx_pool, t->k, f->slot);
    }
    u->s.free_at = t->now + (f->len + BYTES_PER_CYCLE - 1) / BYTES_PER_CYCLE;
    return MOVED;
}
