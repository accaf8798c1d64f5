/* requester_cut.c: a grant from its WQE to qp_done. */
#include "model/requester.h"

void req_end(struct requester *u, enum qp_done_kind kind, bool part)
{
    u->s.cut.phase = CUT_END;
    u->s.cut.done = (uint8_t)kind;
    u->s.cut.part = part;
    u->s.progress++;
}

/* More grants are wanted as long as the ring is not known to be empty. */
static void end_by_ring(struct requester *u, const struct qp_tx *x)
{
    req_end(u, x->head != x->tail || x->rung ? QP_DONE_AGAIN : QP_DONE_IDLE, false);
}

/* What a grant takes over from the context: it cannot be seen when acknowledgements come. */
static void refresh(const struct requester *u, struct req_qp *r, const struct qpc *q, uint32_t qn)
{
    const struct qp_static *const s = &q->s;

    r->qn = qn;
    r->fn = s->fn;
    r->type = s->type;
    r->format = s->format;
    r->sig_all = s->sig_all;
    r->retry_cnt = s->retry_cnt;
    r->rnr_cnt = s->rnr_retry;
    r->timeout_cycles = s->type == QPT_RC ? u->ack_cycles[s->timeout & 31] : 0;
    r->handle = s->handle;
    r->cqn = s->send_cqn;
    r->pd = s->pd;
    r->ring_mask = 2 * s->sq.entries - 1;
    r->head_addr = q->tx.state_bus == 0 ? 0 : q->tx.state_bus + 4;
    r->sqd = s->state == QPS_SQD;
    r->drained = r->sqd ? r->drained : 0;
    r->parked = 0;
}

static void go_live(struct req_qp *r, struct qpc *q)
{
    r->live = 1;
    q->tx.psn = q->s.sq_psn;
    r->una = r->next = q->s.sq_psn;
    r->fresh = q->tx.head;
    r->retry = r->retry_cnt;
    r->rnr = r->rnr_cnt;
}

/* tx to the oldest PSN that is not acknowledged, or to the first WQE without a record. */
static void reposition(struct requester *u, struct req_qp *r, struct qp_tx *x)
{
    const struct req_msg *const m = r->acking == 0 ? NULL : &u->msg[r->acking - 1];

    r->rewind = 0;
    x->sge = SGE_UNKNOWN;
    if (m == NULL || m->n == 0) {
        x->head = r->fresh;
        x->psn = r->next;
        x->sent_bytes = 0;
        r->cursor = 0;
        return;
    }
    x->head = m->index;
    x->psn = r->una;
    x->sent_bytes = (r->una - m->first) * m->mtu;
    r->cursor = r->acking;
}

void req_next_head(struct requester *u, struct req_qp *r, struct qp_tx *x)
{
    uint32_t i = r->cursor == 0 ? 0 : u->msg[r->cursor - 1].next;

    while (i != 0 && u->msg[i - 1].n == 0) { /* local operations are done once */
        i = u->msg[i - 1].next;
    }
    r->cursor = i;
    x->head = i == 0 ? r->fresh : u->msg[i - 1].index;
    x->sent_bytes = 0;
    x->sge = SGE_UNKNOWN;
}

/* Reset and destroy: once no DMA writes for the QP any more, its messages go and a fence follows
 * what is left of it in the transmit pipe. */
static void begin_marker(struct requester *u, struct req_qp *r)
{
    if (r->unplaced != 0 || r->local || r->fencing) {
        req_end(u, QP_DONE_FORGET, false);
        return;
    }
    req_row_clear(u, r);
    r->fencing = 1;
    u->s.cut.phase = CUT_FENCE;
    u->s.progress++;
}

static void push_fence(struct requester *u, const struct tick *t, const struct req_qp *r)
{
    PUSH(t, u->tx_job, pkt, 0, .qn = r->qn, .fn = r->fn, .source = SRC_REQUESTER,
         .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE | TXF_NO_PAYLOAD | TXF_FENCE | TXF_NOTIFY,
         .slot = NO_SLOT, .rec = NO_SLOT);
    req_end(u, QP_DONE_FORGET, false);
}

/* In error every WQE of the ring is completed as flushed, in order. */
static void flush(struct requester *u, struct req_qp *r, struct qpc *q, const struct wqe *w)
{
    struct qp_tx *const x = &q->tx;

    if (r->error == ACK_SQE && r->state_kick && q->s.state == QPS_RTS && r->first == 0) {
        r->error = ACK_OK;
        r->state_kick = 0;
    } else if (x->head == r->fresh && w != NULL) {
        struct req_msg *const m = req_msg_new(u, r, false);
        if (m == NULL) {
            req_end(u, QP_DONE_PARKED, false);
            return;
        }
        m->wr_id = w->wr_id;
        m->mid = req_mark(u, w->wr_id);
        m->opcode = w->opcode;
        m->units = w->units;
        m->len = w->len;
        m->flags = w->flags;
        m->done = 1;
        r->fresh += w->units;
        r->acking = 0;
        req_todo(u, r, TODO_RETIRE);
    }
    x->head = r->fresh;
    x->psn = r->next;
    x->sent_bytes = 0;
    x->sge = SGE_UNKNOWN;
    r->cursor = 0;
    end_by_ring(u, x);
}

