/* driver_core.c: cores: one job at a time, cycles charged by cause; what leaves a core. */
#include "sim/host/driver_i.h"

#include "model/trace.h"

const char *const cpu_cause_name[CPU_CAUSES] = {
    [CPU_POST] = "post",           [CPU_DOORBELL] = "doorbell",     [CPU_POLL] = "poll",
    [CPU_INTERRUPT] = "interrupt", [CPU_SWITCH] = "context_switch", [CPU_SYSCALL] = "syscall",
    [CPU_COMMAND] = "command",     [CPU_IDLE_POLL] = "idle_poll",
};

uint64_t cycles_ps(const struct machine *m, uint64_t cycles)
{
    return (cycles * 1000000 + m->p->cpu_clock_mhz - 1) / m->p->cpu_clock_mhz;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static enum cpu_cause cause_of(uint8_t kind)
{
    static const uint8_t cause[] = {
        [JOB_POST] = CPU_POST,         [JOB_RECV] = CPU_POST,
        [JOB_DOORBELL] = CPU_DOORBELL, [JOB_RECV_DOORBELL] = CPU_DOORBELL,
        [JOB_MMIO_WQE] = CPU_DOORBELL, [JOB_ARM] = CPU_DOORBELL,
        [JOB_CQE] = CPU_POLL,          [JOB_IRQ] = CPU_INTERRUPT,
        [JOB_COMMAND] = CPU_COMMAND,   [JOB_WAKE] = CPU_SWITCH,
    };
    return cause[kind];
}

static void set_next(struct machine *m)
{
    m->f.next_due = m->f.recheck_at;
    for (uint32_t c = 0; c < m->f.cores; c++) {
        if (m->f.core[c].busy && m->f.core[c].due < m->f.next_due) {
            m->f.next_due = m->f.core[c].due;
        }
    }
}

/* Takes the oldest job; the time until then was spent polling, if this core polls. */
static void start(struct machine *m, struct core *c)
{
    if (c->busy || c->first == 0) {
        return;
    }
    const uint32_t link = c->first;
    c->cur = *JOB(m, link);
    c->first = c->cur.next;
    c->last = c->first == 0 ? 0 : c->last;
    pool_free(m, V_JOB, link);

    const uint64_t from = c->cur.not_before > c->free_at ? c->cur.not_before : c->free_at;
    c->idle_ps += c->polling ? from - c->free_at : 0;
    c->polling |= c->polled != 0 && c->cur.kind <= JOB_CQE;
    c->due = from + cycles_ps(m, c->cur.cycles);
    c->busy = 1;
    m->f.next_due = c->due < m->f.next_due ? c->due : m->f.next_due;
}

void core_add(struct machine *m, uint32_t core, const struct job *j, bool front)
{
    struct core *const c = &m->f.core[core];
    const uint32_t link = pool_new(m, V_JOB);

    if (link == 0) {
        return; /* told by machine_failed */
    }
    *JOB(m, link) = *j;
    if (front) {
        JOB(m, link)->next = c->first;
        c->first = link;
        c->last = c->last == 0 ? link : c->last;
    } else {
        JOB(m, link)->next = 0;
        if (c->last != 0) {
            JOB(m, c->last)->next = link;
        } else {
            c->first = link;
        }
        c->last = link;
    }
    start(m, c);
}

const struct job *core_peek(const struct machine *m, uint32_t core)
{
    const uint32_t link = m->f.core[core].first;

    return link == 0 ? NULL : JOB(m, link);
}

/* An idle core goes round its CQs; the round that ends at or after now sees the CQE. */
uint64_t core_poll_at(const struct machine *m, uint32_t core, uint64_t now_ps)
{
    const struct core *const c = &m->f.core[core];
    const uint64_t polls = c->polled > 1 ? c->polled : 1;
    const uint64_t round = cycles_ps(m, m->p->cpu_poll_cycles * polls);

    if (c->busy || now_ps <= c->free_at) {
        return now_ps;
    }
    return c->free_at + (now_ps - c->free_at + round - 1) / round * round;
}

/* --- the actor -------------------------------------------------------------------------------- */

uint64_t machine_next(const struct machine *m)
{
    return m->f.held_until != UINT64_MAX ? m->f.held_until : m->f.next_due;
}

static void recheck(struct machine *m, uint64_t now_ps)
{
    struct vec *const v = &m->v[V_FULL];
    uint32_t kept = 0;

    m->f.recheck_at = UINT64_MAX;
    for (uint32_t i = 0; i < v->n; i++) {
        uint32_t *const list = v->p;
        struct qp *const q = QP(m, list[i]);
        if (driver_room_send(m, list[i]) == 0 && q->signalled == 0) {
            list[kept++] = list[i];
        } else {
            q->watched = 0;
        }
    }
    v->n = kept;
    if (kept != 0) {
        m->f.recheck_at = now_ps + cycles_ps(m, m->p->cpu_poll_cycles * RECHECK_POLLS);
    }
}

/* The MMIO path was full: whoever was to act meanwhile stood still, and acts now. */
static void end_stall(struct machine *m, uint64_t now_ps)
{
    const uint64_t since = m->f.taken.at_ps;

    m->f.held_until = UINT64_MAX;
    for (uint32_t i = 0; i < m->f.cores; i++) {
        struct core *const c = &m->f.core[i];
        if (c->busy && c->due < now_ps) {
            const uint64_t late_ps = now_ps - (c->due > since ? c->due : since);
            c->cycles[CPU_DOORBELL] += late_ps * m->p->cpu_clock_mhz / 1000000;
            c->due = now_ps;
        }
    }
    set_next(m);
}

static void run(struct machine *m, uint64_t now_ps, uint32_t core)
{
    struct core *const c = &m->f.core[core];
    const struct job j = c->cur;

    c->busy = 0;
    c->free_at = c->due;
    const uint32_t syscall = j.kind == JOB_WAKE ? (uint32_t)m->p->cpu_syscall_cycles : 0;
    c->cycles[cause_of(j.kind)] += j.cycles - syscall;
    c->cycles[CPU_SYSCALL] += syscall;
    switch (j.kind) {
    case JOB_CQE:
    case JOB_ARM:
    case JOB_WAKE: poll_job(m, now_ps, core, &j); break;
    case JOB_IRQ: irq_job(m, now_ps, &j); break;
    case JOB_COMMAND: step_job(m, now_ps, &j); break;
    default: post_job(m, now_ps, core, &j); break;
    }
    start(m, c);
}

void machine_act(struct machine *m, uint64_t now_ps)
{
    if (m->f.held_until != UINT64_MAX) {
        if (m->f.held_until > now_ps) {
            return;
        }
        end_stall(m, now_ps);
    }
    while (m->f.next_due <= now_ps) {
        if (m->f.recheck_at <= now_ps) {
            recheck(m, now_ps);
        }
        m->f.next_due = m->f.recheck_at; /* lowered by jobs that start, and below */
        for (uint32_t c = 0; c < m->f.cores; c++) {
            struct core *const x = &m->f.core[c];
            if (x->busy && x->due <= now_ps) {
                run(m, now_ps, c);
            }
            if (x->busy && x->due < m->f.next_due) {
                m->f.next_due = x->due;
            }
        }
    }
}

uint32_t machine_cores(const struct machine *m)
{
    return m->f.cores;
}

void machine_account(const struct machine *m, uint32_t core, uint64_t until_ps,
                     uint64_t cycles[CPU_CAUSES])
{
    const struct core *const c = &m->f.core[core];
    const bool idle = c->polling && !c->busy && until_ps > c->free_at;
    const uint64_t idle_ps = c->idle_ps + (idle ? until_ps - c->free_at : 0);

    memcpy(cycles, c->cycles, sizeof c->cycles);
    cycles[CPU_IDLE_POLL] =
        idle_ps / 1000000 * m->p->cpu_clock_mhz + idle_ps % 1000000 * m->p->cpu_clock_mhz / 1000000;
}

/* --- what leaves a core ----------------------------------------------------------------------- */

static void mmio(struct machine *m, uint64_t now_ps, const struct mmio_req *r)
{
    struct mmio_out *const o = vec_add(m, V_MMIO);

    if (o != NULL) {
        *o = (struct mmio_out){.at_ps = now_ps, .m = *r};
    }
}

void mmio_write(struct machine *m, uint64_t now_ps, const struct drv *d, uint8_t bar,
                uint32_t offset, uint8_t len, uint64_t data)
{
    const struct mmio_req r = {.d0 = data,
                               .offset = offset,
                               .hca = (uint8_t)d->at.hca,
                               .fn = (uint8_t)d->at.fn,
                               .bar = bar,
                               .len = len,
                               .write = 1};
    mmio(m, now_ps, &r);
}

/* 64 bytes of a WQE to part n of a doorbell page. */
void mmio_wqe(struct machine *m, uint64_t now_ps, const struct drv *d, uint32_t part,
              const uint8_t *bytes)
{
    struct mmio_req r = {.offset = d->uar_page * PAGE_BYTES + UAR_WQE + part * 64,
                         .hca = (uint8_t)d->at.hca,
                         .fn = (uint8_t)d->at.fn,
                         .bar = 2,
                         .len = 64,
                         .write = 1};
    _Static_assert(offsetof(struct mmio_req, d7) - offsetof(struct mmio_req, d0) == 56, "d0 .. d7");
    memcpy((uint8_t *)&r + offsetof(struct mmio_req, d0), bytes, 64);
    mmio(m, now_ps, &r);
}

void mmio_read(struct machine *m, uint64_t now_ps, struct drv *d, uint32_t offset)
{
    d->tag = ++m->f.tag;
    const struct mmio_req r = {.offset = offset,
                               .tag = d->tag,
                               .hca = (uint8_t)d->at.hca,
                               .fn = (uint8_t)d->at.fn,
                               .bar = 1,
                               .len = 4};
    mmio(m, now_ps, &r);
}

void stamp(struct machine *m, uint64_t at_ps, uint64_t wr_id, uint8_t stage)
{
    struct driver_stamp *const s = (uint32_t)wr_id == 0 ? NULL : vec_add(m, V_STAMP);

    if (s != NULL) {
        *s = (struct driver_stamp){.at_ps = at_ps, .mid = (uint32_t)wr_id, .stage = stage};
    }
}
