/* tx_net.h: types of tx_peer.h; transmit pipe, network and go-back-N responder of its peer. */
#pragma once
#include "tests/tx_wqe.h"

#include "model/packet/opcode.h"

enum { PEER_QPS = 256, PEER_RING = 64, PEER_NET = 4096, PEER_PSN0 = 0xfffff0 };

struct peer_op { /* a posted WQE */
    struct wqe w;
    uint32_t first, n; /* PSNs, free running */
    uint64_t value;    /* ATOMIC: answer     */
    uint32_t placed;   /* bytes of responses */
    uint8_t status;    /* expected           */
};

struct peer_qp {
    struct rig_qp q;
    struct qpc c;                 /* as created: where its rings lie                 */
    struct peer_op op[PEER_RING]; /* by ring index                                  */
    uint32_t posted, completed;   /* indices                                        */
    uint32_t next;                /* PSN of the next first transmission             */
    uint32_t planned;             /* PSN of the next WQE to be posted               */
    uint32_t epsn;                /* responder                                      */
    uint32_t cut;                 /* index of the WQE at next                       */
    uint32_t reads;               /* index: WQEs before it have their data placed   */
    uint32_t head;                /* last cons_head seen                            */
    uint64_t rnr_until;
    bool nak_sent, rnr_now, stopped;
    uint64_t bytes; /* payload of first transmissions                 */
};

struct peer_pkt {
    uint64_t due;
    struct pkt p; /* request                   */
    struct rxp r; /* response                  */
    uint8_t response;
};

struct peer {
    struct rig *b;
    uint32_t qps, mtu;
    struct peer_qp qp[PEER_QPS];
    struct peer_pkt net[PEER_NET]; /* to the peer, in order          */
    uint32_t net_head, net_tail;
    struct peer_pkt back[PEER_NET]; /* responses, in order            */
    uint32_t back_head, back_tail;
    uint32_t drop, dup, rnr, back_drop; /* per mille                    */
    uint32_t delay;
    uint32_t hold;  /* nothing leaves the transmit pipe             */
    struct pkt cur; /* packet whose pieces are coming               */
    uint32_t cur_off;
    bool in_packet, deaf; /* deaf: the peer answers nothing              */
    bool hold_places;
    bool loose; /* any status is accepted, order and number still count */
    uint64_t packets, repeats, cqes, responses;
    uint32_t place[64], places; /* cookies to be answered                 */
    uint32_t errors_told, fatals, drained, flushed;
    uint8_t place_status, mpt_status;
    uint32_t fail_qp, fail_psn; /* tx_error for this packet; PSN 1 << 24: none */
    uint32_t rnr_code, nak_code, nak_index, nak_qp; /* answer WQE nak_index with this NAK; 0: off */
    uint32_t last_status[PEER_QPS], first_bad[PEER_QPS];
    uint64_t last_sent; /* cycle of the last packet cut                  */
};

static inline struct peer_op *peer_op(struct peer *e, uint32_t qp, uint32_t index)
{
    return &e->qp[qp].op[index % PEER_RING];
}

static inline uint32_t peer_psns(const struct peer *e, const struct wqe *w)
{
    if (w->opcode == WR_LOCAL_INV || w->opcode == WR_FAST_REG) {
        return 0;
    }
    return w->len == 0 ? 1 : (w->len + e->mtu - 1) / e->mtu;
}

static inline struct hca_param peer_param(void)
{
    struct hca_param p = unit_param();

    p.hca_qp_max = PEER_QPS;
    p.hca_cq_max = 16;
    p.hca_srq_max = 8;
    p.hca_mr_max = 16;
    return p;
}

static inline struct peer *peer_open_type(const struct hca_param *p, uint32_t qps, uint64_t seed,
                                          enum qp_type type)
{
    struct peer *const e = calloc(1, sizeof *e);

    e->b = rig_open(
        p, 1ULL << U_arbiter | 1ULL << U_context | 1ULL << U_wqe_fetch | 1ULL << U_requester, seed);
    e->qps = qps;
    e->mtu = type == QPT_UD ? (uint32_t)p->port_mtu_bytes : 1024;
    e->delay = 20;
    e->fail_psn = 1 << 24;
    for (uint32_t i = 0; i < qps; i++) {
        struct qpc *const c = (struct qpc *)rig_ctx(e->b, CTX_QP, i);
        rig_qp_init(&e->qp[i].q, c, i, type, FORMAT_PVRDMA, PEER_RING, 16, 4);
        c->s.sq_psn = PEER_PSN0;
        e->qp[i].c = *c;
        e->qp[i].next = e->qp[i].planned = e->qp[i].epsn = PEER_PSN0;
    }
    return e;
}

