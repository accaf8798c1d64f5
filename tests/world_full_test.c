/* Full queues: nothing waits for itself, whatever is small, slow, lost or out of order. */
#include "tests/play.h"

#define MIX "mix: {write: 3, read: 3, send: 3, faa: 1, cas: 1, write_imm: 1, send_imm: 1}\n"

/* Two flows against each other; each has its own regions, so bytes are comparable. */
static const char *both_ways(unsigned qps, unsigned ops, unsigned window, unsigned top,
                             const char *format)
{
    static char text[2000];
    size_t n = (size_t)snprintf(text, sizeof text, "seed: 11\nflows:\n");

    for (unsigned from = 0; from < 2; from++) {
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "  - from: %u\n    to: %u\n    " MIX
                              "    qps: %u\n    ops: %u\n    window: %u\n"
                              "    size: {uniform: [0, %u]}\n    cq_per_qp: true\n"
                              "    sq_depth: %u\n    rq_depth: %u\n    rd_atomic: 1\n"
                              "    format: %s\n    sl: %u\n"
                              "    memory: {offsets: sequential, mr_bytes: 1M}\n",
                              from, 1 - from, qps, ops, window, top, window, window, format, from);
    }
    return text;
}

static const char *const wires[] = {"port.wire=roce2", "port.wire=roce1",
                                    "port.wire=ib port.vl_count=1", "port.wire=ib port.vl_count=2"};

static void run(const char *preset, const char *spec, const char *wire, const char *more)
{
    char set[600];
    struct played o;

    snprintf(set, sizeof set, "%s %s", wire, more);
    play(&(struct play){.spec = spec, .preset = preset, .set = set}, &o);
    play_good(&o);
}

static void the_smallest_sizes_of_everything_end_on_every_wire(void **state)
{
    (void)state;
    for (unsigned qps = 1; qps <= 2; qps++) {
        for (unsigned i = 0; i < 4; i++) {
            run("small",
                both_ways(qps, 60 / (PLAY_SLOW == 1 ? 1 : 2), 8, 1500,
                          i % 2 == 0 ? "pvrdma" : "native"),
                wires[i], "");
        }
    }
}

static void the_smallest_sizes_end_with_loss_duplicates_disorder_and_corruption(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        run("small", both_ways(2, 60, 8, 1500, i % 2 == 0 ? "native" : "pvrdma"), wires[i],
            "link.loss_ppm=10000 link.dup_ppm=20000 link.reorder_ppm=20000 link.corrupt_ppm=10000");
    }
}

/* Ethernet with pause: both ends pause each other. */
static void ports_that_pause_each_other_end(void **state)
{
    (void)state;
    run("small", both_ways(2, 80, 8, 1500, "default"), wires[0],
        "port.pause=true port.pause_xoff_bytes=2304 port.pause_xon_bytes=1000");
}

/* One packet of credits per lane, one buffer for frames to send: requests and answers of both
 * sides wait for each other's credits all the time. */
static void lanes_with_credits_for_one_packet_end(void **state)
{
    (void)state;
    for (unsigned vls = 1; vls <= 2; vls++) {
        run(NULL, both_ways(8, 200, 16, 9000, "default"), wires[1 + vls],
            "port.vl_credits_bytes=4352 hca.tx_buffer_packets=1 link.queue_bytes=4608");
    }
}

static void odd_sizes_and_rates_end(void **state)
{
    (void)state;
    run("odd", both_ways(4, 200, 16, 5000, "default"), wires[0], "");
    run("odd", both_ways(4, 200, 16, 5000, "default"), wires[2],
        "port.vlan_id=0 link.loss_ppm=10000 link.dup_ppm=10000 link.corrupt_ppm=10000");
}

static void many_queue_pairs_with_small_caches_end(void **state)
{
    (void)state;
    const char *const small = "hca.qp_cache_entries=16 hca.qp_cache_ways=1 hca.cq_cache_entries=16 "
                              "hca.cq_cache_ways=1 hca.mpt_cache_entries=2 hca.mpt_cache_ways=1 "
                              "hca.mtt_cache_entries=8 hca.mtt_cache_ways=1 "
                              "hca.wqe_window_entries=64 hca.tx_buffer_packets=2";

    for (unsigned i = 0; i < 4; i++) {
        run(NULL, both_ways(256 / PLAY_SLOW, 1024 / PLAY_SLOW, 4, 300, "default"), wires[i], small);
    }
}

static void many_queue_pairs_with_small_caches_and_loss_end(void **state)
{
    (void)state;
    run(NULL, both_ways(256 / PLAY_SLOW, 768 / PLAY_SLOW, 4, 3000, "default"), wires[0],
        "hca.qp_cache_entries=16 hca.qp_cache_ways=1 hca.tx_buffer_packets=2 "
        "link.loss_ppm=5000 link.dup_ppm=5000 link.reorder_ppm=5000 link.corrupt_ppm=5000");
}

static void two_thousand_queue_pairs_end(void **state)
{
    (void)state;
    struct played o;

    play(&(struct play){.spec = both_ways(1000 / PLAY_SLOW, 4000 / PLAY_SLOW, 4, 300, "default"),
                        .set = "port.wire=ib hca.qp_cache_entries=64"},
         &o);
    play_good(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_sizes_of_everything_end_on_every_wire),
        cmocka_unit_test(the_smallest_sizes_end_with_loss_duplicates_disorder_and_corruption),
        cmocka_unit_test(ports_that_pause_each_other_end),
        cmocka_unit_test(lanes_with_credits_for_one_packet_end),
        cmocka_unit_test(odd_sizes_and_rates_end),
        cmocka_unit_test(many_queue_pairs_with_small_caches_end),
        cmocka_unit_test(many_queue_pairs_with_small_caches_and_loss_end),
        cmocka_unit_test(two_thousand_queue_pairs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
