/* wqe_fetch: fetches and parses work requests of both formats.
 *
 * Send queues: a grant of the arbiter is answered by `work`: the WQE at tx.head, parsed and
 * validated in a record of wqe_pool; the same again as long as tx.head stands still. Receive queues
 * and SRQs: check and respond ask for the next WQE, which is consumed at once (cons_head is written
 * back). WQEs are read in runs into buffers of WQE_BUF_BYTES; while one run is used, the next is on
 * its way. The producer index of a pvrdma ring is read when the ring looks empty and a doorbell
 * came since. Timing   1 grant and 1 receive request per cycle while buffers hit;
 * hca.wqe_process_ns from there to `work`. Progress Answers of xlat, dma_read and context, rq_ready
 * and wqe_mmio are always taken. Receive requests have tasks and buffers of their own, so a
 * transmit side that stands still cannot hold them. Hostile  Producer index, WQE bytes, MMIO
 * chunks: anything may be in them. A bad index gives WORK_FAULT, a bad WQE WORK_BAD with the status
 * of its completion. Source   docs/units/wqe_fetch.md; pvrdma ABI sections 7 and 10; docs/NATIVE.md
 * NOT MODELLED: masked atomics, LSO, BIND_MW (refused as WC_LOC_QP_OP). */
#pragma once
#include "model/spec.h"

enum {
    WQE_BUF_BYTES = 512,
    WQE_UNIT = 64,   /* native: bytes of a ring index      */
    WQE_RUNS = 4,    /* buffers a ring may have            */
    RECV_TASKS = 16, /* receive requests and prefetches    */
    RECV_BELLS = 8,  /* of them for doorbells at most      */
};

struct wqe_buf {             /* a run of WQEs, perhaps still on its way */
    uint64_t pdir, page_bus; /* page directory, bus address of the page once known          */
    uint32_t ring;           /* + 1; 0: free, or dropped while being read                    */
    uint32_t first, count;   /* indices                                                      */
    uint32_t page, off;      /* page of the directory, byte in it (native: offset from pdir) */
    uint32_t len, len2;      /* bytes; len2: behind the wrap of a native ring                */
    uint32_t newer, older;   /* by use, + 1                                                  */
    uint8_t state;           /* enum buf_state                                               */
    uint8_t hold;            /* a task waits for it or is about to use it                    */
    uint8_t mmio;            /* carried by MMIO; first has 16 bits                           */
    uint8_t reads, failed;   /* reads under way; one of them failed                          */
    uint8_t fn, units, pad;  /* units: as in wqe_run                                         */
};
/* PAGE: needs ring_get; READ: needs rd_req; READ2: needs the second; MMIO: chunks are missing. */
enum buf_state {
    BUF_FREE,
    BUF_PAGE,
    BUF_PAGE_WAIT,
    BUF_READ,
    BUF_READ2,
    BUF_WAIT,
    BUF_MMIO,
    BUF_READY,
    BUF_FAILED
};

struct wqe_ring {           /* a send queue, receive queue or SRQ */
    uint16_t buf[WQE_RUNS]; /* + 1, the newest first; 0 behind the last          */
    uint8_t rung;           /* receive: a doorbell came since the index was last read   */
    uint8_t locked;         /* receive: a task works on it                              */
    uint8_t flushed;        /* receive: RQ_FLUSH came since the last reset              */
};

/* Where the next run of a ring is to be read; filled by the owner of the ring's context. */
struct wqe_run {
    const struct ring *geo;
    uint64_t page_bus; /* of page - 1                                       */
    uint32_t page;     /* page last looked up, + 1                          */
    uint32_t ring, index, tail, entries_max;
    uint32_t stride; /* bytes per index                                   */
    uint8_t fn;
    uint8_t contiguous; /* native: pdir is the address of index 0            */
    uint8_t units;      /* native send ring: a WQE takes 1..8 indices        */
};

struct send_task {
    struct qp_go go;
    uint8_t state; /* enum send_state */
};
enum send_state {
    SEND_LOOK,
    SEND_STATE,
    SEND_STATE_WAIT,
    SEND_INDEX,
    SEND_INDEX_WAIT,
    SEND_FAULT,
    SEND_DRAIN
};

struct recv_task {
    uint32_t qn, number; /* QP; context to be got: QP or SRQ                     */
    uint32_t ring;
    uint16_t qp_cx; /* NO_SLOT: not pinned (doorbell)                       */
    uint16_t cx;    /* context that holds the ring                          */
    uint16_t cookie;
    uint8_t kind;      /* enum recv_kind                                       */
    uint8_t state;     /* enum recv_state                                      */
    uint8_t srq, mine; /* mine: the pin is this unit's                         */
    uint8_t fresh;     /* the producer index has been read for this task       */
    uint8_t locked;    /* it works on the ring: nobody else does               */
    uint8_t status;    /* enum work_status of the answer                       */
};
enum recv_kind { RECV_CHECK, RECV_AGAIN, RECV_FLUSH, RECV_BELL };
enum recv_state {
    RECV_FREE,
    RECV_CTX,
    RECV_CTX_WAIT,
    RECV_LOCK,
    RECV_LOOK,
    RECV_STATE,
    RECV_STATE_WAIT,
    RECV_INDEX,
    RECV_INDEX_WAIT,
    RECV_ANSWER,
    RECV_PUT
};

