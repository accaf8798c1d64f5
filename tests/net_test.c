/* net: times, order, faults, addresses, queues. */
#include "tests/net_drive.h"

/* --- times --------------------------------------------------------------------------------------
 */

static void a_frame_takes_the_cables_and_an_idle_switch_its_latency(void **state)
{
    (void)state;
    for (int switched = 0; switched < 2; switched++) {
        struct hca_param p = unit_param();
        p.link_switch = (uint64_t)switched;
        struct net *const n = fresh(&p, 2);
        struct net_arrival a;
        send(n, &p, 0, 1, 1000000, 5);
        const uint64_t at = 1000000 + net_lookahead(n);
        assert_int_equal(net_lookahead(n), switched ? 2 * CABLE + SWITCH : CABLE);
        assert_true(net_next(n) <= at);
        net_settle(n, UINT64_MAX);
        assert_false(net_arrive(n, at, &a));
        assert_true(net_arrive(n, at + 1, &a));
        assert_int_equal(a.at_ps, at);
        assert_int_equal(a.port, 1);
        assert_int_equal(psn_of(&p, &a), 5);
        assert_int_equal(a.side.mid, 5);
        assert_int_equal(a.side.source, 1);
        assert_false(net_arrive(n, UINT64_MAX, &a));
        assert_int_equal(net_next(n), UINT64_MAX);
        net_close(n);
    }
}

static void frames_to_one_port_follow_each_other_at_exactly_its_rate(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_rate_mbps = 97000; /* not a whole number of ps per byte */
    struct net *const n = fresh(&p, 8);
    struct net_arrival a;
    const uint32_t each = 100;
    uint64_t first = 0, last = 0;
    uint32_t count = 0, len = 0;
    for (uint32_t i = 0; i < each; i++) {
        for (uint32_t src = 1; src < 8; src++) {
            send(n, &p, src, 0, 1000000 + i * 91000ULL, i);
        }
    }
    net_settle(n, UINT64_MAX);
    for (; net_arrive(n, UINT64_MAX, &a); count++) {
        first = count == 0 ? a.at_ps : first;
        last = a.at_ps;
        len = a.len;
        assert_int_equal(a.port, 0);
    }
    assert_int_equal(count, each * 7);
    const uint64_t bits_ps = (uint64_t)line_bytes(false, len) * 8000000;
    assert_int_equal(last - first, ((count - 1) * bits_ps + 96999) / 97000);
    net_close(n);
}

static void equal_times_are_served_in_the_order_of_the_sending_port(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct net *const n = fresh(&p, 4);
    struct net_arrival a;
    for (uint32_t src = 3; src > 0; src--) {
        send(n, &p, src, 0, 5000, src);
    }
    net_settle(n, UINT64_MAX);
    for (uint32_t src = 1; src < 4; src++) {
        assert_true(net_arrive(n, UINT64_MAX, &a));
        assert_int_equal(psn_of(&p, &a), src);
    }
    net_close(n);
}

/* --- faults --------------------------------------------------------------------------------------
 */

struct outcome {
    uint32_t count, corrupt, marked, order_breaks, twice;
    uint64_t hash;
};

/* 2000 frames, 200 ns apart, worked out in steps of `step`. */
static struct outcome run(struct hca_param p, const struct net_aim *aim, uint64_t step,
                          struct net_figures *figures)
{
    struct net *const n = fresh(&p, 2);
    struct outcome s = {0};
    struct net_arrival a;
    uint64_t now = 0;
    uint32_t last = 0, sent = 0;

    if (aim != NULL) {
        assert_true(net_aim(n, aim));
    }
    while (sent < 2000 || net_next(n) != UINT64_MAX) {
        for (; sent < 2000 && sent * 200000ULL < now + step; sent++) {
            send(n, &p, 0, 1, sent * 200000ULL, sent + 1);
        }
        net_settle(n, now + step + net_cable_ps(n));
        now += step;
        while (net_arrive(n, now, &a)) {
            const uint32_t psn = psn_of(&p, &a);
            s.count++;
            s.hash = hash_words(s.hash, a.at_ps, a.bytes, a.len);
            if (psn == UINT32_MAX) {
                s.corrupt++;
                continue;
            }
            s.marked += (a.bytes[15] & 3) == 3;
            s.order_breaks += psn < last;
            s.twice += psn == last;
            last = psn;
        }
    }
    *figures = *net_figures(n, 0);
    net_close(n);
    return s;
}

