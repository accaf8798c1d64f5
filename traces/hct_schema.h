/* Schema of an HCT file and the codec between records and C structs (internal to traces/).
 *
 * The tables for the record types of this version come from traces/record.def; those of a file are
 * parsed from its header, so that a reader knows names and widths of types it was not built with.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "traces/hct.h"

/* Widths beside those of enum hct_width. */
enum { HCT_W_TEXT = 6, HCT_W_BYTES = 7, HCT_W_LIST = 8, HCT_W_COUNT };

enum { HCT_TYPE_FIELDS_MAX = 256, HCT_TYPES_MAX = 2048, HCT_NAME_MAX = 255 };

#define HCT_TYPE_MUST \
    0x8000u /* bit of a type id: who does not know the type must refuse the file */
#define HCT_TYPE_EVENT0 0x0400u /* type id of event 0 */

struct hct_field {
    const char *name, *unit;
    uint8_t width;
    uint16_t element;        /* list: type id of its elements                      */
    uint16_t off, count_off; /* place in the C struct; of the length of text lists */
    uint16_t max;            /* list: most elements                                */
};

struct hct_type {
    const char *name, *doc;
    uint16_t id, fields;
    uint32_t struct_bytes; /* built-in types only */
    const struct hct_field *field;
};

enum {
#define RECORD(r, id, doc) HCT_ID_##r = id,
#define F(r, bits, name, unit, doc)
#define TEXT(r, name, doc)
#define BYTES(r, name, doc)
#define LIST(r, name, element, max, doc)
#define END(r)
#include "traces/record.def"
#undef RECORD
#undef F
#undef TEXT
#undef BYTES
#undef LIST
#undef END
};

/* The built-in types; NULL when this version has no such id. */
extern const struct hct_type hct_builtin[];
extern const uint32_t hct_builtins;
const struct hct_type *hct_builtin_type(uint16_t id);

/* A parsed schema: all strings and tables in one allocation. */
struct hct_schema {
    struct hct_type *type;
    uint32_t types;
    void *memory;
    uint16_t
        need[128]; /* by type id: fields that file and reader share; a record has all of them */
};

/* Appends the schema of `n` types to `to` (room for `size`); 0 when it does not fit. */
size_t hct_schema_pack(const struct hct_type *type, uint32_t n, uint8_t *to, size_t size);

/* Parses a schema and compares it with the built-in types. `name` is the file, for messages. */
enum hct_status hct_schema_parse(const char *name, const uint8_t *from, size_t bytes,
                                 struct hct_schema *out, struct hct_error *err);
void hct_schema_free(struct hct_schema *s);
const struct hct_type *hct_schema_type(const struct hct_schema *s, uint16_t id);

/* Record body of the struct `obj`; returns its length, or 0 when it is above HCT_RECORD_BYTES_MAX
 * or a list or text is too long. `to` has room for HCT_RECORD_BYTES_MAX bytes. */
size_t hct_encode(const struct hct_type *t, const void *obj, uint8_t *to);

/* Struct of a record body. False with *why naming the field when the body is malformed. */
bool hct_decode(const struct hct_schema *s, const struct hct_type *t, const uint8_t *body,
                size_t bytes, void *obj, const char **why);

/* One field of a record as `trace show` walks it. Text and bytes point into the body. */
struct hct_value {
    const struct hct_field *field;
    uint64_t number;
    const uint8_t *bytes;
    uint32_t len;    /* of text or bytes; elements of a list */
    uint32_t stride; /* list: bytes of one element           */
};
/* Takes the field at *pos and moves on; false at the end of the body or when it is malformed. */
bool hct_walk(const struct hct_field *f, const uint8_t *body, size_t bytes, size_t *pos,
              struct hct_value *v);

/* Little-endian access: the library runs on little-endian machines, memory may be unaligned. */
uint64_t hct_get(const uint8_t *from, uint32_t width_bytes);
void hct_set(uint8_t *to, uint64_t value, uint32_t width_bytes);
uint32_t hct_width_bytes(uint8_t width); /* of a number; 0 for text, bytes, list */

/* Fills err and returns its status. `err` may be NULL. */
enum hct_status hct_fail(struct hct_error *err, enum hct_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
