/* iommu faults: which reason for which table, what the device sees, what the records hold. */
#include "tests/iommu_drive.h"

static const uint64_t record_f = UINT64_C(1) << 63, record_read = UINT64_C(1) << 62;

/* Words of the tables of a requester with one 4 KiB page at IOMMU_IOVA. */
struct tables {
    uint64_t *root, *ctx, *pte[6]; /* root and context: two words; entries by level */
};

static struct tables tables_of(struct host *h)
{
    struct tables x = {.root = host_mem(h, h->mem.root_table + 16, 16)};
    uint64_t table;

    x.ctx = host_mem(h, x.root[0] & ~0xfffULL, 16);
    table = x.ctx[0] & ~0xfffULL;
    for (unsigned level = 4; level > 0; level--) {
        x.pte[level] = host_mem(h, table + (IOMMU_IOVA >> (12 + 9 * (level - 1)) & 511) * 8, 8);
        table = *x.pte[level] & ~0xfffULL;
    }
    return x;
}

static struct host *one_page(struct tables *x)
{
    const struct hca_param p = iommu_param();
    struct host *const h = iommu_fresh(&p);

    assert_true(host_map(h, IO_RID, IOMMU_IOVA, IOMMU_RAM, KIB4, 3, KIB4));
    *x = tables_of(h);
    return h;
}

enum word { ROOT_LO, ROOT_HI, CTX_LO, CTX_HI, L4, L3, L2, L1, NOTHING };

static uint64_t *word_of(struct tables *x, enum word w)
{
    switch (w) {
    case ROOT_LO: return &x->root[0];
    case ROOT_HI: return &x->root[1];
    case CTX_LO: return &x->ctx[0];
    case CTX_HI: return &x->ctx[1];
    case L4: return x->pte[4];
    case L3: return x->pte[3];
    case L2: return x->pte[2];
    default: return x->pte[1];
    }
}

static const struct {
    enum word word;
    uint64_t clear, set, addr; /* addr: added to IOMMU_IOVA */
    uint8_t read, write;       /* reason of each, 0: passes */
} reasons[] = {
    {NOTHING, 0, 0, 0, 0, 0},
    {ROOT_LO, 1, 0, 0, 0x01, 0x01},
    {CTX_LO, 1, 0, 0, 0x02, 0x02},
    {CTX_LO, 0, 3 << 2, 0, 0x03, 0x03}, /* TT 3 */
    {CTX_HI, 7, 0, 0, 0x03, 0x03},      /* AW 0: 30 bits */
    {CTX_HI, 7, 4, 0, 0x03, 0x03},      /* AW 4: 64 bits */
    {NOTHING, 0, 0, UINT64_C(1) << 48, 0x04, 0x04},
    {NOTHING, 0, 0, UINT64_C(1) << 63, 0x04, 0x04},
    {L1, 2, 0, 0, 0, 0x05},
    {L1, 1, 0, 0, 0x06, 0},
    {L1, 3, 0, 0, 0x06, 0x05},
    {L2, 2, 0, 0, 0, 0x05}, /* AND over levels */
    {L3, 1, 0, 0, 0x06, 0},
    {L4, 3, 0, 0, 0x06, 0x05},
    {NOTHING, 0, 0, KIB4, 0x06, 0x05}, /* not mapped: neighbour entry is 0 */
    {NOTHING, 0, 0, GIB1, 0x06, 0x05},
    {L3, 0xfffffffff000, 0x1000, 0, 0x07, 0x07}, /* table where no memory is */
    {L4, 0xfffffffff000, 0xff0000000000, 0, 0x07, 0x07},
    {ROOT_LO, 0xfffffffff000, 0x2000, 0, 0x09, 0x09},
    {ROOT_LO, 0, 0x10, 0, 0x0a, 0x0a},
    {ROOT_HI, 0, 1, 0, 0x0a, 0x0a},
    {ROOT_LO, 0, UINT64_C(1) << 51, 0, 0x0a, 0x0a},
    {CTX_LO, 0, 0x800, 0, 0x0b, 0x0b},
    {CTX_HI, 0, UINT64_C(1) << 24, 0, 0x0b, 0x0b},
    {L1, 0, UINT64_C(1) << 48, 0, 0x0c, 0x0c},
    {L2, 0, UINT64_C(1) << 51, 0, 0x0c, 0x0c},
    {L2, 0xfffffffff000, 0x4000001080, 0, 0x0c, 0x0c}, /* 2 MiB page not aligned */
    {L3, 0xfffffffff000, 0x4000200080, 0, 0x0c, 0x0c}, /* 1 GiB page not aligned */
    {L4, 0, 0x80, 0, 0x0c, 0x0c},                      /* 512 GiB pages do not exist */
    {L1, 0, 0xf000000000000f7c, 0, 0, 0},              /* ignored bits are ignored */
};

