/* driver: set-up and posting: what the software of a host writes, when, and at whose cost. */
#include "tests/driver_objects.h"

#include "model/trace.h"

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
    assert_non_null(strstr(err.text, "host.vms"));
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

/* Functions 0 and 1 have VMs 0 and 1; VM 2 has none. */
static void a_function_reaches_other_vms_only_inside_its_domain(void **state)
{
    (void)state;
    struct hca_param p = quick();
    struct hca_error err = {{0}};

    p.host_vms = 3;
    p.hca_fn_max = 3;
    for (unsigned shared = 0; shared < 2; shared++) {
        p.host_vm_requester = shared ? HCA_HOST_VM_REQUESTER_SHARED : HCA_HOST_VM_REQUESTER_OWN;
        stand_open(&b, &p);
        const uint32_t d0 = driver_open(b.m, &(struct driver_place){0}, &err);
        const uint32_t d1 = driver_open(b.m, &(struct driver_place){.fn = 1, .vm = 1}, &err);
        assert_true(d0 != DRIVER_NONE && d1 != DRIVER_NONE);
        const uint32_t pd = driver_pd(b.m, d0, &err);
        struct driver_mr s = {.pd = pd, .vm = 2, .va = 0x1000, .bytes = 8192, .access = 1};
        const uint32_t mr = driver_mr(b.m, &s, &err);
        uint32_t word = 5, back = 0;
        assert_true(driver_mr_write(b.m, mr, 4096, &word, 4));
        assert_true(driver_mr_read(b.m, mr, 4096, &back, 4) && back == 5);
        s.vm = 1;
        assert_int_equal(driver_mr(b.m, &s, &err) != DRIVER_NONE, shared);
        assert_int_equal(VM(b.m, 0)->rid == VM(b.m, 1)->rid, shared);
        assert_int_equal(VM(b.m, 2)->rid, 0x100);
        stand_close(&b);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_accepts_every_command_of_the_set_up),
        cmocka_unit_test(a_refused_command_is_told_with_its_name_and_reason),
        cmocka_unit_test(bus_addresses_are_not_physical_ones_and_every_page_is_mapped_as_asked),
        cmocka_unit_test(an_aliased_region_shows_the_same_bytes_over_and_over),
        cmocka_unit_test(what_does_not_fit_is_refused_with_value_and_bound),
        cmocka_unit_test(a_function_reaches_other_vms_only_inside_its_domain),
        cmocka_unit_test(a_pvrdma_post_writes_wqe_then_index_then_rings_and_costs_its_cycles),
        cmocka_unit_test(posts_back_to_back_share_doorbells_as_configured),
        cmocka_unit_test(requests_of_one_call_are_announced_together),
        cmocka_unit_test(a_single_native_request_goes_by_mmio_with_its_bytes),
        cmocka_unit_test(a_full_ring_takes_nothing_until_the_device_moves_its_head),
        cmocka_unit_test(a_full_mmio_path_stalls_the_cores_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
