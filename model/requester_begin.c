/* requester_begin.c: what has to hold before a WQE is begun; local operations. */
#include "model/requester.h"

enum { FAST_REG_SHIFT = 12 }; /* page lists name 4 KiB pages: pvrdma ABI section 5 */

static uint32_t psns_of(const struct wqe *w, uint32_t mtu)
{
    return w->opcode == WR_LOCAL_INV || w->opcode == WR_FAST_REG ? 0
           : w->len == 0                                         ? 1
                                                                 : (w->len + mtu - 1) / mtu;
}

static void park(struct requester *u, struct req_qp *r, unsigned why)
{
    r->parked = (uint8_t)why;
    req_end(u, QP_DONE_PARKED, false);
}

/* PSNs that may be open when this WQE follows: an inline message is sent in one go. */
static bool window_allows(const struct tick *t, const struct req_qp *r, const struct wqe *w,
                          uint32_t psn, uint32_t n)
{
    const uint32_t open = psn - r->una;

    if (r->type != QPT_RC || open == 0) {
        return true;
    }
    if (req_is_read(w->opcode)) {
        return open < t->p->hca_window_packets && open + n <= 1U << 23;
    }
    return open + ((w->flags & WRF_INLINE) != 0 ? n : 1) <= t->p->hca_window_packets;
}

/* True: nothing keeps this WQE from being begun; otherwise the grant is ended. */
static bool may_begin(struct requester *u, const struct tick *t, struct req_qp *r,
                      const struct qpc *q, const struct wqe *w, uint32_t n)
{
    const bool read = req_is_read(w->opcode);
    const uint32_t most = q->s.max_rd_atomic < t->p->hca_max_rd_atomic
                              ? q->s.max_rd_atomic
                              : (uint32_t)t->p->hca_max_rd_atomic;
    unsigned why = 0;

    if (q->s.state == QPS_SQD) {
        req_end(u, QP_DONE_PARKED, false);
        return false;
    }
    if (((w->flags & WRF_FENCE) != 0 && r->reads != 0) || (read && most != 0 && r->reads >= most)) {
        why = PARK_READS;
    } else if (w->opcode == WR_LOCAL_INV && r->acking != 0) {
        why = PARK_ALL; /* a retransmission would still need the key */
    } else if (!window_allows(t, r, w, q->tx.psn, n)) {
        why = PARK_WINDOW;
    }
    if (why != 0) {
        park(u, r, why);
    }
    return why == 0;
}

static struct req_msg *record(struct requester *u, const struct tick *t, struct req_qp *r,
                              const struct wqe *w, bool list)
{
    struct req_msg *const m = req_msg_new(u, r, list);

    if (m == NULL) { /* a record that comes free kicks the QP */
        req_end(u, QP_DONE_PARKED, false);
        return NULL;
    }
    m->wr_id = w->wr_id;
    m->opcode = w->opcode;
    m->flags = w->flags;
    m->units = w->units;
    m->len = w->len;
    m->mid = req_mark(u, w->wr_id);
    r->fresh += w->units;
    TRACE(t, requester, wqe, .wr_id = w->wr_id, .at = u->s.cut.t_db, .mid = m->mid, .qn = r->qn,
          .len = w->len, .fn = r->fn, .opcode = w->opcode, .flags = w->flags);
    return m;
}

static void keep_sges(struct requester *u, const struct req_msg *m, const struct wqe *w)
{
    struct req_list *const l = &u->list[m->list - 1];

    l->at = 0;
    l->off = 0;
    l->n = w->nsge;
    memcpy(l->sge, w->sge, w->nsge * sizeof w->sge[0]);
}

/* A WQE that cannot be executed completes with its status in its turn. */
static void refuse(struct requester *u, const struct tick *t, struct req_qp *r, struct qp_tx *x,
                   const struct wqe *w, enum wc_status status)
{
    struct req_msg *const m = record(u, t, r, w, false);

    if (m == NULL) {
        return;
    }
    req_fail(u, r, m, status);
    x->head = r->fresh;
    req_end(u, QP_DONE_PARKED, false);
}

