/* net with the ports of adapters: InfiniBand credits, order of ticks, figures per packet. */
#include "tests/net_drive.h"

#include <stdio.h>

enum { ENDS_MAX = 3, PACKETS = 600, STEP_PS = 10000 };

struct end {
    struct hca *h;
    uint32_t sent, got, stall;
};

struct rig {
    struct hca_param p;
    struct net *n;
    struct end end[ENDS_MAX];
    uint32_t ends, packets;
    uint64_t now, random;
    bool loop; /* some packets are for the sender itself */
};

static uint64_t draw(struct rig *g)
{
    g->random = g->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return g->random >> 33;
}

static void open_rig(struct rig *g, unsigned mode)
{
    g->n = fresh(&g->p, g->ends);
    g->now = 100000;
    for (uint32_t i = 0; i < g->ends; i++) {
        g->end[i] = (struct end){.h = unit_hca(&g->p, PORT_UNITS)};
        port_bind(g->end[i].h, i + 1, 0, true);
        g->end[i].h->y.mode = mode;
    }
}

static void close_rig(struct rig *g)
{
    for (uint32_t i = 0; i < g->ends; i++) {
        hca_close(g->end[i].h);
    }
    net_close(g->n);
}

static void run_end(struct rig *g, uint32_t i, uint64_t until)
{
    struct hca *const h = g->end[i].h;

    do {
        struct frame f;
        uint64_t at;
        const uint8_t *bytes;
        unit_drain(&h->y);
        while (hca_pop(h, HCA_NET_OUT, &at, &f, &bytes)) {
            const struct net_side side = {0};
            if (!f.loop) {
                net_send(g->n, i, at, bytes, f.len, f.captured, f.fc, &side);
            }
        }
    } while (hca_run(h, until) < until);
}

/* One step of all adapters and the network between them. */
static void step(struct rig *g)
{
    struct net_arrival a;
    const uint64_t until = g->now + STEP_PS;

    net_settle(g->n, g->now + net_cable_ps(g->n));
    while (net_arrive(g->n, until, &a)) {
        const struct frame m = {.len = a.len, .captured = (uint16_t)a.captured, .fc = a.fc};
        assert_true(hca_push(g->end[a.port].h, HCA_NET_IN, a.at_ps, &m, a.bytes));
    }
    for (uint32_t i = 0; i < g->ends; i++) {
        run_end(g, i, until);
    }
    g->now = until;
}

static void send_one(struct rig *g, uint32_t i)
{
    struct hca *const h = g->end[i].h;

    if (g->end[i].sent == g->packets || !READY(&h->y.t, &h->rd_done) ||
        !pool_ready(&h->store.tx_pool, h->y.k.now)) {
        return;
    }
    const uint32_t others = g->ends - !g->loop;
    const uint32_t to = (i + !g->loop + (uint32_t)draw(g) % others) % g->ends;
    struct pkt m = port_pkt(to + 1, 0, true, PKT_OP_RC_SEND_ONLY, (uint32_t)draw(g) % 4097);
    m.sl = (uint8_t)(g->end[i].sent++ % 2);
    m.slot = port_payload(h, m.plen, (uint8_t)m.plen);
    PASS(&h->y.t, &h->rd_done, pkt, 0, &m);
}

/* Takes a packet unless the receiver pretends to be busy. */
static bool receive_one(struct rig *g, uint32_t i)
{
    struct end *const e = &g->end[i];

    if (e->stall > 0) {
        e->stall--;
    } else if (VALID(&e->h->y.t, &e->h->rx_look)) {
        const struct rxp r = *POP(&e->h->y.t, &e->h->rx_look);
        pool_give(&e->h->store.rx_pool, &e->h->y.k, r.slot);
        e->got++;
        e->stall = draw(g) % 64 == 0 ? 400 : 0;
        return true;
    }
    return false;
}

/* Everybody sends to everybody until all has arrived or was lost on purpose. */
static void exchange(struct rig *g)
{
    uint32_t total = 0, lost = 0;

    for (uint64_t quiet = 0; total + lost < g->packets * g->ends; quiet++) {
        assert_true(quiet < 100000); /* 1 ms without any arrival: a deadlock */
        step(g);
        lost = 0;
        for (uint32_t i = 0; i < g->ends; i++) {
            struct hca *const h = g->end[i].h;
            h->y.t.now = h->y.k.now;
            send_one(g, i);
            if (receive_one(g, i)) {
                total++;
                quiet = 0;
            }
            lost += (uint32_t)net_figures(g->n, i)->fault[NET_LOSE];
            assert_int_equal(net_figures(g->n, i)->overruns, 0);
            assert_int_equal(h->y.s.mac_rx_dropped, 0);
        }
    }
}

