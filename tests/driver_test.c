/* driver: what the software of a host writes, when, and at whose cost. */
#include "tests/driver_stand.h"

#include "model/trace.h"

static struct stand b;

static struct hca_param quick(void)
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

static struct driver_qp qp_spec(const struct objects *o, bool native)
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
static struct objects make(const struct hca_param *p, bool native, uint8_t notify)
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

static struct driver_wr send_wr(const struct objects *o, uint64_t wr_id, uint8_t flags)
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
static void complete(const struct objects *o, uint64_t wr_id, uint8_t opcode, uint8_t status)
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

static struct driver_completion next_done(void)
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

static bool none_done(void)
{
    struct driver_completion d;

    stand_run(&b, 500);
    return !machine_completion(b.m, &d);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static void the_device_accepts_every_command_of_the_set_up(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_POLL);
    const struct qp_static *const s = &b.h->ctx.qp[QP(b.m, o.qp)->handle].s;
    uint64_t last;

    assert_true(s->state == QPS_RTS && s->type == QPT_RC && s->mtu_bytes == 1024 && s->user == 1);
    assert_true(s->sq.entries == 16 && s->sq.stride == 128 && s->rq.stride == 64);
    assert_int_equal(s->sq_psn, 5);
    assert_int_equal(s->dest_qpn, QP(b.m, o.qp)->qpn);
    assert_memory_equal(s->av.dmac, DRV(b.m, o.driver)->address.mac, 6);
    assert_true(b.mpt.va == 0x7f0000000123 && b.mpt.len == 40000 && b.mpt.pages == 10);
    assert_int_equal(b.mpt.key, driver_mr_key(b.m, o.mr));
    assert_int_equal(machine_commands(b.m, &last), 4 + 4 + 3);
    assert_int_equal(b.h->y.s.command_failed, 0);
    stand_close(&b);
}

static void a_refused_command_is_told_with_its_name_and_reason(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_POLL);
    struct hca_error err;

    driver_destroy_cq(b.m, o.cq); /* a QP uses it */
    while (machine_pending(b.m)) {
        stand_cycle(&b);
    }
    assert_true(machine_failed(b.m, &err));
    assert_non_null(strstr(err.text, "DESTROY_CQ"));
    assert_non_null(strstr(err.text, "ERR"));
    assert_false(machine_failed(b.m, &err));
    driver_destroy_qp(b.m, o.qp);
    driver_destroy_cq(b.m, o.cq);
    driver_destroy_mr(b.m, o.mr);
    driver_destroy_pd(b.m, o.pd);
    driver_reset(b.m, o.driver);
    stand_settle(&b);
    assert_int_equal(b.h->y.s.command_swept, 1); /* the user context was left */
    stand_close(&b);
}

static void bus_addresses_are_not_physical_ones_and_every_page_is_mapped_as_asked(void **state)
{
    (void)state;
    struct hca_param p = quick();
    struct hca_error err = {{0}};
    uint64_t run;

    p.host_layout = HCA_HOST_LAYOUT_FRAGMENTED;
    const struct objects o = make(&p, false, DRIVER_POLL);
    for (uint32_t layout = 0; layout <= DRIVER_LAYOUT_ALIAS; layout++) {
        const struct driver_mr s = {.pd = o.pd,
                                    .va = 0x123456,
                                    .bytes = 9 << 20,
                                    .access = 1,
                                    .layout = layout,
                                    .layout_arg = layout == DRIVER_LAYOUT_ALIAS ? 8192 : 500};
        const uint32_t mr = driver_mr(b.m, &s, &err);
        assert_int_not_equal(mr, DRIVER_NONE);
        uint32_t word = 0xabcd0000 + layout, back = 0;
        assert_true(driver_mr_write(b.m, mr, (9 << 20) - 4, &word, 4));
        assert_true(driver_mr_read(b.m, mr, (9 << 20) - 4, &back, 4));
        assert_int_equal(back, word);
        assert_false(driver_mr_read(b.m, mr, (9 << 20) - 3, &back, 4));
        size_t in_page;
        const uint64_t bus = driver_mr_bus(b.m, mr, 5000, &run);
        assert_int_equal(bus % PAGE_BYTES, (0x123456 + 5000) % PAGE_BYTES);
        assert_ptr_equal(driver_mr_at(b.m, mr, 5000, &in_page), mem_bus_at(b.m, 0, bus));
        assert_true(bus >> HOST_VM_SHIFT == 0); /* RAM of VM 0 begins at 1 << 38 */
        assert_true(layout != DRIVER_LAYOUT_FRAGMENTED || run <= PAGE_BYTES);
        assert_true(layout != DRIVER_LAYOUT_CONTIGUOUS || run == (9 << 20) - 5000);
    }
    stand_settle(&b);
    stand_close(&b);
}

