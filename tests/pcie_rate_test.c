/* pcie rates: both serialisers against the bandwidth table of docs/units/pcie.md, section
 * "Bandwidth". The oracle is written out as numbers; the units carry real streams of TLPs. */
#include "tests/unit.h"

#include <math.h>
#include <stdio.h>

enum { OPS = 600, MRRS = 512 };
static const uint64_t high = UINT64_C(1) << 38;

static const struct row {
    unsigned gen, lanes, mps;
    double write[4], read[4]; /* Gb/s at 64, 256, 1024, 4096 B */
} table[] = {
    {3, 8, 256, {42.1, 52.9, 52.9, 52.9}, {44.1, 53.7, 53.7, 53.7}},
    {3, 16, 256, {82.7, 104.0, 104.0, 104.0}, {86.6, 105.5, 105.5, 105.5}},
    {4, 16, 256, {165.4, 207.9, 207.9, 207.9}, {173.3, 210.9, 210.9, 210.9}},
    {4, 16, 512, {166.7, 209.6, 219.0, 219.0}, {174.7, 212.6, 220.6, 220.6}},
    {5, 16, 256, {330.8, 415.8, 415.8, 415.8}, {346.5, 421.8, 421.8, 421.8}},
    {5, 16, 512, {333.4, 419.2, 438.0, 438.0}, {349.3, 425.3, 441.3, 441.3}},
};
static const uint32_t sizes[] = {64, 256, 1024, 4096};
enum { ROWS = sizeof table / sizeof table[0] };

/* The formulas behind the table. Raw rate after 128b/130b; DLLPs of 8 bytes every interval for ACK
 * and for UpdateFC, 4 bytes of SKP in 1538; MWr 24, MRd 24, CplD 20 bytes beside the payload. */
static double line_gbps(const struct row *w)
{
    const double raw = (w->gen == 3 ? 8 : w->gen == 4 ? 16 : 32) * w->lanes * 128 / 130.0;
    const double interval = w->mps == 512 ? 182 : w->lanes == 8 ? 203 : 168;

    return raw * (1 - 8 / interval - 8 / interval - 4 / 1538.0);
}

static double write_gbps(const struct row *w, double bytes)
{
    return line_gbps(w) * bytes / (bytes + ceil(bytes / w->mps) * 24);
}

static double read_gbps(const struct row *w, double bytes)
{
    const double down = (bytes + ceil(bytes / w->mps) * 20) / line_gbps(w);
    const double up = ceil(bytes / MRRS) * 24 / line_gbps(w);

    return bytes / (down > up ? down : up);
}

/* Reads and writes of equal number, each way: the upward line carries writes and requests. */
static double both_gbps(const struct row *w, double bytes)
{
    const double up = ceil(bytes / w->mps) * 24 + bytes + ceil(bytes / MRRS) * 24;
    const double down = ceil(bytes / w->mps) * 20 + bytes;

    return line_gbps(w) * bytes / (up > down ? up : down);
}

static struct hca_param of_row(const struct row *w)
{
    struct hca_param p = unit_param();

    p.pcie_gen = w->gen;
    p.pcie_lanes = w->lanes;
    p.pcie_mps_bytes = w->mps;
    p.pcie_mrrs_bytes = MRRS;
    p.pcie_latency_up_ns = p.pcie_latency_down_ns = 0;  /* the test takes only what has arrived */
    p.core_clock_khz = w->gen == 3 ? 1000000 : 3200000; /* one TLP per cycle at most */
    return p;
}

static double gbps(const struct hca_param *p, double bytes, uint64_t cycles)
{
    return bytes * 8 * (double)p->core_clock_khz / 1e6 / (double)cycles;
}

/* Payload rate of `bytes` per operation, upwards: writes, reads or both as flags say. The stream
 * never ends while it is measured, credits come back at once. */
enum { WRITES = 1, READS = 2 };

struct stream {
    uint32_t left, done; /* bytes of the write under way; writes handed over */
    uint64_t requests;   /* read requests handed over                        */
};

static void feed(struct hca *h, struct stream *s, uint32_t bytes, unsigned what)
{
    h->y.t.now = h->y.k.now;
    if ((what & WRITES) != 0 && READY(&h->y.t, &h->up_wr)) {
        s->left = s->left == 0 ? bytes : s->left;
        const uint32_t mps = (uint32_t)h->y.p.pcie_mps_bytes, n = s->left < mps ? s->left : mps;
        UNIT_PUSH(h, up_wr, tlp, .type = TLP_MWR, .addr = high, .len = n, .slot = NO_SLOT);
        s->left -= n;
        s->done += s->left == 0;
    }
    /* with both, the requests of a read follow each write that was handed over */
    const uint32_t requests = what == READS ? 1 : (bytes + MRRS - 1) / MRRS;
    const bool read =
        (what & READS) != 0 && (s->requests < (uint64_t)s->done * requests || what == READS);
    if (read && READY(&h->y.t, &h->up_rd)) {
        UNIT_PUSH(h, up_rd, tlp, .type = TLP_MRD, .addr = high,
                  .len = what == READS ? bytes : MRRS);
        s->requests++;
    }
}

