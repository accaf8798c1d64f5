/* command_qp.c: creating, querying and destroying QPs; see command_modify.c for the states. */
#include "model/command_i.h"

enum {
    SEND_HEADER_BYTES = 80,
    RECV_HEADER_BYTES = 16,
    UNIT_BYTES = 64,
    UNITS_MAX = 32768,
    GSI_HANDLE = 1,
    GSI_QPN = 1
};

/* --- checks ----------------------------------------------------------------------------------- */

static uint16_t recv_stride(const struct pv_create_qp *r, bool native)
{
    return (uint16_t)(native ? r->max_recv_sge * sizeof(struct pv_sge)
                             : cmd_stride(RECV_HEADER_BYTES, r->max_recv_sge));
}

static bool sizes_ok(const struct tick *t, const struct pv_create_qp *r, bool native)
{
    const uint64_t most = native ? UNITS_MAX : t->p->hca_max_qp_wr;
    const bool recv =
        r->is_srq ? r->max_recv_wr == 0 || cmd_power2(r->max_recv_wr) : cmd_power2(r->max_recv_wr);

    return cmd_power2(r->max_send_wr) && r->max_send_wr <= most && recv &&
           r->max_recv_wr <= t->p->hca_max_qp_wr && r->max_send_sge <= t->p->hca_max_sge &&
           r->max_send_sge <= SGE_MAX && r->max_recv_sge <= t->p->hca_max_sge &&
           r->max_recv_sge <= SGE_MAX && (!native || r->max_recv_sge >= 1 || r->is_srq) &&
           (!native || r->max_inline_data <= t->p->hca_inline_max_bytes);
}

/* pvrdma: page 0 holds the indices, then the send ring, then the receive ring. */
static bool rings_ok(const struct pv_create_qp *r, bool native)
{
    const uint64_t send = (uint64_t)r->max_send_wr *
                          (native ? UNIT_BYTES : cmd_stride(SEND_HEADER_BYTES, r->max_send_sge));
    const uint64_t recv = (uint64_t)r->max_recv_wr * recv_stride(r, native);

    if (native) {
        return cmd_bus_ok(r->sq_base_ext, send, UNIT_BYTES) &&
               (recv == 0 || cmd_bus_ok(r->rq_base_ext, recv, sizeof(struct pv_sge))) &&
               cmd_bus_ok(r->db_record_ext, 8, 8);
    }
    return cmd_bus_ok(r->pdir_dma, PAGE_BYTES, PAGE_BYTES) && r->send_chunks < r->total_chunks &&
           cmd_pages(send, 1) <= r->send_chunks &&
           cmd_pages(recv, 1) <= (uint64_t)r->total_chunks - r->send_chunks - 1;
}

static bool type_ok(const struct command *u, const struct pv_create_qp *r)
{
    return r->qp_type == QPT_RC || r->qp_type == QPT_UC || r->qp_type == QPT_UD ||
           (r->qp_type == QPT_GSI && cmd_find(u, OBJ_QP, GSI_HANDLE) == NULL);
}

/* The objects a QP names; format: all of one QP, or a completion would land in a foreign layout. */
static bool objects_ok(const struct command *u, const struct pv_create_qp *r, bool native)
{
    const struct cmd_obj *const send = cmd_find(u, OBJ_CQ, r->send_cq_handle);
    const struct cmd_obj *const recv = cmd_find(u, OBJ_CQ, r->recv_cq_handle);
    const struct cmd_obj *const srq = r->is_srq ? cmd_find(u, OBJ_SRQ, r->srq_handle) : NULL;

    return cmd_find(u, OBJ_PD, r->pd_handle) != NULL && send != NULL && recv != NULL &&
           send->native == native && recv->native == native &&
           (!r->is_srq || (srq != NULL && srq->native == native));
}

/* --- create ----------------------------------------------------------------------------------- */

/* Number on the wire, decisions 1: unique on the adapter unless functions have their own spaces. */
static uint32_t wire_number(const struct command *u, const struct tick *t, uint32_t handle)
{
    return handle == GSI_HANDLE   ? GSI_QPN
           : t->p->hca_namespaces ? handle
                                  : (uint32_t)u->s.fn << 16 | handle;
}

static void answer_create(struct command *u, const struct tick *t, const struct pv_create_qp *r)
{
    struct pv_resp_qp *const resp = cmd_resp(u, t);
    const uint32_t limits[5] = {r->max_send_wr, r->max_recv_wr, r->max_send_sge, r->max_recv_sge,
                                (r->flags_ext & PV_EXT_NATIVE) != 0 ? r->max_inline_data : 0};

    resp->qpn = wire_number(u, t, u->s.made);
    if (t->p->hca_pvrdma_version >= 20) {
        resp->qp_handle = u->s.made;
        memcpy(&resp->max_send_wr, limits, sizeof limits);
        cmd_send(u, sizeof *resp);
    } else { /* number and handle are one, the limits follow at once */
        memcpy(&resp->qp_handle, limits, sizeof limits);
        cmd_send(u, offsetof(struct pv_resp_qp, max_inline_data));
    }
}

