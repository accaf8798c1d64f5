/* requester: the straight path, random traffic with and without faults. */
#include "tests/tx_peer.h"

static void a_small_write_is_one_packet_and_completes_once(void **state)
{
    (void)state;
    const struct hca_param p = peer_param();
    struct peer *const e = peer_open(&p, 1, 1);
    struct wqe w = peer_wr(WR_WRITE, 64);

    w.wr_id = 0x1234567800000009;
    assert_true(peer_post(e, 0, &w));
    peer_ring(e, 0);
    assert_true(peer_until(e, 0, 1, 2000));
    assert_int_equal(e->packets, 1);
    assert_int_equal(e->cqes, 1);
    peer_run(e, 5000);
    assert_int_equal(e->packets, 1);
    assert_int_equal(fifo_level(&e->b->h->qp_done.ctl), 0);
    assert_int_equal(e->b->h->store.wqe_pool.free, e->b->h->store.wqe_pool.n);
    assert_int_equal(e->b->h->store.rx_pool.free, e->b->h->store.rx_pool.n);
    peer_close(e);
}

static void messages_of_every_kind_and_size_complete_without_repetition(void **state)
{
    (void)state;
    static const uint8_t ops[] = {WR_WRITE, WR_WRITE_IMM, WR_SEND, WR_SEND_IMM,
                                  WR_READ,  WR_CAS,       WR_FAA,  WR_SEND_INV};
    static const uint32_t sizes[] = {0, 1, 1023, 1024, 1025, 2048, 5000, 100000};
    const struct hca_param p = peer_param();

    for (unsigned i = 0; i < 64; i++) {
        struct peer *const e = peer_open(&p, 1, i);
        const uint8_t op = ops[i / 8];
        struct wqe w = peer_wr(op, op == WR_CAS || op == WR_FAA ? 8 : sizes[i % 8]);
        for (uint32_t n = 0; n < 3; n++) {
            w.wr_id = n + 1;
            assert_true(peer_post(e, 0, &w));
        }
        peer_ring(e, 0);
        assert_true(peer_until(e, 0, 3, 60000));
        assert_int_equal(e->cqes, 3);
        assert_int_equal(e->repeats, 0);
        assert_int_equal(e->qp[0].epsn, e->qp[0].planned);
        peer_close(e);
    }
}

/* A random WQE that the peer can check; local operations and fences too. */
static struct wqe random_wr(struct peer *e, uint32_t id)
{
    static const uint8_t ops[] = {WR_WRITE,    WR_WRITE,    WR_WRITE_IMM, WR_SEND,
                                  WR_SEND_IMM, WR_READ,     WR_READ,      WR_CAS,
                                  WR_FAA,      WR_SEND_INV, WR_LOCAL_INV, WR_FAST_REG};
    const uint8_t op = ops[rig_random(e->b, sizeof ops)];
    const bool atomic = op == WR_CAS || op == WR_FAA;
    struct wqe w = peer_wr(op, 0);

    w.wr_id = id;
    w.flags = (uint8_t)rig_random(e->b, 8);
    w.nsge = (uint8_t)(op >= WR_LOCAL_INV ? 0 : atomic ? 1 : rig_random(e->b, 5));
    for (uint32_t i = 0; i < w.nsge; i++) {
        const uint32_t most = rig_random(e->b, 4) == 0 ? 4000 : 300;
        w.sge[i] = (struct sge){rig_random(e->b, 1u << 28), atomic ? 8 : rig_random(e->b, most),
                                rig_random(e->b, 1000)};
        w.len += w.sge[i].len;
    }
    w.raddr = rig_random(e->b, 1u << 28);
    w.op1 = rig_random(e->b, 1u << 28);
    w.op2 = op == WR_CAS ? rig_random(e->b, 1u << 28) : 0;
    return w;
}

/* Seeds per mix: 3, or what HCASIM_SEEDS says for a long run. */
static uint64_t seeds(void)
{
    const char *const n = getenv("HCASIM_SEEDS");

    return n == NULL ? 3 : strtoull(n, NULL, 10);
}

struct mix {
    uint32_t qps, ops, stall, drop, dup, rnr, cache;
};

static uint64_t last_seed;

static int say_seed(void **state)
{
    (void)state;
    print_message("last seed %llu\n", (unsigned long long)last_seed);
    return 0;
}

