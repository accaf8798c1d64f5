/* run_out.h: the output folder of a run and the files beside the report. */
#pragma once
#include "sim/cli/run.h"
#include "sim/cli/run_events.h"
#include "sim/link/tap.h"
#include "sim/report/report.h"

struct run_out {
    const char *dir;
    int lock; /* of the folder; -1: none */
    struct events_out *events;
    struct tap *tap;
};

/* Makes the folder, keeps other runs out of it until run_out_free, removes what an earlier run left
 * under the names of report and captures, and opens what the options ask for. Exit status; what
 * was wrong has been printed. */
int run_out_open(struct run_out *x, const struct run_options *o, const struct hca_param *p,
                 struct world *w);

/* A file can no longer be written: the run should end. */
bool run_out_failed(const struct run_out *x);

/* Gives captures and events their names. Exit status: `status`, or EXIT_HOST. */
int run_out_close(struct run_out *x, int status);

/* report.txt and report.json. Exit status. */
int run_out_report(const struct run_out *x, const struct report *r, const struct report_head *h,
                   struct world *w, const struct replay *y);

/* run.json: what differs from run to run. */
bool run_out_facts(const struct run_out *x, uint64_t wall_spent_ms, int status);

/* Drops unnamed files and the lock. */
void run_out_free(struct run_out *x);
