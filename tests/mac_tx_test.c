/* mac_tx: exact rate, loop, pause, credits. */
#include "model/packet/fc.h"
#include "tests/port.h"

static struct hca *fresh(const struct hca_param *p)
{
    return unit_hca(p, 1ULL << U_mac_tx);
}

/* A frame of len bytes in a slot of its own; its first byte tells the lane as an LRH would. */
static struct frame make(struct hca *h, uint32_t len, uint8_t vl, uint8_t loop)
{
    const uint16_t slot = pool_take(&h->store.tx_pool, &h->y.k);
    const uint32_t off = h->store.tx + slot * h->store.slot_bytes;
    uint8_t *const b = store_at(&h->store, off);

    for (uint32_t i = 0; i < len; i++) {
        b[i] = (uint8_t)(i * 3 + len);
    }
    b[0] = (uint8_t)(vl << 4);
    return (struct frame){.len = len,
                          .captured = (uint16_t)len,
                          .off = off,
                          .slot = slot,
                          .vl = vl,
                          .loop = loop,
                          .pool = POOL_TX,
                          .mid = 5};
}

static void push(struct hca *h, const struct frame *f)
{
    while (!fifo_ready(&h->tx_frame.ctl, h->y.k.now) || h->tx_frame.ctl.pushed == h->y.k.now + 1) {
        unit_run(h, 1);
    }
    h->y.t.now = h->y.k.now;
    PASS(&h->y.t, &h->tx_frame, frame, 0, f);
}

static bool pop(struct hca *h, struct frame *f, const uint8_t **bytes)
{
    uint64_t at;
    const uint8_t *b;
    const bool got = hca_pop(h, HCA_NET_OUT, &at, f, &b);

    if (bytes != NULL) {
        *bytes = b;
    }
    return got;
}

/* Runs n frames of the given length back to back; the cycle at which the last bit of the last one
 * is out, counted from the cycle in which the first was taken. */
