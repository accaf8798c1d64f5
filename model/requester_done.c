/* requester_done.c: messages retire in order; errors, flushing, markers of the control path. */
#include "model/requester.h"

/* Opcode of the completion. source: pvrdma ABI section 10, "WC opcodes" */
static uint8_t wc_opcode(uint8_t opcode)
{
    switch (opcode) {
    case WR_WRITE:
    case WR_WRITE_IMM: return WC_WRITE;
    case WR_READ: return WC_READ;
    case WR_CAS: return WC_CAS;
    case WR_FAA: return WC_FAA;
    case WR_LOCAL_INV: return WC_LOCAL_INV;
    case WR_FAST_REG: return WC_FAST_REG;
    default: return WC_SEND;
    }
}

void req_fail(struct requester *u, struct req_qp *r, struct req_msg *m, enum wc_status status)
{
    if (m->status != WC_OK || r->error != ACK_OK) {
        return;
    }
    m->status = (uint8_t)status;
    m->done = 1;
    if (!r->failed || (int32_t)(m->index - r->fail_index) < 0) {
        r->fail_index = m->index;
    }
    r->failed = 1;
    req_todo(u, r, TODO_RETIRE);
}

void req_error(struct requester *u, struct req_qp *r, enum ack_error error, bool tell)
{
    if (r->error == ACK_ERR || r->marker) {
        return;
    }
    r->error = (uint8_t)error;
    r->rewind = 0;
    r->rnr_wait = 0;
    r->una = r->next;
    r->acking = 0;
    r->cursor = 0;
    r->reads = 0;
    req_timer_set(u, r, 0);
    req_todo(u, r, TODO_RETIRE | (tell ? TODO_ERR : 0U));
    req_kick(u, r); /* the rest of the ring is flushed by grants */
}

/* In error everything goes that no DMA or local operation still works for. */
static bool retirable(const struct requester *u, const struct req_qp *r, const struct req_msg *m)
{
    const bool working = r->local == (uint32_t)(m - u->msg) + 1;

    return m->unplaced == 0 && !working && (m->done || r->error != ACK_OK);
}

static bool signalled(const struct req_qp *r, const struct req_msg *m, uint8_t status)
{
    return r->sig_all || (m->flags & WRF_SIGNALED) != 0 || status != WC_OK;
}

/* An unsignalled WQE only moves the head of a pvrdma ring, and a younger completion does that too.
 */
static bool needs_cqe(const struct requester *u, const struct req_qp *r, const struct req_msg *m,
                      uint8_t status)
{
    if (signalled(r, m, status)) {
        return true;
    }
    const struct req_msg *const next = m->next == 0 ? NULL : &u->msg[m->next - 1];
    const bool covered = next != NULL && next->status == WC_OK && retirable(u, r, next);

    return r->format == FORMAT_PVRDMA && r->head_addr != 0 && !covered;
}

static void push_cqe(struct requester *u, const struct tick *t, const struct req_qp *r,
                     const struct req_msg *m, uint8_t status)
{
    const bool pvrdma = r->format == FORMAT_PVRDMA;

    PUSH(t, u->req_cqe, cqe, 0, .wr_id = m->wr_id, .head_addr = pvrdma ? r->head_addr : 0,
         .cqn = r->cqn, .qn = r->qn, .handle = r->handle, .byte_len = m->len,
         .head = pvrdma ? (m->index + m->units) & r->ring_mask : 0,
         .flags = signalled(r, m, status) ? 0 : CQE_SILENT, .fn = r->fn,
         .opcode = wc_opcode(m->opcode), .status = status, .mid = m->mid);
}

