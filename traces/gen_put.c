/* Writes the trace of a specification: notes, resources, then all flows merged. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "traces/gen_stream.h"
#include "traces/hct_schema.h"

/* Notes hold no time and no host name: the same specification gives the same bytes. */
static bool put_notes(const struct gen_plans *all, hct_writer *w)
{
    char seed[32];
    const char *text = all->spec->text ? all->spec->text : "";
    const size_t bytes = strlen(text);

    (void)snprintf(seed, sizeof seed, "%" PRIu64, all->spec->seed);
    bool ok = hct_put_note(w, "origin", "generated") == HCT_OK &&
              hct_put_note(w, "creator", "hcasim trace gen, format 1.0") == HCT_OK &&
              hct_put_note(w, "seed", seed) == HCT_OK;
    /* A specification longer than a note goes into several. */
    for (size_t at = 0; ok && at < bytes; at += HCT_NOTE_BYTES) {
        char *part = strndup(text + at, HCT_NOTE_BYTES);
        ok = part && hct_put_note(w, "spec", part) == HCT_OK;
        free(part);
    }
    return ok;
}

/* One PD per guest: a VM cannot use the keys of another behind the same function. */
static bool put_hosts(const struct gen_plans *all, hct_writer *w)
{
    const struct gen_spec *spec = all->spec;
    bool ok = all->fns_per_host > 0 && all->guests_per_host > 0;

    for (uint32_t h = 0; ok && h < spec->hosts; h++) {
        struct hct_host host = {.id = h};
        (void)snprintf(host.name, sizeof host.name, "host%u", h);
        ok = hct_put_host(w, &host) == HCT_OK;
    }
    for (uint32_t i = 0; ok && i < (uint32_t)spec->hosts * all->fns_per_host; i++) {
        const uint32_t f = i % all->fns_per_host;
        const struct hct_fn fn = {.id = i,
                                  .host = i / all->fns_per_host,
                                  .hca = (uint16_t)(f / spec->functions),
                                  .index = (uint16_t)(f % spec->functions),
                                  .vm = gen_vm(all, f)};
        ok = hct_put_fn(w, &fn) == HCT_OK;
    }
    for (uint32_t i = 0; ok && i < (uint32_t)spec->hosts * all->guests_per_host; i++) {
        const uint32_t h = i / all->guests_per_host;
        const struct hct_pd pd = {.id = i, .fn = gen_fn(all, h, i % all->guests_per_host)};
        ok = hct_put_pd(w, &pd) == HCT_OK;
    }
    return ok;
}

static uint32_t guest_pd(const struct gen_plans *all, const struct gen_side *side, uint32_t guest)
{
    return side->host * all->guests_per_host + guest;
}

/* One MR; addresses rise over the whole trace so that no two MRs meet in one function. */
static bool put_mr(const struct gen_plans *all, hct_writer *w, const struct gen_plan *n,
                   const struct gen_side *side, uint32_t guest, uint32_t id, uint64_t bytes,
                   uint32_t flags, uint64_t *va)
{
    const struct gen_memory *m = &n->flow->memory;
    const uint64_t page = bytes >= 1u << 21 ? 1u << 21 : 4096;

    *va = gen_round_up(*va, page);
    const struct hct_mr mr = {.id = id,
                              .pd = guest_pd(all, side, guest),
                              .vm = gen_vm(all, guest),
                              .va = *va,
                              .len_bytes = bytes,
                              .access = GEN_ALL_RIGHTS,
                              .flags = flags,
                              .layout = (uint8_t)m->layout,
                              .layout_arg = m->layout_arg};
    *va += gen_round_up(bytes, page);
    return hct_put_mr(w, &mr) == HCT_OK;
}

/* In the order of their ids: flow by flow, side by side: data, receive, fast regions. */
static bool put_mrs(const struct gen_plans *all, hct_writer *w)
{
    uint64_t va = 1ull << 32;
    bool ok = true;

    for (uint32_t i = 0; i < all->spec->flows; i++) {
        const struct gen_plan *n = &all->plan[i];
        for (uint32_t s = 0; s < n->sides; s++) {
            const struct gen_side *side = &n->side[s];
            const uint32_t mrs = (uint32_t)n->flow->memory.mrs;
            for (uint32_t k = 0; ok && k < n->banks * n->used * mrs; k++) {
                ok = put_mr(all, w, n, side, k / mrs % n->used, side->mr + k, n->mr_bytes, 0, &va);
            }
            for (uint32_t g = 0; ok && side->receives && g < n->used; g++) {
                ok = put_mr(all, w, n, side, g, side->recv_mr + g, n->recv_mr_bytes, 0, &va);
            }
            for (uint32_t k = 0; ok && s == 0 && k < n->used * n->fast; k++) {
                ok = put_mr(all, w, n, side, k / n->fast, side->fast_mr + k,
                            n->use_bytes * n->flow->uses, HCT_MR_FAST, &va);
            }
        }
    }
    return ok;
}

