/* rx_world.h: everything around check and respond: contexts, receive queues, translation, write and
 * read path, transmit path. Each answers with random delay; the frames that leave go to a callback.
 *
 * Bus memory is one array; the test's memory regions map virtual address va to bus address
 * va - va_base + bus_base. QP q has context q and qn q. */
#pragma once
#include "model/packet/opcode.h"
#include "tests/unit.h"

enum {
    W_QPS = 8,
    W_BUS = 1 << 20,
    W_MRS = 16,
    W_RQ = 4096,
    W_WRITES = 256,
    W_FRAMES = 256,
    W_HEADERS = 128 /* bytes in front of the payload of a received packet */
};

struct world_mr {
    uint64_t va, bus, len;
    uint32_t key, access;
    bool table_fault;
};

struct world_rq { /* receive WQEs of one QP */
    struct wqe wqe[W_RQ];
    uint32_t head, tail, again; /* again: index of the one consumed last + 1 */
    uint32_t delay;             /* cycles of the next answers */
};

struct world_frame { /* a packet on its way through the transmit path */
    struct pkt m;
    uint8_t payload[4096];
    uint64_t due;
};

struct world {
    struct hca *h;
    uint64_t rng;
    uint32_t stall_percent, write_delay, read_delay;
    uint8_t *bus;
    struct world_mr mr[W_MRS];
    struct world_rq *rq;
    int pins[W_QPS];
    struct { /* payload writes not yet in memory */
        struct wr_req m;
        uint64_t due;
        uint8_t bytes[4096];
    } * wr;
    uint32_t wr_head, wr_tail;
    struct world_frame *tx; /* through rsp_job */
    uint32_t tx_head, tx_tail;
    void (*frame)(struct world *w, const struct pkt *m, const uint8_t *payload);
    void (*cqe)(struct world *w, const struct cqe *m);
    void *user;
    bool hold_acks, hold_jobs, hold_writes, hold_flush; /* outputs that are stuck */
    uint32_t asyncs[32], errors, invalidated, drained;
    uint32_t bad_invalidate; /* key whose invalidation fails */
    uint64_t frames;
};

static inline uint32_t w_dice(struct world *w, uint32_t n)
{
    w->rng = w->rng * 6364136223846793005ULL + 1442695040888963407ULL;
    return n == 0 ? 0 : (uint32_t)(w->rng >> 33) % n;
}

#define W_ROOM(w, wire)                                \
    (fifo_ready(&(w)->h->wire.ctl, (w)->h->y.k.now) && \
     (w)->h->wire.ctl.pushed != (w)->h->y.k.now + 1)
#define W_SEE(w, wire) \
    (w_dice((w), 100) >= (w)->stall_percent && VALID(&(w)->h->y.t, &(w)->h->wire))
#define W_TAKE(w, wire)                 (*POP(&(w)->h->y.t, &(w)->h->wire))
#define W_PUT(w, wire, msg, delay, ...) PUSH(&(w)->h->y.t, &(w)->h->wire, msg, delay, __VA_ARGS__)

static inline uint8_t *w_at(struct world *w, uint64_t bus)
{
    assert_true(bus < W_BUS);
    return w->bus + bus;
}

/* Bus address of [va, va + len) or a status. */
static inline uint8_t w_translate(const struct world *w, uint32_t key, uint64_t va, uint64_t len,
                                  uint32_t access, uint64_t *bus)
{
    for (uint32_t i = 0; i < W_MRS; i++) {
        const struct world_mr *const r = &w->mr[i];
        if (r->key == key && key != 0) {
            if (va < r->va || va - r->va > r->len || len > r->len - (va - r->va) ||
                (r->access & access) != access) {
                return WC_LOC_PROT;
            }
            *bus = va - r->va + r->bus;
            return r->table_fault ? WC_LOC_QP_OP : WC_OK;
        }
    }
    return WC_LOC_PROT;
}

static inline void w_contexts(struct world *w)
{
    if (W_SEE(w, ctx_get_rsp) && W_ROOM(w, ctx_got_rsp)) {
        const struct ctx_get m = W_TAKE(w, ctx_get_rsp);
        w->pins[m.number]++;
        W_PUT(w, ctx_got_rsp, ctx_got, 4 + w_dice(w, w->stall_percent), .number = m.number,
              .cookie = m.cookie, .cx = (uint16_t)m.number);
    }
    if (W_SEE(w, ctx_put_rsp)) {
        const struct ctx_put m = W_TAKE(w, ctx_put_rsp);
        assert_true(w->pins[m.cx] > 0);
        w->pins[m.cx]--;
    }
}

