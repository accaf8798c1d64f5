/* trace.h: typed events of event.def in a ring that the caller of the public API drains. */
#pragma once
#include "model/assert.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum event_id {
#define EVENT(name, unit, args, doc) EV_##name,
#include "model/spec/event.def"
#undef EVENT
    EVENTS
};
_Static_assert(EVENTS <= 64, "the event mask has 64 bits");

#define A64(name) uint64_t name;
#define A32(name) uint32_t name;
#define A16(name) uint16_t name;
#define A8(name)  uint8_t name;
#define EVENT(name, unit, args, doc) \
    struct ev_##name {               \
        args                         \
    };
#include "model/spec/event.def"
#undef EVENT
#undef A64
#undef A32
#undef A16
#undef A8

enum stage_id {
#define STAGE(name, unit, doc) STAGE_##name,
#include "model/spec/stage.def"
#undef STAGE
    STAGES
};

enum { TRACE_ARGS_MAX = 48, TRACE_RING = 8192 };

/* One record. args holds struct ev_<name> of the event. */
struct trace_rec {
    uint64_t cycle;
    uint16_t id; /* enum event_id */
    uint16_t unit, bytes, pad;
    uint8_t args[TRACE_ARGS_MAX];
};

/* head and tail run free; the run loop stops before the ring overflows, so nothing is lost. */
struct trace {
    uint64_t mask; /* bit per event: recorded? */
    uint32_t head, tail;
    struct trace_rec *ring; /* [TRACE_RING] */
};

/* Room for everything one cycle of all units can emit. */
static inline bool trace_near_full(const struct trace *t)
{
    return t->tail - t->head > TRACE_RING - 1024;
}

/* True: the ring must be drained before another cycle. */
static inline bool trace_emit(struct trace *t, uint64_t cycle, uint16_t id, uint16_t unit,
                              const void *args, uint16_t bytes)
{
    hca_assert(t->tail - t->head < TRACE_RING);
    struct trace_rec *const r = &t->ring[t->tail++ % TRACE_RING];
    r->cycle = cycle;
    r->id = id;
    r->unit = unit;
    r->bytes = bytes;
    memcpy(r->args, args, bytes);
    return trace_near_full(t);
}

/* TRACE(t, unit, event, .field = value, ...) */
#define TRACE(t, u, name, ...)                                                          \
    do {                                                                                \
        if (((t)->trace->mask >> EV_##name & 1) != 0) {                                 \
            (t)->k->drain |=                                                            \
                trace_emit((t)->trace, (t)->now, EV_##name, U_##u,                      \
                           &(struct ev_##name){__VA_ARGS__}, sizeof(struct ev_##name)); \
        }                                                                               \
    } while (0)

/* Stamps operation mid_ - 1 (nothing when 0) at cycle when: usually (t)->now. */
#define STAMP(t, u, stage_, mid_, when)                                               \
    do {                                                                              \
        if ((mid_) != 0) {                                                            \
            TRACE(t, u, stage, .at = (when), .mid = (mid_), .stage = STAGE_##stage_); \
        }                                                                             \
    } while (0)
