/* driver_post.c: post calls: room in a ring, writing it, announcing it. */
#include "sim/host/driver_i.h"

#include "model/trace.h"

#include <stdio.h>

enum {
    UNIT = 64,
    STATE_SEND_TAIL = 0,
    STATE_SEND_HEAD = 4,
    STATE_RECV_TAIL = 8,
    STATE_RECV_HEAD = 12,
    RECORD_RQ = 0,
    RECORD_SQ = 4
};

static uint32_t vm_of(const struct machine *m, uint32_t driver)
{
    return DRV(m, driver)->at.vm;
}

/* --- room ------------------------------------------------------------------------------------- */

/* Entries in use of a pvrdma ring whose consumer index the device writes at gpa; an index that
 * cannot be (more than was written) counts as no progress. */
static uint32_t used(const struct machine *m, uint32_t vm, const struct queue_state *q,
                     uint64_t head_gpa)
{
    uint32_t head;

    memcpy(&head, mem_at(m, vm, head_gpa), sizeof head);
    const uint32_t gone = (head - q->retired) & (2 * q->n - 1), all = q->written - q->retired;
    return gone <= all ? all - gone : all;
}

uint32_t driver_room_send(const struct machine *m, uint32_t qp)
{
    const struct qp *const q = QP(m, qp);

    if (q->s.native) {
        return (q->sq.n - (q->sq.written - q->sq.retired)) / q->units_max;
    }
    return q->sq.n - used(m, vm_of(m, q->driver), &q->sq, q->ring.pages + STATE_SEND_HEAD);
}

uint32_t driver_room_recv(const struct machine *m, uint32_t qp, uint32_t srq)
{
    const bool shared = srq != DRIVER_NONE;
    const struct queue_state *const q = shared ? &SRQ(m, srq)->q : &QP(m, qp)->rq;
    const uint32_t driver = shared ? SRQ(m, srq)->driver : QP(m, qp)->driver;
    const uint64_t pages = shared ? SRQ(m, srq)->ring.pages : QP(m, qp)->ring.pages;

    if (shared ? SRQ(m, srq)->s.native : QP(m, qp)->s.native) {
        return q->n - (q->written - q->retired);
    }
    return q->n - used(m, vm_of(m, driver), q, pages + STATE_RECV_HEAD);
}

/* --- sends ------------------------------------------------------------------------------------ */

static bool refuse(struct machine *m, const char *what, uint32_t id, const char *why)
{
    (void)snprintf(m->f.why, sizeof m->f.why, "%s %u: %s", what, id, why);
    return false;
}

const char *driver_why(const struct machine *m)
{
    return m->f.why;
}

/* A ring entry range may wrap; only native WQEs take several entries. */
static void write_ring(struct machine *m, uint32_t vm, uint64_t ring, uint32_t n, uint32_t stride,
                       uint32_t index, const uint8_t *from, uint32_t bytes)
{
    const uint32_t slot = index & (n - 1), left = (n - slot) * stride;
    const uint32_t first = bytes < left ? bytes : left;

    mem_put(m, vm, ring + (uint64_t)slot * stride, from, first);
    if (bytes > first) {
        mem_put(m, vm, ring, from + first, bytes - first);
    }
}

static uint32_t post_cycles(const struct machine *m, const struct qp *q, const struct driver_wr *w)
{
    const bool in = q->s.native && (w->flags & WRF_INLINE) != 0;
    uint64_t bytes = 0;

    for (unsigned i = 0; in && i < w->nsge; i++) {
        bytes += w->sge[i].len;
    }
    return (uint32_t)(m->p->cpu_post_cycles +
                      (w->nsge > 1 ? (w->nsge - 1U) * m->p->cpu_post_sge_cycles : 0) +
                      (bytes + UNIT - 1) / UNIT * m->p->cpu_post_inline_cycles);
}

