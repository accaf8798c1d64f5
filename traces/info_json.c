/* `trace info --json`. */
#include "traces/info_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* Counts stay below 2^63: they are at most the bytes of a file or of all its messages. */
static json_t *number(uint64_t x)
{
    return json_integer((json_int_t)(x > INT64_MAX ? INT64_MAX : x));
}

/* Text from a file; what is not UTF-8 is left out, as JSON has no place for it. */
static json_t *text(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("");
}

static void put(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value); /* a NULL value is refused and noticed below */
}

/* Counts by name; names that do not occur are left out. */
static json_t *named(const char *schema_text, const uint64_t *count, uint32_t n, bool bits)
{
    json_t *o = json_object();
    for (uint32_t i = 0; i < n; i++) {
        char name[64];
        if (count[i]) {
            put(o, hct_name(schema_text, bits ? 1ull << i : i, name, sizeof name),
                number(count[i]));
        }
    }
    return o;
}

static json_t *kinds(const struct tally *t)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < HCT_KIND_COUNT; i++) {
        const struct kind_tally *k = &t->kind[i];
        char name[64];
        if (!k->ops) {
            continue;
        }
        json_t *o = json_object();
        put(o, "ops", number(k->ops));
        put(o, "bytes", number(k->bytes));
        put(o, "bytes_min", number(k->bytes_min));
        put(o, "bytes_max", number(k->bytes_max));
        put(all, hct_name(hct_text_kind, i, name, sizeof name), o);
    }
    return all;
}

static json_t *resources(const struct hct_resources *r)
{
    json_t *o = json_object();
    put(o, "hosts", number(r->hosts));
    put(o, "fns", number(r->fns));
    put(o, "pds", number(r->pds));
    put(o, "mrs", number(r->mrs));
    put(o, "cqs", number(r->cqs));
    put(o, "srqs", number(r->srqs));
    put(o, "qps", number(r->qps));
    put(o, "ahs", number(r->ahs));
    return o;
}

static json_t *sizes(const struct tally *t)
{
    json_t *o = json_object();
    for (uint32_t i = 0; i < INFO_SIZES; i++) {
        char name[24];
        if (t->size[i]) {
            (void)snprintf(name, sizeof name, "%" PRIu64, i ? (uint64_t)1 << (i - 1) : 0);
            put(o, name, number(t->size[i]));
        }
    }
    return o;
}

/* Keys are part of the interface: scripts read them. */
static void put_workload(const struct tally *t, json_t *o)
{
    json_t *warn = json_object();
    for (uint32_t i = 0; i < INFO_WARN_BITS; i++) {
        if (t->warn[i]) {
            put(warn, info_warn_text[i], number(t->warn[i]));
        }
    }
    put(o, "resources", resources(t->res));
    put(o, "ops", number(t->ops));
    put(o, "qps_used", number(t->qps_used));
    put(o, "kinds", kinds(t));
    put(o, "sizes_up_to", sizes(t));
    put(o, "signaled", number(t->signaled));
    put(o, "expected_to_fail", number(t->expect_error));
    put(o, "with_time", number(t->timed));
    put(o, "t_last_ps", number(t->t_last_ps));
    put(o, "dependencies", named(hct_text_dep, t->dep, HCT_DEP_COUNT, false));
    put(o, "payload", named(hct_text_payload, t->payload, HCT_PAYLOAD_COUNT, false));
    put(o, "recorded", named(hct_text_op_rec, t->recorded, INFO_REC_BITS, true));
    put(o, "recorded_of", named(hct_text_op_rec, t->possible, INFO_REC_BITS, true));
    put(o, "will_fail", warn);
}

static void put_events(const struct tally *t, json_t *o)
{
    json_t *types = json_object();
    json_t *units = json_object();

    for (uint32_t i = 0; i < hct_event_types(t->r); i++) {
        if (t->event_type[i]) {
            put(types, hct_event_type(t->r, i)->name, number(t->event_type[i]));
        }
    }
    for (uint32_t i = 0; i < hct_units(t->r); i++) {
        if (t->event_unit[i]) {
            put(units, hct_unit(t->r, i), number(t->event_unit[i]));
        }
    }
    put(o, "events", number(t->ops));
    put(o, "t_first_ps", number(t->t_first_ps));
    put(o, "t_last_ps", number(t->t_last_ps));
    put(o, "types", types);
    put(o, "units", units);
}

/* A failed allocation leaves a key out or the whole object NULL; jansson keeps the rest valid. */
bool info_json(const struct tally *t, FILE *out)
{
    const struct hct_head *h = t->head;
    json_t *o = json_object();
    json_t *notes = json_array();

    for (uint32_t i = 0; i < h->notes; i++) {
        json_t *note = json_object();
        put(note, "key", text(h->note[i].key));
        put(note, "value", text((const char *)h->note[i].value));
        (void)json_array_append_new(notes, note);
    }
    put(o, "content", json_string(h->content == HCT_WORKLOAD ? "workload" : "events"));
    put(o, "version_major", number(h->version_major));
    put(o, "version_minor", number(h->version_minor));
    put(o, "file_bytes", number(h->file_bytes));
    put(o, "records", h->records == UINT64_MAX ? json_null() : number(h->records));
    put(o, "blocks", h->blocks == UINT32_MAX ? json_null() : number(h->blocks));
    put(o, "notes", notes);
    put(o, "damage", t->loss[0] ? text(t->loss) : json_null());
    if (h->content == HCT_WORKLOAD) {
        put_workload(t, o);
    } else {
        put_events(t, o);
    }
    char *dump = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    const bool ok = dump != NULL;
    if (ok) {
        (void)fprintf(out, "%s\n", dump);
    }
    free(dump);
    json_decref(o);
    return ok;
}
