/* Properties of workload content: rules on ops and resources, warnings, payload, dependencies. */
#include "tests/hct_make.h"

#include "traces/hct_schema.h"

/* A reader on a trace of resources only: what hct_check_op is tested against. */
static hct_reader *open_resources(void)
{
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    hct_writer *w = NULL;
    hct_reader *r = NULL;
    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    make_resources(w);
    assert_int_equal(hct_finish(w, NULL), HCT_OK);
    assert_int_equal(hct_open(temp_path(0), &r, NULL), HCT_OK);
    (void)unlink(temp_path(0));
    return r;
}

/* Valid ops of several kinds; the tables below spoil one field each. */
static struct hct_op base(int kind)
{
    struct hct_op op = make_write(100, 64);
    op.kind = (uint8_t)kind;
    if (kind == HCT_RECV || kind == HCT_SEND || kind >= HCT_LOCAL_INV) {
        op.remote_mr = HCT_NONE;
    }
    if (kind == HCT_LOCAL_INV || kind == HCT_FAST_REG) {
        op.key_mr = 0;
        op.sge_count = 0;
    }
    if (kind >= HCT_DMA_READ) {
        op.qp = HCT_NONE;
        op.fn = 0;
        op.flags = 0;
    }
    return op;
}

struct bad_op {
    int kind;
    void (*spoil)(struct hct_op *op);
    const char *says;
};

#define SPOIL(name, ...)                \
    static void name(struct hct_op *op) \
    {                                   \
        __VA_ARGS__;                    \
    }
SPOIL(id_jumps, op->id = 101)
SPOIL(kind_unknown, op->kind = HCT_KIND_COUNT)
SPOIL(status_unknown, op->expect = HCT_WC_COUNT)
SPOIL(flag_unknown, op->flags |= 32)
SPOIL(payload_unknown, op->payload = HCT_PAYLOAD_COUNT)
SPOIL(time_too_large, op->t_ps = HCT_TIME_PS_MAX + 1)
SPOIL(qp_absent, op->qp = 4)
SPOIL(qp_none, op->qp = HCT_NONE)
SPOIL(mr_absent, op->sge[0].mr = 3)
SPOIL(remote_absent, op->remote_mr = 7)
SPOIL(remote_none, op->remote_mr = HCT_NONE)
SPOIL(remote_given, op->remote_mr = 1)
SPOIL(key_given, op->key_mr = 1)
SPOIL(ah_given, op->ah = 0)
SPOIL(srq_given, op->srq = 0)
SPOIL(fn_absent, op->fn = 2)
SPOIL(fn_other, op->fn = 1)
SPOIL(two_pieces, op->sge_count = 2; op->sge[1] = op->sge[0])
SPOIL(seventeen_pieces, op->sge_count = 17)
SPOIL(five_deps, op->dep_count = 5)
SPOIL(too_long, op->sge[0].len_bytes = (1u << 31) + 1u)
SPOIL(too_long_in_all, op->sge_count = 2; op->sge[0].len_bytes = 1u << 31;
      op->sge[1] = (struct hct_sge){0, 1, 0})
SPOIL(dep_on_itself, op->dep_count = 1; op->dep[0] = (struct hct_dep){HCT_DEP_LOCAL, 0, 100, 0})
SPOIL(dep_on_later, op->dep_count = 1; op->dep[0] = (struct hct_dep){HCT_DEP_RECV, 0, 5000, 0})
SPOIL(dep_unknown, op->dep_count = 1; op->dep[0] = (struct hct_dep){HCT_DEP_COUNT, 0, 1, 0})
SPOIL(window_of_none, op->dep_count = 1; op->dep[0] = (struct hct_dep){HCT_DEP_WINDOW, 0, 1, 0})
SPOIL(window_elsewhere, op->dep_count = 1; op->dep[0] = (struct hct_dep){HCT_DEP_LOCAL, 3, 1, 0})
SPOIL(ud_without_ah, op->qp = 2; op->ud_qp = 3)
SPOIL(ud_elsewhere, op->qp = 2; op->ud_qp = 2; op->ah = 0)
SPOIL(recv_with_payload, op->payload = HCT_PAYLOAD_PATTERN)
SPOIL(list_given, op->sge_count = 1)

