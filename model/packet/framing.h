/* framing.h: what a frame costs on the line and in a receive buffer, and the seal of a frame whose
 * payload does not exist. */
#pragma once
#include "model/packet/headers.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ETH_OVERHEAD = 24, /* preamble 8, FCS 4, gap 12; IEEE 802.3-2018, 3.2 and 4.4.2         */
    ETH_FRAME_BYTES_MIN = 60, /* without FCS; IEEE 802.3-2018, 3.2.8 */
    IB_OVERHEAD = 2,        /* start and end delimiter symbols; IBTA vol. 2, link packets on 8b/10b
                               lanes. ASSUMED for 64b/66b lanes too                              */
    FC_BLOCK = 64,          /* bytes of one credit; IBTA vol. 1, 7.9.4                            */
    FC_BLOCKS_ROUND = 4096, /* FCTBS and FCCL count modulo this                                   */
    FC_CREDIT_MAX = 2048,   /* largest credit in blocks; IBTA vol. 1, 7.9.4                       */
    PFC_QUANTUM_BITS = 512, /* IEEE 802.1Q-2018, 36.1.3                                           */
    RX_SLOT_BYTES_MIN = 256, /* least that a frame takes of an Ethernet receive buffer, ASSUMED */
    SEAL_BYTES = 4
};

/* Bytes that a frame of len bytes (no FCS; LRH to VCRC) occupies on the line. */
static inline uint32_t line_bytes(bool ib, uint32_t len)
{
    if (ib) {
        return len + IB_OVERHEAD;
    }
    return (len < ETH_FRAME_BYTES_MIN ? (uint32_t)ETH_FRAME_BYTES_MIN : len) + ETH_OVERHEAD;
}

/* Credits of an InfiniBand packet of len bytes. */
static inline uint32_t fc_blocks(uint32_t len)
{
    return (len + FC_BLOCK - 1) / FC_BLOCK;
}

/* May blocks be sent? sent: FCTBS, limit: FCCL, both modulo 4096. source: IBTA vol. 1, 7.9.4 */
static inline bool fc_may_send(uint32_t sent, uint32_t limit, uint32_t blocks)
{
    return ((limit - sent - blocks) & (FC_BLOCKS_ROUND - 1)) <= FC_CREDIT_MAX;
}

/* Payload off: the frame holds its headers and, where the payload would begin, a CRC-32 over them
 * with the masks of the ICRC: a flipped bit is still found. Never on a real wire. */
static inline uint32_t frame_seal(const uint8_t *frame, const struct pkt_view *v)
{
    struct pkt_view sealed = *v;

    sealed.icrc_offset = v->payload_offset;
    return pkt_icrc(frame, &sealed);
}