static void an_aliased_region_shows_the_same_bytes_over_and_over(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    struct hca_error err = {{0}};
    const struct objects o = make(&p, false, DRIVER_POLL);
    const struct driver_mr s = {.pd = o.pd,
                                .va = 1ULL << 40,
                                .bytes = 1 << 30,
                                .access = 1,
                                .layout = DRIVER_LAYOUT_ALIAS,
                                .layout_arg = 1 << 20};
    const uint32_t mr = driver_mr(b.m, &s, &err);
    uint32_t word = 77, back = 0;

    assert_true(driver_mr_write(b.m, mr, 4096, &word, 4));
    assert_true(driver_mr_read(b.m, mr, (1 << 30) - (1 << 20) + 4096, &back, 4));
    assert_int_equal(back, 77);
    stand_settle(&b);
    stand_close(&b);
}

static void what_does_not_fit_is_refused_with_value_and_bound(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    struct hca_error err = {{0}};
    struct objects o = make(&p, false, DRIVER_POLL);
    struct driver_mr mr = {.pd = o.pd, .va = 0x100, .bytes = (1ULL << 30) - 0xff};
    struct driver_qp qp = qp_spec(&o, false);
    const struct driver_cq cq = {.driver = o.driver, .entries = 65537};

    assert_int_equal(driver_mr(b.m, &mr, &err), DRIVER_NONE);
    assert_non_null(strstr(err.text, "1073741568"));
    mr = (struct driver_mr){.pd = o.pd, .vm = 1, .va = 0, .bytes = 1};
    assert_int_equal(driver_mr(b.m, &mr, &err), DRIVER_NONE);
    assert_non_null(strstr(err.text, "host.vm_requester"));
    qp.sq_entries = 20000;
    assert_int_equal(driver_qp(b.m, &qp, &err), DRIVER_NONE);
    assert_non_null(strstr(err.text, "hca.max_qp_wr"));
    qp = qp_spec(&o, true);
    assert_int_equal(driver_qp(b.m, &qp, &err), DRIVER_NONE);
    assert_non_null(strstr(err.text, "format"));
    assert_int_equal(driver_cq(b.m, &cq, &err), DRIVER_NONE);
    assert_int_equal(driver_open(b.m, &(struct driver_place){0}, &err), DRIVER_NONE);
    assert_int_equal(driver_open(b.m, &(struct driver_place){.fn = 1}, &err), DRIVER_NONE);
    stand_close(&b);
}

/* --- posting ---------------------------------------------------------------------------------- */

static void a_pvrdma_post_writes_wqe_then_index_then_rings_and_costs_its_cycles(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_POLL);
    const struct driver_wr w = send_wr(&o, 9, WRF_SIGNALED);
    const struct qp *const q = QP(b.m, o.qp);
    uint64_t cycles[CPU_CAUSES];
    struct driver_stamp posted, rung;

    const uint64_t at = stand_ps(&b);
    assert_true(driver_post(b.m, at, &w));
    const uint8_t *const wqe = mem_at(b.m, 0, q->ring.pages + PAGE_BYTES);
    uint64_t v;
    memcpy(&v, wqe, 8);
    assert_int_equal(v, 9);
    assert_true(wqe[8] == 1 && wqe[12] == 64 && wqe[16] == WR_WRITE && wqe[20] == WRF_SIGNALED);
    memcpy(&v, wqe + 32, 8);
    assert_int_equal(v, 0x1009);
    memcpy(&v, wqe + 80, 8);
    assert_true(v == 0x7f0000000123 + 8);
    assert_int_equal(wqe[40], 0x77);
    assert_int_equal(mem_get32(b.m, 0, q->ring.pages), 0); /* not announced before the cycles */
    stand_run(&b, 200);
    assert_int_equal(mem_get32(b.m, 0, q->ring.pages), 1);
    assert_int_equal(b.doorbells, 1);
    assert_true(b.db[0].number == q->handle && b.db[0].kind == DB_SEND && !b.db[0].native);
    machine_account(b.m, 0, stand_ps(&b), cycles);
    assert_true(cycles[CPU_POST] == 80 && cycles[CPU_DOORBELL] == 60);
    assert_true(machine_stamp(b.m, &posted) && posted.stage == STAGE_posted && posted.mid == 9);
    assert_true(machine_stamp(b.m, &rung) && rung.stage == STAGE_rung && rung.mid == 9);
    assert_true(posted.at_ps >= at + 36363 && posted.at_ps <= at + 38000); /* 80 / 2.2 GHz */
    assert_true(rung.at_ps >= at + 63636 && rung.at_ps <= at + 66000);
    stand_close(&b);
}

