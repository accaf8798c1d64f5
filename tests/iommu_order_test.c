/* iommu order: what may pass what while translations are walked, and progress under stalls. */
#include "tests/iommu_drive.h"

/* Page 0 is always cached, higher pages miss. */
static struct host *one_slow_page(bool ido)
{
    struct hca_param p = iommu_param();
    struct tlp m;

    p.pcie_ido = ido;
    p.host_hcas = 2;
    struct host *const h = iommu_fresh(&p);
    for (uint16_t rid = IO_RID; rid <= IO_RID + 1; rid++) {
        assert_true(host_map(h, rid, 0, IOMMU_RAM, MIB2, 3, KIB4));
        (void)io_time(h, rid, 0, &m);
    }
    return h;
}

static uint64_t seen_at(struct host *h, uint64_t phys)
{
    for (unsigned n = 0; n < 3000; n++) {
        if (vtd_word(h, phys) != 0) {
            return drive_now(h);
        }
        drive(h, 1);
    }
    return HCA_NEVER;
}

static void a_hit_write_waits_for_an_older_missing_write(void **state)
{
    (void)state;
    for (unsigned relaxed = 0; relaxed < 2; relaxed++) {
        struct host *const h = one_slow_page(false);
        io_write(h, (struct tlp){.rid = IO_RID, .addr = 5 * KIB4}, 1);
        io_write(h, (struct tlp){.rid = IO_RID, .addr = 64, .attr = relaxed ? TLP_ATTR_RO : 0}, 2);
        const uint64_t second = seen_at(h, IOMMU_RAM + 64);
        const bool first_was_there = vtd_word(h, IOMMU_RAM + 5 * KIB4) != 0;
        assert_true(second != HCA_NEVER);
        assert_int_equal(first_was_there, !relaxed);
        assert_int_equal(h->y.s.iommu_ordered, !relaxed);
        assert_true(seen_at(h, IOMMU_RAM + 5 * KIB4) != HCA_NEVER);
        host_close(h);
    }
}

static void a_hit_read_waits_for_an_older_missing_write(void **state)
{
    (void)state;
    struct host *const h = one_slow_page(false);
    struct tlp m;
    static uint8_t sink[64];

    host_attach(h, 0, sink);
    io_write(h, (struct tlp){.rid = IO_RID, .addr = 5 * KIB4}, 1);
    const struct tlp q = io_read(IO_RID, 64);
    io_ask(h, &q);
    DRIVE_UNTIL(h, mem_done, 3000);
    assert_true(DRIVE_TAKE(h, mem_done, &m));
    assert_int_equal(vtd_word(h, IOMMU_RAM + 5 * KIB4), 1);
    host_close(h);
}

static void writes_pass_reads_that_wait_for_a_walk(void **state)
{
    (void)state;
    struct host *const h = one_slow_page(false);
    struct tlp m;
    const struct tlp q = io_read(IO_RID, 5 * KIB4);

    io_ask(h, &q);
    io_write(h, (struct tlp){.rid = IO_RID, .addr = 64}, 1);
    assert_true(seen_at(h, IOMMU_RAM + 64) != HCA_NEVER);
    assert_false(DRIVE_TAKE(h, mem_done, &m));
    host_close(h);
}

static void functions_are_ordered_together_unless_ido_says_otherwise(void **state)
{
    (void)state;
    const struct {
        bool ido;
        uint16_t rid;
        uint8_t hca;
        bool waits;
    } c[] = {{false, IO_RID + 1, 0, true},
             {true, IO_RID + 1, 0, false},
             {true, IO_RID, 0, true},
             {false, IO_RID + 1, 1, false}};

    for (unsigned i = 0; i < 4; i++) {
        struct host *const h = one_slow_page(c[i].ido);
        io_write(h, (struct tlp){.rid = IO_RID, .addr = 5 * KIB4}, 1);
        io_write(h, (struct tlp){.rid = c[i].rid, .hca = c[i].hca, .addr = 64}, 2);
        assert_true(seen_at(h, IOMMU_RAM + 64) != HCA_NEVER);
        assert_int_equal(vtd_word(h, IOMMU_RAM + 5 * KIB4) != 0, c[i].waits);
        host_close(h);
    }
}

