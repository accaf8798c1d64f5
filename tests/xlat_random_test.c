/* xlat under random traffic on all ports with keys that come and go: every answer is right, every
 * stream keeps its order, and nothing stands still however small the caches are. */
#include "tests/xlat_rig.h"

enum {
    KEYS = 24,    /* registered from the beginning; every sixth never is        */
    CHANGING = 4, /* keys behind them that are created and destroyed all along  */
    RINGS = 3,
    PAGES = 600, /* of each region: two page tables                            */
    OUT_MAX = 64 /* requests of one port under way, by far                     */
};
#define BASE 0x4000000000ULL

struct want {
    uint64_t addr;
    uint8_t status, maybe; /* maybe: this status instead, and then any address */
};

struct port {
    struct want want[OUT_MAX];
    uint32_t sent, got;
    uint32_t left; /* pieces of the packet under way */
    bool failed;
};

struct mix {
    struct rig x;
    struct port port[XLAT_PORTS];
    uint64_t ring[RINGS];
    uint64_t dir[CHANGING];
    bool there[CHANGING], busy[CHANGING];
    uint32_t each, changes;
    uint32_t job_owner, job_left; /* what rd_job is in the middle of */
};

static uint64_t start_of(uint32_t k)
{
    return 0x10000000ULL * k + 0x123;
}

static bool exists(uint32_t k)
{
    return k % 6 != 5;
}

/* A page of a region: near ones often, any one sometimes. */
static uint64_t some_page(struct mix *m)
{
    return rig_random(&m->x, 4) == 0 ? rig_random(&m->x, PAGES) : rig_random(&m->x, 12);
}

/* Key, address and length of a request, and what has to come of it. */
static struct want plan(struct mix *m, uint8_t denied, uint32_t *key, uint64_t *va, uint32_t *len)
{
    const uint32_t k = rig_random(&m->x, KEYS + CHANGING);
    const uint64_t page = start_of(k) / RIG_PAGE + some_page(m);
    struct want w = {0};

    *key = k << 8 | 0x5a;
    *va = page * RIG_PAGE + (page == start_of(k) / RIG_PAGE ? 0x123 : rig_random(&m->x, 4000));
    *len = 1 + rig_random(&m->x, RIG_PAGE - (uint32_t)(*va % RIG_PAGE));
    w.addr = rig_bus(*va, start_of(k), BASE * (k + 1));
    if (k < KEYS && (!exists(k) || rig_random(&m->x, 20) == 0)) {
        *key ^= 1;
        w.status = denied;
    }
    w.maybe = k >= KEYS ? denied : 0;
    return w;
}

static struct want *next_want(struct mix *m, uint32_t p, const struct want *w)
{
    struct port *const q = &m->port[p];

    assert_true(q->sent - q->got < OUT_MAX);
    q->want[q->sent % OUT_MAX] = *w;
    return &q->want[q->sent++ % OUT_MAX];
}

static void push_job(struct mix *m, uint32_t p, struct wire_pkt *q)
{
    struct port *const port = &m->port[p];
    const struct tick *const t = &m->x.h->y.t;
    const bool first = port->left == 0;
    struct pkt k = {.pd = 1, .psn = port->sent, .source = (uint8_t)p};

    if ((port->sent >= m->each && first) || !READY(t, q) || rig_stalls(&m->x)) {
        return;
    }
    if (first) {
        port->left = 1 + rig_random(&m->x, 5);
        port->failed = false;
    }
    port->left--;
    k.flags = (uint16_t)((first ? TXF_FIRST_PIECE : 0) | (port->left == 0 ? TXF_LAST_PIECE : 0));
    struct want w = plan(m, p == XLAT_RSP ? WC_REM_ACCESS : WC_LOC_PROT, &k.lkey, &k.addr, &k.len);
    if (port->failed) {
        w.status = p == XLAT_RSP ? WC_REM_ACCESS : WC_LOC_PROT;
    }
    port->failed = port->failed || w.status != 0;
    (void)next_want(m, p, &w);
    PASS(t, q, pkt, 0, &k);
}

static void push_place(struct mix *m, uint32_t p, struct wire_place *q)
{
    const struct tick *const t = &m->x.h->y.t;
    struct place k = {.pd = 1, .cookie = m->port[p].sent, .access = ACC_LOCAL_WRITE};

    if (m->port[p].sent >= m->each || !READY(t, q) || rig_stalls(&m->x)) {
        return;
    }
    const struct want w = plan(m, WC_LOC_PROT, &k.key, &k.addr, &k.len);
    (void)next_want(m, p, &w);
    PASS(t, q, place, 0, &k);
}

