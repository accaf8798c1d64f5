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
    const char *note;    /* why; may be NULL */
    const char *end;     /* "complete", "simulated-time limit", "interrupted", "no progress" */
    const char *waiting; /* of an incomplete run: what is waited for */
};

struct report *report_open(const struct hct_resources *res, const struct hca_param *p);
void report_close(struct report *r);

/* Marks the end of set-up: counters up to here are not part of the figures. */
void report_start(struct report *r, struct world *w);

/* A sink for replay_run. */
void report_op(void *report, const struct replay_done *d);

/* Writes report.txt or report.json. False: out failed. */
bool report_text(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out);
bool report_json(const struct report *r, const struct report_head *h, struct world *w,
                 const struct replay *y, FILE *out);
