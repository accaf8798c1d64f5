/* kern.h: whom to tick when. One kernel drives the units of one handle (an adapter or a host).
 *
 * Near times (< WHEEL cycles ahead) are bits in a wheel of unit sets; anything later is one far
 * time per unit, so no timer has a bound. A bit too many costs a tick, a missing one is a bug:
 * KERN_CHECK finds it.
 * Source: the measurements in docs/adr/0005 (a binary heap cost 18 % more instructions). */
#pragma once
#include "model/assert.h"

#include <stdbool.h>
#include <stdint.h>

#define HCA_NEVER UINT64_MAX

enum { WHEEL = 512, KERN_UNITS = 64 };

struct fifo;

struct kern {
    uint64_t now;                  /* cycle that is being or was last executed       */
    uint64_t far_min;              /* least of far[]                                 */
    uint64_t far[KERN_UNITS];      /* one time beyond the wheel per unit, HCA_NEVER: none */
    uint64_t occupied[WHEEL / 64]; /* bit per wheel position that is not empty       */
    uint64_t wheel[WHEEL];         /* units due at cycle % WHEEL                     */
    uint64_t cycles, activations, moves;
    bool drain; /* a wire to the outside must be emptied before the next cycle */
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
    *k = (struct kern){.far_min = HCA_NEVER};
    for (unsigned u = 0; u < KERN_UNITS; u++) {
        k->far[u] = HCA_NEVER;
    }
}

/* Tick unit in cycle `at`; a time that has passed means the next cycle. */
static inline void kern_wake(struct kern *k, uint32_t unit, uint64_t at)
{
    if (at <= k->now) {
        at = k->now + 1;
    }
    if (at - k->now < WHEEL) {
        const uint32_t i = at % WHEEL;
        k->wheel[i] |= 1ULL << unit;
        k->occupied[i / 64] |= 1ULL << i % 64;
    } else if (at < k->far[unit]) {
        k->far[unit] = at;
        k->far_min = at < k->far_min ? at : k->far_min;
    }
}

/* First cycle after now in which some unit is due, or HCA_NEVER. */
static inline uint64_t kern_next(const struct kern *k)
{
    const uint64_t from = k->now + 1;
    const uint32_t s = from % WHEEL;
    const uint64_t first = k->occupied[s / 64] >> s % 64;
    uint64_t near = HCA_NEVER;

    if (first != 0) {
        near = from + (uint64_t)__builtin_ctzll(first);
    } else {
        uint64_t base = from + 64 - s % 64;
        for (uint32_t n = 0; n < WHEEL / 64; n++, base += 64) {
            const uint64_t w = k->occupied[base % WHEEL / 64];
            if (w != 0) {
                near = base + (uint64_t)__builtin_ctzll(w);
                break;
            }
        }
    }
    return near < k->far_min ? near : k->far_min;
}

/* Units due in cycle now, forgotten; *far: those among them whose far time came. */
static inline uint64_t kern_due(struct kern *k, uint64_t now, uint64_t *far)
{
    const uint32_t i = now % WHEEL;
    const uint64_t set = k->wheel[i];

    k->wheel[i] = 0;
    k->occupied[i / 64] &= ~(1ULL << i % 64);
    *far = 0;
    if (k->far_min <= now) {
        k->far_min = HCA_NEVER;
        for (uint32_t u = 0; u < KERN_UNITS; u++) {
            if (k->far[u] <= now) {
                *far |= 1ULL << u;
                k->far[u] = HCA_NEVER;
            }
            k->far_min = k->far[u] < k->far_min ? k->far[u] : k->far_min;
        }
    }
    return set | *far;
}
