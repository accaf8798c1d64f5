/* run.c: one run of a trace. */
#include "sim/cli/run.h"

#include "sim/cli/out_file.h"
#include "sim/cli/progress.h"
#include "sim/cli/run_events.h"
#include "sim/link/tap.h"
#include "sim/report/report.h"

#include "hcasim_version.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct run {
    const struct run_options *o;
    struct hca_config config;
    struct world *w;
    struct replay *y;
    struct report *r;
    struct events_out *events;
    struct tap *tap;
    struct progress progress;
    uint64_t total, start_ms, windows;
    bool wall_limit;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal};

    sigemptyset(&a.sa_mask);
    a.sa_flags = (int)SA_RESETHAND; /* a second Ctrl-C ends the program at once */
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

static int fail(int status, const char *text)
{
    return complain(status, text);
}

/* The trace decides how many hosts, adapters, functions and VMs there are at least. */
static int fit(struct run *x)
{
    uint64_t need[4];
    struct hct_error terr;
    struct hca_error err;
    int status = EXIT_TRACE;
    static const struct {
        const char *key;
        size_t at;
    } keys[4] = {{"host.count", offsetof(struct hca_param, host_count)},
                 {"host.hcas", offsetof(struct hca_param, host_hcas)},
                 {"hca.fn_max", offsetof(struct hca_param, hca_fn_max)},
                 {"host.vms", offsetof(struct hca_param, host_vms)}};

    if (!replay_needs(x->o->trace, &need[0], &need[1], &need[2], &need[3], &terr, &status)) {
        return fail(status, terr.text);
    }
    for (unsigned i = 0; i < 4; i++) {
        uint64_t have;
        memcpy(&have, (const char *)&x->config.value + keys[i].at, sizeof have);
        if (have < need[i] && !config_put(&x->config, keys[i].key, need[i], "trace", &err)) {
            return fail(EXIT_USAGE, err.text);
        }
    }
    return hca_config_check(&x->config, &err) ? EXIT_OK : fail(EXIT_USAGE, err.text);
}

static void on_event(void *arg, unsigned host, int hca, uint64_t at_ps, const struct trace_rec *rec)
{
    struct run *const x = arg;

    replay_event(x->y, host, hca, at_ps, rec);
    if (x->events != NULL) {
        events_add(x->events, host, hca, at_ps, rec);
    }
}

static const char *waiting(void *arg)
{
    static char text[200];
    const struct run *const x = arg;

    return replay_waiting(x->y, text, sizeof text);
}

/* Asked once per window of simulated time: a thousand windows take well under a millisecond. */
static bool stop(void *arg)
{
    struct run *const x = arg;

    if (x->events != NULL) {
        events_flush(x->events, world_now(x->w));
    }
    if (++x->windows % 1024 == 0) {
        progress_show(&x->progress, replay_figures(x->y)->ops, x->total,
                      replay_figures(x->y)->last_ps, waiting, x);
        x->wall_limit = x->o->max_wall_ms != 0 && wall_ms() - x->start_ms >= x->o->max_wall_ms;
    }
    return interrupted != 0 || x->wall_limit;
}

static int open_world(struct run *x)
{
    const char *why = "";

    x->w = world_open(&x->config.value, &why);
    if (x->w == NULL) {
        return fail(EXIT_HOST, why);
    }
    world_set_mode(x->w, x->o->mode);
    for (unsigned i = 0; i < x->o->aims; i++) {
        (void)net_aim(world_net(x->w), &x->o->aim[i]);
    }
    return EXIT_OK;
}

static int open_replay(struct run *x)
{
    const struct replay_options o = {.timing = x->o->timing,
                                     .scale_ppm = x->o->scale_ppm,
                                     .max_time_ps = x->o->max_time_ps,
                                     .check_payload =
                                         !x->o->no_check && x->config.value.sim_payload != 0,
                                     .want_stages = true};
    struct hct_error err;
    int status;

    x->y = replay_open(x->w, &x->config.value, x->o->trace, &o, &err, &status);
    if (x->y == NULL) {
        return fail(status, err.text);
    }
    world_set_trace(x->w, x->o->events ? ~0ULL : 1ULL << EV_stage, on_event, x);
    if (!replay_setup(x->y, &err)) {
        return fail(EXIT_USAGE, err.text);
    }
    x->r = report_open(replay_resources(x->y), &x->config.value);
    if (x->r == NULL) {
        return fail(EXIT_HOST, "no memory");
    }
    report_start(x->r, x->w);
    return EXIT_OK;
}

static int open_outputs(struct run *x)
{
    char path[1024];
    struct hct_error err;

    if (!out_dir(x->o->out)) {
        snprintf(path, sizeof path, "%s: %s; choose a folder with --out DIR", x->o->out,
                 strerror(errno));
        return fail(EXIT_HOST, path);
    }
    if (x->o->events) {
        snprintf(path, sizeof path, "%s/events.hct", x->o->out);
        x->events = events_open(path, x->w, &err);
        if (x->events == NULL) {
            return fail(EXIT_HOST, err.text);
        }
    }
    if (x->o->pcap) {
        snprintf(path, sizeof path, "%s/net.pcap", x->o->out);
        x->tap = tap_open(path, &x->config.value, err.text, sizeof err.text);
        if (x->tap == NULL) {
            return fail(EXIT_HOST, err.text);
        }
        net_set_tap(world_net(x->w), tap_frame, x->tap);
    }
    return EXIT_OK;
}

