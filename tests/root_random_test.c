/* root under random traffic on all inputs and stalls of all outputs. */
#include "tests/host_drive.h"

static const uint64_t high = UINT64_C(1) << 38;
enum { UNTIL = 15000, CYCLES = 22000 };

struct traffic {
    uint32_t reads, mmio, up, answers, returned, lost; /* sent */
    uint32_t got_reads, got_mmio, got_up, got_answers, got_returned, got_lost, credits;
    uint64_t r;
};

static bool one_in(struct traffic *x, uint64_t n)
{
    return drive_below(&x->r, n) == 0;
}

static void send(struct host *h, struct traffic *x)
{
    h->y.t.now = h->y.k.now;
    if (one_in(x, 4) && READY(&h->y.t, &h->mem_done)) {
        if (one_in(x, 9)) { /* an answer to an MMIO read, back from memory */
            DRIVE_PUSH(h, mem_done, tlp, .type = TLP_CPL, .tag = (uint16_t)x->returned++);
        } else {
            DRIVE_PUSH(h, mem_done, tlp, .addr = high + drive_below(&x->r, 64), .len = 64,
                       .tag = (uint16_t)(x->reads++ & 0xff), .type = TLP_MRD);
        }
    }
    if (one_in(x, 9) && READY(&h->y.t, &h->cpu_mmio)) {
        if (one_in(x, 3)) { /* nobody is there: all ones */
            DRIVE_PUSH(h, cpu_mmio, mmio_req, .len = 8, .hca = 5, .tag = (uint16_t)x->lost++);
        } else {
            DRIVE_PUSH(h, cpu_mmio, mmio_req, .write = 1, .len = 8, .d0 = x->mmio++);
        }
    }
    if (one_in(x, 3) && READY(&h->y.t, &h->up_tlp)) {
        DRIVE_PUSH(h, up_tlp, tlp, .type = TLP_MRD, .addr = high, .len = 64,
                   .tag = (uint16_t)x->up++);
    }
    if (one_in(x, 12) && READY(&h->y.t, &h->up_mmio)) {
        DRIVE_PUSH(h, up_mmio, mmio_rsp, .tag = (uint16_t)x->answers++, .len = 4);
    }
}

static void take(struct host *h, struct traffic *x)
{
    struct tlp m;
    struct mmio_req q;
    struct mmio_rsp a;
    struct credit c;

    if (one_in(x, 3) && DRIVE_TAKE(h, dn_tlp, &m)) {
        assert_int_equal(m.tag, x->got_reads & 0xff);
        x->got_reads += m.len == m.left;
    }
    if (one_in(x, 3) && DRIVE_TAKE(h, dn_mmio, &q)) {
        assert_int_equal(q.d0, x->got_mmio++);
        DRIVE_PUSH(h, dn_fc, credit, .ph = 1, .pd = 1);
    }
    if (one_in(x, 2) && DRIVE_TAKE(h, io_req, &m)) {
        assert_int_equal(m.tag, (uint16_t)(m.type == TLP_CPL ? x->got_answers++ : x->got_up++));
    }
    if (one_in(x, 3) && DRIVE_TAKE(h, cpu_rd, &a)) {
        const bool lost = a.data == UINT64_MAX;
        assert_int_equal(a.tag, (uint16_t)(lost ? x->got_lost++ : x->got_returned++));
    }
    if (one_in(x, 2) && DRIVE_TAKE(h, fc_out, &c)) {
        x->credits += c.ph + c.nph;
    }
}

static void random_stalls_lose_and_reorder_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct hca_param p = unit_param();
        p.pcie_lanes = 8;
        p.pcie_latency_down_ns = 3;
        p.pcie_credit_return_ns = 2;
        p.pcie_mmio_write_ns = seed;
        p.pcie_mmio_read_ns = 2 * seed;
        p.pcie_mmio_posted_header_credits = 5;
        p.pcie_tags = 32; /* fewer places than reads sent: the queue is often full */
        struct host *const h = drive_open(&p, 1ULL << U_root);
        struct traffic x = {.r = seed};

        for (unsigned n = 0; n < CYCLES; n++) {
            if (n < UNTIL) {
                send(h, &x);
            }
            drive(h, 1);
            take(h, &x);
        }
        assert_true(x.reads > 400 && x.mmio > 300 && x.up > 1000 && x.answers > 400);
        assert_int_equal(x.got_reads, x.reads);
        assert_int_equal(x.got_mmio, x.mmio);
        assert_int_equal(x.got_up, x.up);
        assert_int_equal(x.got_answers, x.answers);
        assert_int_equal(x.got_returned, x.returned);
        assert_int_equal(x.got_lost, x.lost);
        assert_int_equal(x.credits, x.up);
        host_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_stalls_lose_and_reorder_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
