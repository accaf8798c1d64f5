/* command: control path: PD, MR, CQ, QP, SRQ, contexts of user processes, GIDs.
 *
 * Order    One register write of a function is under way at a time, others of it are refused (ERR =
 *          busy); functions take turns in the order in which they asked. CTL = RESET waits for the
 *          command under way, then destroys every object of the function.
 * Timing   hca.command_process_ns per write of DSRHIGH, CTL or REQUEST beside its DMA and contexts;
 *          one step per cycle; a reset looks at 64 table entries per cycle.
 * Source   docs/units/command.md; PVRDMA ABI (model/spec/pvrdma.h); docs/NATIVE.md
 * NOT MODELLED: RESIZE_CQ to another size (the ABI names no new buffer), alternate paths,
 * multicast. */
#pragma once
#include "model/spec.h"

#include "model/spec/pvrdma.h"

enum cmd_kind { OBJ_PD, OBJ_UC, OBJ_MR, OBJ_CQ, OBJ_SRQ, OBJ_QP, OBJ_KINDS };

/* One object; which members count depends on its kind. Arena arrays by (fn, handle). */
struct cmd_obj {
    uint64_t pdir;       /* CQ, SRQ, QP: page directory of its ring, 0: native                  */
    uint32_t next;       /* free: handle + 1 of the one freed after it                          */
    uint32_t refs;       /* objects that name this one                                          */
    uint32_t pd;         /* PD, CQ: user context, 0: kernel; MR, SRQ, QP: protection domain      */
    uint32_t size, recv; /* CQ: entries; SRQ: entries, limit; QP: send and receive entries       */
    uint32_t cq[2], srq; /* QP: send CQ, receive CQ; SRQ or NO_NUMBER                           */
    uint16_t inline_max;
    uint8_t used, gen; /* gen: MR: key byte; QP: generation                                   */
    uint8_t native, type, send_sge, recv_sge;
};

/* Handles never used are [fresh, max); freed ones queue from head to tail (handle + 1, 0: none), so
 * a handle is reused as late as possible. */
struct cmd_list {
    uint32_t fresh, head, tail, used;
};

enum cmd_fn_state { FN_DOWN, FN_DSR, FN_ACTIVE };
enum cmd_task { TASK_NONE, TASK_DSR, TASK_CTL, TASK_REQUEST, TASK_RESET };

struct cmd_gid {
    uint64_t hi, lo;
    uint8_t type, pad[7]; /* 0: not bound; 1 RoCE v1, 2 RoCE v2 */
};

struct cmd_fn {
    uint64_t dsr, cmd_slot, resp_slot, uar_pfn;
    uint64_t ring_pdir[2];
    uint64_t mac; /* number, first byte highest; 0: the default of the function */
    uint32_t dsr_low, dsr_high, ctl;
    uint16_t ring_pages[2];
    uint8_t state, task, reset, queued, gsi, pad[3];
    struct cmd_list list[OBJ_KINDS];
};

/* A command is a list of steps; most start something and wait for its answer. */
enum cmd_op_kind {
    OP_READ,
    OP_WRITE, /* len bytes at addr, store offset number                                  */
    OP_DELAY,
    OP_CALL,        /* function `call`                                                         */
    OP_CTX,         /* context a, number: get or create by b, edit by `call`, put               */
    OP_CTX_DROP,    /* the same, then forget it                                                */
    OP_MPT,         /* s.mpt                                                                   */
    OP_MPT_DESTROY, /* key number                                                              */
    OP_FLUSH,       /* directory addr                                                          */
    OP_KICK,        /* QP number, enum qp_kick a, to requester and respond; RESET and DESTROY
                       are answered when nothing of the QP is left in the pipes                */
    OP_KICK_STATE,  /* KICK_STATE to requester alone                                           */
    OP_CQ,          /* fence behind all CQEs, CQ number or NO_NUMBER                           */
    OP_RING,        /* device ring a: directory addr, len pages                                */
    OP_GID,         /* s.gid                                                                   */
    OP_IRQ
};
struct cmd_op {
    uint64_t addr;
    uint32_t number;
    uint16_t len;
    uint8_t kind, a, b, call, pad[2];
};

