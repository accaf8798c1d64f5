/* The rules of param_rule.def: allowed single values, and combinations refused once all are set. */
#include "model/param_rule.h"

#include <inttypes.h>
#include <string.h>

enum allow_kind { ALLOW_LIST, ALLOW_POWER, ALLOW_STEP };

struct allow {
    enum hca_param_id id;
    enum allow_kind kind;
    uint64_t step;
    const char *text, *why;
};

static const struct allow allowed[] = {
#define ALLOW(group, name, list, why) {HCA_PARAM_##group##_##name, ALLOW_LIST, 0, list, why},
#define ALLOW_POWER2(group, name, why) \
    {HCA_PARAM_##group##_##name, ALLOW_POWER, 0, "power of two", why},
#define ALLOW_MULTIPLE(group, name, step, why) \
    {HCA_PARAM_##group##_##name, ALLOW_STEP, step, "multiple of " #step, why},
#define RULE(group, name, ok, other_group, other_name, bound, why)
#include "model/spec/param_rule.def"
#undef ALLOW
#undef ALLOW_POWER2
#undef ALLOW_MULTIPLE
#undef RULE
};

static const struct allow *find_allow(const struct hca_param_row *row)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        if (hca_param_row(allowed[i].id) == row) {
            return &allowed[i];
        }
    }
    return NULL;
}

const char *hca_param_allowed(const struct hca_param_row *row)
{
    const struct allow *a = find_allow(row);
    return a != NULL ? a->text : NULL;
}

