/* dma_read under random traffic of all clients, and what a packet costs. */
#include "tests/dma_memory.h"

#include "model/packet/headers.h"

enum { RAM = 1 << 20 };

static struct hca *fresh(const struct hca_param *p)
{
    return unit_hca(p, 1ULL << U_dma_read);
}

static void assert_bytes(const struct hca *h, uint32_t data, const struct bus *b, uint64_t addr,
                         uint32_t len)
{
    assert_memory_equal(store_at(&h->store, data), b->ram + addr, len);
}

struct packet_plan {
    uint64_t addr[8];
    uint32_t len[8];
    uint32_t pieces, bytes;
    uint16_t flags;
    uint8_t status;
};

static uint32_t slot_at(const struct hca *h, const struct pkt *m)
{
    return h->store.tx + m->slot * h->store.slot_bytes + PKT_HEADROOM;
}

struct client {
    uint32_t depth, in_flight, sent, answered;
    uint64_t addr[32];
    uint32_t len[32];
    bool out[32];
};

struct traffic {
    struct hca *h;
    struct bus b;
    struct client c[8];
    struct packet_plan plan[4096];
    uint32_t planned, piece, off, delivered; /* packets: pushed so far, place in the next, got */
    uint32_t want_packets, want_reads;
    bool payload;
};

#define CLIENTS(X) X(0, cmd) X(1, ctx) X(2, wqe) X(3, xlat) X(4, rsp) X(5, cq) X(6, ev) X(7, bench)

/* Four pages of memory in 16 lie where nothing is. */
static uint64_t some_addr(struct traffic *x)
{
    return bus_random(&x->b, 10) == 0 ? RAM + bus_random(&x->b, 1 << 20)
                                      : bus_random(&x->b, RAM - 8192);
}

static uint32_t client_data(const struct traffic *x, uint32_t i, uint32_t cookie)
{
    return x->h->store.rx + (i * 32 + cookie) * 512;
}

static void push_read(struct traffic *x, uint32_t i, struct wire_rd_req *q)
{
    struct client *const c = &x->c[i];
    struct hca *const h = x->h;

    if (c->sent == x->want_reads || c->in_flight == c->depth || !READY(&h->y.t, q) ||
        bus_random(&x->b, 3) != 0) {
        return;
    }
    uint16_t cookie = 0;
    while (c->out[cookie]) {
        cookie++;
    }
    c->out[cookie] = true;
    c->addr[cookie] = some_addr(x);
    c->len[cookie] = bus_random(&x->b, 8) == 0 ? 0 : 1 + bus_random(&x->b, 512);
    PUSH(&h->y.t, q, rd_req, 0, .addr = c->addr[cookie], .len = c->len[cookie], .cookie = cookie,
         .fn = (uint8_t)i, .cls = CLS_WQE, .data = client_data(x, i, cookie));
    c->in_flight++;
    c->sent++;
}

static void take_answer(struct traffic *x, uint32_t i, struct wire_rd_rsp *q)
{
    struct client *const c = &x->c[i];
    struct hca *const h = x->h;

    if (!VALID(&h->y.t, q) || q->ctl.popped == h->y.k.now + 1 || bus_stalls(&x->b)) {
        return;
    }
    const struct rd_rsp *const r = POP(&h->y.t, q);
    assert_true(c->out[r->cookie]);
    const uint64_t addr = c->addr[r->cookie];
    const uint32_t len = c->len[r->cookie];
    if (len == 0 || addr + len <= RAM) {
        assert_int_equal(r->status, DMA_OK);
        if (len != 0) {
            assert_bytes(h, client_data(x, i, r->cookie), &x->b, addr, len);
        }
    } else {
        assert_int_equal(r->status, DMA_UR);
    }
    c->out[r->cookie] = false;
    c->in_flight--;
    c->answered++;
}

static void plan_packet(struct traffic *x)
{
    struct packet_plan *const q = &x->plan[x->planned];
    const uint32_t kind = bus_random(&x->b, 10);

    *q = (struct packet_plan){.pieces = 1};
    if (kind == 0) {
        q->flags = TXF_FENCE;
    } else if (kind == 1) {
        q->flags = TXF_NO_PAYLOAD;
    } else {
        q->pieces = 1 + bus_random(&x->b, 5);
        for (uint32_t i = 0; i < q->pieces; i++) {
            q->addr[i] = some_addr(x);
            q->len[i] = bus_random(&x->b, 5) == 0 ? 0 : 1 + bus_random(&x->b, 800);
            q->bytes += q->len[i];
            if (q->len[i] != 0 && q->addr[i] + q->len[i] > RAM) {
                q->status = WC_LOC_PROT;
            }
        }
    }
}

