/* wqe_fetch, native send queues: units that wrap, inline data, WQEs carried by MMIO. */
#include "tests/tx_fetch.h"

static struct wqe random_native(struct rig *b, bool ud, uint8_t *data)
{
    struct wqe w = random_rc(b, 16);

    if (ud) {
        w = rig_random_wqe(b, rig_random(b, 2) == 0 ? WR_SEND : WR_SEND_IMM, 1);
        w.sge[0].len = w.len = rig_random(b, 4096);
    }
    const bool plain = w.opcode <= WR_SEND_IMM || w.opcode == WR_SEND_INV;
    if (plain && rig_random(b, 2) == 0) {
        w.flags |= WRF_INLINE;
        w.nsge = 0;
        w.len = rig_random(b, 221);
        for (uint32_t i = 0; i < w.len; i++) {
            data[i] = (uint8_t)rig_random(b, 256);
        }
    }
    return w;
}

/* by_mmio: the WQE is carried by MMIO; the ring holds it too. */
static void carry(struct one *o, uint32_t first, uint32_t units)
{
    const uint32_t slots = o->c->s.sq.entries;

    for (uint32_t i = 0; i < units; i++) {
        uint64_t d[8];
        memcpy(d, rig_mem(o->b, o->c->s.sq.pdir + ((first + i) & (slots - 1)) * 64, 64), 64);
        UNIT_PUSH(o->b->h, wqe_mmio, wqe_mmio, .number = QN, .index = (uint16_t)first,
                  .part = (uint8_t)i, .parts = (uint8_t)units, .d0 = d[0], .d1 = d[1], .d2 = d[2],
                  .d3 = d[3], .d4 = d[4], .d5 = d[5], .d6 = d[6], .d7 = d[7]);
    }
}

static void native_rings(bool ud, bool mmio, uint64_t seed)
{
    struct one o = fresh(ud ? QPT_UD : QPT_RC, FORMAT_NATIVE, 16, seed);
    uint8_t data[256], copy[8][256];
    struct wqe posted[8];
    uint32_t at[8], n = 0, next = 0;
    unsigned status;

    o.b->stall = (uint32_t)seed % 3 * 20;
    o.b->jitter = 40;
    o.c->tx.head = o.c->tx.tail = o.q.tail = 0xffffffd0; /* the free running index wraps */
    while (n < 400) {
        while (next < n + 1 + (mmio ? 0 : rig_random(o.b, 4)) && next - n < 8) {
            posted[next % 8] = random_native(o.b, ud, data);
            memcpy(copy[next % 8], data, sizeof data);
            at[next % 8] = o.q.tail;
            const uint32_t units = rig_post_native(o.b, &o.q, o.c, &posted[next % 8], data);
            if (mmio) {
                carry(&o, at[next % 8], units);
                unit_run(o.b->h, 2);
            }
            next++;
        }
        grant(&o, true);
        const struct wqe *const w = work(&o, 3000, &status);
        assert_int_equal(status, WORK_OK);
        assert_int_equal(o.c->tx.head, at[n % 8]);
        assert_same_wqe(w, &posted[n % 8], ud);
        if ((w->flags & WRF_INLINE) != 0) {
            assert_memory_equal(store_at(&o.b->h->store, w->raw), copy[n % 8], w->len);
        }
        o.c->tx.head += w->units;
        n++;
    }
    if (mmio) {
        assert_int_equal(o.b->reads + o.b->h->y.s.wqe_fetch_mmio_dropped, 0);
    }
    rig_close(o.b);
}

static void native_wqes_of_all_sizes_arrive_wherever_they_lie_in_the_ring(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        native_rings(false, false, seed);
        native_rings(true, false, seed);
    }
}

static void a_wqe_carried_by_mmio_is_not_read_from_memory(void **state)
{
    (void)state;
    native_rings(false, true, 3);
    native_rings(true, true, 6);
}

