/* Message sizes:
 *   size: 4096                                   always the same
 *   size: [64, 4096]                             each in turn
 *   size: {uniform: [1, 65536]}                  each whole number as likely
 *   size: {choice: {64: 90, 4096: 10}}           by weight
 *   size: {lognormal: {median: 1000, sigma: 1.5, max: 1048576}}
 *   size: {cdf: websearch.cdf}                   file: lines "bytes probability", both rising,
 *                                                the last probability 1, linear between */
#include "traces/gen_size.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "traces/hct_schema.h"

enum { CDF_LINE_BYTES = 256 };

static const struct gy_row one_size = {
    .key = "size", .kind = GY_BYTES, .lo = 0, .hi = HCT_MSG_BYTES_MAX};

/* A size as its own row reads it, also inside lists and as key of a choice. */
static bool read_one(struct gy *y, yaml_node_t *v, uint32_t *out)
{
    uint64_t value = 0;
    if (!gy_value(y, v, &one_size, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

/* [64, 4096]: each in turn. A single number is a list of one. */
static bool read_cycle(struct gy *y, yaml_node_t *v, struct sizes *s)
{
    const size_t n = gy_items(v);
    if (n == 0 || n > SIZE_POINTS_MAX) {
        return gy_fail(y, v, "size: a list of 1..%d sizes is needed", SIZE_POINTS_MAX);
    }
    s->kind = SIZE_CYCLE;
    s->points = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!read_one(y, gy_item(y, v, i), &s->bytes[i])) {
            return false;
        }
        s->max = s->bytes[i] > s->max ? s->bytes[i] : s->max;
    }
    return true;
}

static bool read_uniform(struct gy *y, yaml_node_t *v, struct sizes *s)
{
    if (gy_items(v) != 2 || !read_cycle(y, v, s)) {
        return gy_items(v) == 2 ? false : gy_fail(y, v, "uniform: write [lowest, highest]");
    }
    s->kind = SIZE_UNIFORM;
    return s->bytes[0] <= s->bytes[1] ||
           gy_fail(y, v, "uniform: %u is above %u: write [lowest, highest]", s->bytes[0],
                   s->bytes[1]);
}

/* Running sums of the weights: a size is then found by binary search. */
static bool read_choice(struct gy *y, yaml_node_t *v, struct sizes *s)
{
    yaml_node_t *key = NULL;
    yaml_node_t *weight = NULL;
    uint64_t sum = 0;
    size_t n = 0;

    s->kind = SIZE_CHOICE;
    for (; gy_pair(y, v, n, &key, &weight); n++) {
        const struct gy_row row = {.key = "weight", .kind = GY_NUMBER, .lo = 1, .hi = 1000000};
        uint64_t w = 0;
        if (n == SIZE_POINTS_MAX || !read_one(y, key, &s->bytes[n]) ||
            !gy_value(y, weight, &row, &w)) {
            return n == SIZE_POINTS_MAX ? gy_fail(y, v, "choice: at most %d sizes", SIZE_POINTS_MAX)
                                        : false;
        }
        sum += w;
        s->weight[n] = sum;
        s->max = s->bytes[n] > s->max ? s->bytes[n] : s->max;
    }
    s->points = (uint32_t)n;
    return n > 0 || gy_fail(y, v, "choice: write {bytes: weight, ...}");
}

/* log2 of the median is kept, as the generator works with powers of 2. */
static bool read_lognormal(struct gy *y, yaml_node_t *v, struct sizes *s)
{
    struct {
        uint64_t median, sigma, max;
    } in = {.max = HCT_MSG_BYTES_MAX};
    static const struct gy_row rows[] = {
        {"median", GY_BYTES, 0, 1, HCT_MSG_BYTES_MAX, 0, 0},
        {"sigma", GY_Q32, 8, 0, 10, 0, 0},
        {"max", GY_BYTES, 16, 1, HCT_MSG_BYTES_MAX, 0, 0},
    };
    uint64_t seen = 0;

    if (!gy_map(y, v, rows, 3, &in, &seen)) {
        return false;
    }
    if ((seen & 3) != 3 || in.median > in.max) {
        return gy_fail(y, v, "lognormal: needs median and sigma, and a median not above max");
    }
    s->kind = SIZE_LOGNORMAL;
    s->median_log2_q32 = fx_log2(in.median);
    s->sigma_q32 = in.sigma;
    s->max = (uint32_t)in.max;
    return true;
}

/* One line "bytes probability"; empty lines and # comments give *got = false. */
static bool cdf_line(char *line, uint64_t *bytes, uint64_t *probability, bool *got)
{
    char *rest = NULL;

    line[strcspn(line, "#\r\n")] = 0;
    const char *first = strtok_r(line, " \t,", &rest);
    *got = first != NULL;
    if (!first) {
        return true;
    }
    const char *second = strtok_r(NULL, " \t,", &rest);
    return second && !strtok_r(NULL, " \t,", &rest) && gy_digits(first, true, bytes) &&
           gy_q32(second, probability);
}

static bool cdf_fail(struct gy *y, const char *path, unsigned line, const char *what)
{
    (void)hct_fail(y->err, HCT_USAGE, "%s:%u: %s", path, line, what);
    return false;
}

/* Lines longer than the buffer are refused rather than read in two. */
static bool cdf_points(struct gy *y, FILE *f, const char *path, struct sizes *s)
{
    char line[CDF_LINE_BYTES];
    unsigned number = 0;

    while (fgets(line, sizeof line, f)) {
        uint64_t bytes = 0;
        uint64_t probability = 0;
        bool got = false;
        number++;
        if (!strchr(line, '\n') && !feof(f)) {
            return cdf_fail(y, path, number, "the line is longer than 254 bytes");
        }
        if (!cdf_line(line, &bytes, &probability, &got)) {
            return cdf_fail(y, path, number, "not \"bytes probability\", such as 4096 0.75");
        }
        if (!got) {
            continue;
        }
        const uint32_t n = s->points;
        if (n == SIZE_POINTS_MAX) {
            return cdf_fail(y, path, number, "more than 1024 points");
        }
        if (bytes > HCT_MSG_BYTES_MAX || probability > 1ull << 32 ||
            (n && (bytes < s->bytes[n - 1] || probability < s->weight[n - 1]))) {
            return cdf_fail(y, path, number,
                            "bytes (0..2^31) and probability (0..1) must not fall");
        }
        s->bytes[n] = (uint32_t)bytes;
        s->weight[n] = probability;
        s->points++;
    }
    if (ferror(f) || s->points == 0 || s->weight[s->points - 1] != 1ull << 32) {
        return cdf_fail(y, path, number, "the last probability must be 1");
    }
    s->max = s->bytes[s->points - 1];
    return true;
}

static bool read_cdf(struct gy *y, yaml_node_t *v, const char *folder, struct sizes *s)
{
    char path[1024];
    const char *name = gy_text(v);

    if (!name || !folder) {
        return gy_fail(y, v, "cdf: %s", folder ? "a file name is needed" : "no files can be read");
    }
    const int bytes = snprintf(path, sizeof path, "%s%s", name[0] == '/' ? "" : folder, name);
    if (bytes < 0 || (size_t)bytes >= sizeof path) {
        return gy_fail(y, v, "cdf: the path is longer than %zu bytes", sizeof path - 1);
    }
    FILE *f = fopen(path, "r");
    if (!f) {
        const int no = errno;
        return gy_fail(y, v, "cdf: cannot open %.200s: %s", path, strerror(no));
    }
    s->kind = SIZE_CDF;
    s->points = 0;
    const bool ok = cdf_points(y, f, path, s);
    (void)fclose(f);
    return ok;
}

/* The form is told by the node: scalar, list, or a mapping with one key. */
bool gen_read_size(struct gy *y, yaml_node_t *v, const char *folder, struct sizes *out)
{
    yaml_node_t *key = NULL;
    yaml_node_t *value = NULL;
    yaml_node_t *more = NULL;

    *out = (struct sizes){.points = 1};
    if (gy_text(v)) {
        if (!read_one(y, v, &out->bytes[0])) {
            return false;
        }
        out->max = out->bytes[0];
        return true;
    }
    if (gy_items(v)) {
        return read_cycle(y, v, out);
    }
    const char *form = gy_pair(y, v, 0, &key, &value) ? gy_text(key) : NULL;
    if (form && !gy_pair(y, v, 1, &more, &more)) {
        if (strcmp(form, "uniform") == 0) {
            return read_uniform(y, value, out);
        }
        if (strcmp(form, "choice") == 0) {
            return read_choice(y, value, out);
        }
        if (strcmp(form, "lognormal") == 0) {
            return read_lognormal(y, value, out);
        }
        if (strcmp(form, "cdf") == 0) {
            return read_cdf(y, value, folder, out);
        }
    }
    return gy_fail(y, v, "size: a number, a list, or one of uniform, choice, lognormal, cdf");
}
