#include "model/mmio.h"

/* reg.def: may software write it, and does command want to know? */
enum { REG_RO, REG_WO, REG_RW };
static const struct {
    uint32_t reset;
    uint8_t access;
} regs[] = {
#define RO                                            REG_RO
#define WO                                            REG_WO
#define RW                                            REG_RW
#define REG(name, offset, access, reset, source, doc) [(offset) / 4] = {(reset), access},
#include "model/spec/reg.def"
#undef REG
#undef RO
#undef WO
#undef RW
};

static void open_credits(struct mmio *u, const struct hca_param *p)
{
    const uint64_t latency = ns_cycles(p, p->pcie_latency_up_ns);

    u->fc_delay = latency == 0 ? 0 : latency - 1;
    u->due.ph = tlp_credits_due(p->pcie_mmio_posted_header_credits);
    u->due.pd = tlp_credits_due(p->pcie_mmio_posted_data_credits);
    u->due.nph = tlp_credits_due(p->pcie_mmio_np_header_credits);
}

void mmio_open(struct mmio *u, struct opening *o)
{
    const uint64_t ps = o->p->hca_doorbell_interval_ps;

    u->fn = arena_take(o->a, o->p->hca_fn_max * sizeof *u->fn);
    u->wqe = arena_take(o->a, o->p->hca_fn_max * o->p->hca_uar_max * sizeof *u->wqe);
    u->delay = ns_cycles(o->p, o->p->hca_mmio_ns);
    open_credits(u, o->p);
    u->s.pace = (struct serial){.num = ps * o->p->core_clock_khz, .den = 1000000000};
    for (uint64_t f = 0; u->fn != NULL && f < o->p->hca_fn_max; f++) {
        for (unsigned r = 0; r < PV_REGS; r++) {
            u->fn[f].reg[r] = regs[r].reset;
        }
        u->fn[f].reg[PV_REG_VERSION] = (uint32_t)o->p->hca_pvrdma_version;
        for (unsigned v = 0; v < MSIX_VECTORS; v++) {
            u->fn[f].msix[v].control = 1;
        }
    }
}

static bool ignore(const struct tick *t, const struct mmio_req *m)
{
    t->s->mmio_ignored++;
    TRACE(t, mmio, mmio_ignore, .offset = m->offset, .fn = m->fn, .bar = m->bar, .len = m->len);
    return true;
}

/* --- registers -------------------------------------------------------------------------------- */

/* True for the three that make command work and then set ERR. */
static bool starts_command(uint32_t reg)
{
    return reg == PV_REG_DSRHIGH || reg == PV_REG_CTL || reg == PV_REG_REQUEST;
}

static void tell_vectors(struct mmio *u, uint8_t fn)
{
    u->s.msix_fn = fn;
    u->s.msix_left = MSIX_VECTORS;
}

/* MACH and MACL are kept here and by command, the rest of what is written by command alone. */
static bool write_register(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    struct mmio_fn *const f = &u->fn[m->fn];
    const uint32_t reg = m->offset / 4, data = (uint32_t)m->d0;

    if (m->offset % 4 != 0 || m->len != 4 || reg >= PV_REGS || regs[reg].access == REG_RO) {
        return ignore(t, m);
    }
    if (!READY(t, u->reg_write) || u->s.msix_left != 0) {
        return false;
    }
    t->s->mmio_registers++;
    if (regs[reg].access == REG_RW) {
        f->reg[reg] = data;
    }
    if (reg == PV_REG_CTL && data == PV_CTL_RESET) {
        f->reg[PV_REG_IMR] = regs[PV_REG_IMR].reset;
    }
    if (reg == PV_REG_IMR || reg == PV_REG_CTL) {
        tell_vectors(u, m->fn);
    }
    if (reg != PV_REG_IMR) {
        f->commands = (uint8_t)(f->commands + starts_command(reg));
        f->hca = m->hca;
        PUSH(t, u->reg_write, reg_write, u->delay, .data = data, .fn = m->fn,
             .index = (uint8_t)reg);
    }
    return true;
}

static void answer(struct mmio *u, const struct tick *t, uint8_t fn, uint8_t hca, uint16_t tag,
                   uint8_t len, uint64_t data)
{
    PUSH(t, u->mmio_rd, mmio_rsp, u->delay, .data = len < 8 ? data & 0xffffffff : data, .tag = tag,
         .fn = fn, .hca = hca, .len = len);
}

