#include "model/respond_i.h"

enum { QUANTA_ALONE = 16 }; /* a QP without rivals keeps its header fields this long */

static void put_ring(uint32_t *ring, uint32_t mask, uint32_t *tail, uint32_t qn)
{
    ring[(*tail)++ & mask] = qn;
}

void rsp_queue(struct respond *u, uint32_t row, uint32_t qn)
{
    struct rsp_qp *const q = &u->qp[row];

    if (q->queued == 0 && q->turn == 0) {
        q->queued = 1;
        put_ring(u->ready, u->mask, &u->s.ready_tail, qn);
    }
    u->s.more = 1; /* its turn, if it has one, may go on otherwise */
}

bool rsp_pipe_clear(const struct respond *u, const struct rsp_qp *q)
{
    return u->s.job_sent >= q->pipe;
}

void rsp_forget(struct respond *u, uint32_t row)
{
    struct rsp_qp *const q = &u->qp[row];

    for (uint32_t i = 0; i < q->count; i++) {
        rsp_res(u, row, i)->state = RES_DONE;
    }
    q->count = 0;
    q->wants = 0;
}

/* The response that goes next: the lowest PSN. */
static struct rsp_res *lowest(const struct respond *u, uint32_t row)
{
    for (uint32_t i = 0; u->qp[row].wants != 0 && i < u->qp[row].count; i++) {
        struct rsp_res *const r = rsp_res(u, row, i);
        if (r->state != RES_DONE) {
            return r;
        }
    }
    return NULL;
}

static uint64_t needed(const struct respond *u, uint32_t row, const struct rsp_res *r)
{
    return r->need > u->qp[row].stored ? r->need : u->qp[row].stored;
}

static void wait_for(struct respond *u, uint32_t row, uint32_t qn, uint64_t seq)
{
    struct rsp_qp *const q = &u->qp[row];

    if (q->waiting == 0) {
        q->waiting = 1;
        q->wait_for = seq;
        put_ring(u->waits, u->mask, &u->s.waits_tail, qn);
    }
}

static int free_turn(const struct respond *u)
{
    for (int i = 0; i < RSP_TURNS; i++) {
        if (u->s.t.state[i] == TURN_FREE) {
            return i;
        }
    }
    return -1;
}

static void take_turn(struct respond *u, int slot, uint32_t row, uint32_t qn)
{
    u->turn[slot].row = row;
    u->turn[slot].qn = qn;
    u->turn[slot].bytes = 0;
    u->qp[row].turn = 1;
    u->s.t.taken++;
}

static void release_turn(struct respond *u, int slot)
{
    u->s.t.state[slot] = TURN_FREE;
    u->s.t.taken--;
    u->qp[u->turn[slot].row].turn = 0;
}

/* The QP cannot answer any more: error, reset, or gone. */
static void void_turn(struct respond *u, int slot)
{
    rsp_forget(u, u->turn[slot].row);
    rsp_answered(u, u->turn[slot].row);
    release_turn(u, slot);
}

static void ready_turn(struct respond *u, int slot, const struct qpc *c)
{
    struct rsp_turn *const n = &u->turn[slot];

    rsp_head(&n->head, c);
    n->mtu = c->s.mtu_bytes;
    u->s.t.state[slot] = TURN_READY;
    u->s.t.order[u->s.t.n++] = (uint8_t)slot;
    u->s.more = 1;
}

void rsp_want(struct respond *u, const struct tick *t, uint32_t qn, const struct rsp_res *r,
              const struct qpc *c)
{
    const uint32_t row = rsp_row(t, qn);
    const struct rsp_qp *const q = &u->qp[row];
    const int slot = free_turn(u);

    u->s.more |= q->turn;
    if (q->turn != 0 || q->waiting != 0 || q->queued != 0 || r != lowest(u, row)) {
        return; /* its turn will come, or comes when what is in front of it is done */
    }
    if (!rsp_done(u, needed(u, row, r))) {
        wait_for(u, row, qn, needed(u, row, r));
    } else if (c != NULL && slot >= 0 && u->s.ready_head == u->s.ready_tail) {
        take_turn(u, slot, row, qn);
        ready_turn(u, slot, c);
    } else {
        rsp_queue(u, row, qn);
    }
}

void rsp_got_turn(struct respond *u, const struct tick *t, const struct ctx_got *m)
{
    struct rsp_turn *const n = &u->turn[m->cookie];

    (void)t;
    hca_assert(m->cookie < RSP_TURNS && u->s.t.state[m->cookie] == TURN_ASKED);
    n->cx = m->cx;
    u->s.t.state[m->cookie] = TURN_GOT;
    if (m->status != CTX_OK) {
        void_turn(u, m->cookie);
    }
}

