/* image.h: the whole state of a handle as bytes. A handle lies in its arena: first its struct, then
 * the arrays its units took. Arrays hold no pointers, so they are copied as they are; of the struct
 * only registers are taken over, its pointers are those of the handle that loads. */
#pragma once
#include "model/system.h"

struct image_head {
    uint64_t magic, params, struct_bytes, arena_bytes, memory_bytes;
};

/* Head of an image of this handle; struct_bytes: size of struct hca or struct host. */
struct image_head image_head(const struct system *y, uint64_t magic, size_t struct_bytes,
                             uint64_t memory_bytes);

/* Why an image of `size` bytes does not belong to a handle whose head is `want`; NULL: it does.
 * want.memory_bytes is not looked at: hosts differ in what they have touched. */
const char *image_refusal(const struct image_head *want, const void *image, size_t size);

/* Takes over the registers that every handle has. */
void image_system(struct system *y, const struct system *from);
void image_pool(struct pool *p, const struct pool *from);
