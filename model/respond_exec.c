#include "model/respond_i.h"

static bool is_atomic(const struct pkt_opcode *op)
{
    return op->kind == PKT_COMPARE_SWAP || op->kind == PKT_FETCH_ADD;
}

/* Its last packet completes a receive WQE: SEND, WRITE with immediate. */
static bool completes(const struct exec *e)
{
    return (e->flags & EXF_LAST) != 0 && e->rec != NO_SLOT;
}

static const struct wqe *record(const struct tick *t, const struct exec *e)
{
    return &t->store->rwqe[e->rec];
}

static void write_piece(struct respond *u, const struct tick *t, const struct exec *e,
                        const struct place *m)
{
    const bool last = u->s.x.pieces == e->pieces;
    uint16_t flags = last ? WR_FREE_RX : 0;

    flags |= t->p->hca_relaxed_ordering ? WR_RO : 0;
    flags |= last && completes(e) ? WR_NOTIFY : 0;
    u->s.x.written = 1;
    rsp_write(u, t,
              (struct wr_req){.addr = m->addr,
                              .len = m->len,
                              .flags = flags,
                              .fn = e->fn,
                              .cls = (m->flags & PLACE_GRH) != 0 ? CLS_GRH : CLS_PAYLOAD,
                              .status = u->s.x.status,
                              .mid = last ? e->mid : 0,
                              .data = m->data,
                              .slot = last ? e->slot : NO_SLOT});
}

/* Takes one translated piece; a bad one spoils those behind it. */
static bool piece(struct respond *u, const struct tick *t, const struct exec *e)
{
    struct rsp_now *const x = &u->s.x;
    const struct rsp_qp *const q = &u->qp[rsp_row(t, e->qn)];

    if (!VALID(t, u->rx_placed)) {
        return false;
    }
    const bool poison = q->poison != 0 && (e->flags & EXF_FIRST) == 0;
    const bool discard = x->pieces == 0 ? q->error != 0 || poison : x->discard != 0;
    const struct place *const m = PEEK(u->rx_placed);
    const bool data =
        !discard && (m->flags & PLACE_CHECK_ONLY) == 0 && !is_atomic(pkt_opcode(e->opcode));

    if (data && !CAN(u, t, u->rx_write)) {
        return false;
    }
    hca_assert(m->qn == e->qn);
    x->discard = discard;
    x->status = x->status != 0 ? x->status : m->status;
    x->bus = m->addr;
    x->pieces++;
    if (data) {
        write_piece(u, t, e, m);
    }
    (void)POP(t, u->rx_placed);
    return true;
}

/* The WQE that this packet consumed is in use from now on. */
static void open_wqe(const struct tick *t, struct rsp_qp *q, const struct exec *e)
{
    if ((e->flags & EXF_NEW) != 0 && e->rec != NO_SLOT) {
        q->open = 1;
        q->wr_id = record(t, e)->wr_id;
    }
}

static void flush_open(struct respond *u, struct rsp_qp *q, const struct qpc *c, uint8_t status)
{
    if (q->open != 0) {
        q->open = 0;
        rsp_complete(u, c, q->wr_id, status, 0);
    }
}

/* First error of a QP: NAK, CQE of the WQE in use, flush; an event when no CQE tells of it. */
static void fatal(struct respond *u, const struct tick *t, const struct exec *e,
                  const struct qpc *c, uint8_t syndrome, uint8_t status, uint8_t async)
{
    const uint32_t row = rsp_row(t, e->qn);
    struct rsp_qp *const q = &u->qp[row];

    open_wqe(t, q, e);
    const bool told = q->open != 0;
    flush_open(u, q, c, status);
    q->error = 1;
    t->s->respond_errors++;
    if (c->s.type == QPT_RC) {
        rsp_answer(u, t, e->qn, c, ANSWER_FATAL, syndrome, e->psn);
    }
    rsp_fail(u, row, e->qn, CAUSE_SELF, told ? 0 : (uint8_t)(async + 1));
}

/* A piece could not be placed: the key, range or right is wrong, or the page table unreadable. A
 * receive buffer is the fault of this side; UC drops what writes where it may not. */
static void misplaced(struct respond *u, const struct tick *t, const struct exec *e,
                      const struct qpc *c)
{
    struct rsp_qp *const q = &u->qp[rsp_row(t, e->qn)];
    const uint8_t status = u->s.x.status;
    const bool access = status == WC_LOC_PROT || status == WC_LOC_ACCESS || status == WC_REM_ACCESS;

    if (pkt_opcode(e->opcode)->kind == PKT_SEND) {
        fatal(u, t, e, c, AETH_NAK_OP, status, ASYNC_QP_FATAL);
    } else if (c->s.type == QPT_UC && !completes(e)) {
        q->poison = 1;
    } else {
        fatal(u, t, e, c, access ? AETH_NAK_ACCESS : AETH_NAK_OP, WC_LOC_ACCESS,
              access ? ASYNC_QP_ACCESS_ERR : ASYNC_QP_FATAL);
    }
}

