/* root: how completions are cut and timed, what MMIO costs, who goes first, which credits return.
 */
#include "tests/host_drive.h"

#include "model/tlp.h"

enum { TAG = 7 };
static const uint64_t high = UINT64_C(1) << 38;

static struct hca_param gen3x8(void)
{
    struct hca_param p = unit_param();

    p.pcie_gen = 3;
    p.pcie_lanes = 8;
    return p;
}

static struct host *fresh(const struct hca_param *p)
{
    return drive_open(p, 1ULL << U_root);
}

/* Cycles of the link for bytes, rounded up: an own calculation from the formulas of the page. */
static uint64_t link_cycles(const struct hca_param *p, double bytes)
{
    const double f = (double)hca_param_fc_interval_bytes(p);
    const double gbps = 8.0 * 8 * 128 / 130 * (1 - 8 / f - 8 / f - 4.0 / 1538);
    const double cycles = bytes * 8 / gbps;

    return (uint64_t)cycles + 1;
}

static void done(struct host *h, uint64_t addr, uint32_t len, uint16_t tag, uint8_t hca)
{
    DRIVE_PUSH(h, mem_done, tlp, .addr = addr, .len = len, .tag = tag, .type = TLP_MRD,
               .cls = CLS_PAYLOAD, .data = 5000, .hca = hca);
}

static const struct {
    uint32_t mps, rcb, chunk, addr, len;
    uint16_t want[9];
} cuts[] = {
    {256, 64, HCA_PCIE_CPL_CHUNK_MPS, 0x000, 512, {256, 256}},
    {256, 64, HCA_PCIE_CPL_CHUNK_MPS, 0x000, 64, {64}},
    {256, 64, HCA_PCIE_CPL_CHUNK_MPS, 0x004, 512, {252, 256, 4}},
    {256, 64, HCA_PCIE_CPL_CHUNK_MPS, 0x03f, 2, {2}},
    {256, 64, HCA_PCIE_CPL_CHUNK_MPS, 0x7c1, 512, {255, 256, 1}},
    {256, 128, HCA_PCIE_CPL_CHUNK_MPS, 0x040, 512, {192, 256, 64}},
    {128, 128, HCA_PCIE_CPL_CHUNK_MPS, 0x07f, 130, {1, 128, 1}},
    {256, 64, HCA_PCIE_CPL_CHUNK_RCB, 0x010, 256, {48, 64, 64, 64, 16}},
    {256, 128, HCA_PCIE_CPL_CHUNK_RCB, 0x0ff, 130, {1, 128, 1}},
    {512, 64, HCA_PCIE_CPL_CHUNK_MPS, 0x800, 2048, {512, 512, 512, 512}},
};

static void a_read_is_answered_in_pieces_that_end_on_boundaries(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct hca_param p = gen3x8();
        p.pcie_mps_bytes = cuts[i].mps;
        p.pcie_rcb_bytes = cuts[i].rcb;
        p.pcie_cpl_chunk = cuts[i].chunk;
        struct host *const h = fresh(&p);
        struct tlp m;
        uint32_t off = 0;

        done(h, high + cuts[i].addr, cuts[i].len, TAG, 0);
        for (unsigned n = 0; off < cuts[i].len; n++) {
            DRIVE_UNTIL(h, dn_tlp, 2000);
            assert_true(DRIVE_TAKE(h, dn_tlp, &m));
            assert_int_equal(m.len, cuts[i].want[n]);
            assert_int_equal(m.left, cuts[i].len - off);
            assert_int_equal(m.data, 5000 + off);
            assert_int_equal(m.addr, high + cuts[i].addr + off);
            assert_int_equal(m.tag, TAG);
            assert_int_equal(m.type, TLP_CPLD);
            assert_int_equal(m.status, DMA_OK);
            off += m.len;
        }
        drive(h, 2000);
        assert_false(DRIVE_TAKE(h, dn_tlp, &m));
        host_close(h);
    }
}

