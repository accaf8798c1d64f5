/* host_drive.h: a host with open ends: requests go in at up_tlp, as a root port receives them.
 *
 *   struct host *h = drive_open(&p, units);
 *   drive(h, 3);                                  three cycles, edges are not emptied
 *   DRIVE_TAKE(h, dn_tlp, &m)                     takes what is visible now
 * Edges behave as stalling sinks: nothing is taken unless the test takes it. */
#pragma once
#include "tests/unit.h"

static inline void drive_open_edges(struct host *h)
{
    h->y.outs = 0;
}

static inline struct host *drive_open(const struct hca_param *p, uint64_t units)
{
    struct host *const h = unit_host(p, units);

    drive_open_edges(h);
    return h;
}

static inline uint64_t drive_now(const struct host *h)
{
    return h->y.k.now;
}

static inline void drive(struct host *h, uint64_t cycles)
{
    unit_run_host(h, cycles);
    h->y.t.now = h->y.k.now;
}

/* Takes the oldest visible entry of a wire; the cycle that ran last must not have taken one. */
#define DRIVE_TAKE(h, wire, out)                                                        \
    ((h)->y.t.now = (h)->y.k.now,                                                       \
     (bool)(VALID(&(h)->y.t, &(h)->wire) && (h)->wire.ctl.popped != (h)->y.k.now + 1 && \
            (*(out) = *POP(&(h)->y.t, &(h)->wire), true)))

/* Cycle from which the oldest entry of a wire is visible, HCA_NEVER when there is none. */
#define DRIVE_AT(h, wire) ((h)->wire.ctl.head_at)

#define DRIVE_PUSH(h, wire, msg, ...) UNIT_PUSH_HOST(h, wire, msg, __VA_ARGS__)

/* Runs until the wire holds something visible or so many cycles have passed. */
#define DRIVE_UNTIL(h, wire, most)                                                     \
    do {                                                                               \
        for (uint64_t n_ = 0; n_ < (most) && DRIVE_AT(h, wire) > (h)->y.k.now; n_++) { \
            drive((h), 1);                                                             \
        }                                                                              \
    } while (0)

/* Deterministic random numbers (xorshift64*), one state per test. */
static inline uint64_t drive_rand(uint64_t *s)
{
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * 0x2545f4914f6cdd1dULL;
}
static inline uint64_t drive_below(uint64_t *s, uint64_t n)
{
    return (drive_rand(s) >> 16) % n;
}

/* A posted write with its bytes, as host_push makes it; false: no room. */
static inline bool drive_write(struct host *h, struct tlp m, const void *bytes)
{
    struct store *const st = &h->store;

    if (!pool_ready(&st->rx_pool, h->y.k.now) || !fifo_ready(&h->up_tlp.ctl, h->y.k.now)) {
        return false;
    }
    m.type = TLP_MWR;
    m.slot = pool_take(&st->rx_pool, &h->y.k);
    m.data = st->rx + m.slot * st->slot_bytes;
    memcpy(store_at(st, m.data), bytes, m.len);
    h->y.t.now = h->y.k.now;
    PASS(&h->y.t, &h->up_tlp, tlp, 0, &m);
    return true;
}
