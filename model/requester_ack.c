/* requester_ack.c: acknowledgements, NAKs, READ and ATOMIC responses, timeouts. */
#include "model/requester.h"

#include "model/packet/opcode.h"

/* AETH syndrome: bits 7-5 kind, 4-0 value. source: IBTA vol. 1, table "AETH syndrome field" */
enum { AETH_ACK = 0, AETH_RNR = 1, AETH_NAK = 3 };
enum { NAK_SEQUENCE, NAK_INVALID, NAK_ACCESS, NAK_OPERATION, NAK_INVALID_RD };

static struct req_msg *msg_at(const struct requester *u, uint32_t i)
{
    return i == 0 ? NULL : &u->msg[i - 1];
}

bool req_psn(const struct req_qp *r, uint32_t psn, uint32_t *e)
{
    const uint32_t ahead = (psn - r->una) & PSN_MASK;

    *e = r->una + ahead;
    return ahead < r->next - r->una;
}

/* The oldest open message is done. */
static void done(struct requester *u, const struct tick *t, struct req_qp *r, struct req_msg *m)
{
    m->done = 1;
    r->acking = m->next;
    STAMP(t, requester, acked, m->mid, t->now);
    req_todo(u, r, TODO_RETIRE);
}

static bool walk(struct requester *u, const struct tick *t, struct req_qp *r, uint32_t e)
{
    for (struct req_msg *m; (m = msg_at(u, r->acking)) != NULL;) {
        const uint32_t end = m->first + m->n;
        const bool read = req_is_read(m->opcode) && m->got < m->n;
        if (m->status != WC_OK || (m->n == 0 && !m->done)) {
            return true;
        }
        if (m->n == 0) {
            r->acking = m->next;
        } else if (read) {
            r->una = m->first + m->got;
            return (int32_t)(e - r->una) <= 0;
        } else if ((int32_t)(e - end) < 0) {
            r->una = (int32_t)(e - r->una) > 0 ? e : r->una;
            return true;
        } else {
            r->una = end;
            done(u, t, r, m);
        }
    }
    return true;
}

/* Something new was acknowledged: full tries again, the timer starts anew, who waited may go on. */
static void progress(struct requester *u, const struct tick *t, struct req_qp *r)
{
    const bool open = r->una != r->next;

    r->retry = r->retry_cnt;
    r->rnr = r->rnr_cnt;
    r->gap = 0;
    if (!r->rnr_wait) {
        req_timer_set(u, r, open && r->timeout_cycles != 0 ? t->now + r->timeout_cycles : 0);
    }
    if ((r->parked & PARK_WINDOW) != 0) {
        req_kick(u, r);
    }
}

bool req_acknowledge(struct requester *u, const struct tick *t, struct req_qp *r, uint32_t e)
{
    const uint32_t una = r->una;
    const bool complete = walk(u, t, r, e);

    if (r->una != una) {
        progress(u, t, r);
    }
    if (r->acking == 0 && (r->parked & PARK_ALL) != 0) {
        req_kick(u, r);
    }
    return complete;
}

static void go_back(struct requester *u, struct req_qp *r)
{
    r->rewind = 1;
    req_kick(u, r);
}

void req_retry(struct requester *u, const struct tick *t, struct req_qp *r)
{
    struct req_msg *const m = msg_at(u, r->acking);

    if (m == NULL || m->status != WC_OK || r->rewind) {
        return;
    }
    if (r->retry == 0) {
        req_fail(u, r, m, WC_RETRY_EXC);
        req_timer_set(u, r, 0);
        return;
    }
    r->retry--;
    req_timer_set(u, r, r->timeout_cycles == 0 ? 0 : t->now + r->timeout_cycles);
    go_back(u, r);
}

void req_timeout(struct requester *u, const struct tick *t, struct req_qp *r)
{
    if (r->rnr_wait) {
        r->rnr_wait = 0;
        go_back(u, r);
    } else if (r->una != r->next && r->error == ACK_OK && !r->marker) {
        t->s->requester_timeouts++;
        TRACE(t, requester, requester_timeout, .qn = r->qn, .psn = r->una & PSN_MASK);
        r->gap = 0;
        req_retry(u, t, r);
    }
}

/* A response is missing: ask again from there, once until something new arrives. Responses behind
 * the gap that were on their way would ask again for each of them. */