static void an_op_that_breaks_a_rule_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct bad_op rows[] = {
        {HCT_WRITE, id_jumps, "op 101 where op 100 must come"},
        {HCT_WRITE, kind_unknown, "kind = 14: not in 0..13"},
        {HCT_WRITE, status_unknown, "expect = 22: not in 0..21"},
        {HCT_WRITE, flag_unknown, "flags = 33: not in 0..31"},
        {HCT_WRITE, payload_unknown, "payload = 3: not in 0..2"},
        {HCT_WRITE, time_too_large, "t_ps = "},
        {HCT_WRITE, qp_absent, "qp = 4, but the trace has 4"},
        {HCT_WRITE, qp_none, "qp is none"},
        {HCT_RECV, qp_none, "srq is none"},
        {HCT_WRITE, mr_absent, "sge[0].mr = 3, but the trace has 3"},
        {HCT_WRITE, remote_absent, "remote_mr = 7"},
        {HCT_READ, remote_none, "remote_mr is none"},
        {HCT_SEND, remote_given, "remote_mr = 1, but this kind of op has none"},
        {HCT_WRITE, key_given, "key_mr = 1, but"},
        {HCT_SEND, ah_given, "ah = 0, but"},
        {HCT_RECV, srq_given, "srq = 0, but"},
        {HCT_DMA_READ, fn_absent, "fn = 2, but the trace has 2"},
        {HCT_DMA_READ, fn_other, "MR 0 belongs to function 0, not to fn = 1"},
        {HCT_DMA_WRRD, two_pieces, "exactly one piece, not 2"},
        {HCT_WRITE, seventeen_pieces, "sge_count = 17: not in 0..16"},
        {HCT_WRITE, five_deps, "dep_count = 5: not in 0..4"},
        {HCT_WRITE, too_long, "2147483649 bytes, at most 2^31"},
        {HCT_WRITE, too_long_in_all, "2147483649 bytes, at most 2^31"},
        {HCT_WRITE, dep_on_itself, "dep[0] is on op 100, which does not come before"},
        {HCT_WRITE, dep_on_later, "dep[0] is on op 5000"},
        {HCT_WRITE, dep_unknown, "dep[0]: type 5"},
        {HCT_WRITE, window_of_none, "window_ops = 0"},
        {HCT_WRITE, window_elsewhere, "window_ops = 3"},
        {HCT_SEND, ud_without_ah, "ah is none"},
        {HCT_SEND, ud_elsewhere, "ud_qp = 2 must be a UD QP of function 1"},
        {HCT_RECV, recv_with_payload, "this kind of op reads none"},
        {HCT_LOCAL_INV, list_given, "have no local list"},
    };
    hct_reader *r = open_resources();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hct_error err = {0};
        struct hct_op op = base(rows[i].kind);
        assert_int_equal(hct_check_op(hct_resources(r), &op, 100, NULL, &err), HCT_OK);
        rows[i].spoil(&op);
        assert_int_equal(hct_check_op(hct_resources(r), &op, 100, NULL, &err), HCT_BAD);
        if (!strstr(err.text, rows[i].says)) {
            fail_msg("row %zu says: %s", i, err.text);
        }
    }
    hct_close(r);
}

SPOIL(no_change, (void)op)
SPOIL(local_end, op->sge[0].off_bytes = 65536 - 64)
SPOIL(local_over, op->sge[0].off_bytes = 65536 - 63)
SPOIL(local_far, op->sge[0].off_bytes = UINT64_MAX)
SPOIL(remote_end, op->remote_off_bytes = 65536 - 64)
SPOIL(remote_over, op->remote_off_bytes = 65536 - 63)
SPOIL(remote_no_right, op->remote_mr = 2)
SPOIL(remote_own, op->remote_mr = 0)
SPOIL(local_foreign, op->sge[0].mr = 1)
SPOIL(local_big, op->sge[0].len_bytes = 1u << 31)
SPOIL(ud_small, op->qp = 2; op->ud_qp = 3; op->ah = 0)
SPOIL(ud_large, op->qp = 2; op->ud_qp = 3; op->ah = 0; op->sge[0].len_bytes = 1025)
SPOIL(inline_large, op->flags |= HCT_INLINE)
SPOIL(eight, op->sge[0].len_bytes = 8)
SPOIL(nine, op->sge[0].len_bytes = 9)
SPOIL(ud_write, op->qp = 2)

