/* Prints records by the schema that their file carries. */
#include "traces/show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "traces/hct_read.h"
#include "traces/show_value.h"

struct shown {
    FILE *out;
    bool json;
    hct_reader *r;
};

/* Text leaves out what is 0 or none; words of an enum are always shown. */
static bool dull(const struct shown *s, const struct hct_value *v)
{
    const bool number = hct_width_bytes(v->field->width) > 0;
    if (s->json || strncmp(v->field->unit, "enum ", 5) == 0 || strcmp(v->field->name, "id") == 0) {
        return false;
    }
    return number ? v->number == 0 ||
                        (v->number == HCT_NONE && show_is_object(&s->r->schema, v->field))
                  : v->len == 0;
}

/* Fields in the order of the file's schema, which may be newer than this program. */
static void show_record(const struct shown *s)
{
    hct_reader *r = s->r;
    const struct hct_type *t = hct_schema_type(&r->schema, r->type);
    const bool note = r->type == HCT_ID_note;
    size_t pos = 0;
    struct hct_value v;

    (void)fprintf(s->out, s->json ? "{\"record\":%" PRIu64 ",\"type\":" : "%" PRIu64 " ", r->seq);
    (void)fprintf(s->out, s->json ? "\"%s\"" : "%s", t ? t->name : "?");
    for (uint32_t i = 0; t && i < t->fields; i++) {
        if (!hct_walk(&t->field[i], r->body, r->body_bytes, &pos, &v)) {
            break; /* written by an older version: the rest is 0 */
        }
        if (!dull(s, &v)) {
            (void)fprintf(s->out, s->json ? ",\"%s\":" : " %s=", t->field[i].name);
            show_value(s->out, s->json, &r->schema, &v, note);
        }
    }
    if (!t) {
        (void)fprintf(s->out, s->json ? ",\"type_id\":%u,\"bytes\":%u" : " type_id=%u bytes=%u",
                      r->type, r->body_bytes);
    }
    (void)fputs(s->json ? "}\n" : "\n", s->out);
}

static void show_damage(const struct shown *s)
{
    (void)fprintf(s->out,
                  s->json ? "{\"damage_at_byte\":%" PRIu64 "}\n"
                          : "--- damaged at byte %" PRIu64 ": records are missing here\n",
                  s->r->loss.first_bad_offset);
}

/* Record numbers count all records of the file, so `from` means the same with and without index. */
static enum hct_status show_all(const struct shown *s, uint64_t from, uint64_t count)
{
    hct_reader *r = s->r;
    uint64_t shown = 0;
    enum hct_status st = hct_seek(r, from);

    while (st == HCT_OK && (count == 0 || shown < count)) {
        st = hct_next_record(r);
        if (st == HCT_DAMAGED) {
            show_damage(s);
            st = HCT_OK;
        } else if (st == HCT_OK) {
            if (r->seq >= from) {
                show_record(s);
                shown++;
            }
            r->have = false;
        }
        if (ferror(s->out)) {
            return hct_reader_fail(r, HCT_SYS, "cannot write: %s", strerror(errno));
        }
    }
    return st;
}

int hct_show_stream(FILE *in, const char *name, bool json, uint64_t from, uint64_t count, FILE *out,
                    struct hct_error *err)
{
    struct shown s = {.out = out, .json = json};
    char loss[256];

    enum hct_status st = hct_open_container(in, name, &s.r, err);
    if (st != HCT_OK) {
        return hct_exit_status(st);
    }
    st = show_all(&s, from, count);
    if (st != HCT_OK && st != HCT_END) {
        (void)hct_fail(err, st, "%s", s.r->err.text);
    } else if (hct_loss_text(s.r, loss, sizeof loss)[0]) {
        st = hct_fail(err, HCT_DAMAGED, "%s: %s", name, loss);
    }
    hct_close(s.r);
    return hct_exit_status(st);
}

int hct_show(const char *path, bool json, uint64_t from, uint64_t count, FILE *out,
             struct hct_error *err)
{
    FILE *in = fopen(path, "rb");
    if (!in) {
        return hct_exit_status(
            hct_fail(err, HCT_SYS, "cannot open trace %s: %s", path, strerror(errno)));
    }
    return hct_show_stream(in, path, json, from, count, out, err);
}
