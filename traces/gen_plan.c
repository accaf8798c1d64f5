/* From a specification to objects: how many of each, and which ids. */
#include "traces/gen_plan.h"

#include <inttypes.h>
#include <stdarg.h>

#include "traces/hct_schema.h"

bool gen_bad(const struct gen_place *p, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)hct_fail(p->err, HCT_USAGE, "%s:%u: flow \"%s\": %s", p->file, p->flow->line,
                   p->flow->name, text);
    return false;
}

/* UC and UD lose a message that finds no receive, so theirs always have a window. */
static bool is_lossy(const struct gen_flow *f)
{
    bool receives = false;
    for (uint32_t k = 0; k < HCT_KIND_COUNT; k++) {
        receives |= f->weight[k] && gen_receives(k);
    }
    return receives && f->transport != HCT_QP_RC && f->pattern != GEN_DMA;
}

uint64_t gen_window(const struct gen_flow *f)
{
    if (f->window || (f->arrivals != GEN_ASAP && !is_lossy(f))) {
        return f->window; /* 0: only the rate holds it back */
    }
    return f->pattern == GEN_REG ? 4 : 64;
}

static uint32_t clamp(uint64_t x, uint64_t lo, uint64_t hi)
{
    return (uint32_t)(x < lo ? lo : x > hi ? hi : x);
}

/* Pairs of guest 0, which has the most. */
static uint64_t pairs_of_guest(const struct gen_plan *n)
{
    return (n->pairs + n->used - 1) / n->used;
}

/* Pieces of one message, and the room they take on the posting side. */
static void plan_slots(struct gen_plan *n)
{
    const struct gen_flow *f = n->flow;
    const bool atomic = f->weight[HCT_CAS] || f->weight[HCT_FAA];
    const uint64_t largest = f->size.max > 8 || !atomic ? f->size.max : 8;
    const uint64_t grh = f->transport == HCT_QP_UD ? 40 : 0;

    n->slot_bytes = gen_round_up(gen_span(f, largest ? largest : 1), f->memory.align);
    n->use_bytes = gen_round_up(largest ? largest : 1, 64);
    n->recv_bytes = (f->pattern == GEN_REG ? f->request_bytes : f->size.max) + grh;
    n->recv_slot_bytes = gen_round_up(n->recv_bytes ? n->recv_bytes : 1, 64);
}

/* Receives that stand ready are cut to this much memory per guest, where RNR NAKs make up for it.
 */
enum { RECV_BYTES = 67108864, RECV_MIN = 4 };

static uint64_t affordable(const struct gen_plan *n, uint64_t depth, uint64_t queues)
{
    const uint64_t fit = RECV_BYTES / n->recv_slot_bytes / queues;
    const uint64_t most = fit > RECV_MIN ? fit : RECV_MIN;
    return n->lossy || depth < most ? depth : most;
}

/* Depths follow the window with room for as many again: a receive is posted anew only after the
 * completion of an old one was seen, and a queue that is always full would measure the queue. */
static void plan_queues(struct gen_plan *n)
{
    const struct gen_flow *f = n->flow;
    const uint64_t window = gen_window(f);
    const bool closed = f->arrivals == GEN_ASAP || n->lossy;
    const uint64_t posts = f->pattern == GEN_REG && f->uses > 2 ? f->uses + 1 : 3;
    const uint64_t room = f->pattern == GEN_REG ? 2 * window * posts : 2 * window;
    const uint64_t pairs = pairs_of_guest(n);

    n->window = f->pattern == GEN_LAT ? 0 : (uint32_t)window;
    n->fast = f->pattern == GEN_REG ? (uint32_t)(n->window * pairs) : 0;
    n->sq_depth = f->sq_depth ? (uint32_t)f->sq_depth : clamp(room, 64, GEN_DEPTH_MAX);
    const uint32_t deep = clamp(2 * window, closed ? 16 : 256, GEN_DEPTH_MAX);
    n->rq_depth = f->rq_depth ? (uint32_t)f->rq_depth : (uint32_t)affordable(n, deep, pairs);
    const uint64_t shared = f->rq_depth ? f->rq_depth : affordable(n, deep * pairs, 1);
    n->srq_depth = clamp(shared, 1, f->rq_depth ? 65536 : GEN_DEPTH_MAX);
    n->rx_queues = f->srq ? n->used : n->pairs;
    n->rx_depth = f->srq ? n->srq_depth : n->rq_depth;
    n->cq_depth = ((uint64_t)n->sq_depth + (f->srq ? 0 : n->rq_depth)) * (f->cq_per_qp ? 1 : pairs);
    n->cq_depth += f->srq ? n->srq_depth : 0;
}

