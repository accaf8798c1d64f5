/* driver_request.c: the 184 bytes of a command and what its response means. */
#include "sim/host/driver_i.h"

enum { NO_VLAN = 0xfff, BIND_MTU = 1024, UC_PAGE = 1, GID_INDEX = 0, ROCE1 = 1, ROCE2 = 2 };

/* --- requests --------------------------------------------------------------------------------- */

static void create_mr(struct machine *m, const struct mr *r, void *req)
{
    const bool physical = (r->s.flags & DRIVER_MR_PHYSICAL) != 0;
    const bool fast = (r->s.flags & DRIVER_MR_FAST) != 0;
    struct pv_create_mr *const q = req;

    q->pd_handle = PD(m, r->s.pd)->handle;
    q->access_flags = r->s.access;
    q->flags = physical ? PV_MR_DMA : fast ? PV_MR_FAST_REG : 0;
    if (!physical) {
        q->start = fast ? 0 : r->va;
        q->length = fast ? 0 : r->s.bytes;
        q->pdir_dma = fast ? 0 : mem_bus(m, DRV(m, r->driver)->at.vm, r->pdir);
        q->nchunks = r->chunks;
    }
}

static void create_cq(struct machine *m, const struct cq *c, void *req)
{
    const struct drv *const d = DRV(m, c->s.driver);
    struct pv_create_cq *const q = req;

    q->pdir_dma = mem_bus(m, d->at.vm, c->s.native ? c->ring.pages : c->ring.pdir);
    q->ctx_handle = d->at.user ? d->uc : 0;
    q->cqe = c->ring.entries;
    q->nchunks = c->ring.chunks;
    if (c->s.native) {
        q->flags_ext = PV_EXT_NATIVE;
        q->db_record_ext = mem_bus(m, d->at.vm, c->record);
    }
}

static void create_srq(struct machine *m, const struct srq *s, void *req)
{
    const uint32_t vm = DRV(m, s->driver)->at.vm;
    struct pv_create_srq *const q = req;

    q->pdir_dma = mem_bus(m, vm, s->s.native ? s->ring.pages : s->ring.pdir);
    q->pd_handle = PD(m, s->s.pd)->handle;
    q->nchunks = s->ring.chunks;
    q->attr =
        (struct pv_srq_attr){.max_wr = s->q.n, .max_sge = s->s.sge_max, .srq_limit = s->s.limit};
    if (s->s.native) {
        q->flags_ext = PV_EXT_NATIVE;
        q->db_record_ext = mem_bus(m, vm, s->record);
    }
}

static void create_qp(struct machine *m, const struct qp *x, void *req)
{
    const uint32_t vm = DRV(m, x->driver)->at.vm;
    struct pv_create_qp *const q = req;

    q->pd_handle = PD(m, x->s.pd)->handle;
    q->send_cq_handle = CQ(m, x->s.send_cq)->handle;
    q->recv_cq_handle = CQ(m, x->s.recv_cq)->handle;
    q->is_srq = x->s.srq != DRIVER_NONE;
    q->srq_handle = q->is_srq ? SRQ(m, x->s.srq)->handle : 0;
    q->max_send_wr = x->sq.n;
    q->max_recv_wr = x->rq.n;
    q->max_send_sge = q->max_recv_sge = x->s.sge_max;
    q->access_flags = ACC_LOCAL_WRITE;
    q->sq_sig_all = x->s.sig_all;
    q->qp_type = x->s.type;
    q->weight_ext = x->s.weight;
    if (x->s.native) {
        q->flags_ext = PV_EXT_NATIVE;
        q->max_inline_data = x->s.inline_bytes;
        q->sq_base_ext = mem_bus(m, vm, x->ring.pages);
        q->rq_base_ext = x->rq.n == 0 ? 0 : mem_bus(m, vm, x->rq_base);
        q->db_record_ext = mem_bus(m, vm, x->record);
    } else {
        q->pdir_dma = mem_bus(m, vm, x->ring.pdir);
        q->total_chunks = (uint16_t)x->ring.chunks;
        q->send_chunks = (uint16_t)x->ring.entries;
    }
}

/* --- MODIFY_QP -------------------------------------------------------------------------------- */

static uint32_t mtu_code(uint32_t bytes)
{
    uint32_t code = 1;

    while (code < 5 && 256U << (code - 1) < bytes) {
        code++;
    }
    return code;
}

