/* memory: service times, bounds on parallelism and bandwidth, the cache, what cores are told. */
#include "tests/memory_drive.h"

static void a_line_costs_exactly_its_service_time(void **state)
{
    (void)state;
    for (unsigned remote = 0; remote < 2; remote++) {
        for (unsigned cold = 0; cold < 2; cold++) {
            struct hca_param p = plain();
            p.host_socket = remote ? HCA_HOST_SOCKET_REMOTE : HCA_HOST_SOCKET_LOCAL;
            p.host_buffer_state = cold ? HCA_HOST_BUFFER_STATE_COLD : HCA_HOST_BUFFER_STATE_WARM;
            struct host *const h = fresh(&p);
            const uint64_t want = (cold ? 110U : 70U) + (remote ? 107U : 0U);
            assert_int_equal(read_time(h, MEM_RAM + 4096, 64), want);
            assert_int_equal(read_time(h, MEM_RAM + 4096, 1), want);
            assert_int_equal(h->y.s.memory_remote_lines, remote ? 2 : 0);
            /* the hypervisor's own memory is local */
            assert_int_equal(read_time(h, host_hyp_take(h, 64, 4096), 64), cold ? 110 : 70);
            host_close(h);
        }
    }
}

static void a_service_time_of_zero_still_takes_one_cycle(void **state)
{
    (void)state;
    struct hca_param p = plain();
    p.host_llc_hit_ns = p.host_dram_ns = 0;
    struct host *const h = fresh(&p);

    assert_int_equal(read_time(h, MEM_RAM, 64), 1);
    p.host_llc_hit_ns = p.host_dram_ns = 1;
    struct host *const k = fresh(&p);
    assert_int_equal(read_time(k, MEM_RAM, 64), 1);
    host_close(h);
    host_close(k);
}

static void lines_beyond_the_parallelism_wait_for_a_server(void **state)
{
    (void)state;
    const uint64_t servers[] = {1, 2, 3, 64};
    for (size_t i = 0; i < 4; i++) {
        struct hca_param p = plain();
        p.host_mem_parallelism = servers[i];
        struct host *const h = fresh(&p);
        for (uint64_t lines = 1; lines <= 16; lines += 5) {
            const uint64_t rounds = (lines + servers[i] - 1) / servers[i];
            assert_int_equal(read_time(h, MEM_RAM, (uint32_t)lines * 64), 70 * rounds);
        }
        const uint64_t three = (3 + servers[i] - 1) / servers[i]; /* 66 bytes that touch 3 lines */
        assert_int_equal(read_time(h, MEM_RAM + 63, 66), 70 * three);
        host_close(h);
    }
}

static void dram_lines_share_the_bandwidth(void **state)
{
    (void)state;
    struct hca_param p = plain();
    p.host_buffer_state = HCA_HOST_BUFFER_STATE_COLD;
    p.host_mem_mbps = 16000; /* 32 cycles per line */
    struct host *const h = fresh(&p);

    assert_int_equal(read_time(h, MEM_RAM, 64), 110);
    assert_int_equal(read_time(h, MEM_RAM + 4096, 640), 110 + 9 * 32);
    host_close(h);
}

static void requests_in_service_are_bounded_and_the_rest_stays_on_the_wire(void **state)
{
    (void)state;
    struct hca_param p = plain();
    p.host_mem_parallelism = 4;
    struct host *const h = fresh(&p);
    const struct tlp q = read_of(MEM_RAM, 64);

    for (unsigned i = 0; i < 8; i++) {
        ask(h, &q);
    }
    drive(h, 40); /* 4 in service until cycle 70 or so */
    assert_int_equal(fifo_level(&h->mem_io.ctl), 4);
    drive(h, 400);
    assert_int_equal(fifo_level(&h->mem_io.ctl), 0);
    assert_int_equal(fifo_level(&h->mem_done.ctl), 8);
    host_close(h);
}

