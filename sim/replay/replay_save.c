/* replay_save.c: a run under way as bytes and back. What follows from trace and set-up (resources,
 * numbers of objects, operations, recorded bytes) is not written. */
#include "sim/replay/replay_i.h"

#include "sim/checkpoint/bytes.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The part of a slot that does not come from the trace. */
enum { STATE_AT = offsetof(struct slot, state), STATE_BYTES = sizeof(struct slot) - STATE_AT };

struct stand { /* where the run stands */
    uint64_t base, next, start_ps, done_n, posted_n, unlisted;
    uint64_t atomic_n, atomic_room, grh_n, grh_room;
    uint8_t read_all, pad[7];
};

bool replay_can_save(const struct replay *r)
{
    return !r->damaged && r->phase == RUNNING;
}

struct stamps *replay_stamps(const struct replay *r)
{
    return r->stamps;
}

/* --- saving -------------------------------------------------------------------------------------
 */

static void put_slots(const struct replay *r, struct bytes_out *o)
{
    for (uint64_t id = r->base; id < r->next; id++) {
        struct slot s = r->slot[id % WINDOW];
        s.payload = NULL;
        bytes_put(o, (const uint8_t *)&s + STATE_AT, STATE_BYTES);
    }
}

static void put_queues(const struct replay *r, struct bytes_out *o)
{
    for (uint32_t q = 0; q < r->queues; q++) {
        bytes_put_u64(o, r->queue[q].first);
        bytes_put_u64(o, r->queue[q].last);
    }
    for (uint32_t q = 0; q < r->res->qps; q++) {
        bytes_put_u64(o, r->qp[q].sent_first);
        bytes_put_u64(o, r->qp[q].sent_last);
    }
}

static void put_host(const struct replay *r, unsigned h, struct bytes_out *o)
{
    const struct actor_self *const a = &r->self[h];

    bytes_put_u64(o, r->heap[h].n);
    for (uint32_t i = 0; i < r->heap[h].n; i++) {
        bytes_put_u64(o, r->heap[h].queue[i]);
        bytes_put_u64(o, r->queue[r->heap[h].queue[i]].key_ps);
    }
    for (uint32_t q = r->blocked[h]; q != UINT32_MAX; q = r->queue[q].next_blocked) {
        bytes_put_u64(o, q);
    }
    bytes_put_u64(o, UINT32_MAX);
    bytes_put_u64(o, a->stalled);
    bytes_put(o, &a->access, sizeof a->access);
    bytes_put_u64(o, a->access_ps);
    bytes_put_u64(o, a->retry_ps);
}

void replay_save(const struct replay *r, struct bytes_out *o)
{
    const struct stand at = {.base = r->base,
                             .next = r->next,
                             .start_ps = r->start_ps,
                             .done_n = r->done_n,
                             .posted_n = r->posted_n,
                             .unlisted = r->unlisted,
                             .atomic_n = r->atomic_n,
                             .atomic_room = r->atomic_room,
                             .grh_n = r->grh_n,
                             .grh_room = r->grh_room,
                             .read_all = r->read_all};

    bytes_put(o, &at, sizeof at);
    bytes_put(o, &r->f, sizeof r->f);
    put_slots(r, o);
    put_queues(r, o);
    for (unsigned h = 0; h < r->hosts; h++) {
        put_host(r, h, o);
    }
    for (uint32_t i = 0; i < r->done_n; i++) {
        bytes_put(o, &r->done[(r->done_first + i) % WINDOW], sizeof r->done[0]);
    }
    bytes_put(o, r->posted, r->posted_n * sizeof r->posted[0]);
    bytes_put(o, r->atomic_seen, r->atomic_room * sizeof(uint64_t));
    bytes_put(o, r->grh, r->grh_room * sizeof(uint64_t));
}

/* --- loading ------------------------------------------------------------------------------------
 */

static void drop_payload(struct replay *r, uint64_t id)
{
    free(slot_of(r, id)->payload);
    slot_of(r, id)->payload = NULL;
}

/* Reads the trace on to where it stood; operations before base have ended. */
static bool read_on(struct replay *r, const struct stand *at, struct bytes_in *i)
{
    struct hct_op op;
    const uint64_t base = r->base;

    for (uint64_t id = base; id < r->next && id < at->base; id++) {
        drop_payload(r, id);
    }
    r->base = at->base;
    while (r->next < at->next) {
        const enum hct_status s = hct_next_op(r->reader, &op);
        if (s != HCT_OK || op.id >= at->next) {
            return bytes_bad(i, "the trace ends before the operation that was read last");
        }
        if (op.id >= at->base) {
            take_in(r, &op);
        } else {
            r->next = op.id + 1;
        }
    }
    if (at->read_all && hct_next_op(r->reader, &op) != HCT_END) {
        return bytes_bad(i, "the trace goes on behind the operation that was read last");
    }
    r->read_all = at->read_all;
    return true;
}

