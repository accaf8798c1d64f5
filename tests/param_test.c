/* The parameter table and its setter: rows, strict numbers, exact messages, origins, sources. */
#include "model/param.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define SEE       "; see docs/reference/params.md#"

static struct hca_config config, before;
static struct hca_error err;

static int fresh(void **state)
{
    (void)state;
    hca_config_default(&config);
    memset(&err, 0, sizeof err);
    return 0;
}

static bool set(const char *argument)
{
    return hca_config_set_argument(&config, argument, &err);
}

/* Sets, and on a refusal holds the configuration unchanged. */
static const char *refusal(const char *argument)
{
    before = config;
    if (set(argument)) {
        return "accepted";
    }
    assert_memory_equal(&before, &config, sizeof config);
    return err.text;
}

static void every_row_is_complete_and_its_default_passes_the_setter(void **state)
{
    (void)state;
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        char text[32];
        char argument[128];
        assert_ptr_equal(hca_param_find(row->key, strlen(row->key)), row);
        assert_int_equal(hca_param_index(row), i);
        assert_true(strlen(row->source) > 2 && strlen(row->doc) > 2);
        assert_int_equal(row->kind == HCA_PARAM_INT, row->unit[0] != '\0');
        hca_param_text(&config.value, row, text, sizeof text);
        assert_string_not_equal(text, "");
        (void)snprintf(argument, sizeof argument, "%s=%s", row->key, text);
        const uint64_t value = hca_param_get(&config.value, row);
        assert_string_equal(set(argument) ? "" : err.text, "");
        assert_int_equal(hca_param_get(&config.value, row), value);
    }
}

static void groups_stand_together(void **state)
{
    (void)state;
    for (int i = 1; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        const struct hca_param_row *last = hca_param_row((enum hca_param_id)(i - 1));
        if (strcmp(row->group, last->group) != 0) {
            assert_ptr_equal(hca_param_group(row->group), row);
        }
    }
}

static void enumeration_constants_are_the_positions_of_their_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *key, *token;
        uint64_t value;
    } rows[] = {
        {"cpu.completion", "poll", HCA_CPU_COMPLETION_POLL},
        {"cpu.completion", "interrupt", HCA_CPU_COMPLETION_INTERRUPT},
        {"hca.wqe_format", "pvrdma", HCA_HCA_WQE_FORMAT_PVRDMA},
        {"hca.wqe_format", "native", HCA_HCA_WQE_FORMAT_NATIVE},
        {"hca.context_store", "host", HCA_HCA_CONTEXT_STORE_HOST},
        {"hca.context_store", "onboard", HCA_HCA_CONTEXT_STORE_ONBOARD},
        {"pcie.cpl_chunk", "rcb", HCA_PCIE_CPL_CHUNK_RCB},
        {"pcie.cpl_chunk", "mps", HCA_PCIE_CPL_CHUNK_MPS},
        {"iommu.mode", "off", HCA_IOMMU_MODE_OFF},
        {"iommu.mode", "pass", HCA_IOMMU_MODE_PASS},
        {"iommu.mode", "on", HCA_IOMMU_MODE_ON},
        {"host.vm_requester", "own", HCA_HOST_VM_REQUESTER_OWN},
        {"host.vm_requester", "shared", HCA_HOST_VM_REQUESTER_SHARED},
        {"host.layout", "contiguous", HCA_HOST_LAYOUT_CONTIGUOUS},
        {"host.layout", "fragmented", HCA_HOST_LAYOUT_FRAGMENTED},
        {"host.socket", "local", HCA_HOST_SOCKET_LOCAL},
        {"host.socket", "remote", HCA_HOST_SOCKET_REMOTE},
        {"host.buffer_state", "warm", HCA_HOST_BUFFER_STATE_WARM},
        {"host.buffer_state", "cold", HCA_HOST_BUFFER_STATE_COLD},
        {"port.wire", "roce2", HCA_PORT_WIRE_ROCE2},
        {"port.wire", "roce1", HCA_PORT_WIRE_ROCE1},
        {"port.wire", "ib", HCA_PORT_WIRE_IB},
        {"port.udp_sport", "qpn", HCA_PORT_UDP_SPORT_QPN},
        {"port.udp_sport", "fixed", HCA_PORT_UDP_SPORT_FIXED},
    };
    size_t tokens = 0;
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        for (const char *c = row->tokens; row->kind == HCA_PARAM_ENUM && c != NULL; tokens++) {
            c = strchr(c + 1, '|');
        }
    }
    assert_int_equal(tokens, LENGTH(rows)); /* a new token needs its constant, and its row here */
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct hca_param_row *row = hca_param_find(rows[i].key, strlen(rows[i].key));
        char argument[64];
        assert_non_null(row);
        (void)snprintf(argument, sizeof argument, "%s=%s", rows[i].key, rows[i].token);
        assert_true(set(argument));
        assert_int_equal(hca_param_get(&config.value, row), rows[i].value);
    }
}

