/* xlat, dma_read and dma_write together: bytes go from a region into a packet and from a receive
 * slot into a region through real tables, the same in every order of ticks. */
#include "tests/dma_memory.h"

#include "model/packet/headers.h"

enum {
    RAM = 1 << 22,
    DATA = 1 << 21, /* pages of regions below, page directories above */
    REGIONS = 6,
    PAGES = 40, /* of each region */
    LEN = PAGES * 4096 - 100,
    EACH = 250
};

struct chain {
    struct hca *h;
    struct bus b;
    uint8_t *want;
    uint64_t next_page;
    uint32_t sent, got;
    uint32_t piece, off; /* place in the packet that is being pushed */
    uint64_t plan_va[EACH][8];
    uint32_t plan_len[EACH][8], plan_key[EACH], plan_pieces[EACH];
    uint32_t placed, done;
};

static uint64_t start_of(uint32_t k)
{
    return 0x7000000000 + 0x1000000ULL * k + 100;
}

/* Page i of region k: scattered over [0, DATA), each page of memory in one region only. */
static uint64_t page_of(uint32_t k, uint64_t i)
{
    return (k * PAGES + i) * 7 % (DATA / 4096) * 4096;
}

static uint64_t bus_of(uint32_t k, uint64_t va)
{
    return page_of(k, va / 4096 - start_of(k) / 4096) + va % 4096;
}

static void put(struct chain *x, uint64_t addr, uint64_t value)
{
    memcpy(x->b.ram + addr, &value, sizeof value);
}

static void register_region(struct chain *x, uint32_t k)
{
    const uint64_t dir = DATA + 8192ULL * k;
    struct mpt_done d;

    put(x, dir, dir + 4096);
    for (uint32_t i = 0; i < PAGES; i++) {
        put(x, dir + 4096 + i * 8, page_of(k, i));
    }
    UNIT_PUSH(x->h, mpt_cmd, mpt_set, .op = MPT_CREATE, .key = k << 8, .va = start_of(k),
              .len = LEN, .pdir = dir, .pd = 1, .access = 15, .pages = PAGES);
    for (uint32_t c = 0; !UNIT_POP(x->h, mpt_cmd_done, &d); c++) {
        assert_true(c < 1000);
        bus_cycle(x->h, &x->b);
    }
    assert_int_equal(d.status, MPT_DONE);
}

/* Some bytes of a region that lie within one of its pages. */
static uint64_t some_bytes(struct chain *x, uint32_t k, uint32_t most, uint32_t *len)
{
    const uint64_t va = start_of(k) + bus_random(&x->b, LEN - 2000);
    const uint32_t room = 4096 - (uint32_t)(va % 4096);

    *len = 1 + bus_random(&x->b, room < most ? room : most);
    return va;
}

static void push_piece(struct chain *x)
{
    const struct tick *const t = &x->h->y.t;

    if (x->sent == EACH || !READY(t, &x->h->tx_job) || bus_random(&x->b, 3) == 0) {
        return;
    }
    const uint32_t n = x->sent;
    if (x->piece == 0) {
        x->plan_key[n] = bus_random(&x->b, REGIONS);
        x->plan_pieces[n] = 1 + bus_random(&x->b, 4);
        x->off = 0;
    }
    uint32_t len;
    const uint64_t va = some_bytes(x, x->plan_key[n], 1000, &len);
    const bool last = x->piece + 1 == x->plan_pieces[n];
    x->plan_va[n][x->piece] = va;
    x->plan_len[n][x->piece] = len;
    PUSH(t, &x->h->tx_job, pkt, 0, .lkey = x->plan_key[n] << 8, .pd = 1, .addr = va, .len = len,
         .off = x->off, .psn = n, .rec = NO_SLOT,
         .flags = (uint16_t)((x->piece == 0 ? TXF_FIRST_PIECE : 0) | (last ? TXF_LAST_PIECE : 0)));
    x->off += len;
    x->piece = last ? 0 : x->piece + 1;
    x->sent += last;
}

static void take_packet(struct chain *x)
{
    struct pkt m;

    if (bus_stalls(&x->b) || !UNIT_POP(x->h, rd_done, &m)) {
        return;
    }
    const uint32_t n = x->got++;
    uint32_t at = x->h->store.tx + m.slot * x->h->store.slot_bytes + PKT_HEADROOM;
    assert_int_equal(m.psn, n);
    assert_int_equal(m.status, 0);
    for (uint32_t i = 0; i < x->plan_pieces[n]; i++) {
        assert_memory_equal(store_at(&x->h->store, at),
                            x->b.ram + bus_of(x->plan_key[n], x->plan_va[n][i]), x->plan_len[n][i]);
        at += x->plan_len[n][i];
    }
    pool_give(&x->h->store.tx_pool, &x->h->y.k, m.slot);
}

