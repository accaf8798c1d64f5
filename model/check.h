/* check: decides about each request packet: execute, drop, acknowledge again or refuse; finds its
 * receive WQE and cuts its payload into pieces for translation.
 *
 * Order    Packets of one QP leave in the order of arrival. A packet that waits for a receive WQE
 *          is held; packets of other QPs overtake it, those of its QP queue up behind it.
 * Timing   1 packet per cycle, plus 1 cycle for each piece beyond its first; hca.check_ns from the
 *          packet to its exec and to each piece, plus the way to wqe_fetch and back for a SEND.
 * Slots    The packet slot goes to respond with the exec; so does the record of the receive WQE.
 * Source   docs/units/check.md; InfiniBand Architecture vol. 1, 9.7 (RC), 9.8 (UC, UD)
 * NOT MODELLED: XRC and RD services, end-to-end credits, path migration, congestion notification.
 */
#pragma once
#include "model/spec.h"

enum { CHECK_HELD = 32 };

/* One packet that waits; halt: no packet but a request of respond (p.qn, p.cx). */
struct check_held {
    struct rxp p;
    uint8_t state;  /* enum held_state                       */
    uint8_t lead;   /* no older one of the same QP waits     */
    uint8_t op;     /* enum rq_op that was asked             */
    uint8_t status; /* enum work_status of the answer        */
    uint8_t halt;
    uint16_t rec; /* of the answer                         */
};

/* The packet that is being cut into pieces. */
struct check_cut {
    struct exec e;    /* what follows the last piece                               */
    uint64_t va;      /* WRITE, ATOMIC, READ: address of the next byte             */
    uint32_t src;     /* store offset of the next byte                             */
    uint32_t left;    /* bytes not yet cut                                         */
    uint32_t area;    /* of them GRH area                                          */
    uint32_t range;   /* bytes of a range check that goes first, 0: none           */
    uint32_t sge_off; /* SEND: bytes of entry sge already used                     */
    uint32_t key, pd, access;
    uint8_t sge;
    uint8_t active;
    uint8_t kind; /* enum cut_kind */
};

struct check {
    struct wire_rxp *rx_check;    /* in,  from context   */
    struct wire_rq_wqe *rq_wqe;   /* in,  from wqe_fetch */
    struct wire_rq_get *rsp_halt; /* in,  from respond   */
    struct wire_rq_get *rq_get;   /* out, to wqe_fetch   */
    struct wire_exec *exec;       /* out, to respond     */
    struct wire_place *rx_place;  /* out, to xlat        */
    struct check_held *held;      /* [CHECK_HELD]        */
    uint64_t delay;               /* hca.check_ns, cycles */
    struct {
        struct check_cut cut;
        uint32_t free;             /* bit per entry of held      */
        uint32_t n;                /* entries in order           */
        uint8_t order[CHECK_HELD]; /* entries, oldest first      */
    } s;
};

void check_open(struct check *u, struct opening *o);
struct act check_tick(struct check *u, const struct tick *t);
