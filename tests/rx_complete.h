/* rx_complete.h: contexts, pages and memory around complete. */
#pragma once
#include "tests/unit.h"

enum { CQS = 4, CQ_PAGES = 4, ENTRIES = 128, BUS_PAGES = 32, HEADS = 16 * PAGE_BYTES };

/* CQ q is context q; page p of its directory is bus page q * CQ_PAGES + p. */
static uint8_t bus[BUS_PAGES * PAGE_BYTES];
static uint32_t stall_percent, bad_cq, slow_cq, pins[CQS], absent;
static uint32_t consumed[CQS]; /* CQEs read, free running */
static uint64_t rng;
static struct wr_req last[4096];
static uint32_t writes;

static inline uint32_t dice(uint32_t n)
{
    rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(rng >> 33) % n;
}

static inline bool stalls(void)
{
    return dice(100) < stall_percent;
}

static inline uint32_t word(uint64_t addr)
{
    uint32_t v;
    memcpy(&v, bus + addr, 4);
    return v;
}

static inline uint64_t page(uint32_t cq, uint32_t p)
{
    return (uint64_t)(cq * CQ_PAGES + p) * PAGE_BYTES;
}

static inline const uint8_t *cqe_at(uint32_t cq, uint32_t i)
{
    return bus + page(cq, 1) + i % ENTRIES * 64;
}

static inline void consume(uint32_t cq, uint32_t n)
{
    consumed[cq] += n;
    const uint32_t head = consumed[cq] % (2 * ENTRIES);
    memcpy(bus + page(cq, 0) + 12, &head, 4);
}

#define ROOM(h, wire_) \
    (fifo_ready(&(h)->wire_.ctl, (h)->y.k.now) && (h)->wire_.ctl.pushed != (h)->y.k.now + 1)

static inline void contexts(struct hca *h)
{
    struct ctx_get g;
    struct ctx_put p;

    if (!stalls() && ROOM(h, ctx_got_cq) && UNIT_POP(h, ctx_get_cq, &g)) {
        const bool gone = (absent >> g.number & 1) != 0;
        pins[g.number] += !gone;
        PUSH(&h->y.t, &h->ctx_got_cq, ctx_got, g.number == slow_cq ? 200 : 4, .number = g.number,
             .cookie = g.cookie, .cx = (uint16_t)g.number, .kind = g.kind,
             .status = gone ? CTX_ABSENT : CTX_OK);
    }
    if (!stalls() && UNIT_POP(h, ctx_put_cq, &p)) {
        assert_true(pins[p.cx] > 0);
        pins[p.cx]--;
    }
}

static inline void memory(struct hca *h)
{
    struct ring_get g;
    struct rd_req r;
    struct wr_req m;

    if (!stalls() && ROOM(h, ring_got_cq) && UNIT_POP(h, ring_get_cq, &g)) {
        PUSH(&h->y.t, &h->ring_got_cq, ring_got, 3, .cookie = g.cookie,
             .addr = page((uint32_t)g.pdir, g.page), .status = g.pdir == bad_cq ? DMA_UR : DMA_OK);
    }
    if (!stalls() && ROOM(h, rd_rsp_cq) && UNIT_POP(h, rd_req_cq, &r)) {
        memcpy(store_at(&h->store, r.data), bus + r.addr, r.len);
        PUSH(&h->y.t, &h->rd_rsp_cq, rd_rsp, 20, .cookie = r.cookie);
    }
    if (!stalls() && ROOM(h, cqe_done) && UNIT_POP(h, wr_cqe, &m)) {
        last[writes++ % 4096] = m;
        memcpy(bus + m.addr, store_at(&h->store, m.data), m.len);
        if ((m.flags & WR_NOTIFY) != 0) {
            PUSH(&h->y.t, &h->cqe_done, wr_done, dice(10), .cookie = m.cookie);
        }
    }
}

static inline void cycles(struct hca *h, uint32_t n)
{
    while (n-- != 0) {
        contexts(h);
        memory(h);
        unit_run(h, 1);
    }
}

static inline struct hca *fresh_format(uint8_t format)
{
    struct hca_param p = unit_param();
    struct hca *const h = unit_hca(&p, 1ULL << U_complete);

    memset(bus, 0, sizeof bus);
    memset(pins, 0, sizeof pins);
    memset(consumed, 0, sizeof consumed);
    stall_percent = 0;
    bad_cq = slow_cq = 99;
    absent = 0;
    writes = 0;
    rng = 1;
    if (h->ctx.cq == NULL) {
        h->ctx.cq = arena_take(&h->y.arena, CQS * sizeof *h->ctx.cq);
    }
    for (uint32_t q = 0; q < CQS; q++) {
        struct cqc *const c = &h->ctx.cq[q];
        memset(c, 0, sizeof *c);
        c->s.ring = (struct ring){.pdir = q, .entries = ENTRIES, .stride = 64, .page0 = 1};
        c->s.state_page_pdir = q;
        if (format == FORMAT_NATIVE) {
            c->s.ring.pdir = page(q, 1);
            c->s.state_page_pdir = page(q, 0) + 12;
        }
        c->s.cqn = q;
        c->s.handle = q;
        c->s.vector = 2;
        c->s.format = format;
    }
    return h;
}

static inline struct hca *fresh(void)
{
    return fresh_format(FORMAT_PVRDMA);
}

#define SEND_CQE(h, wire_, ...)                            \
    do {                                                   \
        while (!ROOM(h, wire_)) {                          \
            cycles(h, 1);                                  \
        }                                                  \
        (h)->y.t.now = (h)->y.k.now;                       \
        PUSH(&(h)->y.t, &(h)->wire_, cqe, 0, __VA_ARGS__); \
    } while (0)

static inline void arm(struct hca *h, uint32_t cq, uint8_t kind)
{
    UNIT_PUSH(h, cq_arm, cq_arm, .cqn = cq, .kind = kind);
}

static inline bool none_pinned(void)
{
    return pins[0] + pins[1] + pins[2] + pins[3] == 0;
}
