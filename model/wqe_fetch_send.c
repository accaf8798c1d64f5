/* wqe_fetch_send.c: grants: producer index, run, parsed WQE. */
#include "model/wqe_fetch.h"

void wqe_send_open(struct wqe_fetch *u, struct opening *o)
{
    const uint32_t most = u->bufs / 2 - RECV_TASKS / 2;

    /* every task may hold a buffer; receive tasks must find some too */
    u->sends = u->fetch_max < most ? u->fetch_max : most;
    u->send = arena_take(o->a, u->sends * sizeof *u->send);
    u->send_order = arena_take(o->a, u->sends * sizeof *u->send_order);
    u->send_index = store_take(o, u->sends * 8);
    u->process_cycles = (uint32_t)ns_cycles(o->p, o->p->hca_wqe_process_ns);
    u->send_run = (uint32_t)o->p->hca_wqe_prefetch_entries;
    for (uint32_t i = 0; u->send_order != NULL && i < u->sends; i++) {
        u->send_order[i] = (uint16_t)i;
    }
}

static bool push_work(struct wqe_fetch *u, const struct tick *t, const struct qp_go *go,
                      uint32_t index, enum work_status status, uint32_t rec)
{
    if (!wqe_out(t, &u->work->ctl)) {
        return false;
    }
    PUSH(t, u->work, work, u->process_cycles, .qn = go->qn, .cx = go->cx, .index = (uint16_t)index,
         .status = (uint8_t)status, .t_in = go->t_in, .t_db = go->t_db, .t_grant = go->t_grant,
         .t_ctx = go->t_ctx, .t_fetch = t->now + u->process_cycles, .rec = (uint16_t)rec);
    u->s.progress++;
    return true;
}

static uint32_t stride_of(const struct qpc *q)
{
    return q->s.format == FORMAT_NATIVE ? WQE_UNIT : q->s.sq.stride;
}

static struct wqe_run run_of(const struct wqe_fetch *u, const struct qpc *q, uint32_t row)
{
    return (struct wqe_run){
        .geo = &q->s.sq,
        .page = q->tx.page,
        .page_bus = q->tx.page_bus,
        .ring = row,
        .index = q->tx.head,
        .tail = q->tx.tail,
        .entries_max = u->send_run,
        .stride = stride_of(q),
        .fn = q->s.fn,
        .contiguous = q->s.format == FORMAT_NATIVE,
        .units = q->s.format == FORMAT_NATIVE,
    };
}

/* Indices from head on that the buffer holds and the producer has announced; 0: they do not hold
 * the whole WQE at head. */
static uint32_t whole(const struct wqe_buf *b, const uint8_t *raw, uint32_t head, uint32_t tail,
                      bool native)
{
    const uint32_t end = b->mmio ? (uint16_t)(head - b->first) : head - b->first;
    const uint32_t have = b->count - end < tail - head ? b->count - end : tail - head;

    return native && raw[3] > have ? 0 : have;
}

static enum wqe_step give(struct wqe_fetch *u, const struct tick *t, struct send_task *k,
                          struct wqe_buf *b, uint32_t row)
{
    struct qpc *const q = &t->ctx->qp[k->go.cx];
    const bool native = q->s.format == FORMAT_NATIVE;
    const uint32_t stride = stride_of(q), head = q->tx.head;
    const uint8_t *const raw = wqe_buf_at(u, t, b, head, stride);
    uint32_t have = whole(b, raw, head, q->tx.tail, native);

    if (have == 0 && (b->mmio || b->first != head)) { /* read again from its first byte on */
        wqe_buf_drop(u, b);
        return STEP_BLOCKED;
    }
    if (!wqe_out(t, &u->work->ctl) || !pool_ready(&t->store->wqe_pool, t->now)) {
        return STEP_BLOCKED;
    }
    have = have == 0 ? b->count : have;
    const uint32_t rec = pool_take(&t->store->wqe_pool, t->k);
    struct wqe *const w = &t->store->wqe[rec];
    const uint32_t bytes = native                   ? have * WQE_UNIT
                           : stride < WQE_BUF_BYTES ? stride
                                                    : WQE_BUF_BYTES;
    const enum work_status status =
        wqe_parse_send(t, &q->s, raw, bytes, head, w, t->store->wqe_raw + rec * WQE_RAW_MAX);
    if (w->units > q->tx.tail - head) { /* a bad WQE takes what the producer index covers */
        w->units = (uint8_t)(q->tx.tail - head);
    }
    t->s->wqe_fetch_sends++;
    t->s->wqe_fetch_bad += status == WORK_BAD;
    (void)push_work(u, t, &k->go, head, status, rec);
    b->hold = 0;
    if (!native) {
        q->tx.page = b->page + 1;
        q->tx.page_bus = b->page_bus;
    }
    wqe_buf_touch(u, b);
    struct wqe_run r = run_of(u, q, row);
    wqe_buf_ahead(u, t, &r, b);
    return STEP_ENDED;
}

