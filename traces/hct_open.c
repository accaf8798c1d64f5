/* Opening a trace: trailer, header or its copy, schema. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "traces/hct_read.h"
#include "traces/hct_store.h"

void hct_close(hct_reader *r)
{
    if (!r) {
        return;
    }
    if (r->f) {
        (void)fclose(r->f);
    }
    if (r->z_ready) {
        (void)inflateEnd(&r->z);
    }
    for (uint32_t i = 0; i < r->notes; i++) {
        free((void *)r->note[i].value);
    }
    hct_store_free(&r->res);
    hct_schema_free(&r->schema);
    free(r->note);
    free(r->lost);
    free(r->unit);
    free(r->event);
    free(r->event_field);
    free(r->index);
    free(r->stored);
    free(r->raw);
    free(r->name);
    free(r);
}

static bool read_part(hct_reader *r, uint64_t off, void *to, size_t len)
{
    return fseeko(r->f, (off_t)off, SEEK_SET) == 0 && fread(to, 1, len, r->f) == len;
}

/* Everything that follows from the trailer stays unknown when it is not whole. */
static void read_trailer(hct_reader *r)
{
    uint8_t bytes[HCT_TRAILER];
    struct hct_trailer t;
    const uint64_t size = r->head.file_bytes;

    r->data_end = size;
    r->head.records = UINT64_MAX;
    r->head.blocks = UINT32_MAX;
    if (size < HCT_TRAILER || !read_part(r, size - HCT_TRAILER, bytes, sizeof bytes) ||
        !hct_trailer_unpack(bytes, &t) || t.index_off > size - HCT_TRAILER) {
        return;
    }
    r->trailer = true;
    r->data_end = t.copy_off;
    r->index_off = t.index_off;
    r->head.records = t.records;
    r->head.blocks = t.blocks;
}

/* Header copy at the end into r->raw: its length, 0 when there is none that is whole. */
static size_t read_copy(hct_reader *r)
{
    uint8_t head[HCT_BLOCK_HEAD];
    struct hct_block b;
    const uint64_t off = r->data_end;

    const bool ok = r->trailer && read_part(r, off, head, sizeof head) &&
                    hct_block_unpack(head, &b) && b.kind == HCT_BLOCK_HEADER &&
                    hct_reader_room(r, b.raw_bytes, b.stored_bytes) == HCT_OK &&
                    read_part(r, off + HCT_BLOCK_HEAD, r->stored, b.stored_bytes) &&
                    hct_crc(r->stored, b.stored_bytes) == b.crc &&
                    hct_inflate(&r->z, r->stored, b.stored_bytes, r->raw, b.raw_bytes);
    return ok ? b.raw_bytes : 0;
}

/* Header from the front or, when that is damaged, from its copy. */
static enum hct_status read_header(hct_reader *r, struct hct_error *err)
{
    const uint64_t size = r->head.file_bytes;
    size_t bytes = size < HCT_HEADER_MAX ? (size_t)size : HCT_HEADER_MAX;
    uint32_t schema = 0;
    struct hct_error why = {0};

    if (hct_reader_room(r, bytes, 0) != HCT_OK) {
        return hct_fail(err, HCT_NOMEM, "%s", r->err.text);
    }
    if (bytes && !read_part(r, 0, r->raw, bytes)) {
        return hct_fail(err, HCT_SYS, "%s: cannot read: %s", r->name, strerror(errno));
    }
    enum hct_status st = hct_header_check(r->raw, bytes, &r->head, &schema, &why);
    if (st != HCT_OK && r->trailer) {
        bytes = read_copy(r);
        r->loss.header_copy_used = bytes > 0;
        st = bytes ? hct_header_check(r->raw, bytes, &r->head, &schema, &why) : st;
    }
    if (st != HCT_OK) {
        return hct_fail(err, st, "%s: %s%s", r->name, why.text,
                        size == 0 ? " (the file is empty)" : "");
    }
    r->next_off = hct_get(r->raw + 16, 4);
    return hct_schema_parse(r->name, r->raw + HCT_FILE_HEAD_BYTES, schema, &r->schema, err);
}

