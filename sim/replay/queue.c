/* queue.c: operations between reading and posting: order per queue, dependencies, time. */
#include "sim/replay/replay_i.h"

#include <stdlib.h>
#include <string.h>

/* --- heap of queues by time, then number -------------------------------------------------------
 */

static bool before(const struct replay *r, uint32_t a, uint32_t b)
{
    const uint64_t x = r->queue[a].key_ps, y = r->queue[b].key_ps;

    return x < y || (x == y && a < b);
}

static void ready_push(struct replay *r, uint32_t host, uint32_t q, uint64_t at)
{
    struct heap *const h = &r->heap[host];
    uint32_t i = h->n++;

    r->queue[q].key_ps = at;
    h->queue[i] = q;
    for (; i > 0 && before(r, h->queue[i], h->queue[(i - 1) / 2]); i = (i - 1) / 2) {
        const uint32_t up = h->queue[(i - 1) / 2];
        h->queue[(i - 1) / 2] = h->queue[i];
        h->queue[i] = up;
    }
}

uint64_t ready_top(const struct replay *r, uint32_t host)
{
    const struct heap *const h = &r->heap[host];

    return h->n == 0 ? NEVER : r->queue[h->queue[0]].key_ps;
}

uint32_t ready_pop(struct replay *r, uint32_t host)
{
    struct heap *const h = &r->heap[host];
    const uint32_t top = h->queue[0];
    uint32_t i = 0, c;

    h->queue[0] = h->queue[--h->n];
    while ((c = 2 * i + 1) < h->n) {
        c += c + 1 < h->n && before(r, h->queue[c + 1], h->queue[c]);
        if (!before(r, h->queue[c], h->queue[i])) {
            break;
        }
        const uint32_t down = h->queue[i];
        h->queue[i] = h->queue[c];
        h->queue[c] = down;
        i = c;
    }
    r->queue[top].key_ps = NEVER;
    return top;
}

/* --- queues ------------------------------------------------------------------------------------
 */

bool queues_open(struct replay *r)
{
    const struct hct_resources *const x = r->res;

    r->recv0 = x->qps;
    r->srq0 = 2 * x->qps;
    r->bench0 = r->srq0 + x->srqs;
    r->queues = r->bench0 + x->fns;
    r->queue = calloc(r->queues + 1, sizeof *r->queue);
    for (unsigned h = 0; h < r->hosts; h++) {
        r->heap[h].queue = calloc(r->queues + 1, sizeof(uint32_t));
        r->blocked[h] = UINT32_MAX;
        if (r->heap[h].queue == NULL) {
            return false;
        }
    }
    for (uint32_t q = 0; r->queue != NULL && q < r->queues; q++) {
        struct queue *const u = &r->queue[q];
        *u = (struct queue){.first = NO_OP, .last = NO_OP, .key_ps = NEVER};
        if (q < r->srq0) {
            u->kind = q < r->recv0 ? Q_SEND : Q_RECV;
            u->object = q % x->qps;
            u->host = host_of_qp(r, u->object);
        } else if (q < r->bench0) {
            u->kind = Q_SRQ;
            u->object = q - r->srq0;
            u->host = host_of_pd(r, x->srq[u->object].pd);
        } else {
            u->kind = Q_BENCH;
            u->object = q - r->bench0;
            u->host = x->fn[u->object].host;
        }
    }
    return r->queue != NULL;
}

static uint32_t queue_of(const struct replay *r, const struct hct_op *op)
{
    if (op->kind == HCT_RECV) {
        return op->srq != HCT_NONE ? r->srq0 + op->srq : r->recv0 + op->qp;
    }
    return op->fn != HCT_NONE ? r->bench0 + op->fn : op->qp;
}

void arm(struct replay *r, uint32_t q, uint64_t now_ps)
{
    struct queue *const u = &r->queue[q];

    if (u->first == NO_OP || u->key_ps != NEVER || u->blocked || u->direct) {
        return;
    }
    struct slot *const s = slot_of(r, u->first);
    if (allowed(r, s)) {
        const uint64_t at = ready_at(r, s);
        ready_push(r, u->host, q, at > now_ps ? at : now_ps);
    }
}

