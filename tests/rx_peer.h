/* rx_peer.h: scripted requesters behind a network that drops, duplicates and reorders packets in
 * both directions, and what the responder must have done in the end.
 *
 * Each QP runs a list of operations, go-back-N. PSNs are kept as offsets from the first one.
 * Reference: memory image as of each operation (a WRITE to bytes that READs use waits for these),
 * CQEs in order, one per SEND and WRITE with immediate; fetch-and-adds of all QPs on shared words.
 */
#pragma once
#include "tests/rx_world.h"

enum {
    P_SEND,
    P_WRITE,
    P_READ,
    P_FAA,
    P_CAS,
    P_OPS = 400,
    P_NET = 512,
    P_SLOTS = 16,
    P_SLOT = 3600,
    P_WINDOW = 24,
    P_TIMEOUT = 3000,
    P_SHARED = 4
};

struct p_op {
    uint32_t kind, len, off, n; /* off, n: PSN offset and count */
    uint64_t va;
    uint64_t want; /* CAS: expected result */
    uint32_t seed, imm, key_inv;
    uint8_t with_imm, solicited, inv;
    uint8_t snap[8192]; /* READ: bytes it must return */
};

struct p_qp {
    struct p_op op[P_OPS];
    uint32_t ops, issued;   /* operations; those sent at least once */
    uint32_t una, nxt, top; /* PSN offsets: oldest open, next to send, highest sent + 1 */
    uint64_t stalled_until, progress_at;
    uint8_t ref[0x8000];                  /* image of the QP's region */
    uint64_t cas;                         /* value of its private word */
    uint32_t receives, completed, expect; /* WQEs posted, CQEs seen, operation of the next CQE */
    uint32_t last_ack;                    /* offset + 1 of the highest ACK */
    uint32_t fatal;                       /* syndrome of a NAK that ends the connection */
};

struct p_packet {
    uint64_t due;
    struct rxp rx;
    struct pkt tx;
    uint8_t used, request;
    uint8_t payload[1024];
};

struct peer {
    struct world *w;
    struct p_qp *q;
    uint32_t qps, timeout;       /* cycles */
    uint32_t drop, dup, reorder; /* percent */
    struct p_packet *net;
    uint8_t shared[P_SHARED][4 * P_OPS * W_QPS]; /* results of fetch-and-add seen */
    uint32_t shared_count[P_SHARED];
};

static inline uint64_t p_base(uint32_t q)
{
    return 0x10000 * (q + 1ULL);
}

