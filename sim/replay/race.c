/* race.c: operations under way whose buffers overlap, as programs that reuse one buffer post them.
 * What such an operation carries depends on who was faster, so its bytes are not compared: the
 * report counts it as not comparable. */
#include "sim/replay/replay_i.h"

/* Bytes an operation reads (src) or lets the adapter write (dst), by MR. */
struct span {
    uint32_t mr;
    uint64_t from, to;
};

enum { SPANS = HCT_SGE_MAX + 1 };

static unsigned spans(const struct hct_op *op, struct span *s, bool dst)
{
    const bool fetches = op->kind == HCT_READ || op->kind == HCT_CAS || op->kind == HCT_FAA;
    const bool local_is_dst = fetches || op->kind == HCT_RECV;
    const bool remote_is_dst =
        writes_remote(op->kind) || op->kind == HCT_CAS || op->kind == HCT_FAA;
    unsigned n = 0;

    for (unsigned i = 0; i < op->sge_count && local_is_dst == dst; i++) {
        s[n++] = (struct span){op->sge[i].mr, op->sge[i].off_bytes,
                               op->sge[i].off_bytes + op->sge[i].len_bytes};
    }
    if (op->remote_mr != HCT_NONE && remote_is_dst == dst) {
        s[n++] = (struct span){op->remote_mr, op->remote_off_bytes,
                               op->remote_off_bytes + hct_op_bytes(op)};
    }
    return n;
}

static bool overlap(const struct hct_op *a, bool a_dst, const struct hct_op *b, bool b_dst)
{
    struct span x[SPANS], y[SPANS];
    const unsigned n = spans(a, x, a_dst), m = spans(b, y, b_dst);

    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < m; k++) {
            if (x[i].mr == y[k].mr && x[i].from < y[k].to && y[k].from < x[i].to) {
                return true;
            }
        }
    }
    return false;
}

/* a is under way, b is being posted. */
static void judge(struct slot *a, struct slot *b)
{
    const bool ordered = a->op.qp == b->op.qp && writes_remote(a->op.kind) &&
                         writes_remote(b->op.kind); /* one QP writes in order */

    if (overlap(&a->op, false, &b->op, false)) {
        a->raced = true; /* its source is overwritten by that of b */
    }
    if ((!ordered && overlap(&a->op, true, &b->op, true)) || overlap(&a->op, true, &b->op, false) ||
        overlap(&a->op, false, &b->op, true)) {
        a->raced = b->raced = true;
    }
}

/* What most operations have: one local and one remote buffer. */
static void outline(const struct hct_op *op, struct under_way *u)
{
    struct span s[2 * SPANS];
    unsigned n = spans(op, s, false);

    n += spans(op, s + n, true);
    *u = (struct under_way){.id = op->id, .exact = n <= UNDER_WAY_SPANS};
    for (unsigned i = 0; i < n && u->exact; i++) {
        u->mr[i] = s[i].mr;
        u->from[i] = s[i].from;
        u->to[i] = s[i].to; /* from == to in what stays empty: overlaps nothing */
    }
}

/* Whether the pair is worth a closer look. */
static bool near(const struct under_way *a, const struct under_way *b)
{
    for (unsigned i = 0; i < UNDER_WAY_SPANS; i++) {
        for (unsigned k = 0; k < UNDER_WAY_SPANS; k++) {
            if (a->mr[i] == b->mr[k] && a->from[i] < b->to[k] && b->from[k] < a->to[i]) {
                return true;
            }
        }
    }
    return !a->exact || !b->exact;
}

void race_post(struct replay *r, struct slot *b)
{
    struct under_way u;

    if (!r->o.check_payload) {
        return;
    }
    outline(&b->op, &u);
    for (uint32_t i = 0; i < r->posted_n; i++) {
        if (near(&r->posted[i], &u)) {
            judge(slot_of(r, r->posted[i].id), b);
        }
    }
    if (r->posted_n < POSTED_MAX) {
        b->posted_at = r->posted_n;
        r->posted[r->posted_n++] = u;
    } else { /* more under way than are looked at */
        b->posted_at = POSTED_MAX;
        r->unlisted++;
    }
    if (r->unlisted != 0) { /* what is not listed may use its bytes */
        b->raced = true;
    }
}

void race_end(struct replay *r, struct slot *a)
{
    if (a->posted_at == POSTED_MAX) {
        r->unlisted--;
    }
    if (a->posted_at < r->posted_n && r->posted[a->posted_at].id == a->op.id) {
        const struct under_way last = r->posted[--r->posted_n];
        r->posted[a->posted_at] = last;
        slot_of(r, last.id)->posted_at = a->posted_at;
    }
}
