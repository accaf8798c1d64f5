/* How the kernel ticks changes nothing: hashes, times, memory and events are the same. */
#include "tests/play.h"

static const char mixed[] =
    "seed: 5\n"
    "flows:\n"
    "  - mix: {write: 3, read: 3, send: 3, faa: 1, cas: 1, write_imm: 1, send_imm: 1}\n"
    "    qps: 4\n    ops: 150\n    window: 8\n    size: {uniform: [0, 9000]}\n"
    "    memory: {offsets: sequential, mr_bytes: 4M}\n"
    "  - mix: {write: 3, read: 3, send: 3, faa: 1}\n    format: native\n"
    "    from: 1\n    to: 0\n    inline_max: 100\n"
    "    qps: 3\n    ops: 100\n    window: 8\n    size: {uniform: [0, 3000]}\n"
    "    memory: {offsets: sequential, mr_bytes: 4M}\n";

static const char *const sets[] = {
    "", "port.wire=ib port.vl_count=2",
    "link.loss_ppm=10000 link.dup_ppm=10000 link.reorder_ppm=10000 link.corrupt_ppm=10000"};

static void compare(const char *spec, const char *set, unsigned mode)
{
    struct played a, b;

    play(&(struct play){.spec = spec, .set = set}, &a);
    play(&(struct play){.spec = spec, .set = set, .mode = mode}, &b);
    play_good(&a);
    assert_true(a.events > 500);
    play_same(&a, &b);
}

static void same_as_plain(unsigned mode)
{
    for (unsigned i = 0; i < 3; i += PLAY_SLOW == 1 ? 1 : 2) {
        compare(mixed, sets[i], mode);
    }
}

/* Idle cycles are executed, so time is short: a quick control path, few operations, no timers. */
static const char brief[] = "flows:\n"
                            "  - mix: {write: 1, read: 1, send: 1, faa: 1}\n"
                            "    ops: 30\n    window: 4\n    size: {uniform: [0, 5000]}\n"
                            "    memory: {offsets: sequential, mr_bytes: 256K}\n";
static const char quick[] = "hca.command_process_ns=0 cpu.command_cycles=0";

static void a_run_repeats_exactly(void **state)
{
    (void)state;
    same_as_plain(0);
}

static void reversed_order_of_ticks_changes_nothing(void **state)
{
    (void)state;
    same_as_plain(HCA_MODE_REVERSE);
}

static void shuffled_order_of_ticks_changes_nothing(void **state)
{
    (void)state;
    same_as_plain(HCA_MODE_SHUFFLE);
}

static void ticking_sleeping_units_changes_nothing(void **state)
{
    (void)state;
    same_as_plain(HCA_MODE_ALL);
}

static void executing_idle_cycles_changes_nothing(void **state)
{
    (void)state;
    if (PLAY_SLOW == 1) {
        compare(brief, quick, HCA_MODE_NOSKIP);
    }
}

static void checking_sleeping_units_finds_and_changes_nothing(void **state)
{
    (void)state;
    compare(brief, quick, HCA_MODE_CHECK_DUE | HCA_MODE_REVERSE);
    compare(brief, "port.wire=ib link.loss_ppm=20000", HCA_MODE_CHECK_DUE | HCA_MODE_SHUFFLE);
}

/* Another seed of faults must give another run, or the equalities above would show nothing. */
/* Each adapter has its own PCIe port and wire; all share the host's memory and IOMMU. */
static const char adapters[] =
    "hosts: 3\nadapters: 2\nfunctions: 2\n"
    "flows:\n"
    "  - {from: 0, to: 2, qps: 8, ops: 160, bidirectional: true, size: {uniform: [0, 9000]},\n"
    "     mix: {write: 2, read: 1, send: 1}, memory: {offsets: sequential, mr_bytes: 4M}}\n";

static void several_adapters_run_in_any_order(void **state)
{
    (void)state;
    compare(adapters, "", HCA_MODE_REVERSE);
    compare(adapters, "", HCA_MODE_SHUFFLE);
    compare(adapters, "", HCA_MODE_ALL);
}

/* Only the state of the idle one is added. */
static void an_idle_adapter_changes_nothing(void **state)
{
    (void)state;
    struct played a, b;

    play(&(struct play){.spec = mixed}, &a);
    play(&(struct play){.spec = mixed, .set = "host.hcas=3"}, &b);
    play_good(&b);
    b.state_hash = a.state_hash;
    play_same(&a, &b);
}

static void another_seed_gives_another_run(void **state)
{
    (void)state;
    struct played a, b;

    play(&(struct play){.spec = mixed, .set = sets[2]}, &a);
    play(
        &(struct play){
            .spec = mixed,
            .set = "sim.seed=2 link.loss_ppm=10000 link.dup_ppm=10000 link.reorder_ppm=10000 "
                   "link.corrupt_ppm=10000"},
        &b);
    assert_int_not_equal(a.state_hash, b.state_hash);
    assert_int_not_equal(a.timing_hash, b.timing_hash);
    assert_int_not_equal(a.event_hash, b.event_hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_repeats_exactly),
        cmocka_unit_test(reversed_order_of_ticks_changes_nothing),
        cmocka_unit_test(shuffled_order_of_ticks_changes_nothing),
        cmocka_unit_test(ticking_sleeping_units_changes_nothing),
        cmocka_unit_test(executing_idle_cycles_changes_nothing),
        cmocka_unit_test(checking_sleeping_units_finds_and_changes_nothing),
        cmocka_unit_test(several_adapters_run_in_any_order),
        cmocka_unit_test(an_idle_adapter_changes_nothing),
        cmocka_unit_test(another_seed_gives_another_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
