#include "model/packet_build.h"

#include "model/packet/bytes.h"
#include "model/packet/framing.h"

enum {
    BYTES_PER_CYCLE = 64,
    HOP_LIMIT = 64, /* when the address vector says 0; Linux: IPV6_DEFAULT_HOPLIMIT */
    SPORT_FIXED = 0xC000,
    ECT0 = 2,
    VLANS = 4095
};

void packet_build_open(struct packet_build *u, struct opening *o)
{
    gid_open(&u->gids, o);
    u->ip_id = arena_take(o->a, o->p->hca_fn_max * sizeof *u->ip_id);
    u->latency = ns_cycles(o->p, o->p->hca_packet_build_ns);
}

static void set_gids(struct pkt_hdr *h, const struct gid_entry *own, const struct pkt *m)
{
    be64_put(h->sgid, own->hi);
    be64_put(h->sgid + 8, own->lo);
    be64_put(h->dgid, m->dgid_hi);
    be64_put(h->dgid + 8, m->dgid_lo);
    h->flow_label = m->flow_label;
    h->ttl = m->hop_limit != 0 ? m->hop_limit : (uint8_t)HOP_LIMIT;
    h->dscp = m->tclass >> 2;
    h->ecn = m->tclass & 3;
}

static void mac_put(uint8_t *p, uint64_t mac)
{
    be16_put(p, (uint32_t)(mac >> 32) & 0xFFFF);
    be32_put(p + 2, (uint32_t)mac);
}

static void set_ethernet(const struct tick *t, struct pkt_hdr *h, const struct gid_entry *own,
                         const struct pkt *m)
{
    const bool tagged = own->vlan != 0 && own->vlan < VLANS;
    const uint32_t vlan = tagged ? own->vlan : (uint32_t)t->p->port_vlan_id;

    mac_put(h->dmac, m->dmac);
    mac_put(h->smac, own->mac);
    h->vlan_tags = vlan != 0;
    h->vlan_tci = (uint16_t)(t->p->port_vlan_priority << 13 | vlan);
}

/* RoCE v2. False: the addresses of the two ends are of different IP versions. */
static bool set_ip(struct packet_build *u, const struct tick *t, struct pkt_hdr *h,
                   const struct gid_entry *own, const struct pkt *m)
{
    const bool v4 = gid_is_v4(own->hi, own->lo);

    if (v4 != gid_is_v4(m->dgid_hi, m->dgid_lo)) {
        return false;
    }
    h->wire = v4 ? PKT_ROCE2_V4 : PKT_ROCE2_V6;
    h->ecn = t->p->port_ecn_capable ? ECT0 : 0;
    h->udp_sport = t->p->port_udp_sport == HCA_PORT_UDP_SPORT_FIXED
                       ? (uint16_t)SPORT_FIXED
                       : pkt_udp_sport(m->flow_label, m->sqpn, m->dqpn);
    if (v4) {
        h->ip_id = u->ip_id[m->fn]++;
        h->ip_df = 1;
    }
    return true;
}

/* A datagram carries a GRH when it names a GID; functions with equal numbers need it always. */
static bool needs_grh(const struct tick *t, const struct pkt *m, uint8_t service)
{
    return t->p->port_ib_grh || (t->p->hca_namespaces && t->p->hca_fn_max > 1) ||
           (service == PKT_UD && (m->dgid_hi | m->dgid_lo) != 0);
}

static bool set_network(struct packet_build *u, const struct tick *t, struct pkt_hdr *h,
                        const struct pkt *m, uint8_t service)
{
    const struct gid_entry *const own = gid_get(&u->gids, m->fn, m->sgid_index);

    if (own == NULL) {
        return false;
    }
    set_gids(h, own, m);
    switch (t->p->port_wire) {
    case HCA_PORT_WIRE_IB:
        h->wire = needs_grh(t, m, service) ? PKT_IB_GLOBAL : PKT_IB_LOCAL;
        h->slid = (uint16_t)own->mac;
        h->dlid = m->dlid;
        h->sl = m->sl;
        h->vl = (uint8_t)(m->sl % t->p->port_vl_count);
        return true;
    case HCA_PORT_WIRE_ROCE1:
        h->wire = PKT_ROCE1;
        set_ethernet(t, h, own, m);
        return true;
    default: set_ethernet(t, h, own, m); return set_ip(u, t, h, own, m);
    }
}

