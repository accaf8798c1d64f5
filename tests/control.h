/* control.h: mmio and command in an adapter whose other units are played by this bench: guest
 * memory of one function, contexts, keys, rings and pipes that answer at once.
 *
 *   struct control c;
 *   control_open(&c, &p);                  c.mem[] is bus memory from BUS on
 *   control_write(&c, fn, REG_CTL, 0);     control_read(&c, fn, REG_ERR)
 *   control_command(&c, fn, bytes)         runs the request in the command slot; value of ERR */
#pragma once
#include "tests/unit.h"

enum { MEM_BYTES = 1 << 20, SEEN_MAX = 256 };
#define BUS 0x7000000000ULL

/* Where control_probe puts things, offsets from BUS. */
enum {
    AT_DSR = 0x0000,
    AT_CMD = 0x1000,
    AT_RESP = 0x2000,
    AT_ASYNC = 0x3000,
    AT_NOTIFY = 0x4000,
    AT_FREE = 0x8000
};
enum {
    R_VERSION = 0x00,
    R_DSRLOW = 0x04,
    R_DSRHIGH = 0x08,
    R_CTL = 0x0c,
    R_REQUEST = 0x10,
    R_ERR = 0x14,
    R_ICR = 0x18,
    R_IMR = 0x1c,
    R_MACL = 0x20,
    R_MACH = 0x24
};

struct control {
    struct hca *h;
    uint8_t *mem;
    uint64_t irqs, mpts, kicks, fences;
    struct mpt_set mpt[SEEN_MAX];
    struct gid_set gid[SEEN_MAX];
    struct ring_set ring[SEEN_MAX];
    struct msix_set msix[SEEN_MAX];
    struct qp_event kick[SEEN_MAX];
    struct ctx_put put;
    uint32_t gids, rings, msixs;
    uint32_t number[64]; /* context number + 1 by cx, kind in the top bits */
    uint16_t tag;
    bool answered;
    struct mmio_rsp answer;
    uint8_t mpt_status;
    bool deaf; /* contexts are not served */
};

static inline uint8_t *control_at(struct control *c, uint64_t addr, uint64_t len)
{
    return addr < BUS || addr - BUS > MEM_BYTES - len ? NULL : c->mem + (addr - BUS);
}

static inline uint16_t control_cx(struct control *c, unsigned kind, uint32_t number, bool make)
{
    const uint32_t name = (number | kind << 28) + 1;

    for (uint16_t i = 0; i < 64; i++) {
        if (c->number[i] == name || (make && c->number[i] == 0)) {
            c->number[i] = name;
            return i;
        }
    }
    return NO_SLOT;
}

static inline void control_dma(struct control *c)
{
    struct hca *const h = c->h;
    struct rd_req r;
    struct wr_req w;

    if (UNIT_POP(h, rd_req_cmd, &r)) {
        const uint8_t *const from = control_at(c, r.addr, r.len);
        if (from != NULL) {
            memcpy(store_at(&h->store, r.data), from, r.len);
        }
        UNIT_PUSH(h, rd_rsp_cmd, rd_rsp, .cookie = r.cookie, .status = from ? DMA_OK : DMA_UR);
    }
    if (UNIT_POP(h, wr_cmd, &w)) {
        uint8_t *const to = control_at(c, w.addr, w.len);
        if (to != NULL) {
            memcpy(to, store_at(&h->store, w.data), w.len);
        }
        UNIT_PUSH(h, wr_done_cmd, wr_done, .cookie = w.cookie);
    }
}

static inline void control_contexts(struct control *c)
{
    struct hca *const h = c->h;
    struct ctx_get g;

    if (!c->deaf && UNIT_POP(h, ctx_get_cmd, &g)) {
        const uint16_t cx = control_cx(c, g.kind, g.number, g.op == CTX_CREATE);
        UNIT_PUSH(h, ctx_got_cmd, ctx_got, .number = g.number, .cookie = g.cookie, .cx = cx,
                  .kind = g.kind, .status = cx == NO_SLOT ? CTX_ABSENT : CTX_OK);
    }
    if (UNIT_POP(h, ctx_put_cmd, &c->put) && c->put.op == CTX_PUT_DROP) {
        c->number[c->put.cx] = 0;
    }
}

static inline void control_pipes(struct control *c)
{
    struct hca *const h = c->h;
    struct qp_event e;
    struct cq_event q;

    if (UNIT_POP(h, cmd_req_kick, &e)) {
        c->kick[c->kicks++ % SEEN_MAX] = e;
        if (e.kind == KICK_RESET || e.kind == KICK_DESTROY) {
            UNIT_PUSH(h, cmd_flushed, qp_event, .qn = e.qn, .kind = e.kind);
        }
    }
    if (UNIT_POP(h, cmd_rsp_kick, &e) && (e.kind == KICK_RESET || e.kind == KICK_DESTROY)) {
        UNIT_PUSH(h, cmd_drained, qp_event, .qn = e.qn, .kind = e.kind);
    }
    if (UNIT_POP(h, cmd_cq, &q)) {
        c->fences++;
        UNIT_PUSH(h, cmd_cq_done, cq_event, .cqn = q.cqn);
    }
    if (UNIT_POP(h, cmd_irq, &q)) {
        c->irqs++;
    }
}

