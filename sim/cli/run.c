/* run.c: one run of a trace. */
#include "sim/cli/run.h"

#include "sim/cli/progress.h"
#include "sim/cli/run_checkpoint.h"
#include "sim/cli/run_out.h"
#include "sim/cli/waiting.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct run {
    const struct run_options *o;
    struct hca_config config;
    struct world *w;
    struct replay *y;
    struct report *r;
    struct run_out out;
    struct progress progress;
    struct run_checkpoint checkpoint;
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

/* Raises a number that the trace needs larger. A default or a preset gives way; what the user has
 * chosen does not. */
static int raise_to(struct run *x, const char *key, uint64_t need)
{
    struct hca_error err;
    char text[500];
    const struct hca_param_row *const row = hca_param_find(key, strlen(key));
    const uint64_t have = hca_param_get(&x->config.value, row);
    const char *const place = x->config.origin[hca_param_index(row)].place;

    if (have >= need) {
        return EXIT_OK;
    }
    if (strcmp(place, "default") != 0 && strncmp(place, "preset ", 7) != 0) {
        snprintf(text, sizeof text,
                 "%s: %s is %" PRIu64 ", the trace names %" PRIu64 " of them; set it to %" PRIu64
                 " or more, or leave it out: then the trace decides",
                 place, key, have, need, need);
        return fail(EXIT_USAGE, text);
    }
    return config_put(&x->config, key, need, "trace", &err) ? EXIT_OK : fail(EXIT_USAGE, err.text);
}

/* The trace decides how many hosts, adapters, functions and VMs there are at least. */
static int fit(struct run *x)
{
    uint64_t need[4];
    struct hct_error terr;
    struct hca_error err;
    int status = EXIT_TRACE;
    static const char *const keys[4] = {"host.count", "host.hcas", "hca.fn_max", "host.vms"};

    if (!replay_needs(x->o->trace, &need[0], &need[1], &need[2], &need[3], &terr, &status)) {
        return fail(status, terr.text);
    }
    for (unsigned i = 0; i < 4; i++) {
        status = raise_to(x, keys[i], need[i]);
        if (status != EXIT_OK) {
            return status;
        }
    }
    return hca_config_check(&x->config, &err) ? EXIT_OK : fail(EXIT_USAGE, err.text);
}

static void on_stage(void *arg, unsigned host, int hca, uint64_t at_ps, const struct trace_rec *rec)
{
    const struct run *const x = arg;

    replay_event(x->y, host, hca, at_ps, rec);
}

static void on_event(void *arg, unsigned host, int hca, uint64_t at_ps, const struct trace_rec *rec)
{
    struct run *const x = arg;

    replay_event(x->y, host, hca, at_ps, rec);
    events_add(x->out.events, host, hca, at_ps, rec);
}

static const char *waiting(void *arg)
{
    static char text[400];
    const struct run *const x = arg;
    char op[160], unit[160];

    snprintf(text, sizeof text, "%s; %s", replay_waiting(x->y, op, sizeof op),
             waiting_unit(x->w, unit, sizeof unit));
    return text;
}

