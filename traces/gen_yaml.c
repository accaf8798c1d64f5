/* Strict reading of small YAML files on libyaml's document interface. */
#include "traces/gen_yaml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "traces/hct_schema.h"

bool gy_fail(struct gy *y, const yaml_node_t *at, const char *format, ...)
{
    char text[320];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)hct_fail(y->err, HCT_USAGE, "%s:%zu: %s", y->file, at ? at->start_mark.line + 1 : 1,
                   text);
    return false;
}

/* libyaml gives problems without a file name and lines from 0. */
static bool parse(struct gy *y, yaml_parser_t *parser)
{
    yaml_document_t second;

    if (yaml_parser_load(parser, &y->doc)) {
        if (!yaml_document_get_root_node(&y->doc)) {
            (void)hct_fail(y->err, HCT_USAGE, "%s:1: the file is empty", y->file);
        } else if (!yaml_parser_load(parser, &second)) {
            (void)hct_fail(y->err, HCT_USAGE, "%s:%zu: %s", y->file, parser->problem_mark.line + 1,
                           parser->problem ? parser->problem : "not YAML");
        } else {
            const bool one = !yaml_document_get_root_node(&second);
            yaml_document_delete(&second);
            if (one) {
                return true;
            }
            (void)hct_fail(y->err, HCT_USAGE, "%s: more than one document: leave only one",
                           y->file);
        }
        yaml_document_delete(&y->doc);
        return false;
    }
    (void)hct_fail(y->err, HCT_USAGE, "%s:%zu: %s", y->file, parser->problem_mark.line + 1,
                   parser->problem ? parser->problem : "not YAML");
    return false;
}

