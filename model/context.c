#include "model/context.h"

#include "model/packet/opcode.h"

void context_open(struct context *u, struct opening *o)
{
    context_cache_open(u, o);
    context_miss_open(u, o);
    u->hit_cycles = (uint32_t)ns_cycles(o->p, o->p->hca_context_hit_ns);
}

static bool free_out(const struct tick *t, const struct fifo *f)
{
    return fifo_ready(f, t->now) && f->pushed != t->now + 1;
}

static struct wire_rxp *rx_out(const struct context *u, const struct rxp *m)
{
    const struct pkt_opcode *const op = pkt_opcode(m->opcode);

    return op != NULL && op->role == PKT_RESPONSE ? u->rx_ack : u->rx_check;
}

static struct wire_ctx_got *got_out(const struct context *u, unsigned client)
{
    switch (client) {
    case CC_CMD: return u->ctx_got_cmd;
    case CC_WQE: return u->ctx_got_wqe;
    case CC_RSP: return u->ctx_got_rsp;
    default: return u->ctx_got_cq;
    }
}

static unsigned kind_of(unsigned client, const void *msg)
{
    return client == CC_GRANT || client == CC_RX ? CTX_QP : ((const struct ctx_get *)msg)->kind;
}

static uint32_t number_of(unsigned client, const void *msg)
{
    switch (client) {
    case CC_GRANT: return ((const struct grant *)msg)->qn;
    case CC_RX: return ((const struct rxp *)msg)->qn;
    default: return ((const struct ctx_get *)msg)->number;
    }
}

static void push_go(struct context *u, const struct tick *t, const struct grant *m, uint32_t cx)
{
    PUSH(t, u->qp_go, qp_go, u->hit_cycles, .qn = m->qn, .cx = (uint16_t)cx, .tail = m->tail,
         .native = m->native, .rung = m->rung, .t_in = m->t_in, .t_db = m->t_db,
         .t_grant = m->t_grant, .t_ctx = t->now + u->hit_cycles);
}

static void drop(const struct tick *t, const struct rxp *m)
{
    pool_give(&t->store->rx_pool, t->k, m->slot);
    t->s->context_dropped++;
    TRACE(t, context, context_drop, .qn = m->qn, .psn = m->psn, .opcode = m->opcode);
}

bool context_refuse(struct context *u, const struct tick *t, unsigned client, const void *msg,
                    unsigned status)
{
    if (client == CC_RX) {
        drop(t, msg);
        return true;
    }
    if (client == CC_GRANT) {
        if (!free_out(t, &u->qp_go->ctl)) {
            return false;
        }
        push_go(u, t, msg, NO_CX);
        return true;
    }
    const struct ctx_get *const m = msg;
    struct wire_ctx_got *const out = got_out(u, client);
    if (!free_out(t, &out->ctl)) {
        return false;
    }
    PUSH(t, out, ctx_got, u->hit_cycles, .number = m->number, .cookie = m->cookie, .cx = NO_CX,
         .kind = m->kind, .status = (uint8_t)status);
    return true;
}

/* Pins cx for the request and sends it on; the output is free. */
static void grant_entry(struct context *u, const struct tick *t, unsigned client, const void *msg,
                        uint32_t cx)
{
    struct ctx_cache *const c = &u->cache[kind_of(client, msg)];

    c->pins[cx]++;
    c->used[cx] = t->now;
    if (client == CC_GRANT) {
        push_go(u, t, msg, cx);
    } else if (client == CC_RX) {
        PASS_EDIT(t, rx_out(u, msg), rxp, u->hit_cycles, msg, slot_->cx = (uint16_t)cx);
    } else {
        const struct ctx_get *const m = msg;
        c->flags[cx] |= m->op == CTX_GET ? 0 : CTX_EXCL;
        PUSH(t, got_out(u, client), ctx_got, u->hit_cycles, .number = m->number,
             .cookie = m->cookie, .cx = (uint16_t)cx, .kind = m->kind, .status = CTX_OK);
    }
}

enum ctx_serve context_serve(struct context *u, const struct tick *t, unsigned client,
                             const void *msg, uint32_t cx)
{
    const unsigned kind = kind_of(client, msg);
    const struct ctx_cache *const c = &u->cache[kind];
    const bool get = client != CC_GRANT && client != CC_RX;
    const unsigned op = get ? ((const struct ctx_get *)msg)->op : CTX_GET;
    const struct fifo *const out = client == CC_GRANT ? &u->qp_go->ctl
                                   : client == CC_RX  ? &rx_out(u, msg)->ctl
                                                      : &got_out(u, client)->ctl;

    if ((c->flags[cx] & CTX_EXCL) != 0 || (op != CTX_GET && c->pins[cx] != 0)) {
        return CS_PINNED;
    }
    if (op != CTX_CREATE && !context_exists(t, kind, cx)) {
        return context_refuse(u, t, client, msg, CTX_ABSENT) ? CS_ANSWERED : CS_OUTPUT;
    }
    if (!free_out(t, out)) {
        return CS_OUTPUT;
    }
    if (op == CTX_CREATE) {
        context_load(t, kind, cx, NULL);
    }
    grant_entry(u, t, client, msg, cx);
    return CS_ANSWERED;
}

