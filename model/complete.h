/* complete: writes CQEs behind their data, moves the producer index, serves CQ arms.
 *
 * Order    CQEs of one CQ are written in the order in which they came, each before its producer
 *          index, that before the event. Jobs of different CQs overtake each other while they wait
 *          for a context, a ring page or a consumer index.
 * Timing   1 job accepted and 1 write pushed per cycle; a CQE takes 2 writes (native 1), plus 1 for
 *          the head of a send ring; first write hca.complete_ns after the context has come.
 * Writes   Every 8th answers (WR_NOTIFY), so do those with an event: bytes are used again and
 *          events raised when the answer came.
 * Source   docs/units/complete.md; completion queues of the PVRDMA ABI; docs/NATIVE.md, section 7
 * NOT MODELLED: QPs do not go to error when their CQ overflows; several CQEs in one write. */
#pragma once
#include "model/spec.h"

enum { COMPLETE_JOBS = 16, COMPLETE_FIRES = 16, COMPLETE_BUFS = 64 };

/* One CQE or arm request. */
struct complete_job {
    struct cqe m;    /* arm: only cqn                              */
    uint64_t number; /* of its writes                              */
    uint64_t addr;   /* of its CQE                                 */
    uint16_t cx;
    uint8_t state;     /* enum job_state                             */
    uint8_t arm;       /* enum db_kind of an arm, else 0             */
    uint8_t behind;    /* older jobs of the same CQ                  */
    uint8_t writes;    /* bit per write still to be pushed           */
    uint8_t fires;     /* an event follows                           */
    uint8_t head_read; /* the consumer index was read for this job */
    uint8_t fault;     /* page directory or consumer index unusable  */
};

/* An event that waits until its CQE has been written. */
struct complete_fire {
    uint64_t number;
    uint32_t cqn;
    uint8_t fn, vector;
};

struct complete {
    struct wire_cq_event *cmd_cq;      /* in,  from command   */
    struct wire_cq_arm *cq_arm;        /* in,  from doorbell  */
    struct wire_ctx_got *ctx_got_cq;   /* in,  from context   */
    struct wire_cqe *req_cqe;          /* in,  from requester */
    struct wire_cqe *rsp_cqe;          /* in,  from respond   */
    struct wire_ring_got *ring_got_cq; /* in,  from xlat      */
    struct wire_rd_rsp *rd_rsp_cq;     /* in,  from dma_read  */
    struct wire_wr_done *cqe_done;     /* in,  from dma_write */
    struct wire_cq_event *cmd_cq_done; /* out, to command     */
    struct wire_ctx_get *ctx_get_cq;   /* out, to context     */
    struct wire_ctx_put *ctx_put_cq;   /* out, to context     */
    struct wire_ring_get *ring_get_cq; /* out, to xlat        */
    struct wire_wr_req *wr_cqe;        /* out, to dma_write   */
    struct wire_rd_req *rd_req_cq;     /* out, to dma_read    */
    struct wire_cq_event *cq_event;    /* out, to event       */
    struct wire_async *cq_async;       /* out, to event       */
    struct complete_job *job;          /* [COMPLETE_JOBS]     */
    uint64_t delay;                    /* hca.complete_ns, cycles */
    uint32_t bytes;                    /* store offset: COMPLETE_BUFS buffers of 128 bytes   */
    uint32_t heads;                    /* store offset: a consumer index of 8 bytes per job  */
    struct {
        uint32_t head, tail;        /* jobs, free running; slot is modulo COMPLETE_JOBS   */
        uint32_t gone;              /* bit per slot: finished, not yet freed              */
        uint64_t wrote, told, done; /* numbers of jobs that wrote: youngest, youngest that
                                       answers, written                                   */
        struct complete_fire fire[COMPLETE_FIRES];
        uint32_t fire_head, fire_tail;
        struct { /* fence of command */
            uint64_t number;
            uint32_t cqn, req, rsp, job; /* entries of the input wires, jobs before it       */
            uint8_t state, fn, vector;   /* state: enum fence_state                          */
        } f;
        uint8_t next;    /* input asked first                                                */
        uint8_t writing; /* a job is pushing its writes                                      */
    } s;
};

void complete_open(struct complete *u, struct opening *o);
struct act complete_tick(struct complete *u, const struct tick *t);
