/* driver: completions by polling and by interrupt, device rings, saving. */
#include "tests/driver_objects.h"

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

/* Slot and next index of a device ring as the Linux driver computes them (PVRDMA ABI, section 7).
 */
static void device_rings_wrap_where_the_linux_driver_wraps(void **state)
{
    (void)state;
    const struct hca_param p = quick();
    const struct objects o = make(&p, false, DRIVER_POLL);
    const struct drv *const d = DRV(b.m, o.driver);
    const uint32_t event[2] = {ASYNC_QP_FATAL, QP(b.m, o.qp)->handle};
    const uint64_t async = d->async.pages, notify = d->notify.pages;
    struct driver_async a = {0};
    uint32_t tail[2] = {0};

    for (unsigned i = 0; i < 5000; i++) {
        mem_put(b.m, 0, async + PAGE_BYTES + (tail[0] & 0x5ff) * 8ULL, event, 8);
        tail[0] = (tail[0] + 1) & 0xbff;
        mem_put32(b.m, 0, async + 8, tail[0]);
        mem_put32(b.m, 0, notify + PAGE_BYTES + (tail[1] & 0xbff) * 4ULL, 0);
        tail[1] = (tail[1] + 1) & 0x17ff;
        mem_put32(b.m, 0, notify + 8, tail[1]);
        stand_msi(&b, VEC_ASYNC);
        stand_msi(&b, VEC_CQ);
        stand_run(&b, 50);
        assert_true(machine_async(b.m, &a) && a.type == ASYNC_QP_FATAL);
        assert_true(a.object == o.qp && a.driver == o.driver);
        assert_int_equal(mem_get32(b.m, 0, async + 12), tail[0]);
        assert_int_equal(mem_get32(b.m, 0, notify + 12), tail[1]);
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
        cmocka_unit_test(a_polling_core_sees_a_cqe_at_the_next_poll_and_pays_for_the_idle_ones),
        cmocka_unit_test(a_cqe_proves_the_unsignalled_requests_before_it),
        cmocka_unit_test(receives_come_back_by_the_callers_ids_in_both_formats),
        cmocka_unit_test(an_armed_cq_wakes_its_thread_once_and_is_armed_again),
        cmocka_unit_test(device_rings_wrap_where_the_linux_driver_wraps),
        cmocka_unit_test(a_saved_machine_goes_on_as_the_one_it_was_saved_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