static bool put_queues(const struct gen_plans *all, hct_writer *w)
{
    bool ok = true;
    for (uint32_t i = 0; i < all->spec->flows; i++) {
        const struct gen_plan *n = &all->plan[i];
        for (uint32_t s = 0; s < n->sides; s++) {
            const struct gen_side *side = &n->side[s];
            for (uint32_t k = 0; ok && k < side->cqs; k++) {
                const struct hct_cq cq = {.id = side->cq + k,
                                          .fn = gen_fn(all, side->host, k % n->used),
                                          .depth_entries = (uint32_t)n->cq_depth,
                                          .notify = (uint8_t)n->flow->notify};
                ok = hct_put_cq(w, &cq) == HCT_OK;
            }
            for (uint32_t g = 0; ok && side->receives && n->flow->srq && g < n->used; g++) {
                const struct hct_srq srq = {.id = side->srq + g,
                                            .pd = guest_pd(all, side, g),
                                            .depth_entries = n->srq_depth,
                                            .sge_max = (uint8_t)n->flow->recv_sges};
                ok = hct_put_srq(w, &srq) == HCT_OK;
            }
            const bool ud = n->flow->pattern != GEN_DMA && n->flow->transport == HCT_QP_UD;
            for (uint32_t g = 0; ok && ud && g < n->used; g++) {
                const struct hct_ah ah = {.id = side->ah + g,
                                          .pd = guest_pd(all, side, g),
                                          .dest_fn = gen_fn(all, n->side[1 - s].host, g),
                                          .sl = (uint8_t)n->flow->sl,
                                          .traffic_class = (uint8_t)n->flow->traffic_class};
                ok = hct_put_ah(w, &ah) == HCT_OK;
            }
        }
    }
    return ok;
}

static struct hct_qp make_qp(const struct gen_plans *all, const struct gen_plan *n, uint32_t pair,
                             uint32_t s)
{
    const struct gen_flow *f = n->flow;
    const struct gen_side *side = &n->side[s];
    const uint32_t guest = pair % n->used;
    const uint32_t id = n->qp + 2 * pair + s;
    const uint32_t cq = side->cq + (f->cq_per_qp ? pair : guest);

    return (struct hct_qp){
        .id = id,
        .pd = guest_pd(all, side, guest),
        .type = (uint8_t)f->transport,
        .format = (uint8_t)f->format,
        .peer = f->transport == HCT_QP_UD ? HCT_NONE : id ^ 1,
        .send_cq = cq,
        .recv_cq = cq,
        .srq = side->receives && f->srq ? side->srq + guest : HCT_NONE,
        .mtu_bytes = (uint16_t)f->mtu,
        .sq_depth_entries = n->sq_depth,
        .rq_depth_entries = side->receives && !f->srq ? n->rq_depth : 0,
        .sge_max = (uint8_t)(f->sges[1] > f->recv_sges ? f->sges[1] : f->recv_sges),
        .inline_max_bytes = (uint16_t)f->inline_max,
        .rd_atomic_max = (uint8_t)f->rd_atomic,
        .rd_atomic_dest_max = (uint8_t)f->rd_atomic,
        .timeout = (uint8_t)f->timeout,
        .retry_cnt = (uint8_t)f->retry_cnt,
        .rnr_retry = (uint8_t)f->rnr_retry,
        .min_rnr_timer = (uint8_t)f->min_rnr_timer,
        .sq_psn = id * 2654435761u & 0xffffff, /* spread: a packet of a wrong QP has a wrong PSN */
        .qkey = f->transport == HCT_QP_UD ? 0x11111111u : 0,
        .sl = (uint8_t)f->sl,
        .traffic_class = (uint8_t)f->traffic_class,
        .weight = (uint8_t)f->arbitration_weight,
        .core = (uint16_t)(pair % f->cores),
        .captured_qpn = HCT_NONE,
    };
}