static void integers_end_at_their_bounds(void **state)
{
    (void)state;
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        char argument[128];
        char expected[64];
        if (row->kind != HCA_PARAM_INT) {
            continue;
        }
        for (int side = 0; side < 2; side++) {
            const uint64_t bound = side == 0 ? row->min : row->max;
            (void)snprintf(argument, sizeof argument, "%s=%" PRIu64, row->key, bound);
            if (hca_param_allowed(row) == NULL) {
                assert_string_equal(set(argument) ? "" : err.text, "");
                assert_int_equal(hca_param_get(&config.value, row), bound);
            }
            assert_true(bound <= INT64_MAX); /* what JSON readers hold as an integer */
            if (side == 0 && bound == 0) {
                continue; /* what lies below is not a u64 */
            }
            (void)snprintf(argument, sizeof argument, "%s=%" PRIu64, row->key,
                           side == 0 ? bound - 1 : bound + 1);
            (void)snprintf(expected, sizeof expected, ": %s is %" PRIu64 " (",
                           side == 0 ? "minimum" : "maximum", bound);
            assert_non_null(strstr(refusal(argument), expected));
        }
    }
}

static void numbers_are_decimal_or_hexadecimal(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } rows[] = {
        {"1", 1},         {"65535", 65535}, {"0x1", 1},    {"0xfFfF", 65535},
        {"0X00ff", 0xff}, {"10", 10},       {"0x010", 16},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char argument[64];
        (void)snprintf(argument, sizeof argument, "hca.qp_max=%s", rows[i].text);
        assert_string_equal(set(argument) ? "" : err.text, "");
        assert_int_equal(config.value.hca_qp_max, rows[i].value);
    }
    assert_true(set("sim.seed=0x7fffffffffffffff"));
    assert_int_equal(config.value.sim_seed, INT64_MAX);
    assert_true(set("sim.seed=9223372036854775807"));
    assert_int_equal(config.value.sim_seed, INT64_MAX);
}

#define QP_MIN  ": minimum is 1 (QPs per function, in QPs)" SEE "hca-qp_max"
#define QP_MAX  ": maximum is 65535 (QPs per function, in QPs)" SEE "hca-qp_max"
#define QP_INT  " (an integer in QPs)" SEE "hca-qp_max"
#define QP_NONE ": not a number: write decimal digits, or 0x and hexadecimal digits" QP_INT
#define QP_SUFF ": suffixes are not read: write the whole number" QP_INT
#define QP_FRAC ": not an integer: write the whole number" QP_INT
#define QP_ZERO ": leading zero: write decimal without it or hexadecimal with 0x" QP_INT