static void complete_receive(struct respond *u, const struct tick *t, const struct exec *e,
                             const struct qpc *c, uint64_t need)
{
    const struct pkt_opcode *const op = pkt_opcode(e->opcode);

    rsp_complete(u, c, record(t, e)->wr_id, WC_OK, need);
    struct cqe *const m = rsp_last_cqe(u);

    m->byte_len = e->byte_len;
    m->src_qp = e->sqpn;
    m->net = e->net;
    m->opcode = op->kind == PKT_WRITE ? WC_RECV_IMM : WC_RECV;
    m->flags |= (op->ext & PKT_IMM) != 0 ? CQE_IMM : 0;
    m->flags |= (op->ext & PKT_IETH) != 0 ? CQE_INVALIDATE : 0;
    m->flags |= (e->flags & RXP_SE) != 0 ? CQE_SOLICITED : 0;
    if ((e->flags & EXF_AREA) != 0) {
        m->flags |= CQE_GRH | (e->net != 0 ? CQE_NET : 0);
    }
    m->imm = (op->ext & PKT_IETH) != 0 ? e->rkey : e->imm;
    u->qp[rsp_row(t, e->qn)].open = 0;
    t->s->respond_received++;
}

/* The PSN and MSN that the next ACK carries. */
static void advance(struct rsp_qp *q, const struct exec *e, uint32_t psn)
{
    q->ack_psn = psn;
    q->msn = e->msn;
}

static bool execute_payload(struct respond *u, const struct tick *t, const struct exec *e,
                            const struct qpc *c)
{
    struct rsp_qp *const q = &u->qp[rsp_row(t, e->qn)];
    uint64_t need = 0;

    if (completes(e) && !rsp_barrier(u, t, &need)) {
        return false;
    }
    q->poison = 0;
    open_wqe(t, q, e);
    if (u->s.x.inv == INV_FAILED) {
        fatal(u, t, e, c, AETH_NAK_INVALID, WC_REM_INV_REQ, ASYNC_QP_REQ_ERR);
        return true;
    }
    if (completes(e)) {
        complete_receive(u, t, e, c, need);
    }
    advance(q, e, e->psn);
    STAMP(t, respond, executed, e->mid, t->now);
    if (c->s.type == QPT_RC) {
        rsp_acknowledge(u, t, e, c);
    }
    return true;
}

/* READ or ATOMIC: its response acknowledges what came before, so an answer that waits is void. */
static bool execute_resource(struct respond *u, const struct tick *t, const struct exec *e,
                             const struct qpc *c)
{
    const bool read = pkt_opcode(e->opcode)->kind == PKT_READ_REQUEST;
    const uint32_t row = rsp_row(t, e->qn);
    uint64_t need;

    if ((!read && !rsp_atomic_room(u)) || !rsp_barrier(u, t, &need)) {
        return false;
    }
    struct rsp_res *const r = rsp_res_new(u, e, c, row, read ? RES_READ : RES_ATOMIC);
    if (r == NULL) {
        fatal(u, t, e, c, AETH_NAK_INVALID, WC_REM_INV_REQ, ASYNC_QP_REQ_ERR);
        return true;
    }
    r->need = need;
    rsp_cancel_delay(u, row);
    rsp_answered(u, row);
    advance(&u->qp[row], e, r->last);
    if (read) {
        t->s->respond_reads++;
        rsp_want(u, t, e->qn, r, c);
    } else {
        rsp_atomic_new(u, t, e, r, u->s.x.bus, need);
    }
    return true;
}

static bool execute(struct respond *u, const struct tick *t, const struct exec *e,
                    const struct qpc *c)
{
    const uint8_t kind = pkt_opcode(e->opcode)->kind;
    const bool est = (e->flags & EXF_EST) != 0;

    if (est && !CAN(u, t, u->rsp_async)) {
        return false;
    }
    if (u->s.x.status != 0) {
        misplaced(u, t, e, c);
    } else if (!(kind == PKT_SEND || kind == PKT_WRITE ? execute_payload(u, t, e, c)
                                                       : execute_resource(u, t, e, c))) {
        return false;
    }
    if (est) {
        PUSH(t, u->rsp_async, async, 0, .info = c->s.handle, .type = ASYNC_COMM_EST, .fn = c->s.fn);
    }
    t->s->respond_executed++;
    return true;
}

/* SEND and WRITE are acknowledged again; READ and ATOMIC answered from their resources. */
static void duplicate(struct respond *u, const struct tick *t, const struct exec *e,
                      const struct qpc *c)
{
    const uint8_t kind = pkt_opcode(e->opcode)->kind;

    if (kind == PKT_SEND || kind == PKT_WRITE) {
        if (u->qp[rsp_row(t, e->qn)].answer == ANSWER_NONE) { /* any answer acknowledges */
            rsp_answer(u, t, e->qn, c, ANSWER_ACK, AETH_ACK, 0);
        }
    } else {
        rsp_replay(u, t, e, c);
    }
}