/* Copies the header fields of one context that came and lets go of it. */
static bool settle(struct respond *u, const struct tick *t)
{
    int slot = 0;

    while (slot < RSP_TURNS && u->s.t.state[slot] != TURN_GOT) {
        slot++;
    }
    if (slot == RSP_TURNS || !CAN(u, t, u->ctx_put_rsp)) {
        return false;
    }
    struct rsp_turn *const n = &u->turn[slot];
    const struct qpc *const c = &t->ctx->qp[n->cx];

    PUSH(t, u->ctx_put_rsp, ctx_put, 0, .cx = n->cx, .kind = CTX_QP, .op = CTX_PUT);
    if (c->s.state < QPS_RTR || c->s.state > QPS_SQE) { /* error or reset meanwhile */
        void_turn(u, slot);
        return true;
    }
    ready_turn(u, slot, c);
    u->s.more = 1;
    return true;
}

static bool ask(struct respond *u, const struct tick *t)
{
    const int slot = free_turn(u);

    if (u->s.ready_head == u->s.ready_tail || slot < 0 || !CAN(u, t, u->ctx_get_rsp)) {
        return false;
    }
    const uint32_t qn = u->ready[u->s.ready_head++ & u->mask];
    const uint32_t row = rsp_row(t, qn);
    struct rsp_qp *const q = &u->qp[row];

    u->s.more |= u->s.ready_head != u->s.ready_tail;
    q->queued = 0;
    if ((q->wants == 0 && q->answer == ANSWER_NONE) || q->turn != 0) {
        return true;
    }
    take_turn(u, slot, row, qn);
    u->s.t.state[slot] = TURN_ASKED;
    PUSH(t, u->ctx_get_rsp, ctx_get, 0, .number = qn, .cookie = (uint16_t)slot, .kind = CTX_QP,
         .op = CTX_GET);
    return true;
}

/* QPs whose payload writes are done line up. */
static bool wake_waiting(struct respond *u, const struct tick *t)
{
    if (u->s.waits_head == u->s.waits_tail) {
        return false;
    }
    const uint32_t qn = u->waits[u->s.waits_head & u->mask];
    const uint32_t row = rsp_row(t, qn);

    if (!rsp_done(u, u->qp[row].wait_for)) {
        return false;
    }
    u->s.waits_head++;
    u->qp[row].waiting = 0;
    rsp_queue(u, row, qn);
    u->s.more = 1;
    return true;
}

static void end_turn(struct respond *u)
{
    const uint8_t slot = u->s.t.order[0];
    const struct rsp_turn *const n = &u->turn[slot];
    struct rsp_qp *const q = &u->qp[n->row];
    const struct rsp_res *const r = lowest(u, n->row);

    memmove(&u->s.t.order[0], &u->s.t.order[1], --u->s.t.n);
    release_turn(u, slot);
    if (r == NULL ? q->answer != ANSWER_NONE : r->state == RES_WANTED && q->waiting == 0) {
        rsp_queue(u, n->row, n->qn);
    }
    u->s.more |= u->s.t.n != 0 || u->s.ready_head != u->s.ready_tail;
}

/* One packet without payload, past the responses of its QP that are still on their way. */
static bool emit(struct respond *u, const struct tick *t, struct rsp_qp *q, struct pkt *m)
{
    if (rsp_pipe_clear(u, q)) {
        if (!CAN(u, t, u->ack_job)) {
            return false;
        }
        PASS(t, u->ack_job, pkt, u->delay, m);
        return true;
    }
    if (!CAN(u, t, u->rsp_job)) {
        return false;
    }
    q->pipe = ++u->s.job_seq;
    m->imm = (uint32_t)u->s.job_seq;
    m->flags |= TXF_NOTIFY;
    PASS(t, u->rsp_job, pkt, u->delay, m);
    return true;
}

static bool send_answer(struct respond *u, const struct tick *t, const struct rsp_turn *n)
{
    struct rsp_qp *const q = &u->qp[n->row];
    struct pkt m = n->head;

    rsp_answer_pkt(q, &m);
    if (!emit(u, t, q, &m)) {
        return false;
    }
    rsp_answered(u, n->row);
    return true;
}

static bool send_atomic(struct respond *u, const struct tick *t, const struct rsp_turn *n,
                        struct rsp_res *r)
{
    struct rsp_qp *const q = &u->qp[n->row];
    struct pkt m = n->head;

    m.opcode = PKT_OP_RC_ATOMIC_ACK;
    m.psn = r->first;
    m.aeth = (uint32_t)AETH_ACK << 24 | r->msn;
    m.op1 = r->value;
    m.mid = r->mid;
    if (!emit(u, t, q, &m)) {
        return false;
    }
    STAMP(t, respond, executed, r->mid, t->now);
    r->state = RES_DONE;
    r->answered = 1;
    q->wants--;
    return true;
}

