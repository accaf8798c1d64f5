/* doorbell: turns doorbell writes into QPs with new work, receive prefetches and CQ arms.
 *
 * Peer     rtl/doorbell.sv, exact.
 * Timing   1 write per cycle; 1 cycle from db_write to any output when that is not stalled.
 * Source   docs/units/doorbell.md; the doorbell page of the PVRDMA ABI
 * NOT MODELLED: coalescing of doorbells that hit the same QP in flight (the arbiter merges them).
 */
#pragma once
#include "model/spec.h"

struct doorbell {
    struct wire_db_write *db_write; /* in,  from mmio      */
    struct wire_qp_ready *qp_ready; /* out, to arbiter     */
    struct wire_qp_ready *rq_ready; /* out, to wqe_fetch: receive and shared receive queues */
    struct wire_cq_arm *cq_arm;     /* out, to complete    */
    struct {
        uint8_t none; /* the wires on either side hold all the state */
    } s;
};

void doorbell_open(struct doorbell *u, struct opening *o);
struct act doorbell_tick(struct doorbell *u, const struct tick *t);