/* A request of a QP in error, or the rest of a spoilt UC message. Its WQE is not lost. */
static void dropped(struct respond *u, const struct tick *t, const struct exec *e,
                    const struct qpc *c)
{
    struct rsp_qp *const q = &u->qp[rsp_row(t, e->qn)];

    t->s->respond_dropped++;
    if (q->error == 0 && completes(e)) {
        fatal(u, t, e, c, 0, WC_LOC_ACCESS, ASYNC_QP_ACCESS_ERR);
    } else if (q->error != 0 && e->rec != NO_SLOT && (e->flags & EXF_NEW) != 0) {
        flush_open(u, q, c, WC_WR_FLUSH);
        rsp_complete(u, c, record(t, e)->wr_id, WC_WR_FLUSH, 0);
    }
}

static uint8_t failed_wqe(const struct tick *t, const struct exec *e)
{
    const uint8_t bad = e->rec != NO_SLOT ? record(t, e)->bad : 0;

    return bad != 0 ? bad : WC_LOC_QP_OP;
}

static bool decide(struct respond *u, const struct tick *t, const struct exec *e,
                   const struct qpc *c)
{
    switch (e->verdict) {
    case V_EXECUTE: return execute(u, t, e, c);
    case V_DUPLICATE: duplicate(u, t, e, c); return true;
    case V_NAK_SEQ: rsp_answer(u, t, e->qn, c, ANSWER_NAK, AETH_NAK_SEQ, e->psn); return true;
    case V_RNR:
        rsp_answer(u, t, e->qn, c, ANSWER_NAK, (uint8_t)(AETH_RNR | (c->s.min_rnr_timer & 0x1f)),
                   e->psn);
        return true;
    case V_NAK_INVALID:
        fatal(u, t, e, c, AETH_NAK_INVALID, e->rec != NO_SLOT ? WC_LOC_LEN : WC_REM_INV_REQ,
              ASYNC_QP_REQ_ERR);
        return true;
    case V_NAK_OP: fatal(u, t, e, c, AETH_NAK_OP, failed_wqe(t, e), ASYNC_QP_FATAL); return true;
    default: open_wqe(t, &u->qp[rsp_row(t, e->qn)], e); return true;
    }
}

/* SEND with invalidate: the key must be gone before the completion tells of it. false: not yet. */
static bool invalidate(struct respond *u, const struct tick *t, const struct exec *e, bool *moved)
{
    struct rsp_now *const x = &u->s.x;
    const bool due = e->verdict == V_EXECUTE && (pkt_opcode(e->opcode)->ext & PKT_IETH) != 0 &&
                     x->status == 0 && x->discard == 0 && u->qp[rsp_row(t, e->qn)].error == 0;

    if (!due || x->inv >= INV_DONE) {
        return true;
    }
    if (x->inv == INV_NONE && CAN(u, t, u->mpt_rsp)) {
        const struct qpc *const c = &t->ctx->qp[e->cx];
        PUSH(t, u->mpt_rsp, mpt_set, 0, .key = e->rkey, .pd = c->s.pd, .fn = e->fn,
             .op = MPT_INVALIDATE, .source = SRC_RESPONDER);
        x->inv = INV_ASKED;
        *moved = true;
    }
    return false;
}

/* Ends the request at the head of exec, or leaves everything as it is: false. */
static bool finish(struct respond *u, const struct tick *t, const struct exec *e)
{
    const struct qpc *const c = &t->ctx->qp[e->cx];
    struct rsp_qp *const q = &u->qp[rsp_row(t, e->qn)];
    const struct rsp_now *const x = &u->s.x;
    const bool poison = q->poison != 0 && (e->flags & EXF_FIRST) == 0;
    const bool drop = x->pieces != 0 ? x->discard != 0 : q->error != 0 || poison;

    if (!CAN(u, t, u->ctx_put_rsp) || !rsp_cqe_room(u)) {
        return false;
    }
    if (q->alive == 0 && e->verdict != V_DROP) { /* a reset QP drops: its PSN is void */
        q->alive = 1;
        q->ack_psn = (c->s.rq_psn - 1) & PSN_MASK;
    }
    if (drop) {
        dropped(u, t, e, c);
    } else if (!decide(u, t, e, c)) {
        return false;
    }
    if (e->rec != NO_SLOT) {
        pool_give(&t->store->rwqe_pool, t->k, e->rec);
    }
    if (e->slot != NO_SLOT && x->written == 0) {
        pool_give(&t->store->rx_pool, t->k, e->slot);
    }
    PUSH(t, u->ctx_put_rsp, ctx_put, 0, .cx = e->cx, .kind = CTX_QP, .op = CTX_PUT);
    return true;
}

bool rsp_exec(struct respond *u, const struct tick *t)
{
    bool moved = false;

    if (!VALID(t, u->exec)) {
        return false;
    }
    const struct exec *const e = PEEK(u->exec);

    if (e->verdict == V_MARK) {
        u->s.f.marked = 1;
        u->s.more = 1;
        (void)POP(t, u->exec);
        return true;
    }
    if (u->s.x.pieces < e->pieces) {
        moved = piece(u, t, e);
    }
    if (u->s.x.pieces == e->pieces && invalidate(u, t, e, &moved) && finish(u, t, e)) {
        u->s.x = (struct rsp_now){0};
        (void)POP(t, u->exec);
        moved = true;
    }
    return moved;
}
