/* ctx.h: contexts as they lie in the cache and, byte for byte, in host memory.
 *
 * Each part has one owner: only that unit writes it, and other units read only `s`, which changes
 * under exclusive access alone (ctx_get with CTX_GET_EXCL). A unit touches an entry only while it,
 * or the message that handed it over, holds a pin. So no field is written in a cycle in which
 * another unit may read it.
 * The transmit part `tx` belongs to whoever holds the grant of the QP: wqe_fetch until it pushes
 * `work`, requester until it pushes `qp_done`. */
#pragma once
#include "model/defs.h"
#include "model/param.h"

struct ring {         /* where a ring lies */
    uint64_t pdir;    /* pvrdma: bus address of the page directory; native: bus address of slot 0 */
    uint32_t entries; /* power of two                                                            */
    uint16_t stride;  /* bytes per entry                                                         */
    uint16_t page0;   /* pvrdma: page of the directory that holds entry 0                        */
};

/* Address vector: enough to build every header up to the transport. */
struct av {
    uint8_t dgid[16];
    uint8_t dmac[6];
    uint16_t dlid;
    uint32_t flow_label;
    uint8_t sgid_index, hop_limit, tclass, sl;
    uint8_t src_path_bits, is_global, pad[6];
};

struct qp_static { /* owner: command */
    struct ring sq, rq;
    uint64_t state_page_pdir; /* pvrdma: directory whose page 0 holds the ring indices; native: bus
                                 address of the doorbell record                                  */
    struct av av;
    uint32_t qn, handle, qpn, dest_qpn, qkey, pd, send_cqn, recv_cqn, srqn;
    uint32_t sq_psn, rq_psn, access;
    uint16_t pkey_index, mtu_bytes;
    uint8_t fn, type, state, format, sig_all, timeout, retry_cnt, rnr_retry, min_rnr_timer;
    uint8_t max_rd_atomic, max_dest_rd_atomic, port, weight, has_srq, generation, max_send_sge;
    uint8_t max_recv_sge;
    uint8_t user; /* of a user process: pvrdma opcodes above FAA are refused (its library gives
                     them other meanings)                                              */
    uint8_t sqd_notify; /* SQD was asked to raise ASYNC_SQ_DRAINED                              */
    uint8_t pad;
};

struct qp_tx {           /* owner: holder of the grant */
    uint32_t head;       /* index of the WQE under way or next, free running             */
    uint32_t tail;       /* producer index last seen by wqe_fetch, free running           */
    uint32_t psn;        /* next PSN to send, free running: & PSN_MASK on the wire        */
    uint32_t sent_bytes; /* of the message under way                                     */
    uint32_t sge_off;    /* position in the SGE list: bytes into entry sge                */
    uint32_t page;       /* pvrdma: ring page last looked up, + 1; 0: none                */
    uint64_t page_bus;   /* its bus address                                              */
    uint64_t state_bus;  /* pvrdma: bus address of the ring-state page, 0: not looked up  */
    uint8_t sge;
    uint8_t rung; /* the producer index may have moved since it was read           */
    uint8_t seen; /* 0: fresh context, stale prefetched WQEs are to be dropped      */
    uint8_t pad[5];
};

/* State that acknowledgements, timers and DMA completions change lies in a table of the requester
 * (those carry no context); this part is what the control path may see of it. */
struct qp_ack {         /* owner: requester, during a grant */
    uint32_t una;       /* oldest PSN not acknowledged, free running                    */
    uint32_t next;      /* one past the youngest PSN ever sent                          */
    uint32_t in_flight; /* WQEs begun and not retired                                   */
    uint8_t error;      /* enum ack_error: state beyond s.state                         */
    uint8_t pad[3];
    uint64_t spare[8];
};
enum ack_error { ACK_OK, ACK_ERR, ACK_SQE };

struct qp_rx {      /* owner: check; all zero in a fresh QP */
    uint64_t wr_va; /* WRITE under way: address of its first byte                   */
    uint32_t wr_rkey, wr_len;
    uint32_t off;       /* bytes of the message under way that have been accepted       */
    uint32_t epsn, msn; /* next PSN expected; messages accepted                         */
    uint8_t ready;      /* epsn is valid: the first packet takes it from s.rq_psn       */
    uint8_t inside;     /* enum rx_inside                                               */
    uint8_t nak_sent;   /* no further NAK until the expected packet comes               */
    uint8_t error;      /* drops everything until the QP is reset                       */
    uint8_t spare_wqe;  /* UC, UD: a receive WQE was consumed by a message that got lost */
    uint8_t est;        /* communication established was reported                       */
    uint8_t pad[6];
};
enum rx_inside { RX_IDLE, RX_SEND, RX_WRITE };

/* Nothing: respond keeps answers and responder resources of a QP in a table of its own, as they
 * change when no context is at hand (timers, DMA completions). */
struct qp_rsp { /* owner: respond */
    uint64_t spare[4];
};

struct qp_rq {                    /* owner: wqe_fetch */
    uint32_t head, tail;          /* free running */
    uint64_t state_bus, page_bus; /* as in qp_tx */
    uint32_t page;
    uint8_t seen, pad[3];
};

