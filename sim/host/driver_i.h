/* driver_i.h: what the parts of the driver share.
 *
 * All state is in growable arrays of structs without pointers, and in struct fixed: saving is
 * copying, links are indices + 1 (0: none). */
#pragma once
#include "sim/host/driver.h"

#include "model/ctx.h"
#include "model/defs.h"
#include "model/spec/pvrdma.h"

#include <string.h>

/* --- arrays ----------------------------------------------------------------------------------- */

struct vec {
    void *p;
    uint32_t n, cap, size; /* entries, room, bytes of an entry                              */
    uint32_t head;         /* queues: entries taken; pools: first free entry + 1            */
};
enum vec_id {
    V_VM,
    V_BLOCK,
    V_DRIVER,
    V_PD,
    V_MR,
    V_CQ,
    V_SRQ,
    V_QP,
    V_AH,
    V_HANDLE,
    V_WRID,
    V_PAGE,
    V_FULL, /* tables                                                         */
    V_JOB,
    V_STEP,
    V_SENT,
    V_VISIBLE, /* pools; the first member of an entry is its link      */
    V_MMIO,
    V_DONE,
    V_STAMP,
    V_ASYNC, /* queues                                              */
    VECS
};

/* --- memory ----------------------------------------------------------------------------------- */

enum { BLOCK_BYTES = 2 << 20, BLOCK_PAGES = 512, GROUP_BLOCKS = 512 };
enum block_class { BLOCK_4K, BLOCK_2M, BLOCK_1G };

/* 2 MiB of a VM's guest-physical address space, in the order in which they are taken into use. */
struct block {
    uint64_t phys;
    uint8_t class, scattered, pad[6]; /* scattered: its 4 KiB pages lie in another order        */
};
/* How memory is taken: in sequence on the bus, or as the layout of an MR asks. */
enum mem_kind { MEM_COHERENT, MEM_DEFAULT, MEM_4K, MEM_2M, MEM_KINDS };
struct vm {
    uint64_t next[MEM_KINDS], end[MEM_KINDS]; /* guest-physical range left of each kind        */
    uint32_t first_block;                     /* in V_BLOCK: one per 2 MiB of its RAM          */
    uint32_t blocks, used;
    uint16_t rid; /* whose domain maps it; 0: none yet             */
    uint16_t pad[3];
};

/* --- objects ---------------------------------------------------------------------------------- */

enum obj_state { OBJ_WANTED, OBJ_READY, OBJ_GONE };

struct ring_mem { /* guest-physical: page directory, then its pages (page 0: indices); native: ring
                   */
    uint64_t pdir, pages;
    uint32_t chunks, entries;
};

struct drv {
    struct driver_place at;
    struct driver_address address;
    uint64_t dsr, cmd, resp, record, record_end; /* record: next free doorbell record       */
    struct ring_mem async, notify;
    uint32_t step_first, step_last; /* V_STEP                                               */
    uint32_t qp_of, cq_of, srq_of;  /* V_HANDLE: ids + 1 by handle                          */
    uint32_t version, uar_page, uc, caps_max_qp_wr;
    uint32_t value;      /* of the MMIO read answered last                       */
    uint16_t tag;        /* of the MMIO read under way                           */
    uint8_t phase;       /* enum step_phase                                      */
    uint8_t interrupted; /* vector 0 came                                        */
    uint32_t async_head, notify_head;
};

struct pd {
    uint32_t driver, handle;
    uint8_t state, pad[3];
};

struct mr {
    struct driver_mr s;
    uint64_t va, pdir, pages_gpa; /* pages_gpa: PHYSICAL, bus address of byte 0              */
    uint32_t driver, chunks, handle, key;
    uint8_t state, pad[7];
};

enum cq_run { CQ_IDLE, CQ_QUEUED, CQ_ARMING, CQ_ARMED, CQ_WAKING };
struct cq {
    struct driver_cq s;
    struct ring_mem ring;
    uint64_t record;
    uint32_t handle, core, head; /* head: CQEs taken, free running                           */
    uint32_t visible;            /* CQEs seen, free running                                  */
    uint32_t first, last;        /* V_VISIBLE: when they were seen                           */
    uint8_t state, run, bound, pad;
};

struct queue_state { /* indices in ring entries (native send: units), free running            */
    uint32_t n, written, published, rung, retired;
};

