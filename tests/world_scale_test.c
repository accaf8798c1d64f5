/* Ten thousand queue pairs at work on each adapter. */
#include "tests/play.h"

enum { QPS = 10000 / PLAY_SLOW };

static void ten_thousand_active_queue_pairs_end_within_256_mib(void **state)
{
    (void)state;
    char spec[400];
    static const char format[] = "flows:\n"
                                 "  - mix: {write: 2, read: 1, send: 1}\n"
                                 "    qps: %d\n"
                                 "    ops: %d\n"
                                 "    window: 2\n"
                                 "    size: 64\n"
                                 "    sq_depth: 2\n    rq_depth: 2\n    rd_atomic: 1\n"
                                 "    memory: {offsets: sequential, mr_bytes: 4M}\n";
    struct played o;

    snprintf(spec, sizeof spec, format, QPS, 2 * QPS);
    play(&(struct play){.spec = spec, .set = "hca.qp_max=16384 hca.cq_max=16384"}, &o);
    play_good(&o);
    assert_true(o.f.ops >= 2 * QPS);
    assert_true(o.stat[0].context_misses >= QPS / 16); /* far more than the cache holds */
    print_message("simulator memory: %u KiB\n", (unsigned)(o.memory_bytes >> 10));
    assert_true(o.memory_bytes <= 256ULL << 20);
}

static void look_at_waits(struct world *w, void *arg)
{
    *(uint64_t *)arg = host_stats(world_host(w, 0))->root_mmio_waits;
}

/* 64 cores ring far faster than the adapter takes doorbells: they wait, nothing overflows. */
static void a_flood_of_doorbells_waits_for_credits(void **state)
{
    (void)state;
    static const char spec[] = "flows:\n"
                               "  - op: write\n    size: 64\n    qps: 256\n    ops: 2048\n"
                               "    window: 8\n    format: native\n    inline_max: 100\n"
                               "    memory: {offsets: sequential, mr_bytes: 64K}\n";
    static const char *const sets[] = {
        "cpu.cores=64 hca.doorbell_interval_ps=200000",
        "cpu.cores=64 hca.doorbell_interval_ps=20000 pcie.mmio_posted_header_credits=1",
        "cpu.cores=64 hca.doorbell_interval_ps=20000 pcie.mmio_posted_data_credits=4",
    };

    for (unsigned i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct played o;
        uint64_t waits = 0;

        play(
            &(struct play){.spec = spec, .set = sets[i], .look = look_at_waits, .look_arg = &waits},
            &o);
        play_good(&o);
        assert_true(waits > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_doorbells_waits_for_credits),
        cmocka_unit_test(ten_thousand_active_queue_pairs_end_within_256_mib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
