/* IPv4, IPv6 and UDP of RoCE v2. */
#include "model/packet/bytes.h"
#include "model/packet/wire_format.h"

enum { PROTOCOL_UDP = 17 };

/* Sum of the bytes at p as big-endian 16-bit words, not folded; an odd last byte counts as the
 * high half of a word. Words are added in host order: a ones' complement sum may be swapped at
 * the end (RFC 1071). */
static uint64_t sum_host(const uint8_t *p, size_t bytes)
{
    uint64_t a = 0;
    uint64_t b = 0;
    for (; bytes >= 16; p += 16, bytes -= 16) {
        uint64_t w[2];
        memcpy(w, p, 16);
        a += (w[0] & 0xFFFFFFFF) + (w[0] >> 32);
        b += (w[1] & 0xFFFFFFFF) + (w[1] >> 32);
    }
    for (; bytes >= 2; p += 2, bytes -= 2) {
        uint16_t w;
        memcpy(&w, p, 2);
        a += w;
    }
    return a + b + (bytes != 0 ? *p : 0u);
}

/* Folded complement of a host-order sum, as a big-endian value. */
static uint16_t checksum(uint64_t sum)
{
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16 & 0xFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return __builtin_bswap16((uint16_t)~sum);
}

static void ipv4_put(uint8_t *p, const struct pkt_hdr *h, uint32_t total_bytes)
{
    p[0] = 0x45;
    p[1] = (uint8_t)(h->dscp << 2 | (h->ecn & 3));
    be16_put(p + 2, total_bytes);
    be16_put(p + 4, h->ip_id);
    be16_put(p + 6, h->ip_df ? 0x4000 : 0);
    p[8] = h->ttl;
    p[9] = PROTOCOL_UDP;
    be16_put(p + 10, 0);
    memcpy(p + 12, h->sgid + 12, 4);
    memcpy(p + 16, h->dgid + 12, 4);
    be16_put(p + 10, checksum(sum_host(p, IPV4_BYTES)));
}

static void ipv6_put(uint8_t *p, const struct pkt_hdr *h, uint32_t payload_bytes)
{
    const uint32_t tclass = (uint32_t)(h->dscp & 63) << 2 | (h->ecn & 3);
    be32_put(p, 6u << 28 | tclass << 20 | (h->flow_label & 0xFFFFF));
    be16_put(p + 4, payload_bytes);
    p[6] = PROTOCOL_UDP;
    p[7] = h->ttl;
    memcpy(p + 8, h->sgid, 16);
    memcpy(p + 24, h->dgid, 16);
}

void ip_udp_put(uint8_t *p, const struct pkt_hdr *h, uint32_t udp_bytes)
{
    if (h->wire == PKT_ROCE2_V4) {
        ipv4_put(p, h, IPV4_BYTES + udp_bytes);
        p += IPV4_BYTES;
    } else {
        ipv6_put(p, h, udp_bytes);
        p += IPV6_BYTES;
    }
    be16_put(p, h->udp_sport);
    be16_put(p + 2, PKT_UDP_PORT);
    be16_put(p + 4, udp_bytes);
    be16_put(p + 6, 0);
}

void udp6_checksum_put(uint8_t *ip, uint32_t udp_bytes)
{
    uint8_t *udp = ip + IPV6_BYTES;
    /* Pseudo header: both addresses, length, next header (RFC 8200, 8.1). */
    const uint64_t pseudo = sum_host(ip + 8, 32) + __builtin_bswap16((uint16_t)udp_bytes) +
                            __builtin_bswap16(PROTOCOL_UDP);
    const uint16_t sum = checksum(pseudo + sum_host(udp, udp_bytes));
    be16_put(udp + 6, sum == 0 ? 0xFFFF : sum);
}

/* UDP header at the cursor; ip_payload is the length that the IP header leaves for it. Whether
 * that is enough for BTH and ICRC is for bth_get to say. */
static enum pkt_result udp_get(struct cursor *c, struct pkt_hdr *h, uint32_t ip_payload)
{
    const uint8_t *p = c->frame + c->at;
    if (be16_get(p + 4) != ip_payload) {
        return PKT_BAD_LENGTH;
    }
    if (!cursor_set_end(c, c->at, ip_payload)) {
        return PKT_TRUNCATED;
    }
    h->udp_sport = be16_get(p);
    c->at += UDP_BYTES;
    return PKT_OK;
}

