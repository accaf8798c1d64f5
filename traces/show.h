/* `hcasim trace show`: the records of a trace of either content, read by the schema in the file, so
 * also those of a newer version. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "traces/hct.h"

/* Prints `count` records from record number `from` on (0 is the first; count 0: to the end): a line
 * each, as text (fields that are 0 or none left out) or as one JSON object. Exit status as
 * hct_info; a damaged place is told in a line of its own. */
int hct_show(const char *path, bool json, uint64_t from, uint64_t count, FILE *out,
             struct hct_error *err);

/* The same from an open seekable stream, which it closes; `name` stands in messages. */
int hct_show_stream(FILE *in, const char *name, bool json, uint64_t from, uint64_t count, FILE *out,
                    struct hct_error *err);
