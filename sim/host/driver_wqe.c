/* driver_wqe.c: work requests as bytes: pvrdma (PVRDMA ABI, section 10) and native
 * (docs/NATIVE.md). */
#include "sim/host/driver_i.h"

enum { UNIT = 64, PAGE_SHIFT = 12, PORT_SHIFT = 24 };

static uint32_t big_endian(uint32_t v)
{
    return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}

static bool invalidates(uint8_t opcode)
{
    return opcode == WR_SEND_INV || opcode == WR_LOCAL_INV;
}

static bool has_imm(uint8_t opcode)
{
    return opcode == WR_SEND_IMM || opcode == WR_WRITE_IMM;
}

static bool is_atomic(uint8_t opcode)
{
    return opcode == WR_CAS || opcode == WR_FAA;
}

static bool is_remote(uint8_t opcode)
{
    return opcode == WR_WRITE || opcode == WR_WRITE_IMM || opcode == WR_READ || is_atomic(opcode);
}

/* Immediate in network byte order, or a key as it is. */
static uint32_t imm_of(const struct driver_wr *w)
{
    return invalidates(w->opcode) ? w->rkey : has_imm(w->opcode) ? big_endian(w->imm) : 0;
}

static struct pv_av address(const struct machine *m, const struct qp *q, const struct driver_wr *w)
{
    const struct driver_ah *const a = &AH(m, w->ah)->s;
    struct pv_av v = {.port_pd = PD(m, q->s.pd)->handle | 1U << PORT_SHIFT,
                      .sl_tclass_flowlabel = (uint32_t)a->sl << 28 | (uint32_t)a->traffic_class
                                                                         << 20,
                      .src_path_bits = 0x80,
                      .hop_limit = a->hop_limit == 0 ? 64 : a->hop_limit};

    memcpy(v.dgid, a->to.gid, sizeof v.dgid);
    memcpy(v.dmac, a->to.mac, sizeof v.dmac);
    memcpy(v.reserved, &a->to.lid, sizeof a->to.lid); /* InfiniBand alone looks here */
    return v;
}

static uint64_t sge_addr(const struct machine *m, const struct driver_wr *w, unsigned i)
{
    return MR(m, w->sge[i].mr)->va + w->sge[i].off;
}

static uint32_t total(const struct driver_wr *w)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < w->nsge; i++) {
        n += w->sge[i].len;
    }
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* --- pvrdma ----------------------------------------------------------------------------------- */

static void put_sges(const struct machine *m, const struct driver_wr *w, uint8_t *to)
{
    for (unsigned i = 0; i < w->nsge; i++) {
        const struct pv_sge s = {
            .addr = sge_addr(m, w, i), .length = w->sge[i].len, .lkey = MR(m, w->sge[i].mr)->key};
        memcpy(to + i * sizeof s, &s, sizeof s);
    }
}

static void put_operation(const struct machine *m, const struct qp *q, const struct driver_wr *w,
                          struct pv_send_wqe *x)
{
    if (w->opcode == WR_FAST_REG) {
        const struct mr *const r = MR(m, w->key_mr);
        x->u.fast_reg.iova = r->va;
        x->u.fast_reg.pl_pdir_dma = mem_bus(m, DRV(m, r->driver)->at.vm, r->pdir);
        x->u.fast_reg.page_shift = PAGE_SHIFT;
        x->u.fast_reg.page_list_len = r->chunks;
        x->u.fast_reg.length = (uint32_t)r->s.bytes;
        x->u.fast_reg.access = w->key_access;
        x->u.fast_reg.rkey = r->key;
    } else if (is_atomic(w->opcode)) {
        x->u.atomic.remote_addr = w->raddr;
        x->u.atomic.compare_add = w->opcode == WR_CAS ? w->compare : w->swap_add;
        x->u.atomic.swap = w->opcode == WR_CAS ? w->swap_add : 0;
        x->u.atomic.rkey = w->rkey;
    } else if (is_remote(w->opcode)) {
        x->u.rdma.remote_addr = w->raddr;
        x->u.rdma.rkey = w->rkey;
    } else if (q->s.type == QPT_UD || q->s.type == QPT_GSI) {
        x->u.ud.remote_qpn = w->remote_qpn;
        x->u.ud.qkey = w->qkey;
        x->u.ud.av = address(m, q, w);
    }
}

static uint32_t pvrdma_send(const struct machine *m, const struct qp *q, const struct driver_wr *w,
                            uint8_t *to)
{
    struct pv_send_wqe x = {.wr_id = w->wr_id,
                            .num_sge = w->nsge,
                            .total_len = total(w),
                            .opcode = w->opcode,
                            .send_flags = w->flags,
                            .imm = imm_of(w)};

    put_operation(m, q, w, &x);
    memcpy(to, &x, sizeof x);
    put_sges(m, w, to + sizeof x);
    return (uint32_t)(sizeof x + w->nsge * sizeof(struct pv_sge));
}

