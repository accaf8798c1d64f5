#include "model/respond_i.h"

static uint32_t rows(const struct hca_param *p)
{
    return (uint32_t)(p->hca_fn_max * p->hca_qp_max);
}

void respond_open(struct respond *u, struct opening *o)
{
    const uint32_t n = rows(o->p);
    uint32_t slots = 2;

    while (slots < n) {
        slots *= 2;
    }
    u->mask = slots - 1;
    u->depth = (uint32_t)o->p->hca_max_rd_atomic;
    u->qp = arena_take(o->a, n * sizeof *u->qp);
    u->res = arena_take(o->a, (size_t)n * u->depth * sizeof *u->res);
    u->ready = arena_take(o->a, slots * sizeof *u->ready);
    u->waits = arena_take(o->a, slots * sizeof *u->waits);
    u->failed = arena_take(o->a, slots * sizeof *u->failed);
    u->turn = arena_take(o->a, RSP_TURNS * sizeof *u->turn);
    u->atomic = arena_take(o->a, RSP_ATOMICS * sizeof *u->atomic);
    u->cqe = arena_take(o->a, RSP_CQES * sizeof *u->cqe);
    u->pkt = arena_take(o->a, sizeof *u->pkt);
    u->atomic_data = store_take(o, RSP_ATOMICS * 16);
    u->delay = ns_cycles(o->p, o->p->hca_respond_ns);
    u->ack_delay = ns_cycles(o->p, o->p->hca_ack_delay_ns);
}

void rsp_write(struct respond *u, const struct tick *t, struct wr_req m)
{
    u->s.wr_seq++;
    u->s.wr_told = (m.flags & WR_NOTIFY) != 0 ? u->s.wr_seq : u->s.wr_told;
    m.cookie = (uint32_t)u->s.wr_seq;
    PASS(t, u->rx_write, wr_req, u->delay, &m);
}

bool rsp_barrier(struct respond *u, const struct tick *t, uint64_t *need)
{
    if (u->s.wr_told != u->s.wr_seq) {
        if (!CAN(u, t, u->rx_write)) {
            return false;
        }
        rsp_write(
            u, t,
            (struct wr_req){.flags = WR_NOTIFY | WR_NO_DATA, .cls = CLS_PAYLOAD, .slot = NO_SLOT});
    }
    *need = u->s.wr_seq;
    return true;
}

/* Two: a request in error may complete the WQE in use and its own. */
bool rsp_cqe_room(const struct respond *u)
{
    return u->s.cqe_tail - u->s.cqe_head <= RSP_CQES - 2;
}

/* A native receive WQE has no wr_id that could name an operation. */
void rsp_complete(struct respond *u, const struct qpc *c, uint64_t wr_id, uint8_t status,
                  uint64_t need)
{
    u->cqe[u->s.cqe_tail++ % RSP_CQES] = (struct rsp_cqe){
        .m = {.wr_id = wr_id,
              .cqn = c->s.recv_cqn,
              .qn = c->s.qn,
              .handle = c->s.handle,
              .flags = CQE_RECV,
              .fn = c->s.fn,
              .opcode = WC_RECV,
              .status = status,
              .mid = c->s.format == FORMAT_PVRDMA && u->s.marks == 0 ? (uint32_t)wr_id : 0},
        .need = need};
}

struct cqe *rsp_last_cqe(struct respond *u)
{
    return &u->cqe[(u->s.cqe_tail - 1) % RSP_CQES].m;
}

static bool ripe(const struct respond *u)
{
    return u->s.cqe_head != u->s.cqe_tail && rsp_done(u, u->cqe[u->s.cqe_head % RSP_CQES].need);
}

static bool send_cqe(struct respond *u, const struct tick *t)
{
    if (!ripe(u) || !CAN(u, t, u->rsp_cqe)) {
        return false;
    }
    PASS(t, u->rsp_cqe, cqe, 0, &u->cqe[u->s.cqe_head % RSP_CQES].m);
    u->s.cqe_head++;
    u->s.more |= ripe(u);
    return true;
}

