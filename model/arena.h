/* arena.h: the one block of memory of a handle; taken at open, nothing is allocated afterwards.
 *
 * Address space is reserved at open and filled by the operating system when touched, so a generous
 * reservation costs nothing. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *base;
    size_t used, size; /* bytes */
};

/* Reserves address space; base == NULL when the operating system has none. */
void arena_open(struct arena *a);
void arena_close(struct arena *a);

/* size bytes, zeroed, 64-byte aligned (a cache line of the machine that simulates); NULL when the
 * reservation is exhausted, and from then on a->used > a->size. */
void *arena_take(struct arena *a, size_t size);
