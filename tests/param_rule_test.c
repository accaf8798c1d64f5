/* Rules beside the ranges: allowed single values, refused combinations, clocks, DLLP limits. */
#include "model/param.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define SEE       "; see docs/reference/params.md#"

static struct hca_config config;
static struct hca_error err;

static int fresh(void **state)
{
    (void)state;
    hca_config_default(&config);
    memset(&err, 0, sizeof err);
    return 0;
}

/* Sets each "key=value" of a list separated by spaces; all must pass. */
static void set_all(const char *list)
{
    char copy[256];
    (void)snprintf(copy, sizeof copy, "%s", list);
    for (char *save, *one = strtok_r(copy, " ", &save); one; one = strtok_r(NULL, " ", &save)) {
        assert_string_equal(hca_config_set_argument(&config, one, &err) ? "" : err.text, "");
    }
}

static const char *check(void)
{
    return hca_config_check(&config, &err) ? "accepted" : err.text;
}

static void the_defaults_pass(void **state)
{
    (void)state;
    assert_string_equal(check(), "accepted");
}

/* One row per ALLOW row: a value outside its list, within its range. */
static const struct {
    const char *argument, *message;
} singles[] = {
    {"pcie.lanes=3", "pcie.lanes = 3: must be 1|2|4|8|16 (link widths of the specification)"},
    {"pcie.rcb_bytes=96", "pcie.rcb_bytes = 96: must be 64|128 (Link Control has one bit for it)"},
    {"pcie.tags=64", "pcie.tags = 64: must be 32|256|768 (5, 8 or 10 tag bits)"},
    {"port.ip=5", "port.ip = 5: must be 4|6 (IP versions)"},
    {"port.mtu_bytes=1500",
     "port.mtu_bytes = 1500: must be 256|512|1024|2048|4096 (path MTU codes 1 to 5)"},
    {"port.vl_count=3", "port.vl_count = 3: must be 1|2|4|8|15 (values of VLCap)"},
    {"pcie.mps_bytes=384",
     "pcie.mps_bytes = 384: must be a power of two (Device Control codes it as 128 << n)"},
    {"pcie.mrrs_bytes=4095",
     "pcie.mrrs_bytes = 4095: must be a power of two (Device Control codes it as 128 << n)"},
    {"hca.uar_max=3",
     "hca.uar_max = 3: must be a power of two (the PVRDMA driver refuses other values)"},
    {"hca.mtt_fetch_entries=6",
     "hca.mtt_fetch_entries = 6: must be a power of two (a miss reads an aligned run of entries)"},
    {"host.mem_bytes=16777217", "host.mem_bytes = 16777217: must be a multiple of 2097152 (memory "
                                "is laid out in 2 MiB blocks)"},
};

static void values_outside_their_list_are_refused(void **state)
{
    (void)state;
    size_t rows = 0;
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        rows += hca_param_allowed(hca_param_row((enum hca_param_id)i)) != NULL;
    }
    assert_int_equal(rows, LENGTH(singles)); /* a new ALLOW row needs its row here */
    for (size_t i = 0; i < LENGTH(singles); i++) {
        char expected[256];
        const char *dot = strchr(singles[i].argument, '.');
        (void)snprintf(expected, sizeof expected, "--set: %s" SEE "%.*s-%.*s", singles[i].message,
                       (int)(dot - singles[i].argument), singles[i].argument,
                       (int)strcspn(dot + 1, "="), dot + 1);
        assert_false(hca_config_set_argument(&config, singles[i].argument, &err));
        assert_string_equal(err.text, expected);
    }
}

static void every_listed_value_is_accepted(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "pcie.lanes=1",        "pcie.lanes=2",
        "pcie.lanes=4",        "pcie.lanes=8",
        "pcie.lanes=16",       "pcie.rcb_bytes=64",
        "pcie.rcb_bytes=128",  "pcie.tags=32",
        "pcie.tags=256",       "pcie.tags=768",
        "port.ip=4",           "port.ip=6",
        "port.mtu_bytes=256",  "port.mtu_bytes=4096",
        "port.vl_count=15",    "pcie.mps_bytes=128",
        "pcie.mps_bytes=4096", "hca.uar_max=1",
        "hca.uar_max=4096",    "host.mem_bytes=18874368",
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        set_all(rows[i]);
    }
}

#define SETS " (default) (into a power of two of sets, which index bits pick)"

