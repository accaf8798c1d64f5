/* iommu: what a translation costs in reads and time, in every state of the caches. */
#include "tests/iommu_drive.h"

enum { HIT = 5, OVERHEAD = 20, STEP = 100, MEM = 70 };

static struct hca_param timed(void)
{
    struct hca_param p = iommu_param();

    p.iommu_hit_ns = HIT;
    p.iommu_walk_overhead_ns = OVERHEAD;
    p.iommu_walk_step_ns = STEP;
    return p;
}

static void modes_off_and_pass_leave_addresses_alone(void **state)
{
    (void)state;
    struct hca_param p = timed();
    struct tlp m;

    p.iommu_mode = HCA_IOMMU_MODE_OFF;
    struct host *h = iommu_fresh(&p);
    assert_int_equal(io_time(h, IO_RID, IOMMU_RAM, &m), 1 + MEM);
    assert_true(m.addr == IOMMU_RAM && m.status == DMA_OK);
    assert_int_equal(h->y.s.iommu_bypassed, 1);
    assert_int_equal(io_walk_reads(h), 0);
    host_close(h);

    p.iommu_mode = HCA_IOMMU_MODE_PASS;
    h = iommu_fresh(&p);
    assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, KIB4, 3, KIB4));
    assert_int_equal(io_time(h, IO_RID, IOMMU_RAM, &m), HIT + MEM + OVERHEAD + 2 * (STEP + MEM));
    assert_int_equal(io_time(h, IO_RID, IOMMU_RAM + GIB1, &m), HIT + MEM);
    assert_true(m.addr == IOMMU_RAM + GIB1 && m.status == DMA_OK);
    assert_int_equal(h->y.s.iommu_passed, 2);
    assert_int_equal(io_walk_reads(h), 2);
    (void)io_time(h, IO_RID + 1, IOMMU_RAM, &m); /* has no context entry */
    assert_int_equal(m.status, DMA_UR);
    host_close(h);
}

/* What was used before the measured access: nothing, or an address that shares with it the context
 * entry alone, the entries down to a level, or the page. */
enum near { COLD, SAME_CONTEXT, SAME_L5, SAME_L4, SAME_L3, SAME_L2, SAME_PAGE, NEARS };

struct walk_case {
    uint64_t levels, page;
    unsigned size; /* leaf level - 1 */
    enum near near;
    unsigned parts; /* level at which the two addresses go apart */
    bool psc;
};

static void check_walk(const struct walk_case *c)
{
    struct hca_param p = timed();
    const uint64_t iova = IOMMU_IOVA & ~(c->page - 1), apart = 1ULL << (12 + 9 * (c->parts - 1));
    const uint64_t other = c->near == SAME_PAGE ? iova : iova ^ apart;
    struct tlp m;

    p.iommu_levels = c->levels;
    if (!c->psc) {
        p.iommu_psc_pml5_entries = p.iommu_psc_pml4_entries = 0;
        p.iommu_psc_pdp_entries = p.iommu_psc_pd_entries = 0;
    }
    struct host *const h = iommu_fresh(&p);
    assert_true(host_map(h, IO_RID, iova, IOMMU_RAM, c->page, 3, c->page));
    assert_true(host_map(h, IO_RID, other, IOMMU_RAM, c->page, 3, c->page));
    if (c->near != COLD) {
        (void)io_time(h, IO_RID, other + 64, &m);
        assert_int_equal(m.status, DMA_OK);
    }
    const uint64_t before = io_walk_reads(h), time = io_time(h, IO_RID, iova + 128, &m);
    uint64_t want = c->levels - c->size; /* one entry per level down to the leaf */
    if (c->near == COLD) {
        want += 2; /* root and context entry */
    } else if (c->near == SAME_PAGE) {
        want = 0;
    } else if (c->psc && c->near != SAME_CONTEXT) {
        want = c->parts - c->size;
    }
    assert_int_equal(io_walk_reads(h) - before, want);
    assert_int_equal(time, HIT + MEM + (want == 0 ? 0U : OVERHEAD) + want * (STEP + MEM));
    assert_true(m.addr == IOMMU_RAM + 128 && m.status == DMA_OK);
    host_close(h);
}