static void push_packet_piece(struct traffic *x)
{
    struct hca *const h = x->h;

    if (x->planned == x->want_packets || !READY(&h->y.t, &h->rd_job) || bus_random(&x->b, 3) == 0) {
        return;
    }
    if (x->piece == 0) {
        plan_packet(x);
        x->off = 0;
    }
    const struct packet_plan *const q = &x->plan[x->planned];
    const bool last = x->piece + 1 == q->pieces;
    struct pkt m = {.addr = q->addr[x->piece],
                    .len = q->len[x->piece],
                    .off = x->off,
                    .plen = q->bytes,
                    .psn = x->planned,
                    .rec = NO_SLOT,
                    .flags = q->flags};
    m.flags |= x->piece == 0 ? TXF_FIRST_PIECE : 0;
    m.flags |= last ? TXF_LAST_PIECE : 0;
    PASS(&h->y.t, &h->rd_job, pkt, 0, &m);
    x->off += m.len;
    x->piece = last ? 0 : x->piece + 1;
    x->planned += last;
}

static void take_packet(struct traffic *x)
{
    struct hca *const h = x->h;

    if (!VALID(&h->y.t, &h->rd_done) || h->rd_done.ctl.popped == h->y.k.now + 1 ||
        bus_stalls(&x->b)) {
        return;
    }
    const struct pkt m = *POP(&h->y.t, &h->rd_done);
    const struct packet_plan *const q = &x->plan[x->delivered];
    assert_int_equal(m.psn, x->delivered);
    assert_int_equal(m.status, q->status);
    uint32_t off = 0;
    for (uint32_t i = 0; i < q->pieces && q->status == 0 && x->payload; i++) {
        assert_bytes(h, slot_at(h, &m) + off, &x->b, q->addr[i], q->len[i]);
        off += q->len[i];
    }
    if ((q->flags & TXF_FENCE) == 0) {
        pool_give(&h->store.tx_pool, &h->y.k, m.slot);
    }
    x->delivered++;
}

static bool traffic_done(const struct traffic *x)
{
    bool done = x->delivered == x->want_packets;

    for (int i = 0; i < 8; i++) {
        done = done && x->c[i].answered == x->want_reads;
    }
    return done;
}

