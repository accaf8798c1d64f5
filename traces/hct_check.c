/* Rules that one operation must keep, and what the simulated adapter will complain about. */
#include <inttypes.h>

#include "traces/hct_bits.h"
#include "traces/hct_store.h"

struct check {
    const struct hct_resources *res;
    const struct hct_op *op;
    struct hct_error *err;
    uint32_t warn;
    bool absent;
};

#define OP_BAD(c, ...) hct_fail((c)->err, HCT_BAD, __VA_ARGS__)
#define KINDS(kind)    (1u << (kind))

static const uint32_t sends = KINDS(HCT_SEND) | KINDS(HCT_SEND_IMM) | KINDS(HCT_SEND_INV);
static const uint32_t writes = KINDS(HCT_WRITE) | KINDS(HCT_WRITE_IMM);
static const uint32_t atomics = KINDS(HCT_CAS) | KINDS(HCT_FAA);
static const uint32_t keyed = KINDS(HCT_SEND_INV) | KINDS(HCT_LOCAL_INV) | KINDS(HCT_FAST_REG);
static const uint32_t dmas = KINDS(HCT_DMA_READ) | KINDS(HCT_DMA_WRITE) | KINDS(HCT_DMA_WRRD);

static bool is(const struct check *c, uint32_t kinds)
{
    return kinds >> c->op->kind & 1;
}

/* An object field: present when the kind needs it, none when it does not. */
static enum hct_status object(struct check *c, const char *field, uint32_t id, uint32_t count,
                              bool lost, bool needed)
{
    const uint64_t op = c->op->id;
    if (!needed) {
        return id == HCT_NONE ? HCT_OK
                              : OP_BAD(c,
                                       "op %" PRIu64 ": %s = %u, but this kind of op has none: "
                                       "must be none",
                                       op, field, id);
    }
    if (id < count && !lost) {
        return HCT_OK;
    }
    c->absent = true;
    if (id == HCT_NONE) {
        return OP_BAD(c, "op %" PRIu64 ": %s is none, but this kind of op needs one", op, field);
    }
    return OP_BAD(c, "op %" PRIu64 ": %s = %u, but the trace has %u (ids 0..count-1)", op, field,
                  id, count);
}

#define OBJECT(c, name, kind, needed)                                                         \
    object(c, #name, (c)->op->name, (c)->res->kind##s,                                        \
           (c)->op->name < (c)->res->kind##s && (c)->res->kind[(c)->op->name].id == HCT_NONE, \
           needed)

static bool mr_bad(const struct hct_resources *res, uint32_t mr)
{
    return mr >= res->mrs || res->mr[mr].id == HCT_NONE;
}

/* Unknown numbers and bits are errors: a newer trace says something that must not be ignored. */
static enum hct_status check_fields(struct check *c)
{
    const struct hct_op *op = c->op;
    const struct {
        const char *name;
        uint64_t value, max;
    } row[] = {
        {"kind", op->kind, HCT_KIND_COUNT - 1},     {"expect", op->expect, HCT_WC_COUNT - 1},
        {"flags", op->flags, ALL_op_flags},         {"payload", op->payload, HCT_PAYLOAD_COUNT - 1},
        {"key_access", op->key_access, ALL_access}, {"recorded", op->recorded, ALL_op_rec},
        {"t_ps", op->t_ps, HCT_TIME_PS_MAX},        {"sge_count", op->sge_count, HCT_SGE_MAX},
        {"dep_count", op->dep_count, HCT_DEP_MAX},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (row[i].value > row[i].max) {
            return OP_BAD(c,
                          "op %" PRIu64 ": %s = %" PRIu64 ": not in 0..%" PRIu64
                          " (or the trace is newer than this version)",
                          op->id, row[i].name, row[i].value, row[i].max);
        }
    }
    if (op->payload != HCT_PAYLOAD_ABSENT && !(hct_op_fields(op) & HCT_REC_PAYLOAD)) {
        return OP_BAD(c, "op %" PRIu64 ": payload = %u, but this kind of op reads none", op->id,
                      op->payload);
    }
    return HCT_OK;
}

/* Dependencies point backwards only, so a trace can be replayed as it streams and has no cycles. An
 * id below this one exists, as ids are dense; the reader knows which of them were lost. */
static enum hct_status check_deps(struct check *c)
{
    const struct hct_op *op = c->op;
    for (uint32_t i = 0; i < op->dep_count; i++) {
        const struct hct_dep *d = &op->dep[i];
        if (d->type >= HCT_DEP_COUNT || d->think_ps > HCT_TIME_PS_MAX) {
            return OP_BAD(c,
                          "op %" PRIu64 ": dep[%u]: type %u or think_ps %" PRIu64 " out of range",
                          op->id, i, d->type, d->think_ps);
        }
        if (d->type != HCT_DEP_NONE && d->op >= op->id) {
            return OP_BAD(c,
                          "op %" PRIu64 ": dep[%u] is on op %" PRIu64
                          ", which does not come before it; dependencies point to earlier ops",
                          op->id, i, d->op);
        }
        if ((d->type == HCT_DEP_WINDOW) != (d->window_ops > 0)) {
            return OP_BAD(c,
                          "op %" PRIu64 ": dep[%u]: window_ops = %u: a window dependency has 1 or "
                          "more, every other 0",
                          op->id, i, d->window_ops);
        }
    }
    return HCT_OK;
}