/* Pairs side by side: QP 2p of a flow is on side 0, its peer 2p + 1 on side 1, hence id ^ 1. */
static bool put_qps(const struct gen_plans *all, hct_writer *w)
{
    bool ok = true;
    for (uint32_t i = 0; i < all->spec->flows; i++) {
        const struct gen_plan *n = &all->plan[i];
        for (uint64_t k = 0; ok && n->sides == 2 && k < 2 * (uint64_t)n->pairs; k++) {
            const struct hct_qp qp = make_qp(all, n, (uint32_t)(k / 2), (uint32_t)(k % 2));
            ok = hct_put_qp(w, &qp) == HCT_OK;
        }
    }
    return ok;
}

/* ---- merging ---- */

/* Which stream comes next: of those with arrival times the earliest; it and the others take turns
 * so that all flows end together, which keeps what a replay must read ahead small. */
static struct gen_stream *next_stream(struct gen_stream *s, uint32_t n)
{
    struct gen_stream *best = NULL;
    struct gen_stream *timed = NULL;
    uint64_t best_progress = 0;

    for (uint32_t i = 0; i < n; i++) {
        const bool done = s[i].emitted == s[i].n->flow->ops;
        if (!done && s[i].n->flow->arrivals != GEN_ASAP &&
            (!timed || s[i].next_ps < timed->next_ps)) {
            timed = &s[i];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t progress = (s[i].emitted << 20) / s[i].n->flow->ops; /* ops < 2^40 */
        const bool candidate = &s[i] == timed || s[i].n->flow->arrivals == GEN_ASAP;
        const bool done = s[i].emitted == s[i].n->flow->ops;
        if (!done && candidate && (!best || progress < best_progress)) {
            best = &s[i];
            best_progress = progress;
        }
    }
    return best;
}

static enum hct_status put_streams(struct gen_stream *s, uint32_t n, hct_writer *w,
                                   struct gen_result *result)
{
    enum hct_status st = HCT_OK;
    struct gen_stream *next = NULL;
    uint64_t id = 0;

    for (uint32_t i = 0; i < n && st == HCT_OK; i++) {
        st = gen_stream_prefill(&s[i], w, &id, result);
    }
    while (st == HCT_OK && (next = next_stream(s, n))) {
        st = gen_stream_next(next, w, &id, result);
    }
    return st;
}

/* HCT_NOMEM when a stream cannot be set up: the writer has not failed then and is to be aborted. */
static enum hct_status put_ops(const struct gen_plans *all, hct_writer *w,
                               struct gen_result *result)
{
    const uint32_t n = all->spec->flows;
    struct gen_stream *s = calloc(n, sizeof *s);
    enum hct_status st = s ? HCT_OK : HCT_NOMEM;
    uint32_t made = 0;

    while (st == HCT_OK && made < n) {
        st = gen_stream_init(&s[made], all, made) ? HCT_OK : HCT_NOMEM;
        made++;
    }
    st = st == HCT_OK ? put_streams(s, n, w, result) : st;
    for (uint32_t i = 0; i < made; i++) {
        gen_stream_free(&s[i]);
    }
    free(s);
    return st;
}

enum hct_status gen_write(const struct gen_spec *spec, const char *path, struct gen_result *result,
                          struct hct_error *err)
{
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    struct gen_plans all;
    struct gen_result own = {0};
    hct_writer *w = NULL;

    if (!gen_make_plans("specification", spec, &all, err)) {
        return HCT_USAGE;
    }
    enum hct_status st = hct_create(path, &opt, &w, err);
    if (st != HCT_OK) {
        return st;
    }
    own.mrs = all.mrs;
    own.qps = all.qps;
    const bool ok = put_notes(&all, w) && put_hosts(&all, w) && put_mrs(&all, w) &&
                    put_queues(&all, w) && put_qps(&all, w) && put_ops(&all, w, &own) == HCT_OK;
    if (!ok && hct_writer_error(w)->status == HCT_OK) {
        hct_abort(w);
        return hct_fail(err, HCT_NOMEM, "%s: no memory to generate it", path);
    }
    if (result) {
        *result = own;
    }
    return hct_finish(w, err); /* also tells the first failure of a put */
}
