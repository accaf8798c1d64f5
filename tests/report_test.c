/* report.txt and report.json: the same numbers, which add up, and the same bytes each time. */
#include "tests/report_run.h"

static json_int_t number(const json_t *o, const char *key)
{
    const json_t *const v = json_object_get(o, key);

    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static json_int_t sum_of(const json_t *o)
{
    const char *key;
    json_t *v;
    json_int_t sum = 0;

    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        sum += json_integer_value(v);
    }
    return sum;
}

static void check_message(const json_t *m)
{
    assert_non_null(m);
    assert_int_equal(sum_of(json_object_get(m, "stages_ps")), number(m, "latency_ps"));
}

static void stages_add_up_to_the_latency_of_every_shown_message_and_of_all(void **state)
{
    (void)state;

    for (unsigned i = 0; i < REPORT_CASES; i++) {
        struct reported r;
        json_t *g;
        size_t n;
        json_int_t sum = 0, staged = 0;
        report_of(&report_cases[i], &r);
        json_array_foreach(json_object_get(r.o, "groups"), n, g)
        {
            if (json_object_get(g, "staged") != NULL) {
                check_message(json_object_get(g, "median"));
                check_message(json_object_get(g, "slowest"));
                sum += sum_of(json_object_get(g, "stages_sum_ps"));
                staged += number(g, "staged");
            }
        }
        assert_int_equal(sum, r.latency_ps);
        assert_int_equal(sum, sum_of(json_object_get(r.o, "stages_sum_ps")));
        assert_int_equal(staged, number(r.o, "staged"));
        report_free(&r);
    }
}

static void the_same_run_gives_the_same_bytes(void **state)
{
    (void)state;
    struct reported a, b;

    report_of(&report_cases[0], &a);
    report_of(&report_cases[0], &b);
    assert_int_equal(a.json_size, b.json_size);
    assert_memory_equal(a.json, b.json, a.json_size);
    assert_string_equal(a.text, b.text);
    report_free(&a);
    report_free(&b);
}

static void lines_of_the_text_fit_120_columns(void **state)
{
    (void)state;

    static const unsigned kinds[] = {0, 2, 5, 6, 9}; /* mix, trains, failures, dma, interrupted */
    for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const unsigned i = kinds[k];
        struct reported r;
        report_of(&report_cases[i], &r);
        for (const char *s = r.text; *s != '\0'; s += strcspn(s, "\n") + 1) {
            if (strcspn(s, "\n") > 120) {
                fail_msg("%s: %.*s", report_cases[i].name, (int)strcspn(s, "\n"), s);
            }
            if (strchr(s, '\n') == NULL) {
                break;
            }
        }
        report_free(&r);
    }
}

static const json_t *at(const json_t *o, const char *a, const char *b, const char *c)
{
    o = json_object_get(o, a);
    o = b == NULL ? o : json_object_get(o, b);
    return c == NULL ? o : json_object_get(o, c);
}

static void check_direction(const json_t *pcie, const char *which, json_int_t elapsed)
{
    static const char *const keys[] = {"tlps", "bytes", "payload_bytes"};
    const json_t *const d = json_object_get(pcie, which);
    const double could =
        (double)number(pcie, "usable_bps") * (double)number(pcie, "links") * (double)elapsed / 8e12;
    const char *name;
    json_t *c;

    for (unsigned k = 0; k < 3; k++) {
        json_int_t sum = 0;
        json_object_foreach(json_object_get(d, "classes"), name, c)
        {
            sum += number(c, keys[k]);
        }
        assert_int_equal(sum, number(d, keys[k]));
    }
    const double want = (double)number(d, "bytes") / could * 1e6;
    assert_true((double)number(d, "utilisation_ppm") - want < 2 &&
                want - (double)number(d, "utilisation_ppm") < 2);
}

static void classes_of_tlps_add_up_and_give_the_utilisation(void **state)
{
    (void)state;
    struct reported r;
    json_t *h;
    size_t n;

    report_of(&report_cases[0], &r);
    json_array_foreach(json_object_get(r.o, "hosts"), n, h)
    {
        check_direction(json_object_get(h, "pcie"), "up", number(r.o, "elapsed_ps"));
        check_direction(json_object_get(h, "pcie"), "down", number(r.o, "elapsed_ps"));
        assert_true(number(at(h, "pcie", "up", NULL), "tlps") > 0);
    }
    report_free(&r);
}

/* Gen3 x16, MPS 256: 126.03 Gb/s raw, 113.70 left by DLLPs and SKP (docs/units/pcie.md). */
static void pcie_rates_are_those_of_the_bandwidth_table(void **state)
{
    (void)state;
    struct reported r;

    report_of(&(struct report_case){.name = "x16",
                                    .spec = report_dma,
                                    .set = {"pcie.gen=3", "pcie.lanes=16", "pcie.mps_bytes=256"}},
              &r);
    const json_t *const pcie =
        json_object_get(json_array_get(json_object_get(r.o, "hosts"), 0), "pcie");
    assert_int_equal((number(pcie, "raw_bps") + 5000000) / 10000000, 12603);
    assert_int_equal((number(pcie, "usable_bps") + 5000000) / 10000000, 11370);
    report_free(&r);
}

