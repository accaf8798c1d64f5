/* dma_memory.h: the host behind up_rd and up_wr in unit tests: answers reads in any order of tags,
 * each cut at random places, carries out writes, and asserts the rules of PCIe on the way.
 *
 *   struct bus b = bus_open(1 << 20, seed);      bus addresses [0, 1 MiB) are memory
 *   bus_run(h, &b, cycles)                       cycles with the units of h and this host
 * The adapter's own tables lie at CTX_BUS when b.ctx is set. Addresses outside of both are answered
 * with an unsupported request. */
#pragma once
#include "tests/unit.h"

#include <stdlib.h>

enum { BUS_PENDING = 1024 };

struct bus {
    uint8_t *ram;
    uint64_t bytes;
    uint8_t *ctx; /* what FN_ADAPTER sees from CTX_BUS on, NULL: nothing */
    uint64_t ctx_bytes;
    uint64_t seed;
    uint32_t stall_percent; /* cycles in which a wire is left alone                     */
    uint32_t latency;       /* cycles before a request may be answered                  */
    bool in_order;          /* oldest request first, completions of MPS, trains of them */
    bool hold;              /* requests are taken, nothing is answered                  */
    struct {
        struct tlp m;
        uint32_t sent;
        uint64_t from;
    } pending[BUS_PENDING];
    uint32_t n;
    uint64_t read_tlps, read_entries, write_tlps, write_entries, most_pending;
    struct tlp last_write;
};

static inline uint32_t bus_random(struct bus *b, uint32_t below)
{
    b->seed = b->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(b->seed >> 33) % below;
}

static inline struct bus bus_open(uint64_t bytes, uint64_t seed)
{
    struct bus b = {.ram = malloc(bytes), .bytes = bytes, .seed = seed};

    assert_non_null(b.ram);
    for (uint64_t i = 0; i < bytes; i++) {
        b.ram[i] = (uint8_t)(bus_random(&b, 256));
    }
    return b;
}

static inline void bus_close(struct bus *b)
{
    free(b->ram);
}

/* Memory that a request may reach, NULL: nothing is there. */
static inline uint8_t *bus_at(const struct bus *b, uint8_t fn, uint64_t addr, uint64_t len)
{
    const bool own = fn == FN_ADAPTER && b->ctx != NULL;
    const uint64_t off = own ? addr - CTX_BUS : addr;
    const uint64_t bytes = own ? b->ctx_bytes : b->bytes;

    return off > bytes || len > bytes - off ? NULL : (own ? b->ctx : b->ram) + off;
}

static inline bool bus_stalls(struct bus *b)
{
    return b->stall_percent != 0 && bus_random(b, 100) < b->stall_percent;
}

/* An entry is one request, or a train of requests of full size that stays within a page. */
static inline void bus_check(const struct hca *h, const struct tlp *m, uint64_t most)
{
    assert_true(m->len > 0 && m->len <= most * m->tlps);
    assert_true(m->len > most * (m->tlps - 1U));
    assert_true(m->tlps <= h->y.p.sim_train_tlps_max);
    assert_true(m->addr % 4096 + m->len <= 4096);
}

/* A read never passes an older write. */
static inline bool bus_write_is_older(const struct hca *h)
{
    return fifo_level(&h->up_wr.ctl) != 0 && fifo_level(&h->up_rd.ctl) != 0 &&
           PEEK(&h->up_wr)->at <= PEEK(&h->up_rd)->at;
}

static inline void bus_take_read(struct hca *h, struct bus *b)
{
    struct tlp m;

    if (bus_stalls(b) || b->n == BUS_PENDING || bus_write_is_older(h) || !UNIT_POP(h, up_rd, &m)) {
        return;
    }
    bus_check(h, &m, h->y.p.pcie_mrrs_bytes);
    assert_int_equal(m.type, TLP_MRD);
    uint64_t in_flight = m.tlps;
    for (uint32_t i = 0; i < b->n; i++) {
        assert_int_not_equal(b->pending[i].m.tag, m.tag);
        in_flight += b->pending[i].m.tlps;
    }
    assert_true(in_flight <= h->y.p.hca_dma_read_tags);
    b->most_pending = in_flight > b->most_pending ? in_flight : b->most_pending;
    b->read_tlps += m.tlps;
    b->read_entries++;
    b->pending[b->n].m = m;
    b->pending[b->n].sent = 0;
    b->pending[b->n++].from = h->y.k.now + b->latency;
}

