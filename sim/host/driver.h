/* driver.h: the software of one host: its cores, the hypervisor's set-up of VT-d and adapter
 * contexts, and one RDMA driver per PCIe function, which behaves as Linux vmw_pvrdma and
 * libvmw_pvrdma do (or as a user library of the native format, docs/NATIVE.md).
 *
 * A `machine` is an actor without threads and without calls back:
 *   machine_next(m)          time of its earliest action, UINT64_MAX: waits for something
 *   machine_act(m, now)      does everything due at `now`; the host has run up to `now`
 *   machine_mmio(m, ...)     drained after every call below: accesses for HOST_MMIO_IN
 *   machine_answer / machine_seen / machine_irq   what the host shows its cores, at its time
 * Memory is read and written when an action happens, through host_mem(). All times are ps.
 *
 * Set-up: driver_open, then pd, mr, cq, srq, qp, ah in any order of dependency: each call returns
 * an id at once and queues the commands that create the object; machine_pending() says when all are
 * done; then driver_connect(), again until nothing is pending. Ids are dense per kind and machine,
 * from 0, in the order of the calls. DRIVER_NONE is returned, and *err says why, when a limit of
 * the device or of memory stands against it; refusals by the device are told by machine_failed().
 *
 * Data path: driver_post() queues a post call on the core of the queue; completions are drained
 * with machine_completion().
 *
 * NOT MODELLED: the POLL doorbell that libvmw_pvrdma writes on every poll of an empty CQ (it has no
 * effect in the adapter; parameter cpu.poll_cycles holds what it costs), destroying a function
 * while its operations are under way, address resolution (peers are given by GID and MAC). */
#pragma once
#include "model/hca.h"
#include "model/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVER_NONE UINT32_MAX

struct machine;

/* --- the actor -------------------------------------------------------------------------------- */

/* Opens the software of host number host_index (0..63): makes the VT-d domain of every adapter's
 * own requester id and maps its contexts. p and h must outlive the machine. NULL: *err says why. */
struct machine *machine_open(const struct hca_param *p, host *h, uint32_t host_index,
                             struct hca_error *err);
void machine_close(struct machine *m);

uint64_t machine_next(const struct machine *m);
void machine_act(struct machine *m, uint64_t now_ps);
bool machine_mmio(struct machine *m, uint64_t *at_ps, struct mmio_req *out);
/* The access taken last found no room: it goes back to the front, and the cores stall until
 * retry_ps (machine_next says so); then it is handed out again, with its old time. */
void machine_mmio_refused(struct machine *m, uint64_t retry_ps);
void machine_answer(struct machine *m, uint64_t now_ps, const struct mmio_rsp *a);
void machine_seen(struct machine *m, uint64_t now_ps, const struct seen *s); /* addr: physical */
void machine_irq(struct machine *m, uint64_t now_ps, const struct irq *i);

/* Commands are queued or under way. */
bool machine_pending(const struct machine *m);
/* The first command that was refused or answered with an error since the last call; false: none. */
bool machine_failed(struct machine *m, struct hca_error *err);
/* Commands executed so far and the time the last one ended. */
uint64_t machine_commands(const struct machine *m, uint64_t *last_ps);

/* Cycles of a core by cause. until_ps: a core that polls has polled up to here. */
enum cpu_cause {
    CPU_POST,      /* write work requests                                  */
    CPU_DOORBELL,  /* doorbells and WQEs by MMIO, arming of CQs            */
    CPU_POLL,      /* take CQEs                                            */
    CPU_INTERRUPT, /* MSI-X handlers                                       */
    CPU_SWITCH,    /* context switches to the waiting thread               */
    CPU_SYSCALL,   /* event channel                                        */
    CPU_COMMAND,   /* control path                                         */
    CPU_IDLE_POLL, /* polls of empty CQs                                   */
    CPU_CAUSES
};
extern const char *const cpu_cause_name[CPU_CAUSES];
uint32_t machine_cores(const struct machine *m);
void machine_account(const struct machine *m, uint32_t core, uint64_t until_ps,
                     uint64_t cycles[CPU_CAUSES]);

/* Whole state as bytes, size 0 asks for the size; simulated memory is not part of it. Load into a
 * machine opened with equal parameters; false: another layout, m is as before. */
size_t machine_save(const struct machine *m, void *buf, size_t size);
bool machine_load(struct machine *m, const void *buf, size_t size);

/* --- set-up ----------------------------------------------------------------------------------- */

struct driver_place {
    uint32_t hca, fn; /* adapter of the host, function of the adapter                     */
    uint32_t vm;      /* whose RAM the driver lives in, from 0                            */
    uint32_t core;    /* runs commands and interrupt handlers; taken modulo cpu.cores     */
    uint8_t user;     /* 1: a user process (own doorbell page; the adapter refuses what the user
                         library cannot express in pvrdma WQEs: SEND_INV, LOCAL_INV, FAST_REG);
                         0: a kernel client, which may use everything                     */
};

