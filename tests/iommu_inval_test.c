/* iommu invalidation queue: what each descriptor removes, and when a wait completes. */
#include "tests/iommu_drive.h"

enum { WAIT = 5, SW = 0x20 };
enum { GLOBAL = 1 << 4, DOMAIN = 2 << 4, SELECTIVE = 3 << 4 };
enum { CONTEXT = 1, IOTLB = 2, IEC = 4 };

static uint64_t did_of(struct host *h, uint16_t rid)
{
    return (uint64_t)vtd_ask(h, rid, 0).did << 16;
}

/* Two requesters with 4 KiB pages at 0 .. 2 MiB and one 2 MiB page above; everything used once. */
static struct host *warm(void)
{
    struct hca_param p = iommu_param();
    struct tlp m;

    p.iommu_invalidate_ns = 50;
    struct host *const h = iommu_fresh(&p);
    for (uint16_t rid = IO_RID; rid <= IO_RID + 1; rid++) {
        assert_true(host_map(h, rid, 0, IOMMU_RAM, MIB2, 3, KIB4));
        assert_true(host_map(h, rid, MIB2, IOMMU_RAM, MIB2, 3, MIB2));
        for (uint64_t page = 0; page < 4; page++) {
            (void)io_time(h, rid, page * KIB4, &m);
        }
        (void)io_time(h, rid, MIB2, &m);
    }
    return h;
}

/* Table entries that one more read needs. */
static uint64_t cost(struct host *h, uint16_t rid, uint64_t addr)
{
    const uint64_t before = io_walk_reads(h);
    struct tlp m;

    (void)io_time(h, rid, addr, &m);
    assert_int_equal(m.status, DMA_OK);
    return io_walk_reads(h) - before;
}

static const struct {
    uint64_t lo, hi; /* descriptor; domain of requester 0 where DOMAIN_OF is set */
    uint8_t want[4]; /* reads for: page 0, page 3, the 2 MiB page; page 0 of requester 1 */
} rows[] = {
    {IEC, 0, {0, 0, 0, 0}},
    {IOTLB | GLOBAL, 0, {4, 1, 1, 4}}, /* structure caches too; the first read refills them */
    {IOTLB | DOMAIN, 0, {4, 1, 1, 0}},
    {IOTLB | SELECTIVE, 0, {4, 0, 0, 0}},    /* page 0 and the levels above it */
    {IOTLB | SELECTIVE, 0x40, {1, 0, 0, 0}}, /* IH: leaf only */
    {IOTLB | SELECTIVE, 3 * KIB4 | 0x40, {0, 1, 0, 0}},
    {IOTLB | SELECTIVE, 0x40 | 2, {1, 1, 0, 0}}, /* AM 2: four pages */
    {IOTLB | SELECTIVE, 0x40 | 1, {1, 0, 0, 0}},
    {IOTLB | SELECTIVE, MIB2 | 0x40, {0, 0, 1, 0}}, /* a 4 KiB range inside the 2 MiB page */
    {IOTLB | SELECTIVE, (MIB2 + 5 * KIB4) | 0x40, {0, 0, 1, 0}},
    {IOTLB | SELECTIVE, 0x40 | 52, {1, 1, 1, 0}},
    {IOTLB | SELECTIVE, 0x40 | 63, {1, 1, 1, 0}},
    {CONTEXT | GLOBAL, 0, {2, 0, 0, 2}}, /* once per requester */
    {CONTEXT | DOMAIN, 0, {2, 0, 0, 0}},
    {CONTEXT | SELECTIVE | (uint64_t)IO_RID << 32, 0, {2, 0, 0, 0}},
    {CONTEXT | SELECTIVE | (uint64_t)(IO_RID + 1) << 32, 0, {0, 0, 0, 2}},
    {CONTEXT | SELECTIVE | (uint64_t)(IO_RID + 4) << 32 | 1ULL << 48,
     0,
     {2, 0, 0, 0}}, /* FM: bit 2 */
    {CONTEXT | SELECTIVE | (uint64_t)(IO_RID + 7) << 32 | 3ULL << 48, 0, {2, 0, 0, 2}},
};

static void each_descriptor_removes_what_it_names_and_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host *const h = warm();
        const uint64_t g = rows[i].lo & 0x30;
        const bool of_domain = g == DOMAIN || (rows[i].lo & 15) == IOTLB;

        io_invalidate(h, rows[i].lo | (of_domain ? did_of(h, IO_RID) : 0), rows[i].hi);
        drive(h, 1000);
        assert_int_equal(cost(h, IO_RID, 0), rows[i].want[0]);
        assert_int_equal(cost(h, IO_RID, 3 * KIB4), rows[i].want[1]);
        assert_int_equal(cost(h, IO_RID, MIB2), rows[i].want[2]);
        assert_int_equal(cost(h, IO_RID + 1, 0), rows[i].want[3]);
        host_close(h);
    }
}