static void each_wrong_table_has_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        struct tables x;
        struct tlp m;
        struct host *const h = one_page(&x);
        const uint64_t addr = IOMMU_IOVA + reasons[i].addr;
        uint64_t rec[2], r = reasons[i].read, w = reasons[i].write;

        if (reasons[i].word != NOTHING) {
            uint64_t *const at = word_of(&x, reasons[i].word);
            *at = (*at & ~reasons[i].clear) | reasons[i].set;
        }
        (void)io_time(h, IO_RID, addr, &m);
        assert_int_equal(m.status, r != 0 ? DMA_UR : DMA_OK);
        assert_int_equal(host_fault(h, rec), r != 0);
        if (r != 0) {
            assert_true(rec[0] == (addr & ~0xfffULL));
            assert_true(rec[1] == (IO_RID | r << 32 | record_read | record_f));
        }
        io_write(h, (struct tlp){.rid = IO_RID, .addr = addr + 8}, 0x77);
        drive(h, 3000);
        assert_int_equal(host_fault(h, rec), w != 0);
        if (w != 0) {
            assert_true(rec[1] == (IO_RID | w << 32 | record_f));
        }
        assert_int_equal(vtd_word(h, IOMMU_RAM + 8), w != 0 ? 0 : 0x77);
        assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
        assert_int_equal(fifo_level(&h->io_fault.ctl), 0); /* a write gets no answer */
        host_close(h);
    }
}

static void a_requester_without_any_table_faults(void **state)
{
    (void)state;
    const struct hca_param p = iommu_param();
    struct host *const h = iommu_fresh(&p);
    uint64_t rec[2];
    struct tlp m;

    (void)io_time(h, IO_RID, 0, &m); /* no root table at all */
    assert_true(host_fault(h, rec) && (rec[1] >> 32 & 0xff) == 0x01);
    h->mem.root_table = 0x7000; /* where no memory is */
    (void)io_time(h, IO_RID, 0, &m);
    assert_true(host_fault(h, rec) && (rec[1] >> 32 & 0xff) == 0x08);
    host_close(h);
}

static void faults_are_not_cached(void **state)
{
    (void)state;
    struct tables x;
    struct tlp m;
    struct host *const h = one_page(&x);
    const uint64_t page = *x.pte[1];

    *x.pte[1] = 0;
    for (unsigned i = 0; i < 3; i++) {
        (void)io_time(h, IO_RID, IOMMU_IOVA, &m);
        assert_int_equal(m.status, DMA_UR);
    }
    *x.pte[1] = page; /* no invalidation needed: nothing not-present was kept */
    (void)io_time(h, IO_RID, IOMMU_IOVA, &m);
    assert_int_equal(m.status, DMA_OK);
    host_close(h);
}

static void a_cached_translation_still_checks_rights(void **state)
{
    (void)state;
    struct tables x;
    struct tlp m;
    uint64_t rec[2];
    struct host *const h = one_page(&x);

    *x.pte[1] &= ~UINT64_C(2);
    (void)io_time(h, IO_RID, IOMMU_IOVA, &m);
    assert_int_equal(m.status, DMA_OK);
    const uint64_t walks = h->y.s.iommu_walks;
    io_write(h, (struct tlp){.rid = IO_RID, .addr = IOMMU_IOVA}, 1);
    drive(h, 1000);
    assert_true(host_fault(h, rec) && (rec[1] >> 32 & 0xff) == 0x05);
    assert_int_equal(h->y.s.iommu_walks, walks);
    host_close(h);
}

static void requests_of_one_walk_fault_each_for_itself(void **state)
{
    (void)state;
    struct tables x;
    uint64_t rec[2];
    struct host *const h = one_page(&x);

    *x.pte[1] &= ~UINT64_C(2); /* read only */
    const struct tlp q = io_read(IO_RID, IOMMU_IOVA);
    io_ask(h, &q);
    io_write(h, (struct tlp){.rid = IO_RID, .addr = IOMMU_IOVA}, 1);
    drive(h, 3000);
    assert_int_equal(h->y.s.iommu_merged, 1);
    assert_int_equal(fifo_level(&h->mem_done.ctl), 1);
    assert_true(host_fault(h, rec) && (rec[1] & record_read) == 0);
    assert_false(host_fault(h, rec));
    host_close(h);
}

static void fault_processing_disabled_keeps_records_free(void **state)
{
    (void)state;
    struct tables x;
    struct tlp m;
    uint64_t rec[2];
    struct host *const h = one_page(&x);

    x.ctx[0] |= 2; /* FPD */
    *x.pte[1] = 0;
    (void)io_time(h, IO_RID, IOMMU_IOVA, &m);
    (void)io_time(h, IO_RID, IOMMU_IOVA, &m); /* now from the context cache */
    assert_int_equal(m.status, DMA_UR);
    assert_false(host_fault(h, rec));
    assert_int_equal(h->y.s.iommu_fault_read, 2);
    assert_int_equal(h->y.s.iommu_fault_silent, 2);
    host_close(h);
}

