/* Pass 3 of the rules in import_rule.c: dependencies of each operation; and which QP came before
 * which. */
#include "traces/import_i.h"

#include <stdlib.h>

#define RING_TOTAL_MAX (8u << 20) /* entries of all rings, 128 MiB */

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

void rule_sequence(struct import *im)
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

/* ---- pass 3 ---- */

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

bool rule_rings(struct import *im)
{
    for (uint32_t i = 0; i < im->qps; i++) {
        if (im->qp[i].used && !make_rings(im, &im->qp[i])) {
            return false;
        }
    }
    return true;
}

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

/* Number of the arrival that a message waits for, UINT64_MAX: none. */
static uint64_t wanted(const struct qp *q, const struct msg *m)
{
    const int64_t i = (int64_t)m->index;
    switch ((enum rule)q->rule) {
    case RULE_LEAD: return i + q->lead > 0 ? (uint64_t)(i + q->lead - 1) : UINT64_MAX;
    case RULE_SHARE:
        return (uint64_t)(q->share > 0 ? i / q->share : (i + 1) * -(int64_t)q->share - 1);
    case RULE_REPLY: return m->by_arrival ? m->arrived_before - 1 : UINT64_MAX;
    case RULE_NONE: break;
    }
    return UINT64_MAX;
}

void rule_depend(struct import *im, const struct msg *m, struct hct_op *op)
{
    const struct qp *q = &im->qp[m->poster];
    if (q->window_used != 0 && q->posted >= q->window_used) {
        const struct ring_entry *e = &q->window_ring[q->posted % q->window_used];
        add(op, HCT_DEP_WINDOW, e->op, (uint32_t)(q->place - e->place));
    }
    if (q->rule != RULE_NONE) {
        add_arrival(q, m, wanted(q, m), op);
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
