/* msg.h: the messages of msg.def as C structs, and the hash of their hard fields. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define F64(name, bits) uint64_t name;
#define F32(name, bits) uint32_t name;
#define F16(name, bits) uint16_t name;
#define F8(name, bits)  uint8_t name;
#define S64(name)       uint64_t name;
#define S32(name)       uint32_t name;
#define S16(name)       uint16_t name;
#define S8(name)        uint8_t name;
#define MSG(msg, hard, side) \
    struct msg##_hard {      \
        hard                 \
    };                       \
    struct msg {             \
        uint64_t at;         \
        struct {             \
            hard             \
        };                   \
        side                 \
    };
#include "model/spec/msg.def"
#undef MSG
#undef F64
#undef F32
#undef F16
#undef F8
#undef S64
#undef S32
#undef S16
#undef S8

/* Sum of the sizes of the hard fields; equal to the struct's size only when it has no holes. */
#define F64(name, bits) +8
#define F32(name, bits) +4
#define F16(name, bits) +2
#define F8(name, bits)  +1
#define S64(name)
#define S32(name)
#define S16(name)
#define S8(name)
#define MSG(msg, hard, side) enum { MSG_BYTES_##msg = 0 hard };
#include "model/spec/msg.def"
#undef MSG
#define MSG(msg, hard, side)                                                                  \
    _Static_assert(sizeof(struct msg##_hard) - MSG_BYTES_##msg < _Alignof(struct msg##_hard), \
                   #msg ": sort hard fields by size, largest first");
#include "model/spec/msg.def"
#undef MSG
#undef F64
#undef F32
#undef F16
#undef F8
#undef S64
#undef S32
#undef S16
#undef S8

/* Mixes words that are multiplied side by side: a chain of multiplications costs three times more.
 * Constants: odd, from the golden ratio; no security is claimed. */
static inline uint64_t hash_words(uint64_t h, uint64_t cycle, const void *p, size_t bytes)
{
    const unsigned char *b = p;
    uint64_t sum = cycle * 0x9e3779b97f4a7c15ULL, k = 0xd6e8feb86659fd93ULL;
    size_t i = 0;

    for (; i + 8 <= bytes; i += 8, k += 0x5851f42d4c957f2eULL) {
        uint64_t w;
        memcpy(&w, b + i, 8);
        sum += (w ^ (w >> 32)) * k;
    }
    if (i < bytes) {
        uint64_t w = 0;
        memcpy(&w, b + i, bytes - i);
        sum += (w ^ (w >> 32)) * k;
    }
    h = (h << 7 | h >> 57) ^ (sum ^ sum >> 29);
    return h * 0x9e3779b97f4a7c15ULL;
}

#define MSG(msg, hard, side)                                                           \
    static inline uint64_t hash_##msg(uint64_t h, uint64_t cycle, const struct msg *m) \
    {                                                                                  \
        return hash_words(h, cycle, (const char *)m + sizeof m->at, MSG_BYTES_##msg);  \
    }
#define F64(name, bits)
#define F32(name, bits)
#define F16(name, bits)
#define F8(name, bits)
#define S64(name)
#define S32(name)
#define S16(name)
#define S8(name)
#include "model/spec/msg.def"
#undef MSG
#undef F64
#undef F32
#undef F16
#undef F8
#undef S64
#undef S32
#undef S16
#undef S8
