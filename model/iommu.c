#include "model/iommu.h"

#include "model/host_mem.h"

enum { MSI_BYTES = 4 };

void iommu_open(struct iommu *u, struct opening *o)
{
    const struct hca_param *const p = o->p;
    const uint64_t hit = ns_cycles(p, p->iommu_hit_ns), step = ns_cycles(p, p->iommu_walk_step_ns);

    u->pending = (uint32_t)p->iommu_pending_entries;
    u->walkers = (uint32_t)p->iommu_walkers;
    u->faults = (uint32_t)p->iommu_fault_records;
    u->hit_delay = p->iommu_mode == HCA_IOMMU_MODE_OFF || hit == 0 ? 0 : hit - 1;
    u->walk_delay = step == 0 ? 0 : step - 1;
    u->overhead = ns_cycles(p, p->iommu_walk_overhead_ns);
    u->invalidate = ns_cycles(p, p->iommu_invalidate_ns);
    iommu_open_caches(u, o);
    u->ready_max = 1;
    while (u->ready_max < u->pending) {
        u->ready_max *= 2;
    }
    u->req = arena_take(o->a, u->pending * sizeof *u->req);
    u->stream = arena_take(o->a, IOMMU_STREAMS * sizeof *u->stream);
    u->fn = arena_take(o->a, IOMMU_STREAMS * sizeof *u->fn);
    u->ready = arena_take(o->a, u->ready_max * sizeof *u->ready);
    u->bucket = arena_take(o->a, IOMMU_BUCKETS * sizeof *u->bucket);
    u->fault = arena_take(o->a, sizeof *u->fault * 2 * u->faults);
    u->s.idle = u->walkers;
    u->s.walk_first = IOMMU_NONE;
    if (u->req == NULL || u->stream == NULL || u->bucket == NULL) {
        return;
    }
    for (uint32_t i = 0; i < u->pending; i++) {
        u->req[i].next = i + 1 < u->pending ? i + 1 : IOMMU_NONE;
    }
    for (uint32_t i = 0; i < IOMMU_STREAMS; i++) {
        u->stream[i].first = u->stream[i].last = IOMMU_NONE;
    }
    for (uint32_t i = 0; i < IOMMU_BUCKETS; i++) {
        u->bucket[i] = IOMMU_NONE;
    }
}

static struct iommu_stream *stream_of(const struct iommu *u, const struct tick *t,
                                      const struct tlp *m)
{
    return &u->stream[iommu_fn_index(m->hca, t->p->pcie_ido != 0 ? m->rid : 0)];
}

static bool is_read(const struct tlp *m)
{
    return m->type == TLP_MRD;
}

/* A write that need not stay behind older writes. Interrupts always do. */
static bool is_relaxed(const struct tlp *m)
{
    return m->type == TLP_MWR && (m->attr & TLP_ATTR_RO) != 0;
}

static bool in_window(const struct tlp *m)
{
    return host_mem_is_msi(m->addr);
}

/* What happens to a request before any table is asked. */
static struct iommu_look classify(const struct iommu *u, const struct tick *t, const struct tlp *m)
{
    struct iommu_look l = {.ctx = ASSOC_NONE, .tlb = ASSOC_NONE, .known = true};

    if (t->p->iommu_mode == HCA_IOMMU_MODE_OFF || (in_window(m) && !is_read(m))) {
        l.leaf.pass = 1;
        return l;
    }
    if (in_window(m)) {
        l.leaf.reason = VTD_FAULT_READ;
        return l;
    }
    return iommu_look(u, m->rid, m->addr);
}

/* --- leaving --- */

static void give_slot(const struct tick *t, const struct tlp *m)
{
    if (m->slot != NO_SLOT && !is_read(m)) {
        pool_give(&t->store->rx_pool, t->k, m->slot);
    }
}

/* A posted write to the window is an interrupt, whoever made it. */
__attribute__((noinline)) static void to_interrupt(const struct tick *t, struct tlp *m)
{
    if (m->type == TLP_MWR && m->slot != NO_SLOT) {
        const uint32_t n = m->len < MSI_BYTES ? m->len : MSI_BYTES;
        m->value = 0;
        memcpy(&m->value, store_at(t->store, m->data), n);
        give_slot(t, m);
    }
    m->type = TLP_MSI;
    m->slot = NO_SLOT;
    t->s->iommu_interrupts++;
}