static void posts_back_to_back_share_doorbells_as_configured(void **state)
{
    (void)state;
    struct hca_param p = quick();

    for (uint32_t batch = 1; batch <= 4; batch += 3) {
        p.cpu_doorbell_batch = batch;
        const struct objects o = make(&p, false, DRIVER_POLL);
        for (uint64_t i = 1; i <= 10; i++) {
            const struct driver_wr w = send_wr(&o, i, WRF_SIGNALED);
            assert_true(driver_post(b.m, stand_ps(&b), &w));
        }
        stand_run(&b, 2000);
        assert_int_equal(b.doorbells, batch == 1 ? 10 : 3); /* 4 + 4 + 2 */
        stand_close(&b);
    }
}

static void requests_of_one_call_are_announced_together(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, true, DRIVER_POLL);

    for (uint64_t i = 1; i <= 5; i++) {
        struct driver_wr w = send_wr(&o, i, WRF_SIGNALED);
        w.more = i < 5;
        assert_true(driver_post(b.m, stand_ps(&b), &w));
    }
    stand_run(&b, 2000);
    assert_true(b.doorbells == 1 && b.parts == 0);
    assert_true(b.db[0].native && b.db[0].tail == 5);
    assert_int_equal(mem_get32(b.m, 0, QP(b.m, o.qp)->record + 4), 5);
    stand_close(&b);
}

static void a_single_native_request_goes_by_mmio_with_its_bytes(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, true, DRIVER_POLL);
    struct driver_wr w = send_wr(&o, 0x1234, WRF_SIGNALED | WRF_INLINE);
    const char text[] = "carried in the request";

    assert_true(driver_mr_write(b.m, o.mr, 8, text, sizeof text));
    w.sge[0].len = sizeof text;
    assert_true(driver_post(b.m, stand_ps(&b), &w));
    stand_run(&b, 300);
    assert_true(b.parts == 1 && b.doorbells == 1);
    const uint8_t *const x = (const uint8_t *)&b.part[0] + offsetof(struct wqe_mmio, d0);
    assert_true(x[0] == WR_WRITE && x[1] == 10 && x[2] == 0 && x[3] == 1);
    assert_int_equal(x[4] | x[5] << 8, QP(b.m, o.qp)->handle);
    assert_true(x[32] == sizeof text && memcmp(x + 36, text, sizeof text) == 0);
    assert_true(b.part[0].index == 0 && b.db[0].tail == 1);
    w.wr_id++;
    w.flags = WRF_SIGNALED;
    assert_true(driver_post(b.m, stand_ps(&b), &w));
    stand_run(&b, 300);
    assert_true(b.part[1].index == 1 && b.db[1].tail == 2);
    w.sge[0].len = 29; /* the QP was made for 28 inline bytes */
    w.flags = WRF_INLINE;
    assert_false(driver_post(b.m, stand_ps(&b), &w));
    assert_non_null(strstr(driver_why(b.m), "inline"));
    stand_close(&b);
}

