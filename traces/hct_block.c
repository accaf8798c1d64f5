/* Packing and unpacking of the fixed parts of an HCT file. Byte offsets as in FORMAT.md. */
#include <string.h>

#include "traces/hct_block.h"
#include "traces/hct_schema.h"

/* As in PNG: a high byte and both line ends show a transfer that was not binary. */
const uint8_t hct_magic[8] = {0x89, 'H', 'C', 'T', 0x0d, 0x0a, 0x1a, 0x0a};

static const char trailer_magic[8] = {'H', 'C', 'T', 'E', 'N', 'D', '\r', '\n'};

uint32_t hct_crc(const void *bytes, size_t len)
{
    return (uint32_t)crc32_z(0, bytes, len);
}

uint32_t hct_header_pack(enum hct_content content, const struct hct_type *type, uint32_t n,
                         uint8_t *to)
{
    const size_t schema = hct_schema_pack(type, n, to + HCT_FILE_HEAD_BYTES,
                                          HCT_HEADER_MAX - HCT_FILE_HEAD_BYTES - 4);
    const size_t bytes = HCT_FILE_HEAD_BYTES + schema + 4;

    memcpy(to, hct_magic, 8);
    hct_set(to + 8, HCT_VERSION_MAJOR, 2);
    hct_set(to + 10, HCT_VERSION_MINOR, 2);
    hct_set(to + 12, (uint64_t)content, 4);
    hct_set(to + 16, bytes, 4);
    hct_set(to + 20, schema, 4);
    hct_set(to + 24, 0, 4);
    hct_set(to + bytes - 4, hct_crc(to, bytes - 4), 4);
    return schema ? (uint32_t)bytes : 0;
}

/* The CRC comes before the version: of a damaged header nothing is believed. */
enum hct_status hct_header_check(const uint8_t *from, size_t bytes, struct hct_head *head,
                                 uint32_t *schema_bytes, struct hct_error *err)
{
    if (bytes < HCT_FILE_HEAD_BYTES + 4 || memcmp(from, hct_magic, 8) != 0) {
        return hct_fail(err, HCT_BAD, "not an HCT trace: the first 8 bytes are not its magic");
    }
    const uint64_t whole = hct_get(from + 16, 4);
    const uint64_t schema = hct_get(from + 20, 4);
    const uint64_t content = hct_get(from + 12, 4);
    if (whole > bytes || whole > HCT_HEADER_MAX || whole < HCT_FILE_HEAD_BYTES + 4 ||
        hct_crc(from, whole - 4) != hct_get(from + whole - 4, 4)) {
        return hct_fail(err, HCT_BAD, "the header is damaged (length or CRC)");
    }
    head->version_major = (uint16_t)hct_get(from + 8, 2);
    head->version_minor = (uint16_t)hct_get(from + 10, 2);
    if (head->version_major != HCT_VERSION_MAJOR) {
        return hct_fail(err, HCT_BAD, "version %u.%u, this program reads %d.x: use another hcasim",
                        head->version_major, head->version_minor, HCT_VERSION_MAJOR);
    }
    if ((content != HCT_WORKLOAD && content != HCT_EVENTS) ||
        schema > whole - HCT_FILE_HEAD_BYTES - 4) {
        return hct_fail(err, HCT_BAD, "the header names content %llu and a schema of %llu bytes",
                        (unsigned long long)content, (unsigned long long)schema);
    }
    head->content = content == HCT_WORKLOAD ? HCT_WORKLOAD : HCT_EVENTS;
    *schema_bytes = (uint32_t)schema;
    return HCT_OK;
}

void hct_block_pack(const struct hct_block *b, uint8_t to[HCT_BLOCK_HEAD])
{
    hct_set(to, HCT_BLOCK_MAGIC, 4);
    hct_set(to + 4, b->kind, 4);
    hct_set(to + 8, b->raw_bytes, 4);
    hct_set(to + 12, b->stored_bytes, 4);
    hct_set(to + 16, b->records, 4);
    hct_set(to + 20, b->first_seq, 8);
    hct_set(to + 28, b->last_seq, 8);
    hct_set(to + 36, b->crc, 4);
    hct_set(to + 40, hct_crc(to, 40), 4);
}

/* All bounds are checked before a length is used for reading or allocating. */
bool hct_block_unpack(const uint8_t from[HCT_BLOCK_HEAD], struct hct_block *b)
{
    if (hct_get(from, 4) != HCT_BLOCK_MAGIC || hct_get(from + 40, 4) != hct_crc(from, 40)) {
        return false;
    }
    const uint64_t kind = hct_get(from + 4, 4);
    *b = (struct hct_block){
        .kind = (uint8_t)kind,
        .raw_bytes = (uint32_t)hct_get(from + 8, 4),
        .stored_bytes = (uint32_t)hct_get(from + 12, 4),
        .records = (uint32_t)hct_get(from + 16, 4),
        .first_seq = hct_get(from + 20, 8),
        .last_seq = hct_get(from + 28, 8),
        .crc = (uint32_t)hct_get(from + 36, 4),
    };
    if (kind < HCT_BLOCK_DATA || kind > HCT_BLOCK_INDEX || b->raw_bytes == 0 ||
        b->raw_bytes > HCT_BLOCK_BYTES_MAX || b->stored_bytes > HCT_STORED_MAX) {
        return false;
    }
    if (kind != HCT_BLOCK_DATA) {
        return b->last_seq == b->first_seq;
    }
    /* A record takes at least 4 bytes. */
    return b->records >= 1 && b->records <= b->raw_bytes / 4 && b->first_seq <= INT64_MAX &&
           b->last_seq == b->first_seq + b->records - 1;
}

void hct_trailer_pack(const struct hct_trailer *t, uint8_t to[HCT_TRAILER])
{
    memcpy(to, trailer_magic, 8);
    hct_set(to + 8, t->copy_off, 8);
    hct_set(to + 16, t->index_off, 8);
    hct_set(to + 24, t->records, 8);
    hct_set(to + 32, t->blocks, 4);
    hct_set(to + 36, 0, 4);
    hct_set(to + 40, hct_crc(to, 40), 4);
}

bool hct_trailer_unpack(const uint8_t from[HCT_TRAILER], struct hct_trailer *t)
{
    if (memcmp(from, trailer_magic, 8) != 0 || hct_get(from + 40, 4) != hct_crc(from, 40)) {
        return false;
    }
    t->copy_off = hct_get(from + 8, 8);
    t->index_off = hct_get(from + 16, 8);
    t->records = hct_get(from + 24, 8);
    t->blocks = (uint32_t)hct_get(from + 32, 4);
    return t->copy_off < t->index_off && t->blocks <= HCT_BLOCKS_MAX;
}

/* The stream state is reused: setting one up costs more than inflating a small block. */
bool hct_inflate(z_stream *z, const uint8_t *stored, uint32_t stored_bytes, uint8_t *raw,
                 uint32_t raw_bytes)
{
    if (inflateReset(z) != Z_OK) {
        return false;
    }
    z->next_in = stored;
    z->avail_in = stored_bytes;
    z->next_out = raw;
    z->avail_out = raw_bytes;
    /* A bomb fills the output and has not ended: no byte above raw_bytes is ever made. */
    return inflate(z, Z_FINISH) == Z_STREAM_END && z->avail_in == 0 && z->avail_out == 0;
}
