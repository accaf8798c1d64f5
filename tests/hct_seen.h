/* Reading of a trace made by make_trace, out of memory, with all that is told about damage. */
#pragma once

#include "tests/hct_make.h"

struct seen {
    enum hct_status open, last;
    uint64_t ops, sum, pieces, damaged;
    struct hct_loss loss;
};

/* Reads everything that memory gives; a final error ends it. Ops and payload must be true ones. */
static inline struct seen read_all(const void *data, size_t bytes)
{
    struct seen s = {0};
    hct_reader *r = NULL;
    struct hct_op op;
    uint8_t want[256];

    FILE *f = fmemopen((void *)data, bytes, "rb");
    assert_non_null(f);
    s.open = hct_open_stream(f, "memory", &r, NULL);
    if (s.open != HCT_OK) {
        return s;
    }
    while ((s.last = hct_next_op(r, &op)) == HCT_OK || s.last == HCT_DAMAGED) {
        uint64_t off = 0;
        const void *piece = NULL;
        uint32_t len = 0;
        if (s.last == HCT_DAMAGED) {
            s.damaged++;
            continue;
        }
        assert_int_equal(hct_op_bytes(&op), 200 + op.id % 50);
        assert_int_equal(op.t_ps, op.id * 1000);
        while (hct_next_payload(r, &off, &piece, &len) == HCT_OK) {
            hct_pattern(op.id, off, want, len);
            assert_memory_equal(piece, want, len);
            s.pieces++;
        }
        s.ops++;
        s.sum += op.id;
    }
    s.loss = *hct_loss(r);
    hct_close(r);
    return s;
}
