#include "model/image.h"

#include <string.h>

struct image_head image_head(const struct system *y, uint64_t magic, size_t struct_bytes,
                             uint64_t memory_bytes)
{
    return (struct image_head){.magic = magic,
                               .params = hash_words(0, 0, &y->p, sizeof y->p),
                               .struct_bytes = struct_bytes,
                               .arena_bytes = y->arena.used,
                               .memory_bytes = memory_bytes};
}

const char *image_refusal(const struct image_head *want, const void *image, size_t size)
{
    struct image_head head;

    if (size < sizeof head) {
        return "the image is shorter than its head";
    }
    memcpy(&head, image, sizeof head);
    if (head.magic != want->magic) {
        return "the magic number is not that of this kind of image";
    }
    if (head.params != want->params) {
        return "the image was made with other parameters";
    }
    if (head.struct_bytes != want->struct_bytes || head.arena_bytes != want->arena_bytes) {
        return "the image was made by another build: its structures have other sizes";
    }
    return size - sizeof head < head.arena_bytes ||
                   size - sizeof head - head.arena_bytes != head.memory_bytes
               ? "the image has another length than its head says"
               : NULL;
}

void image_system(struct system *y, const struct system *from)
{
    y->k = from->k;
    y->s = from->s;
    y->trace.mask = from->trace.mask;
    y->trace.head = from->trace.head;
    y->trace.tail = from->trace.tail;
    y->shuffle = from->shuffle;
    y->t.now = from->t.now;
}

void image_pool(struct pool *p, const struct pool *from)
{
    p->free = from->free;
    p->given = from->given;
    p->given_at = from->given_at;
    p->used_sum = from->used_sum;
    p->taker = from->taker; /* mac_rx changes that of rx_pool */
}
