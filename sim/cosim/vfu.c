#define _GNU_SOURCE
#include "sim/cosim/vfu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    VERSION = 1, DMA_MAP, DMA_UNMAP, GET_INFO, GET_REGION, GET_FDS, GET_IRQ, SET_IRQS, READ, WRITE,
    RESET = 13, WRITE_MULTI = 15
};
enum { BODY_MAX = (1 << 20) + 64, FDS_MAX = 16, MAPS_MAX = 4096 };

struct head { uint16_t id, cmd; uint32_t size, flags, error; };
struct vfu {
    struct vfu_config c;
    char path[108];
    int listen, fd;
    struct poll_tag listen_tag, tag;
    uint8_t config[256];
    int irq[VFU_VECTORS];
    bool waiting;
    struct head h;
    uint32_t got; /* header and body bytes */
    uint8_t body[BODY_MAX];
    int fds[FDS_MAX];
    unsigned nfds;
    struct { uint64_t iova, len; } map[MAPS_MAX];
    unsigned maps;
    uint32_t multi_at;
};

static const uint64_t region_bytes[9] = {16384, 4096, VFU_UAR_PAGES * 4096, 0, 0, 0, 0, 256, 0};

static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)v; p[1] = (uint8_t)(v >> 8); }
static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }

static void config_init(struct vfu *v)
{
    uint8_t *c = v->config;
    memset(c, 0, 256);
    put16(c, 0x15ad); put16(c + 2, 0x0820); put16(c + 6, 0x10);
    put16(c + 10, 0x0280);
    put16(c + 0x2c, 0x15ad); put16(c + 0x2e, 0x0820);
    c[0x34] = 0x40;
    c[0x40] = 0x11; put16(c + 0x42, 2); put32(c + 0x44, 0); put32(c + 0x48, 0x2000);
}

static void close_fds(struct vfu *v)
{
    for (unsigned i = 0; i < v->nfds; i++) {
        close(v->fds[i]);
    }
    v->nfds = 0;
}

static void drop(struct vfu *v, const char *why)
{
    if (v->fd < 0) {
        return;
    }
    poll_del(v->c.poll, v->fd, &v->tag);
    close(v->fd);
    v->fd = -1;
    close_fds(v);
    for (unsigned i = 0; i < VFU_VECTORS; i++) {
        if (v->irq[i] >= 0) { close(v->irq[i]); v->irq[i] = -1; }
    }
    v->maps = 0; v->got = 0; v->waiting = false;
    v->c.ops->gone(v->c.arg, why);
    config_init(v);
}

static void reply(struct vfu *v, const void *body, uint32_t n, uint32_t error)
{
    struct head h = v->h;
    uint8_t buf[4096 + 16];
    if ((v->h.flags & 0x10) != 0) { return; }
    h.flags = error ? 0x21 : 1; h.error = error; h.size = 16 + (error ? 0 : n);
    memcpy(buf, &h, 16);
    if (!error && n) { memcpy(buf + 16, body, n); }
    if (send(v->fd, buf, h.size, MSG_NOSIGNAL) != (ssize_t)h.size) { drop(v, "reply cannot be sent"); }
}

static void command_changed(struct vfu *v)
{
    const unsigned cmd = v->config[4];
    v->c.ops->command(v->c.arg, (cmd & 2) != 0, (cmd & 4) != 0, false);
}

static void config_write(struct vfu *v, uint32_t off, const uint8_t *d, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (off + i == 4) { v->config[4] = d[i] & 0x46; }
        if (off + i == 5) { v->config[5] = d[i] & 0x05; }
        if (off + i == 0x3c) { v->config[0x3c] = d[i]; }
        if (off + i == 0x43) { v->config[0x43] = d[i] & 0xc0; }
    }
    if (off <= 4 && off + n > 4) { command_changed(v); }
}

static void set_irqs(struct vfu *v)
{
    uint32_t f[5]; memcpy(f, v->body, 20);
    if (f[2] != 2) { reply(v, NULL, 0, 0); return; }
    if (f[4] == 0) { for (unsigned i = 0; i < VFU_VECTORS; i++) { if (v->irq[i] >= 0) { close(v->irq[i]); } v->irq[i] = -1; } }
    for (unsigned i = 0; i < f[4] && f[3] + i < VFU_VECTORS; i++) {
        int *p = &v->irq[f[3] + i];
        if (*p >= 0) { close(*p); }
        *p = i < v->nfds ? v->fds[i] : -1;
        if (i < v->nfds) { v->fds[i] = -1; }
    }
    v->nfds = 0;
    reply(v, NULL, 0, 0);
}