/* The ring cannot be read: no completion can say so, an event does. */
static void ring_fault(struct requester *u, struct req_qp *r)
{
    if (r->error == ACK_OK) {
        req_error(u, r, ACK_ERR, true);
        req_todo(u, r, TODO_FATAL);
    }
    req_end(u, QP_DONE_IDLE, false);
}

/* True when something other than the WQE decides what the grant does. */
static bool diverted(struct requester *u, struct req_qp *r, struct qpc *q, const struct work *k,
                     const struct wqe *w)
{
    struct qp_tx *const x = &q->tx;
    const uint32_t head = x->head;

    if (k->status == WORK_FAULT) {
        ring_fault(u, r);
        return true;
    }
    if (r->error != ACK_OK) {
        flush(u, r, q, w);
        return true;
    }
    if (r->rnr_wait || r->local) {
        req_end(u, QP_DONE_PARKED, false);
        return true;
    }
    if (r->rewind || (int32_t)(x->psn - r->una) < 0) {
        reposition(u, r, x);
        if (x->head != head) { /* the record holds another WQE */
            end_by_ring(u, x);
            return true;
        }
    }
    if (r->failed && (int32_t)(head - r->fail_index) >= 0) {
        req_end(u, QP_DONE_PARKED, false);
        return true;
    }
    if (k->status == WORK_NONE) {
        end_by_ring(u, x);
        return true;
    }
    return false;
}

static void begin_grant(struct requester *u, const struct tick *t)
{
    const struct work *const k = POP(t, u->work);
    struct req_cut *const c = &u->s.cut;
    struct req_qp *const r = req_row(u, t, k->qn);

    hca_assert(r != NULL);
    *c = (struct req_cut){.t_db = k->t_db,
                          .t_grant = k->t_grant,
                          .t_ctx = k->t_ctx,
                          .t_fetch = k->t_fetch,
                          .row = (uint32_t)(r - u->qp),
                          .cx = k->cx,
                          .rec = k->rec};
    r->qn = k->qn;
    u->s.progress++;
    if (r->marker) {
        begin_marker(u, r);
        return;
    }
    if (k->cx == NO_SLOT) {
        req_end(u, QP_DONE_FORGET, false);
        return;
    }
    struct qpc *const q = &t->ctx->qp[k->cx];
    const struct wqe *const w = k->rec == NO_SLOT ? NULL : &t->store->wqe[k->rec];
    if (q->s.state < QPS_RTS) {
        req_end(u, QP_DONE_IDLE, false);
        return;
    }
    refresh(u, r, q, k->qn);
    if (!r->live) {
        go_live(r, q);
    }
    r->state_kick = r->error == ACK_OK ? 0 : r->state_kick;
    if (r->sqd && r->first == 0 && !r->drained) {
        r->drained = 1;
        req_todo(u, r, q->s.sqd_notify ? TODO_DRAINED : 0U);
    }
    if (q->s.state == QPS_ERR && r->error != ACK_ERR) {
        req_error(u, r, ACK_ERR, false);
    }
    if (!diverted(u, r, q, k, w)) {
        req_begin(u, t, r, q, w);
    }
}

static bool window_closed(const struct tick *t, const struct req_qp *r, uint32_t psn)
{
    return r->type == QPT_RC && psn - r->una >= t->p->hca_window_packets;
}

/* At a packet boundary: may the next packet of the message be cut? Inline messages are not
 * interrupted: their record goes back behind the last packet. */
static bool next_packet(struct requester *u, const struct tick *t, struct req_qp *r,
                        const struct qpc *q, const struct wqe *w)
{
    const struct req_cut *const c = &u->s.cut;
    const bool inside = q->tx.psn != c->m.first;

    if (c->sent != 0 && (w->flags & WRF_INLINE) != 0) {
        return true;
    }
    if (r->error != ACK_OK || r->marker || r->rewind || (int32_t)(q->tx.psn - r->una) < 0) {
        req_end(u, QP_DONE_AGAIN, inside);
        return false;
    }
    if (r->rnr_wait || (r->failed && (int32_t)(q->tx.head - r->fail_index) >= 0)) {
        req_end(u, QP_DONE_PARKED, inside);
        return false;
    }
    if (window_closed(t, r, q->tx.psn)) {
        r->parked = PARK_WINDOW;
        req_end(u, QP_DONE_PARKED, inside);
        return false;
    }
    const uint64_t turn = t->p->hca_arbiter_quantum_bytes * (q->s.weight == 0 ? 1 : q->s.weight);
    if (c->sent >= turn) {
        req_end(u, QP_DONE_AGAIN, true);
        return false;
    }
    return true;
}

