/* Properties of the generator's numbers: vectors, errors, distributions, sizes. */
#include "tests/hct_make.h"

#include "traces/gen.h"

/* ---- arithmetic and random numbers ---- */

static void pcg32_gives_the_numbers_of_its_author(void **state)
{
    (void)state;
    /* pcg32-demo of the reference implementation: seed 42, sequence 54. */
    static const uint32_t want[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330,
                                    0x83d2f293, 0xbfa4784b, 0xcbed606e};
    struct pcg p;
    pcg_seed(&p, 42, 54);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(pcg_next(&p), want[i]);
    }
}

static void fixed_point_functions_keep_their_stated_errors(void **state)
{
    (void)state;
    struct pcg p;
    pcg_seed(&p, 1, 1);
    assert_int_equal(fx_mul(UINT64_MAX, UINT64_MAX, 64), UINT64_MAX - 1);
    assert_int_equal(fx_mul(UINT64_MAX, UINT64_MAX, 127), 1);
    assert_int_equal(fx_mul(3, 5, 0), 15);
    assert_int_equal(fx_mul(1ull << 40, 1ull << 40, 32), 1ull << 48);
    for (uint64_t k = 0; k < 64; k++) {
        assert_int_equal(fx_log2(1ull << k), k << 32);
    }
    /* log2 3 and log2 10 times 2^32, rounded down */
    assert_true(6807362105u - fx_log2(3) < 64);
    assert_true(14267572527u - fx_log2(10) < 64);
    for (int i = 0; i < 10000; i++) {
        const uint64_t x = pcg_u64(&p) >> pcg_below(&p, 64);
        const uint64_t root = fx_sqrt(x);
        assert_true(root * root <= x);
        assert_true(root == UINT32_MAX || (root + 1) * (root + 1) > x);
        const uint64_t y = 1 + (x >> 18); /* 1..2^46 */
        const uint64_t back = fx_exp2_q16(fx_log2(y));
        const uint64_t error = back > y << 16 ? back - (y << 16) : (y << 16) - back;
        assert_true(error <= (y >> 6) + 1); /* 2^-22 of y in Q16 */
    }
}

static void uniform_numbers_fill_their_range_evenly(void **state)
{
    (void)state;
    uint32_t count[7] = {0};
    struct pcg p;
    pcg_seed(&p, 3, 5);
    for (int i = 0; i < 70000; i++) {
        count[pcg_below(&p, 7)]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(count[i], 9600, 10400); /* 4.3 deviations */
    }
    assert_int_equal(pcg_below(&p, 1), 0);
}

static void exponential_numbers_have_mean_one_and_the_right_tail(void **state)
{
    (void)state;
    enum { N = 200000 };
    uint64_t sum = 0;
    uint32_t above1 = 0;
    uint32_t above3 = 0;
    struct pcg p;
    pcg_seed(&p, 4, 5);
    for (int i = 0; i < N; i++) {
        const uint64_t e = pcg_exponential(&p);
        sum += e >> 12; /* Q20 */
        above1 += e > 1ull << 32;
        above3 += e > 3ull << 32;
    }
    assert_in_range(sum / N, 1038090, 1059062);      /* 1 +- 1 % in Q20   */
    assert_in_range(above1, N * 0.362, N * 0.374);   /* e^-1 = 0.3679     */
    assert_in_range(above3, N * 0.0475, N * 0.0521); /* e^-3 = 0.0498     */
}

static void normal_numbers_have_the_right_quantiles(void **state)
{
    (void)state;
    enum { N = 200000 };
    uint32_t in1 = 0;
    uint32_t in2 = 0;
    uint32_t positive = 0;
    uint32_t far = 0;
    struct pcg p;
    pcg_seed(&p, 6, 5);
    for (int i = 0; i < N; i++) {
        const int64_t z = pcg_normal(&p);
        const uint64_t size = (uint64_t)(z < 0 ? -z : z);
        positive += z > 0;
        in1 += size < 1ull << 32;
        in2 += size < 2ull << 32;
        far += size > 3ull << 32;
    }
    assert_in_range(positive, N * 0.494, N * 0.506);
    assert_in_range(in1, N * 0.677, N * 0.688);   /* 0.6827 */
    assert_in_range(in2, N * 0.951, N * 0.958);   /* 0.9545 */
    assert_in_range(far, N * 0.0021, N * 0.0033); /* 0.0027 */
}

static void zipf_ranks_fall_with_their_exponent_and_are_scattered(void **state)
{
    (void)state;
    enum { N = 400000, KEYS = 1000 };
    static uint32_t count[KEYS];
    struct zipf z;
    struct pcg p;
    pcg_seed(&p, 7, 5);
    assert_true(zipf_init(&z, KEYS, 1ull << 32)); /* theta 1: P(k) = 1 / (k H), H = 7.485 */
    for (int i = 0; i < N; i++) {
        const uint32_t k = zipf_next(&z, &p);
        assert_true(k < KEYS);
        count[k]++;
    }
    const uint32_t second = z.step;
    assert_true(second > 1 && second < KEYS - 1); /* not beside the first */
    assert_in_range(count[0], N * 0.1303, N * 0.1369);
    assert_in_range(count[second], N * 0.0645, N * 0.0691);
    for (int i = 0; i < KEYS; i++) {
        assert_true(count[i] > 0); /* the step visits every value */
    }
    zipf_free(&z);
    assert_true(zipf_init(&z, 1, 8ull << 32));
    assert_int_equal(zipf_next(&z, &p), 0);
    zipf_free(&z);
}

