/* Operations of one flow, one after the other. */
#include "traces/gen_stream.h"

#include <stdlib.h>

static uint32_t rx_queue(const struct gen_plan *n, uint32_t pair)
{
    return n->flow->srq ? pair % n->used : pair;
}

/* ---- start ---- */

/* One PCG32 sequence per purpose and flow, all from one seed. */
static void seed_sequences(struct gen_stream *s, uint32_t number)
{
    const uint64_t seed = s->all->spec->seed;
    struct pcg *const p[] = {&s->kind, &s->pick, &s->size, &s->place, &s->time, &s->cut};
    for (uint32_t i = 0; i < 6; i++) {
        pcg_seed(p[i], seed, (uint64_t)number * 8 + i);
    }
}

/* One allocation; gen_plan.c has bounded its size (GEN_SLOTS_MAX). */
static bool make_arrays(struct gen_stream *s)
{
    const struct gen_plan *n = s->n;
    const uint64_t queues = (uint64_t)n->pairs * n->sides;
    uint64_t words = queues * (4 + n->window);

    for (uint32_t side = 0; side < n->sides; side++) {
        words += n->side[side].receives ? (uint64_t)n->rx_queues * (2 + n->rx_depth) : 0;
    }
    uint64_t *at = calloc(words, sizeof *at);
    s->memory = at;
    if (!at) {
        return false;
    }
    s->posted = at;
    s->cursor = at + queues;
    s->last = at + 2 * queues;
    s->left = at + 3 * queues;
    s->ring = at + 4 * queues;
    at += queues * (4 + n->window);
    for (uint32_t side = 0; side < n->sides; side++) {
        if (n->side[side].receives) {
            s->rx[side].expected = at;
            s->rx[side].posted = at + n->rx_queues;
            s->rx[side].ring = at + 2 * (uint64_t)n->rx_queues;
            at += (uint64_t)n->rx_queues * (2 + n->rx_depth);
        }
    }
    return true;
}

/* Goes through all choices once: how many operations each queue posts and how many receives each
 * queue needs must be known beforehand. */
static void count_ahead(struct gen_stream *s, uint32_t number)
{
    for (uint64_t i = 0; i < s->n->flow->ops; i++) {
        const struct gen_choice c = gen_choose(s);
        s->left[gen_queue(s, &c)]++;
        if (gen_receives(c.kind)) {
            s->rx[1 - c.side].expected[rx_queue(s->n, c.pair)]++;
        }
    }
    s->emitted = 0;
    s->picked = 0;
    s->cycle = 0;
    s->step = 0;
    seed_sequences(s, number);
}

/* Time of the next operation: at least 1, as 0 means "no bound". */
static void advance(struct gen_stream *s)
{
    const struct gen_flow *f = s->n->flow;
    if (f->arrivals == GEN_EVERY) {
        s->next_ps += f->every_ps;
    } else if (f->arrivals == GEN_POISSON) {
        const uint64_t mean_q16 = (1000000000000ull << 16) / f->rate_per_s;
        const uint64_t gap_q16 = fx_mul(pcg_exponential(&s->time), mean_q16, 32);
        s->fraction_q16 += gap_q16 & 0xffff;
        s->next_ps += (gap_q16 >> 16) + (s->fraction_q16 >> 16);
        s->fraction_q16 &= 0xffff;
    }
}

bool gen_stream_init(struct gen_stream *s, const struct gen_plans *all, uint32_t number)
{
    const struct gen_plan *n = &all->plan[number];
    const struct gen_memory *m = &n->flow->memory;

    *s = (struct gen_stream){.all = all, .n = n, .sizes = n->flow->size};
    seed_sequences(s, number);
    if (!make_arrays(s) ||
        (m->mr_zipf_q32 && !zipf_init(&s->mr_zipf, (uint32_t)m->mrs, m->mr_zipf_q32))) {
        return false;
    }
    if (m->offsets == GEN_ZIPF) {
        const uint64_t pages = n->mr_bytes / 4096;
        if (!zipf_init(&s->page_zipf, pages ? (uint32_t)pages : 1, m->page_zipf_q32)) {
            return false;
        }
    }
    if (n->side[0].receives || n->side[1].receives || n->flow->signal_every > 1) {
        count_ahead(s, number);
    }
    if (n->flow->arrivals != GEN_ASAP) {
        s->next_ps = n->flow->start_ps + 1;
        advance(s);
    }
    return true;
}

