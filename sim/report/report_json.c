/* report_json.c: report.json; schema: docs/report.schema.json. */
#include "sim/report/report_i.h"

#include <inttypes.h>
#include <jansson.h>

static void put(json_t *o, const char *key, uint64_t v)
{
    json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void put_text(json_t *o, const char *key, const char *text)
{
    json_object_set_new(o, key, text == NULL ? json_null() : json_string(text));
}

static void put_hash(json_t *o, const char *key, uint64_t v)
{
    char text[20];

    snprintf(text, sizeof text, "%016" PRIx64, v);
    put_text(o, key, text);
}

static json_t *stage_object(const uint64_t *ps)
{
    json_t *const o = json_object();

    for (unsigned s = 0; s < meta_stage_count; s++) {
        if (ps[s] != 0) {
            put(o, meta_stages[s].name, ps[s]);
        }
    }
    return o;
}

static json_t *message_object(const struct kept *k)
{
    json_t *const o = json_object();

    put(o, "op", k->id);
    put(o, "bytes", k->bytes);
    put(o, "latency_ps", k->latency_ps);
    json_object_set_new(o, "stages_ps", stage_object(k->stages.ps));
    return o;
}

static json_t *latency_object(const struct hist *h)
{
    json_t *const o = json_object();

    put(o, "min", h->count == 0 ? 0 : h->min);
    put(o, "p50", hist_percentile(h, 500000));
    put(o, "p90", hist_percentile(h, 900000));
    put(o, "p99", hist_percentile(h, 990000));
    put(o, "p99_9", hist_percentile(h, 999000));
    put(o, "max", h->max);
    put(o, "mean", hist_mean(h));
    return o;
}

static json_t *group_object(const struct group *g)
{
    json_t *const o = json_object();
    char text[32];
    const struct kept *const median = group_median(g);

    put_text(o, "opcode", kind_text(g->kind, text, sizeof text));
    put_text(o, "transport",
             g->transport == HCT_QP_COUNT ? "none"
                                          : hct_name(hct_text_qp, g->transport, text, sizeof text));
    put(o, "host", g->host);
    put(o, "fn", g->fn);
    put(o, "size_min_bytes", size_floor(g->size_class));
    put(o, "size_max_bytes", size_ceiling(g->size_class));
    put(o, "count", g->count);
    put(o, "failures", g->failures);
    put(o, "bytes", g->bytes);
    put(o, "first_ps", g->first_ps);
    put(o, "last_ps", g->last_ps);
    json_object_set_new(o, "latency_ps", latency_object(&g->latency));
    if (g->staged > 0) {
        put(o, "staged", g->staged);
        json_object_set_new(o, "stages_sum_ps", stage_object(g->stage_ps));
        json_object_set_new(o, "slowest", message_object(&g->slowest));
    }
    if (median != NULL) {
        json_object_set_new(o, "median", message_object(median));
    }
    return o;
}

static json_t *stat_object(const struct report *r, struct world *w, unsigned host, int hca)
{
    json_t *const o = json_object();

    for (unsigned i = 0; i < meta_stat_count; i++) {
        if ((meta_stats[i].side == META_HOST) == (hca < 0)) {
            char key[96];
            snprintf(key, sizeof key, "%s.%s", meta_stats[i].unit, meta_stats[i].name);
            put(o, key, stat_since(r, w, host, hca, i));
        }
    }
    return o;
}

static json_t *wire_object(const struct wire_figures *f)
{
    json_t *const o = json_object();

    put(o, "depth", f->depth);
    put(o, "entries", f->pushes);
    put(o, "entry_cycles", f->entry_cycles);
    put(o, "full_cycles", f->full_cycles);
    return o;
}

static json_t *wires_object(struct world *w, unsigned host, int hca)
{
    json_t *const o = json_object();

    for (unsigned i = 0; i < meta_wire_count; i++) {
        if ((meta_wires[i].side == META_HOST) == (hca < 0)) {
            const struct wire_figures f =
                hca < 0 ? host_wire_figures(world_host(w, host), i)
                        : hca_wire_figures(world_hca(w, host, (unsigned)hca), i);
            json_object_set_new(o, meta_wires[i].name, wire_object(&f));
        }
    }
    return o;
}

static json_t *port_object(struct world *w, unsigned port)
{
    static const char *const fault[NET_FAULTS] = {"lost", "duplicated", "reordered", "corrupted",
                                                  "marked"};
    const struct net_figures *const f = net_figures(world_net(w), port);
    json_t *const o = json_object();

    put(o, "frames", f->frames);
    put(o, "bytes", f->bytes);
    put(o, "wire_bytes", f->wire_bytes);
    put(o, "delivered", f->delivered);
    put(o, "dropped_queue", f->dropped_queue);
    put(o, "dropped_address", f->dropped_address);
    put(o, "queue_max_bytes", f->queue_max_bytes);
    for (unsigned i = 0; i < NET_FAULTS; i++) {
        put(o, fault[i], f->fault[i]);
    }
    return o;
}

static json_t *cores_array(const struct replay *y, unsigned host, uint64_t until_ps)
{
    struct machine *const m = replay_machine(y, host);
    json_t *const a = json_array();

    for (uint32_t c = 0; c < machine_cores(m); c++) {
        uint64_t cycles[CPU_CAUSES], sum = 0;
        json_t *const o = json_object();
        machine_account(m, c, until_ps, cycles);
        for (unsigned i = 0; i < CPU_CAUSES; i++) {
            put(o, cpu_cause_name[i], cycles[i]);
            sum += cycles[i];
        }
        if (sum == 0) {
            json_decref(o);
            continue;
        }
        put(o, "core", c);
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *host_object(const struct report *r, struct world *w, const struct replay *y,
                           unsigned host)
{
    json_t *const o = json_object(), *const hcas = json_array();

    put(o, "host", host);
    json_object_set_new(o, "cores", cores_array(y, host, world_now(w)));
    json_object_set_new(o, "statistics", stat_object(r, w, host, -1));
    json_object_set_new(o, "wires", wires_object(w, host, -1));
    for (unsigned a = 0; a < world_hcas(w); a++) {
        json_t *const x = json_object();
        put(x, "hca", a);
        json_object_set_new(x, "port", port_object(w, host * world_hcas(w) + a));
        json_object_set_new(x, "statistics", stat_object(r, w, host, (int)a));
        json_object_set_new(x, "wires", wires_object(w, host, (int)a));
        json_array_append_new(hcas, x);
    }
    json_object_set_new(o, "adapters", hcas);
    return o;
}

static json_t *config_object(const struct hca_config *c)
{
    json_t *const o = json_object();

    for (unsigned i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *const row = hca_param_row((enum hca_param_id)i);
        char text[64];
        json_t *const v = json_object();
        put_text(v, "value", hca_param_text(&c->value, row, text, sizeof text));
        put_text(v, "origin", c->origin[i].place);
        put_text(v, "source", hca_source_name(c->origin[i].source_class));
        json_object_set_new(o, row->key, v);
    }
    return o;
}

static json_t *evidence_object(const struct hca_config *c)
{
    unsigned count[HCA_SOURCES];
    json_t *const o = json_object();

    hca_config_evidence(c, count);
    for (unsigned s = 0; s < HCA_SOURCES; s++) {
        char key[32];
        snprintf(key, sizeof key, "parameters_%s", hca_source_name((enum hca_source)s));
        put(o, key, count[s]);
    }
    return o;
}

static json_t *failures_array(const struct report *r)
{
    json_t *const a = json_array();
    char text[32];

    for (uint64_t i = 0; i < r->failures && i < sizeof r->failed / sizeof r->failed[0]; i++) {
        json_t *const o = json_object();
        put(o, "op", r->failed[i].op);
        put_text(o, "opcode", kind_text(r->failed[i].kind, text, sizeof text));
        put(o, "qp", r->failed[i].qp);
        put_text(o, "status", hct_name(hct_text_wc, r->failed[i].status, text, sizeof text));
        put_text(o, "expected", hct_name(hct_text_wc, r->failed[i].expect, text, sizeof text));
        json_array_append_new(a, o);
    }
    return a;
}

static void put_totals(json_t *o, struct world *w, const struct replay *y)
{
    const struct replay_figures *const f = replay_figures(y);
    json_t *const memory = json_array();

    put_hash(o, "state_hash", world_hash(w));
    put_hash(o, "timing_hash", f->timing_hash);
    for (unsigned h = 0; h < world_hosts(w); h++) {
        char text[20];
        snprintf(text, sizeof text, "%016" PRIx64, replay_memory_hash(y, h));
        json_array_append_new(memory, json_string(text));
    }
    json_object_set_new(o, "memory_hash", memory);
    put(o, "sim_time_ps", f->last_ps);
    put(o, "packets", world_figures(w).frames);
    put(o, "ops_completed", f->ops);
    put(o, "ops_failed", f->failed);
    put(o, "ops_expected_errors", f->expected_errors);
    put(o, "message_bytes", f->bytes);
    put(o, "payloads_checked", f->checked);
    put(o, "payloads_wrong", f->mismatches);
    put(o, "payloads_not_comparable", f->unchecked);
    put(o, "setup_ps", f->setup_ps);
    put(o, "setup_commands", f->setup_commands);
}

bool report_json(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out)
{
    const struct hca_param *const p = &h->config->value;
    json_t *const o = json_object(), *const groups = json_array(), *const hosts = json_array();

    put(o, "schema", 1);
    put_text(o, "trace", h->trace);
    put_text(o, "timing", h->timing);
    put_text(o, "end", h->end);
    put_text(o, "waiting", h->waiting);
    put_totals(o, w, y);
    if (p->sim_payload == 0) {
        json_object_set_new(o, "memory_hash", json_null());
    }
    put(o, "seed", p->sim_seed);
    json_object_set_new(o, "tlp_exact", json_boolean(p->sim_train_tlps_max == 1));
    json_object_set_new(o, "evidence", evidence_object(h->config));
    json_object_set_new(o, "config", config_object(h->config));
    json_object_set_new(o, "failures", failures_array(r));
    for (unsigned i = 0; i < r->groups; i++) {
        json_array_append_new(groups, group_object(&r->group[i]));
    }
    json_object_set_new(o, "groups", groups);
    for (unsigned i = 0; i < world_hosts(w); i++) {
        json_array_append_new(hosts, host_object(r, w, y, i));
    }
    json_object_set_new(o, "hosts", hosts);
    const bool good = json_dumpf(o, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
    json_decref(o);
    return good;
}
