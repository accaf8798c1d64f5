#include "sim/report/hist.h"

#include <stdbool.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 u128;

enum { SUB = 1 << HIST_SUB_BITS };

static uint32_t bucket_of(uint64_t v)
{
    if (v < 2ULL * SUB) {
        return (uint32_t)v;
    }
    const uint32_t top = 63 - (uint32_t)__builtin_clzll(v);
    return (top - HIST_SUB_BITS) * SUB + (uint32_t)(v >> (top - HIST_SUB_BITS));
}

/* Largest value that falls into a bucket. */
static uint64_t upper(uint32_t b)
{
    if (b < 2 * SUB) {
        return b;
    }
    const uint32_t shift = b / SUB - 1;
    return ((((uint64_t)b % SUB + SUB + 1) << shift) - 1);
}

_Bool hist_add(struct hist *h, uint64_t value)
{
    if (h->bucket == NULL) {
        h->bucket = calloc(HIST_BUCKETS, sizeof *h->bucket);
        if (h->bucket == NULL) {
            return false;
        }
        h->min = UINT64_MAX;
    }
    h->bucket[bucket_of(value)]++;
    h->count++;
    h->min = value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
    h->sum_hi += __builtin_add_overflow(h->sum_lo, value, &h->sum_lo);
    return true;
}

void hist_free(struct hist *h)
{
    free(h->bucket);
    *h = (struct hist){0};
}

uint64_t hist_percentile(const struct hist *h, uint32_t per_million)
{
    if (h->count == 0) {
        return 0;
    }
    uint64_t rank = (uint64_t)(((u128)h->count * per_million + 999999) / 1000000), seen = 0;
    rank = rank == 0 ? 1 : rank;
    for (uint32_t b = 0; b < HIST_BUCKETS; b++) {
        seen += h->bucket[b];
        if (seen >= rank) {
            const uint64_t v = upper(b);
            return v > h->max ? h->max : v < h->min ? h->min : v;
        }
    }
    return h->max;
}

uint64_t hist_mean(const struct hist *h)
{
    if (h->count == 0) {
        return 0;
    }
    const u128 sum = (u128)h->sum_hi << 64 | h->sum_lo;
    return (uint64_t)((sum + h->count / 2) / h->count);
}