struct recv_last { /* the receive WQE a QP consumed last: its ring slot may be overwritten */
    uint64_t wr_id;
    uint32_t len, nsge;
    struct sge sge[SGE_MAX];
};

/* What became of a step. WAITS: an answer is under way; BLOCKED: may go on in the next cycle. */
enum wqe_step { STEP_ENDED, STEP_WAITS, STEP_BLOCKED };

struct wqe_fetch {
    struct wire_wqe_mmio *wqe_mmio;     /* in, from mmio      */
    struct wire_qp_ready *rq_ready;     /* in, from doorbell  */
    struct wire_qp_go *qp_go;           /* in, from context   */
    struct wire_ctx_got *ctx_got_wqe;   /* in, from context   */
    struct wire_rd_rsp *rd_rsp_wqe;     /* in, from dma_read  */
    struct wire_ring_got *ring_got_wqe; /* in, from xlat      */
    struct wire_rq_get *rq_get;         /* in, from check     */
    struct wire_rq_get *rsp_flush;      /* in, from respond   */
    struct wire_work *work;             /* out, to requester  */
    struct wire_ctx_get *ctx_get_wqe;   /* out, to context    */
    struct wire_ctx_put *ctx_put_wqe;   /* out, to context    */
    struct wire_rd_req *rd_req_wqe;     /* out, to dma_read   */
    struct wire_wr_req *wr_wqe;         /* out, to dma_write  */
    struct wire_ring_get *ring_get_wqe; /* out, to xlat       */
    struct wire_async *srq_async;       /* out, to event      */
    struct wire_rq_wqe *rq_wqe;         /* out, to check      */
    struct wire_rq_wqe *rsp_flushed;    /* out, to respond    */
    struct wire_qp_event *rq_more;      /* out, to respond: receive doorbell of a flushed queue */
    struct wqe_buf *buf;                /* [bufs]                                                 */
    uint16_t *fetching;                 /* [bufs] those that need an output                       */
    struct wqe_ring *ring;              /* [2 * qps + srqs] send queues, receive queues, SRQs     */
    struct send_task *send;             /* [sends]                                                */
    uint16_t *send_order;               /* [sends] those in use, oldest first, then the free ones */
    struct recv_last *recv_last;        /* [qps]                                                  */
    uint32_t bufs, qps, sends, heads;
    uint32_t data;                   /* store offset: WQE_BUF_BYTES per buffer                 */
    uint32_t send_index, recv_index; /* store offsets: 8 bytes per task, producer index     */
    uint32_t head_data;              /* store offset: 8 bytes per head write                   */
    uint32_t process_cycles, fetch_max, send_run, recv_run;
    struct {
        struct recv_task recv[RECV_TASKS];
        uint8_t recv_order[RECV_TASKS]; /* as send_order                                    */
        uint32_t recvs, bells, tasks;   /* receive tasks in use, of doorbells; send tasks   */
        uint32_t fetching;       /* length of that list                                      */
        uint32_t flying;         /* buffers between start and READY                          */
        uint32_t live;           /* rings with a buffer                                      */
        uint32_t newest, oldest; /* buffers by use, + 1                                     */
        uint32_t next_head;
        uint64_t progress; /* changes made: a tick that left it alone did not move         */
    } s;
};

void wqe_fetch_open(struct wqe_fetch *u, struct opening *o);
struct act wqe_fetch_tick(struct wqe_fetch *u, const struct tick *t);

/* Cookies of ring_get and rd_req: buffers from 0, send tasks and receive tasks from here on. */
enum { SEND_COOKIE = 0x8000, RECV_COOKIE = 0xc000 };

/* One push per output and cycle, whoever asks for it. */
static inline bool wqe_out(const struct tick *t, const struct fifo *f)
{
    return fifo_ready(f, t->now) && f->pushed != t->now + 1;
}

/* --- wqe_fetch_buf.c: runs of WQEs ----------------------------------------------------------- */

void wqe_buf_open(struct wqe_fetch *u, struct opening *o);

/* Buffer of ring that holds (or will hold) index; NULL: none. */
struct wqe_buf *wqe_buf_find(const struct wqe_fetch *u, uint32_t ring, uint32_t index, bool units);

/* True when runs of a ring with these entries and bytes per index can be read at all. */
bool wqe_ring_valid(uint32_t entries, uint32_t stride, bool contiguous);

