/* context: caches QP, CQ and SRQ contexts: fill, pin, write back.
 *
 * Every answer pins an entry; only unpinned entries are replaced (least recently pinned first). A
 * miss reads the whole context as function FN_ADAPTER, or takes hca.onboard_read_ns when contexts
 * lie on the card; requests for a context on its way wait in the order of arrival, requests for
 * others pass. An entry that was pinned counts as changed and is written back when it is replaced;
 * it is read again only after dma_write has reported that write, so PCIe keeps the two in order.
 * Timing   1 request per input and cycle; hca.context_hit_ns from request to answer.
 * Progress Puts, fills and write reports are always taken. A grant never takes the last places:
 * what arrives from the wire may use CTX_RESERVE entries of its own when all ways of a set are
 *          pinned, so that acknowledgements reach QPs whose grants wait for the port.
 * Absent   A context that was never created reads as zero: grants go on with cx NO_SLOT, packets
 * are dropped, ctx_get is answered CTX_ABSENT without a pin. Source   docs/units/context.md NOT
 * MODELLED: partial fills, bandwidth of the card's memory, parity. */
#pragma once
#include "model/spec.h"

enum { CTX_KINDS = 3, CTX_RESERVE = 8, CTX_WRITES = 8 };
enum { NO_CX = NO_SLOT };

/* Who asks; also the order in which inputs are served. */
enum ctx_client { CC_RX, CC_RSP, CC_CQ, CC_WQE, CC_CMD, CC_GRANT, CTX_CLIENTS };

struct ctx_cache {  /* one kind; arrays by cx: sets * ways entries, then the reserve */
    uint32_t *tag;  /* number + 1, 0: empty                                  */
    uint64_t *used; /* cycle of the last pin                                 */
    uint16_t *pins;
    uint8_t *flags; /* enum ctx_flag                                         */
    uint32_t ways, set_mask, entries, reserve;
};
/* BUSY: a miss works on the entry, so it is not to be replaced. */
enum ctx_flag { CTX_DIRTY = 1, CTX_EXCL = 2, CTX_BUSY = 4 };

struct ctx_waiter { /* a request taken from its wire that has to wait */
    union {
        struct rxp rx;
        struct grant grant;
        struct ctx_get get;
    } m;
    uint16_t next; /* + 1, 0: last */
    uint8_t client;
};

struct ctx_miss {      /* a context that is not usable at once, and who waits for it */
    uint64_t ready_at; /* MISS_TIME: cycle                          */
    uint32_t number;
    uint16_t cx;
    uint16_t first, last; /* waiters, + 1                              */
    uint8_t kind, state;  /* enum miss_state                           */
    uint8_t create;       /* nothing to be read                        */
    uint8_t urgent;       /* somebody else than a grant waits          */
};
/* VICTIM: needs an entry; READ: needs rd_req_ctx; WAIT: read under way; TIME: read on the card
 * under way; SERVE: in the cache, waiters are answered as outputs, pins and exclusive holders
 * allow. */
enum miss_state { MISS_VICTIM, MISS_READ, MISS_WAIT, MISS_TIME, MISS_SERVE };

