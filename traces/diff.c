/* Compares two traces field by field. */
#include "traces/diff.h"

#include <inttypes.h>
#include <string.h>

#include "traces/hct_read.h"
#include "traces/show_value.h"

enum { SHOWN_MAX = 100 };

/* Both files are read in step, so memory does not grow with their length. A difference is printed
 * when it is found; only the first SHOWN_MAX are, all are counted. */
struct diff {
    hct_reader *r[2];
    FILE *out;
    bool json;
    uint64_t differences;
};

/* Starts the line of one difference; false when enough have been shown. */
static bool begin(struct diff *d, const char *what, uint64_t id, const char *field)
{
    if (++d->differences > SHOWN_MAX) {
        return false;
    }
    if (d->json) {
        (void)fprintf(d->out, "{\"record\":\"%s\",\"id\":%" PRIu64 ",\"field\":\"%s\",\"a\":", what,
                      id, field);
    } else {
        (void)fprintf(d->out, "%s %" PRIu64 ": %s: ", what, id, field);
    }
    return true;
}

/* Numbers without a schema field: counts, times, CRCs. */
static void differ_numbers(struct diff *d, const char *what, uint64_t id, const char *name,
                           uint64_t a, uint64_t b)
{
    if (a != b && begin(d, what, id, name)) {
        (void)fprintf(d->out,
                      d->json ? "%" PRIu64 ",\"b\":%" PRIu64 "}\n" : "%" PRIu64 " / %" PRIu64 "\n",
                      a, b);
    }
}

static void differ_texts(struct diff *d, const char *what, uint64_t id, const char *name,
                         const char *a, const char *b)
{
    if (strcmp(a, b) != 0 && begin(d, what, id, name)) {
        show_json_text(d->out, a, strlen(a)); /* quoted and escaped for a terminal, too */
        (void)fputs(d->json ? ",\"b\":" : " / ", d->out);
        show_json_text(d->out, b, strlen(b));
        (void)fputs(d->json ? "}\n" : "\n", d->out);
    }
}

/* Numbers of one struct or element; `prefix` goes before field names. */
static void differ_number_field(struct diff *d, const char *what, uint64_t id, const char *prefix,
                                const struct hct_field *f, const uint8_t *a, const uint8_t *b)
{
    const uint32_t w = hct_width_bytes(f->width);
    const uint64_t x = hct_get(a + f->off, w);
    const uint64_t y = hct_get(b + f->off, w);
    char name[96];

    (void)snprintf(name, sizeof name, "%s%s", prefix, f->name);
    if (x != y && begin(d, what, id, name)) {
        show_number(d->out, d->json, &d->r[0]->schema, f, x);
        (void)fputs(d->json ? ",\"b\":" : " / ", d->out);
        show_number(d->out, d->json, &d->r[1]->schema, f, y);
        (void)fputs(d->json ? "}\n" : "\n", d->out);
    }
}

/* Lists are compared as far as both go; another length is a difference of its own. */
static void differ_list(struct diff *d, const char *what, uint64_t id, const struct hct_field *f,
                        const uint8_t *a, const uint8_t *b)
{
    const struct hct_type *e = hct_builtin_type(f->element);
    const uint64_t na = hct_get(a + f->count_off, 2);
    const uint64_t nb = hct_get(b + f->count_off, 2);
    char prefix[48];

    (void)snprintf(prefix, sizeof prefix, "%s_count", f->name);
    differ_numbers(d, what, id, prefix, na, nb);
    for (uint64_t i = 0; i < na && i < nb; i++) {
        (void)snprintf(prefix, sizeof prefix, "%s[%" PRIu64 "].", f->name, i);
        for (uint32_t k = 0; k < e->fields; k++) {
            differ_number_field(d, what, id, prefix, &e->field[k], a + f->off + i * e->struct_bytes,
                                b + f->off + i * e->struct_bytes);
        }
    }
}

