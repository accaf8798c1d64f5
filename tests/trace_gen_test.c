/* Properties of the trace generator: determinism, distributions, structure, refusals. */
#include "tests/hct_make.h"

#include <dirent.h>

#include <zlib.h>

#include "traces/gen.h"
#include "traces/show.h"

static enum hct_status parse(const char *text, struct gen_spec *spec, struct hct_error *err)
{
    return gen_parse("spec.yaml", text, strlen(text), NULL, spec, err);
}

/* ---- traces ---- */

/* Writes the trace of a specification text; fails the test when it is refused. */
static void generate(const char *text, const char *path, struct gen_result *result)
{
    struct gen_spec spec;
    struct hct_error err;
    if (parse(text, &spec, &err) != HCT_OK || gen_write(&spec, path, result, &err) != HCT_OK) {
        fail_msg("%s", err.text);
    }
    gen_spec_free(&spec);
}

static const char mixed[] = "seed: 7\nhosts: 3\nfunctions: 2\nvms: 2\nflows:\n"
                            "- {name: kv, qps: 9, ops: 3000, mix: {read: 5, send: 3, cas: 1},"
                            " size: {lognormal: {median: 200, sigma: 1, max: 9000}},"
                            " arrivals: {poisson_per_s: 1000000}, srq: true,"
                            " memory: {mrs: 3, mr_zipf: 0.9, offsets: zipf, page_zipf: 1.1}}\n"
                            "- {from: 1, to: 2, bidirectional: true, op: send_imm, window: 8,"
                            " signal_every: 4, batch: 2, qps: 3, ops: 500, size: [0, 100]}\n"
                            "- {pattern: lat, op: send, transport: UD, qps: 2, ops: 100}\n";

/* CRC over the printed records: independent of the zlib version that compressed them. */
static uint32_t content_crc(const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    assert_int_equal(hct_show(path, true, 0, 0, out, NULL), 0);
    (void)fclose(out);
    const uint32_t crc = (uint32_t)crc32_z(0, (const Bytef *)text, bytes);
    free(text);
    return crc;
}

