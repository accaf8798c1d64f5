/* system_run.h: the run loop, inline so that the switch over the units of a handle is a jump table
 * inside it (a call per activation cost 12 % more instructions). */
#pragma once
#include "model/system.h"

static inline void system_moved(struct system *y, uint32_t unit, struct act a)
{
    y->k.moves += a.moved;
    if (a.wake == HCA_NEVER) {
        return;
    }
    hca_assert(a.moved || a.wake > y->k.now); /* "at once" without a move hides a later timer */
    kern_wake(&y->k, unit, a.wake);
}

/* The units of a cycle in a normal run; all other modes go through system_checked. */
static inline void system_run_set(struct system *y, void *handle, tick_fn *tick, uint64_t set)
{
    while (set != 0) {
        const uint32_t unit = (uint32_t)__builtin_ctzll(set);
        set &= set - 1;
        y->k.activations++;
        system_moved(y, unit, tick(handle, unit, &y->t));
    }
}

static inline void system_cycle_run(struct system *y, void *handle, tick_fn *tick,
                                    state_hash_fn *state, uint64_t now)
{
    uint64_t far;
    const uint64_t set = kern_due(&y->k, now, &far) & y->only;

    y->k.now = now;
    y->t.now = now;
    y->k.cycles++;
    if (__builtin_expect(far != 0, 0)) {
        system_rewake(y, far);
    }
    if (__builtin_expect(y->mode == 0, 1)) {
        system_run_set(y, handle, tick, set);
    } else {
        system_checked(y, handle, tick, state, set);
    }
}

/* Runs cycles < until; returns the next cycle to be executed. */
static inline uint64_t system_run(struct system *y, void *handle, tick_fn *tick,
                                  state_hash_fn *state, uint64_t until)
{
    const bool every = (y->mode & (HCA_MODE_NOSKIP | HCA_MODE_CHECK)) != 0;

    for (y->k.drain = true;;) {
        /* Asked first: a run that ends because of an entry ends right behind its cycle, whether or
         * not something else is due before the limit. */
        if (y->k.drain) {
            y->k.drain = system_must_drain(y);
        }
        if (y->k.drain || trace_near_full(&y->trace)) {
            return y->k.now + 1;
        }
        const uint64_t now = every ? y->k.now + 1 : kern_next(&y->k);
        if (now >= until) {
            break;
        }
        system_cycle_run(y, handle, tick, state, now);
    }
    if (until > 0 && y->k.now < until - 1) {
        y->k.now = until - 1;
    }
    return y->k.now + 1;
}
