/* tx_fetch.h: one QP in front of wqe_fetch alone. */
#pragma once
#include "tests/tx_wqe.h"

enum { CX = 3, QN = 7, ENTRIES = 64 };

static inline struct hca_param small(void)
{
    struct hca_param p = unit_param();

    p.hca_qp_max = 64;
    p.hca_srq_max = 8;
    p.hca_mr_max = 16;
    p.hca_wqe_process_ns = 20;
    return p;
}

/* One QP whose context lies in cache entry CX; no other unit than wqe_fetch runs. */
struct one {
    struct rig *b;
    struct qpc *c;
    struct rig_qp q;
};

static inline struct one fresh(enum qp_type type, enum qp_format format, uint32_t sge,
                               uint64_t seed)
{
    const struct hca_param p = small();
    struct one o = {.b = rig_open(&p, 1ULL << U_wqe_fetch, seed)};

    o.b->contiguous = format == FORMAT_NATIVE;
    o.c = &o.b->h->ctx.qp[CX];
    rig_qp_init(&o.q, o.c, QN, type, format, ENTRIES, ENTRIES, sge);
    return o;
}

static inline void grant(struct one *o, bool rung)
{
    UNIT_PUSH(o->b->h, qp_go, qp_go, .qn = QN, .cx = CX, .rung = rung, .tail = (uint16_t)o->q.tail,
              .native = o->c->s.format == FORMAT_NATIVE);
}

/* Runs until there is work, at most n cycles; the record is given back, its content stays. */
static inline const struct wqe *work(struct one *o, uint32_t n, unsigned *status)
{
    struct work m = {.rec = NO_SLOT, .status = 99};

    while (n-- != 0 && !RIG_POP(o->b, work, &m)) {
        rig_cycle(o->b);
    }
    *status = m.status;
    if (m.rec == NO_SLOT) {
        return NULL;
    }
    pool_give(&o->b->h->store.wqe_pool, &o->b->h->y.k, m.rec);
    return &o->b->h->store.wqe[m.rec];
}

static inline void assert_same_wqe(const struct wqe *got, const struct wqe *want, bool ud)
{
    const bool inv = want->opcode == WR_LOCAL_INV || want->opcode == WR_SEND_INV;

    assert_int_equal(got->wr_id, want->wr_id);
    assert_int_equal(got->opcode, want->opcode);
    assert_int_equal(got->flags, want->flags);
    assert_int_equal(got->nsge, want->nsge);
    assert_int_equal(got->len, want->len);
    assert_memory_equal(got->sge, want->sge, want->nsge * sizeof want->sge[0]);
    if (ud) {
        assert_int_equal(got->remote_qpn, want->remote_qpn);
        assert_int_equal(got->qkey, want->qkey);
        assert_memory_equal(&got->av, &want->av, sizeof got->av);
        return;
    }
    if (want->opcode != WR_SEND && want->opcode != WR_SEND_IMM) {
        assert_int_equal(got->rkey, want->rkey);
    }
    if (want->opcode == WR_CAS || want->opcode == WR_FAA) {
        assert_int_equal(got->op1, want->op1);
        assert_int_equal(got->op2, want->opcode == WR_CAS ? want->op2 : 0);
    }
    if (!inv && (want->opcode == WR_WRITE_IMM || want->opcode == WR_SEND_IMM)) {
        assert_int_equal(got->imm, want->imm);
    }
}

static const uint8_t rc_opcodes[] = {WR_WRITE, WR_WRITE_IMM, WR_SEND,     WR_SEND_IMM, WR_READ,
                                     WR_CAS,   WR_FAA,       WR_SEND_INV, WR_LOCAL_INV};

static inline struct wqe random_rc(struct rig *b, uint32_t max_sge)
{
    const uint8_t op = rc_opcodes[rig_random(b, sizeof rc_opcodes)];
    const bool atomic = op == WR_CAS || op == WR_FAA;
    struct wqe w = rig_random_wqe(b, op,
                                  op == WR_LOCAL_INV ? 0
                                  : atomic           ? 1
                                                     : rig_random(b, max_sge + 1));

    if (atomic) {
        w.sge[0].len = w.len = 8;
    }
    if (op == WR_FAA) {
        w.op2 = 0;
    }
    return w;
}