static struct pkt_hdr transport(const struct pkt *m)
{
    return (struct pkt_hdr){
        .va = m->raddr,
        .rkey = m->rkey,
        .dma_len = m->dlen,
        .atomic_swap_add = m->op1,
        .atomic_compare = m->op2,
        .atomic_orig = m->op1,
        .imm = __builtin_bswap32(m->imm), /* its bytes keep the order they have in the WQE */
        .inv_rkey = m->rkey,
        .qkey = m->qkey,
        .sqpn = m->sqpn,
        .msn = m->aeth & 0xFFFFFF,
        .syndrome = (uint8_t)(m->aeth >> 24),
        .dqpn = m->dqpn,
        .psn = m->psn,
        .pkey = m->pkey,
        .opcode = m->opcode,
        .se = (m->flags & TXF_SE) != 0,
        .ackreq = (m->flags & TXF_ACKREQ) != 0,
    };
}

/* Does it stay inside the adapter? */
static bool is_own(const struct packet_build *u, const struct tick *t, const struct pkt *m)
{
    return t->p->port_wire == HCA_PORT_WIRE_IB
               ? gid_own_lid(&u->gids, m->dlid)
               : gid_find(&u->gids, m->dgid_hi, m->dgid_lo, m->fn) != NULL;
}

/* Writes the frame into the slot at buf. Payload off: headers and their seal only, unless there is
 * no payload anyway. */
static struct pkt_frame write_frame(const struct tick *t, const struct pkt_hdr *h, uint8_t *buf,
                                    const struct pkt *m, uint32_t *captured, uint32_t *crc)
{
    if (t->p->sim_payload || m->plen == 0) {
        const struct pkt_frame f = pkt_build(h, buf, m->plen);
        *captured = f.len;
        if (f.len != 0) {
            memcpy(crc, buf + PKT_HEADROOM + (size_t)(m->plen + 3) / 4 * 4, sizeof *crc);
        }
        return f;
    }
    const struct pkt_frame f = pkt_build_headers(h, buf, m->plen);
    if (f.len != 0) {
        const uint32_t head = PKT_HEADROOM - f.offset;
        const uint32_t net = h->wire == PKT_IB_LOCAL || h->wire == PKT_IB_GLOBAL
                                 ? 0
                                 : 14 + 4 * (uint32_t)h->vlan_tags;
        const struct pkt_view v = {.net_offset = net, .payload_offset = head, .wire = h->wire};
        *crc = frame_seal(buf + f.offset, &v);
        memcpy(buf + PKT_HEADROOM, crc, SEAL_BYTES);
        *captured = head + SEAL_BYTES;
    }
    return f;
}

/* Status of a packet that cannot become a frame, WC_OK when it can. */
static uint8_t refuse(const struct tick *t, const struct pkt *m, const struct pkt_opcode *op)
{
    if (m->status != WC_OK) {
        return m->status;
    }
    if (m->plen > t->p->port_mtu_bytes) {
        return WC_LOC_LEN;
    }
    return op == NULL || m->fn >= t->p->hca_fn_max ? WC_LOC_QP_OP : WC_OK;
}

/* Builds and sends; the status of a failure. */
static uint8_t build(struct packet_build *u, const struct tick *t, const struct pkt *m,
                     uint8_t pool, uint16_t slot)
{
    const struct pkt_opcode *const op = pkt_opcode(m->opcode);
    const uint8_t bad = refuse(t, m, op);
    if (bad != WC_OK) {
        return bad;
    }
    struct pkt_hdr h = transport(m);
    if (!set_network(u, t, &h, m, op->service)) {
        return WC_LOC_QP_OP;
    }
    const uint32_t at = pool == POOL_ACK ? t->store->ack + slot * (uint32_t)ACK_SLOT_BYTES
                                         : t->store->tx + slot * t->store->slot_bytes;
    uint32_t captured = 0, crc = 0;
    const struct pkt_frame f = write_frame(t, &h, store_at(t->store, at), m, &captured, &crc);
    if (f.len == 0) {
        return WC_LOC_QP_OP;
    }
    PUSH(t, u->tx_frame, frame, u->latency, .len = f.len, .crc = crc, .vl = h.vl, .ecn = h.ecn,
         .loop = is_own(u, t, m), .mid = m->mid, .mid_first = m->mid_first, .off = at + f.offset,
         .slot = slot, .captured = (uint16_t)captured, .pool = pool, .source = m->source);
    if (m->source == SRC_REQUESTER) {
        STAMP(t, packet_build, built, m->mid, t->now + u->latency);
    } else {
        STAMP(t, packet_build, rsp_built, m->mid, t->now + u->latency);
    }
    return WC_OK;
}

