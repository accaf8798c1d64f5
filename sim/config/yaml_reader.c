/* libyaml's events one at a time; what a configuration has no use for is refused by place. */
#include "sim/config/yaml_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

bool reader_fail(struct reader *r, size_t line, const char *format, ...)
{
    char text[HCA_ERROR_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hca_error_set(r->err, "%s:%zu: %s", r->name, line, text);
    r->result = CONFIG_BAD;
    return false;
}

size_t reader_line(const struct reader *r)
{
    return r->event.start_mark.line + 1;
}

static void drop_event(struct reader *r)
{
    if (r->holds_event) {
        yaml_event_delete(&r->event);
        r->holds_event = false;
    }
}

static bool parser_failed(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (r->result != CONFIG_OK) {
        return false; /* the read handler has said why */
    }
    if (p->error == YAML_MEMORY_ERROR) {
        hca_error_set(r->err, "%s: no memory left to read it", r->name);
        r->result = CONFIG_HOST;
        return false;
    }
    const char *problem = p->problem != NULL ? p->problem : "unreadable";
    if (p->error == YAML_READER_ERROR) { /* bytes that form no text have no line yet */
        hca_error_set(r->err, "%s: byte %zu: not YAML: %s", r->name, p->problem_offset, problem);
        r->result = CONFIG_BAD;
        return false;
    }
    return reader_fail(r, p->problem_mark.line + 1, "not YAML: %s", problem);
}

/* What an event carries that a configuration has no use for; NULL: nothing. */
static const char *unwanted(const yaml_event_t *e)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT: return "aliases (*name)";
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    default: break;
    }
    return anchor != NULL ? "anchors (&name)" : tag != NULL ? "tags (!name)" : NULL;
}

bool reader_next(struct reader *r)
{
    drop_event(r);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        return parser_failed(r);
    }
    r->holds_event = true;
    const char *what = unwanted(&r->event);
    if (what != NULL) {
        return reader_fail(r, reader_line(r), "%s are not read here; write the value itself", what);
    }
    if (r->event.type == YAML_SCALAR_EVENT &&
        strlen(reader_text(r)) != r->event.data.scalar.length) {
        return reader_fail(r, reader_line(r), "a value holds a zero byte; remove it");
    }
    return true;
}

const char *reader_text(const struct reader *r)
{
    return (const char *)r->event.data.scalar.value;
}

bool reader_is_quoted(const struct reader *r)
{
    return r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
}

bool reader_key(struct reader *r, char *key, size_t size, size_t *line, bool *end)
{
    if (!reader_next(r)) {
        return false;
    }
    *line = reader_line(r);
    *end = r->event.type == YAML_MAPPING_END_EVENT;
    if (*end) {
        return true;
    }
    if (r->event.type != YAML_SCALAR_EVENT) {
        return reader_fail(r, *line, "a key must be a plain word, not a list or a mapping");
    }
    (void)snprintf(key, size, "%s", reader_text(r));
    return true;
}

bool reader_scalar(struct reader *r, const char *key, size_t line)
{
    if (!reader_next(r)) {
        return false;
    }
    if (r->event.type == YAML_SCALAR_EVENT) {
        return true;
    }
    char shown[READER_QUOTE_ROOM];
    return reader_fail(r, line, "%s: a %s where one value is expected",
                       hca_quote(key, shown, sizeof shown),
                       r->event.type == YAML_SEQUENCE_START_EVENT ? "list" : "mapping");
}

bool reader_mapping(struct reader *r, const char *key, size_t line)
{
    if (!reader_next(r)) {
        return false;
    }
    return r->event.type == YAML_MAPPING_START_EVENT ||
           reader_fail(r, line, "%s must hold a mapping; indent its keys below it", key);
}

/* Up to the start of the mapping that a file has to hold. */
static bool open_document(struct reader *r)
{
    do { /* stream start, document start */
        if (!reader_next(r)) {
            return false;
        }
    } while (r->event.type == YAML_STREAM_START_EVENT ||
             r->event.type == YAML_DOCUMENT_START_EVENT);
    const yaml_event_t *e = &r->event;
    if (e->type == YAML_STREAM_END_EVENT ||
        (e->type == YAML_SCALAR_EVENT && e->data.scalar.length == 0)) {
        return reader_fail(r, reader_line(r), "no configuration in it; write a group such as hca:");
    }
    return e->type == YAML_MAPPING_START_EVENT ||
           reader_fail(r, reader_line(r), "must hold groups such as hca:, not a list or a value");
}

static bool close_document(struct reader *r)
{
    do {
        if (!reader_next(r)) {
            return false;
        }
    } while (r->event.type == YAML_DOCUMENT_END_EVENT);
    return r->event.type == YAML_STREAM_END_EVENT ||
           reader_fail(r, reader_line(r), "a second document; one file holds one configuration");
}

/* A file with its size bound: libyaml holds a whole scalar in memory. */
struct input {
    struct reader *r;
    FILE *file;
    size_t taken;
};

static int read_some(void *data, unsigned char *buffer, size_t size, size_t *size_read)
{
    struct input *in = data;
    errno = 0;
    *size_read = fread(buffer, 1, size, in->file);
    in->taken += *size_read;
    if (ferror(in->file)) {
        in->r->result = errno == EISDIR ? CONFIG_BAD : CONFIG_HOST;
        hca_error_set(in->r->err, "%s: cannot be read: %s", in->r->name, strerror(errno));
        return 0;
    }
    if (in->taken > CONFIG_FILE_MAX) {
        hca_error_set(in->r->err, "%s: larger than %d bytes, not a configuration", in->r->name,
                      (int)CONFIG_FILE_MAX);
        in->r->result = CONFIG_BAD;
        return 0;
    }
    return 1;
}

enum config_result reader_run(struct reader *r, const char *text, size_t size, FILE *file,
                              bool bind(struct reader *r))
{
    struct input in = {r, file, 0};
    if (!yaml_parser_initialize(&r->parser)) {
        hca_error_set(r->err, "%s: no memory left to read it", r->name);
        return CONFIG_HOST;
    }
    if (file != NULL) {
        yaml_parser_set_input(&r->parser, read_some, &in);
    } else {
        const char *bytes = text != NULL ? text : "";
        yaml_parser_set_input_string(&r->parser, (const unsigned char *)bytes, size);
    }
    if (open_document(r) && bind(r)) {
        (void)close_document(r);
    }
    drop_event(r);
    yaml_parser_delete(&r->parser);
    return r->result;
}
