/* dma_write: what is cut how, in which order, and when a write is done. */
#include "tests/dma_memory.h"

#include "model/packet/headers.h"

enum { RAM = 1 << 20 };

static struct hca *fresh(const struct hca_param *p)
{
    return unit_hca(p, 1ULL << U_dma_write);
}

/* Bytes of the test's own in the beat store. */
static uint32_t scratch(const struct hca *h)
{
    return h->store.wqe_raw;
}

static uint32_t rx_payload(const struct hca *h, uint16_t slot)
{
    return h->store.rx + slot * h->store.slot_bytes + PKT_HEADROOM;
}

/* ---- time -------------------------------------------------------------------------------------
 */

static void the_first_tlp_leaves_after_the_engine_latency_and_not_a_cycle_before(void **state)
{
    (void)state;
    static const uint64_t engine_ns[] = {0, 1, 10, 60};

    for (size_t i = 0; i < sizeof engine_ns / sizeof engine_ns[0]; i++) {
        struct hca_param p = unit_param();
        p.hca_dma_engine_ns = engine_ns[i];
        struct hca *const h = fresh(&p);
        struct tlp m;
        UNIT_PUSH(h, wr_cqe, wr_req, .addr = 64, .len = 64, .cls = CLS_CQE, .data = scratch(h));
        unit_run(h, (engine_ns[i] == 0 ? 1 : engine_ns[i]) + 1);
        assert_true(!UNIT_POP(h, up_wr, &m));
        unit_run(h, 1);
        assert_true(UNIT_POP(h, up_wr, &m));
        assert_int_equal(m.type, TLP_MWR);
        assert_int_equal(m.slot, NO_SLOT);
        hca_close(h);
    }
}

static void tlps_keep_the_longer_interval_exactly_on_average(void **state)
{
    (void)state;
    static const struct {
        uint64_t issue_ps, write_ps;
    } rows[] = {{0, 21097}, {21097, 1000}};

    for (int i = 0; i < 2; i++) {
        struct hca_param p = unit_param();
        p.hca_dma_issue_interval_ps = rows[i].issue_ps;
        p.hca_dma_write_interval_ps = rows[i].write_ps;
        struct hca *const h = fresh(&p);
        uint64_t first = 0;
        uint64_t last = 0;
        uint64_t n = 0;
        struct tlp m;
        for (uint64_t c = 0; c < 20 * 1200; c++) {
            if (c % 200 == 0) {
                UNIT_PUSH(h, wr_bench, wr_req, .addr = 0, .len = 4096, .flags = WR_NO_DATA);
            }
            unit_run(h, 1);
            if (UNIT_POP(h, up_wr, &m)) {
                first = n++ == 0 ? m.at : first;
                last = m.at;
            }
        }
        assert_true(n > 1000);
        assert_in_range(last - first, (n - 1) * 21097 / 1000, (n - 1) * 21097 / 1000 + 1);
        hca_close(h);
    }
}

static void done_is_told_with_the_last_tlp_and_not_while_it_waits(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct wr_done d;
    struct tlp m;

    for (uint32_t i = 0; i < 5; i++) { /* 10 TLPs for a wire of 8 */
        UNIT_PUSH(h, wr_cmd, wr_req, .addr = 0, .len = 512, .cookie = i, .flags = WR_NOTIFY,
                  .data = scratch(h));
    }
    unit_run(h, 100);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(UNIT_POP(h, wr_done_cmd, &d));
        assert_int_equal(d.cookie, i);
    }
    unit_run(h, 100);
    assert_true(!UNIT_POP(h, wr_done_cmd, &d));
    assert_true(UNIT_POP(h, up_wr, &m));
    unit_run(h, 20);
    assert_true(!UNIT_POP(h, wr_done_cmd, &d)); /* the ninth of ten */
    assert_true(UNIT_POP(h, up_wr, &m));
    const uint64_t freed = h->y.k.now;
    while (!UNIT_POP(h, wr_done_cmd, &d)) {
        unit_run(h, 1);
    }
    assert_int_equal(h->y.k.now, freed + 2); /* sent in the next cycle, seen one later */
    assert_int_equal(d.cookie, 4);
    hca_close(h);
}