static inline uint8_t p_byte(uint32_t seed, uint32_t i)
{
    return (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

static inline uint32_t p_first_psn(const struct peer *p, uint32_t q)
{
    return p->w->h->ctx.qp[q].s.rq_psn;
}

static inline void p_add(struct peer *p, uint32_t q, struct p_op o)
{
    struct p_qp *const c = &p->q[q];

    o.off = c->ops == 0 ? 0 : c->op[c->ops - 1].off + c->op[c->ops - 1].n;
    o.n = o.len == 0 || o.kind >= P_FAA ? 1 : (o.len + 1023) / 1024;
    o.seed = c->ops * 13 + q;
    c->op[c->ops++] = o;
}

static inline void p_random_op(struct peer *p, uint32_t q)
{
    static const uint32_t lens[] = {0, 1, 64, 1023, 1024, 1025, 3000};
    struct world *const w = p->w;
    struct p_op o = {.kind = w_dice(w, 5), .len = lens[w_dice(w, 7)]};

    if (o.kind == P_SEND) {
        o.with_imm = w_dice(w, 3) == 0;
        o.inv = !o.with_imm && w_dice(w, 4) == 0;
        o.solicited = w_dice(w, 2) == 0;
    } else if (o.kind == P_WRITE) {
        o.with_imm = w_dice(w, 4) == 0;
        o.va = p_base(q) + (w_dice(w, 2) == 0 ? 0 : 0x4000) + w_dice(w, 0x3000);
    } else if (o.kind == P_READ) {
        o.len = w_dice(w, 3) == 0 ? 6500 : o.len;
        o.va = p_base(q) + w_dice(w, 0x2000);
    } else {
        o.len = 8;
        o.va = o.kind == P_FAA ? p_base(0) + 0x8000 + w_dice(w, P_SHARED) * 8 : p_base(q) + 0x9000;
    }
    o.imm = 0xabc00000 + p->q[q].ops;
    o.key_inv = 0x5000 + p->q[q].ops;
    p_add(p, q, o);
}

static inline bool p_lost(struct peer *p)
{
    return w_dice(p->w, 100) < p->drop;
}

static inline void p_transmit(struct peer *p, const struct p_packet *m)
{
    for (uint32_t copies = w_dice(p->w, 100) < p->dup ? 2 : 1; copies != 0; copies--) {
        uint32_t i = 0;
        while (i < P_NET && p->net[i].used != 0) {
            i++;
        }
        if (i == P_NET || p_lost(p)) {
            continue;
        }
        p->net[i] = *m;
        p->net[i].used = 1;
        p->net[i].due =
            p->w->h->y.k.now + 30 + (w_dice(p->w, 100) < p->reorder ? w_dice(p->w, 200) : 0);
    }
}

/* --- requests ------------------------------------------------------------------------------------
 */

static inline uint8_t p_opcode(const struct p_op *o, uint32_t k)
{
    const uint32_t last = k + 1 == o->n, first = k == 0;

    switch (o->kind) {
    case P_SEND:
        if (!last) {
            return first ? PKT_OP_RC_SEND_FIRST : PKT_OP_RC_SEND_MIDDLE;
        }
        if (o->inv) {
            return first ? PKT_OP_RC_SEND_ONLY_INV : PKT_OP_RC_SEND_LAST_INV;
        }
        return (uint8_t)((first ? PKT_OP_RC_SEND_ONLY : PKT_OP_RC_SEND_LAST) + o->with_imm);
    case P_WRITE:
        if (!last) {
            return first ? PKT_OP_RC_WRITE_FIRST : PKT_OP_RC_WRITE_MIDDLE;
        }
        return (uint8_t)((first ? PKT_OP_RC_WRITE_ONLY : PKT_OP_RC_WRITE_LAST) + o->with_imm);
    case P_READ: return PKT_OP_RC_READ_REQUEST;
    default: return o->kind == P_FAA ? PKT_OP_RC_FETCH_ADD : PKT_OP_RC_COMPARE_SWAP;
    }
}

/* Packet k of an operation; a READ asks for what is missing from packet k on. */
static inline void p_request(struct peer *p, uint32_t q, const struct p_op *o, uint32_t k)
{
    struct p_packet m = {.request = 1};
    struct rxp *const x = &m.rx;

    *x = (struct rxp){.qn = q,
                      .psn = (p_first_psn(p, q) + o->off + k) & PSN_MASK,
                      .opcode = p_opcode(o, k),
                      .raddr = o->va,
                      .rkey = 0x100 + q,
                      .imm = o->imm};
    x->flags = k + 1 == o->n || w_dice(p->w, 4) == 0 ? RXP_ACKREQ : 0;
    if (o->kind <= P_WRITE) {
        x->plen = o->len - k * 1024 < 1024 ? o->len - k * 1024 : 1024;
        x->dlen = o->len;
        x->rkey = o->inv ? o->key_inv : x->rkey;
        x->flags |= k + 1 == o->n && o->solicited ? RXP_SE : 0;
        for (uint32_t i = 0; i < x->plen; i++) {
            m.payload[i] = p_byte(o->seed, k * 1024 + i);
        }
    } else if (o->kind == P_READ) {
        x->raddr += k * 1024;
        x->dlen = o->len - k * 1024;
    } else {
        x->rkey = o->kind == P_FAA ? 0x100 : x->rkey;
        x->op1 = o->kind == P_FAA ? 1 : o->want + 1;
        x->op2 = o->want;
    }
    p_transmit(p, &m);
}

static inline struct p_op *p_find(struct p_qp *c, uint32_t off)
{
    uint32_t i = 0;

    while (i + 1 < c->ops && c->op[i + 1].off <= off) {
        i++;
    }
    return &c->op[i];
}

/* READs and atomics open below offset off. */
static inline uint32_t p_open_reads(struct p_qp *c, uint32_t off)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->ops && c->op[i].off < off; i++) {
        n += c->op[i].kind >= P_READ && c->op[i].off + c->op[i].n > c->una;
    }
    return n;
}

