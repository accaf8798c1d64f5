/* Properties of the HCT container: round trip, refusals, events. */
#include "tests/hct_make.h"

#include <errno.h>

#include "traces/hct_block.h"
#include "traces/hct_schema.h"
#include "traces/hct_write.h"

static void a_written_trace_reads_back_field_by_field(void **state)
{
    (void)state;
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    hct_writer *w = NULL;
    hct_reader *r = NULL;
    struct hct_op got;
    struct hct_op op = hct_op_none();

    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    assert_int_equal(hct_put_note(w, "seed", "17"), HCT_OK);
    make_resources(w);
    op.t_ps = 123456789012345ull;
    op.kind = HCT_CAS;
    op.expect = HCT_WC_REM_ACCESS_ERR;
    op.flags = HCT_SIGNALED | HCT_FENCE | HCT_MORE;
    op.qp = 1;
    op.remote_mr = 0;
    op.remote_off_bytes = 0xfedcba9876543210ull;
    op.compare = 0x0123456789abcdefull;
    op.swap_add = UINT64_MAX;
    op.payload = HCT_PAYLOAD_PATTERN;
    op.payload_seed = 42;
    op.recorded = HCT_REC_TIME | HCT_REC_ATOMIC;
    op.sge_count = 2;
    op.sge[0] = (struct hct_sge){1, 5, 77};
    op.sge[1] = (struct hct_sge){2, 3, 65535};
    assert_int_equal(hct_put_op(w, &op), HCT_OK);
    assert_int_equal(hct_finish(w, NULL), HCT_OK);

    assert_int_equal(hct_open(temp_path(0), &r, NULL), HCT_OK);
    assert_string_equal(hct_note(r, "seed"), "17");
    assert_null(hct_note(r, "absent"));
    const struct hct_resources *res = hct_resources(r);
    assert_int_equal(res->hosts, 2);
    assert_int_equal(res->qps, 4);
    assert_string_equal(res->host[1].name, "h1");
    assert_int_equal(res->mr[2].va, 0x30000);
    const struct hct_qp want = make_qp(3, HCT_QP_UD, 1, HCT_NONE);
    assert_memory_equal(&res->qp[3].sq_psn, &want.sq_psn, sizeof want.sq_psn);
    assert_int_equal(res->qp[3].captured_qpn, HCT_NONE);
    assert_int_equal(hct_next_op(r, &got), HCT_OK);
    assert_int_equal(got.remote_off_bytes, op.remote_off_bytes);
    assert_int_equal(got.compare, op.compare);
    assert_int_equal(got.swap_add, op.swap_add);
    assert_int_equal(got.sge[1].off_bytes, 65535);
    assert_int_equal(got.recorded, op.recorded);
    assert_int_equal(got.flags, op.flags);
    assert_int_equal(got.expect, op.expect);
    assert_int_equal(hct_next_op(r, &got), HCT_END);
    assert_int_equal(hct_next_op(r, &got), HCT_END);
    hct_close(r);
    (void)unlink(temp_path(0));
}

static void the_same_calls_make_the_same_bytes(void **state)
{
    (void)state;
    size_t na = 0;
    size_t nb = 0;
    make_trace(temp_path(0), 500, 4096);
    make_trace(temp_path(1), 500, 4096);
    uint8_t *a = slurp(temp_path(0), &na);
    uint8_t *b = slurp(temp_path(1), &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    free(a);
    free(b);
    (void)unlink(temp_path(0));
    (void)unlink(temp_path(1));
}

static void foreign_empty_and_newer_files_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const foreign[] = {"", "x", "\xd4\xc3\xb2\xa1 a capture", "GIF89a......"};
    struct hct_error err;
    hct_reader *r = NULL;

    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        FILE *f = fopen(temp_path(0), "wb");
        assert_non_null(f);
        (void)fputs(foreign[i], f);
        (void)fclose(f);
        assert_int_equal(hct_open(temp_path(0), &r, &err), HCT_BAD);
        assert_non_null(strstr(err.text, temp_path(0)));
        assert_null(r);
    }
    static uint8_t header[HCT_HEADER_MAX];
    const size_t n = hct_header_pack(HCT_WORKLOAD, hct_builtin, hct_builtins, header);
    hct_set(header + 8, 2, 2);
    hct_set(header + n - 4, hct_crc(header, n - 4), 4);
    FILE *f = fmemopen(header, n, "rb");
    assert_int_equal(hct_open_stream(f, "v2", &r, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "version 2.0"));
    assert_int_equal(hct_open("/nonexistent/t.hct", &r, &err), HCT_SYS);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(hct_open("/tmp", &r, &err), HCT_BAD);
    (void)unlink(temp_path(0));
}

