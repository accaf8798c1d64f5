#include "model/arbiter.h"

/* READY: in the list of its unit. AGAIN: becomes ready when the grant ends. RUNG: a doorbell came
 * since the last grant. PART: its next grant goes on inside a message. */
enum arbiter_flag { QP_READY = 1, QP_GRANTED = 2, QP_AGAIN = 4, QP_RUNG = 8, QP_PART = 16 };

void arbiter_open(struct arbiter *u, struct opening *o)
{
    u->rows = (uint32_t)(o->p->hca_fn_max * o->p->hca_qp_max);
    u->qp = arena_take(o->a, u->rows * sizeof *u->qp);
    u->units = (uint32_t)o->p->hca_pu_count;
    u->wqe_cycles = (uint32_t)ns_cycles(o->p, o->p->hca_pu_wqe_ns);
}

static struct arbiter_qp *row_of(const struct arbiter *u, const struct tick *t, uint32_t qn)
{
    const uint32_t row = dense_row(qn, t->p->hca_qp_max);

    return qn % QP_ROUND < t->p->hca_qp_max && row < u->rows ? &u->qp[row] : NULL;
}

static uint32_t row_qn(const struct tick *t, uint32_t row)
{
    const uint32_t max = (uint32_t)t->p->hca_qp_max;

    return row / max * QP_ROUND + row % max;
}

static void make_ready(struct arbiter *u, struct arbiter_qp *q)
{
    if ((q->flags & QP_GRANTED) != 0) {
        q->flags |= QP_AGAIN;
        return;
    }
    if ((q->flags & QP_READY) != 0) {
        return;
    }
    const uint32_t row = (uint32_t)(q - u->qp);
    const uint32_t unit = row % u->units;
    q->flags |= QP_READY;
    q->next = 0;
    q->turn = u->s.turn++;
    if (u->s.last[unit] == 0) {
        u->s.first[unit] = row + 1;
        u->s.ready |= 1ULL << unit;
    } else {
        u->qp[u->s.last[unit] - 1].next = row + 1;
    }
    u->s.last[unit] = row + 1;
}

static bool take_doorbell(struct arbiter *u, const struct tick *t)
{
    if (!VALID(t, u->qp_ready)) {
        return false;
    }
    const struct qp_ready *const m = POP(t, u->qp_ready);
    struct arbiter_qp *const q = row_of(u, t, m->qn);
    if (q == NULL) {
        return true;
    }
    t->s->arbiter_merged += (q->flags & QP_RUNG) != 0;
    q->flags |= QP_RUNG;
    q->native = m->native;
    q->tail = m->tail;
    q->t_in = m->t_in;
    q->t_db = m->t_db;
    make_ready(u, q);
    return true;
}

static bool take_kick(struct arbiter *u, const struct tick *t)
{
    if (!VALID(t, u->qp_kick)) {
        return false;
    }
    struct arbiter_qp *const q = row_of(u, t, POP(t, u->qp_kick)->qn);
    if (q != NULL) {
        make_ready(u, q);
    }
    return true;
}

static bool take_done(struct arbiter *u, const struct tick *t)
{
    if (!VALID(t, u->qp_done)) {
        return false;
    }
    const struct qp_done *const m = POP(t, u->qp_done);
    struct arbiter_qp *const q = row_of(u, t, m->qn);
    hca_assert(q != NULL && (q->flags & QP_GRANTED) != 0);
    const bool again = (q->flags & QP_AGAIN) != 0 || m->kind == QP_DONE_AGAIN;

    q->flags &= (uint8_t) ~(QP_GRANTED | QP_AGAIN | QP_PART);
    q->flags |= m->part ? QP_PART : 0;
    if (m->kind == QP_DONE_FORGET) {
        q->flags &= (uint8_t)~QP_RUNG;
        q->tail = 0;
        q->native = 0;
    }
    if (again) {
        make_ready(u, q);
    }
    return true;
}

/* Unit of the QP whose turn it is; u->units: every ready QP waits for its unit, or none is ready.
 */
static uint32_t pick(const struct arbiter *u, const struct tick *t)
{
    uint32_t best = u->units;
    uint64_t turn = UINT64_MAX;

    for (uint64_t set = u->s.ready; set != 0; set &= set - 1) {
        const uint32_t unit = (uint32_t)__builtin_ctzll(set);
        const struct arbiter_qp *const q = &u->qp[u->s.first[unit] - 1];
        if (u->s.free_at[unit] <= t->now && q->turn < turn) {
            turn = q->turn;
            best = unit;
        }
    }
    return best;
}

static void give(struct arbiter *u, const struct tick *t, uint32_t unit)
{
    const uint32_t row = u->s.first[unit] - 1;
    struct arbiter_qp *const q = &u->qp[row];

    u->s.first[unit] = q->next;
    if (q->next == 0) {
        u->s.last[unit] = 0;
        u->s.ready &= ~(1ULL << unit);
    }
    if ((q->flags & QP_PART) == 0) {
        u->s.free_at[unit] = t->now + u->wqe_cycles;
    }
    PUSH(t, u->grant, grant, 0, .qn = row_qn(t, row), .tail = q->tail, .native = q->native,
         .rung = (q->flags & QP_RUNG) != 0, .t_in = q->t_in, .t_db = q->t_db, .t_grant = t->now);
    q->flags = (uint8_t)((q->flags & QP_PART) | QP_GRANTED);
    t->s->arbiter_granted++;
}

/* Cycle from which some ready QP may be granted, HCA_NEVER: none is ready. */
static uint64_t next_grant(const struct arbiter *u)
{
    uint64_t at = HCA_NEVER;

    for (uint64_t set = u->s.ready; set != 0; set &= set - 1) {
        const uint64_t free_at = u->s.free_at[__builtin_ctzll(set)];
        at = free_at < at ? free_at : at;
    }
    return at;
}

struct act arbiter_tick(struct arbiter *u, const struct tick *t)
{
    bool moved = take_done(u, t);

    moved |= take_kick(u, t);
    moved |= take_doorbell(u, t);
    const uint32_t unit = READY(t, u->grant) ? pick(u, t) : u->units;
    if (unit != u->units) {
        give(u, t, unit);
        moved = true;
    }
    const uint64_t at = next_grant(u);
    if (at <= t->now) { /* a full grant wire wakes us by its pop */
        return moved ? AGAIN(t) : IDLE;
    }
    return (struct act){moved, at};
}
