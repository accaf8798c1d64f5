/* checkpoint.h: a whole run as one file, and back. Format: docs/CHECKPOINT.md.
 *
 * To resume: open world and replay with the same parameters, trace and options, do the set-up
 * (replay_setup, report_start), then checkpoint_load, then replay_run. */
#pragma once
#include "sim/replay/replay.h"
#include "sim/report/report.h"

enum { CHECKPOINT_VERSION = 1 };

/* The run. options: those given to replay_open. */
struct checkpoint_run {
    const struct hca_param *p;
    const struct replay_options *options;
    const char *trace; /* path */
    struct world *w;
    struct replay *y;
    struct report *r;
};

/* Writes path (temporary name first, then renamed). Between two windows of replay_run only: in its
 * stop(). False: err; err->status HCT_SYS (the file, errno), HCT_NOMEM or HCT_DAMAGED (the trace
 * is). */
bool checkpoint_save(const char *path, const struct checkpoint_run *x, struct hct_error *err);

/* Puts the run where it was. False: err names place and reason; err->status HCT_USAGE: the file is
 * whole, but build, parameters, trace or options are others; HCT_BAD: damaged; HCT_SYS: cannot be
 * read; HCT_NOMEM. Unless HCT_USAGE or HCT_SYS, the run is of no use any more. */
bool checkpoint_load(const char *path, const struct checkpoint_run *x, struct hct_error *err);