/* Address of a function's port, known from the moment it is opened (peers need it). */
struct driver_address {
    uint8_t gid[16], mac[6];
    uint16_t lid; /* low 16 bits of mac, as the adapter assumes (gid_set in msg.def) */
};

/* A driver for one function: probes it (pvrdma.md section 12): DSR, rings, ACTIVATE, GID, user
 * context. Returns the driver's id. */
uint32_t driver_open(struct machine *m, const struct driver_place *at, struct hca_error *err);
/* The address that driver (host_index, hca, fn) has in every machine opened with parameters p. */
void driver_address(const struct hca_param *p, uint32_t host_index, uint32_t hca, uint32_t fn,
                    struct driver_address *out);

uint32_t driver_pd(struct machine *m, uint32_t driver, struct hca_error *err);

/* How the pages of an MR lie; numbers equal HCT_LAYOUT_*. */
enum driver_layout {
    DRIVER_LAYOUT_DEFAULT,    /* as host.layout and the host.share_* parameters say       */
    DRIVER_LAYOUT_CONTIGUOUS, /* bus addresses in sequence                                */
    DRIVER_LAYOUT_FRAGMENTED, /* 4 KiB pages in random order                              */
    DRIVER_LAYOUT_HUGE,       /* layout_arg / 1000 of it in 2 MiB pages                   */
    DRIVER_LAYOUT_ALIAS       /* layout_arg bytes of RAM over and over                    */
};
enum { DRIVER_MR_FAST = 1, DRIVER_MR_PHYSICAL = 2 }; /* flags; numbers equal HCT_MR_*     */
struct driver_mr {
    uint32_t pd;
    uint32_t vm;     /* in whose RAM: the driver's VM, one in the same VT-d domain
                        (host.vm_requester = shared), or one without a function of its own     */
    uint64_t va;     /* of byte 0; PHYSICAL: ignored, driver_mr_va tells the bus address     */
    uint64_t bytes;  /* 1 .. 2^30 less the offset of va in its page                          */
    uint32_t access; /* ACC_*                                                                */
    uint32_t flags;  /* DRIVER_MR_*                                                          */
    uint32_t layout; /* enum driver_layout                                                   */
    uint64_t layout_arg;
};
uint32_t driver_mr(struct machine *m, const struct driver_mr *s, struct hca_error *err);

/* Equal HCT_NOTIFY_*; with cpu.completion = interrupt a CQ of DRIVER_POLL is armed as DRIVER_EVENT.
 */
enum driver_notify { DRIVER_POLL, DRIVER_EVENT, DRIVER_SOLICITED };
struct driver_cq {
    uint32_t driver;
    uint32_t entries; /* rounded up to a power of two                                     */
    uint8_t notify;   /* enum driver_notify                                               */
    uint8_t native;   /* format of all QPs that use it                                    */
};
uint32_t driver_cq(struct machine *m, const struct driver_cq *s, struct hca_error *err);

struct driver_srq {
    uint32_t pd, entries, limit;
    uint8_t sge_max, native;
    uint16_t core; /* that posts to it */
};
uint32_t driver_srq(struct machine *m, const struct driver_srq *s, struct hca_error *err);

struct driver_qp {
    uint32_t pd, send_cq, recv_cq;
    uint32_t srq;        /* or DRIVER_NONE                                         */
    uint32_t sq_entries; /* WQEs; rounded up to a power of two                     */
    uint32_t rq_entries; /* 0 with an SRQ                                          */
    uint32_t sq_psn, qkey, access;
    uint16_t mtu_bytes, inline_bytes, core;
    uint8_t type; /* enum qp_type: QPT_RC, QPT_UC, QPT_UD, QPT_GSI          */
    uint8_t native, sig_all, sge_max;
    uint8_t rd_atomic, rd_atomic_dest; /* requester side, responder side                  */
    uint8_t timeout, retry_cnt, rnr_retry, min_rnr_timer;
    uint8_t sl, traffic_class, weight;
    uint8_t mmio_wqe; /* native: single WQEs that fit go by MMIO                */
};
uint32_t driver_qp(struct machine *m, const struct driver_qp *s, struct hca_error *err);

/* What the other side has to know; valid when nothing is pending. */
struct driver_peer {
    struct driver_address at;
    uint32_t qpn, sq_psn;
};
void driver_qp_peer(const struct machine *m, uint32_t qp, struct driver_peer *out);

/* RC, UC: INIT, RTR to that peer, RTS. UD and GSI need no peer (NULL) and are brought to RTS too.
 */
void driver_connect(struct machine *m, uint32_t qp, const struct driver_peer *to);

struct driver_ah {
    uint32_t pd;
    struct driver_address to;
    uint8_t sl, traffic_class, hop_limit; /* hop_limit 0 reads as 64                      */
};
uint32_t driver_ah(struct machine *m, const struct driver_ah *s, struct hca_error *err);

/* MODIFY_QP to a state alone (enum qp_state: RESET, ERR, SQD ...), and destruction. What is posted
 * and not completed is forgotten by RESET and destruction. */
