/* A run that is resumed from a checkpoint writes the report of the run that was never interrupted,
 * byte for byte; a file that is damaged or belongs to another run is refused. */
#include "sim/checkpoint/bytes.h"
#include "sim/cli/cli.h"
#include "sim/link/net.h"
#include "sim/report/report.h"
#include "tests/play.h"
#include "traces/import.h"

#include <getopt.h>

#define SHIPPED HCA_SOURCE_DIR "/traces/captures/softroce-perftest.pcap.gz"
#define LOSSY                                                                              \
    "--set", "iommu.mode=on", "--set", "link.loss_ppm=3000", "--set", "link.dup_ppm=1000", \
        "--set", "link.reorder_ppm=2000"

static char folder[400];

static const char *in_folder(const char *name)
{
    static char text[32][600];
    static unsigned n;
    char *const t = text[n++ % 32];

    (void)snprintf(t, sizeof text[0], "%s/%s", folder, name);
    return t;
}

struct bytes {
    uint8_t *b;
    size_t n;
};

static struct bytes slurp(const char *name)
{
    FILE *const f = fopen(in_folder(name), "rb");
    struct bytes x = {0};

    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    x.n = (size_t)ftell(f);
    rewind(f);
    x.b = malloc(x.n + 1);
    assert_non_null(x.b);
    assert_int_equal(fread(x.b, 1, x.n, f), x.n);
    (void)fclose(f);
    return x;
}

