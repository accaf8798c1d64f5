/* Inside of the parameter table: rules on single values. */
#pragma once

#include "model/param.h"

/* NULL when the row allows the value; else the reason, and in what the bound ("must be 64|128"). */
const char *hca_param_refused(const struct hca_param_row *row, uint64_t value, char *what,
                              size_t size);
