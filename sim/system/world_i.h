/* world_i.h: inside sim/system/world*.c. */
#pragma once
#include "sim/system/world.h"

#include "model/defs.h"

#include <stdio.h>
#include <stdlib.h>

enum { HCAS_MAX = 8 };

struct world {
    struct hca_param p;
    unsigned hosts, hcas, actors;
    struct host *host[WORLD_HOSTS_MAX];
    struct hca *hca[WORLD_HOSTS_MAX][HCAS_MAX];
    struct net *net;
    struct actor *actor; /* [WORLD_ACTORS_MAX] */
    uint64_t now, lookahead_ps, pcie_up_ps, port_ps;
    world_event *sink;
    void *sink_arg;
    struct world_figures f;
};

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A failure here is a wire of the edge that was made too short: a bug, not an input. */
static inline void must(bool pushed, const char *port)
{
    if (!pushed) {
        fprintf(stderr, "world: port %s has no room: its depth does not cover the latency\n", port);
        abort();
    }
}

/* world_cores.c: hands the cores of host i what has become visible to them; the first time at which
 * one of them acts, UINT64_MAX for never; lets those act that are due. */
void world_show_cores(struct world *w, unsigned i);
uint64_t world_next_action(const struct world *w, unsigned host);
void world_act(struct world *w, unsigned host, uint64_t now);
