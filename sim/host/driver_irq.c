/* driver_irq.c: interrupt handlers: command responses, asynchronous events, CQ notifications. */
#include "sim/host/driver_i.h"

enum { STATE_TAIL = 8, STATE_HEAD = 12, RING_PAGES = 4, DATA_STRIDE = 4 };

/* The masks of the Linux driver for a ring of n entries that is not a power of two drop bits, and
 * device and driver must drop the same ones (PVRDMA ABI, section 7). */
static uint32_t slots_of(uint32_t entry_bytes)
{
    return (RING_PAGES - 1) * PAGE_BYTES / entry_bytes;
}

/* The message of vector v of a driver: what the host's interrupt controller hands to the cores. */
static uint32_t data_of(uint32_t driver, uint32_t v)
{
    return driver * DATA_STRIDE + v;
}

void irq_vectors(struct machine *m, uint64_t now_ps, uint32_t driver)
{
    const struct drv *const d = DRV(m, driver);
    const uint64_t addr = 0xfee00000ULL | (uint64_t)(d->at.core & 0xff) << 12;

    for (uint32_t v = 0; v < MSIX_VECTORS; v++) {
        const uint32_t at = v * MSIX_ENTRY_BYTES;
        mmio_write(m, now_ps, d, 0, at, 4, (uint32_t)addr);
        mmio_write(m, now_ps, d, 0, at + 4, 4, 0);
        mmio_write(m, now_ps, d, 0, at + 8, 4, data_of(driver, v));
        mmio_write(m, now_ps, d, 0, at + 12, 4, 0);
    }
    mmio_write(m, now_ps, d, 1, PV_REG_IMR * 4, 4, 0);
}

void machine_irq(struct machine *m, uint64_t now_ps, const struct irq *i)
{
    const uint32_t driver = i->data / DATA_STRIDE, v = i->data % DATA_STRIDE;

    if (driver >= m->v[V_DRIVER].n || v >= MSIX_VECTORS) {
        return; /* of another actor */
    }
    const struct job j = {.id = driver,
                          .id2 = v,
                          .not_before = now_ps,
                          .kind = JOB_IRQ,
                          .cycles = (uint32_t)m->p->cpu_interrupt_cycles};
    core_add(m, DRV(m, driver)->at.core, &j, true);
}

/* Id of the object an event names, else its raw number. */
static uint32_t object_of(const struct machine *m, const struct drv *d, const struct pv_async *e)
{
    const bool cq = e->type == ASYNC_CQ_ERR;
    const bool srq = e->type == ASYNC_SRQ_ERR || e->type == ASYNC_SRQ_LIMIT;
    const bool qp = (e->type >= ASYNC_QP_FATAL && e->type <= ASYNC_PATH_MIG_ERR) ||
                    e->type == ASYNC_QP_LAST_WQE;
    const uint32_t map = cq ? d->cq_of : srq ? d->srq_of : d->qp_of;
    const uint64_t max = cq ? m->p->hca_cq_max : srq ? m->p->hca_srq_max : m->p->hca_qp_max;
    const uint32_t id =
        (cq || srq || qp) && e->info < max ? *(uint32_t *)vec_at(m, V_HANDLE, map + e->info) : 0;

    return id == 0 ? e->info : id - 1;
}

static void read_async(struct machine *m, uint64_t now_ps, uint32_t driver)
{
    struct drv *const d = DRV(m, driver);
    const uint32_t n = slots_of(sizeof(struct pv_async));
    const uint32_t tail = mem_get32(m, d->at.vm, d->async.pages + STATE_TAIL);
    struct pv_async e;

    for (uint32_t taken = 0; d->async_head != tail && taken < n; taken++) {
        const uint64_t at = d->async.pages + PAGE_BYTES + (d->async_head & (n - 1)) * sizeof e;
        mem_get(m, d->at.vm, at, &e, sizeof e);
        d->async_head = (d->async_head + 1) & (2 * n - 1);
        struct driver_async *const a = vec_add(m, V_ASYNC);
        if (a != NULL) {
            *a = (struct driver_async){.at_ps = now_ps,
                                       .driver = driver,
                                       .object = object_of(m, d, &e),
                                       .type = (uint8_t)e.type};
        }
    }
    mem_put32(m, d->at.vm, d->async.pages + STATE_HEAD, d->async_head);
}

static void read_notifications(struct machine *m, uint64_t now_ps, uint32_t driver)
{
    struct drv *const d = DRV(m, driver);
    const uint32_t n = slots_of(sizeof(uint32_t));
    const uint32_t tail = mem_get32(m, d->at.vm, d->notify.pages + STATE_TAIL);

    for (uint32_t taken = 0; d->notify_head != tail && taken < n; taken++) {
        const uint64_t at = d->notify.pages + PAGE_BYTES + (d->notify_head & (n - 1)) * 4ULL;
        const uint32_t handle = mem_get32(m, d->at.vm, at);
        d->notify_head = (d->notify_head + 1) & (2 * n - 1);
        const uint32_t id =
            handle < m->p->hca_cq_max ? *(uint32_t *)vec_at(m, V_HANDLE, d->cq_of + handle) : 0;
        if (id != 0) {
            cq_wake(m, now_ps, id - 1);
        }
    }
    mem_put32(m, d->at.vm, d->notify.pages + STATE_HEAD, d->notify_head);
}

void irq_job(struct machine *m, uint64_t now_ps, const struct job *j)
{
    if (j->id2 == VEC_COMMAND) {
        DRV(m, j->id)->interrupted = 1;
        step_go_on(m, now_ps, j->id);
    } else if (j->id2 == VEC_ASYNC) {
        read_async(m, now_ps, j->id);
    } else {
        read_notifications(m, now_ps, j->id);
    }
}