static void each_fault_happens_as_often_as_counted_and_near_its_probability(void **state)
{
    (void)state;
    struct net_figures f;
    for (int switched = 0; switched < 2; switched++) {
        struct hca_param p = unit_param();
        p.link_switch = (uint64_t)switched;
        struct outcome s = run(p, NULL, 500000, &f);
        assert_int_equal(s.count, 2000);
        assert_int_equal(s.corrupt + s.marked + s.order_breaks + s.twice, 0);
        p.link_loss_ppm = 100000;
        s = run(p, NULL, 500000, &f);
        assert_int_equal(s.count, 2000 - f.fault[NET_LOSE]);
        assert_in_range(f.fault[NET_LOSE], 140, 260);
        p.link_loss_ppm = 0;
        p.link_dup_ppm = 100000;
        s = run(p, NULL, 500000, &f);
        assert_int_equal(s.twice, f.fault[NET_DUPLICATE]);
        assert_int_equal(s.count, 2000 + f.fault[NET_DUPLICATE]);
        assert_in_range(s.twice, 140, 260);
        p.link_dup_ppm = 0;
        p.link_reorder_ppm = 100000;
        s = run(p, NULL, 500000, &f);
        assert_int_equal(s.count, 2000);
        assert_int_equal(s.order_breaks, f.fault[NET_REORDER]);
        assert_in_range(s.order_breaks, 140, 260);
        p.link_reorder_ppm = 0;
        p.link_ecn_ppm = 100000;
        s = run(p, NULL, 500000, &f);
        assert_int_equal(s.marked, f.fault[NET_MARK]); /* and the ICRC stays right */
        assert_in_range(s.marked, 140, 260);
        p.link_ecn_ppm = 0;
        p.link_corrupt_ppm = 100000;
        s = run(p, NULL, 500000, &f);
        assert_int_equal(s.count, 2000);
        assert_in_range(f.fault[NET_CORRUPT], 140, 260);
        /* all but the bits that no check covers: MAC addresses, ToS with its checksum, ... */
        assert_in_range(s.corrupt, f.fault[NET_CORRUPT] * 9 / 10, f.fault[NET_CORRUPT]);
    }
}

static struct hca_param mixed(void)
{
    struct hca_param p = unit_param();
    p.link_loss_ppm = 50000;
    p.link_dup_ppm = 50000;
    p.link_reorder_ppm = 50000;
    p.link_corrupt_ppm = 50000;
    p.link_ecn_ppm = 50000;
    return p;
}

static void a_run_depends_on_the_seed_and_not_on_the_steps(void **state)
{
    (void)state;
    struct hca_param p = mixed();
    struct net_figures f;
    const struct outcome a = run(p, NULL, 300000, &f), b = run(p, NULL, 1234567, &f),
                         c = run(p, NULL, 40000000, &f);
    assert_int_equal(a.hash, b.hash);
    assert_int_equal(a.hash, c.hash);
    p.sim_seed = 2;
    assert_int_not_equal(run(p, NULL, 300000, &f).hash, a.hash);
}

static void an_aimed_fault_hits_exactly_the_named_packets(void **state)
{
    (void)state;
    const struct hca_param p = unit_param();
    struct net_figures f;
    struct net_aim aim = {.what = NET_LOSE,
                          .port = 0,
                          .qpn = 101,
                          .opcode = PKT_OP_RC_SEND_ONLY,
                          .nth = 7,
                          .count = 3};
    assert_int_equal(run(p, &aim, 500000, &f).count, 1997);
    assert_int_equal(f.fault[NET_LOSE], 3);
    aim.what = NET_CORRUPT;
    run(p, &aim, 500000, &f);
    assert_int_equal(f.fault[NET_CORRUPT], 3);
    aim.qpn = 102;
    run(p, &aim, 500000, &f);
    assert_int_equal(f.fault[NET_CORRUPT], 0);
    aim = (struct net_aim){
        .what = NET_REORDER, .port = -1, .qpn = -1, .opcode = -1, .nth = 2000, .count = UINT64_MAX};
    const struct outcome s = run(p, &aim, 500000, &f); /* the last one: nobody overtakes it */
    assert_int_equal(s.count, 2000);
    assert_int_equal(s.order_breaks, 0);
}

/* --- addresses and queues ------------------------------------------------------------------------
 */

