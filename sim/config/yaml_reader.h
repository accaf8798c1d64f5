/* Inside of sim/config: libyaml's events with their refusals, as yaml.c takes them. */
#pragma once

#include "sim/config/yaml.h"

#include <yaml.h>

enum { READER_KEY_ROOM = 160, READER_QUOTE_ROOM = 48, READER_PLACE_ROOM = 512 };

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool holds_event;
    const char *name; /* file or "preset NAME", the front of each message */
    struct hca_error *err;
    enum config_result result;
};

/* Opens the file, or the text when file is NULL; lets bind read the one mapping in it, and checks
 * that nothing follows. */
enum config_result reader_run(struct reader *r, const char *text, size_t size, FILE *file,
                              bool bind(struct reader *r));

/* "lab.yaml:12: " and the message; false, so that callers can return it. */
__attribute__((format(printf, 3, 4))) bool reader_fail(struct reader *r, size_t line,
                                                       const char *format, ...);

/* Takes the next event; refuses anchors, aliases and tags. */
bool reader_next(struct reader *r);

/* Takes the next key of a mapping; *end is set at the end of the mapping instead. */
bool reader_key(struct reader *r, char *key, size_t size, size_t *line, bool *end);

/* Takes the value of key, which must be one scalar. */
bool reader_scalar(struct reader *r, const char *key, size_t line);

/* Takes the start of the mapping that key must hold. */
bool reader_mapping(struct reader *r, const char *key, size_t line);

size_t reader_line(const struct reader *r);
/* Of the scalar taken last: its text, and whether it was quoted or a block. */
const char *reader_text(const struct reader *r);
bool reader_is_quoted(const struct reader *r);
