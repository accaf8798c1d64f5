/* Container half of the reader: header, blocks, resynchronisation behind damage, records. */
#include "traces/hct_read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum hct_status hct_reader_fail(hct_reader *r, enum hct_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    r->err.status = status;
    r->err.sys_errno = status == HCT_SYS ? errno : 0;
    (void)vsnprintf(r->err.text, sizeof r->err.text, format, args);
    va_end(args);
    return status;
}

static bool grow(uint8_t **buf, size_t *room, size_t want)
{
    if (want > *room) {
        uint8_t *grown = realloc(*buf, want);
        if (!grown) {
            return false;
        }
        *buf = grown;
        *room = want;
    }
    return true;
}

enum hct_status hct_reader_room(hct_reader *r, size_t raw_bytes, size_t stored_bytes)
{
    return grow(&r->raw, &r->raw_room, raw_bytes) && grow(&r->stored, &r->stored_room, stored_bytes)
               ? HCT_OK
               : hct_reader_fail(r, HCT_NOMEM, "%s: no memory for a block", r->name);
}

/* Reads exactly `len` bytes at `off`; HCT_DAMAGED when the file is shorter. The size of the file
 * is known, so being short is damage and a failed read is the machine. */
static enum hct_status read_at(hct_reader *r, uint64_t off, void *to, size_t len)
{
    if (off > r->head.file_bytes || len > r->head.file_bytes - off) {
        return HCT_DAMAGED;
    }
    if (fseeko(r->f, (off_t)off, SEEK_SET) != 0 || fread(to, 1, len, r->f) != len) {
        return hct_reader_fail(r, HCT_SYS, "%s: cannot read %zu bytes at byte %llu: %s", r->name,
                               len, (unsigned long long)off, strerror(errno));
    }
    return HCT_OK;
}

/* Reads and unpacks a whole block; *b is filled as far as its header is whole (else kind 0). */
static enum hct_status read_block(hct_reader *r, uint64_t off, struct hct_block *b)
{
    uint8_t head[HCT_BLOCK_HEAD];

    b->kind = 0;
    enum hct_status st = read_at(r, off, head, sizeof head);
    if (st != HCT_OK) {
        return st;
    }
    if (!hct_block_unpack(head, b)) {
        b->kind = 0;
        return HCT_DAMAGED;
    }
    if (b->stored_bytes > r->head.file_bytes) {
        return HCT_DAMAGED; /* before room is made for it */
    }
    st = hct_reader_room(r, b->raw_bytes, b->stored_bytes);
    st = st == HCT_OK ? read_at(r, off + HCT_BLOCK_HEAD, r->stored, b->stored_bytes) : st;
    if (st != HCT_OK) {
        return st;
    }
    if (hct_crc(r->stored, b->stored_bytes) != b->crc ||
        !hct_inflate(&r->z, r->stored, b->stored_bytes, r->raw, b->raw_bytes)) {
        return HCT_DAMAGED;
    }
    return HCT_OK;
}

/* ---- index: only needed behind damage and for seeking ---- */

/* The index may itself be damaged or forged; then reading goes on without one. */
static enum hct_status load_index(hct_reader *r)
{
    uint64_t off = r->index_off;
    struct hct_block b;

    r->index_tried = true;
    if (!r->trailer || r->head.blocks == 0) {
        return HCT_DAMAGED;
    }
    while (r->index_entries < r->head.blocks) {
        const enum hct_status st = read_block(r, off, &b);
        const uint32_t room = r->head.blocks - r->index_entries;
        if (st != HCT_OK || b.kind != HCT_BLOCK_INDEX || b.records == 0 || b.records > room ||
            b.first_seq != r->index_entries ||
            b.raw_bytes != (uint64_t)b.records * HCT_INDEX_ENTRY) {
            r->index_entries = 0;
            return st == HCT_OK ? HCT_DAMAGED : st;
        }
        struct hct_index_entry *grown =
            realloc(r->index, (r->index_entries + b.records) * sizeof *grown);
        if (!grown) {
            return hct_reader_fail(r, HCT_NOMEM, "%s: no memory for the index", r->name);
        }
        r->index = grown;
        for (uint32_t i = 0; i < b.records; i++) {
            const uint8_t *from = r->raw + (size_t)i * HCT_INDEX_ENTRY;
            r->index[r->index_entries++] = (struct hct_index_entry){
                hct_get(from, 8), hct_get(from + 8, 8), (uint32_t)hct_get(from + 16, 4),
                (uint32_t)hct_get(from + 20, 4)};
        }
        off += HCT_BLOCK_HEAD + b.stored_bytes;
    }
    for (uint32_t i = 1; i < r->index_entries; i++) {
        const struct hct_index_entry *e = &r->index[i];
        if (e->off < e[-1].off + HCT_BLOCK_HEAD || e->first_seq <= e[-1].first_seq) {
            r->index_entries = 0; /* blocks would overlap: not a true index */
        }
    }
    return r->index_entries ? HCT_OK : HCT_DAMAGED;
}

