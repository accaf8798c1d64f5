#include "model/iommu.h"

#include "model/host_mem.h"

/* What an invalidation covers. Keys of caches: domain << 45 | page number of the entry's level. */
struct scope {
    uint64_t first, last; /* addresses, inclusive */
    uint16_t did;
    bool any_domain;
};
enum { DOMAIN_SHIFT = 45 };

static bool covers(const struct scope *c, uint64_t key, unsigned level)
{
    const uint64_t page = key & ((UINT64_C(1) << DOMAIN_SHIFT) - 1);
    const uint64_t first = page << vtd_shift(level);
    const uint64_t last = first + ((UINT64_C(1) << vtd_shift(level)) - 1);

    return c->any_domain || (key >> DOMAIN_SHIFT == c->did && first <= c->last && last >= c->first);
}

static void sweep(struct assoc *a, const struct tick *t, const struct scope *c, unsigned level)
{
    for (uint32_t i = 0; i < a->lines; i++) {
        if (a->line[i].valid != 0 && covers(c, a->line[i].key, level)) {
            assoc_drop(a, i);
            t->s->iommu_inv_entries++;
        }
    }
}

/* Invalidates pages: leaf entries, and unless only leaves changed the levels above. */
static void apply_iotlb(struct iommu *u, const struct tick *t, const uint64_t desc[2])
{
    const unsigned grain = desc[0] >> 4 & 3, am = desc[1] & 0x3f;
    struct scope c = {0, UINT64_MAX, (uint16_t)(desc[0] >> 16), grain == VTD_GLOBAL};
    bool leaf_only = false;

    if (grain == VTD_SELECTIVE) {
        const uint64_t size = am + VTD_PAGE_SHIFT < 64 ? UINT64_C(1) << (am + VTD_PAGE_SHIFT) : 0;
        c.first = desc[1] & ~(size - 1) & ~UINT64_C(0xfff);
        c.last = c.first + (size - 1);
        leaf_only = (desc[1] >> 6 & 1) != 0;
    }
    for (unsigned i = 0; i < IOMMU_SIZES; i++) {
        sweep(&u->tlb_tag[i], t, &c, i + 1);
    }
    for (unsigned level = 2; level <= VTD_LEVELS_MAX && !leaf_only; level++) {
        sweep(&u->psc_tag[level], t, &c, level);
    }
    iommu_forget_walks(u);
    t->s->iommu_inv_iotlb++;
}

static void apply_context(struct iommu *u, const struct tick *t, const uint64_t desc[2])
{
    static const uint16_t mask[] = {0xffff, 0xfffb, 0xfff9, 0xfff8}; /* FM: function bits ignored */
    const unsigned grain = desc[0] >> 4 & 3;
    const uint16_t did = (uint16_t)(desc[0] >> 16), sid = (uint16_t)(desc[0] >> 32);
    const uint16_t fm = mask[desc[0] >> 48 & 3];

    for (uint32_t i = 0; i < u->ctx_tag.lines; i++) {
        const struct assoc_line *const l = &u->ctx_tag.line[i];
        const bool hit = grain == VTD_GLOBAL || (grain == VTD_DOMAIN && u->ctx[i].did == did) ||
                         (grain == VTD_SELECTIVE && ((l->key ^ sid) & fm) == 0);
        if (l->valid != 0 && hit) {
            assoc_drop(&u->ctx_tag, i);
            t->s->iommu_inv_entries++;
        }
    }
    iommu_forget_walks(u);
    t->s->iommu_inv_context++;
}

/* Requests that came before the wait are waited for: they may use what was invalidated. */
static void mark_old(struct iommu *u)
{
    u->s.inv_old = 0;
    for (uint32_t i = u->s.free; i != IOMMU_NONE; i = u->req[i].next) {
        u->req[i].old = 2; /* free */
    }
    for (uint32_t i = 0; i < u->pending; i++) {
        u->req[i].old = u->req[i].old == 2 ? 0 : 1;
        u->s.inv_old += u->req[i].old;
    }
}

