#define _GNU_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#include "model/arena.h"

#include "model/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { LINE = 64 };

_Noreturn void hca_assert_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
    abort();
}

/* A machine that refuses to overcommit gets a smaller reservation. */
void arena_open(struct arena *a)
{
    *a = (struct arena){0};
    for (size_t size = (size_t)16 << 30; size >= (size_t)64 << 20; size /= 4) {
        void *const p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED) {
            *a = (struct arena){.base = p, .size = size};
            return;
        }
    }
}

void arena_close(struct arena *a)
{
    if (a->base != NULL) {
        munmap(a->base, a->size);
    }
    *a = (struct arena){0};
}

void *arena_take(struct arena *a, size_t size)
{
    const size_t at = a->used;

    if (size > a->size || at > a->size - size) {
        a->used = a->size + 1;
        return NULL;
    }
    a->used += (size + LINE - 1) / LINE * LINE;
    return a->base + at;
}
