/* fifo.h: the wire between two units, a registered FIFO with timed entries.
 *
 * An entry pushed in cycle t with delay d is visible from t + 1 + d on, never before its
 * predecessor; a slot freed in cycle t can be filled in t + 1. Both answers depend on committed
 * state alone, so the order in which units tick cannot change anything.
 * RTL peer: rtl/fifo.sv. */
#pragma once
#include "model/kern.h"

enum { EDGE = 255 };         /* in place of a unit: the other end lies outside the model */
enum { ROOM_PER_CYCLE = 2 }; /* a wire to the edge with less room than this ends a run   */

struct fifo {
    uint32_t head, tail;              /* free running                                             */
    uint32_t depth, mask;             /* slots, >= 2; storage is a power of two, mask = that - 1  */
    uint64_t head_at;                 /* visibility of the oldest entry; HCA_NEVER when empty     */
    uint64_t last_at;                 /* visibility of the youngest entry                         */
    uint64_t popped;                  /* cycle of the last pop, + 1                               */
    uint64_t pushed;                  /* cycle of the last push, + 1                              */
    uint64_t in_sum, out_sum;         /* sums of push and pop cycles: occupancy integral */
    uint64_t full_since, full_cycles; /* time spent full                               */
    uint64_t hash;                    /* running hash over what was pushed                        */
    uint8_t from, to, id;
    bool stop; /* to EDGE: a run ends as soon as the wire holds something */
};

static inline bool fifo_valid(const struct fifo *f, uint64_t now)
{
    return f->head_at <= now;
}

/* Entries the producer sees in cycle now: a pop of this cycle has not freed its slot yet. */
static inline bool fifo_ready(const struct fifo *f, uint64_t now)
{
    const uint32_t level = f->tail - f->head;

    return level + 1 < f->depth || level + (f->popped == now + 1) < f->depth;
}

static inline uint32_t fifo_level(const struct fifo *f)
{
    return f->tail - f->head;
}

/* To EDGE: the outside must take something out before another cycle may run. */
static inline bool fifo_full_outside(const struct fifo *f)
{
    return (f->stop && f->tail != f->head) || f->tail - f->head + ROOM_PER_CYCLE > f->depth;
}

/* Slot index to fill; the caller writes the entry and stores f->last_at in its `at`. */
static inline uint32_t fifo_push(struct fifo *f, struct kern *k, uint64_t delay)
{
    const uint64_t at = k->now + 1 + delay;

    hca_assert(fifo_ready(f, k->now));
    hca_assert(f->pushed != k->now + 1 || f->from == EDGE);
    f->pushed = k->now + 1;
    /* Leaving the model there is one receiver per link, not one queue: no entry waits for another.
     */
    f->last_at = at > f->last_at || f->to == EDGE ? at : f->last_at;
    f->in_sum += k->now + 1;
    if (f->head == f->tail) { /* only the oldest entry is announced; a pop announces the next */
        f->head_at = f->last_at;
        if (f->to != EDGE) {
            kern_wake(k, f->to, f->last_at);
        }
    }
    const uint32_t slot = f->tail++ & f->mask;
    if (f->tail - f->head == f->depth) {
        f->full_since = k->now + 1;
    }
    if (f->to == EDGE) {
        k->drain |= fifo_full_outside(f);
    }
    return slot;
}

/* Index of the entry that leaves; next_at is the visibility of the entry behind it. */
static inline uint32_t fifo_pop(struct fifo *f, struct kern *k, uint64_t next_at)
{
    hca_assert(f->head_at <= k->now);
    hca_assert(f->popped != k->now + 1 || f->to == EDGE);
    f->out_sum += k->now + 1;
    f->popped = k->now + 1;
    if (f->tail - f->head == f->depth) { /* full, or filled by a push of this very cycle */
        f->full_cycles += k->now + 1 - f->full_since;
        if (f->from != EDGE) {
            kern_wake(k, f->from, k->now + 1);
        }
    }
    const uint32_t slot = f->head++ & f->mask;
    f->head_at = f->head == f->tail ? HCA_NEVER : next_at;
    if (f->head != f->tail && f->to != EDGE) {
        kern_wake(k, f->to, next_at);
    }
    return slot;
}

/* The entries a unit may use: q is a pointer to a typed wire (struct wire_<message>). */
#define VALID(t, q) fifo_valid(&(q)->ctl, (t)->now)
#define READY(t, q) fifo_ready(&(q)->ctl, (t)->now)
#define PEEK(q)     (&(q)->slot[(q)->ctl.head & (q)->ctl.mask])
/* Something is left, visible or not: for the answer of a unit that serves one input of several. */
#define ANY(q) ((q)->ctl.head != (q)->ctl.tail)
#define POP(t, q) \
    (&(q)->slot[fifo_pop(&(q)->ctl, (t)->k, (q)->slot[((q)->ctl.head + 1) & (q)->ctl.mask].at)])
/* PUSH(t, wire, message, delay, .field = value, ...): visible delay cycles later than a register */
#define PUSH(t, q, msg, delay, ...)                                                  \
    do {                                                                             \
        struct msg *const slot_ = &(q)->slot[fifo_push(&(q)->ctl, (t)->k, (delay))]; \
        *slot_ = (struct msg){__VA_ARGS__};                                          \
        slot_->at = (q)->ctl.last_at;                                                \
        (q)->ctl.hash = hash_##msg((q)->ctl.hash, (t)->now, slot_);                  \
    } while (0)
/* The same with a whole message, of which edit changes fields of slot_. m may point into the other
 * wire that it was popped from: copied once, not twice. */
#define PASS_EDIT(t, q, msg, delay, m, edit)                                         \
    do {                                                                             \
        const struct msg *const from_ = (m);                                         \
        struct msg *const slot_ = &(q)->slot[fifo_push(&(q)->ctl, (t)->k, (delay))]; \
        *slot_ = *from_;                                                             \
        edit;                                                                        \
        slot_->at = (q)->ctl.last_at;                                                \
        (q)->ctl.hash = hash_##msg((q)->ctl.hash, (t)->now, slot_);                  \
    } while (0)
#define PASS(t, q, msg, delay, m) PASS_EDIT(t, q, msg, delay, m, (void)0)