static void begin_new(struct requester *u, const struct tick *t, struct req_qp *r, struct qpc *q,
                      const struct wqe *w)
{
    const uint32_t mtu = req_mtu(t, &q->s), n = psns_of(w, mtu);
    const bool read = req_is_read(w->opcode);

    if (w->bad != WC_OK) {
        refuse(u, t, r, &q->tx, w, w->bad);
        return;
    }
    if ((read && q->s.max_rd_atomic == 0) ||
        (w->opcode == WR_FAST_REG && w->page_shift != FAST_REG_SHIFT)) {
        refuse(u, t, r, &q->tx, w, WC_LOC_QP_OP);
        return;
    }
    if (!may_begin(u, t, r, q, w, n)) {
        return;
    }
    struct req_msg *const m = record(u, t, r, w, read);
    if (m == NULL) {
        return;
    }
    m->first = r->next;
    m->n = n;
    m->mtu = (uint16_t)mtu;
    q->tx.sent_bytes = 0;
    t->s->requester_messages++;
    if (n == 0) {
        q->tx.head = r->fresh;
        r->local = (uint32_t)(m - u->msg) + 1;
        u->s.cut.phase = CUT_LOCAL;
        return;
    }
    if (read) {
        r->reads++;
        keep_sges(u, m, w);
    }
    r->cursor = (uint32_t)(m - u->msg) + 1;
    u->s.cut.phase = CUT_PACKETS;
}

void req_begin(struct requester *u, const struct tick *t, struct req_qp *r, struct qpc *q,
               const struct wqe *w)
{
    if (r->cursor == 0) {
        begin_new(u, t, r, q, w);
    } else {
        struct req_msg *const m = &u->msg[r->cursor - 1];
        hca_assert(m->index == q->tx.head);
        if (w->bad != WC_OK || m->opcode != w->opcode || m->len != w->len || m->units != w->units ||
            m->mtu != req_mtu(t, &q->s)) {
            req_fail(u, r, m, WC_LOC_QP_OP); /* it was changed after it was begun */
            req_end(u, QP_DONE_PARKED, false);
            return;
        }
        u->s.cut.phase = CUT_PACKETS;
    }
    if (u->s.cut.phase == CUT_PACKETS) {
        u->s.cut.m = u->msg[r->cursor - 1];
        req_seek(&q->tx, w);
    }
}

/* --- LOCAL_INV and FAST_REG ------------------------------------------------------------------ */

void req_local_step(struct requester *u, const struct tick *t, struct req_qp *r, struct qpc *q,
                    const struct wqe *w)
{
    const bool reg = w->opcode == WR_FAST_REG;
    uint16_t slot = 0;

    while (slot < MPT_SLOTS && u->s.mpt_row[slot] != 0) {
        slot++;
    }
    if (slot == MPT_SLOTS || !READY(t, u->mpt_req)) {
        return;
    }
    PUSH(t, u->mpt_req, mpt_set, 0, .va = w->raddr, .len = reg ? w->len : 0, .pdir = w->fr_pdir,
         .key = w->rkey, .pd = q->s.pd, .access = w->access, .pages = w->pages, .cookie = slot,
         .fn = q->s.fn, .op = reg ? MPT_FAST_REG : MPT_INVALIDATE, .source = SRC_REQUESTER);
    u->s.mpt_row[slot] = (uint32_t)(r - u->qp) + 1;
    req_end(u, QP_DONE_PARKED, false);
}

void req_local_done(struct requester *u, const struct tick *t, const struct mpt_done *d)
{
    struct req_qp *const r = &u->qp[u->s.mpt_row[d->cookie] - 1];
    struct req_msg *const m = &u->msg[r->local - 1];

    u->s.mpt_row[d->cookie] = 0;
    r->local = 0;
    m->done = 1;
    if (d->status != MPT_DONE) {
        req_fail(u, r, m, WC_LOC_QP_OP);
    } else if (r->error == ACK_OK) {
        (void)req_acknowledge(u, t, r, r->una);
    }
    req_todo(u, r, TODO_RETIRE);
    req_kick(u, r);
}
