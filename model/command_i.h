/* command_i.h: what the parts of command share. */
#pragma once
#include "model/command.h"

/* Functions a step may call; ctx: the context of OP_CTX, else NULL. */
typedef void cmd_call(struct command *u, const struct tick *t, void *ctx);
enum cmd_call_id {
    CALL_NONE,
    CALL_DSR_READ,
    CALL_DSR_DONE,
    CALL_DISPATCH,
    CALL_SWEEP,
    CALL_FORGET,
    CALL_CQ_FILL,
    CALL_SRQ_FILL,
    CALL_SRQ_LIMIT,
    CALL_SRQ_QUERY,
    CALL_QP_FILL,
    CALL_QP_STOP,
    CALL_QP_CLEAR,
    CALL_QP_MODIFY,
    CALL_QP_QUERY,
    CALLS
};
cmd_call cmd_dsr_read, cmd_dsr_done, cmd_dispatch, cmd_sweep, cmd_forget_call;
cmd_call cmd_cq_fill, cmd_srq_fill, cmd_srq_limit, cmd_srq_query;
cmd_call cmd_qp_fill, cmd_qp_stop, cmd_qp_clear, cmd_qp_modify, cmd_qp_query;

/* --- command_step.c: steps -------------------------------------------------------------------- */

/* Does what the step under way can do in this cycle; true: moved. */
bool cmd_step(struct command *u, const struct tick *t);
/* Takes answers of other units. */
bool cmd_answers(struct command *u, const struct tick *t);

/* Appends a step. */
void cmd_add(struct command *u, struct cmd_op op);
#define ADD(u, ...) cmd_add((u), (struct cmd_op){__VA_ARGS__})

/* Ends the command with a value of ERR (enum pv_err) and takes back what it made. */
void cmd_fail(struct command *u, unsigned err);

/* Request and response buffers. */
void *cmd_req(const struct command *u, const struct tick *t);
/* A zeroed response whose header is filled; cmd_send writes bytes of it and raises vector 0. */
void *cmd_resp(struct command *u, const struct tick *t);
void cmd_send(struct command *u, uint32_t bytes);

struct cmd_fn *cmd_fn(const struct command *u);

/* --- command_obj.c: tables -------------------------------------------------------------------- */

void cmd_obj_open(struct command *u, struct opening *o);

/* Object of the function under way; NULL: no such handle. */
struct cmd_obj *cmd_find(const struct command *u, enum cmd_kind kind, uint32_t handle);

/* Object that the request (struct pv_req_one) names, its handle then in s.handle; NULL: there is
 * none, and the command has failed. cmd_idle: false too when other objects refer to it. */
struct cmd_obj *cmd_named(struct command *u, const struct tick *t, enum cmd_kind kind);
bool cmd_idle(struct command *u, const struct tick *t, enum cmd_kind kind);

/* Takes a free handle, or this one, into s.made; NULL: none is left. */
struct cmd_obj *cmd_make(struct command *u, enum cmd_kind kind);
struct cmd_obj *cmd_take(struct command *u, enum cmd_kind kind, uint32_t handle);

/* Frees an object of the function under way and gives back the references it held. */
void cmd_forget(struct command *u, enum cmd_kind kind, uint32_t handle);

/* Number inside the adapter of a QP, CQ or SRQ handle of the function under way. */
static inline uint32_t cmd_number(const struct command *u, uint32_t handle)
{
    return u->s.fn * (uint32_t)QP_ROUND + handle;
}

/* --- the 21 commands; each is called with the request in cmd_req ------------------------------ */

typedef void cmd_exec(struct command *u, const struct tick *t);
cmd_exec cmd_query_port, cmd_query_pkey, cmd_create_pd, cmd_destroy_pd, cmd_create_mr;
cmd_exec cmd_destroy_mr, cmd_create_cq, cmd_resize_cq, cmd_destroy_cq, cmd_create_qp;
cmd_exec cmd_modify_qp, cmd_query_qp, cmd_destroy_qp, cmd_create_uc, cmd_destroy_uc;
cmd_exec cmd_create_bind, cmd_destroy_bind, cmd_create_srq, cmd_modify_srq, cmd_query_srq;
cmd_exec cmd_destroy_srq;

/* Steps that destroy an object, used by the command and by a reset. */
void cmd_end_mr(struct command *u, uint32_t handle);
void cmd_end_cq(struct command *u, uint32_t handle);
void cmd_end_srq(struct command *u, uint32_t handle);
void cmd_end_qp(struct command *u, uint32_t handle);
void cmd_end_gid(struct command *u, const struct tick *t, uint32_t index);

/* State of a QP as verbs sees it: errors found by the pipes count. */
uint32_t cmd_qp_state(const struct qpc *c);

/* --- command_dsr.c: registers ----------------------------------------------------------------- */

void cmd_start_dsr(struct command *u, const struct tick *t);
void cmd_start_ctl(struct command *u);
void cmd_start_reset(struct command *u);
uint64_t cmd_mac(const struct command *u);

/* --- checks ----------------------------------------------------------------------------------- */

static inline bool cmd_power2(uint64_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* len bytes at a bus address that guest software named: aligned, and without wrap at 2^57, the
 * largest address VT-d can translate. */
static inline bool cmd_bus_ok(uint64_t addr, uint64_t len, uint64_t align)
{
    return addr % align == 0 && addr < 1ULL << 57 && len <= (1ULL << 57) - addr;
}

/* Bytes from one WQE to the next: next power of two of header and SGEs. */
static inline uint32_t cmd_stride(uint32_t header, uint32_t sges)
{
    uint32_t n = 32;

    while (n < header + sges * 16) {
        n *= 2;
    }
    return n;
}

/* Pages that n entries of stride bytes fill. */
static inline uint64_t cmd_pages(uint64_t n, uint64_t stride)
{
    return (n * stride + PAGE_BYTES - 1) / PAGE_BYTES;
}
enum { CMD_PAGES_MAX = 512 * 512 }; /* of one page directory */
