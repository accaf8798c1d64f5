/* Between counting and writing: which resources the trace gets. What a capture does not show is
 * assumed here, and marked so: local buffers, queue depths, completion queues, timers. */
#include "traces/hct_store.h"
#include "traces/import_i.h"

#include <stdlib.h>

enum {
    SLOT_ALIGN = 64,
    SEND_SLOTS = 128, /* work requests in flight where completions were not seen */
    RECV_SLOTS_MIN = 64,
    RECV_SLOTS_RC = 4096,
    RECV_SLOTS_OTHER = 8192, /* UC and UD lose what meets no receive */
    DEPTH_MAX = 65536,
    RD_ATOMIC_MIN = 16,
    RD_ATOMIC_MAX = 128,
    UD_GRH = 40
};
#define AREA_MAX   (256ull << 20) /* buffers of one queue, unless one message is larger */
#define LOCAL_VA   (1ull << 40)   /* first address of assumed buffers */
#define UNKNOWN_VA (1ull << 41)   /* of regions that were only invalidated, never used */

/* ---- pass 2 ---- */

static bool consumes_recv(uint8_t kind)
{
    return kind == HCT_SEND || kind == HCT_SEND_IMM || kind == HCT_SEND_INV ||
           kind == HCT_WRITE_IMM;
}

static uint32_t right_of(uint8_t kind)
{
    switch (kind) {
    case HCT_WRITE:
    case HCT_WRITE_IMM: return HCT_ACCESS_REMOTE_WRITE;
    case HCT_READ: return HCT_ACCESS_REMOTE_READ;
    case HCT_CAS:
    case HCT_FAA: return HCT_ACCESS_REMOTE_ATOMIC;
    default: return 0;
    }
}

static void plan_remote(struct import *im, const struct msg *m)
{
    struct qp *t = &im->qp[m->target];
    const uint32_t right = right_of(m->kind);
    uint32_t mr;
    if (right != 0 && (m->len == 0 || m->remote_assumed)) { /* no key is known for it */
        t->local_rights |= right;
        t->send_max = m->len > t->send_max ? m->len : t->send_max;
    } else if (right != 0) {
        (void)mr_touch(im, t->node, m->rkey, m->va, m->len, right, &mr);
    } else if (m->kind == HCT_SEND_INV) {
        mr = mr_any(im, t->node, m->imm);
        if (mr == HCT_NONE &&
            !mr_touch(im, t->node, m->imm, UNKNOWN_VA + ((uint64_t)m->imm << 12), 1, 0, &mr)) {
            return;
        }
        im->mr[mr].fast = true;
        im->mr[mr].owner = m->target;
    }
}

static void plan_ud(struct import *im, const struct msg *m)
{
    const uint64_t from = im->qp[m->poster].node, to = im->qp[m->target].node;
    if (map_find(&im->ah_map, from, to) != HCT_NONE) {
        return;
    }
    if (im->ahs == HCT_OBJECTS_MAX) {
        import_fail(im, HCT_BAD, "more than %d pairs of UD addresses; import part of the capture",
                    HCT_OBJECTS_MAX);
        return;
    }
    if (!grow(&im->ah, &im->ah_room, im->ahs, sizeof *im->ah) ||
        !map_add(&im->ah_map, from, to, im->ahs)) {
        import_no_memory(im);
        return;
    }
    const struct ud_qp *u = &im->ud[m->poster - im->halves];
    im->ah[im->ahs] = (struct hct_ah){.id = im->ahs,
                                      .pd = (uint32_t)from, /* nodes until plan_write */
                                      .dest_fn = (uint32_t)to,
                                      .sl = u->sl,
                                      .traffic_class = u->traffic_class};
    im->ahs++;
}

void plan_message(struct import *im, const struct msg *m)
{
    struct qp *p = &im->qp[m->poster];
    struct qp *t = &im->qp[m->target];
    p->used = t->used = true;
    p->kind[m->kind]++;
    p->bytes += m->len;
    p->send_max = m->len > p->send_max ? m->len : p->send_max;
    if (consumes_recv(m->kind)) {
        t->consumed++;
        if (m->kind != HCT_WRITE_IMM && m->len > t->recv_max) {
            t->recv_max = m->len;
        }
    }
    if (m->half == HCT_NONE) {
        plan_ud(im, m);
    } else {
        plan_remote(im, m);
    }
}

/* ---- queues and buffers ---- */

static uint32_t power_of_two(uint64_t n, uint32_t least, uint32_t most)
{
    uint32_t p = least;
    while (p < n && p < most) {
        p *= 2;
    }
    return p < most ? p : most;
}

