/* bench: how operations become DMA requests, and what their results say. */
#include "tests/unit.h"

static const uint64_t bus = UINT64_C(0x4000000000);

static struct hca *fresh(void)
{
    const struct hca_param p = unit_param();
    struct hca *const h = unit_hca(&p, 1ULL << U_bench);

    h->y.outs = 0;
    return h;
}

static bool take_read(struct hca *h, struct rd_req *m)
{
    return UNIT_POP(h, rd_req_bench, m);
}
static bool take_write(struct hca *h, struct wr_req *m)
{
    return UNIT_POP(h, wr_bench, m);
}
static bool take_result(struct hca *h, struct bench_res *m)
{
    return UNIT_POP(h, bench_out, m);
}

static void an_operation_is_cut_at_pages_and_covers_its_bytes_once(void **state)
{
    (void)state;
    const struct {
        uint64_t addr;
        uint32_t len;
    } ops[] = {{bus, 1},        {bus, 4096},        {bus + 1, 4096},
               {bus + 4095, 2}, {bus + 100, 10000}, {bus + 4000, 1048576}};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        for (unsigned kind = BENCH_READ; kind <= BENCH_WRITE; kind++) {
            struct hca *const h = fresh();
            uint64_t at = ops[i].addr;
            struct bench_res res;
            UNIT_PUSH(h, bench_in, bench_op, .addr = ops[i].addr, .len = ops[i].len,
                      .cookie = 0xabcdef01, .fn = 3, .kind = (uint8_t)kind);
            while (at < ops[i].addr + ops[i].len) {
                struct rd_req r = {0};
                struct wr_req w = {0};
                unit_run(h, 4);
                const bool read = kind == BENCH_READ;
                assert_true(read ? take_read(h, &r) : take_write(h, &w));
                const uint64_t addr = read ? r.addr : w.addr, n = read ? r.len : w.len;
                assert_true(addr == at && (read ? r.fn : w.fn) == 3);
                assert_true(addr % 4096 + n <= 4096);
                assert_false(take_result(h, &res));
                at += n;
                if (read) {
                    UNIT_PUSH(h, rd_rsp_bench, rd_rsp, .cookie = r.cookie);
                } else {
                    UNIT_PUSH(h, bench_written, wr_done, .cookie = w.cookie);
                }
            }
            unit_run(h, 5);
            assert_true(at == ops[i].addr + ops[i].len);
            assert_true(take_result(h, &res));
            assert_true(res.cookie == 0xabcdef01 && res.status == DMA_OK);
            assert_int_equal(h->y.s.bench_ops, 1);
            hca_close(h);
        }
    }
}

static void the_clock_runs_from_the_first_request_to_the_last_answer(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct rd_req r;
    struct bench_res res;

    unit_run(h, 20);
    UNIT_PUSH(h, bench_in, bench_op, .addr = bus, .len = 64, .kind = BENCH_READ);
    const uint64_t start = h->y.k.now + 1; /* visible, and issued in the same cycle */
    unit_run(h, 1);
    assert_false(take_read(h, &r));
    unit_run(h, 1);
    assert_true(take_read(h, &r));
    unit_run(h, 500);
    UNIT_PUSH(h, rd_rsp_bench, rd_rsp, .cookie = r.cookie);
    const uint64_t end = h->y.k.now + 1;
    unit_run(h, 1);
    assert_false(take_result(h, &res));
    unit_run(h, 1);
    assert_true(take_result(h, &res));
    assert_true(res.t_start == start && res.t_end == end);
    hca_close(h);
}

static void a_write_then_read_reads_after_all_writes_are_out(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct rd_req r;
    struct wr_req w[2];
    struct bench_res res;

    UNIT_PUSH(h, bench_in, bench_op, .addr = bus + 4000, .len = 200, .kind = BENCH_WRRD);
    const uint64_t start = h->y.k.now + 1;
    unit_run(h, 10);
    assert_true(take_write(h, &w[0]) && take_write(h, &w[1]));
    UNIT_PUSH(h, bench_written, wr_done, .cookie = w[0].cookie);
    unit_run(h, 10);
    assert_false(take_read(h, &r));
    UNIT_PUSH(h, bench_written, wr_done, .cookie = w[1].cookie);
    unit_run(h, 10);
    assert_true(take_read(h, &r) && r.addr == bus + 4000 && r.len == 96);
    UNIT_PUSH(h, rd_rsp_bench, rd_rsp, .cookie = r.cookie);
    assert_true(take_read(h, &r) && r.addr == bus + 4096 && r.len == 104);
    UNIT_PUSH(h, rd_rsp_bench, rd_rsp, .cookie = r.cookie);
    const uint64_t end = h->y.k.now + 1;
    unit_run(h, 10);
    assert_true(take_result(h, &res));
    assert_true(res.t_start == start && res.t_end == end);
    hca_close(h);
}

static void written_bytes_follow_the_stated_pattern(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct wr_req w;

    UNIT_PUSH(h, bench_in, bench_op, .addr = bus + 4090, .len = 20, .cookie = 0x3f0,
              .kind = BENCH_WRITE);
    unit_run(h, 10);
    for (unsigned part = 0; part < 2; part++) {
        assert_true(take_write(h, &w));
        assert_true(w.cls == CLS_PAYLOAD && w.slot == NO_SLOT && (w.flags & WR_NOTIFY) != 0);
        for (uint32_t b = 0; b < w.len; b++) {
            assert_int_equal(*store_at(&h->store, w.data + b),
                             (uint8_t)(0x3f0 + (w.addr + b) % 4096));
        }
    }
    hca_close(h);
}

