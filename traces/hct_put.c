/* Content half of the writer: notes, resources, ops, payload, events, and the rules on their order.
 */
#include <inttypes.h>
#include <string.h>

#include "traces/hct_store.h"
#include "traces/hct_write.h"

/* Encodes and appends a record of a built-in type. */
static enum hct_status put(hct_writer *w, uint16_t id, const void *obj)
{
    const struct hct_type *t = hct_builtin_type(id);
    const size_t bytes = hct_encode(t, obj, w->body);
    if (bytes == 0) {
        return hct_writer_fail(w, HCT_USAGE, "%s: %s record: a text or list is too long", w->path,
                               t->name);
    }
    return hct_put_record(w, id, w->body, bytes);
}

/* True when a record of this phase may come now; else the writer has failed. */
static bool may(hct_writer *w, enum hct_content content, enum hct_phase phase, const char *what)
{
    if (w->failed) {
        return false;
    }
    if (w->content != content) {
        (void)hct_writer_fail(w, HCT_USAGE, "%s: %s records do not belong in this kind of trace",
                              w->path, what);
        return false;
    }
    if (w->phase > phase) {
        (void)hct_writer_fail(
            w, HCT_USAGE,
            "%s: a %s record after %s: notes come first, then resources or units, "
            "then ops or events",
            w->path, what, w->phase == HCT_PHASE_OPS ? "an op or event" : "a resource or unit");
        return false;
    }
    w->phase = phase;
    return true;
}

/* Limits are those of the reader, so that nothing is written that it would refuse. */
enum hct_status hct_put_note(hct_writer *w, const char *key, const char *value)
{
    struct hct_note note = {.value = (const uint8_t *)value, .value_bytes = 0};
    const size_t key_bytes = strlen(key);
    const size_t bytes = strlen(value);

    if (!may(w, w->content, HCT_PHASE_NOTES, "note")) {
        return w->err.status;
    }
    if (key_bytes == 0 || key_bytes >= sizeof note.key || bytes > HCT_NOTE_BYTES ||
        w->notes == HCT_NOTES_MAX) {
        return hct_writer_fail(w, HCT_USAGE,
                               "%s: note %u: a key has 1..%d bytes, a value at most %d; a file has "
                               "at most %d notes",
                               w->path, w->notes, HCT_TEXT_BYTES - 1, HCT_NOTE_BYTES,
                               HCT_NOTES_MAX);
    }
    memcpy(note.key, key, key_bytes);
    note.value_bytes = (uint32_t)bytes;
    w->notes++;
    return put(w, HCT_ID_note, &note);
}

/* Kept in arrays as well: ops are checked against them before they are written. */
static enum hct_status put_resource(hct_writer *w, uint16_t id, const void *obj)
{
    struct hct_error why = {0};
    if (!may(w, HCT_WORKLOAD, HCT_PHASE_RESOURCES, hct_builtin_type(id)->name)) {
        return w->err.status;
    }
    const enum hct_status st = hct_store(w->res, id, obj, false, &why);
    if (st != HCT_OK) {
        return hct_writer_fail(w, st, "%s: %s", w->path, why.text);
    }
    return put(w, id, obj);
}

enum hct_status hct_put_host(hct_writer *w, const struct hct_host *x)
{
    return put_resource(w, HCT_ID_host, x);
}

enum hct_status hct_put_fn(hct_writer *w, const struct hct_fn *x)
{
    return put_resource(w, HCT_ID_fn, x);
}

enum hct_status hct_put_pd(hct_writer *w, const struct hct_pd *x)
{
    return put_resource(w, HCT_ID_pd, x);
}

enum hct_status hct_put_mr(hct_writer *w, const struct hct_mr *x)
{
    return put_resource(w, HCT_ID_mr, x);
}

enum hct_status hct_put_cq(hct_writer *w, const struct hct_cq *x)
{
    return put_resource(w, HCT_ID_cq, x);
}

enum hct_status hct_put_srq(hct_writer *w, const struct hct_srq *x)
{
    return put_resource(w, HCT_ID_srq, x);
}

enum hct_status hct_put_qp(hct_writer *w, const struct hct_qp *x)
{
    return put_resource(w, HCT_ID_qp, x);
}

enum hct_status hct_put_ah(hct_writer *w, const struct hct_ah *x)
{
    return put_resource(w, HCT_ID_ah, x);
}

/* The resources are complete when the first op comes: peers and CQs that follow are there now. */
enum hct_status hct_put_op(hct_writer *w, const struct hct_op *op)
{
    struct hct_error why = {0};
    const bool first = w->phase != HCT_PHASE_OPS;
    enum hct_status st = HCT_OK;

