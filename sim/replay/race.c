/* race.c: operations under way whose buffers overlap, as programs that reuse one buffer post them.
 * What such an operation carries depends on who was faster, so its bytes are not compared: the
 * report counts it as not comparable. */
#include "sim/replay/replay_i.h"

#include <string.h>

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

    if (a->raced && b->raced) {
        return;
    }
    if (overlap(&a->op, false, &b->op, false)) {
        a->raced = true; /* its source is overwritten by that of b */
    }
    if ((!ordered && overlap(&a->op, true, &b->op, true)) || overlap(&a->op, true, &b->op, false) ||
        overlap(&a->op, false, &b->op, true)) {
        a->raced = b->raced = true;
    }
}

/* What most operations have: one local and one remote buffer. */
static struct under_way outline(const struct hct_op *op)
{
    const uint32_t mr = op->sge_count != 0 ? op->sge[0].mr : op->remote_mr;
    struct under_way u = {.id = op->id, .mr = {mr, mr}}; /* from == to: overlaps nothing */
    unsigned n = 0;

    for (unsigned i = 0; i < op->sge_count && n < UNDER_WAY_SPANS; i++, n++) {
        u.mr[n] = op->sge[i].mr;
        u.from[n] = op->sge[i].off_bytes;
        u.to[n] = op->sge[i].off_bytes + op->sge[i].len_bytes;
    }
    if (op->remote_mr != HCT_NONE && n < UNDER_WAY_SPANS) {
        u.mr[n] = op->remote_mr;
        u.from[n] = op->remote_off_bytes;
        u.to[n] = op->remote_off_bytes + hct_op_bytes(op);
        n++;
    }
    u.exact = n == op->sge_count + (op->remote_mr != HCT_NONE ? 1U : 0U);
    return u;
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

/* Cells of CELL_BYTES that the pieces touch; those that do not fit are compared with all. */
static struct cells cells(const struct under_way *u)
{
    struct cells c = {.wide = !u->exact};

    for (unsigned i = 0; i < UNDER_WAY_SPANS; i++) {
        const uint64_t from = u->from[i], to = u->to[i], first = from / CELL_BYTES;
        const uint64_t n = to == 0 ? 0 : (to - (to > from)) / CELL_BYTES - first + 1;
        c.first[i] = u->mr[i] * 61 + (uint32_t)first;
        c.end[i] = c.first[i] + (uint32_t)n;
        c.wide |= n > CELLS_EACH;
    }
    return c;
}

/* Enters the operation at a place of posted, or takes it out. */
static void mark(struct replay *r, uint32_t at, const struct cells *c, bool there)
{
    uint64_t *const users = r->users[at / 64], bit = 1ULL << at % 64, on = there ? bit : 0;

    if (c->wide) {
        users[CELLS] = (users[CELLS] & ~bit) | on;
        return;
    }
    for (unsigned i = 0; i < UNDER_WAY_SPANS; i++) {
        for (uint32_t k = c->first[i]; k != c->end[i]; k++) {
            users[k % CELLS] = (users[k % CELLS] & ~bit) | on;
        }
    }
}

void race_index(struct replay *r)
{
    memset(r->users, 0, sizeof r->users);
    for (uint32_t i = 0; i < r->posted_n; i++) {
        r->cells[i] = cells(&r->posted[i]);
        mark(r, i, &r->cells[i], true);
    }
}

/* Bit per operation of word w of posted that may touch bytes of the same cells. */
static uint64_t neighbours(const struct replay *r, uint32_t w, const struct cells *c)
{
    uint64_t set = r->users[w][CELLS];

    for (unsigned i = 0; i < UNDER_WAY_SPANS; i++) {
        for (uint32_t k = c->first[i]; k != c->end[i]; k++) {
            set |= r->users[w][k % CELLS];
        }
    }
    return set;
}

static void judge_all(struct replay *r, const struct under_way *u, const struct cells *c,
                      struct slot *b)
{
    for (uint32_t w = 0; w * 64 < r->posted_n; w++) {
        const uint32_t left = r->posted_n - w * 64;
        const uint64_t those = left < 64 ? (1ULL << left) - 1 : ~0ULL;
        for (uint64_t set = c->wide ? those : neighbours(r, w, c); set != 0; set &= set - 1) {
            const struct under_way *const a = &r->posted[w * 64 + (uint32_t)__builtin_ctzll(set)];
            if (near(a, u)) {
                judge(slot_of(r, a->id), b);
            }
        }
    }
}

void race_post(struct replay *r, struct slot *b)
{
    if (!r->o.check_payload) {
        return;
    }
    const struct under_way u = outline(&b->op);
    const struct cells c = cells(&u);
    judge_all(r, &u, &c, b);
    if (r->posted_n < POSTED_MAX) {
        b->posted_at = r->posted_n;
        r->posted[r->posted_n] = u;
        r->cells[r->posted_n++] = c;
        mark(r, b->posted_at, &c, true);
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
        const uint32_t at = a->posted_at, last = --r->posted_n;
        mark(r, last, &r->cells[last], false);
        if (at != last) {
            mark(r, at, &r->cells[at], false);
            r->posted[at] = r->posted[last];
            r->cells[at] = r->cells[last];
            mark(r, at, &r->cells[at], true);
            slot_of(r, r->posted[at].id)->posted_at = at;
        }
    }
}