/* First indexed block at or behind `off`; data_end when there is none. */
static uint64_t indexed_behind(const hct_reader *r, uint64_t off)
{
    uint32_t lo = 0;
    uint32_t hi = r->index_entries;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (r->index[mid].off < off) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    const bool found = lo < r->index_entries && r->index[lo].off < r->data_end;
    return found ? r->index[lo].off : r->data_end;
}

/* Offset of the next whole block header at or behind `off`, by reading on; data_end if none. */
static enum hct_status scan_behind(hct_reader *r, uint64_t off, uint64_t *found)
{
    struct hct_block b;
    uint8_t buf[4096]; /* small: hostile files make us come back often */
    const size_t size = sizeof buf;

    while (off + HCT_BLOCK_HEAD <= r->data_end) {
        const uint64_t left = r->data_end - off;
        const size_t n = left < size ? (size_t)left : size;
        const enum hct_status st = read_at(r, off, buf, n);
        if (st != HCT_OK) {
            return st;
        }
        for (size_t i = 0; i + HCT_BLOCK_HEAD <= n; i++) {
            if (buf[i] == 'H' && hct_block_unpack(buf + i, &b)) {
                *found = off + i;
                return HCT_OK;
            }
        }
        off += n - HCT_BLOCK_HEAD + 1;
    }
    *found = r->data_end;
    return HCT_OK;
}

static enum hct_status find_behind(hct_reader *r, uint64_t off, uint64_t *found)
{
    if (!r->index_tried) {
        const enum hct_status st = load_index(r);
        if (st == HCT_SYS || st == HCT_NOMEM) {
            return st;
        }
    }
    if (r->index_entries) {
        *found = indexed_behind(r, off);
        return HCT_OK;
    }
    return scan_behind(r, off, found);
}

/* ---- blocks ---- */

/* Is the raw block exactly `records` records? Later steps rely on it and do not look again. */
static bool records_whole(const uint8_t *raw, uint32_t bytes, uint32_t records)
{
    uint32_t at = 0;
    uint32_t n = 0;
    while (bytes - at >= 4) {
        const uint32_t body = (uint32_t)hct_get(raw + at + 2, 2);
        if (body > bytes - at - 4) {
            return false;
        }
        at += 4 + body;
        n++;
    }
    return at == bytes && n == records;
}

/* Damaged blocks in a row are one gap. */
static void note_gap(hct_reader *r, uint64_t at)
{
    if (!r->in_gap) {
        r->in_gap = true;
        r->loss.first_bad_offset = r->loss.gaps ? r->loss.first_bad_offset : at;
        r->loss.gaps++;
    }
}

/* The data blocks are over: what is missing at the end? */
static void finish(hct_reader *r)
{
    const bool known = r->head.records != UINT64_MAX;
    const uint64_t records = known ? r->head.records : r->seen_seq;
    if (records > r->expect_seq) {
        note_gap(r, r->next_off);
        r->loss.records += records - r->expect_seq;
    }
    if (r->trailer && r->loss.gaps) {
        r->loss.blocks = r->head.blocks > r->good_blocks ? r->head.blocks - r->good_blocks : 0;
    }
    r->loss.truncated = !known;
    if (r->loss.truncated && r->loss.gaps == 0) {
        note_gap(r, r->next_off);
    }
    r->at_end = true;
    r->tell_gap = r->in_gap;
}

