/* Hash table and growing arrays of the importer. */
#include "traces/import_i.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 64 };

uint64_t hash_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a + 0x9E3779B97F4A7C15u + (b ^ b >> 32) * 0xD6E8FEB86659FD93u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* The slot of a key, or the free one where it would go. */
static struct map_slot *slot_of(const struct map *m, uint64_t a, uint64_t b)
{
    uint32_t at = (uint32_t)hash_mix(a, b) & (m->room - 1);
    while (m->slot[at].value != HCT_NONE && (m->slot[at].a != a || m->slot[at].b != b)) {
        at = (at + 1) & (m->room - 1);
    }
    return &m->slot[at];
}

uint32_t map_find(const struct map *m, uint64_t a, uint64_t b)
{
    return m->room == 0 ? HCT_NONE : slot_of(m, a, b)->value;
}

static bool map_grow(struct map *m)
{
    const uint32_t room = m->room == 0 ? ROOM_MIN : 2 * m->room;
    struct map old = *m;
    struct map_slot *slot = malloc(room * sizeof *slot);
    if (slot == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < room; i++) {
        slot[i].value = HCT_NONE;
    }
    m->slot = slot;
    m->room = room;
    for (uint32_t i = 0; i < old.room; i++) {
        if (old.slot[i].value != HCT_NONE) {
            *slot_of(m, old.slot[i].a, old.slot[i].b) = old.slot[i];
        }
    }
    free(old.slot);
    return true;
}

bool map_add(struct map *m, uint64_t a, uint64_t b, uint32_t value)
{
    if (2 * (m->used + 1) > m->room && !map_grow(m)) {
        return false;
    }
    *slot_of(m, a, b) = (struct map_slot){a, b, value};
    m->used++;
    return true;
}

void map_set(struct map *m, uint64_t a, uint64_t b, uint32_t value)
{
    slot_of(m, a, b)->value = value;
}

void map_free(struct map *m)
{
    free(m->slot);
    *m = (struct map){0};
}

bool grow(void *array, uint32_t *room, uint32_t n, size_t element_bytes)
{
    void *old;
    if (n < *room) {
        return true;
    }
    memcpy(&old, array, sizeof old);
    const uint32_t more = *room == 0 ? ROOM_MIN : 2 * *room;
    uint8_t *fresh = realloc(old, more * element_bytes);
    if (fresh == NULL) {
        return false;
    }
    memset(fresh + *room * element_bytes, 0, (more - *room) * element_bytes);
    memcpy(array, &fresh, sizeof fresh);
    *room = more;
    return true;
}
