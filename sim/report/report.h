/* report.h: what a run showed, for people (text) and scripts (JSON), from the same numbers. */
#pragma once
#include "sim/replay/replay.h"

struct report;

/* Facts of the run that the report repeats; everything is deterministic: wall time, host and date
 * go to run.json. */
struct report_head {
    const struct hca_config *config;
    const char *trace;   /* name without folder */
    const char *timing;  /* "asap", "captured", "scale=0.5" */
    const char *end;     /* "complete", "simulated-time limit", "interrupted", "no progress" */
    const char *waiting; /* of an incomplete run: what is waited for; NULL: complete */
};

struct report *report_open(const struct hct_resources *res, const struct hca_param *p);
void report_close(struct report *r);

/* Marks the end of set-up: counters, wires and CPU cycles up to here are not part of the figures.
 * False: no memory. */
bool report_start(struct report *r, struct world *w, const struct replay *y);

/* A sink for replay_run. */
void report_op(void *report, const struct replay_done *d);

/* Writes report.txt or report.json. False: out failed, or no memory. */
bool report_text(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out);
bool report_json(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out);

/* Prints docs/report.schema.json, JSON Schema draft 7 of report.json, from report.def and the
 * tables of the model. */
void report_schema(FILE *out);

/* What operations have added since report_start, for a checkpoint. Load into a report that has been
 * started and has seen no operation. False: i->why, and r is of no use any more. */
struct bytes_out;
struct bytes_in;
void report_save(const struct report *r, struct bytes_out *o);
bool report_load(struct report *r, struct bytes_in *i);