/* A new value of ERR; the reads that waited for it are answered in the following cycles. */
static void take_state(struct mmio *u, const struct tick *t)
{
    const struct reg_write *const m = POP(t, u->reg_state);
    struct mmio_fn *const f = &u->fn[m->fn];

    f->reg[m->index] = m->data;
    if (m->index != PV_REG_ERR) {
        return;
    }
    hca_assert(f->commands > 0);
    if (--f->commands == 0) {
        u->s.release_fn = m->fn;
        u->s.release_left = f->parked;
    }
}

static void release_one(struct mmio *u, const struct tick *t)
{
    struct mmio_fn *const f = &u->fn[u->s.release_fn];

    answer(u, t, u->s.release_fn, f->hca, f->parked_tag[f->parked - u->s.release_left], 4,
           f->reg[PV_REG_ERR]);
    if (--u->s.release_left == 0) {
        f->parked = 0;
    }
}

/* --- MSI-X ------------------------------------------------------------------------------------ */

static bool in_table(const struct mmio_req *m)
{
    return m->offset % 4 == 0 && (m->len == 4 || (m->len == 8 && m->offset % 8 == 0)) &&
           m->offset < MSIX_VECTORS * MSIX_ENTRY_BYTES;
}

static uint64_t read_vector(const struct mmio_fn *f, const struct mmio_req *m)
{
    const unsigned v = m->offset / MSIX_ENTRY_BYTES;
    const uint64_t half[2] = {f->msix[v].addr,
                              f->msix[v].data | (uint64_t)f->msix[v].control << 32};

    return half[m->offset / 8 % 2] >> (m->offset % 8 * 8);
}

static bool write_vector(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    if (!in_table(m)) {
        return ignore(t, m);
    }
    if (u->s.msix_left != 0) {
        return false;
    }
    struct mmio_fn *const f = &u->fn[m->fn];
    const unsigned v = m->offset / MSIX_ENTRY_BYTES, part = m->offset / 4 % 4;
    const uint32_t lo = (uint32_t)m->d0, hi = (uint32_t)(m->d0 >> 32);
    uint32_t word[4] = {(uint32_t)f->msix[v].addr, (uint32_t)(f->msix[v].addr >> 32),
                        f->msix[v].data, f->msix[v].control};

    word[part] = lo;
    if (m->len == 8) {
        word[part + 1] = hi;
    }
    f->msix[v].addr = word[0] | (uint64_t)word[1] << 32;
    f->msix[v].data = word[2];
    f->msix[v].control = word[3] & 1;
    t->s->mmio_registers++;
    tell_vectors(u, m->fn);
    return true;
}

static void tell_one(struct mmio *u, const struct tick *t)
{
    const unsigned v = --u->s.msix_left;
    const struct mmio_fn *const f = &u->fn[u->s.msix_fn];
    const bool masked = f->msix[v].control != 0 || (f->reg[PV_REG_IMR] >> v & 1) != 0;

    PUSH(t, u->msix_set, msix_set, u->delay, .addr = f->msix[v].addr, .data = f->msix[v].data,
         .fn = u->s.msix_fn, .vector = (uint8_t)v, .masked = masked);
}

/* --- reads ------------------------------------------------------------------------------------ */

static uint64_t read_value(const struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    if (m->fn >= t->p->hca_fn_max) {
        return UINT64_MAX; /* what a root complex returns for an absent function */
    }
    const struct mmio_fn *const f = &u->fn[m->fn];
    const uint32_t reg = m->offset / 4;

    if (m->bar == 0 && in_table(m)) {
        return read_vector(f, m);
    }
    if (m->bar == 1 && m->offset % 4 == 0 && m->len == 4 && reg < PV_REGS &&
        regs[reg].access != REG_WO) {
        return f->reg[reg];
    }
    return 0;
}