/* One row per RULE row, in its order: what breaks it, and the message. */
static const struct {
    const char *set, *message;
} combinations[] = {
    {"hca.qp_cache_ways=3", "hca.qp_cache_ways = 3: must divide hca.qp_cache_entries = 1024" SETS},
    {"hca.cq_cache_ways=5", "hca.cq_cache_ways = 5: must divide hca.cq_cache_entries = 1024" SETS},
    {"hca.srq_cache_ways=512",
     "hca.srq_cache_ways = 512: must divide hca.srq_cache_entries = 256" SETS},
    {"hca.mpt_cache_ways=7",
     "hca.mpt_cache_ways = 7: must divide hca.mpt_cache_entries = 2048" SETS},
    {"hca.mtt_cache_ways=9",
     "hca.mtt_cache_ways = 9: must divide hca.mtt_cache_entries = 8192" SETS},
    {"iommu.iotlb_4k_ways=6",
     "iommu.iotlb_4k_ways = 6: must divide iommu.iotlb_4k_entries = 64" SETS},
    {"iommu.iotlb_2m_entries=24 iommu.iotlb_2m_ways=4",
     "iommu.iotlb_2m_ways = 4: must divide iommu.iotlb_2m_entries = 24 (--set) (into a power of "
     "two of sets, which index bits pick)"},
    {"iommu.iotlb_1g_ways=3",
     "iommu.iotlb_1g_ways = 3: must divide iommu.iotlb_1g_entries = 8" SETS},
    {"hca.fn_max=256 hca.qp_max=4097",
     "hca.qp_max = 4097: must not exceed 1048576 when multiplied by hca.fn_max = 256 (--set) (QPs "
     "of one adapter, a bound on memory)"},
    {"hca.pvrdma_version=17",
     "hca.pvrdma_version = 17: knows no other wire than roce1 with port.wire = roce2 (default) "
     "(RoCE v2 came with version 18)"},
    {"hca.pvrdma_version=19 hca.fn_max=2",
     "hca.pvrdma_version = 19: must be 20 with hca.fn_max = 2 (--set) (before it the QP number on "
     "the wire is the handle of one function)"},
    {"hca.fn_max=256 hca.mr_max=65537",
     "hca.mr_max = 65537: must not exceed 16777216 when multiplied by hca.fn_max = 256 (--set) "
     "(key indices have 24 bits)"},
    {"hca.wqe_window_entries=7", "hca.wqe_prefetch_entries = 8: must not exceed "
                                 "hca.wqe_window_entries = 7 (--set) (one fetch has to fit the "
                                 "prefetch buffer)"},
    {"hca.wqe_window_entries=3 hca.wqe_prefetch_entries=1",
     "hca.recv_prefetch_entries = 4: must not exceed hca.wqe_window_entries = 3 (--set) (one "
     "fetch has to fit the prefetch buffer)"},
    {"hca.mtt_cache_entries=8 hca.mtt_fetch_entries=16",
     "hca.mtt_fetch_entries = 16: must not exceed hca.mtt_cache_entries = 8 (--set) (one fetch "
     "has to fit the cache)"},
    {"hca.dma_read_tags=257", "hca.dma_read_tags = 257: must not exceed pcie.tags = 256 (default) "
                              "(each read in flight holds a tag)"},
    {"hca.window_packets=63", "hca.ack_request_packets = 64: must not exceed hca.window_packets = "
                              "63 (--set) (a full window without AckReq would wait for its "
                              "timeout)"},
    {"hca.ack_coalesce_packets=2", "hca.ack_delay_ns = 0: must be above 0 with "
                                   "hca.ack_coalesce_packets = 2 (--set) (a held ACK needs a time "
                                   "at which it leaves)"},
    {"hca.event_moderation_count=2",
     "hca.event_moderation_ns = 0: must be above 0 with hca.event_moderation_count = 2 (--set) (a "
     "held event needs a time at which it leaves)"},
    {"pcie.ack_interval_bytes=16 pcie.fc_interval_bytes=20",
     "pcie.ack_interval_bytes = 16: leaves no room for TLPs together with pcie.fc_interval_bytes = "
     "20 (--set) (a DLLP has 8 bytes; together they may take half of the link)"},
    {"pcie.posted_data_credits=15", "pcie.posted_data_credits = 15: times 16 bytes must not be "
                                    "below pcie.mps_bytes = 256 (default) (one posted TLP needs "
                                    "MPS / 16 data credits)"},
    {"pcie.tags=768", "pcie.tags = 768: is too large for pcie.gen = 3 (default) (10-bit tags came "
                      "with generation 4)"},
    {"host.vms=9 host.hcas=2 hca.fn_max=4",
     "host.vms = 9: must not exceed adapters times hca.fn_max = 4 (--set) (host.vm_requester is "
     "own: one function per VM)"},
    {"host.share_2m_percent=60 host.share_1g_percent=41",
     "host.share_2m_percent = 60: must not exceed 100 together with host.share_1g_percent = 41 "
     "(--set) (shares of the same memory)"},
    {"host.dram_ns=69", "host.dram_ns = 69: must not be below host.llc_hit_ns = 70 (default) (a "
                        "miss looks up the cache first)"},
    {"port.wire=ib port.vlan_id=1", "port.vlan_id = 1: must be 0 with port.wire = ib (--set) "
                                    "(InfiniBand packets have no VLAN tag)"},
    {"port.wire=ib port.pause=true", "port.pause = true: must be false with port.wire = ib "
                                     "(--set) (InfiniBand has credits instead of pause)"},
    {"port.pause=true hca.rx_buffer_bytes=300000",
     "port.pause_xoff_bytes = 393216: must not exceed hca.rx_buffer_bytes = 300000 (--set) (the "
     "pause would never be sent)"},
    {"port.pause=true port.pause_xon_bytes=393217",
     "port.pause_xon_bytes = 393217: must not exceed port.pause_xoff_bytes = 393216 (default) "
     "(the pause would end before it starts)"},
    {"link.switch=false host.count=3", "link.switch = false: must be true with host.count = 3 "
                                       "(--set) (without a switch there is one cable, for two "
                                       "ports)"},
};

