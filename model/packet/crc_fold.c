/* CRC by carry-less multiplication: four 128-bit remainders are folded forward over 64 bytes at a
 * time, then into one, then over the last blocks and the ragged end, and reduced at last.
 *
 * Source: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction", Intel, 2009: method and reduction. The constants follow from the definitions in
 * crc_fold.h; tests/crc_test.c compares every length with zlib and with a bit loop. */
#include "model/packet/crc_fold.h"

#if CRC_FOLD_BUILT

#include <immintrin.h>

#define FOLD_TARGET __attribute__((target("pclmul,sse4.1")))

const struct crc_fold_poly crc_fold_icrc = {
    .by256 = {0x11542778A, 0x1322D1430},
    .by64 = {0x154442BD4, 0x1C6E41596},
    .by16 = {0x1751997D0, 0x0CCAA009E},
    .by8 = 0x163CD6124,
    .poly = 0x1DB710641,
    .mu = 0x1F7011641,
};
const struct crc_fold_poly crc_fold_vcrc = {
    .by256 = {0x00000846C, 0x00001210A},
    .by64 = {0x0000009C2, 0x0000064B0},
    .by16 = {0x00001F9EA, 0x00001E9DE},
    .by8 = 0x000015864,
    .poly = 0x00001A011,
    .mu = 0x1B4B0B111,
};

FOLD_TARGET static inline __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* x moved forward over the distance of k, plus next. */
FOLD_TARGET static inline __m128i fold(__m128i x, __m128i k, __m128i next)
{
    const __m128i low = _mm_clmulepi64_si128(x, k, 0x00);
    const __m128i high = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* 128-bit remainder to the 32-bit register: 128 -> 96 -> 64 bits, then Barrett. */
FOLD_TARGET static inline uint32_t reduce(__m128i x, __m128i by16, const struct crc_fold_poly *k)
{
    const __m128i low32 = _mm_setr_epi32(-1, 0, 0, 0);
    const __m128i by8 = _mm_cvtsi64_si128((long long)k->by8);
    const __m128i barrett = _mm_set_epi64x((long long)k->mu, (long long)k->poly);

    x = _mm_xor_si128(_mm_srli_si128(x, 8), _mm_clmulepi64_si128(x, by16, 0x10));
    x = _mm_xor_si128(_mm_srli_si128(x, 4),
                      _mm_clmulepi64_si128(_mm_and_si128(x, low32), by8, 0x00));
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(x, low32), barrett, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low32), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, q), 1);
}

/* Appends the last m bytes (1..15) of the message to x. x and the tail are 16 + m bytes; the
 * first m of them are folded over 16 bytes onto the rest. `end` points behind the message, of
 * which at least 16 bytes precede it. */
FOLD_TARGET static inline __m128i append(__m128i x, const uint8_t *end, size_t m, __m128i by16)
{
    /* 16 indices from 16 + m on move a register down by m bytes, from m on they move its first m
     * bytes to the end; an index with bit 7 set gives a zero byte. */
    static const uint8_t window[48] = {
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
        0x80, 0x80, 0x80, 0x80, 0,    1,    2,    3,    4,    5,    6,    7,
        8,    9,    10,   11,   12,   13,   14,   15,   0x80, 0x80, 0x80, 0x80,
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    };
    const __m128i down = load(window + 16 + m);
    const __m128i last16 = _mm_blendv_epi8(_mm_shuffle_epi8(x, down), load(end - 16), down);
    return fold(_mm_shuffle_epi8(x, load(window + m)), by16, last16);
}

/* Folds all whole blocks of 64 bytes (bytes >= 64) into one remainder. */
FOLD_TARGET static inline __m128i fold64(uint32_t reg, const uint8_t *p, size_t bytes, __m128i by16,
                                         const struct crc_fold_poly *k)
{
    const __m128i by64 = load((const uint8_t *)k->by64);
    __m128i a = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)reg));
    __m128i b = load(p + 16);
    __m128i c = load(p + 32);
    __m128i d = load(p + 48);
    for (p += 64, bytes -= 64; bytes >= 64; p += 64, bytes -= 64) {
        a = fold(a, by64, load(p));
        b = fold(b, by64, load(p + 16));
        c = fold(c, by64, load(p + 32));
        d = fold(d, by64, load(p + 48));
    }
    return fold(fold(fold(a, by16, b), by16, c), by16, d);
}

#define WIDE_TARGET __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.1")))

WIDE_TARGET static inline __m512i wide_load(const uint8_t *p)
{
    return _mm512_loadu_si512((const void *)p);
}

WIDE_TARGET static inline __m512i wide_both(const uint64_t k[2])
{
    return _mm512_broadcast_i32x4(load((const uint8_t *)k));
}

/* fold of four remainders side by side. 0x96: exclusive or of three. */
WIDE_TARGET static inline __m512i wide_fold(__m512i x, __m512i k, __m512i next)
{
    return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(x, k, 0x00),
                                     _mm512_clmulepi64_epi128(x, k, 0x11), next, 0x96);
}

/* fold64 with registers of 64 bytes: folds all whole blocks of 256 bytes (bytes >= 256), 12
 * instructions each instead of 108. */
WIDE_TARGET static __m128i fold256(uint32_t reg, const uint8_t *p, size_t bytes,
                                   const struct crc_fold_poly *k)
{
    const __m512i by256 = wide_both(k->by256), by64 = wide_both(k->by64);
    const __m128i by16 = load((const uint8_t *)k->by16);
    const __m512i first = _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)reg));
    __m512i a = _mm512_xor_si512(wide_load(p), first);
    __m512i b = wide_load(p + 64);
    __m512i c = wide_load(p + 128);
    __m512i d = wide_load(p + 192);
    for (p += 256, bytes -= 256; bytes >= 256; p += 256, bytes -= 256) {
        a = wide_fold(a, by256, wide_load(p));
        b = wide_fold(b, by256, wide_load(p + 64));
        c = wide_fold(c, by256, wide_load(p + 128));
        d = wide_fold(d, by256, wide_load(p + 192));
    }
    const __m512i all = wide_fold(wide_fold(wide_fold(a, by64, b), by64, c), by64, d);
    const __m128i x = fold(_mm512_castsi512_si128(all), by16, _mm512_extracti32x4_epi32(all, 1));
    return fold(fold(x, by16, _mm512_extracti32x4_epi32(all, 2)), by16,
                _mm512_extracti32x4_epi32(all, 3));
}

static inline int wide_usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
}

FOLD_TARGET uint32_t crc_fold(uint32_t reg, const uint8_t *p, size_t bytes,
                              const struct crc_fold_poly *k)
{
    const uint8_t *end = p + bytes;
    const __m128i by16 = load((const uint8_t *)k->by16);
    __m128i x;
    if (bytes >= 256 && wide_usable()) {
        x = fold256(reg, p, bytes, k);
        p += bytes & ~(size_t)255;
    } else if (bytes >= 64) {
        x = fold64(reg, p, bytes, by16, k);
        p += bytes & ~(size_t)63;
    } else {
        x = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)reg));
        p += 16;
    }
    for (; end - p >= 16; p += 16) {
        x = fold(x, by16, load(p));
    }
    if (p < end) {
        x = append(x, end, (size_t)(end - p), by16);
    }
    return reduce(x, by16, k);
}

#endif
