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
    uint32_t head, tail;       /* free running                                             */
    uint32_t depth, mask;      /* slots, >= 2; storage is a power of two, mask = that - 1  */
    uint64_t head_at;          /* visibility of the oldest entry; HCA_NEVER when empty     */
    uint64_t room_at;          /* cycle from which there is room; HCA_NEVER when full      */
    uint64_t last_at;          /* visibility of the youngest entry                         */
    uint64_t popped;           /* cycle of the last pop, + 1                               */
    uint64_t pushed;           /* cycle of the last push, + 1                              */
    uint64_t hash;             /* running hash over what was pushed                        */
    uint64_t entry_cycles;     /* sum of pop cycles less push cycles: occupancy integral   */
    uint64_t full_cycles;      /* time spent full                                          */
    uint64_t from_set, to_set; /* the unit at either end as a set; empty: EDGE        */
    uint8_t from, to, id;
    bool stop; /* to EDGE: a run ends as soon as the wire holds something */
};

static inline bool fifo_valid(const struct fifo *f, uint64_t now)
{
    return f->head_at <= now;
}

/* Room as the producer sees it in cycle now: a pop of this cycle has not freed its slot yet. */
static inline bool fifo_ready(const struct fifo *f, uint64_t now)
{
    return f->room_at <= now;
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
    const uint64_t now = k->now;
    const uint32_t tail = f->tail, level = tail - f->head;
    uint64_t at = now + 1 + delay;

    hca_assert(f->room_at <= now);
    hca_assert(f->pushed != now + 1 || f->from == EDGE);
    f->pushed = now + 1;
    f->entry_cycles -= now + 1;
    f->tail = tail + 1;
    if (level + 2 >= f->depth) { /* a slot that was freed in this cycle is not there yet */
        f->room_at = level + 1 == f->depth ? HCA_NEVER : f->popped;
    }
    if (f->to_set == 0) {
        k->drain |= fifo_full_outside(f);
    } else if (at < f->last_at) {
        at = f->last_at; /* out of the model there is a receiver per link: none waits for another */
    }
    f->last_at = at;
    if (level == 0) { /* only the oldest entry is announced; a pop announces the next */
        f->head_at = at;
        if (f->to_set != 0) {
            kern_wake_set(k, f->to_set, at);
        }
    }
    return tail & f->mask;
}

/* Index of the entry that leaves; next_at is the visibility of the entry behind it. */
static inline uint32_t fifo_pop(struct fifo *f, struct kern *k, uint64_t next_at)
{
    const uint64_t now = k->now;
    const uint32_t head = f->head, level = f->tail - head;

    hca_assert(f->head_at <= now);
    hca_assert(f->popped != now + 1 || f->to == EDGE);
    f->popped = now + 1;
    f->entry_cycles += now + 1;
    f->head = head + 1;
    if (level == f->depth) { /* full, or filled by a push of this very cycle */
        f->full_cycles += now + 1 - f->pushed;
        f->room_at = now + 1;
        k->soon |= f->from_set;
    }
    if (level == 1) {
        f->head_at = HCA_NEVER;
    } else {
        f->head_at = next_at;
        if (f->to_set != 0) {
            kern_wake_set(k, f->to_set, next_at);
        }
    }
    return head & f->mask;
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
