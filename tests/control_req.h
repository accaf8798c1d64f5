/* control_req.h: requests of the PVRDMA command slot, written field by field at the offsets of the
 * ABI (not with the structs of model/spec/pvrdma.h, which would repeat a mistake). */
#pragma once
#include "tests/control.h"

static struct control c; /* the adapter under test */

static inline void up(void)
{
    struct hca_param p = unit_param();

    control_open(&c, &p);
    control_activate(&c, 0);
}

static inline void down(void)
{
    control_close(&c);
}

static inline uint8_t *resp(void)
{
    return c.mem + AT_RESP;
}

/* Runs the request and expects success and a response of that many bytes with the right header. */
static inline void must(uint32_t bytes)
{
    const uint64_t irqs = c.irqs;
    const uint32_t cmd = get32(c.mem + AT_CMD + 8);

    assert_int_equal(control_command(&c, 0), 0);
    if (bytes == 0) {
        assert_int_equal(c.irqs, irqs);
        assert_int_equal(resp()[0], 0xee); /* untouched */
        return;
    }
    assert_int_equal(c.irqs, irqs + 1);
    assert_true(get64(resp()) == 0x1122334455667788);
    assert_int_equal(get32(resp() + 8), 0x80000000U + cmd);
    assert_int_equal(resp()[bytes], 0xee);
}

static inline void refused(void)
{
    const uint64_t irqs = c.irqs;

    assert_int_not_equal(control_command(&c, 0), 0);
    assert_int_equal(c.irqs, irqs);
}

/* --- requests, field by field ----------------------------------------------------------------- */

static inline uint32_t one(uint32_t cmd, uint32_t handle)
{
    put32(control_request(&c, cmd) + 16, handle);
    return cmd;
}

static inline uint32_t make_pd(void)
{
    one(2, 0);
    must(24);
    return get32(resp() + 16);
}

static inline uint8_t *cq_request(uint32_t cqe)
{
    uint8_t *const r = control_request(&c, 6);

    put64(r + 16, BUS + AT_FREE);
    put32(r + 28, cqe);
    put32(r + 32, 1 + (cqe * 64 + 4095) / 4096);
    return r;
}

static inline uint32_t make_cq(uint32_t cqe)
{
    (void)cq_request(cqe);
    must(24);
    assert_int_equal(get32(resp() + 20), cqe);
    return get32(resp() + 16);
}

/* 16 send WQEs of 128 bytes (1 page with the state page), 32 receive WQEs of 32 bytes. */
static inline uint8_t *qp_request(uint32_t pd, uint32_t cq, uint8_t type)
{
    uint8_t *const r = control_request(&c, 9);

    put64(r + 16, BUS + AT_FREE);
    put32(r + 24, pd);
    put32(r + 28, cq);
    put32(r + 32, cq);
    put32(r + 40, 16);
    put32(r + 44, 32);
    put32(r + 48, 1);
    put32(r + 52, 1);
    put32(r + 64, 1);
    r[68] = 3;
    r[70] = 1;
    r[75] = type;
    return r;
}

static inline uint32_t make_qp(uint32_t pd, uint32_t cq, uint8_t type, uint32_t *qpn)
{
    (void)qp_request(pd, cq, type);
    must(48);
    *qpn = get32(resp() + 16);
    assert_int_equal(get32(resp() + 24), 16);
    assert_int_equal(get32(resp() + 28), 32);
    return get32(resp() + 20);
}

static inline struct qpc *qpc_of(uint32_t handle)
{
    return &c.h->ctx.qp[control_cx(&c, CTX_QP, handle, false)];
}

static inline void bind_gid(uint32_t index)
{
    uint8_t *const r = control_request(&c, 15);

    put32(r + 16, 1024);
    put32(r + 20, 0xfff);
    put32(r + 24, index);
    for (uint8_t i = 0; i < 16; i++) {
        r[28 + i] = (uint8_t)(0xa0 + i);
    }
    r[44] = 2;
}

static inline uint8_t *modify(uint32_t qp, uint32_t mask, uint32_t state)
{
    uint8_t *const r = control_request(&c, 10);

    put32(r + 16, qp);
    put32(r + 20, mask);
    put32(r + 24, state);
    return r;
}

enum {
    M_STATE = 1,
    M_INIT = 1 | 8 | 16 | 32,
    M_RTR = 1 | 128 | 256 | 4096 | 1 << 15 | 1 << 17 | 1 << 20,
    M_RTS = 1 | 512 | 1024 | 2048 | 1 << 13 | 1 << 16
};

static inline void modify_ok(void)
{
    must(16);
    assert_int_equal(resp()[12], 0);
}

static inline void modify_bad(void)
{
    must(16);
    assert_int_not_equal(resp()[12], 0);
}

static inline uint8_t *init_request(uint32_t qp)
{
    uint8_t *const r = modify(qp, M_INIT, 1);

    put32(r + 24 + 32, 7); /* access */
    r[24 + 45] = 1;        /* port   */
    return r;
}

static inline uint8_t *rtr_request(uint32_t qp)
{
    uint8_t *const r = modify(qp, M_RTR, 2), *const ah = r + 24 + 80;

    put32(r + 24 + 8, 3);         /* path MTU 1024 */
    put32(r + 24 + 20, 0x123456); /* rq_psn        */
    put32(r + 24 + 28, 0xabcdef); /* dest_qp_num   */
    r[24 + 43] = 4;               /* max_dest_rd_atomic */
    r[24 + 44] = 12;              /* min_rnr_timer */
    memset(ah, 0x5c, 16);
    put32(ah + 16, 0xfffff);
    ah[21] = 64;
    ah[22] = 9;
    ah[28] = 3;
    ah[31] = 1;
    ah[32] = 1;
    memcpy(ah + 33, "\1\2\3\4\5\6", 6);
    return r;
}

static inline uint8_t *rts_request(uint32_t qp)
{
    uint8_t *const r = modify(qp, M_RTS, 3);

    put32(r + 24 + 24, 0x654321); /* sq_psn */
    r[24 + 42] = 2;               /* max_rd_atomic */
    r[24 + 46] = 14;
    r[24 + 47] = 7;
    r[24 + 48] = 6;
    return r;
}
