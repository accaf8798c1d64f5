/* bytes.h: sections of a checkpoint in memory: a writer that grows, a reader that never leaves its
 * bytes. Numbers are little-endian, as the machine is (model/system.c asserts it). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes_out {
    uint8_t *b;
    size_t n, room;
    bool failed; /* no memory; nothing is added any more */
};

struct bytes_in {
    const uint8_t *b;
    size_t n, at;
    const char *why; /* what is wrong with the bytes, static text; NULL: nothing so far */
};

/* n bytes to be filled by the caller, 8-byte aligned when all parts so far were; NULL: no memory.
 */
void *bytes_room(struct bytes_out *o, size_t n);
void bytes_put(struct bytes_out *o, const void *from, size_t n);
void bytes_put_u64(struct bytes_out *o, uint64_t v);
void bytes_free(struct bytes_out *o);

/* False, and i->why is set: fewer than n bytes are left, or something was wrong before. */
bool bytes_get(struct bytes_in *i, void *to, size_t n);
/* A number of at most max; beyond it: 0 and i->why = why. */
uint64_t bytes_get_u64(struct bytes_in *i, uint64_t max, const char *why);
/* Bytes in place; NULL: as above. */
const void *bytes_at(struct bytes_in *i, size_t n);
/* Sets i->why unless something was wrong before; false always. */
bool bytes_bad(struct bytes_in *i, const char *why);
/* What was read into a bool is one. */
bool bytes_bool(const bool *b);
/* Nothing is wrong and nothing is left over. */
bool bytes_end(struct bytes_in *i);
