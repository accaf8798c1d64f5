/* root: the root ports of a host, one link per adapter.
 *
 * Up       requests leave the receive buffer for the iommu one per cycle; their credits are at the
 *          adapter pcie.credit_return_ns later. Answers to MMIO reads go the way of the writes to
 *          memory and back, so that older posted writes are visible before the core has them.
 * Down     per adapter one line at the exact rational rate of the link. Reads are answered by
 *          completions cut at RCB; MMIO of the cores shares the line. An entry is visible at the
 *          end of its last byte plus pcie.latency_down_ns.
 * Order    completions in the order in which memory finished the reads; no completion passes an
 *          older MMIO access; an MMIO access waits for at most one completion.
 * Source   docs/units/root.md; PCIe Base 4.0, 2.3.1.1 (completions), 2.4 (order)
 * NOT MODELLED: interleaving of completions of two reads. */
#pragma once
#include "model/tlp.h"

/* Kept out of line: drawn into the tick they made it spill registers; that cost more than the
 * calls. */
#define ROOT_RARE __attribute__((noinline))

enum { ROOT_PORTS_MAX = 8 };

struct root {
    struct wire_mmio_req *cpu_mmio; /* in, from edge   */
    struct wire_mmio_rsp *up_mmio;  /* in, from edge   */
    struct wire_tlp *up_tlp;        /* in, from edge   */
    struct wire_credit *dn_fc;      /* in, from edge   */
    struct wire_tlp *mem_done;      /* in, from memory */
    struct wire_tlp *io_fault;      /* in, from iommu  */
    struct wire_mmio_rsp *cpu_rd;   /* out, to edge    */
    struct wire_mmio_req *dn_mmio;  /* out, to edge    */
    struct wire_credit *fc_out;     /* out, to edge    */
    struct wire_tlp *io_req;        /* out, to iommu   */
    struct wire_tlp *dn_tlp;        /* out, to edge    */
    struct tlp *queue;              /* [ports][queue_max] reads to be answered, in order */
    uint32_t ports, queue_max;      /* a power of two, at least the tags of an adapter   */
    uint64_t latency;               /* cycles, and so are the next four                  */
    uint64_t write_delay, read_delay, answer_delay, credit_delay;
    uint64_t fc_limit; /* cycles from one UpdateFC to the next, unless much is owed     */
    uint32_t ph_due, pd_due, nph_due; /* credits of a kind that are given back at once       */
    uint32_t cpl_most, rcb, train; /* bytes of a completion at most, their grain; TLPs of a train */
    struct {
        struct root_port {
            struct serial line;
            uint32_t head, tail;     /* of its queue, free running                     */
            uint32_t sent;           /* bytes of the read at head that have left       */
            uint32_t mmio_last;      /* the line carried MMIO last                     */
            struct tlp_credits owed; /* freed, not given back yet                  */
            uint64_t fc_next;        /* first cycle of an UpdateFC for little      */
            uint64_t fc_at;          /* cycle of the next UpdateFC, never: nothing is owed */
            struct tlp_credits mmio; /* left for accesses of the cores             */
        } port[ROOT_PORTS_MAX];
        uint64_t fc_at;      /* least of all ports                                         */
        uint32_t first;      /* port that is looked at first                               */
        uint32_t busy;       /* ports with reads to be answered, bit each                  */
        uint32_t mmio_noted; /* the wait of the oldest access for credits has been counted */
    } s;
};

void root_open(struct root *u, struct opening *o);
struct act root_tick(struct root *u, const struct tick *t);

/* root_down.c: starts what the free lines may carry; true when something left. Lowers *wake to the
 * next cycle at which a line could do more. */
bool root_down(struct root *u, const struct tick *t, uint64_t *wake);

/* Room for one more read of port h to be answered, and its queueing. */
static inline bool root_room(const struct root *u, uint32_t h)
{
    hca_assert(h < u->ports); /* the caller numbers its adapters */
    return u->s.port[h].tail - u->s.port[h].head < u->queue_max;
}
void root_queue(struct root *u, const struct tick *t, const struct tlp *m, uint8_t status);

/* root_mmio.c: credits of the adapters for MMIO: what they advertise; takes in what came back and
 * counts a wait for them (true: one of both); whether an access has what it needs; takes that. */
struct tlp_credits root_mmio_credits(const struct hca_param *p);
bool root_mmio_credit(struct root *u, const struct tick *t);
bool root_mmio_enough(const struct root *u, const struct mmio_req *m);
void root_mmio_spend(struct root *u, const struct mmio_req *m);

/* root_count.c: adds n TLPs of a traffic class that left towards the adapters. */
void root_count(struct hca_stat *s, unsigned cls, uint64_t n, uint64_t payload, uint64_t bytes);
