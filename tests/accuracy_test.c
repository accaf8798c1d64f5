/* The presets against published points, and the table bench/accuracy prints. */
#include "bench/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { FITTED_MAX = 12, MEAN_MAX_PERCENT = 10, WORST_MAX_PERCENT = 15, LARGEST = 16384 };

static struct point points[POINTS_MAX];
static struct hca_config config;
static char why[400];

static unsigned shipped(void)
{
    const unsigned n = points_load(HCA_SOURCE_DIR "/bench/points.csv", points, why, sizeof why);

    if (n == 0) {
        fail_msg("%s", why);
    }
    return n;
}

static void the_file_holds_each_point_of_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        unsigned points;
    } want[] = {{"C-P1", 7}, {"C-P6", 6},  {"C-P7", 4}, {"C-I1", 7}, {"C-I3", 2},
                {"C-K2", 2}, {"C-N1", 10}, {"C-N2", 7}, {"C-N3", 7}, {"C-N4", 2}};
    const unsigned n = shipped();

    for (size_t w = 0; w < sizeof want / sizeof want[0]; w++) {
        unsigned found = 0;
        for (unsigned i = 0; i < n; i++) {
            found += strcmp(points[i].id, want[w].id) == 0;
        }
        assert_int_equal(found, want[w].points);
    }
    assert_true(points[0].x == 8 && points[0].value == 546);
    assert_string_equal(points[0].unit, "ns");
    assert_string_equal(points[0].quantity, "DMA read latency median, warm, no IOMMU");
}

/* points_load of one row behind the right head. */
static unsigned load(const char *row)
{
    char path[] = HCA_TMP_DIR "/hcasim-points-XXXXXX";
    const int fd = mkstemp(path);
    FILE *const f = fd < 0 ? NULL : fdopen(fd, "w");

    assert_non_null(f);
    fprintf(f, "id,quantity,x,x_unit,value,unit,status,source\n%s", row);
    fclose(f);
    const unsigned n = points_load(path, points, why, sizeof why);
    unlink(path);
    return n;
}

static void rows_that_are_not_points_are_refused_with_their_line(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "C-1,q,1,B,2,us,VERIFIED\n",
        "C-1,q,1,B,2,us,VERIFIED,s,t\n",
        "C-1,q,one,B,2,us,VERIFIED,s\n",
        "C-1,q,1,B,2x,us,VERIFIED,s\n",
        "C-1,q,1,B,0,us,VERIFIED,s\n",
        "C-1,q,1,B,nan,us,VERIFIED,s\n",
        "C-1,q,1,B,2,us,RECALLED,s\n",
        "C-1,\"q,1,B,2,us,VERIFIED,s\n",
        ",q,1,B,2,us,VERIFIED,s\n",
        "\n",
        "C-1-much-too-long,q,1,B,2,us,VERIFIED,s\n",
    };

    assert_int_equal(load("C-1,\"q, r\",1.5,B,2e3,us,DERIVED,s\n"), 1);
    assert_true(points[0].x == 1.5 && points[0].value == 2000);
    assert_string_equal(points[0].quantity, "q, r");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(load(bad[i]), 0);
        assert_non_null(strstr(why, ":2: must be id,quantity,"));
    }
    assert_int_equal(points_load("/nowhere/points.csv", points, why, sizeof why), 0);
    assert_string_equal(why, "/nowhere/points.csv: cannot be read");
}

/* A source "FITTED low..high ..." of a number is a range that holds the value. */
static void each_preset_fits_at_most_twelve_values_within_plausible_ranges(void **state)
{
    (void)state;
    for (unsigned preset = 0; preset < ACCURACY_PRESETS; preset++) {
        unsigned fitted = 0;
        scenario_config(accuracy_preset[preset], &config);
        for (int i = 0; i < HCA_PARAM_COUNT; i++) {
            const struct hca_param_row *const row = hca_param_row((enum hca_param_id)i);
            const char *const text = strstr(config.origin[i].source, "FITTED");
            if (text == NULL) {
                continue;
            }
            fitted++;
            if (row->kind == HCA_PARAM_INT) {
                char *end;
                const uint64_t low = strtoull(text + strlen("FITTED "), &end, 10);
                assert_memory_equal(end, "..", 2);
                const uint64_t high = strtoull(end + 2, NULL, 10);
                assert_in_range(hca_param_get(&config.value, row), low, high);
            }
        }
        assert_in_range(fitted, 1, FITTED_MAX);
    }
}

