/* kern.h: whom to tick when. One kernel drives the units of one handle (an adapter or a host).
 *
 * Most wakes are for the next cycle: one unit set. Times < WHEEL cycles ahead are bits in a wheel
 * of unit sets, anything later is one far time per unit, so no timer has a bound. Which places of
 * the wheel are in use is known by one word for those < NEAR ahead, by the words of occupied[] for
 * the others. A bit too many costs a tick, a missing one is a bug: KERN_CHECK finds it. Source: the
 * measurements in docs/adr/0005 (a binary heap cost 18 % more instructions). */
#pragma once
#include "model/assert.h"

#include <stdbool.h>
#include <stdint.h>

#define HCA_NEVER UINT64_MAX

enum { NEAR = 64, WHEEL = 512, KERN_UNITS = 64 };

struct fifo;

struct kern {
    uint64_t now;   /* cycle that is being or was last executed                        */
    uint64_t soon;  /* units due in cycle now + 1                                      */
    uint64_t later; /* first time in the wheel or far[]; HCA_NEVER: none               */
    bool drain;     /* the outside must take something out before the next cycle       */
    uint64_t cycles, activations, moves;
    uint64_t near;                 /* bit per cycle % NEAR < NEAR ahead in the wheel */
    uint64_t beyond;               /* first time in occupied[] or far[]              */
    uint64_t far_min;              /* least of far[]                                 */
    uint64_t far[KERN_UNITS];      /* one time beyond the wheel per unit, HCA_NEVER: none */
    uint64_t occupied[WHEEL / 64]; /* bit per wheel position that was >= NEAR ahead  */
    uint64_t wheel[WHEEL];         /* units due at cycle % WHEEL                     */
};

/* What a tick answers. moved: state, wires or statistics changed. wake: the earliest cycle at
 * which the unit could move although no wire changes (its timers, or `now` for "go on at once",
 * allowed only with moved); HCA_NEVER when only wires matter. */
struct act {
    bool moved;
    uint64_t wake;
};

#define IDLE           ((struct act){false, HCA_NEVER})
#define MOVED          ((struct act){true, HCA_NEVER})
#define AGAIN(t)       ((struct act){true, (t)->now})
#define WAKE_AT(cycle) ((struct act){false, (cycle)})

static inline void kern_init(struct kern *k)
{
    *k = (struct kern){.later = HCA_NEVER, .beyond = HCA_NEVER, .far_min = HCA_NEVER};
    for (unsigned u = 0; u < KERN_UNITS; u++) {
        k->far[u] = HCA_NEVER;
    }
}

/* The same, at least NEAR cycles ahead. */
static inline void kern_wake_beyond(struct kern *k, uint64_t set, uint64_t at)
{
    if (at - k->now < WHEEL) {
        const uint32_t i = at % WHEEL;
        k->wheel[i] |= set;
        k->occupied[i / 64] |= 1ULL << i % 64;
    } else {
        uint64_t *const far = &k->far[__builtin_ctzll(set)];
        *far = at < *far ? at : *far;
        k->far_min = at < k->far_min ? at : k->far_min;
    }
    k->beyond = at < k->beyond ? at : k->beyond;
}

/* Tick the unit of the one bit of `set` in cycle at > now + 1. */
static inline void kern_wake_later(struct kern *k, uint64_t set, uint64_t at)
{
    if (at - k->now < NEAR) {
        k->wheel[at % WHEEL] |= set;
        k->near |= 1ULL << at % NEAR;
    } else {
        kern_wake_beyond(k, set, at);
    }
    if (at < k->later) {
        k->later = at;
    }
}

/* The same in cycle `at`; a time that has passed means the next cycle. */
static inline void kern_wake_set(struct kern *k, uint64_t set, uint64_t at)
{
    if (at <= k->now + 1) {
        k->soon |= set;
    } else {
        kern_wake_later(k, set, at);
    }
}

static inline void kern_wake(struct kern *k, uint32_t unit, uint64_t at)
{
    kern_wake_set(k, 1ULL << unit, at);
}

/* First cycle after now in which some unit is due, or HCA_NEVER. */
static inline uint64_t kern_next(const struct kern *k)
{
    return k->soon != 0 ? k->now + 1 : k->later;
}

/* First time after now in occupied[], or HCA_NEVER. */
static inline uint64_t kern_scan(const struct kern *k, uint64_t now)
{
    const uint64_t rest = k->occupied[now % WHEEL / 64] >> now % 64 & ~1ULL;
    uint64_t base = (now | 63) + 1;

    if (rest != 0) {
        return now + (uint64_t)__builtin_ctzll(rest);
    }
    for (uint32_t n = 0; n < WHEEL / 64; n++, base += 64) {
        const uint64_t w = k->occupied[base % WHEEL / 64];
        if (w != 0) {
            return base + (uint64_t)__builtin_ctzll(w);
        }
    }
    return HCA_NEVER;
}

/* Units whose far time has come, forgotten. */
static inline uint64_t kern_far(struct kern *k, uint64_t now)
{
    uint64_t set = 0;

    k->far_min = HCA_NEVER;
    for (uint32_t u = 0; u < KERN_UNITS; u++) {
        if (k->far[u] <= now) {
            set |= 1ULL << u;
            k->far[u] = HCA_NEVER;
        }
        k->far_min = k->far[u] < k->far_min ? k->far[u] : k->far_min;
    }
    return set;
}

/* beyond has come: forgets it; the units whose far time it was. */
static inline uint64_t kern_reach(struct kern *k, uint64_t now)
{
    k->occupied[now % WHEEL / 64] &= ~(1ULL << now % 64);
    const uint64_t set = k->far_min <= now ? kern_far(k, now) : 0;
    const uint64_t next = kern_scan(k, now);

    k->beyond = next < k->far_min ? next : k->far_min;
    return set;
}

/* What waited in wheel and far[] for cycle now, forgotten; *far: those whose far time came. */
static inline uint64_t kern_late(struct kern *k, uint64_t now, uint64_t *far)
{
    uint64_t *const place = &k->wheel[now % WHEEL];
    const uint64_t set = *place;
    /* Bit j: now + j. */
    const uint64_t near = (k->near >> now % NEAR | k->near << (NEAR - now % NEAR) % NEAR) & ~1ULL;

    *place = 0;
    k->near = near << now % NEAR | near >> (NEAR - now % NEAR) % NEAR;
    if (k->beyond <= now) {
        *far = kern_reach(k, now);
    }
    const uint64_t next = near != 0 ? now + (uint64_t)__builtin_ctzll(near) : HCA_NEVER;
    k->later = next < k->beyond ? next : k->beyond;
    return set | *far;
}