/* A piece of 0 bytes may name no MR, as verbs do not look at its key. Sums cannot overflow: 16
 * pieces of 32-bit lengths. */
static enum hct_status check_list(struct check *c)
{
    const struct hct_op *op = c->op;
    for (uint32_t i = 0; i < op->sge_count; i++) {
        const struct hct_sge *s = &op->sge[i];
        if (s->len_bytes == 0 && s->mr == HCT_NONE) {
            continue;
        }
        if (mr_bad(c->res, s->mr)) {
            c->absent = true;
            return OP_BAD(c,
                          "op %" PRIu64 ": sge[%u].mr = %u, but the trace has %u (ids 0..count-1)",
                          op->id, i, s->mr, c->res->mrs);
        }
        const uint64_t len = c->res->mr[s->mr].len_bytes;
        if (s->off_bytes > len || s->len_bytes > len - s->off_bytes) {
            c->warn |= HCT_WARN_LOCAL_BOUNDS;
        }
    }
    const uint64_t bytes = hct_op_bytes(op);
    if (bytes > HCT_MSG_BYTES_MAX) {
        return OP_BAD(c, "op %" PRIu64 ": its local list holds %" PRIu64 " bytes, at most 2^31",
                      op->id, bytes);
    }
    if (is(c, KINDS(HCT_LOCAL_INV) | KINDS(HCT_FAST_REG)) && op->sge_count) {
        return OP_BAD(c, "op %" PRIu64 ": local_inv and fast_reg have no local list", op->id);
    }
    if (is(c, dmas) && op->sge_count != 1) {
        return OP_BAD(c, "op %" PRIu64 ": dma_* has exactly one piece, not %u", op->id,
                      op->sge_count);
    }
    return HCT_OK;
}

/* Each field is checked only after those that decide whether it is needed. */
static enum hct_status check_objects(struct check *c)
{
    const struct hct_op *op = c->op;
    const bool dma = is(c, dmas);
    const bool on_srq = op->kind == HCT_RECV && op->qp == HCT_NONE;
    enum hct_status st = OBJECT(c, qp, qp, !dma && !on_srq);

    st = st == HCT_OK ? OBJECT(c, srq, srq, on_srq) : st;
    st = st == HCT_OK ? OBJECT(c, fn, fn, dma) : st;
    st = st == HCT_OK ? OBJECT(c, remote_mr, mr, is(c, writes | atomics | KINDS(HCT_READ))) : st;
    st = st == HCT_OK ? OBJECT(c, key_mr, mr, is(c, keyed)) : st;
    const bool ud = st == HCT_OK && op->qp != HCT_NONE && c->res->qp[op->qp].type == HCT_QP_UD;
    st = st == HCT_OK ? OBJECT(c, ud_qp, qp, ud && is(c, sends)) : st;
    st = st == HCT_OK ? OBJECT(c, ah, ah, ud && is(c, sends)) : st;
    return st == HCT_OK ? check_list(c) : st;
}

/* Rules between an op and its queue pair. */
static enum hct_status check_queue(struct check *c)
{
    const struct hct_op *op = c->op;
    const struct hct_resources *res = c->res;

    if (is(c, dmas)) {
        if (op->sge[0].mr != HCT_NONE && hct_mr_fn(res, op->sge[0].mr) != op->fn) {
            return OP_BAD(c, "op %" PRIu64 ": MR %u belongs to function %u, not to fn = %u", op->id,
                          op->sge[0].mr, hct_mr_fn(res, op->sge[0].mr), op->fn);
        }
        return HCT_OK;
    }
    if (op->kind == HCT_RECV) {
        if (op->qp != HCT_NONE && res->qp[op->qp].srq != HCT_NONE) {
            return OP_BAD(c,
                          "op %" PRIu64 ": QP %u receives through SRQ %u: name the srq, not the qp",
                          op->id, op->qp, res->qp[op->qp].srq);
        }
        return HCT_OK;
    }
    const struct hct_qp *qp = &res->qp[op->qp];
    if (qp->type != HCT_QP_UD) {
        if (op->kind < HCT_LOCAL_INV && qp->peer == HCT_NONE) {
            return OP_BAD(c, "op %" PRIu64 ": QP %u has no peer to send to", op->id, op->qp);
        }
        return HCT_OK;
    }
    if (is(c, sends) && (res->qp[op->ud_qp].type != HCT_QP_UD ||
                         hct_qp_fn(res, op->ud_qp) != res->ah[op->ah].dest_fn)) {
        return OP_BAD(
            c, "op %" PRIu64 ": ud_qp = %u must be a UD QP of function %u, where ah %u leads",
            op->id, op->ud_qp, res->ah[op->ah].dest_fn, op->ah);
    }
    return HCT_OK;
}

