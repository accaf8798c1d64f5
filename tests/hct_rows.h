/* The rows of the record tables in traces/FORMAT.md, printed from traces/record.def. */
#pragma once

#include <stdio.h>

#include "traces/hct_op.h"

#define HCT_ROW_BYTES 1024

/* Calls `row` for each line of the tables: one heading per record, then one line per field. */
static inline void hct_format_rows(void (*row)(const char *line, void *arg), void *arg)
{
    char line[HCT_ROW_BYTES];
#define ROW(...)                                    \
    (void)snprintf(line, sizeof line, __VA_ARGS__); \
    row(line, arg);
#define RECORD(r, id, doc)          ROW("### %d `%s`: %s", id, #r, doc)
#define F(r, bits, name, unit, doc) ROW("| `%s` | u%d | %s | %s |", #name, bits, unit, doc)
#define TEXT(r, name, doc)          ROW("| `%s` | text | | %s |", #name, doc)
#define BYTES(r, name, doc)         ROW("| `%s` | bytes | | %s |", #name, doc)
#define LIST(r, name, element, max, doc) \
    ROW("| `%s` | list of `%s` | at most %d | %s |", #name, #element, max, doc)
#define END(r)
#include "traces/record.def"
#undef RECORD
#undef F
#undef TEXT
#undef BYTES
#undef LIST
#undef END
#undef ROW
}