static void an_unmapped_page_is_reachable_until_invalidated(void **state)
{
    (void)state;
    struct host *const h = warm();
    struct tlp m;

    assert_true(host_unmap(h, IO_RID, 0, KIB4));
    (void)io_time(h, IO_RID, 0, &m);
    assert_int_equal(m.status, DMA_OK);
    io_invalidate(h, IOTLB | SELECTIVE | did_of(h, IO_RID), 0);
    drive(h, 1000);
    (void)io_time(h, IO_RID, 0, &m);
    assert_int_equal(m.status, DMA_UR);
    host_close(h);
}

static void a_descriptor_takes_its_fetch_and_its_time(void **state)
{
    (void)state;
    struct host *const h = warm();
    const uint64_t inv = 50, fetch = 100 + 70; /* walk step and memory service */

    drive(h, 10);
    io_invalidate(h, IOTLB | GLOBAL, 0);
    const uint64_t start = drive_now(h) + 1;
    drive(h, fetch + inv);
    assert_int_equal(drive_now(h), start + fetch + inv - 1);
    assert_int_equal(h->y.s.iommu_inv_iotlb, 0);
    drive(h, 1);
    assert_int_equal(h->y.s.iommu_inv_iotlb, 1);
    host_close(h);
}

static void a_wait_writes_its_status_after_what_was_under_way(void **state)
{
    (void)state;
    struct hca_param p = iommu_param();
    p.host_socket = HCA_HOST_SOCKET_REMOTE; /* data is slower than the status word */
    p.iommu_walkers = 1;
    struct host *const h = iommu_fresh(&p);
    const uint64_t status = host_hyp_take(h, 4096, 4096);
    struct tlp m;

    assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, MIB2, 3, KIB4));
    (void)io_time(h, IO_RID, 511 * KIB4, &m);
    for (unsigned i = 0; i < 10; i++) { /* walks: still pending when the wait is fetched */
        io_write(h, (struct tlp){.rid = IO_RID, .addr = i * KIB4}, 1);
    }
    io_invalidate(h, IOTLB | DOMAIN | did_of(h, IO_RID), 0);
    io_invalidate(h, WAIT | SW | 0x1234ULL << 32, status);
    bool old_pending = false;
    for (unsigned n = 0; n < 5000 && io_wait_status(h, status) == 0; n++) {
        old_pending |= h->u_iommu.s.inv_old > 0;
        drive(h, 1);
    }
    assert_true(old_pending);
    assert_int_equal(io_wait_status(h, status), 0x1234);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(vtd_word(h, IOMMU_RAM + i * KIB4), 1);
    }
    assert_int_equal(h->y.s.iommu_inv_wait, 1);
    host_close(h);
}

/* A page is remapped while DMA runs: once the wait is done, the old frame is never written again.
 */
static void after_a_wait_no_request_uses_the_old_translation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct hca_param p = iommu_param();
        p.iommu_walkers = 1 + seed % 3;
        p.iommu_iotlb_4k_entries = p.iommu_iotlb_4k_ways = 1 + seed % 4;
        struct host *const h = iommu_fresh(&p);
        const uint64_t status = host_hyp_take(h, 4096, 4096),
                       frame[2] = {IOMMU_RAM, IOMMU_RAM + MIB2};
        uint64_t r = seed, count = 0;

        assert_true(host_map(h, IO_RID, 0, frame[0], 8 * KIB4, 3, KIB4));
        for (unsigned turn = 1; turn <= 6; turn++) {
            for (uint64_t n = drive_below(&r, 300); n > 0; n--) {
                if (fifo_ready(&h->io_req.ctl, h->y.k.now) && drive_below(&r, 20) == 0) {
                    io_write(h, (struct tlp){.rid = IO_RID, .addr = drive_below(&r, 8) * KIB4},
                             ++count);
                }
                drive(h, 1);
            }
            assert_true(host_map(h, IO_RID, 0, frame[turn & 1], 8 * KIB4, 3, KIB4));
            io_invalidate(h, IOTLB | SELECTIVE | did_of(h, IO_RID), 3 | (turn & 2 ? 0x40 : 0));
            io_invalidate(h, WAIT | SW | (uint64_t)turn << 32, status);
            for (unsigned n = 0; io_wait_status(h, status) != turn; n++) {
                if (fifo_ready(&h->io_req.ctl, h->y.k.now) && drive_below(&r, 20) == 0) {
                    io_write(h, (struct tlp){.rid = IO_RID, .addr = drive_below(&r, 8) * KIB4},
                             ++count);
                }
                drive(h, 1);
                assert_true(n < 20000);
            }
            memset(host_mem(h, frame[~turn & 1], 8 * KIB4), 0, 8 * KIB4); /* given to another */
            const uint64_t before = count;
            for (unsigned i = 0; i < 20; i++) {
                io_write(h, (struct tlp){.rid = IO_RID, .addr = i % 8 * KIB4}, ++count);
            }
            drive(h, 3000);
            for (uint64_t i = 0; i < 8; i++) {
                assert_int_equal(vtd_word(h, frame[~turn & 1] + i * KIB4), 0);
                assert_true(vtd_word(h, frame[turn & 1] + i * KIB4) > before);
            }
        }
        host_close(h);
    }
}