static void a_full_ring_takes_nothing_until_the_device_moves_its_head(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_POLL);
    const struct qp *const q = QP(b.m, o.qp);
    struct driver_wr w = send_wr(&o, 1, 0);
    uint32_t posted = 0;

    while (driver_room_send(b.m, o.qp) != 0) {
        assert_true(driver_post(b.m, stand_ps(&b), &w));
        posted++;
    }
    assert_int_equal(posted, 16);
    assert_false(driver_post(b.m, stand_ps(&b), &w));
    stand_run(&b, 3000);
    for (uint32_t head = 1; head <= 100; head++) { /* one at a time, round the double ring */
        mem_put32(b.m, 0, q->ring.pages + 4, head & 31);
        assert_int_equal(driver_room_send(b.m, o.qp), 1);
        assert_true(driver_post(b.m, stand_ps(&b), &w));
        assert_int_equal(driver_room_send(b.m, o.qp), 0);
        const uint64_t next = machine_next(b.m);
        assert_true(next != UINT64_MAX); /* unsignalled work alone: it looks again by itself */
        stand_run(&b, 100);
    }
    mem_put32(b.m, 0, q->ring.pages + 4, 31); /* more than was ever posted: no progress */
    assert_int_equal(driver_room_send(b.m, o.qp), 0);
    stand_close(&b);
}

static void a_full_mmio_path_stalls_the_cores_and_loses_nothing(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_POLL);
    struct mmio_req r[2];
    uint64_t at, cycles[CPU_CAUSES];

    for (uint64_t i = 1; i <= 4; i++) {
        const struct driver_wr w = send_wr(&o, i, WRF_SIGNALED);
        assert_true(driver_post(b.m, stand_ps(&b), &w));
    }
    const uint64_t first = machine_next(b.m) + 30000;
    while (machine_next(b.m) < first) {
        machine_act(b.m, machine_next(b.m));
    }
    assert_true(machine_mmio(b.m, &at, &r[0]));
    machine_mmio_refused(b.m, first + 500000);
    assert_int_equal(machine_next(b.m), first + 500000);
    machine_act(b.m, first); /* too early: nothing moves */
    assert_true(machine_mmio(b.m, &at, &r[1]) && r[1].d0 == r[0].d0 && r[1].offset == r[0].offset);
    machine_mmio_refused(b.m, first + 500000);
    machine_act(b.m, first + 500000);
    uint32_t n = 0;
    for (; n < 100 && (machine_next(b.m) != UINT64_MAX || n == 0); n++) {
        if (machine_next(b.m) != UINT64_MAX) {
            machine_act(b.m, machine_next(b.m));
        }
    }
    for (n = 0; machine_mmio(b.m, &at, &r[0]); n++) {}
    assert_int_equal(n, 4);
    machine_account(b.m, 0, at, cycles);
    assert_true(cycles[CPU_DOORBELL] >
                4 * 60 + 500 * 2); /* the stall is charged to the doorbells */
    stand_close(&b);
}

/* --- completions ------------------------------------------------------------------------------ */

static void a_polling_core_sees_a_cqe_at_the_next_poll_and_pays_for_the_idle_ones(void **state)
{
    (void)state;
    struct hca_param p = quick();
    uint64_t cycles[CPU_CAUSES];

    p.cpu_clock_mhz = 1000; /* 1 cycle = 1 ns */
    p.cpu_poll_cycles = 50;
    p.cpu_poll_cqe_cycles = 7;
    const struct objects o = make(&p, false, DRIVER_POLL);
    const struct driver_wr w = send_wr(&o, 3, WRF_SIGNALED);
    const uint64_t at = stand_ps(&b);
    assert_true(driver_post(b.m, at, &w));
    stand_run(&b, 1000);
    const uint64_t seen = stand_ps(&b);
    complete(&o, 3, WC_WRITE, WC_OK);
    const struct driver_completion d = next_done();
    assert_true(d.wr_id == 3 && d.qp == o.qp && d.status == WC_OK && !d.recv && !d.silent);
    assert_int_equal(d.visible_ps, seen);
    const uint64_t idle_from = at + 140 * 1000; /* post 80 + doorbell 60 */
    const uint64_t hit = idle_from + (seen - idle_from + 49999) / 50000 * 50000;
    assert_true(d.polled_ps >= hit + 7000 && d.polled_ps <= hit + 8000);
    machine_account(b.m, 0, d.polled_ps, cycles);
    assert_int_equal(cycles[CPU_POLL], 7);
    assert_true(cycles[CPU_IDLE_POLL] >= (hit - idle_from) / 1000 &&
                cycles[CPU_IDLE_POLL] <= (hit - idle_from) / 1000 + 2);
    assert_int_equal(mem_get32(b.m, 0, CQ(b.m, o.cq)->ring.pages + 12), 1);
    stand_close(&b);
}

