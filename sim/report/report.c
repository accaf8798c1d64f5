#include "sim/report/report_i.h"

#include <stdlib.h>
#include <string.h>

struct report *report_open(const struct hct_resources *res, const struct hca_param *p)
{
    struct report *const r = calloc(1, sizeof *r);

    if (r != NULL) {
        r->res = res;
        r->p = *p;
    }
    return r;
}

void report_close(struct report *r)
{
    if (r == NULL) {
        return;
    }
    for (unsigned i = 0; i < r->groups; i++) {
        hist_free(&r->group[i].latency);
    }
    hist_free(&r->all);
    free(r->base);
    free(r);
}

const char *const dma_class_name[] = {"doorbell",  "wqe",     "context", "xlat",  "payload", "cqe",
                                      "interrupt", "command", "atomic",  "event", "head"};

static const struct hca_stat *stats_of(struct world *w, unsigned host, int hca)
{
    return hca < 0 ? host_stats(world_host(w, host)) : hca_stats(world_hca(w, host, (unsigned)hca));
}

void report_start(struct report *r, struct world *w)
{
    const unsigned per = world_hcas(w) + 1;

    r->start_ps = world_now(w);
    r->base = calloc((size_t)world_hosts(w) * per, sizeof *r->base);
    for (unsigned h = 0; r->base != NULL && h < world_hosts(w); h++) {
        for (unsigned a = 0; a < per; a++) {
            r->base[h * per + a] = *stats_of(w, h, (int)a - 1);
        }
    }
}

uint64_t stat_since(const struct report *r, struct world *w, unsigned host, int hca, unsigned stat)
{
    const size_t at = meta_stats[stat].offset;
    uint64_t now, then = 0;

    memcpy(&now, (const char *)stats_of(w, host, hca) + at, sizeof now);
    if (r->base != NULL) {
        const unsigned i = host * (world_hcas(w) + 1) + (unsigned)(hca + 1);
        memcpy(&then, (const char *)&r->base[i] + at, sizeof then);
    }
    return now - then;
}

uint64_t stat_named(const struct report *r, struct world *w, unsigned host, int hca,
                    const char *unit, const char *name)
{
    for (unsigned i = 0; i < meta_stat_count; i++) {
        if (strcmp(meta_stats[i].unit, unit) == 0 && strcmp(meta_stats[i].name, name) == 0) {
            return stat_since(r, w, host, hca, i);
        }
    }
    return 0;
}

static uint8_t class_of(uint64_t bytes)
{
    return bytes == 0 ? 0 : bytes == 1 ? 1 : (uint8_t)(65 - __builtin_clzll(bytes - 1));
}

uint64_t size_floor(unsigned size_class)
{
    return size_class < 2 ? size_class : (1ULL << (size_class - 2)) + 1;
}

uint64_t size_ceiling(unsigned size_class)
{
    return size_class == 0 ? 0 : 1ULL << (size_class - 1);
}

const char *kind_text(uint8_t kind, char *buf, size_t size)
{
    return hct_name(hct_text_kind, kind, buf, size);
}

static struct group *find(struct report *r, const struct replay_done *d)
{
    const struct hct_op *const op = d->op;
    const uint8_t transport = op->qp == HCT_NONE ? HCT_QP_COUNT : r->res->qp[op->qp].type;
    const uint8_t size_class = class_of(d->bytes);

    for (unsigned i = 0; i < r->groups; i++) {
        struct group *const g = &r->group[i];
        if (g->kind == op->kind && g->transport == transport && g->size_class == size_class &&
            g->fn == d->fn) {
            return g;
        }
    }
    if (r->groups == GROUPS_MAX) {
        return NULL;
    }
    struct group *const g = &r->group[r->groups++];
    *g = (struct group){.kind = op->kind,
                        .transport = transport,
                        .size_class = size_class,
                        .host = d->host,
                        .fn = d->fn,
                        .first_ps = d->t_post,
                        .lcg = 1};
    return g;
}

static void keep(struct group *g, const struct replay_done *d)
{
    const struct kept k = {d->op->id, d->bytes, d->latency_ps, d->stages};

    g->seen++;
    if (d->latency_ps > g->slowest.latency_ps || g->seen == 1) {
        g->slowest = k;
    }
    if (g->kept_n < KEPT) {
        g->kept[g->kept_n++] = k;
        return;
    }
    g->lcg = g->lcg * 6364136223846793005ULL + 1442695040888963407ULL;
    const uint64_t at = (g->lcg >> 20) % g->seen;
    if (at < KEPT) {
        g->kept[at] = k;
    }
}

static void note_failure(struct report *r, const struct replay_done *d)
{
    enum { LISTED = sizeof r->failed / sizeof r->failed[0] };

    if (r->failures < LISTED) {
        r->failed[r->failures].op = d->op->id;
        r->failed[r->failures].status = d->status;
        r->failed[r->failures].expect = d->op->expect;
        r->failed[r->failures].kind = d->op->kind;
        r->failed[r->failures].qp = d->op->qp;
    }
    r->failures++;
}

void report_op(void *report, const struct replay_done *d)
{
    struct report *const r = report;
    struct group *const g = find(r, d);

    if (!d->as_expected) {
        note_failure(r, d);
    }
    (void)hist_add(&r->all, d->latency_ps);
    if (g == NULL) {
        r->ungrouped++;
        return;
    }
    g->count++;
    g->failures += !d->as_expected;
    g->first_ps = d->t_post < g->first_ps ? d->t_post : g->first_ps;
    g->last_ps = d->t_visible > g->last_ps ? d->t_visible : g->last_ps;
    if (d->status != HCT_WC_SUCCESS) {
        return;
    }
    g->bytes += d->bytes;
    (void)hist_add(&g->latency, d->latency_ps);
    if (d->op->kind != HCT_RECV && d->op->fn == HCT_NONE) {
        for (unsigned s = 0; s < STAMP_STAGES; s++) {
            g->stage_ps[s] += d->stages.ps[s];
        }
        g->staged++;
        keep(g, d);
    }
}

const struct kept *group_median(const struct group *g)
{
    const uint64_t p50 = hist_percentile(&g->latency, 500000);
    const struct kept *best = NULL;
    uint64_t distance = UINT64_MAX;

    for (uint64_t i = 0; i < g->kept_n; i++) {
        const uint64_t l = g->kept[i].latency_ps, d = l > p50 ? l - p50 : p50 - l;
        if (d < distance) {
            distance = d;
            best = &g->kept[i];
        }
    }
    return best;
}
