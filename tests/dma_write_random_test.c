/* dma_write under random traffic of all clients: memory ends as their order demands. */
#include "tests/dma_memory.h"

#include "model/packet/headers.h"

enum { RAM = 1 << 20 };

static struct hca *fresh(const struct hca_param *p)
{
    return unit_hca(p, 1ULL << U_dma_write);
}

static uint32_t rx_payload(const struct hca *h, uint16_t slot)
{
    return h->store.rx + slot * h->store.slot_bytes + PKT_HEADROOM;
}

#define CLIENTS(X) \
    X(0, wr_cmd)   \
    X(1, wr_ctx)   \
    X(2, wr_wqe)   \
    X(3, wr_xlat) X(4, ack_placed) X(5, rx_write) X(6, wr_cqe) X(7, wr_event) X(8, wr_bench)
#define DONES(X)      \
    X(0, wr_done_cmd) \
    X(1, wr_done_ctx) \
    X(3, wr_done_xlat) X(4, ack_done) X(5, rx_done) X(6, cqe_done) X(7, ev_done) X(8, bench_written)

enum { CLIENT_RAM = 65536, EACH = 150 };

struct client {
    uint32_t sent, done, notified, status[EACH];
};

struct traffic {
    struct hca *h;
    struct bus b;
    uint8_t *want; /* what memory has to hold in the end */
    struct client c[9];
    bool payload;
};

static bool answered(uint32_t i)
{
    return i != 2;
}

/* Each client writes to memory of its own, in order, over and over. */
static void push_write(struct traffic *x, uint32_t i, struct wire_wr_req *q)
{
    struct client *const c = &x->c[i];
    struct hca *const h = x->h;
    const bool payload = i == 4 || i == 5;

    if (c->sent == EACH || !READY(&h->y.t, q) || bus_random(&x->b, 4) != 0 ||
        (payload && !pool_ready(&h->store.rx_pool, h->y.k.now)) || c->notified - c->done >= 4) {
        return;
    }
    struct wr_req m = {.addr = i * CLIENT_RAM + bus_random(&x->b, CLIENT_RAM - 1500),
                       .len = bus_random(&x->b, 6) == 0 ? 0 : 1 + bus_random(&x->b, 1400),
                       .cookie = c->sent,
                       .cls = payload ? CLS_PAYLOAD : CLS_CONTEXT,
                       .slot = NO_SLOT};
    m.status = bus_random(&x->b, 8) == 0 ? WC_LOC_PROT : 0;
    m.flags = bus_random(&x->b, 2) != 0 ? WR_NOTIFY : 0;
    m.len = payload || m.len <= WQE_RAW_MAX ? m.len : WQE_RAW_MAX;
    m.data = h->store.wqe_raw + (i * 6 + c->sent % 6) * WQE_RAW_MAX;
    if (payload) {
        m.slot = pool_take(&h->store.rx_pool, &h->y.k);
        m.data = rx_payload(h, m.slot);
        m.flags |= WR_FREE_RX;
    } else {
        m.flags |= WR_NOTIFY;
    }
    for (uint32_t n = 0; n < m.len; n++) {
        *store_at(&h->store, m.data + n) = (uint8_t)bus_random(&x->b, 256);
    }
    if (m.status == 0 && (x->payload || !payload)) {
        memcpy(x->want + m.addr, store_at(&h->store, m.data), m.len);
    }
    c->status[c->sent++] = m.status;
    c->notified += answered(i) && (m.flags & WR_NOTIFY) != 0;
    PASS(&h->y.t, q, wr_req, 0, &m);
}

static void take_done(struct traffic *x, uint32_t i, struct wire_wr_done *q)
{
    if (!VALID(&x->h->y.t, q) || q->ctl.popped == x->h->y.k.now + 1 || bus_stalls(&x->b)) {
        return;
    }
    const struct wr_done *const d = POP(&x->h->y.t, q);
    assert_int_equal(d->status, x->c[i].status[d->cookie]);
    x->c[i].done++;
}