/* Chunks carried by MMIO for WQEs that are behind head would be taken for those 2^16 indices later.
 */
static void drop_old_mmio(struct wqe_fetch *u, uint32_t row, uint32_t head)
{
    for (unsigned i = WQE_RUNS; i-- != 0;) {
        const uint32_t b = u->ring[row].buf[i];
        if (b != 0 && u->buf[b - 1].mmio && (int16_t)(uint16_t)(u->buf[b - 1].first - head) < 0) {
            wqe_buf_drop(u, &u->buf[b - 1]);
        }
    }
}

static enum wqe_step find_run(struct wqe_fetch *u, const struct tick *t, struct send_task *k,
                              uint32_t row)
{
    struct qpc *const q = &t->ctx->qp[k->go.cx];
    const bool native = q->s.format == FORMAT_NATIVE;

    drop_old_mmio(u, row, q->tx.head);
    struct wqe_buf *b = wqe_buf_find(u, row, q->tx.head, native);
    if (b != NULL && b->state == BUF_MMIO) { /* its doorbell overtook a chunk that will not come */
        wqe_buf_drop(u, b);
        b = NULL;
    }
    if (b == NULL) {
        const struct wqe_run r = run_of(u, q, row);
        b = wqe_buf_start(u, t, &r);
        if (b == NULL) {
            return STEP_BLOCKED;
        }
    }
    b->hold = 1;
    if (b->state == BUF_FAILED) {
        wqe_buf_drop(u, b);
        k->state = SEND_FAULT;
        return STEP_BLOCKED;
    }
    return b->state == BUF_READY ? give(u, t, k, b, row) : STEP_WAITS;
}

static enum wqe_step look(struct wqe_fetch *u, const struct tick *t, struct send_task *k)
{
    struct qpc *const q = &t->ctx->qp[k->go.cx];
    const uint32_t row = dense_row(k->go.qn, t->p->hca_qp_max);
    const bool native = q->s.format == FORMAT_NATIVE;

    if (q->tx.head != q->tx.tail) {
        return find_run(u, t, k, row);
    }
    if (native || !q->tx.rung) {
        return push_work(u, t, &k->go, q->tx.head, WORK_NONE, NO_SLOT) ? STEP_ENDED : STEP_BLOCKED;
    }
    k->state = q->tx.state_bus == 0 ? SEND_STATE : SEND_INDEX;
    return STEP_BLOCKED;
}

static enum wqe_step ask_state(struct wqe_fetch *u, const struct tick *t, struct send_task *k)
{
    const struct qpc *const q = &t->ctx->qp[k->go.cx];

    if (!wqe_out(t, &u->ring_get_wqe->ctl)) {
        return STEP_BLOCKED;
    }
    PUSH(t, u->ring_get_wqe, ring_get, 0, .pdir = q->s.state_page_pdir, .page = 0,
         .cookie = (uint16_t)(SEND_COOKIE + (k - u->send)), .fn = q->s.fn);
    u->s.progress++;
    k->state = SEND_STATE_WAIT;
    return STEP_WAITS;
}

/* A doorbell that comes after this read was issued is remembered by the arbiter. */
static enum wqe_step ask_index(struct wqe_fetch *u, const struct tick *t, struct send_task *k)
{
    struct qpc *const q = &t->ctx->qp[k->go.cx];
    const uint32_t i = (uint32_t)(k - u->send);

    if (!wqe_out(t, &u->rd_req_wqe->ctl)) {
        return STEP_BLOCKED;
    }
    PUSH(t, u->rd_req_wqe, rd_req, 0, .addr = q->tx.state_bus, .len = 8,
         .cookie = (uint16_t)(SEND_COOKIE + i), .fn = q->s.fn, .cls = CLS_WQE,
         .data = u->send_index + i * 8);
    q->tx.rung = 0;
    u->s.progress++;
    k->state = SEND_INDEX_WAIT;
    t->s->wqe_fetch_indices++;
    return STEP_WAITS;
}

void wqe_send_page(struct wqe_fetch *u, const struct tick *t, uint32_t i, const struct ring_got *m)
{
    struct send_task *const k = &u->send[i - SEND_COOKIE];

    hca_assert(k->state == SEND_STATE_WAIT);
    t->ctx->qp[k->go.cx].tx.state_bus = m->addr;
    k->state = m->status == 0 ? SEND_INDEX : SEND_FAULT;
}

void wqe_send_data(struct wqe_fetch *u, const struct tick *t, uint32_t i, uint8_t status)
{
    struct send_task *const k = &u->send[i - SEND_COOKIE];
    struct qpc *const q = &t->ctx->qp[k->go.cx];
    uint32_t v;

    hca_assert(k->state == SEND_INDEX_WAIT);
    memcpy(&v, store_at(t->store, u->send_index + (i - SEND_COOKIE) * 8), sizeof v);
    const bool good =
        status == DMA_OK && wqe_index(v, q->s.sq.entries, q->tx.head, &q->tx.tail, q->s.sq.entries);
    k->state = good ? SEND_LOOK : SEND_FAULT;
}

