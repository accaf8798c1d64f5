/* Carry-less-multiplication path of the CRCs; private to crc.c and crc_fold.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fewer bytes than this go through the table: folding needs one whole 16-byte block. */
#define CRC_FOLD_MIN 16u

/* Constants of a reflected polynomial P of degree 32. A CRC of degree 16 with generator G is
 * computed as P = G * x^16: its remainder is x^16 times the wanted one, which in reflected order
 * is the low half of the register. */
struct crc_fold_poly {
    uint64_t by256[2]; /* the same over 256 bytes: four registers of 64 bytes */
    uint64_t by64[2];  /* x^(64*8+32), x^(64*8-32) mod P: fold over 64 bytes */
    uint64_t by16[2];  /* x^(16*8+32), x^(16*8-32) mod P: fold over 16 bytes */
    uint64_t by8;      /* x^64 mod P */
    uint64_t poly, mu; /* P and floor(x^64 / P), 33 bits, reflected */
};

extern const struct crc_fold_poly crc_fold_icrc, crc_fold_vcrc;

/* Register after `bytes` >= CRC_FOLD_MIN bytes at p, from register `reg` (no complements). Only
 * where crc_fold_usable() is true. */
uint32_t crc_fold(uint32_t reg, const uint8_t *p, size_t bytes, const struct crc_fold_poly *k);

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define CRC_FOLD_BUILT 1
/* The compiler's start-up code reads the CPU's features once; this is one load and a test. */
static inline int crc_fold_usable(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#else
#define CRC_FOLD_BUILT 0
static inline int crc_fold_usable(void)
{
    return 0;
}
#endif
