/* requester_row.c: rows of QPs, records of messages and SGE lists, queues of rows. */
#include "model/requester.h"

static void open_queue(struct req_queue *q, struct opening *o, uint32_t rows)
{
    uint32_t slots = 1;

    while (slots < rows) {
        slots *= 2;
    }
    q->row = arena_take(o->a, slots * sizeof *q->row);
    q->mask = slots - 1;
}

void req_row_open(struct requester *u, struct opening *o)
{
    u->rows = (uint32_t)(o->p->hca_fn_max * o->p->hca_qp_max);
    u->msgs = (uint32_t)o->p->hca_window_messages;
    u->lists = (uint32_t)o->p->hca_window_reads;
    u->qp = arena_take(o->a, u->rows * sizeof *u->qp);
    u->msg = arena_take(o->a, u->msgs * sizeof *u->msg);
    u->list = arena_take(o->a, u->lists * sizeof *u->list);
    u->heap = arena_take(o->a, u->rows * sizeof *u->heap);
    open_queue(&u->todo, o, u->rows);
    open_queue(&u->kick, o, u->rows);
    open_queue(&u->wait, o, u->rows);
    u->atom = store_take(o, u->lists * 8);
}

struct req_qp *req_row(const struct requester *u, const struct tick *t, uint32_t qn)
{
    const uint32_t row = dense_row(qn, t->p->hca_qp_max);

    return qn % QP_ROUND < t->p->hca_qp_max && row < u->rows ? &u->qp[row] : NULL;
}

static void put(struct requester *u, struct req_queue *q, struct req_ends *e,
                const struct req_qp *r)
{
    q->row[e->tail++ & q->mask] = (uint32_t)(r - u->qp);
    u->s.progress++;
}

struct req_qp *req_queue_head(const struct requester *u, const struct req_queue *q,
                              const struct req_ends *e)
{
    return e->head == e->tail ? NULL : &u->qp[q->row[e->head & q->mask]];
}

void req_todo(struct requester *u, struct req_qp *r, unsigned bits)
{
    r->todo |= (uint8_t)bits;
    if (!r->in_todo) {
        r->in_todo = 1;
        put(u, &u->todo, &u->s.todo, r);
    }
}

void req_kick(struct requester *u, struct req_qp *r)
{
    r->parked = 0;
    if (!r->in_kick) {
        r->in_kick = 1;
        put(u, &u->kick, &u->s.kick, r);
    }
}

/* A record came free: the QP that has waited longest may try again. */
static void wake_waiter(struct requester *u)
{
    struct req_qp *const r = req_queue_head(u, &u->wait, &u->s.wait);

    if (r != NULL) {
        u->s.wait.head++;
        r->in_wait = 0;
        req_kick(u, r);
    }
}

/* Takes a record off the free list, else one never used; 0: none. Records never used cost no
 * memory. */
static uint32_t take_record(uint32_t *free, uint32_t next_free, uint32_t *fresh, uint32_t n)
{
    const uint32_t i = *free;

    if (i != 0) {
        *free = next_free;
        return i;
    }
    return *fresh < n ? ++*fresh : 0;
}

static bool have_records(const struct requester *u, bool list)
{
    const bool msg = u->s.free_msg != 0 || u->s.fresh_msg < u->msgs;

    return msg && (!list || u->s.free_list != 0 || u->s.fresh_list < u->lists);
}

struct req_msg *req_msg_new(struct requester *u, struct req_qp *r, bool list)
{
    if (!have_records(u, list)) {
        if (!r->in_wait) {
            r->in_wait = 1;
            put(u, &u->wait, &u->s.wait, r);
        }
        return NULL;
    }
    const uint32_t free = u->s.free_msg;
    const uint32_t i = take_record(&u->s.free_msg, free == 0 ? 0 : u->msg[free - 1].next,
                                   &u->s.fresh_msg, u->msgs);
    struct req_msg *const m = &u->msg[i - 1];
    *m = (struct req_msg){.index = r->fresh, .row = (uint32_t)(r - u->qp)};
    if (list) {
        const uint32_t l = u->s.free_list;
        m->list = take_record(&u->s.free_list, l == 0 ? 0 : u->list[l - 1].next_free,
                              &u->s.fresh_list, u->lists);
    }
    if (r->first == 0) {
        r->first = i;
    } else {
        u->msg[r->last - 1].next = i;
    }
    r->last = i;
    r->acking = r->acking == 0 ? i : r->acking;
    r->in_flight++;
    u->s.progress++;
    return m;
}

void req_msg_free_first(struct requester *u, struct req_qp *r)
{
    const uint32_t i = r->first;
    struct req_msg *const m = &u->msg[i - 1];

    r->first = m->next;
    r->last = m->next == 0 ? 0 : r->last;
    r->acking = r->acking == i ? m->next : r->acking;
    if (r->cursor == i) { /* acknowledged while it was being sent again: seek anew */
        r->cursor = 0;
        r->rewind = 1;
    }
    r->in_flight--;
    if (m->list != 0) {
        u->list[m->list - 1].next_free = u->s.free_list;
        u->s.free_list = m->list;
    }
    m->next = u->s.free_msg;
    u->s.free_msg = i;
    u->s.progress++;
    wake_waiter(u);
}

void req_row_clear(struct requester *u, struct req_qp *r)
{
    while (r->first != 0) {
        req_msg_free_first(u, r);
    }
    *r = (struct req_qp){.heap_key = r->heap_key,
                         .heap_at = r->heap_at,
                         .in_todo = r->in_todo,
                         .in_kick = r->in_kick,
                         .in_wait = r->in_wait,
                         .qn = r->qn,
                         .fn = r->fn,
                         .marker = r->marker,
                         .fencing = r->fencing};
}
