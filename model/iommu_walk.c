#include "model/iommu.h"

#include "model/host_mem.h"

static uint32_t *bucket_of(const struct iommu *u, uint32_t domain, uint64_t page)
{
    const uint64_t mixed = (page ^ (uint64_t)domain << 36) * 0x9e3779b97f4a7c15ULL;

    return &u->bucket[mixed >> 56];
}

static uint64_t page_of(const struct iommu_req *r)
{
    return r->m.addr >> VTD_PAGE_SHIFT;
}

/* --- walks by page, for merging --- */

static void add_index(struct iommu *u, uint32_t i)
{
    struct iommu_req *const r = &u->req[i];
    uint32_t *const head = bucket_of(u, r->domain, page_of(r));

    r->chain = *head;
    *head = i;
}

/* Harmless when the walk is no longer in the index. */
static void drop_index(struct iommu *u, uint32_t i)
{
    const struct iommu_req *const r = &u->req[i];
    uint32_t *at = bucket_of(u, r->domain, page_of(r));

    while (*at != IOMMU_NONE && *at != i) {
        at = &u->req[*at].chain;
    }
    if (*at == i) {
        *at = r->chain;
    }
}

static uint32_t find_leader(const struct iommu *u, uint32_t domain, uint64_t page)
{
    uint32_t i = *bucket_of(u, domain, page);

    while (i != IOMMU_NONE && (u->req[i].domain != domain || page_of(&u->req[i]) != page)) {
        i = u->req[i].chain;
    }
    return i;
}

static void join(struct iommu *u, const struct tick *t, uint32_t leader, uint32_t i)
{
    u->req[i].joined = u->req[leader].joined;
    u->req[leader].joined = i;
    t->s->iommu_merged++;
    iommu_figures(u, &u->req[i].m)->merged++;
}

void iommu_miss(struct iommu *u, const struct tick *t, uint32_t i, const struct iommu_look *l)
{
    struct iommu_req *const r = &u->req[i];

    r->domain = l->ctx != ASSOC_NONE ? u->ctx[l->ctx].did : 0x10000U | r->m.rid;
    r->joined = IOMMU_NONE;
    r->queued = IOMMU_NONE;
    if (t->p->iommu_merge != 0) {
        const uint32_t leader = find_leader(u, r->domain, page_of(r));
        if (leader != IOMMU_NONE) {
            join(u, t, leader, i);
            return;
        }
        add_index(u, i);
    }
    if (u->s.walk_first == IOMMU_NONE) {
        u->s.walk_first = i;
    } else {
        u->req[u->s.walk_last].queued = i;
    }
    u->s.walk_last = i;
}

void iommu_forget_walks(struct iommu *u)
{
    for (uint32_t w = 0; w < u->walkers; w++) {
        struct iommu_walker *const k = &u->s.walker[w];
        if (k->phase != WALK_FREE && k->stale == 0) {
            k->stale = 1;
            drop_index(u, k->leader);
        }
    }
}

/* --- one walk --- */

static void end(struct iommu *u, const struct tick *t, uint32_t w)
{
    struct iommu_walker *const k = &u->s.walker[w];

    k->phase = WALK_END;
    k->end_at = t->now + u->overhead; /* the same for all walks, so they end in this order */
    u->s.ending[u->s.end_tail++ % IOMMU_WALKERS_MAX] = w;
}

static void fault(struct iommu *u, const struct tick *t, uint32_t w, enum vtd_fault reason)
{
    u->s.walker[w].leaf.reason = (uint8_t)reason;
    end(u, t, w);
}

static void count_psc_hit(const struct tick *t, unsigned cached)
{
    t->s->iommu_psc_hits_pd += cached == 2;
    t->s->iommu_psc_hits_pdp += cached == 3;
    t->s->iommu_psc_hits_pml4 += cached == 4;
    t->s->iommu_psc_hits_pml5 += cached == 5;
}

/* The context entry is known: goes on with the tables of its domain. */
static void enter_domain(struct iommu *u, const struct tick *t, uint32_t w,
                         const struct iommu_ctx *c)
{
    struct iommu_walker *const k = &u->s.walker[w];
    const uint64_t addr = u->req[k->leader].m.addr;
    struct iommu_psc from = {c->table, VTD_RW};
    uint32_t line;

    if (iommu_look_page(u, c, addr, &k->leaf, &line)) {
        end(u, t, w);
        return;
    }
    const unsigned level = iommu_find_psc(u, c->did, addr, c->levels, &from);
    if (level < c->levels) {
        count_psc_hit(t, level + 1);
    }
    k->phase = WALK_PAGE;
    k->did = c->did;
    k->level = (uint8_t)level;
    k->table = from.table;
    k->rights = from.rights;
    u->s.want |= UINT64_C(1) << w;
}