static void a_refusal_names_place_value_bound_reason_and_page(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *message;
    } rows[] = {
        {"hca.qp_max=0", "--set: hca.qp_max = 0" QP_MIN},
        {"hca.qp_max=65536", "--set: hca.qp_max = 65536" QP_MAX},
        {"hca.qp_max=-5", "--set: hca.qp_max = -5" QP_MIN},
        {"hca.qp_max=0x10000", "--set: hca.qp_max = 0x10000" QP_MAX},
        {"hca.qp_max=18446744073709551617", "--set: hca.qp_max = 18446744073709551617" QP_MAX},
        {"hca.qp_max=0x10000000000000001", "--set: hca.qp_max = 0x10000000000000001" QP_MAX},
        {"hca.qp_max=012", "--set: hca.qp_max = 012" QP_ZERO},
        {"hca.qp_max=64k", "--set: hca.qp_max = 64k" QP_SUFF},
        {"hca.qp_max=1.5", "--set: hca.qp_max = 1.5" QP_FRAC},
        {"hca.qp_max=1e3", "--set: hca.qp_max = 1e3" QP_FRAC},
        {"hca.qp_max=", "--set: hca.qp_max = : no value" QP_INT},
        {"hca.qp_max= 4", "--set: hca.qp_max =  4" QP_NONE},
        {"hca.qp_max=4 ", "--set: hca.qp_max = 4 " QP_NONE},
        {"hca.qp_max=+4", "--set: hca.qp_max = +4" QP_NONE},
        {"hca.qp_max=-", "--set: hca.qp_max = -" QP_NONE},
        {"hca.qp_max=0x", "--set: hca.qp_max = 0x" QP_NONE},
        {"hca.qp_max=0x4g", "--set: hca.qp_max = 0x4g" QP_NONE},
        {"hca.qp_max=1_000", "--set: hca.qp_max = 1_000" QP_NONE},
        {"hca.qp_max=many", "--set: hca.qp_max = many" QP_NONE},
        {"hca.qp_max=1\n2\x7f\xc3", "--set: hca.qp_max = 1?2??" QP_NONE},
        {"port.wire=eth", "--set: port.wire = eth: must be roce2|roce1|ib (RoCE v2, RoCE v1 or "
                          "InfiniBand)" SEE "port-wire"},
        {"port.wire=",
         "--set: port.wire = : no value (RoCE v2, RoCE v1 or InfiniBand)" SEE "port-wire"},
        {"port.wire=roce", "--set: port.wire = roce: must be roce2|roce1|ib (RoCE v2, RoCE v1 or "
                           "InfiniBand)" SEE "port-wire"},
        {"pcie.ecrc=yes", "--set: pcie.ecrc = yes: must be false|true (TLPs carry the 4-byte "
                          "ECRC)" SEE "pcie-ecrc"},
        {"pcie.ecrc=1", "--set: pcie.ecrc = 1: must be false|true (TLPs carry the 4-byte "
                        "ECRC)" SEE "pcie-ecrc"},
        {"hca.qp_mux=4", "--set: unknown parameter 'hca.qp_mux'; did you mean 'hca.qp_max'?"},
        {"qp_max=4", "--set: unknown parameter 'qp_max'; did you mean 'hca.qp_max'?"},
        {"hca.rate_mbps=1", "--set: unknown parameter 'hca.rate_mbps'; did you mean "
                            "'port.rate_mbps'?"},
        {"volume=11", "--set: unknown parameter 'volume'; hcasim params lists all"},
        {"hca.qp_max", "--set: 'hca.qp_max': write key=value, as in --set hca.qp_max=1024"},
        {"=4", "--set: '=4': write key=value, as in --set hca.qp_max=1024"},
        {"", "--set: '': write key=value, as in --set hca.qp_max=1024"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        assert_string_equal(refusal(rows[i].argument), rows[i].message);
    }
}

static void a_key_of_any_length_is_refused_in_one_line(void **state)
{
    (void)state;
    static char argument[100000];
    memset(argument, 'q', sizeof argument);
    memcpy(argument + sizeof argument - 3, "=1", 3);
    const char *text = refusal(argument);
    assert_non_null(strstr(text, "unknown parameter 'qqqqqqqq"));
    assert_non_null(strstr(text, "...'; hcasim params lists all"));
    assert_true(strlen(text) < 160);
}

static void a_value_of_any_length_is_refused_in_one_line(void **state)
{
    (void)state;
    static char argument[100000] = "hca.qp_max=";
    memset(argument + strlen(argument), '9', sizeof argument - 12);
    const char *text = refusal(argument);
    assert_non_null(strstr(text, "999...: maximum is 65535"));
    assert_true(strlen(text) < 200);
}

static void a_value_remembers_where_it_came_from(void **state)
{
    (void)state;
    const struct hca_origin *o = &config.origin[HCA_PARAM_hca_qp_max];
    assert_string_equal(o->place, "default");
    assert_int_equal(o->source_class, HCA_SOURCE_SPEC);
    assert_true(hca_config_set(&config, "hca.qp_max", "7", "lab.yaml:3", "preset small", &err));
    assert_string_equal(o->place, "preset small");
    assert_int_equal(o->source_class, HCA_SOURCE_ASSUMED);
    assert_string_equal(o->source, "set by preset small");
    assert_true(set("hca.qp_max=8"));
    assert_string_equal(o->place, "--set");
}

static void the_end_of_a_long_place_is_kept(void **state)
{
    (void)state;
    char place[400];
    memset(place, 'd', sizeof place);
    memcpy(place + sizeof place - 13, "/lab.yaml:12", 13);
    assert_true(hca_config_set(&config, "hca.qp_max", "7", place, place, &err));
    const char *kept = config.origin[HCA_PARAM_hca_qp_max].place;
    assert_int_equal(strlen(kept), HCA_PLACE_MAX - 1);
    assert_memory_equal(kept, "...ddd", 6);
    assert_string_equal(kept + strlen(kept) - 12, "/lab.yaml:12");
}

