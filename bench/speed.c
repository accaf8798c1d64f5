/* speed: how fast the model runs on one core.
 *
 *   speed [--json] [--runs N] [--ops N]
 * Each row is the median of N runs (default 5) between two hosts, VT-d on, one VM each; the working
 * set (16 pages per QP, 4 QPs) stays inside the IOTLB, except with 10,000 QPs. Wall time of the run
 * only, not of set-up. MiB: all that the models take beside simulated host memory. */
#include "bench/scenario.h"

#include <inttypes.h>

enum { RUNS_MAX = 31 };

static const struct row {
    const char *name, *pattern, *op;
    uint32_t size;
    uint32_t ops; /* of --ops 1000 */
    bool payload;
    uint32_t train, qps;
    uint64_t think_ns; /* between an answer and the next request */
} rows[] = {
    {"RC WRITE 4 KiB", "bw", "write", 4096, 20000, true, 1, 4, 0},
    {"RC WRITE 4 KiB", "bw", "write", 4096, 20000, false, 1, 4, 0},
    {"RC WRITE 4 KiB", "bw", "write", 4096, 20000, true, 16, 4, 0},
    {"RC WRITE 4 KiB", "bw", "write", 4096, 20000, false, 16, 4, 0},
    {"RC READ 4 KiB", "bw", "read", 4096, 20000, true, 1, 4, 0},
    {"RC READ 4 KiB", "bw", "read", 4096, 20000, false, 1, 4, 0},
    {"RC WRITE 64 B", "bw", "write", 64, 40000, true, 1, 4, 0},
    {"RC WRITE 64 B", "bw", "write", 64, 40000, false, 1, 4, 0},
    {"RC SEND 64 B", "bw", "send", 64, 40000, true, 1, 4, 0},
    {"RC SEND 64 B", "bw", "send", 64, 40000, false, 1, 4, 0},
    {"ping-pong, 1 us", "lat", "send", 64, 4000, true, 1, 1, 1000},
    {"ping-pong, 1 s", "lat", "send", 64, 4000, true, 1, 1, 1000000000},
    {"10000 QPs, 64 B", "bw", "write", 64, 40000, true, 1, 10000, 0},
};

enum { FLOW_QPS = 500, MANY_QPS = 16384 };

static int by_time(const void *a, const void *b)
{
    const struct scenario_run *const x = a, *const y = b;

    return x->wall_ns < y->wall_ns ? -1 : x->wall_ns > y->wall_ns;
}

/* One flow of at most FLOW_QPS pairs: a flow has one CQ, and that has a bound. */
static void add_flow(char *spec, size_t size, const struct row *r, uint32_t qps, uint32_t ops)
{
    const size_t used = strlen(spec);
    char think[64] = "";

    if (r->think_ns != 0) {
        snprintf(think, sizeof think, "    think_ns: %" PRIu64 "\n", r->think_ns);
    }
    snprintf(spec + used, size - used,
             "  - pattern: %s\n    op: %s\n    qps: %" PRIu32 "\n    ops: %" PRIu32
             "\n    size: %" PRIu32 "\n%s%s    memory: {mr_bytes: 64K, offsets: sequential}\n",
             r->pattern, r->op, qps, ops, r->size, think,
             strcmp(r->pattern, "bw") == 0 ? "    window: 16\n" : "");
}

static struct scenario_run measure(size_t row, unsigned runs, uint32_t ops)
{
    static struct hca_config c;
    static struct scenario_run run[RUNS_MAX];
    const struct row *const r = &rows[row];
    char spec[8192] = "flows:\n";

    scenario_config("generic100", &c);
    c.value.sim_payload = r->payload;
    c.value.sim_train_tlps_max = r->train;
    if (r->qps > FLOW_QPS) {
        c.value.hca_qp_max = MANY_QPS;
        ops = ops < r->qps ? r->qps : ops; /* every QP is active */
    }
    for (uint32_t left = r->qps; left > 0;) {
        const uint32_t n = left < FLOW_QPS ? left : FLOW_QPS;
        add_flow(spec, sizeof spec, r, n, (uint32_t)((uint64_t)ops * n / r->qps));
        left -= n;
    }
    for (unsigned i = 0; i < runs; i++) {
        scenario_trace(&c.value, spec, false, &run[i]);
    }
    qsort(run, runs, sizeof run[0], by_time);
    return run[runs / 2];
}

static void print(bool json, size_t i, const struct scenario_run *r)
{
    const double s = (double)r->wall_ns / 1e9;
    const double data = rows[i].size > 2048 ? (double)r->ops : (double)r->packets;
    const double per_packet = (double)r->activations / data;

    if (json) {
        printf("{\"workload\":\"%s\",\"payload\":%s,\"tlp_exact\":%s,\"packets_per_s\":%.0f,"
               "\"messages_per_s\":%.0f,\"activations_per_packet\":%.1f,"
               "\"ns_per_activation\":%.2f,\"peak_mib\":%.1f}\n",
               rows[i].name, rows[i].payload ? "true" : "false",
               rows[i].train == 1 ? "true" : "false", data / s, (double)r->ops / s, per_packet,
               (double)r->wall_ns / (double)r->activations, (double)r->memory / 1048576.0);
        return;
    }
    printf("%-16s %-8s %-10s %12.0f %12.0f %10.1f %10.2f %9.1f\n", rows[i].name,
           rows[i].payload ? "on" : "off", rows[i].train == 1 ? "TLP-exact" : "trains", data / s,
           (double)r->ops / s, per_packet, (double)r->wall_ns / (double)r->activations,
           (double)r->memory / 1048576.0);
}

int main(int argc, char **argv)
{
    bool json = false;
    unsigned runs = 5;
    uint32_t ops = 1000;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--ops") == 0 && i + 1 < argc) {
            ops = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: speed [--json] [--runs N] [--ops N (scale, 1000 = full)]\n");
            return 2;
        }
    }
    runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs;
    if (!json) {
        printf(
            "Speed of the model, median of %u; packets: data packets of 4 KiB rows, all frames of "
            "64 B rows\n%-16s %-8s %-10s %12s %12s %10s %10s %9s\n",
            runs, "workload", "payload", "", "packets/s", "messages/s", "act/packet", "ns/act",
            "MiB");
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint32_t n = (uint32_t)((uint64_t)rows[i].ops * ops / 1000);
        const struct scenario_run r = measure(i, runs, n < 16 ? 16 : n);
        print(json, i, &r);
        fflush(stdout);
    }
    return 0;
}
