/* iommu: VT-d DMA remapping in the root complex, legacy mode: root and context tables, second-level
 * tables of 3 to 5 levels with 4 KiB, 2 MiB and 1 GiB leaves, all read from simulated memory.
 *
 * Timing   a hit passes after iommu.hit_ns (at least one cycle). A miss costs in addition
 *          iommu.walk_overhead_ns and, per table entry read, iommu.walk_step_ns + memory service.
 *          iommu.walkers walks run side by side; iommu.pending_entries requests wait for them while
 *          hits pass. One request and one walk read per cycle.
 * Order    per stream (adapter, or function with pcie.ido): posted writes keep their order, no read
 *          passes an older write; relaxed writes pass.
 * Parts    iommu.c requests and their order, iommu_look.c caches, iommu_walk.c walkers,
 *          iommu_inval.c invalidation queue, iommu_fault.c fault records
 * Source   docs/units/iommu.md
 * NOT MODELLED: scalable mode, device TLBs, interrupt remapping, interrupts of its own. */
#pragma once
#include "model/assoc.h"
#include "model/spec.h"
#include "model/vtd.h"

#define IOMMU_NONE UINT32_MAX
enum {
    IOMMU_STREAMS = 2048,   /* 8 adapters of 256 functions            */
    IOMMU_WALKERS_MAX = 64, /* a bit each in s.want                   */
    IOMMU_BUCKETS = 256,    /* of the index of walks, for merging     */
    IOMMU_SIZES = 3,        /* 4 KiB, 2 MiB, 1 GiB: leaf at level 1, 2, 3 */
    IOMMU_COOKIE_QUEUE = 0xffff
};

/* Translation of a page as caches or a walk found it. rights 0: nothing is mapped there. */
struct iommu_leaf {
    uint64_t base; /* of the page, bytes                        */
    uint8_t rights, size, pass;
    uint8_t reason, silent; /* fault of every access; FPD       */
};

/* What the caches say about a request. */
struct iommu_look {
    struct iommu_leaf leaf;
    uint32_t ctx, tlb; /* lines that were found, ASSOC_NONE: none */
    bool known;        /* leaf holds the answer                   */
};

struct iommu_ctx { /* cached context entry */
    uint64_t table;
    uint16_t did;
    uint8_t tt, levels, silent;
};
struct iommu_tlb {
    uint64_t base;
    uint8_t rights;
};
struct iommu_psc { /* cached entry of a level above the leaf: the table it points to */
    uint64_t table;
    uint8_t rights;
};

enum iommu_state {
    REQ_WALK,
    REQ_ORDER,
    REQ_READY
}; /* waits for a walk, older writes, the output */
struct iommu_req {
    struct tlp m; /* addr: bus address until it leaves   */
    uint64_t phys;
    uint32_t domain;        /* leader: domain, or requester id + 2^16 before that is known */
    uint32_t prev, next;    /* of its stream, by age; free list    */
    uint32_t joined;        /* next request that waits for the same walk */
    uint32_t chain, queued; /* leader: index of walks, walk queue  */
    uint8_t state, reason, silent, old, is_write;
};

struct iommu_stream {
    uint32_t first, last; /* pending requests that are not ready, by age */
    uint32_t writes;      /* posted ones among them                      */
};

enum iommu_phase { WALK_FREE, WALK_ROOT, WALK_CONTEXT, WALK_PAGE, WALK_END };
struct iommu_walker {
    uint64_t table;  /* table that is read, or to be read */
    uint64_t end_at; /* WALK_END: cycle of its end        */
    struct iommu_leaf leaf;
    uint32_t leader;
    uint16_t did, reads;
    uint8_t phase, level, rights, stale;
};

struct iommu_fn {
    uint64_t hits, misses, merged, walk_reads, faults;
};

enum iommu_inv_state { INV_IDLE, INV_FETCH, INV_APPLY, INV_DRAIN };

struct iommu {
    struct wire_tlp *io_req;                                                 /* in, from root   */
    struct wire_mem_rsp *mem_walked;                                         /* in, from memory */
    struct wire_tlp *mem_io;                                                 /* out, to memory  */
    struct wire_mem_req *mem_walk;                                           /* out, to memory  */
    struct wire_tlp *io_fault;                                               /* out, to root    */
    struct assoc ctx_tag, tlb_tag[IOMMU_SIZES], psc_tag[VTD_LEVELS_MAX + 1]; /* psc: by level */
    struct iommu_ctx *ctx;
    struct iommu_tlb *tlb[IOMMU_SIZES];
    struct iommu_psc *psc[VTD_LEVELS_MAX + 1];
    struct iommu_req *req;       /* [pending]                              */
    struct iommu_stream *stream; /* [IOMMU_STREAMS]                        */
    struct iommu_fn *fn;         /* [IOMMU_STREAMS]                        */
    uint32_t *ready;             /* [ready_max] queue of requests that may leave */
    uint32_t *bucket;            /* [IOMMU_BUCKETS] leaders, by key        */
    uint64_t *fault;             /* [2 * faults] fault recording registers */
    uint32_t pending, walkers, faults, ready_max;
    uint64_t hit_delay, walk_delay, overhead, invalidate; /* cycles */
    struct {
        struct iommu_walker walker[IOMMU_WALKERS_MAX];
        uint64_t want; /* walkers with a read to issue           */
        uint32_t ending[IOMMU_WALKERS_MAX], end_head, end_tail; /* walks about to end, by time */
        uint32_t idle;                  /* walkers that are free                  */
        uint32_t walk_first, walk_last; /* leaders that wait for a walker      */
        uint32_t free, used;            /* pending entries                        */
        uint32_t ready_head, ready_tail;
        uint32_t full_noted; /* this request was counted as pending_full */
        uint32_t fault_next, fault_read;
        uint64_t inv_at, inv_desc[2]; /* invalidation queue                    */
        uint32_t inv_head, inv_tail, inv_state, inv_old, inv_bad;
    } s;
};

