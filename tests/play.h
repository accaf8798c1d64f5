/* play.h: a workload through a whole world, and what came out. */
#pragma once
#include "model/defs.h"
#include "model/meta.h"
#include "model/msg.h"
#include "sim/config/yaml.h"
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

/* Sanitizers make a run ten times slower: large tests divide their sizes by this. */
#ifdef __has_feature
#define PLAY_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define PLAY_CLANG_ASAN 0
#endif
#if defined __SANITIZE_ADDRESS__ || PLAY_CLANG_ASAN
enum { PLAY_SLOW = 8 };
#else
enum { PLAY_SLOW = 1 };
#endif

enum { PLAY_HOSTS = 2, PLAY_ASYNCS = ASYNC_GID_CHANGE + 1, PLAY_OPS = 4096 };

struct play {
    const char *spec;                   /* YAML of the generator                              */
    const char *preset;                 /* NULL: defaults                                     */
    const char *set;                    /* "group.name=value ..." on top of it, may be NULL   */
    void (*param)(struct hca_param *p); /* on top of both, may be NULL                        */
    unsigned mode;                      /* enum hca_mode                                      */
    const struct net_aim *aim;
    unsigned aims;
    uint64_t max_time_ps; /* 0: 10 s                                                          */
    void (*look)(struct world *w, void *arg); /* before the world is closed; may be NULL */
    void *look_arg;
};

struct played {
    enum replay_end end;
    uint64_t state_hash, timing_hash, memory_hash[PLAY_HOSTS], event_hash, events;
    struct replay_figures f;
    struct kern_figures kern[PLAY_HOSTS]; /* adapters 0                                       */
    struct hca_stat stat[PLAY_HOSTS];     /* adapters 0                                       */
    struct net_figures net[PLAY_HOSTS];   /* ports 0 and 1                                    */
    char waiting[200];
    uint64_t sum_latency_ps, sum_stages_ps, staged;
    uint64_t memory_bytes;                   /* of the simulator, beside simulated RAM        */
    uint64_t count[EVENTS];                  /* of enum event_id, after set-up                */
    uint64_t async[PLAY_HOSTS][PLAY_ASYNCS]; /* by host and enum async_type                   */
    uint64_t nak[256];                       /* by AETH syndrome                              */
    uint8_t status[PLAY_OPS];                /* enum wc_status by operation id; 255: not done */
};

struct play_sums {
    struct played *out;
    struct replay *r;
};

static void play_count(struct played *o, unsigned host, const struct trace_rec *rec)
{
    struct ev_async async;
    struct ev_nak nak;

    o->count[rec->id]++;
    if (rec->id == EV_async && host < PLAY_HOSTS) {
        memcpy(&async, rec->args, sizeof async);
        o->async[host][async.type < PLAY_ASYNCS ? async.type : 0]++;
    } else if (rec->id == EV_nak) {
        memcpy(&nak, rec->args, sizeof nak);
        o->nak[nak.syndrome]++;
    }
}

static void play_event(void *arg, unsigned host, int hca, uint64_t at_ps,
                       const struct trace_rec *rec)
{
    struct play_sums *const s = arg;
    const struct meta_event *const ev = &meta_events[rec->id];
    uint64_t value[META_FIELDS + 3] = {rec->id, rec->unit, host * 4096U + (unsigned)(hca + 1)};
    unsigned n = 0;

    for (; n < META_FIELDS && ev->field[n].bytes != 0; n++) { /* not the bytes: they have holes */
        value[3 + n] = meta_value(ev, n, rec->args);
    }
    /* Order within a cycle is that of the ticks, so events are summed, not chained. */
    s->out->event_hash += hash_words(0, at_ps, value, (3 + n) * sizeof value[0]);
    s->out->events++;
    play_count(s->out, host, rec);
    replay_event(s->r, host, hca, at_ps, rec);
}

static void play_done(void *arg, const struct replay_done *d)
{
    struct played *const out = arg;

    if (d->op->id < PLAY_OPS) {
        out->status[d->op->id] = d->status;
    }
    if (d->op->kind != HCT_RECV && d->op->fn == HCT_NONE) {
        out->sum_latency_ps += d->latency_ps;
        for (unsigned i = 0; i < STAMP_STAGES; i++) {
            out->sum_stages_ps += d->stages.ps[i];
        }
        out->staged++;
    }
}

static inline void play_set(struct hca_config *c, const char *set)
{
    struct hca_error err;
    char text[2000], *save = NULL;

    assert_true(strlen(set) < sizeof text);
    memcpy(text, set, strlen(set) + 1);
    for (char *s = strtok_r(text, " ", &save); s != NULL; s = strtok_r(NULL, " ", &save)) {
        if (!hca_config_set_argument(c, s, &err)) {
            fail_msg("%s", err.text);
        }
    }
}