/* Links lead to younger operations, waiting ones back to older ones: no way goes round. */
static bool slot_ok(const struct replay *r, const struct slot *s, uint64_t id)
{
    const uint64_t link[] = {s->next, s->next_sent};
    bool good = s->state <= OP_DONE && s->waits <= HCT_DEP_MAX && bytes_bool(&s->raced);

    for (unsigned i = 0; i < 2; i++) {
        good = good && (link[i] == NO_OP || (link[i] > id && link[i] < r->next));
    }
    for (unsigned i = 0; i < HAPPENINGS; i++) {
        const uint64_t w = s->waiter[i];
        good = good && (w == NO_OP || (w / HCT_DEP_MAX > id && w / HCT_DEP_MAX < r->next));
    }
    for (unsigned i = 0; i < s->op.dep_count; i++) {
        const uint64_t d = s->dep_next[i];
        good = good && (d == NO_OP || d == 0 || d < id * HCT_DEP_MAX + i);
    }
    return good;
}

static bool get_slots(struct replay *r, struct bytes_in *i)
{
    r->payload_held = 0;
    for (uint64_t id = r->base; id < r->next; id++) {
        struct slot *const s = slot_of(r, id);
        const struct slot own = *s;
        if (!bytes_get(i, (uint8_t *)s + STATE_AT, STATE_BYTES)) {
            s->payload = own.payload;
            return false;
        }
        s->queue = own.queue;
        s->start_ps = own.start_ps;
        s->payload = own.payload;
        s->payload_bytes = own.payload_bytes;
        if (!slot_ok(r, s, id) || own.op.id != id) {
            return bytes_bad(i, "an operation has a state or a link that cannot be");
        }
        if (s->state == OP_FREE) {
            drop_payload(r, id);
        } else if (s->payload != NULL) {
            r->payload_held += s->payload_bytes;
        }
    }
    return true;
}

static bool link_ok(const struct replay *r, uint64_t first, uint64_t last)
{
    return first == NO_OP || (held(r, first) && held(r, last));
}

static bool get_queues(struct replay *r, struct bytes_in *i)
{
    for (uint32_t q = 0; q < r->queues; q++) {
        struct queue *const u = &r->queue[q];
        u->first = bytes_get_u64(i, NO_OP, "");
        u->last = bytes_get_u64(i, NO_OP, "");
        u->key_ps = NEVER;
        u->blocked = u->direct = false;
        if (!link_ok(r, u->first, u->last) ||
            (u->first != NO_OP && slot_of(r, u->first)->queue != q)) {
            return bytes_bad(i, "a queue begins with an operation that is not its own");
        }
    }
    for (uint32_t q = 0; q < r->res->qps; q++) {
        struct qp_sent *const s = &r->qp[q];
        s->sent_first = bytes_get_u64(i, NO_OP, "");
        s->sent_last = bytes_get_u64(i, NO_OP, "");
        if (!link_ok(r, s->sent_first, s->sent_last)) {
            return bytes_bad(i, "a QP names an operation that is not under way");
        }
    }
    return i->why == NULL;
}

/* A queue that is neither in a heap nor blocked yet, and belongs to h. */
static bool idle_queue(const struct replay *r, unsigned h, uint64_t q)
{
    return q < r->queues && r->queue[q].host == h && r->queue[q].key_ps == NEVER &&
           !r->queue[q].blocked && r->queue[q].first != NO_OP;
}

static bool get_heap(struct replay *r, unsigned h, struct bytes_in *i)
{
    struct heap *const x = &r->heap[h];
    const uint64_t n = bytes_get_u64(i, r->queues, "more queues are ready than there are");

    x->n = 0;
    for (uint64_t k = 0; k < n && i->why == NULL; k++) {
        const uint64_t q = bytes_get_u64(i, UINT32_MAX, "a queue that does not exist is ready");
        const uint64_t key = bytes_get_u64(i, NEVER - 1, "a queue is ready at no time");
        if (i->why != NULL || !idle_queue(r, h, q)) {
            return bytes_bad(i, "a queue is ready twice, or at another host, or empty");
        }
        r->queue[q].key_ps = key;
        x->queue[x->n++] = (uint32_t)q;
    }
    return i->why == NULL;
}

static bool get_blocked(struct replay *r, unsigned h, struct bytes_in *i)
{
    uint32_t *link = &r->blocked[h];

    for (;;) {
        *link = UINT32_MAX;
        const uint64_t q = bytes_get_u64(i, UINT32_MAX, "a queue that does not exist waits");
        if (i->why != NULL || q == UINT32_MAX) {
            return i->why == NULL;
        }
        if (!idle_queue(r, h, q)) {
            return bytes_bad(i, "a queue waits twice, or at another host, or is empty");
        }
        r->queue[q].blocked = true;
        *link = (uint32_t)q;
        link = &r->queue[q].next_blocked;
    }
}

