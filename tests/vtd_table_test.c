/* vtd_table: what host_map and its kin leave in simulated memory. */
#include "tests/vtd_walk.h"

static const uint64_t ram = UINT64_C(1) << HOST_VM_SHIFT;
static const uint64_t kib4 = 4096, mib2 = 2097152, gib1 = 1073741824;

static struct host *fresh(uint64_t levels, uint64_t mode)
{
    struct hca_param p = unit_param();

    p.iommu_levels = levels;
    p.iommu_mode = mode;
    return drive_open(&p, 0);
}

static void a_mapping_reads_back_at_every_level_count_and_page_size(void **state)
{
    (void)state;
    const uint64_t pages[] = {kib4, mib2, gib1};
    for (uint64_t levels = 3; levels <= 5; levels++) {
        for (unsigned s = 0; s < 3; s++) {
            struct host *const h = fresh(levels, HCA_IOMMU_MODE_ON);
            const uint64_t iova = 7 * gib1, phys = ram, n = 3 * pages[s];
            assert_true(host_map(h, 0x105, iova, phys, n, 1, pages[s]));
            for (uint64_t at = 0; at < n; at += n / 24) {
                const struct vtd_answer a = vtd_ask(h, 0x105, iova + at);
                assert_true(a.present && a.phys == phys + at && a.rights == 1);
                assert_int_equal(a.level, s + 1);
            }
            assert_false(vtd_ask(h, 0x105, iova + n).present);
            assert_false(vtd_ask(h, 0x105, iova - 1).present);
            assert_false(vtd_ask(h, 0x104, iova).present);
            assert_false(vtd_ask(h, 0x205, iova).present);
            host_close(h);
        }
    }
}

static void entries_have_their_real_format(void **state)
{
    (void)state;
    struct host *const h = fresh(4, HCA_IOMMU_MODE_ON);

    assert_true(host_map(h, 0x203, 0, ram, kib4, 3, kib4));
    const uint64_t root = vtd_word(h, h->mem.root_table + 2 * 16);
    const uint64_t ctx = (root & ~0xfffULL) + 3 * 16;
    assert_int_equal(root & 0xfff, 1);
    assert_int_equal(vtd_word(h, h->mem.root_table + 2 * 16 + 8), 0);
    assert_int_equal(vtd_word(h, ctx) & 0xfff, 1); /* P, TT 0 */
    assert_int_equal(vtd_word(h, ctx + 8) & 7, 2); /* AW of 4 levels */
    assert_true((vtd_word(h, ctx + 8) >> 8 & 0xffff) >= 2);
    uint64_t table = vtd_word(h, ctx) & ~0xfffULL;
    for (unsigned level = 4; level > 1; level--) {
        assert_int_equal(vtd_word(h, table) & 0xfff, 3);
        table = vtd_word(h, table) & ~0xfffULL;
    }
    assert_true(vtd_word(h, table) == (ram | 3));
    host_close(h);
}

static void requesters_have_domains_of_their_own_until_they_share_one(void **state)
{
    (void)state;
    struct host *const h = fresh(4, HCA_IOMMU_MODE_ON);

    assert_true(host_map(h, 0x100, 0, ram, kib4, 3, kib4));
    assert_true(host_map(h, 0x101, 0, ram + kib4, kib4, 3, kib4));
    assert_true(vtd_ask(h, 0x100, 0).did != vtd_ask(h, 0x101, 0).did);
    assert_true(vtd_ask(h, 0x100, 0).phys != vtd_ask(h, 0x101, 0).phys);
    assert_true(host_same_domain(h, 0x101, 0x100));
    assert_true(vtd_ask(h, 0x101, 0).phys == ram);
    assert_int_equal(vtd_ask(h, 0x100, 0).did, vtd_ask(h, 0x101, 0).did);
    assert_true(host_map(h, 0x101, mib2, ram, kib4, 3, kib4)); /* seen by both */
    assert_true(vtd_ask(h, 0x100, mib2).present);
    assert_true(host_same_domain(h, 0x1ff, 0x1fe)); /* neither existed */
    assert_true(host_map(h, 0x1fe, 0, ram, kib4, 3, kib4));
    assert_true(vtd_ask(h, 0x1ff, 0).present);
    host_close(h);
}