static inline struct peer *peer_open(const struct hca_param *p, uint32_t qps, uint64_t seed)
{
    return peer_open_type(p, qps, seed, QPT_RC);
}

static inline void peer_close(struct peer *e)
{
    rig_close(e->b);
    free(e);
}

static inline struct wqe peer_wr(uint8_t opcode, uint32_t len)
{
    struct wqe w = {.wr_id = opcode,
                    .opcode = opcode,
                    .flags = WRF_SIGNALED,
                    .nsge = len != 0,
                    .sge = {{0x100000, len, 17}},
                    .len = len,
                    .raddr = 0x7000,
                    .rkey = 23};

    if (opcode == WR_FAST_REG) {
        w.nsge = 0;
        w.page_shift = 12;
    }
    return w;
}

/* Writes the WQE into the ring; false: the ring is full. */
static inline bool peer_post(struct peer *e, uint32_t qp, const struct wqe *w)
{
    struct peer_qp *const q = &e->qp[qp];
    if (q->posted - q->completed == PEER_RING) {
        return false;
    }
    struct peer_op *const op = peer_op(e, qp, q->posted);
    *op = (struct peer_op){.w = *w, .first = q->planned, .n = peer_psns(e, w)};
    op->value = 0xabcd0000 + q->posted;
    q->planned += op->n;
    q->posted++;
    rig_post(e->b, &q->q, &q->c, w);
    return true;
}

static inline void peer_ring(struct peer *e, uint32_t qp)
{
    UNIT_PUSH(e->b->h, qp_ready, qp_ready, .qn = qp, .kind = DB_SEND, .t_db = e->b->h->y.k.now);
}

/* --- network --------------------------------------------------------------------------------- */

static inline bool peer_chance(struct peer *e, uint32_t per_mille)
{
    return per_mille != 0 && rig_random(e->b, 1000) < per_mille;
}

static inline void peer_answer(struct peer *e, uint32_t qp, struct rxp r)
{
    const uint32_t copies = peer_chance(e, e->back_drop) ? 0 : 1 + peer_chance(e, e->dup);

    r.qn = qp;
    r.psn &= PSN_MASK;
    for (uint32_t i = 0; i < copies; i++) {
        assert_true(e->back_tail - e->back_head < PEER_NET);
        e->back[e->back_tail++ % PEER_NET] =
            (struct peer_pkt){.due = e->b->h->y.k.now + e->delay, .r = r, .response = 1};
    }
}

static inline void peer_ack(struct peer *e, uint32_t qp, uint32_t psn, uint32_t syndrome)
{
    peer_answer(e, qp, (struct rxp){.opcode = PKT_OP_RC_ACK, .psn = psn, .aeth = syndrome << 24});
}

static inline void peer_read_response(struct peer *e, uint32_t qp, const struct pkt *p)
{
    const uint32_t n = p->dlen == 0 ? 1 : (p->dlen + e->mtu - 1) / e->mtu;

    for (uint32_t i = 0; i < n && i < PEER_NET / 4; i++) {
        const bool first = i == 0, last = i + 1 == n;
        peer_answer(e, qp,
                    (struct rxp){.opcode = first ? (last ? PKT_OP_RC_READ_RESPONSE_ONLY
                                                         : PKT_OP_RC_READ_RESPONSE_FIRST)
                                                 : (last ? PKT_OP_RC_READ_RESPONSE_LAST
                                                         : PKT_OP_RC_READ_RESPONSE_MIDDLE),
                                 .psn = p->psn + i,
                                 .plen = last ? p->dlen - i * e->mtu : e->mtu});
    }
}

/* Message that a 24-bit PSN belongs to. */
static inline struct peer_op *peer_find(struct peer *e, uint32_t qp, uint32_t psn, uint32_t *index)
{
    struct peer_qp *const q = &e->qp[qp];

    for (uint32_t i = q->completed; i != q->posted; i++) {
        struct peer_op *const op = peer_op(e, qp, i);
        if (((psn - op->first) & PSN_MASK) < op->n) {
            *index = i;
            return op;
        }
    }
    return NULL;
}

