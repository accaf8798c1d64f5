/* command: the PVRDMA control path, byte for byte: the probe, every command, versions, order. */
#include "tests/control_req.h"

/* --- the probe of the Linux driver, pvrdma ABI section 12 ------------------------------------- */

static void check_caps(const uint8_t *k)
{
    static const struct {
        uint16_t at, size;
        uint64_t value;
    } rows[] = {
        {24, 8, 1ULL << 30}, {32, 8, 4096}, {76, 4, 4096},   {80, 4, 16384},  {88, 4, 16},
        {92, 4, 16},         {96, 4, 4096}, {100, 4, 65536}, {104, 4, 65536}, {108, 4, 4096},
        {112, 4, 16},        {124, 4, 16},  {164, 4, 4096},  {176, 4, 1024},  {180, 4, 16384},
        {184, 4, 16},        {188, 4, 512}, {192, 4, 128},   {196, 2, 1},     {199, 1, 1},
        {200, 1, 0},         {201, 1, 3},   {202, 1, 7},     {203, 1, 2},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t v = 0;
        memcpy(&v, k + rows[i].at, rows[i].size);
        if (v != rows[i].value) {
            fail_msg("caps byte %u: %llu", rows[i].at, (unsigned long long)v);
        }
    }
    for (unsigned at = 128; at < 164; at++) { /* unused limits are zero */
        assert_int_equal(k[at], 0);
    }
}

static void check_port(void)
{
    static const uint8_t want[48] = {4, 0, 0, 0, 5, 0, 0, 0,    5, 0, 0, 0, 128, 0, 0, 0,
                                     0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0,   0, 0, 0,
                                     1, 0, 0, 0, 0, 0, 0, 1,    0, 0, 0, 2, 32,  5, 0, 0};

    control_request(&c, 0)[16] = 1;
    must(64);
    assert_memory_equal(resp() + 16, want, sizeof want);
}

static void the_probe_of_the_linux_driver_succeeds_and_every_answer_byte_is_right(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    uint32_t qpn;

    control_open(&c, &p);
    assert_int_equal(control_read(&c, 0, R_VERSION), 20);
    assert_int_equal(control_read(&c, 0, R_ERR), 0xffff);
    control_write(&c, 0, R_MACL, 0x44332211);
    control_write(&c, 0, R_MACH, 0x6655);
    control_activate(&c, 0);
    check_caps(c.mem + AT_DSR + 72);
    assert_memory_equal(c.mem + AT_DSR + 72 + 8, "\x13\x22\x33\xff\xfe\x44\x55\x66", 8); /* GUID */
    assert_int_equal(c.rings, 2);
    assert_true(c.ring[0].pdir == BUS + AT_ASYNC && c.ring[0].pages == 4 && c.ring[0].which == 0);
    assert_true(c.ring[1].pdir == BUS + AT_NOTIFY && c.ring[1].which == 1);

    check_port();
    control_request(&c, 1)[16] = 1;
    must(24);
    assert_int_equal(get32(resp() + 16), 0xffff);
    bind_gid(0);
    must(0);
    assert_true(c.gid[0].gid_hi == 0xa0a1a2a3a4a5a6a7 && c.gid[0].gid_lo == 0xa8a9aaabacadaeaf);
    assert_true(c.gid[0].mac == 0x112233445566 && c.gid[0].vlan == 0 && c.gid[0].kind == 2);

    const uint32_t cq = make_cq(1024), pd = make_pd();
    const uint32_t gsi = make_qp(pd, cq, 1, &qpn);
    assert_int_equal(qpn, 1);
    put32(init_request(gsi) + 20, 1 | 16 | 64); /* P_Key and Q_Key for GSI */
    modify_ok();
    modify(gsi, M_STATE, 2);
    modify_ok();
    put32(modify(gsi, M_STATE | 1 << 16, 3) + 24 + 24, 0);
    modify_ok();
    put32(control_request(&c, 4) + 40, pd); /* DMA MR */
    put32(c.mem + AT_CMD + 44, 1);
    put32(c.mem + AT_CMD + 48, 1);
    must(32);
    assert_int_equal(get32(resp() + 20), get32(resp() + 24));
    assert_int_equal(c.mpt[0].flags, 1);

    control_write(&c, 0, R_CTL, 1); /* NETDEV_UP: UNQUIESCE */
    assert_int_equal(control_read(&c, 0, R_ERR), 0);
    control_write(&c, 0, R_IMR, 0xffffffff);
    control_write(&c, 0, R_CTL, 2);
    assert_int_equal(control_read(&c, 0, R_ERR), 0);
    assert_int_equal(c.h->y.s.command_swept, 4);
    control_activate(&c, 0); /* a fresh probe */
    down();
}

