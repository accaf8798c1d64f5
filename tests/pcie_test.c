/* pcie: what a TLP costs on the way up, what it waits for, and who may pass whom. */
#include "tests/unit.h"

#include "model/tlp.h"

static const uint64_t high = UINT64_C(1) << 38;

static struct hca_param plain(void)
{
    struct hca_param p = unit_param();

    p.pcie_gen = 3;
    p.pcie_lanes = 8;
    return p;
}

/* The edges stall unless the test takes something. */
static struct hca *fresh(const struct hca_param *p)
{
    struct hca *const h = unit_hca(p, 1ULL << U_pcie);

    h->y.outs = 0;
    return h;
}

static bool take(struct hca *h, struct tlp *m)
{
    return UNIT_POP(h, pcie_out, m);
}

static bool take_answer(struct hca *h, struct mmio_rsp *m)
{
    return UNIT_POP(h, mmio_out, m);
}

static uint64_t link_cycles(const struct hca_param *p, double bytes)
{
    const double f = (double)hca_param_fc_interval_bytes(p);
    const double gbps = 8.0 * 8 * 128 / 130 * (1 - 16 / f - 4.0 / 1538);

    return (uint64_t)(bytes * 8 / gbps) + 1;
}

static const struct {
    uint8_t type;
    bool ecrc;
    uint64_t addr;
    uint32_t len, bytes; /* bytes: on the link, written down from the table of the page */
} costs[] = {
    {TLP_MRD, false, 1ULL << 38, 512, 24},     {TLP_MRD, false, 0x1000, 512, 20},
    {TLP_MRD, true, 1ULL << 38, 512, 28},      {TLP_MWR, false, 1ULL << 38, 256, 280},
    {TLP_MWR, false, 0xfffff000, 64, 84},      {TLP_MWR, false, 1ULL << 32, 64, 88},
    {TLP_MWR, true, 1ULL << 38, 64, 92},       {TLP_MWR, false, (1ULL << 38) + 1, 1, 28},
    {TLP_MWR, false, (1ULL << 38) + 3, 2, 32}, {TLP_MWR, false, (1ULL << 38) + 2, 64, 24 + 68},
    {TLP_MSI, false, 0xfee00000, 4, 24},
};

static void a_tlp_is_seen_at_the_end_of_its_last_byte_plus_latency(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        struct hca_param p = plain();
        struct tlp m;
        p.pcie_ecrc = costs[i].ecrc;
        struct hca *const h = fresh(&p);

        unit_run(h, 10);
        if (costs[i].type == TLP_MRD) {
            UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = costs[i].addr, .len = costs[i].len);
        } else {
            UNIT_PUSH(h, up_wr, tlp, .type = costs[i].type, .addr = costs[i].addr,
                      .len = costs[i].len, .slot = NO_SLOT);
        }
        const uint64_t start = h->y.k.now + 1;
        const uint64_t want = start + link_cycles(&p, costs[i].bytes) + p.pcie_latency_up_ns;
        unit_run(h, want - 1 - h->y.k.now);
        assert_false(take(h, &m));
        unit_run(h, 1);
        assert_true(take(h, &m));
        assert_true(m.addr == costs[i].addr && m.len == costs[i].len);
        hca_close(h);
    }
}

static void bytes_leave_with_their_tlp_and_the_slot_is_given_back(void **state)
{
    (void)state;
    for (unsigned payload = 0; payload < 2; payload++) {
        struct hca_param p = plain();
        p.sim_payload = payload;
        struct hca *const h = fresh(&p);
        struct store *const st = &h->store;
        struct tlp m;
        uint64_t at;
        const uint8_t *bytes;
        const uint16_t slot = pool_take(&st->rx_pool, &h->y.k);
        const uint32_t data = st->rx + slot * st->slot_bytes;

        memset(store_at(st, data), 0x5a, 256);
        UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 256, .cls = CLS_PAYLOAD,
                  .data = data, .slot = slot, .fn = 9);
        unit_run(h, 5);
        assert_false(pool_holds(&st->rx_pool, slot));
        memset(store_at(st, data), 0, 256); /* another packet lies there now */
        unit_run(h, 1000);
        assert_true(hca_pop(h, HCA_DMA_OUT, &at, &m, &bytes));
        assert_int_equal(bytes[0] == 0x5a && bytes[255] == 0x5a, payload);
        assert_int_equal(m.rid & 0xff, 9);
        hca_close(h);
    }
}

