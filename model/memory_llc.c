#include "model/memory.h"

/* One tag stands for a sector of eight lines, so that a TLP costs one or two lookups instead of one
 * per line. A set is an array ordered by last use. */

enum { TAG_SHIFT = 16, DIRTY_SHIFT = 8, LINES_MASK = 0xff };

static uint64_t *set_of(const struct memory *u, uint64_t sector)
{
    const uint64_t mixed = (sector * 0x9e3779b97f4a7c15ULL) >> 32; /* as slice hashes do */

    return &u->tag[(mixed * u->sets >> 32) * MEM_WAYS];
}

static unsigned find(const uint64_t *set, uint64_t sector)
{
    unsigned way = 0;

    while (way < MEM_WAYS && set[way] >> TAG_SHIFT != sector + 1) {
        way++;
    }
    return way;
}

static void to_front(uint64_t *set, unsigned way, uint64_t entry)
{
    for (; way > 0; way--) {
        set[way] = set[way - 1];
    }
    set[0] = entry;
}

/* Puts a sector in place of the least recently used one, whose dirty lines go to DRAM. */
static void replace(struct memory *u, const struct tick *t, uint64_t *set, uint64_t entry)
{
    const uint32_t dirty = set[MEM_WAYS - 1] >> DIRTY_SHIFT & LINES_MASK;

    if (dirty != 0) {
        const uint32_t lines = (uint32_t)__builtin_popcount(dirty);
        (void)serial_take(&u->s.dram, t->now, (uint64_t)lines * MEM_LINE);
        t->s->memory_written_back += lines;
    }
    to_front(set, MEM_WAYS - 1, entry);
}

/* Lines that stay in the cache: all but those that DMA only reads, or writes without DDIO. */
static uint64_t update(const struct hca_param *p, uint64_t entry, uint64_t lines, enum mem_use use)
{
    switch (use) {
    case MEM_USE_READ: return entry;
    case MEM_USE_WALK: return entry | lines;
    case MEM_USE_CORE: return entry | lines | lines << DIRTY_SHIFT;
    default:
        return p->host_ddio != 0 ? entry | lines | lines << DIRTY_SHIFT
                                 : entry & ~(lines | lines << DIRTY_SHIFT);
    }
}

/* Warm: the cache starts full of buffers that have not been touched yet, so an unused way is taken
 * to be the sector that is looked up. Cold: it starts empty. */
uint32_t memory_llc(struct memory *u, const struct tick *t, uint64_t phys, uint32_t len,
                    enum mem_use use)
{
    const uint64_t sector = phys / MEM_SECTOR, off = phys % MEM_SECTOR;
    const uint32_t first = (uint32_t)(off / MEM_LINE),
                   last = (uint32_t)((off + len - 1) / MEM_LINE);
    const uint32_t lines = (2U << last) - (1U << first);
    uint64_t *const set = set_of(u, sector);
    const unsigned way = find(set, sector);
    uint64_t entry = way < MEM_WAYS ? set[way] : (sector + 1) << TAG_SHIFT;
    const bool warm = way == MEM_WAYS && set[MEM_WAYS - 1] == 0 &&
                      t->p->host_buffer_state == HCA_HOST_BUFFER_STATE_WARM;

    if (warm) {
        entry |= LINES_MASK;
    }
    const uint32_t missed = lines & ~(uint32_t)(entry & LINES_MASK);
    entry = update(t->p, entry, lines, use);
    if (way < MEM_WAYS) {
        to_front(set, way, entry);
    } else if ((entry & LINES_MASK) != 0) {
        replace(u, t, set, entry);
    }
    return use == MEM_USE_WRITE ? (t->p->host_ddio != 0 ? 0 : lines) : missed;
}