struct srq {
    struct driver_srq s;
    struct ring_mem ring;
    struct queue_state q;
    uint64_t record;
    uint32_t driver, handle, wrid; /* V_WRID: native only                                    */
    uint8_t state, gen, pad[2];
};

struct qp {
    struct driver_qp s;
    struct driver_peer peer;
    struct ring_mem ring;
    struct queue_state sq, rq;
    uint64_t record, rq_base; /* native                                                */
    uint32_t driver, handle, qpn, wrid;
    uint32_t sent_first, sent_last; /* V_SENT: written and not yet reported                  */
    uint32_t unrung;                /* V_SENT: first one published but not announced         */
    uint32_t signalled;             /* of them, with CQE to come                             */
    uint16_t sq_stride, rq_stride;
    uint8_t units_max, batch, state, watched; /* watched: in V_FULL                          */
    uint8_t gen, announced, has_peer, pad;    /* announced: a doorbell outside of a post call   */
};

struct ah {
    struct driver_ah s;
};

/* --- pools and queues ------------------------------------------------------------------------- */

enum job_kind {
    JOB_POST,
    JOB_DOORBELL,
    JOB_MMIO_WQE,
    JOB_RECV,
    JOB_RECV_DOORBELL,
    JOB_CQE,
    JOB_ARM,
    JOB_WAKE,
    JOB_IRQ,
    JOB_COMMAND
};
struct job {
    uint32_t next;
    uint32_t id, id2; /* QP, CQ or driver; receive: SRQ                                   */
    uint32_t cycles;
    uint64_t not_before;
    uint8_t kind, more, count, gen; /* gen: of the queue, when the job was queued           */
    uint8_t pad[4];
};
struct sent {
    uint32_t next;
    uint32_t units;
    uint64_t wr_id;
    uint8_t signalled, pad[7];
};
struct visible {
    uint32_t next, upto; /* CQEs before this index were seen at ...                         */
    uint64_t at_ps;
};
struct step {
    uint32_t next, id, arg;
    uint8_t kind, cmd, pad[2];
};
struct mmio_out {
    uint64_t at_ps;
    struct mmio_req m;
};
struct page {
    uint64_t phys;    /* of the page; 0: free                                               */
    uint32_t cq, pad; /* id                                                                  */
};

struct core {
    uint64_t due, free_at;
    uint64_t idle_ps; /* spent polling empty CQs                                            */
    uint64_t cycles[CPU_CAUSES];
    struct job cur;
    uint32_t first, last; /* V_JOB                                                           */
    uint32_t polled;      /* CQs in poll mode                                                */
    uint8_t busy, polling, pad[2]; /* polling: runs a thread that polls while it has nothing else */
};

/* Polls of an empty CQ between two looks at a ring that is full of unsignalled work. */
enum { CORES_MAX = 256, TEXT_MAX = 400, RECHECK_POLLS = 20 };

struct fixed {
    struct core core[CORES_MAX];
    uint64_t
        recheck_at; /* full rings without a CQE to come are looked at again; UINT64_MAX: none */
    uint64_t commands, last_ps;
    uint64_t next_due;
    uint64_t
        held_until; /* an MMIO access was refused: nothing happens before; UINT64_MAX: not held */
    struct mmio_out taken; /* the access handed out last                                    */
    uint32_t pages_used, pending, cores;
    uint16_t tag, shared_rid;
    uint8_t failed, oom;
    char text[TEXT_MAX];
    char why[TEXT_MAX];
};

struct machine {
    const struct hca_param *p;
    host *h;
    uint32_t index;
    struct vec v[VECS];
    struct fixed f;
};

/* --- driver_vec.c ----------------------------------------------------------------------------- */

/* Appends a zeroed entry (queues and tables); NULL: no memory, told by machine_failed. */
void *vec_add(struct machine *m, enum vec_id v);
/* n more entries at once; index of the first, DRIVER_NONE: no memory. */
uint32_t vec_more(struct machine *m, enum vec_id v, uint32_t n);
/* Oldest entry of a queue; false: empty. */
bool vec_take(struct machine *m, enum vec_id v, void *out);
/* A zeroed entry of a pool: index + 1, 0: no memory. */
uint32_t pool_new(struct machine *m, enum vec_id v);
void pool_free(struct machine *m, enum vec_id v, uint32_t link);