/* Numbers come back with 32 bits; those of rsp_sent and rsp_error may pass each other. */
static uint64_t unwrap(uint64_t last, uint32_t number)
{
    const int32_t ahead = (int32_t)(number - (uint32_t)last);

    return ahead > 0 ? last + (uint32_t)ahead : last;
}

/* A response packet could not be read or its key failed: the READ it belongs to ends here. */
static void response_failed(struct respond *u, const struct tick *t, const struct pkt *m)
{
    const uint32_t row = rsp_row(t, m->qn);
    struct rsp_qp *const q = &u->qp[row];
    const bool access = m->status == WC_LOC_PROT || m->status == WC_REM_ACCESS;

    if ((m->flags & TXF_NOTIFY) != 0) {
        u->s.job_sent = unwrap(u->s.job_sent, m->imm);
    }
    if (m->lkey == 0 && m->plen == 0 && m->opcode >= PKT_OP_RC_ACK) {
        return; /* no header for an answer (its GID is gone): the peer will time out */
    }
    if (q->error != 0 || rsp_resetting(u, m->qn)) {
        return;
    }
    q->error = 1;
    rsp_forget(u, row);
    rsp_answer(u, t, m->qn, NULL, ANSWER_FATAL, access ? AETH_NAK_ACCESS : AETH_NAK_OP, m->psn);
    rsp_fail(u, row, m->qn, CAUSE_SELF, (access ? ASYNC_QP_ACCESS_ERR : ASYNC_QP_FATAL) + 1);
}

static void got(struct respond *u, const struct tick *t)
{
    const struct ctx_got *const m = POP(t, u->ctx_got_rsp);

    if (m->cookie == COOKIE_FLUSH) {
        rsp_got_flush(u, t, m);
    } else {
        rsp_got_turn(u, t, m);
    }
}

/* Answers of other units are taken whatever the state of the outputs. */
static bool sink_answers(struct respond *u, const struct tick *t)
{
    bool moved = false;

    if (VALID(t, u->rx_done)) {
        u->s.wr_done = unwrap(u->s.wr_done, POP(t, u->rx_done)->cookie);
        moved = true;
    }
    if (VALID(t, u->rsp_sent)) {
        u->s.job_sent = unwrap(u->s.job_sent, POP(t, u->rsp_sent)->imm);
        moved = true;
    }
    if (VALID(t, u->rsp_error)) {
        response_failed(u, t, POP(t, u->rsp_error));
        moved = true;
    }
    if (VALID(t, u->rd_rsp_rsp)) {
        rsp_atomic_read(u, t, POP(t, u->rd_rsp_rsp));
        moved = true;
    }
    if (VALID(t, u->ctx_got_rsp)) {
        got(u, t);
        moved = true;
    }
    return moved;
}

static bool sink_events(struct respond *u, const struct tick *t)
{
    bool moved = false;

    if (VALID(t, u->mpt_rsp_done)) {
        u->s.x.inv = POP(t, u->mpt_rsp_done)->status == MPT_DONE ? INV_DONE : INV_FAILED;
        moved = true;
    }
    if (VALID(t, u->err_rsp)) {
        const uint32_t qn = POP(t, u->err_rsp)->qn;
        rsp_fail(u, rsp_row(t, qn), qn, CAUSE_REQUESTER, 0);
        moved = true;
    }
    if (VALID(t, u->rq_more)) {
        const uint32_t qn = POP(t, u->rq_more)->qn;
        rsp_fail(u, rsp_row(t, qn), qn, CAUSE_MORE, 0);
        moved = true;
    }
    return moved;
}

static uint64_t next_delay(const struct respond *u)
{
    return u->s.oldest == 0 ? HCA_NEVER : u->qp[u->s.oldest - 1].deadline;
}

struct act respond_tick(struct respond *u, const struct tick *t)
{
    bool moved = sink_answers(u, t);

    moved |= sink_events(u, t);
    moved |= rsp_atomics(u, t);
    moved |= rsp_delays(u, t);
    moved |= rsp_turns(u, t);
    moved |= rsp_flush(u, t);
    moved |= rsp_exec(u, t);
    moved |= send_cqe(u, t);
    moved |= rsp_kick(u, t);
    const bool more = u->s.more != 0;
    u->s.more = 0;
    return (struct act){moved, moved && more ? t->now : next_delay(u)};
}
