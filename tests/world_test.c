/* world: whole runs give the same results however the kernel ticks, and the right bytes. */
#include "tests/play.h"

static const char mixed[] = "seed: 7\n"
                            "flows:\n"
                            "  - pattern: bw\n"
                            "    mix: {write: 4, read: 3, send: 3}\n"
                            "    qps: 3\n"
                            "    ops: 120\n"
                            "    window: 6\n"
                            "    size: {uniform: [0, 9000]}\n"
                            "    bidirectional: true\n";

static void mixed_traffic_both_ways_ends_with_right_bytes(void **state)
{
    (void)state;
    struct played o;

    play(&(struct play){.spec = mixed}, &o);
    play_good(&o);
}

static void stages_add_up_to_latency_exactly(void **state)
{
    (void)state;
    struct played o;

    play(&(struct play){.spec = mixed}, &o);
    assert_true(o.staged > 0);
    assert_int_equal(o.sum_stages_ps, o.sum_latency_ps);
}

static void without_bytes(struct hca_param *p)
{
    p->sim_payload = 0;
}

static void payload_off_changes_no_time(void **state)
{
    (void)state;
    struct played on, off;

    play(&(struct play){.spec = mixed}, &on);
    play(&(struct play){.spec = mixed, .param = without_bytes}, &off);
    assert_int_equal(on.timing_hash, off.timing_hash);
}

static void lossy(struct hca_param *p)
{
    p->link_loss_ppm = 20000;
    p->link_dup_ppm = 10000;
    p->link_corrupt_ppm = 10000;
    p->link_reorder_ppm = 10000;
}

static void loss_duplication_corruption_and_reordering_lose_nothing(void **state)
{
    (void)state;
    struct played o;

    play(&(struct play){.spec = mixed, .param = lossy}, &o);
    play_good(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixed_traffic_both_ways_ends_with_right_bytes),
        cmocka_unit_test(stages_add_up_to_latency_exactly),
        cmocka_unit_test(payload_off_changes_no_time),
        cmocka_unit_test(loss_duplication_corruption_and_reordering_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