static void a_full_done_wire_holds_the_last_tlp_alone(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct wr_done d;
    struct tlp m;
    uint32_t n = 0;

    for (uint32_t i = 0; i < 6; i++) { /* done wire: 4 */
        UNIT_PUSH(h, wr_cmd, wr_req, .addr = 0, .len = 512, .cookie = i, .flags = WR_NOTIFY,
                  .data = scratch(h));
        for (int c = 0; c < 30; c++) {
            unit_run(h, 1);
            n += UNIT_POP(h, up_wr, &m) ? 1 : 0;
        }
    }
    assert_int_equal(n, 9);
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(UNIT_POP(h, wr_done_cmd, &d));
        assert_int_equal(d.cookie, i);
        unit_run(h, 30);
    }
    hca_close(h);
}

/* ---- cutting ----------------------------------------------------------------------------------
 */

static void writes_are_cut_at_mps_and_at_4_kib_and_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        uint64_t addr;
        uint32_t len, mps, n, size[4];
    } rows[] = {
        {0, 1, 256, 1, {1}},
        {0, 256, 256, 1, {256}},
        {0, 257, 256, 2, {256, 1}},
        {4095, 2, 256, 2, {1, 1}},
        {4000, 400, 256, 3, {96, 256, 48}},
        {1, 4096, 4096, 2, {4095, 1}},
        {0xfffffffffffff000ULL, 300, 128, 3, {128, 128, 44}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = unit_param();
        p.pcie_mps_bytes = rows[i].mps;
        struct hca *const h = fresh(&p);
        uint64_t addr = rows[i].addr;
        struct tlp m;
        UNIT_PUSH(h, wr_wqe, wr_req, .addr = addr, .len = rows[i].len, .fn = 3, .cls = CLS_HEAD,
                  .mid = 8, .data = scratch(h));
        unit_run(h, 40);
        for (uint32_t n = 0; n < rows[i].n; n++) {
            assert_true(UNIT_POP(h, up_wr, &m));
            assert_int_equal(m.len, rows[i].size[n]);
            assert_int_equal(m.addr, addr);
            assert_int_equal(m.fn, 3);
            assert_int_equal(m.cls, CLS_HEAD);
            assert_int_equal(m.tlps, 1);
            assert_int_equal(m.mid, n + 1 == rows[i].n ? 8 : 0);
            addr += m.len;
        }
        unit_run(h, 10);
        assert_true(!UNIT_POP(h, up_wr, &m));
        assert_int_equal(h->y.s.dma_write_tlps, rows[i].n);
        hca_close(h);
    }
}

static void only_payload_is_relaxed_and_an_interrupt_is_a_message(void **state)
{
    (void)state;
    for (uint8_t cls = 0; cls < CLS_COUNT; cls++) {
        struct hca_param p = unit_param();
        struct hca *const h = fresh(&p);
        const uint32_t value = 0xfee12345;
        struct tlp m;
        memcpy(store_at(&h->store, scratch(h)), &value, sizeof value);
        UNIT_PUSH(h, wr_event, wr_req, .addr = 0xfee00000, .len = 4, .cls = cls, .flags = WR_RO,
                  .data = scratch(h));
        unit_run(h, 20);
        assert_true(UNIT_POP(h, up_wr, &m));
        assert_int_equal(m.attr, cls == CLS_PAYLOAD ? TLP_ATTR_RO : 0);
        assert_int_equal(m.type, cls == CLS_INTERRUPT ? TLP_MSI : TLP_MWR);
        assert_int_equal(m.value, cls == CLS_INTERRUPT ? value : 0);
        hca_close(h);
    }
}

static void stamps_tell_payload_from_completions(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    uint32_t times;
    struct tlp m;

    UNIT_PUSH(h, ack_placed, wr_req, .len = 512, .cls = CLS_PAYLOAD, .mid = 5, .data = scratch(h));
    UNIT_PUSH(h, wr_cqe, wr_req, .len = 64, .cls = CLS_CQE, .mid = 6, .data = scratch(h));
    UNIT_PUSH(h, wr_wqe, wr_req, .len = 4, .cls = CLS_HEAD, .mid = 7, .data = scratch(h));
    unit_run(h, 40);
    for (int i = 0; i < 4; i++) {
        assert_true(UNIT_POP(h, up_wr, &m));
        if (m.mid == 5) {
            assert_int_equal(bus_stamp(h, STAGE_placed, 5, &times), m.at - 1);
        } else if (m.mid == 6) {
            assert_int_equal(bus_stamp(h, STAGE_cqe_sent, 6, &times), m.at - 1);
        }
    }
    assert_int_equal(bus_stamp(h, STAGE_placed, 6, &times), 0);
    assert_int_equal(bus_stamp(h, STAGE_placed, 7, &times), 0);
    assert_int_equal(bus_stamp(h, STAGE_cqe_sent, 7, &times), 0);
    hca_close(h);
}

