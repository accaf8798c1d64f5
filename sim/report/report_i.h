/* report_i.h: shared by the files of sim/report. */
#pragma once
#include "model/defs.h"
#include "sim/report/hist.h"
#include "sim/report/report.h"

enum { GROUPS_MAX = 512, KEPT = 64 };

/* A message kept for the waterfall. */
struct kept {
    uint64_t id, bytes, latency_ps;
    struct stage_times stages;
};

/* Operations of one opcode, transport, function and size class. */
struct group {
    uint8_t kind, transport, size_class; /* class n: 2^(n-1) < bytes <= 2^n; 0: no bytes */
    uint32_t host, fn;
    uint64_t count, bytes, failures, first_ps, last_ps;
    struct hist latency;
    uint64_t stage_ps[STAMP_STAGES]; /* sums over all operations with stages */
    uint64_t staged;
    struct kept slowest, kept[KEPT];
    uint64_t kept_n, seen; /* reservoir: every message has the same chance, seed fixed */
    uint64_t lcg;
};

struct report {
    const struct hct_resources *res;
    struct hca_param p;
    struct group group[GROUPS_MAX];
    unsigned groups;
    uint64_t ungrouped; /* operations beyond GROUPS_MAX groups: counted in totals only */
    struct hist all;
    struct {
        uint64_t op;
        uint8_t status, expect, kind;
        uint32_t qp;
    } failed[32];
    uint64_t failures;
    struct hca_stat *base; /* per host: the host, then its adapters; at the end of set-up */
    uint64_t start_ps;
};

/* Value of a statistic since the end of set-up; hca -1: the host itself. */
uint64_t stat_since(const struct report *r, struct world *w, unsigned host, int hca, unsigned stat);
/* The same by name; 0 when there is no such statistic. */
uint64_t stat_named(const struct report *r, struct world *w, unsigned host, int hca,
                    const char *unit, const char *name);
extern const char *const dma_class_name[]; /* by enum dma_class */

/* The kept message whose latency is nearest to the median; NULL: none has stages. */
const struct kept *group_median(const struct group *g);
uint64_t size_floor(unsigned size_class);
uint64_t size_ceiling(unsigned size_class);
const char *kind_text(uint8_t kind, char *buf, size_t size);
