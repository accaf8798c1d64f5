/* run_checkpoint.h: --checkpoint-at T --checkpoint FILE and --resume FILE of hcasim run. */
#pragma once
#include "sim/checkpoint/checkpoint.h"
#include "sim/cli/run.h"

struct run_checkpoint {
    const struct run_options *o;
    struct checkpoint_run run;
    struct replay_options options; /* run.options points here */
    uint64_t due_ps;               /* of the world's clock; UINT64_MAX: none wanted, or written */
    bool failed;
};

/* The options fit together. Exit status. */
int run_checkpoint_check(const struct run_options *o);

/* Behind set-up and report_start: resumes, if asked to. c stays where it is until the run ends.
 * Exit status; what was wrong has been printed. */
int run_checkpoint_open(struct run_checkpoint *c, const struct run_options *o,
                        const struct checkpoint_run *run);

/* Once per window: writes the checkpoint when its time has come; false: it could not be written. */
bool run_checkpoint_window(struct run_checkpoint *c);

/* At the end of a run with exit status `status`: that, or why no checkpoint was written. */
int run_checkpoint_close(const struct run_checkpoint *c, int status);
