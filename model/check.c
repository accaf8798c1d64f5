#include "model/check_i.h"

void check_open(struct check *u, struct opening *o)
{
    u->held = arena_take(o->a, CHECK_HELD * sizeof *u->held);
    u->delay = ns_cycles(o->p, o->p->hca_check_ns);
    u->s.free = ~0U;
}
_Static_assert(CHECK_HELD == 32, "a set of held packets is a 32-bit word");

static bool waits(const struct check *u, uint32_t qn)
{
    for (uint32_t i = 0; i < u->s.n; i++) {
        if (u->held[u->s.order[i]].p.qn == qn) {
            return true;
        }
    }
    return false;
}

/* Appends an entry; lead: it is the oldest of its QP. */
static struct check_held *hold(struct check *u, const struct rxp *p, bool lead)
{
    const uint8_t i = (uint8_t)__builtin_ctz(u->s.free);
    struct check_held *const h = &u->held[i];

    u->s.free &= ~(1U << i);
    u->s.order[u->s.n++] = i;
    *h = (struct check_held){.p = *p, .lead = lead, .rec = NO_SLOT};
    return h;
}

/* Takes entry number at out of the order; the next one of its QP is its heir. */
static void release(struct check *u, uint32_t at)
{
    const uint8_t gone = u->s.order[at];

    u->s.free |= 1U << gone;
    u->s.n--;
    memmove(&u->s.order[at], &u->s.order[at + 1], u->s.n - at);
    for (uint32_t i = at; i < u->s.n; i++) {
        struct check_held *const h = &u->held[u->s.order[i]];
        if (h->p.qn == u->held[gone].p.qn) {
            h->lead = 1;
            return;
        }
    }
}

static bool take_wqe(struct check *u, const struct tick *t)
{
    if (!VALID(t, u->rq_wqe)) {
        return false;
    }
    const struct rq_wqe *const m = POP(t, u->rq_wqe);
    struct check_held *const h = &u->held[m->cookie];

    hca_assert(m->cookie < CHECK_HELD && h->state == HELD_ASKED);
    h->state = HELD_GOT;
    h->status = m->status;
    h->rec = m->status == WORK_OK || m->status == WORK_BAD ? m->rec : NO_SLOT;
    return true;
}

static void ask(struct check *u, const struct tick *t, struct check_held *h, uint8_t op)
{
    h->state = HELD_ASKED;
    h->op = op;
    PUSH(t, u->rq_get, rq_get, 0, .qn = h->p.qn, .cx = h->p.cx, .cookie = (uint16_t)(h - u->held),
         .op = op);
}

/* Oldest entry that can go on: u->s.n when there is none. */
static uint32_t pick(const struct check *u)
{
    uint32_t i = 0;

    while (i < u->s.n &&
           (u->held[u->s.order[i]].lead == 0 || u->held[u->s.order[i]].state == HELD_ASKED)) {
        i++;
    }
    return i;
}

static void mark(struct check *u, const struct tick *t, const struct rxp *p)
{
    t->ctx->qp[p->cx].rx.error = 1;
    u->s.cut = (struct check_cut){.e = {.qn = p->qn,
                                        .cx = p->cx,
                                        .fn = p->fn,
                                        .verdict = V_MARK,
                                        .slot = NO_SLOT,
                                        .rec = NO_SLOT},
                                  .active = 1};
}

static void resume(struct check *u, const struct tick *t, uint32_t at)
{
    struct check_held *const h = &u->held[u->s.order[at]];
    struct qpc *const c = &t->ctx->qp[h->p.cx];

    if (h->halt != 0) {
        mark(u, t, &h->p);
    } else if (h->state == HELD_GOT) {
        check_begin(u, t, &h->p, check_wqe(t, h, c), h->rec, h->op);
    } else {
        const struct ruling r = check_rule(t, &h->p, c);
        if (r.ask != 0) {
            ask(u, t, h, r.ask - 1);
            return;
        }
        check_begin(u, t, &h->p, r.verdict, NO_SLOT, RQ_NEXT);
    }
    release(u, at);
}

/* A packet from the wire: held behind others of its QP or for its WQE, else decided at once. */
static void arrive(struct check *u, const struct tick *t)
{
    const struct rxp *const p = POP(t, u->rx_check);

    t->s->check_packets++;
    if (waits(u, p->qn)) {
        (void)hold(u, p, false);
        return;
    }
    const struct ruling r = check_rule(t, p, &t->ctx->qp[p->cx]);
    if (r.ask != 0) {
        ask(u, t, hold(u, p, true), r.ask - 1);
        return;
    }
    check_begin(u, t, p, r.verdict, NO_SLOT, RQ_NEXT);
}

static void halt(struct check *u, const struct tick *t)
{
    const struct rq_get *const m = POP(t, u->rsp_halt);
    const struct rxp p = {.qn = m->qn, .cx = m->cx, .fn = (uint8_t)(m->qn / QP_ROUND)};
    const bool lead = !waits(u, p.qn);

    t->ctx->qp[p.cx].rx.error = 1;
    hold(u, &p, lead)->halt = 1;
}

/* Makes one more packet the one under way, or holds it. false: nothing can go on now. */
static bool next(struct check *u, const struct tick *t)
{
    const bool ask_ready = READY(t, u->rq_get);
    const uint32_t at = pick(u);

    if (at < u->s.n && (ask_ready || u->held[u->s.order[at]].state == HELD_GOT)) {
        resume(u, t, at);
        return true;
    }
    if (u->s.n == CHECK_HELD || !ask_ready) {
        return false;
    }
    if (VALID(t, u->rsp_halt)) {
        halt(u, t);
        return true;
    }
    if (VALID(t, u->rx_check)) {
        arrive(u, t);
        return true;
    }
    return false;
}

static bool more(const struct check *u, const struct tick *t)
{
    return u->s.cut.active != 0 || pick(u) < u->s.n || VALID(t, u->rsp_halt) ||
           (VALID(t, u->rx_check) && u->rx_check->ctl.popped != t->now + 1);
}

struct act check_tick(struct check *u, const struct tick *t)
{
    bool moved = take_wqe(u, t);

    if (u->s.cut.active == 0) {
        moved |= next(u, t);
    }
    if (u->s.cut.active != 0) {
        moved |= check_piece(u, t);
    }
    if (!moved) {
        return IDLE;
    }
    return more(u, t) ? AGAIN(t) : MOVED;
}
