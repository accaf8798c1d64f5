#define _GNU_SOURCE /* mincore */
#include "model/host_i.h"
#include "model/image.h"

#include <sys/mman.h>

static const uint64_t image_magic = 0x31545348u; /* "HST1" */
enum { PAGES_AT_ONCE = 4096 };

static uint64_t memory_bytes(const struct host_mem *m)
{
    return m->hyp_bytes + m->vms * m->vm_bytes + m->ctx_bytes;
}

/* Calls with each page that was touched and is not all zero: untouched ones are not in memory. to:
 * where {offset, bytes} records go, NULL: only count. */
static uint64_t each_page(const struct host_mem *m, uint8_t *to)
{
    static const uint8_t zero[PAGE_BYTES];
    unsigned char resident[PAGES_AT_ONCE];
    uint64_t n = 0;

    for (uint64_t off = 0; off < memory_bytes(m); off += (uint64_t)PAGES_AT_ONCE * PAGE_BYTES) {
        const uint64_t left = (memory_bytes(m) - off) / PAGE_BYTES;
        const uint64_t pages = left < PAGES_AT_ONCE ? left : PAGES_AT_ONCE;
        if (mincore(m->block + off, pages * PAGE_BYTES, resident) != 0) {
            continue;
        }
        for (uint64_t i = 0; i < pages; i++) {
            const uint64_t at = off + i * PAGE_BYTES;
            if ((resident[i] & 1) != 0 && memcmp(m->block + at, zero, PAGE_BYTES) != 0) {
                if (to != NULL) {
                    memcpy(to, &at, sizeof at);
                    memcpy(to + sizeof at, m->block + at, PAGE_BYTES);
                    to += sizeof at + PAGE_BYTES;
                }
                n++;
            }
        }
    }
    return n;
}

size_t host_save(const host *h, void *buf, size_t size)
{
    const uint64_t pages = each_page(&h->mem, NULL);
    const struct image_head head =
        image_head(&h->y, image_magic, sizeof *h, pages * (sizeof(uint64_t) + PAGE_BYTES));
    const size_t need = sizeof head + h->y.arena.used + head.memory_bytes;

    if (size >= need) {
        uint8_t *const to = buf;
        memcpy(to, &head, sizeof head);
        memcpy(to + sizeof head, h->y.arena.base, h->y.arena.used);
        (void)each_page(&h->mem, to + sizeof head + h->y.arena.used);
    }
    return need;
}

static void take_over(struct host *h, const struct host *from)
{
    image_system(&h->y, &from->y);
    image_pool(&h->store.rx_pool, &from->store.rx_pool);
    h->mem.hyp_next = from->mem.hyp_next;
    h->mem.root_table = from->mem.root_table;
    h->mem.inv_queue = from->mem.inv_queue;
    h->mem.domain_last = from->mem.domain_last;
#define UNIT(name, side, rtl, doc) UNIT_##side(name)
#define UNIT_hca(name)
#define UNIT_host(name)                             h->u_##name.s = from->u_##name.s;
#define WIRE(name, msg, side, from_unit, to, depth) WIRE_##side(name)
#define BACK(name, msg, side, from_unit, to, depth) WIRE_##side(name)
#define WIRE_hca(name)
#define WIRE_host(name) h->name.ctl = from->name.ctl;
#include "model/spec/unit.def"
#include "model/spec/wire.def"
#undef UNIT
#undef UNIT_hca
#undef UNIT_host
#undef WIRE
#undef BACK
#undef WIRE_hca
#undef WIRE_host
}

enum hca_status host_load(host *h, const void *buf, size_t size)
{
    struct image_head want, head;
    const uint8_t *const bytes = buf;

    if (size < sizeof head) {
        return HCA_BAD_IMAGE;
    }
    memcpy(&head, bytes, sizeof head);
    want = image_head(&h->y, image_magic, sizeof *h, head.memory_bytes);
    const uint64_t record = sizeof(uint64_t) + PAGE_BYTES;
    if (memcmp(&head, &want, sizeof head) != 0 || head.memory_bytes % record != 0 ||
        size != sizeof head + h->y.arena.used + head.memory_bytes) {
        return HCA_BAD_IMAGE;
    }
    const uint8_t *const arena = bytes + sizeof head;
    take_over(h, (const struct host *)(const void *)arena);
    memcpy(h->y.arena.base + sizeof *h, arena + sizeof *h, h->y.arena.used - sizeof *h);
    (void)madvise(h->mem.block, memory_bytes(&h->mem), MADV_DONTNEED); /* all zero again */
    for (uint64_t i = 0; i < head.memory_bytes / record; i++) {
        const uint8_t *const r = arena + h->y.arena.used + i * record;
        uint64_t at;
        memcpy(&at, r, sizeof at);
        if (at % PAGE_BYTES == 0 && at < memory_bytes(&h->mem)) {
            memcpy(h->mem.block + at, r + sizeof at, PAGE_BYTES);
        }
    }
    return HCA_OK;
}
