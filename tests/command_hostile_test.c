/* command: what a hostile or broken driver may send: every field out of range, handles that are
 * free, foreign or in use, memory that is not there, and bytes at random. Nothing may hang or
 * crash, what is refused leaves no trace, and a reset leaves nothing behind. */
#include "tests/control_req.h"

static uint32_t pd, cq, qp, srq, mr;

static uint8_t *mr_request(void)
{
    uint8_t *const r = control_request(&c, 4);

    put64(r + 16, 0x10000);
    put64(r + 24, 8192);
    put64(r + 32, BUS + AT_FREE);
    put32(r + 40, pd);
    put32(r + 44, 7);
    put32(r + 52, 2);
    return r;
}

static uint8_t *srq_request(void)
{
    uint8_t *const r = control_request(&c, 17);

    put64(r + 16, BUS + AT_FREE);
    put32(r + 24, pd);
    put32(r + 28, 2);
    put32(r + 32, 64);
    put32(r + 36, 2);
    return r;
}

static uint8_t *bind_request(void)
{
    bind_gid(1);
    return c.mem + AT_CMD;
}

static uint8_t *unbind_request(void)
{
    uint8_t *const r = control_request(&c, 16);

    put32(r + 16, 0);
    for (uint8_t i = 0; i < 16; i++) {
        r[20 + i] = (uint8_t)(0xa0 + i);
    }
    return r;
}

static uint8_t *one_request(uint32_t cmd, uint32_t handle)
{
    one(cmd, handle);
    return c.mem + AT_CMD;
}

static uint8_t *native_cq_request(void)
{
    uint8_t *const r = control_request(&c, 6);

    put64(r + 16, BUS + 0x10000);
    put32(r + 28, 64);
    r[36] = 1;
    put64(r + 40, BUS + 0x9000);
    return r;
}

/* A valid request of each command, in an adapter that objects() has filled. */
static uint8_t *valid(uint32_t cmd)
{
    uint8_t *r;

    switch (cmd) {
    case 0:
    case 1:
        r = control_request(&c, cmd);
        r[16] = 1;
        return r;
    case 4: return mr_request();
    case 6: return cq_request(64);
    case 7:
        r = one_request(7, cq);
        put32(r + 20, 64);
        return r;
    case 9: return qp_request(pd, cq, 2);
    case 10: return init_request(qp);
    case 13:
        r = control_request(&c, 13);
        put64(r + 16, 0x12345 + 9);
        return r;
    case 15: return bind_request();
    case 16: return unbind_request();
    case 17: return srq_request();
    case 18:
        r = one_request(18, srq);
        put32(r + 20, 2);
        put32(r + 32, 5);
        return r;
    default:
        return one_request(cmd, cmd == 2                 ? 0
                                : cmd == 3               ? pd
                                : cmd == 5               ? mr
                                : cmd == 8               ? cq
                                : cmd == 14              ? 3
                                : cmd == 19 || cmd == 20 ? srq
                                                         : qp);
    }
}

/* One object of each kind; PD and CQ are in use. */
static void objects(void)
{
    uint32_t qpn;

    pd = make_pd();
    cq = make_cq(64);
    qp = make_qp(pd, cq, 2, &qpn);
    (void)srq_request();
    must(24);
    srq = get32(resp() + 16);
    (void)mr_request();
    must(32);
    mr = get32(resp() + 16);
    put64(control_request(&c, 13) + 16, 0x12345 + 3);
    must(24);
    bind_gid(0);
    must(0);
}

static void quick(void)
{
    struct hca_param p = unit_param();

    p.hca_command_process_ns = 0;
    p.hca_mmio_ns = 0;
    control_open(&c, &p);
    control_activate(&c, 0);
    objects();
}

static void reset_leaves_nothing(void)
{
    const struct cmd_fn *const f = &c.h->u_command.fn[0];

    control_write(&c, 0, R_CTL, 2);
    (void)control_read(&c, 0, R_ERR);
    for (unsigned k = 0; k < OBJ_KINDS; k++) {
        assert_int_equal(f->list[k].used, 0);
    }
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(c.number[i], 0);
        assert_int_equal(c.h->u_command.obj[OBJ_UC][i].used, 0);
    }
    assert_int_equal(f->state, FN_DOWN);
}

/* --- field by field --------------------------------------------------------------------------- */

