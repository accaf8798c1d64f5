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
    free(r->base);
    free(r->base_wire);
    free(r->base_cpu);
    free(r->base_fn);
    free(r);
}

static const struct hca_stat *stats_of(struct world *w, unsigned host, int hca)
{
    return hca < 0 ? host_stats(world_host(w, host)) : hca_stats(world_hca(w, host, (unsigned)hca));
}

static size_t handle_of(struct world *w, unsigned host, int hca)
{
    return (size_t)host * (world_hcas(w) + 1) + (size_t)(hca + 1);
}

static struct wire_figures wire_now(struct world *w, unsigned host, int hca, unsigned wire)
{
    return hca < 0 ? host_wire_figures(world_host(w, host), wire)
                   : hca_wire_figures(world_hca(w, host, (unsigned)hca), wire);
}

static struct host_fn_figures function_now(struct world *w, unsigned host, unsigned hca,
                                           unsigned fn)
{
    struct host_fn_figures f;

    if (!host_iommu_fn_figures(world_host(w, host), (uint16_t)((hca + 1) << 8 | fn), &f)) {
        return (struct host_fn_figures){0};
    }
    return f;
}

static size_t function_at(struct world *w, unsigned host, unsigned hca, unsigned fn)
{
    return ((size_t)host * world_hcas(w) + hca) * FUNCTIONS + fn;
}

bool function_of(const struct report *r, struct world *w, unsigned host, unsigned hca, unsigned fn,
                 struct host_fn_figures *out)
{
    const struct host_fn_figures *const then = &r->base_fn[function_at(w, host, hca, fn)];

    *out = function_now(w, host, hca, fn);
    out->hits -= then->hits;
    out->misses -= then->misses;
    out->merged -= then->merged;
    out->walk_reads -= then->walk_reads;
    out->faults -= then->faults;
    return out->hits + out->misses + out->faults != 0;
}

static void start_host(struct report *r, struct world *w, const struct replay *y, unsigned host)
{
    for (int a = -1; a < (int)world_hcas(w); a++) {
        const size_t at = handle_of(w, host, a);
        r->base[at] = *stats_of(w, host, a);
        for (unsigned i = 0; i < meta_wire_count; i++) {
            if ((a < 0) == (meta_wires[i].side == META_HOST)) {
                r->base_wire[at * meta_wire_count + i] = wire_now(w, host, a, i);
            }
        }
        for (unsigned fn = 0; a >= 0 && fn < FUNCTIONS; fn++) {
            r->base_fn[function_at(w, host, (unsigned)a, fn)] =
                function_now(w, host, (unsigned)a, fn);
        }
    }
    for (uint32_t c = 0; c < r->cores; c++) {
        machine_account(replay_machine(y, host), c, r->start_ps,
                        r->base_cpu[(size_t)host * r->cores + c]);
    }
}

bool report_start(struct report *r, struct world *w, const struct replay *y)
{
    const unsigned hosts = world_hosts(w);
    const size_t handles = (size_t)hosts * (world_hcas(w) + 1);

    r->start_ps = world_now(w);
    r->cores = machine_cores(replay_machine(y, 0));
    r->base = calloc(handles, sizeof *r->base);
    r->base_wire = calloc(handles * meta_wire_count, sizeof *r->base_wire);
    r->base_cpu = calloc((size_t)hosts * r->cores, sizeof *r->base_cpu);
    r->base_fn = calloc((size_t)hosts * world_hcas(w) * FUNCTIONS, sizeof *r->base_fn);
    if (r->base == NULL || r->base_wire == NULL || r->base_cpu == NULL || r->base_fn == NULL) {
        return false;
    }
    for (unsigned h = 0; h < hosts; h++) {
        start_host(r, w, y, h);
    }
    return true;
}

uint64_t stat_since(const struct report *r, struct world *w, unsigned host, int hca, unsigned stat)
{
    const size_t at = meta_stats[stat].offset;
    uint64_t now, then = 0;

    memcpy(&now, (const char *)stats_of(w, host, hca) + at, sizeof now);
    memcpy(&then, (const char *)&r->base[handle_of(w, host, hca)] + at, sizeof then);
    return now - then;
}

struct wire_use wire_of(const struct report *r, const struct totals *t, struct world *w,
                        unsigned host, int hca, unsigned wire)
{
    const struct wire_figures *const then =
        &r->base_wire[handle_of(w, host, hca) * meta_wire_count + wire];
    struct wire_use u = {.f = wire_now(w, host, hca, wire)};

    u.f.pushes -= then->pushes;
    u.f.entry_cycles -= then->entry_cycles;
    u.f.full_cycles -= then->full_cycles;
    u.level_ppm = scale(u.f.entry_cycles, 1000000, t->elapsed_cycles);
    u.full_ppm = scale(u.f.full_cycles, 1000000, t->elapsed_cycles);
    return u;
}

