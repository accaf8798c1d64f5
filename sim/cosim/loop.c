/* loop.c: serves the sockets and runs the world, in turn. */
#include "sim/cosim/cosim_i.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    SLICE_NS = 200000,     /* ASSUMED: the longest that a guest's access waits for the model */
    WINDOWS_PER_LOOK = 32, /* a look at the wall clock costs about as much as a window       */
    SLEEP_MAX_NS = 500000000,
    FAULTS_LOGGED = 10
};

void cosim_todo(struct cosim *c, const struct todo *t)
{
    if (t->kind == TODO_NONE) {
        return;
    }
    if (c->done_n == c->done_max) {
        abort(); /* a function has few accesses under way, see cosim_open */
    }
    c->done[(c->done_first + c->done_n++) % c->done_max] = *t;
}

/* Outside of the world's loop, since the next message of a client may start anything. */
static bool deliver(struct cosim *c)
{
    const bool any = c->done_n != 0;

    while (c->done_n != 0) {
        const struct todo t = c->done[c->done_first];
        c->done_first = (c->done_first + 1) % c->done_max;
        c->done_n--;
        function_done(t.f, &t);
    }
    return any;
}

static bool slice_over(void *arg)
{
    struct cosim *const c = arg;

    return c->done_n != 0 ||
           (++c->windows % WINDOWS_PER_LOOK == 0 && clock_wall_ns() >= c->slice_ns);
}

enum world_end cosim_slice(struct cosim *c)
{
    c->slice_ns = clock_wall_ns() + SLICE_NS;
    const enum world_end e = world_run(c->w, c->clock.limit_ps + 1, slice_over, c);
    clock_worked(&c->clock, world_now(c->w));
    return e;
}

/* Answers that come on the way wait in the ring: a client's next message may not be taken here, in
 * the middle of another one. What is waited for takes the model microseconds. */
void cosim_settle(struct cosim *c, bool (*done)(const void *arg), const void *arg)
{
    while (!done(arg)) {
        (void)world_run(c->w, c->clock.limit_ps + 1, NULL, NULL);
        clock_worked(&c->clock, world_now(c->w));
    }
}

/* A guest that makes many is counted, not logged in full. */
static void add_fault(struct cosim *c, unsigned host, const struct host_fault_info *x)
{
    for (unsigned n = 0; n < c->h->vms; n++) {
        struct function *const f = &c->function[n];
        if (f->vm->host == host && f->rid == x->rid && ++f->f.faults <= FAULTS_LOGGED) {
            cosim_log(c, "%s: VT-d fault, reason %u, %s of 0x%" PRIx64 "%s", f->vm->name, x->reason,
                      x->read ? "read" : "write", x->addr,
                      f->f.faults == FAULTS_LOGGED ? "; further ones are counted only" : "");
        }
    }
}

static void drain_faults(struct cosim *c)
{
    struct host_fault_info x;

    for (unsigned i = 0; i < c->h->hosts; i++) {
        while (host_fault_next(world_host(c->w, i), &x)) {
            add_fault(c, i, &x);
        }
    }
    if (bus_error_count() != c->sigbus_seen) {
        c->sigbus_seen = bus_error_count();
        cosim_log(c, "a guest's memory file has shrunk: %" PRIu64 " pages read as zeros now",
                  c->sigbus_seen);
    }
}

/* Wall time for which there is nothing to simulate. */
static uint64_t idle_ns(const struct cosim *c)
{
    const uint64_t next = world_next(c->w);
    const uint64_t ns = next == UINT64_MAX ? SLEEP_MAX_NS : clock_until_ns(&c->clock, next);

    return ns < SLEEP_MAX_NS ? ns : SLEEP_MAX_NS;
}

bool cosim_run(struct cosim *c, const volatile sig_atomic_t *stop, struct hca_error *err)
{
    clock_start(&c->clock, c->o.factor_ppm, world_now(c->w));
    while (*stop == 0) {
        (void)cosim_slice(c);
        const bool busy = deliver(c);
        drain_faults(c);
        const uint64_t sleep_ns = busy ? 0 : idle_ns(c);
        if (!poll_wait(c->poll, sleep_ns, err)) {
            return false;
        }
        if (sleep_ns != 0) {
            clock_slept(&c->clock);
        }
    }
    return true;
}