static void an_interrupt_waits_for_the_data_before_it(void **state)
{
    (void)state;
    struct host *const h = one_slow_page(false);
    struct irq q;
    const struct tlp msi = {.type = TLP_MSI,
                            .addr = HOST_MSI_BASE,
                            .value = 3,
                            .rid = IO_RID,
                            .attr = TLP_ATTR_RO,
                            .slot = NO_SLOT};

    io_write(h, (struct tlp){.rid = IO_RID, .addr = 5 * KIB4, .attr = TLP_ATTR_RO}, 1);
    io_ask(h, &msi);
    DRIVE_UNTIL(h, irq, 3000);
    assert_true(DRIVE_TAKE(h, irq, &q));
    assert_int_equal(vtd_word(h, IOMMU_RAM + 5 * KIB4), 1);
    host_close(h);
}

static void a_faulting_write_does_not_hold_its_successors(void **state)
{
    (void)state;
    struct host *const h = one_slow_page(false);
    uint64_t rec[2];

    io_write(h, (struct tlp){.rid = IO_RID, .addr = (uint64_t)GIB1 * 3}, 1);
    io_write(h, (struct tlp){.rid = IO_RID, .addr = 64}, 2);
    assert_true(seen_at(h, IOMMU_RAM + 64) != HCA_NEVER);
    assert_true(host_fault(h, rec));
    assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
    host_close(h);
}

/* The fault answers are not taken, so the oldest ready request cannot leave. */
static void a_fault_that_cannot_leave_lets_no_write_pass_older_ones(void **state)
{
    (void)state;
    struct host *const h = one_slow_page(false);
    struct tlp m;
    const uint64_t unmapped = (uint64_t)GIB1 * 3;

    for (unsigned i = 0; i < h->io_fault.ctl.depth; i++) {
        const struct tlp q = io_read(IO_RID, unmapped);
        io_ask(h, &q);
        drive(h, 1000);
    }
    const struct tlp q = io_read(IO_RID, unmapped);
    io_ask(h, &q);
    io_write(h, (struct tlp){.rid = IO_RID, .addr = 5 * KIB4}, 1);
    drive(h, 2000); /* both are ready now, the read first */
    io_write(h, (struct tlp){.rid = IO_RID, .addr = 64}, 2);
    drive(h, 1000);
    assert_int_equal(vtd_word(h, IOMMU_RAM + 64), 0);
    assert_true(DRIVE_TAKE(h, io_fault, &m));
    assert_true(seen_at(h, IOMMU_RAM + 64) != HCA_NEVER);
    assert_int_equal(vtd_word(h, IOMMU_RAM + 5 * KIB4), 1);
    host_close(h);
}

/* --- random traffic
 * -------------------------------------------------------------------------------- Pages of a
 * function map to frames of its own. Cell values are version numbers of the stream: posted writes
 * of a stream must become visible in order, a read must see the older ones. */

enum { FNS = 3, PAGES = 24, TAGS = 256 };

struct flow {
    uint64_t version;     /* of the last write                          */
    uint64_t cell[PAGES]; /* version last written there                 */
    uint64_t want[TAGS];  /* what the read with this tag must at least see */
    uint32_t tag_of[TAGS];
    bool busy[TAGS];
};

static struct flow flows[FNS];
static uint8_t sink[FNS * TAGS * 8];

static uint64_t frame(unsigned fn, uint64_t page)
{
    return IOMMU_RAM + (fn * 64 + (page * 7 + fn) % 64) * KIB4;
}

static void random_write(struct host *h, uint64_t *r, unsigned fn)
{
    struct flow *const f = &flows[fn];
    const uint64_t page = drive_below(r, PAGES);

    f->cell[page] = ++f->version;
    io_write(h, (struct tlp){.rid = (uint16_t)(IO_RID + fn), .addr = page * KIB4}, f->version);
}

static void random_read(struct host *h, uint64_t *r, unsigned fn)
{
    struct flow *const f = &flows[fn];
    const uint64_t page = drive_below(r, PAGES + 1); /* the last one faults */
    const uint16_t tag = (uint16_t)drive_below(r, TAGS);

    if (f->busy[tag]) {
        return;
    }
    struct tlp q = io_read((uint16_t)(IO_RID + fn), page * KIB4);
    q.tag = tag;
    q.data = (fn * TAGS + tag) * 8;
    f->busy[tag] = true;
    f->want[tag] = page < PAGES ? f->cell[page] : HCA_NEVER;
    io_ask(h, &q);
}

static void check_answer(const struct tlp *m, bool fault)
{
    struct flow *const f = &flows[m->fn];
    uint64_t v;

    assert_true(f->busy[m->tag]);
    f->busy[m->tag] = false;
    assert_int_equal(fault, f->want[m->tag] == HCA_NEVER);
    if (!fault) {
        memcpy(&v, sink + m->data, 8);
        assert_true(v >= f->want[m->tag]);
    }
}