static void nothing_stands_under_the_final_name_before_finish(void **state)
{
    (void)state;
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    struct hct_error err;
    hct_writer *w = NULL;

    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    make_resources(w);
    assert_int_equal(access(temp_path(0), F_OK), -1);
    const struct hct_op bad = make_write(7, 8); /* id 7 where 0 must come */
    assert_int_equal(hct_put_op(w, &bad), HCT_BAD);
    assert_int_equal(hct_finish(w, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "op 7 where op 0 must come"));
    assert_int_equal(access(temp_path(0), F_OK), -1);
    assert_int_equal(hct_create("/nonexistent/t.hct", &opt, &w, &err), HCT_SYS);
    assert_null(w);
}

static void a_full_disk_is_told_and_leaves_no_file(void **state)
{
    (void)state;
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    struct hct_error err;
    hct_writer *w = NULL;
    char command[700];

    /* /dev/full stands in for a full disk: the temporary file is replaced under the writer. */
    if (access("/dev/full", W_OK) != 0) {
        skip();
    }
    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    make_resources(w);
    (void)snprintf(command, sizeof command, "%s.%ld.0.tmp", temp_path(0), (long)getpid());
    assert_int_equal(access(command, F_OK), 0);
    assert_non_null(freopen("/dev/full", "wb", w->f));
    assert_int_equal(hct_finish(w, &err), HCT_SYS);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_int_equal(access(command, F_OK), -1);
    assert_int_equal(access(temp_path(0), F_OK), -1);
}

static void events_round_trip_with_their_own_schema(void **state)
{
    (void)state;
    static const struct hct_event_field drop[] = {{"qpn", "qp", HCT_U32},
                                                  {"why", "enum late bad", HCT_U8}};
    static const struct hct_event_field level[] = {{"delta", "B", HCT_I64}};
    const struct hct_event_type type[] = {{"doorbell_drop", "no such QP", drop, 2},
                                          {"fifo_level", "", level, 1},
                                          {"tick", "", NULL, 0}};
    const struct hct_create opt = {.content = HCT_EVENTS, .type = type, .types = 3};
    hct_writer *w = NULL;
    hct_reader *r = NULL;
    struct hct_event ev;

    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    assert_int_equal(hct_put_unit(w, "doorbell"), HCT_OK);
    assert_int_equal(hct_put_unit(w, "dma"), HCT_OK);
    for (uint64_t i = 0; i < 30000; i++) {
        ev = (struct hct_event){.t_ps = i * 10, .unit = i & 1, .type = (uint32_t)(i % 3)};
        ev.values = type[ev.type].fields;
        ev.value[0] = ev.type == 1 ? (uint64_t) - (int64_t)i : i;
        ev.value[1] = ev.type == 0;
        assert_int_equal(hct_put_event(w, &ev), HCT_OK);
    }
    assert_int_equal(hct_finish(w, NULL), HCT_OK);
    assert_int_equal(hct_validate(temp_path(0), NULL), HCT_OK);
    assert_int_equal(hct_open(temp_path(0), &r, NULL), HCT_OK);
    assert_int_equal(hct_event_types(r), 3);
    assert_string_equal(hct_event_type(r, 0)->field[1].unit, "enum late bad");
    assert_string_equal(hct_unit(r, 1), "dma");
    for (uint64_t i = 0; i < 30000; i++) {
        assert_int_equal(hct_next_event(r, &ev), HCT_OK);
        assert_int_equal(ev.t_ps, i * 10);
        assert_int_equal(ev.type, i % 3);
        if (ev.type < 2) {
            assert_int_equal(ev.value[0], ev.type == 1 ? (uint64_t) - (int64_t)i : i);
        }
    }
    assert_int_equal(hct_next_event(r, &ev), HCT_END);
    hct_close(r);
    (void)unlink(temp_path(0));
}

static void a_value_too_wide_for_its_event_field_is_refused(void **state)
{
    (void)state;
    static const struct hct_event_field narrow[] = {{"n", "", HCT_U8}};
    const struct hct_event_type type[] = {{"e", "", narrow, 1}};
    const struct hct_create opt = {.content = HCT_EVENTS, .type = type, .types = 1};
    struct hct_event ev = {.values = 1, .value = {255}};
    hct_writer *w = NULL;

    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    assert_int_equal(hct_put_unit(w, "u"), HCT_OK);
    assert_int_equal(hct_put_event(w, &ev), HCT_OK);
    ev.value[0] = 256;
    assert_int_equal(hct_put_event(w, &ev), HCT_USAGE);
    hct_abort(w);
}

