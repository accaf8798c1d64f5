/* driver_memory.c: the hypervisor: guest memory, its layout in RAM, VT-d tables.
 *
 * A VM's guest-physical space is taken into use in blocks of 2 MiB. A block is mapped when it is
 * opened, with pages of 4 KiB, 2 MiB or (512 blocks at once) 1 GiB; which, follows from the host.*
 * parameters or the layout of an MR. With VT-d on, bus address = BUS_BASE + VM part +
 * guest-physical address, which no VM's RAM lies at; off and pass-through: bus address = physical
 * address. */
#include "sim/host/contexts.h"
#include "sim/host/driver_i.h"

#include <inttypes.h>

#define BUS_BASE     (1ULL << 32) /* above the interrupt window                         */
#define GIB          (1ULL << 30)
#define VM_STRIDE(p) (((p)->host_mem_bytes + GIB - 1) / GIB * GIB)
enum { RIGHTS = 3 };

static bool remapped(const struct machine *m)
{
    return m->p->iommu_mode == HCA_IOMMU_MODE_ON;
}

static bool shared(const struct machine *m)
{
    return m->p->host_vm_requester == HCA_HOST_VM_REQUESTER_SHARED;
}

static uint16_t rid_of(uint32_t hca, uint32_t fn)
{
    return (uint16_t)((hca + 1) << 8 | fn);
}

bool mem_open(struct machine *m, struct hca_error *err)
{
    const uint64_t top = BUS_BASE + m->p->host_vms * VM_STRIDE(m->p);
    const unsigned bits = 12 + 9 * (unsigned)m->p->iommu_levels;

    if (remapped(m) && top > 1ULL << bits) {
        (void)driver_refuse(err,
                            "%" PRIu64 " VMs of %" PRIu64 " bytes exceed the %u address "
                            "bits of iommu.levels = %" PRIu64,
                            m->p->host_vms, m->p->host_mem_bytes, bits, m->p->iommu_levels);
        return false;
    }
    if (vec_more(m, V_VM, (uint32_t)m->p->host_vms) == DRIVER_NONE) {
        (void)driver_refuse(err, "no memory for the VMs of a host");
        return false;
    }
    return contexts_map(m->p, m->h, err);
}

/* --- layout ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

static uint64_t divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* i * a + c mod n with a prime to n; n up to 2^28. */
uint64_t mem_shuffle(const struct machine *m, uint64_t i, uint64_t n, uint64_t salt)
{
    const uint64_t r = mix(m->p->sim_seed ^ salt << 8 ^ m->index);
    uint64_t a = r % n;

    while (divisor(a, n) != 1) {
        a++;
    }
    return (i * a + (r >> 32)) % n;
}

/* Member i of a sequence of which percent are to be true, spread evenly. */
static bool share(uint64_t i, uint64_t part, uint64_t whole)
{
    return ((i + 1) * part + whole / 2) / whole != (i * part + whole / 2) / whole;
}

static bool is_giant(const struct machine *m, const struct vm *v, uint32_t block)
{
    const uint32_t group = block / GROUP_BLOCKS;

    return (group + 1) * GROUP_BLOCKS <= v->blocks &&
           share(group, m->p->host_share_1g_percent, 100);
}

static enum block_class class_of(const struct machine *m, const struct vm *v, uint32_t block,
                                 enum mem_kind kind)
{
    if (is_giant(m, v, block)) {
        return BLOCK_1G;
    }
    if (kind == MEM_2M || kind == MEM_4K) {
        return kind == MEM_2M ? BLOCK_2M : BLOCK_4K;
    }
    /* What is left after 1 GiB pages took their share. */
    const uint64_t rest = 100 - m->p->host_share_1g_percent;
    return rest != 0 && share(block, m->p->host_share_2m_percent, rest) ? BLOCK_2M : BLOCK_4K;
}

static uint64_t place_of(const struct machine *m, const struct vm *v, uint32_t vm, uint32_t block)
{
    const uint32_t group = block / GROUP_BLOCKS, first = group * GROUP_BLOCKS;
    const uint32_t size = v->blocks - first < GROUP_BLOCKS ? v->blocks - first : GROUP_BLOCKS;
    uint64_t i = block - first;

    if (m->p->host_layout == HCA_HOST_LAYOUT_FRAGMENTED && !is_giant(m, v, block)) {
        i = mem_shuffle(m, i, size, (uint64_t)vm << 32 | group);
    }
    return ((uint64_t)(vm + 1) << HOST_VM_SHIFT) + (first + i) * BLOCK_BYTES;
}

