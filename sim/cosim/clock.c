/* clock.c: the simulated clock never runs ahead of the wall clock (decisions 16). */
#include "sim/cosim/cosim_i.h"

#include <time.h>

/* ASSUMED: what a busy model may catch up at once; shorter than any timer of a peer outside. */
#define CLOCK_AHEAD_PS UINT64_C(1000000000)
enum { PPM = 1000000 };

uint64_t clock_wall_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void clock_start(struct clock *k, uint64_t factor_ppm, uint64_t sim_ps)
{
    *k = (struct clock){.factor_ppm = factor_ppm, .limit_ps = sim_ps, .last_ns = clock_wall_ns()};
}

/* ns * factor in ps, without overflow for 100 days. */
static uint64_t elapsed_ps(struct clock *k)
{
    const uint64_t now = clock_wall_ns(), ns = now - k->last_ns;

    k->last_ns = now;
    return ns / PPM * k->factor_ppm * 1000 + ns % PPM * k->factor_ppm / PPM * 1000;
}

void clock_worked(struct clock *k, uint64_t sim_ps)
{
    const uint64_t most = sim_ps + CLOCK_AHEAD_PS;
    const uint64_t limit = k->limit_ps + elapsed_ps(k);

    if (limit <= most) {
        k->limit_ps = limit;
    } else if (most > k->limit_ps) {
        k->limit_ps = most;
    }
}

void clock_slept(struct clock *k)
{
    k->limit_ps += elapsed_ps(k);
}

uint64_t clock_until_ns(const struct clock *k, uint64_t at_ps)
{
    if (at_ps <= k->limit_ps) {
        return 0;
    }
    const uint64_t ns = (at_ps - k->limit_ps) / 1000 + 1;

    return ns > UINT64_MAX / PPM ? UINT64_MAX : ns * PPM / k->factor_ppm;
}