static void unknown_and_own_addresses_go_nowhere_and_are_counted(void **state)
{
    (void)state;
    const struct hca_param p = unit_param();
    struct net *const n = fresh(&p, 2);
    struct net_arrival a;
    static const uint8_t stranger[20] = {9, 9, 9, 9, 9, 9};
    const struct net_side side = {0};
    assert_true(net_send(n, 0, 100, stranger, 20, 20, false, &side));
    assert_true(net_send(n, 0, 100, stranger, 3, 3, false, &side));
    send(n, &p, 0, 0, 100, 1);
    net_settle(n, UINT64_MAX);
    assert_false(net_arrive(n, UINT64_MAX, &a));
    assert_int_equal(net_figures(n, 0)->dropped_address, 3);
    net_close(n);
}

static void many_addresses_of_one_port_all_lead_to_it(void **state)
{
    (void)state;
    const struct hca_param p = unit_param();
    struct net *const n = fresh(&p, 3);
    struct net_arrival a;
    const struct net_side side = {0};
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t f[60] = {6, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};
        net_address(n, i % 3, f, 0);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        const uint8_t f[60] = {6, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};
        net_send(n, (i + 1) % 3, i * 100000ULL, f, 60, 60, false, &side);
        net_settle(n, (i + 1) * 100000ULL + 1000000);
        assert_true(net_arrive(n, UINT64_MAX, &a));
        assert_int_equal(a.port, i % 3);
    }
    net_close(n);
}

static void an_ethernet_queue_drops_at_its_bound_and_marks_above_its_threshold(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.link_queue_bytes = 20000;
    p.link_ecn_threshold_bytes = 10000;
    struct net *const n = fresh(&p, 4);
    struct net_arrival a;
    uint32_t count = 0, marked = 0;
    for (uint32_t i = 0; i < 40; i++) { /* three senders at full rate */
        for (uint32_t src = 1; src < 4; src++) {
            send(n, &p, src, 0, 1000 + i * ser_ps(FRAME), i);
        }
    }
    net_settle(n, UINT64_MAX);
    for (; net_arrive(n, UINT64_MAX, &a); count++) {
        assert_int_not_equal(psn_of(&p, &a), UINT32_MAX);
        marked += (a.bytes[15] & 3) == 3;
    }
    uint64_t dropped = 0, ce = 0;
    for (uint32_t src = 1; src < 4; src++) {
        dropped += net_figures(n, src)->dropped_queue;
        ce += net_figures(n, src)->fault[NET_MARK];
    }
    assert_int_equal(count + dropped, 120);
    assert_in_range(dropped, 40, 70); /* 2 of 3 frames of the overload beyond 20000 bytes */
    assert_int_equal(marked, ce);
    assert_true(marked > count / 2);
    assert_in_range(net_figures(n, 0)->queue_max_bytes, 18000, 20000);
    net_close(n);
}

static void a_paused_port_gets_nothing_until_the_pause_ends(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_pause = true;
    struct net *const n = fresh(&p, 2);
    struct net_arrival a;
    struct pkt_hdr h = {.pfc_enable = 1, .pfc_quanta = {1000}};
    uint8_t pfc[PKT_PFC_BYTES];
    const struct net_side side = {0};
    pkt_build_pfc(&h, pfc);
    net_send(n, 1, 1000000, pfc, sizeof pfc, sizeof pfc, false, &side);
    send(n, &p, 0, 1, 1100000, 1);
    net_settle(n, UINT64_MAX);
    assert_true(net_arrive(n, UINT64_MAX, &a));
    /* 1000 quanta of 512 bits at 100 Gb/s are 5.12 us */
    const uint64_t ends = 1000000 + CABLE + SWITCH + 5120000;
    assert_int_equal(a.at_ps, ends + ser_ps(a.len) + CABLE);
    net_close(n);
}

/* Senders that obey the switch lose nothing; the switch pauses them and lets them go on. */
static void a_lossless_switch_pauses_senders_instead_of_dropping(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_pause = true;
    p.link_queue_bytes = 200000;
    struct net *const n = fresh(&p, 4);
    uint64_t paused[4] = {0}, next[4] = {0};
    uint32_t left[4] = {0, 500, 500, 500}, got = 0;
    struct net_arrival a;
    for (uint64_t now = 0; got < 1500; now += 50000) {
        assert_true(now < 1000000000);
        for (uint32_t s = 1; s < 4; s++) {
            for (; left[s] > 0 && next[s] < now + 50000 && paused[s] <= next[s]; left[s]--) {
                send(n, &p, s, 0, next[s], left[s]);
                next[s] += ser_ps(FRAME);
            }
            next[s] = next[s] < now + 50000 ? now + 50000 : next[s];
        }
        net_settle(n, now + 50000 + CABLE);
        while (net_arrive(n, now + 50000, &a)) {
            struct pkt_hdr h;
            struct pkt_view v;
            if (pkt_parse(a.bytes, a.len, PKT_LINK_ETHERNET, &h, &v) == PKT_PFC) {
                paused[a.port] = a.at_ps + h.pfc_quanta[0] * 5120ULL;
            } else {
                got++;
            }
        }
    }
    for (uint32_t s = 1; s < 4; s++) {
        assert_int_equal(net_figures(n, s)->dropped_queue, 0);
        assert_true(net_figures(n, s)->pauses >= 2);
    }
    net_close(n);
}

