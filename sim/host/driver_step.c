/* driver_step.c: the control path of a driver, one step at a time, as the Linux driver takes its
 * command semaphore: write, read ERR, wait for vector 0 when a response is due. */
#include "sim/host/driver_i.h"

#include <inttypes.h>
#include <stdio.h>

enum step_phase { PHASE_IDLE, PHASE_CORE, PHASE_READ, PHASE_IRQ };
enum { VERSION_MIN = 17, VERSION_ROCE2 = 18 };

static const char *const cmd_name[PV_COMMANDS] = {
    "QUERY_PORT", "QUERY_PKEY", "CREATE_PD",  "DESTROY_PD",  "CREATE_MR",    "DESTROY_MR",
    "CREATE_CQ",  "RESIZE_CQ",  "DESTROY_CQ", "CREATE_QP",   "MODIFY_QP",    "QUERY_QP",
    "DESTROY_QP", "CREATE_UC",  "DESTROY_UC", "CREATE_BIND", "DESTROY_BIND", "CREATE_SRQ",
    "MODIFY_SRQ", "QUERY_SRQ",  "DESTROY_SRQ"};

const char *step_name(const struct step *s, char *buf, size_t size)
{
    static const char *const kind[] = {"VERSION", "DSR", "MSI-X", "ACTIVATE", "RESET"};

    if (s->kind != STEP_COMMAND) {
        (void)snprintf(buf, size, "%s", kind[s->kind]);
    } else {
        (void)snprintf(buf, size, "%s of number %u", cmd_name[s->cmd], s->id);
    }
    return buf;
}

/* Commands after which Linux waits for vector 0. */
bool step_expects_answer(uint32_t cmd)
{
    static const uint32_t without =
        1U << PV_DESTROY_PD | 1U << PV_DESTROY_MR | 1U << PV_DESTROY_CQ | 1U << PV_DESTROY_QP |
        1U << PV_DESTROY_UC | 1U << PV_CREATE_BIND | 1U << PV_DESTROY_BIND | 1U << PV_MODIFY_SRQ |
        1U << PV_DESTROY_SRQ;

    return (without >> cmd & 1) == 0;
}

/* --- queue of steps --------------------------------------------------------------------------- */

static void start(struct machine *m, uint64_t now_ps, uint32_t driver)
{
    struct drv *const d = DRV(m, driver);

    if (d->phase == PHASE_IDLE && d->step_first != 0) {
        const struct job j = {.id = driver,
                              .not_before = now_ps,
                              .kind = JOB_COMMAND,
                              .cycles = (uint32_t)m->p->cpu_command_cycles};
        d->phase = PHASE_CORE;
        core_add(m, d->at.core, &j, false);
    }
}

void step_add(struct machine *m, uint32_t driver, enum step_kind kind, uint32_t cmd, uint32_t id,
              uint32_t arg)
{
    struct drv *const d = DRV(m, driver);
    const uint32_t link = pool_new(m, V_STEP);

    if (link == 0) {
        return;
    }
    *STEP(m, link) =
        (struct step){.id = id, .arg = arg, .kind = (uint8_t)kind, .cmd = (uint8_t)cmd};
    if (d->step_last != 0) {
        STEP(m, d->step_last)->next = link;
    } else {
        d->step_first = link;
    }
    d->step_last = link;
    m->f.pending++;
    start(m, m->f.last_ps, driver);
}

static void finish(struct machine *m, uint64_t now_ps, uint32_t driver)
{
    struct drv *const d = DRV(m, driver);
    const uint32_t link = d->step_first;

    m->f.commands += STEP(m, link)->kind == STEP_COMMAND;
    m->f.last_ps = now_ps;
    m->f.pending--;
    d->step_first = STEP(m, link)->next;
    d->step_last = d->step_first == 0 ? 0 : d->step_last;
    d->phase = PHASE_IDLE;
    pool_free(m, V_STEP, link);
    start(m, now_ps, driver);
}

static void fail(struct machine *m, uint64_t now_ps, uint32_t driver, const char *why,
                 uint32_t value)
{
    const struct drv *const d = DRV(m, driver);
    char name[64];

    machine_fail(m, "adapter %u, function %u: %s: %s (%u)", d->at.hca, d->at.fn,
                 step_name(STEP(m, d->step_first), name, sizeof name), why, value);
    finish(m, now_ps, driver);
}

