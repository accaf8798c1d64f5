#include "model/msg.h"

uint64_t hash_words(uint64_t h, uint64_t cycle, const void *p, size_t bytes)
{
    return hash_room(h, cycle, p, bytes, bytes);
}
