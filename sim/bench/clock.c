/* clock.c: wall clock of the programs in bench/. */
#include <stdint.h>
#include <time.h>

uint64_t scenario_clock_ns(void);

uint64_t scenario_clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}
