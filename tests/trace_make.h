/* trace_make.h: a trace made by hand: two hosts, memory of their own for each operation. */
#pragma once
#include "tests/play.h"

enum { MAKE_PIECE = 8192, MAKE_SPACE = 1 << 20, MAKE_CQ = 256 };
enum { MR_LOCAL, MR_REMOTE, MR_RECV, MR_FAST }; /* of host h: 2 * name + h */

struct make {
    hct_writer *w;
    char path[512];
    uint64_t ops, last; /* number of them; last of the chain, + 1 */
    uint64_t local, remote, recv[2];
    uint32_t mrs, qps;
};

static inline void make_mr(struct make *m, uint32_t host, uint64_t bytes, uint32_t access,
                           uint32_t flags)
{
    const struct hct_mr mr = {.id = m->mrs++,
                              .pd = host,
                              .va = 0x100000000ULL * m->mrs + 0x1230,
                              .len_bytes = bytes,
                              .access = access,
                              .flags = flags};

    assert_int_equal(hct_put_mr(m->w, &mr), HCT_OK);
}

/* Host, function, PD, SRQ and CQ h; regions LOCAL, REMOTE, RECV and FAST; an address handle
 * to the other host. */
static inline void make_open(struct make *m)
{
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    const uint32_t all = HCT_ACCESS_LOCAL_WRITE | HCT_ACCESS_REMOTE_WRITE | HCT_ACCESS_REMOTE_READ |
                         HCT_ACCESS_REMOTE_ATOMIC;

    *m = (struct make){0};
    play_path(m->path);
    assert_int_equal(hct_create(m->path, &opt, &m->w, NULL), HCT_OK);
    for (uint32_t h = 0; h < 2; h++) {
        const struct hct_cq cq = {.id = h, .fn = h, .depth_entries = MAKE_CQ};
        const struct hct_srq srq = {.id = h, .pd = h, .depth_entries = 64, .sge_max = 2};
        assert_int_equal(hct_put_host(m->w, &(struct hct_host){.id = h, .name = "h"}), HCT_OK);
        assert_int_equal(hct_put_fn(m->w, &(struct hct_fn){.id = h, .host = h}), HCT_OK);
        assert_int_equal(hct_put_pd(m->w, &(struct hct_pd){.id = h, .fn = h}), HCT_OK);
        assert_int_equal(hct_put_cq(m->w, &cq), HCT_OK);
        assert_int_equal(hct_put_srq(m->w, &srq), HCT_OK);
        assert_int_equal(hct_put_ah(m->w, &(struct hct_ah){.id = h, .pd = h, .dest_fn = 1 - h}),
                         HCT_OK);
    }
    for (uint32_t i = 0; i < 8; i++) {
        make_mr(m, i % 2, i / 2 == MR_FAST ? 65536 : MAKE_SPACE, all,
                i / 2 == MR_FAST ? HCT_MR_FAST : 0);
    }
}

/* A region of `bytes` over 1 MiB of RAM on each host; returns the first. */
static inline uint32_t make_alias(struct make *m, uint64_t bytes)
{
    for (uint32_t h = 0; h < 2; h++) {
        const struct hct_mr mr = {.id = m->mrs++,
                                  .pd = h,
                                  .va = 0x7000000000ULL,
                                  .len_bytes = bytes,
                                  .access = HCT_ACCESS_LOCAL_WRITE,
                                  .layout = HCT_LAYOUT_ALIAS,
                                  .layout_arg = MAKE_SPACE};
        assert_int_equal(hct_put_mr(m->w, &mr), HCT_OK);
    }
    return m->mrs - 2;
}

