#include "model/respond_i.h"

enum flush_state {
    FLUSH_IDLE,
    FLUSH_ASKED,
    FLUSH_GOT,
    FLUSH_TELL,
    FLUSH_EVENT,
    FLUSH_HALT,
    FLUSH_MARK,
    FLUSH_NEXT,
    FLUSH_WAIT,
    FLUSH_LAST,
    FLUSH_PUT
};
enum drain_state { DRAIN_IDLE, DRAIN_QUIET, DRAIN_MARK, DRAIN_CQES, DRAIN_TELL };

enum { BUDGET = 16 }; /* receive WQEs flushed before the context is let go once */

void rsp_fail(struct respond *u, uint32_t row, uint32_t qn, uint8_t cause, uint8_t async)
{
    struct rsp_qp *const q = &u->qp[row];

    q->cause |= cause;
    q->async = q->async == 0 ? async : q->async;
    if (q->failed == 0) {
        q->failed = 1;
        u->failed[u->s.failed_tail++ & u->mask] = qn;
        u->s.more = 1;
    }
}

static struct rsp_qp *flushed(const struct respond *u)
{
    return &u->qp[u->s.f.row];
}

static bool begin(struct respond *u, const struct tick *t)
{
    struct rsp_flush *const f = &u->s.f;

    if (u->s.failed_head == u->s.failed_tail || !CAN(u, t, u->ctx_get_rsp)) {
        return false;
    }
    *f = (struct rsp_flush){
        .qn = u->failed[u->s.failed_head++ & u->mask], .budget = BUDGET, .state = FLUSH_ASKED};
    f->row = rsp_row(t, f->qn);
    struct rsp_qp *const q = flushed(u);
    f->cause = q->cause;
    f->async = q->async;
    q->failed = 0;
    q->cause = 0;
    q->async = 0;
    PUSH(t, u->ctx_get_rsp, ctx_get, 0, .number = f->qn, .cookie = COOKIE_FLUSH, .kind = CTX_QP,
         .op = CTX_GET);
    return true;
}

void rsp_got_flush(struct respond *u, const struct tick *t, const struct ctx_got *m)
{
    (void)t;
    hca_assert(u->s.f.state == FLUSH_ASKED);
    u->s.f.cx = m->cx;
    u->s.f.state = m->status == CTX_OK ? FLUSH_GOT : FLUSH_IDLE;
    u->s.more = 1;
}

/* Error found elsewhere: nothing more is answered. */
static void enter_error(struct respond *u, const struct qpc *c)
{
    struct rsp_flush *const f = &u->s.f;
    struct rsp_qp *const q = flushed(u);
    const bool gone = c->s.state == QPS_RESET || c->s.state == QPS_INIT;

    if (gone || f->cause == 0 || (f->cause == CAUSE_MORE && q->error == 0)) {
        f->state = FLUSH_PUT;
        return;
    }
    if (q->error == 0 || (f->cause & CAUSE_COMMAND) != 0) {
        q->error = 1;
        rsp_forget(u, f->row);
        rsp_cancel_delay(u, f->row);
        rsp_answered(u, f->row);
    }
    f->state = FLUSH_TELL;
}

static bool tell(struct respond *u, const struct tick *t)
{
    struct rsp_flush *const f = &u->s.f;

    if ((f->cause & CAUSE_SELF) != 0) {
        if (!CAN(u, t, u->err_req)) {
            return false;
        }
        PUSH(t, u->err_req, qp_event, 0, .qn = f->qn, .kind = KICK_ERROR);
    }
    f->state = FLUSH_EVENT;
    return true;
}

static bool raise(struct respond *u, const struct tick *t, uint8_t type, uint8_t next)
{
    const struct qpc *const c = &t->ctx->qp[u->s.f.cx];

    if (!CAN(u, t, u->rsp_async)) {
        return false;
    }
    PUSH(t, u->rsp_async, async, 0, .info = c->s.handle, .type = type, .fn = c->s.fn);
    u->s.f.state = next;
    return true;
}

static bool halt(struct respond *u, const struct tick *t)
{
    struct rsp_flush *const f = &u->s.f;

    if (flushed(u)->halted != 0) {
        f->state = FLUSH_NEXT;
        return true;
    }
    if (!CAN(u, t, u->rsp_halt)) {
        return false;
    }
    PUSH(t, u->rsp_halt, rq_get, 0, .qn = f->qn, .cx = f->cx);
    f->marked = 0;
    f->state = FLUSH_MARK;
    return true;
}