/* --- a step begins ---------------------------------------------------------------------------- */

static void reg(struct machine *m, uint64_t now_ps, const struct drv *d, enum pv_reg r, uint32_t v)
{
    mmio_write(m, now_ps, d, 1, (uint32_t)r * 4, 4, v);
}

static void read_reg(struct machine *m, uint64_t now_ps, struct drv *d, enum pv_reg r)
{
    d->phase = PHASE_READ;
    mmio_read(m, now_ps, d, (uint32_t)r * 4);
}

/* What the hypervisor (MAC) and the probe of the driver do up to the capabilities. */
static void begin_dsr(struct machine *m, uint64_t now_ps, struct drv *d)
{
    const uint32_t vm = d->at.vm;
    const uint8_t *const mac = d->address.mac;
    const struct pv_dsr dsr = {
        .driver_version = 20,
        .gos_info = 2 | 1 << 2 | 1 << 6,
        .cmd_slot_dma = mem_bus(m, vm, d->cmd),
        .resp_slot_dma = mem_bus(m, vm, d->resp),
        .async_ring = {.num_pages = d->async.chunks, .pdir_dma = mem_bus(m, vm, d->async.pdir)},
        .cq_ring = {.num_pages = d->notify.chunks, .pdir_dma = mem_bus(m, vm, d->notify.pdir)},
        .uar_pfn = UAR_PFN,
    };
    const uint64_t at = mem_bus(m, vm, d->dsr);

    mem_put(m, vm, d->dsr, &dsr, offsetof(struct pv_dsr, caps));
    reg(m, now_ps, d, PV_REG_MACL,
        mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24);
    reg(m, now_ps, d, PV_REG_MACH, mac[4] | (uint32_t)mac[5] << 8);
    reg(m, now_ps, d, PV_REG_DSRLOW, (uint32_t)at);
    reg(m, now_ps, d, PV_REG_DSRHIGH, (uint32_t)(at >> 32));
    read_reg(m, now_ps, d, PV_REG_ERR); /* fences the write, as a hypervisor without posted MMIO */
}

static void begin_command(struct machine *m, uint64_t now_ps, uint32_t driver, const struct step *s)
{
    struct drv *const d = DRV(m, driver);
    uint8_t req[PV_REQ_BYTES] = {0};

    ((struct pv_req_hdr *)(void *)req)->cmd = s->cmd;
    step_request(m, driver, s, req);
    mem_put(m, d->at.vm, d->cmd, req, sizeof req);
    d->interrupted = 0;
    reg(m, now_ps, d, PV_REG_REQUEST, 0);
    read_reg(m, now_ps, d, PV_REG_ERR);
}

void step_job(struct machine *m, uint64_t now_ps, const struct job *j)
{
    struct drv *const d = DRV(m, j->id);
    const struct step s = *STEP(m, d->step_first);

    switch (s.kind) {
    case STEP_VERSION: read_reg(m, now_ps, d, PV_REG_VERSION); break;
    case STEP_DSR: begin_dsr(m, now_ps, d); break;
    case STEP_VECTORS:
        irq_vectors(m, now_ps, j->id);
        finish(m, now_ps, j->id);
        break;
    case STEP_ACTIVATE:
        reg(m, now_ps, d, PV_REG_CTL, PV_CTL_ACTIVATE);
        read_reg(m, now_ps, d, PV_REG_ERR);
        break;
    case STEP_RESET:
        reg(m, now_ps, d, PV_REG_IMR, UINT32_MAX);
        reg(m, now_ps, d, PV_REG_CTL, PV_CTL_RESET);
        read_reg(m, now_ps, d, PV_REG_ERR);
        break;
    default: begin_command(m, now_ps, j->id, &s); break;
    }
}

/* --- a step goes on --------------------------------------------------------------------------- */

/* The acceptance test of the Linux driver. */
static bool caps_ok(struct machine *m, struct drv *d)
{
    struct pv_dsr dsr;

    mem_get(m, d->at.vm, d->dsr, &dsr, sizeof dsr);
    const uint8_t g = dsr.caps.gid_types;
    return dsr.caps.mode == 0 && dsr.caps.max_uar != 0 &&
           (dsr.caps.max_uar & (dsr.caps.max_uar - 1)) == 0 &&
           (d->version >= VERSION_ROCE2 ? g == 1 || g == 2 : g == 1);
}

