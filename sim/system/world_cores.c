/* world: the cores of a host, which are the actors that the caller added. */
#include "sim/system/world_i.h"

void world_show_cores(struct world *w, unsigned i)
{
    struct host *const h = w->host[i];
    const struct seen *s;
    const struct irq *q;
    const struct mmio_rsp *r;
    uint64_t at;

    while ((s = host_take(h, HOST_SEEN_OUT, &at)) != NULL) {
        for (unsigned n = 0; n < w->actors; n++) {
            const struct actor *const c = &w->actor[n];
            if (c->host == i && c->seen != NULL) {
                c->seen(c->self, at, s);
            }
        }
    }
    while ((q = host_take(h, HOST_IRQ_OUT, &at)) != NULL) {
        for (unsigned n = 0; n < w->actors; n++) {
            const struct actor *const c = &w->actor[n];
            if (c->host == i && c->irq != NULL) {
                c->irq(c->self, at, q);
            }
        }
    }
    while ((r = host_take(h, HOST_MMIO_OUT, &at)) != NULL) {
        for (unsigned n = 0; n < w->actors; n++) {
            const struct actor *const c = &w->actor[n];
            if (c->host == i && c->answer != NULL) {
                c->answer(c->self, at, r);
            }
        }
    }
}

uint64_t world_next_action(const struct world *w, unsigned host)
{
    uint64_t next = UINT64_MAX;

    for (unsigned n = 0; n < w->actors; n++) {
        const struct actor *const c = &w->actor[n];
        if (c->host == host) {
            next = least(next, c->next(c->self));
        }
    }
    return next;
}

void world_act(struct world *w, unsigned host, uint64_t now)
{
    for (unsigned n = 0; n < w->actors; n++) {
        const struct actor *const c = &w->actor[n];
        if (c->host == host && c->next(c->self) <= now) {
            c->act(c->self, now);
        }
    }
}
