/* vfu.h: server side of vfio-user for one PVRDMA function; QEMU's vfio-user-pci is the client.
 *
 * One UNIX socket, one client at a time, no threads: a tag in a poll set. A client that breaks the
 * protocol loses its connection with a logged reason, and the next one may come. Its messages are
 * handled in order, none while an access or a reset waits for its end, so a client has at most one
 * of them under way; that bounds what the owner has to hold.
 * Source: vfio-user protocol 0.0 as QEMU 10.2 and 11.1 speak it; docs/COSIM.md names what is left
 * out. Little-endian hosts only, as the protocol is. */
#pragma once
#include "sim/cosim/poll.h"

enum { VFU_UAR_PAGES = 512, VFU_VECTORS = 3, VFU_MAPS_MAX = 4096 };

struct vfu;

/* An access of 1 to 8 bytes inside of BAR 0 to 2, while memory space is on. */
struct vfu_access {
    uint64_t offset, value; /* value: of a write */
    uint8_t bar, len;
    bool write;
};

struct vfu_ops {
    /* To be ended by vfu_answer, at once or later. */
    void (*access)(void *arg, const struct vfu_access *a);
    /* Guest memory [iova, + len), rights 1 read, 2 write, at offset of fd (-1: memory that no file
     * backs); page-aligned, overlaps nothing. fd is closed after the call. 0 or errno. */
    int (*map)(void *arg, uint64_t iova, uint64_t len, unsigned rights, int fd, uint64_t offset);
    /* What one map call has mapped. 0 or errno. */
    int (*unmap)(void *arg, uint64_t iova, uint64_t len);
    /* All DMA has to stop before vfu_reset_done. */
    void (*reset)(void *arg);
    void (*master)(void *arg, bool on); /* bus master and in D0 */
    void (*connected)(void *arg);
    void (*gone)(void *arg); /* the client's memory goes with it: no DMA after the call */
    void (*log)(void *arg, const char *text);
};

struct vfu_config {
    const char *path; /* of the socket; made with mode 0600 */
    const struct vfu_ops *ops;
    void *arg;
    struct poll *poll;
};

struct vfu_figures {
    uint64_t messages, accesses, refused, interrupts, interrupts_lost, bad_clients;
};

/* NULL: err says why (path, folder open to others, socket in use). */
struct vfu *vfu_open(const struct vfu_config *c, struct hca_error *err);
void vfu_close(struct vfu *v); /* NULL is allowed; gone() is not called */

/* Ends the access under way; value: of a read. May start the next one. Without one: nothing. */
void vfu_answer(struct vfu *v, uint64_t value);
void vfu_reset_done(struct vfu *v);

/* Raises a vector; one without an eventfd (masked, MSI-X off, no client) is counted as lost. */
void vfu_irq(struct vfu *v, unsigned vector);
const struct vfu_figures *vfu_figures(const struct vfu *v);