static void event_names_must_be_printable(void **state)
{
    (void)state;
    const struct hct_event_type type[] = {{"a\x1b[2J", "", NULL, 0}};
    const struct hct_create opt = {.content = HCT_EVENTS, .type = type, .types = 1};
    struct hct_error err;
    hct_writer *w = NULL;
    assert_int_equal(hct_create(temp_path(0), &opt, &w, &err), HCT_USAGE);
    assert_non_null(strstr(err.text, "printable ASCII"));
}

/* The files were written by version 1.0: what the compatibility promise is about. */
/* The payload recorded in v1_0_workload.hct: byte i is from output i / 8 of splitmix64. */
static void recorded_bytes(uint64_t seed, uint64_t off, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t z = seed + ((off + i) / 8 + 1) * 0x9e3779b97f4a7c15ull;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        to[i] = (uint8_t)((z ^ z >> 31) >> (off + i) % 8 * 8);
    }
}

static void files_of_version_1_0_read_as_they_were_written(void **state)
{
    (void)state;
    struct hct_op op;
    struct hct_event ev;
    uint8_t want[100];
    hct_reader *r = NULL;

    assert_int_equal(hct_open(HCA_SOURCE_DIR "/traces/corpus/v1_0_workload.hct", &r, NULL), HCT_OK);
    const struct hct_resources *res = hct_resources(r);
    assert_int_equal(res->hosts * 1000 + res->mrs * 100 + res->qps * 10 + res->ahs, 2341);
    const struct hct_qp qp = make_qp(2, HCT_QP_UD, 0, HCT_NONE);
    assert_int_equal(res->qp[2].sq_psn, qp.sq_psn);
    assert_int_equal(res->qp[2].timeout, qp.timeout);
    assert_int_equal(res->qp[2].captured_qpn, HCT_NONE);
    for (uint64_t i = 0; i < 12; i++) {
        uint64_t pieces = 0;
        uint64_t off = 0;
        uint32_t len = 0;
        const void *bytes = NULL;
        assert_int_equal(hct_next_op(r, &op), HCT_OK);
        assert_int_equal(op.t_ps, i * 1000);
        assert_int_equal(hct_op_bytes(&op), 200 + i);
        assert_int_equal(op.remote_mr, 1);
        assert_int_equal(op.ah, HCT_NONE);
        assert_int_equal(op.dep_count, i > 0);
        assert_int_equal(op.dep[0].think_ps, i ? 5000 : 0);
        while (hct_next_payload(r, &off, &bytes, &len) == HCT_OK) {
            recorded_bytes(i, off, want, 100);
            assert_memory_equal(bytes, want, len);
            pieces++;
        }
        assert_int_equal(pieces, i % 3 == 0 ? 2 : 0);
    }
    assert_int_equal(hct_next_op(r, &op), HCT_END);
    hct_close(r);

    assert_int_equal(hct_open(HCA_SOURCE_DIR "/traces/corpus/v1_0_events.hct", &r, NULL), HCT_OK);
    assert_string_equal(hct_event_type(r, 0)->name, "drop");
    assert_string_equal(hct_unit(r, 1), "pcie");
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(hct_next_event(r, &ev), HCT_OK);
        assert_int_equal(ev.t_ps, 1000 * i);
        assert_int_equal(ev.values, i % 3 == 2 ? 0 : 3);
        assert_int_equal(ev.value[2], i % 3 == 2 ? 0 : (uint64_t) - (int64_t)i);
    }
    assert_int_equal(hct_next_event(r, &ev), HCT_END);
    hct_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_trace_reads_back_field_by_field),
        cmocka_unit_test(the_same_calls_make_the_same_bytes),
        cmocka_unit_test(foreign_empty_and_newer_files_are_refused_by_name),
        cmocka_unit_test(nothing_stands_under_the_final_name_before_finish),
        cmocka_unit_test(a_full_disk_is_told_and_leaves_no_file),
        cmocka_unit_test(events_round_trip_with_their_own_schema),
        cmocka_unit_test(a_value_too_wide_for_its_event_field_is_refused),
        cmocka_unit_test(event_names_must_be_printable),
        cmocka_unit_test(files_of_version_1_0_read_as_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