static void a_warm_cache_holds_its_size_and_no_more(void **state)
{
    (void)state;
    struct hca_param p = plain(); /* 1 MiB cache */
    struct host *const h = fresh(&p);
    const struct {
        uint64_t window, least, most;
    } want[] = {{262144, 4096, 4096}, {8388608, 100, 1100}};

    for (unsigned w = 0; w < 2; w++) {
        uint64_t r = 5;
        struct tlp m;
        for (unsigned round = 0; round < 3; round++) { /* the last one counts */
            h->y.s.memory_llc_hits = h->y.s.memory_llc_misses = 0;
            for (unsigned i = 0; i < 4096; i++) {
                const struct tlp q =
                    read_of(MEM_RAM + drive_below(&r, want[w].window / 64) * 64, 64);
                ask(h, &q);
                drive(h, 1);
                (void)DRIVE_TAKE(h, mem_done, &m);
            }
        }
        assert_int_equal(h->y.s.memory_llc_hits + h->y.s.memory_llc_misses, 4096);
        assert_true(h->y.s.memory_llc_hits >= want[w].least);
        assert_true(h->y.s.memory_llc_hits <= want[w].most);
    }
    host_close(h);
}

static void a_cold_cache_learns_from_writes_cores_and_walks_but_not_from_reads(void **state)
{
    (void)state;
    struct hca_param p = plain();
    p.host_buffer_state = HCA_HOST_BUFFER_STATE_COLD;
    struct host *const h = fresh(&p);

    assert_int_equal(read_time(h, MEM_RAM, 64), 110);
    assert_int_equal(read_time(h, MEM_RAM, 64), 110);
    write_value(h, (struct tlp){.addr = MEM_RAM}, 1);
    assert_int_equal(read_time(h, MEM_RAM, 64), 70);
    assert_int_equal(read_time(h, MEM_RAM + 64, 64), 110); /* a tag is shared, a line is not */
    host_touch(h, MEM_RAM + 4096 + 100, 1000);
    assert_int_equal(read_time(h, MEM_RAM + 4096 + 64, 64), 70);
    assert_int_equal(read_time(h, MEM_RAM + 4096 + 1088, 1), 70);
    assert_int_equal(read_time(h, MEM_RAM + 4096 + 1152, 1), 110);
    DRIVE_PUSH(h, mem_walk, mem_req, .addr = MEM_RAM + 8192, .len = 8);
    assert_int_equal(read_time(h, MEM_RAM + 8192, 64), 70);
    host_close(h);
}

static void without_ddio_writes_go_to_dram_and_leave_the_cache(void **state)
{
    (void)state;
    struct hca_param p = plain();
    p.host_ddio = 0;
    struct host *const h = fresh(&p);

    assert_int_equal(read_time(h, MEM_RAM, 64), 70); /* warm */
    write_value(h, (struct tlp){.addr = MEM_RAM}, 1);
    assert_int_equal(read_time(h, MEM_RAM, 64), 110);
    assert_int_equal(read_time(h, MEM_RAM + 64, 64), 70);
    host_close(h);
}

static void evicted_dirty_lines_use_bandwidth(void **state)
{
    (void)state;
    struct hca_param p = plain();
    p.host_llc_bytes = 65536;
    struct host *const h = fresh(&p);
    struct seen s;

    for (unsigned i = 0; i < 4096; i++) { /* 256 KiB of writes through 64 KiB */
        write_value(h, (struct tlp){.addr = MEM_RAM + i * 64}, i);
        drive(h, 1);
        (void)DRIVE_TAKE(h, seen, &s);
    }
    drive(h, 5000);
    assert_int_equal(h->y.s.memory_written_back, 4096 - 1024);
    host_close(h);
}

