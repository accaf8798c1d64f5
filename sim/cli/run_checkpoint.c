#include "sim/cli/run_checkpoint.h"

#include <stdio.h>

int run_checkpoint_check(const struct run_options *o)
{
    if ((o->checkpoint == NULL) != (o->checkpoint_ps == UINT64_MAX)) {
        return complain(EXIT_USAGE, "run: --checkpoint-at TIME and --checkpoint FILE belong "
                                    "together: when, and where to");
    }
    return EXIT_OK;
}

static int exit_of(const struct hct_error *err)
{
    switch (err->status) {
    case HCT_USAGE: return EXIT_USAGE;
    case HCT_SYS:
    case HCT_NOMEM: return EXIT_HOST;
    default: return EXIT_TRACE;
    }
}

int run_checkpoint_open(struct run_checkpoint *c, const struct run_options *o,
                        const struct checkpoint_run *run)
{
    const uint64_t start = world_now(run->w);
    struct hct_error err = {.status = HCT_OK};

    *c = (struct run_checkpoint){
        .o = o, .run = *run, .options = *run->options, .due_ps = UINT64_MAX};
    c->run.options = &c->options;
    if (o->resume != NULL) {
        const int status = readable(o->resume, EXIT_TRACE);
        if (status != EXIT_OK) {
            return status;
        }
        if (!checkpoint_load(o->resume, &c->run, &err)) {
            return complain(exit_of(&err), err.text);
        }
    }
    if (o->checkpoint != NULL) {
        c->due_ps =
            o->checkpoint_ps < UINT64_MAX - 1 - start ? start + o->checkpoint_ps : UINT64_MAX - 1;
    }
    return EXIT_OK;
}

bool run_checkpoint_window(struct run_checkpoint *c)
{
    struct hct_error err = {.status = HCT_OK};

    if (c->due_ps == UINT64_MAX || world_now(c->run.w) < c->due_ps) {
        return true;
    }
    c->due_ps = UINT64_MAX;
    c->failed = !checkpoint_save(c->o->checkpoint, &c->run, &err);
    if (c->failed) {
        (void)complain(exit_of(&err), err.text);
    }
    return !c->failed;
}

int run_checkpoint_close(const struct run_checkpoint *c, int status)
{
    char text[400];

    if (c->failed) {
        return EXIT_HOST;
    }
    if (c->due_ps != UINT64_MAX) {
        snprintf(text, sizeof text,
                 "%.200s: not written: the run ended before the time of --checkpoint-at",
                 c->o->checkpoint);
        return complain(status == EXIT_OK ? EXIT_OPS_FAILED : status, text);
    }
    return status;
}
