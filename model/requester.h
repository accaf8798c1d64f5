/* requester: cuts messages into packets; PSN window, acknowledgements, timers, retransmission,
 * errors.
 *
 * A grant brings one WQE (`work`); the requester cuts up to weight * hca.arbiter_quantum_bytes of
 * it into packets, each packet into pieces that lie in one SGE and one 4 KiB page, and ends the
 * grant. Every WQE begun has a message record until it is retired in order; records keep only what
 * headers and completions need, so a retransmission reads WQE and payload again (go-back-N). Order
 * First transmissions use each PSN once and in order. WQEs retire in order, each once. Timing   1
 * piece per cycle; 1 response, 1 completion and 1 event per input and cycle. Progress Responses
 * never wait for tx_job: what they cause (kicks, completions, retransmission) is remembered in the
 * QP's row and done when a wire or the next grant allows. PSNs     are free running 32-bit numbers
 * here and 24 bits on the wire; una <= PSN <= next, and next - una <= 2^23 + hca.window_packets, so
 * a 24-bit number names one of them. Source   docs/units/requester.md; IBTA vol. 1, 9.7 NOT
 * MODELLED: end-to-end credits, selective repeat, automatic path migration. */
#pragma once
#include "model/spec.h"

enum { MPT_SLOTS = 4, REQ_RNR_FOREVER = 7, SGE_UNKNOWN = 0xff };

/* A WQE begun and not retired. */
struct req_msg {
    uint64_t wr_id;
    uint32_t next;     /* younger message of the QP, or free record: + 1           */
    uint32_t index;    /* of its WQE                                               */
    uint32_t first, n; /* PSNs; n 0: no packets (local operation, flushed, refused) */
    uint32_t len;
    uint32_t got;      /* READ, ATOMIC: responses accepted                         */
    uint32_t list;     /* READ, ATOMIC: record of its SGEs, + 1                    */
    uint32_t unplaced; /* pieces of responses that are not yet on PCIe             */
    uint32_t row;      /* of its QP                                                */
    uint32_t mid;      /* side: number of the operation for stamps                 */
    uint8_t units, opcode, flags;
    uint8_t status; /* enum wc_status                                           */
    uint8_t done;   /* nothing more is expected for it                          */
    uint8_t pad[5];
    uint16_t mtu; /* bytes                                                    */
};

struct req_list { /* where the responses of a READ or ATOMIC go */
    struct sge sge[SGE_MAX];
    uint32_t next_free;
    uint32_t off; /* position of the next byte: entry, bytes into it */
    uint8_t at, n;
};

struct req_qp {              /* acknowledgement state of one QP */
    uint64_t deadline;       /* cycle; 0: no timer                                        */
    uint64_t heap_key;       /* deadline under which it stands in the heap                */
    uint64_t head_addr;      /* pvrdma: bus address of the send ring's cons_head, 0: none */
    uint64_t timeout_cycles; /* 0: off                                                */
    uint32_t heap_at;        /* place in the heap, + 1; 0: not in it                      */
    uint32_t una, next;      /* oldest PSN not acknowledged; one past the youngest sent   */
    uint32_t fresh;          /* index of the first WQE without a record                   */
    uint32_t first, last;    /* messages in order, + 1                                  */
    uint32_t acking;         /* oldest message that is not done, + 1                      */
    uint32_t cursor;         /* message that tx.head is at, + 1; 0: a new one             */
    uint32_t reads;          /* READ and ATOMIC under way                                 */
    uint32_t in_flight, unplaced;
    uint32_t fail_index; /* of the oldest failed WQE                                  */
    uint32_t local;      /* message of the local operation under way, + 1; 0: none    */
    uint32_t ring_mask, handle, cqn, qn, pd;
    uint32_t unasked; /* packets since the last AckReq                             */
    uint8_t fn, type, format, sig_all, retry_cnt, rnr_cnt;
    uint8_t live;         /* has been in RTS since its last reset                      */
    uint8_t error;        /* enum ack_error                                            */
    uint8_t failed;       /* a message failed and waits for its turn to retire         */
    uint8_t rewind;       /* go back to una at the next packet boundary                */
    uint8_t rnr_wait;     /* deadline is the end of an RNR wait                        */
    uint8_t gap;          /* went back to una because a response is missing            */
    uint8_t retry, rnr;   /* tries left                                                */
    uint8_t parked;       /* enum req_park                                             */
    uint8_t marker;       /* enum qp_kick + 1: to be emptied for reset or destroy      */
    uint8_t fencing;      /* its fence is in the transmit pipe                         */
    uint8_t state_kick;   /* the control path changed its state                        */
    uint8_t sqd, drained; /* draining was seen; it was reported                       */
    uint8_t todo;         /* enum req_todo                                             */
    uint8_t in_todo, in_kick, in_wait;
};
enum req_park { PARK_WINDOW = 1, PARK_READS = 2, PARK_ALL = 4 };
enum req_todo {
    TODO_RETIRE = 1,
    TODO_ERR = 2,
    TODO_FATAL = 4,
    TODO_DRAINED = 8,
    TODO_FLUSHED = 16
};