static void access_region(struct vfu *v, bool write)
{
    uint64_t off; uint32_t region, n;
    memcpy(&off, v->body, 8); memcpy(&region, v->body + 8, 4); memcpy(&n, v->body + 12, 4);
    if (region > 8 || n > 2048 || off + n > region_bytes[region]) {
        uint8_t ones[16 + 2048]; memset(ones, 0xff, sizeof ones); memcpy(ones, v->body, 16);
        if (n > 2048) { reply(v, NULL, 0, EINVAL); return; }
        reply(v, ones, write ? 16 : 16 + n, 0); return;
    }
    if (region == 7) {
        uint8_t out[16 + 256]; memcpy(out, v->body, 16);
        if (write) { config_write(v, (uint32_t)off, v->body + 16, n); reply(v, out, 16, 0); }
        else { memcpy(out + 16, v->config + off, n); reply(v, out, 16 + n, 0); }
        return;
    }
    struct vfu_access a = {.offset = off, .bar = (uint8_t)region, .len = (uint8_t)n, .write = write, .posted = false};
    if (write) { memcpy(&a.value, v->body + 16, n <= 8 ? n : 8); }
    v->waiting = true;
    v->c.ops->access(v->c.arg, &a);
}

static void unmap_range(struct vfu *v, uint64_t iova, uint64_t len)
{
    for (unsigned i = 0; i < v->maps;) {
        if (v->map[i].iova >= iova && v->map[i].iova + v->map[i].len <= iova + len) {
            (void)v->c.ops->unmap(v->c.arg, v->map[i].iova, v->map[i].len);
            v->map[i] = v->map[--v->maps];
        } else { i++; }
    }
}

static void handle(struct vfu *v)
{
    static const char caps[] = "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"pgsizes\":4096}}";
    uint8_t out[256] = {0};
    switch (v->h.cmd) {
    case VERSION: memcpy(out + 4, caps, sizeof caps); reply(v, out, 4 + sizeof caps, 0); break;
    case DMA_MAP: {
        uint32_t flags; uint64_t f[3];
        memcpy(&flags, v->body + 4, 4); memcpy(f, v->body + 8, 24);
        int e = v->maps == MAPS_MAX ? ENOSPC : v->c.ops->map(v->c.arg, f[1], f[2], flags & 3, v->nfds ? v->fds[0] : -1, f[0]);
        if (e == 0) { v->map[v->maps].iova = f[1]; v->map[v->maps++].len = f[2]; }
        reply(v, NULL, 0, (uint32_t)e);
        break;
    }
    case DMA_UNMAP: {
        uint64_t f[2]; memcpy(f, v->body + 8, 16);
        unmap_range(v, f[0], f[1]);
        reply(v, v->body, 24, 0);
        break;
    }
    case GET_INFO: put32(out, 16); put32(out + 4, 3); put32(out + 8, 9); put32(out + 12, 5); reply(v, out, 16, 0); break;
    case GET_REGION: {
        uint32_t i; memcpy(&i, v->body + 8, 4);
        if (i > 8) { reply(v, NULL, 0, EINVAL); break; }
        put32(out, 32); put32(out + 4, region_bytes[i] ? 3 : 0); put32(out + 8, i); memcpy(out + 16, &region_bytes[i], 8);
        reply(v, out, 32, 0); break;
    }
    case GET_IRQ: {
        uint32_t i; memcpy(&i, v->body + 8, 4);
        put32(out, 16); put32(out + 4, 1); put32(out + 8, i); put32(out + 12, i == 2 ? VFU_VECTORS : 0);
        reply(v, out, 16, 0); break;
    }
    case SET_IRQS: set_irqs(v); break;
    case READ: access_region(v, false); break;
    case WRITE: access_region(v, true); break;
    case RESET: v->waiting = true; v->c.ops->reset(v->c.arg); break;
    default: reply(v, NULL, 0, ENOTSUP); break;
    }
    close_fds(v);
}

