/* kern.h: whom to tick when. One kernel drives the units of one handle (an adapter or a host).
 *
 * Most wakes are for the next cycle: one unit set. Near times (< WHEEL cycles ahead) are bits in a
 * wheel of unit sets; anything later is one far time per unit, so no timer has a bound. A bit too
 * many costs a tick, a missing one is a bug: KERN_CHECK finds it.
 * Source: the measurements in docs/adr/0005 (a binary heap cost 18 % more instructions). */
#pragma once
#include "model/assert.h"

#include <stdbool.h>
#include <stdint.h>

#define HCA_NEVER UINT64_MAX

enum { WHEEL = 512, KERN_UNITS = 64 };

struct fifo;

struct kern {
    uint64_t now;   /* cycle that is being or was last executed                        */
    uint64_t soon;  /* units due in cycle now + 1                                      */
    uint64_t later; /* first time in wheel or far[], HCA_NEVER: none                   */
    bool drain;     /* the outside must take something out before the next cycle       */
    uint64_t cycles, activations, moves;
    uint64_t far_min;              /* least of far[]                                 */
    uint64_t far[KERN_UNITS];      /* one time beyond the wheel per unit, HCA_NEVER: none */
    uint64_t occupied[WHEEL / 64]; /* bit per wheel position that is not empty       */
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
    *k = (struct kern){.later = HCA_NEVER, .far_min = HCA_NEVER};
    for (unsigned u = 0; u < KERN_UNITS; u++) {
        k->far[u] = HCA_NEVER;
    }
}

/* Tick the unit of the one bit of `set` in cycle at > now + 1. */
static inline void kern_wake_later(struct kern *k, uint64_t set, uint64_t at)
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

/* First time in the wheel beyond the word of now, or HCA_NEVER. */
static inline uint64_t kern_scan(const struct kern *k, uint64_t now)
{
    uint64_t base = (now | 63) + 1;

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

/* What has waited in wheel and far[] for cycle now; *far: those of far[]. */
static inline uint64_t kern_late(struct kern *k, uint64_t now, uint64_t *far)
{
    const uint32_t i = now % WHEEL;
    uint64_t *const word = &k->occupied[i / 64];
    const uint64_t set = k->wheel[i], rest = *word >> i % 64 & ~1ULL;

    k->wheel[i] = 0;
    *word &= ~(1ULL << i % 64);
    const uint64_t next = rest != 0 ? now + (uint64_t)__builtin_ctzll(rest) : kern_scan(k, now);
    if (__builtin_expect(k->far_min <= now, 0)) {
        *far = kern_far(k, now);
    }
    k->later = next < k->far_min ? next : k->far_min;
    return set | *far;
}

/* Units due in cycle now, forgotten; *far: those among them whose far time came. */
static inline uint64_t kern_due(struct kern *k, uint64_t now, uint64_t *far)
{
    const uint64_t set = k->soon;

    k->soon = 0;
    *far = 0;
    return k->later <= now ? set | kern_late(k, now, far) : set;
}
