/* Strict reading of small YAML files into structs (internal to traces/).
 *
 * A mapping is read by a table of its keys. An unknown key, a key twice, a value of the wrong kind
 * or out of range is an error "file:line: what, bound, remedy", with the nearest known key. */
#pragma once

#include <stddef.h>
#include <yaml.h>

#include "traces/hct.h"

enum { GY_FILE_BYTES_MAX = 65536, GY_BRACKETS_MAX = 4096 };

struct gy {
    const char *file;
    yaml_document_t doc;
    struct hct_error *err;
};

enum gy_kind {
    GY_NUMBER, /* uint64_t lo..hi, decimal digits                                       */
    GY_BYTES,  /* the same, with an optional suffix K, M, G, KiB, MiB, GiB (all binary) */
    GY_Q32,    /* decimal fraction lo..hi, stored as number * 2^32 in a uint64_t        */
    GY_BOOL,   /* true or false as 1 or 0 in a uint64_t                                 */
    GY_WORD,   /* one word of `words` ("enum a b c") as its number in a uint64_t        */
    GY_TEXT,   /* char[HCT_TEXT_BYTES]                                                  */
    GY_CALL    /* anything: `call` reads it                                             */
};

struct gy_row {
    const char *key;
    enum gy_kind kind;
    size_t off; /* of the field in the struct */
    uint64_t lo, hi;
    const char *words;
    bool (*call)(struct gy *y, yaml_node_t *value, void *into);
};

/* Parses one document. False with err set. gy_close after success. */
bool gy_open(struct gy *y, const char *file, const char *text, size_t bytes, struct hct_error *err);
void gy_close(struct gy *y);
yaml_node_t *gy_root(struct gy *y);

/* Reads a mapping by `rows`; bit i of *seen is set when row i occurred. */
bool gy_map(struct gy *y, yaml_node_t *map, const struct gy_row *rows, size_t n, void *into,
            uint64_t *seen);

/* One value of a kind, as a row would read it; `what` names it in messages. */
bool gy_value(struct gy *y, yaml_node_t *value, const struct gy_row *row, void *into);

/* Item i of a sequence, NULL behind its end; number of items; both 0 for other nodes. */
yaml_node_t *gy_item(struct gy *y, const yaml_node_t *sequence, size_t i);
size_t gy_items(const yaml_node_t *sequence);
/* Pair i of a mapping; false behind its end. */
bool gy_pair(struct gy *y, const yaml_node_t *map, size_t i, yaml_node_t **key,
             yaml_node_t **value);
/* Text of a scalar, NULL for other nodes. */
const char *gy_text(const yaml_node_t *node);

/* "file:line: message" into err; returns false. */
bool gy_fail(struct gy *y, const yaml_node_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Decimal digits with at most one point into Q32; false unless all of `text` is used and it is
 * below 2^31. Nine digits behind the point count. */
bool gy_q32(const char *text, uint64_t *out);
/* Digits, with an optional binary suffix when `suffix`; false unless all of `text` is used. */
bool gy_digits(const char *text, bool suffix, uint64_t *out);
