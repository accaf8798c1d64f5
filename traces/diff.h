/* `hcasim trace diff`: are two traces equal in what they say? */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "traces/hct.h"

/* Compares resources and ops, or units and events, field by field and payload byte by byte; notes,
 * compression and cutting into blocks or pieces do not count. Prints the first 100 differences and
 * the number of all. Returns 0 equal, 1 different, 3 bad or damaged trace, 4 the machine failed. */
int hct_diff(const char *a, const char *b, bool json, FILE *out, struct hct_error *err);
