/* hca.bench_turn_ns and hca.dma_read_extra_ns: both edges of the times they add. */
#include "tests/unit.h"

static const uint64_t bus = UINT64_C(0x4000000000);

/* Cycles from the end of the write to the read on the wire. */
static uint64_t turn_of(uint64_t turn_ns, unsigned others)
{
    struct hca_param p = unit_param();
    struct wr_req w = {0};
    struct rd_req r = {0};

    p.hca_bench_turn_ns = turn_ns;
    struct hca *const h = unit_hca(&p, 1ULL << U_bench);
    h->y.outs = 0;
    UNIT_PUSH(h, bench_in, bench_op, .addr = bus, .len = 64, .kind = BENCH_WRRD);
    unit_run(h, 4);
    assert_true(UNIT_POP(h, wr_bench, &w));
    UNIT_PUSH(h, bench_written, wr_done, .cookie = w.cookie);
    const uint64_t from = h->y.k.now;
    for (unsigned i = 0; i < others; i++) { /* plain reads do not wait for the turn */
        UNIT_PUSH(h, bench_in, bench_op, .addr = bus + 4096, .len = 64, .kind = BENCH_READ);
        unit_run(h, 4);
        assert_true(UNIT_POP(h, rd_req_bench, &r));
        assert_true(r.addr == bus + 4096);
    }
    while (!UNIT_POP(h, rd_req_bench, &r)) {
        assert_true(h->y.k.now < from + 10000);
        unit_run(h, 1);
    }
    assert_true(r.addr == bus);
    const uint64_t took = h->y.k.now - from;
    hca_close(h);
    return took;
}

static void the_read_of_a_write_then_read_waits_for_the_turn_and_not_longer(void **state)
{
    (void)state;
    const uint64_t none = turn_of(0, 0);

    assert_int_equal(turn_of(1, 0), none + 1);
    assert_int_equal(turn_of(120, 0), none + 120);
    assert_int_equal(turn_of(120, 3), none + 120);
}

static uint64_t first_request_after(uint64_t engine_ns, uint64_t extra_ns)
{
    struct hca_param p = unit_param();
    struct tlp m = {0};

    p.hca_dma_engine_ns = engine_ns;
    p.hca_dma_read_extra_ns = extra_ns;
    struct hca *const h = unit_hca(&p, 1ULL << U_dma_read);
    h->y.outs = 0;
    UNIT_PUSH(h, rd_req_bench, rd_req, .addr = bus, .len = 64);
    const uint64_t from = h->y.k.now;
    while (!UNIT_POP(h, up_rd, &m)) {
        assert_true(h->y.k.now < from + 10000);
        unit_run(h, 1);
    }
    const uint64_t took = h->y.k.now - from;
    hca_close(h);
    return took;
}

static uint64_t first_write_after(uint64_t extra_ns)
{
    struct hca_param p = unit_param();
    struct tlp m = {0};

    p.hca_dma_read_extra_ns = extra_ns;
    struct hca *const h = unit_hca(&p, 1ULL << U_dma_write);
    h->y.outs = 0;
    UNIT_PUSH(h, wr_bench, wr_req, .addr = bus, .len = 64, .slot = NO_SLOT, .cls = CLS_PAYLOAD);
    const uint64_t from = h->y.k.now;
    while (!UNIT_POP(h, up_wr, &m)) {
        assert_true(h->y.k.now < from + 10000);
        unit_run(h, 1);
    }
    const uint64_t took = h->y.k.now - from;
    hca_close(h);
    return took;
}

static void reads_wait_their_extra_time_and_writes_do_not(void **state)
{
    (void)state;
    const uint64_t none = first_request_after(10, 0);

    assert_int_equal(first_request_after(10, 245), none + 245);
    assert_int_equal(first_request_after(0, 10), none);
    assert_int_equal(first_write_after(245), first_write_after(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_read_of_a_write_then_read_waits_for_the_turn_and_not_longer),
        cmocka_unit_test(reads_wait_their_extra_time_and_writes_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