/* First transmission: what the operation does to the reference. */
static inline void p_refer(struct peer *p, uint32_t q, struct p_op *o)
{
    struct p_qp *const c = &p->q[q];
    const uint32_t at = (uint32_t)(o->va - p_base(q));

    for (uint32_t i = 0; o->kind == P_WRITE && i < o->len; i++) {
        c->ref[at + i] = p_byte(o->seed, i);
    }
    if (o->kind == P_READ) {
        memcpy(o->snap, c->ref + at, o->len);
    } else if (o->kind == P_CAS) {
        o->want = c->cas++;
    }
    c->issued++;
}

static inline void p_send_next(struct peer *p, uint32_t q)
{
    struct p_qp *const c = &p->q[q];
    struct p_op *const o = p_find(c, c->nxt);

    if (c->fatal != 0 || c->ops == 0 || c->nxt >= o->off + o->n || c->nxt >= c->una + P_WINDOW ||
        p->w->h->y.k.now < c->stalled_until) {
        return;
    }
    const uint32_t open = p_open_reads(c, o->off);
    const bool fenced = o->kind == P_WRITE && o->va < p_base(q) + 0x4000 && open != 0;
    if (c->nxt == o->off && (fenced || (o->kind >= P_READ && open >= 4))) {
        return;
    }
    if ((uint32_t)(o - c->op) == c->issued) {
        p_refer(p, q, o);
    }
    p_request(p, q, o, c->nxt - o->off);
    c->nxt = o->kind >= P_READ ? o->off + o->n : c->nxt + 1;
    c->top = c->nxt > c->top ? c->nxt : c->top;
}

/* --- responses -----------------------------------------------------------------------------------
 */

static inline void p_progress(struct peer *p, struct p_qp *c, uint32_t una)
{
    c->una = una;
    c->nxt = c->nxt < una ? una : c->nxt;
    c->progress_at = p->w->h->y.k.now;
}

/* Everything below off is acknowledged unless a READ or atomic there is open: false. */
static inline bool p_ack_below(struct peer *p, struct p_qp *c, uint32_t off)
{
    while (c->una < off) {
        const struct p_op *const o = p_find(c, c->una);
        if (o->kind >= P_READ) {
            return false;
        }
        p_progress(p, c, c->una + 1);
    }
    return true;
}

static inline uint32_t p_messages(const struct p_qp *c, uint32_t end)
{
    uint32_t n = 0;

    while (n < c->ops && c->op[n].off + c->op[n].n <= end) {
        n++;
    }
    return n;
}

static inline void p_got_read(struct peer *p, struct p_qp *c, uint32_t off,
                              const struct p_packet *m)
{
    const struct p_op *const o = p_find(c, off);

    assert_true(o->kind == P_READ || off < c->una);
    if (off < c->una || !p_ack_below(p, c, off)) {
        return; /* old, or a gap: the timeout asks again */
    }
    assert_int_equal(m->tx.plen,
                     o->len - (off - o->off) * 1024 < 1024 ? o->len - (off - o->off) * 1024 : 1024);
    assert_memory_equal(m->payload, o->snap + (off - o->off) * 1024, m->tx.plen);
    p_progress(p, c, off + 1);
}

static inline void p_got_atomic(struct peer *p, struct p_qp *c, uint32_t off, uint64_t value)
{
    const struct p_op *const o = p_find(c, off);

    if (off < c->una || !p_ack_below(p, c, off)) {
        return;
    }
    if (o->kind == P_CAS) {
        assert_int_equal(value, o->want);
    } else {
        const uint32_t s = (uint32_t)(o->va - p_base(0) - 0x8000) / 8;
        assert_true(value < sizeof p->shared[s]);
        assert_int_equal(p->shared[s][value], 0); /* each value is handed out once */
        p->shared[s][value] = 1;
        p->shared_count[s]++;
    }
    p_progress(p, c, off + 1);
}