/* A walk has read the leaf and is about to end when the page goes away. */
static void a_walk_about_to_end_takes_no_new_request_and_fills_no_iotlb(void **state)
{
    (void)state;
    struct hca_param p = iommu_param();
    struct tlp m;

    p.iommu_walk_overhead_ns = 3000;
    struct host *const h = iommu_fresh(&p);
    assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, 2 * KIB4, 3, KIB4));
    (void)io_time(h, IO_RID, KIB4, &m); /* the domain is known, so equal misses join */
    struct tlp q = io_read(IO_RID, 0);
    io_ask(h, &q);
    while (h->u_iommu.s.walker[0].phase != WALK_END) {
        drive(h, 1);
    }
    assert_true(host_unmap(h, IO_RID, 0, KIB4));
    io_invalidate(h, IOTLB | SELECTIVE | did_of(h, IO_RID), 0x40);
    drive(h, 500);
    assert_int_equal(h->y.s.iommu_inv_iotlb, 1);
    q.tag = 2; /* after the invalidation: must see the table as it is now */
    io_ask(h, &q);
    DRIVE_UNTIL(h, mem_done, 10000);
    assert_true(DRIVE_TAKE(h, mem_done, &m) && m.tag == 0);
    DRIVE_UNTIL(h, io_fault, 10000);
    assert_true(DRIVE_TAKE(h, io_fault, &m) && m.tag == 2);
    drive(h, 10000);
    (void)io_time(h, IO_RID, 0, &m);
    assert_int_equal(m.status, DMA_UR);
    host_close(h);
}

/* A walk is inside a level-2 table when that is unlinked from level 3; table lines are slow. */
static void a_walk_inside_an_unlinked_table_leaves_no_structure_entry(void **state)
{
    (void)state;
    struct hca_param p = iommu_param();
    struct tlp m;

    p.host_buffer_state = HCA_HOST_BUFFER_STATE_COLD;
    p.host_dram_ns = 5000;
    struct host *const h = iommu_fresh(&p);
    assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, MIB2, 3, KIB4));
    assert_true(host_map(h, IO_RID + 1, 0, IOMMU_RAM + MIB2, MIB2, 3, KIB4));
    host_touch(h, h->mem.inv_queue, KIB4);
    const struct tlp q = io_read(IO_RID, 0);
    io_ask(h, &q);
    while (h->y.s.iommu_reads_l2 == 0) {
        drive(h, 1);
    }
    uint64_t *entry[2]; /* level 3, of both requesters */
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t root = vtd_word(h, h->mem.root_table + 16) & ~0xfffULL;
        const uint64_t l4 = vtd_word(h, root + i * 16) & ~0xfffULL;
        entry[i] = host_mem(h, vtd_word(h, l4) & ~0xfffULL, 8);
    }
    *entry[0] = *entry[1];
    io_invalidate(h, IOTLB | DOMAIN | did_of(h, IO_RID), 0);
    drive(h, 1000);
    assert_int_equal(h->y.s.iommu_inv_iotlb, 1);
    DRIVE_UNTIL(h, mem_done, 50000);
    assert_true(DRIVE_TAKE(h, mem_done, &m));
    for (uint64_t page = 0; page < 3; page++) {
        (void)io_time(h, IO_RID, page * KIB4, &m);
        assert_true(m.status == DMA_OK && m.addr == IOMMU_RAM + MIB2 + page * KIB4);
    }
    host_close(h);
}

