/* driver_world.h: two hosts with real adapters and a switch between them, QPS connected QPs, and
 * what completes. */
#pragma once
#include "sim/host/driver.h"
#include "sim/system/world.h"

#include "model/defs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { HOSTS = 2, QPS = 4, DONE_MAX = 4096 };

struct side {
    struct world *w;
    struct machine *m;
    unsigned host;
    uint32_t driver, pd, mr, cq, srq, qp[QPS];
    struct driver_completion done[DONE_MAX];
    uint32_t dones, asyncs;
    struct driver_async async[16];
};

static struct hca_param p;
static struct world *w;
static struct side side[HOSTS];

/* --- the actor -------------------------------------------------------------------------------- */

static inline void drain(struct side *s, uint64_t now)
{
    struct mmio_req r;
    struct driver_stamp stamp;
    struct driver_completion d;
    struct driver_async a;
    uint64_t at;

    while (machine_mmio(s->m, &at, &r)) {
        assert_true(world_mmio(s->w, s->host, at > now ? at : now, &r));
    }
    while (machine_stamp(s->m, &stamp)) {}
    while (machine_completion(s->m, &d)) {
        s->done[s->dones++ % DONE_MAX] = d;
    }
    while (machine_async(s->m, &a)) {
        s->async[s->asyncs++ % 16] = a;
    }
}

static inline uint64_t next(void *self)
{
    return machine_next(((struct side *)self)->m);
}

static inline void act(void *self, uint64_t now)
{
    machine_act(((struct side *)self)->m, now);
    drain(self, now);
}

static inline void seen(void *self, uint64_t at, const struct seen *m)
{
    machine_seen(((struct side *)self)->m, at, m);
    drain(self, at);
}

static inline void irq(void *self, uint64_t at, const struct irq *m)
{
    machine_irq(((struct side *)self)->m, at, m);
    drain(self, at);
}

