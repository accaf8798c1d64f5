/* dma_read: packets are gathered whole, keep their order and tell what went wrong. */
#include "tests/dma_memory.h"

#include "model/packet/headers.h"

enum { RAM = 1 << 20 };

static struct hca *fresh(const struct hca_param *p)
{
    return unit_hca(p, 1ULL << U_dma_read);
}

static void assert_bytes(const struct hca *h, uint32_t data, const struct bus *b, uint64_t addr,
                         uint32_t len)
{
    assert_memory_equal(store_at(&h->store, data), b->ram + addr, len);
}

static uint32_t slot_at(const struct hca *h, const struct pkt *m)
{
    return h->store.tx + m->slot * h->store.slot_bytes + PKT_HEADROOM;
}

static void push_piece(struct hca *h, struct bus *b, struct pkt m)
{
    h->y.t.now = h->y.k.now;
    while (!READY(&h->y.t, &h->rd_job) || h->rd_job.ctl.pushed == h->y.k.now + 1) {
        bus_cycle(h, b);
        h->y.t.now = h->y.k.now;
    }
    PASS(&h->y.t, &h->rd_job, pkt, 0, &m);
}

static void a_packet_has_the_fields_of_its_pieces_and_all_bytes_in_place(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct bus b = bus_open(RAM, 2);
    struct pkt m;

    push_piece(h, &b,
               (struct pkt){.addr = 5000,
                            .len = 100,
                            .off = 0,
                            .plen = 164,
                            .psn = 9,
                            .flags = TXF_FIRST_PIECE | TXF_ACKREQ,
                            .fn = 2,
                            .mid = 4,
                            .opcode = 17,
                            .rec = NO_SLOT});
    push_piece(h, &b,
               (struct pkt){.addr = 777,
                            .len = 64,
                            .off = 100,
                            .plen = 164,
                            .psn = 9,
                            .flags = TXF_LAST_PIECE | TXF_ACKREQ,
                            .fn = 2,
                            .mid = 4,
                            .opcode = 17,
                            .rec = NO_SLOT});
    bus_run(h, &b, 200);
    assert_true(UNIT_POP(h, rd_done, &m));
    assert_int_equal(m.psn, 9);
    assert_int_equal(m.mid, 4);
    assert_int_equal(m.plen, 164);
    assert_int_equal(m.status, 0);
    assert_int_equal(m.flags, TXF_FIRST_PIECE | TXF_LAST_PIECE | TXF_ACKREQ);
    assert_true(pool_holds(&h->store.tx_pool, m.slot));
    assert_bytes(h, slot_at(h, &m), &b, 5000, 100);
    assert_bytes(h, slot_at(h, &m) + 100, &b, 777, 64);
    bus_close(&b);
    hca_close(h);
}

static void packets_leave_in_order_whatever_order_their_bytes_come_in(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct tlp first;
    struct tlp second;
    struct pkt m;

    for (uint32_t i = 0; i < 2; i++) {
        UNIT_PUSH(h, rd_job, pkt, .addr = 64 * i, .len = 64, .plen = 64, .psn = i,
                  .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE);
    }
    UNIT_PUSH(h, rd_job, pkt, .psn = 2, .flags = TXF_NO_PAYLOAD);
    unit_run(h, 20);
    assert_true(UNIT_POP(h, up_rd, &first));
    assert_true(UNIT_POP(h, up_rd, &second));
    UNIT_PUSH(h, pcie_in, tlp, .tag = second.tag, .len = 64, .left = 64);
    unit_run(h, 10);
    assert_true(!UNIT_POP(h, rd_done, &m));
    UNIT_PUSH(h, pcie_in, tlp, .tag = first.tag, .len = 64, .left = 64);
    unit_run(h, 10);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(UNIT_POP(h, rd_done, &m));
        assert_int_equal(m.psn, i);
        assert_int_not_equal(m.slot, NO_SLOT);
    }
    hca_close(h);
}

static void a_fence_keeps_its_place_and_takes_no_slot(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct tlp r;
    struct pkt m;

    UNIT_PUSH(h, rd_job, pkt, .len = 64, .plen = 64, .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE);
    UNIT_PUSH(h, rd_job, pkt, .psn = 1, .flags = TXF_FENCE);
    unit_run(h, 20);
    assert_true(!UNIT_POP(h, rd_done, &m));
    assert_true(UNIT_POP(h, up_rd, &r));
    UNIT_PUSH(h, pcie_in, tlp, .tag = r.tag, .len = 64, .left = 64);
    unit_run(h, 5);
    assert_true(UNIT_POP(h, rd_done, &m));
    assert_true(UNIT_POP(h, rd_done, &m));
    assert_int_equal(m.psn, 1);
    assert_int_equal(m.slot, NO_SLOT);
    assert_int_equal(h->store.tx_pool.free, h->store.tx_pool.n - 1);
    hca_close(h);
}

