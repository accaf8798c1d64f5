/* play.h: a generated workload through a whole world, and what came out. */
#pragma once
#include "sim/replay/replay.h"
#include "traces/gen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct play {
    const char *spec;                   /* YAML of the generator                         */
    void (*param)(struct hca_param *p); /* may be NULL                               */
    unsigned mode;                      /* enum hca_mode                                 */
    const struct net_aim *aim;
    unsigned aims;
    uint64_t max_time_ps; /* 0: 10 s                                       */
};

struct played {
    enum replay_end end;
    uint64_t state_hash, timing_hash, memory_hash[2], event_hash, events;
    struct replay_figures f;
    struct kern_figures kern[2]; /* adapters 0 */
    char waiting[200];
    uint64_t sum_latency_ps, sum_stages_ps, staged;
};

struct play_sums {
    struct played *out;
    struct replay *r;
};

static void play_event(void *arg, unsigned host, int hca, uint64_t at_ps,
                       const struct trace_rec *rec)
{
    struct play_sums *const s = arg;
    uint8_t bytes[TRACE_ARGS_MAX];

    memcpy(bytes, rec->args, rec->bytes);
    /* Order within a cycle is that of the ticks, so events are summed, not chained. */
    s->out->event_hash +=
        hash_words(rec->id * 64U + rec->unit + host * 4096U + (unsigned)(hca + 1) * 65536U, at_ps,
                   bytes, rec->bytes);
    s->out->events++;
    replay_event(s->r, host, hca, at_ps, rec);
}

static void play_done(void *arg, const struct replay_done *d)
{
    struct played *const out = arg;

    if (d->op->kind != HCT_RECV && d->op->fn == HCT_NONE) {
        out->sum_latency_ps += d->latency_ps;
        for (unsigned i = 0; i < STAMP_STAGES; i++) {
            out->sum_stages_ps += d->stages.ps[i];
        }
        out->staged++;
    }
}

static inline void play_trace(const char *path, const struct play *x, struct played *out)
{
    struct hca_param p;
    struct hct_error err;
    const char *why = "";
    int status;
    uint64_t need[4];

    memset(out, 0, sizeof *out);
    hca_param_default(&p);
    assert_true(replay_needs(path, &need[0], &need[1], &need[2], &need[3], &err, &status));
    p.host_count = need[0] > p.host_count ? need[0] : p.host_count;
    p.host_hcas = need[1];
    p.hca_fn_max = need[2];
    p.host_vms = need[3];
    if (x->param != NULL) {
        x->param(&p);
    }
    struct world *const w = world_open(&p, &why);
    if (w == NULL) {
        fail_msg("%s", why);
    }
    world_set_mode(w, x->mode);
    for (unsigned i = 0; i < x->aims; i++) {
        assert_true(net_aim(world_net(w), &x->aim[i]));
    }
    const struct replay_options o = {.timing = REPLAY_ASAP,
                                     .scale_ppm = 1000000,
                                     .max_time_ps =
                                         x->max_time_ps == 0 ? 10000000000000ULL : x->max_time_ps,
                                     .check_payload = p.sim_payload != 0,
                                     .want_stages = true};
    struct replay *const r = replay_open(w, &p, path, &o, &err, &status);
    if (r == NULL) {
        fail_msg("%s", err.text);
    }
    struct play_sums sums = {out, r};
    world_set_trace(w, ~0ULL, play_event, &sums);
    if (!replay_setup(r, &err)) {
        fail_msg("%s", err.text);
    }
    out->end = replay_run(r, play_done, out, NULL, NULL);
    out->f = *replay_figures(r);
    (void)replay_waiting(r, out->waiting, sizeof out->waiting);
    out->state_hash = world_hash(w);
    out->timing_hash = out->f.timing_hash;
    for (unsigned h = 0; h < 2; h++) {
        out->memory_hash[h] = replay_memory_hash(r, h);
        out->kern[h] = hca_kern_figures(world_hca(w, h, 0));
    }
    replay_close(r);
    world_close(w);
}

static inline void play(const struct play *x, struct played *out)
{
    char path[] = "/tmp/hcasim-play-XXXXXX";
    struct gen_spec spec;
    struct hct_error err;
    const int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    if (gen_parse("test", x->spec, strlen(x->spec), NULL, &spec, &err) != HCT_OK ||
        gen_write(&spec, path, NULL, &err) != HCT_OK) {
        unlink(path);
        fail_msg("%s", err.text);
    }
    gen_spec_free(&spec);
    play_trace(path, x, out);
    unlink(path);
}

/* Everything ended as expected with right bytes; prints what did not. */
static inline void play_good(const struct played *o)
{
    if (o->end != REPLAY_DONE || o->f.failed != 0 || o->f.mismatches != 0) {
        fail_msg("end %d, %llu done, %llu failed, %llu wrong payloads: %s; waits: %s", (int)o->end,
                 (unsigned long long)o->f.ops, (unsigned long long)o->f.failed,
                 (unsigned long long)o->f.mismatches, o->f.first_failure, o->waiting);
    }
}
