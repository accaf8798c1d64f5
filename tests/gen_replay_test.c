/* Every generated trace replays through the whole model without a failure and with right bytes. */
#include "tests/play.h"

#include <dirent.h>
#include <sys/resource.h>

static void shared_requester(struct hca_param *p)
{
    p->host_vm_requester = HCA_HOST_VM_REQUESTER_SHARED;
}

static void native(struct hca_param *p)
{
    p->hca_wqe_format = HCA_HCA_WQE_FORMAT_NATIVE;
}

#define OWN_PLACES "memory: {mr_bytes: 8M, offsets: sequential}"

/* One line per feature of the specification, and mixtures of them. compared: payloads that must
 * have been compared (buffers that are used again while under way are not). */
static const struct {
    const char *name, *flows;
    void (*param)(struct hca_param *p);
    uint64_t ops, compared;
} rows[] = {
    {"register, remote", "{pattern: register, op: write, ops: 399, " OWN_PLACES "}", NULL, 399,
     299},
    {"register, local",
     "{pattern: register, op: read, uses: 3, invalidate: local, window: 3, qps: 2, ops: 600}", NULL,
     600, 1},
    {"register, all uses, lists",
     "{pattern: register, mix: {read: 1, write: 1, faa: 1, cas: 1}, uses: 4, window: 2, qps: 2, "
     "ops: 701, sges: [1, 16], sge_zero: 0.2, recv_sges: 5, request_bytes: 100, "
     "size: [0, 9000, 70000], inline_max: 256}",
     native, 701, 100},
    {"register, few completions",
     "{pattern: register, op: write, signal_every: 7, window: 1, ops: 200}", NULL, 200, 40},
    {"16 pieces",
     "{sges: 16, sge_zero: 0.5, size: {uniform: [0, 20000]}, ops: 300, " OWN_PLACES "}", NULL, 300,
     200},
    {"16 pieces, native, inline",
     "{op: send, sges: 16, sge_zero: 0.1, size: {uniform: [0, 200]}, recv_sges: 16, "
     "inline_max: 100, ops: 300, " OWN_PLACES "}",
     native, 300, 300},
    {"pieces of READs", "{op: read, sges: [1, 16], size: {uniform: [0, 9000]}, ops: 300}", NULL,
     300, 0},
    {"UD with handles, pieces, SRQ",
     "{transport: UD, op: send_imm, sges: [1, 16], recv_sges: 16, srq: true, qps: 3, "
     "size: {uniform: [0, 4096]}, solicited: true, notify: event, ops: 600, " OWN_PLACES "}",
     NULL, 600, 153},
    {"UC, both ways, few completions",
     "{transport: UC, mix: {send: 1, write: 1, write_imm: 1, send_imm: 1}, bidirectional: true, "
     "sges: [1, 4], recv_sges: 2, size: {uniform: [0, 3000]}, signal_every: 7, batch: 4, "
     "window: 8, qps: 3, ops: 1000, " OWN_PLACES "}",
     NULL, 1000, 400},
    {"fences",
     "{mix: {read: 3, write: 1, faa: 1}, fence_every: 3, signal_every: 4, window: 8, "
     "qps: 3, ops: 700, size: 3000, " OWN_PLACES "}",
     NULL, 700, 20},
    {"recorded payload",
     "{op: write, payload: recorded, size: {uniform: [1, 70000]}, ops: 100, " OWN_PLACES "}", NULL,
     100, 37},
    {"absent payload, loopback", "{op: send, payload: absent, from: 1, to: 1, ops: 300}", NULL, 300,
     0},
    {"ping-pong on memory with think time",
     "{pattern: lat, op: write, think_ns: 1000000, ops: 100}", NULL, 100, 100},
    {"ping-pong of receives", "{pattern: lat, op: send, transport: UC, qps: 2, ops: 100}", NULL,
     100, 100},
    {"ping-pong of READs", "{pattern: lat, op: read, ops: 60}", NULL, 60, 0},
    {"Poisson, lognormal, Zipf",
     "{qps: 16, ops: 1000, mix: {read: 60, write: 25, send: 10, faa: 5}, srq: true, "
     "size: {lognormal: {median: 256, sigma: 1.2, max: 64K}}, arrivals: {poisson_per_s: 2000000}, "
     "memory: {mrs: 8, mr_zipf: 0.99, mr_bytes: 1M, offsets: zipf, page_zipf: 0.99}}",
     NULL, 1000, 50},
    {"UD without a window of its own",
     "{transport: UD, op: send, srq: true, qps: 5, arrivals: {poisson_per_s: 1000000}, ops: 900}",
     NULL, 900, 10},
    {"three hosts, functions, VMs",
     "{from: 0, to: 2, qps: 8, ops: 400}, {from: 2, to: 1, op: read, qps: 5, ops: 300}", NULL, 700,
     0},
};