/* Command, field and a value that must be refused by ERR. */
static const struct {
    uint8_t cmd, at, size;
    uint64_t value;
} bad_fields[] = {
    {0, 16, 1, 0},
    {0, 16, 1, 2},
    {1, 16, 1, 0},
    {1, 17, 1, 1}, /* port, P_Key index        */
    {2, 16, 4, 5},
    {2, 16, 4, 0xffffffff}, /* user context             */
    {3, 16, 4, 4096},
    {3, 16, 4, 77},
    {3, 16, 4, 0xffffffff}, /* PD                       */
    {4, 16, 8, 0xffffffffffffff00},
    {4, 24, 8, 0},
    {4, 24, 8, 8193}, /* wrap, empty, beyond pages */
    {4, 24, 8, (1ULL << 30) + 1},
    {4, 32, 8, BUS + 8},
    {4, 32, 8, 1ULL << 57},
    {4, 40, 4, 99},
    {4, 48, 4, 3},
    {4, 48, 4, 1},
    {4, 52, 4, 1},
    {4, 52, 4, 0xffffffff},
    {5, 16, 4, 0},
    {5, 16, 4, 65536},
    {5, 16, 4, 999}, /* MR                       */
    {6, 16, 8, BUS + 64},
    {6, 16, 8, 1ULL << 63},
    {6, 24, 4, 4},
    {6, 28, 4, 0},
    {6, 28, 4, 63},
    {6, 28, 4, 131072},
    {6, 32, 4, 1},
    {6, 32, 4, 0xffffffff},
    {6, 36, 1, 2},
    {6, 36, 1, 0x81},
    {7, 16, 4, 4096},
    {7, 20, 4, 128},
    {7, 20, 4, 0},
    {8, 16, 4, 4096},
    {8, 16, 4, 3},
    {8, 16, 4, 0x80000000},
    {9, 16, 8, BUS + 1},
    {9, 24, 4, 9999},
    {9, 28, 4, 9999},
    {9, 32, 4, 4095},
    {9, 40, 4, 0},
    {9, 40, 4, 17},
    {9, 40, 4, 64},
    {9, 40, 4, 0x80000000},
    {9, 44, 4, 0},
    {9, 44, 4, 1 << 20},
    {9, 48, 4, 17},
    {9, 48, 4, 0xffffffff},
    {9, 52, 4, 17},
    {9, 52, 4, 15},
    {9, 68, 2, 2},
    {9, 68, 2, 0},
    {9, 70, 2, 3},
    {9, 70, 2, 0},
    {9, 75, 1, 0},
    {9, 75, 1, 5},
    {9, 75, 1, 255},
    {9, 76, 1, 1} /* SRQ 0 exists, but: see below */,
    {9, 77, 1, 2},
    {9, 77, 1, 1},
    {10, 16, 4, 0},
    {10, 16, 4, 1},
    {10, 16, 4, 4096},
    {11, 16, 4, 3},
    {11, 16, 4, 0xffffffff},
    {12, 16, 4, 0},
    {12, 16, 4, 70000},
    {13, 16, 8, 0x12345},
    {13, 16, 8, 0x12345 + 3},
    {13, 16, 8, 0x12345 + 512},
    {13, 16, 8, 0},
    {14, 16, 4, 0},
    {14, 16, 4, 9},
    {14, 16, 4, 512},
    {15, 20, 4, 0x1000},
    {15, 24, 4, 128},
    {15, 44, 1, 1},
    {15, 44, 1, 0},
    {16, 16, 4, 1},
    {16, 16, 4, 128},
    {16, 20, 1, 0},
    {17, 16, 8, BUS + 4},
    {17, 24, 4, 4095},
    {17, 28, 4, 1},
    {17, 32, 4, 63},
    {17, 32, 4, 0},
    {17, 32, 4, 32768},
    {17, 36, 4, 0},
    {17, 36, 4, 17},
    {17, 40, 4, 65},
    {17, 48, 1, 1},
    {17, 49, 1, 2},
    {18, 16, 4, 1},
    {18, 20, 4, 0},
    {18, 20, 4, 3},
    {18, 32, 4, 65},
    {19, 16, 4, 1024},
    {20, 16, 4, 2},
    {20, 16, 4, 0xffffffff},
};

