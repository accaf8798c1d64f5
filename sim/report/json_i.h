/* json_i.h: shared by the files that write report.json. */
#pragma once
#include "sim/report/report_i.h"

#include <jansson.h>

void put(json_t *o, const char *key, uint64_t v);
void put_text(json_t *o, const char *key, const char *text); /* NULL: null */

/* json_system.c: one element of "hosts". */
json_t *json_host(const struct report *r, const struct totals *t, struct world *w,
                  const struct replay *y, unsigned host);
