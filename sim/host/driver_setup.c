/* driver_setup.c: makes objects: checks, memory, and the steps that tell the device. */
#include "sim/host/driver_i.h"

#include <inttypes.h>

enum {
    RING_CHUNKS = 4,
    RECORDS_PER_PAGE = PAGE_BYTES / 64,
    NATIVE_UNITS_MAX = 32768,
    LID_MAX = 0xbfff,
    UC_PAGE = 1
};

static uint32_t power2(uint64_t n)
{
    uint32_t p = 1;

    while (p < n && p < 1U << 31) {
        p *= 2;
    }
    return p;
}

static uint32_t chunks_of(uint64_t bytes)
{
    return (uint32_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void put_be(uint8_t *to, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
    }
}

static uint32_t port_number(const struct hca_param *p, uint32_t host_index, uint32_t hca,
                            uint32_t fn)
{
    return (uint32_t)((host_index * p->host_hcas + hca) * p->hca_fn_max) + fn + 1;
}

/* MAC 02:00 and a number, whose low half is the LID; GID: IPv4-mapped 10.x.y.z, fd00::number, or
 * link-local from the MAC where no IP is used. */
void driver_address(const struct hca_param *p, uint32_t host_index, uint32_t hca, uint32_t fn,
                    struct driver_address *out)
{
    const uint32_t n = port_number(p, host_index, hca, fn);

    *out = (struct driver_address){.mac = {2, 0}, .lid = (uint16_t)n};
    put_be(out->mac + 2, n, 4);
    if (p->port_wire == HCA_PORT_WIRE_ROCE2 && p->port_ip == 4) {
        out->gid[10] = out->gid[11] = 0xff;
        put_be(out->gid + 12, 10U << 24 | n, 4);
    } else if (p->port_wire == HCA_PORT_WIRE_ROCE2) {
        out->gid[0] = 0xfd;
        put_be(out->gid + 12, n, 4);
    } else {
        static const uint8_t ff_fe[2] = {0xff, 0xfe};
        out->gid[0] = 0xfe;
        out->gid[1] = 0x80;
        memcpy(out->gid + 8, out->mac, 3);
        out->gid[8] ^= 2;
        memcpy(out->gid + 11, ff_fe, 2);
        memcpy(out->gid + 13, out->mac + 3, 3);
    }
}

/* --- functions -------------------------------------------------------------------------------- */

static bool place_ok(const struct machine *m, const struct driver_place *at, struct hca_error *err)
{
    const uint64_t most = m->p->hca_fn_max < 255 ? m->p->hca_fn_max : 255;
    const uint64_t ports = (m->index + 1) * m->p->host_hcas * m->p->hca_fn_max;

    if (at->hca >= m->p->host_hcas || at->fn >= most || at->vm >= m->p->host_vms) {
        return NO(err,
                  "adapter %u, function %u, VM %u: there are %" PRIu64
                  " adapters (host.hcas), %" PRIu64 " functions (hca.fn_max), %" PRIu64
                  " VMs (host.vms)",
                  at->hca, at->fn, at->vm, m->p->host_hcas, most, m->p->host_vms);
    }
    if (m->p->port_wire == HCA_PORT_WIRE_IB && ports > LID_MAX) {
        return NO(err, "%" PRIu64 " functions exceed the %u LIDs of InfiniBand", ports, LID_MAX);
    }
    for (uint32_t i = 0; i < m->v[V_DRIVER].n; i++) {
        const struct driver_place *const x = &DRV(m, i)->at;
        if (x->hca == at->hca && x->fn == at->fn) {
            return NO(err, "adapter %u, function %u has a driver already", at->hca, at->fn);
        }
    }
    return true;
}

/* Ids + 1 by handle. */
static bool take_maps(struct machine *m, struct drv *d)
{
    d->qp_of = vec_more(m, V_HANDLE, (uint32_t)m->p->hca_qp_max);
    d->cq_of = vec_more(m, V_HANDLE, (uint32_t)m->p->hca_cq_max);
    d->srq_of = vec_more(m, V_HANDLE, (uint32_t)m->p->hca_srq_max);
    return !m->f.oom;
}

static bool take_memory(struct machine *m, struct drv *d)
{
    const uint64_t at = mem_take(m, d->at.vm, 3, MEM_COHERENT);

    d->dsr = at - 1;
    d->cmd = d->dsr + PAGE_BYTES;
    d->resp = d->cmd + PAGE_BYTES;
    return at != 0 && mem_ring(m, d->at.vm, RING_CHUNKS, &d->async) &&
           mem_ring(m, d->at.vm, RING_CHUNKS, &d->notify);
}

uint32_t driver_open(struct machine *m, const struct driver_place *at, struct hca_error *err)
{
    const uint32_t id = m->v[V_DRIVER].n;
    struct drv d = {.at = *at, .uar_page = at->user ? UC_PAGE : 0};

    d.at.core %= m->f.cores;
    driver_address(m->p, m->index, at->hca, at->fn, &d.address);
    if (!place_ok(m, at, err) || !mem_attach(m, at, err)) {
        return DRIVER_NONE;
    }
    struct drv *const to = vec_add(m, V_DRIVER);
    if (to == NULL || !take_maps(m, &d) || !take_memory(m, &d)) {
        return driver_refuse(err, "no memory for the driver of function %u", at->fn);
    }
    *to = d;
    step_add(m, id, STEP_VERSION, 0, id, 0);
    step_add(m, id, STEP_DSR, 0, id, 0);
    step_add(m, id, STEP_VECTORS, 0, id, 0);
    step_add(m, id, STEP_ACTIVATE, 0, id, 0);
    static const uint8_t probe[] = {PV_QUERY_PORT, PV_QUERY_PKEY, PV_CREATE_BIND, PV_CREATE_UC};
    for (unsigned i = 0; i < sizeof probe; i++) {
        step_add(m, id, STEP_COMMAND, probe[i], id, 0);
    }
    return id;
}

void driver_reset(struct machine *m, uint32_t driver)
{
    step_add(m, driver, STEP_RESET, 0, driver, 0);
}

uint32_t driver_pd(struct machine *m, uint32_t driver, struct hca_error *err)
{
    const uint32_t id = m->v[V_PD].n;
    struct pd *const p = vec_add(m, V_PD);

    if (p == NULL) {
        return driver_refuse(err, "no memory for PD %u", id);
    }
    p->driver = driver;
    step_add(m, driver, STEP_COMMAND, PV_CREATE_PD, id, 0);
    return id;
}

void driver_destroy_pd(struct machine *m, uint32_t pd)
{
    step_add(m, PD(m, pd)->driver, STEP_COMMAND, PV_DESTROY_PD, pd, 0);
}

/* --- memory of queues ------------------------------------------------------------------------- */

/* Doorbell records: 64 bytes apart, so that no two share a line. */
static uint64_t take_record(struct machine *m, struct drv *d)
{
    if (d->record == d->record_end) {
        const uint64_t at = mem_take(m, d->at.vm, 1, MEM_COHERENT);
        if (at == 0) {
            return UINT64_MAX;
        }
        d->record = at - 1;
        d->record_end = d->record + PAGE_BYTES;
    }
    d->record += PAGE_BYTES / RECORDS_PER_PAGE;
    return d->record - PAGE_BYTES / RECORDS_PER_PAGE;
}

/* A native ring lies in sequence on the bus; where it does not (VT-d off, fragmented memory) it
 * cannot be made. */
static bool take_contiguous(struct machine *m, uint32_t vm, uint64_t bytes, struct ring_mem *out)
{
    const uint64_t at = mem_take(m, vm, chunks_of(bytes), MEM_COHERENT);
    const uint64_t last = (uint64_t)(chunks_of(bytes) - 1) * PAGE_BYTES;

    out->pages = at - 1;
    out->chunks = chunks_of(bytes);
    return at != 0 && mem_bus(m, vm, at - 1 + last) == mem_bus(m, vm, at - 1) + last;
}

static uint32_t no_memory(struct hca_error *err, const char *what, uint32_t entries)
{
    return driver_refuse(err,
                         "%s of %u entries: no memory left in the VM; raise "
                         "host.mem_bytes (native rings need it in one piece on the bus)",
                         what, entries);
}

/* --- completion queues ------------------------------------------------------------------------ */

uint32_t driver_cq(struct machine *m, const struct driver_cq *s, struct hca_error *err)
{
    const uint32_t id = m->v[V_CQ].n, n = power2(s->entries);
    struct drv *const d = DRV(m, s->driver);
    struct cq c = {.s = *s, .ring = {.entries = n}};

    if (s->entries == 0 || n > m->p->hca_max_cqe) {
        return driver_refuse(err, "CQ %u of %u entries: 1 to %" PRIu64 " (hca.max_cqe)", id,
                             s->entries, m->p->hca_max_cqe);
    }
    if (s->notify == DRIVER_POLL && m->p->cpu_completion == HCA_CPU_COMPLETION_INTERRUPT) {
        c.s.notify = DRIVER_EVENT;
    }
    const uint64_t bytes = (uint64_t)n * sizeof(struct pv_cqe);
    const bool good = s->native ? take_contiguous(m, d->at.vm, bytes, &c.ring)
                                : mem_ring(m, d->at.vm, 1 + chunks_of(bytes), &c.ring);
    c.record = good && s->native ? take_record(m, d) : 0;
    struct cq *const to = good && c.record != UINT64_MAX ? vec_add(m, V_CQ) : NULL;
    if (to == NULL) {
        return no_memory(err, "CQ", n);
    }
    *to = c;
    for (uint32_t i = 0; i < (s->native ? c.ring.chunks : 1); i++) {
        page_add(m, mem_phys(m, d->at.vm, c.ring.pages + (uint64_t)i * PAGE_BYTES), id);
    }
    step_add(m, s->driver, STEP_COMMAND, PV_CREATE_CQ, id, 0);
    return id;
}

void driver_destroy_cq(struct machine *m, uint32_t cq)
{
    step_add(m, CQ(m, cq)->s.driver, STEP_COMMAND, PV_DESTROY_CQ, cq, 0);
}

/* --- shared receive queues -------------------------------------------------------------------- */

/* Table of the caller's ids by slot of a native receive ring; UINT64_MAX: free. */
static uint32_t take_wrids(struct machine *m, uint32_t n)
{
    const uint32_t at = vec_more(m, V_WRID, n);

    if (at != DRIVER_NONE) {
        memset(vec_at(m, V_WRID, at), 0xff, (size_t)n * sizeof(uint64_t));
    }
    return at;
}

uint32_t driver_srq(struct machine *m, const struct driver_srq *s, struct hca_error *err)
{
    const uint32_t id = m->v[V_SRQ].n, n = power2(s->entries);
    const uint32_t driver = PD(m, s->pd)->driver;
    struct drv *const d = DRV(m, driver);
    struct srq q = {.s = *s, .q = {.n = n}, .driver = driver};
    const uint64_t sges = m->p->hca_max_sge < SGE_MAX ? m->p->hca_max_sge : SGE_MAX;

    if (s->entries == 0 || n > m->p->hca_max_srq_wr || s->sge_max == 0 || s->sge_max > sges ||
        m->p->hca_srq_max == 0) {
        return driver_refuse(err,
                             "SRQ %u of %u entries with %u SGEs: 1 to %" PRIu64
                             " (hca.max_srq_wr) with 1 to %" PRIu64 " (hca.max_sge)",
                             id, s->entries, s->sge_max, m->p->hca_max_srq_wr, sges);
    }
    q.s.core = (uint16_t)(s->core % m->f.cores);
    const uint64_t bytes = (uint64_t)n * (s->native ? s->sge_max * 16U : recv_stride(s->sge_max));
    bool good = s->native ? take_contiguous(m, d->at.vm, bytes, &q.ring)
                          : mem_ring(m, d->at.vm, 1 + chunks_of(bytes), &q.ring);
    if (good && s->native) {
        q.record = take_record(m, d);
        q.wrid = take_wrids(m, n);
        good = q.record != UINT64_MAX && q.wrid != DRIVER_NONE;
    }
    struct srq *const to = good ? vec_add(m, V_SRQ) : NULL;
    if (to == NULL) {
        return no_memory(err, "SRQ", n);
    }
    *to = q;
    step_add(m, driver, STEP_COMMAND, PV_CREATE_SRQ, id, 0);
    return id;
}

void driver_destroy_srq(struct machine *m, uint32_t srq)
{
    step_add(m, SRQ(m, srq)->driver, STEP_COMMAND, PV_DESTROY_SRQ, srq, 0);
}

/* --- queue pairs ------------------------------------------------------------------------------ */

static bool qp_ok(const struct machine *m, uint32_t id, const struct driver_qp *s,
                  struct hca_error *err)
{
    const uint64_t sges = m->p->hca_max_sge < SGE_MAX ? m->p->hca_max_sge : SGE_MAX;
    const bool too_many =
        s->sq_entries > m->p->hca_max_qp_wr || s->rq_entries > m->p->hca_max_qp_wr;

    if (too_many || s->sq_entries == 0 || s->sge_max == 0 || s->sge_max > sges) {
        return NO(err,
                  "QP %u: %u send and %u receive entries with %u SGEs: at most %" PRIu64
                  " (hca.max_qp_wr) with 1 to %" PRIu64 " (hca.max_sge)",
                  id, s->sq_entries, s->rq_entries, s->sge_max, m->p->hca_max_qp_wr, sges);
    }
    if (s->rd_atomic > m->p->hca_max_rd_atomic || s->rd_atomic_dest > m->p->hca_max_rd_atomic) {
        return NO(err, "QP %u: %u and %u READs or atomics: at most %" PRIu64 " (hca.max_rd_atomic)",
                  id, s->rd_atomic, s->rd_atomic_dest, m->p->hca_max_rd_atomic);
    }
    const bool same = CQ(m, s->send_cq)->s.native == s->native &&
                      CQ(m, s->recv_cq)->s.native == s->native &&
                      (s->srq == DRIVER_NONE || SRQ(m, s->srq)->s.native == s->native);
    if (!same) {
        return NO(err, "QP %u: its CQs and SRQ are of the other WQE format", id);
    }
    if (s->native && wqe_units_max(s) > WQE_MAX / 64) {
        return NO(err, "QP %u: %u SGEs or %u inline bytes do not fit a native WQE of %u", id,
                  s->sge_max, s->inline_bytes, WQE_MAX);
    }
    return true;
}

static bool take_native_rings(struct machine *m, struct drv *d, struct qp *q)
{
    struct ring_mem rq = {0};
    const uint64_t recv = (uint64_t)q->rq.n * q->rq_stride;

    q->record = take_record(m, d);
    q->wrid = take_wrids(m, q->rq.n);
    if (q->record == UINT64_MAX || q->wrid == DRIVER_NONE ||
        !take_contiguous(m, d->at.vm, (uint64_t)q->sq.n * q->sq_stride, &q->ring) ||
        (recv != 0 && !take_contiguous(m, d->at.vm, recv, &rq))) {
        return false;
    }
    q->rq_base = rq.pages;
    return true;
}

static bool take_rings(struct machine *m, struct drv *d, struct qp *q)
{
    const uint32_t send = chunks_of((uint64_t)q->sq.n * q->sq_stride);
    const uint32_t recv = chunks_of((uint64_t)q->rq.n * q->rq_stride);

    if (!mem_ring(m, d->at.vm, 1 + send + recv, &q->ring)) {
        return false;
    }
    q->ring.entries = send; /* chunks of the send ring, for CREATE_QP */
    q->rq_base = q->ring.pages + (uint64_t)(1 + send) * PAGE_BYTES;
    return true;
}

static void size_rings(const struct driver_qp *s, struct qp *q)
{
    const bool shared = s->srq != DRIVER_NONE;

    q->units_max = s->native ? (uint8_t)wqe_units_max(s) : 1;
    q->sq_stride = s->native ? 64 : (uint16_t)send_stride(s->sge_max);
    q->rq_stride = (uint16_t)(s->native ? s->sge_max * 16U : recv_stride(s->sge_max));
    q->sq.n = power2((uint64_t)s->sq_entries * q->units_max);
    q->sq.n = s->native && q->sq.n > NATIVE_UNITS_MAX ? NATIVE_UNITS_MAX : q->sq.n;
    q->rq.n = shared ? 0 : power2(s->rq_entries);
}

uint32_t driver_qp(struct machine *m, const struct driver_qp *s, struct hca_error *err)
{
    const uint32_t id = m->v[V_QP].n, driver = PD(m, s->pd)->driver;
    struct drv *const d = DRV(m, driver);
    struct qp q = {.s = *s, .driver = driver};

    if (q.s.inline_bytes > m->p->hca_inline_max_bytes) {
        q.s.inline_bytes = (uint16_t)m->p->hca_inline_max_bytes;
    }
    if (!qp_ok(m, id, &q.s, err)) {
        return DRIVER_NONE;
    }
    q.s.core = (uint16_t)(s->core % m->f.cores);
    size_rings(&q.s, &q);
    struct qp *const to =
        (s->native ? take_native_rings(m, d, &q) : take_rings(m, d, &q)) ? vec_add(m, V_QP) : NULL;
    if (to == NULL) {
        return no_memory(err, "QP", q.sq.n);
    }
    *to = q;
    step_add(m, driver, STEP_COMMAND, PV_CREATE_QP, id, 0);
    return id;
}

void driver_qp_peer(const struct machine *m, uint32_t qp, struct driver_peer *out)
{
    const struct qp *const q = QP(m, qp);

    *out = (struct driver_peer){
        .at = DRV(m, q->driver)->address, .qpn = q->qpn, .sq_psn = q->s.sq_psn};
}

void driver_connect(struct machine *m, uint32_t qp, const struct driver_peer *to)
{
    struct qp *const q = QP(m, qp);

    q->has_peer = to != NULL;
    q->peer = to != NULL ? *to : q->peer;
    for (uint32_t state = QPS_INIT; state <= QPS_RTS; state++) {
        step_add(m, q->driver, STEP_COMMAND, PV_MODIFY_QP, qp, state);
    }
}

void driver_modify(struct machine *m, uint32_t qp, uint8_t state)
{
    step_add(m, QP(m, qp)->driver, STEP_COMMAND, PV_MODIFY_QP, qp, state);
}

void driver_destroy_qp(struct machine *m, uint32_t qp)
{
    step_add(m, QP(m, qp)->driver, STEP_COMMAND, PV_DESTROY_QP, qp, 0);
}

uint32_t driver_ah(struct machine *m, const struct driver_ah *s, struct hca_error *err)
{
    const uint32_t id = m->v[V_AH].n;
    struct ah *const a = vec_add(m, V_AH);

    if (a == NULL) {
        return driver_refuse(err, "no memory for AH %u", id);
    }
    a->s = *s;
    return id;
}
