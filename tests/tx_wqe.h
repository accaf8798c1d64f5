/* tx_wqe.h: QPs with rings in the memory of tx_rig.h, and WQEs as a driver would write them.
 *
 * QP number i owns the addresses from RIG_QP_BASE + i * RIG_QP_BYTES on: page 0 ring state, then
 * the send ring, then the receive ring; the native doorbell record lies in page 0 too. */
#pragma once
#include "tests/tx_rig.h"

enum { RIG_QP_BASE = 1 << 20, RIG_QP_BYTES = 1 << 16 };

struct rig_qp {
    uint32_t qn, cx, head, tail; /* of the send ring, free running: oldest posted, next to post */
    uint32_t rq_tail;
    uint64_t base;
};

static inline uint32_t rig_power2(uint32_t n)
{
    uint32_t p = 1;

    while (p < n) {
        p *= 2;
    }
    return p;
}

/* Fills a context as command would: sq and rq entries (powers of two), sge entries per WQE. */
static inline void rig_qp_init(struct rig_qp *q, struct qpc *c, uint32_t qn, enum qp_type type,
                               enum qp_format format, uint32_t sq, uint32_t rq, uint32_t sge)
{
    const bool native = format == FORMAT_NATIVE;
    const uint32_t stride = native ? 64 : rig_power2(80 + 16 * sge);
    const uint64_t base = RIG_QP_BASE + (uint64_t)(qn % QP_ROUND) * RIG_QP_BYTES;
    const uint32_t rq_page = 1 + (sq * stride + PAGE_BYTES - 1) / PAGE_BYTES;

    *q = (struct rig_qp){.qn = qn, .base = base};
    *c = (struct qpc){0};
    c->s.sq = (struct ring){native ? base + PAGE_BYTES : base, sq, (uint16_t)stride, 1};
    c->s.rq =
        (struct ring){native ? base + rq_page * PAGE_BYTES : base, rq,
                      (uint16_t)(native ? 16 * sge : rig_power2(16 + 16 * sge)), (uint16_t)rq_page};
    c->s.state_page_pdir = base;
    c->s.qn = qn;
    c->s.qpn = qn;
    c->s.handle = qn % QP_ROUND;
    c->s.fn = (uint8_t)(qn / QP_ROUND);
    c->s.dest_qpn = qn + 100;
    c->s.type = (uint8_t)type;
    c->s.format = (uint8_t)format;
    c->s.state = QPS_RTS;
    c->s.mtu_bytes = 1024;
    c->s.pd = 5;
    c->s.send_cqn = 3;
    c->s.weight = 1;
    c->s.max_rd_atomic = 4;
    c->s.retry_cnt = 7;
    c->s.rnr_retry = 7;
    c->s.timeout = 3;
    c->s.max_send_sge = (uint8_t)sge;
    c->s.max_recv_sge = (uint8_t)sge;
}

static inline void rig_st32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void rig_st64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void rig_put_av(uint8_t *p, const struct av *a)
{
    memset(p, 0, 40);
    rig_st32(p + 4, a->flow_label | (uint32_t)a->tclass << 20 | (uint32_t)a->sl << 28);
    memcpy(p + 8, a->dgid, 16);
    p[24] = 0x80 | a->src_path_bits;
    p[25] = a->sgid_index;
    p[27] = a->hop_limit;
    memcpy(p + 28, a->dmac, 6);
    p[34] = (uint8_t)a->dlid;
    p[35] = (uint8_t)(a->dlid >> 8);
}

