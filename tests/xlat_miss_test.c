/* xlat: what a miss reads, who shares it, who waits for it, and what the caches hold. */
#include "tests/xlat_rig.h"

enum { KEY = 5 << 8 | 0x77, OTHER = 6 << 8 | 1, WHOLE = TXF_FIRST_PIECE | TXF_LAST_PIECE };
enum { LW = ACC_LOCAL_WRITE, RW = ACC_REMOTE_WRITE };
#define BASE 0x4000000000ULL /* of the pages of a region */
#define VA   0x7f0000000123ULL

static struct rig fresh(void)
{
    const struct hca_param p = unit_param();

    return rig_open(&p, 1);
}

static struct rig with_caches(uint64_t keys, uint64_t key_ways, uint64_t pages, uint64_t page_ways,
                              uint64_t fetch)
{
    struct hca_param p = unit_param();

    p.hca_mpt_cache_entries = keys;
    p.hca_mpt_cache_ways = key_ways;
    p.hca_mtt_cache_entries = pages;
    p.hca_mtt_cache_ways = page_ways;
    p.hca_mtt_fetch_entries = fetch;
    return rig_open(&p, 1);
}

/* ---- what is read -----------------------------------------------------------------------------
 */

static void take_read(struct rig *x, uint8_t fn, uint64_t addr, uint32_t len)
{
    for (uint32_t c = 0; x->n == 0; c++) {
        assert_true(c < 50);
        rig_run(x, 1);
    }
    rig_run(x, 20);
    assert_int_equal(x->n, 1); /* one step of the walk at a time */
    assert_int_equal(x->pending[0].fn, fn);
    assert_int_equal(x->pending[0].addr, addr);
    assert_int_equal(x->pending[0].len, len);
    x->hold = false;
    while (x->n != 0) {
        rig_run(x, 1);
    }
    x->hold = true;
}

static void a_cold_request_reads_the_key_then_the_directory_then_the_table(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_fn_max = 4;
    struct rig x = rig_open(&p, 1);
    const uint64_t start = VA;
    const uint64_t page = 12 * 512 + 77; /* 13th table, 10th line */
    const uint64_t va = start - start % RIG_PAGE + page * RIG_PAGE + 9;
    const uint64_t dir = rig_plant(&x, KEY, start, 1ULL << 26, 0, BASE);
    uint64_t table;
    struct pkt m;

    memcpy(rig_at(&x, FN_ADAPTER, ctx_bus(&p, CTX_MPT, 3, KEY >> 8), MPT_BYTES),
           rig_at(&x, FN_ADAPTER, ctx_bus(&p, CTX_MPT, 0, KEY >> 8), MPT_BYTES), MPT_BYTES);
    memcpy(&table, x.ram + dir + 12 * 8, 8);
    x.hold = true;
    RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .fn = 3, .addr = va, .len = 8, .flags = WHOLE);
    take_read(&x, FN_ADAPTER, ctx_bus(&p, CTX_MPT, 3, KEY >> 8), 64);
    take_read(&x, 3, dir + 8 * 8, 64);
    take_read(&x, 3, table + 72 * 8, 64);
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.addr, rig_page(BASE, page) + va % RIG_PAGE);
    rig_close(&x);
}

static void a_miss_reads_only_what_no_cached_line_covers(void **state)
{
    (void)state;
    static const struct {
        uint64_t page;
        uint32_t reads, walks;
    } rows[] = {
        {0, 2, 1},   {1, 0, 0},    {7, 0, 0},    {8, 1, 0},    /* a line holds 8 pages  */
        {512, 1, 0}, {3584, 1, 0}, {4096, 2, 1}, {4095, 1, 0}, /* or 8 tables           */
    };
    struct rig x = fresh();
    const uint64_t start = VA - VA % RIG_PAGE;

    (void)rig_register(&x, KEY, start, 4100 * RIG_PAGE, 0, BASE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t reads = x.page_reads;
        const uint64_t walks = x.h->y.s.xlat_walks;
        const struct pkt m = rig_send(&x, KEY, start + rows[i].page * RIG_PAGE, 8);
        assert_int_equal(m.addr, rig_page(BASE, rows[i].page));
        assert_int_equal(x.page_reads - reads, rows[i].reads);
        assert_int_equal(x.h->y.s.xlat_walks - walks, rows[i].walks);
    }
    assert_int_equal(x.h->y.s.xlat_mtt_misses, 6);
    assert_int_equal(x.h->y.s.xlat_mtt_hits, 2);
    assert_int_equal(x.h->y.s.xlat_mpt_misses, 0); /* creation leaves the key in the cache */
    assert_int_equal(x.h->y.s.xlat_mpt_hits, 8);
    rig_close(&x);
}

