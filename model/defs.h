/* defs.h: the enumerations and fixed sizes that several units share. */
#pragma once
#include <stdint.h>

enum {
    PAGE_BYTES = 4096,    /* page of rings, page directories and MRs                        */
    SGE_MAX = 16,         /* scatter/gather entries of one WQE                              */
    FN_ADAPTER = 255,     /* "function" of the adapter itself: contexts, decisions 8        */
    NO_SLOT = 0xffff,     /* message carries no packet slot or record                       */
    NO_NUMBER = 0xffffff, /* no QP, CQ or SRQ                                               */
    PSN_MASK = 0xffffff,
    QP_ROUND = 65536,  /* handles per function: qn = fn * QP_ROUND + handle              */
    WQE_RAW_MAX = 512, /* 80 + 16 * 16 bytes, next power of two                          */
};

/* MSB-first order of PSNs: a - b as a signed 24-bit number. */
static inline int32_t psn_diff(uint32_t a, uint32_t b)
{
    return (int32_t)((a - b) << 8) >> 8;
}

enum db_kind { DB_SEND, DB_RECV, DB_SRQ_RECV, DB_CQ_ARM, DB_CQ_ARM_SOLICITED, DB_CQ_POLL };
enum wire_kind { WIRE_ROCE2, WIRE_ROCE1, WIRE_IB };

/* End of a grant: nothing left, more at once, or waiting for an event that will kick the QP.
 * KICK: the QP has something to do (ack opened its window, timer, error). FORGET: as IDLE, and the
 * QP was reset: pending doorbells and the native tail are void. */
enum qp_done_kind { QP_DONE_IDLE, QP_DONE_AGAIN, QP_DONE_PARKED, QP_DONE_KICK, QP_DONE_FORGET };
enum qp_kick { KICK_ERROR, KICK_FLUSH, KICK_RESET, KICK_DESTROY, KICK_STATE };

enum ctx_kind { CTX_QP, CTX_CQ, CTX_SRQ };
/* GET pins; GET_EXCL waits until nobody else holds the entry and keeps everyone out; CREATE makes
 * a fresh exclusive entry without reading memory. PUT unpins; PUT_DROP forgets entry and memory. */
enum ctx_op { CTX_GET, CTX_GET_EXCL, CTX_CREATE };
enum ctx_put_op { CTX_PUT, CTX_PUT_DROP };
enum ctx_status { CTX_OK, CTX_ABSENT, CTX_FAULT };

/* NONE: ring empty, no record; FAULT: the ring or WQE could not be read, no record; BAD: the bytes
 * make no valid WQE (the record holds at least wr_id and opcode). */
enum work_status { WORK_OK, WORK_NONE, WORK_FAULT, WORK_BAD };
/* NEXT: consume the next receive WQE; AGAIN: the one consumed last, once more (later packets of a
 * SEND); FLUSH: as NEXT, but a fault or bad WQE counts as an empty ring. */
enum rq_op { RQ_NEXT, RQ_AGAIN, RQ_FLUSH };

enum dma_class { /* shown apart in the PCIe part of the report */
                 CLS_DOORBELL,
                 CLS_WQE,
                 CLS_CONTEXT,
                 CLS_XLAT,
                 CLS_PAYLOAD,
                 CLS_CQE,
                 CLS_INTERRUPT,
                 CLS_COMMAND,
                 CLS_ATOMIC,
                 CLS_EVENT,
                 CLS_HEAD,
                 CLS_GRH,
                 CLS_COUNT
};
enum dma_status { DMA_OK, DMA_UR, DMA_CA };
/* SYNC: inside the host only, the status write of an invalidation wait: after all that is older. */
enum tlp_type { TLP_MRD, TLP_MWR, TLP_CPLD, TLP_CPL, TLP_MSI, TLP_SYNC };
enum { TLP_ATTR_RO = 1 };
enum bench_kind { BENCH_READ, BENCH_WRITE, BENCH_WRRD };

/* pkt.flags */
enum {
    TXF_FIRST_PIECE = 1,
    TXF_LAST_PIECE = 2,
    TXF_ACKREQ = 4,
    TXF_SE = 8,
    TXF_INLINE = 16,
    TXF_NO_PAYLOAD = 32,
    TXF_RETRY = 64,
    TXF_LAST_OF_MSG = 128,
    TXF_NOTIFY = 256,
    TXF_FENCE = 512
};
enum pkt_source { SRC_REQUESTER, SRC_RESPONDER };

/* link_fc.op: PEER: credit limit fccl that a received flow control packet grants on vl; GRANT: send
 * one that grants fccl; PAUSED: own priority was paused for fctbs quanta; PAUSE: send that. */
enum link_fc_op { LFC_PEER, LFC_GRANT, LFC_PAUSED, LFC_PAUSE };

/* frame.pool */
enum { POOL_TX, POOL_ACK };

