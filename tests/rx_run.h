/* rx_run.h: runs of the scripted requesters of rx_peer.h from beginning to end. */
#pragma once
#include "tests/rx_peer.h"

static inline void p_deliver(struct peer *p)
{
    for (uint32_t i = 0; i < P_NET; i++) {
        struct p_packet *const m = &p->net[i];
        if (m->used == 0 || m->due > p->w->h->y.k.now) {
            continue;
        }
        if (m->request == 0) {
            m->used = 0;
            p_response(p, m);
        } else if (w_can_send(p->w)) {
            m->used = 0;
            w_send(p->w, m->rx, m->payload);
        }
    }
}

static inline void p_cycle(struct peer *p)
{
    struct world *const w = p->w;

    for (uint32_t q = 0; q < p->qps; q++) {
        struct p_qp *const c = &p->q[q];
        p_send_next(p, q);
        if (c->una < c->nxt && w->h->y.k.now > c->progress_at + p->timeout) {
            c->nxt = c->una;
            c->progress_at = w->h->y.k.now;
        }
        if (c->receives - c->completed < P_SLOTS && w_dice(w, 200) == 0) {
            p_post(p, q);
        }
    }
    w_cycles(w, 1);
    p_deliver(p);
}

static inline bool p_all_done(const struct peer *p)
{
    for (uint32_t q = 0; q < p->qps; q++) {
        const struct p_qp *const c = &p->q[q];
        if (c->ops != 0 && c->una < c->op[c->ops - 1].off + c->op[c->ops - 1].n) {
            return false;
        }
    }
    return true;
}

static inline struct peer *p_open(const struct hca_param *param, uint32_t qps, uint64_t seed)
{
    struct peer *const p = test_calloc(1, sizeof *p);

    p->w = w_open(param);
    p->q = test_calloc(W_QPS, sizeof *p->q);
    p->net = test_calloc(P_NET, sizeof *p->net);
    p->qps = qps;
    p->timeout = P_TIMEOUT;
    p->w->rng = seed;
    p->w->user = p;
    p->w->frame = p_frame;
    p->w->cqe = p_cqe;
    return p;
}

static inline void p_close(struct peer *p)
{
    w_close(p->w);
    test_free(p->q);
    test_free(p->net);
    test_free(p);
}

/* The end of a run without fatal errors: memory as the reference says, nothing left over. */
static inline void p_verify(struct peer *p)
{
    w_cycles(p->w, 3000);
    for (uint32_t q = 0; q < p->qps; q++) {
        struct p_qp *const c = &p->q[q];
        uint32_t completing = 0;
        for (uint32_t i = 0; i < c->ops; i++) {
            completing += p_completes(&c->op[i]);
        }
        assert_int_equal(c->fatal, 0);
        assert_int_equal(c->completed, completing);
        assert_int_equal(p->w->rq[q].head, completing); /* each SEND took exactly one WQE */
        assert_memory_equal(w_at(p->w, q * 0x10000), c->ref, sizeof c->ref);
        uint64_t cas;
        memcpy(&cas, w_at(p->w, q * 0x10000 + 0x9000), 8);
        assert_int_equal(cas, c->cas);
    }
    for (uint32_t s = 0; s < P_SHARED; s++) {
        uint64_t sum;
        memcpy(&sum, w_at(p->w, 0x8000 + s * 8), 8);
        assert_int_equal(sum, p->shared_count[s]);
    }
    w_assert_empty(p->w);
}

struct p_faults {
    uint32_t drop, dup, reorder, stall; /* percent */
    unsigned mode;                      /* of the kernel; 0: HCA_MODE_CHECK */
};

/* Four QPs with ops random operations each, until all are done; then the verdict. The hash of all
 * that crossed a wire. */
static inline uint64_t p_run(const struct hca_param *param, uint64_t seed, uint32_t ops,
                             struct p_faults f)
{
    struct peer *const p = p_open(param, 4, seed);

    p->w->h->y.mode = f.mode != 0 ? f.mode : HCA_MODE_CHECK;
    p->drop = f.drop;
    p->dup = f.dup;
    p->reorder = f.reorder;
    p->w->stall_percent = f.stall;
    p->w->write_delay = 1 + w_dice(p->w, 100);
    p->w->read_delay = 1 + w_dice(p->w, 300);
    for (uint32_t q = 0; q < p->qps; q++) {
        p->w->rq[q].delay = q == 0 ? 150 : 5;
        for (uint32_t i = 0; i < ops; i++) {
            p_random_op(p, q);
        }
    }
    for (uint32_t n = 0; !p_all_done(p); n++) {
        assert_true(n < 3000000); /* progress */
        p_cycle(p);
    }
    p->drop = 0;
    for (uint32_t n = 0; n < 400; n++) { /* late duplicates */
        p_cycle(p);
    }
    p_verify(p);
    const uint64_t hash = system_hash(&p->w->h->y);
    p_close(p);
    return hash;
}
