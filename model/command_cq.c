/* command_cq.c: completion queues and shared receive queues. */
#include "model/command_i.h"

enum { SRQ_TYPE_BASIC = 0, RECV_HEADER_BYTES = 16, RECORD_BYTES = 8 };

/* A native ring is contiguous at base, with a doorbell record; a pvrdma ring lies in `chunks` pages
 * of a directory behind its state page. */
static bool ring_ok(bool native, uint64_t base, uint64_t record, uint64_t bytes, uint32_t chunks)
{
    if (native) {
        return cmd_bus_ok(base, bytes, 64) && cmd_bus_ok(record, RECORD_BYTES, RECORD_BYTES);
    }
    return cmd_bus_ok(base, PAGE_BYTES, PAGE_BYTES) && chunks <= CMD_PAGES_MAX &&
           chunks >= 1 + cmd_pages(bytes, 1);
}

/* --- completion queues ------------------------------------------------------------------------ */

void cmd_create_cq(struct command *u, const struct tick *t)
{
    const struct pv_create_cq *const r = cmd_req(u, t);
    const bool native = (r->flags_ext & PV_EXT_NATIVE) != 0;
    struct cmd_obj *const context = r->ctx_handle == 0 ? NULL : cmd_find(u, OBJ_UC, r->ctx_handle);

    if ((r->ctx_handle != 0 && context == NULL) || (r->flags_ext & ~PV_EXT_NATIVE) != 0 ||
        !cmd_power2(r->cqe) || r->cqe > t->p->hca_max_cqe ||
        !ring_ok(native, r->pdir_dma, r->db_record_ext, r->cqe * sizeof(struct pv_cqe),
                 r->nchunks)) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    struct cmd_obj *const cq = cmd_make(u, OBJ_CQ);
    if (cq == NULL) {
        cmd_fail(u, PV_NO_ROOM);
        return;
    }
    cq->pd = r->ctx_handle;
    cq->size = r->cqe;
    cq->native = native;
    cq->pdir = native ? 0 : r->pdir_dma;
    if (context != NULL) {
        context->refs++;
    }
    ADD(u, .kind = OP_CTX, .a = CTX_CQ, .b = CTX_CREATE, .number = cmd_number(u, u->s.made),
        .call = CALL_CQ_FILL);

    struct pv_resp_one *const resp = cmd_resp(u, t);
    resp->value = u->s.made;
    resp->more = r->cqe;
    cmd_send(u, sizeof *resp);
}

void cmd_cq_fill(struct command *u, const struct tick *t, void *ctx)
{
    const struct pv_create_cq *const r = cmd_req(u, t);
    const bool native = (r->flags_ext & PV_EXT_NATIVE) != 0;
    struct cqc *const c = ctx;

    memset(c, 0, sizeof *c);
    c->s.ring.pdir = r->pdir_dma;
    c->s.ring.entries = r->cqe;
    c->s.ring.stride = sizeof(struct pv_cqe);
    c->s.ring.page0 = native ? 0 : 1;
    c->s.state_page_pdir = native ? r->db_record_ext : r->pdir_dma;
    c->s.cqn = cmd_number(u, u->s.made);
    c->s.handle = u->s.made;
    c->s.fn = u->s.fn;
    c->s.vector = VEC_CQ;
    c->s.format = native ? FORMAT_NATIVE : FORMAT_PVRDMA;
}

/* The request names no new buffer, so the only size that can be honoured is the present one. */
void cmd_resize_cq(struct command *u, const struct tick *t)
{
    const struct pv_req_one *const r = cmd_req(u, t);
    const struct cmd_obj *const cq = cmd_find(u, OBJ_CQ, r->handle);

    u->s.handle = r->handle;
    if (cq == NULL || r->more != cq->size) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    struct pv_resp_one *const resp = cmd_resp(u, t);
    resp->value = cq->size;
    cmd_send(u, sizeof *resp);
}

void cmd_destroy_cq(struct command *u, const struct tick *t)
{
    if (!cmd_idle(u, t, OBJ_CQ)) {
        return;
    }
    cmd_end_cq(u, u->s.handle);
}

/* Cached pages of a directory that software is about to free must not be met again. */
static void flush(struct command *u, const struct cmd_obj *x)
{
    if (!x->native) {
        ADD(u, .kind = OP_FLUSH, .addr = x->pdir);
    }
}

void cmd_end_cq(struct command *u, uint32_t handle)
{
    ADD(u, .kind = OP_CQ, .number = cmd_number(u, handle));
    ADD(u, .kind = OP_CTX_DROP, .a = CTX_CQ, .b = CTX_GET_EXCL, .number = cmd_number(u, handle));
    flush(u, cmd_find(u, OBJ_CQ, handle));
    ADD(u, .kind = OP_CALL, .call = CALL_FORGET, .a = OBJ_CQ, .number = handle);
}

/* --- shared receive queues -------------------------------------------------------------------- */

static uint16_t srq_stride(const struct pv_create_srq *r)
{
    return (uint16_t)((r->flags_ext & PV_EXT_NATIVE) != 0
                          ? r->attr.max_sge * sizeof(struct pv_sge)
                          : cmd_stride(RECV_HEADER_BYTES, r->attr.max_sge));
}

