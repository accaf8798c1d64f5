/* Remote memory regions: the address ranges that packets named by one key at one node.
 *
 * A capture tells which bytes were used, not where a region begins and ends: all ranges of a key
 * become one region as long as it stays within 1 GiB (what one page directory of the adapter
 * reaches), rounded out to pages. */
#include "traces/import_i.h"

#define SPAN_MAX  (1ull << 30)
#define PAGE_MASK 4095ull

enum { RANGES_PER_KEY_MAX = 1024 };

static uint64_t key_of(uint32_t node, uint32_t rkey)
{
    return (uint64_t)node << 32 | rkey;
}

uint32_t mr_find(const struct import *im, uint32_t node, uint32_t rkey, uint64_t va, uint64_t len)
{
    uint32_t at = map_find(&im->mr_map, key_of(node, rkey), 0);
    while (at != HCT_NONE && (va < im->mr[at].lo || va + len > im->mr[at].hi)) {
        at = im->mr[at].next;
    }
    return at;
}

uint32_t mr_any(const struct import *im, uint32_t node, uint32_t rkey)
{
    return map_find(&im->mr_map, key_of(node, rkey), 0);
}

static bool too_many(struct import *im, uint32_t rkey, const char *what, unsigned limit)
{
    return import_fail(im, HCT_BAD, "key 0x%08x: more than %u %s; import part of the capture", rkey,
                       limit, what);
}

static bool add(struct import *im, uint32_t node, uint32_t rkey, uint64_t lo, uint64_t hi,
                uint32_t *out)
{
    const uint32_t first = map_find(&im->mr_map, key_of(node, rkey), 0);
    if (im->mrs == IMPORT_MRS_MAX) {
        return too_many(im, rkey, "memory regions in the capture", IMPORT_MRS_MAX);
    }
    if (!grow(&im->mr, &im->mr_room, im->mrs, sizeof *im->mr)) {
        return import_no_memory(im);
    }
    im->mr[im->mrs] = (struct mr){.lo = lo,
                                  .hi = hi,
                                  .node = node,
                                  .rkey = rkey,
                                  .next = first,
                                  .owner = HCT_NONE,
                                  .inv_op = HCT_OP_NONE,
                                  .access = HCT_ACCESS_LOCAL_WRITE};
    *out = im->mrs++;
    if (first != HCT_NONE) {
        map_set(&im->mr_map, key_of(node, rkey), 0, *out);
        return true;
    }
    return map_add(&im->mr_map, key_of(node, rkey), 0, *out) || import_no_memory(im);
}

bool mr_touch(struct import *im, uint32_t node, uint32_t rkey, uint64_t va, uint64_t len,
              uint32_t access, uint32_t *out)
{
    const uint64_t lo = va & ~PAGE_MASK;
    const uint64_t hi = (va + len + PAGE_MASK) & ~PAGE_MASK;
    uint32_t at = map_find(&im->mr_map, key_of(node, rkey), 0);
    for (unsigned n = 0; at != HCT_NONE; at = im->mr[at].next, n++) {
        struct mr *m = &im->mr[at];
        const uint64_t low = lo < m->lo ? lo : m->lo;
        const uint64_t high = hi > m->hi ? hi : m->hi;
        if (high - low <= SPAN_MAX || (low == m->lo && high == m->hi)) {
            m->lo = low;
            m->hi = high;
            break;
        }
        if (n == RANGES_PER_KEY_MAX) {
            return too_many(im, rkey, "ranges of 1 GiB under this key", RANGES_PER_KEY_MAX);
        }
    }
    if (at == HCT_NONE && !add(im, node, rkey, lo, hi, &at)) {
        return false;
    }
    im->mr[at].access |= access;
    *out = at;
    return true;
}