static void one_seed_gives_the_same_bytes_and_another_gives_others(void **state)
{
    (void)state;
    size_t na = 0;
    size_t nb = 0;
    generate(mixed, temp_path(0), NULL);
    generate(mixed, temp_path(1), NULL);
    uint8_t *a = slurp(temp_path(0), &na);
    uint8_t *b = slurp(temp_path(1), &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    free(a);
    free(b);
    /* The same on every machine: a change of this number changes every generated trace. */
    assert_int_equal(content_crc(temp_path(0)), 0x0472f682);
    char other[sizeof mixed];
    memcpy(other, mixed, sizeof mixed);
    *strchr(other, '7') = '8';
    generate(other, temp_path(1), NULL);
    assert_int_not_equal(content_crc(temp_path(0)), content_crc(temp_path(1)));
    (void)unlink(temp_path(0));
    (void)unlink(temp_path(1));
}

/* Reads a whole trace through `visit`. */
static void for_each_op(const char *path,
                        void (*visit)(hct_reader *r, const struct hct_op *op, void *arg), void *arg)
{
    hct_reader *r = NULL;
    struct hct_op op;
    enum hct_status st = hct_open(path, &r, NULL);
    assert_int_equal(st, HCT_OK);
    while ((st = hct_next_op(r, &op)) == HCT_OK) {
        visit(r, &op, arg);
    }
    assert_int_equal(st, HCT_END);
    hct_close(r);
}

struct counts {
    uint64_t ops, messages, recvs, last_ps, used[64];
};

static void count_op(hct_reader *r, const struct hct_op *op, void *arg)
{
    struct counts *c = arg;
    assert_int_equal(hct_op_warn(r), 0); /* inside the MRs, with rights, within limits */
    assert_int_equal(op->expect, HCT_WC_SUCCESS);
    assert_int_equal(op->recorded, 0);
    assert_true(op->t_ps == 0 || op->t_ps >= c->last_ps);
    c->last_ps = op->t_ps ? op->t_ps : c->last_ps;
    c->recvs += op->kind == HCT_RECV;
    c->ops += op->kind != HCT_RECV;
    c->messages += op->kind <= HCT_SEND_INV || op->kind == HCT_WRITE_IMM;
}

static void every_shipped_specification_gives_a_trace_without_errors(void **state)
{
    (void)state;
    DIR *dir = opendir(HCA_SOURCE_DIR "/traces/specs");
    const struct dirent *e = NULL;
    uint32_t specs = 0;

    assert_non_null(dir);
    while ((e = readdir(dir))) {
        char path[512];
        struct gen_result result;
        struct hct_error err = {0};
        struct counts c = {0};
        if (!strstr(e->d_name, ".yaml")) {
            continue;
        }
        (void)snprintf(path, sizeof path, HCA_SOURCE_DIR "/traces/specs/%s", e->d_name);
        if (gen_run(path, temp_path(0), NULL, &result, &err) != HCT_OK) {
            fail_msg("%s", err.text);
        }
        for_each_op(temp_path(0), count_op, &c);
        assert_int_equal(c.ops, result.ops);
        assert_int_equal(c.recvs, result.recvs);
        assert_int_equal(c.recvs, c.messages); /* one receive for each message */
        specs++;
    }
    (void)closedir(dir);
    assert_true(specs >= 7);
    (void)unlink(temp_path(0));
}

static void mixed_flows_stay_inside_their_regions_and_match_their_receives(void **state)
{
    (void)state;
    struct counts c = {0};
    generate(mixed, temp_path(0), NULL);
    for_each_op(temp_path(0), count_op, &c);
    assert_int_equal(c.ops, 3600);
    assert_int_equal(c.recvs, c.messages);
    (void)unlink(temp_path(0));
}

struct window {
    uint64_t posted[8], ring[8][16];
    bool last_signaled[8];
};

static void check_window(hct_reader *r, const struct hct_op *op, void *arg)
{
    struct window *w = arg;
    (void)r;
    uint64_t *slot = &w->ring[op->qp][w->posted[op->qp] % 16];
    assert_int_equal(op->dep_count, w->posted[op->qp] >= 16);
    if (op->dep_count) {
        assert_int_equal(op->dep[0].type, HCT_DEP_WINDOW);
        assert_int_equal(op->dep[0].window_ops, 16);
        assert_int_equal(op->dep[0].op, *slot);
    }
    const bool last = op->id >= 999 - 6; /* one per queue, or the next one is nearer the end */
    if (!last) {
        assert_int_equal((op->flags & HCT_SIGNALED) != 0, (w->posted[op->qp] + 1) % 5 == 0);
    }
    w->last_signaled[op->qp] = (op->flags & HCT_SIGNALED) != 0;
    *slot = op->id;
    w->posted[op->qp]++;
}

static void a_window_depends_on_the_op_of_the_same_queue_that_frees_the_slot(void **state)
{
    (void)state;
    struct window w = {0};
    generate("flows: [{qps: 3, window: 16, signal_every: 5, ops: 999, bidirectional: true}]",
             temp_path(0), NULL);
    for_each_op(temp_path(0), check_window, &w);
    for (int q = 0; q < 6; q++) {
        assert_in_range(w.posted[q], 166, 167);
        assert_true(w.last_signaled[q]); /* else nothing tells that it retired */
    }
    (void)unlink(temp_path(0));
}

static void check_ping_pong(hct_reader *r, const struct hct_op *op, void *arg)
{
    uint64_t *last = arg; /* of pair 0 and 1; then the number of ops */
    (void)r;
    if (op->kind == HCT_RECV) {
        return;
    }
    const uint64_t n = last[2]++;
    const uint32_t pair = (uint32_t)(n % 2);
    assert_int_equal(op->qp, 2 * pair + n / 2 % 2); /* sides answer each other */
    assert_int_equal(op->dep_count, n >= 2);
    if (op->dep_count) {
        assert_int_equal(op->dep[0].op, last[pair]);
        assert_int_equal(op->dep[0].type, op->kind == HCT_SEND ? HCT_DEP_RECV : HCT_DEP_VISIBLE);
        assert_int_equal(op->dep[0].think_ps, 250000);
    }
    last[pair] = op->id;
}

static void a_ping_pong_answers_what_the_other_side_saw(void **state)
{
    (void)state;
    static const char *const kinds[] = {"write", "send"};
    for (int i = 0; i < 2; i++) {
        char text[128];
        uint64_t last[3] = {0};
        (void)snprintf(text, sizeof text,
                       "flows: [{pattern: lat, op: %s, qps: 2, ops: 40, think_ns: 250}]", kinds[i]);
        generate(text, temp_path(0), NULL);
        for_each_op(temp_path(0), check_ping_pong, last);
        assert_int_equal(last[2], 40);
    }
    (void)unlink(temp_path(0));
}

static void poisson_arrivals_keep_their_rate(void **state)
{
    (void)state;
    struct counts c = {0};
    generate("flows: [{qps: 4, ops: 20000, arrivals: {poisson_per_s: 1000000, start_ns: 5}}]",
             temp_path(0), NULL);
    for_each_op(temp_path(0), count_op, &c);
    assert_in_range(c.last_ps, 19500000000ull, 20500000000ull); /* 20 ms +- 2.5 % */
    generate("flows: [{ops: 1000, arrivals: {every_ns: 3}}]", temp_path(0), NULL);
    c = (struct counts){0};
    for_each_op(temp_path(0), count_op, &c);
    assert_int_equal(c.last_ps, 3000001);
    (void)unlink(temp_path(0));
}

static void count_pages(hct_reader *r, const struct hct_op *op, void *arg)
{
    struct counts *c = arg;
    assert_int_equal(hct_op_warn(r), 0);
    assert_int_equal(op->sge[0].off_bytes % 64, 0);
    assert_int_equal(op->fn, c->ops % 2);
    c->used[op->sge[0].off_bytes / 4096]++;
    c->ops++;
}

static void dma_offsets_cover_the_window_as_asked(void **state)
{
    (void)state;
    struct counts c = {0};
    generate("hosts: 1\nfunctions: 2\nflows: [{pattern: dma, op: dma_read, qps: 2, ops: 6400,"
             " memory: {mr_bytes: 256K, offsets: random}}]",
             temp_path(0), NULL);
    for_each_op(temp_path(0), count_pages, &c);
    for (int i = 0; i < 64; i++) {
        assert_in_range(c.used[i], 50, 160); /* 100 expected per page */
    }
    c = (struct counts){0};
    generate("hosts: 1\nfunctions: 2\nflows: [{pattern: dma, op: dma_wrrd, qps: 2, ops: 256,"
             " memory: {mr_bytes: 256K, offsets: sequential, stride: 4096}}]",
             temp_path(0), NULL);
    for_each_op(temp_path(0), count_pages, &c);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(c.used[i], 4); /* two streams, twice around */
    }
    (void)unlink(temp_path(0));
}