/* Retires the oldest message when it may; false: it may not, or req_cqe is full. */
static bool retire(struct requester *u, const struct tick *t, struct req_qp *r)
{
    if (r->first == 0) {
        return false;
    }
    struct req_msg *const m = &u->msg[r->first - 1];
    if (!retirable(u, r, m) || !READY(t, u->req_cqe)) {
        return false;
    }
    const bool failed =
        r->failed && m->status != WC_OK; /* the first of them; the rest is flushed */
    const uint8_t status = !failed && r->error != ACK_OK ? WC_WR_FLUSH : m->status;
    if (needs_cqe(u, r, m, status)) {
        push_cqe(u, t, r, m, status);
    }
    STAMP(t, requester, retired, m->mid, t->now);
    TRACE(t, requester, wqe_done, .mid = m->mid, .qn = r->qn, .fn = r->fn, .status = status,
          .silent = !signalled(r, m, status));
    t->s->requester_retired++;
    t->s->requester_failed += status != WC_OK;
    req_msg_free_first(u, r);
    r->failed = failed ? 0 : r->failed;
    if (failed && r->error == ACK_OK) {
        TRACE(t, requester, requester_error, .qn = r->qn, .status = status);
        const bool rc = r->type == QPT_RC;
        req_error(u, r, rc ? ACK_ERR : ACK_SQE, rc);
    }
    if (r->first == 0 && r->state_kick) {
        req_kick(u, r);
    }
    if (r->first == 0 && r->sqd) {
        req_kick(u, r); /* the grant reports that it is drained */
    }
    return true;
}

static bool oldest_may_go(const struct requester *u, const struct req_qp *r)
{
    return r->first != 0 && retirable(u, r, &u->msg[r->first - 1]);
}

static void report(struct requester *u, const struct tick *t, struct req_qp *r)
{
    const bool fatal = (r->todo & TODO_FATAL) != 0;

    if ((r->todo & (TODO_FATAL | TODO_DRAINED)) == 0 || !READY(t, u->req_async)) {
        return;
    }
    PUSH(t, u->req_async, async, 0, .info = r->handle,
         .type = fatal ? ASYNC_QP_FATAL : ASYNC_SQ_DRAINED, .fn = r->fn);
    r->todo &= (uint8_t) ~(fatal ? TODO_FATAL : TODO_DRAINED);
    u->s.progress++;
}

static void tell_respond(struct requester *u, const struct tick *t, struct req_qp *r)
{
    if ((r->todo & TODO_ERR) != 0 && READY(t, u->err_rsp)) {
        PUSH(t, u->err_rsp, qp_event, 0, .qn = r->qn, .kind = KICK_ERROR);
        r->todo &= (uint8_t)~TODO_ERR;
        u->s.progress++;
    }
}

/* The fence came back: nothing of the QP is left in the transmit pipe. */
static void tell_command(struct requester *u, const struct tick *t, struct req_qp *r)
{
    if ((r->todo & TODO_FLUSHED) == 0 || !READY(t, u->cmd_flushed)) {
        return;
    }
    PUSH(t, u->cmd_flushed, qp_event, 0, .qn = r->qn, .kind = (uint8_t)(r->marker - 1));
    r->marker = 0;
    r->fencing = 0;
    req_row_clear(u, r);
    r->todo = 0;
    u->s.progress++;
}

static void push_kick(struct requester *u, const struct tick *t)
{
    struct req_qp *const r = req_queue_head(u, &u->kick, &u->s.kick);

    if (r != NULL && READY(t, u->qp_kick)) {
        PUSH(t, u->qp_kick, qp_done, 0, .qn = r->qn, .kind = QP_DONE_KICK);
        r->in_kick = 0;
        u->s.kick.head++;
        u->s.progress++;
    }
}

/* The row at the head does one of each thing; it goes to the end when something is left, so no QP
 * holds up the others for longer than an output is full. */
void req_todo_step(struct requester *u, const struct tick *t)
{
    struct req_qp *const r = req_queue_head(u, &u->todo, &u->s.todo);

    if (r != NULL) {
        const uint64_t before = u->s.progress;
        tell_respond(u, t, r);
        report(u, t, r);
        tell_command(u, t, r);
        if ((r->todo & TODO_RETIRE) != 0) {
            (void)retire(u, t, r);
            r->todo &= (uint8_t)(oldest_may_go(u, r) ? 0xff : ~TODO_RETIRE);
        }
        if (u->s.progress != before || r->todo == 0) {
            const unsigned rest = r->todo;
            u->s.todo.head++;
            u->s.progress++;
            r->in_todo = 0;
            if (rest != 0) {
                req_todo(u, r, rest);
            }
        }
    }
    push_kick(u, t);
}
