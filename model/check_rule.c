#include "model/check_i.h"

#define MESSAGE_MAX 0x80000000U /* bytes of one message; IBTA vol. 1, 9.7.7.1.2 */

static const struct ruling drop = {V_DROP, 0};

static bool receives(const struct qpc *c)
{
    return c->s.state >= QPS_RTR && c->s.state <= QPS_SQE && c->s.mtu_bytes != 0;
}

static uint8_t service(const struct qpc *c)
{
    return c->s.type == QPT_RC ? PKT_RC : c->s.type == QPT_UC ? PKT_UC : PKT_UD;
}

/* Bytes of the message in front of this packet. */
static uint32_t offset(const struct pkt_opcode *op, const struct qpc *c)
{
    return is_first(op) ? 0 : c->rx.off;
}

static bool sequence_ok(const struct pkt_opcode *op, const struct qpc *c)
{
    if (is_first(op)) {
        return c->rx.inside == RX_IDLE;
    }
    return c->rx.inside == (op->kind == PKT_SEND ? RX_SEND : RX_WRITE);
}

static bool payload_ok(const struct rxp *p, const struct pkt_opcode *op, const struct qpc *c)
{
    const uint32_t mtu = c->s.mtu_bytes;

    if (op->kind != PKT_SEND && op->kind != PKT_WRITE) {
        return p->plen == 0;
    }
    switch (op->position) {
    case PKT_FIRST:
    case PKT_MIDDLE: return p->plen == mtu;
    case PKT_LAST: return p->plen >= 1 && p->plen <= mtu;
    default: return p->plen <= mtu;
    }
}

/* The RETH length is that of the whole message: its last packet, and no other, reaches it. */
static bool length_ok(const struct rxp *p, const struct pkt_opcode *op, const struct qpc *c)
{
    const uint32_t end = offset(op, c) + p->plen;

    if (op->kind == PKT_WRITE) {
        const uint32_t len = is_first(op) ? p->dlen : c->rx.wr_len;
        return len <= MESSAGE_MAX && (is_last(op) ? end == len : end < len);
    }
    return op->kind == PKT_READ_REQUEST ? p->dlen <= MESSAGE_MAX : end <= MESSAGE_MAX;
}

static bool allowed(const struct rxp *p, const struct pkt_opcode *op, const struct qpc *c)
{
    switch (op->kind) {
    case PKT_WRITE: return (c->s.access & ACC_REMOTE_WRITE) != 0;
    case PKT_READ_REQUEST: return (c->s.access & ACC_REMOTE_READ) != 0;
    case PKT_COMPARE_SWAP:
    case PKT_FETCH_ADD: return (c->s.access & ACC_REMOTE_ATOMIC) != 0 && p->raddr % 8 == 0;
    default: return true;
    }
}

static bool valid(const struct rxp *p, const struct pkt_opcode *op, const struct qpc *c)
{
    return payload_ok(p, op, c) && length_ok(p, op, c) && allowed(p, op, c);
}

/* A SEND takes its receive WQE with the first packet and asks for the same one again later; a WRITE
 * with immediate takes one with its last packet. */
static struct ruling execute(const struct pkt_opcode *op, const struct qpc *c)
{
    const bool imm = (op->ext & PKT_IMM) != 0;
    const bool next = op->kind == PKT_SEND ? is_first(op) : true;

    if (op->kind != PKT_SEND && !(op->kind == PKT_WRITE && imm)) {
        return (struct ruling){V_EXECUTE, 0};
    }
    return (struct ruling){V_EXECUTE, next && c->rx.spare_wqe == 0 ? RQ_NEXT + 1 : RQ_AGAIN + 1};
}

static struct ruling rule_rc(const struct tick *t, const struct rxp *p, const struct pkt_opcode *op,
                             struct qpc *c)
{
    const int32_t ahead = psn_diff(p->psn, c->rx.epsn);

    if (ahead < 0) {
        t->s->check_duplicates++;
        return (struct ruling){V_DUPLICATE, 0};
    }
    if (ahead > 0) {
        t->s->check_ahead++;
        const uint8_t verdict = c->rx.nak_sent != 0 ? V_DROP : V_NAK_SEQ;
        c->rx.nak_sent = 1;
        return (struct ruling){verdict, 0};
    }
    if (!sequence_ok(op, c) || !valid(p, op, c)) {
        c->rx.error = 1;
        t->s->check_invalid++;
        return (struct ruling){V_NAK_INVALID, 0};
    }
    return execute(op, c);
}

