#include "model/meta.h"

#include "model/spec.h"

#define SIDE_hca  META_HCA
#define SIDE_host META_HOST

const struct meta_unit meta_units[] = {
#define UNIT(name, side, rtl, doc) {#name, #rtl, doc, SIDE_##side},
#include "model/spec/unit.def"
#undef UNIT
};
const unsigned meta_unit_count = UNITS;

const struct meta_wire meta_wires[] = {
#define WIRE(name, msg, side, from, to, depth) {#name, #msg, #from, #to, SIDE_##side, depth, 0},
#define BACK(name, msg, side, from, to, depth) {#name, #msg, #from, #to, SIDE_##side, depth, 1},
#include "model/spec/wire.def"
#undef WIRE
#undef BACK
};
const unsigned meta_wire_count = WIRES;

/* Side of a statistic = side of its unit. */
enum {
#define UNIT(name, side, rtl, doc) SIDE_OF_##name = SIDE_##side,
#include "model/spec/unit.def"
#undef UNIT
};

const struct meta_stat meta_stats[] = {
#define STAT(unit, name, measure, doc)         \
    {#unit,                                    \
     #name,                                    \
     measure,                                  \
     doc,                                      \
     offsetof(struct hca_stat, unit##_##name), \
     (enum meta_side)SIDE_OF_##unit},
#include "model/spec/stat.def"
#undef STAT
};
const unsigned meta_stat_count = sizeof meta_stats / sizeof meta_stats[0];

#define A64(n)                       {#n, 8},
#define A32(n)                       {#n, 4},
#define A16(n)                       {#n, 2},
#define A8(n)                        {#n, 1},
#define EVENT(name, unit, args, doc) {#name, #unit, doc, {args}},
const struct meta_event meta_events[] = {
#include "model/spec/event.def"
};
#undef EVENT
#undef A64
#undef A32
#undef A16
#undef A8
const unsigned meta_event_count = EVENTS;

uint64_t meta_value(const struct meta_event *ev, unsigned i, const uint8_t *args)
{
    uint32_t at = 0;

    for (unsigned f = 0;; f++) {
        const uint32_t n = ev->field[f].bytes;
        at = (at + n - 1) / n * n;
        if (f == i) {
            uint64_t v = 0;
            memcpy(&v, args + at, n); /* little-endian machine, asserted in hca.c */
            return v;
        }
        at += n;
    }
}

const struct meta_stage meta_stages[] = {
#define STAGE(name, unit, doc) {#name, #unit, doc},
#include "model/spec/stage.def"
#undef STAGE
};
const unsigned meta_stage_count = STAGES;

/* A row with msg set opens a message; its fields follow. Offsets follow from the C layout rules:
 * hard fields without holes (asserted in msg.h), then side fields, each naturally aligned. */
#define F64(f, bits)         {NULL, #f, 0, 8, bits},
#define F32(f, bits)         {NULL, #f, 0, 4, bits},
#define F16(f, bits)         {NULL, #f, 0, 2, bits},
#define F8(f, bits)          {NULL, #f, 0, 1, bits},
#define S64(f)               {NULL, #f, 0, 8, 0},
#define S32(f)               {NULL, #f, 0, 4, 0},
#define S16(f)               {NULL, #f, 0, 2, 0},
#define S8(f)                {NULL, #f, 0, 1, 0},
#define MSG(msg, hard, side) {#msg, NULL, 0, 0, 0}, hard side
const struct meta_msg_field meta_msg_fields[] = {
#include "model/spec/msg.def"
};
#undef MSG
#undef F64
#undef F32
#undef F16
#undef F8
#undef S64
#undef S32
#undef S16
#undef S8
const unsigned meta_msg_field_count = sizeof meta_msg_fields / sizeof meta_msg_fields[0];