/* A pair of QPs, on hosts 0 and 1; returns the first. more changes what is not as usual. */
static inline uint32_t make_pair(struct make *m, uint8_t type, uint8_t format, bool srq,
                                 void (*more)(struct hct_qp *q))
{
    const uint32_t first = m->qps;

    for (uint32_t h = 0; h < 2; h++) {
        struct hct_qp q = {.id = m->qps++,
                           .pd = h,
                           .type = type,
                           .format = format,
                           .peer = type == HCT_QP_UD ? HCT_NONE : first + 1 - h,
                           .send_cq = h,
                           .recv_cq = h,
                           .srq = srq ? h : HCT_NONE,
                           .mtu_bytes = 1024,
                           .sq_depth_entries = 64,
                           .rq_depth_entries = srq ? 0 : 64,
                           .sge_max = 16,
                           .inline_max_bytes = format == HCT_FORMAT_NATIVE ? 200 : 0,
                           .rd_atomic_max = 4,
                           .rd_atomic_dest_max = 4,
                           .timeout = 8, /* 1 ms */
                           .retry_cnt = 7,
                           .rnr_retry = 7,
                           .min_rnr_timer = 1,
                           .sq_psn = 0xfffff0 + h, /* wraps soon */
                           .qkey = 0x1111,
                           .captured_qpn = HCT_NONE};
        if (more != NULL) {
            more(&q);
        }
        assert_int_equal(hct_put_qp(m->w, &q), HCT_OK);
    }
    return first;
}

/* An operation of QP q with a piece of its own in each region it uses, cut into n SGEs. */
static inline struct hct_op make_op(struct make *m, uint8_t kind, uint32_t q, uint32_t bytes,
                                    unsigned n)
{
    const uint32_t host = q % 2;
    struct hct_op op = hct_op_none();
    uint32_t left = bytes;

    op.id = m->ops;
    op.kind = kind;
    op.qp = q;
    op.flags = HCT_SIGNALED;
    for (unsigned i = 0; i < n; i++) {
        const uint32_t len = i + 1 == n ? left : left / 3;
        op.sge[op.sge_count++] = (struct hct_sge){
            .mr = 2 * MR_LOCAL + host, .len_bytes = len, .off_bytes = m->local + i * 8};
        m->local += len;
        left -= len;
    }
    m->local += n * 8 + 37;
    if (kind == HCT_WRITE || kind == HCT_WRITE_IMM || kind == HCT_READ || kind == HCT_CAS ||
        kind == HCT_FAA) {
        op.remote_mr = 2 * MR_REMOTE + 1 - host;
        op.remote_off_bytes = (m->remote + 7) & ~7ULL;
        m->remote = op.remote_off_bytes + bytes + 40;
    }
    op.imm = 0xa0000000 + (uint32_t)op.id;
    op.compare = 0;
    op.swap_add = op.id * 3 + 1;
    op.payload = HCT_PAYLOAD_PATTERN;
    op.payload_seed = op.id + 1000;
    if (bytes == 0 || kind == HCT_CAS || kind == HCT_FAA) {
        op.payload = HCT_PAYLOAD_ABSENT;
    }
    return op;
}

static inline uint64_t make_put(struct make *m, const struct hct_op *op)
{
    assert_int_equal(hct_put_op(m->w, op), HCT_OK);
    return m->ops++;
}

/* The same, after the operation before it in the chain has completed. */
static inline uint64_t make_chain(struct make *m, struct hct_op *op)
{
    if (m->last != 0) {
        op->dep[op->dep_count++] = (struct hct_dep){.type = HCT_DEP_LOCAL, .op = m->last - 1};
    }
    m->last = make_put(m, op) + 1;
    return m->last - 1;
}

/* A receive on the queue of QP q, or on the SRQ of its host. */
static inline void make_recv(struct make *m, uint32_t q, uint32_t bytes, bool srq)
{
    const uint32_t host = q % 2;
    struct hct_op op = hct_op_none();

    op.id = m->ops;
    op.kind = HCT_RECV;
    op.qp = srq ? HCT_NONE : q;
    op.srq = srq ? host : HCT_NONE;
    op.sge_count = 1;
    op.sge[0] =
        (struct hct_sge){.mr = 2 * MR_RECV + host, .len_bytes = bytes, .off_bytes = m->recv[host]};
    m->recv[host] += bytes + 16;
    (void)make_put(m, &op);
}

static inline void make_done(struct make *m)
{
    struct hct_error err;

    if (hct_finish(m->w, &err) != HCT_OK) {
        unlink(m->path);
        fail_msg("%s", err.text);
    }
    assert_true(m->local <= MAKE_SPACE && m->remote <= MAKE_SPACE && m->recv[0] <= MAKE_SPACE &&
                m->recv[1] <= MAKE_SPACE);
}
