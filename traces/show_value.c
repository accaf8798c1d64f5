/* Printing of one field of a record. */
#include "traces/show_value.h"

#include <inttypes.h>
#include <string.h>

enum { HEX_SHOWN = 16 };

/* Length of the UTF-8 sequence at p, 0 when it is none (RFC 3629). */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    const size_t n = p[0] < 0x80   ? 1
                     : p[0] < 0xc2 ? 0
                     : p[0] < 0xe0 ? 2
                     : p[0] < 0xf0 ? 3
                     : p[0] < 0xf5 ? 4
                                   : 0;
    if (n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    const bool bad = n > 2 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                               (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f));
    return bad ? 0 : n;
}

void show_json_text(FILE *out, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    (void)fputc('"', out);
    for (size_t i = 0; i < len;) {
        const size_t n = utf8_length(p + i, len - i);
        if (n == 0) {
            (void)fputs("\\ufffd", out);
        } else if (n == 1 && (p[i] < 0x20 || p[i] == 0x7f)) {
            (void)fprintf(out, "\\u%04x", p[i]);
        } else if (n == 1 && (p[i] == '"' || p[i] == '\\')) {
            (void)fprintf(out, "\\%c", p[i]);
        } else {
            (void)fwrite(p + i, 1, n, out);
        }
        i += n ? n : 1;
    }
    (void)fputc('"', out);
}

bool show_is_object(const struct hct_schema *s, const struct hct_field *f)
{
    if (f->width != HCT_U32 || f->unit[0] == 0) {
        return false;
    }
    if (strcmp(f->unit, "qpn") == 0) {
        return true;
    }
    for (uint32_t i = 0; i < s->types; i++) {
        if (strcmp(s->type[i].name, f->unit) == 0) {
            return true;
        }
    }
    return false;
}

/* Schema texts of named numbers begin with the word enum or bits. */
static bool is_list_of_names(const char *unit)
{
    return strncmp(unit, "enum ", 5) == 0 || strncmp(unit, "bits ", 5) == 0;
}

void show_number(FILE *out, bool json, const struct hct_schema *s, const struct hct_field *f,
                 uint64_t number)
{
    char name[512];

    if (is_list_of_names(f->unit)) {
        hct_name(f->unit, number, name, sizeof name);
        (void)fprintf(out, json ? "\"%s\"" : "%s", name);
    } else if (number == HCT_NONE && show_is_object(s, f)) {
        (void)fputs(json ? "null" : "none", out);
    } else if (f->width == HCT_I64) {
        (void)fprintf(out, "%" PRId64, (int64_t)number);
    } else {
        (void)fprintf(out, "%" PRIu64, number);
    }
}

/* Payload in hexadecimal: in JSON whole, for people its beginning and its length. */
static void show_hex(FILE *out, bool json, const struct hct_value *v)
{
    const uint32_t n = json || v->len < HEX_SHOWN ? v->len : HEX_SHOWN;

    (void)fputs(json ? "\"" : "", out);
    for (uint32_t i = 0; i < n; i++) {
        (void)fprintf(out, "%02x", v->bytes[i]);
    }
    if (json) {
        (void)fputc('"', out);
    } else if (n < v->len) {
        (void)fprintf(out, "...(%u B)", v->len);
    }
}

/* Elements by the schema of the file; a field that does not fit the stride ends the element. */
static void show_list(FILE *out, bool json, const struct hct_schema *s, const struct hct_value *v)
{
    const struct hct_type *e = hct_schema_type(s, v->field->element);

    (void)fputc('[', out);
    for (uint32_t i = 0; i < v->len; i++) {
        size_t at = 0;
        struct hct_value x;
        (void)fputs(i ? (json ? ",{" : " {") : "{", out);
        for (uint32_t k = 0;
             e && k < e->fields && hct_width_bytes(e->field[k].width) &&
             hct_walk(&e->field[k], v->bytes + (size_t)i * v->stride, v->stride, &at, &x);
             k++) {
            (void)fprintf(out, json ? "%s\"%s\":" : "%s%s=", k ? (json ? "," : " ") : "",
                          e->field[k].name);
            show_number(out, json, s, &e->field[k], x.number);
        }
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}

void show_value(FILE *out, bool json, const struct hct_schema *s, const struct hct_value *v,
                bool as_text)
{
    if (hct_width_bytes(v->field->width)) {
        show_number(out, json, s, v->field, v->number);
    } else if (v->field->width == HCT_W_LIST) {
        show_list(out, json, s, v);
    } else if (v->field->width == HCT_W_TEXT || as_text) {
        show_json_text(out, v->bytes, v->len); /* quoted and escaped for a terminal, too */
    } else {
        show_hex(out, json, v);
    }
}
