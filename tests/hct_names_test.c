/* Properties of names, patterns, provenance masks, and of the format page. */
#include "tests/hct_make.h"
#include "tests/hct_rows.h"
#include "traces/hct_schema.h"

static void names_and_numbers_are_inverse(void **state)
{
    (void)state;
    char name[128];
    for (uint32_t i = 0; i < HCT_KIND_COUNT; i++) {
        assert_int_equal(hct_number(hct_text_kind, hct_name(hct_text_kind, i, name, sizeof name)),
                         i);
    }
    assert_string_equal(hct_name(hct_text_kind, 200, name, sizeof name), "200");
    assert_string_equal(hct_name(hct_text_op_flags, 0, name, sizeof name), "0");
    assert_string_equal(
        hct_name(hct_text_op_flags, HCT_SIGNALED | HCT_FENCE | 1u << 20, name, sizeof name),
        "signaled+fence+0x100000");
    assert_int_equal(hct_number(hct_text_op_flags, "more"), HCT_MORE);
    assert_int_equal(hct_number(hct_text_wc, "RNR_RETRY_EXC_ERR"), HCT_WC_RNR_RETRY_EXC_ERR);
    assert_int_equal(hct_number(hct_text_wc, "RNR_RETRY"), -1);
    assert_int_equal(HCT_WC_RNR_RETRY_EXC_ERR, 13); /* as in verbs */
    assert_int_equal(HCT_WC_GENERAL_ERR, 21);
}

/* Bit rows of names.def must be numbered in their order: the schema text numbers them by place. */
static void bits_lie_where_the_schema_text_says(void **state)
{
    (void)state;
    char name[64];
#define ENUM(list)
#define E(c, word, doc)
#define ENUM_END(list, count)
#define BITS(list) \
    {              \
        const char *text = hct_text_##list;
#define B(c, bit, word, doc) assert_string_equal(hct_name(text, c, name, sizeof name), #word);
#define BITS_END(list)       }
#include "traces/names.def"
#undef ENUM
#undef E
#undef ENUM_END
#undef BITS
#undef B
#undef BITS_END
}

static void any_part_of_a_pattern_can_be_made_alone(void **state)
{
    (void)state;
    uint8_t whole[200];
    uint8_t part[200];
    hct_pattern(1234567, 0, whole, sizeof whole);
    /* splitmix64 from 1234567: 6457827717110365317 first (vector of the public-domain original). */
    assert_int_equal(hct_get(whole, 8), 6457827717110365317ull);
    for (size_t off = 0; off < 40; off++) {
        for (size_t len = 0; len < 40; len++) {
            hct_pattern(1234567, off, part, len);
            assert_memory_equal(part, whole + off, len);
        }
    }
}

static void provenance_counts_only_fields_that_mean_something(void **state)
{
    (void)state;
    const struct hct_op write = make_write(0, 8);
    struct hct_op recv = hct_op_none();
    recv.kind = HCT_RECV;
    assert_true(hct_op_fields(&write) & HCT_REC_REMOTE);
    assert_false(hct_op_fields(&write) & (HCT_REC_IMM | HCT_REC_DEP | HCT_REC_ATOMIC));
    assert_false(hct_op_fields(&recv) & (HCT_REC_PAYLOAD | HCT_REC_REMOTE));
    recv.dep_count = 1;
    assert_true(hct_op_fields(&recv) & HCT_REC_DEP);
}

static void every_record_type_has_a_unique_rising_id_and_fields(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < hct_builtins; i++) {
        assert_true(hct_builtin[i].fields > 0);
        assert_true(i == 0 || hct_builtin[i].id > hct_builtin[i - 1].id);
        assert_true(hct_builtin[i].id < HCT_TYPE_EVENT0);
        assert_ptr_equal(hct_builtin_type(hct_builtin[i].id), &hct_builtin[i]);
    }
}

static void line_must_stand(const char *line, void *arg)
{
    char whole[HCT_ROW_BYTES + 2];
    (void)snprintf(whole, sizeof whole, "\n%s\n", line);
    if (!strstr(arg, whole)) {
        fail_msg("traces/FORMAT.md lacks the line:%s", whole);
    }
}

static void the_format_page_has_every_record_and_field(void **state)
{
    (void)state;
    size_t bytes = 0;
    char *page = (char *)slurp(HCA_SOURCE_DIR "/traces/FORMAT.md", &bytes);
    page[bytes] = 0;
    hct_format_rows(line_must_stand, page);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_inverse),
        cmocka_unit_test(bits_lie_where_the_schema_text_says),
        cmocka_unit_test(any_part_of_a_pattern_can_be_made_alone),
        cmocka_unit_test(provenance_counts_only_fields_that_mean_something),
        cmocka_unit_test(every_record_type_has_a_unique_rising_id_and_fields),
        cmocka_unit_test(the_format_page_has_every_record_and_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
