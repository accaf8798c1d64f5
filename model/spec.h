/* spec.h: the tables as C types, and what a tick sees beside its unit. A unit includes its own
 * header and this one, nothing else of model/ (plus model/packet/ where it deals with bytes). */
#pragma once
#include "model/arena.h"
#include "model/ctx.h"
#include "model/defs.h"
#include "model/fifo.h"
#include "model/msg.h"
#include "model/param.h"
#include "model/pool.h"
#include "model/stat.h"
#include "model/trace.h"

/* Typed wires: a FIFO and its slots. */
#define MSG(msg, hard, side) \
    struct wire_##msg {      \
        struct fifo ctl;     \
        struct msg *slot;    \
    };
#include "model/spec/msg.def"
#undef MSG

enum unit_id {
#define UNIT(name, side, rtl, doc) U_##name,
#include "model/spec/unit.def"
#undef UNIT
    UNITS,
    U_edge = EDGE,
    U_any = EDGE
};
_Static_assert((int)UNITS <= (int)KERN_UNITS, "a unit set is a 64-bit word");

enum wire_id {
#define WIRE(name, msg, side, from, to, depth) W_##name,
#define BACK(name, msg, side, from, to, depth) W_##name,
#include "model/spec/wire.def"
#undef WIRE
#undef BACK
    WIRES
};

/* Contexts that are resident in the adapter, by cache index cx; memory of `context`, parts of an
 * entry are owned as ctx.h says. */
struct ctx_store {
    struct qpc *qp;
    struct cqc *cq;
    struct srqc *srq;
};

/* The beat store: all bytes that are inside the adapter, addressed by u32 byte offset from base.
 * The packet and WQE regions are laid out by hca_open, private regions by store_take. */
enum { ACK_SLOT_BYTES = 256, ACK_SLOTS = 32 };

struct store {
    uint8_t *base;
    uint32_t bytes;
    uint32_t slot_bytes; /* of a packet slot: PKT_HEADROOM + MTU + PKT_TAILROOM, rounded to 64 */
    uint32_t tx, rx;     /* offset of slot 0 of the transmit and receive packet buffers    */
    uint32_t net_out;    /* a packet slot per place of the wire net_out                    */
    uint32_t pcie_out;   /* pcie_out_bytes per place of the wire pcie_out                  */
    uint32_t pcie_out_bytes;
    uint32_t wqe_raw; /* bytes of the send WQE of record r at wqe_raw + r * WQE_RAW_MAX */
    struct pool tx_pool, rx_pool; /* packet slots; takers dma_read and the edge (hca_push)        */
    uint32_t ack;         /* ACK_SLOT_BYTES per slot of ack_pool                            */
    struct pool ack_pool; /* header-only packets; taker packet_build                        */
    struct pool wqe_pool, rwqe_pool; /* records of send and receive WQEs; taker wqe_fetch        */
    struct wqe *wqe, *rwqe; /* [n] parsed work requests                                       */
};

static inline uint8_t *store_at(const struct store *s, uint32_t offset)
{
    return s->base + offset;
}

struct host_mem; /* model/host.h: simulated host memory, host side only */

struct tick {
    uint64_t now; /* cycle */
    struct kern *k;
    const struct hca_param *p;
    struct hca_stat *s;
    struct trace *trace;
    struct ctx_store *ctx; /* adapter only */
    struct store *store;   /* adapter only */
    struct host_mem *mem;  /* host only    */
};

/* Every tick is a function of its own: the switch over the units stays a jump table in the run loop
 * (with some of them drawn into it, each activation paid for their registers). */
#define UNIT(name, side, rtl, doc) \
    struct name;                   \
    __attribute__((noinline)) struct act name##_tick(struct name *u, const struct tick *t);
#include "model/spec/unit.def"
#undef UNIT

/* What <unit>_open gets. Memory is taken here and only here; arrays in the arena hold no pointers
 * (save = copy), so a unit struct is: wires, pointers to arrays, constants; then `s`, its
 * registers. */
struct opening {
    struct arena *a;
    const struct hca_param *p;
    struct store *store;
    struct ctx_store *ctx;
};

/* Private bytes of a unit in the beat store, 64-byte aligned; the offset from store->base. */
static inline uint32_t store_take(struct opening *o, uint32_t bytes)
{
    const uint32_t at = o->store->bytes;
    o->store->bytes += (bytes + 63) / 64 * 64;
    return at;
}

/* ns to cycles of the core clock, rounded up: a latency is never shorter than stated. */
static inline uint64_t ns_cycles(const struct hca_param *p, uint64_t ns)
{
    return (ns * p->core_clock_khz + 999999) / 1000000;
}

/* Serialiser of an exact rational rate: num/den cycles per byte, nothing is lost to rounding. */
struct serial {
    uint64_t num, den;
    uint64_t free_at; /* cycle from which the line is free, fraction frac/den of a cycle later */
    uint64_t frac;
};

/* Occupies the line for bytes from max(now, free) on; the cycle by which the last bit is out. */
static inline uint64_t serial_take(struct serial *s, uint64_t now, uint64_t bytes)
{
    if (s->free_at < now) {
        s->free_at = now;
        s->frac = 0;
    }
    const uint64_t sum = s->frac + bytes * s->num;
    s->free_at += sum / s->den;
    s->frac = sum % s->den;
    return s->free_at + (s->frac != 0);
}
