/* wqe_fetch_recv.c: receive tasks step by step: the next WQE for check and respond, prefetch. */
#include "model/wqe_fetch.h"

enum { RX_PROD = 8, RX_CONS = 12 }; /* bytes of the rx ring in a ring-state page */

static struct wqe_run run_of(const struct wqe_fetch *u, const struct recv_task *k,
                             const struct recv_ring *g)
{
    return (struct wqe_run){
        .geo = g->geo,
        .page = g->r->page,
        .page_bus = g->r->page_bus,
        .ring = k->ring,
        .index = g->r->head,
        .tail = g->r->tail,
        .entries_max = u->recv_run,
        .stride = g->stride,
        .fn = g->fn,
        .contiguous = g->native,
    };
}

static enum wqe_step goes(struct wqe_fetch *u, struct recv_task *k, enum recv_state state)
{
    k->state = (uint8_t)state;
    u->s.progress++;
    return STEP_BLOCKED;
}

static enum wqe_step answer(struct wqe_fetch *u, struct recv_task *k, enum work_status status)
{
    k->status = (uint8_t)status;
    return goes(u, k, RECV_ANSWER);
}

static enum wqe_step ask_ctx(struct wqe_fetch *u, const struct tick *t, struct recv_task *k)
{
    if (!wqe_out(t, &u->ctx_get_wqe->ctl)) {
        return STEP_BLOCKED;
    }
    PUSH(t, u->ctx_get_wqe, ctx_get, 0, .number = k->number, .cookie = (uint16_t)(k - u->s.recv),
         .kind = k->srq ? CTX_SRQ : CTX_QP, .op = CTX_GET);
    (void)goes(u, k, RECV_CTX_WAIT);
    return STEP_WAITS;
}

static bool usable(const struct tick *t, const struct recv_task *k)
{
    if (k->srq) {
        return true;
    }
    const struct qp_static *const s = &t->ctx->qp[k->cx].s;
    return s->state != QPS_RESET && !s->has_srq;
}

static enum wqe_step lock(struct wqe_fetch *u, const struct tick *t, struct recv_task *k)
{
    struct wqe_ring *const r = &u->ring[k->ring];
    const struct recv_ring g = wqe_recv_ring(t, k);

    if (r->locked) {
        return STEP_BLOCKED;
    }
    if (!usable(t, k) || g.geo->entries == 0) {
        return answer(u, k, WORK_NONE);
    }
    if (!wqe_ring_valid(g.geo->entries, g.stride, g.native)) {
        return answer(u, k, WORK_FAULT);
    }
    r->locked = 1;
    k->locked = 1;
    if (!g.r->seen) {
        wqe_buf_drop_ring(u, k->ring);
        g.r->seen = 1;
        r->rung = 1;
    }
    return goes(u, k, RECV_LOOK);
}

static bool limit_armed(const struct tick *t, const struct recv_task *k)
{
    const struct srqc *const c = &t->ctx->srq[k->cx];

    return k->srq && c->limit_set != 0 && c->q.fired != c->limit_sn + 1;
}

static bool below_limit(const struct tick *t, const struct recv_task *k, uint32_t available)
{
    return limit_armed(t, k) && available < t->ctx->srq[k->cx].limit_set;
}

static enum wqe_step consume(struct wqe_fetch *u, const struct tick *t, struct recv_task *k,
                             const struct recv_ring *g, struct wqe_buf *b);

/* Where the WQE at head is; begins to fetch it. */
static enum wqe_step find_run(struct wqe_fetch *u, const struct tick *t, struct recv_task *k,
                              const struct recv_ring *g)
{
    struct wqe_buf *b = wqe_buf_find(u, k->ring, g->r->head, false);

    if (b == NULL) {
        const struct wqe_run r = run_of(u, k, g);
        b = wqe_buf_start(u, t, &r);
        if (b == NULL) {
            return k->kind == RECV_BELL ? answer(u, k, WORK_NONE) : STEP_BLOCKED;
        }
    }
    if (k->kind == RECV_BELL) {
        return answer(u, k, WORK_NONE);
    }
    b->hold = 1;
    if (b->state == BUF_FAILED) {
        wqe_buf_drop(u, b);
        return answer(u, k, WORK_FAULT);
    }
    return b->state == BUF_READY ? consume(u, t, k, g, b) : STEP_WAITS;
}

static enum wqe_step look(struct wqe_fetch *u, const struct tick *t, struct recv_task *k)
{
    const struct recv_ring g = wqe_recv_ring(t, k);
    const uint32_t available = g.r->tail - g.r->head;
    const bool unknown = !k->fresh && (g.native || u->ring[k->ring].rung);

