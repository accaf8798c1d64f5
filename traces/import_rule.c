/* What an operation waited for. A capture shows only that something happened before; these rules
 * decide per QP what of it was the reason. docs/IMPORT.md describes them, the report prints for
 * each QP which was chosen and how many operations speak for it.
 *
 * window  never more than w messages were without completion: operation i waits for i - w
 * lead    operation i always started when at least i + lead messages had arrived at its QP, and
 *         nearly always exactly then: a ping-pong, or requests with a fixed number in flight
 * reply   the last thing before a start was nearly always an arrival, not a completion of the own
 *         side: an answer; it waits for that arrival
 * before  the first operation of a QP waits for the last one of the QP of the same node that ended
 *         last before: programs that ran one after the other */
#include "traces/import_i.h"

#include <stdlib.h>
#include <string.h>

enum { EVIDENCE_MIN = 4, LEAD_PERCENT = 90, REPLY_PERCENT = 75, RING_MAX = 4096 };
enum { EVENT_NONE, EVENT_ARRIVAL, EVENT_COMPLETION };
#define RING_TOTAL_MAX (8u << 20) /* entries of all rings, 128 MiB */

static bool is_answered(uint8_t kind)
{
    return kind == HCT_READ || kind == HCT_CAS || kind == HCT_FAA;
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
    if (q->started == 0 || lead < q->lead) {
        q->lead = lead;
        q->lead_hits = 0;
    }
    q->lead_hits += lead == q->lead && (int64_t)q->started + lead > 0;
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

static void decide_one(struct import *im, uint32_t index)
{
    struct qp *q = &im->qp[index];
    const int64_t binds_from = q->lead < 1 ? 1 - q->lead : 0; /* first operation that needs one */
    const uint64_t triggered = q->by_arrival + q->by_completion;
    q->lead_of = q->started > (uint64_t)binds_from ? q->started - (uint64_t)binds_from : 0;
    q->rule = RULE_NONE;
    if (q->lead_of >= EVIDENCE_MIN && q->lead_hits * 100 >= q->lead_of * LEAD_PERCENT) {
        q->rule = RULE_LEAD;
    } else if (q->by_arrival >= EVIDENCE_MIN && q->by_arrival * 100 >= triggered * REPLY_PERCENT) {
        q->rule = RULE_REPLY;
    }
    q->window_used = 0;
    if (has_completions(im, index) && q->window <= RING_MAX) {
        q->window_used = (uint32_t)q->window;
    }
}

/* For finding what ended last before a time at a node. */
struct ended {
    uint64_t first_ns, last_ns;
    uint32_t node, qp;
};

static int by_node_and_end(const void *x, const void *y)
{
    const struct ended *a = x;
    const struct ended *b = y;
    if (a->node != b->node) {
        return a->node < b->node ? -1 : 1;
    }
    if (a->last_ns != b->last_ns) {
        return a->last_ns < b->last_ns ? -1 : 1;
    }
    return (a->qp > b->qp) - (a->qp < b->qp);
}

/* When the connection of a QP was alive. */
static struct ended life_of(const struct import *im, uint32_t qp)
{
    const uint32_t peer = im->qp[qp].peer;
    if (im->qp[qp].type == HCT_QP_UD) {
        const struct ud_qp *u = &im->ud[qp - im->halves];
        return (struct ended){u->first_ns, u->last_ns, u->node, qp};
    }
    const struct half *a = &im->half[qp];
    const struct half *b = peer == HCT_NONE ? a : &im->half[peer];
    return (struct ended){a->first_ns < b->first_ns ? a->first_ns : b->first_ns,
                          a->last_ns > b->last_ns ? a->last_ns : b->last_ns, a->dst, qp};
}

/* Index of the last entry of the node that ended before `ns`, n when there is none. */
static uint32_t last_before(const struct ended *e, uint32_t n, uint32_t node, uint64_t ns)
{
    uint32_t low = 0;
    uint32_t high = n;
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        if (e[mid].node < node || (e[mid].node == node && e[mid].last_ns < ns)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low > 0 && e[low - 1].node == node ? low - 1 : n;
}

static void decide_sequence(struct import *im)
{
    struct ended *e = malloc(((size_t)im->qps + 1) * sizeof *e);
    uint32_t n = 0;
    if (e == NULL) {
        import_no_memory(im);
        return;
    }
    for (uint32_t i = 0; i < im->qps; i++) {
        if (im->qp[i].used) {
            e[n++] = life_of(im, i);
        }
    }
    qsort(e, n, sizeof *e, by_node_and_end);
    for (uint32_t i = 0; i < im->qps; i++) {
        struct qp *q = &im->qp[i];
        if (q->used && q->started > 0) {
            const uint32_t k = last_before(e, n, q->node, life_of(im, i).first_ns);
            q->before = k < n ? e[k].qp : HCT_NONE;
        }
    }
    free(e);
}

/* Memory for what pass 3 must remember of a QP. */
static bool make_rings(struct import *im, struct qp *q)
{
    bool ok = true;
    if (q->window_used != 0 && im->ring_entries + q->window_used > RING_TOTAL_MAX) {
        q->window_used = 0;
    }
    if (q->window_used != 0) {
        im->ring_entries += q->window_used;
        q->window_ring = calloc(q->window_used, sizeof *q->window_ring);
        ok = q->window_ring != NULL;
    }
    if (q->rule != RULE_NONE) {
        q->arrival_ring = calloc(ARRIVALS_KEPT, sizeof *q->arrival_ring);
        ok = ok && q->arrival_ring != NULL;
    }
    return ok || import_no_memory(im);
}

void rule_decide(struct import *im)
{
    for (uint32_t i = 0; i < im->qps; i++) {
        decide_one(im, i);
    }
    if (!im->opt.no_sequence) {
        decide_sequence(im);
    }
}

bool rule_rings(struct import *im)
{
    for (uint32_t i = 0; i < im->qps; i++) {
        if (im->qp[i].used && !make_rings(im, &im->qp[i])) {
            return false;
        }
    }
    return true;
}

/* ---- pass 3 ---- */

static void add(struct hct_op *op, uint8_t type, uint64_t on, uint32_t window_ops)
{
    for (uint32_t i = 0; i < op->dep_count; i++) {
        if (op->dep[i].op == on && op->dep[i].type == type) {
            return;
        }
    }
    if (op->dep_count < HCT_DEP_MAX) {
        op->dep[op->dep_count++] =
            (struct hct_dep){.type = type, .op = on, .window_ops = window_ops};
    }
}

/* The arrival with number `wanted`, or the next one that is remembered and came before the start.
 */
static void add_arrival(const struct qp *q, const struct msg *m, uint64_t wanted, struct hct_op *op)
{
    for (uint64_t n = wanted; n < m->arrived_before; n++) {
        const struct arrival *a = &q->arrival_ring[n % ARRIVALS_KEPT];
        if (a->type != HCT_DEP_NONE && a->number == n) {
            add(op, a->type, a->op, 0);
            return;
        }
        if (n - wanted == ARRIVALS_KEPT) {
            return;
        }
    }
}

void rule_depend(struct import *im, const struct msg *m, struct hct_op *op)
{
    const struct qp *q = &im->qp[m->poster];
    if (q->window_used != 0 && q->posted >= q->window_used) {
        const struct ring_entry *e = &q->window_ring[q->posted % q->window_used];
        add(op, HCT_DEP_WINDOW, e->op, (uint32_t)(q->place - e->place));
    }
    if (q->rule == RULE_LEAD && (int64_t)m->index + q->lead > 0) {
        add_arrival(q, m, (uint64_t)((int64_t)m->index + q->lead - 1), op);
    } else if (q->rule == RULE_REPLY && m->by_arrival) {
        add_arrival(q, m, m->arrived_before - 1, op);
    }
    if (q->posted == 0 && q->before != HCT_NONE) {
        const struct qp *a = &im->qp[q->before];
        const struct qp *b = a->peer == HCT_NONE ? a : &im->qp[a->peer];
        const bool later =
            b->last_op != HCT_OP_NONE && (a->last_op == HCT_OP_NONE || b->last_op > a->last_op);
        const uint64_t last = later ? b->last_op : a->last_op;
        if (last != HCT_OP_NONE) {
            add(op, HCT_DEP_LOCAL, last, 0);
        }
    }
}

void rule_written(struct import *im, const struct msg *m, const struct hct_op *op)
{
    struct qp *q = &im->qp[m->poster];
    struct qp *t = &im->qp[m->target];
    if (q->window_used != 0) {
        q->window_ring[q->posted % q->window_used] = (struct ring_entry){op->id, q->place};
    }
    q->posted++;
    q->place++;
    q->last_op = op->id;
    if (m->arrival != UINT64_MAX && t->arrival_ring != NULL) {
        const bool plain = m->kind == HCT_WRITE;
        t->arrival_ring[m->arrival % ARRIVALS_KEPT] = (struct arrival){
            m->arrival, op->id, plain ? (uint8_t)HCT_DEP_VISIBLE : (uint8_t)HCT_DEP_RECV};
    }
}

const char *rule_text(const struct qp *q, char *buf, size_t size)
{
    char first[96];
    if (q->window_used != 0) {
        (void)snprintf(first, sizeof first, "window %u (%llu of %llu started at it)",
                       q->window_used, (unsigned long long)q->window_hits,
                       (unsigned long long)q->started);
    } else {
        (void)snprintf(first, sizeof first, "no window (%s)",
                       q->window > RING_MAX ? "too many in flight" : "no completions seen");
    }
    if (q->rule == RULE_LEAD) {
        (void)snprintf(buf, size, "%s, waits for arrival i%+lld (%llu of %llu exactly then)", first,
                       (long long)q->lead - 1, (unsigned long long)q->lead_hits,
                       (unsigned long long)q->lead_of);
    } else if (q->rule == RULE_REPLY) {
        (void)snprintf(buf, size, "%s, replies (%llu of %llu starts follow an arrival)", first,
                       (unsigned long long)q->by_arrival,
                       (unsigned long long)(q->by_arrival + q->by_completion));
    } else {
        (void)snprintf(buf, size, "%s", first);
    }
    return buf;
}