static void directories_may_say_anything_and_become_bus_addresses(void **state)
{
    (void)state;
    struct rig x = fresh();
    const uint64_t dir = rig_take_page(&x);
    const uint64_t table = rig_take_page(&x);
    const struct mpt_set m = {.op = MPT_CREATE,
                              .key = KEY,
                              .va = 0,
                              .len = UINT64_MAX,
                              .pdir = dir | 0xabc,
                              .pd = 1,
                              .access = RW};
    static const struct {
        uint64_t page, bus;
    } rows[] = {{0, 0}, {1, 0xfffffffffffff000}, {2, 0x123456789000}};

    rig_store(&x, dir, table | 0xfff);
    rig_store(&x, table + 8, 0xffffffffffffffff);
    rig_store(&x, table + 16, 0x1234567890ab);
    assert_int_equal(rig_change(&x, m), MPT_DONE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct pkt a = rig_send(&x, KEY, rows[i].page * RIG_PAGE + 5, 8);
        assert_int_equal(a.status, 0);
        assert_int_equal(a.addr, rows[i].bus + 5);
    }
    /* page numbers beyond 18 bits are not decoded: page 2^18 is page 0 */
    assert_int_equal(rig_send(&x, KEY, (1ULL << 30) + 5, 8).addr, 5);
    rig_close(&x);
}

static void an_unreadable_table_fails_the_request_and_is_not_cached(void **state)
{
    (void)state;
    struct rig x = fresh();
    const uint64_t dir = rig_register(&x, KEY, 0, 8192, RW | LW, BASE);
    uint64_t table;
    struct ring_got got;

    memcpy(&table, x.ram + dir, 8);
    rig_store(&x, dir, 0x7777777000); /* nothing is there */
    assert_int_equal(rig_send(&x, KEY, 0, 8).status, WC_LOC_PROT);
    assert_int_equal(
        rig_place(&x, (struct place){.key = KEY, .pd = 1, .len = 8, .access = RW}).status,
        WC_REM_OP);
    assert_int_equal(
        rig_place(&x, (struct place){.key = KEY, .pd = 1, .len = 8, .access = LW}).status,
        WC_LOC_PROT);
    RIG_PUSH(&x, ring_get_cq, ring_get, .pdir = 0x7777777000, .cookie = 5);
    RIG_POP(&x, ring_got_cq, &got);
    assert_int_equal(got.status, DMA_UR);
    assert_int_equal(got.cookie, 5);
    assert_int_equal(got.addr, 0);
    assert_int_equal(x.h->y.s.xlat_mtt_hits, 0);
    rig_close(&x);
}

static void an_unreadable_key_fails_the_request(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct pkt m;

    x.no_keys = true;
    assert_int_equal(rig_send(&x, KEY, 0, 8).status, WC_LOC_PROT);
    RIG_PUSH(&x, rsp_job, pkt, .lkey = KEY, .pd = 1, .len = 8, .flags = WHOLE,
             .source = SRC_RESPONDER);
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.status, WC_REM_OP);
    assert_int_equal(rig_place(&x, (struct place){.key = KEY, .len = 8, .access = RW}).status,
                     WC_REM_OP);
    x.no_keys = false;
    (void)rig_plant(&x, KEY, 0, 64, 0, BASE);
    assert_int_equal(rig_send(&x, KEY, 0, 8).status, 0);
    rig_close(&x);
}

