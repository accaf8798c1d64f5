#include "model/respond_i.h"

/* NEW: waits for its lock and for older writes; READ: value under way; STORE: result to be written;
 * WRITE: until that write is ordered before later reads. */
enum atomic_state { ATOMIC_NEW, ATOMIC_READ, ATOMIC_STORE, ATOMIC_WRITE };

enum { LOCK_BITS = 12 }; /* the lock of an address is taken from its low 12 bits: C-K6 */

static uint32_t data_at(const struct respond *u, uint32_t i)
{
    return u->atomic_data + i * 16;
}

bool rsp_atomic_room(const struct respond *u)
{
    return u->s.a.n < RSP_ATOMICS;
}

bool rsp_atomics_of(const struct respond *u, uint32_t row)
{
    for (uint32_t i = 0; i < u->s.a.n; i++) {
        if (u->atomic[u->s.a.order[i]].row == row) {
            return true;
        }
    }
    return false;
}

void rsp_atomic_new(struct respond *u, const struct tick *t, const struct exec *e,
                    const struct rsp_res *r, uint64_t addr, uint64_t need)
{
    const uint8_t i = (uint8_t)__builtin_ctzll(~u->s.a.used);
    const uint32_t row = rsp_row(t, e->qn);
    const uint32_t low = addr & ((1U << LOCK_BITS) - 1);
    struct rsp_atomic *const a = &u->atomic[i];

    *a = (struct rsp_atomic){.addr = addr,
                             .swap_add = e->op1,
                             .compare = e->op2,
                             .need = need,
                             .row = row,
                             .qn = e->qn,
                             .mid = e->mid,
                             .lock = (uint16_t)(low * t->p->hca_atomic_slots >> LOCK_BITS),
                             .res = (uint8_t)(r - &u->res[(size_t)row * u->depth]),
                             .fn = e->fn,
                             .opcode = e->opcode};
    for (uint32_t k = 0; k < u->s.a.n; k++) {
        a->behind = (uint8_t)(a->behind + (u->atomic[u->s.a.order[k]].lock == a->lock));
    }
    u->s.a.used |= 1ULL << i;
    u->s.a.order[u->s.a.n++] = i;
    t->s->respond_atomics++;
    u->s.more = 1;
}

/* Entry number k of the order is over; younger ones with its lock move up. */
static void finish(struct respond *u, uint32_t k)
{
    const uint8_t gone = u->s.a.order[k];

    u->s.a.used &= ~(1ULL << gone);
    memmove(&u->s.a.order[k], &u->s.a.order[k + 1], --u->s.a.n - k);
    for (; k < u->s.a.n; k++) {
        struct rsp_atomic *const a = &u->atomic[u->s.a.order[k]];
        a->behind = (uint8_t)(a->behind - (a->lock == u->atomic[gone].lock));
    }
    u->s.more = 1;
}

static struct rsp_res *resource(const struct respond *u, const struct rsp_atomic *a)
{
    return &u->res[(size_t)a->row * u->depth + a->res];
}

/* The result stays with the resource, so that a duplicate gets the same one. */
static void answer(struct respond *u, const struct tick *t, const struct rsp_atomic *a)
{
    struct rsp_res *const r = resource(u, a);

    if (r->state == RES_EXECUTING) { /* else the QP went to error meanwhile */
        r->state = RES_WANTED;
        rsp_want(u, t, a->qn, r, NULL);
    }
}

static void fault(struct respond *u, const struct tick *t, const struct rsp_atomic *a)
{
    struct rsp_qp *const q = &u->qp[a->row];
    struct rsp_res *const r = resource(u, a);

    if (r->state == RES_EXECUTING) {
        r->state = RES_DONE;
        q->wants--;
    }
    if (q->error == 0 && !rsp_resetting(u, a->qn)) {
        q->error = 1;
        rsp_answer(u, t, a->qn, NULL, ANSWER_FATAL, AETH_NAK_OP, r->first);
        rsp_fail(u, a->row, a->qn, CAUSE_SELF, ASYNC_QP_FATAL + 1);
    }
}

static uint32_t place_of(const struct respond *u, uint32_t entry)
{
    uint32_t k = 0;

    while (k < u->s.a.n && u->s.a.order[k] != entry) {
        k++;
    }
    hca_assert(k < u->s.a.n);
    return k;
}

void rsp_atomic_read(struct respond *u, const struct tick *t, const struct rd_rsp *m)
{
    struct rsp_atomic *const a = &u->atomic[m->cookie];
    struct rsp_res *const r = resource(u, a);
    uint64_t was, now;

    hca_assert(m->cookie < RSP_ATOMICS && a->state == ATOMIC_READ);
    if (m->status != DMA_OK) {
        fault(u, t, a);
        finish(u, place_of(u, m->cookie));
        return;
    }
    memcpy(&was, store_at(t->store, data_at(u, m->cookie)), sizeof was);
    now = a->opcode == PKT_OP_RC_FETCH_ADD ? was + a->swap_add
          : was == a->compare              ? a->swap_add
                                           : was;
    memcpy(store_at(t->store, data_at(u, m->cookie) + 8), &now, sizeof now);
    r->value = r->state == RES_EXECUTING ? was : r->value;
    u->s.more = 1;
    if (a->opcode == PKT_OP_RC_COMPARE_SWAP && was != a->compare) {
        answer(u, t, a);
        finish(u, place_of(u, m->cookie));
        return;
    }
    a->state = ATOMIC_STORE;
}

static void read_value(struct respond *u, const struct tick *t, uint8_t i)
{
    struct rsp_atomic *const a = &u->atomic[i];

    a->state = ATOMIC_READ;
    PUSH(t, u->rd_req_rsp, rd_req, u->delay, .addr = a->addr, .len = 8, .cookie = i, .fn = a->fn,
         .cls = CLS_ATOMIC, .mid = a->mid, .data = data_at(u, i));
}

static void store(struct respond *u, const struct tick *t, uint8_t i)
{
    struct rsp_atomic *const a = &u->atomic[i];

    a->state = ATOMIC_WRITE;
    rsp_write(u, t,
              (struct wr_req){.addr = a->addr,
                              .len = 8,
                              .flags = WR_NOTIFY,
                              .fn = a->fn,
                              .cls = CLS_ATOMIC,
                              .data = data_at(u, i) + 8,
                              .slot = NO_SLOT});
    a->seq = u->s.wr_seq;
    u->qp[a->row].stored = a->seq;
    answer(u, t, a);
}

static bool step(struct respond *u, const struct tick *t, uint32_t k)
{
    const uint8_t i = u->s.a.order[k];
    const struct rsp_atomic *const a = &u->atomic[i];

    switch (a->state) {
    case ATOMIC_NEW:
        if (a->behind != 0 || !rsp_done(u, a->need) || !CAN(u, t, u->rd_req_rsp)) {
            return false;
        }
        read_value(u, t, i);
        return true;
    case ATOMIC_STORE:
        if (!CAN(u, t, u->rx_write)) {
            return false;
        }
        store(u, t, i);
        return true;
    case ATOMIC_WRITE:
        if (!rsp_done(u, a->seq)) {
            return false;
        }
        finish(u, k);
        return true;
    default: return false;
    }
}

/* One step of the oldest atomic that can make one. */
bool rsp_atomics(struct respond *u, const struct tick *t)
{
    for (uint32_t k = 0; k < u->s.a.n; k++) {
        if (step(u, t, k)) {
            u->s.more = 1;
            return true;
        }
    }
    return false;
}
