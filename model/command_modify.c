/* command_modify.c: MODIFY_QP: states and attributes.
 *
 * Which change needs and allows which attributes: InfiniBand vol. 1, 11.2.5.2 and 10.3.1, as in
 * Linux ib_modify_qp_is_ok. A refusal is told in the response (err), not in register ERR: Linux
 * turns that into EINVAL. */
#include "model/command_i.h"

enum { SQD_NOTIFY = 1 << 2, ANY_STATE_MASK = QPM_STATE | QPM_CUR_STATE };

/* --- current state ---------------------------------------------------------------------------- */

uint32_t cmd_qp_state(const struct qpc *c)
{
    if (c->s.state == QPS_RESET || c->s.state == QPS_INIT) {
        return c->s.state;
    }
    if (c->ack.error == ACK_ERR || c->rx.error) {
        return QPS_ERR;
    }
    return c->ack.error == ACK_SQE && c->s.state == QPS_RTS ? QPS_SQE : c->s.state;
}

/* --- changes of state ------------------------------------------------------------------------- */

enum { T_UD, T_UC, T_RC, T_GSI, TYPES };

#define AV_PATH (QPM_AV | QPM_MTU | QPM_DEST_QPN | QPM_RQ_PSN)
#define RC_RTR  (AV_PATH | QPM_DEST_RD | QPM_MIN_RNR)
#define RC_RTS  (QPM_TIMEOUT | QPM_RETRY | QPM_RNR_RETRY | QPM_SQ_PSN | QPM_RD_ATOMIC)
#define CONN    (QPM_ACCESS | QPM_ALT_PATH | QPM_MIG_STATE)
#define UD_INIT (QPM_PKEY | QPM_PORT | QPM_QKEY)
#define RC_INIT (QPM_PKEY | QPM_PORT | QPM_ACCESS)
#define RC_SQD                                                                            \
    (CONN | QPM_PORT | QPM_AV | QPM_TIMEOUT | QPM_RETRY | QPM_RNR_RETRY | QPM_RD_ATOMIC | \
     QPM_DEST_RD | QPM_PKEY | QPM_MIN_RNR)

/* need: all of these; may: any of those beside them. By type UD, UC, RC, GSI. */
static const struct change {
    uint8_t from, to;
    uint32_t need[TYPES], may[TYPES];
} changes[] = {
    {QPS_RESET, QPS_INIT, {UD_INIT, RC_INIT, RC_INIT, QPM_PKEY | QPM_QKEY}, {0, 0, 0, QPM_PORT}},
    {QPS_INIT, QPS_INIT, {0, 0, 0, 0}, {UD_INIT, RC_INIT, RC_INIT, UD_INIT}},
    {QPS_INIT,
     QPS_RTR,
     {0, AV_PATH, RC_RTR, 0},
     {QPM_PKEY | QPM_QKEY, CONN | QPM_PKEY, CONN | QPM_PKEY, QPM_PKEY | QPM_QKEY}},
    {QPS_RTR,
     QPS_RTS,
     {QPM_SQ_PSN, QPM_SQ_PSN, RC_RTS, QPM_SQ_PSN},
     {QPM_QKEY, CONN, CONN | QPM_MIN_RNR, QPM_QKEY}},
    {QPS_RTS, QPS_RTS, {0, 0, 0, 0}, {QPM_QKEY, CONN, CONN | QPM_MIN_RNR, QPM_QKEY}},
    {QPS_RTS, QPS_SQD, {0, 0, 0, 0}, {SQD_NOTIFY, SQD_NOTIFY, SQD_NOTIFY, SQD_NOTIFY}},
    {QPS_SQD, QPS_RTS, {0, 0, 0, 0}, {QPM_QKEY, CONN, CONN | QPM_MIN_RNR, QPM_QKEY}},
    {QPS_SQD,
     QPS_SQD,
     {0, 0, 0, 0},
     {QPM_PKEY | QPM_QKEY, CONN | QPM_AV | QPM_PKEY, RC_SQD, QPM_PKEY | QPM_QKEY}},
    {QPS_SQE, QPS_RTS, {0, 0, 0, 0}, {QPM_QKEY, QPM_ACCESS, 0, QPM_QKEY}},
};

static unsigned row_of(uint8_t type)
{
    return type == QPT_UD ? T_UD : type == QPT_UC ? T_UC : type == QPT_RC ? T_RC : T_GSI;
}