void gen_stream_free(struct gen_stream *s)
{
    zipf_free(&s->mr_zipf);
    zipf_free(&s->page_zipf);
    free(s->memory);
}

/* ---- operations ---- */

/* The recv number `posted` of a queue. */
static enum hct_status put_recv(struct gen_stream *s, hct_writer *w, uint32_t side, uint32_t pair,
                                uint64_t *next_id, struct gen_result *result)
{
    const struct gen_plan *n = s->n;
    const struct gen_side *to = &n->side[side];
    const uint32_t queue = rx_queue(n, pair);
    const uint32_t guest = pair % n->used;
    const uint64_t at = s->rx[side].posted[queue];
    const uint64_t base = n->flow->srq ? 0 : (uint64_t)(pair / n->used) * n->rx_depth;
    uint64_t *ring = &s->rx[side].ring[(uint64_t)queue * n->rx_depth + at % n->rx_depth];
    struct hct_op op = hct_op_none();

    op.id = (*next_id)++;
    op.kind = HCT_RECV;
    op.qp = n->flow->srq ? HCT_NONE : n->qp + 2 * pair + side;
    op.srq = n->flow->srq ? to->srq + guest : HCT_NONE;
    gen_recv_list(n, to->recv_mr + guest, (base + at % n->rx_depth) * n->recv_slot_bytes, &op);
    if (at >= n->rx_depth) {
        op.dep[op.dep_count++] =
            (struct hct_dep){.type = HCT_DEP_WINDOW, .window_ops = n->rx_depth, .op = *ring};
    }
    *ring = op.id;
    s->rx[side].posted[queue]++;
    result->recvs++;
    return hct_put_op(w, &op);
}

enum hct_status gen_stream_prefill(struct gen_stream *s, hct_writer *w, uint64_t *next_id,
                                   struct gen_result *result)
{
    const struct gen_plan *n = s->n;
    enum hct_status st = HCT_OK;

    for (uint32_t side = 0; side < n->sides; side++) {
        for (uint32_t q = 0; n->side[side].receives && q < n->rx_queues; q++) {
            const uint64_t want = s->rx[side].expected[q];
            for (uint64_t i = 0; i < want && i < n->rx_depth && st == HCT_OK; i++) {
                st = put_recv(s, w, side, q, next_id, result);
            }
        }
    }
    return st;
}

/* `payload: recorded` writes out the bytes that `pattern` names by their seed. */
static enum hct_status put_bytes(const struct hct_op *op, uint64_t seed, hct_writer *w)
{
    uint8_t chunk[4096];
    const uint64_t bytes = hct_op_bytes(op);
    enum hct_status st = HCT_OK;

    for (uint64_t off = 0; off < bytes && st == HCT_OK; off += sizeof chunk) {
        const uint64_t n = bytes - off < sizeof chunk ? bytes - off : sizeof chunk;
        hct_pattern(seed, off, chunk, (size_t)n);
        st = hct_put_payload(w, off, chunk, n);
    }
    return st;
}

enum hct_status gen_stream_next(struct gen_stream *s, hct_writer *w, uint64_t *next_id,
                                struct gen_result *result)
{
    const struct gen_choice c = gen_choose(s);
    const uint64_t queue = gen_queue(s, &c);
    struct hct_op op = hct_op_none();

    s->left[queue]--;
    op.id = (*next_id)++;
    op.t_ps = s->next_ps;
    op.kind = (uint8_t)c.kind;
    gen_fill(s, &c, s->posted[queue]++, &op);
    advance(s);
    const uint64_t seed = op.payload_seed;
    if (op.payload == HCT_PAYLOAD_RECORDED) {
        op.payload_seed = 0;
    }
    result->ops++;
    result->bytes += hct_op_bytes(&op);
    enum hct_status st = hct_put_op(w, &op);
    if (st == HCT_OK && op.payload == HCT_PAYLOAD_RECORDED) {
        st = put_bytes(&op, seed, w);
    }
    if (st == HCT_OK && gen_receives(c.kind)) {
        const uint32_t to = 1 - c.side;
        const uint32_t rq = rx_queue(s->n, c.pair);
        if (s->rx[to].posted[rq] < s->rx[to].expected[rq]) {
            st = put_recv(s, w, to, c.pair, next_id, result);
        }
    }
    return st;
}