/* Slots: the fixed layout gives each pair of a guest a place of its own. Receive buffers never
 * overlap, so that what arrived can be compared after the run; UD adds the 40 bytes of the GRH. */
static void plan_memory(struct gen_plan *n)
{
    const struct gen_memory *m = &n->flow->memory;
    const uint64_t per_mr = (pairs_of_guest(n) + m->mrs - 1) / m->mrs;
    const uint64_t roomy = n->slot_bytes > 1u << 20 ? n->slot_bytes : 1u << 20;
    const uint64_t queues = n->flow->srq ? 1 : pairs_of_guest(n);

    n->mr_bytes = m->mr_bytes               ? m->mr_bytes
                  : m->offsets == GEN_FIXED ? n->slot_bytes * per_mr
                                            : roomy;
    n->recv_mr_bytes = n->recv_slot_bytes * n->rx_depth * queues;
}

/* A side receives when messages that consume a receive come to it. */
static void plan_sides(struct gen_plan *n)
{
    const struct gen_flow *f = n->flow;
    bool receives = false;

    for (uint32_t k = 0; k < HCT_KIND_COUNT; k++) {
        receives |= f->weight[k] && gen_receives(k);
    }
    receives |= f->pattern == GEN_REG;
    n->sides = f->pattern == GEN_DMA ? 1 : 2;
    n->banks = f->bidirectional && f->pattern == GEN_BW ? 2 : 1;
    n->side[0] = (struct gen_side){.host = (uint32_t)f->from};
    n->side[1] = (struct gen_side){.host = (uint32_t)f->to, .receives = receives};
    n->side[0].receives = receives && (f->bidirectional || f->pattern == GEN_LAT ||
                                       f->pattern == GEN_REG); /* the answer */
    n->lossy = is_lossy(f);
}

/* Gives ids to the objects of a flow. */
static void plan_ids(struct gen_plans *all, struct gen_plan *n, uint64_t count[5])
{
    const bool dma = n->flow->pattern == GEN_DMA;

    for (uint32_t s = 0; s < n->sides; s++) {
        struct gen_side *side = &n->side[s];
        side->mr = (uint32_t)count[0];
        count[0] += (uint64_t)n->banks * n->used * n->flow->memory.mrs;
        side->recv_mr = (uint32_t)count[0];
        count[0] += side->receives ? n->used : 0;
        side->fast_mr = (uint32_t)count[0];
        count[0] += s == 0 ? (uint64_t)n->used * n->fast : 0;
        side->cqs = dma ? 0 : n->flow->cq_per_qp ? n->pairs : n->used;
        side->cq = (uint32_t)count[1];
        count[1] += side->cqs;
        side->srq = (uint32_t)count[2];
        count[2] += side->receives && n->flow->srq ? n->used : 0;
        side->ah = (uint32_t)count[3];
        count[3] += !dma && n->flow->transport == HCT_QP_UD ? n->used : 0;
        all->slots += (uint64_t)n->pairs * (n->window + 4);
        all->slots += side->receives ? (uint64_t)n->rx_queues * (n->rx_depth + 2) : 0;
    }
    n->qp = (uint32_t)count[4];
    count[4] += dma ? 0 : 2 * (uint64_t)n->pairs;
}

