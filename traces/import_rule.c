/* What an operation waited for. A capture shows only that something happened before; these rules
 * decide per QP what of it was the reason. docs/IMPORT.md describes them, the report prints for
 * each QP which was chosen and how many operations speak for it.
 *
 * window  never more than w messages were without completion: operation i waits for i - w
 * lead    operation i nearly always started when exactly i + lead messages had arrived at its QP (a
 *         ping-pong, requests with a fixed number in flight), or as many were sent as arrived and
 *         never one too early (answers to such requests)
 * share   n operations per arrival or n arrivals per operation: each group waits for its own
 * reply   the last thing before a start was nearly always an arrival, not a completion of the own
 *         side, and the peer never had more than one request open: it waits for that arrival
 * before  the first operation of a QP waits for the last one of the QP of the same node that ended
 *         last before: programs that ran one after the other */
#include "traces/import_i.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    EVIDENCE_MIN = 4,
    LEAD_PERCENT = 90,
    REPLY_PERCENT = 75,
    SHARE_MAX = 64,
    CUT_MESSAGES = 8, /* arrivals without operation that a cut capture may hold */
    RING_MAX = 4096
};
enum { EVENT_NONE, EVENT_ARRIVAL, EVENT_COMPLETION };
static bool is_answered(uint8_t kind)
{
    return kind == HCT_READ || kind == HCT_CAS || kind == HCT_FAA;
}

/* Counts a lead; the rarest of those kept makes room for a new one. */
static void vote(struct qp *q, int64_t lead)
{
    struct lead_vote *v = &q->vote[0];
    for (int i = 0; i < LEADS_KEPT; i++) {
        if (q->vote[i].hits != 0 && q->vote[i].lead == lead) {
            q->vote[i].hits++;
            return;
        }
        v = q->vote[i].hits < v->hits ? &q->vote[i] : v;
    }
    *v = (struct lead_vote){lead, 1};
}

/* Evidence, before the start of message m is counted. */
static void observe(struct qp *q, const struct msg *m)
{
    const uint64_t in_flight = q->started - q->completed + 1;
    const int64_t lead = (int64_t)q->arrived - (int64_t)q->started;
    q->by_arrival += q->last_event == EVENT_ARRIVAL;
    q->by_completion += q->last_event == EVENT_COMPLETION;
    if (in_flight > q->window) {
        q->window = in_flight;
        q->window_hits = 0;
    }
    q->window_hits += in_flight == q->window;
    q->lead_least = q->started == 0 || lead < q->lead_least ? lead : q->lead_least;
    if ((int64_t)q->started + lead > 0) {
        vote(q, lead);
    }
    if (q->last_event == EVENT_ARRIVAL) {
        q->run = 0;
    }
    q->run++;
    uint64_t *longest = q->arrived == 0 ? &q->first_run : &q->later_run;
    *longest = q->run > *longest ? q->run : *longest;
    const uint64_t reads = q->reads + is_answered(m->kind);
    q->reads_max = reads > q->reads_max ? reads : q->reads_max;
}

void rule_started(struct import *im, struct msg *m)
{
    struct qp *q = &im->qp[m->poster];
    if (im->pass == PASS_COUNT) {
        observe(q, m);
    }
    m->arrived_before = q->arrived;
    m->by_arrival = q->last_event == EVENT_ARRIVAL;
    m->index = q->started++;
    q->reads += is_answered(m->kind);
    q->last_event = EVENT_NONE;
}

void rule_arrived(struct import *im, struct msg *m)
{
    struct qp *q = &im->qp[m->target];
    m->arrival = q->arrived++;
    q->last_event = EVENT_ARRIVAL;
}

void rule_completed(struct import *im, const struct msg *m)
{
    struct qp *q = &im->qp[m->poster];
    q->completed++;
    q->last_event = EVENT_COMPLETION;
    q->reads -= is_answered(m->kind);
}

/* ---- decision, between passes 2 and 3 ---- */

/* Completions are seen where requests and their responses are. */
static bool has_completions(const struct import *im, uint32_t qp)
{
    const uint32_t requests = im->qp[qp].peer;
    return im->qp[qp].type == HCT_QP_RC && requests != HCT_NONE && !im->half[requests].virtual &&
           !im->half[qp].virtual && im->half[qp].responses > 0;
}

/* As many operations as arrivals, none of them ahead of its arrival. */
static bool never_ahead(const struct qp *q)
{
    return q->started >= EVIDENCE_MIN && q->lead_least >= 1 &&
           q->arrived - q->started <= (uint64_t)q->lead_least + CUT_MESSAGES;
}

