/* Files that no writer of ours makes: other versions, bombs, content that breaks the rules. */
#include "tests/hct_seen.h"

#include "traces/hct_block.h"
#include "traces/hct_schema.h"

struct file {
    uint8_t data[200000];
    size_t bytes;
    uint64_t seq;
};

static void add_block(struct file *f, uint32_t raw_bytes, uint32_t records, const void *raw,
                      size_t really)
{
    uLongf stored = sizeof f->data - f->bytes - HCT_BLOCK_HEAD;
    assert_int_equal(compress2(f->data + f->bytes + HCT_BLOCK_HEAD, &stored, raw, really, 9), Z_OK);
    const struct hct_block b = {
        .kind = HCT_BLOCK_DATA,
        .raw_bytes = raw_bytes,
        .stored_bytes = (uint32_t)stored,
        .records = records,
        .first_seq = f->seq,
        .last_seq = f->seq + records - 1,
        .crc = hct_crc(f->data + f->bytes + HCT_BLOCK_HEAD, stored),
    };
    hct_block_pack(&b, f->data + f->bytes);
    f->bytes += HCT_BLOCK_HEAD + stored;
    f->seq += records;
}

static size_t add_record(uint8_t *raw, size_t at, uint16_t type, const void *body, size_t bytes)
{
    hct_set(raw + at, type, 2);
    hct_set(raw + at + 2, bytes, 2);
    memcpy(raw + at + 4, body, bytes);
    return at + 4 + bytes;
}

static void a_zip_bomb_is_refused_within_its_declared_size(void **state)
{
    (void)state;
    static struct file f;
    const size_t big = 64u << 20;
    uint8_t *zeros = calloc(1, big);
    assert_non_null(zeros);
    f.bytes = hct_header_pack(HCT_WORKLOAD, hct_builtin, hct_builtins, f.data);
    add_block(&f, 1048576, 262144, zeros, big); /* says 1 MiB, holds 64 MiB */
    add_block(&f, 4096, 1024, zeros, 1 << 20);
    free(zeros);
    const struct seen s = read_all(f.data, f.bytes);
    assert_int_equal(s.open, HCT_OK);
    assert_int_equal(s.ops, 0);
    assert_int_equal(s.loss.blocks, 2);
}

static void unknown_records_and_longer_records_are_skipped(void **state)
{
    (void)state;
    static struct file f;
    static const struct hct_field odd_field[] = {{.name = "x", .unit = "", .width = HCT_U32}};
    struct hct_type type[32];
    struct hct_field host[3];
    uint8_t raw[1024];
    uint8_t body[HCT_RECORD_BYTES_MAX];
    const char *const unit = "K";
    const struct hct_host h = {.id = 0, .name = "newer"};
    hct_reader *r = NULL;
    struct hct_op op;

    /* A later version: hosts have one more field, and there is a record type 19. */
    memcpy(type, hct_builtin, hct_builtins * sizeof *type);
    memcpy(host, hct_builtin_type(HCT_ID_host)->field, 2 * sizeof *host);
    host[2] = (struct hct_field){.name = "temperature", .unit = unit, .width = HCT_U16};
    for (uint32_t i = 0; i < hct_builtins; i++) {
        if (type[i].id == HCT_ID_host) {
            type[i].field = host;
            type[i].fields = 3;
        }
    }
    type[hct_builtins] =
        (struct hct_type){.name = "odd", .doc = "", .id = 19, .fields = 1, .field = odd_field};
    f.bytes = hct_header_pack(HCT_WORKLOAD, type, hct_builtins + 1, f.data);
    size_t at = add_record(raw, 0, 19, "abcd", 4);
    const size_t n = hct_encode(hct_builtin_type(HCT_ID_host), &h, body);
    hct_set(body + n, 300, 2);
    at = add_record(raw, at, HCT_ID_host, body, n + 2);
    at = add_record(raw, at, 19, "efgh", 4);
    add_block(&f, (uint32_t)at, 3, raw, at);

    FILE *stream = fmemopen(f.data, f.bytes, "rb");
    assert_int_equal(hct_open_stream(stream, "memory", &r, NULL), HCT_OK);
    assert_int_equal(hct_resources(r)->hosts, 1);
    assert_string_equal(hct_resources(r)->host[0].name, "newer");
    assert_int_equal(hct_next_op(r, &op), HCT_DAMAGED); /* made without a trailer */
    assert_int_equal(hct_next_op(r, &op), HCT_END);
    hct_close(r);
}

