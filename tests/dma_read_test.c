/* dma_read: what is cut how, and which answer comes when. Packets: dma_read_packet_test.c. */
#include "tests/dma_memory.h"

enum { RAM = 1 << 20, DATA = 1 << 12 };

static struct hca *fresh(const struct hca_param *p)
{
    return unit_hca(p, 1ULL << U_dma_read);
}

/* Bytes of the test's own in the beat store: behind those of the units, which do not run. */
static uint32_t scratch(const struct hca *h)
{
    return h->store.wqe_raw + (h->store.wqe_pool.n - 8) * WQE_RAW_MAX;
}

/* ---- latency ----------------------------------------------------------------------------------
 */

static void the_first_request_leaves_after_the_engine_latency_and_not_a_cycle_before(void **state)
{
    (void)state;
    static const uint64_t engine_ns[] = {0, 1, 10, 60};

    for (size_t i = 0; i < sizeof engine_ns / sizeof engine_ns[0]; i++) {
        struct hca_param p = unit_param();
        p.hca_dma_engine_ns = engine_ns[i];
        struct hca *const h = fresh(&p);
        const uint64_t wait = engine_ns[i] == 0 ? 1 : engine_ns[i];
        struct tlp m;
        UNIT_PUSH(h, rd_req_cmd, rd_req, .addr = 64, .len = 64, .data = scratch(h));
        unit_run(h, wait + 1); /* one cycle to be seen, then the engine */
        assert_true(!UNIT_POP(h, up_rd, &m));
        unit_run(h, 1);
        assert_true(UNIT_POP(h, up_rd, &m));
        assert_int_equal(m.type, TLP_MRD);
        hca_close(h);
    }
}

static void the_answer_is_seen_two_cycles_after_the_last_completion(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct tlp m;
    struct rd_rsp r;

    UNIT_PUSH(h, rd_req_ev, rd_req, .addr = 64, .len = 64, .cookie = 77, .data = scratch(h));
    unit_run(h, 20);
    assert_true(UNIT_POP(h, up_rd, &m));
    UNIT_PUSH(h, pcie_in, tlp, .tag = m.tag, .len = 32, .left = 64);
    unit_run(h, 5);
    assert_true(!UNIT_POP(h, rd_rsp_ev, &r)); /* half of the bytes are no answer */
    UNIT_PUSH(h, pcie_in, tlp, .tag = m.tag, .len = 32, .left = 32);
    unit_run(h, 1);
    assert_true(!UNIT_POP(h, rd_rsp_ev, &r));
    unit_run(h, 1);
    assert_true(UNIT_POP(h, rd_rsp_ev, &r));
    assert_int_equal(r.cookie, 77);
    assert_int_equal(r.status, DMA_OK);
    hca_close(h);
}

static void store_and_forward_delays_the_answer_by_size_over_rate(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {64, 2048};

    for (int i = 0; i < 2; i++) {
        struct hca_param p = unit_param();
        p.hca_dma_store_mbps = 54000;
        p.pcie_mrrs_bytes = 4096;
        struct hca *const h = fresh(&p);
        const uint64_t delay = (sizes[i] * 8 * 1000 + 53999) / 54000; /* ns, rounded up */
        struct tlp m;
        struct rd_rsp r;
        UNIT_PUSH(h, rd_req_bench, rd_req, .addr = 0, .len = sizes[i]);
        unit_run(h, 20);
        assert_true(UNIT_POP(h, up_rd, &m));
        UNIT_PUSH(h, pcie_in, tlp, .tag = m.tag, .len = sizes[i], .left = sizes[i]);
        unit_run(h, 1 + delay);
        assert_true(!UNIT_POP(h, rd_rsp_bench, &r));
        unit_run(h, 1);
        assert_true(UNIT_POP(h, rd_rsp_bench, &r));
        hca_close(h);
    }
}

static void requests_keep_the_issue_interval_exactly_on_average(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_dma_issue_interval_ps = 2700; /* 10 requests in 27 cycles */
    p.pcie_mrrs_bytes = 128;
    struct hca *const h = fresh(&p);
    uint64_t first = 0;
    uint64_t last = 0;
    uint32_t n = 0;
    struct tlp m;

    for (int i = 0; i < 4; i++) {
        UNIT_PUSH(h, rd_req_bench, rd_req, .addr = 0, .len = 4096);
    }
    for (int i = 0; i < 400; i++) {
        unit_run(h, 1);
        if (UNIT_POP(h, up_rd, &m)) {
            first = n++ == 0 ? m.at : first;
            last = m.at;
        }
    }
    assert_int_equal(n, 128);
    assert_in_range(last - first, 127 * 27 / 10, 127 * 27 / 10 + 1);
    hca_close(h);
}