static void what_the_adapter_must_refuse_is_a_warning_not_an_error(void **state)
{
    (void)state;
    static const struct {
        int kind;
        void (*change)(struct hct_op *op);
        uint32_t warn;
    } rows[] = {
        {HCT_WRITE, no_change, 0},
        {HCT_WRITE, local_end, 0},
        {HCT_WRITE, local_over, HCT_WARN_LOCAL_BOUNDS},
        {HCT_WRITE, local_far, HCT_WARN_LOCAL_BOUNDS},
        {HCT_WRITE, local_big, HCT_WARN_LOCAL_BOUNDS | HCT_WARN_REMOTE_BOUNDS},
        {HCT_WRITE, remote_end, 0},
        {HCT_READ, remote_over, HCT_WARN_REMOTE_BOUNDS},
        {HCT_WRITE, remote_no_right, HCT_WARN_ACCESS},
        {HCT_WRITE, remote_own, HCT_WARN_DOMAIN},
        {HCT_SEND, local_foreign, HCT_WARN_DOMAIN},
        {HCT_SEND, ud_small, 0},
        {HCT_SEND, ud_large, HCT_WARN_SIZE},
        {HCT_WRITE, inline_large, HCT_WARN_SIZE},
        {HCT_FAA, eight, 0},
        {HCT_FAA, nine, HCT_WARN_SIZE},
        {HCT_WRITE, ud_write, HCT_WARN_KIND},
    };
    hct_reader *r = open_resources();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t warn = 99;
        struct hct_op op = base(rows[i].kind);
        rows[i].change(&op);
        assert_int_equal(hct_check_op(hct_resources(r), &op, 100, &warn, NULL), HCT_OK);
        if (warn != rows[i].warn) {
            fail_msg("row %zu: warnings %u, want %u", i, warn, rows[i].warn);
        }
    }
    hct_close(r);
}

/* ---- resources ---- */

static struct hct_host host_;
static struct hct_fn fn_;
static struct hct_pd pd_;
static struct hct_mr mr_;
static struct hct_cq cq_;
static struct hct_qp qp_[2];

static void good_resources(void)
{
    host_ = (struct hct_host){.id = 0};
    fn_ = (struct hct_fn){.id = 0};
    pd_ = (struct hct_pd){.id = 0};
    mr_ = (struct hct_mr){.id = 0, .va = 4096, .len_bytes = 4096};
    cq_ = (struct hct_cq){.id = 0, .depth_entries = 1};
    qp_[0] = make_qp(0, HCT_QP_RC, 0, 1);
    qp_[1] = make_qp(1, HCT_QP_RC, 0, 0);
}

/* Writes them; the status of hct_finish, which checks. */
static enum hct_status write_resources(struct hct_error *err)
{
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    hct_writer *w = NULL;
    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    (void)hct_put_host(w, &host_);
    (void)hct_put_fn(w, &fn_);
    (void)hct_put_pd(w, &pd_);
    (void)hct_put_mr(w, &mr_);
    (void)hct_put_cq(w, &cq_);
    (void)hct_put_qp(w, &qp_[0]);
    (void)hct_put_qp(w, &qp_[1]);
    const enum hct_status st = hct_finish(w, err);
    (void)unlink(temp_path(0));
    return st;
}