/* Writes go to regions of the upper half, reads to those of the lower: contents are known then. */
static void push_place(struct chain *x)
{
    const struct tick *const t = &x->h->y.t;
    const struct store *const s = &x->h->store;

    if (x->placed == EACH || !READY(t, &x->h->ack_place) || bus_random(&x->b, 3) == 0 ||
        !pool_ready(&s->rx_pool, t->now)) {
        return;
    }
    const uint32_t k = REGIONS + bus_random(&x->b, REGIONS);
    uint32_t len;
    const uint64_t va = some_bytes(x, k, 3000, &len);
    const uint16_t slot = pool_take(&x->h->store.rx_pool, t->k);
    const uint32_t data = s->rx + slot * s->slot_bytes + PKT_HEADROOM;
    for (uint32_t i = 0; i < len; i++) {
        *store_at(s, data + i) = (uint8_t)bus_random(&x->b, 256);
    }
    memcpy(x->want + bus_of(k, va), store_at(s, data), len);
    PUSH(t, &x->h->ack_place, place, 0, .key = k << 8, .pd = 1, .addr = va, .len = len,
         .access = ACC_LOCAL_WRITE, .cookie = x->placed++, .data = data, .slot = slot,
         .flags = PLACE_NOTIFY | PLACE_FREE_RX);
}

static void take_done(struct chain *x)
{
    struct wr_done d;

    if (!bus_stalls(&x->b) && UNIT_POP(x->h, ack_done, &d)) {
        assert_int_equal(d.cookie, x->done++);
        assert_int_equal(d.status, 0);
    }
}

static uint64_t run(struct hca_param p, uint64_t seed, unsigned mode)
{
    static struct chain x;

    x = (struct chain){.h = unit_hca(&p, 1ULL << U_xlat | 1ULL << U_dma_read | 1ULL << U_dma_write),
                       .b = bus_open(RAM, seed)};
    x.b.ctx_bytes = ctx_bus_bytes(&p);
    x.b.ctx = calloc(1, x.b.ctx_bytes);
    x.want = malloc(RAM);
    assert_non_null(x.b.ctx);
    assert_non_null(x.want);
    x.h->y.mode = mode;
    for (uint32_t k = 0; k < 2 * REGIONS; k++) {
        register_region(&x, k);
    }
    memcpy(x.want, x.b.ram, RAM);
    x.b.stall_percent = (uint32_t)(seed % 3 * 20);
    for (uint32_t c = 0; x.got < EACH || x.done < EACH; c++) {
        assert_true(c < 400000);
        x.h->y.t.now = x.h->y.k.now;
        push_piece(&x);
        push_place(&x);
        take_packet(&x);
        take_done(&x);
        bus_cycle(x.h, &x.b);
    }
    bus_run(x.h, &x.b, 300);
    assert_memory_equal(x.b.ram, x.want, RAM);
    assert_int_equal(x.h->store.rx_pool.free, x.h->store.rx_pool.n);
    assert_int_equal(x.h->store.tx_pool.free, x.h->store.tx_pool.n);
    const uint64_t hash = hca_hash(x.h);
    free(x.b.ctx);
    free(x.want);
    bus_close(&x.b);
    hca_close(x.h);
    return hash;
}

static struct hca_param tiny(void)
{
    struct hca_param p = unit_param();

    p.hca_mpt_cache_entries = 1;
    p.hca_mpt_cache_ways = 1;
    p.hca_mtt_cache_entries = 2;
    p.hca_mtt_cache_ways = 2;
    p.hca_mtt_fetch_entries = 1;
    p.hca_xlat_miss_entries = 1;
    p.hca_dma_read_jobs = 1;
    p.hca_dma_read_tags = 1;
    p.hca_dma_write_jobs = 1;
    p.hca_tx_buffer_packets = 1;
    return p;
}

static void bytes_arrive_through_tables_of_any_size(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        (void)run(unit_param(), seed, HCA_MODE_CHECK);
        (void)run(tiny(), seed, HCA_MODE_CHECK);
    }
}

static void the_order_of_ticks_and_skipping_change_nothing(void **state)
{
    (void)state;
    static const unsigned modes[] = {0, HCA_MODE_ALL, HCA_MODE_CHECK | HCA_MODE_REVERSE,
                                     HCA_MODE_CHECK | HCA_MODE_SHUFFLE};
    struct hca_param p[2] = {unit_param(), tiny()};

    for (uint32_t i = 0; i < 2; i++) {
        const uint64_t want = run(p[i], 4 + i, HCA_MODE_CHECK);
        for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
            assert_int_equal(run(p[i], 4 + i, modes[m]), want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_through_tables_of_any_size),
        cmocka_unit_test(the_order_of_ticks_and_skipping_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
