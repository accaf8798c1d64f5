/* xlat_rig.h: xlat alone, with the tables of keys and pages behind its DMA wires, memory regions
 * whose page directories lie there, and what a translation has to give.
 *
 *   struct rig x = rig_open(&p, seed);
 *   rig_register(&x, key, va, len, access, base);   pages somewhere from base on
 *   rig_run(&x, cycles)
 * Reads are answered in any order after x.latency cycles, or when x.hold ends; a random one of both
 * moments, or that of x.early, is when memory is looked at. */
#pragma once
#include "tests/unit.h"

#include <stdlib.h>

enum { RIG_TABLES = 1 << 22, RIG_PAGE = 4096, RIG_PENDING = 64 };

struct rig {
    struct hca *h;
    uint8_t *ram; /* [RIG_TABLES] page directories and tables, at bus address 0 */
    uint8_t *ctx; /* what FN_ADAPTER sees from CTX_BUS on                         */
    uint64_t seed, next_page, latency;
    uint32_t stall_percent; /* cycles in which a wire is left alone                         */
    bool hold;              /* reads are taken, not answered                                */
    bool hold_writes;
    bool no_keys; /* the tables of keys cannot be read */
    bool early;   /* memory is read when a request comes, not when it is answered */
    struct rd_req pending[RIG_PENDING];
    uint64_t from[RIG_PENDING];
    uint32_t n, most;
    uint64_t key_reads, page_reads, writes;
};

static inline uint32_t rig_random(struct rig *x, uint32_t below)
{
    x->seed = x->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(x->seed >> 33) % below;
}

static inline struct rig rig_open(const struct hca_param *p, uint64_t seed)
{
    struct rig x = {.h = unit_hca(p, 1ULL << U_xlat), .seed = seed};

    x.ram = calloc(1, RIG_TABLES);
    x.ctx = calloc(1, ctx_bus_bytes(p));
    assert_non_null(x.ram);
    assert_non_null(x.ctx);
    return x;
}

static inline void rig_close(struct rig *x)
{
    free(x->ram);
    free(x->ctx);
    hca_close(x->h);
}

/* Memory of a request, NULL: nothing is there. */
static inline uint8_t *rig_at(const struct rig *x, uint8_t fn, uint64_t addr, uint32_t len)
{
    const bool own = fn == FN_ADAPTER;
    const uint64_t off = own ? addr - CTX_BUS : addr;
    const uint64_t bytes = own ? ctx_bus_bytes(&x->h->y.p) : RIG_TABLES;

    return (own && x->no_keys) || off > bytes || len > bytes - off ? NULL
                                                                   : (own ? x->ctx : x->ram) + off;
}

static inline bool rig_stalls(struct rig *x)
{
    return x->stall_percent != 0 && rig_random(x, 100) < x->stall_percent;
}

static inline void rig_read(struct rig *x, const struct rd_req *r)
{
    const uint8_t *const from = rig_at(x, r->fn, r->addr, r->len);

    if (from != NULL) {
        memcpy(store_at(&x->h->store, r->data), from, r->len);
    }
}

static inline void rig_take(struct rig *x)
{
    struct rd_req r;
    struct wr_req w;

    if (!x->hold_writes && !rig_stalls(x) && UNIT_POP(x->h, wr_xlat, &w)) {
        assert_int_equal(w.fn, FN_ADAPTER);
        assert_int_equal(w.len, MPT_BYTES);
        memcpy(rig_at(x, w.fn, w.addr, w.len), store_at(&x->h->store, w.data), w.len);
        assert_true(READY(&x->h->y.t, &x->h->wr_done_xlat)); /* xlat must not need more room */
        PUSH(&x->h->y.t, &x->h->wr_done_xlat, wr_done, 0, .cookie = w.cookie);
        x->writes++;
    }
    if (!rig_stalls(x) && UNIT_POP(x->h, rd_req_xlat, &r)) {
        assert_true(x->n < x->h->rd_rsp_xlat.ctl.depth);
        assert_true(r.addr % r.len == 0 && r.cls == CLS_XLAT);
        x->key_reads += r.fn == FN_ADAPTER;
        x->page_reads += r.fn != FN_ADAPTER;
        rig_read(x, &r);
        x->from[x->n] = x->h->y.k.now + x->latency;
        x->pending[x->n++] = r;
        x->most = x->n > x->most ? x->n : x->most;
    }
}

static inline void rig_answer(struct rig *x)
{
    if (x->hold || x->n == 0 || rig_stalls(x)) {
        return;
    }
    const uint32_t i = x->latency == 0 ? rig_random(x, x->n) : 0;
    const struct rd_req r = x->pending[i];
    if (x->from[i] > x->h->y.k.now) {
        return;
    }
    const uint8_t *const from = rig_at(x, r.fn, r.addr, r.len);
    if (!x->early && rig_random(x, 2) == 0) {
        rig_read(x, &r);
    }
    PUSH(&x->h->y.t, &x->h->rd_rsp_xlat, rd_rsp, 0, .cookie = r.cookie,
         .status = from != NULL ? DMA_OK : DMA_UR);
    memmove(&x->pending[i], &x->pending[i + 1], (x->n - i - 1) * sizeof x->pending[0]);
    memmove(&x->from[i], &x->from[i + 1], (x->n - i - 1) * sizeof x->from[0]);
    x->n--;
}

