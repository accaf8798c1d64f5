#include "sim/cli/run_out.h"

#include "sim/cli/out_file.h"

#include "hcasim_version.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 1024 };

/* Where flock does not work (some network file systems) runs are not kept apart. */
static int lock_dir(struct run_out *x)
{
    char text[PATH_BYTES + 100];

    x->lock = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x->lock >= 0 && flock(x->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        snprintf(text, sizeof text, "%.1000s: another run writes there; choose another --out DIR",
                 x->dir);
        return complain(EXIT_HOST, text);
    }
    return EXIT_OK;
}

/* A folder holds one run: nothing of an earlier one may stand beside the new report. */
static void remove_earlier(const struct run_out *x)
{
    static const char *const names[] = {"report.txt", "report.json", "run.json", "net.pcap",
                                        "events.hct"};
    char path[PATH_BYTES + 32];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", x->dir, names[i]);
        (void)unlink(path);
    }
    for (unsigned i = 0; i < NET_PORTS_MAX; i++) {
        snprintf(path, sizeof path, "%s/port%u.pcap", x->dir, i);
        if (unlink(path) != 0 && errno == ENOENT) {
            return;
        }
    }
}

static int open_tap(struct run_out *x, const struct run_options *o, const struct hca_param *p,
                    struct world *w)
{
    char path[PATH_BYTES + 32], why[1200];

    snprintf(path, sizeof path, "%s/net.pcap", x->dir);
    x->tap = o->pcap_ports
                 ? tap_open_ports(x->dir, p, world_hosts(w) * world_hcas(w), why, sizeof why)
                 : tap_open(path, p, why, sizeof why);
    if (x->tap == NULL) {
        return complain(EXIT_HOST, why);
    }
    if (!o->pcap_loop) {
        tap_links_only(x->tap);
    }
    net_set_tap(world_net(w), tap_frame, x->tap);
    return EXIT_OK;
}

int run_out_open(struct run_out *x, const struct run_options *o, const struct hca_param *p,
                 struct world *w)
{
    char text[PATH_BYTES + 200];
    struct hct_error err;

    *x = (struct run_out){.dir = o->out, .lock = -1};
    if (strlen(o->out) >= PATH_BYTES || !out_dir(o->out)) {
        snprintf(text, sizeof text, "%.1000s: %s; choose another folder with --out DIR", o->out,
                 strlen(o->out) >= PATH_BYTES ? "longer than 1023 bytes" : strerror(errno));
        return complain(EXIT_HOST, text);
    }
    int status = lock_dir(x);
    if (status != EXIT_OK) {
        return status;
    }
    remove_earlier(x);
    if (o->events) {
        snprintf(text, sizeof text, "%s/events.hct", x->dir);
        x->events = events_open(text, w, &err);
        status = x->events == NULL ? complain(EXIT_HOST, err.text) : EXIT_OK;
    }
    return status == EXIT_OK && o->pcap ? open_tap(x, o, p, w) : status;
}

bool run_out_failed(const struct run_out *x)
{
    return (x->events != NULL && events_failed(x->events)) ||
           (x->tap != NULL && tap_failed(x->tap));
}

int run_out_close(struct run_out *x, int status)
{
    struct hct_error err;

    if (x->events != NULL && !events_close(x->events, &err)) {
        status = complain(EXIT_HOST, err.text);
    }
    x->events = NULL;
    if (x->tap != NULL && !tap_close(x->tap, err.text, sizeof err.text)) {
        status = complain(EXIT_HOST, err.text);
    }
    x->tap = NULL;
    return status;
}

int run_out_report(const struct run_out *x, const struct report *r, const struct report_head *h,
                   struct world *w, const struct replay *y)
{
    struct out_file text = out_open(x->dir, "report.txt");
    bool good = text.f != NULL && report_text(r, h, w, y, text.f);

    good = text.f != NULL && out_close(&text, good);
    if (good) {
        struct out_file json = out_open(x->dir, "report.json");
        good = json.f != NULL && report_json(r, h, w, y, json.f);
        good = json.f != NULL && out_close(&json, good);
    }
    if (!good) {
        char why[PATH_BYTES + 200];
        snprintf(why, sizeof why, "%s: cannot write the report: %s", x->dir, strerror(errno));
        return complain(EXIT_HOST, why);
    }
    return EXIT_OK;
}

bool run_out_facts(const struct run_out *x, uint64_t wall_spent_ms, int status)
{
    struct out_file f = out_open(x->dir, "run.json");
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
                                (json_int_t)wall_spent_ms, "exit_status", status);
    const bool good = o != NULL && json_dumpf(o, f.f, JSON_INDENT(1)) == 0;
    json_decref(o);
    return out_close(&f, good);
}

void run_out_free(struct run_out *x)
{
    tap_abort(x->tap);
    x->tap = NULL;
    events_abort(x->events);
    x->events = NULL;
    if (x->lock >= 0) {
        (void)close(x->lock);
    }
    x->lock = -1;
}
