/* driver_poll.c: completions: what becomes visible, who looks at it and when. */
#include "sim/host/driver_i.h"

#include "model/trace.h"

#include <stdlib.h>

enum { CQE_BYTES = 64, STATE_TAIL = 8, STATE_HEAD = 12, OWNER = 63, NETWORK_FLAGS = 7 };

/* --- pages of completion rings ---------------------------------------------------------------- */

static uint32_t place(const struct vec *v, uint64_t phys)
{
    return (uint32_t)((phys / PAGE_BYTES * 0x9e3779b97f4a7c15ULL) >> 32) & (v->n - 1);
}

static void page_put(struct vec *v, uint64_t phys, uint32_t cq)
{
    struct page *const p = v->p;
    uint32_t i = place(v, phys);

    while (p[i].phys != 0) {
        i = (i + 1) & (v->n - 1);
    }
    p[i] = (struct page){.phys = phys, .cq = cq};
}

/* Twice the room when half of it is used. */
static bool page_grow(struct machine *m)
{
    struct vec *const v = &m->v[V_PAGE];
    const uint32_t n = v->n;

    if (n != 0 && m->f.pages_used * 2 < n) {
        return true;
    }
    struct page *const old = calloc(n + 1, sizeof *old);
    if (old == NULL || vec_more(m, V_PAGE, n == 0 ? 64 : n) == DRIVER_NONE) {
        free(old);
        m->f.oom = 1;
        return false;
    }
    if (n != 0) {
        memcpy(old, v->p, n * sizeof *old);
        memset(v->p, 0, n * sizeof *old);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (old[i].phys != 0) {
            page_put(v, old[i].phys, old[i].cq);
        }
    }
    free(old);
    return true;
}

void page_add(struct machine *m, uint64_t phys, uint32_t cq)
{
    if (page_grow(m)) {
        page_put(&m->v[V_PAGE], phys, cq);
        m->f.pages_used++;
    }
}

uint32_t page_find(const struct machine *m, uint64_t phys)
{
    const struct vec *const v = &m->v[V_PAGE];
    const struct page *const p = v->p;
    const uint64_t page = phys / PAGE_BYTES * PAGE_BYTES;

    for (uint32_t i = v->n == 0 ? 0 : place(v, page); v->n != 0 && p[i].phys != 0;
         i = (i + 1) & (v->n - 1)) {
        if (p[i].phys == page) {
            return p[i].cq + 1;
        }
    }
    return 0;
}

/* --- what becomes visible --------------------------------------------------------------------- */

static uint32_t vm_of(const struct machine *m, const struct cq *c)
{
    return DRV(m, c->s.driver)->at.vm;
}

static uint64_t cqe_gpa(const struct cq *c, uint32_t index)
{
    const uint32_t slot = index & (c->ring.entries - 1);

    return c->ring.pages + (c->s.native ? 0 : PAGE_BYTES) + (uint64_t)slot * CQE_BYTES;
}

/* pvrdma: the device's producer index; native: the owner bit of the next entry. */
static uint32_t count_visible(const struct machine *m, const struct cq *c)
{
    const uint32_t vm = vm_of(m, c);
    uint32_t n = 0, tail;

    if (!c->s.native) {
        memcpy(&tail, mem_at(m, vm, c->ring.pages + STATE_TAIL), sizeof tail);
        return (tail - c->visible) & (2 * c->ring.entries - 1);
    }
    while (n < c->ring.entries) {
        const uint32_t i = c->visible + n;
        const uint8_t pass = (i / c->ring.entries + 1) & 1;
        if ((mem_at(m, vm, cqe_gpa(c, i))[OWNER] & 1) != pass || i - c->head >= c->ring.entries) {
            break;
        }
        n++;
    }
    return n;
}

static void wait_for_core(struct machine *m, uint64_t now_ps, uint32_t cq)
{
    struct cq *const c = CQ(m, cq);
    const struct job j = {
        .id = cq,
        .cycles = (uint32_t)m->p->cpu_poll_cqe_cycles,
        .kind = JOB_CQE,
        .not_before = c->s.notify == DRIVER_POLL ? core_poll_at(m, c->core, now_ps) : now_ps};

    c->run = CQ_QUEUED;
    core_add(m, c->core, &j, false);
}

