/* report_text.c: report.txt; its first block answers how long, how fast, where did the time go. */
#include "model/trace.h"
#include "sim/report/report_i.h"

#include <inttypes.h>
#include <string.h>

enum { COLUMNS = 118, LABEL = 14, PHASE_BAR = 40 };

/* What a reader asks about; a stage belongs to exactly one: the compiler sees that none is left
 * out. */
enum phase {
    P_SOFTWARE,
    P_DOORBELL,
    P_WORK,
    P_WINDOW,
    P_AGAIN,
    P_XLAT,
    P_READ,
    P_PACKET,
    P_WIRE,
    P_PEER,
    P_PEER_DATA,
    P_END,
    PHASES
};
static const char *const phase_name[PHASES] = {
    [P_SOFTWARE] = "software: post call, doorbell store",
    [P_DOORBELL] = "doorbell: PCIe, BAR decode",
    [P_WORK] = "work request: grant, context, WQE fetch",
    [P_WINDOW] = "windows: quantum, PSN window, fence",
    [P_AGAIN] = "waiting to send again",
    [P_XLAT] = "translation: memory key, pages",
    [P_READ] = "payload read: PCIe, IOMMU, memory",
    [P_PACKET] = "packets: build, parse, ICRC",
    [P_WIRE] = "wire: port queue, cable, switch",
    [P_PEER] = "peer: checks, execution",
    [P_PEER_DATA] = "peer: READ and ATOMIC data",
    [P_END] = "completion: place data, retire, CQE",
};

static enum phase phase_of(enum stage_id stage)
{
    switch (stage) {
    case STAGE_posted:
    case STAGE_rung:
    case STAGE_polled: return P_SOFTWARE;
    case STAGE_doorbell: return P_DOORBELL;
    case STAGE_granted:
    case STAGE_context:
    case STAGE_fetched: return P_WORK;
    case STAGE_segmented: return P_WINDOW;
    case STAGE_retransmit: return P_AGAIN;
    case STAGE_translated: return P_XLAT;
    case STAGE_dma_issued:
    case STAGE_dma_done: return P_READ;
    case STAGE_built:
    case STAGE_parsed:
    case STAGE_rsp_built:
    case STAGE_rsp_parsed: return P_PACKET;
    case STAGE_wire_out:
    case STAGE_wire_in:
    case STAGE_rsp_out:
    case STAGE_rsp_in:
    case STAGE_first_out:
    case STAGE_first_in: return P_WIRE;
    case STAGE_checked:
    case STAGE_executed: return P_PEER;
    case STAGE_rsp_issued:
    case STAGE_rsp_read: return P_PEER_DATA;
    case STAGE_acked:
    case STAGE_placed:
    case STAGE_retired:
    case STAGE_cqe_built:
    case STAGE_cqe_sent:
    case STAGE_cqe_visible:
    case STAGES: return P_END;
    }
    return P_END;
}

void put_us(FILE *out, uint64_t ps)
{
    const uint64_t ns = ps / 1000;

    if (ns < 10000000) {
        fprintf(out, "%4" PRIu64 ".%03" PRIu64, ns / 1000, ns % 1000);
    } else if (ns < 1000000000) {
        fprintf(out, "%6" PRIu64 ".%" PRIu64, ns / 1000, ns % 1000 / 100);
    } else {
        fprintf(out, "%8" PRIu64, ns / 1000);
    }
}

void put_bar(FILE *out, uint64_t from, uint64_t to, int width)
{
    const int a = (int)(from * (uint64_t)width / 1000), b = (int)(to * (uint64_t)width / 1000);
    const int first = a < width ? a : width - 1, end = b > first ? b : first + 1;

    fputc('|', out);
    for (int i = 0; i < width; i++) {
        fputc(i >= first && i < end ? '#' : ' ', out);
    }
    fputc('|', out);
}

