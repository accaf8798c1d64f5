#include "model/tlp.h"

__extension__ typedef unsigned __int128 u128;

enum {
    DLLP_BYTES = 8, /* 4 of content, 2 of CRC, 2 of framing: ACK or UpdateFC */
    SKP_BYTES = 4,
    RATE_BITS = 45, /* times the bytes of the longest train stays below 2^64 */
    BITS_PER_BYTE = 8,
    HZ_PER_KHZ = 1000
};

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static void cancel(uint64_t *a, uint64_t *b)
{
    const uint64_t g = gcd(*a, *b);

    *a /= g;
    *b /= g;
}

struct serial tlp_line(const struct hca_param *p)
{
    const uint64_t ack = hca_param_ack_interval_bytes(p), fc = hca_param_fc_interval_bytes(p);
    const uint64_t skp = p->pcie_skp_interval_bytes;
    uint64_t all = ack * fc * skp; /* <= 2^48 */
    const uint64_t lost = DLLP_BYTES * skp * (ack + fc) + SKP_BYTES * ack * fc;
    uint64_t rate, den;

    hca_assert(lost < all); /* a rule of param_rule.def */
    uint64_t share = all - lost;
    hca_param_pcie_rate(p, &rate, &den);
    uint64_t clock = p->core_clock_khz * HZ_PER_KHZ * BITS_PER_BYTE * den;
    cancel(&clock, &rate);
    cancel(&clock, &share);
    cancel(&all, &rate);
    cancel(&all, &share);
    u128 n = (u128)clock * all, d = (u128)rate * share;
    while (n >> RATE_BITS != 0 || d >> RATE_BITS != 0) {
        n = (n + 1) / 2;
        d = (d + 1) / 2;
    }
    return (struct serial){.num = (uint64_t)n, .den = (uint64_t)d};
}
