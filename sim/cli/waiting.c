#include "sim/cli/waiting.h"

#include <stdio.h>
#include <string.h>

struct spot {
    unsigned host, wire;
    int hca; /* -1: the host itself */
    uint32_t level, depth;
};

/* Fuller by share; of equal ones the first, which lies earlier on the way of the data. */
static void look(struct spot *best, unsigned host, int hca, unsigned wire, struct wire_figures f)
{
    if (f.level != 0 && (uint64_t)f.level * best->depth > (uint64_t)best->level * f.depth) {
        *best = (struct spot){host, wire, hca, f.level, f.depth};
    }
}

const char *waiting_unit(struct world *w, char *buf, size_t size)
{
    struct spot best = {.level = 0, .depth = 1};

    for (unsigned h = 0; h < world_hosts(w); h++) {
        for (unsigned i = 0; i < meta_wire_count; i++) {
            if (strcmp(meta_wires[i].to, "edge") == 0) {
                continue;
            }
            if (meta_wires[i].side == META_HOST) {
                look(&best, h, -1, i, host_wire_figures(world_host(w, h), i));
            }
            for (unsigned a = 0; meta_wires[i].side == META_HCA && a < world_hcas(w); a++) {
                look(&best, h, (int)a, i, hca_wire_figures(world_hca(w, h, a), i));
            }
        }
    }
    if (best.level == 0) {
        snprintf(buf, size, "no unit holds a message");
        return buf;
    }
    char hca[16] = "";
    if (best.hca >= 0) {
        snprintf(hca, sizeof hca, ".hca%d", best.hca);
    }
    snprintf(buf, size, "host%u%s.%s has %u of %u entries of wire %s before it", best.host, hca,
             meta_wires[best.wire].to, best.level, best.depth, meta_wires[best.wire].name);
    return buf;
}