struct context {
    struct wire_ctx_get *ctx_get_cmd; /* in, from command    */
    struct wire_ctx_put *ctx_put_cmd; /* in, from command    */
    struct wire_grant *grant;         /* in, from arbiter    */
    struct wire_ctx_get *ctx_get_wqe; /* in, from wqe_fetch  */
    struct wire_ctx_get *ctx_get_rsp; /* in, from respond    */
    struct wire_ctx_get *ctx_get_cq;  /* in, from complete   */
    struct wire_ctx_put *ctx_put_wqe; /* in, from wqe_fetch  */
    struct wire_ctx_put *ctx_put_req; /* in, from requester: end of a grant   */
    struct wire_ctx_put *ctx_put_ack; /* in, from requester: after a response */
    struct wire_ctx_put *ctx_put_rsp; /* in, from respond    */
    struct wire_ctx_put *ctx_put_cq;  /* in, from complete   */
    struct wire_rd_rsp *rd_rsp_ctx;   /* in, from dma_read   */
    struct wire_wr_done *wr_done_ctx; /* in, from dma_write  */
    struct wire_rxp *rx_look;         /* in, from packet_parse */
    struct wire_ctx_got *ctx_got_cmd; /* out, to command     */
    struct wire_qp_go *qp_go;         /* out, to wqe_fetch   */
    struct wire_ctx_got *ctx_got_wqe; /* out, to wqe_fetch   */
    struct wire_ctx_got *ctx_got_rsp; /* out, to respond     */
    struct wire_ctx_got *ctx_got_cq;  /* out, to complete    */
    struct wire_rd_req *rd_req_ctx;   /* out, to dma_read    */
    struct wire_wr_req *wr_ctx;       /* out, to dma_write   */
    struct wire_rxp *rx_check;        /* out, to check       */
    struct wire_rxp *rx_ack;          /* out, to requester   */
    struct ctx_cache cache[CTX_KINDS];
    struct ctx_miss *miss;     /* [misses]                                        */
    uint16_t *active;          /* [misses] those in use, oldest first             */
    uint16_t *free_miss;       /* [misses] the others                             */
    struct ctx_waiter *waiter; /* [waiters]                                       */
    uint16_t *free_waiter;     /* [waiters]                                       */
    uint8_t *board;            /* contexts on the card, NULL: in host memory      */
    uint32_t fill, write;      /* store offsets: QPC_BYTES per miss, per write    */
    uint32_t misses, waiters;
    uint32_t hit_cycles, board_cycles;
    struct {
        uint32_t active, free_miss, free_waiter; /* lengths                         */
        uint32_t write_number[CTX_WRITES];       /* number + 1 of a write under way */
        uint8_t write_kind[CTX_WRITES];
    } s;
};

void context_open(struct context *u, struct opening *o);
struct act context_tick(struct context *u, const struct tick *t);

/* --- context_cache.c: entries and their bytes ------------------------------------------------ */

void context_cache_open(struct context *u, struct opening *o);

/* cx of a context in the cache (perhaps being filled), NO_CX: not there. */
uint32_t context_find(const struct context *u, unsigned kind, uint32_t number);

/* An entry for m, emptied; NO_CX: all are pinned, or the write-back has to wait. */
uint32_t context_victim(struct context *u, const struct tick *t, const struct ctx_miss *m);

/* True while the context is on its way to memory. */
bool context_writing(const struct context *u, unsigned kind, uint32_t number);

/* Bytes of entry cx from a memory image (NULL: zero). */
void context_load(const struct tick *t, unsigned kind, uint32_t cx, const uint8_t *image);

/* True when entry cx holds a created context. */
bool context_exists(const struct tick *t, unsigned kind, uint32_t cx);

/* Image of a context on the card. */
uint8_t *context_board(const struct context *u, const struct tick *t, unsigned kind,
                       uint32_t number);
uint32_t context_bytes(unsigned kind);

/* --- context_miss.c: what has to wait -------------------------------------------------------- */

void context_miss_open(struct context *u, struct opening *o);
struct ctx_miss *context_miss_find(const struct context *u, unsigned kind, uint32_t number);

/* New miss; cx NO_CX: the context has to be fetched. NULL: no room. */
struct ctx_miss *context_miss_new(struct context *u, unsigned kind, uint32_t number, uint32_t cx);

/* Appends a waiter; the caller fills its message. NULL: no room. */
struct ctx_waiter *context_wait(struct context *u, struct ctx_miss *m, unsigned client);

/* Takes fills and write reports; true: moved. */
bool context_sink(struct context *u, const struct tick *t);

/* Advances the misses from place `from` of the active list on; true: moved. *left: some may go on
 * in the next cycle. *wake: lowered to the cycle at which one goes on by itself. */
bool context_misses(struct context *u, const struct tick *t, uint32_t from, bool *left,
                    uint64_t *wake);

/* --- context.c ------------------------------------------------------------------------------- */

/* What serving a request did. ANSWERED: its wire or waiter is done with. */
enum ctx_serve { CS_ANSWERED, CS_OUTPUT, CS_PINNED };

/* Answers a request for entry cx (valid): pins and pushes. CS_OUTPUT: the output is not ready;
 * CS_PINNED: somebody holds it in a way that excludes this request. */
enum ctx_serve context_serve(struct context *u, const struct tick *t, unsigned client,
                             const void *msg, uint32_t cx);

/* Answers a request for a context that does not exist; false: output not ready. */
bool context_refuse(struct context *u, const struct tick *t, unsigned client, const void *msg,
                    unsigned status);
