/* pool.h: slots of the beat store (packet buffers, WQE records) with one taker and any givers.
 *
 * A slot given back in cycle t can be taken in t + 1, so the answer of pool_ready does not depend
 * on tick order. Slot numbers are not observable: no hash, trace or message comparison sees them.
 */
#pragma once
#include "model/kern.h"

/* Bytes held by the slots of a pool, by lane, for one owner that charges them when it fills a slot.
 * A slot given back in cycle t lowers meter_held from t + 1 on. */
enum { POOL_LANES = 16 };
struct pool_meter {
    uint64_t given_at;                            /* cycle + 1                       */
    uint32_t held[POOL_LANES], given[POOL_LANES]; /* bytes; given: in cycle given_at */
    uint32_t slot[];                              /* bytes << 4 | lane               */
};

static inline uint32_t meter_held(const struct pool_meter *m, uint64_t now, uint32_t lane)
{
    return m->held[lane] + (m->given_at == now + 1 ? m->given[lane] : 0);
}

static inline void meter_charge(struct pool_meter *m, uint16_t slot, uint32_t lane, uint32_t bytes)
{
    m->slot[slot] = bytes << 4 | lane;
    m->held[lane] += bytes;
}

static inline void meter_give(struct pool_meter *m, uint64_t now, uint16_t slot)
{
    const uint32_t bytes = m->slot[slot] >> 4, lane = m->slot[slot] & 15;

    if (m->given_at != now + 1) {
        for (uint32_t i = 0; i < POOL_LANES; i++) {
            m->given[i] = 0;
        }
        m->given_at = now + 1;
    }
    m->slot[slot] = 0;
    m->held[lane] -= bytes;
    m->given[lane] += bytes;
}

struct pool {
    uint32_t n, free;         /* slots, free ones including those given in this cycle */
    uint32_t given;           /* slots given back in cycle given_at - 1               */
    uint64_t given_at;        /* cycle + 1                                            */
    uint64_t used_sum;        /* reserved for reports: sum of holding times, cycles    */
    uint8_t taker;            /* unit to wake when a slot comes back                  */
    uint16_t *stack;          /* [n] free slot numbers                                */
    uint64_t *in_use;         /* bitmap [n]: catches double give and use after give    */
    struct pool_meter *meter; /* NULL: bytes are not counted                         */
};

static inline void pool_init(struct pool *p, uint32_t n, uint8_t taker, uint16_t *stack,
                             uint64_t *in_use)
{
    *p = (struct pool){.n = n, .free = n, .taker = taker, .stack = stack, .in_use = in_use};
    for (uint32_t i = 0; i < n; i++) {
        stack[i] = (uint16_t)(n - 1 - i);
    }
}

static inline bool pool_ready(const struct pool *p, uint64_t now)
{
    return p->free > (p->given_at == now + 1 ? p->given : 0);
}

static inline uint16_t pool_take(struct pool *p, struct kern *k)
{
    hca_assert(pool_ready(p, k->now));
    const uint16_t slot = p->stack[--p->free];
    p->in_use[slot / 64] |= 1ULL << slot % 64;
    return slot;
}

static inline bool pool_holds(const struct pool *p, uint16_t slot)
{
    return slot < p->n && (p->in_use[slot / 64] >> slot % 64 & 1) != 0;
}

static inline void pool_give(struct pool *p, struct kern *k, uint16_t slot)
{
    hca_assert(pool_holds(p, slot));
    p->in_use[slot / 64] &= ~(1ULL << slot % 64);
    if (p->meter != NULL) {
        meter_give(p->meter, k->now, slot);
    }
    p->given = p->given_at == k->now + 1 ? p->given + 1 : 1;
    p->given_at = k->now + 1;
    p->stack[p->free++] = slot;
    if (p->taker != 255) {
        kern_wake(k, p->taker, k->now + 1);
    }
}
