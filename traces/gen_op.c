/* One operation of a flow: addresses, lists, flags, dependencies. */
#include "traces/gen_stream.h"

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
        const uint64_t at = s->cursor[gen_queue(s, c)];
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
    const uint32_t bank = side == c->side ? 0 : n->banks - 1;
    return n->side[side].mr + (uint32_t)((bank * n->used + guest) * m->mrs + i);
}

/* The sequential cursor moves once per operation and serves both ends. */
static void move_cursor(struct gen_stream *s, const struct gen_choice *c, uint64_t bytes)
{
    const struct gen_memory *m = &s->n->flow->memory;
    uint64_t *at = &s->cursor[gen_queue(s, c)];
    const uint64_t step = m->stride ? m->stride : gen_round_up(bytes ? bytes : 1, m->align);

    *at = *at <= s->n->mr_bytes - bytes ? *at + step : step;
}

/* ---- lists ---- */

/* Cuts `bytes` at off of an MR into pieces of any length and alignment, up to GEN_GAP_BYTES apart;
 * the last one takes the rest. One piece draws nothing. */
static void cut_list(struct gen_stream *s, uint32_t mr, uint64_t off, uint64_t bytes,
                     struct hct_op *op)
{
    const struct gen_flow *f = s->n->flow;
    const uint64_t span = f->sges[1] - f->sges[0] + 1;
    const uint32_t pieces = (uint32_t)(f->sges[0] + (span > 1 ? pcg_below(&s->cut, span) : 0));
    uint64_t rest = bytes;

    for (uint32_t i = 0; i < pieces; i++) {
        const uint64_t left = pieces - i;
        uint64_t len = rest;
        if (left > 1) {
            const uint64_t drawn = pcg_below(&s->cut, 2 * rest / left + 1);
            const bool none = f->sge_zero_q32 && pcg_next(&s->cut) < f->sge_zero_q32;
            len = none ? 0 : drawn < rest ? drawn : rest;
        }
        op->sge[i] = (struct hct_sge){.mr = mr, .len_bytes = (uint32_t)len, .off_bytes = off};
        rest -= len;
        off += len + (left > 1 ? pcg_below(&s->cut, GEN_GAP_BYTES + 1) : 0);
    }
    op->sge_count = (uint16_t)pieces;
}

/* Pieces side by side; the first one of a UD receive holds the whole GRH area. */
void gen_recv_list(const struct gen_plan *n, uint32_t mr, uint64_t off, struct hct_op *op)
{
    const uint32_t pieces = (uint32_t)n->flow->recv_sges;
    uint64_t rest = n->recv_bytes;

    for (uint32_t i = 0; i < pieces && (i == 0 || rest); i++) {
        uint64_t len = rest / (pieces - i);
        len = n->flow->transport == HCT_QP_UD && i == 0 && len < 40 ? 40 : len;
        op->sge[i] = (struct hct_sge){.mr = mr, .len_bytes = (uint32_t)len, .off_bytes = off};
        op->sge_count = (uint16_t)(rest ? i + 1 : 0);
        rest -= len;
        off += len;
    }
}

/* ---- data ---- */

static bool has_remote(uint32_t kind)
{
    return kind == HCT_WRITE || kind == HCT_WRITE_IMM || gen_one_sided(kind);
}

static uint32_t fast_mr(const struct gen_stream *s, const struct gen_choice *c)
{
    const struct gen_plan *n = s->n;
    return n->side[0].fast_mr + c->pair % n->used * n->fast + c->pair / n->used * n->window +
           c->slot;
}

static void set_remote(struct gen_stream *s, const struct gen_choice *c, uint32_t bytes,
                       struct hct_op *op)
{
    if (s->n->flow->pattern == GEN_REG) {
        op->remote_mr = fast_mr(s, c);
        op->remote_off_bytes = c->use * s->n->use_bytes;
    } else {
        op->remote_mr = pick_mr(s, c, 1 - c->side);
        op->remote_off_bytes = pick_offset(s, c, bytes);
    }
}

/* Reads and atomics carry no pattern: replay would write it to the target first, under the feet of
 * the writes of the same trace. */
static void set_data(struct gen_stream *s, const struct gen_choice *c, struct hct_op *op)
{
    const struct gen_flow *f = s->n->flow;
    const bool atomic = c->kind == HCT_CAS || c->kind == HCT_FAA;
    const bool asks = f->pattern == GEN_REG && c->kind <= HCT_SEND_INV;
    const uint32_t bytes = atomic ? 8
                           : asks ? (uint32_t)f->request_bytes
                                  : sizes_next(&s->sizes, &s->size);
    const uint64_t span = atomic ? bytes : gen_span(f, bytes);
    const uint32_t mr = pick_mr(s, c, c->side);
    const uint64_t off = pick_offset(s, c, span);

    if (atomic) {
        op->sge[0] = (struct hct_sge){.mr = mr, .len_bytes = bytes, .off_bytes = off};
        op->sge_count = 1;
    } else {
        cut_list(s, mr, off, bytes, op);
    }
    if (has_remote(c->kind)) {
        set_remote(s, c, bytes, op);
    }
    if (f->memory.offsets == GEN_SEQUENTIAL) {
        move_cursor(s, c, span);
    }
    op->imm = c->kind == HCT_SEND_IMM || c->kind == HCT_WRITE_IMM ? (uint32_t)op->id : 0;
    op->swap_add = c->kind == HCT_FAA ? 1 : c->kind == HCT_CAS ? op->id : 0;
    if (f->payload != HCT_PAYLOAD_ABSENT && c->kind <= HCT_WRITE_IMM) {
        op->payload = (uint8_t)f->payload;
        op->payload_seed = s->all->spec->seed << 40 ^ op->id; /* compresses well */
    }
}

