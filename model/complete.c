#include "model/complete_i.h"

enum { INPUTS = 3 };

void complete_open(struct complete *u, struct opening *o)
{
    u->job = arena_take(o->a, COMPLETE_JOBS * sizeof *u->job);
    u->bytes = store_take(o, COMPLETE_BUFS * BUF_BYTES);
    u->heads = store_take(o, COMPLETE_JOBS * 8);
    u->delay = ns_cycles(o->p, o->p->hca_complete_ns);
}

/* --- answers -----------------------------------------------------------------------------------
 */

/* A CQ that does not exist any more loses what comes for it. */
static void got_context(struct complete *u, const struct tick *t)
{
    const struct ctx_got *const m = POP(t, u->ctx_got_cq);
    struct complete_job *const j = &u->job[m->cookie];

    hca_assert(m->cookie < COMPLETE_JOBS && j->state == JOB_ASKED);
    j->cx = m->cx;
    j->state = JOB_READY;
    if (m->status != CTX_OK) {
        t->s->complete_lost += j->arm == 0;
        j->cx = NO_SLOT;
        j->state = JOB_PUT;
    }
}

static bool answers(struct complete *u, const struct tick *t)
{
    bool moved = false;

    if (VALID(t, u->ctx_got_cq)) {
        got_context(u, t);
        moved = true;
    }
    if (VALID(t, u->ring_got_cq)) {
        complete_ring_got(u, t, POP(t, u->ring_got_cq));
        moved = true;
    }
    if (VALID(t, u->rd_rsp_cq)) {
        complete_head_got(u, t, POP(t, u->rd_rsp_cq));
        moved = true;
    }
    if (VALID(t, u->cqe_done)) {
        u->s.done += (uint32_t)(POP(t, u->cqe_done)->cookie - (uint32_t)u->s.done);
        moved = true;
    }
    return moved;
}

/* --- jobs --------------------------------------------------------------------------------------
 */

static struct complete_job *append(struct complete *u, uint32_t cqn)
{
    struct complete_job *const j = complete_job_at(u, u->s.tail);
    uint8_t behind = 0;

    for (uint32_t n = u->s.head; n != u->s.tail; n++) {
        behind = (uint8_t)(behind + ((u->s.gone >> n % COMPLETE_JOBS & 1) == 0 &&
                                     complete_job_at(u, n)->m.cqn == cqn));
    }
    u->s.tail++;
    *j = (struct complete_job){.m = {.cqn = cqn}, .cx = NO_SLOT, .behind = behind};
    return j;
}

static void accept_cqe(struct complete *u, const struct tick *t, struct wire_cqe *from)
{
    const struct cqe *const m = POP(t, from);
    struct complete_job *const j = append(u, m->cqn);

    j->m = *m;
    j->state = (m->flags & CQE_SILENT) != 0 ? JOB_READY : JOB_NEW;
}

/* Round robin over the two kinds of CQEs and arms. */
static bool accept(struct complete *u, const struct tick *t)
{
    const bool some = VALID(t, u->req_cqe) || VALID(t, u->rsp_cqe) || VALID(t, u->cq_arm);

    if (!some || u->s.tail - u->s.head == COMPLETE_JOBS) {
        return false;
    }
    for (uint32_t i = 0, in = u->s.next; i < INPUTS; i++, in = in == INPUTS - 1 ? 0 : in + 1) {
        if (in < 2 && VALID(t, in == 0 ? u->req_cqe : u->rsp_cqe)) {
            accept_cqe(u, t, in == 0 ? u->req_cqe : u->rsp_cqe);
        } else if (in == 2 && VALID(t, u->cq_arm)) {
            const struct cq_arm *const m = POP(t, u->cq_arm);
            append(u, m->cqn)->arm = m->kind;
        } else {
            continue;
        }
        u->s.next = (uint8_t)((in + 1) % INPUTS);
        return true;
    }
    return false;
}

static bool finish(struct complete *u, const struct tick *t, uint32_t n)
{
    const struct complete_job *const j = complete_job_at(u, n);

    if (j->cx != NO_SLOT) {
        if (!READY(t, u->ctx_put_cq) || u->ctx_put_cq->ctl.pushed == t->now + 1) {
            return false;
        }
        PUSH(t, u->ctx_put_cq, ctx_put, 0, .cx = j->cx, .kind = CTX_CQ, .op = CTX_PUT);
    }
    u->s.gone |= 1U << n % COMPLETE_JOBS;
    for (uint32_t k = n + 1; k != u->s.tail; k++) {
        struct complete_job *const o = complete_job_at(u, k);
        o->behind = (uint8_t)(o->behind - (o->m.cqn == j->m.cqn));
    }
    return true;
}

static bool ask_context(struct complete *u, const struct tick *t, struct complete_job *j)
{
    if (!READY(t, u->ctx_get_cq) || u->ctx_get_cq->ctl.pushed == t->now + 1) {
        return false;
    }
    PUSH(t, u->ctx_get_cq, ctx_get, 0, .number = j->m.cqn, .cookie = (uint16_t)(j - u->job),
         .kind = CTX_CQ, .op = CTX_GET);
    j->state = JOB_ASKED;
    return true;
}

/* Each cycle at most one job asks for its context, one makes a step, one ends: the oldest that can.
 * *more: another may follow without a new message. */