static void a_resource_that_breaks_a_rule_is_refused_with_its_reason(void **state)
{
    (void)state;
    struct hct_error err;
    good_resources();
    assert_int_equal(write_resources(&err), HCT_OK);
#define REFUSED(statement, says)                      \
    good_resources();                                 \
    statement;                                        \
    assert_int_equal(write_resources(&err), HCT_BAD); \
    if (!strstr(err.text, says)) {                    \
        fail_msg("%s", err.text);                     \
    }
    REFUSED(host_.id = 1, "host 1 where host 0 must come")
    REFUSED(fn_.host = 1, "fn 0: host = 1, but the trace has 1 hosts")
    REFUSED(fn_.hca = 255, "fn 0: hca = 255: not in 0..254")
    REFUSED(pd_.fn = HCT_NONE, "pd 0: fn = 4294967295")
    REFUSED(mr_.len_bytes = 0, "mr 0: len_bytes = 0: not in 1..1099511627776")
    REFUSED(mr_.va = UINT64_MAX, "mr 0: va = ")
    REFUSED(mr_.access = 16, "mr 0: access = 16: not in 0..15")
    REFUSED((mr_.layout = HCT_LAYOUT_ALIAS, mr_.layout_arg = 12288), "not a power of two")
    REFUSED((mr_.layout = HCT_LAYOUT_HUGE, mr_.layout_arg = 1001), "layout_arg = 1001")
    REFUSED(cq_.depth_entries = 0, "cq 0: depth_entries = 0: not in 1..4194304")
    REFUSED(qp_[0].mtu_bytes = 1500, "qp 0: mtu_bytes = 1500")
    REFUSED(qp_[0].peer = 2, "qp 0: peer = 2, but the trace has 2 qps")
    REFUSED(qp_[1].peer = 1, "must name this QP as its own peer")
    REFUSED(qp_[1].type = HCT_QP_UC, "same type and MTU")
    REFUSED(qp_[0].send_cq = 1, "qp 0: send_cq = 1")
    REFUSED(qp_[0].srq = 0, "qp 0: srq = 0, but the trace has 0")
    REFUSED(qp_[0].timeout = 32, "qp 0: timeout = 32: not in 0..31")
    REFUSED(qp_[1].sq_psn = 1 << 24, "qp 1: sq_psn = 16777216: not in 0..16777215")
#undef REFUSED
}

static void two_functions_cannot_share_a_place(void **state)
{
    (void)state;
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    struct hct_error err;
    hct_writer *w = NULL;
    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    assert_int_equal(hct_put_host(w, &(struct hct_host){.id = 0}), HCT_OK);
    for (uint32_t i = 0; i < 3; i++) {
        const struct hct_fn fn = {.id = i, .hca = 2, .index = i == 2 ? 0 : (uint16_t)i};
        assert_int_equal(hct_put_fn(w, &fn), HCT_OK);
    }
    assert_int_equal(hct_finish(w, &err), HCT_BAD);
    assert_non_null(strstr(err.text, "host 0: adapter 2 has function 0 twice"));
}

/* ---- order, time, payload ---- */

static void the_order_of_records_is_enforced(void **state)
{
    (void)state;
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    struct hct_error err;
    hct_writer *w = NULL;
    const struct hct_op op = make_write(0, 8);

    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    make_resources(w);
    assert_int_equal(hct_put_op(w, &op), HCT_OK);
    assert_int_equal(hct_put_host(w, &(struct hct_host){.id = 2}), HCT_USAGE);
    assert_int_equal(hct_put_op(w, &op), HCT_USAGE); /* the first failure stays */
    assert_int_equal(hct_finish(w, &err), HCT_USAGE);
    assert_non_null(strstr(err.text, "host record after an op"));
    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    make_resources(w);
    assert_int_equal(hct_put_note(w, "k", "v"), HCT_USAGE);
    hct_abort(w);
    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    assert_int_equal(hct_put_unit(w, "dma"), HCT_USAGE);
    hct_abort(w);
}

static void times_may_stay_or_be_absent_but_never_fall(void **state)
{
    (void)state;
    static const uint64_t times[] = {5000, 5000, 0, 6000, 0, 5999};
    const struct hct_create opt = {.content = HCT_WORKLOAD};
    hct_writer *w = NULL;

    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    make_resources(w);
    for (uint32_t i = 0; i < 6; i++) {
        struct hct_op op = make_write(i, 8);
        op.t_ps = times[i];
        assert_int_equal(hct_put_op(w, &op), i < 5 ? HCT_OK : HCT_BAD);
    }
    assert_non_null(strstr(hct_writer_error(w)->text, "t_ps = 5999 lies before 6000"));
    hct_abort(w);
}

