/* report_run.h: a workload through a whole world, and its report as text and JSON. */
#pragma once
#include "model/spec.h"
#include "sim/report/report.h"
#include "traces/gen.h"
#include "traces/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

struct report_case {
    const char *name;
    const char *spec;     /* of the generator; NULL: the shipped capture, imported */
    const char *set[6];   /* arguments of --set                                    */
    const char *timing;   /* NULL: asap                                            */
    uint64_t max_time_ps; /* 0: none                                               */
    bool stop;            /* interrupted at the first question                     */
    unsigned lose;        /* opcode of BTH whose first packets are lost; 0: none   */
};

struct reported {
    char *text, *json;
    size_t text_size, json_size;
    json_t *o;
    enum replay_end end;
    uint64_t latency_ps; /* sum over messages that succeeded */
};

/* Requests of three kinds both ways; requests that fail and should; DMA of the adapter. */
static const char report_mix[] =
    "seed: 7\nflows:\n  - pattern: bw\n    mix: {write: 4, read: 3, send: 3}\n    qps: 3\n"
    "    ops: 90\n    window: 6\n    size: {uniform: [0, 9000]}\n    bidirectional: true\n";
static const char report_dma[] = "seed: 1\nhosts: 1\nflows:\n  - pattern: dma\n    op: dma_read\n"
                                 "    size: 64\n    window: 8\n    ops: 300\n    memory:\n"
                                 "      mr_bytes: 1M\n      offsets: random\n";
static const char report_ud[] = "seed: 3\nflows:\n  - transport: UD\n    op: send\n    ops: 40\n"
                                "    size: 700\n    signal_every: 4\n";

static struct replay *report_replay;
static struct import_summary report_imported; /* of the last import */

static void report_event(void *arg, unsigned host, int hca, uint64_t at_ps,
                         const struct trace_rec *rec)
{
    (void)arg;
    replay_event(report_replay, host, hca, at_ps, rec);
}

static bool report_stop(void *arg)
{
    return *(const bool *)arg;
}

static inline void report_make_trace(const struct report_case *x, const char *path)
{
    struct hct_error err = {.text = ""};
    struct gen_spec spec;

    if (x->spec == NULL) {
        if (hct_import(HCA_SOURCE_DIR "/traces/captures/softroce-perftest.pcap.gz", path, NULL,
                       &report_imported, NULL, &err) != HCT_OK) {
            fail_msg("%s", err.text);
        }
        return;
    }
    if (gen_parse("test", x->spec, strlen(x->spec), NULL, &spec, &err) != HCT_OK ||
        gen_write(&spec, path, NULL, &err) != HCT_OK) {
        fail_msg("%s: %s", x->name, err.text);
    }
    gen_spec_free(&spec);
}

/* Defaults, what the trace needs, then the case's --set. */
static inline void report_config(const struct report_case *x, const char *path,
                                 struct hca_config *c)
{
    struct hct_error terr;
    struct hca_error err;
    uint64_t need[4];
    int status;

    hca_config_default(c);
    assert_true(replay_needs(path, &need[0], &need[1], &need[2], &need[3], &terr, &status));
    uint64_t *const have[4] = {&c->value.host_count, &c->value.host_hcas, &c->value.hca_fn_max,
                               &c->value.host_vms};
    for (unsigned i = 0; i < 4; i++) {
        *have[i] = need[i] > *have[i] ? need[i] : *have[i];
    }
    for (unsigned i = 0; i < sizeof x->set / sizeof x->set[0] && x->set[i] != NULL; i++) {
        if (!hca_config_set_argument(c, x->set[i], &err)) {
            fail_msg("%s", err.text);
        }
    }
    if (!hca_config_check(c, &err)) {
        fail_msg("%s", err.text);
    }
}

struct report_both {
    struct report *r;
    struct reported *out;
};

static void report_done(void *arg, const struct replay_done *d)
{
    struct report_both *const b = arg;

    if (d->op->kind != HCT_RECV && d->op->fn == HCT_NONE && d->status == HCT_WC_SUCCESS) {
        b->out->latency_ps += d->latency_ps;
    }
    report_op(b->r, d);
}

