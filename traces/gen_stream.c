/* Operations of one flow, one after the other. */
#include "traces/gen_stream.h"

#include <stdlib.h>

/* ---- choices ---- */

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

/* Only `kind` and `pick` are drawn from here, so that counting messages beforehand costs no size
 * and no address, and can be repeated. */
static struct gen_choice choose(struct gen_stream *s)
{
    const struct gen_flow *f = s->n->flow;
    const uint32_t pairs = s->n->pairs;
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

static uint32_t rx_queue(const struct gen_plan *n, uint32_t pair)
{
    return n->flow->srq ? pair % n->used : pair;
}

/* ---- start ---- */

/* One PCG32 sequence per purpose and flow, all from one seed. */
static void seed_sequences(struct gen_stream *s, uint32_t number)
{
    const uint64_t seed = s->all->spec->seed;
    struct pcg *const p[] = {&s->kind, &s->pick, &s->size, &s->place, &s->time};
    for (uint32_t i = 0; i < 5; i++) {
        pcg_seed(p[i], seed, (uint64_t)number * 8 + i);
    }
}

/* One allocation; gen_plan.c has bounded its size (GEN_SLOTS_MAX). */
static bool make_arrays(struct gen_stream *s)
{
    const struct gen_plan *n = s->n;
    const uint64_t queues = (uint64_t)n->pairs * n->sides;
    uint64_t words = queues * (3 + n->window);

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
    s->ring = at + 3 * queues;
    at += queues * (3 + n->window);
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

/* Goes through all choices once: the number of recvs of each queue must be known beforehand. */
static void count_messages(struct gen_stream *s, uint32_t number)
{
    for (uint64_t i = 0; i < s->n->flow->ops; i++) {
        const struct gen_choice c = choose(s);
        if (gen_receives(c.kind)) {
            s->rx[1 - c.side].expected[rx_queue(s->n, c.pair)]++;
        }
    }
    s->emitted = 0;
    s->picked = 0;
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
    if (n->side[0].receives || n->side[1].receives) {
        count_messages(s, number);
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

/* ---- addresses ---- */

/* Offsets leave room for the whole operation: generated traffic never leaves its MR. */
static uint64_t pick_offset(struct gen_stream *s, const struct gen_choice *c, uint64_t bytes)
{
    const struct gen_plan *n = s->n;
    const struct gen_memory *m = &n->flow->memory;
    const uint64_t room = n->mr_bytes - bytes;

    switch (m->offsets) {
    case GEN_FIXED: {
        const uint64_t slot = c->pair / n->used / m->mrs;
        return slot % (n->mr_bytes / n->slot_bytes) * n->slot_bytes;
    }
    case GEN_SEQUENTIAL: {
        const uint64_t at = s->cursor[(uint64_t)c->pair * n->sides + c->side];
        return at <= room ? at : 0;
    }
    case GEN_RANDOM: return pcg_below(&s->place, room / m->align + 1) * m->align;
    default: {
        const uint64_t in_page = m->align < 4096 ? 4096 / m->align : 1;
        uint64_t at = (uint64_t)zipf_next(&s->page_zipf, &s->place) * 4096;
        at += pcg_below(&s->place, in_page) * m->align;
        at = at <= room ? at : room;
        return at / m->align * m->align;
    }
    }
}

/* Zipf and random offsets draw the region; the other layouts keep a pair in one. */
static uint32_t pick_mr(struct gen_stream *s, const struct gen_choice *c, uint32_t side)
{
    const struct gen_plan *n = s->n;
    const struct gen_memory *m = &n->flow->memory;
    const uint32_t guest = c->pair % n->used;
    uint64_t i = 0;

    if (m->mr_zipf_q32) {
        i = zipf_next(&s->mr_zipf, &s->place);
    } else if (m->offsets == GEN_RANDOM || m->offsets == GEN_ZIPF) {
        i = pcg_below(&s->place, m->mrs);
    } else {
        i = c->pair / n->used % m->mrs;
    }
    return n->side[side].mr + (uint32_t)(guest * m->mrs + i);
}

/* The sequential cursor moves once per operation and serves both ends. */
static void move_cursor(struct gen_stream *s, const struct gen_choice *c, uint64_t bytes)
{
    const struct gen_memory *m = &s->n->flow->memory;
    uint64_t *at = &s->cursor[(uint64_t)c->pair * s->n->sides + c->side];
    const uint64_t step = m->stride ? m->stride : gen_round_up(bytes ? bytes : 1, m->align);

    *at = *at <= s->n->mr_bytes - bytes ? *at + step : step;
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
    const uint32_t grh = n->flow->transport == HCT_QP_UD ? 40 : 0;
    uint64_t *ring = &s->rx[side].ring[(uint64_t)queue * n->rx_depth + at % n->rx_depth];
    struct hct_op op = hct_op_none();

    op.id = (*next_id)++;
    op.kind = HCT_RECV;
    op.qp = n->flow->srq ? HCT_NONE : n->qp + 2 * pair + side;
    op.srq = n->flow->srq ? to->srq + guest : HCT_NONE;
    op.sge[0] = (struct hct_sge){.mr = to->recv_mr + guest,
                                 .len_bytes = n->flow->size.max + grh,
                                 .off_bytes = (base + at % n->rx_depth) * n->recv_slot_bytes};
    op.sge_count = op.sge[0].len_bytes ? 1 : 0;
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

/* Reads and atomics carry no pattern: replay would write it to the target first, under the feet of
 * the writes of the same trace. */
static void set_data(struct gen_stream *s, const struct gen_choice *c, struct hct_op *op)
{
    const struct gen_plan *n = s->n;
    const bool atomic = c->kind == HCT_CAS || c->kind == HCT_FAA;
    const uint32_t bytes = atomic ? 8 : sizes_next(&s->sizes, &s->size);

    op->sge_count = 1;
    op->sge[0] = (struct hct_sge){
        .mr = pick_mr(s, c, c->side), .len_bytes = bytes, .off_bytes = pick_offset(s, c, bytes)};
    if (c->kind == HCT_WRITE || c->kind == HCT_WRITE_IMM || gen_one_sided(c->kind)) {
        op->remote_mr = pick_mr(s, c, 1 - c->side);
        op->remote_off_bytes = pick_offset(s, c, bytes);
    }
    if (n->flow->memory.offsets == GEN_SEQUENTIAL) {
        move_cursor(s, c, bytes);
    }
    op->imm = c->kind == HCT_SEND_IMM || c->kind == HCT_WRITE_IMM ? (uint32_t)op->id : 0;
    op->swap_add = c->kind == HCT_FAA ? 1 : c->kind == HCT_CAS ? op->id : 0;
    if (n->flow->payload == HCT_PAYLOAD_PATTERN && c->kind <= HCT_WRITE_IMM) {
        op->payload = HCT_PAYLOAD_PATTERN;
        op->payload_seed = s->all->spec->seed << 40 ^ op->id; /* compresses well */
    }
}

/* MORE holds back the doorbell until the last op of a batch; the last op of all never waits. */
static uint16_t flags_of(const struct gen_stream *s, const struct gen_choice *c, uint64_t posted,
                         uint32_t bytes)
{
    const struct gen_flow *f = s->n->flow;
    uint32_t flags = (posted + 1) % f->signal_every == 0 ? HCT_SIGNALED : 0;

    flags |= f->solicited && gen_receives(c->kind) ? HCT_SOLICITED : 0;
    flags |= c->kind <= HCT_WRITE_IMM && bytes && bytes <= f->inline_max ? HCT_INLINE : 0;
    flags |= (posted + 1) % f->batch && s->emitted < f->ops ? HCT_MORE : 0;
    return (uint16_t)flags;
}

/* A DMA stream has no QP; the function is that of its guest. */
static void set_queue(const struct gen_stream *s, const struct gen_choice *c, struct hct_op *op)
{
    const struct gen_plan *n = s->n;
    if (n->flow->pattern == GEN_DMA) {
        op->fn = gen_fn(s->all, n->side[0].host, c->pair);
        return;
    }
    op->qp = n->qp + 2 * c->pair + c->side;
    if (n->flow->transport == HCT_QP_UD) {
        op->ud_qp = op->qp ^ 1; /* pairs begin at even ids */
        op->ah = n->side[c->side].ah + c->pair % n->used;
    }
}

/* lat: the answer waits for what the last op of the pair did. bw and dma: an op takes over the slot
 * of the op `window` earlier on its queue. */
static void set_deps(struct gen_stream *s, const struct gen_choice *c, uint64_t posted,
                     struct hct_op *op)
{
    const struct gen_plan *n = s->n;
    const struct gen_flow *f = n->flow;
    const uint64_t queue = (uint64_t)c->pair * n->sides + c->side;
    struct hct_dep *d = &op->dep[0];

    if (f->pattern == GEN_LAT) {
        uint64_t *last = &s->last[(uint64_t)c->pair * n->sides];
        if (s->emitted > n->pairs) {
            *d = (struct hct_dep){.type = (uint8_t)f->depend, .op = *last, .think_ps = f->think_ps};
            op->dep_count = 1;
        }
        *last = op->id;
    } else if (n->window) {
        uint64_t *slot = &s->ring[queue * n->window + posted % n->window];
        if (posted >= n->window) {
            const bool dma = f->pattern == GEN_DMA; /* streams may share the queue of a function */
            *d = (struct hct_dep){.type = dma ? HCT_DEP_LOCAL : HCT_DEP_WINDOW,
                                  .window_ops = dma ? 0 : n->window,
                                  .op = *slot,
                                  .think_ps = f->think_ps};
            op->dep_count = 1;
        }
        *slot = op->id;
    }
}

enum hct_status gen_stream_next(struct gen_stream *s, hct_writer *w, uint64_t *next_id,
                                struct gen_result *result)
{
    const struct gen_choice c = choose(s);
    const uint64_t posted = s->posted[(uint64_t)c.pair * s->n->sides + c.side]++;
    struct hct_op op = hct_op_none();

    op.id = (*next_id)++;
    op.t_ps = s->next_ps;
    op.kind = (uint8_t)c.kind;
    set_queue(s, &c, &op);
    set_data(s, &c, &op);
    op.flags = s->n->flow->pattern == GEN_DMA ? 0 : flags_of(s, &c, posted, op.sge[0].len_bytes);
    set_deps(s, &c, posted, &op);
    advance(s);
    result->ops++;
    result->bytes += op.sge[0].len_bytes;
    enum hct_status st = hct_put_op(w, &op);
    if (st == HCT_OK && gen_receives(c.kind)) {
        const uint32_t to = 1 - c.side;
        const uint32_t queue = rx_queue(s->n, c.pair);
        if (s->rx[to].posted[queue] < s->rx[to].expected[queue]) {
            st = put_recv(s, w, to, c.pair, next_id, result);
        }
    }
    return st;
}
