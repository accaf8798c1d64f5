/* report_text.c: report.txt. */
#include "sim/report/report_i.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BAR = 40 };

/* ns with two decimals, from ps. */
static void ns(FILE *out, const char *before, uint64_t ps, int width)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64 ".%02" PRIu64, ps / 1000, ps % 1000 / 10);
    fprintf(out, "%s%*s", before, width, text);
}

static void head(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out)
{
    const struct replay_figures *const f = replay_figures(y);
    const struct hca_param *const p = &h->config->value;
    unsigned count[HCA_SOURCES];
    char text[64];

    (void)r;
    hca_config_evidence(h->config, count);
    fprintf(out, "hcasim run of %s, timing %s: %s\n", h->trace, h->timing, h->end);
    if (h->note != NULL) {
        fprintf(out, "  %s\n", h->note);
    }
    if (h->waiting != NULL) {
        fprintf(out, "  first operation that is not done: %s\n", h->waiting);
    }
    fprintf(out,
            "  operations  %" PRIu64 " completed, %" PRIu64 " not as expected, %" PRIu64
            " errors as expected\n",
            f->ops, f->failed, f->expected_errors);
    fprintf(out,
            "  bytes       %" PRIu64 " in messages, %" PRIu64
            " frames sent; payloads compared: %" PRIu64 " right, %" PRIu64 " wrong, %" PRIu64
            " without recorded bytes\n",
            f->bytes, world_figures(w).frames, f->checked - f->mismatches, f->mismatches,
            f->unchecked);
    ns(out, "  time        ", f->last_ps, 0);
    ns(out, " ns simulated after a set-up of ", f->setup_ps, 0);
    fprintf(out, " ns with %" PRIu64 " commands\n", f->setup_commands);
    fprintf(out, "  wire        %s, %s; seed %" PRIu64 "; %s\n",
            hca_param_text(p, hca_param_find("port.wire", 9), text, sizeof text),
            p->iommu_mode == HCA_IOMMU_MODE_ON     ? "VT-d on"
            : p->iommu_mode == HCA_IOMMU_MODE_PASS ? "VT-d pass-through"
                                                   : "VT-d off",
            p->sim_seed,
            p->sim_train_tlps_max == 1 ? "TLP-exact" : "NOT TLP-exact: TLPs travel in trains");
    fprintf(out, "  evidence    parameters: %u SPEC, %u MEASURED, %u ASSUMED\n",
            count[HCA_SOURCE_SPEC], count[HCA_SOURCE_MEASURED], count[HCA_SOURCE_ASSUMED]);
    if (f->first_failure[0] != '\0') {
        fprintf(out, "  first failure: %s\n", f->first_failure);
    }
}

static void size_text(const struct group *g, char *text, size_t size)
{
    const uint64_t lo = size_floor(g->size_class), hi = size_ceiling(g->size_class);

    if (lo == hi) {
        snprintf(text, size, "%" PRIu64, lo);
    } else {
        snprintf(text, size, "%" PRIu64 "-%" PRIu64, lo, hi);
    }
}

static void groups(const struct report *r, FILE *out)
{
    fputs(
        "\nLatency by opcode, transport, function and size, ns (from the post call to the CQE in "
        "memory;\nrecv: from the first packet; unsignalled: to retirement)\n"
        "opcode     qp  host:fn       bytes      count   fail       min       p50       p90       "
        "p99     p99.9       max      mean      Gb/s\n",
        out);
    for (unsigned i = 0; i < r->groups; i++) {
        const struct group *const g = &r->group[i];
        const struct hist *const l = &g->latency;
        char kind[32], qp[32], size[48];
        const uint64_t span = g->last_ps - g->first_ps;
        size_text(g, size, sizeof size);
        fprintf(out, "%-10s %-3s %4u:%-3u %13s %10" PRIu64 " %6" PRIu64,
                kind_text(g->kind, kind, sizeof kind),
                g->transport == HCT_QP_COUNT ? "-"
                                             : hct_name(hct_text_qp, g->transport, qp, sizeof qp),
                g->host, g->fn, size, g->count, g->failures);
        ns(out, " ", l->count == 0 ? 0 : l->min, 9);
        ns(out, " ", hist_percentile(l, 500000), 9);
        ns(out, " ", hist_percentile(l, 900000), 9);
        ns(out, " ", hist_percentile(l, 990000), 9);
        ns(out, " ", hist_percentile(l, 999000), 9);
        ns(out, " ", l->max, 9);
        ns(out, " ", hist_mean(l), 9);
        fprintf(out, " %9.3f\n", span == 0 ? 0.0 : (double)g->bytes * 8000.0 / (double)span);
    }
    if (r->ungrouped != 0) {
        fprintf(out, "%" PRIu64 " operations beyond %d groups are in the totals only\n",
                r->ungrouped, GROUPS_MAX);
    }
}