static bool valid(const uint64_t desc[2])
{
    const unsigned grain = desc[0] >> 4 & 3;

    switch (desc[0] & 0xf) {
    case VTD_INV_CONTEXT:
    case VTD_INV_IOTLB: return grain != 0;
    case VTD_INV_INTERRUPT:
    case VTD_INV_WAIT: return true;
    default: return false; /* device TLBs and PASIDs belong to scalable mode and ATS */
    }
}

static void next(struct iommu *u)
{
    u->s.inv_head = (u->s.inv_head + 1) % VTD_QUEUE_ENTRIES;
    u->s.inv_state = INV_IDLE;
}

static void apply(struct iommu *u, const struct tick *t)
{
    const uint64_t *const desc = u->s.inv_desc;

    TRACE(t, iommu, iommu_invalidate, .low = desc[0], .high = desc[1]);
    switch (desc[0] & 0xf) {
    case VTD_INV_CONTEXT: apply_context(u, t, desc); break;
    case VTD_INV_IOTLB: apply_iotlb(u, t, desc); break;
    case VTD_INV_INTERRUPT: t->s->iommu_inv_other++; break;
    default:
        mark_old(u);
        u->s.inv_state = INV_DRAIN;
        return;
    }
    next(u);
}

void iommu_descriptor(struct iommu *u, const struct tick *t, const struct mem_rsp *m)
{
    u->s.inv_desc[0] = m->value;
    u->s.inv_desc[1] = m->value2;
    if (m->status != DMA_OK || !valid(u->s.inv_desc)) { /* FSTS.IQE: stands until software acts */
        t->s->iommu_inv_bad++;
        u->s.inv_bad = 1;
        u->s.inv_state = INV_IDLE;
        return;
    }
    u->s.inv_state = INV_APPLY;
    u->s.inv_at = t->now + u->invalidate;
}

/* The status write follows all requests that went to memory before it. */
static bool finish_wait(struct iommu *u, const struct tick *t, uint64_t *wake)
{
    const uint64_t *const desc = u->s.inv_desc;

    if (u->s.inv_old != 0) {
        return false;
    }
    if ((desc[0] & VTD_WAIT_SW) != 0) {
        if (!iommu_free(&u->mem_io->ctl, t->now)) {
            *wake = u->mem_io->ctl.pushed == t->now + 1 ? t->now : *wake;
            return false;
        }
        PUSH(t, u->mem_io, tlp, u->hit_delay, .addr = desc[1] & ~UINT64_C(3),
             .value = desc[0] >> 32, .type = TLP_SYNC, .slot = NO_SLOT);
    }
    t->s->iommu_inv_wait++;
    next(u);
    return true;
}

static bool fetch(struct iommu *u, const struct tick *t, uint64_t *wake)
{
    if (u->s.inv_head == u->s.inv_tail || u->s.inv_bad != 0) {
        return false;
    }
    if (!iommu_free(&u->mem_walk->ctl, t->now)) {
        *wake = u->mem_walk->ctl.pushed == t->now + 1 ? t->now : *wake;
        return false;
    }
    PUSH(t, u->mem_walk, mem_req, u->walk_delay,
         .addr = t->mem->inv_queue + (uint64_t)u->s.inv_head * VTD_DESCRIPTOR_BYTES,
         .cookie = IOMMU_COOKIE_QUEUE, .len = VTD_DESCRIPTOR_BYTES);
    u->s.inv_state = INV_FETCH;
    return true;
}

bool iommu_invalidate(struct iommu *u, const struct tick *t, uint64_t *wake)
{
    bool moved = false;

    switch (u->s.inv_state) {
    case INV_IDLE: return fetch(u, t, wake);
    case INV_DRAIN: moved = finish_wait(u, t, wake); break;
    case INV_APPLY:
        if (u->s.inv_at > t->now) {
            *wake = u->s.inv_at < *wake ? u->s.inv_at : *wake;
            return false;
        }
        apply(u, t);
        moved = true;
        break;
    default: break;
    }
    if (moved && (u->s.inv_state == INV_DRAIN || u->s.inv_head != u->s.inv_tail)) {
        *wake = t->now;
    }
    return moved;
}
