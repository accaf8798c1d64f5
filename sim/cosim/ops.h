/* ops.h: operations of guests as the adapter saw them: how many, how long, and where the time went.
 *
 * Times are simulated and of the device alone: from the doorbell at the adapter to the CQE in the
 * guest's memory (unsignalled: to the retirement of the request). A guest's own clock is the wall
 * clock and says nothing about them (decisions 16). */
#pragma once
#include "sim/report/hist.h"
#include "sim/system/world.h"

enum { OPS_OPCODES = 16, OPS_STAGES = 48, OPS_UNDER_WAY_MAX = 1 << 20 };

struct ops_row {
    uint64_t count, failed, bytes;
    struct hist latency_ps;
    uint64_t stage_ps[OPS_STAGES]; /* sum over all operations, by enum stage_id */
};

struct ops;

/* Functions are numbered (host * hcas + adapter) * fns + fn. NULL: no memory. */
struct ops *ops_open(const struct hca_param *p);
void ops_close(struct ops *o);

/* A world_event for the events stage, wqe and wqe_done; all others are ignored. */
void ops_event(void *ops, unsigned host, int hca, uint64_t at_ps, const struct trace_rec *rec);

const struct ops_row *ops_row(const struct ops *o, unsigned function, unsigned opcode);
uint64_t ops_lost(const struct ops *o); /* operations that were not followed: too many under way */
const char *ops_opcode_name(unsigned opcode);
