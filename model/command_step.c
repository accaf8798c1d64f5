/* command_step.c: the steps of a command and the answers they wait for. */
#include "model/command_i.h"

static cmd_call *const calls[CALLS] = {
    [CALL_DSR_READ] = cmd_dsr_read,   [CALL_DSR_DONE] = cmd_dsr_done,
    [CALL_DISPATCH] = cmd_dispatch,   [CALL_SWEEP] = cmd_sweep,
    [CALL_FORGET] = cmd_forget_call,  [CALL_CQ_FILL] = cmd_cq_fill,
    [CALL_SRQ_FILL] = cmd_srq_fill,   [CALL_SRQ_LIMIT] = cmd_srq_limit,
    [CALL_SRQ_QUERY] = cmd_srq_query, [CALL_QP_FILL] = cmd_qp_fill,
    [CALL_QP_STOP] = cmd_qp_stop,     [CALL_QP_CLEAR] = cmd_qp_clear,
    [CALL_QP_MODIFY] = cmd_qp_modify, [CALL_QP_QUERY] = cmd_qp_query,
};

/* --- for the parts ---------------------------------------------------------------------------- */

void cmd_add(struct command *u, struct cmd_op op)
{
    hca_assert(u->s.ops < CMD_PLAN);
    u->s.plan[u->s.ops++] = op;
}

void cmd_fail(struct command *u, unsigned err)
{
    u->s.err = (uint8_t)err;
    if (u->s.task != TASK_RESET) { /* a reset goes on: it must leave nothing behind */
        u->s.ops = u->s.pc;
    }
}

void *cmd_req(const struct command *u, const struct tick *t)
{
    return store_at(t->store, u->request);
}

struct cmd_fn *cmd_fn(const struct command *u)
{
    return &u->fn[u->s.fn];
}

void *cmd_resp(struct command *u, const struct tick *t)
{
    const struct pv_req_hdr *const req = cmd_req(u, t);
    struct pv_resp_hdr *const resp = memset(store_at(t->store, u->response), 0, CMD_BUFFER);

    resp->response = req->response;
    resp->ack = PV_ACK + u->s.cmd;
    return resp;
}

