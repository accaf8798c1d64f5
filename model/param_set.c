/* Setting one parameter from text: strict parsing, range, allowed values, origin.
 *
 * libyaml and strtoull accept more than a user means (-5 wraps, 012 is octal, 64k is 64), so
 * numbers are read here, digit by digit. */
#include "model/param.h"
#include "model/param_rule.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

void hca_error_set(struct hca_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
}

const char *hca_quote(const char *text, char *buf, size_t size)
{
    const size_t len = strlen(text);
    size_t n = 0;
    for (; n < len && n + 4 < size; n++) {
        const unsigned char ch = (unsigned char)text[n];
        buf[n] = ch < 0x20 || ch >= 0x7f ? '?' : (char)ch;
    }
    (void)snprintf(buf + n, size - n, "%s", n < len ? "..." : "");
    return buf;
}

/* What a text given for an integer turned out to be. */
enum number {
    NUMBER_OK,
    NUMBER_EMPTY,
    NUMBER_NEGATIVE,
    NUMBER_ZERO_LED,
    NUMBER_SUFFIX, /* digits, then letters: 64k */
    NUMBER_FRACTION,
    NUMBER_HUGE,
    NUMBER_NONE,
};

/* Value of a hexadecimal digit, 16 for anything else. */
static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (unsigned)(c - 'a') + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return (unsigned)(c - 'A') + 10;
    }
    return 16;
}

/* Why the rest of a number is not digits. */
static enum number tail_of(const char *rest)
{
    if (rest[0] == '.' || ((rest[0] == 'e' || rest[0] == 'E') && digit_of(rest[1]) < 10)) {
        return NUMBER_FRACTION;
    }
    return isalpha((unsigned char)rest[0]) ? NUMBER_SUFFIX : NUMBER_NONE;
}

static enum number read_number(const char *text, uint64_t *value)
{
    if (text[0] == '\0') {
        return NUMBER_EMPTY;
    }
    if (text[0] == '-') {
        return digit_of(text[1]) < 10 ? NUMBER_NEGATIVE : NUMBER_NONE;
    }
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const unsigned base = hex ? 16 : 10;
    const char *at = hex ? text + 2 : text;
    if (digit_of(*at) >= base) {
        return NUMBER_NONE;
    }
    if (!hex && at[0] == '0' && digit_of(at[1]) < 10) {
        return NUMBER_ZERO_LED;
    }
    uint64_t sum = 0;
    bool huge = false;
    for (; digit_of(*at) < base; at++) {
        const uint64_t digit = digit_of(*at);
        huge = huge || sum > (UINT64_MAX - digit) / base;
        sum = sum * base + digit;
    }
    *value = sum;
    if (*at != '\0') {
        return hex ? NUMBER_NONE : tail_of(at);
    }
    return huge ? NUMBER_HUGE : NUMBER_OK;
}

/* The end of most messages: where the parameter is described. */
static const char *see(const struct hca_param_row *row, char *buf, size_t size)
{
    (void)snprintf(buf, size, "see docs/reference/params.md#%s-%s", row->group, row->name);
    return buf;
}

enum { SHOWN_MAX = 48, SEE_MAX = 128 };

static bool refuse(const struct hca_param_row *row, const char *text, const char *place,
                   const char *what, const char *why, struct hca_error *err)
{
    char shown[SHOWN_MAX];
    char pointer[SEE_MAX];
    hca_error_set(err, "%s: %s = %s: %s (%s); %s", place, row->key,
                  hca_quote(text, shown, sizeof shown), what, why,
                  see(row, pointer, sizeof pointer));
    return false;
}

/* Text after "maximum is": the bound with its unit. */
static bool refuse_bound(const struct hca_param_row *row, const char *text, const char *place,
                         const char *side, uint64_t bound, struct hca_error *err)
{
    char what[96];
    (void)snprintf(what, sizeof what, "%s is %llu", side, (unsigned long long)bound);
    char why[256];
    (void)snprintf(why, sizeof why, "%s, in %s", row->doc, row->unit);
    return refuse(row, text, place, what, why, err);
}

static bool refuse_number(const struct hca_param_row *row, const char *text, const char *place,
                          enum number problem, struct hca_error *err)
{
    static const char *const what[] = {
        [NUMBER_EMPTY] = "no value",
        [NUMBER_ZERO_LED] = "leading zero: write decimal without it or hexadecimal with 0x",
        [NUMBER_SUFFIX] = "suffixes are not read: write the whole number",
        [NUMBER_FRACTION] = "not an integer: write the whole number",
        [NUMBER_NONE] = "not a number: write decimal digits, or 0x and hexadecimal digits",
    };
    if (problem == NUMBER_NEGATIVE) {
        return refuse_bound(row, text, place, "minimum", row->min, err);
    }
    if (problem == NUMBER_HUGE) {
        return refuse_bound(row, text, place, "maximum", row->max, err);
    }
    char why[96];
    (void)snprintf(why, sizeof why, "an integer in %s", row->unit);
    return refuse(row, text, place, what[problem], why, err);
}

