/* What the import found, for people: printed, and kept in the trace as a note. */
#include "traces/import_i.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_PRINTED = 64, REMARK_BYTES = 32000 };

const struct import_count_row import_count_rows[IMPORT_COUNTS] = {
#define COUNT(name_, group_, text_) \
    [IMPORT_COUNT_##name_] = {.name = #name_, .text = (text_), .group = IMPORT_##group_},
#include "traces/import_count.def"
#undef COUNT
};

static void print_input(const struct import *im, FILE *out)
{
    static const char *const wire[PKT_WIRES] = {"RoCE v2 over IPv4", "RoCE v2 over IPv6", "RoCE v1",
                                                "InfiniBand", "InfiniBand with GRH"};
    const uint64_t ms = (im->now_ns - im->first_ns) / 1000000;
    (void)fprintf(out, "capture %s: %" PRIu64 " frames, %" PRIu64 ".%03" PRIu64 " s\n", im->capture,
                  im->sum.frames, ms / 1000, ms % 1000);
    for (int w = 0; w < PKT_WIRES; w++) {
        if (im->wire[w] != 0) {
            (void)fprintf(out, "  %10" PRIu64 " transport packets, %s\n", im->wire[w], wire[w]);
        }
    }
    for (int t = 0; t < TUNNEL_KINDS; t++) {
        for (int refused = 0; refused < 2; refused++) {
            if (im->tunnel[t][refused] != 0) {
                (void)fprintf(out, "  %10" PRIu64 " frames %s: %s\n", im->tunnel[t][refused],
                              refused ? "refused" : "taken out of a tunnel",
                              tunnel_text((enum tunnel_kind)t));
            }
        }
    }
    if (im->sum.truncated) {
        (void)fprintf(out, "  the capture ends inside a record: the whole ones were read\n");
    }
    if (im->sum.time_steps_back != 0) {
        (void)fprintf(out, "  %10" PRIu64 " frames stamped before an earlier one: time held\n",
                      im->sum.time_steps_back);
    }
}

static void print_counts(const struct import *im, FILE *out)
{
    static const char *const group[IMPORT_GROUPS] = {"used", "protocol", "repeated", "left out"};
    (void)fprintf(out, "every frame, once:\n");
    for (int g = 0; g < IMPORT_GROUPS; g++) {
        for (int c = 0; c < IMPORT_COUNTS; c++) {
            const struct import_count_row *row = &import_count_rows[c];
            if ((int)row->group == g && im->sum.count[c] != 0) {
                (void)fprintf(out, "  %10" PRIu64 "  %-8s  %s\n", im->sum.count[c], group[g],
                              row->text);
            }
        }
    }
    (void)fprintf(out, "  ICRC checked in %" PRIu64 "; payload not in the capture in %" PRIu64 "\n",
                  im->sum.icrc_checked, im->sum.header_only);
    if (im->sum.count[IMPORT_COUNT_icrc] > im->sum.frames / 2) {
        (void)fprintf(out, "  most ICRCs are wrong: if a tap rewrote the headers, take the packets "
                           "with keep_bad_icrc\n");
    }
}

static void print_end(const struct import *im, const struct qp *q, FILE *out)
{
    char text[64];
    (void)fprintf(out, "qp %u %s:", q->id, node_text(im, q->node, text, sizeof text));
    if (q->qpn == HCT_NONE) {
        (void)fprintf(out, "(number unknown)");
    } else {
        (void)fprintf(out, "0x%06x", q->qpn);
    }
}

/* What a QP posted and which rule holds for it; nothing when it posted nothing. */
static void print_posted(const struct import *im, uint32_t index, FILE *out)
{
    const struct qp *q = &im->qp[index];
    char text[256], kind[32];
    if (q->started == 0) {
        return;
    }
    (void)fprintf(out, "    qp %u posts", q->id);
    for (unsigned k = 0; k < HCT_KIND_COUNT; k++) {
        if (q->kind[k] != 0) {
            (void)fprintf(out, " %" PRIu64 " %s,", q->kind[k],
                          hct_name(hct_text_kind, k, kind, sizeof kind));
        }
    }
    (void)fprintf(out, " %" PRIu64 " B; %s", q->bytes, rule_text(q, text, sizeof text));
    if (q->before != HCT_NONE) {
        (void)fprintf(out, "; begins after qp %u has ended", im->qp[q->before].id);
    }
    if (q->type != HCT_QP_UD && im->lane[q->peer].repeated != 0) {
        (void)fprintf(out, "; %" PRIu64 " packets retransmitted", im->lane[q->peer].repeated);
    }
    if (q->type == HCT_QP_RC && q->unacked != 0) {
        (void)fprintf(out, "; %" PRIu64 " without acknowledgement", q->unacked);
    }
    (void)fprintf(out, "\n");
}

static void print_connection(const struct import *im, uint32_t index, FILE *out)
{
    static const char *const how[] = {[PAIR_NONE] = "",
                                      [PAIR_ACK] = "paired by acknowledgements",
                                      [PAIR_PORT] = "paired by UDP source port, assumed",
                                      [PAIR_ONLY] = "paired as the only two, assumed",
                                      [PAIR_VIRTUAL] = "one direction only in the capture"};
    const struct qp *q = &im->qp[index];
    (void)fprintf(out, "  ");
    print_end(im, q, out);
    if (q->type != HCT_QP_UD) {
        const struct half *h = &im->half[index];
        (void)fprintf(out, " <-> ");
        print_end(im, &im->qp[q->peer], out);
        (void)fprintf(out, " %s, MTU %u%s, %s", q->type == HCT_QP_RC ? "RC" : "UC", q->mtu_bytes,
                      h->mtu_proved ? "" : " assumed", how[h->pairing]);
        if (h->evidence != 0) {
            (void)fprintf(out, " (%u)", h->evidence);
        }
    } else {
        (void)fprintf(out, " UD, %" PRIu64 " messages received", q->consumed);
    }
    (void)fprintf(out, "\n");
    print_posted(im, index, out);
    if (q->peer != HCT_NONE && q->peer != index) {
        print_posted(im, q->peer, out);
    }
}

static void print_connections(const struct import *im, FILE *out)
{
    uint32_t printed = 0, all = 0;
    (void)fprintf(out, "queue pairs, and what their operations wait for:\n");
    for (uint32_t i = 0; i < im->qps; i++) {
        const struct qp *q = &im->qp[i];
        if (!q->used || (q->peer != HCT_NONE && q->peer < i)) {
            continue;
        }
        all++;
        if (printed < CONNECTIONS_PRINTED) {
            printed++;
            print_connection(im, i, out);
        }
    }
    if (all > printed) {
        (void)fprintf(out, "  and %u more\n", all - printed);
    }
}

static void print_messages(const struct import *im, FILE *out)
{
    char kind[32];
    (void)fprintf(out, "messages:");
    for (unsigned k = 0; k < HCT_KIND_COUNT; k++) {
        if (im->sum.messages[k] != 0) {
            (void)fprintf(out, " %" PRIu64 " %s,", im->sum.messages[k],
                          hct_name(hct_text_kind, k, kind, sizeof kind));
        }
    }
    (void)fprintf(out,
                  " %" PRIu64 " bytes; %" PRIu64 " messages left out, %" PRIu64
                  " imported without their end\n",
                  im->sum.message_bytes, im->sum.messages_left_out, im->sum.messages_cut);
}

static void print_all(const struct import *im, FILE *out)
{
    print_input(im, out);
    print_counts(im, out);
    print_messages(im, out);
    print_connections(im, out);
    (void)fprintf(out,
                  "times are those of the capture. Assumed: local buffers, receives, queue depths, "
                  "timers, every operation signalled\n");
}

/* The text of the report, cut to what a note holds; free() it. */
static char *remark(const struct import *im)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL) {
        return NULL;
    }
    print_all(im, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    if (bytes > REMARK_BYTES) {
        text[REMARK_BYTES] = 0;
    }
    return text;
}