static void bytes_move_in_the_cycle_in_which_the_service_ends(void **state)
{
    (void)state;
    const struct hca_param p = plain();
    struct host *const h = fresh(&p);
    static uint8_t sink[SINK_BYTES];
    struct tlp q = read_of(MEM_RAM + 128, 8);

    host_attach(h, 0, sink);
    q.data = 24;
    memset(host_mem(h, MEM_RAM, 4096), 1, 4096);
    ask(h, &q);
    drive(h, 69); /* arrives in the next cycle, is served for 70, copied in the last of them */
    memset(host_mem(h, MEM_RAM, 4096), 2, 4096);
    drive(h, 1);
    memset(host_mem(h, MEM_RAM, 4096), 3, 4096);
    drive(h, 10);
    assert_int_equal(sink[24], 2);
    assert_int_equal(sink[23], 0);
    assert_int_equal(sink[32], 0);

    write_value(h, (struct tlp){.addr = MEM_RAM + 256}, 7);
    drive(h, 69);
    assert_int_not_equal(value_at(h, MEM_RAM + 256), 7);
    drive(h, 1);
    assert_int_equal(value_at(h, MEM_RAM + 256), 7);
    host_close(h);
}

static void cores_are_told_of_watched_writes_only(void **state)
{
    (void)state;
    for (uint8_t cls = 0; cls < CLS_COUNT; cls++) {
        for (uint32_t mid = 0; mid < 2; mid++) {
            const struct hca_param p = plain();
            struct host *const h = fresh(&p);
            struct seen s;
            const bool always = cls == CLS_CQE || cls == CLS_EVENT || cls == CLS_COMMAND;
            const bool marked = mid != 0 && (cls == CLS_PAYLOAD || cls == CLS_ATOMIC);

            write_value(h, (struct tlp){.addr = MEM_RAM + 40, .cls = cls, .mid = mid, .rid = 0x102},
                        1);
            drive(h, 200);
            const bool told = DRIVE_TAKE(h, seen, &s);
            assert_int_equal(told, always || marked);
            if (told) {
                assert_true(s.addr == MEM_RAM + 40 && s.len == 8 && s.cls == cls && s.mid == mid &&
                            s.rid == 0x102);
            }
            host_close(h);
        }
    }
}

static void what_is_seen_is_there_and_stamped(void **state)
{
    (void)state;
    const struct hca_param p = plain();
    struct host *const h = fresh(&p);
    struct trace_rec rec;
    struct ev_stage ev;
    bool stamped = false;

    h->y.trace.mask = 1ULL << EV_stage;
    write_value(h, (struct tlp){.addr = MEM_RAM, .cls = CLS_CQE, .mid = 9}, 5);
    h->y.t.now = h->y.k.now;
    while (DRIVE_AT(h, seen) > h->y.k.now) {
        assert_true(DRIVE_AT(h, seen) != HCA_NEVER || value_at(h, MEM_RAM) != 5);
        drive(h, 1);
    }
    assert_int_equal(value_at(h, MEM_RAM), 5);
    while (host_event(h, &rec)) {
        memcpy(&ev, rec.args, sizeof ev);
        stamped = rec.id == EV_stage && ev.stage == STAGE_cqe_visible && ev.mid == 9 &&
                  ev.at == DRIVE_AT(h, seen);
    }
    assert_true(stamped);
    host_close(h);
}

static void no_memory_reads_as_unsupported_and_swallows_writes(void **state)
{
    (void)state;
    const struct hca_param p = plain();
    struct host *const h = fresh(&p);
    const uint64_t bad[] = {
        0,         4096, MEM_RAM + p.host_mem_bytes, MEM_RAM + p.host_mem_bytes - 4, UINT64_MAX - 7,
        5ULL << 38};
    struct tlp m;
    struct seen s;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct tlp q = read_of(bad[i], 8);
        ask(h, &q);
        DRIVE_UNTIL(h, mem_done, 1000);
        assert_true(DRIVE_TAKE(h, mem_done, &m));
        assert_int_equal(m.status, DMA_UR);
        write_value(h, (struct tlp){.addr = bad[i], .cls = CLS_CQE}, 1);
        drive(h, 500);
        assert_false(DRIVE_TAKE(h, seen, &s));
    }
    assert_int_equal(h->y.s.memory_absent_reads, 6);
    assert_int_equal(h->y.s.memory_absent_writes, 6);
    assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
    host_close(h);
}

