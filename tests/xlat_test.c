/* xlat: which requests pass and where they lead. Misses: xlat_miss_test.c, keys: xlat_key_test.c.
 */
#include "tests/xlat_rig.h"

#include "model/packet/headers.h"

enum { KEY = 5 << 8 | 0x77, WHOLE = TXF_FIRST_PIECE | TXF_LAST_PIECE };
#define BASE 0x4000000000ULL /* of the pages of a region */
#define VA   0x7f0000000123ULL

static struct rig fresh(void)
{
    const struct hca_param p = unit_param();

    return rig_open(&p, 1);
}

/* ---- time -------------------------------------------------------------------------------------
 */

static void a_hit_takes_the_hit_latency_and_not_a_cycle_less(void **state)
{
    (void)state;
    static const uint64_t hit_ns[] = {0, 4, 9};

    for (size_t i = 0; i < sizeof hit_ns / sizeof hit_ns[0]; i++) {
        struct hca_param p = unit_param();
        p.hca_xlat_hit_ns = hit_ns[i];
        struct rig x = rig_open(&p, 1);
        struct place placed;
        struct pkt m;
        (void)rig_register(&x, KEY, VA, 8192, ACC_LOCAL_WRITE, BASE);
        (void)rig_send(&x, KEY, VA, 16);
        RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = VA, .len = 1, .flags = WHOLE);
        RIG_PUSH(&x, rx_place, place, .key = KEY, .pd = 1, .addr = VA, .len = 1);
        unit_run(x.h, hit_ns[i] + 1);
        assert_true(!UNIT_POP(x.h, rd_job, &m));
        assert_true(!UNIT_POP(x.h, rx_placed, &placed));
        unit_run(x.h, 1);
        assert_true(UNIT_POP(x.h, rd_job, &m));
        assert_true(UNIT_POP(x.h, rx_placed, &placed));
        rig_close(&x);
    }
}

static void hits_pass_at_one_piece_per_cycle_and_activation_in_each_stream(void **state)
{
    (void)state;
    struct rig x = fresh();
    uint32_t sent = 0;
    uint32_t got[2] = {0};
    struct place placed;
    struct pkt m;

    (void)rig_register(&x, KEY, VA, 8192, ACC_LOCAL_WRITE, BASE);
    (void)rig_send(&x, KEY, VA, 16);
    x.h->y.mode = 0;
    const uint64_t before = x.h->y.k.activations;
    for (uint64_t c = 0; got[0] < 500; c++) {
        assert_true(c < 500 + 4 + 3);
        x.h->y.t.now = x.h->y.k.now;
        got[0] += UNIT_POP(x.h, rd_job, &m) ? 1 : 0;
        got[1] += UNIT_POP(x.h, rx_placed, &placed) ? 1 : 0;
        if (sent++ < 500) {
            PUSH(&x.h->y.t, &x.h->tx_job, pkt, 0, .lkey = KEY, .pd = 1, .addr = VA, .len = 16,
                 .flags = WHOLE);
            PUSH(&x.h->y.t, &x.h->rx_place, place, 0, .key = KEY, .pd = 1, .addr = VA, .len = 16,
                 .access = ACC_LOCAL_WRITE);
        }
        unit_run(x.h, 1);
    }
    assert_int_equal(got[1], 500);
    assert_true(x.h->y.k.activations - before <= 500 + 3);
    rig_close(&x);
}

static void the_stamp_is_of_the_last_piece_of_the_requester_alone(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct pkt m;
    uint64_t at = 0;
    uint32_t n = 0;

    (void)rig_register(&x, KEY, VA, 8192, ACC_REMOTE_READ, BASE);
    for (uint8_t source = SRC_REQUESTER; source <= SRC_RESPONDER; source++) {
        for (uint16_t i = 0; i < 2; i++) {
            RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = VA, .len = 16, .mid = 3,
                     .source = source, .flags = i == 0 ? TXF_FIRST_PIECE : TXF_LAST_PIECE);
            RIG_POP(&x, rd_job, &m);
            at = source == SRC_REQUESTER ? m.at : at;
        }
    }
    for (uint32_t i = x.h->y.trace.head; i != x.h->y.trace.tail; i++) {
        struct ev_stage e;
        memcpy(&e, x.h->y.trace.ring[i % TRACE_RING].args, sizeof e);
        assert_int_equal(e.stage, STAGE_translated);
        assert_int_equal(e.at + 1, at); /* the hit latency belongs to the stage */
        n++;
    }
    assert_int_equal(n, 1);
    rig_close(&x);
}

