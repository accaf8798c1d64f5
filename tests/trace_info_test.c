/* Properties of trace info, show and diff, on both contents. */
#include "tests/hct_make.h"

#include <jansson.h>

#include "traces/diff.h"
#include "traces/hct_schema.h"
#include "traces/info.h"
#include "traces/show.h"

/* What a verb prints, and its exit status. */
struct printed {
    char *text;
    int status;
    struct hct_error err;
};

enum verb { INFO, SHOW, DIFF };

static struct printed run(enum verb verb, bool json, uint64_t from, uint64_t count)
{
    struct printed p = {0};
    size_t bytes = 0;
    FILE *out = open_memstream(&p.text, &bytes);
    assert_non_null(out);
    p.status = verb == INFO   ? hct_info(temp_path(0), json, out, &p.err)
               : verb == SHOW ? hct_show(temp_path(0), json, from, count, out, &p.err)
                              : hct_diff(temp_path(0), temp_path(1), json, out, &p.err);
    (void)fclose(out);
    return p;
}

static void must_say(const struct printed *p, const char *what)
{
    if (!strstr(p->text, what)) {
        fail_msg("\"%s\" is not in: %s", what, p->text);
    }
}

static void make_events(const char *path, uint64_t last_value)
{
    static const struct hct_event_field field[] = {
        {"qpn", "qp", HCT_U32}, {"why", "enum late bad", HCT_U8}, {"delta", "B", HCT_I64}};
    const struct hct_event_type type[] = {{"drop", "a packet is dropped", field, 3}};
    const struct hct_create opt = {.content = HCT_EVENTS, .type = type, .types = 1};
    hct_writer *w = NULL;
    assert_int_equal(hct_create(path, &opt, &w, NULL), HCT_OK);
    assert_int_equal(hct_put_unit(w, "check"), HCT_OK);
    for (uint32_t i = 0; i < 3; i++) {
        const struct hct_event ev = {
            .t_ps = 1000 * i, .values = 3, .value = {i, 1, i == 2 ? last_value : (uint64_t)-5}};
        assert_int_equal(hct_put_event(w, &ev), HCT_OK);
    }
    assert_int_equal(hct_finish(w, NULL), HCT_OK);
}

static void info_text_and_json_tell_the_same_numbers(void **state)
{
    (void)state;
    json_error_t error;
    make_trace(temp_path(0), 90, 0);
    struct printed text = run(INFO, false, 0, 0);
    struct printed json = run(INFO, true, 0, 0);
    assert_int_equal(text.status, 0);
    assert_int_equal(json.status, 0);
    must_say(&text, "ops: 90 on 1 of 4 QPs");
    must_say(&text, "local 89, recv 0");
    must_say(&text, "absent 60, pattern 0, recorded 30");
    json_t *o = json_loads(json.text, 0, &error);
    assert_non_null(o);
    assert_int_equal(json_integer_value(json_object_get(o, "ops")), 90);
    const json_t *write = json_object_get(json_object_get(o, "kinds"), "write");
    assert_int_equal(json_integer_value(json_object_get(write, "bytes_max")), 249);
    /* 200..249 bytes: 50 ops of every size once, 40 more of 200..239 */
    assert_int_equal(json_integer_value(json_object_get(write, "bytes")),
                     50 * 449 / 2 + 40 * 439 / 2);
    const json_t *dep = json_object_get(json_object_get(o, "dependencies"), "local");
    assert_int_equal(json_integer_value(dep), 89);
    assert_true(json_is_null(json_object_get(o, "damage")));
    json_decref(o);
    free(text.text);
    free(json.text);
    (void)unlink(temp_path(0));
}

static void info_of_events_counts_types_and_units(void **state)
{
    (void)state;
    json_error_t error;
    make_events(temp_path(0), 0);
    struct printed p = run(INFO, true, 0, 0);
    json_t *o = json_loads(p.text, 0, &error);
    assert_non_null(o);
    assert_int_equal(json_integer_value(json_object_get(o, "events")), 3);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "types"), "drop")), 3);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "units"), "check")), 3);
    assert_int_equal(json_integer_value(json_object_get(o, "t_last_ps")), 2000);
    json_decref(o);
    free(p.text);
    p = run(INFO, false, 0, 0);
    must_say(&p, "events: 3 from 0 to 2000 ps");
    must_say(&p, "a packet is dropped");
    free(p.text);
    (void)unlink(temp_path(0));
}