/* Limits of the format and of the simulated adapter, with the key that brings them down. */
static bool check_plan(const struct gen_place *p, const struct gen_plan *n)
{
    const struct gen_memory *m = &n->flow->memory;

    if (n->mr_bytes < n->slot_bytes || n->mr_bytes > GEN_MR_BYTES_MAX) {
        return gen_bad(p,
                       "memory: mr_bytes = %" PRIu64 ": must hold one slot of %" PRIu64
                       " bytes and be at most 1G (one page directory); use more mrs",
                       n->mr_bytes, n->slot_bytes);
    }
    if (m->offsets == GEN_ZIPF && n->mr_bytes / 4096 > ZIPF_MAX) {
        return gen_bad(p, "memory: offsets zipf covers at most %d pages of 4 KiB per MR", ZIPF_MAX);
    }
    if (n->recv_mr_bytes > GEN_MR_BYTES_MAX && (n->side[0].receives || n->side[1].receives)) {
        return gen_bad(p,
                       "receive buffers take %" PRIu64 " bytes per VM, at most 1G: lower "
                       "rq_depth, qps or size",
                       n->recv_mr_bytes);
    }
    if (n->fast && n->use_bytes * n->flow->uses > GEN_FAST_BYTES_MAX) {
        return gen_bad(p,
                       "uses of up to %" PRIu64 " bytes need %" PRIu64 " bytes in one fast "
                       "register, at most %d: lower uses or size",
                       n->use_bytes, n->use_bytes * n->flow->uses, GEN_FAST_BYTES_MAX);
    }
    const uint64_t sharing = n->flow->srq ? pairs_of_guest(n) : 1;
    if (n->lossy && n->rx_depth < (uint64_t)n->window * 2 * sharing) {
        return gen_bad(p,
                       "%" PRIu64 " receives stand ready, but UC and UD lose what finds none: "
                       "2 * window * QPs of the queue = %" PRIu64 " are needed",
                       (uint64_t)n->rx_depth, (uint64_t)n->window * 2 * sharing);
    }
    return n->cq_depth <= GEN_CQ_ENTRIES_MAX ||
           gen_bad(p,
                   "a CQ would need %" PRIu64 " entries, at most %d: use cq_per_qp: true, or lower "
                   "qps, window or rq_depth",
                   n->cq_depth, GEN_CQ_ENTRIES_MAX);
}

bool gen_make_plans(const char *file, const struct gen_spec *spec, struct gen_plans *out,
                    struct hct_error *err)
{
    uint64_t count[5] = {0};

    *out = (struct gen_plans){.spec = spec};
    out->fns_per_host = (uint32_t)(spec->adapters * spec->functions);
    out->guests_per_host = (uint32_t)(out->fns_per_host * spec->vms);
    for (uint32_t i = 0; i < spec->flows; i++) {
        struct gen_plan *n = &out->plan[i];
        const struct gen_place p = {file, &spec->flow[i], err};
        n->flow = &spec->flow[i];
        n->pairs = (uint32_t)n->flow->qps;
        n->used = n->pairs < out->guests_per_host ? n->pairs : out->guests_per_host;
        plan_sides(n);
        plan_slots(n);
        plan_queues(n);
        plan_memory(n);
        if (!check_plan(&p, n)) {
            return false;
        }
        plan_ids(out, n, count);
        for (uint32_t k = 0; k < 5; k++) {
            static const char *const name[] = {"MRs", "CQs", "SRQs", "address handles", "QPs"};
            if (count[k] > HCT_OBJECTS_MAX) {
                return gen_bad(&p, "up to here %" PRIu64 " %s, at most %d", count[k], name[k],
                               HCT_OBJECTS_MAX);
            }
        }
        if (out->slots > GEN_SLOTS_MAX) {
            return gen_bad(&p,
                           "windows and receive queues take %" PRIu64
                           " slots up to here, at most %d: lower qps, window or rq_depth",
                           out->slots, GEN_SLOTS_MAX);
        }
    }
    out->mrs = (uint32_t)count[0];
    out->cqs = (uint32_t)count[1];
    out->srqs = (uint32_t)count[2];
    out->ahs = (uint32_t)count[3];
    out->qps = (uint32_t)count[4];
    return true;
}