void unblock(struct replay *r, uint32_t host, uint64_t now_ps)
{
    uint32_t q = r->blocked[host];

    r->blocked[host] = UINT32_MAX;
    while (q != UINT32_MAX) {
        const uint32_t next = r->queue[q].next_blocked;
        r->queue[q].blocked = false;
        arm(r, q, now_ps);
        q = next;
    }
}

/* --- dependencies ------------------------------------------------------------------------------
 */

/* What a local completion means for a window dependency is the same. */
static unsigned happening(uint8_t dep)
{
    return dep == HCT_DEP_WINDOW ? HCT_DEP_LOCAL : dep;
}

static void became_ready(struct replay *r, struct slot *s, uint64_t now_ps)
{
    s->state = OP_READY;
    if (r->queue[s->queue].first == s->op.id) {
        arm(r, s->queue, now_ps);
    }
}

void happen(struct replay *r, uint64_t id, enum hct_names_dep what, uint64_t at_ps)
{
    if (!held(r, id)) {
        return;
    }
    struct slot *const s = slot_of(r, id);
    if (s->happened[what] != NEVER) {
        return;
    }
    s->happened[what] = at_ps;
    s->kept &= (uint8_t) ~(1U << what);
    uint64_t w = s->waiter[what];
    s->waiter[what] = NO_OP;
    while (w != NO_OP) {
        struct slot *const d = slot_of(r, w / HCT_DEP_MAX);
        const unsigned n = (unsigned)(w % HCT_DEP_MAX);
        const uint64_t at = at_ps + d->op.dep[n].think_ps;
        w = d->dep_next[n];
        d->ready_ps = at > d->ready_ps ? at : d->ready_ps;
        if (--d->waits == 0) {
            became_ready(r, d, at_ps);
        }
    }
}

/* Registers dependency n of s, or takes it as met when it has happened already. */
static void depend(struct replay *r, struct slot *s, unsigned n)
{
    const struct hct_dep *const d = &s->op.dep[n];
    const unsigned what = happening(d->type);

    if (d->type == HCT_DEP_NONE || !held(r, d->op)) {
        return; /* ended so long ago that its slot is free: it has happened */
    }
    struct slot *const x = slot_of(r, d->op);
    if (x->happened[what] != NEVER) {
        const uint64_t at = x->happened[what] + d->think_ps;
        s->ready_ps = at > s->ready_ps ? at : s->ready_ps;
        return;
    }
    s->dep_next[n] = x->waiter[what];
    x->waiter[what] = s->op.id * HCT_DEP_MAX + n;
    s->waits++;
}

static uint64_t start_time(const struct replay *r, const struct hct_op *op)
{
    if (r->o.timing == REPLAY_ASAP) {
        return 0;
    }
    const uint64_t whole = op->t_ps / 1000000, part = op->t_ps % 1000000;
    return whole * r->o.scale_ppm + part * r->o.scale_ppm / 1000000;
}

static bool read_payload(struct replay *r, struct slot *s)
{
    uint64_t off;
    const void *bytes;
    uint32_t len;
    const uint64_t size = hct_op_bytes(&s->op) == 0 ? 8 : hct_op_bytes(&s->op);

    while (hct_next_payload(r->reader, &off, &bytes, &len) == HCT_OK) {
        if (s->payload == NULL && r->o.check_payload) {
            s->payload = calloc(1, size);
            s->payload_bytes = (uint32_t)size;
            r->payload_held += size;
        }
        if (s->payload != NULL && off + len <= size) {
            memcpy(s->payload + off, bytes, len);
        }
    }
    return true;
}

static void enqueue(struct replay *r, struct slot *s)
{
    struct queue *const u = &r->queue[s->queue];

    s->next = NO_OP;
    if (u->first == NO_OP) {
        u->first = s->op.id;
    } else {
        slot_of(r, u->last)->next = s->op.id;
    }
    u->last = s->op.id;
}