static void every_shown_json_line_is_json_and_numbered(void **state)
{
    (void)state;
    make_trace(temp_path(0), 200, 4096);
    struct printed all = run(SHOW, true, 0, 0);
    uint64_t n = 0;
    assert_int_equal(all.status, 0);
    for (char *line = strtok(all.text, "\n"); line; line = strtok(NULL, "\n")) {
        json_error_t error;
        json_t *o = json_loads(line, 0, &error);
        if (!o) {
            fail_msg("%s: %s", error.text, line);
        }
        assert_int_equal(json_integer_value(json_object_get(o, "record")), n);
        json_decref(o);
        n++;
    }
    /* note, 2 hosts, functions, PDs, CQs, SRQs, 3 MRs, 1 AH, 4 QPs, 200 ops, 67 x 2 payloads */
    assert_int_equal(n, 1 + 10 + 3 + 1 + 4 + 200 + 134);
    free(all.text);
    (void)unlink(temp_path(0));
}

static void a_part_is_shown_the_same_as_in_the_whole(void **state)
{
    (void)state;
    make_trace(temp_path(0), 200, 4096);
    struct printed all = run(SHOW, false, 0, 0);
    for (uint64_t from = 0; from < 340; from += 13) {
        char start[32];
        struct printed part = run(SHOW, false, from, 5);
        (void)snprintf(start, sizeof start, "%s%llu ", from ? "\n" : "", (unsigned long long)from);
        const char *at = strstr(all.text, start);
        assert_non_null(at);
        at += from > 0;
        assert_memory_equal(part.text, at, strlen(part.text));
        assert_true(strlen(part.text) > 100);
        free(part.text);
    }
    free(all.text);
    (void)unlink(temp_path(0));
}

static void show_decodes_words_none_and_signed_values(void **state)
{
    (void)state;
    make_trace(temp_path(0), 1, 0);
    struct printed p = run(SHOW, true, 0, 0);
    must_say(&p, "\"kind\":\"write\"");
    must_say(&p, "\"srq\":null");
    must_say(&p, "\"flags\":\"signaled\"");
    must_say(&p, "\"type\":\"note\",\"key\":\"origin\",\"value\":\"generated\"");
    free(p.text);
    p = run(SHOW, false, 0, 0);
    must_say(&p, "access=local_write+remote_write+remote_read+remote_atomic");
    assert_null(strstr(p.text, "srq=none"));
    free(p.text);
    make_events(temp_path(0), 0);
    p = run(SHOW, false, 0, 0);
    must_say(&p, "drop t_ps=1000 qpn=1 why=bad delta=-5");
    free(p.text);
    (void)unlink(temp_path(0));
}

static void control_characters_never_reach_the_terminal(void **state)
{
    (void)state;
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    hct_writer *w = NULL;
    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    assert_int_equal(hct_put_note(w, "\x1b[2J", "\x1b]0;owned\x07 \xff\xc3\xa9\""), HCT_OK);
    const struct hct_host host = {.id = 0, .name = "a\x1b[31m\n\"b"};
    assert_int_equal(hct_put_host(w, &host), HCT_OK);
    assert_int_equal(hct_finish(w, NULL), HCT_OK);
    for (int i = 0; i < 4; i++) {
        struct printed p = run(i < 2 ? INFO : SHOW, i & 1, 0, 0);
        assert_int_equal(p.status, 0);
        assert_null(strchr(p.text, 0x1b));
        assert_null(strchr(p.text, 0x07));
        free(p.text);
    }
    struct printed p = run(SHOW, true, 0, 0);
    must_say(&p, "\\ufffd\xc3\xa9\\\"");
    must_say(&p, "\"a\\u001b[31m\\u000a\\\"b\"");
    free(p.text);
    (void)unlink(temp_path(0));
}

static void diff_ignores_blocks_pieces_and_notes(void **state)
{
    (void)state;
    make_trace(temp_path(0), 300, 4096);
    make_trace(temp_path(1), 300, 0);
    struct printed p = run(DIFF, false, 0, 0);
    assert_int_equal(p.status, 0);
    must_say(&p, "equal: yes");
    free(p.text);
    (void)unlink(temp_path(0));
    (void)unlink(temp_path(1));
}

