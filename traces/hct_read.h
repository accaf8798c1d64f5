/* The reader (internal to traces/): hct_read.c delivers records, hct_load.c and hct_next.c give
 * them their meaning. */
#pragma once

#include "traces/hct_block.h"
#include "traces/hct_schema.h"

/* A run of op ids that were lost: dependencies on them cannot hold. */
struct hct_lost_ops {
    uint64_t first, last;
};

struct hct_reader {
    FILE *f;
    char *name;
    struct hct_head head;
    struct hct_schema schema;
    struct hct_error err;
    struct hct_loss loss;

    /* container */
    uint8_t *raw, *stored;
    size_t raw_room, stored_room; /* grown to the largest block met, at most its limit */
    z_stream z;
    bool z_ready, trailer;
    uint64_t next_off;   /* of the next block header                        */
    uint64_t data_end;   /* data blocks end here: header copy, or file end   */
    uint64_t expect_seq; /* of the first record of the next block           */
    uint64_t seen_seq;   /* highest last_seq + 1 of any whole block header  */
    uint32_t good_blocks;
    bool in_gap, tell_gap, at_end;
    uint64_t index_off;
    struct hct_index_entry *index; /* loaded when first needed */
    uint32_t index_entries;
    bool index_tried;

    /* record at hand */
    uint32_t raw_bytes, pos; /* of the block; of the byte behind this record */
    uint64_t seq;            /* number of this record                        */
    uint16_t type;
    const uint8_t *body;
    uint32_t body_bytes;
    bool have; /* not yet used up */

    /* workload */
    struct hct_resources res;
    struct hct_note *note;
    uint32_t notes;
    uint64_t next_op, t_last_ps;
    struct hct_op op; /* the last one given */
    uint64_t payload_end;
    uint32_t op_warn;
    bool gap_untold, res_lost, op_given;
    struct hct_lost_ops *lost;
    uint32_t losts, losts_room;

    /* events */
    char (*unit)[HCT_TEXT_BYTES];
    uint32_t units, units_room;
    struct hct_event_type *event;
    struct hct_event_field *event_field;
    uint32_t events;
};

/* Opens the container only: header, schema, trailer. */
enum hct_status hct_open_container(FILE *f, const char *name, hct_reader **out,
                                   struct hct_error *err);

/* Makes room in r->raw and r->stored. HCT_OK or HCT_NOMEM. */
enum hct_status hct_reader_room(hct_reader *r, size_t raw_bytes, size_t stored_bytes);

/* Makes the next record the record at hand (unless `have`: then it stays). HCT_OK, HCT_END, or
 * HCT_DAMAGED once per gap before the first record behind it. HCT_SYS, HCT_NOMEM are final. */
enum hct_status hct_next_record(hct_reader *r);

/* Before the first record: goes to the block that holds record `seq`, by the index; when that is
 * lost it does nothing, and the caller reads up to the record. For `trace show --from`. */
enum hct_status hct_seek(hct_reader *r, uint64_t seq);

enum hct_status hct_reader_fail(hct_reader *r, enum hct_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