static void a_cqe_proves_the_unsignalled_requests_before_it(void **state)
{
    (void)state;
    const struct hca_param p = quick();

    for (unsigned native = 0; native < 2; native++) {
        const struct objects o = make(&p, native != 0, DRIVER_POLL);
        for (uint64_t i = 1; i <= 5; i++) {
            const struct driver_wr w = send_wr(&o, i, i == 3 || i == 5 ? WRF_SIGNALED : 0);
            assert_true(driver_post(b.m, stand_ps(&b), &w));
        }
        stand_run(&b, 500);
        const uint32_t room = driver_room_send(b.m, o.qp);
        complete(&o, 3, WC_WRITE, WC_OK);
        for (uint64_t i = 1; i <= 3; i++) {
            const struct driver_completion d = next_done();
            assert_true(d.wr_id == i && d.silent == (i != 3) && d.status == WC_OK);
        }
        assert_true(none_done());
        assert_true(!native || driver_room_send(b.m, o.qp) > room);
        complete(&o, 4, WC_WRITE, WC_REM_ACCESS); /* errors have a CQE, signalled or not */
        assert_int_equal(next_done().status, WC_REM_ACCESS);
        complete(&o, 5, WC_WRITE, WC_WR_FLUSH);
        assert_int_equal(next_done().wr_id, 5);
        stand_close(&b);
    }
}

static void receives_come_back_by_the_callers_ids_in_both_formats(void **state)
{
    (void)state;
    const struct hca_param p = quick();

    for (unsigned native = 0; native < 2; native++) {
        const struct objects o = make(&p, native != 0, DRIVER_POLL);
        const struct qp *const q = QP(b.m, o.qp);
        for (uint64_t i = 0; i < 30; i++) {
            const struct driver_wr w = {.wr_id = 0xf000000000000000ULL + i,
                                        .qp = o.qp,
                                        .srq = DRIVER_NONE,
                                        .opcode = DRIVER_WR_RECV,
                                        .nsge = 1,
                                        .sge = {{.mr = o.mr, .len = 100, .off = i}}};
            assert_true(driver_post(b.m, stand_ps(&b), &w));
            stand_run(&b, 200);
            if (!native) {
                mem_put32(b.m, 0, q->ring.pages + 12, (uint32_t)(i + 1) & 15);
            }
            complete(&o, native ? i : w.wr_id, WC_RECV_IMM, WC_OK);
            const struct driver_completion d = next_done();
            assert_true(d.wr_id == w.wr_id && d.recv && d.byte_len == 64);
            assert_int_equal(d.imm, 0x01020304);
        }
        assert_int_equal(b.doorbells, 30);
        assert_true(b.db[0].kind == DB_RECV && b.db[0].number == q->handle);
        assert_int_equal(driver_room_recv(b.m, o.qp, DRIVER_NONE), 8);
        stand_close(&b);
    }
}

static void an_armed_cq_wakes_its_thread_once_and_is_armed_again(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_EVENT);
    struct cq *const c = CQ(b.m, o.cq);
    const struct drv *const d = DRV(b.m, o.driver);
    uint64_t cycles[CPU_CAUSES];

    stand_run(&b, 200);
    assert_true(b.doorbells == 0 && c->run == CQ_ARMED); /* its arm came during the set-up */
    for (uint64_t i = 1; i <= 3; i++) {
        const struct driver_wr w = send_wr(&o, i, WRF_SIGNALED);
        assert_true(driver_post(b.m, stand_ps(&b), &w));
    }
    stand_run(&b, 500);
    for (uint64_t i = 1; i <= 3; i++) {
        complete(&o, i, WC_WRITE, WC_OK);
    }
    assert_true(none_done()); /* nobody looks before the interrupt */
    b.doorbells = 0;
    mem_put32(b.m, 0, d->notify.pages + PAGE_BYTES, c->handle);
    mem_put32(b.m, 0, d->notify.pages + 8, 1);
    const uint64_t at = stand_ps(&b);
    stand_msi(&b, VEC_CQ);
    for (uint64_t i = 1; i <= 3; i++) {
        const struct driver_completion x = next_done();
        assert_int_equal(x.wr_id, i);
        assert_true(x.polled_ps >= at + 3 * 10000); /* interrupt, switch, system call */
    }
    stand_run(&b, 200);
    assert_int_equal(mem_get32(b.m, 0, d->notify.pages + 12), 1);
    assert_true(b.doorbells == 1 && b.db[3].kind != DB_CQ_POLL && c->run == CQ_ARMED);
    machine_account(b.m, 0, stand_ps(&b), cycles);
    assert_true(cycles[CPU_SWITCH] == 22 && cycles[CPU_SYSCALL] == 22);
    assert_int_equal(cycles[CPU_IDLE_POLL], 0);
    stand_close(&b);
}

