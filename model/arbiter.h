/* arbiter: picks the next QP, one grant per QP at a time.
 *
 * A QP is idle, ready (in the list of its processing unit) or granted. A doorbell or kick makes an
 * idle QP ready; one that comes while the QP is granted is remembered and makes it ready again when
 * the grant ends, so none is lost whatever order the wires deliver in.
 * Order    The QP that has been ready longest among those whose processing unit is free. Weights
 * act through the length of a turn: requester sends weight * hca.arbiter_quantum_bytes a grant.
 * Timing   1 grant per cycle; 1 cycle from qp_ready to grant when nothing else is ready. A
 * processing unit starts one WQE per hca.pu_wqe_ns; going on inside a message costs no start.
 * Progress qp_ready, qp_done and qp_kick are always taken.
 * Source   docs/units/arbiter.md
 * NOT MODELLED: strict priorities, rate limits. */
#pragma once
#include "model/spec.h"

enum { PU_MAX = 64 };

struct arbiter_qp {
    uint64_t t_in, t_db; /* of the youngest doorbell                  */
    uint64_t turn;       /* number of the wish it became ready by      */
    uint32_t next;       /* in the ready list: row + 1, 0: last        */
    uint16_t tail;       /* native: producer index of that doorbell    */
    uint8_t flags;       /* enum arbiter_flag                          */
    uint8_t native;
};

struct arbiter {
    struct wire_qp_ready *qp_ready; /* in, from doorbell  */
    struct wire_qp_done *qp_done;   /* in, from requester */
    struct wire_qp_done *qp_kick;   /* in, from requester */
    struct wire_grant *grant;       /* out, to context    */
    struct arbiter_qp *qp;          /* [rows] by dense_row */
    uint32_t rows;
    uint32_t units;      /* processing units */
    uint32_t wqe_cycles; /* hca.pu_wqe_ns    */
    struct {
        uint64_t free_at[PU_MAX];             /* cycle from which the unit may start a WQE    */
        uint32_t first[PU_MAX], last[PU_MAX]; /* ready list of a unit: row + 1, 0: empty     */
        uint64_t ready;                       /* bit per unit with a ready QP                */
        uint64_t turn;                        /* QPs made ready so far                       */
    } s;
};

void arbiter_open(struct arbiter *u, struct opening *o);
struct act arbiter_tick(struct arbiter *u, const struct tick *t);
