/* vfu.h: server side of vfio-user for one PVRDMA function; QEMU's vfio-user-pci is the client. */
#pragma once
#include "sim/cosim/poll.h"

enum { VFU_UAR_PAGES = 512, VFU_VECTORS = 3 };

struct vfu;
struct vfu_access {
    uint64_t id, offset, value;
    uint8_t bar, len;
    bool write, posted;
};
struct vfu_ops {
    void (*access)(void *arg, const struct vfu_access *a);
    int (*map)(void *arg, uint64_t iova, uint64_t len, unsigned rights, int fd, uint64_t offset);
    int (*unmap)(void *arg, uint64_t iova, uint64_t len);
    void (*reset)(void *arg);
    void (*command)(void *arg, bool memory_on, bool bus_master, bool d3hot);
    void (*connected)(void *arg);
    void (*gone)(void *arg, const char *why);
};
struct vfu_config {
    const char *path;
    const struct vfu_ops *ops;
    void *arg;
    struct poll *poll;
};
struct vfu *vfu_open(const struct vfu_config *c, struct hca_error *err);
void vfu_close(struct vfu *v);
void vfu_answer(struct vfu *v, uint64_t id, uint64_t value);
void vfu_reset_done(struct vfu *v);
void vfu_irq(struct vfu *v, unsigned vector);
