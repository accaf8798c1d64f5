/* The program on traces and captures that no tool of ours writes, and on runs that cannot end: exit
 * status, message and report. tests/cli_test.sh has the rest of the command line. */
#include "tests/import_make.h"
#include "tests/trace_make.h"

#include "sim/cli/progress.h"
#include "traces/hct_block.h"
#include "traces/hct_schema.h"

#include <sys/wait.h>

static char program[600], folder[400], said[65536];

/* The program lies one folder above the tests. A folder of this process for what it writes. */
static int set_up(void **state)
{
    (void)state;
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 20);
    assert_true(n > 0);
    program[n] = '\0';
    for (int up = 0; up < 2; up++) {
        *strrchr(program, '/') = '\0';
    }
    strcat(program, "/hcasim");
    (void)snprintf(folder, sizeof folder, "%s", HCA_TMP_DIR "/hcasim-cli-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return access(program, X_OK);
}

static int tear_down(void **state)
{
    char line[600];

    (void)state;
    (void)snprintf(line, sizeof line, "rm -rf '%s'", folder);
    return system(line);
}

/* hcasim with these arguments, in the folder: its exit status; what it printed is in said. */
static int hcasim(const char *arguments)
{
    char line[1400];

    (void)snprintf(line, sizeof line, "cd '%s' && timeout 60 '%s' %s 2>&1", folder, program,
                   arguments);
    FILE *const f = popen(line, "r");
    assert_non_null(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    const int status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run_file(const char *path, const char *more)
{
    char line[700];

    (void)snprintf(line, sizeof line, "run --trace %s --out r %s", path, more);
    return hcasim(line);
}

static void expect_said(const char *text)
{
    if (strstr(said, text) == NULL) {
        fail_msg("'%s' wanted in: %s", text, said);
    }
}

static void expect_report(const char *text)
{
    char line[600];
    (void)snprintf(line, sizeof line, "%s/r/report.txt", folder);
    FILE *const f = fopen(line, "r");
    assert_non_null(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    (void)fclose(f);
    expect_said(text);
}

/* ---- operations that the adapter refuses -------------------------------------------------------
 */

/* A WRITE that leaves the remote region by one byte, and a SEND whose list leaves the local one. */
static void out_of_bounds(struct make *m, bool expected)
{
    make_open(m);
    const uint32_t a = make_pair(m, HCT_QP_RC, HCT_FORMAT_DEFAULT, false, NULL);
    const uint32_t b = make_pair(m, HCT_QP_RC, HCT_FORMAT_DEFAULT, false, NULL);
    struct hct_op good = make_op(m, HCT_WRITE, a, 100, 1);
    (void)make_chain(m, &good);
    struct hct_op far = make_op(m, HCT_WRITE, a, 100, 1);
    far.remote_off_bytes = MAKE_SPACE - 99;
    far.expect = expected ? HCT_WC_REM_ACCESS_ERR : HCT_WC_SUCCESS;
    (void)make_chain(m, &far);
    struct hct_op near = make_op(m, HCT_WRITE, b, 100, 1);
    near.sge[0].off_bytes = MAKE_SPACE - 99;
    near.expect = expected ? HCT_WC_LOC_PROT_ERR : HCT_WC_SUCCESS;
    (void)make_put(m, &near);
    make_done(m);
}

static void operations_out_of_bounds_fail_in_the_adapter_and_are_listed(void **state)
{
    (void)state;
    struct make m;
    out_of_bounds(&m, false);
    assert_int_equal(run_file(m.path, ""), 1);
    expect_said("3 operations, 2 not as expected");
    expect_said("first failure: op ");
    expect_report("REM_ACCESS_ERR");
    expect_said("LOC_PROT_ERR");
    unlink(m.path);
}

static void failures_that_the_trace_expects_are_no_failures(void **state)
{
    (void)state;
    struct make m;
    out_of_bounds(&m, true);
    assert_int_equal(run_file(m.path, ""), 0);
    expect_said("3 operations, 0 not as expected");
    unlink(m.path);
}

/* ---- traces that name what is not there --------------------------------------------------------
 */

static size_t add_record(uint8_t *raw, size_t at, uint16_t type, const void *obj)
{
    const size_t n = hct_encode(hct_builtin_type(type), obj, raw + at + 4);
    hct_set(raw + at, type, 2);
    hct_set(raw + at + 2, n, 2);
    return at + 4 + n;
}

/* One block of these records without an end part: the writer would refuse them. */
static void put_file(const char *path, const uint8_t *raw, size_t bytes, uint32_t records)
{
    static uint8_t data[65536];
    const size_t head = hct_header_pack(HCT_WORKLOAD, hct_builtin, hct_builtins, data);
    uint8_t *const body = data + head + HCT_BLOCK_HEAD;
    uLongf stored = sizeof data - head - HCT_BLOCK_HEAD;

    assert_int_equal(compress2(body, &stored, raw, bytes, 4), Z_OK);
    const struct hct_block b = {.kind = HCT_BLOCK_DATA,
                                .raw_bytes = (uint32_t)bytes,
                                .stored_bytes = (uint32_t)stored,
                                .records = records,
                                .last_seq = records - 1,
                                .crc = hct_crc(body, stored)};
    hct_block_pack(&b, data + head);
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    const size_t all = head + HCT_BLOCK_HEAD + stored;
    assert_int_equal(fwrite(data, 1, all, f), all);
    assert_int_equal(fclose(f), 0);
}

/* A host, a function on host `host`, a DMA read of region `mr`; one region there is. */
static void put_small(const char *path, uint32_t host, uint32_t mr)
{
    static uint8_t raw[8192];
    const struct hct_host h = {.id = 0, .name = "only"};
    const struct hct_fn fn = {.id = 0, .host = host};
    const struct hct_pd pd = {.id = 0};
    const struct hct_mr region = {.id = 0, .va = 0x10000, .len_bytes = 65536};
    struct hct_op op = hct_op_none();

    op.kind = HCT_DMA_READ;
    op.fn = 0;
    op.sge_count = 1;
    op.sge[0] = (struct hct_sge){.mr = mr, .len_bytes = 64};
    size_t at = add_record(raw, 0, HCT_ID_host, &h);
    at = add_record(raw, at, HCT_ID_fn, &fn);
    at = add_record(raw, at, HCT_ID_pd, &pd);
    at = add_record(raw, at, HCT_ID_mr, &region);
    at = add_record(raw, at, HCT_ID_op, &op);
    put_file(path, raw, at, 5);
}

static void an_absent_host_makes_a_bad_trace(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/host.hct", folder);
    put_small(path, 7, 0);
    assert_int_equal(run_file(path, ""), 3);
    expect_said("host.hct: ");
    expect_said("host = 7");
}

static void an_absent_region_makes_a_bad_trace(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/mr.hct", folder);
    put_small(path, 0, 9);
    assert_int_equal(run_file(path, ""), 3);
    expect_said("mr.hct: record 4: ");
    expect_said("9");
    put_small(path, 0, 0); /* the same file with the region that there is: cut, but sound */
    assert_int_equal(run_file(path, ""), 3);
    expect_said("1 operations, 0 not as expected");
}

static void a_configuration_with_too_few_hosts_is_refused_with_a_remedy(void **state)
{
    (void)state;
    struct make m;
    out_of_bounds(&m, true);
    assert_int_equal(run_file(m.path, "--set host.count=1"), 2);
    expect_said("host.count is 1, the trace names 2");
    expect_said("set it to 2 or more");
    assert_int_equal(run_file(m.path, "--preset nfp6000_bdw"), 0); /* one host, gives way */
    unlink(m.path);
}

/* ---- runs that cannot end ----------------------------------------------------------------------
 */

static void a_run_that_cannot_go_on_says_since_when_and_what_it_waits_for(void **state)
{
    (void)state;
    struct make m;
    make_open(&m);
    const uint32_t q = make_pair(&m, HCT_QP_RC, HCT_FORMAT_DEFAULT, false, NULL);
    struct hct_op write = make_op(&m, HCT_WRITE, q, 100, 1);
    (void)make_put(&m, &write);
    make_recv(&m, q + 1, 100, false); /* nobody sends */
    struct hct_op after = make_op(&m, HCT_WRITE, q + 1, 100, 1);
    after.dep[after.dep_count++] = (struct hct_dep){.type = HCT_DEP_LOCAL, .op = m.ops - 1};
    (void)make_put(&m, &after);
    make_done(&m);
    assert_int_equal(run_file(m.path, ""), 1);
    expect_said("no progress since ");
    expect_said("recv");
    expect_said("1 operations, 0 not as expected");
    expect_report("no progress");
    unlink(m.path);
}

/* ---- progress ----------------------------------------------------------------------------------
 */

static const char *nothing_moves(void *arg)
{
    (void)arg;
    return "host0.hca0.xlat is full";
}

/* The line that a terminal would get now, 30 s after the start, without progress for `still` s. */
static const char *progress_line(uint64_t done, uint64_t total, uint64_t still_s)
{
    const uint64_t now = wall_ms();
    struct progress p = {.on = true, .done = done, .start_ms = now - 30000};
    FILE *const to = tmpfile();
    const int err = dup(STDERR_FILENO);

    p.moved_ms = now - still_s * 1000;
    assert_true(to != NULL && err >= 0 && dup2(fileno(to), STDERR_FILENO) >= 0);
    progress_show(&p, done, total, 1000000000, nothing_moves, NULL);
    assert_true(dup2(err, STDERR_FILENO) >= 0);
    close(err);
    rewind(to);
    said[fread(said, 1, sizeof said - 1, to)] = '\0';
    (void)fclose(to);
    return said;
}

static void progress_shows_share_and_time_left_of_what_is_known(void **state)
{
    (void)state;
    assert_non_null(
        strstr(progress_line(250, 1000, 0), " 25 %  250 of 1000 operations, 90 s left"));
    assert_null(strstr(said, "no progress"));
    assert_null(strchr(progress_line(250, 0, 0), '%'));
    assert_non_null(strstr(said, "250 operations, 1.000 ms simulated"));
}

static void a_standstill_names_the_waiting_unit(void **state)
{
    (void)state;
    assert_non_null(strstr(progress_line(250, 1000, 12),
                           "no progress since 1.000 ms, for 12 s: host0.hca0.xlat"));
}

static void operations_are_counted_without_resources_and_payload(void **state)
{
    (void)state;
    struct make m;
    uint8_t bytes[500] = {1};
    for (uint32_t ops = 1; ops <= 5000; ops += 4999) { /* 5000: several blocks of 64 KiB */
        make_open(&m);
        const uint32_t q = make_pair(&m, HCT_QP_RC, HCT_FORMAT_DEFAULT, false, NULL);
        struct hct_op op = make_op(&m, HCT_WRITE, q, 500, 1);
        op.payload = HCT_PAYLOAD_RECORDED;
        for (uint32_t i = 0; i < ops; i++) {
            op.id = m.ops;
            (void)make_put(&m, &op);
            assert_int_equal(hct_put_payload(m.w, 0, bytes, 250), HCT_OK);
            assert_int_equal(hct_put_payload(m.w, 250, bytes + 250, 250), HCT_OK);
        }
        make_done(&m);
        assert_int_equal(hct_count_ops(m.path), ops);
        assert_int_equal(truncate(m.path, ops == 1 ? 900 : 20000), 0);
        assert_int_equal(hct_count_ops(m.path), 0);
        unlink(m.path);
    }
    make_open(&m);
    make_done(&m);
    assert_int_equal(hct_count_ops(m.path), 0);
    unlink(m.path);
    assert_int_equal(hct_count_ops("/nowhere/at/all"), 0);
}

/* ---- captures ----------------------------------------------------------------------------------
 */

static struct conn lives(uint32_t psn)
{
    return (struct conn){
        .host = {1, 2}, .qpn = {5, 6}, .psn = {psn, psn + 0x5000}, .sport = 0xC001};
}

static const struct message write_3000 = {
    .kind = HCT_WRITE, .len = 3000, .rkey = 0x1234, .va = 0x7F0000001000, .seed = 7};

static void import_and_run(struct talk *k, const char *report)
{
    char line[700];

    talk_close(k);
    (void)snprintf(line, sizeof line, "trace import %s -o c.hct", k->path);
    assert_int_equal(hcasim(line), 0);
    expect_said(report);
    assert_int_equal(run_file("c.hct", ""), 0);
    expect_said(" 0 not as expected, 0 wrong payloads");
    unlink(k->path);
}

static void qp_numbers_used_again_are_new_queue_pairs(void **state)
{
    (void)state;
    struct talk k;
    static const uint32_t start[] = {0x100, 0x900000, 0x123456};

    talk_open(&k, PKT_ROCE2_V4);
    for (uint32_t life = 0; life < 3; life++) {
        struct conn c = lives(start[life]);
        for (uint32_t i = 0; i < 10; i++) {
            put_message(&k, &c, 0, &write_3000);
        }
        k.t_ns += 50000000;
    }
    import_and_run(&k, "30 write");
    expect_said("30 operations");
    assert_int_equal(hcasim("trace info c.hct"), 0);
    expect_said("6 QPs");
}

static void a_capture_cut_in_a_message_plays_what_is_whole(void **state)
{
    (void)state;
    struct talk k;
    struct conn c = lives(0x100);

    talk_open(&k, PKT_ROCE2_V4);
    put_message(&k, &c, 0, &write_3000);
    put_message(&k, &c, 0, &write_3000);
    put_request(&k, &c, 0, &write_3000, c.psn[0], 0); /* three packets it would be */
    put_request(&k, &c, 0, &write_3000, c.psn[0], 1);
    import_and_run(&k, "1 imported without their end");

    talk_open(&k, PKT_ROCE2_V4); /* it begins within a message */
    c = lives(0x100);
    k.lose = true;
    put_request(&k, &c, 0, &write_3000, c.psn[0], 0);
    k.lose = false;
    put_request(&k, &c, 0, &write_3000, c.psn[0], 1);
    put_request(&k, &c, 0, &write_3000, c.psn[0], 2);
    c.psn[0] += 3;
    put_message(&k, &c, 0, &write_3000);
    import_and_run(&k, "messages: 1 write");
    expect_said("1 operations");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_out_of_bounds_fail_in_the_adapter_and_are_listed),
        cmocka_unit_test(failures_that_the_trace_expects_are_no_failures),
        cmocka_unit_test(an_absent_host_makes_a_bad_trace),
        cmocka_unit_test(an_absent_region_makes_a_bad_trace),
        cmocka_unit_test(a_configuration_with_too_few_hosts_is_refused_with_a_remedy),
        cmocka_unit_test(a_run_that_cannot_go_on_says_since_when_and_what_it_waits_for),
        cmocka_unit_test(progress_shows_share_and_time_left_of_what_is_known),
        cmocka_unit_test(a_standstill_names_the_waiting_unit),
        cmocka_unit_test(operations_are_counted_without_resources_and_payload),
        cmocka_unit_test(qp_numbers_used_again_are_new_queue_pairs),
        cmocka_unit_test(a_capture_cut_in_a_message_plays_what_is_whole),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
