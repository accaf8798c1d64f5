/* Pass 3: one message becomes one operation, with the receive that it consumes in front of it.
 *
 * A receive stands directly before the message that consumes it, and waits for the one that used
 * its buffer before: a reader that looks ahead posts it in time, and no reader has to remember
 * receives of QPs that stay silent. */
#include "traces/import_i.h"

#include <string.h>

enum { UD_GRH = 40 };

static bool consumes_recv(uint8_t kind)
{
    return kind == HCT_SEND || kind == HCT_SEND_IMM || kind == HCT_SEND_INV ||
           kind == HCT_WRITE_IMM;
}

static bool put(struct import *im, const struct hct_op *op)
{
    const uint32_t fields = hct_op_fields(op);
    const int recorded = __builtin_popcount(fields & op->recorded);
    struct hct_error err = {0};
    const enum hct_status st = im->writer != NULL
                                   ? hct_put_op(im->writer, op)
                                   : hct_check_op(&im->check, op, im->ops, NULL, &err);
    if (st != HCT_OK) {
        return import_fail(im, st, "%.350s",
                           im->writer != NULL ? hct_writer_error(im->writer)->text : err.text);
    }
    im->sum.fields_recorded += (uint64_t)recorded;
    im->sum.fields_assumed += (uint64_t)(__builtin_popcount(fields) - recorded);
    im->ops++;
    return true;
}

/* Receive number q->received of a QP. */
static bool write_recv(struct import *im, struct qp *q)
{
    struct hct_op op = hct_op_none();
    const uint64_t bytes = q->recv_max + (q->type == HCT_QP_UD ? UD_GRH : 0);
    const uint64_t slot = q->received % q->recv_slots;
    op.id = im->ops;
    op.kind = HCT_RECV;
    op.qp = q->id;
    op.recorded = HCT_REC_KIND | HCT_REC_QP;
    if (bytes != 0) {
        op.sge[op.sge_count++] = (struct hct_sge){
            .mr = q->mr_recv, .len_bytes = (uint32_t)bytes, .off_bytes = slot * q->recv_stride};
    }
    if (q->received >= q->recv_slots) {
        op.dep[op.dep_count++] = (struct hct_dep){
            .type = HCT_DEP_WINDOW, .op = q->recv_ring[slot], .window_ops = q->recv_slots};
    }
    if (q->recv_ring != NULL) {
        q->recv_ring[slot] = op.id;
    }
    q->received++;
    return put(im, &op);
}

static uint64_t time_ps(struct import *im, uint64_t ns)
{
    const uint64_t since = ns > im->t0_ns ? ns - im->t0_ns : 0;
    const uint64_t t = since < HCT_TIME_PS_MAX / 1000 ? since * 1000 : HCT_TIME_PS_MAX;
    im->last_t_ps = t > im->last_t_ps ? t : im->last_t_ps;
    return im->last_t_ps;
}

/* A region that peers invalidate must be registered by its owner before each use. The capture
 * shows the invalidation only; the registration is assumed to come directly before the use. */
static bool write_registration(struct import *im, struct mr *mr)
{
    struct qp *q = &im->qp[mr->owner];
    struct hct_op op = hct_op_none();
    op.id = im->ops;
    op.kind = HCT_FAST_REG;
    op.flags = HCT_SIGNALED;
    op.qp = q->id;
    op.t_ps = im->last_t_ps;
    op.key_mr = mr->id;
    op.key_access = mr->access;
    if (mr->inv_op != HCT_OP_NONE) {
        op.dep[op.dep_count++] = (struct hct_dep){.type = HCT_DEP_RECV, .op = mr->inv_op};
    }
    mr->reg_op = op.id;
    mr->valid = true;
    q->place++;
    return put(im, &op);
}

/* Remote side of a message; *mr is the region it uses or HCT_NONE. */
static bool set_remote(struct import *im, const struct msg *m, struct hct_op *op, uint32_t *mr)
{
    const struct qp *t = &im->qp[m->target];
    *mr = HCT_NONE;
    if (m->half == HCT_NONE || m->kind == HCT_SEND || m->kind == HCT_SEND_IMM) {
        return true;
    }
    if (m->kind == HCT_SEND_INV) {
        *mr = mr_any(im, t->node, m->imm);
        op->key_mr = *mr == HCT_NONE ? HCT_NONE : im->mr[*mr].id;
    } else if (m->len == 0 || m->remote_assumed) {
        op->remote_mr = t->mr_send;
        op->remote_off_bytes = m->index % t->send_slots * t->send_stride;
        op->recorded &= ~(uint32_t)HCT_REC_REMOTE;
        return true;
    } else {
        *mr = mr_find(im, t->node, m->rkey, m->va, m->len);
        op->remote_mr = *mr == HCT_NONE ? HCT_NONE : im->mr[*mr].id;
        op->remote_off_bytes = *mr == HCT_NONE ? 0 : m->va - im->mr[*mr].lo;
    }
    return *mr != HCT_NONE || import_fail(im, HCT_BAD, "the capture changed while it was read");
}

