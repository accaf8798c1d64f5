/* report_i.h: shared by the files of sim/report. */
#pragma once
#include "model/defs.h"
#include "sim/report/hist.h"
#include "sim/report/report.h"

enum { GROUPS_MAX = 512, KEPT = 64, FAILED_LISTED = 32, CLASSES_MAX = 16, FUNCTIONS = 256 };

/* A message kept for the waterfall. */
struct kept {
    uint64_t id, bytes, latency_ps;
    struct stage_times stages;
};

/* Operations of one opcode, transport, function and size class. */
struct group {
    uint8_t kind, transport, size_class; /* class n: 2^(n-2) < bytes <= 2^(n-1); 0: no bytes */
    uint32_t host, fn;
    uint64_t count, bytes, failures, first_ps, last_ps;
    uint64_t min_bytes, max_bytes;
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
    uint64_t messages, message_bytes; /* that succeeded, receives left out */
    uint64_t stage_ps[STAMP_STAGES], staged;
    uint64_t fields_recorded, fields_assumed;
    struct {
        uint64_t op;
        uint8_t status, expect, kind;
        uint32_t qp;
    } failed[FAILED_LISTED];
    uint64_t failures;
    /* At the end of set-up, per handle: host 0, its adapters, host 1 ...; cycles per host and core.
     */
    struct hca_stat *base;
    struct wire_figures *base_wire;
    uint64_t (*base_cpu)[CPU_CAUSES];
    uint32_t cores;                  /* per host */
    struct host_fn_figures *base_fn; /* per host, adapter and function */
    uint64_t start_ps;
};

/* What text and JSON have in common, worked out once. */
struct totals {
    uint64_t elapsed_ps, elapsed_cycles;
    uint64_t goodput_bps, messages_per_s;
    uint64_t pcie_raw_bps, pcie_usable_bps, port_bps;
    const char *note; /* why captured times are not replayed; NULL: nothing to say */
    bool captured;    /* the trace was imported from a capture */
};
struct totals totals_of(const struct report *r, const struct report_head *h, struct world *w,
                        const struct replay *y);

struct traffic {
    uint64_t tlps, bytes, payload;
};
struct pcie_use {
    unsigned classes;
    struct {
        const char *name;
        struct traffic up, down;
    } class[CLASSES_MAX];
    struct traffic up, down;
    uint64_t up_ppm, down_ppm;
};
struct pcie_use pcie_of(const struct report *r, const struct totals *t, struct world *w,
                        unsigned host);

struct port_use {
    struct {
        uint64_t frames, bytes, line_bytes, ppm;
    } tx, rx;
    const struct net_figures *net;
};
struct port_use port_of(const struct report *r, const struct totals *t, struct world *w,
                        unsigned host, unsigned hca);

struct core_use {
    uint64_t cycles[CPU_CAUSES], setup, busy, busy_ppm, idle_ppm;
};
/* False: the core did nothing after set-up. */
bool core_of(const struct report *r, const struct totals *t, const struct replay *y, unsigned host,
             uint32_t core, struct core_use *out);

/* Since the end of set-up; false: the function asked nothing. */
bool function_of(const struct report *r, struct world *w, unsigned host, unsigned hca, unsigned fn,
                 struct host_fn_figures *out);

struct wire_use {
    struct wire_figures f;
    uint64_t level_ppm, full_ppm;
};
struct wire_use wire_of(const struct report *r, const struct totals *t, struct world *w,
                        unsigned host, int hca, unsigned wire);

/* Rows that name counters of the model for a purpose: sum of up to 7 counters of one unit. */
struct counter_row {
    const char *key, *unit, *stat[7], *doc;
};
struct cache_row {
    const char *key, *title;
    struct counter_row hits, misses;
};
extern const struct cache_row caches_adapter[], caches_host[];
extern const struct counter_row rows_walks[], rows_faults[], rows_recovery[];
extern const unsigned caches_adapter_n, caches_host_n, rows_walks_n, rows_faults_n, rows_recovery_n;
uint64_t counter(const struct report *r, struct world *w, unsigned host, int hca,
                 const struct counter_row *row);

/* Value of a statistic since the end of set-up; hca -1: the host itself. */
uint64_t stat_since(const struct report *r, struct world *w, unsigned host, int hca, unsigned stat);
/* The same by name; 0 when there is no such statistic. */
uint64_t stat_named(const struct report *r, struct world *w, unsigned host, int hca,
                    const char *unit, const char *name);

/* a * b / c without overflow, c 0: 0; at most UINT64_MAX. */
uint64_t scale(uint64_t a, uint64_t b, uint64_t c);
/* n things in ps: how many a second. */
uint64_t per_second(uint64_t n, uint64_t ps);

bool parameter_fitted(const struct hca_config *c, unsigned param);

/* Groups in the order opcode, transport, host, function, size. */
void groups_sorted(const struct report *r, const struct group *out[GROUPS_MAX]);
uint64_t group_messages(const struct group *g); /* that succeeded */
uint64_t group_span_ps(const struct group *g);

/* The kept message whose latency is nearest to the median; NULL: none has stages. */
const struct kept *group_median(const struct group *g);
uint64_t size_floor(unsigned size_class);
uint64_t size_ceiling(unsigned size_class);
const char *kind_text(uint8_t kind, char *buf, size_t size);
const char *transport_text(uint8_t transport, char *buf, size_t size); /* "none": no QP */

/* text_groups.c, text_system.c: parts of report.txt */
void text_groups(const struct report *r, FILE *out);
void text_stages(const struct report *r, FILE *out);
void text_system(const struct report *r, const struct totals *t, struct world *w,
                 const struct replay *y, FILE *out);
/* ps as a right-aligned number of us with as many decimals as fit 8 columns. */
void put_us(FILE *out, uint64_t ps);
/* n bar signs of a line of `width`, starting at from; both in 1/1000 of the width. */
void put_bar(FILE *out, uint64_t from, uint64_t to, int width);