/* Fields by the built-in tables, so a field of a newer version is not compared: neither reader of
 * this version would act on it. */
static void differ_structs(struct diff *d, uint16_t type, uint64_t id, const void *a, const void *b)
{
    const struct hct_type *t = hct_builtin_type(type);

    for (uint32_t i = 0; i < t->fields; i++) {
        const struct hct_field *f = &t->field[i];
        const uint8_t *x = a;
        const uint8_t *y = b;
        if (hct_width_bytes(f->width)) {
            differ_number_field(d, t->name, id, "", f, x, y);
        } else if (f->width == HCT_W_LIST) {
            differ_list(d, t->name, id, f, x, y);
        } else if (f->width == HCT_W_TEXT) {
            differ_texts(d, t->name, id, f->name, (const char *)(x + f->off),
                         (const char *)(y + f->off));
        }
    }
}

/* Resources lie in arrays: a record more in one trace is told once, by the counts. */
static void differ_resources(struct diff *d)
{
    const struct hct_resources *a = &d->r[0]->res;
    const struct hct_resources *b = &d->r[1]->res;

#define KIND(kind)                                                               \
    differ_numbers(d, "count of", HCT_ID_##kind, #kind, a->kind##s, b->kind##s); \
    for (uint32_t i = 0; i < a->kind##s && i < b->kind##s; i++) {                \
        differ_structs(d, HCT_ID_##kind, i, &a->kind[i], &b->kind[i]);           \
    }
    KIND(host)
    KIND(fn)
    KIND(pd)
    KIND(mr)
    KIND(cq)
    KIND(srq)
    KIND(qp)
    KIND(ah)
#undef KIND
}

/* CRC over the known bytes of the payload of the last op and their places. */
static enum hct_status payload_crc(hct_reader *r, uint32_t *crc, uint64_t *known)
{
    uint64_t off = 0;
    uint64_t end = UINT64_MAX;
    const void *bytes = NULL;
    uint32_t len = 0;
    enum hct_status st = HCT_OK;
    uLong sum = 0;

    *known = 0;
    while ((st = hct_next_payload(r, &off, &bytes, &len)) == HCT_OK) {
        if (off != end) { /* a hole: its place counts, the cutting into pieces does not */
            sum = crc32(sum, (const Bytef *)&off, sizeof off);
        }
        sum = crc32(sum, bytes, len);
        end = off + len;
        *known += len;
    }
    *crc = (uint32_t)sum;
    return st == HCT_END ? HCT_OK : st;
}

/* Ops are matched by id, which is their place: an op put in front makes all behind it differ. */
static enum hct_status differ_ops(struct diff *d)
{
    for (;;) {
        struct hct_op op[2];
        uint32_t crc[2];
        uint64_t known[2];
        enum hct_status st[2];
        for (int i = 0; i < 2; i++) {
            st[i] = hct_next_op(d->r[i], &op[i]);
            if (st[i] == HCT_OK) {
                st[i] = payload_crc(d->r[i], &crc[i], &known[i]);
            }
            if (st[i] != HCT_OK && st[i] != HCT_END) {
                return st[i];
            }
        }
        if (st[0] == HCT_END && st[1] == HCT_END) {
            return HCT_OK;
        }
        if (st[0] != st[1]) {
            /* The rest of the longer one is checked, not shown. */
            const int longer = st[0] == HCT_OK ? 0 : 1;
            const uint64_t first = op[longer].id;
            enum hct_status rest = HCT_OK;
            uint64_t n = 1;
            while ((rest = hct_next_op(d->r[longer], &op[longer])) == HCT_OK) {
                n++;
            }
            differ_numbers(d, "ops from", first, "only in one", longer ? 0 : n, longer ? n : 0);
            return rest == HCT_END ? HCT_OK : rest;
        }
        differ_structs(d, HCT_ID_op, op[0].id, &op[0], &op[1]);
        differ_numbers(d, "op", op[0].id, "payload bytes", known[0], known[1]);
        if (known[0] == known[1]) {
            differ_numbers(d, "op", op[0].id, "payload CRC-32", crc[0], crc[1]);
        }
    }
}

static void differ_event(struct diff *d, uint64_t n, const struct hct_event *a,
                         const struct hct_event *b)
{
    const struct hct_event_type *ta = hct_event_type(d->r[0], a->type);
    const struct hct_event_type *tb = hct_event_type(d->r[1], b->type);

    differ_numbers(d, "event", n, "t_ps", a->t_ps, b->t_ps);
    differ_texts(d, "event", n, "unit", hct_unit(d->r[0], a->unit), hct_unit(d->r[1], b->unit));
    differ_texts(d, "event", n, "type", ta->name, tb->name);
    for (uint32_t i = 0; i < a->values && i < b->values; i++) {
        differ_numbers(d, "event", n, ta->field[i].name, a->value[i], b->value[i]);
    }
    differ_numbers(d, "event", n, "fields", a->values, b->values);
}

/* Events have no ids: the n-th of one trace is compared with the n-th of the other. */
static enum hct_status differ_events(struct diff *d)
{
    for (uint64_t n = 0;; n++) {
        struct hct_event ev[2];
        enum hct_status st[2];
        for (int i = 0; i < 2; i++) {
            st[i] = hct_next_event(d->r[i], &ev[i]);
            if (st[i] != HCT_OK && st[i] != HCT_END) {
                return st[i];
            }
        }
        if (st[0] != st[1]) {
            differ_numbers(d, "events from", n, "only in one", st[0] == HCT_OK, st[1] == HCT_OK);
        }
        if (st[0] == HCT_END || st[1] == HCT_END) {
            return HCT_OK;
        }
        differ_event(d, n, &ev[0], &ev[1]);
    }
}

/* Damage wins over a comparison: what was lost could have made them equal or not. */
static int finish(struct diff *d, enum hct_status st, struct hct_error *err)
{
    for (int i = 0; i < 2; i++) {
        char text[256];
        if (st == HCT_OK && hct_loss_text(d->r[i], text, sizeof text)[0]) {
            st = hct_fail(err, HCT_DAMAGED, "%s: %s", d->r[i]->name, text);
        } else if (st != HCT_OK && d->r[i]->err.status == st) {
            (void)hct_fail(err, st, "%s", d->r[i]->err.text);
        }
    }
    if (st != HCT_OK) {
        return hct_exit_status(st);
    }
    (void)fprintf(d->out,
                  d->json ? "{\"equal\":%s,\"differences\":%" PRIu64 ",\"shown\":%" PRIu64 "}\n"
                          : "equal: %s, differences: %" PRIu64 ", shown: %" PRIu64 "\n",
                  d->differences ? (d->json ? "false" : "no") : (d->json ? "true" : "yes"),
                  d->differences, d->differences < SHOWN_MAX ? d->differences : SHOWN_MAX);
    return d->differences ? 1 : 0;
}

int hct_diff(const char *a, const char *b, bool json, FILE *out, struct hct_error *err)
{
    struct diff d = {.out = out, .json = json};
    enum hct_status st = hct_open(a, &d.r[0], err);

    if (st == HCT_OK) {
        st = hct_open(b, &d.r[1], err);
    }
    if (st != HCT_OK) {
        hct_close(d.r[0]);
        return hct_exit_status(st);
    }
    const enum hct_content content = d.r[0]->head.content;
    int status = 0;
    if (content != d.r[1]->head.content) {
        differ_numbers(&d, "content of the file", 0, "1 workload, 2 events", content,
                       d.r[1]->head.content);
        status = finish(&d, HCT_OK, err);
    } else if (content == HCT_WORKLOAD) {
        differ_resources(&d);
        status = finish(&d, differ_ops(&d), err);
    } else {
        status = finish(&d, differ_events(&d), err);
    }
    hct_close(d.r[0]);
    hct_close(d.r[1]);
    return status;
}
