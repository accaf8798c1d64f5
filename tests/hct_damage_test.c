/* Properties of damaged traces: what is whole is given, what is lost is told. */
#include "tests/hct_seen.h"

#include "traces/hct_block.h"
#include "traces/hct_schema.h"

/* Under the sanitizer every fifth bit, which still is a bit of every byte: all take a minute. */
#if defined(__SANITIZE_ADDRESS__)
enum { FLIP_STEP = 5 };
#else
enum { FLIP_STEP = 1 };
#endif

static void a_cut_at_any_byte_leaves_only_whole_blocks(void **state)
{
    (void)state;
    enum { OPS = 100 };
    size_t bytes = 0;
    uint64_t best = 0;
    make_trace(temp_path(0), OPS, 4096);
    uint8_t *data = slurp(temp_path(0), &bytes);

    for (size_t n = 1; n < bytes; n++) {
        uint8_t *cut = malloc(n); /* exact size: the sanitizer sees any byte read too many */
        assert_non_null(cut);
        memcpy(cut, data, n);
        const struct seen s = read_all(cut, n);
        free(cut);
        if (s.open != HCT_OK) {
            assert_int_equal(s.open, HCT_BAD); /* inside the header: nothing can be known */
            continue;
        }
        assert_int_equal(s.last, HCT_END);
        assert_int_equal(s.sum, s.ops * (s.ops ? s.ops - 1 : 0) / 2); /* a prefix, no holes */
        assert_true(s.ops >= best);
        assert_true(s.ops == OPS || s.loss.truncated);
        assert_true(!s.loss.truncated || s.damaged == 1);
        best = s.ops;
    }
    assert_int_equal(best, OPS); /* a lost trailer loses no op */
    free(data);
    (void)unlink(temp_path(0));
}

static void a_flipped_bit_is_detected_or_harmless(void **state)
{
    (void)state;
    enum { OPS = 12 };
    size_t bytes = 0;
    make_trace(temp_path(0), OPS, 4096);
    uint8_t *data = slurp(temp_path(0), &bytes);
    const struct seen whole = read_all(data, bytes);
    uint64_t refused = 0;

    assert_int_equal(whole.ops, OPS);
    for (size_t bit = 0; bit < bytes * 8; bit += FLIP_STEP) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const struct seen s = read_all(data, bytes);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (s.open != HCT_OK) {
            refused++;
            continue;
        }
        const bool same = s.ops == OPS && s.sum == whole.sum && s.pieces == whole.pieces;
        assert_int_equal(s.last, HCT_END);
        assert_true(same ? s.loss.gaps == 0 : s.loss.gaps > 0 && s.damaged > 0);
    }
    assert_int_equal(refused, 0); /* the header has a copy at the end */
    free(data);
    (void)unlink(temp_path(0));
}

static void loss_names_blocks_records_and_offset(void **state)
{
    (void)state;
    enum { OPS = 300 };
    size_t bytes = 0;
    hct_reader *r = NULL;
    struct hct_op op;
    char text[256];
    make_trace(temp_path(0), OPS, 4096);
    uint8_t *data = slurp(temp_path(0), &bytes);

    /* Find the third data block and spoil one byte of its data, then its header as well. */
    size_t off = (size_t)hct_get(data + 16, 4);
    struct hct_block b;
    for (int i = 0; i < 3; i++) {
        assert_true(hct_block_unpack(data + off, &b));
        off += i < 2 ? HCT_BLOCK_HEAD + b.stored_bytes : 0;
    }
    for (int i = 0; i < 2; i++) {
        data[off + (i ? 9 : 60)] ^= 4;
        FILE *f = fmemopen(data, bytes, "rb");
        assert_int_equal(hct_open_stream(f, "memory", &r, NULL), HCT_OK);
        enum hct_status st = HCT_OK;
        uint64_t told = 0;
        while ((st = hct_next_op(r, &op)) != HCT_END) {
            assert_true(st == HCT_OK || st == HCT_DAMAGED);
            told += st == HCT_DAMAGED;
        }
        assert_int_equal(told, 1);
        assert_int_equal(hct_loss(r)->gaps, 1);
        assert_int_equal(hct_loss(r)->blocks, 1);
        assert_int_equal(hct_loss(r)->records, b.records);
        assert_int_equal(hct_loss(r)->first_bad_offset, off);
        assert_int_equal(hct_loss(r)->bytes, HCT_BLOCK_HEAD + b.stored_bytes);
        assert_int_equal(hct_loss(r)->orphan_deps, 1); /* the op behind the gap */
        assert_false(hct_loss(r)->truncated);
        assert_non_null(strstr(hct_loss_text(r, text, sizeof text), "1 block,"));
        hct_close(r);
    }
    free(data);
    (void)unlink(temp_path(0));
}

static void a_damaged_resource_block_leaves_out_what_names_it(void **state)
{
    (void)state;
    size_t bytes = 0;
    hct_reader *r = NULL;
    struct hct_op op;
    make_trace(temp_path(0), 300, 4096);
    uint8_t *data = slurp(temp_path(0), &bytes);
    data[hct_get(data + 16, 4) + 60] ^= 1; /* first block: all resources */

    FILE *f = fmemopen(data, bytes, "rb");
    assert_int_equal(hct_open_stream(f, "memory", &r, NULL), HCT_OK);
    assert_int_equal(hct_next_op(r, &op), HCT_DAMAGED);
    assert_int_equal(hct_next_op(r, &op), HCT_END);
    assert_true(hct_loss(r)->orphan_ops > 200);
    hct_close(r);
    free(data);
    (void)unlink(temp_path(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_at_any_byte_leaves_only_whole_blocks),
        cmocka_unit_test(a_flipped_bit_is_detected_or_harmless),
        cmocka_unit_test(loss_names_blocks_records_and_offset),
        cmocka_unit_test(a_damaged_resource_block_leaves_out_what_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
