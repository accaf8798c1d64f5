/* json_system.c: hosts and adapters of report.json. */
#include "sim/report/json_i.h"

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

static json_t *wires_object(const struct report *r, const struct totals *t, struct world *w,
                            unsigned host, int hca)
{
    json_t *const all = json_object();

    for (unsigned i = 0; i < meta_wire_count; i++) {
        if ((meta_wires[i].side == META_HOST) == (hca < 0)) {
            const struct wire_use u = wire_of(r, t, w, host, hca, i);
            json_t *const o = json_object();
            put(o, "depth", u.f.depth);
            put(o, "entries", u.f.pushes);
            put(o, "entry_cycles", u.f.entry_cycles);
            put(o, "full_cycles", u.f.full_cycles);
            put(o, "mean_level_ppm", u.level_ppm);
            put(o, "full_ppm", u.full_ppm);
            json_object_set_new(all, meta_wires[i].name, o);
        }
    }
    return all;
}

static json_t *cache_array(const struct report *r, struct world *w, unsigned host, int hca,
                           const struct cache_row *row, unsigned n)
{
    json_t *const a = json_array();

    for (unsigned i = 0; i < n; i++) {
        const uint64_t hits = counter(r, w, host, hca, &row[i].hits),
                       misses = counter(r, w, host, hca, &row[i].misses);
        json_t *const o = json_object();
        put_text(o, "name", row[i].key);
        put(o, "hits", hits);
        put(o, "misses", misses);
        json_object_set_new(o, "hit_ppm", json_null());
        if (hits + misses != 0) {
            put(o, "hit_ppm", scale(hits, 1000000, hits + misses));
        }
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *counter_object(const struct report *r, struct world *w, unsigned host, int hca,
                              const struct counter_row *row, unsigned n)
{
    json_t *const o = json_object();

    for (unsigned i = 0; i < n; i++) {
        put(o, row[i].key, counter(r, w, host, hca, &row[i]));
    }
    return o;
}

static void put_traffic(json_t *o, const struct traffic *x)
{
    put(o, "tlps", x->tlps);
    put(o, "bytes", x->bytes);
    put(o, "payload_bytes", x->payload);
}

static json_t *direction_object(const struct pcie_use *u, bool up)
{
    json_t *const o = json_object(), *const classes = json_object();

    put_traffic(o, up ? &u->up : &u->down);
    put(o, "utilisation_ppm", up ? u->up_ppm : u->down_ppm);
    for (unsigned c = 0; c < u->classes; c++) {
        json_t *const x = json_object();
        put_traffic(x, up ? &u->class[c].up : &u->class[c].down);
        json_object_set_new(classes, u->class[c].name, x);
    }
    json_object_set_new(o, "classes", classes);
    return o;
}

static json_t *pcie_object(const struct report *r, const struct totals *t, struct world *w,
                           unsigned host)
{
    const struct pcie_use u = pcie_of(r, t, w, host);
    json_t *const o = json_object();

    put(o, "links", world_hcas(w));
    put(o, "raw_bps", t->pcie_raw_bps);
    put(o, "usable_bps", t->pcie_usable_bps);
    json_object_set_new(o, "up", direction_object(&u, true));
    json_object_set_new(o, "down", direction_object(&u, false));
    return o;
}

static json_t *port_direction(uint64_t frames, uint64_t bytes, uint64_t line_bytes, uint64_t ppm)
{
    json_t *const o = json_object();

    put(o, "frames", frames);
    put(o, "bytes", bytes);
    put(o, "line_bytes", line_bytes);
    put(o, "utilisation_ppm", ppm);
    return o;
}

static json_t *port_object(const struct report *r, const struct totals *t, struct world *w,
                           unsigned host, unsigned hca)
{
    static const char *const fault[NET_FAULTS] = {"lost", "duplicated", "reordered", "corrupted",
                                                  "marked"};
    const struct port_use u = port_of(r, t, w, host, hca);
    json_t *const o = json_object(), *const faults = json_object();

    put(o, "rate_bps", t->port_bps);
    json_object_set_new(o, "tx",
                        port_direction(u.tx.frames, u.tx.bytes, u.tx.line_bytes, u.tx.ppm));
    json_object_set_new(o, "rx",
                        port_direction(u.rx.frames, u.rx.bytes, u.rx.line_bytes, u.rx.ppm));
    for (unsigned i = 0; i < NET_FAULTS; i++) {
        put(faults, fault[i], u.net->fault[i]);
    }
    put(faults, "dropped_queue", u.net->dropped_queue);
    put(faults, "dropped_address", u.net->dropped_address);
    json_object_set_new(o, "faults", faults);
    put(o, "queue_max_bytes", u.net->queue_max_bytes);
    return o;
}

static json_t *cores_array(const struct report *r, const struct totals *t, const struct replay *y,
                           unsigned host)
{
    json_t *const a = json_array();

    for (uint32_t c = 0; c < r->cores; c++) {
        struct core_use u;
        if (!core_of(r, t, y, host, c, &u)) {
            continue;
        }
        json_t *const o = json_object(), *const cycles = json_object();
        put(o, "core", c);
        put(o, "setup_cycles", u.setup);
        put(o, "busy_cycles", u.busy);
        put(o, "busy_ppm", u.busy_ppm);
        put(o, "idle_poll_ppm", u.idle_ppm);
        for (unsigned i = 0; i < CPU_CAUSES; i++) {
            put(cycles, cpu_cause_name[i], u.cycles[i]);
        }
        json_object_set_new(o, "cycles", cycles);
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *adapter_object(const struct report *r, const struct totals *t, struct world *w,
                              unsigned host, unsigned a)
{
    json_t *const o = json_object();

    put(o, "hca", a);
    json_object_set_new(o, "port", port_object(r, t, w, host, a));
    json_object_set_new(o, "caches",
                        cache_array(r, w, host, (int)a, caches_adapter, caches_adapter_n));
    json_object_set_new(o, "recovery",
                        counter_object(r, w, host, (int)a, rows_recovery, rows_recovery_n));
    json_object_set_new(o, "statistics", stat_object(r, w, host, (int)a));
    json_object_set_new(o, "wires", wires_object(r, t, w, host, (int)a));
    return o;
}

static json_t *functions_array(const struct report *r, struct world *w, unsigned host)
{
    json_t *const a = json_array();

    for (unsigned i = 0; i < world_hcas(w) * FUNCTIONS; i++) {
        struct host_fn_figures f;
        if (!function_of(r, w, host, i / FUNCTIONS, i % FUNCTIONS, &f)) {
            continue;
        }
        json_t *const o = json_object();
        put(o, "hca", i / FUNCTIONS);
        put(o, "fn", i % FUNCTIONS);
        put(o, "hits", f.hits);
        put(o, "misses", f.misses);
        put(o, "merged", f.merged);
        put(o, "walk_reads", f.walk_reads);
        put(o, "faults", f.faults);
        json_object_set_new(o, "hit_ppm", json_null());
        if (f.hits + f.misses != 0) {
            put(o, "hit_ppm", scale(f.hits, 1000000, f.hits + f.misses));
        }
        json_array_append_new(a, o);
    }
    return a;
}

json_t *json_host(const struct report *r, const struct totals *t, struct world *w,
                  const struct replay *y, unsigned host)
{
    json_t *const o = json_object(), *const hcas = json_array();

    put(o, "host", host);
    json_object_set_new(o, "cores", cores_array(r, t, y, host));
    json_object_set_new(o, "pcie", pcie_object(r, t, w, host));
    json_object_set_new(o, "caches", cache_array(r, w, host, -1, caches_host, caches_host_n));
    json_object_set_new(o, "walks", counter_object(r, w, host, -1, rows_walks, rows_walks_n));
    json_object_set_new(o, "functions", functions_array(r, w, host));
    json_object_set_new(o, "faults", counter_object(r, w, host, -1, rows_faults, rows_faults_n));
    json_object_set_new(o, "statistics", stat_object(r, w, host, -1));
    json_object_set_new(o, "wires", wires_object(r, t, w, host, -1));
    for (unsigned a = 0; a < world_hcas(w); a++) {
        json_array_append_new(hcas, adapter_object(r, t, w, host, a));
    }
    json_object_set_new(o, "adapters", hcas);
    return o;
}
