/* What a reader takes in before the first op or event: notes, resources, units, event types. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "traces/hct_read.h"
#include "traces/hct_store.h"

static enum hct_status bad_record(hct_reader *r, const char *what)
{
    return hct_reader_fail(r, HCT_BAD, "%s: record %" PRIu64 ": %s", r->name, r->seq, what);
}

/* Names from a file are printed on terminals. */
static void make_plain(char *name)
{
    for (; *name; name++) {
        *name = *name < 0x20 || *name > 0x7e ? '?' : *name;
    }
}

/* Values are copied: the block they came from is overwritten by the next. */
static enum hct_status load_note(hct_reader *r, const struct hct_note *note)
{
    if (r->notes == HCT_NOTES_MAX) {
        return bad_record(r, "more than 256 notes");
    }
    struct hct_note *grown = realloc(r->note, (r->notes + 1) * sizeof *grown);
    r->note = grown ? grown : r->note;
    uint8_t *value = malloc((size_t)note->value_bytes + 1);
    if (!grown || !value) {
        free(value);
        return hct_reader_fail(r, HCT_NOMEM, "%s: no memory for notes", r->name);
    }
    if (note->value_bytes) {
        memcpy(value, note->value, note->value_bytes);
    }
    value[note->value_bytes] = 0;
    r->note[r->notes] = *note;
    make_plain(r->note[r->notes].key);
    r->note[r->notes++].value = value;
    r->head.note = r->note;
    r->head.notes = r->notes;
    return HCT_OK;
}

/* Behind a gap ids may jump; the units in between have empty names. */
static enum hct_status load_unit(hct_reader *r, const struct hct_unit *unit)
{
    if (unit->id >= HCT_UNITS_MAX || unit->id < r->units ||
        (unit->id > r->units && !r->loss.gaps)) {
        return bad_record(r, "unit ids are dense from 0 and go up to 65535");
    }
    if (unit->id >= r->units_room) {
        const uint32_t room = unit->id < 16 ? 16 : unit->id * 2;
        char(*grown)[HCT_TEXT_BYTES] = realloc(r->unit, room * sizeof *grown);
        if (!grown) {
            return hct_reader_fail(r, HCT_NOMEM, "%s: no memory for units", r->name);
        }
        memset(grown + r->units_room, 0, (room - r->units_room) * sizeof *grown);
        r->unit = grown;
        r->units_room = room;
    }
    memcpy(r->unit[unit->id], unit->name, sizeof unit->name);
    make_plain(r->unit[unit->id]);
    r->units = unit->id + 1;
    return HCT_OK;
}

/* Behind a gap ids may jump; the resources in between are lost. */
static enum hct_status load_resource(hct_reader *r, const void *obj)
{
    struct hct_error why = {0};
    const enum hct_status st = hct_store(&r->res, r->type, obj, r->loss.gaps > 0, &why);
    return st == HCT_OK
               ? st
               : hct_reader_fail(r, st, "%s: record %" PRIu64 ": %s", r->name, r->seq, why.text);
}

/* Takes in one record that comes before the ops. */
static enum hct_status load_record(hct_reader *r)
{
    const struct hct_type *t = hct_builtin_type(r->type);
    const char *why = "";
    union {
        struct hct_note note;
        struct hct_unit unit;
        struct hct_fn fn;
        struct hct_mr mr;
        struct hct_qp qp;
        struct hct_host host;
    } any;

    if (!t) {
        return HCT_OK; /* a type of a newer version */
    }
    if (t->struct_bytes > sizeof any || r->type < HCT_ID_note) {
        return bad_record(r, "a list element as a record of its own");
    }
    if (!hct_decode(&r->schema, t, r->body, r->body_bytes, &any, &why)) {
        return hct_reader_fail(r, HCT_BAD, "%s: record %" PRIu64 " (%s): field %s is malformed",
                               r->name, r->seq, t->name, why);
    }
    if (r->type == HCT_ID_note) {
        return load_note(r, &any.note);
    }
    if (r->type == HCT_ID_unit) {
        return r->head.content == HCT_EVENTS ? load_unit(r, &any.unit)
                                             : bad_record(r, "a unit in a workload trace");
    }
    return r->head.content == HCT_WORKLOAD ? load_resource(r, &any)
                                           : bad_record(r, "a resource in an event trace");
}

static bool begins_content(const hct_reader *r)
{
    return r->type == HCT_ID_op || r->type == HCT_ID_payload || r->type >= HCT_TYPE_EVENT0;
}

