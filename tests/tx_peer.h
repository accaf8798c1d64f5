/* tx_peer.h: arbiter, context, wqe_fetch and requester against a scripted peer.
 *
 *   struct peer *e = peer_open(&p, qps, seed);      RC QPs 0 .. qps - 1, rings of 64 WQEs of 4 SGEs
 *   peer_post(e, qp, &w); peer_ring(e, qp);
 *   peer_run(e, n)                                   n cycles
 * The peer plays the transmit pipe, the network and a go-back-N responder with its faults in per
 * mille (drop, dup, rnr), and checks on the way: PSNs of first transmissions are contiguous,
 * packets are what the WQE says, pieces cover its SGEs, READ data is placed where its SGEs lie,
 * each WQE completes once, in order. */
#pragma once
#include "tests/tx_net.h"

static inline void peer_deliver(struct peer *e, const struct tick *t)
{
    struct hca *const h = e->b->h;

    while (e->net_head != e->net_tail && e->net[e->net_head % PEER_NET].due <= t->now) {
        const struct pkt p = e->net[e->net_head++ % PEER_NET].p;
        peer_request(e, &p);
    }
    if (e->back_head == e->back_tail || e->back[e->back_head % PEER_NET].due > t->now ||
        !READY(t, &h->rx_look) || !pool_ready(&h->store.rx_pool, t->now)) {
        return;
    }
    struct rxp r = e->back[e->back_head++ % PEER_NET].r;
    r.slot = pool_take(&h->store.rx_pool, t->k);
    r.data = h->store.rx + r.slot * h->store.slot_bytes;
    PASS(t, &h->rx_look, rxp, 0, &r);
    e->responses++;
}

/* READs and ATOMICs are placed in order, each byte once. */
static inline void peer_check_place(struct peer *e, const struct place *m)
{
    struct peer_qp *const q = &e->qp[m->qn];
    struct peer_op *o;
    struct pkt like = {.addr = m->addr, .len = m->len, .lkey = m->key};

    if ((int32_t)(q->reads - q->completed) < 0) {
        q->reads = q->completed;
    }
    while (o = peer_op(e, m->qn, q->reads), !req_is_read(o->w.opcode) || o->placed == o->w.len) {
        assert_true(++q->reads != q->posted + 1);
    }
    peer_check_piece(&o->w, &like, o->placed);
    if (o->w.opcode != WR_READ) {
        assert_memory_equal(store_at(&e->b->h->store, m->data),
                            (const uint8_t *)&o->value + o->placed, m->len);
    }
    o->placed += m->len;
    assert_int_equal(m->access, ACC_LOCAL_WRITE);
    assert_int_equal(m->pd, 5);
    assert_true((m->flags & PLACE_NOTIFY) != 0);
}

static inline void peer_placement(struct peer *e, const struct tick *t)
{
    struct hca *const h = e->b->h;

    if (VALID(t, &h->ack_place) && e->places < 64 && !rig_stalls(e->b)) {
        const struct place *const m = POP(t, &h->ack_place);
        peer_check_place(e, m);
        e->place[e->places++] = m->cookie;
        if ((m->flags & PLACE_FREE_RX) != 0) {
            pool_give(&h->store.rx_pool, t->k, m->slot);
        }
    }
    if (e->places != 0 && !e->hold_places && READY(t, &h->ack_done) && !rig_stalls(e->b)) {
        PUSH(t, &h->ack_done, wr_done, 0, .cookie = e->place[0], .status = e->place_status);
        memmove(e->place, e->place + 1, --e->places * sizeof e->place[0]);
    }
}

static inline bool peer_signalled(const struct peer_op *o)
{
    return (o->w.flags & WRF_SIGNALED) != 0 || o->status != WC_OK;
}

static inline void peer_complete(struct peer *e, const struct cqe *m)
{
    struct peer_qp *const q = &e->qp[m->qn];
    const uint32_t head = (m->head - q->completed) & (2 * PEER_RING - 1);

    assert_int_equal(m->cqn, 3);
    assert_int_equal(m->handle, m->qn);
    assert_int_equal(m->head_addr, q->q.base + 4);
    assert_true(head != 0 && head <= q->posted - q->completed);
    const struct peer_op *o = NULL;
    for (uint32_t i = 0; i < head; i++, q->completed++) {
        o = peer_op(e, m->qn, q->completed);
        assert_true(i + 1 == head || !peer_signalled(o)); /* none is skipped that asked for one */
        assert_true(e->loose || m->status != WC_OK || !req_is_read(o->w.opcode) ||
                    o->placed == o->w.len);
    }
    assert_int_equal((m->flags & CQE_SILENT) == 0,
                     (o->w.flags & WRF_SIGNALED) != 0 || m->status != WC_OK);
    assert_int_equal(m->wr_id, o->w.wr_id);
    assert_true(e->loose || m->status == o->status);
    e->last_status[m->qn] = m->status;
    e->first_bad[m->qn] = e->first_bad[m->qn] == 0 ? m->status : e->first_bad[m->qn];
    e->cqes += (m->flags & CQE_SILENT) == 0;
}

