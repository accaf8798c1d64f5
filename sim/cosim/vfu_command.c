/* vfu_command.c: what each message does. */
#include "sim/cosim/vfu_i.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    REGIONS = 9,
    REGION_CONFIG = 7,
    REGION_RW = 3,
    IRQS = 5,
    IRQ_MSIX = 2,
    IRQ_EVENTFD = 1,
    DEVICE_RESET_PCI = 3,
    UNMAP_ALL = 2,
    IRQ_DATA_NONE = 1,
    IRQ_DATA_EVENTFD = 4,
    IRQ_ACTION_TRIGGER = 0x20,
    PAGE = 4096
};

static uint64_t region_bytes(uint32_t region)
{
    return region < PCI_FN_BARS      ? pci_fn_bar_bytes[region]
           : region == REGION_CONFIG ? PCI_FN_BYTES
                                     : 0;
}

/* --- guest memory ----------------------------------------------------------------------------- */

static int map_wrong(const struct vfu *v, const struct vfu_dma *d)
{
    if (d->argsz < sizeof *d || d->size == 0 ||
        ((d->iova | d->size | d->offset) & (PAGE - 1)) != 0 || d->iova + d->size < d->iova ||
        d->offset + d->size < d->offset) {
        return EINVAL;
    }
    for (unsigned i = 0; i < v->maps; i++) {
        if (d->iova < v->map[i].iova + v->map[i].len && v->map[i].iova < d->iova + d->size) {
            return EEXIST;
        }
    }
    return v->maps == VFU_MAPS_MAX ? ENOSPC : 0;
}

static void dma_map(struct vfu *v)
{
    struct vfu_dma d;

    memcpy(&d, v->body, sizeof d);
    int e = map_wrong(v, &d);
    if (e == 0) {
        e = v->c.ops->map(v->c.arg, d.iova, d.size, d.flags & 3, v->nfds != 0 ? v->fds[0] : -1,
                          d.offset);
    }
    if (e == 0) {
        v->map[v->maps].iova = d.iova;
        v->map[v->maps++].len = d.size;
    }
    vfu_reply(v, NULL, 0, e);
}

/* A range takes out the maps inside of it; one that it cuts is refused, as QEMU never does that. */
static int unmap(struct vfu *v, uint64_t iova, uint64_t size, bool all)
{
    const uint64_t last = all ? UINT64_MAX : iova + size - 1;
    const uint64_t first = all ? 0 : iova;

    if (!all && (size == 0 || last < iova)) {
        return EINVAL;
    }
    for (unsigned i = 0; i < v->maps; i++) {
        const uint64_t from = v->map[i].iova, to = from + v->map[i].len - 1;
        if (from <= last && first <= to && (from < first || to > last)) {
            return EINVAL;
        }
    }
    int e = 0;
    for (unsigned i = 0; i < v->maps && e == 0;) {
        if (v->map[i].iova < first || v->map[i].iova > last) {
            i++;
            continue;
        }
        e = v->c.ops->unmap(v->c.arg, v->map[i].iova, v->map[i].len);
        v->map[i] = v->map[--v->maps];
    }
    return e;
}

static void dma_unmap(struct vfu *v)
{
    struct vfu_unmap d;

    memcpy(&d, v->body, sizeof d);
    vfu_reply(v, NULL, 0, unmap(v, d.iova, d.size, (d.flags & UNMAP_ALL) != 0));
}

/* --- what there is ---------------------------------------------------------------------------- */