/* UC: the message under way is lost; its receive WQE serves the next one (IBTA vol. 1, 9.8.2.2.4).
 */
static void give_up(struct qpc *c)
{
    c->rx.spare_wqe |= c->rx.inside == RX_SEND;
    c->rx.inside = RX_IDLE;
}

static struct ruling rule_uc(const struct tick *t, const struct rxp *p, const struct pkt_opcode *op,
                             struct qpc *c)
{
    if (p->psn != c->rx.epsn || !sequence_ok(op, c)) {
        t->s->check_ahead++;
        give_up(c);
        if (!is_first(op)) {
            return drop;
        }
        c->rx.epsn = p->psn;
    }
    if (!valid(p, op, c)) {
        t->s->check_invalid++;
        give_up(c);
        return drop;
    }
    return execute(op, c);
}

static struct ruling rule_ud(const struct tick *t, const struct rxp *p, const struct pkt_opcode *op,
                             struct qpc *c)
{
    if (p->qkey != c->s.qkey) {
        t->s->check_qkey++;
        return drop;
    }
    return execute(op, c);
}

struct ruling check_rule(const struct tick *t, const struct rxp *p, struct qpc *c)
{
    const struct pkt_opcode *const op = pkt_opcode(p->opcode);

    if (c->rx.error != 0 || !receives(c) || op == NULL || op->role != PKT_REQUEST ||
        op->service != service(c)) {
        t->s->check_unwanted++;
        return drop;
    }
    if (c->rx.ready == 0) {
        c->rx.ready = 1;
        c->rx.epsn = c->s.rq_psn & PSN_MASK;
    }
    switch (c->s.type) {
    case QPT_RC: return rule_rc(t, p, op, c);
    case QPT_UC: return rule_uc(t, p, op, c);
    default: return rule_ud(t, p, op, c);
    }
}

/* The payload does not fit: an error of the sender on RC, a lost datagram or message elsewhere. */
static uint8_t too_long(const struct tick *t, struct qpc *c)
{
    t->s->check_too_long++;
    if (c->s.type == QPT_RC) {
        c->rx.error = 1;
        return V_NAK_INVALID;
    }
    c->rx.spare_wqe = 1;
    c->rx.inside = RX_IDLE;
    return V_DROP;
}

uint8_t check_wqe(const struct tick *t, const struct check_held *h, struct qpc *c)
{
    const struct pkt_opcode *const op = pkt_opcode(h->p.opcode);
    const uint32_t area = is_datagram(c) ? GRH_AREA : 0;

    if (c->rx.error != 0) { /* halted while the answer was out */
        return V_DROP;
    }
    if (h->status == WORK_NONE) {
        t->s->check_no_wqe++;
        if (c->s.type == QPT_RC) {
            c->rx.nak_sent = 1;
            return V_RNR;
        }
        c->rx.inside = RX_IDLE;
        return V_DROP;
    }
    if (h->status != WORK_OK) {
        t->s->check_bad_wqe++;
        c->rx.error = 1;
        return V_NAK_OP;
    }
    if (op->kind == PKT_SEND && offset(op, c) + area + h->p.plen > t->store->rwqe[h->rec].len) {
        return too_long(t, c);
    }
    return V_EXECUTE;
}

static uint32_t psns(const struct rxp *p, const struct pkt_opcode *op, const struct qpc *c)
{
    if (op->kind != PKT_READ_REQUEST || p->dlen == 0) {
        return 1;
    }
    return (p->dlen - 1) / c->s.mtu_bytes + 1;
}

void check_accept(const struct rxp *p, struct qpc *c)
{
    const struct pkt_opcode *const op = pkt_opcode(p->opcode);

    if (op->kind == PKT_SEND || (op->ext & PKT_IMM) != 0) {
        c->rx.spare_wqe = 0;
    }
    if (is_datagram(c)) {
        return;
    }
    c->rx.nak_sent = 0;
    c->rx.epsn = (c->rx.epsn + psns(p, op, c)) & PSN_MASK;
    c->rx.off = offset(op, c) + p->plen;
    if (op->kind == PKT_WRITE && is_first(op)) {
        c->rx.wr_va = p->raddr;
        c->rx.wr_rkey = p->rkey;
        c->rx.wr_len = p->dlen;
    }
    c->rx.inside = is_last(op) ? RX_IDLE : op->kind == PKT_SEND ? RX_SEND : RX_WRITE;
    c->rx.msn = (c->rx.msn + is_last(op)) & PSN_MASK;
}
