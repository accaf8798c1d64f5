#define _GNU_SOURCE /* accept4 */
#include "sim/cosim/vfu_i.h"

#include "sim/cosim/sock_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_fds(struct vfu *v)
{
    for (unsigned i = 0; i < v->nfds; i++) {
        if (v->fds[i] >= 0) {
            close(v->fds[i]);
        }
    }
    v->nfds = 0;
}

void vfu_close_irqs(struct vfu *v)
{
    for (unsigned i = 0; i < VFU_VECTORS; i++) {
        if (v->irq[i] >= 0) {
            close(v->irq[i]);
        }
        v->irq[i] = -1;
    }
}

static void fresh(struct vfu *v)
{
    v->got = v->out_n = 0;
    v->maps = 0;
    v->wait = WAIT_NONE;
    v->versioned = v->writing = v->master = false;
    pci_fn_reset(&v->pci);
}

void vfu_drop(struct vfu *v, const char *why)
{
    char text[240];

    if (v->fd < 0) {
        return;
    }
    poll_del(v->c.poll, v->fd, &v->tag);
    close(v->fd);
    v->fd = -1;
    close_fds(v);
    vfu_close_irqs(v);
    fresh(v);
    (void)snprintf(text, sizeof text, "%s: connection ended: %s", v->path, why);
    v->c.ops->log(v->c.arg, text);
    v->c.ops->gone(v->c.arg);
}

/* --- out -------------------------------------------------------------------------------------- */

static void flush(struct vfu *v)
{
    while (v->out_n != 0) {
        const ssize_t n = send(v->fd, v->out, v->out_n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            vfu_drop(v, strerror(errno));
            return;
        }
        if (n < 0) {
            break;
        }
        v->out_n -= (uint32_t)n;
        memmove(v->out, v->out + n, v->out_n);
    }
    if (v->writing != (v->out_n != 0)) {
        v->writing = v->out_n != 0;
        (void)poll_change(v->c.poll, v->fd, v->writing ? EPOLLIN | EPOLLOUT : EPOLLIN, &v->tag);
    }
}

void vfu_reply(struct vfu *v, const void *body, uint32_t n, int error)
{
    struct vfu_head h = v->head;

    if ((h.flags & VFU_NO_REPLY) != 0 || v->fd < 0) {
        return;
    }
    h.flags = error != 0 ? VFU_ERROR_REPLY : VFU_REPLY;
    h.error = (uint32_t)error;
    h.size = VFU_HEAD_BYTES + (error != 0 ? 0 : n);
    memcpy(v->out + v->out_n, &h, sizeof h); /* room: see readable() */
    if (h.size > VFU_HEAD_BYTES) {
        memcpy(v->out + v->out_n + sizeof h, body, n);
    }
    v->out_n += h.size;
    v->f.refused += error != 0;
    flush(v);
}

/* --- in --------------------------------------------------------------------------------------- */

static bool take_fds(struct vfu *v, struct msghdr *m)
{
    bool fit = (m->msg_flags & MSG_CTRUNC) == 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (v->nfds < VFU_FDS_MAX) {
                v->fds[v->nfds++] = fd;
            } else {
                close(fd);
                fit = false;
            }
        }
    }
    return fit;
}

/* Reads what is missing of the head, with the descriptors that ride on it, or of the body. Never
 * beyond: the next message's descriptors would come with this one. False: nothing more for now. */