static void a_walk_reads_exactly_the_entries_no_cache_holds(void **state)
{
    (void)state;
    const uint64_t page[] = {KIB4, MIB2, GIB1};
    unsigned combinations = 0;

    for (unsigned i = 0; i < 3 * 3 * 2 * NEARS; i++) {
        const enum near n = i % NEARS;
        const unsigned levels = 3 + i / NEARS % 3, size = i / NEARS / 3 % 3;
        const bool between = n >= SAME_L5 && n <= SAME_L2;
        const unsigned parts = between ? 6 - (unsigned)n : levels;
        if (between && (parts >= levels || parts <= size)) {
            continue; /* no such level, or inside the page */
        }
        check_walk(&(struct walk_case){levels, page[size], size, n, parts, i / NEARS / 9 != 0});
        combinations++;
    }
    assert_int_equal(combinations, 2 * (9 * 3 + 3 + 6 + 9));
}

static void each_page_size_has_an_iotlb_of_its_own(void **state)
{
    (void)state;
    struct hca_param p = timed();
    p.iommu_iotlb_4k_entries = p.iommu_iotlb_4k_ways = 1;
    p.iommu_iotlb_2m_entries = p.iommu_iotlb_2m_ways = 1;
    p.iommu_iotlb_1g_entries = p.iommu_iotlb_1g_ways = 1;
    struct host *const h = iommu_fresh(&p);
    const uint64_t at[] = {KIB4, 4 * (uint64_t)MIB2, 4 * (uint64_t)GIB1};
    struct tlp m;

    assert_true(host_map(h, IO_RID, at[0], IOMMU_RAM + KIB4, KIB4, 3, KIB4));
    assert_true(host_map(h, IO_RID, at[1], IOMMU_RAM + MIB2, MIB2, 3, MIB2));
    assert_true(host_map(h, IO_RID, at[2], IOMMU_RAM, GIB1, 3, GIB1));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3; i++) {
            const uint64_t t = io_time(h, IO_RID, at[i] + 8, &m);
            assert_true(round == 0 ? t > HIT + MEM : t == HIT + MEM);
        }
    }
    const struct hca_stat *const s = &h->y.s;
    assert_true(s->iommu_hits_4k == 2 && s->iommu_hits_2m == 2 && s->iommu_hits_1g == 2);
    assert_true(s->iommu_misses_4k == 1 && s->iommu_misses_2m == 1 && s->iommu_misses_1g == 1);
    assert_int_equal(s->iommu_evicted, 0);
    host_close(h);
}

/* Hits of `asks` random reads within a window of pages, after warming up. */
static uint64_t hits_in(struct host *h, uint64_t pages, uint64_t page, unsigned asks)
{
    uint64_t r = 99;
    struct tlp m;

    for (unsigned i = 0; i < 2 * asks; i++) {
        if (i == asks) {
            h->y.s.iommu_hits_4k = h->y.s.iommu_hits_2m = 0;
        }
        const struct tlp q = io_read(IO_RID, drive_below(&r, pages) * page);
        io_ask(h, &q);
        for (unsigned n = 0; n < 800; n++) { /* one at a time: no miss joins another */
            drive(h, 1);
            if (DRIVE_TAKE(h, mem_done, &m)) {
                break;
            }
        }
    }
    return h->y.s.iommu_hits_4k + h->y.s.iommu_hits_2m;
}

static void the_iotlb_reaches_as_far_as_entries_times_page_size(void **state)
{
    (void)state;
    const struct {
        uint64_t entries, ways, page;
    } shape[] = {{64, 64, KIB4}, {64, 4, KIB4}, {16, 16, MIB2}};

    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        for (uint64_t half = 1; half <= 8; half *= 2) { /* window = half / 2 of the reach */
            struct hca_param p = timed();
            p.iommu_iotlb_4k_entries = p.iommu_iotlb_2m_entries = shape[i].entries;
            p.iommu_iotlb_4k_ways = p.iommu_iotlb_2m_ways = shape[i].ways;
            struct host *const h = iommu_fresh(&p);
            const uint64_t pages = shape[i].entries * half / 2;
            const unsigned asks = 1000;
            assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, pages * shape[i].page, 3, shape[i].page));
            const uint64_t hits = hits_in(h, pages, shape[i].page, asks);
            if (half <= 2) {
                assert_int_equal(hits, asks);
            } else { /* LRU under random use holds entries / pages of the window */
                const uint64_t expect = asks * shape[i].entries / pages;
                assert_true(hits > expect * 8 / 10 && hits < expect * 12 / 10);
            }
            host_close(h);
        }
    }
}

