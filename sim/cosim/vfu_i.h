/* vfu_i.h: inside sim/cosim/vfu*.c. */
#pragma once
#include "sim/cosim/pci_fn.h"
#include "sim/cosim/vfu.h"
#include "sim/cosim/vfu_msg.h"

#include <sys/un.h>

enum {
    VFU_OUT_BYTES = 65536, /* replies that the socket does not take: the client's messages wait */
    VFU_REPLY_MAX = 512
};

/* Who waits for the owner: nothing is handled until it has answered. */
enum vfu_wait { WAIT_NONE, WAIT_ACCESS, WAIT_MULTI, WAIT_RESET, WAIT_POWER };

struct vfu {
    struct vfu_config c;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    int listener, fd;
    struct poll_tag listen_tag, tag;
    bool versioned; /* the client has said which version it speaks   */
    bool writing;   /* waits for room in the socket                  */
    enum vfu_wait wait;
    struct vfu_head head;
    uint32_t got; /* bytes of the message so far, head included */
    uint8_t body[VFU_BODY_MAX];
    int fds[VFU_FDS_MAX];
    unsigned nfds;
    uint64_t multi_at; /* WRITE_MULTI: entries done */
    uint8_t out[VFU_OUT_BYTES];
    uint32_t out_n;
    struct pci_fn pci;
    bool master;
    int irq[VFU_VECTORS]; /* eventfds, -1: none */
    struct {
        uint64_t iova, len;
    } map[VFU_MAPS_MAX];
    unsigned maps;
    struct vfu_figures f;
};

/* vfu.c: the socket. */
void vfu_drop(struct vfu *v, const char *why);
/* Answers the message under way; error 0: with n bytes of body. Nothing if it wants no reply. */
void vfu_reply(struct vfu *v, const void *body, uint32_t n, int error);
void vfu_close_irqs(struct vfu *v);

/* vfu_command.c: one whole message; sets v->wait if it does not end at once. */
void vfu_handle(struct vfu *v);
/* The access at v->multi_at or the only one; false: nothing is left to do. */
void vfu_next_write(struct vfu *v);
