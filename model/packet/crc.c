/* Table path of the CRCs (slicing by 8) and the choice between it and crc_fold.c. */
#include "model/packet/crc.h"

#include "model/packet/crc_fold.h"

#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "slicing reads words in little-endian order"
#endif

/* A CRC is linear: the entry of index i is the xor of the entries of the bits of i. So the eight
 * entries of single bits generate a table of 256 at compile time. */
#define BIT(i, n, b) ((i) >> (n)&1u ? (b) : 0u)
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                                     \
    (BIT(i, 0, b0) ^ BIT(i, 1, b1) ^ BIT(i, 2, b2) ^ BIT(i, 3, b3) ^ BIT(i, 4, b4) ^ \
     BIT(i, 5, b5) ^ BIT(i, 6, b6) ^ BIT(i, 7, b7))
#define FOUR(i, ...)                                                                     \
    ENTRY((i), __VA_ARGS__), ENTRY((i) + 1u, __VA_ARGS__), ENTRY((i) + 2u, __VA_ARGS__), \
        ENTRY((i) + 3u, __VA_ARGS__)
#define SIXTEEN(i, ...)                                                               \
    FOUR((i), __VA_ARGS__), FOUR((i) + 4u, __VA_ARGS__), FOUR((i) + 8u, __VA_ARGS__), \
        FOUR((i) + 12u, __VA_ARGS__)
#define SIXTYFOUR(i, ...)                                                                        \
    SIXTEEN((i), __VA_ARGS__), SIXTEEN((i) + 16u, __VA_ARGS__), SIXTEEN((i) + 32u, __VA_ARGS__), \
        SIXTEEN((i) + 48u, __VA_ARGS__)
#define ROW(...)                                                                               \
    {                                                                                          \
        SIXTYFOUR(0u, __VA_ARGS__), SIXTYFOUR(64u, __VA_ARGS__), SIXTYFOUR(128u, __VA_ARGS__), \
            SIXTYFOUR(192u, __VA_ARGS__)                                                       \
    }

/* Row r, index i: register after byte i and r zero bytes. Listed: i = 1, 2, 4 .. 128. */
static const uint32_t icrc_table[8][256] = {
    ROW(0x77073096, 0xEE0E612C, 0x076DC419, 0x0EDB8832, 0x1DB71064, 0x3B6E20C8, 0x76DC4190,
        0xEDB88320),
    ROW(0x191B3141, 0x32366282, 0x646CC504, 0xC8D98A08, 0x4AC21251, 0x958424A2, 0xF0794F05,
        0x3B83984B),
    ROW(0x01C26A37, 0x0384D46E, 0x0709A8DC, 0x0E1351B8, 0x1C26A370, 0x384D46E0, 0x709A8DC0,
        0xE1351B80),
    ROW(0xB8BC6765, 0xAA09C88B, 0x8F629757, 0xC5B428EF, 0x5019579F, 0xA032AF3E, 0x9B14583D,
        0xED59B63B),
    ROW(0x3D6029B0, 0x7AC05360, 0xF580A6C0, 0x30704BC1, 0x60E09782, 0xC1C12F04, 0x58F35849,
        0xB1E6B092),
    ROW(0xCB5CD3A5, 0x4DC8A10B, 0x9B914216, 0xEC53826D, 0x03D6029B, 0x07AC0536, 0x0F580A6C,
        0x1EB014D8),
    ROW(0xA6770BB4, 0x979F1129, 0xF44F2413, 0x33EF4E67, 0x67DE9CCE, 0xCFBD399C, 0x440B7579,
        0x8816EAF2),
    ROW(0xCCAA009E, 0x4225077D, 0x844A0EFA, 0xD3E51BB5, 0x7CBB312B, 0xF9766256, 0x299DC2ED,
        0x533B85DA),
};
static const uint32_t vcrc_table[8][256] = {
    ROW(0x1BA1, 0x3742, 0x6E84, 0xDD08, 0x1A01, 0x3402, 0x6804, 0xD008),
    ROW(0xFFB0, 0x5F71, 0xBEE2, 0xDDD5, 0x1BBB, 0x3776, 0x6EEC, 0xDDD8),
    ROW(0xFEF4, 0x5DF9, 0xBBF2, 0xD7F5, 0x0FFB, 0x1FF6, 0x3FEC, 0x7FD8),
    ROW(0xF875, 0x50FB, 0xA1F6, 0xE3FD, 0x67EB, 0xCFD6, 0x3FBD, 0x7F7A),
    ROW(0x33DA, 0x67B4, 0xCF68, 0x3EC1, 0x7D82, 0xFB04, 0x5619, 0xAC32),
    ROW(0x4874, 0x90E8, 0x81C1, 0xA393, 0xE737, 0x6E7F, 0xDCFE, 0x19ED),
    ROW(0x28CB, 0x5196, 0xA32C, 0xE649, 0x6C83, 0xD906, 0x121D, 0x243A),
    ROW(0x49CF, 0x939E, 0x872D, 0xAE4B, 0xFC87, 0x591F, 0xB23E, 0xC46D),
};

/* Register after `bytes` bytes at p: eight at a time, then one by one. */
static uint32_t slice(uint32_t reg, const uint8_t *p, size_t bytes, const uint32_t t[8][256])
{
    for (; bytes >= 8; p += 8, bytes -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        w ^= reg;
        reg = t[7][w & 255] ^ t[6][w >> 8 & 255] ^ t[5][w >> 16 & 255] ^ t[4][w >> 24 & 255] ^
              t[3][w >> 32 & 255] ^ t[2][w >> 40 & 255] ^ t[1][w >> 48 & 255] ^ t[0][w >> 56];
    }
    for (; bytes > 0; p++, bytes--) {
        reg = reg >> 8 ^ t[0][(reg ^ *p) & 255];
    }
    return reg;
}

uint32_t crc32_update_table(uint32_t crc, const void *data, size_t bytes)
{
    return ~slice(~crc, data, bytes, icrc_table);
}

uint16_t crc16_update_table(uint16_t crc, const void *data, size_t bytes)
{
    return (uint16_t)~slice((uint16_t)~crc, data, bytes, vcrc_table);
}

uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes)
{
#if CRC_FOLD_BUILT
    if (bytes >= CRC_FOLD_MIN && crc_fold_usable()) {
        return ~crc_fold(~crc, data, bytes, &crc_fold_icrc);
    }
#endif
    return crc32_update_table(crc, data, bytes);
}

uint16_t crc16_update(uint16_t crc, const void *data, size_t bytes)
{
#if CRC_FOLD_BUILT
    if (bytes >= CRC_FOLD_MIN && crc_fold_usable()) {
        return (uint16_t)~crc_fold((uint16_t)~crc, data, bytes, &crc_fold_vcrc);
    }
#endif
    return crc16_update_table(crc, data, bytes);
}
