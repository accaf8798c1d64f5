/* command_dsr.c: device shared region, activation, reset. */
#include "model/command_i.h"

enum {
    DSR_HEAD_BYTES = offsetof(struct pv_dsr, caps),
    RING_PAGES_MAX = 512,
    VENDOR_ID = 0x15ad,
    FIRST_64BIT_PFN = 19
};

/* Locally administered default until the hypervisor writes MACL and MACH. */
uint64_t cmd_mac(const struct command *u)
{
    const uint64_t mac = cmd_fn(u)->mac;

    return mac != 0 ? mac : 0x020000000000ULL | u->s.fn;
}

void cmd_start_dsr(struct command *u, const struct tick *t)
{
    struct cmd_fn *const f = cmd_fn(u);
    const uint64_t dsr = f->dsr_low | (uint64_t)f->dsr_high << 32;

    (void)t;
    if (f->state == FN_ACTIVE || !cmd_bus_ok(dsr, PV_DSR_BYTES, 8)) {
        cmd_fail(u, f->state == FN_ACTIVE ? PV_BUSY : PV_INVALID);
        return;
    }
    f->dsr = dsr;
    ADD(u, .kind = OP_READ, .addr = dsr, .number = u->request, .len = DSR_HEAD_BYTES);
    ADD(u, .kind = OP_DELAY);
    ADD(u, .kind = OP_CALL, .call = CALL_DSR_READ);
}

/* EUI-64 of a MAC address, in network byte order. */
static uint64_t guid(uint64_t mac)
{
    const uint8_t b[8] = {
        (uint8_t)(mac >> 40 ^ 2), (uint8_t)(mac >> 32), (uint8_t)(mac >> 24), 0xff, 0xfe,
        (uint8_t)(mac >> 16),     (uint8_t)(mac >> 8),  (uint8_t)mac};
    uint64_t g;

    memcpy(&g, b, sizeof g);
    return g;
}

static uint32_t sges(const struct tick *t)
{
    return t->p->hca_max_sge < SGE_MAX ? (uint32_t)t->p->hca_max_sge : SGE_MAX;
}

/* What the driver reads from the shared region; fields that it ignores stay 0. */
static void fill_caps(const struct command *u, const struct tick *t, struct pv_caps *c)
{
    const struct hca_param *const p = t->p;

    *c = (struct pv_caps){
        .fw_ver = 1ULL << 32,
        .node_guid = guid(cmd_mac(u)),
        .sys_image_guid = guid(cmd_mac(u)),
        .max_mr_size = 1ULL << 30,
        .page_size_cap = PAGE_BYTES,
        .vendor_id = VENDOR_ID,
        .vendor_part_id = 0x0820,
        .hw_ver = 1,
        .max_qp = (uint32_t)p->hca_qp_max,
        .max_qp_wr = (uint32_t)p->hca_max_qp_wr,
        .max_sge = sges(t),
        .max_sge_rd = sges(t),
        .max_cq = (uint32_t)p->hca_cq_max,
        .max_cqe = (uint32_t)p->hca_max_cqe,
        .max_mr = (uint32_t)p->hca_mr_max,
        .max_pd = (uint32_t)p->hca_pd_max,
        .max_qp_rd_atom = (uint32_t)p->hca_max_rd_atomic,
        .max_res_rd_atom = (uint32_t)(p->hca_max_rd_atomic * p->hca_qp_max),
        .max_qp_init_rd_atom = (uint32_t)p->hca_max_rd_atomic,
        .max_ah = (uint32_t)p->hca_ah_max,
        .max_srq = (uint32_t)p->hca_srq_max,
        .max_srq_wr = (uint32_t)p->hca_max_srq_wr,
        .max_srq_sge = sges(t),
        .max_uar = (uint32_t)p->hca_uar_max,
        .gid_tbl_len = (uint32_t)p->hca_gid_max,
        .max_pkeys = 1,
        .phys_port_cnt = 1,
        .atomic_ops = 3,
        .bmme_flags = 7,
        .gid_types = p->port_wire == HCA_PORT_WIRE_ROCE1 ? 1 : 2,
        .max_fast_reg_page_list_len = 512,
    };
}

static bool ring_ok(const struct pv_ring_info *r)
{
    return r->num_pages >= 2 && r->num_pages <= RING_PAGES_MAX &&
           cmd_bus_ok(r->pdir_dma, PAGE_BYTES, PAGE_BYTES);
}

void cmd_dsr_read(struct command *u, const struct tick *t, void *ctx)
{
    struct cmd_fn *const f = cmd_fn(u);
    struct pv_dsr d = {0};

    (void)ctx;
    memcpy(&d, cmd_req(u, t), DSR_HEAD_BYTES);
    if (!cmd_bus_ok(d.cmd_slot_dma, PV_REQ_BYTES, 8) ||
        !cmd_bus_ok(d.resp_slot_dma, PV_RESP_BYTES, 8) || !ring_ok(&d.async_ring) ||
        !ring_ok(&d.cq_ring)) {
        cmd_fail(u, PV_INVALID);
        return;
    }
    f->cmd_slot = d.cmd_slot_dma;
    f->resp_slot = d.resp_slot_dma;
    f->uar_pfn = t->p->hca_pvrdma_version >= FIRST_64BIT_PFN ? d.uar_pfn : (uint32_t)d.uar_pfn;
    f->ring_pdir[0] = d.async_ring.pdir_dma;
    f->ring_pdir[1] = d.cq_ring.pdir_dma;
    f->ring_pages[0] = (uint16_t)d.async_ring.num_pages;
    f->ring_pages[1] = (uint16_t)d.cq_ring.num_pages;
    fill_caps(u, t, (struct pv_caps *)(void *)store_at(t->store, u->response));
    ADD(u, .kind = OP_WRITE, .addr = f->dsr + DSR_HEAD_BYTES, .number = u->response,
        .len = sizeof(struct pv_caps));
    ADD(u, .kind = OP_CALL, .call = CALL_DSR_DONE);
}

void cmd_dsr_done(struct command *u, const struct tick *t, void *ctx)
{
    (void)t;
    (void)ctx;
    cmd_fn(u)->state = FN_DSR;
}

/* ACTIVATE and UNQUIESCE; repeated ones change nothing. */
void cmd_start_ctl(struct command *u)
{
    struct cmd_fn *const f = cmd_fn(u);

    if (f->ctl == PV_CTL_UNQUIESCE ? f->state != FN_ACTIVE : f->state == FN_DOWN) {
        cmd_fail(u, PV_INACTIVE);
        return;
    }
    ADD(u, .kind = OP_DELAY);
    for (uint8_t r = 0; f->state != FN_ACTIVE && r < 2; r++) {
        ADD(u, .kind = OP_RING, .addr = f->ring_pdir[r], .len = f->ring_pages[r], .a = r);
    }
    f->state = FN_ACTIVE;
}

/* The function is down from here on; its objects go one by one, ERR is told when DMA has ended. */
void cmd_start_reset(struct command *u)
{
    struct cmd_fn *const f = cmd_fn(u);

    ADD(u, .kind = OP_DELAY);
    for (uint8_t r = 0; f->state == FN_ACTIVE && r < 2; r++) {
        ADD(u, .kind = OP_RING, .a = r);
        ADD(u, .kind = OP_FLUSH, .addr = f->ring_pdir[r]);
    }
    ADD(u, .kind = OP_CALL, .call = CALL_SWEEP);
    f->state = FN_DOWN;
    u->s.sweep = u->s.sweep_kind = 0;
}