static inline void rig_put_pvrdma(uint8_t *raw, const struct wqe *w, bool ud)
{
    rig_st64(raw, w->wr_id);
    rig_st32(raw + 8, w->nsge);
    rig_st32(raw + 16, w->opcode);
    rig_st32(raw + 20, w->flags);
    rig_st32(raw + 24, w->opcode == WR_SEND_INV || w->opcode == WR_LOCAL_INV ? w->rkey : w->imm);
    if (ud) {
        rig_st32(raw + 32, w->remote_qpn);
        rig_st32(raw + 36, w->qkey);
        rig_put_av(raw + 40, &w->av);
    } else if (w->opcode == WR_FAST_REG) {
        rig_st64(raw + 32, w->raddr);
        rig_st64(raw + 40, w->fr_pdir);
        rig_st32(raw + 48, w->page_shift);
        rig_st32(raw + 52, w->pages);
        rig_st32(raw + 56, w->len);
        rig_st32(raw + 60, w->access);
        rig_st32(raw + 64, w->rkey);
    } else if (w->opcode == WR_CAS || w->opcode == WR_FAA) {
        rig_st64(raw + 32, w->raddr);
        rig_st64(raw + 40, w->opcode == WR_CAS ? w->op2 : w->op1);
        rig_st64(raw + 48, w->opcode == WR_CAS ? w->op1 : 0);
        rig_st32(raw + 56, w->rkey);
    } else {
        rig_st64(raw + 32, w->raddr);
        rig_st32(raw + 40, w->rkey);
    }
    for (uint32_t i = 0; i < w->nsge; i++) {
        rig_st64(raw + 80 + 16 * i, w->sge[i].addr);
        rig_st32(raw + 88 + 16 * i, w->sge[i].len);
        rig_st32(raw + 92 + 16 * i, w->sge[i].lkey);
    }
}

/* Writes a native WQE into raw (512 bytes); data: payload when w->flags has WRF_INLINE. Units used.
 */
static inline uint32_t rig_put_native(uint8_t *raw, const struct wqe *w, bool ud, uint32_t handle,
                                      uint32_t index, const uint8_t *data)
{
    uint32_t at = 16;

    memset(raw, 0, WQE_RAW_MAX);
    raw[0] = w->opcode;
    raw[1] = w->flags;
    raw[2] = w->nsge;
    rig_st32(raw + 4, handle | (index & 0xffff) << 16);
    rig_st64(raw + 8, w->wr_id);
    if (w->opcode == WR_FAST_REG) {
        rig_st64(raw + 16, w->raddr);
        rig_st64(raw + 24, w->fr_pdir);
        rig_st32(raw + 32, w->page_shift);
        rig_st32(raw + 36, w->pages);
        rig_st32(raw + 40, w->len);
        rig_st32(raw + 44, w->access);
        rig_st32(raw + 48, w->rkey);
        at += 48;
    } else if (w->opcode != WR_SEND) {
        const bool inv = w->opcode == WR_SEND_INV || w->opcode == WR_LOCAL_INV;
        rig_st64(raw + at, w->raddr);
        rig_st32(raw + at + 8, inv ? 0 : w->rkey);
        rig_st32(raw + at + 12, inv ? w->rkey : w->imm);
        at += 16;
    }
    if (w->opcode == WR_CAS || w->opcode == WR_FAA) {
        rig_st64(raw + at, w->op1);
        rig_st64(raw + at + 8, w->op2);
        at += 16;
    }
    if (ud) {
        rig_st32(raw + at, w->remote_qpn);
        rig_st32(raw + at + 4, w->qkey);
        rig_put_av(raw + at + 8, &w->av);
        at += 48;
    }
    if ((w->flags & WRF_INLINE) != 0) {
        rig_st32(raw + at, w->len);
        memcpy(raw + at + 4, data, w->len);
        at += 4 + w->len;
    }
    for (uint32_t i = 0; i < w->nsge; i++, at += 16) {
        rig_st32(raw + at, w->sge[i].len);
        rig_st32(raw + at + 4, w->sge[i].lkey);
        rig_st64(raw + at + 8, w->sge[i].addr);
    }
    raw[3] = (uint8_t)((at + 63) / 64);
    return raw[3];
}

