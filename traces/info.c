/* Summary of a trace: one pass, then text or JSON from the same numbers. */
#include "traces/info.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "traces/info_json.h"
#include "traces/show_value.h"

/* Place of the class of a size: 0 for 0 bytes, n for up to 2^(n-1), 32 for the rest. */
static uint32_t size_class(uint64_t bytes)
{
    return bytes < 2 ? (uint32_t)bytes : 65u - (uint32_t)__builtin_clzll(bytes - 1);
}

/* One pass over the ops; all sums fit 64 bits, as ids do. */
static void count_op(struct tally *t, const struct hct_op *op, uint32_t warn)
{
    struct kind_tally *k = &t->kind[op->kind];
    const uint64_t bytes = hct_op_bytes(op);
    const uint32_t fields = hct_op_fields(op);

    k->bytes_min = k->ops == 0 || bytes < k->bytes_min ? bytes : k->bytes_min;
    k->bytes_max = bytes > k->bytes_max ? bytes : k->bytes_max;
    k->ops++;
    k->bytes += bytes;
    t->ops++;
    t->size[size_class(bytes)]++;
    t->signaled += (op->flags & HCT_SIGNALED) != 0;
    t->expect_error += op->expect != HCT_WC_SUCCESS;
    t->timed += op->t_ps != 0;
    t->t_last_ps = op->t_ps ? op->t_ps : t->t_last_ps;
    t->payload[op->payload]++;
    for (uint32_t i = 0; i < op->dep_count; i++) {
        t->dep[op->dep[i].type]++;
    }
    for (uint32_t bit = 0; bit < INFO_REC_BITS; bit++) {
        t->possible[bit] += fields >> bit & 1;
        t->recorded[bit] += fields >> bit & op->recorded >> bit & 1;
    }
    for (uint32_t bit = 0; bit < INFO_WARN_BITS; bit++) {
        t->warn[bit] += warn >> bit & 1;
    }
    if (op->qp != HCT_NONE && !t->qp_used[op->qp]) {
        t->qp_used[op->qp] = 1;
        t->qps_used++;
    }
}

/* Damage is passed over: what is left is summed up, and told as damaged at the end. */
static enum hct_status count_all(struct tally *t)
{
    struct hct_op op;
    struct hct_event ev;
    enum hct_status st = HCT_OK;

    do {
        if (t->head->content == HCT_WORKLOAD) {
            st = hct_next_op(t->r, &op);
            if (st == HCT_OK) {
                count_op(t, &op, hct_op_warn(t->r));
            }
            continue;
        }
        st = hct_next_event(t->r, &ev);
        if (st == HCT_OK) {
            t->event_type[ev.type]++;
            t->event_unit[ev.unit]++;
            t->t_first_ps = t->ops ? t->t_first_ps : ev.t_ps;
            t->t_last_ps = ev.t_ps;
            t->ops++;
        }
    } while (st == HCT_OK || st == HCT_DAMAGED);
    return st;
}

/* ---- text ---- */

/* Notes are quoted and escaped: they may come from anywhere. */
static void text_head(const struct tally *t, FILE *out)
{
    const struct hct_head *h = t->head;
    (void)fprintf(out, "%s trace, format %u.%u, %" PRIu64 " bytes",
                  h->content == HCT_WORKLOAD ? "workload" : "event", h->version_major,
                  h->version_minor, h->file_bytes);
    if (h->records != UINT64_MAX) {
        (void)fprintf(out, ", %" PRIu64 " records", h->records);
    }
    if (h->blocks != UINT32_MAX) {
        (void)fprintf(out, " in %u blocks", h->blocks);
    }
    (void)fputc('\n', out);
    for (uint32_t i = 0; i < h->notes; i++) {
        const char *value = (const char *)h->note[i].value;
        if (strcmp(h->note[i].key, "spec") == 0) {
            (void)fprintf(out, "  spec: %u bytes (trace show prints it)\n", h->note[i].value_bytes);
        } else {
            (void)fprintf(out, "  %s: ", h->note[i].key);
            show_json_text(out, value, strlen(value));
            (void)fputc('\n', out);
        }
    }
    if (t->loss[0]) {
        (void)fprintf(out, "DAMAGED: %s\n", t->loss);
    }
}

/* Kinds, sizes and dependencies that do not occur have no line. */
static void text_ops(const struct tally *t, FILE *out)
{
    char name[64];

    (void)fprintf(out, "ops: %" PRIu64 " on %u of %u QPs", t->ops, t->qps_used, t->res->qps);
    if (t->timed) {
        (void)fprintf(out, "; %" PRIu64 " with a time, the last at %" PRIu64 " ps", t->timed,
                      t->t_last_ps);
    }
    (void)fprintf(out, "\n  %-10s %12s %18s %12s %12s\n", "kind", "ops", "bytes", "smallest",
                  "largest");
    for (uint32_t i = 0; i < HCT_KIND_COUNT; i++) {
        const struct kind_tally *k = &t->kind[i];
        if (k->ops) {
            (void)fprintf(out, "  %-10s %12" PRIu64 " %18" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
                          hct_name(hct_text_kind, i, name, sizeof name), k->ops, k->bytes,
                          k->bytes_min, k->bytes_max);
        }
    }
    (void)fputs("  sizes up to:", out);
    for (uint32_t i = 0; i < INFO_SIZES; i++) {
        if (t->size[i]) {
            (void)fprintf(out, " %" PRIu64 ": %" PRIu64, i ? (uint64_t)1 << (i - 1) : 0,
                          t->size[i]);
        }
    }
    (void)fprintf(out, "\n  signalled %" PRIu64 ", expected to fail %" PRIu64, t->signaled,
                  t->expect_error);
    for (uint32_t i = 1; i < HCT_DEP_COUNT; i++) {
        (void)fprintf(out, "%s %s %" PRIu64, i == 1 ? "\n  dependencies:" : ",",
                      hct_name(hct_text_dep, i, name, sizeof name), t->dep[i]);
    }
    for (uint32_t i = 0; i < HCT_PAYLOAD_COUNT; i++) {
        (void)fprintf(out, "%s %s %" PRIu64, i == 0 ? "\n  payload:" : ",",
                      hct_name(hct_text_payload, i, name, sizeof name), t->payload[i]);
    }
    (void)fputc('\n', out);
}

