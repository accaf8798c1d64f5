#include "model/doorbell.h"

void doorbell_open(struct doorbell *u, struct opening *o)
{
    (void)u;
    (void)o;
}

static bool known(const struct tick *t, const struct db_write *d)
{
    switch (d->kind) {
    case DB_SEND:
    case DB_RECV: return d->number < t->p->hca_qp_max;
    case DB_SRQ_RECV: return d->number < t->p->hca_srq_max;
    case DB_CQ_ARM:
    case DB_CQ_ARM_SOLICITED: return d->number < t->p->hca_cq_max;
    default: return false;
    }
}

/* Numbers are per function; inside the adapter they are one dense space (decisions 1). */
static uint32_t global(const struct db_write *d)
{
    return d->fn * (uint32_t)QP_ROUND + d->number;
}

static struct act drop(const struct tick *t, const struct db_write *d)
{
    t->s->doorbell_dropped++;
    TRACE(t, doorbell, doorbell_drop, .number = d->number, .fn = d->fn, .kind = d->kind);
    return MOVED;
}

struct act doorbell_tick(struct doorbell *u, const struct tick *t)
{
    if (!VALID(t, u->db_write) || !READY(t, u->qp_ready) || !READY(t, u->rq_ready) ||
        !READY(t, u->cq_arm)) {
        return IDLE;
    }
    const struct db_write *const d = POP(t, u->db_write);
    const uint32_t number = global(d);

    if (!known(t, d)) {
        return drop(t, d);
    }
    if (d->kind == DB_SEND) {
        PUSH(t, u->qp_ready, qp_ready, 0, .qn = number, .tail = d->tail, .native = d->native,
             .kind = d->kind, .t_in = d->t_in, .t_db = t->now);
        t->s->doorbell_rung++;
    } else if (d->kind == DB_RECV || d->kind == DB_SRQ_RECV) {
        PUSH(t, u->rq_ready, qp_ready, 0, .qn = number, .tail = d->tail, .native = d->native,
             .kind = d->kind, .t_in = d->t_in, .t_db = t->now);
        t->s->doorbell_recv++;
    } else {
        PUSH(t, u->cq_arm, cq_arm, 0, .cqn = number, .kind = d->kind);
        t->s->doorbell_armed++;
    }
    return MOVED;
}
