/* sweep_csv.h: the result file of a sweep: rows are added whole, an earlier sweep is gone on with.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SWEEP_SETUP_ROOM = 24 };

struct sweep_csv {
    int fd; /* open for appending, locked */
    const char *path, *setup;
    char *text; /* whole rows that stood there, or were added, behind the head */
    size_t bytes, room, head_bytes;
    char *sorted;
    size_t sorted_bytes;
};

/* Opens `path`, locks it, cuts off a row that was not written whole, and reads the rows. keys:
 * "hca.qp_max,pcie.gen,"; setup: a word without commas. Exit status: EXIT_USAGE when the file holds
 * another sweep, EXIT_HOST; why says it. */
int sweep_csv_open(struct sweep_csv *c, const char *path, const char *keys, const char *setup,
                   char *why, size_t size);

/* Is there a row that begins with `point` ("64,4096,") and need not be run again? */
bool sweep_csv_known(const struct sweep_csv *c, const char *point);

/* Adds a row with its newline in one write. False: errno; nothing of it stays. */
bool sweep_csv_add(struct sweep_csv *c, const char *row);

/* Names the points in their order, then writes the file anew in that order: the last row of a point
 * counts, rows of other points follow. False: errno; the file is as it was. */
void sweep_csv_next(struct sweep_csv *c, const char *point);
bool sweep_csv_sorted(struct sweep_csv *c);

void sweep_csv_close(struct sweep_csv *c);
