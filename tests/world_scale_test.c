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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_active_queue_pairs_end_within_256_mib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