/* A read goes back as a fault, a write is dropped. False: no room in this cycle. */
__attribute__((noinline)) static bool refuse(struct iommu *u, const struct tick *t,
                                             const struct tlp *m, uint8_t reason, bool silent)
{
    if (is_read(m)) {
        if (!iommu_free(&u->io_fault->ctl, t->now)) {
            return false;
        }
        PASS(t, u->io_fault, tlp, u->hit_delay, m);
    } else {
        give_slot(t, m);
    }
    iommu_record(u, t, m, reason, silent);
    return true;
}

/* Sends a settled request on: to memory, or back as a fault. False: no room in this cycle. */
static inline bool leave(struct iommu *u, const struct tick *t, const struct tlp *m, uint64_t phys,
                         uint8_t reason, bool silent)
{
    if (reason != 0) {
        return refuse(u, t, m, reason, silent);
    }
    if (!iommu_free(&u->mem_io->ctl, t->now)) {
        return false;
    }
    const bool interrupt = in_window(m) && !is_read(m) && m->type != TLP_CPL;
    PASS_EDIT(t, u->mem_io, tlp, u->hit_delay, m, {
        slot_->addr = phys;
        if (interrupt) {
            to_interrupt(t, slot_);
        }
    });
    return true;
}

/* --- waiting --- */

static uint32_t enter(struct iommu *u, const struct tick *t, const struct tlp *m)
{
    struct iommu_stream *const q = stream_of(u, t, m);
    const uint32_t i = u->s.free;
    struct iommu_req *const r = &u->req[i];

    u->s.free = r->next;
    u->s.used++;
    *r = (struct iommu_req){.m = *m,
                            .prev = q->last,
                            .next = IOMMU_NONE,
                            .joined = IOMMU_NONE,
                            .chain = IOMMU_NONE,
                            .queued = IOMMU_NONE,
                            .state = REQ_WALK,
                            .is_write = !is_read(m)};
    *(q->last == IOMMU_NONE ? &q->first : &u->req[q->last].next) = i;
    q->last = i;
    q->writes += r->is_write;
    return i;
}

static void make_ready(struct iommu *u, struct iommu_stream *q, uint32_t i)
{
    struct iommu_req *const r = &u->req[i];

    *(r->prev == IOMMU_NONE ? &q->first : &u->req[r->prev].next) = r->next;
    *(r->next == IOMMU_NONE ? &q->last : &u->req[r->next].prev) = r->prev;
    q->writes -= r->is_write;
    r->state = REQ_READY;
    u->ready[u->s.ready_tail++ & (u->ready_max - 1)] = i;
}

/* Lets go, by age, what is translated and has no older write before it. */
static void release(struct iommu *u, struct iommu_stream *q)
{
    bool behind = false;

    for (uint32_t i = q->first, next; i != IOMMU_NONE; i = next) {
        struct iommu_req *const r = &u->req[i];
        next = r->next;
        if (r->state == REQ_ORDER && (!behind || is_relaxed(&r->m))) {
            make_ready(u, q, i);
        } else {
            behind |= r->is_write;
        }
    }
}

static void set_answer(struct iommu_req *r, const struct iommu_leaf *leaf)
{
    r->phys = iommu_phys(leaf, r->m.addr);
    r->reason = iommu_judge(leaf, &r->m);
    r->silent = leaf->silent;
    r->state = REQ_ORDER;
}

void iommu_settle(struct iommu *u, const struct tick *t, uint32_t i, const struct iommu_leaf *leaf)
{
    struct iommu_req *const r = &u->req[i];

    set_answer(r, leaf);
    if (leaf->pass != 0) {
        t->s->iommu_passed++;
    } else if (r->reason == 0) {
        t->s->iommu_misses_4k += leaf->size == 0;
        t->s->iommu_misses_2m += leaf->size == 1;
        t->s->iommu_misses_1g += leaf->size == 2;
        iommu_figures(u, &r->m)->misses++;
    }
    release(u, stream_of(u, t, &r->m));
}

static bool drain_ready(struct iommu *u, const struct tick *t)
{
    if (u->s.ready_head == u->s.ready_tail) {
        return false;
    }
    const uint32_t i = u->ready[u->s.ready_head & (u->ready_max - 1)];
    struct iommu_req *const r = &u->req[i];
    if (!leave(u, t, &r->m, r->phys, r->reason, r->silent)) {
        return false;
    }
    u->s.ready_head++;
    u->s.inv_old -= r->old;
    r->next = u->s.free;
    u->s.free = i;
    u->s.used--;
    return true;
}

/* --- arriving --- */

