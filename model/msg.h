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

__extension__ typedef unsigned __int128 hash_wide;

/* A pair of words: both halves of a product of sums (the NH hash of UMAC, RFC 4418, 5.2). */
static inline uint64_t hash_pair(uint64_t a, uint64_t b, uint64_t k)
{
    const hash_wide x =
        (hash_wide)(a + 0xd6e8feb86659fd93ULL + k) * (b + 0x9e3779b97f4a7c15ULL + k);

    return (uint64_t)x ^ (uint64_t)(x >> 64);
}

/* n bytes, 1..8, as a word; `room` bytes may be read. */
static inline uint64_t hash_tail(const unsigned char *b, size_t n, size_t room)
{
    uint64_t w = 0;

    if (room >= 8) { /* one load and a mask where bytes follow anyway */
        memcpy(&w, b, 8);
        return n < 8 ? w & ((1ULL << 8 * n) - 1) : w;
    }
    memcpy(&w, b, n);
    return w;
}

/* Running hash over (cycle, bytes). Pairs are multiplied side by side: a chain of multiplications
 * costs three times more. No security is claimed. room: bytes that may be read, >= bytes. */
__attribute__((always_inline)) static inline uint64_t hash_room(uint64_t h, uint64_t cycle,
                                                                const void *p, size_t bytes,
                                                                size_t room)
{
    const unsigned char *const b = p;
    uint64_t sum = cycle * 0x9e3779b97f4a7c15ULL, k = bytes;
    size_t i = 0;

    for (; i + 16 <= bytes; i += 16, k += 0x5851f42d4c957f2eULL) {
        uint64_t w[2];
        memcpy(w, b + i, 16);
        sum += hash_pair(w[0], w[1], k);
    }
    if (i < bytes) {
        const size_t n = bytes - i < 8 ? bytes - i : 8;
        const uint64_t first = hash_tail(b + i, n, room - i);
        const uint64_t second =
            bytes - i > 8 ? hash_tail(b + i + 8, bytes - i - 8, room - i - 8) : 0;
        sum += hash_pair(first, second, k);
    }
    h = (h << 7 | h >> 57) ^ (sum ^ sum >> 29);
    return h * 0x9e3779b97f4a7c15ULL;
}

/* The same for any number of bytes (hash.c). */
uint64_t hash_words(uint64_t h, uint64_t cycle, const void *p, size_t bytes);

#define MSG(msg, hard, side)                                                           \
    static inline uint64_t hash_##msg(uint64_t h, uint64_t cycle, const struct msg *m) \
    {                                                                                  \
        return hash_room(h, cycle, (const char *)m + sizeof m->at, MSG_BYTES_##msg,    \
                         sizeof *m - sizeof m->at);                                    \
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