static inline void *vec_at(const struct machine *m, enum vec_id v, uint32_t i)
{
    return (uint8_t *)m->v[v].p + (size_t)i * m->v[v].size;
}
/* The same with the size known to the compiler. */
#define VEC(m, type, id, i) (&((struct type *)(m)->v[id].p)[i])
#define DRV(m, i)           VEC(m, drv, V_DRIVER, i)
#define PD(m, i)            VEC(m, pd, V_PD, i)
#define MR(m, i)            VEC(m, mr, V_MR, i)
#define CQ(m, i)            VEC(m, cq, V_CQ, i)
#define SRQ(m, i)           VEC(m, srq, V_SRQ, i)
#define QP(m, i)            VEC(m, qp, V_QP, i)
#define AH(m, i)            VEC(m, ah, V_AH, i)
#define VM(m, i)            VEC(m, vm, V_VM, i)
#define JOB(m, l)           VEC(m, job, V_JOB, (l)-1)
#define STEP(m, l)          VEC(m, step, V_STEP, (l)-1)
#define SENT(m, l)          VEC(m, sent, V_SENT, (l)-1)
#define SEEN(m, l)          VEC(m, visible, V_VISIBLE, (l)-1)

/* Says why in err (may be NULL) and returns DRIVER_NONE. */
__attribute__((format(printf, 2, 3))) uint32_t driver_refuse(struct hca_error *err,
                                                             const char *format, ...);
#define NO(err, ...) (driver_refuse((err), __VA_ARGS__), false)
/* Keeps the first failure for machine_failed. */
__attribute__((format(printf, 2, 3))) void machine_fail(struct machine *m, const char *format, ...);

/* --- driver_memory.c: guest memory and VT-d --------------------------------------------------- */

bool mem_open(struct machine *m, struct hca_error *err);
/* Lets the function of a driver see the RAM of its VM. */
bool mem_attach(struct machine *m, const struct driver_place *at, struct hca_error *err);
/* Lets the functions of VM `own` see the RAM of another VM, if nobody else owns that. */
bool mem_reach(struct machine *m, uint32_t own, uint32_t vm, struct hca_error *err);
/* pages of a VM's RAM in sequence; guest-physical address + 1 (0: no room). */
uint64_t mem_take(struct machine *m, uint32_t vm, uint64_t pages, enum mem_kind kind);
/* Bus address of a guest-physical one; in sequence within a page, for MEM_COHERENT within 2 MiB. */
uint64_t mem_bus(const struct machine *m, uint32_t vm, uint64_t gpa);
uint64_t mem_phys(const struct machine *m, uint32_t vm, uint64_t gpa);
/* What a core sees there, to the end of the page. */
uint8_t *mem_at(const struct machine *m, uint32_t vm, uint64_t gpa);
/* The same by a bus address that mem_bus gave. */
uint8_t *mem_bus_at(const struct machine *m, uint32_t vm, uint64_t bus);
/* A core writes or reads bytes; lines become cached. */
void mem_put(struct machine *m, uint32_t vm, uint64_t gpa, const void *from, size_t len);
void mem_get(struct machine *m, uint32_t vm, uint64_t gpa, void *to, size_t len);
/* A directory over `chunks` pages, all zero, and the pages behind it. False: no room. */
bool mem_ring(struct machine *m, uint32_t vm, uint32_t chunks, struct ring_mem *out);
/* Bijection of 0 .. n - 1 that looks random; another one for each salt. */
uint64_t mem_shuffle(const struct machine *m, uint64_t i, uint64_t n, uint64_t salt);

static inline uint32_t mem_get32(struct machine *m, uint32_t vm, uint64_t gpa)
{
    uint32_t v;
    mem_get(m, vm, gpa, &v, sizeof v);
    return v;
}
static inline void mem_put32(struct machine *m, uint32_t vm, uint64_t gpa, uint32_t v)
{
    mem_put(m, vm, gpa, &v, sizeof v);
}

/* --- driver_mr.c ------------------------------------------------------------------------------ */

/* Builds the page directory of an MR. False: no room. */
bool mr_build(struct machine *m, struct mr *r, uint32_t vm);

/* --- driver_core.c: cores --------------------------------------------------------------------- */

uint64_t cycles_ps(const struct machine *m, uint64_t cycles);
/* Queues a job; front: before those that wait. */
void core_add(struct machine *m, uint32_t core, const struct job *j, bool front);
/* The job that will run after the one under way; NULL: none. */
const struct job *core_peek(const struct machine *m, uint32_t core);
/* A CQ became visible to a polling core: the next round of polls finds it at this time. */
uint64_t core_poll_at(const struct machine *m, uint32_t core, uint64_t now_ps);