static inline void answer(void *self, uint64_t at, const struct mmio_rsp *m)
{
    machine_answer(((struct side *)self)->m, at, m);
    drain(self, at);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static inline void run_ns(uint64_t ns)
{
    (void)world_run(w, world_now(w) + ns * 1000, NULL, NULL);
}

static inline void settle(void)
{
    struct hca_error err;

    for (unsigned i = 0; i < 1000 && (machine_pending(side[0].m) || machine_pending(side[1].m));
         i++) {
        run_ns(100000);
    }
    for (unsigned h = 0; h < HOSTS; h++) {
        if (machine_failed(side[h].m, &err)) {
            fail_msg("host %u: %s", h, err.text);
        }
        assert_false(machine_pending(side[h].m));
    }
}

static inline uint32_t make_qp(struct side *s, uint8_t type, bool native, bool shared)
{
    struct hca_error err;
    const struct driver_qp q = {.pd = s->pd,
                                .send_cq = s->cq,
                                .recv_cq = s->cq,
                                .srq = shared ? s->srq : DRIVER_NONE,
                                .sq_entries = 64,
                                .rq_entries = 64,
                                .sq_psn = 0xfffffe,
                                .qkey = 5,
                                .access = 15,
                                .mtu_bytes = 1024,
                                .inline_bytes = 64,
                                .type = type,
                                .native = native,
                                .sge_max = 2,
                                .rd_atomic = 4,
                                .rd_atomic_dest = 4,
                                .timeout = 8,
                                .retry_cnt = 3,
                                .rnr_retry = 3,
                                .min_rnr_timer = 1,
                                .weight = 1,
                                .mmio_wqe = 1};
    const uint32_t id = driver_qp(s->m, &q, &err);

    if (id == DRIVER_NONE) {
        fail_msg("%s", err.text);
    }
    return id;
}

static inline void open_side(unsigned h, uint8_t type, bool native, bool shared)
{
    struct side *const s = &side[h];
    struct hca_error err;
    const struct actor a = {s, h, next, act, seen, irq, answer, NULL};

    *s = (struct side){.w = w, .host = h};
    s->m = machine_open(&p, world_host(w, h), h, &err);
    assert_non_null(s->m);
    assert_true(world_add(w, &a));
    s->driver = driver_open(s->m, &(struct driver_place){0}, &err);
    s->pd = driver_pd(s->m, s->driver, &err);
    const struct driver_mr mr = {.pd = s->pd, .va = 0x10000, .bytes = 1 << 20, .access = 15};
    s->mr = driver_mr(s->m, &mr, &err);
    const struct driver_cq cq = {.driver = s->driver, .entries = 2048, .native = native};
    s->cq = driver_cq(s->m, &cq, &err);
    const struct driver_srq srq = {
        .pd = s->pd, .entries = 128, .limit = 4, .sge_max = 1, .native = native};
    s->srq = driver_srq(s->m, &srq, &err);
    for (unsigned i = 0; i < QPS; i++) {
        s->qp[i] = make_qp(s, type, native, shared);
    }
}

static inline void connect(unsigned i)
{
    struct driver_peer peer[HOSTS];

    for (unsigned h = 0; h < HOSTS; h++) {
        driver_qp_peer(side[h].m, side[h].qp[i], &peer[h]);
    }
    for (unsigned h = 0; h < HOSTS; h++) {
        driver_connect(side[h].m, side[h].qp[i], &peer[1 - h]);
    }
}

static inline void up_in(unsigned mode, uint8_t type, bool native, bool shared)
{
    const char *why;

    w = world_open(&p, &why);
    assert_non_null(w);
    world_set_mode(w, mode);
    for (unsigned h = 0; h < HOSTS; h++) {
        struct driver_address a;
        open_side(h, type, native, shared);
        driver_address(&p, h, 0, 0, &a);
        net_address(world_net(w), h, a.mac, a.lid);
    }
    settle();
    for (unsigned i = 0; i < QPS; i++) {
        connect(i);
    }
    settle();
}

static inline void up(uint8_t type, bool native, bool shared)
{
    up_in(0, type, native, shared);
}

static inline void down(void)
{
    for (unsigned h = 0; h < HOSTS; h++) {
        machine_close(side[h].m);
    }
    world_close(w);
}

/* --- work ------------------------------------------------------------------------------------- */

static inline struct driver_wr wr(const struct side *s, unsigned i, uint8_t opcode, uint32_t len)
{
    const struct side *const to = &side[1 - s->host];

    return (struct driver_wr){.wr_id = 1,
                              .qp = s->qp[i],
                              .srq = DRIVER_NONE,
                              .opcode = opcode,
                              .flags = WRF_SIGNALED,
                              .nsge = 1,
                              .imm = 0x01020304,
                              .rkey = driver_mr_key(to->m, to->mr),
                              .raddr = driver_mr_va(to->m, to->mr) + 0x8000,
                              .compare = 0,
                              .swap_add = 7,
                              .sge = {{.mr = s->mr, .len = len, .off = 0x100}}};
}

static inline void post(struct side *s, const struct driver_wr *x)
{
    const uint64_t now = host_now(world_host(w, s->host));

    if (!driver_post(s->m, now, x)) {
        fail_msg("%s", driver_why(s->m));
    }
}

static inline void post_recv(struct side *s, unsigned i, uint64_t id)
{
    const struct driver_wr x = {.wr_id = id,
                                .qp = s->qp[i],
                                .srq = DRIVER_NONE,
                                .opcode = DRIVER_WR_RECV,
                                .nsge = 1,
                                .sge = {{.mr = s->mr, .len = 8192, .off = 0x20000}}};

    post(s, &x);
}

static inline uint32_t count(const struct side *s, uint8_t status, bool recv)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->dones; i++) {
        n += s->done[i].status == status && s->done[i].recv == recv;
    }
    return n;
}