static void begin(struct iommu *u, const struct tick *t, uint32_t w, uint32_t leader,
                  const struct iommu_look *l)
{
    struct iommu_walker *const k = &u->s.walker[w];

    *k = (struct iommu_walker){.leader = leader};
    u->s.idle--;
    t->s->iommu_walks++;
    if (l->ctx != ASSOC_NONE) {
        enter_domain(u, t, w, &u->ctx[l->ctx]);
    } else if (t->mem->root_table == 0) {
        fault(u, t, w, VTD_FAULT_ROOT);
    } else {
        t->s->iommu_context_misses++;
        k->phase = WALK_ROOT;
        k->table = t->mem->root_table;
        u->s.want |= UINT64_C(1) << w;
    }
}

static void take_root(struct iommu *u, const struct tick *t, uint32_t w, const struct mem_rsp *m)
{
    struct iommu_walker *const k = &u->s.walker[w];

    if (m->status != DMA_OK) {
        fault(u, t, w, VTD_FAULT_ROOT_TABLE);
    } else if ((m->value & VTD_PRESENT) == 0) {
        fault(u, t, w, VTD_FAULT_ROOT);
    } else if ((m->value & VTD_ROOT_RESERVED) != 0 || m->value2 != 0) {
        fault(u, t, w, VTD_FAULT_ROOT_RESERVED);
    } else {
        k->phase = WALK_CONTEXT;
        k->table = m->value & VTD_ADDR;
        u->s.want |= UINT64_C(1) << w;
    }
}

static void take_context(struct iommu *u, const struct tick *t, uint32_t w, const struct mem_rsp *m)
{
    struct iommu_walker *const k = &u->s.walker[w];
    const unsigned tt = m->value >> VTD_CTX_TT_SHIFT & 3;
    const unsigned levels = (unsigned)(m->value2 & 7) + 2;

    k->leaf.silent = (m->value & VTD_CTX_FPD) != 0;
    if (m->status != DMA_OK) {
        fault(u, t, w, VTD_FAULT_CONTEXT_TABLE);
    } else if ((m->value & VTD_PRESENT) == 0) {
        fault(u, t, w, VTD_FAULT_CONTEXT);
    } else if ((m->value & VTD_CTX_RESERVED_LO) != 0 || (m->value2 & VTD_CTX_RESERVED_HI) != 0) {
        fault(u, t, w, VTD_FAULT_CONTEXT_RESERVED);
    } else if (tt > VTD_TT_PASS || levels < VTD_LEVELS_MIN || levels > VTD_LEVELS_MAX) {
        fault(u, t, w, VTD_FAULT_INVALID);
    } else {
        const struct iommu_ctx c = {.table = m->value & VTD_ADDR,
                                    .did = (uint16_t)(m->value2 >> VTD_CTX_DID_SHIFT),
                                    .tt = (uint8_t)tt,
                                    .levels = (uint8_t)levels,
                                    .silent = k->leaf.silent};
        if (k->stale == 0) {
            iommu_fill_ctx(u, u->req[k->leader].m.rid, &c);
        }
        enter_domain(u, t, w, &c);
    }
}

/* Bit 7 makes an entry of level 2 or 3 a leaf; rights are the AND over all levels. */
static void take_page(struct iommu *u, const struct tick *t, uint32_t w, const struct mem_rsp *m)
{
    struct iommu_walker *const k = &u->s.walker[w];
    const uint64_t entry = m->value;
    const bool big = k->level > 1 && (entry & VTD_PS) != 0;

    k->rights &= entry & VTD_RW;
    if (m->status != DMA_OK) {
        fault(u, t, w, VTD_FAULT_TABLE);
        return;
    }
    k->leaf.size = k->level <= IOMMU_SIZES ? k->level - 1 : 0;
    if (k->rights == 0) { /* rights stay 0: a fault by the kind of access */
        end(u, t, w);
        return;
    }
    const uint64_t below = big ? (UINT64_C(1) << vtd_shift(k->level)) - 1 : 0;
    if ((entry & VTD_HIGH) != 0 || (entry & VTD_ADDR & below) != 0 ||
        (big && k->level > IOMMU_SIZES)) {
        fault(u, t, w, VTD_FAULT_PTE_RESERVED);
    } else if (big || k->level == 1) {
        k->leaf.base = entry & VTD_ADDR;
        k->leaf.rights = k->rights;
        end(u, t, w);
    } else {
        k->table = entry & VTD_ADDR;
        if (k->stale == 0) {
            iommu_fill_psc(u, k->did, u->req[k->leader].m.addr, k->level,
                           (struct iommu_psc){k->table, k->rights});
        }
        k->level--;
        u->s.want |= UINT64_C(1) << w;
    }
}

static void count_read(const struct tick *t, const struct iommu_walker *k)
{
    const unsigned level = k->phase == WALK_PAGE ? k->level : 0;

    t->s->iommu_reads_root += k->phase == WALK_ROOT;
    t->s->iommu_reads_context += k->phase == WALK_CONTEXT;
    t->s->iommu_reads_l5 += level == 5;
    t->s->iommu_reads_l4 += level == 4;
    t->s->iommu_reads_l3 += level == 3;
    t->s->iommu_reads_l2 += level == 2;
    t->s->iommu_reads_l1 += level == 1;
}

