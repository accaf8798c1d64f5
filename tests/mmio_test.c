/* mmio: BAR decode: who gets what, when, and what means nothing. command is silent here; the bench
 * answers in its place. */
#include "tests/unit.h"

static struct hca *h;

static void up(const struct hca_param *p)
{
    h = unit_hca(p, 1ULL << U_mmio);
}

static struct hca_param several(void)
{
    struct hca_param p = unit_param();

    p.hca_fn_max = 4;
    return p;
}

static void write_bar(uint8_t fn, uint8_t bar, uint32_t offset, uint8_t len, uint64_t data)
{
    UNIT_PUSH(h, mmio_in, mmio_req, .d0 = data, .offset = offset, .fn = fn, .bar = bar, .len = len,
              .write = 1);
}

static void read_bar(uint8_t fn, uint8_t bar, uint32_t offset, uint8_t len, uint16_t tag)
{
    UNIT_PUSH(h, mmio_in, mmio_req, .offset = offset, .fn = fn, .bar = bar, .len = len, .tag = tag);
}

static uint64_t read_now(uint8_t fn, uint8_t bar, uint32_t offset, uint8_t len)
{
    struct mmio_rsp r;

    read_bar(fn, bar, offset, len, 77);
    unit_run(h, 30);
    assert_true(UNIT_POP(h, mmio_rd, &r));
    assert_true(r.tag == 77 && r.fn == fn && r.len == len);
    return r.data;
}

static bool nothing_left(void)
{
    return fifo_level(&h->db_write.ctl) == 0 && fifo_level(&h->reg_write.ctl) == 0 &&
           fifo_level(&h->wqe_mmio.ctl) == 0 && fifo_level(&h->mmio_rd.ctl) == 0 &&
           fifo_level(&h->msix_set.ctl) == 0;
}

static void a_doorbell_takes_the_decode_time_exactly(void **state)
{
    (void)state;
    struct hca_param p = unit_param();

    p.hca_mmio_ns = 7;
    up(&p);
    write_bar(0, 2, 0x1000, 4, 5 | 1U << 30);
    unit_run(h, 8); /* one register, one tick, 7 ns: not before the ninth cycle */
    h->y.t.now = h->y.k.now;
    assert_false(VALID(&h->y.t, &h->db_write));
    unit_run(h, 1);
    h->y.t.now = h->y.k.now;
    assert_true(VALID(&h->y.t, &h->db_write));
    hca_close(h);
}

static void doorbells_come_no_closer_than_the_interval_and_lose_no_fraction(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct db_write d;
    uint64_t at[41];
    uint32_t rung = 0;

    p.hca_doorbell_interval_ps = 2500; /* 2.5 cycles */
    up(&p);
    for (uint32_t i = 0; i < 200; i++) {
        if (i < 41) {
            write_bar(0, 2, 0, 4, i | 1U << 30);
        }
        while (UNIT_POP(h, db_write, &d)) {
            at[rung++] = d.at;
        }
        unit_run(h, 1);
    }
    assert_int_equal(rung, 41);
    for (uint32_t i = 0; i < 41; i++) {
        assert_int_equal(at[i] - at[0], (i * 5 + 1) / 2);
    }
    hca_close(h);
}

/* offset, value, number, kind and native of the doorbell it makes; kind -1: none. */
static const struct {
    uint32_t offset;
    uint8_t len;
    uint64_t data;
    int kind;
    uint32_t number, tail;
} doorbells[] = {
    {0x0000, 4, 0x40000007, DB_SEND, 7, 0},
    {0x3000, 4, 0x80000008, DB_RECV, 8, 0},
    {0x0004, 4, 0x40000009, DB_CQ_ARM, 9, 0},
    {0x0004, 4, 0x2000000a, DB_CQ_ARM_SOLICITED, 10, 0},
    {0x0004, 4, 0x6000000b, DB_CQ_ARM, 11, 0}, /* any covers solicited */
    {0x0004, 4, 0x8000000c, -1, 0, 0},         /* poll                 */
    {0x0008, 4, 0x4000000d, DB_SRQ_RECV, 13, 0},
    {0x1010, 8, 0x0000fffe0000000eULL, DB_SEND, 14, 0xfffe},
    {0x0000, 4, 0x0000000f, -1, 0, 0},            /* neither send nor receive   */
    {0x0008, 4, 0x80000010, -1, 0, 0},            /* not the bit of SRQs        */
    {0x0000, 8, 0x40000007, -1, 0, 0},            /* wrong size                 */
    {0x0002, 4, 0x40000007, -1, 0, 0},            /* unaligned                  */
    {0x000c, 4, 0x40000007, -1, 0, 0},            /* no register                */
    {0x1010, 4, 0x40000007, -1, 0, 0},            /* native ones are 8 bytes    */
    {0x1010, 8, 0x000000010100000eULL, -1, 0, 0}, /* number above 24 bits       */
    {512 * 4096, 4, 0x40000007, -1, 0, 0},        /* behind the last page       */
};

