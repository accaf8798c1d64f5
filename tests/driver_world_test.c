/* driver and control path in a whole system: two hosts with real adapters, a switch between them;
 * QPs are reset, broken, destroyed and functions reset while work is under way. */
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

static void drain(struct side *s, uint64_t now)
{
    struct mmio_req r;
    struct driver_stamp stamp;
    struct driver_completion d;
    struct driver_async a;
    uint64_t at;

    while (machine_mmio(s->m, &at, &r)) {
        world_mmio(s->w, s->host, at > now ? at : now, &r);
    }
    while (machine_stamp(s->m, &stamp)) {}
    while (machine_completion(s->m, &d)) {
        s->done[s->dones++ % DONE_MAX] = d;
    }
    while (machine_async(s->m, &a)) {
        s->async[s->asyncs++ % 16] = a;
    }
}

static uint64_t next(void *self)
{
    return machine_next(((struct side *)self)->m);
}

static void act(void *self, uint64_t now)
{
    machine_act(((struct side *)self)->m, now);
    drain(self, now);
}

static void seen(void *self, uint64_t at, const struct seen *m)
{
    machine_seen(((struct side *)self)->m, at, m);
    drain(self, at);
}

static void irq(void *self, uint64_t at, const struct irq *m)
{
    machine_irq(((struct side *)self)->m, at, m);
    drain(self, at);
}