static void each_field_out_of_range_is_refused_and_leaves_no_object(void **state)
{
    (void)state;
    uint32_t before[OBJ_KINDS];
    struct cmd_list *const list = (quick(), c.h->u_command.fn[0].list);

    for (unsigned k = 0; k < OBJ_KINDS; k++) {
        before[k] = list[k].used;
    }
    for (size_t i = 0; i < sizeof bad_fields / sizeof bad_fields[0]; i++) {
        if (bad_fields[i].cmd == 9 && bad_fields[i].at == 76) {
            put32(valid(9) + 36, 77); /* is_srq with an SRQ that does not exist */
        } else {
            (void)valid(bad_fields[i].cmd);
        }
        memcpy(c.mem + AT_CMD + bad_fields[i].at, &bad_fields[i].value, bad_fields[i].size);
        const uint64_t irqs = c.irqs;
        if (control_command(&c, 0) == 0 || c.irqs != irqs) {
            fail_msg("row %zu: command %u, byte %u = 0x%llx was accepted", i, bad_fields[i].cmd,
                     bad_fields[i].at, (unsigned long long)bad_fields[i].value);
        }
    }
    for (unsigned k = 0; k < OBJ_KINDS; k++) {
        assert_int_equal(list[k].used, before[k]);
    }
    for (uint32_t cmd = 21; cmd < 40; cmd++) {
        (void)control_request(&c, cmd);
        refused();
    }
    reset_leaves_nothing();
    control_close(&c);
}

/* Mask bits and values of MODIFY_QP INIT that the response must refuse. */
static const struct {
    uint32_t mask, state, at, size;
    uint64_t value;
} bad_modify[] = {
    {M_INIT, 7, 0, 0, 0},
    {M_INIT, 0xffffffff, 0, 0, 0},
    {M_INIT, 2, 0, 0, 0},
    {M_INIT, 3, 0, 0, 0},
    {1, 1, 0, 0, 0},
    {M_INIT | 64, 1, 0, 0, 0},
    {M_INIT | 1U << 31, 1, 0, 0, 0},
    {M_INIT, 1, 45, 1, 2},
    {M_INIT, 1, 36, 2, 1},
    {M_INIT | 2, 1, 4, 4, 3},
};

static void each_bad_attribute_of_modify_qp_is_refused_in_the_response(void **state)
{
    (void)state;

    quick();
    for (size_t i = 0; i < sizeof bad_modify / sizeof bad_modify[0]; i++) {
        uint8_t *const r = init_request(qp);
        put32(r + 20, bad_modify[i].mask);
        put32(r + 24, bad_modify[i].state);
        memcpy(r + 24 + bad_modify[i].at, &bad_modify[i].value, bad_modify[i].size);
        modify_bad();
        assert_int_equal(qpc_of(qp)->s.state, QPS_RESET);
    }
    (void)init_request(qp);
    modify_ok();
    static const struct {
        uint8_t at;
        uint64_t value;
    } rtr[] = {{8, 0}, {8, 6}, {20, 1 << 24}, {28, 1 << 24}, {43, 17}, {44, 32}, {100, 1}};
    for (size_t i = 0; i < sizeof rtr / sizeof rtr[0]; i++) { /* 100: GID index that is not bound */
        uint8_t *const r = rtr_request(qp);
        const unsigned size = rtr[i].at < 40 ? 4 : 1;
        memcpy(r + 24 + rtr[i].at, &rtr[i].value, size);
        modify_bad();
    }
    rtr_request(qp)[24 + 80 + 31] = 0; /* no GRH on RoCE */
    modify_bad();
    (void)rtr_request(qp);
    modify_ok();
    static const struct {
        uint8_t at, value;
    } rts[] = {{42, 17}, {46, 32}, {47, 8}, {48, 8}, {27, 1}};
    for (size_t i = 0; i < sizeof rts / sizeof rts[0]; i++) {
        rts_request(qp)[24 + rts[i].at] = rts[i].value;
        modify_bad();
    }
    (void)rts_request(qp);
    modify_ok();
    (void)init_request(qp); /* backwards */
    modify_bad();
    reset_leaves_nothing();
    control_close(&c);
}

static void what_is_in_use_cannot_be_destroyed_and_nothing_twice(void **state)
{
    (void)state;
    static const uint8_t order[] = {12, 20, 5, 8, 3, 14};

    quick();
    for (unsigned i = 3; i <= 4; i++) { /* CQ and PD while the QP lives */
        (void)valid(order[i]);
        refused();
    }
    const uint32_t reused = srq;
    uint8_t *const r = qp_request(pd, cq, 3);
    put32(r + 36, srq);
    put32(r + 44, 0);
    r[76] = 1;
    must(48);
    const uint32_t second = get32(resp() + 20);
    one(20, srq);
    refused();
    one(12, second);
    must(0);
    for (unsigned i = 0; i < sizeof order; i++) {
        (void)valid(order[i]);
        must(0);
        (void)valid(order[i]);
        refused();
    }
    (void)qp_request(pd, cq, 2); /* freed handles */
    refused();
    (void)mr_request();
    refused();
    pd = make_pd();
    (void)srq_request();
    must(24);
    assert_int_not_equal(get32(resp() + 16), reused); /* a freed handle is reused last */
    reset_leaves_nothing();
    control_close(&c);
}

