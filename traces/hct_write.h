/* The writer's container half: records into blocks into a temporary file (internal to traces/). */
#pragma once

#include "traces/hct_block.h"
#include "traces/hct_schema.h"

/* What has been put so far, for the rules about order. */
enum hct_phase { HCT_PHASE_NOTES, HCT_PHASE_RESOURCES, HCT_PHASE_OPS };

struct hct_writer {
    FILE *f;
    char *path, *temp; /* final and temporary name */
    enum hct_content content;
    struct hct_error err;
    bool failed;

    uint8_t *header; /* kept for its copy at the end */
    uint32_t header_bytes;
    uint8_t *raw, *stored; /* block being filled, its compressed form */
    uint32_t raw_bytes, raw_max, block_records;
    z_stream z;
    uint64_t off; /* file offset of the next block */
    uint64_t seq; /* number of the next record     */
    struct hct_index_entry *index;
    uint32_t blocks, blocks_room;
    uint8_t *body; /* record being encoded */

    enum hct_phase phase;
    struct hct_resources *res; /* held for the checks of ops; hct_store grows it */
    uint32_t notes, units;
    uint64_t ops, t_last_ps;
    struct hct_op last;   /* whose payload may follow */
    uint64_t payload_end; /* of the last piece        */
    struct hct_type *event;
    uint32_t events;
    struct hct_schema own; /* schema as written: names of the event types */
};

/* Appends a record of `bytes` body bytes. */
enum hct_status hct_put_record(hct_writer *w, uint16_t type, const void *body, size_t bytes);

/* Records the first failure; later calls return it again. */
enum hct_status hct_writer_fail(hct_writer *w, enum hct_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum hct_status hct_write_bytes(hct_writer *w, const void *bytes, size_t len);
