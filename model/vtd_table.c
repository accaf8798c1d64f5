#include "model/host_i.h"

/* The driver's part of VT-d: writes root, context and second-level entries into memory. */

static uint64_t *table_at(const struct host_mem *m, uint64_t table)
{
    return (uint64_t *)(void *)host_mem_at(m, table, PAGE_BYTES);
}

static uint64_t new_table(struct host_mem *m)
{
    return host_mem_take(m, PAGE_BYTES, PAGE_BYTES);
}

/* Context entry (two words) of a requester; makes the tables that lead there. NULL: exhausted. */
static uint64_t *context_entry(struct host_mem *m, uint16_t rid)
{
    if (m->root_table == 0) {
        m->root_table = new_table(m);
    }
    if (m->root_table == 0) {
        return NULL;
    }
    uint64_t *const root = table_at(m, m->root_table) + (size_t)(rid >> 8) * 2;
    if ((root[0] & VTD_PRESENT) == 0) {
        const uint64_t table = new_table(m);
        if (table == 0) {
            return NULL;
        }
        root[0] = table | VTD_PRESENT;
    }
    return table_at(m, root[0] & VTD_ADDR) + (size_t)(rid & 0xff) * 2;
}

/* The same, with a domain: a new one if it had none. */
static uint64_t *own_context(struct host *h, uint16_t rid)
{
    struct host_mem *const m = &h->mem;
    uint64_t *const c = context_entry(m, rid);

    if (c == NULL ||
        c[1] >> VTD_CTX_DID_SHIFT != 0) { /* made before; blocked ones are not present */
        return c;
    }
    if (m->domain_last == UINT16_MAX) {
        return NULL;
    }
    const bool pass = h->y.p.iommu_mode == HCA_IOMMU_MODE_PASS;
    const uint64_t type = pass ? VTD_TT_PASS : VTD_TT_SECOND_LEVEL;
    const uint64_t table = pass ? 0 : new_table(m);
    if (!pass && table == 0) {
        return NULL;
    }
    m->domain_last++;
    c[1] = (uint64_t)m->domain_last << VTD_CTX_DID_SHIFT | (h->y.p.iommu_levels - 2);
    c[0] = table | type << VTD_CTX_TT_SHIFT | VTD_PRESENT;
    return c;
}

/* Replaces a large page by a table of smaller ones with the same translation. */
static bool split(struct host_mem *m, uint64_t *entry, unsigned level)
{
    const uint64_t table = new_table(m);
    const uint64_t size = UINT64_C(1) << vtd_shift(level - 1);
    const uint64_t base = *entry & VTD_ADDR, bits = (*entry & VTD_RW) | (level > 2 ? VTD_PS : 0);

    if (table == 0) {
        return false;
    }
    uint64_t *const t = table_at(m, table);
    for (uint64_t i = 0; i < PAGE_BYTES / VTD_ENTRY_BYTES; i++) {
        t[i] = (base + i * size) | bits;
    }
    *entry = table | VTD_RW;
    return true;
}

/* Entry of addr at a level of the tables below root; splits what is in the way. Missing tables are
 * made, or the answer is NULL when make is false. NULL and *exhausted: no memory for a table. */
static uint64_t *page_entry(struct host *h, uint64_t root, uint64_t addr, unsigned level, bool make,
                            bool *exhausted)
{
    uint64_t table = root;

    for (unsigned l = (unsigned)h->y.p.iommu_levels;; l--) {
        uint64_t *const e = table_at(&h->mem, table) + vtd_index(addr, l);
        if (l == level) {
            return e;
        }
        if ((*e & VTD_RW) == 0) {
            table = make ? new_table(&h->mem) : 0;
            if (table == 0) {
                *exhausted = make;
                return NULL;
            }
            *e = table | VTD_RW;
        } else if ((*e & VTD_PS) != 0 && !split(&h->mem, e, l)) {
            *exhausted = true;
            return NULL;
        }
        table = *e & VTD_ADDR;
    }
}

static bool in_range(uint64_t addr, uint64_t len, uint64_t limit)
{
    return len > 0 && addr < limit && len <= limit - addr;
}