static void missing(struct requester *u, const struct tick *t, struct req_qp *r)
{
    t->s->requester_gaps++;
    if (!r->gap && !r->rnr_wait) {
        r->gap = 1;
        req_retry(u, t, r);
    }
}

static void rnr_nak(struct requester *u, const struct tick *t, struct req_qp *r, unsigned code)
{
    struct req_msg *const m = msg_at(u, r->acking);

    t->s->requester_rnr++;
    if (r->rnr_wait || m == NULL || m->status != WC_OK) {
        return;
    }
    if (r->rnr_cnt != REQ_RNR_FOREVER) {
        if (r->rnr == 0) {
            req_fail(u, r, m, WC_RNR_EXC);
            return;
        }
        r->rnr--;
    }
    r->rnr_wait = 1;
    req_timer_set(u, r, t->now + req_rnr_cycles(t->p, code));
}

static void nak(struct requester *u, const struct tick *t, struct req_qp *r, unsigned code)
{
    static const uint8_t status[] = {[NAK_INVALID] = WC_REM_INV_REQ,
                                     [NAK_ACCESS] = WC_REM_ACCESS,
                                     [NAK_OPERATION] = WC_REM_OP,
                                     [NAK_INVALID_RD] = WC_REM_OP};
    struct req_msg *const m = msg_at(u, r->acking);

    t->s->requester_naks++;
    if (code == NAK_SEQUENCE) {
        if (!r->rnr_wait) {
            req_retry(u, t, r);
        }
    } else if (code <= NAK_INVALID_RD && m != NULL) {
        req_fail(u, r, m, status[code]);
        req_timer_set(u, r, 0);
    }
}

static void take_ack(struct requester *u, const struct tick *t, struct req_qp *r,
                     const struct rxp *m)
{
    const unsigned kind = m->aeth >> 29, value = m->aeth >> 24 & 31;
    uint32_t e;

    if (!req_psn(r, m->psn, &e)) {
        t->s->requester_ignored++;
        return;
    }
    /* A NAK acknowledges what is before its PSN, an ACK its PSN too. */
    if (!req_acknowledge(u, t, r, e + (kind == AETH_ACK))) {
        missing(u, t, r);
    } else if (kind == AETH_RNR) {
        rnr_nak(u, t, r, value);
    } else if (kind == AETH_NAK) {
        nak(u, t, r, value);
    }
}

/* True when the packet is what the next response of message m must look like. */
static bool fits(const struct req_msg *m, const struct rxp *p)
{
    const struct pkt_opcode *const op = pkt_opcode(p->opcode);
    const bool last = m->got + 1 == m->n;
    const bool ends = op->position == PKT_LAST || op->position == PKT_ONLY;

    if (m->opcode != WR_READ) {
        return op->kind == PKT_ATOMIC_ACK;
    }
    const uint32_t want = last ? m->len - m->got * m->mtu : m->mtu;
    return op->kind == PKT_READ_RESPONSE && ends == last && p->plen == want;
}

/* Begins to place the payload; pieces follow one per cycle. */
static void place(struct requester *u, const struct tick *t, struct req_msg *m, const struct rxp *p)
{
    const uint32_t data = u->atom + (m->list - 1) * 8;
    const bool atomic = m->opcode != WR_READ;

    if (atomic) {
        memcpy(store_at(t->store, data), &p->op1, sizeof p->op1);
    }
    u->s.placing = (struct req_placing){
        .msg = (uint32_t)(m - u->msg) + 1,
        .data = atomic ? data : p->data,
        .left = atomic ? m->len : p->plen,
        .mid = m->got == m->n ? m->mid : 0,
        .slot = atomic ? NO_SLOT : p->slot,
    };
}

