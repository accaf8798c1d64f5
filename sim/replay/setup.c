/* setup.c: the resources of a trace, made through the control path (decisions 10). */
#include "sim/replay/replay_i.h"

#include "model/defs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t host_of_pd(const struct replay *r, uint32_t pd)
{
    return r->res->fn[r->res->pd[pd].fn].host;
}

uint32_t host_of_qp(const struct replay *r, uint32_t qp)
{
    return host_of_pd(r, r->res->qp[qp].pd);
}

uint32_t host_of_mr(const struct replay *r, uint32_t mr)
{
    return host_of_pd(r, r->res->mr[mr].pd);
}

static bool refuse(struct hct_error *err, const char *what, uint32_t id,
                   const struct hca_error *why)
{
    err->status = HCT_USAGE;
    snprintf(err->text, sizeof err->text, "%s %u: %.340s", what, id, why->text);
    return false;
}

static bool open_drivers(struct replay *r, struct hct_error *err)
{
    struct hca_error why;

    for (uint32_t i = 0; i < r->res->fns; i++) {
        const struct hct_fn *const f = &r->res->fn[i];
        const struct driver_place at = {.hca = f->hca, .fn = f->index, .vm = f->vm};
        r->driver_of[i] = driver_open(r->machine[f->host], &at, &why);
        if (r->driver_of[i] == DRIVER_NONE) {
            return refuse(err, "fn", i, &why);
        }
    }
    for (uint32_t i = 0; i < r->res->pds; i++) {
        const struct hct_pd *const d = &r->res->pd[i];
        r->pd_of[i] = driver_pd(r->machine[host_of_pd(r, i)], r->driver_of[d->fn], &why);
        if (r->pd_of[i] == DRIVER_NONE) {
            return refuse(err, "pd", i, &why);
        }
    }
    return true;
}

static bool open_mrs(struct replay *r, struct hct_error *err)
{
    struct hca_error why;

    for (uint32_t i = 0; i < r->res->mrs; i++) {
        const struct hct_mr *const m = &r->res->mr[i];
        const struct driver_mr s = {.pd = r->pd_of[m->pd],
                                    .vm = m->vm,
                                    .va = m->va,
                                    .bytes = m->len_bytes,
                                    .access = m->access,
                                    .flags = m->flags,
                                    .layout = m->layout,
                                    .layout_arg = m->layout_arg};
        r->mr_of[i] = driver_mr(r->machine[host_of_pd(r, m->pd)], &s, &why);
        if (r->mr_of[i] == DRIVER_NONE) {
            return refuse(err, "mr", i, &why);
        }
    }
    return true;
}

static bool native(const struct replay *r, const struct hct_qp *q)
{
    return q->format == HCT_FORMAT_DEFAULT ? r->p.hca_wqe_format == HCA_HCA_WQE_FORMAT_NATIVE
                                           : q->format == HCT_FORMAT_NATIVE;
}

/* The format of a CQ or SRQ is that of the first QP that uses it. */
static bool native_cq(const struct replay *r, uint32_t cq)
{
    for (uint32_t q = 0; q < r->res->qps; q++) {
        if (r->res->qp[q].send_cq == cq || r->res->qp[q].recv_cq == cq) {
            return native(r, &r->res->qp[q]);
        }
    }
    return r->p.hca_wqe_format == HCA_HCA_WQE_FORMAT_NATIVE;
}

static bool native_srq(const struct replay *r, uint32_t srq)
{
    for (uint32_t q = 0; q < r->res->qps; q++) {
        if (r->res->qp[q].srq == srq) {
            return native(r, &r->res->qp[q]);
        }
    }
    return r->p.hca_wqe_format == HCA_HCA_WQE_FORMAT_NATIVE;
}

static bool open_queues(struct replay *r, struct hct_error *err)
{
    struct hca_error why;

    for (uint32_t i = 0; i < r->res->cqs; i++) {
        const struct hct_cq *const c = &r->res->cq[i];
        const struct driver_cq s = {.driver = r->driver_of[c->fn],
                                    .entries = c->depth_entries,
                                    .notify = c->notify,
                                    .native = native_cq(r, i)};
        r->cq_of[i] = driver_cq(r->machine[r->res->fn[c->fn].host], &s, &why);
        if (r->cq_of[i] == DRIVER_NONE) {
            return refuse(err, "cq", i, &why);
        }
    }
    for (uint32_t i = 0; i < r->res->srqs; i++) {
        const struct hct_srq *const q = &r->res->srq[i];
        const struct driver_srq s = {.pd = r->pd_of[q->pd],
                                     .entries = q->depth_entries,
                                     .limit = q->limit_entries,
                                     .sge_max = q->sge_max,
                                     .native = native_srq(r, i)};
        r->srq_of[i] = driver_srq(r->machine[host_of_pd(r, q->pd)], &s, &why);
        if (r->srq_of[i] == DRIVER_NONE) {
            return refuse(err, "srq", i, &why);
        }
    }
    return true;
}

static uint8_t qp_type(const struct hct_qp *q)
{
    return q->type == HCT_QP_RC ? QPT_RC : q->type == HCT_QP_UC ? QPT_UC : QPT_UD;
}

/* Programs ask for as many READs under way as the adapter has: fewer change times, not results. */
static uint8_t at_most(uint8_t value, uint64_t limit)
{
    return value > limit ? (uint8_t)limit : value;
}