static void every_kind_of_credit_stops_its_kind_of_request(void **state)
{
    (void)state;
    struct hca_param p = plain();
    struct tlp m;
    p.pcie_posted_header_credits = 3;
    p.pcie_posted_data_credits = 20;
    p.pcie_np_header_credits = 2;
    struct hca *const h = fresh(&p);

    for (unsigned i = 0; i < 4; i++) { /* 16 of 20 data credits each: one, then none */
        UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 250, .slot = NO_SLOT);
    }
    unit_run(h, 2000);
    assert_true(take(h, &m));
    assert_false(take(h, &m));
    UNIT_PUSH(h, fc_in, credit, .pd = 12);
    unit_run(h, 1000);
    assert_true(take(h, &m));
    assert_false(take(h, &m));
    UNIT_PUSH(h, fc_in, credit, .pd = 100);
    unit_run(h, 1000);
    assert_true(take(h, &m)); /* the third header credit is the last */
    assert_false(take(h, &m));
    UNIT_PUSH(h, fc_in, credit, .ph = 1);
    unit_run(h, 1000);
    assert_true(take(h, &m));
    for (unsigned i = 0; i < 3; i++) {
        UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high, .len = 512);
    }
    unit_run(h, 1000);
    assert_true(take(h, &m));
    assert_true(take(h, &m));
    assert_false(take(h, &m));
    UNIT_PUSH(h, fc_in, credit, .nph = 1);
    unit_run(h, 1000);
    assert_true(take(h, &m));
    hca_close(h);
}

static void a_read_never_passes_an_older_write(void **state)
{
    (void)state;
    for (unsigned gap = 0; gap < 3; gap++) {
        struct hca_param p = plain();
        struct tlp m;
        p.pcie_posted_header_credits = 1;
        struct hca *const h = fresh(&p);
        UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 4, .slot = NO_SLOT);
        UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 8, .slot = NO_SLOT);
        unit_run(h, gap);
        UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high, .len = 64);
        unit_run(h, 2000);
        assert_true(take(h, &m) && m.len == 4);
        assert_false(take(h, &m)); /* write 2 waits for a credit, the read for write 2 */
        UNIT_PUSH(h, fc_in, credit, .ph = 1);
        unit_run(h, 1000);
        assert_true(take(h, &m) && m.len == 8);
        assert_true(take(h, &m) && m.type == TLP_MRD);
        hca_close(h);
    }
}

static void of_equal_age_the_write_goes_first(void **state)
{
    (void)state;
    const struct hca_param p = plain();
    struct hca *const h = fresh(&p);
    struct tlp m;

    UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high, .len = 64);
    UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 64, .slot = NO_SLOT);
    unit_run(h, 1000);
    assert_true(take(h, &m) && m.type == TLP_MWR);
    assert_true(take(h, &m) && m.type == TLP_MRD);
    hca_close(h);
}

static void writes_and_answers_pass_reads_without_credits(void **state)
{
    (void)state;
    struct hca_param p = plain();
    struct tlp m;
    struct mmio_rsp r;
    p.pcie_np_header_credits = 1;
    struct hca *const h = fresh(&p);

    UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high, .len = 64);
    UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high, .len = 65);
    unit_run(h, 100);
    UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 4, .slot = NO_SLOT);
    UNIT_PUSH(h, mmio_rd, mmio_rsp, .tag = 4, .len = 4);
    unit_run(h, 1000);
    assert_true(take(h, &m) && m.len == 64);
    assert_true(take(h, &m) && m.type == TLP_MWR);
    assert_true(take_answer(h, &r) && r.tag == 4);
    assert_false(take(h, &m));
    hca_close(h);
}

