/* From a capture to checked memory: the shipped capture and others made from it are imported and
 * replayed through the whole model, as `hcasim trace import` and `hcasim run` do. */
#include "sim/cli/cli.h"
#include "tests/import_make.h"
#include "tests/remix.h"

#include <getopt.h>
#include <jansson.h>

#define SHIPPED HCA_SOURCE_DIR "/traces/captures/softroce-perftest.pcap.gz"
#define SECOND                                                                    \
    {                                                                             \
        .seed = 7, .shift_ns_max = 20000000000, .cut_first = 411, .cut_last = 333 \
    }

static char folder[400];

static const char *in_folder(const char *name)
{
    static char text[32][600];
    static unsigned n;
    char *const t = text[n++ % 32];

    (void)snprintf(t, sizeof text[0], "%s/%s", folder, name);
    return t;
}

struct outcome {
    int status;
    json_int_t completed, failed, mismatches, checked;
    char memory[2][32];
};

static void read_report(struct outcome *out)
{
    json_error_t e;
    json_t *const j = json_load_file(in_folder("run/report.json"), 0, &e);

    assert_non_null(j);
    out->completed = json_integer_value(json_object_get(j, "ops_completed"));
    out->failed = json_integer_value(json_object_get(j, "ops_failed"));
    json_t *const m = json_object_get(j, "memory_hash");
    assert_int_equal(json_array_size(m), 2);
    for (size_t h = 0; h < 2; h++) {
        (void)snprintf(out->memory[h], sizeof out->memory[h], "%s",
                       json_string_value(json_array_get(m, h)));
    }
    json_decref(j);
}

/* Options end with NULL. */
static struct outcome play(const char *trace, const char *const *options)
{
    const char *argv[24] = {"run", "--trace", trace, "--quiet", "--out", in_folder("run")};
    struct outcome out = {0};
    int argc = 6;

    while (*options != NULL) {
        argv[argc++] = *options++;
    }
    optind = 0; /* getopt starts anew */
    out.status = cli_run(argc, (char **)(uintptr_t)argv);
    if (out.status <= 1) {
        read_report(&out);
    }
    return out;
}

static void import(const char *capture, const char *trace, struct import_summary *sum)
{
    const struct import_options o = {.no_payload = false};
    struct hct_error err;
    FILE *const nothing = fopen("/dev/null", "w");

    assert_non_null(nothing);
    assert_int_equal(hct_import(capture, trace, &o, sum, nothing, &err), HCT_OK);
    (void)fclose(nothing);
}

static void good(const struct outcome *o, json_int_t ops)
{
    assert_int_equal(o->status, 0);
    assert_int_equal(o->failed, 0);
    assert_int_equal(o->completed, ops);
}

static json_int_t ops_of(const struct import_summary *sum)
{
    return (json_int_t)sum->ops;
}

static void same_memory(const struct outcome *a, const struct outcome *b)
{
    assert_string_equal(a->memory[0], b->memory[0]);
    assert_string_equal(a->memory[1], b->memory[1]);
    assert_string_not_equal(a->memory[0], a->memory[1]);
}

static void on_all_wires(const char *trace, json_int_t ops)
{
    static const char *const wires[] = {"port.wire=roce2", "port.wire=roce1", "port.wire=ib"};
    struct outcome first = {0};

    for (size_t w = 0; w < 3; w++) {
        const char *const options[] = {"--set", wires[w], NULL};
        const struct outcome o = play(trace, options);
        good(&o, ops);
        first = w == 0 ? o : first;
        same_memory(&first, &o);
    }
}

static void the_shipped_capture_leaves_the_same_memory_on_all_wires(void **state)
{
    (void)state;
    struct import_summary sum;

    import(SHIPPED, in_folder("a.hct"), &sum);
    assert_int_equal(sum.messages_left_out, 0);
    on_all_wires(in_folder("a.hct"), ops_of(&sum));
}

static void a_cut_reordered_renumbered_capture_leaves_the_same_memory_on_all_wires(void **state)
{
    (void)state;
    const struct remix_options o = SECOND;
    struct import_summary sum;

    assert_int_equal(remix(SHIPPED, in_folder("b.pcap"), &o), 7476 - 411 - 333);
    import(in_folder("b.pcap"), in_folder("b.hct"), &sum);
    assert_true(sum.messages[HCT_SEND] + sum.messages[HCT_WRITE] > 1000);
    on_all_wires(in_folder("b.hct"), ops_of(&sum));
}

/* The trace of the test before. */
static void presets_of_odd_and_least_sizes_leave_the_memory_of_the_default(void **state)
{
    (void)state;
    const char *const none[] = {NULL};
    const struct outcome want = play(in_folder("b.hct"), none);
    static const char *const presets[] = {"odd", "small", "generic100", "mlx4_qdr"};

    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        const char *const options[] = {"--preset", presets[i], NULL};
        const struct outcome o = play(in_folder("b.hct"), options);
        good(&o, want.completed);
        same_memory(&want, &o);
    }
}

static void a_header_only_capture_replays_every_message_of_the_whole_one(void **state)
{
    (void)state;
    const struct remix_options whole = SECOND;
    struct remix_options o = whole;
    struct import_summary sum, cut;
    const char *const none[] = {NULL};

    o.snap = 82;
    assert_int_not_equal(remix(SHIPPED, in_folder("w.pcap"), &whole), 0);
    assert_int_not_equal(remix(SHIPPED, in_folder("h.pcap"), &o), 0);
    import(in_folder("w.pcap"), in_folder("w.hct"), &sum);
    import(in_folder("h.pcap"), in_folder("h.hct"), &cut);
    assert_int_equal(ops_of(&sum), ops_of(&cut));
    assert_int_equal(sum.message_bytes, cut.message_bytes);
    assert_int_equal(cut.payload_bytes < sum.payload_bytes, 1);
    const struct outcome out = play(in_folder("h.hct"), none);
    good(&out, ops_of(&sum));
}

/* 10.0.0.2 sent the requests of the READs and atomics, 10.0.0.1 their responses. */
static void each_side_of_a_capture_replays_alone(void **state)
{
    (void)state;
    const char *const none[] = {NULL};

    for (uint8_t side = 1; side <= 2; side++) {
        struct remix_options o = SECOND;
        struct import_summary sum;
        o.only_from = side;
        assert_int_not_equal(remix(SHIPPED, in_folder("s.pcap"), &o), 0);
        import(in_folder("s.pcap"), in_folder("s.hct"), &sum);
        assert_true(sum.ops >= 100);
        const struct outcome out = play(in_folder("s.hct"), none);
        good(&out, ops_of(&sum));
    }
}

static int open_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, HCA_TMP_DIR "/hcasim-replay-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int close_folder(void **state)
{
    static const char *const names[] = {
        "a.hct",  "b.pcap", "b.hct", "w.pcap",         "w.hct",           "h.pcap",      "h.hct",
        "s.pcap", "s.hct",  "run",   "run/report.txt", "run/report.json", "run/run.json"};
    (void)state;
    for (size_t i = sizeof names / sizeof names[0]; i-- > 0;) {
        (void)remove(in_folder(names[i]));
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_capture_leaves_the_same_memory_on_all_wires),
        cmocka_unit_test(a_cut_reordered_renumbered_capture_leaves_the_same_memory_on_all_wires),
        cmocka_unit_test(presets_of_odd_and_least_sizes_leave_the_memory_of_the_default),
        cmocka_unit_test(a_header_only_capture_replays_every_message_of_the_whole_one),
        cmocka_unit_test(each_side_of_a_capture_replays_alone),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
