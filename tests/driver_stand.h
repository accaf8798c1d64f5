/* driver_stand.h: the driver of sim/host against real mmio and command units and real host memory;
 * DMA, contexts, keys and the whole data path are played: a doorbell completes what it announces.
 *
 * Time: one cycle of the adapter is 1 ns; MMIO arrives at once. */
#pragma once
#include "sim/host/driver_i.h"
#include "tests/unit.h"

struct stand {
    struct hca_param p;
    struct hca *h;
    host *host;
    struct machine *m;
    struct msix_set msix[MSIX_VECTORS]; /* of function 0 */
    uint32_t mpts, doorbells, parts;
    uint32_t contexts;
    struct db_write db[64];
    struct wqe_mmio part[64];
    struct mpt_set mpt;
};

static inline uint64_t stand_ps(const struct stand *b)
{
    return (b->h->y.k.now + 1) * 1000;
}

static inline void stand_open(struct stand *b, const struct hca_param *p)
{
    const char *why;
    struct hca_error err;

    *b = (struct stand){.p = *p};
    b->h = unit_hca(&b->p, 1ULL << U_mmio | 1ULL << U_command);
    assert_int_equal(host_open(&b->p, &b->host, &why), HCA_OK);
    b->m = machine_open(&b->p, b->host, 0, &err);
    assert_non_null(b->m);
}

static inline void stand_close(struct stand *b)
{
    machine_close(b->m);
    host_close(b->host);
    hca_close(b->h);
}

/* What function 0 of adapter 0 reaches at a bus address, VM 0. */
static inline uint8_t *stand_bus(struct stand *b, uint64_t bus)
{
    return mem_bus_at(b->m, 0, bus);
}

static inline void stand_copy(struct stand *b, uint64_t bus, uint8_t *bytes, uint32_t len, bool in)
{
    while (len != 0) {
        const uint32_t page = (uint32_t)(PAGE_BYTES - bus % PAGE_BYTES),
                       n = page < len ? page : len;
        uint8_t *const at = stand_bus(b, bus);
        memcpy(in ? at : bytes, in ? bytes : at, n);
        bus += n;
        bytes += n;
        len -= n;
    }
}

static inline void stand_dma(struct stand *b)
{
    struct rd_req r;
    struct wr_req w;

    if (UNIT_POP(b->h, rd_req_cmd, &r)) {
        stand_copy(b, r.addr, store_at(&b->h->store, r.data), r.len, false);
        UNIT_PUSH(b->h, rd_rsp_cmd, rd_rsp, .status = DMA_OK);
    }
    if (UNIT_POP(b->h, wr_cmd, &w)) {
        stand_copy(b, w.addr, store_at(&b->h->store, w.data), w.len, true);
        UNIT_PUSH(b->h, wr_done_cmd, wr_done, .cookie = w.cookie);
    }
}

static inline void stand_units(struct stand *b)
{
    struct hca *const h = b->h;
    struct ctx_get g;
    struct ctx_put put;
    struct qp_event e;
    struct cq_event q;
    struct gid_set gid;
    struct ring_set ring;

    if (UNIT_POP(h, ctx_get_cmd, &g)) { /* contexts by handle, apart by kind */
        UNIT_PUSH(h, ctx_got_cmd, ctx_got, .number = g.number, .cx = (uint16_t)(g.number % 1024),
                  .kind = g.kind);
    }
    (void)UNIT_POP(h, ctx_put_cmd, &put);
    if (UNIT_POP(h, mpt_cmd, &b->mpt)) {
        b->mpts++;
        UNIT_PUSH(h, mpt_cmd_done, mpt_done, .status = MPT_DONE);
    }
    if (UNIT_POP(h, cmd_req_kick, &e) && (e.kind == KICK_RESET || e.kind == KICK_DESTROY)) {
        UNIT_PUSH(h, cmd_flushed, qp_event, .qn = e.qn);
        UNIT_PUSH(h, cmd_drained, qp_event, .qn = e.qn);
    }
    (void)UNIT_POP(h, cmd_rsp_kick, &e);
    if (UNIT_POP(h, cmd_cq, &q)) {
        UNIT_PUSH(h, cmd_cq_done, cq_event, .cqn = q.cqn);
    }
    (void)UNIT_POP(h, gid_build, &gid);
    (void)UNIT_POP(h, gid_parse, &gid);
    if (UNIT_POP(h, ring_set, &ring) && ring.pages == 0) {
        UNIT_PUSH(h, ring_done, cq_event, .fn = ring.fn);
    }
}

/* An MSI of function 0, when its vector is not masked. */
static inline void stand_msi(struct stand *b, unsigned vector)
{
    const struct irq i = {.addr = b->msix[vector].addr, .data = b->msix[vector].data};

    assert_false(b->msix[vector].masked);
    machine_irq(b->m, stand_ps(b), &i);
}

static inline void stand_outputs(struct stand *b)
{
    struct hca *const h = b->h;
    struct msix_set x;
    struct cq_event q;
    struct mmio_rsp rsp;

    if (UNIT_POP(h, msix_set, &x)) {
        b->msix[x.vector] = x;
    }
    if (UNIT_POP(h, cmd_irq, &q)) {
        stand_msi(b, q.vector);
    }
    if (UNIT_POP(h, mmio_rd, &rsp)) {
        machine_answer(b->m, stand_ps(b), &rsp);
    }
    if (UNIT_POP(h, db_write, &b->db[b->doorbells % 64])) {
        b->doorbells++;
    }
    if (UNIT_POP(h, wqe_mmio, &b->part[b->parts % 64])) {
        b->parts++;
    }
}

static inline void stand_mmio(struct stand *b)
{
    struct mmio_req r;
    uint64_t at;

    while (machine_mmio(b->m, &at, &r)) {
        assert_true(at <= stand_ps(b));
        UNIT_PUSH(b->h, mmio_in, mmio_req, .d0 = r.d0, .d1 = r.d1, .d2 = r.d2, .d3 = r.d3,
                  .d4 = r.d4, .d5 = r.d5, .d6 = r.d6, .d7 = r.d7, .offset = r.offset, .tag = r.tag,
                  .hca = r.hca, .fn = r.fn, .bar = r.bar, .len = r.len, .write = r.write);
    }
}

/* One cycle of everything. */
static inline void stand_cycle(struct stand *b)
{
    unit_run(b->h, 1);
    (void)host_run(b->host, stand_ps(b));
    stand_dma(b);
    stand_units(b);
    stand_outputs(b);
    if (machine_next(b->m) <= stand_ps(b)) {
        machine_act(b->m, stand_ps(b));
    }
    stand_mmio(b);
}

static inline void stand_run(struct stand *b, uint64_t cycles)
{
    for (uint64_t i = 0; i < cycles; i++) {
        stand_cycle(b);
    }
}

/* Until no command is pending and nothing has been refused. */
static inline void stand_settle(struct stand *b)
{
    struct hca_error err;

    for (uint32_t i = 0; machine_pending(b->m) && i < 10000000; i++) {
        stand_cycle(b);
    }
    if (machine_failed(b->m, &err)) {
        fail_msg("%s", err.text);
    }
    assert_false(machine_pending(b->m));
    stand_run(b, 100);
}