/* What the trace needs on top of what the test says. */
static inline void play_param(const char *path, const struct play *x, struct hca_param *p)
{
    static struct hca_config c;
    struct hca_error why = {0};
    struct hct_error err;
    uint64_t need[4];
    int status;

    hca_config_default(&c);
    if (x->preset != NULL &&
        config_load_preset(&c, x->preset, &preset_embedded, NULL, &why) != CONFIG_OK) {
        fail_msg("%s", why.text);
    }
    play_set(&c, x->set == NULL ? "" : x->set);
    if (!replay_needs(path, &need[0], &need[1], &need[2], &need[3], &err, &status)) {
        fail_msg("%s", err.text);
    }
    c.value.host_count = need[0] > c.value.host_count ? need[0] : c.value.host_count;
    c.value.host_hcas = need[1] > c.value.host_hcas ? need[1] : c.value.host_hcas;
    c.value.hca_fn_max = need[2] > c.value.hca_fn_max ? need[2] : c.value.hca_fn_max;
    c.value.host_vms = need[3] > c.value.host_vms ? need[3] : c.value.host_vms;
    if (x->param != NULL) {
        x->param(&c.value);
    }
    if (!hca_config_check(&c, &why)) {
        fail_msg("%s", why.text);
    }
    *p = c.value;
}

static inline void play_results(struct world *w, struct replay *r, struct played *out)
{
    out->f = *replay_figures(r);
    (void)replay_waiting(r, out->waiting, sizeof out->waiting);
    out->state_hash = world_hash(w);
    out->timing_hash = out->f.timing_hash;
    out->memory_bytes = world_memory(w);
    for (unsigned h = 0; h < PLAY_HOSTS && h < world_hosts(w); h++) {
        out->memory_hash[h] = replay_memory_hash(r, h);
        out->kern[h] = hca_kern_figures(world_hca(w, h, 0));
        out->stat[h] = *hca_stats(world_hca(w, h, 0));
        out->net[h] = *net_figures(world_net(w), h);
    }
}

static inline void play_trace(const char *path, const struct play *x, struct played *out)
{
    struct hca_param p;
    struct hct_error err;
    const char *why = "";
    int status;

    memset(out, 0, sizeof *out);
    memset(out->status, 255, sizeof out->status);
    play_param(path, x, &p);
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
    if (!replay_setup(r, &err)) {
        fail_msg("%s", err.text);
    }
    world_set_trace(w, ~0ULL, play_event, &sums);
    out->end = replay_run(r, play_done, out, NULL, NULL);
    play_results(w, r, out);
    if (x->look != NULL) {
        x->look(w, x->look_arg);
    }
    replay_close(r);
    world_close(w);
}

/* A name for a trace of this test process; the caller unlinks it. */
static inline void play_path(char path[512])
{
    (void)snprintf(path, 512, HCA_TMP_DIR "/hcasim-play-XXXXXX");
    const int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
}

static inline void play(const struct play *x, struct played *out)
{
    char path[512];
    struct gen_spec spec;
    struct hct_error err;

    play_path(path);
    if (gen_parse("test", x->spec, strlen(x->spec), NULL, &spec, &err) != HCT_OK ||
        gen_write(&spec, path, NULL, &err) != HCT_OK) {
        unlink(path);
        fail_msg("%s", err.text);
    }
    gen_spec_free(&spec);
    play_trace(path, x, out);
    unlink(path);
}

/* Everything ended as expected with right bytes; says what did not. */
static inline void play_good(const struct played *o)
{
    if (o->end != REPLAY_DONE || o->f.failed != 0 || o->f.mismatches != 0) {
        fail_msg("end %d, %llu done, %llu failed, %llu wrong payloads: %s; waits: %s", (int)o->end,
                 (unsigned long long)o->f.ops, (unsigned long long)o->f.failed,
                 (unsigned long long)o->f.mismatches, o->f.first_failure, o->waiting);
    }
}

/* The same of everything that does not depend on how the kernel ticks. */
static inline void play_same(const struct played *a, const struct played *b)
{
    assert_int_equal(a->state_hash, b->state_hash);
    assert_int_equal(a->timing_hash, b->timing_hash);
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->event_hash, b->event_hash);
    for (unsigned h = 0; h < PLAY_HOSTS; h++) {
        assert_int_equal(a->memory_hash[h], b->memory_hash[h]);
    }
}