bool gy_open(struct gy *y, const char *file, const char *text, size_t bytes, struct hct_error *err)
{
    yaml_parser_t parser;

    *y = (struct gy){.file = file, .err = err};
    if (bytes > GY_FILE_BYTES_MAX) {
        (void)hct_fail(err, HCT_USAGE, "%s: %zu bytes, at most %d", file, bytes, GY_FILE_BYTES_MAX);
        return false;
    }
    size_t brackets = 0;
    for (size_t i = 0; i < bytes; i++) {
        brackets += text[i] == '[' || text[i] == '{';
    }
    if (brackets > GY_BRACKETS_MAX) { /* libyaml's time grows with the square of open brackets */
        (void)hct_fail(err, HCT_USAGE, "%s: %zu of [ and {, at most %d", file, brackets,
                       GY_BRACKETS_MAX);
        return false;
    }
    if (!yaml_parser_initialize(&parser)) {
        (void)hct_fail(err, HCT_NOMEM, "%s: no memory for YAML", file);
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    const bool ok = parse(y, &parser);
    yaml_parser_delete(&parser);
    return ok;
}

void gy_close(struct gy *y)
{
    yaml_document_delete(&y->doc);
}

yaml_node_t *gy_root(struct gy *y)
{
    return yaml_document_get_root_node(&y->doc);
}

const char *gy_text(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

size_t gy_items(const yaml_node_t *sequence)
{
    if (!sequence || sequence->type != YAML_SEQUENCE_NODE) {
        return 0;
    }
    return (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

yaml_node_t *gy_item(struct gy *y, const yaml_node_t *sequence, size_t i)
{
    return i < gy_items(sequence)
               ? yaml_document_get_node(&y->doc, sequence->data.sequence.items.start[i])
               : NULL;
}

bool gy_pair(struct gy *y, const yaml_node_t *map, size_t i, yaml_node_t **key, yaml_node_t **value)
{
    if (!map || map->type != YAML_MAPPING_NODE ||
        map->data.mapping.pairs.start + i >= map->data.mapping.pairs.top) {
        return false;
    }
    *key = yaml_document_get_node(&y->doc, map->data.mapping.pairs.start[i].key);
    *value = yaml_document_get_node(&y->doc, map->data.mapping.pairs.start[i].value);
    return true;
}

/* ---- scalars ---- */

/* strtoull would take signs, spaces, hexadecimal and octal: all refused here. */
bool gy_digits(const char *text, bool suffix, uint64_t *out)
{
    uint64_t value = 0;
    const char *c = text;

    for (; *c >= '0' && *c <= '9'; c++) {
        if (value > (UINT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(*c - '0');
    }
    if (c == text || (text[0] == '0' && c - text > 1)) { /* 012 is octal to some YAML readers */
        return false;
    }
    if (suffix && *c) {
        const char *const units = "KMG";
        const char *unit = strchr(units, *c);
        const unsigned shift = unit ? (unsigned)(unit - units + 1) * 10 : 0;
        if (!unit || value > UINT64_MAX >> shift) {
            return false;
        }
        value <<= shift;
        c += strcmp(c + 1, "iB") == 0 ? 3 : 1;
    }
    *out = value;
    return *c == 0;
}

bool gy_q32(const char *text, uint64_t *out)
{
    char whole_text[24];
    const size_t digits = strcspn(text, ".");
    uint64_t whole = 0;
    uint64_t part = 0; /* of 10^9 */
    uint64_t place = 100000000;

    if (digits >= sizeof whole_text) {
        return false;
    }
    memcpy(whole_text, text, digits);
    whole_text[digits] = 0;
    if (!gy_digits(whole_text, false, &whole) || whole >= 1u << 31) {
        return false;
    }
    if (text[digits] == '.') {
        const char *c = text + digits + 1;
        for (; *c >= '0' && *c <= '9'; c++) {
            part += place * (uint64_t)(*c - '0');
            place /= 10;
        }
        if (*c || c == text + digits + 1) {
            return false;
        }
    }
    *out = (whole << 32) + (part << 32) / 1000000000u;
    return true;
}

/* Bounds stand in the message: the reader need not look them up. */
static bool read_number(struct gy *y, yaml_node_t *v, const struct gy_row *row, uint64_t *out)
{
    const char *text = gy_text(v);
    if (!gy_digits(text, row->kind == GY_BYTES, out) || *out < row->lo || *out > row->hi) {
        return gy_fail(y, v, "%s = %.40s: not a whole number in %" PRIu64 "..%" PRIu64 "%s",
                       row->key, text, row->lo, row->hi,
                       row->kind == GY_BYTES ? " (K, M, G allowed)" : "");
    }
    return true;
}

static bool read_q32(struct gy *y, yaml_node_t *v, const struct gy_row *row, uint64_t *out)
{
    const char *text = gy_text(v);
    if (!gy_q32(text, out) || *out < row->lo << 32 || *out > row->hi << 32) {
        return gy_fail(y, v, "%s = %.40s: not a number in %" PRIu64 "..%" PRIu64 ", such as 0.99",
                       row->key, text, row->lo, row->hi);
    }
    return true;
}

static bool read_word(struct gy *y, yaml_node_t *v, const struct gy_row *row, uint64_t *out)
{
    const char *text = gy_text(v);
    const char *words = row->kind == GY_BOOL ? "enum false true" : row->words;
    const int64_t n = hct_number(words, text);
    if (n < 0) {
        return gy_fail(y, v, "%s = %.40s: not one of:%s", row->key, text, words + 4);
    }
    *out = (uint64_t)n;
    return true;
}

static bool read_text(struct gy *y, yaml_node_t *v, const struct gy_row *row, char *to)
{
    const char *text = gy_text(v);
    const size_t bytes = strlen(text);
    if (bytes == 0 || bytes >= HCT_TEXT_BYTES) {
        return gy_fail(y, v, "%s: needs 1..%d bytes", row->key, HCT_TEXT_BYTES - 1);
    }
    memcpy(to, text, bytes + 1);
    return true;
}

/* Numbers are stored as u64 whatever the field means: one kind of store for all rows. */
bool gy_value(struct gy *y, yaml_node_t *value, const struct gy_row *row, void *into)
{
    uint64_t number = 0;
    bool ok = false;

    if (row->kind == GY_CALL) {
        return row->call(y, value, into);
    }
    if (!gy_text(value)) {
        return gy_fail(y, value, "%s: needs one value, not a list or mapping", row->key);
    }
    switch (row->kind) {
    case GY_NUMBER:
    case GY_BYTES: ok = read_number(y, value, row, &number); break;
    case GY_Q32: ok = read_q32(y, value, row, &number); break;
    case GY_TEXT: return read_text(y, value, row, (char *)into + row->off);
    default: ok = read_word(y, value, row, &number); break;
    }
    memcpy((char *)into + row->off, &number, sizeof number);
    return ok;
}

/* ---- mappings ---- */

/* Edit distance of two keys, at most 64 bytes each. Levenshtein: changes, additions and
 * omissions count 1 each. */
static size_t distance(const char *a, const char *b)
{
    size_t row[65];
    const size_t nb = strnlen(b, 64);

    for (size_t j = 0; j <= nb; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] && i < 64; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < nb; j++) {
            const size_t change = corner + (a[i] != b[j]);
            const size_t add = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            corner = row[j + 1];
            row[j + 1] = change < add ? change : add;
        }
    }
    return row[nb];
}

static bool unknown_key(struct gy *y, const yaml_node_t *at, const char *key,
                        const struct gy_row *rows, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = distance(key, rows[i].key) < distance(key, rows[best].key) ? i : best;
    }
    return gy_fail(y, at, "unknown key \"%.40s\"; the nearest is \"%s\"", key, rows[best].key);
}

bool gy_map(struct gy *y, yaml_node_t *map, const struct gy_row *rows, size_t n, void *into,
            uint64_t *seen)
{
    yaml_node_t *key = NULL;
    yaml_node_t *value = NULL;

    *seen = 0;
    if (!map || map->type != YAML_MAPPING_NODE) {
        return gy_fail(y, map, "a mapping \"key: value\" is needed here");
    }
    for (size_t i = 0; gy_pair(y, map, i, &key, &value); i++) {
        const char *name = gy_text(key);
        size_t k = 0;
        if (!name) {
            return gy_fail(y, key, "a key must be a plain word");
        }
        while (k < n && strcmp(rows[k].key, name) != 0) {
            k++;
        }
        if (k == n) {
            return unknown_key(y, key, name, rows, n);
        }
        if (*seen >> k & 1) {
            return gy_fail(y, key, "key \"%s\" twice: remove one", name);
        }
        *seen |= 1ull << k;
        if (!gy_value(y, value, &rows[k], into)) {
            return false;
        }
    }
    return true;
}
