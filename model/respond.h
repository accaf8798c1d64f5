/* respond: executes requests in the order in which check hands them over; acknowledgements, READ
 * and ATOMIC responses, receive completions; error and flush of a receive queue.
 *
 * Order    Packets that leave for one QP have ascending PSNs, except replays: ack_job is used only
 *          while no response of the QP is on its way by rsp_job. READs and atomics see every WRITE
 *          and SEND of their QP that came before; a CQE leaves when its payload has been written.
 * Progress Nothing that waits for the network holds up a request: an answer that cannot leave
 *          waits as state of its QP, without a context pin.
 * Timing   1 request per cycle, plus 1 cycle for each piece beyond its first; hca.respond_ns from
 *          the last piece to payload write and acknowledgement.
 * Source   docs/units/respond.md; InfiniBand Architecture vol. 1, 9.7.4 to 9.9
 * NOT MODELLED: capacity and misses of the table of responder resources, end-to-end credits. */
#pragma once
#include "model/spec.h"

enum { RSP_TURNS = 8, RSP_ATOMICS = 64, RSP_CQES = 64 };

/* Responder resource: the youngest READ and ATOMIC requests of a QP, kept for replay. */
struct rsp_res {
    uint64_t va;     /* READ: of the request                                     */
    uint64_t value;  /* ATOMIC: result                                           */
    uint64_t run_va; /* READ response under way: the range that is being sent    */
    uint64_t need;   /* number of the payload write that must be done before     */
    uint32_t run_len, run_off, run_psn;
    uint32_t len, rkey;
    uint32_t first, last; /* PSNs of the request                                   */
    uint32_t msn;
    uint32_t mid;     /* side field                                               */
    uint8_t kind;     /* enum res_kind                                            */
    uint8_t state;    /* enum res_state                                           */
    uint8_t answered; /* its response was sent once: what is wanted is a replay   */
};

/* What respond knows of a QP; all zero when fresh. */
struct rsp_qp {
    uint64_t wr_id;              /* of the receive WQE in use, when open                   */
    uint64_t deadline;           /* cycle at which a delayed ACK is due, 0: none           */
    uint64_t stored;             /* number of the last write of an atomic                  */
    uint64_t wait_for;           /* number of the payload write that a READ waits for      */
    uint64_t pipe;               /* number of the youngest of its packets on rsp_job       */
    uint32_t newer, older;       /* neighbours in the list of delayed ACKs, row + 1      */
    uint32_t msn, ack_psn;       /* of the last request executed                         */
    uint32_t nak_psn;            /* answer that waits: its PSN                             */
    uint32_t mid;                /* side field: operation whose ACK waits                  */
    uint16_t since_ack;          /* requests since the last ACK that asked for one         */
    uint8_t answer;              /* enum rsp_answer that waits                             */
    uint8_t syndrome;            /* of it                                                  */
    uint8_t alive;               /* ack_psn is valid                                       */
    uint8_t error;               /* everything is dropped                                  */
    uint8_t open;                /* a receive WQE is in use                                */
    uint8_t poison;              /* UC: the rest of the message is dropped                 */
    uint8_t last_wqe;            /* ASYNC_QP_LAST_WQE was sent                             */
    uint8_t halted;              /* check drops its packets                                */
    uint8_t first, count, wants; /* ring of resources; those to be answered        */
    uint8_t cause;               /* enum rsp_cause, or-ed: why it is to be flushed         */
    uint8_t async;               /* event to be raised, + 1                                */
    uint8_t queued;              /* in the ring of QPs that have something to send         */
    uint8_t waiting;             /* in the ring of QPs that wait for payload writes        */
    uint8_t turn;                /* holds a turn                                           */
    uint8_t failed;              /* in the ring of QPs to be flushed                       */
};

/* A QP's turn to send: header fields copied from its context, which is then free again. */
struct rsp_turn {
    struct pkt head;
    uint32_t qn, row, mtu, bytes;
    uint16_t cx; /* TURN_GOT: still pinned                                         */
};

struct rsp_atomic {
    uint64_t addr, swap_add, compare;
    uint64_t need; /* number of the payload write that must be done before    */
    uint64_t seq;  /* number of its own write                                 */
    uint32_t row, qn, mid;
    uint16_t lock;
    uint8_t res;    /* number of its resource                                  */
    uint8_t state;  /* enum atomic_state                                       */
    uint8_t behind; /* older atomics with the same lock                        */
    uint8_t fn, opcode;
};

struct rsp_cqe {
    struct cqe m;
    uint64_t need; /* number of the payload write that must be done before         */
};