static void check_row(const struct play *x, const char *name, uint64_t ops, uint64_t compared)
{
    struct played o;

    play(x, &o);
    if (o.end != REPLAY_DONE || o.f.failed || o.f.mismatches || o.f.ops < ops ||
        o.f.checked < compared) {
        fail_msg("%s: end %d, %llu done (want %llu), %llu failed, %llu wrong, %llu compared: %s; "
                 "waits: %s",
                 name, (int)o.end, (unsigned long long)o.f.ops, (unsigned long long)ops,
                 (unsigned long long)o.f.failed, (unsigned long long)o.f.mismatches,
                 (unsigned long long)o.f.checked, o.f.first_failure, o.waiting);
    }
    assert_int_equal(o.sum_stages_ps, o.sum_latency_ps);
}

static void every_feature_replays_without_a_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char spec[1024];
        const bool wide = strstr(rows[i].name, "three hosts") != NULL;
        (void)snprintf(spec, sizeof spec, "%sflows: [%s]", wide ? "hosts: 3\nfunctions: 4\n" : "",
                       rows[i].flows);
        check_row(&(struct play){.spec = spec, .param = rows[i].param}, rows[i].name, rows[i].ops,
                  rows[i].compared);
    }
}

/* With a tenth of their operations, so that the table stays fast. */
static void every_shipped_specification_replays_without_a_failure(void **state)
{
    (void)state;
    DIR *dir = opendir(HCA_SOURCE_DIR "/traces/specs");
    const struct dirent *e = NULL;
    unsigned specs = 0;

    assert_non_null(dir);
    while ((e = readdir(dir))) {
        char path[512], text[8192], *ops = NULL;
        if (strstr(e->d_name, ".yaml") == NULL) {
            continue;
        }
        (void)snprintf(path, sizeof path, HCA_SOURCE_DIR "/traces/specs/%s", e->d_name);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        (void)fclose(f);
        for (char *at = text; (ops = strstr(at, " ops: ")) != NULL; at = ops + 6) {
            ops[6 + strspn(ops + 6, "0123456789") - 1] = ' ';
        }
        const bool shared = strstr(e->d_name, "shared") != NULL;
        check_row(&(struct play){.spec = text, .param = shared ? shared_requester : NULL},
                  e->d_name, 100, 0);
        specs++;
    }
    (void)closedir(dir);
    assert_true(specs >= 10);
}

/* Memory is that of the windows and of one block, not of the operations: 8 times as many do not
 * raise the peak by more than what the C library keeps. traces/specs/README.md names the figure of
 * 3 million. */
static void memory_does_not_grow_with_the_operations(void **state)
{
    (void)state;
    long peak_kib[2];

    if (PLAY_SLOW > 1) {
        skip(); /* AddressSanitizer keeps freed memory back: the peak is not ours */
    }
    for (int i = 0; i < 2; i++) {
        char path[] = HCA_TMP_DIR "/hcasim-gen-XXXXXX", text[200];
        struct gen_spec spec;
        struct gen_result result;
        struct hct_error err;
        struct rusage use;
        const int fd = mkstemp(path);
        assert_true(fd >= 0);
        (void)close(fd);
        (void)snprintf(text, sizeof text, "flows: [{mix: {write: 1, send: 1}, qps: 8, ops: %d}]",
                       i == 0 ? 25000 : 200000);
        assert_int_equal(gen_parse("test", text, strlen(text), NULL, &spec, &err), HCT_OK);
        assert_int_equal(gen_write(&spec, path, &result, &err), HCT_OK);
        gen_spec_free(&spec);
        (void)unlink(path);
        assert_int_equal(getrusage(RUSAGE_SELF, &use), 0);
        peak_kib[i] = use.ru_maxrss;
    }
    assert_in_range(peak_kib[1] - peak_kib[0], 0, 2048);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_does_not_grow_with_the_operations), /* first: the peak stays */
        cmocka_unit_test(every_feature_replays_without_a_failure),
        cmocka_unit_test(every_shipped_specification_replays_without_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