/* ---- cutting ----------------------------------------------------------------------------------
 */

static void reads_are_cut_at_mrrs_and_at_4_kib_and_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        uint64_t addr;
        uint32_t len, mrrs, n, size[4];
    } rows[] = {
        {0, 64, 512, 1, {64}},
        {0, 513, 512, 2, {512, 1}},
        {4095, 2, 512, 2, {1, 1}},
        {4096 - 300, 1000, 512, 3, {300, 512, 188}},
        {1, 4096, 4096, 2, {4095, 1}},
        {4000, 5000, 4096, 3, {96, 4096, 808}},
        {0xfffffffffffff000ULL, 4096, 4096, 1, {4096}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = unit_param();
        p.pcie_mrrs_bytes = rows[i].mrrs;
        struct hca *const h = fresh(&p);
        uint64_t addr = rows[i].addr;
        struct tlp m;
        UNIT_PUSH(h, rd_req_wqe, rd_req, .addr = addr, .len = rows[i].len, .fn = 3, .cls = CLS_WQE,
                  .data = DATA);
        unit_run(h, 40);
        for (uint32_t n = 0; n < rows[i].n; n++) {
            assert_true(UNIT_POP(h, up_rd, &m));
            assert_int_equal(m.len, rows[i].size[n]);
            assert_int_equal(m.addr, addr);
            assert_int_equal(m.data, DATA + addr - rows[i].addr);
            assert_int_equal(m.fn, 3);
            assert_int_equal(m.cls, CLS_WQE);
            addr += m.len;
        }
        unit_run(h, 10);
        assert_true(!UNIT_POP(h, up_rd, &m));
        assert_int_equal(h->y.s.dma_read_tlps, rows[i].n);
        assert_int_equal(h->y.s.dma_read_bytes, rows[i].len);
        hca_close(h);
    }
}