static void text_workload(const struct tally *t, FILE *out)
{
    const struct hct_resources *r = t->res;
    char name[64];

    (void)fprintf(out,
                  "resources: %u hosts, %u functions, %u PDs, %u MRs, %u CQs, %u SRQs, %u QPs, "
                  "%u address handles\n",
                  r->hosts, r->fns, r->pds, r->mrs, r->cqs, r->srqs, r->qps, r->ahs);
    text_ops(t, out);
    (void)fputs("  recorded (the rest is assumed):", out);
    for (uint32_t i = 0; i < INFO_REC_BITS; i++) {
        if (t->possible[i]) {
            (void)fprintf(out, " %s %.1f%%",
                          hct_name(hct_text_op_rec, 1ull << i, name, sizeof name),
                          100.0 * (double)t->recorded[i] / (double)t->possible[i]);
        }
    }
    (void)fputc('\n', out);
    for (uint32_t i = 0; i < INFO_WARN_BITS; i++) {
        if (t->warn[i]) {
            (void)fprintf(out, "  will fail in the adapter: %" PRIu64 " ops: %s\n", t->warn[i],
                          info_warn_text[i]);
        }
    }
}

static void text_events(const struct tally *t, FILE *out)
{
    (void)fprintf(out, "events: %" PRIu64 " from %" PRIu64 " to %" PRIu64 " ps\n", t->ops,
                  t->t_first_ps, t->t_last_ps);
    for (uint32_t i = 0; i < hct_event_types(t->r); i++) {
        const struct hct_event_type *e = hct_event_type(t->r, i);
        if (e && t->event_type[i]) {
            (void)fprintf(out, "  %-24s %12" PRIu64 "  %s\n", e->name, t->event_type[i], e->doc);
        }
    }
    for (uint32_t i = 0; i < hct_units(t->r); i++) {
        if (t->event_unit[i]) {
            (void)fprintf(out, "  unit %-19s %12" PRIu64 "\n", hct_unit(t->r, i), t->event_unit[i]);
        }
    }
}

const char *const info_warn_text[INFO_WARN_BITS] = {
    "local list outside its MR",          "remote range outside its MR",
    "MR lacks the access right",          "MR of another protection domain",
    "operation that the transport lacks", "larger than the QP or MTU allows",
};

/* ---- running ---- */

/* One more element each: calloc(0) may give NULL. */
static bool make_arrays(struct tally *t)
{
    t->qp_used = calloc(t->res->qps + 1u, 1);
    t->event_type = calloc(hct_event_types(t->r) + 1u, sizeof *t->event_type);
    t->event_unit = calloc(hct_units(t->r) + 1u, sizeof *t->event_unit);
    return t->qp_used && t->event_type && t->event_unit;
}

static enum hct_status summarise(struct tally *t, bool json, FILE *out, struct hct_error *err)
{
    if (!make_arrays(t)) {
        return hct_fail(err, HCT_NOMEM, "no memory for a summary");
    }
    enum hct_status st = count_all(t);
    if (st != HCT_END) {
        return hct_fail(err, st, "%s", hct_reader_error(t->r)->text);
    }
    (void)hct_loss_text(t->r, t->loss, sizeof t->loss);
    if (json) {
        st = info_json(t, out) ? HCT_OK : hct_fail(err, HCT_NOMEM, "no memory for JSON");
    } else {
        st = HCT_OK;
        text_head(t, out);
        (t->head->content == HCT_WORKLOAD ? text_workload : text_events)(t, out);
    }
    if (st == HCT_OK && ferror(out)) {
        return hct_fail(err, HCT_SYS, "cannot write: %s", strerror(errno));
    }
    return st == HCT_OK && t->loss[0] ? hct_fail(err, HCT_DAMAGED, "%s", t->loss) : st;
}

static int summarise_and_close(struct tally *t, bool json, FILE *out, struct hct_error *err)
{
    t->head = hct_head(t->r);
    t->res = hct_resources(t->r);
    const enum hct_status st = summarise(t, json, out, err);
    free(t->qp_used);
    free(t->event_type);
    free(t->event_unit);
    hct_close(t->r);
    return hct_exit_status(st);
}

int hct_info_stream(FILE *in, const char *name, bool json, FILE *out, struct hct_error *err)
{
    struct tally t = {0};
    const enum hct_status st = hct_open_stream(in, name, &t.r, err);
    return st == HCT_OK ? summarise_and_close(&t, json, out, err) : hct_exit_status(st);
}

int hct_info(const char *path, bool json, FILE *out, struct hct_error *err)
{
    struct tally t = {0};
    const enum hct_status st = hct_open(path, &t.r, err);
    return st == HCT_OK ? summarise_and_close(&t, json, out, err) : hct_exit_status(st);
}
