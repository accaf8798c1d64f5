/* Container half of the writer: records into blocks, blocks into a temporary file, rename. */
#include "traces/hct_write.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traces/hct_store.h"

enum hct_status hct_writer_fail(hct_writer *w, enum hct_status status, const char *format, ...)
{
    if (!w->failed) {
        va_list args;
        va_start(args, format);
        w->failed = true;
        w->err.status = status;
        w->err.sys_errno = status == HCT_SYS ? errno : 0;
        (void)vsnprintf(w->err.text, sizeof w->err.text, format, args);
        va_end(args);
    }
    return w->err.status;
}

const struct hct_error *hct_writer_error(const hct_writer *w)
{
    return &w->err;
}

enum hct_status hct_write_bytes(hct_writer *w, const void *bytes, size_t len)
{
    if (fwrite(bytes, 1, len, w->f) != len) {
        return hct_writer_fail(w, HCT_SYS, "%s: cannot write at byte %llu: %s", w->temp,
                               (unsigned long long)w->off, strerror(errno));
    }
    w->off += len;
    return HCT_OK;
}

/* Compresses `raw` and writes it as one block; fills the sizes and the CRC of `b`. */
static enum hct_status write_block(hct_writer *w, struct hct_block *b, const uint8_t *raw)
{
    uint8_t head[HCT_BLOCK_HEAD];

    (void)deflateReset(&w->z);
    w->z.next_in = raw;
    w->z.avail_in = b->raw_bytes;
    w->z.next_out = w->stored;
    w->z.avail_out = HCT_STORED_MAX;
    if (deflate(&w->z, Z_FINISH) != Z_STREAM_END) {
        return hct_writer_fail(w, HCT_NOMEM, "%s: zlib failed on a block", w->path);
    }
    b->stored_bytes = HCT_STORED_MAX - w->z.avail_out;
    b->crc = hct_crc(w->stored, b->stored_bytes);
    hct_block_pack(b, head);
    const enum hct_status st = hct_write_bytes(w, head, sizeof head);
    return st == HCT_OK ? hct_write_bytes(w, w->stored, b->stored_bytes) : st;
}

/* The entry of the index is made before the block is written: its offset is where the file ends
 * now. */
static enum hct_status flush_block(hct_writer *w)
{
    if (w->block_records == 0) {
        return HCT_OK;
    }
    if (w->blocks == w->blocks_room) {
        const uint32_t room = w->blocks_room ? w->blocks_room * 2 : 64;
        struct hct_index_entry *index = NULL;
        if (w->blocks == HCT_BLOCKS_MAX || !(index = realloc(w->index, room * sizeof *index))) {
            return hct_writer_fail(w, HCT_NOMEM, "%s: no room for the index of %u blocks", w->path,
                                   w->blocks + 1);
        }
        w->index = index;
        w->blocks_room = room;
    }
    struct hct_block b = {.kind = HCT_BLOCK_DATA,
                          .raw_bytes = w->raw_bytes,
                          .records = w->block_records,
                          .first_seq = w->seq - w->block_records,
                          .last_seq = w->seq - 1};
    struct hct_index_entry *e = &w->index[w->blocks++];
    *e = (struct hct_index_entry){w->off, b.first_seq, b.records, 0};
    const enum hct_status st = write_block(w, &b, w->raw);
    e->stored_bytes = b.stored_bytes;
    w->raw_bytes = 0;
    w->block_records = 0;
    return st;
}

/* No record crosses a block: each block can be read without its neighbours. A record longer than a
 * small block size makes a block of its own. */
enum hct_status hct_put_record(hct_writer *w, uint16_t type, const void *body, size_t bytes)
{
    if (w->failed) {
        return w->err.status;
    }
    if (w->raw_bytes + 4 + bytes > w->raw_max) {
        const enum hct_status st = flush_block(w);
        if (st != HCT_OK) {
            return st;
        }
    }
    uint8_t *to = w->raw + w->raw_bytes;
    hct_set(to, type, 2);
    hct_set(to + 2, bytes, 2);
    if (bytes) {
        memcpy(to + 4, body, bytes);
    }
    w->raw_bytes += (uint32_t)(4 + bytes);
    w->block_records++;
    w->seq++;
    return HCT_OK;
}

