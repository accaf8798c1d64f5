/* command: what a hostile or broken driver may send: every field out of range, handles that are
 * free, foreign or in use, memory that is not there, and bytes at random. Nothing may hang or
 * crash, what is refused leaves no trace, and a reset leaves nothing behind. */
#include "tests/control_valid.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_out_of_range_is_refused_and_leaves_no_object),
        cmocka_unit_test(each_bad_attribute_of_modify_qp_is_refused_in_the_response),
        cmocka_unit_test(what_is_in_use_cannot_be_destroyed_and_nothing_twice),
        cmocka_unit_test(only_one_gsi_qp_exists_and_it_can_be_made_again),
        cmocka_unit_test(handles_run_out_with_an_error_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