/* Rights as verbs demand them: an MR that the adapter writes into needs local_write; the remote MR
 * the right of the operation. PDs must agree on both ends. */
static void warn_access(struct check *c)
{
    const struct hct_op *op = c->op;
    const struct hct_resources *res = c->res;
    const uint32_t domain = op->qp != HCT_NONE    ? res->qp[op->qp].pd
                            : op->srq != HCT_NONE ? res->srq[op->srq].pd
                                                  : HCT_NONE;
    const bool into = is(c, KINDS(HCT_RECV) | KINDS(HCT_READ) | atomics);

    for (uint32_t i = 0; i < op->sge_count; i++) {
        if (op->sge[i].mr == HCT_NONE) {
            continue;
        }
        const struct hct_mr *mr = &res->mr[op->sge[i].mr];
        c->warn |= into && !(mr->access & HCT_ACCESS_LOCAL_WRITE) ? HCT_WARN_ACCESS : 0;
        c->warn |= domain != HCT_NONE && mr->pd != domain ? HCT_WARN_DOMAIN : 0;
    }
    if (op->remote_mr == HCT_NONE) {
        return;
    }
    const struct hct_mr *mr = &res->mr[op->remote_mr];
    const uint64_t len = is(c, atomics) ? 8 : hct_op_bytes(op);
    const uint32_t right = is(c, writes)    ? HCT_ACCESS_REMOTE_WRITE
                           : is(c, atomics) ? HCT_ACCESS_REMOTE_ATOMIC
                                            : HCT_ACCESS_REMOTE_READ;
    const uint32_t peer = res->qp[op->qp].peer;
    c->warn |= mr->access & right ? 0 : HCT_WARN_ACCESS;
    if (op->remote_off_bytes > mr->len_bytes || len > mr->len_bytes - op->remote_off_bytes) {
        c->warn |= HCT_WARN_REMOTE_BOUNDS;
    }
    c->warn |= peer != HCT_NONE && res->qp[peer].pd != mr->pd ? HCT_WARN_DOMAIN : 0;
}

/* IBA table of operations per transport: READ, atomics, invalidate and fast register on RC only,
 * WRITE on RC and UC, SEND on all. UD messages have one packet. */
static void warn_limits(struct check *c)
{
    const struct hct_op *op = c->op;
    if (op->qp == HCT_NONE) {
        return;
    }
    const struct hct_qp *qp = &c->res->qp[op->qp];
    const uint64_t bytes = hct_op_bytes(op);
    const bool ud = qp->type == HCT_QP_UD;
    const bool is_recv = op->kind == HCT_RECV;
    const uint32_t rc_only = KINDS(HCT_READ) | atomics | KINDS(HCT_SEND_INV) |
                             KINDS(HCT_LOCAL_INV) | KINDS(HCT_FAST_REG);

    if ((qp->type != HCT_QP_RC && is(c, rc_only)) || (ud && is(c, writes))) {
        c->warn |= HCT_WARN_KIND;
    }
    const bool room = op->sge_count <= qp->sge_max &&
                      (!(op->flags & HCT_INLINE) || bytes <= qp->inline_max_bytes) &&
                      (!is(c, atomics) || bytes == 8);
    c->warn |= room && (!ud || is_recv || bytes <= qp->mtu_bytes) ? 0 : HCT_WARN_SIZE;
}

/* First the fields alone, then the objects they name, then the rules between objects: each step
 * relies on the one before. */
enum hct_status hct_check_op_absent(const struct hct_resources *res, const struct hct_op *op,
                                    uint64_t next_id, uint32_t *warn, bool *absent,
                                    struct hct_error *err)
{
    struct check c = {.res = res, .op = op, .err = err};
    enum hct_status st = HCT_OK;

    if (op->id != next_id) {
        return hct_fail(err, HCT_BAD,
                        "op %" PRIu64 " where op %" PRIu64 " must come: ids are dense from 0",
                        op->id, next_id);
    }
    st = check_fields(&c);
    st = st == HCT_OK ? check_deps(&c) : st;
    st = st == HCT_OK ? check_objects(&c) : st;
    st = st == HCT_OK ? check_queue(&c) : st;
    if (st == HCT_OK) {
        warn_access(&c);
        warn_limits(&c);
    }
    if (warn) {
        *warn = c.warn;
    }
    *absent = c.absent;
    return st;
}

enum hct_status hct_check_op(const struct hct_resources *res, const struct hct_op *op,
                             uint64_t next_id, uint32_t *warn, struct hct_error *err)
{
    bool absent = false;
    return hct_check_op_absent(res, op, next_id, warn, &absent, err);
}