bool host_map(host *h, uint16_t rid, uint64_t iova, uint64_t phys, uint64_t len, unsigned rights,
              uint64_t page_bytes)
{
    unsigned level = 1;

    while (level < VTD_LEVELS_MIN && page_bytes != UINT64_C(1) << vtd_shift(level)) {
        level++;
    }
    const uint64_t inside = page_bytes - 1;
    if (page_bytes != UINT64_C(1) << vtd_shift(level) || ((iova | phys | len) & inside) != 0 ||
        rights == 0 || rights > VTD_RW ||
        !in_range(iova, len, vtd_limit((unsigned)h->y.p.iommu_levels)) ||
        !in_range(phys, len, UINT64_C(1) << VTD_HAW)) {
        return false;
    }
    if (h->y.p.iommu_mode == HCA_IOMMU_MODE_OFF) {
        return true;
    }
    const uint64_t *const c = own_context(h, rid);
    if (c == NULL || h->y.p.iommu_mode == HCA_IOMMU_MODE_PASS) {
        return c != NULL;
    }
    const uint64_t bits = rights | (level > 1 ? VTD_PS : 0);
    uint64_t *e = NULL;
    bool exhausted = false;
    for (uint64_t done = 0; done < len; done += page_bytes, e++) {
        if (e == NULL || vtd_index(iova + done, level) == 0) { /* first entry of another table */
            e = page_entry(h, c[0] & VTD_ADDR, iova + done, level, true, &exhausted);
        }
        if (e == NULL) {
            return false;
        }
        *e = (phys + done) | bits;
    }
    return true;
}

/* Clears the largest aligned entry at addr that lies within len bytes; how many bytes that were, 0
 * when a large page cannot be split. */
static uint64_t clear(struct host *h, uint64_t root, uint64_t addr, uint64_t len)
{
    bool exhausted = false;

    for (unsigned level = VTD_LEVELS_MIN; level > 1; level--) {
        const uint64_t size = UINT64_C(1) << vtd_shift(level);
        if ((addr & (size - 1)) != 0 || len < size) {
            continue;
        }
        uint64_t *const e = page_entry(h, root, addr, level, false, &exhausted);
        if (exhausted) {
            return 0;
        }
        if (e == NULL || *e == 0 || (*e & VTD_PS) != 0) {
            if (e != NULL) {
                *e = 0;
            }
            return size;
        }
    }
    uint64_t *const e = page_entry(h, root, addr, 1, false, &exhausted);
    if (e != NULL) {
        *e = 0;
    }
    return exhausted ? 0 : PAGE_BYTES;
}