static void hold(struct command *u, struct cmd_obj *qp, const struct pv_create_qp *r)
{
    qp->pd = r->pd_handle;
    qp->cq[0] = r->send_cq_handle;
    qp->cq[1] = r->recv_cq_handle;
    qp->srq = r->is_srq ? r->srq_handle : NO_NUMBER;
    cmd_find(u, OBJ_PD, qp->pd)->refs++;
    cmd_find(u, OBJ_CQ, qp->cq[0])->refs++;
    cmd_find(u, OBJ_CQ, qp->cq[1])->refs++;
    if (r->is_srq) {
        cmd_find(u, OBJ_SRQ, qp->srq)->refs++;
    }
}

void cmd_create_qp(struct command *u, const struct tick *t)
{
    const struct pv_create_qp *const r = cmd_req(u, t);
    const bool native = (r->flags_ext & PV_EXT_NATIVE) != 0;

    if ((r->flags_ext & ~PV_EXT_NATIVE) != 0 || !type_ok(u, r) || !objects_ok(u, r, native) ||
        !sizes_ok(t, r, native) || !rings_ok(r, native)) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    struct cmd_obj *const qp =
        r->qp_type == QPT_GSI ? cmd_take(u, OBJ_QP, GSI_HANDLE) : cmd_make(u, OBJ_QP);
    if (qp == NULL) {
        cmd_fail(u, PV_NO_ROOM);
        return;
    }
    hold(u, qp, r);
    qp->native = native;
    qp->pdir = native ? 0 : r->pdir_dma;
    qp->type = r->qp_type;
    qp->size = r->max_send_wr;
    qp->recv = r->is_srq ? 0 : r->max_recv_wr;
    qp->send_sge = (uint8_t)r->max_send_sge;
    qp->recv_sge = (uint8_t)r->max_recv_sge;
    qp->inline_max = native ? (uint16_t)r->max_inline_data : 0;
    ADD(u, .kind = OP_CTX, .a = CTX_QP, .b = CTX_CREATE, .number = cmd_number(u, u->s.made),
        .call = CALL_QP_FILL);
    answer_create(u, t, r);
}

static void fill_rings(struct qp_static *s, const struct pv_create_qp *r, bool native)
{
    s->sq = (struct ring){
        .pdir = native ? r->sq_base_ext : r->pdir_dma,
        .entries = r->max_send_wr,
        .stride = (uint16_t)(native ? UNIT_BYTES : cmd_stride(SEND_HEADER_BYTES, r->max_send_sge)),
        .page0 = native ? 0 : 1};
    s->rq = (struct ring){.pdir = native ? r->rq_base_ext : r->pdir_dma,
                          .entries = r->max_recv_wr,
                          .stride = recv_stride(r, native),
                          .page0 = native ? 0 : (uint16_t)(1 + r->send_chunks)};
    s->state_page_pdir = native ? r->db_record_ext : r->pdir_dma;
}

void cmd_qp_fill(struct command *u, const struct tick *t, void *ctx)
{
    const struct pv_create_qp *const r = cmd_req(u, t);
    const bool native = (r->flags_ext & PV_EXT_NATIVE) != 0;
    const struct cmd_obj *const qp = cmd_find(u, OBJ_QP, u->s.made);
    struct qpc *const c = ctx;

    memset(c, 0, sizeof *c);
    fill_rings(&c->s, r, native);
    c->s.qn = cmd_number(u, u->s.made);
    c->s.handle = u->s.made;
    c->s.qpn = wire_number(u, t, u->s.made);
    c->s.pd = r->pd_handle;
    c->s.send_cqn = cmd_number(u, r->send_cq_handle);
    c->s.recv_cqn = cmd_number(u, r->recv_cq_handle);
    c->s.srqn = r->is_srq ? cmd_number(u, r->srq_handle) : NO_NUMBER;
    c->s.mtu_bytes =
        (uint16_t)t->p->port_mtu_bytes; /* of datagram QPs, which never set a path MTU */
    c->s.fn = u->s.fn;
    c->s.type = r->qp_type;
    c->s.state = QPS_RESET;
    c->s.format = native ? FORMAT_NATIVE : FORMAT_PVRDMA;
    c->s.sig_all = r->sq_sig_all != 0;
    c->s.port = 1;
    c->s.weight = r->weight_ext == 0 ? 1 : r->weight_ext;
    c->s.has_srq = r->is_srq != 0;
    c->s.generation = qp->gen;
    c->s.max_send_sge = (uint8_t)r->max_send_sge;
    c->s.max_recv_sge = (uint8_t)r->max_recv_sge;
    c->s.user = cmd_find(u, OBJ_PD, r->pd_handle)->pd != 0;
}

