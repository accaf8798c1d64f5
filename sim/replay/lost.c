/* lost.c: what lost messages of unreliable QPs leave behind once nothing moves any more. */
#include "sim/replay/replay_i.h"

/* Nobody promises that a receive of UC, UD or an SRQ is ever used. */
static bool may_stay_unused(const struct replay *r, const struct hct_op *op)
{
    return op->kind == HCT_RECV && (op->srq != HCT_NONE || r->res->qp[op->qp].type != HCT_QP_RC);
}

static bool waited_for(const struct slot *s)
{
    bool waited = false;

    for (unsigned i = 0; i < HAPPENINGS; i++) {
        waited |= s->waiter[i] != NO_OP;
    }
    return waited;
}

bool settle_lost(struct replay *r)
{
    const uint64_t base = r->base;

    for (uint64_t id = r->base; id < r->next; id++) {
        struct slot *const s = slot_of(r, id);
        if (waited_for(s)) {
            continue;
        }
        if (s->state == OP_FREE) {
            s->kept = 0; /* its message never arrived, and nobody waits for it */
        } else if (s->state == OP_POSTED && may_stay_unused(r, &s->op)) {
            s->state = OP_FREE;
            s->kept = 0;
            r->f.unused_receives++;
        }
    }
    release(r);
    return r->base != base;
}

bool may_lose(const struct replay *r, uint32_t qp)
{
    return r->res->qp[qp].type != HCT_QP_RC && (r->p.link_loss_ppm | r->p.link_dup_ppm |
                                                r->p.link_reorder_ppm | r->p.link_corrupt_ppm) != 0;
}
