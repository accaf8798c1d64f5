/* progress.h: one line on a terminal with share, ETA and simulated/wall ratio; nothing elsewhere.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool on;
    uint64_t start_ms, last_ms, moved_ms, done; /* done: value at the last line */
};

uint64_t wall_ms(void); /* monotonic clock */
void progress_start(struct progress *p, bool quiet);

/* Shows done of total (0: unknown) at simulated time sim_ps; waiting() is asked for a text when
 * nothing has been done for ten seconds. Cheap to call often. */
void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t sim_ps,
                   const char *(*waiting)(void *arg), void *arg);
void progress_end(struct progress *p);