void cq_look(struct machine *m, uint64_t now_ps, uint32_t cq)
{
    struct cq *const c = CQ(m, cq);
    const uint32_t n = c->state == OBJ_READY ? count_visible(m, c) : 0;
    const uint32_t link = n == 0 ? 0 : pool_new(m, V_VISIBLE);

    if (link == 0) {
        return;
    }
    c->visible += n;
    *SEEN(m, link) = (struct visible){.upto = c->visible, .at_ps = now_ps};
    if (c->last != 0) {
        SEEN(m, c->last)->next = link;
    } else {
        c->first = link;
    }
    c->last = link;
    if (c->s.notify == DRIVER_POLL && c->run == CQ_IDLE && c->bound) {
        wait_for_core(m, now_ps, cq);
    }
}

/* Time at which the oldest CQE became visible. */
static uint64_t seen_at(struct machine *m, struct cq *c)
{
    const uint32_t link = c->first;
    const uint64_t at = SEEN(m, link)->at_ps;

    if (SEEN(m, link)->upto == c->head + 1) {
        c->first = SEEN(m, link)->next;
        c->last = c->first == 0 ? 0 : c->last;
        pool_free(m, V_VISIBLE, link);
    }
    return at;
}

/* --- taking a CQE ----------------------------------------------------------------------------- */

static uint32_t host_order(uint32_t v)
{
    return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}

static void report(struct machine *m, const struct driver_completion *d)
{
    struct driver_completion *const x = vec_add(m, V_DONE);

    if (x != NULL) {
        *x = *d;
    }
    if (!d->silent) {
        stamp(m, d->polled_ps, d->wr_id, STAGE_polled);
    }
}

static struct sent forget_first(struct machine *m, struct qp *q)
{
    const uint32_t link = q->sent_first;
    const struct sent s = *SENT(m, link);

    q->sent_first = s.next;
    q->sent_last = s.next == 0 ? 0 : q->sent_last;
    q->unrung = q->unrung == link ? s.next : q->unrung;
    q->signalled -= s.signalled;
    q->sq.retired += q->s.native ? s.units : 0;
    pool_free(m, V_SENT, link);
    return s;
}

/* A CQE of a send queue ends its own request and proves the end of the unsignalled ones before it.
 */
static void sent_done(struct machine *m, struct qp *q, struct driver_completion *d)
{
    while (q->sent_first != 0) {
        const struct sent s = forget_first(m, q);
        if (s.signalled || s.wr_id == d->wr_id) {
            report(m, d);
            return;
        }
        struct driver_completion silent = *d;
        silent.wr_id = s.wr_id;
        silent.silent = 1;
        silent.status = WC_OK;
        silent.byte_len = silent.imm = silent.wc_flags = 0;
        report(m, &silent);
    }
    report(m, d); /* of nothing that was posted: the caller will find it */
}

/* A native receive CQE names the index of its request; slots are free in order again. */
static void received(struct machine *m, struct qp *q, struct driver_completion *d)
{
    const bool shared = q->s.srq != DRIVER_NONE;
    struct queue_state *const r = shared ? &SRQ(m, q->s.srq)->q : &q->rq;
    const uint32_t wrid = shared ? SRQ(m, q->s.srq)->wrid : q->wrid;

    if (q->s.native) {
        uint64_t *const id = vec_at(m, V_WRID, wrid);
        const uint32_t slot = (uint32_t)d->wr_id & (r->n - 1);
        d->wr_id = id[slot];
        id[slot] = UINT64_MAX;
        while (r->retired != r->written && id[r->retired & (r->n - 1)] == UINT64_MAX) {
            r->retired++;
        }
    }
    report(m, d);
}

static void complete(struct machine *m, uint64_t now_ps, uint64_t visible_ps, const struct cq *c,
                     const struct pv_cqe *e)
{
    const uint32_t handle = (uint32_t)e->qp & 0xffff;
    const struct drv *const drv = DRV(m, c->s.driver);
    const bool known = handle < m->p->hca_qp_max;
    const uint32_t id = known ? *(uint32_t *)vec_at(m, V_HANDLE, drv->qp_of + handle) : 0;

    if (id == 0) {
        return; /* of a QP that is gone */
    }
    struct qp *const q = QP(m, id - 1);
    struct driver_completion d = {
        .wr_id = e->wr_id,
        .visible_ps = visible_ps,
        .polled_ps = now_ps,
        .qp = id - 1,
        .byte_len = e->byte_len,
        .src_qp = e->src_qp,
        .wc_flags = (uint16_t)e->wc_flags,
        .imm = (e->wc_flags & CQE_INVALIDATE) != 0 ? e->imm : host_order(e->imm),
        .status = (uint8_t)e->status,
        .opcode = (uint8_t)e->opcode,
        .recv = (e->opcode & WC_RECV) != 0,
    };
    if (d.recv) {
        received(m, q, &d);
    } else {
        sent_done(m, q, &d);
    }
}