static void equal_misses_share_a_walk_only_when_told_to(void **state)
{
    (void)state;
    for (unsigned merge = 0; merge < 2; merge++) {
        struct hca_param p = timed();
        p.iommu_merge = merge;
        struct host *const h = iommu_fresh(&p);
        struct tlp m;
        assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, MIB2, 3, KIB4));
        (void)io_time(h, IO_RID, 0, &m); /* context and upper levels are cached */
        const uint64_t before = h->y.s.iommu_walks;
        for (unsigned i = 0; i < 4; i++) {
            const struct tlp q = io_read(IO_RID, KIB4 + i * 64);
            io_ask(h, &q);
        }
        const struct tlp other = io_read(IO_RID, 2 * KIB4);
        io_ask(h, &other);
        drive(h, 2000);
        assert_int_equal(fifo_level(&h->mem_done.ctl), 5);
        assert_int_equal(h->y.s.iommu_walks - before, merge ? 2 : 5);
        assert_int_equal(h->y.s.iommu_merged, merge ? 3 : 0);
        assert_int_equal(h->y.s.iommu_misses_4k, 6);
        host_close(h);
    }
}

static void walks_run_side_by_side_up_to_the_walkers(void **state)
{
    (void)state;
    const uint64_t one = OVERHEAD + STEP + MEM;
    for (uint64_t walkers = 1; walkers <= 8; walkers *= 2) {
        struct hca_param p = timed();
        p.iommu_walkers = walkers;
        struct host *const h = iommu_fresh(&p);
        struct tlp m;
        unsigned got = 0;
        assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, MIB2, 3, KIB4));
        (void)io_time(h, IO_RID, 511 * KIB4, &m);
        const uint64_t start = drive_now(h);
        for (unsigned i = 0; i < 8; i++) {
            const struct tlp q = io_read(IO_RID, i * KIB4);
            io_ask(h, &q);
        }
        while (got < 8) {
            drive(h, 1);
            got += DRIVE_TAKE(h, mem_done, &m);
        }
        const uint64_t took = drive_now(h) - start - HIT - MEM, want = one * 8 / walkers;
        assert_true(took >= want && took <= want + 8 + 16 / walkers);
        host_close(h);
    }
}

static void hits_pass_misses_until_the_pending_entries_are_used_up(void **state)
{
    (void)state;
    struct hca_param p = timed();
    p.iommu_pending_entries = 3;
    p.iommu_walkers = 1;
    struct host *const h = iommu_fresh(&p);
    struct tlp m;

    assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, MIB2, 3, KIB4));
    (void)io_time(h, IO_RID, 0, &m);
    for (unsigned i = 1; i <= 2; i++) {
        const struct tlp q = io_read(IO_RID, i * KIB4);
        io_ask(h, &q);
    }
    struct tlp q = io_read(IO_RID, 64);
    q.tag = 77;
    io_ask(h, &q);
    const uint64_t start = drive_now(h);
    DRIVE_UNTIL(h, mem_done, 1000);
    assert_int_equal(drive_now(h), start + 1 + HIT + MEM); /* as if alone */
    assert_true(DRIVE_TAKE(h, mem_done, &m) && m.tag == 77);
    assert_int_equal(h->y.s.iommu_pending_full, 0);
    for (unsigned i = 3; i <= 5; i++) { /* misses again, two more than fit */
        q = io_read(IO_RID, i * KIB4);
        io_ask(h, &q);
    }
    q = io_read(IO_RID, 128);
    q.tag = 78;
    io_ask(h, &q);
    drive(h, HIT + MEM + 2);
    assert_false(DRIVE_TAKE(h, mem_done, &m)); /* the hit waits behind a miss without entry */
    for (unsigned got = 0; got < 6;) {
        drive(h, 1);
        got += DRIVE_TAKE(h, mem_done, &m);
    }
    assert_true(h->y.s.iommu_pending_full >= 1 && h->y.s.iommu_pending_full <= 2);
    assert_int_equal(h->y.s.iommu_misses_4k, 6);
    host_close(h);
}