static void requests_in_flight_never_exceed_the_answer_wire(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct rd_req r;
    struct wr_req w;
    unsigned reads = 0, writes = 0;

    UNIT_PUSH(h, bench_in, bench_op, .addr = bus, .len = 1048576, .kind = BENCH_READ);
    UNIT_PUSH(h, bench_in, bench_op, .addr = bus, .len = 1048576, .kind = BENCH_WRITE);
    for (unsigned n = 0; n < 600; n++) { /* nothing is answered */
        unit_run(h, 1);
        reads += take_read(h, &r);
        writes += take_write(h, &w);
    }
    assert_int_equal(reads, h->rd_rsp_bench.ctl.depth);
    assert_int_equal(writes, h->bench_written.ctl.depth);
    UNIT_PUSH(h, rd_rsp_bench, rd_rsp, .cookie = r.cookie);
    unit_run(h, 3);
    assert_true(take_read(h, &r));
    unit_run(h, 10);
    assert_false(take_read(h, &r));
    hca_close(h);
}

static void a_failed_part_fails_the_operation_and_skips_its_read(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct rd_req r;
    struct wr_req w[2];
    struct bench_res res;

    UNIT_PUSH(h, bench_in, bench_op, .addr = bus + 4000, .len = 200, .kind = BENCH_WRRD);
    unit_run(h, 10);
    assert_true(take_write(h, &w[0]) && take_write(h, &w[1]));
    UNIT_PUSH(h, bench_written, wr_done, .cookie = w[0].cookie, .status = DMA_UR);
    unit_run(h, 1);
    UNIT_PUSH(h, bench_written, wr_done, .cookie = w[1].cookie);
    unit_run(h, 10);
    assert_true(take_result(h, &res) && res.status == DMA_UR);
    assert_false(take_read(h, &r));
    hca_close(h);
}

static void operations_of_no_kind_or_no_length_end_at_once(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    struct bench_res res;
    struct rd_req r;

    UNIT_PUSH(h, bench_in, bench_op, .addr = bus, .len = 64, .cookie = 1, .kind = 3);
    UNIT_PUSH(h, bench_in, bench_op, .addr = bus, .len = 0, .cookie = 2, .kind = BENCH_READ);
    UNIT_PUSH(h, bench_in, bench_op, .addr = bus, .len = 0, .cookie = 3, .kind = BENCH_WRRD);
    unit_run(h, 10);
    assert_true(take_result(h, &res) && res.cookie == 1 && res.status == DMA_CA);
    assert_true(take_result(h, &res) && res.cookie == 2 && res.status == DMA_OK);
    assert_true(take_result(h, &res) && res.cookie == 3 && res.status == DMA_OK);
    assert_false(take_read(h, &r));
    assert_int_equal(h->y.s.bench_refused, 1);
    hca_close(h);
}

/* The DMA side answers late and out of order, the edge takes results at random. */
static void every_operation_gets_exactly_one_result_under_random_stalls(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct hca *const h = fresh();
        static uint8_t open[4096];
        uint16_t rd[256];
        uint32_t wr[256];
        uint32_t sent = 0, got = 0, rds = 0, wrs = 0;
        uint64_t r = seed;

        memset(open, 0, sizeof open);
        for (unsigned n = 0; n < 60000 && (got < sent || n < 20000); n++) {
            struct rd_req q;
            struct wr_req w;
            struct bench_res res;
            r = r * 6364136223846793005ULL + 1442695040888963407ULL;
            const uint32_t dice = (uint32_t)(r >> 33);
            h->y.t.now = h->y.k.now;
            if (n < 20000 && dice % 13 == 0 && sent < 4096 && READY(&h->y.t, &h->bench_in)) {
                UNIT_PUSH(h, bench_in, bench_op, .addr = bus + dice % 5000, .len = dice % 9001,
                          .cookie = sent, .kind = (uint8_t)(dice / 64 % 3));
                open[sent++] = 1;
            }
            unit_run(h, 1);
            if (dice % 3 != 0 && rds < 256 && take_read(h, &q)) {
                rd[rds++] = q.cookie;
            }
            if (dice % 4 != 0 && wrs < 256 && take_write(h, &w)) {
                wr[wrs++] = w.cookie;
            }
            if (dice % 5 > 1 && rds > 0) {
                const uint32_t i = dice / 8 % rds;
                UNIT_PUSH(h, rd_rsp_bench, rd_rsp, .cookie = rd[i]);
                rd[i] = rd[--rds];
            }
            if (dice % 7 > 1 && wrs > 0) {
                const uint32_t i = dice / 16 % wrs;
                UNIT_PUSH(h, bench_written, wr_done, .cookie = wr[i]);
                wr[i] = wr[--wrs];
            }
            if (dice % 11 < 6 && take_result(h, &res)) {
                assert_int_equal(open[res.cookie]--, 1);
                assert_true(res.t_end >= res.t_start);
                got++;
            }
        }
        assert_true(sent > 200);
        assert_int_equal(got, sent);
        hca_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_is_cut_at_pages_and_covers_its_bytes_once),
        cmocka_unit_test(the_clock_runs_from_the_first_request_to_the_last_answer),
        cmocka_unit_test(a_write_then_read_reads_after_all_writes_are_out),
        cmocka_unit_test(written_bytes_follow_the_stated_pattern),
        cmocka_unit_test(requests_in_flight_never_exceed_the_answer_wire),
        cmocka_unit_test(a_failed_part_fails_the_operation_and_skips_its_read),
        cmocka_unit_test(operations_of_no_kind_or_no_length_end_at_once),
        cmocka_unit_test(every_operation_gets_exactly_one_result_under_random_stalls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