static void take(struct machine *m, uint64_t now_ps, struct cq *c)
{
    const uint32_t vm = vm_of(m, c);
    const uint64_t visible_ps = seen_at(m, c);
    struct pv_cqe e;

    mem_get(m, vm, cqe_gpa(c, c->head), &e, sizeof e);
    c->head++;
    mem_put32(m, vm, c->s.native ? c->record : c->ring.pages + STATE_HEAD,
              c->s.native ? c->head : c->head & (2 * c->ring.entries - 1));
    complete(m, now_ps, visible_ps, c, &e);
}

/* --- arming ----------------------------------------------------------------------------------- */

static void arm(struct machine *m, uint32_t cq)
{
    struct cq *const c = CQ(m, cq);
    const struct job j = {.id = cq, .cycles = (uint32_t)m->p->cpu_arm_cycles, .kind = JOB_ARM};

    c->run = CQ_ARMING;
    core_add(m, c->core, &j, false);
}

/* Armed; what came while it was not armed is taken at once (the rule of req_notify_cq). */
static void armed(struct machine *m, uint64_t now_ps, uint32_t cq)
{
    struct cq *const c = CQ(m, cq);
    const struct drv *const d = DRV(m, c->s.driver);
    const uint32_t how =
        c->s.notify == DRIVER_SOLICITED ? (uint32_t)UAR_CQ_ARM_SOL : (uint32_t)UAR_CQ_ARM;

    mmio_write(m, now_ps, d, 2, d->uar_page * PAGE_BYTES + UAR_CQ, 4, c->handle | how);
    c->run = CQ_ARMED;
    cq_look(m, now_ps, cq);
    if (c->visible != c->head && c->s.notify == DRIVER_EVENT) {
        wait_for_core(m, now_ps, cq);
    }
}

void cq_bind(struct machine *m, uint32_t cq, uint32_t core)
{
    struct cq *const c = CQ(m, cq);

    if (c->bound) {
        return;
    }
    c->bound = 1;
    c->core = core;
    if (c->s.notify == DRIVER_POLL) {
        m->f.core[core].polled++;
    } else {
        arm(m, cq);
    }
}

/* The notification ring named the CQ: its thread wakes up, and reads the event channel. */
void cq_wake(struct machine *m, uint64_t now_ps, uint32_t cq)
{
    struct cq *const c = CQ(m, cq);
    const struct job j = {
        .id = cq,
        .kind = JOB_WAKE,
        .not_before = now_ps,
        .cycles = (uint32_t)(m->p->cpu_context_switch_cycles + m->p->cpu_syscall_cycles)};

    if (c->run == CQ_ARMED) {
        c->run = CQ_WAKING;
        core_add(m, c->core, &j, false);
    }
}

void poll_job(struct machine *m, uint64_t now_ps, uint32_t core, const struct job *j)
{
    struct cq *const c = CQ(m, j->id);

    (void)core;
    if (c->state != OBJ_READY) {
        return;
    }
    if (j->kind == JOB_ARM) {
        armed(m, now_ps, j->id);
        return;
    }
    cq_look(m, now_ps, j->id);
    if (j->kind == JOB_CQE && c->visible != c->head) {
        take(m, now_ps, c);
    }
    if (c->visible != c->head) {
        wait_for_core(m, now_ps, j->id);
    } else if (c->s.notify == DRIVER_POLL) {
        c->run = CQ_IDLE;
    } else {
        arm(m, j->id);
    }
}

/* --- the host shows --------------------------------------------------------------------------- */

void machine_seen(struct machine *m, uint64_t now_ps, const struct seen *s)
{
    const uint32_t cq = s->cls == CLS_CQE ? page_find(m, s->addr) : 0;

    if (cq != 0) {
        cq_look(m, now_ps, cq - 1);
    }
}

void qp_forget(struct machine *m, struct qp *q)
{
    while (q->sent_first != 0) {
        (void)forget_first(m, q);
    }
    q->unrung = 0;
    q->batch = q->announced = 0;
    q->gen++;
    q->sq = (struct queue_state){.n = q->sq.n};
    q->rq = (struct queue_state){.n = q->rq.n};
}

void qp_reset(struct machine *m, struct qp *q)
{
    static const uint8_t zero[sizeof(struct pv_ring_state)];
    const uint32_t vm = DRV(m, q->driver)->at.vm;

    qp_forget(m, q);
    if (q->s.native) {
        mem_put(m, vm, q->record, zero, sizeof(uint64_t));
        memset(vec_at(m, V_WRID, q->wrid), 0xff, (size_t)q->rq.n * sizeof(uint64_t));
    } else {
        mem_put(m, vm, q->ring.pages, zero, sizeof zero);
    }
}
