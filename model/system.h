/* system.h: what the run loops of hca.c and host.c share; nothing outside model/ and tests/ sees
 * it. */
#pragma once
#include "model/hca.h"
#include "model/spec.h"

enum { OUTS_MAX = 16 };

/* Facts of one wire for the loop: where its control block is and how far its slots lie apart. */
struct wire_ref {
    struct fifo *ctl;
    uint8_t *slots;
    uint32_t stride; /* bytes */
};

/* The part of a handle that does not know which units it has. */
struct system {
    struct kern k;
    struct hca_param p;
    struct hca_stat s;
    struct trace trace;
    struct tick t;
    struct arena arena;
    unsigned mode;
    uint64_t cycle_ps; /* of the core clock; 0: no whole number */
    uint64_t units;    /* set of the units of this side                                     */
    uint64_t only;     /* tests: tick no other unit; normally equal to units                 */
    uint64_t shuffle;  /* state of the order of HCA_MODE_SHUFFLE                             */
    uint32_t outs;     /* wires that end at the edge                                         */
    uint16_t out[OUTS_MAX];
    struct wire_ref wire[WIRES]; /* by enum wire_id; ctl NULL: of the other side              */
};

typedef struct act tick_fn(void *handle, const struct tick *t); /* of one unit of a handle */
typedef uint64_t state_hash_fn(const void *handle, uint32_t unit);

void system_open(struct system *y, const struct hca_param *p);

/* Makes a wire: slots from the arena, wheel ids, depth (raised to at least 2). */
void *system_wire(struct system *y, uint32_t id, struct fifo *f, uint32_t stride, uint32_t depth,
                  uint8_t from, uint8_t to);

/* Ends runs right after the cycle in which wire (one that leaves the model) gets an entry. */
void system_stop_on(struct system *y, uint32_t wire);

/* For system_run.h: a run in any mode; wakes after a far time; see system.c. */
void system_run_checked(struct system *y, void *handle, tick_fn *const *tick, state_hash_fn *state,
                        uint64_t until);
void system_rewake(struct system *y, uint64_t far);
bool system_must_drain(const struct system *y);
uint64_t system_head(const struct system *y, uint32_t wire); /* ps of the oldest entry, or never */
uint64_t system_odd_ps(const struct system *y, uint64_t cycle);
uint64_t system_odd_cycle(const struct system *y, uint64_t ps);
bool system_event(struct system *y, struct trace_rec *out);
uint64_t system_hash(const struct system *y);
struct wire_figures system_figures(const struct system *y, uint32_t wire);

static inline uint64_t system_ps(const struct system *y, uint64_t cycle)
{
    return y->cycle_ps != 0 ? cycle * y->cycle_ps : system_odd_ps(y, cycle);
}

/* First cycle that begins at or after ps. */
static inline uint64_t system_cycle(const struct system *y, uint64_t ps)
{
    if (y->cycle_ps != 0) {
        return (ps + y->cycle_ps - 1) / y->cycle_ps;
    }
    return system_odd_cycle(y, ps);
}

/* Entry of stride bytes into a wire from the edge, visible at at_ps; the first `bytes` behind its
 * time are hard, the others may still be changed by the caller. NULL: no room. Inline, as the sizes
 * are constants at each place. */
__attribute__((always_inline)) static inline void *system_push(struct system *y, uint32_t wire,
                                                               uint64_t at_ps, const void *msg,
                                                               size_t stride, size_t bytes)
{
    const struct wire_ref *const w = &y->wire[wire];
    struct fifo *const f = w->ctl;
    const uint64_t at = system_cycle(y, at_ps);

    hca_assert(at > y->k.now);
    if (!fifo_ready(f, y->k.now)) {
        return NULL;
    }
    const uint32_t slot = fifo_push(f, &y->k, at - y->k.now - 1);
    uint8_t *const entry = w->slots + (size_t)slot * stride;
    memcpy(entry, msg, stride);
    memcpy(entry, &f->last_at, sizeof f->last_at);
    f->entry_cycles -= f->last_at - y->k.now; /* the wire it came from had it until then */
    f->hash = hash_room(f->hash, f->last_at, entry + sizeof f->last_at, bytes,
                        stride - sizeof f->last_at);
    return entry;
}

/* Takes the oldest entry of a wire to the edge, which stays in its place until the next run; at_ps:
 * when it is there. NULL: none. */
__attribute__((always_inline)) static inline void *system_take(struct system *y, uint32_t wire,
                                                               uint64_t *at_ps, size_t stride,
                                                               uint32_t *slot)
{
    const struct wire_ref *const w = &y->wire[wire];
    struct fifo *const f = w->ctl;
    const uint32_t head = f->head;

    if (head == f->tail) {
        return NULL;
    }
    *slot = head & f->mask;
    *at_ps = system_ps(y, f->head_at);
    f->entry_cycles += f->head_at + 1; /* it is there then, whenever it is taken */
    f->head = head + 1;
    f->room_at = 0; /* pops of the outside happen between cycles */
    f->head_at = HCA_NEVER;
    if (head + 1 != f->tail) {
        memcpy(&f->head_at, w->slots + (size_t)((head + 1) & f->mask) * stride, sizeof f->head_at);
    }
    return w->slots + (size_t)*slot * stride;
}
