/* report_json.c: report.json; its keys: report.def. */
#include "sim/report/json_i.h"

#include <inttypes.h>

/* JSON readers hold integers in 63 bits. */
void put(json_t *o, const char *key, uint64_t v)
{
    json_object_set_new(o, key, json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v));
}

void put_text(json_t *o, const char *key, const char *text)
{
    json_object_set_new(o, key, text == NULL ? json_null() : json_string(text));
}

static json_t *hash_text(uint64_t v)
{
    char text[20];

    snprintf(text, sizeof text, "%016" PRIx64, v);
    return json_string(text);
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
    put_text(o, "transport", transport_text(g->transport, text, sizeof text));
    put(o, "host", g->host);
    put(o, "fn", g->fn);
    put(o, "size_min_bytes", size_floor(g->size_class));
    put(o, "size_max_bytes", size_ceiling(g->size_class));
    put(o, "count", g->count);
    put(o, "failures", g->failures);
    put(o, "bytes", g->bytes);
    put(o, "first_ps", g->first_ps);
    put(o, "last_ps", g->last_ps);
    put(o, "goodput_bps", scale(g->bytes, 8000000000000, group_span_ps(g)));
    put(o, "messages_per_s", per_second(group_messages(g), group_span_ps(g)));
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

static json_t *evidence_object(const struct report *r, const struct hca_config *c,
                               const struct totals *t)
{
    unsigned count[HCA_SOURCES];
    json_t *const o = json_object(), *const parameters = json_object(),
                  *const fitted = json_array();

    hca_config_evidence(c, count);
    put(parameters, "spec", count[HCA_SOURCE_SPEC]);
    put(parameters, "measured", count[HCA_SOURCE_MEASURED]);
    put(parameters, "assumed", count[HCA_SOURCE_ASSUMED]);
    json_object_set_new(o, "parameters", parameters);
    for (unsigned i = 0; i < HCA_PARAM_COUNT; i++) {
        if (parameter_fitted(c, i)) {
            json_array_append_new(fitted, json_string(hca_param_row((enum hca_param_id)i)->key));
        }
    }
    json_object_set_new(o, "fitted", fitted);
    json_object_set_new(o, "trace", json_null());
    if (t->captured) {
        json_t *const x = json_object();
        put(x, "recorded", r->fields_recorded);
        put(x, "assumed", r->fields_assumed);
        put(x, "recorded_ppm",
            scale(r->fields_recorded, 1000000, r->fields_recorded + r->fields_assumed));
        json_object_set_new(o, "trace", x);
    }
    return o;
}

static json_t *failures_array(const struct report *r)
{
    json_t *const a = json_array();
    char text[32];

    for (uint64_t i = 0; i < r->failures && i < FAILED_LISTED; i++) {
        json_t *const o = json_object();
        put(o, "op", r->failed[i].op);
        put_text(o, "opcode", kind_text(r->failed[i].kind, text, sizeof text));
        json_object_set_new(
            o, "qp", r->failed[i].qp == HCT_NONE ? json_null() : json_integer(r->failed[i].qp));
        put_text(o, "status", hct_name(hct_text_wc, r->failed[i].status, text, sizeof text));
        put_text(o, "expected", hct_name(hct_text_wc, r->failed[i].expect, text, sizeof text));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *memory_hashes(const struct report *r, struct world *w, const struct replay *y)
{
    if (r->p.sim_payload == 0) {
        return json_null();
    }
    json_t *const memory = json_array();

    for (unsigned h = 0; h < world_hosts(w); h++) {
        json_array_append_new(memory, hash_text(replay_memory_hash(y, h)));
    }
    return memory;
}

static void put_totals(json_t *o, const struct report *r, const struct totals *t, struct world *w,
                       const struct replay *y)
{
    const struct replay_figures *const f = replay_figures(y);

    json_object_set_new(o, "state_hash", hash_text(world_hash(w)));
    json_object_set_new(o, "timing_hash", hash_text(f->timing_hash));
    json_object_set_new(o, "memory_hash", memory_hashes(r, w, y));
    put(o, "sim_time_ps", f->last_ps);
    put(o, "elapsed_ps", t->elapsed_ps);
    put(o, "setup_ps", f->setup_ps);
    put(o, "setup_commands", f->setup_commands);
    put(o, "packets", world_figures(w).frames);
    put(o, "ops_completed", f->ops);
    put(o, "ops_failed", f->failed);
    put(o, "receives_unused", f->unused_receives);
    put(o, "ops_expected_errors", f->expected_errors);
    put(o, "ops_ungrouped", r->ungrouped);
    put(o, "messages", r->messages);
    put(o, "message_bytes", r->message_bytes);
    put(o, "goodput_bps", t->goodput_bps);
    put(o, "messages_per_s", t->messages_per_s);
    put(o, "payloads_checked", f->checked);
    put(o, "payloads_wrong", f->mismatches);
    put(o, "payloads_not_comparable", f->unchecked);
    put(o, "staged", r->staged);
    json_object_set_new(o, "stages_sum_ps", stage_object(r->stage_ps));
}

bool report_json(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out)
{
    const struct group *sorted[GROUPS_MAX];
    const struct totals t = totals_of(r, h, w, y);
    json_t *const o = json_object(), *const groups = json_array(), *const hosts = json_array();

    put(o, "schema", 1);
    put_text(o, "trace", h->trace);
    put_text(o, "timing", h->timing);
    put_text(o, "note", t.note);
    put_text(o, "end", h->end);
    put_text(o, "waiting", h->waiting);
    put_totals(o, r, &t, w, y);
    put(o, "seed", r->p.sim_seed);
    json_object_set_new(o, "tlp_exact", json_boolean(r->p.sim_train_tlps_max == 1));
    json_object_set_new(o, "evidence", evidence_object(r, h->config, &t));
    json_object_set_new(o, "config", config_object(h->config));
    json_object_set_new(o, "failures", failures_array(r));
    groups_sorted(r, sorted);
    for (unsigned i = 0; i < r->groups; i++) {
        json_array_append_new(groups, group_object(sorted[i]));
    }
    json_object_set_new(o, "groups", groups);
    for (unsigned i = 0; i < world_hosts(w); i++) {
        json_array_append_new(hosts, json_host(r, &t, w, y, i));
    }
    json_object_set_new(o, "hosts", hosts);
    const bool good = json_dumpf(o, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
    json_decref(o);
    return good;
}
