/* One flow as a stream of operations (internal to traces/). */
#pragma once

#include "traces/gen_plan.h"

/* What the next operation is, before its size and addresses. */
struct gen_choice {
    uint32_t pair, side, kind;
    uint32_t slot, use; /* pattern register: window slot; which use of its fast MR      */
    bool starts;        /* pattern register: first operation of this side in this cycle */
    bool again;         /* pattern register: the slot has been used before              */
};

/* Receive queues of one side: QPs of the pairs, or SRQs of the guests. */
struct gen_rx {
    uint64_t *expected; /* messages that each queue will get: no recv more is posted */
    uint64_t *posted;
    uint64_t *ring; /* op ids of the last rx_depth recvs of each queue */
};

struct gen_stream {
    const struct gen_plans *all;
    const struct gen_plan *n;
    struct pcg kind, pick, size, place, time, cut; /* one sequence each: a change of one key leaves
                                                      the others' numbers as they were */
    struct sizes sizes;
    struct zipf mr_zipf, page_zipf;
    uint64_t emitted;
    uint64_t next_ps, fraction_q16; /* time of the next operation; 0 with arrivals asap */
    uint64_t cycle; /* pattern register: cycles begun, over all pairs; step in this one */
    uint32_t step;
    uint32_t picked;
    uint64_t *memory; /* all arrays of this stream */
    uint64_t *posted; /* per pair and side: operations so far             */
    uint64_t *cursor; /* per pair and side: sequential offset             */
    uint64_t *last;   /* per pair and side: last op id (lat uses side 0)  */
    uint64_t *left;   /* per pair and side: operations to come            */
    uint64_t *ring;   /* per pair and side: the last window ops; pattern
                         register: side 0 the last answer of each slot, side 1 the last request */
    struct gen_rx rx[2];
};

static inline uint64_t gen_queue(const struct gen_stream *s, const struct gen_choice *c)
{
    return (uint64_t)c->pair * s->n->sides + c->side;
}

/* gen_choose.c: what comes next; draws from `kind` and `pick` alone, so that messages can be
 * counted beforehand and the choices then be repeated. */
struct gen_choice gen_choose(struct gen_stream *s);
/* gen_op.c: fills the operation that was chosen (id, t_ps and kind are set); posted: operations of
 * its queue before it. */
void gen_fill(struct gen_stream *s, const struct gen_choice *c, uint64_t posted, struct hct_op *op);
/* Local list of a receive of n bytes at off of an MR, in recv_sges pieces. */
void gen_recv_list(const struct gen_plan *n, uint32_t mr, uint64_t off, struct hct_op *op);

/* False: no memory. `number` keeps the random sequences of flows apart. */
bool gen_stream_init(struct gen_stream *s, const struct gen_plans *all, uint32_t number);
void gen_stream_free(struct gen_stream *s);

/* Puts the recvs that stand ready before the first message. */
enum hct_status gen_stream_prefill(struct gen_stream *s, hct_writer *w, uint64_t *next_id,
                                   struct gen_result *result);
/* Puts the next operation, and the recv that takes the place of the one it consumes. */
enum hct_status gen_stream_next(struct gen_stream *s, hct_writer *w, uint64_t *next_id,
                                struct gen_result *result);
