/* answer.h: the model's answer to a published point. */
#pragma once
#include "bench/points.h"
#include "bench/scenario.h"

enum { NFP6000_BDW, MLX4_QDR, ACCURACY_PRESETS };
static const char *const accuracy_preset[ACCURACY_PRESETS] = {"nfp6000_bdw", "mlx4_qdr"};

/* Operations per point: one at a time, many at once, messages between two hosts. */
struct effort {
    uint32_t dma_latency, dma_rate, messages;
};
static const struct effort effort_full = {600, 20000, 60};

/* pcie-bench: C-P1, C-P6, C-P7 without IOMMU on a warm buffer of 8 KiB; C-I1 by window; C-I3 as
 * median beyond the reach of the IOTLB less median within. */
static inline double answer_dma(const struct point *q, const struct hca_param *p,
                                const struct effort *e)
{
    const uint32_t bytes = (uint32_t)q->x;
    const uint64_t warm = 8192;

    if (strcmp(q->id, "C-P1") == 0) {
        return scenario_dma_latency_ns(p, BENCH_READ, bytes, warm, false, e->dma_latency);
    }
    if (strcmp(q->id, "C-P6") == 0) {
        return scenario_dma_gbps(p, BENCH_READ, bytes, warm, false, e->dma_rate);
    }
    if (strcmp(q->id, "C-P7") == 0) {
        return scenario_dma_gbps(p, BENCH_WRITE, bytes, warm, false, e->dma_rate);
    }
    if (strcmp(q->id, "C-I1") == 0) {
        return scenario_dma_gbps(p, BENCH_READ, 64, (uint64_t)q->x, true, e->dma_rate);
    }
    const unsigned kind = strstr(q->quantity, "write") != NULL ? BENCH_WRRD : BENCH_READ;
    return scenario_dma_latency_ns(p, kind, 64, 64 << 20, true, e->dma_latency) -
           scenario_dma_latency_ns(p, kind, 64, 64 << 10, true, e->dma_latency);
}

/* perftest between two hosts, us. C-N4: what a message of x bytes takes longer than one half as
 * long, which is carried inline. */
static inline double answer_rdma(const struct point *q, const struct hca_param *p,
                                 const struct effort *e)
{
    const char *const op = strstr(q->quantity, "READ") != NULL    ? "read"
                           : strstr(q->quantity, "WRITE") != NULL ? "write"
                                                                  : "send";
    const uint64_t bytes = (uint64_t)q->x;
    const double whole = scenario_latency_ns(p, op, bytes, e->messages);
    const bool loss = strcmp(q->id, "C-N4") == 0;

    return (whole - (loss ? scenario_latency_ns(p, op, bytes / 2, e->messages) : 0)) / 1000.0;
}

/* Preset that answers a point; ACCURACY_PRESETS: none does. */
static inline unsigned answer_preset(const struct point *q)
{
    static const struct {
        const char *id;
        unsigned preset;
    } map[] = {{"C-P1", NFP6000_BDW}, {"C-P6", NFP6000_BDW}, {"C-P7", NFP6000_BDW},
               {"C-I1", NFP6000_BDW}, {"C-I3", NFP6000_BDW}, {"C-N1", MLX4_QDR},
               {"C-N2", MLX4_QDR},    {"C-N3", MLX4_QDR},    {"C-N4", MLX4_QDR}};

    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (strcmp(q->id, map[i].id) == 0) {
            return map[i].preset;
        }
    }
    return ACCURACY_PRESETS;
}

/* In the unit of the point; answer_preset must name the preset of p. */
static inline double answer(const struct point *q, const struct hca_param *p,
                            const struct effort *e)
{
    return answer_preset(q) == MLX4_QDR ? answer_rdma(q, p, e) : answer_dma(q, p, e);
}

static inline double answer_error_percent(const struct point *q, double model)
{
    return 100.0 * (model - q->value) / q->value;
}