static uint64_t run_frames(const struct hca_param *p, uint32_t len, uint32_t n)
{
    struct hca *const h = fresh(p);
    uint64_t start = 0, last = 0;
    uint32_t sent = 0, seen = 0;
    struct frame f;

    while (seen < n) {
        h->y.t.now = h->y.k.now;
        if (sent < n && READY(&h->y.t, &h->tx_frame) && pool_ready(&h->store.tx_pool, h->y.k.now)) {
            const struct frame m = make(h, len, 0, 0);
            start = sent++ == 0 ? h->y.k.now + 1 : start;
            PASS(&h->y.t, &h->tx_frame, frame, 0, &m);
        }
        unit_run(h, 1);
        for (; pop(h, &f, NULL); seen++) {
            last = f.at;
        }
    }
    assert_int_equal(h->y.s.mac_tx_frames, n);
    hca_close(h);
    return last - start - ns_cycles(p, p->port_mac_latency_ns);
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static void a_million_frames_take_exactly_the_time_of_their_bits(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_rate_mbps = 98765; /* 84 bytes = 6.804 cycles */
    const uint32_t n = 1000000;
    assert_int_equal(run_frames(&p, 60, n),
                     ceil_div((uint64_t)n * 84 * 8 * p.core_clock_khz, p.port_rate_mbps * 1000));
}

static void short_frames_are_padded_and_infiniband_packets_are_not(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_rate_mbps = 8; /* 1 byte = 1000 cycles */
    assert_int_equal(run_frames(&p, 1, 1), 84 * 1000);
    assert_int_equal(run_frames(&p, 60, 1), 84 * 1000);
    assert_int_equal(run_frames(&p, 61, 1), 85 * 1000);
    p.port_wire = HCA_PORT_WIRE_IB;
    assert_int_equal(run_frames(&p, 30, 1), 32 * 1000);
}

static void a_frame_leaves_with_its_bytes_and_gives_its_slot_back(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct hca *const h = fresh(&p);
    for (uint32_t len = 1; len < 4000; len += 333) {
        const struct frame m = make(h, len, 0, 0);
        struct frame f;
        const uint8_t *bytes;
        uint8_t want[4096];
        memcpy(want, store_at(&h->store, m.off), len);
        push(h, &m);
        unit_run(h, 3);
        memset(store_at(&h->store, m.off), 0xee, len); /* the slot is somebody else's by now */
        assert_int_equal(h->store.tx_pool.free, h->store.tx_pool.n);
        assert_true(pop(h, &f, &bytes));
        assert_memory_equal(bytes, want, len);
        assert_int_equal(f.len, len);
        unit_run(h, 400);
    }
    hca_close(h);
}

/* The loop is as fast as hca.loopback_mbps while the line is busy with a slow frame. */
static void looped_frames_do_not_use_the_line_and_keep_their_slot(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_loopback_mbps = 8000; /* 1 byte per cycle */
    p.hca_loopback_latency_ns = 50;
    p.port_rate_mbps = 8;
    struct hca *const h = fresh(&p);
    const struct frame slow = make(h, 1000, 0, 0), a = make(h, 100, 0, 1), b = make(h, 200, 0, 1);
    struct frame f;
    push(h, &slow);
    push(h, &a);
    push(h, &b);
    const uint64_t start = h->y.k.now; /* cycle of the last push */
    unit_run(h, 120);
    assert_true(pop(h, &f, NULL));
    assert_int_equal(f.loop, 0);
    assert_true(pop(h, &f, NULL)); /* the copies for taps */
    assert_int_equal(f.loop, 1);
    assert_true(pop(h, &f, NULL));
    /* a was pushed a cycle before b and taken in the cycle of b's push */
    unit_run(h, start + 149 - h->y.k.now);
    assert_true(!UNIT_POP(h, loop, &f));
    unit_run(h, 1);
    assert_true(UNIT_POP(h, loop, &f));
    assert_int_equal(f.slot, a.slot);
    assert_int_equal(f.at, start + 150);
    unit_run(h, 300);
    assert_true(UNIT_POP(h, loop, &f));
    assert_int_equal(f.at, start + 350);
    assert_true(pool_holds(&h->store.tx_pool, a.slot));
    assert_int_equal(h->y.s.mac_tx_looped, 2);
    assert_int_equal(h->y.s.mac_tx_frames, 1);
    hca_close(h);
}

/* Cycle in which the next frame is taken, i.e. first cycle of its serialisation. */
static uint64_t taken_at(struct hca *h, const struct hca_param *p)
{
    struct frame f;

    while (!pop(h, &f, NULL)) {
        unit_run(h, 1);
    }
    return f.at - ns_cycles(p, p->port_mac_latency_ns) - 1000 * line_bytes(false, f.len);
}

static void a_pause_holds_frames_exactly_until_its_end_and_a_resume_ends_it(void **state)
{
    (void)state;
    for (int resume = 0; resume < 2; resume++) {
        struct hca_param p = unit_param();
        p.port_pause = true;
        p.port_rate_mbps = 8; /* 1 quantum = 64 bytes = 64000 cycles */
        struct hca *const h = fresh(&p);
        UNIT_PUSH(h, rx_credit, link_fc, .fctbs = 3, .op = LFC_PAUSED);
        const uint64_t paused = h->y.k.now + 1; /* cycle in which the pause is taken */
        unit_run(h, 2);
        const struct frame m = make(h, 60, 0, 0);
        push(h, &m);
        unit_run(h, 50000);
        struct frame f;
        assert_true(!pop(h, &f, NULL));
        uint64_t until = paused + 3 * 64000;
        if (resume) {
            UNIT_PUSH(h, rx_credit, link_fc, .fctbs = 0, .op = LFC_PAUSED);
            until = h->y.k.now + 1;
        }
        assert_int_equal(taken_at(h, &p), until);
        hca_close(h);
    }
}

static void a_pause_frame_goes_before_waiting_data(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_pause = true;
    p.port_vlan_priority = 5;
    struct hca *const h = fresh(&p);
    struct frame f;
    const uint8_t *bytes;
    struct pkt_hdr hdr;
    struct pkt_view v;
    for (unsigned i = 0; i < 3; i++) {
        const struct frame m = make(h, 4000, 0, 0);
        push(h, &m);
    }
    UNIT_PUSH(h, rx_credit, link_fc, .fctbs = 0xffff, .op = LFC_PAUSE);
    unit_run(h, 2000);
    assert_true(pop(h, &f, NULL));
    assert_int_equal(f.len, 4000);
    const uint64_t first = f.at;
    assert_true(pop(h, &f, &bytes));
    assert_int_equal(f.len, PKT_PFC_BYTES);
    assert_int_equal(pkt_parse(bytes, f.len, PKT_LINK_ETHERNET, &hdr, &v), PKT_PFC);
    assert_int_equal(hdr.pfc_enable, 1 << 5);
    assert_int_equal(hdr.pfc_quanta[5], 0xffff);
    /* it starts where the first frame ended: 84 bytes at 100 Gb/s are 6.72 cycles */
    assert_true(f.at - first >= 6 && f.at - first <= 7);
    hca_close(h);
}

/* --- InfiniBand --------------------------------------------------------------------------------
 */

static void packets_stop_at_the_last_credit_and_go_on_with_the_grant(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_wire = HCA_PORT_WIRE_IB;
    p.port_vl_credits_bytes = 4352; /* 68 blocks */
    struct hca *const h = fresh(&p);
    struct frame f;
    for (unsigned i = 0; i < 5; i++) { /* 17 blocks each: four fit */
        const struct frame m = make(h, 17 * 64 - 63 * (i & 1), 0, 0);
        push(h, &m);
    }
    unit_run(h, 1000);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(pop(h, &f, NULL));
    }
    assert_true(!pop(h, &f, NULL));
    assert_int_equal(h->y.s.mac_tx_credit_waits, 1);
    UNIT_PUSH(h, rx_credit, link_fc, .fccl = 68 + 16, .op = LFC_PEER);
    unit_run(h, 1000);
    assert_true(!pop(h, &f, NULL)); /* one block short */
    UNIT_PUSH(h, rx_credit, link_fc, .fccl = 68 + 17, .op = LFC_PEER);
    unit_run(h, 1000);
    assert_true(pop(h, &f, NULL));
    hca_close(h);
}