/* A read that is not parked is answered at once: the others must not wait for a command of fn. */
static bool read_access(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    const bool known = m->fn < t->p->hca_fn_max;
    struct mmio_fn *const f = known ? &u->fn[m->fn] : NULL;

    if (u->s.release_left != 0 || !READY(t, u->mmio_rd)) {
        return false;
    }
    t->s->mmio_reads++;
    if (known && m->bar == 1 && m->offset == PV_REG_ERR * 4 && f->commands > 0 &&
        f->parked < MMIO_PARKED) {
        f->parked_tag[f->parked++] = m->tag;
        f->hca = m->hca;
        return true;
    }
    answer(u, t, m->fn, m->hca, m->tag, m->len, read_value(u, t, m));
    return true;
}

/* --- doorbell pages --------------------------------------------------------------------------- */

/* First cycle in which another doorbell may be taken. */
static uint64_t next_doorbell(const struct mmio *u)
{
    return u->s.pace.free_at + (u->s.pace.frac != 0);
}

/* One that is taken as soon as it may be keeps the fraction of a cycle it waited too long. */
static bool ring(struct mmio *u, const struct tick *t, const struct db_write *d)
{
    PASS(t, u->db_write, db_write, u->delay, d);
    (void)serial_take(&u->s.pace, next_doorbell(u) == t->now ? u->s.pace.free_at : t->now, 1);
    t->s->mmio_doorbells++;
    return true;
}

static bool ring_qp(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    struct db_write d = {.number = (uint32_t)m->d0 & UAR_NUMBER, .fn = m->fn, .t_in = t->now};
    const bool send = (m->d0 & UAR_SEND) != 0, recv = (m->d0 & UAR_RECV) != 0;

    if (!send && !recv) {
        return ignore(t, m);
    }
    if (send && recv) {
        d.kind = DB_RECV;
        u->s.owed = d;
        u->s.owes = 1;
    }
    d.kind = send ? DB_SEND : DB_RECV;
    return ring(u, t, &d);
}

static bool ring_cq(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    struct db_write d = {.number = (uint32_t)m->d0 & UAR_NUMBER, .fn = m->fn, .t_in = t->now};

    if ((m->d0 & (UAR_CQ_ARM | UAR_CQ_ARM_SOL)) != 0) {
        d.kind = (m->d0 & UAR_CQ_ARM) != 0 ? DB_CQ_ARM : DB_CQ_ARM_SOLICITED;
        return ring(u, t, &d);
    }
    if ((m->d0 & UAR_CQ_POLL) == 0) {
        return ignore(t, m);
    }
    t->s->mmio_polls++; /* gives the device time; this one needs none */
    return true;
}

static bool ring_other(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    struct db_write d = {.number = (uint32_t)m->d0 & UAR_NUMBER, .fn = m->fn, .t_in = t->now};

    if (m->offset % PAGE_BYTES == UAR_SRQ && m->len == 4 && (m->d0 & UAR_SEND) != 0) {
        d.kind = DB_SRQ_RECV; /* bit 30 here */
        return ring(u, t, &d);
    }
    if (m->offset % PAGE_BYTES == UAR_NATIVE && m->len == 8 && (m->d0 & 0xff000000) == 0) {
        d.tail = (uint16_t)(m->d0 >> 32);
        d.kind = DB_SEND;
        d.native = 1;
        return ring(u, t, &d);
    }
    return ignore(t, m);
}

/* --- WQE by MMIO ------------------------------------------------------------------------------ */

static bool drop_part(struct mmio *u, const struct tick *t, struct mmio_wqe *w)
{
    (void)u;
    w->parts = 0;
    t->s->mmio_wqe_dropped++;
    return true;
}