static void an_answer_to_the_core_never_passes_an_older_write(void **state)
{
    (void)state;
    struct hca_param p = plain();
    struct tlp m;
    struct mmio_rsp r;
    p.pcie_posted_header_credits = 1;
    struct hca *const h = fresh(&p);

    UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 4, .slot = NO_SLOT);
    UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 8, .slot = NO_SLOT);
    UNIT_PUSH(h, mmio_rd, mmio_rsp, .len = 4);
    unit_run(h, 2000);
    assert_false(take_answer(h, &r));
    assert_true(take(h, &m));
    UNIT_PUSH(h, fc_in, credit, .ph = 1);
    unit_run(h, 1000);
    assert_true(take_answer(h, &r));
    hca_close(h);
}

static void an_answer_costs_a_completion_and_the_latency(void **state)
{
    (void)state;
    const struct hca_param p = plain();
    struct hca *const h = fresh(&p);
    struct mmio_rsp r;

    UNIT_PUSH(h, mmio_rd, mmio_rsp, .data = 77, .len = 4);
    const uint64_t want = h->y.k.now + 1 + link_cycles(&p, 24) + p.pcie_latency_up_ns;
    unit_run(h, want - 1 - h->y.k.now);
    assert_false(take_answer(h, &r));
    unit_run(h, 1);
    assert_true(take_answer(h, &r) && r.data == 77);
    assert_int_equal(h->y.s.pcie_mmio_answers, 1);
    hca_close(h);
}

static void traffic_is_counted_by_class_with_and_without_headers(void **state)
{
    (void)state;
    struct hca_param p = plain();
    p.sim_train_tlps_max = 16;
    struct hca *const h = fresh(&p);
    const struct hca_stat *const s = &h->y.s;

    UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high, .len = 64, .cls = CLS_WQE);
    UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high, .len = 2048, .tlps = 4,
              .cls = CLS_PAYLOAD);
    UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 64, .cls = CLS_CQE,
              .slot = NO_SLOT);
    UNIT_PUSH(h, up_wr, tlp, .type = TLP_MSI, .addr = HOST_MSI_BASE, .cls = CLS_INTERRUPT,
              .slot = NO_SLOT);
    unit_run(h, 1000);
    assert_true(s->pcie_up_tlps_wqe == 1 && s->pcie_up_payload_wqe == 0 &&
                s->pcie_up_bytes_wqe == 24);
    assert_true(s->pcie_up_tlps_payload == 4 && s->pcie_up_bytes_payload == 96);
    assert_true(s->pcie_up_tlps_cqe == 1 && s->pcie_up_payload_cqe == 64 &&
                s->pcie_up_bytes_cqe == 88);
    assert_true(s->pcie_up_tlps_interrupt == 1 && s->pcie_up_bytes_interrupt == 24);
    assert_true(s->pcie_up_reads == 2 && s->pcie_up_writes == 2);
    hca_close(h);
}

static void a_train_larger_than_all_credits_goes_when_all_are_there(void **state)
{
    (void)state;
    struct hca_param p = plain();
    struct tlp m;
    p.sim_train_tlps_max = 16;
    p.pcie_posted_header_credits = 4;
    p.pcie_posted_data_credits = 16;
    struct hca *const h = fresh(&p);

    UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 16, .slot = NO_SLOT);
    UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 4096, .tlps = 16,
              .slot = NO_SLOT);
    unit_run(h, 2000);
    assert_true(take(h, &m));
    assert_false(take(h, &m));
    UNIT_PUSH(h, fc_in, credit, .ph = 1, .pd = 1);
    unit_run(h, 2000);
    assert_true(take(h, &m) && m.tlps == 16);
    assert_true(h->u_pcie.s.ph == 0 && h->u_pcie.s.pd == 0);
    hca_close(h);
}

static void impossible_dllp_intervals_are_refused(void **state)
{
    (void)state;
    static struct hca_config c;
    struct hca_error err;

    hca_config_default(&c);
    assert_true(hca_config_check(&c, &err));
    c.value.pcie_ack_interval_bytes = 8;
    assert_false(hca_config_check(&c, &err));
    assert_non_null(strstr(err.text, "pcie.ack_interval_bytes = 8"));
    c.value.pcie_ack_interval_bytes = 40;
    c.value.pcie_fc_interval_bytes = 40;
    assert_true(hca_config_check(&c, &err));
    assert_true(tlp_line(&c.value).num > 0);
}

