/* figures.c: what text and JSON have in common: totals, shares, and which counters make them. */
#include "sim/report/report_i.h"

#include "model/packet/framing.h"

#include <string.h>

__extension__ typedef unsigned __int128 u128;

uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
    const u128 v = c == 0 ? 0 : (u128)a * b / c;

    return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

uint64_t per_second(uint64_t n, uint64_t ps)
{
    return scale(n, 1000000000000, ps);
}

/* Share of what `links` lines of rate_bps could have carried in the time, ppm. */
static uint64_t use_ppm(uint64_t bytes, uint64_t rate_bps, unsigned links, uint64_t ps)
{
    const uint64_t could = scale(rate_bps * links, ps, 8000000000000);

    return scale(bytes, 1000000, could);
}

static const char captured_note[] =
    "Captured times are not replayed: they show how fast the recorded hosts were (of the shipped "
    "capture: emulated CPUs and a software adapter), which says nothing about hardware. Operations "
    "start as soon as what they waited for has happened; --timing captured keeps the times.";

struct totals totals_of(const struct report *r, const struct report_head *h, struct world *w,
                        const struct replay *y)
{
    enum { DLLP_BYTES = 8, SKP_BYTES = 4 }; /* PCIe Base 3.0, 3.5.1 with framing; 4.2.7 */
    const char *const origin = hct_note(replay_reader(y), "origin");
    const uint64_t now = world_now(w) - r->start_ps, last = replay_figures(y)->last_ps;
    uint64_t num, den;
    struct totals t = {.elapsed_ps = h->waiting != NULL && now > last ? now : last,
                       .port_bps = r->p.port_rate_mbps * 1000000,
                       .captured = origin != NULL && strcmp(origin, "capture") == 0};

    hca_param_pcie_rate(&r->p, &num, &den);
    t.pcie_raw_bps = num / den;
    t.pcie_usable_bps = t.pcie_raw_bps -
                        scale(t.pcie_raw_bps, DLLP_BYTES, hca_param_ack_interval_bytes(&r->p)) -
                        scale(t.pcie_raw_bps, DLLP_BYTES, hca_param_fc_interval_bytes(&r->p)) -
                        scale(t.pcie_raw_bps, SKP_BYTES, r->p.pcie_skp_interval_bytes);
    t.elapsed_cycles = scale(t.elapsed_ps, r->p.core_clock_khz, 1000000000);
    t.goodput_bps = scale(r->message_bytes, 8000000000000, t.elapsed_ps);
    t.messages_per_s = per_second(r->messages, t.elapsed_ps);
    t.note = t.captured && strcmp(h->timing, "asap") == 0 ? captured_note : NULL;
    return t;
}

static void add_class(const struct report *r, struct world *w, unsigned host, int hca,
                      const char *name, struct traffic *to, struct traffic *sum)
{
    static const char *const parts[] = {"tlps", "bytes", "payload"};
    uint64_t v[3];

    for (unsigned i = 0; i < 3; i++) {
        char stat[64];
        snprintf(stat, sizeof stat, "%s_%s_%s", hca < 0 ? "dn" : "up", parts[i], name);
        v[i] = stat_named(r, w, host, hca, hca < 0 ? "root" : "pcie", stat);
    }
    to->tlps += v[0];
    to->bytes += v[1];
    to->payload += v[2];
    sum->tlps += v[0];
    sum->bytes += v[1];
    sum->payload += v[2];
}

/* The classes are those that the counters of pcie name: up_tlps_<class>. */
struct pcie_use pcie_of(const struct report *r, const struct totals *t, struct world *w,
                        unsigned host)
{
    static const char prefix[] = "up_tlps_";
    struct pcie_use u = {0};

    for (unsigned i = 0; i < meta_stat_count && u.classes < CLASSES_MAX; i++) {
        if (strcmp(meta_stats[i].unit, "pcie") != 0 ||
            strncmp(meta_stats[i].name, prefix, sizeof prefix - 1) != 0) {
            continue;
        }
        const unsigned c = u.classes++;
        u.class[c].name = meta_stats[i].name + sizeof prefix - 1;
        add_class(r, w, host, -1, u.class[c].name, &u.class[c].down, &u.down);
        for (unsigned a = 0; a < world_hcas(w); a++) {
            add_class(r, w, host, (int)a, u.class[c].name, &u.class[c].up, &u.up);
        }
    }
    u.up_ppm = use_ppm(u.up.bytes, t->pcie_usable_bps, world_hcas(w), t->elapsed_ps);
    u.down_ppm = use_ppm(u.down.bytes, t->pcie_usable_bps, world_hcas(w), t->elapsed_ps);
    return u;
}

/* Of received frames only number and bytes are counted: padding of frames below the Ethernet
 * minimum is left out of rx.line_bytes. Looped frames never use the line. */
struct port_use port_of(const struct report *r, const struct totals *t, struct world *w,
                        unsigned host, unsigned hca)
{
    const int a = (int)hca;
    const uint64_t looped = stat_named(r, w, host, a, "mac_tx", "looped"),
                   looped_bytes = stat_named(r, w, host, a, "mac_tx", "looped_bytes");
    const uint64_t extra = r->p.port_wire == HCA_PORT_WIRE_IB ? IB_OVERHEAD : ETH_OVERHEAD;
    struct port_use u = {.net = net_figures(world_net(w), host * world_hcas(w) + hca)};

    u.tx.frames = stat_named(r, w, host, a, "mac_tx", "frames");
    u.tx.bytes = stat_named(r, w, host, a, "mac_tx", "bytes");
    u.tx.line_bytes = stat_named(r, w, host, a, "mac_tx", "line_bytes");
    const uint64_t frames = stat_named(r, w, host, a, "mac_rx", "frames"),
                   bytes = stat_named(r, w, host, a, "mac_rx", "bytes");
    u.rx.frames = frames > looped ? frames - looped : 0;
    u.rx.bytes = bytes > looped_bytes ? bytes - looped_bytes : 0;
    u.rx.line_bytes = u.rx.bytes + u.rx.frames * extra;
    u.tx.ppm = use_ppm(u.tx.line_bytes, t->port_bps, 1, t->elapsed_ps);
    u.rx.ppm = use_ppm(u.rx.line_bytes, t->port_bps, 1, t->elapsed_ps);
    return u;
}