void iommu_open(struct iommu *u, struct opening *o);
struct act iommu_tick(struct iommu *u, const struct tick *t);

static inline uint32_t iommu_fn_index(uint8_t hca, uint16_t rid)
{
    return hca % (IOMMU_STREAMS / 256U) * 256U + (rid & 0xffU);
}

/* Figures of the function that a request comes from, also when it uses the requester id of another
 * one (host.vm_requester = shared): they tell functions apart where the hardware could not. */
static inline struct iommu_fn *iommu_figures(struct iommu *u, const struct tlp *m)
{
    return &u->fn[iommu_fn_index(m->hca, m->fn)];
}

/* --- iommu_look.c: context cache, IOTLB, paging-structure caches --- */
void iommu_open_caches(struct iommu *u, struct opening *o);

/* Tags carry the domain, not the requester: functions of one domain share entries. */
enum { IOMMU_PAGE_BITS = 45 }; /* page numbers of 57-bit addresses */
static inline uint64_t iommu_key(uint16_t did, uint64_t addr, unsigned level)
{
    return (uint64_t)did << IOMMU_PAGE_BITS | addr >> vtd_shift(level);
}

/* What the caches say about an access of requester rid to addr; changes nothing. */
struct iommu_look iommu_look(const struct iommu *u, uint16_t rid, uint64_t addr);
/* The same behind a known context entry. */
bool iommu_look_page(const struct iommu *u, const struct iommu_ctx *c, uint64_t addr,
                     struct iommu_leaf *leaf, uint32_t *line);
/* Counts an answer that is used and makes its lines the most recently used ones. */
void iommu_use(struct iommu *u, const struct tick *t, const struct tlp *m,
               const struct iommu_look *l);
/* Fault reason of one request under a translation, 0: none. */
uint8_t iommu_judge(const struct iommu_leaf *leaf, const struct tlp *m);
/* Physical address that a permitted request gets. */
uint64_t iommu_phys(const struct iommu_leaf *leaf, uint64_t addr);

void iommu_fill_ctx(struct iommu *u, uint16_t rid, const struct iommu_ctx *c);
void iommu_fill_tlb(struct iommu *u, const struct tick *t, uint16_t did, uint64_t addr,
                    const struct iommu_leaf *leaf);
void iommu_fill_psc(struct iommu *u, uint16_t did, uint64_t addr, unsigned level,
                    struct iommu_psc entry);
/* Level of the table to be read first: the one behind the deepest cached entry, which goes to
 * *entry; levels when nothing is cached. */
unsigned iommu_find_psc(struct iommu *u, uint16_t did, uint64_t addr, unsigned levels,
                        struct iommu_psc *entry);

/* --- iommu_walk.c --- */
/* Starts or joins a walk for request i. */
void iommu_miss(struct iommu *u, const struct tick *t, uint32_t i, const struct iommu_look *l);
/* Takes a table entry and ends walks; then gives walkers work and issues a read. Both lower *wake
 * to the next end of a walk, or to now when something is left that the next cycle can do. */
bool iommu_walk_end(struct iommu *u, const struct tick *t, uint64_t *wake);
bool iommu_walk_start(struct iommu *u, const struct tick *t, uint64_t *wake);
/* Running walks fill no cache any more, and no new request joins them. */
void iommu_forget_walks(struct iommu *u);

/* --- iommu.c --- */
/* The translation of request i is known. */
void iommu_settle(struct iommu *u, const struct tick *t, uint32_t i, const struct iommu_leaf *leaf);
static inline bool iommu_free(const struct fifo *f, uint64_t now)
{
    return fifo_ready(f, now) && f->pushed != now + 1;
}

/* --- iommu_inval.c --- */
bool iommu_invalidate(struct iommu *u, const struct tick *t, uint64_t *wake);
void iommu_descriptor(struct iommu *u, const struct tick *t, const struct mem_rsp *m);

/* --- iommu_fault.c --- */
/* Counts and records the fault of a request. */
void iommu_record(struct iommu *u, const struct tick *t, const struct tlp *m, uint8_t reason,
                  bool silent);