static bool run(struct complete *u, const struct tick *t, bool *more)
{
    bool moved = false, stepped = false;

    for (uint32_t n = u->s.head; n != u->s.tail; n++) {
        struct complete_job *const j = complete_job_at(u, n);
        if ((u->s.gone >> n % COMPLETE_JOBS & 1) != 0) {
            continue;
        }
        if (j->state == JOB_NEW) {
            moved |= ask_context(u, t, j);
        }
        if (!stepped && j->behind == 0 && (j->state == JOB_READY || j->state == JOB_WRITE)) {
            stepped = complete_step(u, t, j);
        }
        if (j->state == JOB_PUT && finish(u, t, n)) {
            moved = true;
        } else {
            *more |= j->state == JOB_NEW || j->state == JOB_WRITE || j->state == JOB_PUT ||
                     (j->state == JOB_READY && j->behind == 0);
        }
    }
    while (u->s.head != u->s.tail && (u->s.gone >> u->s.head % COMPLETE_JOBS & 1) != 0) {
        u->s.gone &= ~(1U << u->s.head++ % COMPLETE_JOBS);
    }
    return moved || stepped;
}

/* --- events and fences --------------------------------------------------------------------------
 */

/* Everything up to number has been written; else makes sure that this will be told. */
static bool written(struct complete *u, const struct tick *t, uint64_t number, bool *moved)
{
    if (u->s.done < number && u->s.told < number && u->s.writing == 0 && READY(t, u->wr_cqe) &&
        u->wr_cqe->ctl.pushed != t->now + 1) {
        PUSH(t, u->wr_cqe, wr_req, u->delay, .cookie = (uint32_t)u->s.wrote,
             .flags = WR_NOTIFY | WR_NO_DATA, .cls = CLS_CQE, .slot = NO_SLOT);
        u->s.told = u->s.wrote;
        *moved = true;
    }
    return u->s.done >= number;
}

static bool send_event(struct complete *u, const struct tick *t)
{
    const struct complete_fire *const f = &u->s.fire[u->s.fire_head % COMPLETE_FIRES];
    bool moved = false;

    if (u->s.fire_head == u->s.fire_tail || !written(u, t, f->number, &moved)) {
        return moved;
    }
    if (f->cqn != NO_NUMBER) {
        if (!READY(t, u->cq_event)) {
            return false;
        }
        PUSH(t, u->cq_event, cq_event, 0, .cqn = f->cqn, .fn = f->fn, .vector = f->vector);
        t->s->complete_events++;
    }
    u->s.fire_head++;
    return true;
}

/* Entries that were on a wire before this cycle: a push of this very cycle does not count, so that
 * the order of ticks makes no difference. */
static uint32_t pushed_before(const struct fifo *f, uint64_t now)
{
    return f->tail - (f->pushed == now + 1);
}

static void begin_fence(struct complete *u, const struct tick *t)
{
    const struct cq_event *const m = POP(t, u->cmd_cq);

    u->s.f.cqn = m->cqn;
    u->s.f.fn = m->fn;
    u->s.f.vector = m->vector;
    u->s.f.req = pushed_before(&u->req_cqe->ctl, t->now);
    u->s.f.rsp = pushed_before(&u->rsp_cqe->ctl, t->now);
    u->s.f.state = FENCE_IN;
}

static bool end_fence(struct complete *u, const struct tick *t)
{
    if (!READY(t, u->cmd_cq_done)) {
        return false;
    }
    for (uint32_t i = u->s.fire_head; u->s.f.cqn != NO_NUMBER && i != u->s.fire_tail; i++) {
        struct complete_fire *const f = &u->s.fire[i % COMPLETE_FIRES];
        f->cqn = f->cqn == u->s.f.cqn ? (uint32_t)NO_NUMBER : f->cqn;
    }
    PUSH(t, u->cmd_cq_done, cq_event, 0, .cqn = u->s.f.cqn, .fn = u->s.f.fn,
         .vector = u->s.f.vector);
    u->s.f.state = FENCE_NONE;
    return true;
}

static bool fence(struct complete *u, const struct tick *t)
{
    bool moved = false;

    switch (u->s.f.state) {
    case FENCE_NONE:
        if (!VALID(t, u->cmd_cq)) {
            return false;
        }
        begin_fence(u, t);
        return true;
    case FENCE_IN:
        if ((int32_t)(u->req_cqe->ctl.head - u->s.f.req) < 0 ||
            (int32_t)(u->rsp_cqe->ctl.head - u->s.f.rsp) < 0) {
            return false;
        }
        u->s.f.job = u->s.tail;
        u->s.f.state = FENCE_JOBS;
        return true;
    case FENCE_JOBS:
        if ((int32_t)(u->s.head - u->s.f.job) < 0) {
            return false;
        }
        u->s.f.number = u->s.wrote;
        u->s.f.state = FENCE_WRITES;
        return true;
    case FENCE_WRITES:
        if (!written(u, t, u->s.f.number, &moved)) {
            return moved;
        }
        u->s.f.state = FENCE_TELL;
        return true;
    default: return end_fence(u, t);
    }
}

static bool waiting(const struct tick *t, const struct fifo *f)
{
    return fifo_valid(f, t->now) && f->popped != t->now + 1;
}

struct act complete_tick(struct complete *u, const struct tick *t)
{
    bool more = false;
    bool moved = answers(u, t);

    moved |= accept(u, t);
    moved |= run(u, t, &more);
    moved |= send_event(u, t);
    moved |= fence(u, t);
    if (!moved) {
        return IDLE;
    }
    if (u->s.tail - u->s.head < COMPLETE_JOBS) {
        more |= waiting(t, &u->req_cqe->ctl) || waiting(t, &u->rsp_cqe->ctl) ||
                waiting(t, &u->cq_arm->ctl);
    }
    more |= u->s.fire_head != u->s.fire_tail || u->s.f.state != FENCE_NONE;
    return more ? AGAIN(t) : MOVED;
}
