#include "model/event_i.h"

enum { BUF_BYTES = 16, NOTIFY_EVERY = 8, RETRY_NS = 10000, ASYNCS = 5 };

static uint32_t power_of_two(uint32_t n)
{
    uint32_t p = 2;

    while (p < n) {
        p *= 2;
    }
    return p;
}

void event_open(struct event *u, struct opening *o)
{
    const uint32_t fns = (uint32_t)o->p->hca_fn_max;

    u->words = (uint32_t)(o->p->hca_cq_max + 63) / 64;
    u->irq_mask = power_of_two(fns * EVENT_VECTORS) - 1;
    u->list_mask = power_of_two(fns) - 1;
    u->fn = arena_take(o->a, fns * sizeof *u->fn);
    u->kept = arena_take(o->a, (size_t)fns * u->words * sizeof *u->kept);
    u->irq = arena_take(o->a, (u->irq_mask + 1) * sizeof *u->irq);
    u->list = arena_take(o->a, (u->list_mask + 1) * sizeof *u->list);
    u->bytes = store_take(o, EVENT_BUFS * BUF_BYTES);
    u->head = store_take(o, 8);
    u->moderation = ns_cycles(o->p, o->p->hca_event_moderation_ns);
    u->retry = ns_cycles(o->p, RETRY_NS);
    u->s.next_deadline = HCA_NEVER;
}

/* --- writes ------------------------------------------------------------------------------------
 */

bool event_can_write(const struct event *u, const struct tick *t)
{
    return READY(t, u->wr_event) && u->wr_event->ctl.pushed != t->now + 1 &&
           u->s.wrote - u->s.done < EVENT_BUFS - NOTIFY_EVERY;
}

static uint32_t buf_of(const struct event *u, uint64_t number)
{
    return u->bytes + (uint32_t)(number % EVENT_BUFS) * BUF_BYTES;
}

uint8_t *event_buf(const struct event *u, const struct tick *t)
{
    return store_at(t->store, buf_of(u, u->s.wrote + 1));
}

void event_write(struct event *u, const struct tick *t, uint32_t fn, uint64_t addr, uint32_t len,
                 uint8_t cls)
{
    const bool tell = ++u->s.wrote - u->s.told >= NOTIFY_EVERY;

    u->s.told = tell ? u->s.wrote : u->s.told;
    PUSH(t, u->wr_event, wr_req, 0, .addr = addr, .len = len, .cookie = (uint32_t)u->s.wrote,
         .flags = tell ? WR_NOTIFY : 0, .fn = (uint8_t)fn, .cls = cls,
         .data = buf_of(u, u->s.wrote), .slot = NO_SLOT);
}

/* --- inputs ------------------------------------------------------------------------------------
 */

static bool answers(struct event *u, const struct tick *t)
{
    bool moved = false;

    if (VALID(t, u->ev_done)) {
        u->s.done += (uint32_t)(POP(t, u->ev_done)->cookie - (uint32_t)u->s.done);
        moved = true;
    }
    if (VALID(t, u->ring_got_ev)) {
        event_ring_got(u, t, POP(t, u->ring_got_ev));
        moved = true;
    }
    if (VALID(t, u->rd_rsp_ev)) {
        event_head_got(u, t, POP(t, u->rd_rsp_ev));
        moved = true;
    }
    if (VALID(t, u->msix_set)) {
        event_msix(u, POP(t, u->msix_set));
        moved = true;
    }
    if (VALID(t, u->cmd_irq)) {
        const struct cq_event *const m = POP(t, u->cmd_irq);
        event_raise(u, t, m->fn, m->vector, false);
        moved = true;
    }
    return moved;
}

static bool set_ring(struct event *u, const struct tick *t)
{
    if (!VALID(t, u->ring_set) || u->s.off.busy != 0) {
        return false;
    }
    const struct ring_set *const m = POP(t, u->ring_set);

    event_ring_set(u, t, m);
    if (m->pages == 0) {
        u->s.off.busy = 1;
        u->s.off.fn = m->fn;
        u->s.off.number = u->s.wrote;
    }
    return true;
}