/* ---- refusals ---- */

static const struct {
    const char *text, *says;
} bad_specs[] = {
    {"", "spec.yaml:1: the file is empty"},
    {"seed: 1\nseed: 2\nflows: [{}]", "spec.yaml:2: key \"seed\" twice"},
    {"hots: 2\n", "spec.yaml:1: unknown key \"hots\"; the nearest is \"hosts\""},
    {"hosts: 2\n", "no flows: add a list"},
    {"flows: []", "flows: a list of 1..64 flows"},
    {"flows:\n- windov: 3\n", "spec.yaml:2: unknown key \"windov\"; the nearest is \"window\""},
    {"flows:\n- window: 0\n", "spec.yaml:2: window = 0: not a whole number in 1..65536"},
    {"flows:\n- window: -5\n", "window = -5: not a whole number"},
    {"flows:\n- window: 012\n", "window = 012: not a whole number"},
    {"flows:\n- window: [1]\n", "window: needs one value"},
    {"flows:\n- qps: 1e3\n", "qps = 1e3: not a whole number"},
    {"flows:\n- srq: maybe\n", "srq = maybe: not one of: false true"},
    {"flows:\n- transport: TCP\n", "transport = TCP: not one of: RC UC UD"},
    {"flows:\n- op: fetch\n", "op = fetch: not one of: send"},
    {"flows:\n- op: recv\n", "flow \"flow 0\": op recv cannot be asked for"},
    {"flows:\n- op: dma_read\n", "dma_* ops and no others belong to pattern: dma"},
    {"flows:\n- {pattern: dma, op: write}\n", "op write: dma_* ops"},
    {"flows:\n- op: send_inv\n", "pattern: register adds it by itself"},
    {"flows:\n- {pattern: register, op: send}\n", "register has write, read, cas and faa"},
    {"flows:\n- {pattern: register, transport: UC}\n", "only RC registers"},
    {"flows:\n- {pattern: register, batch: 2}\n", "sets its own order"},
    {"flows:\n- {pattern: register, size: 64K, uses: 33}\n", "at most 2097152: lower uses"},
    {"flows:\n- {uses: 2}\n", "go with pattern: register"},
    {"flows:\n- {sges: 17}\n", "sges = 17: not a whole number in 1..16"},
    {"flows:\n- {sges: [3, 2]}\n", "sges: 3 is above 2"},
    {"flows:\n- {sges: [3]}\n", "write one number or [lowest, highest]"},
    {"flows:\n- {sge_zero: 0.5}\n", "sge_zero goes with sges above 1"},
    {"flows:\n- {sges: 2, sge_zero: 1.5}\n", "sge_zero = 1.5"},
    {"flows:\n- {fence_every: 2, transport: UC}\n", "only RC has fences"},
    {"flows:\n- {pattern: dma, op: dma_read, sges: 2}\n", "a DMA has one piece"},
    {"flows:\n- {transport: UD, op: send, rq_depth: 8}\n", "receives stand ready, but UC and"},
    {"flows:\n- {memory: {mr_bytes: 2G}}\n", "at most 1G"},
    {"flows:\n- {transport: UD, op: write}\n", "UD has send and send_imm only"},
    {"flows:\n- {transport: UC, op: read}\n", "UC has no reads and atomics"},
    {"flows:\n- {transport: UD, op: send, size: 8K}\n", "a UD message is at most one MTU"},
    {"flows:\n- {op: write, mix: {read: 1}}\n", "op and mix: give only one"},
    {"flows:\n- {mix: {read: 0}}\n", "at least one weight must be above 0"},
    {"flows:\n- {mix: {raed: 1}}\n", "mix: raed: not one of"},
    {"flows:\n- {to: 2}\n", "hosts are 0..1"},
    {"flows:\n- {mtu: 1500}\n", "mtu = 1500: not 256"},
    {"flows:\n- {size: {uniform: [9, 3]}}\n", "uniform: 9 is above 3"},
    {"flows:\n- {size: {normal: [9, 3]}}\n", "size: a number, a list, or one of uniform"},
    {"flows:\n- {size: 3G}\n", "size = 3G: not a whole number in 0..2147483648 (K, M, G allowed)"},
    {"flows:\n- {size: {lognormal: {median: 5}}}\n", "needs median and sigma"},
    {"flows:\n- {size: {cdf: /etc/passwd}}\n", "cdf: no files can be read"},
    {"flows:\n- {arrivals: {poisson_per_s: 5, every_ns: 4}}\n", "give one of poisson_per_s"},
    {"flows:\n- {ops: 1000000000000, arrivals: {poisson_per_s: 1}}\n", "longer than 26 days"},
    {"flows:\n- {window: 4, signal_every: 5}\n", "must not be above window = 4"},
    {"flows:\n- {pattern: lat, window: 4}\n", "pattern lat has one op in flight"},
    {"flows:\n- {pattern: lat, mix: {read: 1, send: 1}}\n", "do not alternate"},
    {"flows:\n- {pattern: lat, op: write, depend: recv}\n", "depend: local goes with"},
    {"flows:\n- {op: faa, memory: {align: 4}}\n", "multiples of 8 for atomics"},
    {"flows:\n- {memory: {mr_bytes: 32}}\n", "must hold one slot of 64 bytes"},
    {"flows:\n- {memory: {layout: alias, layout_arg: 5000}}\n", "a power of two of 4096"},
    {"flows:\n- {memory: {offsets: zipf, mr_bytes: 8G}}\n", "at most 1G"},
    {"flows:\n- {qps: 524288, window: 64, cq_per_qp: true}\n", "slots up to here, at most 8388608"},
    {"flows:\n- {pattern: dma, op: dma_read, qps: 2}\n", "one stream per VM, at most 1"},
    {"flows:\n- {pattern: dma, op: dma_read, size: 0}\n", "a DMA moves at least 1 byte"},
    {"flows:\n- {name: \"\"}\n", "name: needs 1..63 bytes"},
    {"flows:\n- &a {window: 1}\n- *b\n", "spec.yaml:3: found undefined alias"},
    {"flows: [", "spec.yaml:2: did not find expected node content"},
    {"seed: 1\n---\nflows: [{}]", "more than one document"},
    {"- 1", "spec.yaml:1: a mapping \"key: value\" is needed"},
    {"{[1]: 2}", "a key must be a plain word"},
};