static void credits_count_modulo_4096_for_ever(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_wire = HCA_PORT_WIRE_IB;
    struct hca *const h = fresh(&p);
    uint32_t limit = 256;
    struct frame f;
    for (unsigned i = 0; i < 400; i++) { /* 400 * 67 blocks = 6.5 rounds */
        const struct frame m = make(h, 4222, 0, 0);
        push(h, &m);
        unit_run(h, 400);
        assert_true(pop(h, &f, NULL));
        limit = (limit + 66) % 4096;
        UNIT_PUSH(h, rx_credit, link_fc, .fccl = limit, .op = LFC_PEER);
    }
    hca_close(h);
}

static void a_waiting_lane_repeats_its_count_every_interval_and_an_idle_one_is_silent(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_wire = HCA_PORT_WIRE_IB;
    p.port_vl_credits_bytes = 4352;
    p.port_fc_interval_symbols = 1000; /* 4 lanes: 4000 byte times = 320 cycles at 100 Gb/s */
    struct hca *const h = fresh(&p);
    struct frame f;
    const uint8_t *bytes;
    uint64_t last = 0;
    unit_run(h, 100000);
    assert_true(!pop(h, &f, NULL));
    assert_int_equal(hca_wake(h), UINT64_MAX);
    for (unsigned i = 0; i < 2; i++) {
        const struct frame m = make(h, 4222, 0, 0);
        push(h, &m);
    }
    unit_run(h, 1000);
    assert_true(pop(h, &f, NULL));
    for (unsigned i = 0; i < 10; i++) {
        struct fc_packet fc;
        while (!pop(h, &f, &bytes)) {
            unit_run(h, 1);
        }
        assert_int_equal(f.fc, 1);
        assert_true(fc_parse(bytes, f.len, &fc));
        assert_int_equal(fc.fctbs, 66);
        assert_int_equal(fc.fccl, 68);
        assert_true(i < 2 || (f.at - last >= 320 && f.at - last <= 325));
        last = f.at;
    }
    hca_close(h);
}