/* Asked once per window of simulated time: a thousand windows take well under a millisecond. */
static bool stop(void *arg)
{
    struct run *const x = arg;

    if (x->out.events != NULL) {
        events_flush(x->out.events, world_now(x->w));
    }
    if (++x->windows % 1024 == 0) {
        progress_show(&x->progress, replay_figures(x->y)->ops, x->total,
                      replay_figures(x->y)->last_ps, waiting, x);
        x->wall_limit = x->o->max_wall_ms != 0 && wall_ms() - x->start_ms >= x->o->max_wall_ms;
    }
    return interrupted != 0 || x->wall_limit || run_out_failed(&x->out) ||
           !run_checkpoint_window(&x->checkpoint);
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

/* The trace asks for more than the adapter has: which parameter to raise. Refusals name it in
 * brackets. */
static int refuse(const char *text)
{
    char more[600], key[80];
    const char *const at = strrchr(text, '(');
    const size_t n = at == NULL ? 0 : strcspn(at + 1, ")");

    if (n != 0 && n < sizeof key) {
        memcpy(key, at + 1, n);
        key[n] = '\0';
        if (hca_param_find(key, n) != NULL) {
            snprintf(more, sizeof more,
                     "%.400s: the trace needs more; raise it with --set %s=N or choose another "
                     "--preset",
                     text, key);
            return fail(EXIT_USAGE, more);
        }
    }
    return fail(EXIT_USAGE, text);
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
    const uint64_t mask = x->o->events ? ~0ULL : 1ULL << EV_stage;
    world_event *const sink = x->out.events != NULL ? on_event : on_stage;
    world_set_trace(x->w, mask, sink, x);
    if (!replay_setup(x->y, &err)) {
        return refuse(err.text);
    }
    x->r = report_open(replay_resources(x->y), &x->config.value);
    if (x->r == NULL) {
        return fail(EXIT_HOST, "no memory");
    }
    if (!report_start(x->r, x->w, x->y)) {
        return fail(EXIT_HOST, "no memory for the report");
    }
    const struct checkpoint_run run = {&x->config.value, &o, x->o->trace, x->w, x->y, x->r};
    const int resumed = run_checkpoint_open(&x->checkpoint, x->o, &run);
    world_set_trace(x->w, mask, sink, x); /* a checkpoint holds the mask of its own run */
    return resumed;
}

static const char *base_name(const char *path)
{
    const char *const slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static int status_of(const struct run *x, enum replay_end end)
{
    if (end == REPLAY_STOPPED && interrupted != 0) {
        return EXIT_INTERRUPTED;
    }
    if (end == REPLAY_BAD_TRACE) {
        const enum hct_status why = hct_reader_error(replay_reader(x->y))->status;
        return hct_exit_status(why) == EXIT_HOST ? EXIT_HOST : EXIT_TRACE;
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
    default:
        return interrupted != 0 ? "interrupted"
               : x->wall_limit  ? "wall-time limit"
                                : "an output file could not be written";
    }
}

/* A run that did not end by itself: why, since when nothing was done, and what is waited for. */
static void say_end(const struct run *x, enum replay_end end, const struct report_head *h)
{
    char loss[400];

    if (end == REPLAY_BAD_TRACE) {
        const struct hct_error *const e = hct_reader_error(replay_reader(x->y));
        if (e->status != HCT_DAMAGED) {
            fprintf(stderr, "hcasim: %s\n", e->text);
        }
        if (hct_loss_text(replay_reader(x->y), loss, sizeof loss)[0] != '\0') {
            fprintf(stderr, "hcasim: %s: %s\n", x->o->trace, loss);
        }
    } else if (end == REPLAY_STUCK) {
        fprintf(stderr, "hcasim: no progress since %.3f us: %s\n",
                (double)replay_figures(x->y)->last_ps / 1e6, h->waiting);
    } else if (end != REPLAY_DONE) {
        fprintf(stderr, "hcasim: stopped: %s; %s\n", h->end, h->waiting);
    }
}

static int simulate(struct run *x)
{
    x->total = x->o->quiet ? 0 : hct_count_ops(x->o->trace);
    progress_start(&x->progress, x->o->quiet);
    const enum replay_end end = replay_run(x->y, report_op, x->r, stop, x);
    progress_end(&x->progress);
    int status = status_of(x, end);
    const struct report_head h = {
        .config = &x->config,
        .trace = base_name(x->o->trace),
        .timing = x->o->timing_text,
        .end = end_text(x, end),
        .waiting = end == REPLAY_DONE || end == REPLAY_BAD_TRACE ? NULL : waiting(x)};
    status = run_out_close(&x->out, status);
    const int wrote = run_out_report(&x->out, x->r, &h, x->w, x->y);
    status = wrote == EXIT_OK ? status : wrote;
    say_end(x, end, &h);
    if (!run_out_facts(&x->out, wall_ms() - x->start_ms, status) && status != EXIT_HOST) {
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

    x = (struct run){.o = o, .start_ms = wall_ms(), .out.lock = -1};
    interrupted = 0;
    int status = config_resolve(&o->config, &x.config, &err);
    if (status != EXIT_OK) {
        return fail(status, err.text);
    }
    catch_signals();
    status = readable(o->trace, EXIT_TRACE);
    status = status == EXIT_OK ? fit(&x) : status;
    status = status == EXIT_OK ? open_world(&x) : status;
    status = status == EXIT_OK ? run_out_open(&x.out, o, &x.config.value, x.w) : status;
    status = status == EXIT_OK ? open_replay(&x) : status;
    if (status == EXIT_OK) {
        status = run_checkpoint_close(&x.checkpoint, simulate(&x));
        print_summary(&x, status);
    }
    run_out_free(&x.out);
    report_close(x.r);
    replay_close(x.y);
    world_close(x.w);
    return status;
}