static bool each_piece(struct import *im, uint64_t off, const void *bytes, uint32_t n)
{
    im->sum.payload_bytes += n;
    return hct_put_payload(im->writer, off, bytes, n) == HCT_OK ||
           import_fail(im, hct_writer_error(im->writer)->status, "%.350s",
                       hct_writer_error(im->writer)->text);
}

static bool is_atomic(const struct msg *m)
{
    return m->kind == HCT_CAS || m->kind == HCT_FAA;
}

/* The bytes an atomic found: its result, as it lay in the memory of a little-endian host. */
static bool write_payload(struct import *im, const struct msg *m)
{
    if (im->writer == NULL) {
        return true;
    }
    return is_atomic(m) ? each_piece(im, 0, &m->orig, sizeof m->orig)
                        : spool_each(im, &m->pieces, each_piece);
}

static void fill(struct import *im, const struct msg *m, struct hct_op *op)
{
    const struct qp *q = &im->qp[m->poster];
    op->kind = m->kind;
    op->t_ps = time_ps(im, m->start_ns);
    op->flags = HCT_SIGNALED | (m->solicited ? HCT_SOLICITED : 0);
    op->qp = q->id;
    op->recorded = HCT_REC_TIME | HCT_REC_REMOTE | HCT_REC_KEY | HCT_REC_IMM | HCT_REC_ATOMIC |
                   (m->kind_assumed ? 0 : HCT_REC_KIND) | (m->len_assumed ? 0 : HCT_REC_LEN) |
                   (m->acked ? HCT_REC_EXPECT : 0) | (q->qpn == HCT_NONE ? 0 : HCT_REC_QP);
    if (m->kind == HCT_SEND_IMM || m->kind == HCT_WRITE_IMM) {
        op->imm = m->imm;
    }
    if (is_atomic(m)) {
        op->compare = m->kind == HCT_CAS ? m->compare : 0;
        op->swap_add = m->swap_add;
    }
    if (m->len != 0) {
        op->sge[op->sge_count++] =
            (struct hct_sge){.mr = q->mr_send,
                             .len_bytes = (uint32_t)m->len,
                             .off_bytes = q->posted % q->send_slots * q->send_stride};
    }
    if (m->half == HCT_NONE) {
        op->ud_qp = im->qp[m->target].id;
        op->ah = map_find(&im->ah_map, q->node, im->qp[m->target].node);
    }
    if (is_atomic(m) ? m->answer_seen : m->pieces.first != HCT_NONE) {
        op->payload = HCT_PAYLOAD_RECORDED;
        op->recorded |= HCT_REC_PAYLOAD;
    }
}

void write_message(struct import *im, const struct msg *m)
{
    struct hct_op op = hct_op_none();
    uint32_t mr;
    if (consumes_recv(m->kind) && !write_recv(im, &im->qp[m->target])) {
        return;
    }
    fill(im, m, &op);
    if (!set_remote(im, m, &op, &mr)) {
        return;
    }
    if (mr != HCT_NONE && im->mr[mr].fast) {
        if (!im->mr[mr].valid && !write_registration(im, &im->mr[mr])) {
            return;
        }
        op.dep[op.dep_count++] = (struct hct_dep){.type = HCT_DEP_LOCAL, .op = im->mr[mr].reg_op};
    }
    rule_depend(im, m, &op);
    op.id = im->ops;
    op.recorded &= hct_op_fields(&op);
    if (!put(im, &op)) {
        return;
    }
    if (op.payload == HCT_PAYLOAD_RECORDED && !write_payload(im, m)) {
        return;
    }
    if (m->kind == HCT_SEND_INV) {
        im->mr[mr].valid = false;
        im->mr[mr].inv_op = op.id;
    }
    rule_written(im, m, &op);
}