/* The index in blocks of 1 MiB, entry by entry. */
static enum hct_status write_index(hct_writer *w)
{
    const uint32_t per_block = HCT_BLOCK_BYTES_MAX / HCT_INDEX_ENTRY;
    enum hct_status st = HCT_OK;

    for (uint32_t i = 0; i < w->blocks && st == HCT_OK; i += per_block) {
        const uint32_t n = w->blocks - i < per_block ? w->blocks - i : per_block;
        for (uint32_t k = 0; k < n; k++) {
            const struct hct_index_entry *e = &w->index[i + k];
            uint8_t *to = w->raw + (size_t)k * HCT_INDEX_ENTRY;
            hct_set(to, e->off, 8);
            hct_set(to + 8, e->first_seq, 8);
            hct_set(to + 16, e->records, 4);
            hct_set(to + 20, e->stored_bytes, 4);
        }
        struct hct_block b = {.kind = HCT_BLOCK_INDEX,
                              .raw_bytes = n * HCT_INDEX_ENTRY,
                              .records = n,
                              .first_seq = i,
                              .last_seq = i};
        st = write_block(w, &b, w->raw);
    }
    return st;
}

/* Header copy, index, trailer: what a reader needs when the front is damaged, or to seek. */
static enum hct_status write_end(hct_writer *w)
{
    struct hct_trailer t = {.records = w->seq};
    uint8_t trailer[HCT_TRAILER];

    enum hct_status st = flush_block(w);
    t.copy_off = w->off;
    t.blocks = w->blocks;
    if (st == HCT_OK) {
        struct hct_block b = {.kind = HCT_BLOCK_HEADER,
                              .raw_bytes = w->header_bytes,
                              .first_seq = w->seq,
                              .last_seq = w->seq};
        st = write_block(w, &b, w->header);
    }
    t.index_off = w->off;
    st = st == HCT_OK ? write_index(w) : st;
    hct_trailer_pack(&t, trailer);
    return st == HCT_OK ? hct_write_bytes(w, trailer, sizeof trailer) : st;
}

static void free_writer(hct_writer *w)
{
    (void)deflateEnd(&w->z);
    hct_schema_free(&w->own);
    if (w->res) {
        hct_store_free(w->res);
    }
    free(w->res);
    free(w->event);
    free(w->index);
    free(w->body);
    free(w->stored);
    free(w->raw);
    free(w->header);
    free(w->temp);
    free(w->path);
    free(w);
}

void hct_abort(hct_writer *w)
{
    if (!w) {
        return;
    }
    if (w->f) {
        (void)fclose(w->f);
        (void)unlink(w->temp);
    }
    free_writer(w);
}

/* fclose before rename: a full disk may show only when the last bytes leave the buffer. */
enum hct_status hct_finish(hct_writer *w, struct hct_error *err)
{
    enum hct_status st = w->failed ? w->err.status : HCT_OK;
    if (st == HCT_OK && w->content == HCT_WORKLOAD && w->phase != HCT_PHASE_OPS) {
        struct hct_error why = {0};
        st = hct_check_resources(w->res, false, &why);
        if (st != HCT_OK) {
            st = hct_writer_fail(w, st, "%s: %s", w->path, why.text);
        }
    }
    st = st == HCT_OK ? write_end(w) : st;
    if (st == HCT_OK) {
        FILE *f = w->f;
        w->f = NULL;
        if (fclose(f) != 0) {
            st = hct_writer_fail(w, HCT_SYS, "%s: cannot write the end: %s", w->temp,
                                 strerror(errno));
        } else if (rename(w->temp, w->path) != 0) {
            st = hct_writer_fail(w, HCT_SYS, "cannot rename %s to %s: %s", w->temp, w->path,
                                 strerror(errno));
        }
        if (st != HCT_OK) {
            (void)unlink(w->temp);
        }
    }
    if (err) {
        *err = w->err;
    }
    hct_abort(w);
    return st;
}
