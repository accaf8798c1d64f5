/* What a message costs in TLPs, in bytes on PCIe and in bytes on the wire: counters of whole runs
 * against arithmetic that is written out here and uses nothing of the model. */
#include "bench/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MESSAGES = 12, MPS = 256, MRRS = 512, FRAMING = 8, CQE = 64 };

static uint64_t parts(uint64_t bytes, uint64_t part)
{
    return (bytes + part - 1) / part;
}

static struct hca_param base(void)
{
    struct hca_param p;

    hca_param_default(&p);
    p.hca_wqe_format = HCA_HCA_WQE_FORMAT_NATIVE;
    p.hca_wqe_mmio_bytes = 0;
    p.pcie_mps_bytes = MPS;
    p.pcie_mrrs_bytes = MRRS;
    p.host_mem_bytes = 64 << 20;
    return p;
}

/* n messages from host 0 to host 1, one at a time, each from and to the start of a page. */
static void run(const struct hca_param *p, const char *op, uint64_t bytes, uint64_t mtu,
                const char *more, unsigned n, struct scenario_stats *s)
{
    struct scenario_run r = {.stats = s};
    char spec[400];

    memset(s, 0, sizeof *s);
    snprintf(spec, sizeof spec,
             "flows:\n  - pattern: bw\n    op: %s\n    ops: %u\n    size: %llu\n    mtu: %llu\n"
             "    memory: {align: 4096}\n%s",
             op, n, (unsigned long long)bytes, (unsigned long long)mtu, more);
    scenario_trace(p, spec, false, &r);
    assert_int_equal(r.ops, n);
}

/* --- PCIe --- */

struct cost {
    uint64_t tlps, payload, bytes;
};

/* Payload of one message in TLPs of `most` bytes with a header of `header` bytes; packets of an MTU
 * are moved one by one, and a TLP carries whole double words. */
static struct cost moved(uint64_t bytes, uint64_t mtu, uint64_t most, uint64_t header)
{
    struct cost c = {0, 0, 0};

    for (uint64_t at = 0; at < bytes; at += mtu) {
        const uint64_t packet = bytes - at < mtu ? bytes - at : mtu;
        c.tlps += parts(packet, most);
        c.payload += parts(packet, 4) * 4;
    }
    c.bytes = c.payload + c.tlps * (FRAMING + header);
    return c;
}

static struct cost asked(uint64_t bytes, uint64_t mtu, uint64_t header)
{
    struct cost c = moved(bytes, mtu, MRRS, header);

    c.bytes -= c.payload;
    c.payload = 0;
    return c;
}

static void same(struct cost got, struct cost want, const char *what, uint64_t bytes, uint64_t mtu)
{
    if (got.tlps != MESSAGES * want.tlps || got.payload != MESSAGES * want.payload ||
        got.bytes != MESSAGES * want.bytes) {
        fail_msg("%s of %u B at MTU %u: %llu TLPs, %llu payload, %llu bytes; want %u times "
                 "%llu, %llu, %llu",
                 what, (unsigned)bytes, (unsigned)mtu, (unsigned long long)got.tlps,
                 (unsigned long long)got.payload, (unsigned long long)got.bytes, MESSAGES,
                 (unsigned long long)want.tlps, (unsigned long long)want.payload,
                 (unsigned long long)want.bytes);
    }
}

static struct cost up(const struct hca_stat *s)
{
    return (struct cost){s->pcie_up_tlps_payload, s->pcie_up_payload_payload,
                         s->pcie_up_bytes_payload};
}

static struct cost down(const struct hca_stat *s)
{
    return (struct cost){s->root_dn_tlps_payload, s->root_dn_payload_payload,
                         s->root_dn_bytes_payload};
}

/* Buffers lie above 4 GiB on the bus: requests have headers of 4 double words, completions of 3.
 * VT-d changes none of it. */
static void payload_costs_the_tlps_and_bytes_of_the_formulas(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 64, 255, 256, 257, 512, 1000, 4096, 10000};
    static const char *const ops[] = {"write", "send", "read"};
    static const uint64_t mtus[] = {1024, 4096};
    struct scenario_stats s;

    for (unsigned i = 0; i < 9 * 3 * 2; i++) {
        const uint64_t bytes = sizes[i % 9], mtu = mtus[i / 9 % 2];
        const char *const op = ops[i / 18];
        const bool vtd = i % 2 != 0, read = op[0] == 'r', send = op[0] == 's';
        struct hca_param p = base();
        if (send && bytes > 4096) {
            continue; /* receive buffers of more than a page do not begin at pages */
        }
        p.iommu_mode = vtd ? HCA_IOMMU_MODE_ON : HCA_IOMMU_MODE_OFF;
        run(&p, op, bytes, mtu, "    window: 1\n", MESSAGES, &s);
        const unsigned from = read, to = !read;
        const uint64_t header = 16;
        same(up(&s.hca[from]), asked(bytes, mtu, header), "requests", bytes, mtu);
        same(down(&s.host[from]), moved(bytes, mtu, MPS, 12), "completions", bytes, mtu);
        same(up(&s.hca[to]), moved(bytes, mtu, MPS, header), "writes", bytes, mtu);
        assert_int_equal(down(&s.host[to]).tlps, 0);
        assert_int_equal(s.hca[0].pcie_up_tlps_cqe, MESSAGES);
        assert_int_equal(s.hca[0].pcie_up_bytes_cqe, MESSAGES * (CQE + FRAMING + header));
        assert_int_equal(s.hca[1].pcie_up_tlps_cqe, send ? MESSAGES : 0);
    }
}