static void chunks_that_make_no_sense_are_dropped_and_the_ring_is_read(void **state)
{
    (void)state;
    struct one o = fresh(QPT_RC, FORMAT_NATIVE, 1, 9);
    unsigned status;

    for (uint32_t n = 0; n < 400; n++) {
        struct wqe w = {.wr_id = n, .opcode = WR_WRITE, .nsge = 1, .sge = {{64, 8, 1}}};
        w.len = 8;
        for (uint32_t i = rig_random(o.b, 4); i != 0; i--) {
            UNIT_PUSH(o.b->h, wqe_mmio, wqe_mmio,
                      .number = rig_random(o.b, 4) == 0 ? rig_random(o.b, 1u << 24) : QN,
                      .fn = (uint8_t)(rig_random(o.b, 9) == 0), .d0 = 1, .d1 = n + 7,
                      .index = (uint16_t)(o.q.tail + 2 + rig_random(o.b, 30000)),
                      .part = (uint8_t)rig_random(o.b, 16), .parts = (uint8_t)rig_random(o.b, 16));
        }
        (void)rig_post_native(o.b, &o.q, o.c, &w, NULL);
        grant(&o, true);
        const struct wqe *const got = work(&o, 1000, &status);
        assert_int_equal(status, WORK_OK);
        assert_int_equal(got->wr_id, n);
        o.c->tx.head += got->units;
    }
    assert_true(o.b->h->y.s.wqe_fetch_mmio_dropped > 100);
    rig_close(o.b);
}

/* Ring indices in MMIO chunks have 16 bits: one that was used must not be taken for its successor.
 */
static void a_chunk_is_not_taken_for_the_wqe_of_the_next_round_of_indices(void **state)
{
    (void)state;
    struct one o = fresh(QPT_RC, FORMAT_NATIVE, 1, 1);
    unsigned status;
    struct wqe w = {.opcode = WR_SEND, .nsge = 1, .len = 8, .sge = {{64, 8, 1}}};

    w.wr_id = 1;
    carry(&o, 0, rig_post_native(o.b, &o.q, o.c, &w, NULL));
    grant(&o, true);
    assert_int_equal(work(&o, 300, &status)->wr_id, 1);
    w.wr_id = 2;
    (void)rig_post_native(o.b, &o.q, o.c, &w, NULL);
    o.c->tx.head = 1;
    grant(&o, true);
    assert_int_equal(work(&o, 300, &status)->wr_id, 2);
    o.c->tx.head = o.c->tx.tail = o.q.tail = 65536; /* 65,534 WQEs later */
    w.wr_id = 3;
    (void)rig_post_native(o.b, &o.q, o.c, &w, NULL);
    grant(&o, true);
    assert_int_equal(work(&o, 300, &status)->wr_id, 3);
    rig_close(o.b);
}

static void a_native_tail_further_ahead_than_the_ring_is_a_fault(void **state)
{
    (void)state;
    struct one o = fresh(QPT_RC, FORMAT_NATIVE, 1, 1);
    unsigned status;

    o.q.tail = ENTRIES + 1;
    grant(&o, true);
    (void)work(&o, 300, &status);
    assert_int_equal(status, WORK_FAULT);
    assert_int_equal(o.b->reads, 0);
    rig_close(o.b);
}

/* head stays behind what a late acknowledgement retired until the next grant. */
static void a_tail_one_ring_ahead_of_a_head_that_went_back_is_no_fault(void **state)
{
    (void)state;
    for (uint32_t more = 0; more < 2; more++) {
        struct one o = fresh(QPT_RC, FORMAT_NATIVE, 1, 1);
        unsigned status;

        o.c->tx.tail = ENTRIES; /* a full ring was announced, head went back to its first WQE */
        o.q.tail = 2 * ENTRIES + more;
        grant(&o, true);
        (void)work(&o, 300, &status);
        assert_int_equal(status == WORK_FAULT, more);
        rig_close(o.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_wqes_of_all_sizes_arrive_wherever_they_lie_in_the_ring),
        cmocka_unit_test(a_wqe_carried_by_mmio_is_not_read_from_memory),
        cmocka_unit_test(chunks_that_make_no_sense_are_dropped_and_the_ring_is_read),
        cmocka_unit_test(a_chunk_is_not_taken_for_the_wqe_of_the_next_round_of_indices),
        cmocka_unit_test(a_native_tail_further_ahead_than_the_ring_is_a_fault),
        cmocka_unit_test(a_tail_one_ring_ahead_of_a_head_that_went_back_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