static void tags_bound_the_requests_in_flight_and_ten_bit_tags_start_at_256(void **state)
{
    (void)state;
    static const struct {
        uint64_t tags, first;
    } rows[] = {{1, 0}, {13, 0}, {256, 0}, {300, 256}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = unit_param();
        p.hca_dma_read_tags = rows[i].tags;
        p.pcie_tags = 768;
        p.pcie_mrrs_bytes = 128;
        struct hca *const h = fresh(&p);
        bool seen[1024] = {false};
        uint64_t n = 0;
        struct tlp m;
        for (int c = 0; c < 3000; c++) {
            if (c % 4 == 0 && c < 120) {
                UNIT_PUSH(h, rd_req_bench, rd_req, .addr = 0, .len = 4096);
            }
            unit_run(h, 1);
            if (UNIT_POP(h, up_rd, &m)) {
                assert_in_range(m.tag, rows[i].first, rows[i].first + rows[i].tags - 1);
                assert_false(seen[m.tag]);
                seen[m.tag] = true;
                n++;
            }
        }
        assert_int_equal(n, rows[i].tags);
        UNIT_PUSH(h, pcie_in, tlp, .tag = m.tag, .len = 128, .left = 128);
        unit_run(h, 5);
        assert_true(UNIT_POP(h, up_rd, &m)); /* a tag that comes back is used again */
        hca_close(h);
    }
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void a_read_of_no_bytes_is_answered_without_a_tlp(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct rd_rsp r;

    UNIT_PUSH(h, rd_req_rsp, rd_req, .addr = 0, .len = 0, .cookie = 5);
    unit_run(h, 10);
    assert_true(UNIT_POP(h, rd_rsp_rsp, &r));
    assert_int_equal(r.cookie, 5);
    assert_int_equal(r.status, DMA_OK);
    assert_int_equal(h->y.s.dma_read_tlps, 0);
    hca_close(h);
}

static void a_refused_request_ends_the_read_with_its_status_and_frees_the_tag(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_dma_read_tags = 1;
    struct hca *const h = fresh(&p);
    struct rd_rsp r;
    struct tlp m;

    for (uint16_t status = DMA_UR; status <= DMA_CA; status++) {
        UNIT_PUSH(h, rd_req_cq, rd_req, .addr = 0, .len = 512 + 8, .cookie = status);
        for (int i = 0; i < 2; i++) {
            unit_run(h, 20);
            assert_true(UNIT_POP(h, up_rd, &m));
            assert_true(!UNIT_POP(h, rd_rsp_cq, &r));
            if (i == 0) {
                UNIT_PUSH(h, pcie_in, tlp, .tag = m.tag, .status = (uint8_t)status);
            } else {
                UNIT_PUSH(h, pcie_in, tlp, .tag = m.tag, .len = 8, .left = 8);
            }
        }
        unit_run(h, 3);
        assert_true(UNIT_POP(h, rd_rsp_cq, &r));
        assert_int_equal(r.status, status);
        assert_int_equal(r.cookie, status);
    }
    assert_int_equal(h->y.s.dma_read_errors, 2);
    hca_close(h);
}

static void of_several_errors_the_first_is_told(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct rd_rsp r;
    struct tlp m[2];

    UNIT_PUSH(h, rd_req_cq, rd_req, .addr = 0, .len = 1024);
    unit_run(h, 20);
    assert_true(UNIT_POP(h, up_rd, &m[0]));
    assert_true(UNIT_POP(h, up_rd, &m[1]));
    UNIT_PUSH(h, pcie_in, tlp, .tag = m[1].tag, .status = DMA_CA);
    UNIT_PUSH(h, pcie_in, tlp, .tag = m[0].tag, .status = DMA_UR);
    unit_run(h, 5);
    assert_true(UNIT_POP(h, rd_rsp_cq, &r));
    assert_int_equal(r.status, DMA_CA);
    hca_close(h);
}

static void completions_that_fit_no_request_do_no_harm(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct rd_rsp r;
    struct tlp m;

    UNIT_PUSH(h, pcie_in, tlp, .tag = 3, .len = 8, .left = 8);      /* free tag          */
    UNIT_PUSH(h, pcie_in, tlp, .tag = 0xffff, .len = 8, .left = 8); /* no tag of ours    */
    unit_run(h, 5);
    assert_int_equal(h->y.s.dma_read_unexpected, 2);
    static const struct {
        uint32_t len, left;
    } bad[] = {{0, 64}, {65, 64}, {32, 63}, {64, 128}, {0xffffffff, 64}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        UNIT_PUSH(h, rd_req_cmd, rd_req, .addr = 0, .len = 64);
        unit_run(h, 20);
        assert_true(UNIT_POP(h, up_rd, &m));
        UNIT_PUSH(h, pcie_in, tlp, .tag = m.tag, .len = bad[i].len, .left = bad[i].left);
        UNIT_PUSH(h, pcie_in, tlp, .tag = m.tag, .len = 64, .left = 64); /* too late */
        unit_run(h, 5);
        assert_true(UNIT_POP(h, rd_rsp_cmd, &r));
        assert_int_equal(r.status, DMA_CA);
        assert_true(!UNIT_POP(h, rd_rsp_cmd, &r));
    }
    assert_int_equal(h->y.s.dma_read_unexpected, 7);
    hca_close(h);
}

static void completions_are_sunk_while_no_client_takes_answers(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct bus b = bus_open(RAM, 1);
    struct rd_rsp r;
    uint32_t got = 0;

    b.in_order = true;
    for (uint16_t i = 0; i < 12; i++) { /* response wire: 4, and 4 may be under way */
        h->y.t.now = h->y.k.now;
        while (!READY(&h->y.t, &h->rd_req_cmd)) {
            bus_cycle(h, &b);
            h->y.t.now = h->y.k.now;
            if (i > 8 && UNIT_POP(h, rd_rsp_cmd, &r)) {
                assert_int_equal(r.cookie, got++);
            }
        }
        UNIT_PUSH(h, rd_req_cmd, rd_req, .addr = i * 64, .len = 64, .cookie = i,
                  .data = scratch(h));
        bus_run(h, &b, 50);
        assert_int_equal(fifo_level(&h->pcie_in.ctl), 0);
    }
    bus_run(h, &b, 200);
    for (; UNIT_POP(h, rd_rsp_cmd, &r); bus_run(h, &b, 50)) {
        assert_int_equal(r.cookie, got++);
    }
    assert_int_equal(got, 12);
    bus_close(&b);
    hca_close(h);
}

static void a_client_has_no_more_reads_under_way_than_its_answers_have_room(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct tlp m;
    uint32_t n = 0;

    for (uint16_t i = 0; i < 8; i++) {
        UNIT_PUSH(h, rd_req_ev, rd_req, .addr = 0, .len = 8);
    }
    for (int i = 0; i < 100; i++) {
        unit_run(h, 1);
        n += UNIT_POP(h, up_rd, &m) ? 1 : 0;
    }
    assert_int_equal(n, h->rd_rsp_ev.ctl.depth);
    hca_close(h);
}

/* ---- trains -----------------------------------------------------------------------------------
 */

static void a_train_stays_in_its_page_and_is_single_while_another_client_waits(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.sim_train_tlps_max = 64;
    p.hca_dma_issue_interval_ps = 50000;
    struct hca *const h = fresh(&p);
    static const struct {
        uint32_t cls, tlps;
    } want[] = {{CLS_WQE, 6}, {CLS_WQE, 2},  /* alone: up to the end of the page   */
                {CLS_CQE, 1}, {CLS_WQE, 1},  /* in turns                           */
                {CLS_CQE, 1}, {CLS_WQE, 7}}; /* alone again                        */
    struct tlp m;

    UNIT_PUSH(h, rd_req_bench, rd_req, .addr = 1024, .len = 4096, .cls = CLS_WQE);
    unit_run(h, 320); /* the second train holds the engine for two intervals from cycle 311 on */
    UNIT_PUSH(h, rd_req_bench, rd_req, .addr = 0, .len = 4096, .cls = CLS_WQE);
    UNIT_PUSH(h, rd_req_cq, rd_req, .addr = 0, .len = 1024, .cls = CLS_CQE);
    unit_run(h, 500);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_true(UNIT_POP(h, up_rd, &m));
        assert_int_equal(m.cls, want[i].cls);
        assert_int_equal(m.tlps, want[i].tlps);
    }
    hca_close(h);
}

