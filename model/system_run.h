/* system_run.h: the run loop, inline so that the switch over the units of a handle is a jump table
 * inside it (a call per activation cost 12 % more instructions). */
#pragma once
#include "model/system.h"

/* Books the answer of the unit whose bit is given. */
static inline void system_moved(struct system *y, uint64_t bit, struct act a)
{
    y->k.moves += a.moved;
    if (a.wake == HCA_NEVER) {
        return;
    }
    hca_assert(a.moved || a.wake > y->k.now); /* "at once" without a move hides a later timer */
    kern_wake_set(&y->k, bit, a.wake);
}

/* Begins cycle now; the units that are due in it. */
static inline uint64_t system_begin(struct system *y, uint64_t now)
{
    uint64_t far;
    const uint64_t set = kern_due(&y->k, now, &far) & y->only;

    y->k.now = now;
    y->t.now = now;
    y->k.cycles++;
    if (__builtin_expect(far != 0, 0)) {
        system_rewake(y, far);
    }
    return set;
}

/* A normal run; all other modes go through system_run_checked. */
static inline void system_run_due(struct system *y, void *handle, tick_fn *tick, uint64_t until)
{
    while (!y->k.drain) {
        const uint64_t now = kern_next(&y->k);
        if (now >= until) {
            return;
        }
        for (uint64_t set = system_begin(y, now); set != 0; set &= set - 1) {
            y->k.activations++;
            system_moved(y, set & -set, tick(handle, (uint32_t)__builtin_ctzll(set), &y->t));
        }
    }
}

/* Runs cycles < until; returns the next cycle to be executed. A run that ends because of an entry
 * (drain) ends right behind its cycle, whether or not something else is due before the limit. */
static inline uint64_t system_run(struct system *y, void *handle, tick_fn *tick,
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