static inline void control_rest(struct control *c)
{
    struct hca *const h = c->h;
    struct gid_set g;

    if (UNIT_POP(h, mpt_cmd, &c->mpt[c->mpts % SEEN_MAX])) {
        c->mpts++;
        UNIT_PUSH(h, mpt_cmd_done, mpt_done, .status = c->mpt_status);
    }
    if (UNIT_POP(h, gid_build, &c->gid[c->gids % SEEN_MAX])) {
        c->gids++;
    }
    (void)UNIT_POP(h, gid_parse, &g);
    if (UNIT_POP(h, ring_set, &c->ring[c->rings % SEEN_MAX])) {
        if (c->ring[c->rings++ % SEEN_MAX].pages == 0) {
            UNIT_PUSH(h, ring_done, cq_event, .fn = c->ring[(c->rings - 1) % SEEN_MAX].fn);
        }
    }
    if (UNIT_POP(h, msix_set, &c->msix[c->msixs % SEEN_MAX])) {
        c->msixs++;
    }
    c->answered |= UNIT_POP(h, mmio_rd, &c->answer);
}

static inline void control_run(struct control *c, uint64_t cycles)
{
    for (const uint64_t until = c->h->y.k.now + cycles; c->h->y.k.now < until;) {
        unit_run(c->h, 1);
        control_dma(c);
        control_contexts(c);
        control_pipes(c);
        control_rest(c);
    }
}

static inline void control_write(struct control *c, uint8_t fn, uint32_t reg, uint32_t value)
{
    UNIT_PUSH(c->h, mmio_in, mmio_req, .d0 = value, .offset = reg, .fn = fn, .bar = 1, .len = 4,
              .write = 1);
}

/* Waits for the answer; fails the test when there is none within 100,000 cycles. */
static inline uint32_t control_read(struct control *c, uint8_t fn, uint32_t reg)
{
    UNIT_PUSH(c->h, mmio_in, mmio_req, .offset = reg, .fn = fn, .bar = 1, .len = 4,
              .tag = ++c->tag);
    c->answered = false;
    for (unsigned n = 0; !c->answered && n < 100000; n++) {
        control_run(c, 1);
    }
    assert_true(c->answered);
    assert_int_equal(c->answer.tag, c->tag);
    assert_int_equal(c->answer.fn, fn);
    return (uint32_t)c->answer.data;
}

static inline void control_open(struct control *c, const struct hca_param *p)
{
    *c = (struct control){.h = unit_hca(p, 1ULL << U_mmio | 1ULL << U_command)};
    c->mem = test_calloc(1, MEM_BYTES);
}

static inline void control_close(struct control *c)
{
    hca_close(c->h);
    test_free(c->mem);
}

static inline void put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}

static inline void put64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}

static inline uint32_t get32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static inline uint64_t get64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

/* Shared region of a driver of version 20; UAR pages from page frame 0x12345. */
static inline void control_dsr(struct control *c)
{
    uint8_t *const d = c->mem + AT_DSR;

    memset(d, 0, 280);
    put32(d + 0, 20);
    put32(d + 8, 2 | 1 << 2 | 1 << 6);
    put64(d + 16, BUS + AT_CMD);
    put64(d + 24, BUS + AT_RESP);
    put32(d + 32, 4);
    put64(d + 40, BUS + AT_ASYNC);
    put32(d + 48, 4);
    put64(d + 56, BUS + AT_NOTIFY);
    put64(d + 64, 0x12345);
}

/* DSR and ACTIVATE of function fn. */
static inline void control_activate(struct control *c, uint8_t fn)
{
    control_dsr(c);
    control_write(c, fn, R_DSRLOW, (uint32_t)(BUS + AT_DSR));
    control_write(c, fn, R_DSRHIGH, (uint32_t)((BUS + AT_DSR) >> 32));
    assert_int_equal(control_read(c, fn, R_ERR), 0);
    control_write(c, fn, R_IMR, 0);
    control_write(c, fn, R_CTL, 0);
    assert_int_equal(control_read(c, fn, R_ERR), 0);
}

/* A request whose header says command cmd; the rest is zero. */
static inline uint8_t *control_request(struct control *c, uint32_t cmd)
{
    uint8_t *const r = c->mem + AT_CMD;

    memset(r, 0, 184);
    memset(c->mem + AT_RESP, 0xee, 256);
    put64(r, 0x1122334455667788);
    put32(r + 8, cmd);
    return r;
}

static inline uint32_t control_command(struct control *c, uint8_t fn)
{
    control_write(c, fn, R_REQUEST, 0);
    return control_read(c, fn, R_ERR);
}
