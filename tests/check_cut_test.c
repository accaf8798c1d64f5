/* check: pieces of payload, GRH area, order of packets, time. */
#include "tests/rx_check.h"

/* --- pieces --------------------------------------------------------------------------------------
 */

/* Sends one datagram frame and compares what the pieces place with want (40 bytes) + payload. */
static void place_datagram(uint64_t wire, const uint8_t *frame, uint32_t head, uint8_t net,
                           uint16_t flags, const uint8_t *want)
{
    struct hca_param p = unit_param();
    p.hca_qp_max = W_QPS;
    p.port_wire = wire;
    struct world *const w = w_open(&p);
    uint8_t got[60];
    struct place m;

    memset(got, 0xee, sizeof got);
    w->h->y.only = 1ULL << U_check;
    w_qp(w, 0, QPT_UD);
    w_post(w, 0, 1, 0x200, 0x7000000, 4096);
    struct rxp x = {.opcode = 0x64, .plen = 20, .qkey = 0x1111, .net = net, .flags = flags};
    x.slot = pool_take(&w->h->store.rx_pool, &w->h->y.k);
    x.hdr = w->h->store.rx + x.slot * w->h->store.slot_bytes;
    x.data = x.hdr + head;
    memcpy(store_at(&w->h->store, x.hdr), frame, head + 20);
    PASS(&w->h->y.t, &w->h->rx_check, rxp, 0, &x);
    cycles(w, 60);
    while (UNIT_POP(w->h, rx_place, &m)) {
        assert_int_equal((m.flags & PLACE_GRH) != 0, m.addr < 0x7000000 + 40);
        memcpy(got + (m.addr - 0x7000000), store_at(&w->h->store, m.data), m.len);
    }
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(got[i], want == NULL ? 0xee : want[i]);
    }
    assert_memory_equal(got + 40, frame + head, 20);
    w_close(w);
}

static void the_grh_area_holds_the_network_header_of_each_wire(void **state)
{
    (void)state;
    uint8_t f[128], want[40];

    for (uint32_t i = 0; i < sizeof f; i++) {
        f[i] = (uint8_t)(i + 1);
    }
    f[12] = 0x08;
    f[13] = 0x00;
    memset(want, 0, 20);
    memcpy(want + 20, f + 14, 20);
    place_datagram(HCA_PORT_WIRE_ROCE2, f, 14 + 20 + 8 + 20, 1, 0, want);
    f[12] = 0x86;
    f[13] = 0xdd;
    place_datagram(HCA_PORT_WIRE_ROCE2, f, 14 + 40 + 8 + 20, 2, 0, f + 14);
    f[12] = 0x89;
    f[13] = 0x15;
    place_datagram(HCA_PORT_WIRE_ROCE1, f, 14 + 40 + 20, 0, RXP_GRH, f + 14);
    f[12] = 0x81; /* one tag, then two */
    f[13] = 0x00;
    f[16] = 0x08;
    f[17] = 0x00;
    memcpy(want + 20, f + 18, 20);
    place_datagram(HCA_PORT_WIRE_ROCE2, f, 18 + 20 + 8 + 20, 1, 0, want);
    f[12] = 0x88;
    f[13] = 0xa8;
    f[16] = 0x81;
    f[17] = 0x00;
    f[20] = 0x86;
    f[21] = 0xdd;
    place_datagram(HCA_PORT_WIRE_ROCE2, f, 22 + 40 + 8 + 20, 2, 0, f + 22);
    place_datagram(HCA_PORT_WIRE_IB, f, 8 + 40 + 20, 0, RXP_GRH, f + 8);
    place_datagram(HCA_PORT_WIRE_IB, f, 8 + 20, 0, 0, NULL); /* no GRH: not written */
}