/* One 8-byte doorbell (the BAR lies above 4 GiB) and one unit of 64 bytes read by DMA. */
static void a_native_write_costs_one_doorbell_and_one_unit(void **state)
{
    (void)state;
    struct hca_param p = base();
    struct scenario_stats s;

    run(&p, "write", 4096, 4096, "    window: 1\n", MESSAGES, &s);
    assert_int_equal(s.host[0].root_dn_tlps_doorbell, MESSAGES);
    assert_int_equal(s.host[0].root_dn_bytes_doorbell, MESSAGES * (8 + FRAMING + 16));
    assert_int_equal(s.host[0].root_dn_tlps_wqe, MESSAGES);
    assert_int_equal(s.host[0].root_dn_bytes_wqe, MESSAGES * (64 + FRAMING + 12));
    assert_int_equal(s.hca[0].pcie_up_tlps_wqe, MESSAGES);
}

/* C-K2: Kalia, Kaminsky and Andersen, USENIX ATC 2016, appendix A: ten WQEs of 65 bytes cost
 * 10 * ceil(65 / 64) * (64 + 26) = 1800 bytes by write-combined MMIO and (8 + 26) + 10 * (128 + 22)
 * = 1534 by one doorbell and completions of 128 bytes. Their headers are 2 bytes longer than ours;
 * TLPs and payload are counted by the model, headers of 26 and 22 are theirs. */
static void ten_wqes_of_65_bytes_cost_1800_bytes_by_mmio_and_1534_by_doorbell(void **state)
{
    (void)state;
    static const char each[] = "    window: 10\n    inline_max: 220\n";
    static const char ten[] = "    window: 10\n    batch: 10\n    inline_max: 220\n";
    enum { WQES = 10, INLINE = 65 - 36, PR = 26, PC = 22 };
    struct hca_param p = base();
    struct scenario_stats s;
    const struct hca_stat *const h = &s.host[0];

    p.hca_wqe_mmio_bytes = 256;
    run(&p, "write", INLINE, 4096, each, WQES, &s);
    assert_int_equal(h->root_dn_tlps_doorbell, 0);
    assert_int_equal(h->root_dn_payload_wqe + h->root_dn_tlps_wqe * PR, 1800);
    assert_int_equal(h->root_dn_bytes_wqe, 1800 - 20 * 2);

    p.hca_wqe_mmio_bytes = 0;
    p.cpu_doorbell_batch = WQES;
    p.pcie_rcb_bytes = 128;
    p.pcie_cpl_chunk = HCA_PCIE_CPL_CHUNK_RCB;
    run(&p, "write", INLINE, 4096, ten, WQES, &s);
    assert_int_equal(h->root_dn_tlps_doorbell, 1);
    const uint64_t doorbell = h->root_dn_payload_doorbell + PR;
    assert_int_equal(doorbell + h->root_dn_payload_wqe + h->root_dn_tlps_wqe * PC, 1534);
    assert_int_equal(h->root_dn_bytes_doorbell + h->root_dn_bytes_wqe, 1534 - 11 * 2);
}

/* --- wire --- */

static const struct wire_row {
    const char *name;
    uint64_t wire, ip, vlan, grh;
    uint64_t headers; /* all before BTH, and ICRC, FCS or VCRC behind                   */
    uint64_t around;  /* preamble and gap, or the two delimiters                        */
} wires[] = {
    {"RoCE v2 IPv4", HCA_PORT_WIRE_ROCE2, 4, 0, 0, 14 + 20 + 8 + 4 + 4, 8 + 12},
    {"RoCE v2 IPv4 VLAN", HCA_PORT_WIRE_ROCE2, 4, 7, 0, 18 + 20 + 8 + 4 + 4, 8 + 12},
    {"RoCE v2 IPv6", HCA_PORT_WIRE_ROCE2, 6, 0, 0, 14 + 40 + 8 + 4 + 4, 8 + 12},
    {"RoCE v2 IPv6 VLAN", HCA_PORT_WIRE_ROCE2, 6, 7, 0, 18 + 40 + 8 + 4 + 4, 8 + 12},
    {"RoCE v1", HCA_PORT_WIRE_ROCE1, 4, 0, 0, 14 + 40 + 4 + 4, 8 + 12},
    {"RoCE v1 VLAN", HCA_PORT_WIRE_ROCE1, 4, 7, 0, 18 + 40 + 4 + 4, 8 + 12},
    {"InfiniBand", HCA_PORT_WIRE_IB, 4, 0, 0, 8 + 4 + 2, 2},
    {"InfiniBand GRH", HCA_PORT_WIRE_IB, 4, 0, 1, 8 + 40 + 4 + 2, 2},
};
enum { WIRES = sizeof wires / sizeof wires[0], BTH = 12, RETH = 16, AETH = 4, FRAME_MIN = 64 };