/* --- native ----------------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *to, const void *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

static uint8_t *put32(uint8_t *to, uint32_t v)
{
    return put(to, &v, sizeof v);
}

static uint8_t *put64(uint8_t *to, uint64_t v)
{
    return put(to, &v, sizeof v);
}

static uint8_t *put_native_sges(const struct machine *m, const struct driver_wr *w, uint8_t *at)
{
    for (unsigned i = 0; i < w->nsge; i++) {
        at = put32(at, w->sge[i].len);
        at = put32(at, MR(m, w->sge[i].mr)->key);
        at = put64(at, sge_addr(m, w, i));
    }
    return at;
}

/* Bytes outside an MR are a fault in a real process; here they are zero. */
static uint8_t *put_inline(const struct machine *m, const struct driver_wr *w, uint8_t *at)
{
    at = put32(at, total(w));
    for (unsigned i = 0; i < w->nsge; i++) {
        (void)driver_mr_read(m, w->sge[i].mr, w->sge[i].off, at, w->sge[i].len);
        at += w->sge[i].len;
    }
    return at;
}

static uint8_t *put_segments(const struct machine *m, const struct qp *q, const struct driver_wr *w,
                             uint8_t *at)
{
    if (w->opcode == WR_FAST_REG) {
        const struct mr *const r = MR(m, w->key_mr);
        at = put64(at, r->va);
        at = put64(at, mem_bus(m, DRV(m, r->driver)->at.vm, r->pdir));
        at = put32(at, PAGE_SHIFT);
        at = put32(at, r->chunks);
        at = put32(at, (uint32_t)r->s.bytes);
        at = put32(at, w->key_access);
        at = put32(at, r->key);
        return at + 12;
    }
    if (is_remote(w->opcode) || has_imm(w->opcode) || invalidates(w->opcode)) {
        at = put64(at, w->raddr);
        at = put32(at, is_remote(w->opcode) ? w->rkey : 0);
        at = put32(at, imm_of(w));
    }
    if (is_atomic(w->opcode)) {
        at = put64(at, w->swap_add);
        at = put64(at, w->compare);
    }
    if (q->s.type == QPT_UD || q->s.type == QPT_GSI) {
        const struct pv_av v = address(m, q, w);
        at = put32(at, w->remote_qpn);
        at = put32(at, w->qkey);
        at = put(at, &v, sizeof v);
    }
    return at;
}

static uint32_t native_send(const struct machine *m, const struct qp *q, const struct driver_wr *w,
                            uint32_t index, uint8_t *to)
{
    const bool in = (w->flags & WRF_INLINE) != 0;
    uint8_t *at = put_segments(m, q, w, to + 16);

    at = in ? put_inline(m, w, at) : put_native_sges(m, w, at);
    const uint32_t units = (uint32_t)(at - to + UNIT - 1) / UNIT;
    to[0] = w->opcode;
    to[1] = w->flags;
    to[2] = in ? 0 : w->nsge;
    to[3] = (uint8_t)units;
    (void)put32(to + 4, q->handle | index << 16);
    (void)put64(to + 8, w->wr_id);
    return units * UNIT;
}

uint32_t wqe_units_max(const struct driver_qp *s)
{
    const uint32_t datagram = s->type == QPT_UD || s->type == QPT_GSI ? 48 : 16;
    const uint32_t data =
        s->sge_max * 16U > s->inline_bytes + 4U ? s->sge_max * 16U : s->inline_bytes + 4U;

    return (16 + 16 + datagram + data + UNIT - 1) / UNIT;
}

/* --- both ------------------------------------------------------------------------------------- */

uint32_t wqe_send(struct machine *m, const struct qp *q, const struct driver_wr *w, uint32_t index,
                  uint8_t to[WQE_MAX], const char **why)
{
    const bool in = q->s.native && (w->flags & WRF_INLINE) != 0;

    *why = w->nsge > q->s.sge_max               ? "more SGEs than the QP was created with"
           : in && total(w) > q->s.inline_bytes ? "more inline bytes than the QP was created with"
           : in && w->opcode == WR_READ         ? "a READ cannot be inline"
           : w->opcode == WR_FAST_REG && w->key_mr >= m->v[V_MR].n ? "FAST_REG names no MR"
                                                                   : NULL;
    if (*why != NULL) {
        return 0;
    }
    if (!q->s.native) {
        return pvrdma_send(m, q, w, to); /* leaves no gap */
    }
    memset(to, 0, WQE_MAX);
    return native_send(m, q, w, index, to);
}

uint32_t wqe_recv(struct machine *m, const struct driver_wr *w, bool native, uint32_t sges,
                  uint8_t to[WQE_MAX])
{
    if (native) {
        memset(to, 0, WQE_MAX);
        (void)put_native_sges(m, w, to);
        return sges * (uint32_t)sizeof(struct pv_sge);
    }
    const struct pv_recv_wqe x = {.wr_id = w->wr_id, .num_sge = w->nsge, .total_len = total(w)};
    memcpy(to, &x, sizeof x);
    put_sges(m, w, to + sizeof x);
    return (uint32_t)(sizeof x + w->nsge * sizeof(struct pv_sge));
}
