#include "model/gid_table.h"

enum { LIDS = 65536 };

void gid_open(struct gid_table *g, struct opening *o)
{
    g->fns = (uint32_t)o->p->hca_fn_max;
    g->per_fn = (uint32_t)o->p->hca_gid_max;
    g->buckets = 64;
    while (g->buckets < g->fns * g->per_fn) {
        g->buckets *= 2;
    }
    g->entry = arena_take(o->a, (size_t)g->fns * g->per_fn * sizeof *g->entry);
    g->bucket = arena_take(o->a, g->buckets * sizeof *g->bucket);
    g->lid = arena_take(o->a, LIDS / 8);
}

static uint32_t *bucket_of(const struct gid_table *g, uint64_t hi, uint64_t lo)
{
    const uint64_t h = (hi ^ lo * 0x9e3779b97f4a7c15ULL) * 0xd6e8feb86659fd93ULL;

    return &g->bucket[(h >> 32) & (g->buckets - 1)];
}

static void unlink_entry(struct gid_table *g, const struct gid_entry *e)
{
    uint32_t *at = bucket_of(g, e->hi, e->lo);
    const uint32_t number = (uint32_t)(e - g->entry) + 1;

    while (*at != number) {
        at = &g->entry[*at - 1].chain;
    }
    *at = e->chain;
}

static void count_lids(struct gid_table *g)
{
    memset(g->lid, 0, LIDS / 8);
    for (uint32_t i = 0; i < g->fns * g->per_fn; i++) {
        const uint32_t lid = (uint32_t)g->entry[i].mac & (LIDS - 1);
        if (g->entry[i].kind != 0) {
            g->lid[lid / 64] |= 1ULL << lid % 64;
        }
    }
    g->lid[0] &= ~1ULL; /* LID 0 is reserved */
}

void gid_put(struct gid_table *g, const struct gid_set *m)
{
    if (m->fn >= g->fns || m->index >= g->per_fn) {
        return;
    }
    struct gid_entry *const e = &g->entry[m->fn * g->per_fn + m->index];
    if (e->kind != 0) {
        unlink_entry(g, e);
    }
    *e = (struct gid_entry){.hi = m->gid_hi,
                            .lo = m->gid_lo,
                            .mac = m->mac,
                            .vlan = m->vlan,
                            .fn = m->fn,
                            .kind = m->kind};
    if (e->kind != 0) {
        uint32_t *const first = bucket_of(g, e->hi, e->lo);
        e->chain = *first;
        *first = (uint32_t)(e - g->entry) + 1;
    }
    count_lids(g);
}

const struct gid_entry *gid_get(const struct gid_table *g, uint32_t fn, uint32_t index)
{
    if (fn >= g->fns || index >= g->per_fn) {
        return NULL;
    }
    const struct gid_entry *const e = &g->entry[fn * g->per_fn + index];
    return e->kind != 0 ? e : NULL;
}

const struct gid_entry *gid_find(const struct gid_table *g, uint64_t hi, uint64_t lo, uint32_t fn)
{
    const struct gid_entry *any = NULL;

    for (uint32_t n = *bucket_of(g, hi, lo); n != 0; n = g->entry[n - 1].chain) {
        const struct gid_entry *const e = &g->entry[n - 1];
        if (e->hi == hi && e->lo == lo) {
            if (e->fn == fn) {
                return e;
            }
            any = e;
        }
    }
    return any;
}
