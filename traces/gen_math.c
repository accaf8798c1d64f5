/* Integer arithmetic behind the generator's distributions. */
#include "traces/gen_math.h"

#include <stdlib.h>

#define Q32 (1ull << 32)

static const uint64_t ln2_q32 = 2977044472u;   /* ln 2 * 2^32                     */
static const uint64_t log2e_q32 = 6196328019u; /* 2^32 / ln 2                     */
static const uint64_t pcg_multiplier = 6364136223846793005ull;

uint64_t fx_mul(uint64_t a, uint64_t b, unsigned shift)
{
    const uint64_t mask = 0xffffffffu;
    const uint64_t ll = (a & mask) * (b & mask);
    const uint64_t lh = (a & mask) * (b >> 32);
    const uint64_t hl = (a >> 32) * (b & mask);
    const uint64_t mid = (ll >> 32) + (lh & mask) + (hl & mask);
    const uint64_t lo = (ll & mask) | mid << 32;
    const uint64_t hi = (a >> 32) * (b >> 32) + (lh >> 32) + (hl >> 32) + (mid >> 32);

    if (shift == 0) {
        return lo;
    }
    return shift >= 64 ? hi >> (shift - 64) : lo >> shift | hi << (64 - shift);
}

uint64_t fx_sqrt(uint64_t x)
{
    uint64_t root = 0;
    for (uint64_t bit = 1ull << 31; bit; bit >>= 1) {
        const uint64_t r = root | bit;
        root = r * r <= x ? r : root;
    }
    return root;
}

/* Squares the mantissa 32 times; each overflow past 2 is one bit of the logarithm. */
uint64_t fx_log2(uint64_t x)
{
    const unsigned whole = 63u - (unsigned)__builtin_clzll(x);
    uint64_t m = whole >= 31 ? x >> (whole - 31) : x << (31 - whole); /* 1.0 = 2^31 */
    uint64_t fraction = 0;

    for (int i = 0; i < 32; i++) {
        m = m * m >> 31;
        fraction <<= 1;
        if (m >> 32) {
            fraction |= 1;
            m >>= 1;
        }
    }
    return (uint64_t)whole << 32 | fraction;
}

uint64_t fx_exp2_q16(uint64_t x)
{
    uint64_t value = 1ull << 30; /* 2^fraction, 1.0 = 2^30 */
    uint64_t root = 1ull << 31;  /* 2^(2^-i), from 2 down by square roots */
    const unsigned whole = (unsigned)(x >> 32);

    for (uint64_t bit = 1ull << 31; bit >> 4; bit >>= 1) {
        root = fx_sqrt(root << 30);
        value = x & bit ? value * root >> 30 : value;
    }
    return whole >= 14 ? value << (whole - 14) : value >> (14 - whole);
}

void pcg_seed(struct pcg *p, uint64_t seed, uint64_t sequence)
{
    p->state = 0;
    p->inc = sequence << 1 | 1;
    (void)pcg_next(p);
    p->state += seed;
    (void)pcg_next(p);
}

uint32_t pcg_next(struct pcg *p)
{
    const uint64_t old = p->state;
    const uint32_t x = (uint32_t)((old >> 18 ^ old) >> 27);
    const unsigned turn = (unsigned)(old >> 59);

    p->state = old * pcg_multiplier + p->inc;
    return x >> turn | x << (32 - turn) % 32;
}

uint64_t pcg_u64(struct pcg *p)
{
    const uint64_t hi = pcg_next(p);
    return hi << 32 | pcg_next(p);
}

uint64_t pcg_below(struct pcg *p, uint64_t n)
{
    const uint64_t reject = (0 - n) % n; /* 2^64 mod n values would favour the low ones */
    uint64_t x = pcg_u64(p);
    while (x < reject) {
        x = pcg_u64(p);
    }
    return x % n;
}

uint64_t pcg_exponential(struct pcg *p)
{
    const uint64_t u = pcg_u64(p) | 1; /* u / 2^64 in (0, 1) */
    return fx_mul((64ull << 32) - fx_log2(u), ln2_q32, 32);
}

/* Magnitude of a Q31 number in -1..1. */
static uint64_t size_of(int32_t x)
{
    return x < 0 ? (uint64_t) - (int64_t)x : (uint64_t)x;
}