/* Event types of the schema, as the public interface shows them. */
static enum hct_status load_event_types(hct_reader *r)
{
    uint32_t fields = 0;
    uint32_t last = 0;

    for (uint32_t i = 0; i < r->schema.types; i++) {
        const struct hct_type *t = &r->schema.type[i];
        if (t->id >= HCT_TYPE_EVENT0 && t->id < HCT_TYPE_MUST) {
            last = t->id - HCT_TYPE_EVENT0 + 1u;
            fields += t->fields;
        }
    }
    if (r->head.content != HCT_EVENTS || last == 0) {
        return HCT_OK;
    }
    if (last > HCT_EVENT_TYPES_MAX) {
        return hct_reader_fail(r, HCT_BAD, "%s: event type %u: at most %d", r->name, last - 1,
                               HCT_EVENT_TYPES_MAX);
    }
    r->event = calloc(last, sizeof *r->event);
    r->event_field = calloc(fields + 1, sizeof *r->event_field);
    if (!r->event || !r->event_field) {
        return hct_reader_fail(r, HCT_NOMEM, "%s: no memory for event types", r->name);
    }
    r->events = last;
    struct hct_event_field *f = r->event_field;
    for (uint32_t i = 0; i < r->schema.types; i++) {
        const struct hct_type *t = &r->schema.type[i];
        if (t->id < HCT_TYPE_EVENT0 || t->id >= HCT_TYPE_MUST) {
            continue;
        }
        bool good = t->fields >= 2 && t->fields <= 2 + HCT_EVENT_FIELDS_MAX &&
                    t->field[0].width == HCT_U64 && t->field[1].width == HCT_U32;
        struct hct_event_type *e = &r->event[t->id - HCT_TYPE_EVENT0];
        *e = (struct hct_event_type){t->name, t->doc, f, t->fields - 2u};
        for (uint32_t k = 2; k < t->fields && good; k++) {
            good = hct_width_bytes(t->field[k].width) > 0;
            *f++ = (struct hct_event_field){t->field[k].name, t->field[k].unit,
                                            (enum hct_width)t->field[k].width};
        }
        if (!good) {
            return hct_reader_fail(
                r, HCT_BAD, "%s: event type %s: needs t_ps and unit, then at most %d numbers",
                r->name, t->name, HCT_EVENT_FIELDS_MAX);
        }
    }
    return HCT_OK;
}

/* Reads up to the first op or event. Gaps are told later, by the first hct_next_op. */
static enum hct_status load_front(hct_reader *r)
{
    enum hct_status st = load_event_types(r);
    while (st == HCT_OK || st == HCT_DAMAGED) {
        st = hct_next_record(r);
        if (st == HCT_DAMAGED) {
            r->gap_untold = true;
        } else if (st == HCT_OK) {
            if (begins_content(r)) {
                break;
            }
            st = load_record(r);
            r->have = false;
        }
    }
    if (st != HCT_OK && st != HCT_END) {
        return st;
    }
    struct hct_error why = {0};
    r->res_lost = r->loss.gaps > 0;
    st = hct_check_resources(&r->res, r->res_lost, &why);
    return st == HCT_OK ? st : hct_reader_fail(r, st, "%s: %s", r->name, why.text);
}

/* A failure of the container has closed the stream already. */
enum hct_status hct_open_stream(FILE *f, const char *name, hct_reader **out, struct hct_error *err)
{
    enum hct_status st = hct_open_container(f, name, out, err);
    if (st != HCT_OK) {
        return st;
    }
    st = load_front(*out);
    if (st != HCT_OK) {
        if (err) {
            *err = (*out)->err;
        }
        hct_close(*out);
        *out = NULL;
    }
    return st;
}

enum hct_status hct_open(const char *path, hct_reader **out, struct hct_error *err)
{
    FILE *f = fopen(path, "rb");
    *out = NULL;
    if (!f) {
        return hct_fail(err, HCT_SYS, "cannot open trace %s: %s", path, strerror(errno));
    }
    return hct_open_stream(f, path, out, err);
}

uint32_t hct_event_types(const hct_reader *r)
{
    return r->events;
}

const struct hct_event_type *hct_event_type(const hct_reader *r, uint32_t type)
{
    return type < r->events && r->event[type].name ? &r->event[type] : NULL;
}

uint32_t hct_units(const hct_reader *r)
{
    return r->units;
}

const char *hct_unit(const hct_reader *r, uint32_t unit)
{
    return unit < r->units ? r->unit[unit] : "";
}