static void each_doorbell_register_makes_its_own_doorbell_and_nothing_else(void **state)
{
    (void)state;
    const struct hca_param p = several();
    struct db_write d;

    for (size_t i = 0; i < sizeof doorbells / sizeof doorbells[0]; i++) {
        up(&p);
        write_bar(3, 2, doorbells[i].offset, doorbells[i].len, doorbells[i].data);
        unit_run(h, 30);
        const bool any = UNIT_POP(h, db_write, &d);
        assert_int_equal(any, doorbells[i].kind >= 0);
        if (any) {
            assert_int_equal(d.kind, doorbells[i].kind);
            assert_int_equal(d.number, doorbells[i].number);
            assert_int_equal(d.tail, doorbells[i].tail);
            assert_int_equal(d.native, doorbells[i].len == 8);
            assert_int_equal(d.fn, 3);
        }
        assert_true(nothing_left());
        assert_int_equal(h->y.s.mmio_ignored + h->y.s.mmio_polls, !any);
        hca_close(h);
    }
}

static void one_write_with_both_bits_rings_send_and_receive(void **state)
{
    (void)state;
    const struct hca_param p = several();
    struct db_write d;

    up(&p);
    write_bar(1, 2, 0, 4, 0xc0000005);
    unit_run(h, 40);
    assert_true(UNIT_POP(h, db_write, &d) && d.kind == DB_SEND && d.number == 5);
    assert_true(UNIT_POP(h, db_write, &d) && d.kind == DB_RECV && d.number == 5 && d.fn == 1);
    hca_close(h);
}

static void writes_of_registers_reach_command_and_reads_only_see_what_may_be_read(void **state)
{
    (void)state;
    const struct hca_param p = several();
    struct reg_write r;
    struct msix_set m;

    up(&p);
    for (uint32_t reg = 0; reg < 12; reg++) {
        write_bar(2, 1, reg * 4, 4, 0x1000 + reg);
        unit_run(h, 20);
        while (UNIT_POP(h, msix_set, &m)) {}
        const bool passed = UNIT_POP(h, reg_write, &r);
        assert_int_equal(passed, (reg >= 1 && reg <= 4) || reg == 8 || reg == 9);
        if (passed) {
            assert_true(r.index == reg && r.data == 0x1000 + reg && r.fn == 2);
        }
    }
    assert_int_equal(read_now(2, 1, 0x00, 4), 20);
    assert_int_equal(read_now(2, 1, 0x04, 4), 0);
    assert_int_equal(read_now(2, 1, 0x1c, 4), 0x1007);
    assert_int_equal(read_now(1, 1, 0x1c, 4), 0xffffffff);
    assert_int_equal(read_now(2, 1, 0x20, 4), 0x1008);
    assert_int_equal(read_now(2, 1, 0x24, 4), 0x1009);
    assert_int_equal(read_now(2, 1, 0x28, 4), 0);
    assert_int_equal(read_now(2, 0, 0x2000, 8), 0);
    assert_int_equal(read_now(9, 1, 0x00, 4), 0xffffffff); /* no such function */
    assert_int_equal(read_now(2, 2, 0x00, 4), 0);
    hca_close(h);
}

