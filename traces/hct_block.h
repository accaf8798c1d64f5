/* Layout of an HCT file: header, blocks, trailer (internal to traces/; described in FORMAT.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#include "traces/hct.h"

#define HCT_VERSION_MAJOR   1
#define HCT_VERSION_MINOR   0
#define HCT_BLOCK_MAGIC     0x4b4c4248u /* "HBLK" */
#define HCT_STORED_MAX      1049600u    /* > compressBound(1 MiB) of zlib */
#define HCT_FILE_HEAD_BYTES 28u
#define HCT_HEADER_MAX      1048576u
#define HCT_BLOCK_HEAD      44u
#define HCT_TRAILER         44u
#define HCT_INDEX_ENTRY     24u

extern const uint8_t hct_magic[8];

enum hct_block_kind { HCT_BLOCK_DATA = 1, HCT_BLOCK_HEADER = 2, HCT_BLOCK_INDEX = 3 };

struct hct_block {
    uint8_t kind;
    uint32_t raw_bytes, stored_bytes; /* before and after compression                           */
    uint32_t records;                 /* data: records; index: entries; header copy: 0          */
    uint64_t first_seq;               /* data: of its first record; index: number of its first
                                         block; header copy: records in the whole file          */
    uint64_t last_seq;                /* data: first_seq + records - 1; else = first_seq        */
    uint32_t crc;                     /* of the stored bytes                                    */
};

struct hct_trailer {
    uint64_t copy_off;  /* byte offset of the header copy: where the data blocks end */
    uint64_t index_off; /* byte offset of the first index block                      */
    uint64_t records;
    uint32_t blocks;
};

struct hct_index_entry {
    uint64_t off, first_seq;
    uint32_t records, stored_bytes;
};

struct hct_type;

/* File header with the schema of `n` types into `to` (HCT_HEADER_MAX bytes); returns its length, 0
 * when it does not fit. */
uint32_t hct_header_pack(enum hct_content content, const struct hct_type *type, uint32_t n,
                         uint8_t *to);

/* Checks a whole header: magic, lengths, CRC. HCT_OK or HCT_BAD; err without file name. The schema
 * begins at byte HCT_FILE_HEAD_BYTES and is *schema_bytes long. */
enum hct_status hct_header_check(const uint8_t *from, size_t bytes, struct hct_head *head,
                                 uint32_t *schema_bytes, struct hct_error *err);

uint32_t hct_crc(const void *bytes, size_t len);

void hct_block_pack(const struct hct_block *b, uint8_t to[HCT_BLOCK_HEAD]);
/* False unless magic, CRC and all bounds hold. */
bool hct_block_unpack(const uint8_t from[HCT_BLOCK_HEAD], struct hct_block *b);

void hct_trailer_pack(const struct hct_trailer *t, uint8_t to[HCT_TRAILER]);
bool hct_trailer_unpack(const uint8_t from[HCT_TRAILER], struct hct_trailer *t);

/* Exactly raw_bytes come out and all of stored is used, else false. Never writes past raw_bytes. */
bool hct_inflate(z_stream *z, const uint8_t *stored, uint32_t stored_bytes, uint8_t *raw,
                 uint32_t raw_bytes);