static void an_rc_qp_goes_through_its_states_and_its_context_says_what_was_asked(void **state)
{
    (void)state;
    uint32_t qpn;

    up();
    bind_gid(0);
    must(0);
    const uint32_t pd = make_pd(), cq = make_cq(64), qp = make_qp(pd, cq, 2, &qpn);
    struct qpc *const q = qpc_of(qp);

    assert_int_equal(qp, 2);
    assert_int_equal(qpn, qp);
    assert_true(q->s.sq.pdir == BUS + AT_FREE && q->s.sq.entries == 16 && q->s.sq.stride == 128);
    assert_int_equal(q->s.rq.stride, 32);
    assert_int_equal(q->s.rq.page0, 2);
    (void)init_request(qp);
    modify_ok();
    assert_int_equal(q->s.access, 7);
    (void)rtr_request(qp);
    modify_ok();
    assert_true(q->s.state == QPS_RTR && q->s.mtu_bytes == 1024 && q->s.dest_qpn == 0xabcdef);
    assert_true(q->s.rq_psn == 0x123456 && q->s.max_dest_rd_atomic == 4 &&
                q->s.min_rnr_timer == 12);
    assert_true(q->s.av.flow_label == 0xfffff && q->s.av.hop_limit == 64 && q->s.av.tclass == 9);
    assert_true(q->s.av.sl == 3 && q->s.av.is_global == 1 && q->s.av.dgid[15] == 0x5c);
    assert_memory_equal(q->s.av.dmac, "\1\2\3\4\5\6", 6);
    (void)rts_request(qp);
    modify_ok();
    assert_true(q->s.state == QPS_RTS && q->tx.psn == 0x654321 && q->ack.una == 0x654321);
    assert_true(q->s.timeout == 14 && q->s.retry_cnt == 7 && q->s.rnr_retry == 6);
    assert_int_equal(c.kick[c.kicks - 1].kind, KICK_STATE);

    put32(control_request(&c, 11) + 16, qp);
    must(176);
    const uint8_t *const a = resp() + 16;
    assert_true(get32(a) == 3 && get32(a + 4) == 3 && get32(a + 8) == 3);
    assert_true(get32(a + 20) == 0x123456 && get32(a + 24) == 0x654321 &&
                get32(a + 28) == 0xabcdef);
    assert_true(a[42] == 2 && a[43] == 4 && a[44] == 12 && a[46] == 14 && a[47] == 7 && a[48] == 6);
    assert_true(get32(a + 56) == 16 && get32(a + 60) == 32 && a[80] == 0x5c && a[80 + 38] == 6);

    q->ack.error = ACK_ERR; /* the pipes found an error */
    put32(control_request(&c, 11) + 16, qp);
    must(176);
    assert_int_equal(get32(a), 6);
    modify(qp, M_STATE, 0);
    modify_ok();
    assert_true(q->s.state == QPS_RESET && q->ack.error == ACK_OK && q->tx.psn == 0);
    assert_int_equal(q->s.sq.entries, 16);
    assert_int_equal(c.kick[c.kicks - 1].kind, KICK_RESET);
    down();
}

