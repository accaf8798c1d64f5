/* command_pd.c: the commands that touch no context: port, P_Key, PD, user context, GID, MR; and
 * which function executes which command. */
#include "model/command_i.h"

static cmd_exec *const exec[PV_COMMANDS] = {
    [PV_QUERY_PORT] = cmd_query_port,     [PV_QUERY_PKEY] = cmd_query_pkey,
    [PV_CREATE_PD] = cmd_create_pd,       [PV_DESTROY_PD] = cmd_destroy_pd,
    [PV_CREATE_MR] = cmd_create_mr,       [PV_DESTROY_MR] = cmd_destroy_mr,
    [PV_CREATE_CQ] = cmd_create_cq,       [PV_RESIZE_CQ] = cmd_resize_cq,
    [PV_DESTROY_CQ] = cmd_destroy_cq,     [PV_CREATE_QP] = cmd_create_qp,
    [PV_MODIFY_QP] = cmd_modify_qp,       [PV_QUERY_QP] = cmd_query_qp,
    [PV_DESTROY_QP] = cmd_destroy_qp,     [PV_CREATE_UC] = cmd_create_uc,
    [PV_DESTROY_UC] = cmd_destroy_uc,     [PV_CREATE_BIND] = cmd_create_bind,
    [PV_DESTROY_BIND] = cmd_destroy_bind, [PV_CREATE_SRQ] = cmd_create_srq,
    [PV_MODIFY_SRQ] = cmd_modify_srq,     [PV_QUERY_SRQ] = cmd_query_srq,
    [PV_DESTROY_SRQ] = cmd_destroy_srq,
};

void cmd_dispatch(struct command *u, const struct tick *t, void *ctx)
{
    const struct pv_req_hdr *const r = cmd_req(u, t);

    (void)ctx;
    if (r->cmd >= PV_COMMANDS) {
        u->s.cmd = UINT8_MAX;
        cmd_fail(u, PV_INVALID);
        return;
    }
    u->s.cmd = (uint8_t)r->cmd;
    exec[r->cmd](u, t);
}

/* A response that is a header and one number. */
static void send_one(struct command *u, const struct tick *t, uint32_t value)
{
    struct pv_resp_one *const resp = cmd_resp(u, t);

    resp->value = value;
    cmd_send(u, sizeof *resp);
}

/* --- port ------------------------------------------------------------------------------------- */

/* Code of an MTU in verbs: 1 = 256 ... 5 = 4096. */
static uint32_t mtu_code(uint64_t bytes)
{
    uint32_t code = 1;

    while (code < 5 && 128ULL << (code + 1) <= bytes) {
        code++;
    }
    return code;
}

/* Width and speed codes whose product is nearest below the rate: lanes of 10 (QDR), 14 (FDR), 25
 * (EDR), 50 (HDR) and 100 Gb/s (NDR), preferring 4 lanes. */
static void rate_code(uint64_t mbps, uint8_t *width, uint8_t *speed)
{
    static const struct {
        uint32_t mbps;
        uint8_t width, speed;
    } rows[] = {{400000, 2, 128}, {200000, 2, 64}, {100000, 2, 32}, {56000, 2, 16},
                {40000, 2, 4},    {25000, 1, 32},  {10000, 2, 1},   {0, 1, 1}};
    unsigned i = 0;

    while (rows[i].mbps > mbps) {
        i++;
    }
    *width = rows[i].width;
    *speed = rows[i].speed;
}

void cmd_query_port(struct command *u, const struct tick *t)
{
    const struct pv_req_port *const r = cmd_req(u, t);

    if (r->port_num != 1) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    struct pv_resp_port *const resp = cmd_resp(u, t);
    resp->attr = (struct pv_port_attr){
        .state = 4, /* ACTIVE */
        .max_mtu = mtu_code(t->p->port_mtu_bytes),
        .active_mtu = mtu_code(t->p->port_mtu_bytes),
        .gid_tbl_len = (uint32_t)t->p->hca_gid_max,
        .max_msg_sz = 0x80000000U,
        .pkey_tbl_len = 1,
        .max_vl_num = 1,
        .phys_state = 5, /* LinkUp */
    };
    rate_code(t->p->port_rate_mbps, &resp->attr.active_width, &resp->attr.active_speed);
    cmd_send(u, sizeof *resp);
}

void cmd_query_pkey(struct command *u, const struct tick *t)
{
    const struct pv_req_port *const r = cmd_req(u, t);

    if (r->port_num != 1 || r->index != 0) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    send_one(u, t, 0xffff);
}