static void a_completion_is_seen_at_the_end_of_its_last_byte_plus_latency(void **state)
{
    (void)state;
    const struct hca_param p = gen3x8();
    struct host *const h = fresh(&p);

    drive(h, 10);
    done(h, high, 256, TAG, 0);
    const uint64_t start = drive_now(h) + 1; /* visible to the root port */
    const uint64_t want = start + link_cycles(&p, 20 + 256) + p.pcie_latency_down_ns;
    drive(h, want - 1 - drive_now(h));
    assert_true(DRIVE_AT(h, dn_tlp) > drive_now(h)); /* blocked at want - 1 */
    drive(h, 1);
    assert_true(DRIVE_AT(h, dn_tlp) <= drive_now(h));
    host_close(h);
}

static void back_to_back_completions_share_the_line_without_gap_or_overlap(void **state)
{
    (void)state;
    const struct hca_param p = gen3x8();
    struct host *const h = fresh(&p);
    struct tlp m;

    for (unsigned i = 0; i < 40; i++) {
        done(h, high, 256, (uint16_t)i, 0);
    }
    const uint64_t start = 2; /* pushed in cycle 1, visible in 2 */
    for (unsigned i = 0; i < 40; i++) {
        DRIVE_UNTIL(h, dn_tlp, 2000);
        const uint64_t end = start + link_cycles(&p, 276.0 * (i + 1)) + p.pcie_latency_down_ns;
        const uint64_t at = DRIVE_AT(h, dn_tlp);
        assert_true(at + 1 >= end && at <= end + 1);
        assert_true(DRIVE_TAKE(h, dn_tlp, &m));
        assert_int_equal(m.tag, i);
    }
    host_close(h);
}

static void a_billion_bytes_take_exactly_the_rational_time(void **state)
{
    (void)state;
    const unsigned gens[] = {1, 2, 3, 4, 5}, clocks[] = {1000000, 333333, 1234567};
    __extension__ typedef unsigned __int128 u128;

    for (size_t g = 0; g < 5; g++) {
        for (size_t c = 0; c < 3; c++) {
            struct hca_param p = unit_param();
            p.pcie_gen = gens[g];
            p.pcie_lanes = 8;
            p.core_clock_khz = clocks[c];
            struct serial line = tlp_line(&p);
            uint64_t num, den, end = 0;
            const uint64_t a = hca_param_ack_interval_bytes(&p), skp = p.pcie_skp_interval_bytes;
            hca_param_pcie_rate(&p, &num, &den);
            for (uint64_t sent = 0; sent < 1000000000; sent += 250) {
                end = serial_take(&line, 0, 250);
            }
            /* bytes * 8 * clock / (rate * (1 - 16/a - 4/skp)), rounded up */
            const u128 top = (u128)8000000000ULL * p.core_clock_khz * 1000 * den * a * skp;
            const u128 bottom = (u128)num * (a * skp - 16 * skp - 4 * a);
            assert_true(end == (uint64_t)((top + bottom - 1) / bottom));
        }
    }
}

static void a_refused_read_gets_one_completion_without_data(void **state)
{
    (void)state;
    const struct hca_param p = gen3x8();
    struct host *const h = fresh(&p);
    struct tlp m;

    DRIVE_PUSH(h, io_fault, tlp, .addr = high, .len = 512, .tag = TAG, .type = TLP_MRD);
    DRIVE_PUSH(h, mem_done, tlp, .addr = high, .len = 64, .tag = 8, .type = TLP_MRD,
               .status = DMA_UR);
    for (unsigned i = 0; i < 2; i++) {
        DRIVE_UNTIL(h, dn_tlp, 1000);
        assert_true(DRIVE_TAKE(h, dn_tlp, &m));
        assert_int_equal(m.type, TLP_CPL);
        assert_int_equal(m.status, DMA_UR);
        assert_int_equal(m.len, 0);
        assert_int_equal(m.left, m.tag == TAG ? 512 : 64);
    }
    assert_int_equal(h->y.s.root_refusals, 2);
    host_close(h);
}