/* Starts to read the run at r->index, which must be before r->tail; NULL: no buffer or read is
 * free. */
struct wqe_buf *wqe_buf_start(struct wqe_fetch *u, const struct tick *t, const struct wqe_run *r);

/* As above for the first run behind b that is not there. As long as there are buffers for every
 * ring in use, WQE_RUNS - 1 runs are read ahead, else one. */
void wqe_buf_ahead(struct wqe_fetch *u, const struct tick *t, struct wqe_run *r,
                   const struct wqe_buf *b);
void wqe_buf_drop(struct wqe_fetch *u, struct wqe_buf *b);
void wqe_buf_drop_ring(struct wqe_fetch *u, uint32_t ring);
void wqe_buf_touch(struct wqe_fetch *u, struct wqe_buf *b);

/* Bytes of the WQE at index, which b holds. */
const uint8_t *wqe_buf_at(const struct wqe_fetch *u, const struct tick *t, const struct wqe_buf *b,
                          uint32_t index, uint32_t stride);
void wqe_buf_page(struct wqe_fetch *u, uint32_t i, const struct ring_got *m);
void wqe_buf_data(struct wqe_fetch *u, const struct tick *t, uint32_t i, uint8_t status);
void wqe_buf_mmio(struct wqe_fetch *u, const struct tick *t, const struct wqe_mmio *m);

/* Sends what buffers need. *left: more in the next cycle. */
void wqe_buf_step(struct wqe_fetch *u, const struct tick *t, bool *left);

/* True while a run of ring is being read. */
bool wqe_buf_flying(const struct wqe_fetch *u, uint32_t ring);

/* --- wqe_fetch_send.c: grants ---------------------------------------------------------------- */

void wqe_send_open(struct wqe_fetch *u, struct opening *o);
void wqe_send_take(struct wqe_fetch *u, const struct tick *t, bool *left);
void wqe_send_step(struct wqe_fetch *u, const struct tick *t, bool *left);
void wqe_send_page(struct wqe_fetch *u, const struct tick *t, uint32_t i, const struct ring_got *m);
void wqe_send_data(struct wqe_fetch *u, const struct tick *t, uint32_t i, uint8_t status);

/* --- wqe_fetch_recv_in.c, wqe_fetch_recv.c: receive queues ------------------------------------ */

/* What the tasks of a receive queue and of an SRQ have in common. */
struct recv_ring {
    const struct ring *geo;
    struct qp_rq *r;
    uint64_t state_page;
    uint32_t max_sge;
    uint32_t stride; /* bytes per index */
    uint8_t fn, native;
};

struct recv_ring wqe_recv_ring(const struct tick *t, const struct recv_task *k);
void wqe_recv_open(struct wqe_fetch *u, struct opening *o);
void wqe_recv_take(struct wqe_fetch *u, const struct tick *t, bool *left);
void wqe_recv_step(struct wqe_fetch *u, const struct tick *t, bool *left);
void wqe_recv_page(struct wqe_fetch *u, const struct tick *t, uint32_t i, const struct ring_got *m);
void wqe_recv_data(struct wqe_fetch *u, const struct tick *t, uint32_t i, uint8_t status);
void wqe_recv_got(struct wqe_fetch *u, const struct ctx_got *m);

/* --- wqe_fetch_parse.c ----------------------------------------------------------------------- */

/* Parses the send WQE in raw.
 *
 * s      the QP it was posted to
 * raw    bytes of the ring, of which `bytes` exist
 * index  its ring index (native: must agree with what the WQE says)
 * w      result; with WORK_BAD at least wr_id, opcode, units, flags and bad
 * data   store offset of WQE_RAW_MAX bytes for inline data
 * return WORK_OK or WORK_BAD
 * source pvrdma ABI section 10; docs/NATIVE.md */
enum work_status wqe_parse_send(const struct tick *t, const struct qp_static *s, const uint8_t *raw,
                                uint32_t bytes, uint32_t index, struct wqe *w, uint32_t data);

/* Parses a receive WQE with at most max_sge entries. native: wr_id is the index. */
enum work_status wqe_parse_recv(const uint8_t *raw, uint32_t max_sge, bool native, uint32_t index,
                                struct wqe *w);

/* May the producer index go from tail to next? It moves at most one ring at a time and stays within
 * one ring of the oldest WQE in use. A send head lies up to one ring behind that (`behind`): it
 * goes back for a retransmission, and what it went back to may retire and be posted anew before the
 * next grant moves it on. */
bool wqe_ahead(uint32_t next, uint32_t entries, uint32_t head, uint32_t tail, uint32_t behind);

/* New producer index from the value v in memory; false: v is no index of this ring or too far
 * ahead. source: pvrdma ABI section 7 */
bool wqe_index(uint32_t v, uint32_t entries, uint32_t head, uint32_t *tail, uint32_t behind);