static inline void w_answer_rq(struct world *w, const struct rq_get *m, struct rq_wqe *out)
{
    struct world_rq *const q = &w->rq[m->qn];
    uint32_t i = q->head;

    *out = (struct rq_wqe){.qn = m->qn, .cookie = m->cookie, .status = WORK_NONE, .rec = NO_SLOT};
    if (m->op == RQ_AGAIN) {
        assert_true(q->again != 0);
        i = q->again - 1;
    } else if (q->head == q->tail) {
        return;
    } else {
        q->again = ++q->head;
    }
    out->rec = pool_take(&w->h->store.rwqe_pool, &w->h->y.k);
    w->h->store.rwqe[out->rec] = q->wqe[i % W_RQ];
    out->status = q->wqe[i % W_RQ].bad != 0 ? WORK_BAD : WORK_OK;
}

static inline void w_receive_queues(struct world *w)
{
    struct rq_wqe a;

    if (W_SEE(w, rq_get) && W_ROOM(w, rq_wqe) &&
        pool_ready(&w->h->store.rwqe_pool, w->h->y.k.now)) {
        const struct rq_get m = W_TAKE(w, rq_get);
        w_answer_rq(w, &m, &a);
        W_PUT(w, rq_wqe, rq_wqe, 3 + w_dice(w, w->rq[m.qn].delay), .qn = a.qn, .cookie = a.cookie,
              .status = a.status, .rec = a.rec);
    }
    if (!w->hold_flush && W_SEE(w, rsp_flush) && W_ROOM(w, rsp_flushed) &&
        pool_ready(&w->h->store.rwqe_pool, w->h->y.k.now)) {
        const struct rq_get m = W_TAKE(w, rsp_flush);
        assert_int_equal(m.op, RQ_FLUSH);
        w_answer_rq(w, &m, &a);
        W_PUT(w, rsp_flushed, rq_wqe, 3 + w_dice(w, 10), .qn = a.qn, .cookie = a.cookie,
              .status = a.status, .rec = a.rec);
    }
}

static inline void w_translation(struct world *w)
{
    if (W_SEE(w, rx_place) && W_ROOM(w, rx_placed)) {
        struct place m = W_TAKE(w, rx_place);
        uint64_t bus = 0;
        assert_true((m.flags & PLACE_CHECK_ONLY) != 0 || m.addr % 4096 + m.len <= 4096);
        assert_true(m.len > 0);
        m.status = w_translate(w, m.key, m.addr, m.len, m.access, &bus);
        m.addr = bus;
        PASS(&w->h->y.t, &w->h->rx_placed, place, w_dice(w, w->stall_percent), &m);
    }
    if (W_SEE(w, mpt_rsp) && W_ROOM(w, mpt_rsp_done)) {
        const struct mpt_set m = W_TAKE(w, mpt_rsp);
        assert_int_equal(m.op, MPT_INVALIDATE);
        w->invalidated = m.key;
        W_PUT(w, mpt_rsp_done, mpt_done, 10, .cookie = m.cookie,
              .status = m.key == w->bad_invalidate ? MPT_BAD_STATE : MPT_DONE);
    }
}

/* A write reaches memory, and is told done, some time after it was taken; in order. */
static inline void w_writes(struct world *w)
{
    if (!w->hold_writes && W_SEE(w, rx_write) && w->wr_tail - w->wr_head < W_WRITES) {
        const struct wr_req m = W_TAKE(w, rx_write);
        const uint32_t i = w->wr_tail++ % W_WRITES;
        w->wr[i].m = m;
        w->wr[i].due = w->h->y.k.now + 5 + w_dice(w, w->write_delay);
        memcpy(w->wr[i].bytes, store_at(&w->h->store, m.data), m.len);
    }
    if (w->wr_head != w->wr_tail && w->wr[w->wr_head % W_WRITES].due <= w->h->y.k.now &&
        W_ROOM(w, rx_done)) {
        const uint32_t i = w->wr_head++ % W_WRITES;
        const struct wr_req *const m = &w->wr[i].m;
        if (m->status == 0 && m->len != 0) {
            memcpy(w_at(w, m->addr), w->wr[i].bytes, m->len);
        }
        if ((m->flags & WR_FREE_RX) != 0) {
            pool_give(&w->h->store.rx_pool, &w->h->y.k, m->slot);
        }
        if ((m->flags & WR_NOTIFY) != 0) {
            W_PUT(w, rx_done, wr_done, 0, .cookie = m->cookie, .status = m->status);
        }
    }
    if (W_SEE(w, rd_req_rsp) && W_ROOM(w, rd_rsp_rsp)) {
        const struct rd_req m = W_TAKE(w, rd_req_rsp);
        const bool absent = m.addr >= W_BUS - 4096;
        memcpy(store_at(&w->h->store, m.data), w_at(w, m.addr), m.len);
        W_PUT(w, rd_rsp_rsp, rd_rsp, 20 + w_dice(w, w->read_delay), .cookie = m.cookie,
              .status = absent ? DMA_UR : DMA_OK);
    }
}