static void pieces_follow_sges_and_pages_without_loss_or_overlap(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *const w = fresh();
        struct wqe *const e = &w->rq[0].wqe[0];
        uint64_t expect = 0;
        struct place m;

        w->rng = seed;
        w_post(w, 0, 1, 0x200, 0x7000000, 0);
        e->nsge = 16;
        for (uint32_t i = 0; i < 16; i++) {
            e->sge[i] = (struct sge){0x7000000 + w_dice(w, 100000), w_dice(w, 3) * w_dice(w, 2000),
                                     0x300 + i};
            e->len += e->sge[i].len;
        }
        for (uint32_t k = 0; (k + 1) * MTU <= e->len && k < 8; k++) {
            send(w, (struct rxp){
                        .psn = (PSN0 + k) & PSN_MASK, .opcode = k == 0 ? 0x00 : 0x01, .plen = MTU});
            uint32_t left = MTU;
            for (uint32_t i = 0; left != 0; i++) {
                assert_true(i < 200);
                cycles(w, 1);
                if (!UNIT_POP(w->h, rx_place, &m)) {
                    continue;
                }
                uint64_t at = expect; /* where byte `expect` of the message belongs */
                uint32_t s = 0;
                while (at >= e->sge[s].len) {
                    at -= e->sge[s++].len;
                }
                assert_int_equal(m.addr, e->sge[s].addr + at);
                assert_int_equal(m.key, e->sge[s].lkey);
                assert_true(m.len <= e->sge[s].len - at && m.addr % 4096 + m.len <= 4096);
                assert_int_equal(m.access, ACC_LOCAL_WRITE);
                expect += m.len;
                left -= m.len;
                assert_int_equal((m.flags & PLACE_LAST) != 0, left == 0);
            }
            assert_int_equal(take(w).verdict, V_EXECUTE);
        }
        w_close(w);
    }
}

static void a_write_of_several_pieces_has_its_whole_range_checked_first(void **state)
{
    (void)state;
    const struct {
        uint64_t va;
        uint32_t plen, dlen;
        uint8_t opcode;
        uint32_t pieces, first_len;
    } rows[] = {
        {0x10000, 64, 64, 0x0a, 1, 64},
        {0x10fff, 1, 1, 0x0a, 1, 1},
        {0x10fff, 2, 2, 0x0a, 3, 2},
        {0x10f00, MTU, 5 * MTU, 0x06, 3, 5 * MTU},
        {0x10000, MTU, 5 * MTU, 0x06, 2, 5 * MTU},
        {0x10000, 0, 0, 0x0a, 0, 0},
        {0x10000, 0, 0x80000000, 0x0c, 1, 0x80000000},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *const w = fresh();
        struct place m;
        send(w, (struct rxp){.psn = PSN0,
                             .opcode = rows[i].opcode,
                             .raddr = rows[i].va,
                             .rkey = 0x100,
                             .plen = rows[i].plen,
                             .dlen = rows[i].dlen});
        cycles(w, 60);
        assert_int_equal(fifo_level(&w->h->rx_place.ctl), rows[i].pieces);
        if (UNIT_POP(w->h, rx_place, &m)) {
            assert_int_equal(m.len, rows[i].first_len);
        }
        assert_int_equal(take(w).pieces, rows[i].pieces);
        w_close(w);
    }
}

/* --- order and time
 * ------------------------------------------------------------------------------- */

static void a_packet_that_waits_for_a_wqe_holds_its_qp_only(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->rq[0].delay = 400;
    w->rng = 7;
    for (uint32_t i = 0; i < 4; i++) {
        w_post(w, 0, i, 0x200, 0x7000000, 100);
    }
    for (uint32_t i = 0; i < 4; i++) {
        send(w, (struct rxp){.qn = 0, .psn = PSN0 + i, .opcode = 0x04, .imm = i});
        send(w, (struct rxp){.qn = 1, .psn = PSN0 + i, .opcode = 0x0a, .imm = i});
    }
    cycles(w, 30);
    for (uint32_t i = 0; i < 4; i++) {
        const struct exec e = take(w);
        assert_int_equal(e.qn, 1);
        assert_int_equal(e.imm, i);
    }
    for (uint32_t i = 0; i < 4; i++) {
        const struct exec e = take(w);
        assert_int_equal(e.qn, 0);
        assert_int_equal(e.imm, i);
    }
    assert_int_equal(w->h->store.rwqe_pool.free, w->h->store.rwqe_pool.n);
    w_close(w);
}