enum {
    RULES = 0
#define ALLOW(group, name, list, why)
#define ALLOW_POWER2(group, name, why)
#define ALLOW_MULTIPLE(group, name, step, why)
#define RULE(group, name, ok, other_group, other_name, bound, why) +1
#include "model/spec/param_rule.def"
#undef ALLOW
#undef ALLOW_POWER2
#undef ALLOW_MULTIPLE
#undef RULE
};
_Static_assert(LENGTH(combinations) == RULES, "a new RULE row needs its row here");

static void contradictory_values_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(combinations); i++) {
        const char *message = combinations[i].message;
        const char *dot = strchr(message, '.');
        char expected[512];
        (void)snprintf(expected, sizeof expected, "--set: %s" SEE "%.*s-%.*s", message,
                       (int)(dot - message), message, (int)strcspn(dot + 1, " "), dot + 1);
        (void)fresh(NULL);
        set_all(combinations[i].set);
        assert_string_equal(check(), expected);
    }
}

static void the_last_allowed_combination_passes(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "iommu.iotlb_4k_entries=72 iommu.iotlb_4k_ways=72",
        "iommu.iotlb_4k_entries=72 iommu.iotlb_4k_ways=9",
        "hca.fn_max=256 hca.qp_max=4096",
        "hca.wqe_window_entries=8",
        "hca.dma_read_tags=256",
        "hca.window_packets=64",
        "hca.ack_coalesce_packets=2 hca.ack_delay_ns=1",
        "pcie.posted_data_credits=16",
        "pcie.tags=768 pcie.gen=4 pcie.lanes=8",
        "host.vms=8 host.hcas=2 hca.fn_max=4",
        "host.vms=32 host.vm_requester=shared",
        "host.share_2m_percent=60 host.share_1g_percent=40",
        "port.pause=true hca.rx_buffer_bytes=393216",
        "link.switch=false host.count=2",
        "link.switch=false host.count=1 host.hcas=2",
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        (void)fresh(NULL);
        set_all(rows[i]);
        assert_string_equal(check(), "accepted");
    }
}

static void a_message_blames_the_value_that_the_user_set(void **state)
{
    (void)state;
    assert_true(hca_config_set(&config, "pcie.tags", "32", "a.yaml:4", "a.yaml:4", &err));
    assert_string_equal(check(),
                        "a.yaml:4: hca.dma_read_tags = 256: must not exceed pcie.tags = "
                        "32 (a.yaml:4) (each read in flight holds a tag)" SEE "hca-dma_read_tags");
}

static void more_than_one_tlp_per_cycle_is_refused_with_the_clock_it_needs(void **state)
{
    (void)state;
    /* Gen4 x16: 16 GT/s * 16 * 128/130 / 160 bits = 1575384615.4 TLPs of 20 bytes per second */
    set_all("pcie.gen=4");
    assert_string_equal(check(), "--set: core.clock_khz = 1000000: minimum is 1575385 with "
                                 "pcie.lanes = 16 (Gen4 x16) (one TLP per cycle at most)" SEE
                                 "core-clock_khz");
    set_all("core.clock_khz=1575384");
    assert_non_null(strstr(check(), "minimum is 1575385"));
    set_all("core.clock_khz=1575385");
    assert_string_equal(check(), "accepted");
    set_all("pcie.gen=5 core.clock_khz=3150770");
    assert_string_equal(check(), "accepted");
    set_all("core.clock_khz=3150769");
    assert_non_null(strstr(check(), "minimum is 3150770 with pcie.lanes = 16 (Gen5 x16)"));
}