/* rxp.flags */
enum { RXP_ACKREQ = 1, RXP_SE = 2, RXP_ECN = 4, RXP_GRH = 8, RXP_BECN = 16 };
/* wr_req.flags: relaxed ordering; answer by wr_done; give the rx slot back when sent; train */
enum { WR_RO = 1, WR_NOTIFY = 2, WR_FREE_RX = 4, WR_NO_DATA = 8 };
/* place.flags */
enum {
    PLACE_LAST = 1,
    PLACE_NOTIFY = 2,
    PLACE_FREE_RX = 4,
    PLACE_CHECK_ONLY = 8,
    PLACE_GRH = 16 /* GRH area of a datagram: real bytes even when payload is off */
};

/* What check decided; the acknowledgement follows from it. */
enum verdict {
    V_EXECUTE,
    V_DUPLICATE,
    V_DROP,
    V_NAK_SEQ,
    V_NAK_INVALID,
    V_NAK_ACCESS,
    V_NAK_OP,
    V_RNR,
    V_MARK /* no packet: answer to rsp_halt, nothing of the QP will follow that is not dropped */
};
/* exec.flags: those of rxp and what check knows of the message. NEW: rec was consumed for this
 * packet; AREA: a valid GRH area lies in front of the payload. */
enum { EXF_NEW = 32, EXF_FIRST = 64, EXF_LAST = 128, EXF_EST = 256, EXF_AREA = 512 };

/* FLUSH (command only): a ring is gone: forget cached pages of the directory `pdir` of fn. */
enum mpt_op { MPT_CREATE, MPT_DESTROY, MPT_INVALIDATE, MPT_FAST_REG, MPT_FLUSH };
enum mpt_status { MPT_DONE, MPT_BAD_KEY, MPT_BAD_STATE, MPT_FAULT };

/* Access rights of a memory key: the bits of verbs (pvrdma ABI, section 6). */
enum {
    ACC_LOCAL_WRITE = 1,
    ACC_REMOTE_WRITE = 2,
    ACC_REMOTE_READ = 4,
    ACC_REMOTE_ATOMIC = 8,
    ACC_LOCAL_READ = 0
};

/* Completion status, equal to the verbs work completion status: errors from error.def. */
#define ERROR(name, kind, value, doc) ERROR_##kind(name, value)
#define ERROR_completion(name, value) name = (value),
#define ERROR_async(name, value)
#define ERROR_vtd(name, value)
enum wc_status {
    WC_OK,
#include "model/spec/error.def"
};
#undef ERROR_completion
#undef ERROR_async

enum wc_opcode {
    WC_SEND,
    WC_WRITE,
    WC_READ,
    WC_CAS,
    WC_FAA,
    WC_BIND,
    WC_LSO,
    WC_LOCAL_INV,
    WC_FAST_REG,
    WC_RECV = 128,
    WC_RECV_IMM = 129
};
/* cqe.flags: those of the CQE's wc_flags in the low byte, then what complete must do. */
enum {
    CQE_GRH = 1,
    CQE_IMM = 2,
    CQE_INVALIDATE = 4,
    CQE_NET = 64,
    CQE_SILENT = 256, /* unsignalled: only the ring head moves           */
    CQE_SOLICITED = 512,
    CQE_RECV = 1024 /* of a receive queue                              */
};

enum qp_type { QPT_GSI = 1, QPT_RC = 2, QPT_UC = 3, QPT_UD = 4 };
enum qp_state { QPS_RESET, QPS_INIT, QPS_RTR, QPS_RTS, QPS_SQD, QPS_SQE, QPS_ERR };
enum qp_format { FORMAT_PVRDMA, FORMAT_NATIVE };

/* Opcodes of a send WQE (pvrdma ABI, section 10). */
enum wr_opcode {
    WR_WRITE,
    WR_WRITE_IMM,
    WR_SEND,
    WR_SEND_IMM,
    WR_READ,
    WR_CAS,
    WR_FAA,
    WR_LSO,
    WR_SEND_INV,
    WR_READ_INV,
    WR_LOCAL_INV,
    WR_FAST_REG
};
enum { WRF_FENCE = 1, WRF_SIGNALED = 2, WRF_SOLICITED = 4, WRF_INLINE = 8 };

/* Asynchronous events (pvrdma ABI, section 7): errors from error.def, and the others. */
#define ERROR_completion(name, value)
#define ERROR_async(name, value) name = (value),
enum async_type {
#include "model/spec/error.def"
    ASYNC_COMM_EST = 4,
    ASYNC_SQ_DRAINED,
    ASYNC_PATH_MIG,
    ASYNC_PATH_MIG_ERR,
    ASYNC_DEVICE_FATAL,
    ASYNC_PORT_ACTIVE,
    ASYNC_PORT_ERR,
    ASYNC_LID_CHANGE,
    ASYNC_PKEY_CHANGE,
    ASYNC_SM_CHANGE,
    ASYNC_SRQ_LIMIT = 15,
    ASYNC_QP_LAST_WQE,
    ASYNC_CLIENT_REREGISTER,
    ASYNC_GID_CHANGE
};
#undef ERROR
#undef ERROR_completion
#undef ERROR_async
#undef ERROR_vtd
