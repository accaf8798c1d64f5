#include "model/event_i.h"

static struct event_vector *vector_of(const struct event *u, uint32_t fn, uint32_t vector)
{
    return &u->fn[fn].vector[vector];
}

/* The interrupt goes out, or waits as pending bit until the vector is unmasked. */
static void want(struct event *u, uint32_t fn, uint32_t vector)
{
    struct event_vector *const v = vector_of(u, fn, vector);

    v->deadline = 0;
    v->count = 0;
    if (v->open == 0) {
        v->pending = 1;
    } else if (v->wanted == 0) {
        v->wanted = 1;
        u->irq[u->s.irq_tail++ & u->irq_mask] = (uint16_t)(fn * EVENT_VECTORS + vector);
    }
}

void event_raise(struct event *u, const struct tick *t, uint32_t fn, uint32_t vector, bool moderate)
{
    struct event_vector *const v = vector_of(u, fn, vector % EVENT_VECTORS);

    if (!moderate || u->moderation == 0 || ++v->count >= t->p->hca_event_moderation_count) {
        want(u, fn, vector % EVENT_VECTORS);
    } else if (v->deadline == 0) {
        v->deadline = t->now + u->moderation;
        u->s.next_deadline = v->deadline < u->s.next_deadline ? v->deadline : u->s.next_deadline;
        t->s->event_moderated++;
    }
}

void event_msix(struct event *u, const struct msix_set *m)
{
    struct event_vector *const v = vector_of(u, m->fn, m->vector % EVENT_VECTORS);

    v->addr = m->addr;
    v->data = m->data;
    v->open = m->masked == 0;
    if (v->open != 0 && v->pending != 0) {
        v->pending = 0;
        want(u, m->fn, m->vector % EVENT_VECTORS);
    }
}

/* A function that was reset has raised nothing. */
void event_quiet(struct event *u, uint32_t fn)
{
    for (uint32_t i = 0; i < EVENT_VECTORS; i++) {
        struct event_vector *const v = vector_of(u, fn, i);
        v->pending = 0;
        v->deadline = 0;
        v->count = 0;
        v->wanted = v->wanted != 0 ? 2 : 0; /* 2: its place in the ring is void */
    }
}

/* Deadlines that have come; the next one of all is found again. */
static bool expire(struct event *u, const struct tick *t)
{
    if (u->s.next_deadline > t->now) {
        return false;
    }
    u->s.next_deadline = HCA_NEVER;
    for (uint32_t i = 0; i < t->p->hca_fn_max * EVENT_VECTORS; i++) {
        const struct event_vector *const v = vector_of(u, i / EVENT_VECTORS, i % EVENT_VECTORS);
        if (v->deadline != 0 && v->deadline <= t->now) {
            want(u, i / EVENT_VECTORS, i % EVENT_VECTORS);
        } else if (v->deadline != 0 && v->deadline < u->s.next_deadline) {
            u->s.next_deadline = v->deadline;
        }
    }
    return true;
}

static bool send(struct event *u, const struct tick *t)
{
    if (u->s.irq_head == u->s.irq_tail || !event_can_write(u, t)) {
        return false;
    }
    const uint32_t i = u->irq[u->s.irq_head++ & u->irq_mask];
    struct event_vector *const v = vector_of(u, i / EVENT_VECTORS, i % EVENT_VECTORS);
    const bool sent = v->wanted == 1;

    v->wanted = 0;
    if (sent && v->open != 0) {
        memcpy(event_buf(u, t), &v->data, sizeof v->data);
        event_write(u, t, i / EVENT_VECTORS, v->addr, 4, CLS_INTERRUPT);
        t->s->event_interrupts++;
    } else if (sent) { /* masked in between */
        v->pending = 1;
    }
    return true;
}

bool event_interrupts(struct event *u, const struct tick *t)
{
    const bool expired = expire(u, t);

    return send(u, t) || expired;
}