/* Every request that check let through is behind us: the WQE of an unfinished one goes first. */
static bool marked(struct respond *u, const struct tick *t)
{
    struct rsp_qp *const q = flushed(u);

    if (u->s.f.marked == 0 || !rsp_cqe_room(u)) {
        return false;
    }
    q->halted = 1;
    if (q->open != 0) {
        q->open = 0;
        rsp_complete(u, &t->ctx->qp[u->s.f.cx], q->wr_id, WC_WR_FLUSH, 0);
        t->s->respond_flushed++;
    }
    u->s.f.state = FLUSH_NEXT;
    return true;
}

static bool next_wqe(struct respond *u, const struct tick *t)
{
    struct rsp_flush *const f = &u->s.f;
    const struct qpc *const c = &t->ctx->qp[f->cx];

    if (c->s.has_srq != 0 || c->s.rq.entries == 0) {
        f->state = FLUSH_LAST;
    } else if (f->budget == 0) {
        rsp_fail(u, f->row, f->qn, CAUSE_MORE, 0);
        f->state = FLUSH_PUT;
    } else {
        if (!rsp_cqe_room(u) || !CAN(u, t, u->rsp_flush)) {
            return false;
        }
        PUSH(t, u->rsp_flush, rq_get, 0, .qn = f->qn, .cx = f->cx, .op = RQ_FLUSH);
        f->state = FLUSH_WAIT;
    }
    return true;
}

static bool flush_wqe(struct respond *u, const struct tick *t)
{
    struct rsp_flush *const f = &u->s.f;

    if (!VALID(t, u->rsp_flushed)) {
        return false;
    }
    const struct rq_wqe *const m = POP(t, u->rsp_flushed);

    if (m->status != WORK_OK && m->status != WORK_BAD) {
        f->state = FLUSH_LAST;
        return true;
    }
    rsp_complete(u, &t->ctx->qp[f->cx], t->store->rwqe[m->rec].wr_id, WC_WR_FLUSH, 0);
    pool_give(&t->store->rwqe_pool, t->k, m->rec);
    t->s->respond_flushed++;
    f->budget--;
    f->state = FLUSH_NEXT;
    return true;
}

/* The last word about a QP that shares its receive queue. */
static bool last_wqe(struct respond *u, const struct tick *t)
{
    struct rsp_qp *const q = flushed(u);

    if (t->ctx->qp[u->s.f.cx].s.has_srq == 0 || q->last_wqe != 0) {
        u->s.f.state = FLUSH_PUT;
        return true;
    }
    if (!raise(u, t, ASYNC_QP_LAST_WQE, FLUSH_PUT)) {
        return false;
    }
    q->last_wqe = 1;
    return true;
}

static bool put(struct respond *u, const struct tick *t)
{
    if (!CAN(u, t, u->ctx_put_rsp)) {
        return false;
    }
    PUSH(t, u->ctx_put_rsp, ctx_put, 0, .cx = u->s.f.cx, .kind = CTX_QP, .op = CTX_PUT);
    u->s.f.state = FLUSH_IDLE;
    return true;
}

static bool flush_step(struct respond *u, const struct tick *t)
{
    struct rsp_flush *const f = &u->s.f;

    switch (f->state) {
    case FLUSH_IDLE: return begin(u, t);
    case FLUSH_GOT: enter_error(u, &t->ctx->qp[f->cx]); return true;
    case FLUSH_TELL: return tell(u, t);
    case FLUSH_EVENT:
        if (f->async == 0) {
            f->state = FLUSH_HALT;
            return true;
        }
        return raise(u, t, (uint8_t)(f->async - 1), FLUSH_HALT);
    case FLUSH_HALT: return halt(u, t);
    case FLUSH_MARK: return marked(u, t);
    case FLUSH_NEXT: return next_wqe(u, t);
    case FLUSH_WAIT: return flush_wqe(u, t);
    case FLUSH_LAST: return last_wqe(u, t);
    case FLUSH_PUT: return put(u, t);
    default: return false;
    }
}

bool rsp_flush(struct respond *u, const struct tick *t)
{
    const bool moved = flush_step(u, t);

    u->s.more |= moved && u->s.f.state != FLUSH_ASKED && u->s.f.state != FLUSH_WAIT;
    return moved;
}