/* Words of a text in lines of COLUMNS, all but the first indented as far as the label. */
static void wrapped(FILE *out, const char *label, const char *text)
{
    int at = fprintf(out, "%-*s", LABEL, label);

    for (const char *s = text; *s != '\0';) {
        const int n = (int)strcspn(s, " ");
        if (at > LABEL && at + 1 + n > COLUMNS) {
            at = fprintf(out, "\n%*s", LABEL, "") - 1;
        }
        at += fprintf(out, "%s%.*s", at > LABEL ? " " : "", n, s);
        s += n;
        s += strspn(s, " ");
    }
    fputc('\n', out);
}

static void how_long(const struct report *r, const struct totals *t, const struct replay *y,
                     FILE *out)
{
    const struct replay_figures *const f = replay_figures(y);

    fprintf(out,
            "%-*s%.3f us from the end of set-up to the last completion; set-up %.3f us, %" PRIu64
            " commands\n",
            LABEL, "How long", (double)f->last_ps / 1e6, (double)f->setup_ps / 1e6,
            f->setup_commands);
    fprintf(out,
            "%-*s%.3f Gb/s goodput, %.4f M messages/s: %" PRIu64 " messages, %" PRIu64 " bytes\n",
            LABEL, "How fast", (double)t->goodput_bps / 1e9, (double)t->messages_per_s / 1e6,
            r->messages, r->message_bytes);
}

static void where(const struct report *r, FILE *out)
{
    uint64_t all = 0, at = 0, phase[PHASES] = {0};

    for (unsigned s = 0; s < meta_stage_count; s++) {
        all += r->stage_ps[s];
        phase[phase_of((enum stage_id)s)] += r->stage_ps[s];
    }
    if (all == 0) {
        return;
    }
    fprintf(out, "%-*smean time of a message, %" PRIu64 " messages, us and share\n", LABEL, "Where",
            r->staged);
    for (unsigned p = 0; p < PHASES; p++) {
        const uint64_t ps = phase[p];
        if (ps == 0) {
            continue;
        }
        fprintf(out, "%*s%-40s ", LABEL, "", phase_name[p]);
        put_us(out, ps / r->staged);
        fprintf(out, " %5.1f %% ", 100.0 * (double)ps / (double)all);
        put_bar(out, scale(at, 1000, all), scale(at + ps, 1000, all), PHASE_BAR);
        fputc('\n', out);
        at += ps;
    }
    fprintf(out, "%*s%-40s ", LABEL, "", "sum: mean latency");
    put_us(out, all / r->staged);
    fputc('\n', out);
}

static void busiest(const struct report *r, const struct totals *t, struct world *w, FILE *out)
{
    uint64_t best = 0;
    char text[96] = "nothing";

    for (unsigned h = 0; h < world_hosts(w); h++) {
        const struct pcie_use u = pcie_of(r, t, w, h);
        const uint64_t up = u.up_ppm, down = u.down_ppm;
        if (up > best || down > best) {
            best = up > down ? up : down;
            snprintf(text, sizeof text, "PCIe of host %u, %s", h,
                     up > down ? "adapter to host" : "host to adapter");
        }
        for (unsigned a = 0; a < world_hcas(w); a++) {
            const struct port_use p = port_of(r, t, w, h, a);
            if (p.tx.ppm > best) {
                best = p.tx.ppm;
                snprintf(text, sizeof text, "port of host %u hca %u, sending", h, a);
            }
        }
    }
    fprintf(out, "%-*s%s: %.1f %% of what it can carry\n", LABEL, "Busiest link", text,
            (double)best / 1e4);
}

static void right(const struct replay *y, struct world *w, FILE *out)
{
    const struct replay_figures *const f = replay_figures(y);

    fprintf(out,
            "%-*s%" PRIu64 " operations ended, %" PRIu64 " not as expected, %" PRIu64
            " with the error expected; %" PRIu64 " frames\n",
            LABEL, "Operations", f->ops, f->failed, f->expected_errors, world_figures(w).frames);
    fprintf(out,
            "%-*s%" PRIu64 " compared: %" PRIu64 " right, %" PRIu64 " wrong; %" PRIu64
            " could not be compared\n",
            LABEL, "Payloads", f->checked, f->checked - f->mismatches, f->mismatches, f->unchecked);
}

