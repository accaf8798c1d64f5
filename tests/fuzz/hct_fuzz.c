/* Fuzzes the trace reader. The first byte chooses how the rest is used:
 *   0 mod 4  as a whole file: header, blocks, damage
 *   1 mod 4  as the records of a workload, framed correctly: the content behind the CRCs
 *   2 mod 4  as the records of an event trace
 *   3 mod 4  as the schema of the header, then (after 0xff) as records
 * Whatever comes in, reading ends, stays in memory bounds, and damage is told once per gap. */
#include <stdlib.h>
#include <string.h>

#include "traces/hct_block.h"
#include "traces/hct_schema.h"
#include "traces/info.h"
#include "traces/show.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert, but also in release builds. */
#define MUST(condition) \
    if (!(condition)) { \
        abort();        \
    }

enum { FILE_BYTES = 400000 };

static uint8_t file[FILE_BYTES];
static size_t file_bytes;

/* Length of at most `max` whole records at the start; their number goes to *records. */
static size_t whole_records(const uint8_t *data, size_t size, uint32_t max, uint32_t *records)
{
    size_t at = 0;
    *records = 0;
    while (*records < max && size - at >= 4 && hct_get(data + at + 2, 2) <= size - at - 4) {
        at += 4 + hct_get(data + at + 2, 2);
        ++*records;
    }
    return at;
}

static void add_block(const uint8_t *data, size_t bytes, uint32_t records, uint64_t seq)
{
    static z_stream z; /* kept: setting one up costs more than all the rest */
    static bool ready;

    ready = ready || deflateInit2(&z, 0, Z_DEFLATED, 9, 1, Z_DEFAULT_STRATEGY) == Z_OK;
    if (records == 0 || !ready || deflateReset(&z) != Z_OK) {
        return;
    }
    z.next_in = data;
    z.avail_in = (uInt)bytes;
    z.next_out = file + file_bytes + HCT_BLOCK_HEAD;
    z.avail_out = (uInt)(FILE_BYTES - file_bytes - HCT_BLOCK_HEAD);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        return;
    }
    const uint32_t stored = (uint32_t)z.total_out;
    const struct hct_block b = {.kind = HCT_BLOCK_DATA,
                                .raw_bytes = (uint32_t)bytes,
                                .stored_bytes = stored,
                                .records = records,
                                .first_seq = seq,
                                .last_seq = seq + records - 1,
                                .crc = hct_crc(file + file_bytes + HCT_BLOCK_HEAD, stored)};
    hct_block_pack(&b, file + file_bytes);
    file_bytes += HCT_BLOCK_HEAD + stored;
}

/* Cuts the records in two blocks, so that reading crosses a border. */
static void add_records(const uint8_t *data, size_t size)
{
    uint32_t all = 0;
    uint32_t first = 0;
    const size_t bytes = whole_records(data, size, UINT32_MAX, &all);
    const size_t half = whole_records(data, size, all / 2, &first);
    add_block(data, half, first, 0);
    add_block(data + half, bytes - half, all - first, first);
}

/* Header of this version without the texts that only people read: parsing it is most of the time.
 */
static void own_header(enum hct_content content)
{
    static const struct hct_field e_field[] = {{.name = "t_ps", .unit = "ps", .width = HCT_U64},
                                               {.name = "unit", .unit = "unit", .width = HCT_U32},
                                               {.name = "n", .unit = "", .width = HCT_I64}};
    static uint8_t made[HCT_EVENTS + 1][HCT_HEADER_MAX];
    static size_t made_bytes[HCT_EVENTS + 1];
    struct hct_type type[32];
    struct hct_field field[32][64];

    if (!made_bytes[content]) {
        for (uint32_t i = 0; i < hct_builtins; i++) {
            type[i] = hct_builtin[i];
            type[i].doc = "";
            type[i].field = field[i];
            for (uint32_t k = 0; k < type[i].fields; k++) {
                field[i][k] = hct_builtin[i].field[k];
                field[i][k].unit = "";
            }
        }
        type[hct_builtins] = (struct hct_type){
            .name = "e", .doc = "", .id = HCT_TYPE_EVENT0, .fields = 3, .field = e_field};
        made_bytes[content] =
            hct_header_pack(content, type, hct_builtins + (content == HCT_EVENTS), made[content]);
    }
    file_bytes = made_bytes[content];
    memcpy(file, made[content], file_bytes);
}

/* A header around a schema of the input. */
static size_t schema_header(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0xff, size);
    const size_t schema = end ? (size_t)(end - data) : size;
    own_header(HCT_EVENTS);
    file_bytes = HCT_FILE_HEAD_BYTES + schema + 4;
    memcpy(file + HCT_FILE_HEAD_BYTES, data, schema);
    hct_set(file + 16, file_bytes, 4);
    hct_set(file + 20, schema, 4);
    hct_set(file + file_bytes - 4, hct_crc(file, file_bytes - 4), 4);
    return end ? schema + 1 : schema;
}

static void read_everything(void)
{
    struct hct_error err;
    hct_reader *r = NULL;
    struct hct_op op;
    struct hct_event ev;
    uint64_t told = 0;
    enum hct_status st = HCT_OK;

    FILE *f = fmemopen(file, file_bytes, "rb");
    if (!f || hct_open_stream(f, "input", &r, &err) != HCT_OK) {
        return;
    }
    const bool workload = hct_head(r)->content == HCT_WORKLOAD;
    do {
        st = workload ? hct_next_op(r, &op) : hct_next_event(r, &ev);
        told += st == HCT_DAMAGED;
        if (st == HCT_OK && workload) {
            uint64_t off = 0;
            uint64_t end = 0;
            const void *piece = NULL;
            uint32_t len = 0;
            MUST(hct_op_bytes(&op) <= HCT_MSG_BYTES_MAX);
            MUST(hct_op_fn(hct_resources(r), &op) < hct_resources(r)->fns);
            while (op.id % 2 && hct_next_payload(r, &off, &piece, &len) == HCT_OK) {
                MUST(off >= end && len <= HCT_CHUNK_BYTES_MAX);
                end = off + len;
                MUST(end <= hct_op_bytes(&op));
            }
        }
    } while (st == HCT_OK || st == HCT_DAMAGED);
    MUST(told <= hct_loss(r)->gaps);
    hct_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *sink;
    struct hct_error err;

    sink = sink ? sink : fopen("/dev/null", "w");
    if (size < 2 || size > 100000 || !sink) {
        return 0;
    }
    const uint8_t mode = data[0] % 4;
    data++;
    size--;
    if (mode == 0) {
        memcpy(file, data, size);
        file_bytes = size;
    } else if (mode == 3) {
        const size_t used = schema_header(data, size);
        add_records(data + used, size - used);
    } else {
        own_header(mode == 1 ? HCT_WORKLOAD : HCT_EVENTS);
        add_records(data, size);
    }
    read_everything();
    /* Printing is slower than reading: on every other size. */
    FILE *f = size % 2 ? NULL : fmemopen(file, file_bytes, "rb");
    if (f && size % 4) {
        (void)hct_show_stream(f, "input", size & 4, size % 7, 0, sink, &err);
    } else if (f) {
        (void)hct_info_stream(f, "input", size & 4, sink, &err);
    }
    return 0;
}