static uint64_t on_line(const struct wire_row *w, uint64_t behind_bth)
{
    const uint64_t frame = w->headers + BTH + behind_bth;
    const bool ethernet = w->wire != HCA_PORT_WIRE_IB;

    return w->around + (ethernet && frame < FRAME_MIN ? (uint64_t)FRAME_MIN : frame);
}

/* A WRITE: RETH in its first packet, payload padded to double words; one ACK with AETH. */
static void check_wire(const struct wire_row *w, uint64_t bytes, uint64_t mtu)
{
    struct hca_param p = base();
    struct scenario_stats s;
    const uint64_t packets = bytes == 0 ? 1 : parts(bytes, mtu);
    uint64_t line = 0;

    p.port_wire = w->wire;
    p.port_ip = w->ip;
    p.port_vlan_id = w->vlan;
    p.port_ib_grh = w->grh;
    p.port_mtu_bytes = mtu;
    for (uint64_t i = 0; i < packets; i++) {
        const uint64_t left = bytes - i * mtu, payload = left < mtu ? left : mtu;
        line += on_line(w, (i == 0 ? RETH : 0U) + parts(payload, 4) * 4);
    }
    run(&p, "write", bytes, mtu, "    window: 1\n", MESSAGES, &s);
    const uint64_t control = s.hca[0].mac_tx_fc_packets + s.hca[1].mac_tx_fc_packets;
    if (s.hca[0].mac_tx_frames != MESSAGES * packets || s.hca[1].mac_tx_frames != MESSAGES ||
        s.hca[0].mac_tx_line_bytes != MESSAGES * line ||
        s.hca[1].mac_tx_line_bytes != MESSAGES * on_line(w, AETH)) {
        fail_msg("%s, %u B at MTU %u: %llu and %llu frames, %llu and %llu bytes (%llu control); "
                 "want %u times %llu and 1, %llu and %llu",
                 w->name, (unsigned)bytes, (unsigned)mtu,
                 (unsigned long long)s.hca[0].mac_tx_frames,
                 (unsigned long long)s.hca[1].mac_tx_frames,
                 (unsigned long long)s.hca[0].mac_tx_line_bytes,
                 (unsigned long long)s.hca[1].mac_tx_line_bytes, (unsigned long long)control,
                 MESSAGES, (unsigned long long)packets, (unsigned long long)line,
                 (unsigned long long)on_line(w, AETH));
    }
}

static void framing_costs_the_bytes_of_each_wire_at_each_mtu(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 256};

    for (unsigned w = 0; w < WIRES; w++) {
        for (uint64_t mtu = 256; mtu <= 4096; mtu *= 2) {
            check_wire(&wires[w], 5001, mtu);
        }
        for (unsigned i = 0; i < 3; i++) {
            check_wire(&wires[w], sizes[i], 1024);
        }
    }
}

/* The table of goodput: 1 MiB at MTU 4096 takes 82 bytes per packet and 16 per message on RoCE v2
 * with IPv4, 26 and 16 on InfiniBand without its delimiters. */
static void overheads_are_those_of_the_published_table(void **state)
{
    (void)state;
    assert_int_equal(on_line(&wires[0], 4096) - 4096, 82);
    assert_int_equal(on_line(&wires[2], 4096) - 4096, 102);
    assert_int_equal(on_line(&wires[1], 4096) - 4096, 86);
    assert_int_equal(on_line(&wires[6], 4096) - 4096 - wires[6].around, 26);
    assert_int_equal(on_line(&wires[7], 4096) - 4096 - wires[7].around, 66);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payload_costs_the_tlps_and_bytes_of_the_formulas),
        cmocka_unit_test(a_native_write_costs_one_doorbell_and_one_unit),
        cmocka_unit_test(ten_wqes_of_65_bytes_cost_1800_bytes_by_mmio_and_1534_by_doorbell),
        cmocka_unit_test(framing_costs_the_bytes_of_each_wire_at_each_mtu),
        cmocka_unit_test(overheads_are_those_of_the_published_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
