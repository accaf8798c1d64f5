/* xlat: lookups, checks of keys, and what a request becomes by them. */
#include "model/xlat.h"

enum { PAGE_NUMBER_MASK = 0x3ffff }; /* 512 tables of 512 pages; higher bits are not decoded */

static struct xlat_tag table_tag(const struct xlat *u, uint32_t p, const struct xlat_req *r)
{
    return (struct xlat_tag){.pdir = r->pdir,
                             .reg = r->reg,
                             .line = r->page >> u->fetch_shift << 1,
                             .space = (uint16_t)((p < XLAT_WQE ? 1 : 257) + r->fn)};
}

struct xlat_tag xlat_dir_tag(const struct xlat *u, const struct xlat_tag *table, uint32_t page)
{
    struct xlat_tag dir = *table;

    dir.line = page >> 9 >> u->fetch_shift << 1 | 1;
    return dir;
}

/* Status of a request that the key forbids. Source: IBTA Vol 1, 9.7.5.2.4 and 10.6.3.1. */
static uint8_t denied(uint32_t p, const struct xlat_req *r)
{
    const bool remote = (r->access & ~(uint32_t)ACC_LOCAL_WRITE) != 0;

    return p == XLAT_RSP || (p == XLAT_RX && remote) ? WC_REM_ACCESS : WC_LOC_PROT;
}

/* Status of a request whose key or page could not be read. */
static uint8_t unreadable(uint32_t p, const struct xlat_req *r, uint8_t dma)
{
    if (p >= XLAT_WQE) {
        return dma;
    }
    return denied(p, r) == WC_REM_ACCESS ? WC_REM_OP : WC_LOC_PROT;
}

static bool in_range(const struct xlat_req *r, const struct mpt *e)
{
    const uint64_t off = r->addr - e->va;

    if (e->kind == MPT_ADDRESS) {
        return r->len == 0 || r->addr + (r->len - 1) >= r->addr;
    }
    return r->addr >= e->va && off <= e->len && r->len <= e->len - off;
}

static void end(struct xlat_req *r, uint8_t status)
{
    r->state = XLAT_DONE;
    r->status = status;
}

/* No page is looked up: the range alone was asked for, or addresses are bus addresses. */
static bool needs_no_page(const struct xlat_req *r, const struct mpt *e)
{
    return r->check_only != 0 || e->kind == MPT_ADDRESS;
}

/* Requests are cut at pages; one that is not has no single page and is refused. */
static bool permits(const struct xlat_req *r, const struct mpt *e)
{
    return e->state == MPT_VALID && e->key == r->key && e->pd == r->pd &&
           (r->access & ~e->access) == 0 && in_range(r, e) &&
           (needs_no_page(r, e) || r->addr % PAGE_BYTES + r->len <= PAGE_BYTES);
}

/* The entry of the key is known: checks it and finds the page. */
static void check_key(uint32_t p, struct xlat_req *r, const struct mpt *e)
{
    if (!permits(r, e)) {
        end(r, denied(p, r));
    } else if (needs_no_page(r, e)) {
        end(r, 0);
    } else {
        r->state = XLAT_PAGE;
        r->pdir = e->pdir;
        r->reg = e->reg;
        r->page =
            (uint32_t)((r->addr - e->va + e->va % PAGE_BYTES) / PAGE_BYTES) & PAGE_NUMBER_MASK;
    }
}

static void found_page(const struct xlat *u, struct xlat_req *r, const void *line)
{
    uint64_t entry;

    memcpy(&entry, (const uint8_t *)line + (size_t)(r->page & (u->fetch - 1)) * 8, sizeof entry);
    r->addr = (entry & ~(uint64_t)(PAGE_BYTES - 1)) + r->addr % PAGE_BYTES;
    end(r, 0);
}

static bool look_page(struct xlat *u, const struct tick *t, uint32_t p, struct xlat_req *r)
{
    const struct xlat_tag tag = table_tag(u, p, r);
    const uint64_t *const line = xlat_mtt_find(u, &tag);

    if (line != NULL) {
        t->s->xlat_mtt_hits++;
        found_page(u, r, line);
        return true;
    }
    const uint16_t m = xlat_miss_page(u, r, &tag);
    if (m == XLAT_NO_MISS) {
        return false;
    }
    t->s->xlat_mtt_misses++;
    r->miss = m;
    r->state = XLAT_PAGE_MISS;
    return true;
}