/* Answers that have come for the step under way. */
enum cmd_got {
    GOT_RD = 1,
    GOT_WR = 2,
    GOT_CTX = 4,
    GOT_MPT = 8,
    GOT_FLUSHED = 16,
    GOT_DRAINED = 32,
    GOT_CQ = 64,
    GOT_RING = 128
};

enum { CMD_PLAN = 16, CMD_QUEUE = 256, CMD_BUFFER = 512 };

struct command {
    struct wire_reg_write *reg_write;   /* in, from mmio       */
    struct wire_mpt_done *mpt_cmd_done; /* in, from xlat      */
    struct wire_ctx_got *ctx_got_cmd;   /* in, from context    */
    struct wire_rd_rsp *rd_rsp_cmd;     /* in, from dma_read   */
    struct wire_wr_done *wr_done_cmd;   /* in, from dma_write  */
    struct wire_qp_event *cmd_flushed;  /* in, from requester  */
    struct wire_qp_event *cmd_drained;  /* in, from respond    */
    struct wire_cq_event *ring_done;    /* in, from event: answer to ring_set with pages 0 */
    struct wire_cq_event *cmd_cq_done;  /* in, from complete   */
    struct wire_reg_write *reg_state;   /* out, to mmio        */
    struct wire_gid_set *gid_build;     /* out, to packet_build */
    struct wire_gid_set *gid_parse;     /* out, to packet_parse */
    struct wire_mpt_set *mpt_cmd;       /* out, to xlat        */
    struct wire_async *cmd_async;       /* out, to event: unused, PORT_ACTIVE is not raised */
    struct wire_qp_event *cmd_req_kick; /* out, to requester  */
    struct wire_qp_event *cmd_rsp_kick; /* out, to respond    */
    struct wire_ctx_get *ctx_get_cmd;   /* out, to context     */
    struct wire_ctx_put *ctx_put_cmd;   /* out, to context     */
    struct wire_rd_req *rd_req_cmd;     /* out, to dma_read    */
    struct wire_wr_req *wr_cmd;         /* out, to dma_write   */
    struct wire_cq_event *cmd_irq;      /* out, to event       */
    struct wire_ring_set *ring_set;     /* out, to event       */
    struct wire_cq_event *cmd_cq;       /* out, to complete    */
    struct cmd_fn *fn;                  /* [fn_max]            */
    struct cmd_obj *obj[OBJ_KINDS];     /* [fn_max * max[kind]] */
    struct cmd_gid *gid;                /* [fn_max * gid_max]  */
    uint8_t *queue;                     /* [CMD_QUEUE] functions that wait, oldest first */
    uint32_t max[OBJ_KINDS], first[OBJ_KINDS]; /* handles are [first, max)              */
    uint32_t request, response;                /* store offsets, CMD_BUFFER bytes each          */
    struct {
        uint64_t until; /* OP_DELAY */
        struct cmd_op plan[CMD_PLAN];
        struct mpt_set mpt;
        struct gid_set gid;
        uint32_t head, tail; /* of queue, free running                              */
        uint32_t handle;     /* object the command is about, for the trace           */
        uint32_t made;       /* handle of a new object, forgotten if the command fails */
        uint32_t sweep;      /* next handle a reset looks at                         */
        uint32_t got;        /* enum cmd_got                                         */
        uint16_t cx;
        uint8_t pc, ops;
        uint8_t started; /* the step at pc has sent what it sends                */
        uint8_t task, fn, cmd;
        uint8_t err;       /* enum pv_err for register ERR                         */
        uint8_t resp_err;  /* the same in the response of MODIFY_QP                */
        uint8_t status;    /* of the answer that came last                         */
        uint8_t made_kind; /* OBJ_KINDS: none                                      */
        uint8_t sweep_kind;
        uint8_t pad[3];
    } s;
};

void command_open(struct command *u, struct opening *o);
struct act command_tick(struct command *u, const struct tick *t);
