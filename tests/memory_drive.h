/* memory_drive.h: the memory unit alone, requests put in front of it. */
#pragma once
#include "tests/host_drive.h"

#define MEM_RAM (UINT64_C(1) << HOST_VM_SHIFT)
enum { SINK_BYTES = 65536 };

static inline struct hca_param plain(void)
{
    struct hca_param p = unit_param();

    p.host_llc_hit_ns = 70;
    p.host_dram_ns = 110;
    p.host_llc_bytes = 1048576;
    p.host_mem_bytes = 16777216;
    return p;
}

static inline struct host *fresh(const struct hca_param *p)
{
    return drive_open(p, 1ULL << U_memory);
}

static inline struct tlp read_of(uint64_t addr, uint32_t len)
{
    return (struct tlp){
        .type = TLP_MRD, .addr = addr, .len = len, .slot = NO_SLOT, .cls = CLS_PAYLOAD};
}

static inline void ask(struct host *h, const struct tlp *m)
{
    while (!fifo_ready(&h->mem_io.ctl, h->y.k.now) || h->mem_io.ctl.pushed == h->y.k.now + 1) {
        drive(h, 1);
    }
    h->y.t.now = h->y.k.now;
    PASS(&h->y.t, &h->mem_io, tlp, 0, m);
}

static inline void write_value(struct host *h, struct tlp m, uint64_t value)
{
    m.type = TLP_MWR;
    m.len = 8;
    m.slot = pool_take(&h->store.rx_pool, &h->y.k);
    m.data = h->store.rx + m.slot * h->store.slot_bytes;
    memcpy(store_at(&h->store, m.data), &value, 8);
    ask(h, &m);
}

static inline uint64_t value_at(struct host *h, uint64_t addr)
{
    uint64_t v;

    memcpy(&v, host_mem(h, addr, 8), 8);
    return v;
}

/* Cycles from a read's arrival at the memory to its data at the root port. */
static inline uint64_t read_time(struct host *h, uint64_t addr, uint32_t len)
{
    const struct tlp q = read_of(addr, len);
    struct tlp m;

    drive(h, 5000);
    ask(h, &q);
    const uint64_t arrival = drive_now(h) + 1;
    DRIVE_UNTIL(h, mem_done, 100000);
    const uint64_t at = DRIVE_AT(h, mem_done);
    drive(h, 1);
    assert_true(DRIVE_TAKE(h, mem_done, &m));
    return at - arrival;
}
