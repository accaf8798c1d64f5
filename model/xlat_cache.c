/* xlat: the key cache and the page cache, set associative, true LRU. A line that was never used or
 * was dropped has use count 0 and is replaced first. */
#include "model/xlat.h"

static void open_keys(struct xlat *u, struct opening *o)
{
    const size_t n = o->p->hca_mpt_cache_entries;

    u->mpt_ways = (uint32_t)o->p->hca_mpt_cache_ways;
    u->mpt_sets = (uint32_t)n / u->mpt_ways;
    u->mpt = arena_take(o->a, n * sizeof *u->mpt);
    u->mpt_tag = arena_take(o->a, n * sizeof *u->mpt_tag);
    u->mpt_used = arena_take(o->a, n * sizeof *u->mpt_used);
}

/* The parameters count pages; a line holds `fetch` of them. */
static void open_pages(struct xlat *u, struct opening *o)
{
    const uint32_t entries = (uint32_t)o->p->hca_mtt_cache_entries;
    const uint32_t ways = (uint32_t)o->p->hca_mtt_cache_ways;

    u->fetch = (uint32_t)o->p->hca_mtt_fetch_entries;
    u->fetch_shift = (uint32_t)__builtin_ctz(u->fetch);
    u->mtt_sets = entries / ways > u->fetch ? entries / ways / u->fetch : 1;
    u->mtt_ways = ways < entries / u->fetch ? ways : entries / u->fetch;
    const size_t lines = (size_t)u->mtt_sets * u->mtt_ways;
    u->mtt = arena_take(o->a, lines * u->fetch * sizeof *u->mtt);
    u->mtt_tag = arena_take(o->a, lines * sizeof *u->mtt_tag);
    u->mtt_used = arena_take(o->a, lines * sizeof *u->mtt_used);
}

void xlat_cache_open(struct xlat *u, struct opening *o)
{
    open_keys(u, o);
    open_pages(u, o);
}

/* Least recently used of n lines from first on. */
static uint32_t oldest(const uint64_t *used, uint32_t first, uint32_t n)
{
    uint32_t best = first;

    for (uint32_t i = first + 1; i < first + n; i++) {
        best = used[i] < used[best] ? i : best;
    }
    return best;
}

/* --- keys --------------------------------------------------------------------------------------
 */

static uint32_t key_tag(uint8_t fn, uint32_t index)
{
    return ((uint32_t)fn << 24 | index) + 1;
}

static uint32_t key_set(const struct xlat *u, uint8_t fn, uint32_t index)
{
    return ((index + fn * 37U) & (u->mpt_sets - 1)) * u->mpt_ways;
}

static uint32_t key_line(const struct xlat *u, uint8_t fn, uint32_t index)
{
    const uint32_t first = key_set(u, fn, index);
    const uint32_t tag = key_tag(fn, index);

    for (uint32_t i = first; i < first + u->mpt_ways; i++) {
        if (u->mpt_tag[i] == tag) {
            return i;
        }
    }
    return XLAT_NO_LINE;
}

bool xlat_mpt_holds(const struct xlat *u, uint8_t fn, uint32_t index)
{
    return key_line(u, fn, index) != XLAT_NO_LINE;
}

const struct mpt *xlat_mpt_find(struct xlat *u, uint8_t fn, uint32_t index)
{
    const uint32_t i = key_line(u, fn, index);

    if (i == XLAT_NO_LINE) {
        return NULL;
    }
    u->mpt_used[i] = ++u->s.used;
    return &u->mpt[i];
}

void xlat_mpt_put(struct xlat *u, uint8_t fn, uint32_t index, const struct mpt *e)
{
    uint32_t i = key_line(u, fn, index);

    if (i == XLAT_NO_LINE) {
        i = oldest(u->mpt_used, key_set(u, fn, index), u->mpt_ways);
    }
    u->mpt[i] = *e;
    u->mpt_tag[i] = key_tag(fn, index);
    u->mpt_used[i] = ++u->s.used;
}

void xlat_mpt_drop(struct xlat *u, uint8_t fn, uint32_t index)
{
    const uint32_t i = key_line(u, fn, index);

    if (i != XLAT_NO_LINE) {
        u->mpt_tag[i] = 0;
        u->mpt_used[i] = 0;
    }
}

/* --- pages -------------------------------------------------------------------------------------
 */

static bool same_tag(const struct xlat_tag *a, const struct xlat_tag *b)
{
    return a->line == b->line && a->reg == b->reg && a->space == b->space && a->pdir == b->pdir;
}

/* Directory lines go to the sets counted from the other end. */
static uint32_t page_set(const struct xlat *u, const struct xlat_tag *t)
{
    const uint32_t name = t->line >> 1 ^ (uint32_t)(t->pdir / PAGE_BYTES) ^ t->reg;

    return (((t->line & 1) != 0 ? ~name : name) & (u->mtt_sets - 1)) * u->mtt_ways;
}

static uint32_t page_line(const struct xlat *u, const struct xlat_tag *t)
{
    const uint32_t first = page_set(u, t);

    for (uint32_t i = first; i < first + u->mtt_ways; i++) {
        if (same_tag(&u->mtt_tag[i], t)) {
            return i;
        }
    }
    return XLAT_NO_LINE;
}

bool xlat_mtt_holds(const struct xlat *u, const struct xlat_tag *tag)
{
    return page_line(u, tag) != XLAT_NO_LINE;
}

const uint64_t *xlat_mtt_find(struct xlat *u, const struct xlat_tag *tag)
{
    const uint32_t i = page_line(u, tag);

    if (i == XLAT_NO_LINE) {
        return NULL;
    }
    u->mtt_used[i] = ++u->s.used;
    return &u->mtt[(size_t)i * u->fetch];
}

void xlat_mtt_put(struct xlat *u, const struct xlat_tag *tag, const uint8_t *bytes)
{
    uint32_t i = page_line(u, tag);

    if (i == XLAT_NO_LINE) {
        i = oldest(u->mtt_used, page_set(u, tag), u->mtt_ways);
    }
    memcpy(&u->mtt[(size_t)i * u->fetch], bytes, u->fetch * sizeof *u->mtt);
    u->mtt_tag[i] = *tag;
    u->mtt_used[i] = ++u->s.used;
}