/* Random traffic until every WQE of every QP has completed; the hash of all that happened. */
static uint64_t traffic(const struct mix *m, uint64_t seed, unsigned mode, uint64_t *repeats)
{
    struct hca_param p = peer_param();
    last_seed = seed;
    p.hca_qp_cache_entries = m->cache;
    p.hca_qp_cache_ways = m->cache < 8 ? m->cache : 8;
    struct peer *const e = peer_open(&p, m->qps, seed);
    uint32_t posted = 0, idle = 0;

    e->b->h->y.mode = mode;
    e->b->stall = m->stall;
    e->b->jitter = m->stall;
    e->drop = e->back_drop = m->drop;
    e->dup = m->dup;
    e->rnr = m->rnr;
    e->rnr_code = 1;
    while (idle < 3000000) {
        const uint32_t qp = rig_random(e->b, m->qps);
        if (posted < m->ops && rig_random(e->b, 20) == 0) {
            const struct wqe w = random_wr(e, posted + 1);
            if (peer_post(e, qp, &w)) {
                posted++;
                peer_ring(e, qp);
            }
        }
        peer_cycle(e);
        uint32_t open = 0;
        for (uint32_t i = 0; i < m->qps && posted == m->ops; i++) {
            /* unsignalled WQEs at the end leave only a silent head update */
            open += e->qp[i].posted - e->qp[i].completed;
        }
        if (posted == m->ops && open == 0) {
            break;
        }
        idle++;
    }
    for (uint32_t i = 0; i < m->qps; i++) {
        assert_int_equal(e->qp[i].completed, e->qp[i].posted);
        assert_int_equal(e->qp[i].epsn, e->qp[i].planned);
    }
    peer_run(e, 3000);
    assert_int_equal(e->b->h->store.wqe_pool.free, e->b->h->store.wqe_pool.n);
    assert_int_equal(e->b->h->store.rx_pool.free, e->b->h->store.rx_pool.n);
    for (uint32_t i = 0; i < p.hca_qp_cache_entries; i++) {
        assert_int_equal(e->b->h->u_context.cache[CTX_QP].pins[i], 0);
    }
    const uint64_t hash = system_hash(&e->b->h->y);
    *repeats = e->repeats;
    peer_close(e);
    return hash;
}

static void random_traffic_completes_in_order_without_loss_and_without_repetition(void **state)
{
    (void)state;
    const struct mix mixes[] = {{1, 400, 0, 0, 0, 0, 64},
                                {4, 600, 0, 0, 0, 0, 64},
                                {32, 900, 30, 0, 0, 0, 64},
                                {64, 900, 10, 0, 0, 0, 8}};
    uint64_t repeats;

    for (unsigned i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        for (uint64_t seed = 1; seed <= seeds(); seed++) {
            (void)traffic(&mixes[i], seed, HCA_MODE_CHECK, &repeats);
            assert_int_equal(repeats, 0);
        }
    }
}

static void random_loss_duplication_and_rnr_only_delay_completions(void **state)
{
    (void)state;
    const struct mix mixes[] = {{1, 200, 0, 30, 0, 0, 64},
                                {4, 300, 10, 50, 20, 0, 64},
                                {8, 300, 20, 20, 50, 60, 64},
                                {40, 500, 10, 40, 20, 30, 8}};
    uint64_t repeats, sum = 0;

    for (unsigned i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        for (uint64_t seed = 11; seed < 11 + seeds(); seed++) {
            (void)traffic(&mixes[i], seed, HCA_MODE_CHECK, &repeats);
            sum += repeats;
        }
    }
    print_message("%llu packets repeated\n", (unsigned long long)sum);
    assert_true(sum > 300);
}

static void the_order_in_which_units_are_ticked_changes_nothing(void **state)
{
    (void)state;
    static const unsigned modes[] = {0,
                                     HCA_MODE_REVERSE,
                                     HCA_MODE_SHUFFLE,
                                     HCA_MODE_ALL,
                                     HCA_MODE_NOSKIP,
                                     HCA_MODE_CHECK | HCA_MODE_SHUFFLE};
    const struct mix m = {8, 300, 20, 30, 20, 30, 8};
    uint64_t repeats;
    const uint64_t hash = traffic(&m, 5, HCA_MODE_CHECK, &repeats);

    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(traffic(&m, 5, modes[i], &repeats), hash);
    }
    assert_int_not_equal(traffic(&m, 6, 0, &repeats), hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_write_is_one_packet_and_completes_once),
        cmocka_unit_test(messages_of_every_kind_and_size_complete_without_repetition),
        cmocka_unit_test_teardown(
            random_traffic_completes_in_order_without_loss_and_without_repetition, say_seed),
        cmocka_unit_test_teardown(random_loss_duplication_and_rnr_only_delay_completions, say_seed),
        cmocka_unit_test(the_order_in_which_units_are_ticked_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
