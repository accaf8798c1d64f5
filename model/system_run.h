/* system_run.h: the run loop, inline in both kinds of handle: each knows its table of ticks. */
#pragma once
#include "model/system.h"

/* Books the answer of the first unit of set. */
static inline void system_moved(struct system *y, uint64_t set, struct act a)
{
    y->k.moves += a.moved;
    if (a.wake == HCA_NEVER) {
        return;
    }
    hca_assert(a.moved || a.wake > y->k.now); /* "at once" without a move hides a later timer */
    kern_wake_set(&y->k, set & -set, a.wake);
}

/* Begins cycle now; the units that are due in it. */
static inline uint64_t system_begin(struct system *y, uint64_t now)
{
    uint64_t set = y->k.soon;

    y->k.soon = 0;
    y->k.now = now;
    y->t.now = now;
    y->k.cycles++;
    if (y->k.later <= now) {
        uint64_t far = 0;
        set |= kern_late(&y->k, now, &far);
        if (__builtin_expect(far != 0, 0)) {
            system_rewake(y, far);
        }
    }
    return set & y->only;
}

/* A normal run; all other modes go through system_run_checked. */
static inline void system_run_due(struct system *y, void *handle, tick_fn *const *tick,
                                  uint64_t until)
{
    while (!y->k.drain) {
        const uint64_t now = kern_next(&y->k);
        if (now >= until) {
            return;
        }
        for (uint64_t set = system_begin(y, now); set != 0; set &= set - 1) {
            y->k.activations++;
            system_moved(y, set, tick[__builtin_ctzll(set)](handle, &y->t));
        }
    }
}

/* Runs cycles < until; returns the next cycle to be executed. A run that ends because of an entry
 * (drain) ends right behind its cycle, whether or not something else is due before the limit. */
static inline uint64_t system_run(struct system *y, void *handle, tick_fn *const *tick,
                                  state_hash_fn *state, uint64_t until)
{
    y->k.drain = system_must_drain(y); /* during the run pushes and events keep it up to date */
    if (__builtin_expect(y->mode == 0, 1)) {
        system_run_due(y, handle, tick, until);
    } else {
        system_run_checked(y, handle, tick, state, until);
    }
    if (!y->k.drain && until > 0 && y->k.now < until - 1) {
        y->k.now = until - 1;
    }
    return y->k.now + 1;
}