static inline void rig_run(struct rig *x, uint64_t cycles)
{
    for (uint64_t i = 0; i < cycles; i++) {
        x->h->y.t.now = x->h->y.k.now;
        rig_take(x);
        rig_answer(x);
        unit_run(x->h, 1);
    }
}

/* Pushes, and waits for an answer; the rig goes on meanwhile. */
#define RIG_PUSH(x, wire, msg, ...)                               \
    do {                                                          \
        while (!fifo_ready(&(x)->h->wire.ctl, (x)->h->y.k.now) || \
               (x)->h->wire.ctl.pushed == (x)->h->y.k.now + 1) {  \
            rig_run((x), 1);                                      \
        }                                                         \
        (x)->h->y.t.now = (x)->h->y.k.now;                        \
        PUSH(&(x)->h->y.t, &(x)->h->wire, msg, 0, __VA_ARGS__);   \
    } while (0)
#define RIG_POP(x, wire, out)                    \
    do {                                         \
        uint32_t cycles_ = 0;                    \
        while (!UNIT_POP((x)->h, wire, (out))) { \
            assert_true(cycles_++ < 20000);      \
            rig_run((x), 1);                     \
        }                                        \
    } while (0)

/* --- memory regions ----------------------------------------------------------------------------
 */

static inline void rig_store(struct rig *x, uint64_t addr, uint64_t value)
{
    memcpy(x->ram + addr, &value, sizeof value);
}

static inline uint64_t rig_take_page(struct rig *x)
{
    x->next_page += RIG_PAGE;
    assert_true(x->next_page < RIG_TABLES);
    return x->next_page;
}

/* Page i of a region lies where no neighbour would guess. */
static inline uint64_t rig_page(uint64_t base, uint64_t i)
{
    return base + i * 7919 % 65536 * RIG_PAGE;
}

static inline uint64_t rig_directory(struct rig *x, uint32_t pages, uint64_t base)
{
    const uint64_t dir = rig_take_page(x);
    uint64_t table = 0;

    for (uint32_t i = 0; i < pages; i++) {
        if (i % 512 == 0) {
            table = rig_take_page(x);
            rig_store(x, dir + i / 512 * 8, table);
        }
        rig_store(x, table + i % 512 * 8, rig_page(base, i));
    }
    return dir;
}

static inline uint8_t rig_change(struct rig *x, struct mpt_set m)
{
    struct mpt_done d;

    x->h->y.t.now = x->h->y.k.now;
    PASS(&x->h->y.t, &x->h->mpt_cmd, mpt_set, 0, &m);
    RIG_POP(x, mpt_cmd_done, &d);
    assert_int_equal(d.cookie, m.cookie);
    return d.status;
}

/* Registers [va, va + len) of PD 1 under key; returns the page directory. */
static inline uint64_t rig_register(struct rig *x, uint32_t key, uint64_t va, uint64_t len,
                                    uint32_t access, uint64_t base)
{
    const uint32_t pages = (uint32_t)((va % RIG_PAGE + len + RIG_PAGE - 1) / RIG_PAGE);
    const uint64_t dir = rig_directory(x, pages, base);

    assert_int_equal(rig_change(x, (struct mpt_set){.op = MPT_CREATE,
                                                    .key = key,
                                                    .va = va,
                                                    .len = len,
                                                    .pdir = dir,
                                                    .pd = 1,
                                                    .access = access,
                                                    .pages = pages}),
                     MPT_DONE);
    return dir;
}

/* The same, but in memory alone: the first use misses. */
static inline uint64_t rig_plant(struct rig *x, uint32_t key, uint64_t va, uint64_t len,
                                 uint32_t access, uint64_t base)
{
    const uint32_t pages = (uint32_t)((va % RIG_PAGE + len + RIG_PAGE - 1) / RIG_PAGE);
    const struct mpt e = {.va = va,
                          .len = len,
                          .pdir = rig_directory(x, pages, base),
                          .key = key,
                          .pd = 1,
                          .access = access,
                          .pages = pages,
                          .reg = 0x80000000 + key,
                          .state = MPT_VALID};

    memcpy(rig_at(x, FN_ADAPTER, ctx_bus(&x->h->y.p, CTX_MPT, 0, key >> 8), sizeof e), &e,
           sizeof e);
    return e.pdir;
}

/* Bus address of a byte of such a region. */
static inline uint64_t rig_bus(uint64_t va, uint64_t start, uint64_t base)
{
    return rig_page(base, (va - start + start % RIG_PAGE) / RIG_PAGE) + va % RIG_PAGE;
}

/* A whole packet of one piece through tx_job. */
static inline struct pkt rig_send(struct rig *x, uint32_t key, uint64_t va, uint32_t len)
{
    struct pkt m;

    RIG_PUSH(x, tx_job, pkt, .lkey = key, .pd = 1, .addr = va, .len = len, .plen = len,
             .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE);
    RIG_POP(x, rd_job, &m);
    return m;
}

/* A piece of received payload through rx_place. */
static inline struct place rig_place(struct rig *x, struct place in)
{
    struct place m;

    x->h->y.t.now = x->h->y.k.now;
    PASS(&x->h->y.t, &x->h->rx_place, place, 0, &in);
    RIG_POP(x, rx_placed, &m);
    return m;
}
