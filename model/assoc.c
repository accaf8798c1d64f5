#include "model/assoc.h"

#include "model/assert.h"

void assoc_open(struct assoc *c, struct arena *a, uint64_t lines, uint64_t ways)
{
    uint32_t buckets = 1;

    while (buckets < 2 * lines) {
        buckets *= 2;
    }
    *c = (struct assoc){.lines = (uint32_t)lines, .ways = (uint32_t)ways, .buckets = buckets};
    c->bucket = arena_take(a, buckets * sizeof *c->bucket);
    for (uint32_t b = 0; c->bucket != NULL && b < buckets; b++) {
        c->bucket[b] = ASSOC_NONE;
    }
    if (lines == 0) {
        return;
    }
    c->sets = (uint32_t)(lines / ways);
    hca_assert(c->sets != 0 && (c->sets & (c->sets - 1)) == 0);
    c->line = arena_take(a, lines * sizeof *c->line);
    c->newest = arena_take(a, c->sets * sizeof *c->newest);
    c->oldest = arena_take(a, c->sets * sizeof *c->oldest);
    if (c->line == NULL || c->newest == NULL || c->oldest == NULL || c->bucket == NULL) {
        return; /* the handle is not opened then */
    }
    for (uint32_t i = 0; i < lines; i++) { /* set s owns lines s * ways .. s * ways + ways - 1 */
        const bool first = i % ways == 0, last = i % ways == ways - 1;
        c->line[i].newer = first ? ASSOC_NONE : i - 1;
        c->line[i].older = last ? ASSOC_NONE : i + 1;
        c->newest[i / ways] = first ? i : c->newest[i / ways];
        c->oldest[i / ways] = i;
    }
}

static void unlink_line(struct assoc *c, uint32_t i)
{
    const struct assoc_line *const l = &c->line[i];
    const uint32_t set = i / c->ways;

    *(l->newer == ASSOC_NONE ? &c->newest[set] : &c->line[l->newer].older) = l->older;
    *(l->older == ASSOC_NONE ? &c->oldest[set] : &c->line[l->older].newer) = l->newer;
}

void assoc_renew(struct assoc *c, uint32_t i)
{
    const uint32_t set = i / c->ways;

    unlink_line(c, i);
    c->line[i].newer = ASSOC_NONE;
    c->line[i].older = c->newest[set];
    c->line[c->newest[set]].newer = i;
    c->newest[set] = i;
}

void assoc_drop(struct assoc *c, uint32_t i)
{
    const uint32_t set = i / c->ways;
    uint32_t *at = assoc_bucket(c, c->line[i].key);

    hca_assert(c->line[i].valid != 0);
    while (*at != i) {
        at = &c->line[*at].chain;
    }
    *at = c->line[i].chain;
    c->line[i].valid = 0;
    if (c->oldest[set] != i) { /* first to be filled again */
        unlink_line(c, i);
        c->line[i].older = ASSOC_NONE;
        c->line[i].newer = c->oldest[set];
        c->line[c->oldest[set]].older = i;
        c->oldest[set] = i;
    }
}

uint32_t assoc_insert(struct assoc *c, uint64_t key, uint64_t index, bool *evicted)
{
    *evicted = false;
    if (c->lines == 0) {
        return ASSOC_NONE;
    }
    const uint32_t i = c->oldest[index & (c->sets - 1)];
    if (c->line[i].valid != 0) {
        assoc_drop(c, i);
        *evicted = true;
    }
    uint32_t *const head = assoc_bucket(c, key);
    c->line[i].key = key;
    c->line[i].valid = 1;
    c->line[i].chain = *head;
    *head = i;
    assoc_touch(c, i);
    return i;
}