void driver_modify(struct machine *m, uint32_t qp, uint8_t state);
void driver_destroy_qp(struct machine *m, uint32_t qp);
void driver_destroy_srq(struct machine *m, uint32_t srq);
void driver_destroy_cq(struct machine *m, uint32_t cq);
void driver_destroy_mr(struct machine *m, uint32_t mr);
void driver_destroy_pd(struct machine *m, uint32_t pd);
void driver_reset(struct machine *m, uint32_t driver); /* CTL = RESET */

/* --- memory of an MR -------------------------------------------------------------------------- */

uint32_t driver_mr_key(const struct machine *m,
                       uint32_t mr); /* lkey = rkey; valid when not pending */
uint64_t driver_mr_va(const struct machine *m, uint32_t mr);
/* Bytes as the CPU sees them now; false: [off, off + len) lies outside the MR. */
bool driver_mr_read(const struct machine *m, uint32_t mr, uint64_t off, void *to, size_t len);
bool driver_mr_write(struct machine *m, uint32_t mr, uint64_t off, const void *from, size_t len);
/* Pointer to the byte at off and how many follow it in the same page; NULL: outside. */
uint8_t *driver_mr_at(const struct machine *m, uint32_t mr, uint64_t off, size_t *run);
/* Bus address of a byte (DMA benches) and how many bytes follow it in sequence on the bus. */
uint64_t driver_mr_bus(const struct machine *m, uint32_t mr, uint64_t off, uint64_t *run);

/* --- data path -------------------------------------------------------------------------------- */

enum { DRIVER_SGE_MAX = 16, DRIVER_WR_RECV = 64 /* in place of enum wr_opcode */ };
struct driver_wr {
    uint64_t wr_id; /* given back in the completion; its low 32 bits are the mid of stamps  */
    uint32_t qp;    /* or DRIVER_NONE for a receive on srq                                  */
    uint32_t srq;
    uint8_t opcode; /* enum wr_opcode or DRIVER_WR_RECV                                     */
    uint8_t flags;  /* WRF_*: fence, signaled, solicited, inline (native only, else ignored) */
    uint8_t more;   /* the next post of this queue belongs to the same call: one doorbell   */
    uint8_t nsge;
    uint32_t imm;   /* immediate as a number                                                */
    uint32_t rkey;  /* WRITE, READ, atomics; SEND_INV, LOCAL_INV: key to invalidate         */
    uint64_t raddr; /* WRITE, READ, atomics                                                 */
    uint64_t compare, swap_add;
    uint32_t remote_qpn, qkey, ah; /* UD; qkey: bit 31 set means that of the QP                */
    uint32_t key_mr, key_access;   /* FAST_REG: own MR opened with DRIVER_MR_FAST              */
    struct {
        uint32_t mr, len;
        uint64_t off; /* from byte 0 of the MR; may lie outside                               */
    } sge[DRIVER_SGE_MAX];
};

/* Work requests the queue takes now. May grow in machine_act and machine_seen only. */
uint32_t driver_room_send(const struct machine *m, uint32_t qp);
uint32_t driver_room_recv(const struct machine *m, uint32_t qp, uint32_t srq);

/* A post call at now_ps. The WQE is written to the ring (inline bytes are taken now), announced to
 * the device when the core has spent the cycles. False: the queue is full, or the request is one
 * that a verbs library refuses (too many SGEs, inline too long): see driver_why. */
bool driver_post(struct machine *m, uint64_t now_ps, const struct driver_wr *w);
const char *driver_why(const struct machine *m); /* of the last driver_post that was false */

/* Completion of a send (unsignalled ones too: proved by a later CQE of the queue) or a receive. */
struct driver_completion {
    uint64_t wr_id;
    uint64_t visible_ps;            /* CQE visible to the cores       */
    uint64_t polled_ps;             /* CQE taken by the core          */
    uint32_t qp;                    /* id; of a receive on an SRQ: the QP it came in by */
    uint32_t byte_len, imm, src_qp; /* imm: as a number; SEND_INV: the key  */
    uint16_t wc_flags;              /* GRH 1, IMM 2, INVALIDATE 4     */
    uint8_t status, opcode;         /* enum wc_status, wc_opcode   */
    uint8_t recv;                   /* of a receive queue             */
    uint8_t silent;                 /* unsignalled, no CQE of its own */
};
bool machine_completion(struct machine *m, struct driver_completion *out);

/* Stages that happen on a core: STAGE_posted (WQE in memory), STAGE_rung (doorbell left the core),
 * STAGE_polled; mid as in msg.def. */
struct driver_stamp {
    uint64_t at_ps;
    uint32_t mid;
    uint8_t stage; /* enum stage_id */
};
bool machine_stamp(struct machine *m, struct driver_stamp *out);

/* Asynchronous events (pvrdma.md section 7); object: id of the QP, CQ or SRQ, else the raw info. */
struct driver_async {
    uint64_t at_ps;
    uint32_t driver, object;
    uint8_t type; /* enum async_type */
};
bool machine_async(struct machine *m, struct driver_async *out);
