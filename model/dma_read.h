/* dma_read: cuts reads into requests of at most MRRS bytes that cross no 4 KiB boundary, gives each
 * a tag, and tells when all bytes are in the beat store; puts the pieces of packets together.
 *
 * Order    Requests of one client leave in order, clients take turns by request. Completions come
 *          in any order of tags. Clients are answered as their reads end, packets in order.
 * Timing   1 read accepted, 1 request sent, 1 completion taken per cycle. First request
 *          hca.dma_engine_ns + dma_read_extra_ns after acceptance (at least 1 cycle), then one per
 *          hca.dma_issue_interval_ps; the answer is pushed in the cycle of the last completion.
 * Progress A completion needs no room anywhere: what it finishes waits in its job or packet.
 * Source   docs/units/dma_read.md; PCIe rules in model/spec/param.def (mrrs_bytes, tags)
 * NOT MODELLED: completion timeout, cutting at MRRS-aligned addresses, byte enables. */
#pragma once
#include "model/spec.h"

enum {
    DMA_READ_CLIENTS = 8,                /* that are answered by rd_rsp             */
    DMA_READ_PACKETS = DMA_READ_CLIENTS, /* number of rd_job among the inputs      */
    DMA_READ_INPUTS
};

/* A read that is being requested or awaited. */
struct dma_read_job {
    uint64_t addr;         /* of the next byte to request                     */
    uint64_t ready_at;     /* cycle from which its first request may leave    */
    uint32_t left;         /* bytes not requested yet                         */
    uint32_t data;         /* store offset of the next byte to request        */
    uint32_t bytes;        /* of the whole read                               */
    uint32_t packet;       /* place in the queue of packets                   */
    uint32_t mid;          /* operation whose last read this is, 0: none      */
    uint32_t open;         /* requests without their last completion          */
    uint16_t cookie, next; /* next: in the list of its client, or of free jobs */
    uint8_t client, fn, cls, status;
};

struct dma_read_tag {
    uint32_t left; /* bytes that have not come yet; 0: free */
    uint16_t job, tlps;
};

/* A packet whose payload is being gathered. */
struct dma_read_packet {
    struct pkt p;
    uint32_t open; /* pieces not complete */
    uint8_t whole; /* the last piece is known */
    uint8_t read;  /* some byte comes by DMA  */
    uint8_t pad[2];
};

struct dma_read_list {
    uint16_t first, last; /* valid while the bit of the list is set */
};

struct dma_read {
    struct wire_rd_req *rd_req_cmd;            /* in,  from command   */
    struct wire_rd_req *rd_req_ctx;            /* in,  from context   */
    struct wire_rd_req *rd_req_wqe;            /* in,  from wqe_fetch */
    struct wire_pkt *rd_job;                   /* in,  from xlat      */
    struct wire_rd_req *rd_req_xlat;           /* in,  from xlat      */
    struct wire_rd_req *rd_req_rsp;            /* in,  from respond   */
    struct wire_rd_req *rd_req_cq;             /* in,  from complete  */
    struct wire_rd_req *rd_req_ev;             /* in,  from event     */
    struct wire_rd_req *rd_req_bench;          /* in,  from bench     */
    struct wire_tlp *pcie_in;                  /* in,  from edge: completions */
    struct wire_rd_rsp *rd_rsp_cmd;            /* out, to command     */
    struct wire_rd_rsp *rd_rsp_ctx;            /* out, to context     */
    struct wire_rd_rsp *rd_rsp_wqe;            /* out, to wqe_fetch   */
    struct wire_pkt *rd_done;                  /* out, to packet_build */
    struct wire_rd_rsp *rd_rsp_xlat;           /* out, to xlat        */
    struct wire_rd_rsp *rd_rsp_rsp;            /* out, to respond     */
    struct wire_rd_rsp *rd_rsp_cq;             /* out, to complete    */
    struct wire_rd_rsp *rd_rsp_ev;             /* out, to event       */
    struct wire_rd_rsp *rd_rsp_bench;          /* out, to bench       */
    struct wire_tlp *up_rd;                    /* out, to pcie        */
    struct wire_rd_req *req[DMA_READ_CLIENTS]; /* the same by number */
    struct wire_rd_rsp *rsp[DMA_READ_CLIENTS];
    struct fifo *in[DMA_READ_INPUTS]; /* req and, last, rd_job */
    struct dma_read_job *job;         /* [jobs]                                             */
    struct dma_read_tag *tag;         /* [tags]                                             */
    uint16_t *free_tag;               /* [tags] ring of free tags                           */
    struct dma_read_packet *packet;   /* [packets] ring                                     */
    uint32_t jobs, tags, packets;     /* packets: a power of two                            */
    uint32_t tag_base;                /* number of tag 0 on the link                        */
    uint32_t mrrs_shift;              /* MRRS is a power of two                             */
    uint32_t train_most;              /* sim.train_tlps_max                                 */
    uint32_t engine_cycles;           /* hca.dma_engine_ns + dma_read_extra_ns              */
    struct {
        struct serial issue; /* one unit per request                                      */
        struct serial hand;  /* bytes handed on; num 0: at once                           */
        struct dma_read_list issuing[DMA_READ_INPUTS];    /* reads with bytes to request   */
        struct dma_read_list answering[DMA_READ_CLIENTS]; /* complete, not answered       */
        uint32_t out[DMA_READ_CLIENTS];   /* reads accepted and not answered          */
        uint32_t issue_set, answer_set;   /* bit per list that is not empty           */
        uint32_t jobs_free, job_free;     /* count, and first of the list             */
        uint32_t tags_free, tag_head;     /* count of TLPs, and oldest free tag       */
        uint32_t tag_numbers;             /* free tag numbers in the ring             */
        uint32_t head, tail;              /* of packets, free running                 */
        uint32_t next_issue, next_accept; /* who is asked first                       */
        uint32_t inside;                  /* the youngest packet misses pieces        */
    } s;
};

void dma_read_open(struct dma_read *u, struct opening *o);
struct act dma_read_tick(struct dma_read *u, const struct tick *t);

/* Parts, in the order of a tick; each returns whether it changed anything. */
bool dma_read_complete(struct dma_read *u, const struct tick *t); /* takes a completion      */
bool dma_read_deliver(struct dma_read *u, const struct tick *t);  /* packets and answers     */
bool dma_read_issue(struct dma_read *u, const struct tick *t);    /* sends a request         */
bool dma_read_accept(struct dma_read *u, const struct tick *t, bool *more); /* takes a read  */

/* Lists of jobs, set bits kept. */
void dma_read_append(struct dma_read *u, struct dma_read_list *l, uint32_t *set, uint32_t i,
                     uint16_t job);
uint16_t dma_read_remove(struct dma_read *u, struct dma_read_list *l, uint32_t *set, uint32_t i);
void dma_read_free(struct dma_read *u, uint16_t job);

/* The oldest packet has all its bytes. */
static inline bool dma_read_gathered(const struct dma_read *u)
{
    const struct dma_read_packet *const p = &u->packet[u->s.head & (u->packets - 1)];

    return u->s.head != u->s.tail && p->whole != 0 && p->open == 0;
}

/* First member of a set that is not empty, counted from `from` on, round robin. */
static inline uint32_t dma_read_turn(uint32_t set, uint32_t from)
{
    const uint32_t behind = set >> from << from;

    return (uint32_t)__builtin_ctz(behind != 0 ? behind : set);
}