static void a_read_of_err_waits_for_every_command_of_its_function_and_of_no_other(void **state)
{
    (void)state;
    const struct hca_param p = several();
    struct mmio_rsp r;

    up(&p);
    write_bar(1, 1, 0x10, 4, 0);
    write_bar(1, 1, 0x0c, 4, 2);
    for (uint16_t tag = 1; tag <= 5; tag++) {
        read_bar(1, 1, 0x14, 4, tag); /* the fifth finds no place to wait */
    }
    read_bar(2, 1, 0x14, 4, 9);
    unit_run(h, 100);
    assert_true(UNIT_POP(h, mmio_rd, &r) && r.tag == 5);
    assert_true(UNIT_POP(h, mmio_rd, &r) && r.tag == 9 && r.data == 0xffff);
    assert_true(!UNIT_POP(h, mmio_rd, &r));
    UNIT_PUSH(h, reg_state, reg_write, .data = 4, .fn = 1, .index = 5);
    unit_run(h, 50);
    assert_true(!UNIT_POP(h, mmio_rd, &r));
    UNIT_PUSH(h, reg_state, reg_write, .data = 3, .fn = 1, .index = 5);
    unit_run(h, 50);
    for (uint16_t tag = 1; tag <= 4; tag++) {
        assert_true(UNIT_POP(h, mmio_rd, &r) && r.tag == tag && r.data == 3 && r.fn == 1);
    }
    assert_int_equal(read_now(1, 1, 0x14, 4), 3);
    hca_close(h);
}

static void event_learns_of_every_change_of_a_vector_and_of_the_mask_register(void **state)
{
    (void)state;
    const struct hca_param p = several();
    struct msix_set m[3], x;
    unsigned n = 0;

    up(&p);
    write_bar(1, 0, 16, 8, 0xfee01000);
    write_bar(1, 0, 24, 4, 0x4321);
    write_bar(1, 0, 28, 4, 0);
    write_bar(1, 1, 0x1c, 4, 5); /* vectors 0 and 2 stay masked */
    for (unsigned i = 0; i < 60; i++, unit_run(h, 1)) {
        while (UNIT_POP(h, msix_set, &x)) {
            m[x.vector] = x;
            n++;
        }
    }
    assert_int_equal(n, 12);
    assert_true(m[1].addr == 0xfee01000 && m[1].data == 0x4321 && !m[1].masked && m[1].fn == 1);
    assert_true(m[0].masked && m[2].masked);
    assert_true(read_now(1, 0, 16, 8) == 0xfee01000 && read_now(1, 0, 20, 4) == 0);
    assert_true(read_now(1, 0, 24, 8) == 0x4321 && read_now(1, 0, 12, 4) == 1);
    hca_close(h);
}

/* --- WQE by MMIO ------------------------------------------------------------------------------ */

static void part(uint8_t fn, uint32_t page, uint32_t n, uint64_t head)
{
    UNIT_PUSH(h, mmio_in, mmio_req, .d0 = head, .d1 = n, .d7 = 0x77 + n, .fn = fn, .bar = 2,
              .offset = page * 4096 + 0x400 + n * 64, .len = 64, .write = 1);
}

/* units, handle, index of docs/NATIVE.md section 4 */
static uint64_t wqe_head(unsigned units, unsigned handle, unsigned index)
{
    return 2 | (uint64_t)units << 24 | (uint64_t)handle << 32 | (uint64_t)index << 48;
}

static void a_wqe_by_mmio_gives_its_parts_and_then_one_doorbell(void **state)
{
    (void)state;
    const struct hca_param p = several();
    struct wqe_mmio w;
    struct db_write d;

    up(&p);
    part(1, 4, 0, wqe_head(3, 9, 0xfffe));
    part(2, 4, 0, wqe_head(1, 7, 3)); /* another function, same page number: no mix-up */
    part(1, 4, 1, 0);
    part(1, 4, 2, 0);
    unit_run(h, 50);
    assert_true(UNIT_POP(h, wqe_mmio, &w) && w.number == 9 && w.part == 0 && w.parts == 3);
    assert_true(w.index == 0xfffe && w.fn == 1 && w.d7 == 0x77);
    assert_true(UNIT_POP(h, wqe_mmio, &w) && w.number == 7 && w.parts == 1 && w.fn == 2);
    assert_true(UNIT_POP(h, wqe_mmio, &w) && w.number == 9 && w.part == 1 && w.d7 == 0x78);
    assert_true(UNIT_POP(h, wqe_mmio, &w) && w.part == 2 && w.index == 0xfffe);
    assert_true(UNIT_POP(h, db_write, &d) && d.number == 7 && d.tail == 4 && d.native);
    assert_true(UNIT_POP(h, db_write, &d) && d.number == 9 && d.tail == 1 && d.fn == 1);
    assert_true(!UNIT_POP(h, db_write, &d));
    assert_int_equal(h->y.s.mmio_wqe_dropped, 0);
    hca_close(h);
}

