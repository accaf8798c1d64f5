/* Streaming half of the reader: ops with their payload, events. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "traces/hct_read.h"
#include "traces/hct_store.h"

/* Remembers that ops first..last never came. Runs, not single ids: their number is bounded by
 * the gaps of the file. */
static enum hct_status lose_ops(hct_reader *r, uint64_t first, uint64_t last)
{
    if (r->losts && r->lost[r->losts - 1].last + 1 == first) {
        r->lost[r->losts - 1].last = last;
        return HCT_OK;
    }
    if (r->losts == r->losts_room) {
        const uint32_t room = r->losts_room ? r->losts_room * 2 : 16;
        struct hct_lost_ops *grown = realloc(r->lost, room * sizeof *grown);
        if (!grown) {
            return hct_reader_fail(r, HCT_NOMEM, "%s: no memory for lost ops", r->name);
        }
        r->lost = grown;
        r->losts_room = room;
    }
    r->lost[r->losts++] = (struct hct_lost_ops){first, last};
    return HCT_OK;
}

static bool is_lost(const hct_reader *r, uint64_t op)
{
    uint32_t lo = 0;
    uint32_t hi = r->losts;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (r->lost[mid].last < op) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < r->losts && r->lost[lo].first <= op;
}

/* Next record that this version knows; the gap before the first op is told once. */
static enum hct_status next_known(hct_reader *r)
{
    if (r->gap_untold) {
        r->gap_untold = false;
        return r->err.status == HCT_DAMAGED
                   ? HCT_DAMAGED
                   : hct_reader_fail(r, HCT_DAMAGED, "%s: damaged: records are missing", r->name);
    }
    for (;;) {
        const enum hct_status st = hct_next_record(r);
        if (st != HCT_OK || hct_builtin_type(r->type) || r->type >= HCT_TYPE_EVENT0) {
            return st;
        }
        r->have = false;
    }
}

/* A record whose CRC was right but whose fields are not was written wrongly: no damage, an error.
 */
static enum hct_status decode(hct_reader *r, const struct hct_type *t, void *obj)
{
    const char *why = "";
    if (!hct_decode(&r->schema, t, r->body, r->body_bytes, obj, &why)) {
        return hct_reader_fail(r, HCT_BAD, "%s: record %" PRIu64 " (%s): field %s is malformed",
                               r->name, r->seq, t->name, why);
    }
    return HCT_OK;
}

/* Checks a payload record against the op it must belong to. HCT_END: it belongs to no op at hand
 * because that op was lost. */
static enum hct_status check_payload(hct_reader *r, const struct hct_payload *p)
{
    const uint64_t whole = hct_op_bytes(&r->op);
    if (!r->op_given || p->op != r->op.id) {
        return r->loss.gaps ? HCT_END
                            : hct_reader_fail(r, HCT_BAD,
                                              "%s: record %" PRIu64 ": payload of op %" PRIu64
                                              " does not follow that op",
                                              r->name, r->seq, p->op);
    }
    if (r->op.payload != HCT_PAYLOAD_RECORDED || p->off_bytes < r->payload_end ||
        p->off_bytes > whole || p->data_bytes == 0 || p->data_bytes > HCT_CHUNK_BYTES_MAX ||
        p->data_bytes > whole - p->off_bytes) {
        return hct_reader_fail(r, HCT_BAD,
                               "%s: record %" PRIu64 ": payload %" PRIu64 "+%u of op %" PRIu64
                               ": must rise, lie inside its %" PRIu64
                               " B, and the op must say payload: recorded",
                               r->name, r->seq, p->off_bytes, p->data_bytes, p->op, whole);
    }
    r->payload_end = p->off_bytes + p->data_bytes;
    return HCT_OK;
}

enum hct_status hct_next_payload(hct_reader *r, uint64_t *off_bytes, const void **bytes,
                                 uint32_t *len_bytes)
{
    struct hct_payload p;

    if (!r->op_given || r->op.payload != HCT_PAYLOAD_RECORDED) {
        return HCT_END;
    }
    enum hct_status st = next_known(r);
    if (st == HCT_DAMAGED) {
        r->gap_untold = true;
        return HCT_END;
    }
    if (st != HCT_OK || r->type != HCT_ID_payload) {
        return st == HCT_OK ? HCT_END : st;
    }
    st = decode(r, hct_builtin_type(HCT_ID_payload), &p);
    st = st == HCT_OK ? check_payload(r, &p) : st;
    if (st == HCT_OK) {
        *off_bytes = p.off_bytes;
        *bytes = p.data;
        *len_bytes = p.data_bytes;
    }
    r->have = st == HCT_END; /* left for hct_next_op to skip */
    return st;
}

/* Drops dependencies on ops that were lost. */
static void drop_lost_deps(hct_reader *r, struct hct_op *op)
{
    for (uint32_t i = 0; i < op->dep_count; i++) {
        if (op->dep[i].type != HCT_DEP_NONE && is_lost(r, op->dep[i].op)) {
            op->dep[i] = (struct hct_dep){.type = HCT_DEP_NONE};
            r->loss.orphan_deps++;
        }
    }
}

/* One op record into *op; HCT_END: an op to leave out. */
static enum hct_status take_op(hct_reader *r, struct hct_op *op)
{
    struct hct_error why; /* not zeroed: 400 bytes */
    bool absent = false;

