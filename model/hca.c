#include "model/hca_i.h"
#include "model/image.h"
#include "model/packet/headers.h"
#include "model/system_run.h"

/* Both tables list the units and wires of both sides; only rows of this side count here. */
#define UNIT(name, side, rtl, doc) UNIT_##side(name)
#define UNIT_host(name)
#define WIRE(name, msg, side, from, to, depth) WIRE_##side(name, msg, from, to, depth)
#define BACK(name, msg, side, from, to, depth) WIRE_##side(name, msg, from, to, depth)
#define WIRE_host(name, msg, from, to, depth)

enum { SLOTS_MAX = 0xfff0 };

static uint32_t least(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static void open_pool(struct hca *h, struct pool *p, uint32_t n, uint8_t taker)
{
    uint16_t *const stack = arena_take(&h->y.arena, n * sizeof *stack);
    uint64_t *const in_use = arena_take(&h->y.arena, (n + 63) / 64 * sizeof *in_use);

    if (stack != NULL && in_use != NULL) {
        pool_init(p, n, taker, stack, in_use);
    }
}

/* Packet and WQE regions of the beat store; private regions of units follow in their open. */
static void open_store(struct hca *h)
{
    const struct hca_param *const p = &h->y.p;
    struct opening o = {.store = &h->store};
    struct store *const s = &h->store;
    const uint32_t tx = least(p->hca_tx_buffer_packets, SLOTS_MAX);
    const uint32_t rx = least(rx_frames_max(p) + h->net_in.ctl.depth, SLOTS_MAX);
    const uint32_t records = 64 + tx;

    s->slot_bytes = (uint32_t)((PKT_HEADROOM + p->port_mtu_bytes + PKT_TAILROOM + 63) / 64 * 64);
    s->pcie_out_bytes = p->sim_train_tlps_max > 1 ? PAGE_BYTES : (uint32_t)p->pcie_mps_bytes;
    s->tx = store_take(&o, tx * s->slot_bytes);
    s->rx = store_take(&o, rx * s->slot_bytes);
    s->net_out = store_take(&o, (h->net_out.ctl.mask + 1) * s->slot_bytes);
    s->pcie_out = store_take(&o, (h->pcie_out.ctl.mask + 1) * s->pcie_out_bytes);
    s->wqe_raw = store_take(&o, records * WQE_RAW_MAX);
    s->ack = store_take(&o, ACK_SLOTS * ACK_SLOT_BYTES);
    open_pool(h, &s->ack_pool, ACK_SLOTS, U_packet_build);
    open_pool(h, &s->tx_pool, tx, U_dma_read);
    open_pool(h, &s->rx_pool, rx, EDGE);
    open_pool(h, &s->wqe_pool, records, U_wqe_fetch);
    open_pool(h, &s->rwqe_pool, records, U_wqe_fetch);
    s->wqe = arena_take(&h->y.arena, records * sizeof *s->wqe);
    s->rwqe = arena_take(&h->y.arena, records * sizeof *s->rwqe);
}

/* Wires from the edge hold what is in flight on the way in: one entry per cycle of the latency and
 * of the lookahead with which the other side may run ahead (as much again). */
static uint32_t wire_depth(const struct hca_param *p, uint32_t wire, uint32_t depth)
{
    if (wire == W_pcie_in || wire == W_fc_in || wire == W_net_in) {
        return depth + 3 * (uint32_t)ns_cycles(p, p->pcie_latency_down_ns);
    }
    switch (wire) { /* one entry per cycle of the latency that its producer adds */
    case W_mmio_in: /* bounded by the credits for it */
        return depth +
               (uint32_t)(p->pcie_mmio_posted_header_credits + p->pcie_mmio_np_header_credits);
    case W_tx_frame: return depth + (uint32_t)ns_cycles(p, p->hca_packet_build_ns);
    case W_rx_frame: /* the receive buffer itself: mac_rx drops or grants, it never stalls */
        return depth + (uint32_t)rx_frames_max(p);
    case W_rx_look: return depth + (uint32_t)ns_cycles(p, p->hca_packet_parse_ns);
    default: return depth;
    }
}

static void open_wires(struct hca *h)
{
#define WIRE_hca(name, msg, from, to, depth)                                              \
    h->name.slot = system_wire(&h->y, W_##name, &h->name.ctl, sizeof *h->name.slot,       \
                               wire_depth(&h->y.p, W_##name, (depth)), U_##from, U_##to); \
    h->u_##from.name = &h->name;                                                          \
    h->u_##to.name = &h->name;
#include "model/spec/wire.def"
#undef WIRE_hca
}

static void open_units(struct hca *h)
{
    struct opening o = {.a = &h->y.arena, .p = &h->y.p, .store = &h->store, .ctx = &h->ctx};

#define UNIT_hca(name)              \
    h->y.units |= 1ULL << U_##name; \
    name##_open(&h->u_##name, &o);
#include "model/spec/unit.def"
#undef UNIT_hca
    h->store.base = arena_take(&h->y.arena, h->store.bytes);
}

enum hca_status hca_open(const struct hca_param *p, hca **out, const char **why)
{
    struct arena a;

    *out = NULL;
    arena_open(&a);
    struct hca *const h = a.base == NULL ? NULL : arena_take(&a, sizeof *h);
    if (h == NULL) {
        *why = "no address space for an adapter";
        return HCA_NOMEM;
    }
    h->y.arena = a;
    system_open(&h->y, p);
    h->y.t.ctx = &h->ctx;
    h->y.t.store = &h->store;
    open_wires(h);
    open_store(h);
    open_units(h);
    h->y.only = h->y.units;
    system_stop_on(&h->y, W_bench_out); /* a bench reacts at once, not at the end of a window */
    if (h->y.arena.used > h->y.arena.size) {
        *why = "the configured adapter does not fit into the address space";
        hca_close(h);
        return HCA_NOMEM;
    }
    *out = h;
    return HCA_OK;
}

void hca_close(hca *h)
{
    if (h != NULL) {
        struct arena a = h->y.arena; /* the handle lies inside it */
        arena_close(&a);
    }
}

#define UNIT_hca(name)                                           \
    static struct act tick_##name(void *h, const struct tick *t) \
    {                                                            \
        return name##_tick(&((struct hca *)h)->u_##name, t);     \
    }
#include "model/spec/unit.def"
#undef UNIT_hca

tick_fn *const hca_ticks[UNITS] = {
#define UNIT_hca(name) [U_##name] = tick_##name,
#include "model/spec/unit.def"
#undef UNIT_hca
};

uint64_t hca_unit_state(const void *handle, uint32_t unit)
{
    const struct hca *const h = handle;

    switch (unit) {
#define UNIT_hca(name) \
    case U_##name:     \
        return hash_words(unit, 0, &h->u_##name.s, sizeof h->u_##name.s);
#include "model/spec/unit.def"
#undef UNIT_hca
    default: return 0;
    }
}

uint64_t hca_run(hca *h, uint64_t until_ps)
{
    return system_ps(
        &h->y, system_run(&h->y, h, hca_ticks, hca_unit_state, system_cycle(&h->y, until_ps)));
}

/* IN(port, wire, message), OUT(...): what crosses the edge of an adapter. net_in carries bytes. */
#define HCA_PORTS                         \
    IN(HCA_MMIO_IN, mmio_in, mmio_req)    \
    IN(HCA_DMA_IN, pcie_in, tlp)          \
    IN(HCA_FC_IN, fc_in, credit)          \
    IN(HCA_BENCH_IN, bench_in, bench_op)  \
    OUT(HCA_MMIO_OUT, mmio_out, mmio_rsp) \
    OUT(HCA_FC_OUT, mmio_fc, credit)      \
    OUT(HCA_DMA_OUT, pcie_out, tlp)       \
    OUT(HCA_NET_OUT, net_out, frame)      \
    OUT(HCA_BENCH_OUT, bench_out, bench_res)

static bool push_frame(hca *h, uint64_t at_ps, const struct frame *msg, const void *bytes)
{
    struct store *const s = &h->store;

    hca_assert(msg->captured <= msg->len && msg->len <= s->slot_bytes);
    if (!pool_ready(&s->rx_pool, h->y.k.now)) {
        return false;
    }
    struct frame *const f = system_push(&h->y, W_net_in, at_ps, msg, sizeof *msg, MSG_BYTES_frame);
    if (f == NULL) {
        return false;
    }
    f->slot = pool_take(&s->rx_pool, &h->y.k);
    f->off = s->rx + f->slot * s->slot_bytes;
    if (bytes != NULL) {
        memcpy(store_at(s, f->off), bytes, f->captured);
    }
    return true;
}

bool hca_push(hca *h, enum hca_port port, uint64_t at_ps, const void *msg, const void *bytes)
{
    switch (port) {
#define IN(port, name, type)                                                                      \
    case port:                                                                                    \
        return system_push(&h->y, W_##name, at_ps, msg, sizeof(struct type), MSG_BYTES_##type) != \
               NULL;
#define OUT(port, name, type)
        HCA_PORTS
#undef IN
#undef OUT
    case HCA_NET_IN: return push_frame(h, at_ps, msg, bytes);
    default: hca_assert(0 && "not a port into the adapter"); return false;
    }
}

/* Bytes that lie with the entry of a port. */
static const uint8_t *bytes_of(const hca *h, enum hca_port port, const void *msg, uint32_t slot)
{
    const struct store *const s = &h->store;

    switch (port) {
    case HCA_NET_OUT: return store_at(s, ((const struct frame *)msg)->off);
    case HCA_DMA_OUT: return store_at(s, s->pcie_out + slot * s->pcie_out_bytes);
    default: return NULL;
    }
}

static void *take(hca *h, enum hca_port port, uint64_t *at_ps, size_t *size, uint32_t *slot)
{
    switch (port) {
#define IN(port, name, type)
#define OUT(port, name, type)        \
    case port:                       \
        *size = sizeof(struct type); \
        return system_take(&h->y, W_##name, at_ps, sizeof(struct type), slot);
        HCA_PORTS
#undef IN
#undef OUT
    default: hca_assert(0 && "not a port out of the adapter"); return NULL;
    }
}

void *hca_take(hca *h, enum hca_port port, uint64_t *at_ps, const uint8_t **bytes)
{
    uint32_t slot;
    size_t size;
    void *const entry = take(h, port, at_ps, &size, &slot);

    if (entry != NULL && bytes != NULL) {
        *bytes = bytes_of(h, port, entry, slot);
    }
    return entry;
}

bool hca_pop(hca *h, enum hca_port port, uint64_t *at_ps, void *msg, const uint8_t **bytes)
{
    uint32_t slot;
    size_t size;
    const void *const entry = take(h, port, at_ps, &size, &slot);

    if (entry == NULL) {
        return false;
    }
    memcpy(msg, entry, size);
    if (bytes != NULL) {
        *bytes = bytes_of(h, port, entry, slot);
    }
    return true;
}

uint64_t hca_head(const hca *h, enum hca_port port)
{
    switch (port) {
#define IN(port, name, type)
#define OUT(port, name, type) \
    case port: return system_head(&h->y, W_##name);
        HCA_PORTS
#undef IN
#undef OUT
    default: return HCA_NEVER;
    }
}

uint8_t *hca_dma_place(hca *h, uint32_t data)
{
    hca_assert(data < h->store.bytes);
    return store_at(&h->store, data);
}

void hca_set_mode(hca *h, unsigned mode)
{
    h->y.mode = mode;
}

void hca_set_marks(hca *h, uint32_t first, uint32_t step)
{
    h->u_requester.s.mark = first - step;
    h->u_requester.s.mark_step = step;
    h->u_respond.s.marks = step != 0;
}

void hca_set_trace(hca *h, uint64_t mask)
{
    h->y.trace.mask = mask;
}

uint64_t hca_now(const hca *h)
{
    return system_ps(&h->y, h->y.k.now + 1);
}

uint64_t hca_ps(const hca *h, uint64_t cycle)
{
    return system_ps(&h->y, cycle);
}

uint64_t hca_wake(const hca *h)
{
    const uint64_t next = kern_next(&h->y.k);

    return next == HCA_NEVER ? HCA_NEVER : system_ps(&h->y, next);
}

bool hca_event(hca *h, struct trace_rec *out)
{
    return system_event(&h->y, out);
}

const struct hca_stat *hca_stats(const hca *h)
{
    return &h->y.s;
}

struct wire_figures hca_wire_figures(const hca *h, unsigned wire)
{
    return system_figures(&h->y, wire);
}

uint64_t hca_hash(const hca *h)
{
    return system_hash(&h->y);
}

struct kern_figures hca_kern_figures(const hca *h)
{
    return (struct kern_figures){h->y.k.cycles, h->y.k.activations, h->y.k.moves};
}

size_t hca_memory(const hca *h)
{
    return h->y.arena.used;
}

static const uint64_t image_magic = 0x31414348u; /* "HCA1" */

size_t hca_save(const hca *h, void *buf, size_t size)
{
    const struct image_head head = image_head(&h->y, image_magic, sizeof *h, 0);
    const size_t need = sizeof head + h->y.arena.used;

    if (size >= need) {
        memcpy(buf, &head, sizeof head);
        memcpy((uint8_t *)buf + sizeof head, h->y.arena.base, h->y.arena.used);
    }
    return need;
}

static void take_over(struct hca *h, const struct hca *from)
{
    image_system(&h->y, &from->y);
    image_pool(&h->store.tx_pool, &from->store.tx_pool);
    image_pool(&h->store.rx_pool, &from->store.rx_pool);
    image_pool(&h->store.ack_pool, &from->store.ack_pool);
    image_pool(&h->store.wqe_pool, &from->store.wqe_pool);
    image_pool(&h->store.rwqe_pool, &from->store.rwqe_pool);
#define WIRE_hca(name, msg, from_unit, to, depth) h->name.ctl = from->name.ctl;
#include "model/spec/wire.def"
#undef WIRE_hca
#define UNIT_hca(name) h->u_##name.s = from->u_##name.s;
#include "model/spec/unit.def"
#undef UNIT_hca
}

enum hca_status hca_load(hca *h, const void *buf, size_t size, const char **why)
{
    const struct image_head want = image_head(&h->y, image_magic, sizeof *h, 0);
    const uint8_t *const image = (const uint8_t *)buf + sizeof want;

    *why = image_refusal(&want, buf, size);
    if (*why == NULL && size != sizeof want + h->y.arena.used) {
        *why = "the image of an adapter holds no memory, this one does";
    }
    if (*why != NULL) {
        return HCA_BAD_IMAGE;
    }
    take_over(h, (const struct hca *)(const void *)image);
    memcpy(h->y.arena.base + sizeof *h, image + sizeof *h, h->y.arena.used - sizeof *h);
    return HCA_OK;
}
