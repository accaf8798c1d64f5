/* Invariant and variant CRC of a frame. */
#include "model/packet/crc.h"
#include "model/packet/wire_format.h"

#include <string.h>

/* Copies the headers from `net` to the end of the BTH into m with all bits that a switch or router
 * may change set to one; returns their bytes. Masked: IPv4 ToS, TTL, checksum; IPv6 and GRH
 * traffic class, flow label, hop limit; UDP checksum; BTH byte 4 (FECN, BECN, reserved); the LRH
 * VL, or the whole LRH when a GRH follows (it stands for the eight ones of RoCE). */
static uint32_t mask(uint8_t m[IPV6_BYTES + UDP_BYTES + BTH_BYTES], const uint8_t *net,
                     enum pkt_wire wire)
{
    uint32_t bth = 0;
    switch (wire) {
    case PKT_ROCE2_V4:
        bth = IPV4_BYTES + UDP_BYTES;
        memcpy(m, net, IPV4_BYTES + UDP_BYTES + BTH_BYTES);
        m[1] = m[8] = m[10] = m[11] = 0xFF;
        m[bth - 2] = m[bth - 1] = 0xFF;
        break;
    case PKT_ROCE2_V6:
    case PKT_ROCE1:
    case PKT_IB_GLOBAL:
        bth = wire == PKT_ROCE2_V6 ? IPV6_BYTES + UDP_BYTES : GRH_BYTES;
        memcpy(m, net, bth + BTH_BYTES);
        m[0] |= 0x0F;
        m[1] = m[2] = m[3] = m[7] = 0xFF;
        if (wire == PKT_ROCE2_V6) {
            m[bth - 2] = m[bth - 1] = 0xFF;
        }
        break;
    case PKT_IB_LOCAL:
    case PKT_WIRES:
        bth = LRH_BYTES;
        memcpy(m, net, LRH_BYTES + BTH_BYTES);
        m[0] |= 0xF0;
        break;
    }
    m[bth + 4] = 0xFF;
    return bth + BTH_BYTES;
}

uint32_t pkt_icrc(const uint8_t *frame, const struct pkt_view *v)
{
    uint8_t m[IPV6_BYTES + UDP_BYTES + BTH_BYTES];
    const uint32_t start = v->net_offset + (v->wire == PKT_IB_GLOBAL ? LRH_BYTES : 0);
    const uint32_t bytes = mask(m, frame + start, (enum pkt_wire)v->wire);
    const uint32_t seed = v->wire == PKT_IB_LOCAL ? 0 : CRC32_EIGHT_ONES;
    const uint32_t crc = crc32_update(seed, m, bytes);
    return crc32_update(crc, frame + start + bytes, v->icrc_offset - start - bytes);
}

bool pkt_icrc_ok(const uint8_t *frame, const struct pkt_view *v)
{
    uint32_t got;
    if (!v->icrc_captured) {
        return false;
    }
    memcpy(&got, frame + v->icrc_offset, ICRC_BYTES);
    return got == pkt_icrc(frame, v);
}

bool pkt_vcrc_ok(const uint8_t *frame, const struct pkt_view *v)
{
    uint16_t got;
    if (v->vcrc_offset == 0 || !v->vcrc_captured) {
        return false;
    }
    memcpy(&got, frame + v->vcrc_offset, VCRC_BYTES);
    return got == crc16_update(0, frame, v->vcrc_offset);
}
