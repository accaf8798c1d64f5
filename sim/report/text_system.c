/* text_system.c: links, caches, recovery, cores, wires and counters of report.txt. */
#include "sim/report/report_i.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static double percent(uint64_t ppm)
{
    return (double)ppm / 1e4;
}

static void ports(const struct report *r, const struct totals *t, struct world *w, FILE *out)
{
    fprintf(out,
            "\nPorts: %.3f Gb/s; line bytes are with preamble, FCS and gap, or symbols\n"
            "  host hca direction      frames          bytes     line bytes      use\n",
            (double)t->port_bps / 1e9);
    for (unsigned h = 0; h < world_hosts(w); h++) {
        for (unsigned a = 0; a < world_hcas(w); a++) {
            const struct port_use u = port_of(r, t, w, h, a);
            fprintf(out, "  %4u %3u sent      %10" PRIu64 " %14" PRIu64 " %14" PRIu64 " %6.2f %%\n",
                    h, a, u.tx.frames, u.tx.bytes, u.tx.line_bytes, percent(u.tx.ppm));
            fprintf(out, "  %4u %3u accepted  %10" PRIu64 " %14" PRIu64 " %14" PRIu64 " %6.2f %%\n",
                    h, a, u.rx.frames, u.rx.bytes, u.rx.line_bytes, percent(u.rx.ppm));
        }
    }
}

static void pcie_row(FILE *out, const char *name, const struct traffic *up,
                     const struct traffic *down)
{
    fprintf(out,
            "  %-12s %10" PRIu64 " %14" PRIu64 " %14" PRIu64 "  %10" PRIu64 " %14" PRIu64
            " %14" PRIu64 "\n",
            name, up->tlps, up->payload, up->bytes, down->tlps, down->payload, down->bytes);
}

static void pcie(const struct report *r, const struct totals *t, struct world *w, FILE *out)
{
    for (unsigned h = 0; h < world_hosts(w); h++) {
        const struct pcie_use u = pcie_of(r, t, w, h);
        fprintf(out,
                "\nPCIe of host %u: %.2f Gb/s raw, %.2f after DLLPs and SKP, %u link%s; use: up "
                "%.2f %%, down %.2f %%\n"
                "  %-12s %10s %14s %14s  %10s %14s %14s\n",
                h, (double)t->pcie_raw_bps / 1e9, (double)t->pcie_usable_bps / 1e9, world_hcas(w),
                world_hcas(w) == 1 ? "" : "s", percent(u.up_ppm), percent(u.down_ppm), "class",
                "TLPs up", "data bytes", "bytes", "TLPs down", "data bytes", "bytes");
        for (unsigned c = 0; c < u.classes; c++) {
            if (u.class[c].up.tlps + u.class[c].down.tlps != 0) {
                pcie_row(out, u.class[c].name, &u.class[c].up, &u.class[c].down);
            }
        }
        pcie_row(out, "all", &u.up, &u.down);
    }
}

static void cache_line(const struct report *r, struct world *w, unsigned host, int hca,
                       const struct cache_row *row, FILE *out)
{
    const uint64_t hits = counter(r, w, host, hca, &row->hits),
                   misses = counter(r, w, host, hca, &row->misses);

    if (hits + misses != 0) {
        char place[32];
        snprintf(place, sizeof place, hca < 0 ? "%u" : "%u:%d", host, hca);
        fprintf(out, "  %-8s %-26s %14" PRIu64 " %14" PRIu64 " %7.2f %%\n", place, row->title, hits,
                misses, percent(scale(hits, 1000000, hits + misses)));
    }
}

static void walks(const struct report *r, struct world *w, unsigned host, FILE *out)
{
    uint64_t v[8] = {0};

    for (unsigned i = 0; i < rows_walks_n && i < 8; i++) {
        v[i] = counter(r, w, host, -1, &rows_walks[i]);
    }
    if (v[0] == 0) {
        return;
    }
    fprintf(out, "  %-8u page walks: %" PRIu64 " with %.2f memory reads each", host, v[0],
            (double)v[1] / (double)v[0]);
    for (unsigned i = 2; i < rows_walks_n; i++) {
        if (v[i] != 0) {
            fprintf(out, ", %s %" PRIu64, rows_walks[i].key, v[i]);
        }
    }
    fputc('\n', out);
}