static void pass_through_writes_context_entries_alone_and_off_nothing(void **state)
{
    (void)state;
    struct host *const h = fresh(4, HCA_IOMMU_MODE_PASS);
    assert_true(host_map(h, 0x100, 0, ram, gib1, 3, kib4));
    const uint64_t ctx = vtd_word(h, h->mem.root_table + 16) & ~0xfffULL;
    assert_int_equal(vtd_word(h, ctx), 1 | 2 << 2);
    assert_true(host_unmap(h, 0x100, 0, gib1));
    assert_int_equal(vtd_word(h, ctx), 1 | 2 << 2);
    host_close(h);

    struct host *const off = fresh(4, HCA_IOMMU_MODE_OFF);
    assert_true(host_map(off, 0x100, 0, ram, gib1, 3, kib4));
    assert_true(host_same_domain(off, 0x101, 0x100));
    assert_true(host_unmap(off, 0x100, 0, gib1));
    assert_int_equal(off->mem.root_table, 0);
    host_close(off);
}

static void arguments_that_no_table_can_hold_are_refused(void **state)
{
    (void)state;
    struct host *const h = fresh(3, HCA_IOMMU_MODE_ON);
    const struct {
        uint64_t iova, phys, len, page;
        unsigned rights;
    } bad[] = {
        {0, ram, kib4, 0, 3},
        {0, ram, kib4, 8192, 3},
        {0, ram, kib4, mib2, 3},
        {1, ram, kib4, kib4, 3},
        {0, ram + 1, kib4, kib4, 3},
        {0, ram, 4097, kib4, 3},
        {kib4, ram, mib2, mib2, 3},
        {0, ram + kib4, mib2, mib2, 3},
        {0, ram, 0, kib4, 3},
        {0, ram, kib4, kib4, 0},
        {0, ram, kib4, kib4, 4},
        {1ULL << 39, ram, kib4, kib4, 3},
        {(1ULL << 39) - kib4, ram, 2 * kib4, kib4, 3},
        {0, 1ULL << 48, kib4, kib4, 3},
        {0, ram, UINT64_MAX - 4095, kib4, 3},
        {UINT64_MAX - 4095, ram, kib4, kib4, 3},
        {0, ram, kib4, 1ULL << 39, 3},
        {0, ram, kib4, UINT64_MAX, 3},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(
            host_map(h, 0x100, bad[i].iova, bad[i].phys, bad[i].len, bad[i].rights, bad[i].page));
    }
    assert_int_equal(h->mem.root_table, 0);
    assert_false(host_unmap(h, 0x100, 0, 0));
    assert_false(host_unmap(h, 0x100, 1, kib4));
    assert_false(host_unmap(h, 0x100, 1ULL << 39, kib4));
    assert_true(host_unmap(h, 0x100, 0, kib4)); /* nothing there is no error */
    host_close(h);
}

static void table_memory_that_ends_ends_mapping_not_the_program(void **state)
{
    (void)state;
    struct host *const h = fresh(4, HCA_IOMMU_MODE_ON);

    assert_true(host_map(h, 0x100, 0, ram, gib1, 3, gib1));
    h->mem.hyp_next = h->mem.hyp_bytes;
    assert_int_equal(host_hyp_take(h, 1, 4096), 0);
    assert_true(host_map(h, 0x100, gib1, ram, gib1, 3, gib1)); /* table is there */
    assert_false(host_map(h, 0x100, 600 * gib1, ram, gib1, 3, gib1));
    assert_false(host_map(h, 0x100, 2 * gib1, ram, kib4, 3, kib4));
    assert_false(host_unmap(h, 0x100, kib4, kib4)); /* cannot split */
    assert_true(vtd_ask(h, 0x100, kib4).present);
    assert_false(host_map(h, 0x200, 0, ram, kib4, 3, kib4));
    assert_false(host_same_domain(h, 0x200, 0x100));
    host_close(h);
}