static bool get_host(struct replay *r, unsigned h, struct bytes_in *i)
{
    struct actor_self *const a = &r->self[h];

    if (!get_heap(r, h, i) || !get_blocked(r, h, i)) {
        return false;
    }
    a->stalled = bytes_get_u64(i, 1, "a core is neither stalled nor not") != 0;
    if (!bytes_get(i, &a->access, sizeof a->access)) {
        return false;
    }
    a->access_ps = bytes_get_u64(i, NEVER, "");
    a->retry_ps = bytes_get_u64(i, NEVER, "");
    if (a->stalled && (a->access.hca >= world_hcas(r->w) || a->access.fn >= r->p.hca_fn_max)) {
        return bytes_bad(i, "a stalled access goes to an adapter or function that does not exist");
    }
    return i->why == NULL;
}

static bool get_done(struct replay *r, const struct stand *at, struct bytes_in *i)
{
    r->done_first = 0;
    r->done_n = (uint32_t)at->done_n;
    if (!bytes_get(i, r->done, r->done_n * sizeof r->done[0])) {
        return false;
    }
    for (uint32_t k = 0; k < r->done_n; k++) {
        if (!held(r, r->done[k].id) || slot_of(r, r->done[k].id)->state != OP_DONE) {
            return bytes_bad(i, "an operation has ended that was not under way");
        }
    }
    r->posted_n = (uint32_t)at->posted_n;
    r->unlisted = (uint32_t)at->unlisted;
    if (!bytes_get(i, r->posted, r->posted_n * sizeof r->posted[0])) {
        return false;
    }
    for (uint32_t k = 0; k < r->posted_n; k++) {
        if (!held(r, r->posted[k].id) || !bytes_bool(&r->posted[k].exact)) {
            return bytes_bad(i, "an operation is posted that was not read");
        }
    }
    race_index(r);
    return true;
}

/* A set of places: a power of two of room, at most half full. */
static bool get_set(uint64_t **set, uint64_t *n, uint64_t *room, struct bytes_in *i)
{
    uint64_t used = 0;

    if ((*room & (*room - 1)) != 0 || *n > *room / 2 || *room > i->n / sizeof **set) {
        return bytes_bad(i, "a set of places has a size that cannot be");
    }
    uint64_t *const fresh = *room == 0 ? NULL : malloc(*room * sizeof *fresh);
    if ((*room != 0 && fresh == NULL) || !bytes_get(i, fresh, *room * sizeof *fresh)) {
        free(fresh);
        return bytes_bad(i, "no memory for a set of places");
    }
    for (uint64_t k = 0; k < *room; k++) {
        used += fresh[k] != 0;
    }
    free(*set);
    *set = fresh;
    return used == *n || bytes_bad(i, "a set of places holds another number than it says");
}

static bool stand_ok(const struct replay *r, const struct stand *at)
{
    return at->base <= at->next && at->next - at->base <= WINDOW && at->done_n <= WINDOW &&
           at->posted_n <= POSTED_MAX && at->unlisted <= WINDOW && at->read_all <= 1 &&
           at->next >= r->next && r->base == 0;
}

static bool get_sets(struct replay *r, const struct stand *at, struct bytes_in *i)
{
    uint64_t n[] = {at->atomic_n, at->grh_n}, room[] = {at->atomic_room, at->grh_room};
    const bool good =
        get_set(&r->atomic_seen, &n[0], &room[0], i) && get_set(&r->grh, &n[1], &room[1], i);

    r->atomic_n = good ? n[0] : 0;
    r->atomic_room = good ? room[0] : 0;
    r->grh_n = good ? n[1] : 0;
    r->grh_room = good ? room[1] : 0;
    return good;
}

bool replay_load(struct replay *r, struct bytes_in *i)
{
    struct stand at;
    struct replay_figures f;

    if (!bytes_get(i, &at, sizeof at) || !bytes_get(i, &f, sizeof f)) {
        return false;
    }
    if (!stand_ok(r, &at) || at.start_ps != world_now(r->w)) {
        return bytes_bad(i, "set-up ended at another time, or the place in the trace cannot be");
    }
    if (!read_on(r, &at, i) || !get_slots(r, i) || !get_queues(r, i)) {
        return false;
    }
    for (unsigned h = 0; h < r->hosts; h++) {
        if (!get_host(r, h, i)) {
            return false;
        }
    }
    if (!get_done(r, &at, i) || !get_sets(r, &at, i)) {
        return false;
    }
    r->f = f;
    r->f.first_failure[sizeof r->f.first_failure - 1] = '\0';
    r->start_ps = at.start_ps;
    r->phase = RUNNING;
    return bytes_end(i);
}
