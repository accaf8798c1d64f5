/* Big-endian loads and stores at any alignment. The host is little-endian (asserted in crc.c). */
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint16_t be16_get(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}

static inline uint32_t be32_get(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t be64_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline uint64_t be48_get(const uint8_t *p)
{
    return (uint64_t)be16_get(p) << 32 | be32_get(p + 2);
}

static inline void be16_put(uint8_t *p, uint32_t v)
{
    const uint16_t b = __builtin_bswap16((uint16_t)v);
    memcpy(p, &b, sizeof b);
}

static inline void be32_put(uint8_t *p, uint32_t v)
{
    const uint32_t b = __builtin_bswap32(v);
    memcpy(p, &b, sizeof b);
}

static inline void be64_put(uint8_t *p, uint64_t v)
{
    const uint64_t b = __builtin_bswap64(v);
    memcpy(p, &b, sizeof b);
}