static void spill(const char *name, const void *b, size_t n)
{
    FILE *const f = fopen(in_folder(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(b, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Options end with NULL. Exit status. */
static int run(const char *trace, const char *out, const char *const *a, const char *const *b)
{
    const char *argv[40] = {"run", "--trace", in_folder(trace), "--quiet", "--out", in_folder(out)};
    int argc = 6;

    for (; a != NULL && *a != NULL; a++) {
        argv[argc++] = *a;
    }
    for (; b != NULL && *b != NULL; b++) {
        argv[argc++] = *b;
    }
    optind = 0; /* getopt starts anew */
    return cli_run(argc, (char **)(uintptr_t)argv);
}

static void same_file(const char *a, const char *b)
{
    const struct bytes x = slurp(a), y = slurp(b);

    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.b, y.b, x.n);
    free(x.b);
    free(y.b);
}

static void make(const char *name, const char *text)
{
    struct gen_spec spec;
    struct hct_error err;

    assert_int_equal(gen_parse("test", text, strlen(text), NULL, &spec, &err), HCT_OK);
    assert_int_equal(gen_write(&spec, in_folder(name), NULL, &err), HCT_OK);
    gen_spec_free(&spec);
}

static int set_up(void **state)
{
    struct import_summary sum;
    struct hct_error err;
    FILE *const nothing = fopen("/dev/null", "w");

    (void)state;
    (void)snprintf(folder, sizeof folder, HCA_TMP_DIR "/hcasim-checkpoint-XXXXXX");
    assert_non_null(mkdtemp(folder));
    make("mix.hct", "flows:\n"
                    "  - {mix: {write: 2, send: 1, read: 2, write_imm: 1, faa: 1}, ops: 400,"
                    " qps: 4, window: 8, size: {uniform: [0, 9000]}, bidirectional: true}\n"
                    "  - {transport: UD, op: send, qps: 2, size: [64, 1024], ops: 200}\n");
    make("other.hct", "flows:\n  - {op: write, ops: 20, size: 64}\n");
    assert_int_equal(hct_import(SHIPPED, in_folder("capture.hct"), &(struct import_options){0},
                                &sum, nothing, &err),
                     HCT_OK);
    (void)fclose(nothing);
    return 0;
}

static int tear_down(void **state)
{
    char command[600];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* The run that writes the checkpoint and the one that resumes. */
static void resumes(const char *trace, const char *at, const char *const *options)
{
    const char *const save[] = {"--checkpoint-at", at, "--checkpoint", in_folder("c"), NULL};
    const char *const resume[] = {"--resume", in_folder("c"), NULL};

    assert_int_equal(run(trace, "first", options, save), EXIT_OK);
    assert_int_equal(run(trace, "second", options, resume), EXIT_OK);
    same_file("first/report.json", "second/report.json");
    same_file("first/report.txt", "second/report.txt");
}

static void test_writing_a_checkpoint_does_not_change_the_run(void **state)
{
    static const char *const lossy[] = {LOSSY, NULL};
    const char *const save[] = {"--checkpoint-at", "20us", "--checkpoint", in_folder("c"), NULL};

    (void)state;
    assert_int_equal(run("mix.hct", "whole", lossy, NULL), EXIT_OK);
    assert_int_equal(run("mix.hct", "first", lossy, save), EXIT_OK);
    same_file("whole/report.json", "first/report.json");
}

static void test_a_resumed_run_reports_what_the_uninterrupted_one_does(void **state)
{
    static const char *const lossy[] = {LOSSY, NULL};
    static const char *const native[] = {"--set", "hca.wqe_format=native", "--set",
                                         "iommu.mode=off", NULL};
    static const char *const ib[] = {"--set", "port.wire=ib", "--set", "link.switch=true", NULL};
    static const char *const scaled[] = {"--timing", "scale=0.001", NULL};
    static const char *const aimed[] = {"--fault", "drop:port=0,nth=50,count=2", "--fault",
                                        "dup:port=1,nth=300", NULL};

    (void)state;
    resumes("mix.hct", "40us", lossy);
    resumes("mix.hct", "60us", native);
    resumes("mix.hct", "60us", ib);
    resumes("mix.hct", "30us", aimed);
    resumes("other.hct", "3us", scaled);
}

static void test_a_resumed_run_of_the_shipped_capture_reports_the_same(void **state)
{
    static const char *const lossy[] = {LOSSY, NULL};

    (void)state;
    resumes("capture.hct", "200us", lossy);
}

static void test_a_checkpoint_of_a_resumed_run_is_as_good(void **state)
{
    static const char *const lossy[] = {LOSSY, NULL};
    const char *const one[] = {"--checkpoint-at", "30us", "--checkpoint", in_folder("c1"), NULL};
    const char *const two[] = {"--resume", in_folder("c1"), "--checkpoint-at",
                               "80us",     "--checkpoint",  in_folder("c2"),
                               NULL};
    const char *const end[] = {"--resume", in_folder("c2"), NULL};

    (void)state;
    assert_int_equal(run("mix.hct", "first", lossy, one), EXIT_OK);
    assert_int_equal(run("mix.hct", "second", lossy, two), EXIT_OK);
    assert_int_equal(run("mix.hct", "third", lossy, end), EXIT_OK);
    same_file("first/report.json", "second/report.json");
    same_file("first/report.json", "third/report.json");
}

/* --- refusals -----------------------------------------------------------------------------------
 */

static struct bytes small_checkpoint(void)
{
    const char *const save[] = {"--checkpoint-at", "5us", "--checkpoint", in_folder("s"), NULL};

    assert_int_equal(run("other.hct", "small", NULL, save), EXIT_OK);
    return slurp("s");
}

static int resume_bytes(const void *b, size_t n)
{
    const char *const resume[] = {"--resume", in_folder("bad"), NULL};

    spill("bad", b, n);
    return run("other.hct", "bad-run", NULL, resume);
}

static void test_a_damaged_or_truncated_file_is_refused_with_status_3(void **state)
{
    const struct bytes x = small_checkpoint();

    (void)state;
    assert_int_equal(resume_bytes(x.b, x.n), EXIT_OK);
    for (size_t k = 0; k < 5; k++) {
        assert_int_equal(resume_bytes(x.b, x.n * k / 5), EXIT_TRACE);
        x.b[x.n * k / 5] ^= 0x10;
        assert_int_equal(resume_bytes(x.b, x.n), EXIT_TRACE);
        x.b[x.n * k / 5] ^= 0x10;
    }
    assert_int_equal(resume_bytes(x.b, x.n - 1), EXIT_TRACE);
    x.b[x.n] = 0;
    assert_int_equal(resume_bytes(x.b, x.n + 1), EXIT_TRACE);
    free(x.b);
}

static void test_another_trace_configuration_or_option_is_refused_with_status_2(void **state)
{
    static const char *const wrong[][3] = {{"--set", "link.length_mm=5000"},
                                           {"--timing", "captured"},
                                           {"--no-check"},
                                           {"--fault", "drop:nth=3"}};
    const struct bytes x = small_checkpoint();
    const char *const resume[] = {"--resume", in_folder("s"), NULL};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(run("other.hct", "wrong", wrong[i], resume), EXIT_USAGE);
    }
    assert_int_equal(run("mix.hct", "wrong", NULL, resume), EXIT_USAGE);
    free(x.b);
}

static void test_a_checkpoint_that_cannot_be_written_is_told(void **state)
{
    const char *const never[] = {"--checkpoint-at", "10s", "--checkpoint", in_folder("n"), NULL};
    const char *const nowhere[] = {"--checkpoint-at", "1us", "--checkpoint", in_folder("absent/n"),
                                   NULL};
    const char *const half[] = {"--checkpoint-at", "1us", NULL};

    (void)state;
    assert_int_equal(run("other.hct", "r", NULL, never), EXIT_OPS_FAILED);
    assert_int_equal(access(in_folder("n"), F_OK), -1);
    assert_int_equal(run("other.hct", "r", NULL, nowhere), EXIT_HOST);
    assert_int_equal(run("other.hct", "r", NULL, half), EXIT_USAGE);
}

/* --- sections with right check sums and wrong contents -------------------------------------------
 */

struct forge {
    struct world *w;
    struct replay *r;
    struct report *report;
    struct bytes_out part[4]; /* net, replay, stamps, report */
    unsigned left;
};

static bool save_parts(void *arg)
{
    struct forge *const x = arg;

    if (--x->left != 0) {
        return false;
    }
    net_save(world_net(x->w), &x->part[0]);
    replay_save(x->r, &x->part[1]);
    stamps_save(replay_stamps(x->r), &x->part[2]);
    report_save(x->report, &x->part[3]);
    return true;
}

static void forge_open(struct forge *x)
{
    static struct hca_param p;
    const struct play what = {.set = "iommu.mode=on link.reorder_ppm=100000"};
    const struct replay_options o = {.scale_ppm = 1000000,
                                     .max_time_ps = UINT64_MAX,
                                     .check_payload = true,
                                     .want_stages = true};
    struct hct_error err;
    const char *why;
    int status;

    play_param(in_folder("mix.hct"), &what, &p);
    x->w = world_open(&p, &why);
    assert_non_null(x->w);
    x->r = replay_open(x->w, &p, in_folder("mix.hct"), &o, &err, &status);
    assert_non_null(x->r);
    assert_true(replay_setup(x->r, &err));
    x->report = report_open(replay_resources(x->r), &p);
    assert_true(report_start(x->report, x->w, x->r));
}

static void forge_close(struct forge *x)
{
    report_close(x->report);
    replay_close(x->r);
    world_close(x->w);
}

static bool load_part(struct forge *x, unsigned part, struct bytes_in *i)
{
    switch (part) {
    case 0: return net_load(world_net(x->w), i);
    case 1: return replay_load(x->r, i);
    case 2: return stamps_load(replay_stamps(x->r), i);
    default: return report_load(x->report, i);
    }
}

/* What is loaded is then released: the sanitisers see a pointer or a size that went wrong. */
static void test_no_contents_of_a_section_lead_out_of_bounds(void **state)
{
    enum { TRIES = 16 };
    struct forge from = {.left = 150};
    uint64_t random = 1, refused = 0;

    (void)state;
    forge_open(&from);
    assert_int_equal(replay_run(from.r, report_op, from.report, save_parts, &from), REPLAY_STOPPED);
    for (unsigned k = 0; k < TRIES; k++) {
        struct forge to = {0};
        struct bytes_out *const part = &from.part[k % 4];
        assert_false(part->failed);
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        const size_t at = (random >> 16) % part->n;
        const uint8_t was = part->b[at];
        part->b[at] = k < 4 ? was : (uint8_t)(was ^ (random >> 50 | 1));
        struct bytes_in i = {.b = part->b, .n = k >= TRIES - 4 ? at : part->n};
        forge_open(&to);
        const bool good = load_part(&to, k % 4, &i);
        if (k < 4) { /* as it was written */
            assert_true(good);
        }
        assert_true(good == (i.why == NULL));
        refused += !good;
        part->b[at] = was;
        forge_close(&to);
    }
    assert_in_range(refused, 4, TRIES - 4);
    for (unsigned k = 0; k < 4; k++) {
        bytes_free(&from.part[k]);
    }
    forge_close(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing_a_checkpoint_does_not_change_the_run),
        cmocka_unit_test(test_a_resumed_run_reports_what_the_uninterrupted_one_does),
        cmocka_unit_test(test_a_resumed_run_of_the_shipped_capture_reports_the_same),
        cmocka_unit_test(test_a_checkpoint_of_a_resumed_run_is_as_good),
        cmocka_unit_test(test_a_damaged_or_truncated_file_is_refused_with_status_3),
        cmocka_unit_test(test_another_trace_configuration_or_option_is_refused_with_status_2),
        cmocka_unit_test(test_a_checkpoint_that_cannot_be_written_is_told),
        cmocka_unit_test(test_no_contents_of_a_section_lead_out_of_bounds),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
