/* The wire itself: model/fifo.h beside rtl/fifo.sv, random pushes and pops. */
#include "tests/lockstep/lockstep.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH = 5, SLOTS = 8 }; /* as rtl/CMakeLists.txt builds it: no power of two */

rtl_new_fn rtl_new_fifo, rtl_new_fifo_m1, rtl_new_fifo_m2, rtl_new_fifo_m3, rtl_new_fifo_m4;

struct both {
    struct kern k;
    struct fifo f;
    uint64_t at[SLOTS], data[SLOTS];
    struct rtl_unit rtl;
};

/* What the RTL shows in this cycle, against the C wire; true: they differ. */
static bool differ(struct both *b, bool valid, bool ready)
{
    uint32_t words[META_MSG_WORDS] = {0};
    const bool r_valid = b->rtl.out(b->rtl.v, 0, words);
    const bool r_ready = b->rtl.in_ready(b->rtl.v, 0);
    const uint64_t r_data = words[0] | (uint64_t)words[1] << 32;

    return r_valid != valid || r_ready != ready ||
           (valid && r_data != b->data[b->f.head & b->f.mask]);
}

/* Bursts of pushes and of pops alternate, so the wire is often full and often empty. */
static bool step(struct both *b, struct rng *r)
{
    const uint64_t now = ++b->k.now, phase = now >> 6;
    const bool valid = fifo_valid(&b->f, now), ready = fifo_ready(&b->f, now);
    const bool push = rng_below(r, 4) < (phase % 2 != 0 ? 3 : 1);
    const bool pop = rng_below(r, 4) < (phase % 3 != 0 ? 3 : 1);
    const uint64_t data = rng_next(r) >> 12;
    const uint32_t words[META_MSG_WORDS] = {(uint32_t)data, (uint32_t)(data >> 32)};

    b->rtl.in(b->rtl.v, 0, push, words);
    b->rtl.ready(b->rtl.v, 0, pop);
    b->rtl.eval(b->rtl.v);
    const bool bad = differ(b, valid, ready);
    if (pop && valid) {
        (void)fifo_pop(&b->f, &b->k, b->at[(b->f.head + 1) & b->f.mask]);
    }
    if (push && ready) {
        const uint32_t slot = fifo_push(&b->f, &b->k, 0);
        b->at[slot] = b->f.last_at;
        b->data[slot] = data;
    }
    b->rtl.clock(b->rtl.v);
    return bad;
}

static uint64_t run_module(rtl_new_fn *make, uint64_t cycles)
{
    struct both b = {
        .f = {.depth = DEPTH, .mask = SLOTS - 1, .head_at = HCA_NEVER, .from = EDGE, .to = EDGE}};
    struct rng r = {1};
    uint64_t n = 0;

    kern_init(&b.k);
    b.rtl = make();
    while (n < cycles && !step(&b, &r)) {
        n++;
    }
    b.rtl.free(b.rtl.v);
    return n;
}

int main(void)
{
    static const struct {
        const char *name;
        rtl_new_fn *make;
    } module[] = {{"fifo", rtl_new_fifo},
                  {"fifo_m1", rtl_new_fifo_m1},
                  {"fifo_m2", rtl_new_fifo_m2},
                  {"fifo_m3", rtl_new_fifo_m3},
                  {"fifo_m4", rtl_new_fifo_m4}};
    enum { CYCLES = 100000 };
    int failed = 0;

    for (unsigned m = 0; m < sizeof module / sizeof module[0]; m++) {
        const uint64_t n = run_module(module[m].make, CYCLES);
        const bool good = (n == CYCLES) == (m == 0);
        printf("lockstep: %s: %llu of %d cycles equal%s\n", module[m].name, (unsigned long long)n,
               CYCLES,
               good     ? ""
               : m == 0 ? ": RTL differs from C"
                        : ": mutant survived");
        failed += !good;
    }
    return failed == 0 ? 0 : 1;
}
