/* Starting a trace: options, header with schema, temporary file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traces/hct_write.h"

enum { LEVEL_DEFAULT = 4, BLOCK_MIN = 4096 };

/* Opens "<path>.<pid>.<n>.tmp" for the first n that is free. */
static bool open_temp(hct_writer *w)
{
    const size_t size = strlen(w->path) + 40;
    int fd = -1;

    w->temp = malloc(size);
    for (int n = 0; w->temp && fd < 0 && n < 100; n++) {
        (void)snprintf(w->temp, size, "%s.%ld.%d.tmp", w->path, (long)getpid(), n);
        fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (fd < 0 && errno != EEXIST) {
            return false;
        }
    }
    w->f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (fd >= 0 && !w->f) {
        (void)close(fd);
        (void)unlink(w->temp);
    }
    return w->f != NULL;
}

/* Types of the schema: the built-in ones, then the events with their two common fields. */
static enum hct_status make_header(hct_writer *w, const struct hct_create *opt)
{
    static const struct hct_field common[] = {{.name = "t_ps", .unit = "ps", .width = HCT_U64},
                                              {.name = "unit", .unit = "unit", .width = HCT_U32}};
    const uint32_t types = hct_builtins + opt->types;
    struct hct_type *type = calloc(types, sizeof *type);
    struct hct_field *field =
        calloc((size_t)opt->types * (HCT_EVENT_FIELDS_MAX + 2) + 1, sizeof *field);
    enum hct_status st = HCT_NOMEM;

    w->header = malloc(HCT_HEADER_MAX);
    if (type && field && w->header) {
        memcpy(type, hct_builtin, hct_builtins * sizeof *type);
        struct hct_field *f = field;
        for (uint32_t i = 0; i < opt->types; i++) {
            const struct hct_event_type *e = &opt->type[i];
            type[hct_builtins + i] = (struct hct_type){.name = e->name,
                                                       .doc = e->doc ? e->doc : "",
                                                       .id = (uint16_t)(HCT_TYPE_EVENT0 + i),
                                                       .fields = (uint16_t)(2 + e->fields),
                                                       .field = f};
            *f++ = common[0];
            *f++ = common[1];
            for (uint32_t k = 0; k < e->fields; k++) {
                *f++ = (struct hct_field){.name = e->field[k].name,
                                          .unit = e->field[k].unit,
                                          .width = (uint8_t)e->field[k].width};
            }
        }
        w->header_bytes = hct_header_pack(opt->content, type, types, w->header);
        st = w->header_bytes ? HCT_OK : HCT_USAGE;
    }
    free(field);
    free(type);
    return st;
}

/* Buffers are taken once; nothing is allocated per record. */
static enum hct_status start(hct_writer *w, const char *path, const struct hct_create *opt)
{
    const int level = opt->level ? opt->level : LEVEL_DEFAULT;

    w->content = opt->content;
    w->raw_max = opt->block_bytes ? opt->block_bytes : HCT_BLOCK_BYTES_MAX;
    w->path = strdup(path);
    w->raw = malloc(HCT_BLOCK_BYTES_MAX);
    w->stored = malloc(HCT_STORED_MAX);
    w->body = malloc(HCT_RECORD_BYTES_MAX);
    w->res = calloc(1, sizeof *w->res);
    if (!w->path || !w->raw || !w->stored || !w->body || !w->res ||
        deflateInit(&w->z, level) != Z_OK) {
        return hct_writer_fail(w, HCT_NOMEM, "%s: no memory to write a trace", path);
    }
    enum hct_status st = make_header(w, opt);
    if (st == HCT_OK) { /* the parsed schema also proves that a reader will accept the names */
        st = hct_schema_parse(path, w->header + HCT_FILE_HEAD_BYTES,
                              w->header_bytes - HCT_FILE_HEAD_BYTES - 4, &w->own, &w->err);
    }
    if (st != HCT_OK) {
        return hct_writer_fail(w, st == HCT_NOMEM ? st : HCT_USAGE,
                               "%s: the event types do not fit a header of 1 MiB or have names "
                               "outside printable ASCII of 1..255 bytes",
                               path);
    }
    if (!open_temp(w)) {
        return hct_writer_fail(w, HCT_SYS, "cannot create %s: %s", w->temp ? w->temp : path,
                               strerror(errno));
    }
    return hct_write_bytes(w, w->header, w->header_bytes);
}

enum hct_status hct_create(const char *path, const struct hct_create *opt, hct_writer **out,
                           struct hct_error *err)
{
    *out = NULL;
    bool ok = opt->content == HCT_WORKLOAD || opt->content == HCT_EVENTS;
    ok = ok && opt->level >= 0 && opt->level <= 9 && opt->types <= HCT_EVENT_TYPES_MAX;
    ok = ok && (opt->block_bytes == 0 ||
                (opt->block_bytes >= BLOCK_MIN && opt->block_bytes <= HCT_BLOCK_BYTES_MAX));
    ok = ok && (opt->content == HCT_EVENTS || opt->types == 0);
    for (uint32_t i = 0; ok && i < opt->types; i++) {
        const struct hct_event_type *t = &opt->type[i];
        ok = t->fields <= HCT_EVENT_FIELDS_MAX && t->name[0];
        for (uint32_t k = 0; ok && k < t->fields; k++) {
            ok = t->field[k].width >= HCT_U8 && t->field[k].width <= HCT_I64;
        }
    }
    if (!ok) {
        return hct_fail(err, HCT_USAGE,
                        "%s: a trace needs content 1 or 2, level 0..9, blocks of 4096..1048576 B, "
                        "at most %d event types of %d fields",
                        path, HCT_EVENT_TYPES_MAX, HCT_EVENT_FIELDS_MAX);
    }
    hct_writer *w = calloc(1, sizeof *w);
    if (!w) {
        return hct_fail(err, HCT_NOMEM, "%s: no memory to write a trace", path);
    }
    const enum hct_status st = start(w, path, opt);
    if (st != HCT_OK) {
        if (err) {
            *err = w->err;
        }
        hct_abort(w);
        return st;
    }
    *out = w;
    return HCT_OK;
}