static void traffic_run(struct traffic *x)
{
    struct hca *const h = x->h;

#define DEPTH(i, name) \
    x->c[i].depth = h->rd_rsp_##name.ctl.depth < 32 ? h->rd_rsp_##name.ctl.depth : 32;
    CLIENTS(DEPTH)
#undef DEPTH
    for (uint32_t c = 0; !traffic_done(x); c++) {
        assert_true(c < 400000);
        h->y.t.now = h->y.k.now;
#define DRIVE(i, name)                    \
    take_answer(x, i, &h->rd_rsp_##name); \
    push_read(x, i, &h->rd_req_##name);
        CLIENTS(DRIVE)
#undef DRIVE
        take_packet(x);
        push_packet_piece(x);
        bus_cycle(h, &x->b);
    }
    bus_run(h, &x->b, 100);
    assert_int_equal(h->u_dma_read.s.jobs_free, h->u_dma_read.jobs);
    assert_int_equal(h->u_dma_read.s.tags_free, h->u_dma_read.tags);
    assert_int_equal(h->u_dma_read.s.tag_numbers, h->u_dma_read.tags);
    assert_int_equal(h->store.tx_pool.free, h->store.tx_pool.n);
}

static struct hca_param small_param(void)
{
    struct hca_param p = unit_param();

    p.hca_dma_read_jobs = 1;
    p.hca_dma_read_tags = 1;
    p.hca_tx_buffer_packets = 1;
    p.pcie_mps_bytes = 128;
    p.pcie_mrrs_bytes = 128;
    return p;
}

static struct hca_param odd_param(void)
{
    struct hca_param p = unit_param();

    p.core_clock_khz = 333333;
    p.hca_dma_read_jobs = 5;
    p.hca_dma_read_tags = 13;
    p.hca_tx_buffer_packets = 11;
    p.hca_dma_issue_interval_ps = 5003;
    p.hca_dma_engine_ns = 17;
    p.hca_dma_store_mbps = 12345;
    p.pcie_mps_bytes = 128;
    p.pcie_mrrs_bytes = 1024;
    return p;
}

static void random_traffic(struct hca_param p, uint64_t seed, uint32_t stall_percent)
{
    static struct traffic x;

    const uint32_t share = p.hca_dma_read_tags == 1 ? 5 : 1; /* one read at a time takes long */

    x = (struct traffic){.h = fresh(&p),
                         .b = bus_open(RAM, seed),
                         .want_packets = 300 / share,
                         .want_reads = 120 / share,
                         .payload = p.sim_payload != 0};
    x.b.stall_percent = stall_percent;
    x.b.latency = bus_random(&x.b, 100);
    traffic_run(&x);
    bus_close(&x.b);
    hca_close(x.h);
}

static void all_bytes_come_right_under_random_order_splits_errors_and_stalls(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++) {
        random_traffic(unit_param(), seed, seed % 3 * 30);
        random_traffic(small_param(), seed, seed % 3 * 30);
        random_traffic(odd_param(), seed, seed % 3 * 30);
    }
}

static void trains_carry_the_same_bytes_in_fewer_entries(void **state)
{
    (void)state;
    for (uint64_t most = 2; most <= 64; most *= 2) {
        struct hca_param p = odd_param();
        p.sim_train_tlps_max = most;
        random_traffic(p, most, 20);
        p = unit_param();
        p.sim_train_tlps_max = most;
        random_traffic(p, most, 20);
    }
}

/* Hash of everything that crossed a wire, and all statistics. */
static uint64_t run_hash(struct hca_param p, uint32_t reads, unsigned mode)
{
    static struct traffic x;

    x = (struct traffic){.h = fresh(&p),
                         .b = bus_open(RAM, 99),
                         .want_packets = 200,
                         .want_reads = reads,
                         .payload = p.sim_payload != 0};
    x.b.stall_percent = 30;
    x.h->y.mode = mode;
    traffic_run(&x);
    const uint64_t hash = hca_hash(x.h);
    bus_close(&x.b);
    hca_close(x.h);
    return hash;
}

static void without_payload_all_times_and_counts_are_the_same(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    const uint64_t want = run_hash(p, 0, HCA_MODE_CHECK);

    p.sim_payload = 0;
    assert_int_equal(run_hash(p, 0, HCA_MODE_CHECK), want);
}

static void ticks_only_when_woken_give_the_same_run(void **state)
{
    (void)state;
    const uint64_t want = run_hash(odd_param(), 100, HCA_MODE_CHECK);

    assert_int_equal(run_hash(odd_param(), 100, 0), want);
    assert_int_equal(run_hash(odd_param(), 100, HCA_MODE_ALL), want);
}

/* Packets of 4 KiB one after the other; completions as a Gen3 x16 link brings them (276 bytes at
 * 113.7 Gb/s: every 19th cycle). Returns activations per packet. */
static double activations_per_packet(uint32_t packets, uint64_t train, uint32_t *tlps)
{
    struct hca_param p = unit_param();
    p.sim_train_tlps_max = train;
    struct hca *const h = fresh(&p);
    struct bus b = bus_open(RAM, 3);
    uint32_t pushed = 0;
    uint32_t done = 0;
    struct pkt m;

    b.in_order = true;
    h->y.mode = 0;
    for (uint64_t c = 0; done < packets; c++) {
        h->y.t.now = h->y.k.now;
        bus_take_read(h, &b);
        if (c % (19 * train) == 0) {
            bus_answer(h, &b);
        }
        if (pushed < packets && c % 304 == 0) {
            PUSH(&h->y.t, &h->rd_job, pkt, 0, .addr = 4096ULL * (pushed % 200), .len = 4096,
                 .plen = 4096, .psn = pushed, .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE);
            pushed++;
        }
        if (UNIT_POP(h, rd_done, &m)) {
            pool_give(&h->store.tx_pool, &h->y.k, m.slot);
            done++;
        }
        unit_run(h, 1);
    }
    const double per = (double)h->y.k.activations / packets;
    *tlps = (uint32_t)h->y.s.dma_read_tlps;
    bus_close(&b);
    hca_close(h);
    return per;
}

static void a_4_kib_packet_costs_at_most_40_activations_and_6_in_trains(void **state)
{
    (void)state;
    uint32_t tlps;
    const double single = activations_per_packet(1000, 1, &tlps);
    assert_int_equal(tlps, 8000);
    const double train = activations_per_packet(1000, 16, &tlps);
    assert_int_equal(tlps, 8000);

    print_message(
        "dma_read: %.1f activations per 4 KiB packet, MRRS 512, MPS 256; %.1f in trains\n", single,
        train);
    assert_true(single <= 40.0);
    assert_true(train <= 6.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_bytes_come_right_under_random_order_splits_errors_and_stalls),
        cmocka_unit_test(trains_carry_the_same_bytes_in_fewer_entries),
        cmocka_unit_test(without_payload_all_times_and_counts_are_the_same),
        cmocka_unit_test(ticks_only_when_woken_give_the_same_run),
        cmocka_unit_test(a_4_kib_packet_costs_at_most_40_activations_and_6_in_trains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