static void stamp_cut(const struct tick *t, const struct req_cut *c)
{
    const struct pkt *const h = &c->h;

    if ((h->flags & TXF_RETRY) != 0) {
        STAMP(t, requester, retransmit, h->mid, t->now);
    } else if (h->mid_first != 0) {
        STAMP(t, requester, doorbell, h->mid_first, c->t_db);
        STAMP(t, requester, granted, h->mid_first, c->t_grant);
        STAMP(t, requester, context, h->mid_first, c->t_ctx);
        STAMP(t, requester, fetched, h->mid_first, c->t_fetch);
    }
    STAMP(t, requester, segmented, h->mid, t->now);
}

/* The last piece of a packet has left. */
static void packet_cut(struct requester *u, const struct tick *t, struct req_qp *r, struct qpc *q)
{
    struct req_cut *const c = &u->s.cut;
    const struct req_msg *const m = &c->m;
    struct qp_tx *const x = &q->tx;

    stamp_cut(t, c);
    t->s->requester_packets++;
    t->s->requester_retransmitted += (c->h.flags & TXF_RETRY) != 0;
    r->unasked = (c->h.flags & TXF_ACKREQ) != 0 ? 0 : r->unasked + 1;
    x->psn = req_is_read(m->opcode) ? m->first + m->n : x->psn + 1;
    x->sent_bytes += c->h.plen;
    c->sent += c->h.plen == 0 ? 1 : c->h.plen;
    c->in_packet = 0;
    if ((int32_t)(x->psn - r->next) > 0) {
        r->next = x->psn;
    }
    if (r->deadline == 0 && r->timeout_cycles != 0) {
        req_timer_set(u, r, t->now + r->timeout_cycles);
    }
    if (x->psn == m->first + m->n && r->cursor == 0) { /* gone meanwhile */
        req_end(u, QP_DONE_AGAIN, false);
    } else if (x->psn == m->first + m->n) {
        req_next_head(u, r, x);
        end_by_ring(u, x);
    }
}

static void cut(struct requester *u, const struct tick *t, struct req_qp *r)
{
    struct req_cut *const c = &u->s.cut;
    struct qpc *const q = &t->ctx->qp[c->cx];
    const struct wqe *const w = &t->store->wqe[c->rec];

    if (!READY(t, u->tx_job)) {
        return;
    }
    if (!c->in_packet) {
        if (!next_packet(u, t, r, q, w)) {
            return;
        }
        req_packet(u, t, r, &c->m, q, w);
        c->in_packet = 1;
        c->off = 0;
    }
    if (req_piece(u, t, &q->tx, w)) {
        packet_cut(u, t, r, q);
    }
}

static void publish(const struct tick *t, const struct req_cut *c, const struct req_qp *r)
{
    struct qp_ack *const a = &t->ctx->qp[c->cx].ack;

    a->una = r->una;
    a->next = r->next;
    a->in_flight = r->in_flight;
    a->error = r->error;
}

static void finish(struct requester *u, const struct tick *t, const struct req_qp *r)
{
    struct req_cut *const c = &u->s.cut;

    if (!READY(t, u->qp_done) || !READY(t, u->ctx_put_req)) {
        return;
    }
    if (c->rec != NO_SLOT) {
        pool_give(&t->store->wqe_pool, t->k, c->rec);
    }
    if (c->cx != NO_SLOT) {
        publish(t, c, r);
        PUSH(t, u->ctx_put_req, ctx_put, 0, .cx = c->cx, .kind = CTX_QP, .op = CTX_PUT);
    }
    PUSH(t, u->qp_done, qp_done, 0, .qn = r->qn, .kind = c->done, .part = c->part);
    c->phase = CUT_NONE;
    u->s.progress++;
}

void req_cut_step(struct requester *u, const struct tick *t)
{
    struct req_cut *const c = &u->s.cut;

    if (c->phase == CUT_NONE && VALID(t, u->work)) {
        begin_grant(u, t);
    }
    struct req_qp *const r = &u->qp[c->row];
    if (c->phase == CUT_FENCE && READY(t, u->tx_job)) {
        push_fence(u, t, r);
    }
    if (c->phase == CUT_LOCAL) {
        req_local_step(u, t, r, &t->ctx->qp[c->cx], &t->store->wqe[c->rec]);
    }
    if (c->phase == CUT_PACKETS) {
        cut(u, t, r);
    }
    if (c->phase == CUT_END) {
        finish(u, t, r);
    }
}
