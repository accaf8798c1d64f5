/* meta.h: the tables as data, for reports, reference pages and trace schemas. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum meta_side { META_HCA, META_HOST };

struct meta_unit {
    const char *name, *rtl, *doc;
    enum meta_side side;
};
struct meta_wire {
    const char *name, *msg, *from, *to; /* "edge": outside the model */
    enum meta_side side;
    uint32_t depth;
    int back; /* against the order of unit.def */
};
struct meta_stat {
    const char *unit, *name, *measure, *doc;
    size_t offset; /* of the u64 in struct hca_stat */
    enum meta_side side;
};
/* A row with msg set opens a message, the rows after it are its fields. */
struct meta_msg_field {
    const char *msg, *name;
    uint16_t zero;
    uint8_t bytes; /* of the C type                  */
    uint8_t bits;  /* in hardware; 0: simulator only */
};

/* The message of a name: index of its opening row; meta_msg_field_count: unknown. */
unsigned meta_msg_find(const char *name);

/* Width of the hard fields in bits. */
unsigned meta_msg_bits(unsigned msg);

enum { META_MSG_WORDS = 48 };

/* Packs the hard fields of a message (C struct at entry) as hardware does: first field at the top,
 * last field from bit 0; words[0] holds bits 31..0. Values are cut to their width. */
void meta_msg_pack(unsigned msg, const void *entry, uint32_t words[META_MSG_WORDS]);

/* The reverse: side fields and `at` become 0. */
void meta_msg_unpack(unsigned msg, const uint32_t words[META_MSG_WORDS], void *entry);

enum { META_FIELDS = 8 };
struct meta_field {
    const char *name;
    uint32_t bytes; /* 1, 2, 4 or 8; 0: end of the list */
};
struct meta_event {
    const char *name, *unit, *doc;
    struct meta_field field[META_FIELDS];
};
struct meta_stage {
    const char *name, *unit, *doc;
};

/* Sorted as in the tables; the index is enum unit_id, wire_id, event_id, stage_id. */
extern const struct meta_unit meta_units[];
extern const struct meta_wire meta_wires[];
extern const struct meta_stat meta_stats[];
extern const struct meta_event meta_events[];
extern const struct meta_stage meta_stages[];
extern const struct meta_msg_field meta_msg_fields[];
extern const unsigned meta_msg_field_count;
extern const unsigned meta_unit_count, meta_wire_count, meta_stat_count, meta_event_count,
    meta_stage_count;

/* Value of field i in the arguments of a record of event ev; fields lie in order, naturally
 * aligned. */
uint64_t meta_value(const struct meta_event *ev, unsigned i, const uint8_t *args);

struct wire_figures {
    uint64_t pushes;       /* entries accepted                                   */
    uint64_t entry_cycles; /* sum over entries of the cycles they stayed         */
    uint64_t full_cycles;  /* cycles in which the wire was full                  */
    uint32_t depth, level;
};
struct kern_figures {
    uint64_t cycles, activations, moves; /* executed cycles, ticks, ticks that moved */
};
