/* The import as a whole: three passes over the capture. */
#include "traces/hct_store.h"
#include "traces/import_i.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RECORD_BYTES_MIN = 16 }; /* of a frame in a capture file */

bool import_fail(struct import *im, enum hct_status status, const char *format, ...)
{
    va_list ap;
    if (im->status != HCT_OK) {
        return false;
    }
    im->status = status;
    if (im->err != NULL) {
        *im->err = (struct hct_error){.status = status, .sys_errno = status == HCT_SYS ? errno : 0};
        va_start(ap, format);
        (void)vsnprintf(im->err->text, sizeof im->err->text, format, ap);
        va_end(ap);
    }
    return false;
}

bool import_no_memory(struct import *im)
{
    return import_fail(im, HCT_NOMEM, "%.300s: no memory for its import", im->capture);
}

static bool capture_failed(struct import *im, enum capture_status st, const char *why)
{
    const enum hct_status own = st == CAPTURE_HOST ? HCT_SYS : HCT_BAD;
    return import_fail(im, own, "%.390s", why);
}

static bool open_capture(struct import *im)
{
    struct capture_error err;
    const enum capture_status st =
        im->memory != NULL
            ? capture_open_memory(im->memory, im->memory_bytes, im->capture, &im->in, &err)
            : capture_open(im->capture, &im->in, &err);
    return st == CAPTURE_OK || capture_failed(im, st, err.text);
}

/* Everything that a pass counts or builds starts anew. */
static bool begin_pass(struct import *im, enum import_pass pass)
{
    im->pass = pass;
    im->sum = (struct import_summary){0};
    im->now_ns = 0;
    memset(im->tunnel, 0, sizeof im->tunnel);
    memset(im->wire, 0, sizeof im->wire);
    im->msgs = im->helds = 0;
    im->msg_free = im->held_free = im->order_first = im->order_last = HCT_NONE;
    for (uint32_t i = 0; i < im->halves; i++) {
        struct half *h = &im->half[i];
        h->current = i;
        if (im->lane != NULL) {
            const struct half *back = h->peer == HCT_NONE ? NULL : &im->half[h->peer];
            im->lane[i] =
                (struct lane){.held_first = HCT_NONE,
                              .open = HCT_NONE,
                              .wait_first = HCT_NONE,
                              .wait_last = HCT_NONE,
                              .orphan = HCT_NONE,
                              .answers = back != NULL && h->service == PKT_RC && !h->virtual &&
                                         !back->virtual && back->responses > 0};
        }
    }
    for (uint32_t i = 0; im->qp != NULL && i < im->qps; i++) {
        struct qp *q = &im->qp[i];
        q->started = q->completed = q->arrived = q->unacked = q->reads = 0;
        q->last_event = 0;
        q->last_op = HCT_OP_NONE;
    }
    return open_capture(im);
}

static void one_frame(struct import *im, const struct frame *f)
{
    if (im->pass == PASS_SURVEY) {
        survey_frame(im, f);
        return;
    }
    if (f->op->service == PKT_UD) {
        ud_frame(im, f);
        return;
    }
    const struct half *h = half_of(im, f);
    if (h == NULL) {
        return;
    }
    const uint32_t index = (uint32_t)(h - im->half);
    if (f->op->role == PKT_REQUEST) {
        request_frame(im, index, f);
    } else {
        response_frame(im, index, f);
    }
}

static bool run_pass(struct import *im, enum import_pass pass)
{
    struct capture_record rec;
    struct frame f;
    enum capture_status st = CAPTURE_END;
    if (!begin_pass(im, pass)) {
        return false;
    }
    while (im->status == HCT_OK && (st = capture_next(im->in, &rec)) == CAPTURE_OK) {
        if (frame_take(im, &rec, &f)) {
            one_frame(im, &f);
        }
    }
    if (st != CAPTURE_OK && st != CAPTURE_END && st != CAPTURE_TRUNCATED) {
        (void)capture_failed(im, st, capture_why(im->in));
    }
    im->sum.truncated = st == CAPTURE_TRUNCATED;
    capture_close(im->in);
    im->in = NULL;
    if (pass == PASS_SURVEY) {
        im->expect_frames = im->sum.frames;
    } else if (im->status == HCT_OK && im->sum.frames != im->expect_frames) {
        (void)import_fail(im, HCT_BAD, "%.300s: the file changed while it was read", im->capture);
    }
    if (pass != PASS_SURVEY && im->status == HCT_OK) {
        msg_finish(im);
    }
    return im->status == HCT_OK;
}

/* Nothing to import: say what the capture holds instead. */
static bool nothing(struct import *im)
{
    int most = IMPORT_COUNT_not_rdma;
    for (int c = 0; c < IMPORT_COUNTS; c++) {
        most = im->sum.count[c] > im->sum.count[most] ? c : most;
    }
    if (im->sum.frames == 0) {
        return import_fail(im, HCT_BAD, "%.250s: a capture without a frame", im->capture);
    }
    return import_fail(im, HCT_BAD,
                       "%.200s: no RDMA message could be imported from %llu frames; %llu are: %s",
                       im->capture, (unsigned long long)im->sum.frames,
                       (unsigned long long)im->sum.count[most], import_count_rows[most].text);
}