static const char *base_name(const char *path)
{
    const char *const slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static bool write_run_json(const struct run *x, uint64_t spent_ms, int status)
{
    struct out_file f = out_open(x->o->out, "run.json");
    char host[256] = "", date[32] = "";
    const time_t now = time(NULL);
    struct tm tm;

    if (f.f == NULL) {
        return false;
    }
    (void)gethostname(host, sizeof host - 1);
    if (gmtime_r(&now, &tm) != NULL) {
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    json_t *const o = json_pack("{s:s,s:s,s:s,s:s,s:I,s:i}", "version", HCASIM_VERSION, "commit",
                                HCASIM_COMMIT, "host", host, "date", date, "wall_ms",
                                (json_int_t)spent_ms, "exit_status", status);
    const bool good = o != NULL && json_dumpf(o, f.f, JSON_INDENT(1)) == 0;
    json_decref(o);
    return out_close(&f, good);
}

static int write_reports(struct run *x, const struct report_head *h)
{
    struct out_file text = out_open(x->o->out, "report.txt");
    bool good = text.f != NULL && report_text(x->r, h, x->w, x->y, text.f);

    good = text.f != NULL && out_close(&text, good);
    if (good) {
        struct out_file json = out_open(x->o->out, "report.json");
        good = json.f != NULL && report_json(x->r, h, x->w, x->y, json.f);
        good = json.f != NULL && out_close(&json, good);
    }
    if (!good) {
        char why[1200];
        snprintf(why, sizeof why, "%s: cannot write the report: %s", x->o->out, strerror(errno));
        return fail(EXIT_HOST, why);
    }
    return EXIT_OK;
}

static int close_outputs(struct run *x, int status)
{
    struct hct_error err;

    if (x->events != NULL && !events_close(x->events, &err)) {
        status = fail(EXIT_HOST, err.text);
    }
    x->events = NULL;
    if (x->tap != NULL && !tap_close(x->tap, err.text, sizeof err.text)) {
        status = fail(EXIT_HOST, err.text);
    }
    x->tap = NULL;
    return status;
}

static int status_of(const struct run *x, enum replay_end end)
{
    if (interrupted != 0) {
        return EXIT_INTERRUPTED;
    }
    if (end == REPLAY_BAD_TRACE) {
        return EXIT_TRACE;
    }
    return end != REPLAY_DONE || replay_figures(x->y)->failed != 0 ||
                   replay_figures(x->y)->mismatches != 0
               ? EXIT_OPS_FAILED
               : EXIT_OK;
}

static const char *end_text(const struct run *x, enum replay_end end)
{
    switch (end) {
    case REPLAY_DONE: return "complete";
    case REPLAY_LIMIT: return "simulated-time limit";
    case REPLAY_STUCK: return "no progress: operations wait for something that never comes";
    case REPLAY_BAD_TRACE: return "the trace is damaged; what could be read was played";
    default: return x->wall_limit ? "wall-time limit" : "interrupted";
    }
}

static int simulate(struct run *x)
{
    const struct hct_head *const head = hct_head(replay_reader(x->y));

    x->total = head->records == UINT64_MAX ? 0 : head->records;
    progress_start(&x->progress, x->o->quiet);
    const enum replay_end end = replay_run(x->y, report_op, x->r, stop, x);
    progress_end(&x->progress);
    int status = status_of(x, end);
    const struct report_head h = {
        .config = &x->config,
        .trace = base_name(x->o->trace),
        .timing = x->o->timing_text,
        .note = NULL,
        .end = end_text(x, end),
        .waiting = end == REPLAY_DONE || end == REPLAY_BAD_TRACE ? NULL : waiting(x)};
    status = close_outputs(x, status);
    const int wrote = write_reports(x, &h);
    status = wrote == EXIT_OK ? status : wrote;
    if (end == REPLAY_BAD_TRACE) {
        char loss[400];
        fprintf(stderr, "hcasim: %s: %s\n", x->o->trace,
                hct_loss_text(replay_reader(x->y), loss, sizeof loss));
    }
    if (!write_run_json(x, wall_ms() - x->start_ms, status) && status != EXIT_HOST) {
        status = fail(EXIT_HOST, "run.json could not be written");
    }
    return status;
}

static void print_summary(const struct run *x, int status)
{
    const struct replay_figures *const f = replay_figures(x->y);

    printf("%" PRIu64 " operations, %" PRIu64 " not as expected, %" PRIu64
           " wrong payloads, %.3f us simulated in %.2f s; report in %s/report.txt\n",
           f->ops, f->failed, f->mismatches, (double)f->last_ps / 1e6,
           (double)(wall_ms() - x->start_ms) / 1e3, x->o->out);
    if (status == EXIT_OPS_FAILED && f->first_failure[0] != '\0') {
        printf("first failure: %s\n", f->first_failure);
    }
}

int run_trace(const struct run_options *o)
{
    static struct run x;
    struct hca_error err;

    x = (struct run){.o = o, .start_ms = wall_ms()};
    interrupted = 0;
    int status = config_resolve(&o->config, &x.config, &err);
    if (status != EXIT_OK) {
        return fail(status, err.text);
    }
    catch_signals();
    status = fit(&x);
    status = status == EXIT_OK ? open_world(&x) : status;
    status = status == EXIT_OK ? open_outputs(&x) : status;
    status = status == EXIT_OK ? open_replay(&x) : status;
    if (status == EXIT_OK) {
        status = simulate(&x);
        print_summary(&x, status);
    } else {
        (void)close_outputs(&x, status);
    }
    report_close(x.r);
    replay_close(x.y);
    world_close(x.w);
    return status;
}