static bool change_ok(const struct qpc *c, const struct pv_modify_qp *r, uint32_t now, uint32_t to)
{
    const uint32_t mask = r->attr_mask & ~(uint32_t)ANY_STATE_MASK;
    const unsigned row = row_of(c->s.type);

    if ((r->attr_mask & QPM_CUR_STATE) != 0 && r->attr.cur_qp_state != now) {
        return false;
    }
    if (to == QPS_RESET || to == QPS_ERR) {
        return mask == 0;
    }
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const struct change *const x = &changes[i];
        if (x->from == now && x->to == to) {
            return (mask & x->need[row]) == x->need[row] &&
                   (mask & ~(x->need[row] | x->may[row])) == 0;
        }
    }
    return false;
}

/* --- attributes ------------------------------------------------------------------------------- */

/* An address needs a GID of this function, except on InfiniBand inside a subnet. */
static bool address_ok(const struct command *u, const struct tick *t, const struct pv_ah_attr *a)
{
    const bool global = (a->ah_flags & 1) != 0;

    if (!global) {
        return t->p->port_wire == HCA_PORT_WIRE_IB;
    }
    return a->sgid_index < t->p->hca_gid_max &&
           u->gid[u->s.fn * t->p->hca_gid_max + a->sgid_index].type != 0 && a->port_num <= 1 &&
           a->sl <= 15;
}

static bool values_ok(const struct command *u, const struct tick *t, const struct pv_modify_qp *r)
{
    const struct pv_qp_attr *const a = &r->attr;
    const uint32_t m = r->attr_mask;

    return (!(m & QPM_PKEY) || a->pkey_index == 0) && (!(m & QPM_PORT) || a->port_num == 1) &&
           (!(m & QPM_AV) || address_ok(u, t, &a->ah)) &&
           (!(m & QPM_MTU) || (a->path_mtu >= 1 && a->path_mtu <= 5 &&
                               128U << a->path_mtu <= t->p->port_mtu_bytes)) &&
           (!(m & QPM_TIMEOUT) || a->timeout <= 31) && (!(m & QPM_RETRY) || a->retry_cnt <= 7) &&
           (!(m & QPM_RNR_RETRY) || a->rnr_retry <= 7) &&
           (!(m & QPM_MIN_RNR) || a->min_rnr_timer <= 31) &&
           (!(m & QPM_RQ_PSN) || a->rq_psn <= PSN_MASK) &&
           (!(m & QPM_SQ_PSN) || a->sq_psn <= PSN_MASK) &&
           (!(m & QPM_DEST_QPN) || a->dest_qp_num <= NO_NUMBER) &&
           (!(m & QPM_RD_ATOMIC) || a->max_rd_atomic <= t->p->hca_max_rd_atomic) &&
           (!(m & QPM_DEST_RD) || a->max_dest_rd_atomic <= t->p->hca_max_rd_atomic);
}

static void set_address(struct av *v, const struct pv_ah_attr *a)
{
    *v = (struct av){.dlid = a->dlid,
                     .flow_label = a->flow_label & 0xfffff,
                     .sgid_index = a->sgid_index,
                     .hop_limit = a->hop_limit,
                     .tclass = a->traffic_class,
                     .sl = a->sl & 15,
                     .src_path_bits = a->src_path_bits & 0x7f,
                     .is_global = a->ah_flags & 1};
    memcpy(v->dgid, a->dgid, sizeof v->dgid);
    memcpy(v->dmac, a->dmac, sizeof v->dmac);
}

static void set_attributes(struct qp_static *s, const struct pv_modify_qp *r)
{
    const struct pv_qp_attr *const a = &r->attr;
    const uint32_t m = r->attr_mask;

    s->access = (m & QPM_ACCESS) != 0 ? a->qp_access_flags : s->access;
    s->pkey_index = (m & QPM_PKEY) != 0 ? a->pkey_index : s->pkey_index;
    s->qkey = (m & QPM_QKEY) != 0 ? a->qkey : s->qkey;
    s->timeout = (m & QPM_TIMEOUT) != 0 ? a->timeout : s->timeout;
    s->retry_cnt = (m & QPM_RETRY) != 0 ? a->retry_cnt : s->retry_cnt;
    s->rnr_retry = (m & QPM_RNR_RETRY) != 0 ? a->rnr_retry : s->rnr_retry;
    s->rq_psn = (m & QPM_RQ_PSN) != 0 ? a->rq_psn : s->rq_psn;
    s->sq_psn = (m & QPM_SQ_PSN) != 0 ? a->sq_psn : s->sq_psn;
    s->dest_qpn = (m & QPM_DEST_QPN) != 0 ? a->dest_qp_num : s->dest_qpn;
    s->min_rnr_timer = (m & QPM_MIN_RNR) != 0 ? a->min_rnr_timer : s->min_rnr_timer;
    s->max_rd_atomic = (m & QPM_RD_ATOMIC) != 0 ? a->max_rd_atomic : s->max_rd_atomic;
    s->max_dest_rd_atomic = (m & QPM_DEST_RD) != 0 ? a->max_dest_rd_atomic : s->max_dest_rd_atomic;
    s->sqd_notify = (m & SQD_NOTIFY) != 0 && a->en_sqd_async_notify != 0;
    if ((m & QPM_MTU) != 0) {
        s->mtu_bytes = (uint16_t)(128U << a->path_mtu);
    }
    if ((m & QPM_AV) != 0) {
        set_address(&s->av, &a->ah);
    }
}