static void parts_out_of_order_too_many_or_not_wanted_are_dropped_without_a_doorbell(void **state)
{
    (void)state;
    struct hca_param p = several();
    struct wqe_mmio w;

    p.hca_wqe_mmio_bytes = 128;
    up(&p);
    part(0, 1, 1, 0);                 /* no part 0        */
    part(0, 1, 0, wqe_head(0, 1, 0)); /* no units         */
    part(0, 1, 0, wqe_head(3, 1, 0)); /* above the limit  */
    part(0, 1, 0, wqe_head(255, 1, 0));
    part(0, 1, 0, wqe_head(2, 1, 0)); /* taken            */
    part(0, 1, 2, 0);                 /* 1 is missing     */
    part(0, 1, 1, 0);                 /* too late         */
    unit_run(h, 50);
    assert_true(UNIT_POP(h, wqe_mmio, &w));
    assert_true(nothing_left());
    assert_int_equal(h->y.s.mmio_wqe_dropped, 6);
    hca_close(h);
    p.hca_wqe_mmio_bytes = 0;
    up(&p);
    part(0, 1, 0, wqe_head(1, 1, 0));
    unit_run(h, 20);
    assert_true(nothing_left());
    hca_close(h);
}

static void full_outputs_hold_accesses_in_order_and_lose_none(void **state)
{
    (void)state;
    const struct hca_param p = several();
    struct db_write d;
    struct reg_write r;
    uint32_t rings = 0, regs = 0;

    up(&p);
    for (uint32_t i = 0; i < 30; i++) {
        write_bar(0, 2, 0, 4, i | 1U << 30);
        write_bar(0, 1, 0x04, 4, i);
    }
    unit_run(h, 300);
    assert_int_equal(fifo_level(&h->db_write.ctl), 8);
    while (rings < 30 || regs < 30) {
        if (UNIT_POP(h, db_write, &d)) {
            assert_int_equal(d.number, rings++);
        }
        if (UNIT_POP(h, reg_write, &r)) {
            assert_int_equal(r.data, regs++);
        }
        unit_run(h, 1);
    }
    hca_close(h);
}

static void credits_are_given_back_by_the_eighth_when_accesses_leave(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    struct credit c;

    p.pcie_mmio_posted_header_credits = 24; /* 3 at once */
    p.pcie_mmio_posted_data_credits = 64;   /* 8 at once */
    p.pcie_mmio_np_header_credits = 1;
    p.pcie_latency_up_ns = 20;
    up(&p);
    for (unsigned n = 0; n < 2; n++) {
        write_bar(0, 2, 0, 4, 5 | 1U << 30);
    }
    unit_run(h, 100);
    assert_int_equal(fifo_level(&h->mmio_fc.ctl), 0);
    write_bar(0, 2, 0, 4, 5 | 1U << 30);
    unit_run(h, 1 + 20);
    assert_true(UNIT_POP(h, mmio_fc, &c));
    assert_true(c.ph == 3 && c.pd == 3 && c.nph == 0);
    write_bar(0, 2, 0x400, 64, 0); /* refused, and gone all the same */
    write_bar(0, 7, 0x400, 64, 0);
    unit_run(h, 100);
    assert_true(UNIT_POP(h, mmio_fc, &c));
    assert_true(c.ph == 2 && c.pd == 8);
    read_bar(0, 1, 0, 4, 1);
    unit_run(h, 100);
    assert_true(UNIT_POP(h, mmio_fc, &c));
    assert_true(c.ph == 0 && c.pd == 0 && c.nph == 1);
    hca_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_doorbell_takes_the_decode_time_exactly),
        cmocka_unit_test(doorbells_come_no_closer_than_the_interval_and_lose_no_fraction),
        cmocka_unit_test(each_doorbell_register_makes_its_own_doorbell_and_nothing_else),
        cmocka_unit_test(one_write_with_both_bits_rings_send_and_receive),
        cmocka_unit_test(writes_of_registers_reach_command_and_reads_only_see_what_may_be_read),
        cmocka_unit_test(a_read_of_err_waits_for_every_command_of_its_function_and_of_no_other),
        cmocka_unit_test(event_learns_of_every_change_of_a_vector_and_of_the_mask_register),
        cmocka_unit_test(a_wqe_by_mmio_gives_its_parts_and_then_one_doorbell),
        cmocka_unit_test(parts_out_of_order_too_many_or_not_wanted_are_dropped_without_a_doorbell),
        cmocka_unit_test(credits_are_given_back_by_the_eighth_when_accesses_leave),
        cmocka_unit_test(full_outputs_hold_accesses_in_order_and_lose_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