/* In every cycle each stream's visible versions must be a prefix: the newest visible one implies
 * that no cell lacks an older version that was its last before that one. */
static void check_prefix(struct host *h, uint64_t last[FNS], unsigned fn)
{
    uint64_t newest = 0;

    for (uint64_t page = 0; page < PAGES; page++) {
        const uint64_t v = vtd_word(h, frame(fn, page));
        newest = v > newest ? v : newest;
    }
    assert_true(newest >= last[fn] && newest <= flows[fn].version);
    last[fn] = newest;
    for (uint64_t page = 0; page < PAGES; page++) {
        const uint64_t v = vtd_word(h, frame(fn, page)), w = flows[fn].cell[page];
        assert_true(w > newest || v == w); /* last write of the cell is old enough to be there */
    }
}

static struct host *random_host(uint64_t seed)
{
    struct hca_param p = iommu_param();

    p.pcie_ido = seed & 1;
    p.iommu_walkers = 1 + seed % 5;
    p.iommu_pending_entries = 1 + seed * 3 % 17;
    p.iommu_iotlb_4k_entries = p.iommu_iotlb_4k_ways = 1 + seed * 5 % 9;
    p.iommu_psc_pd_entries = seed % 3;
    p.iommu_context_cache_entries = 1 + seed % 3;
    p.iommu_merge = seed >> 1 & 1;
    p.host_mem_parallelism = 1 + seed * 11 % 13;
    p.host_buffer_state = seed >> 2 & 1;
    p.host_llc_bytes = 65536;
    p.iommu_walk_step_ns = seed * 37 % 60;
    p.iommu_walk_overhead_ns = seed * 13 % 25;
    p.iommu_hit_ns = seed % 8;
    struct host *const h = iommu_fresh(&p);
    memset(flows, 0, sizeof flows);
    for (unsigned fn = 0; fn < FNS; fn++) {
        for (uint64_t page = 0; page < PAGES; page++) {
            assert_true(
                host_map(h, (uint16_t)(IO_RID + fn), page * KIB4, frame(fn, page), KIB4, 3, KIB4));
        }
    }
    host_attach(h, 0, sink);
    return h;
}

static void random_traffic_keeps_every_stream_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct host *const h = random_host(seed);
        uint64_t r = seed, last[FNS] = {0};

        for (unsigned n = 0; n < 12000; n++) {
            struct tlp m;
            const unsigned fn = (unsigned)drive_below(&r, FNS);
            if (n < 8000 && fifo_ready(&h->io_req.ctl, h->y.k.now) && drive_below(&r, 4) == 0) {
                if (drive_below(&r, 2) == 0) {
                    random_write(h, &r, fn);
                } else {
                    random_read(h, &r, fn);
                }
            }
            drive(h, 1);
            if (drive_below(&r, 3) != 0 && DRIVE_TAKE(h, mem_done, &m)) {
                check_answer(&m, false);
            }
            if (drive_below(&r, 5) == 0 && DRIVE_TAKE(h, io_fault, &m)) {
                check_answer(&m, true);
            }
            check_prefix(h, last, n % FNS);
        }
        for (unsigned n = 0; n < 200000 && n < 2000 + 100 * h->u_iommu.s.used; n++) {
            struct tlp m;
            drive(h, 1);
            if (DRIVE_TAKE(h, mem_done, &m)) {
                check_answer(&m, false);
            }
            if (DRIVE_TAKE(h, io_fault, &m)) {
                check_answer(&m, true);
            }
        }
        for (unsigned fn = 0; fn < FNS; fn++) {
            check_prefix(h, last, fn);
            assert_true(last[fn] == flows[fn].version && last[fn] > 2);
            for (unsigned tag = 0; tag < TAGS; tag++) {
                assert_false(flows[fn].busy[tag]);
            }
        }
        assert_int_equal(h->u_iommu.s.used, 0);
        assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
        host_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hit_write_waits_for_an_older_missing_write),
        cmocka_unit_test(a_hit_read_waits_for_an_older_missing_write),
        cmocka_unit_test(writes_pass_reads_that_wait_for_a_walk),
        cmocka_unit_test(functions_are_ordered_together_unless_ido_says_otherwise),
        cmocka_unit_test(an_interrupt_waits_for_the_data_before_it),
        cmocka_unit_test(a_faulting_write_does_not_hold_its_successors),
        cmocka_unit_test(a_fault_that_cannot_leave_lets_no_write_pass_older_ones),
        cmocka_unit_test(random_traffic_keeps_every_stream_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