    if ((available == 0 || below_limit(t, k, available - 1)) && unknown) {
        k->fresh = 1;
        return goes(u, k, g.r->state_bus == 0 ? RECV_STATE : RECV_INDEX);
    }
    return available == 0 ? answer(u, k, WORK_NONE) : find_run(u, t, k, &g);
}

/* Native rings: the directory address is the doorbell record itself. */
static enum wqe_step ask_state(struct wqe_fetch *u, const struct tick *t, struct recv_task *k)
{
    const struct recv_ring g = wqe_recv_ring(t, k);

    if (g.native) {
        g.r->state_bus = g.state_page;
        return goes(u, k, RECV_INDEX);
    }
    if (!wqe_out(t, &u->ring_get_wqe->ctl)) {
        return STEP_BLOCKED;
    }
    PUSH(t, u->ring_get_wqe, ring_get, 0, .pdir = g.state_page, .page = 0,
         .cookie = (uint16_t)(RECV_COOKIE + (k - u->s.recv)), .fn = g.fn);
    (void)goes(u, k, RECV_STATE_WAIT);
    return STEP_WAITS;
}

static enum wqe_step ask_index(struct wqe_fetch *u, const struct tick *t, struct recv_task *k)
{
    const struct recv_ring g = wqe_recv_ring(t, k);
    const uint32_t i = (uint32_t)(k - u->s.recv);

    if (!wqe_out(t, &u->rd_req_wqe->ctl)) {
        return STEP_BLOCKED;
    }
    PUSH(t, u->rd_req_wqe, rd_req, 0, .addr = g.r->state_bus + (g.native ? 0 : RX_PROD), .len = 8,
         .cookie = (uint16_t)(RECV_COOKIE + i), .fn = g.fn, .cls = CLS_WQE,
         .data = u->recv_index + i * 8);
    u->ring[k->ring].rung = 0;
    t->s->wqe_fetch_indices++;
    (void)goes(u, k, RECV_INDEX_WAIT);
    return STEP_WAITS;
}

/* The driver may use the slot again from now on: everything of it has been copied. */
static void push_head(struct wqe_fetch *u, const struct tick *t, const struct recv_ring *g)
{
    const uint32_t data = u->head_data + u->s.next_head * 8;
    const uint32_t v = g->r->head & (2 * g->geo->entries - 1);

    memcpy(store_at(t->store, data), &v, sizeof v);
    u->s.next_head = u->s.next_head + 1 == u->heads ? 0 : u->s.next_head + 1;
    PUSH(t, u->wr_wqe, wr_req, 0, .addr = g->r->state_bus + RX_CONS, .len = 4, .fn = g->fn,
         .cls = CLS_HEAD, .data = data, .slot = NO_SLOT);
}

static void remember(struct wqe_fetch *u, const struct tick *t, uint32_t qn, const struct wqe *w)
{
    struct recv_last *const l = &u->recv_last[dense_row(qn, t->p->hca_qp_max)];

    l->wr_id = w->wr_id;
    l->len = w->len;
    l->nsge = w->nsge;
    memcpy(l->sge, w->sge, w->nsge * sizeof w->sge[0]);
}

static struct wire_rq_wqe *out_of(const struct wqe_fetch *u, const struct recv_task *k)
{
    return k->kind == RECV_FLUSH ? u->rsp_flushed : u->rq_wqe;
}

static void push_answer(struct wqe_fetch *u, const struct tick *t, const struct recv_task *k,
                        enum work_status status, uint32_t rec)
{
    PUSH(t, out_of(u, k), rq_wqe, 0, .qn = k->qn, .cookie = k->cookie, .status = (uint8_t)status,
         .rec = (uint16_t)rec);
}

