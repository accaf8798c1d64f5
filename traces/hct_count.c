/* How many operations a workload has. Ids are dense from 0, and the last record of a whole file is
 * an operation or a piece of its payload: both name the id, so one block is read. */
#include "traces/hct_read.h"

/* The record at hand names operation *id. */
static bool names_op(const hct_reader *r, uint64_t *id)
{
    struct hct_op op;
    struct hct_payload piece;
    const char *why = "";
    const struct hct_type *const t = hct_builtin_type(r->type);

    if (r->type == HCT_ID_op && hct_decode(&r->schema, t, r->body, r->body_bytes, &op, &why)) {
        *id = op.id;
        return true;
    }
    if (r->type == HCT_ID_payload &&
        hct_decode(&r->schema, t, r->body, r->body_bytes, &piece, &why)) {
        *id = piece.op;
        return true;
    }
    return false;
}

/* Operations of the last block + 1; without an index that would be the whole file: 0 then. */
static uint64_t count(hct_reader *r)
{
    const uint64_t records = r->head.records;
    uint64_t id, ops = 0;

    if (r->head.content != HCT_WORKLOAD || records == UINT64_MAX || records == 0 ||
        hct_seek(r, records - 1) != HCT_OK || r->index_entries == 0) {
        return 0;
    }
    while (hct_next_record(r) == HCT_OK) {
        if (names_op(r, &id) && id < records) {
            ops = id + 1;
        }
        r->have = false;
    }
    return ops;
}

uint64_t hct_count_ops(const char *path)
{
    hct_reader *r = NULL;
    FILE *const f = fopen(path, "rb");

    if (f == NULL || hct_open_container(f, path, &r, NULL) != HCT_OK) {
        return 0; /* hct_open_container has closed f */
    }
    const uint64_t ops = count(r);
    hct_close(r);
    return ops;
}
