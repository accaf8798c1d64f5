#define _GNU_SOURCE /* madvise */
#include "model/host_i.h"
#include "model/image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint64_t image_magic = 0x31545348u; /* "HST1" */
enum { PAGES_AT_ONCE = 4096, PAGE_RECORD = sizeof(uint64_t) + PAGE_BYTES };

static uint64_t memory_bytes(const struct host_mem *m)
{
    return m->hyp_bytes + m->vms * m->vm_bytes + m->ctx_bytes;
}

/* What the operating system has of `pages` pages at b; bits 62 and 63 of an entry: the page was
 * touched (Linux, Documentation/admin-guide/mm/pagemap.rst). Pages that were swapped out count,
 * which mincore() would not say. Where it cannot be read, every page may have been touched. */
static void read_map(int map, const uint8_t *b, uint64_t pages, uint64_t *entry)
{
    const off_t at = (off_t)((uintptr_t)b / PAGE_BYTES * sizeof *entry);
    const ssize_t want = (ssize_t)(pages * sizeof *entry);

    if (map < 0 || pread(map, entry, (size_t)want, at) != want) {
        memset(entry, 0xff, (size_t)want);
    }
}

/* Counts the pages that were touched and are not all zero; to: where {offset, bytes} records of
 * them go, NULL: only count. */
static uint64_t each_page(const struct host_mem *m, uint8_t *to)
{
    static const uint8_t zero[PAGE_BYTES];
    const int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t entry[PAGES_AT_ONCE], n = 0;

    for (uint64_t off = 0; off < memory_bytes(m); off += (uint64_t)PAGES_AT_ONCE * PAGE_BYTES) {
        const uint64_t left = (memory_bytes(m) - off) / PAGE_BYTES;
        const uint64_t pages = left < PAGES_AT_ONCE ? left : PAGES_AT_ONCE;
        read_map(map, m->block + off, pages, entry);
        for (uint64_t i = 0; i < pages; i++) {
            const uint64_t at = off + i * PAGE_BYTES;
            if (entry[i] >> 62 != 0 && memcmp(m->block + at, zero, PAGE_BYTES) != 0) {
                if (to != NULL) {
                    memcpy(to, &at, sizeof at);
                    memcpy(to + sizeof at, m->block + at, PAGE_BYTES);
                    to += PAGE_RECORD;
                }
                n++;
            }
        }
    }
    if (map >= 0) {
        (void)close(map);
    }
    return n;
}

size_t host_save(const host *h, void *buf, size_t size)
{
    const uint64_t pages = each_page(&h->mem, NULL);
    const struct image_head head = image_head(&h->y, image_magic, sizeof *h, pages * PAGE_RECORD);
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

/* Each page record names a page of this host's memory. */
static bool pages_ok(const struct host_mem *m, const uint8_t *records, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at;
        memcpy(&at, records + i * PAGE_RECORD, sizeof at);
        if (at % PAGE_BYTES != 0 || at >= memory_bytes(m)) {
            return false;
        }
    }
    return true;
}

enum hca_status host_load(host *h, const void *buf, size_t size, const char **why)
{
    const struct image_head want = image_head(&h->y, image_magic, sizeof *h, 0);
    const uint8_t *const arena = (const uint8_t *)buf + sizeof want;

    *why = image_refusal(&want, buf, size);
    if (*why != NULL) {
        return HCA_BAD_IMAGE;
    }
    const uint64_t rest = size - sizeof want - h->y.arena.used, pages = rest / PAGE_RECORD;
    const uint8_t *const record = arena + h->y.arena.used;
    if (rest % PAGE_RECORD != 0 || !pages_ok(&h->mem, record, pages)) {
        *why = "a page of memory in the image lies outside the memory of this host";
        return HCA_BAD_IMAGE;
    }
    take_over(h, (const struct host *)(const void *)arena);
    memcpy(h->y.arena.base + sizeof *h, arena + sizeof *h, h->y.arena.used - sizeof *h);
    (void)madvise(h->mem.block, memory_bytes(&h->mem), MADV_DONTNEED); /* all zero again */
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t at;
        memcpy(&at, record + i * PAGE_RECORD, sizeof at);
        memcpy(h->mem.block + at, record + i * PAGE_RECORD + sizeof at, PAGE_BYTES);
    }
    return HCA_OK;
}