static inline void p_got_aeth(struct peer *p, struct p_qp *c, uint32_t off, uint32_t aeth)
{
    const uint32_t syndrome = aeth >> 24;

    if (syndrome == 0x1f) {
        assert_int_equal(aeth & PSN_MASK, p_messages(c, off + 1));
        assert_true(off + 1 <= c->top);
        if (!p_ack_below(p, c, off + 1)) {
            c->nxt = c->una; /* a READ or atomic was skipped: its response is lost */
        }
        return;
    }
    if (off < c->una || off > c->nxt) {
        return;
    }
    (void)p_ack_below(p, c, off);
    if (syndrome == 0x60) {
        c->nxt = c->una;
    } else if (syndrome >> 5 == 1) {
        assert_int_equal(syndrome, 0x20 | 12);
        c->nxt = c->una;
        c->stalled_until = p->w->h->y.k.now + 300;
    } else {
        c->fatal = syndrome;
    }
}

static inline void p_response(struct peer *p, const struct p_packet *m)
{
    struct p_qp *const c = &p->q[m->tx.qn];
    const uint32_t una_psn = (p_first_psn(p, m->tx.qn) + c->una) & PSN_MASK;
    const int32_t ahead = psn_diff(m->tx.psn, una_psn);
    const uint32_t off = c->una + (uint32_t)ahead;

    if ((int32_t)off < 0) {
        return; /* ACK of the PSN before the first */
    }
    assert_int_equal(m->tx.dqpn, m->tx.qn + 0x1000);
    switch (m->tx.opcode) {
    case PKT_OP_RC_ACK: p_got_aeth(p, c, off, m->tx.aeth); break;
    case PKT_OP_RC_ATOMIC_ACK: p_got_atomic(p, c, off, m->tx.op1); break;
    default: p_got_read(p, c, off, m); break;
    }
}

/* --- what the responder shows --------------------------------------------------------------------
 */

static inline void p_frame(struct world *w, const struct pkt *m, const uint8_t *payload)
{
    struct p_packet x = {.tx = *m};

    if (payload != NULL) {
        memcpy(x.payload, payload, m->plen);
    }
    p_transmit(w->user, &x);
}

static inline bool p_completes(const struct p_op *o)
{
    return o->kind == P_SEND || (o->kind == P_WRITE && o->with_imm);
}

/* Three SGEs of odd sizes and an empty one; the buffer crosses a page. */
static inline void p_post(struct peer *p, uint32_t q)
{
    struct p_qp *const c = &p->q[q];
    const uint64_t va = 0x7000000 + q * 0x10000ULL + c->receives % P_SLOTS * P_SLOT;
    const uint32_t key = 0x200 + q;

    w_post(p->w, q, c->receives++, key, va, 3500);
    struct wqe *const e = &p->w->rq[q].wqe[(p->w->rq[q].tail - 1) % W_RQ];
    e->nsge = 4;
    e->sge[0] = (struct sge){va, 100, key};
    e->sge[1] = (struct sge){va, 0, key};
    e->sge[2] = (struct sge){va + 100, 1001, key};
    e->sge[3] = (struct sge){va + 1101, 2399, key};
}

static inline void p_cqe(struct world *w, const struct cqe *m)
{
    struct peer *const p = w->user;
    struct p_qp *const c = &p->q[m->qn];

    assert_int_equal(m->wr_id, c->completed);
    c->completed++;
    if (m->status == WC_WR_FLUSH) {
        return;
    }
    while (!p_completes(&c->op[c->expect])) {
        c->expect++;
    }
    const struct p_op *const o = &c->op[c->expect++];
    assert_true(c->expect <= c->issued);
    assert_int_equal(m->status, WC_OK);
    assert_int_equal(m->byte_len, o->len);
    assert_int_equal(m->opcode, o->kind == P_SEND ? WC_RECV : WC_RECV_IMM);
    assert_int_equal(m->flags, CQE_RECV | (o->with_imm ? CQE_IMM : 0) |
                                   (o->inv ? CQE_INVALIDATE : 0) |
                                   (o->solicited ? CQE_SOLICITED : 0));
    assert_int_equal(m->imm, o->inv ? o->key_inv : o->imm);
    assert_int_equal(m->handle, m->qn + 100);
    const uint64_t bus = (m->qn + 8) * 0x10000ULL + m->wr_id % P_SLOTS * P_SLOT;
    for (uint32_t i = 0; o->kind == P_SEND && i < o->len; i++) {
        assert_int_equal(*w_at(w, bus + i), p_byte(o->seed, i)); /* payload before CQE */
    }
}
