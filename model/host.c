#include "model/host_i.h"
#include "model/system_run.h"
#include "model/tlp.h"

#define UNIT(name, side, rtl, doc) UNIT_##side(name)
#define UNIT_hca(name)
#define WIRE(name, msg, side, from, to, depth) WIRE_##side(name, msg, from, to, depth)
#define BACK(name, msg, side, from, to, depth) WIRE_##side(name, msg, from, to, depth)
#define WIRE_hca(name, msg, from, to, depth)

/* What adapters may have under way is bounded by their credits. */
static uint32_t wire_depth(const struct hca_param *p, uint32_t wire, uint32_t depth)
{
    if (wire == W_up_tlp) {
        return depth + (uint32_t)(p->host_hcas *
                                  (p->pcie_posted_header_credits + p->pcie_np_header_credits));
    }
    return depth;
}

static void open_wires(struct host *h)
{
#define WIRE_host(name, msg, from, to, depth)                                             \
    h->name.slot = system_wire(&h->y, W_##name, &h->name.ctl, sizeof *h->name.slot,       \
                               wire_depth(&h->y.p, W_##name, (depth)), U_##from, U_##to); \
    h->u_##from.name = &h->name;                                                          \
    h->u_##to.name = &h->name;
#include "model/spec/wire.def"
#undef WIRE_host
}

/* Posted bytes: one buffer per TLP that can lie in the wires between root port and memory. */
static void open_store(struct host *h)
{
    const struct hca_param *const p = &h->y.p;
    struct opening o = {.store = &h->store};
    struct store *const s = &h->store;
    const uint32_t n = h->up_tlp.ctl.depth + h->io_req.ctl.depth + h->mem_io.ctl.depth +
                       (uint32_t)p->iommu_pending_entries + memory_ops(p);
    uint16_t *const stack = arena_take(&h->y.arena, n * sizeof *stack);
    uint64_t *const in_use = arena_take(&h->y.arena, (n + 63) / 64 * sizeof *in_use);

    s->slot_bytes = p->sim_train_tlps_max > 1 ? PAGE_BYTES : (uint32_t)p->pcie_mps_bytes;
    s->rx = store_take(&o, n * s->slot_bytes);
    if (stack != NULL && in_use != NULL) {
        pool_init(&s->rx_pool, n, EDGE, stack, in_use);
    }
}

static void open_units(struct host *h)
{
    struct opening o = {.a = &h->y.arena, .p = &h->y.p, .store = &h->store};

#define UNIT_host(name)             \
    h->y.units |= 1ULL << U_##name; \
    name##_open(&h->u_##name, &o);
#include "model/spec/unit.def"
#undef UNIT_host
    h->store.base = arena_take(&h->y.arena, h->store.bytes);
}

enum hca_status host_open(const struct hca_param *p, host **out, const char **why)
{
    struct arena a;

    *out = NULL;
    arena_open(&a);
    struct host *const h = a.base == NULL ? NULL : arena_take(&a, sizeof *h);
    if (h == NULL) {
        *why = "no address space for a host";
        return HCA_NOMEM;
    }
    h->y.arena = a;
    system_open(&h->y, p);
    h->y.t.store = &h->store;
    h->y.t.mem = &h->mem;
    open_wires(h);
    open_store(h);
    open_units(h);
    h->y.only = h->y.units;
    if (!host_mem_open(&h->mem, p) || h->y.arena.used > h->y.arena.size) {
        *why = "the configured host memory does not fit into the address space";
        host_close(h);
        return HCA_NOMEM;
    }
    system_stop_on(&h->y, W_cpu_rd);
    system_stop_on(&h->y, W_seen);
    system_stop_on(&h->y, W_irq);
    *out = h;
    return HCA_OK;
}

void host_close(host *h)
{
    if (h != NULL) {
        struct arena a = h->y.arena; /* the handle lies inside it */
        host_mem_close(&h->mem);
        arena_close(&a);
    }
}

#define UNIT_host(name)                                          \
    static struct act tick_##name(void *h, const struct tick *t) \
    {                                                            \
        return name##_tick(&((struct host *)h)->u_##name, t);    \
    }
#include "model/spec/unit.def"
#undef UNIT_host

tick_fn *const host_ticks[UNITS] = {
#define UNIT_host(name) [U_##name] = tick_##name,
#include "model/spec/unit.def"
#undef UNIT_host
};

uint64_t host_unit_state(const void *handle, uint32_t unit)
{
    const struct host *const h = handle;

    switch (unit) {
#define UNIT_host(name) \
    case U_##name:      \
        return hash_words(unit, 0, &h->u_##name.s, sizeof h->u_##name.s);
#include "model/spec/unit.def"
#undef UNIT_host
    default: return 0;
    }
}

uint64_t host_run(host *h, uint64_t until_ps)
{
    return system_ps(
        &h->y, system_run(&h->y, h, host_ticks, host_unit_state, system_cycle(&h->y, until_ps)));
}

/* IN(port, wire, message), OUT(...): what crosses the edge of a host. up_tlp carries bytes. */
#define HOST_PORTS                           \
    IN(HOST_MMIO_IN, cpu_mmio, mmio_req)     \
    IN(HOST_UP_MMIO_IN, up_mmio, mmio_rsp)   \
    IN(HOST_FC_IN, dn_fc, credit)            \
    OUT(HOST_MMIO_OUT, cpu_rd, mmio_rsp)     \
    OUT(HOST_DN_MMIO_OUT, dn_mmio, mmio_req) \
    OUT(HOST_DN_TLP_OUT, dn_tlp, tlp)        \
    OUT(HOST_FC_OUT, fc_out, credit)         \
    OUT(HOST_SEEN_OUT, seen, seen)           \
    OUT(HOST_IRQ_OUT, irq, irq)

static bool push_tlp(host *h, uint64_t at_ps, const struct tlp *msg, const void *bytes)
{
    struct store *const s = &h->store;
    const bool carries = msg->type == TLP_MWR && bytes != NULL && tlp_has_bytes(&h->y.p, msg);

    if (carries && !pool_ready(&s->rx_pool, h->y.k.now)) {
        return false;
    }
    struct tlp *const m = system_push(&h->y, W_up_tlp, at_ps, msg, sizeof *msg, MSG_BYTES_tlp);
    if (m == NULL) {
        return false;
    }
    m->slot = NO_SLOT;
    if (carries) {
        hca_assert(m->len <= s->slot_bytes);
        m->slot = pool_take(&s->rx_pool, &h->y.k);
        m->data = s->rx + m->slot * s->slot_bytes;
        memcpy(store_at(s, m->data), bytes, m->len);
    }
    return true;
}

bool host_push(host *h, enum host_port port, uint64_t at_ps, const void *msg, const void *bytes)
{
    switch (port) {
#define IN(port, name, type)                                                                      \
    case port:                                                                                    \
        return system_push(&h->y, W_##name, at_ps, msg, sizeof(struct type), MSG_BYTES_##type) != \
               NULL;
#define OUT(port, name, type)
        HOST_PORTS
#undef IN
#undef OUT
    case HOST_UP_TLP_IN: return push_tlp(h, at_ps, msg, bytes);
    default: hca_assert(0 && "not a port into the host"); return false;
    }
}

static void *take(host *h, enum host_port port, uint64_t *at_ps, size_t *size)
{
    uint32_t slot;

    switch (port) {
#define IN(port, name, type)
#define OUT(port, name, type)        \
    case port:                       \
        *size = sizeof(struct type); \
        return system_take(&h->y, W_##name, at_ps, sizeof(struct type), &slot);
        HOST_PORTS
#undef IN
#undef OUT
    default: hca_assert(0 && "not a port out of the host"); return NULL;
    }
}

void *host_take(host *h, enum host_port port, uint64_t *at_ps)
{
    size_t size;

    return take(h, port, at_ps, &size);
}

bool host_pop(host *h, enum host_port port, uint64_t *at_ps, void *msg)
{
    size_t size;
    const void *const entry = take(h, port, at_ps, &size);

    if (entry != NULL) {
        memcpy(msg, entry, size);
    }
    return entry != NULL;
}

void host_attach(host *h, unsigned i, uint8_t *store_base)
{
    hca_assert(i < HOST_HCAS_MAX);
    h->mem.sink[i] = store_base;
}

void host_set_mode(host *h, unsigned mode)
{
    h->y.mode = mode;
}

void host_set_trace(host *h, uint64_t mask)
{
    h->y.trace.mask = mask;
}

uint64_t host_now(const host *h)
{
    return system_ps(&h->y, h->y.k.now + 1);
}

uint64_t host_ps(const host *h, uint64_t cycle)
{
    return system_ps(&h->y, cycle);
}

uint64_t host_wake(const host *h)
{
    const uint64_t next = kern_next(&h->y.k);

    return next == HCA_NEVER ? HCA_NEVER : system_ps(&h->y, next);
}

bool host_event(host *h, struct trace_rec *out)
{
    return system_event(&h->y, out);
}

const struct hca_stat *host_stats(const host *h)
{
    return &h->y.s;
}

struct wire_figures host_wire_figures(const host *h, unsigned wire)
{
    return system_figures(&h->y, wire);
}

struct kern_figures host_kern_figures(const host *h)
{
    return (struct kern_figures){h->y.k.cycles, h->y.k.activations, h->y.k.moves};
}

uint64_t host_hash(const host *h)
{
    return system_hash(&h->y);
}

size_t host_memory(const host *h)
{
    return h->y.arena.used;
}

void *host_mem(host *h, uint64_t phys, uint64_t len)
{
    return host_mem_at(&h->mem, phys, len);
}

uint64_t host_hyp_bytes(const host *h)
{
    return h->mem.hyp_bytes;
}

uint64_t host_hyp_take(host *h, uint64_t bytes, uint64_t align)
{
    return host_mem_take(&h->mem, bytes, align);
}

bool host_share(host *h, unsigned vm, uint64_t len, int fd)
{
    return host_mem_share(&h->mem, vm, len, fd);
}

bool host_unshare(host *h, unsigned vm)
{
    return host_mem_unshare(&h->mem, vm);
}

bool host_low_window(host *h, uint64_t bytes)
{
    return host_mem_low(&h->mem, bytes);
}

void host_touch(host *h, uint64_t phys, uint64_t len)
{
    h->y.t.now = h->y.k.now;
    while (len > 0) {
        const uint64_t room = MEM_SECTOR - phys % MEM_SECTOR, n = len < room ? len : room;
        (void)memory_llc(&h->u_memory, &h->y.t, phys, (uint32_t)n, MEM_USE_CORE);
        phys += n;
        len -= n;
    }
}
