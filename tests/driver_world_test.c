/* driver and control path in a whole system: two hosts with real adapters, a switch between them;
 * QPs are reset, broken, destroyed and functions reset while work is under way. */
#include "tests/driver_world.h"

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

static uint8_t status_of(struct side *s, struct driver_wr *x)
{
    s->dones = 0;
    post(s, x);
    run_ns(100000);
    assert_true(s->dones >= 1);
    return s->done[0].status;
}

static void a_key_registered_by_work_request_opens_memory_until_it_is_invalidated(void **state)
{
    (void)state;
    struct hca_error err;

    for (unsigned native = 0; native < 2; native++) {
        up(QPT_RC, native != 0, false);
        struct side *const s = &side[0], *const t = &side[1];
        const struct driver_mr spec = {
            .pd = t->pd, .va = 0x900100, .bytes = 20000, .access = 0, .flags = DRIVER_MR_FAST};
        const uint32_t mr = driver_mr(t->m, &spec, &err);
        uint32_t word = 0x600d, back = 0;
        settle();
        struct driver_wr w = wr(s, 0, WR_WRITE, 4);
        w.rkey = driver_mr_key(t->m, mr);
        w.raddr = driver_mr_va(t->m, mr) + 19996;
        assert_true(driver_mr_write(s->m, s->mr, 0x100, &word, 4));
        struct driver_wr reg = wr(t, 1, WR_FAST_REG, 0);
        reg.nsge = 0;
        reg.key_mr = mr;
        reg.key_access = ACC_LOCAL_WRITE | ACC_REMOTE_WRITE;
        assert_int_equal(status_of(t, &reg), WC_OK);
        assert_int_equal(status_of(s, &w), WC_OK);
        assert_true(driver_mr_read(t->m, mr, 19996, &back, 4));
        assert_int_equal(back, word);

        struct driver_wr inv = wr(s, 0, WR_SEND_INV, 16);
        inv.rkey = w.rkey;
        post_recv(t, 0, 9);
        t->dones = 0;
        assert_int_equal(status_of(s, &inv), WC_OK);
        assert_true(t->dones == 1 && (t->done[0].wc_flags & CQE_INVALIDATE) != 0);
        assert_int_equal(t->done[0].imm, w.rkey);
        assert_int_equal(status_of(s, &w), WC_REM_ACCESS);

        assert_int_equal(status_of(t, &reg), WC_OK); /* again, and closed by its owner */
        struct driver_wr close = wr(t, 1, WR_LOCAL_INV, 0);
        close.nsge = 0;
        close.rkey = w.rkey;
        w.qp = s->qp[2];
        assert_int_equal(status_of(s, &w), WC_OK);
        assert_int_equal(status_of(t, &close), WC_OK);
        assert_int_equal(status_of(s, &w), WC_REM_ACCESS);
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

static uint64_t hash_in_mode(unsigned mode)
{
    p.cpu_command_cycles = 2000;
    up_in(mode, QPT_RC, false, true);
    for (unsigned k = 0; k < 20; k++) {
        for (unsigned i = 0; i < QPS; i++) {
            const struct driver_wr x = wr(&side[0], i, k % 3 == 0 ? WR_READ : WR_WRITE, 3000);
            const struct driver_wr y = wr(&side[1], i, WR_WRITE, 5000);
            post(&side[0], &x);
            post(&side[1], &y);
        }
    }
    run_ns(4000);
    driver_modify(side[0].m, side[0].qp[1], QPS_ERR);
    driver_destroy_qp(side[0].m, side[0].qp[2]);
    driver_reset(side[1].m, side[1].driver);
    settle();
    run_ns(50000);
    const uint64_t hash = world_hash(w);
    down();
    return hash;
}

static void the_order_of_ticks_changes_nothing_in_set_up_errors_and_destruction(void **state)
{
    (void)state;
    const uint64_t plain = hash_in_mode(0);

    assert_true(hash_in_mode(HCA_MODE_REVERSE) == plain);
    assert_true(hash_in_mode(HCA_MODE_SHUFFLE) == plain);
    assert_true(hash_in_mode(HCA_MODE_ALL) == plain);
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
        cmocka_unit_test_setup(
            a_key_registered_by_work_request_opens_memory_until_it_is_invalidated, defaults),
        cmocka_unit_test_setup(a_qp_set_to_error_flushes_all_and_works_again_after_reset, defaults),
        cmocka_unit_test_setup(a_qp_destroyed_under_traffic_disturbs_no_other, defaults),
        cmocka_unit_test_setup(a_function_reset_under_traffic_ends_its_dma_and_comes_up_again,
                               defaults),
        cmocka_unit_test_setup(keys_and_queues_go_and_come_again_and_again, defaults),
        cmocka_unit_test_setup(the_order_of_ticks_changes_nothing_in_set_up_errors_and_destruction,
                               defaults),
        cmocka_unit_test_setup(a_foreign_key_and_a_limit_are_told_by_status_and_event, defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
