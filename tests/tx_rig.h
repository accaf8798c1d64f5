/* tx_rig.h: a fake world around arbiter, context, wqe_fetch and requester.
 *
 *   struct rig *b = rig_open(&p, units, seed);
 *   rig_cycle(b)       plays dma_read, dma_write and the ring lookups of xlat for one cycle, then
 *                        runs one cycle of the units, in check mode
 * Memory: guest addresses 0 .. RIG_HOST, contexts at ctx_bus. Page N of a directory at `pdir` lies
 * at pdir + N * 4096. Reads take b->latency cycles and up to b->jitter more, so they may overtake
 * each other; every wire is left alone in b->stall of 100 cycles. */
#pragma once
#include "tests/unit.h"

#include <stdlib.h>

enum { RIG_HOST = 1 << 24, RIG_READS = 128 };
enum rig_client { RIG_CTX, RIG_WQE };

struct rig_read {
    struct rd_req m;
    uint64_t due;
    int client, used;
};

struct rig {
    struct hca *h;
    uint8_t *host, *ctx;
    uint64_t rng, ctx_bytes;
    uint32_t latency, jitter, stall;
    struct rig_read read[RIG_READS];
    bool contiguous; /* rings are: a read may cross a page */
    uint64_t faults; /* addresses from here on cannot be read; 0: all can */
    uint64_t reads, ctx_reads, ctx_writes, head_writes, pages;
    uint64_t last_ctx_write; /* address */
};

static inline uint32_t rig_random(struct rig *b, uint32_t n)
{
    b->rng = b->rng * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(b->rng >> 33) % n;
}

/* True when the fake world leaves a wire alone in this cycle. */
static inline bool rig_stalls(struct rig *b)
{
    return b->stall != 0 && rig_random(b, 100) < b->stall;
}

static inline struct rig *rig_open(const struct hca_param *p, uint64_t units, uint64_t seed)
{
    struct rig *const b = calloc(1, sizeof *b);

    b->h = unit_hca(p, units);
    b->host = calloc(1, RIG_HOST);
    b->ctx_bytes = ctx_bus_bytes(p);
    b->ctx = calloc(1, b->ctx_bytes);
    b->rng = seed * 0x9e3779b97f4a7c15ULL + 1;
    b->latency = 30;
    return b;
}

static inline void rig_close(struct rig *b)
{
    hca_close(b->h);
    free(b->host);
    free(b->ctx);
    free(b);
}

static inline uint8_t *rig_mem(struct rig *b, uint64_t addr, uint32_t len)
{
    if (addr >= CTX_BUS) {
        assert_true(addr - CTX_BUS + len <= b->ctx_bytes);
        return b->ctx + (addr - CTX_BUS);
    }
    return addr + len <= RIG_HOST ? b->host + addr : NULL;
}

static inline uint8_t *rig_ctx(struct rig *b, unsigned kind, uint32_t number)
{
    return rig_mem(b, ctx_bus(&b->h->y.p, kind, number / QP_ROUND, number % QP_ROUND), 64);
}

static inline void rig_take_read(struct rig *b, int client)
{
    struct wire_rd_req *const q = client == RIG_CTX ? &b->h->rd_req_ctx : &b->h->rd_req_wqe;
    struct rig_read *r = b->read;

    if (!VALID(&b->h->y.t, q) || rig_stalls(b)) {
        return;
    }
    while (r->used && r < b->read + RIG_READS - 1) {
        r++;
    }
    assert_false(r->used);
    *r = (struct rig_read){.m = *POP(&b->h->y.t, q), .client = client, .used = 1};
    assert_true(r->m.len > 0 && r->m.len <= PAGE_BYTES);
    assert_true(b->contiguous || r->m.addr % PAGE_BYTES + r->m.len <= PAGE_BYTES);
    r->due = b->h->y.k.now + b->latency + (b->jitter == 0 ? 0 : rig_random(b, b->jitter));
    b->reads++;
    b->ctx_reads += client == RIG_CTX;
}