struct qpc {
    struct qp_static s;
    struct qp_tx tx;
    struct qp_ack ack;
    struct qp_rx rx;
    struct qp_rsp rsp;
    struct qp_rq rq;
};

struct cqc {
    struct { /* owner: command */
        struct ring ring;
        uint64_t state_page_pdir;
        uint32_t cqn, handle;
        uint8_t fn, vector, format, pad[5];
    } s;
    struct cq_ring {        /* owner: complete; all zero in a fresh CQ */
        uint64_t page_bus;  /* pvrdma: bus address of the page of slot tail, when CQF_PAGE   */
        uint64_t state_bus; /* pvrdma: bus address of the ring-state page, when CQF_STATE    */
        uint32_t tail : 24; /* producer index, modulo 2 n                                    */
        uint32_t flags : 8; /* CQF_*                                                         */
        uint32_t head : 24; /* consumer index last read, modulo 2 n                          */
        uint32_t spare : 8;
    } c;
};
/* SOLICITED: a solicited or failed CQE has been written since the last event. */
enum {
    CQF_ARMED = 1,
    CQF_ARMED_SOLICITED = 2,
    CQF_ERROR = 4,
    CQF_PAGE = 8,
    CQF_SOLICITED = 16,
    CQF_STATE = 32
};

struct srqc {
    struct { /* owner: command */
        struct ring ring;
        uint64_t state_page_pdir;
        uint32_t srqn, handle, pd, max_wr;
        uint8_t fn, max_sge, format, pad[5];
    } s;
    struct srq_q { /* owner: wqe_fetch */
        struct qp_rq r;
        uint32_t fired; /* limit_sn + 1 of the limit that has been reported last */
        uint32_t pad;
    } q;
    uint32_t limit_set; /* owner: command; 0: no limit armed                  */
    uint32_t limit_sn;  /* owner: command; another number each time it is armed */
};

enum { QPC_BYTES = 512, CQC_BYTES = 64, SRQC_BYTES = 128 };
_Static_assert(sizeof(struct qpc) <= QPC_BYTES, "QP context outgrew its slot in host memory");
_Static_assert(sizeof(struct cqc) <= CQC_BYTES, "CQ context outgrew its slot");
_Static_assert(sizeof(struct srqc) <= SRQC_BYTES, "SRQ context outgrew its slot");

/* Where contexts and memory keys lie in the adapter's own bus address space (function FN_ADAPTER):
 * tables one behind the other from CTX_BUS. number: global QP/CQ/SRQ number, or fn * 2^24 + index
 * of a memory key. */
#define CTX_BUS 0x200000000ULL /* in the hypervisor area: a physical address when VT-d is off */
enum { MPT_BYTES = 64, CTX_MPT = CTX_SRQ + 1 };

static inline uint64_t ctx_bus(const struct hca_param *p, unsigned kind, uint32_t fn,
                               uint32_t index)
{
    const uint64_t f = p->hca_fn_max;
    uint64_t at = CTX_BUS;

    if (kind == CTX_QP) {
        return at + (fn * p->hca_qp_max + index) * QPC_BYTES;
    }
    at += f * p->hca_qp_max * QPC_BYTES;
    if (kind == CTX_CQ) {
        return at + (fn * p->hca_cq_max + index) * CQC_BYTES;
    }
    at += f * p->hca_cq_max * CQC_BYTES;
    if (kind == CTX_SRQ) {
        return at + (fn * p->hca_srq_max + index) * SRQC_BYTES;
    }
    at += f * p->hca_srq_max * SRQC_BYTES;
    return at + (fn * p->hca_mr_max + index) * MPT_BYTES;
}

/* Row of a QP, CQ or SRQ (max per function) in a table without holes. */
static inline uint32_t dense_row(uint32_t number, uint64_t max)
{
    return number / QP_ROUND * (uint32_t)max + number % QP_ROUND;
}

/* Bytes of all tables: what the hypervisor maps for the adapter from CTX_BUS on. */
static inline uint64_t ctx_bus_bytes(const struct hca_param *p)
{
    return ctx_bus(p, CTX_MPT, (uint32_t)p->hca_fn_max, 0) - CTX_BUS;
}

/* Parsed, validated copy of a work request: what wqe_fetch hands on. */
struct sge {
    uint64_t addr;
    uint32_t len, lkey;
};
struct wqe {
    uint64_t wr_id, raddr, op1, op2; /* op1: swap or add, op2: compare                    */
    uint64_t fr_pdir;                /* FAST_REG: bus address of the page directory       */
    uint32_t rkey, imm;              /* imm: big-endian bytes as they lie in the WQE      */
    uint32_t len;                    /* sum of the SGEs, <= 2^31                          */
    uint32_t raw;                    /* store offset of inline data                       */
    uint32_t remote_qpn, qkey;       /* UD                                                */
    uint32_t access, pages;          /* FAST_REG                                          */
    uint8_t opcode, flags, nsge, format;
    uint8_t page_shift;
    uint8_t units; /* ring indices it takes: 1, native: 64-byte units      */
    uint8_t bad;   /* WORK_BAD: enum wc_status of its completion           */
    uint8_t pad;
    struct av av; /* UD                                                */
    struct sge sge[SGE_MAX];
};