static inline void w_leave(struct world *w, const struct pkt *m, const uint8_t *payload)
{
    w->frames++;
    if (w->frame != NULL) {
        w->frame(w, m, payload);
    }
}

/* Pieces are gathered and their payload read when they are taken; the packet leaves later. */
static inline void w_transmit(struct world *w)
{
    if (!w->hold_jobs && W_SEE(w, rsp_job) && w->tx_tail - w->tx_head < W_FRAMES - 1) {
        const struct pkt m = W_TAKE(w, rsp_job);
        struct world_frame *const f = &w->tx[w->tx_tail % W_FRAMES];
        uint64_t bus = 0;
        uint8_t status = (m.flags & TXF_FIRST_PIECE) != 0 ? 0 : f->m.status;
        assert_int_equal((m.flags & TXF_FIRST_PIECE) != 0, m.off == 0);
        if (m.len != 0) {
            assert_true(m.addr % 4096 + m.len <= 4096);
            const uint8_t s = w_translate(w, m.lkey, m.addr, m.len, ACC_REMOTE_READ, &bus);
            status = status != 0 ? status : s;
            memcpy(f->payload + m.off, w_at(w, bus), m.len);
        }
        f->m = m;
        f->m.status = status;
        if ((m.flags & TXF_LAST_PIECE) != 0) {
            assert_int_equal(m.off + m.len, m.plen);
            f->due = w->h->y.k.now + 20 + w_dice(w, w->read_delay);
            w->tx_tail++;
        }
    }
    struct world_frame *const f = &w->tx[w->tx_head % W_FRAMES];
    if (w->tx_head != w->tx_tail && f->due <= w->h->y.k.now && W_ROOM(w, rsp_sent) &&
        W_ROOM(w, rsp_error)) {
        w->tx_head++;
        if (f->m.status != 0) {
            PASS(&w->h->y.t, &w->h->rsp_error, pkt, 0, &f->m);
        } else {
            if ((f->m.flags & TXF_FENCE) == 0) {
                w_leave(w, &f->m, f->payload);
            }
            if ((f->m.flags & (TXF_FENCE | TXF_NOTIFY)) != 0) {
                PASS(&w->h->y.t, &w->h->rsp_sent, pkt, 0, &f->m);
            }
        }
    }
    if (!w->hold_acks && W_SEE(w, ack_job)) {
        const struct pkt m = W_TAKE(w, ack_job);
        assert_true((m.flags & TXF_NO_PAYLOAD) != 0);
        w_leave(w, &m, NULL);
    }
}

static inline void w_events(struct world *w)
{
    if (W_SEE(w, rsp_cqe)) {
        const struct cqe m = W_TAKE(w, rsp_cqe);
        if (w->cqe != NULL) {
            w->cqe(w, &m);
        }
    }
    if (W_SEE(w, rsp_async)) {
        w->asyncs[W_TAKE(w, rsp_async).type]++;
    }
    if (W_SEE(w, err_req)) {
        assert_int_equal(W_TAKE(w, err_req).kind, KICK_ERROR);
        w->errors++;
    }
    if (W_SEE(w, cmd_drained)) {
        (void)W_TAKE(w, cmd_drained);
        w->drained++;
    }
}

static inline void w_cycles(struct world *w, uint32_t n)
{
    while (n-- != 0) {
        w->h->y.t.now = w->h->y.k.now;
        w_contexts(w);
        w_receive_queues(w);
        w_translation(w);
        w_writes(w);
        w_transmit(w);
        w_events(w);
        unit_run(w->h, 1);
    }
}

/* Region key: [va, va + len) lies at bus address bus. */
static inline void w_region(struct world *w, uint32_t i, uint32_t key, uint64_t va, uint64_t bus,
                            uint64_t len, uint32_t access)
{
    w->mr[i] = (struct world_mr){.va = va, .bus = bus, .len = len, .key = key, .access = access};
}