static void a_grant_is_sent_before_data_with_the_count_of_its_lane(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.port_wire = HCA_PORT_WIRE_IB;
    p.port_vl_count = 2;
    struct hca *const h = fresh(&p);
    struct frame f;
    const uint8_t *bytes;
    struct fc_packet fc;
    for (uint8_t vl = 0; vl < 2; vl++) {
        const struct frame m = make(h, 640, vl, 0);
        push(h, &m);
    }
    unit_run(h, 500);
    assert_true(pop(h, &f, NULL));
    assert_true(pop(h, &f, NULL));
    const struct frame m = make(h, 4000, 1, 0);
    push(h, &m);
    unit_run(h, 3); /* it is on the line when the grant comes */
    UNIT_PUSH(h, rx_credit, link_fc, .fccl = 77, .vl = 1, .op = LFC_GRANT);
    const struct frame m2 = make(h, 4000, 1, 0);
    push(h, &m2);
    unit_run(h, 1000);
    assert_true(pop(h, &f, NULL));
    assert_int_equal(f.fc, 0);
    assert_true(pop(h, &f, &bytes));
    assert_true(fc_parse(bytes, f.len, &fc));
    assert_int_equal(fc.vl, 1);
    assert_int_equal(fc.fccl, 77);
    assert_int_equal(fc.fctbs, 10 + 63);
    hca_close(h);
}

static void flow_control_packets_survive_a_round_trip_and_no_flipped_bit(void **state)
{
    (void)state;
    uint64_t x = 1;
    for (unsigned i = 0; i < 2000; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        const struct fc_packet a = {.fctbs = x >> 20 & 0xfff,
                                    .fccl = x >> 32 & 0xfff,
                                    .vl = x >> 44 & 15,
                                    .op = x >> 60 & 1};
        struct fc_packet b;
        uint8_t bytes[FC_PACKET_BYTES];
        fc_build(&a, bytes);
        assert_true(fc_parse(bytes, sizeof bytes, &b));
        assert_true(a.fctbs == b.fctbs && a.fccl == b.fccl && a.vl == b.vl && a.op == b.op);
        bytes[x % 6] ^= (uint8_t)(1U << (x >> 8 & 7));
        assert_true(!fc_parse(bytes, sizeof bytes, &b));
        assert_true(!fc_parse(bytes, 5, &b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_frames_take_exactly_the_time_of_their_bits),
        cmocka_unit_test(short_frames_are_padded_and_infiniband_packets_are_not),
        cmocka_unit_test(a_frame_leaves_with_its_bytes_and_gives_its_slot_back),
        cmocka_unit_test(looped_frames_do_not_use_the_line_and_keep_their_slot),
        cmocka_unit_test(a_pause_holds_frames_exactly_until_its_end_and_a_resume_ends_it),
        cmocka_unit_test(a_pause_frame_goes_before_waiting_data),
        cmocka_unit_test(packets_stop_at_the_last_credit_and_go_on_with_the_grant),
        cmocka_unit_test(credits_count_modulo_4096_for_ever),
        cmocka_unit_test(a_waiting_lane_repeats_its_count_every_interval_and_an_idle_one_is_silent),
        cmocka_unit_test(a_grant_is_sent_before_data_with_the_count_of_its_lane),
        cmocka_unit_test(flow_control_packets_survive_a_round_trip_and_no_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