static void a_halt_is_answered_behind_the_packets_of_its_qp_and_drops_the_next(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->rq[0].delay = 200;
    w_post(w, 0, 1, 0x200, 0x7000000, 100);
    send(w, (struct rxp){.psn = PSN0, .opcode = 0x04});
    send(w, (struct rxp){.psn = PSN0 + 1, .opcode = 0x0a});
    cycles(w, 5);
    UNIT_PUSH(w->h, rsp_halt, rq_get, .qn = 0, .cx = 0);
    cycles(w, 5);
    send(w, (struct rxp){.psn = PSN0 + 2, .opcode = 0x0a});
    const struct exec e = take(w);
    assert_int_equal(e.verdict, V_DROP); /* its WQE comes with it, to be flushed */
    assert_int_equal(e.flags & EXF_NEW, EXF_NEW);
    assert_int_equal(take(w).verdict, V_DROP);
    assert_int_equal(take(w).verdict, V_MARK);
    assert_int_equal(take(w).verdict, V_DROP);
    w_close(w);
}

static void a_verdict_takes_check_ns_and_each_further_piece_a_cycle(void **state)
{
    (void)state;
    struct world *const w = fresh();
    const uint32_t delay = (uint32_t)ns_cycles(&w->h->y.p, w->h->y.p.hca_check_ns);

    send(w,
         (struct rxp){
             .psn = PSN0, .opcode = 0x0a, .raddr = 0x10fff, .rkey = 0x100, .plen = 2, .dlen = 2});
    unit_run(w->h, 1 + delay); /* seen in the first cycle, visible delay + 1 later */
    w->h->y.t.now = w->h->y.k.now;
    assert_false(VALID(&w->h->y.t, &w->h->rx_place));
    unit_run(w->h, 1);
    w->h->y.t.now = w->h->y.k.now;
    assert_true(VALID(&w->h->y.t, &w->h->rx_place));
    assert_false(VALID(&w->h->y.t, &w->h->exec));
    unit_run(w->h, 2);
    w->h->y.t.now = w->h->y.k.now;
    assert_true(VALID(&w->h->y.t, &w->h->exec));
    assert_int_equal(PEEK(&w->h->exec)->at, w->h->y.k.now);
    w_close(w);
}

static void full_outputs_hold_packets_and_lose_none(void **state)
{
    (void)state;
    struct world *const w = fresh();
    uint32_t sent = 0, seen = 0;

    while (w_can_send(w)) { /* nobody takes pieces: rx_place fills up, then rx_check */
        send(w, (struct rxp){.qn = sent % 2,
                             .psn = (PSN0 + sent / 2) & PSN_MASK,
                             .opcode = 0x0a,
                             .raddr = 0x10000,
                             .rkey = 0x100,
                             .plen = 8,
                             .dlen = 8,
                             .imm = sent});
        sent++;
        cycles(w, 20);
    }
    assert_int_equal(fifo_level(&w->h->rx_place.ctl), 8);
    assert_true(sent >= 16);
    while (seen < sent) {
        assert_int_equal(take(w).imm, seen++);
    }
    assert_true(silent(w));
    w_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grh_area_holds_the_network_header_of_each_wire),
        cmocka_unit_test(pieces_follow_sges_and_pages_without_loss_or_overlap),
        cmocka_unit_test(a_write_of_several_pieces_has_its_whole_range_checked_first),
        cmocka_unit_test(a_packet_that_waits_for_a_wqe_holds_its_qp_only),
        cmocka_unit_test(a_halt_is_answered_behind_the_packets_of_its_qp_and_drops_the_next),
        cmocka_unit_test(a_verdict_takes_check_ns_and_each_further_piece_a_cycle),
        cmocka_unit_test(full_outputs_hold_packets_and_lose_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
