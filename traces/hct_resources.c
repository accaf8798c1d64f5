/* Rules that resources must keep among each other. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "traces/hct_bits.h"
#include "traces/hct_store.h"

/* One row of a check: the value must lie in lo..hi. */
struct range {
    const char *field;
    uint64_t value, lo, hi;
};

/* The first row that fails makes the message. */
static enum hct_status in_ranges(const char *kind, uint32_t id, const struct range *row, size_t n,
                                 struct hct_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (row[i].value < row[i].lo || row[i].value > row[i].hi) {
            return hct_fail(err, HCT_BAD, "%s %u: %s = %" PRIu64 ": not in %" PRIu64 "..%" PRIu64,
                            kind, id, row[i].field, row[i].value, row[i].lo, row[i].hi);
        }
    }
    return HCT_OK;
}

#define RANGES(kind, x, row) in_ranges(#kind, (x)->id, row, sizeof(row) / sizeof *(row), err)

/* A field that names another object: true when it is there and not lost. */
#define LIVE(kind, n) ((n) < res->kind##s && res->kind[n].id != HCT_NONE)

#define NEED(owner, x, field, kind)                                                            \
    if (!LIVE(kind, (x)->field)) {                                                             \
        return hct_fail(err, HCT_BAD, #owner " %u: " #field " = %u, but the trace has %u %ss", \
                        (x)->id, (x)->field, res->kind##s, #kind);                             \
    }

static enum hct_status check_fn(const struct hct_resources *res, const struct hct_fn *x,
                                struct hct_error *err)
{
    const struct range row[] = {
        {"hca", x->hca, 0, 254},     /* bus number hca + 1 has 8 bits */
        {"index", x->index, 0, 255}, /* devfn has 8 bits */
        {"vm", x->vm, 0, 65535},
    };
    NEED(fn, x, host, host)
    return RANGES(fn, x, row);
}

static enum hct_status check_pd(const struct hct_resources *res, const struct hct_pd *x,
                                struct hct_error *err)
{
    NEED(pd, x, fn, fn)
    return HCT_OK;
}

/* An MR must not wrap around the address space: offsets are added to va without a check. */
static enum hct_status check_mr(const struct hct_resources *res, const struct hct_mr *x,
                                struct hct_error *err)
{
    const bool alias = x->layout == HCT_LAYOUT_ALIAS;
    const struct range row[] = {
        {"vm", x->vm, 0, 65535},
        {"len_bytes", x->len_bytes, 1, HCT_MR_BYTES_MAX},
        {"va", x->va, 0, UINT64_MAX - x->len_bytes},
        {"access", x->access, 0, ALL_access},
        {"flags", x->flags, 0, ALL_mr_flags},
        {"layout", x->layout, 0, HCT_LAYOUT_COUNT - 1},
        {"layout_arg", x->layout_arg, alias ? 4096 : 0,
         alias                          ? HCT_MR_BYTES_MAX
         : x->layout == HCT_LAYOUT_HUGE ? 1000
                                        : 0},
        {"recorded", x->recorded, 0, ALL_mr_rec},
    };
    NEED(mr, x, pd, pd)
    if (alias && x->layout_arg & (x->layout_arg - 1)) {
        return hct_fail(err, HCT_BAD, "mr %u: layout_arg = %" PRIu64 ": not a power of two", x->id,
                        x->layout_arg);
    }
    return RANGES(mr, x, row);
}

static enum hct_status check_cq(const struct hct_resources *res, const struct hct_cq *x,
                                struct hct_error *err)
{
    const struct range row[] = {
        {"depth_entries", x->depth_entries, 1, 4194304},
        {"notify", x->notify, 0, HCT_NOTIFY_COUNT - 1},
    };
    NEED(cq, x, fn, fn)
    return RANGES(cq, x, row);
}

static enum hct_status check_srq(const struct hct_resources *res, const struct hct_srq *x,
                                 struct hct_error *err)
{
    const struct range row[] = {
        {"depth_entries", x->depth_entries, 1, 65536},
        {"limit_entries", x->limit_entries, 0, x->depth_entries},
        {"sge_max", x->sge_max, 1, HCT_SGE_MAX},
    };
    NEED(srq, x, pd, pd)
    return RANGES(srq, x, row);
}

static enum hct_status check_ah(const struct hct_resources *res, const struct hct_ah *x,
                                struct hct_error *err)
{
    const struct range row[] = {{"sl", x->sl, 0, 15}};
    NEED(ah, x, pd, pd)
    NEED(ah, x, dest_fn, fn)
    return RANGES(ah, x, row);
}

/* Peers must agree, as they would have exchanged these values before they connected. A peer of its
 * own (loopback) is allowed. */
static enum hct_status check_qp_links(const struct hct_resources *res, const struct hct_qp *x,
                                      struct hct_error *err)
{
    NEED(qp, x, pd, pd)
    NEED(qp, x, send_cq, cq)
    NEED(qp, x, recv_cq, cq)
    const uint32_t fn = res->pd[x->pd].fn;
    if (res->cq[x->send_cq].fn != fn || res->cq[x->recv_cq].fn != fn) {
        return hct_fail(err, HCT_BAD, "qp %u: its CQs %u and %u must belong to its function %u",
                        x->id, x->send_cq, x->recv_cq, fn);
    }
    if (x->srq != HCT_NONE) {
        NEED(qp, x, srq, srq)
        if (res->pd[res->srq[x->srq].pd].fn != fn) {
            return hct_fail(err, HCT_BAD, "qp %u: SRQ %u must belong to its function %u", x->id,
                            x->srq, fn);
        }
    }
    if (x->peer == HCT_NONE) {
        return HCT_OK;
    }
    NEED(qp, x, peer, qp)
    const struct hct_qp *peer = &res->qp[x->peer];
    if (x->type == HCT_QP_UD || peer->peer != x->id || peer->type != x->type ||
        peer->mtu_bytes != x->mtu_bytes) {
        return hct_fail(err, HCT_BAD,
                        "qp %u: peer = %u: a peer is for RC and UC only, must name this QP as its "
                        "own peer, and have the same type and MTU",
                        x->id, x->peer);
    }
    return HCT_OK;
}

static enum hct_status check_qp(const struct hct_resources *res, const struct hct_qp *x,
                                struct hct_error *err)
{
    const struct range row[] = {
        {"type", x->type, 0, HCT_QP_COUNT - 1},
        {"format", x->format, 0, HCT_FORMAT_COUNT - 1},
        {"mtu_bytes", x->mtu_bytes, 256, 4096},
        {"sq_depth_entries", x->sq_depth_entries, 1, 65536},
        {"rq_depth_entries", x->rq_depth_entries, 0, 65536},
        {"sge_max", x->sge_max, 1, HCT_SGE_MAX},
        {"inline_max_bytes", x->inline_max_bytes, 0, 4096},
        {"rd_atomic_max", x->rd_atomic_max, 0, 128},
        {"rd_atomic_dest_max", x->rd_atomic_dest_max, 0, 128},
        {"timeout", x->timeout, 0, 31},
        {"retry_cnt", x->retry_cnt, 0, 7},
        {"rnr_retry", x->rnr_retry, 0, 7},
        {"min_rnr_timer", x->min_rnr_timer, 0, 31},
        {"sq_psn", x->sq_psn, 0, 0xffffff},
        {"sl", x->sl, 0, 15},
        {"flags", x->flags, 0, ALL_qp_flags},
        {"recorded", x->recorded, 0, ALL_qp_rec},
    };
    if (x->mtu_bytes & (x->mtu_bytes - 1)) {
        return hct_fail(err, HCT_BAD, "qp %u: mtu_bytes = %u: not 256, 512, 1024, 2048 or 4096",
                        x->id, x->mtu_bytes);
    }
    const enum hct_status st = check_qp_links(res, x, err);
    return st == HCT_OK ? RANGES(qp, x, row) : st;
}

/* Checks all of one kind; with holes, what fails becomes lost and *lost counts it. */
#define CHECK_ALL(kind)                                                 \
    for (uint32_t i = 0; i < res->kind##s; i++) {                       \
        struct hct_##kind x;                                            \
        memcpy(&x, &res->kind[i], sizeof x);                            \
        if (x.id == HCT_NONE || check_##kind(res, &x, err) == HCT_OK) { \
            continue;                                                   \
        }                                                               \
        if (!holes) {                                                   \
            return HCT_BAD;                                             \
        }                                                               \
        x.id = HCT_NONE;                                                \
        memcpy((struct hct_##kind *)&res->kind[i], &x, sizeof x);       \
        lost++;                                                         \
    }

static int by_place(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* No two functions may sit at the same place of the same adapter. */
static enum hct_status check_places(const struct hct_resources *res, struct hct_error *err)
{
    uint64_t *place = malloc((res->fns + 1) * sizeof *place);
    uint32_t n = 0;
    if (!place) {
        return hct_fail(err, HCT_NOMEM, "no memory for %u functions", res->fns);
    }
    for (uint32_t i = 0; i < res->fns; i++) {
        const struct hct_fn *f = &res->fn[i];
        if (f->id != HCT_NONE) {
            place[n++] = (uint64_t)f->host << 32 | (uint64_t)f->hca << 16 | f->index;
        }
    }
    qsort(place, n, sizeof *place, by_place);
    enum hct_status st = HCT_OK;
    for (uint32_t i = 1; i < n && st == HCT_OK; i++) {
        if (place[i] == place[i - 1]) {
            st = hct_fail(err, HCT_BAD, "host %u: adapter %u has function %u twice",
                          (uint32_t)(place[i] >> 32), (uint32_t)(place[i] >> 16) & 0xffff,
                          (uint32_t)place[i] & 0xffff);
        }
    }
    free(place);
    return st;
}

static enum hct_status check_qps(struct hct_resources *res, bool holes, struct hct_error *err)
{
    uint32_t lost = 0;
    CHECK_ALL(qp)
    if (lost) { /* the peers of lost queue pairs go with them */
        CHECK_ALL(qp)
    }
    return HCT_OK;
}

/* In the order of dependence: what names a lost object is lost before something names it. */
enum hct_status hct_check_resources(struct hct_resources *res, bool holes, struct hct_error *err)
{
    uint32_t lost = 0;
    CHECK_ALL(fn)
    CHECK_ALL(pd)
    CHECK_ALL(mr)
    CHECK_ALL(cq)
    CHECK_ALL(srq)
    CHECK_ALL(ah)
    (void)lost;
    const enum hct_status st = check_qps(res, holes, err);
    return st == HCT_OK ? check_places(res, err) : st;
}