/* May m be taken in this cycle? It needs room on every wire it may use. */
static bool can_take(const struct packet_build *u, const struct tick *t, const struct pkt *m)
{
    const bool rsp = m->source == SRC_RESPONDER;

    return READY(t, u->tx_frame) && READY(t, rsp ? u->rsp_error : u->tx_error) &&
           READY(t, rsp ? u->rsp_sent : u->tx_sent);
}

static void give(const struct tick *t, uint8_t pool, uint16_t slot)
{
    if (slot != NO_SLOT) {
        pool_give(pool == POOL_ACK ? &t->store->ack_pool : &t->store->tx_pool, t->k, slot);
    }
}

static void serve(struct packet_build *u, const struct tick *t, const struct pkt *m, uint8_t pool,
                  uint16_t slot)
{
    const bool rsp = m->source == SRC_RESPONDER;
    const bool fence = (m->flags & TXF_FENCE) != 0;
    const uint8_t status = fence ? (uint8_t)WC_OK : build(u, t, m, pool, slot);

    if (fence || status != WC_OK) {
        give(t, pool, slot);
    }
    if (status != WC_OK) {
        t->s->packet_build_refused++;
        PASS_EDIT(t, rsp ? u->rsp_error : u->tx_error, pkt, 0, m,
                  (slot_->slot = NO_SLOT, slot_->status = status));
    } else if (fence || (m->flags & TXF_NOTIFY) != 0) {
        PASS_EDIT(t, rsp ? u->rsp_sent : u->tx_sent, pkt, fence ? u->latency : 0, m,
                  slot_->slot = NO_SLOT);
    }
    if (status == WC_OK && !fence) {
        t->s->packet_build_packets++;
        t->s->packet_build_bytes += m->plen;
    }
    const uint64_t cycles = (m->plen + BYTES_PER_CYCLE - 1) / BYTES_PER_CYCLE;
    u->s.free_at = t->now + (cycles > 1 ? cycles : 1);
}

static bool take_data(struct packet_build *u, const struct tick *t)
{
    if (!VALID(t, u->rd_done) || !can_take(u, t, PEEK(u->rd_done))) {
        return false;
    }
    const struct pkt *const m = POP(t, u->rd_done);
    serve(u, t, m, POOL_TX, m->slot);
    return true;
}

static bool take_ack(struct packet_build *u, const struct tick *t)
{
    if (!VALID(t, u->ack_job) || !pool_ready(&t->store->ack_pool, t->now) ||
        !can_take(u, t, PEEK(u->ack_job))) {
        return false;
    }
    const struct pkt *const m = POP(t, u->ack_job);
    serve(u, t, m, POOL_ACK, pool_take(&t->store->ack_pool, t->k));
    return true;
}

struct act packet_build_tick(struct packet_build *u, const struct tick *t)
{
    if (VALID(t, u->gid_build)) {
        gid_put(&u->gids, POP(t, u->gid_build));
        return AGAIN(t);
    }
    if (!VALID(t, u->rd_done) && !VALID(t, u->ack_job)) {
        return IDLE;
    }
    if (t->now < u->s.free_at) {
        return WAKE_AT(u->s.free_at);
    }
    const bool acks_first = u->s.acks_next != 0;
    bool moved = acks_first ? take_ack(u, t) : take_data(u, t);
    if (moved) {
        u->s.acks_next = !acks_first;
    } else {
        moved = acks_first ? take_data(u, t) : take_ack(u, t);
    }
    if (!moved) {
        return IDLE;
    }
    return (struct act){true, ANY(u->rd_done) || ANY(u->ack_job) ? u->s.free_at : HCA_NEVER};
}