/* Nothing will say that a ring full of unsignalled work has room again: look at it now and then. */
static void watch(struct machine *m, uint64_t now_ps, uint32_t qp)
{
    struct qp *const q = QP(m, qp);

    if (q->s.native || q->watched || q->signalled != 0 || driver_room_send(m, qp) != 0) {
        return;
    }
    uint32_t *const place = vec_add(m, V_FULL);
    if (place != NULL) {
        *place = qp;
        q->watched = 1;
        m->f.recheck_at = now_ps + cycles_ps(m, m->p->cpu_poll_cycles * RECHECK_POLLS);
        m->f.next_due = m->f.recheck_at < m->f.next_due ? m->f.recheck_at : m->f.next_due;
    }
}

static void remember(struct machine *m, struct qp *q, uint32_t link, const struct driver_wr *w,
                     uint32_t units)
{
    struct sent *const s = SENT(m, link);

    s->wr_id = w->wr_id;
    s->units = units;
    s->signalled = (w->flags & WRF_SIGNALED) != 0 || q->s.sig_all;
    q->signalled += s->signalled;
    if (q->sent_last != 0) {
        SENT(m, q->sent_last)->next = link;
    } else {
        q->sent_first = link;
    }
    q->sent_last = link;
}

/* Requests whose post call was never finished (more) would wait for ever in a full ring. */
static void announce(struct machine *m, uint32_t qp)
{
    struct qp *const q = QP(m, qp);
    const struct job j = {.id = qp,
                          .cycles = (uint32_t)m->p->cpu_doorbell_cycles,
                          .kind = JOB_DOORBELL,
                          .gen = q->gen};

    if (q->unrung != 0 && !q->announced) {
        q->announced = 1;
        core_add(m, q->s.core, &j, false);
    }
}

static bool post_send(struct machine *m, uint64_t now_ps, const struct driver_wr *w)
{
    struct qp *const q = QP(m, w->qp);
    uint8_t wqe[WQE_MAX];
    const char *why;

    if (driver_room_send(m, w->qp) == 0) {
        announce(m, w->qp);
        return refuse(m, "QP", w->qp, "the send queue is full");
    }
    if (!q->s.native) {
        q->sq.retired =
            q->sq.written - used(m, vm_of(m, q->driver), &q->sq, q->ring.pages + STATE_SEND_HEAD);
    }
    const uint32_t bytes = wqe_send(m, q, w, q->sq.written, wqe, &why);
    const uint32_t link = bytes == 0 ? 0 : pool_new(m, V_SENT);
    if (link == 0) {
        return refuse(m, "QP", w->qp, bytes == 0 ? why : "no memory");
    }
    const uint32_t units = q->s.native ? bytes / UNIT : 1;
    write_ring(m, vm_of(m, q->driver), q->ring.pages + (q->s.native ? 0 : PAGE_BYTES), q->sq.n,
               q->sq_stride, q->sq.written, wqe, bytes);
    remember(m, q, link, w, units);
    q->sq.written += units;
    const struct job j = {.id = w->qp,
                          .id2 = link,
                          .cycles = post_cycles(m, q, w),
                          .not_before = now_ps,
                          .kind = JOB_POST,
                          .more = w->more,
                          .gen = q->gen};
    core_add(m, q->s.core, &j, false);
    watch(m, now_ps, w->qp);
    return true;
}

/* --- receives --------------------------------------------------------------------------------- */

