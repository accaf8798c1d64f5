/* Tables of the record types, and the schema that each file carries in its header.
 *
 * Packed schema: u16 types; per type: u16 id, u8 name bytes, name, u16 doc bytes, doc, u16 fields;
 * per field: u8 width code, u16 element type id (0 unless list), u8 name bytes, name, u16 unit
 * bytes, unit. */
#include <stdlib.h>
#include <string.h>

#include "traces/hct_schema.h"

#define W_8             HCT_U8
#define W_16            HCT_U16
#define W_32            HCT_U32
#define W_64            HCT_U64
#define AT(r, name)     offsetof(struct hct_##r, name)
#define LEN_AT(r, name) offsetof(struct hct_##r, name##_bytes)

#define RECORD(r, id, doc)          static const struct hct_field field_##r[] = {
#define F(r, bits, name, unit, doc) {#name, unit, W_##bits, 0, AT(r, name), 0, 0},
#define TEXT(r, name, doc)          {#name, "", HCT_W_TEXT, 0, AT(r, name), 0, 0},
#define BYTES(r, name, doc)         {#name, "", HCT_W_BYTES, 0, AT(r, name), LEN_AT(r, name), 0},
#define LIST(r, name, element, max, doc) \
    {#name, "", HCT_W_LIST, HCT_ID_##element, AT(r, name), AT(r, name##_count), max},
#define END(r) \
    }          \
    ;
#include "traces/record.def"
#undef RECORD
#undef F
#undef TEXT
#undef BYTES
#undef LIST
#undef END

#define COUNT(a)           (uint16_t)(sizeof(a) / sizeof *(a))
#define RECORD(r, id, doc) {#r, doc, id, COUNT(field_##r), sizeof(struct hct_##r), field_##r},
#define F(r, bits, name, unit, doc)
#define TEXT(r, name, doc)
#define BYTES(r, name, doc)
#define LIST(r, name, element, max, doc)
#define END(r)
const struct hct_type hct_builtin[] = {
#include "traces/record.def"
};
#undef RECORD
#undef F
#undef TEXT
#undef BYTES
#undef LIST
#undef END
const uint32_t hct_builtins = COUNT(hct_builtin);

const struct hct_type *hct_builtin_type(uint16_t id)
{
    for (uint32_t i = 0; i < hct_builtins; i++) {
        if (hct_builtin[i].id == id) {
            return &hct_builtin[i];
        }
    }
    return NULL;
}