static void every_command_without_response_takes_effect_before_err_is_read(void **state)
{
    (void)state;
    uint32_t qpn;

    up();
    const uint32_t pd = make_pd(), cq = make_cq(64), qp = make_qp(pd, cq, 2, &qpn);
    const uint64_t fences = c.fences;

    one(12, qp);
    must(0);
    assert_int_equal(c.kick[c.kicks - 1].kind, KICK_DESTROY);
    assert_int_equal(c.fences, fences + 1); /* its CQEs were seen written */
    assert_int_equal(control_cx(&c, CTX_QP, qp, false), NO_SLOT);
    assert_int_equal(c.mpt[c.mpts - 1].op, MPT_FLUSH);
    assert_true(c.mpt[c.mpts - 1].pdir == BUS + AT_FREE);
    one(8, cq);
    must(0);
    assert_int_equal(control_cx(&c, CTX_CQ, cq, false), NO_SLOT);
    one(3, pd);
    must(0);
    one(3, pd);
    refused();
    down();
}

static void a_memory_region_has_one_key_that_differs_at_each_registration(void **state)
{
    (void)state;
    uint32_t key[2];

    up();
    const uint32_t pd = make_pd();
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *const r = control_request(&c, 4);
        put64(r + 16, 0x7f0000001234);
        put64(r + 24, 5000);
        put64(r + 32, BUS + AT_FREE);
        put32(r + 40, pd);
        put32(r + 44, 0x0fff0007 | 1 << 20); /* optional bits are to be ignored */
        put32(r + 52, 2);
        must(32);
        key[i] = get32(resp() + 20);
        assert_int_equal(get32(resp() + 24), key[i]);
        assert_int_equal(key[i] >> 8, get32(resp() + 16));
        const struct mpt_set *const m = &c.mpt[c.mpts - 1];
        assert_true(m->op == MPT_CREATE && m->va == 0x7f0000001234 && m->len == 5000);
        assert_true(m->pages == 2 && m->access == 7 && m->pd == pd && m->key == key[i]);
        one(5, key[i] >> 8);
        must(0);
        assert_int_equal(c.mpt[c.mpts - 1].op, MPT_DESTROY);
        assert_int_equal(c.mpt[c.mpts - 1].key, key[i]);
    }
    assert_int_not_equal(key[0], key[1]);
    down();
}

static void an_srq_limit_is_armed_by_modify_and_told_by_query(void **state)
{
    (void)state;

    up();
    const uint32_t pd = make_pd();
    uint8_t *r = control_request(&c, 17);
    put64(r + 16, BUS + AT_FREE);
    put32(r + 24, pd);
    put32(r + 28, 2);
    put32(r + 32, 64);
    put32(r + 36, 2);
    must(24);
    const uint32_t srq = get32(resp() + 16);
    struct srqc *const q = &c.h->ctx.srq[control_cx(&c, CTX_SRQ, srq, false)];
    assert_true(q->s.ring.stride == 64 && q->s.ring.page0 == 1 && q->s.max_wr == 64);

    r = control_request(&c, 18);
    put32(r + 16, srq);
    put32(r + 20, 2);
    put32(r + 24 + 8, 10);
    must(0);
    assert_true(q->limit_set == 10 && q->limit_sn == 1);
    one(19, srq);
    must(32);
    assert_true(get32(resp() + 16) == 64 && get32(resp() + 20) == 2 && get32(resp() + 24) == 10);
    q->q.fired = q->limit_sn + 1; /* the event was raised: disarmed */
    one(19, srq);
    must(32);
    assert_int_equal(get32(resp() + 24), 0);
    one(20, srq);
    must(0);
    down();
}

