/* checkpoint_i.h: layout of a checkpoint file; see docs/CHECKPOINT.md. */
#pragma once
#include "sim/checkpoint/bytes.h"
#include "sim/checkpoint/checkpoint.h"

#include <stddef.h>

#define CHECKPOINT_MAGIC 0x4b434d4953414348ULL /* "HCASIMCK" */

struct checkpoint_head {
    uint64_t magic;
    uint32_t version, sections;
    uint64_t build;  /* hash of version, commit and sizes of structures */
    uint64_t config; /* hash of all parameters                          */
    uint64_t trace_bytes, scale_ppm;
    uint32_t trace_crc, timing, flags; /* flags: payload checked 1, stages 2 */
    uint32_t hosts, hcas, pad;
    uint64_t now_ps, windows, frames;
    uint32_t pad2, crc; /* of everything before it */
};

enum section_kind {
    SECTION_HOST = 1, /* index: host */
    SECTION_DRIVER,   /* index: host */
    SECTION_HCA,      /* index: host * hcas + hca */
    SECTION_NET,
    SECTION_REPLAY,
    SECTION_STAMPS,
    SECTION_REPORT
};

struct checkpoint_section { /* then stored_bytes of a zlib stream */
    uint32_t kind, index;
    uint64_t raw_bytes, stored_bytes;
    uint32_t crc, head_crc; /* of the stored bytes; of this head before it */
};

static inline uint32_t checkpoint_sections(const struct checkpoint_head *h)
{
    return h->hosts * (2 + h->hcas) + ((h->flags & 2) != 0 ? 4 : 3);
}

bool checkpoint_fail(struct hct_error *err, enum hct_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What a checkpoint of this run at this time says of itself; sections and crc are 0. */
bool checkpoint_identity(const struct checkpoint_run *x, struct checkpoint_head *h,
                         struct hct_error *err);
uint32_t checkpoint_crc(const void *bytes, size_t n);
