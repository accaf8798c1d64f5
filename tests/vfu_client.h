/* vfu_client.h: a vfio-user client for the tests of the server, and what the server's owner saw. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/cosim/pci_fn.h"
#include "sim/cosim/vfu.h"
#include "sim/cosim/vfu_msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What the owner saw. */
static struct {
    struct vfu_access access;
    unsigned accesses, maps, unmaps, resets, gone, connected, masters;
    bool master;
    int fd_given;
    char log[300];
} seen;
static struct poll *poll_set;
static struct vfu *v;
static char path[100];
static int client;
static uint16_t next_id;

static void on_access(void *arg, const struct vfu_access *a)
{
    (void)arg;
    seen.access = *a;
    seen.accesses++;
}
static int on_map(void *arg, uint64_t iova, uint64_t len, unsigned rights, int fd, uint64_t offset)
{
    (void)arg;
    (void)len;
    (void)rights;
    (void)offset;
    seen.maps++;
    seen.fd_given = fd;
    return iova == 0x100000 ? ENOMEM : 0;
}
static int on_unmap(void *arg, uint64_t iova, uint64_t len)
{
    (void)arg;
    (void)iova;
    (void)len;
    seen.unmaps++;
    return 0;
}
static void on_reset(void *arg)
{
    (void)arg;
    seen.resets++;
}
static void on_master(void *arg, bool on)
{
    (void)arg;
    seen.masters++;
    seen.master = on;
}
static void on_connected(void *arg)
{
    (void)arg;
    seen.connected++;
}
static void on_gone(void *arg)
{
    (void)arg;
    seen.gone++;
}
static void on_log(void *arg, const char *text)
{
    (void)arg;
    (void)snprintf(seen.log, sizeof seen.log, "%s", text);
}
static const struct vfu_ops ops = {.access = on_access,
                                   .map = on_map,
                                   .unmap = on_unmap,
                                   .reset = on_reset,
                                   .master = on_master,
                                   .connected = on_connected,
                                   .gone = on_gone,
                                   .log = on_log};

/* --- the client --- */

static void serve(void)
{
    struct hca_error err;

    for (int i = 0; i < 4; i++) {
        assert_true(poll_wait(poll_set, 0, &err));
    }
}

static int connect_to(const char *to)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", to);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    serve();
    return fd;
}

static void send_fds(uint16_t command, uint32_t flags, const void *body, size_t n, const int *fds,
                     unsigned nfds)
{
    struct vfu_head h = {
        .id = ++next_id, .command = command, .size = (uint32_t)(16 + n), .flags = flags};
    char control[CMSG_SPACE(16 * sizeof(int))] = {0};
    struct iovec io[2] = {{&h, sizeof h}, {(void *)(uintptr_t)body, n}};
    struct msghdr m = {.msg_iov = io, .msg_iovlen = n != 0 ? 2 : 1};

    if (nfds != 0) {
        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        struct cmsghdr *const c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
    }
    assert_int_equal(sendmsg(client, &m, 0), (ssize_t)(16 + n));
}

static void send_it(uint16_t command, const void *body, size_t n)
{
    send_fds(command, 0, body, n, NULL, 0);
    serve();
}

/* Error of the reply, its body in out; -1: none there, -2: connection closed. */
static int reply(void *out, size_t size)
{
    struct vfu_head h;
    uint8_t body[4096];
    const ssize_t n = recv(client, &h, sizeof h, MSG_DONTWAIT);

    if (n <= 0) {
        return n == 0 ? -2 : -1;
    }
    assert_int_equal(n, 16);
    assert_int_equal(h.id, next_id);
    assert_true(h.flags == 1 || (h.flags == 0x21 && h.size == 16 && h.error != 0));
    if (h.size > 16) {
        assert_int_equal(recv(client, body, h.size - 16, MSG_DONTWAIT), h.size - 16);
        assert_true(h.size - 16 >= size);
        memcpy(out, body, size);
    }
    return (int)h.error;
}

__attribute__((unused)) static void hello(void)
{
    char body[214 - 16] = {0};

    strcpy(body + 4, "{\"capabilities\": {\"pgsizes\": 4096}}");
    send_it(VFU_VERSION, body, sizeof body);
    assert_int_equal(reply(body, 4), 0);
    assert_int_equal(body[0] | body[1] | body[2] | body[3], 0);
}

__attribute__((unused)) static int config_write(uint64_t at, uint32_t n, uint32_t value)
{
    uint8_t b[24];
    const struct vfu_io io = {at, 7, n};

    memcpy(b, &io, 16);
    memcpy(b + 16, &value, 4);
    send_it(VFU_WRITE, b, 16 + n);
    return reply(b, 16);
}

__attribute__((unused)) static uint32_t config_read(uint64_t at, uint32_t n)
{
    const struct vfu_io io = {at, 7, n};
    uint8_t b[20] = {0};
    uint32_t value = 0;

    send_it(VFU_READ, &io, sizeof io);
    assert_int_equal(reply(b, 16 + n), 0);
    memcpy(&value, b + 16, n);
    return value;
}

__attribute__((unused)) static int map_it(uint64_t iova, uint64_t size, const int *fd)
{
    const struct vfu_dma d = {.argsz = 32, .flags = 3, .iova = iova, .size = size};

    send_fds(VFU_DMA_MAP, 0, &d, sizeof d, fd, fd != NULL);
    serve();
    return reply(NULL, 0);
}

__attribute__((unused)) static int unmap_it(uint64_t iova, uint64_t size)
{
    const struct vfu_unmap d = {.argsz = 24, .iova = iova, .size = size};

    send_it(VFU_DMA_UNMAP, &d, sizeof d);
    return reply(NULL, 0);
}

static int set_up(void **state)
{
    struct hca_error err;
    char folder[80];

    (void)state;
    memset(&seen, 0, sizeof seen);
    (void)snprintf(folder, sizeof folder, "/tmp/hcasim-vfu-%d", (int)getpid());
    (void)mkdir(folder, 0700);
    (void)snprintf(path, sizeof path, "%s/s", folder);
    poll_set = poll_open(&err);
    const struct vfu_config c = {.path = path, .ops = &ops, .poll = poll_set};
    v = vfu_open(&c, &err);
    if (v == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    client = connect_to(path);
    hello();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(client);
    vfu_close(v);
    poll_close(poll_set);
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}