/* Random loads on all inputs, a stalling sink, credits that come back late. */
static void random_traffic_keeps_order_and_never_overdraws(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct hca_param p = plain();
        p.pcie_posted_header_credits = 1 + seed;
        p.pcie_posted_data_credits = 16 + seed;
        p.pcie_np_header_credits = 1 + seed % 3;
        p.pcie_latency_up_ns = seed;
        struct hca *const h = fresh(&p);
        uint64_t r = seed * 77;
        uint32_t wr = 0, rd = 0, got_wr = 0, got_rd = 0, ph = 0, pd = 0, nph = 0;
        uint32_t older_writes[64];
        uint32_t peak[3] = {0, 0, 0};

        for (unsigned n = 0; n < 30000; n++) {
            struct tlp m;
            r = r * 6364136223846793005ULL + 1442695040888963407ULL;
            const unsigned dice = (unsigned)(r >> 33);
            h->y.t.now = h->y.k.now;
            if (n < 25000 && dice % 5 == 0 && READY(&h->y.t, &h->up_wr)) {
                UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = 1 + dice / 7 % 256,
                          .tag = (uint16_t)wr++, .slot = NO_SLOT);
            }
            if (n < 25000 && dice % 7 == 0 && READY(&h->y.t, &h->up_rd)) {
                older_writes[rd % 64] = wr; /* pushed so far, this cycle included */
                UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high, .len = 64,
                          .tag = (uint16_t)rd++);
            }
            if (dice % 3 == 0 && h->y.t.now > 0 && fifo_ready(&h->fc_in.ctl, h->y.k.now) &&
                ph + nph > 0) {
                UNIT_PUSH(h, fc_in, credit, .ph = (uint16_t)ph, .pd = (uint16_t)pd,
                          .nph = (uint16_t)nph);
                ph = pd = nph = 0;
            }
            unit_run(h, 1);
            if (dice % 4 != 0 && take(h, &m)) {
                const struct tlp_credits c = tlp_credits(&p, &m);
                ph += c.ph;
                pd += c.pd;
                nph += c.nph;
                if (m.type == TLP_MWR) {
                    assert_int_equal(m.tag, (uint16_t)got_wr++);
                } else {
                    assert_true(got_wr >= older_writes[got_rd % 64]);
                    assert_int_equal(m.tag, (uint16_t)got_rd++);
                }
            }
            peak[0] = h->u_pcie.s.ph > peak[0] ? h->u_pcie.s.ph : peak[0];
            peak[1] = h->u_pcie.s.pd > peak[1] ? h->u_pcie.s.pd : peak[1];
            peak[2] = h->u_pcie.s.nph > peak[2] ? h->u_pcie.s.nph : peak[2];
        }
        assert_true(wr > 200 && got_wr == wr && rd > 200 && got_rd == rd);
        assert_true(peak[0] <= 1 + seed && peak[1] <= 16 + seed && peak[2] <= 1 + seed % 3);
        hca_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tlp_is_seen_at_the_end_of_its_last_byte_plus_latency),
        cmocka_unit_test(bytes_leave_with_their_tlp_and_the_slot_is_given_back),
        cmocka_unit_test(every_kind_of_credit_stops_its_kind_of_request),
        cmocka_unit_test(a_read_never_passes_an_older_write),
        cmocka_unit_test(of_equal_age_the_write_goes_first),
        cmocka_unit_test(writes_and_answers_pass_reads_without_credits),
        cmocka_unit_test(an_answer_to_the_core_never_passes_an_older_write),
        cmocka_unit_test(an_answer_costs_a_completion_and_the_latency),
        cmocka_unit_test(traffic_is_counted_by_class_with_and_without_headers),
        cmocka_unit_test(a_train_larger_than_all_credits_goes_when_all_are_there),
        cmocka_unit_test(impossible_dllp_intervals_are_refused),
        cmocka_unit_test(random_traffic_keeps_order_and_never_overdraws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