static void payload_of_any_length_comes_back_in_order_with_holes(void **state)
{
    (void)state;
    enum { BYTES = 300000, HOLE = 1000 };
    const struct hct_create opt = {.content = HCT_WORKLOAD, .block_bytes = 65536};
    hct_writer *w = NULL;
    hct_reader *r = NULL;
    uint8_t *bytes = malloc(BYTES);
    uint8_t *back = calloc(1, BYTES);
    struct hct_op op = make_write(0, BYTES);

    assert_non_null(bytes);
    assert_non_null(back);
    hct_pattern(9, 0, bytes, BYTES);
    op.payload = HCT_PAYLOAD_RECORDED;
    assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
    make_resources(w);
    assert_int_equal(hct_put_op(w, &op), HCT_OK);
    assert_int_equal(hct_put_payload(w, 0, bytes, 100000), HCT_OK);
    assert_int_equal(
        hct_put_payload(w, 100000 + HOLE, bytes + 100000 + HOLE, BYTES - 100000 - HOLE), HCT_OK);
    op = make_write(1, 8);
    assert_int_equal(hct_put_op(w, &op), HCT_OK);
    assert_int_equal(hct_finish(w, NULL), HCT_OK);

    for (int skip = 0; skip < 2; skip++) {
        uint64_t off = 0;
        uint64_t end = 0;
        uint64_t known = 0;
        uint32_t len = 0;
        const void *piece = NULL;
        assert_int_equal(hct_open(temp_path(0), &r, NULL), HCT_OK);
        assert_int_equal(hct_next_op(r, &op), HCT_OK);
        while (!skip && hct_next_payload(r, &off, &piece, &len) == HCT_OK) {
            assert_true(off >= end);
            assert_true(len <= HCT_CHUNK_BYTES_MAX);
            memcpy(back + off, piece, len);
            end = off + len;
            known += len;
        }
        assert_int_equal(known, skip ? 0 : BYTES - HOLE);
        assert_int_equal(hct_next_op(r, &op), HCT_OK); /* pieces not fetched are skipped */
        assert_int_equal(op.id, 1);
        assert_int_equal(hct_next_payload(r, &off, &piece, &len), HCT_END);
        assert_int_equal(hct_next_op(r, &op), HCT_END);
        hct_close(r);
    }
    memset(bytes + 100000, 0, HOLE);
    assert_memory_equal(back, bytes, BYTES);
    free(bytes);
    free(back);
    (void)unlink(temp_path(0));
}

static void payload_outside_its_message_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t payload;
        uint64_t first, off, len;
        enum hct_status want;
    } rows[] = {
        {HCT_PAYLOAD_RECORDED, 0, 50, 50, HCT_OK},
        {HCT_PAYLOAD_RECORDED, 0, 50, 51, HCT_USAGE},
        {HCT_PAYLOAD_RECORDED, 0, 101, 0, HCT_USAGE},
        {HCT_PAYLOAD_RECORDED, 60, 50, 10, HCT_USAGE}, /* overlaps the piece before */
        {HCT_PAYLOAD_RECORDED, 0, UINT64_MAX, 2, HCT_USAGE},
        {HCT_PAYLOAD_ABSENT, 0, 0, 10, HCT_USAGE},
    };
    static const uint8_t bytes[128];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct hct_create opt = {.content = HCT_WORKLOAD};
        hct_writer *w = NULL;
        struct hct_op op = make_write(0, 100);
        op.payload = rows[i].payload;
        assert_int_equal(hct_create(temp_path(0), &opt, &w, NULL), HCT_OK);
        make_resources(w);
        assert_int_equal(hct_put_op(w, &op), HCT_OK);
        if (rows[i].first) {
            assert_int_equal(hct_put_payload(w, 0, bytes, rows[i].first), HCT_OK);
        }
        assert_int_equal(hct_put_payload(w, rows[i].off, bytes, rows[i].len), rows[i].want);
        hct_abort(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_op_that_breaks_a_rule_is_refused_with_its_reason),
        cmocka_unit_test(what_the_adapter_must_refuse_is_a_warning_not_an_error),
        cmocka_unit_test(a_resource_that_breaks_a_rule_is_refused_with_its_reason),
        cmocka_unit_test(two_functions_cannot_share_a_place),
        cmocka_unit_test(the_order_of_records_is_enforced),
        cmocka_unit_test(times_may_stay_or_be_absent_but_never_fall),
        cmocka_unit_test(payload_of_any_length_comes_back_in_order_with_holes),
        cmocka_unit_test(payload_outside_its_message_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