static void a_source_is_a_class_and_a_text(void **state)
{
    (void)state;
    const struct hca_origin *o = &config.origin[HCA_PARAM_hca_qp_max];
    assert_true(hca_config_source(&config, "hca.qp_max", "MEASURED: a log", "f:1", &err));
    assert_int_equal(o->source_class, HCA_SOURCE_MEASURED);
    assert_string_equal(o->source, "a log");
    static const char *const wrong[] = {"",           "a log",           "MEASURED",   "MEASURED:",
                                        "MEASURED: ", "measured: a log", "GUESSED: x", "SPECS: x"};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        assert_false(hca_config_source(&config, "hca.qp_max", wrong[i], "f:1", &err));
        assert_non_null(strstr(err.text, "f:1: source of hca.qp_max = '"));
        assert_int_equal(o->source_class, HCA_SOURCE_MEASURED);
    }
    assert_false(hca_config_source(&config, "hca.qp_mux", "SPEC: x", "f:1", &err));
    assert_string_equal(err.text, "f:1: unknown parameter 'hca.qp_mux'; did you mean "
                                  "'hca.qp_max'?");
}

static void evidence_counts_each_value_once(void **state)
{
    (void)state;
    unsigned count[HCA_SOURCES];
    unsigned after[HCA_SOURCES];
    hca_config_evidence(&config, count);
    assert_int_equal(count[0] + count[1] + count[2], HCA_PARAM_COUNT);
    assert_true(set("hca.qp_max=7")); /* from SPEC to ASSUMED */
    hca_config_evidence(&config, after);
    assert_int_equal(after[HCA_SOURCE_SPEC], count[HCA_SOURCE_SPEC] - 1);
    assert_int_equal(after[HCA_SOURCE_ASSUMED], count[HCA_SOURCE_ASSUMED] + 1);
}

static void the_printed_page_opens_with_the_assumed(void **state)
{
    (void)state;
    static char page[200000];
    FILE *out = fmemopen(page, sizeof page, "w");
    assert_non_null(out);
    param_print_markdown(out);
    assert_int_equal(fclose(out), 0);
    unsigned count[HCA_SOURCES];
    hca_config_evidence(&config, count);
    char text[128];
    (void)snprintf(text, sizeof text, "%u of %d defaults", count[HCA_SOURCE_ASSUMED],
                   HCA_PARAM_COUNT);
    const char *assumed = strstr(page, "\n## ");
    assert_memory_equal(assumed, "\n## Assumed", 11);
    assert_non_null(strstr(assumed, text));
    const char *groups = strstr(page, "\n## core");
    assert_non_null(groups);
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        (void)snprintf(text, sizeof text, "| [%s](#%s-%s) |", row->key, row->group, row->name);
        const char *listed = strstr(assumed, text);
        assert_int_equal(listed != NULL && listed < groups,
                         row->source_class == HCA_SOURCE_ASSUMED);
        (void)snprintf(text, sizeof text, "<a id=\"%s-%s\"></a>`%s`", row->group, row->name,
                       row->key);
        assert_non_null(strstr(groups, text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_row_is_complete_and_its_default_passes_the_setter, fresh),
        cmocka_unit_test_setup(groups_stand_together, fresh),
        cmocka_unit_test_setup(enumeration_constants_are_the_positions_of_their_tokens, fresh),
        cmocka_unit_test_setup(integers_end_at_their_bounds, fresh),
        cmocka_unit_test_setup(numbers_are_decimal_or_hexadecimal, fresh),
        cmocka_unit_test_setup(a_refusal_names_place_value_bound_reason_and_page, fresh),
        cmocka_unit_test_setup(a_key_of_any_length_is_refused_in_one_line, fresh),
        cmocka_unit_test_setup(a_value_of_any_length_is_refused_in_one_line, fresh),
        cmocka_unit_test_setup(a_value_remembers_where_it_came_from, fresh),
        cmocka_unit_test_setup(the_end_of_a_long_place_is_kept, fresh),
        cmocka_unit_test_setup(a_source_is_a_class_and_a_text, fresh),
        cmocka_unit_test_setup(evidence_counts_each_value_once, fresh),
        cmocka_unit_test_setup(the_printed_page_opens_with_the_assumed, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
