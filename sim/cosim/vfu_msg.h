/* vfu_msg.h: vfio-user messages: layout and what makes one acceptable. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vfu_command {
    VFU_VERSION = 1,
    VFU_DMA_MAP,
    VFU_DMA_UNMAP,
    VFU_GET_INFO,
    VFU_GET_REGION,
    VFU_GET_REGION_FDS,
    VFU_GET_IRQ,
    VFU_SET_IRQS,
    VFU_READ,
    VFU_WRITE,
    VFU_RESET = 13,
    VFU_WRITE_MULTI = 15
};
enum {
    VFU_HEAD_BYTES = 16,
    VFU_BODY_MAX = 8192, /* largest: 200 entries of WRITE_MULTI, the JSON text of VERSION */
    VFU_FDS_MAX = 8,     /* of one message; told to the client    */
    VFU_MULTI_MAX = 200, /* entries */
    VFU_MULTI_BYTES = 24,
    VFU_TYPE_MASK = 0xf,
    VFU_NO_REPLY = 0x10,
    VFU_REPLY = 1,
    VFU_ERROR_REPLY = 0x21
};

struct vfu_head {
    uint16_t id, command;
    uint32_t size, flags, error; /* size: with the head */
};

/* Bodies begin with these; all fields as in the protocol. */
struct vfu_dma {
    uint32_t argsz, flags;
    uint64_t offset, iova, size;
};
struct vfu_unmap {
    uint32_t argsz, flags;
    uint64_t iova, size;
};
struct vfu_region_info {
    uint32_t argsz, flags, index, cap_offset;
    uint64_t size, offset;
};
struct vfu_irq_info {
    uint32_t argsz, flags, index, count;
};
struct vfu_set_irqs {
    uint32_t argsz, flags, index, start, count;
};
struct vfu_io {
    uint64_t offset;
    uint32_t region, count;
};

/* Is a head one that a client may send? NULL, or what is wrong with it. */
const char *vfu_head_wrong(const struct vfu_head *h);

/* The same for a whole message, with its number of file descriptors. A message that is wrong here
 * leaves no doubt that the client cannot be followed any further. Unknown commands are right. */
const char *vfu_body_wrong(const struct vfu_head *h, const uint8_t *body, unsigned fds);
