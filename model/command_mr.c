/* command_mr.c: memory regions. Key = handle << 8 | a byte that changes with each registration. */
#include "model/command_i.h"

enum { MR_ACCESS = ACC_LOCAL_WRITE | ACC_REMOTE_WRITE | ACC_REMOTE_READ | ACC_REMOTE_ATOMIC };

/* Other access bits (windows, on demand, optional ones) are ignored, as the ABI asks. One page
 * directory, hence one MR, holds 1 GiB. */
static bool mr_ok(const struct pv_create_mr *r)
{
    if (r->flags == PV_MR_DMA) {
        return r->start == 0 && r->length == 0;
    }
    if (r->flags == PV_MR_FAST_REG) {
        return r->nchunks >= 1 && r->nchunks <= CMD_PAGES_MAX;
    }
    const uint64_t off = r->start % PAGE_BYTES;
    return r->flags == 0 && r->length >= 1 && r->start <= UINT64_MAX - r->length &&
           r->nchunks <= CMD_PAGES_MAX && (uint64_t)r->nchunks * PAGE_BYTES >= off + r->length &&
           cmd_bus_ok(r->pdir_dma, PAGE_BYTES, PAGE_BYTES);
}

void cmd_create_mr(struct command *u, const struct tick *t)
{
    const struct pv_create_mr *const r = cmd_req(u, t);
    struct cmd_obj *const pd = cmd_find(u, OBJ_PD, r->pd_handle);

    if (pd == NULL || !mr_ok(r)) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    struct cmd_obj *const mr = cmd_make(u, OBJ_MR);
    if (mr == NULL) {
        cmd_fail(u, PV_NO_ROOM);
        return;
    }
    const uint32_t key = u->s.made << 8 | mr->gen;
    const bool user = r->flags == 0;
    mr->pd = r->pd_handle;
    pd->refs++;
    u->s.mpt = (struct mpt_set){.va = r->start,
                                .len = user ? r->length : 0,
                                .pdir = user ? r->pdir_dma : 0,
                                .key = key,
                                .pd = r->pd_handle,
                                .access = r->access_flags & MR_ACCESS,
                                .pages = r->flags == PV_MR_DMA ? 0 : r->nchunks,
                                .fn = u->s.fn,
                                .op = MPT_CREATE,
                                .flags = (uint8_t)r->flags};
    ADD(u, .kind = OP_MPT);

    struct pv_resp_mr *const resp = cmd_resp(u, t);
    resp->mr_handle = u->s.made;
    resp->lkey = resp->rkey = key;
    cmd_send(u, sizeof *resp);
}

void cmd_destroy_mr(struct command *u, const struct tick *t)
{
    if (cmd_named(u, t, OBJ_MR) == NULL) {
        return;
    }
    cmd_end_mr(u, u->s.handle);
}

void cmd_end_mr(struct command *u, uint32_t handle)
{
    ADD(u, .kind = OP_MPT_DESTROY, .number = handle << 8 | cmd_find(u, OBJ_MR, handle)->gen);
    ADD(u, .kind = OP_CALL, .call = CALL_FORGET, .a = OBJ_MR, .number = handle);
}
