/* CRC of the wire: CRC-32 (ICRC) and CRC-16 (VCRC).
 *
 * Both are reflected, start from all ones, end in a complement, and are sent least significant
 * byte first. Both chain: start with 0, pass the last result back in for the next piece:
 *
 *     crc = crc32_update(0, head, head_bytes);
 *     crc = crc32_update(crc, tail, tail_bytes);   // = CRC of head followed by tail
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of 8 bytes FF: where the ICRC of RoCE starts (the masked LRH). */
#define CRC32_EIGHT_ONES 0x2144DF1Cu

/* CRC-32, polynomial 0x04C11DB7 (reflected 0xEDB88320), over `bytes` bytes at `data`.
 *
 * crc     0, or the result for the bytes in front
 * data    any alignment; may be NULL when bytes is 0
 * return  the CRC; equals zlib crc32(crc, data, bytes)
 * errors  none
 * source  InfiniBand Architecture vol. 1, "Invariant CRC" */
uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes);

/* CRC-16, polynomial 0x100B (reflected 0xD008); check value of "123456789" is 0x0A3D.
 *
 * Arguments as crc32_update.
 * source  InfiniBand Architecture vol. 1, "Variant CRC" */
uint16_t crc16_update(uint16_t crc, const void *data, size_t bytes);

/* The same results without special instructions: what machines without carry-less multiplication
 * use. Public so that a test can compare both ways on one machine. */
uint32_t crc32_update_table(uint32_t crc, const void *data, size_t bytes);
uint16_t crc16_update_table(uint16_t crc, const void *data, size_t bytes);