static inline void peer_execute(struct peer *e, uint32_t qp, const struct pkt *p, bool repeat)
{
    struct peer_qp *const q = &e->qp[qp];
    const struct pkt_opcode *const op = pkt_opcode(p->opcode);
    uint32_t n = 1;

    if (op->kind == PKT_READ_REQUEST) {
        n = p->dlen == 0 ? 1 : (p->dlen + e->mtu - 1) / e->mtu;
        peer_read_response(e, qp, p);
    } else if (op->kind == PKT_COMPARE_SWAP || op->kind == PKT_FETCH_ADD) {
        uint32_t index;
        const struct peer_op *const o = peer_find(e, qp, p->psn, &index);
        if (o != NULL) {
            peer_answer(
                e, qp,
                (struct rxp){.opcode = PKT_OP_RC_ATOMIC_ACK, .psn = p->psn, .op1 = o->value});
        }
    } else if ((p->flags & TXF_ACKREQ) != 0 || repeat) {
        peer_ack(e, qp, repeat ? q->epsn - 1 : p->psn, 0x1f);
    }
    if (!repeat) {
        q->epsn += n;
        q->nak_sent = false;
    }
}

static inline void peer_request(struct peer *e, const struct pkt *p)
{
    const uint32_t qp = p->qn;
    struct peer_qp *const q = &e->qp[qp];
    const int32_t ahead = psn_diff(p->psn, q->epsn & PSN_MASK);
    const struct pkt_opcode *const op = pkt_opcode(p->opcode);

    if (e->deaf || op->service != PKT_RC) {
        return;
    }
    if (ahead > 0) {
        if (!q->nak_sent) {
            q->nak_sent = true;
            peer_ack(e, qp, q->epsn, 0x60);
        }
        return;
    }
    uint32_t index;
    if (e->nak_code != 0 && ahead == 0 && qp == e->nak_qp &&
        peer_find(e, qp, p->psn, &index) != NULL && index == e->nak_index) {
        peer_ack(e, qp, p->psn, e->nak_code);
        return;
    }
    if (ahead == 0 && op->kind == PKT_SEND &&
        (op->position == PKT_FIRST || op->position == PKT_ONLY) && peer_chance(e, e->rnr)) {
        peer_ack(e, qp, p->psn, 0x20 | e->rnr_code);
        return;
    }
    peer_execute(e, qp, p, ahead < 0);
}

/* --- what leaves the requester --------------------------------------------------------------- */

static inline void peer_check_piece(const struct wqe *w, const struct pkt *p, uint32_t offset)
{
    uint32_t i = 0;

    while (i < w->nsge && offset >= w->sge[i].len) {
        offset -= w->sge[i++].len;
    }
    assert_true(i < w->nsge);
    assert_int_equal(p->addr, w->sge[i].addr + offset);
    assert_int_equal(p->lkey, w->sge[i].lkey);
    assert_true(p->len != 0 && offset + p->len <= w->sge[i].len);
    assert_int_equal(p->addr / PAGE_BYTES, (p->addr + p->len - 1) / PAGE_BYTES);
}