    if (!may(w, HCT_WORKLOAD, HCT_PHASE_OPS, "op")) {
        return w->err.status;
    }
    if (first) {
        st = hct_check_resources(w->res, false, &why);
    }
    st = st == HCT_OK ? hct_check_op(w->res, op, w->ops, NULL, &why) : st;
    if (st == HCT_OK && op->t_ps && op->t_ps < w->t_last_ps) {
        st = hct_fail(&why, HCT_BAD,
                      "op %" PRIu64 ": t_ps = %" PRIu64 " lies before %" PRIu64
                      " of an earlier op: sort by time, or use 0 for no bound",
                      op->id, op->t_ps, w->t_last_ps);
    }
    if (st != HCT_OK) {
        return hct_writer_fail(w, st, "%s: %s", w->path, why.text);
    }
    w->ops++;
    w->t_last_ps = op->t_ps ? op->t_ps : w->t_last_ps;
    w->last = *op;
    w->payload_end = 0;
    return put(w, HCT_ID_op, op);
}

/* Cut into chunks, so that neither side ever holds a whole message. */
enum hct_status hct_put_payload(hct_writer *w, uint64_t off_bytes, const void *bytes,
                                uint64_t len_bytes)
{
    const uint64_t whole = hct_op_bytes(&w->last);
    const uint8_t *from = bytes;

    if (w->failed) {
        return w->err.status;
    }
    if (w->ops == 0 || w->last.payload != HCT_PAYLOAD_RECORDED || off_bytes < w->payload_end ||
        off_bytes > whole || len_bytes > whole - off_bytes) {
        return hct_writer_fail(w, HCT_USAGE,
                               "%s: op %" PRIu64 ": payload %" PRIu64 "+%" PRIu64
                               ": needs payload: recorded, rising offsets, inside %" PRIu64 " B",
                               w->path, w->last.id, off_bytes, len_bytes, whole);
    }
    w->payload_end = off_bytes + len_bytes;
    enum hct_status st = HCT_OK;
    while (len_bytes && st == HCT_OK) {
        const uint64_t n = len_bytes < HCT_CHUNK_BYTES_MAX ? len_bytes : HCT_CHUNK_BYTES_MAX;
        const struct hct_payload p = {
            .op = w->last.id, .off_bytes = off_bytes, .data = from, .data_bytes = (uint32_t)n};
        st = put(w, HCT_ID_payload, &p);
        from += n;
        off_bytes += n;
        len_bytes -= n;
    }
    return st;
}

enum hct_status hct_put_unit(hct_writer *w, const char *name)
{
    struct hct_unit unit = {.id = w->units};
    const size_t bytes = strlen(name);

    if (!may(w, HCT_EVENTS, HCT_PHASE_RESOURCES, "unit")) {
        return w->err.status;
    }
    if (bytes >= sizeof unit.name || w->units == HCT_UNITS_MAX) {
        return hct_writer_fail(w, HCT_USAGE, "%s: unit %u: at most %d bytes of name and %d units",
                               w->path, w->units, HCT_TEXT_BYTES - 1, HCT_UNITS_MAX);
    }
    memcpy(unit.name, name, bytes);
    w->units++;
    return put(w, HCT_ID_unit, &unit);
}

/* Encoded by the schema as it stands in the header, not by the caller's tables. */
enum hct_status hct_put_event(hct_writer *w, const struct hct_event *ev)
{
    if (!may(w, HCT_EVENTS, HCT_PHASE_OPS, "event")) {
        return w->err.status;
    }
    const uint16_t id = (uint16_t)(HCT_TYPE_EVENT0 + ev->type);
    const struct hct_type *t = ev->type < HCT_EVENT_TYPES_MAX ? hct_schema_type(&w->own, id) : NULL;
    if (!t || ev->values + 2u != t->fields || ev->unit >= w->units || ev->t_ps < w->t_last_ps) {
        return hct_writer_fail(w, HCT_USAGE,
                               "%s: event type %u of unit %u with %u values at %" PRIu64
                               " ps: no such type, unit or count, or time runs back from %" PRIu64,
                               w->path, ev->type, ev->unit, ev->values, ev->t_ps, w->t_last_ps);
    }
    w->t_last_ps = ev->t_ps;
    hct_set(w->body, ev->t_ps, 8);
    hct_set(w->body + 8, ev->unit, 4);
    size_t at = 12;
    for (uint32_t i = 0; i < ev->values; i++) {
        const uint32_t bytes = hct_width_bytes(t->field[2 + i].width);
        if (bytes < 8 && ev->value[i] >> bytes * 8) {
            return hct_writer_fail(w, HCT_USAGE,
                                   "%s: event %s: %s = %" PRIu64 " does not fit its %u bits",
                                   w->path, t->name, t->field[2 + i].name, ev->value[i], bytes * 8);
        }
        hct_set(w->body + at, ev->value[i], bytes);
        at += bytes;
    }
    return hct_put_record(w, id, w->body, at);
}
