/* InfiniBand flow control packet: 6 bytes that grant credits on one virtual lane.
 *
 *   bits 47-44 op | 43-32 FCTBS | 31-28 VL | 27-16 FCCL | 15-0 LPCRC
 *
 * LPCRC: CRC-16 of the first four bytes, the polynomial of the VCRC, least significant byte first.
 * Source   IBTA vol. 1, 7.9.4 (fields, modulo 4096, blocks of 64 bytes), from published
 *          descriptions: not compared with a capture, since captures never hold link packets */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { FC_PACKET_BYTES = 6, FC_OP_NORMAL = 0, FC_OP_INIT = 1 };

struct fc_packet {
    uint16_t fctbs; /* blocks sent on vl since the link came up, modulo 4096 */
    uint16_t fccl;  /* blocks the receiver may have sent, modulo 4096        */
    uint8_t vl;     /* 0..15                                                 */
    uint8_t op;     /* 0..15; FC_OP_NORMAL, FC_OP_INIT, others reserved      */
};

/* Writes FC_PACKET_BYTES bytes at p; bits beyond a field's width are dropped. */
void fc_build(const struct fc_packet *f, uint8_t *p);

/* Reads len bytes at p. False: not 6 bytes, wrong LPCRC or reserved op; *f is then undefined. */
bool fc_parse(const uint8_t *p, uint32_t len, struct fc_packet *f);
