/* requester_pkt.c: header fields of a packet and its pieces. */
#include "model/requester.h"

#include "model/packet/bytes.h"
#include "model/packet/opcode.h"

uint32_t req_mtu(const struct tick *t, const struct qp_static *s)
{
    const bool ud = s->type == QPT_UD || s->type == QPT_GSI;
    const uint32_t port = (uint32_t)t->p->port_mtu_bytes;
    const uint32_t mtu = ud || s->mtu_bytes < 256 ? port : s->mtu_bytes;

    return mtu < port ? mtu : port;
}

/* RC opcode of a packet: [last][first] of each operation. */
static unsigned rc_opcode(uint8_t wr, bool first, bool last)
{
    static const uint8_t send[2][2] = {{PKT_OP_RC_SEND_MIDDLE, PKT_OP_RC_SEND_FIRST},
                                       {PKT_OP_RC_SEND_LAST, PKT_OP_RC_SEND_ONLY}};
    static const uint8_t write[2][2] = {{PKT_OP_RC_WRITE_MIDDLE, PKT_OP_RC_WRITE_FIRST},
                                        {PKT_OP_RC_WRITE_LAST, PKT_OP_RC_WRITE_ONLY}};
    static const uint8_t imm[2] = {PKT_OP_RC_SEND_LAST_IMM, PKT_OP_RC_SEND_ONLY_IMM};
    static const uint8_t inv[2] = {PKT_OP_RC_SEND_LAST_INV, PKT_OP_RC_SEND_ONLY_INV};
    static const uint8_t write_imm[2] = {PKT_OP_RC_WRITE_LAST_IMM, PKT_OP_RC_WRITE_ONLY_IMM};

    switch (wr) {
    case WR_READ: return PKT_OP_RC_READ_REQUEST;
    case WR_CAS: return PKT_OP_RC_COMPARE_SWAP;
    case WR_FAA: return PKT_OP_RC_FETCH_ADD;
    case WR_WRITE: return write[last][first];
    case WR_WRITE_IMM: return last ? write_imm[first] : write[last][first];
    case WR_SEND_IMM: return last ? imm[first] : send[last][first];
    case WR_SEND_INV: return last ? inv[first] : send[last][first];
    default: return send[last][first];
    }
}

/* UC opcodes are the RC ones in their own block. */
static uint8_t opcode_of(const struct qp_static *s, uint8_t wr, bool first, bool last)
{
    if (s->type == QPT_UD || s->type == QPT_GSI) {
        return wr == WR_SEND_IMM ? PKT_OP_UD_SEND_ONLY_IMM : PKT_OP_UD_SEND_ONLY;
    }
    return (uint8_t)((s->type == QPT_UC ? PKT_UC << 5 : 0) + rc_opcode(wr, first, last));
}

static void fill_address(struct pkt *h, const struct qp_static *s, const struct wqe *w)
{
    const bool ud = s->type == QPT_UD || s->type == QPT_GSI;
    const struct av *const a = ud ? &w->av : &s->av;

    h->dgid_hi = be64_get(a->dgid);
    h->dgid_lo = be64_get(a->dgid + 8);
    h->dmac = be48_get(a->dmac);
    h->flow_label = a->flow_label;
    h->dlid = a->dlid;
    h->sgid_index = a->sgid_index;
    h->hop_limit = a->hop_limit;
    h->tclass = a->tclass;
    h->sl = a->sl;
    h->dqpn = ud ? w->remote_qpn : s->dest_qpn;
    /* a key with the top bit set stands for the QP's own. source: IBTA vol. 1, 10.2.5 */
    h->qkey = ud ? ((w->qkey >> 31) != 0 ? s->qkey : w->qkey) : 0;
}