static void the_on_board_store_answers_after_its_time_without_dma(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_context_store = HCA_HCA_CONTEXT_STORE_ONBOARD;
    p.hca_onboard_read_ns = 100;
    p.hca_mpt_cache_entries = 1;
    p.hca_mpt_cache_ways = 1;
    struct rig x = rig_open(&p, 1);
    struct pkt m;

    (void)rig_register(&x, KEY, VA, 64, 0, BASE);
    assert_int_equal(rig_send(&x, KEY, VA, 8).status, 0);
    (void)rig_register(&x, OTHER, VA, 64, 0, 2 * BASE); /* evicts KEY */
    RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = VA, .len = 8, .flags = WHOLE);
    rig_run(&x, 1 + 100 + p.hca_xlat_hit_ns);
    assert_true(!UNIT_POP(x.h, rd_job, &m));
    rig_run(&x, 1);
    assert_true(UNIT_POP(x.h, rd_job, &m));
    assert_int_equal(m.addr, rig_bus(VA, VA, BASE));
    assert_int_equal(x.key_reads, 0);
    assert_int_equal(x.writes, 0);
    rig_close(&x);
}

/* ---- who shares, who waits --------------------------------------------------------------------
 */

static void requests_for_one_page_share_its_reads(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct place placed;
    struct pkt m;

    (void)rig_plant(&x, KEY, 0, 64, LW, BASE);
    x.hold = true;
    for (uint32_t i = 0; i < 6; i++) {
        RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = i, .len = 8, .flags = WHOLE);
        RIG_PUSH(&x, rx_place, place, .key = KEY, .pd = 1, .addr = i, .len = 8, .access = LW);
    }
    rig_run(&x, 100);
    x.hold = false;
    for (uint32_t i = 0; i < 6; i++) {
        RIG_POP(&x, rd_job, &m);
        assert_int_equal(m.addr, BASE + i);
        RIG_POP(&x, rx_placed, &placed);
        assert_int_equal(placed.addr, BASE + i);
    }
    assert_int_equal(x.key_reads, 1);
    assert_int_equal(x.page_reads, 2);
    assert_int_equal(x.h->y.s.xlat_mpt_misses, 12);
    rig_close(&x);
}

static void equal_keys_of_two_functions_share_nothing(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_fn_max = 2;
    struct rig x = rig_open(&p, 1);
    struct pkt m;

    (void)rig_plant(&x, KEY, 0, 64, 0, BASE);
    x.hold = true;
    for (uint8_t fn = 0; fn < 2; fn++) {
        RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .len = 8, .fn = fn, .flags = WHOLE);
    }
    rig_run(&x, 50);
    x.hold = false;
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.status, 0);
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.status, WC_LOC_PROT); /* planted for function 0 alone */
    assert_int_equal(x.key_reads, 2);
    rig_close(&x);
}

static void misses_of_one_stream_overlap_and_its_order_is_kept(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct pkt m;

    (void)rig_register(&x, KEY, 0, 512 * RIG_PAGE, 0, BASE);
    (void)rig_send(&x, KEY, 0, 8); /* the directory line */
    x.latency = 1000;
    const uint64_t from = x.h->y.k.now;
    for (uint64_t i = 0; i < 8; i++) {
        RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = (8 + 8 * (7 - i)) * RIG_PAGE,
                 .len = 8, .flags = WHOLE);
    }
    for (uint64_t i = 0; i < 8; i++) {
        RIG_POP(&x, rd_job, &m);
        assert_int_equal(m.addr, rig_page(BASE, 8 + 8 * (7 - i)));
    }
    assert_int_equal(x.most, 8);
    assert_in_range(x.h->y.k.now - from, 1000, 1060);
    rig_close(&x);
}