static void end_command(struct machine *m, uint64_t now_ps, uint32_t driver, const struct step *s)
{
    struct drv *const d = DRV(m, driver);
    uint8_t resp[PV_RESP_BYTES] = {0};
    const struct pv_resp_hdr *const hdr = (const struct pv_resp_hdr *)(const void *)resp;

    if (step_expects_answer(s->cmd)) {
        mem_get(m, d->at.vm, d->resp, resp, sizeof resp);
        if (hdr->ack != PV_ACK + s->cmd) {
            fail(m, now_ps, driver, "the response is of another command", hdr->ack);
            return;
        }
    }
    if (!step_answer(m, driver, s, resp)) {
        fail(m, now_ps, driver, "refused in the response, err", hdr->err);
        return;
    }
    finish(m, now_ps, driver);
}

/* The device has dropped every object of the function. */
static void forget_objects(struct machine *m, uint32_t driver)
{
    const struct drv *const d = DRV(m, driver);

    for (uint32_t i = 0; i < m->v[V_QP].n; i++) {
        if (QP(m, i)->driver == driver && QP(m, i)->state == OBJ_READY) {
            qp_forget(m, QP(m, i));
            QP(m, i)->state = OBJ_GONE;
        }
    }
    for (uint32_t i = 0; i < m->v[V_CQ].n; i++) {
        CQ(m, i)->state = CQ(m, i)->s.driver == driver ? OBJ_GONE : CQ(m, i)->state;
    }
    for (uint32_t i = 0; i < m->v[V_SRQ].n; i++) {
        SRQ(m, i)->gen = (uint8_t)(SRQ(m, i)->gen + (SRQ(m, i)->driver == driver));
    }
    memset(vec_at(m, V_HANDLE, d->qp_of), 0, m->p->hca_qp_max * sizeof(uint32_t));
    memset(vec_at(m, V_HANDLE, d->cq_of), 0, m->p->hca_cq_max * sizeof(uint32_t));
}

static void go_on(struct machine *m, uint64_t now_ps, uint32_t driver, const struct step *s)
{
    struct drv *const d = DRV(m, driver);

    switch (s->kind) {
    case STEP_VERSION:
        d->version = d->value;
        if (d->value < VERSION_MIN || d->value > 0xffff) {
            fail(m, now_ps, driver, "the function does not answer; version", d->value);
            return;
        }
        finish(m, now_ps, driver);
        return;
    case STEP_COMMAND:
        if (d->value != 0) {
            fail(m, now_ps, driver, "refused, ERR", d->value);
        } else if (!step_expects_answer(s->cmd) || d->interrupted) {
            end_command(m, now_ps, driver, s);
        } else {
            d->phase = PHASE_IRQ;
        }
        return;
    default:
        if (d->value != 0 || (s->kind == STEP_DSR && !caps_ok(m, d))) {
            fail(m, now_ps, driver,
                 d->value != 0 ? "refused, ERR" : "capabilities the driver does not accept",
                 d->value);
            return;
        }
        if (s->kind == STEP_RESET) {
            forget_objects(m, driver);
        }
        finish(m, now_ps, driver);
        return;
    }
}

void machine_answer(struct machine *m, uint64_t now_ps, const struct mmio_rsp *a)
{
    for (uint32_t i = 0; i < m->v[V_DRIVER].n; i++) {
        struct drv *const d = DRV(m, i);
        if (d->phase == PHASE_READ && d->tag == a->tag && d->at.fn == a->fn &&
            d->at.hca == a->hca) {
            const struct step s = *STEP(m, d->step_first);
            d->value = (uint32_t)a->data;
            go_on(m, now_ps, i, &s);
            return;
        }
    }
}

void step_go_on(struct machine *m, uint64_t now_ps, uint32_t driver)
{
    struct drv *const d = DRV(m, driver);

    if (d->phase == PHASE_IRQ) {
        const struct step s = *STEP(m, d->step_first);
        end_command(m, now_ps, driver, &s);
    }
}