static void a_shorter_record_of_an_older_version_reads_as_zero(void **state)
{
    (void)state;
    static struct file f;
    struct hct_type type[32];
    struct hct_error err;
    uint8_t raw[64];
    hct_reader *r = NULL;

    memcpy(type, hct_builtin, hct_builtins * sizeof *type);
    for (uint32_t i = 0; i < hct_builtins; i++) {
        type[i].fields = type[i].id == HCT_ID_host ? 1 : type[i].fields;
    }
    f.bytes = hct_header_pack(HCT_WORKLOAD, type, hct_builtins, f.data);
    const size_t header = f.bytes;
    add_block(&f, 8, 1, raw, add_record(raw, 0, HCT_ID_host, "\0\0\0\0", 4));
    FILE *stream = fmemopen(f.data, f.bytes, "rb");
    assert_int_equal(hct_open_stream(stream, "memory", &r, NULL), HCT_OK);
    assert_string_equal(hct_resources(r)->host[0].name, "");
    hct_close(r);

    f.bytes = header; /* shorter than its own schema says: malformed */
    f.seq = 0;
    add_block(&f, 6, 1, raw, add_record(raw, 0, HCT_ID_host, "\0\0", 2));
    stream = fmemopen(f.data, f.bytes, "rb");
    assert_int_equal(hct_open_stream(stream, "memory", &r, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "field id is malformed"));
}

static void a_type_that_must_be_understood_refuses_the_file(void **state)
{
    (void)state;
    static struct file f;
    struct hct_type type[32];
    struct hct_error err;
    hct_reader *r = NULL;

    memcpy(type, hct_builtin, hct_builtins * sizeof *type);
    type[hct_builtins] = (struct hct_type){.name = "vital", .doc = "", .id = HCT_TYPE_MUST | 20};
    f.bytes = hct_header_pack(HCT_WORKLOAD, type, hct_builtins + 1, f.data);
    FILE *stream = fmemopen(f.data, f.bytes, "rb");
    assert_int_equal(hct_open_stream(stream, "memory", &r, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "vital"));
}

static void a_stream_shorter_or_longer_than_declared_is_left_out(void **state)
{
    (void)state;
    static struct file f;
    uint8_t raw[64];
    const size_t n = add_record(raw, 0, 19, "abcd", 4);

    /* Right; 4 bytes declared that do not come; bytes behind the end of the stream. */
    for (int i = 0; i < 3; i++) {
        f = (struct file){0};
        f.bytes = hct_header_pack(HCT_WORKLOAD, hct_builtin, hct_builtins, f.data);
        const size_t at = f.bytes;
        memset(raw + n, 0, 4); /* an empty record, were it there */
        add_block(&f, (uint32_t)(i == 1 ? n + 4 : n), i == 1 ? 2 : 1, raw, n);
        if (i == 2) {
            struct hct_block b;
            assert_true(hct_block_unpack(f.data + at, &b));
            b.stored_bytes += 3;
            b.crc = hct_crc(f.data + at + HCT_BLOCK_HEAD, b.stored_bytes);
            hct_block_pack(&b, f.data + at);
            f.bytes += 3;
        }
        const struct seen s = read_all(f.data, f.bytes);
        assert_int_equal(s.open, HCT_OK);
        assert_int_equal(s.loss.blocks, i > 0);
    }
}

static void a_block_that_comes_twice_counts_once(void **state)
{
    (void)state;
    static struct file f;
    uint8_t raw[1024];
    uint8_t body[HCT_RECORD_BYTES_MAX];
    hct_reader *r = NULL;
    struct hct_host h = {.id = 0};

    f.bytes = hct_header_pack(HCT_WORKLOAD, hct_builtin, hct_builtins, f.data);
    for (uint32_t i = 0; i < 3; i++) {
        h.id = i < 2 ? i : 1;
        f.seq = h.id; /* the third is the second again */
        const size_t n = hct_encode(hct_builtin_type(HCT_ID_host), &h, body);
        const size_t at = add_record(raw, 0, HCT_ID_host, body, n);
        add_block(&f, (uint32_t)at, 1, raw, at);
    }
    FILE *stream = fmemopen(f.data, f.bytes, "rb");
    assert_int_equal(hct_open_stream(stream, "memory", &r, NULL), HCT_OK);
    assert_int_equal(hct_resources(r)->hosts, 2);
    assert_int_equal(hct_loss(r)->blocks, 1);
    hct_close(r);
}

/* ---- content ---- */

/* Adds the record of a struct. */
static size_t add_struct(uint8_t *raw, size_t at, uint16_t id, const void *obj)
{
    uint8_t body[HCT_RECORD_BYTES_MAX];
    const size_t n = hct_encode(hct_builtin_type(id), obj, body);
    assert_true(n > 0);
    return add_record(raw, at, id, body, n);
}

/* One host with a function, a PD, an MR, a CQ and a QP that is its own peer; then `tail`. */
static enum hct_status read_with(const uint8_t *tail, size_t tail_bytes, uint32_t tail_records,
                                 struct hct_error *err)
{
    static struct file f;
    uint8_t raw[8192];
    hct_reader *r = NULL;
    struct hct_op op;
    const struct hct_qp qp = make_qp(0, HCT_QP_RC, 0, 0);
    const struct hct_mr mr = {.id = 0, .va = 4096, .len_bytes = 4096, .access = 15};