/* --- the command ------------------------------------------------------------------------------ */

void cmd_modify_qp(struct command *u, const struct tick *t)
{
    const struct pv_modify_qp *const r = cmd_req(u, t);

    u->s.handle = r->qp_handle;
    if (cmd_find(u, OBJ_QP, r->qp_handle) == NULL) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    ADD(u, .kind = OP_CTX, .a = CTX_QP, .b = CTX_GET_EXCL, .number = cmd_number(u, r->qp_handle),
        .call = CALL_QP_MODIFY);
}

static void answer(struct command *u, const struct tick *t, unsigned err)
{
    struct pv_resp_hdr *const resp = cmd_resp(u, t);

    resp->err = u->s.resp_err = (uint8_t)err;
    cmd_send(u, sizeof *resp);
}

/* The send side begins at the PSN that RTS names; the receive side takes its own from s.rq_psn. */
static void start_sending(struct qpc *c)
{
    c->tx.psn = c->ack.una = c->ack.next = c->s.sq_psn;
}

void cmd_qp_modify(struct command *u, const struct tick *t, void *ctx)
{
    const struct pv_modify_qp *const r = cmd_req(u, t);
    struct qpc *const c = ctx;
    const uint32_t now = cmd_qp_state(c), qn = c->s.qn;
    const uint32_t to = (r->attr_mask & QPM_STATE) != 0 ? r->attr.qp_state : now;

    if (to > QPS_ERR || !change_ok(c, r, now, to) || !values_ok(u, t, r)) {
        answer(u, t, PV_INVALID);
        return;
    }
    set_attributes(&c->s, r);
    c->s.state = (uint8_t)to;
    if (to == QPS_RESET) {
        ADD(u, .kind = OP_KICK, .a = KICK_RESET, .number = qn);
        ADD(u, .kind = OP_CQ, .number = NO_NUMBER);
        ADD(u, .kind = OP_CTX, .a = CTX_QP, .b = CTX_GET_EXCL, .number = qn, .call = CALL_QP_CLEAR);
    } else if (to == QPS_ERR) {
        ADD(u, .kind = OP_KICK, .a = KICK_FLUSH, .number = qn);
    } else if (to >= QPS_RTR) {
        if (now == QPS_RTR && to == QPS_RTS) {
            start_sending(c);
        }
        c->ack.error = now == QPS_SQE ? ACK_OK : c->ack.error;
        ADD(u, .kind = OP_KICK_STATE, .number = qn);
    }
    answer(u, t, PV_OK);
}

/* Back to what CREATE_QP made: rings and owners stay, everything else starts anew. */
void cmd_qp_clear(struct command *u, const struct tick *t, void *ctx)
{
    struct qpc *const c = ctx;
    const struct qp_static s = c->s;
    struct cmd_obj *const qp = cmd_find(u, OBJ_QP, s.handle);

    memset(c, 0, sizeof *c);
    c->s = (struct qp_static){
        .sq = s.sq,
        .rq = s.rq,
        .state_page_pdir = s.state_page_pdir,
        .qn = s.qn,
        .handle = s.handle,
        .qpn = s.qpn,
        .pd = s.pd,
        .send_cqn = s.send_cqn,
        .recv_cqn = s.recv_cqn,
        .srqn = s.srqn,
        .mtu_bytes = (uint16_t)t->p->port_mtu_bytes,
        .fn = s.fn,
        .type = s.type,
        .state = QPS_RESET,
        .format = s.format,
        .sig_all = s.sig_all,
        .port = 1,
        .weight = s.weight,
        .has_srq = s.has_srq,
        .generation = ++qp->gen,
        .max_send_sge = s.max_send_sge,
        .max_recv_sge = s.max_recv_sge,
        .user = s.user,
    };
}