/* By function, where several share the IOTLB; 255 is the adapter itself. */
static void functions(const struct report *r, struct world *w, unsigned host, FILE *out)
{
    struct host_fn_figures f;
    unsigned busy = 0;

    for (unsigned i = 0; i < world_hcas(w) * FUNCTIONS; i++) {
        busy += function_of(r, w, host, i / FUNCTIONS, i % FUNCTIONS, &f);
    }
    for (unsigned i = 0; busy > 1 && i < world_hcas(w) * FUNCTIONS; i++) {
        if (function_of(r, w, host, i / FUNCTIONS, i % FUNCTIONS, &f)) {
            char place[32], what[48];
            snprintf(place, sizeof place, "%u:%u", host, i / FUNCTIONS);
            snprintf(what, sizeof what, "IOTLB, function %u", i % FUNCTIONS);
            fprintf(out, "  %-8s %-26s %14" PRIu64 " %14" PRIu64 " %7.2f %%\n", place, what, f.hits,
                    f.misses, percent(scale(f.hits, 1000000, f.hits + f.misses)));
        }
    }
}

static void caches(const struct report *r, struct world *w, FILE *out)
{
    fprintf(out, "\nCaches\n  %-8s %-26s %14s %14s %9s\n", "host:hca", "cache", "hits", "misses",
            "hit rate");
    for (unsigned h = 0; h < world_hosts(w); h++) {
        for (unsigned a = 0; a < world_hcas(w); a++) {
            for (unsigned i = 0; i < caches_adapter_n; i++) {
                cache_line(r, w, h, (int)a, &caches_adapter[i], out);
            }
        }
        for (unsigned i = 0; i < caches_host_n; i++) {
            cache_line(r, w, h, -1, &caches_host[i], out);
        }
        functions(r, w, h, out);
        walks(r, w, h, out);
    }
}

/* Prints the counters of a handle that are not zero. Answers how many. */
static unsigned counters_of(const struct report *r, struct world *w, unsigned host, int hca,
                            const struct counter_row *row, unsigned n, const char *what, FILE *out)
{
    unsigned shown = 0;

    for (unsigned i = 0; i < n; i++) {
        const uint64_t v = counter(r, w, host, hca, &row[i]);
        if (v != 0) {
            fprintf(out, "  host %u: %12" PRIu64 " %s%s\n", host, v, what, row[i].doc);
            shown++;
        }
    }
    return shown;
}

static unsigned net_faults(struct world *w, const struct port_use *u, unsigned host, FILE *out)
{
    static const char *const text[NET_FAULTS] = {"lost", "duplicated", "overtaken", "corrupted",
                                                 "marked CE"};
    unsigned shown = 0;

    (void)w;
    for (unsigned i = 0; i < NET_FAULTS; i++) {
        if (u->net->fault[i] != 0) {
            fprintf(out, "  host %u: %12" PRIu64 " frames sent were %s\n", host, u->net->fault[i],
                    text[i]);
            shown++;
        }
    }
    if (u->net->dropped_queue + u->net->dropped_address != 0) {
        fprintf(out,
                "  host %u: %12" PRIu64 " frames found the switch queue full, %" PRIu64
                " no such port\n",
                host, u->net->dropped_queue, u->net->dropped_address);
        shown++;
    }
    return shown;
}

static void recovery(const struct report *r, const struct totals *t, struct world *w, FILE *out)
{
    unsigned shown = 0;

    fputs("\nRetransmissions and faults\n", out);
    for (unsigned h = 0; h < world_hosts(w); h++) {
        for (unsigned a = 0; a < world_hcas(w); a++) {
            const struct port_use u = port_of(r, t, w, h, a);
            shown += net_faults(w, &u, h, out);
            shown += counters_of(r, w, h, (int)a, rows_recovery, rows_recovery_n, "", out);
        }
        shown += counters_of(r, w, h, -1, rows_faults, rows_faults_n, "VT-d fault ", out);
    }
    if (shown == 0) {
        fputs("  none\n", out);
    }
}