static void push_ring(struct mix *m, uint32_t p, struct wire_ring_get *q)
{
    const struct tick *const t = &m->x.h->y.t;

    if (m->port[p].sent >= m->each || !READY(t, q) || rig_stalls(&m->x)) {
        return;
    }
    const uint32_t r = rig_random(&m->x, RINGS + 1);
    const uint32_t page = rig_random(&m->x, PAGES);
    struct want w = {.addr = r < RINGS ? rig_page(0x1000000 * (r + 1), page) : 0,
                     .status = r < RINGS ? DMA_OK : DMA_UR};
    PUSH(t, q, ring_get, 0, .pdir = r < RINGS ? m->ring[r] : RIG_TABLES, .page = page,
         .cookie = (uint16_t)m->port[p].sent);
    (void)next_want(m, p, &w);
}

static void judge(struct mix *m, uint32_t p, uint32_t number, uint64_t addr, uint8_t status,
                  bool packet_failed)
{
    struct port *const q = &m->port[p];
    const struct want *const w = &q->want[q->got % OUT_MAX];

    assert_int_equal(number, q->got);
    if (status != 0 && (w->maybe != 0 || packet_failed)) {
        assert_int_equal(status, w->maybe != 0 ? w->maybe : status);
    } else {
        assert_int_equal(status, w->status);
    }
    if (status == 0) {
        assert_int_equal(addr, w->addr);
    }
    q->got++;
}

static void take_job(struct mix *m)
{
    static bool failed[2];
    struct pkt k;

    if (rig_stalls(&m->x) || !UNIT_POP(m->x.h, rd_job, &k)) {
        return;
    }
    if ((k.flags & TXF_FIRST_PIECE) != 0) {
        assert_int_equal(m->job_left, 0); /* packets are not interleaved */
        failed[k.source] = false;
    } else {
        assert_int_equal(k.source, m->job_owner);
        assert_true(!failed[k.source] || k.status != 0);
    }
    m->job_owner = k.source;
    m->job_left = (k.flags & TXF_LAST_PIECE) == 0;
    judge(m, k.source, k.psn, k.addr, k.status, failed[k.source]);
    failed[k.source] = k.status != 0;
}

static void take_rest(struct mix *m)
{
    struct hca *const h = m->x.h;
    struct ring_got r;
    struct place p;
    struct wr_req w;

    if (!rig_stalls(&m->x) && UNIT_POP(h, rx_placed, &p)) {
        judge(m, XLAT_RX, p.cookie, p.addr, p.status, false);
    }
    if (!rig_stalls(&m->x) && UNIT_POP(h, ack_placed, &w)) {
        judge(m, XLAT_ACK, w.cookie, w.addr, w.status, false);
    }
    if (!rig_stalls(&m->x) && UNIT_POP(h, ring_got_wqe, &r)) {
        judge(m, XLAT_WQE, r.cookie, r.addr, r.status, false);
    }
    if (!rig_stalls(&m->x) && UNIT_POP(h, ring_got_cq, &r)) {
        judge(m, XLAT_CQ, r.cookie, r.addr, r.status, false);
    }
    if (!rig_stalls(&m->x) && UNIT_POP(h, ring_got_ev, &r)) {
        judge(m, XLAT_EV, r.cookie, r.addr, r.status, false);
    }
}

/* Creates or destroys one of the changing keys, by any of the three ports. */
static void push_change(struct mix *m, uint32_t i, struct wire_mpt_set *q)
{
    const uint32_t c = rig_random(&m->x, CHANGING);
    const struct tick *const t = &m->x.h->y.t;

    if (m->busy[c] || !READY(t, q) || rig_random(&m->x, 40) != 0) {
        return;
    }
    if (rig_random(&m->x, 8) == 0) {
        PUSH(t, q, mpt_set, 0, .op = MPT_FLUSH, .pdir = m->ring[i], .cookie = CHANGING);
        return;
    }
    m->there[c] = !m->there[c];
    m->busy[c] = true;
    m->changes++;
    PUSH(t, q, mpt_set, 0, .op = m->there[c] ? MPT_CREATE : MPT_DESTROY,
         .key = (KEYS + c) << 8 | 0x5a, .va = start_of(KEYS + c), .len = PAGES * RIG_PAGE - 0x123,
         .pdir = m->dir[c], .pd = 1, .access = 15, .pages = PAGES, .cookie = (uint16_t)c);
}

static void take_change(struct mix *m, struct wire_mpt_done *q)
{
    if (VALID(&m->x.h->y.t, q) && q->ctl.popped != m->x.h->y.k.now + 1 && !rig_stalls(&m->x)) {
        const struct mpt_done *const d = POP(&m->x.h->y.t, q);
        assert_int_equal(d->status, MPT_DONE);
        if (d->cookie < CHANGING) {
            m->busy[d->cookie] = false;
        }
    }
}

