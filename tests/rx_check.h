/* rx_check.h: check alone, with receive queues that answer; the test takes what it decides. */
#pragma once
#include "tests/rx_world.h"

enum { MTU = 1024, PSN0 = 0xfffff0 };

static inline struct world *fresh_type(uint8_t type)
{
    struct hca_param p = unit_param();
    p.hca_qp_max = W_QPS;
    struct world *const w = w_open(&p);

    w->h->y.only = 1ULL << U_check;
    for (uint32_t q = 0; q < W_QPS; q++) {
        w_qp(w, q, type)->s.rq_psn = PSN0;
    }
    return w;
}

static inline struct world *fresh(void)
{
    return fresh_type(QPT_RC);
}

static inline void cycles(struct world *w, uint32_t n)
{
    while (n-- != 0) {
        w->h->y.t.now = w->h->y.k.now;
        w_receive_queues(w);
        unit_run(w->h, 1);
    }
}

static inline void send(struct world *w, const struct rxp m)
{
    static uint8_t payload[4096];

    w_send(w, m, payload);
}

/* The next exec; its pieces are dropped, its slot, record and pin returned as respond would. */
static inline struct exec take(struct world *w)
{
    struct exec e;
    struct place m;

    for (uint32_t i = 0; !UNIT_POP(w->h, exec, &e); i++) {
        assert_true(i < 1000);
        while (UNIT_POP(w->h, rx_place, &m)) {}
        cycles(w, 1);
    }
    while (UNIT_POP(w->h, rx_place, &m)) {}
    if (e.slot != NO_SLOT) {
        pool_give(&w->h->store.rx_pool, &w->h->y.k, e.slot);
        w->pins[e.qn]--;
    }
    if (e.rec != NO_SLOT) {
        pool_give(&w->h->store.rwqe_pool, &w->h->y.k, e.rec);
    }
    return e;
}

static inline bool silent(struct world *w)
{
    cycles(w, 100);
    return fifo_level(&w->h->exec.ctl) == 0;
}