static bool create(struct import *im)
{
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    struct hct_error err = {0};
    if (im->path == NULL) {
        return true;
    }
    const enum hct_status st = hct_create(im->path, &opt, &im->writer, &err);
    errno = err.sys_errno;
    return st == HCT_OK || import_fail(im, st, "%.390s", err.text);
}

static bool finish(struct import *im)
{
    struct hct_error err = {0};
    if (im->writer == NULL) {
        return true;
    }
    const enum hct_status st = hct_finish(im->writer, &err);
    im->writer = NULL;
    errno = err.sys_errno;
    return st == HCT_OK || import_fail(im, st, "%.390s", err.text);
}

static void add_up(struct import *im)
{
    im->sum.ops = im->ops;
    for (uint32_t i = 0; i < im->halves; i++) {
        const struct half *h = &im->half[i];
        im->sum.reused += h->newer != HCT_NONE;
        if (h->peer == HCT_NONE || h->peer < i) {
            continue;
        }
        im->sum.pairs_by_ack += h->pairing == PAIR_ACK;
        im->sum.pairs_assumed += h->pairing == PAIR_PORT || h->pairing == PAIR_ONLY;
        im->sum.pairs_one_sided += h->pairing == PAIR_VIRTUAL;
    }
}

static bool run(struct import *im)
{
    if (!run_pass(im, PASS_SURVEY) || !pair_all(im) || !run_pass(im, PASS_COUNT)) {
        return false;
    }
    if (!im->t0_known) {
        return nothing(im);
    }
    rule_decide(im);
    if (im->status != HCT_OK || !plan_queues(im) || !rule_rings(im) || !create(im) ||
        !report_notes(im)) {
        return false;
    }
    /* Resources are counted in im->sum, which pass 3 starts anew. */
    if (!plan_write(im)) {
        return false;
    }
    const struct import_summary resources = im->sum;
    if (!run_pass(im, PASS_WRITE)) {
        return false;
    }
    im->sum.hosts = resources.hosts;
    im->sum.qps = resources.qps;
    im->sum.mrs = resources.mrs;
    add_up(im);
    return finish(im);
}

static void close_all(struct import *im)
{
    capture_close(im->in);
    hct_abort(im->writer);
    spool_close(im->spool);
    hct_store_free(&im->check);
    for (uint32_t i = 0; im->qp != NULL && i < im->qps; i++) {
        free(im->qp[i].window_ring);
        free(im->qp[i].arrival_ring);
        free(im->qp[i].recv_ring);
    }
    map_free(&im->node_map);
    map_free(&im->flow_map);
    map_free(&im->ud_map);
    map_free(&im->mr_map);
    map_free(&im->ah_map);
    free(im->scratch);
    free(im->mirror);
    free(im->node);
    free(im->half);
    free(im->ud);
    free(im->pair_table);
    free(im->qp);
    free(im->lane);
    free(im->msg);
    free(im->held);
    free(im->mr);
    free(im->ah);
}

static enum hct_status import(struct import *im, const struct import_options *opt,
                              struct import_summary *sum)
{
    im->opt = opt != NULL ? *opt : (struct import_options){0};
    im->scratch = malloc(CAPTURE_RECORD_MAX + 64);
    im->table_sets = TABLE_SETS_MIN;
    while (im->table_sets < TABLE_SETS_MAX &&
           (im->memory == NULL || im->table_sets < im->memory_bytes / RECORD_BYTES_MIN)) {
        im->table_sets *= 2;
    }
    im->mirror = calloc(im->table_sets, sizeof *im->mirror);
    bool ok = im->scratch != NULL && im->mirror != NULL;
    ok = ok ? pair_open(im) && spool_open(im) : import_no_memory(im);
    ok = ok && run(im);
    if (ok) {
        report_print(im);
    }
    if (ok && sum != NULL) {
        *sum = im->sum;
    }
    close_all(im);
    return im->status;
}

enum hct_status hct_import(const char *capture, const char *path, const struct import_options *opt,
                           struct import_summary *sum, FILE *report, struct hct_error *err)
{
    struct import im = {.capture = capture, .path = path, .report = report, .err = err};
    struct stat st;
    if (stat(capture, &st) != 0) {
        (void)import_fail(&im, HCT_SYS, "%.300s: %s", capture, strerror(errno));
        return im.status;
    }
    if (!S_ISREG(st.st_mode)) {
        (void)import_fail(&im, HCT_USAGE,
                          "%.300s: not a regular file; the import reads a capture three times, so "
                          "save it to a file first",
                          capture);
        return im.status;
    }
    return import(&im, opt, sum);
}

enum hct_status hct_import_memory(const void *data, size_t bytes, const char *name,
                                  const char *path, const struct import_options *opt,
                                  struct import_summary *sum, FILE *report, struct hct_error *err)
{
    struct import im = {.capture = name,
                        .memory = data != NULL ? data : "",
                        .memory_bytes = bytes,
                        .path = path,
                        .report = report,
                        .err = err};
    return import(&im, opt, sum);
}