bool core_of(const struct report *r, const struct totals *t, const struct replay *y, unsigned host,
             uint32_t core, struct core_use *out)
{
    const uint64_t all = scale(t->elapsed_ps, r->p.cpu_clock_mhz, 1000000);
    const uint64_t *const then = r->base_cpu[(size_t)host * r->cores + core];
    uint64_t sum = 0;

    *out = (struct core_use){0};
    machine_account(replay_machine(y, host), core, r->start_ps + t->elapsed_ps, out->cycles);
    for (unsigned i = 0; i < CPU_CAUSES; i++) {
        out->setup += then[i];
        out->cycles[i] -= then[i] < out->cycles[i] ? then[i] : out->cycles[i];
        sum += out->cycles[i];
        out->busy += i == CPU_IDLE_POLL ? 0 : out->cycles[i];
    }
    out->busy_ppm = scale(out->busy, 1000000, all);
    out->idle_ppm = scale(out->cycles[CPU_IDLE_POLL], 1000000, all);
    return sum != 0;
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

const char *transport_text(uint8_t transport, char *buf, size_t size)
{
    return transport == HCT_QP_COUNT ? "none" : hct_name(hct_text_qp, transport, buf, size);
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
                        .min_bytes = d->bytes,
                        .lcg = 1};
    return g;
}

static void keep(struct group *g, const struct replay_done *d)
{
    uint64_t at = g->kept_n;

    g->seen++;
    if (at < KEPT) {
        g->kept_n++;
    } else {
        g->lcg = g->lcg * 6364136223846793005ULL + 1442695040888963407ULL;
        at = (g->lcg >> 20) % g->seen;
    }
    if (at < KEPT) {
        g->kept[at] = (struct kept){d->op->id, d->bytes, d->latency_ps, d->stages};
    }
    if (d->latency_ps > g->slowest.latency_ps || g->seen == 1) {
        g->slowest = (struct kept){d->op->id, d->bytes, d->latency_ps, d->stages};
    }
}

static void note_failure(struct report *r, const struct replay_done *d)
{
    if (r->failures < FAILED_LISTED) {
        r->failed[r->failures].op = d->op->id;
        r->failed[r->failures].status = d->status;
        r->failed[r->failures].expect = d->op->expect;
        r->failed[r->failures].kind = d->op->kind;
        r->failed[r->failures].qp = d->op->qp;
    }
    r->failures++;
}

static void count_totals(struct report *r, const struct replay_done *d)
{
    const uint32_t fields = hct_op_fields(d->op);
    const uint32_t recorded = (uint32_t)__builtin_popcount(fields & d->op->recorded);

    r->fields_recorded += recorded;
    r->fields_assumed += (uint32_t)__builtin_popcount(fields) - recorded;
    if (!d->as_expected) {
        note_failure(r, d);
    }
    if (d->status == HCT_WC_SUCCESS && d->op->kind != HCT_RECV) {
        r->messages++;
        r->message_bytes += d->bytes;
    }
}

/* Apart from each other, so that the compiler adds two at once. */
static void add_stages(uint64_t *restrict sum, const uint64_t *restrict ps)
{
    for (unsigned s = 0; s < STAMP_STAGES; s++) {
        sum[s] += ps[s];
    }
}

static void count_stages(struct report *r, struct group *g, const struct replay_done *d)
{
    add_stages(g->stage_ps, d->stages.ps);
    add_stages(r->stage_ps, d->stages.ps);
    g->staged++;
    r->staged++;
    keep(g, d);
}

void report_op(void *report, const struct replay_done *d)
{
    struct report *const r = report;
    struct group *const g = find(r, d);

    count_totals(r, d);
    if (g == NULL) {
        r->ungrouped++;
        return;
    }
    g->count++;
    g->failures += !d->as_expected;
    g->min_bytes = d->bytes < g->min_bytes ? d->bytes : g->min_bytes;
    g->max_bytes = d->bytes > g->max_bytes ? d->bytes : g->max_bytes;
    g->first_ps = d->t_post < g->first_ps ? d->t_post : g->first_ps;
    g->last_ps = d->t_visible > g->last_ps ? d->t_visible : g->last_ps;
    if (d->status == HCT_WC_SUCCESS) {
        g->bytes += d->bytes;
        (void)hist_add(&g->latency, d->latency_ps);
        if (d->op->kind != HCT_RECV && d->op->fn == HCT_NONE) {
            count_stages(r, g, d);
        }
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

static int by_key(const void *a, const void *b)
{
    const struct group *const x = *(const struct group *const *)a, *const y = *(
                                                                       const struct group *const *)
                                                                                  b;
    const uint64_t kx[] = {x->kind, x->transport, x->host, x->fn, x->size_class},
                   ky[] = {y->kind, y->transport, y->host, y->fn, y->size_class};

    for (unsigned i = 0; i < 5; i++) {
        if (kx[i] != ky[i]) {
            return kx[i] < ky[i] ? -1 : 1;
        }
    }
    return 0;
}

void groups_sorted(const struct report *r, const struct group *out[GROUPS_MAX])
{
    for (unsigned i = 0; i < r->groups; i++) {
        out[i] = &r->group[i];
    }
    qsort(out, r->groups, sizeof(const struct group *), by_key);
}

uint64_t group_messages(const struct group *g)
{
    return g->latency.count;
}

uint64_t group_span_ps(const struct group *g)
{
    return g->last_ps > g->first_ps ? g->last_ps - g->first_ps : 0;
}