    f = (struct file){0};
    f.bytes = hct_header_pack(HCT_WORKLOAD, hct_builtin, hct_builtins, f.data);
    size_t at = add_struct(raw, 0, HCT_ID_host, &(struct hct_host){.id = 0});
    at = add_struct(raw, at, HCT_ID_fn, &(struct hct_fn){.id = 0});
    at = add_struct(raw, at, HCT_ID_pd, &(struct hct_pd){.id = 0});
    at = add_struct(raw, at, HCT_ID_mr, &mr);
    at = add_struct(raw, at, HCT_ID_cq, &(struct hct_cq){.id = 0, .depth_entries = 9});
    at = add_struct(raw, at, HCT_ID_qp, &qp);
    memcpy(raw + at, tail, tail_bytes);
    at += tail_bytes;
    add_block(&f, (uint32_t)at, 6 + tail_records, raw, at);
    FILE *stream = fmemopen(f.data, f.bytes, "rb");
    enum hct_status st = hct_open_stream(stream, "memory", &r, err);
    if (st == HCT_OK) {
        while ((st = hct_next_op(r, &op)) == HCT_OK || st == HCT_DAMAGED) {}
        *err = *hct_reader_error(r);
        hct_close(r);
    }
    return st;
}

static struct hct_op self_write(uint64_t id)
{
    struct hct_op op = make_write(id, 8);
    op.remote_mr = 0;
    return op;
}

static void content_that_breaks_a_rule_ends_reading_with_its_record_number(void **state)
{
    (void)state;
    struct hct_error err;
    uint8_t tail[4096];
    struct hct_op op = self_write(0);
    struct hct_op next = self_write(1);

    size_t at = add_struct(tail, 0, HCT_ID_op, &op);
    at = add_struct(tail, at, HCT_ID_op, &next);
    assert_int_equal(read_with(tail, at, 2, &err), HCT_END);

    op.t_ps = 500;
    next.t_ps = 499;
    at = add_struct(tail, 0, HCT_ID_op, &op);
    at = add_struct(tail, at, HCT_ID_op, &next);
    assert_int_equal(read_with(tail, at, 2, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "memory: record 7: op 1: t_ps = 499 lies before 500"));

    next = self_write(2); /* id 1 is missing, and nothing is damaged */
    at = add_struct(tail, 0, HCT_ID_op, &op);
    at = add_struct(tail, at, HCT_ID_op, &next);
    assert_int_equal(read_with(tail, at, 2, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "op 2 where op 1 must come"));

    at = add_struct(tail, 0, HCT_ID_op, &op);
    at = add_struct(tail, at, HCT_ID_host, &(struct hct_host){.id = 1});
    assert_int_equal(read_with(tail, at, 2, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "between ops"));

    const struct hct_payload p = {.op = 0, .data = tail, .data_bytes = 4};
    at = add_struct(tail, 0, HCT_ID_op, &op);
    at = add_struct(tail, at, HCT_ID_payload, &p); /* of an op that says: absent */
    assert_int_equal(read_with(tail, at, 2, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "payload 0+4 of op 0"));

    at = add_struct(tail, 0, HCT_ID_qp, &(struct hct_qp){.id = 2});
    assert_int_equal(read_with(tail, at, 1, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "record 6: qp 2 where qp 1 must come"));

    at = add_record(tail, 0, HCT_ID_sge, "0123456789abcdef", 16);
    assert_int_equal(read_with(tail, at, 1, &err), HCT_BAD);
}

static void a_list_longer_than_its_limit_is_refused_before_it_is_stored(void **state)
{
    (void)state;
    struct hct_error err;
    uint8_t body[HCT_RECORD_BYTES_MAX];
    uint8_t tail[4096];
    struct hct_op op = self_write(0);

    op.sge_count = HCT_SGE_MAX;
    const size_t full = hct_encode(hct_builtin_type(HCT_ID_op), &op, body);
    op.sge_count = 0;
    const size_t none = hct_encode(hct_builtin_type(HCT_ID_op), &op, body);
    assert_int_equal(full - none, 16 * 16);
    /* The two lists are the last 8 bytes: u16 count, u16 stride each. */
    memset(body + none - 8, 0, 2048);
    hct_set(body + none - 8, 65, 2);
    hct_set(body + none - 6, 16, 2);
    size_t at = add_record(tail, 0, HCT_ID_op, body, none - 4 + 65 * 16 + 4);
    assert_int_equal(read_with(tail, at, 1, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "field sge is malformed"));
    hct_set(body + none - 8, 65535, 2); /* and one that runs out of the record */
    at = add_record(tail, 0, HCT_ID_op, body, none + 100);
    assert_int_equal(read_with(tail, at, 1, &err), HCT_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zip_bomb_is_refused_within_its_declared_size),
        cmocka_unit_test(unknown_records_and_longer_records_are_skipped),
        cmocka_unit_test(a_shorter_record_of_an_older_version_reads_as_zero),
        cmocka_unit_test(a_type_that_must_be_understood_refuses_the_file),
        cmocka_unit_test(a_stream_shorter_or_longer_than_declared_is_left_out),
        cmocka_unit_test(a_block_that_comes_twice_counts_once),
        cmocka_unit_test(content_that_breaks_a_rule_ends_reading_with_its_record_number),
        cmocka_unit_test(a_list_longer_than_its_limit_is_refused_before_it_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