static void more_than_one_packet_per_cycle_is_refused_with_the_clock_it_needs(void **state)
{
    (void)state;
    /* 800 Gb/s / (84 bytes * 8) = 1190476190.5 frames; 400 Gb/s / (26 * 8) = 1923076923.1 packets
     */
    set_all("port.rate_mbps=800000");
    assert_string_equal(check(), "--set: core.clock_khz = 1000000: minimum is 1190477 with "
                                 "port.rate_mbps = 800000 (one packet per cycle at most)" SEE
                                 "core-clock_khz");
    set_all("core.clock_khz=1190477");
    assert_string_equal(check(), "accepted");
    set_all("port.wire=ib port.rate_mbps=400000");
    assert_non_null(strstr(check(), "minimum is 1923077"));
}

static void link_rates_are_those_of_the_specification(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        uint64_t kbps; /* rounded down */
    } rows[] = {
        {"pcie.gen=1 pcie.lanes=8", 16000000},   {"pcie.gen=2 pcie.lanes=8", 32000000},
        {"pcie.gen=3 pcie.lanes=8", 63015384},   {"pcie.gen=3 pcie.lanes=16", 126030769},
        {"pcie.gen=4 pcie.lanes=16", 252061538}, {"pcie.gen=5 pcie.lanes=16", 504123076},
        {"pcie.gen=1 pcie.lanes=1", 2000000},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        uint64_t num;
        uint64_t den;
        set_all(rows[i].set);
        hca_param_pcie_rate(&config.value, &num, &den);
        assert_int_equal(num / (den * 1000), rows[i].kbps);
    }
}

/* Tables 3-7 to 3-9 of PCIe Base 5.0 for generation 1; 2 adds 51 and 3 to 5 add 96 symbols. */
static const uint64_t ack_limits[5][6] = {
    {237, 416, 559, 1071, 2095, 4143}, {128, 217, 289, 545, 1057, 2081},
    {73, 118, 154, 282, 538, 1050},    {67, 107, 86, 150, 278, 534},
    {48, 72, 86, 150, 278, 534},
};

static void dllp_intervals_are_the_limits_of_the_specification(void **state)
{
    (void)state;
    static const uint64_t more[5] = {0, 51, 96, 96, 96};
    struct hca_param p = config.value;
    for (p.pcie_gen = 1; p.pcie_gen <= 5; p.pcie_gen++) {
        for (unsigned lanes = 0; lanes < 5; lanes++) {
            for (unsigned mps = 0; mps < 6; mps++) {
                p.pcie_lanes = 1u << lanes;
                p.pcie_mps_bytes = 128u << mps;
                const uint64_t limit = ack_limits[lanes][mps] + more[p.pcie_gen - 1];
                assert_int_equal(hca_param_ack_interval_bytes(&p), limit);
                assert_int_equal(hca_param_fc_interval_bytes(&p), limit);
            }
        }
    }
    p.pcie_ack_interval_bytes = 400;
    p.pcie_fc_interval_bytes = 500;
    assert_int_equal(hca_param_ack_interval_bytes(&p), 400);
    assert_int_equal(hca_param_fc_interval_bytes(&p), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_defaults_pass, fresh),
        cmocka_unit_test_setup(values_outside_their_list_are_refused, fresh),
        cmocka_unit_test_setup(every_listed_value_is_accepted, fresh),
        cmocka_unit_test_setup(contradictory_values_are_refused, fresh),
        cmocka_unit_test_setup(the_last_allowed_combination_passes, fresh),
        cmocka_unit_test_setup(a_message_blames_the_value_that_the_user_set, fresh),
        cmocka_unit_test_setup(more_than_one_tlp_per_cycle_is_refused_with_the_clock_it_needs,
                               fresh),
        cmocka_unit_test_setup(more_than_one_packet_per_cycle_is_refused_with_the_clock_it_needs,
                               fresh),
        cmocka_unit_test_setup(link_rates_are_those_of_the_specification, fresh),
        cmocka_unit_test_setup(dllp_intervals_are_the_limits_of_the_specification, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