/* A block that fits its place in the sequence becomes the block at hand. */
static bool accept(hct_reader *r, const struct hct_block *b, uint64_t off)
{
    if (b->first_seq < r->expect_seq || !records_whole(r->raw, b->raw_bytes, b->records)) {
        return false;
    }
    if (b->first_seq > r->expect_seq) {
        note_gap(r, off);
        r->loss.records += b->first_seq - r->expect_seq;
    }
    r->raw_bytes = b->raw_bytes;
    r->pos = 0;
    r->seq = b->first_seq - 1;
    r->expect_seq = b->last_seq + 1;
    r->good_blocks++;
    r->next_off = off + HCT_BLOCK_HEAD + b->stored_bytes;
    r->tell_gap = r->in_gap;
    r->in_gap = false;
    return true;
}

/* Steps behind the damaged block at next_off. */
static enum hct_status skip_damage(hct_reader *r, const struct hct_block *b)
{
    const uint64_t at = r->next_off;
    uint64_t next = at + HCT_BLOCK_HEAD + b->stored_bytes;

    note_gap(r, at);
    r->loss.blocks++;
    if (b->kind == HCT_BLOCK_DATA && b->last_seq >= r->seen_seq) {
        r->seen_seq = b->last_seq + 1;
    }
    if (b->kind != HCT_BLOCK_DATA || next > r->data_end) {
        const enum hct_status st = find_behind(r, at + 1, &next);
        if (st != HCT_OK) {
            return st;
        }
    }
    r->loss.bytes += next - at;
    r->next_off = next;
    return HCT_OK;
}

/* Every turn moves next_off on, so hostile files end, too. */
static enum hct_status next_block(hct_reader *r)
{
    struct hct_block b;

    while (r->next_off < r->data_end) {
        enum hct_status st = read_block(r, r->next_off, &b);
        if (st != HCT_OK && st != HCT_DAMAGED) {
            return st;
        }
        if (b.kind == HCT_BLOCK_HEADER || b.kind == HCT_BLOCK_INDEX) {
            /* The end part without its trailer: the header copy says how many records there are. */
            r->head.records = b.kind == HCT_BLOCK_HEADER ? b.first_seq : r->head.records;
            r->data_end = r->next_off;
            r->loss.trailer_lost = true;
            break;
        }
        if (st == HCT_OK && accept(r, &b, r->next_off)) {
            return HCT_OK;
        }
        st = skip_damage(r, &b);
        if (st != HCT_OK) {
            return st;
        }
    }
    finish(r);
    return HCT_OK;
}

enum hct_status hct_next_record(hct_reader *r)
{
    while (!r->have) {
        if (r->tell_gap) {
            r->tell_gap = false;
            return hct_reader_fail(r, HCT_DAMAGED, "%s: damaged at byte %llu: records are missing",
                                   r->name, (unsigned long long)r->loss.first_bad_offset);
        }
        if (r->pos < r->raw_bytes) {
            r->type = (uint16_t)hct_get(r->raw + r->pos, 2);
            r->body_bytes = (uint32_t)hct_get(r->raw + r->pos + 2, 2);
            r->body = r->raw + r->pos + 4;
            r->pos += 4 + r->body_bytes;
            r->seq++;
            r->have = true;
        } else if (r->at_end) {
            return HCT_END;
        } else {
            r->raw_bytes = r->pos = 0;
            const enum hct_status st = next_block(r);
            if (st != HCT_OK) {
                return st;
            }
        }
    }
    return HCT_OK;
}

enum hct_status hct_seek(hct_reader *r, uint64_t seq)
{
    if (!r->index_tried) {
        const enum hct_status st = load_index(r);
        if (st == HCT_SYS || st == HCT_NOMEM) {
            return st;
        }
    }
    const struct hct_index_entry *best = NULL;
    for (uint32_t i = 0; i < r->index_entries && r->index[i].first_seq <= seq; i++) {
        best = &r->index[i];
    }
    if (best && best->off >= r->next_off && best->off < r->data_end &&
        best->first_seq > r->expect_seq) {
        r->next_off = best->off;
        r->expect_seq = best->first_seq;
        r->good_blocks += (uint32_t)(best - r->index);
        r->raw_bytes = r->pos = 0;
        r->have = false;
    }
    return HCT_OK;
}