static void an_mmio_write_waits_the_core_delay_then_the_line_then_the_link(void **state)
{
    (void)state;
    struct hca_param p = gen3x8();
    p.pcie_mmio_write_ns = 77;
    struct host *const h = fresh(&p);
    struct mmio_req m;

    DRIVE_PUSH(h, cpu_mmio, mmio_req, .write = 1, .len = 8, .bar = 2, .d0 = 99);
    const uint64_t want = 1 + 77 + link_cycles(&p, 24 + 8) + p.pcie_latency_down_ns;
    drive(h, want - 1);
    assert_false(DRIVE_TAKE(h, dn_mmio, &m));
    drive(h, 1);
    assert_true(DRIVE_TAKE(h, dn_mmio, &m));
    assert_int_equal(m.d0, 99);
    assert_int_equal(h->y.s.root_dn_tlps_doorbell, 1);
    assert_int_equal(h->y.s.root_dn_bytes_doorbell, 32);
    host_close(h);
}

static const uint64_t all_units = 1ULL << U_root | 1ULL << U_iommu | 1ULL << U_memory;

static void an_mmio_read_costs_its_delay_once_over_both_ways(void **state)
{
    (void)state;
    struct hca_param p = gen3x8();
    p.pcie_mmio_read_ns = 151;
    p.iommu_mode = HCA_IOMMU_MODE_OFF;
    struct host *const h = drive_open(&p, all_units);
    struct mmio_req q;
    struct mmio_rsp r;

    DRIVE_PUSH(h, cpu_mmio, mmio_req, .len = 4, .bar = 1, .tag = 3);
    DRIVE_UNTIL(h, dn_mmio, 1000);
    assert_int_equal(drive_now(h), 1 + 75 + link_cycles(&p, 24) + p.pcie_latency_down_ns);
    assert_true(DRIVE_TAKE(h, dn_mmio, &q));
    const uint64_t at = drive_now(h);
    DRIVE_PUSH(h, up_mmio, mmio_rsp, .data = 5, .tag = 3, .len = 4);
    DRIVE_UNTIL(h, cpu_rd, 1000);
    assert_int_equal(drive_now(h), at + 1 + 3 + 76); /* 75 + 76 = 151, and to memory and back */
    assert_true(DRIVE_TAKE(h, cpu_rd, &r));
    assert_int_equal(r.data, 5);
    host_close(h);
}

static void an_mmio_answer_waits_for_the_writes_that_were_sent_before_it(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 3; mode++) { /* off, pass, on: the write waits for walks */
        struct hca_param p = gen3x8();
        const uint8_t bytes[8] = {1, 2, 3};
        struct mmio_rsp r;
        p.iommu_mode = mode;
        p.pcie_mmio_read_ns = 0;
        struct host *const h = drive_open(&p, all_units);
        assert_true(host_map(h, 0x100, high, high, 4096, 3, 4096));
        assert_true(drive_write(h, (struct tlp){.addr = high, .len = 8, .rid = 0x100}, bytes));
        DRIVE_PUSH(h, up_mmio, mmio_rsp, .data = UINT64_MAX - 1, .tag = 3, .len = 8, .fn = 2);
        DRIVE_UNTIL(h, cpu_rd, 3000);
        assert_true(DRIVE_TAKE(h, cpu_rd, &r));
        assert_true(r.data == UINT64_MAX - 1 && r.tag == 3 && r.len == 8 && r.fn == 2);
        assert_memory_equal(host_mem(h, high, 8), bytes, 8);
        assert_int_equal(h->y.s.memory_interrupts + h->y.s.iommu_interrupts, 0);
        host_close(h);
    }
}