static void a_bad_specification_is_refused_with_file_line_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_specs / sizeof *bad_specs; i++) {
        struct gen_spec spec;
        struct hct_error err = {0};
        const enum hct_status st = parse(bad_specs[i].text, &spec, &err);
        if (st != HCT_USAGE || !strstr(err.text, bad_specs[i].says)) {
            fail_msg("row %zu: status %d: %s", i, (int)st, err.text);
        }
    }
}

static void hostile_yaml_ends_quickly(void **state)
{
    (void)state;
    static char text[65536 + 2];
    struct gen_spec spec;
    struct hct_error err;
    static const char *const fill[] = {"[", "{", "- ", "? ", "a: &a ", "*a ", "\"", "!", "%", "\t"};
    for (size_t i = 0; i < sizeof fill / sizeof *fill; i++) {
        const size_t n = strlen(fill[i]);
        for (size_t at = 0; at + n <= 65536; at += n) {
            memcpy(text + at, fill[i], n);
        }
        assert_int_equal(gen_parse("s", text, 65536, NULL, &spec, &err), HCT_USAGE);
    }
    memset(text, '[', 4096);
    memset(text + 4096, ' ', sizeof text - 4096);
    assert_int_equal(gen_parse("s", text, 65536, NULL, &spec, &err), HCT_USAGE);
    assert_int_equal(gen_parse("s", text, 65537, NULL, &spec, &err), HCT_USAGE);
    assert_non_null(strstr(err.text, "at most 65536"));
}