static void count_passed(const struct tick *t, const struct iommu_look *l)
{
    if (t->p->iommu_mode == HCA_IOMMU_MODE_OFF) {
        t->s->iommu_bypassed++;
    } else if (l->leaf.pass != 0 && l->ctx != ASSOC_NONE) {
        t->s->iommu_passed++;
    }
}

/* Sends a hit straight on. Ready requests, which are older, go first. */
static bool pass(struct iommu *u, const struct tick *t, const struct iommu_look *l, uint64_t *wake)
{
    const struct tlp *const m = PEEK(u->io_req);

    if (u->s.ready_head != u->s.ready_tail || u->mem_io->ctl.pushed == t->now + 1) {
        *wake = u->mem_io->ctl.pushed == t->now + 1 ? t->now : *wake;
        return false;
    }
    if (!leave(u, t, m, iommu_phys(&l->leaf, m->addr), iommu_judge(&l->leaf, m),
               l->leaf.silent != 0)) {
        return false;
    }
    count_passed(t, l);
    iommu_use(u, t, m, l);
    (void)POP(t, u->io_req);
    return true;
}

static bool accept(struct iommu *u, const struct tick *t, uint64_t *wake)
{
    if (!VALID(t, u->io_req)) {
        return false;
    }
    const struct tlp *const m = PEEK(u->io_req);
    const struct iommu_look l = classify(u, t, m);
    const bool ordered = stream_of(u, t, m)->writes > 0 && !is_relaxed(m);

    if (l.known && !ordered) {
        return pass(u, t, &l, wake);
    }
    if (u->s.free == IOMMU_NONE) {
        const bool noted = u->s.full_noted != 0;
        u->s.full_noted = 1;
        t->s->iommu_pending_full += !noted;
        return !noted;
    }
    const uint32_t i = enter(u, t, m);
    u->s.full_noted = 0;
    iommu_use(u, t, m, &l);
    if (l.known) {
        set_answer(&u->req[i], &l.leaf);
        count_passed(t, &l);
        t->s->iommu_ordered++;
    } else {
        iommu_miss(u, t, i, &l);
    }
    (void)POP(t, u->io_req);
    return true;
}

/* No request waits, no walk runs, and no invalidation is under way. */
static bool quiet(const struct iommu *u, const struct tick *t)
{
    return u->s.used == 0 && u->s.inv_head == u->s.inv_tail && u->s.inv_state == INV_IDLE &&
           !VALID(t, u->mem_walked);
}

/* The most frequent tick: a request to a cached 4 KiB page goes straight on, and there is nothing
 * else to do. What this does not decide, accept() does with the same outcome. */
static bool hit(struct iommu *u, const struct tick *t)
{
    if (!VALID(t, u->io_req) || !quiet(u, t) || !READY(t, u->mem_io)) {
        return false;
    }
    const struct tlp *const m = PEEK(u->io_req);
    const uint32_t context = assoc_find(&u->ctx_tag, m->rid);
    if (context == ASSOC_NONE || in_window(m)) {
        return false;
    }
    const struct iommu_ctx *const c = &u->ctx[context];
    const uint32_t line = assoc_find(&u->tlb_tag[0], iommu_key(c->did, m->addr, 1));
    if (line == ASSOC_NONE || c->tt == VTD_TT_PASS || m->addr >= vtd_limit(c->levels) ||
        (u->tlb[0][line].rights & (is_read(m) ? VTD_R : VTD_W)) == 0) {
        return false;
    }
    const uint64_t phys = u->tlb[0][line].base | (m->addr & (PAGE_BYTES - 1));
    (void)POP(t, u->io_req);
    PASS_EDIT(t, u->mem_io, tlp, u->hit_delay, m, slot_->addr = phys);
    assoc_touch(&u->ctx_tag, context);
    assoc_touch(&u->tlb_tag[0], line);
    t->s->iommu_context_hits++;
    t->s->iommu_hits_4k++;
    iommu_figures(u, m)->hits++;
    return true;
}

__attribute__((noinline)) static struct act all_parts(struct iommu *u, const struct tick *t)
{
    uint64_t wake = HCA_NEVER;
    bool moved = iommu_walk_end(u, t, &wake);

    moved |= drain_ready(u, t);
    moved |= accept(u, t, &wake);
    moved |= iommu_walk_start(u, t, &wake);
    moved |= iommu_invalidate(u, t, &wake);
    if (moved && u->s.ready_head != u->s.ready_tail) {
        wake = t->now;
    }
    return (struct act){moved, wake};
}

struct act iommu_tick(struct iommu *u, const struct tick *t)
{
    return hit(u, t) ? MOVED : all_parts(u, t);
}