static inline void peer_check_packet(struct peer *e, uint32_t qp, const struct pkt *p)
{
    struct peer_qp *const q = &e->qp[qp];
    const struct pkt_opcode *const op = pkt_opcode(p->opcode);
    uint32_t index;
    const struct peer_op *const o = peer_find(e, qp, p->psn, &index);

    if ((p->flags & TXF_RETRY) == 0) {
        assert_int_equal(p->psn, q->next & PSN_MASK);
        assert_non_null(o);
        q->next += op->kind == PKT_READ_REQUEST ? o->n : 1;
        q->bytes += p->plen;
    } else {
        e->repeats++;
        assert_true(psn_diff(p->psn, q->next & PSN_MASK) < 0);
    }
    if (o == NULL) { /* acknowledged while it was being sent again */
        return;
    }
    const struct wqe *const w = &o->w;
    const uint32_t k = (p->psn - o->first) & PSN_MASK;
    const bool read = op->kind == PKT_READ_REQUEST;
    const bool last = read || k + 1 == o->n, first = k == 0;
    assert_int_equal(op->position == PKT_FIRST || op->position == PKT_ONLY, first || read);
    assert_int_equal(op->position == PKT_LAST || op->position == PKT_ONLY, last);
    assert_int_equal(p->plen, read || op->kind >= PKT_ACK ? 0
                              : last                      ? w->len - k * e->mtu
                                                          : e->mtu);
    if (read) {
        assert_int_equal(w->opcode, WR_READ);
        assert_int_equal(p->raddr, w->raddr + k * e->mtu);
        assert_int_equal(p->dlen, w->len - k * e->mtu);
    } else if ((op->ext & PKT_RETH) != 0) {
        assert_int_equal(p->raddr, w->raddr);
        assert_int_equal(p->dlen, w->len);
        assert_int_equal(p->rkey, w->rkey);
    }
    assert_int_equal((op->ext & PKT_IMM) != 0,
                     last && (w->opcode == WR_WRITE_IMM || w->opcode == WR_SEND_IMM));
    assert_int_equal((op->ext & PKT_IETH) != 0, last && w->opcode == WR_SEND_INV);
    assert_int_equal((p->flags & TXF_SE) != 0, last && (w->flags & WRF_SOLICITED) != 0 &&
                                                   w->opcode != WR_WRITE &&
                                                   !req_is_read(w->opcode));
    assert_int_equal((p->flags & TXF_LAST_OF_MSG) != 0, last);
    assert_int_equal(p->mid, last ? (uint32_t)w->wr_id : 0);
    assert_true(op->service != PKT_RC || p->dqpn == qp + 100);
    if (op->kind == PKT_COMPARE_SWAP || op->kind == PKT_FETCH_ADD) {
        assert_int_equal(p->op1, w->op1);
        assert_int_equal(p->op2, w->op2);
    }
}

static inline void peer_send(struct peer *e, const struct pkt *p)
{
    const uint32_t copies = peer_chance(e, e->drop) ? 0 : 1 + peer_chance(e, e->dup);

    for (uint32_t i = 0; i < copies; i++) {
        assert_true(e->net_tail - e->net_head < PEER_NET);
        e->net[e->net_tail++ % PEER_NET] =
            (struct peer_pkt){.due = e->b->h->y.k.now + e->delay, .p = *p};
    }
}

/* A whole packet has been gathered. */
static inline void peer_packet(struct peer *e, const struct tick *t, const struct pkt *p)
{
    struct hca *const h = e->b->h;

    if ((p->flags & TXF_FENCE) != 0) {
        PUSH(t, &h->tx_sent, pkt, 0, .qn = p->qn, .flags = p->flags);
        return;
    }
    e->packets++;
    e->last_sent = h->y.k.now;
    peer_check_packet(e, p->qn, p);
    if (p->qn == e->fail_qp && p->psn == e->fail_psn) {
        PUSH(t, &h->tx_error, pkt, 0, .qn = p->qn, .psn = p->psn, .status = WC_LOC_PROT);
        return;
    }
    if ((p->flags & TXF_NOTIFY) != 0) {
        PUSH(t, &h->tx_sent, pkt, 0, .qn = p->qn, .psn = p->psn, .flags = p->flags);
    }
    peer_send(e, p);
}

static inline void peer_take_piece(struct peer *e, const struct tick *t)
{
    struct hca *const h = e->b->h;
    uint32_t index;

    if (e->hold || !VALID(t, &h->tx_job) || !READY(t, &h->tx_sent) || !READY(t, &h->tx_error) ||
        rig_stalls(e->b)) {
        return;
    }
    const struct pkt p = *POP(t, &h->tx_job);
    assert_int_equal((p.flags & TXF_FIRST_PIECE) != 0, !e->in_packet);
    if (!e->in_packet) {
        e->cur = p;
        e->cur_off = 0;
    }
    assert_int_equal(p.psn, e->cur.psn);
    assert_int_equal(p.qn, e->cur.qn);
    assert_int_equal(p.off, e->cur_off);
    if ((p.flags & (TXF_NO_PAYLOAD | TXF_INLINE)) == 0) {
        const struct peer_op *const o = peer_find(e, p.qn, p.psn, &index);
        if (o != NULL) {
            peer_check_piece(&o->w, &p, ((p.psn - o->first) & PSN_MASK) * e->mtu + p.off);
        }
    }
    if (p.rec != NO_SLOT && (p.flags & TXF_LAST_OF_MSG) != 0) {
        pool_give(&h->store.wqe_pool, t->k, p.rec);
    }
    e->cur_off += p.len;
    e->in_packet = (p.flags & TXF_LAST_PIECE) == 0;
    if (!e->in_packet) {
        assert_int_equal(e->cur_off, p.plen);
        peer_packet(e, t, &p);
    }
}