/* Part 0 names QP, index and the number of parts; bytes 3, 4-5, 6-7 of docs/NATIVE.md section 4. */
static bool take_part(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    struct mmio_wqe *const w = &u->wqe[m->fn * t->p->hca_uar_max + m->offset / PAGE_BYTES];
    const uint8_t part = (uint8_t)((m->offset % PAGE_BYTES - UAR_WQE) / 64);
    const uint8_t parts = part == 0 ? (uint8_t)(m->d0 >> 24) : w->parts;

    if (m->len != 64 || m->offset % 64 != 0) {
        return ignore(t, m);
    }
    if (parts == 0 || parts > t->p->hca_wqe_mmio_bytes / 64 || parts > WQE_RAW_MAX / 64 ||
        (part != 0 && part != w->next)) {
        return drop_part(u, t, w);
    }
    if (!READY(t, u->wqe_mmio)) {
        return false;
    }
    if (part == 0) {
        *w = (struct mmio_wqe){.number = (uint32_t)(m->d0 >> 32 & 0xffff),
                               .index = (uint16_t)(m->d0 >> 48),
                               .parts = parts};
    }
    PUSH(t, u->wqe_mmio, wqe_mmio, u->delay, .d0 = m->d0, .d1 = m->d1, .d2 = m->d2, .d3 = m->d3,
         .d4 = m->d4, .d5 = m->d5, .d6 = m->d6, .d7 = m->d7, .number = w->number, .index = w->index,
         .fn = m->fn, .part = part, .parts = parts);
    t->s->mmio_wqe_parts++;
    w->next = (uint8_t)(part + 1);
    if (w->next == parts) {
        const struct db_write d = {.number = w->number,
                                   .tail = (uint16_t)(w->index + parts),
                                   .fn = m->fn,
                                   .kind = DB_SEND,
                                   .native = 1,
                                   .t_in = t->now};
        w->parts = 0;
        return ring(u, t, &d);
    }
    return true;
}

/* --- one access ------------------------------------------------------------------------------- */

static bool write_page(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    const uint32_t at = m->offset % PAGE_BYTES;

    if (m->offset / PAGE_BYTES >= t->p->hca_uar_max) {
        return ignore(t, m);
    }
    if (u->s.owes || !READY(t, u->db_write) || next_doorbell(u) > t->now) {
        return false;
    }
    if (at >= UAR_WQE) {
        return take_part(u, t, m);
    }
    if (m->len == 4 && at == UAR_QP) {
        return ring_qp(u, t, m);
    }
    return m->len == 4 && at == UAR_CQ ? ring_cq(u, t, m) : ring_other(u, t, m);
}

/* True when the access is done with, false when it has to stay in mmio_in. */
static bool access(struct mmio *u, const struct tick *t, const struct mmio_req *m)
{
    if (!m->write) {
        return read_access(u, t, m);
    }
    if (m->fn >= t->p->hca_fn_max || m->bar > 2) {
        return ignore(t, m);
    }
    return m->bar == 0   ? write_vector(u, t, m)
           : m->bar == 1 ? write_register(u, t, m)
                         : write_page(u, t, m);
}

/* What earlier accesses left to be done: one entry per output and cycle. */
static bool finish(struct mmio *u, const struct tick *t)
{
    bool moved = false;

    if (u->s.release_left == 0 && VALID(t, u->reg_state)) {
        take_state(u, t);
        moved = true;
    } else if (u->s.release_left != 0 && READY(t, u->mmio_rd)) {
        release_one(u, t);
        return true;
    }
    if (u->s.msix_left != 0 && READY(t, u->msix_set)) {
        tell_one(u, t);
        moved = true;
    }
    if (u->s.owes && READY(t, u->db_write)) {
        u->s.owes = 0;
        return ring(u, t, &u->s.owed);
    }
    return moved;
}

static void leave(struct mmio *u, const struct tick *t)
{
    const struct tlp_credits c = tlp_mmio_credits(POP(t, u->mmio_in));

    u->s.free.ph += c.ph;
    u->s.free.pd += c.pd;
    u->s.free.nph += c.nph;
}

/* Room becomes credits when an eighth of a kind is free. */
static void return_credits(struct mmio *u, const struct tick *t)
{
    const struct tlp_credits *const c = &u->s.free;

    if ((c->ph < u->due.ph && c->pd < u->due.pd && c->nph < u->due.nph) || !READY(t, u->mmio_fc)) {
        return;
    }
    PUSH(t, u->mmio_fc, credit, u->fc_delay, .ph = (uint16_t)c->ph, .pd = (uint16_t)c->pd,
         .nph = (uint16_t)c->nph);
    u->s.free = (struct tlp_credits){0, 0, 0};
}

struct act mmio_tick(struct mmio *u, const struct tick *t)
{
    const bool busy = finish(u, t);

    if (!busy && VALID(t, u->mmio_in) && access(u, t, PEEK(u->mmio_in))) {
        leave(u, t);
        return_credits(u, t);
        return AGAIN(t);
    }
    if (busy) {
        return AGAIN(t);
    }
    return VALID(t, u->mmio_in) && next_doorbell(u) > t->now ? WAKE_AT(next_doorbell(u)) : IDLE;
}