/* ---- sizes, through the parser ---- */

static enum hct_status parse(const char *text, struct gen_spec *spec, struct hct_error *err)
{
    return gen_parse("spec.yaml", text, strlen(text), NULL, spec, err);
}

static struct sizes sizes_of(const char *size)
{
    char text[512];
    struct gen_spec spec;
    struct hct_error err;
    (void)snprintf(text, sizeof text, "flows: [{size: %s}]", size);
    if (parse(text, &spec, &err) != HCT_OK) {
        fail_msg("%s", err.text);
    }
    const struct sizes s = spec.flow[0].size;
    gen_spec_free(&spec);
    return s;
}

static void sizes_follow_their_distribution(void **state)
{
    (void)state;
    enum { N = 40000 };
    struct pcg p;
    pcg_seed(&p, 8, 5);

    struct sizes s = sizes_of("[64, 4K, 1M]");
    for (int i = 0; i < 6; i++) {
        static const uint32_t want[] = {64, 4096, 1048576};
        assert_int_equal(sizes_next(&s, &p), want[i % 3]);
    }
    s = sizes_of("{uniform: [10, 19]}");
    uint32_t tens = 0;
    for (int i = 0; i < N; i++) {
        const uint32_t x = sizes_next(&s, &p);
        assert_in_range(x, 10, 19);
        tens += x == 10;
    }
    assert_in_range(tens, N * 0.093, N * 0.107);
    s = sizes_of("{choice: {64: 90, 4096: 10}}");
    uint32_t small = 0;
    for (int i = 0; i < N; i++) {
        small += sizes_next(&s, &p) == 64;
    }
    assert_in_range(small, N * 0.893, N * 0.907);
    s = sizes_of("{lognormal: {median: 1000, sigma: 1, max: 20000}}");
    uint32_t below = 0;
    uint32_t one_sigma = 0;
    uint32_t most = 0;
    for (int i = 0; i < N; i++) {
        const uint32_t x = sizes_next(&s, &p);
        assert_in_range(x, 1, 20000);
        below += x < 1000;
        one_sigma += x < 2718; /* e times the median: 0.8413 */
        most += x == 20000;    /* ln 20 = 3.0 sigma: 0.0014  */
    }
    assert_in_range(below, N * 0.49, N * 0.51);
    assert_in_range(one_sigma, N * 0.834, N * 0.848);
    assert_in_range(most, N * 0.0007, N * 0.0022);
}

static void a_cdf_file_is_followed_between_its_points(void **state)
{
    (void)state;
    enum { N = 40000 };
    const char *name = strrchr(temp_path(3), '/') + 1;
    char text[256];
    struct gen_spec spec;
    struct hct_error err;
    struct pcg p;
    FILE *f = fopen(temp_path(3), "w");
    assert_non_null(f);
    (void)fputs("# bytes  probability\n100 0\n1100 0.5\n\n10000 1.0\n", f);
    (void)fclose(f);

    (void)snprintf(text, sizeof text, "flows: [{size: {cdf: %s}}]", name);
    assert_int_equal(gen_parse("s", text, strlen(text), HCA_TMP_DIR "/", &spec, &err), HCT_OK);
    uint32_t quarter = 0;
    uint32_t half = 0;
    pcg_seed(&p, 9, 5);
    for (int i = 0; i < N; i++) {
        const uint32_t x = sizes_next(&spec.flow[0].size, &p);
        assert_in_range(x, 100, 10000);
        quarter += x < 600;
        half += x < 1100;
    }
    assert_in_range(quarter, N * 0.243, N * 0.257);
    assert_in_range(half, N * 0.49, N * 0.51);
    gen_spec_free(&spec);

    static const struct {
        const char *lines, *says;
    } bad[] = {
        {"100 0.5\n", ":1: the last probability must be 1"},
        {"100 0.5\n50 1\n", ":2: bytes (0..2^31) and probability (0..1) must not fall"},
        {"100 0.5\nx 1\n", ":2: not \"bytes probability\""},
        {"100 1.5\n", ":1: bytes (0..2^31) and"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f = fopen(temp_path(3), "w");
        assert_non_null(f);
        (void)fputs(bad[i].lines, f);
        (void)fclose(f);
        assert_int_equal(gen_parse("s", text, strlen(text), HCA_TMP_DIR "/", &spec, &err),
                         HCT_USAGE);
        if (!strstr(err.text, bad[i].says) || !strstr(err.text, name)) {
            fail_msg("%s", err.text);
        }
    }
    (void)unlink(temp_path(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcg32_gives_the_numbers_of_its_author),
        cmocka_unit_test(fixed_point_functions_keep_their_stated_errors),
        cmocka_unit_test(uniform_numbers_fill_their_range_evenly),
        cmocka_unit_test(exponential_numbers_have_mean_one_and_the_right_tail),
        cmocka_unit_test(normal_numbers_have_the_right_quantiles),
        cmocka_unit_test(zipf_ranks_fall_with_their_exponent_and_are_scattered),
        cmocka_unit_test(sizes_follow_their_distribution),
        cmocka_unit_test(a_cdf_file_is_followed_between_its_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
