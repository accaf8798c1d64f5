/* Random numbers and distributions of the trace generator: integers only, so that one seed gives
 * the same trace on every machine and compiler.
 *
 * Source: PCG32 is pcg_setseq_64_xsh_rr_32 of O'Neill, "PCG: A Family of Simple Fast ...", 2014;
 * its test vector (seed 42, sequence 54) is in tests/trace_gen_test.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "traces/hct.h"

/* ---- fixed point: Q32 is a number times 2^32 ---- */

/* floor(a * b / 2^shift), shift 0..127; the result must fit 64 bits. */
uint64_t fx_mul(uint64_t a, uint64_t b, unsigned shift);
/* floor(sqrt(x)). */
uint64_t fx_sqrt(uint64_t x);
/* log2 of x >= 1 in Q32; relative to the true value at most 2^-26 low. */
uint64_t fx_log2(uint64_t x);
/* 2^(x / 2^32) in Q16, x in Q32 and below 47 * 2^32; the error is below 2^-24 of the value. */
uint64_t fx_exp2_q16(uint64_t x);

/* ---- random numbers ---- */

struct pcg {
    uint64_t state, inc;
};

void pcg_seed(struct pcg *p, uint64_t seed, uint64_t sequence);
uint32_t pcg_next(struct pcg *p);
uint64_t pcg_u64(struct pcg *p);
/* Uniform in 0..n-1 without bias, n >= 1. */
uint64_t pcg_below(struct pcg *p, uint64_t n);
/* Exponential with mean 1, in Q32. */
uint64_t pcg_exponential(struct pcg *p);
/* Normal with mean 0 and deviation 1, in Q32 (Marsaglia's polar method). */
int64_t pcg_normal(struct pcg *p);

/* ---- Zipf: P(rank k) ~ k^-theta, k = 1..n ---- */

enum { ZIPF_MAX = 1048576 };

struct zipf {
    uint64_t *sum; /* running sums of the weights, Q32 each */
    uint32_t n, step;
};

/* theta in Q32, 0..8; n in 1..ZIPF_MAX. False: no memory. */
bool zipf_init(struct zipf *z, uint32_t n, uint64_t theta_q32);
void zipf_free(struct zipf *z);
/* A value in 0..n-1; rank 1 is value 0, the next ranks are scattered over the values. */
uint32_t zipf_next(const struct zipf *z, struct pcg *p);

/* ---- message sizes ---- */

enum { SIZE_POINTS_MAX = 1024 };

enum size_kind { SIZE_CYCLE, SIZE_UNIFORM, SIZE_LOGNORMAL, SIZE_CHOICE, SIZE_CDF };

struct sizes {
    enum size_kind kind;
    uint32_t points, next;               /* cycle: next point                                   */
    uint32_t bytes[SIZE_POINTS_MAX];     /* cycle, choice, cdf; uniform: lowest and highest     */
    uint64_t weight[SIZE_POINTS_MAX];    /* choice: running sums of weights; cdf: cumulative
                                            probability in Q32, rising, the last 2^32 */
    uint64_t median_log2_q32, sigma_q32; /* lognormal: log2 of the median; sigma of ln(size) */
    uint32_t max;                        /* largest size that can come                       */
};

uint32_t sizes_next(struct sizes *s, struct pcg *p);