#define CACHE(key, title, unit, hit, miss)     \
    {                                          \
        key, title, {"hits", unit, {hit}, ""}, \
        {                                      \
            "misses", unit, {miss}, ""         \
        }                                      \
    }
const struct cache_row caches_adapter[] = {
    CACHE("qp_context", "QP, CQ and SRQ contexts", "context", "hits", "misses"),
    CACHE("mpt", "memory keys (MPT)", "xlat", "mpt_hits", "mpt_misses"),
    CACHE("mtt", "page translations (MTT)", "xlat", "mtt_hits", "mtt_misses"),
};
const struct cache_row caches_host[] = {
    CACHE("iotlb_4k", "IOTLB, 4 KiB pages", "iommu", "hits_4k", "misses_4k"),
    CACHE("iotlb_2m", "IOTLB, 2 MiB pages", "iommu", "hits_2m", "misses_2m"),
    CACHE("iotlb_1g", "IOTLB, 1 GiB pages", "iommu", "hits_1g", "misses_1g"),
    CACHE("vtd_context", "VT-d context entries", "iommu", "context_hits", "context_misses"),
    CACHE("llc", "last-level cache, lines", "memory", "llc_hits", "llc_misses"),
};
const struct counter_row rows_walks[] = {
    {"walks", "iommu", {"walks"}, ""},
    {"reads",
     "iommu",
     {"reads_root", "reads_context", "reads_l5", "reads_l4", "reads_l3", "reads_l2", "reads_l1"},
     ""},
    {"merged", "iommu", {"merged"}, ""},
    {"late_hits", "iommu", {"late_hits"}, ""},
    {"pending_full", "iommu", {"pending_full"}, ""},
    {"evicted", "iommu", {"evicted"}, ""},
};
const struct counter_row rows_faults[] = {
    {"root", "iommu", {"fault_root"}, "01 root entry not present"},
    {"context", "iommu", {"fault_context"}, "02 context entry not present"},
    {"invalid", "iommu", {"fault_invalid"}, "03 context entry invalid"},
    {"width", "iommu", {"fault_width"}, "04 address above the width of the domain"},
    {"write", "iommu", {"fault_write"}, "05 no write permission"},
    {"read", "iommu", {"fault_read"}, "06 no read permission"},
    {"table", "iommu", {"fault_table"}, "07 page table outside memory"},
    {"root_table", "iommu", {"fault_root_table"}, "08 root table outside memory"},
    {"context_table", "iommu", {"fault_context_table"}, "09 context table outside memory"},
    {"reserved", "iommu", {"fault_reserved"}, "0A, 0B, 0C reserved bits set"},
};
const struct counter_row rows_recovery[] = {
    {"retransmitted", "requester", {"retransmitted"}, "request packets sent again"},
    {"timeouts", "requester", {"timeouts"}, "ACK timers that expired"},
    {"naks", "requester", {"naks"}, "NAKs received, RNR left out"},
    {"rnr", "requester", {"rnr"}, "RNR NAKs received"},
    {"gaps", "requester", {"gaps"}, "responses that showed that an earlier one is missing"},
    {"ignored", "requester", {"ignored"}, "responses stale or unexpected"},
    {"duplicates", "check", {"duplicates"}, "request packets below the expected PSN"},
    {"ahead", "check", {"ahead"}, "request packets beyond a gap"},
    {"no_wqe", "check", {"no_wqe"}, "request packets that found no receive WQE"},
    {"replays", "respond", {"replays"}, "duplicate READs and atomics answered again"},
    {"refused", "check", {"invalid", "unwanted", "qkey", "too_long"}, "request packets refused"},
    {"bad_frames",
     "packet_parse",
     {"drop_foreign", "drop_header", "drop_opcode", "drop_crc", "drop_address", "drop_pkey",
      "drop_qpn"},
     "frames dropped by the parser"},
    {"buffer_full", "mac_rx", {"dropped"}, "frames that found the receive buffer full"},
};
const unsigned caches_adapter_n = sizeof caches_adapter / sizeof caches_adapter[0],
               caches_host_n = sizeof caches_host / sizeof caches_host[0],
               rows_walks_n = sizeof rows_walks / sizeof rows_walks[0],
               rows_faults_n = sizeof rows_faults / sizeof rows_faults[0],
               rows_recovery_n = sizeof rows_recovery / sizeof rows_recovery[0];

uint64_t counter(const struct report *r, struct world *w, unsigned host, int hca,
                 const struct counter_row *row)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < sizeof row->stat / sizeof row->stat[0] && row->stat[i] != NULL; i++) {
        sum += stat_named(r, w, host, hca, row->unit, row->stat[i]);
    }
    return sum;
}

bool parameter_fitted(const struct hca_config *c, unsigned param)
{
    return strstr(c->origin[param].source, "FITTED ") != NULL;
}