static inline void rig_answer_read(struct rig *b, int client)
{
    struct wire_rd_rsp *const q = client == RIG_CTX ? &b->h->rd_rsp_ctx : &b->h->rd_rsp_wqe;

    for (struct rig_read *r = b->read; r < b->read + RIG_READS; r++) {
        if (!r->used || r->client != client || r->due > b->h->y.k.now || !READY(&b->h->y.t, q)) {
            continue;
        }
        const uint8_t *const from = rig_mem(b, r->m.addr, r->m.len);
        const bool bad =
            from == NULL || (b->faults != 0 && r->m.addr >= b->faults && r->m.addr < CTX_BUS);
        if (!bad) {
            memcpy(store_at(&b->h->store, r->m.data), from, r->m.len);
        }
        PUSH(&b->h->y.t, q, rd_rsp, 0, .cookie = r->m.cookie, .status = bad ? DMA_UR : DMA_OK);
        r->used = 0;
        return;
    }
}

/* A context may be written only while no read of it is under way: on PCIe they would pass. */
static inline void rig_write(struct rig *b, const struct wr_req *m)
{
    uint8_t *const to = rig_mem(b, m->addr, m->len);

    assert_non_null(to);
    memcpy(to, store_at(&b->h->store, m->data), m->len);
}

static inline void rig_writes(struct rig *b)
{
    struct hca *const h = b->h;
    const struct tick *const t = &h->y.t;

    if (VALID(t, &h->wr_ctx) && READY(t, &h->wr_done_ctx) && !rig_stalls(b)) {
        const struct wr_req m = *POP(t, &h->wr_ctx);
        for (uint32_t i = 0; i < RIG_READS; i++) {
            assert_false(b->read[i].used && b->read[i].m.addr == m.addr);
        }
        rig_write(b, &m);
        b->ctx_writes++;
        b->last_ctx_write = m.addr;
        assert_int_equal(m.flags, WR_NOTIFY);
        PUSH(t, &h->wr_done_ctx, wr_done, 0, .cookie = m.cookie);
    }
    if (VALID(t, &h->wr_wqe) && !rig_stalls(b)) {
        rig_write(b, POP(t, &h->wr_wqe));
        b->head_writes++;
    }
}

static inline void rig_pages(struct rig *b)
{
    struct hca *const h = b->h;
    const struct tick *const t = &h->y.t;

    if (VALID(t, &h->ring_get_wqe) && READY(t, &h->ring_got_wqe) && !rig_stalls(b)) {
        const struct ring_get m = *POP(t, &h->ring_get_wqe);
        const uint64_t addr = m.pdir + (uint64_t)m.page * PAGE_BYTES;
        const bool bad = addr >= RIG_HOST;
        PUSH(t, &h->ring_got_wqe, ring_got, rig_random(b, 8), .addr = addr, .cookie = m.cookie,
             .status = bad);
        b->pages++;
    }
}

/* Begin of a cycle for code that pushes and pops by itself. */
static inline const struct tick *rig_now(struct rig *b)
{
    b->h->y.t.now = b->h->y.k.now;
    return &b->h->y.t;
}

static inline void rig_cycle(struct rig *b)
{
    (void)rig_now(b);
    rig_take_read(b, RIG_CTX);
    rig_take_read(b, RIG_WQE);
    rig_answer_read(b, RIG_CTX);
    rig_answer_read(b, RIG_WQE);
    rig_writes(b);
    rig_pages(b);
    unit_run(b->h, 1);
}

static inline bool rig_bool(bool b)
{
    return b;
}
#define RIG_POP(b, wire, out) rig_bool(UNIT_POP((b)->h, wire, out))

static inline void rig_cycles(struct rig *b, uint32_t n)
{
    while (n-- != 0) {
        rig_cycle(b);
    }
}