/* Answers a ring_set with pages 0 once every write before it has left. */
static bool tell_off(struct event *u, const struct tick *t)
{
    if (u->s.off.busy == 0) {
        return false;
    }
    if (u->s.done < u->s.off.number) {
        if (u->s.told >= u->s.off.number || !event_can_write(u, t)) {
            return false;
        }
        u->s.told = ++u->s.wrote;
        PUSH(t, u->wr_event, wr_req, 0, .cookie = (uint32_t)u->s.wrote,
             .flags = WR_NOTIFY | WR_NO_DATA, .cls = CLS_EVENT, .slot = NO_SLOT);
        return true;
    }
    if (!READY(t, u->ring_done)) {
        return false;
    }
    PUSH(t, u->ring_done, cq_event, 0, .cqn = NO_NUMBER, .fn = u->s.off.fn);
    u->s.off.busy = 0;
    return true;
}

static void take_async(struct event *u, const struct tick *t, struct wire_async *from)
{
    const struct async *const m = POP(t, from);

    memset(&u->s.j, 0, sizeof u->s.j);
    u->s.j.state = EVENT_LOOK;
    u->s.j.fn = m->fn;
    u->s.j.which = RING_ASYNC;
    u->s.j.type = m->type;
    u->s.j.info = m->info;
    u->s.j.vector = 1;
    TRACE(t, event, async, .info = m->info, .type = m->type, .fn = m->fn);
}

static void take_notification(struct event *u, const struct tick *t)
{
    const struct cq_event *const m = POP(t, u->cq_event);

    memset(&u->s.j, 0, sizeof u->s.j);
    u->s.j.state = EVENT_LOOK;
    u->s.j.fn = m->fn;
    u->s.j.which = RING_CQ;
    u->s.j.number = m->cqn % QP_ROUND;
    u->s.j.info = m->cqn % QP_ROUND;
    u->s.j.vector = m->vector;
    u->fn[m->fn].cq_vector = m->vector;
}

/* Makes the next input, round robin, the event under way. */
static bool accept(struct event *u, const struct tick *t)
{
    struct wire_async *const from[ASYNCS] = {u->cmd_async, u->srq_async, u->req_async, u->rsp_async,
                                             u->cq_async};

    if (u->s.j.state != EVENT_NONE) {
        return false;
    }
    for (uint32_t n = 0; n <= ASYNCS; n++) {
        const uint32_t i = (u->s.next + n) % (ASYNCS + 1);
        if (i == ASYNCS && VALID(t, u->cq_event)) {
            take_notification(u, t);
        } else if (i < ASYNCS && VALID(t, from[i])) {
            take_async(u, t, from[i]);
        } else {
            continue;
        }
        u->s.next = (uint8_t)((i + 1) % (ASYNCS + 1));
        return true;
    }
    return false;
}

static uint64_t next_time(const struct event *u)
{
    uint64_t at = u->s.next_deadline;

    if (u->s.list_head != u->s.list_tail && u->s.j.state == EVENT_NONE) {
        const uint32_t fn = u->list[u->s.list_head & u->list_mask];
        const uint64_t retry_at = u->fn[fn].ring[RING_CQ].retry_at;
        at = retry_at < at ? retry_at : at;
    }
    return at;
}

static bool more(const struct event *u, const struct tick *t)
{
    const bool work = u->s.j.state == EVENT_LOOK || u->s.j.state == EVENT_TAIL ||
                      u->s.irq_head != u->s.irq_tail || u->s.off.busy != 0;

    return work || VALID(t, u->ring_set) ||
           (u->s.j.state == EVENT_NONE &&
            (VALID(t, u->cmd_async) || VALID(t, u->srq_async) || VALID(t, u->req_async) ||
             VALID(t, u->rsp_async) || VALID(t, u->cq_async) || VALID(t, u->cq_event)));
}

struct act event_tick(struct event *u, const struct tick *t)
{
    bool moved = answers(u, t);

    moved |= set_ring(u, t);
    moved |= event_interrupts(u, t); /* in front of the next event: a stream must not starve them */
    moved |= event_retry(u, t);
    moved |= accept(u, t);
    moved |= event_job(u, t);
    moved |= tell_off(u, t);
    return (struct act){moved, moved && more(u, t) ? t->now : next_time(u)};
}
