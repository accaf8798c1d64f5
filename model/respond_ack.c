#include "model/packet/bytes.h"
#include "model/respond_i.h"

enum { DEFAULT_PKEY = 0xffff };

void rsp_head(struct pkt *m, const struct qpc *c)
{
    const struct av *const a = &c->s.av;

    *m = (struct pkt){
        .dgid_hi = be64_get(a->dgid),
        .dgid_lo = be64_get(a->dgid + 8),
        .dmac = be48_get(a->dmac),
        .qn = c->s.qn,
        .dqpn = c->s.dest_qpn,
        .sqpn = c->s.qpn,
        .pd = c->s.pd,
        .flow_label = a->flow_label,
        .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE | TXF_NO_PAYLOAD,
        .pkey = DEFAULT_PKEY,
        .dlid = a->dlid,
        .sgid_index = a->sgid_index,
        .hop_limit = a->hop_limit,
        .tclass = a->tclass,
        .sl = a->sl,
        .fn = c->s.fn,
        .source = SRC_RESPONDER,
        .slot = NO_SLOT,
        .rec = NO_SLOT,
    };
}

void rsp_answer_pkt(const struct rsp_qp *q, struct pkt *m)
{
    m->opcode = PKT_OP_RC_ACK;
    m->psn = q->answer == ANSWER_ACK ? q->ack_psn : q->nak_psn;
    m->aeth = (uint32_t)q->syndrome << 24 | q->msn;
    m->mid = q->mid;
}

void rsp_answered(struct respond *u, uint32_t row)
{
    struct rsp_qp *const q = &u->qp[row];

    q->answer = ANSWER_NONE;
    q->mid = 0;
}

/* The delay is the same for all, so the list is in the order of deadlines. */
static void start_delay(struct respond *u, const struct tick *t, uint32_t row)
{
    struct rsp_qp *const q = &u->qp[row];

    q->deadline = t->now + u->ack_delay;
    q->older = u->s.youngest;
    q->newer = 0;
    if (u->s.youngest != 0) {
        u->qp[u->s.youngest - 1].newer = row + 1;
    } else {
        u->s.oldest = row + 1;
    }
    u->s.youngest = row + 1;
}

void rsp_cancel_delay(struct respond *u, uint32_t row)
{
    struct rsp_qp *const q = &u->qp[row];

    q->since_ack = 0;
    if (q->deadline == 0) {
        return;
    }
    q->deadline = 0;
    if (q->older != 0) {
        u->qp[q->older - 1].newer = q->newer;
    } else {
        u->s.oldest = q->newer;
    }
    if (q->newer != 0) {
        u->qp[q->newer - 1].older = q->older;
    } else {
        u->s.youngest = q->older;
    }
}

static void set_answer(struct rsp_qp *q, uint8_t answer, uint8_t syndrome, uint32_t psn)
{
    if (q->answer != ANSWER_FATAL) {
        q->answer = answer;
        q->syndrome = syndrome;
        q->nak_psn = psn;
    }
}

bool rsp_delays(struct respond *u, const struct tick *t)
{
    if (u->s.oldest == 0 || u->qp[u->s.oldest - 1].deadline > t->now) {
        return false;
    }
    const uint32_t row = u->s.oldest - 1;
    const uint32_t max = (uint32_t)t->p->hca_qp_max;

    rsp_cancel_delay(u, row);
    set_answer(&u->qp[row], ANSWER_ACK, AETH_ACK, 0);
    rsp_queue(u, row, row / max * QP_ROUND + row % max);
    u->s.more = 1;
    return true;
}

/* At once when nothing of the QP is in front of it and there is room, else in its turn. */
void rsp_answer(struct respond *u, const struct tick *t, uint32_t qn, const struct qpc *c,
                uint8_t answer, uint8_t syndrome, uint32_t psn)
{
    const uint32_t row = rsp_row(t, qn);
    struct rsp_qp *const q = &u->qp[row];

    rsp_cancel_delay(u, row);
    set_answer(q, answer, syndrome, psn);
    t->s->respond_acks += answer == ANSWER_ACK;
    if (answer != ANSWER_ACK) {
        t->s->respond_naks++;
        TRACE(t, respond, nak, .qn = qn, .psn = psn, .syndrome = syndrome);
    }
    if (c == NULL || q->wants != 0 || q->turn != 0 || !rsp_pipe_clear(u, q) ||
        !CAN(u, t, u->ack_job)) {
        rsp_queue(u, row, qn);
        return;
    }
    struct pkt m;
    rsp_head(&m, c);
    rsp_answer_pkt(q, &m);
    PASS(t, u->ack_job, pkt, u->delay, &m);
    rsp_answered(u, row);
}

void rsp_acknowledge(struct respond *u, const struct tick *t, const struct exec *e,
                     const struct qpc *c)
{
    const uint32_t row = rsp_row(t, e->qn);
    struct rsp_qp *const q = &u->qp[row];

    q->mid = e->mid != 0 ? e->mid : q->mid;
    if (q->answer == ANSWER_NAK) { /* what it asked for has come */
        set_answer(q, ANSWER_ACK, AETH_ACK, 0);
    }
    if ((e->flags & RXP_ACKREQ) == 0) {
        return;
    }
    q->since_ack++;
    if (u->ack_delay == 0 || q->since_ack >= t->p->hca_ack_coalesce_packets) {
        rsp_answer(u, t, e->qn, c, ANSWER_ACK, AETH_ACK, 0);
    } else if (q->deadline == 0) {
        start_delay(u, t, row);
    }
}