static void version(struct vfu *v)
{
    static const char text[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_"
                               "size\":4096,\"pgsizes\":4096}}";

    v->versioned = true;
    if (v->head.size < VFU_HEAD_BYTES + sizeof text) { /* a longer reply would not be taken */
        vfu_drop(v, "VERSION shorter than the reply to it");
        return;
    }
    vfu_reply(v, text, sizeof text, 0);
}

static void device_info(struct vfu *v)
{
    const uint32_t out[4] = {sizeof out, DEVICE_RESET_PCI, REGIONS, IRQS};

    vfu_reply(v, out, sizeof out, 0);
}

static void region_info(struct vfu *v)
{
    struct vfu_region_info r;

    memcpy(&r, v->body, sizeof r);
    const uint64_t size = region_bytes(r.index);
    const struct vfu_region_info out = {
        .argsz = sizeof out, .flags = size != 0 ? REGION_RW : 0, .index = r.index, .size = size};
    vfu_reply(v, &out, sizeof out, r.index < REGIONS ? 0 : EINVAL);
}

static void irq_info(struct vfu *v)
{
    struct vfu_irq_info r;

    memcpy(&r, v->body, sizeof r);
    const struct vfu_irq_info out = {.argsz = sizeof out,
                                     .flags = IRQ_EVENTFD,
                                     .index = r.index,
                                     .count = r.index == IRQ_MSIX ? VFU_VECTORS : 0};
    vfu_reply(v, &out, sizeof out, r.index < IRQS ? 0 : EINVAL);
}

static int set_irqs(struct vfu *v)
{
    struct vfu_set_irqs r;

    memcpy(&r, v->body, sizeof r);
    if (r.index >= IRQS) {
        return EINVAL;
    }
    if (r.index != IRQ_MSIX) { /* error and request interrupts are never raised */
        return 0;
    }
    if (r.count == 0 && (r.flags & IRQ_DATA_NONE) != 0) {
        vfu_close_irqs(v);
        return 0;
    }
    if ((r.flags & IRQ_ACTION_TRIGGER) == 0 || (r.flags & IRQ_DATA_EVENTFD) == 0 ||
        r.start > VFU_VECTORS || r.count > VFU_VECTORS - r.start ||
        (v->nfds != 0 && v->nfds != r.count)) {
        return EINVAL;
    }
    for (uint32_t i = 0; i < r.count; i++) {
        int *const to = &v->irq[r.start + i];
        if (*to >= 0) {
            close(*to);
        }
        *to = i < v->nfds ? v->fds[i] : -1;
        if (i < v->nfds) {
            v->fds[i] = -1; /* kept */
        }
    }
    return 0;
}

/* --- accesses --------------------------------------------------------------------------------- */

static void tell_master(struct vfu *v)
{
    if (pci_fn_master(&v->pci) != v->master) {
        v->master = !v->master;
        v->c.ops->master(v->c.arg, v->master);
    }
}

static void config(struct vfu *v, const struct vfu_io *io, bool write)
{
    uint8_t out[sizeof *io + PCI_FN_BYTES];
    const bool d3 = pci_fn_d3(&v->pci);

    memcpy(out, io, sizeof *io);
    if (!write) {
        memcpy(out + sizeof *io, v->pci.byte + io->offset, io->count);
        vfu_reply(v, out, (uint32_t)sizeof *io + io->count, 0);
        return;
    }
    pci_fn_write(&v->pci, (uint32_t)io->offset, v->body + sizeof *io, io->count);
    if (d3 && !pci_fn_d3(&v->pci)) { /* No_Soft_Reset is 0: everything begins anew */
        pci_fn_reset(&v->pci);
        tell_master(v);
        v->wait = WAIT_POWER;
        v->c.ops->reset(v->c.arg);
        return;
    }
    tell_master(v);
    vfu_reply(v, out, sizeof *io, 0);
}

/* What a root complex makes of an access that nobody takes. */
static void unsupported(struct vfu *v, const struct vfu_io *io, bool write)
{
    uint8_t out[sizeof *io + PCI_FN_BYTES];

    memset(out, 0xff, sizeof out);
    memcpy(out, io, sizeof *io);
    vfu_reply(v, out, (uint32_t)sizeof *io + (write ? 0 : io->count), 0);
}

static bool inside(const struct vfu_io *io)
{
    const uint64_t size = region_bytes(io->region);

    return io->count != 0 && io->offset <= size && io->count <= size - io->offset;
}

static void access_region(struct vfu *v, bool write)
{
    struct vfu_io io;

    memcpy(&io, v->body, sizeof io);
    if (io.region >= REGIONS || io.count > (io.region == REGION_CONFIG ? PCI_FN_BYTES : 8)) {
        vfu_reply(v, NULL, 0, EINVAL);
    } else if (!inside(&io) || (io.region != REGION_CONFIG && !pci_fn_memory_on(&v->pci))) {
        unsupported(v, &io, write);
    } else if (io.region == REGION_CONFIG) {
        config(v, &io, write);
    } else {
        struct vfu_access a = {.offset = io.offset,
                               .bar = (uint8_t)io.region,
                               .len = (uint8_t)io.count,
                               .write = write};
        memcpy(&a.value, v->body + sizeof io, write ? io.count : 0);
        v->wait = WAIT_ACCESS;
        v->f.accesses++;
        v->c.ops->access(v->c.arg, &a);
    }
}

/* Writes to BARs only, each after the end of the one before it; what is wrong is dropped. */
void vfu_next_write(struct vfu *v)
{
    uint64_t n;

    memcpy(&n, v->body, sizeof n);
    while (v->multi_at < n && v->wait == WAIT_NONE) {
        const uint8_t *const e = v->body + 8 + v->multi_at++ * VFU_MULTI_BYTES;
        struct vfu_io io;
        memcpy(&io, e, sizeof io);
        if (io.region < PCI_FN_BARS && io.count <= 8 && inside(&io) && pci_fn_memory_on(&v->pci)) {
            struct vfu_access a = {.offset = io.offset,
                                   .bar = (uint8_t)io.region,
                                   .len = (uint8_t)io.count,
                                   .write = true};
            memcpy(&a.value, e + sizeof io, io.count);
            v->wait = WAIT_MULTI;
            v->f.accesses++;
            v->c.ops->access(v->c.arg, &a);
        }
    }
}

void vfu_handle(struct vfu *v)
{
    switch (v->head.command) {
    case VFU_VERSION: version(v); break;
    case VFU_DMA_MAP: dma_map(v); break;
    case VFU_DMA_UNMAP: dma_unmap(v); break;
    case VFU_GET_INFO: device_info(v); break;
    case VFU_GET_REGION: region_info(v); break;
    case VFU_GET_IRQ: irq_info(v); break;
    case VFU_SET_IRQS: vfu_reply(v, NULL, 0, set_irqs(v)); break;
    case VFU_READ: access_region(v, false); break;
    case VFU_WRITE: access_region(v, true); break;
    case VFU_RESET:
        pci_fn_reset(&v->pci);
        tell_master(v);
        vfu_close_irqs(v);
        v->wait = WAIT_RESET;
        v->c.ops->reset(v->c.arg);
        break;
    case VFU_WRITE_MULTI:
        v->multi_at = 0;
        vfu_next_write(v);
        break;
    default: vfu_reply(v, NULL, 0, ENOTSUP); break;
    }
}