static inline void report_print(struct report *r, const struct report_case *x,
                                const struct hca_config *c, struct world *w, struct reported *out)
{
    char waiting[200];
    const struct report_head h = {.config = c,
                                  .trace = x->name,
                                  .timing = x->timing == NULL ? "asap" : x->timing,
                                  .end = out->end == REPLAY_DONE ? "complete" : "interrupted",
                                  .waiting =
                                      out->end == REPLAY_DONE
                                          ? NULL
                                          : replay_waiting(report_replay, waiting, sizeof waiting)};
    FILE *const text = open_memstream(&out->text, &out->text_size), *const json = open_memstream(
                                                                        &out->json,
                                                                        &out->json_size);

    assert_true(report_text(r, &h, w, report_replay, text));
    assert_true(report_json(r, &h, w, report_replay, json));
    fclose(text);
    fclose(json);
    out->o = json_loadb(out->json, out->json_size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(out->o);
}

static inline void report_play(const struct report_case *x, const char *path, struct reported *out)
{
    static struct hca_config c;
    struct hct_error err;
    const char *why = "";
    int status;
    bool stop = x->stop;

    report_config(x, path, &c);
    struct world *const w = world_open(&c.value, &why);
    assert_non_null(w);
    if (x->lose != 0) {
        const struct net_aim a = {.what = NET_LOSE,
                                  .port = -1,
                                  .qpn = -1,
                                  .opcode = (int32_t)x->lose,
                                  .nth = 1,
                                  .count = 2};
        assert_true(net_aim(world_net(w), &a));
    }
    const struct replay_options o = {.timing = x->timing == NULL ? REPLAY_ASAP : REPLAY_CAPTURED,
                                     .scale_ppm = 1000000,
                                     .max_time_ps =
                                         x->max_time_ps == 0 ? UINT64_MAX : x->max_time_ps,
                                     .check_payload = c.value.sim_payload != 0,
                                     .want_stages = true};
    report_replay = replay_open(w, &c.value, path, &o, &err, &status);
    if (report_replay == NULL) {
        fail_msg("%s: %s", x->name, err.text);
    }
    world_set_trace(w, 1ULL << EV_stage, report_event, NULL);
    assert_true(replay_setup(report_replay, &err));
    struct report *const r = report_open(replay_resources(report_replay), &c.value);
    assert_true(report_start(r, w, report_replay));
    struct report_both both = {r, out};
    out->end = replay_run(report_replay, report_done, &both, report_stop, &stop);
    report_print(r, x, &c, w, out);
    report_close(r);
    replay_close(report_replay);
    world_close(w);
}

static inline void report_of(const struct report_case *x, struct reported *out)
{
    char path[] = HCA_TMP_DIR "/hcasim-report-XXXXXX";
    const int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    memset(out, 0, sizeof *out);
    report_make_trace(x, path);
    report_play(x, path, out);
    unlink(path);
}

static inline void report_free(struct reported *out)
{
    json_decref(out->o);
    free(out->text);
    free(out->json);
}

/* The kinds of runs whose reports must hold what the tests say of reports. */
static const struct report_case report_cases[] = {
    {.name = "mix", .spec = report_mix},
    {.name = "payload_off", .spec = report_mix, .set = {"sim.payload=false"}},
    {.name = "trains", .spec = report_mix, .set = {"sim.train_tlps_max=16"}},
    {.name = "infiniband", .spec = report_mix, .set = {"port.wire=ib"}},
    {.name = "lost", .spec = report_mix, .lose = 6},
    {.name = "failures",
     .spec = "flows:\n  - op: write\n    ops: 6\n    qps: 2\n    size: 64\n    retry_cnt: 0\n"
             "    timeout: 5\n",
     .set = {"link.loss_ppm=1000000"}},
    {.name = "dma", .spec = report_dma},
    {.name = "datagrams", .spec = report_ud},
    {.name = "limited", .spec = report_mix, .max_time_ps = 20000000},
    {.name = "interrupted", .spec = report_mix, .stop = true},
    {.name = "capture", .spec = NULL},
};
enum { REPORT_CASES = sizeof report_cases / sizeof report_cases[0] };