static enum wqe_step consume(struct wqe_fetch *u, const struct tick *t, struct recv_task *k,
                             const struct recv_ring *g, struct wqe_buf *b)
{
    struct qp_rq *const r = g->r;

    if (!wqe_out(t, &out_of(u, k)->ctl) || !wqe_out(t, &u->wr_wqe->ctl) ||
        !wqe_out(t, &u->srq_async->ctl) || !pool_ready(&t->store->rwqe_pool, t->now)) {
        return STEP_BLOCKED;
    }
    const uint32_t rec = pool_take(&t->store->rwqe_pool, t->k);
    struct wqe *const w = &t->store->rwqe[rec];
    const enum work_status status =
        wqe_parse_recv(wqe_buf_at(u, t, b, r->head, g->stride), g->max_sge, g->native, r->head, w);
    remember(u, t, k->qn, w);
    t->s->wqe_fetch_recvs++;
    t->s->wqe_fetch_bad += status == WORK_BAD;
    r->head++;
    r->page = b->page + 1;
    r->page_bus = b->page_bus;
    if (!g->native) {
        push_head(u, t, g);
    }
    if (below_limit(t, k, r->tail - r->head)) {
        struct srqc *const c = &t->ctx->srq[k->cx];
        c->q.fired = c->limit_sn + 1;
        PUSH(t, u->srq_async, async, 0, .info = c->s.handle, .type = ASYNC_SRQ_LIMIT,
             .fn = c->s.fn);
    }
    push_answer(u, t, k, k->kind == RECV_FLUSH ? WORK_OK : status, rec); /* wr_id is all it needs */
    b->hold = 0;
    struct wqe_run run = run_of(u, k, g);
    wqe_buf_ahead(u, t, &run, b);
    if (r->head == b->first + b->count) { /* receive rings never go back */
        wqe_buf_drop(u, b);
    } else {
        wqe_buf_touch(u, b);
    }
    return goes(u, k, RECV_PUT);
}

/* Answers that carry no fresh WQE: none, fault, or the one consumed last. */
static enum wqe_step send_answer(struct wqe_fetch *u, const struct tick *t, struct recv_task *k)
{
    uint32_t rec = NO_SLOT;

    if (k->kind == RECV_BELL) {
        return goes(u, k, RECV_PUT);
    }
    if (!wqe_out(t, &out_of(u, k)->ctl)) {
        return STEP_BLOCKED;
    }
    if (k->status == WORK_OK) { /* RQ_AGAIN */
        if (!pool_ready(&t->store->rwqe_pool, t->now)) {
            return STEP_BLOCKED;
        }
        const struct recv_last *const l = &u->recv_last[dense_row(k->qn, t->p->hca_qp_max)];
        rec = pool_take(&t->store->rwqe_pool, t->k);
        struct wqe *const w = &t->store->rwqe[rec];
        w->wr_id = l->wr_id;
        w->len = l->len;
        w->nsge = (uint8_t)l->nsge;
        memcpy(w->sge, l->sge, l->nsge * sizeof w->sge[0]);
    }
    const bool empty = k->kind == RECV_FLUSH && k->status != WORK_OK;
    push_answer(u, t, k, empty ? WORK_NONE : k->status, rec);
    return goes(u, k, RECV_PUT);
}

static enum wqe_step end(struct wqe_fetch *u, const struct tick *t, struct recv_task *k)
{
    if (k->mine) {
        if (!wqe_out(t, &u->ctx_put_wqe->ctl)) {
            return STEP_BLOCKED;
        }
        PUSH(t, u->ctx_put_wqe, ctx_put, 0, .cx = k->cx, .kind = k->srq ? CTX_SRQ : CTX_QP,
             .op = CTX_PUT);
    }
    if (k->locked) {
        u->ring[k->ring].locked = 0;
    }
    u->s.bells -= k->kind == RECV_BELL;
    u->s.progress++;
    return STEP_ENDED;
}

static enum wqe_step step(struct wqe_fetch *u, const struct tick *t, struct recv_task *k)
{
    for (;;) { /* at most one round per state: each either stays or goes on */
        const uint8_t before = k->state;
        enum wqe_step did = STEP_WAITS;
        switch (k->state) {
        case RECV_CTX: did = ask_ctx(u, t, k); break;
        case RECV_LOCK: did = lock(u, t, k); break;
        case RECV_LOOK: did = look(u, t, k); break;
        case RECV_STATE: did = ask_state(u, t, k); break;
        case RECV_INDEX: did = ask_index(u, t, k); break;
        case RECV_ANSWER: did = send_answer(u, t, k); break;
        case RECV_PUT: did = end(u, t, k); break;
        default: break;
        }
        if (did != STEP_BLOCKED || k->state == before) {
            return did;
        }
    }
}

void wqe_recv_step(struct wqe_fetch *u, const struct tick *t, bool *left)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < u->s.recvs; i++) {
        const uint8_t id = u->s.recv_order[i];
        const enum wqe_step did = step(u, t, &u->s.recv[id]);
        *left |= did == STEP_BLOCKED;
        if (did != STEP_ENDED) {
            u->s.recv_order[i] = u->s.recv_order[kept];
            u->s.recv_order[kept++] = id;
        }
    }
    u->s.recvs = kept;
}