static void without_payload_time_is_the_same_and_bytes_stay(void **state)
{
    (void)state;
    uint64_t hash[2];
    for (unsigned payload = 0; payload < 2; payload++) {
        struct hca_param p = plain();
        p.sim_payload = payload;
        struct host *const h = fresh(&p);
        static uint8_t sink[SINK_BYTES];
        struct tlp q = read_of(MEM_RAM, 8), m;
        memset(sink, 0xee, sizeof sink);
        host_attach(h, 0, sink);
        ask(h, &q);
        q.cls = CLS_WQE;
        q.data = 64;
        ask(h, &q);
        DRIVE_UNTIL(h, mem_done, 1000);
        drive(h, 2);
        (void)DRIVE_TAKE(h, mem_done, &m);
        assert_int_equal(sink[0], payload ? 0 : 0xee);
        assert_int_equal(sink[64], 0);
        hash[payload] = host_hash(h);
        host_close(h);
    }
    assert_true(hash[0] == hash[1]);
}

static void a_table_entry_is_read_with_its_neighbour_or_refused(void **state)
{
    (void)state;
    const struct hca_param p = plain();
    struct host *const h = fresh(&p);
    const uint64_t v[2] = {0x1122334455667788, 42};
    struct mem_rsp m;

    memcpy(host_mem(h, MEM_RAM + 512, 16), v, 16);
    DRIVE_PUSH(h, mem_walk, mem_req, .addr = MEM_RAM + 512, .len = 16, .cookie = 3);
    drive(h, 70);
    assert_true(DRIVE_AT(h, mem_walked) > drive_now(h));
    drive(h, 1);
    assert_true(DRIVE_TAKE(h, mem_walked, &m));
    assert_true(m.value == v[0] && m.value2 == v[1] && m.cookie == 3 && m.status == DMA_OK);
    DRIVE_PUSH(h, mem_walk, mem_req, .addr = MEM_RAM + 520, .len = 8);
    DRIVE_UNTIL(h, mem_walked, 1000);
    assert_true(DRIVE_TAKE(h, mem_walked, &m));
    assert_true(m.value == 42 && m.value2 == 0);
    DRIVE_PUSH(h, mem_walk, mem_req, .addr = 64, .len = 8);
    DRIVE_UNTIL(h, mem_walked, 1000);
    drive(h, 1);
    assert_true(DRIVE_TAKE(h, mem_walked, &m));
    assert_int_equal(m.status, DMA_UR);
    host_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_costs_exactly_its_service_time),
        cmocka_unit_test(a_service_time_of_zero_still_takes_one_cycle),
        cmocka_unit_test(lines_beyond_the_parallelism_wait_for_a_server),
        cmocka_unit_test(dram_lines_share_the_bandwidth),
        cmocka_unit_test(requests_in_service_are_bounded_and_the_rest_stays_on_the_wire),
        cmocka_unit_test(a_warm_cache_holds_its_size_and_no_more),
        cmocka_unit_test(a_cold_cache_learns_from_writes_cores_and_walks_but_not_from_reads),
        cmocka_unit_test(without_ddio_writes_go_to_dram_and_leave_the_cache),
        cmocka_unit_test(evicted_dirty_lines_use_bandwidth),
        cmocka_unit_test(bytes_move_in_the_cycle_in_which_the_service_ends),
        cmocka_unit_test(cores_are_told_of_watched_writes_only),
        cmocka_unit_test(what_is_seen_is_there_and_stamped),
        cmocka_unit_test(no_memory_reads_as_unsupported_and_swallows_writes),
        cmocka_unit_test(without_payload_time_is_the_same_and_bytes_stay),
        cmocka_unit_test(a_table_entry_is_read_with_its_neighbour_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