static void ready(void *self, uint32_t events)
{
    struct vfu *const v = self;
    (void)events;
    while (v->fd >= 0 && !v->waiting) {
        char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
        const bool head = v->got < 16;
        struct iovec iov = {head ? (uint8_t *)&v->h + v->got : v->body + (v->got - 16), head ? 16 - v->got : v->h.size - v->got};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        const ssize_t n = iov.iov_len == 0 ? 0 : recvmsg(v->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) { return; }
        if (iov.iov_len != 0 && n <= 0) { drop(v, n == 0 ? "it closed the connection" : strerror(errno)); return; }
        for (struct cmsghdr *c = iov.iov_len ? CMSG_FIRSTHDR(&m) : NULL; c != NULL; c = CMSG_NXTHDR(&m, c)) {
            const unsigned k = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            int f[FDS_MAX]; memcpy(f, CMSG_DATA(c), k * sizeof(int));
            for (unsigned i = 0; i < k; i++) { if (v->nfds < FDS_MAX) { v->fds[v->nfds++] = f[i]; } else { close(f[i]); } }
        }
        v->got += (uint32_t)n;
        if (v->got < 16) { continue; }
        if (v->h.size < 16 || v->h.size > BODY_MAX) { drop(v, "bad size"); return; }
        if (v->got == v->h.size) {
            v->got = 0;
            if ((v->h.flags & 15) != 0) { drop(v, "a reply nobody asked for"); return; }
            handle(v);
        }
    }
}

static void on_accept(void *self, uint32_t events)
{
    struct vfu *const v = self;
    (void)events;
    const int fd = accept4(v->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) { return; }
    if (v->fd >= 0) { close(fd); return; }
    v->fd = fd; v->got = 0;
    config_init(v);
    if (!poll_add(v->c.poll, fd, EPOLLIN, &v->tag)) { close(fd); v->fd = -1; return; }
    v->c.ops->connected(v->c.arg);
}

void vfu_answer(struct vfu *v, uint64_t id, uint64_t value)
{
    uint8_t out[24];
    (void)id;
    if (!v->waiting || v->fd < 0) { return; }
    v->waiting = false;
    uint32_t n; memcpy(&n, v->body + 12, 4);
    memcpy(out, v->body, 16); memcpy(out + 16, &value, 8);
    reply(v, out, v->h.cmd == WRITE ? 16 : 16 + n, 0);
    ready(v, 0);
}

void vfu_reset_done(struct vfu *v)
{
    if (!v->waiting || v->fd < 0) { return; }
    v->waiting = false;
    reply(v, NULL, 0, 0);
    ready(v, 0);
}

void vfu_irq(struct vfu *v, unsigned vector)
{
    const uint64_t one = 1;
    if (v->irq[vector] >= 0) { const ssize_t n = write(v->irq[vector], &one, 8); (void)n; }
}

struct vfu *vfu_open(const struct vfu_config *c, struct hca_error *err)
{
    struct vfu *v = calloc(1, sizeof *v);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (v == NULL) { hca_error_set(err, "no memory"); return NULL; }
    v->c = *c; v->fd = -1;
    for (unsigned i = 0; i < VFU_VECTORS; i++) { v->irq[i] = -1; }
    config_init(v);
    v->listen_tag = (struct poll_tag){on_accept, v};
    v->tag = (struct poll_tag){ready, v};
    snprintf(v->path, sizeof v->path, "%s", c->path);
    memcpy(a.sun_path, v->path, sizeof v->path);
    unlink(v->path);
    v->listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const mode_t old = umask(0177);
    const bool good = v->listen >= 0 && bind(v->listen, (struct sockaddr *)&a, sizeof a) == 0 && listen(v->listen, 4) == 0 && poll_add(c->poll, v->listen, EPOLLIN, &v->listen_tag);
    umask(old);
    if (!good) { hca_error_set(err, "%s: %s", c->path, strerror(errno)); free(v); return NULL; }
    return v;
}

void vfu_close(struct vfu *v)
{
    if (v == NULL) { return; }
    if (v->fd >= 0) { close(v->fd); }
    close(v->listen);
    unlink(v->path);
    free(v);
}