static void inline_bytes_are_copied_and_the_record_given_back_by_the_last_packet(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    const uint16_t rec = pool_take(&h->store.wqe_pool, &h->y.k);
    const uint32_t raw = h->store.wqe_raw + rec * WQE_RAW_MAX;
    struct pkt m;

    for (uint32_t i = 0; i < 40; i++) {
        *store_at(&h->store, raw + i) = (uint8_t)i;
    }
    UNIT_PUSH(h, rd_job, pkt, .addr = 0, .len = 30, .plen = 30, .rec = rec,
              .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE | TXF_INLINE);
    unit_run(h, 5);
    assert_true(pool_holds(&h->store.wqe_pool, rec));
    assert_true(UNIT_POP(h, rd_done, &m));
    assert_memory_equal(store_at(&h->store, slot_at(h, &m)), store_at(&h->store, raw), 30);
    UNIT_PUSH(h, rd_job, pkt, .addr = 30, .len = 10, .plen = 10, .rec = rec,
              .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE | TXF_INLINE | TXF_LAST_OF_MSG);
    unit_run(h, 5);
    assert_false(pool_holds(&h->store.wqe_pool, rec));
    assert_true(UNIT_POP(h, rd_done, &m));
    assert_int_equal(m.rec, NO_SLOT);
    assert_memory_equal(store_at(&h->store, slot_at(h, &m)), store_at(&h->store, raw + 30), 10);
    assert_int_equal(h->y.s.dma_read_tlps, 0);
    hca_close(h);
}

static void a_piece_that_failed_is_not_read_and_its_packet_tells(void **state)
{
    (void)state;
    static const struct {
        uint8_t source, translated, dma, want;
    } rows[] = {
        {SRC_REQUESTER, WC_LOC_PROT, DMA_OK, WC_LOC_PROT},
        {SRC_REQUESTER, 0, DMA_UR, WC_LOC_PROT},
        {SRC_RESPONDER, WC_REM_ACCESS, DMA_OK, WC_REM_ACCESS},
        {SRC_RESPONDER, 0, DMA_CA, WC_REM_OP},
        {SRC_RESPONDER, WC_REM_ACCESS, DMA_UR, WC_REM_ACCESS},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = unit_param();
        struct hca *const h = fresh(&p);
        struct tlp r;
        struct pkt m;
        UNIT_PUSH(h, rd_job, pkt, .len = 8, .plen = 16, .flags = TXF_FIRST_PIECE,
                  .source = rows[i].source);
        UNIT_PUSH(h, rd_job, pkt, .len = 8, .off = 8, .plen = 16, .flags = TXF_LAST_PIECE,
                  .source = rows[i].source, .status = rows[i].translated);
        unit_run(h, 30);
        for (uint32_t n = rows[i].translated != 0 ? 1 : 2; n > 0; n--) {
            assert_true(UNIT_POP(h, up_rd, &r));
            UNIT_PUSH(h, pcie_in, tlp, .tag = r.tag, .len = n == 1 && rows[i].dma ? 0 : 8,
                      .left = 8, .status = n == 1 ? rows[i].dma : DMA_OK);
        }
        unit_run(h, 5);
        assert_true(!UNIT_POP(h, up_rd, &r));
        assert_true(UNIT_POP(h, rd_done, &m));
        assert_int_equal(m.status, rows[i].want);
        hca_close(h);
    }
}

static void stamps_are_of_the_last_request_and_of_the_last_byte(void **state)
{
    (void)state;
    for (uint8_t source = SRC_REQUESTER; source <= SRC_RESPONDER; source++) {
        struct hca_param p = unit_param();
        struct hca *const h = fresh(&p);
        const bool mine = source == SRC_REQUESTER;
        struct tlp a;
        struct tlp z;
        uint32_t times;
        UNIT_PUSH(h, rd_job, pkt, .len = 1024, .plen = 1024, .mid = 9, .source = source,
                  .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE);
        unit_run(h, 30);
        assert_true(UNIT_POP(h, up_rd, &a));
        assert_true(UNIT_POP(h, up_rd, &z));
        assert_int_equal(bus_stamp(h, mine ? STAGE_dma_issued : STAGE_rsp_issued, 9, &times),
                         z.at - 1);
        assert_int_equal(times, 1);
        UNIT_PUSH(h, pcie_in, tlp, .tag = z.tag, .len = 512, .left = 512);
        unit_run(h, 10);
        UNIT_PUSH(h, pcie_in, tlp, .tag = a.tag, .len = 512, .left = 512);
        const uint64_t pushed = h->y.k.now;
        unit_run(h, 10);
        assert_int_equal(bus_stamp(h, mine ? STAGE_dma_done : STAGE_rsp_read, 9, &times),
                         pushed + 1);
        assert_int_equal(times, 1);
        assert_int_equal(bus_stamp(h, mine ? STAGE_rsp_read : STAGE_dma_done, 9, &times), 0);
        hca_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_has_the_fields_of_its_pieces_and_all_bytes_in_place),
        cmocka_unit_test(packets_leave_in_order_whatever_order_their_bytes_come_in),
        cmocka_unit_test(a_fence_keeps_its_place_and_takes_no_slot),
        cmocka_unit_test(inline_bytes_are_copied_and_the_record_given_back_by_the_last_packet),
        cmocka_unit_test(a_piece_that_failed_is_not_read_and_its_packet_tells),
        cmocka_unit_test(stamps_are_of_the_last_request_and_of_the_last_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
