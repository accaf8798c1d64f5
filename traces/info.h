/* `hcasim trace info`: what a trace of either content holds, as text or one JSON object. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "traces/hct.h"

/* Reads the whole file and prints a summary to `out`. Returns the exit status: 0; 3 when the trace
 * is bad (nothing printed) or damaged (what is left is summed up); 4 when the machine failed. err
 * says why and may be NULL. */
int hct_info(const char *path, bool json, FILE *out, struct hct_error *err);

/* The same from an open seekable stream, which it closes; `name` stands in messages. */
int hct_info_stream(FILE *in, const char *name, bool json, FILE *out, struct hct_error *err);