static void a_queued_miss_uses_what_another_walk_has_brought(void **state)
{
    (void)state;
    struct hca_param p = timed();
    p.iommu_walkers = 1;
    struct host *const h = iommu_fresh(&p);

    assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, MIB2, 3, MIB2));
    for (unsigned i = 0; i < 3; i++) { /* 4 KiB apart: equal only once the page size is known */
        const struct tlp q = io_read(IO_RID, i * KIB4);
        io_ask(h, &q);
    }
    drive(h, 3000);
    assert_int_equal(fifo_level(&h->mem_done.ctl), 3);
    assert_int_equal(h->y.s.iommu_walks, 1);
    assert_int_equal(h->y.s.iommu_late_hits, 2);
    host_close(h);
}

static void functions_of_one_domain_share_entries_others_do_not(void **state)
{
    (void)state;
    struct hca_param p = timed();
    struct host *const h = iommu_fresh(&p);
    struct tlp m;

    assert_true(host_map(h, 0x100, 0, IOMMU_RAM, KIB4, 3, KIB4));
    assert_true(host_same_domain(h, 0x101, 0x100));
    assert_true(host_map(h, 0x102, 0, IOMMU_RAM + KIB4, KIB4, 3, KIB4));
    (void)io_time(h, 0x100, 0, &m);
    uint64_t before = io_walk_reads(h);
    (void)io_time(h, 0x101, 0, &m);
    assert_int_equal(io_walk_reads(h) - before, 2); /* its context entry only */
    assert_true(m.addr == IOMMU_RAM);
    before = io_walk_reads(h);
    (void)io_time(h, 0x102, 0, &m);
    assert_int_equal(io_walk_reads(h) - before, 2 + 4);
    assert_true(m.addr == IOMMU_RAM + KIB4);
    host_close(h);
}

static void equal_addresses_of_two_domains_fall_into_different_sets(void **state)
{
    (void)state;
    struct hca_param p = timed();
    struct tlp m;

    p.iommu_iotlb_4k_entries = 4;
    p.iommu_iotlb_4k_ways = 1;
    struct host *const h = iommu_fresh(&p);
    for (uint16_t rid = 0x100; rid < 0x104; rid++) {
        assert_true(host_map(h, rid, 0, IOMMU_RAM, KIB4, 3, KIB4));
        (void)io_time(h, rid, 0, &m);
    }
    for (uint16_t rid = 0x100; rid < 0x104; rid++) {
        assert_int_equal(io_time(h, rid, 0, &m), HIT + MEM);
    }
    host_close(h);
}

static void figures_are_kept_for_each_requester(void **state)
{
    (void)state;
    struct hca_param p = timed();
    p.host_hcas = 2;
    struct host *const h = iommu_fresh(&p);
    struct host_fn_figures f;
    struct tlp m;

    assert_true(host_map(h, 0x105, 0, IOMMU_RAM, KIB4, 1, KIB4));
    for (unsigned i = 0; i < 5; i++) {
        (void)io_time(h, 0x105, i * 8, &m);
    }
    io_write(h, (struct tlp){.rid = 0x105, .fn = 5, .addr = 0}, 1); /* read only */
    drive(h, 1000);
    assert_true(host_iommu_fn_figures(h, 0x105, &f));
    assert_true(f.hits == 5 && f.misses == 1 && f.walk_reads == 6 && f.faults == 1);
    assert_true(host_iommu_fn_figures(h, 0x205, &f));
    assert_true(f.hits == 0 && f.misses == 0 && f.walk_reads == 0 && f.faults == 0);
    assert_false(host_iommu_fn_figures(h, 0x305, &f));
    assert_false(host_iommu_fn_figures(h, 0x005, &f));
    host_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_off_and_pass_leave_addresses_alone),
        cmocka_unit_test(a_walk_reads_exactly_the_entries_no_cache_holds),
        cmocka_unit_test(each_page_size_has_an_iotlb_of_its_own),
        cmocka_unit_test(the_iotlb_reaches_as_far_as_entries_times_page_size),
        cmocka_unit_test(equal_misses_share_a_walk_only_when_told_to),
        cmocka_unit_test(walks_run_side_by_side_up_to_the_walkers),
        cmocka_unit_test(hits_pass_misses_until_the_pending_entries_are_used_up),
        cmocka_unit_test(a_queued_miss_uses_what_another_walk_has_brought),
        cmocka_unit_test(functions_of_one_domain_share_entries_others_do_not),
        cmocka_unit_test(equal_addresses_of_two_domains_fall_into_different_sets),
        cmocka_unit_test(figures_are_kept_for_each_requester),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