/* ---- checks -----------------------------------------------------------------------------------
 */

struct answer {
    uint64_t addr;
    uint8_t status;
};

/* One request through a port; access as the port needs it. */
static struct answer ask(struct rig *x, uint32_t port, uint32_t key, uint32_t pd, uint64_t va,
                         uint32_t len, uint32_t access)
{
    struct wr_req w;
    struct place p;
    struct pkt m;

    switch (port) {
    case XLAT_TX:
        RIG_PUSH(x, tx_job, pkt, .lkey = key, .pd = pd, .addr = va, .len = len, .flags = WHOLE);
        RIG_POP(x, rd_job, &m);
        return (struct answer){m.addr, m.status};
    case XLAT_RSP:
        RIG_PUSH(x, rsp_job, pkt, .lkey = key, .pd = pd, .addr = va, .len = len, .flags = WHOLE,
                 .source = SRC_RESPONDER);
        RIG_POP(x, rd_job, &m);
        return (struct answer){m.addr, m.status};
    case XLAT_RX:
        RIG_PUSH(x, rx_place, place, .key = key, .pd = pd, .addr = va, .len = len,
                 .access = access);
        RIG_POP(x, rx_placed, &p);
        return (struct answer){p.addr, p.status};
    default:
        RIG_PUSH(x, ack_place, place, .key = key, .pd = pd, .addr = va, .len = len,
                 .access = access);
        RIG_POP(x, ack_placed, &w);
        return (struct answer){w.addr, w.status};
    }
}

enum { LW = ACC_LOCAL_WRITE, RW = ACC_REMOTE_WRITE, RR = ACC_REMOTE_READ, RA = ACC_REMOTE_ATOMIC };
#define LEN 10000ULL

static const struct {
    uint32_t port, access, granted, key, pd;
    uint64_t va;
    uint32_t len;
    uint8_t status;
} checks[] = {
    {XLAT_TX, 0, 0, KEY, 1, VA, 1, 0},
    {XLAT_TX, 0, 0, KEY, 1, VA + LEN - 1, 1, 0},
    {XLAT_TX, 0, 0, KEY, 1, VA + LEN - 1, 2, WC_LOC_PROT},
    {XLAT_TX, 0, 0, KEY, 1, VA + LEN, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, KEY, 1, VA - 1, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, KEY, 1, UINT64_MAX, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, KEY, 1, 0, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, KEY, 2, VA, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, KEY ^ 1, 1, VA, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, KEY + 256, 1, VA, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, 0, 1, VA, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, 65536U << 8, 1, VA, 1, WC_LOC_PROT},
    {XLAT_TX, 0, 0, 0xffffffff, 1, VA, 1, WC_LOC_PROT},
    {XLAT_RSP, 0, RR, KEY, 1, VA, 8, 0},
    {XLAT_RSP, 0, LW | RW | RA, KEY, 1, VA, 8, WC_REM_ACCESS},
    {XLAT_RSP, 0, RR, KEY, 2, VA, 8, WC_REM_ACCESS},
    {XLAT_RSP, 0, RR, KEY, 1, VA + LEN, 8, WC_REM_ACCESS},
    {XLAT_RSP, 0, RR, 0xffffff00, 1, VA, 8, WC_REM_ACCESS},
    {XLAT_RX, LW, LW, KEY, 1, VA, 8, 0},
    {XLAT_RX, LW, RW | RR | RA, KEY, 1, VA, 8, WC_LOC_PROT},
    {XLAT_RX, RW, RW, KEY, 1, VA, 8, 0},
    {XLAT_RX, RW, LW | RR | RA, KEY, 1, VA, 8, WC_REM_ACCESS},
    {XLAT_RX, RW, RW, KEY, 3, VA, 8, WC_REM_ACCESS},
    {XLAT_RX, RA, RA, KEY, 1, VA, 8, 0},
    {XLAT_RX, RA, LW | RW | RR, KEY, 1, VA, 8, WC_REM_ACCESS},
    {XLAT_RX, RR, LW, KEY, 1, VA, 8, WC_REM_ACCESS},
    {XLAT_ACK, LW, LW, KEY, 1, VA, 8, 0},
    {XLAT_ACK, LW, RW | RR | RA, KEY, 1, VA, 8, WC_LOC_PROT},
    {XLAT_ACK, LW, LW, KEY, 1, VA + LEN - 7, 8, WC_LOC_PROT},
    {XLAT_RX, LW | 1U << 20, LW, KEY, 1, VA, 8, 0}, /* optional bits are not decoded */
};