static uint32_t rq_depth(const struct qp *q)
{
    return power_of_two(q->recv_slots, 16, DEPTH_MAX);
}

static uint32_t slots_in_area(uint64_t stride, uint64_t wanted)
{
    const uint64_t fit = AREA_MAX / stride;
    return (uint32_t)(fit == 0 ? 1 : wanted < fit ? wanted : fit);
}

static uint64_t stride_of(uint64_t bytes)
{
    return bytes == 0 ? SLOT_ALIGN : (bytes + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
}

/* Successive messages use successive slots, as many as can be in flight: the source bytes of a
 * message must stay until it is complete. */
static void size_queues(struct import *im, uint32_t index)
{
    struct qp *q = &im->qp[index];
    const bool rc = q->type == HCT_QP_RC;
    const uint64_t in_flight = q->window_used != 0 ? q->window_used : SEND_SLOTS;
    const uint64_t peer_window = q->peer == HCT_NONE ? 0 : im->qp[q->peer].window;
    const uint32_t recvs =
        rc ? power_of_two(2 * peer_window, RECV_SLOTS_MIN, RECV_SLOTS_RC) : RECV_SLOTS_OTHER;
    q->send_stride = stride_of(q->send_max);
    q->recv_stride = stride_of(q->recv_max + (q->type == HCT_QP_UD ? UD_GRH : 0));
    q->send_slots = slots_in_area(q->send_stride, in_flight);
    q->recv_slots = slots_in_area(q->recv_stride, q->consumed < recvs ? q->consumed : recvs);
    if (q->send_slots < in_flight && q->started > q->send_slots) {
        q->window_used = q->send_slots;
        q->window_cut = true;
    }
    q->sq_depth = power_of_two(2 * (uint64_t)q->window_used, SEND_SLOTS, DEPTH_MAX);
}

bool plan_queues(struct import *im)
{
    for (uint32_t i = 0; i < im->qps; i++) {
        struct qp *q = &im->qp[i];
        if (!q->used && (q->peer == HCT_NONE || !im->qp[q->peer].used)) {
            continue;
        }
        q->used = true;
        q->id = im->qps_used++;
        size_queues(im, i);
        if (q->consumed > q->recv_slots) {
            q->recv_ring = calloc(q->recv_slots, sizeof *q->recv_ring);
            if (q->recv_ring == NULL) {
                return import_no_memory(im);
            }
        }
    }
    return true;
}

/* ---- resources ---- */

/* To the file; without one into im->check, for the operations to be checked against. */
#define PUT(im, kind, x)                                           \
    put(im, (im)->writer != NULL ? hct_put_##kind((im)->writer, x) \
                                 : hct_store(&(im)->check, HCT_ID_##kind, x, false, NULL))

static bool put(struct import *im, enum hct_status st)
{
    return st == HCT_OK ||
           import_fail(im, st, "%.350s",
                       im->writer != NULL ? hct_writer_error(im->writer)->text : "resources");
}

static bool put_hosts(struct import *im)
{
    bool ok = true;
    uint32_t n = 0;
    for (uint32_t i = 0; i < im->qps; i++) { /* in order of first use */
        struct node *node = &im->node[im->qp[i].node];
        if (im->qp[i].used && node->host == HCT_NONE) {
            node->host = n++;
            struct hct_host host = {.id = node->host};
            (void)node_text(im, im->qp[i].node, host.name, sizeof host.name);
            ok = ok && PUT(im, host, &host);
        }
    }
    for (uint32_t i = 0; i < n && ok; i++) {
        ok = PUT(im, fn, (&(struct hct_fn){.id = i, .host = i}));
    }
    for (uint32_t i = 0; i < n && ok; i++) {
        ok = PUT(im, pd, (&(struct hct_pd){.id = i, .fn = i}));
    }
    im->sum.hosts = n;
    return ok;
}

static bool put_mr(struct import *im, uint32_t *id, uint64_t va, uint64_t bytes, uint32_t node,
                   uint32_t access, uint32_t flags, uint32_t recorded)
{
    const struct hct_mr mr = {.id = im->sum.mrs,
                              .pd = im->node[node].host,
                              .va = va,
                              .len_bytes = bytes,
                              .access = access | HCT_ACCESS_LOCAL_WRITE,
                              .flags = flags,
                              .recorded = recorded};
    *id = im->sum.mrs++;
    return PUT(im, mr, &mr);
}

static bool put_mrs(struct import *im)
{
    uint64_t va = LOCAL_VA;
    bool ok = true;
    for (uint32_t i = 0; i < im->mrs && ok; i++) {
        struct mr *m = &im->mr[i];
        ok = put_mr(im, &m->id, m->lo, m->hi - m->lo, m->node, m->access, m->fast ? HCT_MR_FAST : 0,
                    HCT_MREC_VA);
    }
    for (uint32_t i = 0; i < im->qps && ok; i++) {
        struct qp *q = &im->qp[i];
        if (!q->used) {
            continue;
        }
        const uint64_t send = q->send_slots * q->send_stride;
        const uint64_t recv = q->recv_slots * q->recv_stride;
        ok = put_mr(im, &q->mr_send, va, send, q->node, q->local_rights, 0, 0);
        va += (send + 8191) & ~4095ull;
        if (recv != 0 && ok) {
            ok = put_mr(im, &q->mr_recv, va, recv, q->node, 0, 0, 0);
            va += (recv + 8191) & ~4095ull;
        }
    }
    return ok;
}

static uint32_t rd_atomic(const struct import *im, uint32_t qp)
{
    const uint64_t seen = qp == HCT_NONE ? 0 : im->qp[qp].reads_max;
    return (uint32_t)(seen < RD_ATOMIC_MIN   ? RD_ATOMIC_MIN
                      : seen < RD_ATOMIC_MAX ? seen
                                             : RD_ATOMIC_MAX);
}

/* Fields that only RC and UC have, and those that a half tells. */
static void describe_connected(const struct import *im, uint32_t i, struct hct_qp *x)
{
    const struct half *own = &im->half[i];
    const struct half *requests = &im->half[own->peer];
    x->peer = im->qp[own->peer].id;
    x->rd_atomic_max = (uint8_t)rd_atomic(im, i);
    x->rd_atomic_dest_max = (uint8_t)rd_atomic(im, own->peer);
    x->sq_psn = requests->req_first;
    x->sl = requests->sl;
    x->traffic_class = requests->traffic_class;
    x->recorded = HCT_QREC_TYPE | (own->pairing == PAIR_ACK ? HCT_QREC_PEER : 0) |
                  (own->mtu_proved ? HCT_QREC_MTU : 0) | (requests->req_seen ? HCT_QREC_PSN : 0);
}

static void describe_ud(const struct import *im, uint32_t i, struct hct_qp *x)
{
    const struct ud_qp *u = &im->ud[i - im->halves];
    x->mtu_bytes = (uint16_t)power_of_two(u->payload_max, 1024, 4096);
    x->qkey = u->qkey;
    x->sl = u->sl;
    x->traffic_class = u->traffic_class;
    x->recorded = HCT_QREC_TYPE;
}

static bool put_qp(struct import *im, uint32_t i)
{
    const struct qp *q = &im->qp[i];
    struct hct_qp x = {.id = q->id,
                       .pd = im->node[q->node].host,
                       .type = q->type,
                       .peer = HCT_NONE,
                       .send_cq = q->id,
                       .recv_cq = q->id,
                       .srq = HCT_NONE,
                       .mtu_bytes = (uint16_t)q->mtu_bytes,
                       .sq_depth_entries = q->sq_depth,
                       .rq_depth_entries = rq_depth(q),
                       .sge_max = 1,
                       .timeout = 14,
                       .retry_cnt = 7,
                       .rnr_retry = 7,
                       .min_rnr_timer = 12,
                       .captured_qpn = q->qpn};
    if (q->type == HCT_QP_UD) {
        describe_ud(im, i, &x);
    } else {
        describe_connected(im, i, &x);
    }
    return PUT(im, qp, &x);
}

static bool put_qps(struct import *im)
{
    bool ok = true;
    for (uint32_t i = 0; i < im->qps; i++) {
        struct qp *q = &im->qp[i];
        if (q->used) {
            im->sum.qps++;
            const struct hct_cq cq = {
                .id = q->id,
                .fn = im->node[q->node].host,
                .depth_entries = power_of_two(q->sq_depth + rq_depth(q), 16, 2 * DEPTH_MAX)};
            ok = ok && PUT(im, cq, &cq);
        }
    }
    for (uint32_t i = 0; i < im->qps && ok; i++) {
        ok = !im->qp[i].used || put_qp(im, i);
    }
    for (uint32_t i = 0; i < im->ahs && ok; i++) {
        struct hct_ah ah = im->ah[i];
        ah.pd = im->node[ah.pd].host;
        ah.dest_fn = im->node[ah.dest_fn].host;
        ok = PUT(im, ah, &ah);
    }
    return ok;
}

bool plan_write(struct import *im)
{
    if (!put_hosts(im) || !put_mrs(im) || !put_qps(im)) {
        return false;
    }
    struct hct_error err = {0};
    return im->writer != NULL || hct_check_resources(&im->check, false, &err) == HCT_OK ||
           import_fail(im, HCT_BAD, "%.350s", err.text);
}