static void a_user_context_is_the_page_behind_the_frame_number_of_the_dsr(void **state)
{
    (void)state;

    up();
    put64(control_request(&c, 13) + 16, 0x12345 + 7);
    must(24);
    assert_int_equal(get32(resp() + 16), 7);
    one(2, 7);
    must(24);
    const uint32_t pd = get32(resp() + 16);
    one(14, 7); /* a PD names it */
    refused();
    one(3, pd);
    must(0);
    one(14, 7);
    must(0);
    down();
}

static void before_version_20_the_answer_of_create_qp_has_no_handle(void **state)
{
    (void)state;
    struct hca_param p = unit_param();

    p.hca_pvrdma_version = 18;
    control_open(&c, &p);
    assert_int_equal(control_read(&c, 0, R_VERSION), 18);
    control_activate(&c, 0);
    put32(c.mem + AT_DSR + 68, 0xdead); /* above the 32-bit frame number: ignored before 19 */
    const uint32_t pd = make_pd(), cq = make_cq(64);
    (void)qp_request(pd, cq, 2);
    must(40);
    assert_int_equal(get32(resp() + 16), 2);
    assert_true(get32(resp() + 20) == 16 && get32(resp() + 24) == 32 && get32(resp() + 28) == 1);
    put32(control_request(&c, 13) + 16, 0x12345 + 1);
    put32(c.mem + AT_CMD + 20, 0xffffffff);
    must(24);
    down();
}

static void functions_have_their_own_handles_and_wire_numbers(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    uint32_t qpn[2];

    p.hca_fn_max = 3;
    control_open(&c, &p);
    control_activate(&c, 0);
    for (uint8_t fn = 0; fn < 2; fn++) {
        uint32_t *const number = &qpn[fn];
        if (fn == 1) {
            control_activate(&c, 2);
        }
        one(2, 0);
        assert_int_equal(control_command(&c, (uint8_t)(2 * fn)), 0);
        const uint32_t pd = get32(resp() + 16);
        (void)cq_request(64);
        assert_int_equal(control_command(&c, (uint8_t)(2 * fn)), 0);
        (void)qp_request(pd, get32(resp() + 16), 3);
        assert_int_equal(control_command(&c, (uint8_t)(2 * fn)), 0);
        *number = get32(resp() + 16);
        assert_int_equal(get32(resp() + 20), 2);
    }
    assert_int_equal(qpn[0], 2);
    assert_int_equal(qpn[1], 2 << 16 | 2);
    one(12, 2);
    assert_int_not_equal(control_command(&c, 1), 0); /* function 1 was never activated */
    assert_int_equal(qpc_of(2 * QP_ROUND + 2)->s.fn, 2);
    down();
}

static void a_second_command_of_a_function_is_refused_while_the_first_runs(void **state)
{
    (void)state;

    up();
    c.deaf = true;
    (void)cq_request(64);
    control_write(&c, 0, R_REQUEST, 0);
    control_run(&c, 100);
    control_write(&c, 0, R_REQUEST, 0);
    control_run(&c, 50000);
    assert_int_equal(c.h->y.s.command_busy, 1);
    assert_int_equal(c.h->y.s.command_done, 0);
    c.deaf = false;
    assert_int_equal(control_read(&c, 0, R_ERR), 0); /* that of the one that ended last */
    assert_int_equal(c.h->y.s.command_done, 1);
    down();
}

static void a_command_takes_its_processing_time_no_more_and_no_less(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    uint64_t took[2];

    for (unsigned i = 0; i < 2; i++) {
        p.hca_command_process_ns = i == 0 ? 1000 : 1777;
        control_open(&c, &p);
        control_activate(&c, 0);
        const uint64_t from = c.h->y.k.now;
        one(2, 0);
        assert_int_equal(control_command(&c, 0), 0);
        took[i] = c.h->y.k.now - from;
        down();
    }
    assert_int_equal(took[1] - took[0], 777);
}

