/* Rules between the keys of a specification. */
#include <inttypes.h>

#include "traces/gen_plan.h"
#include "traces/gen_size.h"
#include "traces/hct_schema.h"

/* Smallest size that can come; a lognormal size is cut at 1. */
static uint64_t size_min(const struct sizes *s)
{
    uint64_t min = s->kind == SIZE_LOGNORMAL ? 1 : UINT64_MAX;
    for (uint32_t i = 0; s->kind != SIZE_LOGNORMAL && i < s->points; i++) {
        min = s->bytes[i] < min ? s->bytes[i] : min;
    }
    return min;
}

/* Which kinds go with the pattern and the transport? */
static bool check_kinds(const struct gen_place *p, struct gen_flow *f)
{
    f->weight_sum = 0;
    for (uint32_t k = 0; k < HCT_KIND_COUNT; k++) {
        char name[32];
        if (!f->weight[k]) {
            continue;
        }
        f->weight_sum += f->weight[k];
        hct_name(hct_text_kind, k, name, sizeof name);
        const bool dma = k >= HCT_DMA_READ;
        if (k == HCT_RECV) {
            return gen_bad(p, "op recv cannot be asked for: receives are added by themselves");
        }
        if (k == HCT_SEND_INV || k == HCT_LOCAL_INV || k == HCT_FAST_REG) {
            return gen_bad(p, "op %s: pattern: register adds it by itself around its op", name);
        }
        if (f->pattern == GEN_REG && k != HCT_WRITE && !gen_one_sided(k)) {
            return gen_bad(p, "op %s: pattern: register has write, read, cas and faa", name);
        }
        if (dma != (f->pattern == GEN_DMA)) {
            return gen_bad(p, "op %s: dma_* ops and no others belong to pattern: dma", name);
        }
        if (!dma && f->transport == HCT_QP_UD && k != HCT_SEND && k != HCT_SEND_IMM) {
            return gen_bad(p, "op %s: UD has send and send_imm only", name);
        }
        if (f->transport == HCT_QP_UC && gen_one_sided(k)) {
            return gen_bad(p, "op %s: UC has no reads and atomics; use transport: RC", name);
        }
    }
    return f->weight_sum > 0 || gen_bad(p, "mix: at least one weight must be above 0");
}

/* A ping-pong needs to know what the answering side waits for. perftest: write_lat polls the last
 * byte of its buffer (visible), send_lat polls its receive CQ (recv), read_lat and atomic_lat are
 * one-sided and wait for their own completion (local). */
static bool check_lat(const struct gen_place *p, struct gen_flow *f)
{
    bool one = false;
    bool two = false;
    bool recv = true;

    for (uint32_t k = 0; k < HCT_KIND_COUNT; k++) {
        if (f->weight[k]) {
            one |= gen_one_sided(k);
            two |= !gen_one_sided(k);
            recv &= gen_receives(k);
        }
    }
    if (one && two) {
        return gen_bad(p, "pattern lat: reads and atomics do not alternate with sends and writes");
    }
    if (f->bidirectional || f->window > 1 || f->batch > 1 || f->arrivals != GEN_ASAP ||
        f->signal_every > 1) {
        return gen_bad(p,
                       "pattern lat has one op in flight: leave out window, batch, bidirectional, "
                       "arrivals, signal_every");
    }
    const uint64_t right = one ? HCT_DEP_LOCAL : recv ? HCT_DEP_RECV : HCT_DEP_VISIBLE;
    if (f->depend == 0) {
        f->depend = right;
    }
    if ((f->depend == HCT_DEP_LOCAL) != one || (f->depend == HCT_DEP_RECV && !recv)) {
        return gen_bad(p,
                       "depend: local goes with reads and atomics, recv with send and write_imm, "
                       "visible with sends and writes");
    }
    return true;
}

/* The answering side uses what the asking side registers, one cycle per window slot. */
static bool check_register(const struct gen_place *p, const struct gen_flow *f)
{
    if (f->pattern != GEN_REG) {
        return (f->uses == 1 && f->request_bytes == 64 && !f->local_inv) ||
               gen_bad(p, "uses, request_bytes and invalidate go with pattern: register");
    }
    if (f->transport != HCT_QP_RC) {
        return gen_bad(p,
                       "pattern register: only RC registers and invalidates; leave transport out");
    }
    return (!f->bidirectional && f->batch == 1 && f->arrivals == GEN_ASAP && !f->fence_every) ||
           gen_bad(p, "pattern register sets its own order: leave out bidirectional, batch, "
                      "arrivals, fence_every");
}

/* Lists of pieces and fences. */
static bool check_lists(const struct gen_place *p, const struct gen_flow *f)
{
    if (f->pattern == GEN_DMA && (f->sges[1] > 1 || f->recv_sges > 1)) {
        return gen_bad(p, "a DMA has one piece: leave out sges and recv_sges");
    }
    if (f->sge_zero_q32 && f->sges[1] == 1) {
        return gen_bad(p, "sge_zero goes with sges above 1");
    }
    return !f->fence_every || (f->transport == HCT_QP_RC && f->pattern != GEN_DMA) ||
           gen_bad(p, "fence_every: only RC has fences");
}

/* An unsignalled op retires when a later signalled one of its queue completes. When a whole window
 * is unsignalled no slot ever comes free, so signal_every and batch must fit into the window. */