static void credits_never_overrun_a_buffer_and_everything_arrives(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 6; round++) {
        struct rig g = {.p = unit_param(), .random = round + 1, .packets = PACKETS};
        g.ends = round % 2 ? 3 : 2;
        g.p.port_wire = HCA_PORT_WIRE_IB;
        g.p.link_switch = round != 0;
        g.p.port_vl_count = round < 3 ? 1 : 2;
        g.p.port_vl_credits_bytes = round < 2 ? 4352 : 16384;
        g.p.link_loss_ppm = round == 5 ? 20000 : 0; /* lost packets give their credits back */
        open_rig(&g, 0);
        exchange(&g);
        for (uint32_t i = 0; i < g.ends; i++) {
            assert_true(g.end[i].h->y.s.mac_tx_credit_waits > 0);
        }
        close_rig(&g);
    }
}

static uint64_t hash_of(unsigned mode, uint64_t wire)
{
    struct rig g = {.p = unit_param(), .random = 5, .packets = 200, .ends = 3, .loop = true};
    uint64_t hash = 0;

    g.p.port_wire = wire;
    g.p.hca_rx_buffer_bytes = 4194304; /* room for what the loop, which is not held back, brings */
    g.p.port_vl_credits_bytes = 131072;
    open_rig(&g, mode);
    exchange(&g);
    for (uint32_t i = 0; i < g.ends; i++) {
        const uint64_t one = hca_hash(g.end[i].h);
        hash = hash_words(hash, i, &one, sizeof one);
        assert_true(g.end[i].h->y.s.mac_tx_looped > 20);
    }
    close_rig(&g);
    return hash;
}

static void the_order_of_ticks_and_skipping_change_nothing(void **state)
{
    (void)state;
    static const uint64_t wires[] = {HCA_PORT_WIRE_ROCE2, HCA_PORT_WIRE_ROCE1, HCA_PORT_WIRE_IB};
    static const unsigned modes[] = {HCA_MODE_ALL, HCA_MODE_REVERSE, HCA_MODE_SHUFFLE,
                                     HCA_MODE_CHECK, HCA_MODE_NOSKIP | HCA_MODE_SHUFFLE};
    for (size_t w = 0; w < sizeof wires / sizeof wires[0]; w++) {
        const uint64_t hash = hash_of(0, wires[w]);
        for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
            assert_int_equal(hash_of(modes[m], wires[w]), hash);
        }
    }
}

/* Two full-rate streams of one size; ticks of the four port units per packet, both directions. */
static double ticks_per_packet(uint64_t wire, uint32_t plen)
{
    struct rig g = {.p = unit_param(), .ends = 2, .packets = 2000};
    uint32_t got = 0;

    g.p.port_wire = wire;
    open_rig(&g, 0);
    const uint64_t before = g.end[0].h->y.k.activations + g.end[1].h->y.k.activations;
    while (got < g.packets) {
        step(&g);
        struct hca *const a = g.end[0].h, *const b = g.end[1].h;
        a->y.t.now = a->y.k.now;
        b->y.t.now = b->y.k.now;
        if (g.end[0].sent < g.packets && READY(&a->y.t, &a->rd_done) &&
            pool_ready(&a->store.tx_pool, a->y.k.now)) {
            struct pkt m = port_pkt(2, 0, true, PKT_OP_RC_SEND_ONLY, plen);
            m.slot = port_payload(a, 0, 0);
            PASS(&a->y.t, &a->rd_done, pkt, 0, &m);
            g.end[0].sent++;
        }
        got += receive_one(&g, 1);
        g.end[1].stall = 0;
    }
    const uint64_t ticks = g.end[0].h->y.k.activations + g.end[1].h->y.k.activations - before;
    close_rig(&g);
    return (double)ticks / got;
}

static void a_packet_costs_few_ticks_from_build_to_parse(void **state)
{
    (void)state;
    static const struct {
        uint64_t wire;
        uint32_t plen;
        double most;
    } rows[] = {{HCA_PORT_WIRE_ROCE2, 4096, 10},
                {HCA_PORT_WIRE_ROCE2, 64, 10},
                {HCA_PORT_WIRE_IB, 4096, 18}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const double ticks = ticks_per_packet(rows[i].wire, rows[i].plen);
        printf("wire %d, %u bytes: %.2f ticks per packet\n", (int)rows[i].wire, rows[i].plen,
               ticks);
        assert_true(ticks < rows[i].most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credits_never_overrun_a_buffer_and_everything_arrives),
        cmocka_unit_test(the_order_of_ticks_and_skipping_change_nothing),
        cmocka_unit_test(a_packet_costs_few_ticks_from_build_to_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