/* What one port sent the other accepted, when nothing is lost and nothing is padded. */
static void frames_sent_are_frames_accepted(void **state)
{
    (void)state;
    struct reported r;

    report_of(&report_cases[0], &r);
    const json_t *const hosts = json_object_get(r.o, "hosts");
    for (size_t i = 0; i < 2; i++) {
        const json_t *const a = json_array_get(
                                json_object_get(json_array_get(hosts, i), "adapters"), 0),
                            *const b = json_array_get(
                                json_object_get(json_array_get(hosts, 1 - i), "adapters"), 0);
        const json_t *const tx = at(a, "port", "tx", NULL), *const rx = at(b, "port", "rx", NULL);
        assert_int_equal(number(tx, "frames"), number(rx, "frames"));
        assert_int_equal(number(tx, "bytes"), number(rx, "bytes"));
        assert_true(number(tx, "line_bytes") >= number(rx, "line_bytes"));
        assert_true(number(tx, "frames") > 0);
    }
    report_free(&r);
}

/* Two functions of each adapter share one IOTLB: their requests add up to those of the host. */
static void functions_share_the_requests_of_the_iommu(void **state)
{
    (void)state;
    struct reported r;
    json_t *f;
    size_t n;
    json_int_t hits = 0, misses = 0;

    report_of(
        &(struct report_case){
            .name = "two",
            .spec = "functions: 2\nflows:\n  - op: write\n    qps: 4\n    ops: 80\n"
                    "    size: 3000\n",
        },
        &r);
    const json_t *const host = json_array_get(json_object_get(r.o, "hosts"), 0);
    const json_t *const list = json_object_get(host, "functions");
    json_array_foreach(list, n, f)
    {
        hits += number(f, "hits");
        misses += number(f, "misses");
    }
    assert_true(json_array_size(list) >= 2);
    const json_t *const iotlb = json_array_get(json_object_get(host, "caches"), 0);
    assert_string_equal(json_string_value(json_object_get(iotlb, "name")), "iotlb_4k");
    assert_int_equal(hits, number(iotlb, "hits"));
    assert_int_equal(misses, number(iotlb, "misses"));
    assert_non_null(strstr(r.text, "IOTLB, function 1"));
    report_free(&r);
}

static void receives_are_not_counted_as_goodput(void **state)
{
    (void)state;
    struct reported r;

    report_of(
        &(struct report_case){
            .name = "send",
            .spec = "flows:\n  - op: send\n    ops: 50\n    size: 1000\n    window: 4\n"},
        &r);
    assert_int_equal(number(r.o, "ops_completed"), 100);
    assert_int_equal(number(r.o, "messages"), 50);
    assert_int_equal(number(r.o, "message_bytes"), 50000);
    const double want = 50000 * 8e12 / (double)number(r.o, "elapsed_ps");
    assert_true((double)number(r.o, "goodput_bps") > want - 2 &&
                (double)number(r.o, "goodput_bps") < want + 2);
    report_free(&r);
}

static void set_up_is_not_part_of_the_figures(void **state)
{
    (void)state;
    struct reported r;

    report_of(&(struct report_case){.name = "none", .spec = report_mix, .max_time_ps = 1}, &r);
    const json_t *const host = json_array_get(json_object_get(r.o, "hosts"), 0);
    const json_t *const adapter = json_array_get(json_object_get(host, "adapters"), 0);
    assert_int_equal(number(json_object_get(adapter, "statistics"), "command.done"), 0);
    assert_int_equal(number(at(adapter, "wires", "cmd_irq", NULL), "entries"), 0);
    assert_true(number(r.o, "setup_commands") > 0 && number(r.o, "setup_ps") > 0);
    report_free(&r);
}

/* Occupancy of the wires of an adapter or a host: no mean level above the depth, an entry stays for
 * a cycle at least unless the wire that it came from had it until it was seen. */
static unsigned check_levels(const json_t *side)
{
    const char *name;
    json_t *w;
    unsigned used = 0;

    json_object_foreach(json_object_get(side, "wires"), name, w)
    {
        const int64_t entries = number(w, "entries"), stayed = number(w, "entry_cycles");
        used += entries > 0;
        if (number(w, "mean_level_ppm") > number(w, "depth") * 1000000 || stayed < 0 ||
            (entries == 0 && stayed != 0)) {
            fail_msg("%s: %lld entries, %lld cycles", name, (long long)entries, (long long)stayed);
        }
    }
    return used;
}

