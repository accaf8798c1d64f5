/* report_schema.c: docs/report.schema.json from report.def and the tables of the model. */
#include "model/meta.h"
#include "sim/report/json_i.h"

#include <string.h>

struct key {
    const char *object, *name, *type, *unit, *doc;
};

/* A row without name opens an object. */
static const struct key rows[] = {
#define OBJECT(object, doc)               {#object, NULL, NULL, NULL, doc},
#define KEY(object, key, type, unit, doc) {#object, #key, type, unit, doc},
#include "sim/report/report.def"
#undef OBJECT
#undef KEY
};

static json_t *reference(const char *object)
{
    char text[96];
    json_t *const o = json_object();

    snprintf(text, sizeof text, "#/definitions/%s", object);
    put_text(o, "$ref", text);
    return o;
}

/* Schema of a type name without its signs. */
static json_t *plain(const char *type)
{
    json_t *const o = json_object();

    if (strcmp(type, "int") == 0) {
        put_text(o, "type", "integer");
        put(o, "minimum", 0);
    } else if (strcmp(type, "bool") == 0) {
        put_text(o, "type", "boolean");
    } else if (strcmp(type, "text") == 0) {
        put_text(o, "type", "string");
    } else if (strcmp(type, "hash") == 0) {
        put_text(o, "type", "string");
        put_text(o, "pattern", "^[0-9a-f]{16}$");
    } else {
        json_decref(o);
        return reference(type);
    }
    return o;
}

static json_t *typed(const char *type)
{
    if (*type == '?') {
        json_t *const null = json_object();
        put_text(null, "type", "null");
        return json_pack("{s:[o,o]}", "anyOf", typed(type + 1), null);
    }
    if (*type == '*') {
        return json_pack("{s:s,s:o}", "type", "array", "items", typed(type + 1));
    }
    return plain(type);
}

/* In draft 7 whatever stands beside $ref is ignored, so a reference goes into allOf. */
static json_t *described(const char *title, const char *type, const char *unit, const char *doc)
{
    json_t *o = typed(type);

    if (json_object_get(o, "$ref") != NULL) {
        o = json_pack("{s:[o]}", "allOf", o);
    }
    put_text(o, "title", title);
    put_text(o, "description", doc);
    if (unit[0] != '\0') {
        put_text(o, "unit", unit);
    }
    return o;
}

static json_t *closed(const char *title, const char *doc)
{
    json_t *const o = json_object();

    put_text(o, "title", title);
    put_text(o, "description", doc);
    put_text(o, "type", "object");
    json_object_set_new(o, "properties", json_object());
    json_object_set_new(o, "required", json_array());
    json_object_set_new(o, "additionalProperties", json_false());
    return o;
}

static void add(json_t *object, const char *key, const char *type, const char *unit,
                const char *doc)
{
    const bool optional = *type == '~';

    json_object_set_new(json_object_get(object, "properties"), key,
                        described(key, type + optional, unit, doc));
    if (!optional) {
        json_array_append_new(json_object_get(object, "required"), json_string(key));
    }
}

static void from_rows(json_t *definitions)
{
    json_t *o = NULL;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].name == NULL) {
            o = closed(rows[i].object, rows[i].doc);
            json_object_set_new(definitions, rows[i].object, o);
        } else {
            add(o, rows[i].name, rows[i].type, rows[i].unit, rows[i].doc);
        }
    }
}

static void from_counters(json_t *definitions, const char *name, const char *doc,
                          const struct counter_row *row, unsigned n)
{
    json_t *const o = closed(name, doc);

    for (unsigned i = 0; i < n; i++) {
        add(o, row[i].key, "int", "events", row[i].doc);
    }
    json_object_set_new(definitions, name, o);
}

static void from_stages(json_t *definitions)
{
    json_t *const o = closed("stages", "Time by stage; stages that took no time are absent");

    for (unsigned s = 0; s < meta_stage_count; s++) {
        add(o, meta_stages[s].name, "~int", "ps", meta_stages[s].doc);
    }
    json_object_set_new(definitions, "stages", o);
}

static void from_side(json_t *definitions, enum meta_side side)
{
    const char *const who = side == META_HOST ? "host" : "adapter";
    char name[64], text[160];
    json_t *const stats = closed("statistics", "Counters since the end of set-up: unit.name"),
                  *const wires = closed("wires", "Queues between units");

    for (unsigned i = 0; i < meta_stat_count; i++) {
        if (meta_stats[i].side == side) {
            snprintf(name, sizeof name, "%s.%s", meta_stats[i].unit, meta_stats[i].name);
            add(stats, name, "int", meta_stats[i].measure, meta_stats[i].doc);
        }
    }
    for (unsigned i = 0; i < meta_wire_count; i++) {
        if (meta_wires[i].side == side) {
            snprintf(text, sizeof text, "%s from %s to %s", meta_wires[i].msg, meta_wires[i].from,
                     meta_wires[i].to);
            add(wires, meta_wires[i].name, "wire", "", text);
        }
    }
    snprintf(name, sizeof name, "statistics_%s", who);
    json_object_set_new(definitions, name, stats);
    snprintf(name, sizeof name, "wires_%s", who);
    json_object_set_new(definitions, name, wires);
}

static void from_tables(json_t *definitions)
{
    static const char prefix[] = "up_tlps_";
    json_t *const classes = closed("classes", "TLPs by what they carry"),
                  *const cycles = closed("cycles", "CPU cycles by cause"),
                  *const config = closed("config", "Every parameter: docs/reference/params.md");

    for (unsigned i = 0; i < meta_stat_count; i++) {
        if (strcmp(meta_stats[i].unit, "pcie") == 0 &&
            strncmp(meta_stats[i].name, prefix, sizeof prefix - 1) == 0) {
            add(classes, meta_stats[i].name + sizeof prefix - 1, "traffic", "", meta_stats[i].doc);
        }
    }
    for (unsigned i = 0; i < CPU_CAUSES; i++) {
        add(cycles, cpu_cause_name[i], "int", "cycles", "cycles spent for this cause");
    }
    for (unsigned i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *const row = hca_param_row((enum hca_param_id)i);
        add(config, row->key, "parameter", row->unit, row->doc);
    }
    json_object_set_new(definitions, "classes", classes);
    json_object_set_new(definitions, "cycles", cycles);
    json_object_set_new(definitions, "config", config);
    from_stages(definitions);
    from_side(definitions, META_HOST);
    from_side(definitions, META_HCA);
    from_counters(definitions, "faults", "Translation faults by reason (VT-d)", rows_faults,
                  rows_faults_n);
    from_counters(definitions, "recovery", "What reliability had to do", rows_recovery,
                  rows_recovery_n);
}

void report_schema(FILE *out)
{
    json_t *const definitions = json_object();
    json_t *const o =
        json_pack("{s:s,s:s,s:s,s:[o]}", "$schema", "http://json-schema.org/draft-07/schema#",
                  "title", "hcasim report.json", "description",
                  "Printed from sim/report/report.def by hcasim_gen; do not edit. "
                  "Times are ps, shares ppm; unit is the unit of a number.",
                  "allOf", reference("report"));

    from_rows(definitions);
    from_tables(definitions);
    json_object_set_new(o, "definitions", definitions);
    (void)json_dumpf(o, out, JSON_INDENT(1));
    (void)fputc('\n', out);
    json_decref(o);
}