static bool all_sent(const struct traffic *x)
{
    bool all = x->h->u_dma_write.s.count == 0;

    for (int i = 0; i < 9; i++) {
        all = all && x->c[i].sent == EACH && x->c[i].done == x->c[i].notified;
    }
    return all;
}

/* Clients without an answer keep their bytes until all is over: here, until nothing is queued. */
static uint64_t random_traffic(struct hca_param p, uint64_t seed, uint32_t stall_percent,
                               unsigned mode)
{
    static struct traffic x;

    x = (struct traffic){.h = fresh(&p), .b = bus_open(RAM, seed), .payload = p.sim_payload != 0};
    x.want = malloc(RAM);
    assert_non_null(x.want);
    memcpy(x.want, x.b.ram, RAM);
    x.b.stall_percent = stall_percent;
    x.h->y.mode = mode;
    for (uint32_t c = 0; !all_sent(&x); c++) {
        assert_true(c < 400000);
        x.h->y.t.now = x.h->y.k.now;
#define DONE(i, name) take_done(&x, i, &x.h->name);
        DONES(DONE)
#undef DONE
#define DRIVE(i, name)                                                              \
    if (answered(i) || fifo_level(&x.h->name.ctl) + x.h->u_dma_write.s.count < 5) { \
        push_write(&x, i, &x.h->name);                                              \
    }
        CLIENTS(DRIVE)
#undef DRIVE
        bus_cycle(x.h, &x.b);
    }
    bus_run(x.h, &x.b, 300);
    if (x.payload) {
        assert_memory_equal(x.b.ram, x.want, RAM);
    }
    assert_int_equal(x.h->store.rx_pool.free, x.h->store.rx_pool.n);
    const uint64_t hash = hca_hash(x.h);
    free(x.want);
    bus_close(&x.b);
    hca_close(x.h);
    return hash;
}

static struct hca_param small_param(void)
{
    struct hca_param p = unit_param();

    p.hca_dma_write_jobs = 1;
    p.pcie_mps_bytes = 128;
    return p;
}

static struct hca_param odd_param(void)
{
    struct hca_param p = unit_param();

    p.core_clock_khz = 333333;
    p.hca_dma_write_jobs = 3;
    p.hca_dma_write_interval_ps = 5003;
    p.hca_dma_engine_ns = 17;
    p.pcie_mps_bytes = 512;
    return p;
}

static void memory_holds_the_last_write_of_each_client_under_stalls(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++) {
        struct hca_param p = unit_param();
        p.sim_train_tlps_max = seed % 2 == 0 ? 4 : 1;
        (void)random_traffic(p, seed, seed % 3 * 30, HCA_MODE_CHECK);
        (void)random_traffic(small_param(), seed, seed % 3 * 30, HCA_MODE_CHECK);
        p = odd_param();
        p.sim_train_tlps_max = seed;
        (void)random_traffic(p, seed, seed % 3 * 30, HCA_MODE_CHECK);
    }
}

static void ticks_only_when_woken_give_the_same_run(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        const uint64_t want = random_traffic(odd_param(), seed, 40, HCA_MODE_CHECK);
        assert_int_equal(random_traffic(odd_param(), seed, 40, 0), want);
        assert_int_equal(random_traffic(odd_param(), seed, 40, HCA_MODE_ALL), want);
    }
}

static void without_payload_all_times_and_counts_are_the_same(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    const uint64_t want = random_traffic(p, 7, 20, HCA_MODE_CHECK);

    p.sim_payload = 0;
    assert_int_equal(random_traffic(p, 7, 20, HCA_MODE_CHECK), want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_holds_the_last_write_of_each_client_under_stalls),
        cmocka_unit_test(ticks_only_when_woken_give_the_same_run),
        cmocka_unit_test(without_payload_all_times_and_counts_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
