/* control_valid.h: an adapter with one object of each kind, and a valid request of each command. */
#pragma once
#include "tests/control_req.h"

static uint32_t pd, cq, qp, srq, mr;

static inline uint8_t *mr_request(void)
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

static inline uint8_t *srq_request(void)
{
    uint8_t *const r = control_request(&c, 17);

    put64(r + 16, BUS + AT_FREE);
    put32(r + 24, pd);
    put32(r + 28, 2);
    put32(r + 32, 64);
    put32(r + 36, 2);
    return r;
}

static inline uint8_t *bind_request(void)
{
    bind_gid(1);
    return c.mem + AT_CMD;
}

static inline uint8_t *unbind_request(void)
{
    uint8_t *const r = control_request(&c, 16);

    put32(r + 16, 0);
    for (uint8_t i = 0; i < 16; i++) {
        r[20 + i] = (uint8_t)(0xa0 + i);
    }
    return r;
}

static inline uint8_t *one_request(uint32_t cmd, uint32_t handle)
{
    one(cmd, handle);
    return c.mem + AT_CMD;
}

static inline uint8_t *native_cq_request(void)
{
    uint8_t *const r = control_request(&c, 6);

    put64(r + 16, BUS + 0x10000);
    put32(r + 28, 64);
    r[36] = 1;
    put64(r + 40, BUS + 0x9000);
    return r;
}

/* A valid request of each command, in an adapter that objects() has filled. */
static inline uint8_t *valid(uint32_t cmd)
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
static inline void objects(void)
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

static inline void quick(void)
{
    struct hca_param p = unit_param();

    p.hca_command_process_ns = 0;
    p.hca_mmio_ns = 0;
    control_open(&c, &p);
    control_activate(&c, 0);
    objects();
}

static inline void reset_leaves_nothing(void)
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