static void the_manual_names_every_key(void **state)
{
    (void)state;
    size_t n = 0;
    uint32_t keys = 0;
    char *code = (char *)slurp(HCA_SOURCE_DIR "/traces/gen_spec.c", &n);
    code[n] = 0;
    char *manual = (char *)slurp(HCA_SOURCE_DIR "/traces/specs/README.md", &n);
    manual[n] = 0;

    for (char *row = code; (row = strstr(row, "{\"")); row += 2) {
        const size_t len = strcspn(row + 2, "\"");
        char key[64];
        if (strncmp(row + 2 + len, "\", GY_", 6) == 0) {
            (void)snprintf(key, sizeof key, "`%.*s`", (int)len, row + 2);
            if (!strstr(manual, key) && strcmp(key, "`poisson_per_s`") != 0 &&
                strcmp(key, "`every_ns`") != 0) {
                fail_msg("traces/specs/README.md lacks %s", key);
            }
            keys++;
        }
    }
    assert_true(keys > 45);
    free(code);
    free(manual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_gives_the_same_bytes_and_another_gives_others),
        cmocka_unit_test(every_shipped_specification_gives_a_trace_without_errors),
        cmocka_unit_test(mixed_flows_stay_inside_their_regions_and_match_their_receives),
        cmocka_unit_test(a_window_depends_on_the_op_of_the_same_queue_that_frees_the_slot),
        cmocka_unit_test(a_ping_pong_answers_what_the_other_side_saw),
        cmocka_unit_test(poisson_arrivals_keep_their_rate),
        cmocka_unit_test(dma_offsets_cover_the_window_as_asked),
        cmocka_unit_test(a_bad_specification_is_refused_with_file_line_and_remedy),
        cmocka_unit_test(hostile_yaml_ends_quickly),
        cmocka_unit_test(the_manual_names_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