static void mmio_to_an_adapter_that_is_not_there_reads_all_ones(void **state)
{
    (void)state;
    const struct hca_param p = gen3x8();
    struct host *const h = fresh(&p);
    struct mmio_rsp r;
    struct mmio_req q;

    DRIVE_PUSH(h, cpu_mmio, mmio_req, .write = 1, .len = 4, .hca = 3);
    DRIVE_PUSH(h, cpu_mmio, mmio_req, .len = 4, .hca = 3, .tag = 12);
    DRIVE_PUSH(h, cpu_mmio, mmio_req, .write = 1, .len = 4, .hca = 0);
    DRIVE_UNTIL(h, cpu_rd, 1000);
    assert_true(DRIVE_TAKE(h, cpu_rd, &r));
    assert_true(r.data == UINT64_MAX && r.tag == 12);
    DRIVE_UNTIL(h, dn_mmio, 1000);
    assert_true(DRIVE_TAKE(h, dn_mmio, &q));
    assert_int_equal(q.hca, 0);
    assert_int_equal(h->y.s.root_mmio_unclaimed, 2);
    host_close(h);
}

/* Completions are many and long; the write is ready while they wait. */
static void mmio_takes_turns_with_older_completions_and_none_passes_it(void **state)
{
    (void)state;
    struct hca_param p = gen3x8();
    p.pcie_mmio_write_ns = 0;
    p.pcie_latency_down_ns = 0;
    struct host *const h = fresh(&p);
    struct mmio_req q;
    struct tlp m;

    for (unsigned i = 0; i < 20; i++) {
        done(h, high, 256, (uint16_t)i, 0);
    }
    drive(h, 100); /* three completions have left, 17 wait */
    const uint64_t asked = drive_now(h);
    DRIVE_PUSH(h, cpu_mmio, mmio_req, .write = 1, .len = 8, .bar = 2);
    drive(h, 1);
    done(h, high, 256, 100, 0); /* younger than the write */
    DRIVE_UNTIL(h, dn_mmio, 1000);
    assert_true(drive_now(h) - asked <= link_cycles(&p, 276) + link_cycles(&p, 32) + 2);
    assert_true(DRIVE_TAKE(h, dn_mmio, &q));
    while (DRIVE_TAKE(h, dn_tlp, &m)) {
        assert_int_not_equal(m.tag, 100);
        drive(h, 1);
    }
    host_close(h);
}

/* Two headers, five times 16 bytes, one read: each kind runs out in its turn. */
static void mmio_waits_for_credits_and_completions_do_not_wait_for_it(void **state)
{
    (void)state;
    struct hca_param p = gen3x8();
    p.pcie_mmio_posted_header_credits = 2;
    p.pcie_mmio_posted_data_credits = 5;
    p.pcie_mmio_np_header_credits = 1;
    struct host *const h = fresh(&p);
    struct tlp m;
    struct mmio_req q;

    DRIVE_PUSH(h, cpu_mmio, mmio_req, .write = 1, .len = 64, .tag = 1);
    DRIVE_PUSH(h, cpu_mmio, mmio_req, .write = 1, .len = 17, .tag = 2); /* two; one is left */
    DRIVE_PUSH(h, cpu_mmio, mmio_req, .len = 4, .tag = 3);
    DRIVE_PUSH(h, cpu_mmio, mmio_req, .len = 4, .tag = 4);
    drive(h, 3000);
    assert_int_equal(fifo_level(&h->dn_mmio.ctl), 1);
    assert_true(DRIVE_TAKE(h, dn_mmio, &q) && q.tag == 1);
    assert_int_equal(h->y.s.root_mmio_waits, 1);
    done(h, high, 64, TAG, 0);
    drive(h, 1000);
    assert_true(DRIVE_TAKE(h, dn_tlp, &m) && m.tag == TAG);

    DRIVE_PUSH(h, dn_fc, credit, .pd = 1);
    drive(h, 3000);
    assert_true(DRIVE_TAKE(h, dn_mmio, &q) && q.tag == 2);
    drive(h, 1);
    assert_true(DRIVE_TAKE(h, dn_mmio, &q) && q.tag == 3); /* reads have credits of their own */
    drive(h, 1);
    assert_false(DRIVE_TAKE(h, dn_mmio, &q));
    DRIVE_PUSH(h, dn_fc, credit, .nph = 1);
    drive(h, 3000);
    assert_true(DRIVE_TAKE(h, dn_mmio, &q) && q.tag == 4);
    assert_int_equal(h->y.s.root_mmio_waits, 2);
    host_close(h);
}