static void ipv4_get(const uint8_t *p, struct pkt_hdr *h)
{
    h->dscp = p[1] >> 2;
    h->ecn = p[1] & 3;
    h->ip_id = be16_get(p + 4);
    h->ip_df = p[6] >> 6 & 1;
    h->ttl = p[8];
    h->sgid[10] = h->sgid[11] = h->dgid[10] = h->dgid[11] = 0xFF;
    memcpy(h->sgid + 12, p + 12, 4);
    memcpy(h->dgid + 12, p + 16, 4);
}

/* First whether it is RoCE v2 at all, then what is wrong with it. */
enum pkt_result ipv4_udp_get(struct cursor *c, struct pkt_hdr *h)
{
    const uint8_t *p = c->frame + c->at;
    if (!cursor_has(c, IPV4_BYTES)) {
        return PKT_TRUNCATED;
    }
    if (p[0] >> 4 != 4) {
        return PKT_BAD_IP_VERSION;
    }
    const uint32_t header_bytes = (p[0] & 15u) * 4;
    const uint32_t fragment = be16_get(p + 6) & 0x3FFF;
    if (p[9] != PROTOCOL_UDP || (fragment & 0x1FFF) != 0) {
        return PKT_NOT_RDMA;
    }
    if (header_bytes < IPV4_BYTES) {
        return PKT_BAD_IP_HEADER;
    }
    if (!cursor_has(c, header_bytes + UDP_BYTES)) {
        return PKT_TRUNCATED;
    }
    if (be16_get(p + header_bytes + 2) != PKT_UDP_PORT) {
        return PKT_NOT_RDMA;
    }
    if (header_bytes != IPV4_BYTES) {
        return PKT_BAD_IP_HEADER;
    }
    if (checksum(sum_host(p, IPV4_BYTES)) != 0) {
        return PKT_BAD_IP_CHECKSUM;
    }
    if (fragment != 0) {
        return PKT_IP_FRAGMENT;
    }
    ipv4_get(p, h);
    const uint32_t total_bytes = be16_get(p + 2);
    c->at += IPV4_BYTES;
    return total_bytes < IPV4_BYTES ? PKT_BAD_LENGTH : udp_get(c, h, total_bytes - IPV4_BYTES);
}

enum pkt_result ipv6_udp_get(struct cursor *c, struct pkt_hdr *h)
{
    const uint8_t *p = c->frame + c->at;
    if (!cursor_has(c, IPV6_BYTES)) {
        return PKT_TRUNCATED;
    }
    const uint32_t word = be32_get(p);
    if (word >> 28 != 6) {
        return PKT_BAD_IP_VERSION;
    }
    if (p[6] != PROTOCOL_UDP) {
        return PKT_NOT_RDMA;
    }
    if (!cursor_has(c, IPV6_BYTES + UDP_BYTES)) {
        return PKT_TRUNCATED;
    }
    if (be16_get(p + IPV6_BYTES + 2) != PKT_UDP_PORT) {
        return PKT_NOT_RDMA;
    }
    h->dscp = word >> 22 & 63;
    h->ecn = word >> 20 & 3;
    h->flow_label = word & 0xFFFFF;
    h->ttl = p[7];
    memcpy(h->sgid, p + 8, 16);
    memcpy(h->dgid, p + 24, 16);
    h->udp6_zero_csum = be16_get(p + IPV6_BYTES + 6) == 0;
    c->at += IPV6_BYTES;
    return udp_get(c, h, be16_get(p + 4));
}

uint16_t pkt_udp_sport(uint32_t flow_label, uint32_t lqpn, uint32_t rqpn)
{
    uint32_t label = flow_label & 0xFFFFF;
    if (label == 0) {
        uint64_t v = (uint64_t)lqpn * rqpn;
        v ^= v >> 20;
        v ^= v >> 40;
        label = v & 0xFFFFF;
    }
    return (uint16_t)(((label & 0x3FFF) ^ (label >> 14 & 0x3F)) | 0xC000);
}