/* Operations per arrival, negative: arrivals per operation; 0: no whole number. */
static int32_t share_of(const struct qp *q)
{
    const uint64_t s = q->started, r = q->arrived;
    const uint64_t groups = s < r ? s : r;
    if (groups < EVIDENCE_MIN || q->by_arrival * 2 < groups) {
        return 0;
    }
    if (s % r == 0 && s / r <= SHARE_MAX) {
        return (int32_t)(s / r);
    }
    return r % s == 0 && r / s <= SHARE_MAX ? -(int32_t)(r / s) : 0;
}

/* A peer that starts with more requests at once than ever after keeps that many open: then the last
 * arrival is not what an answer waits for. */
static bool is_pipelined(const struct import *im, const struct qp *q)
{
    if (q->peer == HCT_NONE) {
        return true;
    }
    const struct qp *p = &im->qp[q->peer];
    return p->first_run > (p->later_run > 1 ? p->later_run : 1);
}

/* Takes a lead and what speaks for it. */
static void set_lead(struct qp *q, int64_t lead)
{
    /* Before operation `first` no arrival is needed. */
    const uint64_t first = lead < 1 ? (uint64_t)(1 - lead) : 0;
    q->lead = lead;
    q->lead_of = q->started > first ? q->started - first : 0;
    q->lead_hits = 0;
    for (int i = 0; i < LEADS_KEPT; i++) {
        q->lead_hits += q->vote[i].lead == lead ? q->vote[i].hits : 0;
    }
}

/* True when the lead seen most often explains nearly all starts. More than one message ahead is no
 * reason: who has eight requests to answer does not wait for the ninth. */
static bool constant_lead(struct qp *q)
{
    const struct lead_vote *best = &q->vote[0];
    for (int i = 1; i < LEADS_KEPT; i++) {
        best = q->vote[i].hits > best->hits ? &q->vote[i] : best;
    }
    set_lead(q, best->lead);
    return q->lead <= 1 && q->lead_of >= EVIDENCE_MIN &&
           q->lead_hits * 100 >= q->lead_of * LEAD_PERCENT;
}

static enum rule choose(const struct import *im, struct qp *q)
{
    const uint64_t triggered = q->by_arrival + q->by_completion;
    q->share = share_of(q);
    if (constant_lead(q)) {
        return RULE_LEAD;
    }
    if (never_ahead(q)) {
        set_lead(q, q->lead_least);
        return RULE_LEAD;
    }
    if (q->share != 0) {
        return RULE_SHARE;
    }
    const bool replies =
        q->by_arrival >= EVIDENCE_MIN && q->by_arrival * 100 >= triggered * REPLY_PERCENT;
    return replies && !is_pipelined(im, q) ? RULE_REPLY : RULE_NONE;
}

static void decide_one(struct import *im, uint32_t index)
{
    struct qp *q = &im->qp[index];
    q->rule = (uint8_t)choose(im, q);
    q->window_used = 0;
    if (has_completions(im, index) && q->window <= RING_MAX) {
        q->window_used = (uint32_t)q->window;
    }
}

void rule_decide(struct import *im)
{
    for (uint32_t i = 0; i < im->qps; i++) {
        decide_one(im, i);
    }
    if (!im->opt.no_sequence) {
        rule_sequence(im);
    }
}

const char *rule_text(const struct qp *q, char *buf, size_t size)
{
    char first[96];
    if (q->window_used != 0) {
        (void)snprintf(first, sizeof first,
                       "window %u (%s%" PRIu64 " of %" PRIu64 " started at it)", q->window_used,
                       q->window_cut ? "as buffers allow; " : "", q->window_hits, q->started);
    } else {
        (void)snprintf(first, sizeof first, "no window (%s)",
                       q->window > RING_MAX ? "too many in flight" : "no completions seen");
    }
    switch ((enum rule)q->rule) {
    case RULE_LEAD:
        (void)snprintf(buf, size,
                       "%s, waits for arrival i%+" PRId64 " (%" PRIu64 " of %" PRIu64
                       " exactly then)",
                       first, q->lead - 1, q->lead_hits, q->lead_of);
        break;
    case RULE_SHARE:
        (void)snprintf(buf, size, "%s, %d %s (%" PRIu64 " starts follow an arrival)", first,
                       abs(q->share),
                       q->share > 0 ? "per arrival, waits for it" : "arrivals each, waits for them",
                       q->by_arrival);
        break;
    case RULE_REPLY:
        (void)snprintf(buf, size,
                       "%s, replies (%" PRIu64 " of %" PRIu64 " starts follow an arrival)", first,
                       q->by_arrival, (q->by_arrival + q->by_completion));
        break;
    case RULE_NONE: (void)snprintf(buf, size, "%s", first); break;
    }
    return buf;
}
