/* run_events.h: DIR/events.hct, an event trace in order of time. */
#pragma once
#include "sim/system/world.h"
#include "traces/hct.h"

struct events_out;

/* NULL: *err. */
struct events_out *events_open(const char *path, struct world *w, struct hct_error *err);
/* Takes an event; handles deliver theirs one after the other, so they are sorted per window. */
void events_add(struct events_out *e, unsigned host, int hca, uint64_t at_ps,
                const struct trace_rec *rec);
/* True: the file cannot be written any more; events_close will say why. */
bool events_failed(const struct events_out *e);
/* Writes everything before now_ps. */
void events_flush(struct events_out *e, uint64_t now_ps);
/* Writes the rest and closes; false: *err. NULL is allowed. */
bool events_close(struct events_out *e, struct hct_error *err);
/* Drops the file. NULL is allowed. */
void events_abort(struct events_out *e);
