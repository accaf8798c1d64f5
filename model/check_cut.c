#include "model/check_i.h"

enum { MAC_BYTES = 12, TAG_BYTES = 4, ETH_BYTES = 14, LRH_BYTES = 8, IPV4_BYTES = 20 };

/* Bytes in front of the IP header or GRH; VLAN tags are those of IEEE 802.1Q and 802.1ad. */
static uint32_t link_bytes(const struct tick *t, const uint8_t *frame)
{
    uint32_t n = ETH_BYTES;

    if (t->p->port_wire == WIRE_IB) {
        return LRH_BYTES;
    }
    for (uint32_t tags = 0; tags < 2; tags++) {
        const uint8_t *const type = frame + n - 2;
        if ((type[0] == 0x81 && type[1] == 0x00) || (type[0] == 0x88 && type[1] == 0xa8)) {
            n += TAG_BYTES;
        }
    }
    return n;
}

/* Puts the GRH area in front of the payload, over headers that have been decoded: a GRH or IPv6
 * header whole, an IPv4 header in the last 20 bytes behind zeros (IBTA annex A17, 17.4.5.1).
 * false: an InfiniBand packet without GRH, the area is undefined and stays untouched. */
static bool make_area(const struct tick *t, const struct rxp *p)
{
    uint8_t *const payload = store_at(t->store, p->data);
    const uint8_t *const frame = store_at(t->store, p->hdr);

    if (t->p->port_wire == WIRE_IB && (p->flags & RXP_GRH) == 0) {
        return false;
    }
    const uint8_t *const l3 = frame + link_bytes(t, frame);
    const bool v4 = t->p->port_wire != WIRE_IB && p->net == 1;
    const uint32_t bytes = v4 ? IPV4_BYTES : GRH_AREA;

    hca_assert(payload - frame >= GRH_AREA);
    memmove(payload - bytes, l3, bytes);
    memset(payload - GRH_AREA, 0, GRH_AREA - bytes);
    return true;
}

/* Where byte off of the message lies in the receive WQE. */
static void seek(struct check_cut *k, const struct wqe *w, uint32_t off)
{
    for (k->sge = 0; k->sge < w->nsge && off >= w->sge[k->sge].len; k->sge++) {
        off -= w->sge[k->sge].len;
    }
    k->sge_off = off;
}

static void cut_send(struct check_cut *k, const struct tick *t, const struct rxp *p,
                     const struct qpc *c, const struct wqe *w)
{
    uint32_t off = is_first(pkt_opcode(p->opcode)) ? 0 : c->rx.off;

    k->kind = CUT_WQE;
    k->src = p->data;
    k->left = p->plen;
    k->access = ACC_LOCAL_WRITE;
    if (is_datagram(c)) {
        const bool area = make_area(t, p);
        off = area ? 0 : GRH_AREA;
        k->area = area ? GRH_AREA : 0;
        k->left += k->area;
        k->src -= k->area;
        k->e.flags |= area ? EXF_AREA : 0;
    }
    seek(k, w, off);
}

/* A WRITE that takes several pieces has its whole range checked first, so that one that leaves its
 * memory region writes nothing. */
static void cut_remote(struct check_cut *k, const struct rxp *p, const struct qpc *c)
{
    const struct pkt_opcode *const op = pkt_opcode(p->opcode);
    const bool first = is_first(op);

    k->kind = CUT_VA;
    k->va = first ? p->raddr : c->rx.wr_va + c->rx.off;
    k->key = first ? p->rkey : c->rx.wr_rkey;
    k->src = p->data;
    if (op->kind == PKT_WRITE) {
        const bool single = k->va % PAGE_BYTES + p->dlen <= PAGE_BYTES && is_last(op);
        k->left = p->plen;
        k->range = first && !single ? p->dlen : 0;
        k->access = ACC_REMOTE_WRITE;
    } else if (op->kind == PKT_READ_REQUEST) {
        k->range = p->dlen;
        k->access = ACC_REMOTE_READ;
    } else {
        k->left = 8;
        k->access = ACC_REMOTE_ATOMIC;
    }
}

static uint16_t flags_of(const struct rxp *p, const struct pkt_opcode *op)
{
    return (uint16_t)(p->flags | (is_first(op) ? EXF_FIRST : 0) | (is_last(op) ? EXF_LAST : 0));
}

static struct exec exec_of(const struct rxp *p, const struct qpc *c, uint8_t verdict)
{
    const struct pkt_opcode *const op = pkt_opcode(p->opcode);

