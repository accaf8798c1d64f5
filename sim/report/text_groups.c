/* text_groups.c: operations of report.txt by opcode, transport, function and size. */
#include "sim/report/report_i.h"

#include <inttypes.h>

enum { FALL_BAR = 20 };

/* n as "1023", "1K", "64K", "2M". */
static const char *short_bytes(uint64_t n, char *text, size_t size)
{
    static const char suffix[] = "KMGT";
    unsigned s = 0;

    if (n < 1024 || n % 1024 != 0) {
        snprintf(text, size, "%" PRIu64, n);
        return text;
    }
    for (n >>= 10; n >= 1024 && n % 1024 == 0 && s < sizeof suffix - 2; n >>= 10) {
        s++;
    }
    snprintf(text, size, "%" PRIu64 "%c", n, suffix[s]);
    return text;
}

/* "1000" when all are equal, else the class: "33-64", "1K-2K" (above 1K, up to 2K). */
static const char *size_text(const struct group *g, char *text, size_t size)
{
    const uint64_t hi = size_ceiling(g->size_class), lo = size_floor(g->size_class);
    char from[24], to[24];

    if (g->min_bytes == g->max_bytes) {
        snprintf(text, size, "%" PRIu64, g->min_bytes);
    } else {
        snprintf(text, size, "%s-%s", short_bytes(lo > 1024 ? lo - 1 : lo, from, sizeof from),
                 short_bytes(hi, to, sizeof to));
    }
    return text;
}

static void name(const struct group *g, FILE *out)
{
    char kind[32], qp[16], size[48], place[32];

    snprintf(place, sizeof place, "%u:%u", g->host, g->fn);
    fprintf(out, "%-9s %-4s %7s %10s", kind_text(g->kind, kind, sizeof kind),
            g->transport == HCT_QP_COUNT ? "-" : transport_text(g->transport, qp, sizeof qp), place,
            size_text(g, size, sizeof size));
}

static void traffic(const struct group *g, FILE *out)
{
    const uint64_t span = group_span_ps(g);

    name(g, out);
    fprintf(out, " %10" PRIu64 " %8" PRIu64 " %14" PRIu64 " %10.3f %10.4f\n", g->count, g->failures,
            g->bytes, (double)scale(g->bytes, 8000000000000, span) / 1e9,
            (double)per_second(group_messages(g), span) / 1e6);
}

static void latency(const struct group *g, FILE *out)
{
    static const uint32_t per_million[] = {500000, 900000, 990000, 999000};
    const struct hist *const l = &g->latency;

    name(g, out);
    fputc(' ', out);
    put_us(out, l->count == 0 ? 0 : l->min);
    for (unsigned i = 0; i < sizeof per_million / sizeof per_million[0]; i++) {
        fputs("  ", out);
        put_us(out, hist_percentile(l, per_million[i]));
    }
    fputs("  ", out);
    put_us(out, l->max);
    fputs("  ", out);
    put_us(out, hist_mean(l));
    fputc('\n', out);
}

void text_groups(const struct report *r, FILE *out)
{
    const struct group *g[GROUPS_MAX];

    groups_sorted(r, g);
    fputs(
        "\nTraffic by opcode, transport, function and size (rates from the first post to the last "
        "completion of the group)\n"
        "opcode    qp   host:fn      bytes      count   failed    total bytes       Gb/s   M "
        "msg/s\n",
        out);
    for (unsigned i = 0; i < r->groups; i++) {
        traffic(g[i], out);
    }
    if (r->ungrouped != 0) {
        fprintf(out, "%" PRIu64 " operations beyond %d groups are in the totals only\n",
                r->ungrouped, GROUPS_MAX);
    }
    fputs(
        "\nLatency in us, of successes: post call to CQE in memory (recv: first packet in to CQE; "
        "unsignalled: to retirement)\n"
        "opcode    qp   host:fn      bytes      min       p50       p90       p99     p99.9     "
        "  max      mean\n",
        out);
    for (unsigned i = 0; i < r->groups; i++) {
        latency(g[i], out);
    }
}

/* A time with its share and its place in the whole. */
static void cell(FILE *out, const struct kept *k, unsigned stage, uint64_t at)
{
    const uint64_t d = k->stages.ps[stage], all = k->latency_ps;

    fputs("  ", out);
    put_us(out, d);
    fprintf(out, " %5.1f %% ", all == 0 ? 0.0 : 100.0 * (double)d / (double)all);
    if (d == 0) {
        fprintf(out, "|%*s|", FALL_BAR, "");
    } else {
        put_bar(out, scale(at, 1000, all), scale(at + d, 1000, all), FALL_BAR);
    }
}

/* One line per stage: mean of the group, then where the stage lies in the median and in the slowest
 * message. Each column adds up to the latency. */
static void waterfall(const struct group *g, FILE *out)
{
    const struct kept *const shown[2] = {group_median(g), &g->slowest};
    uint64_t at[2] = {0, 0}, sum = 0;

    fprintf(out, "\n");
    name(g, out);
    fprintf(out,
            "   median: op %" PRIu64 ", %" PRIu64 " B   slowest: op %" PRIu64 ", %" PRIu64 " B\n",
            shown[0]->id, shown[0]->bytes, shown[1]->id, shown[1]->bytes);
    fprintf(out, "  %-13s %8s  %8s %-31s  %8s\n", "stage", "mean", "median", "", "slowest");
    for (unsigned s = 0; s < meta_stage_count; s++) {
        if (g->stage_ps[s] == 0) {
            continue;
        }
        fprintf(out, "  %-13s ", meta_stages[s].name);
        put_us(out, g->stage_ps[s] / g->staged);
        for (unsigned i = 0; i < 2; i++) {
            cell(out, shown[i], s, at[i]);
            at[i] += shown[i]->stages.ps[s];
        }
        fputc('\n', out);
        sum += g->stage_ps[s];
    }
    fprintf(out, "  %-13s ", "latency");
    put_us(out, sum / g->staged);
    fputs("  ", out);
    put_us(out, at[0]);
    fprintf(out, "%*s", FALL_BAR + 13, "");
    put_us(out, at[1]);
    fputc('\n', out);
}

void text_stages(const struct report *r, FILE *out)
{
    const struct group *g[GROUPS_MAX];
    uint64_t used[STAMP_STAGES] = {0};

    if (r->staged == 0) {
        return;
    }
    groups_sorted(r, g);
    fputs("\nWhere the time goes, us: mean of each group, its median and its slowest message by "
          "stage.\n"
          "Time between two stamps belongs to the later one, so the stages of a message add up to "
          "its latency.\n",
          out);
    for (unsigned i = 0; i < r->groups; i++) {
        if (g[i]->staged != 0) {
            waterfall(g[i], out);
        }
        for (unsigned s = 0; s < meta_stage_count; s++) {
            used[s] |= g[i]->stage_ps[s];
        }
    }
    fputs("\nWhat the stages are\n", out);
    for (unsigned s = 0; s < meta_stage_count; s++) {
        if (used[s] != 0) {
            fprintf(out, "  %-13s %s\n", meta_stages[s].name, meta_stages[s].doc);
        }
    }
}
