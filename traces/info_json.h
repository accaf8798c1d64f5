/* The numbers behind `trace info`, and their JSON form (internal to traces/). */
#pragma once

#include "traces/hct_schema.h"

enum { INFO_SIZES = 34, INFO_REC_BITS = 13, INFO_WARN_BITS = 6 };

struct kind_tally {
    uint64_t ops, bytes, bytes_min, bytes_max;
};

struct tally {
    hct_reader *r;
    const struct hct_head *head;
    const struct hct_resources *res;
    char loss[256]; /* "" for a whole file */

    uint64_t ops; /* or events */
    struct kind_tally kind[HCT_KIND_COUNT];
    uint64_t size[INFO_SIZES]; /* 0 B, up to 1, 2, 4, ... 2^31 and above */
    uint64_t signaled, expect_error, timed, t_first_ps, t_last_ps;
    uint64_t dep[HCT_DEP_COUNT], payload[HCT_PAYLOAD_COUNT];
    uint64_t possible[INFO_REC_BITS], recorded[INFO_REC_BITS];
    uint64_t warn[INFO_WARN_BITS];
    uint8_t *qp_used;
    uint32_t qps_used;
    uint64_t *event_type, *event_unit;
};

extern const char *const info_warn_text[INFO_WARN_BITS];

/* One JSON object. False: no memory. */
bool info_json(const struct tally *t, FILE *out);