    return (struct exec){
        .raddr = p->raddr,
        .op1 = p->op1,
        .op2 = p->op2,
        .qn = p->qn,
        .psn = verdict == V_NAK_SEQ ? c->rx.epsn : p->psn,
        .rkey = p->rkey,
        .dlen = p->dlen,
        .imm = p->imm,
        .plen = p->plen,
        .sqpn = is_datagram(c) ? p->sqpn : c->s.dest_qpn,
        .cx = p->cx,
        .flags = op == NULL ? p->flags : flags_of(p, op),
        .fn = p->fn,
        .opcode = p->opcode,
        .verdict = verdict,
        .net = p->net,
        .mid = p->mid,
        .data = p->data,
        .slot = p->slot,
        .rec = NO_SLOT,
    };
}

/* The first packet that an RC or UC QP accepts before the move to RTS tells that the peer is there.
 */
static bool established(const struct qpc *c)
{
    return c->s.state == QPS_RTR && c->rx.est == 0 && !is_datagram(c);
}

void check_begin(struct check *u, const struct tick *t, const struct rxp *p, uint8_t verdict,
                 uint16_t rec, uint8_t op)
{
    struct qpc *const c = &t->ctx->qp[p->cx];
    struct check_cut *const k = &u->s.cut;

    *k = (struct check_cut){.e = exec_of(p, c, verdict), .pd = c->s.pd, .active = 1};
    k->e.rec = rec;
    k->e.flags |= rec != NO_SLOT && op != RQ_AGAIN ? EXF_NEW : 0;
    if (verdict == V_EXECUTE) {
        if (pkt_opcode(p->opcode)->kind == PKT_SEND) {
            cut_send(k, t, p, c, &t->store->rwqe[rec]);
        } else {
            cut_remote(k, p, c);
        }
        k->e.flags |= established(c) ? EXF_EST : 0;
        c->rx.est |= established(c);
        check_accept(p, c);
        k->e.byte_len = is_datagram(c) ? p->plen + GRH_AREA : c->rx.off;
        STAMP(t, check, checked, p->mid, t->now);
        t->s->check_executed++;
    }
    k->e.msn = c->rx.msn;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t page_left(uint64_t va)
{
    return PAGE_BYTES - (uint32_t)(va % PAGE_BYTES);
}

/* Next piece in the receive WQE: inside one SGE and one page, and not both GRH area and payload. */
static struct place piece_wqe(struct check_cut *k, const struct wqe *w)
{
    while (w->sge[k->sge].len == k->sge_off) {
        k->sge++;
        k->sge_off = 0;
        hca_assert(k->sge < w->nsge);
    }
    const struct sge *const s = &w->sge[k->sge];
    const uint64_t va = s->addr + k->sge_off;
    const uint32_t source = k->area != 0 ? k->area : k->left;
    const uint32_t len = least(least(source, s->len - k->sge_off), page_left(va));
    const uint16_t flags = k->area != 0 ? PLACE_GRH : 0;

    k->sge_off += len;
    k->area -= k->area != 0 ? len : 0;
    return (struct place){.addr = va, .key = s->lkey, .len = len, .flags = flags};
}

static struct place piece_va(struct check_cut *k)
{
    if (k->range != 0) {
        const struct place m = {
            .addr = k->va, .key = k->key, .len = k->range, .flags = PLACE_CHECK_ONLY};
        k->range = 0;
        return m;
    }
    const uint32_t len = least(k->left, page_left(k->va));
    const struct place m = {.addr = k->va, .key = k->key, .len = len};
    k->va += len;
    return m;
}

static void push_piece(struct check *u, const struct tick *t)
{
    struct check_cut *const k = &u->s.cut;
    struct place m = k->kind == CUT_WQE ? piece_wqe(k, &t->store->rwqe[k->e.rec]) : piece_va(k);

    m.data = k->src;
    if ((m.flags & PLACE_CHECK_ONLY) == 0) {
        k->left -= m.len;
        k->src += m.len;
    }
    const bool last = k->left == 0;
    m.flags |= last ? PLACE_LAST : 0;
    m.qn = k->e.qn;
    m.pd = k->pd;
    m.access = k->access;
    m.cx = k->e.cx;
    m.fn = k->e.fn;
    m.slot = NO_SLOT;
    PASS(t, u->rx_place, place, u->delay, &m);
    k->e.pieces++;
}

bool check_piece(struct check *u, const struct tick *t)
{
    struct check_cut *const k = &u->s.cut;
    const bool more = k->left != 0 || k->range != 0;

    if (!READY(t, u->exec) || (more && !READY(t, u->rx_place))) {
        return false;
    }
    if (more) {
        push_piece(u, t);
    }
    if (k->left == 0 && k->range == 0) {
        PASS(t, u->exec, exec, u->delay, &k->e);
        k->active = 0;
    }
    return true;
}