static void a_miss_of_one_stream_does_not_stop_the_others(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct place placed;
    struct wr_req w;
    struct pkt m;

    (void)rig_register(&x, KEY, 0, 64, LW | ACC_REMOTE_READ, BASE);
    (void)rig_send(&x, KEY, 0, 8);
    (void)rig_plant(&x, OTHER, 0, 64, LW, 2 * BASE);
    x.hold = true;
    RIG_PUSH(&x, tx_job, pkt, .lkey = OTHER, .pd = 1, .len = 8, .flags = WHOLE);
    RIG_PUSH(&x, rx_place, place, .key = OTHER, .pd = 1, .len = 8);
    rig_run(&x, 50);
    RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .len = 8, .psn = 1, .flags = WHOLE);
    RIG_PUSH(&x, rsp_job, pkt, .lkey = KEY, .pd = 1, .len = 8, .psn = 2, .flags = WHOLE,
             .source = SRC_RESPONDER);
    RIG_PUSH(&x, ack_place, place, .key = KEY, .pd = 1, .len = 8, .access = LW);
    rig_run(&x, 10);
    assert_true(UNIT_POP(x.h, rd_job, &m));
    assert_int_equal(m.psn, 2);
    assert_true(UNIT_POP(x.h, ack_placed, &w));
    assert_true(!UNIT_POP(x.h, rd_job, &m)); /* hit, but behind the miss of its stream */
    assert_true(!UNIT_POP(x.h, rx_placed, &placed));
    x.hold = false;
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.addr, 2 * BASE);
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.psn, 1);
    RIG_POP(&x, rx_placed, &placed);
    rig_close(&x);
}

static void packets_take_turns_and_are_never_interleaved(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct pkt m;

    (void)rig_register(&x, KEY, 0, 64, ACC_REMOTE_READ, BASE);
    (void)rig_plant(&x, OTHER, 0, 64, 0, 2 * BASE);
    (void)rig_send(&x, KEY, 0, 8);
    x.hold = true;
    for (uint32_t i = 0; i < 3; i++) { /* the second piece of each packet of tx_job misses */
        RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .len = 8, .psn = i,
                 .flags = TXF_FIRST_PIECE);
        RIG_PUSH(&x, tx_job, pkt, .lkey = OTHER, .pd = 1, .len = 8, .psn = i,
                 .flags = TXF_LAST_PIECE);
        RIG_PUSH(&x, rsp_job, pkt, .lkey = KEY, .pd = 1, .len = 8, .psn = 100 + i,
                 .source = SRC_RESPONDER, .flags = WHOLE);
    }
    rig_run(&x, 100);
    x.hold = false;
    static const uint32_t want[] = {0, 0, 100, 1, 1, 101, 2, 2, 102};
    for (uint32_t i = 0; i < 9; i++) {
        RIG_POP(&x, rd_job, &m);
        assert_int_equal(m.psn, want[i]);
    }
    rig_close(&x);
}

/* ---- what the caches hold ---------------------------------------------------------------------
 */

static void the_key_cache_holds_its_entries_and_replaces_the_least_recent(void **state)
{
    (void)state;
    struct rig x = with_caches(8, 8, 1024, 8, 8);

    for (uint32_t k = 1; k <= 9; k++) {
        (void)rig_plant(&x, k << 8, 0, 64, 0, BASE * k);
    }
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(rig_send(&x, (i % 8 + 1) << 8, 0, 8).addr, BASE * (i % 8 + 1));
    }
    assert_int_equal(x.key_reads, 8);
    (void)rig_send(&x, 1 << 8, 0, 8); /* 2 is the oldest now */
    (void)rig_send(&x, 9 << 8, 0, 8);
    assert_int_equal(x.key_reads, 9);
    (void)rig_send(&x, 1 << 8, 0, 8);
    assert_int_equal(x.key_reads, 9);
    (void)rig_send(&x, 2 << 8, 0, 8);
    assert_int_equal(x.key_reads, 10);
    rig_close(&x);
}

static void a_set_of_the_key_cache_holds_its_ways(void **state)
{
    (void)state;
    struct rig x = with_caches(12, 3, 1024, 8, 8); /* 4 sets */

    for (uint32_t k = 0; k < 4; k++) {
        (void)rig_plant(&x, (4 * k + 1) << 8, 0, 64, 0, BASE);
    }
    for (uint32_t i = 0; i < 6; i++) {
        (void)rig_send(&x, (4 * (i % 3) + 1) << 8, 0, 8);
    }
    assert_int_equal(x.key_reads, 3);
    for (uint32_t i = 0; i < 8; i++) { /* one more than ways, in turn: none is ever there */
        (void)rig_send(&x, (4 * (i % 4) + 1) << 8, 0, 8);
    }
    assert_int_equal(x.key_reads, 3 + 5);
    rig_close(&x);
}