static inline void peer_sinks(struct peer *e, const struct tick *t)
{
    struct hca *const h = e->b->h;

    if (VALID(t, &h->req_cqe) && !rig_stalls(e->b)) {
        peer_complete(e, POP(t, &h->req_cqe));
    }
    if (VALID(t, &h->err_rsp)) {
        (void)POP(t, &h->err_rsp);
        e->errors_told++;
    }
    if (VALID(t, &h->req_async)) {
        const uint8_t type = POP(t, &h->req_async)->type;
        e->fatals += type == ASYNC_QP_FATAL;
        e->drained += type == ASYNC_SQ_DRAINED;
    }
    if (VALID(t, &h->cmd_flushed)) {
        (void)POP(t, &h->cmd_flushed);
        e->flushed++;
    }
    if (VALID(t, &h->mpt_req) && READY(t, &h->mpt_req_done)) {
        PUSH(t, &h->mpt_req_done, mpt_done, 10, .cookie = POP(t, &h->mpt_req)->cookie,
             .status = e->mpt_status);
    }
}

static inline void peer_cycle(struct peer *e)
{
    const struct tick *const t = rig_now(e->b);

    peer_take_piece(e, t);
    peer_deliver(e, t);
    peer_placement(e, t);
    peer_sinks(e, t);
    rig_cycle(e->b);
}

static inline void peer_run(struct peer *e, uint32_t n)
{
    while (n-- != 0) {
        peer_cycle(e);
    }
}

/* Runs until QP has completed `index` WQEs; false: not within n cycles. */
static inline bool peer_until(struct peer *e, uint32_t qp, uint32_t index, uint32_t n)
{
    while (e->qp[qp].completed != index && n-- != 0) {
        peer_cycle(e);
    }
    return e->qp[qp].completed == index;
}

/* What command does: state under exclusive access, then a kick. */
static inline void peer_state(struct peer *e, uint32_t qp, enum qp_state state, int kick)
{
    struct hca *const h = e->b->h;
    struct ctx_got m = {.cx = NO_CX};

    UNIT_PUSH(h, ctx_get_cmd, ctx_get, .number = qp, .kind = CTX_QP, .op = CTX_GET_EXCL);
    for (uint32_t n = 0; n < 100000 && !RIG_POP(e->b, ctx_got_cmd, &m); n++) {
        peer_cycle(e);
    }
    assert_int_not_equal(m.cx, NO_CX);
    h->ctx.qp[m.cx].s.state = (uint8_t)state;
    UNIT_PUSH(h, ctx_put_cmd, ctx_put, .cx = m.cx, .kind = CTX_QP, .op = CTX_PUT);
    if (kick >= 0) {
        UNIT_PUSH(h, cmd_req_kick, qp_event, .qn = qp, .kind = (uint8_t)kick);
    }
}

/* All that is posted from here on is expected to complete with status. */
static inline void peer_expect(struct peer *e, uint32_t qp, uint32_t from, uint8_t status)
{
    for (uint32_t i = from; i != e->qp[qp].posted; i++) {
        peer_op(e, qp, i)->status = status;
    }
}

/* --- for directed tests --------------------------------------------------------------------------
 */

/* Context of a QP in memory: to be changed before the units have read it. */
static inline struct qpc *peer_image(struct peer *e, uint32_t qp)
{
    return (struct qpc *)rig_ctx(e->b, CTX_QP, qp);
}

/* Posts n signalled WQEs and rings once; wr_id counts from 1. */
static inline void peer_post_n(struct peer *e, uint32_t qp, uint8_t opcode, uint32_t len,
                               uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct wqe w = peer_wr(opcode, len);
        w.wr_id = e->qp[qp].posted + 1;
        assert_true(peer_post(e, qp, &w));
    }
    peer_ring(e, qp);
}

/* QP 0: WQE `bad` is to fail with status, all behind it are flushed. */
static inline void peer_expect_failure(struct peer *e, uint32_t bad, uint8_t status)
{
    peer_expect(e, 0, bad, WC_WR_FLUSH);
    peer_op(e, 0, bad)->status = status;
}

/* Nothing may be left in any pool. */
static inline void peer_settle(struct peer *e)
{
    const struct store *const s = &e->b->h->store;

    peer_run(e, 3000);
    assert_int_equal(s->wqe_pool.free, s->wqe_pool.n);
    assert_int_equal(s->rx_pool.free, s->rx_pool.n);
}