bool host_unmap(host *h, uint16_t rid, uint64_t iova, uint64_t len)
{
    if (((iova | len) & (PAGE_BYTES - 1)) != 0 ||
        !in_range(iova, len, vtd_limit((unsigned)h->y.p.iommu_levels))) {
        return false;
    }
    if (h->y.p.iommu_mode != HCA_IOMMU_MODE_ON) {
        return true;
    }
    const uint64_t *const c = context_entry(&h->mem, rid);
    if (c == NULL || c[1] >> VTD_CTX_DID_SHIFT == 0) {
        return c != NULL;
    }
    for (uint64_t done = 0, n; done < len; done += n) {
        n = clear(h, c[0] & VTD_ADDR, iova + done, len - done);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

bool host_same_domain(host *h, uint16_t rid, uint16_t other)
{
    if (h->y.p.iommu_mode == HCA_IOMMU_MODE_OFF) {
        return true;
    }
    const uint64_t *const from = own_context(h, other);
    uint64_t *const to = from == NULL ? NULL : context_entry(&h->mem, rid);

    if (to == NULL) {
        return false;
    }
    to[1] = from[1];
    to[0] = from[0];
    return true;
}

/* Context entry of rid if the tables lead to one, else NULL. */
static uint64_t *find_context(const struct host_mem *m, uint16_t rid)
{
    const uint64_t root =
        m->root_table == 0 ? 0 : table_at(m, m->root_table)[(size_t)(rid >> 8) * 2];

    return (root & VTD_PRESENT) == 0 ? NULL
                                     : table_at(m, root & VTD_ADDR) + (size_t)(rid & 0xff) * 2;
}

uint16_t host_domain(const host *h, uint16_t rid)
{
    const uint64_t *const c = find_context(&h->mem, rid);

    return c == NULL ? 0 : (uint16_t)(c[1] >> VTD_CTX_DID_SHIFT);
}

bool host_block(host *h, uint16_t rid, bool blocked)
{
    uint64_t *const c = find_context(&h->mem, rid);

    if (c == NULL || c[1] >> VTD_CTX_DID_SHIFT == 0) {
        return false;
    }
    c[0] = blocked ? c[0] & ~(uint64_t)VTD_PRESENT : c[0] | VTD_PRESENT;
    return true;
}

bool host_invalidate(host *h, const uint64_t descriptor[2])
{
    struct iommu *const u = &h->u_iommu;
    const uint32_t tail = u->s.inv_tail, next = (tail + 1) % VTD_QUEUE_ENTRIES;

    if (next == u->s.inv_head) {
        return false;
    }
    memcpy(host_mem_at(&h->mem, h->mem.inv_queue + (uint64_t)tail * VTD_DESCRIPTOR_BYTES,
                       VTD_DESCRIPTOR_BYTES),
           descriptor, VTD_DESCRIPTOR_BYTES);
    u->s.inv_tail = next;
    kern_wake(&h->y.k, U_iommu, h->y.k.now + 1);
    return true;
}

bool host_invalidate_rid(host *h, uint16_t rid, uint64_t status_phys, uint32_t status)
{
    const uint64_t domain = host_domain(h, rid);
    const uint64_t d[3][2] = {
        {VTD_INV_CONTEXT | VTD_SELECTIVE << 4 | domain << 16 | (uint64_t)rid << 32, 0},
        {VTD_INV_IOTLB | VTD_DOMAIN << 4 | domain << 16, 0},
        {VTD_INV_WAIT | VTD_WAIT_SW | (uint64_t)status << 32, status_phys}};

    return domain != 0 && host_invalidate(h, d[0]) && host_invalidate(h, d[1]) &&
           host_invalidate(h, d[2]);
}

bool host_invalidate_error(host *h, uint64_t descriptor[2])
{
    struct iommu *const u = &h->u_iommu;

    if (u->s.inv_bad == 0) {
        return false;
    }
    memcpy(descriptor, u->s.inv_desc, VTD_DESCRIPTOR_BYTES);
    u->s.inv_bad = 0;
    u->s.inv_head = (u->s.inv_head + 1) % VTD_QUEUE_ENTRIES;
    kern_wake(&h->y.k, U_iommu, h->y.k.now + 1);
    return true;
}

bool host_fault(host *h, uint64_t record[2])
{
    struct iommu *const u = &h->u_iommu;
    uint64_t *const rec = &u->fault[(size_t)u->s.fault_read * 2];

    if ((rec[1] & VTD_FAULT_F) == 0) {
        return false;
    }
    record[0] = rec[0];
    record[1] = rec[1];
    rec[1] = 0;
    u->s.fault_read = u->s.fault_read + 1 < u->faults ? u->s.fault_read + 1 : 0;
    return true;
}

bool host_fault_next(host *h, struct host_fault_info *out)
{
    uint64_t rec[2];

    if (!host_fault(h, rec)) {
        return false;
    }
    *out = (struct host_fault_info){.addr = rec[0],
                                    .rid = (uint16_t)rec[1],
                                    .reason = (uint8_t)(rec[1] >> 32),
                                    .read = (rec[1] & VTD_FAULT_IS_READ) != 0};
    return true;
}

bool host_iommu_fn_figures(const host *h, uint16_t rid, struct host_fn_figures *out)
{
    const unsigned bus = rid >> 8;

    if (bus == 0 || bus > h->y.p.host_hcas) {
        return false;
    }
    const struct iommu_fn *const f = &h->u_iommu.fn[iommu_fn_index((uint8_t)(bus - 1), rid)];
    *out = (struct host_fn_figures){.hits = f->hits,
                                    .misses = f->misses,
                                    .merged = f->merged,
                                    .walk_reads = f->walk_reads,
                                    .faults = f->faults};
    return true;
}
