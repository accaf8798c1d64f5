/* wqe_fetch_recv_in.c: receive tasks: how they begin and what answers do to them. */
#include "model/wqe_fetch.h"

void wqe_recv_open(struct wqe_fetch *u, struct opening *o)
{
    const struct hca_param *const p = o->p;

    u->recv_last = arena_take(o->a, u->qps * sizeof *u->recv_last);
    u->recv_index = store_take(o, RECV_TASKS * 8);
    /* A head write is over when dma_write has sent it: no more of them can be under way than its
     * wire and its job table hold. */
    u->heads = (uint32_t)(p->hca_dma_write_jobs + 8);
    u->head_data = store_take(o, u->heads * 8);
    u->recv_run = (uint32_t)p->hca_recv_prefetch_entries;
    for (uint32_t i = 0; i < RECV_TASKS; i++) {
        u->s.recv_order[i] = (uint8_t)i;
    }
}

/* Native rings need no stride of their own. source: docs/NATIVE.md, pvrdma ABI section 10 */
static uint32_t stride_of(const struct ring *g, uint32_t max_sge, bool native)
{
    return native ? max_sge * (uint32_t)sizeof(struct sge) : g->stride;
}

struct recv_ring wqe_recv_ring(const struct tick *t, const struct recv_task *k)
{
    struct recv_ring g;

    if (k->srq) {
        struct srqc *const c = &t->ctx->srq[k->cx];
        g = (struct recv_ring){&c->s.ring, &c->q.r, c->s.state_page_pdir,        c->s.max_sge,
                               0,          c->s.fn, c->s.format == FORMAT_NATIVE};
    } else {
        struct qpc *const c = &t->ctx->qp[k->cx];
        g = (struct recv_ring){&c->s.rq, &c->rq,  c->s.state_page_pdir,        c->s.max_recv_sge,
                               0,        c->s.fn, c->s.format == FORMAT_NATIVE};
    }
    g.stride = stride_of(g.geo, g.max_sge, g.native);
    return g;
}

/* --- new tasks ------------------------------------------------------------------------------- */

static uint32_t ring_row(const struct wqe_fetch *u, const struct tick *t, bool srq, uint32_t number)
{
    return srq ? 2 * u->qps + dense_row(number, t->p->hca_srq_max)
               : u->qps + dense_row(number, t->p->hca_qp_max);
}

static struct recv_task *new_task(struct wqe_fetch *u, enum recv_kind kind)
{
    if (u->s.recvs == RECV_TASKS || (kind == RECV_BELL && u->s.bells == RECV_BELLS)) {
        return NULL;
    }
    struct recv_task *const k = &u->s.recv[u->s.recv_order[u->s.recvs++]];
    *k = (struct recv_task){.kind = (uint8_t)kind, .qp_cx = NO_SLOT, .cx = NO_SLOT};
    u->s.bells += kind == RECV_BELL;
    u->s.progress++;
    return k;
}

static void take_bell(struct wqe_fetch *u, const struct tick *t)
{
    if (!VALID(t, u->rq_ready)) {
        return;
    }
    const struct qp_ready *const m = PEEK(u->rq_ready);
    const bool srq = m->kind == DB_SRQ_RECV;
    const uint32_t row = ring_row(u, t, srq, m->qn);
    struct wqe_ring *const r = &u->ring[row];

    if (r->flushed) { /* respond asks for what is new; it takes rq_more at once */
        if (!READY(t, u->rq_more)) {
            return;
        }
        PUSH(t, u->rq_more, qp_event, 0, .qn = m->qn, .kind = KICK_FLUSH);
    }
    (void)POP(t, u->rq_ready);
    u->s.progress++;
    r->rung = 1;
    if (r->buf[0] != 0 || r->locked) {
        return; /* it has WQEs at hand; the task at work reads ahead */
    }
    struct recv_task *const k = new_task(u, RECV_BELL);
    if (k == NULL) {
        return;
    }
    k->qn = m->qn;
    k->number = m->qn;
    k->srq = srq;
    k->ring = row;
    k->state = RECV_CTX;
}

static bool take_get(struct wqe_fetch *u, const struct tick *t, const struct rq_get *m, bool flush)
{
    const struct qp_static *const s = &t->ctx->qp[m->cx].s;
    struct recv_task *const k = new_task(u, flush               ? RECV_FLUSH
                                            : m->op == RQ_AGAIN ? RECV_AGAIN
                                                                : RECV_CHECK);

    if (k == NULL) {
        return false;
    }
    k->qn = m->qn;
    k->qp_cx = m->cx;
    k->cookie = m->cookie;
    k->srq = s->has_srq;
    k->number = k->srq ? s->srqn : m->qn;
    k->ring = ring_row(u, t, k->srq, k->number);
    k->cx = k->srq ? NO_SLOT : m->cx;
    k->state = k->srq ? RECV_CTX : RECV_LOCK;
    u->ring[k->ring].flushed |= flush && !k->srq;
    if (k->kind == RECV_AGAIN) {
        k->state = RECV_ANSWER;
        k->status = WORK_OK;
    } else if (flush && k->srq) { /* WQEs of an SRQ belong to no QP */
        k->state = RECV_ANSWER;
        k->status = WORK_NONE;
    }
    return true;
}

void wqe_recv_take(struct wqe_fetch *u, const struct tick *t, bool *left)
{
    if (VALID(t, u->rsp_flush)) {
        if (take_get(u, t, PEEK(u->rsp_flush), true)) {
            (void)POP(t, u->rsp_flush);
        } else {
            *left = true;
        }
    }
    if (VALID(t, u->rq_get)) {
        if (take_get(u, t, PEEK(u->rq_get), false)) {
            (void)POP(t, u->rq_get);
        } else {
            *left = true;
        }
    }
    take_bell(u, t);
}

/* --- answers --------------------------------------------------------------------------------- */

void wqe_recv_got(struct wqe_fetch *u, const struct ctx_got *m)
{
    struct recv_task *const k = &u->s.recv[m->cookie];

    hca_assert(k->state == RECV_CTX_WAIT);
    k->cx = m->cx;
    k->mine = m->status == CTX_OK;
    k->state = k->mine ? RECV_LOCK : RECV_ANSWER;
    k->status = WORK_FAULT;
}

void wqe_recv_page(struct wqe_fetch *u, const struct tick *t, uint32_t i, const struct ring_got *m)
{
    struct recv_task *const k = &u->s.recv[i - RECV_COOKIE];

    hca_assert(k->state == RECV_STATE_WAIT);
    wqe_recv_ring(t, k).r->state_bus = m->addr;
    k->state = m->status == 0 ? RECV_INDEX : RECV_ANSWER;
    k->status = WORK_FAULT;
}

void wqe_recv_data(struct wqe_fetch *u, const struct tick *t, uint32_t i, uint8_t status)
{
    struct recv_task *const k = &u->s.recv[i - RECV_COOKIE];
    const struct recv_ring g = wqe_recv_ring(t, k);
    uint32_t v;

    hca_assert(k->state == RECV_INDEX_WAIT);
    memcpy(&v, store_at(t->store, u->recv_index + (i - RECV_COOKIE) * 8), sizeof v);
    if (g.native) { /* a free running 32-bit count */
        v &= 2 * g.geo->entries - 1;
    }
    const bool good = status == DMA_OK && wqe_index(v, g.geo->entries, g.r->head, &g.r->tail, 0);
    k->state = good ? RECV_LOOK : RECV_ANSWER;
    k->status = WORK_FAULT;
}