/* The same for a context entry whose table pointer is replaced under a walk. */
static void a_walk_behind_a_replaced_context_entry_fills_no_context_cache(void **state)
{
    (void)state;
    struct hca_param p = iommu_param();
    struct tlp m;

    p.host_buffer_state = HCA_HOST_BUFFER_STATE_COLD;
    p.host_dram_ns = 5000;
    struct host *const h = iommu_fresh(&p);
    assert_true(host_map(h, IO_RID, 0, IOMMU_RAM, KIB4, 3, KIB4));
    assert_true(host_map(h, IO_RID + 1, 0, IOMMU_RAM + KIB4, KIB4, 3, KIB4));
    host_touch(h, h->mem.inv_queue, KIB4);
    const uint64_t root = vtd_word(h, h->mem.root_table + 16), copy = host_hyp_take(h, KIB4, KIB4);
    memcpy(host_mem(h, copy, KIB4), host_mem(h, root & ~0xfffULL, KIB4), KIB4);
    const struct tlp q = io_read(IO_RID, 0);
    io_ask(h, &q);
    while (h->y.s.iommu_reads_context == 0) {
        drive(h, 1);
    }
    /* a new context table, in which the requester has the tables of its neighbour */
    memcpy(host_mem(h, copy, 16), host_mem(h, copy + 16, 16), 16);
    *(uint64_t *)host_mem(h, h->mem.root_table + 16, 8) = copy | 1;
    io_invalidate(h, CONTEXT | GLOBAL, 0);
    drive(h, 1000);
    DRIVE_UNTIL(h, mem_done, 50000);
    assert_true(DRIVE_TAKE(h, mem_done, &m));
    (void)io_time(h, IO_RID, 0, &m);
    assert_true(m.addr == IOMMU_RAM + KIB4);
    host_close(h);
}

static void a_bad_descriptor_stops_the_queue_until_software_acts(void **state)
{
    (void)state;
    const uint64_t bad[] = {0, 3, 6, 15, CONTEXT, IOTLB};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct host *const h = warm();
        const uint64_t status = host_hyp_take(h, 4096, 4096);
        uint64_t d[2] = {1, 1};

        assert_false(host_invalidate_error(h, d));
        io_invalidate(h, bad[i], 0x5000);
        io_invalidate(h, WAIT | SW | 7ULL << 32, status);
        drive(h, 2000);
        assert_int_equal(io_wait_status(h, status), 0);
        assert_int_equal(h->y.s.iommu_inv_bad, 1);
        assert_true(host_invalidate_error(h, d));
        assert_true(d[0] == bad[i] && d[1] == 0x5000);
        assert_false(host_invalidate_error(h, d));
        drive(h, 2000);
        assert_int_equal(io_wait_status(h, status), 7);
        host_close(h);
    }
}

static void a_full_queue_refuses_and_wraps(void **state)
{
    (void)state;
    struct host *const h = warm();
    const uint64_t status = host_hyp_take(h, 4096, 4096), nop[2] = {IEC, 0};
    unsigned queued = 0;

    while (host_invalidate(h, nop)) {
        queued++;
    }
    assert_int_equal(queued, 255);
    drive(h, 100000);
    assert_int_equal(h->y.s.iommu_inv_other, 255);
    for (uint64_t i = 1; i <= 600; i++) {
        io_invalidate(h, WAIT | SW | i << 32, status);
        drive(h, 500);
        assert_int_equal(io_wait_status(h, status), i);
    }
    host_close(h);
}

static void a_wait_without_status_write_touches_no_memory(void **state)
{
    (void)state;
    struct host *const h = warm();
    const uint64_t status = host_hyp_take(h, 4096, 4096), writes = h->y.s.memory_writes;

    io_invalidate(h, WAIT | 0x10 | 0x40 | 9ULL << 32, status);
    io_invalidate(h, IEC, 0);
    drive(h, 2000);
    assert_int_equal(h->y.s.iommu_inv_wait, 1);
    assert_int_equal(h->y.s.iommu_inv_other, 1);
    assert_int_equal(h->y.s.memory_writes, writes);
    host_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_descriptor_removes_what_it_names_and_no_more),
        cmocka_unit_test(an_unmapped_page_is_reachable_until_invalidated),
        cmocka_unit_test(a_descriptor_takes_its_fetch_and_its_time),
        cmocka_unit_test(a_wait_writes_its_status_after_what_was_under_way),
        cmocka_unit_test(after_a_wait_no_request_uses_the_old_translation),
        cmocka_unit_test(a_walk_about_to_end_takes_no_new_request_and_fills_no_iotlb),
        cmocka_unit_test(a_walk_inside_an_unlinked_table_leaves_no_structure_entry),
        cmocka_unit_test(a_walk_behind_a_replaced_context_entry_fills_no_context_cache),
        cmocka_unit_test(a_bad_descriptor_stops_the_queue_until_software_acts),
        cmocka_unit_test(a_full_queue_refuses_and_wraps),
        cmocka_unit_test(a_wait_without_status_write_touches_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
