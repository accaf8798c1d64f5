/* hist.h: log-linear histogram of u64 values: exact below 2048, then 1024 steps per power of two,
 * so a percentile is at most 0.1 % above the true value. Minimum, maximum, sum and count are exact.
 */
#pragma once
#include <stdint.h>

enum { HIST_SUB_BITS = 10, HIST_BUCKETS = (65 - HIST_SUB_BITS) << HIST_SUB_BITS };

struct hist {
    uint64_t count, min, max;
    uint64_t sum_lo, sum_hi; /* 128-bit sum */
    uint64_t *bucket;        /* [HIST_BUCKETS], NULL until the first value */
};

/* Adds one value; false: no memory (the value is not counted). */
_Bool hist_add(struct hist *h, uint64_t value);
void hist_free(struct hist *h);

/* Smallest value that per_million of all values do not exceed (nearest rank), 0 when empty. */
uint64_t hist_percentile(const struct hist *h, uint32_t per_million);

/* Mean, rounded to nearest; 0 when empty. */
uint64_t hist_mean(const struct hist *h);
