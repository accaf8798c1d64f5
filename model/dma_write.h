/* dma_write: cuts DMA writes into posted TLPs of at most MPS bytes that cross no 4 KiB boundary.
 *
 * Order    Requests leave in the order in which they were accepted; those of one client in order.
 * Timing   1 request accepted and 1 TLP sent per cycle; first TLP hca.dma_engine_ns after
 *          acceptance (at least 1 cycle), then one per hca.dma_write_interval_ps or
 *          hca.dma_issue_interval_ps, the longer of both.
 * Done     A request is done, and its bytes may change, when its last TLP is on up_wr: PCIe keeps
 *          posted writes in order. Bytes outside the receive buffer are copied to a place of the
 *          unit's own for that; those inside it stay until pcie gives the slot back.
 * Source   docs/units/dma_write.md; PCIe rules in model/spec/param.def (mps_bytes)
 * NOT MODELLED: cutting at MPS-aligned addresses, byte enables (sizes are in bytes), poisoned data.
 */
#pragma once
#include "model/spec.h"

enum { DMA_WRITE_CLIENTS = 9 };

struct dma_write_job {
    uint64_t addr;     /* of the next byte                                  */
    uint64_t ready_at; /* cycle from which its first TLP may leave          */
    uint32_t left;     /* bytes to be sent                                  */
    uint32_t data;     /* store offset of the next byte                     */
    uint32_t cookie, mid;
    uint16_t flags, slot;
    uint8_t client, fn, cls, status;
};

struct dma_write {
    struct wire_wr_req *wr_cmd;                   /* in,  from command   */
    struct wire_wr_req *wr_ctx;                   /* in,  from context   */
    struct wire_wr_req *wr_wqe;                   /* in,  from wqe_fetch */
    struct wire_wr_req *wr_xlat;                  /* in,  from xlat      */
    struct wire_wr_req *ack_placed;               /* in,  from xlat: payload for the requester  */
    struct wire_wr_req *rx_write;                 /* in,  from respond   */
    struct wire_wr_req *wr_cqe;                   /* in,  from complete  */
    struct wire_wr_req *wr_event;                 /* in,  from event     */
    struct wire_wr_req *wr_bench;                 /* in,  from bench     */
    struct wire_wr_done *wr_done_cmd;             /* out, to command     */
    struct wire_wr_done *wr_done_ctx;             /* out, to context: a context may be read again */
    struct wire_wr_done *wr_done_xlat;            /* out, to xlat        */
    struct wire_wr_done *rx_done;                 /* out, to respond     */
    struct wire_wr_done *ack_done;                /* out, to requester   */
    struct wire_wr_done *cqe_done;                /* out, to complete    */
    struct wire_wr_done *ev_done;                 /* out, to event       */
    struct wire_wr_done *bench_written;           /* out, to bench       */
    struct wire_tlp *up_wr;                       /* out, to pcie        */
    struct wire_wr_req *in[DMA_WRITE_CLIENTS];    /* the nine inputs by number             */
    struct wire_wr_done *done[DMA_WRITE_CLIENTS]; /* where each is answered, NULL: nowhere */
    struct dma_write_job *job;                    /* [jobs] a ring                         */
    uint32_t jobs;
    uint32_t entry_bytes;   /* largest entry of up_wr                                 */
    uint32_t entry_most;    /* bytes that one may hold: trains, and one page              */
    uint32_t mps_shift;     /* MPS is a power of two                                      */
    uint32_t copy;          /* store offset of one such place per slot of up_wr       */
    uint32_t engine_cycles; /* hca.dma_engine_ns                                      */
    struct {
        struct serial issue;  /* one unit per TLP                                     */
        uint32_t head, count; /* ring of jobs                                         */
        uint32_t next;        /* client that is asked first                           */
    } s;
};

void dma_write_open(struct dma_write *u, struct opening *o);
struct act dma_write_tick(struct dma_write *u, const struct tick *t);
