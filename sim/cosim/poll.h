/* poll.h: one epoll set for all sockets of a process. What is registered is a tag; the owner's
 * ready() is called with the events. */
#pragma once
#include "model/param.h"

#include <stdbool.h>
#include <stdint.h>

struct poll;

struct poll_tag {
    void (*ready)(void *self, uint32_t events); /* EPOLLIN ... */
    void *self;
};

/* NULL, false: err says what the system refused. Tags must live until poll_del. */
struct poll *poll_open(struct hca_error *err);
void poll_close(struct poll *p); /* NULL is allowed */
bool poll_add(struct poll *p, int fd, uint32_t events, struct poll_tag *tag);
bool poll_change(struct poll *p, int fd, uint32_t events, struct poll_tag *tag);
/* Takes fd out of the set; a tag whose turn has not come in the wait under way is not called. */
void poll_del(struct poll *p, int fd, const struct poll_tag *tag);

/* Waits for at most timeout_ns (0: looks only), then calls ready() of what is ready, a bounded
 * number of them. A signal ends the wait. A tag that another one's ready() has taken out of the set
 * is not called. */
bool poll_wait(struct poll *p, uint64_t timeout_ns, struct hca_error *err);
