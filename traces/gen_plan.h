/* How a specification becomes objects and streams (internal to traces/).
 *
 * Function f of host h has id h * F + f (F functions per host, over all adapters) and PD of the
 * same id. A flow has pairs 0..qps-1; pair p joins function p % F of both hosts. Side 0 is `from`,
 * side 1 is `to`; a dma flow has side 0 only, and its pairs are streams, one per function. */
#pragma once

#include "traces/gen.h"

struct gen_side {
    uint32_t host;
    bool receives;
    uint32_t mr,
        recv_mr;      /* first ids: data MRs (bank * guests + guest) * mrs + m, receive MRs guest */
    uint32_t fast_mr; /* pattern register, side 0: guest * fast + slot */
    uint32_t cq, cqs, srq, ah;
};

struct gen_plan {
    const struct gen_flow *flow;
    uint32_t pairs, used; /* used: guests per side that the flow touches */
    uint32_t sides, qp;   /* qp: id of pair 0, side 0; then pair 0, side 1, ... */
    uint32_t window;      /* 0: none                                          */
    uint32_t sq_depth, rq_depth, srq_depth;
    uint32_t rx_queues;  /* per receiving side                               */
    uint32_t rx_depth;   /* of each                                          */
    uint64_t cq_depth;   /* of each CQ: all that its pairs can have open     */
    uint32_t banks;      /* 2: what the peer's operations touch has MRs of its own, behind the
                            side's own ones, so that no message lands in another's source     */
    bool lossy;          /* UC, UD: a message without a receive is lost      */
    uint32_t fast;       /* fast MRs per guest: one per pair and window slot */
    uint64_t slot_bytes; /* of the fixed layout and of stride 0              */
    uint64_t use_bytes;  /* pattern register: what one use takes of a fast MR */
    uint64_t recv_bytes; /* of one receive                                   */
    uint64_t recv_slot_bytes, recv_mr_bytes;
    uint64_t mr_bytes;
    struct gen_side side[2];
};

struct gen_plans {
    const struct gen_spec *spec;
    uint32_t fns_per_host, guests_per_host; /* F, G */
    uint32_t mrs, cqs, srqs, ahs, qps;
    uint64_t slots;
    struct gen_plan plan[GEN_FLOWS_MAX];
};

/* Depths that are not given stay within what adapters of the mlx4 class take (hca.max_qp_wr). */
enum { GEN_DEPTH_MAX = 16384, GEN_CQ_ENTRIES_MAX = 4194304 };

static inline bool gen_one_sided(uint32_t kind)
{
    return kind == HCT_READ || kind == HCT_CAS || kind == HCT_FAA;
}

static inline bool gen_receives(uint32_t kind)
{
    return kind <= HCT_SEND_INV || kind == HCT_WRITE_IMM;
}

/* Room that a message of `bytes` takes on its own side: its pieces lie up to this far apart. */
enum { GEN_GAP_BYTES = 64, GEN_ALL_RIGHTS = 15 };
static inline uint64_t gen_span(const struct gen_flow *f, uint64_t bytes)
{
    return bytes + (f->sges[1] - 1) * GEN_GAP_BYTES;
}

static inline uint64_t gen_round_up(uint64_t x, uint64_t to)
{
    return (x + to - 1) / to * to;
}

/* Function and VM of guest `g` of host `h`; PD and first function of a host are h * G and h * F. */
static inline uint32_t gen_fn(const struct gen_plans *all, uint32_t h, uint32_t g)
{
    return h * all->fns_per_host + g % all->fns_per_host;
}

static inline uint32_t gen_vm(const struct gen_plans *all, uint32_t g)
{
    return g % all->fns_per_host * (uint32_t)all->spec->vms + g / all->fns_per_host;
}

/* Operations (cycles of pattern register) in flight per queue; 0: no bound. */
uint64_t gen_window(const struct gen_flow *f);

/* Where a message about a flow points to. */
struct gen_place {
    const char *file;
    const struct gen_flow *flow;
    struct hct_error *err;
};

/* "file:line: flow "x": message" into err; returns false. */
bool gen_bad(const struct gen_place *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Objects of every flow. False when a limit is exceeded, with err: file:line. */
bool gen_make_plans(const char *file, const struct gen_spec *spec, struct gen_plans *out,
                    struct hct_error *err);
