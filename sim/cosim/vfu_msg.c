#include "sim/cosim/vfu_msg.h"

#include <string.h>

static const struct {
    uint16_t min_bytes; /* of the body */
    uint8_t fds_max;
} rules[] = {
    [VFU_VERSION] = {5, 0},
    [VFU_DMA_MAP] = {sizeof(struct vfu_dma), 1},
    [VFU_DMA_UNMAP] = {sizeof(struct vfu_unmap), 0},
    [VFU_GET_INFO] = {4, 0},
    [VFU_GET_REGION] = {sizeof(struct vfu_region_info), 0},
    [VFU_GET_IRQ] = {sizeof(struct vfu_irq_info), 0},
    [VFU_SET_IRQS] = {sizeof(struct vfu_set_irqs), VFU_FDS_MAX},
    [VFU_READ] = {sizeof(struct vfu_io), 0},
    [VFU_WRITE] = {sizeof(struct vfu_io), 0},
    [VFU_RESET] = {0, 0},
    [VFU_WRITE_MULTI] = {8, 0},
};
enum { COMMANDS = sizeof rules / sizeof rules[0] };

const char *vfu_head_wrong(const struct vfu_head *h)
{
    if (h->size < VFU_HEAD_BYTES || h->size > VFU_HEAD_BYTES + VFU_BODY_MAX) {
        return "message size outside 16 to 8208 bytes";
    }
    return (h->flags & VFU_TYPE_MASK) != 0 ? "a reply, but nothing was asked of the client" : NULL;
}

static const char *io_wrong(const struct vfu_head *h, const uint8_t *body)
{
    struct vfu_io io;

    memcpy(&io, body, sizeof io);
    const uint32_t data = h->size - VFU_HEAD_BYTES - (uint32_t)sizeof io;
    return h->command == VFU_WRITE && data != io.count ? "REGION_WRITE whose count is not that of "
                                                         "its data"
                                                       : NULL;
}

static const char *multi_wrong(const struct vfu_head *h, const uint8_t *body)
{
    uint64_t n;

    memcpy(&n, body, sizeof n);
    return n > VFU_MULTI_MAX || h->size - VFU_HEAD_BYTES < 8 + n * VFU_MULTI_BYTES
               ? "REGION_WRITE_MULTI with more entries than bytes, or than 200"
               : NULL;
}

/* major 0, minor any, and a text with its final zero. */
static const char *version_wrong(const struct vfu_head *h, const uint8_t *body)
{
    return body[0] != 0 || body[1] != 0              ? "VERSION with a major number other than 0"
           : body[h->size - VFU_HEAD_BYTES - 1] != 0 ? "VERSION whose text has no final zero"
                                                     : NULL;
}

const char *vfu_body_wrong(const struct vfu_head *h, const uint8_t *body, unsigned fds)
{
    const bool known =
        h->command < COMMANDS && (rules[h->command].min_bytes != 0 || h->command == VFU_RESET);

    if (!known) {
        return fds != 0 ? "file descriptors with a command that takes none" : NULL;
    }
    if (h->size - VFU_HEAD_BYTES < rules[h->command].min_bytes) {
        return "message shorter than its command";
    }
    if (fds > rules[h->command].fds_max) {
        return "more file descriptors than the command takes";
    }
    switch (h->command) {
    case VFU_VERSION: return version_wrong(h, body);
    case VFU_READ:
    case VFU_WRITE: return io_wrong(h, body);
    case VFU_WRITE_MULTI: return multi_wrong(h, body);
    default: return NULL;
    }
}
