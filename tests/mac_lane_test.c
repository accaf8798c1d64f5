/* mac_tx with several virtual lanes: weights, priority, and no lane that holds the others. */
#include "model/packet/fc.h"
#include "model/packet/framing.h"
#include "tests/port.h"

enum { LEN = 1024 }; /* 16 blocks */

static struct hca_param lanes(uint64_t n)
{
    struct hca_param p = unit_param();

    p.port_wire = HCA_PORT_WIRE_IB;
    p.port_vl_count = n;
    p.port_vl_credits_bytes = 131072;
    return p;
}

/* A frame can be pushed in this cycle and has a slot. */
static bool room(struct hca *h)
{
    h->y.t.now = h->y.k.now;
    return READY(&h->y.t, &h->tx_frame) && h->tx_frame.ctl.pushed != h->y.k.now + 1 &&
           pool_ready(&h->store.tx_pool, h->y.k.now);
}

static struct frame make(struct hca *h, uint8_t vl, uint8_t loop)
{
    const uint16_t slot = pool_take(&h->store.tx_pool, &h->y.k);

    return (struct frame){.len = LEN,
                          .captured = LEN,
                          .off = h->store.tx + slot * h->store.slot_bytes,
                          .slot = slot,
                          .vl = vl,
                          .loop = loop,
                          .pool = POOL_TX};
}

/* Offers frames of the lanes of `set` whenever there is room and counts what n frames left by lane;
 * lane 15: looped. Each lane offers again what it sent, so none ever runs empty. */
static void flood(struct hca *h, unsigned set, unsigned n, unsigned left[16])
{
    unsigned held[16] = {0}, next = 0, seen = 0;
    struct frame f;
    uint64_t at;

    memset(left, 0, 16 * sizeof left[0]);
    for (unsigned cycle = 0; seen < n && cycle < 200000; cycle++) {
        for (unsigned i = 0; i < 16; i++) {
            const unsigned v = (next + i) % 16;
            if ((set >> v & 1) != 0 && held[v] < 4 && room(h)) {
                const struct frame m = make(h, v == 15 ? 0 : (uint8_t)v, v == 15);
                PASS(&h->y.t, &h->tx_frame, frame, 0, &m);
                held[v]++;
                next = v + 1;
                break;
            }
        }
        unit_run(h, 1);
        while (hca_pop(h, HCA_NET_OUT, &at, &f, NULL)) {
            if (!f.fc) {
                const unsigned v = f.loop ? 15 : f.vl;
                left[v]++;
                held[v]--;
                seen++;
            }
        }
    }
}

static struct hca *fresh(const struct hca_param *p)
{
    return unit_hca(p, 1ULL << U_mac_tx);
}

static void refill(struct hca *h, unsigned lane, uint32_t fccl)
{
    UNIT_PUSH(h, rx_credit, link_fc, .op = LFC_PEER, .vl = (uint8_t)lane, .fccl = fccl);
    unit_run(h, 2);
}

/* 2048 blocks of credits are granted at the start: the runs stay below them. */
static void lanes_share_the_line_by_weight(void **state)
{
    (void)state;
    static const struct {
        uint64_t w0, w1;
        unsigned n, from0, to0;
    } rows[] = {{64, 64, 80, 39, 41},
                {16, 16, 80, 39, 41},
                {48, 16, 80, 58, 62},
                {16, 64, 80, 15, 18},
                {1, 16, 80, 39, 41}}; /* less than a packet: one packet */

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = lanes(2);
        unsigned left[16];
        p.port_vl_weight_0 = rows[i].w0;
        p.port_vl_weight_1 = rows[i].w1;
        struct hca *const h = fresh(&p);
        flood(h, 3, rows[i].n, left);
        assert_in_range(left[0], rows[i].from0, rows[i].to0);
        assert_int_equal(left[0] + left[1], rows[i].n);
        hca_close(h);
    }
}

static void a_lane_alone_has_the_whole_line(void **state)
{
    (void)state;
    struct hca_param p = lanes(15);
    unsigned left[16];
    struct hca *const h = fresh(&p);

    p.port_vl_weight_9 = 1;
    flood(h, 1U << 9, 100, left);
    assert_int_equal(left[9], 100);
    /* and loses no time: 1024 + 2 bytes each at 100 Gb/s */
    assert_true(h->y.k.now <= 100 * (LEN + 2) * 8 / 100 + 300);
    hca_close(h);
}

static void the_high_priority_table_goes_first_up_to_its_limit(void **state)
{
    (void)state;
    static const struct {
        uint64_t limit;
        unsigned low;
    } rows[] = {{255, 0}, {0, 40}, {1, 16}, {2, 9}}; /* of 80: 4 or 8 high for 1 low */

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hca_param p = lanes(2);
        unsigned left[16];
        p.port_vl_high_mask = 2;
        p.port_vl_high_limit = rows[i].limit;
        struct hca *const h = fresh(&p);
        flood(h, 3, 80, left);
        assert_in_range(left[0], rows[i].low, rows[i].low + 2); /* the first finds no other */
        hca_close(h);
    }
}

