/* driver_objects.h: one driver with one of everything in a stand, and an adapter's completions. */
#pragma once
#include "tests/driver_stand.h"

static struct stand b;

static inline struct hca_param quick(void)
{
    struct hca_param p = unit_param();

    p.cpu_command_cycles = 0;
    p.hca_command_process_ns = 0;
    p.cpu_interrupt_cycles = 22; /* 10 ns */
    p.cpu_context_switch_cycles = 22;
    p.cpu_syscall_cycles = 22;
    return p;
}

struct objects {
    uint32_t driver, pd, mr, cq, qp;
};

static inline struct driver_qp qp_spec(const struct objects *o, bool native)
{
    return (struct driver_qp){.pd = o->pd,
                              .send_cq = o->cq,
                              .recv_cq = o->cq,
                              .srq = DRIVER_NONE,
                              .sq_entries = 16,
                              .rq_entries = 8,
                              .sq_psn = 5,
                              .access = 15,
                              .mtu_bytes = 1024,
                              .inline_bytes = 28,
                              .type = QPT_RC,
                              .native = native,
                              .sge_max = 2,
                              .rd_atomic = 1,
                              .rd_atomic_dest = 1,
                              .timeout = 14,
                              .retry_cnt = 7,
                              .rnr_retry = 7,
                              .min_rnr_timer = 12,
                              .weight = 1,
                              .mmio_wqe = 1};
}

/* A driver with one of everything; the QP is connected to itself. */
static inline struct objects make(const struct hca_param *p, bool native, uint8_t notify)
{
    struct hca_error err = {{0}};
    struct objects o;
    struct driver_peer peer;

    stand_open(&b, p);
    o.driver = driver_open(b.m, &(struct driver_place){.user = 1}, &err);
    o.pd = driver_pd(b.m, o.driver, &err);
    const struct driver_mr mr = {.pd = o.pd, .va = 0x7f0000000123, .bytes = 40000, .access = 15};
    o.mr = driver_mr(b.m, &mr, &err);
    const struct driver_cq cq = {
        .driver = o.driver, .entries = 40, .notify = notify, .native = native};
    o.cq = driver_cq(b.m, &cq, &err);
    const struct driver_qp qp = qp_spec(&o, native);
    o.qp = driver_qp(b.m, &qp, &err);
    if (o.mr == DRIVER_NONE || o.qp == DRIVER_NONE) {
        fail_msg("%s", err.text);
    }
    stand_settle(&b);
    driver_qp_peer(b.m, o.qp, &peer);
    driver_connect(b.m, o.qp, &peer);
    stand_settle(&b);
    b.doorbells = b.parts = 0;
    return o;
}

static inline struct driver_wr send_wr(const struct objects *o, uint64_t wr_id, uint8_t flags)
{
    return (struct driver_wr){.wr_id = wr_id,
                              .qp = o->qp,
                              .srq = DRIVER_NONE,
                              .opcode = WR_WRITE,
                              .flags = flags,
                              .nsge = 1,
                              .rkey = 0x77,
                              .raddr = 0x1000 + wr_id,
                              .sge = {{.mr = o->mr, .len = 64, .off = 8}}};
}

/* The adapter completes a work request: what `complete` would write. */
static inline void complete(const struct objects *o, uint64_t wr_id, uint8_t opcode, uint8_t status)
{
    const struct cq *const c = CQ(b.m, o->cq);
    static uint32_t tail;
    struct pv_cqe e = {.wr_id = wr_id,
                       .qp = QP(b.m, o->qp)->handle,
                       .opcode = opcode,
                       .status = status,
                       .byte_len = 64,
                       .imm = 0x04030201,
                       .wc_flags = CQE_IMM};

    tail = c->visible == 0 ? 0 : tail;
    const uint32_t slot = tail & (c->ring.entries - 1);
    e.owner_ext = (uint8_t)((tail / c->ring.entries + 1) & 1);
    tail++;
    memcpy(mem_at(b.m, 0, c->ring.pages + (c->s.native ? 0 : PAGE_BYTES) + slot * 64ULL), &e, 64);
    const uint32_t index = tail & (2 * c->ring.entries - 1);
    uint64_t gpa = c->ring.pages + slot * 64ULL;
    if (!c->s.native) {
        memcpy(mem_at(b.m, 0, c->ring.pages + 8), &index, 4);
        gpa = c->ring.pages + 8;
    }
    const struct seen s = {.addr = mem_phys(b.m, 0, gpa), .len = 64, .cls = CLS_CQE};
    machine_seen(b.m, stand_ps(&b), &s);
}

static inline struct driver_completion next_done(void)
{
    struct driver_completion d;

    for (unsigned i = 0; i < 1000; i++) {
        if (machine_completion(b.m, &d)) {
            return d;
        }
        stand_cycle(&b);
    }
    fail_msg("no completion");
    return d;
}

static inline bool none_done(void)
{
    struct driver_completion d;

    stand_run(&b, 500);
    return !machine_completion(b.m, &d);
}