/* Fewer operations than the bench and no message above LARGEST: the mean of these points moves by
 * tenths of a percent, the time by a factor of four. */
static void presets_stay_close_to_the_published_points(void **state)
{
    (void)state;
    static const struct effort quick = {150, 4000, 16};
    const unsigned n = shipped();

    for (unsigned preset = 0; preset < ACCURACY_PRESETS; preset++) {
        double sum = 0;
        unsigned count = 0;
        scenario_config(accuracy_preset[preset], &config);
        for (unsigned i = 0; i < n; i++) {
            const struct point *const q = &points[i];
            if (answer_preset(q) != preset || (preset == MLX4_QDR && q->x > LARGEST)) {
                continue;
            }
            const double e = answer_error_percent(q, answer(q, &config.value, &quick));
            if (fabs(e) > WORST_MAX_PERCENT) {
                fail_msg("%s %s at %g: %+.1f %%", q->id, q->quantity, q->x, e);
            }
            sum += fabs(e);
            count++;
        }
        assert_true(count > 20);
        if (sum / count > MEAN_MAX_PERCENT) {
            fail_msg("%s: mean error %.1f %%", accuracy_preset[preset], sum / count);
        }
    }
}

static void answers_are_the_same_each_time_and_follow_the_parameters(void **state)
{
    (void)state;
    static const struct effort quick = {50, 1000, 10};
    const unsigned n = shipped();
    unsigned compared = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct point *const q = &points[i];
        const unsigned preset = answer_preset(q);
        if (preset == ACCURACY_PRESETS || q->x != 64) {
            continue;
        }
        scenario_config(accuracy_preset[preset], &config);
        const double first = answer(q, &config.value, &quick);
        assert_true(first == answer(q, &config.value, &quick));
        config.value.pcie_latency_up_ns += 500; /* one read in flight: bandwidth follows as well */
        config.value.hca_dma_read_tags = 1;
        config.value.hca_dma_write_interval_ps *= 2;
        config.value.iommu_walk_step_ns += 100;
        assert_true(first != answer(q, &config.value, &quick));
        compared++;
    }
    assert_int_equal(compared, 8);
}

/* The ACK of a WRITE may come before its last byte is in memory; the other side of a ping-pong,
 * which polls that byte, must not answer earlier. C-N1 and C-N3: 5.03 and 5.09 us. */
static void a_write_is_answered_no_earlier_than_a_send_of_its_size(void **state)
{
    (void)state;
    scenario_config("mlx4_qdr", &config);
    const double write = scenario_latency_ns(&config.value, "write", 4096, 10);
    const double send = scenario_latency_ns(&config.value, "send", 4096, 10);

    assert_true(write > send * 0.96 && write < send);
}

/* Goodput of the wire: 4096 bytes of payload in 4178, and 16 for the RETH of a message. The IOTLB
 * holds all pages (4 QPs of 16 pages and those of rings are fewer than its entries). */
static void generic100_writes_large_messages_at_the_rate_of_its_line(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4096, 16384, 65536};

    scenario_config("generic100", &config);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct scenario_run r = {0};
        char spec[300];
        const double bytes = sizes[i];
        const double line = 100 * bytes / (bytes + bytes / 4096 * 82 + 16);
        const unsigned n = 6000000 / sizes[i];
        snprintf(spec, sizeof spec,
                 "flows:\n  - pattern: bw\n    op: write\n    qps: 4\n    ops: %u\n"
                 "    size: %u\n    window: 16\n    payload: absent\n"
                 "    memory: {mr_bytes: 64K, offsets: sequential}\n",
                 n, sizes[i]);
        scenario_trace(&config.value, spec, false, &r);
        const double gbps = (double)r.bytes * 8000 / (double)r.last_ps;
        if (gbps < line * 0.96 || gbps > line) { /* 5 of 500 us are the first messages */
            fail_msg("%u B: %.2f Gb/s of %.2f", sizes[i], gbps, line);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_holds_each_point_of_the_table),
        cmocka_unit_test(rows_that_are_not_points_are_refused_with_their_line),
        cmocka_unit_test(each_preset_fits_at_most_twelve_values_within_plausible_ranges),
        cmocka_unit_test(presets_stay_close_to_the_published_points),
        cmocka_unit_test(answers_are_the_same_each_time_and_follow_the_parameters),
        cmocka_unit_test(a_write_is_answered_no_earlier_than_a_send_of_its_size),
        cmocka_unit_test(generic100_writes_large_messages_at_the_rate_of_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