static void a_request_passes_only_with_key_domain_range_and_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct rig x = fresh();
        (void)rig_register(&x, KEY, VA, LEN, checks[i].granted, BASE);
        const struct answer a = ask(&x, checks[i].port, checks[i].key, checks[i].pd, checks[i].va,
                                    checks[i].len, checks[i].access);
        if (a.status != checks[i].status) {
            print_error("row %zu\n", i);
        }
        assert_int_equal(a.status, checks[i].status);
        if (a.status == 0) {
            assert_int_equal(a.addr, rig_bus(checks[i].va, VA, BASE));
        }
        assert_int_equal(x.h->y.s.xlat_refused, a.status != 0);
        rig_close(&x);
    }
}

static void a_region_that_claims_all_lengths_does_not_wrap(void **state)
{
    (void)state;
    struct rig x = fresh();
    const uint64_t dir = rig_directory(&x, 1, BASE);

    assert_int_equal(
        rig_change(
            &x,
            (struct mpt_set){
                .op = MPT_CREATE, .key = KEY, .va = VA, .len = UINT64_MAX, .pdir = dir, .pd = 1}),
        MPT_DONE);
    assert_int_equal(ask(&x, XLAT_TX, KEY, 1, VA, 8, 0).status, 0);
    assert_int_equal(ask(&x, XLAT_TX, KEY, 1, VA - 1, 1, 0).status, WC_LOC_PROT);
    assert_int_equal(ask(&x, XLAT_TX, KEY, 1, 0, 1, 0).status, WC_LOC_PROT);
    rig_close(&x);
}

static void a_piece_across_a_page_boundary_is_denied(void **state)
{
    (void)state;
    struct rig x = fresh();

    (void)rig_register(&x, KEY, 0, 8192, LW, BASE);
    assert_int_equal(ask(&x, XLAT_ACK, KEY, 1, 4088, 8, LW).status, 0);
    assert_int_equal(ask(&x, XLAT_ACK, KEY, 1, 4092, 8, LW).status, WC_LOC_PROT);
    rig_close(&x);
}

static void a_key_belongs_to_its_function(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_fn_max = 3;
    struct rig x = rig_open(&p, 1);
    struct pkt m;

    for (uint8_t fn = 0; fn < 3; fn++) {
        const uint64_t dir = rig_directory(&x, 1, BASE * (fn + 1U));
        assert_int_equal(rig_change(&x, (struct mpt_set){.op = MPT_CREATE,
                                                         .key = KEY,
                                                         .va = VA,
                                                         .len = 64,
                                                         .pdir = dir,
                                                         .pd = 1,
                                                         .fn = fn}),
                         MPT_DONE);
    }
    for (uint8_t fn = 0; fn < 3; fn++) {
        RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = VA, .len = 8, .fn = fn,
                 .flags = WHOLE);
        RIG_POP(&x, rd_job, &m);
        assert_int_equal(m.addr, BASE * (fn + 1U) + VA % RIG_PAGE);
    }
    rig_close(&x);
}

