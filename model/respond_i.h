/* respond_i.h: what the files of respond share. */
#pragma once
#include "model/packet/opcode.h"
#include "model/respond.h"

enum res_kind { RES_READ, RES_ATOMIC };
enum res_state { RES_DONE, RES_WANTED, RES_EXECUTING };
/* ACK carries the youngest PSN when it leaves; NAK may be overtaken by an ACK; FATAL is the last.
 */
enum rsp_answer { ANSWER_NONE, ANSWER_ACK, ANSWER_NAK, ANSWER_FATAL };
enum rsp_cause { CAUSE_SELF = 1, CAUSE_REQUESTER = 2, CAUSE_COMMAND = 4, CAUSE_MORE = 8 };
enum turn_state { TURN_FREE, TURN_ASKED, TURN_GOT, TURN_READY };
enum inv_state { INV_NONE, INV_ASKED, INV_DONE, INV_FAILED };
enum { COOKIE_FLUSH = RSP_TURNS };

/* AETH syndromes: IBTA vol. 1, 9.7.5.2 */
enum {
    AETH_ACK = 0x1f,
    AETH_RNR = 0x20,
    AETH_NAK_SEQ = 0x60,
    AETH_NAK_INVALID = 0x61,
    AETH_NAK_ACCESS = 0x62,
    AETH_NAK_OP = 0x63
};

/* Room for one more push in this tick; a push of this very tick is a reason to come again. */
#define CAN(u, t, q) (READY(t, q) && ((q)->ctl.pushed != (t)->now + 1 || ((u)->s.more = 1, false)))

static inline bool rsp_done(const struct respond *u, uint64_t seq)
{
    return u->s.wr_done >= seq;
}

static inline struct rsp_res *rsp_res(const struct respond *u, uint32_t row, uint32_t i)
{
    const uint32_t at = u->qp[row].first + i;

    return &u->res[(size_t)row * u->depth + (at < u->depth ? at : at - u->depth)];
}

static inline uint32_t rsp_row(const struct tick *t, uint32_t qn)
{
    return dense_row(qn, t->p->hca_qp_max);
}

/* --- respond.c: payload writes, completions ------------------------------------------------------
 */

/* Pushes a write and numbers it; needs room on rx_write. */
void rsp_write(struct respond *u, const struct tick *t, struct wr_req m);
/* *need: number that wr_done reaches once everything pushed so far has been written. Pushes an
 * empty write when the youngest one does not answer; false: no room for that. */
bool rsp_barrier(struct respond *u, const struct tick *t, uint64_t *need);
bool rsp_cqe_room(const struct respond *u);
/* Completes the receive WQE wr_id of the QP of c behind payload write need. */
void rsp_complete(struct respond *u, const struct qpc *c, uint64_t wr_id, uint8_t status,
                  uint64_t need);
struct cqe *rsp_last_cqe(struct respond *u);

/* --- respond_exec.c ------------------------------------------------------------------------------
 */
bool rsp_exec(struct respond *u, const struct tick *t);

/* --- respond_ack.c: answers ----------------------------------------------------------------------
 */
void rsp_head(struct pkt *m, const struct qpc *c);
/* A request of the QP was executed: acknowledges it now, later, or not at all. */
void rsp_acknowledge(struct respond *u, const struct tick *t, const struct exec *e,
                     const struct qpc *c);
/* Sends an answer or leaves it with the QP until its turn; psn: of a NAK. */
void rsp_answer(struct respond *u, const struct tick *t, uint32_t qn, const struct qpc *c,
                uint8_t answer, uint8_t syndrome, uint32_t psn);
/* The answer that waits, into m. */
void rsp_answer_pkt(const struct rsp_qp *q, struct pkt *m);
void rsp_answered(struct respond *u, uint32_t row);
void rsp_cancel_delay(struct respond *u, uint32_t row);
bool rsp_delays(struct respond *u, const struct tick *t);

/* --- respond_turn.c: QPs that have something to send ---------------------------------------------
 */
void rsp_queue(struct respond *u, uint32_t row, uint32_t qn);
/* Has the response of resource r of the QP sent as soon as the writes before it are done; c: its
 * context when it is at hand, else NULL. */
void rsp_want(struct respond *u, const struct tick *t, uint32_t qn, const struct rsp_res *r,
              const struct qpc *c);
void rsp_got_turn(struct respond *u, const struct tick *t, const struct ctx_got *m);
bool rsp_turns(struct respond *u, const struct tick *t);
bool rsp_pipe_clear(const struct respond *u, const struct rsp_qp *q);
/* Forgets the responses of a QP that are not cut yet. */
void rsp_forget(struct respond *u, uint32_t row);

/* --- respond_res.c: responder resources ----------------------------------------------------------
 */
/* New READ or ATOMIC; NULL: more than max_dest_rd_atomic unanswered. */
struct rsp_res *rsp_res_new(struct respond *u, const struct exec *e, const struct qpc *c,
                            uint32_t row, uint8_t kind);
/* A duplicate READ or ATOMIC: its response is sent again when the resource is still there. */
void rsp_replay(struct respond *u, const struct tick *t, const struct exec *e, const struct qpc *c);

/* --- respond_atomic.c ----------------------------------------------------------------------------
 */
bool rsp_atomic_room(const struct respond *u);
void rsp_atomic_new(struct respond *u, const struct tick *t, const struct exec *e,
                    const struct rsp_res *r, uint64_t addr, uint64_t need);
void rsp_atomic_read(struct respond *u, const struct tick *t, const struct rd_rsp *m);
bool rsp_atomics(struct respond *u, const struct tick *t);
bool rsp_atomics_of(const struct respond *u, uint32_t row);

/* --- respond_flush.c: error, flush, reset --------------------------------------------------------
 */
void rsp_fail(struct respond *u, uint32_t row, uint32_t qn, uint8_t cause, uint8_t async);
void rsp_got_flush(struct respond *u, const struct tick *t, const struct ctx_got *m);
bool rsp_flush(struct respond *u, const struct tick *t);
bool rsp_kick(struct respond *u, const struct tick *t);
bool rsp_resetting(const struct respond *u, uint32_t qn);