int64_t pcg_normal(struct pcg *p)
{
    for (;;) {
        const int32_t u = (int32_t)pcg_next(p);
        const uint64_t v = size_of((int32_t)pcg_next(p));
        const uint64_t s = size_of(u) * size_of(u) + v * v; /* Q62 */
        if (s == 0 || s >> 62) {
            continue;
        }
        /* u * sqrt(-2 ln(s) / s) = (u / sqrt(s)) * sqrt(-2 ln(s)): the first factor is <= 1 and the
         * second <= 9.3, so neither overflows. */
        const uint64_t direction = (size_of(u) << 32) / fx_sqrt(s); /* Q32 */
        const uint64_t minus_2ln = fx_mul((62ull << 32) - fx_log2(s), ln2_q32, 31);
        const uint64_t z = fx_mul(direction, fx_sqrt(minus_2ln << 24), 28);
        return u < 0 ? -(int64_t)z : (int64_t)z;
    }
}

/* ---- Zipf ---- */

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b) {
        const uint32_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

bool zipf_init(struct zipf *z, uint32_t n, uint64_t theta_q32)
{
    uint64_t sum = 0;

    *z = (struct zipf){.sum = malloc(n * sizeof *z->sum), .n = n};
    if (!z->sum) {
        return false;
    }
    for (uint32_t k = 0; k < n; k++) {
        const uint64_t down = fx_mul(theta_q32, fx_log2(k + 1), 32);
        const uint64_t weight = down < 32ull << 32 ? fx_exp2_q16((32ull << 32) - down) >> 16 : 0;
        sum += weight ? weight : 1;
        z->sum[k] = sum;
    }
    /* Golden-ratio steps: neighbouring ranks land far apart, so hot pages are not one hot range. */
    z->step = (uint32_t)((uint64_t)n * 2654435769u >> 32);
    while (z->step == 0 || gcd(z->step, n) != 1) {
        z->step++;
    }
    return true;
}

void zipf_free(struct zipf *z)
{
    free(z->sum);
    *z = (struct zipf){0};
}

/* First place whose running sum is above x. */
static uint32_t above(const uint64_t *sum, uint32_t n, uint64_t x)
{
    uint32_t lo = 0;
    uint32_t hi = n - 1;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (sum[mid] > x) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo;
}

uint32_t zipf_next(const struct zipf *z, struct pcg *p)
{
    const uint32_t rank = above(z->sum, z->n, pcg_below(p, z->sum[z->n - 1]));
    return (uint32_t)((uint64_t)rank * z->step % z->n);
}

/* ---- sizes ---- */

/* Inverse of a cumulative distribution, linear between its points. */
static uint32_t from_cdf(const struct sizes *s, struct pcg *p)
{
    const uint64_t x = pcg_below(p, s->weight[s->points - 1]);
    const uint32_t i = above(s->weight, s->points, x);
    if (i == 0) {
        return s->bytes[0];
    }
    const uint64_t span = s->weight[i] - s->weight[i - 1];
    const uint64_t rise = s->bytes[i] - s->bytes[i - 1];
    return s->bytes[i - 1] + (uint32_t)(rise * (x - s->weight[i - 1]) / span);
}

/* size = median * e^(sigma * z) = 2^(log2 median + sigma * z / ln 2), cut to 1..max. */
static uint32_t from_lognormal(const struct sizes *s, struct pcg *p)
{
    const int64_t z = pcg_normal(p);
    const uint64_t by = fx_mul(fx_mul(s->sigma_q32, (uint64_t)(z < 0 ? -z : z), 32), log2e_q32, 32);
    const uint64_t at = s->median_log2_q32;

    if (z < 0) {
        return by < at ? (uint32_t)(fx_exp2_q16(at - by) >> 16) : 1;
    }
    if (at + by >= 32ull << 32) {
        return s->max;
    }
    const uint64_t size = fx_exp2_q16(at + by) >> 16;
    return size < s->max ? (uint32_t)size : s->max;
}

uint32_t sizes_next(struct sizes *s, struct pcg *p)
{
    switch (s->kind) {
    case SIZE_CYCLE: {
        const uint32_t bytes = s->bytes[s->next];
        s->next = s->next + 1 < s->points ? s->next + 1 : 0;
        return bytes;
    }
    case SIZE_UNIFORM:
        return s->bytes[0] + (uint32_t)pcg_below(p, (uint64_t)s->bytes[1] - s->bytes[0] + 1);
    case SIZE_LOGNORMAL: return from_lognormal(s, p);
    case SIZE_CHOICE:
        return s->bytes[above(s->weight, s->points, pcg_below(p, s->weight[s->points - 1]))];
    default: return from_cdf(s, p);
    }
}