static struct block *block_at(const struct machine *m, uint32_t vm, uint64_t gpa)
{
    return VEC(m, block, V_BLOCK, VM(m, vm)->first_block + (uint32_t)(gpa / BLOCK_BYTES));
}

uint64_t mem_phys(const struct machine *m, uint32_t vm, uint64_t gpa)
{
    const struct block *const b = block_at(m, vm, gpa);
    uint64_t page = gpa % BLOCK_BYTES / PAGE_BYTES;

    if (b->scattered) {
        page = mem_shuffle(m, page, BLOCK_PAGES, gpa / BLOCK_BYTES);
    }
    return b->phys + page * PAGE_BYTES + gpa % PAGE_BYTES;
}

uint64_t mem_bus(const struct machine *m, uint32_t vm, uint64_t gpa)
{
    return remapped(m) ? BUS_BASE + vm * VM_STRIDE(m->p) + gpa : mem_phys(m, vm, gpa);
}

uint8_t *mem_at(const struct machine *m, uint32_t vm, uint64_t gpa)
{
    return host_mem(m->h, mem_phys(m, vm, gpa), PAGE_BYTES - gpa % PAGE_BYTES);
}

uint8_t *mem_bus_at(const struct machine *m, uint32_t vm, uint64_t bus)
{
    return remapped(m) ? mem_at(m, vm, bus - BUS_BASE - vm * VM_STRIDE(m->p))
                       : host_mem(m->h, bus, PAGE_BYTES - bus % PAGE_BYTES);
}

/* --- taking memory ---------------------------------------------------------------------------- */

static bool map_block(struct machine *m, uint32_t vm, uint32_t block)
{
    const struct vm *const v = VM(m, vm);
    const uint64_t gpa = (uint64_t)block * BLOCK_BYTES;
    const struct block *const b = block_at(m, vm, gpa);
    const uint64_t bus = mem_bus(m, vm, gpa);

    if (b->class == BLOCK_1G) {
        return block % GROUP_BLOCKS != 0 || host_map(m->h, v->rid, bus, b->phys, GIB, RIGHTS, GIB);
    }
    if (!b->scattered || !remapped(m)) {
        return host_map(m->h, v->rid, bus, b->phys, BLOCK_BYTES, RIGHTS,
                        b->class == BLOCK_2M ? BLOCK_BYTES : PAGE_BYTES);
    }
    for (uint64_t i = 0; i < BLOCK_PAGES; i++) {
        const uint64_t at = gpa + i * PAGE_BYTES;
        if (!host_map(m->h, v->rid, mem_bus(m, vm, at), mem_phys(m, vm, at), PAGE_BYTES, RIGHTS,
                      PAGE_BYTES)) {
            return false;
        }
    }
    return true;
}

static bool open_block(struct machine *m, uint32_t vm, enum mem_kind kind)
{
    struct vm *const v = VM(m, vm);

    if (v->used == v->blocks) {
        return false;
    }
    const uint32_t i = v->used++;
    struct block *const b = block_at(m, vm, (uint64_t)i * BLOCK_BYTES);
    b->class = (uint8_t)class_of(m, v, i, kind);
    b->phys = place_of(m, v, vm, i);
    b->scattered = kind != MEM_COHERENT && b->class == BLOCK_4K &&
                   m->p->host_layout == HCA_HOST_LAYOUT_FRAGMENTED;
    return map_block(m, vm, i);
}

uint64_t mem_take(struct machine *m, uint32_t vm, uint64_t pages, enum mem_kind kind)
{
    struct vm *const v = VM(m, vm);
    const uint64_t bytes = pages * PAGE_BYTES;

    if (v->end[kind] - v->next[kind] < bytes) {
        const uint64_t first = (uint64_t)v->used * BLOCK_BYTES;
        if (bytes > (uint64_t)(v->blocks - v->used) * BLOCK_BYTES) {
            return 0;
        }
        do {
            if (!open_block(m, vm, kind)) {
                return 0;
            }
        } while ((uint64_t)v->used * BLOCK_BYTES - first < bytes);
        v->next[kind] = first;
        v->end[kind] = (uint64_t)v->used * BLOCK_BYTES;
    }
    v->next[kind] += bytes;
    return v->next[kind] - bytes + 1;
}

