#define _GNU_SOURCE /* epoll_pwait2 needs glibc 2.35: Debian 12 has 2.36 */
#include "sim/cosim/poll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 };

struct poll {
    int fd;
    struct epoll_event event[EVENTS_MAX]; /* of the wait under way */
    int n;
};

struct poll *poll_open(struct hca_error *err)
{
    struct poll *const p = calloc(1, sizeof *p);

    if (p == NULL) {
        hca_error_set(err, "no memory");
        return NULL;
    }
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0) {
        hca_error_set(err, "epoll: %s", strerror(errno));
        free(p);
        return NULL;
    }
    return p;
}

void poll_close(struct poll *p)
{
    if (p != NULL) {
        close(p->fd);
        free(p);
    }
}

static bool control(struct poll *p, int how, int fd, uint32_t events, struct poll_tag *tag)
{
    struct epoll_event e = {.events = events, .data = {.ptr = tag}};

    return epoll_ctl(p->fd, how, fd, &e) == 0;
}

bool poll_add(struct poll *p, int fd, uint32_t events, struct poll_tag *tag)
{
    return control(p, EPOLL_CTL_ADD, fd, events, tag);
}

bool poll_change(struct poll *p, int fd, uint32_t events, struct poll_tag *tag)
{
    return control(p, EPOLL_CTL_MOD, fd, events, tag);
}

void poll_del(struct poll *p, int fd, const struct poll_tag *tag)
{
    (void)control(p, EPOLL_CTL_DEL, fd, 0, NULL);
    for (int i = 0; i < p->n; i++) {
        if (p->event[i].data.ptr == tag) {
            p->event[i].data.ptr = NULL;
        }
    }
}

bool poll_wait(struct poll *p, uint64_t timeout_ns, struct hca_error *err)
{
    const struct timespec t = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                               .tv_nsec = (long)(timeout_ns % 1000000000)};

    p->n = epoll_pwait2(p->fd, p->event, EVENTS_MAX, &t, NULL);
    if (p->n < 0) {
        const bool signalled = errno == EINTR;
        if (!signalled) {
            hca_error_set(err, "epoll: %s", strerror(errno));
        }
        p->n = 0;
        return signalled;
    }
    for (int i = 0; i < p->n; i++) {
        const struct poll_tag *const tag = p->event[i].data.ptr;
        if (tag != NULL) {
            tag->ready(tag->self, p->event[i].events);
        }
    }
    p->n = 0;
    return true;
}