static uint8_t response_opcode(bool first, bool last)
{
    if (first) {
        return last ? PKT_OP_RC_READ_RESPONSE_ONLY : PKT_OP_RC_READ_RESPONSE_FIRST;
    }
    return last ? PKT_OP_RC_READ_RESPONSE_LAST : PKT_OP_RC_READ_RESPONSE_MIDDLE;
}

/* Makes the next packet of READ r the one being cut. */
static void begin_packet(struct respond *u, const struct tick *t, struct rsp_turn *n,
                         struct rsp_res *r)
{
    struct rsp_qp *const q = &u->qp[n->row];
    struct pkt *const m = u->pkt;
    const uint32_t left = r->run_len - r->run_off;
    const uint32_t len = left < n->mtu ? left : n->mtu;
    const bool first = r->run_off == 0, last = len == left;

    *m = n->head;
    m->opcode = response_opcode(first, last);
    m->addr = r->run_va + r->run_off;
    m->lkey = r->rkey;
    m->psn = (r->run_psn + r->run_off / n->mtu) & PSN_MASK;
    m->aeth = first || last ? (uint32_t)AETH_ACK << 24 | r->msn : 0;
    m->plen = len;
    m->flags =
        (uint16_t)((len == 0 ? TXF_NO_PAYLOAD : 0) | (last ? TXF_NOTIFY | TXF_LAST_OF_MSG : 0));
    m->mid = last ? r->mid : 0;
    m->mid_first = first ? r->mid : 0;
    if (first) {
        STAMP(t, respond, executed, r->mid, t->now);
    }
    r->run_off += len;
    n->bytes += len;
    u->s.t.cutting = 1;
    u->s.t.left = len;
    u->s.t.off = 0;
    t->s->respond_read_packets++;
    if (last) {
        r->state = RES_DONE;
        r->answered = 1;
        q->wants--;
        q->pipe = ++u->s.job_seq;
        m->imm = (uint32_t)u->s.job_seq;
    }
}

/* Pieces cross no 4 KiB boundary of the virtual address. */
static void cut_piece(struct respond *u, const struct tick *t)
{
    struct pkt m = *u->pkt;
    const uint64_t va = m.addr + u->s.t.off;
    const uint32_t page = PAGE_BYTES - (uint32_t)(va % PAGE_BYTES);

    m.addr = va;
    m.off = u->s.t.off;
    m.len = u->s.t.left < page ? u->s.t.left : page;
    u->s.t.left -= m.len;
    u->s.t.off += m.len;
    m.flags |= m.off == 0 ? TXF_FIRST_PIECE : 0;
    m.flags |= u->s.t.left == 0 ? TXF_LAST_PIECE : 0;
    u->s.t.cutting = u->s.t.left != 0;
    PASS(t, u->rsp_job, pkt, u->delay, &m);
}

static bool turn_over(const struct respond *u, const struct tick *t, const struct rsp_turn *n)
{
    const bool rivals = u->s.ready_head != u->s.ready_tail || u->s.t.taken > 1;

    return n->bytes >= t->p->hca_arbiter_quantum_bytes * (rivals ? 1 : QUANTA_ALONE);
}

/* One step of the first turn: a piece, an answer, or its end. */
static bool serve(struct respond *u, const struct tick *t)
{
    struct rsp_turn *const n = &u->turn[u->s.t.order[0]];
    const struct rsp_qp *const q = &u->qp[n->row];
    struct rsp_res *const r = lowest(u, n->row);

    if (u->s.t.cutting != 0) {
        if (!CAN(u, t, u->rsp_job)) {
            return false;
        }
        cut_piece(u, t);
    } else if (r == NULL && q->answer != ANSWER_NONE) {
        return send_answer(u, t, n);
    } else if (r == NULL || r->state == RES_EXECUTING || turn_over(u, t, n)) {
        end_turn(u);
    } else if (!rsp_done(u, needed(u, n->row, r))) {
        wait_for(u, n->row, n->qn, needed(u, n->row, r));
        end_turn(u);
    } else if (r->kind == RES_ATOMIC) {
        return send_atomic(u, t, n, r);
    } else {
        if (!CAN(u, t, u->rsp_job)) {
            return false;
        }
        begin_packet(u, t, n, r);
        cut_piece(u, t);
    }
    return true;
}

bool rsp_turns(struct respond *u, const struct tick *t)
{
    bool moved = false;

    if (u->s.t.n != 0 && serve(u, t)) {
        moved = true;
        u->s.more |= u->s.t.n != 0;
    }
    moved |= settle(u, t);
    moved |= wake_waiting(u, t);
    moved |= ask(u, t);
    return moved;
}