/* Writes the WQE at q->tail into the pvrdma send ring and publishes it; no doorbell. */
static inline void rig_post(struct rig *b, struct rig_qp *q, const struct qpc *c,
                            const struct wqe *w)
{
    const uint32_t slot = q->tail & (c->s.sq.entries - 1);
    const bool ud = c->s.type == QPT_UD || c->s.type == QPT_GSI;

    rig_put_pvrdma(rig_mem(b, q->base + PAGE_BYTES + slot * c->s.sq.stride, c->s.sq.stride), w, ud);
    q->tail++;
    rig_st32(rig_mem(b, q->base, 4), q->tail & (2 * c->s.sq.entries - 1));
}

/* The same for a native ring: bytes may wrap. */
static inline uint32_t rig_post_native(struct rig *b, struct rig_qp *q, const struct qpc *c,
                                       const struct wqe *w, const uint8_t *data)
{
    const bool ud = c->s.type == QPT_UD || c->s.type == QPT_GSI;
    uint8_t raw[WQE_RAW_MAX];
    const uint32_t units = rig_put_native(raw, w, ud, c->s.handle, q->tail, data);

    for (uint32_t i = 0; i < units; i++, q->tail++) {
        const uint32_t slot = q->tail & (c->s.sq.entries - 1);
        memcpy(rig_mem(b, c->s.sq.pdir + slot * 64, 64), raw + 64 * i, 64);
    }
    return units;
}

/* Posts a receive WQE with one SGE. */
static inline void rig_post_recv(struct rig *b, struct rig_qp *q, const struct ring *ring,
                                 bool native, uint64_t wr_id, struct sge sge)
{
    const uint32_t slot = q->rq_tail & (ring->entries - 1);
    const uint64_t at = native ? ring->pdir + slot * ring->stride
                               : ring->pdir + ring->page0 * PAGE_BYTES + slot * ring->stride;
    uint8_t *const raw = rig_mem(b, at, ring->stride);

    memset(raw, 0, ring->stride);
    if (native) {
        rig_st32(raw, sge.len);
        rig_st32(raw + 4, sge.lkey);
        rig_st64(raw + 8, sge.addr);
    } else {
        rig_st64(raw, wr_id);
        rig_st32(raw + 8, 1);
        rig_st64(raw + 16, sge.addr);
        rig_st32(raw + 24, sge.len);
        rig_st32(raw + 28, sge.lkey);
    }
    q->rq_tail++;
    rig_st32(rig_mem(b, q->base + (native ? 0 : 8), 4),
             native ? q->rq_tail : q->rq_tail & (2 * ring->entries - 1));
}

/* A WQE with random fields for a QP type; nsge entries at random addresses. */
static inline struct wqe rig_random_wqe(struct rig *b, uint32_t opcode, uint32_t nsge)
{
    struct wqe w = {.wr_id = (uint64_t)rig_random(b, 1u << 30) << 20 | rig_random(b, 1u << 20),
                    .opcode = (uint8_t)opcode,
                    .flags = (uint8_t)(rig_random(b, 8)),
                    .nsge = (uint8_t)nsge,
                    .raddr = rig_random(b, 1u << 30),
                    .rkey = rig_random(b, 1u << 30),
                    .imm = rig_random(b, 1u << 30),
                    .op1 = rig_random(b, 1u << 30),
                    .op2 = rig_random(b, 1u << 30),
                    .remote_qpn = rig_random(b, 1u << 24),
                    .qkey = rig_random(b, 1u << 30),
                    .units = 1};

    for (uint32_t i = 0; i < nsge; i++) {
        w.sge[i] =
            (struct sge){rig_random(b, 1u << 30), rig_random(b, 5000), rig_random(b, 1u << 30)};
        w.len += w.sge[i].len;
    }
    for (unsigned i = 0; i < 16; i++) {
        w.av.dgid[i] = (uint8_t)rig_random(b, 256);
    }
    w.av.flow_label = rig_random(b, 1u << 20);
    w.av.sgid_index = (uint8_t)rig_random(b, 128);
    w.av.hop_limit = (uint8_t)rig_random(b, 256);
    w.av.dlid = (uint16_t)rig_random(b, 65536);
    w.av.is_global = 1;
    return w;
}
