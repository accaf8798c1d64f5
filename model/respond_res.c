#include "model/respond_i.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t psns(const struct exec *e, const struct qpc *c)
{
    return e->dlen == 0 ? 1 : (e->dlen - 1) / c->s.mtu_bytes + 1;
}

/* The ring holds the youngest max_dest_rd_atomic requests. The oldest gives way once answered, even
 * when a late duplicate has its response sent again: its requester has gone on. */
struct rsp_res *rsp_res_new(struct respond *u, const struct exec *e, const struct qpc *c,
                            uint32_t row, uint8_t kind)
{
    struct rsp_qp *const q = &u->qp[row];
    const uint32_t most = least(c->s.max_dest_rd_atomic, u->depth);

    while (q->count != 0 && q->count >= most) {
        struct rsp_res *const oldest = rsp_res(u, row, 0);
        if (oldest->state != RES_DONE && oldest->answered == 0) {
            return NULL;
        }
        q->wants = (uint8_t)(q->wants - (oldest->state != RES_DONE));
        oldest->state = RES_DONE;
        q->first = (uint8_t)(q->first + 1U < u->depth ? q->first + 1 : 0);
        q->count--;
    }
    if (most == 0) {
        return NULL;
    }
    struct rsp_res *const r = rsp_res(u, row, q->count++);
    const uint32_t n = kind == RES_READ ? psns(e, c) : 1;

    *r = (struct rsp_res){.va = e->raddr,
                          .run_va = e->raddr,
                          .run_len = e->dlen,
                          .run_psn = e->psn,
                          .len = e->dlen,
                          .rkey = e->rkey,
                          .first = e->psn,
                          .last = (e->psn + n - 1) & PSN_MASK,
                          .msn = e->msn,
                          .mid = e->mid,
                          .kind = kind,
                          .state = kind == RES_READ ? RES_WANTED : RES_EXECUTING};
    q->wants++;
    return r;
}

static struct rsp_res *find(const struct respond *u, uint32_t row, uint32_t psn)
{
    for (uint32_t i = 0; i < u->qp[row].count; i++) {
        struct rsp_res *const r = rsp_res(u, row, i);
        if (psn_diff(psn, r->first) >= 0 && psn_diff(psn, r->last) <= 0) {
            return r;
        }
    }
    return NULL;
}

/* A retried READ may ask for the rest of the range only, from a later PSN on (IBTA vol.
 * 1, 9.7.4.1.2). */
static bool within(const struct rsp_res *r, const struct exec *e, const struct qpc *c)
{
    const uint64_t off = e->raddr - r->va;

    return e->rkey == r->rkey && off <= r->len && e->dlen <= r->len - off &&
           psn_diff((e->psn + psns(e, c) - 1) & PSN_MASK, r->last) <= 0;
}

static bool again(struct rsp_res *r, const struct exec *e, const struct qpc *c)
{
    const bool read = e->opcode == PKT_OP_RC_READ_REQUEST;

    if (read != (r->kind == RES_READ) || (read && !within(r, e, c))) {
        return false;
    }
    if (read) {
        r->run_va = e->raddr;
        r->run_len = e->dlen;
        r->run_psn = e->psn;
        r->run_off = 0;
    }
    return true;
}

void rsp_replay(struct respond *u, const struct tick *t, const struct exec *e, const struct qpc *c)
{
    const uint32_t row = rsp_row(t, e->qn);
    struct rsp_res *const r = find(u, row, e->psn);

    if (r == NULL || !again(r, e, c)) {
        t->s->respond_replay_misses++;
        return;
    }
    t->s->respond_replays++;
    if (r->state == RES_DONE) {
        r->state = RES_WANTED;
        r->mid = e->mid;
        u->qp[row].wants++;
        rsp_want(u, t, e->qn, r, c);
    }
}
