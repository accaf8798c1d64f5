/* scenario.h: small measurements on a fresh world, for the programs in bench/. Any failure ends the
 * program with a message: a figure must not come from a broken run. */
#pragma once
#include "model/defs.h"
#include "sim/config/yaml.h"
#include "sim/replay/replay.h"
#include "traces/gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCENARIO_MUST(c, text)                              \
    do {                                                    \
        if (!(c)) {                                         \
            fprintf(stderr, "bench: %s: %s\n", #c, (text)); \
            exit(1);                                        \
        }                                                   \
    } while (0)

static inline void scenario_config(const char *preset, struct hca_config *c)
{
    struct hca_error err = {""};

    hca_config_default(c);
    SCENARIO_MUST(config_load_preset(c, preset, &preset_embedded, NULL, &err) == CONFIG_OK,
                  err.text);
}

static inline int scenario_by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Sorts; perftest calls this value typical. */
static inline uint64_t scenario_median(uint64_t *v, uint64_t n)
{
    SCENARIO_MUST(n > 0, "no samples");
    qsort(v, n, sizeof *v, scenario_by_value);
    return v[n / 2];
}

/* --- DMA benches: one host, the bench unit of its adapter --- */

enum { SCENARIO_SAMPLES = 40000 };

struct scenario_dma {
    struct world *w;
    uint64_t base, next, left, done, first_ps, last_ps, seed;
    uint64_t window; /* bytes of memory touched */
    uint32_t len, in_flight, depth;
    unsigned kind;
    uint64_t *took_ps; /* of each operation, in the order of their ends */
};

static inline uint64_t scenario_random(struct scenario_dma *s)
{
    uint64_t z = s->seed += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

/* Offsets are multiples of the size rounded up to a line, as the published bench chooses them. */
static inline void scenario_push(struct scenario_dma *s, uint64_t at_ps)
{
    const uint64_t unit = ((uint64_t)s->len + 63) / 64 * 64, places = s->window / unit;
    const struct bench_op b = {.addr = s->base + scenario_random(s) % places * unit,
                               .len = s->len,
                               .kind = (uint8_t)s->kind};

    world_bench(s->w, 0, 0, at_ps, &b);
    s->left--;
    s->in_flight++;
}

static inline uint64_t scenario_next(void *self)
{
    const struct scenario_dma *const s = self;

    return s->next;
}

static inline void scenario_act(void *self, uint64_t now)
{
    struct scenario_dma *const s = self;

    s->next = UINT64_MAX;
    while (s->left > 0 && s->in_flight < s->depth) {
        scenario_push(s, now);
    }
}

static inline void scenario_result(void *self, uint64_t at, unsigned hca, const struct bench_res *m)
{
    struct scenario_dma *const s = self;
    struct hca *const h = world_hca(s->w, 0, hca);

    (void)at;
    SCENARIO_MUST(m->status == DMA_OK, "a DMA of the bench failed");
    const uint64_t start = hca_ps(h, m->t_start), end = hca_ps(h, m->t_end);
    s->first_ps = s->done == 0 ? end : s->first_ps;
    s->took_ps[s->done++] = end - start;
    s->in_flight--;
    s->last_ps = end;
    while (s->left > 0 && s->in_flight < s->depth) {
        scenario_push(s, hca_now(h));
    }
}

/* Maps `window` bytes of VM memory by 4 KiB pages for function 0 of adapter 0 and runs n operations
 * of len bytes at random places, depth at once; the caches start empty. */
static inline void scenario_dma(const struct hca_param *preset, unsigned kind, uint32_t len,
                                uint64_t window, bool iommu, uint64_t n, uint32_t depth,
                                struct scenario_dma *s)
{
    static uint64_t took_ps[SCENARIO_SAMPLES];
    struct hca_param p = *preset;
    const char *why = "";
    const uint64_t phys = 1ULL << HOST_VM_SHIFT, iova = 1ULL << 32;

    SCENARIO_MUST(n <= SCENARIO_SAMPLES, "too many operations");
    p.host_count = 1;
    p.link_switch = 1;
    p.iommu_mode = iommu ? HCA_IOMMU_MODE_ON : HCA_IOMMU_MODE_OFF;
    *s = (struct scenario_dma){.kind = kind,
                               .len = len,
                               .window = window,
                               .left = n,
                               .seed = 1,
                               .depth = depth,
                               .took_ps = took_ps,
                               .base = iommu ? iova : phys};
    s->w = world_open(&p, &why);
    SCENARIO_MUST(s->w != NULL, why);
    if (iommu) {
        SCENARIO_MUST(host_map(world_host(s->w, 0), 1 << 8, iova, phys, window, 3, 4096),
                      "page tables do not fit");
    }
    const struct actor a = {
        .self = s, .next = scenario_next, .act = scenario_act, .bench = scenario_result};
    SCENARIO_MUST(world_add(s->w, &a), "actor");
    (void)world_run(s->w, UINT64_MAX, NULL, NULL);
    SCENARIO_MUST(s->done == n, "the bench did not end");
    world_close(s->w);
}

/* Median of n operations, one at a time. */
static inline double scenario_dma_latency_ns(const struct hca_param *p, unsigned kind, uint32_t len,
                                             uint64_t window, bool iommu, uint64_t n)
{
    struct scenario_dma s;

    scenario_dma(p, kind, len, window, iommu, n, 1, &s);
    return (double)scenario_median(s.took_ps, s.done) / 1000.0;
}

static inline double scenario_dma_gbps(const struct hca_param *p, unsigned kind, uint32_t len,
                                       uint64_t window, bool iommu, uint64_t n)
{
    struct scenario_dma s;

    scenario_dma(p, kind, len, window, iommu, n, 60, &s);
    return (double)(s.done - 1) * len * 8000.0 / (double)(s.last_ps - s.first_ps);
}

/* --- RDMA: a generated trace between two hosts --- */

/* What units counted between set-up and end. */
struct scenario_stats {
    struct hca_stat hca[2], host[2];
};

struct scenario_run {
    uint64_t ops, last_ps, latency_sum_ps, packets, wall_ns, activations, bytes;
    uint64_t memory;
    struct scenario_stats *stats; /* NULL: not wanted */
    uint64_t *post_ps, posts;     /* time of each post but those of receives; NULL: not kept */
};

static inline void scenario_done(void *arg, const struct replay_done *d)
{
    struct scenario_run *const s = arg;

    if (d->op->kind != HCT_RECV) {
        if (s->post_ps != NULL && s->posts < SCENARIO_SAMPLES) {
            s->post_ps[s->posts++] = d->t_post;
        }
        s->ops++;
        s->latency_sum_ps += d->t_polled - d->t_post;
        s->bytes += d->bytes;
    }
    s->last_ps = d->t_polled > s->last_ps ? d->t_polled : s->last_ps;
}

static struct replay *scenario_sink_replay;
static inline void scenario_event(void *arg, unsigned host, int hca, uint64_t at_ps,
                                  const struct trace_rec *rec)
{
    (void)arg;
    replay_event(scenario_sink_replay, host, hca, at_ps, rec);
}

/* now - *s for each statistic, to *s. */
static inline void scenario_subtract(struct hca_stat *s, const struct hca_stat *now)
{
    uint64_t a[sizeof *s / sizeof(uint64_t)], b[sizeof *s / sizeof(uint64_t)];

    memcpy(a, s, sizeof a);
    memcpy(b, now, sizeof b);
    for (size_t i = 0; i < sizeof a / sizeof a[0]; i++) {
        a[i] = b[i] - a[i];
    }
    memcpy(s, a, sizeof a);
}

/* Twice: before and after what is to be counted; stats start at 0. */
static inline void scenario_count(struct world *w, struct scenario_stats *s)
{
    for (unsigned h = 0; s != NULL && h < 2; h++) {
        scenario_subtract(&s->hca[h], hca_stats(world_hca(w, h, 0)));
        scenario_subtract(&s->host[h], host_stats(world_host(w, h)));
    }
}

static inline uint64_t scenario_activations(struct world *w)
{
    uint64_t n = 0;

    for (unsigned h = 0; h < world_hosts(w); h++) {
        n += host_kern_figures(world_host(w, h)).activations;
        n += hca_kern_figures(world_hca(w, h, 0)).activations;
    }
    return n;
}

uint64_t scenario_clock_ns(void);

static inline void scenario_trace(const struct hca_param *p, const char *spec_text, bool stages,
                                  struct scenario_run *out)
{
    char path[] = HCA_TMP_DIR "/hcasim-bench-XXXXXX";
    struct gen_spec spec;
    struct hct_error err = {.text = ""};
    const char *why = "";
    int status;
    const int fd = mkstemp(path);

    *out = (struct scenario_run){.post_ps = out->post_ps, .stats = out->stats};
    SCENARIO_MUST(fd >= 0, "temporary file");
    close(fd);
    SCENARIO_MUST(gen_parse("bench", spec_text, strlen(spec_text), NULL, &spec, &err) == HCT_OK &&
                      gen_write(&spec, path, NULL, &err) == HCT_OK,
                  err.text);
    gen_spec_free(&spec);
    struct world *const w = world_open(p, &why);
    SCENARIO_MUST(w != NULL, why);
    const struct replay_options o = {.timing = REPLAY_ASAP,
                                     .max_time_ps = UINT64_MAX,
                                     .check_payload = p->sim_payload != 0,
                                     .want_stages = stages};
    struct replay *const r = replay_open(w, p, path, &o, &err, &status);
    SCENARIO_MUST(r != NULL, err.text);
    unlink(path);
    SCENARIO_MUST(replay_setup(r, &err), err.text);
    scenario_sink_replay = r;
    world_set_trace(w, stages ? 1ULL << EV_stage : 0, scenario_event, NULL);
    const uint64_t acts = scenario_activations(w), frames = world_figures(w).frames;
    scenario_count(w, out->stats);
    const uint64_t start = scenario_clock_ns();
    SCENARIO_MUST(replay_run(r, scenario_done, out, NULL, NULL) == REPLAY_DONE, "run did not end");
    out->wall_ns = scenario_clock_ns() - start;
    out->activations = scenario_activations(w) - acts;
    out->packets = world_figures(w).frames - frames;
    out->memory = world_memory(w);
    scenario_count(w, out->stats);
    SCENARIO_MUST(replay_figures(r)->failed == 0 && replay_figures(r)->mismatches == 0,
                  replay_figures(r)->first_failure);
    replay_close(r);
    world_close(w);
}

/* n messages one after the other, as the latency tests of perftest send them: the median time from
 * one post of a side to its next, ns; of send and write half of it, as both sides post. */
static inline double scenario_latency_ns(const struct hca_param *p, const char *op, uint64_t bytes,
                                         uint32_t n)
{
    static uint64_t post_ps[SCENARIO_SAMPLES];
    struct scenario_run s = {.post_ps = post_ps};
    const uint32_t step = strcmp(op, "read") == 0 ? 1 : 2;
    char spec[400];

    snprintf(spec, sizeof spec,
             "flows:\n  - pattern: lat\n    op: %s\n    ops: %u\n    size: %llu\n"
             "    inline_max: %llu\n    payload: absent\n",
             op, n, (unsigned long long)bytes, (unsigned long long)p->hca_inline_max_bytes);
    scenario_trace(p, spec, false, &s);
    SCENARIO_MUST(s.posts > step, "too few messages");
    qsort(post_ps, s.posts, sizeof *post_ps, scenario_by_value);
    for (uint64_t i = 0; i + step < s.posts; i++) {
        post_ps[i] = post_ps[i + step] - post_ps[i];
    }
    return (double)scenario_median(post_ps, s.posts - step) / step / 1000.0;
}