static bool srq_ok(const struct tick *t, const struct pv_create_srq *r)
{
    const bool native = (r->flags_ext & PV_EXT_NATIVE) != 0;

    return (r->flags_ext & ~PV_EXT_NATIVE) == 0 && r->srq_type == SRQ_TYPE_BASIC &&
           cmd_power2(r->attr.max_wr) && r->attr.max_wr <= t->p->hca_max_srq_wr &&
           r->attr.max_sge >= 1 && r->attr.max_sge <= SGE_MAX &&
           r->attr.max_sge <= t->p->hca_max_sge && r->attr.srq_limit <= r->attr.max_wr &&
           ring_ok(native, r->pdir_dma, r->db_record_ext, (uint64_t)r->attr.max_wr * srq_stride(r),
                   r->nchunks);
}

void cmd_create_srq(struct command *u, const struct tick *t)
{
    const struct pv_create_srq *const r = cmd_req(u, t);
    struct cmd_obj *const pd = cmd_find(u, OBJ_PD, r->pd_handle);

    if (pd == NULL || !srq_ok(t, r)) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    struct cmd_obj *const srq = cmd_make(u, OBJ_SRQ);
    if (srq == NULL) {
        cmd_fail(u, PV_NO_ROOM);
        return;
    }
    srq->pd = r->pd_handle;
    srq->size = r->attr.max_wr;
    srq->recv_sge = (uint8_t)r->attr.max_sge;
    srq->native = (r->flags_ext & PV_EXT_NATIVE) != 0;
    srq->pdir = srq->native ? 0 : r->pdir_dma;
    pd->refs++;
    ADD(u, .kind = OP_CTX, .a = CTX_SRQ, .b = CTX_CREATE, .number = cmd_number(u, u->s.made),
        .call = CALL_SRQ_FILL);

    struct pv_resp_one *const resp = cmd_resp(u, t);
    resp->value = u->s.made;
    cmd_send(u, sizeof *resp);
}

void cmd_srq_fill(struct command *u, const struct tick *t, void *ctx)
{
    const struct pv_create_srq *const r = cmd_req(u, t);
    const bool native = (r->flags_ext & PV_EXT_NATIVE) != 0;
    struct srqc *const c = ctx;

    memset(c, 0, sizeof *c);
    c->s.ring.pdir = r->pdir_dma;
    c->s.ring.entries = r->attr.max_wr;
    c->s.ring.stride = srq_stride(r);
    c->s.ring.page0 = native ? 0 : 1;
    c->s.state_page_pdir = native ? r->db_record_ext : r->pdir_dma;
    c->s.srqn = cmd_number(u, u->s.made);
    c->s.handle = u->s.made;
    c->s.pd = r->pd_handle;
    c->s.max_wr = r->attr.max_wr;
    c->s.fn = u->s.fn;
    c->s.max_sge = (uint8_t)r->attr.max_sge;
    c->s.format = native ? FORMAT_NATIVE : FORMAT_PVRDMA;
    c->limit_set = r->attr.srq_limit;
}

void cmd_modify_srq(struct command *u, const struct tick *t)
{
    const struct pv_modify_srq *const r = cmd_req(u, t);
    const struct cmd_obj *const srq = cmd_find(u, OBJ_SRQ, r->srq_handle);

    u->s.handle = r->srq_handle;
    if (srq == NULL || r->attr_mask != PV_SRQ_LIMIT || r->attr.srq_limit > srq->size) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    ADD(u, .kind = OP_CTX, .a = CTX_SRQ, .b = CTX_GET_EXCL, .number = cmd_number(u, r->srq_handle),
        .call = CALL_SRQ_LIMIT);
}

void cmd_srq_limit(struct command *u, const struct tick *t, void *ctx)
{
    const struct pv_modify_srq *const r = cmd_req(u, t);
    struct srqc *const c = ctx;

    c->limit_set = r->attr.srq_limit;
    c->limit_sn++;
}

void cmd_query_srq(struct command *u, const struct tick *t)
{
    if (cmd_named(u, t, OBJ_SRQ) == NULL) {
        return;
    }
    ADD(u, .kind = OP_CTX, .a = CTX_SRQ, .b = CTX_GET_EXCL, .number = cmd_number(u, u->s.handle),
        .call = CALL_SRQ_QUERY);
}

/* A limit whose event has been raised is 0 until it is set again. */
void cmd_srq_query(struct command *u, const struct tick *t, void *ctx)
{
    struct pv_resp_query_srq *const resp = cmd_resp(u, t);
    const struct srqc *const c = ctx;
    const bool armed = c->q.fired != c->limit_sn + 1;

    resp->attr = (struct pv_srq_attr){
        .max_wr = c->s.max_wr, .max_sge = c->s.max_sge, .srq_limit = armed ? c->limit_set : 0};
    cmd_send(u, sizeof *resp);
}

void cmd_destroy_srq(struct command *u, const struct tick *t)
{
    if (!cmd_idle(u, t, OBJ_SRQ)) {
        return;
    }
    cmd_end_srq(u, u->s.handle);
}

void cmd_end_srq(struct command *u, uint32_t handle)
{
    ADD(u, .kind = OP_CTX_DROP, .a = CTX_SRQ, .b = CTX_GET_EXCL, .number = cmd_number(u, handle));
    flush(u, cmd_find(u, OBJ_SRQ, handle));
    ADD(u, .kind = OP_CALL, .call = CALL_FORGET, .a = OBJ_SRQ, .number = handle);
}