/* MORE holds back the doorbell until the last op of a batch; the last op of all never waits. The
 * last op of a queue is always signalled: no later CQE would tell that it retired. The answer of a
 * cycle waits for the READs and atomics that use the memory it gives back. */
static uint16_t flags_of(const struct gen_stream *s, const struct gen_choice *c, uint64_t posted,
                         uint64_t bytes)
{
    const struct gen_flow *f = s->n->flow;
    const bool last = f->signal_every > 1 && s->left[gen_queue(s, c)] == 0;
    const bool reads = f->weight[HCT_READ] || f->weight[HCT_CAS] || f->weight[HCT_FAA];
    const bool answer = f->pattern == GEN_REG && c->side == 1 && c->kind <= HCT_SEND_INV;
    uint32_t flags = (posted + 1) % f->signal_every == 0 || last ? HCT_SIGNALED : 0;

    flags |= f->solicited && gen_receives(c->kind) ? HCT_SOLICITED : 0;
    flags |= c->kind <= HCT_WRITE_IMM && bytes && bytes <= f->inline_max ? HCT_INLINE : 0;
    flags |= (posted + 1) % f->batch && s->emitted < f->ops ? HCT_MORE : 0;
    flags |=
        (f->fence_every && (posted + 1) % f->fence_every == 0) || (answer && reads) ? HCT_FENCE : 0;
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

/* ---- dependencies ---- */

static void depend(struct hct_op *op, enum hct_names_dep type, uint64_t on, uint64_t think_ps)
{
    op->dep[op->dep_count++] =
        (struct hct_dep){.type = (uint8_t)type, .op = on, .think_ps = think_ps};
}

/* lat: the answer waits for what the last op of the pair did. */
static void set_answer_dep(struct gen_stream *s, const struct gen_choice *c, struct hct_op *op)
{
    const struct gen_flow *f = s->n->flow;
    uint64_t *last = &s->last[(uint64_t)c->pair * s->n->sides];

    if (s->emitted > s->n->pairs) {
        depend(op, (enum hct_names_dep)f->depend, *last, f->think_ps);
    }
    *last = op->id;
}

/* register: side 0 goes on in a slot when it saw the answer, side 1 when it saw the request. What
 * follows on the same queue needs no dependency, as a queue is worked off in order. */
static void set_cycle_deps(struct gen_stream *s, const struct gen_choice *c, struct hct_op *op)
{
    const uint32_t window = s->n->window;
    uint64_t *answer = &s->ring[(uint64_t)c->pair * 2 * window + c->slot];
    uint64_t *request = answer + window;

    if (c->starts && (c->side || c->again)) {
        depend(op, HCT_DEP_RECV, c->side ? *request : *answer, s->n->flow->think_ps);
    }
    if (c->kind <= HCT_SEND_INV) {
        *(c->side ? answer : request) = op->id;
    }
}

/* bw and dma: an op takes over the slot of the op `window` earlier on its queue. On UC and UD a
 * message also waits until the receiver saw the one that far back: there is no RNR NAK, and what
 * finds no receive is lost. A ring entry is an op id and whether that op consumes a receive. */
static void set_window_dep(struct gen_stream *s, const struct gen_choice *c, uint64_t posted,
                           struct hct_op *op)
{
    const struct gen_plan *n = s->n;
    const uint64_t think_ps = n->flow->think_ps;
    uint64_t *slot = &s->ring[gen_queue(s, c) * n->window + posted % n->window];

    if (posted >= n->window) {
        const bool dma =
            n->flow->pattern == GEN_DMA; /* streams may share the queue of a function */
        depend(op, dma ? HCT_DEP_LOCAL : HCT_DEP_WINDOW, *slot >> 1, think_ps);
        op->dep[0].window_ops = dma ? 0 : n->window;
        if (n->lossy && *slot & 1) {
            depend(op, HCT_DEP_RECV, *slot >> 1, think_ps);
        }
    }
    *slot = op->id << 1 | gen_receives(c->kind);
}

void gen_fill(struct gen_stream *s, const struct gen_choice *c, uint64_t posted, struct hct_op *op)
{
    const enum gen_pattern pattern = (enum gen_pattern)s->n->flow->pattern;

    set_queue(s, c, op);
    if (c->kind == HCT_FAST_REG || c->kind == HCT_LOCAL_INV || c->kind == HCT_SEND_INV) {
        op->key_mr = fast_mr(s, c);
        op->key_access = c->kind == HCT_FAST_REG ? GEN_ALL_RIGHTS : 0;
    }
    if (c->kind != HCT_FAST_REG && c->kind != HCT_LOCAL_INV) {
        set_data(s, c, op);
    }
    op->flags = pattern == GEN_DMA ? 0 : flags_of(s, c, posted, hct_op_bytes(op));
    if (pattern == GEN_LAT) {
        set_answer_dep(s, c, op);
    } else if (pattern == GEN_REG) {
        set_cycle_deps(s, c, op);
    } else if (s->n->window) {
        set_window_dep(s, c, posted, op);
    }
}