/* A READ or ATOMIC response; true: its payload has to be placed. */
static bool take_response(struct requester *u, const struct tick *t, struct req_qp *r,
                          const struct rxp *p)
{
    uint32_t e;

    if (!req_psn(r, p->psn, &e)) {
        t->s->requester_ignored++;
        return false;
    }
    if (!req_acknowledge(u, t, r, e)) { /* it acknowledges all that was sent before its request */
        missing(u, t, r);
        return false;
    }
    struct req_msg *const m = msg_at(u, r->acking);
    if (m == NULL || m->status != WC_OK || m->n == 0) {
        return false;
    }
    if (!req_is_read(m->opcode) || m->first + m->got != e || !fits(m, p)) {
        req_fail(u, r, m, WC_BAD_RESP);
        req_timer_set(u, r, 0);
        return false;
    }
    m->got++;
    r->una = e + 1;
    progress(u, t, r);
    const bool payload = m->opcode != WR_READ || p->plen != 0;
    if (payload) {
        place(u, t, m, p);
        m->unplaced++; /* held until its last piece is on its way */
        r->unplaced++;
    }
    if (m->got == m->n) {
        done(u, t, r, m);
        r->reads--;
        if ((r->parked & PARK_READS) != 0) {
            req_kick(u, r);
        }
        (void)req_acknowledge(u, t, r, r->una);
    }
    return payload;
}

static struct req_qp *row_for(const struct requester *u, const struct tick *t, const struct rxp *m)
{
    struct req_qp *const r = req_row(u, t, m->qn);

    return r != NULL && r->live && r->type == QPT_RC && r->error == ACK_OK && !r->marker ? r : NULL;
}

/* The packet is done with. */
static void release(struct requester *u, const struct tick *t, bool slot)
{
    const struct rxp *const m = PEEK(u->rx_ack);

    if (slot) {
        pool_give(&t->store->rx_pool, t->k, m->slot);
    }
    PUSH(t, u->ctx_put_ack, ctx_put, 0, .cx = m->cx, .kind = CTX_QP, .op = CTX_PUT);
    (void)POP(t, u->rx_ack);
    u->s.progress++;
}

/* Sends one piece: within one SGE and one page. True: it was the last. */
static bool push_place(struct requester *u, const struct tick *t, const struct rxp *p)
{
    struct req_placing *const g = &u->s.placing;
    struct req_msg *const m = &u->msg[g->msg - 1];
    struct req_list *const l = &u->list[m->list - 1];
    struct req_qp *const r = req_row(u, t, p->qn);

    while (l->off == l->sge[l->at].len) {
        l->at++;
        l->off = 0;
    }
    const struct sge *const s = &l->sge[l->at];
    const uint64_t addr = s->addr + l->off;
    uint32_t len = PAGE_BYTES - (uint32_t)(addr % PAGE_BYTES);
    len = len < s->len - l->off ? len : s->len - l->off;
    len = len < g->left ? len : g->left;
    const bool last = len == g->left;
    PUSH(t, u->ack_place, place, 0, .addr = addr, .qn = p->qn, .key = s->lkey, .pd = r->pd,
         .len = len, .cookie = g->msg - 1, .access = ACC_LOCAL_WRITE, .cx = p->cx,
         .flags = (uint16_t)(PLACE_NOTIFY | (last ? PLACE_LAST : 0) |
                             (last && g->slot != NO_SLOT ? PLACE_FREE_RX : 0)),
         .fn = r->fn, .mid = last ? g->mid : 0, .data = g->data, .slot = last ? g->slot : NO_SLOT);
    m->unplaced++;
    r->unplaced++;
    l->off += len;
    g->data += len;
    g->left -= len;
    u->s.progress++;
    if (last) { /* the hold of take_response */
        m->unplaced--;
        r->unplaced--;
        g->msg = 0;
    }
    return last;
}

static bool accept(struct requester *u, const struct tick *t, const struct rxp *m)
{
    const struct pkt_opcode *const op = pkt_opcode(m->opcode);
    struct req_qp *const r = row_for(u, t, m);

    u->s.progress++;
    if (r == NULL || op == NULL) {
        t->s->requester_ignored++;
        return false;
    }
    t->s->requester_responses++;
    if (op->kind == PKT_ACK) {
        take_ack(u, t, r, m);
        return false;
    }
    return take_response(u, t, r, m);
}

void req_ack_step(struct requester *u, const struct tick *t)
{
    if (!VALID(t, u->rx_ack) || !READY(t, u->ctx_put_ack)) {
        return;
    }
    const struct rxp *const m = PEEK(u->rx_ack);
    if (u->s.placing.msg == 0 && !accept(u, t, m)) {
        release(u, t, true);
        return;
    }
    if (READY(t, u->ack_place)) {
        const bool slot = u->s.placing.slot == NO_SLOT; /* an ATOMIC's value has been copied */
        if (push_place(u, t, m)) {
            release(u, t, slot);
        }
    }
}
