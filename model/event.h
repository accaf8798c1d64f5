/* event: asynchronous events and completion notifications into the device rings of each function,
 * interrupts with moderation, MSI-X masks.
 *
 * Order    One event at a time: ring element, producer index, interrupt. complete hands a
 *          notification over when its CQE has been written.
 * Timing   1 event per 2 cycles, and 1 cycle per interrupt, when the ring pages are known; else the
 *          way to xlat and, for a ring that looks full, a read of the consumer index.
 * Full     A notification that finds its ring full is kept, one bit per CQ, and tried again every
 *          10 us; an asynchronous event is dropped and counted.
 * Source   docs/units/event.md; device rings of the PVRDMA ABI; PCIe Base 4.0, 6.1.4 (MSI-X)
 * NOT MODELLED: the pending bit array as seen by software, function mask, interrupt remapping. */
#pragma once
#include "model/spec.h"

enum { EVENT_VECTORS = 8, EVENT_BUFS = 64 };

/* A device ring. Elements begin at page 1 of the directory; page 0 holds the indices. */
struct event_ring {
    uint64_t pdir, state_bus, page_bus; /* bus addresses                                  */
    uint64_t retry_at;                  /* it was full: cycle of the next look, 0: none   */
    uint32_t n, slots;                  /* elements as the driver counts them; in effect  */
    uint32_t tail, head;                /* producer; consumer as last read                */
    uint32_t page;                      /* page of page_bus, 0: none                      */
    uint8_t on;
    uint8_t known; /* state_bus is                                   */
};

struct event_vector {
    uint64_t addr;
    uint64_t deadline; /* cycle by which a moderated interrupt is sent, 0: none */
    uint32_t data;
    uint32_t count;  /* events that wait for it                               */
    uint8_t open;    /* programmed and not masked                             */
    uint8_t pending; /* raised while masked                                   */
    uint8_t wanted;  /* in the ring of interrupts to be sent                  */
};

struct event_fn {
    struct event_ring ring[2]; /* 0: asynchronous events, 1: completion notifications */
    struct event_vector vector[EVENT_VECTORS];
    uint32_t kept;     /* CQs whose notification found the ring full          */
    uint8_t listed;    /* in the ring of functions that have such             */
    uint8_t cq_vector; /* of the last notification                            */
};

struct event {
    struct wire_async *cmd_async;      /* in,  from command   */
    struct wire_cq_event *cmd_irq;     /* in,  from command   */
    struct wire_ring_set *ring_set;    /* in,  from command   */
    struct wire_msix_set *msix_set;    /* in,  from mmio      */
    struct wire_async *srq_async;      /* in,  from wqe_fetch */
    struct wire_async *req_async;      /* in,  from requester */
    struct wire_async *rsp_async;      /* in,  from respond   */
    struct wire_cq_event *cq_event;    /* in,  from complete  */
    struct wire_async *cq_async;       /* in,  from complete  */
    struct wire_ring_got *ring_got_ev; /* in,  from xlat      */
    struct wire_rd_rsp *rd_rsp_ev;     /* in,  from dma_read  */
    struct wire_wr_done *ev_done;      /* in,  from dma_write */
    struct wire_cq_event *ring_done;   /* out, to command     */
    struct wire_wr_req *wr_event;      /* out, to dma_write   */
    struct wire_ring_get *ring_get_ev; /* out, to xlat        */
    struct wire_rd_req *rd_req_ev;     /* out, to dma_read    */
    struct event_fn *fn;               /* [hca.fn_max]        */
    uint64_t *kept;                    /* [hca.fn_max][words] bit per CQ */
    uint16_t *irq;                     /* [irq_mask + 1] fn * EVENT_VECTORS + vector, to be sent */
    uint16_t *list;                    /* [list_mask + 1] functions with kept notifications      */
    uint64_t moderation, retry;        /* cycles */
    uint32_t words, irq_mask, list_mask;
    uint32_t bytes; /* store offset: EVENT_BUFS buffers of 16 bytes           */
    uint32_t head;  /* store offset of a consumer index                       */
    struct {
        uint64_t wrote, told, done; /* writes: pushed, youngest that answers, done            */
        uint64_t next_deadline;     /* of all vectors, HCA_NEVER: none                        */
        uint32_t irq_head, irq_tail, list_head, list_tail;
        struct {                   /* the event under way                                    */
            uint32_t info, number; /* number: of the CQ within its function                  */
            uint8_t state, fn, which, type, vector; /* state: enum event_state                   */
            uint8_t dead; /* its ring is gone                                       */
            uint8_t head_read;
        } j;
        struct { /* ring_set with pages 0 that is to be answered           */
            uint64_t number;
            uint8_t busy, fn;
        } off;
        uint8_t next; /* input asked first */
    } s;
};

void event_open(struct event *u, struct opening *o);
struct act event_tick(struct event *u, const struct tick *t);
