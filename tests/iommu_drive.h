/* iommu_drive.h: iommu and memory side by side, requests put in front of the iommu. */
#pragma once
#include "tests/vtd_walk.h"

#define IOMMU_RAM  (UINT64_C(1) << HOST_VM_SHIFT)
#define IOMMU_IOVA UINT64_C(0x4040000000) /* entry 0 of a level-2 table, entry 1 of its level 3 */
enum { KIB4 = 4096, MIB2 = 2097152, GIB1 = 1073741824, IO_RID = 0x100 };

static inline struct hca_param iommu_param(void)
{
    struct hca_param p = unit_param();

    p.iommu_mode = HCA_IOMMU_MODE_ON;
    p.iommu_levels = 4;
    p.host_llc_hit_ns = 70;
    p.host_mem_bytes = UINT64_C(4) << 30;
    return p;
}

static inline struct host *iommu_fresh(const struct hca_param *p)
{
    return drive_open(p, 1ULL << U_iommu | 1ULL << U_memory);
}

static inline void io_ask(struct host *h, const struct tlp *m)
{
    while (!fifo_ready(&h->io_req.ctl, h->y.k.now) || h->io_req.ctl.pushed == h->y.k.now + 1) {
        drive(h, 1);
    }
    h->y.t.now = h->y.k.now;
    PASS(&h->y.t, &h->io_req, tlp, 0, m);
}

static inline struct tlp io_read(uint16_t rid, uint64_t addr)
{
    return (struct tlp){.type = TLP_MRD,
                        .addr = addr,
                        .len = 8,
                        .rid = rid,
                        .fn = (uint8_t)rid,
                        .slot = NO_SLOT,
                        .cls = CLS_PAYLOAD};
}

static inline void io_write(struct host *h, struct tlp m, uint64_t value)
{
    m.type = TLP_MWR;
    m.len = 8;
    m.slot = pool_take(&h->store.rx_pool, &h->y.k);
    m.data = h->store.rx + m.slot * h->store.slot_bytes;
    memcpy(store_at(&h->store, m.data), &value, 8);
    io_ask(h, &m);
}

/* One read, alone; the cycles from its arrival at the iommu to its end, *out its answer. */
static inline uint64_t io_time(struct host *h, uint16_t rid, uint64_t addr, struct tlp *out)
{
    const struct tlp q = io_read(rid, addr);

    drive(h, 3000);
    io_ask(h, &q);
    const uint64_t arrival = drive_now(h) + 1;
    while (DRIVE_AT(h, mem_done) > drive_now(h) && DRIVE_AT(h, io_fault) > drive_now(h)) {
        drive(h, 1);
        assert_true(drive_now(h) < arrival + 100000);
    }
    const uint64_t end = drive_now(h);
    if (DRIVE_TAKE(h, mem_done, out)) {
        out->status = DMA_OK;
    } else if (DRIVE_TAKE(h, io_fault, out)) {
        out->status = DMA_UR;
    }
    drive(h, 1);
    return end - arrival;
}

/* Table entries read so far: root and context, then levels 5 to 1. */
static inline uint64_t io_walk_reads(const struct host *h)
{
    const struct hca_stat *const s = &h->y.s;

    return s->iommu_reads_root + s->iommu_reads_context + s->iommu_reads_l5 + s->iommu_reads_l4 +
           s->iommu_reads_l3 + s->iommu_reads_l2 + s->iommu_reads_l1;
}

static inline void io_invalidate(struct host *h, uint64_t lo, uint64_t hi)
{
    const uint64_t d[2] = {lo, hi};

    assert_true(host_invalidate(h, d));
}

static inline uint64_t io_wait_status(struct host *h, uint64_t at)
{
    uint64_t v = 0;

    memcpy(&v, host_mem(h, at, 4), 4);
    return v;
}
