/* mac_rx: buffer accounting, pause, credits, loop. */
#include "model/packet/fc.h"
#include "tests/port.h"

static struct hca *fresh(const struct hca_param *p)
{
    return unit_hca(p, 1ULL << U_mac_rx);
}

/* A frame of len bytes at the port in the next cycle. */
static void arrive(struct hca *h, const uint8_t *bytes, uint32_t len, bool fc)
{
    static const uint8_t zeros[4400];
    const struct frame f = {.len = len, .captured = (uint16_t)len, .fc = fc, .mid = 3};

    assert_true(hca_push(h, HCA_NET_IN, hca_now(h), &f, bytes != NULL ? bytes : zeros));
}

static void give(struct hca *h, const struct frame *f)
{
    pool_give(&h->store.rx_pool, &h->y.k, f->slot);
}

static void a_frame_takes_fec_and_mac_latency_and_not_a_cycle_less(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_fec_ns = 100;
    p.port_mac_latency_ns = 40;
    struct hca *const h = fresh(&p);
    struct frame f;
    arrive(h, NULL, 1000, false);
    const uint64_t came = h->y.k.now + 1;
    unit_run(h, 141);
    assert_true(!UNIT_POP(h, rx_frame, &f));
    unit_run(h, 1);
    assert_true(UNIT_POP(h, rx_frame, &f));
    assert_int_equal(f.at, came + 140 + 1);
    assert_int_equal(f.len, 1000);
    assert_int_equal(f.mid, 3);
    hca_close(h);
}

static void frames_of_every_cycle_pass(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct frame f;
    uint32_t got = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        arrive(h, NULL, 60 + i % 1000, false);
        unit_run(h, 1);
        if (UNIT_POP(h, rx_frame, &f)) {
            assert_int_equal(f.len, 60 + got % 1000);
            got++;
            give(h, &f);
        }
    }
    assert_int_equal(got, 2000 - 141);
    hca_close(h);
}