static void only_one_gsi_qp_exists_and_it_can_be_made_again(void **state)
{
    (void)state;
    uint32_t qpn;

    quick();
    const uint32_t gsi = make_qp(pd, cq, 1, &qpn);
    assert_true(gsi == 1 && qpn == 1);
    (void)qp_request(pd, cq, 1);
    refused();
    one(12, gsi);
    must(0);
    assert_int_equal(make_qp(pd, cq, 1, &qpn), 1);
    reset_leaves_nothing();
    control_close(&c);
}

static void handles_run_out_with_an_error_and_come_back(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    uint32_t qpn, made = 0;

    p.hca_qp_max = 10;
    p.hca_command_process_ns = 0;
    control_open(&c, &p);
    control_activate(&c, 0);
    objects();
    for (;;) {
        (void)qp_request(pd, cq, 2);
        if (control_command(&c, 0) != 0) {
            break;
        }
        made++;
    }
    assert_int_equal(made, 7); /* handles 3 .. 9 */
    one(12, 5);
    must(0);
    assert_int_equal(make_qp(pd, cq, 2, &qpn), 5);
    reset_leaves_nothing();
    control_close(&c);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void memory_that_is_not_there_gives_err_and_not_a_hang(void **state)
{
    (void)state;
    struct hca_param p = unit_param();

    control_open(&c, &p);
    control_dsr(&c);
    static const struct {
        uint16_t at, size;
        uint64_t value;
    } rows[] = {
        {16, 8, 0x123450000}, {16, 8, UINT64_MAX - 7},
        {16, 8, BUS + 4},     {24, 8, 1ULL << 60},
        {32, 4, 0},           {32, 4, 1},
        {32, 4, 0xffffffff},  {40, 8, BUS + 8},
        {48, 4, 1000},        {56, 8, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        control_dsr(&c);
        memcpy(c.mem + AT_DSR + rows[i].at, &rows[i].value, rows[i].size);
        control_write(&c, 0, R_DSRLOW, (uint32_t)(BUS + AT_DSR));
        control_write(&c, 0, R_DSRHIGH, (uint32_t)(BUS >> 32));
        const uint32_t err = control_read(&c, 0, R_ERR);
        assert_true(i == 0 ? err == 0 : err != 0); /* row 0 is found out by the first command */
    }
    control_write(&c, 0, R_DSRLOW, 0);
    control_write(&c, 0, R_DSRHIGH, 0x7f);
    assert_int_not_equal(control_read(&c, 0, R_ERR), 0); /* not mapped */
    control_dsr(&c);
    put64(c.mem + AT_DSR + 16, 0x123450000);
    control_write(&c, 0, R_DSRLOW, (uint32_t)(BUS + AT_DSR));
    control_write(&c, 0, R_DSRHIGH, (uint32_t)(BUS >> 32));
    control_write(&c, 0, R_CTL, 0);
    assert_int_equal(control_read(&c, 0, R_ERR), 0);
    assert_int_not_equal(control_command(&c, 0), 0);
    control_write(&c, 0, R_CTL, 3);
    assert_int_not_equal(control_read(&c, 0, R_ERR), 0);
    control_write(&c, 0, R_REQUEST, 1);
    assert_int_not_equal(control_read(&c, 0, R_ERR), 0);
    control_write(&c, 0, R_CTL, 2);
    assert_int_equal(control_read(&c, 0, R_ERR), 0);
    control_write(&c, 0, R_CTL, 1); /* UNQUIESCE of a function that is down */
    assert_int_not_equal(control_read(&c, 0, R_ERR), 0);
    control_close(&c);
}

static void a_failure_behind_the_checks_takes_back_what_was_made(void **state)
{
    (void)state;

    quick();
    c.mpt_status = MPT_FAULT;
    (void)mr_request();
    refused();
    c.mpt_status = MPT_DONE;
    one(3, pd); /* in use by QP, SRQ and the first MR alone */
    refused();
    assert_int_equal(c.h->u_command.obj[OBJ_PD][pd].refs, 3);
    for (unsigned i = 0; i < 64; i++) { /* no context left: CREATE fails */
        c.number[i] = c.number[i] == 0 ? 0xffffffff : c.number[i];
    }
    (void)cq_request(64);
    refused();
    (void)qp_request(pd, cq, 2);
    refused();
    assert_int_equal(c.h->u_command.obj[OBJ_CQ][cq].refs, 2);
    for (unsigned i = 0; i < 64; i++) {
        c.number[i] = c.number[i] == 0xffffffff ? 0 : c.number[i];
    }
    reset_leaves_nothing();
    control_close(&c);
}

/* --- anything --------------------------------------------------------------------------------- */

static uint64_t seed = 1;

static uint32_t any(uint32_t n)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(seed >> 33) % n;
}

static void mutate(uint8_t *r)
{
    static const uint32_t evil[] = {0, 1, 2, 0x7f, 0xff, 0xffff, 0xffffff, 0x80000000, 0xffffffff};

    for (uint32_t n = 1 + any(3); n > 0; n--) {
        const uint32_t at = 16 + any(168 / 2) * 2;
        if (any(2) == 0) {
            put32(r + (at > 180 ? 180 : at), evil[any(9)]);
        } else {
            r[at] = (uint8_t)any(256);
        }
    }
}

static void random_requests_neither_crash_nor_hang_nor_outlive_a_reset(void **state)
{
    (void)state;

    quick();
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned n = 0; n < 60; n++) {
            mutate(valid(any(21)));
            (void)control_command(&c, 0);
        }
        reset_leaves_nothing();
        control_activate(&c, 0);
        objects();
    }
    assert_true(c.h->y.s.command_failed > 1000 && c.h->y.s.command_done > 200);
    reset_leaves_nothing();
    control_close(&c);
}

