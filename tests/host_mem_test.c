/* host_mem: which addresses are memory, and what the hypervisor area gives out. */
#include "tests/host_drive.h"

#include "model/vtd.h"

static struct hca_param three_vms(void)
{
    struct hca_param p = unit_param();

    p.host_vms = 3;
    p.host_mem_bytes = 16777216;
    return p;
}

static void every_region_ends_exactly_where_its_size_says(void **state)
{
    (void)state;
    const struct hca_param p = three_vms();
    struct host_mem m;

    assert_true(host_mem_open(&m, &p));
    for (uint64_t vm = 1; vm <= 3; vm++) {
        const uint64_t base = vm << HOST_VM_SHIFT, end = base + p.host_mem_bytes;
        assert_non_null(host_mem_at(&m, base, 1));
        assert_non_null(host_mem_at(&m, base, p.host_mem_bytes));
        assert_non_null(host_mem_at(&m, end - 1, 1));
        assert_null(host_mem_at(&m, base, p.host_mem_bytes + 1));
        assert_null(host_mem_at(&m, end - 1, 2));
        assert_null(host_mem_at(&m, end, 1));
        assert_null(host_mem_at(&m, base - 1, 1));
    }
    const uint64_t hyp = (uint64_t)HOST_HYP_BASE_GIB << 30;
    assert_null(host_mem_at(&m, hyp - 1, 1));
    assert_non_null(host_mem_at(&m, hyp, m.hyp_bytes));
    assert_null(host_mem_at(&m, hyp + 1, m.hyp_bytes));
    host_mem_close(&m);
}

static void hostile_addresses_and_lengths_are_no_memory(void **state)
{
    (void)state;
    const struct hca_param p = three_vms();
    struct host_mem m;

    assert_true(host_mem_open(&m, &p));
    const uint64_t addrs[] = {
        0,          HOST_MSI_BASE,     HOST_MSI_END - 1, 4ULL << 38, 255ULL << 38,
        UINT64_MAX, UINT64_MAX - 4095, 1ULL << 63};
    for (size_t i = 0; i < sizeof addrs / sizeof addrs[0]; i++) {
        assert_null(host_mem_at(&m, addrs[i], 1));
        assert_null(host_mem_at(&m, addrs[i], UINT64_MAX));
    }
    assert_null(host_mem_at(&m, 1ULL << 38, UINT64_MAX));
    assert_null(host_mem_at(&m, (1ULL << 38) + 8, UINT64_MAX - 8));
    host_mem_close(&m);
}

static void regions_do_not_share_a_byte(void **state)
{
    (void)state;
    const struct hca_param p = three_vms();
    struct host_mem m;

    assert_true(host_mem_open(&m, &p));
    for (uint64_t vm = 1; vm <= 3; vm++) {
        memset(host_mem_at(&m, vm << HOST_VM_SHIFT, 4096), (int)vm, 4096);
        memset(host_mem_at(&m, (vm << HOST_VM_SHIFT) + p.host_mem_bytes - 4096, 4096), (int)vm,
               4096);
    }
    for (uint64_t vm = 1; vm <= 3; vm++) {
        assert_int_equal(*host_mem_at(&m, (vm << HOST_VM_SHIFT) + 4095, 1), vm);
        assert_int_equal(*host_mem_at(&m, (vm << HOST_VM_SHIFT) + p.host_mem_bytes - 1, 1), vm);
    }
    host_mem_close(&m);
}

static void taken_areas_are_zeroed_aligned_disjoint_and_end(void **state)
{
    (void)state;
    const struct hca_param p = three_vms();
    struct host_mem m;
    uint64_t end = 0;

    assert_true(host_mem_open(&m, &p));
    for (unsigned shift = 12; shift <= 30; shift++) {
        const uint64_t at = host_mem_take(&m, 5000, UINT64_C(1) << shift);
        assert_true(at >= end && at % (UINT64_C(1) << shift) == 0);
        assert_int_equal(*host_mem_at(&m, at, 5000), 0);
        end = at + 5000;
    }
    assert_int_equal(host_mem_take(&m, m.hyp_bytes, 4096), 0);
    assert_int_equal(host_mem_take(&m, UINT64_MAX, 4096), 0);
    assert_int_equal(host_mem_take(&m, 4096, UINT64_C(1) << 63), 0);
    const uint64_t left = m.hyp_bytes - m.hyp_next;
    const uint64_t last = host_mem_take(&m, left, 4096);
    assert_int_not_equal(last, 0);
    assert_non_null(host_mem_at(&m, last, left));
    assert_int_equal(host_mem_take(&m, 1, 4096), 0);
    host_mem_close(&m);
}

static void the_invalidation_queue_has_a_page_of_its_own(void **state)
{
    (void)state;
    const struct hca_param p = three_vms();
    struct host_mem m;

    assert_true(host_mem_open(&m, &p));
    assert_int_not_equal(m.inv_queue, 0);
    assert_int_equal(m.inv_queue % 4096, 0);
    assert_true(host_mem_take(&m, 4096, 4096) >= m.inv_queue + VTD_QUEUE_ENTRIES * 16);
    host_mem_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_region_ends_exactly_where_its_size_says),
        cmocka_unit_test(hostile_addresses_and_lengths_are_no_memory),
        cmocka_unit_test(regions_do_not_share_a_byte),
        cmocka_unit_test(taken_areas_are_zeroed_aligned_disjoint_and_end),
        cmocka_unit_test(the_invalidation_queue_has_a_page_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