static void a_key_of_all_addresses_maps_one_to_one_and_does_not_wrap(void **state)
{
    (void)state;
    struct rig x = fresh();

    assert_int_equal(
        rig_change(&x,
                   (struct mpt_set){
                       .op = MPT_CREATE, .key = KEY, .pd = 1, .access = LW, .flags = MPT_ADDRESS}),
        MPT_DONE);
    struct answer a = ask(&x, XLAT_RX, KEY, 1, 0xdeadbeef123, 16, LW);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.addr, 0xdeadbeef123);
    a = ask(&x, XLAT_ACK, KEY, 1, UINT64_MAX, 1, LW);
    assert_int_equal(a.status, 0);
    a = ask(&x, XLAT_ACK, KEY, 1, UINT64_MAX, 2, LW);
    assert_int_equal(a.status, WC_LOC_PROT);
    a = ask(&x, XLAT_RX, KEY, 1, 0, 16, RW);
    assert_int_equal(a.status, WC_REM_ACCESS);
    assert_int_equal(x.page_reads, 0);
    rig_close(&x);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static void pieces_without_a_key_pass_untouched(void **state)
{
    (void)state;
    static const struct {
        uint16_t flags;
        uint32_t len;
        uint8_t status;
    } rows[] = {{TXF_INLINE | WHOLE, 30, 0}, {TXF_NO_PAYLOAD, 0, 0},
                {TXF_FENCE, 0, 0},           {WHOLE, 0, 0},
                {WHOLE, 8, WC_LOC_PROT},     {TXF_NO_PAYLOAD | WHOLE, 0, 0}};
    struct rig x = fresh();
    struct pkt m;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        RIG_PUSH(&x, tx_job, pkt, .flags = rows[i].flags, .len = rows[i].len, .addr = 12345,
                 .status = rows[i].status, .rec = 7, .mid_first = 9);
        RIG_POP(&x, rd_job, &m);
        assert_int_equal(m.addr, 12345);
        assert_int_equal(m.status, rows[i].status);
        assert_int_equal(m.flags, rows[i].flags);
        assert_int_equal(m.rec, 7);
        assert_int_equal(m.mid_first, 9);
    }
    assert_int_equal(x.key_reads, 0);
    rig_close(&x);
}

static void a_failed_piece_fails_the_rest_of_its_packet_and_nothing_else(void **state)
{
    (void)state;
    struct rig x = fresh();
    static const struct {
        uint64_t va;
        uint16_t flags;
        uint8_t status;
    } rows[] = {{VA, TXF_FIRST_PIECE, 0},          {VA - 1, 0, WC_LOC_PROT}, {VA, 0, WC_LOC_PROT},
                {VA, TXF_LAST_PIECE, WC_LOC_PROT}, {VA, WHOLE, 0},           {VA - 1, WHOLE, 4},
                {VA, TXF_FIRST_PIECE, 0},          {VA, TXF_LAST_PIECE, 0}};
    struct pkt m;

    (void)rig_register(&x, KEY, VA, 64, 0, BASE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = rows[i].va, .len = 8,
                 .flags = rows[i].flags);
        RIG_POP(&x, rd_job, &m);
        assert_int_equal(m.status, rows[i].status);
    }
    assert_int_equal(x.h->y.s.xlat_refused, 2);
    rig_close(&x);
}

static void a_whole_message_is_checked_without_reading_its_pages(void **state)
{
    (void)state;
    struct rig x = fresh();
    static const struct {
        uint32_t len;
        uint8_t status;
    } rows[] = {{1 << 20, 0}, {(1 << 20) + 1, WC_REM_ACCESS}, {1U << 31, WC_REM_ACCESS}, {0, 0}};

    (void)rig_register(&x, KEY, VA, 1 << 20, RW, BASE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct place m = rig_place(&x, (struct place){.key = KEY,
                                                            .pd = 1,
                                                            .addr = VA,
                                                            .len = rows[i].len,
                                                            .access = RW,
                                                            .flags = PLACE_CHECK_ONLY | PLACE_LAST,
                                                            .cookie = 8,
                                                            .cx = 3,
                                                            .qn = 99,
                                                            .mid = 4,
                                                            .data = 5,
                                                            .slot = 6});
        assert_int_equal(m.status, rows[i].status);
        assert_int_equal(m.addr, VA);
        assert_int_equal(m.flags, PLACE_CHECK_ONLY | PLACE_LAST);
        assert_int_equal(m.qn, 99);
        assert_int_equal(m.slot, 6);
    }
    assert_int_equal(x.page_reads, 0);
    rig_close(&x);
}