static void to_init(const struct qp *x, struct pv_modify_qp *q)
{
    const bool datagram = x->s.type == QPT_UD || x->s.type == QPT_GSI;

    q->attr_mask |= QPM_PKEY | (x->s.type == QPT_GSI ? 0U : QPM_PORT);
    q->attr_mask |= datagram ? QPM_QKEY : QPM_ACCESS;
    q->attr.port_num = 1;
    q->attr.qkey = x->s.qkey;
    q->attr.qp_access_flags = x->s.access;
}

static void to_rtr(const struct machine *m, const struct qp *x, struct pv_modify_qp *q)
{
    if (!x->has_peer) {
        return;
    }
    q->attr_mask |= QPM_AV | QPM_MTU | QPM_DEST_QPN | QPM_RQ_PSN;
    q->attr_mask |= x->s.type == QPT_RC ? QPM_DEST_RD | QPM_MIN_RNR : 0U;
    q->attr.path_mtu = mtu_code(x->s.mtu_bytes);
    q->attr.dest_qp_num = x->peer.qpn;
    q->attr.rq_psn = x->peer.sq_psn & PSN_MASK;
    q->attr.max_dest_rd_atomic = x->s.rd_atomic_dest;
    q->attr.min_rnr_timer = x->s.min_rnr_timer;
    const bool global = m->p->port_wire != HCA_PORT_WIRE_IB || m->p->port_ib_grh;
    q->attr.ah = (struct pv_ah_attr){.sgid_index = GID_INDEX,
                                     .hop_limit = 64,
                                     .traffic_class = x->s.traffic_class,
                                     .dlid = x->peer.at.lid,
                                     .sl = x->s.sl & 15,
                                     .ah_flags = global,
                                     .port_num = 1};
    memcpy(q->attr.ah.dgid, x->peer.at.gid, sizeof q->attr.ah.dgid);
    memcpy(q->attr.ah.dmac, x->peer.at.mac, sizeof q->attr.ah.dmac);
}

static void to_rts(const struct qp *x, struct pv_modify_qp *q)
{
    q->attr_mask |= QPM_SQ_PSN;
    q->attr_mask |=
        x->s.type == QPT_RC ? QPM_TIMEOUT | QPM_RETRY | QPM_RNR_RETRY | QPM_RD_ATOMIC : 0U;
    q->attr.sq_psn = x->s.sq_psn & PSN_MASK;
    q->attr.timeout = x->s.timeout;
    q->attr.retry_cnt = x->s.retry_cnt;
    q->attr.rnr_retry = x->s.rnr_retry;
    q->attr.max_rd_atomic = x->s.rd_atomic;
}

static void modify_qp(struct machine *m, const struct step *s, void *req)
{
    const struct qp *const x = QP(m, s->id);
    struct pv_modify_qp *const q = req;

    q->qp_handle = x->handle;
    q->attr_mask = QPM_STATE;
    q->attr.qp_state = s->arg;
    if (s->arg == QPS_INIT) {
        to_init(x, q);
    } else if (s->arg == QPS_RTR) {
        to_rtr(m, x, q);
    } else if (s->arg == QPS_RTS) {
        to_rts(x, q);
    }
}

static void bind(const struct machine *m, const struct drv *d, void *req)
{
    struct pv_create_bind *const q = req;

    q->mtu = BIND_MTU;
    q->vlan = NO_VLAN;
    q->index = GID_INDEX;
    q->gid_type = m->p->port_wire == HCA_PORT_WIRE_ROCE1 ? ROCE1 : ROCE2;
    memcpy(q->new_gid, d->address.gid, sizeof q->new_gid);
}

static uint32_t handle_of(const struct machine *m, const struct step *s)
{
    switch (s->cmd) {
    case PV_DESTROY_PD: return PD(m, s->id)->handle;
    case PV_DESTROY_MR: return MR(m, s->id)->handle;
    case PV_DESTROY_CQ: return CQ(m, s->id)->handle;
    case PV_DESTROY_SRQ: return SRQ(m, s->id)->handle;
    case PV_DESTROY_QP: return QP(m, s->id)->handle;
    default: return 0;
    }
}

