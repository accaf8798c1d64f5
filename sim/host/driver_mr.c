/* driver_mr.c: memory regions: page directories over a layout, access by the CPU. */
#include "sim/host/driver_i.h"

#include <inttypes.h>

#define MR_BYTES_MAX (1ULL << 30) /* one page directory: 512 * 512 pages */

/* --- checks ----------------------------------------------------------------------------------- */

static bool mr_ok(struct machine *m, const struct driver_mr *s, struct hca_error *err)
{
    const uint64_t most = MR_BYTES_MAX - s->va % PAGE_BYTES;

    if (s->bytes == 0 || s->bytes > most) {
        return NO(err,
                  "MR of %" PRIu64 " bytes at 0x%" PRIx64 ": 1 to %" PRIu64
                  " fit a page directory; split it",
                  s->bytes, s->va, most);
    }
    if (s->va > UINT64_MAX - s->bytes) {
        return NO(err, "MR of %" PRIu64 " bytes at 0x%" PRIx64 " wraps around", s->bytes, s->va);
    }
    if (s->vm >= m->p->host_vms) {
        return NO(err, "MR in VM %u: there are %" PRIu64 " (host.vms)", s->vm, m->p->host_vms);
    }
    if (s->layout == DRIVER_LAYOUT_ALIAS &&
        (s->layout_arg < PAGE_BYTES || (s->layout_arg & (s->layout_arg - 1)) != 0)) {
        return NO(err,
                  "MR layout alias over %" PRIu64 " bytes: a power of two from 4096 "
                  "on is needed",
                  s->layout_arg);
    }
    return mem_reach(m, DRV(m, PD(m, s->pd)->driver)->at.vm, s->vm, err);
}

/* --- layout ----------------------------------------------------------------------------------- */

static void set_page(struct machine *m, const struct mr *r, uint64_t page, uint64_t gpa)
{
    const uint64_t bus = mem_bus(m, r->s.vm, gpa);
    const uint32_t vm = DRV(m, r->driver)->at.vm;

    mem_put(m, vm, r->pdir + PAGE_BYTES + page * 8, &bus, sizeof bus);
}

/* One run of memory, page i of the MR at page order(i) of it. */
static bool lay_run(struct machine *m, struct mr *r, uint64_t pages, uint64_t behind,
                    enum mem_kind kind, uint64_t salt)
{
    const uint64_t at = mem_take(m, r->s.vm, behind, kind);

    for (uint64_t i = 0; at != 0 && i < pages; i++) {
        const uint64_t k = salt != 0 ? mem_shuffle(m, i, behind, salt) : i % behind;
        set_page(m, r, i, at - 1 + k * PAGE_BYTES);
    }
    return at != 0;
}

static bool lay_huge(struct machine *m, struct mr *r, uint64_t pages)
{
    const uint64_t part = r->s.layout_arg < 1000 ? r->s.layout_arg : 1000;

    for (uint64_t i = 0, chunk = 0; i < pages; i += BLOCK_PAGES, chunk++) {
        const bool huge = (chunk + 1) * part / 1000 != chunk * part / 1000;
        const uint64_t n = pages - i < BLOCK_PAGES ? pages - i : BLOCK_PAGES;
        const uint64_t at = mem_take(m, r->s.vm, n, huge ? MEM_2M : MEM_4K);
        for (uint64_t k = 0; at != 0 && k < n; k++) {
            set_page(m, r, i + k, at - 1 + k * PAGE_BYTES);
        }
        if (at == 0) {
            return false;
        }
    }
    return true;
}

static bool lay(struct machine *m, struct mr *r, uint64_t pages, uint64_t salt)
{
    switch (r->s.layout) {
    case DRIVER_LAYOUT_CONTIGUOUS: return lay_run(m, r, pages, pages, MEM_COHERENT, 0);
    case DRIVER_LAYOUT_FRAGMENTED: return lay_run(m, r, pages, pages, MEM_4K, salt);
    case DRIVER_LAYOUT_HUGE: return lay_huge(m, r, pages);
    case DRIVER_LAYOUT_ALIAS:
        return lay_run(m, r, pages, r->s.layout_arg / PAGE_BYTES, MEM_DEFAULT, 0);
    default: return lay_run(m, r, pages, pages, MEM_DEFAULT, 0);
    }
}

static bool build_directory(struct machine *m, struct mr *r, uint64_t pages, uint64_t salt)
{
    const uint32_t vm = DRV(m, r->driver)->at.vm;
    const uint64_t tables = (pages + 511) / 512;
    const uint64_t at = mem_take(m, vm, 1 + tables, MEM_COHERENT);

    if (at == 0) {
        return false;
    }
    r->pdir = at - 1;
    r->chunks = (uint32_t)pages;
    for (uint64_t t = 0; t < tables; t++) {
        const uint64_t bus = mem_bus(m, vm, r->pdir + (1 + t) * PAGE_BYTES);
        mem_put(m, vm, r->pdir + t * 8, &bus, sizeof bus);
    }
    return lay(m, r, pages, salt);
}

