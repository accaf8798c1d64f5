/* host_link.h: one adapter, of which only the bench, the DMA engine and pcie run, joined to one
 * host by the public API. The host runs first in each window: what it sends down is taken up at
 * once, and what goes up arrives pcie.latency_up_ns later, which is the length of a window. */
#pragma once
#include "tests/unit.h"

struct link {
    struct hca *a;
    struct host *h;
    uint64_t now_ps, window_ps;
    uint32_t results;
    struct bench_res res[8192]; /* in order of completion, from results - 8192 on */
};

static inline struct link *link_open(const struct hca_param *p, unsigned mode)
{
    static struct link link;
    const uint64_t units =
        1ULL << U_bench | 1ULL << U_dma_read | 1ULL << U_dma_write | 1ULL << U_pcie;
    const uint64_t cycle_ps = (1000000000 + p->core_clock_khz - 1) / p->core_clock_khz;

    memset(&link, 0, sizeof link);
    link.a = unit_hca(p, units);
    link.h = unit_host(p, 1ULL << U_root | 1ULL << U_iommu | 1ULL << U_memory);
    link.a->y.mode = link.h->y.mode = mode;
    link.a->y.trace.mask = 0;
    link.window_ps = p->pcie_latency_up_ns * 1000;
    link.window_ps = link.window_ps < cycle_ps ? cycle_ps : link.window_ps;
    host_attach(link.h, 0, link.a->store.base);
    return &link;
}

static inline void link_close(struct link *l)
{
    hca_close(l->a);
    host_close(l->h);
}

static inline void link_up(struct link *l)
{
    struct tlp m;
    struct bench_res r;
    const uint8_t *bytes;
    uint64_t at;

    while (hca_pop(l->a, HCA_DMA_OUT, &at, &m, &bytes)) {
        assert_true(host_push(l->h, HOST_UP_TLP_IN, at, &m, bytes));
    }
    while (hca_pop(l->a, HCA_BENCH_OUT, &at, &r, NULL)) {
        l->res[l->results++ % 8192] = r;
    }
}

static inline void link_down(struct link *l)
{
    struct tlp m;
    struct credit c;
    struct seen s;
    uint64_t at;

    while (host_pop(l->h, HOST_DN_TLP_OUT, &at, &m)) {
        assert_true(hca_push(l->a, HCA_DMA_IN, at, &m, NULL));
    }
    while (host_pop(l->h, HOST_FC_OUT, &at, &c)) {
        assert_true(hca_push(l->a, HCA_FC_IN, at, &c, NULL));
    }
    while (host_pop(l->h, HOST_SEEN_OUT, &at, &s)) {}
}

static inline void link_step(struct link *l)
{
    const uint64_t until = l->now_ps + l->window_ps;

    while (host_run(l->h, until) < until) {
        link_down(l);
    }
    link_down(l);
    while (hca_run(l->a, until) < until) {
        link_up(l);
    }
    link_up(l);
    l->now_ps = until;
}

static inline bool link_ask(struct link *l, uint64_t addr, uint32_t len, unsigned kind,
                            uint32_t cookie)
{
    const struct bench_op op = {.addr = addr, .len = len, .cookie = cookie, .kind = (uint8_t)kind};
    const uint64_t now = hca_now(l->a);

    return hca_push(l->a, HCA_BENCH_IN, now > l->now_ps ? now : l->now_ps, &op, NULL);
}

/* One operation, alone: its cycles. */
static inline uint64_t link_time(struct link *l, uint64_t addr, uint32_t len, unsigned kind)
{
    const uint32_t before = l->results;

    for (unsigned n = 0; n < 40; n++) { /* everything else ends */
        link_step(l);
    }
    assert_true(link_ask(l, addr, len, kind, before));
    while (l->results == before) {
        link_step(l);
    }
    const struct bench_res *const r = &l->res[before % 8192];
    assert_int_equal(r->status, DMA_OK);
    return r->t_end - r->t_start;
}
