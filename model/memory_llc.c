#include "model/memory.h"

#include "model/host.h"

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

/* The first part of [phys, phys + len) that lies in one sector. */
struct part {
    uint32_t bytes, lines, count; /* lines: a bit each; their number */
};

static struct part first_part(uint64_t phys, uint32_t len)
{
    const uint32_t at = (uint32_t)(phys % MEM_SECTOR), room = MEM_SECTOR - at;
    const uint32_t bytes = len < room ? len : room;
    const uint32_t first = at / MEM_LINE, last = (at + bytes - 1) / MEM_LINE;

    return (struct part){bytes, (2U << last) - (1U << first), last - first + 1};
}

/* Lines that stay in the cache: all but those that DMA only reads, or writes without DDIO. */
static uint64_t update(const struct memory *u, uint64_t entry, uint64_t lines, enum mem_use use)
{
    const uint64_t both = lines | lines << DIRTY_SHIFT;

    switch (use) {
    case MEM_USE_READ: return entry;
    case MEM_USE_WALK: return entry | lines;
    case MEM_USE_CORE: return entry | both;
    default: return u->ddio ? entry | both : entry & ~both;
    }
}

/* Looks up lines (a bit each) of a sector and updates the cache. Bit i: line i of the sector is to
 * be served by DRAM.
 * Warm: the cache starts full of buffers that have not been touched yet, so an unused way is taken
 * to be the sector that is looked up. Cold: it starts empty. */
static inline uint32_t llc(struct memory *u, const struct tick *t, uint64_t sector, uint32_t lines,
                           enum mem_use use)
{
    uint64_t *const set = set_of(u, sector);
    const unsigned way = find(set, sector);
    uint64_t entry = way < MEM_WAYS ? set[way] : (sector + 1) << TAG_SHIFT;

    if (way == MEM_WAYS && u->warm && set[MEM_WAYS - 1] == 0) {
        entry |= LINES_MASK;
    }
    const uint32_t missed = lines & ~(uint32_t)(entry & LINES_MASK);
    entry = update(u, entry, lines, use);
    if (way < MEM_WAYS) {
        to_front(set, way, entry);
    } else if ((entry & LINES_MASK) != 0) {
        replace(u, t, set, entry);
    }
    return use == MEM_USE_WRITE ? (u->ddio ? 0 : lines) : missed;
}

uint32_t memory_llc(struct memory *u, const struct tick *t, uint64_t phys, uint32_t len,
                    enum mem_use use)
{
    return llc(u, t, phys / MEM_SECTOR, first_part(phys, len).lines, use);
}

/* --- servers --- */

/* Takes n of the servers whose turn it is out of it until `free_at`; they must be of one run. */
static void occupy(struct memory *u, uint32_t n, uint64_t free_at)
{
    struct mem_servers *const r = memory_next(u);

    r->n -= n;
    u->s.head += r->n == 0;
    struct mem_servers *const last = &u->servers[(u->s.tail - 1) & (u->runs - 1)];
    if (u->s.tail != u->s.head && last->free_at == free_at) {
        last->n += n;
    } else {
        struct mem_servers *const fresh = &u->servers[u->s.tail++ & (u->runs - 1)];
        fresh->free_at = free_at;
        fresh->n = n;
    }
}

/* Serves n lines that the cache holds, from the cycle `from` on; the cycle in which the last is
 * done. A line occupies a server; servers are used in turn, as a queue of outstanding requests is.
 */
static uint64_t serve_hits(struct memory *u, uint64_t from, uint32_t n, uint64_t remote)
{
    uint64_t done = 0;

    while (n > 0) {
        const struct mem_servers *const r = memory_next(u);
        const uint32_t now = n < r->n ? n : r->n;
        const uint64_t end = (from > r->free_at ? from : r->free_at) + u->hit + remote;
        occupy(u, now, end);
        done = end > done ? end : done;
        n -= now;
    }
    return done;
}

/* The same for `lines` of a sector, of which DRAM serves `missed`. */
static uint64_t serve_missed(struct memory *u, uint64_t from, uint32_t lines, uint32_t missed,
                             uint64_t remote)
{
    uint64_t done = 0;

    for (; lines != 0; lines &= lines - 1) {
        const uint64_t free_at = memory_next(u)->free_at;
        uint64_t end = from > free_at ? from : free_at;
        if ((missed & lines & (0 - lines)) != 0) {
            end = end > u->s.dram.free_at ? end : u->s.dram.free_at;
            (void)serial_take(&u->s.dram, end, MEM_LINE);
            end += u->miss + remote;
        } else {
            end += u->hit + remote;
        }
        occupy(u, 1, end);
        done = end > done ? end : done;
    }
    return done;
}

uint64_t memory_serve(struct memory *u, const struct tick *t, uint64_t from, uint64_t phys,
                      uint32_t len, enum mem_use use)
{
    const uint64_t remote = phys >> HOST_VM_SHIFT != 0 ? u->remote : 0;
    uint64_t done = from + 1;

    while (len > 0) {
        const struct part c = first_part(phys, len);
        const uint32_t missed = llc(u, t, phys / MEM_SECTOR, c.lines, use);
        const uint32_t misses = missed == 0 ? 0 : (uint32_t)__builtin_popcount(missed);
        const uint64_t end = missed == 0 ? serve_hits(u, from, c.count, remote)
                                         : serve_missed(u, from, c.lines, missed, remote);

        done = end > done ? end : done;
        t->s->memory_llc_misses += misses;
        t->s->memory_llc_hits += c.count - misses;
        t->s->memory_remote_lines += remote != 0 ? c.count : 0;
        phys += c.bytes;
        len -= c.bytes;
    }
    return done - 1;
}