/* A pipe has no end to begin with. */
static enum hct_status open_parts(hct_reader *r, struct hct_error *err)
{
    struct stat info;

    r->z_ready = inflateInit(&r->z) == Z_OK;
    if (!r->name || !r->z_ready) {
        return hct_fail(err, HCT_NOMEM, "no memory to read a trace");
    }
    /* A stream in memory (fmemopen) has no descriptor. */
    const int fd = fileno(r->f);
    if (fd >= 0 && fstat(fd, &info) == 0 && !S_ISREG(info.st_mode)) {
        return hct_fail(err, HCT_BAD,
                        "%s: not a regular file: a trace is read from its end as well; copy it to "
                        "a file first",
                        r->name);
    }
    if (fseeko(r->f, 0, SEEK_END) != 0) {
        return hct_fail(err, HCT_SYS, "%s: cannot find its end: %s", r->name, strerror(errno));
    }
    const off_t size = ftello(r->f);
    r->head.file_bytes = size > 0 ? (uint64_t)size : 0;
    read_trailer(r);
    return read_header(r, err);
}

enum hct_status hct_open_container(FILE *f, const char *name, hct_reader **out,
                                   struct hct_error *err)
{
    *out = NULL;
    hct_reader *r = calloc(1, sizeof *r);
    if (!r) {
        (void)fclose(f);
        return hct_fail(err, HCT_NOMEM, "%s: no memory to read a trace", name);
    }
    r->f = f;
    r->name = strdup(name);
    const enum hct_status st = open_parts(r, err);
    if (st != HCT_OK) {
        hct_close(r);
        return st;
    }
    *out = r;
    return HCT_OK;
}

const struct hct_head *hct_head(const hct_reader *r)
{
    return &r->head;
}

const struct hct_resources *hct_resources(const hct_reader *r)
{
    return &r->res;
}

const struct hct_loss *hct_loss(const hct_reader *r)
{
    return &r->loss;
}

const struct hct_error *hct_reader_error(const hct_reader *r)
{
    return &r->err;
}

uint32_t hct_op_warn(const hct_reader *r)
{
    return r->op_warn;
}

const char *hct_note(const hct_reader *r, const char *key)
{
    for (uint32_t i = 0; i < r->notes; i++) {
        if (strcmp(r->note[i].key, key) == 0) {
            return (const char *)r->note[i].value;
        }
    }
    return NULL;
}

/* SAY stops at the end of the buffer; snprintf ends the text. */
const char *hct_loss_text(const hct_reader *r, char *buf, size_t size)
{
    const struct hct_loss *l = &r->loss;
    size_t at = 0;

    buf[0] = 0;
#define SAY(...) at = at < size ? at + (size_t)snprintf(buf + at, size - at, __VA_ARGS__) : at
    if (l->gaps) {
        SAY("lost: %llu block%s, %llu record%s%s, %llu bytes of the file, from byte %llu on in "
            "%llu "
            "place%s",
            (unsigned long long)l->blocks, l->blocks == 1 ? "" : "s",
            (unsigned long long)l->records, l->records == 1 ? "" : "s",
            l->truncated ? " or more (the end of the file is missing)" : "",
            (unsigned long long)l->bytes, (unsigned long long)l->first_bad_offset,
            (unsigned long long)l->gaps, l->gaps == 1 ? "" : "s");
    }
    if (l->orphan_ops || l->orphan_deps) {
        SAY("; %llu ops left out and %llu dependencies dropped that named lost records",
            (unsigned long long)l->orphan_ops, (unsigned long long)l->orphan_deps);
    }
    if (l->header_copy_used) {
        SAY("%sheader damaged, its copy was used", at ? "; " : "");
    }
    if (l->trailer_lost) {
        SAY("%strailer or index damaged, nothing lost by that", at ? "; " : "");
    }
#undef SAY
    return buf;
}