/* One line per stage: where it starts, how long it takes. The lines add up to the latency. */
static void waterfall(const char *what, const struct kept *k, FILE *out)
{
    uint64_t at = 0;

    fprintf(out, "  %s message (op %" PRIu64 ", %" PRIu64 " bytes)", what, k->id, k->bytes);
    ns(out, ": ", k->latency_ps, 0);
    fputs(" ns\n", out);
    for (unsigned s = 0; s < meta_stage_count && k->latency_ps > 0; s++) {
        const uint64_t d = k->stages.ps[s];
        if (d == 0) {
            continue;
        }
        const int from = (int)(at * BAR / k->latency_ps),
                  to = (int)((at + d) * BAR / k->latency_ps);
        fprintf(out, "    %-13s", meta_stages[s].name);
        ns(out, " ", d, 11);
        fprintf(out, " %5.1f %% |%*s", 100.0 * (double)d / (double)k->latency_ps, from, "");
        for (int i = from; i < to || i == from; i++) {
            fputc('#', out);
        }
        fprintf(out, "%*s| %s\n", BAR + 1 - (to > from ? to : from + 1), "", meta_stages[s].doc);
        at += d;
    }
}

static void stages(const struct report *r, FILE *out)
{
    fputs("\nWhere the time goes: stages of the median and of the slowest message of each group.\n"
          "Time between two stamps belongs to the later one; stages add up to the latency.\n",
          out);
    for (unsigned i = 0; i < r->groups; i++) {
        const struct group *const g = &r->group[i];
        char kind[32], size[48];
        if (g->staged == 0) {
            continue;
        }
        size_text(g, size, sizeof size);
        fprintf(out, "%s, %s bytes, host %u fn %u\n", kind_text(g->kind, kind, sizeof kind), size,
                g->host, g->fn);
        waterfall("median", group_median(g), out);
        if (g->count > 1) {
            waterfall("slowest", &g->slowest, out);
        }
    }
}

static double utilisation(uint64_t bits, double rate_bps, uint64_t ps)
{
    return ps == 0 ? 0.0 : 100.0 * (double)bits / (rate_bps * (double)ps / 1e12);
}

static void links(const struct report *r, struct world *w, const struct replay *y, FILE *out)
{
    const uint64_t ps = replay_figures(y)->last_ps;
    uint64_t num, den;

    hca_param_pcie_rate(&r->p, &num, &den);
    fputs("\nLinks (bytes with all framing, share of the raw rate over the whole run)\n", out);
    for (unsigned h = 0; h < world_hosts(w); h++) {
        for (unsigned a = 0; a < world_hcas(w); a++) {
            const struct net_figures *const f = net_figures(world_net(w), h * world_hcas(w) + a);
            fprintf(out,
                    "  host %u hca %u  port sent %" PRIu64 " frames, %" PRIu64
                    " bytes, %.2f %% of %" PRIu64 " Mb/s",
                    h, a, f->frames, f->wire_bytes,
                    utilisation(f->wire_bytes * 8, (double)r->p.port_rate_mbps * 1e6, ps),
                    r->p.port_rate_mbps);
            if (f->fault[NET_LOSE] + f->fault[NET_CORRUPT] + f->dropped_queue != 0) {
                fprintf(out, "; lost %" PRIu64 ", corrupted %" PRIu64 ", dropped %" PRIu64,
                        f->fault[NET_LOSE], f->fault[NET_CORRUPT], f->dropped_queue);
            }
            fputc('\n', out);
        }
        fprintf(out, "  host %u PCIe by class   %10s %14s %10s %14s\n", h, "TLPs up", "bytes up",
                "TLPs down", "bytes down");
        uint64_t up = 0, down = 0;
        for (unsigned c = 0; c < CLS_COUNT; c++) {
            char name[4][64];
            uint64_t v[4] = {0};
            snprintf(name[0], sizeof name[0], "up_tlps_%s", dma_class_name[c]);
            snprintf(name[1], sizeof name[1], "up_bytes_%s", dma_class_name[c]);
            snprintf(name[2], sizeof name[2], "dn_tlps_%s", dma_class_name[c]);
            snprintf(name[3], sizeof name[3], "dn_bytes_%s", dma_class_name[c]);
            for (unsigned a = 0; a < world_hcas(w); a++) {
                v[0] += stat_named(r, w, h, (int)a, "pcie", name[0]);
                v[1] += stat_named(r, w, h, (int)a, "pcie", name[1]);
            }
            v[2] = stat_named(r, w, h, -1, "root", name[2]);
            v[3] = stat_named(r, w, h, -1, "root", name[3]);
            if (v[0] + v[2] != 0) {
                fprintf(out, "    %-20s %10" PRIu64 " %14" PRIu64 " %10" PRIu64 " %14" PRIu64 "\n",
                        dma_class_name[c], v[0], v[1], v[2], v[3]);
            }
            up += v[1];
            down += v[3];
        }
        fprintf(out, "    utilisation: up %.2f %%, down %.2f %% of %.2f Gb/s raw\n",
                utilisation(up * 8, (double)num / (double)den, ps),
                utilisation(down * 8, (double)num / (double)den, ps),
                (double)num / (double)den / 1e9);
    }
}

