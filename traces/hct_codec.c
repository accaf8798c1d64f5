/* Codec between record bodies and C structs, driven by the tables of hct_schema.c. */
#include <string.h>

#include "traces/hct_schema.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "HCT files are little-endian and so must the machine be"
#endif

static const uint8_t width_bytes_of[HCT_W_COUNT] = {0, 1, 2, 4, 8, 8, 0, 0, 0};

uint32_t hct_width_bytes(uint8_t width)
{
    return width < HCT_W_COUNT ? width_bytes_of[width] : 0;
}

/* memcpy of a field; constant lengths become single moves. */
static inline void move(uint8_t *to, const uint8_t *from, uint32_t width_bytes)
{
    switch (width_bytes) {
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    default: memcpy(to, from, 8); break;
    }
}

uint64_t hct_get(const uint8_t *from, uint32_t width_bytes)
{
    uint64_t v = 0;
    memcpy(&v, from, width_bytes);
    return v;
}

void hct_set(uint8_t *to, uint64_t value, uint32_t width_bytes)
{
    memcpy(to, &value, width_bytes);
}

/* Numbers of one struct or list element; lists and texts do not nest. */
static size_t encode_numbers(const struct hct_type *t, const uint8_t *obj, uint8_t *to)
{
    size_t n = 0;
    for (uint32_t i = 0; i < t->fields; i++) {
        const uint32_t w = width_bytes_of[t->field[i].width];
        move(to + n, obj + t->field[i].off, w);
        n += w;
    }
    return n;
}

/* The stride is written, so a reader of another version can step over elements it knows in part. */
static size_t encode_list(const struct hct_field *f, const uint8_t *obj, uint8_t *to)
{
    const struct hct_type *e = hct_builtin_type(f->element);
    const uint32_t count = (uint32_t)hct_get(obj + f->count_off, 2);
    size_t stride = 0;

    if (count > f->max) {
        return 0;
    }
    for (uint32_t i = 0; i < e->fields; i++) {
        stride += hct_width_bytes(e->field[i].width);
    }
    hct_set(to, count, 2);
    hct_set(to + 2, stride, 2);
    for (uint32_t i = 0; i < count; i++) {
        encode_numbers(e, obj + f->off + (size_t)i * e->struct_bytes, to + 4 + i * stride);
    }
    return 4 + count * stride;
}

/* Longer than a note can be is longer than any field may be. */
static size_t encode_blob(uint8_t *to, const void *from, size_t len)
{
    if (len > HCT_NOTE_BYTES) {
        return 0;
    }
    hct_set(to, len, 2);
    if (len) {
        memcpy(to + 2, from, len);
    }
    return 2 + len;
}

size_t hct_encode(const struct hct_type *t, const void *obj, uint8_t *to)
{
    const uint8_t *o = obj;
    size_t n = 0;

    for (uint32_t i = 0; i < t->fields; i++) {
        const struct hct_field *f = &t->field[i];
        const uint32_t w = width_bytes_of[f->width];
        size_t took = w;
        if (w) {
            move(to + n, o + f->off, w);
        } else if (f->width == HCT_W_TEXT) {
            const char *text = (const char *)(o + f->off);
            const size_t len = strnlen(text, HCT_TEXT_BYTES);
            took = len < HCT_TEXT_BYTES ? encode_blob(to + n, text, len) : 0;
        } else if (f->width == HCT_W_BYTES) {
            const uint8_t *p = NULL;
            memcpy(&p, o + f->off, sizeof p);
            took = encode_blob(to + n, p, (size_t)hct_get(o + f->count_off, 4));
        } else {
            took = encode_list(f, o, to + n);
        }
        if (!took) {
            return 0;
        }
        n += took;
    }
    return n;
}

bool hct_walk(const struct hct_field *f, const uint8_t *body, size_t bytes, size_t *pos,
              struct hct_value *v)
{
    const uint32_t w = hct_width_bytes(f->width);
    const size_t left = bytes - *pos;