static uint16_t packet_flags(const struct tick *t, const struct req_qp *r, const struct wqe *w,
                             const struct pkt *h, bool last)
{
    const bool full = h->psn - r->una + 1 >= t->p->hca_window_packets;
    const bool rc = r->type == QPT_RC;
    const bool solicits = w->opcode != WR_WRITE && !req_is_read(w->opcode);
    unsigned f = (int32_t)(h->psn - r->next) < 0 ? TXF_RETRY : 0;

    if (last) {
        f |= TXF_LAST_OF_MSG | (rc ? 0U : TXF_NOTIFY);
        f |= solicits && (w->flags & WRF_SOLICITED) != 0 ? TXF_SE : 0U;
    }
    /* Without an answer to its last packet a closed window would not open again. */
    if (rc && !req_is_read(w->opcode) &&
        (last || full || r->unasked + 1 >= t->p->hca_ack_request_packets)) {
        f |= TXF_ACKREQ;
    }
    if (h->plen == 0) {
        f |= TXF_NO_PAYLOAD;
    } else if ((w->flags & WRF_INLINE) != 0) {
        f |= TXF_INLINE;
    }
    return (uint16_t)f;
}

void req_packet(struct requester *u, const struct tick *t, const struct req_qp *r,
                const struct req_msg *m, struct qpc *q, const struct wqe *w)
{
    const struct qp_static *const s = &q->s;
    struct pkt *const h = &u->s.cut.h;
    const uint32_t left = m->len - q->tx.sent_bytes;
    const bool read = req_is_read(m->opcode);
    const bool first = q->tx.psn == m->first, last = read || q->tx.psn + 1 == m->first + m->n;

    *h = (struct pkt){
        .raddr = w->raddr + (m->opcode == WR_READ ? q->tx.sent_bytes : 0),
        .op1 = w->op1,
        .op2 = w->op2,
        .qn = r->qn,
        .sqpn = s->type == QPT_GSI ? 1 : s->qpn,
        .psn = q->tx.psn,
        .rkey = w->rkey,
        .imm = w->imm,
        .pd = s->pd,
        .plen = read            ? 0
                : left < m->mtu ? left
                                : m->mtu,
        .dlen = m->opcode == WR_READ ? left : m->len,
        .pkey = 0xffff,
        .fn = s->fn,
        .opcode = opcode_of(s, m->opcode, first, last),
        .source = SRC_REQUESTER,
        .mid = last ? m->mid : 0,
        .mid_first = first ? m->mid : 0,
        .slot = NO_SLOT,
        .rec = NO_SLOT,
    };
    fill_address(h, s, w);
    h->flags = packet_flags(t, r, w, h, last);
}

void req_seek(struct qp_tx *x, const struct wqe *w)
{
    uint32_t left = x->sent_bytes;

    x->sge = 0;
    while (x->sge < w->nsge && left >= w->sge[x->sge].len) {
        left -= w->sge[x->sge++].len;
    }
    x->sge_off = left;
}

/* Length and address of the next piece. */
static void cut_piece(struct requester *u, struct qp_tx *x, const struct wqe *w, struct pkt *p)
{
    const uint32_t left = p->plen - u->s.cut.off;

    p->off = u->s.cut.off;
    if ((p->flags & TXF_NO_PAYLOAD) != 0) {
        return;
    }
    if ((p->flags & TXF_INLINE) != 0) {
        p->addr = x->sent_bytes;
        p->len = left;
        p->rec = u->s.cut.rec;
        return;
    }
    while (w->sge[x->sge].len == x->sge_off) {
        x->sge++;
        x->sge_off = 0;
    }
    const struct sge *const g = &w->sge[x->sge];
    p->addr = g->addr + x->sge_off;
    p->lkey = g->lkey;
    p->len = PAGE_BYTES - (uint32_t)(p->addr % PAGE_BYTES);
    p->len = p->len < g->len - x->sge_off ? p->len : g->len - x->sge_off;
    p->len = p->len < left ? p->len : left;
    x->sge_off += p->len;
}

bool req_piece(struct requester *u, const struct tick *t, struct qp_tx *x, const struct wqe *w)
{
    struct req_cut *const c = &u->s.cut;
    struct pkt p = c->h;

    cut_piece(u, x, w, &p);
    p.psn &= PSN_MASK;
    const bool last = c->off + p.len == p.plen;
    p.flags |= (uint16_t)((c->off == 0 ? TXF_FIRST_PIECE : 0) | (last ? TXF_LAST_PIECE : 0));
    if (last && (p.flags & TXF_INLINE) != 0 && (p.flags & TXF_LAST_OF_MSG) != 0) {
        c->rec = NO_SLOT; /* dma_read gives the record back behind the copy */
    }
    PASS(t, u->tx_job, pkt, 0, &p);
    c->off += p.len;
    u->s.progress++;
    return last;
}
