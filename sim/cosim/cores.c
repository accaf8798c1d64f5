/* cores.c: the actor of a host: accesses of functions go to the root complex in order, answers and
 * interrupts go back to the function they belong to. */
#include "sim/cosim/cosim_i.h"

#include "model/defs.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_PS = 100000 }; /* ASSUMED: a core that finds the root complex full looks again */

static uint64_t cores_next(void *self)
{
    const struct cores *const k = self;

    return k->n == 0 ? UINT64_MAX : k->due_ps;
}

static bool take_tag(struct function *f, struct mmio_req *m, const struct todo *todo)
{
    for (unsigned i = 0; i < CORES_READS; i++) {
        if (!f->read[i].used) {
            m->tag = ++f->tag;
            f->read[i].used = true;
            f->read[i].tag = m->tag;
            f->read[i].todo = *todo;
            return true;
        }
    }
    return false;
}

static void cores_act(void *self, uint64_t now_ps)
{
    struct cores *const k = self;

    while (k->n != 0) {
        struct mmio_req *const m = &k->queue[k->first].m;
        const struct todo *const todo = &k->queue[k->first].todo;
        if (!m->write && m->tag == 0 && !take_tag(todo->f, m, todo)) {
            abort(); /* a function has fewer reads under way, see cores_push */
        }
        if (!world_mmio(k->c->w, k->host, now_ps, m)) {
            k->due_ps = now_ps + RETRY_PS;
            return;
        }
        if (m->write) {
            cosim_todo(k->c, todo);
        }
        k->first = (k->first + 1) % CORES_QUEUE;
        k->n--;
    }
}

static struct function *find(const struct cores *k, unsigned hca, unsigned fn)
{
    struct cosim *const c = k->c;

    for (unsigned i = 0; i < c->h->vms; i++) {
        const struct hosts_vm *const v = c->function[i].vm;
        if (v->host == k->host && v->adapter == hca && v->fn == fn) {
            return &c->function[i];
        }
    }
    return NULL;
}

static void cores_answer(void *self, uint64_t at_ps, const struct mmio_rsp *m)
{
    struct function *const f = find(self, m->hca, m->fn);

    (void)at_ps;
    if (f != NULL) {
        function_answer(f, m);
    }
}

static void cores_irq(void *self, uint64_t at_ps, const struct irq *m)
{
    struct function *const f = find(self, (m->rid >> 8) - 1U, m->rid & 0xff);

    (void)at_ps;
    if (f != NULL) {
        function_irq(f, m);
    }
}

bool cores_open(struct cores *k, struct cosim *c, unsigned host)
{
    const struct actor a = {.self = k,
                            .host = host,
                            .next = cores_next,
                            .act = cores_act,
                            .irq = cores_irq,
                            .answer = cores_answer};

    k->c = c;
    k->host = host;
    k->status_phys = host_hyp_take(world_host(c->w, host), PAGE_BYTES, PAGE_BYTES);
    return k->status_phys != 0 && world_add(c->w, &a);
}

void cores_push(struct cores *k, const struct mmio_req *m, const struct todo *todo)
{
    if (k->n == CORES_QUEUE) {
        abort(); /* see cores_push in cosim_i.h */
    }
    if (k->n == 0) { /* now: the clock may have come further than anything in the world */
        k->due_ps = k->c->clock.limit_ps;
    }
    const unsigned at = (k->first + k->n++) % CORES_QUEUE;
    k->queue[at].m = *m;
    k->queue[at].m.tag = 0;
    k->queue[at].todo = *todo;
}

/* --- invalidation ----------------------------------------------------------------------------- */

static bool invalidated(const void *arg)
{
    const struct cores *const k = arg;
    uint32_t seen;

    memcpy(&seen, host_mem(world_host(k->c->w, k->host), k->status_phys, sizeof seen), sizeof seen);
    return seen == k->status;
}

/* There is room for the descriptors, since nobody else queues any and each call waits. */
void cores_invalidate(struct cores *k, uint16_t rid)
{
    struct host *const h = world_host(k->c->w, k->host);

    if (host_domain(h, rid) == 0) {
        return;
    }
    k->status++;
    if (!host_invalidate_rid(h, rid, k->status_phys, k->status)) {
        abort();
    }
    cosim_settle(k->c, invalidated, k);
}