/* Two traces of one op each; `change` acts on the second. */
static struct printed diff_of(void (*change)(struct hct_op *op), bool json)
{
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    for (int i = 0; i < 2; i++) {
        hct_writer *w = NULL;
        struct hct_op op = make_write(0, 16);
        op.payload = HCT_PAYLOAD_RECORDED;
        uint8_t bytes[16] = {0};
        assert_int_equal(hct_create(temp_path(i), &opt, &w, NULL), HCT_OK);
        assert_int_equal(hct_put_note(w, "remark", i ? "b" : "a"), HCT_OK);
        make_resources(w);
        if (i && change) {
            change(&op);
        }
        bytes[3] = i && !change;
        assert_int_equal(hct_put_op(w, &op), HCT_OK);
        if (op.payload == HCT_PAYLOAD_RECORDED) {
            assert_int_equal(hct_put_payload(w, 0, bytes, 8), HCT_OK);
            assert_int_equal(hct_put_payload(w, 8, bytes + 8, 8), HCT_OK);
        }
        assert_int_equal(hct_finish(w, NULL), HCT_OK);
    }
    struct printed p = run(DIFF, json, 0, 0);
    (void)unlink(temp_path(0));
    (void)unlink(temp_path(1));
    return p;
}

static void change_nothing(struct hct_op *op)
{
    (void)op;
}

static void change_offset(struct hct_op *op)
{
    op->sge[0].off_bytes = 4;
}

static void change_kind(struct hct_op *op)
{
    op->kind = HCT_READ;
}

static void change_payload(struct hct_op *op)
{
    op->payload = HCT_PAYLOAD_ABSENT;
}

static void diff_names_what_differs(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct hct_op *op);
        int status;
        const char *says;
    } rows[] = {
        {change_nothing, 0, "{\"equal\":true,\"differences\":0,\"shown\":0}"},
        {change_offset, 1, "\"id\":0,\"field\":\"sge[0].off_bytes\",\"a\":0,\"b\":4}"},
        {change_kind, 1, "\"field\":\"kind\",\"a\":\"write\",\"b\":\"read\"}"},
        {change_payload, 1, "\"field\":\"payload bytes\",\"a\":16,\"b\":0}"},
        {NULL, 1, "\"field\":\"payload CRC-32\""}, /* one byte of payload */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct printed p = diff_of(rows[i].change, true);
        assert_int_equal(p.status, rows[i].status);
        must_say(&p, rows[i].says);
        free(p.text);
    }
}

static void diff_tells_a_longer_trace_and_other_events(void **state)
{
    (void)state;
    make_trace(temp_path(0), 100, 0);
    make_trace(temp_path(1), 103, 0);
    struct printed p = run(DIFF, false, 0, 0);
    assert_int_equal(p.status, 1);
    must_say(&p, "ops from 100: only in one: 0 / 3");
    free(p.text);
    make_events(temp_path(0), 7);
    make_events(temp_path(1), 8);
    p = run(DIFF, false, 0, 0);
    assert_int_equal(p.status, 1);
    must_say(&p, "event 2: delta: 7 / 8");
    free(p.text);
    make_trace(temp_path(1), 3, 0);
    p = run(DIFF, false, 0, 0);
    assert_int_equal(p.status, 1);
    free(p.text);
    (void)unlink(temp_path(0));
    (void)unlink(temp_path(1));
}

static void a_damaged_trace_is_shown_as_far_as_it_goes_with_status_3(void **state)
{
    (void)state;
    size_t bytes = 0;
    make_trace(temp_path(0), 200, 4096);
    make_trace(temp_path(1), 200, 4096);
    uint8_t *data = slurp(temp_path(0), &bytes);
    FILE *f = fopen(temp_path(0), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes * 2 / 3, f), bytes * 2 / 3);
    (void)fclose(f);
    free(data);
    for (int verb = INFO; verb <= DIFF; verb++) {
        struct printed p = run((enum verb)verb, false, 0, 0);
        assert_int_equal(p.status, 3);
        assert_true(p.err.text[0] != 0);
        if (verb == INFO) {
            must_say(&p, "DAMAGED: lost: 1 block");
        } else if (verb == SHOW) {
            must_say(&p, "--- damaged at byte");
        }
        free(p.text);
    }
    (void)unlink(temp_path(0));
    struct printed p = run(INFO, false, 0, 0);
    assert_int_equal(p.status, 4); /* no such file */
    free(p.text);
    (void)unlink(temp_path(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_text_and_json_tell_the_same_numbers),
        cmocka_unit_test(info_of_events_counts_types_and_units),
        cmocka_unit_test(every_shown_json_line_is_json_and_numbered),
        cmocka_unit_test(a_part_is_shown_the_same_as_in_the_whole),
        cmocka_unit_test(show_decodes_words_none_and_signed_values),
        cmocka_unit_test(control_characters_never_reach_the_terminal),
        cmocka_unit_test(diff_ignores_blocks_pieces_and_notes),
        cmocka_unit_test(diff_names_what_differs),
        cmocka_unit_test(diff_tells_a_longer_trace_and_other_events),
        cmocka_unit_test(a_damaged_trace_is_shown_as_far_as_it_goes_with_status_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