void mmio_write(struct machine *m, uint64_t now_ps, const struct drv *d, uint8_t bar,
                uint32_t offset, uint8_t len, uint64_t data);
void mmio_read(struct machine *m, uint64_t now_ps, struct drv *d, uint32_t offset);
void mmio_wqe(struct machine *m, uint64_t now_ps, const struct drv *d, uint32_t part,
              const uint8_t *bytes);
void stamp(struct machine *m, uint64_t at_ps, uint64_t wr_id, uint8_t stage);

/* --- driver_wqe.c ----------------------------------------------------------------------------- */

enum { WQE_MAX = 512 };
/* Writes a send or receive WQE in the format of its queue; bytes used (native send: to the end of
 * the last unit). *why and 0: a verbs library would refuse it. */
uint32_t wqe_send(struct machine *m, const struct qp *q, const struct driver_wr *w, uint32_t index,
                  uint8_t to[WQE_MAX], const char **why);
uint32_t wqe_recv(struct machine *m, const struct driver_wr *w, bool native, uint32_t sges,
                  uint8_t to[WQE_MAX]);
/* Bytes from one pvrdma receive (send) WQE to the next. */
static inline uint32_t recv_stride(uint32_t sges)
{
    uint32_t n = 32;
    while (n < 16 + 16 * sges) {
        n *= 2;
    }
    return n;
}
static inline uint32_t send_stride(uint32_t sges)
{
    uint32_t n = 128;
    while (n < 80 + 16 * sges) {
        n *= 2;
    }
    return n;
}
/* Most units a native send WQE of this QP can have. */
uint32_t wqe_units_max(const struct driver_qp *s);

/* --- what jobs do when their cycles are spent ------------------------------------------------- */

void post_job(struct machine *m, uint64_t now_ps, uint32_t core, const struct job *j);
void poll_job(struct machine *m, uint64_t now_ps, uint32_t core, const struct job *j);
void irq_job(struct machine *m, uint64_t now_ps, const struct job *j);
void step_job(struct machine *m, uint64_t now_ps, const struct job *j);

/* --- driver_irq.c ----------------------------------------------------------------------------- */

/* Programs the MSI-X table of a function and unmasks it. */
void irq_vectors(struct machine *m, uint64_t now_ps, uint32_t driver);

/* --- driver_poll.c ---------------------------------------------------------------------------- */

/* First use of a CQ by a QP: which core looks at it, and its first arming. */
void cq_bind(struct machine *m, uint32_t cq, uint32_t core);
/* Looks for new CQEs in memory. */
void cq_look(struct machine *m, uint64_t now_ps, uint32_t cq);
void cq_wake(struct machine *m, uint64_t now_ps, uint32_t cq);
/* Forgets what was posted and not completed. */
void qp_forget(struct machine *m, struct qp *q);
/* The same, and clears the ring indices in memory, as the driver does at RESET. */
void qp_reset(struct machine *m, struct qp *q);
void page_add(struct machine *m, uint64_t phys, uint32_t cq);
uint32_t page_find(const struct machine *m, uint64_t phys); /* id + 1, 0: none */

/* --- driver_step.c: commands ------------------------------------------------------------------ */

enum { UAR_PFN = 0xfe000 }; /* page frame of BAR2 as the guest sees it */
enum step_kind { STEP_VERSION, STEP_DSR, STEP_VECTORS, STEP_ACTIVATE, STEP_RESET, STEP_COMMAND };
/* arg of MODIFY_QP: state; of CREATE_BIND and the like unused */
void step_add(struct machine *m, uint32_t driver, enum step_kind kind, uint32_t cmd, uint32_t id,
              uint32_t arg);
/* The value of an MMIO read, or vector 0, has come. */
void step_go_on(struct machine *m, uint64_t now_ps, uint32_t driver);

/* Fills the request of a command; the response is taken by step_answer. */
void step_request(struct machine *m, uint32_t driver, const struct step *s, uint8_t *req);
bool step_expects_answer(uint32_t cmd);
/* False: the response says that the command failed. */
bool step_answer(struct machine *m, uint32_t driver, const struct step *s, const uint8_t *resp);
/* Text for messages: "CREATE_QP of QP 3". */
const char *step_name(const struct step *s, char *buf, size_t size);