bool report_notes(struct import *im)
{
    if (im->writer == NULL) {
        return true;
    }
    const char *slash = strrchr(im->capture, '/');
    char *text = remark(im);
    if (text == NULL) {
        return import_no_memory(im);
    }
    const bool ok =
        hct_put_note(im->writer, "origin", "capture") == HCT_OK &&
        hct_put_note(im->writer, "creator",
                     im->opt.creator != NULL ? im->opt.creator : "hcasim trace import") == HCT_OK &&
        hct_put_note(im->writer, "source", slash != NULL ? slash + 1 : im->capture) == HCT_OK &&
        hct_put_note(im->writer, "remark", text) == HCT_OK;
    free(text);
    return ok || import_fail(im, hct_writer_error(im->writer)->status, "%.350s",
                             hct_writer_error(im->writer)->text);
}

void report_print(struct import *im)
{
    if (im->report == NULL) {
        return;
    }
    print_all(im, im->report);
    (void)fprintf(im->report,
                  "trace: %" PRIu64 " operations, %u hosts, %u QPs, %u memory regions, %" PRIu64
                  " payload bytes; fields: %" PRIu64 " recorded, %" PRIu64 " assumed\n",
                  im->sum.ops, im->sum.hosts, im->sum.qps, im->sum.mrs, im->sum.payload_bytes,
                  im->sum.fields_recorded, im->sum.fields_assumed);
}