void take_in(struct replay *r, const struct hct_op *op)
{
    struct slot *const s = slot_of(r, op->id);

    memset(s, 0, sizeof *s);
    s->op = *op;
    s->queue = queue_of(r, op);
    s->next_sent = NO_OP;
    for (unsigned i = 0; i < HAPPENINGS; i++) {
        s->happened[i] = NEVER;
        s->waiter[i] = NO_OP;
    }
    s->state = OP_WAITS;
    s->start_ps = start_time(r, op);
    r->next = op->id + 1;
    r->f.read++;
    read_payload(r, s);
    for (unsigned n = 0; n < op->dep_count; n++) {
        depend(r, s, n);
    }
    enqueue(r, s);
    if (s->waits == 0) {
        became_ready(r, s, 0);
    }
}

bool read_ahead(struct replay *r)
{
    struct hct_op op;

    while (!r->read_all && r->next - r->base < WINDOW &&
           (r->payload_held < PAYLOAD_AHEAD || r->next == r->base)) {
        switch (hct_next_op(r->reader, &op)) {
        case HCT_OK: take_in(r, &op); break;
        case HCT_END: r->read_all = true; break;
        case HCT_DAMAGED:
            r->damaged = true; /* whole blocks behind the gap are still played */
            break;
        default: r->read_all = r->damaged = true; return false;
        }
    }
    return true;
}

/* --- the end of an operation -------------------------------------------------------------------
 */

/* Happenings that others may wait for and that may come after the local completion. */
static uint8_t still_to_come(const struct replay *r, const struct slot *s)
{
    const bool reliable = s->queue < r->recv0 && r->res->qp[s->op.qp].type == HCT_QP_RC;
    uint8_t kept = 0;

    /* A datagram may be lost: only what waits for its receive keeps it. */
    const bool asked = s->op.ud_qp == HCT_NONE || s->waiter[HCT_DEP_RECV] != NO_OP;

    if (s->status == HCT_WC_SUCCESS && consumes_recv(s->op.kind) && asked &&
        s->happened[HCT_DEP_RECV] == NEVER) {
        kept |= 1U << HCT_DEP_RECV;
    }
    /* An ACK says that the data has arrived; that memory shows it may come later. */
    if (s->status == HCT_WC_SUCCESS && reliable && writes_remote(s->op.kind) &&
        hct_op_bytes(&s->op) > 0 && s->happened[HCT_DEP_VISIBLE] == NEVER) {
        kept |= 1U << HCT_DEP_VISIBLE;
    }
    return kept;
}

void op_ended(struct replay *r, uint64_t id, uint64_t visible_ps, uint64_t polled_ps,
              uint8_t status, bool silent)
{
    if (!held(r, id) || slot_of(r, id)->state == OP_DONE) {
        return;
    }
    struct slot *const s = slot_of(r, id);
    s->state = OP_DONE;
    race_end(r, s);
    s->visible_ps = visible_ps;
    s->polled_ps = polled_ps;
    s->status = status;
    s->silent = silent;
    s->kept = still_to_come(r, s);
    happen(r, id, HCT_DEP_LOCAL, polled_ps);
    for (unsigned what = HCT_DEP_RECV; what <= HCT_DEP_VISIBLE; what++) {
        if ((s->kept >> what & 1) == 0) {
            happen(r, id, (enum hct_names_dep)what, polled_ps);
        }
    }
    r->done[(r->done_first + r->done_n++) % WINDOW] = (struct finished){id, polled_ps};
}

static bool wanted(const struct slot *s)
{
    bool waited = false;

    for (unsigned i = 0; i < HAPPENINGS; i++) {
        waited |= s->waiter[i] != NO_OP;
    }
    return waited || s->kept != 0 || s->state != OP_FREE;
}

void release(struct replay *r)
{
    while (r->base < r->next && !wanted(slot_of(r, r->base))) {
        r->base++;
    }
}