struct respond {
    struct wire_qp_event *cmd_rsp_kick; /* in,  from command      */
    struct wire_ctx_got *ctx_got_rsp;   /* in,  from context      */
    struct wire_pkt *rsp_error;         /* in,  from packet_build */
    struct wire_pkt *rsp_sent;          /* in,  from packet_build */
    struct wire_exec *exec;             /* in,  from check        */
    struct wire_place *rx_placed;       /* in,  from xlat         */
    struct wire_wr_done *rx_done;       /* in,  from dma_write    */
    struct wire_rq_wqe *rsp_flushed;    /* in,  from wqe_fetch    */
    struct wire_qp_event *rq_more;      /* in,  from wqe_fetch    */
    struct wire_rd_rsp *rd_rsp_rsp;     /* in,  from dma_read     */
    struct wire_mpt_done *mpt_rsp_done; /* in,  from xlat         */
    struct wire_qp_event *err_rsp;      /* in,  from requester    */
    struct wire_rq_get *rsp_halt;       /* out, to check          */
    struct wire_qp_event *cmd_drained;  /* out, to command        */
    struct wire_ctx_get *ctx_get_rsp;   /* out, to context        */
    struct wire_ctx_put *ctx_put_rsp;   /* out, to context        */
    struct wire_pkt *rsp_job;           /* out, to xlat           */
    struct wire_pkt *ack_job;           /* out, to packet_build   */
    struct wire_wr_req *rx_write;       /* out, to dma_write      */
    struct wire_rq_get *rsp_flush;      /* out, to wqe_fetch      */
    struct wire_rd_req *rd_req_rsp;     /* out, to dma_read       */
    struct wire_mpt_set *mpt_rsp;       /* out, to xlat           */
    struct wire_qp_event *err_req;      /* out, to requester      */
    struct wire_async *rsp_async;       /* out, to event          */
    struct wire_cqe *rsp_cqe;           /* out, to complete       */
    struct rsp_qp *qp;                  /* [rows]                 */
    struct rsp_res *res;                /* [rows][depth]          */
    uint32_t *ready, *waits, *failed;   /* [mask + 1] QP numbers  */
    struct rsp_turn *turn;              /* [RSP_TURNS]            */
    struct rsp_atomic *atomic;          /* [RSP_ATOMICS]          */
    struct rsp_cqe *cqe;                /* [RSP_CQES]             */
    struct pkt *pkt;                    /* packet being cut into pieces */
    uint64_t delay;                     /* hca.respond_ns, cycles */
    uint64_t ack_delay;                 /* hca.ack_delay_ns, cycles */
    uint32_t mask, depth;               /* of the rings; resources per QP */
    uint32_t atomic_data;               /* store offset: 16 bytes per atomic */
    struct {
        /* payload writes: number of the youngest pushed, of the youngest that answers, done */
        uint64_t wr_seq, wr_told, wr_done;
        uint64_t job_seq, job_sent; /* packets on rsp_job that tell when they are built */
        uint32_t ready_head, ready_tail, waits_head, waits_tail, failed_head, failed_tail;
        uint32_t cqe_head, cqe_tail;
        uint32_t oldest, youngest; /* list of delayed ACKs, row + 1                    */
        struct rsp_now {           /* the request at the head of exec                  */
            uint64_t bus;          /* ATOMIC: address                                  */
            uint16_t pieces;       /* taken so far                                     */
            uint8_t discard, status, inv, written; /* inv: enum inv_state                     */
        } x;
        struct {                      /* turns                                            */
            uint32_t left, off;       /* of the packet being cut: bytes, offset           */
            uint8_t state[RSP_TURNS]; /* enum turn_state                                  */
            uint8_t order[RSP_TURNS]; /* those that hold header fields, next one first    */
            uint8_t n;                /* of them                                          */
            uint8_t taken;            /* turns given out, with those that wait for a context */
            uint8_t cutting;          /* a packet of order[0] is being cut                */
        } t;
        struct {                        /* atomics                                          */
            uint64_t used;              /* bit per entry                                    */
            uint8_t order[RSP_ATOMICS]; /* entries, oldest first                            */
            uint8_t n;
        } a;
        struct rsp_flush { /* the QP that is being flushed                     */
            uint32_t qn, row;
            uint16_t cx;
            uint8_t budget; /* receive WQEs before others get their chance      */
            uint8_t state;  /* enum flush_state                                 */
            uint8_t cause, async, marked;
        } f;
        struct {                      /* the QP that is being reset                       */
            uint64_t wr_seq, job_seq; /* its markers                                      */
            uint32_t qn, row, cqe_tail;
            uint8_t state, kind, wrote, fenced; /* state: enum drain_state                    */
        } d;
        uint8_t more;  /* this tick left work that needs no new input                          */
        uint8_t marks; /* the adapter numbers operations: a wr_id names none                   */
    } s;
};

void respond_open(struct respond *u, struct opening *o);
struct act respond_tick(struct respond *u, const struct tick *t);