    *v = (struct hct_value){.field = f};
    if (w) {
        if (left < w) {
            return false;
        }
        v->number = hct_get(body + *pos, w);
        *pos += w;
        return true;
    }
    const size_t head = f->width == HCT_W_LIST ? 4 : 2;
    if (left < head) {
        return false;
    }
    v->len = (uint32_t)hct_get(body + *pos, 2);
    v->stride = head == 4 ? (uint32_t)hct_get(body + *pos + 2, 2) : 1;
    v->bytes = body + *pos + head;
    if ((size_t)v->len * v->stride > left - head || (v->len && !v->stride)) {
        return false;
    }
    *pos += head + (size_t)v->len * v->stride;
    return true;
}

/* Numbers from field 0 on into obj, while 8 bytes are left; returns how many fields. Nearly all
 * fields are numbers, and a step here is a third of a general one. */
static uint32_t decode_numbers(const struct hct_field *f, uint32_t fields, const uint8_t *from,
                               size_t bytes, size_t *pos, uint8_t *obj)
{
    size_t at = *pos;
    uint32_t i = 0;

    for (; i < fields && at + 8 <= bytes; i++) {
        const uint8_t width = f[i].width;
        uint8_t *const to = obj + f[i].off;
        if (width == HCT_U32) {
            memcpy(to, from + at, 4);
            at += 4;
        } else if (width == HCT_U64 || width == HCT_I64) {
            memcpy(to, from + at, 8);
            at += 8;
        } else if (width == HCT_U8) {
            *to = from[at++];
        } else if (width == HCT_U16) {
            memcpy(to, from + at, 2);
            at += 2;
        } else {
            break;
        }
    }
    *pos = at;
    return i;
}

/* More elements than the array holds is malformed, whatever the version: limits are part of the
 * format. Bytes behind the known fields of an element are skipped. */
static bool decode_list(const struct hct_schema *s, const struct hct_field *f,
                        const struct hct_value *v, uint8_t *obj)
{
    const struct hct_type *e = hct_builtin_type(f->element);
    if (v->len > f->max) {
        return false;
    }
    hct_set(obj + f->count_off, v->len, 2);
    for (uint32_t i = 0; i < v->len; i++) {
        const uint8_t *from = v->bytes + (size_t)i * v->stride;
        uint8_t *const to = obj + f->off + (size_t)i * e->struct_bytes;
        size_t at = 0;
        for (uint32_t k = decode_numbers(e->field, e->fields, from, v->stride, &at, to);
             k < e->fields; k++) {
            const uint32_t w = width_bytes_of[e->field[k].width];
            if (v->stride - at < w) {
                if (k < s->need[e->id]) {
                    return false;
                }
                break;
            }
            move(to + e->field[k].off, from + at, w);
            at += w;
        }
    }
    return true;
}

static bool store(const struct hct_schema *s, const struct hct_field *f, const struct hct_value *v,
                  uint8_t *obj)
{
    switch (f->width) {
    case HCT_W_TEXT:
        if (!v->bytes || v->len >= HCT_TEXT_BYTES || memchr(v->bytes, 0, v->len)) {
            return false;
        }
        memcpy(obj + f->off, v->bytes, v->len); /* the struct was zeroed */
        return true;
    case HCT_W_BYTES:
        memcpy(obj + f->off, &v->bytes, sizeof v->bytes);
        hct_set(obj + f->count_off, v->len, 4);
        return true;
    default: return decode_list(s, f, v, obj);
    }
}

/* A body may end between fields (older version) but not before the fields that its own schema and
 * this version share. */
bool hct_decode(const struct hct_schema *s, const struct hct_type *t, const uint8_t *body,
                size_t bytes, void *obj, const char **why)
{
    struct hct_value v;
    size_t pos = 0;

    memset(obj, 0, t->struct_bytes);
    for (uint32_t i = decode_numbers(t->field, t->fields, body, bytes, &pos, obj); i < t->fields;
         i++) {
        const struct hct_field *f = &t->field[i];
        const uint32_t w = width_bytes_of[f->width];
        if (w && bytes - pos >= w) {
            move((uint8_t *)obj + f->off, body + pos, w);
            pos += w;
            continue;
        }
        *why = f->name;
        if (pos == bytes && i >= s->need[t->id]) {
            return true;
        }
        if (!hct_walk(f, body, bytes, &pos, &v) || !store(s, f, &v, obj)) {
            return false;
        }
    }
    return true;
}