static void a_reset_ends_every_object_and_waits_for_the_command_before_it(void **state)
{
    (void)state;
    uint32_t qpn;

    up();
    const uint32_t pd = make_pd(), cq = make_cq(64);
    for (unsigned i = 0; i < 20; i++) {
        (void)make_qp(pd, cq, 4, &qpn);
    }
    bind_gid(5);
    must(0);
    bind_gid(6);
    control_write(&c, 0, R_REQUEST, 0);
    control_write(&c, 0, R_CTL, 2);
    assert_int_equal(control_read(&c, 0, R_ERR), 0);
    assert_int_equal(c.h->y.s.command_swept, 22);
    assert_int_equal(c.h->y.s.command_resets, 1);
    assert_int_equal(c.gids, 4);
    assert_true(c.gid[2].kind == 0 && c.gid[3].kind == 0 && c.gid[3].index == 6);
    assert_int_equal(c.ring[c.rings - 1].pages, 0);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(c.number[i], 0);
    }
    one(2, 0);
    refused(); /* not active */
    control_activate(&c, 0);
    assert_int_equal(make_pd(), 1); /* handle 0 was freed last used first: it queues behind */
    down();
}

static void native_objects_are_asked_for_in_reserved_bytes(void **state)
{
    (void)state;
    uint8_t *r;

    up();
    const uint32_t pd = make_pd(), other = make_cq(64);
    r = control_request(&c, 6);
    put64(r + 16, BUS + 0x10040);
    put32(r + 28, 128);
    r[36] = 1;
    put64(r + 40, BUS + 0x9008);
    must(24);
    const uint32_t cq = get32(resp() + 16);
    const struct cqc *const q = &c.h->ctx.cq[control_cx(&c, CTX_CQ, cq, false)];
    assert_true(q->s.format == FORMAT_NATIVE && q->s.ring.page0 == 0);
    assert_true(q->s.ring.pdir == BUS + 0x10040 && q->s.state_page_pdir == BUS + 0x9008);

    r = qp_request(pd, cq, 2);
    r[77] = 1;
    r[78] = 5;
    put32(r + 40, 32768);
    put32(r + 56, 220);
    put64(r + 80, BUS + 0x20000);
    put64(r + 88, BUS + 0x30010);
    put64(r + 96, BUS + 0x9010);
    must(48);
    assert_int_equal(get32(resp() + 40), 220);
    const struct qp_static *const s = &qpc_of(get32(resp() + 20))->s;
    assert_true(s->format == FORMAT_NATIVE && s->sq.entries == 32768 && s->sq.stride == 64);
    assert_true(s->sq.pdir == BUS + 0x20000 && s->rq.pdir == BUS + 0x30010 && s->rq.stride == 16);
    assert_true(s->state_page_pdir == BUS + 0x9010 && s->weight == 5);

    put32(r + 28, other); /* a send CQ of the other format */
    put32(r + 8, 9);
    refused();
    down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_probe_of_the_linux_driver_succeeds_and_every_answer_byte_is_right),
        cmocka_unit_test(an_rc_qp_goes_through_its_states_and_its_context_says_what_was_asked),
        cmocka_unit_test(every_command_without_response_takes_effect_before_err_is_read),
        cmocka_unit_test(a_memory_region_has_one_key_that_differs_at_each_registration),
        cmocka_unit_test(an_srq_limit_is_armed_by_modify_and_told_by_query),
        cmocka_unit_test(a_user_context_is_the_page_behind_the_frame_number_of_the_dsr),
        cmocka_unit_test(before_version_20_the_answer_of_create_qp_has_no_handle),
        cmocka_unit_test(functions_have_their_own_handles_and_wire_numbers),
        cmocka_unit_test(a_second_command_of_a_function_is_refused_while_the_first_runs),
        cmocka_unit_test(a_command_takes_its_processing_time_no_more_and_no_less),
        cmocka_unit_test(a_reset_ends_every_object_and_waits_for_the_command_before_it),
        cmocka_unit_test(native_objects_are_asked_for_in_reserved_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