static void a_full_mmio_wire_keeps_younger_completions_back(void **state)
{
    (void)state;
    struct hca_param p = gen3x8();
    p.pcie_mmio_write_ns = 0;
    struct host *const h = fresh(&p);
    struct tlp m;
    struct mmio_req q;

    for (unsigned i = 0; i < 64 + 1; i++) { /* one more than dn_mmio holds */
        DRIVE_PUSH(h, cpu_mmio, mmio_req, .write = 1, .len = 4);
    }
    drive(h, 3000);
    done(h, high, 64, TAG, 0);
    drive(h, 1000);
    assert_false(DRIVE_TAKE(h, dn_tlp, &m));
    assert_true(DRIVE_TAKE(h, dn_mmio, &q));
    drive(h, 1000);
    assert_true(DRIVE_TAKE(h, dn_tlp, &m));
    host_close(h);
}

static void each_adapter_has_a_line_of_its_own(void **state)
{
    (void)state;
    struct hca_param p = gen3x8();
    p.host_hcas = 2;
    struct host *const h = fresh(&p);
    struct tlp m;
    uint64_t last[2] = {0, 0};
    unsigned got[2] = {0, 0};

    for (unsigned i = 0; i < 16; i++) {
        done(h, high, 256, (uint16_t)i, (uint8_t)(i & 1));
    }
    for (unsigned n = 0; n < 1200; n++) {
        drive(h, 1);
        if (DRIVE_TAKE(h, dn_tlp, &m)) {
            last[m.hca] = drive_now(h);
            got[m.hca]++;
        }
    }
    assert_true(got[0] == 8 && got[1] == 8);
    for (unsigned i = 0; i < 2; i++) { /* as long as 8 on one line, not 16 */
        assert_true(last[i] <= 20 + link_cycles(&p, 8 * 276) + p.pcie_latency_down_ns);
    }
    host_close(h);
}

static const struct {
    uint8_t type;
    uint32_t addr, len, ph, pd, nph;
} credits[] = {
    {TLP_MRD, 0, 512, 0, 0, 1},
    {TLP_MWR, 0, 256, 1, 16, 0},
    {TLP_MWR, 0, 1, 1, 1, 0},
    {TLP_MWR, 3, 16, 1, 2, 0},
    {TLP_MWR, 0, 17, 1, 2, 0},
    {TLP_MSI, 0, 4, 1, 1, 0},
    {TLP_MWR, 4000, 200, 1, 13, 0} /* malformed: crosses a page */,
    {TLP_MRD, 0, 0, 0, 0, 1} /* malformed: no bytes */,
};

static void a_request_gives_back_what_it_took_after_the_return_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof credits / sizeof credits[0]; i++) {
        struct hca_param p = gen3x8();
        p.pcie_credit_return_ns = 123;
        struct host *const h = fresh(&p);
        struct credit c;

        DRIVE_PUSH(h, up_tlp, tlp, .type = credits[i].type, .addr = high + credits[i].addr,
                   .len = credits[i].len, .slot = NO_SLOT);
        drive(h, 123); /* visible in cycle 2, so the credits are there in 1 + 123 */
        assert_false(DRIVE_TAKE(h, fc_out, &c));
        drive(h, 1);
        assert_true(DRIVE_TAKE(h, fc_out, &c));
        assert_int_equal(c.ph, credits[i].ph);
        assert_int_equal(c.pd, credits[i].pd);
        assert_int_equal(c.nph, credits[i].nph);
        host_close(h);
    }
}

