#include "sim/cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_MS = 1000, EVERY_MS = 500, STILL_MS = 10000 };

uint64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void progress_start(struct progress *p, bool quiet)
{
    *p = (struct progress){.on = !quiet && isatty(STDERR_FILENO), .start_ms = wall_ms()};
    p->last_ms = p->moved_ms = p->start_ms;
}

static void line(const struct progress *p, uint64_t now, uint64_t done, uint64_t total,
                 uint64_t sim_ps)
{
    const uint64_t spent = now - p->start_ms;

    fprintf(stderr, "\r\033[K");
    if (total != 0) {
        const uint64_t left = done == 0 ? 0 : spent * (total > done ? total - done : 0) / done;
        fprintf(stderr,
                "%3" PRIu64 " %%  %" PRIu64 " of %" PRIu64 " operations, %" PRIu64 " s left",
                done * 100 / total, done, total, left / 1000);
    } else {
        fprintf(stderr, "%" PRIu64 " operations", done);
    }
    fprintf(stderr, ", %.3f ms simulated, %.2g simulated/wall", (double)sim_ps / 1e9,
            spent == 0 ? 0.0 : (double)sim_ps / 1e9 / (double)spent);
}

void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t sim_ps,
                   const char *(*waiting)(void *arg), void *arg)
{
    if (!p->on) {
        return;
    }
    const uint64_t now = wall_ms();
    if (done != p->done) {
        p->done = done;
        p->moved_ms = now;
    }
    if (now - p->start_ms < FIRST_MS || now - p->last_ms < EVERY_MS) {
        return;
    }
    p->last_ms = now;
    line(p, now, done, total, sim_ps);
    if (now - p->moved_ms > STILL_MS) {
        fprintf(stderr, "; no progress since %.3f ms, for %" PRIu64 " s: %s", (double)sim_ps / 1e9,
                (now - p->moved_ms) / 1000, waiting(arg));
    }
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->on) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
}