static bool read_some(struct vfu *v)
{
    char control[CMSG_SPACE((VFU_FDS_MAX + 1) * sizeof(int))];
    const bool head = v->got < VFU_HEAD_BYTES;
    struct iovec io = {.iov_base =
                           head ? (uint8_t *)&v->head + v->got : v->body + v->got - VFU_HEAD_BYTES,
                       .iov_len = (head ? VFU_HEAD_BYTES : v->head.size) - v->got};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

    if (io.iov_len == 0) {
        return true; /* a message without body */
    }
    const ssize_t n = recvmsg(v->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (n <= 0) {
        vfu_drop(v, n == 0 ? "the client closed it" : strerror(errno));
        return false;
    }
    if (!take_fds(v, &m)) {
        v->f.bad_clients++;
        vfu_drop(v, "more file descriptors than 8 with a message");
        return false;
    }
    v->got += (uint32_t)n;
    return true;
}

/* True: a whole message is there. */
static bool whole(struct vfu *v)
{
    if (v->got < VFU_HEAD_BYTES) {
        return false;
    }
    const bool all = v->got == v->head.size;
    const char *why = v->got == VFU_HEAD_BYTES ? vfu_head_wrong(&v->head) : NULL;

    if (why == NULL && all) {
        why = vfu_body_wrong(&v->head, v->body, v->nfds);
    }
    if (why == NULL && all && (v->head.command == VFU_VERSION) == v->versioned) {
        why = v->versioned ? "a second VERSION" : "a message before VERSION";
    }
    if (why != NULL) {
        v->f.bad_clients++;
        vfu_drop(v, why);
    }
    return why == NULL && all;
}

/* Messages are handled while nobody waits and there is room for the largest reply. */
static void readable(struct vfu *v)
{
    while (v->fd >= 0 && v->wait == WAIT_NONE && v->out_n + VFU_REPLY_MAX <= VFU_OUT_BYTES &&
           read_some(v)) {
        if (whole(v)) {
            v->got = 0;
            v->f.messages++;
            vfu_handle(v);
            close_fds(v);
        }
    }
}

static void ready(void *self, uint32_t events)
{
    struct vfu *const v = self;

    if ((events & EPOLLOUT) != 0) {
        flush(v);
    }
    if (v->fd >= 0 && v->wait != WAIT_NONE && (events & (EPOLLHUP | EPOLLERR)) != 0) {
        vfu_drop(v, "the client closed it while an access was under way");
        return;
    }
    readable(v);
}

static void on_accept(void *self, uint32_t events)
{
    struct vfu *const v = self;
    const int fd = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    char text[160];

    (void)events;
    if (fd < 0) {
        return;
    }
    if (v->fd >= 0 || !poll_add(v->c.poll, fd, EPOLLIN, &v->tag)) {
        (void)snprintf(text, sizeof text, "%s: a client was turned away: one is connected",
                       v->path);
        v->c.ops->log(v->c.arg, text);
        close(fd);
        return;
    }
    v->fd = fd;
    fresh(v);
    v->c.ops->connected(v->c.arg);
}

/* --- what the owner says ---------------------------------------------------------------------- */

void vfu_answer(struct vfu *v, uint64_t value)
{
    struct vfu_io io;
    uint8_t out[sizeof io + 8];

    if (v->fd < 0 || (v->wait != WAIT_ACCESS && v->wait != WAIT_MULTI)) {
        return;
    }
    if (v->wait == WAIT_MULTI) {
        v->wait = WAIT_NONE;
        vfu_next_write(v);
    } else {
        v->wait = WAIT_NONE;
        memcpy(&io, v->body, sizeof io);
        memcpy(out, &io, sizeof io);
        memcpy(out + sizeof io, &value, 8);
        vfu_reply(v, out, (uint32_t)sizeof io + (v->head.command == VFU_READ ? io.count : 0), 0);
    }
    readable(v);
}

void vfu_reset_done(struct vfu *v)
{
    if (v->fd < 0 || (v->wait != WAIT_RESET && v->wait != WAIT_POWER)) {
        return;
    }
    const bool power = v->wait == WAIT_POWER;
    v->wait = WAIT_NONE;
    vfu_reply(v, v->body, power ? sizeof(struct vfu_io) : 0, 0);
    readable(v);
}

void vfu_irq(struct vfu *v, unsigned vector)
{
    const uint64_t one = 1;
    const bool there = vector < VFU_VECTORS && v->irq[vector] >= 0;

    if (there && write(v->irq[vector], &one, sizeof one) == (ssize_t)sizeof one) {
        v->f.interrupts++;
    } else {
        v->f.interrupts_lost++;
    }
}

const struct vfu_figures *vfu_figures(const struct vfu *v)
{
    return &v->f;
}

struct vfu *vfu_open(const struct vfu_config *c, struct hca_error *err)
{
    struct vfu *const v = calloc(1, sizeof *v);

    if (v == NULL) {
        hca_error_set(err, "no memory");
        return NULL;
    }
    v->c = *c;
    v->fd = -1;
    for (unsigned i = 0; i < VFU_VECTORS; i++) {
        v->irq[i] = -1;
    }
    fresh(v);
    v->listen_tag = (struct poll_tag){on_accept, v};
    v->tag = (struct poll_tag){ready, v};
    v->listener = sock_listen(c->path, err);
    if (v->listener < 0) {
        free(v);
        return NULL;
    }
    (void)snprintf(v->path, sizeof v->path, "%s", c->path);
    if (!poll_add(c->poll, v->listener, EPOLLIN, &v->listen_tag)) {
        hca_error_set(err, "%s: epoll: %s", c->path, strerror(errno));
        vfu_close(v);
        return NULL;
    }
    return v;
}

void vfu_close(struct vfu *v)
{
    if (v == NULL) {
        return;
    }
    if (v->fd >= 0) {
        poll_del(v->c.poll, v->fd, &v->tag);
        close(v->fd);
    }
    close_fds(v);
    vfu_close_irqs(v);
    poll_del(v->c.poll, v->listener, &v->listen_tag);
    close(v->listener);
    (void)unlink(v->path);
    free(v);
}