/* A DMA MR has no directory: its bytes lie in sequence on the bus and that address is its va. */
static bool build_physical(struct machine *m, struct mr *r, uint64_t pages)
{
    const uint64_t at = mem_take(m, r->s.vm, pages, MEM_COHERENT);
    const uint64_t last = (pages - 1) * PAGE_BYTES;

    if (at == 0 || mem_bus(m, r->s.vm, at - 1 + last) != mem_bus(m, r->s.vm, at - 1) + last) {
        return false;
    }
    r->pages_gpa = at - 1;
    r->va = mem_bus(m, r->s.vm, r->pages_gpa);
    return true;
}

uint32_t driver_mr(struct machine *m, const struct driver_mr *s, struct hca_error *err)
{
    const uint32_t id = m->v[V_MR].n;

    if (!mr_ok(m, s, err)) {
        return DRIVER_NONE;
    }
    struct mr *const r = vec_add(m, V_MR);
    if (r == NULL) {
        return driver_refuse(err, "no memory for MR %u", id);
    }
    *r = (struct mr){.s = *s, .va = s->va, .driver = PD(m, s->pd)->driver};
    const bool physical = (s->flags & DRIVER_MR_PHYSICAL) != 0;
    const uint64_t off = physical ? 0 : s->va % PAGE_BYTES;
    const uint64_t pages = (off + s->bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    if (physical ? !build_physical(m, r, pages) : !build_directory(m, r, pages, 1 + id)) {
        m->v[V_MR].n--;
        return driver_refuse(err,
                             "MR %u of %" PRIu64
                             " bytes: VM %u has no such room left in its %" PRIu64
                             " bytes; raise host.mem_bytes",
                             id, s->bytes, s->vm, m->p->host_mem_bytes);
    }
    step_add(m, r->driver, STEP_COMMAND, PV_CREATE_MR, id, 0);
    return id;
}

void driver_destroy_mr(struct machine *m, uint32_t mr)
{
    step_add(m, MR(m, mr)->driver, STEP_COMMAND, PV_DESTROY_MR, mr, 0);
}

uint32_t driver_mr_key(const struct machine *m, uint32_t mr)
{
    return MR(m, mr)->key;
}

uint64_t driver_mr_va(const struct machine *m, uint32_t mr)
{
    return MR(m, mr)->va;
}

/* --- access ----------------------------------------------------------------------------------- */

static uint64_t bus_of(const struct machine *m, const struct mr *r, uint64_t off)
{
    const uint64_t at = r->va % PAGE_BYTES + off;
    uint64_t bus;

    if ((r->s.flags & DRIVER_MR_PHYSICAL) != 0) {
        return r->va + off;
    }
    memcpy(&bus, mem_at(m, DRV(m, r->driver)->at.vm, r->pdir + PAGE_BYTES + at / PAGE_BYTES * 8),
           sizeof bus);
    return bus + at % PAGE_BYTES;
}

uint8_t *driver_mr_at(const struct machine *m, uint32_t mr, uint64_t off, size_t *run)
{
    const struct mr *const r = MR(m, mr);

    if (off >= r->s.bytes) {
        return NULL;
    }
    const uint64_t bus = bus_of(m, r, off), page = PAGE_BYTES - bus % PAGE_BYTES;
    *run = (size_t)(page < r->s.bytes - off ? page : r->s.bytes - off);
    return mem_bus_at(m, r->s.vm, bus);
}

static bool inside(const struct mr *r, uint64_t off, size_t len)
{
    return off <= r->s.bytes && len <= r->s.bytes - off;
}

bool driver_mr_read(const struct machine *m, uint32_t mr, uint64_t off, void *to, size_t len)
{
    uint8_t *b = to;

    if (!inside(MR(m, mr), off, len)) {
        return false;
    }
    while (len != 0) {
        size_t run = 0;
        const uint8_t *const at = driver_mr_at(m, mr, off, &run);
        const size_t n = run < len ? run : len;
        memcpy(b, at, n);
        b += n;
        off += n;
        len -= n;
    }
    return true;
}

bool driver_mr_write(struct machine *m, uint32_t mr, uint64_t off, const void *from, size_t len)
{
    const uint8_t *b = from;

    if (!inside(MR(m, mr), off, len)) {
        return false;
    }
    while (len != 0) {
        size_t run = 0;
        uint8_t *const at = driver_mr_at(m, mr, off, &run);
        const size_t n = run < len ? run : len;
        memcpy(at, b, n);
        b += n;
        off += n;
        len -= n;
    }
    return true;
}

uint64_t driver_mr_bus(const struct machine *m, uint32_t mr, uint64_t off, uint64_t *run)
{
    const struct mr *const r = MR(m, mr);

    *run = 0;
    if (off >= r->s.bytes) {
        return 0;
    }
    const uint64_t bus = bus_of(m, r, off);
    uint64_t n = PAGE_BYTES - bus % PAGE_BYTES;
    while (n < r->s.bytes - off && bus_of(m, r, off + n) == bus + n) {
        n += PAGE_BYTES;
    }
    *run = n < r->s.bytes - off ? n : r->s.bytes - off;
    return bus;
}