static bool read_integer(const struct hca_param_row *row, const char *text, const char *place,
                         uint64_t *value, struct hca_error *err)
{
    const enum number problem = read_number(text, value);
    if (problem != NUMBER_OK) {
        return refuse_number(row, text, place, problem, err);
    }
    if (*value < row->min) {
        return refuse_bound(row, text, place, "minimum", row->min, err);
    }
    if (*value > row->max) {
        return refuse_bound(row, text, place, "maximum", row->max, err);
    }
    char what[96];
    const char *why = hca_param_refused(row, *value, what, sizeof what);
    return why == NULL || refuse(row, text, place, what, why, err);
}

static bool read_token(const struct hca_param_row *row, const char *text, const char *place,
                       uint64_t *value, struct hca_error *err)
{
    if (hca_param_token(row, text, value)) {
        return true;
    }
    char what[96];
    (void)snprintf(what, sizeof what, "must be %s", row->tokens);
    return refuse(row, text, place, text[0] == '\0' ? "no value" : what, row->doc, err);
}

/* Finds the row of a key, or says that there is none. */
static const struct hca_param_row *need_row(const char *key, const char *place,
                                            struct hca_error *err)
{
    const struct hca_param_row *row = hca_param_find(key, strlen(key));
    if (row != NULL) {
        return row;
    }
    char shown[SHOWN_MAX];
    const struct hca_param_row *near = hca_param_nearest(key);
    if (near != NULL) {
        hca_error_set(err, "%s: unknown parameter '%s'; did you mean '%s'?", place,
                      hca_quote(key, shown, sizeof shown), near->key);
    } else {
        hca_error_set(err, "%s: unknown parameter '%s'; hcasim params lists all", place,
                      hca_quote(key, shown, sizeof shown));
    }
    return NULL;
}

/* Copies a place; of one too long the end stays, which holds file name and line. */
static void keep_tail(char *buf, size_t size, const char *place)
{
    const size_t len = strlen(place);
    (void)snprintf(buf, size, "%s%s", len < size ? "" : "...",
                   len < size ? place : place + len - (size - sizeof "..."));
}

bool hca_config_set(struct hca_config *c, const char *key, const char *text, const char *place,
                    const char *origin, struct hca_error *err)
{
    const struct hca_param_row *row = need_row(key, place, err);
    uint64_t value = 0;
    if (row == NULL || !(row->kind == HCA_PARAM_INT ? read_integer(row, text, place, &value, err)
                                                    : read_token(row, text, place, &value, err))) {
        return false;
    }
    hca_param_put(&c->value, row, value);
    struct hca_origin *o = &c->origin[hca_param_index(row)];
    keep_tail(o->place, sizeof o->place, origin);
    o->source_class = HCA_SOURCE_ASSUMED;
    (void)snprintf(o->source, sizeof o->source, "set by %s", origin);
    return true;
}

bool hca_config_set_argument(struct hca_config *c, const char *argument, struct hca_error *err)
{
    const char *equals = strchr(argument, '=');
    char shown[SHOWN_MAX];
    char key[SHOWN_MAX * 2];
    if (equals == NULL || equals == argument) {
        hca_error_set(err, "--set: '%s': write key=value, as in --set hca.qp_max=1024",
                      hca_quote(argument, shown, sizeof shown));
        return false;
    }
    const size_t len = (size_t)(equals - argument);
    (void)snprintf(key, sizeof key, "%.*s", len < sizeof key ? (int)len : (int)sizeof key - 1,
                   argument);
    return hca_config_set(c, key, equals + 1, "--set", "--set", err);
}

bool hca_config_source(struct hca_config *c, const char *key, const char *text, const char *place,
                       struct hca_error *err)
{
    const struct hca_param_row *row = need_row(key, place, err);
    if (row == NULL) {
        return false;
    }
    struct hca_origin *o = &c->origin[hca_param_index(row)];
    for (enum hca_source s = HCA_SOURCE_SPEC; s < HCA_SOURCES; s++) {
        const char *name = hca_source_name(s);
        const size_t len = strlen(name);
        if (strncmp(text, name, len) == 0 && text[len] == ':' && text[len + 1] == ' ' &&
            text[len + 2] != '\0') {
            o->source_class = s;
            (void)snprintf(o->source, sizeof o->source, "%s", text + len + 2);
            return true;
        }
    }
    char shown[SHOWN_MAX];
    hca_error_set(err,
                  "%s: source of %s = '%s': must be 'SPEC: document, clause', "
                  "'MEASURED: file or publication' or 'ASSUMED: why'",
                  place, row->key, hca_quote(text, shown, sizeof shown));
    return false;
}