    why.text[0] = '\0';
    enum hct_status st = decode(r, hct_builtin_type(HCT_ID_op), op);
    if (st != HCT_OK) {
        return st;
    }
    if (op->id > r->next_op && r->loss.gaps) {
        st = lose_ops(r, r->next_op, op->id - 1);
        r->next_op = op->id;
    }
    st = st == HCT_OK ? hct_check_op_absent(&r->res, op, r->next_op, &r->op_warn, &absent, &why)
                      : st;
    if (st == HCT_BAD && absent && r->res_lost) {
        r->loss.orphan_ops++;
        st = lose_ops(r, op->id, op->id);
        r->next_op = op->id + 1;
        return st == HCT_OK ? HCT_END : st;
    }
    if (st == HCT_OK && op->t_ps && op->t_ps < r->t_last_ps) {
        st = hct_fail(&why, HCT_BAD, "op %" PRIu64 ": t_ps = %" PRIu64 " lies before %" PRIu64,
                      op->id, op->t_ps, r->t_last_ps);
    }
    if (st != HCT_OK) {
        return hct_reader_fail(r, st, "%s: record %" PRIu64 ": %s", r->name, r->seq, why.text);
    }
    drop_lost_deps(r, op);
    r->next_op = op->id + 1;
    r->t_last_ps = op->t_ps ? op->t_ps : r->t_last_ps;
    return HCT_OK;
}

/* Skipped pieces are checked as well: a trace is valid or not, whoever reads it. */
static enum hct_status skip_payload(hct_reader *r)
{
    struct hct_payload p;
    enum hct_status st = decode(r, hct_builtin_type(HCT_ID_payload), &p);
    st = st == HCT_OK ? check_payload(r, &p) : st;
    return st == HCT_END ? HCT_OK : st;
}

enum hct_status hct_next_op(hct_reader *r, struct hct_op *op)
{
    if (r->head.content != HCT_WORKLOAD) {
        return hct_reader_fail(r, HCT_USAGE, "%s: an event trace has no ops", r->name);
    }
    for (;;) {
        enum hct_status st = next_known(r);
        if (st != HCT_OK) {
            return st;
        }
        if (r->type == HCT_ID_payload) {
            st = skip_payload(r);
        } else if (r->type == HCT_ID_op) {
            st = take_op(r, &r->op);
            r->op_given = st == HCT_OK;
            r->payload_end = 0;
            r->have = false;
            if (st != HCT_END) {
                *op = r->op;
                return st;
            }
            st = HCT_OK;
        } else {
            st = hct_reader_fail(r, HCT_BAD,
                                 "%s: record %" PRIu64 ": record type %u between ops: notes and "
                                 "resources come first",
                                 r->name, r->seq, r->type);
        }
        r->have = false;
        if (st != HCT_OK) {
            return st;
        }
    }
}

/* The schema of the file gives the fields; load_event_types has bounded their number. */
enum hct_status hct_next_event(hct_reader *r, struct hct_event *ev)
{
    if (r->head.content != HCT_EVENTS) {
        return hct_reader_fail(r, HCT_USAGE, "%s: a workload trace has no events", r->name);
    }
    const enum hct_status st = next_known(r);
    if (st != HCT_OK) {
        return st;
    }
    r->have = false;
    const struct hct_type *t = hct_schema_type(&r->schema, r->type);
    if (r->type < HCT_TYPE_EVENT0 || !t) {
        return hct_reader_fail(r, HCT_BAD, "%s: record %" PRIu64 ": type %u is not an event",
                               r->name, r->seq, r->type);
    }
    size_t pos = 0;
    struct hct_value v;
    uint64_t value[HCT_EVENT_FIELDS_MAX + 2] = {0};
    for (uint32_t i = 0; i < t->fields; i++) {
        if (!hct_walk(&t->field[i], r->body, r->body_bytes, &pos, &v)) {
            return hct_reader_fail(r, HCT_BAD, "%s: record %" PRIu64 " (%s): too short", r->name,
                                   r->seq, t->name);
        }
        value[i] = v.number;
    }
    if (value[0] < r->t_last_ps || value[1] >= r->units) {
        return hct_reader_fail(
            r, HCT_BAD,
            "%s: record %" PRIu64 " (%s): unit %" PRIu64 " of %u, time %" PRIu64 " after %" PRIu64,
            r->name, r->seq, t->name, value[1], r->units, value[0], r->t_last_ps);
    }
    r->t_last_ps = value[0];
    *ev = (struct hct_event){.t_ps = value[0],
                             .unit = (uint32_t)value[1],
                             .type = (uint32_t)r->type - HCT_TYPE_EVENT0,
                             .values = t->fields - 2u};
    memcpy(ev->value, value + 2, ev->values * sizeof *value);
    return HCT_OK;
}

/* Damage does not end the reading, so that the message covers the whole file. */
enum hct_status hct_validate(const char *path, struct hct_error *err)
{
    struct hct_error first = {0};
    struct hct_op op;
    struct hct_event ev;
    hct_reader *r = NULL;
    char text[256];

    enum hct_status st = hct_open(path, &r, err);
    if (st != HCT_OK) {
        return st;
    }
    const bool workload = r->head.content == HCT_WORKLOAD;
    do {
        st = workload ? hct_next_op(r, &op) : hct_next_event(r, &ev);
    } while (st == HCT_OK || st == HCT_DAMAGED);
    if (st == HCT_END && hct_loss_text(r, text, sizeof text)[0]) {
        st = hct_fail(&first, HCT_DAMAGED, "%s: %s", path, text);
    } else if (st != HCT_END) {
        first = r->err;
    }
    hct_close(r);
    if (err) {
        *err = first;
    }
    return st == HCT_END ? HCT_OK : st;
}