static void malformed_requests_are_refused_or_dropped_and_counted(void **state)
{
    (void)state;
    const struct hca_param p = gen3x8();
    struct host *const h = fresh(&p);
    const uint8_t bytes[256] = {0};
    struct tlp m;

    DRIVE_PUSH(h, up_tlp, tlp, .type = TLP_MRD, .addr = high + 4000, .len = 97, .tag = TAG);
    assert_true(drive_write(h, (struct tlp){.addr = high + 4095, .len = 2}, bytes) ||
                (drive(h, 1), drive_write(h, (struct tlp){.addr = high + 4095, .len = 2}, bytes)));
    drive(h, 1);
    DRIVE_PUSH(h, up_tlp, tlp, .type = TLP_MRD, .addr = high + 4000, .len = 96, .tag = 1);
    drive(h, 1000);
    assert_true(DRIVE_TAKE(h, io_req, &m));
    assert_int_equal(m.tag, 1);
    assert_true(DRIVE_TAKE(h, dn_tlp, &m));
    assert_true(m.tag == TAG && m.status == DMA_UR);
    assert_int_equal(h->y.s.root_malformed, 2);
    assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
    host_close(h);
}

static void trains_cost_a_header_for_each_packet_in_them(void **state)
{
    (void)state;
    struct hca_param p = gen3x8();
    p.sim_train_tlps_max = 8;
    struct host *const h = fresh(&p);
    struct tlp m;

    done(h, high + 16, 1024, TAG, 0);
    DRIVE_UNTIL(h, dn_tlp, 1000);
    assert_int_equal(drive_now(h), 2 + link_cycles(&p, 1024 + 5 * 20) - 1 + p.pcie_latency_down_ns);
    assert_true(DRIVE_TAKE(h, dn_tlp, &m));
    assert_true(m.len == 1024 && m.left == 1024 && m.tlps == 5); /* 240 256 256 256 16 */
    assert_int_equal(h->y.s.root_dn_tlps_payload, 5);
    assert_int_equal(h->y.s.root_dn_payload_payload, 1024);
    assert_int_equal(h->y.s.root_dn_bytes_payload, 1124);
    host_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_is_answered_in_pieces_that_end_on_boundaries),
        cmocka_unit_test(a_completion_is_seen_at_the_end_of_its_last_byte_plus_latency),
        cmocka_unit_test(back_to_back_completions_share_the_line_without_gap_or_overlap),
        cmocka_unit_test(a_billion_bytes_take_exactly_the_rational_time),
        cmocka_unit_test(a_refused_read_gets_one_completion_without_data),
        cmocka_unit_test(an_mmio_write_waits_the_core_delay_then_the_line_then_the_link),
        cmocka_unit_test(an_mmio_read_costs_its_delay_once_over_both_ways),
        cmocka_unit_test(an_mmio_answer_waits_for_the_writes_that_were_sent_before_it),
        cmocka_unit_test(mmio_to_an_adapter_that_is_not_there_reads_all_ones),
        cmocka_unit_test(mmio_takes_turns_with_older_completions_and_none_passes_it),
        cmocka_unit_test(mmio_waits_for_credits_and_completions_do_not_wait_for_it),
        cmocka_unit_test(a_full_mmio_wire_keeps_younger_completions_back),
        cmocka_unit_test(each_adapter_has_a_line_of_its_own),
        cmocka_unit_test(a_request_gives_back_what_it_took_after_the_return_time),
        cmocka_unit_test(malformed_requests_are_refused_or_dropped_and_counted),
        cmocka_unit_test(trains_cost_a_header_for_each_packet_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
