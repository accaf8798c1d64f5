/* complete_i.h: what the files of complete share. */
#pragma once
#include "model/complete.h"

enum job_state {
    JOB_NEW, /* asks for the context of its CQ     */
    JOB_ASKED,
    JOB_READY, /* has it; decides what to do next    */
    JOB_STATE, /* waits for the ring-state page      */
    JOB_PAGE,  /* waits for the page of its slot     */
    JOB_HEAD,  /* waits for the consumer index       */
    JOB_WRITE,
    JOB_PUT
};
enum fence_state { FENCE_NONE, FENCE_IN, FENCE_JOBS, FENCE_WRITES, FENCE_TELL };

/* Layout: ring state and CQE of the PVRDMA ABI; native differs in the last byte. */
enum {
    STATE_TAIL = 8,
    STATE_HEAD = 12,
    CQE_BYTES = 64,
    CQES_PER_PAGE = PAGE_BYTES / CQE_BYTES,
    BUF_BYTES = 128,
    BUF_TAIL = 64,
    BUF_RING_HEAD = 72,
    NOTIFY_EVERY = 8
};

/* complete_job.c: one step of a job whose turn it is; true: it moved. */
bool complete_step(struct complete *u, const struct tick *t, struct complete_job *j);
void complete_ring_got(struct complete *u, const struct tick *t, const struct ring_got *m);
void complete_head_got(struct complete *u, const struct tick *t, const struct rd_rsp *m);

static inline struct complete_job *complete_job_at(const struct complete *u, uint32_t n)
{
    return &u->job[n % COMPLETE_JOBS];
}