static void cores(const struct report *r, const struct totals *t, struct world *w,
                  const struct replay *y, FILE *out)
{
    fputs("\nCPU cycles since the end of set-up; busy: all but polls of empty CQs\n"
          "  host core        busy       idle poll  by cause\n",
          out);
    for (unsigned h = 0; h < world_hosts(w); h++) {
        for (uint32_t c = 0; c < r->cores; c++) {
            struct core_use u;
            if (!core_of(r, t, y, h, c, &u)) {
                continue;
            }
            fprintf(out, "  %4u %4u  %8.3f %%  %10.3f %%  ", h, c, percent(u.busy_ppm),
                    percent(u.idle_ppm));
            for (unsigned i = 0; i < CPU_CAUSES; i++) {
                if (u.cycles[i] != 0) {
                    fprintf(out, "%s %" PRIu64 "  ", cpu_cause_name[i], u.cycles[i]);
                }
            }
            fputc('\n', out);
        }
    }
}

struct busy {
    struct wire_use u;
    unsigned host, wire;
    int hca;
};

/* Longest full first, then the fullest on average. */
static int by_fullness(const void *a, const void *b)
{
    const struct busy *const x = a, *const y = b;

    if (x->u.full_ppm != y->u.full_ppm) {
        return x->u.full_ppm > y->u.full_ppm ? -1 : 1;
    }
    if (x->u.level_ppm != y->u.level_ppm) {
        return x->u.level_ppm > y->u.level_ppm ? -1 : 1;
    }
    const unsigned i = x->host * 1024 + (unsigned)(x->hca + 1) * 512 + x->wire,
                   j = y->host * 1024 + (unsigned)(y->hca + 1) * 512 + y->wire;
    return i < j ? -1 : i > j;
}

static void wires(const struct report *r, const struct totals *t, struct world *w, FILE *out)
{
    enum { SHOWN = 20 };
    const size_t most = (size_t)world_hosts(w) * (world_hcas(w) + 1) * meta_wire_count;
    struct busy *const all = calloc(most, sizeof *all);
    size_t n = 0;

    for (unsigned h = 0; all != NULL && h < world_hosts(w); h++) {
        for (int a = -1; a < (int)world_hcas(w); a++) {
            for (unsigned i = 0; i < meta_wire_count; i++) {
                if ((a < 0) == (meta_wires[i].side == META_HOST)) {
                    const struct busy b = {wire_of(r, t, w, h, a, i), h, i, a};
                    all[n] = b;
                    n += b.u.f.entry_cycles != 0;
                }
            }
        }
    }
    if (n != 0) {
        qsort(all, n, sizeof *all, by_fullness);
    }
    fprintf(out,
            "\nBusiest wires of the model: %zu of %zu used ones, by the time they were full\n"
            "  host hca wire           depth      entries  mean level     full  cycles each\n",
            n < SHOWN ? n : SHOWN, n);
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        const struct wire_figures *const f = &all[i].u.f;
        char hca[16] = "-";
        if (all[i].hca >= 0) {
            snprintf(hca, sizeof hca, "%d", all[i].hca);
        }
        fprintf(out, "  %4u %3s %-14s %5u %12" PRIu64 " %11.3f %6.2f %% %12.1f\n", all[i].host, hca,
                meta_wires[all[i].wire].name, f->depth, f->pushes, (double)all[i].u.level_ppm / 1e6,
                percent(all[i].u.full_ppm),
                f->pushes == 0 ? 0.0 : (double)f->entry_cycles / (double)f->pushes);
    }
    free(all);
}

static void counters(const struct report *r, struct world *w, FILE *out)
{
    fputs("\nCounters that are not zero, all hosts (docs/reference/statistics.md; PCIe classes see "
          "above)\n",
          out);
    for (unsigned i = 0; i < meta_stat_count; i++) {
        const struct meta_stat *const s = &meta_stats[i];
        uint64_t sum = 0;
        if (strstr(s->name, "_tlps_") != NULL || strstr(s->name, "_bytes_") != NULL ||
            strstr(s->name, "_payload_") != NULL) {
            continue;
        }
        for (unsigned h = 0; h < world_hosts(w); h++) {
            for (int a = -1; a < (int)world_hcas(w); a++) {
                sum += (a < 0) == (s->side == META_HOST) ? stat_since(r, w, h, a, i) : 0;
            }
        }
        if (sum != 0) {
            fprintf(out, "  %-13s %-18s %14" PRIu64 " %s\n", s->unit, s->name, sum, s->measure);
        }
    }
}

void text_system(const struct report *r, const struct totals *t, struct world *w,
                 const struct replay *y, FILE *out)
{
    ports(r, t, w, out);
    pcie(r, t, w, out);
    caches(r, w, out);
    recovery(r, t, w, out);
    cores(r, t, w, y, out);
    wires(r, t, w, out);
    counters(r, w, out);
}