static void responses_become_writes_of_their_class(void **state)
{
    (void)state;
    for (int relaxed = 0; relaxed < 2; relaxed++) {
        struct hca_param p = unit_param();
        p.hca_relaxed_ordering = (uint64_t)relaxed;
        struct rig x = rig_open(&p, 1);
        const struct store *const s = &x.h->store;
        struct wr_req w;
        (void)rig_register(&x, KEY, VA, 64, LW, BASE);
        RIG_PUSH(&x, ack_place, place, .key = KEY, .pd = 1, .addr = VA, .len = 64, .access = LW,
                 .flags = PLACE_NOTIFY | PLACE_FREE_RX, .cookie = 0x12345678, .mid = 3,
                 .data = s->rx + PKT_HEADROOM, .slot = 0);
        RIG_POP(&x, ack_placed, &w);
        assert_int_equal(w.addr, rig_bus(VA, VA, BASE));
        assert_int_equal(w.flags, WR_NOTIFY | WR_FREE_RX | (relaxed ? WR_RO : 0));
        assert_int_equal(w.cookie, 0x12345678);
        assert_int_equal(w.cls, CLS_PAYLOAD);
        assert_int_equal(w.mid, 3);
        assert_int_equal(w.data, s->rx + PKT_HEADROOM);
        RIG_PUSH(&x, ack_place, place, .key = KEY, .pd = 1, .addr = VA, .len = 8, .access = LW,
                 .data = s->wqe_raw);
        RIG_POP(&x, ack_placed, &w);
        assert_int_equal(w.cls, CLS_ATOMIC);
        assert_int_equal(w.len, 8);
        assert_int_equal(w.flags, relaxed ? WR_RO : 0);
        RIG_PUSH(&x, ack_place, place, .key = KEY, .pd = 1, .addr = VA, .len = 64, .access = LW,
                 .flags = PLACE_CHECK_ONLY, .data = s->rx);
        RIG_POP(&x, ack_placed, &w);
        assert_int_equal(w.len, 0); /* checked, not written */
        rig_close(&x);
    }
}

static void each_stream_keeps_its_order_under_stalls_of_its_output(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct place placed;
    uint32_t sent = 0;
    uint32_t got = 0;

    (void)rig_register(&x, KEY, VA, 4096, LW, BASE);
    for (uint32_t c = 0; got < 100; c++) {
        assert_true(c < 2000);
        x.h->y.t.now = x.h->y.k.now;
        if (sent < 100 && READY(&x.h->y.t, &x.h->rx_place)) {
            PUSH(&x.h->y.t, &x.h->rx_place, place, 0, .key = KEY, .pd = 1, .addr = VA, .len = 1,
                 .cookie = sent++);
        }
        if (c % 13 > 8 && UNIT_POP(x.h, rx_placed, &placed)) {
            assert_int_equal(placed.cookie, got++);
        }
        rig_run(&x, 1);
    }
    rig_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hit_takes_the_hit_latency_and_not_a_cycle_less),
        cmocka_unit_test(hits_pass_at_one_piece_per_cycle_and_activation_in_each_stream),
        cmocka_unit_test(the_stamp_is_of_the_last_piece_of_the_requester_alone),
        cmocka_unit_test(a_request_passes_only_with_key_domain_range_and_right),
        cmocka_unit_test(a_region_that_claims_all_lengths_does_not_wrap),
        cmocka_unit_test(a_piece_across_a_page_boundary_is_denied),
        cmocka_unit_test(a_key_belongs_to_its_function),
        cmocka_unit_test(a_key_of_all_addresses_maps_one_to_one_and_does_not_wrap),
        cmocka_unit_test(pieces_without_a_key_pass_untouched),
        cmocka_unit_test(a_failed_piece_fails_the_rest_of_its_packet_and_nothing_else),
        cmocka_unit_test(a_whole_message_is_checked_without_reading_its_pages),
        cmocka_unit_test(responses_become_writes_of_their_class),
        cmocka_unit_test(each_stream_keeps_its_order_under_stalls_of_its_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
