/* lockstep.h: one unit in C beside its RTL peer, the same random traffic and stalls for both;
 * handshakes, messages and statistics pulses must be equal in every cycle. */
#pragma once
#include "model/hca_i.h"
#include "rtl/bridge/rtl_unit.h"

/* splitmix64: a sequence per seed, the same on every machine. */
struct rng {
    uint64_t x;
};
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 .. n - 1 */

struct lockstep {
    const char *unit;
    /* Configuration number 0 (default), 1 (smallest), 2 (odd sizes). */
    void (*param)(struct hca_param *p, unsigned config);
    /* Fills one message of an input wire; index: port as in rtl_unit.h. */
    void (*input)(struct rng *r, const struct hca_param *p, unsigned port, void *msg);
    struct {
        const char *name;
        rtl_new_fn *make;
    } module[16]; /* the peer first, then its mutants; ends with a NULL name */
};

/* Command line: [--cycles N] [--seed N] [--config N] [--module NAME]. Without --module all run: the
 * peer must agree, every mutant must differ. Returns the exit status. */
int lockstep_main(const struct lockstep *l, int argc, char **argv);