struct req_queue { /* rows in order; each at most once */
    uint32_t *row;
    uint32_t mask;
};
struct req_ends {
    uint32_t head, tail;
};

struct req_cut {      /* the grant under way */
    struct pkt h;     /* header fields of the packet under way             */
    struct req_msg m; /* the message as it began: it may retire meanwhile  */
    uint64_t t_db, t_grant, t_ctx, t_fetch;
    uint32_t row, sent; /* bytes cut in this grant                           */
    uint32_t off;       /* bytes of the packet that have left as pieces      */
    uint16_t cx, rec;
    uint8_t phase; /* enum cut_phase                                    */
    uint8_t in_packet;
    uint8_t done, part; /* how the grant ends                                */
};
/* PACKETS: of the WQE; FENCE: marker of a reset; LOCAL: request to xlat; END: grant to be ended. */
enum cut_phase { CUT_NONE, CUT_PACKETS, CUT_FENCE, CUT_LOCAL, CUT_END };

struct req_placing {     /* the response whose payload is being handed to xlat */
    uint32_t msg;        /* + 1; 0: none                                      */
    uint32_t data, left; /* store offset and bytes to go                      */
    uint32_t mid;
    uint16_t slot; /* given back behind the last piece, or NO_SLOT      */
};

struct requester {
    struct wire_qp_event *cmd_req_kick; /* in, from command      */
    struct wire_work *work;             /* in, from wqe_fetch    */
    struct wire_pkt *tx_error;          /* in, from packet_build */
    struct wire_pkt *tx_sent;           /* in, from packet_build */
    struct wire_mpt_done *mpt_req_done; /* in, from xlat         */
    struct wire_rxp *rx_ack;            /* in, from context      */
    struct wire_wr_done *ack_done;      /* in, from dma_write    */
    struct wire_qp_event *err_req;      /* in, from respond      */
    struct wire_qp_event *cmd_flushed;  /* out, to command       */
    struct wire_qp_done *qp_done;       /* out, to arbiter       */
    struct wire_qp_done *qp_kick;       /* out, to arbiter       */
    struct wire_ctx_put *ctx_put_req;   /* out, to context       */
    struct wire_ctx_put *ctx_put_ack;   /* out, to context       */
    struct wire_pkt *tx_job;            /* out, to xlat          */
    struct wire_async *req_async;       /* out, to event         */
    struct wire_mpt_set *mpt_req;       /* out, to xlat          */
    struct wire_place *ack_place;       /* out, to xlat          */
    struct wire_qp_event *err_rsp;      /* out, to respond       */
    struct wire_cqe *req_cqe;           /* out, to complete      */
    struct req_qp *qp;                  /* [rows] by dense_row                     */
    struct req_msg *msg;                /* [msgs]                                  */
    struct req_list *list;              /* [lists]                                 */
    uint32_t *heap;                     /* [rows] rows by heap_key                 */
    struct req_queue todo, kick, wait;
    uint64_t ack_cycles[32]; /* by timeout code                         */
    uint32_t rows, msgs, lists;
    uint32_t atom; /* store offset: 8 bytes per list          */
    struct {
        struct req_cut cut;
        struct req_placing placing;
        struct req_ends todo, kick, wait;
        uint32_t heap_n;
        uint32_t free_msg, fresh_msg; /* free records, + 1; records never used from here on */
        uint32_t free_list, fresh_list;
        uint32_t mpt_row[MPT_SLOTS]; /* + 1: local operations under way                    */
        uint64_t progress;           /* changes made: a tick that left it alone did not move */
        uint32_t mark, mark_step;    /* side: last mark given; 0: wr_id is the mark           */
    } s;
};

void requester_open(struct requester *u, struct opening *o);
struct act requester_tick(struct requester *u, const struct tick *t);

static inline bool req_is_read(uint8_t opcode)
{
    return opcode == WR_READ || opcode == WR_CAS || opcode == WR_FAA;
}

