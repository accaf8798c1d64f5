/* assoc.h: the tag side of a set-associative cache with exact LRU; payload lies in an array of the
 * owner, by line number. All operations take constant time: keys are found by a hash, the order of
 * use is a list per set. */
#pragma once
#include "model/arena.h"

#include <stdbool.h>
#include <stdint.h>

#define ASSOC_NONE UINT32_MAX

struct assoc_line {
    uint64_t key;
    uint32_t newer, older; /* neighbours in the order of use of the set */
    uint32_t chain;        /* next line of the same hash bucket         */
    uint32_t valid;
};

struct assoc {
    uint32_t lines, ways, sets, buckets; /* sets and buckets are powers of two */
    struct assoc_line *line;             /* [lines]                            */
    uint32_t *newest, *oldest;           /* [sets]                             */
    uint32_t *bucket;                    /* [buckets] first line of the chain  */
};

/* lines may be 0: nothing is ever found or kept. lines / ways must be a power of two. */
void assoc_open(struct assoc *c, struct arena *a, uint64_t lines, uint64_t ways);

static inline uint32_t *assoc_bucket(const struct assoc *c, uint64_t key)
{
    return &c->bucket[(key * 0x9e3779b97f4a7c15ULL >> 32) & (c->buckets - 1)];
}

/* Line of a key, ASSOC_NONE when absent; the order of use stays. */
static inline uint32_t assoc_find(const struct assoc *c, uint64_t key)
{
    uint32_t i = *assoc_bucket(c, key);
    while (i != ASSOC_NONE && c->line[i].key != key) {
        i = c->line[i].chain;
    }
    return i;
}

/* Makes a line the most recently used one of its set; assoc_renew: one that is not yet. */
void assoc_renew(struct assoc *c, uint32_t line);
static inline void assoc_touch(struct assoc *c, uint32_t line)
{
    if (c->line[line].newer != ASSOC_NONE) {
        assoc_renew(c, line);
    }
}

/* Line for a key that is absent, in the set with these index bits; replaces the oldest line of the
 * set (*evicted when that held a key). ASSOC_NONE only when there are no lines. */
uint32_t assoc_insert(struct assoc *c, uint64_t key, uint64_t index, bool *evicted);

/* Forgets a valid line. */
void assoc_drop(struct assoc *c, uint32_t line);
