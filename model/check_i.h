/* check_i.h: what the files of check share. */
#pragma once
#include "model/check.h"
#include "model/packet/opcode.h"

enum held_state { HELD_NEW, HELD_ASKED, HELD_GOT };
enum cut_kind { CUT_NONE, CUT_WQE, CUT_VA };

/* ask: 0, or enum rq_op + 1 of the receive WQE without which there is no verdict yet. */
struct ruling {
    uint8_t verdict; /* enum verdict */
    uint8_t ask;
};

/* check_rule.c: rules of the transport. check_rule looks at a packet in its turn; it may note in
 * c->rx that a NAK was sent or that a message was given up, but does not accept anything.
 * check_wqe goes on when the receive WQE is there. check_accept advances the expected state. */
struct ruling check_rule(const struct tick *t, const struct rxp *p, struct qpc *c);
uint8_t check_wqe(const struct tick *t, const struct check_held *h, struct qpc *c);
void check_accept(const struct rxp *p, struct qpc *c);

/* check_cut.c: makes c the packet under way with a verdict and, or NO_SLOT, a receive WQE; op: how
 * that was asked for. check_piece pushes its next piece and, behind the last one, its exec. */
void check_begin(struct check *u, const struct tick *t, const struct rxp *p, uint8_t verdict,
                 uint16_t rec, uint8_t op);
bool check_piece(struct check *u, const struct tick *t);

static inline bool is_first(const struct pkt_opcode *op)
{
    return op->position == PKT_FIRST || op->position == PKT_ONLY;
}

static inline bool is_last(const struct pkt_opcode *op)
{
    return op->position == PKT_LAST || op->position == PKT_ONLY;
}

static inline bool is_atomic(const struct pkt_opcode *op)
{
    return op->kind == PKT_COMPARE_SWAP || op->kind == PKT_FETCH_ADD;
}

/* Bytes in front of the payload in the receive buffer of a datagram. */
enum { GRH_AREA = 40 };

static inline bool is_datagram(const struct qpc *c)
{
    return c->s.type == QPT_UD || c->s.type == QPT_GSI;
}