/* Hands a translation to the leader of a walk and to all that joined it. */
static void settle_all(struct iommu *u, const struct tick *t, uint32_t leader,
                       const struct iommu_leaf *leaf)
{
    if (t->p->iommu_merge != 0) {
        drop_index(u, leader);
    }
    for (uint32_t i = leader; i != IOMMU_NONE;) {
        const uint32_t next = u->req[i].joined;
        iommu_settle(u, t, i, leaf);
        i = next;
    }
}

static void finish(struct iommu *u, const struct tick *t, uint32_t w)
{
    struct iommu_walker *const k = &u->s.walker[w];
    const struct tlp *const m = &u->req[k->leader].m;
    const struct iommu_leaf leaf = k->leaf;

    if (k->stale == 0 && k->level != 0 && leaf.reason == 0 && leaf.rights != 0) {
        iommu_fill_tlb(u, t, k->did, m->addr, &leaf);
    }
    TRACE(t, iommu, iommu_walk, .addr = m->addr, .rid = m->rid, .reads = (uint8_t)k->reads,
          .size = leaf.size, .reason = leaf.reason);
    iommu_figures(u, m)->walk_reads += k->reads;
    k->phase = WALK_FREE;
    u->s.idle++;
    settle_all(u, t, k->leader, &leaf);
}

/* --- the part of a cycle --- */

static void take_entry(struct iommu *u, const struct tick *t, const struct mem_rsp *m)
{
    if (m->cookie == IOMMU_COOKIE_QUEUE) {
        iommu_descriptor(u, t, m);
        return;
    }
    switch (u->s.walker[m->cookie].phase) {
    case WALK_ROOT: take_root(u, t, m->cookie, m); break;
    case WALK_CONTEXT: take_context(u, t, m->cookie, m); break;
    default: take_page(u, t, m->cookie, m); break;
    }
}

bool iommu_walk_end(struct iommu *u, const struct tick *t, uint64_t *wake)
{
    bool moved = false;

    if (VALID(t, u->mem_walked)) {
        take_entry(u, t, POP(t, u->mem_walked));
        moved = true;
    }
    while (u->s.end_head != u->s.end_tail) {
        const uint32_t w = u->s.ending[u->s.end_head % IOMMU_WALKERS_MAX];
        if (u->s.walker[w].end_at > t->now) {
            *wake = u->s.walker[w].end_at < *wake ? u->s.walker[w].end_at : *wake;
            break;
        }
        u->s.end_head++;
        finish(u, t, w);
        moved = true;
    }
    return moved;
}

static uint32_t free_walker(const struct iommu *u)
{
    uint32_t w = 0;

    while (u->s.walker[w].phase != WALK_FREE) {
        w++;
    }
    return w;
}

static void issue(struct iommu *u, const struct tick *t)
{
    const uint32_t w = (uint32_t)__builtin_ctzll(u->s.want);
    struct iommu_walker *const k = &u->s.walker[w];
    const struct tlp *const m = &u->req[k->leader].m;
    uint64_t index = m->rid >> 8;
    uint8_t bytes = VTD_CONTEXT_BYTES;

    if (k->phase == WALK_CONTEXT) {
        index = m->rid & 0xff;
    } else if (k->phase == WALK_PAGE) {
        index = vtd_index(m->addr, k->level);
        bytes = VTD_ENTRY_BYTES;
    }
    u->s.want &= u->s.want - 1;
    k->reads++;
    count_read(t, k);
    PUSH(t, u->mem_walk, mem_req, u->walk_delay, .addr = k->table + index * bytes,
         .cookie = (uint16_t)w, .len = bytes);
}

bool iommu_walk_start(struct iommu *u, const struct tick *t, uint64_t *wake)
{
    bool moved = false;

    if (u->s.walk_first != IOMMU_NONE && u->s.idle > 0) {
        const uint32_t leader = u->s.walk_first;
        const struct tlp *const m = &u->req[leader].m;
        const struct iommu_look l = iommu_look(u, m->rid, m->addr);
        u->s.walk_first = u->req[leader].queued;
        if (l.known) { /* another walk has filled the caches while this one waited */
            t->s->iommu_late_hits++;
            settle_all(u, t, leader, &l.leaf);
        } else {
            begin(u, t, free_walker(u), leader, &l);
        }
        moved = true;
    }
    if (u->s.want != 0 && iommu_free(&u->mem_walk->ctl, t->now)) {
        issue(u, t);
        moved = true;
    }
    if (moved && (u->s.want != 0 || u->s.end_head != u->s.end_tail ||
                  (u->s.walk_first != IOMMU_NONE && u->s.idle > 0))) {
        *wake = t->now;
    }
    return moved;
}