static void model(const struct report *r, FILE *out)
{
    static const char *const iommu[] = {"VT-d off", "VT-d pass-through", "VT-d on"};
    const struct hca_param *const p = &r->p;
    char wire[64], text[400];

    snprintf(text, sizeof text,
             "%s at %" PRIu64 " Mb/s, PCIe Gen%" PRIu64 " x%" PRIu64
             ", %s, payload %s, seed %" PRIu64 ", %s",
             hca_param_text(p, hca_param_find("port.wire", 9), wire, sizeof wire),
             p->port_rate_mbps, p->pcie_gen, p->pcie_lanes, iommu[p->iommu_mode % 3],
             p->sim_payload != 0 ? "on" : "off", p->sim_seed,
             p->sim_train_tlps_max == 1
                 ? "TLP-exact"
                 : "NOT TLP-exact: TLPs travel in trains (sim.train_tlps_max)");
    wrapped(out, "Model", text);
}

static void evidence(const struct report *r, const struct report_head *h, const struct totals *t,
                     FILE *out)
{
    unsigned count[HCA_SOURCES], fitted = 0;

    hca_config_evidence(h->config, count);
    for (unsigned i = 0; i < HCA_PARAM_COUNT; i++) {
        fitted += parameter_fitted(h->config, i);
    }
    fprintf(out, "%-*sparameters: %u SPEC, %u MEASURED, %u ASSUMED; %u of them fitted\n", LABEL,
            "Evidence", count[HCA_SOURCE_SPEC], count[HCA_SOURCE_MEASURED],
            count[HCA_SOURCE_ASSUMED], fitted);
    if (t->captured) {
        const uint64_t all = r->fields_recorded + r->fields_assumed;
        fprintf(out,
                "%*strace: %" PRIu64 " fields recorded, %" PRIu64
                " assumed by the importer (%.1f %%)\n",
                LABEL, "", r->fields_recorded, r->fields_assumed,
                all == 0 ? 0.0 : 100.0 * (double)r->fields_assumed / (double)all);
    }
}

static void head(const struct report *r, const struct report_head *h, const struct totals *t,
                 struct world *w, const struct replay *y, FILE *out)
{
    fprintf(out, "hcasim run of %s, timing %s: %s\n\n", h->trace, h->timing, h->end);
    if (h->waiting != NULL) {
        wrapped(out, "Waits for", h->waiting);
    }
    how_long(r, t, y, out);
    busiest(r, t, w, out);
    where(r, out);
    right(y, w, out);
    model(r, out);
    evidence(r, h, t, out);
    fprintf(out, "%-*sstate %016" PRIx64 ", timing %016" PRIx64 "\n", LABEL, "Hashes",
            world_hash(w), replay_figures(y)->timing_hash);
    if (t->note != NULL) {
        wrapped(out, "Note", t->note);
    }
    if (replay_figures(y)->first_failure[0] != '\0') {
        wrapped(out, "First failure", replay_figures(y)->first_failure);
    }
}

static void failures(const struct report *r, FILE *out)
{
    if (r->failures == 0) {
        return;
    }
    fprintf(out, "\nOperations that did not end as expected: %" PRIu64 "%s\n", r->failures,
            r->failures > FAILED_LISTED ? "; the first 32" : "");
    for (uint64_t i = 0; i < r->failures && i < FAILED_LISTED; i++) {
        char kind[32], got[32], want[32], qp[24] = "no QP";
        if (r->failed[i].qp != HCT_NONE) {
            snprintf(qp, sizeof qp, "QP %u", r->failed[i].qp);
        }
        fprintf(out, "  op %" PRIu64 " %s on %s: %s, expected %s\n", r->failed[i].op,
                kind_text(r->failed[i].kind, kind, sizeof kind), qp,
                hct_name(hct_text_wc, r->failed[i].status, got, sizeof got),
                hct_name(hct_text_wc, r->failed[i].expect, want, sizeof want));
    }
}

bool report_text(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out)
{
    const struct totals t = totals_of(r, h, w, y);

    head(r, h, &t, w, y, out);
    failures(r, out);
    text_groups(r, out);
    text_stages(r, out);
    text_system(r, &t, w, y, out);
    return fflush(out) == 0 && ferror(out) == 0;
}