static bool post_recv(struct machine *m, uint64_t now_ps, const struct driver_wr *w)
{
    const bool shared = w->srq != DRIVER_NONE;
    struct srq *const s = shared ? SRQ(m, w->srq) : NULL;
    struct qp *const q = shared ? NULL : QP(m, w->qp);
    struct queue_state *const r = shared ? &s->q : &q->rq;
    const uint32_t most = shared ? s->s.sge_max : q->s.sge_max;
    const bool native = shared ? s->s.native : q->s.native;
    const uint32_t vm = vm_of(m, shared ? s->driver : q->driver);
    const uint32_t wrid = shared ? s->wrid : q->wrid;
    uint8_t wqe[WQE_MAX];

    if (w->nsge > most || (!shared && q->s.srq != DRIVER_NONE)) {
        return refuse(m, shared ? "SRQ" : "QP", shared ? w->srq : w->qp,
                      w->nsge > most ? "more SGEs than the queue was created with"
                                     : "receives of this QP come from its SRQ");
    }
    const uint32_t room = driver_room_recv(m, w->qp, w->srq);
    if (room == 0) {
        return refuse(m, shared ? "SRQ" : "QP", shared ? w->srq : w->qp, "the queue is full");
    }
    r->retired = r->written - (r->n - room);
    const uint32_t bytes = wqe_recv(m, w, native, most, wqe);
    const uint64_t ring = shared ? s->ring.pages + (native ? 0 : PAGE_BYTES) : q->rq_base;
    const uint32_t stride = shared ? (native ? most * 16 : recv_stride(most)) : q->rq_stride;
    write_ring(m, vm, ring, r->n, stride, r->written, wqe, bytes);
    if (native) {
        *(uint64_t *)vec_at(m, V_WRID, wrid + (r->written & (r->n - 1))) = w->wr_id;
    }
    r->written++;
    const uint64_t more = w->nsge > 1 ? (w->nsge - 1U) * m->p->cpu_post_sge_cycles : 0;
    const struct job j = {.id = w->qp,
                          .id2 = w->srq,
                          .cycles = (uint32_t)(m->p->cpu_post_recv_cycles + more),
                          .not_before = now_ps,
                          .kind = JOB_RECV,
                          .more = w->more,
                          .gen = shared ? s->gen : q->gen};
    core_add(m, shared ? s->s.core : q->s.core, &j, false);
    return true;
}

bool driver_post(struct machine *m, uint64_t now_ps, const struct driver_wr *w)
{
    return w->opcode == DRIVER_WR_RECV ? post_recv(m, now_ps, w) : post_send(m, now_ps, w);
}

/* --- when the cycles are spent ---------------------------------------------------------------- */

static bool follows(const struct machine *m, uint32_t core, const struct job *j)
{
    const struct job *const next = core_peek(m, core);

    return next != NULL && next->kind == j->kind && next->id == j->id &&
           (j->kind == JOB_POST || next->id2 == j->id2);
}

/* Doorbells are part of the post call: nothing comes between. */
static void ring(struct machine *m, uint32_t core, const struct job *j, uint8_t kind,
                 uint64_t cycles, uint32_t units)
{
    const struct job d = {.id = j->id,
                          .id2 = j->id2,
                          .cycles = (uint32_t)cycles,
                          .kind = kind,
                          .count = (uint8_t)units,
                          .gen = j->gen};

    core_add(m, core, &d, true);
}

static void end_post(struct machine *m, uint64_t now_ps, uint32_t core, const struct job *j)
{
    struct qp *const q = QP(m, j->id);
    const struct sent *const s = SENT(m, j->id2);
    const uint32_t units = s->units;

    q->sq.published += units;
    if (!q->s.native) {
        mem_put32(m, vm_of(m, q->driver), q->ring.pages + STATE_SEND_TAIL,
                  q->sq.published & (2 * q->sq.n - 1));
    }
    stamp(m, now_ps, s->wr_id, STAGE_posted);
    q->unrung = q->unrung == 0 ? j->id2 : q->unrung;
    q->batch++;
    if (j->more || (q->batch < m->p->cpu_doorbell_batch && follows(m, core, j))) {
        return;
    }
    if (q->s.native && q->s.mmio_wqe && q->batch == 1 &&
        (uint64_t)units * UNIT <= m->p->hca_wqe_mmio_bytes) {
        ring(m, core, j, JOB_MMIO_WQE, units * m->p->cpu_wqe_mmio_cycles, units);
    } else {
        ring(m, core, j, JOB_DOORBELL, m->p->cpu_doorbell_cycles, 0);
    }
}

static void send_units(struct machine *m, uint64_t now_ps, const struct qp *q, uint32_t units)
{
    const struct drv *const d = DRV(m, q->driver);
    uint8_t unit[UNIT];

    for (uint32_t i = 0; i < units; i++) {
        const uint32_t slot = (q->sq.published - units + i) & (q->sq.n - 1);
        mem_get(m, d->at.vm, q->ring.pages + (uint64_t)slot * UNIT, unit, UNIT);
        mmio_wqe(m, now_ps, d, i, unit);
    }
}