/* --- protection domains, user contexts -------------------------------------------------------- */

void cmd_create_pd(struct command *u, const struct tick *t)
{
    const struct pv_req_one *const r = cmd_req(u, t);
    struct cmd_obj *const context = r->handle == 0 ? NULL : cmd_find(u, OBJ_UC, r->handle);

    if (r->handle != 0 && context == NULL) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    struct cmd_obj *const pd = cmd_make(u, OBJ_PD);
    if (pd == NULL) {
        cmd_fail(u, PV_NO_ROOM);
        return;
    }
    pd->pd = r->handle;
    if (context != NULL) {
        context->refs++;
    }
    send_one(u, t, u->s.made);
}

/* An object without context or key: it may go when nothing names it. */
static void destroy_plain(struct command *u, const struct tick *t, enum cmd_kind kind)
{
    if (!cmd_idle(u, t, kind)) {
        return;
    }
    cmd_forget(u, kind, u->s.handle);
}

void cmd_destroy_pd(struct command *u, const struct tick *t)
{
    destroy_plain(u, t, OBJ_PD);
}

/* The handle of a user context is the number of its doorbell page. */
void cmd_create_uc(struct command *u, const struct tick *t)
{
    const struct pv_create_uc *const r = cmd_req(u, t);
    const bool wide = t->p->hca_pvrdma_version >= 19;
    const uint64_t page = (wide ? r->pfn : (uint32_t)r->pfn) - cmd_fn(u)->uar_pfn;

    if (page == 0 || page >= t->p->hca_uar_max || cmd_find(u, OBJ_UC, (uint32_t)page) != NULL) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    (void)cmd_take(u, OBJ_UC, (uint32_t)page);
    send_one(u, t, (uint32_t)page);
}

void cmd_destroy_uc(struct command *u, const struct tick *t)
{
    destroy_plain(u, t, OBJ_UC);
}

void cmd_forget_call(struct command *u, const struct tick *t, void *ctx)
{
    const struct cmd_op *const op = &u->s.plan[u->s.pc - 1];

    (void)t;
    (void)ctx;
    cmd_forget(u, op->a, op->number);
}

/* --- GIDs ------------------------------------------------------------------------------------- */

static uint64_t big_endian(const uint8_t *b)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        v = v << 8 | b[i];
    }
    return v;
}

static void set_gid(struct command *u, const struct tick *t, uint32_t index, struct cmd_gid gid,
                    uint32_t vlan)
{
    const bool tagged = vlan >= 1 && vlan < 0xfff;

    u->gid[u->s.fn * t->p->hca_gid_max + index] = gid;
    u->s.gid = (struct gid_set){.gid_hi = gid.hi,
                                .gid_lo = gid.lo,
                                .mac = cmd_mac(u),
                                .index = (uint16_t)index,
                                .fn = u->s.fn,
                                .kind = gid.type,
                                .vlan = (uint16_t)(tagged ? vlan : t->p->port_vlan_id)};
    ADD(u, .kind = OP_GID);
}

/* Linux always says VLAN 0xfff (none): the VLAN of the port is a parameter. */
void cmd_create_bind(struct command *u, const struct tick *t)
{
    const struct pv_create_bind *const r = cmd_req(u, t);
    const unsigned type = t->p->port_wire == HCA_PORT_WIRE_ROCE1 ? 1 : 2;

    u->s.handle = r->index;
    if (r->index >= t->p->hca_gid_max || r->gid_type != type || r->vlan > 0xfff) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    set_gid(u, t, r->index,
            (struct cmd_gid){.hi = big_endian(r->new_gid),
                             .lo = big_endian(r->new_gid + 8),
                             .type = r->gid_type},
            r->vlan);
}

void cmd_destroy_bind(struct command *u, const struct tick *t)
{
    const struct pv_destroy_bind *const r = cmd_req(u, t);
    const bool known = r->index < t->p->hca_gid_max;
    const struct cmd_gid *const g = known ? &u->gid[u->s.fn * t->p->hca_gid_max + r->index] : NULL;

    u->s.handle = r->index;
    if (!known || g->type == 0 || g->hi != big_endian(r->dest_gid) ||
        g->lo != big_endian(r->dest_gid + 8)) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    set_gid(u, t, r->index, (struct cmd_gid){0}, 0);
}

void cmd_end_gid(struct command *u, const struct tick *t, uint32_t index)
{
    set_gid(u, t, index, (struct cmd_gid){0}, 0);
}