static void the_page_cache_holds_as_many_lines_as_its_parameters_say(void **state)
{
    (void)state;
    static const struct {
        uint64_t entries, ways, fetch, lines;
    } rows[] = {{64, 8, 8, 8}, {64, 64, 8, 8}, {56, 7, 4, 14}, {2, 2, 1, 2}, {16, 2, 8, 2}};

    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct rig x = with_caches(8, 8, rows[r].entries, rows[r].ways, rows[r].fetch);
        const uint64_t step = rows[r].fetch * RIG_PAGE;
        const uint64_t lines = rows[r].lines - 1; /* one holds the directory */
        (void)rig_register(&x, KEY, 0, 200 * step < 512 * RIG_PAGE ? 200 * step : 512 * RIG_PAGE, 0,
                           BASE);
        assert_int_equal(x.h->u_xlat.mtt_sets * x.h->u_xlat.mtt_ways, rows[r].lines);
        if (x.h->u_xlat.mtt_sets == 1) {
            for (uint64_t i = 0; i < 2 * lines; i++) {
                (void)rig_send(&x, KEY, i % lines * step, 8);
            }
            assert_int_equal(x.page_reads, lines + 1);
        }
        rig_close(&x);
    }
}

static void one_of_everything_is_enough_to_get_on(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_mpt_cache_entries = 1;
    p.hca_mpt_cache_ways = 1;
    p.hca_mtt_cache_entries = 1;
    p.hca_mtt_cache_ways = 1;
    p.hca_mtt_fetch_entries = 1;
    p.hca_xlat_miss_entries = 1;
    struct rig x = rig_open(&p, 1);
    struct place placed;
    struct wr_req w;
    struct pkt m;

    for (uint32_t k = 0; k < 3; k++) {
        (void)rig_plant(&x, k << 8, 0, 64 * RIG_PAGE, LW | ACC_REMOTE_READ, BASE * (k + 1));
    }
    for (uint32_t i = 0; i < 40; i++) {
        const uint32_t key = i % 3 << 8;
        const uint64_t page = i % 64;
        RIG_PUSH(&x, tx_job, pkt, .lkey = key, .pd = 1, .addr = page * RIG_PAGE, .len = 8,
                 .flags = WHOLE);
        RIG_PUSH(&x, rx_place, place, .key = key, .pd = 1, .addr = page * RIG_PAGE, .len = 8);
        RIG_PUSH(&x, ack_place, place, .key = key, .pd = 1, .addr = page * RIG_PAGE, .len = 8);
        RIG_POP(&x, rd_job, &m);
        assert_int_equal(m.addr, rig_page(BASE * (i % 3 + 1), page));
        RIG_POP(&x, rx_placed, &placed);
        assert_int_equal(placed.addr, rig_page(BASE * (i % 3 + 1), page));
        RIG_POP(&x, ack_placed, &w);
        assert_int_equal(w.addr, rig_page(BASE * (i % 3 + 1), page));
    }
    rig_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cold_request_reads_the_key_then_the_directory_then_the_table),
        cmocka_unit_test(a_miss_reads_only_what_no_cached_line_covers),
        cmocka_unit_test(directories_may_say_anything_and_become_bus_addresses),
        cmocka_unit_test(an_unreadable_table_fails_the_request_and_is_not_cached),
        cmocka_unit_test(an_unreadable_key_fails_the_request),
        cmocka_unit_test(the_on_board_store_answers_after_its_time_without_dma),
        cmocka_unit_test(requests_for_one_page_share_its_reads),
        cmocka_unit_test(equal_keys_of_two_functions_share_nothing),
        cmocka_unit_test(misses_of_one_stream_overlap_and_its_order_is_kept),
        cmocka_unit_test(a_miss_of_one_stream_does_not_stop_the_others),
        cmocka_unit_test(packets_take_turns_and_are_never_interleaved),
        cmocka_unit_test(the_key_cache_holds_its_entries_and_replaces_the_least_recent),
        cmocka_unit_test(a_set_of_the_key_cache_holds_its_ways),
        cmocka_unit_test(the_page_cache_holds_as_many_lines_as_its_parameters_say),
        cmocka_unit_test(one_of_everything_is_enough_to_get_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