static void memory_is_bounded_and_the_excess_is_dropped_and_counted(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.link_queue_bytes = 1073741824;
    struct net *const n = fresh(&p, 2);
    const struct net_side side = {0};
    struct net_arrival a;
    uint8_t f[60] = {2, 0, 0, 0, 0, 2};
    uint64_t sent = 0, count = 0;
    while (net_send(n, 0, 1000, f, 60, 60, false, &side)) {
        sent++;
    }
    assert_int_equal(net_figures(n, 0)->dropped_queue, 1);
    assert_true(net_memory(n) <= (256ULL << 20) + (16 << 20));
    net_settle(n, UINT64_MAX);
    for (; net_arrive(n, UINT64_MAX, &a); count++) {}
    assert_int_equal(count, sent);
    assert_true(net_send(n, 0, UINT64_MAX / 2, f, 60, 60, false, &side));
    net_close(n);
}

static void hostile_frames_neither_crash_nor_pass_as_control(void **state)
{
    (void)state;
    for (int ib = 0; ib < 2; ib++) {
        struct hca_param p = mixed();
        p.port_wire = ib ? HCA_PORT_WIRE_IB : HCA_PORT_WIRE_ROCE2;
        p.port_pause = !ib;
        struct net *const n = fresh(&p, 3);
        const struct net_aim aim = {
            .what = NET_CORRUPT, .port = -1, .qpn = 5, .opcode = -1, .nth = 1, .count = 1};
        net_aim(n, &aim);
        uint64_t x = 99, now = 0;
        struct net_arrival a;
        for (uint32_t i = 0; i < 20000; i++, now += 20000) {
            uint8_t f[200];
            const struct net_side side = {0};
            for (uint32_t b = 0; b < sizeof f; b++) {
                x = x * 6364136223846793005ULL + 1442695040888963407ULL;
                f[b] = (uint8_t)(x >> 56);
            }
            if (i % 3 == 0 && !ib) {
                memcpy(f, mac_of[i % 2], 6);
                f[12] = i % 2 ? 0x88 : 0x81;
                f[13] = i % 2 ? 0x08 : 0;
            } else if (i % 3 == 0) {
                f[2] = 0;
                f[3] = (uint8_t)(i % 4);
            }
            const uint32_t len = (uint32_t)(x >> 32) % sizeof f;
            net_send(n, i % 3, now, f, len, len, ib && i % 7 == 0, &side);
            net_settle(n, now);
            while (net_arrive(n, now, &a)) {
                assert_true(a.port < 3);
            }
        }
        net_close(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_takes_the_cables_and_an_idle_switch_its_latency),
        cmocka_unit_test(frames_to_one_port_follow_each_other_at_exactly_its_rate),
        cmocka_unit_test(equal_times_are_served_in_the_order_of_the_sending_port),
        cmocka_unit_test(each_fault_happens_as_often_as_counted_and_near_its_probability),
        cmocka_unit_test(a_run_depends_on_the_seed_and_not_on_the_steps),
        cmocka_unit_test(an_aimed_fault_hits_exactly_the_named_packets),
        cmocka_unit_test(unknown_and_own_addresses_go_nowhere_and_are_counted),
        cmocka_unit_test(many_addresses_of_one_port_all_lead_to_it),
        cmocka_unit_test(an_ethernet_queue_drops_at_its_bound_and_marks_above_its_threshold),
        cmocka_unit_test(a_paused_port_gets_nothing_until_the_pause_ends),
        cmocka_unit_test(a_lossless_switch_pauses_senders_instead_of_dropping),
        cmocka_unit_test(memory_is_bounded_and_the_excess_is_dropped_and_counted),
        cmocka_unit_test(hostile_frames_neither_crash_nor_pass_as_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
