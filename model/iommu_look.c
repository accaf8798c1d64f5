#include "model/iommu.h"

void iommu_open_caches(struct iommu *u, struct opening *o)
{
    const struct hca_param *const p = o->p;
    const uint64_t lines[IOMMU_SIZES] = {p->iommu_iotlb_4k_entries, p->iommu_iotlb_2m_entries,
                                         p->iommu_iotlb_1g_entries};
    const uint64_t ways[IOMMU_SIZES] = {p->iommu_iotlb_4k_ways, p->iommu_iotlb_2m_ways,
                                        p->iommu_iotlb_1g_ways};
    const uint64_t psc[VTD_LEVELS_MAX + 1] = {0,
                                              0,
                                              p->iommu_psc_pd_entries,
                                              p->iommu_psc_pdp_entries,
                                              p->iommu_psc_pml4_entries,
                                              p->iommu_psc_pml5_entries};

    assoc_open(&u->ctx_tag, o->a, p->iommu_context_cache_entries, p->iommu_context_cache_entries);
    u->ctx = arena_take(o->a, p->iommu_context_cache_entries * sizeof *u->ctx);
    for (unsigned i = 0; i < IOMMU_SIZES; i++) {
        assoc_open(&u->tlb_tag[i], o->a, lines[i], ways[i]);
        u->tlb[i] = arena_take(o->a, lines[i] * sizeof *u->tlb[i]);
    }
    for (unsigned level = 2; level <= VTD_LEVELS_MAX; level++) {
        assoc_open(&u->psc_tag[level], o->a, psc[level], psc[level]);
        u->psc[level] = arena_take(o->a, psc[level] * sizeof *u->psc[level]);
    }
}

bool iommu_look_page(const struct iommu *u, const struct iommu_ctx *c, uint64_t addr,
                     struct iommu_leaf *leaf, uint32_t *line)
{
    *line = ASSOC_NONE;
    *leaf = (struct iommu_leaf){.silent = c->silent};
    if (c->tt == VTD_TT_PASS) {
        leaf->pass = 1;
        return true;
    }
    if (addr >= vtd_limit(c->levels)) {
        leaf->reason = VTD_FAULT_WIDTH;
        return true;
    }
    for (unsigned size = 0; size < IOMMU_SIZES; size++) {
        *line = assoc_find(&u->tlb_tag[size], iommu_key(c->did, addr, size + 1));
        if (*line != ASSOC_NONE) {
            leaf->base = u->tlb[size][*line].base;
            leaf->rights = u->tlb[size][*line].rights;
            leaf->size = (uint8_t)size;
            return true;
        }
    }
    return false;
}

struct iommu_look iommu_look(const struct iommu *u, uint16_t rid, uint64_t addr)
{
    struct iommu_look l = {.ctx = assoc_find(&u->ctx_tag, rid), .tlb = ASSOC_NONE};

    if (l.ctx != ASSOC_NONE) {
        l.known = iommu_look_page(u, &u->ctx[l.ctx], addr, &l.leaf, &l.tlb);
    }
    return l;
}

void iommu_use(struct iommu *u, const struct tick *t, const struct tlp *m,
               const struct iommu_look *l)
{
    if (l->ctx != ASSOC_NONE) {
        assoc_touch(&u->ctx_tag, l->ctx);
        t->s->iommu_context_hits++;
    }
    if (l->tlb != ASSOC_NONE) {
        assoc_touch(&u->tlb_tag[l->leaf.size], l->tlb);
        t->s->iommu_hits_4k += l->leaf.size == 0;
        t->s->iommu_hits_2m += l->leaf.size == 1;
        t->s->iommu_hits_1g += l->leaf.size == 2;
        iommu_figures(u, m)->hits++;
    }
}

uint8_t iommu_judge(const struct iommu_leaf *leaf, const struct tlp *m)
{
    const bool read = m->type == TLP_MRD;

    if (leaf->reason != 0 || leaf->pass != 0 || (leaf->rights & (read ? VTD_R : VTD_W)) != 0) {
        return leaf->reason;
    }
    return read ? VTD_FAULT_READ : VTD_FAULT_WRITE;
}

uint64_t iommu_phys(const struct iommu_leaf *leaf, uint64_t addr)
{
    const uint64_t inside = (UINT64_C(1) << vtd_shift(leaf->size + 1U)) - 1;

    return leaf->pass != 0 ? addr : leaf->base | (addr & inside);
}

/* Line of a key, made if absent; ASSOC_NONE when the cache has no lines. */
static uint32_t obtain(struct assoc *c, uint64_t k, uint64_t index, bool *evicted)
{
    const uint32_t line = assoc_find(c, k);

    *evicted = false;
    return line != ASSOC_NONE ? line : assoc_insert(c, k, index, evicted);
}

void iommu_fill_ctx(struct iommu *u, uint16_t rid, const struct iommu_ctx *c)
{
    bool evicted;

    u->ctx[obtain(&u->ctx_tag, rid, 0, &evicted)] = *c;
}

void iommu_fill_tlb(struct iommu *u, const struct tick *t, uint16_t did, uint64_t addr,
                    const struct iommu_leaf *leaf)
{
    const uint64_t k = iommu_key(did, addr, leaf->size + 1U);
    const uint64_t index = did ^ (addr >> vtd_shift(leaf->size + 1U));
    bool evicted;
    const uint32_t line = obtain(&u->tlb_tag[leaf->size], k, index, &evicted);

    u->tlb[leaf->size][line] = (struct iommu_tlb){leaf->base, leaf->rights};
    t->s->iommu_evicted += evicted;
}

void iommu_fill_psc(struct iommu *u, uint16_t did, uint64_t addr, unsigned level,
                    struct iommu_psc entry)
{
    bool evicted;
    const uint32_t line = obtain(&u->psc_tag[level], iommu_key(did, addr, level), 0, &evicted);

    if (line != ASSOC_NONE) {
        u->psc[level][line] = entry;
    }
}

unsigned iommu_find_psc(struct iommu *u, uint16_t did, uint64_t addr, unsigned levels,
                        struct iommu_psc *entry)
{
    for (unsigned level = 2; level <= levels; level++) {
        const uint32_t line = assoc_find(&u->psc_tag[level], iommu_key(did, addr, level));
        if (line != ASSOC_NONE) {
            assoc_touch(&u->psc_tag[level], line);
            *entry = u->psc[level][line];
            return level - 1;
        }
    }
    return levels;
}