static void look_page_too(struct xlat *u, const struct tick *t, uint32_t p, struct xlat_req *r)
{
    if (r->state == XLAT_PAGE) {
        (void)look_page(u, t, p, r);
    }
}

static bool look_key(struct xlat *u, const struct tick *t, uint32_t p, struct xlat_req *r)
{
    const uint32_t index = r->key >> 8;

    if (index >= t->p->hca_mr_max) {
        end(r, denied(p, r));
        return true;
    }
    if (xlat_claimed(u, r->fn, index)) {
        return false;
    }
    const struct mpt *const e = xlat_mpt_find(u, r->fn, index);
    if (e != NULL) {
        t->s->xlat_mpt_hits++;
        check_key(p, r, e);
        look_page_too(u, t, p, r);
        return true;
    }
    const uint16_t m = xlat_miss_key(u, t, r->fn, index);
    if (m == XLAT_NO_MISS) {
        return false;
    }
    t->s->xlat_mpt_misses++;
    r->miss = m;
    r->state = XLAT_KEY_MISS;
    return true;
}

/* The miss that r waits for is filled. */
static void look_miss(struct xlat *u, const struct tick *t, uint32_t p, struct xlat_req *r)
{
    const uint16_t m = r->miss;
    const uint8_t status = u->miss[m].status;
    const uint8_t *const bytes = xlat_miss_bytes(u, t, m);

    if (status != DMA_OK) {
        end(r, unreadable(p, r, status));
    } else if (r->state == XLAT_KEY_MISS) {
        struct mpt e;
        memcpy(&e, bytes, sizeof e);
        check_key(p, r, &e);
    } else {
        found_page(u, r, bytes);
    }
    xlat_miss_leave(u, m);
    look_page_too(u, t, p, r);
}

static bool is_filled(const struct xlat *u, const struct xlat_req *r)
{
    return (r->state == XLAT_KEY_MISS || r->state == XLAT_PAGE_MISS) &&
           u->miss[r->miss].state == XLAT_MISS_FILLED;
}

/* First lookups go in order; a request that cannot go on does not keep younger ones from taking
 * what they wait for, for that may be what it lacks: a free miss. */
bool xlat_look(struct xlat *u, const struct tick *t, uint32_t p)
{
    bool held = false;

    for (uint32_t i = u->s.head[p]; i != u->s.tail[p]; i++) {
        struct xlat_req *const r = &u->s.req[p][i % XLAT_QUEUE];
        if (is_filled(u, r)) {
            look_miss(u, t, p, r);
            return true;
        }
        if (!held && (r->state == XLAT_KEY || r->state == XLAT_PAGE)) {
            if (r->state == XLAT_KEY ? look_key(u, t, p, r) : look_page(u, t, p, r)) {
                return true;
            }
            held = true;
        }
    }
    return false;
}

static bool can_look_up(const struct xlat *u, uint32_t p, const struct xlat_req *r)
{
    if (r->state == XLAT_KEY) {
        const uint32_t index = r->key >> 8;
        return !xlat_claimed(u, r->fn, index) &&
               (xlat_mpt_holds(u, r->fn, index) || xlat_can_miss_key(u, r->fn, index));
    }
    const struct xlat_tag tag = table_tag(u, p, r);
    return xlat_mtt_holds(u, &tag) || xlat_can_miss_page(u, &tag);
}

bool xlat_can_look(const struct xlat *u, uint32_t p)
{
    bool held = false;

    for (uint32_t i = u->s.head[p]; i != u->s.tail[p]; i++) {
        const struct xlat_req *const r = &u->s.req[p][i % XLAT_QUEUE];
        if (is_filled(u, r)) {
            return true;
        }
        if (!held && (r->state == XLAT_KEY || r->state == XLAT_PAGE)) {
            if (can_look_up(u, p, r)) {
                return true;
            }
            held = true;
        }
    }
    return false;
}