/* --- query ------------------------------------------------------------------------------------ */

void cmd_query_qp(struct command *u, const struct tick *t)
{
    if (cmd_named(u, t, OBJ_QP) == NULL) {
        return;
    }
    ADD(u, .kind = OP_CTX, .a = CTX_QP, .b = CTX_GET_EXCL, .number = cmd_number(u, u->s.handle),
        .call = CALL_QP_QUERY);
}

static uint32_t mtu_code(uint32_t bytes)
{
    uint32_t code = 1;

    while (code < 5 && 128U << code < bytes) {
        code++;
    }
    return code;
}

static struct pv_ah_attr ah_of(const struct qp_static *s)
{
    struct pv_ah_attr a = {.flow_label = s->av.flow_label,
                           .sgid_index = s->av.sgid_index,
                           .hop_limit = s->av.hop_limit,
                           .traffic_class = s->av.tclass,
                           .dlid = s->av.dlid,
                           .sl = s->av.sl,
                           .src_path_bits = s->av.src_path_bits,
                           .ah_flags = s->av.is_global,
                           .port_num = s->port};

    memcpy(a.dgid, s->av.dgid, sizeof a.dgid);
    memcpy(a.dmac, s->av.dmac, sizeof a.dmac);
    return a;
}

/* Under exclusive access the parts of the other units stand still, too. */
void cmd_qp_query(struct command *u, const struct tick *t, void *ctx)
{
    const struct qpc *const c = ctx;
    const struct cmd_obj *const qp = cmd_find(u, OBJ_QP, c->s.handle);
    struct pv_resp_query_qp *const resp = cmd_resp(u, t);
    const uint32_t state = cmd_qp_state(c);

    resp->attr = (struct pv_qp_attr){
        .qp_state = state,
        .cur_qp_state = state,
        .path_mtu = mtu_code(c->s.mtu_bytes),
        .qkey = c->s.qkey,
        .rq_psn = c->rx.ready ? c->rx.epsn & PSN_MASK : c->s.rq_psn,
        .sq_psn = c->tx.psn & PSN_MASK,
        .dest_qp_num = c->s.dest_qpn,
        .qp_access_flags = c->s.access,
        .pkey_index = c->s.pkey_index,
        .sq_draining = state == QPS_SQD && c->ack.in_flight != 0,
        .max_rd_atomic = c->s.max_rd_atomic,
        .max_dest_rd_atomic = c->s.max_dest_rd_atomic,
        .min_rnr_timer = c->s.min_rnr_timer,
        .port_num = c->s.port,
        .timeout = c->s.timeout,
        .retry_cnt = c->s.retry_cnt,
        .rnr_retry = c->s.rnr_retry,
        .ah = ah_of(&c->s),
        .cap = {qp->size, qp->recv, qp->send_sge, qp->recv_sge, qp->inline_max, 0},
    };
    cmd_send(u, sizeof *resp);
}

/* --- destroy ---------------------------------------------------------------------------------- */

void cmd_destroy_qp(struct command *u, const struct tick *t)
{
    if (cmd_named(u, t, OBJ_QP) == NULL) {
        return;
    }
    cmd_end_qp(u, u->s.handle);
}

/* No new work, no new packet. */
void cmd_qp_stop(struct command *u, const struct tick *t, void *ctx)
{
    (void)u;
    (void)t;
    ((struct qpc *)ctx)->s.state = QPS_RESET;
}

/* Stop it, let the pipes run empty, see its CQEs written (a CQE of a QP that the guest has
 * forgotten blocks its CQ for ever), then forget it. */
void cmd_end_qp(struct command *u, uint32_t handle)
{
    const uint32_t qn = cmd_number(u, handle);
    const struct cmd_obj *const qp = cmd_find(u, OBJ_QP, handle);

    ADD(u, .kind = OP_CTX, .a = CTX_QP, .b = CTX_GET_EXCL, .number = qn, .call = CALL_QP_STOP);
    ADD(u, .kind = OP_KICK, .a = KICK_DESTROY, .number = qn);
    ADD(u, .kind = OP_CQ, .number = NO_NUMBER);
    ADD(u, .kind = OP_CTX_DROP, .a = CTX_QP, .b = CTX_GET_EXCL, .number = qn);
    if (!qp->native) {
        ADD(u, .kind = OP_FLUSH, .addr = qp->pdir);
    }
    ADD(u, .kind = OP_CALL, .call = CALL_FORGET, .a = OBJ_QP, .number = handle);
}