static bool check_rates(const struct gen_place *p, const struct gen_flow *f)
{
    const uint64_t gap_ps = f->arrivals == GEN_EVERY     ? f->every_ps
                            : f->arrivals == GEN_POISSON ? 1000000000000ull / f->rate_per_s + 1
                                                         : 0;
    const uint64_t in_flight = gen_window(f);

    if (gap_ps && f->ops > (HCT_TIME_PS_MAX >> 1) / gap_ps) {
        return gen_bad(p, "ops = %" PRIu64 " at this rate last longer than 26 days; use fewer ops",
                       f->ops);
    }
    if (f->pattern != GEN_REG && in_flight &&
        (f->batch > in_flight || f->signal_every > in_flight)) {
        return gen_bad(p,
                       "batch and signal_every must not be above window = %" PRIu64
                       ": the queue could never go on",
                       in_flight);
    }
    if (f->sq_depth && f->sq_depth < (in_flight > f->signal_every ? in_flight : f->signal_every)) {
        return gen_bad(p, "sq_depth = %" PRIu64 ": must be at least window and signal_every",
                       f->sq_depth);
    }
    return f->batch <= 64 || gen_bad(p, "batch = %" PRIu64 ": at most 64", f->batch);
}

/* Atomics need addresses that are multiples of 8 (IBA: else a NAK, which is for tests, not for
 * generated traffic). */
static bool check_memory(const struct gen_place *p, const struct gen_flow *f)
{
    const struct gen_memory *m = &f->memory;
    const bool atomic = f->weight[HCT_CAS] || f->weight[HCT_FAA];

    if (atomic && (m->align % 8 || m->stride % 8)) {
        return gen_bad(p, "memory: align and stride must be multiples of 8 for atomics");
    }
    if (m->offsets != GEN_ZIPF && m->page_zipf_q32) {
        return gen_bad(p, "memory: page_zipf goes with offsets: zipf");
    }
    if (m->offsets != GEN_SEQUENTIAL && m->stride) {
        return gen_bad(p, "memory: stride goes with offsets: sequential");
    }
    if (m->layout != HCT_LAYOUT_HUGE && m->layout != HCT_LAYOUT_ALIAS && m->layout_arg) {
        return gen_bad(p,
                       "memory: layout_arg goes with layout: huge (1/1000 of 2 MiB pages) or alias "
                       "(bytes)");
    }
    if ((m->layout == HCT_LAYOUT_HUGE && m->layout_arg > 1000) ||
        (m->layout == HCT_LAYOUT_ALIAS &&
         (m->layout_arg < 4096 || m->layout_arg & (m->layout_arg - 1)))) {
        return gen_bad(p,
                       "memory: layout_arg = %" PRIu64
                       ": huge: 0..1000; alias: a power of two of 4096 or more",
                       m->layout_arg);
    }
    return true;
}

/* `to` is filled in here as its default depends on the number of hosts. */
static bool check_flow(const struct gen_place *p, struct gen_flow *f, const struct gen_spec *spec)
{
    const uint64_t guests = spec->adapters * spec->functions * spec->vms;

    if (f->to == UINT32_MAX) {
        f->to = (f->from + 1) % spec->hosts;
    }
    if (f->from >= spec->hosts || f->to >= spec->hosts) {
        return gen_bad(p, "from = %" PRIu64 ", to = %" PRIu64 ": hosts are 0..%" PRIu64, f->from,
                       f->to, spec->hosts - 1);
    }
    if (f->mtu & (f->mtu - 1)) {
        return gen_bad(p, "mtu = %" PRIu64 ": not 256, 512, 1024, 2048 or 4096", f->mtu);
    }
    if (f->pattern == GEN_DMA && f->qps > guests) {
        return gen_bad(p, "qps = %" PRIu64 ": a dma flow has one stream per VM, at most %" PRIu64,
                       f->qps, guests);
    }
    if (f->pattern == GEN_DMA && size_min(&f->size) == 0) {
        return gen_bad(p, "size 0: a DMA moves at least 1 byte");
    }
    if (f->pattern != GEN_DMA && f->transport == HCT_QP_UD && f->size.max > f->mtu) {
        return gen_bad(p, "size up to %u: a UD message is at most one MTU, %" PRIu64 " bytes",
                       f->size.max, f->mtu);
    }
    if (f->pattern != GEN_LAT && f->depend) {
        return gen_bad(p, "depend goes with pattern: lat");
    }
    return check_kinds(p, f) && (f->pattern != GEN_LAT || check_lat(p, f)) &&
           check_register(p, f) && check_lists(p, f) && check_rates(p, f) && check_memory(p, f);
}

/* The plans are made once for their limits, and again when the trace is written. */
bool gen_check(const char *file, struct gen_spec *spec, struct hct_error *err)
{
    for (uint32_t i = 0; i < spec->flows; i++) {
        const struct gen_place p = {file, &spec->flow[i], err};
        if (!check_flow(&p, &spec->flow[i], spec)) {
            return false;
        }
    }
    const uint64_t fns = spec->hosts * spec->adapters * spec->functions;
    if (fns > HCT_FNS_MAX || fns * spec->vms > HCT_OBJECTS_MAX) {
        (void)hct_fail(err, HCT_USAGE,
                       "%s: %" PRIu64 " functions and %" PRIu64 " VMs in all: at most %d and %d",
                       file, fns, fns * spec->vms, HCT_FNS_MAX, HCT_OBJECTS_MAX);
        return false;
    }
    struct gen_plans plans;
    return gen_make_plans(file, spec, &plans, err);
}