static void trains_take_as_many_tags_and_intervals_as_their_requests(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.sim_train_tlps_max = 8;
    p.hca_dma_read_tags = 12;
    p.hca_dma_issue_interval_ps = 3000;
    struct hca *const h = fresh(&p);
    struct tlp a;
    struct tlp b;

    UNIT_PUSH(h, rd_req_bench, rd_req, .addr = 0, .len = 4096);
    UNIT_PUSH(h, rd_req_bench, rd_req, .addr = 4096, .len = 4096);
    unit_run(h, 100);
    assert_true(UNIT_POP(h, up_rd, &a));
    assert_true(UNIT_POP(h, up_rd, &b));
    assert_int_equal(a.tlps, 8);
    assert_int_equal(b.tlps, 4); /* the tags that are left */
    assert_int_equal(b.at - a.at, 8 * 3);
    assert_true(!UNIT_POP(h, up_rd, &a));
    hca_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_request_leaves_after_the_engine_latency_and_not_a_cycle_before),
        cmocka_unit_test(the_answer_is_seen_two_cycles_after_the_last_completion),
        cmocka_unit_test(store_and_forward_delays_the_answer_by_size_over_rate),
        cmocka_unit_test(requests_keep_the_issue_interval_exactly_on_average),
        cmocka_unit_test(reads_are_cut_at_mrrs_and_at_4_kib_and_nowhere_else),
        cmocka_unit_test(tags_bound_the_requests_in_flight_and_ten_bit_tags_start_at_256),
        cmocka_unit_test(a_read_of_no_bytes_is_answered_without_a_tlp),
        cmocka_unit_test(a_refused_request_ends_the_read_with_its_status_and_frees_the_tag),
        cmocka_unit_test(of_several_errors_the_first_is_told),
        cmocka_unit_test(completions_that_fit_no_request_do_no_harm),
        cmocka_unit_test(completions_are_sunk_while_no_client_takes_answers),
        cmocka_unit_test(a_client_has_no_more_reads_under_way_than_its_answers_have_room),
        cmocka_unit_test(a_train_stays_in_its_page_and_is_single_while_another_client_waits),
        cmocka_unit_test(trains_take_as_many_tags_and_intervals_as_their_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