static void random_register_writes_always_end_in_a_readable_err(void **state)
{
    (void)state;
    struct hca_param p = unit_param();

    p.hca_fn_max = 4;
    p.hca_command_process_ns = 100;
    control_open(&c, &p);
    control_dsr(&c);
    for (unsigned n = 0; n < 3000; n++) {
        const uint8_t fn = (uint8_t)any(4);
        const uint32_t reg = 4 * any(10);
        (void)valid(any(21));
        control_write(&c, fn, reg,
                      reg == R_DSRLOW    ? (uint32_t)(BUS + AT_DSR)
                      : reg == R_DSRHIGH ? (uint32_t)(BUS >> 32)
                                         : any(4));
        if (any(4) == 0) {
            (void)control_read(&c, fn, R_ERR);
        }
        control_run(&c, any(30));
    }
    for (uint8_t fn = 0; fn < 4; fn++) {
        control_write(&c, fn, R_CTL, 2);
        (void)control_read(&c, fn, R_ERR);
    }
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(c.number[i], 0);
    }
    control_close(&c);
}

static void native_requests_need_aligned_addresses_of_their_own(void **state)
{
    (void)state;

    quick();
    put64(native_cq_request() + 16, BUS + 0x10020);
    refused();
    put64(native_cq_request() + 40, BUS + 4);
    refused();
    put64(native_cq_request() + 16, (1ULL << 57) - 64);
    refused();
    (void)native_cq_request();
    must(24);
    const uint32_t ncq = get32(resp() + 16);
    static const struct {
        uint8_t at;
        uint64_t value;
    } rows[] = {{80, BUS + 0x20020}, {88, BUS + 8}, {96, BUS + 4}, {80, 1ULL << 57},
                {56, 221},           {40, 65536},   {40, 48},      {52, 0}};
    for (size_t i = 0; i <= sizeof rows / sizeof rows[0]; i++) {
        uint8_t *const r = qp_request(pd, ncq, 2);
        r[77] = 1;
        put64(r + 80, BUS + 0x20000);
        put64(r + 88, BUS + 0x30000);
        put64(r + 96, BUS + 0x9008);
        if (i == sizeof rows / sizeof rows[0]) {
            must(48); /* as it is, it is valid */
            break;
        }
        memcpy(r + rows[i].at, &rows[i].value, rows[i].at < 80 ? 4 : 8);
        refused();
    }
    reset_leaves_nothing();
    control_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_out_of_range_is_refused_and_leaves_no_object),
        cmocka_unit_test(each_bad_attribute_of_modify_qp_is_refused_in_the_response),
        cmocka_unit_test(what_is_in_use_cannot_be_destroyed_and_nothing_twice),
        cmocka_unit_test(only_one_gsi_qp_exists_and_it_can_be_made_again),
        cmocka_unit_test(handles_run_out_with_an_error_and_come_back),
        cmocka_unit_test(memory_that_is_not_there_gives_err_and_not_a_hang),
        cmocka_unit_test(a_failure_behind_the_checks_takes_back_what_was_made),
        cmocka_unit_test(random_requests_neither_crash_nor_hang_nor_outlive_a_reset),
        cmocka_unit_test(random_register_writes_always_end_in_a_readable_err),
        cmocka_unit_test(native_requests_need_aligned_addresses_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