static void cores(struct world *w, const struct replay *y, FILE *out)
{
    const struct replay_figures *const f = replay_figures(y);

    fputs("\nCPU cycles by cause (cores that did something; set-up included under command)\n", out);
    for (unsigned h = 0; h < world_hosts(w); h++) {
        struct machine *const m = replay_machine(y, h);
        for (uint32_t c = 0; c < machine_cores(m); c++) {
            uint64_t cycles[CPU_CAUSES], sum = 0;
            machine_account(m, c, world_now(w), cycles);
            for (unsigned i = 0; i < CPU_CAUSES; i++) {
                sum += cycles[i];
            }
            if (sum == 0) {
                continue;
            }
            fprintf(out, "  host %u core %u:", h, c);
            for (unsigned i = 0; i < CPU_CAUSES; i++) {
                if (cycles[i] != 0) {
                    fprintf(out, " %s %" PRIu64, cpu_cause_name[i], cycles[i]);
                }
            }
            fputc('\n', out);
        }
    }
    (void)f;
}

static void counters(const struct report *r, struct world *w, FILE *out)
{
    fputs("\nCounters that are not zero (docs/reference/statistics.md says what they count)\n",
          out);
    for (unsigned i = 0; i < meta_stat_count; i++) {
        const struct meta_stat *const s = &meta_stats[i];
        uint64_t sum = 0;
        if (strstr(s->name, "_tlps_") != NULL || strstr(s->name, "_bytes_") != NULL ||
            strstr(s->name, "_payload_") != NULL) {
            continue;
        }
        for (unsigned h = 0; h < world_hosts(w); h++) {
            if (s->side == META_HOST) {
                sum += stat_since(r, w, h, -1, i);
            }
            for (unsigned a = 0; s->side == META_HCA && a < world_hcas(w); a++) {
                sum += stat_since(r, w, h, (int)a, i);
            }
        }
        if (sum != 0) {
            fprintf(out, "  %-13s %-24s %12" PRIu64 " %s\n", s->unit, s->name, sum, s->measure);
        }
    }
}

static void busy_wires(struct world *w, FILE *out)
{
    fputs("\nWires that were full at some time (all hosts; mean entries over the run)\n", out);
    for (unsigned i = 0; i < meta_wire_count; i++) {
        uint64_t full = 0, pushes = 0, stay = 0;
        uint32_t depth = 0;
        for (unsigned h = 0; h < world_hosts(w); h++) {
            for (int a = -1; a < (int)world_hcas(w); a++) {
                if ((a < 0) == (meta_wires[i].side == META_HOST)) {
                    const struct wire_figures f =
                        a < 0 ? host_wire_figures(world_host(w, h), i)
                              : hca_wire_figures(world_hca(w, h, (unsigned)a), i);
                    full += f.full_cycles;
                    pushes += f.pushes;
                    stay += f.entry_cycles;
                    depth = f.depth;
                }
            }
        }
        if (full != 0) {
            fprintf(out,
                    "  %-14s depth %4u: full %10" PRIu64 " cycles, %10" PRIu64
                    " entries, %.1f cycles each\n",
                    meta_wires[i].name, depth, full, pushes,
                    pushes == 0 ? 0.0 : (double)stay / (double)pushes);
        }
    }
}

static void failures(const struct report *r, FILE *out)
{
    enum { LISTED = sizeof r->failed / sizeof r->failed[0] };

    if (r->failures == 0) {
        return;
    }
    fprintf(out, "\nOperations that did not end as expected: %" PRIu64 "\n", r->failures);
    for (uint64_t i = 0; i < r->failures && i < LISTED; i++) {
        char kind[32], got[32], want[32];
        fprintf(out, "  op %" PRIu64 " %s on QP %u: %s, expected %s\n", r->failed[i].op,
                kind_text(r->failed[i].kind, kind, sizeof kind), r->failed[i].qp,
                hct_name(hct_text_wc, r->failed[i].status, got, sizeof got),
                hct_name(hct_text_wc, r->failed[i].expect, want, sizeof want));
    }
}

bool report_text(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out)
{
    head(r, h, w, y, out);
    failures(r, out);
    groups(r, out);
    stages(r, out);
    links(r, w, y, out);
    cores(w, y, out);
    counters(r, w, out);
    busy_wires(w, out);
    return fflush(out) == 0 && ferror(out) == 0;
}