static void answer(void *self, uint64_t at, const struct mmio_rsp *m)
{
    machine_answer(((struct side *)self)->m, at, m);
    drain(self, at);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static void run_ns(uint64_t ns)
{
    (void)world_run(w, world_now(w) + ns * 1000, NULL, NULL);
}

static void settle(void)
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

static uint32_t make_qp(struct side *s, uint8_t type, bool native, bool shared)
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

static void open_side(unsigned h, uint8_t type, bool native, bool shared)
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

static void connect(unsigned i)
{
    struct driver_peer peer[HOSTS];

    for (unsigned h = 0; h < HOSTS; h++) {
        driver_qp_peer(side[h].m, side[h].qp[i], &peer[h]);
    }
    for (unsigned h = 0; h < HOSTS; h++) {
        driver_connect(side[h].m, side[h].qp[i], &peer[1 - h]);
    }
}

static void up(uint8_t type, bool native, bool shared)
{
    const char *why;

    w = world_open(&p, &why);
    assert_non_null(w);
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

static void down(void)
{
    for (unsigned h = 0; h < HOSTS; h++) {
        machine_close(side[h].m);
    }
    world_close(w);
}

/* --- work ------------------------------------------------------------------------------------- */

static struct driver_wr wr(const struct side *s, unsigned i, uint8_t opcode, uint32_t len)
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

static void post(struct side *s, const struct driver_wr *x)
{
    const uint64_t now = host_now(world_host(w, s->host));

    if (!driver_post(s->m, now, x)) {
        fail_msg("%s", driver_why(s->m));
    }
}

static void post_recv(struct side *s, unsigned i, uint64_t id)
{
    const struct driver_wr x = {.wr_id = id,
                                .qp = s->qp[i],
                                .srq = DRIVER_NONE,
                                .opcode = DRIVER_WR_RECV,
                                .nsge = 1,
                                .sge = {{.mr = s->mr, .len = 8192, .off = 0x20000}}};

    post(s, &x);
}

static uint32_t count(const struct side *s, uint8_t status, bool recv)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->dones; i++) {
        n += s->done[i].status == status && s->done[i].recv == recv;
    }
    return n;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void every_opcode_completes_in_both_formats_with_the_right_bytes(void **state)
{
    (void)state;
    static const uint8_t opcodes[] = {WR_WRITE,     WR_READ, WR_SEND, WR_SEND_IMM,
                                      WR_WRITE_IMM, WR_FAA,  WR_CAS};
    uint8_t bytes[3000], back[3000];

    for (unsigned native = 0; native < 2; native++) {
        up(QPT_RC, native != 0, false);
        world_set_mode(w, HCA_MODE_CHECK); /* sleeping units are ticked too and must not move */
        for (unsigned i = 0; i < 3000; i++) {
            bytes[i] = (uint8_t)(i * 7 + native);
        }
        assert_true(driver_mr_write(side[0].m, side[0].mr, 0x100, bytes, 3000));
        for (unsigned k = 0; k < sizeof opcodes; k++) {
            post_recv(&side[1], 0, 100 + k);
        }
        for (unsigned k = 0; k < sizeof opcodes; k++) {
            struct driver_wr x = wr(&side[0], 0, opcodes[k], opcodes[k] >= WR_CAS ? 8 : 3000);
            x.wr_id = k + 1;
            x.sge[0].off = opcodes[k] == WR_READ ? 0x9000 : opcodes[k] >= WR_CAS ? 0xe000 : 0x100;
            post(&side[0], &x);
        }
        run_ns(60000);
        assert_int_equal(count(&side[0], WC_OK, false), sizeof opcodes);
        assert_int_equal(count(&side[1], WC_OK, true), 3);
        assert_true(driver_mr_read(side[1].m, side[1].mr, 0x20000, back, 3000));
        assert_memory_equal(back, bytes, 3000);
        assert_true(driver_mr_read(side[0].m, side[0].mr, 0x9000, back, 3000));
        assert_memory_equal(back, bytes, 3000);
        assert_true(side[1].done[1].imm == 0x01020304 && side[1].done[1].wr_id == 101);
        assert_true(side[1].done[2].opcode == WC_RECV_IMM && side[1].done[2].byte_len == 3000);
        down();
    }
}

/* Work is flushed in order, and after RESET and a new connection the QP works from zero. */
static void a_qp_set_to_error_flushes_all_and_works_again_after_reset(void **state)
{
    (void)state;
    for (unsigned native = 0; native < 2; native++) {
        up(QPT_RC, native != 0, false);
        struct side *const s = &side[0];
        for (unsigned k = 0; k < 20; k++) {
            struct driver_wr x = wr(s, 1, WR_SEND, 64); /* the peer has no receive: RNR */
            x.wr_id = k + 1;
            post(s, &x);
            post_recv(s, 1, 1000 + k);
        }
        run_ns(5000);
        driver_modify(s->m, s->qp[1], QPS_ERR);
        settle();
        run_ns(500000);
        assert_int_equal(count(s, WC_WR_FLUSH, false), 20);
        assert_int_equal(count(s, WC_WR_FLUSH, true), 20);
        uint64_t last = 0;
        for (uint32_t i = 0; i < s->dones; i++) {
            if (!s->done[i].recv) {
                assert_int_equal(s->done[i].wr_id, ++last);
            }
        }
        for (unsigned h = 0; h < HOSTS; h++) {
            driver_modify(side[h].m, side[h].qp[1], QPS_RESET);
        }
        settle();
        connect(1);
        settle();
        s->dones = 0;
        post_recv(&side[1], 1, 7);
        const struct driver_wr x = wr(s, 1, WR_SEND, 64);
        post(s, &x);
        run_ns(200000);
        assert_int_equal(count(s, WC_OK, false), 1);
        assert_int_equal(count(&side[1], WC_OK, true), 1);
        down();
    }
}

static void a_qp_destroyed_under_traffic_disturbs_no_other(void **state)
{
    (void)state;
    for (unsigned native = 0; native < 2; native++) {
        up(QPT_RC, native != 0, false);
        for (unsigned k = 0; k < 40; k++) {
            for (unsigned i = 0; i < QPS; i++) {
                for (unsigned h = 0; h < HOSTS; h++) {
                    struct driver_wr x = wr(&side[h], i, k % 2 == 0 ? WR_WRITE : WR_READ, 4000);
                    x.wr_id = k + 1;
                    post(&side[h], &x);
                }
            }
        }
        run_ns(3000 + native * 4000);
        driver_destroy_qp(side[0].m, side[0].qp[2]);
        settle();
        const uint32_t again = make_qp(&side[0], QPT_RC, native != 0, false);
        settle();
        run_ns(20000000); /* the peer's QP runs out of retries */
        uint32_t good[HOSTS] = {0};
        for (unsigned h = 0; h < HOSTS; h++) {
            for (uint32_t i = 0; i < side[h].dones; i++) {
                good[h] += side[h].done[i].status == WC_OK && side[h].done[i].qp != side[h].qp[2];
            }
            assert_int_equal(good[h], 40 * (QPS - 1));
        }
        uint32_t failed = 0;
        for (uint32_t i = 0; i < side[1].dones; i++) {
            failed += side[1].done[i].status == WC_RETRY_EXC;
        }
        assert_int_equal(failed, 1);
        assert_true(again != side[0].qp[2]);
        down();
    }
}

static void a_function_reset_under_traffic_ends_its_dma_and_comes_up_again(void **state)
{
    (void)state;
    up(QPT_RC, false, true);
    struct side *const s = &side[0];

    for (unsigned k = 0; k < 30; k++) {
        for (unsigned i = 0; i < QPS; i++) {
            const struct driver_wr x = wr(s, i, WR_WRITE, 8000);
            const struct driver_wr y = wr(&side[1], i, WR_WRITE, 8000);
            post(s, &x);
            post(&side[1], &y);
        }
    }
    run_ns(4000);
    driver_reset(s->m, s->driver);
    settle();
    run_ns(100000);
    const struct hca_stat *const stats = hca_stats(world_hca(w, 0, 0));
    const uint64_t tlps = stats->dma_write_tlps + stats->dma_read_tlps;
    assert_int_equal(stats->command_resets, 1);
    run_ns(20000000);
    assert_int_equal(stats->dma_write_tlps + stats->dma_read_tlps, tlps);
    assert_true(stats->command_swept >= QPS + 5);
    down();
}

static void keys_and_queues_go_and_come_again_and_again(void **state)
{
    (void)state;
    struct hca_error err;

    p.hca_command_process_ns = 0;
    p.cpu_command_cycles = 0;
    p.cpu_interrupt_cycles = 0;
    p.hca_qp_max = 8;
    p.hca_mr_max = 8;
    up(QPT_RC, false, false);
    struct side *const s = &side[0];
    for (unsigned n = 0; n < 300; n++) {
        const struct driver_mr mr = {.pd = s->pd, .va = 0x5000, .bytes = 4096, .access = 1};
        const uint32_t id = driver_mr(s->m, &mr, &err), qp = make_qp(s, QPT_UC, false, false);
        settle();
        driver_destroy_mr(s->m, id);
        driver_destroy_qp(s->m, qp);
    }
    settle();
    const struct driver_wr x = wr(s, 0, WR_WRITE, 100);
    post(s, &x);
    run_ns(100000);
    assert_int_equal(count(s, WC_OK, false), 1);
    assert_int_equal(hca_stats(world_hca(w, 0, 0))->command_failed, 0);
    down();
}

static void a_foreign_key_and_a_limit_are_told_by_status_and_event(void **state)
{
    (void)state;
    up(QPT_RC, false, true);
    struct side *const s = &side[0];
    struct driver_wr x = wr(s, 0, WR_WRITE, 64);

    for (unsigned k = 0; k < 6; k++) { /* SRQ of 6, limit 4: the third SEND fires the event */
        const struct driver_wr r = {.wr_id = 50 + k,
                                    .qp = DRIVER_NONE,
                                    .srq = side[1].srq,
                                    .opcode = DRIVER_WR_RECV,
                                    .nsge = 1,
                                    .sge = {{.mr = side[1].mr, .len = 100, .off = 0}}};
        post(&side[1], &r);
    }
    x.rkey ^= 0x100;
    post(s, &x);
    for (unsigned k = 0; k < 4; k++) {
        const struct driver_wr y = wr(s, 1, WR_SEND, 64);
        post(s, &y);
    }
    run_ns(300000);
    assert_int_equal(count(s, WC_REM_ACCESS, false), 1);
    assert_int_equal(count(s, WC_OK, false), 4);
    assert_int_equal(count(&side[1], WC_OK, true), 4);
    bool limit = false, broken = false;
    for (uint32_t i = 0; i < side[1].asyncs; i++) {
        limit |= side[1].async[i].type == ASYNC_SRQ_LIMIT && side[1].async[i].object == side[1].srq;
        broken |= side[1].async[i].type == ASYNC_QP_ACCESS_ERR &&
                  side[1].async[i].object == side[1].qp[0];
    }
    assert_true(limit);
    assert_true(broken);
    down();
}

static int defaults(void **state)
{
    (void)state;
    hca_param_default(&p);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_opcode_completes_in_both_formats_with_the_right_bytes,
                               defaults),
        cmocka_unit_test_setup(a_qp_set_to_error_flushes_all_and_works_again_after_reset, defaults),
        cmocka_unit_test_setup(a_qp_destroyed_under_traffic_disturbs_no_other, defaults),
        cmocka_unit_test_setup(a_function_reset_under_traffic_ends_its_dma_and_comes_up_again,
                               defaults),
        cmocka_unit_test_setup(keys_and_queues_go_and_come_again_and_again, defaults),
        cmocka_unit_test_setup(a_foreign_key_and_a_limit_are_told_by_status_and_event, defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
