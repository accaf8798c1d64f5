/* command: memory that is not there, failures behind the checks, and requests and register writes
 * at random: nothing hangs or crashes, and a reset leaves nothing behind. */
#include "tests/control_valid.h"

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
        cmocka_unit_test(memory_that_is_not_there_gives_err_and_not_a_hang),
        cmocka_unit_test(a_failure_behind_the_checks_takes_back_what_was_made),
        cmocka_unit_test(random_requests_neither_crash_nor_hang_nor_outlive_a_reset),
        cmocka_unit_test(random_register_writes_always_end_in_a_readable_err),
        cmocka_unit_test(native_requests_need_aligned_addresses_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