void step_request(struct machine *m, uint32_t driver, const struct step *s, uint8_t *req)
{
    const struct drv *const d = DRV(m, driver);

    switch (s->cmd) {
    case PV_QUERY_PORT:
    case PV_QUERY_PKEY: ((struct pv_req_port *)(void *)req)->port_num = 1; break;
    case PV_CREATE_BIND: bind(m, d, req); break;
    case PV_CREATE_UC: ((struct pv_create_uc *)(void *)req)->pfn = UAR_PFN + UC_PAGE; break;
    case PV_CREATE_PD: ((struct pv_req_one *)(void *)req)->handle = d->at.user ? d->uc : 0; break;
    case PV_CREATE_MR: create_mr(m, MR(m, s->id), req); break;
    case PV_CREATE_CQ: create_cq(m, CQ(m, s->id), req); break;
    case PV_CREATE_SRQ: create_srq(m, SRQ(m, s->id), req); break;
    case PV_CREATE_QP: create_qp(m, QP(m, s->id), req); break;
    case PV_MODIFY_QP: modify_qp(m, s, req); break;
    default: ((struct pv_req_one *)(void *)req)->handle = handle_of(m, s); break;
    }
}

/* --- responses -------------------------------------------------------------------------------- */

static void name(struct machine *m, uint32_t map, uint64_t max, uint32_t handle, uint32_t id)
{
    if (handle < max) {
        *(uint32_t *)vec_at(m, V_HANDLE, map + handle) = id;
    }
}

static bool made_qp(struct machine *m, const struct drv *d, const struct step *s,
                    const uint8_t *resp)
{
    const struct pv_resp_qp *const r = (const struct pv_resp_qp *)(const void *)resp;
    struct qp *const q = QP(m, s->id);

    q->qpn = r->qpn;
    q->handle = d->version >= 20 ? r->qp_handle : r->qpn;
    q->state = OBJ_READY;
    name(m, d->qp_of, m->p->hca_qp_max, q->handle, s->id + 1);
    return q->handle != 0 && q->handle < m->p->hca_qp_max;
}

static bool modified(struct machine *m, const struct step *s, const uint8_t *resp)
{
    const struct pv_resp_hdr *const r = (const struct pv_resp_hdr *)(const void *)resp;
    struct qp *const q = QP(m, s->id);

    if (r->err != 0) {
        return false;
    }
    if (s->arg == QPS_RTS) {
        cq_bind(m, q->s.send_cq, q->s.core);
        cq_bind(m, q->s.recv_cq, q->s.core);
    } else if (s->arg == QPS_RESET) {
        qp_reset(m, q);
    }
    return true;
}

static void destroyed(struct machine *m, const struct drv *d, const struct step *s)
{
    if (s->cmd == PV_DESTROY_QP) {
        struct qp *const q = QP(m, s->id);
        name(m, d->qp_of, m->p->hca_qp_max, q->handle, 0);
        qp_forget(m, q);
        q->state = OBJ_GONE;
    } else if (s->cmd == PV_DESTROY_CQ) {
        name(m, d->cq_of, m->p->hca_cq_max, CQ(m, s->id)->handle, 0);
        CQ(m, s->id)->state = OBJ_GONE;
    } else if (s->cmd == PV_DESTROY_SRQ) {
        name(m, d->srq_of, m->p->hca_srq_max, SRQ(m, s->id)->handle, 0);
        SRQ(m, s->id)->state = OBJ_GONE;
        SRQ(m, s->id)->gen++;
    }
}

bool step_answer(struct machine *m, uint32_t driver, const struct step *s, const uint8_t *resp)
{
    const uint32_t value = ((const struct pv_resp_one *)(const void *)resp)->value;
    const struct pv_resp_mr *const mr = (const struct pv_resp_mr *)(const void *)resp;
    struct drv *const d = DRV(m, driver);

    switch (s->cmd) {
    case PV_CREATE_UC: d->uc = value; return value == UC_PAGE;
    case PV_CREATE_PD:
        PD(m, s->id)->handle = value;
        PD(m, s->id)->state = OBJ_READY;
        return true;
    case PV_CREATE_MR:
        MR(m, s->id)->handle = mr->mr_handle;
        MR(m, s->id)->key = mr->lkey;
        MR(m, s->id)->state = OBJ_READY;
        return mr->lkey == mr->rkey;
    case PV_CREATE_CQ:
        CQ(m, s->id)->handle = value;
        CQ(m, s->id)->state = OBJ_READY;
        name(m, d->cq_of, m->p->hca_cq_max, value, s->id + 1);
        return ((const struct pv_resp_one *)(const void *)resp)->more == CQ(m, s->id)->ring.entries;
    case PV_CREATE_SRQ:
        SRQ(m, s->id)->handle = value;
        SRQ(m, s->id)->state = OBJ_READY;
        name(m, d->srq_of, m->p->hca_srq_max, value, s->id + 1);
        return true;
    case PV_CREATE_QP: return made_qp(m, d, s, resp);
    case PV_MODIFY_QP: return modified(m, s, resp);
    default: destroyed(m, d, s); return true;
    }
}
