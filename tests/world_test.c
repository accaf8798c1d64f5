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

static const char write_only[] = "flows:\n"
                                 "  - pattern: bw\n"
                                 "    op: write\n"
                                 "    qps: 2\n"
                                 "    ops: 40\n"
                                 "    size: 5000\n";

static void same(const struct played *a, const struct played *b)
{
    assert_int_equal(a->timing_hash, b->timing_hash);
    assert_int_equal(a->memory_hash[0], b->memory_hash[0]);
    assert_int_equal(a->memory_hash[1], b->memory_hash[1]);
    assert_int_equal(a->state_hash, b->state_hash);
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->event_hash, b->event_hash);
}

static void writes_arrive_with_their_bytes(void **state)
{
    (void)state;
    struct played o;

    play(&(struct play){.spec = write_only}, &o);
    play_good(&o);
    assert_int_equal(o.f.ops, 40);
    assert_int_equal(o.f.checked, 40);
}

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

static void tick_order_and_skipping_change_nothing(void **state)
{
    (void)state;
    static const unsigned modes[] = {HCA_MODE_REVERSE, HCA_MODE_SHUFFLE,
                                     HCA_MODE_ALL,     HCA_MODE_ALL | HCA_MODE_NOSKIP,
                                     HCA_MODE_CHECK,   HCA_MODE_CHECK | HCA_MODE_REVERSE};
    struct played base, o;

    play(&(struct play){.spec = mixed}, &base);
    play_good(&base);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        play(&(struct play){.spec = mixed, .mode = modes[i]}, &o);
        same(&base, &o);
    }
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

static void roce1(struct hca_param *p)
{
    p->port_wire = HCA_PORT_WIRE_ROCE1;
}

static void ib(struct hca_param *p)
{
    p->port_wire = HCA_PORT_WIRE_IB;
}

static void v6(struct hca_param *p)
{
    p->port_ip = 6;
}

static void every_wire_ends_with_the_same_memory(void **state)
{
    (void)state;
    void (*const wires[])(struct hca_param *) = {v6, roce1, ib};
    struct played base, o;

    play(&(struct play){.spec = mixed}, &base);
    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        play(&(struct play){.spec = mixed, .param = wires[i]}, &o);
        play_good(&o);
        assert_int_equal(o.memory_hash[0], base.memory_hash[0]);
        assert_int_equal(o.memory_hash[1], base.memory_hash[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_arrive_with_their_bytes),
        cmocka_unit_test(mixed_traffic_both_ways_ends_with_right_bytes),
        cmocka_unit_test(stages_add_up_to_latency_exactly),
        cmocka_unit_test(tick_order_and_skipping_change_nothing),
        cmocka_unit_test(payload_off_changes_no_time),
        cmocka_unit_test(loss_duplication_corruption_and_reordering_lose_nothing),
        cmocka_unit_test(every_wire_ends_with_the_same_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