static bool open_qp(struct replay *r, uint32_t i, struct hct_error *err)
{
    const struct hct_qp *const q = &r->res->qp[i];
    const struct driver_qp s = {
        .pd = r->pd_of[q->pd],
        .send_cq = r->cq_of[q->send_cq],
        .recv_cq = r->cq_of[q->recv_cq],
        .srq = q->srq == HCT_NONE ? DRIVER_NONE : r->srq_of[q->srq],
        .sq_entries = q->sq_depth_entries,
        .rq_entries = q->rq_depth_entries,
        .sq_psn = q->sq_psn,
        .qkey = q->qkey,
        .access = ACC_LOCAL_WRITE | ACC_REMOTE_WRITE | ACC_REMOTE_READ | ACC_REMOTE_ATOMIC,
        .mtu_bytes =
            (uint16_t)(q->mtu_bytes < r->p.port_mtu_bytes ? q->mtu_bytes : r->p.port_mtu_bytes),
        .inline_bytes = q->inline_max_bytes,
        .core = q->core,
        .type = qp_type(q),
        .native = native(r, q),
        .sig_all = (q->flags & HCT_QP_SIG_ALL) != 0,
        .sge_max = q->sge_max,
        .rd_atomic = at_most(q->rd_atomic_max, r->p.hca_max_rd_atomic),
        .rd_atomic_dest = at_most(q->rd_atomic_dest_max, r->p.hca_max_rd_atomic),
        .timeout = q->timeout,
        .retry_cnt = q->retry_cnt,
        .rnr_retry = q->rnr_retry,
        .min_rnr_timer = q->min_rnr_timer,
        .sl = q->sl,
        .traffic_class = q->traffic_class,
        .weight = q->weight == 0 ? 1 : q->weight,
        .mmio_wqe = r->p.hca_wqe_mmio_bytes != 0,
    };
    struct hca_error why;

    r->qp_of[i] = driver_qp(r->machine[host_of_qp(r, i)], &s, &why);
    return r->qp_of[i] != DRIVER_NONE || refuse(err, "qp", i, &why);
}

static bool open_qps(struct replay *r, struct hct_error *err)
{
    struct hca_error why;

    for (uint32_t i = 0; i < r->res->qps; i++) {
        if (!open_qp(r, i, err)) {
            return false;
        }
        r->qp_rev[host_of_qp(r, i)][r->qp_of[i]] = i;
        r->qp[i] = (struct qp_sent){.sent_first = NO_OP, .sent_last = NO_OP};
    }
    for (uint32_t i = 0; i < r->res->ahs; i++) {
        const struct hct_ah *const a = &r->res->ah[i];
        const struct hct_fn *const to = &r->res->fn[a->dest_fn];
        struct driver_ah s = {.pd = r->pd_of[a->pd],
                              .sl = a->sl,
                              .traffic_class = a->traffic_class,
                              .hop_limit = a->hop_limit};
        driver_address(&r->p, to->host, to->hca, to->index, &s.to);
        r->ah_of[i] = driver_ah(r->machine[host_of_pd(r, a->pd)], &s, &why);
        if (r->ah_of[i] == DRIVER_NONE) {
            return refuse(err, "ah", i, &why);
        }
    }
    return true;
}

static bool settle(struct replay *r, const char *what, struct hct_error *err)
{
    struct hca_error why;

    (void)world_run(r->w, UINT64_MAX, NULL, NULL);
    for (unsigned h = 0; h < r->hosts; h++) {
        if (machine_failed(r->machine[h], &why)) {
            return refuse(err, what, h, &why);
        }
        if (machine_pending(r->machine[h])) {
            snprintf(why.text, sizeof why.text, "the adapter did not answer a command");
            return refuse(err, what, h, &why);
        }
    }
    return true;
}

static void connect_qps(struct replay *r)
{
    for (uint32_t i = 0; i < r->res->qps; i++) {
        const struct hct_qp *const q = &r->res->qp[i];
        struct machine *const m = r->machine[host_of_qp(r, i)];
        struct driver_peer own, peer;
        driver_qp_peer(m, r->qp_of[i], &own);
        r->qp[i].qpn = own.qpn;
        if (q->type == HCT_QP_UD) {
            driver_connect(m, r->qp_of[i], NULL);
        } else {
            driver_qp_peer(r->machine[host_of_qp(r, q->peer)], r->qp_of[q->peer], &peer);
            driver_connect(m, r->qp_of[i], &peer);
        }
    }
}

/* Where frames for a function go: its MAC and LID belong to the port of its adapter. */
static void name_ports(struct replay *r)
{
    for (uint32_t i = 0; i < r->res->fns; i++) {
        const struct hct_fn *const f = &r->res->fn[i];
        struct driver_address a;
        driver_address(&r->p, f->host, f->hca, f->index, &a);
        net_address(world_net(r->w), f->host * world_hcas(r->w) + f->hca, a.mac, a.lid);
    }
}

bool setup_resources(struct replay *r, struct hct_error *err)
{
    name_ports(r);
    if (!open_drivers(r, err) || !open_mrs(r, err) || !open_queues(r, err) || !open_qps(r, err) ||
        !settle(r, "set-up of host", err)) {
        return false;
    }
    connect_qps(r);
    return settle(r, "connecting the QPs of host", err);
}