/* Before a reset QP is reported empty no read of its rings may be under way: its pages may go. */
static enum wqe_step drain(struct wqe_fetch *u, const struct tick *t, struct send_task *k)
{
    const uint32_t row = dense_row(k->go.qn, t->p->hca_qp_max);

    wqe_buf_drop_ring(u, row);
    wqe_buf_drop_ring(u, u->qps + row);
    u->ring[u->qps + row].flushed = 0;
    if (wqe_buf_flying(u, row) || wqe_buf_flying(u, u->qps + row) || u->ring[u->qps + row].locked) {
        return STEP_WAITS;
    }
    return push_work(u, t, &k->go, 0, WORK_NONE, NO_SLOT) ? STEP_ENDED : STEP_BLOCKED;
}

static enum wqe_step step(struct wqe_fetch *u, const struct tick *t, struct send_task *k)
{
    if (k->state == SEND_LOOK) {
        const enum wqe_step did = look(u, t, k);
        if (k->state == SEND_LOOK) {
            return did;
        }
    }
    switch (k->state) {
    case SEND_STATE: return ask_state(u, t, k);
    case SEND_INDEX: return ask_index(u, t, k);
    case SEND_DRAIN: return drain(u, t, k);
    case SEND_FAULT:
        return push_work(u, t, &k->go, t->ctx->qp[k->go.cx].tx.head, WORK_FAULT, NO_SLOT)
                   ? STEP_ENDED
                   : STEP_BLOCKED;
    default: return STEP_WAITS;
    }
}

/* Runs of a QP that had this number before; what came by MMIO is of the new one. */
static void drop_stale(struct wqe_fetch *u, uint32_t row)
{
    for (unsigned i = WQE_RUNS; i-- != 0;) {
        const uint32_t b = u->ring[row].buf[i];
        if (b != 0 && !u->buf[b - 1].mmio) {
            wqe_buf_drop(u, &u->buf[b - 1]);
        }
    }
}

/* What a new grant changes before anything is read; the state its task starts in. */
static enum send_state begin(struct wqe_fetch *u, const struct tick *t, const struct qp_go *go)
{
    struct qpc *const q = &t->ctx->qp[go->cx];
    const bool native = q->s.format == FORMAT_NATIVE;

    if (q->s.state == QPS_RESET) {
        return SEND_DRAIN;
    }
    if (!q->tx.seen) {
        drop_stale(u, dense_row(go->qn, t->p->hca_qp_max));
        q->tx.seen = 1;
    }
    q->tx.rung |= go->rung;
    if (!wqe_ring_valid(q->s.sq.entries, stride_of(q), native)) {
        return SEND_FAULT;
    }
    if (native && go->native) {
        const uint32_t tail = q->tx.tail + (uint16_t)(go->tail - q->tx.tail);
        q->tx.rung = 0;
        if (!wqe_ahead(tail, q->s.sq.entries, q->tx.head, q->tx.tail, q->s.sq.entries)) {
            return SEND_FAULT;
        }
        q->tx.tail = tail;
    }
    return SEND_LOOK;
}

/* States in which WQEs are executed or flushed. */
static bool sends(const struct tick *t, const struct qp_go *go)
{
    return go->cx != NO_SLOT &&
           (t->ctx->qp[go->cx].s.state >= QPS_RTS || t->ctx->qp[go->cx].s.state == QPS_RESET);
}

void wqe_send_take(struct wqe_fetch *u, const struct tick *t, bool *left)
{
    if (!VALID(t, u->qp_go)) {
        return;
    }
    const struct qp_go *const go = PEEK(u->qp_go);
    if (!sends(t, go)) {
        if (!push_work(u, t, go, 0, WORK_NONE, NO_SLOT)) {
            *left = true;
            return;
        }
        (void)POP(t, u->qp_go);
        return;
    }
    if (u->s.tasks == u->sends) {
        *left = true;
        return;
    }
    struct send_task *const k = &u->send[u->send_order[u->s.tasks++]];
    k->go = *POP(t, u->qp_go);
    k->state = (uint8_t)begin(u, t, &k->go);
    u->s.progress++;
}

void wqe_send_step(struct wqe_fetch *u, const struct tick *t, bool *left)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < u->s.tasks; i++) {
        const uint16_t id = u->send_order[i];
        const enum wqe_step did = step(u, t, &u->send[id]);
        *left |= did == STEP_BLOCKED;
        if (did != STEP_ENDED) {
            u->send_order[i] = u->send_order[kept];
            u->send_order[kept++] = id;
        }
    }
    u->s.tasks = kept;
}
