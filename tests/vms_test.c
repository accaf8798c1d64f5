/* Contention of VMs for one IOTLB, reduced from docs/VMS.md: more VMs on the same entries hit less,
 * 2 MiB pages reach further, and one requester id for all of them changes neither. */
#include "tests/play.h"

enum { PAGES_PER_VM = 16, OPS_PER_VM = 400 };

struct scene {
    unsigned vms;
    const char *layout;
    bool shared;
};
struct seen_by_vm {
    unsigned vms;
    uint64_t hits, asked, least_ppm, most_ppm, reads;
};

static bool one_requester;

static void param(struct hca_param *p)
{
    p->host_vm_requester = one_requester ? HCA_HOST_VM_REQUESTER_SHARED : HCA_HOST_VM_REQUESTER_OWN;
    p->host_layout = HCA_HOST_LAYOUT_FRAGMENTED;
    p->iommu_iotlb_4k_entries = 64;
    p->iommu_iotlb_4k_ways = 64;
}

/* The sender's host: it reads payload from the VMs' memory. */
static void look(struct world *w, void *arg)
{
    struct seen_by_vm *const s = arg;

    s->least_ppm = 1000000;
    for (unsigned vm = 0; vm < s->vms; vm++) {
        struct host_fn_figures f;
        assert_true(host_iommu_fn_figures(world_host(w, 0), (uint16_t)(0x100 | vm), &f));
        const uint64_t asked = f.hits + f.misses;
        assert_true(asked > OPS_PER_VM); /* each VM's requests are told apart */
        const uint64_t ppm = f.hits * 1000000 / asked;
        s->hits += f.hits;
        s->asked += asked;
        s->reads += f.walk_reads;
        s->least_ppm = ppm < s->least_ppm ? ppm : s->least_ppm;
        s->most_ppm = ppm > s->most_ppm ? ppm : s->most_ppm;
    }
}

static struct seen_by_vm measure(const struct scene *x)
{
    char spec[512];
    struct seen_by_vm s = {.vms = x->vms};
    struct played o;

    one_requester = x->shared;
    (void)snprintf(spec, sizeof spec,
                   "functions: %u\nflows: [{qps: %u, window: 4, size: 4096, ops: %u, cores: 8, "
                   "memory: {mr_bytes: %u, offsets: random, align: 4096, layout: %s}}]",
                   x->vms, x->vms, x->vms * OPS_PER_VM, PAGES_PER_VM * 4096, x->layout);
    play(&(struct play){.spec = spec, .param = param, .look = look, .look_arg = &s}, &o);
    play_good(&o);
    return s;
}

static uint64_t hit_ppm(const struct seen_by_vm *s)
{
    return s->hits * 1000000 / s->asked;
}

static void more_vms_on_the_same_entries_hit_less(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        const struct scene one = {1, "fragmented", shared}, eight = {8, "fragmented", shared};
        const struct seen_by_vm a = measure(&one), b = measure(&eight);
        assert_true(hit_ppm(&a) > 950000); /* 16 pages, rings and tables fit 64 entries */
        assert_true(hit_ppm(&b) + 100000 < hit_ppm(&a));
        assert_true(b.most_ppm - b.least_ppm < 100000); /* equal VMs suffer equally */
        assert_true(b.reads > 8 * a.reads);
    }
}

static void pages_of_2_mib_take_the_contention_away(void **state)
{
    (void)state;
    const struct scene small = {8, "fragmented", false};
    const struct scene huge = {8, "huge, layout_arg: 1000", false};
    const struct seen_by_vm a = measure(&small), b = measure(&huge);
    assert_true(hit_ppm(&b) > hit_ppm(&a) + 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_vms_on_the_same_entries_hit_less),
        cmocka_unit_test(pages_of_2_mib_take_the_contention_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
