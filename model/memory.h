/* memory: host memory behind the iommu: last-level cache, DRAM, remote socket.
 *
 * Timing   a request is cut into 64-byte lines; host.mem_parallelism lines are served side by side,
 *          each for host.llc_hit_ns or host.dram_ns (+ host.remote_socket_ns for VM memory of the
 *          other socket); DRAM lines also share host.mem_mbps. A request is done when its last line
 *          is; bytes are copied in that cycle, and the answer is visible in the next.
 * Order    per stream (adapter, or function with pcie.ido): writes become visible in order unless
 *          relaxed, interrupts after all of them, and a read starts when older writes are visible.
 * Source   docs/units/memory.md
 * NOT MODELLED: banks and rows, snoops of dirty lines in core caches, the DDIO way limit. */
#pragma once
#include "model/spec.h"

enum {
    MEM_LINE = 64,    /* bytes                                              */
    MEM_SECTOR = 512, /* bytes under one LLC tag, a bit per line            */
    MEM_WAYS = 16,
    MEM_STREAMS = 2048 /* 8 adapters of 256 functions                       */
};
#define MEM_NONE UINT32_MAX

struct mem_op {
    uint64_t due; /* cycle in which bytes are copied */
    struct tlp m;
    uint32_t prev, next; /* sorted by due; next also links free operations */
    uint16_t cookie;
    uint8_t kind, len;
};

/* Line servers that follow each other in the turn and are free from the same cycle on. */
struct mem_servers {
    uint64_t free_at;
    uint32_t n;
};

struct memory {
    struct wire_tlp *mem_io;         /* in, from iommu */
    struct wire_mem_req *mem_walk;   /* in, from iommu */
    struct wire_mem_rsp *mem_walked; /* out, to iommu */
    struct wire_tlp *mem_done;       /* out, to root   */
    struct wire_seen *seen;          /* out, to edge   */
    struct wire_irq *irq;            /* out, to edge   */
    struct mem_op *op;               /* [ops]                                              */
    struct mem_servers *servers;     /* [runs] ring of line servers, next one first */
    uint64_t *settled;               /* [MEM_STREAMS] cycle in which older writes are visible */
    uint64_t *tag;                   /* [sets * MEM_WAYS] (sector + 1) << 16 | dirty << 8 | present,
                                        most recently used first, 0: unused                 */
    uint32_t ops, runs, sets;        /* runs: a power of two, at least the line servers  */
    uint32_t fn_mask;                /* of the function in a stream's number, 0: not part of it */
    bool ddio, warm;
    uint64_t hit, miss, remote; /* cycles */
    struct {
        struct serial dram;
        uint64_t youngest; /* greatest due so far */
        uint64_t due;      /* of the first operation, never: there is none */
        uint32_t first, last, free;
        uint32_t head, tail; /* of the servers, free running */
    } s;
};

void memory_open(struct memory *u, struct opening *o);
struct act memory_tick(struct memory *u, const struct tick *t);

/* Operations under way at most: what host.c provides byte buffers for. */
uint32_t memory_ops(const struct hca_param *p);

/* --- memory_llc.c: lines, their cache and what serves them --- */

/* How a request uses the cache. */
enum mem_use { MEM_USE_READ, MEM_USE_WRITE, MEM_USE_WALK, MEM_USE_CORE };

/* Looks the lines of [phys, phys + len) up and updates the cache; all lie in one sector. Bit i:
 * line i of the sector is to be served by DRAM. */
uint32_t memory_llc(struct memory *u, const struct tick *t, uint64_t phys, uint32_t len,
                    enum mem_use use);

/* The server whose turn it is. */
static inline struct mem_servers *memory_next(const struct memory *u)
{
    return &u->servers[u->s.head & (u->runs - 1)];
}

/* Serves all lines of a request from the cycle `from` on; the cycle in which its bytes are to be
 * copied, so that they are there when the service time is over. */
uint64_t memory_serve(struct memory *u, const struct tick *t, uint64_t from, uint64_t phys,
                      uint32_t len, enum mem_use use);