static void records_are_kept_in_order_and_lost_when_all_are_unread(void **state)
{
    (void)state;
    struct hca_param p = iommu_param();
    struct tlp m;
    uint64_t rec[2];

    p.iommu_fault_records = 3;
    struct host *const h = iommu_fresh(&p);
    assert_true(host_map(h, IO_RID, IOMMU_IOVA, IOMMU_RAM, KIB4, 3, KIB4));
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 1; i <= 5; i++) {
            (void)io_time(h, IO_RID, (round * 8 + i) * KIB4, &m);
        }
        for (uint64_t i = 1; i <= 3; i++) {
            assert_true(host_fault(h, rec));
            assert_int_equal(rec[0], (round * 8 + i) * KIB4);
        }
        assert_false(host_fault(h, rec));
        assert_int_equal(h->y.s.iommu_fault_lost, 2 * (round + 1));
    }
    host_close(h);
}

static void the_interrupt_window_is_never_translated(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 3; mode++) {
        struct hca_param p = iommu_param();
        struct irq q;
        struct tlp m;
        uint64_t rec[2];

        p.iommu_mode = mode;
        struct host *const h = iommu_fresh(&p);
        assert_true(host_map(h, IO_RID, HOST_MSI_BASE, IOMMU_RAM, MIB2 / 2, 3, KIB4));
        const struct tlp msi = {.type = TLP_MSI,
                                .addr = HOST_MSI_BASE + 0x1000,
                                .value = 0x31,
                                .rid = IO_RID,
                                .slot = NO_SLOT};
        io_ask(h, &msi);
        drive(h, 500);
        assert_true(DRIVE_TAKE(h, irq, &q));
        assert_true(q.data == 0x31 && q.rid == IO_RID && q.addr == HOST_MSI_BASE + 0x1000);
        /* an ordinary write there is an interrupt too */
        io_write(h, (struct tlp){.rid = IO_RID, .addr = HOST_MSI_END - 16}, 0x55000042);
        drive(h, 500);
        assert_true(DRIVE_TAKE(h, irq, &q));
        assert_int_equal(q.data, 0x55000042);
        (void)io_time(h, IO_RID, HOST_MSI_BASE, &m);
        if (mode != HCA_IOMMU_MODE_OFF) {
            assert_int_equal(m.status, DMA_UR);
            assert_true(host_fault(h, rec) && (rec[1] >> 32 & 0xff) == 0x06);
        } else {
            assert_int_equal(h->y.s.memory_absent_reads, 1);
        }
        assert_int_equal(h->y.s.iommu_interrupts, 2);
        assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
        host_close(h);
    }
}

/* Random words everywhere in the tables: any answer is right, but every read gets one. */
static void random_tables_never_stop_the_unit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct tables x;
        struct host *const h = one_page(&x);
        uint64_t r = seed;
        unsigned reads = 0, answers = 0;
        struct tlp m;

        for (unsigned n = 0; n < 4000; n++) {
            if (n % 40 == 0) {
                uint64_t *const at = word_of(&x, (enum word)drive_below(&r, NOTHING));
                *at ^= UINT64_C(1) << drive_below(&r, 64);
            }
            if (n < 3000 && drive_below(&r, 4) == 0 && fifo_ready(&h->io_req.ctl, h->y.k.now)) {
                const struct tlp q = io_read((uint16_t)(IO_RID + drive_below(&r, 2)),
                                             IOMMU_IOVA ^ drive_below(&r, 3) << 12);
                io_ask(h, &q);
                reads++;
            }
            drive(h, 1);
            answers += DRIVE_TAKE(h, mem_done, &m);
            answers += DRIVE_TAKE(h, io_fault, &m);
        }
        drive(h, 10000);
        for (unsigned i = 0; i < 40; i++) {
            answers += DRIVE_TAKE(h, mem_done, &m);
            answers += DRIVE_TAKE(h, io_fault, &m);
            drive(h, 1);
        }
        assert_int_equal(answers, reads);
        assert_int_equal(h->u_iommu.s.used, 0);
        assert_int_equal(h->u_iommu.s.idle, h->u_iommu.walkers);
        host_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wrong_table_has_its_reason),
        cmocka_unit_test(a_requester_without_any_table_faults),
        cmocka_unit_test(faults_are_not_cached),
        cmocka_unit_test(a_cached_translation_still_checks_rights),
        cmocka_unit_test(requests_of_one_walk_fault_each_for_itself),
        cmocka_unit_test(fault_processing_disabled_keeps_records_free),
        cmocka_unit_test(records_are_kept_in_order_and_lost_when_all_are_unread),
        cmocka_unit_test(the_interrupt_window_is_never_translated),
        cmocka_unit_test(random_tables_never_stop_the_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