static void device_rings_wrap_where_the_linux_driver_wraps(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_POLL);
    const struct drv *const d = DRV(b.m, o.driver);
    const uint32_t event[2] = {ASYNC_QP_FATAL, QP(b.m, o.qp)->handle};
    struct driver_async a;
    uint32_t tail = 0;

    for (unsigned i = 0; i < 3000; i++) { /* slot tail & 0x5ff, next (tail + 1) & 0xbff */
        mem_put(b.m, 0, d->async.pages + PAGE_BYTES + (tail & 0x5ff) * 8ULL, event, 8);
        tail = (tail + 1) & 0xbff;
        mem_put32(b.m, 0, d->async.pages + 8, tail);
        stand_msi(&b, VEC_ASYNC);
        for (unsigned n = 0; n < 100 && !machine_async(b.m, &a); n++) {
            stand_cycle(&b);
        }
        assert_true(a.type == ASYNC_QP_FATAL && a.object == o.qp && a.driver == o.driver);
        assert_int_equal(mem_get32(b.m, 0, d->async.pages + 12), tail);
    }
    stand_close(&b);
}

/* --- state ------------------------------------------------------------------------------------ */

static void a_saved_machine_goes_on_as_the_one_it_was_saved_from(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_POLL);
    struct hca_error err;

    for (uint64_t i = 1; i <= 7; i++) {
        const struct driver_wr w = send_wr(&o, i, WRF_SIGNALED);
        assert_true(driver_post(b.m, stand_ps(&b), &w));
    }
    stand_run(&b, 100);
    const size_t n = machine_save(b.m, NULL, 0);
    uint8_t *const image = test_malloc(n), *const again = test_malloc(n);
    assert_int_equal(machine_save(b.m, image, n), n);
    struct machine *const other = machine_open(&b.p, b.host, 0, &err);
    assert_non_null(other);
    assert_true(machine_load(other, image, n));
    assert_int_equal(machine_save(other, again, n), n);
    assert_memory_equal(image, again, n);
    assert_int_equal(machine_next(other), machine_next(b.m));
    assert_int_equal(driver_room_send(other, o.qp), driver_room_send(b.m, o.qp));
    for (size_t cut = 0; cut < n; cut += 1 + n / 97) {
        assert_false(machine_load(other, image, cut));
    }
    image[0] ^= 1;
    assert_false(machine_load(other, image, n));
    test_free(image);
    test_free(again);
    machine_close(other);
    stand_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_accepts_every_command_of_the_set_up),
        cmocka_unit_test(a_refused_command_is_told_with_its_name_and_reason),
        cmocka_unit_test(bus_addresses_are_not_physical_ones_and_every_page_is_mapped_as_asked),
        cmocka_unit_test(an_aliased_region_shows_the_same_bytes_over_and_over),
        cmocka_unit_test(what_does_not_fit_is_refused_with_value_and_bound),
        cmocka_unit_test(a_pvrdma_post_writes_wqe_then_index_then_rings_and_costs_its_cycles),
        cmocka_unit_test(posts_back_to_back_share_doorbells_as_configured),
        cmocka_unit_test(requests_of_one_call_are_announced_together),
        cmocka_unit_test(a_single_native_request_goes_by_mmio_with_its_bytes),
        cmocka_unit_test(a_full_ring_takes_nothing_until_the_device_moves_its_head),
        cmocka_unit_test(a_full_mmio_path_stalls_the_cores_and_loses_nothing),
        cmocka_unit_test(a_polling_core_sees_a_cqe_at_the_next_poll_and_pays_for_the_idle_ones),
        cmocka_unit_test(a_cqe_proves_the_unsignalled_requests_before_it),
        cmocka_unit_test(receives_come_back_by_the_callers_ids_in_both_formats),
        cmocka_unit_test(an_armed_cq_wakes_its_thread_once_and_is_armed_again),
        cmocka_unit_test(device_rings_wrap_where_the_linux_driver_wraps),
        cmocka_unit_test(a_saved_machine_goes_on_as_the_one_it_was_saved_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