/* ---- nothing to write, slots ------------------------------------------------------------------
 */

static void nothing_is_written_for_no_bytes_or_a_failed_translation(void **state)
{
    (void)state;
    static const struct {
        uint32_t len;
        uint8_t status;
    } rows[] = {{0, 0}, {64, WC_LOC_PROT}, {0, WC_LOC_PROT}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = unit_param();
        struct hca *const h = fresh(&p);
        const uint16_t slot = pool_take(&h->store.rx_pool, &h->y.k);
        struct wr_done d;
        struct tlp m;
        UNIT_PUSH(h, rx_write, wr_req, .len = rows[i].len, .status = rows[i].status, .cookie = 3,
                  .cls = CLS_PAYLOAD, .flags = WR_NOTIFY | WR_FREE_RX, .slot = slot);
        unit_run(h, 30);
        assert_true(!UNIT_POP(h, up_wr, &m));
        assert_true(UNIT_POP(h, rx_done, &d));
        assert_int_equal(d.cookie, 3);
        assert_int_equal(d.status, rows[i].status);
        assert_true(!pool_holds(&h->store.rx_pool, slot));
        assert_int_equal(h->y.s.dma_write_refused, rows[i].status != 0);
        hca_close(h);
    }
}

static void the_slot_goes_with_the_last_tlp_of_its_last_piece(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    const uint16_t slot = pool_take(&h->store.rx_pool, &h->y.k);
    const uint32_t data = rx_payload(h, slot);
    struct tlp m;

    UNIT_PUSH(h, rx_write, wr_req, .addr = 0, .len = 300, .cls = CLS_PAYLOAD, .data = data,
              .slot = slot);
    UNIT_PUSH(h, rx_write, wr_req, .addr = 8192, .len = 300, .cls = CLS_PAYLOAD, .data = data + 300,
              .flags = WR_FREE_RX, .slot = slot);
    unit_run(h, 40);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(UNIT_POP(h, up_wr, &m));
        assert_int_equal(m.data, data + 300 * (i / 2) + 256 * (i % 2)); /* not copied */
        assert_int_equal(m.slot, i == 3 ? slot : NO_SLOT);
    }
    assert_true(pool_holds(&h->store.rx_pool, slot)); /* pcie gives it back */
    hca_close(h);
}

static void a_slot_is_not_given_back_while_earlier_pieces_wait_for_the_link(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    const uint16_t slot = pool_take(&h->store.rx_pool, &h->y.k);
    struct wr_done d;
    struct tlp m;

    UNIT_PUSH(h, rx_write, wr_req, .len = 64, .cls = CLS_PAYLOAD, .data = rx_payload(h, slot));
    UNIT_PUSH(h, rx_write, wr_req, .len = 64, .cls = CLS_PAYLOAD, .status = WC_REM_ACCESS,
              .flags = WR_FREE_RX | WR_NOTIFY, .slot = slot);
    unit_run(h, 100);
    assert_true(pool_holds(&h->store.rx_pool, slot));
    assert_true(!UNIT_POP(h, rx_done, &d));
    assert_true(UNIT_POP(h, up_wr, &m));
    unit_run(h, 5);
    assert_true(!pool_holds(&h->store.rx_pool, slot));
    assert_true(UNIT_POP(h, rx_done, &d));
    hca_close(h);
}

