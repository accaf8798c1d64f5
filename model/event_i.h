/* event_i.h: what the files of event share. */
#pragma once
#include "model/event.h"

enum { RING_ASYNC, RING_CQ };
enum event_state { EVENT_NONE, EVENT_LOOK, EVENT_STATE, EVENT_PAGE, EVENT_HEAD, EVENT_TAIL };

/* event_irq.c: interrupts. */
void event_raise(struct event *u, const struct tick *t, uint32_t fn, uint32_t vector,
                 bool moderate);
void event_msix(struct event *u, const struct msix_set *m);
void event_quiet(struct event *u, uint32_t fn);
bool event_interrupts(struct event *u, const struct tick *t);

/* event_ring.c: device rings; event_job makes one step of the event under way, event_retry
 * begins with a kept notification whose time has come. */
void event_ring_set(struct event *u, const struct tick *t, const struct ring_set *m);
bool event_job(struct event *u, const struct tick *t);
bool event_retry(struct event *u, const struct tick *t);
void event_ring_got(struct event *u, const struct tick *t, const struct ring_got *m);
void event_head_got(struct event *u, const struct tick *t, const struct rd_rsp *m);

/* event.c: room for one more write in this tick; pushes it with its number. */
bool event_can_write(const struct event *u, const struct tick *t);
uint8_t *event_buf(const struct event *u, const struct tick *t);
void event_write(struct event *u, const struct tick *t, uint32_t fn, uint64_t addr, uint32_t len,
                 uint8_t cls);

static inline struct event_ring *event_ring_of(const struct event *u)
{
    return &u->fn[u->s.j.fn].ring[u->s.j.which];
}