static inline void w_post(struct world *w, uint32_t qn, uint64_t wr_id, uint32_t key, uint64_t va,
                          uint32_t len)
{
    struct world_rq *const q = &w->rq[qn];

    assert_true(q->tail - q->head < W_RQ - 8);
    q->wqe[q->tail++ % W_RQ] = (struct wqe){
        .wr_id = wr_id, .len = len, .nsge = 1, .sge = {{.addr = va, .len = len, .lkey = key}}};
}

static inline struct qpc *w_qp(struct world *w, uint32_t q, uint8_t type)
{
    struct qpc *const c = &w->h->ctx.qp[q];

    *c = (struct qpc){0};
    c->s.qn = q;
    c->s.handle = q + 100;
    c->s.qpn = q + 0x10;
    c->s.dest_qpn = q + 0x1000;
    c->s.recv_cqn = q;
    c->s.type = type;
    c->s.state = QPS_RTS;
    c->s.mtu_bytes = 1024;
    c->s.rq.entries = W_RQ;
    c->s.max_dest_rd_atomic = 4;
    c->s.min_rnr_timer = 12;
    c->s.qkey = 0x1111;
    c->s.access = ACC_LOCAL_WRITE | ACC_REMOTE_WRITE | ACC_REMOTE_READ | ACC_REMOTE_ATOMIC;
    c->s.rq_psn = 0xfffff0 + q; /* wraps soon */
    return c;
}

static inline struct world *w_open(const struct hca_param *p)
{
    struct world *const w = test_calloc(1, sizeof *w);

    w->h = unit_hca(p, 1ULL << U_check | 1ULL << U_respond);
    w->bus = test_calloc(1, W_BUS);
    w->rq = test_calloc(W_QPS, sizeof *w->rq);
    w->wr = test_calloc(W_WRITES, sizeof *w->wr);
    w->tx = test_calloc(W_FRAMES, sizeof *w->tx);
    w->rng = 1;
    w->write_delay = w->read_delay = 10;
    if (w->h->ctx.qp == NULL) {
        w->h->ctx.qp = arena_take(&w->h->y.arena, W_QPS * sizeof *w->h->ctx.qp);
    }
    for (uint32_t q = 0; q < W_QPS; q++) {
        (void)w_qp(w, q, QPT_RC);
        w_region(w, 2 * q, 0x100 + q, 0x10000 * (q + 1ULL), q * 0x10000, 0x10000, 15);
        w_region(w, 2 * q + 1, 0x200 + q, 0x7000000 + q * 0x10000ULL, (q + 8) * 0x10000, 0xf000, 1);
    }
    return w;
}

static inline void w_close(struct world *w)
{
    hca_close(w->h);
    test_free(w->bus);
    test_free(w->rq);
    test_free(w->wr);
    test_free(w->tx);
    test_free(w);
}

static inline bool w_can_send(struct world *w)
{
    return W_ROOM(w, rx_check) && pool_ready(&w->h->store.rx_pool, w->h->y.k.now);
}

/* A request packet from the wire; waits for room. m: header fields; payload may be NULL. */
static inline void w_send(struct world *w, struct rxp m, const uint8_t *payload)
{
    while (!w_can_send(w)) {
        w_cycles(w, 1);
    }
    w->h->y.t.now = w->h->y.k.now;
    m.slot = pool_take(&w->h->store.rx_pool, &w->h->y.k);
    m.hdr = w->h->store.rx + m.slot * w->h->store.slot_bytes;
    m.data = m.hdr + W_HEADERS;
    m.cx = (uint16_t)m.qn;
    if (payload != NULL) {
        memcpy(store_at(&w->h->store, m.data), payload, m.plen);
    }
    w->pins[m.qn]++;
    PASS(&w->h->y.t, &w->h->rx_check, rxp, 0, &m);
}

/* Nothing is left anywhere: pins, packet slots, records, work. */
static inline void w_assert_empty(struct world *w)
{
    for (uint32_t q = 0; q < W_QPS; q++) {
        assert_int_equal(w->pins[q], 0);
    }
    assert_int_equal(w->h->store.rx_pool.free, w->h->store.rx_pool.n);
    assert_int_equal(w->h->store.rwqe_pool.free, w->h->store.rwqe_pool.n);
    assert_int_equal(kern_next(&w->h->y.k), HCA_NEVER);
}