static void bytes_may_change_as_soon_as_the_write_is_done(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct bus b = bus_open(RAM, 1);
    struct wr_done d;

    for (uint8_t i = 0; i < 20; i++) { /* one buffer for all of them, a slow link behind */
        memset(store_at(&h->store, scratch(h)), i, 64);
        UNIT_PUSH(h, wr_cmd, wr_req, .addr = 64U * i, .len = 64, .flags = WR_NOTIFY,
                  .data = scratch(h));
        while (!UNIT_POP(h, wr_done_cmd, &d)) {
            if (h->y.k.now % 40 == 0) {
                bus_take_write(h, &b);
            }
            unit_run(h, 1);
        }
    }
    memset(store_at(&h->store, scratch(h)), 0xff, 64);
    bus_run(h, &b, 100);
    for (uint32_t i = 0; i < 20 * 64; i++) {
        assert_int_equal(b.ram[i], i / 64);
    }
    bus_close(&b);
    hca_close(h);
}

/* ---- trains and cost --------------------------------------------------------------------------
 */

static void a_train_stays_in_its_page_and_costs_the_intervals_of_its_tlps(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.sim_train_tlps_max = 8;
    p.hca_dma_write_interval_ps = 3000;
    struct hca *const h = fresh(&p);
    static const uint32_t tlps[] = {4, 8, 4};
    uint64_t at = 0;
    struct tlp m;

    UNIT_PUSH(h, wr_bench, wr_req, .addr = 3072, .len = 4096, .flags = WR_NO_DATA);
    unit_run(h, 100);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(UNIT_POP(h, up_wr, &m));
        assert_int_equal(m.tlps, tlps[i]);
        assert_int_equal(m.len, tlps[i] * 256);
        if (i > 0) {
            assert_int_equal(m.at - at, tlps[i - 1] * 3);
        }
        at = m.at;
    }
    hca_close(h);
}

/* Packets of 4 KiB at the pace of a Gen3 x16 link: 280 bytes at 113.7 Gb/s, a TLP in 20 cycles. */
static double activations_per_packet(uint64_t train)
{
    struct hca_param p = unit_param();
    p.sim_train_tlps_max = train;
    struct hca *const h = fresh(&p);
    struct tlp m;
    uint32_t packets = 0;
    uint64_t tlps = 0;

    h->y.mode = 0;
    for (uint64_t c = 0; c < 320000; c++) {
        h->y.t.now = h->y.k.now;
        if (c % 320 == 0) {
            PUSH(&h->y.t, &h->rx_write, wr_req, 0, .addr = 4096 * packets, .len = 4096,
                 .cls = CLS_PAYLOAD, .data = h->store.rx + PKT_HEADROOM);
            packets++;
        }
        if (c % (20 * train) == 0 && UNIT_POP(h, up_wr, &m)) {
            tlps += m.tlps;
        }
        unit_run(h, 1);
    }
    assert_true(tlps > 15900);
    const double per = (double)h->y.k.activations / packets;
    hca_close(h);
    return per;
}

static void a_4_kib_packet_costs_at_most_20_activations_and_3_in_trains(void **state)
{
    (void)state;
    const double single = activations_per_packet(1);
    const double train = activations_per_packet(16);

    print_message("dma_write: %.1f activations per 4 KiB packet, MPS 256; %.1f in trains\n", single,
                  train);
    assert_true(single <= 20.0);
    assert_true(train <= 3.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_tlp_leaves_after_the_engine_latency_and_not_a_cycle_before),
        cmocka_unit_test(tlps_keep_the_longer_interval_exactly_on_average),
        cmocka_unit_test(done_is_told_with_the_last_tlp_and_not_while_it_waits),
        cmocka_unit_test(a_full_done_wire_holds_the_last_tlp_alone),
        cmocka_unit_test(writes_are_cut_at_mps_and_at_4_kib_and_nowhere_else),
        cmocka_unit_test(only_payload_is_relaxed_and_an_interrupt_is_a_message),
        cmocka_unit_test(stamps_tell_payload_from_completions),
        cmocka_unit_test(nothing_is_written_for_no_bytes_or_a_failed_translation),
        cmocka_unit_test(the_slot_goes_with_the_last_tlp_of_its_last_piece),
        cmocka_unit_test(a_slot_is_not_given_back_while_earlier_pieces_wait_for_the_link),
        cmocka_unit_test(bytes_may_change_as_soon_as_the_write_is_done),
        cmocka_unit_test(a_train_stays_in_its_page_and_costs_the_intervals_of_its_tlps),
        cmocka_unit_test(a_4_kib_packet_costs_at_most_20_activations_and_3_in_trains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