static void end_doorbell(struct machine *m, uint64_t now_ps, const struct job *j)
{
    struct qp *const q = QP(m, j->id);
    const struct drv *const d = DRV(m, q->driver);
    const uint32_t page = d->uar_page * PAGE_BYTES;
    uint32_t left = q->sq.published - q->sq.rung, link = q->unrung;

    if (q->s.native) {
        mem_put32(m, d->at.vm, q->record + RECORD_SQ, q->sq.published);
    }
    if (j->kind == JOB_MMIO_WQE) {
        send_units(m, now_ps, q, j->count);
    } else if (q->s.native) {
        mmio_write(m, now_ps, d, 2, page + UAR_NATIVE, 8,
                   q->handle | (uint64_t)(uint16_t)q->sq.published << 32);
    } else {
        mmio_write(m, now_ps, d, 2, page + UAR_QP, 4, q->handle | (uint32_t)UAR_SEND);
    }
    for (; link != 0 && left != 0; link = SENT(m, link)->next) {
        left -= SENT(m, link)->units < left ? SENT(m, link)->units : left;
        stamp(m, now_ps, SENT(m, link)->wr_id, STAGE_rung);
    }
    q->unrung = 0;
    q->batch = q->announced = 0;
    q->sq.rung = q->sq.published;
}

static void end_recv(struct machine *m, uint32_t core, const struct job *j)
{
    const bool shared = j->id2 != DRIVER_NONE;
    struct queue_state *const r = shared ? &SRQ(m, j->id2)->q : &QP(m, j->id)->rq;
    const bool native = shared ? SRQ(m, j->id2)->s.native : QP(m, j->id)->s.native;
    const uint32_t vm = vm_of(m, shared ? SRQ(m, j->id2)->driver : QP(m, j->id)->driver);
    const uint64_t record = shared ? SRQ(m, j->id2)->record : QP(m, j->id)->record;
    const uint64_t pages = shared ? SRQ(m, j->id2)->ring.pages : QP(m, j->id)->ring.pages;

    r->published++;
    mem_put32(m, vm, native ? record + RECORD_RQ : pages + STATE_RECV_TAIL,
              native ? r->published : r->published & (2 * r->n - 1));
    if (j->more || (r->published - r->rung < m->p->cpu_doorbell_batch && follows(m, core, j))) {
        return;
    }
    ring(m, core, j, JOB_RECV_DOORBELL, m->p->cpu_doorbell_cycles, 0);
}

static void end_recv_doorbell(struct machine *m, uint64_t now_ps, const struct job *j)
{
    const bool shared = j->id2 != DRIVER_NONE;
    struct queue_state *const r = shared ? &SRQ(m, j->id2)->q : &QP(m, j->id)->rq;
    const struct drv *const d = DRV(m, shared ? SRQ(m, j->id2)->driver : QP(m, j->id)->driver);
    const uint32_t page = d->uar_page * PAGE_BYTES;

    r->rung = r->published;
    mmio_write(m, now_ps, d, 2, page + (shared ? UAR_SRQ : UAR_QP), 4,
               shared ? SRQ(m, j->id2)->handle | (uint32_t)UAR_SEND
                      : QP(m, j->id)->handle | UAR_RECV);
}

void post_job(struct machine *m, uint64_t now_ps, uint32_t core, const struct job *j)
{
    const bool shared = j->kind != JOB_POST && j->id == DRIVER_NONE;

    if (j->gen != (shared ? SRQ(m, j->id2)->gen : QP(m, j->id)->gen)) {
        return; /* its queue was reset or destroyed meanwhile */
    }
    switch (j->kind) {
    case JOB_POST: end_post(m, now_ps, core, j); break;
    case JOB_RECV: end_recv(m, core, j); break;
    case JOB_RECV_DOORBELL: end_recv_doorbell(m, now_ps, j); break;
    default: end_doorbell(m, now_ps, j); break;
    }
}
