/* finish.c: finished operations are told to the sink once every stamp of their window is in. */
#include "sim/replay/replay_i.h"

#include "model/msg.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t relative(const struct replay *r, uint64_t ps)
{
    return ps > r->start_ps ? ps - r->start_ps : 0;
}

static void fold(struct replay *r, const struct replay_done *d)
{
    const uint64_t w[] = {d->op->id,       d->status,      d->t_post,    d->t_doorbell,
                          d->t_first_wire, d->t_last_wire, d->t_visible, d->t_polled};

    r->f.timing_hash = hash_words(r->f.timing_hash, 0, w, sizeof w);
    r->f.ops++;
    const bool good = d->status == HCT_WC_SUCCESS;
    r->f.failed += !d->as_expected;
    r->f.expected_errors += d->as_expected && !good;
    r->f.bytes += good ? d->bytes : 0;
    r->f.last_ps = d->t_polled > r->f.last_ps ? d->t_polled : r->f.last_ps;
    if (!d->as_expected && r->f.first_failure[0] == '\0') {
        char kind[32], got[32], want[32];
        snprintf(r->f.first_failure, sizeof r->f.first_failure,
                 "op %llu (%s on QP %u): status %s, expected %s", (unsigned long long)d->op->id,
                 hct_name(hct_text_kind, d->op->kind, kind, sizeof kind), d->op->qp,
                 hct_name(hct_text_wc, d->status, got, sizeof got),
                 hct_name(hct_text_wc, d->op->expect, want, sizeof want));
    }
}

static void finish_one(struct replay *r, struct slot *s)
{
    struct replay_done d = {.op = &s->op,
                            .host = r->queue[s->queue].host,
                            .bytes = hct_op_bytes(&s->op),
                            .status = s->status,
                            .silent = s->silent,
                            .as_expected = s->status == s->op.expect};
    uint64_t end = s->visible_ps;

    d.fn = s->op.fn != HCT_NONE   ? s->op.fn
           : s->op.qp != HCT_NONE ? r->res->pd[r->res->qp[s->op.qp].pd].fn
                                  : r->res->pd[r->res->srq[s->op.srq].pd].fn;
    if (r->stamps != NULL && s->op.kind != HCT_RECV) {
        const uint64_t retired = s->silent ? stamps_last(r->stamps, s->op.id, STAGE_retired) : 0;
        end = retired != 0 ? retired : end;
        stamps_take(r->stamps, s->op.id, s->post_ps, end,
                    s->silent ? STAGE_retired : STAGE_cqe_visible, &d.stages);
        s->first_in_ps = d.stages.last[STAGE_first_in];
    }
    d.t_post = relative(r, s->post_ps);
    d.t_doorbell = relative(r, d.stages.last[STAGE_rung]);
    d.t_first_wire = relative(r, d.stages.last[STAGE_first_out]);
    d.t_last_wire = relative(r, d.stages.last[STAGE_wire_out]);
    d.t_visible = relative(r, end);
    d.t_polled = relative(r, s->polled_ps);
    d.latency_ps =
        end - (s->op.kind == HCT_RECV && s->first_in_ps != 0 ? s->first_in_ps : s->post_ps);
    fold(r, &d);
    if (r->sink != NULL) {
        r->sink(r->sink_arg, &d);
    }
    if (s->payload != NULL) {
        r->payload_held -= s->payload_bytes;
        free(s->payload);
        s->payload = NULL;
    }
    s->state = OP_FREE;
}

void finish_until(struct replay *r, uint64_t now_ps)
{
    while (r->done_n > 0 && r->done[r->done_first].at_ps < now_ps) {
        const uint64_t id = r->done[r->done_first].id;
        r->done_first = (r->done_first + 1) % WINDOW;
        r->done_n--;
        finish_one(r, slot_of(r, id));
    }
    release(r);
}