static bool over(const struct mix *m)
{
    bool all = true;

    for (uint32_t p = 0; p < XLAT_PORTS; p++) {
        all = all && m->port[p].left == 0 && m->port[p].sent >= m->each &&
              m->port[p].got == m->port[p].sent;
    }
    for (uint32_t c = 0; c < CHANGING; c++) {
        all = all && !m->busy[c];
    }
    return all;
}

static void set_up(struct mix *m, const struct hca_param *p, uint64_t seed, uint32_t stall)
{
    *m = (struct mix){.x = rig_open(p, seed), .each = 400};
    for (uint32_t k = 0; k < KEYS; k++) {
        if (exists(k)) {
            (void)rig_register(&m->x, k << 8 | 0x5a, start_of(k), PAGES * RIG_PAGE - 0x123, 15,
                               BASE * (k + 1));
        }
    }
    for (uint32_t c = 0; c < CHANGING; c++) {
        m->dir[c] = rig_directory(&m->x, PAGES, BASE * (KEYS + c + 1));
    }
    for (uint32_t r = 0; r < RINGS; r++) {
        m->ring[r] = rig_directory(&m->x, PAGES, 0x1000000 * (r + 1));
    }
    m->x.stall_percent = stall;
}

static uint64_t run(struct hca_param p, uint64_t seed, uint32_t stall, unsigned mode)
{
    static struct mix m;

    set_up(&m, &p, seed, stall);
    struct hca *const h = m.x.h;
    h->y.mode = mode;
    for (uint32_t c = 0; !over(&m); c++) {
        assert_true(c < 200000);
        h->y.t.now = h->y.k.now;
        push_job(&m, XLAT_TX, &h->tx_job);
        push_job(&m, XLAT_RSP, &h->rsp_job);
        push_place(&m, XLAT_RX, &h->rx_place);
        push_place(&m, XLAT_ACK, &h->ack_place);
        push_ring(&m, XLAT_WQE, &h->ring_get_wqe);
        push_ring(&m, XLAT_CQ, &h->ring_get_cq);
        push_ring(&m, XLAT_EV, &h->ring_get_ev);
        push_change(&m, 0, &h->mpt_cmd);
        push_change(&m, 1, &h->mpt_req);
        push_change(&m, 2, &h->mpt_rsp);
        take_job(&m);
        take_rest(&m);
        take_change(&m, &h->mpt_cmd_done);
        take_change(&m, &h->mpt_req_done);
        take_change(&m, &h->mpt_rsp_done);
        rig_run(&m.x, 1);
    }
    rig_run(&m.x, 200);
    assert_true(m.changes > 20);
    assert_int_equal(h->u_xlat.s.misses_free, h->u_xlat.misses);
    assert_int_equal(h->u_xlat.s.reads, 0);
    const uint64_t hash = hca_hash(h);
    rig_close(&m.x);
    return hash;
}

static struct hca_param caches(uint64_t keys, uint64_t key_ways, uint64_t pages, uint64_t ways,
                               uint64_t fetch, uint64_t misses)
{
    struct hca_param p = unit_param();

    p.hca_mpt_cache_entries = keys;
    p.hca_mpt_cache_ways = key_ways;
    p.hca_mtt_cache_entries = pages;
    p.hca_mtt_cache_ways = ways;
    p.hca_mtt_fetch_entries = fetch;
    p.hca_xlat_miss_entries = misses;
    return p;
}

static void every_answer_is_right_and_in_order(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        const uint32_t stall = seed % 3 * 25;
        (void)run(unit_param(), seed, stall, HCA_MODE_CHECK);
        (void)run(caches(1, 1, 1, 1, 1, 1), seed, stall, HCA_MODE_CHECK);
        (void)run(caches(2, 2, 2, 2, 1, 2), seed, stall, HCA_MODE_CHECK);
        (void)run(caches(12, 3, 56, 7, 4, 3), seed, stall, HCA_MODE_CHECK);
        (void)run(caches(8, 2, 512, 4, 64, 256), seed, stall, HCA_MODE_CHECK);
    }
}

static void the_on_board_store_gives_the_same_answers(void **state)
{
    (void)state;
    struct hca_param p = caches(2, 2, 64, 8, 8, 4);

    p.hca_context_store = HCA_HCA_CONTEXT_STORE_ONBOARD;
    (void)run(p, 3, 20, HCA_MODE_CHECK);
}

static void ticks_only_when_woken_give_the_same_run(void **state)
{
    (void)state;
    const struct hca_param p = caches(12, 3, 56, 7, 4, 3);

    for (uint32_t seed = 11; seed <= 13; seed++) {
        const uint64_t want = run(p, seed, 40, HCA_MODE_CHECK);
        assert_int_equal(run(p, seed, 40, 0), want);
        assert_int_equal(run(p, seed, 40, HCA_MODE_ALL), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_right_and_in_order),
        cmocka_unit_test(the_on_board_store_gives_the_same_answers),
        cmocka_unit_test(ticks_only_when_woken_give_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