const struct hct_type *hct_schema_type(const struct hct_schema *s, uint16_t id)
{
    uint32_t lo = 0; /* ids rise: checked by the parser */
    uint32_t hi = s->types;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (s->type[mid].id == id) {
            return &s->type[mid];
        }
        if (s->type[mid].id < id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

/* ---- packing ---- */

struct cursor {
    uint8_t *to;
    size_t at, size;
    bool full;
};

static void put(struct cursor *c, uint64_t value, uint32_t width_bytes)
{
    if (c->full || c->size - c->at < width_bytes) {
        c->full = true;
        return;
    }
    hct_set(c->to + c->at, value, width_bytes);
    c->at += width_bytes;
}

/* Lengths that do not fit their prefix make the whole schema not fit. */
static void put_text(struct cursor *c, const char *text, uint32_t width_bytes)
{
    const size_t len = strlen(text);
    put(c, len, width_bytes);
    if (c->full || c->size - c->at < len || (width_bytes == 1 && len > HCT_NAME_MAX) ||
        len > 0xffff) {
        c->full = true;
        return;
    }
    memcpy(c->to + c->at, text, len);
    c->at += len;
}

size_t hct_schema_pack(const struct hct_type *type, uint32_t n, uint8_t *to, size_t size)
{
    struct cursor c = {.to = to, .size = size};

    put(&c, n, 2);
    for (uint32_t k = 0; k < n; k++) {
        const struct hct_type *const t = &type[k];
        put(&c, t->id, 2);
        put_text(&c, t->name, 1);
        put_text(&c, t->doc, 2);
        put(&c, t->fields, 2);
        for (uint32_t i = 0; i < t->fields; i++) {
            const struct hct_field *const f = &t->field[i];
            put(&c, f->width, 1);
            put(&c, f->element, 2);
            put_text(&c, f->name, 1);
            put_text(&c, f->unit, 2);
        }
    }
    return c.full ? 0 : c.at;
}

/* ---- parsing ---- */

struct parse {
    const char *file;
    const uint8_t *from;
    size_t at, bytes;
    char *text; /* where the next string goes */
    struct hct_field *field;
    const char *bad; /* first problem */
};

static uint64_t take(struct parse *p, uint32_t width_bytes)
{
    if (p->bad || p->bytes - p->at < width_bytes) {
        p->bad = p->bad ? p->bad : "it ends too early";
        return 0;
    }
    p->at += width_bytes;
    return hct_get(p->from + p->at - width_bytes, width_bytes);
}

/* Names are printed on terminals, so only graphic ASCII and spaces are allowed in them. */
static const char *take_text(struct parse *p, uint32_t width_bytes)
{
    const size_t len = (size_t)take(p, width_bytes);
    char *text = p->text;
    if (p->bad || p->bytes - p->at < len) {
        p->bad = p->bad ? p->bad : "a name ends too early";
        return "";
    }
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = p->from[p->at + i];
        if (c < 0x20 || c > 0x7e) {
            p->bad = "a name holds a byte outside 0x20..0x7e";
            return "";
        }
        text[i] = (char)c;
    }
    text[len] = 0;
    p->text += len + 1;
    p->at += len;
    return text;
}

/* Rising ids make types unique and their lookup a binary search. */
static void parse_type(struct parse *p, struct hct_type *t, uint32_t id_min)
{
    t->id = (uint16_t)take(p, 2);
    t->name = take_text(p, 1);
    t->doc = take_text(p, 2);
    t->fields = (uint16_t)take(p, 2);
    t->field = p->field;
    if (!p->bad && t->id < id_min) {
        p->bad = "its type ids do not rise";
    }
    if (t->fields > HCT_TYPE_FIELDS_MAX) {
        p->bad = "a type has more than 256 fields";
    }
    for (uint32_t i = 0; i < t->fields && !p->bad; i++) {
        struct hct_field *f = p->field++;
        f->width = (uint8_t)take(p, 1);
        f->element = (uint16_t)take(p, 2);
        f->name = take_text(p, 1);
        f->unit = take_text(p, 2);
        if (!p->bad && (f->width == 0 || f->width >= HCT_W_COUNT)) {
            p->bad = "a field has an unknown width code";
        }
    }
}

/* Is `t` of the file the same record as `b` of this version, but for fields at the end? */
static bool same_record(const struct hct_type *t, const struct hct_type *b, uint16_t *shared)
{
    const uint16_t n = t->fields < b->fields ? t->fields : b->fields;
    *shared = n;
    for (uint32_t i = 0; i < n; i++) {
        if (t->field[i].width != b->field[i].width || t->field[i].element != b->field[i].element ||
            strcmp(t->field[i].name, b->field[i].name) != 0) {
            return false;
        }
    }
    return strcmp(t->name, b->name) == 0;
}

/* The promise of compatibility, checked: what both know must be laid out alike. */
static enum hct_status compare(const char *file, struct hct_schema *s, struct hct_error *err)
{
    for (uint32_t i = 0; i < s->types; i++) {
        const struct hct_type *t = &s->type[i];
        const struct hct_type *b = hct_builtin_type(t->id);
        const bool event = t->id >= HCT_TYPE_EVENT0 && t->id < HCT_TYPE_MUST;
        if (!b && !event && t->id & HCT_TYPE_MUST) {
            return hct_fail(err, HCT_BAD,
                            "%s: record type %u (%s) must be understood and this version does not "
                            "know it; use a newer hcasim",
                            file, t->id, t->name);
        }
        if (b && !same_record(t, b, &s->need[t->id])) {
            return hct_fail(err, HCT_BAD,
                            "%s: header: record type %u (%s) is laid out otherwise than in this "
                            "version; the file was not written by hcasim or is damaged",
                            file, t->id, t->name);
        }
    }
    return HCT_OK;
}

enum hct_status hct_schema_parse(const char *name, const uint8_t *from, size_t bytes,
                                 struct hct_schema *out, struct hct_error *err)
{
    struct parse p = {.file = name, .from = from, .bytes = bytes};
    *out = (struct hct_schema){0};
    const uint32_t types = (uint32_t)take(&p, 2);
    const size_t fields = bytes / 6 + 1; /* a field takes 6 bytes; + 1 for one that breaks off */
    const size_t texts = bytes + 1;      /* a text's length takes the place of its final 0     */

    if (p.bad || types > HCT_TYPES_MAX) {
        return hct_fail(err, HCT_BAD, "%s: header: the schema names %u record types, at most %d",
                        name, types, HCT_TYPES_MAX);
    }
    const size_t type_bytes = types * sizeof(struct hct_type);
    uint8_t *memory = calloc(1, type_bytes + fields * sizeof(struct hct_field) + texts);
    if (!memory) {
        return hct_fail(err, HCT_NOMEM, "%s: no memory for the schema", name);
    }
    out->memory = memory;
    out->type = (struct hct_type *)(void *)memory;
    out->types = types;
    p.field = (struct hct_field *)(void *)(memory + type_bytes);
    p.text = (char *)memory + type_bytes + fields * sizeof(struct hct_field);
    for (uint32_t i = 0; i < types && !p.bad; i++) {
        parse_type(&p, &out->type[i], i ? out->type[i - 1].id + 1u : 1u);
    }
    if (p.bad) {
        hct_schema_free(out);
        return hct_fail(err, HCT_BAD, "%s: header: the schema is malformed at its byte %zu: %s",
                        name, p.at, p.bad);
    }
    const enum hct_status st = compare(name, out, err);
    if (st != HCT_OK) {
        hct_schema_free(out);
    }
    return st;
}

void hct_schema_free(struct hct_schema *s)
{
    free(s->memory);
    *s = (struct hct_schema){0};
}