/* Number of an operation for stamps: what the driver has put into the WQE (the replay driver posts
 * trace operation + 1), or a running one of the adapter, see hca_set_marks. */
static inline uint32_t req_mark(struct requester *u, uint64_t wr_id)
{
    return u->s.mark_step == 0 ? (uint32_t)wr_id : (u->s.mark += u->s.mark_step);
}

/* --- requester_row.c: rows, records, queues -------------------------------------------------- */

void req_row_open(struct requester *u, struct opening *o);
struct req_qp *req_row(const struct requester *u, const struct tick *t, uint32_t qn);

/* Appends a record for the WQE at r->fresh; NULL: none free (the QP will be kicked). list: it needs
 * a record of SGEs too. */
struct req_msg *req_msg_new(struct requester *u, struct req_qp *r, bool list);
void req_msg_free_first(struct requester *u, struct req_qp *r);

/* Forgets everything but the places of the row in queues and heap. */
void req_row_clear(struct requester *u, struct req_qp *r);
void req_todo(struct requester *u, struct req_qp *r, unsigned bits);
void req_kick(struct requester *u, struct req_qp *r);
struct req_qp *req_queue_head(const struct requester *u, const struct req_queue *q,
                              const struct req_ends *e);

/* --- requester_timer.c ----------------------------------------------------------------------- */

/* deadline 0: none. Later deadlines cost nothing until the earlier one passes. */
void req_timer_set(struct requester *u, struct req_qp *r, uint64_t deadline);
uint64_t req_timer_next(const struct requester *u);

/* Takes the row whose time has come off the heap; NULL: its deadline had moved. */
struct req_qp *req_timer_take(struct requester *u, uint64_t now);

/* Cycles of an ACK timeout code (0: off) and of an RNR timer code. */
uint64_t req_ack_cycles(const struct hca_param *p, unsigned code);
uint64_t req_rnr_cycles(const struct hca_param *p, unsigned code);

/* --- requester_ack.c: responses -------------------------------------------------------------- */

void req_ack_step(struct requester *u, const struct tick *t);

/* All PSNs before e are acknowledged. False: the response of a READ or ATOMIC before e is missing.
 */
bool req_acknowledge(struct requester *u, const struct tick *t, struct req_qp *r, uint32_t e);

/* Free running PSN for a 24-bit one; false: not between una and next. */
bool req_psn(const struct req_qp *r, uint32_t psn, uint32_t *e);

/* One try less; goes back to una, or fails the oldest message. */
void req_retry(struct requester *u, const struct tick *t, struct req_qp *r);
void req_timeout(struct requester *u, const struct tick *t, struct req_qp *r);

/* --- requester_done.c: completions, errors --------------------------------------------------- */

/* The message will complete with status as soon as all before it have; nothing behind it is sent.
 */
void req_fail(struct requester *u, struct req_qp *r, struct req_msg *m, enum wc_status status);

/* The QP is in error: everything is flushed. tell: respond has to be told. */
void req_error(struct requester *u, struct req_qp *r, enum ack_error error, bool tell);
void req_todo_step(struct requester *u, const struct tick *t);

/* --- requester_cut.c, requester_pkt.c: grants ------------------------------------------------ */

void req_cut_step(struct requester *u, const struct tick *t);

void req_end(struct requester *u, enum qp_done_kind kind, bool part);

/* The grant found nothing in its way: begins the WQE, goes on with it, or sends it again. */
void req_begin(struct requester *u, const struct tick *t, struct req_qp *r, struct qpc *q,
               const struct wqe *w);

/* Sends the request of a local operation to xlat when there is room; takes its answer. */
void req_local_step(struct requester *u, const struct tick *t, struct req_qp *r, struct qpc *q,
                    const struct wqe *w);
void req_local_done(struct requester *u, const struct tick *t, const struct mpt_done *d);

/* tx.head to the next WQE: one that is sent again, or the first without a record. */
void req_next_head(struct requester *u, struct req_qp *r, struct qp_tx *x);

/* Fills s.cut.h for the packet at tx.psn of message m. */
void req_packet(struct requester *u, const struct tick *t, const struct req_qp *r,
                const struct req_msg *m, struct qpc *q, const struct wqe *w);

/* Sends the next piece of s.cut.h; true: it was the last. */
bool req_piece(struct requester *u, const struct tick *t, struct qp_tx *x, const struct wqe *w);

/* Sets the SGE position for x->sent_bytes. */
void req_seek(struct qp_tx *x, const struct wqe *w);
uint32_t req_mtu(const struct tick *t, const struct qp_static *s);