static void no_wire_holds_more_than_its_depth(void **state)
{
    (void)state;
    /* The whole run, and one that ends in its midst with entries under way. */
    const uint64_t end_ps[] = {0, 12000000, 17345678};

    for (size_t i = 0; i < sizeof end_ps / sizeof end_ps[0]; i++) {
        struct reported r;
        size_t n;
        json_t *host;
        report_of(&(struct report_case){.name = "lv", .spec = report_mix, .max_time_ps = end_ps[i]},
                  &r);
        json_array_foreach(json_object_get(r.o, "hosts"), n, host)
        {
            const json_t *const adapter = json_array_get(json_object_get(host, "adapters"), 0);
            assert_true(check_levels(host) >= 8);
            assert_true(check_levels(adapter) >= 8);
            /* A TLP is in the wire to the host for the latency of the link, 100 cycles at least. */
            const json_t *const up = at(adapter, "wires", "pcie_out", NULL);
            assert_true(number(up, "entry_cycles") >= 100 * number(up, "entries") - 100 * 64);
        }
        report_free(&r);
    }
}

static void captured_traffic_replayed_asap_says_why(void **state)
{
    (void)state;
    struct reported asap, generated;
    struct report_case x = {.name = "capture"};

    report_of(&x, &asap);
    report_of(&report_cases[0], &generated);
    assert_int_equal(asap.end, REPLAY_DONE);
    assert_non_null(strstr(json_string_value(json_object_get(asap.o, "note")), "emulated CPUs"));
    assert_non_null(strstr(asap.text, "Captured times are not replayed"));
    assert_true(json_is_null(json_object_get(generated.o, "note")));
    assert_null(strstr(generated.text, "Captured times"));
    const json_t *const trace = at(asap.o, "evidence", "trace", NULL);
    assert_int_equal(number(trace, "recorded"), report_imported.fields_recorded);
    assert_int_equal(number(trace, "assumed"), report_imported.fields_assumed);
    assert_true(number(trace, "recorded") > 0 && number(trace, "assumed") > 0);
    assert_true(json_is_null(at(generated.o, "evidence", "trace", NULL)));
    report_free(&asap);
    report_free(&generated);
}

static void trains_and_absent_payload_are_told(void **state)
{
    (void)state;
    struct reported exact, trains, off;

    report_of(&report_cases[0], &exact);
    report_of(&report_cases[1], &off);
    report_of(&report_cases[2], &trains);
    assert_true(json_is_true(json_object_get(exact.o, "tlp_exact")));
    assert_null(strstr(exact.text, "NOT TLP-exact"));
    assert_true(json_is_false(json_object_get(trains.o, "tlp_exact")));
    assert_non_null(strstr(trains.text, "NOT TLP-exact"));
    assert_int_equal(json_array_size(json_object_get(exact.o, "memory_hash")), 2);
    assert_true(json_is_null(json_object_get(off.o, "memory_hash")));
    report_free(&exact);
    report_free(&trains);
    report_free(&off);
}

static void failures_and_lost_packets_are_listed(void **state)
{
    (void)state;
    struct reported lost, failed;

    report_of(&report_cases[4], &lost);
    report_of(&report_cases[5], &failed);
    const json_t *const host = json_array_get(json_object_get(failed.o, "hosts"), 0);
    assert_int_equal(number(failed.o, "ops_failed"), number(failed.o, "ops_completed"));
    const json_t *const first = json_array_get(json_object_get(failed.o, "failures"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "status")), "RETRY_EXC_ERR");
    assert_non_null(strstr(failed.text, "did not end as expected"));
    assert_int_equal(number(failed.o, "goodput_bps"), 0);
    assert_true(
        number(at(json_array_get(json_object_get(host, "adapters"), 0), "port", "faults", NULL),
               "lost") > 0);
    assert_int_equal(number(lost.o, "ops_failed"), 0);
    assert_non_null(strstr(lost.text, "request packets sent again"));
    assert_non_null(strstr(lost.text, "frames sent were lost"));
    report_free(&lost);
    report_free(&failed);
}

static void an_interrupted_run_reports_what_it_waits_for(void **state)
{
    (void)state;
    struct reported r;

    report_of(&report_cases[9], &r);
    assert_int_equal(r.end, REPLAY_STOPPED);
    assert_true(json_is_string(json_object_get(r.o, "waiting")));
    assert_non_null(strstr(r.text, "Waits for"));
    report_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_add_up_to_the_latency_of_every_shown_message_and_of_all),
        cmocka_unit_test(the_same_run_gives_the_same_bytes),
        cmocka_unit_test(lines_of_the_text_fit_120_columns),
        cmocka_unit_test(classes_of_tlps_add_up_and_give_the_utilisation),
        cmocka_unit_test(pcie_rates_are_those_of_the_bandwidth_table),
        cmocka_unit_test(frames_sent_are_frames_accepted),
        cmocka_unit_test(functions_share_the_requests_of_the_iommu),
        cmocka_unit_test(receives_are_not_counted_as_goodput),
        cmocka_unit_test(set_up_is_not_part_of_the_figures),
        cmocka_unit_test(no_wire_holds_more_than_its_depth),
        cmocka_unit_test(captured_traffic_replayed_asap_says_why),
        cmocka_unit_test(trains_and_absent_payload_are_told),
        cmocka_unit_test(failures_and_lost_packets_are_listed),
        cmocka_unit_test(an_interrupted_run_reports_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