static double up_rate(const struct hca_param *p, uint32_t bytes, unsigned what)
{
    struct hca_param q = *p;
    struct stream s = {0, 0, 0};
    uint64_t sent = 0, first = 0;
    double payload = 0;

    q.sim_payload = 0; /* lengths only; every timestamp is the same */
    struct hca *const h = unit_hca(&q, 1ULL << U_pcie);
    h->y.outs = 0;
    h->y.trace.mask = 0;
    for (uint64_t last = 0;;) {
        struct tlp m;
        feed(h, &s, bytes, what);
        unit_run(h, 1);
        if (UNIT_POP(h, pcie_out, &m)) {
            h->u_pcie.s.ph = h->u_pcie.s.pd = h->u_pcie.s.nph = 1000;
            last = m.at;
            sent++;
            if (sent == 200) { /* the pipe is full */
                first = last;
                payload = 0;
            } else if (m.type == TLP_MWR || what == READS) {
                payload += m.len;
            }
            if (sent == 200 + 2 * OPS) {
                hca_close(h);
                return gbps(p, payload, last - first);
            }
        }
    }
}

static double down_rate(const struct hca_param *p, uint32_t bytes)
{
    struct host *const h = unit_host(p, 1ULL << U_root);
    uint64_t first = 0, ops = 0;

    h->y.outs = 0;
    for (;;) {
        struct tlp m;
        h->y.t.now = h->y.k.now;
        if (READY(&h->y.t, &h->mem_done)) {
            UNIT_PUSH_HOST(h, mem_done, tlp, .type = TLP_MRD, .addr = high, .len = bytes);
        }
        unit_run_host(h, 1);
        if (!UNIT_POP_HOST(h, dn_tlp, &m) || m.left != m.len) {
            continue;
        }
        first = ++ops == 20 ? m.at : first;
        if (ops == 20 + OPS) {
            const uint64_t took = m.at - first;
            host_close(h);
            return gbps(p, (double)bytes * OPS, took);
        }
    }
}

static void expect(double got, double want, const char *what, unsigned row, uint32_t bytes)
{
    if (fabs(got - want) > want * 0.005) {
        print_error("row %u, %s of %u B: %.2f Gb/s, want %.2f\n", row, what, bytes, got, want);
        fail();
    }
}

static void writes_reach_the_rate_of_the_table(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        const struct hca_param p = of_row(&table[i]);
        for (unsigned s = 0; s < 4; s++) {
            expect(up_rate(&p, sizes[s], WRITES), table[i].write[s], "write", i, sizes[s]);
        }
    }
}

static void reads_reach_the_rate_of_the_table(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        const struct hca_param p = of_row(&table[i]);
        for (unsigned s = 0; s < 4; s++) {
            /* requests of at most MRRS go up, completions come down: the slower one counts */
            const uint32_t request = sizes[s] < MRRS ? sizes[s] : MRRS;
            const double down = down_rate(&p, sizes[s]), up = up_rate(&p, request, READS);
            expect(down < up ? down : up, table[i].read[s], "read", i, sizes[s]);
        }
    }
}

static void the_table_is_what_the_formulas_give(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        for (unsigned s = 0; s < 4; s++) { /* printed to a tenth */
            assert_true(fabs(write_gbps(&table[i], sizes[s]) - table[i].write[s]) < 0.0501);
            assert_true(fabs(read_gbps(&table[i], sizes[s]) - table[i].read[s]) < 0.0501);
        }
    }
}

/* Each way; pcie-bench/data, bw_calc.dat: 33.08 Gb/s at 64 B on Gen3 x8. */
static void reads_and_writes_share_the_upward_line(void **state)
{
    (void)state;
    static const uint32_t both[] = {64, 256, 1500};

    assert_true(fabs(both_gbps(&table[0], 64) - 33.08) < 0.005);
    for (unsigned i = 0; i < ROWS; i++) {
        const struct hca_param p = of_row(&table[i]);
        for (unsigned s = 0; s < 3; s++) {
            expect(up_rate(&p, both[s], WRITES | READS), both_gbps(&table[i], both[s]),
                   "read and write", i, both[s]);
        }
    }
}

/* Completions of 64 B whatever the MPS: 4096 B cost 64 * 84 B, 76.2 % of the line. */
static void completions_cut_at_rcb_cost_their_headers(void **state)
{
    (void)state;
    struct hca_param p = of_row(&table[0]);

    p.pcie_cpl_chunk = HCA_PCIE_CPL_CHUNK_RCB;
    expect(down_rate(&p, 4096), 57.88 * 64 / 84, "read in 64 B completions", 0, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_what_the_formulas_give),
        cmocka_unit_test(writes_reach_the_rate_of_the_table),
        cmocka_unit_test(reads_reach_the_rate_of_the_table),
        cmocka_unit_test(reads_and_writes_share_the_upward_line),
        cmocka_unit_test(completions_cut_at_rcb_cost_their_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
