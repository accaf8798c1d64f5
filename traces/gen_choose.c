/* Which operation of a flow comes next: its kind, pair of QPs and side. */
#include "traces/gen_stream.h"

static uint32_t pick_kind(struct gen_stream *s)
{
    const struct gen_flow *f = s->n->flow;
    uint64_t x = pcg_below(&s->kind, f->weight_sum);
    uint32_t k = 0;
    while (x >= f->weight[k]) {
        x -= f->weight[k++];
    }
    return k;
}

/* One cycle, as storage protocols on RDMA have it: side 0 invalidates what it registered for the
 * cycle before (invalidate: local), registers memory and asks; side 1 uses that memory and answers,
 * which invalidates it (invalidate: remote). Cycles of a queue are posted in this order; which of
 * them are in flight together, the dependencies tell (gen_op.c). */
static struct gen_choice next_of_cycle(struct gen_stream *s)
{
    const struct gen_plan *n = s->n;
    const struct gen_flow *f = n->flow;
    const uint64_t turn = s->cycle / n->pairs;
    const bool again = turn >= n->window;
    const bool first = f->local_inv && again; /* this cycle begins with a LOCAL_INV */
    const uint32_t at = s->step + !first;     /* 0 local_inv, 1 fast_reg, 2 send, uses, answer */
    const uint32_t last = 3 + (uint32_t)f->uses;
    struct gen_choice c = {.pair = (uint32_t)(s->cycle % n->pairs),
                           .side = at >= 3,
                           .slot = (uint32_t)(turn % n->window),
                           .use = at >= 3 ? at - 3 : 0,
                           .starts = s->step == 0 || at == 3,
                           .again = again};

    c.kind = at == 0                       ? HCT_LOCAL_INV
             : at == 1                     ? HCT_FAST_REG
             : at == last && !f->local_inv ? HCT_SEND_INV
             : at == 2 || at == last       ? HCT_SEND
                                           : pick_kind(s);
    s->step++;
    if (at == last) {
        s->step = 0;
        s->cycle++;
    }
    return c;
}

struct gen_choice gen_choose(struct gen_stream *s)
{
    const struct gen_flow *f = s->n->flow;
    const uint32_t pairs = s->n->pairs;

    if (f->pattern == GEN_REG) {
        s->emitted++;
        return next_of_cycle(s);
    }
    struct gen_choice c = {.kind = pick_kind(s)};
    if (f->pattern == GEN_LAT) {
        c.pair = (uint32_t)(s->emitted % pairs);
        c.side = gen_one_sided(c.kind) ? 0 : (uint32_t)(s->emitted / pairs & 1);
    } else {
        const uint64_t queues = (uint64_t)pairs << (f->bidirectional && f->pattern == GEN_BW);
        if (f->arrivals != GEN_POISSON) {
            s->picked = (uint32_t)(s->emitted / f->batch % queues);
        } else if (s->emitted % f->batch == 0) {
            s->picked = (uint32_t)pcg_below(&s->pick, queues);
        }
        c.pair = s->picked % pairs;
        c.side = s->picked / pairs;
    }
    s->emitted++;
    return c;
}
