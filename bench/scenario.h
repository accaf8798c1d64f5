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

/* --- DMA benches: one host, the bench unit of its adapter ----------------------------------------
 */

struct scenario_dma {
    struct world *w;
    uint64_t base, next, left, done, first_ps, last_ps, sum_ps, seed;
    uint64_t window; /* bytes of memory touched */
    uint32_t len, in_flight, depth;
    unsigned kind;
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
    const uint64_t unit = (s->len + 63) / 64 * 64, places = s->window / unit;
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
    s->done++;
    s->in_flight--;
    s->last_ps = end;
    s->sum_ps += end - start;
    while (s->left > 0 && s->in_flight < s->depth) {
        scenario_push(s, hca_now(h));
    }
}

/* Maps `window` bytes of VM memory for function 0 of adapter 0 and runs n operations, depth at
 * once. A first pass over the window fills the caches when there is one of at most 4096 operations.
 */
static inline void scenario_dma(const char *preset, unsigned kind, uint32_t len, uint64_t window,
                                bool iommu, uint64_t n, uint32_t depth, struct scenario_dma *s)
{
    static struct hca_config c;
    const char *why = "";
    const uint64_t phys = 1ULL << HOST_VM_SHIFT, iova = 1ULL << 32;

    scenario_config(preset, &c);
    c.value.host_count = 1;
    c.value.link_switch = 1;
    c.value.iommu_mode = iommu ? HCA_IOMMU_MODE_ON : HCA_IOMMU_MODE_OFF;
    *s = (struct scenario_dma){.kind = kind,
                               .len = len,
                               .window = window,
                               .left = n,
                               .seed = 1,
                               .depth = depth,
                               .base = iommu ? iova : phys};
    s->w = world_open(&c.value, &why);
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

static inline double scenario_dma_latency_ns(unsigned kind, uint32_t len, uint64_t window,
                                             bool iommu)
{
    struct scenario_dma s;

    scenario_dma("nfp6000_bdw", kind, len, window, iommu, 600, 1, &s);
    return (double)s.sum_ps / (double)s.done / 1000.0;
}

static inline double scenario_dma_gbps(unsigned kind, uint32_t len, uint64_t window, bool iommu)
{
    struct scenario_dma s;

    scenario_dma("nfp6000_bdw", kind, len, window, iommu, 20000, 60, &s);
    return (double)(s.done - 1) * len * 8000.0 / (double)(s.last_ps - s.first_ps);
}

/* --- RDMA: a generated trace between two hosts
 * ---------------------------------------------------- */

struct scenario_run {
    uint64_t ops, last_ps, latency_sum_ps, packets, wall_ns, activations, bytes;
    uint64_t memory;
};

static inline void scenario_done(void *arg, const struct replay_done *d)
{
    struct scenario_run *const s = arg;

    if (d->op->kind != HCT_RECV) {
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
    char path[] = "/tmp/hcasim-bench-XXXXXX";
    struct gen_spec spec;
    struct hct_error err = {.text = ""};
    const char *why = "";
    int status;
    const int fd = mkstemp(path);

    *out = (struct scenario_run){0};
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
    const uint64_t start = scenario_clock_ns();
    SCENARIO_MUST(replay_run(r, scenario_done, out, NULL, NULL) == REPLAY_DONE, "run did not end");
    out->wall_ns = scenario_clock_ns() - start;
    out->activations = scenario_activations(w) - acts;
    out->packets = world_figures(w).frames - frames;
    out->memory = world_memory(w);
    SCENARIO_MUST(replay_figures(r)->failed == 0 && replay_figures(r)->mismatches == 0,
                  replay_figures(r)->first_failure);
    replay_close(r);
    world_close(w);
}

/* Ping-pong of n messages: time per message, ns. */
static inline double scenario_ping_pong(const char *preset, const char *op, uint64_t bytes)
{
    static struct hca_config c;
    struct scenario_run s;
    char spec[400];
    enum { N = 200 };

    scenario_config(preset, &c);
    snprintf(spec, sizeof spec,
             "flows:\n  - pattern: lat\n    op: %s\n    ops: %d\n    size: %llu\n"
             "    inline_max: %llu\n    payload: absent\n",
             op, N, (unsigned long long)bytes, (unsigned long long)c.value.hca_inline_max_bytes);
    scenario_trace(&c.value, spec, false, &s);
    return (double)s.last_ps / 1000.0 / N;
}

/* Mean latency from post to poll of one operation at a time, ns. */
static inline double scenario_latency_ns(const char *preset, const char *op, uint64_t bytes)
{
    static struct hca_config c;
    struct scenario_run s;
    char spec[400];

    scenario_config(preset, &c);
    snprintf(spec, sizeof spec,
             "flows:\n  - pattern: lat\n    op: %s\n    ops: 200\n    size: %llu\n"
             "    payload: absent\n",
             op, (unsigned long long)bytes);
    scenario_trace(&c.value, spec, false, &s);
    return (double)s.latency_sum_ps / (double)s.ops / 1000.0;
}
