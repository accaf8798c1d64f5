#include "model/requester.h"

void requester_open(struct requester *u, struct opening *o)
{
    req_row_open(u, o);
    for (unsigned code = 0; code < 32; code++) {
        u->ack_cycles[code] = req_ack_cycles(o->p, code);
    }
}

/* A piece of a response has been sent to PCIe, or could not be placed. */
static void take_placed(struct requester *u, const struct tick *t)
{
    if (!VALID(t, u->ack_done)) {
        return;
    }
    const struct wr_done *const d = POP(t, u->ack_done);
    struct req_msg *const m = &u->msg[d->cookie];
    struct req_qp *const r = &u->qp[m->row];

    hca_assert(m->unplaced != 0);
    u->s.progress++;
    m->unplaced--;
    r->unplaced--;
    if (d->status != WC_OK) {
        req_fail(u, r, m, WC_LOC_PROT);
    }
    if (m->unplaced == 0) {
        req_todo(u, r, TODO_RETIRE);
    }
    if (r->unplaced == 0 && r->marker) {
        req_kick(u, r);
    }
}

static struct req_msg *message_of(struct requester *u, const struct req_qp *r, uint32_t e)
{
    for (uint32_t i = r->acking; i != 0; i = u->msg[i - 1].next) {
        struct req_msg *const m = &u->msg[i - 1];
        if (e - m->first < m->n) {
            return m;
        }
    }
    return NULL;
}

/* A packet whose payload could not be read: its message fails in its turn. */
static void take_error(struct requester *u, const struct tick *t)
{
    if (!VALID(t, u->tx_error)) {
        return;
    }
    const struct pkt *const p = POP(t, u->tx_error);
    struct req_qp *const r = req_row(u, t, p->qn);
    uint32_t e;

    u->s.progress++;
    if (r == NULL || !r->live || r->marker || !req_psn(r, p->psn, &e)) {
        return;
    }
    struct req_msg *const m = message_of(u, r, e);
    if (m != NULL) {
        req_fail(u, r, m, p->status);
    }
}

/* A packet that asked for it has become a frame, or a fence has passed the pipe. Errors of packets
 * in front of a fence are taken before it. */
static void take_sent(struct requester *u, const struct tick *t)
{
    if (!VALID(t, u->tx_sent)) {
        return;
    }
    const struct pkt *const p = POP(t, u->tx_sent);
    struct req_qp *const r = req_row(u, t, p->qn);
    uint32_t e;

    u->s.progress++;
    if (r == NULL) {
        return;
    }
    if ((p->flags & TXF_FENCE) != 0) {
        if (r->fencing) {
            req_todo(u, r, TODO_FLUSHED);
        }
    } else if (r->live && r->type != QPT_RC && !r->marker && r->error == ACK_OK &&
               req_psn(r, p->psn, &e)) {
        (void)req_acknowledge(u, t, r, e + 1);
    }
}

static void kick(struct requester *u, struct req_qp *r, const struct qp_event *m)
{
    r->qn = m->qn;
    switch (m->kind) {
    case KICK_RESET:
    case KICK_DESTROY:
        r->marker = (uint8_t)(m->kind + 1);
        req_timer_set(u, r, 0);
        break;
    case KICK_STATE: r->state_kick = 1; break;
    default: /* KICK_ERROR of respond, KICK_FLUSH of command */
        req_error(u, r, ACK_ERR, false);
        break;
    }
    req_kick(u, r);
}

static void take_kick(struct requester *u, const struct tick *t, struct wire_qp_event *in)
{
    if (VALID(t, in)) {
        const struct qp_event *const m = POP(t, in);
        struct req_qp *const r = req_row(u, t, m->qn);
        u->s.progress++;
        if (r != NULL) {
            kick(u, r, m);
        }
    }
}

static void take_timer(struct requester *u, const struct tick *t)
{
    if (req_timer_next(u) <= t->now) {
        struct req_qp *const r = req_timer_take(u, t->now);
        if (r != NULL) {
            req_timeout(u, t, r);
        }
    }
}

/* Something may go on in the next cycle without a wire telling so. */
static bool left(const struct requester *u, const struct tick *t)
{
    return u->s.cut.phase != CUT_NONE || u->s.todo.head != u->s.todo.tail ||
           u->s.kick.head != u->s.kick.tail || VALID(t, u->rx_ack) || VALID(t, u->work) ||
           req_timer_next(u) <= t->now;
}

struct act requester_tick(struct requester *u, const struct tick *t)
{
    const uint64_t before = u->s.progress;

    take_placed(u, t);
    take_error(u, t);
    take_sent(u, t);
    if (VALID(t, u->mpt_req_done)) {
        req_local_done(u, t, POP(t, u->mpt_req_done));
    }
    take_kick(u, t, u->err_req);
    take_kick(u, t, u->cmd_req_kick);
    take_timer(u, t);
    req_ack_step(u, t);
    req_cut_step(u, t);
    req_todo_step(u, t);
    if (u->s.progress == before) {
        return WAKE_AT(req_timer_next(u));
    }
    return left(u, t) ? AGAIN(t) : (struct act){true, req_timer_next(u)};
}