/* Every frame counts its bytes, a small one 256, until its slot is given back. */
static void a_full_ethernet_buffer_drops_and_a_slot_given_back_makes_room(void **state)
{
    (void)state;
    static const struct {
        uint32_t len, fit;
    } rows[] = {{60, 40}, {256, 40}, {257, 39}, {1024, 10}, {4000, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = unit_param();
        p.hca_rx_buffer_bytes = 10240;
        struct hca *const h = fresh(&p);
        struct frame f;
        for (uint32_t n = 0; n < rows[i].fit + 3; n++) {
            arrive(h, NULL, rows[i].len, false);
            unit_run(h, 1);
        }
        unit_run(h, 200);
        assert_int_equal(h->y.s.mac_rx_frames, rows[i].fit);
        assert_int_equal(h->y.s.mac_rx_dropped, 3);
        assert_true(UNIT_POP(h, rx_frame, &f));
        give(h, &f);
        unit_run(h, 1);
        arrive(h, NULL, rows[i].len, false);
        unit_run(h, 1);
        assert_int_equal(h->y.s.mac_rx_dropped, 3);
        arrive(h, NULL, rows[i].len, false);
        unit_run(h, 2);
        assert_int_equal(h->y.s.mac_rx_dropped, 4);
        assert_int_equal(h->store.rx_pool.n - h->store.rx_pool.free, rows[i].fit);
        hca_close(h);
    }
}

static void a_stalled_output_holds_frames_without_loss(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    struct frame f;
    uint32_t got = 0;
    for (uint32_t i = 0; i < 250; i++) {
        arrive(h, NULL, 60 + i, false);
        unit_run(h, 2);
    }
    unit_run(h, 500);
    assert_int_equal(fifo_level(&h->rx_frame.ctl),
                     250); /* net_in is empty: nothing stands in the line */
    while (got < 250) {
        if (UNIT_POP(h, rx_frame, &f)) {
            assert_int_equal(f.len, 60 + got);
            got++;
            give(h, &f);
        }
        unit_run(h, 1);
    }
    hca_close(h);
}

/* --- pause --------------------------------------------------------------------------------------
 */

static void pause_starts_at_xoff_repeats_and_ends_at_xon(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_pause = true;
    p.port_pause_xoff_bytes = 4000;
    p.port_pause_xon_bytes = 2000;
    struct hca *const h = fresh(&p);
    struct frame f[4];
    struct link_fc c;
    for (unsigned i = 0; i < 3; i++) {
        arrive(h, NULL, 1000, false);
        unit_run(h, 200);
        assert_true(UNIT_POP(h, rx_frame, &f[i]));
    }
    assert_true(!UNIT_POP(h, rx_credit, &c));
    arrive(h, NULL, 1000, false);
    unit_run(h, 200);
    assert_true(UNIT_POP(h, rx_credit, &c));
    assert_int_equal(c.op, LFC_PAUSE);
    assert_int_equal(c.fctbs, 0xffff);
    const uint64_t first = c.at;
    /* 65535 quanta of 512 bits at 100 Gb/s are 335539 ns: repeated after half of it */
    unit_run(h, 170000);
    assert_true(UNIT_POP(h, rx_credit, &c));
    assert_int_equal(c.fctbs, 0xffff);
    assert_in_range(c.at - first, 167760, 167780);
    give(h, &f[0]);
    unit_run(h, 10);
    assert_true(!UNIT_POP(h, rx_credit, &c));
    give(h, &f[1]);
    unit_run(h, 2);
    assert_true(UNIT_POP(h, rx_credit, &c));
    assert_int_equal(c.fctbs, 0);
    unit_run(h, 400000);
    assert_true(!UNIT_POP(h, rx_credit, &c));
    assert_int_equal(hca_wake(h), UINT64_MAX);
    hca_close(h);
}

static void a_received_pause_of_our_priority_goes_to_mac_tx_and_others_do_not(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_pause = true;
    p.port_vlan_priority = 2;
    struct hca *const h = fresh(&p);
    struct link_fc c;
    for (unsigned class = 0; class < 8; class ++) {
        struct pkt_hdr hdr = {.pfc_enable = (uint8_t)(1U << class)};
        uint8_t bytes[PKT_PFC_BYTES];
        hdr.pfc_quanta[class] = 77;
        pkt_build_pfc(&hdr, bytes);
        arrive(h, bytes, sizeof bytes, false);
        unit_run(h, 4);
        assert_true(UNIT_POP(h, rx_credit, &c) == (class == 2));
        assert_true(class != 2 || (c.op == LFC_PAUSED && c.fctbs == 77));
    }
    uint8_t other[60] = {0};
    other[12] = 0x88;
    other[13] = 0x08;
    arrive(h, other, sizeof other, false);
    arrive(h, other, 14, false);
    arrive(h, other, sizeof other, true); /* InfiniBand flow control on Ethernet */
    unit_run(h, 6);
    assert_int_equal(h->y.s.mac_rx_bad_control, 3);
    assert_int_equal(h->y.s.mac_rx_pauses, 8);
    assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
    hca_close(h);
}

/* --- InfiniBand ---------------------------------------------------------------------------------
 */

static struct hca_param ib(uint64_t lanes)
{
    struct hca_param p = unit_param();

    p.port_wire = HCA_PORT_WIRE_IB;
    p.port_vl_count = lanes;
    return p;
}

static void a_credit_packet_goes_to_mac_tx_and_a_damaged_one_is_counted(void **state)
{
    (void)state;
    const struct hca_param p = ib(2);
    struct hca *const h = fresh(&p);
    struct link_fc c;
    uint8_t bytes[FC_PACKET_BYTES];
    fc_build(&(struct fc_packet){.fctbs = 0, .fccl = 999, .vl = 1}, bytes);
    arrive(h, bytes, sizeof bytes, true);
    unit_run(h, 3);
    assert_true(UNIT_POP(h, rx_credit, &c));
    assert_int_equal(c.op, LFC_PEER);
    assert_int_equal(c.fccl, 999);
    assert_int_equal(c.vl, 1);
    bytes[2] ^= 1;
    arrive(h, bytes, sizeof bytes, true);
    fc_build(&(struct fc_packet){.vl = 2}, bytes); /* no such lane */
    arrive(h, bytes, sizeof bytes, true);
    arrive(h, bytes, 5, true);
    unit_run(h, 6);
    assert_int_equal(h->y.s.mac_rx_bad_control, 3);
    assert_true(!UNIT_POP(h, rx_credit, &c));
    assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
    hca_close(h);
}

/* Grants come when a quarter of the buffer is free again, and say exactly what is free. */
static void slots_given_back_become_credits_of_their_lane(void **state)
{
    (void)state;
    const struct hca_param p = ib(2); /* 16384 bytes: 256 blocks, threshold 64 */
    struct hca *const h = fresh(&p);
    struct frame f[4];
    struct link_fc c;
    const uint8_t lane1[4000] = {0x10};
    for (unsigned i = 0; i < 4; i++) { /* 32 blocks each */
        arrive(h, lane1, 2048, false);
        unit_run(h, 200);
        assert_true(UNIT_POP(h, rx_frame, &f[i]));
    }
    give(h, &f[0]);
    unit_run(h, 10);
    assert_true(!UNIT_POP(h, rx_credit, &c));
    give(h, &f[1]);
    unit_run(h, 2);
    assert_true(UNIT_POP(h, rx_credit, &c));
    assert_int_equal(c.op, LFC_GRANT);
    assert_int_equal(c.vl, 1);
    assert_int_equal(c.fccl, 128 + 256 - 64); /* received 128, 64 of them still held */
    hca_close(h);
}

static void the_peers_count_corrects_what_got_lost(void **state)
{
    (void)state;
    const struct hca_param p = ib(1);
    struct hca *const h = fresh(&p);
    struct link_fc c;
    uint8_t bytes[FC_PACKET_BYTES];
    fc_build(&(struct fc_packet){.fctbs = 200, .fccl = 256}, bytes); /* we saw none of them */
    arrive(h, bytes, sizeof bytes, true);
    unit_run(h, 5);
    assert_true(UNIT_POP(h, rx_credit, &c));
    assert_int_equal(c.op, LFC_PEER);
    unit_run(h, 3);
    assert_true(UNIT_POP(h, rx_credit, &c));
    assert_int_equal(c.op, LFC_GRANT);
    assert_int_equal(c.fccl, 200 + 256);
    hca_close(h);
}

static void a_peer_without_credits_is_dropped_and_counted(void **state)
{
    (void)state;
    const struct hca_param p = ib(1);
    struct hca *const h = fresh(&p);
    for (unsigned i = 0; i < 20; i++) {
        arrive(h, NULL, 4096, false);
        unit_run(h, 1);
    }
    assert_int_equal(h->y.s.mac_rx_frames, 4);
    assert_int_equal(h->y.s.mac_rx_dropped, 16);
    hca_close(h);
}

/* --- loop ---------------------------------------------------------------------------------------
 */

static void looped_frames_are_copied_between_those_of_the_line_and_free_their_slot(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_fec_ns = p.port_mac_latency_ns = 0;
    struct hca *const h = fresh(&p);
    uint32_t looped = 0, other = 0;
    for (unsigned i = 0; i < 100; i++) {
        const uint16_t slot = port_payload(h, 100, (uint8_t)i);
        UNIT_PUSH(h, loop, frame, .len = 100, .captured = 100, .slot = slot, .loop = 1,
                  .off = h->store.tx + slot * h->store.slot_bytes + PKT_HEADROOM, .pool = POOL_TX);
        arrive(h, NULL, 60, false);
        struct frame f;
        for (unsigned c = 0; c < 2; c++) {
            unit_run(h, 1);
            if (UNIT_POP(h, rx_frame, &f)) {
                assert_true(!f.loop || port_payload_is(h, f.off, 100, (uint8_t)looped));
                looped += f.loop;
                other += !f.loop;
                give(h, &f);
            }
        }
    }
    assert_in_range(looped, 98, 100);
    assert_in_range(other, 98, 100);
    unit_run(h, 10);
    assert_int_equal(h->store.tx_pool.free, h->store.tx_pool.n);
    hca_close(h);
}

static void a_full_buffer_drops_looped_frames_instead_of_holding_the_sender(void **state)
{
    (void)state;
    for (int on_ib = 0; on_ib < 2; on_ib++) {
        struct hca_param p = on_ib ? ib(1) : unit_param();
        p.hca_rx_buffer_bytes = 8192;
        p.port_vl_credits_bytes = 8192;
        struct hca *const h = fresh(&p);
        for (unsigned i = 0; i < 20; i++) {
            const uint16_t slot = port_payload(h, 4096, 1);
            UNIT_PUSH(h, loop, frame, .len = 4096, .captured = 4096, .slot = slot, .loop = 1,
                      .off = h->store.tx + slot * h->store.slot_bytes, .pool = POOL_TX);
        }
        unit_run(h, 40);
        assert_int_equal(h->y.s.mac_rx_frames, 2);
        assert_int_equal(h->y.s.mac_rx_dropped, 18);
        assert_int_equal(h->store.tx_pool.free, h->store.tx_pool.n);
        hca_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_takes_fec_and_mac_latency_and_not_a_cycle_less),
        cmocka_unit_test(frames_of_every_cycle_pass),
        cmocka_unit_test(a_full_ethernet_buffer_drops_and_a_slot_given_back_makes_room),
        cmocka_unit_test(a_stalled_output_holds_frames_without_loss),
        cmocka_unit_test(pause_starts_at_xoff_repeats_and_ends_at_xon),
        cmocka_unit_test(a_received_pause_of_our_priority_goes_to_mac_tx_and_others_do_not),
        cmocka_unit_test(a_credit_packet_goes_to_mac_tx_and_a_damaged_one_is_counted),
        cmocka_unit_test(slots_given_back_become_credits_of_their_lane),
        cmocka_unit_test(the_peers_count_corrects_what_got_lost),
        cmocka_unit_test(a_peer_without_credits_is_dropped_and_counted),
        cmocka_unit_test(looped_frames_are_copied_between_those_of_the_line_and_free_their_slot),
        cmocka_unit_test(a_full_buffer_drops_looped_frames_instead_of_holding_the_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