static bool unpin(struct context *u, const struct tick *t, struct wire_ctx_put *in)
{
    const struct ctx_put *const m = POP(t, in);
    struct ctx_cache *const c = &u->cache[m->kind];

    hca_assert(c->pins[m->cx] != 0);
    c->pins[m->cx]--;
    c->flags[m->cx] = (uint8_t)((c->flags[m->cx] | CTX_DIRTY) & ~CTX_EXCL);
    if (m->op == CTX_PUT_DROP) { /* its zeros are what memory gets */
        context_load(t, m->kind, m->cx, NULL);
    }
    return true;
}

static bool take_puts(struct context *u, const struct tick *t)
{
    bool moved = VALID(t, u->ctx_put_cmd) && unpin(u, t, u->ctx_put_cmd);

    moved |= VALID(t, u->ctx_put_wqe) && unpin(u, t, u->ctx_put_wqe);
    moved |= VALID(t, u->ctx_put_req) && unpin(u, t, u->ctx_put_req);
    moved |= VALID(t, u->ctx_put_ack) && unpin(u, t, u->ctx_put_ack);
    moved |= VALID(t, u->ctx_put_rsp) && unpin(u, t, u->ctx_put_rsp);
    moved |= VALID(t, u->ctx_put_cq) && unpin(u, t, u->ctx_put_cq);
    return moved;
}

static bool in_range(const struct tick *t, unsigned kind, uint32_t number)
{
    const uint64_t max = kind == CTX_QP   ? t->p->hca_qp_max
                         : kind == CTX_CQ ? t->p->hca_cq_max
                                          : t->p->hca_srq_max;

    return number / QP_ROUND < t->p->hca_fn_max && number % QP_ROUND < max;
}

static bool set_aside(struct context *u, struct ctx_miss *m, unsigned client, const void *msg)
{
    struct ctx_waiter *const w = m == NULL ? NULL : context_wait(u, m, client);

    if (w == NULL) {
        return false;
    }
    if (client == CC_GRANT) {
        w->m.grant = *(const struct grant *)msg;
    } else if (client == CC_RX) {
        w->m.rx = *(const struct rxp *)msg;
    } else {
        w->m.get = *(const struct ctx_get *)msg;
    }
    return true;
}

/* True: the request is dealt with and leaves its wire. */
static bool take(struct context *u, const struct tick *t, unsigned client, const void *msg)
{
    const unsigned kind = kind_of(client, msg);
    const uint32_t number = number_of(client, msg);

    if (!in_range(t, kind, number)) {
        return context_refuse(u, t, client, msg, CTX_ABSENT);
    }
    struct ctx_miss *m = context_miss_find(u, kind, number);
    if (m != NULL) {
        return set_aside(u, m, client, msg);
    }
    const uint32_t cx = context_find(u, kind, number);
    if (cx != NO_CX) {
        const enum ctx_serve did = context_serve(u, t, client, msg, cx);
        if (did != CS_PINNED) {
            t->s->context_hits += did == CS_ANSWERED;
            return did == CS_ANSWERED;
        }
    }
    m = context_miss_new(u, kind, number, cx);
    if (m == NULL) {
        return false;
    }
    m->create = client == CC_CMD && ((const struct ctx_get *)msg)->op == CTX_CREATE;
    t->s->context_misses += cx == NO_CX && !m->create;
    return set_aside(u, m, client, msg);
}

#define TAKE(client, wire)                           \
    do {                                             \
        if (VALID(t, u->wire)) {                     \
            if (take(u, t, client, PEEK(u->wire))) { \
                (void)POP(t, u->wire);               \
                moved = true;                        \
            } else {                                 \
                left = true;                         \
            }                                        \
        }                                            \
    } while (0)

struct act context_tick(struct context *u, const struct tick *t)
{
    bool left = false;
    uint64_t wake = HCA_NEVER;
    bool moved = take_puts(u, t);

    moved |= context_sink(u, t);
    if (u->s.active != 0) {
        moved |= context_misses(u, t, 0, &left, &wake);
    }
    const uint32_t old = u->s.active;
    TAKE(CC_RX, rx_look);
    TAKE(CC_RSP, ctx_get_rsp);
    TAKE(CC_CQ, ctx_get_cq);
    TAKE(CC_WQE, ctx_get_wqe);
    TAKE(CC_CMD, ctx_get_cmd);
    TAKE(CC_GRANT, grant);
    if (u->s.active != old) { /* what has just been set aside starts at once */
        moved |= context_misses(u, t, old, &left, &wake);
    }
    return moved && left ? AGAIN(t) : (struct act){moved, wake};
}
