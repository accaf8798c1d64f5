/* world.h: hosts, adapters, drivers and the network of one run, and the loop that moves them.
 *
 * Handles run apart in windows no longer than the least latency between any two (lookahead), so
 * every message is known before its receiver reaches the time of its arrival. A core's action
 * bounds the window of its own host only. */
#pragma once
#include "model/hca.h"
#include "model/host.h"
#include "sim/link/net.h"

#include <stdbool.h>
#include <stdint.h>

/* An actor that behaves as software on the cores of one host (a driver, a bench). Its next() is the
 * time of its earliest action; act() does everything due at `now`. */
struct actor {
    void *self;
    unsigned host;
    uint64_t (*next)(void *self); /* ps, UINT64_MAX: waits for something         */
    void (*act)(void *self, uint64_t now_ps);
    /* What the host shows its cores; any may be NULL. rid selects nothing: all actors see all. */
    void (*seen)(void *self, uint64_t at_ps, const struct seen *m);
    void (*irq)(void *self, uint64_t at_ps, const struct irq *m);
    void (*answer)(void *self, uint64_t at_ps, const struct mmio_rsp *m);
    void (*bench)(void *self, uint64_t at_ps, unsigned hca, const struct bench_res *m);
};

enum { WORLD_HOSTS_MAX = 64, WORLD_ACTORS_MAX = 4096 };

/* Called for every event of event.def, in the order of time within one handle. */
typedef void world_event(void *arg, unsigned host, int hca, uint64_t at_ps,
                         const struct trace_rec *rec); /* hca -1: the host itself */

struct world_figures {
    uint64_t windows, frames;
};

struct world;

/* Opens host.count hosts with host.hcas adapters each and the network between their ports.
 * NULL: *why says what is missing. */
struct world *world_open(const struct hca_param *p, const char **why);
void world_close(struct world *w);

void world_set_mode(struct world *w, unsigned mode); /* enum hca_mode, for all handles */
void world_set_trace(struct world *w, uint64_t mask, world_event *sink, void *arg);
bool world_add(struct world *w, const struct actor *a); /* false: WORLD_ACTORS_MAX */

struct host *world_host(struct world *w, unsigned host);
struct hca *world_hca(struct world *w, unsigned host, unsigned hca);
struct net *world_net(struct world *w);
unsigned world_hosts(const struct world *w);
unsigned world_hcas(const struct world *w); /* per host */

/* MMIO of a core and DMA of a bench, at a time >= now of the host. False: the root complex holds as
 * many accesses as it can; the core waits and tries again. */
bool world_mmio(struct world *w, unsigned host, uint64_t at_ps, const struct mmio_req *m);
void world_bench(struct world *w, unsigned host, unsigned hca, uint64_t at_ps,
                 const struct bench_op *m);

/* Runs until nothing is left to do, a limit is reached, or stop(arg) says so (asked once per
 * window; may be NULL). */
enum world_end { WORLD_IDLE, WORLD_LIMIT, WORLD_STOPPED };
enum world_end world_run(struct world *w, uint64_t until_ps, bool (*stop)(void *arg), void *arg);

uint64_t world_next(const struct world *w); /* ps of the earliest thing to do, or UINT64_MAX */
uint64_t world_now(const struct world *w);  /* ps: everything before it has happened */
uint64_t world_hash(const struct world *w);
size_t world_memory(const struct world *w); /* simulator memory, bytes */
struct world_figures world_figures(const struct world *w);

/* The handles have been loaded from images made at now_ps: the world goes on from there. */
void world_continue(struct world *w, uint64_t now_ps, const struct world_figures *f);