static void a_lane_without_credits_does_not_hold_the_others(void **state)
{
    (void)state;
    struct hca_param p = lanes(4);
    unsigned left[16];

    p.port_vl_credits_bytes = 4352; /* 68 blocks: 4 frames */
    struct hca *const h = fresh(&p);
    refill(h, 2, 1000);
    flood(h, 1U << 1 | 1U << 2, 40, left);
    assert_int_equal(left[1], 4);
    assert_int_equal(left[2], 36);
    refill(h, 1, 68 + 16); /* one frame more */
    flood(h, 0, 1, left);
    assert_int_equal(left[1], 1);
    hca_close(h);
}

/* What got lost on the way holds credits of its lane until the peer hears what was sent. */
static void a_waiting_lane_tells_what_it_sent_while_others_go_on(void **state)
{
    (void)state;
    struct hca_param p = lanes(2);
    unsigned told = 0, sent = 0;
    struct frame f;
    uint64_t at;

    p.port_vl_credits_bytes = 4352;
    p.port_fc_interval_symbols = 1000;
    struct hca *const h = fresh(&p);
    refill(h, 0, 2000);
    for (unsigned i = 0; i < 5; i++) {
        while (!room(h)) {
            unit_run(h, 1);
        }
        const struct frame m = make(h, 1, 0);
        PASS(&h->y.t, &h->tx_frame, frame, 0, &m);
    }
    for (unsigned cycle = 0; cycle < 4000; cycle++) {
        if (room(h)) {
            const struct frame m = make(h, 0, 0);
            PASS(&h->y.t, &h->tx_frame, frame, 0, &m);
        }
        unit_run(h, 1);
        while (hca_pop(h, HCA_NET_OUT, &at, &f, NULL)) {
            told += f.fc && f.vl == 1;
            sent += !f.fc && f.vl == 0;
        }
    }
    assert_in_range(told, 5, 12); /* 1000 symbols of 4 lanes are 320 ns */
    assert_true(sent > 30);
    hca_close(h);
}

static void looped_frames_do_not_wait_for_lanes(void **state)
{
    (void)state;
    struct hca_param p = lanes(2);
    struct frame f;
    uint64_t at;
    unsigned looped = 0;

    p.port_vl_credits_bytes = 4352;
    struct hca *const h = fresh(&p);
    for (unsigned i = 0; i < 12; i++) {
        while (!room(h)) {
            unit_run(h, 1);
        }
        const struct frame m = make(h, 0, i >= 6);
        PASS(&h->y.t, &h->tx_frame, frame, 0, &m);
    }
    for (unsigned cycle = 0; cycle < 3000; cycle++) {
        unit_run(h, 1);
        while (hca_pop(h, HCA_NET_OUT, &at, &f, NULL)) {
            looped += f.loop;
        }
    }
    assert_int_equal(looped, 6);
    assert_int_equal(fifo_level(&h->loop.ctl), 6);
    hca_close(h);
}

static void each_lane_keeps_the_order_of_its_frames(void **state)
{
    (void)state;
    struct hca_param p = lanes(8);
    struct hca *const h = fresh(&p);
    uint32_t in[8] = {0}, out[8] = {0}, random = 7;
    struct frame f;
    uint64_t at;

    for (unsigned cycle = 0; cycle < 20000; cycle++) {
        if (room(h)) {
            random = random * 1664525 + 1013904223;
            const uint8_t v = (uint8_t)(random >> 29);
            struct frame m = make(h, v, 0);
            m.crc = in[v]++;
            PASS(&h->y.t, &h->tx_frame, frame, 0, &m);
        }
        unit_run(h, 1);
        while (hca_pop(h, HCA_NET_OUT, &at, &f, NULL)) {
            if (!f.fc) {
                assert_int_equal(f.crc, out[f.vl]++);
                if (out[f.vl] % 50 == 0) { /* the peer has room for ever */
                    UNIT_PUSH(h, rx_credit, link_fc, .op = LFC_PEER, .vl = f.vl,
                              .fccl = (out[f.vl] * 16 + 2000) % 4096);
                }
            }
        }
    }
    for (unsigned v = 0; v < 8; v++) {
        assert_true(out[v] > 20);
    }
    hca_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_share_the_line_by_weight),
        cmocka_unit_test(a_lane_alone_has_the_whole_line),
        cmocka_unit_test(the_high_priority_table_goes_first_up_to_its_limit),
        cmocka_unit_test(a_lane_without_credits_does_not_hold_the_others),
        cmocka_unit_test(a_waiting_lane_tells_what_it_sent_while_others_go_on),
        cmocka_unit_test(looped_frames_do_not_wait_for_lanes),
        cmocka_unit_test(each_lane_keeps_the_order_of_its_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