static void domain_ids_end_at_65535(void **state)
{
    (void)state;
    struct host *const h = fresh(3, HCA_IOMMU_MODE_ON);

    h->mem.domain_last = 65534;
    assert_true(host_map(h, 0x100, 0, ram, kib4, 3, kib4));
    assert_int_equal(vtd_ask(h, 0x100, 0).did, 65535);
    assert_false(host_map(h, 0x101, 0, ram, kib4, 3, kib4));
    host_close(h);
}

enum { CELLS = 1536 }; /* 4 KiB pages of a reference map: three 2 MiB blocks */

static void random_maps_and_unmaps_equal_a_flat_map(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct host *const h = fresh(3 + seed % 3, HCA_IOMMU_MODE_ON);
        static struct {
            uint64_t phys;
            unsigned rights;
        } map[CELLS];
        const uint64_t base = gib1 - mib2; /* spans two level-3 entries */
        uint64_t r = seed;

        memset(map, 0, sizeof map);
        for (unsigned step = 0; step < 300; step++) {
            const bool big = drive_below(&r, 4) == 0;
            const uint64_t grain = big ? 512 : 1, first = drive_below(&r, CELLS / grain) * grain;
            const uint64_t most = (CELLS - first) / grain,
                           pages = grain * (1 + drive_below(&r, most < 40 ? most : 40));
            const unsigned rights = 1 + (unsigned)drive_below(&r, 3);
            const uint64_t phys = ram + drive_below(&r, 100) * mib2;
            const bool unmap = drive_below(&r, 3) == 0;
            if (unmap) {
                assert_true(host_unmap(h, 0x100, base + first * kib4, pages * kib4));
            } else {
                assert_true(host_map(h, 0x100, base + first * kib4, phys, pages * kib4, rights,
                                     big ? mib2 : kib4));
            }
            for (uint64_t i = 0; i < pages; i++) {
                map[first + i].phys = phys + i * kib4;
                map[first + i].rights = unmap ? 0 : rights;
            }
        }
        for (uint64_t i = 0; i < CELLS; i++) {
            const struct vtd_answer a = vtd_ask(h, 0x100, base + i * kib4 + 5);
            assert_int_equal(a.present, map[i].rights != 0);
            if (a.present) {
                assert_true(a.phys == map[i].phys + 5 && a.rights == map[i].rights);
            }
        }
        host_close(h);
    }
}

static void a_page_cut_out_of_a_gigabyte_leaves_the_rest(void **state)
{
    (void)state;
    struct host *const h = fresh(4, HCA_IOMMU_MODE_ON);

    assert_true(host_map(h, 0x100, 0, ram, gib1, 1, gib1));
    assert_true(host_unmap(h, 0x100, 5 * mib2 + kib4, kib4));
    assert_false(vtd_ask(h, 0x100, 5 * mib2 + kib4).present);
    const uint64_t left[] = {0, 5 * mib2, 5 * mib2 + 2 * kib4, 6 * mib2, gib1 - 1};
    for (size_t i = 0; i < 5; i++) {
        const struct vtd_answer a = vtd_ask(h, 0x100, left[i]);
        assert_true(a.present && a.phys == ram + left[i] && a.rights == 1);
    }
    host_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_reads_back_at_every_level_count_and_page_size),
        cmocka_unit_test(entries_have_their_real_format),
        cmocka_unit_test(requesters_have_domains_of_their_own_until_they_share_one),
        cmocka_unit_test(pass_through_writes_context_entries_alone_and_off_nothing),
        cmocka_unit_test(arguments_that_no_table_can_hold_are_refused),
        cmocka_unit_test(table_memory_that_ends_ends_mapping_not_the_program),
        cmocka_unit_test(domain_ids_end_at_65535),
        cmocka_unit_test(random_maps_and_unmaps_equal_a_flat_map),
        cmocka_unit_test(a_page_cut_out_of_a_gigabyte_leaves_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