static inline void bus_take_write(struct hca *h, struct bus *b)
{
    struct tlp m;

    if (bus_stalls(b) || !UNIT_POP(h, up_wr, &m)) {
        return;
    }
    bus_check(h, &m, h->y.p.pcie_mps_bytes);
    b->write_tlps += m.tlps;
    b->write_entries++;
    b->last_write = m;
    uint8_t *const to = bus_at(b, m.fn, m.addr, m.len);
    if (m.type == TLP_MWR && to != NULL) {
        memcpy(to, store_at(&h->store, m.data), m.len);
    }
    if (m.slot != NO_SLOT) {
        pool_give(&h->store.rx_pool, &h->y.k, m.slot);
    }
}

static inline void bus_forget(struct bus *b, uint32_t i)
{
    memmove(&b->pending[i], &b->pending[i + 1], (b->n - i - 1) * sizeof b->pending[0]);
    b->n--;
}

static inline void bus_answer(struct hca *h, struct bus *b)
{
    if (b->n == 0 || b->hold || bus_stalls(b) || !fifo_ready(&h->pcie_in.ctl, h->y.k.now)) {
        return;
    }
    const uint32_t i = b->in_order ? 0 : bus_random(b, b->n);
    const uint32_t sent = b->pending[i].sent;
    struct tlp m = b->pending[i].m;
    if (b->pending[i].from > h->y.k.now) {
        return;
    }
    const uint32_t left = m.len - sent;
    const uint32_t mps = (uint32_t)h->y.p.pcie_mps_bytes;
    const uint8_t *const from = bus_at(b, m.fn, m.addr, m.len);
    const bool real = from != NULL;
    m.type = real ? TLP_CPLD : TLP_CPL;
    m.status = real ? DMA_OK : DMA_UR;
    m.left = left;
    m.len = 1 + bus_random(b, left < mps ? left : mps);
    if (b->in_order) {
        m.len = mps * (uint32_t)h->y.p.sim_train_tlps_max;
        m.len = left < m.len ? left : m.len;
    }
    m.data += sent;
    if (from != NULL) {
        memcpy(store_at(&h->store, m.data), from + sent, m.len);
    } else {
        m.len = 0;
    }
    PASS(&h->y.t, &h->pcie_in, tlp, 0, &m);
    b->pending[i].sent += m.len;
    if (!real || m.len == left) {
        bus_forget(b, i);
    }
}

static inline void bus_cycle(struct hca *h, struct bus *b)
{
    h->y.t.now = h->y.k.now;
    bus_take_read(h, b);
    bus_take_write(h, b);
    bus_answer(h, b);
    unit_run(h, 1);
}

static inline void bus_run(struct hca *h, struct bus *b, uint64_t cycles)
{
    for (uint64_t i = 0; i < cycles; i++) {
        bus_cycle(h, b);
    }
}

/* Last cycle at which operation mid passed a stage; 0: never. Reads the event ring, keeps it. */
static inline uint64_t bus_stamp(const struct hca *h, uint8_t stage, uint32_t mid, uint32_t *times)
{
    uint64_t at = 0;

    *times = 0;
    for (uint32_t i = h->y.trace.head; i != h->y.trace.tail; i++) {
        const struct trace_rec *const r = &h->y.trace.ring[i % TRACE_RING];
        struct ev_stage e;
        memcpy(&e, r->args, sizeof e);
        if (r->id == EV_stage && e.stage == stage && e.mid == mid) {
            at = e.at;
            (*times)++;
        }
    }
    return at;
}