/* --- reset: everything of the QP leaves the pipes, then command is told -------------------------
 */

bool rsp_resetting(const struct respond *u, uint32_t qn)
{
    return u->s.d.state != DRAIN_IDLE && u->s.d.qn == qn;
}

/* Back to a fresh QP, but for its places in the rings. */
static void clear(struct respond *u, uint32_t row)
{
    struct rsp_qp *const q = &u->qp[row];

    rsp_cancel_delay(u, row);
    rsp_forget(u, row);
    *q = (struct rsp_qp){
        .queued = q->queued, .waiting = q->waiting, .turn = q->turn, .failed = q->failed};
}

static bool take_kick(struct respond *u, const struct tick *t)
{
    if (!VALID(t, u->cmd_rsp_kick)) {
        return false;
    }
    const struct qp_event *const m = POP(t, u->cmd_rsp_kick);
    const uint32_t row = rsp_row(t, m->qn);

    if (m->kind == KICK_FLUSH || m->kind == KICK_ERROR) {
        rsp_fail(u, row, m->qn, CAUSE_COMMAND, 0);
    } else if (m->kind == KICK_RESET || m->kind == KICK_DESTROY) {
        u->s.d.qn = m->qn;
        u->s.d.row = row;
        u->s.d.kind = m->kind;
        u->s.d.state = DRAIN_QUIET;
        clear(u, row);
    }
    return true;
}

/* No part of this unit works for the QP any more. */
static bool quiet(struct respond *u)
{
    const bool busy = u->qp[u->s.d.row].turn != 0 || rsp_atomics_of(u, u->s.d.row) ||
                      (u->s.f.state != FLUSH_IDLE && u->s.f.qn == u->s.d.qn);

    if (busy) {
        return false;
    }
    clear(u, u->s.d.row);
    u->s.d.wrote = 0;
    u->s.d.fenced = 0;
    u->s.d.state = DRAIN_MARK;
    return true;
}

static void fence(struct respond *u, const struct tick *t)
{
    u->s.d.job_seq = ++u->s.job_seq;
    u->s.d.fenced = 1;
    PUSH(t, u->rsp_job, pkt, u->delay, .qn = u->s.d.qn, .imm = (uint32_t)u->s.job_seq,
         .flags = TXF_FENCE | TXF_FIRST_PIECE | TXF_LAST_PIECE | TXF_NO_PAYLOAD,
         .source = SRC_RESPONDER, .slot = NO_SLOT, .rec = NO_SLOT);
}

/* A marker through the write path and one through the transmit path. */
static bool mark(struct respond *u, const struct tick *t)
{
    const bool was = u->s.d.wrote != 0, fenced = u->s.d.fenced != 0;

    if (!was && rsp_barrier(u, t, &u->s.d.wr_seq)) {
        u->s.d.wrote = 1;
    }
    if (!fenced && u->s.t.cutting == 0 && CAN(u, t, u->rsp_job)) {
        fence(u, t);
    }
    if (u->s.d.wrote == 0 || u->s.d.fenced == 0 || !rsp_done(u, u->s.d.wr_seq) ||
        u->s.job_sent < u->s.d.job_seq) {
        return was != (u->s.d.wrote != 0) || fenced != (u->s.d.fenced != 0);
    }
    u->s.d.cqe_tail = u->s.cqe_tail;
    u->s.d.state = DRAIN_CQES;
    return true;
}

static bool drain_step(struct respond *u, const struct tick *t)
{
    switch (u->s.d.state) {
    case DRAIN_IDLE: return take_kick(u, t);
    case DRAIN_QUIET: return quiet(u);
    case DRAIN_MARK: return mark(u, t);
    case DRAIN_CQES:
        if ((int32_t)(u->s.cqe_head - u->s.d.cqe_tail) < 0) {
            return false;
        }
        u->s.d.state = DRAIN_TELL;
        return true;
    default:
        if (!CAN(u, t, u->cmd_drained)) {
            return false;
        }
        PUSH(t, u->cmd_drained, qp_event, 0, .qn = u->s.d.qn, .kind = u->s.d.kind);
        u->s.d.state = DRAIN_IDLE;
        return true;
    }
}

bool rsp_kick(struct respond *u, const struct tick *t)
{
    const bool moved = drain_step(u, t);

    u->s.more |= moved;
    return moved;
}