static bool is_power2(uint64_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* Whether value is one of the numbers of "a|b|c". */
static bool is_listed(const char *list, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    const size_t len = strlen(text);
    for (;; list++) {
        const size_t n = strcspn(list, "|");
        if (n == len && memcmp(list, text, n) == 0) {
            return true;
        }
        list += n;
        if (*list == '\0') {
            return false;
        }
    }
}

const char *hca_param_refused(const struct hca_param_row *row, uint64_t value, char *what,
                              size_t size)
{
    const struct allow *a = find_allow(row);
    if (a == NULL || (a->kind == ALLOW_LIST && is_listed(a->text, value)) ||
        (a->kind == ALLOW_POWER && is_power2(value)) ||
        (a->kind == ALLOW_STEP && value % a->step == 0)) {
        return NULL;
    }
    (void)snprintf(what, size, "must be %s%s", a->kind == ALLOW_LIST ? "" : "a ", a->text);
    return a->why;
}

/* The place that a message about two parameters should name: what the user set, not a default. */
static const char *blame(const struct hca_config *c, enum hca_param_id a, enum hca_param_id b)
{
    const char *place = c->origin[a].place;
    return strcmp(place, "default") == 0 ? c->origin[b].place : place;
}

static bool refuse(const struct hca_config *c, enum hca_param_id id, enum hca_param_id other_id,
                   const char *bound, const char *why, struct hca_error *err)
{
    const struct hca_param_row *row = hca_param_row(id);
    const struct hca_param_row *other = hca_param_row(other_id);
    char value[32];
    char other_value[32];
    hca_error_set(err, "%s: %s = %s: %s %s = %s (%s) (%s); see docs/reference/params.md#%s-%s",
                  blame(c, id, other_id), row->key,
                  hca_param_text(&c->value, row, value, sizeof value), bound, other->key,
                  hca_param_text(&c->value, other, other_value, sizeof other_value),
                  c->origin[other_id].place, why, row->group, row->name);
    return false;
}

static bool is_power2_sets(uint64_t entries, uint64_t ways)
{
    return entries % ways == 0 && is_power2(entries / ways);
}

static bool check_rules(const struct hca_config *c, struct hca_error *err)
{
    const struct hca_param *p = &c->value;
#define ALLOW(group, name, list, why)
#define ALLOW_POWER2(group, name, why)
#define ALLOW_MULTIPLE(group, name, step, why)
#define RULE(group, name, ok, other_group, other_name, bound, why)                           \
    if (!(ok)) {                                                                             \
        return refuse(c, HCA_PARAM_##group##_##name, HCA_PARAM_##other_group##_##other_name, \
                      bound, why, err);                                                      \
    }
#include "model/spec/param_rule.def"
#undef ALLOW
#undef ALLOW_POWER2
#undef ALLOW_MULTIPLE
#undef RULE
    return true;
}

void hca_param_pcie_rate(const struct hca_param *p, uint64_t *num, uint64_t *den)
{
    /* Bits per second and lane; 8b/10b up to generation 2, 128b/130b from generation 3. */
    static const struct {
        uint64_t num, den;
    } lane[] = {
        {2000000000, 1},          {4000000000, 1},          {8000000000 * 128, 130},
        {16000000000 * 128, 130}, {32000000000 * 128, 130},
    };
    *num = lane[p->pcie_gen - 1].num * p->pcie_lanes;
    *den = lane[p->pcie_gen - 1].den;
}

/* AckNak_LATENCY_TIMER and UpdateFC limits in symbol times: (MPS + 28) * factor / lanes + delay.
 * Source: PCIe Base 3.0, 3.5.3.1 and 2.6.1.2; tests hold the printed tables. */
static uint64_t dllp_interval_bytes(const struct hca_param *p)
{
    static const uint64_t delay[] = {19, 70, 115, 115, 115}; /* internal delay per generation */
    uint64_t factor = 10;                                    /* in tenths                     */
    if (p->pcie_mps_bytes <= 256) {
        factor = p->pcie_lanes <= 4 ? 14 : p->pcie_lanes == 8 ? 25 : 30;
    } else if (p->pcie_lanes == 16) {
        factor = 20;
    }
    return (p->pcie_mps_bytes + 28) * factor / (10 * p->pcie_lanes) + delay[p->pcie_gen - 1];
}

uint64_t hca_param_ack_interval_bytes(const struct hca_param *p)
{
    return p->pcie_ack_interval_bytes != 0 ? p->pcie_ack_interval_bytes : dllp_interval_bytes(p);
}

uint64_t hca_param_fc_limit_ps(const struct hca_param *p)
{
    uint64_t num, den;

    hca_param_pcie_rate(p, &num, &den);
    /* A symbol is a byte on each lane; its time in ps, with the bits of the encoding. */
    const uint64_t symbol_ps = 8 * den * p->pcie_lanes * 1000000 / (num / 1000000);
    return dllp_interval_bytes(p) * symbol_ps;
}

uint64_t hca_param_fc_interval_bytes(const struct hca_param *p)
{
    return p->pcie_fc_interval_bytes != 0 ? p->pcie_fc_interval_bytes : dllp_interval_bytes(p);
}

enum {
    TLP_BITS_MIN = 20 * 8,   /* MRd with a 32-bit address, or Cpl without data             */
    FRAME_BITS_MIN = 84 * 8, /* smallest Ethernet frame with preamble and gap              */
    IB_BITS_MIN = 26 * 8,    /* LRH, BTH, ICRC, VCRC                                       */
    KILO = 1000
};

/* A wire carries one entry per cycle, so the core clock bounds TLPs and packets per second. */
static bool check_clock(const struct hca_config *c, struct hca_error *err)
{
    const struct hca_param *p = &c->value;
    uint64_t num;
    uint64_t den;
    hca_param_pcie_rate(p, &num, &den);
    const uint64_t tlp_den = den * TLP_BITS_MIN * KILO;
    const uint64_t need_pcie = (num + tlp_den - 1) / tlp_den;
    const uint64_t packet_bits = p->port_wire == HCA_PORT_WIRE_IB ? IB_BITS_MIN : FRAME_BITS_MIN;
    const uint64_t need_port = (p->port_rate_mbps * KILO + packet_bits - 1) / packet_bits;
    const bool pcie = need_pcie > p->core_clock_khz;
    if (!pcie && need_port <= p->core_clock_khz) {
        return true;
    }
    const enum hca_param_id id = pcie ? HCA_PARAM_pcie_lanes : HCA_PARAM_port_rate_mbps;
    const char *place = blame(c, id, HCA_PARAM_core_clock_khz);
    if (pcie && strcmp(place, "default") == 0) {
        place = c->origin[HCA_PARAM_pcie_gen].place;
    }
    char link[48];
    (void)snprintf(link, sizeof link, "Gen%" PRIu64 " x%" PRIu64, p->pcie_gen, p->pcie_lanes);
    hca_error_set(err,
                  "%s: core.clock_khz = %" PRIu64 ": minimum is %" PRIu64 " with %s = %" PRIu64
                  "%s%s%s (one %s per cycle at most); see docs/reference/params.md#core-clock_khz",
                  place, p->core_clock_khz, pcie ? need_pcie : need_port, hca_param_row(id)->key,
                  hca_param_get(p, hca_param_row(id)), pcie ? " (" : "", pcie ? link : "",
                  pcie ? ")" : "", pcie ? "TLP" : "packet");
    return false;
}

bool hca_config_check(const struct hca_config *c, struct hca_error *err)
{
    return check_clock(c, err) && check_rules(c, err);
}