/* Takes a VM into use in the domain of rid. */
static bool attach(struct machine *m, uint32_t vm, uint16_t rid, struct hca_error *err)
{
    struct vm *const v = VM(m, vm);

    v->blocks = (uint32_t)(m->p->host_mem_bytes / BLOCK_BYTES);
    v->first_block = vec_more(m, V_BLOCK, v->blocks);
    v->rid = rid;
    if (v->first_block == DRIVER_NONE || !open_block(m, vm, MEM_COHERENT)) {
        return NO(err, "VM %u: its memory cannot be mapped", vm);
    }
    v->end[MEM_COHERENT] = BLOCK_BYTES;
    return true;
}

/* The first function of a VM makes its domain, the others join it. Behind one requester id, all VMs
 * are in the domain of function 0. */
bool mem_attach(struct machine *m, const struct driver_place *at, struct hca_error *err)
{
    const struct vm *const v = VM(m, at->vm);
    const uint16_t rid = rid_of(at->hca, shared(m) ? 0 : at->fn);
    const bool join = shared(m) && m->f.shared_rid != 0;

    if (v->rid == 0 && !attach(m, at->vm, join ? m->f.shared_rid : rid, err)) {
        return false;
    }
    m->f.shared_rid = v->rid;
    if (rid != v->rid && !host_same_domain(m->h, rid, v->rid)) {
        return NO(err, "adapter %u, function %u: no VT-d domain left", at->hca, at->fn);
    }
    return true;
}

bool mem_reach(struct machine *m, uint32_t own, uint32_t vm, struct hca_error *err)
{
    const uint16_t rid = VM(m, own)->rid;

    if (VM(m, vm)->rid != 0 && VM(m, vm)->rid != rid) {
        return NO(err,
                  "MR in VM %u, its driver in VM %u: they have functions of their own, and only "
                  "host.vm_requester = shared puts them into one VT-d domain",
                  vm, own);
    }
    return VM(m, vm)->rid != 0 || attach(m, vm, rid, err);
}

/* --- access ----------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void mem_put(struct machine *m, uint32_t vm, uint64_t gpa, const void *from, size_t len)
{
    const uint8_t *b = from;

    while (len != 0) {
        const size_t n = least(len, PAGE_BYTES - gpa % PAGE_BYTES);
        const uint64_t phys = mem_phys(m, vm, gpa);
        memcpy(host_mem(m->h, phys, n), b, n);
        host_touch(m->h, phys, n);
        gpa += n;
        b += n;
        len -= n;
    }
}

void mem_get(struct machine *m, uint32_t vm, uint64_t gpa, void *to, size_t len)
{
    uint8_t *b = to;

    while (len != 0) {
        const size_t n = least(len, PAGE_BYTES - gpa % PAGE_BYTES);
        const uint64_t phys = mem_phys(m, vm, gpa);
        memcpy(b, host_mem(m->h, phys, n), n);
        host_touch(m->h, phys, n);
        gpa += n;
        b += n;
        len -= n;
    }
}

/* --- page directories ------------------------------------------------------------------------- */

bool mem_ring(struct machine *m, uint32_t vm, uint32_t chunks, struct ring_mem *out)
{
    const uint64_t tables = (chunks + 511) / 512;
    const uint64_t at = mem_take(m, vm, 1 + tables + chunks, MEM_COHERENT);

    if (at == 0) {
        return false;
    }
    out->pdir = at - 1;
    out->pages = out->pdir + (1 + tables) * PAGE_BYTES;
    out->chunks = chunks;
    for (uint64_t t = 0; t < tables; t++) {
        const uint64_t bus = mem_bus(m, vm, out->pdir + (1 + t) * PAGE_BYTES);
        mem_put(m, vm, out->pdir + t * 8, &bus, 8);
    }
    for (uint64_t c = 0; c < chunks; c++) {
        const uint64_t bus = mem_bus(m, vm, out->pages + c * PAGE_BYTES);
        mem_put(m, vm, out->pdir + PAGE_BYTES + c * 8, &bus, 8);
    }
    return true;
}
