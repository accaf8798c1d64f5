/* vtd_walk.h: an own, slow reading of VT-d tables from simulated memory, to compare with. */
#pragma once
#include "tests/host_drive.h"

struct vtd_answer {
    bool present;
    uint64_t phys;
    unsigned rights; /* 1 read, 2 write */
    unsigned level;  /* of the leaf     */
    uint16_t did;
};

static inline uint64_t vtd_word(struct host *h, uint64_t at)
{
    uint64_t v;

    memcpy(&v, host_mem(h, at, 8), 8);
    return v;
}

static inline struct vtd_answer vtd_ask(struct host *h, uint16_t rid, uint64_t iova)
{
    struct vtd_answer a = {false, 0, 3, 0, 0};

    if (h->mem.root_table == 0) {
        return a;
    }
    const uint64_t root = vtd_word(h, h->mem.root_table + (rid >> 8) * 16U);
    if ((root & 1) == 0) {
        return a;
    }
    const uint64_t ctx = (root & ~0xfffULL) + (rid & 0xff) * 16U;
    const uint64_t lo = vtd_word(h, ctx), hi = vtd_word(h, ctx + 8);
    if ((lo & 1) == 0) {
        return a;
    }
    uint64_t table = lo & ~0xfffULL;
    a.did = (uint16_t)(hi >> 8);
    for (a.level = (unsigned)(hi & 7) + 2; a.level > 0; a.level--) {
        const unsigned shift = 12 + 9 * (a.level - 1);
        const uint64_t e = vtd_word(h, table + (iova >> shift & 511) * 8);
        a.rights &= e & 3;
        if (a.rights == 0) {
            return a;
        }
        if (a.level == 1 || (e & 0x80) != 0) {
            const uint64_t inside = (1ULL << shift) - 1;
            a.present = true;
            a.phys = (e & 0xfffffffff000ULL & ~inside) | (iova & inside);
            return a;
        }
        table = e & 0xfffffffff000ULL;
    }
    return a;
}