void cmd_send(struct command *u, uint32_t bytes)
{
    ADD(u, .kind = OP_WRITE, .addr = cmd_fn(u)->resp_slot, .number = u->response,
        .len = (uint16_t)bytes);
    ADD(u, .kind = OP_IRQ);
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool take(struct command *u, unsigned got, unsigned status)
{
    hca_assert(u->s.started && (u->s.got & got) == 0);
    u->s.got |= got;
    u->s.status = (uint8_t)status;
    return true;
}

bool cmd_answers(struct command *u, const struct tick *t)
{
    bool moved = false;

    if (VALID(t, u->rd_rsp_cmd)) {
        moved |= take(u, GOT_RD, POP(t, u->rd_rsp_cmd)->status);
    }
    if (VALID(t, u->wr_done_cmd)) {
        moved |= take(u, GOT_WR, POP(t, u->wr_done_cmd)->status);
    }
    if (VALID(t, u->ctx_got_cmd)) {
        const struct ctx_got *const m = POP(t, u->ctx_got_cmd);
        u->s.cx = m->cx;
        moved |= take(u, GOT_CTX, m->status);
    }
    if (VALID(t, u->mpt_cmd_done)) {
        moved |= take(u, GOT_MPT, POP(t, u->mpt_cmd_done)->status);
    }
    if (VALID(t, u->cmd_flushed)) {
        (void)POP(t, u->cmd_flushed);
        moved |= take(u, GOT_FLUSHED, 0);
    }
    if (VALID(t, u->cmd_drained)) {
        (void)POP(t, u->cmd_drained);
        moved |= take(u, GOT_DRAINED, 0);
    }
    if (VALID(t, u->cmd_cq_done)) {
        (void)POP(t, u->cmd_cq_done);
        moved |= take(u, GOT_CQ, 0);
    }
    if (VALID(t, u->ring_done)) {
        (void)POP(t, u->ring_done);
        moved |= take(u, GOT_RING, 0);
    }
    return moved;
}

/* --- steps ------------------------------------------------------------------------------------ */

static unsigned wanted(const struct cmd_op *op)
{
    switch (op->kind) {
    case OP_READ: return GOT_RD;
    case OP_WRITE: return GOT_WR;
    case OP_CTX:
    case OP_CTX_DROP: return GOT_CTX;
    case OP_MPT:
    case OP_MPT_DESTROY:
    case OP_FLUSH: return GOT_MPT;
    case OP_KICK:
        return op->a == KICK_RESET || op->a == KICK_DESTROY ? GOT_FLUSHED | GOT_DRAINED : 0;
    case OP_CQ: return GOT_CQ;
    case OP_RING: return op->len == 0 ? GOT_RING : 0;
    default: return 0;
    }
}

static bool start_dma(struct command *u, const struct tick *t, const struct cmd_op *op)
{
    if (op->kind == OP_READ && READY(t, u->rd_req_cmd)) {
        PUSH(t, u->rd_req_cmd, rd_req, 0, .addr = op->addr, .len = op->len, .fn = u->s.fn,
             .cls = CLS_COMMAND, .data = op->number);
        return true;
    }
    if (op->kind == OP_WRITE && READY(t, u->wr_cmd)) {
        PUSH(t, u->wr_cmd, wr_req, 0, .addr = op->addr, .len = op->len, .flags = WR_NOTIFY,
             .fn = u->s.fn, .cls = CLS_COMMAND, .data = op->number, .slot = NO_SLOT);
        return true;
    }
    return false;
}

static bool start_key(struct command *u, const struct tick *t, const struct cmd_op *op)
{
    if (!READY(t, u->mpt_cmd)) {
        return false;
    }
    if (op->kind == OP_MPT) {
        PASS(t, u->mpt_cmd, mpt_set, 0, &u->s.mpt);
    } else {
        PUSH(t, u->mpt_cmd, mpt_set, 0, .pdir = op->addr, .key = op->number, .fn = u->s.fn,
             .op = op->kind == OP_FLUSH ? MPT_FLUSH : MPT_DESTROY);
    }
    return true;
}

static bool start_kick(struct command *u, const struct tick *t, const struct cmd_op *op)
{
    const uint8_t kind = op->kind == OP_KICK_STATE ? KICK_STATE : op->a;

    if (!READY(t, u->cmd_req_kick) || !READY(t, u->cmd_rsp_kick)) {
        return false;
    }
    PUSH(t, u->cmd_req_kick, qp_event, 0, .qn = op->number, .kind = kind);
    if (op->kind == OP_KICK) {
        PUSH(t, u->cmd_rsp_kick, qp_event, 0, .qn = op->number, .kind = kind);
    }
    return true;
}

static bool start_event(struct command *u, const struct tick *t, const struct cmd_op *op)
{
    if (op->kind == OP_CQ && READY(t, u->cmd_cq)) {
        PUSH(t, u->cmd_cq, cq_event, 0, .cqn = op->number, .fn = u->s.fn);
        return true;
    }
    if (op->kind == OP_RING && READY(t, u->ring_set)) {
        PUSH(t, u->ring_set, ring_set, 0, .pdir = op->addr, .pages = op->len, .fn = u->s.fn,
             .which = op->a);
        return true;
    }
    if (op->kind == OP_IRQ && READY(t, u->cmd_irq)) {
        PUSH(t, u->cmd_irq, cq_event, 0, .cqn = NO_NUMBER, .fn = u->s.fn, .vector = VEC_COMMAND);
        return true;
    }
    if (op->kind == OP_GID && READY(t, u->gid_build) && READY(t, u->gid_parse)) {
        PASS(t, u->gid_build, gid_set, 0, &u->s.gid);
        PASS(t, u->gid_parse, gid_set, 0, &u->s.gid);
        return true;
    }
    return false;
}

/* True when what the step sends has been sent. */
static bool start(struct command *u, const struct tick *t, const struct cmd_op *op)
{
    switch (op->kind) {
    case OP_READ:
    case OP_WRITE: return start_dma(u, t, op);
    case OP_DELAY: u->s.until = t->now + ns_cycles(t->p, t->p->hca_command_process_ns); return true;
    case OP_CALL: return true;
    case OP_CTX:
    case OP_CTX_DROP:
        if (!READY(t, u->ctx_get_cmd)) {
            return false;
        }
        PUSH(t, u->ctx_get_cmd, ctx_get, 0, .number = op->number, .kind = op->a, .op = op->b);
        return true;
    case OP_MPT:
    case OP_MPT_DESTROY:
    case OP_FLUSH: return start_key(u, t, op);
    case OP_KICK:
    case OP_KICK_STATE: return start_kick(u, t, op);
    default: return start_event(u, t, op);
    }
}

static void *context_of(const struct command *u, const struct tick *t, unsigned kind)
{
    return kind == CTX_QP   ? (void *)&t->ctx->qp[u->s.cx]
           : kind == CTX_CQ ? (void *)&t->ctx->cq[u->s.cx]
                            : (void *)&t->ctx->srq[u->s.cx];
}

/* A context that cannot be read or was never made leaves nothing to edit and nothing to put. */
static void end_context(struct command *u, const struct tick *t, const struct cmd_op *op)
{
    if (u->s.status != CTX_OK) {
        cmd_fail(u, PV_DMA);
        return;
    }
    if (op->call != CALL_NONE) {
        calls[op->call](u, t, context_of(u, t, op->a));
    }
    PUSH(t, u->ctx_put_cmd, ctx_put, 0, .cx = u->s.cx, .kind = op->a,
         .op = op->kind == OP_CTX_DROP ? CTX_PUT_DROP : CTX_PUT);
}

static bool ended(const struct command *u, const struct tick *t, const struct cmd_op *op)
{
    if ((u->s.got & wanted(op)) != wanted(op)) {
        return false;
    }
    if (op->kind == OP_DELAY) {
        return u->s.until <= t->now;
    }
    return (op->kind != OP_CTX && op->kind != OP_CTX_DROP) || u->s.status != CTX_OK ||
           READY(t, u->ctx_put_cmd);
}

/* Moves on to the next step, then does what the end of this one brings: that may append steps,
 * replace them or cut them off. */
static void end(struct command *u, const struct tick *t)
{
    const struct cmd_op op = u->s.plan[u->s.pc++];
    const bool dma = op.kind == OP_READ || op.kind == OP_WRITE;
    const uint8_t status = u->s.status;

    u->s.started = 0;
    u->s.got = 0;
    if (op.kind == OP_CALL) {
        calls[op.call](u, t, NULL);
    } else if (op.kind == OP_CTX || op.kind == OP_CTX_DROP) {
        end_context(u, t, &op);
    } else if (dma ? status != DMA_OK : op.kind == OP_MPT && status != MPT_DONE) {
        cmd_fail(u, PV_DMA);
    }
}

bool cmd_step(struct command *u, const struct tick *t)
{
    const struct cmd_op *const op = &u->s.plan[u->s.pc];

    if (!u->s.started) {
        if (!start(u, t, op)) {
            return false;
        }
        u->s.started = 1;
        return true;
    }
    if (!ended(u, t, op)) {
        return false;
    }
    end(u, t);
    return true;
}
